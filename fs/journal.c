// SPDX-License-Identifier: GPL-2.0
/*
 * The journal: opening and closing it, handles, commits, fsync.
 */
#include <linux/blkdev.h>
#include "internal.h"
#include "trace.h"

/*
 * The log is a contiguous area, of the volume or of another device; jbd2 counts
 * its blocks from 0, so that all limits it derives are those of the area.
 */
static int lnkfs_journal_bmap(journal_t *journal, sector_t *block)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(journal->j_private);

	if (*block >= sbi->log_blocks)
		return -EFSCORRUPTED;
	*block += sbi->log_start;
	return 0;
}

static void lnkfs_frozen_trigger(struct jbd2_buffer_trigger_type *type,
				 struct buffer_head *bh, void *data, size_t size)
{
	struct lnkfs_trigger *t = container_of(type, struct lnkfs_trigger, jbd);

	lnkfs_seal_block(t->fs, data, t->type, bh->b_blocknr);
}

static void lnkfs_init_triggers(struct lnkfs_sb_info *sbi)
{
	int i;

	for (i = 0; i < LNKFS_B_TYPES; i++) {
		sbi->trigger[i].jbd.t_frozen = lnkfs_frozen_trigger;
		sbi->trigger[i].fs = &sbi->fs;
		sbi->trigger[i].type = i;
	}
}

/* Where the log is; claims the device of an external one. */
static int lnkfs_log_find(struct lnkfs_sb_info *sbi)
{
	if (lnkfs_ext_journal(sbi)) {
		if (!sbi->journal_devnum)
			sbi->journal_devnum = le32_to_cpu(sbi->super->s_journal_dev);
		return lnkfs_journal_dev_open(sbi);
	}
	if (sbi->journal_devnum) {
		pr_err("lnkfs (%s): the volume has its journal inside\n", sbi->sb->s_id);
		return -EINVAL;
	}
	sbi->log_bdev = sbi->sb->s_bdev;
	sbi->log_start = sbi->fs.journal_start;
	sbi->log_blocks = sbi->fs.journal_blocks - sbi->fs.fast_blocks;
	return 0;
}

/* An external journal has one user: this volume. */
static bool lnkfs_journal_user(struct lnkfs_sb_info *sbi, const journal_superblock_t *jsb)
{
	return !lnkfs_ext_journal(sbi) ||
	       (jsb->s_nr_users == cpu_to_be32(1) &&
		!memcmp(jsb->s_users, sbi->super->s_meta_uuid, sizeof(sbi->super->s_meta_uuid)));
}

/* Features of every log that has been written to: they are set before that. */
#define LNKFS_LOG_SET	(JBD2_FEATURE_INCOMPAT_CSUM_V3 | JBD2_FEATURE_INCOMPAT_64BIT)
/* Those that it can have. */
#define LNKFS_LOG_FEATURES	(LNKFS_LOG_SET | JBD2_FEATURE_INCOMPAT_REVOKE)

/*
 * What jbd2 takes from the log's superblock. In a log that does not begin behind it there may
 * be less room than jbd2 lets a transaction have, and with features that nobody has set for
 * this volume jbd2 could do anything.
 */
static bool lnkfs_log_super_sound(const struct lnkfs_sb_info *sbi,
				  const journal_superblock_t *jsb)
{
	u32 incompat = be32_to_cpu(jsb->s_feature_incompat);
	u32 len = be32_to_cpu(jsb->s_maxlen);

	if (jsb->s_header.h_magic != cpu_to_be32(JBD2_MAGIC_NUMBER) ||
	    jsb->s_header.h_blocktype != cpu_to_be32(JBD2_SUPERBLOCK_V2) ||
	    be32_to_cpu(jsb->s_blocksize) != sbi->fs.block_size)
		return false;
	if (len < LNKFS_MIN_JOURNAL_BLOCKS || len > sbi->log_blocks ||
	    jsb->s_first != cpu_to_be32(1) || be32_to_cpu(jsb->s_start) >= len)
		return false;
	return !(incompat & ~LNKFS_LOG_FEATURES) && !jsb->s_feature_ro_compat;
}

/*
 * Blocks that a descriptor block and those that it names take. @own: set if one of these is a
 * block of the journal: jbd2 would write it over what it is reading.
 */
