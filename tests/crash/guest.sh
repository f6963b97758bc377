#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: one boot of the crash test. The volume is DISK0, the ledger
# DISK1; DISK2, if there is one, is for the journal; CRASH_GROW, the size that the
# volume has at first, lets it grow. Prints TAP lines without
# numbers; what is printed after "op" comes from work that is to be killed.
#
# usage: guest.sh first|next|last ROUND
set -u

here=$(cd "$(dirname "$0")" && pwd)
fstype=${FSTYPE:-lnkfs}
mnt=/run/crash
mkdir -p $mnt

die()
{
	echo "not ok - round $2: $1"
	exit 1
}

check() # round
{
	if "$here/crashwork" verify $mnt "$DISK1"; then
		echo "ok - round $1: all that was synced is there"
	else
		echo "not ok - round $1: all that was synced is there"
	fi
	umount $mnt || die "unmount" "$1"
	case $fstype in
	ext4) fsck="e2fsck -fn" ;;
	*) fsck="fsck.$fstype -n -f" ;;
	esac
	command -v "${fsck%% *}" >/dev/null || return 0
	# shellcheck disable=SC2086
	if $fsck "$DISK0" >/run/fsck.log 2>&1; then
		echo "ok - round $1: the volume is clean"
	else
		sed 's/^/# /' /run/fsck.log
		echo "not ok - round $1: the volume is clean"
	fi
}

if [ "$fstype" = lnkfs ]; then
	modprobe -aq jbd2 libcrc32c
	insmod /lnkfs/lnkfs.ko || die "cannot load the module" "$2"
fi
case $1 in
first)
	case $fstype in
	ext4) mkfs.ext4 -q -F -b 4096 -m 0 -E lazy_itable_init=0,nodiscard "$DISK0" ;;
	*)
		[ -z "${DISK2:-}" ] ||
			mkfs.lnkfs -q -f ${CRASH_BSIZE:+-b "$CRASH_BSIZE"} -O journal_dev "$DISK2"
		"mkfs.$fstype" -q -f -K ${CRASH_BSIZE:+-b "$CRASH_BSIZE"} \
			${DISK2:+-J device="$DISK2"} "$DISK0" ${CRASH_GROW:+"$CRASH_GROW"} ;;
	esac || die "cannot format" "$2"
	mount -t "$fstype" "$DISK0" $mnt || die "cannot mount" "$2"
	"$here/crashwork" base $mnt "$DISK1" || die "cannot start" "$2"
	;;
*)
	if [ "$fstype" = lnkfs ]; then
		# Replays the journal and changes nothing else.
		mount -t lnkfs -o ro "$DISK0" $mnt || die "cannot mount read-only" "$2"
		umount $mnt || die "unmount" "$2"
		echo "sum $("$here/volsum" "$DISK0")"
	fi
	mount -t "$fstype" "$DISK0" $mnt || die "cannot mount after the crash" "$2"
	check "$2"
	[ "$1" != last ] || { echo "last round ends"; exit 0; }
	mount -t "$fstype" "$DISK0" $mnt || die "cannot mount again" "$2"
	"$here/crashwork" prune $mnt "$DISK1" || die "cannot prune" "$2"
	;;
esac
exec "$here/crashwork" work $mnt "$DISK1" "$2"
