# SPDX-License-Identifier: GPL-2.0
#
# In the guest: the tools as they are packaged, and the scripts of the RAM disk.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

root=$(dirname "$0")/root
bin=$root/usr/sbin
types=$root/usr/libexec/lnkfs/boot-types
localtop=$root/usr/share/initramfs-tools/scripts/local-top/lnkfs

ok "format" "$bin/mkfs.lnkfs" -q -L packaged "$DISK0"
ok "mount" mount -t lnkfs "$DISK0" /mnt
ok "a version" test -s /sys/module/lnkfs/version
is "$(cat /sys/module/lnkfs/version)" "is that of the tools" sh -c "$bin/mkfs.lnkfs -V 2>&1 | sed 's/.* //'"
ok "files" cp -a "$root" /mnt/
ok "unmount" umount /mnt
ok "check" "$bin/fsck.lnkfs" -f -n "$DISK0"

# Does the boot need lnkfs?
lines() { printf '%s\n' "$@" >/etc/fstab; }
lines "# / lnkfs" "LABEL=x / ext4 defaults 0 1"
fails "" "ext4" "$types"
lines "LABEL=x / lnkfs defaults 0 1"
is lnkfs "lnkfs" "$types"
lines "LABEL=x / lnkfs defaults 0 1" "#LABEL=x / ext4 defaults 0 1" "# /usr was on /dev/sda2 once"
is lnkfs "lnkfs, and what is commented out" "$types"
lines "LABEL=x / ext4 defaults 0 1" "#LABEL=x / lnkfs defaults 0 1"
fails "" "ext4, and what is commented out" "$types"
lines "LABEL=y /usr ext4 defaults 0 2" "LABEL=x / lnkfs defaults 0 1"
is lnkfs,ext4 "/usr is something else" "$types"
lines "LABEL=y /usr lnkfs defaults 0 2" "LABEL=x / ext4 defaults 0 1" "" "LABEL=z /srv xfs"
is ext4,lnkfs "/usr is lnkfs" "$types"
lines "LABEL=z /srv lnkfs defaults 0 2"
fails "" "neither" "$types"
rm /etc/fstab
fails "" "no fstab" "$types"

# root=UUID= and the like; the scripts say what is next in a file.
mkdir -p /conf
leads() # ROOT TYPE
{
	rm -f /conf/param.conf
	ROOT=$1 ROOTFSTYPE=$2 sh "$localtop" && { [ ! -e /conf/param.conf ] || cat /conf/param.conf; }
}
uuid=0f0e0d0c-0b0a-4908-8706-050403020100
is "ROOT=/dev/disk/by-uuid/$uuid" "by UUID" leads UUID=$uuid lnkfs
is "ROOT=/dev/disk/by-label/a-root_1.0" "by label" leads LABEL=a-root_1.0 lnkfs
is "" "a label that udev writes in another way" leads 'LABEL=a/b$(reboot)' lnkfs
is "" "by the device's name" leads /dev/vda lnkfs
is "" "another type" leads UUID=$uuid ext4
is "" "any type" leads UUID=$uuid ""

# What klibc and blkid know comes first.
mkdir -p /usr/lib/udev
cp "$root/usr/lib/udev/lnkfs-id" /usr/lib/udev/
cat >/bin/fstype <<END
#!/bin/sh
echo "FSTYPE=\${KLIBC:-unknown}"
echo "FSSIZE=0"
END
chmod 755 /bin/fstype
wrapper=$root/usr/libexec/lnkfs/fstype
is "FSTYPE=lnkfs" "a volume" "$wrapper" "$DISK0"
is $'FSTYPE=xfs\nFSSIZE=0' "klibc says something else" env KLIBC=xfs "$wrapper" "$DISK0"
is $'FSTYPE=unknown\nFSSIZE=0' "nothing" "$wrapper" "$DISK1"
ok "ext4" mkfs.ext4 -q "$DISK1"
is $'FSTYPE=unknown\nFSSIZE=0' "what blkid knows is left to it" "$wrapper" "$DISK1"
is $'FSTYPE=unknown\nFSSIZE=0' "no device" "$wrapper" /dev/none
finish
