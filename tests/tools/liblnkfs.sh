#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# liblnkfs, called from C.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

program "every call of liblnkfs" "$TOOLS/libattr" "$DIR" "$EXT4"
finish
