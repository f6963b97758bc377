// SPDX-License-Identifier: GPL-2.0
/*
 * The extent map: logical blocks of a file or directory to blocks of the
 * volume, in a B+tree whose root stands in the inode.
 *
 * A change that takes more than one step orders the steps so that the one that
 * may want space comes first and nothing is ever unmapped before it is mapped
 * elsewhere: in between two records overlap, and when the later step fails the
 * earlier one is taken back. Taking back needs no space and touches blocks
 * that the transaction already holds.
 */
#include "core.h"

/* Set up the tree of an inode's extents; the root stays in its inline area. */
static int ext_tree(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, struct lnkfs_btree *bt)
{
	const struct lnkfs_dir_fork *dir = (void *)ci->area;
	u32 room = ci->fork_len <= ci->area_len ? ci->fork_len : 0;

	bt->fs = fs;
	bt->ci = ci;
	bt->home = 0;
	bt->home_buf = NULL;
	bt->vsize = sizeof(struct lnkfs_extent);
	bt->tree = LNKFS_TREE_EXTENT;
	if (ci->fork == LNKFS_FORK_EXTENTS) {
		bt->root = ci->area;
		bt->root_size = room;
	} else if (ci->fork == LNKFS_FORK_DIR_BLOCKS && room >= sizeof(*dir) &&
		   le16_to_cpu(dir->f_ext_len) <= room - sizeof(*dir)) {
		bt->root = ci->area + sizeof(*dir);
		bt->root_size = le16_to_cpu(dir->f_ext_len);
	} else {
		bt->root_size = 0;
	}
	if (bt->root_size < sizeof(struct lnkfs_btree_root))
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0, "inode has no extent map");
	return 0;
}

/**
 * lnkfs_ext_init() - give an inode an empty extent map
 * @ci: inode; its inline xattrs, if any, keep their place
 */
void lnkfs_ext_init(struct lnkfs_cinode *ci)
{
	const u32 head = sizeof(struct lnkfs_btree_root);
	const u32 record = sizeof(__le64) + sizeof(struct lnkfs_extent);
	struct lnkfs_btree bt = {
		.ci = ci,
		.root = ci->area,
		.vsize = sizeof(struct lnkfs_extent),
		.tree = LNKFS_TREE_EXTENT,
	};

	bt.root_size = head + (lnkfs_fork_room(ci) - head) / record * record;
	ci->fork = LNKFS_FORK_EXTENTS;
	ci->fork_len = (u16)bt.root_size;
	lnkfs_btree_init_root(&bt);
}

static u64 ext_end(const struct lnkfs_ext *e)
{
	return e->lblk + e->len;
}

/* Could these blocks be an extent? */
static bool ext_blocks_valid(const struct lnkfs_fs *fs, u64 block, u64 len)
{
	return len && lnkfs_block_valid(fs, block, len) &&
	       lnkfs_group_of(fs, block) == lnkfs_group_of(fs, block + len - 1);
}

/* Decode a record; @next is the key of the following one or ~0. */
static int ext_decode(const struct lnkfs_btree *bt, u64 key, const struct lnkfs_extent *x,
		      u64 next, struct lnkfs_ext *e)
{
	e->lblk = key;
	e->block = le64_to_cpu(x->x_block);
	e->len = le32_to_cpu(x->x_len);
	e->flags = le32_to_cpu(x->x_flags);
	if (lnkfs_lblk_valid(bt->fs, key, e->len) && e->len <= next - key &&
	    !(e->flags & ~LNKFS_EXT_UNWRITTEN) &&
	    ext_blocks_valid(bt->fs, e->block, e->len))
		return 0;
	return lnkfs_report(bt->fs, -EFSCORRUPTED, bt->ci->ino, e->block,
			    "bad extent at logical block %llu", (unsigned long long)key);
}

static void ext_encode(const struct lnkfs_ext *e, struct lnkfs_extent *x)
{
	x->x_block = cpu_to_le64(e->block);
	x->x_len = cpu_to_le32((u32)e->len);
	x->x_flags = cpu_to_le32(e->flags);
}

/*
 * Find the last extent that starts at or before @lblk (length 0: there is
 * none) and the start of the one after it (LNKFS_MAX_LBLK: there is none).
 */
static int ext_find_how(const struct lnkfs_btree *bt, bool nowait, u64 lblk,
			struct lnkfs_ext *e, u64 *next)
{
	struct lnkfs_extent x;
	u64 key;
	int err;

