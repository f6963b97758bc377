#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Mount what must not be mounted: garbage, other filesystems, cut and altered
# images. Every refusal has its errno, none may disturb the kernel, and after
# each the undamaged image still mounts. Needs loop devices and sysop.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/is.sh"
scratch mount_bad
fstype=${FSTYPE:-lnkfs}
img=$tmp/image
dev=

cleanup()
{
	umount "$mnt" 2>/dev/null
	[ -z "$dev" ] || $sysop unloop "$dev" >/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# An error while the volume is frozen: it ends all writing, and thawing must work.
error_while_frozen()
{
	fresh
	$sysop mount "$dev" "$mnt" "$fstype" >/dev/null
	ln -s "damaged$(printf '%03000d' 0)" "$mnt/link"
	umount "$mnt"
	for at in $(/usr/bin/grep -obUa damaged000 "$img" | cut -d: -f1); do
		poke "$at" 16
	done
	$sysop mount "$dev" "$mnt" "$fstype" >/dev/null
	quiet
	fsfreeze --freeze "$mnt"
	is "a damaged link on a frozen volume" no "$(readlink "$mnt/link" >/dev/null && echo yes || echo no)"
	is "the log says so" yes "$(said "$fstype")"
	is "thaw" yes "$(fsfreeze --unfreeze "$mnt" && echo yes || echo no)"
	is "a write fails and does not hang" 1 \
		"$(timeout 20 touch "$mnt/new" 2>/dev/null; echo $?)"
	is "/proc/mounts says why" yes \
		"$(grep " $mnt " /proc/mounts | grep -q emergency_ro && echo yes || echo no)"
	is "it cannot be remounted" no \
		"$(mount -o remount,rw "$mnt" 2>/dev/null && echo yes || echo no)"
	is "but unmounted" yes "$(umount "$mnt" && echo yes || echo no)"
}

iblock() # file: the block its inode is in
{
	echo $(($(stat -c %i "$1") / (bs / 256)))
}

dm_path() # name: the path of a device of the device mapper
{
	echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"
}

# A volume that says it has so many groups, on a device as large, of which all but
# the beginning reads as zeroes.
many_groups()
{
	fresh
	blocks=$((($1 - 1) * (bs - 64) * 8 + 5000))
	$sysop set "$dev" s_blocks $blocks >/dev/null
	sectors=$((blocks * (bs / 512))) first=$((mib * 2048))
	dmsetup create --noudevsync lnkfs_many 2>/dev/null <<-END || return
		0 $first linear $dev 0
		$first $((sectors - first)) zero
	END
	is "$1 groups" yes "$(any "$($sysop mount "$(dm_path lnkfs_many)" "$mnt" "$fstype")" \
		EUCLEAN EBADMSG)"
	dmsetup remove --noudevsync lnkfs_many
}

bad_message() # command...: does it fail with EBADMSG?
{
	LC_ALL=C "$@" 2>&1 | grep -q "Bad message" && echo yes || echo no
}

# An empty file, $good, whose record has that of a symlink beside it, in a block with neither
# the root nor a directory of theirs.
beside()
{
	mkdir "$mnt/d"
	for i in $(seq 64); do
		good=$mnt/d/$i
		touch "$good"
		[ "$(iblock "$good")" = "$(iblock "$mnt")" ] ||
			[ "$(iblock "$good")" = "$(iblock "$mnt/d")" ] || break
	done
	ln -s "damaged$(printf '%090d' 0)" "$mnt/d/link"
	is "a file beside the link" "$(iblock "$mnt/d/link")" "$(iblock "$good")"
}

hurt_link() # the record of the symlink that beside() made
{
	for at in $(/usr/bin/grep -obUa damaged000 "$img" | cut -d: -f1); do
		poke "$at" 16
	done
}

# A bad record among good ones, with errors=continue: these cannot be changed any more,
# as they are stored in one block, and everything else can.
error_beside()
{
	fresh
	$sysop mount "$dev" "$mnt" "$fstype" >/dev/null
	beside
	was=$(stat -c "%a %h %Y" "$good")
	umount "$mnt"
	hurt_link
	mount -t "$fstype" -o errors=continue "$dev" "$mnt"
	is "a bad record beside a file: no chmod" yes "$(bad_message chmod 600 "$good")"
	is "no further name" yes "$(bad_message ln "$good" "$mnt/name")"
	is "no other name" yes "$(bad_message mv "$good" "$mnt/name")"
	is "and it is not removed" yes "$(bad_message rm -f "$good")"
	is "it is what it was" "$was" "$(stat -c "%a %h %Y" "$good")"
	is "what is elsewhere is changed" yes \
		"$(touch "$mnt/new" "$mnt/d/new" && mv "$mnt/d/new" "$mnt/new2" && echo yes)"
	is "for the volume is still writable" no \
		"$(grep " $mnt " /proc/mounts | grep -q emergency_ro && echo yes || echo no)"
	umount "$mnt"
}

# A bad record beside that of a file which was deleted when the machine stopped: the mount
# leaves that alone and goes on.
orphan_beside()
{
	fresh
	$sysop mount "$dev" "$mnt" "$fstype" >/dev/null
	beside
	exec 9<>"$good"
	rm "$good"
	$sysop shutdown "$mnt" 1 >/dev/null
	exec 9>&-
	umount "$mnt"
	# This replays the log and leaves orphans alone.
	is "an orphan in the log" 0 "$(try ro)"
	hurt_link
	mount -t "$fstype" -o errors=continue "$dev" "$mnt"
	is "a bad record beside an orphan: the volume can be written" yes \
		"$(touch "$mnt/new" && echo yes || echo no)"
	umount "$mnt"
}

# Several group's worth, so that there are backups; sparse.
case $bs in
1024) mib=64 ;;
2048) mib=128 ;;
*) mib=320 ;;
esac

