// SPDX-License-Identifier: GPL-2.0
/*
 * Fast commits: fsync makes durable what the running transaction has done so far by one write
 * of what changed in its blocks, instead of having it committed. A record is what the whole
 * transaction has changed, by whomever, since its record before: so a crash leaves the state
 * of one moment, as after a commit, and nothing has to be known of the operations.
 *
 * What changed is found by comparison: as long as somebody calls fsync, or does synchronous
 * operations, the contents of each block are kept that the running transaction is the first to
 * declare (lnkfs_fast_track()). A transaction that changes too many blocks, or frees metadata
 * (what the log has of those is to be revoked), is committed as ever.
 *
 * The transaction stays open, and its commit makes its records obsolete. After a crash they
 * are applied to what the log says, in a transaction of their own (lnkfs_fast_replay()).
 */
#include <linux/blkdev.h>
#include <linux/hash.h>
#include "internal.h"

#define FAST_HASH_BITS	6
#define FAST_NONE	0xff
#define FAST_WANTED	8	/* transactions without an fsync until nothing is kept any more */

/**
 * struct lnkfs_fast_slot - a block that the running transaction may have changed
 * @bh: its buffer
 * @type: what it is
 * @fresh: it was all zeroes, and no record has it
 * @declared: it has been since the last record
 * @next: the next one of the hash chain
 */
struct lnkfs_fast_slot {
	struct buffer_head *bh;
	enum lnkfs_btype type;
	bool fresh;
	bool declared;
	u8 next;
};

/**
 * struct lnkfs_fast - fast commits of a volume
 * @start: first block of the area
 * @blocks: those behind its head
 * @marked: the head says that records are being applied
 * @pending: records have to be applied when the log has been replayed
 * @found: transaction of the first record, before recovery
 * @there: there is such a record
 * @empty: the log was empty then
 * @next: the first transaction that it did not hold whole
 * @lock: protects the following
 * @wanted: how many transactions more are to be followed; 0: nothing is kept
 * @after: only transactions after this one have been followed from their beginning
 * @tid: the one whose blocks are kept
 * @lost: not all of them are
 * @nr: how many there are
 * @hash: their hash table: first slot of each chain
 * @slot: the blocks
 * @old: what was in them, a block each
 * @write_lock: one record at a time; protects the following
 * @record: room for a record
 * @scratch: room for a block
 * @last: the last record; none has been written with the number ~0
 * @used: blocks of the area that the records of its transaction take
 * @begun: counts looks at the running transaction
 * @done: the last one whose outcome is durable
 * @flushed: the last one after which data were flushed, too
 * @unflushed: what was written before may not be durable; the next outcome makes it so
 * @count: records since the mount
 */
struct lnkfs_fast {
	u64 start;
	u32 blocks;
	bool marked;
	bool pending;
	tid_t found;
	bool there;
	bool empty;
	tid_t next;

	spinlock_t lock;
	u32 wanted;
	tid_t after;
	tid_t tid;
	bool lost;
	u32 nr;
	u8 hash[1 << FAST_HASH_BITS];
	struct lnkfs_fast_slot slot[LNKFS_FAST_CHANGED_MAX];
	u8 *old;

	struct mutex write_lock;
	u8 *record;
	u8 *scratch;
	struct lnkfs_fast_id last;
	u32 used;
	atomic_t begun;
	int done;
	int flushed;
	bool unflushed;
	u64 count;
};

/* ---- following a transaction ---- */

static u8 *fast_old(const struct lnkfs_sb_info *sbi, u32 slot)
{
	return sbi->fast->old + ((size_t)slot << sbi->fs.block_bits);
}

/* Nothing is kept any more. Under the lock. */
static void fast_drop(struct lnkfs_fast *fast)
{
	u32 i;

	for (i = 0; i < fast->nr; i++)
		put_bh(fast->slot[i].bh);
	fast->nr = 0;
	memset(fast->hash, FAST_NONE, sizeof(fast->hash));
}

