#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tune.lnkfs: every option, on volumes with files, of 1 KiB and 4 KiB blocks: what
# it changes, that fsck.lnkfs finds nothing, and that the files stay; refusals.
# TAP on standard output. $TOOLS is where the tools are.
set -u

. "$(dirname "$0")/result.sh"
PATH=$PATH:/usr/sbin:/sbin
PYTHONPATH=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH ASAN_OPTIONS=detect_leaks=0 TZ=UTC
unset SOURCE_DATE_EPOCH
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

is() # NAME VALUE WANTED
{
	[ "$2" = "$3" ]
	result $? "$1: '$2', should be '$3'"
}

format() # FILE SIZE ARG...
{
	local file=$1 size=$2
	shift 2
	rm -f "$file"
	"$TOOLS/mkfs.lnkfs" -q "$@" "$file" "$size" || exit 1
}

run()
{
	"$TOOLS/tune.lnkfs" "$@" >out 2>err </dev/null
}

field() # FILE OFFSET BYTES: a little-endian number of the superblock
{
	od -An -tu"$3" -j $((1024 + $2)) -N "$3" --endian=little "$1" | tr -d ' '
}

value() # FILE KEY: what -l says
{
	"$TOOLS/tune.lnkfs" -l "$1" | sed -n "s/^$2: *//p"
}

fast() # FILE: its features, blocks for fast commits, and of the log
{
	local at
	at=$(($(field "$1" 160 8) * bs + 16))
	echo "$(value "$1" Features)/$(field "$1" 172 4)/$(od -An -tu4 -j $at -N 4 --endian=big "$1" |
		tr -d ' ')"
}

# The backup in group 1 agrees with the superblock in all but its place, its
# checksum, its state.
backup_agrees() # FILE BLOCKSIZE
{
	local at=$((($2 - 64) * 8 * $2)) a b
	[ $((at + 1024)) -lt "$(stat -c %s "$1")" ] || return 0
	a=$(od -An -v -tx1 -j $((1024 + 0x10)) -N $((0x1e - 0x10)) "$1")
	a+=$(od -An -v -tx1 -j $((1024 + 0x20)) -N $((1024 - 0x20)) "$1")
	b=$(od -An -v -tx1 -j $((at + 0x10)) -N $((0x1e - 0x10)) "$1")
	b+=$(od -An -v -tx1 -j $((at + 0x20)) -N $((1024 - 0x20)) "$1")
	[ "$a" = "$b" ]
}

# The volume is in order, its files and superblocks are what they should be.
sound() # FILE
{
	"$TOOLS/fsck.lnkfs" -p "$1" >>out 2>>err || return
	"$TOOLS/fsck.lnkfs" -f -n ${JOURNAL:+-j "$JOURNAL"} "$1" >>out 2>>err || return
	rm -rf copy
	"$TOOLS/lnkctl" cp -a "$1:/" copy >>out 2>>err || return
	rmdir copy/lost+found
	diff -r --no-dereference src copy >>out 2>&1 || return
	backup_agrees "$1" "$bs" || { echo "the backup differs" >>out; return 1; }
}

works() # NAME ARG...: exit status 0, silence, and all is in order
{
	local name=$1 status
	shift
	run "$@"
	status=$?
	[ $status = 0 ] && [ ! -s out ] && [ ! -s err ] && sound "${!#}"
	result $? "$bs: $name"
}

