// SPDX-License-Identifier: GPL-2.0
/*
 * Records of fast commits: what changed in blocks since a moment before, word by word, to be
 * applied to blocks that are as they were at that moment. Who makes them, and when they
 * count, is the host's business.
 */
#include "core.h"

#define WORD	sizeof(u64)

/**
 * lnkfs_in_journal() - is a block one of the journal's?
 * @fs: volume; an external journal has none on it
 * @block: any number
 */
bool lnkfs_in_journal(const struct lnkfs_fs *fs, u64 block)
{
	return block >= fs->journal_start && block - fs->journal_start < fs->journal_blocks;
}

/**
 * lnkfs_may_journal() - can an operation on the volume change a block by way of the journal?
 * @fs: volume
 * @block: any number
 *
 * Not the superblock, and nothing of the journal itself.
 */
bool lnkfs_may_journal(const struct lnkfs_fs *fs, u64 block)
{
	return block < fs->blocks && block != (u64)LNKFS_SUPER_OFFSET >> fs->block_bits &&
	       !lnkfs_in_journal(fs, block);
}

/**
 * lnkfs_fast_area() - the first block of the area, its head
 * @fs: volume with room for fast commits
 */
u64 lnkfs_fast_area(const struct lnkfs_fs *fs)
{
	return fs->journal_start + fs->journal_blocks - fs->fast_blocks;
}

/**
 * lnkfs_fast_due() - do the records of a transaction count?
 * @tid: the transaction
 * @first: the oldest that the log holds
 * @next: the first that it does not hold whole; @first and @next of an empty log are what it
 *	goes on with
 * @empty: it is empty
 * @marked: the head of the area says that they are being applied
 *
 * In an empty log either nothing has been committed since it was flushed, or the volume was
 * mounted then: jbd2 begins with the number behind the one that it has found.
 *
 * Records that are being applied count until the head says something else: mounts that come to
 * nothing move the numbers on. Not if the log has their transaction, which has committed after
 * all, or is the one that applies them.
 *
 * Return: 1; 0; -EFSCORRUPTED when the log ends before that: a record is written when all
 * transactions before its own are durable, so it has been damaged since.
 */
int lnkfs_fast_due(u32 tid, u32 first, u32 next, bool empty, bool marked)
{
	s32 ahead = (s32)(tid - next);

	if (ahead > (empty ? 1 : 0))
		return -EFSCORRUPTED;
	if (!marked)
		return ahead >= 0;
	return empty || !ahead || (s32)(tid - first) < 0;
}

/* The kind of a block on disk. */
static u8 kind_of(enum lnkfs_btype type)
{
	if (type == LNKFS_B_INODE)
		return LNKFS_FAST_INODES;
	return type == LNKFS_B_RAW ? LNKFS_FAST_RAW : LNKFS_FAST_HEADER;
}

/**
 * lnkfs_fast_begin() - begin a record
 * @w: set up
 * @fs: volume
 * @data: room for the record
 * @room: bytes of it
 * @scratch: room for a block
 */
void lnkfs_fast_begin(struct lnkfs_fast_writer *w, const struct lnkfs_fs *fs, u8 *data,
		      u32 room, u8 *scratch)
{
	w->fs = fs;
	w->data = data;
	w->room = room;
	w->used = sizeof(struct lnkfs_fast_record);
	w->count = 0;
	w->scratch = scratch;
}

static u64 word_at(const void *data, u32 at)
{
	return *(const u64 *)((const u8 *)data + at);
}

/* Four words at once: most of a block is as it was. */
static bool four_same(const void *old, const void *new, u32 at)
{
	return !((word_at(old, at) ^ word_at(new, at)) |
		 (word_at(old, at + WORD) ^ word_at(new, at + WORD)) |
		 (word_at(old, at + 2 * WORD) ^ word_at(new, at + 2 * WORD)) |
		 (word_at(old, at + 3 * WORD) ^ word_at(new, at + 3 * WORD)));
}

/* The end of a run of words from @at on, which are all different, or all the same. */
static u32 run_end(const void *old, const void *new, u32 at, u32 size, bool different)
{
	if (!different)
		while (at + 4 * WORD <= size && four_same(old, new, at))
			at += 4 * WORD;
	while (at < size && (word_at(old, at) != word_at(new, at)) == different)
		at += WORD;
	return at;
}

