// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks for the data of regular files: choosing them, always unwritten, and
 * making them written when the data are on the disk.
 */
#include "internal.h"

/* Blocks allocated in one go at most: 32 MiB at 4 KiB. */
#define LNKFS_ALLOC_MAX		8192

/**
 * lnkfs_begin_map() - start a handle for a change of the extent map
 * @inode: regular file
 * @credits: tells the credits of the change
 * @extra: further credits, that for storing the inode among them
 *
 * Takes ext_lock for write. The map may grow before that, and with it the
 * credits it takes.
 *
 * Context: ext_lock not held.
 * Return: the handle, to be ended by lnkfs_end_map(); an error of
 * lnkfs_begin() with nothing locked.
 */
handle_t *lnkfs_begin_map(struct inode *inode, lnkfs_credits_fn credits, u32 extra)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u32 need, revokes;
	handle_t *handle;
	int err;

	err = dquot_initialize(inode);
	if (err)
		return ERR_PTR(err);
	for (;;) {
		down_read(&li->ext_lock);
		need = credits(fs, &li->ci);
		revokes = lnkfs_ext_revokes(fs, &li->ci, 0);
		up_read(&li->ext_lock);
		handle = lnkfs_begin_inode(inode, need + extra, revokes);
		if (IS_ERR(handle))
			return handle;
		down_write(&li->ext_lock);
		if (credits(fs, &li->ci) <= need)
			return handle;
		up_write(&li->ext_lock);
		lnkfs_end(handle);
	}
}

/**
 * lnkfs_end_map() - store the inode and end what lnkfs_begin_map() began
 * @handle: its handle
 * @inode: its inode; ext_lock is released
 *
 * Return: 0 or an error, after which the journal is aborted.
 */
int lnkfs_end_map(handle_t *handle, struct inode *inode)
{
	int err, err2;

	err = lnkfs_store(handle, inode);
	up_write(&LNKFS_I(inode)->ext_lock);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

/* Where the data of a hole at @lblk should go: after what is before it. */
static u64 lnkfs_data_goal(struct inode *inode, u64 lblk)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_ext prev;
	int i;

	for (i = 0; i < 2 && lblk; i++) {
		if (lnkfs_ext_lookup(fs, ci, lblk - 1, &prev))
			break;
		if (!(prev.flags & LNKFS_EXT_HOLE)) {
			if (prev.block + prev.len < lnkfs_blocks(fs))
				return prev.block + prev.len;
			break;
		}
		lblk = prev.lblk;
	}
	return lnkfs_ino_block(fs, ci->ino);
}

/* The least and the most that is kept behind the end of a growing file. */
#define LNKFS_WINDOW_MIN	(64 << 10)
#define LNKFS_WINDOW_MAX	(16 << 20)

/*
 * The window to allocate @want blocks at @lblk with: that of the inode if they
 * are its last ones. A file that somebody has open for writing will grow, and
 * by about as much as it has grown so far. Under ext_lock, held for write.
 */
static struct lnkfs_window *lnkfs_use_window(struct inode *inode, u64 lblk, u64 want)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t size = i_size_read(inode);

	if (lblk + want < lnkfs_size_blocks(inode, size))
		return NULL;
	if (!inode_is_open_for_write(inode)) {
		if (li->window)
			li->window->ahead = 0;
		return li->window;
	}
	if (!li->window)
		li->window = kzalloc(sizeof(*li->window), GFP_NOFS);
	if (li->window)
		li->window->ahead = clamp_t(loff_t, size, LNKFS_WINDOW_MIN,
					    LNKFS_WINDOW_MAX) >> inode->i_blkbits;
	return li->window;
}

/**
 * lnkfs_drop_window() - an inode needs no blocks kept for it any more
 * @inode: inode of any type
 *
 * Context: ext_lock not held; in a handle or not.
 */
void lnkfs_drop_window(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (likely(!READ_ONCE(li->window)))
		return;
	down_write(&li->ext_lock);
	if (li->window) {
		lnkfs_window_drop(LNKFS_FS(inode), li->window);
		kfree(li->window);
		li->window = NULL;
	}
	up_write(&li->ext_lock);
}

