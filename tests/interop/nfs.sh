# SPDX-License-Identifier: GPL-2.0
#
# The kernel's NFS server with a volume of ours, and the kernel's client beside
# it, by NFS 4.2 and 3. What mountd does is done by hand: the answers to the
# server's questions are there before it asks.
# shellcheck shell=bash disable=SC2030,SC2031
. "$(dirname "$0")/common.sh"

export=/mnt/export
nfs=/mnt/nfs
never=2147483647
nosubtree=$((0x400))

if ! modprobe -aq nfsd nfs nfsv3 nfsv4; then
	skip "NFS" "this kernel has none"
	finish
fi
grep -q nfs4 /proc/filesystems || modprobe nfsv4

volume() # mount: a volume of its own, so that it can be unmounted
{
	mount -t lnkfs -o loop "$DIR/image" $export
}

# All that is asked for: whose address, which directory, and what it may.
export_it() # FLAGS
{
	echo "nfsd 127.0.0.1 $never lo" >/proc/net/rpc/auth.unix.ip/channel
	echo "lo $export $never $(($1 | 0x2002)) 65534 65534 0" >/proc/net/rpc/nfsd.export/channel
	printf 'lo 1 \\x00000000 %s %s\n' $never $export >/proc/net/rpc/nfsd.fh/channel
}

unexport()
{
	local t
	t=$(($(date +%s) + 1))
	for c in nfsd.fh nfsd.export auth.unix.ip; do
		echo $t >/proc/net/rpc/$c/flush
	done
}

mount_nfs() # VERSION
{
	case $1 in
	3) "$INTEROP" nfs3 "$(root_handle)" $nfs ;;
	*) /usr/bin/mount -i -t nfs4 127.0.0.1:/ $nfs \
		-o "vers=$1,addr=127.0.0.1,clientaddr=127.0.0.1,actimeo=1" ;;
	esac
}

root_handle()
{
	exec 7<>/proc/fs/nfsd/filehandle
	echo "lo $export 64" >&7
	head -n 1 <&7
	exec 7>&-
}

drop() { sync; echo 3 >/proc/sys/vm/drop_caches; }

same() # FILE...: server and client say the same of it
{
	local f
	for f; do
		[ "$(stat -c '%F %a %u %g %h %s %i %Y' "$export/$f")" = \
		  "$(stat -c '%F %a %u %g %h %s %i %Y' "$nfs/$f")" ] || { echo "$f"; return 1; }
	done
}

