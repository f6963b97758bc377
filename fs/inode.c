// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes in memory: reading, creating, storing, evicting; attributes.
 */
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/posix_acl.h>
#include <linux/writeback.h>
#include "internal.h"
#include "trace.h"
#include "lnkfs.h"


/**
 * lnkfs_time_encode() - time stamp to the on-disk form
 * @ts: time, within s_time_min..s_time_max
 */
u64 lnkfs_time_encode(struct timespec64 ts)
{
	return (u64)(ts.tv_sec - LNKFS_EPOCH) * NSEC_PER_SEC + ts.tv_nsec;
}

/**
 * lnkfs_time_decode() - on-disk time stamp to the kernel's form
 * @t: nanoseconds since second -2^31
 */
struct timespec64 lnkfs_time_decode(u64 t)
{
	u32 nsec;
	u64 sec = div_u64_rem(t, NSEC_PER_SEC, &nsec);

	return (struct timespec64) {
		.tv_sec = (s64)sec + LNKFS_EPOCH,
		.tv_nsec = nsec,
	};
}

/* Operations by file type; the record has been checked. */
static void lnkfs_set_ops(struct inode *inode)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	const struct lnkfs_device *dev;

	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		lnkfs_set_file_ops(inode);
		break;
	case S_IFDIR:
		inode->i_op = &lnkfs_dir_iops;
		inode->i_fop = &lnkfs_dir_fops;
		break;
	case S_IFLNK:
		lnkfs_set_link_ops(inode);
		break;
	default:
		inode->i_op = &lnkfs_special_iops;
		dev = (void *)ci->area;
		init_special_inode(inode, inode->i_mode,
				   ci->fork == LNKFS_FORK_DEVICE ?
				   MKDEV(le32_to_cpu(dev->v_major),
					 le32_to_cpu(dev->v_minor)) : 0);
		break;
	}
}

/* So many volume blocks in the VFS's blocks of 512 bytes. */
static blkcnt_t lnkfs_vfs_blocks(const struct inode *inode, u64 blocks)
{
	return blocks << (inode->i_blkbits - 9);
}

/* Take over a record just read into the VFS inode. */
static void lnkfs_fill_inode(struct inode *inode)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;

	inode->i_mode = ci->mode;
	i_uid_write(inode, ci->uid);
	i_gid_write(inode, ci->gid);
	set_nlink(inode, ci->nlink);
	inode->i_generation = ci->gen;
	i_size_write(inode, ci->size);
	inode->i_blocks = lnkfs_vfs_blocks(inode, ci->blocks);
	LNKFS_I(inode)->quota_blocks = ci->blocks;
	inode_set_atime_to_ts(inode, lnkfs_time_decode(ci->atime));
	inode_set_mtime_to_ts(inode, lnkfs_time_decode(ci->mtime));
	lnkfs_set_ctime(inode, lnkfs_time_decode(ci->ctime));
	inode_set_iversion_queried(inode, ci->version);
	lnkfs_set_vfs_flags(inode);
	if (!ci->xattr_len && !ci->xattr_block)
		cache_no_acl(inode);
	lnkfs_set_ops(inode);
}

/*
 * iget_locked() for an inode that may be there already. It says NULL for two reasons: the
 * number is being given to a new inode, which is not there yet for whoever knows it from
 * before (-ESTALE); or there is no memory for one (-ENOMEM). When memory was short and
 * somebody else has read the inode meanwhile, none is needed any more. An inode that is gone
 * when we look may have been a new one that was given up: only a second time it was memory.
 */
static struct inode *lnkfs_iget_locked(struct super_block *sb, u64 ino)
{
	struct inode *inode, *other;
	bool being_made, again = false;

	for (;;) {
		inode = iget_locked(sb, ino);
		if (inode)
			return inode;
		rcu_read_lock();
		other = find_inode_by_ino_rcu(sb, ino);
		being_made = other && (READ_ONCE(other->i_state) & I_CREATING);
		rcu_read_unlock();
		if (being_made)
			return ERR_PTR(-ESTALE);
		if (!other && again)
			return ERR_PTR(-ENOMEM);
		again = !other;
		cond_resched();
	}
}

/**
 * lnkfs_iget() - get an inode by its number
 * @sb: volume
 * @ino: inode number, may be anything
 * @flags: LNKFS_IL_ORPHAN: an inode without links is wanted, too;
 *	LNKFS_IGET_QUOTA: a quota file is
 *
 * Return: the inode; -ESTALE when there is none; -EFSCORRUPTED, -EFSBADCRC,
 * -EIO, -ENOMEM.
 */