static void fast_lose(struct lnkfs_fast *fast)
{
	WRITE_ONCE(fast->lost, true);
	fast_drop(fast);
}

/* A transaction declares its first block. Under the lock. */
static void fast_turn(struct lnkfs_fast *fast, tid_t tid)
{
	fast_drop(fast);
	WRITE_ONCE(fast->wanted, fast->wanted - 1);
	WRITE_ONCE(fast->lost, !fast->wanted || !tid_gt(tid, fast->after));
	/* Pairs with lnkfs_fast_track(), which must not take what was lost before for this one. */
	smp_store_release(&fast->tid, tid);
}

/* Has the block been declared before? It is again, and may have become something else. */
static bool fast_known(struct lnkfs_fast *fast, const struct buffer_head *bh,
		       enum lnkfs_btype type)
{
	u8 i;

	for (i = fast->hash[hash_ptr(bh, FAST_HASH_BITS)]; i != FAST_NONE; i = fast->slot[i].next) {
		if (fast->slot[i].bh == bh) {
			fast->slot[i].type = type;
			fast->slot[i].declared = true;
			return true;
		}
	}
	return false;
}

static void fast_keep(struct lnkfs_sb_info *sbi, struct buffer_head *bh, enum lnkfs_btype type,
		      bool fresh)
{
	struct lnkfs_fast *fast = sbi->fast;
	u8 *chain = &fast->hash[hash_ptr(bh, FAST_HASH_BITS)];
	u32 i = fast->nr;

	if (i == LNKFS_FAST_CHANGED_MAX) {
		fast_lose(fast);
		return;
	}
	get_bh(bh);
	fast->slot[i] = (struct lnkfs_fast_slot){ bh, type, fresh, true, *chain };
	*chain = (u8)i;
	fast->nr++;
	memcpy(fast_old(sbi, i), bh->b_data, bh->b_size);
}

/**
 * lnkfs_fast_track() - a block is about to be modified
 * @handle: running handle
 * @sbi: volume
 * @bh: the block, with write access
 * @type: what it is
 * @fresh: it has been allocated, and is all zeroes
 *
 * Whoever is the first to declare it in a transaction finds it as the one before has left it.
 *
 * Context: does not sleep.
 */
void lnkfs_fast_track(handle_t *handle, struct lnkfs_sb_info *sbi, struct buffer_head *bh,
		      enum lnkfs_btype type, bool fresh)
{
	struct lnkfs_fast *fast = sbi->fast;
	tid_t tid = handle->h_transaction->t_tid;

	if (!READ_ONCE(fast->wanted) ||
	    (smp_load_acquire(&fast->tid) == tid && READ_ONCE(fast->lost)))
		return;
	spin_lock(&fast->lock);
	if (fast->wanted && fast->tid != tid)
		fast_turn(fast, tid);
	if (fast->tid == tid && !fast->lost && !fast_known(fast, bh, type))
		fast_keep(sbi, bh, type, fresh);
	spin_unlock(&fast->lock);
}

/**
 * lnkfs_fast_lost() - a transaction does what a record cannot say
 * @handle: handle of it
 * @sbi: volume
 *
 * What was durable before by a record stays so.
 */
void lnkfs_fast_lost(handle_t *handle, struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;
	tid_t tid = handle->h_transaction->t_tid;

	if (!fast || !READ_ONCE(fast->wanted))
		return;
	spin_lock(&fast->lock);
	if (fast->wanted && fast->tid != tid)
		fast_turn(fast, tid);
	if (fast->tid == tid)
		fast_lose(fast);
	spin_unlock(&fast->lock);
}

/**
 * lnkfs_fast_forget() - let go of all buffers
 * @sbi: volume, without a running transaction
 */
void lnkfs_fast_forget(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;

	if (!fast)
		return;
	spin_lock(&fast->lock);
	fast_lose(fast);
	spin_unlock(&fast->lock);
}

/**
 * lnkfs_fast_quiesce() - nothing is written any more
 * @sbi: volume whose journal has been flushed
 *
 * Somebody who looked before that may still be writing a record, which the flush has made
 * obsolete.
 *
 * Context: may sleep; neither a handle nor jbd2's barrier is held.
 */
