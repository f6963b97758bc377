# SPDX-License-Identifier: GPL-2.0
#
# A journal that fails while nobody begins anything new: whoever waits for the commit
# is told, the volume is seen to be read-only then, and the error is recorded.

quiet_begin() # a change that is not in the log yet, and a log that cannot be written
{
	heal
	ok "format and mount" sh -c "mkfs.lnkfs -q -f $vol &&
		mount -t lnkfs -o errors=continue,commit=600 $vol $mnt"
	mkdir $mnt/dir && sync -f $mnt
	: >$mnt/file
	fault journal
}

quiet_fails() # ARGUMENT...: of sync, whose twin in the guest's sh says nothing
{
	! sync "$@"
}

quiet_recorded() # in memory; a moment later it is in the superblock
{
	cat /proc/mounts /sys/fs/lnkfs/"${vol##*/}"/error_count
	is_ro && [ "$(cat /sys/fs/lnkfs/"${vol##*/}"/error_count)" -gt 0 ]
}

quiet_end()
{
	dump.lnkfs $vol super >/run/super
	ok "the superblock says so" grep '^  state: error' /run/super
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	# Who syncs the device next is told of what has failed before.
	! sync $vol 2>/run/err || :
	label=
}

label="the journal cannot be written, fsync"
quiet_begin
ok "fsync fails" quiet_fails $mnt/file
ok "it is read-only, and recorded" quiet_recorded
heal
ok "unmount" umount $mnt
quiet_end

label="the journal cannot be written, syncfs"
quiet_begin
ok "syncfs fails" quiet_fails -f $mnt
ok "it is read-only, and recorded" quiet_recorded
heal
ok "unmount" umount $mnt
quiet_end

label="the journal cannot be written, unmount"
quiet_begin
ok "unmount" umount $mnt
heal
quiet_end