/* Allocate up to @want blocks for the hole at @lblk and map them unwritten. */
static int lnkfs_map_new(handle_t *handle, struct inode *inode, u64 lblk, u64 want,
			 unsigned int flags, struct lnkfs_ext *ext)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u64 charged = 0;
	u32 got;
	int err;

	want = min_t(u64, want, LNKFS_ALLOC_MAX);
	if (!(flags & LNKFS_BA_RESERVED)) {
		err = lnkfs_quota_reserve(inode, &want, true);
		if (err)
			return err;
		charged = want;
	}
	err = lnkfs_balloc_window(handle, fs, lnkfs_data_goal(inode, lblk), 1, want, flags,
				  lnkfs_use_window(inode, lblk, want), &ext->block, &got);
	if (err) {
		lnkfs_quota_unreserve(inode, charged);
		return err;
	}
	ext->lblk = lblk;
	ext->len = got;
	ext->flags = LNKFS_EXT_UNWRITTEN;
	/* A buffer left from when a block held metadata must not be written. */
	clean_bdev_aliases(inode->i_sb->s_bdev, ext->block, got);
	err = lnkfs_ext_insert(handle, fs, &li->ci, ext);
	if (err) {
		/* When even that fails the blocks are lost until fsck: reported. */
		lnkfs_bfree(handle, fs, ext->block, got);
		if (flags & LNKFS_BA_RESERVED)
			lnkfs_space_promise(LNKFS_SB(inode->i_sb), got);
		lnkfs_quota_unreserve(inode, charged);
		return err;
	}
	if (charged) {
		lnkfs_quota_allocated(inode, got);
		lnkfs_quota_unreserve(inode, charged - got);
	}
	atomic64_inc(&li->data_seq);
	return 0;
}

/*
 * One step towards blocks at @lblk, which @ext tells: what is mapped there,
 * what has been mapped before it, or a hole that nobody wants blocks for.
 */
static int lnkfs_alloc_step(handle_t *handle, struct inode *inode, u64 lblk, u64 len,
			    struct lnkfs_ext *ext)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_ext da;
	u64 start, end;
	int err;

	err = lnkfs_ext_lookup(fs, &li->ci, lblk, ext);
	if (err || !(ext->flags & LNKFS_EXT_HOLE))
		return err;
	if (!lnkfs_da_lookup(inode, lblk, &da)) {
		end = min(ext->lblk + ext->len, da.lblk + da.len);
		if (len)
			return lnkfs_map_new(handle, inode, lblk, min(len, end - lblk), 0, ext);
		ext->lblk = lblk;
		ext->len = end - lblk;
		return 0;
	}
	/* Of a write under way, leave alone what has not been copied yet. */
	end = lnkfs_size_blocks(inode, i_size_read(inode));
	end = min(da.lblk + da.len, max(end, lblk + 1));
	start = lblk - da.lblk < LNKFS_ALLOC_MAX ? da.lblk : lblk;
	err = lnkfs_map_new(handle, inode, start, end - start, LNKFS_BA_RESERVED, ext);
	if (!err)
		lnkfs_da_allocated(inode, ext->lblk, ext->lblk + ext->len);
	return err;
}

/**
 * lnkfs_alloc_blocks() - give a logical block its block
 * @inode: regular file
 * @lblk: logical block
 * @len: blocks wanted for a hole that no delayed allocation covers; 0 leaves
 *	it a hole
 * @ext: result: the extent at @lblk, or a hole
 * @seq: result: state of the map that @ext belongs to
 *
 * Blocks are mapped unwritten. A range of delayed allocation gets its blocks
 * from its start, as long as they are contiguous.
 *
 * Context: not in a handle, ext_lock not held; a folio may be locked.
 * Return: 0, -ENOSPC, -EDQUOT, -EROFS, -EIO, -EFSCORRUPTED, -EFSBADCRC, -ENOMEM.
 */
