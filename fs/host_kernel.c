// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel host of fs/core: metadata buffers in jbd2 transactions, space
 * accounting, and freed blocks that stay busy until their free is durable.
 */
#include <linux/blkdev.h>
#include "internal.h"
#include "trace.h"

static struct lnkfs_sb_info *to_sbi(struct lnkfs_fs *fs)
{
	return container_of(fs, struct lnkfs_sb_info, fs);
}

/**
 * lnkfs_names_lane() - lock and more of the back references of a group
 * @fs: volume
 * @group: group number
 */
struct lnkfs_names_lane *lnkfs_names_lane(struct lnkfs_fs *fs, u32 group)
{
	return &to_sbi(fs)->lanes[group % LNKFS_NAMES_LANES];
}

static bool lnkfs_bowner(struct buffer_head *bh, enum lnkfs_btype type, u64 owner, u32 gen)
{
	const struct lnkfs_block_header *h = (void *)bh->b_data;

	return le32_to_cpu(h->h_magic) == lnkfs_magic_of(type) &&
	       le64_to_cpu(h->h_owner) == owner && le32_to_cpu(h->h_gen) == gen;
}

/*
 * Owner and generation are compared on every use: the block was verified for
 * whoever read it first, which on a damaged volume may be another inode.
 */
static int lnkfs_check_owner(struct lnkfs_fs *fs, struct buffer_head *bh,
			     enum lnkfs_btype type, u64 owner, u32 gen)
{
	const struct lnkfs_block_header *h = (void *)bh->b_data;

	if (type == LNKFS_B_INODE || type == LNKFS_B_RAW)
		return 0;
	if (likely(lnkfs_bowner(bh, type, owner, gen)))
		return 0;
	return lnkfs_report(fs, -EFSCORRUPTED, 0, bh->b_blocknr,
			    "block belongs to %llu, not to %llu",
			    le64_to_cpu(h->h_owner), owner);
}

/*
 * Has the block been verified as what it is wanted for? On a damaged volume it
 * may have been read as something else before.
 */
static bool lnkfs_bverified(struct buffer_head *bh, enum lnkfs_btype type)
{
	if (type == LNKFS_B_RAW)
		return true;
	return type == LNKFS_B_INODE ? buffer_lnkfs_inode(bh) : buffer_lnkfs_verified(bh);
}

static void lnkfs_set_bverified(struct buffer_head *bh, enum lnkfs_btype type)
{
	if (type == LNKFS_B_INODE)
		set_buffer_lnkfs_inode(bh);
	else if (type != LNKFS_B_RAW)
		set_buffer_lnkfs_verified(bh);
}

/* Begin to read a block: its buffer is locked and not up to date; the end unlocks it. */
static void lnkfs_bsubmit(struct buffer_head *bh, blk_opf_t flags)
{
	lnkfs_bunknown(bh);
	get_bh(bh);
	bh->b_end_io = end_buffer_read_sync;
	submit_bh(REQ_OP_READ | REQ_META | REQ_PRIO | flags, bh);
}

/* Read the block and verify it, once; the buffer lock serialises both. */
static int lnkfs_bread_verify(struct lnkfs_fs *fs, struct buffer_head *bh,
			      enum lnkfs_btype type, u64 owner, u32 gen)
{
	int err = 0;

	lock_buffer(bh);
	if (!buffer_uptodate(bh)) {
		/*
		 * A failed checkpoint write leaves the newest contents in
		 * memory only: what is on disk is older.
		 */
		if (buffer_write_io_error(bh)) {
			set_buffer_uptodate(bh);
		} else {
			lnkfs_bsubmit(bh, 0);
			lock_buffer(bh);
			if (!buffer_uptodate(bh)) {
				unlock_buffer(bh);
				return lnkfs_report(fs, -EIO, 0, bh->b_blocknr,
						    "cannot read metadata");
			}
		}
	}
	if (unlikely(buffer_lnkfs_doomed(bh))) {
		unlock_buffer(bh);
		return lnkfs_report(fs, -EFSCORRUPTED, owner, bh->b_blocknr,
				    "a block in use is being freed");
	}
	if (!lnkfs_bverified(bh, type)) {
		err = lnkfs_verify_block(fs, bh->b_data, type, bh->b_blocknr, owner, gen);
		if (err && type == LNKFS_B_INODE)
			set_buffer_lnkfs_bad(bh);
		if (!err || type == LNKFS_B_INODE)
			lnkfs_set_bverified(bh, type);
	}
	unlock_buffer(bh);
	if (err)
		lnkfs_report(fs, err, type == LNKFS_B_INODE ? 0 : owner, bh->b_blocknr,
			     "bad metadata block (type %d)", type);
	return type == LNKFS_B_INODE ? 0 : err;
}

