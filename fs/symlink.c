// SPDX-License-Identifier: GPL-2.0
/*
 * Following symlinks. A fast one has i_link set and never comes here; a slow
 * one is read once and then stays in memory as long as its inode.
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
		return old;
	}
	return body;
}

/*
 * The body lives until ->free_inode, which RCU delays: no delayed_call is
 * needed, and RCU path walk may use it.
 */
static const char *lnkfs_get_link(struct dentry *dentry, struct inode *inode,
				  struct delayed_call *done)
{
	/* Pairs with the cmpxchg_release() in lnkfs_fill_link(). */
	const char *body = smp_load_acquire(&LNKFS_I(inode)->link_body);

	if (body)
		return body;
	if (!dentry)
		return ERR_PTR(-ECHILD);
	return lnkfs_fill_link(inode);
}

const struct inode_operations lnkfs_fast_symlink_iops = {
	.get_link	= simple_get_link,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
};

const struct inode_operations lnkfs_slow_symlink_iops = {
	.get_link	= lnkfs_get_link,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
};
