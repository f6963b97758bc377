// SPDX-License-Identifier: GPL-2.0
/*
 * Disk quota, on the VFS's quota code: usage is always kept when the volume has
 * quota files, limits are enforced when the mount options say so.
 *
 * Inodes are charged one by one. Blocks are charged in two steps, so that
 * EDQUOT comes before anything has changed:
 *
 *  - Before or at the allocation of blocks they are reserved in memory
 *    (lnkfs_quota_reserve()): data by delayed allocation or by the allocation
 *    itself, a directory's blocks and tree nodes and a symlink's body by the
 *    host's lnkfs_space_take(), between lnkfs_charge_begin() and _end().
 *  - In the handle of the allocation lnkfs_store() brings the quota files up to
 *    what the record says (lnkfs_quota_settle()): reserved blocks become usage,
 *    what was not reserved (nodes of extent trees) is charged without asking.
 *
 * So quota files and inodes change in the same transaction, and usage is exact
 * after a crash.
 *
 * Locks and handles: dquots come into memory and leave it in handles of their
 * own (->acquire_dquot, ->release_dquot), with credits for a change of the
 * quota file's tree, and never within another handle; whoever is going to
 * change an inode calls dquot_initialize() first, and who changes an owner holds the
 * new one's dquot (struct lnkfs_quota_hold). A change of usage only rewrites entries: for
 * those lnkfs_begin() adds credits to every handle (LNKFS_QUOTA_INODES).
 * The order is handle, ext_lock of an inode, dq_lock, dqio_sem, ext_lock of the
 * quota file, group lock. Reservations take only the quota code's spinlocks,
 * and so may be made under a group's lock.
 */
#include <linux/quotaops.h>
#include <linux/sched/mm.h>
#include <linux/statfs.h>
#include "internal.h"

/* lockdep: ext_lock of a quota file, taken under that of another inode */
#define LNKFS_NEST_QUOTA	1

/* Inodes whose usage one handle may change: two directories and a new inode. */
#define LNKFS_QUOTA_INODES	3

/*
 * Quota blocks that coming and going of an entry may write: the way down the
 * tree, the leaf, neighbours in the lists of leaves and of free blocks, the head.
 */
#define LNKFS_QUOTA_TREE_BLOCKS	(LNKFS_QUOTA_LEVELS + 6)
/* Of these, blocks that may have to be new. */
#define LNKFS_QUOTA_NEW_BLOCKS	(LNKFS_QUOTA_LEVELS + 1)

static const unsigned int lnkfs_limit_opts[MAXQUOTAS] = {
	LNKFS_OPT_USRQUOTA, LNKFS_OPT_GRPQUOTA, LNKFS_OPT_PRJQUOTA,
};

static const char * const lnkfs_quota_names[MAXQUOTAS] = { "user", "group", "project" };

/* ---- the quota files ---- */

/**
 * lnkfs_quota_file_read() - read from a quota file (super_operations)
 * @sb: volume
 * @type: USRQUOTA, GRPQUOTA, PRJQUOTA
 * @data: gets the bytes
 * @len: how many
 * @off: first byte
 */
ssize_t lnkfs_quota_file_read(struct super_block *sb, int type, char *data, size_t len,
			      loff_t off)
{
	struct inode *inode = sb_dqopt(sb)->files[type];
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int ret;

	down_read_nested(&li->ext_lock, LNKFS_NEST_QUOTA);
	ret = lnkfs_quota_read(LNKFS_FS(inode), &li->ci, off, data, len);
	up_read(&li->ext_lock);
	return ret;
}

/**
 * lnkfs_quota_file_write() - write to a quota file (super_operations)
 * @sb: volume
 * @type: USRQUOTA, GRPQUOTA, PRJQUOTA
 * @data: the bytes
 * @len: how many
 * @off: first byte
 *
 * Context: in a handle, with credits.
 */
