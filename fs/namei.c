// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on names. Each is one handle: it is on disk whole or not at all.
 *
 * The VFS holds i_rwsem of the directories, and of the inodes that lose or
 * gain a name. What can fail cheaply is done first; what has been done when a
 * later step fails is undone in the same handle, and if even that fails the
 * journal is aborted, so that no half of an operation is ever committed.
 */
#include <linux/iversion.h>
#include <linux/namei.h>
#include "internal.h"
#include "lnkfs.h"
#include "trace.h"

/*
 * Revoke credits of an operation that may free directory blocks and nodes: a
 * removal frees up to 41 in trees as high as a crafted volume can have them, an
 * addition 26; a rename that fails half-way has an addition and two removals. The
 * trees of two inodes' back references come on top.
 */
#define LNKFS_NAMEI_REVOKES	(108 + LNKFS_REVOKES_IFREE + 2 * LNKFS_REVOKES_NAMES)

/* The first half of a rename may make the directory's index one level higher. */
#define LNKFS_RENAME_SLACK	12

static u32 lnkfs_add_credits(struct inode *dir)
{
	return lnkfs_dir_add_credits(LNKFS_FS(dir), &LNKFS_I(dir)->ci) +
	       LNKFS_CREDITS_STORE;
}

static u32 lnkfs_remove_credits(struct inode *dir)
{
	return lnkfs_dir_remove_credits(LNKFS_FS(dir), &LNKFS_I(dir)->ci) +
	       LNKFS_CREDITS_STORE;
}

