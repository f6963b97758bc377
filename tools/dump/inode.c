// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes, directories, extent maps.
 */
#include <stdlib.h>

#include "../liblnkfs/liblnkfs.h"
#include "../lnkctl/linkkind.h"
#include "../lnkctl/text.h"
#include "check_dir.h"
#include "dump.h"
#include "lnkfs.h"

static const char *const fork_names[] = {
	"none", "fast-symlink", "slow-symlink", "inline-directory", "directory", "extents",
	"device",
};
static const char *const lflag_bits[32] = {
	"sync", "dirsync", "noatime", "projinherit", "link-attribute", [31] = "truncating",
};
static const char *const link_flags[8] = { "tracked", "path-first" };

/**
 * dump_find() - the inode that the command line means
 * @d: run
 * @what: a number, or a path from the root on; symlinks are not followed
 * @ino: its number
 *
 * Return: 0, -EINVAL for neither, -ENOENT, -ENOTDIR, or what reading says.
 */
int dump_find(struct dump *d, const char *what, u64 *ino)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_fs *fs = &d->v->fs;
	struct lnkfs_name name;
	char *end;
	size_t len;
	int err;

	if (*what != '/') {
		errno = 0;
		*ino = strtoull(what, &end, 0);
		return *what < '0' || *what > '9' || *end || errno ? -EINVAL : 0;
	}
	*ino = fs->root_ino;
	for (;;) {
		struct lnkfs_cinode dir = { .area = area };

		what += strspn(what, "/");
		len = strcspn(what, "/");
		if (!len)
			return 0;
		err = lnkfs_inode_load(fs, *ino, LNKFS_IL_ORPHAN, &dir);
		if (err)
			return err == -ESTALE ? -EFSCORRUPTED : err;
		if (!S_ISDIR(dir.mode))
			return -ENOTDIR;
		if (len > LNKFS_NAME_LEN)
			return -ENAMETOOLONG;
		err = lnkfs_dir_lookup(fs, &dir, what, (u32)len, &name);
		if (err)
			return err;
		*ino = name.ino;
		what += len;
	}
}

/* A record as it stands in its block, nothing judged. */
static int read_raw(struct dump *d, u64 ino, u8 **data)
{
	struct lnkfs_fs *fs = &d->v->fs;
	u64 block = lnkfs_ino_block(fs, ino);
	int err;

	if (block >= fs->blocks)
		return -ENOENT;
	*data = malloc(fs->block_size);
	if (!*data)
		return -ENOMEM;
	err = lnkfs_dev_read(&d->v->dev, block << fs->block_bits, *data, fs->block_size);
	if (err)
		free(*data);
	return err;
}

static void show_fixed(struct out *o, const struct lnkfs_inode *di)
{
	u16 mode = le16_to_cpu(di->i_mode);
	char text[11], flags[256];

	text_mode(mode, text);
	out_text(o, "mode", text);
	out_u64(o, "links", le32_to_cpu(di->i_nlink));
	out_u64(o, "uid", le32_to_cpu(di->i_uid));
	out_u64(o, "gid", le32_to_cpu(di->i_gid));
	out_u64(o, "project", le32_to_cpu(di->i_projid));
	out_u64(o, "size", le64_to_cpu(di->i_size));
	out_u64(o, "blocks", le64_to_cpu(di->i_blocks));
	lnkfs_flags_to_text(le32_to_cpu(di->i_flags), flags, sizeof(flags));
	out_text(o, "flags", flags);
	out_bits(o, "linux_flags", le32_to_cpu(di->i_lflags), lflag_bits, ARRAY_SIZE(lflag_bits));
	out_hex(o, "generation", le32_to_cpu(di->i_gen));
	out_u64(o, "version", le64_to_cpu(di->i_version));
	out_time(o, "accessed", le64_to_cpu(di->i_atime));
	out_time(o, "modified", le64_to_cpu(di->i_mtime));
	out_time(o, "changed", le64_to_cpu(di->i_ctime));
	out_time(o, "born", le64_to_cpu(di->i_btime));
	if (S_ISDIR(mode) || di->i_parent)
		out_u64(o, "parent", le64_to_cpu(di->i_parent));
	if (di->i_parent_pos)
		out_u64(o, "parent_position", le64_to_cpu(di->i_parent_pos));
	if (di->i_fork < ARRAY_SIZE(fork_names))
		out_text(o, "fork", fork_names[di->i_fork]);
	else
		out_u64(o, "fork", di->i_fork);
	out_u64(o, "fork_bytes", le16_to_cpu(di->i_fork_len));
	out_u64(o, "xattr_bytes", di->i_xattr_len * 8);
	out_u64(o, "xattr_block", le32_to_cpu(di->i_xattr_lo) |
				  (u64)le16_to_cpu(di->i_xattr_hi) << 32);
}

