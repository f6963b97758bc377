# SPDX-License-Identifier: GPL-2.0
#
# A sector that cannot be read lies between inode blocks, which are read ahead with all that
# is in between. It belongs to a file: whoever does not read that file sees no error, and the
# device is not asked for it again for each of the inode blocks.

bad_ranges() # DISK KIND|FILE...: first and last sector of what ranges would break
{
	"$here/ranges" "/dev/$1" "$(blockdev --getsz "/dev/$1")" error $mnt "${@:2}" |
		awk '$3 == "error" { print $1, $1 + $2 }'
}

# The first sector of a file's data that is read with the inode blocks around it: those are
# no further apart than 32 KiB, in the same 128 KiB.
sector_between_inodes() # DISK
{
	bad_ranges "$1" inodes >/run/inodes
	bad_ranges "$1" $mnt/dir/data-* | awk '
		FILENAME != "-" { n++; from[n] = $1; to[n] = $2; next }
		{
			for (i = 1; i < n; i++)
				if (to[i] <= $1 && $1 < from[i + 1] && from[i + 1] - to[i] <= 64 &&
				    int(to[i] / 256) == int((from[i + 1] + 7) / 256)) {
					print $1
					exit
				}
		}' /run/inodes -
}

ahead_make()
{
	local i
	mkdir $mnt/dir
	for ((i = 0; i < 1500; i++)); do
		: >"$mnt/dir/file-$i"
		[ $((i % 60)) != 59 ] || { echo data >"$mnt/dir/data-$i" && sync -f $mnt; }
	done
}

errors_of() # DISK: commands that have failed, ever
{
	echo $(($(cat "/sys/block/$1/device/ioerr_cnt")))
}

ahead_round()
{
	local dev sector before opts=/sys/bus/pseudo/drivers/scsi_debug/opts
	local params=/sys/module/scsi_debug/parameters
	label="read ahead over a bad sector"
	dev=$(scsi_disk) || { result 1 "no disk"; return; }
	ok "format and mount" sh -c "mkfs.lnkfs -q -f -b 4096 /dev/$dev && mount -t lnkfs /dev/$dev $mnt"
	ok "files" ahead_make
	sector=$(sector_between_inodes "$dev")
	ok "there is such a sector" test -n "$sector"
	ok "unmount" umount $mnt
	echo "$sector" >$params/medium_error_start
	echo 1 >$params/medium_error_count
	echo 2 >$opts
	ok "the sector cannot be read" sh -c \
		"! dd if=/dev/$dev of=/dev/null bs=512 skip=$sector count=1 iflag=direct"
	before=$(errors_of "$dev")
	ok "mount" mount -t lnkfs "/dev/$dev" $mnt
	ok "all names and inodes" sh -c "ls -l $mnt/dir | grep -c ' file-' | grep -x 1500"
	echo "# sector $sector, $(($(errors_of "$dev") - before)) errors"
	ok "few errors" test $(($(errors_of "$dev") - before)) -le 4
	ok "some, for that matter" test $(($(errors_of "$dev") - before)) -ge 1
	echo 0 >$opts
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f "/dev/$dev"
	label=
}

if modprobe -q scsi_debug dev_size_mb=64 delay=0 && modprobe -q sd_mod; then
	ahead_round
	no_scsi_disk
else
	cases=$((cases + 1))
	echo "ok $cases - read ahead over a bad sector # SKIP no scsi_debug"
fi