/* Behind what is used at @at: what differs, in ranges. Returns the end, 0: no room. */
static u32 add_ranges(struct lnkfs_fast_writer *w, u32 at, const void *old, const void *new,
		      u16 *ranges)
{
	u32 size = w->fs->block_size, from, to;
	struct lnkfs_fast_range range;

	for (to = 0, *ranges = 0;;) {
		from = run_end(old, new, to, size, false);
		if (from == size)
			return at;
		/* The first is not looked at again: a commit may have sealed the block since. */
		to = run_end(old, new, from + WORD, size, true);
		if (at + sizeof(range) + (to - from) > w->room)
			return 0;
		range.g_offset = cpu_to_le16((u16)from);
		range.g_bytes = cpu_to_le16((u16)(to - from));
		memcpy(w->data + at, &range, sizeof(range));
		memcpy(w->data + at + sizeof(range), (const u8 *)new + from, to - from);
		at += (u32)sizeof(range) + to - from;
		(*ranges)++;
	}
}

static void apply_ranges(void *image, const u8 *from, u32 ranges)
{
	struct lnkfs_fast_range range;

	for (; ranges; ranges--) {
		memcpy(&range, from, sizeof(range));
		from += sizeof(range);
		memcpy((u8 *)image + le16_to_cpu(range.g_offset), from, le16_to_cpu(range.g_bytes));
		from += le16_to_cpu(range.g_bytes);
	}
}

/* What a header's checksum should be: it covers all of the block. */
static u32 header_crc(const struct lnkfs_fs *fs, const void *data, u32 bytes)
{
	return lnkfs_crc_around(fs->csum_seed, data,
				offsetof(struct lnkfs_block_header, h_checksum), bytes);
}

/* What a record says of a block that is complete, but for its checksums. */
static u32 block_sum(const struct lnkfs_fast_writer *w, const void *data, enum lnkfs_btype type,
		     u64 block)
{
	const struct lnkfs_fs *fs = w->fs;

	if (kind_of(type) == LNKFS_FAST_HEADER)
		return header_crc(fs, data, fs->block_size);
	if (type == LNKFS_B_INODE) {
		memcpy(w->scratch, data, fs->block_size);
		lnkfs_seal_block(fs, w->scratch, type, block);
		data = w->scratch;
	}
	return lnkfs_crc32c(fs->csum_seed, data, fs->block_size);
}

/**
 * lnkfs_fast_add() - add what has changed in a block
 * @w: record
 * @block: the block
 * @type: what it is
 * @fresh: @old is all zeroes, and whoever applies the change has to begin with that
 * @old: as it was; becomes what it is
 * @new: as it is
 *
 * A block that has not changed is left out, unless it is fresh.
 *
 * Return: 0, or -E2BIG with record and @old as they were.
 */
int lnkfs_fast_add(struct lnkfs_fast_writer *w, u64 block, enum lnkfs_btype type, bool fresh,
		   void *old, const void *new)
{
	struct lnkfs_fast_change c = {
		.c_block = cpu_to_le64(block),
		.c_kind = kind_of(type),
		.c_flags = fresh ? LNKFS_FAST_FRESH : 0,
	};
	u16 ranges;
	u32 end;

	if (w->used + sizeof(c) > w->room)
		return -E2BIG;
	end = add_ranges(w, w->used + (u32)sizeof(c), old, new, &ranges);
	if (!end)
		return -E2BIG;
	if (!fresh && !ranges)
		return 0;
	apply_ranges(old, w->data + w->used + sizeof(c), ranges);
	c.c_checksum = cpu_to_le32(block_sum(w, new, type, block));
	c.c_ranges = cpu_to_le16(ranges);
	memcpy(w->data + w->used, &c, sizeof(c));
	w->used = end;
	w->count++;
	return 0;
}

static void make_header(const struct lnkfs_fs *fs, struct lnkfs_block_header *h, u32 magic,
			u64 block)
{
	memset(h, 0, sizeof(*h));
	h->h_magic = cpu_to_le32(magic);
	h->h_blocknr = cpu_to_le64(block);
	h->h_fsid = cpu_to_le64(fs->fsid);
}

static bool header_right(const struct lnkfs_fs *fs, const struct lnkfs_block_header *h, u32 magic,
			 u64 block)
{
	return le32_to_cpu(h->h_magic) == magic && le64_to_cpu(h->h_blocknr) == block &&
	       le64_to_cpu(h->h_fsid) == fs->fsid;
}

/**
 * lnkfs_fast_end() - end a record
 * @w: record
 * @block: the first of the blocks that it is going to
 * @id: which it is; its checksum is set
 *
 * Return: its length in bytes, a multiple of the block size.
 */