/**
 * lnkfs_bread() - read and verify a metadata block
 * @fs: volume
 * @block: block number, already known to be on the volume
 * @type: what it has to be
 * @owner: owning inode or group
 * @gen: generation of the owning inode, 0 for a group
 * @out: buffer; the caller puts it
 *
 * Context: may sleep for I/O; group locks and ext_lock may be held.
 * Return: 0, -EIO, -ENOMEM, -EFSCORRUPTED or -EFSBADCRC.
 */
int lnkfs_bread(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		u32 gen, lnkfs_buf **out)
{
	struct buffer_head *bh;
	int err = 0;

	*out = NULL;
	if (unlikely(block >= lnkfs_blocks(fs)))
		return lnkfs_report(fs, -EFSCORRUPTED, owner, block,
				    "block past the end of the volume");
	bh = sb_getblk(to_sbi(fs)->sb, block);
	if (!bh)
		return -ENOMEM;
	if (unlikely(!buffer_uptodate(bh) || !lnkfs_bverified(bh, type)))
		err = lnkfs_bread_verify(fs, bh, type, owner, gen);
	/* Also then: somebody else may just have had it verified. */
	if (!err)
		err = lnkfs_check_owner(fs, bh, type, owner, gen);
	if (err) {
		brelse(bh);
		return err;
	}
	*out = bh;
	return 0;
}

/**
 * lnkfs_bread_cached() - get a metadata block that is in memory
 * @fs: volume
 * @block: block number, already known to be on the volume
 * @type: what it has to be
 * @owner: owning inode or group
 * @gen: generation of the owning inode, 0 for a group
 * @out: buffer; the caller puts it
 *
 * Context: does not sleep.
 * Return: 0, -EFSCORRUPTED, or -EAGAIN when it is not there or not verified.
 */
int lnkfs_bread_cached(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		       u32 gen, lnkfs_buf **out)
{
	struct buffer_head *bh = sb_find_get_block(to_sbi(fs)->sb, block);
	int err = -EAGAIN;

	*out = NULL;
	if (!bh)
		return err;
	if (buffer_uptodate(bh) && lnkfs_bverified(bh, type))
		err = lnkfs_check_owner(fs, bh, type, owner, gen);
	if (err)
		brelse(bh);
	else
		*out = bh;
	return err;
}

/*
 * Begin to read a block that is not in memory. What comes is verified when it is used. A
 * buffer that was asked for and did not come shares a request with a bad sector, which is
 * not tried again for each block around it.
 */
static void lnkfs_bahead_one(struct super_block *sb, u64 block)
{
	struct buffer_head *bh = sb_getblk(sb, block);

	if (!bh)
		return;
	if (!buffer_uptodate(bh) && !buffer_req(bh) && trylock_buffer(bh)) {
		/* See lnkfs_bread_verify() for what a write has left. */
		if (buffer_uptodate(bh) || buffer_write_io_error(bh))
			unlock_buffer(bh);
		else
			lnkfs_bsubmit(bh, REQ_RAHEAD);
	}
	brelse(bh);
}

/**
 * lnkfs_bthere() - is a block in memory?
 * @fs: volume
 * @block: block number, already known to be on the volume
 *
 * Does not sleep.
 */
bool lnkfs_bthere(struct lnkfs_fs *fs, u64 block)
{
	struct buffer_head *bh = sb_find_get_block(to_sbi(fs)->sb, block);
	bool there = bh && buffer_uptodate(bh);

	brelse(bh);
	return there;
}

/**
 * lnkfs_bahead() - begin to read a run of blocks, in one request
 * @fs: volume
 * @block: the first, already known to be on the volume
 * @count: how many, at most
 *
 * What comes is verified when it is used, so it does not matter what the blocks are.
 * Those in memory stay as they are.
 *
 * Context: may sleep for memory, not for I/O; group locks may be held.
 */
