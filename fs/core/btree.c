// SPDX-License-Identifier: GPL-2.0
/*
 * The generic B+tree: 64-bit keys, values of a fixed size, root in an inode or
 * in a block of its own.
 *
 * The root is smaller than a node block. When it overflows, its records move
 * down into a new node, for which there is always room; when one node is left
 * below it and its records fit, they move up again.
 *
 * The first key of an interior node counts as minus infinity: it is at or
 * above the lowest key that the node may hold and below the node's second key,
 * no more. It is never relied upon and it never needs to follow when smaller
 * keys arrive below it. Where a separator is set right after it, it is
 * lowered to stay the smaller one (bt_lower_first()).
 *
 * An operation that modifies the tree first reads all it needs, allocates all
 * blocks and gets write access to all blocks; only then does it change the
 * first byte, and from there on nothing can fail.
 */
#include "btree.h"

/* Bytes of the largest record. */
#define BT_MAX_RECORD		24

/* The inode to name in a report; back references have a group for an owner. */
static u64 bt_ino(const struct lnkfs_btree *bt)
{
	return bt->tree == LNKFS_TREE_NAMES ? 0 : bt->ci->ino;
}

/* Number of keys from index @from on that are at or below @key, plus @from. */
static u32 bt_search(const struct bt_view *v, u64 key, u32 from)
{
	u32 lo = from, hi = bt_count(v);

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (bt_key(v, mid) <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* bt_search() in all records, of which @near are expected to be at or below @key. */
static u32 bt_search_near(const struct bt_view *v, u64 key, u32 near)
{
	u32 count = bt_count(v), pos = min(near, count), end = min(pos + 2, count);

	if (pos && bt_key(v, pos - 1) > key)
		return bt_search(v, key, 0);
	for (; pos < end; pos++)
		if (bt_key(v, pos) > key)
			return pos;
	return bt_search(v, key, pos);
}

/* Index of the child of an interior node whose range @key lies in. */
static u32 bt_child_index(const struct bt_view *v, u64 key)
{
	return bt_search(v, key, 1) - 1;
}

/* Range of child @i of a node with the range [*lo, *hi]. */
static void bt_narrow(const struct bt_view *v, u32 i, u64 *lo, u64 *hi)
{
	if (i)
		*lo = bt_key(v, i);
	if (i + 1 < bt_count(v))
		*hi = bt_key(v, i + 1) - 1;
}

static bool bt_ascending(const struct bt_view *v)
{
	u32 i, count = bt_count(v);

	for (i = 1; i < count; i++)
		if (bt_key(v, i - 1) >= bt_key(v, i))
			return false;
	return true;
}

/*
 * Cheap check of the root before each use: enough to stay inside it. The
 * order of its keys is checked by lnkfs_btree_check_root().
 */
static bool bt_root_head_sound(const struct lnkfs_btree *bt)
{
	const struct lnkfs_btree_root *root = bt->root;
	struct bt_view v;

	if (bt->root_size < sizeof(*root) || bt->root_size % 8 ||
	    root->bt_vsize != bt->vsize || root->bt_tree != bt->tree ||
	    le16_to_cpu(root->bt_level) > LNKFS_BTREE_MAX_LEVEL)
		return false;
	v = bt_root_view(bt);
	return bt_count(&v) <= v.cap && (!bt_level(&v) || bt_count(&v));
}

static int bt_check_root_head(const struct lnkfs_btree *bt)
{
	if (bt_root_head_sound(bt))
		return 0;
	return lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), 0, "bad root of tree %u",
			    bt->tree);
}

/*
 * Read a node (@nowait: take it from memory, or -EAGAIN) and check that it is
 * the one its parent promises: @level and keys in [@lo, @hi]. The order of its
 * keys was checked when it came from disk.
 */
static int bt_read_how(const struct lnkfs_btree *bt, bool nowait, u64 block, u32 level,
		       u64 lo, u64 hi, lnkfs_buf **out)
{
	struct bt_view v;
	lnkfs_buf *buf;
	u32 count;
	int err;

	*out = NULL;
	if (!lnkfs_block_valid(bt->fs, block, 1))
		return lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), block,
				    "node of tree %u where none can be", bt->tree);
	if (nowait)
		err = lnkfs_bread_cached(bt->fs, block, LNKFS_B_BTREE, bt->ci->ino, bt->ci->gen,
					 &buf);
	else
		err = lnkfs_bread(bt->fs, block, LNKFS_B_BTREE, bt->ci->ino, bt->ci->gen, &buf);
	if (err)
		return err;
	v = bt_node_view(bt->fs, lnkfs_bdata(buf));
	count = bt_count(&v);
	if (bt_fits(&v, bt, level) && count && count <= v.cap &&
	    bt_key(&v, 0) >= lo && bt_key(&v, count - 1) <= hi) {
		*out = buf;
		return 0;
	}
	lnkfs_bput(buf);
	return lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), block,
			    "node of tree %u does not fit its parent", bt->tree);
}

static int bt_read(const struct lnkfs_btree *bt, u64 block, u32 level, u64 lo, u64 hi,
		   lnkfs_buf **out)
{
	return bt_read_how(bt, false, block, level, lo, hi, out);
}

/**
 * lnkfs_btree_init_root() - make the root an empty leaf
 * @bt: tree; @root_size, @vsize and @tree say what it will be
 */
void lnkfs_btree_init_root(const struct lnkfs_btree *bt)
{
	struct lnkfs_btree_root *root = bt->root;

	memset(root, 0, bt->root_size);
	root->bt_vsize = bt->vsize;
	root->bt_tree = bt->tree;
}

/**
 * lnkfs_btree_root_sound() - is this a root, as far as it can say?
 * @bt: tree; its @ci is not used
 *
 * Does not report.
 */
bool lnkfs_btree_root_sound(const struct lnkfs_btree *bt)
{
	struct bt_view v;

	if (!bt_root_head_sound(bt))
		return false;
	v = bt_root_view(bt);
	return bt_root_cap(bt, 1) >= 2 && bt_ascending(&v);
}

