#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tune.lnkfs stops before its nth write, for every n; what it wrote since it last
# waited for the device is there, or lost but for the last write. The superblock has
# to be good, all files have to be there as they were, there may be nothing but blocks
# and quota files without an owner, and backups of the superblock that are older; and where
# fsck.lnkfs would find something with -f it has to look without. TAP on standard
# output; $TOOLS is where the tools are.
set -u

. "$(dirname "$0")/result.sh"
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
unset SOURCE_DATE_EPOCH
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
"${CC:-cc}" -O1 -Wall -Wextra -Werror -shared -fPIC -o stop.so \
	"$here/stop.c" -ldl || exit 1

same_files() # FILE
{
	rm -rf copy
	"$TOOLS/lnkctl" cp -a "$1:/" copy && diff -r --no-dereference src copy
}

# An interrupted volume, as good as it has to be?
usable() # FILE
{
	local looked thorough
	"$TOOLS/tune.lnkfs" -l "$1" >out 2>&1 && [ "$(grep -c superblock out)" = 0 ] || return
	same_files "$1" >>out 2>&1 || return
	"$TOOLS/fsck.lnkfs" -n ${JOURNAL:+-j "$JOURNAL"} "$1" >>out 2>&1
	looked=$?
	"$TOOLS/fsck.lnkfs" -f -n ${JOURNAL:+-j "$JOURNAL"} "$1" >found 2>&1
	thorough=$?
	cat found >>out
	# Nothing that could do harm if the volume were mounted now.
	grep -v -e 'nobody owns it$' -e 'nobody owns them$' -e "superblock at byte .* is not this volume's$" \
		-e '^inode [0-9]* has no name$' -e '^vol: ' ${LOOSE:+-e "$LOOSE"} found >>out && return 1
	echo "fsck.lnkfs says $looked, with -f $thorough" >>out
	[ $looked = $thorough ] && { [ $looked = 0 ] || [ $looked = 4 ]; }
}

# Which journal an interrupted volume has: the new one, the old one, or one inside.
journal_of() # FILE
{
	local uuid
	JOURNAL=
	uuid=$("$TOOLS/tune.lnkfs" -l "$1" | sed -n 's/^Journal UUID: *//p')
	for j in log log2; do
		[ ! -e $j ] || [ -z "$uuid" ] ||
			! "$TOOLS/tune.lnkfs" -l $j | grep -q "^UUID: *$uuid" || JOURNAL=$j
	done
}

stops() # NAME STEP ARG...: stop before every STEPth write
{
	local name=$1 step=$2 n status whole=1 points=0
	shift 2
	for lose in '' yes; do
		for ((n = 1; ; n += step)); do
			cp --sparse=always before vol
			for j in log log2; do
				[ ! -e $j.before ] || cp --sparse=always $j.before $j
			done
			LD_PRELOAD=$PWD/stop.so LNKFS_STOP=$n ${lose:+env LNKFS_STOP_LOSE=1} \
				"$TOOLS/tune.lnkfs" "$@" vol >out 2>&1
			status=$?
			[ $status = 99 ] || break
			points=$((points + 1))
			journal_of vol
			if ! usable vol; then
				echo "# stopped before write $n${lose:+, losing what was not durable}"
				whole=
				break
			fi
		done
		[ $status = 99 ] || [ $status = 0 ] || whole=
		journal_of vol
		[ "$whole" ] && { usable vol && grep -q 'says 0, with -f 0' out || whole=; }
	done
	[ "$whole" ] && [ $points -ge 4 ]
	result $? "$bs: $name ($points stops)"
}

mkdir -p src/d
for i in 1 2 3 4 5; do
	head -c $((i * 9000)) /dev/urandom >"src/d/f$i"
done
ln -s "$(printf 'long/%.0s' $(seq 300))" src/slow
mkdir src/lost+found
for i in 1 2 3 4 5 6 7 8 9; do
	ln src/d/f1 src/d/hard$i
	ln src/d/f2 src/hard$i
done

before() # ARG...: the volume to start from
{
	"$TOOLS/mkfs.lnkfs" -q -f -b $bs -d src "$@" before $((bs == 1024 ? 20 : 140))M || exit 1
}

echo "TAP version 13"
for bs in 1024 4096; do
	least=$((1280 * bs / 1024))
	before -J size=$((least * 2))k
	stops "no fast commits" 1 -O ^fast_commit
	stops "shorter journal with fast commits" 1 -J size=$((least + least / 2))k
	stops "shorter journal without them" 1 -O ^fast_commit -J size=${least}k
	"$TOOLS/tune.lnkfs" -O ^fast_commit before
	stops "fast commits" 1 -O fast_commit
	stops "longer journal with fast commits" 1 -O fast_commit -J size=$((least * 2 + 100))k
	stops "label and more" 1 -L label -U random -m 3 -o discard
	stops "shorter journal" 1 -J size=$((least + 100))k
	stops "longer journal, to the front" 1 -J size=$((least * 2 + 100))k
	"$TOOLS/tune.lnkfs" -J size=${least}k before
	stops "longer journal, to the back" 1 -J size=$((least + 100))k
	stops "longer journal, elsewhere" 1 -J size=$((least * 4))k
	stops "quota files" 1 -O quota
	"$TOOLS/tune.lnkfs" -O quota before
	stops "no quota files" 1 -O ^quota
	# Names that are not recorded are no harm to the files.
	LOOSE='^inode [0-9]*: no back reference to its name at position '
	stops "no back references" 1 -O ^backref
	"$TOOLS/tune.lnkfs" -O ^backref before
	stops "back references" 1 -O backref
	LOOSE=
	"$TOOLS/mkfs.lnkfs" -q -b $bs -O journal_dev log.before 6M
	"$TOOLS/mkfs.lnkfs" -q -b $bs -O journal_dev log2.before 6M
	stops "journal outside" 1 -J device=log
	cp log.before log
	"$TOOLS/tune.lnkfs" -J device=log before && cp log log.before
	stops "another device" 1 -j log -J device=log2
	stops "journal inside again" 1 -j log -J size=${least}k
	rm -f log log2 log.before log2.before
done

finish
