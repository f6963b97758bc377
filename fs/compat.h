/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels lnkfs builds for (6.1 and 6.12). All tests
 * of LINUX_VERSION_CODE live here.
 */
#ifndef LNKFS_COMPAT_H
#define LNKFS_COMPAT_H

#include <linux/version.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/jbd2.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* jbd2 takes a commit block of which only the head is right (6.10). */
#define LNKFS_JBD2_PARTIAL_COMMIT	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0))

/* Idmapped mounts: the type of the first argument of many inode operations. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
typedef struct mnt_idmap lnkfs_idmap;
#define lnkfs_nop_idmap (&nop_mnt_idmap)
#define lnkfs_mnt_idmap(mnt) mnt_idmap(mnt)
#else
typedef struct user_namespace lnkfs_idmap;
#define lnkfs_nop_idmap (&init_user_ns)
#define lnkfs_mnt_idmap(mnt) mnt_user_ns(mnt)
#endif

/* Inode time stamps. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct timespec64 inode_get_atime(const struct inode *inode)
{
	return inode->i_atime;
}

static inline struct timespec64 inode_get_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}

static inline struct timespec64 inode_set_atime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	inode->i_atime = ts;
	return ts;
}

static inline struct timespec64 inode_set_mtime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	inode->i_mtime = ts;
	return ts;
}

#define lnkfs_inode_ctime(inode)	((inode)->i_ctime)
#define lnkfs_set_ctime(inode, ts)	((inode)->i_ctime = (ts))
#define lnkfs_touch_ctime(inode)	((inode)->i_ctime = current_time(inode))
#else
#define lnkfs_inode_ctime(inode)	inode_get_ctime(inode)
#define lnkfs_set_ctime(inode, ts)	inode_set_ctime_to_ts(inode, ts)
#define lnkfs_touch_ctime(inode)	inode_set_ctime_current(inode)
#endif

static inline struct timespec64 lnkfs_touch_mctime(struct inode *inode)
{
	struct timespec64 now = current_time(inode);

	inode_set_mtime_to_ts(inode, now);
	lnkfs_set_ctime(inode, now);
	return now;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define lnkfs_fillattr(idmap, mask, inode, stat) \
	generic_fillattr(idmap, mask, inode, stat)
#else
#define lnkfs_fillattr(idmap, mask, inode, stat) \
	generic_fillattr(idmap, inode, stat)
#endif

/*
 * ACLs: the operation that reads one has another name, and the one that sets
 * one gets a dentry, since 6.2; there are no xattr handlers for them since 6.3.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define LNKFS_GET_ACL(name)	.get_inode_acl = name
#define LNKFS_SET_ACL(name)						\
	int name(lnkfs_idmap *idmap, struct dentry *dentry,		\
		 struct posix_acl *acl, int type)
#define LNKFS_SET_ACL_INODE	d_inode(dentry)
#define lnkfs_posix_acl_chmod(idmap, dentry) \
	posix_acl_chmod(idmap, dentry, d_inode(dentry)->i_mode)
#else
#define LNKFS_GET_ACL(name)	.get_acl = name
#define LNKFS_SET_ACL(name)						\
	int name(lnkfs_idmap *idmap, struct inode *inode,		\
		 struct posix_acl *acl, int type)
#define LNKFS_SET_ACL_INODE	inode
#define lnkfs_posix_acl_chmod(idmap, dentry) \
	posix_acl_chmod(idmap, d_inode(dentry), d_inode(dentry)->i_mode)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0) || !defined(CONFIG_FS_POSIX_ACL)
#define LNKFS_ACL_XATTR_HANDLERS
#else
#define LNKFS_ACL_XATTR_HANDLERS \
	&posix_acl_access_xattr_handler, &posix_acl_default_xattr_handler,
#endif

/* Types of file handles that later kernels have names for. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define FILEID_INO64_GEN	0x81
#define FILEID_INO64_GEN_PARENT	0x82
#endif

/* The page cache of a block device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define lnkfs_bdev_mapping(bdev)	((bdev)->bd_mapping)
#else
#define lnkfs_bdev_mapping(bdev)	((bdev)->bd_inode->i_mapping)
#endif

/*
 * The buffer of a block in the page cache, if there is one. Where the plain look-up
 * misses one whose page is being moved, there is one that waits for that instead.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0) || \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 30) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0))
#define lnkfs_find_block(sb, block)	sb_find_get_block_nonatomic(sb, block)
#else
#define lnkfs_find_block(sb, block)	sb_find_get_block(sb, block)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define lnkfs_bdev_freeze(bdev)		bdev_freeze(bdev)
#define lnkfs_bdev_thaw(bdev)		bdev_thaw(bdev)
#else
#define lnkfs_bdev_freeze(bdev)		freeze_bdev(bdev)
#define lnkfs_bdev_thaw(bdev)		thaw_bdev(bdev)
#endif

/*
 * A second block device, claimed by a mounted volume: a handle, NULL for none.
 * lnkfs_bdev_close() is for when the VFS holds no lock of @sb's any more.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
typedef struct file lnkfs_bdev;

static inline lnkfs_bdev *lnkfs_bdev_open(dev_t dev, struct super_block *sb)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ | BLK_OPEN_WRITE |
				     BLK_OPEN_RESTRICT_WRITES, sb, &fs_holder_ops);
}

static inline void lnkfs_bdev_close(lnkfs_bdev *handle)
{
	bdev_fput(handle);
}

#define lnkfs_bdev_of(handle)			file_bdev(handle)
#define lnkfs_bdev_set_blocksize(handle, size)	set_blocksize(handle, size)
#else
typedef struct block_device lnkfs_bdev;

static inline lnkfs_bdev *lnkfs_bdev_open(dev_t dev, struct super_block *sb)
{
	return blkdev_get_by_dev(dev, FMODE_READ | FMODE_WRITE | FMODE_EXCL, sb);
}

static inline void lnkfs_bdev_close(lnkfs_bdev *handle)
{
	blkdev_put(handle, FMODE_READ | FMODE_WRITE | FMODE_EXCL);
}

#define lnkfs_bdev_of(handle)			(handle)
#define lnkfs_bdev_set_blocksize(handle, size)	set_blocksize(handle, size)
#endif

/* NULL on failure in 6.1, an error pointer in later kernels. */
static inline journal_t *lnkfs_journal_init_dev(struct block_device *bdev,
						struct block_device *fs_bdev,
						unsigned long long start,
						int blocks, int blocksize)
{
	journal_t *journal = jbd2_journal_init_dev(bdev, fs_bdev, start, blocks,
						   blocksize);

	return journal ? journal : ERR_PTR(-ENOMEM);
}

