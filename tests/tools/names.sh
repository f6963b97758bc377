#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl names, against find -samefile.
. "$(dirname "$0")/common.sh"

# The size of blocks makes no difference here.
[ "$BS" = 4096 ] || finish

found() # FILE: what a search finds
{
	find "$DIR" -samefile "$1" | sort
}

names() # OPTION... FILE
{
	lnkctl names "$@" | sort
}

modprobe -q loop
mkdir a b b/c && chmod 755 a b b/c
echo text >a/f
ln a/f b/g
ln a/f b/c/h
ln -s ../a/f b/link
ln b/link a/link2

is "$(found a/f)" "all names" names a/f
is "$(found a/f)" "from another one" names b/c/h
is "$(found a/f)" "through a symlink" names b/link
is "$(found b/link)" "of the symlink itself" names -h b/link
is "$DIR/b/c" "of a directory" names b/c
is "$(found a/f)" "by number" names -i "$(stat -c %i a/f)" .
generation=$(lsattr -v a/f | awk '{ print $1 }')
is "$(found a/f)" "by number and generation" names -i "$(stat -c %i a/f):$generation" b/c
fails "Stale file handle" "another generation" lnkctl names -i "$(stat -c %i a/f):1" .
fails "Operation not permitted" "a generation is not for everybody" \
	as alice lnkctl names -i "$(stat -c %i a/f):$generation" .
fails "Stale file handle" "no such inode" lnkctl names -i 1 .
is "" "the root has none" sh -c "cd $DIR/.. && lnkctl names ."

mv b/c 'with space'
is "$DIR/with\\ space/h" "an awkward name" sh -c "lnkctl names a/f | grep space"
is "$DIR/with space/h" "as it is" sh -c "lnkctl names -0 a/f | tr '\\0' '\\n' | grep space"
is 6 "JSON" sh -c "lnkctl names --json a/f b/link | grep -c path.*complete"
is "a/f:

b/g:" "several files" sh -c "lnkctl names a/f b/g | grep '^[^/]\\|^\$'"

chmod 700 'with space'
is "$DIR/a/f
$DIR/b/g" "what a user may not search is left out" as alice sh -c "lnkctl names a/f 2>/dev/null | sort"
is "lnkctl: names: a/f: 1 of 3 names are where you cannot look" "and that is said" \
	as alice sh -c "lnkctl names a/f 2>&1 >/dev/null"
chmod 755 'with space'
is "$(found a/f)" "and now he may" as alice sh -c "lnkctl names -0 a/f | tr '\\0' '\n' | sort"
# what is above can be searched, but not listed: names further down are found all the same
chmod 711 "$DIR"
is "$DIR/a/f" "his own names, below what he cannot list" as alice sh -c "lnkctl names a/f 2>/dev/null"
chmod 755 "$DIR"

mkdir mnt && mount --bind a mnt
is "$DIR/mnt/f" "below the mount that it was named through" sh -c "lnkctl names mnt/f 2>/dev/null"
umount mnt

fails "No such file" "no file" lnkctl names none
fails "not an inode number" "a bad number" lnkctl names -i 12x .
fails "not an inode number" "a bad generation" lnkctl names -i 12:0 .
fails "not an inode number" "a negative number" lnkctl names -i -1 .
fails "a file is missing" "nothing" lnkctl names
fails "one directory" "two directories" lnkctl names -i 12 . a

echo text >"$EXT4/f"
fails "Operation not supported" "ext4" lnkctl names "$EXT4/f"
truncate -s 64M image
ok "a volume without back references" mkfs.lnkfs -q -b "$BS" -O ^backref image
ok "mount it" mount -t lnkfs -o loop image mnt
echo text >mnt/f
fails "Operation not supported" "it has no names to give" lnkctl names mnt/f
ok "links work" ln mnt/f mnt/g
umount mnt
ok "make back references" tune.lnkfs -O backref image
ok "mount it again" mount -t lnkfs -o loop image mnt
is "$DIR/mnt/f
$DIR/mnt/g" "now it has" names mnt/f
ok "unmount" umount mnt
ok "fsck finds nothing" fsck.lnkfs -n -f image
rm image

finish
