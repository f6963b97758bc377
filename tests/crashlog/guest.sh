#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest of the crash-state test.
#
# usage: guest.sh record SEED COUNT	the volume DISK0, its log to DISK1
#        guest.sh mount BYTES		mount each of the volumes that stand in DISK0
set -u

here=$(cd "$(dirname "$0")" && pwd)
mnt=/run/crash
mkdir -p $mnt /out

die()
{
	echo "$1" >&2
	exit 1
}

record() # SEED COUNT
{
	modprobe -a dm-mod dm-log-writes || die "no dm-log-writes"
	"$here/crashdm" create crashlog log-writes "$DISK0" "$DISK1" >/run/dm ||
		die "cannot make the device"
	dm=$(cat /run/dm)
	# Transactions that nobody asks for, too.
	mount -t lnkfs -o commit=1 "$dm" $mnt || die "cannot mount"
	"$here/crashops" $mnt crashlog /out/ledger "$1" "$2" || die "the workload failed"
	umount $mnt || die "cannot unmount"
	"$here/crashdm" remove crashlog || die "cannot remove the device"
	fsck.lnkfs -fn "$DISK0" || die "the volume is not clean"
}

mount_all() # BYTES
{
	n=0
	size=$(blockdev --getsize64 "$DISK0")
	modprobe loop
	while [ $(((n + 1) * $1)) -le "$size" ]; do
		loop=$(losetup -f --show -o $((n * $1)) --sizelimit "$1" "$DISK0") ||
			die "no loop device"
		if mount -t lnkfs "$loop" $mnt; then
			"$here/crashtree" $mnt >/out/$n.tree || echo "walking failed" >>/out/$n.tree
			umount $mnt || die "cannot unmount"
		fi
		fsck.lnkfs -fn "$loop" >/out/$n.fsck 2>&1 && echo sound >>/out/$n.fsck
		losetup -d "$loop"
		n=$((n + 1))
	done
	echo "$n volumes"
}

modprobe -aq jbd2 libcrc32c
modprobe quota_v2
insmod /lnkfs/lnkfs.ko || die "cannot load the module"
case $1 in
record) record "$2" "$3" ;;
mount) mount_all "$2" ;;
esac
