// SPDX-License-Identifier: GPL-2.0
/*
 * What can be read of a damaged tree.
 */
#include <stdlib.h>

#include "repair_priv.h"

/**
 * lnkfs_header_read() - read a block that an inode should own
 * @r: repair
 * @ci: the inode
 * @type: what it should be, a kind with a header
 * @block: its number, from wherever
 * @data: gets it
 *
 * The block need not have the right checksum, when its header says all that it
 * should; with a right checksum it may be of another generation, since that of
 * the inode may be what is damaged.
 *
 * Return: 0; 1 when it is no such block; -EIO.
 */
int lnkfs_header_read(struct lnkfs_repair *r, const struct lnkfs_cinode *ci,
		      enum lnkfs_btype type, u64 block, void *data)
{
	const struct lnkfs_block_header *h = data;
	struct lnkfs_fs *fs = r->fs;
	__le32 crc;
	int err;

	if (!lnkfs_block_valid(fs, block, 1))
		return 1;
	err = lnkfs_read_raw(r, block, data);
	if (err)
		return err;
	if (le32_to_cpu(h->h_magic) != lnkfs_magic_of(type) ||
	    le64_to_cpu(h->h_blocknr) != block || le64_to_cpu(h->h_fsid) != fs->fsid ||
	    le64_to_cpu(h->h_owner) != ci->ino)
		return 1;
	if (le32_to_cpu(h->h_gen) == ci->gen)
		return 0;
	crc = h->h_checksum;
	lnkfs_seal_block(fs, data, type, block);
	return h->h_checksum == crc ? 0 : 1;
}

static u64 *seen_slot(u64 *seen, u64 room, u64 block)
{
	u64 i = (block * 0x9e3779b97f4a7c15ULL >> 20) & (room - 1);

	while (seen[i] && seen[i] != block)
		i = (i + 1) & (room - 1);
	return &seen[i];
}

