// SPDX-License-Identifier: GPL-2.0
/*
 * fallocate(): space ahead of its data, holes, and ranges that come or go
 * within a file.
 *
 * All of it runs under inode_lock and invalidate_lock, with no direct I/O in
 * flight. What works on blocks that may hold data first writes the data and
 * drops the page cache over them, so that no dirty folio, no delayed allocation
 * and no unfinished write refers to what changes; new folios have to wait for
 * invalidate_lock.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/sched/mm.h>
#include "internal.h"

/* Tree nodes that one handle of a shift changes at most. */
#define LNKFS_SHIFT_NODES	64
/* Extents that it frees at most, and the credits that it has for them. */
#define LNKFS_SHIFT_EXTENTS	32
#define LNKFS_SHIFT_CREDITS	128

/**
 * struct lnkfs_falloc - one call
 * @inode: regular file
 * @mode: FALLOC_FL_*
 * @offset: first byte
 * @end: end of the range, exclusive
 * @newsize: size that the file is to have, or 0: that it has
 */
struct lnkfs_falloc {
	struct inode *inode;
	int mode;
	loff_t offset;
	loff_t end;
	loff_t newsize;
};

/* Write the data of a range and drop the page cache over it, in whole pages. */
static int lnkfs_flush_unmap(struct inode *inode, loff_t offset, loff_t end)
{
	loff_t start = round_down(offset, PAGE_SIZE);
	loff_t last = round_up(end, PAGE_SIZE) - 1;
	int err;

	err = filemap_write_and_wait_range(inode->i_mapping, start, last);
	if (!err)
		truncate_pagecache_range(inode, start, last);
	return err;
}

/* The same from an offset to the end of all. */
static int lnkfs_flush_unmap_tail(struct inode *inode, loff_t offset)
{
	int err = lnkfs_flush_unmap(inode, offset, round_down(LLONG_MAX, PAGE_SIZE));

	if (!err)
		lnkfs_da_punch(inode, offset >> inode->i_blkbits, LNKFS_MAX_LBLK);
	return err;
}

/* Zero a part of a block, as far as the file reaches. */
static int lnkfs_zero_part(struct inode *inode, loff_t from, loff_t to)
{
	to = min(to, i_size_read(inode));
	if (from >= to)
		return 0;
	return iomap_zero_range(inode, from, to - from, NULL, &lnkfs_write_iomap_ops);
}

/* Zero what a range has of blocks that are not all in it; see lnkfs_flush_unmap(). */
static int lnkfs_zero_edges(struct inode *inode, loff_t offset, loff_t end)
{
	const loff_t bsize = i_blocksize(inode);
	loff_t head = round_up(offset, bsize);
	loff_t tail = round_down(end, bsize);
	int err;

	if (head > tail)
		return lnkfs_zero_part(inode, offset, end);
	err = lnkfs_zero_part(inode, offset, head);
	return err ? err : lnkfs_zero_part(inode, tail, end);
}

/* How many blocks of a range have neither a block nor the promise of one? */
static int lnkfs_count_holes(struct inode *inode, u64 from, u64 to, u64 *holes)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	u64 end;
	int err;

	*holes = 0;
	while (from < to) {
		down_read(&li->ext_lock);
		err = lnkfs_map_lookup(inode, from, &ext);
		up_read(&li->ext_lock);
		if (err)
			return err;
		end = min(ext.lblk + ext.len, to);
		if (ext.flags & LNKFS_EXT_HOLE)
			*holes += end - from;
		from = end;
		cond_resched();
	}
	return 0;
}

/* Say that there is no space before any of it has been taken. */
static int lnkfs_check_space(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);
	int err, tries = 0;
	u64 holes;

	err = lnkfs_count_holes(inode, from, to, &holes);
	if (err || !holes)
		return err;
	do {
		err = lnkfs_space_reserve(sbi, holes);
		if (!err)
			lnkfs_space_unreserve(sbi, holes);
	} while (lnkfs_retry_alloc(inode->i_sb, err, &tries));
	return err;
}

