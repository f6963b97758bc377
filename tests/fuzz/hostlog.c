// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile logs: a log that can be replayed (tests/fsck/logwrite.c) is changed here and
 * there, and its checksums are made right again.
 */
#include "hostile.h"
#include "journal.h"

#define TAG		16	/* bytes of a tag; the first of a descriptor has a UUID, too */
#define SEQUENCE	1000
#define MAX_LOG		600	/* blocks at its start that are looked at */

enum { DESCRIPTOR = 1, COMMIT = 2, REVOKE = 5 };

/**
 * struct hostlog - a log being changed
 * @v: its volume
 * @mem: first block of the journal
 * @bs: block size
 * @seed: of the checksums
 * @blocks: blocks of the log that are looked at
 * @ring: all that it has, but its superblock
 */
struct hostlog {
	const struct volume *v;
	u8 *mem;
	u32 bs;
	u32 seed;
	u32 blocks;
	u32 ring;
};

static u32 get32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static void put32(u8 *p, u64 value)
{
	__be32 x = cpu_to_be32((u32)value);

	memcpy(p, &x, sizeof(x));
}

static u8 *block_at(const struct hostlog *l, u32 n)
{
	return l->mem + (size_t)n * l->bs;
}

static u64 hostile_block(const struct hostlog *l)
{
	const struct lnkfs_fs *fs = &l->v->cat.vol.v.fs;

	switch (chance(8)) {
	case 0:
		return 0;
	case 1:
		return (u64)LNKFS_SUPER_OFFSET >> fs->block_bits;
	case 2:
		return fs->journal_start + chance(fs->journal_blocks);
	case 3:
		return fs->blocks - 1 + chance(3);
	case 4:
		return chance64();
	case 5:
		return ~0ULL - chance(3);
	default:
		return object_block(&l->v->cat, pick(l->v));
	}
}

static void seal(const struct hostlog *l, u8 *data)
{
	u32 pos = get32(data + 4) == COMMIT ? 0x10 : l->bs - 4;

	put32(data + pos, 0);
	put32(data + pos, lnkfs_crc32c(l->seed, data, l->bs));
}

/* The n-th block of the log that is of a kind, or NULL. */
static u8 *block_of_kind(const struct hostlog *l, u32 type)
{
	u32 from = 1 + chance(l->blocks), i;

	for (i = 0; i < l->blocks; i++) {
		u8 *data = block_at(l, 1 + (from + i) % l->blocks);

		if (get32(data) == JBD2_MAGIC_NUMBER && get32(data + 4) == type)
			return data;
	}
	return NULL;
}

static void change_tag(struct hostlog *l)
{
	u8 *data = block_of_kind(l, DESCRIPTOR), *tag;
	u32 n = chance(8);
	u64 block = hostile_block(l);

	if (!data)
		return;
	tag = data + 12 + (n ? 16 + n * TAG : 0);
	switch (chance(4)) {
	case 0:
		put32(tag + 4, chance(2) ? chance(16) : chance64());
		break;
	case 1:
		put32(tag + 12, chance64());
		break;
	default:
		put32(tag, block);
		put32(tag + 8, block >> 32);
	}
	seal(l, data);
}

static void make_revoke(struct hostlog *l)
{
	u8 *data = chance(2) ? block_of_kind(l, DESCRIPTOR) : block_of_kind(l, COMMIT);
	u32 nr = chance(30), i;

	if (!data)
		return;
	put32(data + 4, REVOKE);
	put32(data + 12, chance(3) ? 16 + 8 * nr : chance64());
	for (i = 0; i < nr; i++) {
		u64 block = hostile_block(l);

		put32(data + 16 + 8 * i, block >> 32);
		put32(data + 20 + 8 * i, block);
	}
	seal(l, data);
}

/* One more transaction behind the first: what is in the log follows itself. */
static void repeat(struct hostlog *l)
{
	u8 *commit = block_of_kind(l, COMMIT), *end = block_at(l, 1 + l->blocks);
	u32 at, i;

	if (!commit)
		return;
	at = (u32)((commit - l->mem) / l->bs) + 1;
	for (i = 1; i < at && block_at(l, at + i) <= end; i++) {
		u8 *copy = block_at(l, at + i - 1);

		memcpy(copy, block_at(l, i), l->bs);
		if (get32(copy) != JBD2_MAGIC_NUMBER)
			continue;
		put32(copy + 8, SEQUENCE + 1);
		seal(l, copy);
	}
}