/**
 * lnkfs_btree_root_fits() - would a smaller root hold the records?
 * @bt: tree with a sound root
 * @size: bytes, a multiple of 8, not more than it has
 */
bool lnkfs_btree_root_fits(const struct lnkfs_btree *bt, u32 size)
{
	struct lnkfs_btree small = *bt;
	struct bt_view v;

	if (size < sizeof(struct lnkfs_btree_root))
		return false;
	small.root_size = size;
	v = bt_root_view(&small);
	return bt_root_cap(&small, 1) >= 2 && bt_count(&v) <= v.cap;
}

/**
 * lnkfs_btree_check_root() - check a root that came from disk
 * @bt: tree
 *
 * To be called once when the inode is loaded; the operations repeat only what
 * keeps them inside the root.
 *
 * Return: 0 or -EFSCORRUPTED, reported.
 */
int lnkfs_btree_check_root(const struct lnkfs_btree *bt)
{
	int err;

	err = bt_check_root_head(bt);
	if (err)
		return err;
	if (!lnkfs_btree_root_sound(bt))
		return lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), 0,
				    "bad records in the root of tree %u", bt->tree);
	return 0;
}

/**
 * lnkfs_btree_check_node() - check what a node block can say about itself
 * @fs: volume
 * @data: the block, its header already verified
 *
 * Return: 0 or -EFSCORRUPTED; reporting is left to the caller.
 */
int lnkfs_btree_check_node(const struct lnkfs_fs *fs, const void *data)
{
	const struct lnkfs_btree_node *node = data;
	struct bt_view v;

	if (le16_to_cpu(node->n_level) >= LNKFS_BTREE_MAX_LEVEL ||
	    (node->n_vsize != 0 && node->n_vsize != 8 && node->n_vsize != 16) ||
	    !node->n_tree || node->n_tree > LNKFS_TREE_NAMES)
		return -EFSCORRUPTED;
	v = bt_node_view(fs, (void *)data);
	if (!bt_count(&v) || bt_count(&v) > v.cap || !bt_ascending(&v))
		return -EFSCORRUPTED;
	return 0;
}

/**
 * lnkfs_btree_level() - levels of nodes below the root
 * @bt: tree
 *
 * Return: the root's level, at most LNKFS_BTREE_MAX_LEVEL whatever it holds.
 */
u32 lnkfs_btree_level(const struct lnkfs_btree *bt)
{
	const struct lnkfs_btree_root *root = bt->root;
	u32 level = le16_to_cpu(root->bt_level);

	return level < LNKFS_BTREE_MAX_LEVEL ? level : LNKFS_BTREE_MAX_LEVEL;
}

/* A subtree that holds the neighbours of the leaf that a key leads to. */
struct bt_turn {
	bool exists;
	u64 block;
	u32 level;
	u64 lo;
	u64 hi;
};

static void bt_set_turn(struct bt_turn *turn, const struct bt_view *v, u32 i, u64 lo, u64 hi)
{
	turn->exists = true;
	turn->block = bt_child(v, i);
	turn->level = bt_level(v) - 1;
	bt_narrow(v, i, &lo, &hi);
	turn->lo = lo;
	turn->hi = hi;
}

/* Get the last (@last) or first leaf of a subtree. */
static int bt_edge_leaf_how(const struct lnkfs_btree *bt, bool nowait,
			    const struct bt_turn *turn, bool last, lnkfs_buf **out)
{
	u64 block = turn->block, lo = turn->lo, hi = turn->hi;
	u32 level = turn->level, i;
	struct bt_view v;
	lnkfs_buf *buf;
	int err;

	for (;;) {
		err = bt_read_how(bt, nowait, block, level, lo, hi, &buf);
		if (err)
			return err;
		if (!level)
			break;
		v = bt_node_view(bt->fs, lnkfs_bdata(buf));
		i = last ? bt_count(&v) - 1 : 0;
		block = bt_child(&v, i);
		bt_narrow(&v, i, &lo, &hi);
		lnkfs_bput(buf);
		level--;
	}
	*out = buf;
	return 0;
}

static int bt_edge_leaf(const struct lnkfs_btree *bt, const struct bt_turn *turn, bool last,
			lnkfs_buf **out)
{
	return bt_edge_leaf_how(bt, false, turn, last, out);
}

/*
 * Get the leaf that @key leads to (*out, NULL for a root that is a leaf) and
 * the subtrees left and right of the way to it.
 */
static int bt_find_leaf_how(const struct lnkfs_btree *bt, bool nowait, u64 key,
			    lnkfs_buf **out, struct bt_turn *left, struct bt_turn *right)
{
	struct bt_view v;
	lnkfs_buf *buf = NULL, *child;
	u64 lo = 0, hi = BT_LAST_KEY;
	u32 level, i;
	int err;

	left->exists = false;
	right->exists = false;
	err = bt_check_root_head(bt);
	if (err)
		return err;
	v = bt_root_view(bt);
	for (level = bt_level(&v); level; level--) {
		i = bt_child_index(&v, key);
		if (i)
			bt_set_turn(left, &v, i - 1, lo, hi);
		if (i + 1 < bt_count(&v))
			bt_set_turn(right, &v, i + 1, lo, hi);
		bt_narrow(&v, i, &lo, &hi);
		err = bt_read_how(bt, nowait, bt_child(&v, i), level - 1, lo, hi, &child);
		lnkfs_bput(buf);
		if (err)
			return err;
		buf = child;
		v = bt_node_view(bt->fs, lnkfs_bdata(buf));
	}
	*out = buf;
	return 0;
}

static int bt_find_leaf(const struct lnkfs_btree *bt, u64 key, lnkfs_buf **out,
			struct bt_turn *left, struct bt_turn *right)
{
	return bt_find_leaf_how(bt, false, key, out, left, right);
}

