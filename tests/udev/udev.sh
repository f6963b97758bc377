# SPDX-License-Identifier: GPL-2.0
#
# What udev knows of volumes, and the links in /dev/disk.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

uuid=0f0e0d0c-0b0a-4908-8706-050403020100
uuid2=11111111-2222-4333-8444-555555555555
uuid3=12345678-9abc-4def-8012-3456789abcde

# Does a link come to lead to a device, without being asked to? "" for no device.
leads() # LINK DEVICE
{
	local i
	for ((i = 0; i < 100 * LNKFS_SLOW; i++)); do
		[ "$(readlink -f -q -e "/dev/disk/$1")" != "$2" ] || return 0
		sleep 0.1
	done
	ls -lR /dev/disk
	return 1
}

again() # DEVICE...: look at it again, and be done
{
	udevadm trigger --settle "$@"
}

property() # DEVICE NAME
{
	udevadm info -q property --property="$2" --value "$1"
}

format() # DEVICE OPTION...: and let udev see it
{
	mkfs.lnkfs -qf "${@:2}" "$1" && again "$1"
}

loaded()
{
	[ -d /sys/module/lnkfs ]
}

loaded && rmmod lnkfs
fails "" "the module is not loaded" loaded
ok "format" mkfs.lnkfs -qf -L links -U $uuid "$DISK0"
ok "by-uuid" leads by-uuid/$uuid "$DISK0"
ok "by-label" leads by-label/links "$DISK0"
is lnkfs "type" property "$DISK0" ID_FS_TYPE
is filesystem "usage" property "$DISK0" ID_FS_USAGE
is links "label" property "$DISK0" ID_FS_LABEL
is $uuid "UUID" property "$DISK0" ID_FS_UUID
is "lnkfs links $uuid" "lsblk" lsblk -n -r -o FSTYPE,LABEL,UUID "$DISK0"
udevadm settle
ok "the module is loaded" loaded

# Volumes that go away, or change.
ok "a new UUID" format "$DISK0" -L links -U $uuid2
ok "its link" leads by-uuid/$uuid2 "$DISK0"
ok "not the old one" leads by-uuid/$uuid ""
ok "no label" format "$DISK0" -U $uuid
ok "no link" leads by-label/links ""
is "" "no property" property "$DISK0" ID_FS_LABEL
ok "two of one name" format "$DISK1" -U $uuid2 -L both
ok "and" format "$DISK0" -U $uuid -L both
ok "one of them has it" test -e /dev/disk/by-label/both
ok "ext4 instead" mkfs.ext4 -qF -U $uuid2 "$DISK0"
ok "by-uuid is ext4's" leads by-uuid/$uuid ""
again "$DISK0"
is ext4 "type" property "$DISK0" ID_FS_TYPE
ok "the name is the other's now" leads by-label/both "$DISK1"
ok "lnkfs instead" format "$DISK0" -U $uuid -L links
is lnkfs "type" property "$DISK0" ID_FS_TYPE
ok "mount" mount -t lnkfs "$DISK0" /mnt
# FS_IOC_SETFSLABEL
ok "a label of a mounted volume" perl -e 'open(F, "<", "/mnt") or die $!;
	my $label = pack("a256", "online"); ioctl(F, 0x41009432, $label) or die $!;'
again "$DISK0"
ok "its link" leads by-label/online "$DISK0"
ok "not the old one" leads by-label/links ""
ok "unmount" umount /mnt
ok "set read-only" blockdev --setro "$DISK0"
ok "look again" again "$DISK0"
is online "found on a device that is read-only" property "$DISK0" ID_FS_LABEL
blockdev --setrw "$DISK0"

# Names are what somebody wrote on the device.
evil=$'a\nSYSTEMD_WANTS=evil.service\nID_FS_TYPE=ext4\nSYMLINK=x'
ok "a label of several lines" format "$DISK0" -U $uuid -L "$evil"
is "" "is no property" property "$DISK0" SYSTEMD_WANTS
is lnkfs "nor another type" property "$DISK0" ID_FS_TYPE
is a_SYSTEMD_WANTS=evil.service_ID_FS_TYPE=ext4_SYMLINK=x "but a label" property "$DISK0" ID_FS_LABEL
ok "with a path in it" format "$DISK0" -U $uuid -L "../../sh adow"
ok "stays where it belongs" leads 'by-label/..\x2f..\x2fsh\x20adow' "$DISK0"
ok "two dots" format "$DISK0" -U $uuid -L ..
ok "are no directory" test ! -L /dev/disk/by-label/.. -a -d /dev/disk/by-label/..
is .. "but a label" property "$DISK0" ID_FS_LABEL
ok "quotes" format "$DISK0" -U $uuid -L '"$devnode"'
is '"$devnode"' "are part of it" property "$DISK0" ID_FS_LABEL
long=$(printf '\377%.0s' {1..63})
ok "the longest, in no encoding" format "$DISK0" -U $uuid -L "$long"
ok "its link" leads "by-label/$(printf '\\xff%.0s' {1..63})" "$DISK0"
ok "all of it" format "$DISK0" -U $uuid -L links
ok "a damaged superblock" sh -c "printf x | dd of=$DISK0 bs=1 seek=1500 conv=notrunc"
udevadm settle
again "$DISK0"
is "" "is nothing" property "$DISK0" ID_FS_TYPE
ok "has no link" leads by-uuid/$uuid ""

