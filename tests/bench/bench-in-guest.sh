#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: the phases of the benchmark on one filesystem after the other, each
# time on a volume made afresh. What is printed is described in phases.c; lines that
# begin with "P" say how far it is, with "I" what the guest is.
#
# usage: bench-in-guest.sh (with BENCH_* in the environment, see tests/bench/bench)
set -u

dev=${DISK0:?no device}
mnt=/mnt
tree=/run/tree.tar
in=$(cd "$(dirname "$0")" && pwd)
failed=0

info() { printf 'I\t%s\t%s\n' "$1" "$2"; }

step() { printf 'P\t%s\n' "$*"; }

make_volume() # PEER
{
	case $1 in
	tmpfs) ;;
	lnkfs) mkfs.lnkfs -q -f "$dev" ;;
	lnkfs-commits) mkfs.lnkfs -q -f -O ^fast_commit "$dev" ;;
	# nothing is left to be done by the kernel after the first mount
	ext4)  mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$dev" ;;
	xfs)   mkfs.xfs -q -f "$dev" ;;
	btrfs) "$in/mkfs.btrfs" -q -f "$dev" >/dev/null ;;
	f2fs)  "$in/mkfs.f2fs" -q -f "$dev" >/dev/null ;;
	esac
}

# A group of phases on each filesystem. One that fails does not end the rest.
group() # GROUP [NAME=VALUE...]
{
	local peer
	for peer in $BENCH_PEERS; do
		[ "$1" != io ] || [ "$peer" != tmpfs ] || continue
		step "$* $peer"
		if ! make_volume "$peer" ||
		   ! "$in/phases" "$peer" "${peer%-commits}" "$dev" "$mnt" "$@"; then
			failed=1
			printf 'N\t%s\t%s\t%s\t%s\n' "$peer" "$*" "$1" "failed"
			umount "$mnt" 2>/dev/null
		fi
	done
}

# One command on a volume that is there already.
command_on() # PEER LABEL COUNT COMMAND...
{
	local peer=$1 label=$2 n=$3
	shift 3
	step "$label $peer"
	"$in/phases" "$peer" "${peer%-commits}" "$dev" "$mnt" command n="$n" label="$label" cold=1 -- "$@" && return
	failed=1
	printf 'N\t%s\tcommand\t%s\tfailed\n' "$peer" "$label"
	[ "$peer" = tmpfs ] || umount "$mnt" 2>/dev/null
	return 1
}

trees()
{
	local peer n
	n=$(tar -tf "$tree" | wc -l)
	for peer in $BENCH_PEERS; do
		make_volume "$peer" || continue
		[ "$peer" != tmpfs ] || mount -t tmpfs -o size=80% tmpfs "$mnt"
		command_on "$peer" "untar" "$n" tar -C "$mnt" -xf "$tree"
		command_on "$peer" "cp -al" "$n" cp -al "$mnt/include" "$mnt/links"
		command_on "$peer" "rsync --link-dest" "$n" \
			rsync -a --link-dest="$mnt/include" "$mnt/include/" "$mnt/backup"
		command_on "$peer" "find -size" "$n" find "$mnt/include" -size +1000M
		command_on "$peer" "read all" "$n" \
			sh -c "find $mnt/include -type f -exec cat {} + >/dev/null"
		command_on "$peer" "cp -as" "$n" cp -as "$mnt/include" "$mnt/farm"
		command_on "$peer" "read all through symlinks" "$n" \
			sh -c "find -L $mnt/farm -type f -exec cat {} + >/dev/null"
		command_on "$peer" "rm -rf of symlinks" "$n" rm -rf "$mnt/farm"
		command_on "$peer" "rm -rf of hard links" "$n" rm -rf "$mnt/links"
		command_on "$peer" "rm -rf" "$n" rm -rf "$mnt/include" "$mnt/backup"
		[ "$peer" != tmpfs ] || umount "$mnt"
	done
}

# Unpack, follow each symlink, and remove, what tests/bench/farms has made. With -P tar
# makes symlinks at once, not placeholders that become links at the end.
farms()
{
	local peer n m
	n=$(tar -tf "$in/pnpm-store.tar" | wc -l)
	m=$(tar -tf "$in/pnpm-trees.tar" | wc -l)
	for peer in $BENCH_PEERS; do
		make_volume "$peer" || continue
		[ "$peer" != tmpfs ] || mount -t tmpfs -o size=80% tmpfs "$mnt"
		command_on "$peer" "pnpm: store" "$n" tar -C "$mnt" -Pxf "$in/pnpm-store.tar"
		command_on "$peer" "pnpm: node_modules" "$m" tar -C "$mnt" -Pxf "$in/pnpm-trees.tar"
		command_on "$peer" "pnpm: follow the symlinks" "$m" \
			find "$mnt/one" "$mnt/two" -type l -exec stat -L -c '' {} +
		command_on "$peer" "pnpm: read a project" "$n" \
			sh -c "find $mnt/one -type f -exec cat {} + >/dev/null"
		command_on "$peer" "pnpm: rm -rf node_modules" "$m" rm -rf "$mnt/one" "$mnt/two"
		command_on "$peer" "pnpm: rm -rf the store" "$n" rm -rf "$mnt/store"
		[ "$peer" != tmpfs ] || umount "$mnt"
	done
	n=$(tar -tf "$in/stow-store.tar" | wc -l)
	m=$(tar -tf "$in/stow-farm.tar" | wc -l)
	for peer in $BENCH_PEERS; do
		make_volume "$peer" || continue
		[ "$peer" != tmpfs ] || mount -t tmpfs -o size=80% tmpfs "$mnt"
		command_on "$peer" "stow: packages" "$n" tar -C "$mnt" -Pxf "$in/stow-store.tar"
		command_on "$peer" "stow: farm" "$m" tar -C "$mnt" -Pxf "$in/stow-farm.tar"
		command_on "$peer" "stow: list" "$m" ls -lR "$mnt"
		command_on "$peer" "stow: follow the symlinks" "$m" \
			find "$mnt/usr" -type l -exec stat -L -c '' {} +
		command_on "$peer" "stow: rm the symlinks" "$m" find "$mnt/usr" -type l -delete
		[ "$peer" != tmpfs ] || umount "$mnt"
	done
}