static u32 lnkfs_log_tags(const struct lnkfs_sb_info *sbi, const void *data, bool *own)
{
	u32 end = sbi->fs.block_size - sizeof(struct jbd2_journal_block_tail);
	u32 pos = sizeof(journal_header_t), blocks = 1;
	const journal_block_tag3_t *tag;
	u64 block;

	for (; pos + sizeof(*tag) <= end; blocks++) {
		tag = data + pos;
		block = (u64)be32_to_cpu(tag->t_blocknr_high) << 32 | be32_to_cpu(tag->t_blocknr);
		*own |= lnkfs_in_journal(&sbi->fs, block);
		if (tag->t_flags & cpu_to_be32(JBD2_FLAG_LAST_TAG))
			return blocks + 1;
		pos += sizeof(*tag) + (tag->t_flags & cpu_to_be32(JBD2_FLAG_SAME_UUID) ? 0 : 16);
	}
	return blocks;
}

/* What jbd2 begins the checksums of a log with. */
static u32 lnkfs_log_seed(const journal_superblock_t *jsb)
{
	return lnkfs_crc32c(~0u, jsb->s_uuid, sizeof(jsb->s_uuid));
}

/*
 * Does a commit block count for jbd2? For newer ones also if only its head is there, with
 * zeroes behind: it is written when all that it commits is durable.
 */
static bool lnkfs_commit_right(const struct lnkfs_sb_info *sbi, u32 seed, const void *data)
{
	const u32 at = offsetof(struct commit_header, h_chksum);
	u32 sum = be32_to_cpu(((const struct commit_header *)data)->h_chksum[0]);
	u32 bytes = sizeof(struct commit_header), crc;

	if (sum == lnkfs_crc_around(seed, data, at, sbi->fs.block_size))
		return true;
	if (!LNKFS_JBD2_PARTIAL_COMMIT)
		return false;
	crc = lnkfs_crc_around(seed, data, at, bytes);
	return sum == lnkfs_crc32c(crc, page_address(ZERO_PAGE(0)), sbi->fs.block_size - bytes);
}

/* A descriptor block, or one of revokes. */
static bool lnkfs_tail_right(const struct lnkfs_sb_info *sbi, u32 seed, const void *data)
{
	u32 at = sbi->fs.block_size - sizeof(struct jbd2_journal_block_tail);
	const struct jbd2_journal_block_tail *tail = data + at;

	return be32_to_cpu(tail->t_checksum) ==
	       lnkfs_crc_around(seed, data, at, sbi->fs.block_size);
}

/**
 * struct lnkfs_log_walk - a walk over the log, as jbd2's
 * @at: block
 * @sequence: transaction that jbd2 expects
 * @sealed: the log has checksums
 * @seed: what they begin with
 * @right: none has been wrong so far
 * @own: the log would be written over the journal
 */
struct lnkfs_log_walk {
	u32 at;
	u32 sequence;
	bool sealed;
	u32 seed;
	bool right;
	bool own;
};

/*
 * How far jbd2 goes from a block of the log; 0: it stops there. -EIO: jbd2 would not go on
 * either, and what cannot be read is not the end of the log. A wrong checksum does not always
 * stop it.
 */
static int lnkfs_log_step(const struct lnkfs_sb_info *sbi, struct lnkfs_log_walk *w)
{
	struct buffer_head *bh = __bread(sbi->log_bdev, sbi->log_start + w->at,
					 sbi->fs.block_size);
	const journal_header_t *h;
	bool own = false;
	int step = 0;
	u32 type;

	if (!bh)
		return -EIO;
	h = (const journal_header_t *)bh->b_data;
	type = be32_to_cpu(h->h_blocktype);
	if (h->h_magic == cpu_to_be32(JBD2_MAGIC_NUMBER) &&
	    be32_to_cpu(h->h_sequence) == w->sequence) {
		if (type == JBD2_COMMIT_BLOCK) {
			step = 1;
			if (!w->sealed || lnkfs_commit_right(sbi, w->seed, h))
				w->sequence++;
			else
				w->right = false;
		} else if (type == JBD2_DESCRIPTOR_BLOCK || type == JBD2_REVOKE_BLOCK) {
			step = type == JBD2_REVOKE_BLOCK ? 1 : (int)lnkfs_log_tags(sbi, h, &own);
			if (w->sealed && !lnkfs_tail_right(sbi, w->seed, h))
				w->right = false;
			w->own |= own && w->right;
		}
	}
	brelse(bh);
	return step;
}

