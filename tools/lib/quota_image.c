// SPDX-License-Identifier: GPL-2.0
/*
 * Making quota files: a tree of IDs in memory, written out as a whole.
 */
#include <stdlib.h>

#include "quota_image.h"

#define TREE_ROOT	1
#define GRACE		(7 * 24 * 60 * 60)	/* seconds, as of the kernel's MAX_*_TIME */

static void *block_at(const struct lnkfs_qimage *q, u32 block)
{
	return q->data + (size_t)block * LNKFS_QUOTA_BLOCK;
}

/* One more block, zeroed: its number, or 0. */
static u32 new_block(struct lnkfs_qimage *q)
{
	if (q->blocks == q->room) {
		u32 room = q->room ? q->room * 2 : 16;
		u8 *data = realloc(q->data, (size_t)room * LNKFS_QUOTA_BLOCK);

		if (!data)
			return 0;
		q->data = data;
		q->room = room;
	}
	memset(block_at(q, q->blocks), 0, LNKFS_QUOTA_BLOCK);
	return q->blocks++;
}

static struct lnkfs_quota_head *head_of(const struct lnkfs_qimage *q)
{
	return block_at(q, 0);
}

/**
 * lnkfs_qimage_init() - begin with an empty file
 * @q: anything
 * @type: LNKFS_QUOTA_USER, _GROUP, _PROJECT
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_qimage_init(struct lnkfs_qimage *q, u32 type)
{
	static const u32 magics[LNKFS_QUOTA_TYPES] = LNKFS_QUOTA_MAGICS;
	struct lnkfs_quota_head *head;

	memset(q, 0, sizeof(*q));
	new_block(q);
	if (!q->data || new_block(q) != TREE_ROOT) {
		lnkfs_qimage_free(q);
		return -ENOMEM;
	}
	head = head_of(q);
	head->f_magic = cpu_to_le32(magics[type]);
	head->f_version = cpu_to_le32(LNKFS_QUOTA_VERSION);
	head->f_bgrace = cpu_to_le32(GRACE);
	head->f_igrace = cpu_to_le32(GRACE);
	return 0;
}

/* The leaf for one more entry, or 0. Leaves are filled one after the other. */
static u32 leaf_with_room(struct lnkfs_qimage *q)
{
	u32 block = le32_to_cpu(head_of(q)->f_free_entry);

	if (!block) {
		block = new_block(q);
		head_of(q)->f_free_entry = cpu_to_le32(block);
	}
	return block;
}

static void fill_leaf(struct lnkfs_qimage *q, u32 block, const struct lnkfs_quota_entry *entry)
{
	struct lnkfs_quota_leaf *leaf = block_at(q, block);
	struct lnkfs_quota_entry *entries = (void *)(leaf + 1);
	u16 count = le16_to_cpu(leaf->l_entries);

	entries[count] = *entry;
	leaf->l_entries = cpu_to_le16(count + 1);
	if (count + 1 == LNKFS_QUOTA_ENTRIES)
		head_of(q)->f_free_entry = 0;
}

/**
 * lnkfs_qimage_add() - add an entry
 * @q: the file
 * @entry: its ID is not there yet
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_qimage_add(struct lnkfs_qimage *q, const struct lnkfs_quota_entry *entry)
{
	u32 id = le32_to_cpu(entry->q_id);
	u32 block = TREE_ROOT, next, level, i;

	for (level = 0; level < LNKFS_QUOTA_LEVELS; level++) {
		i = (id >> 8 * (LNKFS_QUOTA_LEVELS - 1 - level)) & (LNKFS_QUOTA_REFS - 1);
		next = le32_to_cpu(((__le32 *)block_at(q, block))[i]);
		if (!next) {
			next = level + 1 < LNKFS_QUOTA_LEVELS ? new_block(q) : leaf_with_room(q);
			if (!next)
				return -ENOMEM;
			((__le32 *)block_at(q, block))[i] = cpu_to_le32(next);
		}
		block = next;
	}
	fill_leaf(q, block, entry);
	head_of(q)->f_blocks = cpu_to_le32(q->blocks);
	return 0;
}

/* The entry of an ID, or NULL. */
static struct lnkfs_quota_entry *find_entry(const struct lnkfs_qimage *q, u32 id)
{
	struct lnkfs_quota_entry *entries;
	struct lnkfs_quota_leaf *leaf;
	u32 block = TREE_ROOT, level, i;

	for (level = 0; level < LNKFS_QUOTA_LEVELS; level++) {
		i = (id >> 8 * (LNKFS_QUOTA_LEVELS - 1 - level)) & (LNKFS_QUOTA_REFS - 1);
		block = le32_to_cpu(((__le32 *)block_at(q, block))[i]);
		if (!block)
			return NULL;
	}
	leaf = block_at(q, block);
	entries = (void *)(leaf + 1);
	for (i = 0; i < le16_to_cpu(leaf->l_entries); i++)
		if (le32_to_cpu(entries[i].q_id) == id)
			return &entries[i];
	return NULL;
}

/**
 * lnkfs_qimage_charge() - count an inode for an ID
 * @q: the file
 * @id: whose; gets an entry if it has none
 * @bytes: that the inode takes
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_qimage_charge(struct lnkfs_qimage *q, u32 id, u64 bytes)
{
	struct lnkfs_quota_entry *e = find_entry(q, id);
	const struct lnkfs_quota_entry new = {
		.q_id = cpu_to_le32(id),
		.q_inodes = cpu_to_le64(1),
		.q_space = cpu_to_le64(bytes),
	};

	if (!e)
		return lnkfs_qimage_add(q, &new);
	e->q_inodes = cpu_to_le64(le64_to_cpu(e->q_inodes) + 1);
	e->q_space = cpu_to_le64(le64_to_cpu(e->q_space) + bytes);
	return 0;
}

/**
 * lnkfs_qimage_write() - make it the contents of an inode
 * @q: the file
 * @v: volume
 * @ci: regular file without blocks; stored
 *
 * Return: 0 or an error of lnkfs_quota_write().
 */
int lnkfs_qimage_write(const struct lnkfs_qimage *q, struct lnkfs_volume *v,
		       struct lnkfs_cinode *ci)
{
	lnkfs_tx tx;
	u32 block;
	int err = 0;

	head_of(q)->f_blocks = cpu_to_le32(q->blocks);
	for (block = 0; block < q->blocks && !err; block++) {
		/* At 1 KiB a quota block ends in a second new block at most. */
		lnkfs_tx_begin(&tx, v, LNKFS_CREDITS_QUOTA + LNKFS_CREDITS_STORE +
			       2 * lnkfs_quota_new_credits(&v->fs, ci));
		err = lnkfs_quota_write(&tx, &v->fs, ci, (u64)block * LNKFS_QUOTA_BLOCK,
					block_at(q, block), LNKFS_QUOTA_BLOCK);
		if (!err)
			err = lnkfs_inode_store(&tx, &v->fs, ci);
		lnkfs_tx_end(&tx);
	}
	return err;
}

/**
 * lnkfs_qimage_free() - free the memory
 * @q: the file
 */
void lnkfs_qimage_free(struct lnkfs_qimage *q)
{
	free(q->data);
	q->data = NULL;
}
