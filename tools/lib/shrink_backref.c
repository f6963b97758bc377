// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: back references name directories by numbers, which
 * change. A directory with many names would take a transaction of many blocks. So
 * the volume goes without the feature while it becomes smaller: before, it is
 * switched off, and on again when all has been moved. Where nothing that it concerns
 * lies past the new end it stays on.
 */
#include <stdlib.h>

#include "names_rebuild.h"
#include "shrink.h"

static int by_block(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/**
 * lnkfs_shrink_scan_trees() - find the trees of back references
 * @s: change of size
 *
 * Return: 0; -ENOMEM, what reading says.
 */
int lnkfs_shrink_scan_trees(struct lnkfs_shrink *s)
{
	u64 *blocks, *more, nr;
	u32 group;
	int err = 0;

	for (group = 0; group < s->fs->groups && !err; group++) {
		err = lnkfs_names_list(s->v, group, &blocks, &nr);
		if (err || !nr)
			continue;
		more = lnkfs_shrink_room(s->trees, s->nr_trees + nr, &s->max_trees,
					 sizeof(*more));
		if (more) {
			s->trees = more;
			memcpy(s->trees + s->nr_trees, blocks, nr * sizeof(*blocks));
			s->nr_trees += nr;
		} else {
			err = -ENOMEM;
		}
		free(blocks);
	}
	if (s->nr_trees)
		qsort(s->trees, s->nr_trees, sizeof(*s->trees), by_block);
	return err;
}

/**
 * lnkfs_shrink_trees_past() - blocks of trees of back references past an end
 * @s: change of size, scanned
 * @end: the end
 */
u64 lnkfs_shrink_trees_past(const struct lnkfs_shrink *s, u64 end)
{
	size_t low = 0, high = s->nr_trees;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->trees[mid] < end)
			low = mid + 1;
		else
			high = mid;
	}
	return s->nr_trees - low;
}

/* Are there back references that change, or blocks of them? */
static bool concerned(const struct lnkfs_shrink *s)
{
	u32 group;

	if (!s->fs->backref)
		return false;
	if (s->nr_inos || lnkfs_shrink_trees_past(s, s->end))
		return true;
	for (group = lnkfs_group_of(s->fs, s->end - 1) + 1; group < s->fs->groups; group++)
		if (lnkfs_group(s->fs, group)->names)
			return true;
	return false;
}

/* What is half done is for the checker to do, which the superblock asks for. */
static int set_state(struct lnkfs_shrink *s, u16 state)
{
	s->v->sb.s_state = cpu_to_le16(state);
	s->v->sb.s_free_blocks = cpu_to_le64((u64)s->v->free_blocks);
	s->super = true;
	return lnkfs_shrink_commit(s);
}

static int step(void *ctx)
{
	return lnkfs_shrink_step(ctx);
}

/**
 * lnkfs_shrink_backref_off() - switch back references off, if need be
 * @s: change of size, between two steps
 *
 * Return: 0 or an error.
 */
int lnkfs_shrink_backref_off(struct lnkfs_shrink *s)
{
	int err;

	s->backref = concerned(s);
	if (!s->backref)
		return 0;
	err = set_state(s, LNKFS_STATE_CLEAN | LNKFS_STATE_ERROR);
	if (err)
		return err;
	s->fs->backref = false;
	err = lnkfs_names_rebuild(s->v, step, s);
	if (!err)
		err = lnkfs_shrink_commit(s);
	if (err)
		return err;
	lnkfs_names_feature(s->v, false);
	err = set_state(s, LNKFS_STATE_CLEAN);
	s->r->no_backref = !err;
	return err;
}

/**
 * lnkfs_shrink_backref_on() - switch back references on that were switched off
 * @s: change of size, before the end is cut off
 *
 * Return: 0 or an error; -ENOSPC, -EMLINK: there is no room, and they stay off.
 */
int lnkfs_shrink_backref_on(struct lnkfs_shrink *s)
{
	int err, err2;

	if (!s->backref)
		return 0;
	lnkfs_names_feature(s->v, true);
	err = set_state(s, LNKFS_STATE_CLEAN | LNKFS_STATE_ERROR);
	if (err)
		return err;
	s->r->no_backref = false;
	err = lnkfs_names_rebuild(s->v, step, s);
	if (err && s->fs->backref)
		return err;
	s->r->no_backref = err != 0;
	err2 = lnkfs_shrink_commit(s);
	if (!err2)
		err2 = set_state(s, LNKFS_STATE_CLEAN);
	return err ? err : err2;
}