u32 lnkfs_fast_end(struct lnkfs_fast_writer *w, u64 block, struct lnkfs_fast_id *id)
{
	struct lnkfs_fast_record *r = (void *)w->data;
	u32 size = w->fs->block_size, bytes = (w->used + size - 1) / size * size;

	make_header(w->fs, &r->r_header, LNKFS_MAGIC_FAST, block);
	r->r_tid = cpu_to_le32(id->tid);
	r->r_number = cpu_to_le32(id->number);
	r->r_bytes = cpu_to_le32(w->used);
	r->r_count = cpu_to_le32(w->count);
	r->r_before = cpu_to_le32(id->before);
	r->r_pad = 0;
	id->sum = header_crc(w->fs, r, w->used);
	r->r_header.h_checksum = cpu_to_le32(id->sum);
	memset(w->data + w->used, 0, bytes - w->used);
	return bytes;
}

/**
 * lnkfs_fast_blocks() - how many blocks does what may be a record say that it takes?
 * @fs: volume
 * @data: its first block
 * @max: those that there are, at least 1
 *
 * Return: 1 to @max.
 */
u32 lnkfs_fast_blocks(const struct lnkfs_fs *fs, const void *data, u32 max)
{
	const struct lnkfs_fast_record *r = data;
	u32 bytes = min_t(u32, le32_to_cpu(r->r_bytes), LNKFS_FAST_RECORD_MAX);
	u32 blocks = (bytes + fs->block_size - 1) >> fs->block_bits;

	if (le32_to_cpu(r->r_header.h_magic) != LNKFS_MAGIC_FAST || !blocks)
		return 1;
	return min(blocks, max);
}

/**
 * lnkfs_fast_check() - is there a record?
 * @fs: volume
 * @data: what was read, at least a block
 * @room: bytes of it
 * @block: where that is
 * @id: set to which it is
 *
 * Return: its length in bytes, a multiple of the block size; 0 when there is none, or not
 * all of it in @data.
 */
u32 lnkfs_fast_check(const struct lnkfs_fs *fs, const void *data, u32 room, u64 block,
		     struct lnkfs_fast_id *id)
{
	const struct lnkfs_fast_record *r = data;
	u32 bytes = le32_to_cpu(r->r_bytes), size = fs->block_size;

	if (!header_right(fs, &r->r_header, LNKFS_MAGIC_FAST, block) || bytes < sizeof(*r) ||
	    bytes > min_t(u32, room, LNKFS_FAST_RECORD_MAX) ||
	    le32_to_cpu(r->r_header.h_checksum) != header_crc(fs, data, bytes))
		return 0;
	id->tid = le32_to_cpu(r->r_tid);
	id->number = le32_to_cpu(r->r_number);
	id->before = le32_to_cpu(r->r_before);
	id->sum = le32_to_cpu(r->r_header.h_checksum);
	return (bytes + size - 1) / size * size;
}

/**
 * lnkfs_fast_follows() - is a record the next one?
 * @id: which it is
 * @last: the one before it; NULL: is it the first of its transaction?
 *
 * What it changes is what that one has left: another one of the same number, of a volume that
 * has been brought back to what it was, will not do.
 */
bool lnkfs_fast_follows(const struct lnkfs_fast_id *id, const struct lnkfs_fast_id *last)
{
	if (!last)
		return !id->number && !id->before;
	return id->tid == last->tid && id->number == last->number + 1 && id->before == last->sum;
}

/* The end of the ranges that begin at @pos of a record, 0 if they make no sense. */
static u32 ranges_end(const struct lnkfs_fs *fs, const u8 *data, u32 pos, u32 end, u32 ranges)
{
	struct lnkfs_fast_range range;
	u32 last = 0, offset, bytes;

	for (; ranges; ranges--) {
		if (end - pos < sizeof(range))
			return 0;
		memcpy(&range, data + pos, sizeof(range));
		pos += (u32)sizeof(range);
		offset = le16_to_cpu(range.g_offset);
		bytes = le16_to_cpu(range.g_bytes);
		if (!bytes || (offset | bytes) % WORD || offset < last ||
		    offset + bytes > fs->block_size || bytes > end - pos)
			return 0;
		last = offset + bytes;
		pos += bytes;
	}
	return pos;
}

/**
 * lnkfs_fast_next() - the next change of a record
 * @fs: volume
 * @data: a record that lnkfs_fast_check() knows
 * @pos: 0 at first
 * @item: set to it
 *
 * Return: 1, 0 at the end, -EFSCORRUPTED.
 */
int lnkfs_fast_next(const struct lnkfs_fs *fs, const void *data, u32 *pos,
		    struct lnkfs_fast_item *item)
{
	const struct lnkfs_fast_record *r = data;
	u32 end = le32_to_cpu(r->r_bytes), after;
	struct lnkfs_fast_change c;