void lnkfs_fast_quiesce(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;

	if (!fast)
		return;
	mutex_lock(&fast->write_lock);
	lnkfs_fast_forget(sbi);
	mutex_unlock(&fast->write_lock);
}

/**
 * lnkfs_fast_hold() - no record is being written until lnkfs_fast_release()
 * @sbi: mounted volume
 *
 * Context: may sleep; neither a handle nor jbd2's barrier is held.
 */
void lnkfs_fast_hold(struct lnkfs_sb_info *sbi)
{
	if (sbi->fast)
		mutex_lock(&sbi->fast->write_lock);
}

/**
 * lnkfs_fast_release() - the end of lnkfs_fast_hold()
 * @sbi: mounted volume
 * @unflushed: what has been written so far, commits among it, may be in the device's cache,
 *	which a record does not empty by itself
 */
void lnkfs_fast_release(struct lnkfs_sb_info *sbi, bool unflushed)
{
	if (!sbi->fast)
		return;
	sbi->fast->unflushed |= unflushed;
	mutex_unlock(&sbi->fast->write_lock);
}

/* Room for what is kept; without it there are no fast commits. */
static bool fast_room(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;
	u8 *old;

	if (fast->old)
		return true;
	old = kvmalloc((size_t)LNKFS_FAST_CHANGED_MAX << sbi->fs.block_bits,
		       GFP_NOFS | __GFP_NOWARN);
	fast->old = old;
	return old;
}

/*
 * The transaction that runs could not be followed: those after it are, from now on. Under the
 * write lock.
 */
static void fast_want(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;

	if (!fast_room(sbi))
		return;
	spin_lock(&fast->lock);
	if (!fast->wanted) {
		WRITE_ONCE(fast->wanted, FAST_WANTED);
		/*
		 * Who has not seen that is in this transaction, or in one that is just being
		 * begun.
		 */
		smp_mb();
		fast->after = jbd2_get_latest_transaction(sbi->journal) + 1;
		fast_lose(fast);
		WRITE_ONCE(fast->tid, fast->after);
	}
	WRITE_ONCE(fast->wanted, FAST_WANTED);
	spin_unlock(&fast->lock);
}

/* ---- writing ---- */

static void fast_end_io(struct buffer_head *bh, int uptodate)
{
	if (uptodate)
		set_buffer_uptodate(bh);
	else
		clear_buffer_uptodate(bh);
	unlock_buffer(bh);
	put_bh(bh);
}

/* Begin to write a block of the area; the caller puts the buffer. */
static struct buffer_head *fast_submit(struct lnkfs_sb_info *sbi, u64 block, const void *data,
				       blk_opf_t flags)
{
	struct buffer_head *bh = sb_getblk(sbi->sb, block);

	if (!bh)
		return NULL;
	lock_buffer(bh);
	memcpy(bh->b_data, data, bh->b_size);
	set_buffer_uptodate(bh);
	get_bh(bh);
	bh->b_end_io = fast_end_io;
	submit_bh(REQ_OP_WRITE | REQ_META | REQ_SYNC | REQ_PRIO | flags, bh);
	return bh;
}

static int fast_wait(struct buffer_head *bh)
{
	int err = 0;

	if (!bh)
		return -ENOMEM;
	wait_on_buffer(bh);
	if (!buffer_uptodate(bh))
		err = -EIO;
	brelse(bh);
	return err;
}

/*
 * Write blocks of the area; durable on return. The first comes last, with what makes all of
 * them so. @data: and what others have written to the device.
 */