static u32 lnkfs_ref_add_credits(struct inode *inode)
{
	return lnkfs_names_add_credits(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
}

static u32 lnkfs_ref_del_credits(struct inode *inode)
{
	return lnkfs_names_del_credits(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
}

static u32 lnkfs_ref_move_credits(struct inode *inode)
{
	return lnkfs_names_move_credits(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
}

static u8 lnkfs_dtype(umode_t mode)
{
	return fs_umode_to_dtype(mode);
}

/* A directory's record after its entries, or the nodes of its tree, may have changed. */
static int lnkfs_dir_store(handle_t *handle, struct inode *dir)
{
	i_size_write(dir, LNKFS_I(dir)->ci.size);
	return lnkfs_store(handle, dir);
}

/* The directory's own attributes after its entries changed. */
static int lnkfs_dir_changed(handle_t *handle, struct inode *dir)
{
	lnkfs_touch_mctime(dir);
	inode_inc_iversion(dir);
	return lnkfs_dir_store(handle, dir);
}

static int lnkfs_add_name(handle_t *handle, struct inode *dir, const struct qstr *name,
			  struct inode *inode, u64 *pos)
{
	struct lnkfs_charge charge;
	int err;

	lnkfs_charge_begin(&charge, dir);
	err = lnkfs_dir_add(handle, LNKFS_FS(dir), &LNKFS_I(dir)->ci, name->name,
			    name->len, inode->i_ino, lnkfs_dtype(inode->i_mode), pos);
	lnkfs_charge_end(&charge);
	return err;
}

static int lnkfs_remove_name(handle_t *handle, struct inode *dir, const struct qstr *name)
{
	return lnkfs_dir_remove(handle, LNKFS_FS(dir), &LNKFS_I(dir)->ci, name->name,
				name->len);
}

/* Find an entry; what is found stays good while nothing changes in the directory. */
static int lnkfs_find_name(struct inode *dir, const struct qstr *name,
			   struct lnkfs_dir_spot *spot, struct lnkfs_ref *ref)
{
	int err;

	err = lnkfs_dir_find(LNKFS_FS(dir), &LNKFS_I(dir)->ci, name->name, name->len, spot);
	if (err)
		return err;
	ref->dir = dir->i_ino;
	ref->pos = lnkfs_dir_spot_pos(LNKFS_FS(dir), spot);
	return 0;
}

static int lnkfs_replace_at(handle_t *handle, struct inode *dir,
			    const struct lnkfs_dir_spot *spot, const struct inode *inode)
{
	return lnkfs_dir_replace_at(handle, LNKFS_FS(dir), spot, inode->i_ino,
				    lnkfs_dtype(inode->i_mode));
}

static int lnkfs_ref_add(handle_t *handle, struct inode *inode, const struct lnkfs_ref *ref)
{
	return lnkfs_names_add(handle, LNKFS_FS(inode), &LNKFS_I(inode)->ci, ref);
}

static int lnkfs_ref_del(handle_t *handle, struct inode *inode, const struct lnkfs_ref *ref)
{
	return lnkfs_names_del(handle, LNKFS_FS(inode), &LNKFS_I(inode)->ci, ref);
}

static int lnkfs_ref_move(handle_t *handle, struct inode *inode, const struct lnkfs_ref *from,
			  const struct lnkfs_ref *to)
{
	return lnkfs_names_move(handle, LNKFS_FS(inode), &LNKFS_I(inode)->ci, from, to);
}

/* A step has been undone, or not: then none of it may be committed. */
static void lnkfs_undone(struct inode *inode, int err)
{
	if (err)
		lnkfs_abort(inode->i_sb, err);
}

/*
 * The same for a back reference, which may be in the record: a change of time stamps
 * may have stored the record as it was in between.
 */
static void lnkfs_ref_undone(handle_t *handle, struct inode *inode, int err)
{
	lnkfs_undone(inode, err);
	if (!err)
		lnkfs_store(handle, inode);
}

/* An inode gets a name: the entry, and the reference back to it. */
static int lnkfs_give_name(handle_t *handle, struct inode *dir, const struct qstr *name,
			   struct inode *inode)
{
	struct lnkfs_ref ref = { .dir = dir->i_ino };
	int err;

	err = lnkfs_add_name(handle, dir, name, inode, &ref.pos);
	if (err)
		return err;
	err = lnkfs_ref_add(handle, inode, &ref);
	if (err)
		lnkfs_undone(dir, lnkfs_remove_name(handle, dir, name));
	return err;
}

/*
 * A directory operation failed. The core has put the entries back, but tree
 * nodes may have come or gone: what the directory's record says has to be
 * stored, and seen, all the same.
 */
static int lnkfs_dir_failed(handle_t *handle, struct inode *dir, int err)
{
	lnkfs_dir_store(handle, dir);
	return err;
}

static struct dentry *lnkfs_lookup(struct inode *dir, struct dentry *dentry,
				   unsigned int flags)
{
	struct lnkfs_fs *fs = LNKFS_FS(dir);
	struct inode *inode = NULL;
	struct lnkfs_name found;
	int err;

	if (lnkfs_stopped(dir->i_sb))
		return ERR_PTR(-EIO);
	if (dentry->d_name.len > LNKFS_NAME_LEN)
		return ERR_PTR(-ENAMETOOLONG);
	err = lnkfs_dir_lookup(fs, &LNKFS_I(dir)->ci, dentry->d_name.name,
			       dentry->d_name.len, &found);
	if (err && err != -ENOENT)
		return ERR_PTR(err);
	if (!err) {
		inode = lnkfs_iget(dir->i_sb, found.ino, 0);
		if (inode == ERR_PTR(-ESTALE))
			return ERR_PTR(lnkfs_report(fs, -EFSCORRUPTED, dir->i_ino, 0,
						    "an entry names inode %llu, which is free",
						    found.ino));
		if (!IS_ERR(inode))
			lnkfs_track_lookup(dentry, inode);
	}
	return d_splice_alias(inode, dentry);
}

/* A fresh inode that got its name: both become visible. */
static int lnkfs_finish_create(handle_t *handle, struct inode *dir, struct dentry *dentry,
			       struct inode *inode)
{
	int err;

	err = lnkfs_give_name(handle, dir, &dentry->d_name, inode);
	if (err) {
		lnkfs_undo_new_inode(handle, inode);
		return lnkfs_dir_failed(handle, dir, err);
	}
	if (S_ISDIR(inode->i_mode))
		inc_nlink(dir);
	err = lnkfs_store(handle, inode);
	if (!err)
		err = lnkfs_dir_changed(handle, dir);
	lnkfs_sync_handle(handle, dir);
	return err;
}

/* Fill a fresh symlink inode; on an error it has been taken back. */
static int lnkfs_set_target(handle_t *handle, struct inode *inode, const char *target, u32 len,
			    bool fast)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_charge charge;
	int err = 0;

	if (fast) {
		lnkfs_symlink_set_fast(&li->ci, target, len);
	} else {
		lnkfs_charge_begin(&charge, inode);
		err = lnkfs_symlink_set_slow(handle, LNKFS_FS(inode), &li->ci, target, len);
		lnkfs_charge_end(&charge);
	}
	if (err) {
		lnkfs_undo_new_inode(handle, inode);
		return err;
	}
	i_size_write(inode, len);
	lnkfs_set_link_ops(inode);
	return 0;
}

/* Create an inode of any type with its name; @target, of @len bytes, for symlinks only. */
static int lnkfs_create_once(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
			     umode_t mode, dev_t rdev, const char *target, u32 len)
{
	struct lnkfs_newborn nb;
	handle_t *handle;
	int err, err2;

	err = lnkfs_prepare_inode(&nb, idmap, dir, &dentry->d_name, mode, len);
	if (err)
		return err;
	handle = lnkfs_begin_inode(dir, nb.credits + lnkfs_add_credits(dir),
				   LNKFS_NAMEI_REVOKES + nb.revokes);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		goto out;
	}
	err = lnkfs_new_inode(handle, dir, &nb, rdev);
	if (!err && target)
		err = lnkfs_set_target(handle, nb.inode, target, len, !nb.slow);
	if (!err)
		err = lnkfs_store_new_xattrs(handle, &nb);
	if (!err)
		err = lnkfs_finish_create(handle, dir, dentry, nb.inode);
	err2 = lnkfs_end(handle);
	if (!err)
		err = err2;
	if (target)
		trace_lnkfs_symlink(dir, &dentry->d_name, err ? NULL : nb.inode, err);
	else
		trace_lnkfs_create(dir, &dentry->d_name, err ? NULL : nb.inode, err);
	if (!err) {
		d_instantiate_new(dentry, nb.inode);
		nb.inode = NULL;
	}
out:
	lnkfs_release_newborn(&nb);
	return err;
}

static int lnkfs_create_one(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
			    umode_t mode, dev_t rdev, const char *target, u32 len)
{
	int err, tries = 0;

	do {
		err = lnkfs_create_once(idmap, dir, dentry, mode, rdev, target, len);
	} while (lnkfs_retry_name(dir->i_sb, err, &tries));
	return err;
}

static int lnkfs_create(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
			umode_t mode, bool excl)
{
	return lnkfs_create_one(idmap, dir, dentry, mode, 0, NULL, 0);
}

static int lnkfs_mknod(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
		       umode_t mode, dev_t rdev)
{
	return lnkfs_create_one(idmap, dir, dentry, mode, rdev, NULL, 0);
}

static int lnkfs_mkdir(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
		       umode_t mode)
{
	if (dir->i_nlink >= LNKFS_FS(dir)->max_links)
		return -EMLINK;
	return lnkfs_create_one(idmap, dir, dentry, S_IFDIR | mode, 0, NULL, 0);
}

static int lnkfs_symlink(lnkfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
			 const char *target)
{
	size_t len = strlen(target);

	/* symlink(2) says so itself; overlayfs passes on whatever a lower filesystem says. */
	if (!len)
		return -ENOENT;
	if (len > LNKFS_SYMLINK_MAX)
		return -ENAMETOOLONG;
	return lnkfs_create_one(idmap, dir, dentry, S_IFLNK | 0777, 0, target, len);
}

/* Names of one project's inodes do not go into a tree of another. */
static bool lnkfs_other_project(struct inode *dir, struct inode *inode)
{
	return (LNKFS_I(dir)->ci.lflags & LNKFS_LF_PROJINHERIT) &&
	       LNKFS_I(dir)->ci.projid != LNKFS_I(inode)->ci.projid;
}

static int lnkfs_link(struct dentry *old_dentry, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(old_dentry);
	struct super_block *sb = dir->i_sb;
	handle_t *handle;
	int err, err2, tries = 0;

	if (inode->i_nlink >= LNKFS_FS(dir)->max_links)
		return -EMLINK;
	if (lnkfs_other_project(dir, inode))
		return -EXDEV;
	/* Once more, with the inode locked. */
	if (IS_IMMUTABLE(inode) || IS_APPEND(inode))
		return -EPERM;
	err = dquot_initialize(dir);
	if (!err)
		err = lnkfs_read_inode_block(inode);
	if (err)
		return err;
	do {
		handle = lnkfs_begin_inode(dir, LNKFS_CREDITS_STORE + lnkfs_add_credits(dir) +
					   lnkfs_ref_add_credits(inode),
					   LNKFS_NAMEI_REVOKES);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		err = lnkfs_give_name(handle, dir, &dentry->d_name, inode);
		if (err) {
			lnkfs_dir_failed(handle, dir, err);
		} else {
			inc_nlink(inode);
			lnkfs_touch_ctime(inode);
			inode_inc_iversion(inode);
			err = lnkfs_store(handle, inode);
			if (!err)
				err = lnkfs_dir_changed(handle, dir);
			if (!err)
				lnkfs_unorphan_inode(inode);
			lnkfs_sync_handle(handle, dir);
		}
		err2 = lnkfs_end(handle);
		if (!err)
			err = err2;
	} while (lnkfs_retry_name(sb, err, &tries));
	trace_lnkfs_link(dir, &dentry->d_name, inode, err);
	if (err)
		return err;
	/* It was looked up before there was a link: lnkfs_track_lookup() is to see it. */
	if (LNKFS_I(inode)->ci.lflags & LNKFS_LF_LINK)
		d_drop(dentry);
	ihold(inode);
	d_instantiate(dentry, inode);
	return 0;
}

/* An inode lost a name (a directory: its only one). */
static int lnkfs_drop_name(handle_t *handle, struct inode *inode)
{
	if (S_ISDIR(inode->i_mode))
		clear_nlink(inode);
	else
		drop_nlink(inode);
	lnkfs_touch_ctime(inode);
	inode_inc_iversion(inode);
	return lnkfs_store(handle, inode);
}

static bool lnkfs_last_name(const struct inode *inode)
{
	return S_ISDIR(inode->i_mode) || inode->i_nlink == 1;
}

/*
 * Can the object lose a name in @dir? On a damaged volume link counts may be
 * lower than the names: a count must never get below what it stands for. So may
 * they be in memory when an operation was cut short by the end of the journal;
 * that is no damage.
 */
static int lnkfs_check_links(struct inode *dir, struct inode *inode)
{
	int err = lnkfs_may_write(dir->i_sb);

	if (err)
		return err;
	if (!inode->i_nlink)
		return lnkfs_report(LNKFS_FS(dir), -EFSCORRUPTED, inode->i_ino, 0,
				    "an inode has more names than links");
	if (S_ISDIR(inode->i_mode) && dir->i_nlink <= 2)
		return lnkfs_report(LNKFS_FS(dir), -EFSCORRUPTED, dir->i_ino, 0,
				    "a directory has more subdirectories than links");
	return 0;
}

/*
 * Can the object be removed or renamed, as far as its own flags say? The VFS
 * has looked at the two that it knows, but before it locked the object.
 */
static int lnkfs_may_lose_name(struct inode *inode)
{
	if (IS_IMMUTABLE(inode) || IS_APPEND(inode) ||
	    (LNKFS_I(inode)->ci.flags & (LNKFS_UF_NOUNLINK | LNKFS_SF_NOUNLINK)))
		return -EPERM;
	return 0;
}

/* Remove an entry and the reference back to it. */
static int lnkfs_take_name(handle_t *handle, struct inode *dir, const struct qstr *name,
			   struct inode *inode)
{
	struct lnkfs_dir_spot spot;
	struct lnkfs_ref ref;
	int err;

	err = lnkfs_find_name(dir, name, &spot, &ref);
	if (err)
		return err;
	err = lnkfs_ref_del(handle, inode, &ref);
	if (!err) {
		err = lnkfs_dir_remove_at(handle, LNKFS_FS(dir), &LNKFS_I(dir)->ci, &spot);
		if (err)
			lnkfs_ref_undone(handle, inode, lnkfs_ref_add(handle, inode, &ref));
	}
	lnkfs_bput(spot.buf);
	return err;
}

/* unlink and rmdir */
static int lnkfs_remove_one(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	handle_t *handle;
	int err, err2;

	err = lnkfs_may_lose_name(inode);
	if (!err)
		err = lnkfs_check_links(dir, inode);
	if (!err)
		err = dquot_initialize(dir);
	/* Deleting it must not fail for want of its dquots. */
	if (!err)
		err = dquot_initialize(inode);
	if (!err)
		err = lnkfs_read_inode_block(inode);
	if (err)
		return err;
	handle = lnkfs_begin_inode(dir, lnkfs_remove_credits(dir) + LNKFS_CREDITS_STORE +
				   LNKFS_CREDITS_ORPHAN + lnkfs_ref_del_credits(inode),
				   LNKFS_NAMEI_REVOKES);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (lnkfs_last_name(inode))
		err = lnkfs_orphan_inode(handle, inode);
	if (!err) {
		err = lnkfs_take_name(handle, dir, &dentry->d_name, inode);
		if (err) {
			lnkfs_unorphan_inode(inode);
			lnkfs_dir_failed(handle, dir, err);
		}
	}
	if (!err) {
		if (S_ISDIR(inode->i_mode))
			drop_nlink(dir);
		err = lnkfs_drop_name(handle, inode);
		if (!err)
			err = lnkfs_dir_changed(handle, dir);
		lnkfs_sync_handle(handle, dir);
	}
	err2 = lnkfs_end(handle);
	if (!err)
		err = err2;
	trace_lnkfs_unlink(dir, &dentry->d_name, inode, err);
	return err;
}

static int lnkfs_unlink(struct inode *dir, struct dentry *dentry)
{
	return lnkfs_remove_one(dir, dentry);
}

static int lnkfs_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	int err;

	if (lnkfs_stopped(dir->i_sb))
		return -EIO;
	err = lnkfs_may_lose_name(inode);
	if (err)
		return err;
	err = lnkfs_dir_is_empty(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
	if (err < 0)
		return err;
	if (!err)
		return -ENOTEMPTY;
	return lnkfs_remove_one(dir, dentry);
}

/* A new inode without a name: its link count goes from 1 to 0 in d_tmpfile(). */
static int lnkfs_finish_tmpfile(handle_t *handle, struct file *file, struct inode *inode)
{
	int err;

	err = lnkfs_orphan_inode(handle, inode);
	if (err) {
		lnkfs_undo_new_inode(handle, inode);
		return err;
	}
	clear_nlink(inode);
	err = lnkfs_store(handle, inode);
	set_nlink(inode, 1);
	if (err)
		return err;
	d_tmpfile(file, inode);
	unlock_new_inode(inode);
	return 0;
}

static int lnkfs_tmpfile_once(lnkfs_idmap *idmap, struct inode *dir, struct file *file,
			      umode_t mode)
{
	struct lnkfs_newborn nb;
	handle_t *handle;
	int err, err2;

	err = lnkfs_prepare_inode(&nb, idmap, dir, NULL, mode, 0);
	if (err)
		return err;
	handle = lnkfs_begin(dir->i_sb, nb.credits + LNKFS_CREDITS_ORPHAN,
			     LNKFS_NAMEI_REVOKES + nb.revokes);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		goto out;
	}
	err = lnkfs_new_inode(handle, dir, &nb, 0);
	if (!err)
		err = lnkfs_store_new_xattrs(handle, &nb);
	if (!err)
		err = lnkfs_finish_tmpfile(handle, file, nb.inode);
	if (!err)
		nb.inode = NULL;
	err2 = lnkfs_end(handle);
	if (!err)
		err = err2;
out:
	lnkfs_release_newborn(&nb);
	return err;
}

