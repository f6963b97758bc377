// SPDX-License-Identifier: GPL-2.0
/*
 * An inode before it has a record. The size of a record is chosen once, and
 * attributes go into it: so owner, ACLs and security labels of a new inode are
 * settled first, outside of a handle, and stored in the handle that creates it.
 */
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/xattr.h>
#include "internal.h"

/* Room that the fork of a new inode is to have beside its attributes, bytes. */
#define LNKFS_NEW_FORK_FILE	56	/* a root of two extents */
#define LNKFS_NEW_FORK_DIR	248	/* several names */

/* Slots that a directory has at least: it starts with room for names. */
#define LNKFS_NEW_DIR_SLOTS	2

/**
 * lnkfs_newborn_xattr() - note an attribute of a new inode
 * @nb: the inode
 * @space: LNKFS_XATTR_*
 * @name: name without prefix; empty for an ACL
 * @value: its value, copied
 * @len: length of the value
 *
 * Return: 0, -ENOMEM, -ERANGE, -E2BIG.
 */
int lnkfs_newborn_xattr(struct lnkfs_newborn *nb, u8 space, const char *name,
			const void *value, size_t len)
{
	size_t name_len = strlen(name);
	struct lnkfs_new_xattr *x;

	if (name_len > LNKFS_NAME_LEN)
		return -ERANGE;
	if (len > LNKFS_XATTR_VALUE_MAX)
		return -E2BIG;
	x = kvmalloc(struct_size(x, value, len + name_len), GFP_KERNEL);
	if (!x)
		return -ENOMEM;
	memcpy(x->value, value, len);
	memcpy(x->value + len, name, name_len);
	x->len = len;
	x->key.space = space;
	x->key.name_len = name_len;
	x->key.name = (char *)x->value + len;
	list_add_tail(&x->list, &nb->xattrs);
	return 0;
}

/* Callback of security_inode_init_security(), the first time. */
static int lnkfs_note_labels(struct inode *inode, const struct xattr *labels, void *data)
{
	struct lnkfs_newborn *nb = data;
	const struct xattr *l;
	int err = 0;

	for (l = labels; l->name && !err; l++) {
		nb->sign |= !strcmp(l->name, XATTR_EVM_SUFFIX);
		err = lnkfs_newborn_xattr(nb, LNKFS_XATTR_SECURITY, l->name, l->value,
					  l->value_len);
	}
	return err;
}

/* And the second time: the labels are the same, their signature is not. */
static int lnkfs_note_signature(struct inode *inode, const struct xattr *labels, void *data)
{
	struct lnkfs_newborn *nb = data;
	struct lnkfs_new_xattr *x;
	const struct xattr *l;

	for (l = labels; l->name; l++) {
		if (strcmp(l->name, XATTR_EVM_SUFFIX))
			continue;
		list_for_each_entry(x, &nb->xattrs, list) {
			if (x->key.name_len != strlen(XATTR_EVM_SUFFIX) ||
			    memcmp(x->key.name, XATTR_EVM_SUFFIX, x->key.name_len))
				continue;
			if (x->len != l->value_len)
				return -EINVAL;
			memcpy(x->value, l->value, x->len);
		}
	}
	return 0;
}

/* Choose the size of the record, and count the blocks of what is outside of it. */
static void lnkfs_newborn_size(struct lnkfs_newborn *nb, u32 target_len)
{
	struct lnkfs_fs *fs = LNKFS_FS(nb->inode);
	umode_t mode = nb->inode->i_mode;
	u32 fork = 0, least = 1, bytes = 0;
	struct lnkfs_new_xattr *x;

	list_for_each_entry(x, &nb->xattrs, list)
		bytes += lnkfs_xattr_size(x->key.name_len, x->len);
	nb->credits = LNKFS_CREDITS_IALLOC + LNKFS_CREDITS_STORE + LNKFS_CREDITS_IFREE;
	if (S_ISREG(mode)) {
		fork = LNKFS_NEW_FORK_FILE;
	} else if (S_ISDIR(mode)) {
		fork = LNKFS_NEW_FORK_DIR;
		least = LNKFS_NEW_DIR_SLOTS;
	} else if (S_ISLNK(mode)) {
		least = lnkfs_symlink_slots(fs, target_len);
		fork = least ? target_len + 1 : sizeof(struct lnkfs_slow_link);
		nb->slow = !least;
		if (nb->slow)
			nb->credits += DIV_ROUND_UP(target_len, fs->block_size) +
				       LNKFS_CREDITS_ALLOC + LNKFS_CREDITS_FREE;
	} else {
		fork = sizeof(struct lnkfs_device);
	}
	least = max(least, 1U);
	nb->slots = max(least, lnkfs_xattr_slots(fs, fork, bytes));
	if (fork + bytes <= LNKFS_AREA_LEN(nb->slots))
		return;
	list_for_each_entry(x, &nb->xattrs, list) {
		nb->credits += lnkfs_xattr_set_credits(fs, NULL, x->key.name_len, x->len);
		nb->revokes += lnkfs_xattr_revokes(fs, x->len);
	}
}