static int fast_write(struct lnkfs_sb_info *sbi, u64 block, const u8 *data, u32 blocks,
		      bool flush)
{
	struct buffer_head *bh[LNKFS_FAST_RECORD_MAX >> LNKFS_MIN_BLOCK_BITS];
	struct blk_plug plug;
	blk_opf_t flags = 0;
	int err = 0, err2;
	u32 i;

	blk_start_plug(&plug);
	for (i = 1; i < blocks; i++)
		bh[i] = fast_submit(sbi, block + i, data + ((size_t)i << sbi->fs.block_bits), 0);
	blk_finish_plug(&plug);
	for (i = 1; i < blocks; i++) {
		err2 = fast_wait(bh[i]);
		if (!err)
			err = err2;
	}
	if (err)
		return err;
	if (lnkfs_barrier(sbi))
		flags = REQ_FUA | (flush || blocks > 1 ? REQ_PREFLUSH : 0);
	return fast_wait(fast_submit(sbi, block, data, flags));
}

/* The head of the area. */
static int fast_mark(struct lnkfs_sb_info *sbi, tid_t replay)
{
	struct lnkfs_fast *fast = sbi->fast;

	lnkfs_fast_head_make(&sbi->fs, fast->scratch, fast->start, replay);
	return fast_write(sbi, fast->start, fast->scratch, 1, false);
}

/*
 * Is a transaction the one that runs, and has all of it been followed? @behind: another one is
 * being committed. @flush: set when data came into use in it. It may be being committed, and
 * gone, as soon as the lock is: no barrier keeps jbd2 from that.
 */
static bool fast_runs(struct lnkfs_sb_info *sbi, tid_t tid, bool *behind, bool *flush)
{
	struct lnkfs_fast *fast = sbi->fast;
	journal_t *journal = sbi->journal;
	transaction_t *running;
	bool runs;

	read_lock(&journal->j_state_lock);
	running = journal->j_running_transaction;
	runs = running && running->t_tid == tid;
	if (runs && READ_ONCE(running->t_need_data_flush))
		*flush = true;
	*behind = journal->j_committing_transaction;
	read_unlock(&journal->j_state_lock);
	return runs && !is_journal_aborted(journal) && READ_ONCE(fast->tid) == tid &&
	       !READ_ONCE(fast->lost);
}

/* What has changed, into the record; no handle is open. */
static int fast_gather(struct lnkfs_sb_info *sbi, struct lnkfs_fast_writer *w)
{
	struct lnkfs_fast *fast = sbi->fast;
	int err = 0;
	u32 i, n;

	lnkfs_fast_begin(w, &sbi->fs, fast->record, LNKFS_FAST_RECORD_MAX, fast->scratch);
	for (i = 0; i < fast->nr && !err; i++) {
		struct lnkfs_fast_slot *s = &fast->slot[i];

		/* Nobody changes a block without saying so in the same handle. */
		if (!s->declared)
			continue;
		n = w->count;
		err = lnkfs_fast_add(w, s->bh->b_blocknr, s->type, s->fresh, fast_old(sbi, i),
				     s->bh->b_data);
		s->fresh &= w->count == n;
		s->declared = false;
	}
	return err;
}

/*
 * Make a record of what has changed since the last one. @flush: data are to be durable before
 * it; set when those of somebody else are.
 *
 * Return: 1 with the record in @w; 0: no.
 */
static int fast_look(struct lnkfs_sb_info *sbi, tid_t tid, struct lnkfs_fast_writer *w,
		     bool *flush, int *look)
{
	journal_t *journal = sbi->journal;
	bool behind;
	int ret = 0;

	jbd2_journal_lock_updates(journal);
	*look = atomic_inc_return(&sbi->fast->begun);
	if (fast_runs(sbi, tid, &behind, flush) && !behind) {
		ret = !fast_gather(sbi, w);
		/* What has been compared counts as written, and is not going to be. */
		if (!ret)
			lnkfs_fast_forget(sbi);
	}
	jbd2_journal_unlock_updates(journal);
	return ret;
}

