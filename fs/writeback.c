// SPDX-License-Identifier: GPL-2.0
/*
 * The address space of regular files: reading into the page cache and writing
 * it back. Writeback chooses the blocks of delayed allocation; when the data
 * are on the disk, a work item of the inode makes the blocks written and moves
 * the size on disk.
 */
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/writeback.h>
#include "internal.h"
#include "trace.h"

static int lnkfs_read_folio(struct file *file, struct folio *folio)
{
	return iomap_read_folio(folio, &lnkfs_read_iomap_ops);
}

static void lnkfs_readahead(struct readahead_control *rac)
{
	iomap_readahead(rac, &lnkfs_read_iomap_ops);
}

/* A hole may get data at any time without a trace in data_seq. */
static bool lnkfs_wb_valid(const struct iomap *iomap, struct inode *inode, loff_t pos)
{
	return pos >= iomap->offset && pos < iomap->offset + iomap->length &&
	       iomap->type != IOMAP_HOLE &&
	       iomap->validity_cookie == (u64)atomic64_read(&LNKFS_I(inode)->data_seq);
}

/*
 * Memory may be short for a moment, and most of all while dirty pages have to be
 * written: that is no reason to lose what they hold.
 */
static bool lnkfs_wb_retry(int err)
{
	if (err != -ENOMEM)
		return false;
	memalloc_retry_wait(GFP_NOFS);
	return true;
}

/**
 * struct lnkfs_wb - one run of writeback
 * @wpc: iomap's
 * @err: the first error of a folio, which is not to keep the others from the device
 */
struct lnkfs_wb {
	struct iomap_writepage_ctx wpc;
	int err;
};

static int lnkfs_wb_error(struct iomap_writepage_ctx *wpc, int err)
{
	struct lnkfs_wb *wb = container_of(wpc, struct lnkfs_wb, wpc);

	if (!wb->err)
		wb->err = err;
	return err;
}

/*
 * Called with the folio locked: what it holds can be neither truncated nor
 * punched, but its blocks may be chosen by the writeback of another folio.
 */
static LNKFS_MAP_BLOCKS(lnkfs_map_blocks)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u64 lblk = offset >> inode->i_blkbits;
	struct lnkfs_ext ext;
	u64 seq;
	int err;

	if (lnkfs_is_shutdown(inode->i_sb))
		return lnkfs_wb_error(wpc, -EIO);
	if (lnkfs_wb_valid(&wpc->iomap, inode, offset))
		return 0;
	down_read(&li->ext_lock);
	err = lnkfs_map_lookup(inode, lblk, &ext);
	seq = atomic64_read(&li->data_seq);
	up_read(&li->ext_lock);
	if (!err && (ext.flags & LNKFS_EXT_DELAYED)) {
		do {
			err = lnkfs_alloc_blocks(inode, lblk, 0, &ext, &seq);
		} while (lnkfs_wb_retry(err));
	}
	if (err)
		return lnkfs_wb_error(wpc, err);
	trace_lnkfs_map_blocks(inode, lblk, &ext);
	lnkfs_to_iomap(inode, &wpc->iomap, &ext, seq);
	return 0;
}

static int lnkfs_finish_ioend(struct iomap_ioend *ioend)
{
	int err = blk_status_to_errno(lnkfs_ioend_bio(ioend)->bi_status);
	unsigned int how = LNKFS_FIN_PROMISED;

	if (ioend->io_type == IOMAP_UNWRITTEN)
		how |= LNKFS_FIN_UNWRITTEN;
	if (err || !ioend->io_size)
		return err;
	do {
		err = lnkfs_finish_write(ioend->io_inode, ioend->io_offset, ioend->io_size, how);
	} while (lnkfs_wb_retry(err));
	return err;
}

/**
 * lnkfs_ioend_worker() - complete the writeback of an inode
 * @work: lnkfs_inode_info.ioend_work
 *
 * The folios under writeback keep the inode: it may be gone when the last
 * ioend has been finished.
 */
