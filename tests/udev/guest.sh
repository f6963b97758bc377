#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: start udev, run the case files. Prints TAP.
#
# usage: guest.sh [CASE...]
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"
log=/run/udevd.log

one() # CASE
{
	timeout $((300 * LNKFS_SLOW)) bash "$here/$1"
}

start_udev()
{
	local i
	mkdir -p /usr/lib/systemd
	cp -a "$here/root/." / && ln -s /usr/bin/udevadm /usr/lib/systemd/systemd-udevd || return
	/usr/lib/systemd/systemd-udevd >$log 2>&1 </dev/null &
	for ((i = 0; i < 100 * LNKFS_SLOW; i++)); do
		! udevadm control --ping --timeout=5 2>/dev/null || break
		sleep 0.1
	done
	udevadm trigger -s block && udevadm settle
}

quiet() # udev has nothing to say about our rules
{
	! grep -i lnkfs $log
}

echo "TAP version 13"
modprobe -a loop ext4 xfs dm-mod || exit 1
try "udev" start_udev
for f in "$here"/*.sh; do
	f=${f##*/}
	case $f in guest.sh|common.sh|tap.sh) continue ;; esac
	if [ $# = 0 ] || [[ " $* " == *" $f "* ]]; then
		try "$f" one "$f"
	fi
done
try "udev is content with the rules" quiet
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