/* Write a record; what could not be written stays unknown, and the transaction lost. */
static int fast_put(struct lnkfs_sb_info *sbi, tid_t tid, struct lnkfs_fast_writer *w, bool flush)
{
	struct lnkfs_fast *fast = sbi->fast;
	u64 block = fast->start + 1 + fast->used;
	struct lnkfs_fast_id id = {
		.tid = tid,
		.number = fast->last.number + 1,
		.before = fast->last.sum,
	};
	u32 blocks = lnkfs_fast_end(w, block, &id) >> sbi->fs.block_bits;
	int err = -ENOSPC;

	if (blocks <= fast->blocks - fast->used)
		err = fast_write(sbi, block, fast->record, blocks, flush);
	if (!err) {
		fast->last = id;
		fast->used += blocks;
		fast->count++;
	}
	return err;
}

static int fast_commit(struct lnkfs_sb_info *sbi, tid_t tid, bool flush)
{
	struct lnkfs_fast *fast = sbi->fast;
	struct lnkfs_fast_writer w;
	bool behind;
	int look, err;

	if (!fast_runs(sbi, tid, &behind, &flush)) {
		fast_want(sbi);
		return 1;
	}
	/* A record counts only behind what was committed before. */
	if (behind && jbd2_log_wait_commit(sbi->journal, tid - 1))
		return 1;
	flush |= fast->unflushed;
	if (fast->last.tid != tid) {
		fast->last = (struct lnkfs_fast_id){ .tid = tid, .number = ~0u };
		fast->used = 0;
	}
	if (!fast_look(sbi, tid, &w, &flush, &look))
		return 1;
	if (w.count)
		err = fast_put(sbi, tid, &w, flush);
	else
		err = flush && lnkfs_barrier(sbi) ? blkdev_issue_flush(sbi->sb->s_bdev) : 0;
	if (err) {
		lnkfs_fast_forget(sbi);
		return 1;
	}
	fast->done = look;
	if (flush) {
		fast->flushed = look;
		fast->unflushed = false;
	}
	spin_lock(&fast->lock);
	if (fast->wanted)
		WRITE_ONCE(fast->wanted, FAST_WANTED);
	spin_unlock(&fast->lock);
	return 0;
}

/**
 * lnkfs_fast_commit() - make what a transaction has done durable, without its commit
 * @sbi: volume with a journal
 * @tid: the transaction
 * @flush: data that have been written are to be durable, too
 *
 * Context: may sleep; not inside a handle.
 * Return: 0 when it is durable, 1 when the transaction has to be committed (or has been).
 */
int lnkfs_fast_commit(struct lnkfs_sb_info *sbi, tid_t tid, bool flush)
{
	struct lnkfs_fast *fast = sbi->fast;
	journal_t *journal = sbi->journal;
	int ret = 0, seen;
	bool runs;

	if (!fast || !tid)
		return 1;
	read_lock(&journal->j_state_lock);
	runs = journal->j_running_transaction && journal->j_running_transaction->t_tid == tid;
	read_unlock(&journal->j_state_lock);
	if (!runs)
		return 1;
	seen = atomic_read(&fast->begun);
	mutex_lock(&fast->write_lock);
	/* Somebody else may have looked after that, and have written what we wait for. */
	if (fast->last.tid != tid || fast->done - seen <= 0 || (flush && fast->flushed - seen <= 0))
		ret = fast_commit(sbi, tid, flush);
	mutex_unlock(&fast->write_lock);
	return ret;
}

/**
 * lnkfs_fast_likely() - will lnkfs_fast_commit() do without a commit?
 * @sbi: volume with fast commits
 * @tid: transaction of a handle
 *
 * Context: does not sleep.
 */
bool lnkfs_fast_likely(const struct lnkfs_sb_info *sbi, tid_t tid)
{
	return READ_ONCE(sbi->fast->tid) == tid && !READ_ONCE(sbi->fast->lost);
}

/**
 * lnkfs_fast_want() - there was a commit that might have been a fast one
 * @sbi: volume with fast commits
 *
 * Context: may sleep; not inside a handle.
 */
void lnkfs_fast_want(struct lnkfs_sb_info *sbi)
{
	mutex_lock(&sbi->fast->write_lock);
	fast_want(sbi);
	mutex_unlock(&sbi->fast->write_lock);
}

/**
 * lnkfs_fast_count() - records written since the mount
 * @sbi: volume
 */