struct inode *lnkfs_iget(struct super_block *sb, u64 ino, unsigned int flags)
{
	struct lnkfs_fs *fs = &LNKFS_SB(sb)->fs;
	struct lnkfs_inode_info *li;
	struct inode *inode;
	int err;

	if (!lnkfs_ino_valid(fs, ino))
		return ERR_PTR(-ESTALE);
	/* Nobody but the quota code sees a quota file. */
	if (unlikely(lnkfs_is_quota_ino(sb, ino)) && !(flags & LNKFS_IGET_QUOTA))
		return ERR_PTR(-ESTALE);
	inode = lnkfs_iget_locked(sb, ino);
	if (IS_ERR(inode))
		return inode;
	if (!(inode->i_state & I_NEW)) {
		if (!inode->i_nlink && !(flags & LNKFS_IL_ORPHAN)) {
			iput(inode);
			return ERR_PTR(-ESTALE);
		}
		return inode;
	}
	li = LNKFS_I(inode);
	err = lnkfs_inode_load(fs, ino, flags, &li->ci);
	if (err) {
		li->ci.ino = 0;
		iget_failed(inode);
		return ERR_PTR(err);
	}
	lnkfs_fill_inode(inode);
	lnkfs_read_tids(inode);
	unlock_new_inode(inode);
	return inode;
}

/* Find a place for the record of a new inode; it gets its number. */
static int lnkfs_claim_record(handle_t *handle, struct inode *dir, struct inode *inode)
{
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	bool is_dir = S_ISDIR(inode->i_mode);
	u32 group;
	u64 ino;
	int err;

	group = lnkfs_group_of(fs, lnkfs_ino_block(fs, dir->i_ino));
	if (is_dir)
		group = lnkfs_ialloc_dir_group(fs, group);
	err = lnkfs_ialloc(handle, fs, group, ci->slots, is_dir, &ino);
	if (err)
		return err;
	ci->ino = ino;
	inode->i_ino = ino;
	if (insert_inode_locked(inode) < 0) {
		err = lnkfs_report(fs, -EFSCORRUPTED, ino, 0,
				   "a free inode is in use in memory");
		lnkfs_ifree(handle, fs, ino, ci->slots, is_dir);
		ci->ino = 0;
	}
	return err;
}

/**
 * lnkfs_new_inode() - create an inode, not yet linked anywhere
 * @handle: running handle, with the credits of @nb
 * @dir: parent directory
 * @nb: the inode, prepared by lnkfs_prepare_inode()
 * @rdev: device number, for device nodes
 *
 * The record has been claimed, not stored. The inode is locked (I_NEW), has
 * link count 1 (directories: 2), and its fork is empty: the caller fills it,
 * calls lnkfs_store_new_xattrs(), lnkfs_store() and d_instantiate_new(), or
 * lnkfs_undo_new_inode().
 *
 * Return: 0; -ENOSPC, -EDQUOT, -ENOMEM, -EIO, -EFSCORRUPTED.
 */
int lnkfs_new_inode(handle_t *handle, struct inode *dir, struct lnkfs_newborn *nb, dev_t rdev)
{
	struct inode *inode = nb->inode;
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct timespec64 now;
	int err;

	ci->slots = nb->slots;
	ci->area_len = LNKFS_AREA_LEN(nb->slots);
	ci->area = lnkfs_alloc(ci->area_len);
	if (!ci->area)
		return -ENOMEM;
	err = dquot_alloc_inode(inode);
	if (err)
		return err;
	err = lnkfs_claim_record(handle, dir, inode);
	if (err) {
		dquot_free_inode(inode);
		return err;
	}
	nb->locked = true;
	ci->mode = inode->i_mode;
	do {
		ci->gen = lnkfs_random32();
	} while (!ci->gen);
	inode->i_generation = ci->gen;
	now = current_time(inode);
	inode_set_atime_to_ts(inode, now);
	inode_set_mtime_to_ts(inode, now);
	lnkfs_set_ctime(inode, now);
	ci->btime = lnkfs_time_encode(now);
	inode_set_iversion(inode, 1);
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		lnkfs_ext_init(ci);
		break;
	case S_IFDIR:
		set_nlink(inode, 2);
		ci->parent = dir->i_ino;
		lnkfs_dir_init(ci);
		break;
	case S_IFBLK:
	case S_IFCHR:
		((struct lnkfs_device *)ci->area)->v_major = cpu_to_le32(MAJOR(rdev));
		((struct lnkfs_device *)ci->area)->v_minor = cpu_to_le32(MINOR(rdev));
		ci->fork = LNKFS_FORK_DEVICE;
		ci->fork_len = sizeof(struct lnkfs_device);
		break;
	}
	if (!S_ISLNK(inode->i_mode))
		lnkfs_set_ops(inode);
	trace_lnkfs_alloc_inode(inode);
	return 0;
}

