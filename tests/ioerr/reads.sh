# SPDX-License-Identifier: GPL-2.0
#
# Metadata that cannot be read for a while: what needs them says EIO, nothing is
# taken for missing, and all works as soon as the device does. With errors=continue
# the volume is then as if nothing had been.

reads_make()
{
	local i
	mkdir $mnt/dir $mnt/dir/sub $mnt/many && cd $mnt/dir || return
	for ((i = 0; i < 150; i++)); do
		echo $i >"file-with-a-long-name-$i"
	done
	ln -s "$(head -c 3000 /dev/zero | tr '\0' t)" slow
	ln -s fast-target fast
	echo data >attr && setfattr -n user.large -v "$(head -c 3500 /dev/zero | tr '\0' v)" attr
	for ((i = 0; i < 120; i++)); do
		echo x | dd of=pieces bs=4096 seek=$((2 * i)) conv=notrunc 2>/dev/null
	done
	for ((i = 0; i < 300; i++)); do
		: >../many/$i
	done
	cd / && sync -f $mnt
}

# Every operation with its answer; with $1 they are those of another round.
reads_ops()
{
	local n=$1
	one() # NAME COMMAND...
	{
		local name=$1 text
		shift
		if text=$("$@" 2>&1 >/dev/null); then
			echo "$name: done"
		else
			echo "$name: ${text##*: }"
		fi
	}
	cd $mnt || return
	one "stat" stat dir/file-with-a-long-name-7
	one "read" cat "dir/file-with-a-long-name-$((8 + n))"
	one "list" ls dir
	one "list with stat" ls -l many
	one "no such name" sh -c 'stat dir/none 2>&1 | grep -q "No such file" || stat dir/none'
	one "readlink, slow" readlink -v dir/slow
	one "readlink, fast" readlink -v dir/fast
	one "attribute" getfattr --only-values -n user.large dir/attr
	one "many extents" cat dir/pieces
	one "create" touch "dir/new-$n"
	one "mkdir" mkdir "dir/newdir-$n"
	one "symlink" ln -s "$(head -c 2500 /dev/zero | tr '\0' y)" "dir/newslow-$n"
	one "link" ln "dir/file-with-a-long-name-$((20 + n))" "many/link-$n"
	one "rename" mv -T "dir/file-with-a-long-name-$((30 + n))" "many/moved-$n"
	one "rename over" mv -T "many/$n" "many/$((100 + n))"
	one "remove" rm -f "many/$((200 + n))"
	one "chmod" chmod 600 "many/$((250 + n))"
	one "write over" dd if=/dev/zero of=dir/pieces bs=4096 count=1 conv=notrunc,fsync status=none
	one "append" dd if=/dev/zero of=dir/pieces bs=4096 seek=$((1000 + 4 * n)) count=2 conv=notrunc,fsync status=none
	one "cut" truncate -s $((300000 - 30000 * n)) dir/pieces
	one "set an attribute" setfattr -n user.other -v $n dir/attr
	cd / && sync -f $mnt
}

# What was refused was refused with EIO; of names and files something was.
only_eio() # FILE KIND
{
	cat "$1"
	! grep -v ': done$\|: Input/output error$' "$1" || return
	case $2 in inodes|other) grep -q 'Input/output error' "$1" ;; esac
}

all_done() # FILE
{
	cat "$1"
	! grep -v ': done$' "$1"
}

reads_round() # KIND NUMBER
{
	label="$1 cannot be read, errors=continue"
	# GETFSMAP reads the bitmaps, which are not to be in memory.
	local ranges
	ranges=$("$here/ranges" "$DISK0" "$sectors" error $mnt "$1")
	cold
	table vol "$ranges"
	reads_ops "$2" >/run/ops 2>&1
	heal
	ok "EIO, and nothing else" only_eio /run/ops "$1"
	ok "the volume is writable" writable
	reads_ops $(($2 + 1)) >/run/ops 2>&1
	ok "all works when the device does" all_done /run/ops
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	ok "mount" mount -t lnkfs -o errors=continue $vol $mnt
	label=
}

reads_readonly()
{
	label="metadata cannot be read, errors=remount-ro"
	ok "remount" mount -o remount,errors=remount-ro $mnt
	cold
	table vol "0 $sectors error"
	ok "EIO" sh -c "! stat $mnt/dir/file-with-a-long-name-7 2>/run/err && grep 'Input/output' /run/err"
	ok "it is read-only" becomes_ro
	heal
	ok "reading works when the device does" sh -c "stat $mnt/dir/file-with-a-long-name-7 && ls $mnt/many"
	ok "writing does not" refuses
	ok "nor does a remount" sh -c "! mount -o remount,rw $mnt"
	ok "unmount" umount $mnt
	ok "fsck finds nothing" fsck.lnkfs -n -f $vol
	ok "mount" mount -t lnkfs $vol $mnt
	ok "it can be written" writable
	ok "unmount again" umount $mnt
	label=
}

heal
ok "a volume with some of everything" sh -c "mkfs.lnkfs -q -f $vol &&
	mount -t lnkfs -o errors=continue $vol $mnt"
reads_make
n=1
for kind in bitmap $(long && echo inodemap inodes) other; do
	reads_round $kind $n
	n=$((n + 2))
done
reads_readonly
