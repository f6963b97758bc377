// SPDX-License-Identifier: GPL-2.0
/*
 * FS_IOC_GETFSMAP: what each block of the volume is used for, as far as the
 * groups' maps tell: group metadata, the journal, inode blocks, blocks of files
 * (whose is not known), free space.
 *
 * A group's maps are copied under its lock; its part of the answer is true of
 * that moment. Mappings are cut at the ends of the range that was asked for.
 */
#include <linux/fsmap.h>
#include <linux/kdev_t.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "internal.h"
#include "lnkfs.h"

/**
 * struct lnkfs_fsmap - state of one FS_IOC_GETFSMAP
 * @fs: volume
 * @dev: its device as fmr_device has it
 * @first: first block that was asked for
 * @last: last block
 * @head: the request, in and out
 * @out: where mappings go
 * @rec: the mapping that goes there next: it may still get longer
 * @used: copy of a group's block bitmap, from its first bit on
 * @inodes: the same of its inode block map
 */
struct lnkfs_fsmap {
	struct lnkfs_fs *fs;
	u32 dev;
	u64 first;
	u64 last;
	struct fsmap_head head;
	struct fsmap __user *out;
	struct fsmap rec;
	void *used;
	void *inodes;
};

/* Hand out the mapping that is complete; 1: no room for it. */
static int lnkfs_fsmap_flush(struct lnkfs_fsmap *fm, u32 flags)
{
	if (!fm->rec.fmr_length)
		return 0;
	if (fm->head.fmh_count) {
		if (fm->head.fmh_entries >= fm->head.fmh_count)
			return 1;
		fm->rec.fmr_flags |= flags;
		if (copy_to_user(&fm->out[fm->head.fmh_entries], &fm->rec, sizeof(fm->rec)))
			return -EFAULT;
	} else if (fm->head.fmh_entries == U32_MAX) {
		return 1;
	}
	fm->head.fmh_entries++;
	fm->rec.fmr_length = 0;
	return 0;
}

/* Blocks [start, end) belong to @owner. */
static int lnkfs_fsmap_add(struct lnkfs_fsmap *fm, u64 start, u64 end, u64 owner)
{
	unsigned int bits = fm->fs->block_bits;
	int ret;

	start = max(start, fm->first);
	end = min(end, fm->last + 1);
	if (start >= end)
		return 0;
	if (fm->rec.fmr_length && fm->rec.fmr_owner == owner) {
		fm->rec.fmr_length += (end - start) << bits;
		return 0;
	}
	ret = lnkfs_fsmap_flush(fm, 0);
	if (ret)
		return ret;
	fm->rec.fmr_device = fm->dev;
	fm->rec.fmr_flags = FMR_OF_SPECIAL_OWNER;
	fm->rec.fmr_physical = start << bits;
	fm->rec.fmr_owner = owner;
	fm->rec.fmr_length = (end - start) << bits;
	return 0;
}

static int lnkfs_fsmap_copy(struct lnkfs_fs *fs, u32 group, enum lnkfs_btype type, void *to)
{
	const struct lnkfs_map_block *map;
	lnkfs_buf *buf;
	int err;

	err = lnkfs_bread(fs, lnkfs_group_map_block(fs, group, type), type, group, 0, &buf);
	if (err)
		return err;
	map = lnkfs_bdata(buf);
	memcpy(to, map->m_bits, fs->group_blocks / 8);
	lnkfs_bput(buf);
	return 0;
}

static int lnkfs_fsmap_read(struct lnkfs_fsmap *fm, u32 group)
{
	struct lnkfs_fs *fs = fm->fs;
	int err = 0;
	u16 flags;

	lnkfs_group_lock(fs, group);
	flags = lnkfs_group(fs, group)->flags;
	if (flags & LNKFS_BG_BLOCK_UNINIT)
		memset(fm->used, 0, fs->group_blocks / 8);
	else
		err = lnkfs_fsmap_copy(fs, group, LNKFS_B_BITMAP, fm->used);
	if (flags & LNKFS_BG_INODE_UNINIT)
		memset(fm->inodes, 0, fs->group_blocks / 8);
	else if (!err)
		err = lnkfs_fsmap_copy(fs, group, LNKFS_B_IMAP, fm->inodes);
	lnkfs_group_unlock(fs, group);
	return err;
}

