#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In a Debian system: one stage, named by lnkfs.stage= on the kernel's command line. A
# service starts it at boot. What it says goes to the second serial line; the last line
# is "end N", N the number of failures. The root is lnkfs, but for the last two.
#
#	first	all is well; packages come and go; reboot
#	second	after a clean reboot; write, until somebody pulls the plug
#	third	after the power failure; turn off
#	build	have DKMS build the module for the running kernel; turn off
#	last	with what came of that; turn off
#	comes	no package is there: install them, upgrade, reboot
#	goes	with what came of that: purge; turn off
set -u

stage=$(sed -n 's/.*\<lnkfs\.stage=\([a-z]*\).*/\1/p' /proc/cmdline)
[ -n "$stage" ] || exit 0
exec >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 -onlcr
failed=0
out=/run/lnkfs-tour
mirror=/var/lib/lnkfs-tour

ok() # NAME COMMAND...
{
	if "${@:2}" >$out 2>&1; then
		echo "ok - $1"
	else
		sed 's/^/# /' $out | tail -n 20
		echo "not ok - $1"
		failed=$((failed + 1))
	fi
}

is() # TEXT NAME COMMAND...
{
	local got
	got=$("${@:3}" 2>$out)
	[ "$got" = "$1" ] || { echo "'$got', expected '$1'"; cat $out; } | sed 's/^/# /'
	[ "$got" = "$1" ] && echo "ok - $2" && return
	echo "not ok - $2"
	failed=$((failed + 1))
}

nothing() # COMMAND...: it prints nothing and succeeds
{
	"$@" >$out.2 2>&1 && [ ! -s $out.2 ] && return
	cat $out.2
	return 1
}

says() # TEXT COMMAND...: the output has it
{
	"${@:2}" >$out.2 2>&1
	grep -qF -- "$1" $out.2 && return
	cat $out.2
	return 1
}

as_packaged() # PACKAGE...: but for what this root is without
{
	nothing sh -c 'dpkg --verify "$@" | sed -E "\\,^missing +(c )?/usr/share/(doc|locale|man)(/|$),d"' - "$@"
}

checked_early() # of the root, by the scripts of the RAM disk: fsck(8)'s log
{
	[ -e /run/initramfs/fsck-root ] && says "$1" cat /run/initramfs/fsck.log
}

not_replayed()
{
	checked_early ': clean,' && ! grep -q replayed /run/initramfs/fsck.log
}

common()
{
	is lnkfs "/ is lnkfs" findmnt -n -o FSTYPE /
	is running "the system is up, no unit has failed" systemctl is-system-running --wait
	ok "none, really" nothing systemctl --failed --no-legend
	is lnkfs "/srv is lnkfs" findmnt -n -o FSTYPE /srv
	ok "/ can be written" sh -c 'echo x >/root/written && rm /root/written'
	ok "/srv was checked by systemd" says ": clean," journalctl -b --no-pager -u 'systemd-fsck@*'
	ok "the kernel has nothing to complain of" sh -c '! dmesg --level=err,crit,alert,emerg | grep -i lnkfs'
}

write_for_ever()
{
	local i
	for ((i = 0; ; i++)); do
		mkdir -p $mirror/$((i % 7))
		printf '%0*d\n' $((i * 97 % 30000 + 1)) $i >$mirror/$((i % 7))/$i
		ln $mirror/$((i % 7))/$i $mirror/$i.hard
		ln -s $((i % 7))/$i $mirror/$i.soft
		[ $((i % 10)) != 9 ] || { sync -f $mirror && echo "synced $i"; }
	done
}

written() # N: all up to that number is there, whole
{
	local i
	for ((i = 0; i <= $1; i++)); do
		printf '%0*d\n' $((i * 97 % 30000 + 1)) $i | cmp - $mirror/$((i % 7))/$i || return
		[ $mirror/$i.hard -ef $mirror/$((i % 7))/$i ] || return
		[ "$(readlink $mirror/$i.soft)" = $((i % 7))/$i ] || return
	done
}

