// SPDX-License-Identifier: GPL-2.0
/*
 * The core changes a hostile volume, as the module would: names, extents, attributes,
 * targets, inodes, orphans.
 */
#include "fuzzer.h"

#define OPS	24

/**
 * struct change_ctx - a volume being changed
 * @v: it
 * @sound: the sound volume that it comes from
 * @node: inode at hand
 * @tx: transaction at hand
 */
struct change_ctx {
	struct lnkfs_volume v;
	const struct volume *sound;
	struct lnkfs_node node;
	lnkfs_tx tx;
};

/* A transaction with the credits that the module gives to such a change. */
static lnkfs_tx *begin(struct change_ctx *c, u32 credits)
{
	lnkfs_tx_begin(&c->tx, &c->v, credits + LNKFS_CREDITS_STORE);
	return &c->tx;
}

/* The record follows every change, also one that failed. */
static void end(struct change_ctx *c)
{
	lnkfs_inode_store(&c->tx, &c->v.fs, &c->node.ci);
	lnkfs_tx_end(&c->tx);
}

static u32 some_name(struct change_ctx *c, char *name)
{
	const struct object *de = chance(2) ? pick_kind(c->sound, K_DIRENT) : NULL;
	u32 len = 1 + chance(chance(3) ? 20 : 255);

	if (de) {
		len = (u32)strlen(de->name);
		memcpy(name, de->name, len);
	} else {
		memset(name, 'a' + (int)chance(26), len);
	}
	return len;
}

static void change_dir(struct change_ctx *c)
{
	struct lnkfs_fs *fs = &c->v.fs;
	struct lnkfs_cinode *dir = &c->node.ci;
	char name[LNKFS_NAME_LEN + 1];
	u32 len, n = 1 + chance(20);
	u64 pos;

	while (n--) {
		len = some_name(c, name);
		begin(c, max(lnkfs_dir_add_credits(fs, dir), lnkfs_dir_remove_credits(fs, dir)));
		switch (chance(5)) {
		case 0:
			lnkfs_dir_remove(&c->tx, fs, dir, name, len);
			break;
		case 1:
			lnkfs_dir_replace(&c->tx, fs, dir, name, len, fs->root_ino, 4);
			break;
		case 2:
			lnkfs_dir_trim(&c->tx, fs, dir);
			break;
		default:
			lnkfs_dir_add(&c->tx, fs, dir, name, len, dir->ino, 4, &pos);
		}
		end(c);
		if (dir->fork != LNKFS_FORK_DIR_INLINE && dir->fork != LNKFS_FORK_DIR_BLOCKS)
			die("a directory has become something else");
	}
}

static u64 some_lblk(void)
{
	return chance(4) ? chance(3000) : chance64() >> (13 + chance(50));
}

static void map_some(struct change_ctx *c, u64 lblk)
{
	struct lnkfs_fs *fs = &c->v.fs;
	struct lnkfs_ext ext = { .lblk = lblk };
	u32 want = 1 + chance(6), got;

	begin(c, lnkfs_ext_insert_credits(fs, &c->node.ci) + LNKFS_CREDITS_ALLOC);
	if (lnkfs_balloc(&c->tx, fs, chance64() >> chance(64), 1, want, 0, &ext.block, &got))
		return;
	ext.len = got;
	ext.flags = chance(2) ? LNKFS_EXT_UNWRITTEN : 0;
	if (lnkfs_ext_insert(&c->tx, fs, &c->node.ci, &ext))
		lnkfs_bfree(&c->tx, fs, ext.block, got);
}

static void shift(struct change_ctx *c, u64 lblk)
{
	struct lnkfs_shift s = {
		.from = lblk,
		.to = lblk + 1 + chance(2000),
		.dist = 1 + chance(50),
		.right = chance(2),
	};
	u32 n = 20;

	if (!s.right && s.from < s.dist)
		s.right = true;
	begin(c, 0);
	c->tx.credits = 0;
	while (n-- && s.from < s.to)
		if (lnkfs_ext_shift(&c->tx, &c->v.fs, &c->node.ci, &s, LNKFS_SHIFT_MIN) <= 0)
			break;
}

static void change_file(struct change_ctx *c)
{
	struct lnkfs_fs *fs = &c->v.fs;
	struct lnkfs_cinode *ci = &c->node.ci;
	u32 n = 1 + chance(12);
	u64 lblk, done;

	while (n--) {
		lblk = some_lblk();
		switch (chance(8)) {
		case 0:
			begin(c, lnkfs_ext_remove_credits(fs, ci, 8));
			lnkfs_ext_remove(&c->tx, fs, ci, lblk, lblk + 1 + chance(5000), 8);
			break;
		case 1:
			begin(c, lnkfs_ext_convert_credits(fs, ci));
			lnkfs_ext_convert(&c->tx, fs, ci, lblk, 1 + chance(20), &done);
			break;
		case 2:
			begin(c, lnkfs_ext_convert_credits(fs, ci));
			lnkfs_ext_unwrite(&c->tx, fs, ci, lblk, 1 + chance(20), &done);
			break;
		case 3:
			begin(c, lnkfs_ext_split_credits(fs, ci));
			lnkfs_ext_split(&c->tx, fs, ci, lblk);
			break;
		case 4:
			begin(c, lnkfs_ext_merge_credits(fs, ci));
			lnkfs_ext_merge(&c->tx, fs, ci, lblk);
			break;
		case 5:
			shift(c, lblk);
			break;
		default:
			map_some(c, lblk);
		}
		end(c);
	}
}

