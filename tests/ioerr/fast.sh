# SPDX-License-Identifier: GPL-2.0
#
# Records of fast commits that cannot be written: there are commits instead, fsync succeeds,
# and the volume goes on. Records that cannot be read are an error, and nothing is lost.

fast_field() # NAME: of the superblock
{
	dump.lnkfs $vol super | sed -n "s/^  $1: //p"
}

fast_table() # error|flakey|late: of the area for fast commits; late: behind the first record
{
	local bs blocks start len good
	bs=$(fast_field block_size)
	blocks=$(fast_field fast_commit_blocks)
	len=$((blocks * bs / 512))
	start=$((($(fast_field journal_start) + $(fast_field journal_blocks) - blocks) * bs / 512))
	echo "0 $start linear $DISK0 0"
	case $1 in
	error) echo "$start $len error" ;;
	late)
		good=$((2 * bs / 512))
		echo "$start $good linear $DISK0 $start"
		echo "$((start + good)) $((len - good)) error"
		;;
	*) echo "$start $len flakey $DISK0 $start 0 3600 1 error_writes" ;;
	esac
	[ $((start + len)) = "$sectors" ] ||
		echo "$((start + len)) $((sectors - start - len)) linear $DISK0 $((start + len))"
}

fast_count()
{
	cat /sys/fs/lnkfs/"${vol##*/}"/fast_commits
}

fast_links() # FIRST LAST: made, and durable
{
	local i
	for ((i = $1; i <= $2; i++)); do
		ln -s "target of $i" $mnt/dir/$i && sync $mnt/dir || return
	done
}

fast_there() # LAST
{
	local i
	for ((i = 1; i <= $1; i++)); do
		[ "$(readlink $mnt/dir/$i)" = "target of $i" ] || { echo "$i is missing"; return 1; }
	done
}

fast_begin()
{
	mkfs.lnkfs -q -f -O fast_commit $vol && bad=$(fast_table flakey) &&
		unread=$(fast_table error) && late=$(fast_table late) && mount -t lnkfs -o commit=300 $vol $mnt &&
		mkdir $mnt/dir && fast_links 1 8 && [ "$(fast_count)" -ge 3 ]
}

fast_fails()
{
	local before
	before=$(fast_count)
	table vol "$bad" && fast_links 9 20 && ! is_ro && [ "$(fast_count)" = "$before" ]
}

fast_again()
{
	local before
	before=$(fast_count)
	fast_links 21 30 && [ "$(fast_count)" -gt "$before" ]
}

label="records cannot be written"
heal
ok "links that are durable" fast_begin
ok "fsync succeeds, by commits" fast_fails
heal
ok "records are written again" fast_again
# As a power failure would leave it.
fault dead
ok "unmount" umount $mnt
label="records cannot be read"
table vol "$unread"
ok "there is no mount" sh -c "! mount -t lnkfs $vol $mnt"
# The log has been replayed then, and is not what it was.
table vol "$late"
for i in 1 2 3; do
	ok "nor is there when the log has been replayed, try $i" sh -c "! mount -t lnkfs $vol $mnt"
done
heal
ok "mount" mount -t lnkfs $vol $mnt
ok "all is there" fast_there 30
ok "unmount" umount $mnt
ok "fsck finds nothing" fsck.lnkfs -n -f $vol
label=
