// SPDX-License-Identifier: GPL-2.0
/*
 * Reading a jbd2 log. The format is jbd2's (include/linux/jbd2.h of the
 * kernel): all numbers big-endian, checksums of version 3, block numbers of 64
 * bits. Logs with other features are refused: lnkfs sets these at every mount.
 *
 * A log is a ring of blocks. A transaction is any number of descriptor blocks,
 * each followed by the blocks that it names, and of revoke blocks, and one
 * commit block. It counts only if its commit block is there and right.
 */
#include <stddef.h>
#include <stdlib.h>

#include "journal.h"
#include "log_format.h"

/**
 * lnkfs_log_super_checksum() - checksum of a journal's superblock
 * @data: its first 1024 bytes
 */
u32 lnkfs_log_super_checksum(const void *data)
{
	struct jbd2_super js;

	memcpy(&js, data, sizeof(js));
	memset((u8 *)&js + JBD2_CHECKSUM_AT, 0, sizeof(__be32));
	return lnkfs_crc32c(~0u, &js, sizeof(js));
}

static int log_block(struct lnkfs_log *log, u32 at, void *data)
{
	return lnkfs_dev_read(log->dev, log->offset + (u64)at * log->block_size, data,
			      log->block_size);
}

/* The block after @at, @n blocks on, in a ring. */
static u32 log_after(const struct lnkfs_log *log, u32 at, u32 n)
{
	u32 ring = log->maxlen - log->first;

	return log->first + (at - log->first + n % ring) % ring;
}

static const char *super_wrong(struct lnkfs_log *log, const struct jbd2_super *js, u32 blocks)
{
	__be32 sum;

	if (be32_to_cpu(js->h_magic) != JBD2_MAGIC_NUMBER ||
	    be32_to_cpu(js->h_blocktype) != JBD2_SUPERBLOCK_V2)
		return "no journal superblock";
	log->maxlen = be32_to_cpu(js->s_maxlen);
	log->first = be32_to_cpu(js->s_first);
	log->start = be32_to_cpu(js->s_start);
	log->sequence = be32_to_cpu(js->s_sequence);
	log->err = (s32)be32_to_cpu(js->s_errno);
	log->incompat = be32_to_cpu(js->s_feature_incompat);
	if (be32_to_cpu(js->s_blocksize) != log->block_size)
		return "the journal has another block size";
	if (log->maxlen > blocks || log->maxlen < LNKFS_MIN_JOURNAL_BLOCKS || log->first != 1 ||
	    log->start >= log->maxlen)
		return "the journal's superblock contradicts itself";
	if (log->incompat & ~(u32)LOG_FEATURES || js->s_feature_ro_compat)
		return "the journal has unknown features";
	if (!(log->incompat & JBD2_INCOMPAT_CSUM_V3))
		return log->start ? "the journal has no checksums" : NULL;
	memcpy(&sum, (const u8 *)js + JBD2_CHECKSUM_AT, sizeof(sum));
	if (be32_to_cpu(sum) != lnkfs_log_super_checksum(js))
		return "the journal's superblock has a wrong checksum";
	if (log->start && !(log->incompat & JBD2_INCOMPAT_64BIT))
		return "the journal's block numbers have 32 bits";
	return NULL;
}

/**
 * lnkfs_log_open() - look at a journal's superblock
 * @log: filled in
 * @dev: device that holds the journal
 * @offset: byte at which it begins
 * @blocks: blocks that it can have there
 * @block_size: the volume's
 * @why: what is wrong with it, or NULL
 *
 * Return: 0, -EFSCORRUPTED, or what reading says.
 */
int lnkfs_log_open(struct lnkfs_log *log, struct lnkfs_dev *dev, u64 offset, u32 blocks,
		   u32 block_size, const char **why)
{
	struct jbd2_super js;
	int err;

	memset(log, 0, sizeof(*log));
	log->dev = dev;
	log->offset = offset;
	log->block_size = block_size;
	*why = NULL;
	err = lnkfs_dev_read(dev, offset, &js, sizeof(js));
	if (err)
		return err;
	*why = super_wrong(log, &js, blocks);
	log->seed = lnkfs_crc32c(~0u, js.s_uuid, sizeof(js.s_uuid));
	return *why ? -EFSCORRUPTED : 0;
}