static int lnkfs_tmpfile(lnkfs_idmap *idmap, struct inode *dir, struct file *file,
			 umode_t mode)
{
	int err, tries = 0;

	do {
		err = lnkfs_tmpfile_once(idmap, dir, file, mode);
	} while (lnkfs_retry_name(dir->i_sb, err, &tries));
	return finish_open_simple(file, err);
}

/* One side of a rename: @spot and @ref are set where the entry has been found. */
struct lnkfs_rename_end {
	struct inode *dir;
	const struct qstr *name;
	struct inode *inode;
	struct lnkfs_dir_spot spot;
	struct lnkfs_ref ref;
};

/* A directory gets another parent; the counts of the two are the caller's. */
static void lnkfs_set_parent(struct inode *inode, struct inode *dir)
{
	if (S_ISDIR(inode->i_mode))
		LNKFS_I(inode)->ci.parent = dir->i_ino;
}

static int lnkfs_renamed(handle_t *handle, struct inode *inode)
{
	lnkfs_touch_ctime(inode);
	inode_inc_iversion(inode);
	return lnkfs_store(handle, inode);
}

/* The back references of two names that change places, both found. */
static int lnkfs_exchange_refs(handle_t *handle, struct lnkfs_rename_end *a,
			       struct lnkfs_rename_end *b)
{
	int err;