# fio's own figure of a buffered write is the mean latency: instructions, here. What it
# needs itself is too much, and too different, for the instructions of the whole to be told.
fio_job() # PEER LABEL RW BS SIZE DIRECT
{
	local peer=$1 label=$2 rw=$3 bs=$4 size=$5 direct=$6 n
	n=$((size / bs))
	command_on "$peer" "$label" $n \
		env LD_LIBRARY_PATH="$in/programs" "$in/programs/fio" --name=j --filename="$mnt/data" \
		--rw="$rw" --bs="$bs" --size="$size" --direct="$direct" --ioengine=psync \
		--end_fsync=1 --randseed=1 --allrandrepeat=1 --fallocate=none --output=/run/fio.out \
		--output-format=terse || return
	# the mean of the completion latency, in microseconds: of reads, else of writes
	awk -F ';' -v head="V	$peer	command n=$n label=$label cold=1	$label	clat	" \
		'{ v = $16 + 0 ? $16 : $57; printf "%s%.0f\n", head, v * 1000 }' /run/fio.out
}

fio_jobs()
{
	local peer kind direct
	for peer in $BENCH_PEERS; do
		make_volume "$peer" || continue
		[ "$peer" != tmpfs ] || mount -t tmpfs -o size=80% tmpfs "$mnt"
		for direct in 0 1; do
			# tmpfs of 6.1 has no direct I/O
			[ "$peer:$direct" != tmpfs:1 ] || continue
			kind=buffered
			[ $direct = 0 ] || kind=direct
			fio_job "$peer" "1M write $kind" write $((1 << 20)) "$BENCH_BIG" $direct
			fio_job "$peer" "1M read $kind" read $((1 << 20)) "$BENCH_BIG" $direct
			fio_job "$peer" "1M random write $kind" randwrite $((1 << 20)) "$BENCH_BIG" $direct
			fio_job "$peer" "1M random read $kind" randread $((1 << 20)) "$BENCH_BIG" $direct
			fio_job "$peer" "4K write $kind" write 4096 "$BENCH_SMALL" $direct
			fio_job "$peer" "4K read $kind" read 4096 "$BENCH_SMALL" $direct
			fio_job "$peer" "4K random write $kind" randwrite 4096 "$BENCH_SMALL" $direct
			fio_job "$peer" "4K random read $kind" randread 4096 "$BENCH_SMALL" $direct
		done
		[ "$peer" != tmpfs ] || umount "$mnt"
	done
}

modprobe -aq crc32c-intel jbd2 libcrc32c
for peer in $BENCH_PEERS; do
	case $peer in
	lnkfs|lnkfs-commits) grep -qw lnkfs /proc/filesystems || insmod /lnkfs/lnkfs.ko ;;
	*)     modprobe -q "$peer" || grep -qw "$peer" /proc/filesystems ;;
	esac || { echo "bench: this kernel has no $peer" >&2; exit 1; }
done
# Guest time leaps while all wait for the device: nothing hangs for that.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
info kernel "$KVER"
info crc32c "$(awk -F ' *: *' '$1 == "name" { n = $2 } $1 == "driver" { d = $2 }
	$1 == "priority" && n == "crc32c" { print $2, d }' /proc/crypto | sort -rn | head -n 1 |
	cut -d ' ' -f 2)"
info disk "$(($(cat "/sys/block/${dev#/dev/}/size") >> 11)) MiB"

for g in $BENCH_GROUPS; do
	case $g in
	links)
		for where in $BENCH_WHERE; do
			for len in $BENCH_LENGTHS; do
				group links len="$len" dir="$where" n="$BENCH_COUNT" fsyncs="$BENCH_FSYNCS"
			done
		done
		;;
	hard)
		group hard n="$BENCH_COUNT"
		;;
	io)
		for len in $BENCH_IO_LENGTHS; do
			group io len="$len" n="$BENCH_IO_COUNT"
		done
		;;
	growth)
		group growth n="$BENCH_MOST"
		;;
	files)
		group files n="$BENCH_COUNT" fsyncs="$BENCH_FSYNCS"
		;;
	data)
		group data big="$BENCH_BIG" small="$BENCH_SMALL"
		;;
	tree)
		gzip -dc "$in/tree.tar.gz" >"$tree" || exit 1
		trees
		;;
	farms)
		farms
		;;
	parallel)
		group parallel n="$BENCH_COUNT"
		;;
	fio)
		fio_jobs
		;;
	esac
done
step sizes
"$in/phases" all all - "$mnt" sizes
[ $failed = 0 ]
