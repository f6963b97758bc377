// SPDX-License-Identifier: GPL-2.0
/*
 * The flags of inodes: FreeBSD's flag word (chflags(2)) with its rules of who
 * may change what, and Linux's view of it (chattr(1), project IDs). What the
 * flags forbid is enforced where it happens: immutable and append-only by the
 * VFS through S_IMMUTABLE and S_APPEND, and at the few places that the VFS does
 * not see; NOUNLINK in namei.c.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include "internal.h"
#include "lnkfs.h"

/* While one of these is set, the flags belong to CAP_LINUX_IMMUTABLE. */
#define LNKFS_SF_LOCKS	(LNKFS_SF_IMMUTABLE | LNKFS_SF_APPEND | LNKFS_SF_NOUNLINK)

#define LNKFS_FLAGS_IMMUTABLE	(LNKFS_UF_IMMUTABLE | LNKFS_SF_IMMUTABLE)
#define LNKFS_FLAGS_APPEND	(LNKFS_UF_APPEND | LNKFS_SF_APPEND)

/* What says how the rest of the record is, and is not for anybody to set. */
#define LNKFS_LF_OWN	(LNKFS_LF_TRUNCATING | LNKFS_LF_LINK)

/* What chattr knows, apart from i, a and d, and our names for it. */
static const struct {
	u32 fl;
	u32 lf;
} lnkfs_lf_map[] = {
	{ FS_SYNC_FL,		LNKFS_LF_SYNC },
	{ FS_DIRSYNC_FL,	LNKFS_LF_DIRSYNC },
	{ FS_NOATIME_FL,	LNKFS_LF_NOATIME },
	{ FS_PROJINHERIT_FL,	LNKFS_LF_PROJINHERIT },
};

#define LNKFS_FL_ALL	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_SYNC_FL | \
			 FS_DIRSYNC_FL | FS_NOATIME_FL | FS_PROJINHERIT_FL)
/* Linux's flags that files other than directories can have (ext4's rule). */
#define LNKFS_FL_REG	(LNKFS_FL_ALL & ~(FS_DIRSYNC_FL | FS_PROJINHERIT_FL))
#define LNKFS_FL_OTHER	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)
#define LNKFS_XFLAGS	(FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND | FS_XFLAG_NODUMP | \
			 FS_XFLAG_SYNC | FS_XFLAG_NOATIME | FS_XFLAG_PROJINHERIT)

/**
 * lnkfs_set_vfs_flags() - let the VFS know the flags that it enforces
 * @inode: inode being read or created, or inode_lock held
 */
void lnkfs_set_vfs_flags(struct inode *inode)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	unsigned int flags = 0;

	if (ci->flags & LNKFS_FLAGS_IMMUTABLE)
		flags |= S_IMMUTABLE;
	if (ci->flags & LNKFS_FLAGS_APPEND)
		flags |= S_APPEND;
	if (ci->lflags & LNKFS_LF_SYNC)
		flags |= S_SYNC;
	if (ci->lflags & LNKFS_LF_DIRSYNC)
		flags |= S_DIRSYNC;
	if (ci->lflags & LNKFS_LF_NOATIME)
		flags |= S_NOATIME;
	inode_set_flags(inode, flags,
			S_IMMUTABLE | S_APPEND | S_SYNC | S_DIRSYNC | S_NOATIME);
}

/**
 * lnkfs_inherit_flags() - flags and project of a new inode
 * @inode: inode being created, its mode set
 * @dir: its directory
 *
 * As on ext4: sync, dirsync, no atime, no dump and the project, each for the
 * types that can have them. Nothing that restricts is inherited.
 */
void lnkfs_inherit_flags(struct inode *inode, struct inode *dir)
{
	const struct lnkfs_cinode *from = &LNKFS_I(dir)->ci;
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	u32 lflags = LNKFS_LF_NOATIME;

	if (S_ISDIR(inode->i_mode))
		lflags |= LNKFS_LF_SYNC | LNKFS_LF_DIRSYNC | LNKFS_LF_PROJINHERIT;
	else if (S_ISREG(inode->i_mode))
		lflags |= LNKFS_LF_SYNC;
	ci->lflags = from->lflags & lflags;
	ci->flags = from->flags & LNKFS_UF_NODUMP;
	if (from->lflags & LNKFS_LF_PROJINHERIT)
		ci->projid = from->projid;
	lnkfs_set_vfs_flags(inode);
}

