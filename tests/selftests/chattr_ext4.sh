#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chattr(1), lsattr(1) and project IDs: one scenario is run on ext4 and on
# lnkfs, and every line that it prints must be the same. What only one of them
# has, lnkfs must refuse without a change. Needs loop devices, sysop and perl.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/is.sh"
lnkfs_only
scratch chattr
dev=

# It does not depend on the block size, and processes take their time.
if [ "$bs" -lt 4096 ]; then
	echo "1..0 # SKIP done with larger blocks"
	exit 4
fi

cleanup()
{
	cd /
	umount "$tmp/mnt" 2>/dev/null
	[ -z "$dev" ] || $sysop unloop "$dev" >/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

start() # fstype
{
	rm -f "$tmp/image"
	truncate -s 64M "$tmp/image"
	dev=$($sysop loop "$tmp/image")
	case $1 in
	ext4) mkfs.ext4 -q -F -b "$bs" -O project,^has_journal "$dev" ;;
	*) mkfs.lnkfs -q -f -b "$bs" "$dev" ;;
	esac
	$sysop mount "$dev" "$tmp/mnt" "$1" >/dev/null
	cd "$tmp/mnt" || exit 1
}

finish()
{
	cd /
	umount "$tmp/mnt"
	[ -z "${LNKFS_FSCK:-}" ] || [ "$1" = ext4 ] || $LNKFS_FSCK "$dev" >"$tmp/fsck" 2>&1 ||
		{ cat "$tmp/fsck"; is "the volume after it" clean damaged; }
	$sysop unloop "$dev" >/dev/null
	dev=
}

# The functions leave their answer in a variable: a process less each time.

# The letters that both have, and the project, in $fl.
flags() # path
{
	fl=$(lsattr -dp "$1" 2>&1)
	read -r project letters _ <<<"$fl"
	fl="$project ${letters//[!iadASDP]/}"
}

# Run it; in $ret "ok", or the reason of its failure.
try()
{
	if out=$("$@" 2>&1); then
		ret=ok
	elif [[ $out =~ (Operation not [a-z]*|Invalid argument|Permission denied) ]]; then
		ret=${BASH_REMATCH[1]}
	else
		ret=$out
	fi
}

# What chattr says, and what there is then.
change() # description, path, chattr's options...
{
	what=$1
	path=$2
	shift 2
	try chattr "$@" "$path"
	flags "$path"
	echo "$what: $ret $fl"
}

show() # description, path
{
	flags "$2"
	echo "$1: $fl"
}

# rename(2) and link(2) in project trees, which mv and ln would work around
names()
{
	perl -e '
		sub try {
			my ($how, $from, $to) = @_;
			my $r = $how eq "link" ? link($from, $to) : rename($from, $to);
			print "$how $from $to: ", $r ? "ok" : "$!", "\n";
		}
		for my $x ("f", "l", "fifo", "d") {
			try("link", $x, "pP/new-$x") if $x ne "d";
			try("rename", $x, "pP/new-$x");
		}
		for my $x ("f", "l", "fifo") {
			try("link", "pP/$x", "pP/again-$x");
			try("link", "pP/$x", "pP/d/again-$x");
			try("link", "pP/$x", "other/$x");
			try("link", "pP/$x", "out-$x");
			try("rename", "pP/again-$x", "away-$x");
		}
		try("rename", "pP/d", "other/d");
		try("rename", "pP/d", "away-d");'
}

scenario()
{
	echo text >f
	mkdir d
	for x in f d; do
		for l in i a d A S D P; do
			change "+$l $x" $x "+$l"
			chattr "-$l" $x
		done
	done
	change "+dA f" f +dA
	change "+S -d f" f +S -d
	change "+DP d" d +DP
	change "-DP d" d -DP
	chattr -SA f

	# while something forbids
	chattr +i f
	change "+A while i" f +A
	change "project while i" f -p 5
	change "+i again" f +i
	change "-i +A at once" f -i +A
	chattr +a f
	change "+d while a" f +d
	change "project while a" f -p 5
	chattr -aAd -p 0 f
	for p in 77 4294967294 4294967295 0; do
		change "project $p" f -p $p
		change "project $p of a directory" d -p $p
	done

	# what new objects inherit
	for l in d A S D P AdSDP; do
		mkdir "p$l"
		change "parent +$l" "p$l" "+$l" -p 77
		echo text >"p$l/f"
		mkdir -p "p$l/d/e"
		for x in f d d/e; do
			show "new $x in +$l" "p$l/$x"
		done
	done
	mkdir pa
	chattr +a pa
	echo text >pa/f
	show "new in +a" pa/f

	ln -s target l
	mkfifo fifo
	mkdir other
	chattr +P -p 78 other
	ln -s target pP/l
	mkfifo pP/fifo
	names
	chattr -a pa

	# and once more from the disk
	cd /
	umount "$tmp/mnt"
	$sysop mount "$dev" "$tmp/mnt" "$1" >/dev/null
	cd "$tmp/mnt" || exit 1
	for x in f d pA pA/f pS/f pD/d pP pP/f away-f pAdSDP/d; do
		show "$x after remount" $x
	done
}

# What only ext4 or others have.
only_here()
{
	echo text >f
	mkdir d
	# (chattr_test has every bit)
	for l in c j t e; do
		before=$(lsattr -d f)
		try chattr "+$l" f
		is "+$l" "Operation not supported" "$ret"
		is "+$l changes nothing" "$before" "$(lsattr -d f)"
	done
	fl=$(lsattr -d f)
	is "no letter of a new file" "" "$(tr -d - <<<"${fl%% *}")"
	read -r a _ <<<"$(lsattr -dv f)"
	read -r b _ <<<"$(lsattr -dv d)"
	is "lsattr -v prints generations" numbers \
		"$(case $a$b in *[!0-9]*) echo "$a $b" ;; *) echo numbers ;; esac)"
	is "which differ" yes "$([ "$a" != "$b" ] && echo yes || echo "$a = $b")"
}

for fs in ext4 lnkfs; do
	start $fs
	scenario $fs >"$tmp/$fs"
	finish $fs
done
is "lines of the scenario" "$(wc -l <"$tmp/ext4")" "$(wc -l <"$tmp/lnkfs")"
is "and it is not empty" yes "$([ "$(wc -l <"$tmp/ext4")" -gt 80 ] && echo yes || echo no)"
while read -r want <&3 && read -r got <&4; do
	is "${want%%: *}" "${want#*: }" "${got#*: }"
done 3<"$tmp/ext4" 4<"$tmp/lnkfs"
start lnkfs
only_here
finish lnkfs
echo "1..$num"
[ $failed -eq 0 ]