/*
 * Can jbd2 replay that? It has to come to an end: jbd2 goes on for as long as it finds
 * blocks of the transaction that it is in, in a log that was made to lead back to where it has
 * been for ever. And what has no checksums has not been written by us: a superblock of the log
 * that has them could be in it, for which jbd2 would be missing their driver.
 *
 * @next: set to the first transaction that is not there as a whole. Fast commits are judged
 * by it: a log that cannot be read must not seem to end before that.
 */
static int lnkfs_log_plausible(const struct lnkfs_sb_info *sbi, const journal_superblock_t *jsb,
			       tid_t *next)
{
	struct lnkfs_log_walk w = {
		.at = be32_to_cpu(jsb->s_start),
		.sequence = be32_to_cpu(jsb->s_sequence),
		.sealed = (be32_to_cpu(jsb->s_feature_incompat) & LNKFS_LOG_SET) == LNKFS_LOG_SET,
		.seed = lnkfs_log_seed(jsb),
		.right = true,
	};
	u32 ring = be32_to_cpu(jsb->s_maxlen) - 1, seen;
	int step;

	for (seen = 0; seen <= ring; seen += (u32)step) {
		step = lnkfs_log_step(sbi, &w);
		if (w.right)
			*next = w.sequence;
		if (step < 0)
			pr_err("lnkfs (%s): cannot read the journal\n", sbi->sb->s_id);
		if (step <= 0)
			return step;
		if (w.own) {
			pr_err("lnkfs (%s): the journal names blocks of its own\n", sbi->sb->s_id);
			return -EFSCORRUPTED;
		}
		if (!w.sealed) {
			pr_err("lnkfs (%s): the journal has no checksums\n", sbi->sb->s_id);
			return -EFSCORRUPTED;
		}
		w.at = 1 + (w.at - 1 + (u32)step) % ring;
		cond_resched();
	}
	pr_err("lnkfs (%s): the journal has no end\n", sbi->sb->s_id);
	return -EFSCORRUPTED;
}

/*
 * Does the log hold transactions to replay, or the area behind it fast commits to be
 * applied? Read without jbd2.
 */
static int lnkfs_journal_dirty(struct lnkfs_sb_info *sbi, bool *dirty)
{
	struct buffer_head *bh = __bread(sbi->log_bdev, sbi->log_start, sbi->fs.block_size);
	journal_superblock_t *jsb;
	tid_t next;
	int err = 0;

	*dirty = false;
	if (!bh)
		return -EIO;
	jsb = (journal_superblock_t *)bh->b_data;
	next = be32_to_cpu(jsb->s_sequence);
	*dirty = jsb->s_start != 0;
	if (!lnkfs_log_super_sound(sbi, jsb)) {
		pr_err("lnkfs (%s): the journal's superblock is not valid\n",
		       sbi->sb->s_id);
		err = -EFSCORRUPTED;
	} else if (!lnkfs_journal_user(sbi, jsb)) {
		pr_err("lnkfs (%s): the journal device is not used by this volume\n",
		       sbi->sb->s_id);
		err = -EINVAL;
	} else if (*dirty) {
		err = lnkfs_log_plausible(sbi, jsb, &next);
	}
	if (!err)
		err = lnkfs_fast_open(sbi, be32_to_cpu(jsb->s_sequence), next, !*dirty);
	*dirty |= lnkfs_fast_pending(sbi);
	brelse(bh);
	return err;
}

/**
 * lnkfs_journal_open() - open the journal and replay it
 * @sbi: volume being mounted; only the superblock has been read so far
 *
 * With norecovery the volume stays without a journal (and read-only), and the
 * device of an external one is left alone.
 *
 * Return: 0, -EROFS when the log has to be replayed and a device cannot be
 * written, what lnkfs_journal_dev_open() says, or an error of the journal.
 */
