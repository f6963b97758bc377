#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest of the black-box search: run the sequences of a list on the volume DISK0,
# whose log goes to DISK1.
#
# usage: guest.sh [MOUNT-OPTIONS]
set -u

here=$(cd "$(dirname "$0")" && pwd)
mnt=/run/ace
mkdir -p $mnt /out

die()
{
	echo "$1" >&2
	exit 1
}

modprobe -aq jbd2 libcrc32c
modprobe -a dm-mod dm-log-writes || die "no dm-log-writes"
insmod /lnkfs/lnkfs.ko || die "cannot load the module"
dm=$("$here/crashdm" create ace "$(blockdev --getsz "$DISK0")" log-writes "$DISK0 $DISK1") ||
	die "cannot make the device"
# Nothing is committed that nobody has asked for: a sequence is always the same.
mount -t lnkfs -o "commit=600${1:+,$1}" "$dm" $mnt || die "cannot mount"
echo 60000 >/proc/sys/vm/dirty_writeback_centisecs
"$here/ace" run ace $mnt "$here/list" /out/ledger || die "a sequence failed"
umount $mnt || die "cannot unmount"
"$here/crashdm" remove ace || die "cannot remove the device"
fsck.lnkfs -fn "$DISK0" || die "the volume is not clean"
