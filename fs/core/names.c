// SPDX-License-Identifier: GPL-2.0
/*
 * Back references: an inode knows where its names stand.
 *
 * One name is in the inode's record, at no cost. Files with more names have the
 * others in a tree that all inodes of a group share, in the order of the inodes:
 * a tree of links (cp -al) fills it from one end to the other and takes about
 * 20 bytes a name, not a block a file.
 *
 * A directory has one name, always in its record. Positions never change, so
 * nothing here needs to follow when a directory grows or shrinks.
 *
 * Locking: the caller keeps @ci from changing (i_rwsem of the inode in the
 * kernel). The tree is protected by the names lock of the group, taken here,
 * inside of a transaction, before the lock of any group. The leaf used last is kept
 * under that lock: while the tree keeps its shape, a leaf keeps its range. All of
 * this is nothing on a volume without LNKFS_RO_COMPAT_BACKREF.
 */
#include "core.h"

#ifndef LNKFS_NAMES_HASH_MASK
#define LNKFS_NAMES_HASH_MASK	(~0ULL)	/* tests narrow it to force collisions */
#endif

#define PLACE_MASK	((1ULL << LNKFS_NAMES_SHIFT) - 1)
#define DIR_MASK	((1ULL << LNKFS_NAMES_DIR_BITS) - 1)

/**
 * struct names_tree - the tree of a group, opened
 * @owner: stands for the group where the tree wants an inode
 * @bt: the tree
 * @head: block of its root
 */
struct names_tree {
	struct lnkfs_cinode owner;
	struct lnkfs_btree bt;
	lnkfs_buf *head;
};

static u32 group_of(const struct lnkfs_fs *fs, u64 ino)
{
	return lnkfs_group_of(fs, lnkfs_ino_block(fs, ino));
}

/* First inode number of a group. */
static u64 first_ino(const struct lnkfs_fs *fs, u32 group)
{
	return lnkfs_group_first(fs, group) << fs->slot_bits;
}

static u64 first_key(const struct lnkfs_fs *fs, u32 group, u64 ino)
{
	return (ino - first_ino(fs, group)) << LNKFS_NAMES_SHIFT;
}

/* Where the names in a directory begin, among the places of an inode's names. */
static noinline_for_stack u64 dir_place(const struct lnkfs_fs *fs, u64 dir)
{
	__le64 text = cpu_to_le64(dir);

	return lnkfs_siphash(fs->hash_seed, &text, sizeof(text)) & LNKFS_NAMES_HASH_MASK;
}

static bool in_record(const struct lnkfs_cinode *ci, const struct lnkfs_ref *ref)
{
	return ci->parent == ref->dir && ci->parent_pos == ref->pos;
}

static void put_in_record(struct lnkfs_cinode *ci, const struct lnkfs_ref *ref)
{
	ci->parent = ref->dir;
	ci->parent_pos = ref->pos;
}

/* What the tree wants of an inode: owner and generation of its nodes, and a count. */
static void set_owner(struct lnkfs_cinode *owner, u32 group)
{
	owner->ino = group;
	owner->gen = 0;
	owner->blocks = 0;
}

static void set_tree(struct lnkfs_fs *fs, struct lnkfs_cinode *owner, void *head, u64 home,
		     struct lnkfs_btree *bt)
{
	bt->fs = fs;
	bt->ci = owner;
	bt->root = ((struct lnkfs_names_block *)head)->nb_root;
	bt->root_size = fs->block_size - sizeof(struct lnkfs_names_block);
	bt->home = home;
	bt->home_buf = NULL;
	bt->vsize = sizeof(__le64);
	bt->tree = LNKFS_TREE_NAMES;
}

/**
 * lnkfs_names_check_block() - check what a block of this kind can say about itself
 * @fs: volume
 * @data: the block, its header already verified
 *
 * Return: 0 or -EFSCORRUPTED; reporting is left to the caller.
 */
int lnkfs_names_check_block(const struct lnkfs_fs *fs, const void *data)
{
	const struct lnkfs_names_block *nb = data;
	struct lnkfs_btree bt;

	set_tree((struct lnkfs_fs *)fs, NULL, (void *)data, le64_to_cpu(nb->nb_header.h_blocknr),
		 &bt);
	if (memchr_inv(nb->nb_pad, 0, sizeof(nb->nb_pad)) || !lnkfs_btree_root_sound(&bt) ||
	    lnkfs_btree_level(&bt) > LNKFS_NAMES_MAX_LEVEL)
		return -EFSCORRUPTED;
	return 0;
}

