// SPDX-License-Identifier: GPL-2.0
/*
 * Mounting, unmounting, and what concerns a whole volume.
 */
#include <linux/blkdev.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/statfs.h>
#include <linux/uuid.h>
#include "internal.h"
#include "version.h"

struct kmem_cache *lnkfs_inode_cachep;

static void lnkfs_inode_init_once(void *p)
{
	struct lnkfs_inode_info *li = p;

	init_rwsem(&li->ext_lock);
	spin_lock_init(&li->raw_lock);
	spin_lock_init(&li->da_lock);
	spin_lock_init(&li->ioend_lock);
	inode_init_once(&li->vfs_inode);
}

static struct inode *lnkfs_alloc_inode(struct super_block *sb)
{
	struct lnkfs_inode_info *li;

	li = alloc_inode_sb(sb, lnkfs_inode_cachep, GFP_KERNEL);
	if (!li)
		return NULL;
	memset(&li->ci, 0, sizeof(li->ci));
	li->link_body = NULL;
	li->track = NULL;
	li->window = NULL;
	li->sync_tid = 0;
	li->datasync_tid = 0;
	li->orphan = false;
	li->da_root = RB_ROOT;
	li->da_blocks = 0;
	li->owed_root = RB_ROOT;
	li->owed_blocks = 0;
	li->owed_ends = 0;
	atomic64_set(&li->data_seq, 0);
	li->da_partial = false;
	li->flush_close = false;
	memset(li->dquot, 0, sizeof(li->dquot));
	li->quota_reserved = 0;
	li->quota_blocks = 0;
	li->quota_claim = 0;
	INIT_LIST_HEAD(&li->ioend_list);
	INIT_WORK(&li->ioend_work, lnkfs_ioend_worker);
	return &li->vfs_inode;
}

/* After an RCU grace period: path walk may have been using the target. */
static void lnkfs_free_inode(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	lnkfs_free(li->ci.area);
	kfree(li->link_body);
	kmem_cache_free(lnkfs_inode_cachep, li);
}

/* May the superblock be written? */
static int lnkfs_super_writable(struct lnkfs_sb_info *sbi)
{
	/* With a log that has not been replayed nothing is to be written. */
	if (bdev_read_only(sbi->sb->s_bdev) || (sbi->opts & LNKFS_OPT_NORECOVERY))
		return -EROFS;
	/* Nor before it is known that the volume is what a backup says. */
	if (test_bit(LNKFS_SB_BACKUP, &sbi->state))
		return -EROFS;
	return lnkfs_stopped(sbi->sb) ? -EIO : 0;
}

/* Bring the superblock up to date. Its buffer is locked. */
static void lnkfs_super_fill(struct lnkfs_sb_info *sbi, bool clean)
{
	struct lnkfs_super_block *es = sbi->super;
	u16 state = clean ? LNKFS_STATE_CLEAN : 0;
	struct timespec64 now;

	ktime_get_coarse_real_ts64(&now);
	spin_lock(&sbi->error_lock);
	if (sbi->error_new) {
		if (!es->s_error_count)
			es->s_first_error = sbi->error_first;
		es->s_last_error = sbi->error;
		le32_add_cpu(&es->s_error_count, sbi->error_new);
		sbi->error_new = 0;
	}
	spin_unlock(&sbi->error_lock);
	if (test_bit(LNKFS_SB_ERROR, &sbi->state))
		state |= LNKFS_STATE_ERROR;
	es->s_state = cpu_to_le16(state);
	es->s_write_time = cpu_to_le64(lnkfs_time_encode(now));
	if (clean) {
		es->s_free_blocks = cpu_to_le64(sbi->free + sbi->busy);
		es->s_used_inodes = cpu_to_le64(atomic64_read(&sbi->used_inodes));
	}
	es->s_lifetime_kib = cpu_to_le64(lnkfs_lifetime_kib(sbi));
	lnkfs_super_seal(es);
}

/* Under super_lock, the buffer locked: it is unlocked here. */
static int lnkfs_super_write(struct lnkfs_sb_info *sbi, bool clean)
{
	struct buffer_head *bh = sbi->super_bh;

	lnkfs_super_fill(sbi, clean);
	/* An earlier write may have failed; this one is newer. */
	clear_buffer_write_io_error(bh);
	set_buffer_uptodate(bh);
	mark_buffer_dirty(bh);
	unlock_buffer(bh);
	if (!__sync_dirty_buffer(bh, REQ_SYNC | (lnkfs_barrier(sbi) ? REQ_FUA : 0)) &&
	    !buffer_write_io_error(bh))
		return 0;
	/* Or the next reader of the device would bring back what is on the disk. */
	set_buffer_uptodate(bh);
	pr_err_ratelimited("lnkfs (%s): cannot write the superblock\n", sbi->sb->s_id);
	return -EIO;
}

