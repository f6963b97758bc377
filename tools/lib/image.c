// SPDX-License-Identifier: GPL-2.0
/*
 * Reading files out of an unmounted volume, by path. A log that has not been
 * replayed is read through, so that nothing need be written.
 */
#include <stdlib.h>

#include "image.h"
#include "journal.h"

/**
 * lnkfs_image_open() - open a device or an image for reading
 * @img: filled in
 * @path: its name
 * @why: what is wrong with it, as a phrase, or NULL
 *
 * The core's reports are not shown: the errors that come with them are enough.
 *
 * Return: 0, or what lnkfs_volume_open() and lnkfs_volume_log_open() say; nothing is
 * left open then.
 */
int lnkfs_image_open(struct lnkfs_image *img, const char *path, const char **why)
{
	const char *log_why;
	u32 bad;
	int err;

	memset(img, 0, sizeof(*img));
	img->v.quiet = true;
	err = lnkfs_volume_open(&img->v, path, LNKFS_VOL_NO_GROUPS, why);
	if (err)
		return err;
	err = lnkfs_volume_log_open(&img->v, NULL, 0, &img->log, &log_why);
	/* The log of a volume that was unmounted cleanly is empty. */
	if (err == -ENODEV && le16_to_cpu(img->v.sb.s_state) & LNKFS_STATE_CLEAN)
		err = 0;
	if (err && log_why)
		*why = log_why;
	if (!err && lnkfs_log_pending(&img->log)) {
		err = lnkfs_log_collect(&img->log, &img->v.fs);
		if (!err)
			img->v.dev.overlay = &img->log;
	}
	if (!err)
		err = lnkfs_volume_load_groups_any(&img->v, &bad);
	if (err)
		lnkfs_image_close(img);
	return err;
}

/**
 * lnkfs_image_close() - close a volume
 * @img: volume
 */
void lnkfs_image_close(struct lnkfs_image *img)
{
	img->v.dev.overlay = NULL;
	lnkfs_log_free(&img->log);
	lnkfs_volume_close(&img->v);
}

/**
 * lnkfs_node_load() - read an inode
 * @img: volume
 * @ino: its number
 * @node: filled in
 *
 * Return: 0, -EFSCORRUPTED also where there is none; what lnkfs_inode_load() says.
 */
int lnkfs_node_load(struct lnkfs_image *img, u64 ino, struct lnkfs_node *node)
{
	int err;

	memset(&node->ci, 0, sizeof(node->ci));
	node->ci.area = node->area;
	err = lnkfs_inode_load(&img->v.fs, ino, 0, &node->ci);
	return err == -ESTALE ? -EFSCORRUPTED : err;
}

/**
 * lnkfs_node_target() - what a symlink says
 * @img: volume
 * @node: a symlink
 * @target: its target, terminated by a NUL
 *
 * Return: 0, -EINVAL for another type, what lnkfs_symlink_read_slow() says.
 */
int lnkfs_node_target(struct lnkfs_image *img, const struct lnkfs_node *node,
		      char target[LNKFS_SYMLINK_MAX + 1])
{
	int err = 0;

	if (!S_ISLNK(node->ci.mode))
		return -EINVAL;
	if (node->ci.fork == LNKFS_FORK_FAST_LINK)
		memcpy(target, node->area, node->ci.size);
	else
		err = lnkfs_symlink_read_slow(&img->v.fs, &node->ci, target);
	target[node->ci.size] = '\0';
	return err;
}

/* One component: @node, a directory, becomes what it names. */
static int step(struct lnkfs_image *img, const char *name, size_t len, struct lnkfs_node *node)
{
	struct lnkfs_name found;
	int err;

	if (!S_ISDIR(node->ci.mode))
		return -ENOTDIR;
	if (len == 1 && *name == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return lnkfs_node_load(img, node->ci.parent, node);
	if (len > LNKFS_NAME_LEN)
		return -ENAMETOOLONG;
	err = lnkfs_dir_lookup(&img->v.fs, &node->ci, name, (u32)len, &found);
	return err ? err : lnkfs_node_load(img, found.ino, node);
}

/* What is left of a path, with the target of the symlink just met before it. */
static int splice(char **rest, char **buf, const char *target)
{
	char *new = malloc(strlen(target) + strlen(*rest) + 1);

	if (!new)
		return -ENOMEM;
	strcpy(new, target);
	strcat(new, *rest);
	free(*buf);
	*buf = new;
	*rest = new;
	return 0;
}

/* Follow the link in @node, found in directory @dir. */
static int follow_link(struct lnkfs_image *img, struct lnkfs_node *node, u64 dir, char **rest,
		       char **buf)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	int err = lnkfs_node_target(img, node, target);

	if (!err)
		err = splice(rest, buf, target);
	return err ? err : lnkfs_node_load(img, *target == '/' ? img->v.fs.root_ino : dir, node);
}

