#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: failing allocations and requests, then what a volume looks like
# afterwards. Prints TAP. $FAULTS_PARTS says what of it runs.
set -u

here=$(cd "$(dirname "$0")" && pwd)
mnt=/mnt/faults
parts=${FAULTS_PARTS:-memory reads load}
debug=/sys/kernel/debug
seed=${FAULTS_SEED:-1}
. "$here/tap.sh"

wanted() # PART
{
	case " $parts " in *" $1 "*) return 0 ;; esac
	return 1
}

# Can an allocation fail that could have waited? Y or N.
allocations()
{
	local f ignore=Y
	[ "$1" = N ] || ignore=N
	for f in failslab fail_page_alloc; do
		echo $ignore >$debug/$f/ignore-gfp-wait
		echo 0 >$debug/$f/verbose
	done
	echo $ignore >$debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >$debug/fail_page_alloc/min-order
}

# requests 0|1: can requests to the disks fail?
requests()
{
	local d
	echo 0 >$debug/fail_make_request/verbose
	for d in "$DISK0" "$DISK1"; do
		echo "$1" >"/sys/block/${d##*/}/make-it-fail"
	done
}

# The cases of the program are TAP of its own; so is each of these.
step() # NAME COMMAND...
{
	local name=$1 status=0
	shift
	"$@" >/run/text 2>&1 || status=$?
	[ $status = 0 ] || tail -n 40 /run/text | sed 's/^/# /'
	result $status "$name"
}

one_at_a_time() # NAME [-r]
{
	local name=$1 seen='' status line d
	shift
	step "$name: format" mkfs.lnkfs -q -f -b 1024 "$DISK0"
	"$here/faults" "$@" "$DISK0" $mnt "$DISK1" ${FAULTS_ONLY:+"$FAULTS_ONLY"} >/run/cases 2>&1 ||
		echo "# the program ends with status $?" >>/run/cases
	# One numbering for all.
	while IFS= read -r line; do
		case $line in
		"ok "*|"not ok "*)
			[ "${line%% *}" = ok ]
			status=$?
			result $status "$name: ${line#* - }" ;;
		1..*) seen=yes ;;
		*) echo "# ${line#\# }" ;;
		esac
	done </run/cases
	[ -n "$seen" ]
	result $? "$name: the program came to its end"
	for d in "$DISK0" "$DISK1"; do
		step "$name: fsck finds nothing" fsck.lnkfs -n -f "$d"
	done
}

# Processes at work (tests/ioerr) of whose allocations one in a hundred or so fails, and
# of those of the journal's thread and the workers, too.
under_load()
{
	local load p f name="at random, seed $seed"
	step "$name: format and mount" sh -c "mkfs.lnkfs -q -f -O quota $DISK0 &&
		mount -t lnkfs -o usrquota $DISK0 $mnt"
	for f in failslab fail_page_alloc; do
		echo Y >$debug/$f/task-filter
		echo -1 >$debug/$f/times
		echo 10 >$debug/$f/interval
		echo 10 >$debug/$f/probability
	done
	sh -c "echo 1 >/proc/self/make-it-fail;
		IOLOAD_ENOMEM=1 exec $here/ioload run $mnt /run/ledger 3 $seed" >/run/load 2>&1 &
	load=$!
	sleep 2
	for p in $(pgrep 'jbd2/|kworker/u'); do
		echo 1 >"/proc/$p/make-it-fail"
	done
	sleep ${FAULTS_LOAD:-60}
	for f in failslab fail_page_alloc; do
		echo 0 >$debug/$f/probability
		echo N >$debug/$f/task-filter
	done
	kill -TERM $load
	wait $load
	p=$?
	sed 's/^/# /' /run/load
	result $p "$name: nothing but ENOMEM"
	step "$name: the volume is writable" touch $mnt/new
	step "$name: what is in memory is right" "$here/ioload" live $mnt /run/ledger
	step "$name: unmount" umount $mnt
	step "$name: fsck finds nothing" fsck.lnkfs -n -f "$DISK0"
	step "$name: mount" mount -t lnkfs "$DISK0" $mnt
	step "$name: all that was synced is there" "$here/ioload" check $mnt /run/ledger
	step "$name: unmount again" umount $mnt
}

modprobe lnkfs || exit 1
mkdir -p $mnt
if wanted memory; then
	allocations Y
	one_at_a_time "memory"
fi
if wanted reads; then
	allocations N
	requests 1
	one_at_a_time "requests" -r
	requests 0
fi
if wanted load; then
	allocations Y
	under_load
fi
step "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