/**
 * lnkfs_undo_new_inode() - give back an inode whose creation failed
 * @handle: the handle it was created in
 * @inode: the inode; the caller calls discard_new_inode() after the handle
 */
void lnkfs_undo_new_inode(handle_t *handle, struct inode *inode)
{
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	int err;

	/* Somebody else may get this number as soon as the record is free. */
	remove_inode_hash(inode);
	do {
		err = lnkfs_xattr_free(handle, fs, ci);
	} while (err > 0);
	if (!err && ci->fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_free_slow(handle, fs, ci);
	if (!err)
		err = lnkfs_ifree(handle, fs, ci->ino, ci->slots, S_ISDIR(inode->i_mode));
	if (err)
		lnkfs_abort(inode->i_sb, err);
	lnkfs_quota_settle(inode);
	dquot_free_inode(inode);
	lnkfs_orphan_freed(inode);
	clear_nlink(inode);
	ci->ino = 0;
}

/**
 * lnkfs_read_inode_block() - have an inode's block in memory
 * @inode: inode whose record is about to be stored
 *
 * Return: 0, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC when a record in it is bad.
 */
int lnkfs_read_inode_block(struct inode *inode)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct buffer_head *bh;
	int err;

	/* There is no block yet, or nothing is going to be stored: for lnkfs_begin() to say. */
	if (!ci->ino || lnkfs_stopped(inode->i_sb) || lnkfs_rdonly(inode->i_sb))
		return 0;
	err = lnkfs_bread(fs, lnkfs_ino_block(fs, ci->ino), LNKFS_B_INODE, 0, 0, &bh);
	if (err)
		return err;
	/* Nothing can be stored beside a bad record: lnkfs_baccess() would say so too late. */
	if (lnkfs_bbad(bh))
		err = -EFSBADCRC;
	lnkfs_bput(bh);
	return err;
}

static int lnkfs_store_record(handle_t *handle, struct inode *inode, bool datasync)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_cinode *ci = &li->ci;
	struct buffer_head *bh;
	int err;

	err = lnkfs_bread(fs, lnkfs_ino_block(fs, ci->ino), LNKFS_B_INODE, 0, 0, &bh);
	if (err)
		return err;
	err = lnkfs_baccess(handle, fs, bh, LNKFS_B_INODE);
	if (err) {
		lnkfs_bput(bh);
		return err;
	}
	spin_lock(&li->raw_lock);
	ci->mode = inode->i_mode;
	ci->uid = i_uid_read(inode);
	ci->gid = i_gid_read(inode);
	ci->nlink = inode->i_nlink;
	ci->atime = lnkfs_time_encode(inode_get_atime(inode));
	ci->mtime = lnkfs_time_encode(inode_get_mtime(inode));
	ci->ctime = lnkfs_time_encode(lnkfs_inode_ctime(inode));
	ci->version = inode_peek_iversion(inode);
	lnkfs_inode_encode(ci, lnkfs_bdata(bh), lnkfs_ino_slot(fs, ci->ino));
	spin_unlock(&li->raw_lock);
	lnkfs_bdirty(handle, fs, bh);
	lnkfs_bput(bh);
	lnkfs_note_tid(handle, inode, datasync);
	return 0;
}

/**
 * lnkfs_store() - write an inode's record
 * @handle: running handle, with LNKFS_CREDITS_STORE
 * @inode: the inode
 *
 * Usage of disk quota follows the record.
 *
 * Context: in the handle that changed the inode, before it ends;
 * ext_lock may be held.
 * Return: 0, or an error after which the journal is aborted.
 */