/* Is the checksum in a block's last four bytes right? */
static bool tail_right(const struct lnkfs_log *log, u8 *data)
{
	u8 *tail = data + log->block_size - sizeof(__be32);
	__be32 sum;
	u32 crc;

	memcpy(&sum, tail, sizeof(sum));
	memset(tail, 0, sizeof(sum));
	crc = lnkfs_crc32c(log->seed, data, log->block_size);
	memcpy(tail, &sum, sizeof(sum));
	return crc == be32_to_cpu(sum);
}

/*
 * A commit block is written when all that it commits is durable. So one of which only the head
 * is there, with zeroes behind, counts, as for jbd2 from 6.10 on.
 */
static bool commit_right(const struct lnkfs_log *log, const u8 *data)
{
	const u32 at = offsetof(struct log_commit, c_chksum);
	u32 sum = be32_to_cpu(((const struct log_commit *)data)->c_chksum[0]), bytes, crc;
	static const u8 zeroes[1 << LNKFS_MAX_BLOCK_BITS];

	if (sum == lnkfs_crc_around(log->seed, data, at, log->block_size))
		return true;
	bytes = JBD2_COMMIT_HEAD_BYTES;
	crc = lnkfs_crc_around(log->seed, data, at, bytes);
	return sum == lnkfs_crc32c(crc, zeroes, log->block_size - bytes);
}

/* The type of the block at hand if it belongs to a transaction, else 0. */
static u32 block_type(const struct lnkfs_log *log, u8 *data, u32 sequence)
{
	const struct log_header *h = (const void *)data;
	u32 type = be32_to_cpu(h->h_blocktype);

	if (be32_to_cpu(h->h_magic) != JBD2_MAGIC_NUMBER ||
	    be32_to_cpu(h->h_sequence) != sequence)
		return 0;
	switch (type) {
	case JBD2_DESCRIPTOR_BLOCK:
	case JBD2_REVOKE_BLOCK:
		return tail_right(log, data) ? type : 0;
	case JBD2_COMMIT_BLOCK:
		return commit_right(log, data) ? type : 0;
	default:
		return 0;
	}
}

static u64 commit_time(const u8 *data)
{
	const struct log_commit *c = (const void *)data;

	return (u64)be32_to_cpu(c->c_sec[0]) << 32 | be32_to_cpu(c->c_sec[1]);
}

/* The tag at @pos of a descriptor, and the position of the next one (0: none). */
static u32 next_tag(const struct lnkfs_log *log, const u8 *data, u32 pos, struct log_tag *tag)
{
	const u32 limit = log->block_size - sizeof(__be32);
	u32 flags;

	memcpy(tag, data + pos, sizeof(*tag));
	flags = be32_to_cpu(tag->t_flags);
	pos += sizeof(*tag) + (flags & JBD2_FLAG_SAME_UUID ? 0 : 16);
	return flags & JBD2_FLAG_LAST_TAG || pos + sizeof(*tag) > limit ? 0 : pos;
}

static u32 count_tags(const struct lnkfs_log *log, const u8 *data)
{
	struct log_tag tag;
	u32 pos = sizeof(struct log_header), n = 0;

	do {
		pos = next_tag(log, data, pos, &tag);
		n++;
	} while (pos);
	return n;
}

/**
 * struct scan - where the reader of a log is
 * @at: block
 * @seen: blocks up to there
 * @whole: blocks of complete transactions
 * @sequence: transaction
 * @time: seconds of the last commit block
 */
struct scan {
	u32 at;
	u32 seen;
	u32 whole;
	u32 sequence;
	u64 time;
};

