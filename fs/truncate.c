// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the size of regular files, and freeing their blocks.
 *
 * Blocks past the end are legal as long as they are unwritten: fallocate()
 * leaves them there. They stay when the file grows, closed or not, and go when
 * it is truncated, even to the size it has.
 *
 * The size on disk shrinks in the handle that frees the first blocks. When
 * there are more than fit, the record is marked TRUNCATING and counted as an
 * orphan in the same handle, so that recovery finishes the job.
 */
#include "internal.h"
#include "trace.h"

/* Credits of one handle that frees blocks: about so many at most. */
#define LNKFS_TRUNCATE_CREDITS	128
#define LNKFS_TRUNCATE_BUDGET	64

/* How many extents a handle may free; ext_lock held. */
static u32 lnkfs_truncate_budget(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u32 budget = LNKFS_TRUNCATE_BUDGET;

	while (budget > 1 && lnkfs_ext_remove_credits(LNKFS_FS(inode), &li->ci, budget) >
	       LNKFS_TRUNCATE_CREDITS)
		budget /= 2;
	return budget;
}

/* Start a handle that frees blocks and take ext_lock for write. */
static handle_t *lnkfs_begin_truncate(struct inode *inode, u32 *budget)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u32 credits, revokes;
	handle_t *handle;
	int err;

	err = dquot_initialize(inode);
	if (err)
		return ERR_PTR(err);
	for (;;) {
		down_read(&li->ext_lock);
		*budget = lnkfs_truncate_budget(inode);
		credits = lnkfs_ext_remove_credits(fs, &li->ci, *budget);
		revokes = lnkfs_ext_revokes(fs, &li->ci, *budget);
		up_read(&li->ext_lock);
		handle = lnkfs_begin_inode(inode, credits + LNKFS_CREDITS_ORPHAN +
					   LNKFS_CREDITS_STORE, revokes);
		if (IS_ERR(handle))
			return handle;
		down_write(&li->ext_lock);
		if (lnkfs_ext_remove_credits(fs, &li->ci, *budget) <= credits)
			return handle;
		up_write(&li->ext_lock);
		lnkfs_end(handle);
	}
}

static void lnkfs_set_truncating(struct lnkfs_inode_info *li, bool on)
{
	spin_lock(&li->raw_lock);
	if (on)
		li->ci.lflags |= LNKFS_LF_TRUNCATING;
	else
		li->ci.lflags &= ~LNKFS_LF_TRUNCATING;
	spin_unlock(&li->raw_lock);
}

/*
 * Free up to @budget extents from @from on. The inode is TRUNCATING and an
 * orphan when it goes on (1), and neither any more when it is done (0).
 */
static int lnkfs_truncate_step(handle_t *handle, struct inode *inode, u64 from, u32 budget)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int ret, err;

	ret = lnkfs_ext_remove(handle, LNKFS_FS(inode), &li->ci, from, LNKFS_MAX_LBLK,
			       budget);
	atomic64_inc(&li->data_seq);
	lnkfs_set_truncating(li, ret != 0);
	if (ret) {
		/* Without the bit a crash leaves blocks past the end: harmless. */
		err = lnkfs_orphan_inode(handle, inode);
		if (err && ret > 0)
			ret = err;
	}
	err = lnkfs_store(handle, inode);
	if (err)
		return err;
	if (!ret && inode->i_nlink)
		lnkfs_unorphan_inode(inode);
	return ret;
}

/**
 * lnkfs_mapped_beyond() - is anything mapped from a logical block on?
 * @inode: regular file
 * @from: logical block, below LNKFS_MAX_LBLK
 *
 * Return: 1, 0, or an error of lnkfs_ext_lookup().
 */
int lnkfs_mapped_beyond(struct inode *inode, u64 from)
{
	struct lnkfs_ext ext;
	int err;

	err = lnkfs_extent_at(inode, from, &ext);
	if (err)
		return err;
	return !(ext.flags & LNKFS_EXT_HOLE) || ext.lblk + ext.len < LNKFS_MAX_LBLK;
}

/**
 * lnkfs_truncate_blocks() - free the blocks past the end of a regular file
 * @inode: regular file; with links, its size on disk is @size already
 * @size: bytes to keep
 *
 * Finishes a truncate that was marked TRUNCATING. An inode without links stays
 * an orphan.
 *
 * Context: not in a handle; the page cache holds nothing past @size, and
 * inode_lock is held or nobody else uses the inode.
 * Return: 0 or an error of the core or the journal; the inode is TRUNCATING
 * then.
 */
int lnkfs_truncate_blocks(struct inode *inode, loff_t size)
{
	u64 from = lnkfs_size_blocks(inode, size);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	handle_t *handle;
	u32 budget;
	int ret, err;

	if (!(li->ci.lflags & LNKFS_LF_TRUNCATING)) {
		ret = lnkfs_mapped_beyond(inode, from);
		if (ret <= 0)
			return ret;
	}
	do {
		handle = lnkfs_begin_truncate(inode, &budget);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		ret = lnkfs_truncate_step(handle, inode, from, budget);
		up_write(&li->ext_lock);
		err = lnkfs_end(handle);
		cond_resched();
	} while (ret > 0 && !err);
	return ret < 0 ? ret : err;
}