ssize_t lnkfs_quota_file_write(struct super_block *sb, int type, const char *data,
			       size_t len, loff_t off)
{
	struct inode *inode = sb_dqopt(sb)->files[type];
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	handle_t *handle = journal_current_handle();
	u64 size;
	int err;

	if (!handle)
		return -EIO;
	down_write_nested(&li->ext_lock, LNKFS_NEST_QUOTA);
	size = li->ci.size;
	err = lnkfs_quota_write(handle, fs, &li->ci, off, data, len);
	if (li->ci.size != size) {
		i_size_write(inode, li->ci.size);
		lnkfs_store(handle, inode);
	}
	up_write(&li->ext_lock);
	return err ? err : len;
}

/**
 * lnkfs_get_dquots() - where an inode's dquots are (super_operations)
 * @inode: the inode
 */
lnkfs_dquot **lnkfs_get_dquots(struct inode *inode)
{
	return LNKFS_I(inode)->dquot;
}

/* ---- dquots ---- */

/*
 * Credits to put an entry into a quota file, and what a block that finds no place in the
 * file's tree gives back: without a revoke record its contents would be written later, over
 * what has got the block since.
 */
static u32 lnkfs_acquire_credits(struct super_block *sb, int type, u32 *revokes)
{
	struct inode *inode = sb_dqopt(sb)->files[type];
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_fs *fs = LNKFS_FS(inode);
	u32 blocks = DIV_ROUND_UP(LNKFS_QUOTA_NEW_BLOCKS * LNKFS_QUOTA_BLOCK,
				  lnkfs_quota_payload(fs)) + 1;
	u32 each;

	down_read_nested(&li->ext_lock, LNKFS_NEST_QUOTA);
	each = lnkfs_quota_new_credits(fs, &li->ci);
	*revokes = blocks * lnkfs_quota_new_revokes(fs, &li->ci);
	up_read(&li->ext_lock);
	return LNKFS_QUOTA_TREE_BLOCKS * LNKFS_CREDITS_QUOTA + blocks * each +
	       LNKFS_CREDITS_STORE;
}

/*
 * The volume is frozen, or is being frozen: a dquot is had only when there is nothing to
 * write, because the quota file knows its ID. The entry stays while the dquot is in memory.
 */
static int lnkfs_acquire_frozen(struct dquot *dquot)
{
	struct kqid id = dquot->dq_id;
	int err = dquot_get_next_id(dquot->dq_sb, &id);

	if (err == -ENOENT || (!err && !qid_eq(id, dquot->dq_id)))
		return -EBUSY;
	return err ? err : dquot_acquire(dquot);
}

/*
 * Never waits for a thaw: quotactl(2) may be asking, which holds s_umount, and the thaw
 * wants that. Who can wait calls lnkfs_quota_init().
 */
static int lnkfs_acquire_dquot(struct dquot *dquot)
{
	struct super_block *sb = dquot->dq_sb;
	handle_t *handle;
	u32 credits, revokes;
	int err, err2;

	/* Its credits would not do. */
	if (WARN_ON_ONCE(journal_current_handle()))
		return -EIO;
	if (!sb_start_intwrite_trylock(sb))
		return lnkfs_acquire_frozen(dquot);
	credits = lnkfs_acquire_credits(sb, dquot->dq_id.type, &revokes);
	handle = lnkfs_begin(sb, credits, revokes);
	if (IS_ERR(handle)) {
		err = PTR_ERR(handle);
	} else {
		err = dquot_acquire(dquot);
		err2 = lnkfs_end(handle);
		if (!err)
			err = err2;
	}
	sb_end_intwrite(sb);
	return err;
}

/**
 * lnkfs_quota_init() - dquot_initialize() for whoever may meet a frozen volume
 * @inode: inode that is going to change
 *
 * Not needed by those that keep the volume from being frozen, as with mnt_want_write().
 *
 * Context: not in a handle, s_umount not held; may wait for the thaw.
 * Return: 0 or an error of dquot_initialize(), not -EBUSY.
 */
int lnkfs_quota_init(struct inode *inode)
{
	int err;

	while ((err = dquot_initialize(inode)) == -EBUSY) {
		sb_start_intwrite(inode->i_sb);
		sb_end_intwrite(inode->i_sb);
	}
	return err;
}

/*
 * A dquot goes, and its entry stays though it may have nothing to say: that is removed when
 * the ID has been used the next time. The VFS removes it only while the dquot is marked as
 * one without limits.
 */