	err = lnkfs_ref_move(handle, a->inode, &a->ref, &b->ref);
	if (err)
		return err;
	err = lnkfs_ref_move(handle, b->inode, &b->ref, &a->ref);
	if (err)
		lnkfs_ref_undone(handle, a->inode,
				 lnkfs_ref_move(handle, a->inode, &b->ref, &a->ref));
	return err;
}

/* The entries of an exchange, both found. */
static int lnkfs_exchange_spots(handle_t *handle, struct lnkfs_rename_end *a,
				struct lnkfs_rename_end *b)
{
	int err;

	err = lnkfs_exchange_refs(handle, a, b);
	if (err)
		return err;
	err = lnkfs_replace_at(handle, a->dir, &a->spot, b->inode);
	if (!err) {
		err = lnkfs_replace_at(handle, b->dir, &b->spot, a->inode);
		if (!err)
			return 0;
		lnkfs_undone(a->dir, lnkfs_replace_at(handle, a->dir, &a->spot, a->inode));
		/* A change of its time stamps may have stored what was undone. */
		lnkfs_dir_failed(handle, a->dir, err);
	}
	lnkfs_ref_undone(handle, a->inode,
			 lnkfs_ref_move(handle, a->inode, &b->ref, &a->ref));
	lnkfs_ref_undone(handle, b->inode,
			 lnkfs_ref_move(handle, b->inode, &a->ref, &b->ref));
	return err;
}

