// SPDX-License-Identifier: GPL-2.0
/*
 * The device of an external journal: finding, claiming and checking it.
 */
#include <linux/blkdev.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/kdev_t.h>
#include <linux/namei.h>
#include "internal.h"

/**
 * lnkfs_journal_path() - the mount option journal_path
 * @fc: context
 * @param: the option
 * @devnum: set to the number of the device that it names
 *
 * Return: 0, -ENOTBLK, or what looking the path up says.
 */
int lnkfs_journal_path(struct fs_context *fc, struct fs_parameter *param, u32 *devnum)
{
	struct path path;
	int err;

	/* The VFS leaves it 0, as if the path began at standard input. */
	if (param->type == fs_value_is_string)
		param->dirfd = AT_FDCWD;
	err = fs_lookup_param(fc, param, true, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	*devnum = new_encode_dev(d_inode(path.dentry)->i_rdev);
	path_put(&path);
	return 0;
}

/* Is the device's superblock one of a journal device, and of this volume's? */
static int lnkfs_check_journal_super(struct lnkfs_sb_info *sbi, struct block_device *bdev)
{
	const struct lnkfs_super_block *js;
	struct super_block *sb = sbi->sb;
	struct buffer_head *bh;
	const char *why;
	int err;

	bh = __bread(bdev, LNKFS_SUPER_OFFSET >> sbi->fs.block_bits, sbi->fs.block_size);
	if (!bh) {
		pr_err("lnkfs (%s): cannot read the superblock of the journal device %pg\n",
		       sb->s_id, bdev);
		return -EIO;
	}
	js = (void *)bh->b_data + (LNKFS_SUPER_OFFSET & (sbi->fs.block_size - 1));
	err = lnkfs_journal_dev_check(js, bdev_nr_bytes(bdev), &why);
	if (!err && memcmp(js->s_uuid, sbi->super->s_journal_uuid, sizeof(js->s_uuid))) {
		why = "not this volume's: its UUID is another";
		err = -EINVAL;
	}
	if (!err && js->s_block_bits != sbi->fs.block_bits) {
		why = "its block size is another than the volume's";
		err = -EINVAL;
	}
	if (err)
		pr_err("lnkfs (%s): journal device %pg: %s\n", sb->s_id, bdev, why);
	sbi->log_bdev = bdev;
	sbi->log_start = le64_to_cpu(js->s_journal_start);
	sbi->log_blocks = le32_to_cpu(js->s_journal_blocks);
	brelse(bh);
	return err;
}

/**
 * lnkfs_journal_dev_open() - claim and check the device of the external journal
 * @sbi: volume being mounted; says where its log is, on success
 *
 * The device stays claimed until lnkfs_journal_dev_close(), also after an error.
 *
 * Return: 0; -EINVAL when no device is known or it is not this volume's journal;
 * -EBUSY when somebody else uses it; -ENXIO when there is no such device; -EROFS,
 * -EIO, -EFSBADCRC, -EFSCORRUPTED.
 */
int lnkfs_journal_dev_open(struct lnkfs_sb_info *sbi)
{
	struct super_block *sb = sbi->sb;
	dev_t dev = new_decode_dev(sbi->journal_devnum);
	struct block_device *bdev;
	lnkfs_bdev *handle;
	int err;

	if (!dev || dev == sb->s_dev) {
		pr_err("lnkfs (%s): the journal is on another device: name it with journal_path\n",
		       sb->s_id);
		return -EINVAL;
	}
	handle = lnkfs_bdev_open(dev, sb);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		pr_err("lnkfs (%s): cannot open the journal device %u:%u (%d)%s\n", sb->s_id,
		       MAJOR(dev), MINOR(dev), err, err == -EBUSY ? ": it is in use" : "");
		return err;
	}
	sbi->journal_bdev = handle;
	bdev = lnkfs_bdev_of(handle);
	if (lnkfs_bdev_set_blocksize(handle, sbi->fs.block_size)) {
		pr_err("lnkfs (%s): the journal device %pg does not take blocks of %u bytes\n",
		       sb->s_id, bdev, sbi->fs.block_size);
		return -EINVAL;
	}
	err = lnkfs_check_journal_super(sbi, bdev);
	if (!err && bdev_read_only(bdev) && !sb_rdonly(sb)) {
		pr_err("lnkfs (%s): the journal device %pg is read-only\n", sb->s_id, bdev);
		err = -EROFS;
	}
	return err;
}

/**
 * lnkfs_journal_dev_close() - give the device back
 * @handle: lnkfs_sb_info.journal_bdev; the journal has been closed
 *
 * jbd2 writes the log past the device's page cache, so nothing must stay there.
 */
void lnkfs_journal_dev_close(lnkfs_bdev *handle)
{
	sync_blockdev(lnkfs_bdev_of(handle));
	invalidate_bdev(lnkfs_bdev_of(handle));
	lnkfs_bdev_close(handle);
}