u64 lnkfs_fast_count(struct lnkfs_sb_info *sbi)
{
	return sbi->fast ? READ_ONCE(sbi->fast->count) : 0;
}

/* ---- recovery ---- */

/*
 * Read what may be a record into the room for one: what is behind it may be unreadable.
 * Returns its length in blocks, 0 where there is none, or an error.
 */
static int fast_read(struct lnkfs_sb_info *sbi, u32 at, struct lnkfs_fast_id *id)
{
	struct lnkfs_fast *fast = sbi->fast;
	u32 blocks = min_t(u32, LNKFS_FAST_RECORD_MAX >> sbi->fs.block_bits, fast->blocks - at), i;
	struct buffer_head *bh;

	if (!blocks)
		return 0;
	for (i = 0; i < blocks; i++) {
		bh = sb_bread(sbi->sb, fast->start + 1 + at + i);
		if (!bh)
			return -EIO;
		memcpy(fast->record + ((size_t)i << sbi->fs.block_bits), bh->b_data, bh->b_size);
		brelse(bh);
		if (!i)
			blocks = lnkfs_fast_blocks(&sbi->fs, fast->record, blocks);
	}
	return (int)(lnkfs_fast_check(&sbi->fs, fast->record, blocks << sbi->fs.block_bits,
				      fast->start + 1 + at, id) >> sbi->fs.block_bits);
}

static struct lnkfs_fast *fast_alloc(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = kzalloc(sizeof(*fast), GFP_KERNEL);

	if (!fast)
		return NULL;
	fast->start = lnkfs_fast_area(&sbi->fs);
	fast->blocks = sbi->fs.fast_blocks - 1;
	fast->record = kvmalloc(LNKFS_FAST_RECORD_MAX, GFP_KERNEL);
	fast->scratch = kmalloc(sbi->fs.block_size, GFP_KERNEL);
	spin_lock_init(&fast->lock);
	mutex_init(&fast->write_lock);
	memset(fast->hash, FAST_NONE, sizeof(fast->hash));
	sbi->fast = fast;
	if (!fast->record || !fast->scratch)
		lnkfs_fast_free(sbi);
	return sbi->fast;
}

/* The head and the first record of the area. */
static int fast_open(struct lnkfs_sb_info *sbi, u32 *replay)
{
	struct lnkfs_fast *fast = sbi->fast;
	struct buffer_head *bh = sb_bread(sbi->sb, fast->start);
	struct lnkfs_fast_id id;
	int ret;

	if (!bh)
		goto unreadable;
	ret = lnkfs_fast_head_read(&sbi->fs, bh->b_data, fast->start, replay);
	brelse(bh);
	if (ret) {
		pr_err("lnkfs (%s): the head of the fast commits is damaged\n", sbi->sb->s_id);
		return ret;
	}
	ret = fast_read(sbi, 0, &id);
	if (ret < 0)
		goto unreadable;
	fast->there = ret && lnkfs_fast_follows(&id, NULL);
	if (fast->there)
		fast->found = id.tid;
	return 0;

unreadable:
	pr_err("lnkfs (%s): the fast commits cannot be read\n", sbi->sb->s_id);
	return -EIO;
}

/**
 * lnkfs_fast_open() - look for fast commits that may have to be applied
 * @sbi: volume being mounted, before its log is replayed; nothing without the feature
 * @first: the oldest transaction that the log holds
 * @next: the first that it does not hold whole; for an empty log, as @first, that which it
 *	goes on with, or one behind it
 * @empty: the log is empty
 *
 * Return: 0, -ENOMEM, -EIO, or -EFSCORRUPTED.
 */
