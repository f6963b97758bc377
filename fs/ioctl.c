// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls of lnkfs's own (lnkfs.h). Those on flags that all Linux filesystems
 * share come from the VFS through ->fileattr_get and ->fileattr_set.
 */
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fsmap.h>
#include <linux/fsnotify.h>
#include <linux/security.h>
#include <linux/uaccess.h>
#include "internal.h"
#include "lnkfs.h"
#include "trace.h"

static_assert(sizeof(struct lnkfs_attr) == 0x40);

/* The argument, as far as it can be wrong without looking at the object. */
static int lnkfs_copy_attr(struct lnkfs_attr *a, const void __user *arg)
{
	if (copy_from_user(a, arg, sizeof(*a)))
		return -EFAULT;
	if (a->a_size != sizeof(*a) || a->a_supported ||
	    memchr_inv(a->a_reserved, 0, sizeof(a->a_reserved)))
		return -EINVAL;
	return 0;
}

/**
 * lnkfs_get_object() - the object that a descriptor names
 * @sb: volume
 * @fd: descriptor, which may have been opened with O_PATH
 *
 * Return: the file, to be put (fput()); -EBADF; -EXDEV when it is of another volume.
 */
struct file *lnkfs_get_object(struct super_block *sb, int fd)
{
	struct file *object = fget_raw(fd);

	if (!object)
		return ERR_PTR(-EBADF);
	if (file_inode(object)->i_sb != sb) {
		fput(object);
		return ERR_PTR(-EXDEV);
	}
	return object;
}

static int lnkfs_ioc_getattr(struct super_block *sb, void __user *arg)
{
	struct lnkfs_attr a;
	struct file *object;
	struct kstat stat;
	int err;

	err = lnkfs_copy_attr(&a, arg);
	if (err)
		return err;
	if (a.a_mask || a.a_mode || a.a_flags)
		return -EINVAL;
	object = lnkfs_get_object(sb, a.a_fd);
	if (IS_ERR(object))
		return PTR_ERR(object);
	err = vfs_getattr(&object->f_path, &stat, STATX_TYPE | STATX_MODE, 0);
	if (!err) {
		a.a_mask = LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS;
		a.a_mode = stat.mode;
		a.a_flags = READ_ONCE(LNKFS_I(file_inode(object))->ci.flags);
		a.a_supported = LNKFS_FLAGS_ALL;
		if (copy_to_user(arg, &a, sizeof(a)))
			err = -EFAULT;
	}
	fput(object);
	return err;
}

/*
 * What chmod(2) and chflags(2) check, in the order of these two. The mode of
 * types other than symlinks is chmod's: it calls hooks that a module cannot.
 */
static int lnkfs_may_setattr(lnkfs_idmap *idmap, struct dentry *dentry,
			     const struct lnkfs_attr *a, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err;

	if (a->a_mask & LNKFS_ATTR_MODE) {
		if (!S_ISLNK(inode->i_mode))
			return -EOPNOTSUPP;
		if (IS_IMMUTABLE(inode) || IS_APPEND(inode))
			return -EPERM;
		err = setattr_prepare(idmap, dentry, attr);
		if (err)
			return err;
	}
	if (a->a_mask & LNKFS_ATTR_FLAGS) {
		err = lnkfs_may_chflags(idmap, inode, a->a_flags);
		if (err)
			return err;
	}
	/* There is no hook for flags: ask as for the mode that stays. */
	return security_inode_setattr(idmap, dentry, attr);
}

static int lnkfs_set_object(struct file *object, const struct lnkfs_attr *a)
{
	lnkfs_idmap *idmap = lnkfs_mnt_idmap(object->f_path.mnt);
	struct dentry *dentry = object->f_path.dentry;
	struct inode *inode = d_inode(dentry);
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct iattr attr = { .ia_valid = ATTR_MODE | ATTR_CTIME };
	struct lnkfs_new_attrs new;
	bool mode = a->a_mask & LNKFS_ATTR_MODE;
	int err;

	inode_lock(inode);
	attr.ia_mode = mode ? (inode->i_mode & S_IFMT) | a->a_mode : inode->i_mode;
	attr.ia_ctime = current_time(inode);
	err = lnkfs_may_setattr(idmap, dentry, a, &attr);
	if (!err) {
		new.flags = a->a_mask & LNKFS_ATTR_FLAGS ? a->a_flags : ci->flags;
		new.lflags = ci->lflags;
		new.projid = ci->projid;
		err = lnkfs_change_attrs(idmap, inode, &new, mode ? &attr : NULL);
	}
	inode_unlock(inode);
	if (!err)
		fsnotify_change(dentry, ATTR_MODE);
	return err;
}