void lnkfs_ioend_worker(struct work_struct *work)
{
	struct lnkfs_inode_info *li = container_of(work, struct lnkfs_inode_info, ioend_work);
	unsigned int nofs = memalloc_nofs_save();
	struct iomap_ioend *ioend;
	LIST_HEAD(list);

	spin_lock_irq(&li->ioend_lock);
	list_replace_init(&li->ioend_list, &list);
	spin_unlock_irq(&li->ioend_lock);

	iomap_sort_ioends(&list);
	while ((ioend = list_first_entry_or_null(&list, struct iomap_ioend, io_list))) {
		list_del_init(&ioend->io_list);
		iomap_ioend_try_merge(ioend, &list);
		iomap_finish_ioends(ioend, lnkfs_finish_ioend(ioend));
		cond_resched();
	}
	memalloc_nofs_restore(nofs);
}

/* I/O is done, maybe in interrupt context: leave the rest to the worker. */
static void lnkfs_ioend_bio_done(struct bio *bio)
{
	struct iomap_ioend *ioend = lnkfs_ioend_from_bio(bio);
	struct inode *inode = ioend->io_inode;
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	unsigned long flags;

	spin_lock_irqsave(&li->ioend_lock, flags);
	if (list_empty(&li->ioend_list))
		queue_work(LNKFS_SB(inode->i_sb)->ioend_wq, &li->ioend_work);
	list_add_tail(&ioend->io_list, &li->ioend_list);
	spin_unlock_irqrestore(&li->ioend_lock, flags);
}

/*
 * @status is the error of a folio that could not be mapped, whose mapping has been told.
 * Those before it are here, and they can be written.
 */
static int lnkfs_prepare_ioend(struct iomap_ioend *ioend, int status)
{
	const struct lnkfs_inode_info *li = LNKFS_I(ioend->io_inode);

	if (!lnkfs_is_shutdown(ioend->io_inode->i_sb))
		status = 0;
	if (ioend->io_type == IOMAP_UNWRITTEN ||
	    ioend->io_offset + ioend->io_size > READ_ONCE(li->ci.size))
		lnkfs_ioend_bio(ioend)->bi_end_io = lnkfs_ioend_bio_done;
	return status;
}

/* The rest of a folio from @pos on cannot be written: its data are lost. */
static void lnkfs_discard_folio(struct folio *folio, loff_t pos)
{
	struct inode *inode = folio->mapping->host;

	if (!lnkfs_is_shutdown(inode->i_sb))
		pr_err_ratelimited("lnkfs (%s): data of inode %lu at offset %lld are lost\n",
				   inode->i_sb->s_id, inode->i_ino, pos);
	lnkfs_da_punch(inode, pos >> inode->i_blkbits,
		       (folio_pos(folio) + folio_size(folio)) >> inode->i_blkbits);
}

static const struct iomap_writeback_ops lnkfs_writeback_ops = {
	.map_blocks	= lnkfs_map_blocks,
	.prepare_ioend	= lnkfs_prepare_ioend,
	.discard_folio	= lnkfs_discard_folio,
};

static int lnkfs_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct lnkfs_wb wb = { };
	int err = iomap_writepages(mapping, wbc, &wb.wpc, &lnkfs_writeback_ops);

	return err ? err : wb.err;
}

static sector_t lnkfs_bmap(struct address_space *mapping, sector_t block)
{
	return iomap_bmap(mapping, block, &lnkfs_read_iomap_ops);
}

/* Blocks that are unwritten will do: nobody reads the file before they are. */
static int lnkfs_swap_activate(struct swap_info_struct *sis, struct file *swap_file,
			       sector_t *span)
{
	sis->bdev = file_inode(swap_file)->i_sb->s_bdev;
	return iomap_swapfile_activate(sis, swap_file, span, &lnkfs_read_iomap_ops);
}

const struct address_space_operations lnkfs_aops = {
	.read_folio		= lnkfs_read_folio,
	.readahead		= lnkfs_readahead,
	.writepages		= lnkfs_writepages,
	.dirty_folio		= lnkfs_iomap_dirty_folio,
	.release_folio		= iomap_release_folio,
	.invalidate_folio	= iomap_invalidate_folio,
	.bmap			= lnkfs_bmap,
	.migrate_folio		= filemap_migrate_folio,
	.swap_activate		= lnkfs_swap_activate,
	.is_partially_uptodate	= iomap_is_partially_uptodate,
	LNKFS_ERROR_REMOVE_FOLIO,
};
