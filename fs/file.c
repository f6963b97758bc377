// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on regular files.
 *
 * Buffered writes and truncates hold inode_lock. Direct writes share it when
 * they are aligned to blocks and stay within the file, else they hold it and
 * wait for their end, so that the size and the edges of blocks have one writer.
 */
#include <linux/backing-dev.h>
#include <linux/writeback.h>
#include <linux/mm.h>
#include <linux/splice.h>
#include "internal.h"

static int lnkfs_lock_iocb(struct kiocb *iocb, bool excl)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (!(iocb->ki_flags & IOCB_NOWAIT)) {
		if (excl)
			inode_lock(inode);
		else
			inode_lock_shared(inode);
		return 0;
	}
	return (excl ? inode_trylock(inode) : inode_trylock_shared(inode)) ? 0 : -EAGAIN;
}

static void lnkfs_unlock_iocb(struct kiocb *iocb, bool excl)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (excl)
		inode_unlock(inode);
	else
		inode_unlock_shared(inode);
}

static ssize_t lnkfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t ret;

	if (lnkfs_stopped(file_inode(iocb->ki_filp)->i_sb))
		return -EIO;
	if (!(iocb->ki_flags & IOCB_DIRECT))
		return generic_file_read_iter(iocb, to);
	if (!iov_iter_count(to))
		return 0;
	file_accessed(iocb->ki_filp);
	ret = lnkfs_lock_iocb(iocb, false);
	if (ret)
		return ret;
	ret = iomap_dio_rw(iocb, to, &lnkfs_read_iomap_ops, NULL, 0, NULL, 0);
	lnkfs_unlock_iocb(iocb, false);
	return ret;
}

/* What every write does first, with inode_lock held (shared: nothing grows). */
static ssize_t lnkfs_write_checks(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;
	int err;

	if (unlikely(IS_IMMUTABLE(inode)))
		return -EPERM;
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		return ret;
	/* A descriptor that was open before the file became append-only. */
	if (unlikely(IS_APPEND(inode)) && iocb->ki_pos != i_size_read(inode))
		return -EPERM;
	if (unlikely(READ_ONCE(LNKFS_I(inode)->ci.lflags) & LNKFS_LF_TRUNCATING) ||
	    iocb->ki_pos > i_size_read(inode)) {
		if (iocb->ki_flags & IOCB_NOWAIT)
			return -EAGAIN;
		filemap_invalidate_lock(inode->i_mapping);
		err = lnkfs_finish_truncate(inode);
		if (!err && iocb->ki_pos > i_size_read(inode))
			err = lnkfs_zero_eof(inode, iocb->ki_pos, NULL);
		filemap_invalidate_unlock(inode->i_mapping);
		if (err)
			return err;
	}
	err = kiocb_modified(iocb);
	return err ? err : ret;
}

/**
 * lnkfs_make_room() - write the data of all files
 * @sb: volume that is short of space
 *
 * Delayed allocation may hold more of it than it will need.
 *
 * Context: not in a handle, no folio locked, ext_lock not held.
 */
void lnkfs_make_room(struct super_block *sb)
{
	if (!down_read_trylock(&sb->s_umount))
		return;
	sync_inodes_sb(sb);
	up_read(&sb->s_umount);
}

/* Before a write of @count bytes: see unwritten.c. @count or an error. */
static ssize_t lnkfs_prepare_iocb(struct kiocb *iocb, ssize_t count)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	int err;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return likely(lnkfs_tree_room(inode, count)) ? count : -EAGAIN;
	err = lnkfs_prepare_write(inode, iocb->ki_pos, count);
	return err ? err : count;
}

/* One try; the last one writes what there is room for. */
static ssize_t lnkfs_buffered_try(struct kiocb *iocb, struct iov_iter *from, bool last)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	ret = lnkfs_lock_iocb(iocb, true);
	if (ret)
		return ret;
	LNKFS_I(inode)->da_partial = last;
	ret = lnkfs_write_checks(iocb, from);
	if (ret > 0)
		ret = lnkfs_prepare_iocb(iocb, ret);
	if (ret > 0)
		ret = lnkfs_iomap_buffered_write(iocb, from, &lnkfs_write_iomap_ops);
	LNKFS_I(inode)->da_partial = false;
	lnkfs_unlock_iocb(iocb, true);
	return ret;
}

static ssize_t lnkfs_buffered_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t size = i_size_read(inode);
	ssize_t ret = lnkfs_buffered_try(iocb, from, false);
	int err;

	if (ret == -ENOSPC || ret == -EDQUOT) {
		if (ret == -ENOSPC)
			lnkfs_make_room(inode->i_sb);
		ret = lnkfs_buffered_try(iocb, from, true);
	}
	if (ret > 0 && iocb->ki_pos > size) {
		err = lnkfs_write_past_end(inode, iocb->ki_pos - ret, ret);
		if (err) {
			iocb->ki_pos -= ret;
			return err;
		}
	}
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

