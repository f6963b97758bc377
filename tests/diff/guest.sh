#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run fsops with the same seed on ext4, with some seeds on XFS too,
# and on the filesystem under test, and demand the same log and the same tree.
# Prints TAP.
#
#   DISK0 DISK1 DISK2
#                 devices to format: ext4's, that of the one under test, XFS's
#   FSTYPE        lnkfs (default); ext4 to check the test itself
#   DIFF_SEEDS    seeds ("1 2"), DIFF_OPS operations each (6000). Odd ones have
#                 what XFS has not (long links) and what makes "seek" inexact
#                 (mappings); even ones must do the same on XFS.
#   DIFF_CLASSES  classes of operations ("falloc seek xattr acl rename")
set -u

here=$(cd "$(dirname "$0")" && pwd)
fstype=${FSTYPE:-lnkfs}
ops=${DIFF_OPS:-6000}
all=${DIFF_CLASSES-falloc seek xattr acl rename}
num=0
failed=0
mkdir -p /run/ref /run/test

result() # ok|not ok, description
{
	num=$((num + 1))
	echo "$1 $num $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

die()
{
	echo "Bail out! $*"
	exit 1
}

format() # fstype, block size, device
{
	case $1 in
	ext4) mkfs.ext4 -q -F -b "$2" -m 0 -O ea_inode "$3" ;;
	xfs) mkfs.xfs -q -f "$3" ;;
	*) "mkfs.$1" -q -f -b "$2" "$3" ;;
	esac || die "cannot format $3"
}

run_ops() # fstype, block size, device, mount point, seed, log
{
	format "$1" "$2" "$3"
	unset FSOPS_OPTIONS
	# no room is kept in front of the end of a file, which would not be a hole
	[ "$1" != xfs ] || export FSOPS_OPTIONS=allocsize=4k
	FSTYPE=$1 FSOPS_DEV=$3 "$here/fsops" "$4" "$5" "$ops" >"$6" || die "fsops failed"
}

same() # log, description
{
	if cmp -s /run/ref.log "$1"; then
		result ok "$2"
	else
		diff /run/ref.log "$1" | head -n 40 | sed 's/^/# /'
		result "not ok" "$2"
	fi
}

if [ "$fstype" = lnkfs ] && ! grep -qw lnkfs /proc/filesystems; then
	modprobe -aq jbd2 libcrc32c
	insmod /lnkfs/lnkfs.ko || die "cannot load the module"
fi
modprobe -aq ext4 xfs
case $fstype in
ext4) sizes=4096 ;;
*) sizes="4096 1024" ;;
esac
for seed in ${DIFF_SEEDS:-1 2}; do
	if [ $((seed % 2)) = 0 ]; then
		export FSOPS_XFS=1 FSOPS_CLASSES="$all"
	else
		unset FSOPS_XFS
		export FSOPS_CLASSES="${all%%seek*}${all#*seek}"
	fi
	run_ops ext4 4096 "$DISK0" /run/ref "$seed" /run/ref.log
	# A script that mostly fails in one way would prove nothing.
	kinds=$(grep -oE ': E[A-Z]+' /run/ref.log | sort -u | wc -l)
	good=$(grep -vcE ': (E[A-Z]+|none)' /run/ref.log)
	echo "# seed $seed ($FSOPS_CLASSES): $ops operations, $good succeed, $kinds kinds of errors"
	if [ "$kinds" -ge 8 ] && [ "$good" -gt $((ops / 4)) ]; then
		result ok "seed $seed: the script does something"
	else
		result "not ok" "seed $seed: the script does something"
	fi
	if [ $((seed % 2)) = 0 ]; then
		run_ops xfs 4096 "$DISK2" /run/test "$seed" /run/test.log
		same /run/test.log "seed $seed: XFS does as ext4 does"
	fi
	for bs in $sizes; do
		run_ops "$fstype" "$bs" "$DISK1" /run/test "$seed" /run/test.log
		same /run/test.log "seed $seed: $fstype with blocks of $bs does as ext4 does"
		if command -v "fsck.$fstype" >/dev/null && [ "$fstype" = lnkfs ]; then
			if "fsck.$fstype" -n -f "$DISK1" >/run/fsck.log 2>&1; then
				result ok "seed $seed: the volume is clean"
			else
				sed 's/^/# /' /run/fsck.log
				result "not ok" "seed $seed: the volume is clean"
			fi
		fi
	done
done
[ "$fstype" != lnkfs ] || rmmod lnkfs || result "not ok" "remove the module"
echo "1..$num"
[ $failed -eq 0 ]
