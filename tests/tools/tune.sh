#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tune.lnkfs and the module: default mount options, which ones /proc/mounts shows
# and what they do; labels of mounted volumes; volumes with quota files and journals
# that tune.lnkfs made.
. "$(dirname "$0")/common.sh"

modprobe -q loop
mnt=$tap_tmp/mnt
image=$tap_tmp/image
mkdir "$mnt"
truncate -s 64M "$image"
dev=$(losetup -f --show "$image")
# Unmounted in any case, or the volume below cannot be unmounted.
trap 'umount "$mnt" 2>/dev/null; losetup -d "$dev"; tap_end' EXIT

with() # [OPTIONS]: mount the volume
{
	mount -t lnkfs ${1:+-o "$1"} "$dev" "$mnt"
}

shown() # the options that are lnkfs's own
{
	local of where type options
	while read -r of where type options _; do
		[ "$where" = "$mnt" ] && echo "$options" | sed 's/^r[wo],relatime,*//'
	done </proc/mounts
}

flushes() # requests to flush the device so far
{
	awk '{ print $16 }' "/sys/block/${dev#/dev/}/stat"
}

flushed() # does fsync flush the device's cache?
{
	local before
	echo x >"$mnt/flush"
	before=$(flushes)
	sync "$mnt/flush"
	[ "$(flushes)" -gt "$before" ]
}

kib()
{
	du -k "$image" | cut -f1
}

discarded() # is what is freed given back?
{
	local before
	head -c 8M /dev/urandom >"$mnt/big" && sync -f "$mnt" && before=$(kib) &&
		rm "$mnt/big" && sync -f "$mnt" || return
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ $((before - $(kib))) -gt 4096 ] && return
		sleep 0.5
	done
	return 1
}

not() { ! "$@"; }

again() # OPTIONS: another mount shows just the same
{
	umount "$mnt" && with "$1" && [ "$(shown)" = "$1" ]
}

in_order() { fsck.lnkfs -f -n "$dev"; }

# Blocks of one size will do for these.
mount_options()
{
	ok "a volume" mkfs.lnkfs -q -b "$BS" -O quota -E mount-options=discard:nobarrier "$dev"
	ok "mounted as it wants" with
	is "" "shows no option" shown
	ok "it is discarding" discarded
	ok "and flushes nothing" not flushed
	fails "mounted on $mnt" "fixed while it is mounted" tune.lnkfs -o ^discard "$dev"
	ok "unmount" umount "$mnt"
	ok "the user's options win" with nodiscard,barrier
	is "nodiscard,barrier" "and are shown" shown
	ok "it is not discarding" not discarded
	ok "and flushes" flushed
	ok "they can be given again" again nodiscard,barrier
	ok "remount" mount -o remount,discard "$mnt"
	is "barrier" "changes what it names" shown
	ok "remount read-only" mount -o remount,ro "$mnt"
	is "barrier" "changes no more" shown
	ok "unmount" umount "$mnt"

	ok "other defaults" tune.lnkfs -o ^discard,^nobarrier,symperm,usrquota,prjquota -e continue "$dev"
	ok "mount" with
	is "usrquota,prjquota" "limits that are enforced are shown" shown
	ok "they are enforced" lnkctl quota set "$mnt" alice ihard=2
	ok "a directory for all" sh -c "mkdir -m 777 $mnt/d && ln -s x $mnt/d/link"
	fails "Disk quota exceeded" "up to the limit" as alice touch "$mnt/d/1" "$mnt/d/2" "$mnt/d/3"
	ok "a link without permissions" lnkctl chmod -h 0 "$mnt/d/link"
	fails "" "is not to be read" as alice readlink "$mnt/d/link"
	fails "" "symperm stays as it is" mount -o remount,nosymperm "$mnt"
	ok "unmount" umount "$mnt"
	ok "all the other way" with nosymperm,noquota,errors=panic
	is "errors=panic,nosymperm,noquota" "is shown" shown
	is x "links can be read" as alice readlink "$mnt/d/link"
	ok "no limits" as alice touch "$mnt/d/4"
	ok "it can be given again" again errors=panic,nosymperm,noquota
	ok "unmount" umount "$mnt"
	ok "some of it" with noquota,grpquota
	is "noquota,grpquota" "is shown" shown
	ok "it can be given again" again noquota,grpquota
	ok "remount with limits" mount -o remount,usrquota,prjquota "$mnt"
	is "usrquota,grpquota,prjquota" "which are shown" shown
	ok "unmount" umount "$mnt"
	ok "in order" in_order
	ok "no quota files" tune.lnkfs -O ^quota "$dev"
	ok "mount" with
	is "" "then no limits either" shown
	ok "unmount" umount "$mnt"
	ok "in order" in_order
}

# Another volume is mounted over it: that is not the one that was named.
covered()
{
	ok "another volume" mkfs.lnkfs -q -L other "$tap_tmp/other" 20M
	ok "mounted over it" mount -t lnkfs -o loop "$tap_tmp/other" "$mnt"
	fails "mounted on $mnt, but something else" "no label" tune.lnkfs -L x "$dev"
	ok "which is unmounted" umount "$mnt"
	is "Label:                    other" "as it was" \
		sh -c "tune.lnkfs -l $tap_tmp/other | head -n 1"
}