/*
 * Before 6.7 every error of journal_reset() is EIO, also that of its last step, which
 * starts the thread. j_free is what the step before set.
 */
static inline int lnkfs_journal_load(journal_t *journal)
{
	int err = jbd2_journal_load(journal);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	if (err == -EIO && journal->j_free && !journal->j_task)
		return -ENOMEM;
#endif
	return err;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline void super_set_uuid(struct super_block *sb, const u8 *uuid,
				  unsigned int len)
{
	memcpy(&sb->s_uuid, uuid, len);
}

static inline void super_set_sysfs_name_bdev(struct super_block *sb)
{
}

/* Later kernels answer these themselves. */
struct fsuuid2 {
	__u8	len;
	__u8	uuid[16];
};

struct fs_sysfs_path {
	__u8	len;
	__u8	name[128];
};

#define FS_IOC_GETFSUUID	_IOR(0x15, 0, struct fsuuid2)
#define FS_IOC_GETFSSYSFSPATH	_IOR(0x15, 1, struct fs_sysfs_path)
#endif

/*
 * A failed checkpoint write: 6.12's jbd2 aborts the journal by itself, 6.1's
 * leaves it to the file system to look at the device's error sequence.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define LNKFS_CHECK_WB_ERR	1
#else
#define LNKFS_CHECK_WB_ERR	0
#endif

/*
 * iomap. A buffered write checks its mapping through folio_ops (page_ops up to
 * 6.2), which hold nothing else for us.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define lnkfs_folio_ops		iomap_folio_ops
#define lnkfs_set_folio_ops(iomap, ops)	((iomap)->folio_ops = (ops))
#else
#define lnkfs_folio_ops		iomap_page_ops
#define lnkfs_set_folio_ops(iomap, ops)	((iomap)->page_ops = (ops))
#endif

/* Advances ki_pos by what was written. */
static inline ssize_t lnkfs_iomap_buffered_write(struct kiocb *iocb, struct iov_iter *from,
						 const struct iomap_ops *ops)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return iomap_file_buffered_write(iocb, from, ops, NULL);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return iomap_file_buffered_write(iocb, from, ops);
#else
	ssize_t ret = iomap_file_buffered_write(iocb, from, ops);

	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
#endif
}

