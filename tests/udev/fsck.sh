# SPDX-License-Identifier: GPL-2.0
#
# fsck(8) of util-linux, with fsck.lnkfs under it.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

status() # STATUS COMMAND...: does it end so?
{
	local got=0
	"${@:2}" || got=$?
	[ "$got" = "$1" ] || echo "exit status $got, expected $1"
	[ "$got" = "$1" ]
}

# What fsck.lnkfs is called with: a program before it in PATH says so.
mkdir /tmp/bin
cat >/tmp/bin/fsck.lnkfs <<END
#!/bin/sh
echo "called: \$*"
exit \${FAKE:-0}
END
chmod 755 /tmp/bin/fsck.lnkfs
called() # COMMAND...
{
	PATH=/tmp/bin:$PATH "$@" 2>/tmp/bin/err | grep '^called'
}
called_status() # COMMAND...
{
	PATH=/tmp/bin:$PATH "$@"
}

ok "format" mkfs.lnkfs -qf -L one "$DISK0"
ok "format another" mkfs.lnkfs -qf -L two "$DISK1"
ok "udev" udevadm trigger --settle "$DISK0" "$DISK1"

is "called: $DISK0" "fsck -t" called fsck -t lnkfs "$DISK0"
is "called: -a $DISK0" "with an option" called fsck -t lnkfs -a "$DISK0"
is "called: -n -f $DISK0" "with others" called fsck -t lnkfs "$DISK0" -- -n -f
# this is for ext4 only; what follows two dashes is for all
is "called: $DISK0" "progress is not asked for" called fsck -C5 -t lnkfs "$DISK0"
is "called: -C5 $DISK0" "unless by hand" called fsck -t lnkfs "$DISK0" -- -C5
is "called: -p $DISK0" "by its label" called fsck -t lnkfs LABEL=one -p
fails "e2fsck" "without a type it is taken for ext2" fsck LABEL=one
cat >/etc/fstab <<END
LABEL=one / lnkfs defaults 0 1
LABEL=two /mnt/two lnkfs defaults 0 2
$DISK2 /mnt/three lnkfs defaults 0 0
END
is $'called: -a '"$DISK0"$'\ncalled: -a '"$DISK1" "fsck -A, by pass" called fsck -A -a
is "called: -a $DISK1" "all but the root" called fsck -A -R -a
is $'called: -p '"$DISK0"$'\ncalled: -p '"$DISK1" "of this type" called fsck -A -t lnkfs -p
fails "" "of another" called fsck -A -t ext4 -p
is "called: $DISK1" "by the mount point" called fsck /mnt/two
for code in 0 1 2 4 8 16 32; do
	export FAKE=$code
	ok "exit status $code" status $code called_status fsck -t lnkfs "$DISK0"
done
unset FAKE
for options in "" "-a" "-p" "-n" "-f -n" "-T -V"; do
	# shellcheck disable=SC2086
	ok "fsck.lnkfs itself: $options" fsck -A $options
done
ok "damage" sh -c "printf x | dd of=$DISK1 bs=1 seek=4200 conv=notrunc"
ok "comes through" status 4 fsck -A -n -f
rm -r /tmp/bin /etc/fstab
finish
