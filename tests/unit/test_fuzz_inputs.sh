#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kept inputs of the fuzzer (tests/fuzz/core.c), with gcc's sanitizers.
set -u

fuzz=$(cd "$(dirname "$0")/../fuzz" && pwd)
out=$(cd "$fuzz/../.." && pwd)/build/fuzz
make -s -j"$(nproc)" -C "$fuzz" replay O="$out" UNIT="${TOOLS:?}" || exit 1
exec "$out/replay" "$fuzz/inputs"
