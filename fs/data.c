// SPDX-License-Identifier: GPL-2.0
/*
 * What is where in a regular file, for iomap: reads, buffered writes, which
 * reserve space only, and direct writes, which allocate it.
 */
#include "internal.h"

/* A buffered write looks whether its mapping is still true, folio by folio. */
static bool lnkfs_iomap_valid(struct inode *inode, const struct iomap *iomap)
{
	return iomap->validity_cookie == (u64)atomic64_read(&LNKFS_I(inode)->data_seq);
}

static const struct lnkfs_folio_ops lnkfs_write_folio_ops = {
	.iomap_valid	= lnkfs_iomap_valid,
};

/**
 * lnkfs_to_iomap() - tell iomap about an extent
 * @inode: regular file
 * @iomap: to fill
 * @ext: the extent
 * @seq: state of the map it belongs to
 */
void lnkfs_to_iomap(struct inode *inode, struct iomap *iomap, const struct lnkfs_ext *ext,
		    u64 seq)
{
	const unsigned int bits = inode->i_blkbits;
	/* A hole may reach further than any file. */
	const u64 max = (LNKFS_MAX_FILE_SIZE >> bits) + 1;

	iomap->offset = ext->lblk << bits;
	iomap->length = min(ext->len, max - ext->lblk) << bits;
	iomap->bdev = inode->i_sb->s_bdev;
	iomap->flags = 0;
	iomap->validity_cookie = seq;
	iomap->addr = IOMAP_NULL_ADDR;
	if (ext->flags & LNKFS_EXT_HOLE) {
		iomap->type = IOMAP_HOLE;
	} else if (ext->flags & LNKFS_EXT_DELAYED) {
		iomap->type = IOMAP_DELALLOC;
	} else {
		iomap->addr = ext->block << bits;
		iomap->type = ext->flags & LNKFS_EXT_UNWRITTEN ? IOMAP_UNWRITTEN : IOMAP_MAPPED;
	}
}

/* Share the extent map; without waiting if so told. */
static int lnkfs_lock_map(struct inode *inode, unsigned int flags)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (!(flags & IOMAP_NOWAIT)) {
		down_read(&li->ext_lock);
		return 0;
	}
	return down_read_trylock(&li->ext_lock) ? 0 : -EAGAIN;
}

/* lnkfs_map_lookup(), without waiting if so told. */
static int lnkfs_lookup(struct inode *inode, u64 lblk, unsigned int flags,
			struct lnkfs_ext *ext)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_ext da;
	int err;

	if (flags & IOMAP_NOWAIT)
		err = lnkfs_ext_lookup_nowait(fs, ci, lblk, ext);
	else
		err = lnkfs_ext_lookup(fs, ci, lblk, ext);
	if (err || !(ext->flags & LNKFS_EXT_HOLE))
		return err;
	lnkfs_da_lookup(inode, lblk, &da);
	if (da.flags & LNKFS_EXT_HOLE) {
		ext->len = min(ext->lblk + ext->len, da.lblk + da.len) - lblk;
		ext->lblk = lblk;
	} else {
		*ext = da;
	}
	return 0;
}

/**
 * lnkfs_map_lookup() - what is at a logical block, delayed allocation included
 * @inode: regular file
 * @lblk: logical block
 * @ext: result; a hole that ends where delayed allocation begins
 *
 * Context: ext_lock held.
 * Return: 0 or an error of lnkfs_ext_lookup().
 */
int lnkfs_map_lookup(struct inode *inode, u64 lblk, struct lnkfs_ext *ext)
{
	return lnkfs_lookup(inode, lblk, 0, ext);
}

/**
 * lnkfs_extent_at() - the extent at a logical block, or the hole
 * @inode: regular file
 * @lblk: logical block
 * @ext: result; of delayed allocation nothing is known
 *
 * Context: takes ext_lock, shared.
 * Return: 0 or an error of lnkfs_ext_lookup().
 */
int lnkfs_extent_at(struct inode *inode, u64 lblk, struct lnkfs_ext *ext)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int err;

	down_read(&li->ext_lock);
	err = lnkfs_ext_lookup(LNKFS_FS(inode), &li->ci, lblk, ext);
	up_read(&li->ext_lock);
	return err;
}

static int lnkfs_read_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
				  unsigned int flags, struct iomap *iomap,
				  struct iomap *srcmap)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	u64 seq;
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	if (pos < 0 || pos > inode->i_sb->s_maxbytes)
		return -EFBIG;
	err = lnkfs_lock_map(inode, flags);
	if (err)
		return err;
	err = lnkfs_lookup(inode, pos >> inode->i_blkbits, flags, &ext);
	seq = atomic64_read(&li->data_seq);
	up_read(&li->ext_lock);
	if (err)
		return err;
	/* To a reader, data that are not in the page cache yet are a hole. */
	if ((ext.flags & LNKFS_EXT_DELAYED) && !(flags & IOMAP_REPORT))
		ext.flags = LNKFS_EXT_HOLE;
	lnkfs_to_iomap(inode, iomap, &ext, seq);
	return 0;
}

const struct iomap_ops lnkfs_read_iomap_ops = {
	.iomap_begin	= lnkfs_read_iomap_begin,
};

/* Longest reservation in one go, in bytes: about what writeback does at once. */
#define LNKFS_RESERVE_MAX	(4 << 20)

