// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile fast commits: records that turn a sound volume into a damaged one, changed here and
 * there, their checksums made right again.
 */
#include "hostile.h"
#include "journal.h"

#define RECORDS	64

/**
 * struct hostfast - an area of fast commits being made
 * @v: sound volume
 * @fs: it
 * @mem: the image
 * @tid: transaction of the records
 * @at: where each begins, in blocks of the area
 * @id: which it is
 * @nr: how many
 */
struct hostfast {
	const struct volume *v;
	const struct lnkfs_fs *fs;
	u8 *mem;
	u32 tid;
	u32 at[RECORDS];
	struct lnkfs_fast_id id[RECORDS];
	u32 nr;
};

static u8 *block_at(const struct hostfast *h, u64 block)
{
	return h->mem + (block << h->fs->block_bits);
}

static struct lnkfs_fast_record *record(const struct hostfast *h, u32 n)
{
	return (void *)block_at(h, lnkfs_fast_area(h->fs) + h->at[n]);
}

/* Is the length that a record says still one that it can have? */
static bool sensible(const struct hostfast *h, u32 n)
{
	u32 bytes = le32_to_cpu(record(h, n)->r_bytes);
	u32 room = (h->fs->fast_blocks - h->at[n]) << h->fs->block_bits;

	return bytes > sizeof(struct lnkfs_fast_record) &&
	       bytes <= min_t(u32, room, LNKFS_FAST_RECORD_MAX);
}

static void seal(const struct hostfast *h, u32 n)
{
	struct lnkfs_fast_record *r = record(h, n);
	u32 bytes = le32_to_cpu(r->r_bytes);

	r->r_header.h_checksum = cpu_to_le32(
		lnkfs_crc_around(h->fs->csum_seed, r,
				 offsetof(struct lnkfs_block_header, h_checksum), bytes));
}

static enum lnkfs_btype type_of(const struct hostfast *h, const u8 *data, u64 block)
{
	u32 magic = le32_to_cpu(((const struct lnkfs_block_header *)data)->h_magic);
	enum lnkfs_btype type = lnkfs_type_of_magic(magic);

	if (type != LNKFS_B_TYPES)
		return type;
	return lnkfs_verify_block(h->fs, data, LNKFS_B_INODE, block, LNKFS_ANY_OWNER, 0) ?
	       LNKFS_B_RAW : LNKFS_B_INODE;
}

/* The next difference between the image and another, from a block on. */
static u64 differs(const struct hostfast *h, const struct img *next, u64 block)
{
	const struct lnkfs_fs *fs = h->fs;
	u64 journal = fs->journal_start;

	for (; block < fs->blocks; block++) {
		if (block == journal)
			block += fs->journal_blocks;
		if (block < fs->blocks && block > (u64)LNKFS_SUPER_OFFSET >> fs->block_bits &&
		    memcmp(block_at(h, block), next->mem + (block << fs->block_bits),
			   fs->block_size))
			break;
	}
	return block;
}

/* A record of some of the blocks that differ; returns where to go on. */
static u64 add_record(struct hostfast *h, const struct img *next, u64 block)
{
	static u8 data[LNKFS_FAST_RECORD_MAX], scratch[1 << LNKFS_MAX_BLOCK_BITS];
	u32 at = h->nr ? h->at[h->nr] : 1, most = 1 + chance(8), len;
	const struct lnkfs_fs *fs = h->fs;
	struct lnkfs_fast_writer w;

	lnkfs_fast_begin(&w, fs, data, sizeof(data), scratch);
	for (; block < fs->blocks && w.count < most; block = differs(h, next, block + 1)) {
		const u8 *new = next->mem + (block << fs->block_bits);
		static u8 old[1 << LNKFS_MAX_BLOCK_BITS];
		bool fresh = !chance(4);

		if (fresh)
			memset(old, 0, fs->block_size);
		else
			memcpy(old, block_at(h, block), fs->block_size);
		if (lnkfs_fast_add(&w, block, type_of(h, new, block), fresh, old, new))
			break;
	}
	h->id[h->nr] = (struct lnkfs_fast_id){
		.tid = h->tid,
		.number = h->nr,
		.before = h->nr ? h->id[h->nr - 1].sum : 0,
	};
	len = lnkfs_fast_end(&w, lnkfs_fast_area(fs) + at, &h->id[h->nr]) >> fs->block_bits;
	if (at + len > fs->fast_blocks || h->nr + 1 == RECORDS)
		return fs->blocks;
	memcpy(block_at(h, lnkfs_fast_area(fs) + at), data, (size_t)len << fs->block_bits);
	h->at[h->nr++] = at;
	h->at[h->nr] = at + len;
	return block;
}

/* ---- and what makes them hostile ---- */

static u8 *some_bytes(struct hostfast *h, u32 n, u32 from, u32 len)
{
	u32 bytes = le32_to_cpu(record(h, n)->r_bytes);

	if (!sensible(h, n) || bytes < from + len + 8)
		return NULL;
	return (u8 *)record(h, n) + from + chance((bytes - from - len) / 4) * 4;
}