/* The blocks that a group begins with. */
static int lnkfs_fsmap_static(struct lnkfs_fsmap *fm, u32 group)
{
	struct lnkfs_fs *fs = fm->fs;
	u64 start = lnkfs_group_first(fs, group);
	u64 maps = lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP);
	u64 desc = maps - lnkfs_group_has_desc(fs, group);
	int ret;

	ret = lnkfs_fsmap_add(fm, start, desc, LNKFS_FMR_OWN_SUPER);
	if (!ret)
		ret = lnkfs_fsmap_add(fm, desc, maps, LNKFS_FMR_OWN_DESC);
	if (!ret)
		ret = lnkfs_fsmap_add(fm, maps, maps + 1, LNKFS_FMR_OWN_BITMAP);
	if (!ret)
		ret = lnkfs_fsmap_add(fm, maps + 1, maps + LNKFS_GROUP_MAPS, LNKFS_FMR_OWN_INODE_MAP);
	/* In group 0 there are blocks behind them that nobody gets. */
	if (!ret)
		ret = lnkfs_fsmap_add(fm, maps + LNKFS_GROUP_MAPS, start + lnkfs_group_overhead(fs, group),
				      LNKFS_FMR_OWN_SUPER);
	return ret;
}

/* Owner of a block after the group's own, and end of its run, in the group. */
static u64 lnkfs_fsmap_owner(const struct lnkfs_fsmap *fm, u32 group, u32 off, u32 *end)
{
	const struct lnkfs_fs *fs = fm->fs;
	u64 block = lnkfs_group_first(fs, group) + off;
	u64 journal = fs->journal_start;
	u32 size = lnkfs_group_size(fs, group);

	if (fs->journal_blocks && block >= journal && block < journal + fs->journal_blocks) {
		*end = off + (u32)(journal + fs->journal_blocks - block);
		return LNKFS_FMR_OWN_JOURNAL;
	}
	if (fs->journal_blocks && block < journal)
		size = min_t(u64, size, off + (journal - block));
	if (!lnkfs_test_bit(off, fm->used)) {
		*end = lnkfs_find_next_bit(fm->used, size, off);
		return FMR_OWN_FREE;
	}
	*end = lnkfs_find_next_zero_bit(fm->used, size, off);
	if (lnkfs_test_bit(off, fm->inodes)) {
		*end = lnkfs_find_next_zero_bit(fm->inodes, *end, off);
		return LNKFS_FMR_OWN_INODES;
	}
	*end = lnkfs_find_next_bit(fm->inodes, *end, off);
	return FMR_OWN_UNKNOWN;
}

static int lnkfs_fsmap_group(struct lnkfs_fsmap *fm, u32 group)
{
	struct lnkfs_fs *fs = fm->fs;
	u64 first = lnkfs_group_first(fs, group);
	u32 off = lnkfs_group_overhead(fs, group), end;
	u32 size = lnkfs_group_size(fs, group);
	u64 owner;
	int ret;

	ret = lnkfs_fsmap_read(fm, group);
	if (!ret)
		ret = lnkfs_fsmap_static(fm, group);
	if (fm->first > first + off)
		off = min_t(u64, size, fm->first - first);
	for (; !ret && off < size && first + off <= fm->last; off = end) {
		owner = lnkfs_fsmap_owner(fm, group, off, &end);
		ret = lnkfs_fsmap_add(fm, first + off, first + end, owner);
	}
	return ret;
}