mounted()
{
	ok "mount" with
	ok "label" tune.lnkfs -L "while mounted" "$dev"
	is "Label:                    while mounted" "is shown" sh -c "tune.lnkfs -l $dev | head -n 1"
	ok "by the image's name" tune.lnkfs -L "" "$image"
	is "Label:                    <none>" "is shown" sh -c "tune.lnkfs -l $image | head -n 1"
	for args in "-U random" "-m 3" "-r 1" "-e panic" "-O quota" "-J size=2" "-C 1" "-T now" "-L x -U time"; do
		# shellcheck disable=SC2086
		fails "mounted on $mnt: only the label can be changed there" "refused: $args" \
			tune.lnkfs $args "$dev"
	done
	is "Label:                    <none>" "nothing is half done" sh -c "tune.lnkfs -l $dev | head -n 1"
	covered
	ok "remount read-only" mount -o remount,ro "$mnt"
	fails "Read-only file system" "no label on it" tune.lnkfs -L x "$dev"
	ok "unmount" umount "$mnt"
	fails "in use by loop device" "the image of a loop device" tune.lnkfs -L x "$image"
}

stopped() # N ARG...: tune.lnkfs stops before its Nth write
{
	cp "$tap_tmp/before" "$tap_tmp/stopped"
	LD_PRELOAD=$TOOLS/stop.so LNKFS_STOP=$1 tune.lnkfs "${@:2}" "$tap_tmp/stopped"
	[ $? = 99 ]
}

# It can be used without a check, and nothing gets worse.
usable()
{
	mount -t lnkfs -o loop "$tap_tmp/stopped" "$mnt" && head -c 4M /dev/urandom >"$mnt/big" &&
		touch "$mnt"/{1,2,3}{1,2,3,4,5,6,7,8} && sync -f "$mnt" && rm "$mnt/big" || return
	grep " $mnt .*emergency_ro" /proc/mounts && return 1
	umount "$mnt" || return
	fsck.lnkfs -f -n "$tap_tmp/stopped" >"$tap_tmp/found"
	! grep -v -e 'nobody owns it$' -e 'nobody owns them$' -e 'no.* this volume.s$' -e '^inode [0-9]* has no name$' \
		-e "^$tap_tmp" "$tap_tmp/found"
}

# The kernel replays what tune.lnkfs put into the journal.
interrupted()
{
	mkfs.lnkfs -q -b "$BS" "$tap_tmp/before" 20M
	for n in 3 5 7 9 11; do
		ok "quota: stopped before write $n" stopped $n -O quota
		ok "usable" usable
	done
	tune.lnkfs -O quota "$tap_tmp/before"
	for n in 4 7 10; do
		ok "no quota: stopped before write $n" stopped $n -O ^quota
		ok "usable" usable
	done
}

if [ "$BS" = 4096 ]; then
	mount_options
	mounted
else
	interrupted
	ok "a volume" mkfs.lnkfs -q -b "$BS" "$dev"
fi

# ---- quota files with files there already
ok "mount" with
ok "files" sh -c "mkdir -m 777 $mnt/u && cp -r /in $mnt/u/in && chown -R 1000:1001 $mnt/u/in"
ok "of others" as bob sh -c "seq 10000 >$mnt/u/bob; ln -s $(printf 'x%.0s' {1..2000}) $mnt/u/link"
ok "unmount" umount "$mnt"
ok "quota files" tune.lnkfs -O quota "$dev"
ok "in order" in_order
ok "mount with limits" with usrquota,grpquota
is "$(find "$mnt" -user 1001 | wc -l)" "bob's files are counted" \
	sh -c "lnkctl quota report -n $mnt | awk '\$1 == 1001 { print \$6 }'"
ok "a limit" lnkctl quota set "$mnt" bob ihard=3
fails "Disk quota exceeded" "is enforced" as bob touch "$mnt/u/1" "$mnt/u/2"
ok "more files" sh -c "rm -r $mnt/u/in/*/* && chown 1000 $mnt/u/bob"
ok "unmount" umount "$mnt"
ok "in order" in_order

# ---- journals
work() # use the journal that there is
{
	with && cp -r /in "$mnt/$1" && sync -f "$mnt" && rm -rf "$mnt/$1" && umount "$mnt" && in_order
}
least=$((1280 * BS / 1024))
ok "work with the journal that mkfs made" work a
ok "a journal without fast commits" tune.lnkfs -O ^fast_commit "$dev"
ok "serves" work b
for kib in $((least + 256)) $((least * 2)) $((least + 64)) $least; do
	ok "a journal of $kib KiB" tune.lnkfs -J "size=${kib}k" "$dev"
	ok "serves" work b
done
truncate -s 16M "$tap_tmp/log"
log=$(losetup -f --show "$tap_tmp/log")
trap 'umount "$mnt" 2>/dev/null; losetup -d "$dev" "$log"; tap_end' EXIT
ok "a journal device" mkfs.lnkfs -q -b "$BS" -O journal_dev "$log"
ok "to it" tune.lnkfs -J "device=$log" "$dev"
ok "serves" work c
ok "mount" with
fails "in use" "a journal device in use" tune.lnkfs -L x "$log"
ok "crash" sh -c "touch $mnt/crash && xfs_io -x -c 'shutdown -f' $mnt"
ok "unmount" umount "$mnt"
fails "not unmounted cleanly: run fsck.lnkfs" "a journal that is needed stays" \
	tune.lnkfs -J "size=${least}k" "$dev"
ok "fsck.lnkfs" fsck.lnkfs -p "$dev"
ok "back" tune.lnkfs -J "size=${least}k" "$dev"
ok "serves" work d
ok "the device is free again" tune.lnkfs -J "device=$log" "$dev"
ok "serves" work e

finish