/*
 * From now on nothing writes to a file that becomes immutable: wait for direct
 * I/O, and have dirty pages written, so that the next store through a shared
 * mapping comes to lnkfs_page_mkwrite(), which refuses.
 */
static int lnkfs_stop_writes(struct inode *inode)
{
	filemap_invalidate_lock(inode->i_mapping);
	inode_set_flags(inode, S_IMMUTABLE, S_IMMUTABLE);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_dio_wait(inode);
	return filemap_write_and_wait(inode->i_mapping);
}

/**
 * lnkfs_change_attrs() - change flags, project and mode in one handle
 * @idmap: of the mount
 * @inode: the inode
 * @new: new values of flags, lflags (LNKFS_LF_OWN are left alone) and projid
 * @attr: mode to set as well, checked already, or NULL
 *
 * Context: inode_lock held; permissions have been checked.
 * Return: 0; -EDQUOT, -EROFS, -EIO, -ENOMEM, or the error of writing the data of a file
 * that becomes immutable, with nothing changed; -EFSCORRUPTED, -EFSBADCRC, -EIO
 * after which the journal is aborted, and nothing has changed on disk.
 */
int lnkfs_change_attrs(lnkfs_idmap *idmap, struct inode *inode,
		       const struct lnkfs_new_attrs *new, struct iattr *attr)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_quota_hold hold = {};
	struct lnkfs_cinode *ci = &li->ci;
	handle_t *handle;
	int err, err2;

	err = lnkfs_quota_hold_project(&hold, inode, new->projid);
	if (!err && S_ISREG(inode->i_mode) && !IS_IMMUTABLE(inode) &&
	    (new->flags & LNKFS_FLAGS_IMMUTABLE))
		err = lnkfs_stop_writes(inode);
	if (err)
		goto out;
	handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE, 0);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		goto out;
	}
	err = lnkfs_quota_transfer_project(inode, &hold);
	if (err)
		goto out_handle;
	if (attr)
		setattr_copy(idmap, inode, attr);
	spin_lock(&li->raw_lock);
	ci->flags = new->flags;
	ci->lflags = (ci->lflags & LNKFS_LF_OWN) | (new->lflags & ~LNKFS_LF_OWN);
	ci->projid = new->projid;
	spin_unlock(&li->raw_lock);
	lnkfs_touch_ctime(inode);
	inode_inc_iversion(inode);
	err = lnkfs_store(handle, inode);
	lnkfs_sync_handle(handle, inode);
out_handle:
	err2 = lnkfs_end(handle);
	if (!err)
		err = err2;
out:
	lnkfs_quota_unhold(&hold);
	lnkfs_set_vfs_flags(inode);
	return err;
}

/**
 * lnkfs_may_chflags() - may the flag word be replaced?
 * @idmap: of the mount
 * @inode: the inode
 * @flags: the new word
 *
 * FreeBSD's rules (ufs_setattr): the owner changes UF_ flags, SF_ flags need
 * the capability, and so does any change while a system flag locks the object.
 *
 * Context: inode_lock held.
 * Return: 0, -EPERM, -EOPNOTSUPP.
 */
int lnkfs_may_chflags(lnkfs_idmap *idmap, struct inode *inode, u32 flags)
{
	u32 old = LNKFS_I(inode)->ci.flags;

	if (flags & LNKFS_SF_SNAPSHOT)
		return -EPERM;
	if (flags & ~LNKFS_FLAGS_ALL)
		return -EOPNOTSUPP;
	if (!inode_owner_or_capable(idmap, inode))
		return -EPERM;
	if (((old & LNKFS_SF_LOCKS) || ((old ^ flags) & LNKFS_SF_SETTABLE)) &&
	    !capable(CAP_LINUX_IMMUTABLE))
		return -EPERM;
	return 0;
}

