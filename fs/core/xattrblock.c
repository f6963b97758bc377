// SPDX-License-Identifier: GPL-2.0
/*
 * The external area of extended attributes.
 *
 * Entries stand in leaf blocks in the order of their hashes. One leaf is all
 * there is at first; when it overflows, it is split and a head block comes,
 * with the root of a B+tree that leads from hashes to leaves. The first leaf
 * keeps the key 0 and stays, empty if need be, until it is the only one.
 *
 * A large value stands in blocks of its own, each with a header: text from the
 * outside is never at the start of a block. It is written before the leaf
 * changes and the old one is freed after that; until the transaction commits,
 * nobody can get the freed blocks.
 */
#include "xattr.h"

#ifndef LNKFS_XATTR_HASH_MASK
#define LNKFS_XATTR_HASH_MASK	(~0ULL)	/* tests narrow it to force collisions */
#endif

/**
 * struct value_place - where a value was written
 * @x: its extents, as an entry has them
 * @nr: how many
 */
struct value_place {
	__le64 x[LNKFS_XATTR_EXTENTS];
	u32 nr;
};

static int xattr_corrupt(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u64 block,
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

static u64 entry_hash(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e)
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

static int block_read(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block, lnkfs_buf **out)
{
	*out = NULL;
	if (!lnkfs_block_valid(fs, block, 1))
		return xattr_corrupt(fs, ci, block, "attributes where none can be");
	return lnkfs_bread(fs, block, LNKFS_B_XATTR, ci->ino, ci->gen, out);
}

static u8 block_kind(const lnkfs_buf *buf)
{
	return ((const struct lnkfs_xattr_block *)lnkfs_bdata(buf))->x_kind;
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

/* Allocate a block and make it a leaf or a head. */
static int block_alloc(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u8 kind,
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
	int err = 0;
	u32 i;

	for (i = 0; i < used && !err; i++)
		err = lnkfs_bforget(tx, fs, block + i);
	if (!err)
		err = lnkfs_bfree(tx, fs, block, len);
	if (err)
		lnkfs_report(fs, err, ci->ino, block, "blocks of attributes are lost");
	ci->blocks -= min_t(u64, ci->blocks, len);
}

/* Free a leaf or head; its reference is put. */
static void block_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		       lnkfs_buf *buf)
{
	u64 block = lnkfs_bblock(buf);

	lnkfs_bput(buf);
	blocks_free(tx, fs, ci, block, 1, 1);
}

/* ---- values in blocks of their own ---- */

static void value_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		       const __le64 *x, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		blocks_free(tx, fs, ci, lnkfs_xattr_extent_block(x[i]),
			    lnkfs_xattr_extent_len(x[i]), lnkfs_xattr_extent_len(x[i]));
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

/* Put a value into new blocks. On an error nothing has been allocated. */
static int value_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		       const u8 *value, u32 len, struct value_place *vp)
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
	value_free(tx, fs, ci, vp->x, vp->nr);
	return err;
}

/* Read the block of a value that has number @index, which is @part bytes long. */
static int value_read_block(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block, u64 hash,
			    u32 index, u32 part, u8 *to)
{
	const struct lnkfs_xattr_block *xb;
	lnkfs_buf *buf;
	int err;

	err = block_read(fs, ci, block, &buf);
	if (err)
		return err;
	xb = lnkfs_bdata(buf);
	if (xb->x_kind == LNKFS_XBLOCK_VALUE && le16_to_cpu(xb->x_used) == part &&
	    le16_to_cpu(xb->x_index) == index && le64_to_cpu(xb->x_hash) == hash)
		memcpy(to, xb->x_data, part);
	else
		err = xattr_corrupt(fs, ci, block, "a block that is no part of the value");
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
				return xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf),
						     "a value of too many blocks");
			err = value_read_block(fs, ci, lnkfs_xattr_extent_block(x[i]) + j,
					       pl->hash, index, min(room, len - index * room),
					       (u8 *)buf + index * room);
			if (err)
				return err;
		}
	}
	if (index * room < len)
		return xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf), "a value of too few blocks");
	return 0;
}