/**
 * lnkfs_names_open() - open the tree of a group
 * @fs: volume
 * @group: group number, its names locked
 * @owner: of the tree's nodes, filled in; has to stay while @bt is in use
 * @bt: filled in
 * @head: gets the block of its root; the caller puts it
 *
 * Return: 0; -ENOENT when the group has none; -EIO, -ENOMEM, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_names_open(struct lnkfs_fs *fs, u32 group, struct lnkfs_cinode *owner,
		     struct lnkfs_btree *bt, lnkfs_buf **head)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	int err;

	if (!g->names)
		return -ENOENT;
	err = lnkfs_bread(fs, g->names, LNKFS_B_NAMES, group, 0, head);
	if (err)
		return err;
	set_owner(owner, group);
	set_tree(fs, owner, lnkfs_bdata(*head), g->names, bt);
	g->names_level = lnkfs_btree_level(bt);
	return 0;
}

static int tree_open(struct lnkfs_fs *fs, u32 group, struct names_tree *t)
{
	return lnkfs_names_open(fs, group, &t->owner, &t->bt, &t->head);
}

/* Note in the descriptor where the root of the group's tree is. */
static int set_home(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u64 block)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	int err;

	lnkfs_group_lock(fs, group);
	g->names = block;
	err = lnkfs_group_sync(tx, fs, group);
	if (err)
		g->names = 0;
	lnkfs_group_unlock(fs, group);
	return err;
}

/* Give a group an empty tree. */
static int tree_new(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, struct names_tree *t)
{
	u64 block;
	u32 got;
	int err;

	err = lnkfs_balloc(tx, fs, lnkfs_group_first(fs, group), 1, 1, LNKFS_BA_META, &block,
			   &got);
	if (err)
		return err;
	err = lnkfs_bnew(tx, fs, block, LNKFS_B_NAMES, &t->head);
	if (err) {
		lnkfs_bfree(tx, fs, block, 1);
		return err;
	}
	lnkfs_header_init(fs, lnkfs_bdata(t->head), LNKFS_B_NAMES, block, group, 0);
	set_owner(&t->owner, group);
	set_tree(fs, &t->owner, lnkfs_bdata(t->head), block, &t->bt);
	lnkfs_btree_init_root(&t->bt);
	lnkfs_bdirty(tx, fs, t->head);
	err = set_home(tx, fs, group, block);
	if (err) {
		lnkfs_bput(t->head);
		lnkfs_bforget(tx, fs, block);
		lnkfs_bfree(tx, fs, block, 1);
	}
	return err;
}

/* A reference displaced by @disp, as a record. */
static u64 ref_key(u64 first, u64 place, u64 disp)
{
	return first | ((place + disp) & PLACE_MASK);
}

static __le64 ref_value(const struct lnkfs_ref *ref, u64 disp)
{
	return cpu_to_le64(disp << LNKFS_NAMES_DIR_BITS | ref->dir);
}

/**
 * lnkfs_names_drop() - put the block that is kept for the next call in some groups
 * @lane: their lane; its lock is held, or nobody else uses it
 */
void lnkfs_names_drop(struct lnkfs_names_lane *lane)
{
	lnkfs_bput(lane->leaf);
	lane->leaf = NULL;
}

/**
 * lnkfs_names_init() - set up what the back references of a volume need
 * @fs: volume that is about to be used
 */
void lnkfs_names_init(struct lnkfs_fs *fs)
{
	struct lnkfs_names_lane *lane;
	u32 i;

	for (i = 0; i < LNKFS_NAMES_LANES; i++) {
		lane = lnkfs_names_lane(fs, i);
		lnkfs_lock_init(&lane->lock);
		lane->leaf = NULL;
		lane->near = 0;
		lane->dir = 0;
	}
}

/**
 * lnkfs_names_forget() - put the blocks that are kept for the next call
 * @fs: volume that nobody changes any more, or whose trees are about to be changed
 *	by other means
 */
void lnkfs_names_forget(struct lnkfs_fs *fs)
{
	u32 i;

	for (i = 0; i < LNKFS_NAMES_LANES; i++)
		lnkfs_names_drop(lnkfs_names_lane(fs, i));
}