static int lnkfs_dio_write_end_io(struct kiocb *iocb, ssize_t size, int error,
				  unsigned int flags)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t end = iocb->ki_pos + size;
	loff_t oldsize = i_size_read(inode);
	unsigned int how = 0;
	int err;

	if (error || !size)
		return error;
	if (flags & IOMAP_DIO_UNWRITTEN)
		how |= LNKFS_FIN_UNWRITTEN;
	if (end > oldsize)
		how |= LNKFS_FIN_EXTEND;
	if (!how && end <= READ_ONCE(LNKFS_I(inode)->ci.size))
		return 0;
	err = lnkfs_finish_write(inode, iocb->ki_pos, size, how);
	if (err == -ENOSPC) {
		lnkfs_make_room(inode->i_sb);
		err = lnkfs_finish_write(inode, iocb->ki_pos, size, how);
	}
	/* What a mapping stores behind the old end in its page must fault: it has no blocks yet. */
	if ((how & LNKFS_FIN_EXTEND) && i_size_read(inode) > oldsize)
		pagecache_isize_extended(inode, oldsize, i_size_read(inode));
	return err;
}

static const struct iomap_dio_ops lnkfs_dio_write_ops = {
	.end_io		= lnkfs_dio_write_end_io,
};

/* Does a direct write change the size, or part of a block? */
static bool lnkfs_dio_at_edge(struct kiocb *iocb, size_t count)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	return ((iocb->ki_pos | count) & (i_blocksize(inode) - 1)) ||
	       iocb->ki_pos + count > i_size_read(inode);
}

/* Does a direct write need the inode for itself? */
static bool lnkfs_dio_needs_excl(struct kiocb *iocb, size_t count)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	return (iocb->ki_flags & IOCB_APPEND) || !IS_NOSEC(inode) ||
	       lnkfs_dio_at_edge(iocb, count) ||
	       (READ_ONCE(LNKFS_I(inode)->ci.lflags) & LNKFS_LF_TRUNCATING) ||
	       unlikely(!lnkfs_tree_room(inode, count));
}

/*
 * A direct write that needs the inode for itself: it grows the file, or edges
 * of blocks have to be zeroed.
 */
static ssize_t lnkfs_dio_write_excl(struct kiocb *iocb, struct iov_iter *from, size_t count)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	bool extend = iocb->ki_pos + count > i_size_read(inode);
	u64 eof = lnkfs_size_blocks(inode, i_size_read(inode));
	bool clean_up;
	ssize_t ret;

	/* It has to wait, for others and for itself. */
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	inode_dio_wait(inode);
	/* What fallocate() left past the end stays, whatever becomes of the write. */
	clean_up = extend && !lnkfs_mapped_beyond(inode, eof);
	ret = iomap_dio_rw(iocb, from, &lnkfs_dio_write_iomap_ops, &lnkfs_dio_write_ops,
			   IOMAP_DIO_FORCE_WAIT, NULL, 0);
	if (clean_up && ret != count && ret != -ENOTBLK) {
		/* Blocks past the end that got no data. */
		filemap_invalidate_lock(inode->i_mapping);
		lnkfs_truncate_blocks(inode, i_size_read(inode));
		filemap_invalidate_unlock(inode->i_mapping);
	}
	return ret;
}

/* Pages in the way of a direct write that cannot be thrown out. */
static ssize_t lnkfs_dio_fall_back(struct kiocb *iocb, struct iov_iter *from)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t pos = iocb->ki_pos;
	ssize_t ret;
	int err;

	ret = lnkfs_buffered_write(iocb, from);
	if (ret <= 0)
		return ret;
	pos = iocb->ki_pos - ret;
	err = filemap_write_and_wait_range(mapping, pos, pos + ret - 1);
	if (err)
		return err;
	invalidate_mapping_pages(mapping, pos >> PAGE_SHIFT, (pos + ret - 1) >> PAGE_SHIFT);
	return ret;
}

