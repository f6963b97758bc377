// SPDX-License-Identifier: GPL-2.0
/*
 * Moving a run of keys of a B+tree, where they stand.
 */
#include "btree.h"

/*
 * A run of keys that moves, and the gap that it moves into. No record has a key
 * in the gap; separators, which need not be keys of records, may stand in it.
 */
struct bt_move {
	u64 from;		/* keys in [from, to) move... */
	u64 to;
	u64 dist;		/* ...by so much... */
	bool right;		/* ...this way */
	u64 gap;		/* start of the gap, which has @dist keys */
	u64 image;		/* what separators in the gap become */
};

/* A node that takes part, or (NULL) the root; its keys are at or above @lo. */
struct bt_moved {
	lnkfs_buf *buf;
	u64 lo;
};

static bool bt_in_gap(const struct bt_move *m, u64 key)
{
	return key >= m->gap && key - m->gap < m->dist;
}

/* Where a key goes: ascending keys stay so, but for those in the gap. */
static u64 bt_moved_key(const struct bt_move *m, u64 key)
{
	if (bt_in_gap(m, key))
		return m->image;
	if (key < m->from || key >= m->to)
		return key;
	return m->right ? key + m->dist : key - m->dist;
}

/*
 * Move the keys of one node. The first key of an interior node may stand in
 * the gap while the records below it are before the gap.
 */
static void bt_move_keys(const struct bt_move *m, const struct bt_view *v, u64 lo)
{
	u32 i, count = bt_count(v);
	u64 key;

	for (i = 0; i < count; i++) {
		key = bt_key(v, i);
		if (i == 0 && bt_level(v) && bt_in_gap(m, key) && lo < m->gap)
			bt_set_key(v, i, m->image - 1);
		else
			bt_set_key(v, i, bt_moved_key(m, key));
	}
}

/* Does moving change any key of a node? */
static bool bt_moves_any(const struct bt_move *m, const struct bt_view *v)
{
	u32 i;

	for (i = 0; i < bt_count(v); i++)
		if (bt_in_gap(m, bt_key(v, i)) ||
		    (bt_key(v, i) >= m->from && bt_key(v, i) < m->to))
			return true;
	return false;
}

/* A leaf holds a key in the gap: two records would get the same one. */
static bool bt_gap_taken(const struct bt_move *m, const struct bt_view *v)
{
	u32 i;

	for (i = 0; i < bt_count(v); i++)
		if (bt_in_gap(m, bt_key(v, i)))
			return true;
	return false;
}

/*
 * Take over those nodes of a path that the one before it, in @last, did not
 * hold. Their references go to @node.
 */
static u32 bt_collect_path(struct bt_path *path, lnkfs_buf **last, struct bt_moved *node)
{
	u32 l, n = 0;

	for (l = 0; l < path->level; l++) {
		struct bt_step *step = &path->step[l];

		if (step->buf == last[l])
			continue;
		node[n].buf = step->buf;
		node[n++].lo = step->lo;
		last[l] = step->buf;
		step->buf = NULL;
	}
	return n;
}

/* How many nodes of a path are not in @last? */
static u32 bt_count_path(const struct bt_path *path, lnkfs_buf *const *last)
{
	u32 l, n = 0;

	for (l = 0; l < path->level; l++)
		n += path->step[l].buf != last[l];
	return n;
}

/*
 * Collect the nodes whose range touches the keys that move or the gap, leaf by
 * leaf from the gap on, as long as there are at most @max; @m is cut down to
 * what they hold.
 */
static int bt_collect(const struct lnkfs_btree *bt, struct bt_move *m, u32 max,
		      struct bt_moved *node, u32 *count)
{
	u64 key = m->right ? m->to + m->dist - 1 : m->gap;
	lnkfs_buf *last[LNKFS_BTREE_MAX_LEVEL + 1] = { NULL };
	struct bt_path path;
	struct bt_view v;
	u64 lo, hi;
	int err;

