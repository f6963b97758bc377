// SPDX-License-Identifier: GPL-2.0
/*
 * Telling the device which blocks hold nothing: FITRIM, and -o discard.
 *
 * A block that the device may forget must be free on the disk, too: busy blocks
 * (freed in a transaction that has not committed) are left alone. And it must
 * stay free until the device is done. FITRIM makes the blocks busy meanwhile,
 * without the group's lock, so that neither allocation nor the commit of a
 * transaction waits for the device; where that would make space short it keeps
 * the lock, and so it does for a second after somebody had to wait for such
 * blocks. With -o discard blocks that have been freed are busy anyway, and stay
 * so a little longer.
 */
#include <linux/blkdev.h>
#include <linux/freezer.h>
#include <linux/list_sort.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "internal.h"
#include "trace.h"

/* Runs that are discarded together with -o discard, before any is released. */
#define LNKFS_DISCARD_BATCH	64

static int lnkfs_issue_discard(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len,
			       struct bio **bio)
{
	u64 block = lnkfs_group_first(&sbi->fs, group) + start;
	unsigned int shift = sbi->fs.block_bits - SECTOR_SHIFT;

	trace_lnkfs_discard(sbi->sb, block, len);
	return __blkdev_issue_discard(sbi->sb->s_bdev, block << shift,
				      (sector_t)len << shift, GFP_NOFS, bio);
}

