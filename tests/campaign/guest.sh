#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: one volume of the campaign. Prints TAP; each result says how long
# it took and what the programs counted. The variables are set by run.
set -u

here=$(cd "$(dirname "$0")" && pwd)
programs=$here/programs
dev=$DISK0
mnt=/mnt
bs=${VOLUME%-full}
full=
[ "$VOLUME" = "$bs" ] || full=yes
cases=0
failed=0
. "$here/programs.sh"

now()
{
	cut -d. -f1 /proc/uptime
}

percent() # SECONDS: of the usual time
{
	echo $((($1 * TIME + 99) / 100))
}

result() # STATUS NAME
{
	cases=$((cases + 1))
	if [ "$1" = 0 ]; then
		echo "ok $cases - $VOLUME: $2"
	else
		echo "not ok $cases - $VOLUME: $2"
		failed=1
	fi
}

try() # NAME COMMAND...
{
	local name=$1 status=0 begin
	shift
	begin=$(now)
	"$@" >/tmp/out 2>&1 || status=$?
	if [ $status = 0 ]; then
		grep -E '^(fsx-lnkfs|process|Throughput|stress-ng: (info|warn).*(skip|success|disabled)|[0-9]+ files)' \
			/tmp/out | sed 's/^/# /'
	else
		tail -n 80 /tmp/out | sed 's/^/# /'
	fi
	result $status "$name"
	echo "# $(($(now) - begin)) seconds"
}

# Room for what follows, in pieces: on a volume that is nearly full, nothing but it.
room() # KIB
{
	rm -rf $mnt/ballast
	[ -n "$full" ] || return 0
	mkdir $mnt/ballast && "$here/ballast" $mnt/ballast "$1" "$SEED"
}

# A part: KIB of room, a name, a command; the volume is checked afterwards.
part() # KIB NAME COMMAND...
{
	local kib=$1
	shift
	try "$1: room" room "$kib"
	try "$@"
	try "$1: unmount" umount $mnt
	try "$1: fsck finds nothing" fsck.lnkfs -n -f "$dev"
	try "$1: mount" mount -t lnkfs "$dev" $mnt
}

# Two seeds at a time; from time to time the page cache is written and dropped.
fsx()
{
	local s pids p status=0 dropper
	( while sleep 2; do sync; echo 3 >/proc/sys/vm/drop_caches; done ) &
	dropper=$!
	for ((s = 0; s < SEEDS && status == 0; s += 2)); do
		"$here/fsx-lnkfs" -n "$OPS" -s $((SEED + s)) $mnt/fsx1 &
		pids=$!
		if [ $((s + 1)) -lt "$SEEDS" ]; then
			"$here/fsx-lnkfs" -n "$OPS" -l 2000000 -s $((SEED + s + 1)) $mnt/fsx2 &
			pids="$pids $!"
		fi
		for p in $pids; do
			wait "$p" || status=1
		done
	done
	kill $dropper
	wait $dropper 2>/dev/null
	rm -f $mnt/fsx*
	return $status
}

# Processes that get in each other's way on one file, and asynchronous I/O.
together()
{
	"$here/collide" $mnt/collide 6 "$(percent 40)" &&
		"$here/aio" $mnt/aio "$(percent 300)" "$SEED" && rm $mnt/collide $mnt/aio
}

enospc() # PROCESSES SECONDS
{
	mkdir $mnt/enospc && "$here/enospc" $mnt/enospc "$1" "$2" "$SEED" && rmdir $mnt/enospc
}

# A volume of which no block is left, whatever VOLUME is.
enospc_room()
{
	local full=yes
	room 1024
}

wanted() # PART
{
	[ -z "$PARTS" ] && return
	case " $PARTS " in *" $1 "*) return 0 ;; esac
	return 1
}

fio_size=16384
clients=4
if [ -n "$full" ]; then
	fio_size=4096
	clients=2
fi
modprobe lnkfs || exit 1
echo "TAP version 13"
try "format and mount" sh -c "mkfs.lnkfs -q -f -b $bs $dev && mount -t lnkfs $dev $mnt"
wanted fsx && part 12288 "fsx-lnkfs, $SEEDS seeds from $SEED, $OPS operations each" fsx
wanted fio && part 40960 "fio, six files of $fio_size KiB" fio_verify $fio_size
wanted dbench && part 98304 "dbench, $clients clients" dbench_load $clients "$(percent 60)"
wanted ng && part 16384 "stress-ng" ng_all 2 "$(percent 5)"
wanted together && part 20480 "one file, many writers" together
if wanted enospc; then
	try "no space at all: room" enospc_room
	try "no space at all" enospc 4 "$(percent 90)"
fi
try "empty" find $mnt -mindepth 1 -delete
try "unmount" umount $mnt
try "fsck finds nothing" fsck.lnkfs -n -f "$dev"
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