	for (;;) {
		err = lnkfs_bt_descend(bt, key, &path);
		if (err)
			return err;
		lo = path.step[0].lo;
		hi = path.step[0].hi;
		if (*count + bt_count_path(&path, last) > max) {
			lnkfs_bt_release(&path);
			if (m->right)
				m->from = hi + 1;
			else
				m->to = lo;
			return 0;
		}
		v = bt_view_of(bt, path.step[0].buf);
		if (bt_gap_taken(m, &v)) {
			lnkfs_bt_release(&path);
			return -EEXIST;
		}
		*count += bt_collect_path(&path, last, node + *count);
		lnkfs_bt_release(&path);
		if (m->right ? lo <= m->from : hi >= m->to - 1)
			return 0;
		key = m->right ? lo - 1 : hi + 1;
	}
}

/* Get write access to the nodes that change; those that do not are put. */
static int bt_access_moved(lnkfs_tx *tx, const struct lnkfs_btree *bt, const struct bt_move *m,
			   struct bt_moved *node, u32 count)
{
	struct bt_view v;
	int err = 0;
	u32 i;

	for (i = 0; i < count; i++) {
		v = bt_view_of(bt, node[i].buf);
		if (bt_moves_any(m, &v))
			err = lnkfs_baccess(tx, bt->fs, node[i].buf, LNKFS_B_BTREE);
		if (!bt_moves_any(m, &v) || err) {
			lnkfs_bput(node[i].buf);
			node[i].buf = NULL;
		}
		if (err)
			break;
	}
	if (!err)
		return 0;
	while (i--)
		if (node[i].buf)
			lnkfs_bdirty(tx, bt->fs, node[i].buf);
	return err;
}

/**
 * lnkfs_btree_shift() - move a run of keys
 * @tx: transaction; @budget blocks are modified at most
 * @bt: tree
 * @shift: what to move where; no record has a key where the run moves into.
 *	On return what is left to be moved
 * @budget: nodes to change at most, LNKFS_SHIFT_MIN or more
 *
 * Moves part of the run if not all of it fits into the budget: the part that
 * is next to the gap, so that a gap as large as before it is left between what
 * has been moved and what has not. Values stay with their keys. Needs no
 * space; on an error nothing has changed.
 *
 * Return: 0 when all of the run has been moved, 1 when some is left; -EEXIST
 * when a record is in the way; -EINVAL for a run that would leave the range of
 * keys; -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_btree_shift(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct lnkfs_shift *shift,
		      u32 budget)
{
	struct bt_move m = {
		.from = shift->from,
		.to = shift->to,
		.dist = shift->dist,
		.right = shift->right,
	};
	struct bt_moved *node;
	u32 i, count = 0;
	struct bt_view v;
	int err;

	if (m.from >= m.to)
		return 0;
	if (m.right ? m.dist > BT_LAST_KEY - m.to : m.dist > m.from)
		return -EINVAL;
	m.gap = m.right ? m.to : m.from - m.dist;
	m.image = m.right ? m.to + m.dist : m.gap;
	node = lnkfs_alloc(budget * sizeof(*node));
	if (!node)
		return -ENOMEM;
	err = bt_collect(bt, &m, budget, node, &count);
	if (!err)
		err = bt_access_moved(tx, bt, &m, node, count);
	if (err)
		goto out;
	for (i = 0; i < count; i++) {
		if (!node[i].buf)
			continue;
		v = bt_view_of(bt, node[i].buf);
		bt_move_keys(&m, &v, node[i].lo);
		lnkfs_bdirty(tx, bt->fs, node[i].buf);
	}
	v = bt_root_view(bt);
	bt_move_keys(&m, &v, 0);
	if (m.right) {
		err = m.from > shift->from;
		shift->to = m.from;
	} else {
		err = m.to < shift->to;
		shift->from = m.to;
	}
out:
	for (i = 0; i < count; i++)
		lnkfs_bput(node[i].buf);
	lnkfs_free(node);
	return err;
}
