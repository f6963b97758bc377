#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# resize.lnkfs: options, sizes, refusals, on files; and that a tree of this very
# source, put on a volume, comes out of it unchanged. TAP on standard output.
# $TOOLS is where the tools are.
set -u

. "$(dirname "$0")/result.sh"
PATH=$TOOLS:$PATH:/usr/sbin:/sbin
export ASAN_OPTIONS=detect_leaks=0
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

works() # NAME ARG...: exit status 0, nothing on standard error
{
	local name=$1 status
	shift
	resize.lnkfs "$@" >out 2>err </dev/null
	status=$?
	[ $status = 0 ] && [ ! -s err ]
	result $? "$name"
}

refuses() # NAME PATTERN ARG...: exit status 1, one line "resize.lnkfs: ...PATTERN"
{
	local name=$1 pattern=$2 status
	shift 2
	resize.lnkfs "$@" >out 2>err </dev/null
	status=$?
	[ $status = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q "^resize.lnkfs: .*$pattern" err
	result $? "$name"
}

usage() # NAME ARG...: exit status 1 and the summary
{
	local name=$1 status
	shift
	resize.lnkfs "$@" >out 2>err </dev/null
	status=$?
	[ $status = 1 ] && grep -q '^usage: resize.lnkfs' err
	result $? "$name"
}

blocks() # FILE: what the superblock says
{
	od -An -tu8 -j $((1024 + 0x80)) -N 8 --endian=little "$1" | tr -d ' '
}

is() # NAME VALUE WANTED
{
	[ "$2" = "$3" ]
	result $? "$1: $2, should be $3"
}

same() # NAME: the tree is what was put there, and the checker is content
{
	rm -rf back
	fsck.lnkfs -fn image >out 2>err && lnkctl cp -r image:/ back >>out 2>>err &&
		rm -rf back/lost+found && diff -r --no-dereference tree back >>out 2>>err
	result $? "$1"
}

# ---- arguments ----
usage "no device"
usage "too many arguments" a 1 2
usage "a size and -M" -M a 1
usage "an unknown option" -x a
refuses "no such file" "No such file" nowhere
head -c 1M /dev/zero >zero
refuses "no filesystem" "not an lnkfs superblock" zero 4M
resize.lnkfs --help >out 2>err
[ $? = 0 ] && grep -q '^usage:' out && [ "$(wc -l <out)" -le 24 ]
result $? "--help fits a screen"
resize.lnkfs -V >out 2>err && grep -q '^resize.lnkfs [0-9]' out
result $? "-V"

# ---- sizes ----
truncate -s 20M image
mkfs.lnkfs -q -f -b 1024 image
works "the size that it has" image
is "nothing is changed" "$(blocks image)" 20480
for size in 24000 24000K 48000s; do
	works "to $size" image $size
	is "$size" "$(blocks image)" 24000
done
is "the file has become longer" "$(stat -c %s image)" $((24000 * 1024))
works "to 22M" image 22M
is 22M "$(blocks image)" 22528
works "to 22m" image 22m
is 22m "$(blocks image)" 22528
is "the file is not cut" "$(stat -c %s image)" $((24000 * 1024))
works "as large as the file" image
is "as large as the file" "$(blocks image)" 24000
for size in 0 -1 +1 1X 12MB K 1.5M 99999999999999999999 18446744073709551615T; do
	refuses "$size is not a size" "not a size" image -- "$size"
done
refuses "no volume is so large" "no volume can have" image 4000000T
refuses "nor are there so many groups" "no volume can have" image 40000T
refuses "too small" "does not fit: the least is [0-9]* blocks" image 100
is "after all this" "$(blocks image)" 24000
# 3 * 7680 blocks and a few are 3 groups
works "a last group that is too short" image 23060
is "is left out" "$(blocks image)" 23040

# ---- what is refused ----
cp image dirty
printf '\003' | dd of=dirty bs=1 seek=$((1024 + 0x1e)) conv=notrunc status=none
refuses "a wrong checksum" 'run "fsck.lnkfs -f dirty" first' dirty 20M
cp image broken
# the reserved bytes of a descriptor: the checker notices, nothing else does
dd if=/dev/zero of=broken bs=1024 seek=7680 count=1 conv=notrunc status=none
refuses "what the checker complains about" 'run "fsck.lnkfs -f broken" first' broken 20M
works "-f does without the check" -f broken 20M
cp image busy
exec 9<>busy
flock 9
refuses "an image that another tool writes to" "busy: in use" busy 30M
works "which can be looked at" -P busy
exec 9>&-
if loop=$(losetup -f --show busy 2>/dev/null); then
	refuses "an image in use by a loop device" "busy: in use by loop device" busy 30M
	losetup -d "$loop"
fi
works "an image that nobody uses" busy 30M
truncate -s 8M journal
mkfs.lnkfs -q -f -b 1024 -O journal_dev journal
refuses "a journal device" "the journal of a volume" journal 16M

# ---- an external journal ----
truncate -s 20M ext
mkfs.lnkfs -q -f -b 1024 -J device=journal ext >out 2>err
result $? "a volume with an external journal"
refuses "its device is not found" "was not found" ext 30M
works "it is named" -j journal ext 30M
is "it is named" "$(blocks ext)" 30720
works "and smaller" -j journal ext 10M
exec 9<>journal
flock 9
refuses "it is in use" "ext: its journal is in use" -j journal ext 20M
works "which is nothing to who only looks" -P -j journal ext
exec 9>&-
# root may write to what is read-only, but not to what is mounted so
if unshare -m true 2>err; then
	cat >ro.sh <<-'END'
		mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" || exit 9
		! true >>journal && resize.lnkfs -P -j journal ext
	END
	unshare -m sh ro.sh >out 2>err
	[ $? = 0 ] && [ "$(cat out)" -gt 0 ]
	result $? "-P needs nothing that can be written to"
fi
fsck.lnkfs -fn -j journal ext >out 2>err
result $? "the checker is content with it"

# ---- a write that fails ----
"${CC:-cc}" -O1 -Wall -Wextra -Werror -shared -fPIC -o stop.so "$here/stop.c" -ldl || exit 1

fails() # NAME STEP FILE SIZE: every STEPth write in turn; the old size or the new one is left
{
	local name=$1 step=$2 n status whole=1 points=0
	for ((n = 1; ; n += step)); do
		cp --sparse=always "$3" vol
		LD_PRELOAD=$PWD/stop.so LNKFS_FAIL=$n ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
			resize.lnkfs -f vol "$4" >out 2>err
		status=$?
		[ $status = 1 ] && grep -q 'No space left' err || break
		points=$((points + 1))
		if ! fsck.lnkfs -n -f vol >>out 2>&1; then
			echo "# write $n failed"
			whole=
			break
		fi
	done
	[ "$whole" ] && [ $status = 0 ] && [ $points -ge 4 ]
	result $? "$name ($points writes fail)"
}

mkfs.lnkfs -q -f -b 1024 small 20M
fails "growing" 1 small 40M

# ---- a tree ----
mkdir tree
cp -r "$top/Documentation" "$top/tools" tree
mkdir tree/links
ln -s somewhere tree/links/fast
ln -s "$(printf 'x%.0s' {1..3000})" tree/links/slow
for i in {1..500}; do
	echo "$i" >"tree/links/a file with some name, $i"
done
truncate -s 100M tree/sparse
echo end >>tree/sparse
for bs in 1024 4096; do
	rm -f image
	truncate -s 120M image
	mkfs.lnkfs -q -f -b $bs -d tree image
	same "blocks of $bs: as made"
	least=$(resize.lnkfs -P image)
	works "-M" -M image
	is "-P said so" "$(blocks image)" "$least"
	same "blocks of $bs: as small as can be"
	truncate -s $((least * bs)) image
	same "blocks of $bs: the file cut there"
	works "larger" image 300M
	same "blocks of $bs: 300 MiB"
	resize.lnkfs -p image 50M >out 2>err && grep -q '100%' err
	result $? "blocks of $bs: -p shows the progress"
	same "blocks of $bs: 50 MiB"
done

finish
