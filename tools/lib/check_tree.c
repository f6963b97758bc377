// SPDX-License-Identifier: GPL-2.0
/*
 * Strict walk of a B+tree: every node, every record.
 */
#include <stdarg.h>
#include <stdio.h>

#include "check_tree.h"

/**
 * lnkfs_check_say() - count a problem and report it
 * @ck: walk
 * @fmt: phrase, as for printf
 */
void lnkfs_check_say(struct lnkfs_check *ck, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	ck->problems++;
	if (!ck->ops->message)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck->ops->message(ck->ctx, text);
}

/**
 * lnkfs_check_owned() - the inode owns a block
 * @ck: walk
 * @block: number, valid on this volume
 * @type: what the block is
 *
 * Return: what the callback says.
 */
int lnkfs_check_owned(struct lnkfs_check *ck, u64 block, enum lnkfs_btype type)
{
	return ck->ops->block ? ck->ops->block(ck->ctx, block, type) : 0;
}

/* A node or the root, as its records. */
struct records {
	const u8 *data;
	u32 size;	/* bytes of one */
	u32 count;
	u32 level;
};

static u64 record_key(const struct records *r, u32 i)
{
	return get_unaligned_le64(r->data + (size_t)i * r->size);
}

static u64 record_child(const struct records *r, u32 i)
{
	return get_unaligned_le64(r->data + (size_t)i * r->size + 8);
}

/* Keys ascend and lie in [@lo, @hi]; @room is the bytes there are for them. */
static bool records_sound(const struct records *r, u32 room, u64 lo, u64 hi)
{
	u32 i;

	if ((u64)r->count * r->size > room)
		return false;
	for (i = 0; i < r->count; i++) {
		u64 key = record_key(r, i);

		if (key < lo || key > hi || (i && key <= record_key(r, i - 1)))
			return false;
	}
	return true;
}

/* What is wrong with a node where one of @level is expected, or NULL. */
static const char *node_problem(const struct lnkfs_btree *bt,
				const struct lnkfs_btree_node *node, u32 level)
{
	if (le16_to_cpu(node->n_level) != level)
		return "a node of another level";
	if (node->n_vsize != bt->vsize || node->n_tree != bt->tree)
		return "a node of another tree";
	if (!node->n_count)
		return "an empty node";
	if (node->n_header.h_pad || memchr_inv(node->n_pad, 0, sizeof(node->n_pad)))
		return "a node's padding is not zero";
	return NULL;
}

struct tree_walk {
	struct lnkfs_check *ck;
	const struct lnkfs_btree *bt;
	lnkfs_check_record record;
	void *arg;
	u64 *nodes;
};

static int walk_records(const struct tree_walk *w, const struct records *r, u64 lo, u64 hi);

static int walk_node(const struct tree_walk *w, u64 block, u32 level, u64 lo, u64 hi)
{
	const struct lnkfs_btree *bt = w->bt;
	const struct lnkfs_btree_node *node;
	const char *problem;
	struct records r;
	lnkfs_buf *buf;
	int err;

	if (!lnkfs_block_valid(bt->fs, block, 1)) {
		lnkfs_check_say(w->ck, "tree %u: no node can be in block %llu", bt->tree,
				(unsigned long long)block);
		return 0;
	}
	++*w->nodes;
	err = lnkfs_check_owned(w->ck, block, LNKFS_B_BTREE);
	if (err)
		return err;
	err = lnkfs_bread(bt->fs, block, LNKFS_B_BTREE, bt->ci->ino, bt->ci->gen, &buf);
	if (err) {
		lnkfs_check_say(w->ck, "tree %u: block %llu: %s", bt->tree,
				(unsigned long long)block, strerror(-err));
		return 0;
	}
	node = lnkfs_bdata(buf);
	problem = node_problem(bt, node, level);
	r.data = node->n_records;
	r.level = level;
	r.size = level ? 16 : 8 + bt->vsize;
	r.count = le16_to_cpu(node->n_count);
	if (!problem && !records_sound(&r, bt->fs->block_size - sizeof(*node), lo, hi))
		problem = "keys are out of order or out of bounds";
	if (problem)
		lnkfs_check_say(w->ck, "tree %u: block %llu: %s", bt->tree,
				(unsigned long long)block, problem);
	else
		err = walk_records(w, &r, lo, hi);
	lnkfs_bput(buf);
	return err;
}

/* Recursion ends with the level, which is at most LNKFS_BTREE_MAX_LEVEL. */
static int walk_records(const struct tree_walk *w, const struct records *r, u64 lo, u64 hi)
{
	int err = 0;
	u32 i;

	for (i = 0; i < r->count && !err; i++) {
		u64 from = i ? record_key(r, i) : lo;
		u64 to = i + 1 < r->count ? record_key(r, i + 1) - 1 : hi;

		if (r->level)
			err = walk_node(w, record_child(r, i), r->level - 1, from, to);
		else
			err = w->record(w->arg, record_key(r, i),
					r->data + (size_t)i * r->size + 8);
	}
	return err;
}

/**
 * lnkfs_check_tree() - walk a tree, checking every node
 * @ck: walk; problems and blocks go to its callbacks
 * @bt: the tree
 * @record: called for every record of the leaves that can be read
 * @arg: its argument
 * @nodes: gets the number of node blocks
 *
 * Return: 0, or what a callback returned. Problems are no error.
 */
int lnkfs_check_tree(struct lnkfs_check *ck, const struct lnkfs_btree *bt,
		     lnkfs_check_record record, void *arg, u64 *nodes)
{
	const struct lnkfs_btree_root *root = bt->root;
	struct tree_walk w = { ck, bt, record, arg, nodes };
	struct records r;

	*nodes = 0;
	r.data = (const u8 *)bt->root + sizeof(*root);
	r.level = le16_to_cpu(root->bt_level);
	r.size = r.level ? 16 : 8 + bt->vsize;
	r.count = le16_to_cpu(root->bt_count);
	if (root->bt_vsize != bt->vsize || root->bt_tree != bt->tree || root->bt_pad ||
	    r.level > LNKFS_BTREE_MAX_LEVEL || (r.level && !r.count) ||
	    !records_sound(&r, bt->root_size - sizeof(*root), 0, ~0ULL)) {
		lnkfs_check_say(ck, "tree %u: bad root", bt->tree);
		return 0;
	}
	return walk_records(&w, &r, 0, ~0ULL);
}