int lnkfs_alloc_blocks(struct inode *inode, u64 lblk, u64 len, struct lnkfs_ext *ext,
		       u64 *seq)
{
	handle_t *handle;
	int err, err2, tries = 0;

	for (;;) {
		handle = lnkfs_begin_map(inode, lnkfs_ext_insert_credits,
					 LNKFS_CREDITS_ALLOC + LNKFS_CREDITS_STORE);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		if (!len)
			handle->h_type = LNKFS_H_PROMISED;
		err = lnkfs_alloc_step(handle, inode, lblk, len, ext);
		*seq = atomic64_read(&LNKFS_I(inode)->data_seq);
		err2 = lnkfs_end_map(handle, inode);
		if (err2)
			return err ? err : err2;
		if (!err && ext->lblk <= lblk && lblk < ext->lblk + ext->len)
			return 0;
		if (err && !lnkfs_retry_alloc(inode->i_sb, err, &tries))
			return err;
	}
}

/*
 * Data are on the disk up to @end: the size on disk may say so, but for what is past @size,
 * that of the file a moment ago.
 */
static void lnkfs_grow_disk_size(struct inode *inode, loff_t end, loff_t size, bool extend)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t now;

	if (extend && end > i_size_read(inode))
		i_size_write(inode, end);
	end = min(end, size);
	/* Under the lock: see lnkfs_zero_eof(). Who cuts blocks off has still to say so. */
	spin_lock(&li->raw_lock);
	now = i_size_read(inode);
	if (now < end && lnkfs_size_blocks(inode, now) == lnkfs_size_blocks(inode, end))
		end = now;
	li->ci.size = max_t(u64, li->ci.size, end);
	spin_unlock(&li->raw_lock);
}

static u32 lnkfs_no_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	return 0;
}

/*
 * One handle's worth of lnkfs_finish_write(): from *@lblk to @end, which @pos_end is in. Blocks
 * past the end of the file stay unwritten, also when it has become smaller just now: a crash
 * may come before the size on disk has.
 */
static int lnkfs_finish_step(handle_t *handle, struct inode *inode, u64 *lblk, u64 end,
			     loff_t pos_end, unsigned int how)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	loff_t size = i_size_read(inode);
	u64 stop, done;
	int err;

	if (how & LNKFS_FIN_EXTEND)
		size = max(size, pos_end);
	stop = min(end, lnkfs_size_blocks(inode, max_t(u64, size, li->ci.size)));
	if (*lblk >= stop) {
		*lblk = end;
		return 0;
	}
	done = stop - *lblk;
	if (how & LNKFS_FIN_UNWRITTEN) {
		err = lnkfs_ext_convert(handle, LNKFS_FS(inode), &li->ci, *lblk, stop - *lblk, &done);
		atomic64_inc(&li->data_seq);
		if (err)
			return err;
		lnkfs_da_written(inode, *lblk, *lblk + done);
	}
	*lblk += done;
	lnkfs_grow_disk_size(inode, *lblk < end ? *lblk << inode->i_blkbits : pos_end, size,
			     how & LNKFS_FIN_EXTEND);
	return 0;
}

/**
 * lnkfs_finish_write() - data have reached the disk
 * @inode: regular file
 * @pos: first byte
 * @len: bytes, not 0
 * @how: LNKFS_FIN_*
 *
 * Blocks and size on disk change in one handle, or in one a piece, from the
 * front.
 *
 * Context: not in a handle; allocates with GFP_NOFS only if the caller has set
 * that scope.
 * Return: 0, -ENOSPC, -EROFS, -EIO, -EFSCORRUPTED, -EFSBADCRC, -ENOMEM.
 */
int lnkfs_finish_write(struct inode *inode, loff_t pos, u64 len, unsigned int how)
{
	const bool unwritten = how & LNKFS_FIN_UNWRITTEN;
	u64 lblk = pos >> inode->i_blkbits;
	u64 end = lnkfs_size_blocks(inode, pos + len);
	int err = 0, err2, tries = 0;
	handle_t *handle;

	while (!err && lblk < end) {
		handle = lnkfs_begin_map(inode, unwritten ? lnkfs_ext_convert_credits :
					 lnkfs_no_credits, LNKFS_CREDITS_STORE);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		handle->h_type = how & LNKFS_FIN_PROMISED ? LNKFS_H_PROMISED : LNKFS_H_DIRECT;
		lnkfs_note_data(handle);
		err = lnkfs_finish_step(handle, inode, &lblk, end, pos + len, how);
		err2 = lnkfs_end_map(handle, inode);
		if (err2)
			return err ? err : err2;
		if (lnkfs_retry_alloc(inode->i_sb, err, &tries))
			err = 0;
	}
	return err;
}