/* Over a block that belongs to the transaction, and those that it names. */
static void scan_block(struct lnkfs_log *log, struct scan *s, const u8 *data, u32 type)
{
	u32 step = type == JBD2_DESCRIPTOR_BLOCK ? 1 + count_tags(log, data) : 1;

	s->at = log_after(log, s->at, step);
	s->seen += step;
	if (type != JBD2_COMMIT_BLOCK)
		return;
	s->whole = s->seen;
	s->time = commit_time(data);
	s->sequence++;
	log->commits++;
}

/*
 * Behind the end there is nothing, or what is older: its numbers are lower. A commit
 * block of the transaction that is not there, or of a later one, was written when
 * all before it was on the device: that has been damaged since.
 */
static void look_behind(struct lnkfs_log *log, const struct scan *s, u8 *data)
{
	const struct log_header *h = (const void *)data;
	u32 ring = log->maxlen - log->first, i, sequence;

	for (i = s->whole; i < ring; i++) {
		/* What cannot be read proves nothing. */
		if (log_block(log, log_after(log, log->start, i), data) ||
		    be32_to_cpu(h->h_magic) != JBD2_MAGIC_NUMBER ||
		    be32_to_cpu(h->h_blocktype) != JBD2_COMMIT_BLOCK)
			continue;
		sequence = be32_to_cpu(h->h_sequence);
		if (sequence - s->sequence >= ring || commit_time(data) < s->time ||
		    !commit_right(log, data))
			continue;
		if (!log->damaged || (s32)(sequence - log->newest) > 0)
			log->newest = sequence;
		log->damaged = true;
	}
}

/**
 * lnkfs_log_scan() - count the complete transactions
 * @log: an open log
 *
 * Where one is damaged the log ends before it, and @log->damaged is set.
 *
 * Return: 0 with @log->commits, -ENOMEM, or what reading says.
 */
int lnkfs_log_scan(struct lnkfs_log *log)
{
	struct scan s = { .at = log->start, .sequence = log->sequence };
	u8 *data = malloc(log->block_size);
	int err = 0;
	u32 type;

	if (!data)
		return -ENOMEM;
	log->commits = 0;
	log->damaged = false;
	/* More blocks than the ring has cannot be: a crafted log ends there. */
	while (log->start && s.seen < log->maxlen - log->first) {
		err = log_block(log, s.at, data);
		if (err)
			break;
		type = block_type(log, data, s.sequence);
		if (!type)
			break;
		scan_block(log, &s, data, type);
	}
	if (!err && log->start)
		look_behind(log, &s, data);
	free(data);
	return err;
}

static bool data_right(const struct lnkfs_log *log, const u8 *data, u32 sequence, u32 sum)
{
	__be32 seq = cpu_to_be32(sequence);
	u32 crc = lnkfs_crc32c(log->seed, &seq, sizeof(seq));

	return lnkfs_crc32c(crc, data, log->block_size) == sum;
}

static int walk_descriptor(struct lnkfs_log *log, const u8 *data, u32 at, u32 sequence,
			   const struct lnkfs_log_ops *ops, void *ctx, u32 *blocks)
{
	u8 *copy = malloc(log->block_size);
	u32 pos = sizeof(struct log_header);
	struct lnkfs_log_entry e;
	struct log_tag tag;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	if (ops->descriptor)
		err = ops->descriptor(ctx, sequence, at);
	for (*blocks = 0; !err && pos;) {
		pos = next_tag(log, data, pos, &tag);
		e.block = (u64)be32_to_cpu(tag.t_blocknr_high) << 32 | be32_to_cpu(tag.t_blocknr);
		e.at = log_after(log, at, ++*blocks);
		e.sequence = sequence;
		e.image = NULL;
		e.escaped = be32_to_cpu(tag.t_flags) & JBD2_FLAG_ESCAPE;
		err = log_block(log, e.at, copy);
		if (err)
			break;
		e.sum = be32_to_cpu(tag.t_checksum);
		e.bad = !data_right(log, copy, sequence, e.sum);
		log->bad_blocks += e.bad;
		if (ops->entry)
			err = ops->entry(ctx, &e);
	}
	free(copy);
	return err;
}

