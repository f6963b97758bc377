# SPDX-License-Identifier: GPL-2.0
#
# A rename fails after the new name's directory has got a block for it, as the other one
# cannot be read: the size that stat() shows is the one that is stored.

refused_make()
{
	local i
	mkfs.lnkfs -q -f $vol && mount -t lnkfs -o errors=continue $vol $mnt || return
	mkdir $mnt/dir $mnt/many
	: >"$mnt/dir/$(head -c 200 /dev/zero | tr '\0' m)"
	for ((i = 0; i < 100; i++)); do
		: >$mnt/many/$i
	done
	sync -f $mnt
}

refused_rename()
{
	local name seen other
	other=$("$here/ranges" "$DISK0" "$sectors" error $mnt other) || return
	# With the one that is there it is too much for the record.
	name=$(head -c 250 /dev/zero | tr '\0' n)
	# What is open need not be looked up.
	exec 7<$mnt/many 8<$mnt/many/0 9<$mnt/dir
	cold
	table vol "$other"
	mv -T /proc/self/fd/7/0 /proc/self/fd/9/"$name" 2>/run/err && { heal; return 1; }
	seen=$(stat -L -c %s /proc/self/fd/9)
	heal
	exec 7<&- 8<&- 9<&-
	cat /run/err
	grep -q 'Input/output error' /run/err && cold || return
	echo "$seen bytes, and then $(stat -c %s $mnt/dir)"
	[ "$seen" = "$(stat -c %s $mnt/dir)" ]
}

label="a name that is refused"
heal
ok "two directories" refused_make
ok "the one shows the size that it has" refused_rename
ok "unmount" umount $mnt
ok "fsck finds nothing" fsck.lnkfs -n -f $vol
label=
