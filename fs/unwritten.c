// SPDX-License-Identifier: GPL-2.0
/*
 * Writing into blocks that were allocated ahead, when space is short.
 *
 * A piece of an unwritten extent that gets data costs up to two records in the
 * extent tree, and that when the data have been accepted already. While the nodes
 * for these can be reserved (lnkfs_da_owe()), nothing has to be done about it. Where they
 * cannot, dirty data are written, the file's and then all, and if that does not help
 * the extent is filled with zeroes, all of it that is in the file, and made written
 * before it gets data: that takes no record.
 */
#include <linux/blkdev.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include "internal.h"

/* Nodes that so many bytes more may need. */
static s64 lnkfs_nodes(const struct inode *inode, u64 len)
{
	return lnkfs_da_nodes(inode, 2, (len >> inode->i_blkbits) + 2);
}

/* Could these be reserved, and @keep blocks were left? */
static bool lnkfs_tree_room_but(struct inode *inode, u64 len, s64 keep)
{
	const struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);

	return READ_ONCE(sbi->free) - READ_ONCE(sbi->reserved) >= lnkfs_nodes(inode, len) + keep;
}

/**
 * lnkfs_tree_room() - is there room for the extents of so many data more?
 * @inode: regular file
 * @len: bytes about to become dirty
 *
 * For what is dirty it has been reserved. A quarter of the pool is left to trees of
 * other kinds.
 */
bool lnkfs_tree_room(struct inode *inode, u64 len)
{
	return lnkfs_tree_room_but(inode, len, READ_ONCE(LNKFS_SB(inode->i_sb)->pool) / 4);
}

/*
 * What is dirty may have reserved more than it needs: write it, that of this file and, if
 * that can help, of all. Return: as lnkfs_tree_room(), or an error of this file's.
 */
static int lnkfs_make_tree_room(struct inode *inode, u64 len)
{
	const struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);
	int err = filemap_write_and_wait(inode->i_mapping);

	if (err || lnkfs_tree_room(inode, len))
		return err ? err : 1;
	if (READ_ONCE(sbi->free) < lnkfs_nodes(inode, len) + READ_ONCE(sbi->pool) / 4)
		return 0;
	lnkfs_make_room(inode->i_sb);
	return lnkfs_tree_room(inode, len);
}

/* Is a block of [lblk, end) unwritten? The first one goes to *@lblk, its extent to @ext. */
static int lnkfs_next_unwritten(struct inode *inode, u64 *lblk, u64 end,
				struct lnkfs_ext *ext)
{
	int err;

	for (; *lblk < end; *lblk = ext->lblk + ext->len) {
		err = lnkfs_extent_at(inode, *lblk, ext);
		if (err)
			return err;
		if (ext->flags & LNKFS_EXT_UNWRITTEN)
			return 1;
		cond_resched();
	}
	return 0;
}

/* End of the blocks that may be written: what is past the end of the file may not. */
static u64 lnkfs_fill_end(struct inode *inode, loff_t end)
{
	return lnkfs_size_blocks(inode, min(end, i_size_read(inode)));
}

/*
 * Fill what is unwritten in [from, to) with zeroes and make it written. Nothing
 * there is dirty or on its way to the device, and nothing can become so. @how: LNKFS_FIN_*
 */
static int lnkfs_fill(struct inode *inode, u64 from, u64 to, unsigned int how)
{
	const unsigned int bits = inode->i_blkbits;
	struct lnkfs_ext ext;
	u64 end;
	int ret;

	while ((ret = lnkfs_next_unwritten(inode, &from, to, &ext)) > 0) {
		end = min(to, ext.lblk + ext.len);
		ret = sb_issue_zeroout(inode->i_sb, ext.block + (from - ext.lblk), end - from,
				       GFP_NOFS);
		if (!ret)
			ret = lnkfs_finish_write(inode, from << bits, (end - from) << bits,
						 how | LNKFS_FIN_UNWRITTEN);
		if (ret)
			break;
		from = end;
	}
	return ret;
}