	*next = LNKFS_MAX_LBLK;
	if (nowait)
		err = lnkfs_btree_lookup_span_nowait(bt, lblk, &key, &x, next);
	else
		err = lnkfs_btree_lookup_span(bt, lblk, &key, &x, next);
	if (!err)
		err = ext_decode(bt, key, &x, *next, e);
	else if (err == -ENOENT)
		memset(e, 0, sizeof(*e));
	if (*next > LNKFS_MAX_LBLK)
		*next = LNKFS_MAX_LBLK;
	return err == -ENOENT ? 0 : err;
}

static int ext_find(const struct lnkfs_btree *bt, u64 lblk, struct lnkfs_ext *e, u64 *next)
{
	return ext_find_how(bt, false, lblk, e, next);
}

static int ext_lookup(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, bool nowait, u64 lblk,
		      struct lnkfs_ext *ext)
{
	struct lnkfs_btree bt;
	u64 next;
	int err;

	if (lblk >= LNKFS_MAX_LBLK)
		return -EINVAL;
	err = ext_tree(fs, ci, &bt);
	if (!err)
		err = ext_find_how(&bt, nowait, lblk, ext, &next);
	if (err || ext_end(ext) > lblk)
		return err;
	ext->lblk = ext_end(ext);
	ext->block = 0;
	ext->len = next - ext->lblk;
	ext->flags = LNKFS_EXT_HOLE;
	return 0;
}

/**
 * lnkfs_ext_lookup() - what is mapped at a logical block
 * @fs: volume
 * @ci: inode with an extent map
 * @lblk: logical block, below LNKFS_MAX_LBLK
 * @ext: result: the extent that holds @lblk, as stored, or the whole hole
 *	around it (LNKFS_EXT_HOLE)
 *
 * The caller keeps the map from changing.
 *
 * Return: 0; -EINVAL for an @lblk out of range; -EFSCORRUPTED, -EFSBADCRC,
 * -EIO, -ENOMEM.
 */
int lnkfs_ext_lookup(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk,
		     struct lnkfs_ext *ext)
{
	return ext_lookup(fs, ci, false, lblk, ext);
}

/**
 * lnkfs_ext_lookup_nowait() - lnkfs_ext_lookup() from what is in memory
 * @fs: volume
 * @ci: inode with an extent map
 * @lblk: logical block, below LNKFS_MAX_LBLK
 * @ext: result
 *
 * Return: as lnkfs_ext_lookup(); -EAGAIN when a node would have to be read.
 */
int lnkfs_ext_lookup_nowait(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk,
			    struct lnkfs_ext *ext)
{
	return ext_lookup(fs, ci, true, lblk, ext);
}

static int ext_add(lnkfs_tx *tx, const struct lnkfs_btree *bt, const struct lnkfs_ext *e)
{
	struct lnkfs_extent x;

	ext_encode(e, &x);
	return lnkfs_btree_insert(tx, bt, e->lblk, &x);
}

/* Replace the record at @key by @e; -EINVAL: e->lblk cannot stand there. */
static int ext_change(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key,
		      const struct lnkfs_ext *e)
{
	struct lnkfs_extent x;

	ext_encode(e, &x);
	return lnkfs_btree_update(tx, bt, key, e->lblk, &x);
}

/* Do two extents continue each other, logically and on the volume? */
static bool ext_continues(const struct lnkfs_fs *fs, const struct lnkfs_ext *a,
			  const struct lnkfs_ext *b)
{
	return a->len && b->len && ext_end(a) == b->lblk && a->block + a->len == b->block &&
	       a->flags == b->flags &&
	       lnkfs_group_of(fs, a->block) == lnkfs_group_of(fs, b->block);
}

/* The first @len blocks of an extent, and what follows them. */
static struct lnkfs_ext ext_head(const struct lnkfs_ext *e, u64 len)
{
	struct lnkfs_ext head = *e;

	head.len = len;
	return head;
}

static struct lnkfs_ext ext_tail(const struct lnkfs_ext *e, u64 skip)
{
	struct lnkfs_ext tail = *e;

	tail.lblk += skip;
	tail.block += skip;
	tail.len -= skip;
	return tail;
}

/*
 * Join the records of two extents where they continue each other. Two records
 * say the same as one, so a failure is not one of the caller's operation.
 * True: @a now is the joint extent.
 */