void lnkfs_bahead(struct lnkfs_fs *fs, u64 block, u32 count)
{
	u64 end = min(block + count, lnkfs_blocks(fs));
	struct blk_plug plug;

	blk_start_plug(&plug);
	for (; block < end; block++)
		lnkfs_bahead_one(to_sbi(fs)->sb, block);
	blk_finish_plug(&plug);
}

/**
 * lnkfs_bsame() - is a block still what lnkfs_bread() found?
 * @fs: volume
 * @buf: the block
 * @type: what it was; not LNKFS_B_INODE or LNKFS_B_RAW
 * @owner: whose it was
 * @gen: generation
 *
 * Does not sleep or report.
 */
bool lnkfs_bsame(struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type, u64 owner, u32 gen)
{
	return buffer_uptodate(buf) && lnkfs_bverified(buf, type) &&
	       lnkfs_bowner(buf, type, owner, gen);
}

/*
 * Does somebody use a block that the bitmap called free? What has been freed lost
 * its marks (lnkfs_bforget()). Blocks of groups are not allocated: they may be
 * made anew.
 */
static bool lnkfs_bused(struct buffer_head *bh, enum lnkfs_btype type)
{
	return type >= LNKFS_B_INODE && (buffer_lnkfs_verified(bh) || buffer_lnkfs_inode(bh) ||
					 buffer_lnkfs_doomed(bh));
}

/**
 * lnkfs_bnew() - zeroed buffer of a block just allocated
 * @tx: running handle
 * @fs: volume
 * @block: the block; never read
 * @type: what it is going to be
 * @out: buffer with write access; the caller puts it
 *
 * Return: 0, -ENOMEM, -EROFS when the journal has been aborted, -EFSCORRUPTED when
 * the block is in memory as metadata of somebody's.
 */
int lnkfs_bnew(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
	       lnkfs_buf **out)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);
	struct buffer_head *bh;
	int err;

	*out = NULL;
	bh = sb_getblk(sbi->sb, block);
	if (!bh)
		return -ENOMEM;
	lock_buffer(bh);
	if (unlikely(lnkfs_bused(bh, type))) {
		err = lnkfs_report(fs, -EFSCORRUPTED, 0, block, "metadata in use was marked free");
	} else if (unlikely(type < LNKFS_B_INODE && buffer_uptodate(bh) && lnkfs_bverified(bh, type))) {
		/*
		 * A group's own block, made by an operation that was undone: it may be in
		 * the transaction that commits. The group's lock keeps others from it.
		 */
		unlock_buffer(bh);
		err = jbd2_journal_get_write_access(tx, bh);
		lock_buffer(bh);
	} else {
		err = jbd2_journal_get_create_access(tx, bh);
	}
	if (err) {
		unlock_buffer(bh);
		brelse(bh);
		return err;
	}
	memset(bh->b_data, 0, bh->b_size);
	set_buffer_uptodate(bh);
	lnkfs_bunknown(bh);
	lnkfs_set_bverified(bh, type);
	unlock_buffer(bh);
	jbd2_journal_set_triggers(bh, type == LNKFS_B_RAW ? NULL :
				  &sbi->trigger[type].jbd);
	if (sbi->fast)
		lnkfs_fast_track(tx, sbi, bh, type, true);
	*out = bh;
	return 0;
}

static const char lnkfs_foreign_text[] = "a block to be freed is other metadata, too";

/**
 * lnkfs_baccess() - declare that a block is about to be modified
 * @tx: running handle
 * @fs: volume
 * @buf: the block, read by lnkfs_bread()
 * @type: what it is
 *
 * Return: 0, -EFSBADCRC for an inode block with a bad record (its checksum
 * must not be made right by a commit), -EFSCORRUPTED for a block that has been freed
 * meanwhile, as something else, or an error of the journal.
 */