static int lnkfs_release_unwritten(struct dquot *dquot)
{
	const struct mem_dqblk *dqb = &dquot->dq_dqb;
	int err;

	clear_bit(DQ_FAKE_B, &dquot->dq_flags);
	err = dquot_release(dquot);
	spin_lock(&dquot->dq_dqb_lock);
	if (!dqb->dqb_bsoftlimit && !dqb->dqb_bhardlimit && !dqb->dqb_isoftlimit &&
	    !dqb->dqb_ihardlimit)
		set_bit(DQ_FAKE_B, &dquot->dq_flags);
	spin_unlock(&dquot->dq_dqb_lock);
	return err;
}

/* All dquots of the system go one after the other: nobody must wait for a thaw here. */
static int lnkfs_release_dquot(struct dquot *dquot)
{
	struct super_block *sb = dquot->dq_sb;
	handle_t *handle;
	int err, err2;

	if (!sb_start_intwrite_trylock(sb))
		return lnkfs_release_unwritten(dquot);
	handle = lnkfs_begin(sb, LNKFS_QUOTA_TREE_BLOCKS * LNKFS_CREDITS_QUOTA, 0);
	if (IS_ERR(handle)) {
		/* It has to go all the same, or it would be released for ever. */
		lnkfs_release_unwritten(dquot);
		err = PTR_ERR(handle);
	} else {
		err = dquot_release(dquot);
		err2 = lnkfs_end(handle);
		if (!err)
			err = err2;
	}
	sb_end_intwrite(sb);
	return err;
}