/* Is record @i of a leaf that of @key, with this value? */
static bool bt_is_record(const struct bt_view *v, u32 i, u64 key, const __le64 *value)
{
	const __le64 *record = (const __le64 *)bt_record(v, i);
	u32 j;

	if (record[0] != cpu_to_le64(key))
		return false;
	for (j = 1; j < v->rsize / 8; j++)
		if (record[j] != value[j - 1])
			return false;
	return true;
}

static void bt_take(const struct lnkfs_btree *bt, const struct bt_view *v, u32 i, u64 *found,
		    void *value)
{
	*found = bt_key(v, i);
	if (value)
		memcpy(value, bt_record(v, i) + 8, bt->vsize);
}

static int bt_lookup_span(const struct lnkfs_btree *bt, bool nowait, u64 key, u64 *found,
			  void *value, u64 *next)
{
	struct bt_turn left, right;
	lnkfs_buf *leaf, *other;
	struct bt_view v;
	u32 pos;
	int err;

	err = bt_find_leaf_how(bt, nowait, key, &leaf, &left, &right);
	if (err)
		return err;
	v = bt_view_of(bt, leaf);
	pos = bt_search(&v, key, 0);
	*next = pos < bt_count(&v) ? bt_key(&v, pos) : BT_LAST_KEY;
	if (pos)
		bt_take(bt, &v, pos - 1, found, value);
	if (pos < bt_count(&v))
		right.exists = false;
	lnkfs_bput(leaf);

	if (right.exists) {
		err = bt_edge_leaf_how(bt, nowait, &right, false, &other);
		if (err)
			return err;
		v = bt_view_of(bt, other);
		*next = bt_key(&v, 0);
		lnkfs_bput(other);
	}
	if (pos)
		return 0;
	if (!left.exists)
		return -ENOENT;
	err = bt_edge_leaf_how(bt, nowait, &left, true, &other);
	if (err)
		return err;
	v = bt_view_of(bt, other);
	bt_take(bt, &v, bt_count(&v) - 1, found, value);
	lnkfs_bput(other);
	return 0;
}

/**
 * lnkfs_btree_lookup_span() - find a record and the key that follows it
 * @bt: tree
 * @key: key looked for
 * @found: result: the greatest key at or below @key
 * @value: result: its value, @bt->vsize bytes; or NULL
 * @next: result: the smallest key above @key, ~0 when there is none
 *
 * Return: 0; -ENOENT when no key is at or below @key (@next is set all the
 * same); -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_lookup_span(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value,
			    u64 *next)
{
	return bt_lookup_span(bt, false, key, found, value, next);
}

/**
 * lnkfs_btree_lookup_span_nowait() - lnkfs_btree_lookup_span() from memory
 * @bt: tree
 * @key: key looked for
 * @found: result: the greatest key at or below @key
 * @value: result: its value, @bt->vsize bytes; or NULL
 * @next: result: the smallest key above @key, ~0 when there is none
 *
 * Return: as lnkfs_btree_lookup_span(); -EAGAIN when a node would have to be
 * read from the disk.
 */
int lnkfs_btree_lookup_span_nowait(const struct lnkfs_btree *bt, u64 key, u64 *found,
				   void *value, u64 *next)
{
	return bt_lookup_span(bt, true, key, found, value, next);
}

/**
 * lnkfs_btree_lookup_le() - find the record at or before a key
 * @bt: tree
 * @key: key looked for
 * @found: result: the greatest key at or below @key
 * @value: result: its value, @bt->vsize bytes; or NULL
 *
 * Return: 0, -ENOENT, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_lookup_le(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value)
{
	struct bt_turn left, right;
	struct bt_view v;
	lnkfs_buf *leaf;
	u32 pos;
	int err;

	err = bt_find_leaf(bt, key, &leaf, &left, &right);
	if (err)
		return err;
	v = bt_view_of(bt, leaf);
	pos = bt_search(&v, key, 0);
	if (!pos) {
		lnkfs_bput(leaf);
		if (!left.exists)
			return -ENOENT;
		err = bt_edge_leaf(bt, &left, true, &leaf);
		if (err)
			return err;
		v = bt_view_of(bt, leaf);
		pos = bt_count(&v);
	}
	bt_take(bt, &v, pos - 1, found, value);
	lnkfs_bput(leaf);
	return 0;
}

/**
 * lnkfs_btree_lookup_ge() - find the record at or after a key
 * @bt: tree
 * @key: key looked for
 * @found: result: the smallest key at or above @key
 * @value: result: its value, @bt->vsize bytes; or NULL
 *
 * Return: 0, -ENOENT, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_lookup_ge(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value)
{
	struct bt_turn left, right;
	struct bt_view v;
	lnkfs_buf *leaf;
	u32 pos;
	int err;

	err = bt_find_leaf(bt, key, &leaf, &left, &right);
	if (err)
		return err;
	v = bt_view_of(bt, leaf);
	pos = bt_search(&v, key, 0);
	if (pos && bt_key(&v, pos - 1) == key)
		pos--;
	if (pos == bt_count(&v)) {
		lnkfs_bput(leaf);
		if (!right.exists)
			return -ENOENT;
		err = bt_edge_leaf(bt, &right, false, &leaf);
		if (err)
			return err;
		v = bt_view_of(bt, leaf);
		pos = 0;
	}
	bt_take(bt, &v, pos, found, value);
	lnkfs_bput(leaf);
	return 0;
}

/**
 * lnkfs_bt_release() - put the nodes of a path
 * @path: from lnkfs_bt_descend()
 */
void lnkfs_bt_release(struct bt_path *path)
{
	u32 l;

	for (l = 0; l < path->level; l++) {
		lnkfs_bput(path->step[l].buf);
		lnkfs_bput(path->step[l].sib);
	}
}

/**
 * lnkfs_bt_descend() - go down to the leaf that a key leads to
 * @bt: tree
 * @key: key
 * @path: every node of the way; lnkfs_bt_release() puts them
 *
 * Return: 0; -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM with nothing held.
 */