/**
 * lnkfs_super_update() - write the superblock
 * @sbi: volume
 * @clean: the volume is consistent without its journal from now on
 *
 * The superblock is not journaled: it holds nothing that has to change
 * together with other metadata. Its checksum is made before the buffer is
 * unlocked, because blkid reads the page cache.
 *
 * While the volume grows its superblock is journaled, once; this waits until
 * the log has forgotten it.
 *
 * Context: may sleep; not in a handle.
 * Return: 0; -EROFS when the device cannot be written, the mount said
 * norecovery, or a backup serves a mount that has not begun to write; -EIO, also
 * when the volume must not be written.
 */
int lnkfs_super_update(struct lnkfs_sb_info *sbi, bool clean)
{
	int err = lnkfs_super_writable(sbi);

	if (err)
		return err;
	mutex_lock(&sbi->super_lock);
	if (test_bit(LNKFS_SB_LOGGED, &sbi->state)) {
		err = -EIO;
	} else {
		lock_buffer(sbi->super_bh);
		err = lnkfs_super_write(sbi, clean);
	}
	mutex_unlock(&sbi->super_lock);
	return err;
}

/**
 * lnkfs_super_try() - write the superblock, unless somebody else has it
 * @sbi: volume, about to be left as it is
 *
 * Context: may sleep for I/O; in a handle or not, whatever locks are held.
 */
void lnkfs_super_try(struct lnkfs_sb_info *sbi)
{
	if (lnkfs_super_writable(sbi) || !mutex_trylock(&sbi->super_lock))
		return;
	if (!test_bit(LNKFS_SB_LOGGED, &sbi->state) && trylock_buffer(sbi->super_bh))
		lnkfs_super_write(sbi, false);
	mutex_unlock(&sbi->super_lock);
}

static int lnkfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct super_block *sb = dentry->d_sb;
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	s64 free, avail, kept;

	spin_lock(&sbi->space_lock);
	buf->f_blocks = lnkfs_blocks(&sbi->fs) - sbi->overhead;
	free = sbi->free + sbi->busy - sbi->reserved;
	kept = sbi->root_reserve + sbi->pool;
	spin_unlock(&sbi->space_lock);
	free = max_t(s64, free, 0);
	avail = max_t(s64, free - kept, 0);

	buf->f_type = LNKFS_SUPER_MAGIC;
	buf->f_bsize = sb->s_blocksize;
	buf->f_frsize = sb->s_blocksize;
	buf->f_bfree = free;
	buf->f_bavail = avail;
	/* Any free block can become an inode block. */
	buf->f_ffree = max_t(s64, atomic64_read(&sbi->free_slots), 0) +
		       (avail << sbi->fs.slot_bits);
	buf->f_files = max_t(s64, atomic64_read(&sbi->used_inodes), 0) + buf->f_ffree;
	buf->f_namelen = LNKFS_NAME_LEN;
	buf->f_fsid = uuid_to_fsid(sbi->super->s_uuid);
	lnkfs_quota_statfs(dentry, buf);
	return 0;
}

/*
 * Whoever reads the device through its page cache while nothing is written (a backup of a
 * frozen volume) is to see what files hold: blocks that were read ahead in between those of
 * metadata may have been written since, through the files' own pages.
 */
static void lnkfs_forget_device(struct super_block *sb)
{
	struct lnkfs_fs *fs = &LNKFS_SB(sb)->fs;
	u32 i;

	/* A block that is held keeps its page, and so its neighbours in there. */
	for (i = 0; i < LNKFS_NAMES_LANES; i++) {
		lnkfs_names_lock(fs, i);
		lnkfs_names_drop(lnkfs_names_lane(fs, i));
		lnkfs_names_unlock(fs, i);
	}
	sync_blockdev(sb->s_bdev);
	invalidate_bdev(sb->s_bdev);
}

static int lnkfs_freeze_fs(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	int err;

	if (sb_rdonly(sb))
		return 0;
	/* The VFS lets nobody start a handle; the lock is for those running. */
	jbd2_journal_lock_updates(sbi->journal);
	err = jbd2_journal_flush(sbi->journal, 0);
	jbd2_journal_unlock_updates(sbi->journal);
	lnkfs_fast_quiesce(sbi);
	if (!err) {
		lnkfs_super_update(sbi, true);
		/* Not after an error: what could not be written is in memory only. */
		lnkfs_forget_device(sb);
	}
	return err;
}

static int lnkfs_unfreeze_fs(struct super_block *sb)
{
	if (!lnkfs_rdonly(sb))
		lnkfs_super_update(LNKFS_SB(sb), false);
	return 0;
}