static void change_head(struct hostlog *l)
{
	u8 *data = block_of_kind(l, chance(2) ? COMMIT : DESCRIPTOR);

	if (!data)
		return;
	if (chance(2))
		put32(data + 4, chance(8));
	else
		put32(data + 8, SEQUENCE + chance(5) - 2);
	if (chance(4))
		seal(l, data);
}

/* The journal's superblock. */
static void change_super(struct hostlog *l)
{
	static const struct { u16 at; u16 usual; } fields[] = {
		{ 0x0c, 4096 }, { 0x10, 9000 }, { 0x14, 50 }, { 0x18, 2000 }, { 0x1c, 50 },
		{ 0x20, 200 }, { 0x24, 4 }, { 0x28, 64 }, { 0x2c, 4 }, { 0x40, 100 },
		{ 0x54, 9000 }, { 0x58, 9000 },
	};
	u32 n = chance(ARRAY_SIZE(fields));

	put32(l->mem + fields[n].at, chance(3) ? chance(fields[n].usual) : chance64());
}

static void change_byte(struct hostlog *l)
{
	u8 *data = block_of_kind(l, DESCRIPTOR);

	if (!data)
		return;
	data[chance(l->bs)] = (u8)chance(256);
	seal(l, data);
}

/* The log begins anywhere, and goes on at its first block where it ends. */
static void begin_late(struct hostlog *l)
{
	u32 ring = l->ring, start = chance(3) ? ring - chance(l->blocks) : 1 + chance(ring), i;
	size_t len = (size_t)l->blocks * l->bs;
	u8 *copy = malloc(len);

	if (!copy)
		die("no memory");
	memcpy(copy, block_at(l, 1), len);
	for (i = 0; i < l->blocks; i++)
		memcpy(block_at(l, 1 + (start - 1 + i) % ring), copy + (size_t)i * l->bs, l->bs);
	free(copy);
	put32(l->mem + 0x1c, start);
}

/* All of the log is one transaction, which nothing ends. */
static void endless(struct hostlog *l)
{
	u8 *data = block_of_kind(l, DESCRIPTOR);
	u32 i;

	if (!data)
		return;
	if (chance(2)) {
		put32(data + 4, REVOKE);
		put32(data + 12, 16);
	} else if (chance(2)) {
		/* Its first tag is its last. */
		put32(data + 16, 8);
	}
	put32(data + 8, SEQUENCE);
	seal(l, data);
	for (i = 1; i <= l->ring; i++)
		if (block_at(l, i) != data)
			memcpy(block_at(l, i), data, l->bs);
}

/**
 * hostlog_make() - change the log of an image
 * @v: sound volume that the image comes from
 * @img: image whose log log_write() has written
 * @seed: how it is changed
 */
void hostlog_make(const struct volume *v, struct img *img, u64 seed)
{
	static void (*const ways[])(struct hostlog *l) = {
		change_tag, change_tag, make_revoke, repeat, change_head, change_super,
		change_super, change_byte, begin_late, endless,
	};
	const struct lnkfs_fs *fs = &v->cat.vol.v.fs;
	struct hostlog l = {
		.v = v,
		.mem = img->mem + (fs->journal_start << fs->block_bits),
		.bs = fs->block_size,
		.blocks = min(fs->journal_blocks - 2, (u32)MAX_LOG),
		.ring = fs->journal_blocks - 1,
	};
	u32 nr;

	chance_seed(seed);
	l.seed = lnkfs_crc32c(~0u, l.mem + 0x30, 16);
	/* Some are left as they are: it is the damage that counts then. */
	for (nr = chance(4); nr; nr--)
		ways[chance(ARRAY_SIZE(ways))](&l);
	if (!chance(16))
		return;
	put32(l.mem + 0xfc, 0);
	put32(l.mem + 0xfc, lnkfs_crc32c(~0u, l.mem, 1024));
}