/* Room for one more, in a table that is half empty. */
static int grow(struct lnkfs_salvage *s)
{
	u64 max = s->max_nodes ? s->max_nodes * 2 : 64, i;
	u64 *nodes = realloc(s->nodes, max * sizeof(*nodes));
	u64 *seen;

	if (!nodes)
		return -ENOMEM;
	s->nodes = nodes;
	seen = calloc(2 * max, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (i = 0; i < s->nr_nodes; i++)
		*seen_slot(seen, 2 * max, nodes[i]) = nodes[i];
	free(s->seen);
	s->seen = seen;
	s->max_nodes = max;
	return 0;
}

/**
 * lnkfs_salvage_seen() - has the walk been at this block?
 * @s: walk
 * @block: block, not 0
 */
bool lnkfs_salvage_seen(const struct lnkfs_salvage *s, u64 block)
{
	return s->seen && *seen_slot(s->seen, 2 * s->max_nodes, block);
}

/**
 * lnkfs_salvage_note() - note a block that can be read
 * @s: walk
 * @block: block, not 0, that it has not been at
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_salvage_note(struct lnkfs_salvage *s, u64 block)
{
	int err = s->nr_nodes == s->max_nodes ? grow(s) : 0;

	if (err)
		return err;
	s->nodes[s->nr_nodes++] = block;
	*seen_slot(s->seen, 2 * s->max_nodes, block) = block;
	return 0;
}

static int walk_records(struct lnkfs_salvage *s, const u8 *records, u32 count, u32 level);

static int walk_node(struct lnkfs_salvage *s, u64 block, u32 level)
{
	const struct lnkfs_btree_node *node;
	u32 record = level ? 16 : 8 + s->vsize, cap, count;
	int err;
	u8 *data;

	if (lnkfs_salvage_seen(s, block))
		return 0;
	data = malloc(s->r->fs->block_size);
	if (!data)
		return -ENOMEM;
	node = (const void *)data;
	err = lnkfs_header_read(s->r, s->ci, LNKFS_B_BTREE, block, data);
	if (!err && node->n_tree == s->tree && node->n_vsize == s->vsize &&
	    le16_to_cpu(node->n_level) == level) {
		cap = (s->r->fs->block_size - (u32)sizeof(*node)) / record;
		count = min_t(u32, le16_to_cpu(node->n_count), cap);
		err = lnkfs_salvage_note(s, block);
		if (!err)
			err = walk_records(s, node->n_records, count, level);
	}
	free(data);
	return err < 0 ? err : 0;
}

/* Recursion ends with the level, which is at most LNKFS_BTREE_MAX_LEVEL. */
static int walk_records(struct lnkfs_salvage *s, const u8 *records, u32 count, u32 level)
{
	u32 record = level ? 16 : 8 + s->vsize, i;
	int err = 0;

	for (i = 0; i < count && !err; i++, records += record) {
		if (level)
			err = walk_node(s, get_unaligned_le64(records + 8), level - 1);
		else
			err = s->record(s->ctx, get_unaligned_le64(records), records + 8);
	}
	return err;
}

/**
 * lnkfs_child_level() - level of a root, by the nodes that it leads to
 * @r: repair
 * @ci: inode
 * @tree: LNKFS_TREE_*
 * @records: records of the root, if it is an interior one
 * @count: how many
 *
 * Return: one more than that of the first node that can be read; 0: there is none.
 */
u32 lnkfs_child_level(struct lnkfs_repair *r, const struct lnkfs_cinode *ci, u8 tree,
		      const u8 *records, u32 count)
{
	struct lnkfs_btree_node *node = malloc(r->fs->block_size);
	u32 i, level = 0;

	for (i = 0; node && i < count && !level; i++)
		if (!lnkfs_header_read(r, ci, LNKFS_B_BTREE,
				       get_unaligned_le64(records + i * 16 + 8), node) &&
		    node->n_tree == tree && le16_to_cpu(node->n_level) < LNKFS_BTREE_MAX_LEVEL)
			level = le16_to_cpu(node->n_level) + 1u;
	free(node);
	return level;
}

/**
 * lnkfs_salvage_tree() - call a function for every record that can be read
 * @s: walk; its nodes are noted
 * @root: the root
 * @size: bytes of it
 *
 * Every node is looked at once. Keys may come in any order, and more than once.
 *
 * Return: 0, -EIO, -ENOMEM, or what the callback says.
 */
int lnkfs_salvage_tree(struct lnkfs_salvage *s, const void *root, u32 size)
{
	const struct lnkfs_btree_root *head = root;
	const u8 *records = (const u8 *)root + sizeof(*head);
	u32 level, real, record, count;

	if (size < sizeof(*head))
		return 0;
	size -= sizeof(*head);
	count = le16_to_cpu(head->bt_count);
	level = le16_to_cpu(head->bt_level);
	/* Of an interior root the nodes know better. A leaf's records may be anything. */
	real = level ? lnkfs_child_level(s->r, s->ci, s->tree, records,
					 min(count, size / 16)) : 0;
	if (real)
		level = real;
	if (level > LNKFS_BTREE_MAX_LEVEL)
		return 0;
	record = level ? 16 : 8 + s->vsize;
	return walk_records(s, records, min(count, size / record), level);
}

/**
 * lnkfs_salvage_end() - free what a walk noted
 * @s: walk
 */
void lnkfs_salvage_end(struct lnkfs_salvage *s)
{
	free(s->nodes);
	free(s->seen);
	s->nodes = NULL;
	s->seen = NULL;
	s->nr_nodes = 0;
	s->max_nodes = 0;
}

/**
 * lnkfs_repair_free_nodes() - free blocks that have been replaced
 * @r: repair, after lnkfs_repair_maps()
 * @nodes: blocks that the bitmaps say are in use
 * @nr: how many
 *
 * One that cannot be freed is left to the next run.
 */
void lnkfs_repair_free_nodes(struct lnkfs_repair *r, const u64 *nodes, u64 nr)
{
	lnkfs_tx tx;
	u64 i;

	for (i = 0; i < nr; i++) {
		lnkfs_tx_begin(&tx, r->v, 0);
		if (!lnkfs_bforget(&tx, r->fs, nodes[i]))
			lnkfs_bfree(&tx, r->fs, nodes[i], 1);
		lnkfs_tx_end(&tx);
	}
}
