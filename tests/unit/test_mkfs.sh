#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkfs.lnkfs: options, sizes, refusals, on files. TAP on standard output.
# $TOOLS is where the tool is.
set -u

. "$(dirname "$0")/result.sh"
PATH=$PATH:/usr/sbin:/sbin
mkfs=$TOOLS/mkfs.lnkfs
export ASAN_OPTIONS=detect_leaks=0
unset SOURCE_DATE_EPOCH
dir=$(mktemp -d) || exit 1
loop=
over=
trap 'for i in $over $loop; do losetup -d "$i" 2>/dev/null; done; rm -rf "$dir"' EXIT
cd "$dir" || exit 1

skip()
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

run()
{
	"$mkfs" "$@" >out 2>err </dev/null
}

# works NAME ARG...: exit status 0, nothing on standard error
works()
{
	local name=$1 status
	shift
	run "$@"
	status=$?
	[ $status = 0 ] && [ ! -s err ]
	result $? "$name"
}

# refuses NAME PATTERN ARG...: exit status 1, one line "mkfs.lnkfs: ...PATTERN"
refuses()
{
	local name=$1 pattern=$2 status
	shift 2
	run "$@"
	status=$?
	[ $status = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q "^mkfs.lnkfs: .*$pattern" err
	result $? "$name"
}

# field FILE OFFSET BYTES: a little-endian number of the superblock
field()
{
	od -An -tu"$3" -j $((1024 + $2)) -N "$3" --endian=little "$1" | tr -d ' '
}

# is NAME VALUE WANTED
is()
{
	[ "$2" = "$3" ]
	result $? "$1: $2, should be $3"
}

bytes()
{
	stat -c %s "$1"
}

echo "TAP version 13"

# What a size means.
works "a size creates the file" a.img 80M
is "its length" "$(bytes a.img)" $((80 << 20))
is "blocks" "$(field a.img 128 8)" $((80 << 8))
works "a bare size counts blocks of 4096" b.img 4096
is "its length" "$(bytes b.img)" $((16 << 20))
is "block size" "$(field b.img 28 1)" 12
works "or of the block size given" -b 2048 c.img 4096
is "its length" "$(bytes c.img)" $((8 << 20))
works "wherever the options stand" d.img -b 1k 8192 -L x -q
is "its length" "$(bytes d.img)" $((8 << 20))
works "8 MiB are enough" e.img 8m
is "small volumes have blocks of 1 KiB" "$(field e.img 28 1)" 10
works "8 MiB with blocks of 4 KiB" -b4096 f.img 8192K
truncate -s 100M g.img
works "the size of an existing file" g.img
is "blocks" "$(field g.img 128 8)" $((100 << 8))
truncate -s 100M h.img
works "a longer file" h.img 20M
is "keeps its length" "$(bytes h.img)" $((100 << 20))
is "volume in it" "$(field h.img 128 8)" $((20 << 10))
truncate -s 10M i.img
works "a shorter file" i.img 20M
is "is extended" "$(bytes i.img)" $((20 << 20))
: >j.img
works "an empty file" j.img 20M
works "a large volume" k.img 4T
[ "$(du -k k.img | cut -f1)" -lt 16384 ]
result $? "takes little room"
rm k.img

refuses "no size for a new file" "n1: .*SIZE" n1
[ ! -e n1 ]
result $? "which is not created"
refuses "too small" "n2: too small: at least 1920 KiB are needed" n2 1M
refuses "too small for the block size" "n2: too small: at least 6 MiB" -b 4k n2 5M
[ ! -e n2 ]
result $? "nothing is created for it"
works "exactly enough" n3 1920K
refuses "one less" "too small" n4 1919K
: >n5
refuses "an empty file without a size" "n5: too small" n5
for s in 0 -5 5X 5MM 1.5G "" 99999999999999999999 99999999T x; do
	refuses "size '$s'" "" -- n6 "$s"
done
[ ! -e n6 ]
result $? "nothing is created for any of these"

# Options and where they end up.
works "label" -f -L "a label" a.img
is "label" "$(tail -c +$((1025 + 64)) a.img | head -c 7)" "a label"
l63=$(printf 'l%.0s' $(seq 63))
works "label of 63 bytes" -f -L "$l63" a.img
refuses "label of 64" "63 bytes" -f -L "${l63}l" a.img
works "UUID" -f -U 01234567-89ab-cdef-0123-456789abcdef a.img
is "UUID" "$(od -An -tx1 -j $((1024 + 32)) -N 16 a.img | tr -d ' ')" 0123456789abcdef0123456789abcdef
refuses "no UUID" "nonsense: not a UUID" -f -U nonsense a.img
run -f a.img
u1=$(od -An -tx1 -j $((1024 + 32)) -N 32 a.img)
run -f -U random a.img
u2=$(od -An -tx1 -j $((1024 + 32)) -N 32 a.img)
[ "$u1" != "$u2" ]
result $? "UUIDs are random"
for b in 1000 512 8192 0 -1 4kk ""; do
	refuses "block size '$b'" "1024, 2048 or 4096" -f -b "$b" a.img
done
works "journal size in MiB" -f -J size=8 a.img
is "journal blocks" "$(field a.img 168 4)" 2048
works "journal size with a suffix" -f -J size=6144K -O ^fast_commit a.img
is "journal blocks" "$(field a.img 168 4)" 1536
start=$(field a.img 160 8)
is "journal superblock" "$(od -An -tx1 -j $((start * 4096)) -N 8 a.img | tr -d ' ')" c03b399800000004
is "journal length" "$(od -An -tu4 --endian=big -j $((start * 4096 + 16)) -N 4 a.img | tr -d ' ')" 1536
is "no fast commits" "$(field a.img 172 4) $(field a.img 20 4)" "0 0"
works "no room for fast commits, not asked for" -f -J size=5M a.img
is "no fast commits, all of the journal" \
	"$(field a.img 172 4) $(field a.img 168 4) $(field a.img 20 4)" "0 1280 0"
works "room for fast commits by default" -f -J size=6144K a.img
is "their blocks, of the journal's, feature" \
	"$(field a.img 172 4) $(field a.img 168 4) $(field a.img 20 4)" "192 1536 4"
refuses "journal too small" "journal too small" -f -J size=4 a.img
works "room for fast commits" -f -O fast_commit -J size=8 a.img
is "their blocks, of the journal's, feature" \
	"$(field a.img 172 4) $(field a.img 168 4) $(field a.img 20 4)" "256 2048 4"
start=$(field a.img 160 8)
is "journal length" "$(od -An -tu4 --endian=big -j $((start * 4096 + 16)) -N 4 a.img | tr -d ' ')" 1792
works "beside the smallest journal" -f -O fast_commit b.img
is "their blocks, of the journal's" "$(field b.img 172 4) $(field b.img 168 4)" "160 1440"
works "without them" -f -O fast_commit -O ^fast_commit b.img
is "feature" "$(field b.img 172 4) $(field b.img 20 4)" "0 0"
refuses "no room for fast commits" "journal too small for fast commits" -f -O fast_commit \
	-b 4096 -J size=5M b.img
refuses "journal too large" "journal too large" -f -J size=200 a.img
refuses "journal of no size" "not a size" -f -J size=0 a.img
refuses "a size and a blank" "not a size" -f a.img "64 "
refuses "unknown journal option" "unknown journal option" -f -J speed=1 a.img
is "reserved by default" "$(field a.img 136 8)" 204
works "reserved share" -f -m 2.5 a.img
is "reserved" "$(field a.img 136 8)" 512
works "no reserve" -f -m 0% a.img
is "reserved" "$(field a.img 136 8)" 0
for m in 51 50.1 -1 x 1.55 "" 4294967297; do
	refuses "reserve of '$m'" "" -f -m "$m" a.img
done
works "format options" -f -o fast-symlink-max=60,max-links=65000 -o errors=panic a.img
is "fast-symlink-max" "$(field a.img 212 4)" 60
is "max-links" "$(field a.img 208 4)" 65000
is "errors" "$(field a.img 29 1)" 3
works "all symlinks slow" -f -o fast-symlink-max=0 a.img
is "fast-symlink-max" "$(field a.img 212 4)" 0
works "defaults" -f a.img
is "fast-symlink-max" "$(field a.img 212 4)" 1863
is "max-links" "$(field a.img 208 4)" 2147483647
is "errors" "$(field a.img 29 1)" 2
works "defaults with 1 KiB blocks" -f -b 1k a.img
is "fast-symlink-max" "$(field a.img 212 4)" 871
refuses "target larger than an inode" "fast-symlink-max" -f -b 1k -o fast-symlink-max=872 a.img
for o in fast-symlink-max fast-symlink-max= fast-symlink-max=x fast-symlink-max=-1 \
	fast-symlink-max=4294967295 max-links=0 max-links=1 max-links=2147483648 max-links=2x \
	errors=explode errors unknown unknown=1; do
	refuses "-o $o" "" -f -o "$o" a.img
done

# Quota files: which of them, as bits.
quota_files()
{
	local i bits=0
	for i in 0 1 2; do
		[ "$(field a.img $((280 + 8 * i)) 8)" = 0 ] || bits=$((bits + (1 << i)))
	done
	echo $bits
}

is "no quota files by default" "$(quota_files) $(field a.img 24 4)" "0 2"
for o in "-O quota" "-O project" "-o quota" "-O quota,project" "-E quotatype=usrquota:grp:prj"; do
	# shellcheck disable=SC2086
	works "$o" -f $o a.img
	is "quota files, feature" "$(quota_files) $(field a.img 24 4)" "7 3"
done
works "two types" -f -O quota -E quotatype=usrquota:prjquota a.img
is "quota files" "$(quota_files)" 5
works "one type, a dry run" -f -n -o quotatype=grp a.img
is "quota files stay" "$(quota_files)" 5
works "quota taken back" -f -O quota,^quota a.img
is "no quota files" "$(quota_files) $(field a.img 24 4)" "0 2"
works "no back references" -f -O ^backref a.img
is "feature" "$(field a.img 24 4)" 0
works "nothing, then quota files" -f -O ^backref,quota a.img
is "quota files, feature" "$(quota_files) $(field a.img 24 4)" "7 1"
works "the last word counts" -f -O ^backref -O ^quota,backref a.img
is "feature" "$(field a.img 24 4)" 2
works "default mount options" -f -E mount-options=discard:nobarrier:symperm:acl a.img
is "default mount options" "$(field a.img 252 4)" 7
works "limits by default" -f -O quota -E mount-options=usrquota:grpquota:prjquota a.img
is "default mount options" "$(field a.img 252 4)" 56
refuses "limits without quota files" "usrquota: there will be no quota files for it" \
	-f -E mount-options=usrquota a.img
refuses "limits of another type" "grpquota: there will be no quota files for it" \
	-f -E quotatype=usr:prj,mount-options=grpquota a.img
for o in mount-options mount-options= mount-options=nodiscard mount-options=discard:; do
	refuses "$o" "" -f -E "$o" a.img
done
for o in "-O unknown" "-O ^" "-O ^^backref" "-O quota=1" "-O backref=1" "-O ^journal_dev" "-o quota=1" "-E quotatype" "-E quotatype=" "-E quotatype=usr:x"; do
	# shellcheck disable=SC2086
	refuses "$o" "" -f $o a.img
done
export SOURCE_DATE_EPOCH=1000000000
works "SOURCE_DATE_EPOCH" -f a.img
is "time of mkfs" "$(field a.img 216 8)" $(((1000000000 + 2147483648) * 1000000000))
export SOURCE_DATE_EPOCH=yesterday
refuses "SOURCE_DATE_EPOCH that is none" "SOURCE_DATE_EPOCH" -f a.img
unset SOURCE_DATE_EPOCH

run -V
[ $? = 0 ] && grep -q "^mkfs.lnkfs [0-9]" out
result $? "-V"
for args in "" "-Z a.img" "a.img 8M more" "-L"; do
	# shellcheck disable=SC2086
	run $args
	[ $? = 1 ] && grep -q "^usage:" err && [ ! -s out ]
	result $? "usage: '$args'"
done
works "quiet" -qf a.img
[ ! -s out ]
result $? "prints nothing"
POSIXLY_CORRECT=1 run a.img -qf
result $? "options anywhere whatever POSIXLY_CORRECT says"

# Dry runs.
cp --sparse=always a.img before.img
works "dry run" -n -f -L other a.img
cmp a.img before.img
result $? "changes nothing"
works "dry run of a new file" -n new.img 1G
[ ! -e new.img ]
result $? "creates nothing"
refuses "dry run on a volume" "contains an lnkfs" -n a.img

# What is there already.
refuses "an lnkfs volume" "a.img: contains an lnkfs" a.img
run -qf -L hello a.img
refuses "and says which" "labelled hello" a.img
run -qf -L "$(printf 'a\033[2Jb')" a.img
refuses "without the label's control characters" "labelled a?\[2Jb" a.img
run -qf -L "$(printf 'a\233\302\2332Jb')" a.img
refuses "nor those of eight bits" 'labelled a\\233\\302\\2332Jb' a.img
refuses "nor those of a name" 'a\\033\[2Jb: no such file' "$(printf 'a\033[2Jb')"
printf 'x' | dd of=a.img bs=1 seek=1200 conv=notrunc 2>/dev/null
refuses "a damaged one, too" "contains an lnkfs" a.img
works "-f overwrites" -f a.img
yes 2>/dev/null | timeout 20 "$mkfs" a.img >out 2>err
[ "$(wc -l <err)" = 1 ] && grep -q contains err
result $? "asks nobody"

truncate -s 80M pt.img
printf '\x80\x01\x01\x00\x83\xfe\xff\xff\x00\x08\x00\x00\x00\x00\x02\x00' |
	dd of=pt.img bs=1 seek=446 conv=notrunc 2>/dev/null
printf '\x55\xaa' | dd of=pt.img bs=1 seek=510 conv=notrunc 2>/dev/null
refuses "a partition table" "contains a partition table" pt.img
works "overwritten with -f" -f pt.img
is "the table is gone" "$(od -An -tx1 -j 510 -N 2 pt.img | tr -d ' ')" 0000
refuses "and it is ours now" "contains an lnkfs" pt.img

truncate -s 80M swap.img
printf 'SWAPSPACE2' | dd of=swap.img bs=1 seek=4086 conv=notrunc 2>/dev/null
printf '\x01\x00\x00\x00\xff\x4f\x00\x00' | dd of=swap.img bs=1 seek=1024 conv=notrunc 2>/dev/null
refuses "swap space" "contains swap" swap.img
if command -v mkfs.ext4 >/dev/null; then
	for fs in ext4 "ext4 -b 1024"; do
		truncate -s 80M ext.img
		# shellcheck disable=SC2086
		mkfs.$fs -qF -L old ext.img
		refuses "a $fs" "ext.img: contains ext4 labelled old" ext.img
		works "overwritten with -f" -f ext.img
		is "nothing of it is left" "$(blkid -p -o value -s TYPE ext.img)" ""
		rm ext.img
	done
else
	skip "ext4" "no mkfs.ext4"
fi
# Backups of an older volume must not pass for this one's.
works "blocks of 4 KiB" -b 4k old.img 400M
is "a backup" "$(od -An -tx4 -j $((32256 * 4096)) -N 4 old.img | tr -d ' ')" 464b4e4c
works "then of 1 KiB" -f -b 1k old.img
is "no backup" "$(od -An -tx4 -j $((32256 * 4096)) -N 4 old.img | tr -d ' ')" 00000000

# What is no device.
refuses "a directory" "Is a directory" -f . 8M
refuses "a character device" "/dev/null: neither" -f /dev/null 8M
refuses "no such directory" "No such file" nowhere/x.img 8M
refuses "below a file" "Not a directory" a.img/x.img 8M
if [ "$(id -u)" != 0 ]; then
	truncate -s 8M ro.img
	chmod 444 ro.img
	refuses "no permission" "Permission denied" ro.img
else
	skip "no permission" "root has every permission"
fi
if loop=$(losetup -f --show a.img 2>/dev/null); then
	refuses "an image in use by a loop device" "a.img: in use by loop device" -f a.img
	# The loop device says "a.img (deleted)".
	ln a.img other.img && rm a.img
	refuses "by another name when that is gone" "other.img: in use by loop device" -f other.img
	mv other.img a.img
	works "the loop device itself" -f "$loop"
	refuses "more than the device has" "the device has only 80 MiB" -f "$loop" 1G
	works "less than the device has" -f "$loop" 20M
	is "blocks" "$(field "$loop" 128 8)" 20480
	exec 9<"$loop"
	works "open elsewhere is not in use" -f "$loop"
	exec 9<&-
	mknod node b $((0x$(stat -c %t "$loop"))) $((0x$(stat -c %T "$loop")))
	if over=$(losetup -f --show "$loop" 2>/dev/null); then
		refuses "a device in use by a loop device" "$loop: in use by loop device $over" \
			-f "$loop"
		refuses "by another name of it" "node: in use by loop device" -f node
		works "the upper loop device" -f "$over"
		losetup -d "$over"
		works "a device that is no longer in use" -f "$loop"
		over=
	else
		skip "a device in use by a loop device" "no such loop device"
	fi
	losetup -d "$loop"
	if loop=$(losetup -f --show --sector-size 4096 i.img 2>/dev/null); then
		refuses "blocks smaller than a sector" "sectors of 4096 bytes" -f -b 1k "$loop"
		works "blocks of a sector" -f "$loop"
		is "block size" "$(field "$loop" 28 1)" 12
		losetup -d "$loop"
	else
		skip "sectors of 4096 bytes" "no such loop device"
	fi
else
	skip "loop devices" "there are none"
fi

# External journals.
works "journal device" -O journal_dev -L log jnl.img 8M
is "its feature" "$(field jnl.img 20 4)" 1
is "its block size" "$(field jnl.img 28 1)" 12
is "its log starts" "$(field jnl.img 160 8)" 1
is "and is long" "$(field jnl.img 168 4)" 2047
is "it has no user" "$(od -An -tu4 --endian=big -j $((4096 + 64)) -N 4 jnl.img | tr -d ' ')" 0
refuses "a journal device is not overwritten" "journal of an lnkfs" -O journal_dev jnl.img
works "size of the log" -f -O journal_dev -b 1k -J size=2 jnl.img
is "its log starts" "$(field jnl.img 160 8)" 2
is "and is long" "$(field jnl.img 168 4)" 2048
refuses "a log larger than the device" "larger than the device" -f -O journal_dev -J size=9 jnl.img
refuses "a log too small" "journal too small" -f -O journal_dev -J size=4 jnl.img
refuses "a device too small" "journal too small" -O journal_dev few.img 4M
refuses "options of volumes" "for volumes only" -f -O journal_dev -m 5 jnl.img
refuses "a journal with a journal" "for volumes only" -f -O journal_dev -J device=a.img jnl.img
refuses "unknown feature" "unknown feature" -O journal_dev,x jnl.img
works "a journal device again" -f -O journal_dev jnl.img
refuses "both size and device" "decided when it is made" -f -J size=8,device=jnl.img a.img
refuses "not a journal device" "a volume, not a journal device" -f -J device=a.img b.img 64M
refuses "no device" "neither a block device" -f -J device=/dev/null a.img
refuses "no such device" "No such file" -f -J device=none a.img
refuses "no such UUID" "no such journal device" -f -J device=UUID=00000000-0000-4000-8000-000000000000 a.img
refuses "no UUID" "not a UUID" -f -J device=UUID=1 a.img
refuses "another block size" "blocks of 4096 bytes" -f -b 1k -J device=jnl.img a.img
refuses "the volume itself" "two devices" -f -J device=jnl.img jnl.img
works "a dry run leaves the journal alone" -n -f -J device=jnl.img a.img
is "it has no user" "$(od -An -tu4 --endian=big -j $((4096 + 64)) -N 4 jnl.img | tr -d ' ')" 0
works "a volume with an external journal" -J device=jnl.img ext.img 40M
is "its feature" "$(field ext.img 20 4)" 2
is "block size of the journal" "$(field ext.img 28 1)" 12
is "no journal inside" "$(field ext.img 168 4)" 0
is "the journal's UUID" "$(od -An -tx1 -j $((1024 + 176)) -N 16 ext.img)" \
	"$(od -An -tx1 -j $((1024 + 32)) -N 16 jnl.img)"
is "the journal's user" "$(od -An -tx1 -j $((4096 + 256)) -N 16 jnl.img)" \
	"$(od -An -tx1 -j $((1024 + 48)) -N 16 ext.img)"
refuses "a foreign journal" "belongs to another volume" -f -J device=jnl.img a.img
works "the same volume anew" -f -J device=jnl.img ext.img
is "the journal's new user" "$(od -An -tx1 -j $((4096 + 256)) -N 16 jnl.img)" \
	"$(od -An -tx1 -j $((1024 + 48)) -N 16 ext.img)"
works "a small volume" -f -b 1k -O journal_dev jnl.img
works "without room for a journal" -J device=jnl.img tiny.img 640K

# Write errors.
truncate -s 80M w.img
(
	trap '' XFSZ
	ulimit -f 64
	"$mkfs" w.img >out 2>err
)
[ $? = 1 ] && grep -q "^mkfs.lnkfs: w.img: File too large" err
result $? "a write error is reported"
is "and leaves no volume" "$(field w.img 0 4)" 0

finish