fresh() # a new image, attached as $dev; $1: what to do to the file first
{
	[ -z "$dev" ] || $sysop unloop "$dev" >/dev/null
	dev=
	rm -f "$img"
	truncate -s ${mib}M "$img"
	case $fstype in
	ext4) mkfs.ext4 -q -F -b "$bs" -E lazy_itable_init=0 "$img" ;;
	*) "mkfs.$fstype" -q -f -b "$bs" "$img" ;;
	esac || { echo "Bail out! cannot format"; exit 1; }
	attach
}

attach()
{
	[ -z "$dev" ] || $sysop unloop "$dev" >/dev/null
	dev=$($sysop loop "$img") || { echo "Bail out! no loop device"; exit 1; }
}

try() # [ro|rw]: mount and unmount again; prints the errno
{
	r=$($sysop mount "$dev" "$mnt" "$fstype" "${1:-rw}")
	[ "$r" != 0 ] || umount "$mnt"
	echo "$r"
}

poke() # offset, size: overwrite with random bytes
{
	dd if=/dev/urandom of="$dev" bs=1 seek="$1" count="$2" conv=notrunc 2>/dev/null
}

be32() # number...: their bytes
{
	for n; do
		printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $((n >> 24 & 255)) \
			$((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255)))"
	done
}