int lnkfs_baccess(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type)
{
	struct jbd2_buffer_trigger_type *trigger, *set = NULL;
	struct journal_head *jh;
	int err;

	if (unlikely(buffer_lnkfs_bad(buf)))
		return -EFSBADCRC;
	err = jbd2_journal_get_write_access(tx, buf);
	if (err)
		return err;
	trigger = type == LNKFS_B_RAW ? NULL : &to_sbi(fs)->trigger[type].jbd;
	/*
	 * The journal head stays: the running transaction has it. Only on a crafted volume,
	 * where the block is something else, too, may that have been freed since; the memory
	 * stays what it is until the RCU read side ends (SLAB_TYPESAFE_BY_RCU).
	 */
	rcu_read_lock();
	jh = READ_ONCE(buf->b_private);
	if (likely(jh))
		set = READ_ONCE(jh->b_triggers);
	rcu_read_unlock();
	if (unlikely(!jh))
		return lnkfs_report(fs, -EFSCORRUPTED, 0, buf->b_blocknr, "%s",
				    lnkfs_foreign_text);
	if (set != trigger)
		jbd2_journal_set_triggers(buf, trigger);
	if (to_sbi(fs)->fast)
		lnkfs_fast_track(tx, to_sbi(fs), buf, type, false);
	return 0;
}

/* Nothing half done is ever to be committed: jbd2 has refused what a handle has done. */
static void lnkfs_refused(lnkfs_tx *tx, struct lnkfs_fs *fs, int err, u64 block, const char *what)
{
	if (is_handle_aborted(tx))
		return;
	jbd2_journal_abort(to_sbi(fs)->journal, err);
	lnkfs_report(fs, err, 0, block, "%s", what);
}

/**
 * lnkfs_bdirty() - a block was modified
 * @tx: handle in which lnkfs_baccess() or lnkfs_bnew() was called
 * @fs: volume
 * @buf: the block
 *
 * A failure here is a failure of the credits or an aborted journal: the
 * journal is aborted, so that nothing half done is ever committed.
 */
void lnkfs_bdirty(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf)
{
	int err = jbd2_journal_dirty_metadata(tx, buf);

	if (unlikely(err))
		lnkfs_refused(tx, fs, err, buf->b_blocknr, "cannot journal a block");
}

/* Is a block known as something else than it should be? */
static bool lnkfs_bforeign(struct buffer_head *bh, enum lnkfs_btype type, u64 owner, u32 gen)
{
	return buffer_lnkfs_inode(bh) ||
	       (buffer_lnkfs_verified(bh) &&
		(type == LNKFS_B_RAW || !lnkfs_bowner(bh, type, owner, gen)));
}

/**
 * lnkfs_bfreeable() - are blocks not somebody else's?
 * @fs: volume
 * @block: first of a run that is about to be freed without having been read
 * @count: how many
 * @type: what they should be
 * @owner: whose they should be
 * @gen: generation of the owner
 *
 * On a crafted volume they may be in use as other metadata, whose writers jbd2 would find
 * without the buffer that they have declared.
 *
 * Return: 0 or -EFSCORRUPTED.
 */
int lnkfs_bfreeable(struct lnkfs_fs *fs, u64 block, u64 count, enum lnkfs_btype type, u64 owner,
		    u32 gen)
{
	for (; count; block++, count--) {
		struct buffer_head *bh = lnkfs_find_block(to_sbi(fs)->sb, block);
		bool foreign = bh && lnkfs_bforeign(bh, type, owner, gen);

		brelse(bh);
		if (unlikely(foreign))
			return lnkfs_report(fs, -EFSCORRUPTED, owner, block, "%s",
					    lnkfs_foreign_text);
	}
	return 0;
}

/* Revoke a block; with its buffer, whose reference is put, it is forgotten as well. */
static int lnkfs_brevoke(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, struct buffer_head *bh)
{
	int err;

	/* A record cannot revoke what the log has of the block. */
	lnkfs_fast_lost(tx, to_sbi(fs));
	err = jbd2_journal_revoke(tx, block, bh);
	if (unlikely(err)) {
		/* jbd2 has not taken the buffer when it says so */
		if (err == -EIO && bh)
			brelse(bh);
		lnkfs_refused(tx, fs, err, block, "cannot revoke a block");
	}
	return err;
}

/**
 * lnkfs_bforget() - a metadata block is being freed
 * @tx: running handle, with a revoke credit for it
 * @fs: volume
 * @block: the block
 *
 * Without a revoke record what the journal has of the block would be written over what it
 * gets next: as in lnkfs_bdirty(), the journal is aborted then.
 *
 * Return: 0 or an error of the journal.
 */
int lnkfs_bforget(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block)
{
	struct buffer_head *bh;

	if (is_handle_aborted(tx))
		return -EROFS;
	bh = lnkfs_find_block(to_sbi(fs)->sb, block);
	if (bh)
		lnkfs_bunknown(bh);
	return lnkfs_brevoke(tx, fs, block, bh);
}