/*
 * After a short write: call a function for the parts of a mapping that hold no
 * dirty data. LNKFS_DEFINE_PUNCH() wraps a void (inode, pos, length) for it.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define LNKFS_DEFINE_PUNCH(name, fn)					\
static void name(struct inode *inode, loff_t pos, loff_t length,	\
		 struct iomap *iomap)					\
{									\
	fn(inode, pos, length);						\
}

static inline int lnkfs_release_unused(struct inode *inode, struct iomap *iomap,
				       loff_t pos, loff_t length, ssize_t written,
				       unsigned int flags, iomap_punch_t punch)
{
	loff_t start = iomap_last_written_block(inode, pos, written);
	loff_t end = round_up(pos + length, i_blocksize(inode));

	if (start >= end)
		return 0;
	filemap_invalidate_lock(inode->i_mapping);
	iomap_write_delalloc_release(inode, start, end, flags, iomap, punch);
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}
#else
#define LNKFS_DEFINE_PUNCH(name, fn)					\
static int name(struct inode *inode, loff_t pos, loff_t length)		\
{									\
	fn(inode, pos, length);						\
	return 0;							\
}

static inline int lnkfs_release_unused(struct inode *inode, struct iomap *iomap,
				       loff_t pos, loff_t length, ssize_t written,
				       unsigned int flags,
				       int (*punch)(struct inode *, loff_t, loff_t))
{
	return iomap_file_buffered_write_punch_delalloc(inode, iomap, pos, length,
							written, punch);
}
#endif

/* Up to 6.11, zeroing skips unwritten blocks though the page cache is dirty. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define LNKFS_ZERO_SKIPS_DIRTY	0
#else
#define LNKFS_ZERO_SKIPS_DIRTY	1
#endif

/* Writeback asks for one block at a time, and owns a chain of bios, up to 6.7. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define LNKFS_MAP_BLOCKS(name)						\
	int name(struct iomap_writepage_ctx *wpc, struct inode *inode,	\
		 loff_t offset, unsigned int len)
#define lnkfs_ioend_bio(ioend)		(&(ioend)->io_bio)
#define lnkfs_ioend_from_bio(bio)	iomap_ioend_from_bio(bio)
#define LNKFS_ERROR_REMOVE_FOLIO	.error_remove_folio = generic_error_remove_folio
#else
#define LNKFS_MAP_BLOCKS(name)						\
	int name(struct iomap_writepage_ctx *wpc, struct inode *inode,	\
		 loff_t offset)
#define lnkfs_ioend_bio(ioend)		((ioend)->io_bio)
#define lnkfs_ioend_from_bio(bio)	((struct iomap_ioend *)(bio)->bi_private)
#define LNKFS_ERROR_REMOVE_FOLIO	.error_remove_page = generic_error_remove_page
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define lnkfs_iomap_dirty_folio		iomap_dirty_folio
#else
#define lnkfs_iomap_dirty_folio		filemap_dirty_folio
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define lnkfs_splice_read		filemap_splice_read
#else
#define lnkfs_splice_read		generic_file_splice_read
#endif

/* Asynchronous buffered I/O: a property of the operations since 6.10. */
#ifdef FOP_BUFFER_RASYNC
#define LNKFS_FOP_FLAGS		.fop_flags = FOP_BUFFER_RASYNC | FOP_BUFFER_WASYNC,
#define LNKFS_FMODE		(FMODE_NOWAIT | FMODE_CAN_ODIRECT)
#else
#define LNKFS_FOP_FLAGS
#define LNKFS_FMODE		(FMODE_NOWAIT | FMODE_CAN_ODIRECT | \
				 FMODE_BUF_RASYNC | FMODE_BUF_WASYNC)
#endif

/* An inode's dquots, as ->get_dquots returns them. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#define lnkfs_dquot		struct dquot __rcu
#else
#define lnkfs_dquot		struct dquot
#endif

/*
 * The most blocks that jbd2 lets a handle have. Every transaction has some set aside for its own
 * blocks (jbd2_descriptor_blocks_per_trans()); before 6.11 a handle that needs those, too, is
 * let wait for ever.
 */
static inline unsigned int lnkfs_max_credits(const journal_t *journal)
{
	const unsigned int max = journal->j_max_transaction_buffers;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	return max - journal->j_transaction_overhead_buffers;
#else
	const unsigned int tags = (journal->j_blocksize - sizeof(journal_header_t) - 16 -
				   sizeof(struct jbd2_journal_block_tail) - 16) /
				  sizeof(journal_block_tag3_t);

	return max - 1 - DIV_ROUND_UP(max, tags);
#endif
}

/* What the block layer calls when the device is gone. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define LNKFS_SUPER_SHUTDOWN(fn)	.shutdown = fn,
#else
#define LNKFS_SUPER_SHUTDOWN(fn)
#endif

#endif /* LNKFS_COMPAT_H */