/* Search the tree for the leaf that a key belongs to; NULL: the root is it. */
static noinline_for_stack int find_leaf(struct lnkfs_fs *fs, struct lnkfs_names_lane *lane,
					u32 group, u64 key)
{
	struct names_tree t;
	int err;

	err = tree_open(fs, group, &t);
	if (err)
		return err;
	err = lnkfs_btree_seek(&t.bt, key, &lane->leaf, &lane->lo, &lane->hi);
	lane->group = group;
	lnkfs_bput(t.head);
	return err;
}

/*
 * The leaf that a key belongs to, kept from the last time or found now. NULL: the
 * tree has none, or there is no tree.
 */
static int seek_leaf(struct lnkfs_fs *fs, struct lnkfs_names_lane *lane, u32 group, u64 key)
{
	const struct lnkfs_group *g;

	if (lane->leaf && lane->group == group && key >= lane->lo && key <= lane->hi &&
	    lnkfs_bsame(fs, lane->leaf, LNKFS_B_BTREE, group, 0))
		return 0;
	lnkfs_names_drop(lane);
	g = lnkfs_group(fs, group);
	/* Most groups have a few such names, which all stand in the root. */
	if (!g->names || !g->names_level)
		return 0;
	return find_leaf(fs, lane, group, key);
}

/* Insert (@add) or delete a record in a way that may change the shape of the tree. */
static noinline_for_stack int tree_change(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group,
					  bool add, u64 key, const __le64 *value)
{
	struct names_tree t;
	int err;

	err = tree_open(fs, group, &t);
	if (err == -ENOENT && add)
		err = tree_new(tx, fs, group, &t);
	if (err)
		return err;
	t.bt.home_buf = t.head;
	if (!add)
		err = lnkfs_btree_delete_record(tx, &t.bt, key, value);
	else if (lnkfs_btree_level(&t.bt) < LNKFS_NAMES_MAX_LEVEL)
		err = lnkfs_btree_insert(tx, &t.bt, key, value);
	else
		err = -EMLINK;
	lnkfs_group(fs, group)->names_level = lnkfs_btree_level(&t.bt);
	lnkfs_bput(t.head);
	return err;
}

/* Insert (@add) or delete a record. */
static int record_change(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_names_lane *lane,
			 u32 group, bool add, u64 key, const __le64 *value)
{
	int err;

	err = seek_leaf(fs, lane, group, key);
	if (err)
		return err;
	if (lane->leaf) {
		if (add)
			err = lnkfs_btree_leaf_insert(tx, fs, lane->leaf, key, value,
						      &lane->near);
		else
			err = lnkfs_btree_leaf_delete(tx, fs, lane->leaf, key, value,
						      &lane->near);
		if (err != -EAGAIN)
			return err;
		lnkfs_names_drop(lane);
	}
	return tree_change(tx, fs, group, add, key, value);
}

/*
 * Insert (@add) or delete the record of a reference: of an insertion the first
 * displacement that is free decides, of a deletion the one that it has.
 */
static int ref_change(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u64 ino, bool add,
		      const struct lnkfs_ref *ref)
{
	struct lnkfs_names_lane *lane = lnkfs_names_lane(fs, group);
	int again = add ? -EEXIST : -ENOENT, err = again;
	u64 first = first_key(fs, group, ino), place, disp;
	__le64 value;

	if (lane->dir != ref->dir) {
		lane->dir = ref->dir;
		lane->place = dir_place(fs, ref->dir);
	}
	place = lane->place + ref->pos / 8;
	for (disp = 0; disp <= LNKFS_NAMES_MAX_DISP && err == again; disp++) {
		value = ref_value(ref, disp);
		err = record_change(tx, fs, lane, group, add, ref_key(first, place, disp), &value);
	}
	return err == -EEXIST ? -EMLINK : err;
}

/*
 * Add @add to the tree of the inode's group and remove @del from it; either may
 * be NULL. On an error the tree is what it was.
 */
static int refs_change(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
		       const struct lnkfs_ref *add, const struct lnkfs_ref *del)
{
	u32 group = group_of(fs, ci->ino);
	int err = 0;

	lnkfs_names_lock(fs, group);
	if (del && !lnkfs_group(fs, group)->names)
		err = -ENOENT;
	else if (add)
		err = ref_change(tx, fs, group, ci->ino, true, add);
	if (!err && del) {
		err = ref_change(tx, fs, group, ci->ino, false, del);
		if (err && add && ref_change(tx, fs, group, ci->ino, false, add))
			lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0,
				     "a back reference is left over");
	}
	lnkfs_names_unlock(fs, group);
	if (err == -ENOENT)
		err = lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0,
				   "no back reference to position %llu of directory %llu",
				   (unsigned long long)del->pos, (unsigned long long)del->dir);
	return err;
}