int lnkfs_bt_descend(const struct lnkfs_btree *bt, u64 key, struct bt_path *path)
{
	struct bt_step *step;
	struct bt_view v;
	u32 l;
	int err;

	path->level = 0;
	/* All of a block was looked at when it came from the disk. */
	err = bt->home ? bt_check_root_head(bt) : lnkfs_btree_check_root(bt);
	if (err)
		return err;
	v = bt_root_view(bt);
	path->level = bt_level(&v);
	memset(path->step, 0, (path->level + 1) * sizeof(path->step[0]));
	path->step[path->level].hi = BT_LAST_KEY;
	for (l = path->level; l; l--) {
		step = &path->step[l];
		step->idx = bt_child_index(&v, key);
		step[-1].lo = step->lo;
		step[-1].hi = step->hi;
		bt_narrow(&v, step->idx, &step[-1].lo, &step[-1].hi);
		err = bt_read(bt, bt_child(&v, step->idx), l - 1, step[-1].lo, step[-1].hi,
			      &step[-1].buf);
		if (err) {
			lnkfs_bt_release(path);
			return err;
		}
		v = bt_view_of(bt, step[-1].buf);
	}
	return 0;
}

/*
 * The root is about to change. When it is in a block of its own, that is ours to
 * declare; a root in an inode's record is stored by the caller.
 */
static int bt_access_root(lnkfs_tx *tx, const struct lnkfs_btree *bt)
{
	return bt->home_buf ? lnkfs_baccess(tx, bt->fs, bt->home_buf, LNKFS_B_NAMES) : 0;
}

static void bt_dirty_root(lnkfs_tx *tx, const struct lnkfs_btree *bt)
{
	if (bt->home_buf)
		lnkfs_bdirty(tx, bt->fs, bt->home_buf);
}

/* Keep the first @count records; where the others were is zero. */
static void bt_cut(const struct bt_view *v, u32 count)
{
	memset(bt_record(v, count), 0, (size_t)(bt_count(v) - count) * v->rsize);
	bt_set_count(v, count);
}

/*
 * Copy records; @to may lie before @from in the same node. Not with memmove(): x86 has
 * "rep movsb" for that (ERMS), which takes a cycle a byte when the two are less than a
 * cache line apart, ten times what this takes. The accesses are marked so that the
 * compiler does not make a memmove() of it.
 */
static void bt_copy(u8 *to, const u8 *from, size_t bytes)
{
	const u64 *s = (const u64 *)from;
	u64 *d = (u64 *)to;

	for (; bytes >= 64; bytes -= 64, d += 8, s += 8) {
		WRITE_ONCE(d[0], READ_ONCE(s[0]));
		WRITE_ONCE(d[1], READ_ONCE(s[1]));
		WRITE_ONCE(d[2], READ_ONCE(s[2]));
		WRITE_ONCE(d[3], READ_ONCE(s[3]));
		WRITE_ONCE(d[4], READ_ONCE(s[4]));
		WRITE_ONCE(d[5], READ_ONCE(s[5]));
		WRITE_ONCE(d[6], READ_ONCE(s[6]));
		WRITE_ONCE(d[7], READ_ONCE(s[7]));
	}
	for (; bytes; bytes -= 8)
		WRITE_ONCE(*d++, READ_ONCE(*s++));
}

static void bt_insert_at(const struct bt_view *v, u32 pos, const u8 *record)
{
	u32 count = bt_count(v);

	memmove(bt_record(v, pos + 1), bt_record(v, pos), (size_t)(count - pos) * v->rsize);
	bt_copy(bt_record(v, pos), record, v->rsize);
	bt_set_count(v, count + 1);
}

static void bt_remove_at(const struct bt_view *v, u32 pos)
{
	u32 count = bt_count(v) - 1, i;

	bt_copy(bt_record(v, pos), bt_record(v, pos + 1), (size_t)(count - pos) * v->rsize);
	for (i = 0; i < v->rsize / 8; i++)
		((u64 *)bt_record(v, count))[i] = 0;
	bt_set_count(v, count);
}

/* Append the @n first records of @from to @to. */
static void bt_move_head(const struct bt_view *to, const struct bt_view *from, u32 n)
{
	u32 count = bt_count(from) - n;

	memcpy(bt_record(to, bt_count(to)), bt_record(from, 0), (size_t)n * to->rsize);
	bt_set_count(to, bt_count(to) + n);
	memmove(bt_record(from, 0), bt_record(from, n), (size_t)count * from->rsize);
	bt_cut(from, count);
}

/* Put the @n last records of @from before those of @to. */
static void bt_move_tail(const struct bt_view *to, const struct bt_view *from, u32 n)
{
	u32 count = bt_count(from) - n;

	memmove(bt_record(to, n), bt_record(to, 0), (size_t)bt_count(to) * to->rsize);
	memcpy(bt_record(to, 0), bt_record(from, count), (size_t)n * to->rsize);
	bt_set_count(to, bt_count(to) + n);
	bt_cut(from, count);
}

/*
 * A separator is about to stand at index 1 of @parent, above the first key of
 * its child @left at index 0: make sure it is above the parent's own first
 * key, which may be greater than what child 0 holds.
 */
static void bt_lower_first(const struct bt_view *parent, const struct bt_view *left)
{
	if (bt_key(left, 0) < bt_key(parent, 0))
		bt_set_key(parent, 0, bt_key(left, 0));
}

/*
 * Give back a block that is no longer, or not yet, part of the tree. When that
 * fails the tree is right all the same; the block stays in use until the
 * volume is checked, and the failure is on record. A block that the bitmap calls
 * free already is not forgotten: it could be allocated at once, and the commit under
 * way may hold its buffer.
 */
static void bt_give_back(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 block, bool had_buffer)
{
	int err = lnkfs_bfree(tx, bt->fs, block, 1);

	if (err)
		lnkfs_report(bt->fs, err, bt_ino(bt), block, "node of tree %u is lost",
			     bt->tree);
	else if (had_buffer)
		lnkfs_bforget(tx, bt->fs, block);
}