/**
 * lnkfs_image_find() - find an inode by its path
 * @img: volume
 * @path: from the root on, a slash before it or not
 * @follow: follow a symlink that the path ends in
 * @node: filled in
 *
 * Symlinks are followed as if the volume were the whole tree.
 *
 * Return: 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG, -ELOOP, -ENOMEM, what reading says.
 */
int lnkfs_image_find(struct lnkfs_image *img, const char *path, bool follow,
		     struct lnkfs_node *node)
{
	char *buf = strdup(path), *rest = buf;
	unsigned int links = 0;
	size_t len;
	u64 dir;
	int err;

	if (!buf)
		return -ENOMEM;
	err = lnkfs_node_load(img, img->v.fs.root_ino, node);
	while (!err && *rest) {
		bool slash = *rest == '/';

		rest += strspn(rest, "/");
		len = strcspn(rest, "/");
		if (!len) {
			/* A slash at the end asks for a directory. */
			if (slash && !S_ISDIR(node->ci.mode))
				err = -ENOTDIR;
			break;
		}
		dir = node->ci.ino;
		err = step(img, rest, len, node);
		rest += len;
		if (!err && S_ISLNK(node->ci.mode) && (follow || *rest)) {
			if (++links > LNKFS_IMAGE_LINKS)
				err = -ELOOP;
			else
				err = follow_link(img, node, dir, &rest, &buf);
		}
	}
	free(buf);
	return err;
}

/**
 * lnkfs_node_extent() - what is at a position of a regular file
 * @img: volume
 * @node: the file
 * @pos: byte, before its end
 * @len: set to the bytes from there on that are of the same kind
 * @at: set to the byte of the volume that holds @pos, or 0: they are zeroes
 *
 * Return: 0, or what lnkfs_ext_lookup() says.
 */
int lnkfs_node_extent(struct lnkfs_image *img, struct lnkfs_node *node, u64 pos, u64 *len,
		      u64 *at)
{
	struct lnkfs_fs *fs = &img->v.fs;
	u64 lblk = pos >> fs->block_bits, end;
	struct lnkfs_ext ext;
	int err;

	err = lnkfs_ext_lookup(fs, &node->ci, lblk, &ext);
	if (err)
		return err;
	end = ext.lblk + ext.len < LNKFS_MAX_LBLK >> 1 ?
	      (ext.lblk + ext.len) << fs->block_bits : node->ci.size;
	*len = min_t(u64, end, node->ci.size) - pos;
	*at = 0;
	if (!(ext.flags & (LNKFS_EXT_HOLE | LNKFS_EXT_UNWRITTEN)))
		*at = (ext.block << fs->block_bits) + (pos - (ext.lblk << fs->block_bits));
	return 0;
}

/* Read from the device, which transfers whole KiB only. */
static int read_bytes(struct lnkfs_image *img, u64 at, u8 *buf, size_t len)
{
	u8 edge[1024];
	int err = 0;

	while (len && !err) {
		size_t skip = at % sizeof(edge), n;

		if (!skip && len >= sizeof(edge)) {
			n = len - len % sizeof(edge);
			err = lnkfs_dev_read(&img->v.dev, at, buf, n);
		} else {
			n = min_t(size_t, len, sizeof(edge) - skip);
			err = lnkfs_dev_read(&img->v.dev, at - skip, edge, sizeof(edge));
			memcpy(buf, edge + skip, n);
		}
		at += n;
		buf += n;
		len -= n;
	}
	return err;
}

/**
 * lnkfs_node_read() - read from a regular file
 * @img: volume
 * @node: the file
 * @pos: first byte
 * @buf: where to
 * @len: bytes; @pos + @len is not past the end
 *
 * Return: 0, or what lnkfs_ext_lookup() and reading say.
 */
int lnkfs_node_read(struct lnkfs_image *img, struct lnkfs_node *node, u64 pos, void *buf,
		    size_t len)
{
	u8 *p = buf;
	u64 run, at;
	int err;

	while (len) {
		err = lnkfs_node_extent(img, node, pos, &run, &at);
		if (err)
			return err;
		run = min_t(u64, run, len);
		if (at)
			err = read_bytes(img, at, p, run);
		else
			memset(p, 0, run);
		if (err)
			return err;
		pos += run;
		p += run;
		len -= run;
	}
	return 0;
}
