# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests written in shell: sourced before they leave this directory. What a
# command printed is in the files out and err; finish is the last line of a test.

count=0
bad=0

result() # STATUS NAME
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		bad=1
		echo "not ok $count - $2"
		sed 's/^/# /' out err 2>/dev/null | head -n 40
	fi
}

finish()
{
	echo "1..$count"
	exit $bad
}