static bool ext_join(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct lnkfs_ext *a,
		     const struct lnkfs_ext *b)
{
	struct lnkfs_ext both = ext_head(a, a->len + b->len);

	if (!ext_continues(bt->fs, a, b) || ext_change(tx, bt, a->lblk, &both))
		return false;
	if (lnkfs_btree_delete(tx, bt, b->lblk)) {
		ext_change(tx, bt, a->lblk, a);
		return false;
	}
	*a = both;
	return true;
}

/* Get the extent that starts at @lblk; length 0 when none does. */
static int ext_get(const struct lnkfs_btree *bt, u64 lblk, struct lnkfs_ext *e)
{
	u64 next;
	int err = ext_find(bt, lblk, e, &next);

	if (!err && e->lblk != lblk)
		e->len = 0;
	return err;
}

/**
 * lnkfs_ext_insert() - map a hole
 * @tx: transaction with lnkfs_ext_insert_credits() and lnkfs_ext_revokes()
 * @fs: volume
 * @ci: inode with an extent map; its block count grows by @ext->len and the
 *	new tree nodes, and the caller stores it
 * @ext: what to map where; blocks of one group, allocated by the caller
 *
 * Joined with its neighbours where they continue it. The caller excludes all
 * other users of the map. On an error the map is what it was.
 *
 * Return: 0; -EEXIST when part of the range is mapped; -EINVAL for an extent
 * that cannot be; -ENOSPC, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_insert(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_ext *ext)
{
	struct lnkfs_ext left, right = { 0 }, both;
	struct lnkfs_btree bt;
	u64 next;
	int err;

	if (!lnkfs_lblk_valid(fs, ext->lblk, ext->len) ||
	    (ext->flags & ~LNKFS_EXT_UNWRITTEN) ||
	    !ext_blocks_valid(fs, ext->block, ext->len))
		return -EINVAL;
	err = ext_tree(fs, ci, &bt);
	if (!err)
		err = ext_find(&bt, ext->lblk, &left, &next);
	if (err)
		return err;
	if (ext_end(&left) > ext->lblk || next < ext_end(ext))
		return -EEXIST;
	if (next == ext_end(ext) && next < LNKFS_MAX_LBLK)
		err = ext_get(&bt, next, &right);
	if (err)
		return err;

	if (ext_continues(fs, &left, ext)) {
		both = ext_head(&left, left.len + ext->len);
		err = ext_change(tx, &bt, left.lblk, &both);
		if (!err)
			ext_join(tx, &bt, &both, &right);
	} else {
		err = -EINVAL;
		if (ext_continues(fs, ext, &right)) {
			both = ext_head(ext, ext->len + right.len);
			err = ext_change(tx, &bt, right.lblk, &both);
		}
		/* Nothing to join it with, or not in the same node. */
		if (err == -EINVAL)
			err = ext_add(tx, &bt, ext);
	}
	if (!err)
		ci->blocks += ext->len;
	return err;
}

/* A whole extent changes its flags; @mid has them already. */
static int ext_convert_all(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct lnkfs_ext *left,
			   struct lnkfs_ext *mid, const struct lnkfs_ext *right)
{
	int err = ext_change(tx, bt, mid->lblk, mid);

	if (err)
		return err;
	if (ext_join(tx, bt, left, mid))
		ext_join(tx, bt, left, right);
	else
		ext_join(tx, bt, mid, right);
	return 0;
}

/* The front of @old changes its flags: @mid; @tail keeps them. */
static int ext_convert_front(lnkfs_tx *tx, const struct lnkfs_btree *bt,
			     const struct lnkfs_ext *left, const struct lnkfs_ext *old,
			     const struct lnkfs_ext *mid, const struct lnkfs_ext *tail)
{
	struct lnkfs_ext both;
	int err, undo;

	if (ext_continues(bt->fs, left, mid)) {
		both = ext_head(left, left->len + mid->len);
		err = ext_change(tx, bt, left->lblk, &both);
		if (err)
			return err;
		err = ext_change(tx, bt, old->lblk, tail);
		if (!err)
			return 0;
		undo = ext_change(tx, bt, left->lblk, left);
		if (err != -EINVAL)
			return err;
		if (undo)
			return undo;
	}
	err = ext_add(tx, bt, tail);
	if (err)
		return err;
	err = ext_change(tx, bt, old->lblk, mid);
	if (err)
		lnkfs_btree_delete(tx, bt, tail->lblk);
	return err;
}

