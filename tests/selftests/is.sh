# SPDX-License-Identifier: GPL-2.0
#
# For the test programs in shell: numbered results, and a place to work in. $here is where
# the programs are.

num=0
failed=0

lnkfs_only()
{
	[ "${FSTYPE:-lnkfs}" = lnkfs ] || { echo "1..0 # SKIP for lnkfs only"; exit 4; }
}

scratch() # NAME: sets $sysop, $bs, and $tmp, a directory with a mount point $mnt
{
	sysop=$here/sysop
	bs=${LNKFS_BSIZE:-4096}
	tmp=$(mktemp -d "${LNKFS_TMP:-/tmp}/$1.XXXXXX")
	mnt=$tmp/mnt
	mkdir "$mnt"
}

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