static void show_slow_link(struct dump *d, const struct lnkfs_cinode *ci)
{
	const struct lnkfs_slow_link *sl = (const void *)ci->area;
	char target[LNKFS_SYMLINK_MAX + 1];
	struct out *o = &d->o;
	int err;

	out_u64(o, "body_block", le64_to_cpu(sl->l_block));
	out_u64(o, "body_blocks", le32_to_cpu(sl->l_blocks));
	err = lnkfs_symlink_read_slow(&d->v->fs, ci, target);
	if (err)
		out_text(o, "problem", strerror(-err));
	else
		out_bytes(o, "target", target, (size_t)ci->size);
}

/* What a symlink is besides its target. */
static void show_link_attr(struct dump *d, struct lnkfs_cinode *ci)
{
	struct lnkfs_link_attr la;
	struct out *o = &d->o;
	int err;

	if (!(ci->lflags & LNKFS_LF_LINK))
		return;
	out_object(o, "link");
	err = lnkfs_link_attr_get(&d->v->fs, ci, &la);
	if (err) {
		out_text(o, "problem", strerror(-err));
	} else {
		out_text(o, "kind", linkkind_name(la.la_kind));
		out_bits(o, "flags", la.la_flags, link_flags, ARRAY_SIZE(link_flags));
	}
	if (!err && la.la_flags & LNKFS_LINK_TRACKED) {
		out_u64(o, "inode", le64_to_cpu(la.la_ino));
		out_hex(o, "generation", le32_to_cpu(la.la_gen));
	}
	out_end(o);
}

/* What the fork holds; the record has been checked. */
static void show_fork(struct dump *d, struct lnkfs_cinode *ci)
{
	const struct lnkfs_device *dev = (const void *)ci->area;
	struct out *o = &d->o;

	switch (ci->fork) {
	case LNKFS_FORK_FAST_LINK:
		out_bytes(o, "target", ci->area, (size_t)ci->size);
		break;
	case LNKFS_FORK_SLOW_LINK:
		show_slow_link(d, ci);
		break;
	case LNKFS_FORK_DEVICE:
		out_u64(o, "major", le32_to_cpu(dev->v_major));
		out_u64(o, "minor", le32_to_cpu(dev->v_minor));
		break;
	case LNKFS_FORK_EXTENTS:
	case LNKFS_FORK_DIR_BLOCKS:
		out_u64(o, "extent_tree_levels", lnkfs_ext_level(&d->v->fs, ci));
		break;
	default:
		break;
	}
}

static int show_xattr(void *ctx, const struct lnkfs_xattr_key *key, u32 value_len)
{
	struct out *o = ctx;

	out_row(o);
	out_u64(o, "space", key->space);
	out_bytes(o, "name", key->name, key->name_len);
	out_u64(o, "bytes", value_len);
	out_end(o);
	return 0;
}

/* All attributes, in the record and outside. */
static void show_xattrs(struct dump *d, struct lnkfs_cinode *ci)
{
	int err;

	if (!ci->xattr_len && !ci->xattr_block)
		return;
	out_list(&d->o, "attributes");
	err = lnkfs_xattr_iterate(&d->v->fs, ci, show_xattr, &d->o);
	out_end(&d->o);
	if (err < 0)
		out_text(&d->o, "problem", strerror(-err));
}

/**
 * dump_record() - show the inode record that begins at a slot, as an object
 * @d: run
 * @data: its block
 * @block: number of that
 * @slot: the slot
 */