int lnkfs_fast_open(struct lnkfs_sb_info *sbi, tid_t first, tid_t next, bool empty)
{
	struct lnkfs_fast *fast;
	tid_t replay;
	int err, due;

	if (!sbi->fs.fast_blocks)
		return 0;
	fast = fast_alloc(sbi);
	if (!fast)
		return -ENOMEM;
	err = fast_open(sbi, &replay);
	if (err)
		return err;
	fast->empty = empty;
	fast->next = next;
	fast->marked = replay;
	if (replay && (!fast->there || fast->found != replay)) {
		pr_err("lnkfs (%s): fast commits that were being applied are gone\n", sbi->sb->s_id);
		return -EFSCORRUPTED;
	}
	due = fast->there ? lnkfs_fast_due(fast->found, first, next, empty, replay) : 0;
	if (due < 0) {
		pr_err("lnkfs (%s): the journal ends before the fast commits\n", sbi->sb->s_id);
		return due;
	}
	fast->pending = due;
	return 0;
}

/**
 * lnkfs_fast_pending() - are there fast commits to be applied?
 * @sbi: volume being mounted, after lnkfs_fast_open()
 */
bool lnkfs_fast_pending(const struct lnkfs_sb_info *sbi)
{
	return sbi->fast && sbi->fast->pending;
}

/**
 * lnkfs_fast_mark() - the log is about to be replayed
 * @sbi: volume being mounted
 *
 * The log will not say any more afterwards how far it had come: so the area has to say that
 * its records count, until they have been applied; or that they do not, if it did before.
 *
 * Return: 0, -EIO or -ENOMEM.
 */
int lnkfs_fast_mark(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;

	if (!fast || fast->pending == fast->marked)
		return 0;
	return fast_mark(sbi, fast->pending ? fast->found : 0);
}

/**
 * struct fast_image - a block that records change
 * @last: the last change, but for its bytes
 * @type: what it is in the end
 */
struct fast_image {
	struct lnkfs_fast_item last;
	enum lnkfs_btype type;
};

static int fast_image_of(struct lnkfs_sb_info *sbi, struct fast_image *image, u32 *nr,
			 const struct lnkfs_fast_item *item, u32 *which)
{
	struct buffer_head *bh;
	u32 i;

	for (i = 0; i < *nr && image[i].last.block != item->block; i++)
		;
	*which = i;
	if (i < *nr)
		return 0;
	if (i == LNKFS_FAST_CHANGED_MAX)
		return -EFSCORRUPTED;
	if (!item->fresh) {
		bh = sb_bread(sbi->sb, item->block);
		if (!bh)
			return -EIO;
		memcpy(fast_old(sbi, i), bh->b_data, bh->b_size);
		brelse(bh);
	}
	(*nr)++;
	return 0;
}

/* Apply the record that has been read to copies of the blocks. */
static int fast_apply(struct lnkfs_sb_info *sbi, struct fast_image *image, u32 *nr)
{
	struct lnkfs_fast_item item;
	u32 pos = 0, which;
	int ret;

	for (;;) {
		ret = lnkfs_fast_next(&sbi->fs, sbi->fast->record, &pos, &item);
		if (ret <= 0)
			return ret;
		ret = fast_image_of(sbi, image, nr, &item, &which);
		if (ret)
			return ret;
		lnkfs_fast_apply(&sbi->fs, &item, fast_old(sbi, which));
		image[which].last = item;
	}
}

/* Have all blocks become what they were to become? */
static int fast_finish(struct lnkfs_sb_info *sbi, struct fast_image *image, u32 nr)
{
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++)
		err = lnkfs_fast_finish(&sbi->fs, &image[i].last, fast_old(sbi, i), &image[i].type);
	return err;
}

/* A block as it has to be, into the transaction. */
static int fast_store(struct lnkfs_sb_info *sbi, handle_t *handle, const struct fast_image *image,
		      const u8 *data)
{
	struct buffer_head *bh = sb_getblk(sbi->sb, image->last.block);
	int err;

	if (!bh)
		return -ENOMEM;
	lock_buffer(bh);
	if (!buffer_uptodate(bh)) {
		memcpy(bh->b_data, data, bh->b_size);
		set_buffer_uptodate(bh);
	}
	unlock_buffer(bh);
	err = jbd2_journal_get_write_access(handle, bh);
	if (!err) {
		memcpy(bh->b_data, data, bh->b_size);
		jbd2_journal_set_triggers(bh, image->type == LNKFS_B_RAW ? NULL :
					  &sbi->trigger[image->type].jbd);
		err = jbd2_journal_dirty_metadata(handle, bh);
	}
	brelse(bh);
	return err;
}