int lnkfs_journal_open(struct lnkfs_sb_info *sbi)
{
	struct super_block *sb = sbi->sb;
	journal_t *journal;
	bool dirty;
	int err;

	lnkfs_init_triggers(sbi);
	if (sbi->opts & LNKFS_OPT_NORECOVERY && lnkfs_ext_journal(sbi)) {
		pr_warn("lnkfs (%s): the journal has not been looked at\n", sb->s_id);
		return 0;
	}
	err = lnkfs_log_find(sbi);
	if (err)
		return err;
	err = lnkfs_journal_dirty(sbi, &dirty);
	if (sbi->opts & LNKFS_OPT_NORECOVERY) {
		if (err || dirty)
			pr_warn("lnkfs (%s): the journal has not been replayed\n", sb->s_id);
		return 0;
	}
	if (err)
		return err;
	if (bdev_read_only(sb->s_bdev) || bdev_read_only(sbi->log_bdev)) {
		if (dirty) {
			pr_err("lnkfs (%s): the journal must be replayed, but a device is read-only (norecovery mounts it as it is)\n",
			       sb->s_id);
			return -EROFS;
		}
		return 0;
	}
	journal = lnkfs_journal_init_dev(sbi->log_bdev, sb->s_bdev, sbi->log_start,
					 sbi->log_blocks, sbi->fs.block_size);
	if (IS_ERR(journal)) {
		pr_err("lnkfs (%s): cannot open the journal\n", sb->s_id);
		return PTR_ERR(journal);
	}
	journal->j_private = sb;
	journal->j_bmap = lnkfs_journal_bmap;
	journal->j_commit_callback = lnkfs_busy_commit;
	write_lock(&journal->j_state_lock);
	journal->j_flags |= JBD2_BARRIER | JBD2_ABORT_ON_SYNCDATA_ERR;
	write_unlock(&journal->j_state_lock);

	if (dirty)
		pr_info("lnkfs (%s): recovering the journal\n", sb->s_id);
	err = lnkfs_fast_mark(sbi);
	if (!err)
		err = lnkfs_journal_load(journal);
	if (err) {
		pr_err("lnkfs (%s): cannot load the journal (%d)\n", sb->s_id, err);
		goto fail;
	}
	/* A crafted log may have been replayed over its own superblock. */
	if (journal->j_first != 1 || journal->j_last != journal->j_total_len ||
	    !lnkfs_log_super_sound(sbi, journal->j_superblock)) {
		pr_err("lnkfs (%s): the journal's superblock is not valid\n", sb->s_id);
		err = -EFSCORRUPTED;
		goto fail;
	}
	if (!jbd2_journal_set_features(journal, 0, 0, LNKFS_LOG_FEATURES)) {
		pr_err("lnkfs (%s): cannot set the journal's features\n", sb->s_id);
		err = -EINVAL;
		goto fail;
	}
	err = jbd2_journal_errno(journal);
	if (err) {
		pr_warn("lnkfs (%s): the journal recorded error %d before the last unmount\n",
			sb->s_id, err);
		set_bit(LNKFS_SB_ERROR, &sbi->state);
		jbd2_journal_clear_err(journal);
		jbd2_journal_ack_err(journal);
	}
	/* Not errseq_sample(): an error that nobody has seen is none of this mount's. */
	errseq_check_and_advance(&lnkfs_bdev_mapping(sb->s_bdev)->wb_err, &sbi->wb_err);
	sbi->journal = journal;
	return 0;

fail:
	jbd2_journal_destroy(journal);
	return err;
}

/**
 * lnkfs_journal_close() - commit and checkpoint all, close the journal
 * @sbi: volume
 *
 * jbd2_journal_destroy() flushes the device that the log is on before it says
 * there that the log is empty, but not the one of the volume.
 *
 * Return: 0 or the journal's error: then the volume is not clean.
 */
int lnkfs_journal_close(struct lnkfs_sb_info *sbi)
{
	int err = 0, err2;

	if (!sbi->journal)
		return 0;
	if (lnkfs_ext_journal(sbi) && !is_journal_aborted(sbi->journal)) {
		jbd2_journal_lock_updates(sbi->journal);
		err = jbd2_journal_flush(sbi->journal, 0);
		jbd2_journal_unlock_updates(sbi->journal);
	}
	err2 = jbd2_journal_destroy(sbi->journal);
	sbi->journal = NULL;
	lnkfs_fast_forget(sbi);
	return err ? err : err2;
}

/**
 * lnkfs_journal_dead() - has the journal been aborted?
 * @sbi: volume
 *
 * By us, or by jbd2 itself when it could not write its log: this says so once, does
 * what errors= asks for, and lets nobody take the volume for writable. A shutdown
 * is no error.
 *
 * Context: may sleep; a handle may be open.
 * Return: true when nothing can be written any more.
 */
bool lnkfs_journal_dead(struct lnkfs_sb_info *sbi)
{
	if (likely(!is_journal_aborted(sbi->journal)))
		return false;
	if (!lnkfs_stopped(sbi->sb) && !test_and_set_bit(LNKFS_SB_DEAD, &sbi->state))
		lnkfs_report(&sbi->fs, -EIO, 0, 0,
			     "the journal is aborted: nothing can be written");
	return true;
}