static int lnkfs_exchange_entries(handle_t *handle, struct lnkfs_rename_end *a,
				  struct lnkfs_rename_end *b)
{
	int err;

	err = lnkfs_find_name(a->dir, a->name, &a->spot, &a->ref);
	if (err)
		return err;
	err = lnkfs_find_name(b->dir, b->name, &b->spot, &b->ref);
	if (!err) {
		err = lnkfs_exchange_spots(handle, a, b);
		lnkfs_bput(b->spot.buf);
	}
	lnkfs_bput(a->spot.buf);
	return err;
}

/* The inodes of an exchange, once its entries are done. */
static int lnkfs_exchange_inodes(handle_t *handle, struct lnkfs_rename_end *a,
				 struct lnkfs_rename_end *b)
{
	int a_dir = S_ISDIR(a->inode->i_mode), b_dir = S_ISDIR(b->inode->i_mode);
	int err;

	if (a->dir != b->dir) {
		lnkfs_set_parent(a->inode, b->dir);
		lnkfs_set_parent(b->inode, a->dir);
		if (a_dir && !b_dir) {
			drop_nlink(a->dir);
			inc_nlink(b->dir);
		} else if (b_dir && !a_dir) {
			drop_nlink(b->dir);
			inc_nlink(a->dir);
		}
	}
	err = lnkfs_renamed(handle, a->inode);
	if (!err)
		err = lnkfs_renamed(handle, b->inode);
	if (!err)
		err = lnkfs_dir_changed(handle, a->dir);
	if (!err && b->dir != a->dir)
		err = lnkfs_dir_changed(handle, b->dir);
	lnkfs_sync_handle(handle, a->dir);
	lnkfs_sync_handle(handle, b->dir);
	return err;
}

