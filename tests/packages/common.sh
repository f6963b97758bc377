# SPDX-License-Identifier: GPL-2.0
#
# For what works on a Debian root: unpack one, and run commands in it. Whoever
# includes this runs in a mount namespace of its own: see "alone".
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Run this script again, so that what it mounts goes when it ends.
alone() # "$@"
{
	[ -z "${ALONE:-}" ] || return 0
	ALONE=yes exec unshare --mount --propagation private -- "$0" "$@"
}

# Whatever may still be mounted there, the machine's /dev for one, stays.
remove_root() # DIR
{
	rm -rf --one-file-system "$1"
}

unpack_root() # DIR
{
	local tar
	tar=$("$top/tests/packages/root") || return
	remove_root "$1" || return
	mkdir -p "$1"
	tar -C "$1" --numeric-owner --xattrs --xattrs-include='*' -xf "$tar"
	mount -t proc proc "$1/proc"
	mount -t sysfs -o ro sysfs "$1/sys"
	mount --bind /dev "$1/dev"
	mount -t tmpfs tmpfs "$1/run"
	mount -t tmpfs tmpfs "$1/tmp"
}

leave_root() # DIR: it is to be a volume's contents
{
	umount "$1/tmp" "$1/run" "$1/dev" "$1/sys" "$1/proc"
}

in_root() # DIR COMMAND...
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive chroot "$@"
}

# Leave one of the two kernels, 6.1 or 6.12, and say what release it is.
one_kernel() # DIR NAME
{
	local others
	case $2 in
	6.1) others='6\.12[.-]' ;;
	6.12) others='6\.1\.|cloud-' ;;
	*) echo "no kernel $2 in the root" >&2; return 1 ;;
	esac
	# shellcheck disable=SC2016,SC2046
	in_root "$1" dpkg --purge $(in_root "$1" dpkg-query -W -f '${Package}\n' |
		grep -E "^linux-(image|headers)-($others)") >"$1.log" 2>&1 || { cat "$1.log" >&2; return 1; }
	basename "$1/lib/modules/$2".*
}

install_debs() # DIR FROM: as apt does it, without a network
{
	mkdir -p "$1/root/debs"
	rm -f "$1"/root/debs/*
	cp "$2"/*.deb "$1/root/debs/"
	in_root "$1" sh -c 'apt-get -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root -y install /root/debs/*.deb' </dev/null
}

# The system runs the stage of guest.sh that its kernel's command line names.
stages_at_boot() # DIR
{
	local unit=$1/etc/systemd/system
	echo lnkfs-root >"$1/etc/hostname"
	mkdir -p "$unit/multi-user.target.wants" "$unit/serial-getty@ttyS0.service.d"
	install -m 755 "$top/tests/packages/guest.sh" "$1/usr/local/sbin/lnkfs-tour"
	install -m 755 "$top/tests/packages/everything" "$1/usr/local/sbin/"
	cat >"$unit/lnkfs-tour.service" <<-END
		[Unit]
		Description=A stage of the tour
		[Service]
		ExecStart=/usr/local/sbin/lnkfs-tour
	END
	ln -s ../lnkfs-tour.service "$unit/multi-user.target.wants/"
	cat >"$unit/serial-getty@ttyS0.service.d/login.conf" <<-END
		[Service]
		ExecStart=
		ExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %I linux
	END
}
