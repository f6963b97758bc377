// SPDX-License-Identifier: GPL-2.0
/*
 * What a volume is called: label, UUID, directory in /sys/fs.
 */
#include <linux/blkdev.h>
#include <linux/mount.h>
#include <linux/uaccess.h>
#include "internal.h"

static int lnkfs_ioc_getlabel(struct lnkfs_sb_info *sbi, char __user *arg)
{
	char label[LNKFS_LABEL_LEN];

	static_assert(LNKFS_LABEL_LEN <= FSLABEL_MAX);
	lock_buffer(sbi->super_bh);
	memcpy(label, sbi->super->s_label, sizeof(label));
	unlock_buffer(sbi->super_bh);
	return copy_to_user(arg, label, sizeof(label)) ? -EFAULT : 0;
}

/* Bring the label of one backup up to date, or make it anew if it is damaged. */
static int lnkfs_label_backup(struct lnkfs_sb_info *sbi, u32 group)
{
	u64 block = lnkfs_group_first(&sbi->fs, group);
	struct lnkfs_super_block *es = sbi->super, *copy;
	struct buffer_head *bh;
	const char *why;
	int err;

	bh = sb_bread_unmovable(sbi->sb, block);
	if (!bh)
		return -EIO;
	copy = (void *)bh->b_data;
	lock_buffer(sbi->super_bh);
	lock_buffer(bh);
	if (lnkfs_super_check(copy, block, 0, &why) ||
	    memcmp(copy->s_meta_uuid, es->s_meta_uuid, sizeof(es->s_meta_uuid)))
		memcpy(copy, es, sizeof(*copy));
	memcpy(copy->s_label, es->s_label, sizeof(copy->s_label));
	copy->s_blocknr = cpu_to_le64(block);
	lnkfs_super_seal(copy);
	mark_buffer_dirty(bh);
	unlock_buffer(bh);
	unlock_buffer(sbi->super_bh);
	err = sync_dirty_buffer(bh);
	brelse(bh);
	return err;
}

/* Put the label into the superblock in memory: its checksum is right at any time. */
static void lnkfs_label_super(struct lnkfs_sb_info *sbi, const char *label)
{
	lock_buffer(sbi->super_bh);
	memcpy(sbi->super->s_label, label, sizeof(sbi->super->s_label));
	lnkfs_super_seal(sbi->super);
	unlock_buffer(sbi->super_bh);
}

/* The superblock first: what is wrong with a backup does not undo it. */
static int lnkfs_set_label(struct lnkfs_sb_info *sbi, const char *label)
{
	char old[LNKFS_LABEL_LEN];
	int err = 0, err2;
	u32 g;

	memcpy(old, sbi->super->s_label, sizeof(old));
	lnkfs_label_super(sbi, label);
	err = lnkfs_super_update(sbi, false);
	if (err) {
		lnkfs_label_super(sbi, old);
		return err;
	}
	for (g = 1; g < lnkfs_groups(&sbi->fs); g++) {
		if (!lnkfs_group_has_super(g))
			continue;
		err2 = lnkfs_label_backup(sbi, g);
		if (err2)
			pr_err("lnkfs (%s): cannot write the backup superblock in group %u (%d)\n",
			       sbi->sb->s_id, g, err2);
		if (!err)
			err = err2;
	}
	return err;
}

static int lnkfs_ioc_setlabel(struct file *file, const char __user *arg)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	char label[LNKFS_LABEL_LEN];
	size_t len;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(label, arg, sizeof(label)))
		return -EFAULT;
	len = strnlen(label, sizeof(label));
	if (len == sizeof(label))
		return -EINVAL;
	memset(label + len, 0, sizeof(label) - len);
	err = mnt_want_write_file(file);
	if (err)
		return err;
	if (lnkfs_rdonly(sb)) {
		err = -EROFS;
	} else {
		mutex_lock(&sbi->label_lock);
		err = lnkfs_set_label(sbi, label);
		mutex_unlock(&sbi->label_lock);
	}
	mnt_drop_write_file(file);
	return err;
}

/* Kernels from 6.9 on answer these two for every filesystem. */
static int lnkfs_ioc_getuuid(struct super_block *sb, struct fsuuid2 __user *arg)
{
	struct fsuuid2 u = { .len = sizeof(sb->s_uuid) };

	memcpy(u.uuid, &sb->s_uuid, sizeof(sb->s_uuid));
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

static int lnkfs_ioc_getsysfspath(struct super_block *sb, struct fs_sysfs_path __user *arg)
{
	struct fs_sysfs_path path = {};

	path.len = scnprintf(path.name, sizeof(path.name), "lnkfs/%pg", sb->s_bdev);
	return copy_to_user(arg, &path, sizeof(path)) ? -EFAULT : 0;
}

/**
 * lnkfs_ioctl_label() - ioctls on the names of a volume
 * @file: carrier
 * @cmd: request
 * @arg: its argument
 *
 * FS_IOC_SETFSLABEL takes up to 63 bytes, and returns when the superblock and
 * all its backups have been written.
 *
 * Return: 0; -ENOTTY when it is none of these; -EFAULT; for a new label -EPERM
 * without CAP_SYS_ADMIN, -EINVAL when it is too long, -EROFS, -EIO.
 */
int lnkfs_ioctl_label(struct file *file, unsigned int cmd, void __user *arg)
{
	struct super_block *sb = file_inode(file)->i_sb;

	switch (cmd) {
	case FS_IOC_GETFSLABEL:
		return lnkfs_ioc_getlabel(LNKFS_SB(sb), arg);
	case FS_IOC_SETFSLABEL:
		return lnkfs_ioc_setlabel(file, arg);
	case FS_IOC_GETFSUUID:
		return lnkfs_ioc_getuuid(sb, arg);
	case FS_IOC_GETFSSYSFSPATH:
		return lnkfs_ioc_getsysfspath(sb, arg);
	default:
		return -ENOTTY;
	}
}
