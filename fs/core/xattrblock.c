// SPDX-License-Identifier: GPL-2.0
/*
 * The external area of extended attributes: its blocks, and values that have
 * blocks of their own. Leaves and their tree are in xattrleaf.c.
 *
 * A large value stands in blocks each of which has a header: text from the
 * outside is never at the start of a block.
 */
#include "xattr.h"

#ifndef LNKFS_XATTR_HASH_MASK
#define LNKFS_XATTR_HASH_MASK	(~0ULL)	/* tests narrow it to force collisions */
#endif

/**
 * lnkfs_xattr_corrupt() - report a contradiction
 * @fs: volume
 * @ci: inode
 * @block: block concerned
 * @what: what is wrong
 *
 * Return: -EFSCORRUPTED.
 */
int lnkfs_xattr_corrupt(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u64 block,
			const char *what)
{
	return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, block, "%s", what);
}

/**
 * lnkfs_xattr_hash() - hash of an attribute
 * @fs: volume
 * @key: the attribute
 */
u64 lnkfs_xattr_hash(const struct lnkfs_fs *fs, const struct lnkfs_xattr_key *key)
{
	u8 text[1 + 255];

	text[0] = key->space;
	if (key->name_len)
		memcpy(text + 1, key->name, key->name_len);
	return lnkfs_siphash(fs->hash_seed, text, 1 + key->name_len) & LNKFS_XATTR_HASH_MASK;
}

/**
 * lnkfs_xattr_entry_hash() - hash of the attribute of an entry
 * @fs: volume
 * @e: entry that lies within its run
 */
u64 lnkfs_xattr_entry_hash(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e)
{
	struct lnkfs_xattr_key key;

	lnkfs_xattr_entry_key(e, &key);
	return lnkfs_xattr_hash(fs, &key);
}

/* ---- blocks ---- */

/* Contents of a leaf: sound entries of different names in the order of hashes. */
static bool leaf_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_block *xb)
{
	u32 used = le16_to_cpu(xb->x_used), count = 0;
	u8 *run = (u8 *)xb->x_data;
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 off, size, group = 0, other;
	u64 hash, last = 0;

	if (used > lnkfs_xattr_room(fs) || used % 8 || xb->x_index || xb->x_hash)
		return false;
	for (off = 0; off < used; off += size, count++) {
		e = lnkfs_xattr_entry(run, used, off, &size);
		if (!e || !lnkfs_xattr_entry_sound(fs, e))
			return false;
		lnkfs_xattr_entry_key(e, &key);
		hash = lnkfs_xattr_hash(fs, &key);
		if (hash < last)
			return false;
		if (hash != last)
			group = off;
		/* Of the same hash only itself may have its name. */
		if (lnkfs_xattr_run_find(run + group, used - group, &key, &other) ||
		    group + other != off)
			return false;
		last = hash;
	}
	return count == le16_to_cpu(xb->x_count) &&
	       !memchr_inv(run + used, 0, lnkfs_xattr_room(fs) - used);
}

static bool value_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_block *xb)
{
	u32 used = le16_to_cpu(xb->x_used);

	return used && used <= lnkfs_xattr_room(fs) && !xb->x_count &&
	       !memchr_inv(xb->x_data + used, 0, lnkfs_xattr_room(fs) - used);
}

/**
 * lnkfs_xattr_tree() - set up the tree of leaves
 * @fs: volume
 * @ci: inode; NULL for a check of the root alone
 * @head: its head block
 * @bt: filled in
 */
void lnkfs_xattr_tree(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, void *head,
		      struct lnkfs_btree *bt)
{
	bt->fs = fs;
	bt->ci = ci;
	bt->root = ((struct lnkfs_xattr_block *)head)->x_data;
	bt->root_size = lnkfs_xattr_room(fs);
	bt->home = ci ? ci->xattr_block : 0;
	bt->home_buf = NULL;
	bt->vsize = sizeof(__le64);
	bt->tree = LNKFS_TREE_XATTR;
}

static bool head_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_block *xb)
{
	struct lnkfs_btree bt;

	lnkfs_xattr_tree((struct lnkfs_fs *)fs, NULL, (void *)xb, &bt);
	return !xb->x_used && !xb->x_count && !xb->x_index && !xb->x_hash &&
	       lnkfs_btree_root_sound(&bt) &&
	       lnkfs_btree_level(&bt) <= LNKFS_XATTR_MAX_LEVEL &&
	       ((const struct lnkfs_btree_root *)bt.root)->bt_count;
}