/* The back of @old changes its flags: @mid; @head keeps them. */
static int ext_convert_back(lnkfs_tx *tx, const struct lnkfs_btree *bt,
			    const struct lnkfs_ext *head, const struct lnkfs_ext *mid,
			    const struct lnkfs_ext *right)
{
	struct lnkfs_ext both;
	int err;

	if (ext_continues(bt->fs, mid, right)) {
		both = ext_head(mid, mid->len + right->len);
		err = ext_change(tx, bt, right->lblk, &both);
		if (!err) {
			err = ext_change(tx, bt, head->lblk, head);
			if (err)
				ext_change(tx, bt, both.lblk, right);
			return err;
		}
		if (err != -EINVAL)
			return err;
	}
	err = ext_add(tx, bt, mid);
	if (err)
		return err;
	err = ext_change(tx, bt, head->lblk, head);
	if (err)
		lnkfs_btree_delete(tx, bt, mid->lblk);
	return err;
}

/* A part amid @head and @tail changes its flags: @mid. */
static int ext_convert_middle(lnkfs_tx *tx, const struct lnkfs_btree *bt,
			      const struct lnkfs_ext *head, const struct lnkfs_ext *mid,
			      const struct lnkfs_ext *tail)
{
	int err;

	/* In this order a full last leaf is followed by one for both. */
	err = ext_add(tx, bt, mid);
	if (err)
		return err;
	err = ext_add(tx, bt, tail);
	if (err)
		goto drop_mid;
	err = ext_change(tx, bt, head->lblk, head);
	if (!err)
		return 0;
	lnkfs_btree_delete(tx, bt, tail->lblk);
drop_mid:
	lnkfs_btree_delete(tx, bt, mid->lblk);
	return err;
}

/* Give [lblk, end) of the extent @old, which holds it, other flags. */
static int ext_convert_one(lnkfs_tx *tx, const struct lnkfs_btree *bt,
			   const struct lnkfs_ext *old, u64 next, u64 lblk, u64 end,
			   u32 flags)
{
	struct lnkfs_ext head = ext_head(old, lblk - old->lblk);
	struct lnkfs_ext tail = ext_tail(old, end - old->lblk);
	struct lnkfs_ext mid = ext_tail(old, head.len);
	struct lnkfs_ext left = { 0 }, right = { 0 };
	u64 after;
	int err = 0;

	mid.len = end - lblk;
	mid.flags = flags;
	if (!head.len && old->lblk)
		err = ext_find(bt, old->lblk - 1, &left, &after);
	if (!err && !tail.len && next == end && next < LNKFS_MAX_LBLK)
		err = ext_get(bt, next, &right);
	if (err)
		return err;
	if (head.len && tail.len)
		return ext_convert_middle(tx, bt, &head, &mid, &tail);
	if (head.len)
		return ext_convert_back(tx, bt, &head, &mid, &right);
	if (tail.len)
		return ext_convert_front(tx, bt, &left, old, &mid, &tail);
	return ext_convert_all(tx, bt, &left, &mid, &right);
}

/* Give the flags @flags to the front of a range: one extent or hole of it. */
static int ext_set_flags(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			 u64 lblk, u64 len, u32 flags, u64 *done)
{
	struct lnkfs_btree bt;
	struct lnkfs_ext e;
	u64 next, end;
	int err;

	*done = 0;
	if (lblk >= LNKFS_MAX_LBLK || !len || len > LNKFS_MAX_LBLK - lblk)
		return -EINVAL;
	err = ext_tree(fs, ci, &bt);
	if (!err)
		err = ext_find(&bt, lblk, &e, &next);
	if (err)
		return err;
	end = ext_end(&e) > lblk ? ext_end(&e) : next;
	if (end > lblk + len)
		end = lblk + len;
	if (ext_end(&e) > lblk && e.flags != flags)
		err = ext_convert_one(tx, &bt, &e, next, lblk, end, flags);
	if (!err)
		*done = end - lblk;
	return err;
}

