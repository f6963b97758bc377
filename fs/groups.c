// SPDX-License-Identifier: GPL-2.0
/*
 * Where the state of the groups is: in chunks that stay where they are as long
 * as the volume is mounted, since a group's lock is in its state, and a
 * directory of the chunks. A volume that grows gets a larger directory when
 * the old one is full; readers take no lock, so the old one stays until
 * unmount. Directories double, so that all old ones are not larger than the
 * last.
 */
#include <linux/sched/signal.h>
#include "internal.h"

/* A directory of a page, or less if the volume is small, is the first one. */
#define LNKFS_FIRST_CHUNKS	500u

static u32 lnkfs_chunks(u32 groups)
{
	/* There may be so many that they cannot be rounded up. */
	return groups / LNKFS_GROUP_CHUNK + (groups % LNKFS_GROUP_CHUNK != 0);
}

static struct lnkfs_group_dir *lnkfs_group_dir_new(u32 max)
{
	struct lnkfs_group_dir *dir;

	dir = kvzalloc(struct_size(dir, chunk, max), GFP_KERNEL);
	if (dir)
		dir->max = max;
	return dir;
}

/* Memory for the groups, without anything in it. */
static int lnkfs_groups_room(struct lnkfs_fs *fs, u32 groups)
{
	struct lnkfs_group_dir *old = fs->group, *dir = old;
	u32 chunks = lnkfs_chunks(groups), i;

	if (!old || old->max < chunks) {
		if (old)
			dir = lnkfs_group_dir_new(clamp(2 * old->max, chunks,
							lnkfs_chunks(U32_MAX)));
		else
			dir = lnkfs_group_dir_new(clamp(LNKFS_FIRST_CHUNKS, chunks,
							lnkfs_chunks(fs->groups)));
		if (!dir)
			return -ENOMEM;
		if (old)
			memcpy(dir->chunk, old->chunk, old->max * sizeof(dir->chunk[0]));
		dir->old = old;
		/* What it leads to is there. */
		smp_store_release(&fs->group, dir);
	}
	/* They come one after another. */
	for (i = chunks; i && !dir->chunk[i - 1]; i--)
		;
	for (; i < chunks; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		dir->chunk[i] = kvcalloc(LNKFS_GROUP_CHUNK, sizeof(struct lnkfs_group), GFP_KERNEL);
		if (!dir->chunk[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * lnkfs_groups_alloc() - make room for the state of a group and those before it
 * @fs: volume being mounted
 * @group: its number
 *
 * Meant to be called for one group after another: then there is no more room
 * than for about twice as many as have been found good.
 *
 * Return: 0, -ENOMEM or -EINTR; lnkfs_groups_free() takes what there is.
 */
int lnkfs_groups_alloc(struct lnkfs_fs *fs, u32 group)
{
	const struct lnkfs_group_dir *dir = fs->group;
	u32 chunk = group / LNKFS_GROUP_CHUNK;

	if (dir && chunk < dir->max && dir->chunk[chunk])
		return 0;
	return lnkfs_groups_room(fs, group + 1);
}

/**
 * lnkfs_groups_extend() - make ready for groups that are to come
 * @fs: volume; no other task is about to let it grow
 * @new: the same, as large as it is going to be
 *
 * May be repeated, for another size, as long as @fs has not grown.
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int lnkfs_groups_extend(struct lnkfs_fs *fs, const struct lnkfs_fs *new)
{
	u32 group;
	int err;

	err = lnkfs_groups_room(fs, new->groups);
	for (group = fs->groups; !err && group < new->groups; group++) {
		memset(lnkfs_group(fs, group), 0, sizeof(struct lnkfs_group));
		lnkfs_group_fresh(new, lnkfs_group(fs, group), group);
		cond_resched();
	}
	return err;
}

/**
 * lnkfs_groups_free() - free the state of all groups
 * @fs: volume that nobody uses any more
 */
void lnkfs_groups_free(struct lnkfs_fs *fs)
{
	struct lnkfs_group_dir *dir = fs->group, *old;
	u32 i, g;

	for (i = 0; dir && i < dir->max && dir->chunk[i]; i++) {
		for (g = 0; g < LNKFS_GROUP_CHUNK; g++) {
			kvfree(dir->chunk[i][g].busy);
			kvfree(dir->chunk[i][g].kept);
		}
		kvfree(dir->chunk[i]);
	}
	for (; dir; dir = old) {
		old = dir->old;
		kvfree(dir);
	}
	fs->group = NULL;
}
