// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "crc32c.h"
#include "tree.h"

/**
 * struct printer - a tree being shown
 * @st: state
 * @out: where
 * @path: of the directory, with a slash at the end
 */
struct printer {
	struct crash_state *st;
	FILE *out;
	const char *path;
};

static int one_attr(void *ctx, const char *name, const u8 *value, u32 len)
{
	struct printer *p = ctx;

	tree_attr(p->out, p->path, name, value, len);
	return 0;
}

static int one_name(void *ctx, const char *name, u64 ino, u8 type)
{
	struct printer *p = ctx, below = *p;
	char target[LNKFS_SYMLINK_MAX + 1] = "", *path, *dir;
	struct crash_stat s;
	u32 sum = 0;
	u64 size;
	u8 *data;

	(void)type;
	if (crash_stat_ino(p->st, ino, &s))
		return 0;
	if (asprintf(&path, "%s%s", p->path, name) < 0 || asprintf(&dir, "%s/", path) < 0)
		die("no memory");
	if (S_ISLNK(s.mode))
		crash_readlink_ino(p->st, ino, target);
	if (S_ISREG(s.mode) && !crash_read_ino(p->st, ino, &data, &size)) {
		sum = lnkfs_crc32c(~0u, data, size);
		free(data);
	}
	tree_line(p->out, path, &s, sum, target);
	below.path = path;
	crash_xattrs_ino(p->st, ino, one_attr, &below);
	below.path = dir;
	if (S_ISDIR(s.mode))
		crash_list_ino(p->st, ino, one_name, &below);
	free(path);
	free(dir);
	return 0;
}

/**
 * tree_print() - show what is on a volume
 * @st: its state
 * @out: where
 */
void tree_print(struct crash_state *st, FILE *out)
{
	struct printer p = { st, out, "" };

	crash_list(st, "/", one_name, &p);
}