/**
 * lnkfs_ext_convert() - mark unwritten blocks as written
 * @tx: transaction with lnkfs_ext_convert_credits() and lnkfs_ext_revokes()
 * @fs: volume
 * @ci: inode with an extent map; its block count follows the tree nodes, and
 *	the caller stores it, also after an error
 * @lblk: first logical block
 * @len: logical blocks, not 0
 * @done: result: blocks from @lblk on that are dealt with, at most @len; holes
 *	and written blocks count
 *
 * Deals with one extent or one hole a call; the caller goes on with what is
 * left, in another transaction if need be. The caller excludes all other users
 * of the map. On an error nothing is converted.
 *
 * Return: 0; -EINVAL for a range out of bounds; -ENOSPC, -EFSCORRUPTED,
 * -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_convert(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      u64 lblk, u64 len, u64 *done)
{
	return ext_set_flags(tx, fs, ci, lblk, len, 0, done);
}

/**
 * lnkfs_ext_unwrite() - mark written blocks as unwritten: they read as zeroes
 * @tx: as for lnkfs_ext_convert()
 * @fs: volume
 * @ci: as for lnkfs_ext_convert()
 * @lblk: first logical block
 * @len: logical blocks, not 0
 * @done: as for lnkfs_ext_convert()
 *
 * Return: as lnkfs_ext_convert().
 */
int lnkfs_ext_unwrite(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      u64 lblk, u64 len, u64 *done)
{
	return ext_set_flags(tx, fs, ci, lblk, len, LNKFS_EXT_UNWRITTEN, done);
}

/**
 * lnkfs_ext_split() - let an extent begin at a logical block
 * @tx: transaction with lnkfs_ext_split_credits() and lnkfs_ext_revokes()
 * @fs: volume
 * @ci: inode with an extent map; its block count follows the tree nodes, and
 *	the caller stores it
 * @lblk: logical block; an extent that reaches across it becomes two
 *
 * The caller excludes all other users of the map. On an error the map is what
 * it was.
 *
 * Return: 0, -ENOSPC, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_split(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk)
{
	struct lnkfs_ext e, head, tail;
	struct lnkfs_btree bt;
	u64 next;
	int err;

	err = ext_tree(fs, ci, &bt);
	if (!err)
		err = ext_find(&bt, lblk, &e, &next);
	if (err || ext_end(&e) <= lblk || e.lblk == lblk)
		return err;
	head = ext_head(&e, lblk - e.lblk);
	tail = ext_tail(&e, head.len);
	err = ext_add(tx, &bt, &tail);
	if (err)
		return err;
	err = ext_change(tx, &bt, e.lblk, &head);
	if (err)
		lnkfs_btree_delete(tx, &bt, tail.lblk);
	return err;
}

/**
 * lnkfs_ext_merge() - join the extents that meet at a logical block, if they can
 * @tx: transaction with lnkfs_ext_merge_credits() and lnkfs_ext_revokes()
 * @fs: volume
 * @ci: inode with an extent map; its block count follows the tree nodes, and
 *	the caller stores it
 * @lblk: logical block
 *
 * The caller excludes all other users of the map. Two records say the same as
 * one, so that a failure to join them is none of the caller's.
 *
 * Return: 0, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_merge(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk)
{
	struct lnkfs_ext left, right;
	struct lnkfs_btree bt;
	u64 next;
	int err;

	err = ext_tree(fs, ci, &bt);
	if (err || !lblk)
		return err;
	err = ext_find(&bt, lblk - 1, &left, &next);
	if (err || ext_end(&left) != lblk || next != lblk)
		return err;
	err = ext_get(&bt, lblk, &right);
	if (!err)
		ext_join(tx, &bt, &left, &right);
	return err;
}

/**
 * lnkfs_ext_shift() - move extents to other logical blocks
 * @tx: transaction with @budget credits
 * @fs: volume
 * @ci: inode with an extent map; the caller stores it
 * @shift: what to move where. No extent reaches across its ends, and nothing
 *	is mapped where it moves into. On return what is left to be moved
 * @budget: tree nodes to change at most, LNKFS_SHIFT_MIN or more
 *
 * Moves part of the run if not all of it fits into the budget: the part that
 * is next to the hole that it moves into. Needs no space; on an error nothing
 * has changed. The caller excludes all other users of the map.
 *
 * Return: 0 when all has been moved, 1 when some is left; -EINVAL for a run
 * that would leave the range of logical blocks; -EEXIST when an extent is in
 * the way; -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_shift(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    struct lnkfs_shift *shift, u32 budget)
{
	const u64 end = shift->right ? lnkfs_file_blocks_max(fs) : LNKFS_MAX_LBLK;
	struct lnkfs_btree bt;
	int err;

	if (shift->to > end || (shift->right && shift->dist > end - shift->to))
		return -EINVAL;
	err = ext_tree(fs, ci, &bt);
	return err ? err : lnkfs_btree_shift(tx, &bt, shift, budget);
}

/* Unmap [from, to), which is part of the extent @e. */
static int ext_unmap(lnkfs_tx *tx, const struct lnkfs_btree *bt, const struct lnkfs_ext *e,
		     u64 from, u64 to)
{
	struct lnkfs_ext head = ext_head(e, from - e->lblk);
	struct lnkfs_ext tail = ext_tail(e, to - e->lblk);
	int err;

	if (!head.len && !tail.len)
		return lnkfs_btree_delete(tx, bt, e->lblk);
	if (!tail.len)
		return ext_change(tx, bt, e->lblk, &head);
	if (!head.len) {
		err = ext_change(tx, bt, e->lblk, &tail);
		if (err != -EINVAL)
			return err;
	}
	err = ext_add(tx, bt, &tail);
	if (err)
		return err;
	if (head.len)
		err = ext_change(tx, bt, e->lblk, &head);
	else
		err = lnkfs_btree_delete(tx, bt, e->lblk);
	if (err)
		lnkfs_btree_delete(tx, bt, tail.lblk);
	return err;
}