static void change_bytes(struct hostfast *h, u32 n)
{
	u8 *p = some_bytes(h, n, sizeof(struct lnkfs_fast_record), 4);

	if (p)
		p[chance(4)] = (u8)chance(256);
}

static void change_head(struct hostfast *h, u32 n)
{
	u8 *p = (u8 *)record(h, n) + offsetof(struct lnkfs_fast_record, r_tid) + 4 * chance(4);

	p[chance(4)] = (u8)chance(256);
}

/* The first change of a record is of another block, and anything but what it was. */
static void change_block(struct hostfast *h, u32 n)
{
	struct lnkfs_fast_change *c = (void *)(record(h, n) + 1);
	const struct lnkfs_fs *fs = h->fs;
	u64 blocks[] = {
		0, (u64)LNKFS_SUPER_OFFSET >> fs->block_bits, fs->journal_start, lnkfs_fast_area(fs),
		fs->blocks, ~0ULL, ~0ULL >> fs->block_bits, fs->blocks - 1,
		object_block(&h->v->cat, pick(h->v)), object_block(&h->v->cat, pick(h->v)),
	};

	c->c_block = cpu_to_le64(blocks[chance(ARRAY_SIZE(blocks))]);
	if (chance(2))
		c->c_kind = (u8)chance(4);
	if (chance(2))
		c->c_flags ^= LNKFS_FAST_FRESH;
	if (!chance(4))
		c->c_ranges = cpu_to_le16((u16)chance(65536));
}

static void repeat(struct hostfast *h, u32 n)
{
	u32 other = chance(h->nr);

	memmove(record(h, n), record(h, other), h->fs->block_size);
	record(h, n)->r_number = cpu_to_le32(n);
	record(h, n)->r_header.h_blocknr = cpu_to_le64(lnkfs_fast_area(h->fs) + h->at[n]);
}

static void mark(struct hostfast *h, u32 n)
{
	u64 area = lnkfs_fast_area(h->fs);
	u8 *head = block_at(h, area);

	lnkfs_fast_head_make(h->fs, head, area, chance(4) ? h->tid : n + 1);
	if (!chance(8))
		head[chance(64)] ^= 1;
}

/* Each names the one before it again, from some record on. */
static void chain(struct hostfast *h, u32 n)
{
	for (n = max(n, 1u); n < h->nr && sensible(h, n - 1) && sensible(h, n); n++) {
		record(h, n)->r_before = record(h, n - 1)->r_header.h_checksum;
		seal(h, n);
	}
}

/* What the block must be afterwards is what it will be: the checksum is that of an attacker. */
static void make_fit(struct hostfast *h, u32 n)
{
	static u8 image[1 << LNKFS_MAX_BLOCK_BITS];
	const struct lnkfs_fs *fs = h->fs;
	struct lnkfs_fast_item item;
	enum lnkfs_btype type;
	u32 pos = 0;
	u8 *head;

	while (lnkfs_fast_next(fs, record(h, n), &pos, &item) > 0) {
		head = (u8 *)(uintptr_t)item.bytes - sizeof(struct lnkfs_fast_change);
		memcpy(image, block_at(h, item.block), fs->block_size);
		lnkfs_fast_apply(fs, &item, image);
		lnkfs_fast_finish(fs, &item, image, &type);
		((struct lnkfs_fast_change *)head)->c_checksum = item.kind == LNKFS_FAST_HEADER ?
			((struct lnkfs_block_header *)image)->h_checksum :
			cpu_to_le32(lnkfs_crc32c(fs->csum_seed, image, fs->block_size));
	}
}

/**
 * hostfast_make() - have an image become another by fast commits, more or less
 * @v: sound volume, with an area for them
 * @img: copy of it, with an empty log; gets the records
 * @next: what they lead to
 * @seed: how they are changed
 */
void hostfast_make(const struct volume *v, struct img *img, const struct img *next, u64 seed)
{
	static void (*const ways[])(struct hostfast *h, u32 n) = {
		change_bytes, change_bytes, change_head, change_block, change_block, repeat, mark,
	};
	const struct lnkfs_fs *fs = &v->cat.vol.v.fs;
	struct hostfast h = { .v = v, .fs = fs, .mem = img->mem };
	const struct jbd2_super *js = (const void *)block_at(&h, fs->journal_start);
	u32 nr, n;
	u64 block;

	chance_seed(seed);
	h.tid = be32_to_cpu(js->s_sequence) + chance(2);
	for (block = differs(&h, next, 0); block < fs->blocks;)
		block = add_record(&h, next, block);
	if (!h.nr)
		return;
	/* Some are left as they are: it is the damage that counts then. */
	for (nr = chance(4); nr; nr--) {
		n = chance(h.nr);
		ways[chance(ARRAY_SIZE(ways))](&h, n);
		if (!sensible(&h, n))
			continue;
		if (chance(3))
			make_fit(&h, n);
		if (chance(8))
			seal(&h, n);
		if (chance(4))
			chain(&h, n);
	}
}
