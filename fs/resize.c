// SPDX-License-Identifier: GPL-2.0
/*
 * LNKFS_IOC_GROW: making a mounted volume larger.
 *
 * The blocks that new groups begin with are written first, past the end of the
 * volume, where nothing refers to them. One transaction does the rest
 * (lnkfs_grow()), the superblock included, which is not journaled otherwise.
 * Before anybody may write it in place again the log has to forget that copy,
 * or recovery would bring it back: super_lock is held until the journal has been
 * flushed.
 */
#include <linux/blkdev.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "internal.h"
#include "lnkfs.h"

static_assert(sizeof(struct lnkfs_grow) == 0x20);

/* The size to grow to: 0, and @blocks corrected; 1: it has that size. */
static int lnkfs_grow_size(struct lnkfs_sb_info *sbi, u64 *blocks)
{
	u64 room = bdev_nr_bytes(sbi->sb->s_bdev) >> sbi->fs.block_bits;
	u64 most = min_t(u64, LNKFS_MAX_BLOCKS, (u64)sbi->fs.group_blocks * (U32_MAX - 1));

	if (!*blocks)
		*blocks = max(min(room, most), sbi->fs.blocks);
	if (*blocks < sbi->fs.blocks || *blocks > most)
		return -EINVAL;
	if (*blocks > room)
		return -ENOSPC;
	*blocks = max(lnkfs_usable_blocks(&sbi->fs, *blocks), sbi->fs.blocks);
	return *blocks == sbi->fs.blocks;
}

/* What a block past the end of the volume is going to hold. */
static int lnkfs_grow_write(struct super_block *sb, u64 block, const void *data, u32 len)
{
	struct buffer_head *bh = sb_getblk(sb, block);

	if (!bh)
		return -ENOMEM;
	lock_buffer(bh);
	memset(bh->b_data, 0, bh->b_size);
	memcpy(bh->b_data, data, len);
	set_buffer_uptodate(bh);
	lnkfs_bunknown(bh);
	mark_buffer_dirty(bh);
	unlock_buffer(bh);
	brelse(bh);
	return 0;
}

/* The copy of the superblock that a new group begins with. */
static int lnkfs_grow_backup(struct lnkfs_sb_info *sbi, const struct lnkfs_super_block *es,
			     u32 group)
{
	struct lnkfs_super_block *copy = kmemdup(es, sizeof(*es), GFP_KERNEL);
	u64 block = lnkfs_group_first(&sbi->fs, group);
	int err;

	if (!copy)
		return -ENOMEM;
	copy->s_blocknr = cpu_to_le64(block);
	lnkfs_super_seal(copy);
	err = lnkfs_grow_write(sbi->sb, block, copy, sizeof(*copy));
	kfree(copy);
	return err;
}

/* The descriptor block that a new group holds, or a copy of its run's. */
static int lnkfs_grow_desc(struct lnkfs_sb_info *sbi, const struct lnkfs_fs *new, u32 group)
{
	struct lnkfs_fs *fs = &sbi->fs;
	u32 first = group - group % fs->desc_per_block;
	u64 block = lnkfs_group_map_block(new, group, LNKFS_B_BITMAP) - 1;
	void *data = kmalloc(fs->block_size, GFP_KERNEL);
	lnkfs_buf *run = NULL;
	int err = 0;

	if (!data)
		return -ENOMEM;
	if (first < fs->groups)
		err = lnkfs_bread(fs, lnkfs_gdesc_block(fs, first), LNKFS_B_GDESC, first, 0, &run);
	if (!err) {
		lnkfs_grow_descs(fs, new, group, run ? lnkfs_bdata(run) : NULL, data);
		err = lnkfs_grow_write(sbi->sb, block, data, fs->block_size);
	}
	lnkfs_bput(run);
	kfree(data);
	return err;
}