static int lnkfs_write_dquot(struct dquot *dquot)
{
	struct super_block *sb = dquot->dq_sb;
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin(sb, LNKFS_CREDITS_QUOTA, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	/* Callers in the VFS do not look: what memory is missing for is tried again. */
	while ((err = dquot_commit(dquot)) == -ENOMEM) {
		memalloc_retry_wait(GFP_NOFS);
		dquot_mark_dquot_dirty(dquot);
	}
	/* What is charged here must not become durable without the charge. */
	if (err < 0)
		lnkfs_abort(sb, err);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

static int lnkfs_mark_dquot_dirty(struct dquot *dquot)
{
	dquot_mark_dquot_dirty(dquot);
	return lnkfs_write_dquot(dquot);
}

static int lnkfs_write_quota_info(struct super_block *sb, int type)
{
	handle_t *handle;
	int err, err2;

	handle = lnkfs_begin(sb, LNKFS_CREDITS_QUOTA, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	while ((err = dquot_commit_info(sb, type)) == -ENOMEM)
		memalloc_retry_wait(GFP_NOFS);
	err2 = lnkfs_end(handle);
	return err ? err : err2;
}

static qsize_t *lnkfs_get_reserved_space(struct inode *inode)
{
	return &LNKFS_I(inode)->quota_reserved;
}

static int lnkfs_get_projid(struct inode *inode, kprojid_t *projid)
{
	*projid = make_kprojid(&init_user_ns, READ_ONCE(LNKFS_I(inode)->ci.projid));
	return 0;
}

static const struct dquot_operations lnkfs_dquot_ops = {
	.write_dquot		= lnkfs_write_dquot,
	.alloc_dquot		= dquot_alloc,
	.destroy_dquot		= dquot_destroy,
	.acquire_dquot		= lnkfs_acquire_dquot,
	.release_dquot		= lnkfs_release_dquot,
	.mark_dirty		= lnkfs_mark_dquot_dirty,
	.write_info		= lnkfs_write_quota_info,
	.get_reserved_space	= lnkfs_get_reserved_space,
	.get_projid		= lnkfs_get_projid,
	.get_next_id		= dquot_get_next_id,
};

/* ---- on and off ---- */

/**
 * lnkfs_quota_setup() - tell the VFS about the quota files
 * @sb: superblock being set up, its s_quota_types says which files there are
 */
void lnkfs_quota_setup(struct super_block *sb)
{
	if (!sb->s_quota_types)
		return;
	LNKFS_SB(sb)->quota_credits = hweight32(sb->s_quota_types) * LNKFS_QUOTA_INODES *
				      LNKFS_CREDITS_QUOTA;
	sb->dq_op = &lnkfs_dquot_ops;
	sb->s_qcop = &dquot_quotactl_sysfile_ops;
	sb_dqopt(sb)->flags |= DQUOT_QUOTA_SYS_FILE | DQUOT_NOLIST_DIRTY;
}

static int lnkfs_quota_load(struct super_block *sb, int type)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	unsigned int flags = DQUOT_USAGE_ENABLED;
	struct lnkfs_inode_info *li;
	struct inode *inode;
	int err = -EFSCORRUPTED;

	if (sbi->opts & lnkfs_limit_opts[type])
		flags |= DQUOT_LIMITS_ENABLED;
	inode = lnkfs_iget(sb, le64_to_cpu(sbi->super->s_quota_ino[type]), LNKFS_IGET_QUOTA);
	if (IS_ERR(inode))
		/* The superblock names what is not there: not a matter of handles. */
		return inode == ERR_PTR(-ESTALE) ? -EFSCORRUPTED : PTR_ERR(inode);
	/* The VFS would say EINVAL, whatever keeps it from reading the head of the file. */
	if (S_ISREG(inode->i_mode)) {
		li = LNKFS_I(inode);
		down_read_nested(&li->ext_lock, LNKFS_NEST_QUOTA);
		err = lnkfs_quota_check(&sbi->fs, &li->ci);
		up_read(&li->ext_lock);
	}
	if (!err) {
		inode->i_flags |= S_NOQUOTA;
		err = dquot_load_quota_inode(inode, type, QFMT_VFS_V1, flags);
	}
	iput(inode);
	return err;
}

/**
 * lnkfs_quota_on() - begin or go on keeping usage
 * @sb: volume that becomes writable; s_umount is held for write
 *
 * Return: 0, -ESRCH without the kernel's code for the format, or an error of
 * reading a quota file.
 */
int lnkfs_quota_on(struct super_block *sb)
{
	int type, err = 0;

	if (sb_any_quota_suspended(sb)) {
		err = dquot_resume(sb, -1);
		if (err)
			pr_err("lnkfs (%s): cannot resume quota (%d)\n", sb->s_id, err);
	}
	for (type = 0; type < MAXQUOTAS && !err; type++) {
		if (!(sb->s_quota_types & (1 << type)) || sb_has_quota_loaded(sb, type))
			continue;
		err = lnkfs_quota_load(sb, type);
		if (err)
			pr_err("lnkfs (%s): cannot turn %s quota on (%d)%s\n", sb->s_id,
			       lnkfs_quota_names[type], err,
			       err == -ESRCH ? ": the kernel has no quota_v2" : "");
	}
	if (err)
		lnkfs_quota_off(sb);
	return err;
}

/**
 * lnkfs_quota_suspend() - the volume becomes read-only
 * @sb: volume; s_umount is held for write
 */
int lnkfs_quota_suspend(struct super_block *sb)
{
	return dquot_suspend(sb, -1);
}

/**
 * lnkfs_quota_off() - the volume is being unmounted
 * @sb: volume; s_umount is held for write
 */
void lnkfs_quota_off(struct super_block *sb)
{
	int type;

	for (type = 0; type < MAXQUOTAS; type++)
		dquot_quota_off(sb, type);
}

/**
 * lnkfs_quota_enforced() - which limits are enforced, whoever has asked for it
 * @sb: volume
 * @opts: LNKFS_OPT_*, as mount options have set them
 *
 * Return: @opts, with LNKFS_OPT_*QUOTA as they are in effect, quotactl(2) included; while
 * the volume is read-only as they are in @opts.
 */
unsigned int lnkfs_quota_enforced(struct super_block *sb, unsigned int opts)
{
	int type;

	for (type = 0; type < MAXQUOTAS; type++) {
		if (!sb_has_quota_usage_enabled(sb, type) || sb_has_quota_suspended(sb, type))
			continue;
		if (sb_has_quota_limits_enabled(sb, type))
			opts |= lnkfs_limit_opts[type];
		else
			opts &= ~lnkfs_limit_opts[type];
	}
	return opts;
}

/**
 * lnkfs_quota_options() - limits are to be enforced, or no longer
 * @sb: writable volume; s_umount is held for write
 * @opts: LNKFS_OPT_*QUOTA
 */
int lnkfs_quota_options(struct super_block *sb, unsigned int opts)
{
	static const unsigned int enforce[MAXQUOTAS] = {
		FS_QUOTA_UDQ_ENFD, FS_QUOTA_GDQ_ENFD, FS_QUOTA_PDQ_ENFD,
	};
	bool want, have;
	int type, err;

	for (type = 0; type < MAXQUOTAS; type++) {
		want = opts & lnkfs_limit_opts[type];
		have = sb_has_quota_limits_enabled(sb, type);
		if (want == have || !sb_has_quota_usage_enabled(sb, type))
			continue;
		if (want)
			err = sb->s_qcop->quota_enable(sb, enforce[type]);
		else
			err = sb->s_qcop->quota_disable(sb, enforce[type]);
		if (err)
			return err;
	}
	return 0;
}

/* ---- charging ---- */

/**
 * lnkfs_quota_reserve() - promise blocks to an inode
 * @inode: the inode, its dquots initialized
 * @blocks: how many; with @partial set to what could be had
 * @partial: be content with fewer, but one at least
 *
 * Context: may sleep, but not for I/O; any lock of lnkfs's that is no spinlock
 * may be held.
 * Return: 0, -EDQUOT.
 */
int lnkfs_quota_reserve(struct inode *inode, u64 *blocks, bool partial)
{
	int err;

	if (!lnkfs_has_quota(inode->i_sb))
		return 0;
	for (;;) {
		err = dquot_reserve_block(inode, *blocks);
		if (!err || *blocks == 1 || !partial)
			return err;
		*blocks /= 2;
	}
}

/**
 * lnkfs_quota_unreserve() - take back a promise that was not used
 * @inode: the inode
 * @blocks: how many
 */
void lnkfs_quota_unreserve(struct inode *inode, u64 blocks)
{
	if (blocks && lnkfs_has_quota(inode->i_sb))
		dquot_release_reservation_block(inode, blocks);
}

/**
 * lnkfs_quota_allocated() - promised blocks have been allocated
 * @inode: the inode
 * @blocks: how many
 *
 * Context: in the handle of the allocation; any spinlock before raw_lock.
 */
void lnkfs_quota_allocated(struct inode *inode, u64 blocks)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (!lnkfs_has_quota(inode->i_sb))
		return;
	spin_lock(&li->raw_lock);
	li->quota_claim += blocks;
	spin_unlock(&li->raw_lock);
}

/**
 * lnkfs_quota_settle() - charge for what the inode's record says
 * @inode: the inode
 *
 * Context: in the handle that changed @inode's block count.
 */
void lnkfs_quota_settle(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	s64 delta, claim, used;

	if (!lnkfs_has_quota(inode->i_sb))
		return;
	spin_lock(&li->raw_lock);
	delta = li->ci.blocks - li->quota_blocks;
	claim = li->quota_claim;
	li->quota_blocks = li->ci.blocks;
	li->quota_claim = 0;
	spin_unlock(&li->raw_lock);
	used = min(claim, max_t(s64, delta, 0));
	if (used)
		dquot_claim_space_nodirty(inode, used << inode->i_blkbits);
	lnkfs_quota_unreserve(inode, claim - used);
	delta -= used;
	if (delta > 0)
		__dquot_alloc_space(inode, delta << inode->i_blkbits,
				    DQUOT_SPACE_WARN | DQUOT_SPACE_NOFAIL);
	else if (delta < 0)
		dquot_free_space_nodirty(inode, -delta << inode->i_blkbits);
}

/**
 * lnkfs_charge_begin() - charge an inode with what this task allocates
 * @charge: to be kept until lnkfs_charge_end()
 * @inode: the inode, its dquots initialized; NULL: nobody
 *
 * For operations of the core that find out only as they go how many blocks they
 * need. Where one more is too much, the allocation answers -EDQUOT, and the
 * core undoes what it has done. Does not nest.
 */
void lnkfs_charge_begin(struct lnkfs_charge *charge, struct inode *inode)
{
	struct lnkfs_sb_info *sbi;

	charge->inode = inode;
	charge->task = current;
	INIT_LIST_HEAD(&charge->list);
	if (!inode || !lnkfs_has_quota(inode->i_sb))
		return;
	sbi = LNKFS_SB(inode->i_sb);
	spin_lock(&sbi->charge_lock);
	list_add(&charge->list, &sbi->charges);
	spin_unlock(&sbi->charge_lock);
}

/**
 * lnkfs_charge_end() - undo lnkfs_charge_begin()
 * @charge: as given then
 *
 * The charges become final when the inode is stored.
 */
void lnkfs_charge_end(struct lnkfs_charge *charge)
{
	struct lnkfs_sb_info *sbi;

	if (list_empty(&charge->list))
		return;
	sbi = LNKFS_SB(charge->inode->i_sb);
	spin_lock(&sbi->charge_lock);
	list_del_init(&charge->list);
	spin_unlock(&sbi->charge_lock);
}

/* Whom the running task's allocations are charged to, or NULL. */
static struct inode *lnkfs_charged(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_charge *charge;
	struct inode *inode = NULL;

	if (list_empty(&sbi->charges))
		return NULL;
	spin_lock(&sbi->charge_lock);
	list_for_each_entry(charge, &sbi->charges, list) {
		if (charge->task == current) {
			inode = charge->inode;
			break;
		}
	}
	spin_unlock(&sbi->charge_lock);
	return inode;
}

/**
 * lnkfs_charge_take() - blocks are about to be allocated
 * @sbi: volume
 * @blocks: how many
 *
 * Return: 0, or -EDQUOT when they are charged to an inode and its owner has
 * no more.
 */
int lnkfs_charge_take(struct lnkfs_sb_info *sbi, u64 blocks)
{
	struct inode *inode = lnkfs_charged(sbi);
	int err;

	if (!inode)
		return 0;
	err = lnkfs_quota_reserve(inode, &blocks, false);
	if (!err)
		lnkfs_quota_allocated(inode, blocks);
	return err;
}

/**
 * lnkfs_charge_untake() - undo lnkfs_charge_take()
 * @sbi: volume
 * @blocks: how many
 */
void lnkfs_charge_untake(struct lnkfs_sb_info *sbi, u64 blocks)
{
	struct inode *inode = lnkfs_charged(sbi);
	struct lnkfs_inode_info *li;

	if (!inode)
		return;
	li = LNKFS_I(inode);
	spin_lock(&li->raw_lock);
	blocks = min(blocks, li->quota_claim);
	li->quota_claim -= blocks;
	spin_unlock(&li->raw_lock);
	lnkfs_quota_unreserve(inode, blocks);
}

/* ---- change of owner ---- */

static int lnkfs_hold(struct lnkfs_quota_hold *hold, struct super_block *sb, struct kqid qid)
{
	struct dquot *dquot;
	int tries = 0;

	if (!sb_has_quota_active(sb, qid.type))
		return 0;
	/* An ID that is new takes blocks of the quota file. */
	do {
		dquot = dqget(sb, qid);
	} while (IS_ERR(dquot) && lnkfs_retry_name(sb, PTR_ERR(dquot), &tries));
	if (!IS_ERR(dquot))
		hold->dquot[qid.type] = dquot;
	else if (PTR_ERR(dquot) != -ESRCH)
		return PTR_ERR(dquot);
	return 0;
}

/**
 * lnkfs_quota_hold_owner() - get the dquots for a change of owner or group
 * @hold: zeroed; lnkfs_quota_unhold() in any case
 * @idmap: of the mount
 * @inode: the inode, with its dquots initialized when this returns 0
 * @attr: the change
 *
 * Context: not in a handle, inode_lock held.
 */
int lnkfs_quota_hold_owner(struct lnkfs_quota_hold *hold, lnkfs_idmap *idmap,
			   struct inode *inode, struct iattr *attr)
{
	struct super_block *sb = inode->i_sb;
	int err = 0;

	if (!sb_any_quota_loaded(sb))
		return 0;
	if (is_quota_modification(idmap, inode, attr))
		err = dquot_initialize(inode);
	if (!err && i_uid_needs_update(idmap, attr, inode))
		err = lnkfs_hold(hold, sb, make_kqid_uid(from_vfsuid(idmap, sb->s_user_ns,
								     attr->ia_vfsuid)));
	if (!err && i_gid_needs_update(idmap, attr, inode))
		err = lnkfs_hold(hold, sb, make_kqid_gid(from_vfsgid(idmap, sb->s_user_ns,
								     attr->ia_vfsgid)));
	return err;
}

/**
 * lnkfs_quota_hold_project() - get the dquot for a change of project
 * @hold: zeroed; lnkfs_quota_unhold() in any case
 * @inode: the inode, with its dquots initialized when this returns 0
 * @projid: its project to be
 *
 * Context: not in a handle, inode_lock held.
 */
int lnkfs_quota_hold_project(struct lnkfs_quota_hold *hold, struct inode *inode, u32 projid)
{
	struct super_block *sb = inode->i_sb;
	int err;

	if (projid == LNKFS_I(inode)->ci.projid || !sb_any_quota_loaded(sb))
		return 0;
	err = dquot_initialize(inode);
	if (!err)
		err = lnkfs_hold(hold, sb,
				 make_kqid_projid(make_kprojid(&init_user_ns, projid)));
	return err;
}

/**
 * lnkfs_quota_unhold() - let dquots go
 * @hold: as filled by one of the functions above
 */
void lnkfs_quota_unhold(struct lnkfs_quota_hold *hold)
{
	int type;

	for (type = 0; type < MAXQUOTAS; type++) {
		if (hold->dquot[type])
			dqput(hold->dquot[type]);
	}
}

/**
 * lnkfs_quota_transfer_project() - move an inode's usage to another project
 * @inode: the inode
 * @hold: from lnkfs_quota_hold_project()
 *
 * Context: in the handle that changes the project, before it is changed.
 * Return: 0, -EDQUOT with nothing changed.
 */
int lnkfs_quota_transfer_project(struct inode *inode, struct lnkfs_quota_hold *hold)
{
	/* The inode takes the dquot over, and gives back its old one. */
	return hold->dquot[PRJQUOTA] ? __dquot_transfer(inode, hold->dquot) : 0;
}

/* ---- statfs ---- */

/* @used of @limit as a filesystem's size; the volume's own figures cap it. */
static void lnkfs_cap(u64 limit, u64 used, u64 *total, u64 *free)
{
	if (!limit || *total <= limit)
		return;
	*total = limit;
	*free = min(*free, limit > used ? limit - used : 0);
}

/**
 * lnkfs_quota_statfs() - the tree of a project shows the project's limits
 * @dentry: what statfs(2) was asked about
 * @buf: figures of the volume; lowered
 */
void lnkfs_quota_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(d_inode(dentry))->ci;
	struct super_block *sb = dentry->d_sb;
	u64 limit, used, free = buf->f_bfree;
	const struct mem_dqblk *dqb;
	struct dquot *dquot;

	if (!(ci->lflags & LNKFS_LF_PROJINHERIT) ||
	    !sb_has_quota_limits_enabled(sb, PRJQUOTA))
		return;
	dquot = dqget(sb, make_kqid_projid(make_kprojid(&init_user_ns, ci->projid)));
	if (IS_ERR(dquot))
		return;
	dqb = &dquot->dq_dqb;
	spin_lock(&dquot->dq_dqb_lock);
	limit = min_not_zero(dqb->dqb_bsoftlimit, dqb->dqb_bhardlimit) >> sb->s_blocksize_bits;
	used = (dqb->dqb_curspace + dqb->dqb_rsvspace) >> sb->s_blocksize_bits;
	lnkfs_cap(limit, used, &buf->f_blocks, &free);
	buf->f_bfree = free;
	buf->f_bavail = min(buf->f_bavail, free);
	limit = min_not_zero(dqb->dqb_isoftlimit, dqb->dqb_ihardlimit);
	lnkfs_cap(limit, dqb->dqb_curinodes, &buf->f_files, &buf->f_ffree);
	spin_unlock(&dquot->dq_dqb_lock);
	dqput(dquot);
}
