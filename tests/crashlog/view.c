// SPDX-License-Identifier: GPL-2.0
/*
 * What oracles ask about a volume (oracle.h).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"

#define ENOUGH	12	/* complaints about one state that are shown */

/**
 * crash_fail() - complain about a state
 * @st: state
 * @fmt: what is wrong, a line without its end
 */
void crash_fail(struct crash_state *st, const char *fmt, ...)
{
	va_list ap;

	if (st->failures++ >= ENOUGH || st->quiet)
		return;
	printf("mark %u: ", st->mark);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* An error that no sound volume gives. */
static int damage(struct crash_state *st, int err, u64 ino, const char *what)
{
	if (err < 0 && err != -ENOENT && err != -ENOTDIR && err != -ENODATA &&
	    err != -ENAMETOOLONG)
		crash_fail(st, "inode %" PRIu64 ": %s: %s", ino, what, strerror(-err));
	return err;
}

static int load(struct crash_state *st, u64 ino, struct lnkfs_node *node)
{
	return damage(st, lnkfs_node_load(st->img, ino, node), ino, "reading it");
}

static int find(struct crash_state *st, const char *path, u64 *ino)
{
	struct lnkfs_node node;
	int err = lnkfs_image_find(st->img, path, false, &node);

	if (damage(st, err, 0, path))
		return err;
	*ino = node.ci.ino;
	return 0;
}

/**
 * crash_stat_ino() - stat an inode
 * @st: state
 * @ino: its number
 * @out: filled in
 */
int crash_stat_ino(struct crash_state *st, u64 ino, struct crash_stat *out)
{
	struct lnkfs_node node;
	int err = load(st, ino, &node);

	if (err)
		return err;
	*out = (struct crash_stat){
		.ino = ino,
		.mode = node.ci.mode,
		.nlink = node.ci.nlink,
		.uid = node.ci.uid,
		.gid = node.ci.gid,
		.size = node.ci.size,
		.blocks = node.ci.blocks,
		.mtime = node.ci.mtime,
	};
	return 0;
}

/**
 * crash_read_ino() - read a regular file
 * @st: state
 * @ino: its number
 * @data: set to its bytes, to be freed
 * @size: how many
 *
 * Return: 0, -EINVAL for another type, errors as said in oracle.h.
 */
int crash_read_ino(struct crash_state *st, u64 ino, u8 **data, u64 *size)
{
	struct lnkfs_node node;
	int err = load(st, ino, &node);

	if (err)
		return err;
	if (!S_ISREG(node.ci.mode))
		return -EINVAL;
	*size = node.ci.size;
	*data = malloc(*size + 1);
	if (!*data)
		die("no memory for a file of %" PRIu64 " bytes", *size);
	err = damage(st, lnkfs_node_read(st->img, &node, 0, *data, *size), ino, "its data");
	if (err)
		free(*data);
	return err;
}

/**
 * crash_readlink_ino() - read a symlink
 * @st: state
 * @ino: its number
 * @target: gets what it says, and a NUL
 *
 * Return: length, -EINVAL for another type, errors as said in oracle.h.
 */
int crash_readlink_ino(struct crash_state *st, u64 ino, char target[LNKFS_SYMLINK_MAX + 1])
{
	struct lnkfs_node node;
	int err = load(st, ino, &node);

	if (err)
		return err;
	if (!S_ISLNK(node.ci.mode))
		return -EINVAL;
	err = damage(st, lnkfs_node_target(st->img, &node, target), ino, "its target");
	return err ? err : (int)node.ci.size;
}

/**
 * struct lister - a directory being listed
 * @each: gets its entries
 * @ctx: its argument
 */
struct lister {
	int (*each)(void *ctx, const char *name, u64 ino, u8 type);
	void *ctx;
};

static int one_name(void *ctx, const struct lnkfs_name *name)
{
	char text[LNKFS_NAME_LEN + 1];
	struct lister *l = ctx;

	memcpy(text, name->name, name->len);
	text[name->len] = '\0';
	return l->each(l->ctx, text, name->ino, name->type);
}

/**
 * crash_list_ino() - list a directory
 * @st: state
 * @ino: its number
 * @each: gets every entry; what it returns unless 0 ends the list
 * @ctx: its argument
 *
 * Return: 0, what @each returned, -ENOTDIR, errors as said in oracle.h.
 */
int crash_list_ino(struct crash_state *st, u64 ino,
		   int (*each)(void *ctx, const char *name, u64 ino, u8 type), void *ctx)
{
	struct lister l = { each, ctx };
	struct lnkfs_fs *fs = &st->img->v.fs;
	struct lnkfs_node node;
	u64 pos = 0;
	int err = load(st, ino, &node);

	if (err)
		return err;
	if (!S_ISDIR(node.ci.mode))
		return -ENOTDIR;
	err = lnkfs_dir_iterate(fs, &node.ci, &pos, lnkfs_dir_end(fs, &node.ci), one_name, &l);
	return damage(st, err, ino, "its names");
}

static const char *const spaces[] = {
	"", "user.", "trusted.", "security.", "system.posix_acl_access", "system.posix_acl_default",
	CRASH_LINK
};

/**
 * struct attrs - the attributes of an inode being read
 * @st: state
 * @node: the inode
 * @each: gets them
 * @ctx: its argument
 */
struct attrs {
	struct crash_state *st;
	struct lnkfs_node *node;
	int (*each)(void *ctx, const char *name, const u8 *value, u32 len);
	void *ctx;
};

static int one_attr(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	struct attrs *a = ctx;
	u8 *value = malloc(len + 1);
	char *name;
	int got;

	if (!value || asprintf(&name, "%s%.*s", key->space < ARRAY_SIZE(spaces) ?
			       spaces[key->space] : "?", key->name_len, key->name) < 0)
		die("no memory");
	got = lnkfs_xattr_get(&a->st->img->v.fs, &a->node->ci, key, value, len);
	if (got >= 0)
		got = a->each(a->ctx, name, value, (u32)got);
	free(name);
	free(value);
	return got;
}

/**
 * crash_xattrs_ino() - read the extended attributes of an inode
 * @st: state
 * @ino: its number
 * @each: gets every one; what it returns unless 0 ends the list
 * @ctx: its argument
 *
 * Return: 0, what @each returned, errors as said in oracle.h.
 */
int crash_xattrs_ino(struct crash_state *st, u64 ino,
		     int (*each)(void *ctx, const char *name, const u8 *value, u32 len),
		     void *ctx)
{
	struct lnkfs_node node;
	struct attrs a = { st, &node, each, ctx };
	int err = load(st, ino, &node);

	if (err)
		return err;
	err = lnkfs_xattr_iterate(&st->img->v.fs, &node.ci, one_attr, &a);
	return damage(st, err, ino, "its attributes");
}

/**
 * crash_stat() - stat a path
 * @st: state
 * @path: name, not followed if it is a symlink
 * @out: filled in
 */
int crash_stat(struct crash_state *st, const char *path, struct crash_stat *out)
{
	u64 ino;
	int err = find(st, path, &ino);

	return err ? err : crash_stat_ino(st, ino, out);
}

/**
 * crash_read() - crash_read_ino() of a path
 * @st: state
 * @path: name
 * @data: set to its bytes, to be freed
 * @size: how many
 */
int crash_read(struct crash_state *st, const char *path, u8 **data, u64 *size)
{
	u64 ino;
	int err = find(st, path, &ino);

	return err ? err : crash_read_ino(st, ino, data, size);
}

/**
 * crash_readlink() - crash_readlink_ino() of a path
 * @st: state
 * @path: name
 * @target: gets what it says, and a NUL
 */
int crash_readlink(struct crash_state *st, const char *path, char target[LNKFS_SYMLINK_MAX + 1])
{
	u64 ino;
	int err = find(st, path, &ino);

	return err ? err : crash_readlink_ino(st, ino, target);
}

/**
 * crash_list() - crash_list_ino() of a path
 * @st: state
 * @path: name
 * @each: gets every entry
 * @ctx: its argument
 */
int crash_list(struct crash_state *st, const char *path,
	       int (*each)(void *ctx, const char *name, u64 ino, u8 type), void *ctx)
{
	u64 ino;
	int err = find(st, path, &ino);

	return err ? err : crash_list_ino(st, ino, each, ctx);
}

/**
 * struct wanted - an attribute that is looked for
 * @name: its name
 * @value: set to its value
 * @len: bytes
 */
struct wanted {
	const char *name;
	u8 *value;
	u32 len;
};

static int match(void *ctx, const char *name, const u8 *value, u32 len)
{
	struct wanted *w = ctx;

	if (strcmp(name, w->name))
		return 0;
	w->value = malloc(len + 1);
	if (!w->value)
		die("no memory");
	memcpy(w->value, value, len);
	w->len = len;
	return 1;
}

/**
 * crash_getxattr() - read an extended attribute
 * @st: state
 * @path: name of the inode
 * @name: of the attribute, with its namespace
 * @value: set to the value, to be freed
 * @len: its bytes
 *
 * Return: 0, -ENODATA if there is none, errors as said in oracle.h.
 */
int crash_getxattr(struct crash_state *st, const char *path, const char *name, u8 **value,
		   u32 *len)
{
	struct wanted w = { .name = name };
	u64 ino;
	int err = find(st, path, &ino);

	if (err)
		return err;
	err = crash_xattrs_ino(st, ino, match, &w);
	*value = w.value;
	*len = w.len;
	return err == 1 ? 0 : err ? err : -ENODATA;
}
