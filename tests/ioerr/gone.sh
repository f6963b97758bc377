# SPDX-License-Identifier: GPL-2.0
#
# The device is unplugged (a SCSI disk, deleted) under a mounted volume with work in
# flight, and comes back with what it held.

unplug()
{
	echo 1 >"/sys/block/$1/device/delete"
}

plug()
{
	local h
	for h in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*; do
		echo "- - -" >"/sys/class/scsi_host/${h##*/}/scan"
	done
	sleep 0.5
	scsi_disk
}

# gone_round NAME BSIZE [MOUNT-OPTIONS]
gone_round()
{
	local dev load job status=0 holder
	label="unplugged, $1 (seed $seed)"
	rm -f $ledger
	dev=$(plug) || { result 1 "no disk"; return; }
	ok "format and mount" sh -c "mkfs.lnkfs -q -f -b $2 /dev/$dev && mount -t lnkfs ${3:+-o $3} /dev/$dev $mnt"
	mkdir $mnt/load $mnt/gone
	IOLOAD_GONE=1 "$here/ioload" run $mnt/load $ledger 2 $seed >/run/load 2>&1 &
	load=$!
	"$here/gone" $mnt/gone $((40 * slow)) >/run/gone 2>&1 &
	job=$!
	( cd $mnt/load && exec sleep 1000 ) &
	holder=$!
	sleep $((2 * slow))
	unplug "$dev"
	wait $job || status=$?
	say </run/gone
	result $status "everything ends with an error, and soon"
	no_hang $load
	ok "nothing can be written" refuses
	ok "busy: no unmount" sh -c "! umount $mnt"
	if [ "$1" = lazily ]; then
		umount -l $mnt
	else
		kill $holder
		wait $holder 2>/dev/null
		ok "unmount" umount $mnt
	fi
	dev=$(plug) || { result 1 "no disk"; return; }
	ok "fsck finds nothing, with the journal" fsck.lnkfs -n -f "/dev/$dev"
	ok "mount what has come back" mount -t lnkfs "/dev/$dev" $mnt
	ok "all that was synced is there" "$here/ioload" check $mnt/load $ledger
	if [ "$1" = lazily ]; then
		kill $holder
		wait $holder 2>/dev/null
		sleep 1
		ok "the old mount takes nothing along" writable
	fi
	ok "unmount again" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f "/dev/$dev"
	label=
	seed=$((seed + 1))
}

if modprobe -q scsi_debug dev_size_mb=64 delay=0 && modprobe -q sd_mod; then
	if long; then
		gone_round "at work" 4096
		gone_round "1 KiB blocks" 1024
		gone_round "errors=continue" 4096 errors=continue
	fi
	gone_round "lazily" 4096
	no_scsi_disk
else
	cases=$((cases + 1))
	echo "ok $cases - a disk that is unplugged # SKIP no scsi_debug"
fi
