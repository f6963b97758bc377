#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: data of regular files under random operations, with many
# extents, on a full volume. Prints TAP. $STRESS_OPS is the number of operations
# of one fsx-lnkfs, $STRESS_SEED the first seed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
ops=${STRESS_OPS:-1500}
seed=${STRESS_SEED:-1}
dev=$DISK0
mnt=/mnt
programs=$here/programs
. "$here/tap.sh"
. "$here/programs.sh"

try() # NAME COMMAND...
{
	local name=$1 status=0
	shift
	"$@" >/tmp/out 2>&1 || status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/out | tail -n 80
	result $status "$name"
}

# Blocks in use; what was freed counts as free when its transaction has ended.
used()
{
	sync
	stat -f -c '%b %f' $mnt | { read -r all free; echo $((all - free)); }
}

remount()
{
	umount $mnt && mount -t lnkfs "$dev" $mnt
}

# Three at a time while the page cache is written and dropped under them.
together()
{
	local pids='' p status=0
	for p in 1 2 3; do
		"$here/fsx-lnkfs" -n $((ops / 2)) -s $((seed + 10 + p)) $mnt/fsx$p &
		pids="$pids $!"
	done
	( while :; do sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1; done ) &
	local dropper=$!
	for p in $pids; do
		wait "$p" || status=1
	done
	kill $dropper
	wait $dropper 2>/dev/null
	return $status
}

# After a remount the blocks of the cut file agree with its data.
cut_fragments()
{
	"$here/fragment" $mnt/pieces 6000 "$bs" &&
	head -c $((bs * 5001 + 7)) $mnt/pieces | md5sum >/tmp/before &&
	truncate -s $((bs * 5001 + 7)) $mnt/pieces &&
	truncate -s $((bs * 9000)) $mnt/pieces &&
	remount &&
	head -c $((bs * 5001 + 7)) $mnt/pieces | md5sum | cmp - /tmp/before &&
	tail -c +$((bs * 5001 + 8)) $mnt/pieces | cmp -n $((bs * 3998)) - /dev/zero
}

# $1: a flag for dd. A full volume says so, and all space comes back.
fill() # [FLAG]
{
	local before after
	before=$(used)
	if dd if=/dev/urandom of=$mnt/full bs=512k ${1:+$1}; then
		echo "the volume does not get full"
		return 1
	fi
	sync || return 1
	grep -q 'No space left' /tmp/out || return 1
	rm $mnt/full
	dd if=/dev/zero of=$mnt/full bs=512k count=8 || return 1
	rm $mnt/full
	after=$(used)
	echo "$before blocks in use before, $after after"
	[ "$after" -le $((before + 64)) ]
}

far()
{
	local at
	for at in 4294966784 1099511627000 1125899906842000 9223372036852678000; do
		head -c 600 /dev/urandom >/tmp/far &&
		dd if=/tmp/far of=$mnt/far bs=1 seek=$at conv=notrunc &&
		sync && echo 3 >/proc/sys/vm/drop_caches &&
		dd if=$mnt/far bs=1 skip=$at count=600 | cmp - /tmp/far || return 1
	done
	[ "$(stat -c %s $mnt/far)" = 9223372036852678600 ] && rm $mnt/far
}

too_far()
{
	! truncate -s 9223372036854775807 $mnt/far 2>/tmp/err && grep -q 'too large' /tmp/err
}

# Four processes on a volume of which a megabyte is left, in pieces.
no_space()
{
	mkdir $mnt/ballast $mnt/enospc &&
		"$here/ballast" $mnt/ballast 1024 "$seed" &&
		"$here/enospc" $mnt/enospc 4 8 "$seed" && rm -r $mnt/ballast $mnt/enospc
}

# Programs that many use (tests/campaign has more of each): 45 seconds in all.
programs()
{
	try "fio, everything read back" fio_verify 2048
	try "dbench" dbench_load 2 6
	try "stress-ng" ng_few 8
}

modprobe lnkfs || exit 1
echo "TAP version 13"
for bs in 1024 4096; do
	label=$bs
	try "format and mount" sh -c "mkfs.lnkfs -q -f -b $bs $dev && mount -t lnkfs $dev $mnt"
	try "random operations" "$here/fsx-lnkfs" -n "$ops" -s "$seed" $mnt/fsx
	try "the same with a larger file" "$here/fsx-lnkfs" -n $((ops / 4)) -l 8000000 -s $((seed + 1)) $mnt/fsx
	try "three at once, the cache dropped under them" together
	try "many extents, cut and extended" cut_fragments
	try "five at once on one file" "$here/collide" $mnt/collide 5 10
	try "direct writes, many in flight" "$here/aio" $mnt/aio 60 "$seed"
	try "offsets past 4 GiB" far
	try "a file larger than the largest is refused" too_far
	try "a full volume, buffered" fill
	try "a full volume, direct" fill oflag=direct
	try "a full volume, many small things" no_space
	[ "$bs" = 4096 ] || programs
	find $mnt -type f -delete
	try "unmount" umount $mnt
	try "fsck finds nothing" fsck.lnkfs -n -f "$dev"
done
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