put() # offset: write there what comes
{
	dd of="$dev" bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# Logs that jbd2 would believe: one that begins near its end, so that there is less room than
# a transaction may want, and one of which every block says that another one follows.
crafted_logs()
{
	fresh
	at=$(($($sysop get "$dev" s_journal_start) * bs))
	len=$($sysop get "$dev" s_journal_blocks)
	be32 $((len - 1025)) | put $((at + 20))
	quiet
	is "a log that begins late" EUCLEAN "$(try rw)"
	is "a log that begins late: the log says so" yes \
		"$(said "the journal's superblock is not valid")"

	fresh
	be32 1 1 | put $((at + 24))
	be32 3225106840 5 1 | put $((at + bs))
	quiet
	is "a log without checksums" EUCLEAN "$(try rw)"
	is "a log without checksums: the log says so" yes "$(said "the journal has no checksums")"

	fresh
	# s_sequence and s_start; s_feature_incompat: checksums, 64 bits, revocation
	be32 1 1 | put $((at + 24))
	be32 19 | put $((at + 40))
	# blocks of revocations of this transaction
	{ be32 3225106840 5 1; head -c $((bs - 12)) /dev/zero; } > "$tmp/block"
	n=$((bs / 512))
	while [ $n -lt $((len * bs / 512)) ]; do
		cat "$tmp/block" "$tmp/block" > "$tmp/more"
		mv "$tmp/more" "$tmp/block"
		n=$((n * 2))
	done
	head -c $(((len - 1) * bs)) "$tmp/block" |
		dd of="$dev" bs="$bs" seek=$((at / bs + 1)) iflag=fullblock conv=notrunc 2>/dev/null
	rm -f "$tmp/block"
	quiet
	is "a log without an end" EUCLEAN "$(try rw)"
	is "a log without an end: the log says so" yes "$(said "the journal has no end")"

	# jbd2 does not stop at a commit block of which the checksum is wrong.
	be32 3225106840 2 1 | put $((at + bs))
	quiet
	is "no end behind a wrong commit block" EUCLEAN "$(try rw)"
	is "no end behind a wrong commit block: the log says so" yes \
		"$(said "the journal has no end")"

	is "a log over itself is made" 0 "$($sysop logitself "$dev" $at "$bs")"
	quiet
	is "a log over itself" EUCLEAN "$(try rw)"
	is "a log over itself: the log says so" yes \
		"$(said "the journal names blocks of its own")"
}

mark=0
quiet() # remember where the kernel's log is
{
	mark=$((mark + 1))
	echo "mount_bad: mark $$.$mark" > /dev/kmsg
}

said() # pattern: did the kernel say so since the last call of quiet?
{
	dmesg | sed "1,/mount_bad: mark $$\\.$mark\$/d" | grep -qiE "$1" &&
		echo yes || echo no
}

any() # value, allowed...: "yes" if the value is one of those allowed
{
	v=$1
	shift
	for allowed; do
		[ "$v" != "$allowed" ] || { echo yes; return; }
	done
	echo "$v"
}

# An altered superblock with a good checksum: refused with a line in the log,
# or a backup is used, which the log says too.
altered() # member, value
{
	fresh
	$sysop set "$dev" "$1" "$2" >/dev/null
	quiet
	r=$(try rw)
	is "$1 = $2" yes "$(any "$r" EINVAL EUCLEAN $([ "$(said backup)" = yes ] && echo 0))"
	is "$1 = $2: the log says so" yes "$(said "$fstype")"
}

recorded() # does the superblock tell of more errors than $errors?
{
	[ $(($($sysop get "$dev" s_state))) = 2 ] &&
		[ $(($($sysop get "$dev" s_error_count))) -gt $((errors)) ] && echo yes || echo no
}

# Another filesystem was made where a volume had crashed: its backups and its log are there.
left_behind()
{
	fresh
	$sysop mount "$dev" "$mnt" "$fstype" >/dev/null
	mkdir "$mnt/d"
	i=0
	while [ $i -lt 100 ]; do
		: >"$mnt/d/$i"
		i=$((i + 1))
	done
	$sysop shutdown "$mnt" 1 >/dev/null
	umount "$mnt"
	mkfs.ext4 -q -F -b "$bs" -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 "$dev"
	quiet
	is "below ext4" EINVAL "$(try rw)"
	is "below ext4, read-only" EINVAL "$(try ro)"
	is "below ext4: the log says why" yes "$(said "does not belong to what is here")"
	is "below ext4: nothing was replayed" yes "$(e2fsck -fn "$dev" >/dev/null 2>&1 && echo yes)"
}

# The sectors of the superblock cannot be read.
unreadable_super()
{
	fresh
	dmsetup create --noudevsync lnkfs_unread 2>/dev/null <<-END || return
		0 2 linear $dev 0
		2 2 error
		4 $((mib * 2048 - 4)) linear $dev 4
	END
	quiet
	is "an unreadable superblock" 0 "$(dev=$(dm_path lnkfs_unread) && try ro)"
	is "an unreadable superblock: the log says so" yes "$(said "cannot be read")"
	is "an unreadable superblock: a backup serves" yes "$(said "using the backup")"
	dmsetup remove --noudevsync lnkfs_unread
}

super_tests()
{
	fresh
	is "the superblock's checksum is good" good "$($sysop sum "$dev")"
	$sysop breaksum "$dev" >/dev/null
	is "the superblock's checksum is bad" bad "$($sysop sum "$dev")"
	quiet
	is "bad checksum: a backup serves" 0 "$(try rw)"
	is "bad checksum: the log says so" yes "$(said backup)"
	is "and it mounts again" 0 "$(try rw)"

	fresh
	poke 1028 400
	quiet
	is "random superblock: a backup serves" 0 "$(try ro)"
	is "random superblock: the log says so" yes "$(said backup)"

	fresh
	dd if=/dev/zero of="$dev" bs=1024 seek=1 count=1 conv=notrunc 2>/dev/null
	is "no superblock: refused or a backup" yes "$(any "$(try rw)" EINVAL 0)"

	fresh
	$sysop set "$dev" s_feature_incompat 0x80000000 >/dev/null
	quiet
	is "unknown incompat feature" EINVAL "$(try rw)"
	is "unknown incompat feature: the log says so" yes "$(said feature)"
	is "unknown incompat feature, read-only" EINVAL "$(try ro)"

	fresh
	$sysop set "$dev" s_feature_ro_compat 0x80000000 >/dev/null
	quiet
	is "unknown ro_compat feature" yes "$(any "$(try rw)" EROFS EINVAL)"
	is "unknown ro_compat feature: the log says so" yes "$(said feature)"
	is "unknown ro_compat feature, read-only" 0 "$(try ro)"
	$sysop mount "$dev" "$mnt" "$fstype" ro >/dev/null
	is "and stays read-only" no "$(mount -o remount,rw "$mnt" 2>/dev/null && echo yes || echo no)"
	is "writing says so" no "$(touch "$mnt/f" 2>/dev/null && echo yes || echo no)"
	umount "$mnt"

	fresh
	$sysop set "$dev" s_feature_compat 0x80000000 >/dev/null
	is "unknown compat feature" 0 "$(try rw)"

	altered s_block_bits 9
	altered s_block_bits 13
	altered s_block_bits 255
	altered s_blocks 0
	altered s_blocks 7
	altered s_blocks 0x1000000000001
	altered s_blocks 0xffffffffffffffff
	altered s_blocknr 77
	altered s_root_ino 0
	altered s_root_ino 0xffffffffffffffff
	altered s_journal_start 0
	altered s_journal_start 0xfffffffffffffff0
	altered s_journal_blocks 0
	altered s_journal_blocks 0xffffffff
	altered s_reserved_blocks 0xffffffffffffffff
	altered s_errors 99
	altered s_default_opts 64
	altered s_max_links 0

	modprobe -a dm-mod dm-zero 2>/dev/null
	many_groups 200000000
	many_groups 4294967295

	fresh
	block=$(($($sysop get "$dev" s_root_ino) / (bs / 256)))
	poke $((block * bs)) 256
	quiet
	is "root inode overwritten" yes "$(any "$(try rw)" EUCLEAN EBADMSG)"
	is "root inode overwritten: the log says so" yes "$(said "$fstype")"
	errors=0
	is "root inode overwritten: it is recorded" yes "$(recorded)"
	errors=$($sysop get "$dev" s_error_count)
	is "root inode overwritten, read-only" yes "$(any "$(try ro)" EUCLEAN EBADMSG)"
	is "root inode overwritten, read-only: that, too" yes "$(recorded)"
	poke 1028 400
	is "and with a backup" yes "$(any "$(try ro)" EUCLEAN EBADMSG)"
	is "which does not take the superblock's place by that" bad "$($sysop sum "$dev")"

	fresh
	poke $(($($sysop get "$dev" s_journal_start) * bs)) 100
	quiet
	is "journal superblock overwritten" yes \
		"$(any "$(try rw)" EINVAL EUCLEAN EBADMSG EIO)"
	is "journal superblock overwritten: the log says so" yes "$(said "$fstype|jbd2")"
	is "journal superblock overwritten, norecovery" 0 \
		"$(r=$($sysop mount "$dev" "$mnt" "$fstype" ro norecovery); umount "$mnt"; echo "$r")"
}

quiet
fresh
is "a good image mounts" 0 "$(try rw)"
is "and mounts read-only" 0 "$(try ro)"

# Nothing of ours at all.
truncate -s 0 "$img"; truncate -s ${mib}M "$img"; attach
is "zeroes" EINVAL "$(try rw)"
head -c 4194304 /dev/urandom > "$img"; truncate -s ${mib}M "$img"; attach
is "random bytes" EINVAL "$(try rw)"
head -c 4096 /dev/zero > "$img"; attach
is "a device of 4 KiB" EINVAL "$(try rw)"
head -c 512 /dev/zero > "$img"; attach
# (ext4 takes the block that is not there for a lack of memory)
is "a device of 512 bytes" yes \
	"$(any "$(try rw)" EINVAL EIO $([ "$fstype" != ext4 ] || echo ENOMEM))"
other=ext4
[ "$fstype" != ext4 ] || other=xfs
rm -f "$img"; truncate -s ${mib}M "$img"
if [ $other = ext4 ]; then
	mkfs.ext4 -q -F "$img"
	attach
	is "ext4" EINVAL "$(try rw)"
	is "ext4, read-only" EINVAL "$(try ro)"
fi
is "a directory" ENOTBLK "$($sysop mount "$tmp" "$mnt" "$fstype")"
is "a missing device" ENOENT "$($sysop mount "$tmp/none" "$mnt" "$fstype")"

# An image that was cut short.
fresh
cut=$((mib / 2))
$sysop unloop "$dev" >/dev/null; dev=
truncate -s ${cut}M "$img"
attach
is "an image cut in half" EINVAL "$(try rw)"
is "an image cut in half, read-only" EINVAL "$(try ro)"
fresh
is "a whole one once more" 0 "$(try rw)"

if [ "$fstype" = lnkfs ]; then
	super_tests
	crafted_logs
	left_behind
	unreadable_super
	error_while_frozen
	error_beside
	orphan_beside
fi

dmesg | grep -E "BUG:|Oops|WARNING:|KASAN|general protection" && failed=$((failed + 1))
echo "1..$num"
[ $failed -eq 0 ]
