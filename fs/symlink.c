// SPDX-License-Identifier: GPL-2.0
/*
 * Following symlinks. Once the target is in memory, i_link is set and path walk
 * follows it without calling us: a fast one from the start, a slow one after
 * its first use. Under symperm i_link stays unset, so that every use comes here.
 */
#include <linux/namei.h>
#include <linux/uaccess.h>
#include "internal.h"

/* A target that may be published: the text is all that there is to the link. */
static bool lnkfs_is_plain(struct inode *inode)
{
	return !lnkfs_symperm(inode->i_sb) &&
	       !(LNKFS_I(inode)->ci.lflags & LNKFS_LF_LINK);
}

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
	spin_lock(&inode->i_lock);
	if (lnkfs_is_plain(inode))
		smp_store_release(&inode->i_link, body);
	spin_unlock(&inode->i_lock);
	return body;
}

/**
 * lnkfs_link_text() - the stored text of a symlink
 * @inode: symlink
 *
 * It is there until ->free_inode, which RCU delays.
 *
 * Return: the text; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
const char *lnkfs_link_text(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	const char *body;

	if (li->ci.fork == LNKFS_FORK_FAST_LINK)
		return (char *)li->ci.area;
	/* Pairs with the cmpxchg_release() in lnkfs_fill_link(). */
	body = smp_load_acquire(&li->link_body);
	return body ? body : lnkfs_fill_link(inode);
}

/**
 * lnkfs_may_read_link() - may the caller read a symlink's target?
 * @inode: symlink
 * @rcu: in RCU path walk
 *
 * Path walk does not say which mount it comes through: symperm judges by the
 * volume's own user and group IDs.
 *
 * Return: 0; -EIO after a shutdown; -EACCES; -ECHILD: not in RCU path walk.
 */
int lnkfs_may_read_link(struct inode *inode, bool rcu)
{
	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	if (!lnkfs_symperm(inode->i_sb))
		return 0;
	return inode_permission(lnkfs_nop_idmap, inode,
				MAY_READ | (rcu ? MAY_NOT_BLOCK : 0));
}

/*
 * Targets live until ->free_inode, which RCU delays: no delayed_call is
 * needed, and RCU path walk may use them.
 */
static const char *lnkfs_get_link(struct dentry *dentry, struct inode *inode,
				  struct delayed_call *done)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int err = lnkfs_may_read_link(inode, !dentry);

	if (err)
		return ERR_PTR(err);
	if (li->ci.lflags & LNKFS_LF_LINK)
		return lnkfs_typed_link(dentry, inode, true, done);
	if (!dentry && li->ci.fork != LNKFS_FORK_FAST_LINK && !READ_ONCE(li->link_body))
		return ERR_PTR(-ECHILD);
	return lnkfs_link_text(inode);
}

static int lnkfs_readlink(struct dentry *dentry, char __user *buf, int len)
{
	struct inode *inode = d_inode(dentry);
	const char *text = READ_ONCE(inode->i_link);
	DEFINE_DELAYED_CALL(done);
	size_t n;
	int ret;

	if (!text) {
		ret = lnkfs_may_read_link(inode, false);
		if (ret)
			return ret;
		text = LNKFS_I(inode)->ci.lflags & LNKFS_LF_LINK ?
		       lnkfs_typed_link(dentry, inode, false, &done) : lnkfs_link_text(inode);
		if (IS_ERR(text))
			return PTR_ERR(text);
	}
	n = min_t(size_t, strlen(text), len);
	ret = copy_to_user(buf, text, n) ? -EFAULT : n;
	do_delayed_call(&done);
	return ret;
}

static const struct inode_operations lnkfs_symlink_iops = {
	.readlink	= lnkfs_readlink,
	.get_link	= lnkfs_get_link,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
};

/**
 * lnkfs_set_link_ops() - let the VFS know a symlink
 * @inode: inode being read, or created with its target; or one whose LNKFS_LF_LINK
 *	has changed, with inode_lock held
 */
void lnkfs_set_link_ops(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	char *text = NULL;

	inode->i_op = &lnkfs_symlink_iops;
	inode_nohighmem(inode);
	spin_lock(&inode->i_lock);
	if (lnkfs_is_plain(inode))
		text = li->ci.fork == LNKFS_FORK_FAST_LINK ? (char *)li->ci.area :
							     li->link_body;
	smp_store_release(&inode->i_link, text);
	spin_unlock(&inode->i_lock);
}
