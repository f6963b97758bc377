#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: a volume mounted with errors=panic.
#
# usage: panic.sh first SEED	work, then an error: this does not come back
#        panic.sh then		what is on the volume afterwards
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mnt=/mnt
modprobe lnkfs
if [ "$1" = then ]; then
	fsck.lnkfs -n -f "$DISK0"
	mount -t lnkfs "$DISK0" $mnt
	cp "$DISK1" /run/ledger
	"$here/ioload" check $mnt /run/ledger
	umount $mnt
	fsck.lnkfs -n -f "$DISK0"
	exit
fi
modprobe -a dm-mod
sectors=$(blockdev --getsz "$DISK0")
echo "0 $sectors linear $DISK0 0" | dmsetup create --noudevsync vol
vol=/dev/dm-$(dmsetup info -c --noheadings -o minor vol)
mkfs.lnkfs -q -f "$vol"
mount -t lnkfs -o errors=panic "$vol" $mnt
for ((i = 0; i < 300; i++)); do
	: >"$mnt/$i"
done
"$here/ioload" run $mnt /run/ledger 3 "$2" &
sleep 3
kill -TERM $!
wait $!
dd if=/run/ledger of="$DISK1" bs=64K conv=fsync status=none
sync
echo 3 >/proc/sys/vm/drop_caches
dmsetup suspend --nolockfs --noflush --noudevsync vol
echo "0 $sectors error" | dmsetup load --noudevsync vol
dmsetup resume --noudevsync vol
ls -l $mnt || :
echo "no panic"
