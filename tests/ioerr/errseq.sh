# SPDX-License-Identifier: GPL-2.0
#
# Who is told that data were lost, and how often: the same as on ext4. errors= has
# nothing to do with it. Without barriers: a flush would fail, too, and with it every fsync.

# told TYPE MOUNT-OPTIONS FILE
told()
{
	local files='$(find '$mnt' -type f)'
	heal
	case $1 in
	ext4) mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 $vol ;;
	*) mkfs.lnkfs -q -f $vol ;;
	esac && mount -t "$1" -o "$2" $vol $mnt || return
	cat >/run/break <<END
#!/bin/bash
"$here/ranges" "$DISK0" "$sectors" writes $mnt $files >/run/table &&
	dmsetup suspend --nolockfs --noflush --noudevsync vol &&
	dmsetup load --noudevsync vol </run/table && dmsetup resume --noudevsync vol
END
	cat >/run/heal <<END
#!/bin/bash
dmsetup suspend --nolockfs --noflush --noudevsync vol &&
	echo "$good" | dmsetup load --noudevsync vol && dmsetup resume --noudevsync vol
END
	chmod +x /run/break /run/heal
	"$here/errseq" $mnt /run/break /run/heal >"$3" || { cat "$3"; umount $mnt; return 1; }
	! is_ro || echo "and it is read-only" >>"$3"
	umount $mnt
	[ "$1" = ext4 ] || fsck.lnkfs -n -f $vol
}

label="data that were lost"
ok "what ext4 tells" told ext4 errors=continue,barrier=0 /run/told.ext4
for errors in $(long && echo continue) remount-ro; do
	ok "what lnkfs tells, errors=$errors" told lnkfs errors=$errors,barrier=0 /run/told.lnkfs
	ok "it is the same" diff /run/told.ext4 /run/told.lnkfs
done
say </run/told.lnkfs
label=
