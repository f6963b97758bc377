#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fsck.lnkfs on a block device: volumes that were in use, damaged and repaired,
# and mounted again. The cases of each kind of damage are in tests/fsck.
. "$(dirname "$0")/common.sh"

modprobe -q loop
truncate -s 48M img
dev=$(losetup -f --show img) || exit 1
mkdir m

fsck() # STATUS DESCRIPTION ARGUMENT...
{
	tap_run fsck.lnkfs "${@:3}" "$dev"
	[ $tap_status = "$1" ] || echo "exit status $tap_status, not $1" >>"$tap_tmp/err"
	[ $tap_status = "$1" ]
	tap $? "$2"
}

listing() # what is in the volume but lost+found
{
	(cd m && find . -path ./lost+found -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort
	 find . -path ./lost+found -prune -o -printf '%P %M %n %U %G %s %T@ %l\n' | LC_ALL=C sort)
}

# The first block of a directory, by the dumper.
block_of() # PATH
{
	dump.lnkfs "$dev" extents "$1" | sed -n 's/.*logical 0  block \([0-9]*\).*/\1/p'
}

ok "format" mkfs.lnkfs -q -f -b "$BS" -O quota "$dev"
ok "mount" mount -t lnkfs "$dev" m
make_tree()
{
	mkdir -p m/docs/deep m/links m/lost &&
	seq 1 30000 >m/docs/numbers && cp m/docs/numbers m/docs/deep/copy &&
	setfattr -n user.kind -v text m/docs/numbers &&
	ln m/docs/numbers m/links/hard && ln -s ../docs/numbers m/links/soft &&
	ln -s "$(printf '%02500d' 1)" m/links/long &&
	chown 1000:1001 m/docs/deep/copy &&
	for ((i = 0; i < 150; i++)); do
		echo "$i" >"m/lost/a-name-that-is-not-short-$i"
	done &&
	sync -f m
}
ok "files" make_tree
listing >"$tap_tmp/before"
(cd m/lost && cat ./* | sort -n) >"$tap_tmp/numbers"

# In use.
fsck 8 "a mounted volume is not repaired" -f -y
ok "mounted read-only" mount -o remount,ro m
fsck 0 "mounted read-only, only looked at" -f -n
ok "unmount" umount m
fsck 0 "clean" -f -n
fsck.lnkfs "$dev" >"$tap_tmp/figures"
fsck 0 "checked" -f -p
ok "the superblock's figures are what they were" sh -c "fsck.lnkfs '$dev' | diff '$tap_tmp/figures' -"

# Figures: the descriptors and the maps of the first group.
first=$((BS == 1024 ? 2 : 1))
ok "maps overwritten" dd if=/dev/urandom of="$dev" bs="$BS" seek=$first count=5 status=none \
	conv=fsync
fsck 4 "it is noticed" -f -n
fsck 1 "it is repaired" -f -y
fsck 0 "the second run finds nothing" -f -n
ok "mount" mount -t lnkfs "$dev" m
listing >"$tap_tmp/after"
ok "nothing is lost" cmp "$tap_tmp/before" "$tap_tmp/after"
ok "it can be written to" sh -c 'echo more >m/more && rm m/more && sync -f m'
ok "unmount" umount m

# A directory: what is lost of it is in lost+found.
ok "a directory block overwritten" dd if=/dev/zero of="$dev" bs="$BS" \
	seek="$(block_of /lost)" count=1 status=none conv=fsync
fsck 4 "at boot it is left to a person" -f -p
fsck 1 "it is repaired" -f -y
fsck 0 "the second run finds nothing" -f -n
ok "mount" mount -t lnkfs "$dev" m
sum() { cat m/lost/* m/lost+found/* | sort -n | cmp - "$tap_tmp/numbers"; }
ok "all of its files are there" sum
ok "some of them in lost+found" test -n "$(ls m/lost+found)"
listing | grep -v ' lost\|/lost' >"$tap_tmp/after"
grep -v ' lost\|/lost' "$tap_tmp/before" >"$tap_tmp/want"
sed -i -e "/^lost/d" -e "/^ d/d" "$tap_tmp/want" "$tap_tmp/after"
ok "the others as they were" cmp "$tap_tmp/want" "$tap_tmp/after"

# The plug is pulled, and the journal damaged, too.
pull()
{
	echo last >m/last && sync -f m && cp img crashed
}
ok "a crash" pull
ok "unmount" umount m
losetup -d "$dev"
dev=$(losetup -f --show crashed) || exit 1
fsck 0 "the journal is replayed"
fsck 0 "nothing is wrong" -f -n
losetup -d "$dev"
ok "another crash" sh -c "mount -t lnkfs -o loop img m && echo >m/again && sync -f m &&
	cp img crashed && umount m"
dev=$(losetup -f --show crashed) || exit 1
journal=$(dump.lnkfs "$dev" super | sed -n 's/.*journal_start: *\([0-9]*\).*/\1/p')
ok "the journal overwritten" dd if=/dev/urandom of="$dev" bs="$BS" seek="$journal" count=20 \
	status=none conv=fsync
fsck 4 "it cannot be replayed" -p
fsck 1 "it is made anew" -y
fsck 0 "the second run finds nothing" -f -n
ok "mount" mount -t lnkfs "$dev" m
ok "an old file" cmp m/docs/numbers m/docs/deep/copy
ok "unmount" umount m
losetup -d "$dev"
rm -f img crashed
finish