/* All mappings of the range; 1: there are more than the caller has room for. */
static int lnkfs_fsmap_walk(struct lnkfs_fsmap *fm)
{
	struct lnkfs_fs *fs = fm->fs;
	u32 group = lnkfs_group_of(fs, fm->first);
	int ret;

	for (; group <= lnkfs_group_of(fs, fm->last); group++) {
		ret = lnkfs_fsmap_group(fm, group);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return lnkfs_fsmap_flush(fm, FMR_OF_LAST);
}

/* Can this be a key? Offsets in files are not known here. */
static bool lnkfs_fsmap_key_ok(const struct lnkfs_fsmap *fm, const struct fsmap *key)
{
	return !memchr_inv(key->fmr_reserved, 0, sizeof(key->fmr_reserved)) &&
	       (key->fmr_device == 0 || key->fmr_device == U32_MAX ||
		key->fmr_device == fm->dev);
}

/*
 * Judge the keys, and find the blocks that they enclose. A low key with a
 * length is the last mapping that the caller has got: go on after it.
 * Return: 0, 1 when they enclose none, -EINVAL.
 */
static int lnkfs_fsmap_keys(struct lnkfs_fsmap *fm)
{
	const struct fsmap *low = &fm->head.fmh_keys[0];
	const struct fsmap *high = &fm->head.fmh_keys[1];
	unsigned int bits = fm->fs->block_bits;
	u64 start = low->fmr_physical;
	u64 owner = low->fmr_length ? 0 : low->fmr_owner;

	if (!lnkfs_fsmap_key_ok(fm, low) || !lnkfs_fsmap_key_ok(fm, high) ||
	    low->fmr_offset || (high->fmr_offset && high->fmr_offset != U64_MAX))
		return -EINVAL;
	if (check_add_overflow(start, low->fmr_length, &start))
		return -EINVAL;
	if (low->fmr_device > high->fmr_device)
		return -EINVAL;
	if (low->fmr_device == high->fmr_device &&
	    (start > high->fmr_physical ||
	     (start == high->fmr_physical && owner >= high->fmr_owner)))
		return -EINVAL;
	fm->first = start >> bits;
	fm->last = lnkfs_blocks(fm->fs) - 1;
	/* Device 0 comes before ours, and U32_MAX after it. */
	if (low->fmr_device > fm->dev || high->fmr_device < fm->dev)
		return 1;
	if (low->fmr_device < fm->dev)
		fm->first = 0;
	if (high->fmr_device == fm->dev)
		fm->last = min(fm->last, high->fmr_physical >> bits);
	return fm->first > fm->last;
}

static int lnkfs_fsmap_run(struct lnkfs_fsmap *fm)
{
	void *maps;
	int ret;

	ret = lnkfs_fsmap_keys(fm);
	if (ret)
		return min(ret, 0);
	maps = kmalloc(2 * fm->fs->block_size, GFP_KERNEL);
	if (!maps)
		return -ENOMEM;
	fm->used = maps;
	fm->inodes = maps + fm->fs->block_size;
	ret = lnkfs_fsmap_walk(fm);
	kfree(maps);
	return min(ret, 0);
}

/**
 * lnkfs_ioc_getfsmap() - FS_IOC_GETFSMAP
 * @sb: volume
 * @arg: the request, which has the answer behind it
 *
 * Owners are LNKFS_FMR_OWN_*, FMR_OWN_FREE and FMR_OWN_UNKNOWN. Only counts
 * when there is no room at all.
 *
 * Return: 0, -EFAULT, -EINVAL, -ENOMEM, -EINTR, -EIO, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_ioc_getfsmap(struct super_block *sb, struct fsmap_head __user *arg)
{
	struct lnkfs_fsmap *fm;
	int err = -EFAULT;

	fm = kzalloc(sizeof(*fm), GFP_KERNEL);
	if (!fm)
		return -ENOMEM;
	if (copy_from_user(&fm->head, arg, sizeof(fm->head)))
		goto out;
	err = -EINVAL;
	if (fm->head.fmh_iflags & ~FMH_IF_VALID ||
	    memchr_inv(fm->head.fmh_reserved, 0, sizeof(fm->head.fmh_reserved)))
		goto out;
	fm->fs = &LNKFS_SB(sb)->fs;
	fm->dev = new_encode_dev(sb->s_bdev->bd_dev);
	fm->out = arg->fmh_recs;
	fm->head.fmh_entries = 0;
	fm->head.fmh_oflags = FMH_OF_DEV_T;
	err = lnkfs_fsmap_run(fm);
	if (!err && copy_to_user(arg, &fm->head, sizeof(fm->head)))
		err = -EFAULT;
out:
	kfree(fm);
	return err;
}
