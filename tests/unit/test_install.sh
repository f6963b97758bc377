#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What "make install" leaves: the libraries, their headers and manual pages, and
# whether programs can be built with them.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
root=$dir/root/opt/lnkfs
cases=0
failed=0

# ok NAME COMMAND...
ok()
{
	local name=$1
	shift
	cases=$((cases + 1))
	if "$@" >"$dir/out" 2>&1; then
		echo "ok $cases - $name"
	else
		sed 's/^/# /' "$dir/out" | head -n 40
		echo "not ok $cases - $name"
		failed=1
	fi
}

files()
{
	local f missing=0
	for f in sbin/mkfs.lnkfs sbin/fsck.lnkfs sbin/dump.lnkfs sbin/tune.lnkfs lib/liblnkfs.a lib/liblnkfs.so lib/liblnkfs.so.1 \
		 lib/liblnkfs-bsd.so lib/pkgconfig/liblnkfs.pc include/lnkfs.h include/liblnkfs.h \
		 include/lnkfs-bsd.h share/man/man3/liblnkfs.3 share/man/man7/liblnkfs-bsd.7 \
		 share/man/man8/mkfs.lnkfs.8 share/man/man8/tune.lnkfs.8 lib/udev/lnkfs-id \
		 share/misc/lnkfs.magic share/bash-completion/completions/mkfs.lnkfs \
		 share/bash-completion/completions/tune.lnkfs; do
		[ -s "$root/$f" ] || { echo "no $f"; missing=1; }
	done
	return $missing
}

functions() # of liblnkfs.h
{
	grep -o '\<lnkfs_[a-z_]*(' "$root/include/liblnkfs.h" | tr -d '(' | sort -u
}

exported() # LIBRARY
{
	nm -D --defined-only "$root/lib/$1" | awk '$2 != "A" { print $3 }' | sort
}

pc() { PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH=$root/lib/pkgconfig pkg-config "$@"; }

documented()
{
	local f missing=0
	for f in $(functions); do
		grep -q "^\.BI \".*[ *]$f(" "$root/share/man/man3/liblnkfs.3" ||
			{ echo "$f is not in liblnkfs(3)"; missing=1; }
	done
	return $missing
}

# shellcheck disable=SC2046
shared()
{
	gcc -Wall -Wextra -Werror -o "$dir/shared" "$dir/use.c" $(pc --cflags --libs liblnkfs) &&
	readelf -d "$dir/shared" | grep -q 'liblnkfs\.so\.1' &&
	[ "$(LD_LIBRARY_PATH=$root/lib "$dir/shared")" = uchg,nodump ]
}

# shellcheck disable=SC2046
static()
{
	gcc -static -o "$dir/static" "$dir/use.c" $(pc --cflags --libs liblnkfs) &&
	[ "$("$dir/static")" = uchg,nodump ]
}

same_values()
{
	{
		echo '#include <lnkfs.h>'
		echo '#include <lnkfs-bsd.h>'
		sed -n 's/^#define LNKFS_\([US]F_[A-Z]*\).*/_Static_assert((unsigned int)\1 == LNKFS_\1, "\1");/p' \
			"$root/include/lnkfs.h"
	} >"$dir/same.c"
	[ "$(grep -c _Static_assert "$dir/same.c")" = 19 ] &&
	gcc -I"$root/include" -c -o "$dir/same.o" "$dir/same.c"
}

alone() # HEADER OPTION...: it needs no other, and no extension of the language
{
	echo "#include <$1>" >"$dir/alone.c"
	gcc -std=c99 -pedantic -Wall -Wextra -Werror -I"$root/include" "${@:2}" \
		-c -o "$dir/alone.o" "$dir/alone.c"
}

preloaded()
{
	[ "$(LD_PRELOAD=$root/lib/liblnkfs-bsd.so sh -c 'echo works')" = works ] &&
	[ "$(exported liblnkfs-bsd.so | tr '\n' ' ')" = "chflags chflagsat fchflags fchmodat \
lchflags lchmod lnkfs_bsd_fstat_flags lnkfs_bsd_fstatat_flags lnkfs_bsd_lstat_flags \
lnkfs_bsd_stat_flags " ]
}

cat >"$dir/use.c" <<'END'
#include <stdio.h>
#include <liblnkfs.h>

int main(void)
{
	uint32_t set, clear;
	char buf[100];

	if (lnkfs_flags_from_text("nodump,uchange", &set, &clear, NULL))
		return 1;
	lnkfs_flags_to_text(set, buf, sizeof(buf));
	puts(buf);
	return 0;
}
END

udev_rules() # calling DIRECTORY/lnkfs-id, where they expect it
{
	local rules=lib/udev/rules.d/64-lnkfs.rules program
	program=$(sed -n 's/^IMPORT{program}!="\([^ ]*\) .*/\1/p' "$root/$rules")
	[ "$program" = /opt/lnkfs/lib/udev/lnkfs-id ] && [ -x "$dir/root$program" ] &&
		! grep '@' "$root/$rules"
}

ok "make install" env -u MAKEFLAGS make -s -C "$top/tools" O="$top/build/tools" DESTDIR="$dir/root" \
	PREFIX=/opt/lnkfs install
ok "what is there" files
ok "udev's rules and their program" udev_rules
ok "liblnkfs.so exports what its header declares, and no more" \
	diff <(functions | sed 's/$/@@LNKFS_1.0/') <(exported liblnkfs.so.1)
ok "every function is in the manual page" documented
ok "a program, by pkg-config" shared
ok "a static program" static
ok "liblnkfs-bsd.so exports FreeBSD's calls, and no more" preloaded
ok "flags have the values that FreeBSD's have" same_values
for h in lnkfs.h liblnkfs.h lnkfs-bsd.h; do
	ok "$h by itself" alone $h
done
ok "lnkfs-bsd.h with st_flags by itself" alone lnkfs-bsd.h -D LNKFS_BSD_ST_FLAGS -D _DEFAULT_SOURCE

uninstalled() # nothing is left, but for what was not ours
{
	local kos=$dir/root/lib/modules/6.1.0-1-amd64/updates
	mkdir -p "$kos" "$root/share/man/man5"
	touch "$kos/lnkfs.ko" "$kos/other.ko" "$root/share/man/man5/lnkfs.5" "$root/bin/other"
	env -u MAKEFLAGS make -s -C "$top" DESTDIR="$dir/root" PREFIX=/opt/lnkfs uninstall &&
	[ "$(cd "$dir/root" && find . -type f -o -type l | sort | tr '\n' ' ')" = \
	  "./lib/modules/6.1.0-1-amd64/updates/other.ko ./opt/lnkfs/bin/other " ]
}

ok "make uninstall" uninstalled
echo "1..$cases"
exit $failed
