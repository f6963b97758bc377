// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes as the VFS sees them. ext_lock protects them: they share
 * the inode with the fork, and their blocks are counted with its.
 */
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/iversion.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include "internal.h"

/* The key of a name without its prefix; -ERANGE when it is too long. */
static int lnkfs_xattr_key(struct lnkfs_xattr_key *key, u8 space, const char *name)
{
	size_t len = strlen(name);

	if (len > LNKFS_NAME_LEN)
		return -ERANGE;
	key->space = space;
	key->name_len = len;
	key->name = name;
	return 0;
}

static int lnkfs_xattr_handler_get(const struct xattr_handler *handler, struct dentry *dentry,
				   struct inode *inode, const char *name, void *buf,
				   size_t size)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_xattr_key key;
	int ret;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	ret = lnkfs_xattr_key(&key, handler->flags, name);
	if (ret)
		return ret;
	down_read(&li->ext_lock);
	ret = lnkfs_xattr_get(LNKFS_FS(inode), &li->ci, &key, buf,
			      min_t(size_t, size, LNKFS_XATTR_VALUE_MAX));
	up_read(&li->ext_lock);
	return ret;
}

static int lnkfs_xattr_handler_set(const struct xattr_handler *handler, lnkfs_idmap *idmap,
				   struct dentry *dentry, struct inode *inode,
				   const char *name, const void *value, size_t size,
				   int flags)
{
	struct lnkfs_xattr_key key;
	unsigned int how = 0;
	int err;

	err = lnkfs_xattr_key(&key, handler->flags, name);
	if (err)
		return err;
	if (flags & XATTR_CREATE)
		how |= LNKFS_XS_CREATE;
	if (flags & XATTR_REPLACE)
		how |= LNKFS_XS_REPLACE;
	return lnkfs_change_xattr(inode, &key, value, size, how, inode->i_mode);
}

/* Start a handle that sets an attribute and take ext_lock for write. */
static handle_t *lnkfs_begin_xattr(struct inode *inode, u32 name_len, u32 len)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	handle_t *handle;
	u32 credits;

	for (;;) {
		down_read(&li->ext_lock);
		credits = lnkfs_xattr_set_credits(fs, &li->ci, name_len, len);
		up_read(&li->ext_lock);
		handle = lnkfs_begin_inode(inode, credits + LNKFS_CREDITS_STORE,
					   credits ? lnkfs_xattr_revokes(fs, len) : 0);
		if (IS_ERR(handle))
			return handle;
		down_write(&li->ext_lock);
		if (lnkfs_xattr_set_credits(fs, &li->ci, name_len, len) <= credits)
			return handle;
		up_write(&li->ext_lock);
		lnkfs_end(handle);
	}
}

