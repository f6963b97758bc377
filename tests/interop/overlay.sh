# SPDX-License-Identifier: GPL-2.0
#
# overlayfs with its lower, upper and work directories on lnkfs, and the same on
# ext4: whatever one does, the other has to do.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

if ! setfattr -n trusted.overlay.test -v y . 2>/dev/null; then
	skip "overlayfs" "it needs trusted extended attributes"
	finish
fi
setfattr -x trusted.overlay.test .

merged=/mnt/merged
mkdir -p $merged

# The layers, in the current directory.
layers()
{
	mkdir -p lower/dir/deep lower/gone lower/opaque upper work
	echo lower >lower/file
	echo lower >lower/dir/file
	echo deep >lower/dir/deep/file
	echo hard >lower/hard
	ln lower/hard lower/hard2
	ln -s target lower/link
	mkfifo lower/fifo
	mknod lower/node c 1 3
	echo x >lower/gone/a
	echo x >lower/opaque/a
	chmod 640 lower/file
	chown 1000:1001 lower/file
	chown -h 1000:1001 lower/link
	setfattr -n user.note -v text lower/file
}

overlay() # OPTIONS
{
	mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work$1" $merged
}

# A listing of a tree in which nothing differs from one filesystem to another.
listing() # DIR
{
	(cd "$1" && find . -printf '%p %y %m %U %G %l\n' | sort; cat file dir/file moved/deep/file \
		new 2>&1; getfattr -d -m '^user\.' file 2>/dev/null; stat -c '%h' hard hard2 2>&1)
}

work_on_it()
{
	echo upper >>$merged/file
	ln -s other $merged/newlink
	chown -h 7:8 $merged/link
	rm $merged/fifo
	rm -r $merged/gone $merged/opaque
	mkdir $merged/opaque
	echo y >$merged/opaque/b
	echo new >$merged/new
	echo more >>$merged/hard
	mv $merged/dir $merged/moved
	mkdir $merged/dir
	echo again >$merged/dir/file
	mv $merged/new $merged/moved/newer
	ln $merged/file $merged/file2
	rm $merged/node
	mv $merged/newlink $merged/node
	setfattr -n user.note -v other $merged/file
} 2>"$tap_tmp/work"

for options in "" ,redirect_dir=on,index=on,nfs_export=on ,metacopy=on; do
	name=${options:-plain}
	for fs in "$DIR" "$EXT4"; do
		rm -rf "$fs/ovl"
		mkdir "$fs/ovl"
		cd "$fs/ovl" || exit
		layers
		t=lnkfs
		[ "$fs" = "$DIR" ] || t=ext4
		quiet=$(dmesg | wc -l)
		ok "$name: mount on $t" overlay "$options"
		dmesg | tail -n +$((quiet + 1)) | grep -i "overlayfs:.*\(support\|fall\)" >"$tap_tmp/said-$t"
		work_on_it
		listing $merged >"$tap_tmp/before-$t" 2>&1
		ok "$name: unmount on $t" umount $merged
		echo 3 >/proc/sys/vm/drop_caches
		overlay "$options"
		listing $merged >"$tap_tmp/after-$t" 2>&1
		umount $merged
		find upper -printf '%p %y %m %U %G\n' | sort >"$tap_tmp/upper-$t"
		getfattr -R -h -d -m '^trusted.overlay.\(opaque\|redirect\|metacopy\)' upper \
			2>/dev/null >"$tap_tmp/marks-$t"
		cd "$DIR" || exit
	done
	is "" "$name: no complaint about the upper directory" cat "$tap_tmp/said-lnkfs"
	ok "$name: as on ext4" diff "$tap_tmp/before-lnkfs" "$tap_tmp/before-ext4"
	ok "$name: after another mount" diff "$tap_tmp/after-lnkfs" "$tap_tmp/after-ext4"
	ok "$name: the upper directory" diff "$tap_tmp/upper-lnkfs" "$tap_tmp/upper-ext4"
	ok "$name: opaque and redirected" diff <(sort "$tap_tmp/marks-lnkfs") <(sort "$tap_tmp/marks-ext4")
done

rm -rf ovl && mkdir ovl && cd ovl || exit
layers
ok "volatile: mount" overlay ,volatile
echo x >>$merged/file
ok "volatile: fsync" sync $merged/file
ok "volatile: unmount" umount $merged
fails "" "volatile: not mounted twice" overlay ,volatile
rm -rf work/work/incompat
ok "volatile: mount without it" overlay ""
ok "unmount" umount $merged
ok "user.* in place of trusted.*: mount" overlay ,userxattr
rm -r $merged/dir && mkdir $merged/dir
is y "it is opaque" getfattr -h --only-values -n user.overlay.opaque upper/dir
ok "unmount" umount $merged
ok "lower directories alone" mount -t overlay overlay -o lowerdir=upper:lower $merged
ok "unmount" umount $merged

# Links in the upper directory that are more than their text.
rm -rf upper work && mkdir -p upper/a upper/b work
echo right >upper/t
lnkctl ln -t ../t upper/a/l
ok "tracked links: mount" overlay ""
is right "followed" cat $merged/a/l
mv $merged/a/l $merged/b/l
is right "moved" cat $merged/b/l
is right "and once more" cat $merged/b/l
mv $merged/b/l $merged/a/m
is ../t "moved back, and read" readlink $merged/a/m
mv $merged/t $merged/a/u
is right "its target moved" cat $merged/a/m
is u "and read" readlink $merged/a/m
ok "unmount" umount $merged

cd "$DIR" || exit
ok "remove all" rm -r ovl
finish
