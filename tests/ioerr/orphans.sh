# SPDX-License-Identifier: GPL-2.0
#
# Orphans amid errors: of a deleted file, where the map of orphans or a quota file cannot be
# read at the mount that would free it, and of one that could not be cut. With
# errors=continue.

orphans_mount() # OPTIONS
{
	mount -t lnkfs -o "errors=continue,$1" $vol $mnt
}

orphans_counted() # N
{
	local n
	n=$(cat /sys/fs/lnkfs/dm-*/orphans)
	echo "$n orphans counted"
	[ "$n" = "$1" ]
}

# A file that is open and deleted when the machine stops; $maps: its volume without the last
# of the three maps of inode blocks (4 KiB each).
orphans_crash() # [MKFS OPTION...]
{
	mkfs.lnkfs -q -f "$@" $vol && orphans_mount rw || return
	used=$(cat /sys/fs/lnkfs/dm-*/used_inodes)
	exec 9<>$mnt/gone
	head -c 1000000 /dev/zero >&9
	sync -f $mnt
	maps=$("$here/ranges" "$DISK0" "$sectors" error $mnt inodemap | awk -v disk="$DISK0" '
		$3 == "error" {
			$2 -= 8
			print $1, $2, "linear", disk, $1
			print $1 + $2, 8, "error"
			next
		}
		{ print }')
	[[ $maps == *error* ]] || return
	rm $mnt/gone && sync -f $mnt && fault dead
	exec 9>&-
	umount $mnt && heal || return
	# The journal is written back, and orphans are left alone.
	orphans_mount ro && umount $mnt
}

# Another orphan comes and goes, and bits that nobody needs are cleared.
orphans_clean()
{
	exec 9<>$mnt/other
	rm $mnt/other && exec 9>&- && sync -f $mnt && sleep $((4 * slow)) && sync -f $mnt
}

orphans_freed()
{
	local n
	n=$(cat /sys/fs/lnkfs/dm-*/used_inodes)
	echo "$n inodes, $used before"
	[ "$n" = "$used" ]
}

# A file is cut while the tree of its extents cannot be read.
orphans_cut()
{
	local i other
	exec 8<>$mnt/pieces
	for ((i = 0; i < 20; i++)); do
		printf x | dd of=$mnt/pieces bs=4096 seek=$((2 * i)) conv=notrunc status=none
	done
	sync -f $mnt && other=$("$here/ranges" "$DISK0" "$sectors" error $mnt other) && cold || return
	table vol "$other"
	truncate -s 0 /proc/self/fd/8 2>/run/err && { heal; return 1; }
	cat /run/err
	heal && orphans_counted 1
}

orphans_case()
{
	label="orphans"
	heal
	ok "a volume with an orphan" orphans_crash
	table vol "$maps" || result 1 "the fault"
	ok "mount without maps" orphans_mount rw
	heal || result 1 "healing"
	ok "another orphan" orphans_clean
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	ok "mount again" orphans_mount rw
	ok "the orphan is gone" orphans_freed
	ok "a truncate that fails" orphans_cut
	exec 7<$mnt/pieces 8>&-
	ok "read-only" mount -o remount,ro $mnt
	ok "and back" mount -o remount,rw $mnt
	ok "no orphan is counted any more" orphans_counted 0
	exec 7<&-
	ok "unmount again" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	orphans_without_quota
	label=
}

# A mount that fails when the journal has been replayed and no orphan has been looked at.
orphans_without_quota()
{
	local at
	ok "with quota" orphans_crash -O quota
	at=$(dump.lnkfs -j $vol super | sed 's/.*"quota_user": *\([0-9]*\).*/\1/')
	at=$(dump.lnkfs $vol extents "$at" | sed -n 's/.*logical 0  block \([0-9]*\).*/\1/p')
	at=$((at * 8))
	table vol "0 $at linear $DISK0 0
		$at 8 error
		$((at + 8)) $((sectors - at - 8)) linear $DISK0 $((at + 8))" || result 1 "the fault"
	ok "no mount without it" sh -c "! mount -t lnkfs -o errors=continue $vol $mnt"
	heal || result 1 "healing"
	ok "mount with it" orphans_mount rw
	ok "the orphan is gone" orphans_freed
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
}

orphans_case