static void change_xattrs(struct change_ctx *c)
{
	static const char *const names[] = { "color", "new", "name3", "large", "largest",
					     "a rather long name 7", "a rather long name 40" };
	static u8 value[LNKFS_XATTR_VALUE_MAX];
	struct lnkfs_fs *fs = &c->v.fs;
	u32 n = 1 + chance(8), len;

	while (n--) {
		struct lnkfs_xattr_key key = { .space = (u8)(1 + chance(3)) };

		key.name = names[chance(ARRAY_SIZE(names))];
		key.name_len = (u8)strlen(key.name);
		len = !chance(3) ? 0 : chance(3) ? chance(400) : chance(sizeof(value));
		if (!chance(8)) {
			begin(c, lnkfs_xattr_free_credits());
			lnkfs_xattr_free(&c->tx, fs, &c->node.ci);
		} else {
			begin(c, lnkfs_xattr_set_credits(fs, &c->node.ci, key.name_len, len));
			lnkfs_xattr_set(&c->tx, fs, &c->node.ci, &key, len ? value : NULL, len, 0);
		}
		end(c);
	}
}

static void change_link(struct change_ctx *c)
{
	struct lnkfs_cinode *ci = &c->node.ci;
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_link_attr la = { 0 };

	la.la_kind = (u8)(1 + chance(4));
	begin(c, lnkfs_xattr_set_credits(&c->v.fs, ci, 0, sizeof(la)));
	lnkfs_link_attr_set(&c->tx, &c->v.fs, ci, chance(3) ? &la : NULL);
	end(c);
	lnkfs_link_attr_get(&c->v.fs, ci, &la);
	if (ci->fork != LNKFS_FORK_SLOW_LINK)
		return;
	lnkfs_symlink_read_slow(&c->v.fs, ci, target);
	lnkfs_symlink_free_slow(begin(c, LNKFS_CREDITS_SLOW_LINK), &c->v.fs, ci);
	end(c);
}

static void make_inode(struct change_ctx *c)
{
	struct lnkfs_fs *fs = &c->v.fs;
	u32 slots = 1 + chance(min(8u, 1u << fs->slot_bits)), from = 0;
	bool dir = chance(2);
	u64 ino, block;

	begin(c, LNKFS_CREDITS_IALLOC);
	if (!lnkfs_ialloc(&c->tx, fs, chance(fs->groups), slots, dir, &ino)) {
		lnkfs_tx_end(&c->tx);
		begin(c, LNKFS_CREDITS_IFREE + LNKFS_CREDITS_ORPHAN);
		if (!lnkfs_orphan_add(&c->tx, fs, ino)) {
			lnkfs_orphan_next(fs, chance(fs->groups), &from, &block);
			lnkfs_orphan_del(fs, ino);
		}
		if (chance(2))
			lnkfs_ifree(&c->tx, fs, ino, slots, dir);
	}
	lnkfs_tx_end(&c->tx);
}

static void change_one(struct change_ctx *c)
{
	struct lnkfs_fs *fs = &c->v.fs;
	u64 ino = pick_kind(c->sound, K_INODE)->ino;
	struct lnkfs_cinode *ci = &c->node.ci;

	memset(&c->node, 0, sizeof(c->node));
	ci->area = c->node.area;
	if (lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, ci))
		return;
	if (!chance(4))
		change_xattrs(c);
	else if (S_ISDIR(ci->mode))
		change_dir(c);
	else if (S_ISREG(ci->mode))
		change_file(c);
	else if (S_ISLNK(ci->mode))
		change_link(c);
	if (!chance(4))
		make_inode(c);
	if (chance(6))
		return;
	begin(c, LNKFS_CREDITS_IFREE);
	lnkfs_ifree(&c->tx, fs, ci->ino, ci->slots, S_ISDIR(ci->mode));
	lnkfs_tx_end(&c->tx);
}

/**
 * change_volume() - change a hostile volume
 * @path: its image
 * @sound: the sound volume that it was made of
 */
void change_volume(const char *path, const struct volume *sound)
{
	static struct change_ctx c;
	u32 n = 1 + chance(OPS);
	const char *why;

	memset(&c, 0, sizeof(c));
	c.v.quiet = true;
	c.v.strict = true;
	c.sound = sound;
	if (lnkfs_volume_open(&c.v, path, LNKFS_DEV_WRITE, &why))
		return;
	while (n--)
		change_one(&c);
	lnkfs_cache_flush(&c.v);
	lnkfs_volume_close(&c.v);
}