/* Give back @n new nodes that were not used. */
static void bt_drop_new(lnkfs_tx *tx, const struct lnkfs_btree *bt, lnkfs_buf **fresh, u32 n)
{
	while (n--) {
		u64 block = lnkfs_bblock(fresh[n]);

		lnkfs_bdirty(tx, bt->fs, fresh[n]);
		lnkfs_bput(fresh[n]);
		bt_give_back(tx, bt, block, true);
	}
}

/* Is a block that the allocator called free one of those we stand on? */
static bool bt_on_path(const struct lnkfs_btree *bt, const struct bt_path *path, u64 block)
{
	u32 l;

	if (bt->home && block == bt->home)
		return true;
	for (l = 0; l < path->level; l++)
		if (lnkfs_bblock(path->step[l].buf) == block)
			return true;
	return false;
}

/* Allocate a node of level @level and make it a formatted, empty buffer. */
static int bt_new_node(lnkfs_tx *tx, const struct lnkfs_btree *bt, const struct bt_path *path,
		       u32 level, lnkfs_buf **out)
{
	struct lnkfs_btree_node *node;
	u64 goal, block;
	u32 got;
	int err;

	if (path->step[level].buf)
		goal = lnkfs_bblock(path->step[level].buf);
	else
		goal = bt->home ? bt->home : lnkfs_ino_block(bt->fs, bt->ci->ino);
	err = lnkfs_balloc(tx, bt->fs, goal + 1, 1, 1, LNKFS_BA_META, &block, &got);
	if (err)
		return err;
	if (bt_on_path(bt, path, block))
		return lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), block,
				    "node of tree %u was marked free", bt->tree);
	err = lnkfs_bnew(tx, bt->fs, block, LNKFS_B_BTREE, out);
	if (err) {
		bt_give_back(tx, bt, block, false);
		return err;
	}
	node = lnkfs_bdata(*out);
	lnkfs_header_init(bt->fs, node, LNKFS_B_BTREE, block, bt->ci->ino, bt->ci->gen);
	node->n_level = cpu_to_le16((u16)level);
	node->n_vsize = bt->vsize;
	node->n_tree = bt->tree;
	return 0;
}

/*
 * Split the full node at level @l into itself and @new, with @record going to
 * index @pos. On return @record and *pos are what the parent has to take.
 */
static void bt_split(const struct lnkfs_btree *bt, const struct bt_path *path, u32 l,
		     lnkfs_buf *new, u32 *pos, u8 *record)
{
	struct bt_view left = bt_view_of(bt, path->step[l].buf);
	struct bt_view right = bt_view_of(bt, new);
	struct bt_view parent = bt_view_of(bt, path->step[l + 1].buf);
	u32 count = bt_count(&left), at = count / 2;
	__le64 up[2];

	/* Keys that arrive in ascending order leave full nodes behind. */
	if (*pos == count && path->step[l].hi == BT_LAST_KEY)
		at = count;
	bt_move_tail(&right, &left, count - at);
	if (*pos > at || at == count)
		bt_insert_at(&right, *pos - at, record);
	else
		bt_insert_at(&left, *pos, record);
	if (!path->step[l + 1].idx)
		bt_lower_first(&parent, &left);
	up[0] = cpu_to_le64(bt_key(&right, 0));
	up[1] = cpu_to_le64(lnkfs_bblock(new));
	memcpy(record, up, sizeof(up));
	*pos = path->step[l + 1].idx + 1;
}

/* Move the records of the root into @new, which becomes its only child. */
static void bt_push_down(const struct lnkfs_btree *bt, lnkfs_buf *new)
{
	struct bt_view root = bt_root_view(bt), node = bt_view_of(bt, new);
	__le64 only[2];

	only[0] = cpu_to_le64(bt_key(&root, 0));
	only[1] = cpu_to_le64(lnkfs_bblock(new));
	bt_move_head(&node, &root, bt_count(&root));
	root.head->bt_level = cpu_to_le16((u16)(bt_level(&root) + 1));
	root = bt_root_view(bt);
	memcpy(bt_record(&root, 0), only, sizeof(only));
	bt_set_count(&root, 1);
}

/*
 * Insert @record at index @pos of the leaf; @fresh has a node for each of the
 * @full levels that are full.
 */
static noinline_for_stack void bt_do_insert(const struct lnkfs_btree *bt,
					    const struct bt_path *path, lnkfs_buf **fresh,
					    u32 full, u32 pos, u8 *record)
{
	struct bt_view v;
	u32 l;

	for (l = 0; l < full && l < path->level; l++)
		bt_split(bt, path, l, fresh[l], &pos, record);
	if (l < full) {
		bt_push_down(bt, fresh[l]);
		v = bt_view_of(bt, fresh[l]);
	} else {
		v = bt_view_of(bt, path->step[l].buf);
	}
	bt_insert_at(&v, pos, record);
}