/**
 * lnkfs_remove_blocks() - free the blocks of a range: it becomes a hole
 * @inode: regular file
 * @from: first logical block
 * @to: end of the range, exclusive
 *
 * In as many handles as it takes, from the end of the range back. A hole amid
 * an extent makes one more of it, so that space may be wanted.
 *
 * Context: not in a handle; inode_lock and invalidate_lock held for write, no
 * page cache, delayed allocation or I/O in the range.
 * Return: 0, -EINTR, -ENOSPC, -EROFS, -EIO, -EFSCORRUPTED, -EFSBADCRC, -ENOMEM;
 * the front of the range may still be there then.
 */
int lnkfs_remove_blocks(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int ret, err, tries = 0;
	handle_t *handle;
	u32 budget;

	do {
		handle = lnkfs_begin_truncate(inode, &budget);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		ret = lnkfs_ext_remove(handle, LNKFS_FS(inode), &li->ci, from, to, budget);
		atomic64_inc(&li->data_seq);
		err = lnkfs_end_map(handle, inode);
		if (ret > 0 && fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (!err && (ret > 0 || lnkfs_retry_alloc(inode->i_sb, ret, &tries)));
	return ret < 0 ? ret : err;
}

/**
 * lnkfs_finish_truncate() - take up a truncate that an error cut short
 * @inode: regular file
 *
 * To be called before anything makes the file grow: blocks past its end still
 * hold old data.
 *
 * Context: inode_lock and invalidate_lock held for write, not in a handle.
 * Return: 0 or an error of lnkfs_truncate_blocks().
 */
int lnkfs_finish_truncate(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t size = i_size_read(inode);

	if (likely(!(li->ci.lflags & LNKFS_LF_TRUNCATING)))
		return 0;
	spin_lock(&li->raw_lock);
	li->ci.size = min_t(u64, li->ci.size, size);
	spin_unlock(&li->raw_lock);
	return lnkfs_truncate_blocks(inode, size);
}

/*
 * The size on disk becomes @size, smaller or not; free what is past it. @written: that
 * relies on data just written.
 */
static int lnkfs_cut_disk_size(struct inode *inode, loff_t size, bool written)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u64 from = lnkfs_size_blocks(inode, size);
	handle_t *handle;
	u32 budget;
	int ret, err;

	handle = lnkfs_begin_truncate(inode, &budget);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (written)
		lnkfs_note_data(handle);
	spin_lock(&li->raw_lock);
	li->ci.size = size;
	spin_unlock(&li->raw_lock);
	ret = lnkfs_truncate_step(handle, inode, from, budget);
	up_write(&li->ext_lock);
	err = lnkfs_end(handle);
	if (ret < 0 || err)
		return ret < 0 ? ret : err;
	return ret ? lnkfs_truncate_blocks(inode, size) : 0;
}

/*
 * The size on disk becomes @size; what is mapped up to there is unwritten. @written: that
 * relies on zeroes just written.
 */
static int lnkfs_set_disk_size(struct inode *inode, loff_t size, bool written)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (written)
		lnkfs_note_data(handle);
	spin_lock(&li->raw_lock);
	li->ci.size = size;
	spin_unlock(&li->raw_lock);
	err = lnkfs_store(handle, inode);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

/* Is the block that holds a byte written on the disk? */
static int lnkfs_byte_written(struct inode *inode, loff_t pos)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	int err;

	down_read(&li->ext_lock);
	err = lnkfs_map_lookup(inode, pos >> inode->i_blkbits, &ext);
	up_read(&li->ext_lock);
	return err ? err : !ext.flags;
}

/*
 * Zero from @pos to the end of its block, in the page cache: what is in the file, for
 * older kernels take zeroing past the end for a write that extends the file. Writeback
 * zeroes the rest.
 */
static int lnkfs_zero_block_tail(struct inode *inode, loff_t pos, bool *did_zero)
{
	loff_t len = min_t(loff_t, round_up(pos, i_blocksize(inode)), i_size_read(inode)) - pos;
	int err = iomap_zero_range(inode, pos, len, did_zero, &lnkfs_write_iomap_ops);

	if (err || *did_zero || !LNKFS_ZERO_SKIPS_DIRTY)
		return err;
	/* Data on their way to an unwritten block: let them arrive first. */
	err = filemap_write_and_wait_range(inode->i_mapping, pos, pos);
	if (err)
		return err;
	return iomap_zero_range(inode, pos, len, did_zero, &lnkfs_write_iomap_ops);
}

/*
 * The file is cut at @size within a block: what the block holds past it must
 * not come back when the file grows again, nor after a crash. @written is set when
 * zeroes went to the device for that.
 */