/* ---- leaves ---- */

static int leaf_read(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block,
		     struct lnkfs_xattr_place *pl)
{
	struct lnkfs_xattr_block *xb;
	int err;

	err = block_read(fs, ci, block, &pl->buf);
	if (err)
		return err;
	xb = lnkfs_bdata(pl->buf);
	pl->run = xb->x_data;
	pl->len = le16_to_cpu(xb->x_used);
	if (xb->x_kind == LNKFS_XBLOCK_LEAF && pl->len <= lnkfs_xattr_room(fs))
		return 0;
	lnkfs_bput(pl->buf);
	pl->buf = NULL;
	return xattr_corrupt(fs, ci, block, "no leaf of attributes where one should be");
}

/*
 * Read the block that the inode points to: the only leaf, into @pl, or the head,
 * into *@head, with its tree.
 */
static int open_area(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     struct lnkfs_xattr_place *pl, lnkfs_buf **head, struct lnkfs_btree *bt)
{
	int err;

	pl->buf = NULL;
	pl->key = 0;
	err = block_read(fs, ci, ci->xattr_block, head);
	if (err)
		return err;
	if (block_kind(*head) == LNKFS_XBLOCK_HEAD) {
		lnkfs_xattr_tree(fs, ci, lnkfs_bdata(*head), bt);
		return 0;
	}
	lnkfs_bput(*head);
	*head = NULL;
	return leaf_read(fs, ci, ci->xattr_block, pl);
}

/**
 * lnkfs_xattr_leaf() - get the leaf that a hash leads to
 * @fs: volume
 * @ci: inode with an external area
 * @hash: the hash
 * @pl: filled in, except for the offset; the caller puts its @buf
 *
 * Return: 0; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC with @pl->buf NULL.
 */
int lnkfs_xattr_leaf(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		     struct lnkfs_xattr_place *pl)
{
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	__le64 block;
	int err;

	err = open_area(fs, ci, pl, &head, &bt);
	pl->hash = hash;
	if (err || !head)
		return err;
	err = lnkfs_btree_lookup_le(&bt, hash, &pl->key, &block);
	lnkfs_bput(head);
	if (err == -ENOENT)
		return xattr_corrupt(fs, ci, ci->xattr_block, "no leaf for low hashes");
	return err ? err : leaf_read(fs, ci, le64_to_cpu(block), pl);
}

/**
 * lnkfs_xattr_next_leaf() - get the leaves one after the other
 * @fs: volume
 * @ci: inode with an external area
 * @from: 0 at first; where to go on
 * @pl: filled in, except for the offset; the caller puts its @buf
 *
 * Return: 0; -ENOENT after the last one; -EIO, -ENOMEM, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_xattr_next_leaf(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 *from,
			  struct lnkfs_xattr_place *pl)
{
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	__le64 block;
	int err;

	if (*from == ~0ULL)
		return -ENOENT;
	err = open_area(fs, ci, pl, &head, &bt);
	if (err || !head) {
		*from = ~0ULL;
		return err;
	}
	err = lnkfs_btree_lookup_ge(&bt, *from, &pl->key, &block);
	lnkfs_bput(head);
	if (err)
		return err;
	*from = pl->key == ~0ULL ? pl->key : pl->key + 1;
	return leaf_read(fs, ci, le64_to_cpu(block), pl);
}

/**
 * struct leaf_plan - what the contents of a leaf are going to be
 * @data: entries, in order
 * @len: their length
 * @count: how many
 * @cut: offset of the first entry that goes to a new leaf, or 0
 * @cut_count: entries before it
 * @cut_hash: its hash
 */
struct leaf_plan {
	u8 *data;
	u32 len;
	u32 count;
	u32 cut;
	u32 cut_count;
	u64 cut_hash;
};