/* All but the device of an external journal and what RCU path walk looks at. */
static void lnkfs_release_sbi(struct lnkfs_sb_info *sbi)
{
	if (sbi->ioend_wq)
		destroy_workqueue(sbi->ioend_wq);
	lnkfs_discard_stop(sbi);
	lnkfs_busy_free_all(sbi);
	xa_destroy(&sbi->orphans);
	lnkfs_fast_free(sbi);
	brelse(sbi->super_bh);
	lnkfs_groups_free(&sbi->fs);
}

/* All inodes are gone. */
static void lnkfs_put_super(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	int err;

	lnkfs_sysfs_del(sbi);
	cancel_delayed_work_sync(&sbi->orphan_work);
	lnkfs_quota_off(sb);
	if (sbi->journal && !lnkfs_rdonly(sb))
		lnkfs_orphan_flush(sbi);
	flush_workqueue(sbi->ioend_wq);
	err = lnkfs_journal_close(sbi);
	lnkfs_discard_stop(sbi);
	if (err) {
		pr_err("lnkfs (%s): the journal could not be closed cleanly (%d)\n",
		       sb->s_id, err);
		if (!test_and_set_bit(LNKFS_SB_DEAD, &sbi->state))
			lnkfs_report(&sbi->fs, err, 0, 0, "metadata could not be written");
	}
	clear_bit(LNKFS_SB_MOUNTED, &sbi->state);
	cancel_work_sync(&sbi->error_work);
	if (!sb_rdonly(sb) || sbi->error_new)
		lnkfs_super_update(sbi, !err && !lnkfs_rdonly(sb));
	lnkfs_forget_device(sb);
	lnkfs_release_sbi(sbi);
}

static const struct super_operations lnkfs_super_ops = {
	.alloc_inode	= lnkfs_alloc_inode,
	.free_inode	= lnkfs_free_inode,
	.dirty_inode	= lnkfs_dirty_inode,
	.write_inode	= lnkfs_write_inode,
	.evict_inode	= lnkfs_evict_inode,
	.put_super	= lnkfs_put_super,
	.sync_fs	= lnkfs_sync_fs,
	.freeze_fs	= lnkfs_freeze_fs,
	.unfreeze_fs	= lnkfs_unfreeze_fs,
	.statfs		= lnkfs_statfs,
	.show_options	= lnkfs_show_options,
	LNKFS_SUPER_SHUTDOWN(lnkfs_device_gone)
#ifdef CONFIG_QUOTA
	.quota_read	= lnkfs_quota_file_read,
	.quota_write	= lnkfs_quota_file_write,
	.get_dquots	= lnkfs_get_dquots,
#endif
};

/* Where to look for a backup when the primary superblock is not usable. */
static const u32 lnkfs_backup_groups[] = { 1, 3, 5, 7, 9, 25, 27, 49 };

/* Check the copy of the superblock at a byte offset with the given block size. */
static int lnkfs_try_super(struct super_block *sb, u64 byte, unsigned int bits,
			   struct lnkfs_super_block *copy, const char **why)
{
	u64 bytes = bdev_nr_bytes(sb->s_bdev);
	struct buffer_head *bh;
	int err;

	if (byte + LNKFS_SUPER_SIZE > bytes) {
		*why = "the device is too small";
		return -EINVAL;
	}
	bh = sb_bread_unmovable(sb, byte >> sb->s_blocksize_bits);
	if (!bh) {
		*why = "the superblock cannot be read";
		return -EIO;
	}
	memcpy(copy, bh->b_data + (byte & (sb->s_blocksize - 1)), sizeof(*copy));
	brelse(bh);
	if (!bits)
		bits = clamp_t(unsigned int, copy->s_block_bits, LNKFS_MIN_BLOCK_BITS,
			       LNKFS_MAX_BLOCK_BITS);
	err = lnkfs_super_check(copy, byte >> bits, bytes, why);
	if (!err && (le32_to_cpu(copy->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP))
		return 0;	/* for the caller to refuse: nothing else was judged */
	if (!err && copy->s_block_bits != bits) {
		*why = "the copy has another block size";
		err = -EINVAL;
	}
	return err;
}

/*
 * Is the volume here that a backup describes? The copy alone may be what is left of
 * one that was here before, or the data of a file, and its log would be replayed over what
 * is here now: the descriptors of the first group have to be its own. Those of a kind that
 * is not going to be mounted pass. Sets the block size, and @fs.
 */
static bool lnkfs_backup_fits(struct super_block *sb, struct lnkfs_fs *fs,
			      const struct lnkfs_super_block *copy)
{
	u32 incompat = le32_to_cpu(copy->s_feature_incompat);
	struct buffer_head *bh;
	u64 block;
	int err;

	if ((incompat & LNKFS_INCOMPAT_JOURNAL_DEV) || (incompat & ~LNKFS_INCOMPAT_SUPP))
		return true;
	if (!sb_set_blocksize(sb, 1 << copy->s_block_bits))
		return false;
	lnkfs_super_load(fs, copy);
	block = lnkfs_gdesc_block(fs, 0);
	bh = sb_bread(sb, block);
	if (!bh)
		return false;
	err = lnkfs_verify_block(fs, bh->b_data, LNKFS_B_GDESC, block, 0, 0);
	brelse(bh);
	return !err;
}

static int lnkfs_find_backup(struct super_block *sb, struct lnkfs_fs *fs,
			     struct lnkfs_super_block *copy)
{
	unsigned int bits, i;
	const char *why;
	u64 byte;