/**
 * lnkfs_btree_insert() - add a record
 * @tx: transaction with lnkfs_btree_insert_credits() and, for the way back
 *	from an error, lnkfs_btree_revokes()
 * @bt: tree
 * @key: its key
 * @value: its value, @bt->vsize bytes
 *
 * On an error the tree is what it was. The blocks of new nodes are added to
 * the inode's; the caller stores the record.
 *
 * Return: 0, -EEXIST, -ENOSPC, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_insert(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key, const void *value)
{
	lnkfs_buf *fresh[LNKFS_BTREE_MAX_LEVEL + 1];
	u32 pos, full, n = 0, accessed = 0;
	__le64 record[BT_MAX_RECORD / 8];
	bool root = false;
	struct bt_path path;
	struct bt_view v;
	int err;

	err = lnkfs_bt_descend(bt, key, &path);
	if (err)
		return err;
	v = bt_view_of(bt, path.step[0].buf);
	pos = bt_search(&v, key, 0);
	if (pos && bt_key(&v, pos - 1) == key) {
		err = -EEXIST;
		goto out;
	}
	for (full = 0; full <= path.level; full++) {
		v = bt_view_of(bt, path.step[full].buf);
		if (bt_count(&v) < v.cap)
			break;
	}
	if (full > LNKFS_BTREE_MAX_LEVEL) {
		err = lnkfs_report(bt->fs, -EFSCORRUPTED, bt_ino(bt), 0, "tree %u is too high",
				   bt->tree);
		goto out;
	}
	for (; n < full; n++) {
		err = bt_new_node(tx, bt, &path, n, &fresh[n]);
		if (err)
			goto out;
	}
	/* Every split node and the one above that takes the last record. */
	for (; accessed <= full && accessed < path.level; accessed++) {
		err = lnkfs_baccess(tx, bt->fs, path.step[accessed].buf, LNKFS_B_BTREE);
		if (err)
			goto out;
	}
	/* The last step before the first change. */
	if (full >= path.level) {
		err = bt_access_root(tx, bt);
		if (err)
			goto out;
		root = true;
	}
	record[0] = cpu_to_le64(key);
	if (bt->vsize)
		memcpy(&record[1], value, bt->vsize);
	bt_do_insert(bt, &path, fresh, full, pos, (u8 *)record);
	bt->ci->blocks += n;
	for (; n; n--) {
		lnkfs_bdirty(tx, bt->fs, fresh[n - 1]);
		lnkfs_bput(fresh[n - 1]);
	}
out:
	if (root)
		bt_dirty_root(tx, bt);
	while (accessed--)
		lnkfs_bdirty(tx, bt->fs, path.step[accessed].buf);
	if (err)
		bt_drop_new(tx, bt, fresh, n);
	lnkfs_bt_release(&path);
	return err;
}

/**
 * lnkfs_btree_update() - replace a record in place
 * @tx: transaction; one block is modified at most
 * @bt: tree
 * @key: its key
 * @new_key: the key it gets, which may be the same
 * @value: the value it gets, @bt->vsize bytes; NULL keeps the value
 *
 * The new key has to lie between the record's neighbours in its node and
 * within the node's range, as the parents see it.
 *
 * Return: 0; -ENOENT; -EINVAL when @new_key does not fit there;
 * -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_update(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key, u64 new_key,
		       const void *value)
{
	struct bt_path path;
	struct bt_view v;
	u64 min, max;
	u32 pos;
	int err;

	err = lnkfs_bt_descend(bt, key, &path);
	if (err)
		return err;
	v = bt_view_of(bt, path.step[0].buf);
	pos = bt_search(&v, key, 0);
	err = -ENOENT;
	if (!pos-- || bt_key(&v, pos) != key)
		goto out;
	min = pos ? bt_key(&v, pos - 1) + 1 : path.step[0].lo;
	max = pos + 1 < bt_count(&v) ? bt_key(&v, pos + 1) - 1 : path.step[0].hi;
	err = -EINVAL;
	if (new_key < min || new_key > max)
		goto out;
	if (path.level)
		err = lnkfs_baccess(tx, bt->fs, path.step[0].buf, LNKFS_B_BTREE);
	else
		err = bt_access_root(tx, bt);
	if (err)
		goto out;
	bt_set_key(&v, pos, new_key);
	if (value && bt->vsize)
		memcpy(bt_record(&v, pos) + 8, value, bt->vsize);
	if (path.level)
		lnkfs_bdirty(tx, bt->fs, path.step[0].buf);
	else
		bt_dirty_root(tx, bt);
out:
	lnkfs_bt_release(&path);
	return err;
}

/* Read the sibling to use for the node at level @l: the left one if any. */
static int bt_read_sibling(const struct lnkfs_btree *bt, struct bt_path *path, u32 l)
{
	struct bt_step *step = &path->step[l], *up = step + 1;
	struct bt_view parent = bt_view_of(bt, up->buf);
	u64 lo = up->lo, hi = up->hi;
	u32 i;

	step->sib_left = up->idx != 0;
	i = up->idx ? up->idx - 1 : 1;
	bt_narrow(&parent, i, &lo, &hi);
	return bt_read(bt, bt_child(&parent, i), l, lo, hi, &step->sib);
}

/*
 * Has a node that loses a record too few left to stay as it is? Back references go in
 * their order more often than not, from the front of a leaf: the fewer it may have,
 * the fewer have to move up.
 */
static bool bt_few_left(const struct bt_view *v)
{
	u32 part = v->head->bt_tree == LNKFS_TREE_NAMES ? 6 : 3;

	return bt_count(v) - 1 < v->cap / part;
}

/*
 * Decide what becomes of the node at level @l when it loses a record, reading
 * its sibling where that takes part.
 */
static int bt_plan_level(const struct lnkfs_btree *bt, struct bt_path *path, u32 l)
{
	struct bt_step *step = &path->step[l];
	struct bt_view v = bt_view_of(bt, step->buf);
	struct bt_view parent = bt_view_of(bt, step[1].buf);
	u32 left = bt_count(&v) - 1;
	int err;

	step->action = BT_KEEP;
	if (!bt_few_left(&v))
		return 0;
	if (bt_count(&parent) == 1) {
		if (!left)
			step->action = BT_FREE;
		return 0;
	}
	err = bt_read_sibling(bt, path, l);
	if (err)
		return err;
	v = bt_view_of(bt, step->sib);
	/* A merged node keeps some room, or the next insertion would split it. */
	step->action = left + bt_count(&v) <= v.cap - v.cap / 8 ? BT_MERGE : BT_BALANCE;
	return 0;
}

/* Decide for all levels; *top is the highest one below the root that changes. */
static int bt_plan_delete(const struct lnkfs_btree *bt, struct bt_path *path, u32 *top)
{
	u32 l;
	int err;

	for (l = 0; l < path->level; l++) {
		err = bt_plan_level(bt, path, l);
		if (err)
			return err;
		if (path->step[l].action == BT_KEEP)
			break;
		if (path->step[l].action == BT_BALANCE) {
			l++;
			break;
		}
	}
	*top = l;
	return 0;
}

