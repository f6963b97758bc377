// SPDX-License-Identifier: GPL-2.0
/*
 * The external area of extended attributes: leaves and the tree of leaves.
 *
 * Entries stand in leaf blocks in the order of their hashes. One leaf is all
 * there is at first; when it overflows, it is split and a head block comes,
 * with the root of a B+tree that leads from hashes to leaves. The first leaf
 * keeps the key 0 and stays, empty if need be, until it is the only one.
 *
 * A value with blocks of its own is written before the leaf changes, and the
 * old one is freed after that; until the transaction commits, nobody can get
 * the freed blocks.
 */
#include "xattr.h"

static int leaf_read(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block,
		     struct lnkfs_xattr_place *pl)
{
	struct lnkfs_xattr_block *xb;
	int err;

	err = lnkfs_xattr_bread(fs, ci, block, &pl->buf);
	if (err)
		return err;
	xb = lnkfs_bdata(pl->buf);
	pl->run = xb->x_data;
	pl->len = le16_to_cpu(xb->x_used);
	if (xb->x_kind == LNKFS_XBLOCK_LEAF && pl->len <= lnkfs_xattr_room(fs))
		return 0;
	lnkfs_bput(pl->buf);
	pl->buf = NULL;
	return lnkfs_xattr_corrupt(fs, ci, block, "no leaf of attributes where one should be");
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
	err = lnkfs_xattr_bread(fs, ci, ci->xattr_block, head);
	if (err)
		return err;
	if (lnkfs_xattr_kind(*head) == LNKFS_XBLOCK_HEAD) {
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
		return lnkfs_xattr_corrupt(fs, ci, ci->xattr_block, "no leaf for low hashes");
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
		if (!done && lnkfs_xattr_entry_hash(fs, e) > pl->hash) {
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
		hash = lnkfs_xattr_entry_hash(fs, e);
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
		err = lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(head), "two leaves of one key");
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

	err = lnkfs_xattr_balloc(tx, fs, ci, LNKFS_XBLOCK_HEAD, &head);
	if (err)
		return err;
	lnkfs_xattr_tree(fs, ci, lnkfs_bdata(head), &bt);
	lnkfs_btree_init_root(&bt);
	err = lnkfs_btree_insert(tx, &bt, 0, &first);
	if (!err)
		err = lnkfs_btree_insert(tx, &bt, hash, &leaf);
	lnkfs_bdirty(tx, fs, head);
	if (err) {
		lnkfs_xattr_bfree(tx, fs, ci, head);
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
	err = lnkfs_xattr_bread(fs, ci, ci->xattr_block, &head);
	if (err)
		return err;
	if (lnkfs_xattr_kind(head) == LNKFS_XBLOCK_HEAD)
		err = tree_add(tx, fs, ci, hash, leaf, head);
	else
		err = lnkfs_xattr_corrupt(fs, ci, ci->xattr_block, "no head of attributes");
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
			err = lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf),
						  "attributes in the wrong leaf");
		if (!err)
			err = lnkfs_xattr_balloc(tx, fs, ci, LNKFS_XBLOCK_LEAF, &right);
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
		lnkfs_xattr_bfree(tx, fs, ci, right);
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

	err = lnkfs_xattr_balloc(tx, fs, ci, LNKFS_XBLOCK_LEAF, &buf);
	if (err)
		return err;
	leaf_write(fs, buf, (const u8 *)new, lnkfs_xattr_entry_size(new), 1);
	lnkfs_bdirty(tx, fs, buf);
	ci->xattr_block = lnkfs_bblock(buf);
	lnkfs_bput(buf);
	return 0;
}

/* Where the value of an entry is, if it is not in the entry. */
static void entry_value(const struct lnkfs_xattr_entry *e, struct lnkfs_xattr_value *value)
{
	value->nr = min_t(u32, e->e_extents, LNKFS_XATTR_EXTENTS);
	memcpy(value->x, lnkfs_xattr_extents(e), value->nr * sizeof(value->x[0]));
}