/**
 * lnkfs_bforget_unread() - a metadata block is being freed that has not been read
 * @tx: running handle, with a revoke credit for it
 * @fs: volume
 * @block: the block
 * @type: what it should be
 * @owner: whose it should be
 * @gen: generation of the owner
 *
 * lnkfs_bfreeable() has been asked, but on a crafted volume the block may have got another
 * use in memory since. jbd2 must not take the buffer from that: whoever comes first under
 * the buffer's lock has it (lnkfs_bread_verify()).
 *
 * Context: may sleep.
 * Return: 0, -EFSCORRUPTED or an error of the journal, which is aborted then.
 */
int lnkfs_bforget_unread(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
			 u64 owner, u32 gen)
{
	struct buffer_head *bh;
	bool foreign;
	int err;

	if (is_handle_aborted(tx))
		return -EROFS;
	bh = lnkfs_find_block(to_sbi(fs)->sb, block);
	if (!bh)
		return lnkfs_brevoke(tx, fs, block, NULL);
	lock_buffer(bh);
	foreign = lnkfs_bforeign(bh, type, owner, gen);
	if (likely(!foreign)) {
		lnkfs_bunknown(bh);
		set_buffer_lnkfs_doomed(bh);
	}
	unlock_buffer(bh);
	if (unlikely(foreign)) {
		brelse(bh);
		lnkfs_refused(tx, fs, -EFSCORRUPTED, block, lnkfs_foreign_text);
		return -EFSCORRUPTED;
	}
	get_bh(bh);
	err = lnkfs_brevoke(tx, fs, block, bh);
	clear_buffer_lnkfs_doomed(bh);
	brelse(bh);
	return err;
}

/* Blocks that an allocation with these flags must leave alone. */
static s64 lnkfs_kept_back(const struct lnkfs_sb_info *sbi, bool privileged)
{
	return sbi->reserved + sbi->pool + (privileged ? 0 : sbi->root_reserve);
}

#define MEANWHILE	4096	/* blocks that others may take between question and answer */

/*
 * May the caller have what is set aside for root? Asked only where it makes a difference, and
 * security modules need not tell: whoever writes a file has not asked for that.
 */
static bool lnkfs_privileged(const struct lnkfs_sb_info *sbi, s64 blocks)
{
	return READ_ONCE(sbi->free) - lnkfs_kept_back(sbi, false) < blocks + MEANWHILE &&
	       ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
}

/*
 * What nodes for data must leave alone where nothing has been reserved for them: an eighth of
 * the pool is for those above the leaves.
 */
static s64 lnkfs_kept_from_data(const struct lnkfs_sb_info *sbi)
{
	return sbi->reserved + sbi->pool / 8;
}

/*
 * What nodes of trees must leave alone: what has been promised to data and their extents,
 * unless it is for such data, and most of the pool, unless it is for data at all: an eighth is
 * for what has not been reserved, a quarter for others.
 */
static s64 lnkfs_kept_from_trees(const struct lnkfs_sb_info *sbi)
{
	const handle_t *handle = journal_current_handle();

	if (handle && handle->h_type == LNKFS_H_PROMISED)
		return 0;
	if (handle && handle->h_type == LNKFS_H_DIRECT)
		return lnkfs_kept_from_data(sbi);
	return sbi->reserved + sbi->pool - sbi->pool / 4;
}

/**
 * lnkfs_space_take() - account for blocks about to be allocated
 * @fs: volume
 * @blocks: how many
 * @flags: LNKFS_BA_RESERVED: they were reserved before; LNKFS_BA_META: the
 *	pool may be used
 *
 * Context: under the group's lock.
 * Return: 0, -ENOSPC, or -EDQUOT when an inode is charged (lnkfs_charge_begin()).
 */
