#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest of the crash-state test.
#
# usage: guest.sh record SEED COUNT	the volume DISK0, its log to DISK1
#        guest.sh mount BYTES LOG	mount each of the volumes that stand in DISK0, what is
#					written meanwhile to DISK1, LOG bytes for each
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
	dm=$("$here/crashdm" create crashlog "$(blockdev --getsz "$DISK0")" log-writes \
		"$DISK0 $DISK1") || die "cannot make the device"
	# Transactions that nobody asks for, too.
	mount -t lnkfs -o commit=1 "$dm" $mnt || die "cannot mount"
	"$here/crashops" $mnt crashlog /out/ledger "$1" "$2" || die "the workload failed"
	cat /sys/fs/lnkfs/*/fast_commits >/out/fast
	umount $mnt || die "cannot unmount"
	"$here/crashdm" remove crashlog || die "cannot remove the device"
	fsck.lnkfs -fn "$DISK0" || die "the volume is not clean"
}

device() # NAME SECTORS TARGET PARAMETERS
{
	"$here/crashdm" create "$@" || die "cannot make a device"
}

remove() # NAME...
{
	for name; do
		"$here/crashdm" remove "$name" || die "cannot remove a device"
	done
}

mount_all() # BYTES LOG
{
	n=0
	sectors=$(($1 / 512))
	room=$(($2 / 512))
	all=$(blockdev --getsz "$DISK0")
	modprobe -a dm-mod dm-log-writes || die "no dm-log-writes"
	while [ $(((n + 1) * sectors)) -le "$all" ]; do
		vol=$(device state $sectors linear "$DISK0 $((n * sectors))") || exit
		log=$(device log $room linear "$DISK1 $((n * room))") || exit
		dm=$(device crashlog $sectors log-writes "$vol $log") || exit
		if mount -t lnkfs "$dm" $mnt; then
			"$here/crashtree" $mnt >/out/$n.tree || echo "walking failed" >>/out/$n.tree
			umount $mnt || die "cannot unmount"
		fi
		remove crashlog
		fsck.lnkfs -fn "$vol" >/out/$n.fsck 2>&1 && echo sound >>/out/$n.fsck
		remove state log
		n=$((n + 1))
	done
	echo "$n volumes"
}

modprobe -aq jbd2 libcrc32c
modprobe quota_v2
insmod /lnkfs/lnkfs.ko || die "cannot load the module"
case $1 in
record) record "$2" "$3" ;;
mount) mount_all "$2" "$3" ;;
esac
