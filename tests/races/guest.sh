#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: operations that race with each other. Prints TAP. $RACES_ARGS are
# the options of races.
set -u

here=$(cd "$(dirname "$0")" && pwd)

modprobe lnkfs || exit 1
modprobe -q quota_v2
# shellcheck disable=SC2086
exec "$here/races" $RACES_ARGS "$DISK0" /mnt
