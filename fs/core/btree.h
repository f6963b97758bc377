/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes of a B+tree, for the files that change them.
 */
#ifndef LNKFS_BTREE_H
#define LNKFS_BTREE_H

#include "core.h"

/* The greatest key there is. */
#define BT_LAST_KEY		(~0ULL)

_Static_assert(offsetof(struct lnkfs_btree_node, n_records) -
	       offsetof(struct lnkfs_btree_node, n_level) >= sizeof(struct lnkfs_btree_root) &&
	       offsetof(struct lnkfs_btree_node, n_count) -
	       offsetof(struct lnkfs_btree_node, n_level) ==
	       offsetof(struct lnkfs_btree_root, bt_count) &&
	       offsetof(struct lnkfs_btree_node, n_vsize) -
	       offsetof(struct lnkfs_btree_node, n_level) ==
	       offsetof(struct lnkfs_btree_root, bt_vsize) &&
	       offsetof(struct lnkfs_btree_node, n_tree) -
	       offsetof(struct lnkfs_btree_node, n_level) ==
	       offsetof(struct lnkfs_btree_root, bt_tree),
	       "root and node heads differ");

/*
 * A root or a node, seen the same way: the fields of the two heads stand in
 * the same order.
 */
struct bt_view {
	struct lnkfs_btree_root *head;
	u8 *records;
	u32 rsize;		/* bytes of a record */
	u32 cap;		/* records that fit */
};

/*
 * One level of a descent. Keys of the node are in [lo, hi].
 */
struct bt_step {
	lnkfs_buf *buf;		/* NULL: the root */
	lnkfs_buf *sib;		/* deletion: sibling taking part, or NULL */
	u64 lo;
	u64 hi;
	u32 idx;		/* interior: the child taken */
	u8 action;		/* deletion: enum bt_action */
	u8 sib_left;		/* deletion: the sibling is the left one */
};

struct bt_path {
	u32 level;		/* of the root */
	struct bt_step step[LNKFS_BTREE_MAX_LEVEL + 1];
};

/* What deletion does with a node that has lost a record. */
enum bt_action {
	BT_KEEP,		/* nothing more */
	BT_MERGE,		/* join it with its sibling, free the right one */
	BT_BALANCE,		/* share the records with its sibling */
	BT_FREE,		/* it is empty and alone: free it */
};

static inline u32 bt_record_size(u32 level, u32 vsize)
{
	return level ? 16 : 8 + vsize;
}

static inline u32 bt_node_cap(const struct lnkfs_fs *fs, u32 level, u32 vsize)
{
	return (fs->block_size - (u32)sizeof(struct lnkfs_btree_node)) /
	       bt_record_size(level, vsize);
}

/* The root holds less than a node, so that its records never fill one. */
static inline u32 bt_root_cap(const struct lnkfs_btree *bt, u32 level)
{
	u32 node = bt_node_cap(bt->fs, level, bt->vsize) - 1;
	u32 root = (bt->root_size - (u32)sizeof(struct lnkfs_btree_root)) /
		   bt_record_size(level, bt->vsize);

	return root < node ? root : node;
}

static inline u32 bt_level(const struct bt_view *v)
{
	return le16_to_cpu(v->head->bt_level);
}

static inline u32 bt_count(const struct bt_view *v)
{
	return le16_to_cpu(v->head->bt_count);
}

static inline void bt_set_count(const struct bt_view *v, u32 count)
{
	v->head->bt_count = cpu_to_le16((u16)count);
}

static inline u8 *bt_record(const struct bt_view *v, u32 i)
{
	return v->records + (size_t)i * v->rsize;
}

static inline u64 bt_key(const struct bt_view *v, u32 i)
{
	return le64_to_cpu(*(const __le64 *)bt_record(v, i));
}

static inline void bt_set_key(const struct bt_view *v, u32 i, u64 key)
{
	*(__le64 *)bt_record(v, i) = cpu_to_le64(key);
}

static inline u64 bt_child(const struct bt_view *v, u32 i)
{
	return le64_to_cpu(*(const __le64 *)(bt_record(v, i) + 8));
}

static inline struct bt_view bt_root_view(const struct lnkfs_btree *bt)
{
	struct bt_view v;
	u32 level;

	v.head = bt->root;
	v.records = (u8 *)bt->root + sizeof(struct lnkfs_btree_root);
	level = bt_level(&v);
	v.rsize = bt_record_size(level, bt->vsize);
	v.cap = bt_root_cap(bt, level);
	return v;
}

static inline struct bt_view bt_node_view(const struct lnkfs_fs *fs, void *data)
{
	struct lnkfs_btree_node *node = data;
	u32 level = le16_to_cpu(node->n_level);
	struct bt_view v;

	v.head = (void *)((u8 *)data + offsetof(struct lnkfs_btree_node, n_level));
	v.records = node->n_records;
	v.rsize = bt_record_size(level, node->n_vsize);
	v.cap = bt_node_cap(fs, level, node->n_vsize);
	return v;
}

/* Is a node one of this tree, at that level? */
static inline bool bt_fits(const struct bt_view *v, const struct lnkfs_btree *bt, u32 level)
{
	return bt_level(v) == level && v->head->bt_vsize == bt->vsize &&
	       v->head->bt_tree == bt->tree;
}

static inline struct bt_view bt_view_of(const struct lnkfs_btree *bt, lnkfs_buf *buf)
{
	return buf ? bt_node_view(bt->fs, lnkfs_bdata(buf)) : bt_root_view(bt);
}

int lnkfs_bt_descend(const struct lnkfs_btree *bt, u64 key, struct bt_path *path);
void lnkfs_bt_release(struct bt_path *path);

#endif /* LNKFS_BTREE_H */