static int walk_revokes(struct lnkfs_log *log, const u8 *data, u32 at, u32 sequence,
			const struct lnkfs_log_ops *ops, void *ctx)
{
	const struct log_revoke_head *r = (const void *)data;
	u32 used = be32_to_cpu(r->r_count), pos;
	struct lnkfs_log_revoke rev = { .sequence = sequence };
	__be32 half[2];
	int err = 0;

	if (used > log->block_size - sizeof(__be32))
		return -EFSCORRUPTED;
	for (pos = sizeof(*r); ops->revoke && !err && pos + sizeof(half) <= used;
	     pos += sizeof(half)) {
		memcpy(half, data + pos, sizeof(half));
		rev.block = (u64)be32_to_cpu(half[0]) << 32 | be32_to_cpu(half[1]);
		err = ops->revoke(ctx, at, &rev);
	}
	return err;
}

static int walk_commit(const u8 *data, u32 at, u32 sequence, const struct lnkfs_log_ops *ops,
		       void *ctx)
{
	const struct log_commit *c = (const void *)data;

	if (!ops->commit)
		return 0;
	return ops->commit(ctx, sequence, at, commit_time(data), be32_to_cpu(c->c_nsec));
}

/**
 * lnkfs_log_walk() - show every complete transaction, oldest first
 * @log: a log that has been scanned
 * @ops: what to call
 * @ctx: its argument
 *
 * Return: 0, -EFSCORRUPTED, -ENOMEM, what reading says, or what a callback
 * returned.
 */
int lnkfs_log_walk(struct lnkfs_log *log, const struct lnkfs_log_ops *ops, void *ctx)
{
	u32 at = log->start, sequence = log->sequence, left = log->commits, blocks;
	u8 *data = malloc(log->block_size);
	int err = 0;

	if (!data)
		return -ENOMEM;
	log->bad_blocks = 0;
	while (left && !err) {
		blocks = 0;
		err = log_block(log, at, data);
		if (err)
			break;
		switch (block_type(log, data, sequence)) {
		case JBD2_DESCRIPTOR_BLOCK:
			err = walk_descriptor(log, data, at, sequence, ops, ctx, &blocks);
			break;
		case JBD2_REVOKE_BLOCK:
			err = walk_revokes(log, data, at, sequence, ops, ctx);
			break;
		case JBD2_COMMIT_BLOCK:
			err = walk_commit(data, at, sequence, ops, ctx);
			sequence++;
			left--;
			break;
		default:
			/* It was there when the log was scanned. */
			err = -EIO;
		}
		at = log_after(log, at, 1 + blocks);
	}
	free(data);
	return err;
}

struct collect {
	struct lnkfs_log *log;
	const struct lnkfs_fs *fs;
	u32 foreign;
};

/* Could the volume have journaled this block? */
static bool may_replay(const struct collect *c, u64 block)
{
	if (block == (u64)LNKFS_SUPER_OFFSET >> c->fs->block_bits)
		return c->log->super;
	return lnkfs_may_journal(c->fs, block);
}

/* Make room for one more element; what it grows is returned, or NULL. */
static void *grow(void *array, u64 nr, u64 *max, size_t size)
{
	void *more;

	if (nr < *max)
		return array;
	more = reallocarray(array, *max ? *max * 2 : 256, size);
	if (more)
		*max = *max ? *max * 2 : 256;
	return more;
}

static int collect_entry(void *ctx, const struct lnkfs_log_entry *e)
{
	struct collect *c = ctx;
	struct lnkfs_log *log = c->log;
	struct lnkfs_log_entry *more;

	if (!may_replay(c, e->block)) {
		c->foreign += e->bad;
		return e->bad ? 0 : -EFSCORRUPTED;
	}
	more = grow(log->entries, log->nr_entries, &log->max_entries, sizeof(*more));
	if (!more)
		return -ENOMEM;
	log->entries = more;
	log->entries[log->nr_entries++] = *e;
	return 0;
}