int lnkfs_space_take(struct lnkfs_fs *fs, u32 blocks, unsigned int flags)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);
	bool ordinary = !(flags & (LNKFS_BA_RESERVED | LNKFS_BA_META));
	bool privileged = ordinary && lnkfs_privileged(sbi, blocks);
	s64 kept = 0;
	int err;

	err = lnkfs_charge_take(sbi, blocks);
	if (err)
		return err;
	spin_lock(&sbi->space_lock);
	if (ordinary)
		kept = lnkfs_kept_back(sbi, privileged);
	else if (!(flags & LNKFS_BA_RESERVED))
		kept = lnkfs_kept_from_trees(sbi);
	if (sbi->free - kept < blocks) {
		err = -ENOSPC;
	} else {
		sbi->free -= blocks;
		if (flags & LNKFS_BA_RESERVED)
			sbi->reserved -= blocks;
	}
	spin_unlock(&sbi->space_lock);
	if (err)
		lnkfs_charge_untake(sbi, blocks);
	return err;
}

/**
 * lnkfs_space_untake() - undo lnkfs_space_take()
 * @fs: volume
 * @blocks: how many
 * @flags: as given then
 */
void lnkfs_space_untake(struct lnkfs_fs *fs, u32 blocks, unsigned int flags)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);

	spin_lock(&sbi->space_lock);
	sbi->free += blocks;
	if (flags & LNKFS_BA_RESERVED)
		sbi->reserved += blocks;
	spin_unlock(&sbi->space_lock);
	lnkfs_charge_untake(sbi, blocks);
}

/* Promise blocks if so many others are left; under space_lock. */
static int lnkfs_space_set_aside(struct lnkfs_sb_info *sbi, s64 blocks, s64 kept)
{
	if (blocks > 0 && sbi->free - kept < blocks)
		return -ENOSPC;
	sbi->reserved += blocks;
	return 0;
}

/**
 * lnkfs_space_reserve() - promise blocks to delayed allocation
 * @sbi: volume
 * @blocks: how many; less than none gives back
 *
 * Return: 0 or -ENOSPC (see lnkfs_retry_alloc()).
 */
int lnkfs_space_reserve(struct lnkfs_sb_info *sbi, s64 blocks)
{
	bool privileged = lnkfs_privileged(sbi, blocks);
	int err;

	spin_lock(&sbi->space_lock);
	err = lnkfs_space_set_aside(sbi, blocks, lnkfs_kept_back(sbi, privileged));
	spin_unlock(&sbi->space_lock);
	return err;
}

/**
 * lnkfs_space_reserve_nodes() - promise nodes to data for unwritten blocks
 * @sbi: volume
 * @blocks: how many; less than none gives back
 *
 * The pool is for these, but for a small part: what is above the leaves is not reserved.
 *
 * Return: 0 or -ENOSPC (see lnkfs_retry_alloc()).
 */
int lnkfs_space_reserve_nodes(struct lnkfs_sb_info *sbi, s64 blocks)
{
	int err;

	spin_lock(&sbi->space_lock);
	err = lnkfs_space_set_aside(sbi, blocks, lnkfs_kept_from_data(sbi));
	spin_unlock(&sbi->space_lock);
	return err;
}

/**
 * lnkfs_space_unreserve() - take back a promise that was not used
 * @sbi: volume
 * @blocks: how many
 */
void lnkfs_space_unreserve(struct lnkfs_sb_info *sbi, u64 blocks)
{
	spin_lock(&sbi->space_lock);
	WARN_ON_ONCE(sbi->reserved < (s64)blocks);
	sbi->reserved -= blocks;
	spin_unlock(&sbi->space_lock);
}

/**
 * lnkfs_space_used() - blocks have been allocated
 * @fs: volume
 * @group: their group, locked
 * @start: first block, numbered in the group
 * @len: how many
 */
void lnkfs_space_used(struct lnkfs_fs *fs, u32 group, u32 start, u32 len)
{
	trace_lnkfs_alloc_blocks(to_sbi(fs)->sb, lnkfs_group_first(fs, group) + start, len);
}

/* Make sure that a locked group has a map of its busy blocks. */
static int lnkfs_busy_map(struct lnkfs_fs *fs, struct lnkfs_group *grp, gfp_t gfp)
{
	if (!grp->busy)
		grp->busy = kvzalloc(fs->group_blocks / 8, GFP_NOFS | gfp);
	return grp->busy ? 0 : -ENOMEM;
}

/* Blocks of a locked group become busy, or are no longer so. */
static void lnkfs_busy_set(struct lnkfs_group *grp, u32 start, u32 len)
{
	u32 i;

	for (i = start; i < start + len; i++)
		lnkfs_set_bit(i, grp->busy);
	grp->busy_blocks += len;
}

