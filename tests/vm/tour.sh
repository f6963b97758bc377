#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A tour of the filesystem, taken inside a test guest: format, load, mount,
# copy real trees, make every kind of link, look at them, unmount, mount again,
# compare. Each step is shown as it would be typed, and checked: any surprise
# makes the tour fail. tests/vm/tour-host prepares the ground.
set -u

FSTYPE=${FSTYPE:-lnkfs}
failures=0
PS4='$ '

title() { printf '\n# %s\n' "$*"; }

surprise()
{
	echo "!! $*"
	failures=$((failures + 1))
}

# t COMMAND: show a command, run it, insist that it succeeds
t()
{
	echo "\$ $1"
	eval "$1" || surprise "exit status $?: $1"
}

# t_fails MESSAGE COMMAND: show a command, insist that it fails saying so
t_fails()
{
	local out
	echo "\$ $2"
	if out=$(eval "$2" 2>&1); then
		surprise "succeeded: $2"
	fi
	echo "$out"
	case $out in
	*"$1"*) ;;
	*) surprise "expected: $1" ;;
	esac
}

# must WHAT CONDITION...: a check that is not part of what is shown
must()
{
	local what=$1
	shift
	"$@" || surprise "$what"
}

# What there is to know about a tree: types, modes, sizes, times, owners, targets.
manifest() # DIRECTORY
{
	(cd "$1" && find . ! -name lost+found -printf '%p|%y|%m|%n|%U:%G|%T@|%l|' \
		\( -type d -printf '\n' -o -printf '%s\n' \) | sort)
}

# Compare two trees by manifest and every byte.
same() # A, B
{
	cmp <(manifest "$1") <(manifest "$2") && diff -r --no-dereference "$1" "$2"
}

mkdir -p /tree /mnt/a /mnt/b
tar -C /tree -xf /in/tree.tar

title "Two volumes, the module, a mount"
case $FSTYPE in
lnkfs)
	t "mkfs.lnkfs -L tour /dev/vda"
	t "mkfs.lnkfs -q /dev/vdb"
	t "modprobe -a jbd2 libcrc32c"
	t "insmod /lnkfs/lnkfs.ko"
	;;
*)
	t "mkfs -t $FSTYPE -q /dev/vda"
	t "mkfs -t $FSTYPE -q /dev/vdb"
	;;
esac
t "mount -t $FSTYPE /dev/vda /mnt/a"
t "mount -t $FSTYPE /dev/vdb /mnt/b"
t "grep ' $FSTYPE ' /proc/mounts"
[ $failures = 0 ] || exit 1

title "A real tree: time zones, alternatives, certificates"
t "cp -a /tree /mnt/a/tree"
echo "$(find /mnt/a/tree -type f | wc -l) files, $(find /mnt/a/tree -type l | wc -l) symlinks," \
	"$(find /mnt/a/tree -type d | wc -l) directories"
t "ls -l /mnt/a/tree/etc/alternatives | head -n 5"

title "Symlinks: a short one, a long one, the longest"
cd /mnt/a || exit 1
t "ln -s tree/usr/share/zoneinfo/UTC short"
long=$(printf '%01000d' 0)
longest=$(printf '%04095d' 0)
[ "$FSTYPE" = lnkfs ] || longest=${longest:0:4000}
echo "\$ ln -s \$(printf '%01000d' 0) long; ln -s \$(printf '%0${#longest}d' 0) longest"
must "making long links" ln -s "$long" long
must "making the longest link" ln -s "$longest" longest
must "target of a long link" [ "$(readlink long)" = "$long" ]
must "target of the longest link" [ "$(readlink longest)" = "$longest" ]
t "stat -c '%F  %A  %s bytes in %b blocks  %n' short long longest"
must "short links take no block" [ "$(stat -c %b short)" = 0 ]
t "stat -L -c '%F, %s bytes' short"
t_fails "File exists" "ln -s elsewhere short"

title "Hard links"
t "echo one > file; ln file second; ln -P short third; mkdir d; ln file d/fourth"
t "ls -li file second short third d/fourth"
must "same inode" [ file -ef d/fourth ]
must "three names" [ "$(stat -c %h file)" = 3 ]
must "a hard link to a symlink" [ "$(stat -c %h third)" = 2 ]
t "echo two >> second; cat d/fourth"
t "rm file; stat -c '%h names left' second"
t_fails "not allowed" "ln d dir-link"
t_fails "cross-device" "ln second /mnt/b/second"

if [ "$FSTYPE" = lnkfs ]; then
	title "A link has a mode and flags of its own"
	t "mkdir rel-1 rel-2; ln -s rel-1 current; ls -ld current"
	t "lnkctl chmod -h 0500 current; ls -ld current"
	must "the mode of a link" [ "$(stat -c %a current)" = 500 ]
	t "lnkctl chflags -h schg current; lnkctl flags -dh current"
	t_fails "not permitted" "ln -sfn rel-2 current"
	t_fails "not permitted" "rm current"
	t_fails "not permitted" "mv current old"
	t_fails "not permitted" "lnkctl chmod -h 0777 current"
	t "readlink current"
	must "the link is as it was" [ "$(readlink current)" = rel-1 ]
	t "lnkctl chflags -h noschg current; ln -sfn rel-2 current; readlink current"
	t "echo keep > list; lnkctl chflags sappnd list; echo more >> list; lsattr list"
	t_fails "not permitted" "truncate -s 0 list"
	t "lnkctl chflags sunlnk d; touch d/inside; rm d/inside"
	t_fails "not permitted" "mv d e"
	t "lnkctl chflags 0 d list; rm list"

	title "A file knows its names, and a link follows its target"
	t "mkdir data archive; echo 2026 > data/db; ln data/db archive/copy"
	t "lnkctl names data/db | sort"
	must "both names" [ "$(lnkctl names data/db | wc -l)" = 2 ]
	t "lnkctl ln -t data/db latest; mv data/db archive/old"
	t "readlink latest; cat latest"
	must "the link leads there" [ latest -ef archive/old ]
fi

title "Links that lead nowhere"
t "ln -s nowhere dangling"
t_fails "No such file" "cat dangling"
t "ln -s loop1 loop2; ln -s loop2 loop1"
t_fails "Too many levels" "cat loop1"
t "readlink dangling loop1 loop2"

title "Room"
t "df -h /mnt/a /mnt/b"
t "df -i /mnt/a /mnt/b"
t "stat -f /mnt/a"
t "stat second"

title "Unmount, mount again, compare every byte and every link target"
before=$(manifest /mnt/a)
cd /
t "umount /mnt/a"
if [ -n "$(command -v "fsck.$FSTYPE")" ]; then
	t "fsck.$FSTYPE -f -n /dev/vda"
fi
t "mount -t $FSTYPE /dev/vda /mnt/a"
must "the same volume after mounting it again" [ "$before" = "$(manifest /mnt/a)" ]
t "same /tree /mnt/a/tree && echo the copy equals the original"
t "rm -r /mnt/a/d /mnt/a/tree/usr/share/zoneinfo; ls /mnt/a"
t "umount /mnt/a /mnt/b"
if [ "$FSTYPE" = lnkfs ]; then
	t "rmmod lnkfs"
	t "modprobe lnkfs"
fi
t "mount -t $FSTYPE /dev/vda /mnt/a"

title "What the kernel said"
dmesg | grep -iE "$FSTYPE" | grep -v lnkfs-vm | tail -n 12

echo
if [ $failures != 0 ]; then
	echo "The tour met $failures surprises."
	exit 1
fi
echo "The tour went as it should; the volume is at /mnt/a."