/* The entries of the leaf with the new one among them, and without the old one. */
static int plan_fill(struct lnkfs_fs *fs, const struct lnkfs_xattr_place *pl, bool found,
		     const struct lnkfs_xattr_entry *new, struct leaf_plan *plan)
{
	const struct lnkfs_xattr_entry *e;
	u32 new_size = lnkfs_xattr_entry_size(new);
	u32 off, size;
	bool done = false;

	for (off = 0; off < pl->len; off += size) {
		e = lnkfs_xattr_entry(pl->run, pl->len, off, &size);
		if (!e)
			return -EFSCORRUPTED;
		if (!done && entry_hash(fs, e) > pl->hash) {
			memcpy(plan->data + plan->len, new, new_size);
			plan->len += new_size;
			plan->count++;
			done = true;
		}
		if (found && off == pl->off)
			continue;
		memcpy(plan->data + plan->len, e, size);
		plan->len += size;
		plan->count++;
	}
	if (!done) {
		memcpy(plan->data + plan->len, new, new_size);
		plan->len += new_size;
		plan->count++;
	}
	return 0;
}

/*
 * Find where to cut what is too much for one leaf: between entries of different
 * hashes, as near to the middle as possible.
 */
static int plan_cut(struct lnkfs_fs *fs, struct leaf_plan *plan)
{
	u32 room = lnkfs_xattr_room(fs);
	u32 off, size, count = 0, worse, best = ~0u;
	u64 hash, last = 0;

	for (off = 0; off < plan->len; off += size, count++) {
		const struct lnkfs_xattr_entry *e = (const void *)(plan->data + off);

		size = lnkfs_xattr_entry_size(e);
		hash = entry_hash(fs, e);
		worse = max(off, plan->len - off);
		if (off && hash != last && worse <= room && worse < best) {
			best = worse;
			plan->cut = off;
			plan->cut_count = count;
			plan->cut_hash = hash;
		}
		last = hash;
	}
	return plan->cut ? 0 : -ENOSPC;
}

static void leaf_write(struct lnkfs_fs *fs, lnkfs_buf *buf, const u8 *data, u32 len, u32 count)
{
	struct lnkfs_xattr_block *xb = lnkfs_bdata(buf);

	memcpy(xb->x_data, data, len);
	memset(xb->x_data + len, 0, lnkfs_xattr_room(fs) - len);
	xb->x_used = cpu_to_le16(len);
	xb->x_count = cpu_to_le16(count);
}

/* Enter a leaf in the tree whose head is in @head. */
static int tree_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		    __le64 leaf, lnkfs_buf *head)
{
	struct lnkfs_btree bt;
	int err;

	lnkfs_xattr_tree(fs, ci, lnkfs_bdata(head), &bt);
	/* A full root may become one level higher. */
	if (lnkfs_btree_level(&bt) >= LNKFS_XATTR_MAX_LEVEL &&
	    !lnkfs_btree_root_fits(&bt, bt.root_size - 2 * sizeof(__le64)))
		return -ENOSPC;
	err = lnkfs_baccess(tx, fs, head, LNKFS_B_XATTR);
	if (err)
		return err;
	err = lnkfs_btree_insert(tx, &bt, hash, &leaf);
	lnkfs_bdirty(tx, fs, head);
	if (err == -EEXIST)
		err = xattr_corrupt(fs, ci, lnkfs_bblock(head), "two leaves of one key");
	return err;
}

/* Make a head for the leaf there is and one more. */
static int tree_start(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		      __le64 leaf)
{
	__le64 first = cpu_to_le64(ci->xattr_block);
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	int err;

	err = block_alloc(tx, fs, ci, LNKFS_XBLOCK_HEAD, &head);
	if (err)
		return err;
	lnkfs_xattr_tree(fs, ci, lnkfs_bdata(head), &bt);
	lnkfs_btree_init_root(&bt);
	err = lnkfs_btree_insert(tx, &bt, 0, &first);
	if (!err)
		err = lnkfs_btree_insert(tx, &bt, hash, &leaf);
	lnkfs_bdirty(tx, fs, head);
	if (err) {
		block_free(tx, fs, ci, head);
		return err;
	}
	ci->xattr_block = lnkfs_bblock(head);
	lnkfs_bput(head);
	return 0;
}