/* All that is to be written past the end, on the disk but for its cache. */
static int lnkfs_grow_prepare(struct lnkfs_sb_info *sbi, const struct lnkfs_super_block *es,
			      const struct lnkfs_fs *new)
{
	struct lnkfs_fs *fs = &sbi->fs;
	int err = 0, err2;
	u32 group;

	for (group = fs->groups; !err && group < new->groups; group++) {
		if (lnkfs_group_has_super(group))
			err = lnkfs_grow_backup(sbi, es, group);
		if (!err && lnkfs_group_has_desc(fs, group))
			err = lnkfs_grow_desc(sbi, new, group);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	err2 = filemap_write_and_wait_range(lnkfs_bdev_mapping(sbi->sb->s_bdev),
					    fs->blocks << fs->block_bits,
					    (new->blocks << fs->block_bits) - 1);
	return err ? err : err2;
}

/* The transaction. Under super_lock. @logged: the superblock is in it. */
static int lnkfs_grow_handle(struct lnkfs_sb_info *sbi, const struct lnkfs_super_block *es,
			     bool *logged)
{
	struct buffer_head *bh = sbi->super_bh;
	struct lnkfs_fs *fs = &sbi->fs;
	u64 added = 0;
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin(sbi->sb, lnkfs_grow_credits(fs) + 1, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	/* New blocks are to be on the disk before the commit. */
	lnkfs_note_data(handle);
	lnkfs_fast_lost(handle, sbi);
	err = jbd2_journal_get_write_access(handle, bh);
	*logged = !err;
	if (!err) {
		jbd2_journal_set_triggers(bh, NULL);
		err = lnkfs_grow(handle, fs, es, sbi->super, &added);
		if (!err) {
			lock_buffer(bh);
			sbi->super->s_blocks = es->s_blocks;
			sbi->super->s_reserved_blocks = es->s_reserved_blocks;
			lnkfs_super_seal(sbi->super);
			unlock_buffer(bh);
		}
		lnkfs_bdirty(handle, fs, bh);
	}
	if (!err) {
		spin_lock(&sbi->space_lock);
		sbi->free += added;
		spin_unlock(&sbi->space_lock);
		lnkfs_size_limits(sbi);
	}
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

/* Grow to the size that @es says. Under label_lock. */
static int lnkfs_grow_to(struct lnkfs_sb_info *sbi, const struct lnkfs_super_block *es)
{
	struct lnkfs_fs new = {};
	bool logged = false;
	int err, err2 = 0;

	lnkfs_super_load(&new, es);
	err = lnkfs_groups_extend(&sbi->fs, &new);
	if (!err)
		err = lnkfs_grow_prepare(sbi, es, &new);
	if (err)
		return err;
	mutex_lock(&sbi->super_lock);
	err = lnkfs_grow_handle(sbi, es, &logged);
	if (logged) {
		jbd2_journal_lock_updates(sbi->journal);
		err2 = jbd2_journal_flush(sbi->journal, 0);
		jbd2_journal_unlock_updates(sbi->journal);
	}
	/* Recovery will know the size; what we have in memory may be wrong. */
	if (logged && (err2 || is_journal_aborted(sbi->journal))) {
		lnkfs_abort(sbi->sb, err2);
		set_bit(LNKFS_SB_LOGGED, &sbi->state);
	}
	mutex_unlock(&sbi->super_lock);
	return err ? err : err2;
}

static int lnkfs_do_grow(struct lnkfs_sb_info *sbi, struct lnkfs_grow *g)
{
	struct lnkfs_super_block *es;
	int err;

	if (mutex_lock_killable(&sbi->label_lock))
		return -EINTR;
	g->g_old = sbi->fs.blocks;
	err = lnkfs_grow_size(sbi, &g->g_blocks);
	if (err || (g->g_flags & LNKFS_GROW_DRY)) {
		err = min(err, 0);
		goto out;
	}
	err = -ENOMEM;
	es = kmalloc(sizeof(*es), GFP_KERNEL);
	if (!es)
		goto out;
	lock_buffer(sbi->super_bh);
	memcpy(es, sbi->super, sizeof(*es));
	unlock_buffer(sbi->super_bh);
	lnkfs_resize_super(es, g->g_blocks);
	err = lnkfs_grow_to(sbi, es);
	kfree(es);
	if (!err)
		pr_info("lnkfs (%s): grown from %llu to %llu blocks\n", sbi->sb->s_id, g->g_old,
			g->g_blocks);
out:
	mutex_unlock(&sbi->label_lock);
	return err;
}

/**
 * lnkfs_ioc_grow() - LNKFS_IOC_GROW
 * @file: carrier, of a mount that can be written
 * @arg: the size
 *
 * Return: as lnkfs.h says.
 */
int lnkfs_ioc_grow(struct file *file, struct lnkfs_grow __user *arg)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	struct lnkfs_grow g;
	int err;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (copy_from_user(&g, arg, sizeof(g)))
		return -EFAULT;
	if (g.g_size != sizeof(g) || g.g_flags & ~LNKFS_GROW_DRY || g.g_old || g.g_reserved)
		return -EINVAL;
	err = mnt_want_write_file(file);
	if (err)
		return err;
	err = lnkfs_rdonly(sb) || !sbi->journal ? -EROFS : lnkfs_do_grow(sbi, &g);
	mnt_drop_write_file(file);
	if (!err && copy_to_user(arg, &g, sizeof(g)))
		err = -EFAULT;
	return err;
}
