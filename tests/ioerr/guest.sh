#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: scenarios with failing devices. Prints TAP.
#
# A scenario formats a volume on a mapped device whose blocks hold old bytes, lets
# processes work on it (ioload), breaks the device, looks at what they and the
# volume make of that, mends the device, unmounts, checks, mounts, and compares
# with the ledger of what had been synced.
set -u

here=$(cd "$(dirname "$0")" && pwd)
slow=${LNKFS_SLOW:-1}
mnt=/mnt
ledger=/run/ledger
out=/run/text
seed=${IOERR_SEED:-1}
sectors=$(blockdev --getsz "$DISK0")
jsectors=$(blockdev --getsz "$DISK1")
. "$here/tap.sh"
cases=${IOERR_CASES:-0}

chosen() # NAME
{
	[[ $1 =~ ${IOERR_ONLY:-} ]]
}

long()
{
	[ -n "${IOERR_LONG:-}" ]
}

say()
{
	sed 's/^/# /' | tail -n 60
}

# ok NAME COMMAND...
ok()
{
	local name=$1 status=0 limit=
	shift
	[ "$(type -t "$1")" = function ] || limit="timeout $((60 * slow))"
	$limit "$@" >$out 2>&1 || status=$?
	[ $status = 0 ] || { echo "# status $status: $*"; say <$out; }
	result $status "$name"
}

# ---- devices

scsi_disk() # as soon as it is there: sdX
{
	local i d
	for ((i = 0; i < 50 * slow; i++)); do
		for d in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/sd*; do
			[ ! -b "/dev/${d##*/}" ] || { echo "${d##*/}"; return; }
		done
		sleep 0.1
	done
	return 1
}

no_scsi_disk()
{
	local i
	for ((i = 0; i < 50; i++)); do
		! rmmod scsi_debug 2>/run/err || break
		sleep 0.2
	done
	ok "the disk's driver is not in use any more" sh -c "! grep -q scsi_debug /proc/modules"
}

# map NAME TABLE: a new mapped device; its path
map()
{
	echo "$2" | dmsetup create --noudevsync "$1" >&2 &&
		echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"
}

# table NAME TABLE: what a mapped device is from now on; I/O under way ends first
table()
{
	dmsetup suspend --nolockfs --noflush --noudevsync "$1" &&
		echo "$2" | dmsetup load --noudevsync "$1" &&
		dmsetup resume --noudevsync "$1"
}

good="0 $sectors linear $DISK0 0"
jgood="0 $jsectors linear $DISK1 0"

# fault NAME: the table of the volume (and of the journal's device)
fault()
{
	local files
	case $1 in
	writes) table vol "0 $sectors flakey $DISK0 0 0 3600 1 error_writes" ;;
	drop) table vol "0 $sectors flakey $DISK0 0 0 3600 1 drop_writes" ;;
	flip) table vol "0 $sectors flakey $DISK0 0 1 1 1 error_writes" ;;
	dead) table vol "0 $sectors error" ;;
	journal-device) table journal "0 $jsectors error" ;;
	journal-writes) table journal "0 $jsectors flakey $DISK1 0 0 3600 1 error_writes" ;;
	data)
		files=$(find $mnt -type f)
		# shellcheck disable=SC2086
		table vol "$("$here/ranges" "$DISK0" "$sectors" writes $mnt $files)" ;;
	*) table vol "$("$here/ranges" "$DISK0" "$sectors" writes $mnt "$1")" ;;
	esac
}

heal()
{
	table vol "$good" && table journal "$jgood"
}

# ---- states of the volume

is_ro()
{
	grep -q " $mnt .*emergency_ro" /proc/mounts
}

# Within the time in which a commit and writeback are due.
becomes_ro()
{
	local i
	for ((i = 0; i < 80 * slow; i++)); do
		is_ro && return 0
		sleep 0.25
	done
	cat /proc/mounts
	return 1
}

refuses()
{
	! touch $mnt/new 2>/run/err || return 1
	cat /run/err
	grep -q 'Read-only file system\|Input/output error' /run/err
}

writable()
{
	! is_ro && echo data >$mnt/new && sync -f $mnt/new && rm $mnt/new
}

cold()
{
	sync -f $mnt
	# Nothing waits to be written to its place.
	fsfreeze -f $mnt && fsfreeze -u $mnt
	echo 3 >/proc/sys/vm/drop_caches
}

# The load ends when it is told to, whatever the device does.
load_ends() # PID
{
	local i
	kill -TERM "$1" 2>/dev/null
	for ((i = 0; i < 100 * slow; i++)); do
		if ! kill -0 "$1" 2>/dev/null; then
			wait "$1"
			return
		fi
		sleep 0.2
	done
	echo w >/proc/sysrq-trigger
	echo "it hangs"
	return 1
}

no_hang() # as a command of its own: wait needs this shell
{
	local status=0
	load_ends "$1" >$out 2>&1 || status=$?
	cat /run/load >>$out
	grep -h '^process' /run/load | sed 's/^/# /'
	[ $status = 0 ] || say <$out
	result $status "the processes end, and saw only errors that may be"
}

