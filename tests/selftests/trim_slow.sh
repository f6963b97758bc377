#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# FITRIM on a device that takes its time, and others who need all the space that
# there is: they may have to wait, but it is not denied. Needs loop devices, the
# device mapper's tool, and that of dm-delay.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/is.sh"
lnkfs_only
modprobe -qa dm-mod dm-delay
command -v dmsetup >/dev/null || { echo "1..0 # SKIP no dmsetup"; exit 4; }
dmsetup targets | grep -q '^delay ' || { echo "1..0 # SKIP no dm-delay"; exit 4; }

scratch trim_slow
truncate -s 96M "$tmp/volume"
truncate -s 16M "$tmp/journal"
dev=$($sysop loop "$tmp/volume")
jdev=$($sysop loop "$tmp/journal")
sectors=$((96 * 2048))
trimmer=

cleanup()
{
	[ -z "$trimmer" ] || kill "$trimmer" 2>/dev/null
	wait
	umount "$mnt" 2>/dev/null
	dmsetup remove --noudevsync lnkfs_slow 2>/dev/null
	$sysop unloop "$dev" >/dev/null
	$sysop unloop "$jdev" >/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

table() # what the volume's device is from now on
{
	local status=0
	dmsetup suspend --noudevsync lnkfs_slow || return
	echo "$1" | dmsetup load --noudevsync lnkfs_slow || status=1
	dmsetup resume --noudevsync lnkfs_slow && return $status
}

avail() # bytes
{
	stat -f -c '%a * %S' "$mnt" | { IFS= read -r e; echo $((e)); }
}

# The journal is elsewhere, so that commits are quick.
echo "0 $sectors linear $dev 0" | dmsetup create --noudevsync lnkfs_slow
vol=/dev/dm-$(dmsetup info -c --noheadings -o minor lnkfs_slow)
is "format and mount" yes "$(mkfs.lnkfs -q -f -b "$bs" -O journal_dev "$jdev" &&
	mkfs.lnkfs -q -f -b "$bs" -m 0 -J device="$jdev" "$vol" &&
	mount -t lnkfs "$vol" "$mnt" && echo yes)"

# Free runs of 2 MiB, each one much less than an eighth of all that is free.
n=0
while fallocate -l 2M "$mnt/f$n" 2>/dev/null; do
	n=$((n + 1))
done
rm -f "$mnt/f$n"
for ((i = 0; i < n; i += 2)); do
	rm "$mnt/f$i"
done
sync -f "$mnt"
free=$(($(avail) - (256 << 10)))
is "most of a volume in pieces is free" yes "$([ $free -gt $((30 << 20)) ] && echo yes)"
is "writes take their time" yes "$(table "0 $sectors delay $dev 0 0 $dev 0 400" && echo yes)"

# Not whole groups, or the next round would know that there is nothing to do.
while :; do
	fstrim -o 0 -l 6M "$mnt"
	fstrim -o $((6 << 20)) -l 80M "$mnt"
done >"$tmp/trim" 2>&1 &
trimmer=$!
sleep 1
for i in 1 2 3 4 5; do
	is "all that is free, round $i" 0 "$(fallocate -l $free "$mnt/big" 2>"$tmp/err"; echo $?)"
	rm "$mnt/big"
	sync -f "$mnt"
	sleep 1
done
kill $trimmer
wait $trimmer 2>/dev/null
trimmer=
is "FITRIM has found nothing wrong" "" "$(cat "$tmp/trim")"
table "0 $sectors linear $dev 0"
is "unmount" yes "$(umount "$mnt" && echo yes)"
is "fsck finds nothing" 0 "$(fsck.lnkfs -n -f "$vol" >"$tmp/out" 2>&1; echo $?)"
echo "1..$num"
[ $failed -eq 0 ]