	if (!*pos)
		*pos = sizeof(*r);
	if (*pos == end)
		return 0;
	if (end - *pos < sizeof(c))
		return -EFSCORRUPTED;
	memcpy(&c, (const u8 *)data + *pos, sizeof(c));
	*pos += (u32)sizeof(c);
	item->block = le64_to_cpu(c.c_block);
	item->checksum = le32_to_cpu(c.c_checksum);
	item->ranges = le16_to_cpu(c.c_ranges);
	item->kind = c.c_kind;
	item->fresh = c.c_flags & LNKFS_FAST_FRESH;
	item->bytes = (const u8 *)data + *pos;
	after = ranges_end(fs, data, *pos, end, item->ranges);
	if (!after || item->kind > LNKFS_FAST_RAW || !lnkfs_may_journal(fs, item->block))
		return -EFSCORRUPTED;
	*pos = after;
	return 1;
}

/* What kind of block an image is; LNKFS_B_TYPES: none. */
static enum lnkfs_btype type_of(const struct lnkfs_fs *fs, u32 kind, const void *image, u64 block)
{
	const struct lnkfs_block_header *h = image;
	u32 magic = le32_to_cpu(h->h_magic);

	if (kind == LNKFS_FAST_INODES)
		return LNKFS_B_INODE;
	if (kind == LNKFS_FAST_RAW)
		return LNKFS_B_RAW;
	return header_right(fs, h, magic, block) ? lnkfs_type_of_magic(magic) : LNKFS_B_TYPES;
}

/**
 * lnkfs_fast_apply() - change a block as a record says
 * @fs: volume
 * @item: what lnkfs_fast_next() said
 * @image: the block as it was, or as it became when this was done before
 *
 * Only after the last change of a block it is what it has to be (lnkfs_fast_finish()).
 */
void lnkfs_fast_apply(const struct lnkfs_fs *fs, const struct lnkfs_fast_item *item, void *image)
{
	if (item->fresh)
		memset(image, 0, fs->block_size);
	apply_ranges(image, item->bytes, item->ranges);
}

/**
 * lnkfs_fast_finish() - all changes of a block have been applied
 * @fs: volume
 * @last: the last one
 * @image: the block; sealed
 * @type: set to what it is now
 *
 * Return: 0, -EFSCORRUPTED, or -EFSBADCRC when it has not become what it was to become.
 */
int lnkfs_fast_finish(const struct lnkfs_fs *fs, const struct lnkfs_fast_item *last, void *image,
		      enum lnkfs_btype *type)
{
	u32 sum;

	*type = type_of(fs, last->kind, image, last->block);
	if (*type == LNKFS_B_TYPES)
		return -EFSCORRUPTED;
	lnkfs_seal_block(fs, image, *type, last->block);
	if (last->kind == LNKFS_FAST_HEADER)
		sum = header_crc(fs, image, fs->block_size);
	else
		sum = lnkfs_crc32c(fs->csum_seed, image, fs->block_size);
	return sum == last->checksum ? 0 : -EFSBADCRC;
}

/**
 * lnkfs_fast_head_make() - make the head of the area for fast commits
 * @fs: volume
 * @data: a block, overwritten
 * @block: where it is going
 * @replay: transaction whose records are being applied, 0: none
 */
void lnkfs_fast_head_make(const struct lnkfs_fs *fs, void *data, u64 block, u32 replay)
{
	struct lnkfs_fast_head *f = data;

	memset(data, 0, fs->block_size);
	make_header(fs, &f->f_header, LNKFS_MAGIC_FAST_HEAD, block);
	f->f_replay = cpu_to_le32(replay);
	f->f_header.h_checksum = cpu_to_le32(header_crc(fs, data, fs->block_size));
}

/**
 * lnkfs_fast_head_read() - the transaction whose records are being applied
 * @fs: volume
 * @data: first block of the area
 * @block: where it is
 * @replay: set to it; 0 when there is none, as when nobody has ever written the head
 *
 * Return: 0, or -EFSCORRUPTED: nobody knows.
 */
int lnkfs_fast_head_read(const struct lnkfs_fs *fs, const void *data, u64 block, u32 *replay)
{
	const struct lnkfs_fast_head *f = data;

	*replay = 0;
	if (!memchr_inv(data, 0, fs->block_size))
		return 0;
	if (!header_right(fs, &f->f_header, LNKFS_MAGIC_FAST_HEAD, block) ||
	    le32_to_cpu(f->f_header.h_checksum) != header_crc(fs, data, fs->block_size))
		return -EFSCORRUPTED;
	*replay = le32_to_cpu(f->f_replay);
	return 0;
}
