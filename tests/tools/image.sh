#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl ls, cat, readlink and cp: files of a volume that is not mounted.
. "$(dirname "$0")/common.sh"

modprobe -q loop
mkdir m out
truncate -s 24M img
ok "format an image" mkfs.lnkfs -q -b "$BS" -L inside img
ok "mount it" mount -t lnkfs -o loop img m

long=$(printf '%0300d' 0)
longest=$(printf '%04095d' 7)
make_tree()
{
	cd m || return
	mkdir -p a/b/c many 'odd names'
	seq 1 20000 >a/numbers
	: >a/empty
	printf 'end' | dd of=a/sparse bs=1 seek=3000000 status=none
	head -c 5000 /dev/zero | tr '\0' x | dd of=a/sparse bs=1 seek=1000001 conv=notrunc status=none
	dd if=/dev/zero of=a/appended bs=1 count=0 seek=10000 status=none
	for i in 1 2 3 4 5 6 7 8; do
		echo "line $i" >>a/frag1
		echo "line $i" >>a/frag2
		sync -d a/frag1 a/frag2
	done
	ln a/numbers a/b/second
	ln a/numbers third
	ln -s numbers a/link
	ln -s ../../a/b/second a/b/up
	ln -s /a/numbers a/b/c/absolute
	ln -s "$long" a/long
	ln -s "$longest" a/longest
	ln -s loop2 loop1
	ln -s loop1 loop2
	ln -s a dirlink
	mkfifo a/fifo
	mknod a/dev c 5 33
	for ((i = 0; i < 500; i++)); do
		: >"many/a-name-that-is-not-short-$i"
	done
	echo odd >'odd names/new
line'
	echo odd >"odd names/$(printf '\377')"
	chmod 4751 a/numbers
	chmod 700 a/b
	chown 1000:1001 a/frag1
	touch -d '1999-12-31 23:59:58.123456789' a/frag2
	touch -h -d '2001-02-03 04:05:06' a/link
	cd ..
}

# Everything that cp -a keeps, a line for each object.
listing() # DIRECTORY
{
	(cd "$1" && find . -path ./lost+found -prune -o -printf '%P %M %n %U %G %s %T@ %l\n' |
		sed 's,^ drwxr-xr-x.*,root,' | LC_ALL=C sort)
}

contents() # DIRECTORY
{
	(cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}

make_tree
listing m >was
contents m >>was
blocks=$(stat -c %b m/a/sparse)
ok "unmount" umount m

is "$(printf 'a\ndirlink\nloop1\nloop2\nlost+found\nmany\nodd\\ names\nthird')" "ls of the root" \
	lnkctl ls img:/
is 500 "ls of a large directory" sh -c 'lnkctl ls img:many | wc -l'
is "img:dirlink" "ls of a link is the link" lnkctl ls img:dirlink
is "img:/a" "ls -d" lnkctl ls -d img:/a
ok "ls -l shows targets" sh -c "lnkctl ls -l img:a | grep -qx 'lrwxrwxrwx 1 0 0 7 2001-02-03 04:05 link -> numbers'"
ok "ls -l shows devices" sh -c "lnkctl ls -l img:a | grep -q '^crw.* 5,33 .* dev'"
ok "ls -R goes down" sh -c "lnkctl ls -R img: | grep -qx 'img:/a/b/c:'"
is "$(seq 1 20000 | sha256sum)" "cat" sh -c 'lnkctl cat img:a/numbers | sha256sum'
is "$(seq 1 20000 | sha256sum)" "cat through links" sh -c 'lnkctl cat img:/dirlink/b/up | sha256sum'
is "$(seq 1 20000 | sha256sum)" "cat through an absolute link" \
	sh -c 'lnkctl cat img:a/b/c/absolute | sha256sum'
fails "Is a directory" "cat of a directory" lnkctl cat img:a
fails "Too many levels" "cat of a loop" lnkctl cat img:loop1
fails "No such file" "cat of nothing" lnkctl cat img:a/nothing
fails "Not a directory" "a path through a file" lnkctl cat img:a/numbers/x
fails "Not a directory" "a file with a slash behind it" lnkctl cat img:a/numbers/
fails "File name too long" "a name that is too long" lnkctl cat "img:$long"
is "$long" "readlink" lnkctl readlink img:/a/long
is "$longest" "readlink of a slow link" lnkctl readlink img:/a/longest
fails "Invalid argument" "readlink of a file" lnkctl readlink img:/a/numbers

ok "cp -a of everything" lnkctl cp -a img:/ out
(listing out; contents out) >is
ok "the copy equals the original" diff was is
is 1 "holes stay holes" sh -c "echo \$((\$(stat -c %b out/a/sparse) <= $blocks + 16))"
ok "cp of a file" lnkctl cp img:a/numbers copied
is "$(seq 1 20000 | sha256sum) " "its contents" sh -c 'sha256sum <copied | tr "\n" " "'
fails "Is a directory" "cp of a directory without -r" lnkctl cp img:a out
fails "Not a directory" "cp of two to a file" lnkctl cp img:a/numbers img:a/empty copied
ln -s /nowhere out/escape
fails "Too many levels" "cp does not write through links" lnkctl cp img:a/numbers out/escape

chmod 644 img
chmod 755 .
is "$(seq 1 20000 | sha256sum)" "a user without rights may read" \
	as alice sh -c 'lnkctl cat img:a/numbers | sha256sum'
chmod 600 img
fails "Permission denied" "but not an image that is not readable" as alice lnkctl ls img:

# A volume that has crashed is read through its journal.
ok "mount again" mount -t lnkfs -o loop img m
ln -s after-the-crash m/late
echo late >m/file
mv m/third m/fourth
sync m/file
perl -e 'open(my $d, "<", "m"); my $how = pack("L", 2); ioctl($d, 0x8004587d, $how) or die $!'
umount m
before=$(sha256sum <img)
is "after-the-crash" "readlink through the journal" lnkctl readlink img:late
is "late" "cat through the journal" lnkctl cat img:file
fails "No such file" "a name that the journal removes" lnkctl ls img:third
is "$before" "the image is untouched" sh -c 'sha256sum <img'
ok "fsck.lnkfs replays the journal" sh -c "fsck.lnkfs img | grep -q 'transactions replayed'"
ok "and the volume is clean" fsck.lnkfs -f -n img
is "late" "cat once more" lnkctl cat img:file

head -c 100000 /dev/zero >zeroes
fails "not an lnkfs" "no volume" lnkctl ls zeroes:
fails "No such file" "no file" lnkctl ls missing:/
fails "IMAGE:PATH" "no colon" lnkctl ls img
mv img im:g
is "late" "a colon in the name" lnkctl cat im:g:/file
rm -rf -- * 2>/dev/null
finish
