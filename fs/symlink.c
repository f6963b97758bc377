// SPDX-License-Identifier: GPL-2.0
/*
 * Following symlinks. Once the target is in memory, i_link is set and path walk
 * follows it without calling us: a fast one from the start, a slow one after
 * its first use. Under symperm i_link stays unset, so that every use comes here.
 */
#include <linux/namei.h>
#include "internal.h"

/* Read the body and publish it; somebody else may have been faster. */
static const char *lnkfs_fill_link(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	char *body, *old;
	int err;

	body = kmalloc(li->ci.size + 1, GFP_KERNEL);
	if (!body)
		return ERR_PTR(-ENOMEM);
	err = lnkfs_symlink_read_slow(LNKFS_FS(inode), &li->ci, body);
	if (err) {
		kfree(body);
		return ERR_PTR(err);
	}
	old = cmpxchg_release(&li->link_body, NULL, body);
	if (old) {
		kfree(body);
		body = old;
	}
	if (!lnkfs_symperm(inode->i_sb))
		smp_store_release(&inode->i_link, body);
	return body;
}

/*
 * Targets live until ->free_inode, which RCU delays: no delayed_call is
 * needed, and RCU path walk may use them.
 *
 * Path walk does not say which mount it comes through: symperm judges by the
 * volume's own user and group IDs.
 */
static const char *lnkfs_get_link(struct dentry *dentry, struct inode *inode,
				  struct delayed_call *done)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	const char *body;
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return ERR_PTR(-EIO);
	if (lnkfs_symperm(inode->i_sb)) {
		err = inode_permission(lnkfs_nop_idmap, inode,
				       MAY_READ | (dentry ? 0 : MAY_NOT_BLOCK));
		if (err)
			return ERR_PTR(err);
	}
	if (li->ci.fork == LNKFS_FORK_FAST_LINK)
		return (char *)li->ci.area;
	/* Pairs with the cmpxchg_release() in lnkfs_fill_link(). */
	body = smp_load_acquire(&li->link_body);
	if (body)
		return body;
	if (!dentry)
		return ERR_PTR(-ECHILD);
	return lnkfs_fill_link(inode);
}

static const struct inode_operations lnkfs_symlink_iops = {
	.get_link	= lnkfs_get_link,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
};

/**
 * lnkfs_set_link_ops() - give a symlink its operations
 * @inode: inode being read, or created with its target
 */
void lnkfs_set_link_ops(struct inode *inode)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;

	inode->i_op = &lnkfs_symlink_iops;
	inode_nohighmem(inode);
	if (ci->fork == LNKFS_FORK_FAST_LINK && !lnkfs_symperm(inode->i_sb))
		inode->i_link = (char *)ci->area;
}
