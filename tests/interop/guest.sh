#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run the case files, each in a directory of its own on an lnkfs
# volume, then check the volume. Prints TAP.
#
# usage: guest.sh [CASE...]
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"

one() # CASE
{
	mkdir "$VOL/${1%.sh}" && cd "$VOL/${1%.sh}" || return
	DIR=$PWD timeout $((300 * ${LNKFS_SLOW:-1})) bash "$here/$1"
}

echo "TAP version 13"
export VOL=/mnt/lnkfs EXT4=/mnt/ext4 INTEROP=$here/interop
mkdir -p $VOL $EXT4
modprobe -a lnkfs loop || exit 1
try "an ext4 volume" sh -c "mkfs.ext4 -q -F -b 4096 $DISK1 && modprobe -q ext4; mount -t ext4 $DISK1 $EXT4"
try "format and mount" sh -c "mkfs.lnkfs -q -f $DISK0 && mount -t lnkfs $DISK0 $VOL"
for f in "$here"/*.sh; do
	f=${f##*/}
	case $f in guest.sh|common.sh|tap.sh) continue ;; esac
	if [ $# = 0 ] || [[ " $* " == *" $f "* ]]; then
		try "$f" one "$f"
	fi
done
try "unmount" umount $VOL
try "fsck finds nothing" fsck.lnkfs -n -f "$DISK0"
try "unmount ext4" umount $EXT4
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