first()
{
	common
	ok "the root was checked before it was mounted" checked_early ": clean,"
	ok "the module is DKMS's" says updates/dkms modinfo -n lnkfs
	ok "of this kernel" says "$(uname -r)" dkms status lnkfs
	ok "what the packages brought is as it was" as_packaged
	ok "remove a package" apt-get -y remove liblnkfs-dev
	ok "is gone" test ! -e /usr/include/liblnkfs.h
	ok "install it" sh -c 'apt-get -y install /root/debs/liblnkfs-dev_*.deb'
	ok "is there" as_packaged liblnkfs-dev
	ok "a volume" sh -c 'truncate -s 32M /root/image && mkfs.lnkfs -q /root/image'
	ok "on the volume" sh -c 'mount -o loop -t lnkfs /root/image /mnt && cp -a /etc /mnt && umount /mnt'
	ok "is sound" fsck.lnkfs -f -n /root/image
	rm /root/image
	sync
	echo "end $failed"
	systemctl reboot 2>/dev/null
}

second()
{
	common
	ok "the root was found clean" not_replayed
	write_for_ever
}

third()
{
	local last
	last=$(sed -n 's/.*\<lnkfs\.synced=\([0-9]*\).*/\1/p' /proc/cmdline)
	common
	ok "the root's journal was replayed" checked_early replayed
	ok "all that was synced is there" written "$last"
	ok "what the packages brought is as it was" as_packaged lnkfs-utils liblnkfs1 systemd
	rm -rf $mirror
	sync
	echo "end $failed"
	systemctl poweroff 2>/dev/null
}

build()
{
	local version
	version=$(modinfo -F version lnkfs)
	common
	ok "install the module again" sh -c 'apt-get -y install --reinstall /root/debs/lnkfs-dkms_*.deb'
	is "lnkfs/$version, $(uname -r), x86_64: installed" "DKMS has built it" dkms status lnkfs
	ok "within this hour" test -n "$(find "/lib/modules/$(uname -r)/updates/dkms" -name 'lnkfs.ko*' -mmin -60)"
	ok "and a RAM disk with it" test -n "$(find "/boot/initrd.img-$(uname -r)" -mmin -60)"
	sync
	echo "end $failed"
	systemctl poweroff 2>/dev/null
}

on_ext4()
{
	is ext4 "/ is ext4" findmnt -n -o FSTYPE /
	is running "the system is up, no unit has failed" systemctl is-system-running --wait
}

built() # VERSION: it is the only one, and it works
{
	is "lnkfs/$1, $(uname -r), x86_64: installed" "DKMS built $1" dkms status lnkfs
	ok "format" sh -c 'truncate -s 32M /root/image && mkfs.lnkfs -q -f /root/image'
	ok "mount" mount -o loop -t lnkfs /root/image /mnt
	is "$1" "the module is $1" cat /sys/module/lnkfs/version
	ok "write" cp -a /etc /mnt
	ok "unmount" umount /mnt
	ok "check" fsck.lnkfs -f -n /root/image
	ok "remove the module" rmmod lnkfs
}

version_of() # DIR
{
	dpkg-deb -f "$1"/lnkfs-dkms_*.deb Version
}

comes()
{
	local dir
	on_ext4
	ok "no module" sh -c '! modprobe lnkfs && ! command -v mkfs.lnkfs'
	everything / >/root/before
	for dir in /root/debs /root/second; do
		ok "install $dir" sh -c 'apt-get -y install "$1"/*.deb' - "$dir"
		built "$(version_of "$dir")"
	done
	ok "what the packages brought is as it was" as_packaged lnkfs-utils liblnkfs1 lnkfs-dkms
	sync
	echo "end $failed"
	systemctl reboot 2>/dev/null
}

goes()
{
	on_ext4
	built "$(version_of /root/second)"
	ok "purge" apt-get -y purge lnkfs-dkms lnkfs-utils liblnkfs1 liblnkfs-dev
	everything / >/root/after
	ok "nothing is left" diff /root/before /root/after
	ok "no module" sh -c '! modprobe lnkfs && ! grep -w lnkfs /proc/modules'
	sync
	echo "end $failed"
	systemctl poweroff 2>/dev/null
}

last()
{
	common
	ok "the module that was built is loaded" cmp /sys/module/lnkfs/srcversion <(modinfo -F srcversion lnkfs)
	echo "end $failed"
	systemctl poweroff 2>/dev/null
}

"$stage"
