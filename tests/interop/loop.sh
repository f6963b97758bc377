# SPDX-License-Identifier: GPL-2.0
#
# Loop devices on files of ours: buffered and direct, with another filesystem
# inside.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

mkdir -p /mnt/inner
echo >punched
for direct in off on; do
	truncate -s 64M "image-$direct"
	ok "direct I/O $direct: attach" /usr/sbin/losetup -f --direct-io=$direct "image-$direct"
	dev=$(/usr/sbin/losetup -n -O NAME -j "image-$direct")
	dev=${dev%% *}
	is "$([ $direct = on ] && echo 1 || echo 0)" "direct I/O $direct: it is" \
		cat "/sys/block/${dev#/dev/}/loop/dio"
	ok "direct I/O $direct: mkfs.ext4" mkfs.ext4 -q -F "$dev"
	ok "direct I/O $direct: mount" mount -t ext4 "$dev" /mnt/inner
	ok "direct I/O $direct: write" cp -a "$(dirname "$0")" /mnt/inner/tree
	ok "direct I/O $direct: sync" sync -f /mnt/inner
	rm -r /mnt/inner/tree
	if /usr/bin/fallocate -p -o 0 -l 4096 punched 2>/dev/null; then
		ok "direct I/O $direct: trim" fstrim /mnt/inner
	fi
	ok "direct I/O $direct: write again" cp -a "$(dirname "$0")" /mnt/inner/tree
	ok "direct I/O $direct: unmount" umount /mnt/inner
	ok "direct I/O $direct: e2fsck" e2fsck -fn "$dev"
	ok "direct I/O $direct: detach" /usr/sbin/losetup -d "$dev"
	echo 3 >/proc/sys/vm/drop_caches
	ok "direct I/O $direct: e2fsck of the file" e2fsck -fn "image-$direct"
	ok "direct I/O $direct: mount once more" mount -t ext4 -o loop "image-$direct" /mnt/inner
	ok "direct I/O $direct: all is there" diff -r "$(dirname "$0")" /mnt/inner/tree
	ok "direct I/O $direct: unmount once more" umount /mnt/inner
done
rm image-* punched
finish
