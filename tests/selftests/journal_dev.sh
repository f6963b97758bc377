#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# External journals: finding the device, refusing what is not the volume's
# journal, replay after a crash, flushes, and write errors. Needs loop devices
# and sysop.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/is.sh"
lnkfs_only
scratch journal_dev
mkdir "$tmp/mnt2" "$tmp/small"
loops=

cleanup()
{
	umount "$mnt" "$tmp/mnt2" 2>/dev/null
	for l in $loops; do
		$sysop unloop "$l" >/dev/null 2>&1
	done
	umount "$tmp/small" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

yes() # command...: "yes" if it succeeds
{
	"$@" >"$tmp/out" 2>&1 && echo yes || echo no
}

printed() # pattern: did the last program print it?
{
	grep -q "$1" "$tmp/out" && echo yes || echo no
}

mark=0
quiet() # remember where the kernel's log is
{
	mark=$((mark + 1))
	echo "journal_dev: mark $$.$mark" > /dev/kmsg
}

said() # pattern: did the kernel say so since the last call of quiet?
{
	dmesg | sed "1,/journal_dev: mark $$\\.$mark\$/d" | grep -qiE "$1" &&
		echo yes || echo no
}

attach() # variable, file: attach it to a loop device
{
	l=$($sysop loop "$2") || { echo "Bail out! no loop device"; exit 1; }
	loops="$loops $l"
	eval "$1=$l"
}

disk() # variable, name, MiB: a device of that size
{
	truncate -s "$3M" "$tmp/$2"
	attach "$1" "$tmp/$2"
}

domount() # device, [ro|rw, [options, [directory]]]: the errno
{
	$sysop mount "$1" "${4:-$mnt}" lnkfs "${2:-rw}" ${3:+"$3"}
}

try() # as domount, and unmount again
{
	r=$(domount "$@")
	[ "$r" != 0 ] || umount "$mnt"
	echo "$r"
}

fsck() # arguments...: the exit status
{
	fsck.lnkfs "$@" >"$tmp/out" 2>&1
	echo $?
}

refused() # description, errno, text in the log, arguments of try
{
	what=$1 err=$2 text=$3
	shift 3
	quiet
	is "$what" "$err" "$(try "$@")"
	is "$what: the log says so" yes "$(said "$text")"
}

uuid_of() # device
{
	od -An -tx1 -j 1056 -N 16 "$1" | tr -d ' \n' |
		sed 's/^\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)/\1-\2-\3-\4-/'
}

flushes() # device: flushes that it has been asked for
{
	awk '{ print $16 }' "/sys/block/${1#/dev/}/stat"
}

mkj() { mkfs.lnkfs -q -f -O journal_dev -b "$bs" -L log "$J"; }
mkd() { mkfs.lnkfs -q -f -b "$bs" -J device="$J" "$D"; }
fresh() { mkj && mkd; }

# ---- making them
make()
{
	is "make a journal device" yes "$(yes mkj)"
	refused "mounting a journal device" EINVAL "this is the journal of a volume" "$J"
	refused "mounting it read-only" EINVAL "this is the journal of a volume" "$J" ro norecovery
	is "libblkid takes it for nothing" no "$(yes /usr/sbin/blkid -p "$J")"
	is "make a volume for it" yes "$(yes mkd)"
	is "the device is remembered" "$(($($sysop devnum "$J")))" "$($sysop get "$D" s_journal_dev)"
	is "the checker likes it" 0 "$(fsck -n -f "$D")"
	is "mount" 0 "$(domount "$D")"
	is "no option is shown" no "$(yes grep -q " $mnt .*journal_dev" /proc/mounts)"
	is "the journal is in use: mkfs" no "$(yes mkj)"
	is "the journal is in use: no other claim" no "$(yes mkfs.lnkfs -q -f "$J")"
	cp "$here/sysop" "$mnt/file"
	mkdir "$mnt/dir"
	is "sync" yes "$(yes sync -f "$mnt")"
	umount "$mnt"
	is "checker after use" 0 "$(fsck -n -f "$D")"
	is "checker with -j" 0 "$(fsck -n -f -j "$J" "$D")"
}

# ---- other devices
other_devices()
{
	disk J2 journal2 8
	disk D2 data2 64
	mkfs.lnkfs -q -O journal_dev -b "$bs" "$J2"
	is "another volume, by the journal's UUID" yes \
		"$(yes mkfs.lnkfs -q -b "$bs" -J device=UUID="$(uuid_of "$J2")" "$D2")"
	is "it mounts" 0 "$(try "$D2")"
	is "a foreign journal is not taken away" no \
		"$(yes mkfs.lnkfs -q -f -b "$bs" -J device="$J" "$D2")"
	is "mkfs says so" yes "$(printed "belongs to another volume")"
	is "and the volume is still there" 0 "$(try "$D2")"
	refused "another volume's journal" EINVAL "UUID is another" "$D" rw "journal_path=$J2"
	refused "a volume as journal" EINVAL "not a journal device" "$D" rw "journal_path=$D2"
	refused "the volume itself" EINVAL "another device" "$D" rw "journal_path=$D"
	is "a missing path" ENOENT "$(try "$D" rw "journal_path=$tmp/none")"
	is "no device" ENOTBLK "$(try "$D" rw "journal_path=$tmp")"
	refused "no such device" ENXIO "cannot open" "$D" rw journal_dev=0xfe0
	is "no number" EINVAL "$(try "$D" rw journal_dev=loop)"
	is "by path" 0 "$(try "$D" rw "journal_path=$J")"
	is "by number" 0 "$(try "$D" rw "journal_dev=$($sysop devnum "$J")")"
	is "checker with the wrong journal" 8 "$(fsck -n -f -j "$J2" "$D")"
	is "the checker says so" yes "$(printed "not the journal of this volume")"
	domount "$D" >/dev/null
	refused "a journal in use" EBUSY "it is in use" "$D2" rw "journal_path=$J" "$tmp/mnt2"
	umount "$mnt"
	is "fsck of a journal device" 8 "$(fsck -n "$J")"
	mkfs.lnkfs -q -f -b "$bs" "$D2"
	refused "journal_path for an internal journal" EINVAL "journal inside" "$D2" rw "journal_path=$J2"
}

# ---- the device gets another name
renamed()
{
	$sysop unloop "$J" >/dev/null
	attach J3 "$tmp/journal2"
	refused "another journal has its name now" EINVAL "UUID is another" "$D"
	is "checker: it is not to be found" 8 "$(fsck -n -f "$D")"
	is "norecovery does without" 0 "$(try "$D" ro norecovery)"
	attach J "$tmp/journal"
	is "by its new name" 0 "$(domount "$D" rw "journal_path=$J")"
	umount "$mnt"
	is "which is remembered" 0 "$(try "$D")"
}

# ---- crash and replay
crash()
{
	domount "$D" >/dev/null
	mkdir "$mnt/crash"
	for i in 1 2 3 4 5 6 7 8; do
		echo "$i" > "$mnt/crash/$i"
		ln -s "target $i" "$mnt/crash/link$i"
	done
	$sysop fsync "$mnt/crash/8" >/dev/null
	for i in 1 2 3 4 5 6 7; do
		$sysop fsync "$mnt/crash/$i" >/dev/null
	done
	is "crash" 0 "$($sysop shutdown "$mnt" 2)"
	is "everything fails" no "$(yes touch "$mnt/more")"
	is "unmount" yes "$(yes umount "$mnt")"
	is "the checker reads through the log" 0 "$(fsck -n "$D")"
	is "it says so" yes "$(printed "taken into account")"
	is "without the journal it cannot tell" 8 "$(fsck -n -f -j "$D" "$D")"
	is "and does not look" no "$(printed directories)"
	blockdev --setro "$J"
	refused "read-only journal, to be replayed" EROFS "read-only" "$D" rw
	refused "read-only journal, to be replayed, ro" EROFS "must be replayed" "$D" ro
	blockdev --setrw "$J"
	blockdev --setro "$D"
	refused "read-only volume, to be replayed" EROFS "must be replayed" "$D" ro
	is "norecovery" 0 "$(try "$D" ro norecovery)"
	blockdev --setrw "$D"
	refused "replay" 0 "recovering the journal" "$D" ro
	is "checker after the replay" 0 "$(fsck -n -f "$D")"
	domount "$D" >/dev/null
	is "all is there" "1 2 3 4 5 6 7 8" "$(cat "$mnt"/crash/? | xargs)"
	is "links, too" "target 5" "$(readlink "$mnt/crash/link5")"

	ln -s again "$mnt/again"
	sync -f "$mnt"
	$sysop shutdown "$mnt" 2 >/dev/null
	umount "$mnt"
	is "the checker replays" 0 "$(fsck -f "$D")"
	is "it says so" yes "$(printed "transactions replayed")"
	quiet
	is "it leaves nothing to the mount" 0 "$(domount "$D")"
	is "the kernel agrees" no "$(said "recovering the journal")"
	is "and all is there" again "$(readlink "$mnt/again")"
	umount "$mnt"
}

# ---- states of a mounted volume
states()
{
	domount "$D" >/dev/null
	is "remount read-only" yes "$(yes mount -o remount,ro "$mnt")"
	is "remount read-write" yes "$(yes mount -o remount,rw "$mnt")"
	is "remount naming the same journal" yes "$(yes mount -o "remount,journal_path=$J" "$mnt")"
	is "remount naming another" no "$(yes mount -o "remount,journal_path=$J2" "$mnt")"
	is "freeze" yes "$(yes fsfreeze --freeze "$mnt")"
	is "frozen: nothing to be replayed" 0 "$(fsck -n "$D")"
	is "thaw" yes "$(yes fsfreeze --unfreeze "$mnt")"
	umount "$mnt"
	blockdev --setro "$J"
	refused "read-only journal" EROFS "is read-only" "$D"
	is "read-only journal, read-only mount" 0 "$(domount "$D" ro)"
	is "it cannot become writable" no "$(yes mount -o remount,rw "$mnt")"
	umount "$mnt"
	blockdev --setrw "$J"
}

# ---- what reaches the volume's device before the log says so
flushing()
{
	domount "$D" >/dev/null
	head -c 65536 /dev/urandom > "$mnt/inplace"
	sync -f "$mnt"
	d=$(flushes "$D") j=$(flushes "$J")
	dd if=/dev/urandom of="$mnt/inplace" bs=4096 count=1 conv=notrunc 2>/dev/null
	$sysop fsync "$mnt/inplace" >/dev/null
	is "fsync of data in place flushes the volume" yes "$([ "$(flushes "$D")" -gt "$d" ] && echo yes)"
	is "and the journal" yes "$([ "$(flushes "$J")" -gt "$j" ] && echo yes)"
	d=$(flushes "$D")
	dd if=/dev/urandom of="$mnt/inplace" bs=4096 count=1 conv=notrunc 2>/dev/null
	sync -f "$mnt"
	is "syncfs flushes the volume" yes "$([ "$(flushes "$D")" -gt "$d" ] && echo yes)"
	head -c 65536 /dev/urandom > "$mnt/new"
	d=$(flushes "$D")
	$sysop wait "$mnt/new" >/dev/null
	is "writeback alone does not" "$d" "$(flushes "$D")"
	i=0
	while [ $i -lt 20 ] && [ "$(flushes "$D")" = "$d" ]; do
		sleep 1
		i=$((i + 1))
	done
	is "the commit by time of new data flushes the volume" yes \
		"$([ "$(flushes "$D")" -gt "$d" ] && echo yes)"
	umount "$mnt"
	is "checker" 0 "$(fsck -n -f "$D")"
}

# ---- write errors: the image of the journal has no room to grow
write_errors()
{
	$sysop unloop "$J" >/dev/null
	mount -t tmpfs -o size=40M tmpfs "$tmp/small"
	truncate -s 16M "$tmp/small/journal"
	attach J "$tmp/small/journal"
	fresh
	/usr/bin/fallocate -p -o $((8 * bs)) -l 16M "$tmp/small/journal"
	mount -o remount,size=400K "$tmp/small"
	domount "$D" >/dev/null
	quiet
	(
		i=0
		while [ $i -lt 60 ]; do
			mkdir "$mnt/d$i" && head -c 3000 /dev/zero | tr '\0' x > "$mnt/d$i/f" || exit
			ln -s "$(head -c 800 /dev/zero | tr '\0' y)" "$mnt/d$i/l" || exit
			sync -f "$mnt" || exit
			i=$((i + 1))
		done
	) 2>/dev/null
	is "a journal that cannot be written: nothing can be" no "$(yes touch "$mnt/new")"
	is "the log says so" yes "$(said "lnkfs.*journal")"
	is "/proc/mounts says so" yes "$(yes grep -q " $mnt .*emergency_ro" /proc/mounts)"
	is "reading works" yes "$(yes ls "$mnt/d0")"
	is "unmount after it" yes "$(yes umount "$mnt")"
	mount -o remount,size=40M "$tmp/small"
	is "mounting again replays" 0 "$(domount "$D")"
	is "what was synced is there" yes "$(yes cat "$mnt/d0/f")"
	umount "$mnt"
	is "checker after write errors" 0 "$(fsck -n -f "$D")"
}

log=$((bs >= 2048 ? 1 : 2))
poke() # byte of the log's first block, octal bytes
{
	# shellcheck disable=SC2059
	printf "$2" | dd of="$J" bs=1 seek=$((log * bs + $1)) conv=notrunc 2>/dev/null
}

# ---- hostile journals
hostile()
{
	fresh
	$sysop breaksum "$J" >/dev/null
	refused "bad superblock checksum" EBADMSG "superblock checksum" "$D"
	is "norecovery mounts all the same" 0 "$(try "$D" ro norecovery)"
	fresh
	dd if=/dev/urandom of="$J" bs=1024 seek=1 count=1 conv=notrunc 2>/dev/null
	refused "random superblock" EINVAL "not a journal device" "$D"
	# All of these are unit tests of the check, too.
	for set in "s_block_bits 200" "s_blocks 3" "s_journal_blocks 0x7fffffff"; do
		fresh
		# shellcheck disable=SC2086
		$sysop set "$J" $set >/dev/null
		refused "$set" EUCLEAN "journal device" "$D"
	done
	fresh
	$sysop set "$J" s_feature_incompat 0x80000001 >/dev/null
	refused "unknown feature" EINVAL "unknown incompatible" "$D"
	fresh
	$sysop set "$J" s_feature_incompat 0 >/dev/null
	refused "no journal device" EINVAL "not a journal device" "$D"
	fresh
	truncate -s 4M "$tmp/small/journal"
	$sysop unloop "$J" >/dev/null
	attach J "$tmp/small/journal"
	refused "a device cut short" EINVAL "larger than the device" "$D" rw "journal_path=$J"
	$sysop unloop "$J" >/dev/null
	truncate -s 1K "$tmp/small/journal"
	attach J "$tmp/small/journal"
	is "a device of 1 KiB" EIO "$(try "$D" rw "journal_path=$J")"
	$sysop unloop "$J" >/dev/null
	truncate -s 16M "$tmp/small/journal"
	attach J "$tmp/small/journal"
	for p in '0 \000' '16 \000\377\377\377' '20 \000\377\377\377'; do
		fresh
		# shellcheck disable=SC2086
		poke $p
		refused "log's superblock damaged: $p" EUCLEAN "superblock is not valid" "$D"
	done
	fresh
	poke 64 '\000\000\000\002'
	refused "two users" EINVAL "not used by this volume" "$D"
	fresh
	poke 64 '\000\000\000\000'
	refused "no user" EINVAL "not used by this volume" "$D"
	fresh
	poke 256 'another volume..'
	refused "another user" EINVAL "not used by this volume" "$D"
	fresh
	poke 28 '\000\177\377\377'
	is "a log that starts beyond its end" no "$([ "$(try "$D")" = 0 ] && echo yes || echo no)"
	fresh
	poke 40 '\200\000\000\000'
	is "unknown feature of the log" no "$([ "$(try "$D")" = 0 ] && echo yes || echo no)"
	fresh
	dd if=/dev/urandom of="$J" bs="$bs" seek=$((log + 1)) count=100 conv=notrunc 2>/dev/null
	poke 28 '\000\000\000\001'
	is "a log of noise has nothing to replay" 0 "$(try "$D")"
	is "checker after noise" 0 "$(fsck -n -f "$D")"

	# Another block size, under the same UUID.
	fresh
	other=$((bs == 4096 ? 1024 : 4096))
	mkfs.lnkfs -q -f -O journal_dev -b $other -U "$(uuid_of "$J")" "$J2"
	refused "blocks of another size" EINVAL "block size" "$D" rw "journal_path=$J2"
	is "mkfs refuses them" no "$(yes mkfs.lnkfs -q -f -b "$bs" -J device="$J2" "$D2")"
}

# ---- more than fits into a group
large()
{
	$sysop unloop "$J" >/dev/null
	disk J large $((bs == 4096 ? 200 : 24))
	fresh
	is "a journal larger than a group" 0 "$(domount "$D")"
	cp -r "$here" "$mnt/copy"
	is "it works" yes "$(yes sync -f "$mnt")"
	umount "$mnt"
	is "checker" 0 "$(fsck -n -f "$D")"
}

disk J journal 16
disk D data 64
make
if [ "$bs" = 4096 ]; then
	other_devices
	renamed
fi
crash
if [ "$bs" = 4096 ]; then
	states
	flushing
	write_errors
	hostile
fi
large

dmesg | grep -E "BUG:|Oops|WARNING:|KASAN|general protection" && failed=$((failed + 1))
echo "1..$num"
[ $failed -eq 0 ]