/* Join a node with its sibling, or share the records between them. */
static void bt_join(const struct lnkfs_btree *bt, const struct bt_path *path, u32 l)
{
	const struct bt_step *step = &path->step[l];
	struct bt_view left = bt_view_of(bt, step->sib_left ? step->sib : step->buf);
	struct bt_view right = bt_view_of(bt, step->sib_left ? step->buf : step->sib);
	struct bt_view parent = bt_view_of(bt, step[1].buf);
	u32 at = step->sib_left ? step[1].idx : 1;
	u32 nl = bt_count(&left), nr = bt_count(&right), half = (nl + nr) / 2;

	/* The right one's first key is going to count, so give it its value. */
	if (l && nr)
		bt_set_key(&right, 0, bt_key(&parent, at));
	if (step->action == BT_MERGE) {
		bt_move_head(&left, &right, nr);
		return;
	}
	if (nl > half)
		bt_move_tail(&right, &left, nl - half);
	else
		bt_move_head(&left, &right, half - nl);
	if (at == 1)
		bt_lower_first(&parent, &left);
	bt_set_key(&parent, at, bt_key(&right, 0));
}

/* Remove record @pos of the leaf and do what was planned above. */
static noinline_for_stack void bt_do_delete(const struct lnkfs_btree *bt,
					    const struct bt_path *path, u32 pos)
{
	struct bt_view v;
	u32 l;

	for (l = 0; ; l++) {
		const struct bt_step *step = &path->step[l];

		v = bt_view_of(bt, step->buf);
		bt_remove_at(&v, pos);
		if (l == path->level || step->action == BT_KEEP)
			break;
		if (step->action != BT_FREE)
			bt_join(bt, path, l);
		if (step->action == BT_BALANCE)
			break;
		pos = step[1].idx;
		if (step->action == BT_MERGE && !step->sib_left)
			pos++;
	}
	v = bt_root_view(bt);
	if (!bt_count(&v))
		v.head->bt_level = 0;
}

/* Put the nodes of the path and free those that the plan emptied. */
static void bt_finish_delete(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct bt_path *path)
{
	u32 l;

	for (l = 0; l < path->level; l++) {
		struct bt_step *step = &path->step[l];
		lnkfs_buf *dead = NULL;
		u64 block;

		if (step->action == BT_FREE || (step->action == BT_MERGE && step->sib_left))
			dead = step->buf;
		else if (step->action == BT_MERGE)
			dead = step->sib;
		block = dead ? lnkfs_bblock(dead) : 0;
		lnkfs_bput(step->buf);
		lnkfs_bput(step->sib);
		if (dead) {
			bt_give_back(tx, bt, block, true);
			lnkfs_blocks_less(bt->ci, 1);
		}
	}
}

/*
 * When the root has one child left whose records fit into it with some room
 * to spare, take them up. One level a deletion: this bounds its frees. The
 * tree is right without it, so an unreadable child is left alone.
 */
static void bt_pull_up(lnkfs_tx *tx, const struct lnkfs_btree *bt)
{
	struct bt_view root = bt_root_view(bt), v;
	u32 level = bt_level(&root), cap;
	lnkfs_buf *buf;
	u64 block;

	if (!level || bt_count(&root) != 1)
		return;
	block = bt_child(&root, 0);
	if (bt_read(bt, block, level - 1, 0, BT_LAST_KEY, &buf))
		return;
	v = bt_view_of(bt, buf);
	cap = bt_root_cap(bt, level - 1);
	if (bt_count(&v) > cap - cap / 4 || bt_access_root(tx, bt)) {
		lnkfs_bput(buf);
		return;
	}
	bt_cut(&root, 0);
	root.head->bt_level = cpu_to_le16((u16)(level - 1));
	bt_set_count(&root, bt_count(&v));
	memcpy(root.records, v.records, (size_t)bt_count(&v) * v.rsize);
	bt_dirty_root(tx, bt);
	lnkfs_bput(buf);
	bt_give_back(tx, bt, block, true);
	lnkfs_blocks_less(bt->ci, 1);
}

/* Declare that everything in the plan is about to change. */
static int bt_access_delete(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct bt_path *path,
			    u32 top)
{
	struct bt_step *step;
	int err = 0;
	u32 l;

	for (l = 0; l <= top && l < path->level; l++) {
		step = &path->step[l];
		err = lnkfs_baccess(tx, bt->fs, step->buf, LNKFS_B_BTREE);
		if (err)
			break;
		if (!step->sib)
			continue;
		err = lnkfs_baccess(tx, bt->fs, step->sib, LNKFS_B_BTREE);
		if (err) {
			lnkfs_bdirty(tx, bt->fs, step->buf);
			break;
		}
	}
	if (!err && top == path->level)
		err = bt_access_root(tx, bt);
	if (!err)
		return 0;
	while (l--) {
		lnkfs_bdirty(tx, bt->fs, path->step[l].buf);
		if (path->step[l].sib)
			lnkfs_bdirty(tx, bt->fs, path->step[l].sib);
	}
	return err;
}

/**
 * lnkfs_btree_delete_record() - remove a record
 * @tx: transaction with lnkfs_btree_delete_credits() and lnkfs_btree_revokes()
 * @bt: tree
 * @key: its key
 * @value: what its value has to be, @bt->vsize bytes; NULL: anything
 *
 * Needs no space. On an error the tree is what it was. A node block that
 * cannot be given back is reported and stays in use; the record is gone then
 * and that is no error. The blocks of freed nodes are taken off the inode's;
 * the caller stores the record.
 *
 * Return: 0; -ENOENT when there is no such record; -EFSCORRUPTED, -EFSBADCRC, -EIO,
 * -ENOMEM.
 */
