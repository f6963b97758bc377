// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX ACLs. They are kept as attributes in the generic form, with the IDs of
 * the initial user namespace; the VFS caches and enforces them.
 */
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include "internal.h"

static struct lnkfs_xattr_key lnkfs_acl_key(int type)
{
	return (struct lnkfs_xattr_key) {
		.space = type == ACL_TYPE_ACCESS ? LNKFS_XATTR_ACL_ACCESS :
						   LNKFS_XATTR_ACL_DEFAULT,
		.name = "",
	};
}

/* Read an ACL's attribute: its length, 0 when there is none, or an error. */
static int lnkfs_read_acl(struct inode *inode, int type, void **value)
{
	struct lnkfs_xattr_key key = lnkfs_acl_key(type);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	int len;

	*value = NULL;
	down_read(&li->ext_lock);
	len = lnkfs_xattr_get(fs, &li->ci, &key, NULL, 0);
	if (len > 0) {
		*value = lnkfs_alloc(len);
		len = *value ? lnkfs_xattr_get(fs, &li->ci, &key, *value, len) : -ENOMEM;
	}
	up_read(&li->ext_lock);
	return len == -ENODATA ? 0 : len;
}

/**
 * lnkfs_get_acl() - read an ACL (inode_operations)
 * @inode: the inode
 * @type: ACL_TYPE_*
 * @rcu: may not sleep
 *
 * Return: the ACL, which the VFS caches; NULL: there is none; -ECHILD, -EIO,
 * -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
struct posix_acl *lnkfs_get_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl;
	void *value;
	int len, err;

	if (rcu)
		return ERR_PTR(-ECHILD);
	if (lnkfs_stopped(inode->i_sb))
		return ERR_PTR(-EIO);
	len = lnkfs_read_acl(inode, type, &value);
	if (len <= 0) {
		lnkfs_free(value);
		return ERR_PTR(len);
	}
	acl = posix_acl_from_xattr(&init_user_ns, value, len);
	lnkfs_free(value);
	if (acl == ERR_PTR(-ENOMEM))
		return acl;
	err = PTR_ERR_OR_ZERO(acl);
	if (!err && acl)
		err = posix_acl_valid(&init_user_ns, acl);
	if (!err)
		return acl;
	if (!IS_ERR(acl))
		posix_acl_release(acl);
	return ERR_PTR(lnkfs_report(LNKFS_FS(inode), -EFSCORRUPTED, inode->i_ino, 0,
				    "an ACL makes no sense"));
}

/* The attribute of an ACL; NULL for no ACL. */
static void *lnkfs_acl_value(const struct posix_acl *acl, size_t *len)
{
	void *value;
	int err;

	*len = 0;
	if (!acl)
		return NULL;
	*len = posix_acl_xattr_size(acl->a_count);
	value = kvmalloc(*len, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	err = posix_acl_to_xattr(&init_user_ns, acl, value, *len);
	if (err < 0) {
		kvfree(value);
		return ERR_PTR(err);
	}
	return value;
}

/*
 * lnkfs_set_acl() - set or remove an ACL (inode_operations)
 *
 * An access ACL sets the mode, and is not kept where it says no more than that.
 *
 * Context: inode_lock held.
 * Return: 0 or an error of lnkfs_change_xattr().
 */
LNKFS_SET_ACL(lnkfs_set_acl)
{
	struct inode *ino = LNKFS_SET_ACL_INODE;
	struct lnkfs_xattr_key key = lnkfs_acl_key(type);
	umode_t mode = ino->i_mode;
	size_t len;
	void *value;
	int err;

	if (type == ACL_TYPE_ACCESS && acl) {
		err = posix_acl_update_mode(idmap, ino, &mode, &acl);
		if (err)
			return err;
	}
	value = lnkfs_acl_value(acl, &len);
	if (IS_ERR(value))
		return PTR_ERR(value);
	err = lnkfs_change_xattr(ino, &key, value, len, 0, mode);
	kvfree(value);
	if (err)
		return err;
	set_cached_acl(ino, type, acl);
	if (S_ISDIR(ino->i_mode))
		lnkfs_tree_changed(ino->i_sb);
	return 0;
}

static int lnkfs_new_acl(struct lnkfs_newborn *nb, int type, struct posix_acl *acl)
{
	size_t len;
	void *value;
	int err;

	if (!acl)
		return 0;
	value = lnkfs_acl_value(acl, &len);
	if (IS_ERR(value))
		return PTR_ERR(value);
	err = lnkfs_newborn_xattr(nb, lnkfs_acl_key(type).space, "", value, len);
	kvfree(value);
	if (!err)
		set_cached_acl(nb->inode, type, acl);
	return err;
}

/**
 * lnkfs_inherit_acls() - ACLs of a new inode, from its directory's default one
 * @nb: the inode, with its owner and mode; the umask or the ACL changes the mode
 * @dir: its directory, locked
 *
 * Return: 0, -ENOMEM, or the error of reading the directory's ACL.
 */
int lnkfs_inherit_acls(struct lnkfs_newborn *nb, struct inode *dir)
{
	struct posix_acl *def, *acl;
	int err;

	cache_no_acl(nb->inode);
	err = posix_acl_create(dir, &nb->inode->i_mode, &def, &acl);
	if (err)
		return err;
	err = lnkfs_new_acl(nb, ACL_TYPE_DEFAULT, def);
	if (!err)
		err = lnkfs_new_acl(nb, ACL_TYPE_ACCESS, acl);
	posix_acl_release(def);
	posix_acl_release(acl);
	return err;
}