int lnkfs_store(handle_t *handle, struct inode *inode)
{
	int err;

	lnkfs_quota_settle(inode);
	/* The VFS's count, for FIOQSIZE: where there are quotas they keep it. */
	if (!lnkfs_has_quota(inode->i_sb))
		WRITE_ONCE(inode->i_blocks, lnkfs_vfs_blocks(inode, LNKFS_I(inode)->ci.blocks));
	err = lnkfs_store_record(handle, inode, true);
	/* What the handle changed elsewhere must not become durable alone. */
	if (err)
		lnkfs_abort(inode->i_sb, err);
	return err;
}

/**
 * lnkfs_dirty_inode() - the VFS changed attributes (super_operations)
 * @inode: the inode
 * @flags: I_DIRTY_*
 *
 * Where the record cannot be written, as next to a damaged one, that is a time
 * stamp lost, unless it belongs to an operation under way.
 */
void lnkfs_dirty_inode(struct inode *inode, int flags)
{
	bool alone = !journal_current_handle();
	handle_t *handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE, 0);
	int err;

	if (IS_ERR(handle))
		return;
	err = lnkfs_store_record(handle, inode, false);
	if (err && !alone)
		lnkfs_abort(inode->i_sb, err);
	lnkfs_end(handle);
}

/**
 * lnkfs_write_inode() - writeback of an inode (super_operations)
 * @inode: the inode; its record is in the journal already
 * @wbc: control
 */
int lnkfs_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	struct super_block *sb = inode->i_sb;

	if (!LNKFS_SB(sb)->journal || lnkfs_rdonly(sb) || (current->flags & PF_MEMALLOC))
		return 0;
	/* sync(2) commits once for all in lnkfs_sync_fs(). */
	if (wbc->sync_mode != WB_SYNC_ALL || wbc->for_sync)
		return 0;
	return lnkfs_wait_tid(sb, READ_ONCE(LNKFS_I(inode)->sync_tid));
}

/* Blocks that a directory kept when it became empty: freeing them had failed. */
static int lnkfs_trim_dir(struct inode *inode)
{
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	handle_t *handle;
	int more, err;

	do {
		handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE +
					   lnkfs_dir_remove_credits(fs, ci),
					   lnkfs_dir_revokes(fs, ci));
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		more = lnkfs_dir_trim(handle, fs, ci);
		err = lnkfs_store(handle, inode);
		if (!err)
			err = lnkfs_end(handle);
		else
			lnkfs_end(handle);
	} while (more > 0 && !err);
	if (more == -ENOTEMPTY)
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0,
				    "a deleted directory is not empty");
	return more < 0 ? more : err;
}

/* Free what an inode without links owns, and the inode. */
static int lnkfs_delete_inode(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	struct lnkfs_cinode *ci = &li->ci;
	const bool slow = ci->fork == LNKFS_FORK_SLOW_LINK;
	handle_t *handle;
	int err = 0, err2;

	if (S_ISREG(inode->i_mode))
		err = lnkfs_truncate_blocks(inode, 0);
	else if (ci->fork == LNKFS_FORK_DIR_BLOCKS)
		err = lnkfs_trim_dir(inode);
	if (!err)
		err = lnkfs_free_xattrs(inode);
	if (err)
		return err;
	handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_IFREE + LNKFS_CREDITS_ORPHAN +
				   LNKFS_CREDITS_FREE,
				   LNKFS_REVOKES_IFREE + LNKFS_REVOKES_SLOW_LINK);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (slow)
		err = lnkfs_symlink_free_slow(handle, fs, ci);
	if (!err) {
		err = lnkfs_ifree(handle, fs, ci->ino, ci->slots, S_ISDIR(inode->i_mode));
		if (!err) {
			trace_lnkfs_free_inode(inode);
			lnkfs_quota_settle(inode);
			dquot_free_inode(inode);
			lnkfs_orphan_freed(inode);
		} else if (slow) {
			/* The body is free, and the record must not lead to it any more. */
			lnkfs_store(handle, inode);
		}
	}
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

/**
 * lnkfs_evict_inode() - an inode leaves memory (super_operations)
 * @inode: the inode
 *
 * A failure leaves an orphan, which the next read-write mount frees.
 */
void lnkfs_evict_inode(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	truncate_inode_pages_final(&inode->i_data);
	lnkfs_da_drop(inode);
	lnkfs_drop_window(inode);
	if (li->track)
		lnkfs_track_forget(inode);
	if (!inode->i_nlink && !is_bad_inode(inode) && li->ci.ino &&
	    LNKFS_SB(inode->i_sb)->journal && !lnkfs_rdonly(inode->i_sb) &&
	    !lnkfs_quota_init(inode)) {
		sb_start_intwrite(inode->i_sb);
		lnkfs_delete_inode(inode);
		sb_end_intwrite(inode->i_sb);
	}
	dquot_drop(inode);
	clear_inode(inode);
}