# Others come first.
ok "format" format "$DISK0" -U $uuid
ok "XFS elsewhere" mkfs.xfs -qf -m uuid=$uuid2 -d file,name=/tmp/xfs,size=300m
dd if=/tmp/xfs of="$DISK0" bs=512 count=1 conv=notrunc status=none
rm -f /tmp/xfs
udevadm settle
again "$DISK0"
is xfs "an XFS superblock before ours" property "$DISK0" ID_FS_TYPE
ok "has the link" leads by-uuid/$uuid2 "$DISK0"
ok "and we have not" leads by-uuid/$uuid ""
ok "format" format "$DISK0" -U $uuid
dd if="$DISK0" of=/tmp/super bs=1k skip=1 count=1 status=none
ok "a partition table" sfdisk -q -X dos "$DISK0" <<END
,24M
,24M
END
dd if=/tmp/super of="$DISK0" bs=1k seek=1 conv=notrunc status=none
udevadm settle
again "$DISK0"
is "" "a disk with partitions is no volume" property "$DISK0" ID_FS_TYPE
ok "but the partitions are" mkfs.lnkfs -q -U $uuid -L part "${DISK0}2"
ok "by-uuid" leads by-uuid/$uuid "${DISK0}2"
ok "by-label" leads by-label/part "${DISK0}2"
ok "format again" format "$DISK0"

# Journal devices.
ok "a journal device" format "$DISK2" -O journal_dev -U $uuid3 -L log
is lnkfs_external_journal "type" property "$DISK2" ID_FS_TYPE
is other "usage" property "$DISK2" ID_FS_USAGE
ok "by-uuid" leads by-uuid/$uuid3 "$DISK2"
ok "by-label" leads by-label/log "$DISK2"
ok "erased" dd if=/dev/zero of="$DISK2" bs=4k count=1 conv=notrunc
ok "no link" leads by-uuid/$uuid3 ""

# Other kinds of devices.
image=/tmp/image
ok "an image" mkfs.lnkfs -q -b 1k -L image -U $uuid3 $image 8M
dev=$(losetup -f --show $image)
ok "by-uuid" leads by-uuid/$uuid3 "$dev"
ok "detach" losetup -d "$dev"
ok "no link" leads by-uuid/$uuid3 ""
dev=$(losetup -r -f --show $image)
ok "by-label, read-only" leads by-label/image "$dev"
ok "detach" losetup -d "$dev"
truncate -s 7M $image
dev=$(losetup -f --show $image)
again "$dev"
is "" "a device too small" property "$dev" ID_FS_TYPE
ok "detach" losetup -d "$dev"
rm $image
ok "a mapped device" dmsetup create --noudevsync vol --table "0 $(blockdev --getsz "$DISK1") linear $DISK1 0"
ok "format" mkfs.lnkfs -qf -L mapped -U $uuid3 /dev/dm-0
udevadm settle
again /dev/dm-0
ok "by-label" leads by-label/mapped /dev/dm-0
ok "removed" dmsetup remove --noudevsync vol
again "$DISK1"
ok "the device below has it" leads by-uuid/$uuid3 "$DISK1"

# What is plugged in does not load the module.
rmmod lnkfs
if modprobe -q scsi_debug removable=1 dev_size_mb=64 && modprobe -q sd_mod; then
	for _ in {1..100}; do
		dev=$(echo /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/sd*)
		[ ! -e "$dev" ] || break
		sleep 0.1
	done
	dev=/dev/${dev##*/}
	ok "a medium that can be removed" format "$dev" -L stick
	ok "by-label" leads by-label/stick "$dev"
	udevadm settle
	fails "" "the module is not loaded" loaded
	rmmod scsi_debug
else
	skip "a medium that can be removed" "no scsi_debug"
fi
modprobe lnkfs
finish