/* Enter the leaf @right, split off @left, in the tree. */
static int leaf_enter(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		      const lnkfs_buf *left, const lnkfs_buf *right)
{
	__le64 leaf = cpu_to_le64(lnkfs_bblock(right));
	lnkfs_buf *head;
	int err;

	if (lnkfs_bblock(left) == ci->xattr_block)
		return tree_start(tx, fs, ci, hash, leaf);
	err = block_read(fs, ci, ci->xattr_block, &head);
	if (err)
		return err;
	if (block_kind(head) == LNKFS_XBLOCK_HEAD)
		err = tree_add(tx, fs, ci, hash, leaf, head);
	else
		err = xattr_corrupt(fs, ci, ci->xattr_block, "no head of attributes");
	lnkfs_bput(head);
	return err;
}

/* Write the planned contents to the leaf, or to it and a new one. */
static int plan_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      const struct lnkfs_xattr_place *pl, struct leaf_plan *plan)
{
	lnkfs_buf *right = NULL;
	int err = 0;

	if (plan->len > lnkfs_xattr_room(fs)) {
		err = plan_cut(fs, plan);
		if (!err && plan->cut_hash <= pl->key)
			err = xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf),
					    "attributes in the wrong leaf");
		if (!err)
			err = block_alloc(tx, fs, ci, LNKFS_XBLOCK_LEAF, &right);
		if (err)
			return err;
	}
	err = lnkfs_baccess(tx, fs, pl->buf, LNKFS_B_XATTR);
	if (err)
		goto out;
	if (right)
		err = leaf_enter(tx, fs, ci, plan->cut_hash, pl->buf, right);
	if (!err && right) {
		leaf_write(fs, pl->buf, plan->data, plan->cut, plan->cut_count);
		leaf_write(fs, right, plan->data + plan->cut, plan->len - plan->cut,
			   plan->count - plan->cut_count);
	} else if (!err) {
		leaf_write(fs, pl->buf, plan->data, plan->len, plan->count);
	}
	lnkfs_bdirty(tx, fs, pl->buf);
out:
	if (right)
		lnkfs_bdirty(tx, fs, right);
	if (err && right)
		block_free(tx, fs, ci, right);
	else
		lnkfs_bput(right);
	return err;
}

/* The first leaf, with one entry. */
static int first_leaf(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      const struct lnkfs_xattr_entry *new)
{
	lnkfs_buf *buf;
	int err;

	err = block_alloc(tx, fs, ci, LNKFS_XBLOCK_LEAF, &buf);
	if (err)
		return err;
	leaf_write(fs, buf, (const u8 *)new, lnkfs_xattr_entry_size(new), 1);
	lnkfs_bdirty(tx, fs, buf);
	ci->xattr_block = lnkfs_bblock(buf);
	lnkfs_bput(buf);
	return 0;
}

/* Add the entry at @new, which @plan has room behind, to the external area. */
static int entry_put(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_xattr_place *pl, bool found,
		     const struct lnkfs_xattr_entry *new, struct leaf_plan *plan)
{
	const struct lnkfs_xattr_entry *e = (const void *)(pl->run + pl->off);
	__le64 old[LNKFS_XATTR_EXTENTS];
	u32 nr = 0;
	int err;

	if (!ci->xattr_block)
		return first_leaf(tx, fs, ci, new);
	if (found && e->e_extents) {
		nr = min_t(u32, e->e_extents, LNKFS_XATTR_EXTENTS);
		memcpy(old, lnkfs_xattr_extents(e), nr * sizeof(*old));
	}
	err = plan_fill(fs, pl, found, new, plan);
	if (err)
		return xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf), "broken attributes");
	err = plan_write(tx, fs, ci, pl, plan);
	if (!err)
		value_free(tx, fs, ci, old, nr);
	return err;
}