static int fast_store_all(struct lnkfs_sb_info *sbi, journal_t *journal,
			  const struct fast_image *image, u32 nr)
{
	handle_t *handle;
	int err = 0, err2;
	u32 i;

	if (!nr)
		return 0;
	handle = jbd2_journal_start(journal, (int)nr);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	for (i = 0; i < nr && !err; i++)
		err = fast_store(sbi, handle, &image[i], fast_old(sbi, i));
	/* Half of it must not be committed. */
	if (err)
		jbd2_journal_abort(journal, err);
	err2 = jbd2_journal_stop(handle);
	if (!err)
		err = err2;
	return err ? err : jbd2_journal_force_commit(journal);
}

static int fast_replay(struct lnkfs_sb_info *sbi, journal_t *journal, u32 *records)
{
	struct fast_image *image;
	struct lnkfs_fast_id id, last;
	u32 at = 0, nr = 0;
	int ret, err = 0;

	image = kcalloc(LNKFS_FAST_CHANGED_MAX, sizeof(*image), GFP_KERNEL);
	if (!image || !fast_room(sbi))
		err = -ENOMEM;
	for (*records = 0; !err; (*records)++) {
		ret = fast_read(sbi, at, &id);
		if (ret < 0)
			err = ret;
		if (ret <= 0 || !lnkfs_fast_follows(&id, *records ? &last : NULL) ||
		    id.tid != sbi->fast->found)
			break;
		last = id;
		err = fast_apply(sbi, image, &nr);
		at += (u32)ret;
	}
	/* There was one. */
	if (!err && !*records)
		err = -EFSCORRUPTED;
	if (!err)
		err = fast_finish(sbi, image, nr);
	if (!err)
		err = fast_store_all(sbi, journal, image, nr);
	kfree(image);
	return err;
}

/*
 * Has jbd2 found what was seen before? It goes on with the second number behind that. If that
 * is more, the records' transaction has been committed after all, or has been applied.
 */
static int fast_agreed(const struct lnkfs_sb_info *sbi)
{
	const struct lnkfs_fast *fast = sbi->fast;
	tid_t next = sbi->journal->j_transaction_sequence - 1;

	if (fast->empty || next == fast->next)
		return 1;
	return tid_gt(next, fast->next) ? 0 : -EFSCORRUPTED;
}

/**
 * lnkfs_fast_replay() - apply the fast commits to what the log has brought
 * @sbi: volume being mounted, its journal loaded, its size known
 *
 * Durable on return, and may be repeated after a crash, until the area says that nothing is
 * being applied.
 *
 * Return: 0, -ENOMEM, -EIO, -EFSCORRUPTED, -EFSBADCRC (the blocks are not as the records
 * expect them), or an error of the journal.
 */
int lnkfs_fast_replay(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;
	u32 records = 0;
	int err;

	if (!fast || !fast->pending)
		return 0;
	err = fast_agreed(sbi);
	if (err > 0)
		err = fast_replay(sbi, sbi->journal, &records);
	if (!err)
		err = fast_mark(sbi, 0);
	if (err)
		pr_err("lnkfs (%s): cannot apply the fast commits (%d)\n", sbi->sb->s_id, err);
	else if (records)
		pr_info("lnkfs (%s): fast commits applied: %u\n", sbi->sb->s_id, records);
	return err;
}

/**
 * lnkfs_fast_free() - the end
 * @sbi: volume, whose journal has been closed
 */
void lnkfs_fast_free(struct lnkfs_sb_info *sbi)
{
	struct lnkfs_fast *fast = sbi->fast;

	if (!fast)
		return;
	lnkfs_fast_forget(sbi);
	kvfree(fast->old);
	kvfree(fast->record);
	kfree(fast->scratch);
	kfree(fast);
	sbi->fast = NULL;
}
