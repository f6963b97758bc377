# SPDX-License-Identifier: GPL-2.0
#
# For the guests of the tests: numbered TAP results. $label, where it is set,
# stands before each name.

cases=0
failed=0
label=

result() # STATUS NAME
{
	cases=$((cases + 1))
	if [ "$1" = 0 ]; then
		echo "ok $cases - ${label:+$label: }$2"
	else
		echo "not ok $cases - ${label:+$label: }$2"
		failed=1
	fi
}

# What a command prints is diagnostics, or the TAP of the cases inside it.
try() # NAME COMMAND...
{
	local name=$1 status begin=$SECONDS
	shift
	"$@" 2>&1 </dev/null | sed -u 's/^/# /'
	status=${PIPESTATUS[0]}
	result "$status" "$name"
	echo "# $((SECONDS - begin)) seconds"
}