/* Give blocks to the holes of [*pos, to); *pos follows what has been done. */
static int lnkfs_fill_holes(struct inode *inode, u64 *pos, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	int err;
	u64 seq;

	while (*pos < to) {
		down_read(&li->ext_lock);
		err = lnkfs_map_lookup(inode, *pos, &ext);
		up_read(&li->ext_lock);
		if (!err && (ext.flags & (LNKFS_EXT_HOLE | LNKFS_EXT_DELAYED)))
			err = lnkfs_alloc_blocks(inode, *pos, to - *pos, &ext, &seq);
		if (err)
			return err;
		*pos = ext.lblk + ext.len;
		if (*pos < to && fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * Allocate the whole range. Where that ends early, what has been allocated
 * stays, and the size says so.
 */
static int lnkfs_allocate(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	u64 pos = fa->offset >> inode->i_blkbits;
	u64 to = lnkfs_size_blocks(inode, fa->end);
	loff_t size;
	int err, err2;

	err = lnkfs_fill_holes(inode, &pos, to);
	if (!fa->newsize)
		return err;
	size = err ? min_t(loff_t, pos << inode->i_blkbits, fa->newsize) : fa->newsize;
	if (size <= i_size_read(inode))
		return err;
	err2 = lnkfs_extend(inode, size);
	return err ? err : err2;
}

static int lnkfs_do_allocate(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	int err;

	err = lnkfs_check_space(inode, fa->offset >> inode->i_blkbits,
				lnkfs_size_blocks(inode, fa->end));
	return err ? err : lnkfs_allocate(fa);
}

/* The written blocks of a range become unwritten. */
static int lnkfs_unwrite_blocks(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int err = 0, err2, tries = 0;
	struct lnkfs_ext ext;
	handle_t *handle;
	u64 done;

	while (!err && from < to) {
		down_read(&li->ext_lock);
		err = lnkfs_map_lookup(inode, from, &ext);
		up_read(&li->ext_lock);
		if (err)
			break;
		if (ext.flags) {
			from = ext.lblk + ext.len;
			continue;
		}
		handle = lnkfs_begin_map(inode, lnkfs_ext_convert_credits,
					 LNKFS_CREDITS_STORE);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		err = lnkfs_ext_unwrite(handle, LNKFS_FS(inode), &li->ci, from, to - from,
					&done);
		atomic64_inc(&li->data_seq);
		from += done;
		err2 = lnkfs_end_map(handle, inode);
		if (err2)
			return err ? err : err2;
		if (lnkfs_retry_alloc(inode->i_sb, err, &tries))
			err = 0;
		if (!err && from < to && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/*
 * Zero a range: whole blocks become unwritten where they are, so that this
 * needs no more space than allocating the range would. What it does need comes
 * first: where there is not enough, of quota or of space, no data are lost.
 */
static int lnkfs_do_zero(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	const loff_t bsize = i_blocksize(inode);
	u64 from = round_up(fa->offset, bsize) >> inode->i_blkbits;
	u64 to = fa->end >> inode->i_blkbits;
	u64 pos = fa->offset >> inode->i_blkbits;
	u64 end = lnkfs_size_blocks(inode, fa->end);
	int err;

	err = lnkfs_check_space(inode, pos, end);
	if (!err)
		err = lnkfs_fill_holes(inode, &pos, end);
	if (!err)
		err = lnkfs_flush_unmap(inode, fa->offset, fa->end);
	if (!err)
		err = lnkfs_zero_edges(inode, fa->offset, fa->end);
	if (!err && from < to)
		err = lnkfs_unwrite_blocks(inode, from, to);
	return err || !fa->newsize ? err : lnkfs_extend(inode, fa->newsize);
}

/* A hole, also past the end of the file. */
static int lnkfs_do_punch(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	const loff_t bsize = i_blocksize(inode);
	loff_t size = i_size_read(inode);
	loff_t end = fa->end;
	u64 from, to;
	int err;

	/* The last block of the file has nothing but zeroes past its end. */
	if (end >= size)
		end = max(end, round_up(size, bsize));
	err = lnkfs_flush_unmap(inode, fa->offset, end);
	if (!err)
		err = lnkfs_zero_edges(inode, fa->offset, end);
	from = round_up(fa->offset, bsize) >> inode->i_blkbits;
	to = end >> inode->i_blkbits;
	if (err || from >= to)
		return err;
	lnkfs_da_punch(inode, from, to);
	return lnkfs_remove_blocks(inode, from, to);
}

/* How many extents a handle of a shift may free; ext_lock held. */
static u32 lnkfs_shift_budget(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u32 budget = LNKFS_SHIFT_EXTENTS;

	while (budget > 1 && lnkfs_ext_remove_credits(fs, ci, budget) > LNKFS_SHIFT_CREDITS)
		budget /= 2;
	return budget;
}

static u32 lnkfs_shift_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 budget)
{
	u32 collapse = lnkfs_ext_remove_credits(fs, ci, budget) + lnkfs_ext_merge_credits(fs, ci);
	u32 insert = lnkfs_ext_split_credits(fs, ci) + lnkfs_ext_merge_credits(fs, ci);

	return max(collapse, insert) + LNKFS_SHIFT_NODES + LNKFS_CREDITS_STORE;
}

/* Start a handle of a shift and take ext_lock for write. */
static handle_t *lnkfs_begin_shift(struct inode *inode, u32 *budget)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u32 credits, revokes;
	handle_t *handle;

	for (;;) {
		down_read(&li->ext_lock);
		*budget = lnkfs_shift_budget(fs, &li->ci);
		credits = lnkfs_shift_credits(fs, &li->ci, *budget);
		revokes = lnkfs_ext_revokes(fs, &li->ci, *budget + 1);
		up_read(&li->ext_lock);
		handle = lnkfs_begin_inode(inode, credits, revokes);
		if (IS_ERR(handle))
			return handle;
		down_write(&li->ext_lock);
		if (lnkfs_shift_credits(fs, &li->ci, *budget) <= credits)
			return handle;
		up_write(&li->ext_lock);
		lnkfs_end(handle);
	}
}

/* The size changes with the map, in one handle. */
static void lnkfs_set_both_sizes(struct inode *inode, loff_t size)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	i_size_write(inode, size);
	spin_lock(&li->raw_lock);
	li->ci.size = size;
	spin_unlock(&li->raw_lock);
}

/*
 * One handle of a collapse: free what the range still holds, then move what
 * follows it to the left. When all of it has moved the file is shorter.
 */
static int lnkfs_collapse_step(handle_t *handle, const struct lnkfs_falloc *fa,
			       struct lnkfs_shift *shift, u32 budget)
{
	struct inode *inode = fa->inode;
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u64 start = fa->offset >> inode->i_blkbits;
	int ret = 0;

	if (shift->from == start + shift->dist)
		ret = lnkfs_ext_remove(handle, fs, ci, start, shift->from, budget);
	if (!ret)
		ret = lnkfs_ext_shift(handle, fs, ci, shift, LNKFS_SHIFT_NODES);
	if (ret)
		return ret;
	lnkfs_set_both_sizes(inode, fa->newsize);
	/* It is done: whoever is told that it failed may do it again. */
	lnkfs_ext_merge(handle, fs, ci, start);
	return 0;
}

/*
 * One handle of an insertion: move the end of the file to the right. The first
 * one makes the file longer, so that no data ever stand past its end.
 */
static int lnkfs_insert_step(handle_t *handle, const struct lnkfs_falloc *fa,
			     struct lnkfs_shift *shift)
{
	struct inode *inode = fa->inode;
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	bool first = i_size_read(inode) != fa->newsize;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	int ret = 0;

	if (first)
		ret = lnkfs_ext_split(handle, fs, ci, shift->from);
	if (ret)
		return ret;
	ret = lnkfs_ext_shift(handle, fs, ci, shift, LNKFS_SHIFT_NODES);
	if (ret < 0 && first)
		lnkfs_ext_merge(handle, fs, ci, shift->from);
	else if (first)
		lnkfs_set_both_sizes(inode, fa->newsize);
	return ret;
}

/* One handle of either. Return: 1 when there is more to do, 0, an error. */
static int lnkfs_shift_step(const struct lnkfs_falloc *fa, struct lnkfs_shift *shift)
{
	struct inode *inode = fa->inode;
	handle_t *handle;
	int ret, err;
	u32 budget;

	handle = lnkfs_begin_shift(inode, &budget);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (shift->right)
		ret = lnkfs_insert_step(handle, fa, shift);
	else
		ret = lnkfs_collapse_step(handle, fa, shift, budget);
	atomic64_inc(&LNKFS_I(inode)->data_seq);
	err = lnkfs_end_map(handle, inode);
	return ret < 0 || !err ? ret : err;
}

/*
 * Move all that follows. One handle does it, and a crash leaves the file as it
 * was or as it is to be, unless the map is so large that it takes several: then
 * a part of the range to be collapsed may be a hole, or the hole may be found
 * anywhere on its way through the file. Half-way a lack of memory is waited for.
 */
static int lnkfs_shift_blocks(const struct lnkfs_falloc *fa, struct lnkfs_shift *shift)
{
	int ret, tries = 0;
	bool begun = false;

	for (;;) {
		ret = lnkfs_shift_step(fa, shift);
		if (ret > 0)
			begun = true;
		else if (ret == -ENOMEM && begun && !fatal_signal_pending(current))
			memalloc_retry_wait(GFP_NOFS);
		else if (!lnkfs_retry_alloc(fa->inode->i_sb, ret, &tries))
			return ret;
		cond_resched();
	}
}

static int lnkfs_do_collapse(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	struct lnkfs_shift shift = {
		.from	= fa->end >> inode->i_blkbits,
		.to	= LNKFS_MAX_LBLK,
		.dist	= (fa->end - fa->offset) >> inode->i_blkbits,
	};
	int err;

	err = lnkfs_flush_unmap_tail(inode, fa->offset);
	return err ? err : lnkfs_shift_blocks(fa, &shift);
}

static int lnkfs_do_insert(const struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	u64 dist = (fa->end - fa->offset) >> inode->i_blkbits;
	struct lnkfs_shift shift = {
		.from	= fa->offset >> inode->i_blkbits,
		.to	= lnkfs_size_blocks(inode, inode->i_sb->s_maxbytes) - dist,
		.dist	= dist,
		.right	= true,
	};
	int err;

	/* Preallocated blocks may stand far past the end. */
	err = lnkfs_mapped_beyond(inode, shift.to);
	if (err)
		return err < 0 ? err : -EINVAL;
	err = lnkfs_flush_unmap_tail(inode, fa->offset);
	return err ? err : lnkfs_shift_blocks(fa, &shift);
}

/* Refuse, in ext4's order, what cannot be done; find out the new size. */
static int lnkfs_falloc_prepare(struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	loff_t size = i_size_read(inode);
	loff_t len = fa->end - fa->offset;

	fa->newsize = 0;
	if ((fa->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) &&
	    ((fa->offset | len) & (i_blocksize(inode) - 1)))
		return -EINVAL;
	if (fa->mode & FALLOC_FL_COLLAPSE_RANGE) {
		if (fa->end >= size)
			return -EINVAL;
		fa->newsize = size - len;
		return 0;
	}
	if (fa->mode & FALLOC_FL_INSERT_RANGE) {
		if (len > inode->i_sb->s_maxbytes - size)
			return -EFBIG;
		if (fa->offset >= size)
			return -EINVAL;
		fa->newsize = size + len;
	} else if (!(fa->mode & FALLOC_FL_KEEP_SIZE) && fa->end > size) {
		fa->newsize = fa->end;
	}
	return fa->newsize ? inode_newsize_ok(inode, fa->newsize) : 0;
}

static int lnkfs_falloc_run(const struct lnkfs_falloc *fa)
{
	if (fa->mode & FALLOC_FL_PUNCH_HOLE)
		return lnkfs_do_punch(fa);
	if (fa->mode & FALLOC_FL_ZERO_RANGE)
		return lnkfs_do_zero(fa);
	if (fa->mode & FALLOC_FL_COLLAPSE_RANGE)
		return lnkfs_do_collapse(fa);
	if (fa->mode & FALLOC_FL_INSERT_RANGE)
		return lnkfs_do_insert(fa);
	/* Nothing is shared: to unshare a range is to allocate it. */
	return lnkfs_do_allocate(fa);
}

/*
 * The record changes, whatever becomes of the extents: parts of blocks are zeroed as
 * data, and a range that is allocated already stays as it is. fdatasync() has to wait
 * for that, and so for all that came before it (FDATASYNC, crash-guarantees.rst).
 */
static int lnkfs_falloc_store(struct inode *inode)
{
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	err = lnkfs_store(handle, inode);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

static int lnkfs_falloc_try(struct file *file, struct lnkfs_falloc *fa)
{
	struct inode *inode = fa->inode;
	int err;

	inode_lock(inode);
	/* The VFS has looked, but without the lock. */
	err = -EPERM;
	if (IS_IMMUTABLE(inode) || (IS_APPEND(inode) && (fa->mode & ~FALLOC_FL_KEEP_SIZE)))
		goto out;
	err = -ETXTBSY;
	if (IS_SWAPFILE(inode))
		goto out;
	err = lnkfs_falloc_prepare(fa);
	if (err)
		goto out;
	inode_dio_wait(inode);
	err = file_modified(file);
	if (!err)
		err = lnkfs_falloc_store(inode);
	if (err)
		goto out;
	filemap_invalidate_lock(inode->i_mapping);
	err = lnkfs_finish_truncate(inode);
	if (!err)
		err = lnkfs_falloc_run(fa);
	filemap_invalidate_unlock(inode->i_mapping);
out:
	inode_unlock(inode);
	return err;
}

/**
 * lnkfs_fallocate() - fallocate(2) on a regular file (file_operations)
 * @file: open for writing
 * @mode: FALLOC_FL_*, in a combination that the VFS lets pass
 * @offset: first byte
 * @len: bytes, not 0; the range ends within s_maxbytes
 *
 * Return: 0, -EOPNOTSUPP, -EINVAL, -EFBIG, -EPERM, -ETXTBSY, -ENOSPC, -EINTR,
 * -EROFS, -EIO, -EFSCORRUPTED, -EFSBADCRC, -ENOMEM.
 */
long lnkfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct lnkfs_falloc fa = {
		.inode	= file_inode(file),
		.mode	= mode,
		.offset	= offset,
		.end	= offset + len,
	};
	int err;

	if (lnkfs_is_shutdown(fa.inode->i_sb))
		return -EIO;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
		     FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
		return -EOPNOTSUPP;
	err = lnkfs_falloc_try(file, &fa);
	if (err == -ENOSPC) {
		lnkfs_make_room(fa.inode->i_sb);
		err = lnkfs_falloc_try(file, &fa);
	}
	if (err || !((file->f_flags & O_DSYNC) || IS_SYNC(fa.inode)))
		return err;
	return vfs_fsync_range(file, offset, fa.end - 1, !(file->f_flags & __O_SYNC));
}