/**
 * lnkfs_xattr_leaf_put() - set an attribute in the external area
 * @tx: transaction with the credits of lnkfs_xattr_set()
 * @fs: volume
 * @ci: inode
 * @key: the attribute
 * @value: its value
 * @len: length of the value
 * @pl: the leaf it is or belongs in, if there is an external area
 * @found: it is there
 *
 * Return: 0; -ENOSPC, -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC with all
 * attributes as they were.
 */
int lnkfs_xattr_leaf_put(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			 const struct lnkfs_xattr_key *key, const void *value, u32 len,
			 const struct lnkfs_xattr_place *pl, bool found)
{
	struct value_place vp = { .nr = 0 };
	struct leaf_plan plan = { .len = 0 };
	u8 *mem;
	int err = 0;

	/* The contents of two leaves, and the new entry. */
	mem = lnkfs_alloc(3 * (size_t)fs->block_size);
	if (!mem)
		return -ENOMEM;
	/* Any cut of entries of at most half a leaf leaves two that fit. */
	if (lnkfs_xattr_size(key->name_len, len) > lnkfs_xattr_room(fs) / 2)
		err = value_write(tx, fs, ci, lnkfs_xattr_hash(fs, key), value, len, &vp);
	if (!err) {
		plan.data = mem + fs->block_size;
		lnkfs_xattr_put(mem, key, value, len, vp.x, vp.nr);
		err = entry_put(tx, fs, ci, pl, found, (const void *)mem, &plan);
		if (err)
			value_free(tx, fs, ci, vp.x, vp.nr);
	}
	lnkfs_free(mem);
	return err;
}

/*
 * One leaf is left in the tree: the inode points to it from now on, or has no
 * external area any more when it is empty. Where it cannot be read, the head
 * stays.
 */
static void collapse(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_btree *bt, lnkfs_buf *head)
{
	struct lnkfs_xattr_place pl;
	__le64 block;
	u64 key;

	if (lnkfs_btree_lookup_ge(bt, 0, &key, &block) ||
	    leaf_read(fs, ci, le64_to_cpu(block), &pl)) {
		lnkfs_bput(head);
		return;
	}
	block_free(tx, fs, ci, head);
	ci->xattr_block = pl.len ? lnkfs_bblock(pl.buf) : 0;
	if (pl.len)
		lnkfs_bput(pl.buf);
	else
		block_free(tx, fs, ci, pl.buf);
}

/* Take an empty leaf out of the tree and free it. */
static int tree_drop(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     struct lnkfs_xattr_place *pl)
{
	struct lnkfs_xattr_place other;
	const struct lnkfs_btree_root *root;
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	int err;

	err = open_area(fs, ci, &other, &head, &bt);
	if (err)
		return err;
	if (!head) {
		lnkfs_bput(other.buf);
		return xattr_corrupt(fs, ci, ci->xattr_block, "no head of attributes");
	}
	err = lnkfs_baccess(tx, fs, head, LNKFS_B_XATTR);
	if (err)
		goto out;
	err = lnkfs_btree_delete(tx, &bt, pl->key);
	lnkfs_bdirty(tx, fs, head);
	if (err)
		goto out;
	block_free(tx, fs, ci, pl->buf);
	pl->buf = NULL;
	root = bt.root;
	if (!root->bt_level && !root->bt_count) {
		block_free(tx, fs, ci, head);
		ci->xattr_block = 0;
		return 0;
	}
	if (!root->bt_level && le16_to_cpu(root->bt_count) == 1) {
		collapse(tx, fs, ci, &bt, head);
		return 0;
	}
out:
	lnkfs_bput(head);
	return err;
}