void dump_record(struct dump *d, const void *data, u64 block, u32 slot)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	const struct lnkfs_inode *di = (const void *)((const u8 *)data + slot * LNKFS_SLOT_SIZE);
	struct lnkfs_cinode ci = { .area = area };
	struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;
	int err;

	out_object(o, "inode");
	out_u64(o, "number", (block << fs->slot_bits) + slot);
	out_u64(o, "block", block);
	out_u64(o, "slot", slot);
	out_u64(o, "slots", di->i_slot.sl_count);
	err = lnkfs_verify_record(fs, data, block, slot);
	if (!err)
		err = lnkfs_inode_decode(fs, data, block, slot, &ci);
	if (!err)
		err = lnkfs_inode_check(fs, &ci);
	if (err)
		out_text(o, "problem", strerror(-err));
	show_fixed(o, di);
	if (!err) {
		show_fork(d, &ci);
		show_link_attr(d, &ci);
		show_xattrs(d, &ci);
	}
	out_end(o);
}

/**
 * dump_inode() - show an inode, also a damaged one
 * @d: run
 * @ino: its number
 *
 * Return: 0, -ENOENT when no record begins there, or what reading says.
 */
int dump_inode(struct dump *d, u64 ino)
{
	struct lnkfs_fs *fs = &d->v->fs;
	u32 slot = lnkfs_ino_slot(fs, ino);
	const struct lnkfs_slot *sl;
	u8 *data;
	int err;

	err = read_raw(d, ino, &data);
	if (err)
		return err;
	sl = (const void *)(data + slot * LNKFS_SLOT_SIZE);
	if (le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC && sl->sl_type == LNKFS_SLOT_HEAD)
		dump_record(d, data, lnkfs_ino_block(fs, ino), slot);
	else
		err = -ENOENT;
	free(data);
	return err ? err : dump_names(d, ino);
}

struct tree_show {
	struct dump *d;
	u64 extents;
	u64 blocks;
};

static int show_extent(void *arg, u64 key, const void *value)
{
	struct tree_show *s = arg;
	struct out *o = &s->d->o;
	struct lnkfs_extent x;

	memcpy(&x, value, sizeof(x));
	s->extents++;
	s->blocks += le32_to_cpu(x.x_len);
	out_row(o);
	out_u64(o, "logical", key);
	out_u64(o, "block", le64_to_cpu(x.x_block));
	out_u64(o, "length", le32_to_cpu(x.x_len));
	out_text(o, "state", le32_to_cpu(x.x_flags) & LNKFS_EXT_UNWRITTEN ? "unwritten" :
		 "written");
	out_end(o);
	return 0;
}

static int show_node(void *ctx, u64 block, enum lnkfs_btype type)
{
	struct tree_show *s = ctx;

	if (type != LNKFS_B_BTREE)
		return 0;
	out_row(&s->d->o);
	out_u64(&s->d->o, "node", block);
	out_end(&s->d->o);
	return 0;
}

static void show_message(void *ctx, const char *text)
{
	struct tree_show *s = ctx;

	out_row(&s->d->o);
	out_text(&s->d->o, "problem", text);
	out_end(&s->d->o);
}

/* The extent root of a file or directory; false: there is none. */
static bool extent_root(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, struct lnkfs_btree *bt)
{
	const struct lnkfs_dir_fork *dir = (const void *)ci->area;

	*bt = (struct lnkfs_btree) {
		.fs = fs, .ci = ci, .root = ci->area, .root_size = ci->fork_len,
		.vsize = sizeof(struct lnkfs_extent), .tree = LNKFS_TREE_EXTENT,
	};
	if (ci->fork == LNKFS_FORK_DIR_BLOCKS) {
		bt->root = ci->area + sizeof(*dir);
		bt->root_size = le16_to_cpu(dir->f_ext_len);
	}
	return ci->fork == LNKFS_FORK_EXTENTS || ci->fork == LNKFS_FORK_DIR_BLOCKS;
}

/**
 * dump_extents() - show where an inode's blocks are, tree nodes included
 * @d: run
 * @ino: its number
 *
 * Return: 0, or what lnkfs_inode_load() says.
 */
