#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: operations that race with each other; volumes that come and go.
# Prints TAP. $RACES_ARGS are the options of races, $RACES_MOUNTS the seconds for
# mounts (0: none); with $RACES_LITTLE all runs in little memory.
set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/vm/tap.sh
. "$here/tap.sh"

# In a control group that has less memory than the page cache would like.
little_memory()
{
	local group=/run/cgroup/small
	mkdir -p /run/cgroup && mount -t cgroup2 none /run/cgroup &&
		echo +memory >/run/cgroup/cgroup.subtree_control && mkdir $group &&
		echo 16M >$group/memory.high && echo 32M >$group/memory.max &&
		echo $$ >$group/cgroup.procs
}

modprobe lnkfs || exit 1
modprobe -q quota_v2
echo "TAP version 13"
echo "# $(nproc) processors"
if [ -n "${RACES_LITTLE:-}" ]; then
	try "little memory" little_memory
fi
# shellcheck disable=SC2086
[ -z "$RACES_ARGS" ] || "$here/races" -c "$cases" $RACES_ARGS "$DISK0" /mnt || failed=1
cases=$(cat /run/races-cases 2>/dev/null || echo "$cases")
[ "$RACES_MOUNTS" = 0 ] ||
	try "volumes mounted and unmounted under load" "$here/mounts" "$RACES_MOUNTS" \
		"$DISK0" "$DISK1" "$DISK2"
try "unload" rmmod lnkfs
echo "1..$cases"
exit $failed