/**
 * lnkfs_getattr() - stat, statx
 * @idmap: of the mount
 * @path: the object
 * @stat: answer
 * @request_mask: STATX_* asked for
 * @query_flags: AT_*
 */
int lnkfs_getattr(lnkfs_idmap *idmap, const struct path *path, struct kstat *stat,
		  u32 request_mask, unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_cinode *ci = &li->ci;

	if (lnkfs_stopped(inode->i_sb))
		return -EIO;
	lnkfs_fillattr(idmap, request_mask, inode, stat);
	stat->result_mask |= STATX_BTIME;
	stat->btime = lnkfs_time_decode(ci->btime);
	if (inode->i_flags & S_IMMUTABLE)
		stat->attributes |= STATX_ATTR_IMMUTABLE;
	if (inode->i_flags & S_APPEND)
		stat->attributes |= STATX_ATTR_APPEND;
	if (ci->flags & LNKFS_UF_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	stat->attributes_mask |= STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND |
				 STATX_ATTR_NODUMP;
	if ((request_mask & STATX_DIOALIGN) && S_ISREG(inode->i_mode)) {
		stat->result_mask |= STATX_DIOALIGN;
		stat->dio_mem_align = bdev_dma_alignment(inode->i_sb->s_bdev) + 1;
		stat->dio_offset_align = bdev_logical_block_size(inode->i_sb->s_bdev);
	}
	/* Blocks promised to delayed allocation count: the file will have them. */
	stat->blocks = lnkfs_vfs_blocks(inode, READ_ONCE(ci->blocks) + READ_ONCE(li->da_blocks));
	return 0;
}

/**
 * lnkfs_setattr() - chmod, chown, utimes, truncate
 * @idmap: of the mount
 * @dentry: the object
 * @attr: what to change
 *
 * Context: inode_lock held.
 * Return: 0, -EPERM, -EFBIG, -ENOSPC, -EDQUOT, -EROFS, -EIO, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_setattr(lnkfs_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct lnkfs_quota_hold hold = {};
	handle_t *handle;
	int err, err2;

	/* The VFS has looked before it took the lock, or not at all (ftruncate). */
	if (unlikely(IS_IMMUTABLE(inode) ||
		     (IS_APPEND(inode) && (attr->ia_valid & ATTR_SIZE))))
		return -EPERM;
	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	err = lnkfs_quota_hold_owner(&hold, idmap, inode, attr);
	if (err)
		goto out;
	if (attr->ia_valid & ATTR_SIZE)
		lnkfs_drop_window(inode);
	if ((attr->ia_valid & ATTR_SIZE) && attr->ia_size != i_size_read(inode)) {
		if (!(attr->ia_valid & ATTR_MTIME))
			attr->ia_mtime = current_time(inode);
		if (!(attr->ia_valid & ATTR_CTIME))
			attr->ia_ctime = current_time(inode);
		attr->ia_valid |= ATTR_MTIME | ATTR_CTIME;
	}
	if (attr->ia_valid & ATTR_SIZE) {
		/* The page cache is cut before the first handle says that it cannot be. */
		err = lnkfs_may_write(inode->i_sb);
		if (!err)
			err = lnkfs_setsize(inode, attr->ia_size);
		if (err)
			goto out;
	}
	handle = lnkfs_begin_inode(inode, LNKFS_CREDITS_STORE, 0);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
		goto out;
	}
	err = dquot_transfer(idmap, inode, attr);
	if (!err) {
		setattr_copy(idmap, inode, attr);
		inode_inc_iversion(inode);
		err = lnkfs_store(handle, inode);
		lnkfs_sync_handle(handle, inode);
		if (S_ISDIR(inode->i_mode))
			lnkfs_tree_changed(inode->i_sb);
	}
	err2 = lnkfs_end(handle);
	if (!err)
		err = err2;
	/* As everywhere, the ACL follows in a handle of its own. */
	if (!err && (attr->ia_valid & ATTR_MODE) && !S_ISLNK(inode->i_mode))
		err = lnkfs_posix_acl_chmod(idmap, dentry);
out:
	lnkfs_quota_unhold(&hold);
	return err;
}