static int collect_revoke(void *ctx, u32 at, const struct lnkfs_log_revoke *r)
{
	struct lnkfs_log *log = ((const struct collect *)ctx)->log;
	struct lnkfs_log_revoke *more;

	(void)at;
	more = grow(log->revokes, log->nr_revokes, &log->max_revokes, sizeof(*more));
	if (!more)
		return -ENOMEM;
	log->revokes = more;
	log->revokes[log->nr_revokes++] = *r;
	return 0;
}

/* By block, the newest last; sequences wrap around. */
static int by_block(u64 a, u64 b, u32 seq_a, u32 seq_b)
{
	if (a != b)
		return a < b ? -1 : 1;
	return (s32)(seq_a - seq_b) < 0 ? -1 : seq_a != seq_b;
}

static int cmp_entry(const void *pa, const void *pb)
{
	const struct lnkfs_log_entry *a = pa, *b = pb;

	return by_block(a->block, b->block, a->sequence, b->sequence);
}

static int cmp_revoke(const void *pa, const void *pb)
{
	const struct lnkfs_log_revoke *a = pa, *b = pb;

	return by_block(a->block, b->block, a->sequence, b->sequence);
}

/*
 * Is a block, where it belongs, what a damaged copy of it was? jbd2 writes it there long before
 * the log lets go of it.
 */
static int is_home(struct lnkfs_log *log, const struct lnkfs_fs *fs,
		   const struct lnkfs_log_entry *e)
{
	struct lnkfs_volume *v = lnkfs_volume_of((struct lnkfs_fs *)fs);
	u8 *data = malloc(log->block_size);
	int ret;

	if (!data)
		return -ENOMEM;
	ret = !lnkfs_dev_read(&v->dev, e->block * log->block_size, data, log->block_size);
	if (ret && e->escaped)
		memset(data, 0, sizeof(__be32));
	ret = ret && data_right(log, data, e->sequence, e->sum);
	free(data);
	return ret;
}

/*
 * Of the copies of a block from @first to @last on, and behind a revoke, the one to be written,
 * or NULL. Where the newest are damaged it is an older one, and something is lost, unless the
 * block has come home.
 */
static int choose(struct lnkfs_log *log, const struct lnkfs_fs *fs,
		  const struct lnkfs_log_entry *first, const struct lnkfs_log_entry *last,
		  const struct lnkfs_log_entry **chosen)
{
	const struct lnkfs_log_entry *e = last;
	bool home = false;
	int ret;

	for (;;) {
		ret = e->bad ? is_home(log, fs, e) : 0;
		if (ret < 0)
			return ret;
		home = ret;
		if (!e->bad || home || e == first)
			break;
		e--;
	}
	*chosen = e->bad ? NULL : e;
	log->bad_blocks += last->bad && !(home && e == last);
	return 0;
}

/* Keep the newest copy of each block, and that only if no later revoke kills it. */
static int keep_newest(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	const struct lnkfs_log_entry *first, *last, *chosen;
	u64 i, r = 0, kept = 0;
	int err;

	for (i = 0; i < log->nr_entries; i++) {
		first = last = &log->entries[i];
		while (i + 1 < log->nr_entries && log->entries[i + 1].block == first->block)
			last = &log->entries[++i];
		while (r < log->nr_revokes && log->revokes[r].block < first->block)
			r++;
		while (r + 1 < log->nr_revokes && log->revokes[r + 1].block == first->block)
			r++;
		if (r < log->nr_revokes && log->revokes[r].block == first->block)
			while (first <= last && (s32)(log->revokes[r].sequence - first->sequence) >= 0)
				first++;
		if (first > last)
			continue;
		err = choose(log, fs, first, last, &chosen);
		if (err)
			return err;
		if (chosen)
			log->entries[kept++] = *chosen;
	}
	log->nr_entries = kept;
	return 0;
}