static int lnkfs_zero_tail(struct inode *inode, loff_t size, bool *written)
{
	bool did_zero = false;
	int ret;

	if (!(size & (i_blocksize(inode) - 1)))
		return 0;
	ret = lnkfs_zero_block_tail(inode, size, &did_zero);
	if (ret || !did_zero)
		return ret;
	/*
	 * From 6.13 on an unwritten block is zeroed in memory while what it held is on its
	 * way to the device: it becomes a written one with that.
	 */
	filemap_fdatawait_range_keep_errors(inode->i_mapping, size, size);
	ret = lnkfs_byte_written(inode, size);
	if (ret <= 0)
		return ret;
	/*
	 * Once more, and now it is done: 6.1 says that it has zeroed also when its mapping was
	 * out of date, and passes over the unwritten block that delayed allocation has become.
	 */
	if (LNKFS_ZERO_SKIPS_DIRTY)
		ret = lnkfs_zero_block_tail(inode, size, &did_zero);
	if (ret < 0)
		return ret;
	*written = true;
	return filemap_write_and_wait_range(inode->i_mapping, size - 1, size - 1);
}

/**
 * lnkfs_zero_eof() - what is past the end becomes part of the file
 * @inode: regular file
 * @to: new end of the hole that is about to appear after the present end
 * @zeroed: NULL, or set when the rest of the last block has become dirty, or may have
 *
 * A shared mapping may have left anything in memory past the end of the file,
 * up to the end of the page, and a write whose size was lost anything on the disk,
 * up to the end of the block; all of it reads as zeroes from now on.
 *
 * Context: inode_lock and invalidate_lock held for write, not in a handle.
 * Return: 0, -ENOMEM, -EIO, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_zero_eof(struct inode *inode, loff_t to, bool *zeroed)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t size = i_size_read(inode);
	loff_t end = min_t(loff_t, to, round_up(size, i_blocksize(inode)));
	bool believed;
	int err = 0;

	if (size & ~PAGE_MASK)
		truncate_pagecache(inode, size);
	if (size < end) {
		err = iomap_zero_range(inode, size, end - size, zeroed,
				       &lnkfs_write_iomap_ops);
		/* See lnkfs_zero_block_tail(); writeback may have believed it meanwhile. */
		if (i_size_read(inode) != size) {
			i_size_write(inode, size);
			spin_lock(&li->raw_lock);
			believed = li->ci.size > size;
			if (believed)
				li->ci.size = size;
			spin_unlock(&li->raw_lock);
			if (believed)
				mark_inode_dirty(inode);
		}
	}
	return err;
}

/**
 * lnkfs_extend() - let a regular file grow, with nothing new in it
 * @inode: the file, which is not TRUNCATING
 * @newsize: its new size, greater than it is
 *
 * Blocks past the old end stay; they are unwritten and read as zeroes.
 *
 * Context: inode_lock and invalidate_lock held for write, not in a handle.
 * Return: 0, -EROFS, -EIO, -ENOMEM, -ENOSPC, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_extend(struct inode *inode, loff_t newsize)
{
	loff_t oldsize = i_size_read(inode);
	bool zeroed = false;
	loff_t disk;
	int err;

	err = lnkfs_zero_eof(inode, newsize, &zeroed);
	if (err)
		return err;
	/*
	 * The size on disk must not pass data that are still to be written, nor what the last
	 * block has held past the end: the data of a write whose size did not become durable.
	 */
	disk = READ_ONCE(LNKFS_I(inode)->ci.size);
	if (disk < oldsize || zeroed) {
		err = filemap_write_and_wait_range(inode->i_mapping, min(disk, oldsize - 1),
						   oldsize - 1);
		if (err)
			return err;
	}
	truncate_setsize(inode, newsize);
	err = lnkfs_set_disk_size(inode, newsize, zeroed);
	if (err)
		i_size_write(inode, oldsize);
	return err;
}

/* Cut a file, or free what is past its end. */
static int lnkfs_shrink(struct inode *inode, loff_t newsize)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t oldsize = i_size_read(inode);
	bool written = false;
	int err;

	if (newsize == oldsize)
		return lnkfs_truncate_blocks(inode, newsize);
	err = lnkfs_zero_tail(inode, newsize, &written);
	if (err)
		return err;
	truncate_setsize(inode, newsize);
	lnkfs_da_punch(inode, lnkfs_size_blocks(inode, newsize), LNKFS_MAX_LBLK);
	li->flush_close = true;
	err = lnkfs_cut_disk_size(inode, newsize, written);
	if (err)
		lnkfs_set_truncating(li, true);
	return err;
}

/**
 * lnkfs_setsize() - truncate or extend a regular file
 * @inode: the file
 * @newsize: its new size; the size it has frees the blocks past its end
 *
 * An error after the page cache has been cut leaves the size in memory new and
 * the inode TRUNCATING: lnkfs_finish_truncate() will make up for it.
 *
 * Context: inode_lock held, not in a handle.
 * Return: 0, -EROFS, -EIO, -ENOMEM, -ENOSPC, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_setsize(struct inode *inode, loff_t newsize)
{
	int err;

	trace_lnkfs_truncate(inode, newsize);
	inode_dio_wait(inode);
	filemap_invalidate_lock(inode->i_mapping);
	err = lnkfs_finish_truncate(inode);
	if (!err)
		err = newsize > i_size_read(inode) ? lnkfs_extend(inode, newsize) :
		      lnkfs_shrink(inode, newsize);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}
