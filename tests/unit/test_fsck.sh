#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fsck.lnkfs: exit codes and refusals, on files. TAP on standard output.
# $TOOLS is where the tools are.
set -u

. "$(dirname "$0")/result.sh"
PATH=$PATH:/usr/sbin:/sbin
export ASAN_OPTIONS=detect_leaks=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

gives() # NAME STATUS PATTERN ARG...: exit status, and a line of output
{
	local name=$1 want=$2 pattern=$3 status
	shift 3
	"$TOOLS/fsck.lnkfs" "$@" >out 2>err </dev/null
	status=$?
	[ $status = "$want" ] && cat out err | grep -q -- "$pattern"
	result $? "$name"
}

format() # FILE SIZE ARG...
{
	local file=$1 size=$2
	shift 2
	rm -f "$file"
	"$TOOLS/mkfs.lnkfs" -q "$@" "$file" "$size" || exit 1
}

poke() # FILE OFFSET BYTES: write bytes given in printf's escapes
{
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

number() # FILE OFFSET BYTES: a little-endian number
{
	od -An -tu"$3" -j "$2" -N "$3" --endian=little "$1" | tr -d ' '
}

mkdir src
for i in 1 2 3; do
	echo $i >src/file$i
	ln src/file$i src/link$i
done

for bs in 1024 2048 4096; do
	format vol 64M -b $bs
	gives "$bs: clean, not looked at" 0 'vol: clean, 2 inodes' vol
	gives "$bs: clean, looked at" 0 '2 directories' -f vol
	gives "$bs: repair asked for, nothing to do" 0 '2 directories' -f -y vol
	gives "$bs: at boot" 0 'vol: clean' -a vol
	before=$(sha256sum <vol)
	gives "$bs: -n" 0 '2 directories' -f -n vol
	[ "$before" = "$(sha256sum <vol)" ]
	result $? "$bs: the volume is untouched"

	# The root's record: one byte of its area.
	root=$(number vol $((1024 + 0x90)) 8)
	cp vol broken
	poke broken $((root * 256 + 0xf0)) '\377'
	gives "$bs: a bad record, at boot, volume clean" 0 'clean' -p broken
	gives "$bs: a bad record" 4 "inode $root" -f broken
	gives "$bs: a bad record, nobody to ask" 4 '-y repairs them' -f broken
	gives "$bs: a bad record, at boot, after that" 4 'RUN fsck MANUALLY' -p broken
	gives "$bs: a bad record, at boot, forced" 4 'RUN fsck MANUALLY' -f -p broken
	gives "$bs: the same with -a" 4 'RUN fsck MANUALLY' -f -a broken
	before=$(sha256sum <broken)
	gives "$bs: a bad record, -n" 4 'problems found' -f -n broken
	[ "$before" = "$(sha256sum <broken)" ]
	result $? "$bs: the broken volume is untouched"
	gives "$bs: a bad record, repaired" 1 'broken: repaired' -f -y broken
	gives "$bs: after that" 0 '2 directories' -f broken

	# A figure of a descriptor, its checksum wrong with it.
	cp vol broken
	gd=$((bs == 1024 ? 2 : 1))
	poke broken $((gd * bs + 64 + 4)) '\007'
	gives "$bs: a wrong figure" 4 'descriptor' -f broken
	gives "$bs: a wrong figure, at boot" 1 'broken: repaired' -f -p broken
	gives "$bs: after that" 0 'broken: clean' broken

	# jbd2's s_start: big-endian, 28 bytes into the journal.
	journal=$(number vol $((1024 + 0xa0)) 8)
	cp vol broken
	poke broken $((journal * bs + 28)) '\000\000\000\001'
	gives "$bs: a journal that says nothing sensible" 4 'the journal has no checksums' -f broken
	gives "$bs: a journal that says nothing sensible, -n" 4 'journal' -f -n broken
	gives "$bs: a journal that says nothing sensible, at boot" 4 'journal' -f -p broken
	gives "$bs: a journal that says nothing sensible, repaired" 1 'made anew' -f -y broken
	gives "$bs: after that" 0 '2 directories' -f broken
	cp vol broken
	poke broken $((journal * bs)) '\000'
	gives "$bs: no journal" 4 'no journal superblock' -f broken
	gives "$bs: no journal, repaired" 1 'made anew' -f -y broken
	gives "$bs: after that" 0 '2 directories' -f broken

	# The first descriptor's checksum.
	cp vol broken
	gd=$((bs == 1024 ? 2 : 1))
	poke broken $((gd * bs + 4)) '\000\001\002\003'
	gives "$bs: bad descriptors" 4 'descriptor' -f broken
	gives "$bs: bad descriptors, at boot" 1 'written anew' -f -p broken
	gives "$bs: after that" 0 '2 directories' -f broken

	# Back references: bg_names leads to the root of a tree. They are made anew.
	format linked 64M -b $bs -d src
	names=$(number linked $((gd * bs + 64 + 24)) 8)
	gives "$bs: back references" 0 '3 files' -f linked
	cp linked broken
	poke broken $((names * bs + 80)) '\377'
	gives "$bs: a bad tree of them" 4 "back references of group 0: root in block $names" \
		-f -n broken
	gives "$bs: a bad tree of them, at boot" 1 'back references made anew' -f -p broken
	gives "$bs: after that" 0 '3 files' -f broken
	cp linked broken
	poke broken $((gd * bs + 64 + 24)) '\0\0\0\0\0\0\0\0'
	gives "$bs: no tree of them" 4 'no back reference to its name' -f -n broken
	gives "$bs: no tree of them, repaired" 1 'back references made anew' -f -y broken
	gives "$bs: after that" 0 '3 files' -f broken
	format linked 64M -b $bs -d src -O ^backref
	gives "$bs: no back references" 0 '3 files' -f linked
done

# Groups of 1 KiB blocks are small: there is a backup in the second.
format vol 64M -b 1024
cp vol broken
poke broken $((1024 + 0x80)) '\001'
gives 'a bad superblock, found out by its checksum' 4 'using the backup' broken
poke broken 1024 'XXXX'
gives 'no superblock, but a backup' 4 'using the backup' broken
gives 'a backup that is named' 4 'primary\|superblock at byte 1024' -n -b 7680 broken
gives 'no backup there' 8 'no superblock of lnkfs in that block' -b 7681 broken
gives 'no superblock, at boot' 1 'broken: repaired' -p broken
gives 'after that' 0 '2 directories' -f broken
poke broken $((1024 + 0x90)) '\377\377'
cp broken other
gives 'the superblock damaged, outvoted' 4 'superblock' -f broken
dd if=/dev/zero of=broken bs=1M count=64 conv=notrunc status=none
gives 'no volume at all' 8 'not an lnkfs' broken
: >empty
gives 'an empty file' 8 'fsck.lnkfs: empty: ' empty
head -c 20M vol >short
gives 'a truncated volume' 8 'fsck.lnkfs: short: ' short
gives 'a missing file' 8 'No such file' nothing
gives 'a directory' 8 'fsck.lnkfs: \.: ' .
gives 'no device named' 16 'usage'
gives 'two devices named' 16 'usage' vol vol
gives 'an unknown option' 16 'usage' -z vol
gives '-n with -y' 16 'usage' -n -y vol
gives '-a with -y' 16 'only one of' -a -y vol
gives '-b without a number' 16 'takes the number' -b x vol
gives '-b 0' 16 'takes the number' -b 0 vol
gives '-C without a number' 16 'takes a file descriptor' -C x vol
gives 'help' 0 'Exit status' --help
"$TOOLS/fsck.lnkfs" -f -C 3 vol 3>out >/dev/null && grep -q '^2 100 100 vol$' out
result $? 'progress for another program'
gives 'version' 0 '^fsck.lnkfs [0-9]' -V
"$TOOLS/fsck.lnkfs" -f vol >/dev/full 2>err
[ $? = 8 ]
result $? 'nowhere to write to'

# In use.
format busy 40M
exec 9<>busy
flock 9
gives 'an image that another tool writes to' 8 'in use; -n checks it all the same' -f -y busy
gives 'an image that another tool writes to, -n' 0 'busy: in use' -f -n busy
flock -u 9
flock -s 9
gives 'an image that another one checks' 0 '2 directories' -f -n busy
gives 'an image that another one checks, -p' 8 'in use' -f -p busy
exec 9>&-
gives 'after that' 0 '2 directories' -f -y busy
if loop=$(losetup -f --show busy 2>/dev/null); then
	gives 'an image in use by a loop device' 8 'by loop device /dev/loop.*; -n' -f -y busy
	gives 'an image in use by a loop device, -n' 0 'busy: in use' -f -n busy
	gives 'the loop device itself' 0 '2 directories' -f -y "$loop"
	if over=$(losetup -f --show "$loop" 2>/dev/null); then
		gives 'a device in use by a loop device' 8 'by loop device /dev/loop.*; -n' -f -y "$loop"
		gives 'the upper loop device' 0 '2 directories' -f -y "$over"
		losetup -d "$over"
	fi
	losetup -d "$loop"
fi

# External journals.
format log 8M -O journal_dev
format vol 40M -J device=log
gives "external journal" 0 '2 directories' -f -j log vol
gives "clean, not looked at" 0 'vol: clean' vol
gives "journal not found" 8 'its device was not found' -f vol
gives "the clean volume is checked all the same" 8 '2 directories' -f vol
gives "a journal device is no volume" 8 'the journal of a volume' log
gives "a volume is no journal" 8 'a volume, not a journal device' -f -j vol vol
gives "no journal" 8 'No such file' -f -j nothere vol
cp log broken
poke broken $((4096 + 28)) '\000\000\000\001'
gives "to be replayed, without checksums" 4 'the journal has no checksums' -f -j broken vol
cp log broken
poke broken $((4096 + 64)) '\000\000\000\002'
gives "two users" 8 'not the journal of this volume' -f -j broken vol
cp log broken
poke broken $((4096 + 256)) 'x'
gives "another user" 8 'not the journal of this volume' -f -j broken vol
cp log broken
poke broken $((4096 + 12)) '\001'
gives "damaged log" 4 "log's superblock is damaged" -f -j broken vol
cp log broken
poke broken 1100 'x'
gives "damaged superblock" 4 'bad superblock checksum' -f -j broken vol
format log2 8M -O journal_dev
gives "another journal" 8 'not the journal of this volume' -f -j log2 vol

finish
