# SPDX-License-Identifier: GPL-2.0
#
# For the test programs in shell: numbered results.

num=0
failed=0

is() # description, expected, seen
{
	num=$((num + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $num $1"
	else
		echo "not ok $num $1 # expected $2, got $3"
		failed=$((failed + 1))
	fi
}
