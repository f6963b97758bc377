// SPDX-License-Identifier: GPL-2.0
/*
 * Reading directories.
 */
#include "internal.h"

/*
 * The listing ends where the directory ended when it was opened or rewound:
 * names added meanwhile go behind that end at worst, so that renaming while
 * listing terminates.
 */
static u64 lnkfs_dir_now_end(struct inode *inode)
{
	return lnkfs_dir_end(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
}

static int lnkfs_emit(void *p, const struct lnkfs_name *name)
{
	struct dir_context *ctx = p;

	ctx->pos = name->pos;
	return !dir_emit(ctx, name->name, name->len, name->ino, name->type);
}

/* Context: i_rwsem held shared. */
static int lnkfs_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *inode = file_inode(file);
	u64 *end = file->private_data;
	u64 pos;
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	if (IS_DEADDIR(inode))
		return -ENOENT;
	if (ctx->pos == 0)
		*end = lnkfs_dir_now_end(inode);
	if (!dir_emit_dots(file, ctx))
		return 0;
	pos = max_t(u64, ctx->pos, LNKFS_DIR_FIRST_POS);
	if (pos >= *end)
		return 0;
	err = lnkfs_dir_iterate(LNKFS_FS(inode), &LNKFS_I(inode)->ci, &pos, *end,
				lnkfs_emit, ctx);
	ctx->pos = pos;
	return err;
}

static int lnkfs_dir_open(struct inode *inode, struct file *file)
{
	u64 *end;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	end = kmalloc(sizeof(*end), GFP_KERNEL);
	if (!end)
		return -ENOMEM;
	inode_lock_shared(inode);
	*end = lnkfs_dir_now_end(inode);
	inode_unlock_shared(inode);
	file->private_data = end;
	return 0;
}

static int lnkfs_dir_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

/*
 * Positions are those of the entries, up to 2^35. A seek does not change the
 * end of the listing: only a rewind does.
 */
static loff_t lnkfs_dir_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	u64 *end = file->private_data;
	loff_t eof, pos;

	inode_lock_shared(inode);
	eof = lnkfs_dir_now_end(inode);
	pos = generic_file_llseek_size(file, offset, whence, S64_MAX, eof);
	if (pos == 0)
		*end = eof;
	inode_unlock_shared(inode);
	return pos;
}

const struct file_operations lnkfs_dir_fops = {
	.open		= lnkfs_dir_open,
	.release	= lnkfs_dir_release,
	.llseek		= lnkfs_dir_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= lnkfs_iterate,
	.unlocked_ioctl	= lnkfs_ioctl,
	.compat_ioctl	= lnkfs_compat_ioctl,
	.fsync		= lnkfs_fsync,
};
