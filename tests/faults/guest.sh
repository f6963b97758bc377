#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: failing allocations, then what a volume looks like afterwards.
set -u

here=$(cd "$(dirname "$0")" && pwd)
mnt=/mnt/faults
failed=0

# Every allocation can fail, whether it could have waited or not.
for f in failslab fail_page_alloc; do
	echo N >/sys/kernel/debug/$f/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/$f/verbose
done
echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
echo 0 >/sys/kernel/debug/fail_page_alloc/min-order

modprobe lnkfs || exit 1
mkdir -p $mnt
mkfs.lnkfs -q -f -b 1024 "$DISK0" && mkfs.lnkfs -q -f "$DISK1" &&
	mount -t lnkfs "$DISK0" $mnt || exit 1
"$here/faults" $mnt "$DISK1" ${FAULTS_ONLY:+"$FAULTS_ONLY"} || failed=1
umount $mnt || failed=1
for d in "$DISK0" "$DISK1"; do
	fsck.lnkfs -n -f "$d" || failed=1
done
rmmod lnkfs || failed=1
exit $failed