static void lnkfs_busy_clear(struct lnkfs_group *grp, u32 start, u32 len)
{
	u32 i;

	for (i = start; i < start + len; i++)
		lnkfs_clear_bit(i, grp->busy);
	grp->busy_blocks -= len;
	if (!grp->busy_blocks) {
		kvfree(grp->busy);
		grp->busy = NULL;
	}
}

/**
 * lnkfs_space_freed() - blocks were freed: keep them busy until that is durable
 * @tx: handle of the free
 * @fs: volume
 * @group: their group, locked
 * @start: first block, numbered in the group
 * @len: how many
 *
 * The journal may replay an older write of a freed metadata block, and a crash
 * may bring back the old owner: so the blocks must not get new contents before
 * the transaction that freed them has committed.
 *
 * Freeing does not fail for want of memory: it comes late in operations that
 * could not be undone without memory either.
 *
 * Return: 0, or -EROFS when the journal has been aborted.
 */
int lnkfs_space_freed(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 start, u32 len)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	struct lnkfs_busy *b;

	if (is_handle_aborted(tx))
		return -EROFS;
	b = kmalloc(sizeof(*b), GFP_NOFS | __GFP_NOFAIL);
	lnkfs_busy_map(fs, grp, __GFP_NOFAIL);
	lnkfs_busy_set(grp, start, len);
	grp->trimmed = 0;
	b->tid = tx->h_transaction->t_tid;
	b->group = group;
	b->start = start;
	b->len = len;
	spin_lock(&sbi->space_lock);
	sbi->busy += len;
	list_add_tail(&b->list, &sbi->busy_list);
	spin_unlock(&sbi->space_lock);
	trace_lnkfs_free_blocks(sbi->sb, lnkfs_group_first(fs, group) + start, len);
	return 0;
}

/* Busy blocks of a locked group are free. */
static void lnkfs_busy_end(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len, u32 held)
{
	lnkfs_busy_clear(lnkfs_group(&sbi->fs, group), start, len);
	spin_lock(&sbi->space_lock);
	sbi->held -= held;
	sbi->busy -= len;
	sbi->free += len;
	spin_unlock(&sbi->space_lock);
}

/**
 * lnkfs_busy_release() - freed blocks are allocatable from now on
 * @sbi: volume
 * @b: the blocks, on no list; freed here
 *
 * Context: takes the group's lock.
 */
void lnkfs_busy_release(struct lnkfs_sb_info *sbi, struct lnkfs_busy *b)
{
	lnkfs_group_lock(&sbi->fs, b->group);
	lnkfs_busy_end(sbi, b->group, b->start, b->len, 0);
	lnkfs_group_unlock(&sbi->fs, b->group);
	kfree(b);
}

/**
 * lnkfs_busy_hold() - keep free blocks from being allocated for a while
 * @sbi: volume
 * @group: their group, locked; it has a bitmap or this is refused
 * @start: first block, numbered in the group
 * @len: how many, all of them free and not busy
 *
 * Only as long as that leaves nobody else short of space: the blocks are at
 * most an eighth of what has not been promised, and nobody has had to wait for
 * such blocks lately (lnkfs_hold_wait()).
 *
 * Return: true when they are held, until lnkfs_busy_unhold().
 */
bool lnkfs_busy_hold(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len)
{
	struct lnkfs_group *grp = lnkfs_group(&sbi->fs, group);
	bool plenty;

	if ((grp->flags & LNKFS_BG_BLOCK_UNINIT) || lnkfs_busy_map(&sbi->fs, grp, 0))
		return false;
	spin_lock(&sbi->space_lock);
	plenty = !sbi->hold_waiters && time_after_eq(jiffies, sbi->hold_after) &&
		 sbi->free - lnkfs_kept_back(sbi, false) >= 8 * (s64)len;
	if (plenty) {
		sbi->held += len;
		sbi->free -= len;
		sbi->busy += len;
	}
	spin_unlock(&sbi->space_lock);
	if (plenty)
		lnkfs_busy_set(grp, start, len);
	return plenty;
}

/**
 * lnkfs_busy_unhold() - undo lnkfs_busy_hold()
 * @sbi: volume
 * @group: as given then, locked
 * @start: as given then
 * @len: as given then
 */
