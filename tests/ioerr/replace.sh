# SPDX-License-Identifier: GPL-2.0
#
# A rename over an existing file whose data cannot be written: it fails, and the old file
# stays, also when the error is not the first, or happened before, as long as no fsync has
# told of it. Without barriers: a flush would fail, too.

bytes() # CHARACTER
{
	head -c 65536 /dev/zero | tr '\0' "$1"
}

put() # CHARACTER: over the blocks that the new file has
{
	bytes "$1" | dd of=$mnt/new bs=65536 iflag=fullblock conv=notrunc status=none
}

replace()
{
	mv -f -T $mnt/new $mnt/old
}

replace_fails()
{
	! replace 2>/run/err || return
	cat /run/err
	grep -q 'Input/output error' /run/err && [ -e $mnt/new ]
}

old_holds() # CHARACTER, on the disk
{
	sync -f $mnt
	echo 1 >/proc/sys/vm/drop_caches
	bytes "$1" | cmp - $mnt/old
}

fsync_tells()
{
	! sync $mnt/new 2>/run/err || return
	cat /run/err
	grep -q 'Input/output error' /run/err
}

lose() # data in the background; nobody is told
{
	put "$1" && sync
}

replace_case()
{
	label="replacing with data that were lost"
	heal
	ok "format and mount" sh -c "mkfs.lnkfs -q -f $vol && mount -t lnkfs -o barrier=0 $vol $mnt"
	bytes o >$mnt/old
	bytes n >$mnt/new
	ok "two files" sync -f $mnt
	fault $mnt/new || result 1 "the fault"
	put a
	ok "the rename writes them and fails" replace_fails
	put b
	ok "so does another one" replace_fails
	ok "so does one with nothing to write" replace_fails
	ok "the old file is there" old_holds o
	ok "fsync tells" fsync_tells
	ok "data lost in the background" lose c
	ok "the rename fails" replace_fails
	ok "the old file is there" old_holds o
	heal || result 1 "healing"
	put d
	ok "it fails when it is healed, until somebody knows" replace_fails
	ok "fsync tells" fsync_tells
	ok "the old file is there" old_holds o
	ok "what has been told stops no rename" replace
	ok "the new file is there" old_holds d
	bytes e >$mnt/new
	ok "nor the next one" replace
	ok "its data are there" old_holds e
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	label=
}

replace_case
