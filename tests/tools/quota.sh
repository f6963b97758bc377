#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl quota, on a volume with quota files and, with the same answers, on ext4.
. "$(dirname "$0")/common.sh"

modprobe -q loop
mnt=$tap_tmp/mnt
mkdir "$mnt"

volume() # TYPE: make and mount one
{
	rm -f "$tap_tmp/image"
	truncate -s 32M "$tap_tmp/image" || return
	case $1 in
	ext4) mkfs.ext4 -q -F -O quota,project -I 256 "$tap_tmp/image" ;;
	*) mkfs.lnkfs -q -O quota -b "$BS" "$tap_tmp/image" ;;
	esac && mount -t "$1" -o loop,usrquota,grpquota,prjquota "$tap_tmp/image" "$mnt" &&
		chmod 777 "$mnt"
}

line() # OWNER COMMAND...: the line of an owner, with single spaces
{
	local owner=$1
	shift
	"$@" | sed -n "s/^$owner  */$owner /p" | tr -s ' ' | sed 's/ $//'
}

inodes() # OWNER: with its limits, from the report of users
{
	line "$1" lnkctl quota report "$mnt" | cut -d' ' -f6-8
}

for type in lnkfs ext4; do
	ok "$type: a volume with quota" volume $type
	is "user     usage kept, limits enforced
group    usage kept, limits enforced
project  usage kept, limits enforced" "$type: state" lnkctl quota state "$mnt"
	ok "$type: limits" lnkctl quota set "$mnt" alice bsoft=100K bhard=1M isoft=5 ihard=8
	is "alice 0 100K 1024K - 0 5 8 -" "$type: show" line alice lnkctl quota show "$mnt" alice
	is "1000 0 100K 1024K - 0 5 8 -" "$type: by number" \
		line 1000 lnkctl quota show -n "$mnt" 1000
	ok "$type: one limit" lnkctl quota set "$mnt" 1000 bsoft=0
	is "alice 0 0 1024K - 0 5 8 -" "$type: the others stay" \
		line alice lnkctl quota show "$mnt" alice
	ok "$type: 5 files" as alice sh -c "cd $mnt && touch 1 2 3 4 5"
	is "alice 0 0 1024K - 5 5 8 -" "$type: at the limit" \
		line alice lnkctl quota report "$mnt"
	ok "$type: one more" as alice touch "$mnt/6"
	is "alice 0 0 1024K - 6 5 8 7d" "$type: the grace time runs" \
		line alice lnkctl quota report "$mnt"
	is "alice 0 0 1024K - 6 5 8 7d" "$type: for oneself" \
		line alice as alice lnkctl quota show "$mnt"
	fails "Operation not permitted" "$type: not for others" \
		as alice lnkctl quota show "$mnt" bob
	fails "Operation not permitted" "$type: not to be set" \
		as alice lnkctl quota set "$mnt" alice bhard=0
	fails "Disk quota exceeded" "$type: the hard limit" \
		as alice touch "$mnt/7" "$mnt/8" "$mnt/9"
	ok "$type: off" lnkctl quota off "$mnt"
	ok "$type: is off" lnkctl quota off "$mnt"
	is "user     usage kept, limits not enforced" "$type: state" \
		sh -c "lnkctl quota state $mnt | head -n 1"
	ok "$type: no limit" as alice touch "$mnt/9"
	is "9 5 8" "$type: usage is kept" inodes alice
	ok "$type: on" lnkctl quota on "$mnt"
	ok "$type: is on" lnkctl quota on "$mnt"
	fails "Disk quota exceeded" "$type: the limit is back" as alice touch "$mnt/10"
	ok "$type: grace times" lnkctl quota grace "$mnt" blocks=2d inodes=90m
	is "blocks 172800s
inodes 5400s" "$type: are set" lnkctl quota grace "$mnt"
	ok "$type: sync" lnkctl quota sync -g "$mnt"
	# projects have names of their own
	echo "web:77" >/etc/projid
	ok "$type: a project" lnkctl quota set -P "$mnt" web ihard=3 bhard=3G
	is "web 0 0 3072M - 0 0 3 -" "$type: by name" line web lnkctl quota show -P "$mnt" 77
	is "77 0 0 3072M - 0 0 3 -" "$type: in the report" \
		line 77 lnkctl quota report -P -n "$mnt"
	rm /etc/projid
	ok "$type: group 0" lnkctl quota report -g "$mnt"
	fails "soft limit above" "$type: nonsense" lnkctl quota set "$mnt" bob bsoft=2M bhard=1M
	fails "not a limit" "$type: another key" lnkctl quota set "$mnt" bob size=2M
	fails "not a number" "$type: no number" lnkctl quota set "$mnt" bob bhard=-1
	fails "not a number" "$type: too large" \
		lnkctl quota set "$mnt" bob bhard=99999999999999999999T
	fails "Numerical result out of range" "$type: too large for the kernel" \
		lnkctl quota set "$mnt" bob bhard=16777215T
	ok "$type: the largest ID" lnkctl quota set "$mnt" 4294967294 ihard=1
	is "4294967294 0 0 0 - 0 0 1 -" "$type: is the report's last" \
		sh -c "lnkctl quota report $mnt | tail -n 1 | tr -s ' ' | sed 's/ \$//'"
	ok "$type: unmount" umount "$mnt"
	[ $type = ext4 ] || ok "fsck finds nothing" fsck.lnkfs -n -f "$tap_tmp/image"
done
fails "Function not implemented" "a volume without quota" lnkctl quota state .
fails "No such file" "no path" lnkctl quota state nowhere
finish