static int lnkfs_wait_discard(struct bio *bio)
{
	int err;

	if (!bio)
		return 0;
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/* ---- -o discard ---- */

static int lnkfs_busy_cmp(void *priv, const struct list_head *a, const struct list_head *b)
{
	const struct lnkfs_busy *x = list_entry(a, struct lnkfs_busy, list);
	const struct lnkfs_busy *y = list_entry(b, struct lnkfs_busy, list);

	if (x->group != y->group)
		return x->group > y->group ? 1 : -1;
	return x->start > y->start ? 1 : -1;
}

/* Move the first run of a sorted list, which may have several parts, to @done. */
static void lnkfs_take_run(struct list_head *list, struct list_head *done,
			   struct lnkfs_busy *run)
{
	struct lnkfs_busy *b;

	run->len = 0;
	while ((b = list_first_entry_or_null(list, struct lnkfs_busy, list))) {
		if (!run->len) {
			run->group = b->group;
			run->start = b->start;
		} else if (b->group != run->group || b->start != run->start + run->len) {
			break;
		}
		run->len += b->len;
		list_move_tail(&b->list, done);
	}
}

/* Discard the first runs of a sorted list, and let them go. */
static void lnkfs_discard_batch(struct lnkfs_sb_info *sbi, struct list_head *list)
{
	struct bio *bio = NULL;
	struct blk_plug plug;
	struct lnkfs_busy run, *b, *next;
	LIST_HEAD(done);
	int n, err = 0, err2;

	blk_start_plug(&plug);
	for (n = 0; n < LNKFS_DISCARD_BATCH && !list_empty(list); n++) {
		lnkfs_take_run(list, &done, &run);
		if (!err && !lnkfs_stopped(sbi->sb))
			err = lnkfs_issue_discard(sbi, run.group, run.start, run.len, &bio);
	}
	blk_finish_plug(&plug);
	err2 = lnkfs_wait_discard(bio);
	if (!err)
		err = err2;
	/* The device keeps what nobody will ask for: a loss of space, if any. */
	if (err && err != -EOPNOTSUPP)
		pr_warn_ratelimited("lnkfs (%s): discarding freed blocks failed (%d)\n",
				    sbi->sb->s_id, err);
	list_for_each_entry_safe(b, next, &done, list)
		lnkfs_busy_release(sbi, b);
}

static void lnkfs_discard_worker(struct work_struct *work)
{
	struct lnkfs_sb_info *sbi = container_of(work, struct lnkfs_sb_info, discard_work);
	unsigned int nofs = memalloc_nofs_save();
	LIST_HEAD(list);

	for (;;) {
		spin_lock(&sbi->space_lock);
		list_splice_init(&sbi->discard_list, &list);
		spin_unlock(&sbi->space_lock);
		if (list_empty(&list))
			break;
		list_sort(NULL, &list, lnkfs_busy_cmp);
		while (!list_empty(&list)) {
			lnkfs_discard_batch(sbi, &list);
			cond_resched();
		}
	}
	memalloc_nofs_restore(nofs);
}

/**
 * lnkfs_discard_init() - set up the fields that concern discarding
 * @sbi: volume being mounted
 */
void lnkfs_discard_init(struct lnkfs_sb_info *sbi)
{
	INIT_LIST_HEAD(&sbi->discard_list);
	INIT_WORK(&sbi->discard_work, lnkfs_discard_worker);
}

/**
 * lnkfs_discard_start() - freed blocks may be going to be discarded
 * @sbi: volume
 * @mo: options that will be applied next
 *
 * Context: mount and remount.
 * Return: 0 or -ENOMEM.
 */
int lnkfs_discard_start(struct lnkfs_sb_info *sbi, const struct lnkfs_mount_opts *mo)
{
	if (!(mo->opts & LNKFS_OPT_DISCARD) ||
	    (sbi->discard_wq && (sbi->opts & LNKFS_OPT_DISCARD)))
		return 0;
	if (!bdev_max_discard_sectors(sbi->sb->s_bdev))
		pr_warn("lnkfs (%s): mounted with discard, which the device does not support\n",
			sbi->sb->s_id);
	if (!sbi->discard_wq)
		sbi->discard_wq = alloc_workqueue("lnkfs-discard/%s", WQ_MEM_RECLAIM, 1,
						  sbi->sb->s_id);
	return sbi->discard_wq ? 0 : -ENOMEM;
}

/**
 * lnkfs_discard_wait() - wait until all blocks given to the worker are free
 * @sbi: volume
 *
 * Context: may sleep for I/O; no group lock, not in a handle.
 */
void lnkfs_discard_wait(struct lnkfs_sb_info *sbi)
{
	if (sbi->discard_wq)
		flush_work(&sbi->discard_work);
}

/**
 * lnkfs_discard_stop() - the volume goes away
 * @sbi: volume; no transaction commits any more
 */
void lnkfs_discard_stop(struct lnkfs_sb_info *sbi)
{
	if (sbi->discard_wq)
		destroy_workqueue(sbi->discard_wq);
	sbi->discard_wq = NULL;
}

/* ---- FITRIM ---- */

/**
 * struct lnkfs_trim - state of one FITRIM
 * @minlen: blocks of the shortest run of interest, not 0
 * @trimmed: blocks discarded so far
 */
struct lnkfs_trim {
	u32 minlen;
	u64 trimmed;
};

/*
 * First free run in [@from, @to) of a locked group, in its blocks; 0: none. A
 * group without a bitmap is free but for its own blocks.
 */
static int lnkfs_trim_find(struct lnkfs_fs *fs, u32 group, u32 from, u32 to, u32 min,
			   u32 *start)
{
	const struct lnkfs_group *grp = lnkfs_group(fs, group);
	const struct lnkfs_map_block *map;
	lnkfs_buf *buf;
	int ret;

	if (grp->flags & LNKFS_BG_BLOCK_UNINIT) {
		*start = max(from, lnkfs_group_overhead(fs, group));
		return *start < to && to - *start >= min ? to - *start : 0;
	}
	ret = lnkfs_bitmap_read(fs, group, &buf);
	if (ret)
		return ret;
	map = lnkfs_bdata(buf);
	ret = lnkfs_map_find(map->m_bits, grp->busy, from, to, min, to - from, start);
	lnkfs_bput(buf);
	/* What a damaged bitmap calls free must not be forgotten. */
	if (ret > 0 && !lnkfs_block_valid(fs, lnkfs_group_first(fs, group) + *start, ret))
		ret = lnkfs_report(fs, -EFSCORRUPTED, 0, lnkfs_group_first(fs, group) + *start,
				   "metadata marked free in the bitmap of group %u", group);
	return ret;
}

/* Discard a free run of a locked group; the lock may be dropped meanwhile. */
static int lnkfs_trim_run(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len)
{
	struct bio *bio = NULL;
	bool held;
	int err, err2;

	held = lnkfs_busy_hold(sbi, group, start, len);
	if (held)
		lnkfs_group_unlock(&sbi->fs, group);
	err = lnkfs_issue_discard(sbi, group, start, len, &bio);
	err2 = lnkfs_wait_discard(bio);
	if (held) {
		lnkfs_group_lock(&sbi->fs, group);
		lnkfs_busy_unhold(sbi, group, start, len);
	}
	return err ? err : err2;
}

/* Time to stop? 1 when it is not an error. */
static int lnkfs_trim_stop(struct super_block *sb)
{
	if (lnkfs_is_shutdown(sb))
		return -EIO;
	return fatal_signal_pending(current) || freezing(current);
}

/* Has the device been told of all this since a block was last freed? */
static bool lnkfs_trim_known(struct lnkfs_group *grp, u32 minlen, bool whole)
{
	if (grp->trimmed && grp->trimmed <= minlen)
		return true;
	/* Who frees blocks from now on takes that back. */
	if (whole && !grp->busy_blocks)
		grp->trimmed = minlen;
	return false;
}

/* Trim [@from, @to) of a group, in its blocks; 1: interrupted. */
static int lnkfs_trim_group(struct lnkfs_sb_info *sbi, u32 group, u32 from, u32 to,
			    struct lnkfs_trim *trim)
{
	struct lnkfs_fs *fs = &sbi->fs;
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	int ret, err = 0;
	bool whole;
	u32 start;

	lnkfs_group_lock(fs, group);
	whole = !from && to == lnkfs_group_size(fs, group);
	if (lnkfs_trim_known(grp, trim->minlen, whole))
		from = to;
	while (from < to) {
		ret = lnkfs_trim_find(fs, group, from, to, trim->minlen, &start);
		if (ret <= 0) {
			err = ret;
			break;
		}
		err = lnkfs_trim_run(sbi, group, start, ret);
		if (err)
			break;
		trim->trimmed += ret;
		from = start + ret;
		/* Others may want the lock. */
		lnkfs_group_unlock(fs, group);
		cond_resched();
		err = lnkfs_trim_stop(sbi->sb);
		lnkfs_group_lock(fs, group);
		if (err)
			break;
	}
	if (err)
		grp->trimmed = 0;
	lnkfs_group_unlock(fs, group);
	return err;
}

/* Trim the blocks from @start to @last. */
static int lnkfs_trim_blocks(struct lnkfs_sb_info *sbi, u64 start, u64 last,
			     struct lnkfs_trim *trim)
{
	struct lnkfs_fs *fs = &sbi->fs;
	u32 group = lnkfs_group_of(fs, start), end = lnkfs_group_of(fs, last);
	u64 first;
	u32 from, to;
	int err = 0;

	for (; group <= end && !err; group++) {
		first = lnkfs_group_first(fs, group);
		from = start > first ? start - first : 0;
		to = min_t(u64, lnkfs_group_size(fs, group), last + 1 - first);
		err = lnkfs_trim_stop(sbi->sb);
		if (!err && READ_ONCE(lnkfs_group(fs, group)->free_blocks) >= trim->minlen)
			err = lnkfs_trim_group(sbi, group, from, to, trim);
	}
	return min(err, 0);
}

/* What was asked for, in blocks; 0: nothing to do. */
static int lnkfs_trim_range(struct lnkfs_sb_info *sbi, struct fstrim_range *range)
{
	unsigned int granularity = bdev_discard_granularity(sbi->sb->s_bdev);
	struct lnkfs_fs *fs = &sbi->fs;
	u64 start = range->start >> fs->block_bits;
	u64 blocks = range->len >> fs->block_bits;
	u64 minlen = range->minlen >> fs->block_bits;
	struct lnkfs_trim trim = {};
	int err = 0;

	if (minlen > fs->group_blocks || start >= lnkfs_blocks(fs) || !blocks)
		return -EINVAL;
	/* The device would not do anything for less. */
	minlen = max_t(u64, minlen, granularity >> fs->block_bits);
	if (minlen <= fs->group_blocks) {
		trim.minlen = max_t(u64, minlen, 1);
		blocks = min(blocks, lnkfs_blocks(fs) - start);
		err = lnkfs_trim_blocks(sbi, start, start + blocks - 1, &trim);
	}
	range->len = trim.trimmed << fs->block_bits;
	trace_lnkfs_trim(sbi->sb, start, blocks, trim.minlen, trim.trimmed, err);
	return err;
}

/**
 * lnkfs_ioc_fitrim() - FITRIM: discard the free blocks of a range
 * @sb: volume
 * @arg: the range, and the shortest run of interest; the number of bytes
 *	discarded goes to its len
 *
 * A group of which nothing was freed since it was last trimmed is passed over.
 *
 * Return: 0; -EPERM without CAP_SYS_ADMIN; -EOPNOTSUPP: not by this device;
 * -EROFS: what is free is not known for sure (norecovery, an error); -EFAULT;
 * -EINVAL for a range outside the volume or shorter than a block, or a minimum
 * above a group's size; an error of the device or of the bitmaps.
 */
int lnkfs_ioc_fitrim(struct super_block *sb, struct fstrim_range __user *arg)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	struct fstrim_range range;
	unsigned int nofs;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!bdev_max_discard_sectors(sb->s_bdev))
		return -EOPNOTSUPP;
	if (!sbi->journal || test_bit(LNKFS_SB_DEAD, &sbi->state))
		return -EROFS;
	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	/* Memory for bios is asked for with a group's lock held. */
	nofs = memalloc_nofs_save();
	err = lnkfs_trim_range(sbi, &range);
	memalloc_nofs_restore(nofs);
	if (err)
		return err;
	return copy_to_user(arg, &range, sizeof(range)) ? -EFAULT : 0;
}
