#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The journal's device is looked for: what is part of another device is none, and of two
# that are the same somebody has to say which it is.
. "$(dirname "$0")/common.sh"

[ "$BS" = 4096 ] || finish
modprobe -q loop
modprobe -q dm-mod
loop= copied=
end()
{
	dmsetup remove --noudevsync lnkfs_part 2>/dev/null
	dmsetup remove --noudevsync lnkfs_disk 2>/dev/null
	for dev in $loop $copied; do
		losetup -d "$dev"
	done
	tap_end
}
trap end EXIT

attach() # FILE: the loop device
{
	losetup -P -f --show "$1"
}

over() # NAME DEVICE FIRST SECTORS: map a part of a device
{
	echo "0 $4 linear $2 $3" | dmsetup create --noudevsync "$1"
}

dm_path() # NAME
{
	echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"
}

# A journal in the first partition of a disk: 8 MiB after 1 MiB.
truncate -s 8M journal
truncate -s 10M disk
ok "a journal" mkfs.lnkfs -q -b "$BS" -O journal_dev journal
ok "a volume" mkfs.lnkfs -q -b "$BS" -J device=journal vol 32M
uuid=$(dump.lnkfs -j vol super | sed -n 's/.*"journal_uuid": *"\([^"]*\)".*/\1/p')
printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x40\0\0' | dd of=disk bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of=disk bs=1 seek=510 conv=notrunc status=none
dd if=journal of=disk bs=1M seek=1 conv=notrunc status=none

fails "its device was not found" "no device" fsck.lnkfs -f -n vol
loop=$(attach disk)
ok "a partition" test -b "${loop}p1"
ok "is found" fsck.lnkfs -f -n vol
ok "and can be written" tune.lnkfs -O quota vol

copied=$(attach journal)
several="several devices have its UUID"
fails "$several" "a copy: fsck" fsck.lnkfs -f -n vol
fails "$several" "resize" resize.lnkfs vol 40M
fails "$several" "tune" tune.lnkfs -O ^quota vol
fails "$several" "a new journal" tune.lnkfs -J size=6M vol
fails "$several" "tune to it" tune.lnkfs -J "device=UUID=$uuid" vol
fails "$several" "mkfs" mkfs.lnkfs -q -b "$BS" -J "device=UUID=$uuid" other 32M
ok "the one that is named" tune.lnkfs -j "${loop}p1" -O ^quota vol
losetup -d "$copied"
copied=

# As multipath and kpartx do it: all four are open to read, one to write.
ok "a path" over lnkfs_disk "$loop" 0 20480
ok "of which there is a partition" over lnkfs_part "$(dm_path lnkfs_disk)" 2048 16384
fails "" "the first is in use" tune.lnkfs -j "${loop}p1" -O quota vol
ok "the last is found" tune.lnkfs -O quota vol
ok "by all" fsck.lnkfs -f -n vol
ok "it is the journal" fsck.lnkfs -f -n -j "$(dm_path lnkfs_part)" vol
finish
