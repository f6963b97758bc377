#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: a volume mounted with errors=panic.
#
# usage: panic.sh first SEED dead	work, then an error: this does not come back
#        panic.sh first SEED reads	the same; what fails are reads of inodes
#        panic.sh then dead|reads	what is on the volume afterwards
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mnt=/mnt
modprobe lnkfs

# The superblock tells of the error, and a preening check looks at everything once.
traces()
{
	local text
	text=$(dump.lnkfs "$DISK0" super)
	echo "$text"
	grep -q '^  state: .*error' <<<"$text" && grep -q '^  error_count: [1-9]' <<<"$text"
	mount -t lnkfs -o ro "$DISK0" $mnt
	umount $mnt
	text=$(fsck.lnkfs -p "$DISK0") || { echo "fsck: $? $text"; return 1; }
	echo "$text"
	grep -q ' directories, ' <<<"$text" && ! grep -q ': clean, ' <<<"$text"
	text=$(fsck.lnkfs -p "$DISK0")
	echo "$text"
	grep -q ': clean, ' <<<"$text"
}

if [ "$1" = then ]; then
	fsck.lnkfs -n -f "$DISK0"
	[ "$2" = dead ] || traces
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
mkdir $mnt/many
for ((i = 0; i < 300; i++)); do
	: >"$mnt/many/$i"
done
"$here/ioload" run $mnt /run/ledger 3 "$2" &
sleep 3
kill -TERM $!
wait $!
dd if=/run/ledger of="$DISK1" bs=64K conv=fsync status=none
sync
table="0 $sectors error"
if [ "$3" = reads ]; then
	# Nothing waits to be written to its place, but something to be committed.
	fsfreeze -f $mnt && fsfreeze -u $mnt
	table=$("$here/ranges" "$DISK0" "$sectors" error $mnt inodes)
fi
echo 3 >/proc/sys/vm/drop_caches
dmsetup suspend --nolockfs --noflush --noudevsync vol
echo "$table" | dmsetup load --noudevsync vol
dmsetup resume --noudevsync vol
ls -l $mnt/many || :
echo "no panic"