/* Add the entry at @new, which @plan has room behind, to the external area. */
static int entry_put(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_xattr_place *pl, bool found,
		     const struct lnkfs_xattr_entry *new, struct leaf_plan *plan)
{
	struct lnkfs_xattr_value old = { .nr = 0 };
	const struct lnkfs_xattr_entry *e;
	u32 size;
	int err;

	if (!ci->xattr_block)
		return first_leaf(tx, fs, ci, new);
	err = plan_fill(fs, pl, found, new, plan);
	/* On a damaged volume the new value may have got the leaf's own block. */
	e = found ? lnkfs_xattr_entry(pl->run, pl->len, pl->off, &size) : NULL;
	if (e)
		entry_value(e, &old);
	else if (found)
		err = -EFSCORRUPTED;
	if (err)
		return lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(pl->buf), "broken attributes");
	err = plan_write(tx, fs, ci, pl, plan);
	if (!err)
		lnkfs_xattr_value_free(tx, fs, ci, &old);
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
	struct lnkfs_xattr_value vp = { .nr = 0 };
	struct leaf_plan plan = { .len = 0 };
	u8 *mem;
	int err = 0;

	/* The contents of two leaves, and the new entry. */
	mem = lnkfs_alloc(3 * (size_t)fs->block_size);
	if (!mem)
		return -ENOMEM;
	/* Any cut of entries of at most half a leaf leaves two that fit. */
	if (lnkfs_xattr_size(key->name_len, len) > lnkfs_xattr_room(fs) / 2)
		err = lnkfs_xattr_value_write(tx, fs, ci, lnkfs_xattr_hash(fs, key), value, len,
					      &vp);
	if (!err) {
		plan.data = mem + fs->block_size;
		lnkfs_xattr_put(mem, key, value, len, vp.x, vp.nr);
		err = entry_put(tx, fs, ci, pl, found, (const void *)mem, &plan);
		if (err)
			lnkfs_xattr_value_free(tx, fs, ci, &vp);
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
	lnkfs_xattr_bfree(tx, fs, ci, head);
	ci->xattr_block = pl.len ? lnkfs_bblock(pl.buf) : 0;
	if (pl.len)
		lnkfs_bput(pl.buf);
	else
		lnkfs_xattr_bfree(tx, fs, ci, pl.buf);
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
		return lnkfs_xattr_corrupt(fs, ci, ci->xattr_block, "no head of attributes");
	}
	err = lnkfs_baccess(tx, fs, head, LNKFS_B_XATTR);
	if (err)
		goto out;
	err = lnkfs_btree_delete(tx, &bt, pl->key);
	lnkfs_bdirty(tx, fs, head);
	if (err)
		goto out;
	lnkfs_xattr_bfree(tx, fs, ci, pl->buf);
	pl->buf = NULL;
	root = bt.root;
	if (!root->bt_level && !root->bt_count) {
		lnkfs_xattr_bfree(tx, fs, ci, head);
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
	lnkfs_xattr_bfree(tx, fs, ci, pl->buf);
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
	u32 size = lnkfs_xattr_entry_size(e);
	struct lnkfs_xattr_value old;
	int err;

	err = lnkfs_baccess(tx, fs, pl->buf, LNKFS_B_XATTR);
	if (err)
		return err;
	entry_value(e, &old);
	pl->len -= size;
	memmove(e, (u8 *)e + size, pl->len - pl->off);
	memset(pl->run + pl->len, 0, size);
	xb->x_used = cpu_to_le16(pl->len);
	le16_add_cpu(&xb->x_count, -1);
	lnkfs_bdirty(tx, fs, pl->buf);
	lnkfs_xattr_value_free(tx, fs, ci, &old);
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
	if (err)
		err = lnkfs_xattr_corrupt(fs, ci, lnkfs_bblock(pl.buf), "broken attributes");
	else if (pl.off < pl.len)
		err = lnkfs_xattr_leaf_drop(tx, fs, ci, &pl);
	else
		err = leaf_emptied(tx, fs, ci, &pl);
	lnkfs_bput(pl.buf);
	return err ? err : ci->xattr_block != 0;
}