# scenario NAME BSIZE ERRORS FAULT ro|rw|lost|any [-k] [external|fast]
scenario()
{
	local name="$1, $2-byte blocks, errors=$3" bs=$2 errors=$3 what=$4 state=$5 load k='' a opts
	local mkfs=(-O ^fast_commit)
	chosen "$name" || return 0
	shift 5
	for a in "$@"; do
		case $a in
		-k) k=-k ;;
		external) mkfs=(-J "device=$journal") ;;
		fast) mkfs=(-O fast_commit) ;;
		esac
	done
	seed=$((seed + 1))
	label="$name (seed $seed)"
	rm -f $ledger
	heal
	if [ "${mkfs[0]:-}" = -J ]; then
		# Who syncs it first is told of errors of the scenario before.
		sync $journal 2>/dev/null
		ok "format the journal" mkfs.lnkfs -q -f -b "$bs" -O journal_dev $journal
	fi
	opts=errors=$errors
	# A flush is a write to every part of the device: each fsync would fail.
	[ "$what" != data ] || opts=$opts,barrier=0
	ok "format and mount" sh -c "mkfs.lnkfs -q -f -b $bs ${mkfs[*]} $vol &&
		mount -t lnkfs -o $opts $vol $mnt"
	mountpoint -q $mnt || return
	# shellcheck disable=SC2086
	"$here/ioload" run $k $mnt $ledger 3 $seed >/run/load 2>&1 &
	load=$!
	sleep $((2 * slow))
	# A device that lies: what a process reads says nothing then.
	[ "$what" != drop ] || no_hang $load
	fault "$what" || result 1 "the fault"
	case $state in
	ro)
		ok "it becomes read-only" becomes_ro
		ok "nothing can be written" refuses
		sleep 1 ;;
	lost)
		mkdir $mnt/lost && cp -r $mnt/0 $mnt/1 $mnt/lost
		rm -rf $mnt/0/* $mnt/2
		ok "sync" sync -f $mnt ;;
	*)
		sleep $((3 * slow)) ;;
	esac
	if [ "$what" != drop ]; then
		heal || result 1 "healing"
		[ "$state" != rw ] || ok "it can still be written" writable
		sleep 1
		no_hang $load
		[ "$what" = flip ] || ok "what is in memory is right" "$here/ioload" live $mnt $ledger
	fi
	ok "unmount" umount $mnt
	heal
	ok "fsck finds nothing, with the journal" fsck.lnkfs -n -f $vol
	ok "mount again" mount -t lnkfs $vol $mnt
	ok "all that was synced is there, and nothing else" "$here/ioload" check $mnt $ledger
	ok "it can be written again" sh -c "echo data >$mnt/new && sync -f $mnt"
	ok "unmount it again" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	label=
}

modprobe lnkfs && modprobe -a dm-mod dm-flakey || exit 1
# Writeback and checkpoints soon.
echo 100 >/proc/sys/vm/dirty_expire_centisecs
echo 50 >/proc/sys/vm/dirty_writeback_centisecs
echo "TAP version 13"
echo "# first seed $seed"
# Old bytes, to be seen where something was never written.
head -c $((sectors * 512)) /dev/zero | tr '\0' '\333' >"$DISK0"
vol=$(map vol "$good")
journal=$(map journal "$jgood")
[ -b "$vol" ] && [ -b "$journal" ] || exit 1

if long; then
	for errors in remount-ro continue; do
		for bs in 4096 1024; do
			scenario "all writes fail" $bs $errors writes ro
			scenario "the device is dead" $bs $errors dead ro
			scenario "the journal's blocks fail" $bs $errors journal ro
			scenario "metadata cannot be written" $bs $errors meta any
			scenario "inode blocks cannot be written" $bs $errors inodes any
			scenario "bitmaps cannot be written" $bs $errors bitmap any
			scenario "descriptors cannot be written" $bs $errors desc any
			scenario "the superblock cannot be written" $bs $errors super any
			scenario "free blocks cannot be written" $bs $errors free any
			scenario "data cannot be written" $bs $errors data rw -k
			scenario "writes fail every other second" $bs $errors flip any
			scenario "writes are lost" $bs $errors drop lost
			scenario "all writes fail, fast commits" $bs $errors writes ro fast
			scenario "the device is dead, fast commits" $bs $errors dead ro fast
			scenario "the journal's blocks fail, fast commits" $bs $errors journal ro fast
			scenario "writes fail every other second, fast commits" $bs $errors flip any fast
			scenario "the journal device is dead" $bs $errors journal-device ro external
			scenario "the journal device cannot be written" $bs $errors journal-writes ro external
			scenario "the volume of a journal device is dead" $bs $errors dead ro external
		done
	done
else
	scenario "all writes fail" 1024 remount-ro writes ro
	scenario "data cannot be written" 4096 continue data rw -k
	scenario "metadata cannot be written" 4096 remount-ro meta any
fi
for part in errseq reads gone ahead quiet replace orphans refused fast; do
	! chosen $part || . "$here/$part.sh"
done
dmsetup remove --noudevsync vol
dmsetup remove --noudevsync journal
label=
ok "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