static u32 lnkfs_fl_of(const struct lnkfs_cinode *ci)
{
	unsigned int i;
	u32 fl = 0;

	if (ci->flags & LNKFS_FLAGS_IMMUTABLE)
		fl |= FS_IMMUTABLE_FL;
	if (ci->flags & LNKFS_FLAGS_APPEND)
		fl |= FS_APPEND_FL;
	if (ci->flags & LNKFS_UF_NODUMP)
		fl |= FS_NODUMP_FL;
	for (i = 0; i < ARRAY_SIZE(lnkfs_lf_map); i++) {
		if (ci->lflags & lnkfs_lf_map[i].lf)
			fl |= lnkfs_lf_map[i].fl;
	}
	return fl;
}

/**
 * lnkfs_fileattr_get() - lsattr, FS_IOC_FSGETXATTR (inode_operations)
 * @dentry: the object
 * @fa: answer
 */
int lnkfs_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(d_inode(dentry))->ci;

	if (lnkfs_stopped(dentry->d_sb))
		return -EIO;
	fileattr_fill_flags(fa, lnkfs_fl_of(ci));
	fa->fsx_projid = ci->projid;
	return 0;
}

/* The flag word after chattr: only what differs is applied. */
static u32 lnkfs_apply_fl(u32 flags, u32 fl, u32 diff)
{
	if (diff & FS_IMMUTABLE_FL)
		flags = fl & FS_IMMUTABLE_FL ? flags | LNKFS_SF_IMMUTABLE :
					       flags & ~LNKFS_FLAGS_IMMUTABLE;
	if (diff & FS_APPEND_FL)
		flags = fl & FS_APPEND_FL ? flags | LNKFS_SF_APPEND :
					    flags & ~LNKFS_FLAGS_APPEND;
	if (diff & FS_NODUMP_FL)
		flags ^= LNKFS_UF_NODUMP;
	return flags;
}

/**
 * lnkfs_fileattr_set() - chattr, FS_IOC_FSSETXATTR, file_setattr(2) (inode_operations)
 * @idmap: of the mount
 * @dentry: the object
 * @fa: new attributes
 *
 * Context: inode_lock held; the VFS has checked the owner, and the capability
 * for changes of i and a.
 * Return: 0, -EPERM, -EOPNOTSUPP, or as lnkfs_change_attrs().
 */
int lnkfs_fileattr_set(lnkfs_idmap *idmap, struct dentry *dentry, struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	u32 old = lnkfs_fl_of(ci), fl = fa->flags, diff;
	struct lnkfs_new_attrs new = { .lflags = 0 };
	unsigned int i;

	if ((fl & ~LNKFS_FL_ALL) || (fa->fsx_xflags & ~LNKFS_XFLAGS) || fa->fsx_extsize ||
	    fa->fsx_cowextsize)
		return -EOPNOTSUPP;
	if (!S_ISDIR(inode->i_mode)) {
		u32 mine = S_ISREG(inode->i_mode) ? LNKFS_FL_REG : LNKFS_FL_OTHER;

		/* chattr hears of it, as on ext4; project setup passes P to files, as on XFS */
		if (fa->flags_valid && (fl & ~mine))
			return -EOPNOTSUPP;
		fl &= mine;
	}
	diff = fl ^ old;
	if (diff || fa->fsx_projid != ci->projid) {
		/* As on ext4: what is and stays immutable does not change. */
		if (old & fl & FS_IMMUTABLE_FL)
			return -EPERM;
		if ((ci->flags & LNKFS_SF_LOCKS) && !capable(CAP_LINUX_IMMUTABLE))
			return -EPERM;
	}
	new.flags = lnkfs_apply_fl(ci->flags, fl, diff);
	for (i = 0; i < ARRAY_SIZE(lnkfs_lf_map); i++) {
		if (fl & lnkfs_lf_map[i].fl)
			new.lflags |= lnkfs_lf_map[i].lf;
	}
	new.projid = fa->fsx_projid;
	return lnkfs_change_attrs(idmap, inode, &new, NULL);
}