/* The first entry at or after a block. */
static u64 find_entry(const struct lnkfs_log *log, u64 block)
{
	u64 low = 0, high = log->nr_entries;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (log->entries[mid].block < block)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The newest copies of blocks are those that fast commits have made. */
static int add_images(struct lnkfs_log *log)
{
	struct lnkfs_log_entry *more;
	u32 i;

	for (i = 0; i < log->nr_images; i++) {
		u64 at = find_entry(log, log->images[i].last.block);

		if (at == log->nr_entries || log->entries[at].block != log->images[i].last.block) {
			more = grow(log->entries, log->nr_entries, &log->max_entries, sizeof(*more));
			if (!more)
				return -ENOMEM;
			log->entries = more;
			memmove(more + at + 1, more + at, (log->nr_entries++ - at) * sizeof(*more));
			more[at] = (struct lnkfs_log_entry){ .block = log->images[i].last.block };
		}
		log->entries[at].sequence = log->fast_tid;
		log->entries[at].image = log->images[i].data;
	}
	return 0;
}

/**
 * lnkfs_log_collect() - find out what replaying writes
 * @log: a log that has been scanned
 * @fs: the volume that it belongs to
 *
 * Blocks with a wrong checksum are left out, and counted in @log->bad_blocks, but for what is
 * not lost with them.
 *
 * Return: 0; -EFSCORRUPTED when the log names a block that the volume cannot
 * have journaled; -ENOMEM, or what reading says.
 */
int lnkfs_log_collect(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	static const struct lnkfs_log_ops ops = {
		.entry = collect_entry,
		.revoke = collect_revoke,
	};
	struct collect c = { .log = log, .fs = fs };
	int err;

	log->nr_entries = 0;
	log->nr_revokes = 0;
	err = lnkfs_log_walk(log, &ops, &c);
	if (err)
		return err;
	if (log->nr_entries)
		qsort(log->entries, log->nr_entries, sizeof(*log->entries), cmp_entry);
	if (log->nr_revokes)
		qsort(log->revokes, log->nr_revokes, sizeof(*log->revokes), cmp_revoke);
	log->bad_blocks = c.foreign;
	err = keep_newest(log, fs);
	if (!err)
		err = lnkfs_log_fast_collect(log, fs);
	return err ? err : add_images(log);
}

/**
 * lnkfs_log_read() - read a block out of the log, as it belongs on the volume
 * @log: log
 * @e: which
 * @data: block size bytes
 */
int lnkfs_log_read(struct lnkfs_log *log, const struct lnkfs_log_entry *e, void *data)
{
	const __be32 magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	int err;

	if (e->image) {
		memcpy(data, e->image, log->block_size);
		return 0;
	}
	err = log_block(log, e->at, data);
	if (!err && e->escaped)
		memcpy(data, &magic, sizeof(magic));
	return err;
}

/**
 * lnkfs_log_patch() - make what was read from the volume what it would be
 *	after the log has been replayed
 * @log: log that has been collected
 * @off: byte of the volume that @buf begins at
 * @buf: what was read
 * @len: bytes
 */
int lnkfs_log_patch(struct lnkfs_log *log, u64 off, void *buf, size_t len)
{
	u64 i = find_entry(log, off / log->block_size);
	u8 *data = NULL;
	int err = 0;

	for (; !err && i < log->nr_entries; i++) {
		u64 begin = log->entries[i].block * log->block_size;
		u64 from = begin > off ? begin : off;
		u64 to = min_t(u64, begin + log->block_size, off + len);

		if (begin >= off + len)
			break;
		if (!data)
			data = malloc(log->block_size);
		if (!data)
			return -ENOMEM;
		err = lnkfs_log_read(log, &log->entries[i], data);
		if (!err)
			memcpy((u8 *)buf + (from - off), data + (from - begin), to - from);
	}
	free(data);
	return err;
}

/**
 * lnkfs_log_replay() - write what the log holds to where it belongs
 * @log: log that has been collected
 * @to: device of the volume
 *
 * Durable when it returns. May be repeated after a failure or a crash.
 */
int lnkfs_log_replay(struct lnkfs_log *log, struct lnkfs_dev *to)
{
	u8 *data = malloc(log->block_size);
	int err = data ? 0 : -ENOMEM;
	u64 i;

	for (i = 0; !err && i < log->nr_entries; i++) {
		err = lnkfs_log_read(log, &log->entries[i], data);
		if (!err)
			err = lnkfs_dev_write(to, log->entries[i].block * log->block_size, data,
					      log->block_size);
	}
	free(data);
	return err ? err : lnkfs_dev_sync(to);
}

/**
 * lnkfs_log_write_head() - write the head of a journal, with its checksum
 * @log: log, its device open for writing
 * @data: the head, a block
 * @offset: byte at which the journal begins
 *
 * Return: 0 or what writing says; durable.
 */
int lnkfs_log_write_head(struct lnkfs_log *log, void *data, u64 offset)
{
	__be32 sum = cpu_to_be32(lnkfs_log_super_checksum(data));
	int err;

	memcpy((u8 *)data + JBD2_CHECKSUM_AT, &sum, sizeof(sum));
	err = lnkfs_dev_write(log->dev, offset, data, log->block_size);
	return err ? err : lnkfs_dev_sync(log->dev);
}

/**
 * lnkfs_log_reset() - make the log empty, after it has been replayed
 * @log: log, its device open for writing
 * @fs: its volume
 */
int lnkfs_log_reset(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	u32 last = log->damaged ? log->newest : log->sequence + log->commits;
	bool before = !log->fast;
	u8 *data = malloc(log->block_size);
	struct jbd2_super *js = (void *)data;
	int err;

	if (!data)
		return -ENOMEM;
	err = log_block(log, 0, data);
	/* As long as the log has not been emptied it says why they do not count. */
	if (!err && before)
		err = lnkfs_log_fast_end(log, fs);
	if (!err) {
		js->s_start = 0;
		/*
		 * What is behind a damaged transaction must not be taken for new ones, nor
		 * fast commits for those of a later one.
		 */
		if (log->fast_there && (s32)(log->fast_tid - last) > 0)
			last = log->fast_tid;
		js->s_sequence = cpu_to_be32(last + 1);
		js->s_errno = 0;
		err = lnkfs_log_write_head(log, data, log->offset);
	}
	if (!err && !before)
		err = lnkfs_log_fast_end(log, fs);
	free(data);
	return err;
}

/**
 * lnkfs_log_resize() - let an empty log have another length, or beginning
 * @log: empty log, its device open for writing
 * @offset: byte at which the journal begins from now on
 * @blocks: its length, head and area for fast commits included
 *
 * Writes the head only, which goes on with the sequence of the log: so what older
 * transactions have left in blocks that stay within the log is never taken for
 * newer ones. Other blocks that come into the log have to be zeroed before.
 *
 * Return: 0, -ENOMEM, or what reading and writing say; durable.
 */
int lnkfs_log_resize(struct lnkfs_log *log, u64 offset, u32 blocks)
{
	u8 *data = malloc(log->block_size);
	struct jbd2_super *js = (void *)data;
	const __be32 none = 0;
	int err;

	if (!data)
		return -ENOMEM;
	err = log_block(log, 0, data);
	if (!err) {
		js->s_maxlen = cpu_to_be32(blocks - log->fast_blocks);
		memcpy(data + JBD2_HEAD_AT, &none, sizeof(none));
		err = lnkfs_log_write_head(log, data, offset);
	}
	free(data);
	return err;
}

/**
 * lnkfs_log_free() - forget what was collected
 * @log: log
 */
void lnkfs_log_free(struct lnkfs_log *log)
{
	lnkfs_log_fast_free(log);
	free(log->entries);
	free(log->revokes);
	log->entries = NULL;
	log->revokes = NULL;
	log->nr_entries = 0;
	log->nr_revokes = 0;
}