/**
 * lnkfs_prepare_write() - have blocks written before they get data, where space is short
 * @inode: regular file
 * @pos: first byte to be written
 * @len: bytes
 *
 * Context: inode_lock held; takes the invalidate lock, so that nothing can
 * become dirty, or be on its way to the device, in blocks that are filled.
 * Return: 0, -ENOSPC, -EINTR, or an error of lnkfs_finish_write() or of the device.
 */
int lnkfs_prepare_write(struct inode *inode, loff_t pos, u64 len)
{
	u64 lblk = pos >> inode->i_blkbits;
	u64 end = lnkfs_fill_end(inode, pos + len);
	struct lnkfs_ext ext;
	int ret;

	if (likely(lnkfs_tree_room(inode, len)))
		return 0;
	ret = lnkfs_next_unwritten(inode, &lblk, end, &ext);
	if (ret <= 0)
		return ret;
	inode_dio_wait(inode);
	filemap_invalidate_lock(inode->i_mapping);
	ret = lnkfs_make_tree_room(inode, len);
	if (ret)
		goto out;
	/* Whole extents: a part of one would take records. */
	while ((ret = lnkfs_next_unwritten(inode, &lblk, end, &ext)) > 0) {
		ret = lnkfs_fill(inode, ext.lblk,
				 lnkfs_fill_end(inode, (ext.lblk + ext.len) << inode->i_blkbits),
				 LNKFS_FIN_PROMISED);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		if (ret)
			break;
	}
out:
	filemap_invalidate_unlock(inode->i_mapping);
	return min(ret, 0);
}

/**
 * lnkfs_write_past_end() - a write has made the file longer: where space is short, write it now
 * @inode: regular file
 * @pos: first byte
 * @len: bytes
 *
 * lnkfs_prepare_write() has left alone what was past the end.
 *
 * Context: any in which writing can be waited for.
 * Return: 0 or the error of writing the data: they are lost, and whoever wrote
 * them is to be told.
 */
int lnkfs_write_past_end(struct inode *inode, loff_t pos, u64 len)
{
	u64 lblk = pos >> inode->i_blkbits;
	struct lnkfs_ext ext;
	int ret;

	if (likely(lnkfs_tree_room(inode, 0)))
		return 0;
	ret = lnkfs_next_unwritten(inode, &lblk, lnkfs_size_blocks(inode, pos + len), &ext);
	if (ret <= 0)
		return ret;
	/* All of it: this write must not take the room that the others were promised. */
	return filemap_write_and_wait(inode->i_mapping);
}

/**
 * lnkfs_prepare_fault() - the same for a page that is about to be written to
 * @inode: regular file
 * @folio: what is mapped there
 *
 * Context: takes the folio's lock. Without inode_lock no more than the folio
 * can be filled, which takes records: as long as there is room for these.
 * Return: as lnkfs_prepare_write().
 */
int lnkfs_prepare_fault(struct inode *inode, struct folio *folio)
{
	u64 lblk = folio_pos(folio) >> inode->i_blkbits;
	u64 end = lnkfs_fill_end(inode, folio_pos(folio) + folio_size(folio));
	struct lnkfs_ext ext;
	unsigned int nofs;
	int ret;

	if (likely(lnkfs_tree_room(inode, folio_size(folio))))
		return 0;
	ret = lnkfs_next_unwritten(inode, &lblk, end, &ext);
	if (ret <= 0)
		return ret;
	ret = lnkfs_make_tree_room(inode, folio_size(folio));
	if (ret)
		return min(ret, 0);
	if (!lnkfs_tree_room_but(inode, folio_size(folio),
				 READ_ONCE(LNKFS_SB(inode->i_sb)->pool) / 8)) {
		/* What has been written for room may have been this. */
		ret = lnkfs_next_unwritten(inode, &lblk, end, &ext);
		return ret > 0 ? -ENOSPC : ret;
	}
	nofs = memalloc_nofs_save();
	folio_lock(folio);
	folio_wait_writeback(folio);
	/* Nothing to be done when it is gone, or dirty: those are counted. */
	if (folio->mapping == inode->i_mapping && !folio_test_dirty(folio))
		ret = lnkfs_fill(inode, lblk, end, 0);
	folio_unlock(folio);
	memalloc_nofs_restore(nofs);
	return ret;
}