cases() # VERSION
{
	local v="NFS $1:" long
	long=$(printf '%03900d' 0)
	ok "$v mount" mount_nfs "$1"
	mkdir $nfs/d && cd $nfs/d || return
	ok "$v a tree is copied" cp -a "$(dirname "$0")" tree
	ok "$v and is the same" diff -r "$(dirname "$0")" tree
	ok "$v on the server, too" diff -r "$(dirname "$0")" $export/d/tree
	ok "$v links" bash -c "ln tree/nfs.sh hard && ln -s short fast && ln -s $long slow && ln slow slow2"
	ok "$v fifo" mkfifo fifo
	ok "$v node" mknod node c 1 3
	ok "$v mode" chmod 640 hard
	ok "$v owner" chown 1000:1001 hard
	ok "$v owner of a link" chown -h 1000:1001 fast
	ok "$v times" touch -d 2001-02-03 hard
	ok "$v attributes" same d/hard d/tree/nfs.sh d/fast d/slow d/slow2 d/fifo d/node d/tree d
	is short "$v fast link" readlink fast
	is "$long" "$v slow link" readlink slow2
	ok "$v rename" mv hard tree/renamed
	ok "$v rename over" mv tree/renamed tree/run.sh
	ok "$v rename a directory" mv tree tree2
	ok "$v cold caches" drop
	ok "$v attributes" same d/tree2/run.sh d/fast d/slow d/tree2
	ok "$v contents" cmp tree2/run.sh "$(dirname "$0")/nfs.sh"
	is "$long" "$v slow link, cold" readlink slow

	# changed by the server
	echo one >seen && cat seen >/dev/null
	sleep 1.1
	echo two two >$export/d/seen
	sleep 1.1
	is "two two" "$v the server's changes are seen" cat seen
	ln -s "$long" $export/d/fresh
	is "$long" "$v the server's new names are seen" readlink fresh

	# links that are more than their text
	lnkctl ln --remote '\\server\share\x' $export/d/remote
	lnkctl map $export '\\server\share' "$export"
	is '\\server\share\x' "$v a remote link is its text" readlink remote
	lnkctl map -d $export '\\server\share'
	lnkctl ln -t seen $export/d/track
	mkdir $export/d/sub && mv $export/d/track $export/d/sub/track
	is ../seen "$v a tracked link is its path" readlink sub/track
	is "two two" "$v a tracked link is followed" cat sub/track
	ok "$v a tracked link is moved" mv sub/track track
	ok "$v cold caches" drop
	is "two two" "$v a tracked link is followed" cat track

	# open here, removed there
	echo text >open
	exec 5<open
	rm $export/d/open
	drop
	if [ "$1" = 3 ]; then
		fails "Stale file handle" "$v a removed file is stale" cat <&5
	else
		is text "$v a removed file stays while it is open" cat <&5
	fi
	exec 5<&-
	ok "$v removed: the name is gone" bash -c "sleep 1.1; ! test -e open"
	ok "$v lock" flock -n seen true

	# large directories
	mkdir $export/d/many many2
	"$INTEROP" links $export/d/many "$2"
	is "$2 names, 0 of them twice" "$v listing" "$INTEROP" count many
	"$INTEROP" links $export/d/many2 1000
	is "1000 removed" "$v removing while listing" "$INTEROP" listdel many2
	ok "$v the directory is empty" rmdir many2
	(sleep 0.3; "$INTEROP" listdel $export/d/many >/dev/null) &
	ok "$v listing while the server removes" "$INTEROP" count many
	wait $!
	sleep 1.1
	ok "$v the directory is empty" rmdir many
	cd "$DIR" || return

	# the server begins anew; handles stay good
	exec 6<$nfs/d/seen
	[ "$1" = 3 ] || exec 6<&-	# (version 4 would have to reclaim it)
	echo 0 >/proc/fs/nfsd/threads
	unexport
	ok "$v the server's volume is unmounted" umount $export
	ok "$v and mounted again" volume
	serve $nosubtree
	[ "$1" != 3 ] || is "two two" "$v the open file is there" cat <&6
	exec 6<&-
	is "two two" "$v a file is there" cat $nfs/d/seen
	is "$long" "$v a link, too" readlink $nfs/d/slow
	ok "$v new names" bash -c "echo x >$nfs/d/again && rm $nfs/d/again"
	ok "$v remove the tree" rm -r $nfs/d
	ok "$v unmount" umount $nfs
}

serve() # FLAGS: with the connections that the server listens for
{
	export_it "$1"
	echo "tcp 2049" >/proc/fs/nfsd/portlist
	echo 4 >/proc/fs/nfsd/threads
	echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null
	:
}

mkdir -p $export $nfs /var/lib/nfs/v4recovery
ok "a volume of its own" bash -c "truncate -s 256M image && mkfs.lnkfs -q image"
ok "mount it" volume
mountpoint -q $export || finish
ok "a port mapper" "$INTEROP" portmapper
mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null
echo 10 >/proc/fs/nfsd/nfsv4gracetime
ok "serve" serve $nosubtree
ok "handles of 64-bit inode numbers" bash -c "[[ '$(root_handle)' == \\\\x* ]]"
cases 4.2 10000
cases 3 2000

# Handles with the parent in them.
echo 0 >/proc/fs/nfsd/threads
unexport
ok "serve with subtree_check" serve 0
ok "mount" mount_nfs 3
mkdir -p $nfs/a/b $nfs/c
echo text >$nfs/a/b/f
drop
is text "a file by the handle of its parent" cat $nfs/a/b/f
ok "rename" mv $nfs/a/b/f $nfs/a/b/g
drop
is text "and again" cat $nfs/a/b/g
ok "unmount" umount $nfs

echo 0 >/proc/fs/nfsd/threads
unexport
ok "unmount the volume" umount $export
ok "it is sound" fsck.lnkfs -n -f image
for p in /proc/[0-9]*; do
	[ "$(readlink "$p/exe")" != "$INTEROP" ] || kill "${p#/proc/}"
done
finish