/*
 * Free blocks that nothing maps any more; a directory's are metadata. The free comes first:
 * where the bitmap says that the blocks are free already, they may be had by anybody, and
 * have to stay known as metadata.
 */
static int ext_free(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 block, u64 len)
{
	bool meta = S_ISDIR(bt->ci->mode);
	int err = 0;
	u64 i;

	lnkfs_blocks_less(bt->ci, len);
	if (meta)
		err = lnkfs_bfreeable(bt->fs, block, len, LNKFS_B_DIR, bt->ci->ino, bt->ci->gen);
	if (!err)
		err = lnkfs_bfree(tx, bt->fs, block, (u32)len);
	for (i = 0; meta && i < len && !err; i++)
		err = lnkfs_bforget_unread(tx, bt->fs, block + i, LNKFS_B_DIR, bt->ci->ino,
					   bt->ci->gen);
	return err;
}

/*
 * Unmap a part of an extent and free its blocks. What is unmapped and not freed is lost
 * until a check: the bitmap is read before, and stays in memory.
 */
static int ext_remove_part(lnkfs_tx *tx, const struct lnkfs_btree *bt,
			   const struct lnkfs_ext *e, u64 start, u64 end)
{
	u64 block = e->block + (start - e->lblk);
	lnkfs_buf *bitmap;
	int err;

	err = lnkfs_bitmap_read(bt->fs, lnkfs_group_of(bt->fs, block), &bitmap);
	if (err)
		return err;
	err = ext_unmap(tx, bt, e, start, end);
	if (!err)
		err = ext_free(tx, bt, block, end - start);
	lnkfs_bput(bitmap);
	return err;
}

/**
 * lnkfs_ext_remove() - unmap a range and free its blocks
 * @tx: transaction with lnkfs_ext_remove_credits() and lnkfs_ext_revokes()
 * @fs: volume
 * @ci: inode with an extent map; its block count shrinks, and the caller
 *	stores it, also after an error
 * @from: first logical block
 * @to: end of the range, exclusive; at most LNKFS_MAX_LBLK
 * @budget: extents, and for a directory blocks, to free at most; not 0
 *
 * Works from the end of the range back, so what is left of a range being
 * removed is its front. A hole punched in the middle of an extent makes a
 * record, so it may want space. The caller excludes all other users of the
 * map. An error never frees blocks that are still mapped; blocks unmapped whose
 * free failed stay in use until the volume is checked.
 *
 * Return: 0 when nothing in the range is mapped any more, 1 when something may
 * be; -ENOSPC, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_ext_remove(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     u64 from, u64 to, u32 budget)
{
	u64 start, end, next, left = budget;
	struct lnkfs_btree bt;
	struct lnkfs_ext e;
	int err;

	err = ext_tree(fs, ci, &bt);
	if (err)
		return err;
	if (to > LNKFS_MAX_LBLK)
		to = LNKFS_MAX_LBLK;
	while (from < to) {
		err = ext_find(&bt, to - 1, &e, &next);
		if (err)
			return err;
		end = ext_end(&e) < to ? ext_end(&e) : to;
		if (end <= from)
			break;
		if (!left)
			return 1;
		start = e.lblk > from ? e.lblk : from;
		if (S_ISDIR(ci->mode) && end - start > left)
			start = end - left;
		left -= S_ISDIR(ci->mode) ? end - start : 1;
		err = ext_remove_part(tx, &bt, &e, start, end);
		if (err)
			return err;
		to = start;
	}
	return 0;
}

/**
 * lnkfs_ext_level() - levels of tree nodes below an inode's extent root
 * @fs: volume
 * @ci: inode; 0 when it has no extent map
 */