static int lnkfs_exchange_once(struct lnkfs_rename_end *a, struct lnkfs_rename_end *b)
{
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin(a->dir->i_sb,
			     lnkfs_remove_credits(a->dir) + lnkfs_remove_credits(b->dir) +
			     lnkfs_ref_move_credits(a->inode) +
			     lnkfs_ref_move_credits(b->inode) + 2 * LNKFS_CREDITS_STORE,
			     2 * LNKFS_REVOKES_NAMES);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	err = lnkfs_exchange_entries(handle, a, b);
	if (!err)
		err = lnkfs_exchange_inodes(handle, a, b);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

static int lnkfs_exchange(struct lnkfs_rename_end *a, struct lnkfs_rename_end *b)
{
	bool a_dir = S_ISDIR(a->inode->i_mode), b_dir = S_ISDIR(b->inode->i_mode);
	struct super_block *sb = a->dir->i_sb;
	u32 max = LNKFS_FS(a->dir)->max_links;
	int err, tries = 0;

	if (a->dir != b->dir) {
		if ((a_dir && !b_dir && b->dir->i_nlink >= max) ||
		    (b_dir && !a_dir && a->dir->i_nlink >= max))
			return -EMLINK;
	}
	do {
		err = lnkfs_exchange_once(a, b);
	} while (lnkfs_retry_name(sb, err, &tries));
	if (a_dir || b_dir)
		lnkfs_tree_changed(sb);
	trace_lnkfs_rename(a->dir, a->name, b->dir, b->name, RENAME_EXCHANGE, err);
	return err;
}

/* The new name of a rename: an entry of its own, or the one of what is replaced. */
static int lnkfs_rename_to(handle_t *handle, struct lnkfs_rename_end *to, struct inode *inode)
{
	int err;

	if (!to->inode) {
		to->ref.dir = to->dir->i_ino;
		return lnkfs_add_name(handle, to->dir, to->name, inode, &to->ref.pos);
	}
	err = lnkfs_find_name(to->dir, to->name, &to->spot, &to->ref);
	if (err)
		return err;
	err = lnkfs_replace_at(handle, to->dir, &to->spot, inode);
	lnkfs_bput(to->spot.buf);
	return err;
}

static void lnkfs_undo_rename_to(handle_t *handle, struct lnkfs_rename_end *to)
{
	int err;

	if (to->inode)
		err = lnkfs_rename_to(handle, to, to->inode);
	else
		err = lnkfs_remove_name(handle, to->dir, to->name);
	lnkfs_undone(to->dir, err);
}

/* The back references of a rename. */
static int lnkfs_rename_refs(handle_t *handle, struct lnkfs_rename_end *from,
			     struct lnkfs_rename_end *to, struct inode *whiteout)
{
	int err;

	err = lnkfs_ref_move(handle, from->inode, &from->ref, &to->ref);
	if (err)
		return err;
	if (to->inode) {
		err = lnkfs_ref_del(handle, to->inode, &to->ref);
		if (err) {
			lnkfs_ref_undone(handle, from->inode,
					 lnkfs_ref_move(handle, from->inode, &to->ref,
							&from->ref));
			return err;
		}
	}
	return whiteout ? lnkfs_ref_add(handle, whiteout, &from->ref) : 0;
}

/* The old name of a rename, found: it goes, or becomes the whiteout's. */
static int lnkfs_rename_from(handle_t *handle, struct lnkfs_rename_end *from,
			     struct lnkfs_rename_end *to, struct inode *whiteout)
{
	int err;

	err = lnkfs_rename_refs(handle, from, to, whiteout);
	if (err)
		return err;
	if (whiteout)
		err = lnkfs_replace_at(handle, from->dir, &from->spot, whiteout);
	else
		err = lnkfs_dir_remove_at(handle, LNKFS_FS(from->dir), &LNKFS_I(from->dir)->ci,
					  &from->spot);
	if (!err)
		return 0;
	lnkfs_ref_undone(handle, from->inode,
			 lnkfs_ref_move(handle, from->inode, &to->ref, &from->ref));
	if (to->inode)
		lnkfs_ref_undone(handle, to->inode, lnkfs_ref_add(handle, to->inode, &to->ref));
	return err;
}

/*
 * The entries of a rename: the new name first, then the old one, undoing the
 * first when the second fails.
 */
static int lnkfs_rename_entries(handle_t *handle, struct lnkfs_rename_end *from,
				struct lnkfs_rename_end *to, struct inode *whiteout)
{
	int err;

	err = lnkfs_rename_to(handle, to, from->inode);
	if (err)
		return lnkfs_dir_failed(handle, to->dir, err);
	err = lnkfs_find_name(from->dir, from->name, &from->spot, &from->ref);
	if (!err) {
		err = lnkfs_rename_from(handle, from, to, whiteout);
		lnkfs_bput(from->spot.buf);
	}
	if (!err)
		return 0;
	lnkfs_undo_rename_to(handle, to);
	lnkfs_dir_failed(handle, to->dir, err);
	return lnkfs_dir_failed(handle, from->dir, err);
}

/* The inodes of a rename, once its entries are done. */
static int lnkfs_rename_inodes(handle_t *handle, struct lnkfs_rename_end *from,
			       struct lnkfs_rename_end *to, struct inode *whiteout)
{
	struct inode *inode = from->inode;
	int err;

	if (S_ISDIR(inode->i_mode)) {
		if (to->inode) {
			drop_nlink(from->dir);
		} else if (from->dir != to->dir) {
			drop_nlink(from->dir);
			inc_nlink(to->dir);
		}
		lnkfs_set_parent(inode, to->dir);
	}
	err = lnkfs_renamed(handle, inode);
	if (!err && to->inode)
		err = lnkfs_drop_name(handle, to->inode);
	if (!err && whiteout)
		err = lnkfs_store(handle, whiteout);
	if (!err)
		err = lnkfs_dir_changed(handle, from->dir);
	if (!err && to->dir != from->dir)
		err = lnkfs_dir_changed(handle, to->dir);
	lnkfs_sync_handle(handle, from->dir);
	lnkfs_sync_handle(handle, to->dir);
	return err;
}

/* Blocks that a rename may touch, apart from its whiteout. */
static u32 lnkfs_rename_credits(const struct lnkfs_rename_end *from,
				const struct lnkfs_rename_end *to)
{
	u32 credits = lnkfs_ref_move_credits(from->inode);

	if (to->inode)
		credits += lnkfs_ref_del_credits(to->inode);
	return credits + lnkfs_add_credits(to->dir) + lnkfs_remove_credits(to->dir) +
	       lnkfs_remove_credits(from->dir) + 3 * LNKFS_CREDITS_STORE +
	       LNKFS_CREDITS_ORPHAN + LNKFS_RENAME_SLACK;
}

/* @nb: the whiteout, prepared, or NULL */
static int lnkfs_rename_handle(handle_t *handle, struct lnkfs_rename_end *from,
			       struct lnkfs_rename_end *to, struct lnkfs_newborn *nb)
{
	struct inode *whiteout = NULL;
	int err = 0;

	if (nb) {
		err = lnkfs_new_inode(handle, from->dir, nb, WHITEOUT_DEV);
		if (!err)
			err = lnkfs_store_new_xattrs(handle, nb);
		if (err)
			return err;
		whiteout = nb->inode;
	}
	if (to->inode && lnkfs_last_name(to->inode))
		err = lnkfs_orphan_inode(handle, to->inode);
	if (!err) {
		err = lnkfs_rename_entries(handle, from, to, whiteout);
		if (err && to->inode)
			lnkfs_unorphan_inode(to->inode);
	}
	if (err) {
		if (whiteout)
			lnkfs_undo_new_inode(handle, whiteout);
		return err;
	}
	return lnkfs_rename_inodes(handle, from, to, whiteout);
}

static int lnkfs_rename_once(lnkfs_idmap *idmap, struct lnkfs_rename_end *from,
			     struct lnkfs_rename_end *to, bool want_whiteout)
{
	struct lnkfs_newborn nb = { .inode = NULL };
	handle_t *handle;
	int err = 0, err2;

	INIT_LIST_HEAD(&nb.xattrs);
	if (want_whiteout)
		err = lnkfs_prepare_inode(&nb, idmap, from->dir, from->name,
					  S_IFCHR | WHITEOUT_MODE, 0);
	if (err)
		return err;
	handle = lnkfs_begin(from->dir->i_sb, lnkfs_rename_credits(from, to) + nb.credits,
			     LNKFS_NAMEI_REVOKES + nb.revokes);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		goto out;
	}
	/* The data that lnkfs_flush_replacement() sent may be in the cache yet. */
	if (to->inode && S_ISREG(from->inode->i_mode))
		lnkfs_note_data(handle);
	err = lnkfs_rename_handle(handle, from, to, want_whiteout ? &nb : NULL);
	err2 = lnkfs_end(handle);
	if (want_whiteout && !err) {
		unlock_new_inode(nb.inode);
		nb.locked = false;
	}
	if (!err)
		err = err2;
out:
	lnkfs_release_newborn(&nb);
	return err;
}