/* A leaf is empty: free it. On an error it stays, empty. */
static int leaf_emptied(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			struct lnkfs_xattr_place *pl)
{
	if (lnkfs_bblock(pl->buf) != ci->xattr_block)
		return tree_drop(tx, fs, ci, pl);
	block_free(tx, fs, ci, pl->buf);
	pl->buf = NULL;
	ci->xattr_block = 0;
	return 0;
}

/**
 * lnkfs_xattr_leaf_drop() - remove an attribute from the external area
 * @tx: transaction with the credits of lnkfs_xattr_set()
 * @fs: volume
 * @ci: inode
 * @pl: where it is; its @buf is NULL when the leaf has been freed
 *
 * Needs no space.
 *
 * Return: 0; -EROFS and other errors of lnkfs_baccess() with nothing changed.
 */
int lnkfs_xattr_leaf_drop(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			  struct lnkfs_xattr_place *pl)
{
	struct lnkfs_xattr_entry *e = (void *)(pl->run + pl->off);
	struct lnkfs_xattr_block *xb = lnkfs_bdata(pl->buf);
	u32 size = lnkfs_xattr_entry_size(e), nr = 0;
	__le64 x[LNKFS_XATTR_EXTENTS];
	int err;

	err = lnkfs_baccess(tx, fs, pl->buf, LNKFS_B_XATTR);
	if (err)
		return err;
	if (e->e_extents) {
		nr = min_t(u32, e->e_extents, LNKFS_XATTR_EXTENTS);
		memcpy(x, lnkfs_xattr_extents(e), nr * sizeof(*x));
	}
	pl->len -= size;
	memmove(e, (u8 *)e + size, pl->len - pl->off);
	memset(pl->run + pl->len, 0, size);
	xb->x_used = cpu_to_le16(pl->len);
	le16_add_cpu(&xb->x_count, -1);
	lnkfs_bdirty(tx, fs, pl->buf);
	value_free(tx, fs, ci, x, nr);
	/* The first of several stays, for its key. */
	if (!pl->len && (pl->key || lnkfs_bblock(pl->buf) == ci->xattr_block))
		leaf_emptied(tx, fs, ci, pl);
	return 0;
}

/* Offset of the first entry of a leaf with a value in blocks; its end: none. */
static int find_value(const struct lnkfs_xattr_place *pl, u32 *off)
{
	const struct lnkfs_xattr_entry *e;
	u32 size;

	for (*off = 0; *off < pl->len; *off += size) {
		e = lnkfs_xattr_entry(pl->run, pl->len, *off, &size);
		if (!e)
			return -EFSCORRUPTED;
		if (e->e_extents)
			break;
	}
	return 0;
}

/**
 * lnkfs_xattr_free() - free a part of the external area
 * @tx: transaction with lnkfs_xattr_free_credits() and lnkfs_xattr_revokes()
 * @fs: volume
 * @ci: inode with link count 0
 *
 * One value of many blocks, or one leaf, a call. To be called, a transaction
 * each, until it returns 0; the attributes are whole in between, as far as they
 * are still there. Needs no space.
 *
 * Return: 1 when there is more to do, 0 when no external area is left; -EIO,
 * -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_xattr_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	struct lnkfs_xattr_place pl;
	int err;

	if (!ci->xattr_block)
		return 0;
	/* The last leaf; the first one only when it is the only one. */
	err = lnkfs_xattr_leaf(fs, ci, ~0ULL, &pl);
	if (err)
		return err;
	err = find_value(&pl, &pl.off);
	if (err) {
		err = xattr_corrupt(fs, ci, lnkfs_bblock(pl.buf), "broken attributes");
	} else if (pl.off < pl.len) {
		err = lnkfs_xattr_leaf_drop(tx, fs, ci, &pl);
	} else {
		err = leaf_emptied(tx, fs, ci, &pl);
	}
	lnkfs_bput(pl.buf);
	return err ? err : ci->xattr_block != 0;
}