static ssize_t lnkfs_dio_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	size_t count = iov_iter_count(from);
	bool excl = lnkfs_dio_needs_excl(iocb, count);
	ssize_t ret;

	if ((iocb->ki_pos | count) & (bdev_logical_block_size(inode->i_sb->s_bdev) - 1))
		return -EINVAL;
	for (;;) {
		ret = lnkfs_lock_iocb(iocb, excl);
		if (ret)
			return ret;
		/* The file may have shrunk since; RLIMIT_FSIZE may end the write in a block. */
		if (excl || !lnkfs_dio_needs_excl(iocb, count)) {
			ret = lnkfs_write_checks(iocb, from);
			if (excl || ret <= 0 || !lnkfs_dio_at_edge(iocb, ret))
				break;
		}
		lnkfs_unlock_iocb(iocb, excl);
		excl = true;
	}
	if (ret > 0 && excl)
		ret = lnkfs_prepare_iocb(iocb, ret);
	if (ret > 0 && excl && lnkfs_dio_at_edge(iocb, ret))
		ret = lnkfs_dio_write_excl(iocb, from, ret);
	else if (ret > 0)
		ret = iomap_dio_rw(iocb, from, &lnkfs_dio_write_iomap_ops,
				   &lnkfs_dio_write_ops, 0, NULL, 0);
	lnkfs_unlock_iocb(iocb, excl);
	if (ret == -ENOTBLK)
		ret = iocb->ki_flags & IOCB_NOWAIT ? -EAGAIN : lnkfs_dio_fall_back(iocb, from);
	return ret;
}

static ssize_t lnkfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	if (lnkfs_is_shutdown(file_inode(iocb->ki_filp)->i_sb))
		return -EIO;
	if (!iov_iter_count(from))
		return 0;
	if (iocb->ki_flags & IOCB_DIRECT)
		return lnkfs_dio_write(iocb, from);
	return lnkfs_buffered_write(iocb, from);
}

static ssize_t lnkfs_file_splice_read(struct file *file, loff_t *pos,
				      struct pipe_inode_info *pipe, size_t len,
				      unsigned int flags)
{
	if (lnkfs_stopped(file_inode(file)->i_sb))
		return -EIO;
	return lnkfs_splice_read(file, pos, pipe, len, flags);
}

static vm_fault_t lnkfs_page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	sb_start_pagefault(inode->i_sb);
	if (!IS_IMMUTABLE(inode))
		file_update_time(vmf->vma->vm_file);
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (likely(!IS_IMMUTABLE(inode) &&
		   !lnkfs_prepare_fault(inode, page_folio(vmf->page))))
		ret = iomap_page_mkwrite(vmf, &lnkfs_mkwrite_iomap_ops);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	sb_end_pagefault(inode->i_sb);
	return ret;
}

static const struct vm_operations_struct lnkfs_vm_ops = {
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= lnkfs_page_mkwrite,
};

static int lnkfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (lnkfs_stopped(file_inode(file)->i_sb))
		return -EIO;
	file_accessed(file);
	vma->vm_ops = &lnkfs_vm_ops;
	return 0;
}

static int lnkfs_open(struct inode *inode, struct file *file)
{
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	file->f_mode |= LNKFS_FMODE;
	err = generic_file_open(inode, file);
	if (!err && (file->f_mode & FMODE_WRITE))
		err = lnkfs_quota_init(inode);
	return err;
}

/*
 * A file that was cut and written anew replaces what it held: send the data on
 * their way, lest a crash leave it empty for the next half minute. The last
 * writer gives up what was kept for more, unless there are still data that
 * need it: their writeback gives it up then.
 */
static int lnkfs_release(struct inode *inode, struct file *file)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if ((file->f_mode & FMODE_WRITE) && li->flush_close) {
		li->flush_close = false;
		if (READ_ONCE(li->da_blocks) && inode->i_nlink)
			filemap_flush(inode->i_mapping);
	}
	if ((file->f_mode & FMODE_WRITE) && atomic_read(&inode->i_writecount) == 1 &&
	    !READ_ONCE(li->da_blocks))
		lnkfs_drop_window(inode);
	return 0;
}

/**
 * lnkfs_set_file_ops() - give a regular file its operations
 * @inode: inode being read or created
 */
void lnkfs_set_file_ops(struct inode *inode)
{
	inode->i_op = &lnkfs_file_iops;
	inode->i_fop = &lnkfs_file_fops;
	inode->i_mapping->a_ops = &lnkfs_aops;
	mapping_set_large_folios(inode->i_mapping);
}

const struct inode_operations lnkfs_file_iops = {
	.setattr	= lnkfs_setattr,
	.getattr	= lnkfs_getattr,
	.fiemap		= lnkfs_fiemap,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
	LNKFS_GET_ACL(lnkfs_get_acl),
	.set_acl	= lnkfs_set_acl,
};

const struct file_operations lnkfs_file_fops = {
	LNKFS_FOP_FLAGS
	.llseek		= lnkfs_llseek,
	.read_iter	= lnkfs_read_iter,
	.write_iter	= lnkfs_write_iter,
	.iopoll		= iocb_bio_iopoll,
	.unlocked_ioctl	= lnkfs_ioctl,
	.compat_ioctl	= lnkfs_compat_ioctl,
	.mmap		= lnkfs_mmap,
	.open		= lnkfs_open,
	.release	= lnkfs_release,
	.fsync		= lnkfs_fsync,
	.splice_read	= lnkfs_file_splice_read,
	.splice_write	= iter_file_splice_write,
	.fallocate	= lnkfs_fallocate,
};