/**
 * lnkfs_prepare_inode() - make an inode that has no number yet
 * @nb: filled in; the caller calls lnkfs_release_newborn() unless it fails
 * @idmap: of the mount
 * @dir: parent directory
 * @name: its name, or NULL when it is to have none
 * @mode: type and permissions
 * @target_len: of a symlink, or 0
 *
 * Owner, permissions, inherited flags, ACLs and security labels are settled, and
 * the dquots of the inode and of its directory are in memory.
 *
 * Context: not in a handle; @dir is locked.
 * Return: 0; -EOVERFLOW when the owner stands for nobody on the volume (the VFS asks
 * that only where it makes a name: not for a whiteout over an existing target);
 * -ENOMEM, or the error of a security module or of reading the directory's ACL.
 */
int lnkfs_prepare_inode(struct lnkfs_newborn *nb, lnkfs_idmap *idmap, struct inode *dir,
			const struct qstr *name, umode_t mode, u32 target_len)
{
	struct inode *inode = new_inode(dir->i_sb);
	int err;

	memset(nb, 0, sizeof(*nb));
	INIT_LIST_HEAD(&nb->xattrs);
	if (!inode)
		return -ENOMEM;
	nb->inode = inode;
	nb->dir = dir;
	nb->name = name;
	inode_init_owner(idmap, inode, dir, mode);
	lnkfs_inherit_flags(inode, dir);
	err = uid_valid(inode->i_uid) && gid_valid(inode->i_gid) ? 0 : -EOVERFLOW;
	if (!err)
		err = dquot_initialize(dir);
	if (!err)
		err = dquot_initialize(inode);
	if (!err)
		err = lnkfs_inherit_acls(nb, dir);
	if (!err)
		err = security_inode_init_security(inode, dir, name, lnkfs_note_labels, nb);
	if (err)
		lnkfs_release_newborn(nb);
	else
		lnkfs_newborn_size(nb, target_len);
	return err;
}

/**
 * lnkfs_store_new_xattrs() - store what a new inode has inherited
 * @handle: the handle of its creation
 * @nb: the inode, its fork filled
 *
 * Return: 0; -ENOSPC, -EDQUOT, -ENOMEM, -EIO, -EFSCORRUPTED, and the inode has
 * been taken back.
 */
int lnkfs_store_new_xattrs(handle_t *handle, struct lnkfs_newborn *nb)
{
	struct lnkfs_cinode *ci = &LNKFS_I(nb->inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(nb->inode);
	struct lnkfs_charge charge;
	struct lnkfs_new_xattr *x;
	int err = 0;

	/* EVM signs the inode's number and generation as well. */
	if (nb->sign)
		err = security_inode_init_security(nb->inode, nb->dir, nb->name,
						   lnkfs_note_signature, nb);
	list_for_each_entry(x, &nb->xattrs, list) {
		if (err)
			break;
		lnkfs_charge_begin(&charge, nb->inode);
		err = lnkfs_xattr_set(handle, fs, ci, &x->key, x->value, x->len, 0);
		lnkfs_charge_end(&charge);
	}
	if (err)
		lnkfs_undo_new_inode(handle, nb->inode);
	return err;
}

/**
 * lnkfs_release_newborn() - done with what lnkfs_prepare_inode() made
 * @nb: its inode, unless that is NULL, is dropped
 *
 * Context: not in a handle.
 */
void lnkfs_release_newborn(struct lnkfs_newborn *nb)
{
	struct lnkfs_new_xattr *x, *next;

	list_for_each_entry_safe(x, next, &nb->xattrs, list)
		kvfree(x);
	if (!nb->inode)
		return;
	if (nb->locked)
		discard_new_inode(nb->inode);
	else
		iput(nb->inode);
}