void lnkfs_busy_unhold(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len)
{
	lnkfs_busy_end(sbi, group, start, len, len);
	wake_up_all(&sbi->busy_wait);
}

/**
 * lnkfs_hold_wait() - space is short: wait for the blocks that are held
 * @sbi: volume
 *
 * None will be held for a moment, so that the caller has them when it tries again.
 *
 * Context: may sleep for I/O; no group lock, not in a handle.
 */
void lnkfs_hold_wait(struct lnkfs_sb_info *sbi)
{
	spin_lock(&sbi->space_lock);
	sbi->hold_waiters++;
	spin_unlock(&sbi->space_lock);
	wait_event(sbi->busy_wait, !READ_ONCE(sbi->held));
	spin_lock(&sbi->space_lock);
	sbi->hold_waiters--;
	sbi->hold_after = jiffies + HZ;
	spin_unlock(&sbi->space_lock);
}

/**
 * lnkfs_busy_commit() - a transaction has committed: its frees are durable
 * @journal: the journal
 * @transaction: the transaction
 *
 * With -o discard the blocks stay busy until a worker has discarded them.
 *
 * Context: jbd2's commit callback, in the commit thread. It takes group locks:
 * whoever holds one never waits for a transaction to end.
 */
void lnkfs_busy_commit(journal_t *journal, transaction_t *transaction)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(journal->j_private);
	bool discard = lnkfs_wants_discard(sbi);
	struct lnkfs_busy *b;

	/* It has not committed: whoever owned the blocks may own them again. */
	if (lnkfs_journal_dead(sbi))
		return;
	for (;;) {
		spin_lock(&sbi->space_lock);
		b = list_first_entry_or_null(&sbi->busy_list, struct lnkfs_busy, list);
		if (!b || tid_gt(b->tid, transaction->t_tid)) {
			spin_unlock(&sbi->space_lock);
			break;
		}
		list_del(&b->list);
		if (discard)
			list_add_tail(&b->list, &sbi->discard_list);
		spin_unlock(&sbi->space_lock);
		if (!discard)
			lnkfs_busy_release(sbi, b);
	}
	if (discard)
		queue_work(sbi->discard_wq, &sbi->discard_work);
	sbi->busy_tid = transaction->t_tid;
	wake_up_all(&sbi->busy_wait);
}

/**
 * lnkfs_busy_free_all() - forget what is left at unmount (an aborted journal)
 * @sbi: volume; nobody else uses it
 */
void lnkfs_busy_free_all(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_busy *b, *next;

	list_for_each_entry_safe(b, next, &sbi->busy_list, list)
		kfree(b);
	INIT_LIST_HEAD(&sbi->busy_list);
}

/**
 * lnkfs_inode_count() - inode records came or went
 * @fs: volume
 * @inodes: change of the number in use
 * @free_slots: change of the free slots in inode blocks
 */
void lnkfs_inode_count(struct lnkfs_fs *fs, int inodes, int free_slots)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);

	atomic64_add(inodes, &sbi->used_inodes);
	atomic64_add(free_slots, &sbi->free_slots);
}

/**
 * lnkfs_orphan_count() - count the orphans of an inode block
 * @fs: volume
 * @block: inode block
 * @delta: change
 *
 * Context: under the group's lock.
 * Return: the new count or -ENOMEM with nothing changed.
 */
int lnkfs_orphan_count(struct lnkfs_fs *fs, u64 block, int delta)
{
	struct lnkfs_sb_info *sbi = to_sbi(fs);
	void *old = xa_load(&sbi->orphans, block);
	long count = (old ? xa_to_value(old) : 0) + delta;

	if (WARN_ON_ONCE(count < 0))
		count = 0;
	if (count == 0) {
		xa_erase(&sbi->orphans, block);
		queue_delayed_work(system_wq, &sbi->orphan_work, 2 * HZ);
		return 0;
	}
	old = xa_store(&sbi->orphans, block, xa_mk_value(count), GFP_NOFS);
	return xa_is_err(old) ? xa_err(old) : count;
}

/**
 * lnkfs_orphan_idle() - does an inode block hold no orphan that we know?
 * @fs: volume
 * @block: inode block
 *
 * Context: under the group's lock.
 */
bool lnkfs_orphan_idle(struct lnkfs_fs *fs, u64 block)
{
	return !xa_load(&to_sbi(fs)->orphans, block);
}
