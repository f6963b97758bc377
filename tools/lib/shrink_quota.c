// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: extents that had to be split may take more blocks,
 * for the nodes of their trees, and quota files have to say so.
 */
#include <stdlib.h>

#include "shrink.h"

#define TREE_ROOT	1

static int note(struct lnkfs_shrink *s, u32 type, u32 id, s64 blocks)
{
	struct lnkfs_shrink_charge *more;
	size_t i;

	for (i = 0; i < s->nr_charges; i++) {
		if (s->charges[i].type == type && s->charges[i].id == id) {
			s->charges[i].blocks += blocks;
			return 0;
		}
	}
	more = lnkfs_shrink_room(s->charges, s->nr_charges, &s->max_charges, sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->charges = more;
	s->charges[s->nr_charges++] = (struct lnkfs_shrink_charge){ type, id, blocks };
	return 0;
}

/**
 * lnkfs_shrink_charge() - an inode has more blocks than before
 * @s: change of size
 * @ci: the inode
 * @blocks: how many more, may be negative
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_shrink_charge(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, s64 blocks)
{
	const u32 ids[LNKFS_QUOTA_TYPES] = { ci->uid, ci->gid, ci->projid };
	int err = 0;
	u32 type;

	if (!blocks || lnkfs_super_has_quota_ino(&s->v->sb, ci->ino))
		return 0;
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (s->v->sb.s_quota_ino[type])
			err = note(s, type, ids[type], blocks);
	return err;
}

/* Where the leaf of an ID is in the file: a byte; 0: there is none. */
static int find_leaf(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, u32 id, u64 *at)
{
	u32 block = TREE_ROOT, level, i;
	__le32 ref;
	int ret;

	for (level = 0; level < LNKFS_QUOTA_LEVELS && block; level++) {
		i = (id >> 8 * (LNKFS_QUOTA_LEVELS - 1 - level)) & (LNKFS_QUOTA_REFS - 1);
		ret = lnkfs_quota_read(s->fs, ci, (u64)block * LNKFS_QUOTA_BLOCK +
				       i * sizeof(ref), &ref, sizeof(ref));
		if (ret < 0)
			return ret;
		if (ret != sizeof(ref))
			return -EFSCORRUPTED;
		block = le32_to_cpu(ref);
	}
	*at = (u64)block * LNKFS_QUOTA_BLOCK;
	return 0;
}

static int write_charge(struct lnkfs_shrink *s, const struct lnkfs_shrink_charge *c)
{
	struct lnkfs_quota_entry e;
	struct lnkfs_node n;
	u64 at = 0;
	u32 i;
	int ret;

	ret = lnkfs_shrink_load(s, le64_to_cpu(s->v->sb.s_quota_ino[c->type]), &n);
	if (!ret)
		ret = find_leaf(s, &n.ci, c->id, &at);
	if (ret)
		return ret;
	for (i = 0; at && i < LNKFS_QUOTA_ENTRIES; i++) {
		u64 pos = at + sizeof(struct lnkfs_quota_leaf) + i * sizeof(e);

		ret = lnkfs_quota_read(s->fs, &n.ci, pos, &e, sizeof(e));
		if (ret < 0)
			return ret;
		if (ret != sizeof(e) || le32_to_cpu(e.q_id) != c->id ||
		    !memchr_inv(&e, 0, sizeof(e)))
			continue;
		e.q_space = cpu_to_le64(le64_to_cpu(e.q_space) +
					((u64)c->blocks << s->fs->block_bits));
		return lnkfs_quota_write(&s->tx, s->fs, &n.ci, pos, &e, sizeof(e));
	}
	/* What a checker would complain about anyway. */
	return 0;
}

/**
 * lnkfs_shrink_quota() - tell the quota files what has been charged
 * @s: change of size, in a transaction
 *
 * Return: 0, what reading and writing quota files say.
 */
int lnkfs_shrink_quota(struct lnkfs_shrink *s)
{
	size_t i;
	int err = 0;

	for (i = 0; i < s->nr_charges && !err; i++)
		if (s->charges[i].blocks)
			err = write_charge(s, &s->charges[i]);
	s->nr_charges = 0;
	return err;
}