/*
 * Programs write a new file and rename it over the old one, and many of them
 * do not call fsync(). The data go first: a crash leaves the old file or the
 * new one with its data, never an empty one.
 *
 * An error that nobody has been told of yet counts as one of now, whenever it was: the
 * data that it is about are lost, and another like it would change nothing in wb_err. One
 * that fsync() has reported is the program's to deal with.
 */
static int lnkfs_flush_replacement(const struct lnkfs_rename_end *from,
				   const struct lnkfs_rename_end *to)
{
	struct address_space *mapping = from->inode->i_mapping;
	errseq_t before;
	int err;

	if (!to->inode || !S_ISREG(from->inode->i_mode))
		return 0;
	before = errseq_sample(&mapping->wb_err);
	err = filemap_fdatawrite(mapping);
	filemap_fdatawait_keep_errors(mapping);
	return err ? err : errseq_check(&mapping->wb_err, before);
}

/* Have the dquots of all whose usage may change, and the blocks of all inodes. */
static int lnkfs_rename_ready(struct lnkfs_rename_end *from, struct lnkfs_rename_end *to)
{
	int err;

	err = dquot_initialize(from->dir);
	if (!err)
		err = dquot_initialize(to->dir);
	if (!err && to->inode)
		err = dquot_initialize(to->inode);
	if (!err)
		err = lnkfs_read_inode_block(from->dir);
	if (!err)
		err = lnkfs_read_inode_block(to->dir);
	if (!err)
		err = lnkfs_read_inode_block(from->inode);
	if (!err && to->inode)
		err = lnkfs_read_inode_block(to->inode);
	return err;
}

