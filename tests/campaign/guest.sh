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
. "$here/tap.sh"
. "$here/programs.sh"
label=$VOLUME

now()
{
	cut -d. -f1 /proc/uptime
}

percent() # SECONDS: of the usual time
{
	echo $((($1 * TIME + 99) / 100))
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

# The same within a user's quota, of space and of inodes.
edquot() # PROCESSES SECONDS
{
	local status=0
	umount $mnt && tune.lnkfs -O quota "$dev" && mount -t lnkfs -o usrquota "$dev" $mnt &&
		lnkctl quota set $mnt 1000 bhard=2M ihard=150 && mkdir $mnt/edquot || return
	"$here/enospc" $mnt/edquot "$1" "$2" "$SEED" 1000 || status=$?
	rmdir $mnt/edquot && umount $mnt && tune.lnkfs -O ^quota "$dev" &&
		mount -t lnkfs "$dev" $mnt || return
	return $status
}

# Mount, link, delete and unmount, also lazily, while others walk the links.
mount_loop() # ROUNDS
{
	local dir=/run/second walker i slow waited=0
	slow=$(printf './%.0s' {1..1000})a
	mkdir -p $dir && mkfs.lnkfs -q -f -b "$bs" "$DISK1" || return
	( while :; do
		cat $dir/l/fast $dir/l/slow
		ls -lR $dir
	done >/dev/null 2>&1 ) &
	walker=$!
	for ((i = 0; i < $1; i++)); do
		mount -t lnkfs "$DISK1" $dir && mkdir -p $dir/l && echo text >$dir/l/a &&
			ln -sf a $dir/l/fast && ln -sf "$slow" $dir/l/slow &&
			[ "$(cat $dir/l/slow)" = text ] || break
		# an orphan that the last close frees
		head -c 200000 /dev/zero >$dir/l/f && exec 9<$dir/l/f && rm $dir/l/f && exec 9<&-
		umount $dir 2>/dev/null || umount -l $dir
	done
	kill $walker
	wait $walker 2>/dev/null
	# The last user may take a moment to go.
	until fsck.lnkfs -n -f "$DISK1" >/tmp/fsck || [ "$((waited += 1))" = 20 ]; do
		sleep 1
	done
	cat /tmp/fsck
	[ $i = "$1" ] && [ "$waited" -lt 20 ]
}

# Freeze, thaw, and take turns in reading and writing, under load.
freeze() # ROUNDS
{
	local i load
	"$here/enospc" $mnt/freeze 3 $((3 * $1)) "$SEED" &
	load=$!
	for ((i = 0; i < $1; i++)); do
		sleep 1
		fsfreeze -f $mnt && sleep 0.5 && fsfreeze -u $mnt || return
		! mount -o remount,ro $mnt 2>/dev/null || mount -o remount,rw $mnt || return
	done
	wait $load
}

frozen()
{
	local status=0
	mkdir $mnt/freeze
	freeze "$1" || status=$?
	rm -r $mnt/freeze
	# 2: there was space all the time
	[ $status = 0 ] || [ $status = 2 ]
}

# In a control group that has less memory than the page cache would like.
little_memory() # SECONDS
{
	local group=/run/cgroup/small
	mkdir -p /run/cgroup
	mountpoint -q /run/cgroup || mount -t cgroup2 none /run/cgroup || return
	echo +memory >/run/cgroup/cgroup.subtree_control
	mkdir -p $group
	echo 24M >$group/memory.high
	echo 40M >$group/memory.max
	(
		echo $BASHPID >$group/cgroup.procs
		mkdir $mnt/small &&
			"$here/fsx-lnkfs" -n 500 -s "$SEED" -l 4000000 $mnt/small/fsx &&
			dbench -c "$programs/client.txt" -D $mnt/small -t "$1" 2 >/tmp/dbench &&
			grep -q '^Throughput' /tmp/dbench && rm -r $mnt/small
	)
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
wanted mounts && part 16384 "mounted and unmounted while links are walked" mount_loop 40
wanted freeze && part 2048 "frozen under load" frozen 10
wanted memory && part 65536 "little memory" little_memory "$(percent 40)"
if wanted enospc; then
	try "no space at all: room" enospc_room
	try "no space at all" enospc 4 "$(percent 90)"
fi
wanted edquot && part 16384 "no quota left" edquot 4 "$(percent 40)"
try "empty" find $mnt -mindepth 1 -delete
try "unmount" umount $mnt
try "fsck finds nothing" fsck.lnkfs -n -f "$dev"
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
