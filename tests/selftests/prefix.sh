#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Stands in for prefix.pl, with which the kselftest runner puts "# " before each
# line of a test: that one reads a byte at a time, which in an emulated guest
# takes longer than most test cases. The path names GNU sed, where busybox's
# shell would take its own, which knows no -u.
exec /bin/sed -u 's/^/# /'
