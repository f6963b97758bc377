#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run the case files, each in a directory of its own on each
# volume, then check the volumes. Prints TAP.
#
# usage: guest.sh [CASE...]
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"

files=
for f in "$here"/*.sh; do
	f=${f##*/}
	case $f in guest.sh|common.sh|tap.sh) continue ;; esac
	if [ $# = 0 ] || [[ " $* " == *" $f "* ]]; then
		files="$files $f"
	fi
done

one() # CASE DIRECTORY
{
	local ext4=/mnt/ext4/$BS-${1%.sh}
	mkdir "$ext4" "$2" && chmod 755 "$ext4" "$2" && cd "$2" || return
	DIR=$2 EXT4=$ext4 timeout 300 bash "$here/$1"
}

echo "TAP version 13"
mkdir -p /mnt/1024 /mnt/4096 /mnt/ext4
modprobe lnkfs || exit 1
export TOOLS=$here
try "an ext4 volume" sh -c "mkfs.ext4 -q -F -b 4096 $DISK2 && modprobe -q ext4; mount -t ext4 $DISK2 /mnt/ext4"
for BS in 1024 4096; do
	export BS
	dev=$DISK0
	[ $BS = 1024 ] || dev=$DISK1
	try "$BS: format and mount" sh -c "mkfs.lnkfs -q -f -b $BS $dev && mount -t lnkfs $dev /mnt/$BS"
	for f in $files; do
		try "$BS: $f" one "$f" "/mnt/$BS/${f%.sh}"
	done
	try "$BS: unmount" umount "/mnt/$BS"
	try "$BS: fsck finds nothing" fsck.lnkfs -n -f "$dev"
done
try "unmount ext4" umount /mnt/ext4
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