static int lnkfs_ioc_setattr(struct super_block *sb, const void __user *arg)
{
	struct lnkfs_attr a;
	struct file *object;
	int err;

	err = lnkfs_copy_attr(&a, arg);
	if (err)
		return err;
	if (!a.a_mask || (a.a_mask & ~(LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS)) ||
	    (!(a.a_mask & LNKFS_ATTR_FLAGS) && a.a_flags) ||
	    (a.a_mode & ~(a.a_mask & LNKFS_ATTR_MODE ? S_IALLUGO : 0)))
		return -EINVAL;
	object = lnkfs_get_object(sb, a.a_fd);
	if (IS_ERR(object))
		return PTR_ERR(object);
	err = mnt_want_write(object->f_path.mnt);
	if (!err) {
		err = lnkfs_set_object(object, &a);
		mnt_drop_write(object->f_path.mnt);
	}
	fput(object);
	return err;
}

/* From now on nothing is written, and everything answers EIO. */
static void lnkfs_stop(struct super_block *sb, const char *why)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);

	/* Errors of before are not to be forgotten. */
	flush_work(&sbi->error_work);
	if (test_and_set_bit(LNKFS_SB_STOPPED, &sbi->state))
		return;
	pr_warn("lnkfs (%s): shut down%s\n", sb->s_id, why);
	if (sbi->journal && !is_journal_aborted(sbi->journal))
		jbd2_journal_abort(sbi->journal, -ESHUTDOWN);
}

/**
 * lnkfs_device_gone() - the device, or that of the journal, has been removed
 * @sb: volume
 *
 * Only newer kernels tell. On others every request is refused by then.
 *
 * Context: s_umount is held, shared.
 */
void lnkfs_device_gone(struct super_block *sb)
{
	lnkfs_stop(sb, ": its device is gone");
}

static int lnkfs_ioc_shutdown(struct super_block *sb, const u32 __user *arg)
{
	u32 how;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(how, arg))
		return -EFAULT;
	if (lnkfs_stopped(sb))
		return 0;
	trace_lnkfs_shutdown(sb, how);
	switch (how) {
	case LNKFS_SHUTDOWN_SYNC:
		err = lnkfs_bdev_freeze(sb->s_bdev);
		if (err)
			return err;
		lnkfs_stop(sb, " on request");
		lnkfs_bdev_thaw(sb->s_bdev);
		return 0;
	case LNKFS_SHUTDOWN_LOG:
		/* A device that fails is a reason to stop, not one to go on. */
		if (!lnkfs_rdonly(sb))
			lnkfs_force_commit(sb);
		lnkfs_stop(sb, " on request");
		return 0;
	case LNKFS_SHUTDOWN_NOW:
		lnkfs_stop(sb, " on request");
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * lnkfs_ioctl() - ioctls on files and directories (file_operations)
 * @file: carrier
 * @cmd: request
 * @arg: its argument
 *
 * Return: as lnkfs.h says; -ENOTTY for what is not known.
 */
long lnkfs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct inode *inode = file_inode(file);
	struct super_block *sb = inode->i_sb;
	void __user *uarg = (void __user *)arg;

	if (cmd == LNKFS_IOC_SHUTDOWN)
		return lnkfs_ioc_shutdown(sb, uarg);
	if (lnkfs_stopped(sb))
		return -EIO;
	switch (cmd) {
	case LNKFS_IOC_GETATTR:
		return lnkfs_ioc_getattr(sb, uarg);
	case LNKFS_IOC_SETATTR:
		return lnkfs_ioc_setattr(sb, uarg);
	case LNKFS_IOC_GETNAMES:
		return lnkfs_ioc_getnames(file, uarg);
	case LNKFS_IOC_GETLINK:
		return lnkfs_ioc_getlink(sb, uarg);
	case LNKFS_IOC_SETLINK:
		return lnkfs_ioc_setlink(sb, uarg);
	case FS_IOC_GETVERSION:
		return put_user(inode->i_generation, (int __user *)uarg);
	case FITRIM:
		return lnkfs_ioc_fitrim(sb, uarg);
	case FS_IOC_GETFSMAP:
		return lnkfs_ioc_getfsmap(sb, uarg);
	case LNKFS_IOC_GROW:
		return lnkfs_ioc_grow(file, uarg);
	default:
		return lnkfs_ioctl_label(file, cmd, uarg);
	}
}

#ifdef CONFIG_COMPAT
/**
 * lnkfs_compat_ioctl() - ioctls of 32-bit programs (file_operations)
 * @file: carrier
 * @cmd: request
 * @arg: its argument; the structures have the same layout
 */
long lnkfs_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == FS_IOC32_GETVERSION)
		cmd = FS_IOC_GETVERSION;
	return lnkfs_ioctl(file, cmd, (unsigned long)compat_ptr(arg));
}
#endif