static int lnkfs_change_xattr_once(struct inode *inode, const struct lnkfs_xattr_key *key,
				   const void *value, u32 len, unsigned int flags,
				   umode_t mode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_charge charge;
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin_xattr(inode, key->name_len, len);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	/* A removal is never refused. */
	lnkfs_charge_begin(&charge, value ? inode : NULL);
	err = lnkfs_xattr_set(handle, LNKFS_FS(inode), &li->ci, key, value, len, flags);
	lnkfs_charge_end(&charge);
	/* An ACL that says no more than the mode, or the kind of a plain link. */
	if (err == -ENODATA && !key->name_len)
		err = 0;
	if (!err) {
		inode->i_mode = mode;
		lnkfs_touch_ctime(inode);
		inode_inc_iversion(inode);
		lnkfs_sync_handle(handle, inode);
	}
	/* Also after an error: blocks may have come and gone. */
	err2 = lnkfs_store(handle, inode);
	up_write(&li->ext_lock);
	if (!err)
		err = err2;
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

/**
 * lnkfs_change_xattr() - set or remove an attribute, in one handle
 * @inode: the inode
 * @key: the attribute
 * @value: its new value; NULL: remove it
 * @len: length of the value
 * @flags: LNKFS_XS_*
 * @mode: the mode that the inode gets
 *
 * Context: inode_lock held, not in a handle.
 * Return: 0; -EEXIST, -ENODATA (not for ACLs), -E2BIG, -ENOSPC, -EDQUOT, -EROFS, -EIO,
 * -ENOMEM, -EFSCORRUPTED, -EFSBADCRC with every attribute as it was.
 */
int lnkfs_change_xattr(struct inode *inode, const struct lnkfs_xattr_key *key,
		       const void *value, size_t len, unsigned int flags, umode_t mode)
{
	int err, tries = 0;

	if (len > LNKFS_XATTR_VALUE_MAX)
		return -E2BIG;
	err = dquot_initialize(inode);
	if (err)
		return err;
	do {
		err = lnkfs_change_xattr_once(inode, key, value, len, flags, mode);
	} while (lnkfs_retry_name(inode->i_sb, err, &tries));
	/*
	 * A label says who may take a way. The VFS hands it on after this, before it
	 * unlocks the directory: see lnkfs_name_in().
	 */
	if (S_ISDIR(inode->i_mode) && key->space == LNKFS_XATTR_SECURITY)
		lnkfs_tree_changed(inode->i_sb);
	return err;
}

/**
 * lnkfs_free_xattrs() - free the blocks of the attributes of a deleted inode
 * @inode: inode without links that nobody else uses
 *
 * In several handles, each of which leaves a sound orphan.
 *
 * Context: not in a handle.
 * Return: 0, or an error of the core or the journal.
 */
int lnkfs_free_xattrs(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	handle_t *handle;
	int more, err;

	if (!li->ci.xattr_block)
		return 0;
	do {
		handle = lnkfs_begin_inode(inode, lnkfs_xattr_free_credits() +
					   LNKFS_CREDITS_STORE, lnkfs_xattr_revokes(fs, 0));
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		down_write(&li->ext_lock);
		more = lnkfs_xattr_free(handle, fs, &li->ci);
		err = lnkfs_store(handle, inode);
		up_write(&li->ext_lock);
		if (!err)
			err = lnkfs_end(handle);
		else
			lnkfs_end(handle);
		cond_resched();
	} while (more > 0 && !err);
	return more < 0 ? more : err;
}

/**
 * struct lnkfs_xattr_list - a listing under way
 * @inode: the inode
 * @trusted: the caller sees trusted attributes
 * @buf: where the names go, or NULL
 * @size: room there
 * @used: bytes of the names so far
 * @err: -ERANGE when there is not enough room
 */
struct lnkfs_xattr_list {
	struct inode *inode;
	bool trusted;
	char *buf;
	size_t size;
	size_t used;
	int err;
};

/* The prefix of a namespace, or NULL when it is not shown. */
static const char *lnkfs_xattr_prefix(const struct lnkfs_xattr_list *l, u8 space)
{
	switch (space) {
	case LNKFS_XATTR_USER:
		return XATTR_USER_PREFIX;
	case LNKFS_XATTR_TRUSTED:
		return l->trusted ? XATTR_TRUSTED_PREFIX : NULL;
	case LNKFS_XATTR_SECURITY:
		return XATTR_SECURITY_PREFIX;
	case LNKFS_XATTR_ACL_ACCESS:
		return IS_POSIXACL(l->inode) ? XATTR_NAME_POSIX_ACL_ACCESS : NULL;
	case LNKFS_XATTR_ACL_DEFAULT:
		return IS_POSIXACL(l->inode) ? XATTR_NAME_POSIX_ACL_DEFAULT : NULL;
	default:
		return NULL;
	}
}

static int lnkfs_list_one(void *ctx, const struct lnkfs_xattr_key *key, u32 value_len)
{
	struct lnkfs_xattr_list *l = ctx;
	const char *prefix = lnkfs_xattr_prefix(l, key->space);
	size_t prefix_len;
	char *p;

	if (!prefix)
		return 0;
	prefix_len = strlen(prefix);
	if (l->buf) {
		if (l->size - l->used < prefix_len + key->name_len + 1) {
			l->err = -ERANGE;
			return 1;
		}
		p = l->buf + l->used;
		memcpy(p, prefix, prefix_len);
		memcpy(p + prefix_len, key->name, key->name_len);
		p[prefix_len + key->name_len] = 0;
	}
	l->used += prefix_len + key->name_len + 1;
	return 0;
}

/**
 * lnkfs_listxattr() - names of all attributes (inode_operations)
 * @dentry: the object
 * @buf: gets the names, each with its NUL; NULL: only their length is wanted
 * @size: room there
 *
 * Return: bytes, or -ERANGE, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
ssize_t lnkfs_listxattr(struct dentry *dentry, char *buf, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_xattr_list l = {
		.inode = inode,
		.trusted = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN),
		.buf = size ? buf : NULL,
		.size = size,
	};
	int err;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	down_read(&li->ext_lock);
	err = lnkfs_xattr_iterate(LNKFS_FS(inode), &li->ci, lnkfs_list_one, &l);
	up_read(&li->ext_lock);
	if (!err)
		err = l.err;
	return err ? err : l.used;
}

/* Byte of the record at which a byte of the inline area stands. */
static u32 lnkfs_area_offset(u32 at)
{
	const u32 head = LNKFS_AREA_LEN(1), cont = LNKFS_SLOT_SIZE - sizeof(struct lnkfs_slot);

	if (at < head)
		return sizeof(struct lnkfs_inode) + at;
	at -= head;
	return (at / cont + 1) * LNKFS_SLOT_SIZE + sizeof(struct lnkfs_slot) + at % cont;
}

/*
 * Where the attributes are, for FIEMAP_FLAG_XATTR: the first block of the
 * external area, else the part of the record from the first one on.
 */
static int lnkfs_xattr_iomap_begin(struct inode *inode, loff_t pos, loff_t length,
				   unsigned int flags, struct iomap *iomap,
				   struct iomap *srcmap)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_cinode *ci = &li->ci;
	u32 at;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	down_read(&li->ext_lock);
	iomap->offset = 0;
	iomap->length = 0;
	iomap->bdev = inode->i_sb->s_bdev;
	if (ci->xattr_block) {
		iomap->type = IOMAP_MAPPED;
		iomap->addr = ci->xattr_block << fs->block_bits;
		iomap->length = fs->block_size;
	} else if (ci->xattr_len) {
		at = lnkfs_area_offset(ci->area_len - ci->xattr_len);
		iomap->type = IOMAP_INLINE;
		iomap->addr = (lnkfs_ino_block(fs, ci->ino) << fs->block_bits) +
			      lnkfs_ino_slot(fs, ci->ino) * LNKFS_SLOT_SIZE + at;
		iomap->length = ci->slots * LNKFS_SLOT_SIZE - at;
	}
	up_read(&li->ext_lock);
	return pos < iomap->length ? 0 : -ENOENT;
}

const struct iomap_ops lnkfs_xattr_iomap_ops = {
	.iomap_begin	= lnkfs_xattr_iomap_begin,
};

static const struct xattr_handler lnkfs_user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.flags	= LNKFS_XATTR_USER,
	.get	= lnkfs_xattr_handler_get,
	.set	= lnkfs_xattr_handler_set,
};

static const struct xattr_handler lnkfs_trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.flags	= LNKFS_XATTR_TRUSTED,
	.get	= lnkfs_xattr_handler_get,
	.set	= lnkfs_xattr_handler_set,
};

static const struct xattr_handler lnkfs_security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.flags	= LNKFS_XATTR_SECURITY,
	.get	= lnkfs_xattr_handler_get,
	.set	= lnkfs_xattr_handler_set,
};

const struct xattr_handler *lnkfs_xattr_handlers[] = {
	&lnkfs_user_handler,
	&lnkfs_trusted_handler,
	&lnkfs_security_handler,
	LNKFS_ACL_XATTR_HANDLERS
	NULL
};
