// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "crc32c.h"
#include "tree.h"

/**
 * tree_line() - show a name
 * @out: where
 * @path: name
 * @s: its inode
 * @sum: of a file's data
 * @target: of a symlink
 */
void tree_line(FILE *out, const char *path, const struct crash_stat *s, u32 sum,
	       const char *target)
{
	fprintf(out, "%s inode %" PRIu64 " mode %o nlink %u owner %u %u mtime %" PRIu64
		" size %" PRIu64 " %08x %s\n", path, s->ino, s->mode, s->nlink, s->uid, s->gid,
		s->mtime, s->size, sum, target);
}

/**
 * tree_attr() - show an attribute
 * @out: where
 * @path: name of the inode
 * @name: of the attribute
 * @value: its value
 * @len: bytes
 */
void tree_attr(FILE *out, const char *path, const char *name, const void *value, u32 len)
{
	fprintf(out, "%s %s %u %08x\n", path, name, len, lnkfs_crc32c(~0u, value, len));
}