static int lnkfs_rename(lnkfs_idmap *idmap, struct inode *old_dir,
			struct dentry *old_dentry, struct inode *new_dir,
			struct dentry *new_dentry, unsigned int flags)
{
	struct lnkfs_rename_end from = {
		.dir = old_dir, .name = &old_dentry->d_name, .inode = d_inode(old_dentry),
	};
	struct lnkfs_rename_end to = {
		.dir = new_dir, .name = &new_dentry->d_name, .inode = d_inode(new_dentry),
	};
	int err, tries = 0;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (lnkfs_stopped(old_dir->i_sb))
		return -EIO;
	err = lnkfs_may_lose_name(from.inode);
	if (!err && to.inode)
		err = lnkfs_may_lose_name(to.inode);
	if (err)
		return err;
	if (lnkfs_other_project(new_dir, from.inode) ||
	    ((flags & RENAME_EXCHANGE) && lnkfs_other_project(old_dir, to.inode)))
		return -EXDEV;
	err = lnkfs_check_links(old_dir, from.inode);
	if (!err && to.inode)
		err = lnkfs_check_links(new_dir, to.inode);
	if (err)
		return err;
	err = lnkfs_rename_ready(&from, &to);
	if (err)
		return err;
	lnkfs_track_moved(old_dir, old_dentry, new_dir, new_dentry);
	if (flags & RENAME_EXCHANGE)
		return lnkfs_exchange(&from, &to);
	if (to.inode && S_ISDIR(to.inode->i_mode)) {
		err = lnkfs_dir_is_empty(LNKFS_FS(new_dir), &LNKFS_I(to.inode)->ci);
		if (err < 0)
			return err;
		if (!err)
			return -ENOTEMPTY;
	}
	if (S_ISDIR(from.inode->i_mode) && !to.inode && old_dir != new_dir &&
	    new_dir->i_nlink >= LNKFS_FS(new_dir)->max_links)
		return -EMLINK;
	err = lnkfs_flush_replacement(&from, &to);
	if (err)
		return err;
	do {
		err = lnkfs_rename_once(idmap, &from, &to, flags & RENAME_WHITEOUT);
	} while (lnkfs_retry_name(old_dir->i_sb, err, &tries));
	if (S_ISDIR(from.inode->i_mode))
		lnkfs_tree_changed(old_dir->i_sb);
	trace_lnkfs_rename(old_dir, from.name, new_dir, to.name, flags, err);
	return err;
}

const struct inode_operations lnkfs_dir_iops = {
	.lookup		= lnkfs_lookup,
	.create		= lnkfs_create,
	.link		= lnkfs_link,
	.unlink		= lnkfs_unlink,
	.symlink	= lnkfs_symlink,
	.mkdir		= lnkfs_mkdir,
	.rmdir		= lnkfs_rmdir,
	.mknod		= lnkfs_mknod,
	.rename		= lnkfs_rename,
	.tmpfile	= lnkfs_tmpfile,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
	LNKFS_GET_ACL(lnkfs_get_acl),
	.set_acl	= lnkfs_set_acl,
};

const struct inode_operations lnkfs_special_iops = {
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
	LNKFS_GET_ACL(lnkfs_get_acl),
	.set_acl	= lnkfs_set_acl,
};