int dump_extents(struct dump *d, u64 ino)
{
	static const struct lnkfs_check_ops ops = { .block = show_node, .message = show_message };
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_cinode ci = { .area = area };
	struct tree_show s = { .d = d };
	struct lnkfs_fs *fs = &d->v->fs;
	struct lnkfs_check ck = { .fs = fs, .ci = &ci, .ops = &ops, .ctx = &s };
	struct lnkfs_btree bt;
	u64 nodes = 0;
	int err;

	err = lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci);
	if (err)
		return err;
	out_object(&d->o, "extent_map");
	out_u64(&d->o, "inode", ino);
	out_list(&d->o, "map");
	if (extent_root(fs, &ci, &bt))
		err = lnkfs_check_tree(&ck, &bt, show_extent, &s, &nodes);
	out_end(&d->o);
	out_u64(&d->o, "extents", s.extents);
	out_u64(&d->o, "blocks", s.blocks);
	out_u64(&d->o, "nodes", nodes);
	out_end(&d->o);
	return err;
}

static const char *dtype_name(u8 type)
{
	static const char *const names[] = {
		[DT_FIFO] = "fifo", [DT_CHR] = "char", [DT_DIR] = "dir", [DT_BLK] = "block",
		[DT_REG] = "file", [DT_LNK] = "symlink", [DT_SOCK] = "socket",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "?";
}

static int show_entry(void *ctx, const struct lnkfs_name *name)
{
	struct tree_show *s = ctx;
	struct out *o = &s->d->o;

	out_row(o);
	out_u64(o, "position", name->pos);
	out_u64(o, "inode", name->ino);
	out_text(o, "type", dtype_name(name->type));
	out_hex(o, "hash", lnkfs_dir_hash(&s->d->v->fs, name->name, name->len));
	out_bytes(o, "name", name->name, name->len);
	out_end(o);
	return 0;
}

static int show_key(void *arg, u64 key, const void *value)
{
	struct tree_show *s = arg;
	struct out *o = &s->d->o;

	(void)value;
	out_row(o);
	if (key & LNKFS_DIR_ROOM_KEY) {
		out_u64(o, "room_class", key >> 32 & 0x7fffffff);
		out_u64(o, "logical", key & 0xffffffff);
	} else {
		out_hex(o, "hash", key >> 32);
		out_u64(o, "position", (key & 0xffffffff) * 8);
	}
	out_end(o);
	return 0;
}

static int show_index(struct dump *d, struct lnkfs_cinode *ci, struct tree_show *s)
{
	static const struct lnkfs_check_ops ops = { .block = show_node, .message = show_message };
	const struct lnkfs_dir_fork *f = (const void *)ci->area;
	struct lnkfs_check ck = { .fs = &d->v->fs, .ci = ci, .ops = &ops, .ctx = s };
	const struct lnkfs_btree bt = {
		.fs = &d->v->fs, .ci = ci,
		.root = ci->area + sizeof(*f) + le16_to_cpu(f->f_ext_len),
		.root_size = le16_to_cpu(f->f_idx_len), .tree = LNKFS_TREE_DIR,
	};
	u64 nodes = 0;
	int err;

	out_list(&d->o, "index");
	err = lnkfs_check_tree(&ck, &bt, show_key, s, &nodes);
	out_end(&d->o);
	return err;
}

/**
 * dump_dir() - show the entries and the index of a directory
 * @d: run
 * @ino: its number
 *
 * Return: 0, -ENOTDIR, or what lnkfs_inode_load() says.
 */
int dump_dir(struct dump *d, u64 ino)
{
	static const struct lnkfs_check_ops ops = { .entry = show_entry, .message = show_message };
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_cinode ci = { .area = area };
	struct lnkfs_check_dir_result res;
	struct tree_show s = { .d = d };
	struct out *o = &d->o;
	int err;

	err = lnkfs_inode_load(&d->v->fs, ino, LNKFS_IL_ORPHAN, &ci);
	if (!err && !S_ISDIR(ci.mode))
		err = -ENOTDIR;
	if (err)
		return err;
	out_object(o, "directory");
	out_u64(o, "inode", ino);
	out_u64(o, "parent", ci.parent);
	out_text(o, "form", fork_names[ci.fork]);
	out_list(o, "entries");
	err = lnkfs_check_dir(&d->v->fs, &ci, &ops, &s, &res);
	out_end(o);
	out_u64(o, "names", res.entries);
	out_u64(o, "blocks", res.blocks);
	out_u64(o, "nodes", res.nodes);
	out_u64(o, "problems", res.problems);
	if (!err && ci.fork == LNKFS_FORK_DIR_BLOCKS)
		err = show_index(d, &ci, &s);
	out_end(o);
	return err;
}