/**
 * lnkfs_names_add() - an inode has got a name
 * @tx: transaction with lnkfs_names_add_credits()
 * @fs: volume
 * @ci: inode; the caller stores its record
 * @ref: where the name stands
 *
 * Return: 0; -ENOSPC; -EMLINK when the tree of the group cannot grow; -EIO, -ENOMEM,
 * -EROFS, -EFSCORRUPTED, -EFSBADCRC. Nothing has changed on an error.
 */
int lnkfs_names_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_ref *ref)
{
	if (!fs->backref)
		return 0;
	if (ci->parent_pos)
		return refs_change(tx, fs, ci, ref, NULL);
	put_in_record(ci, ref);
	return 0;
}

/**
 * lnkfs_names_del() - an inode is losing a name
 * @tx: transaction with lnkfs_names_del_credits()
 * @fs: volume
 * @ci: inode; the caller stores its record
 * @ref: where the name stands
 *
 * Needs no space, and none is needed by lnkfs_names_add() of the same name in the
 * same transaction, to undo it.
 *
 * Return: 0; -EFSCORRUPTED when there is no such reference; -EIO, -ENOMEM, -EROFS,
 * -EFSBADCRC. Nothing has changed on an error.
 */
int lnkfs_names_del(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_ref *ref)
{
	if (!fs->backref)
		return 0;
	if (!in_record(ci, ref))
		return refs_change(tx, fs, ci, NULL, ref);
	ci->parent = 0;
	ci->parent_pos = 0;
	return 0;
}

/**
 * lnkfs_names_move() - a name of an inode is going to stand elsewhere
 * @tx: transaction with lnkfs_names_move_credits()
 * @fs: volume
 * @ci: inode; the caller stores its record
 * @from: where it stands
 * @to: where it will
 *
 * Return: as lnkfs_names_add() and lnkfs_names_del(). Nothing has changed on an
 * error.
 */
int lnkfs_names_move(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_ref *from, const struct lnkfs_ref *to)
{
	if (!fs->backref)
		return 0;
	if (!in_record(ci, from))
		return refs_change(tx, fs, ci, to, from);
	put_in_record(ci, to);
	return 0;
}

/**
 * lnkfs_names_decode() - read a record of a tree
 * @fs: volume
 * @group: group that the tree belongs to
 * @key: key of the record
 * @value: its value
 * @ino: gets the inode's number
 * @ref: gets where the name stands
 *
 * Return: false when the record says what cannot be.
 */
bool lnkfs_names_decode(const struct lnkfs_fs *fs, u32 group, u64 key, u64 value, u64 *ino,
			struct lnkfs_ref *ref)
{
	u64 disp = value >> LNKFS_NAMES_DIR_BITS, place;
	u64 slot = key >> LNKFS_NAMES_SHIFT;

	ref->dir = value & DIR_MASK;
	place = ((key & PLACE_MASK) - dir_place(fs, ref->dir) - disp) & PLACE_MASK;
	ref->pos = place * 8;
	*ino = first_ino(fs, group) + slot;
	return disp <= LNKFS_NAMES_MAX_DISP &&
	       slot < (u64)lnkfs_group_size(fs, group) << fs->slot_bits &&
	       lnkfs_ref_possible(fs, ref->dir, ref->pos);
}

/* The first record of a tree at or above a key. */
static int tree_next(struct lnkfs_fs *fs, u32 group, u64 key, u64 *found, __le64 *value)
{
	struct names_tree t;
	int err;

	lnkfs_names_lock(fs, group);
	err = tree_open(fs, group, &t);
	if (!err) {
		err = lnkfs_btree_lookup_ge(&t.bt, key, found, value);
		lnkfs_bput(t.head);
	}
	lnkfs_names_unlock(fs, group);
	return err;
}