/*
 * 6.1's jbd2 notes a failed checkpoint write but goes on; the older block on
 * disk would come back at the next mount.
 */
static bool lnkfs_writeback_failed(struct lnkfs_sb_info *sbi)
{
	struct address_space *mapping = lnkfs_bdev_mapping(sbi->sb->s_bdev);

	return LNKFS_CHECK_WB_ERR && errseq_check(&mapping->wb_err, sbi->wb_err);
}

/**
 * lnkfs_may_write() - can the volume be changed, as far as is known?
 * @sb: volume
 *
 * Return: 0, -EIO after a shutdown, -EROFS.
 */
int lnkfs_may_write(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);

	if (lnkfs_stopped(sb))
		return -EIO;
	if (lnkfs_rdonly(sb) || !sbi->journal)
		return -EROFS;
	if (unlikely(lnkfs_writeback_failed(sbi))) {
		errseq_check_and_advance(&lnkfs_bdev_mapping(sb->s_bdev)->wb_err,
					 &sbi->wb_err);
		lnkfs_report(&sbi->fs, -EIO, 0, 0, "metadata could not be written");
	}
	return lnkfs_journal_dead(sbi) ? -EROFS : 0;
}

/**
 * lnkfs_begin() - start a handle
 * @sb: volume
 * @credits: blocks that may be modified
 * @revokes: metadata blocks that may be freed
 *
 * Nests: inside a handle of the same task the running one is returned, also when the
 * volume has just been stopped: what has begun is complete, or ends with the journal.
 *
 * Context: may sleep; nothing that ranks after the handle is held.
 * Return: the handle, or -EROFS, -EIO, -ENOMEM, -ENOSPC (more credits than the
 * journal can ever give).
 */
handle_t *lnkfs_begin(struct super_block *sb, u32 credits, u32 revokes)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	journal_t *journal = sbi->journal;
	int err;

	might_sleep();
	if (journal_current_handle())
		return jbd2__journal_start(journal, 0, 0, 0, GFP_NOFS, 0, 0);
	err = lnkfs_may_write(sb);
	if (err)
		return ERR_PTR(err);
	credits += sbi->quota_credits;
	/* jbd2 says so, too, but calls it a bug. */
	if (credits + DIV_ROUND_UP(revokes, journal->j_revoke_records_per_block) >
	    lnkfs_max_credits(journal)) {
		pr_warn_ratelimited("lnkfs (%s): the journal is too small for an operation of %u blocks\n",
				    sb->s_id, credits);
		return ERR_PTR(-ENOSPC);
	}
	return jbd2__journal_start(journal, credits, 0, revokes, GFP_NOFS, 0, 0);
}

/**
 * lnkfs_begin_inode() - start a handle that is going to store an inode
 * @inode: the inode
 * @credits: as for lnkfs_begin()
 * @revokes: as for lnkfs_begin()
 *
 * The inode's block is read first, if it has left memory: when that fails nothing
 * has been changed yet, and only this operation fails. Later the journal would
 * have to be aborted; as inside a handle, where it is too late already.
 *
 * Context: as for lnkfs_begin().
 * Return: the handle, or an error of lnkfs_begin() or of reading.
 */
handle_t *lnkfs_begin_inode(struct inode *inode, u32 credits, u32 revokes)
{
	int err = journal_current_handle() ? 0 : lnkfs_read_inode_block(inode);

	return err ? ERR_PTR(err) : lnkfs_begin(inode->i_sb, credits, revokes);
}

/* The volume, if the handle has to wait for its transaction and fast commits may do for that. */
static struct lnkfs_sb_info *lnkfs_end_fast(handle_t *handle)
{
	struct lnkfs_sb_info *sbi;

	if (!handle->h_sync || handle->h_ref > 1 || is_handle_aborted(handle) ||
	    current->flags & PF_MEMALLOC)
		return NULL;
	sbi = LNKFS_SB(handle->h_transaction->t_journal->j_private);
	return sbi->fast ? sbi : NULL;
}

/**
 * lnkfs_end() - end a handle
 * @handle: the handle
 *
 * After lnkfs_sync_handle() what it did is durable on return. A commit is left to jbd2, which
 * waits a little for others that want one, too.
 *
 * Return: 0, or -EIO when the journal was aborted meanwhile.
 */
