#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the selftests inside a test guest, on volumes of the block sizes named
# (1024 and 4096 unless told): format, mount, run the tests by kselftest's own
# runner, unmount, check; at the end remove the module and see that nothing of
# it is left. Prints TAP; the exit status is 0 only if everything passed.
#
# usage: run-in-guest.sh [blocksize...]
#
#   LNKFS_DEV   device to format (default: $DISK0, the first disk of tests/vm/run)
#   FSTYPE      lnkfs (default), or ext4 or xfs to check the tests themselves
#   LNKFS_KO    the module, where modprobe does not find it
#   LNKFS_TESTS tests to run (default: all of kselftest-list.txt)
#   LNKFS_TIMEOUT
#               seconds that one test program may take (default: as settings)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export FSTYPE="${FSTYPE:-lnkfs}"
export LNKFS_DEV="${LNKFS_DEV:-${DISK0:?no device: set LNKFS_DEV}}"
export LNKFS_MNT="${LNKFS_MNT:-/run/lnkfs-test}"
export LNKFS_TMP="${LNKFS_TMP:-/tmp}"
ko=${LNKFS_KO:-/lnkfs/lnkfs.ko}
sizes=${*:-1024 4096}
log=$(mktemp)
failed=0
num=0

result() # ok|not ok, description
{
	num=$((num + 1))
	echo "$1 $num $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

check() # description, command...: one result, with the output of a failure
{
	what=$1
	shift
	if "$@" >"$log" 2>&1; then
		result ok "$what"
	else
		sed 's/^/# /' "$log"
		result "not ok" "$what"
	fi
}

make_fs() # block size
{
	case $FSTYPE in
	ext4)
		mkfs.ext4 -q -F -m 0 -b "$1" \
			-E lazy_itable_init=0,lazy_journal_init=0 "$LNKFS_DEV" ;;
	xfs)
		mkfs.xfs -q -f -b "size=$1" "$LNKFS_DEV" ;;
	*)
		# shellcheck disable=SC2086
		"mkfs.$FSTYPE" -q -f -b "$1" ${LNKFS_MKFS_OPTIONS:-} "$LNKFS_DEV" ;;
	esac
}

fsck_command()
{
	case $FSTYPE in
	ext4) echo "e2fsck -fn" ;;
	xfs) echo "xfs_repair -n" ;;
	*) command -v "fsck.$FSTYPE" >/dev/null && echo "fsck.$FSTYPE -n -f" || : ;;
	esac
}

load_module()
{
	grep -qw "$FSTYPE" /proc/filesystems && return
	modprobe -aq jbd2 libcrc32c || :
	if [ "$FSTYPE" = lnkfs ] && [ -e "$ko" ]; then
		insmod "$ko"
	else
		modprobe "$FSTYPE"
	fi
}

nothing_left()
{
	! grep -q "^$FSTYPE " /proc/modules &&
	! grep -qw "$FSTYPE" /proc/filesystems &&
	! grep "^$FSTYPE[_ ]" /proc/slabinfo &&
	! ls -d /sys/fs/"$FSTYPE" 2>/dev/null
}

run_tests()
{
	tests=
	for t in ${LNKFS_TESTS:-$(sed 's/.*://' "$here/kselftest-list.txt")}; do
		# Where the block size does not matter one will do: the last.
		[ "$bs" != "${sizes##* }" ] && grep -qx "$t" "$here/once.txt" && continue
		tests="$tests -t lnkfs:$t"
	done
	[ -n "$tests" ] || return 0
	cd "$here"
	# Through a pipe: the runner opens its standard output once more.
	# shellcheck disable=SC2086
	sh ./run_kselftest.sh $tests 2>&1 | tee "$log"
	cd /
	! grep -q "^not ok" "$log" && grep -q "^ok" "$log"
}

# Memory that nothing points to any more. The first scan may see objects that
# are on their way.
no_leaks()
{
	for _ in 1 2 3; do
		sleep 2
		echo scan >/sys/kernel/debug/kmemleak
	done
	cat /sys/kernel/debug/kmemleak
	[ -z "$(cat /sys/kernel/debug/kmemleak)" ]
}

[ -z "${LNKFS_TIMEOUT:-}" ] || echo "timeout=$LNKFS_TIMEOUT" >"$here/lnkfs/settings"
LNKFS_FSCK=$(fsck_command)
export LNKFS_FSCK
modprobe -q loop || :
mkdir -p "$LNKFS_MNT"
echo "# tests on $FSTYPE, kernel $(uname -r)"
check "load the module" load_module
for bs in $sizes; do
	export LNKFS_BSIZE="$bs"
	# The largest directory goes with the larger blocks.
	if [ -z "${LNKFS_BIGDIR:-}" ]; then
		big=100000
		[ "$bs" -ge 4096 ] || big=20000
	else
		big=$LNKFS_BIGDIR
	fi
	start=$(cut -d. -f1 /proc/uptime)
	check "format with blocks of $bs" make_fs "$bs"
	check "mount" mount -t "$FSTYPE" "$LNKFS_DEV" "$LNKFS_MNT"
	if LNKFS_BIGDIR=$big run_tests; then
		result ok "tests with blocks of $bs"
	else
		result "not ok" "tests with blocks of $bs"
	fi
	check "nothing left in the root directory" \
		sh -c '[ -z "$(ls "$LNKFS_MNT" | grep -v "^lost+found$")" ]'
	check "unmount" umount "$LNKFS_MNT"
	if [ -n "$LNKFS_FSCK" ]; then
		# shellcheck disable=SC2086
		check "check the volume" $LNKFS_FSCK "$LNKFS_DEV"
	fi
	echo "# blocks of $bs: $(($(cut -d. -f1 /proc/uptime) - start)) seconds"
done
if [ "$FSTYPE" = lnkfs ]; then
	check "remove the module" rmmod lnkfs
	check "the module left nothing" nothing_left
	check "load the module again" load_module
	check "remove the module again" rmmod lnkfs
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug || :
	if [ -e /sys/kernel/debug/kmemleak ]; then
		check "no memory leaked" no_leaks
	fi
fi
rm -f "$log"
echo "1..$num"
if [ $failed -gt 0 ]; then
	echo "# $failed of $num failed"
	exit 1
fi
echo "# all passed"
