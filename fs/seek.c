// SPDX-License-Identifier: GPL-2.0
/*
 * Telling where a regular file has data: SEEK_HOLE, SEEK_DATA, FIEMAP.
 */
#include <linux/fiemap.h>
#include <linux/pagemap.h>
#include <linux/xarray.h>
#include "internal.h"

/* Longest run of pages that is looked at one by one. */
#define LNKFS_SEEK_BATCH	512

/*
 * First page in [index, last] with data that are not on the disk yet, or
 * ULONG_MAX. A page under writeback keeps its tag until its blocks have become
 * written, for which ext_lock, shared here, is wanted; and it has that tag
 * before it loses the other.
 */
static unsigned long lnkfs_next_unwritten_page(struct address_space *mapping,
					       unsigned long index, unsigned long last)
{
	unsigned long dirty = index, busy = index;

	if (!xa_find(&mapping->i_pages, &dirty, last, PAGECACHE_TAG_DIRTY))
		dirty = ULONG_MAX;
	if (!xa_find(&mapping->i_pages, &busy, last, PAGECACHE_TAG_WRITEBACK))
		busy = ULONG_MAX;
	/* Of a large folio, it is the first page that is found. */
	return max(index, min(dirty, busy));
}

/*
 * The unwritten extent @ext at @pos: cut it to what is alike from there on, a
 * hole, or pages some of which hold data. A page that was only read from the
 * extent holds none; a folio is dirty as a whole.
 */
static void lnkfs_seek_unwritten(struct inode *inode, loff_t pos, struct lnkfs_ext *ext)
{
	struct address_space *mapping = inode->i_mapping;
	const unsigned int bits = PAGE_SHIFT - inode->i_blkbits;
	u64 lblk = pos >> inode->i_blkbits, end = ext->lblk + ext->len;
	unsigned long index = lblk >> bits, last = (end - 1) >> bits, next;

	next = lnkfs_next_unwritten_page(mapping, index, last);
	if (next > index) {
		ext->flags = LNKFS_EXT_HOLE;
		if (next != ULONG_MAX)
			end = (u64)next << bits;
	} else {
		last = min(last, index + LNKFS_SEEK_BATCH);
		do {
			next++;
		} while (next <= last &&
			 lnkfs_next_unwritten_page(mapping, next, next) == next);
		end = min(end, (u64)next << bits);
	}
	ext->lblk = lblk;
	ext->len = end - lblk;
}

static int lnkfs_seek_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
				  unsigned int flags, struct iomap *iomap,
				  struct iomap *srcmap)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_ext ext;
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	down_read(&li->ext_lock);
	err = lnkfs_map_lookup(inode, pos >> inode->i_blkbits, &ext);
	if (!err && (ext.flags & LNKFS_EXT_UNWRITTEN))
		lnkfs_seek_unwritten(inode, pos, &ext);
	up_read(&li->ext_lock);
	if (!err)
		lnkfs_to_iomap(inode, iomap, &ext, 0);
	return err;
}

static const struct iomap_ops lnkfs_seek_iomap_ops = {
	.iomap_begin	= lnkfs_seek_iomap_begin,
};

/**
 * lnkfs_llseek() - lseek (file_operations)
 * @file: open regular file
 * @offset: where to
 * @whence: SEEK_*
 */
loff_t lnkfs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file->f_mapping->host;

	switch (whence) {
	case SEEK_HOLE:
		inode_lock_shared(inode);
		offset = iomap_seek_hole(inode, offset, &lnkfs_seek_iomap_ops);
		inode_unlock_shared(inode);
		break;
	case SEEK_DATA:
		inode_lock_shared(inode);
		offset = iomap_seek_data(inode, offset, &lnkfs_seek_iomap_ops);
		inode_unlock_shared(inode);
		break;
	default:
		return generic_file_llseek(file, offset, whence);
	}
	if (offset < 0)
		return offset;
	return vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

/**
 * lnkfs_fiemap() - FS_IOC_FIEMAP (inode_operations)
 * @inode: regular file
 * @info: answer
 * @start: first byte
 * @len: bytes
 */
int lnkfs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len)
{
	const struct iomap_ops *ops = &lnkfs_read_iomap_ops;
	int err;

	if (info->fi_flags & FIEMAP_FLAG_XATTR) {
		info->fi_flags &= ~FIEMAP_FLAG_XATTR;
		ops = &lnkfs_xattr_iomap_ops;
	}
	inode_lock_shared(inode);
	err = iomap_fiemap(inode, info, start, len, ops);
	inode_unlock_shared(inode);
	return err;
}