u32 lnkfs_ext_level(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	struct lnkfs_btree bt;

	if (ci->fork != LNKFS_FORK_EXTENTS && ci->fork != LNKFS_FORK_DIR_BLOCKS)
		return 0;
	return ext_tree(fs, ci, &bt) ? 0 : lnkfs_btree_level(&bt);
}

/**
 * lnkfs_ext_insert_credits() - blocks that lnkfs_ext_insert() may modify
 * @fs: volume
 * @ci: inode
 *
 * Either a record comes, or one grows and its neighbour goes. The inode's
 * block and the allocation of the extent itself are not counted.
 */
u32 lnkfs_ext_insert_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u32 level = lnkfs_ext_level(fs, ci);
	u32 join = 1 + lnkfs_btree_delete_credits(level);
	u32 add = lnkfs_btree_insert_credits(level);

	return join > add ? join : add;
}

/**
 * lnkfs_ext_convert_credits() - blocks that lnkfs_ext_convert() may modify
 * @fs: volume
 * @ci: inode
 *
 * Two records come and one changes, with what it takes to take that back; or
 * one changes, and is joined with both its neighbours. The inode's block is
 * not counted.
 */
u32 lnkfs_ext_convert_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u32 level = lnkfs_ext_level(fs, ci);
	u32 join = 1 + 2 * (1 + lnkfs_btree_delete_credits(level));
	u32 split = 1 + lnkfs_btree_insert_credits(level) +
		    lnkfs_btree_insert_credits(level + 1) +
		    lnkfs_btree_delete_credits(level + 2);

	return join > split ? join : split;
}

/**
 * lnkfs_ext_remove_credits() - blocks that lnkfs_ext_remove() may modify
 * @fs: volume
 * @ci: inode
 * @budget: the budget it will be given
 *
 * The extent at the end of the range may be cut in two, which may add a level
 * to the tree; all others go. The inode's block is not counted.
 */
u32 lnkfs_ext_remove_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 budget)
{
	u32 level = lnkfs_ext_level(fs, ci);
	u32 each = LNKFS_CREDITS_FREE;

	/* A root that is a leaf cuts its last extent in place and frees no node. */
	if (level)
		each += lnkfs_btree_delete_credits(level + 1);
	return budget * each + lnkfs_btree_insert_credits(level) + 1;
}

/**
 * lnkfs_ext_split_credits() - blocks that lnkfs_ext_split() may modify
 * @fs: volume
 * @ci: inode
 *
 * A record comes and one changes, with what it takes to take that back. The
 * inode's block is not counted.
 */
u32 lnkfs_ext_split_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u32 level = lnkfs_ext_level(fs, ci);

	return 1 + lnkfs_btree_insert_credits(level) + lnkfs_btree_delete_credits(level + 1);
}

/**
 * lnkfs_ext_merge_credits() - blocks that lnkfs_ext_merge() may modify
 * @fs: volume
 * @ci: inode
 *
 * One record grows and its neighbour goes, in a tree that may have grown by a
 * level in the same transaction. The inode's block is not counted.
 */
u32 lnkfs_ext_merge_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	return 1 + lnkfs_btree_delete_credits(lnkfs_ext_level(fs, ci) + 1);
}

/**
 * lnkfs_ext_revokes() - blocks of metadata that one call may free
 * @fs: volume
 * @ci: inode
 * @budget: budget of lnkfs_ext_remove(); 0 for insertion and conversion
 */
u32 lnkfs_ext_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 budget)
{
	u32 nodes = lnkfs_btree_revokes(lnkfs_ext_level(fs, ci) + 1);

	return 2 * nodes + budget * (nodes + (S_ISDIR(ci->mode) ? 1 : 0));
}