int lnkfs_end(handle_t *handle)
{
	struct lnkfs_sb_info *sbi = lnkfs_end_fast(handle);
	tid_t tid = sbi ? handle->h_transaction->t_tid : 0;
	bool likely = sbi && lnkfs_fast_likely(sbi, tid);
	int err;

	if (likely)
		handle->h_sync = 0;
	err = jbd2_journal_stop(handle);
	if (!sbi || err)
		return err;
	if (!likely) {
		lnkfs_fast_want(sbi);
		return 0;
	}
	return lnkfs_sync_tid(sbi->sb, tid);
}

/**
 * lnkfs_note_tid() - remember the transaction an inode was changed in
 * @handle: running handle
 * @inode: the inode
 * @datasync: fdatasync has to wait for it, too
 */
void lnkfs_note_tid(handle_t *handle, struct inode *inode, bool datasync)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (is_handle_aborted(handle))
		return;
	WRITE_ONCE(li->sync_tid, handle->h_transaction->t_tid);
	if (datasync)
		WRITE_ONCE(li->datasync_tid, handle->h_transaction->t_tid);
}

/**
 * lnkfs_read_tids() - an inode has been read
 * @inode: the inode, not yet visible
 *
 * It may have been in memory before, and what was changed then may be in a
 * transaction that has not committed: fsync has to wait for that one.
 */
void lnkfs_read_tids(struct inode *inode)
{
	journal_t *journal = LNKFS_SB(inode->i_sb)->journal;
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (!journal)
		return;
	li->sync_tid = jbd2_get_latest_transaction(journal);
	li->datasync_tid = li->sync_tid;
}

/**
 * lnkfs_note_data() - data that is in the device's cache only comes into use
 * @handle: running handle that makes it visible
 *
 * The commit block follows a flush of the device that it is on. Where that is
 * another one than the data's, jbd2 has to be told to flush the data's first.
 */
void lnkfs_note_data(handle_t *handle)
{
	if (!is_handle_aborted(handle))
		WRITE_ONCE(handle->h_transaction->t_need_data_flush, 1);
}

/**
 * lnkfs_force_commit() - commit the running transaction and wait
 * @sb: volume
 *
 * Context: not inside a handle.
 */
int lnkfs_force_commit(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);

	if (!sbi->journal)
		return -EROFS;
	return jbd2_journal_force_commit(sbi->journal);
}

/**
 * lnkfs_wait_tid() - have a transaction committed, if it has not been
 * @sb: volume with a journal
 * @tid: the transaction
 *
 * jbd2 does not say what became of one that is gone.
 *
 * Context: not inside a handle.
 * Return: 0, or -EIO when the journal has been aborted.
 */
int lnkfs_wait_tid(struct super_block *sb, tid_t tid)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	int err = jbd2_complete_transaction(sbi->journal, tid);

	if (lnkfs_journal_dead(sbi) && !err)
		err = -EIO;
	return err;
}

/**
 * lnkfs_sync_tid() - have what a transaction has done durable, by a fast commit or its own
 * @sb: volume with a journal
 * @tid: the transaction
 *
 * Context: not inside a handle.
 * Return: 0, or -EIO when the journal has been aborted.
 */
int lnkfs_sync_tid(struct super_block *sb, tid_t tid)
{
	return lnkfs_fast_commit(LNKFS_SB(sb), tid, false) ? lnkfs_wait_tid(sb, tid) : 0;
}

/**
 * lnkfs_retry_alloc() - may an allocation succeed after a commit?
 * @sb: volume
 * @err: what the allocation returned
 * @tries: counter, 0 at first
 *
 * After -ENOSPC with busy blocks around, commits, so that they become free, and
 * waits for those that are being discarded.
 *
 * Context: not inside a handle, no ext_lock.
 * Return: true when it is worth trying again.
 */
bool lnkfs_retry_alloc(struct super_block *sb, int err, int *tries)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	tid_t tid;
	bool busy, held;

	if (err != -ENOSPC || (*tries)++ >= 3 || !sbi->journal)
		return false;
	spin_lock(&sbi->space_lock);
	held = sbi->held > 0;
	busy = sbi->busy > sbi->held;
	spin_unlock(&sbi->space_lock);
	/* Those that were busy a moment ago may be free now. */
	if (!busy && !held && *tries > 1)
		return false;
	if (busy) {
		tid = jbd2_get_latest_transaction(sbi->journal);
		if (lnkfs_wait_tid(sb, tid))
			return false;
		/* The callback runs after waiters of the commit may have been woken. */
		wait_event_timeout(sbi->busy_wait, tid_geq(READ_ONCE(sbi->busy_tid), tid), HZ);
		lnkfs_discard_wait(sbi);
	}
	lnkfs_hold_wait(sbi);
	return true;
}

