/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels lnkfs builds for (6.1 to 6.12). All tests
 * of LINUX_VERSION_CODE live here.
 */
#ifndef LNKFS_COMPAT_H
#define LNKFS_COMPAT_H

#include <linux/version.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/jbd2.h>
#include <linux/mount.h>
#include <linux/pagemap.h>

/* Idmapped mounts: the type of the first argument of many inode operations. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
typedef struct mnt_idmap lnkfs_idmap;
#define lnkfs_nop_idmap (&nop_mnt_idmap)
#else
typedef struct user_namespace lnkfs_idmap;
#define lnkfs_nop_idmap (&init_user_ns)
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

/* The page cache of a block device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define lnkfs_bdev_mapping(bdev)	((bdev)->bd_mapping)
#else
#define lnkfs_bdev_mapping(bdev)	((bdev)->bd_inode->i_mapping)
#endif

/* NULL on failure in 6.1, an error pointer in later kernels. */
static inline journal_t *lnkfs_journal_init_dev(struct block_device *bdev,
						unsigned long long start,
						int blocks, int blocksize)
{
	journal_t *journal = jbd2_journal_init_dev(bdev, bdev, start, blocks,
						   blocksize);

	return journal ? journal : ERR_PTR(-EINVAL);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline void super_set_uuid(struct super_block *sb, const u8 *uuid,
				  unsigned int len)
{
	memcpy(&sb->s_uuid, uuid, len);
}
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

#endif /* LNKFS_COMPAT_H */