refuses() # NAME STATUS MESSAGE ARG...: that line, and nothing is changed
{
	local name=$1 want=$2 message=$3 status before
	shift 3
	before=$(sha256sum "${!#}" 2>/dev/null)
	run "$@"
	status=$?
	[ $status = "$want" ] && [ "$(cat err)" = "tune.lnkfs: $message" ] && [ ! -s out ] &&
		[ "$before" = "$(sha256sum "${!#}" 2>/dev/null)" ]
	result $? "$name"
}

mkdir -p src/dir/sub
for i in 1 2 3 4 5 6 7 8; do
	head -c $((i * 7000)) /dev/urandom >"src/dir/f$i"
done
ln src/dir/f1 src/hard
ln -s "$(printf 'long/%.0s' $(seq 300))" src/slow
ln -s dir src/fast
truncate -s 1M src/sparse
echo end >>src/sparse

# How many names the records hold, and the trees of the groups.
references() # FILE
{
	"$TOOLS/dump.lnkfs" -j "$1" groups | python3 -c '
import json, subprocess, sys
def dump(*what):
    return json.loads(subprocess.run([sys.argv[1], "-j", sys.argv[2], *what], stdout=subprocess.PIPE,
                                     check=True).stdout)
records = trees = 0
for group in json.load(sys.stdin)["groups"]:
    blocks = [group.get("names", 0)] if group.get("names", 0) else []
    for number in blocks:
        block = dump("block", str(number))["block"]
        trees += len(block.get("references", []))
        blocks += [k["block"] for k in block.get("keys", [])]
for name in "dir", "hard", "slow", "fast", "sparse", "dir/f2":
    records += "parent_position" in dump("inode", "/" + name)["inode"]
print(f"{records}/{trees}")' "$TOOLS/dump.lnkfs" "$1"
}

quota_files() { echo "$(value "$1" 'User quota inode')/$(value "$1" 'Group quota inode')/$(value "$1" 'Project quota inode')"; }

echo "TAP version 13"
for bs in 1024 4096; do
	size=$((bs == 1024 ? 20 : 140))M
	least=$((1280 * bs / 1024))
	format vol $size -b $bs -d src -J size=$((least * 2))k -O ^fast_commit
	works "label" -L "a label" vol
	is "label" "$(value vol Label)" "a label"
	works "no label" -L "" vol
	is "label" "$(value vol Label)" "<none>"
	l63=$(printf 'l%.0s' $(seq 63))
	works "label of 63 bytes" -L "$l63" vol
	is "label" "$(value vol Label)" "$l63"
	meta=$(value vol 'Metadata UUID')
	works "UUID" -U 01234567-89ab-cdef-0123-456789abcdef vol
	is "UUID" "$(value vol UUID)" 01234567-89ab-cdef-0123-456789abcdef
	works "UUID at random" -U random vol
	is "version" "$(value vol UUID | cut -c15)" 4
	works "UUID by the time" -U time vol
	is "version" "$(value vol UUID | cut -c15)" 1
	is "the metadata UUID stays" "$(value vol 'Metadata UUID')" "$meta"
	works "reserved blocks" -r 100 vol
	is "reserved" "$(field vol 136 8)" 100
	works "reserved share" -m 2.5 vol
	is "reserved" "$(field vol 136 8)" $(($(field vol 128 8) * 25 / 1000))
	works "half of it" -r $(($(field vol 128 8) / 2)) vol
	works "nothing reserved" -m 0 vol
	is "reserved" "$(field vol 136 8)" 0
	works "behaviour on errors" -e panic vol
	is "errors" "$(value vol 'Errors behavior')" panic
	works "mount count" -C 17 vol
	is "mounts" "$(value vol 'Mount count')" 17
	works "time of the last check" -T 20200102 vol
	is "time" "$(value vol 'Last checked')" "Thu Jan  2 00:00:00 2020"
	works "to the minute" -T 202001021314 vol
	is "time" "$(value vol 'Last checked')" "Thu Jan  2 13:14:00 2020"
	works "in seconds" -T @86400 vol
	is "time" "$(value vol 'Last checked')" "Fri Jan  2 00:00:00 1970"
	works "default mount options" -o discard,nobarrier,symperm vol
	is "options" "$(value vol 'Default mount options') $(field vol 252 4)" "discard nobarrier symperm 7"
	works "fewer" -o ^nobarrier,acl,^symperm vol
	is "options" "$(value vol 'Default mount options')" discard
	works "the last word counts" -o ^discard,discard,symperm,^symperm vol
	is "options" "$(value vol 'Default mount options')" discard
	works "none" -o ^discard vol
	is "options" "$(value vol 'Default mount options') $(field vol 252 4)" "(none) 0"

	# Back references: they come and go with their blocks.
	free=$(field vol 264 8)
	refs=$(references vol)
	[ "$refs" != 0/0 ]
	result $? "$bs: names are recorded"
	works "back references are there already" -O backref vol
	is "they stay" "$(references vol)" "$refs"
	works "no back references" -O ^backref vol
	is "feature" "$(value vol Features)" "(none)"
	is "they are gone" "$(references vol)" 0/0
	[ "$(field vol 264 8)" -gt "$free" ]
	result $? "$bs: and so are their blocks"
	works "gone already" -O ^backref vol
	works "back references" -O backref vol
	is "feature" "$(value vol Features)" backref
	is "they are what they were" "$(references vol)" "$refs"
	is "and take what they took" "$(field vol 264 8)" "$free"
	works "the last word counts" -O ^backref,backref vol
	is "feature" "$(value vol Features)" backref
	works "with quota files" -O ^backref,quota vol
	is "feature" "$(value vol Features)" quota
	works "and the other way" -O backref,^quota vol
	is "feature" "$(value vol Features)" backref
	is "they are what they were" "$(references vol)" "$refs"

	# Quota files, with what is used.
	works "quota files" -O quota vol
	is "feature" "$(value vol Features)" "quota backref"
	[ "$(value vol 'Project quota inode')" ]
	result $? "there are three"
	files=$(quota_files vol)
	works "once more" -O quota vol
	is "they stay" "$(quota_files vol)" "$files"
	works "limits by default" -o usrquota,grpquota,prjquota vol
	works "one goes" -Q ^grpquota vol
	is "the others stay" "$(quota_files vol)" "${files%%/*}//${files##*/}"
	is "and their limits" "$(value vol 'Default mount options')" "usrquota prjquota"
	works "one comes" -Q grp vol
	works "without projects" -O ^project vol
	works "with projects" -O project vol
	free=$(field vol 264 8)
	works "all go" -O ^quota vol
	is "feature" "$(value vol Features)/$(field vol 24 4)" "backref/2"
	is "files" "$(quota_files vol)" //
	is "no limits" "$(value vol 'Default mount options')" "(none)"
	[ "$(field vol 264 8)" -gt "$free" ]
	result $? "their blocks are free"
	works "quota and default options at once" -O quota -o usrquota -L both vol
	is "all of it" "$(value vol Label)/$(value vol 'Default mount options')" both/usrquota

	# The journal, in place and elsewhere.
	works "shorter journal" -J size=${least}k vol
	is "blocks" "$(field vol 168 4)" 1280
	works "the same size" -J size=${least}k vol
	start=$(field vol 160 8)
	works "longer journal, in place" -J size=$((least + 64))k vol
	is "start" "$(field vol 160 8)" "$start"
	is "blocks" "$(field vol 168 4)" $((1280 + 64 * 1024 / bs))
	works "much longer journal" -J size=$((least * 3))k vol
	is "blocks" "$(field vol 168 4)" 3840
	works "shorter again" -J size=$((least * 2))k vol
	works "without a check before" -f -J size=$((least + 40))k vol
	is "blocks" "$(field vol 168 4)" $((1280 + 40 * 1024 / bs))

	# At the end of its group it grows to the front.
	format vol $size -b $bs -d src -J size=${least}k
	start=$(field vol 160 8)
	works "longer journal, to the front" -J size=$((least + 40))k vol
	is "start" "$(field vol 160 8)" $((start - 40 * 1024 / bs))

	# Blocks of the journal for fast commits.
	format vol $size -b $bs -d src -J size=$((least * 2))k
	fast=$((bs == 4096 ? 256 : 320))
	is "fast commits by default" "$(fast vol)" "backref fast_commit/$fast/$((2560 - fast))"
	works "no fast commits" -O ^fast_commit vol
	is "feature, their blocks, the log's" "$(fast vol)" "backref/0/2560"
	works "fast commits again" -O fast_commit vol
	is "feature, their blocks, the log's" "$(fast vol)" "backref fast_commit/$fast/$((2560 - fast))"
	works "they are there already" -O fast_commit vol
	works "longer journal with fast commits" -J size=$((least * 3))k vol
	more=$((bs == 4096 ? 256 : 480))
	is "feature, their blocks, the log's" "$(fast vol)" "backref fast_commit/$more/$((3840 - more))"
	works "shorter journal with fast commits" -J size=$((1536 * bs / 1024))k vol
	is "feature, their blocks, the log's" "$(fast vol)" "backref fast_commit/192/1344"
	refuses "$bs: no room for the log beside them" 1 \
		"vol: journal too small for fast commits (-O ^fast_commit does without)" \
		-J size=${least}k vol
	refuses "$bs: fast commits, and a journal outside" 1 \
		"fast_commit: needs a journal inside the volume (-J size=)" \
		-O fast_commit -J device=log3 vol
	works "shorter journal without them" -O ^fast_commit -J size=${least}k vol
	is "feature, their blocks, the log's" "$(fast vol)" "backref/0/1280"
	refuses "$bs: no room for fast commits" 1 \
		"vol: journal too small for fast commits (-J size= makes it larger)" -O fast_commit vol
	works "longer journal with them" -O fast_commit -J size=$((least * 2))k vol
	is "feature, their blocks, the log's" "$(fast vol)" "backref fast_commit/$fast/$((2560 - fast))"

	# External journals.
	format log 8M -O journal_dev -b $bs
	format log2 8M -O journal_dev -b $bs
	JOURNAL=log
	works "journal outside" -J device=log vol
	is "feature" "$(value vol Features)" "backref ext_journal"
	is "no blocks inside" "$(field vol 160 8) $(field vol 168 4)" "0 0"
	JOURNAL=log2
	works "on another device" -j log -J device=log2 vol
	is "whose" "$(value vol 'Journal UUID')" "$(value log2 UUID)"
	JOURNAL=
	works "inside again" -j log2 -J size=${least}k vol
	is "feature" "$(value vol Features)/$(value vol 'Journal blocks')" "backref/1280"
	format vol2 $size -b $bs -J device=log
	[ "$(value vol2 Features)" = "backref ext_journal" ]
	result $? "$bs: the devices that were left serve another volume"
	refuses "$bs: fast commits and an external journal" 1 \
		"fast_commit: needs a journal inside the volume (-J size=)" -O fast_commit vol2
	refuses "$bs: a journal of another volume" 1 \
		"log: this journal belongs to another volume; mkfs.lnkfs -f -O journal_dev frees it" \
		-J device=log vol
	mv log away
	run -J size=${least}k vol2
	is "$bs: a journal that is not found is left behind" "$?/$(cat err)" \
		"0/tune.lnkfs: vol2: the old journal device was not found: mkfs.lnkfs -f -O journal_dev frees it"
	"$TOOLS/fsck.lnkfs" -fn vol2 >out 2>err
	result $? "$bs: with a volume that is in order"
	# The log begins behind the superblock: its s_start.
	cp away log
	printf '\000\000\000\001' |
		dd of=log bs=1 seek=$((bs * (1024 / bs + 1) + 28)) conv=notrunc status=none
	refuses "$bs: a journal that a copy of the volume needs" 1 \
		"log: this journal holds what has to be replayed; mkfs.lnkfs -f -O journal_dev frees it" \
		-J device=log vol2
	run -J device=away vol2
	is "$bs: its own, and empty" "$?/$(cat err)" 0/
	[ $bs = 1024 ] && other=4096 || other=1024
	format log 8M -O journal_dev -b $other
	refuses "$bs: another block size" 1 \
		"log: the journal has blocks of $other bytes, the volume of $bs" -J device=log vol
done

# Thousands of owners, and files that the checker counts for itself.
python3 - <<'END'
import io, random, tarfile
r = random.Random(7)
with tarfile.open("owners.tar", "w") as tar:
    for i in range(3000):
        info = tarfile.TarInfo("d%d/f%d" % (i % 40, i))
        info.uid = r.choice((i, i << 8, i << 16, 2**32 - 2 - i, r.randrange(2**32 - 1), 7))
        info.gid = r.choice((0, i % 5, r.randrange(2**31)))
        info.size = r.randrange(3000)
        tar.addfile(info, io.BytesIO(bytes(info.size)))
END
for bs in 1024 4096; do
	format vol 64M -b $bs -d owners.tar
	cp vol without
	for args in "-Q usr" "-Q grp" "-O ^quota" "-O quota -J size=6"; do
		# shellcheck disable=SC2086
		run $args vol
		is "$bs: owners: $args" "$?/$(cat err)" 0/
		"$TOOLS/fsck.lnkfs" -fn vol >out 2>err
		result $? "$bs: owners: in order"
	done
	run -O ^quota vol
	# Inode blocks that mkfs left empty may have become free, too.
	[ "$(field vol 264 8)" -ge \
		$(($(field without 264 8) + $(field without 168 4) - $(field vol 168 4))) ]
	result $? "$bs: owners: all blocks are free again"
done

# Refusals: what no volume can have.
format vol 20M -b 1k
refuses "label of 64 bytes" 1 "l$l63: label longer than 63 bytes" -L "l$l63" vol
refuses "no UUID" 1 "clear: not a UUID, nor random or time" -U clear vol
for m in 51 -1 1.23 x ""; do
	run -m "$m" vol
	is "share '$m'" $? 1
done
refuses "a share above half" 1 "50.1: no more than 50% can be reserved" -m 50.1 vol
refuses "blocks above half" 1 "vol: no more than half of the 20480 blocks can be reserved" -r 10241 vol
refuses "no number of blocks" 1 "5k: not a number of blocks" -r 5k vol
refuses "unknown behaviour" 1 "ignore: must be continue, remount-ro or panic" -e ignore vol
refuses "no count" 1 "x: not a number" -C x vol
for t in 2020 20201301 yesterday @ @x 99999999999999 ""; do
	run -T "$t" vol
	is "time '$t'" $? 1
done
refuses "a time out of range" 1 "@99999999999: not a time that a volume can hold" -T @99999999999 vol
refuses "unknown default option" 1 "noatime: not an option that a volume can have by default" \
	-o discard,noatime vol
refuses "what is always on" 1 "acl: always on" -o ^acl vol
refuses "limits without quota files" 1 "usrquota: the volume has no quota files for it (-O quota)" \
	-o usrquota vol
refuses "type of quota" 1 "x: not a type of quota (usrquota, grpquota, prjquota)" -Q ^x vol
refuses "unknown feature" 1 "casefold: unknown feature" -O quota,casefold vol
refuses "no journal" 1 "has_journal: every volume has a journal (-J moves it)" -O ^has_journal vol
refuses "journal device" 1 "journal_dev: only mkfs.lnkfs makes journal devices" -O journal_dev vol
refuses "no checksums" 1 "metadata_csum: metadata always has checksums" -O ^metadata_csum vol
refuses "unknown journal option" 1 "x=1: unknown journal option (only size= and device= are known)" \
	-J x=1 vol
refuses "no size" 1 "size=0: not a size" -J size=0 vol
refuses "a size and a blank" 1 "size=2 : not a size" -J "size=2 " vol
refuses "journal too small" 1 "vol: journal too small (1280 blocks are the least)" -J size=1M vol
refuses "journal too large" 1 "vol: journal too large (it must fit into one group)" -J size=8M vol
refuses "size and device" 1 "log: the size of an external journal is decided when it is made" \
	-J size=4,device=log vol
refuses "no journal there" 1 "none: No such file or directory" -J device=none vol
refuses "a volume is no journal" 1 "vol2: a volume, not a journal device" -J device=vol2 vol
refuses "the volume itself" 1 "vol: a volume and its external journal need two devices" \
	-J device=vol vol
refuses "no external journal" 1 "log: the volume has its journal inside" -j log -L x vol
refuses "a journal device is no volume" 1 "log: the journal of a volume, not a volume" -L x log
refuses "no volume" 1 "src/dir/f5: not an lnkfs superblock" -L x src/dir/f5
refuses "no file" 1 "none: No such file or directory" -L x none
refuses "a directory" 1 "src: Is a directory" -L x src
refuses "nothing to do" 2 "vol: nothing to do" vol
for args in "" "-L" "-L x" "-z vol" "-l vol vol2" "--nosuch vol"; do
	run $args
	is "usage: $args" $? 2
done
run --help
[ $? = 0 ] && [ "$(wc -l <out)" -le 24 ] && ! grep -q '.\{81\}' out
result $? "the help fits a screen"
run -V
is "version" "$?/$(sed 's/[0-9.]*$/N/' out)" "0/tune.lnkfs N"

# Journals that need to be replayed, errors, damage: only the superblock changes.
"$TOOLS/mkfs.lnkfs" -q -f -b 1k -d src vol 20M
cp vol clean
poke() # FILE OFFSET BYTES: write bytes given in printf's escapes
{
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
state() # FILE STATE: as a mount or an error leaves it
{
	python3 - "$1" "$2" <<-'END'
		import struct, sys
		from superblock import superblock
		with superblock(sys.argv[1]) as sb:
		    struct.pack_into("<H", sb, 0x1e, int(sys.argv[2]))
	END
}
state vol 0
is "as a crash leaves it" "$(value vol State)" "not clean"
for args in "-O quota" "-J size=2M" "-f -O quota" "-Q usr -L x"; do
	refuses "not unmounted cleanly: $args" 1 "vol: not unmounted cleanly: run fsck.lnkfs" $args vol
done
run -L label -U random -m 1 -o discard -e continue vol
is "the superblock alone changes all the same" "$?/$(value vol Label)/$(value vol State)" \
	"0/label/not clean"
state vol 3
refuses "error recorded" 1 "vol: an error has been recorded: run fsck.lnkfs" -O quota vol
run -L error vol
is "the label changes all the same" "$?/$(value vol Label)/$(value vol State)" "0/error/clean with errors"
cp clean vol
journal=$(field vol 160 8)
poke vol $((journal * 1024 + 28)) '\000\000\000\001'
refuses "a log that is damaged" 1 "vol: journal: the journal has no checksums: run fsck.lnkfs" -O quota vol
run -L damaged vol
is "the label changes all the same" "$?/$(value vol Label)" "0/damaged"
state vol 0
refuses "but for what may be in the log" 1 \
	"vol: not unmounted cleanly, and the journal cannot be read: the journal has no checksums: run fsck.lnkfs" \
	-L label vol
cp clean vol
poke vol $((3 * 1024 + 300)) '\377\377\377'
refuses "a damaged bitmap" 1 "vol: the volume is damaged: run fsck.lnkfs" -O quota vol
cp clean vol
python3 - vol <<'END'
import struct
import sys
from superblock import superblock

with superblock(sys.argv[1]) as sb:
    struct.pack_into("<I", sb, 0x130, 1)
    for at in 0x140, 0x180:
        sb[at + 0x20:at + 0x40] = b"\x1b]0;f\x9b\xc2\x9b".ljust(32, b"x")
END
LC_ALL=C.UTF-8 run -l vol
[ $? = 0 ] && [ "$(grep -c 'error: *\\033\]0;f\\233\\302\\233x*:' out)" = 2 ]
result $? "no command to a terminal is in the name of a function"
format vol 20M -L "$(printf 'a\033[2J\233\302\2339\303\251')"
is "nor in a label" "$(LC_ALL=C.UTF-8 value vol Label)" "$(printf 'a\\033[2J\\233\\302\\2339\303\251')"
cp clean vol
poke vol 1100 'XX'
refuses "a damaged superblock" 1 "vol: superblock: bad superblock checksum: run fsck.lnkfs" -L x vol
run -l vol
[ $? = 0 ] && grep -q "superblock: bad superblock checksum; this is the backup in block 7680" err
result $? "the backup is shown"

# No room.
format vol 1920K -b 1k
refuses "no room for a longer journal" 1 "vol: No space left on device" -J size=1500k vol
"$TOOLS/fsck.lnkfs" -fn vol >out 2>err
result $? "which leaves the volume in order"
rm vol
"$TOOLS/mkfs.lnkfs" -q -b 1k --minimize -d owners.tar vol
refuses "no room for quota files" 1 "vol: No space left on device" -O quota vol
"$TOOLS/fsck.lnkfs" -fn vol >out 2>err
result $? "which leaves the volume in order"
rm vol
mkdir links
python3 -c 'import os
open("links/0", "w")
for i in range(1, 5000):
    os.link("links/0", "links/%d" % i)'
"$TOOLS/mkfs.lnkfs" -q -b 1k --minimize -O ^backref -d links vol
refuses "no room for back references" 1 "vol: No space left on device" -O backref vol
"$TOOLS/fsck.lnkfs" -fn vol >out 2>err
result $? "which leaves the volume in order"
rm vol

# 140 MiB of records: memory does not grow with them.
mkdir many
python3 -c 'import os
for i in range(70000):
    os.symlink("%05d" % i + "x" * 1790, "many/%d" % i)'
"$TOOLS/mkfs.lnkfs" -q -b 4k -d many vol 400M
rm -r many
mib=$(ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1 python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)' "$TOOLS/tune.lnkfs" -O quota vol)
[ "${mib:-1000}" -lt 150 ]
result $? "quota files for many inodes: $mib MiB of memory"
rm vol

exec 9<>clean
flock 9
refuses "an image that another tool writes to" 1 "clean: in use" -L busy clean
exec 9>&-

run -l /dev/null
is "not a volume" $? 1
"$TOOLS/tune.lnkfs" -l clean >/dev/full 2>err
is "nowhere to write to" $? 1

finish