/* More than lnkfs_retry_alloc() counts to. */
#define LNKFS_LAST_TRY	100

/**
 * lnkfs_retry_name() - may an operation on names or attributes succeed the next time?
 * @sb: volume
 * @err: what it returned
 * @tries: counter, 0 at first
 *
 * As lnkfs_retry_alloc(); then data that have been accepted are written, once: they may
 * have been promised much more than they take.
 *
 * Context: not inside a handle, no ext_lock, no folio locked; inode locks may be held.
 * Return: true when it is worth trying again.
 */
bool lnkfs_retry_name(struct super_block *sb, int err, int *tries)
{
	if (lnkfs_retry_alloc(sb, err, tries))
		return true;
	if (err != -ENOSPC || *tries > LNKFS_LAST_TRY || !READ_ONCE(LNKFS_SB(sb)->reserved))
		return false;
	*tries = LNKFS_LAST_TRY;
	lnkfs_make_room(sb);
	return true;
}

/*
 * Will waiting for a transaction's commit not flush the data's device? What
 * jbd2 knows about an external journal's commits it knows from
 * lnkfs_note_data(), and that says nothing of data written in place.
 */
static bool lnkfs_needs_flush(struct lnkfs_sb_info *sbi, tid_t tid)
{
	return lnkfs_ext_journal(sbi) ||
	       !jbd2_trans_will_send_data_barrier(sbi->journal, tid);
}

/* The part of fsync that follows the writing of the data. */
static int lnkfs_fsync_commit(struct inode *inode, int datasync)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct super_block *sb = inode->i_sb;
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	int err, err2;
	bool flush;
	tid_t tid;

	if (lnkfs_stopped(sb))
		return -EIO;
	if (!sbi->journal)
		return 0;
	if (lnkfs_journal_dead(sbi))
		return -EIO;
	if (sb_rdonly(sb))
		return 0;
	tid = datasync ? READ_ONCE(li->datasync_tid) : READ_ONCE(li->sync_tid);
	if (!lnkfs_fast_commit(sbi, tid, S_ISREG(inode->i_mode)))
		return 0;
	flush = lnkfs_barrier(sbi) && lnkfs_needs_flush(sbi, tid);
	err = lnkfs_wait_tid(sb, tid);
	if (flush) {
		err2 = blkdev_issue_flush(sb->s_bdev);
		if (!err)
			err = err2;
	}
	return err;
}

/**
 * lnkfs_fsync() - fsync and fdatasync of every file type
 * @file: open file
 * @start: first byte
 * @end: last byte
 * @datasync: time stamps need not be on disk
 *
 * Return: 0 or the first error of writing the data or committing.
 */
int lnkfs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file->f_mapping->host;
	int err;

	trace_lnkfs_fsync_enter(inode, start, end, datasync);
	err = file_write_and_wait_range(file, start, end);
	if (!err)
		err = lnkfs_fsync_commit(inode, datasync);
	trace_lnkfs_fsync_exit(inode, err);
	return err;
}

/**
 * lnkfs_sync_fs() - sync(2), syncfs(2)
 * @sb: volume
 * @wait: wait for the commit
 */
int lnkfs_sync_fs(struct super_block *sb, int wait)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	journal_t *journal = sbi->journal;
	bool flush = false;
	tid_t target;
	int err = 0;

	if (!journal)
		return 0;
	if (lnkfs_journal_dead(sbi))
		return -EIO;
	/*
	 * Writeback may have sent data that no transaction follows, or only one
	 * whose commit has flushed already.
	 */
	if (wait && lnkfs_barrier(sbi))
		flush = lnkfs_needs_flush(sbi, jbd2_get_latest_transaction(journal));
	if (jbd2_journal_start_commit(journal, &target) && wait)
		err = jbd2_log_wait_commit(journal, target);
	if (lnkfs_journal_dead(sbi) && !err)
		err = -EIO;
	if (!err && flush)
		err = blkdev_issue_flush(sb->s_bdev);
	return err;
}