/**
 * lnkfs_names_next() - list the names of an inode
 * @fs: volume with LNKFS_RO_COMPAT_BACKREF
 * @ci: inode
 * @cookie: 0 to begin with; gets where to go on
 * @ref: gets where a name stands
 *
 * Names that are there throughout are given once. Only the record is read
 * without a lock of its own.
 *
 * Return: 0; -ENOENT at the end; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_names_next(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u64 *cookie,
		     struct lnkfs_ref *ref)
{
	u32 group = group_of(fs, ci->ino);
	u64 first = first_key(fs, group, ci->ino), found, ino;
	__le64 value;
	int err;

	if (!*cookie) {
		*cookie = 1;
		ref->dir = ci->parent;
		ref->pos = ci->parent_pos;
		if (ref->pos)
			return 0;
	}
	/* Cookies of names in the tree are their places, plus 1. */
	if (*cookie > PLACE_MASK + 1)
		return -ENOENT;
	err = tree_next(fs, group, first | (*cookie - 1), &found, &value);
	if (err)
		return err;
	if (found - first > PLACE_MASK)
		return -ENOENT;
	*cookie = (found & PLACE_MASK) + 2;
	if (!lnkfs_names_decode(fs, group, found, le64_to_cpu(value), &ino, ref))
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0, "impossible back reference");
	return 0;
}

/**
 * lnkfs_names_find() - look for a name in the tree of its inode's group
 * @fs: volume with LNKFS_RO_COMPAT_BACKREF
 * @ino: inode
 * @ref: where the name stands
 * @key: gets the key of the first record that says so
 *
 * Return: 0; -ENOENT; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_names_find(struct lnkfs_fs *fs, u64 ino, const struct lnkfs_ref *ref, u64 *key)
{
	u32 group = group_of(fs, ino);
	u64 first = first_key(fs, group, ino), found;
	u64 place = dir_place(fs, ref->dir) + ref->pos / 8, disp;
	struct names_tree t;
	__le64 value;
	int err;

	lnkfs_names_lock(fs, group);
	err = tree_open(fs, group, &t);
	if (err)
		goto out;
	err = -ENOENT;
	for (disp = 0; disp <= LNKFS_NAMES_MAX_DISP && err == -ENOENT; disp++) {
		*key = ref_key(first, place, disp);
		err = lnkfs_btree_lookup_ge(&t.bt, *key, &found, &value);
		if (!err && (found != *key || value != ref_value(ref, disp)))
			err = -ENOENT;
	}
	lnkfs_bput(t.head);
out:
	lnkfs_names_unlock(fs, group);
	return err;
}

/* Level of the root of a group's tree that has not been used yet, read now. */
static noinline_for_stack u32 read_level(struct lnkfs_fs *fs, u32 group)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	struct names_tree t;
	u32 level;

	lnkfs_names_lock(fs, group);
	if (!tree_open(fs, group, &t))
		lnkfs_bput(t.head);
	level = g->names_level;
	lnkfs_names_unlock(fs, group);
	/* A tree that cannot be read is not going to be changed. */
	return level == LNKFS_NAMES_UNREAD ? 0 : level;
}

/*
 * Level that the root of a group's tree has at most when a transaction that is
 * about to begin uses it: others may add thousands of names until then.
 */
static u32 names_level(struct lnkfs_fs *fs, u32 group)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	u32 level = 0;

	if (READ_ONCE(g->names)) {
		level = READ_ONCE(g->names_level);
		if (level == LNKFS_NAMES_UNREAD)
			level = read_level(fs, group);
	}
	return max(level + 1, 3u);
}

/**
 * lnkfs_names_add_credits() - blocks that lnkfs_names_add() may touch
 * @fs: volume
 * @ci: inode, as it will be when the transaction uses it
 *
 * The inode record is not counted.
 *
 * Context: may sleep; not in a transaction.
 */
u32 lnkfs_names_add_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	if (!fs->backref || !ci->parent_pos)
		return 0;
	return 2 + LNKFS_CREDITS_ALLOC +
	       lnkfs_btree_insert_credits(names_level(fs, group_of(fs, ci->ino)));
}

/**
 * lnkfs_names_del_credits() - blocks that lnkfs_names_del() may touch
 * @fs: volume
 * @ci: inode, as it will be when the transaction uses it
 *
 * As lnkfs_names_add_credits(). What undoing it takes is included.
 */
u32 lnkfs_names_del_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	if (!fs->backref)
		return 0;
	return 1 + lnkfs_btree_delete_credits(names_level(fs, group_of(fs, ci->ino)));
}

/**
 * lnkfs_names_move_credits() - blocks that lnkfs_names_move() may touch
 * @fs: volume
 * @ci: inode, as it will be when the transaction uses it
 *
 * As lnkfs_names_add_credits().
 */
u32 lnkfs_names_move_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	u32 level;

	if (!fs->backref)
		return 0;
	level = names_level(fs, group_of(fs, ci->ino));
	return 1 + lnkfs_btree_insert_credits(level) + lnkfs_btree_delete_credits(level + 1);
}