/**
 * lnkfs_xattr_check_block() - check what a block can say about itself
 * @fs: volume
 * @data: the block, its header already verified
 *
 * Return: 0 or -EFSCORRUPTED; reporting is left to the caller.
 */
int lnkfs_xattr_check_block(const struct lnkfs_fs *fs, const void *data)
{
	const struct lnkfs_xattr_block *xb = data;
	bool sound = false;

	switch (xb->x_kind) {
	case LNKFS_XBLOCK_LEAF:
		sound = leaf_sound(fs, xb);
		break;
	case LNKFS_XBLOCK_HEAD:
		sound = head_sound(fs, xb);
		break;
	case LNKFS_XBLOCK_VALUE:
		sound = value_sound(fs, xb);
		break;
	}
	if (xb->x_pad0 || memchr_inv(xb->x_pad1, 0, sizeof(xb->x_pad1)))
		sound = false;
	return sound ? 0 : -EFSCORRUPTED;
}

/**
 * lnkfs_xattr_bread() - read a block of the external area
 * @fs: volume
 * @ci: inode
 * @block: its number, from wherever
 * @out: gets it; NULL on an error
 *
 * Return: 0, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_xattr_bread(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block, lnkfs_buf **out)
{
	*out = NULL;
	if (!lnkfs_block_valid(fs, block, 1))
		return lnkfs_xattr_corrupt(fs, ci, block, "attributes where none can be");
	return lnkfs_bread(fs, block, LNKFS_B_XATTR, ci->ino, ci->gen, out);
}

/* A fresh block with write access; the caller dirties it. */
static int block_new(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
		     u64 block, u8 kind, lnkfs_buf **out)
{
	struct lnkfs_xattr_block *xb;
	int err;

	err = lnkfs_bnew(tx, fs, block, LNKFS_B_XATTR, out);
	if (err)
		return err;
	xb = lnkfs_bdata(*out);
	lnkfs_header_init(fs, xb, LNKFS_B_XATTR, block, ci->ino, ci->gen);
	xb->x_kind = kind;
	return 0;
}

/**
 * lnkfs_xattr_balloc() - allocate a block and make it a leaf or a head
 * @tx: transaction
 * @fs: volume
 * @ci: inode
 * @kind: LNKFS_XBLOCK_*
 * @out: gets it, empty, with write access; the caller dirties and puts it
 *
 * Return: 0 or an error of lnkfs_balloc() or lnkfs_bnew() with nothing changed.
 */
int lnkfs_xattr_balloc(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u8 kind,
		       lnkfs_buf **out)
{
	u64 goal = ci->xattr_block ? ci->xattr_block : lnkfs_ino_block(fs, ci->ino);
	u64 block;
	u32 got;
	int err;

	err = lnkfs_balloc(tx, fs, goal + 1, 1, 1, 0, &block, &got);
	if (err)
		return err;
	err = block_new(tx, fs, ci, block, kind, out);
	if (err)
		lnkfs_bfree(tx, fs, block, 1);
	else
		ci->blocks++;
	return err;
}

/*
 * Free blocks that nothing leads to any more, @used of them with buffers. When
 * that fails the attributes are right all the same; the blocks stay in use until
 * the volume is checked, and the failure is on record.
 */
static void blocks_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block,
			u32 len, u32 used)
{
	int err = lnkfs_bfreeable(fs, block, used, LNKFS_B_XATTR, ci->ino, ci->gen);
	u32 i;

	if (!err)
		err = lnkfs_bfree(tx, fs, block, len);
	if (err)
		lnkfs_report(fs, err, ci->ino, block, "blocks of attributes are lost");
	for (i = 0; i < used && !err; i++)
		err = lnkfs_bforget_unread(tx, fs, block + i, LNKFS_B_XATTR, ci->ino, ci->gen);
	ci->blocks -= min_t(u64, ci->blocks, len);
}

/**
 * lnkfs_xattr_bfree() - free a leaf or head that nothing leads to any more
 * @tx: transaction
 * @fs: volume
 * @ci: inode
 * @buf: the block; its reference is put
 */
void lnkfs_xattr_bfree(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		       lnkfs_buf *buf)
{
	u64 block = lnkfs_bblock(buf);

	lnkfs_bput(buf);
	blocks_free(tx, fs, ci, block, 1, 1);
}

/* ---- values in blocks of their own ---- */

/**
 * lnkfs_xattr_value_free() - free the blocks of a value that nothing leads to
 * @tx: transaction
 * @fs: volume
 * @ci: inode
 * @value: where it is
 */
void lnkfs_xattr_value_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			    const struct lnkfs_xattr_value *value)
{
	u32 i, len;

	for (i = 0; i < value->nr; i++) {
		len = lnkfs_xattr_extent_len(value->x[i]);
		blocks_free(tx, fs, ci, lnkfs_xattr_extent_block(value->x[i]), len, len);
	}
}