	for (bits = LNKFS_MAX_BLOCK_BITS; bits >= LNKFS_MIN_BLOCK_BITS; bits--) {
		for (i = 0; i < ARRAY_SIZE(lnkfs_backup_groups); i++) {
			byte = ((u64)lnkfs_backup_groups[i] << bits) * lnkfs_group_blocks(bits);
			if (byte + LNKFS_SUPER_SIZE > bdev_nr_bytes(sb->s_bdev))
				break;
			if (lnkfs_try_super(sb, byte, bits, copy, &why))
				continue;
			if (!lnkfs_backup_fits(sb, fs, copy)) {
				pr_warn("lnkfs (%s): the backup superblock in group %u (%u-byte blocks) does not belong to what is here\n",
					sb->s_id, lnkfs_backup_groups[i], 1u << bits);
				continue;
			}
			pr_warn("lnkfs (%s): using the backup superblock in group %u (%u-byte blocks)\n",
				sb->s_id, lnkfs_backup_groups[i], 1u << bits);
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * The buffer of the primary superblock. One that cannot be read has a backup in its place
 * soon: what else was in the block, as a boot loader, cannot be had either.
 */
static struct buffer_head *lnkfs_primary(struct super_block *sb, bool backup)
{
	sector_t block = LNKFS_SUPER_OFFSET >> sb->s_blocksize_bits;
	struct buffer_head *bh = sb_bread_unmovable(sb, block);

	if (bh || !backup)
		return bh;
	bh = sb_getblk(sb, block);
	if (!bh)
		return NULL;
	lock_buffer(bh);
	if (!buffer_uptodate(bh)) {
		memset(bh->b_data, 0, bh->b_size);
		set_buffer_uptodate(bh);
	}
	unlock_buffer(bh);
	return bh;
}

/* Find a good superblock, set the block size, keep the primary's buffer. */
static int lnkfs_read_super(struct super_block *sb, struct lnkfs_sb_info *sbi, bool silent)
{
	struct lnkfs_super_block *copy;
	unsigned int size, offset;
	const char *why = "";
	int err;

	if (!sb_min_blocksize(sb, 1u << LNKFS_MIN_BLOCK_BITS)) {
		pr_err("lnkfs (%s): the device's sectors are too large\n", sb->s_id);
		return -EINVAL;
	}
	/* Zeroes: it may not get to reading anything. */
	copy = kzalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	err = lnkfs_try_super(sb, LNKFS_SUPER_OFFSET, 0, copy, &why);
	if (err) {
		bool ours = le32_to_cpu(copy->s_magic) == LNKFS_SUPER_MAGIC;

		if (!silent)
			pr_err("lnkfs (%s): %s\n", sb->s_id, why);
		/* A mount that probes types must not search every disk. */
		if (silent && !ours)
			goto out;
		if (lnkfs_find_backup(sb, &sbi->fs, copy))
			goto out;
		/* It is as old as the volume may be. */
		set_bit(LNKFS_SB_BACKUP, &sbi->state);
		set_bit(LNKFS_SB_ERROR, &sbi->state);
	}
	if (le32_to_cpu(copy->s_feature_incompat) & LNKFS_INCOMPAT_JOURNAL_DEV) {
		pr_err("lnkfs (%s): this is the journal of a volume: mount the volume\n", sb->s_id);
		err = -EINVAL;
		goto out;
	}
	if (le32_to_cpu(copy->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP) {
		pr_err("lnkfs (%s): unknown incompatible features %#x\n", sb->s_id,
		       le32_to_cpu(copy->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP);
		err = -EINVAL;
		goto out;
	}
	if (!sb_rdonly(sb) &&
	    (le32_to_cpu(copy->s_feature_ro_compat) & ~LNKFS_RO_COMPAT_SUPP)) {
		pr_err("lnkfs (%s): unknown features %#x allow only a read-only mount\n",
		       sb->s_id,
		       le32_to_cpu(copy->s_feature_ro_compat) & ~LNKFS_RO_COMPAT_SUPP);
		err = -EROFS;
		goto out;
	}
	err = -EINVAL;
	size = 1u << copy->s_block_bits;
	if (!sb_set_blocksize(sb, size)) {
		pr_err("lnkfs (%s): the device does not take blocks of %u bytes\n",
		       sb->s_id, size);
		goto out;
	}
	err = -EIO;
	sbi->super_bh = lnkfs_primary(sb, test_bit(LNKFS_SB_BACKUP, &sbi->state));
	if (!sbi->super_bh)
		goto out;
	offset = LNKFS_SUPER_OFFSET & (size - 1);
	sbi->super = (void *)sbi->super_bh->b_data + offset;
	/* A backup takes the primary's place; it is written when we write. */
	lock_buffer(sbi->super_bh);
	copy->s_blocknr = cpu_to_le64(LNKFS_SUPER_OFFSET >> copy->s_block_bits);
	memcpy(sbi->super, copy, sizeof(*copy));
	lnkfs_super_seal(sbi->super);
	unlock_buffer(sbi->super_bh);
	lnkfs_super_load(&sbi->fs, sbi->super);
	err = 0;
out:
	kfree(copy);
	return err;
}

/*
 * The log may have held a superblock, of a volume that was growing when the
 * system went down (lnkfs_ioc_grow()): it is in the buffer now.
 */
static int lnkfs_super_replayed(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_super_block *es = sbi->super;
	u64 start = sbi->fs.journal_start;
	const char *why;
	int err;

	err = lnkfs_super_check(es, 0, bdev_nr_bytes(sbi->sb->s_bdev), &why);
	if (!err && (es->s_block_bits != sbi->fs.block_bits ||
		     le64_to_cpu(es->s_journal_start) != start ||
		     le32_to_cpu(es->s_journal_blocks) != sbi->fs.journal_blocks ||
		     le32_to_cpu(es->s_fc_blocks) != sbi->fs.fast_blocks ||
		     le32_to_cpu(es->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP)) {
		why = "of another volume";
		err = -EFSCORRUPTED;
	}
	if (err)
		pr_err("lnkfs (%s): superblock, after recovery: %s\n", sbi->sb->s_id, why);
	else
		lnkfs_super_load(&sbi->fs, es);
	return err;
}

/**
 * lnkfs_size_limits() - set what follows from the size of the volume
 * @sbi: volume; no other task is about to let it grow
 *
 * Blocks that files never get, and those that are kept back from them.
 *
 * Context: takes space_lock.
 */
void lnkfs_size_limits(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fs *fs = &sbi->fs;
	u64 overhead = lnkfs_group_overhead_total(fs) + fs->journal_blocks;

	spin_lock(&sbi->space_lock);
	sbi->overhead = overhead;
	/* Splits of extent trees at writeback and completion must not fail. */
	sbi->pool = clamp_t(s64, fs->blocks / 256, 32, 1024);
	sbi->root_reserve = le64_to_cpu(sbi->super->s_reserved_blocks);
	spin_unlock(&sbi->space_lock);
}

/* Descriptor blocks that are read ahead of the one that is needed. */
#define LNKFS_DESC_AHEAD	128

/* Begin to read the descriptor block of the run that is so many after that of @group. */
static void lnkfs_desc_ahead(struct lnkfs_fs *fs, u32 group, u32 runs)
{
	u64 ahead = group + (u64)runs * fs->desc_per_block;

	if (ahead < fs->groups)
		lnkfs_bahead(fs, lnkfs_gdesc_block(fs, ahead), 1);
}

/*
 * Descriptors: the counters of every group, and their sums. There may be fewer
 * good ones than the superblock says: memory is taken as they are found.
 */
static int lnkfs_load_groups(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fs *fs = &sbi->fs;
	u32 g;
	int err;

	for (g = 0; g < LNKFS_DESC_AHEAD; g++)
		lnkfs_desc_ahead(fs, 0, g);
	for (g = 0; g < fs->groups; g++) {
		if (g % fs->desc_per_block == 0)
			lnkfs_desc_ahead(fs, g, LNKFS_DESC_AHEAD);
		err = lnkfs_groups_alloc(fs, g);
		if (err)
			return err;
		err = lnkfs_group_load(fs, g);
		if (err) {
			pr_err("lnkfs (%s): the descriptor of group %u is not valid (%d)\n",
			       sbi->sb->s_id, g, err);
			return err;
		}
		sbi->free += lnkfs_group(fs, g)->free_blocks;
		atomic64_add(lnkfs_group(fs, g)->used_inodes, &sbi->used_inodes);
		atomic64_add(lnkfs_group(fs, g)->free_slots, &sbi->free_slots);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	lnkfs_size_limits(sbi);
	return 0;
}

/* The volume is about to be written: finish what a crash left, mark it. */
static int lnkfs_start_writing(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	struct timespec64 now;
	int err;

	if (le16_to_cpu(sbi->super->s_state) & LNKFS_STATE_ERROR) {
		pr_warn("lnkfs (%s): errors have been recorded, the volume should be checked\n",
			sb->s_id);
		set_bit(LNKFS_SB_ERROR, &sbi->state);
	}
	/* Nobody has seen an orphan: their bits stay if it comes to nothing. */
	set_bit(LNKFS_SB_ORPHANS, &sbi->state);
	/* Before orphans are freed: their owners get the space back. */
	err = lnkfs_quota_on(sb);
	if (!err)
		err = lnkfs_orphan_recover(sb);
	if (err)
		return err;
	clear_bit(LNKFS_SB_BACKUP, &sbi->state);
	ktime_get_coarse_real_ts64(&now);
	lock_buffer(sbi->super_bh);
	sbi->super->s_mount_time = cpu_to_le64(lnkfs_time_encode(now));
	le32_add_cpu(&sbi->super->s_mount_count, 1);
	if (sbi->journal_bdev)
		sbi->super->s_journal_dev = cpu_to_le32(sbi->journal_devnum);
	lnkfs_super_seal(sbi->super);
	unlock_buffer(sbi->super_bh);
	lnkfs_super_update(sbi, false);
	return 0;
}

static struct lnkfs_sb_info *lnkfs_alloc_sbi(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);

	if (!sbi)
		return NULL;
	sbi->sb = sb;
	lnkfs_names_init(&sbi->fs);
	spin_lock_init(&sbi->space_lock);
	spin_lock_init(&sbi->error_lock);
	INIT_LIST_HEAD(&sbi->busy_list);
	lnkfs_discard_init(sbi);
	mutex_init(&sbi->label_lock);
	mutex_init(&sbi->super_lock);
	init_waitqueue_head(&sbi->busy_wait);
	sbi->hold_after = jiffies;
	spin_lock_init(&sbi->charge_lock);
	INIT_LIST_HEAD(&sbi->charges);
	xa_init(&sbi->orphans);
	INIT_DELAYED_WORK(&sbi->orphan_work, lnkfs_orphan_worker);
	INIT_WORK(&sbi->error_work, lnkfs_error_worker);
	ratelimit_state_init(&sbi->report_limit, 5 * HZ, 10);
	sbi->ioend_wq = alloc_workqueue("lnkfs-ioend/%s", WQ_MEM_RECLAIM | WQ_FREEZABLE, 0,
					sb->s_id);
	if (!sbi->ioend_wq) {
		kfree(sbi);
		return NULL;
	}
	return sbi;
}

static void lnkfs_setup_sb(struct super_block *sb, struct lnkfs_sb_info *sbi)
{
	int type;

	sb->s_magic = LNKFS_SUPER_MAGIC;
	sb->s_op = &lnkfs_super_ops;
	sb->s_export_op = &lnkfs_export_ops;
	/* Before the first inode: it says which of them have attributes. */
	sb->s_xattr = lnkfs_xattr_handlers;
	sb->s_maxbytes = LNKFS_MAX_FILE_SIZE;
	sb->s_max_links = sbi->fs.max_links;
	sb->s_time_gran = 1;
	sb->s_time_min = lnkfs_time_decode(0).tv_sec;
	sb->s_time_max = lnkfs_time_decode(U64_MAX).tv_sec - 1;
	sb->s_flags |= SB_I_VERSION;
#ifdef CONFIG_FS_POSIX_ACL
	sb->s_flags |= SB_POSIXACL;
#endif
	super_set_uuid(sb, sbi->super->s_uuid, sizeof(sbi->super->s_uuid));
	super_set_sysfs_name_bdev(sb);
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		if (sbi->super->s_quota_ino[type])
			sb->s_quota_types |= 1 << type;
	}
	lnkfs_quota_setup(sb);
}

/* Limits that nothing would enforce are no limits: say so. */
static int lnkfs_check_quota_opts(struct super_block *sb, unsigned int opts)
{
	if (!(opts & LNKFS_OPT_QUOTAS & ~lnkfs_quota_opts_allowed(sb)))
		return 0;
	pr_err("lnkfs (%s): the volume has no quota files of this type (tune.lnkfs -O quota makes them)\n",
	       sb->s_id);
	return -EINVAL;
}

/**
 * lnkfs_is_quota_ino() - is this the number of a quota file?
 * @sb: volume
 * @ino: inode number
 */
bool lnkfs_is_quota_ino(struct super_block *sb, u64 ino)
{
	return lnkfs_super_has_quota_ino(LNKFS_SB(sb)->super, ino);
}

/**
 * lnkfs_fill_super() - mount a volume
 * @sb: superblock being set up
 * @fc: context with the options
 *
 * Return: 0; -EINVAL for what is not a (supported) lnkfs volume, -EFSCORRUPTED,
 * -EFSBADCRC, -EROFS, -EIO, -ENOMEM.
 */
int lnkfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct lnkfs_mount_opts *mo = fc->fs_private;
	struct lnkfs_sb_info *sbi;
	struct inode *root;
	int err;

	sbi = lnkfs_alloc_sbi(sb);
	if (!sbi)
		return -ENOMEM;
	sb->s_fs_info = sbi;
	sbi->opts = mo->opts;
	sbi->journal_devnum = mo->journal_devnum;
	if ((sbi->opts & LNKFS_OPT_NORECOVERY) && !sb_rdonly(sb)) {
		pr_err("lnkfs (%s): norecovery needs a read-only mount\n", sb->s_id);
		err = -EINVAL;
		goto fail;
	}
	err = lnkfs_read_super(sb, sbi, fc->sb_flags & SB_SILENT);
	if (err)
		goto fail;
	sbi->errors = mo->errors ? mo->errors : sbi->super->s_errors;
	lnkfs_lifetime_start(sbi);
	lnkfs_setup_sb(sb, sbi);
	lnkfs_default_options(sbi, mo);
	err = lnkfs_check_quota_opts(sb, sbi->opts);
	if (!err)
		err = lnkfs_discard_start(sbi, mo);
	if (!err)
		err = lnkfs_journal_open(sbi);
	if (err)
		goto fail;
	lnkfs_apply_options(sbi, mo);
	err = lnkfs_super_replayed(sbi);
	if (!err && sbi->journal)
		err = lnkfs_fast_replay(sbi);
	if (err)
		goto fail_journal;
	err = lnkfs_load_groups(sbi);
	if (err)
		goto fail_mount;
	root = lnkfs_iget(sb, sbi->fs.root_ino, 0);
	if (IS_ERR(root)) {
		err = PTR_ERR(root);
		pr_err("lnkfs (%s): cannot read the root directory (%d)\n", sb->s_id, err);
		if (err == -ESTALE)
			err = -EFSCORRUPTED;
		goto fail_mount;
	}
	if (!S_ISDIR(root->i_mode)) {
		pr_err("lnkfs (%s): the root is not a directory\n", sb->s_id);
		iput(root);
		err = -EFSCORRUPTED;
		goto fail_mount;
	}
	sb->s_root = d_make_root(root);
	if (!sb->s_root) {
		err = -ENOMEM;
		goto fail_mount;
	}
	set_bit(LNKFS_SB_MOUNTED, &sbi->state);
	if (!sb_rdonly(sb)) {
		/* From here on ->put_super undoes everything. */
		err = lnkfs_start_writing(sb);
		if (err)
			return err;
	}
	/* What has been seen before that was for nobody to write. */
	if (sbi->error_new)
		schedule_work(&sbi->error_work);
	return lnkfs_sysfs_add(sbi);

fail_mount:
	evict_inodes(sb);
	cancel_delayed_work_sync(&sbi->orphan_work);
	/* Nothing is left to be replayed, or this writes nothing. */
	if (sbi->error_new)
		lnkfs_super_update(sbi, false);
fail_journal:
	lnkfs_journal_close(sbi);
	lnkfs_discard_stop(sbi);
fail:
	cancel_work_sync(&sbi->error_work);
	lnkfs_release_sbi(sbi);
	return err;
}

static int lnkfs_remount_rw(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);

	if (sbi->opts & LNKFS_OPT_NORECOVERY) {
		pr_err("lnkfs (%s): mounted with norecovery: unmount it first\n", sb->s_id);
		return -EROFS;
	}
	if (!sbi->journal || is_journal_aborted(sbi->journal)) {
		pr_err("lnkfs (%s): there is no working journal: unmount it first\n",
		       sb->s_id);
		return -EROFS;
	}
	if (le32_to_cpu(sbi->super->s_feature_ro_compat) & ~LNKFS_RO_COMPAT_SUPP) {
		pr_err("lnkfs (%s): unknown features allow only a read-only mount\n",
		       sb->s_id);
		return -EROFS;
	}
	return 0;
}

/* fsconfig(2) need not name ro or rw: then it stays as it is. */
static bool lnkfs_will_be_ro(const struct fs_context *fc)
{
	return fc->sb_flags_mask & SB_RDONLY ? fc->sb_flags & SB_RDONLY :
					       sb_rdonly(fc->root->d_sb);
}

/**
 * lnkfs_reconfigure() - mount -o remount
 * @fc: context with the new options
 */
int lnkfs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	struct lnkfs_mount_opts *mo = fc->fs_private;
	bool ro = lnkfs_will_be_ro(fc);
	int err;

	/* remount by mount(2) would clear it: NFS's change attribute would stand still */
	fc->sb_flags |= SB_I_VERSION;
	lnkfs_keep_options(sb, mo);
	if ((mo->opts ^ sbi->opts) & LNKFS_OPT_NORECOVERY) {
		pr_err("lnkfs (%s): norecovery cannot be changed by a remount\n", sb->s_id);
		return -EINVAL;
	}
	if ((mo->opts ^ sbi->opts) & LNKFS_OPT_SYMPERM) {
		pr_err("lnkfs (%s): symperm cannot be changed by a remount\n", sb->s_id);
		return -EINVAL;
	}
	if (mo->journal_devnum != sbi->journal_devnum) {
		pr_err("lnkfs (%s): the journal device cannot be changed by a remount\n",
		       sb->s_id);
		return -EINVAL;
	}
	/* In an emergency the VFS goes ahead whatever the answer, but an error has it warn. */
	if (lnkfs_stopped(sb))
		return fc->sb_flags & SB_FORCE ? 0 : -EIO;
	err = lnkfs_check_quota_opts(sb, mo->opts);
	if (err)
		return err;
	if (test_bit(LNKFS_SB_DEAD, &sbi->state)) {
		if (ro)
			return 0;
		pr_err("lnkfs (%s): read-only after an error: unmount it first\n", sb->s_id);
		return -EROFS;
	}
	err = lnkfs_discard_start(sbi, mo);
	if (err)
		return err;
	if (!sb_rdonly(sb) && ro) {
		err = sync_filesystem(sb);
		if (!err)
			err = lnkfs_quota_suspend(sb);
		if (err)
			return err;
		cancel_delayed_work_sync(&sbi->orphan_work);
		lnkfs_orphan_flush(sbi);
		jbd2_journal_lock_updates(sbi->journal);
		err = jbd2_journal_flush(sbi->journal, 0);
		jbd2_journal_unlock_updates(sbi->journal);
		lnkfs_fast_quiesce(sbi);
		if (err) {
			/* It stays writable, as far as the journal goes. */
			lnkfs_quota_on(sb);
			return err;
		}
		lnkfs_super_update(sbi, true);
		lnkfs_forget_device(sb);
	}
	if (sb_rdonly(sb) && !ro) {
		err = lnkfs_remount_rw(sb);
		if (err)
			return err;
		sb->s_flags &= ~SB_RDONLY;
		err = lnkfs_start_writing(sb);
		if (err) {
			sb->s_flags |= SB_RDONLY;
			return err;
		}
	}
	if (!ro) {
		err = lnkfs_quota_options(sb, mo->opts);
		if (err)
			return err;
	}
	lnkfs_apply_options(sbi, mo);
	return 0;
}

/*
 * The journal's device is given back after the volume's: the block layer takes
 * s_umount, which is held until then, with the devices' locks held.
 */
static void lnkfs_kill_sb(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);

	kill_block_super(sb);
	if (!sbi)
		return;
	if (sbi->journal_bdev)
		lnkfs_journal_dev_close(sbi->journal_bdev);
	/* s_fs_info stays: RCU path walk may be in lnkfs_get_link(). */
	kfree_rcu(sbi, rcu);
}

static struct file_system_type lnkfs_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "lnkfs",
	.init_fs_context	= lnkfs_init_fs_context,
	.parameters		= lnkfs_parameters,
	.kill_sb		= lnkfs_kill_sb,
	.fs_flags		= FS_REQUIRES_DEV | FS_ALLOW_IDMAP,
};
MODULE_ALIAS_FS("lnkfs");

static int __init lnkfs_init(void)
{
	int err;

	lnkfs_inode_cachep = kmem_cache_create("lnkfs_inode", sizeof(struct lnkfs_inode_info),
					       0, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					       lnkfs_inode_init_once);
	if (!lnkfs_inode_cachep)
		return -ENOMEM;
	err = lnkfs_da_init();
	if (err)
		goto fail_cache;
	err = lnkfs_sysfs_init();
	if (err)
		goto fail_da;
	err = register_filesystem(&lnkfs_fs_type);
	if (err)
		goto fail_sysfs;
	return 0;

fail_sysfs:
	lnkfs_sysfs_exit();
fail_da:
	lnkfs_da_exit();
fail_cache:
	kmem_cache_destroy(lnkfs_inode_cachep);
	return err;
}

static void __exit lnkfs_exit(void)
{
	unregister_filesystem(&lnkfs_fs_type);
	/* ->free_inode runs after a grace period. */
	rcu_barrier();
	lnkfs_sysfs_exit();
	lnkfs_da_exit();
	kmem_cache_destroy(lnkfs_inode_cachep);
}

module_init(lnkfs_init);
module_exit(lnkfs_exit);

MODULE_DESCRIPTION("lnkfs: a journaled filesystem for people with links");
MODULE_LICENSE("GPL");
MODULE_VERSION(LNKFS_VERSION);
MODULE_SOFTDEP("pre: crc32c");