/* Under ext_lock: find or make the mapping for a buffered write. */
static int lnkfs_write_map(struct inode *inode, loff_t pos, loff_t length,
			   unsigned int flags, struct lnkfs_ext *ext, bool *new)
{
	u64 lblk = pos >> inode->i_blkbits;
	gfp_t gfp = flags & IOMAP_NOWAIT ? GFP_NOWAIT : GFP_NOFS;
	bool partial = !(flags & IOMAP_FAULT) && LNKFS_I(inode)->da_partial;
	u64 end;
	int err;

	*new = false;
	err = lnkfs_lookup(inode, lblk, flags, ext);
	if (err || (flags & IOMAP_ZERO))
		return err;
	end = lnkfs_size_blocks(inode, pos + min_t(loff_t, length, LNKFS_RESERVE_MAX));
	if (ext->flags & LNKFS_EXT_UNWRITTEN) {
		ext->len = min(ext->len, end - ext->lblk);
		return lnkfs_da_owe(inode, lblk, partial, gfp, ext, new);
	}
	if (!(ext->flags & LNKFS_EXT_HOLE))
		return 0;
	return lnkfs_da_reserve(inode, lblk, min(end - lblk, ext->len), partial, gfp, ext,
				new);
}

static int lnkfs_write_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
				   unsigned int flags, struct iomap *iomap,
				   struct iomap *srcmap)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	int err, tries = 0;
	bool new;
	u64 seq;

	if (lnkfs_is_shutdown(inode->i_sb))
		return -EIO;
	do {
		err = lnkfs_lock_map(inode, flags);
		if (err)
			return err;
		/* Before: a reservation can be dropped under the shared lock. */
		seq = atomic64_read(&li->data_seq);
		err = lnkfs_write_map(inode, pos, length, flags, &ext, &new);
		up_read(&li->ext_lock);
		if ((flags & IOMAP_NOWAIT) &&
		    (err == -ENOSPC || err == -EDQUOT || err == -ENOMEM))
			return -EAGAIN;
	} while (lnkfs_retry_alloc(inode->i_sb, err, &tries));
	if (err)
		return err;
	lnkfs_to_iomap(inode, iomap, &ext, seq);
	lnkfs_set_folio_ops(iomap, &lnkfs_write_folio_ops);
	if (new)
		iomap->flags |= IOMAP_F_NEW;
	return 0;
}

static void lnkfs_punch_unused(struct inode *inode, loff_t pos, loff_t length)
{
	/* iomap knows bytes: a block of which it keeps some is in use. */
	lnkfs_da_punch(inode, lnkfs_size_blocks(inode, pos),
		       lnkfs_size_blocks(inode, pos + length));
}

LNKFS_DEFINE_PUNCH(lnkfs_write_punch, lnkfs_punch_unused)

/* A short write gives back what it reserved and did not use. */
static int lnkfs_write_iomap_end(struct inode *inode, loff_t pos, loff_t length,
				 ssize_t written, unsigned int flags, struct iomap *iomap)
{
	if (!(iomap->flags & IOMAP_F_NEW))
		return 0;
	/* Also what is owed for unwritten blocks. To iomap it is the same. */
	iomap->type = IOMAP_DELALLOC;
	return lnkfs_release_unused(inode, iomap, pos, length, written, flags,
				    lnkfs_write_punch);
}

const struct iomap_ops lnkfs_write_iomap_ops = {
	.iomap_begin	= lnkfs_write_iomap_begin,
	.iomap_end	= lnkfs_write_iomap_end,
};

/* A page fault uses all it gets, and holds locks that giving back would want. */
const struct iomap_ops lnkfs_mkwrite_iomap_ops = {
	.iomap_begin	= lnkfs_write_iomap_begin,
};

/* Do changes of the map wait for a commit that O_DSYNC has to see? */
static bool lnkfs_datasync_pending(struct inode *inode)
{
	return !jbd2_transaction_committed(LNKFS_SB(inode->i_sb)->journal,
					   READ_ONCE(LNKFS_I(inode)->datasync_tid));
}

static int lnkfs_dio_write_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
				       unsigned int flags, struct iomap *iomap,
				       struct iomap *srcmap)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u64 lblk = pos >> inode->i_blkbits;
	u64 end = lnkfs_size_blocks(inode, pos + length);
	struct lnkfs_ext ext;
	u64 seq;
	int err;

	if (lnkfs_is_shutdown(inode->i_sb))
		return -EIO;
	err = lnkfs_lock_map(inode, flags);
	if (err)
		return err;
	err = lnkfs_lookup(inode, lblk, flags, &ext);
	seq = atomic64_read(&li->data_seq);
	up_read(&li->ext_lock);
	if (err)
		return err;
	if (ext.flags & (LNKFS_EXT_HOLE | LNKFS_EXT_DELAYED)) {
		if (flags & IOMAP_NOWAIT)
			return -EAGAIN;
		err = lnkfs_alloc_blocks(inode, lblk, end - lblk, &ext, &seq);
		if (err == -ENOSPC) {
			lnkfs_make_room(inode->i_sb);
			err = lnkfs_alloc_blocks(inode, lblk, end - lblk, &ext, &seq);
		}
		if (err)
			return err;
	} else if ((flags & IOMAP_NOWAIT) && ext.lblk + ext.len < end) {
		/* What is done in part cannot be tried again. */
		return -EAGAIN;
	}
	lnkfs_to_iomap(inode, iomap, &ext, seq);
	/* What makes a size durable, on disk or in memory, does not end with the data. */
	if (pos + length > min_t(u64, i_size_read(inode), READ_ONCE(li->ci.size)) ||
	    lnkfs_datasync_pending(inode))
		iomap->flags |= IOMAP_F_DIRTY;
	return 0;
}

const struct iomap_ops lnkfs_dio_write_iomap_ops = {
	.iomap_begin	= lnkfs_dio_write_iomap_begin,
};