/* Write the part of a value that goes into @count blocks from @first on. */
static int value_write_run(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			   u64 hash, const u8 *value, u32 len, u64 first, u32 count, u32 index)
{
	u32 room = lnkfs_xattr_room(fs);
	struct lnkfs_xattr_block *xb;
	lnkfs_buf *buf;
	u32 i, part;
	int err;

	for (i = 0; i < count; i++, index++) {
		part = min(room, len - index * room);
		err = block_new(tx, fs, ci, first + i, LNKFS_XBLOCK_VALUE, &buf);
		if (err) {
			blocks_free(tx, fs, ci, first, count, i);
			return err;
		}
		xb = lnkfs_bdata(buf);
		xb->x_used = cpu_to_le16(part);
		xb->x_index = cpu_to_le16(index);
		xb->x_hash = cpu_to_le64(hash);
		memcpy(xb->x_data, value + index * room, part);
		lnkfs_bdirty(tx, fs, buf);
		lnkfs_bput(buf);
	}
	return 0;
}

/**
 * lnkfs_xattr_value_write() - put a value into new blocks
 * @tx: transaction
 * @fs: volume
 * @ci: inode
 * @hash: hash of the attribute
 * @value: the value
 * @len: its length, not 0
 * @vp: says where it is
 *
 * Return: 0; -ENOSPC, also when free space is too fragmented; -EIO, -ENOMEM,
 * -EROFS, -EFSCORRUPTED, -EFSBADCRC. On an error nothing has been allocated.
 */
int lnkfs_xattr_value_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			    u64 hash, const u8 *value, u32 len, struct lnkfs_xattr_value *vp)
{
	u32 left = lnkfs_xattr_value_blocks(fs, len), index = 0;
	u64 goal = lnkfs_ino_block(fs, ci->ino) + 1, block;
	u32 runs, got;
	int err;

	for (vp->nr = 0; left; left -= got) {
		runs = LNKFS_XATTR_EXTENTS - vp->nr;
		err = lnkfs_balloc(tx, fs, goal, (left + runs - 1) / runs, left, 0, &block, &got);
		if (err)
			goto undo;
		ci->blocks += got;
		err = value_write_run(tx, fs, ci, hash, value, len, block, got, index);
		if (err)
			goto undo;
		vp->x[vp->nr++] = cpu_to_le64(block | (u64)got << 48);
		goal = block + got;
		index += got;
	}
	return 0;
undo:
	lnkfs_xattr_value_free(tx, fs, ci, vp);
	return err;
}

/* Read the block of a value that has number @index, which is @part bytes long. */
static int value_read_block(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block, u64 hash,
			    u32 index, u32 part, u8 *to)
{
	const struct lnkfs_xattr_block *xb;
	lnkfs_buf *buf;
	int err;

	err = lnkfs_xattr_bread(fs, ci, block, &buf);
	if (err)
		return err;
	xb = lnkfs_bdata(buf);
	if (xb->x_kind == LNKFS_XBLOCK_VALUE && le16_to_cpu(xb->x_used) == part &&
	    le16_to_cpu(xb->x_index) == index && le64_to_cpu(xb->x_hash) == hash)
		memcpy(to, xb->x_data, part);
	else
		err = lnkfs_xattr_corrupt(fs, ci, block, "a block that is no part of the value");
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_xattr_read_value() - read a value that stands in blocks of its own
 * @fs: volume
 * @ci: inode
 * @pl: its entry
 * @buf: room for the value
 *
 * Return: 0, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_xattr_read_value(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			   const struct lnkfs_xattr_place *pl, void *buf)
{
	const struct lnkfs_xattr_entry *e = (const void *)(pl->run + pl->off);
	const __le64 *x = lnkfs_xattr_extents(e);
	u32 len = le32_to_cpu(e->e_value_len), room = lnkfs_xattr_room(fs);
	u32 i, j, index = 0;
	int err;

	for (i = 0; i < e->e_extents; i++) {
		for (j = 0; j < lnkfs_xattr_extent_len(x[i]); j++, index++) {
			if (index * room >= len)
				return lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf),
							   "a value of too many blocks");
			err = value_read_block(fs, ci, lnkfs_xattr_extent_block(x[i]) + j,
					       pl->hash, index, min(room, len - index * room),
					       (u8 *)buf + index * room);
			if (err)
				return err;
		}
	}
	if (index * room < len)
		return lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf),
					   "a value of too few blocks");
	return 0;
}
