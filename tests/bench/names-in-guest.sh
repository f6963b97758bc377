#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: the same operations on a volume without and one with back references,
# and on ext4 and XFS.
set -eu

dev=${DISK0:?no device}
mnt=/run/bench
count=${1:-5000}

modprobe -aq jbd2 libcrc32c crc32c-intel xfs || :
insmod /lnkfs/lnkfs.ko
mkdir -p "$mnt"
for fs in lnkfs-without lnkfs-with lnkfs-without lnkfs-with ext4 xfs; do
	case $fs in
	lnkfs-without) mkfs.lnkfs -q -f -O ^backref "$dev" ;;
	lnkfs-with)    mkfs.lnkfs -q -f "$dev" ;;
	ext4)          mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$dev" ;;
	xfs)           mkfs.xfs -q -f "$dev" ;;
	esac
	type=${fs%-*}
	mount -t "$type" -o noatime "$dev" "$mnt"
	/in/names "$mnt" "$count" | sed "s/^/$fs\t/"
	umount "$mnt"
done
