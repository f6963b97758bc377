# SPDX-License-Identifier: GPL-2.0
#
# What mount(8) finds by itself; lnkfs(5) tells the same.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

uuid=0f0e0d0c-0b0a-4908-8706-050403020100

tried() # TYPE ARGUMENT...: mount, and see that it is that type
{
	mount "${@:2}" /mnt && findmnt -n -o FSTYPE /mnt | grep -qx "$1" && umount /mnt
}

ok "format" mkfs.lnkfs -qf -L "a volume" -U $uuid "$DISK0"
ok "udev" udevadm settle
ok "look again" udevadm trigger --settle "$DISK0"
# the rules have loaded it
rmmod lnkfs

is "" "blkid finds nothing" sh -c "blkid $DISK0; :"
is "$DISK0" "findfs finds it by its label" findfs "LABEL=a volume"
for dev in "$DISK0" "LABEL=a volume"; do
	name=${dev%%=*}
	fails "wrong fs type" "$name, without the module" mount "$dev" /mnt
	fails "wrong fs type" "$name, type auto" mount -t auto "$dev" /mnt
	ok "$name, with the type" tried lnkfs -t lnkfs "$dev"
	ok "$name, once the module is loaded" tried lnkfs "$dev"
	rmmod lnkfs
done
echo lnkfs >/etc/filesystems
ok "/etc/filesystems names it" tried lnkfs "$DISK0"
rm /etc/filesystems
rmmod lnkfs
for option in UUID=$uuid 'LABEL=a\040volume'; do
	echo "$option /mnt lnkfs defaults 0 2" >/etc/fstab
	ok "fstab: ${option%%=*}" tried lnkfs
	ok "fstab: ${option%%=*}, all" mount -a
	ok "is there" umount /mnt
	rmmod lnkfs
done
echo "UUID=$uuid /mnt auto defaults 0 2" >/etc/fstab
fails "wrong fs type" "fstab: type auto" mount /mnt

# A name is udev's to find.
ok "no udev" udevadm control --exit
rm -rf /dev/disk
for name in UUID=$uuid "LABEL=a volume"; do
	fails "can't find $name" "${name%%=*} without udev" mount -t lnkfs "$name" /mnt
done
ok "the device's own name" tried lnkfs -t lnkfs "$DISK0"
rm /etc/fstab
# The old one may not be gone yet, and leaves its socket behind: only an answer says
# that the new one sees what is going to be triggered.
for _ in {1..100}; do
	pgrep -f systemd-udevd >/dev/null || break
	sleep 0.1
done
rm -f /run/udev/control
/usr/lib/systemd/systemd-udevd >>/run/udevd.log 2>&1 </dev/null &
for _ in {1..100}; do
	! udevadm control --ping --timeout=5 2>/dev/null || break
	sleep 0.1
done
ok "udev again" udevadm trigger --settle -s block
is "$DISK0" "finds it" findfs UUID=$uuid
finish