int lnkfs_btree_delete_record(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key,
			      const void *value)
{
	struct bt_path path;
	struct bt_view v;
	u32 pos, top, l;
	int err;

	err = lnkfs_bt_descend(bt, key, &path);
	if (err)
		return err;
	v = bt_view_of(bt, path.step[0].buf);
	pos = bt_search(&v, key, 0);
	err = -ENOENT;
	if (!pos-- || bt_key(&v, pos) != key)
		goto out;
	if (value && memcmp(bt_record(&v, pos) + 8, value, bt->vsize))
		goto out;
	err = bt_plan_delete(bt, &path, &top);
	if (err)
		goto out;
	err = bt_access_delete(tx, bt, &path, top);
	if (err)
		goto out;
	bt_do_delete(bt, &path, pos);
	if (top == path.level)
		bt_dirty_root(tx, bt);
	for (l = 0; l <= top && l < path.level; l++) {
		lnkfs_bdirty(tx, bt->fs, path.step[l].buf);
		if (path.step[l].sib)
			lnkfs_bdirty(tx, bt->fs, path.step[l].sib);
	}
	bt_finish_delete(tx, bt, &path);
	bt_pull_up(tx, bt);
	return 0;
out:
	lnkfs_bt_release(&path);
	return err;
}

/**
 * lnkfs_btree_delete() - remove the record of a key
 * @tx: transaction
 * @bt: tree
 * @key: its key
 *
 * Return: as lnkfs_btree_delete_record().
 */
int lnkfs_btree_delete(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key)
{
	return lnkfs_btree_delete_record(tx, bt, key, NULL);
}

/**
 * lnkfs_btree_seek() - find the leaf that a key belongs to
 * @bt: tree
 * @key: key
 * @leaf: gets the leaf, to be put by the caller; NULL when the root is it
 * @lo: gets the lowest key that belongs to it
 * @hi: gets the highest one
 *
 * The range stays the leaf's until lnkfs_btree_insert(), _update() or _delete().
 *
 * Return: 0, -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM; *@leaf is NULL then.
 */
int lnkfs_btree_seek(const struct lnkfs_btree *bt, u64 key, lnkfs_buf **leaf, u64 *lo, u64 *hi)
{
	struct bt_path path;
	int err;

	*leaf = NULL;
	err = lnkfs_bt_descend(bt, key, &path);
	if (err)
		return err;
	if (path.level) {
		*leaf = path.step[0].buf;
		*lo = path.step[0].lo;
		*hi = path.step[0].hi;
		path.step[0].buf = NULL;
	}
	lnkfs_bt_release(&path);
	return 0;
}

/**
 * lnkfs_btree_leaf_insert() - add a record to a leaf that has room
 * @tx: transaction with one credit
 * @fs: volume
 * @leaf: from lnkfs_btree_seek()
 * @key: key in its range
 * @value: its value
 * @near: where in the leaf to look first, any number; gets where a key that follows
 *	may be
 *
 * Return: 0; -EEXIST; -EAGAIN when there is no room: lnkfs_btree_insert() is needed;
 * an error of lnkfs_baccess().
 */
int lnkfs_btree_leaf_insert(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *leaf, u64 key,
			    const __le64 *value, u32 *near)
{
	struct bt_view v = bt_node_view(fs, lnkfs_bdata(leaf));
	__le64 record[BT_MAX_RECORD / 8];
	u32 pos = bt_search_near(&v, key, *near);
	int err;

	if (pos && bt_key(&v, pos - 1) == key)
		return -EEXIST;
	if (bt_count(&v) >= v.cap)
		return -EAGAIN;
	err = lnkfs_baccess(tx, fs, leaf, LNKFS_B_BTREE);
	if (err)
		return err;
	record[0] = cpu_to_le64(key);
	memcpy(&record[1], value, v.rsize - sizeof(record[0]));
	bt_insert_at(&v, pos, (u8 *)record);
	*near = pos + 1;
	lnkfs_bdirty(tx, fs, leaf);
	return 0;
}

/**
 * lnkfs_btree_leaf_delete() - remove a record from a leaf that stays well filled
 * @tx: transaction with one credit
 * @fs: volume
 * @leaf: from lnkfs_btree_seek()
 * @key: key in its range
 * @value: what its value has to be
 * @near: as for lnkfs_btree_leaf_insert()
 *
 * Return: 0; -ENOENT when there is no such record; -EAGAIN when the leaf would have
 * to be joined with another one: lnkfs_btree_delete_record() is needed; an error of
 * lnkfs_baccess().
 */
int lnkfs_btree_leaf_delete(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *leaf, u64 key,
			    const __le64 *value, u32 *near)
{
	struct bt_view v = bt_node_view(fs, lnkfs_bdata(leaf));
	u32 pos = bt_search_near(&v, key, *near);
	int err;

	if (!pos-- || !bt_is_record(&v, pos, key, value))
		return -ENOENT;
	if (bt_few_left(&v))
		return -EAGAIN;
	err = lnkfs_baccess(tx, fs, leaf, LNKFS_B_BTREE);
	if (err)
		return err;
	bt_remove_at(&v, pos);
	*near = pos + 1;
	lnkfs_bdirty(tx, fs, leaf);
	return 0;
}

/**
 * lnkfs_btree_insert_credits() - blocks that an insertion may modify
 * @level: level of the tree's root
 *
 * All nodes of the way and a new node for each of them and for the root, each
 * allocated in a group of its own. The inode's block is not counted.
 */
u32 lnkfs_btree_insert_credits(u32 level)
{
	return level + (level + 1) * (1 + LNKFS_CREDITS_ALLOC);
}

/**
 * lnkfs_btree_delete_credits() - blocks that a deletion may modify
 * @level: level of the tree's root
 *
 * All nodes of the way with a sibling each, and the frees, each in a group of
 * its own. The inode's block is not counted.
 */
u32 lnkfs_btree_delete_credits(u32 level)
{
	return level ? 2 * level + lnkfs_btree_revokes(level) * LNKFS_CREDITS_FREE : 0;
}

/**
 * lnkfs_btree_revokes() - blocks that one operation may free
 * @level: level of the tree's root
 *
 * A deletion frees a node on each level below the root and the one whose
 * records move into the root; an insertion that fails gives back what it
 * allocated.
 */
u32 lnkfs_btree_revokes(u32 level)
{
	return level + 1;
}
