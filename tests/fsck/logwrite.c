// SPDX-License-Identifier: GPL-2.0
/*
 * Writing a journal: one transaction that turns a volume into another one.
 */
#include "journal.h"
#include "logwrite.h"

#define FEATURES	0x13	/* revoke, 64 bit, checksums of version 3 */
#define SEQUENCE	1000

static void put32(u8 *p, u32 v)
{
	__be32 x = cpu_to_be32(v);

	memcpy(p, &x, sizeof(x));
}

/**
 * struct writer - a log being written
 * @mem: the image
 * @fs: its volume
 * @seed: of the checksums
 * @at: next block of the log
 */
struct writer {
	u8 *mem;
	const struct lnkfs_fs *fs;
	u32 seed;
	u32 at;
};

static u8 *log_block(const struct writer *w, u32 n)
{
	return w->mem + ((w->fs->journal_start + n) << w->fs->block_bits);
}

static void head(u8 *data, u32 type)
{
	put32(data, JBD2_MAGIC_NUMBER);
	put32(data + 4, type);
	put32(data + 8, SEQUENCE);
}

static void seal(const struct writer *w, u8 *data, u32 pos)
{
	put32(data + pos, 0);
	put32(data + pos, lnkfs_crc32c(w->seed, data, w->fs->block_size));
}

/* One descriptor and its blocks, as many as fit. */
static u32 descriptor(struct writer *w, const u64 *blocks, u32 nr, const u8 *from)
{
	const u32 bs = w->fs->block_size;
	const __be32 seq = cpu_to_be32(SEQUENCE);
	u32 fit = min(nr, (bs - 12 - 16 - 4) / 16), i, pos = 12;
	u8 *desc = log_block(w, w->at++);

	head(desc, 1);
	for (i = 0; i < fit; i++) {
		u8 *copy = log_block(w, w->at++);

		memcpy(copy, from + blocks[i] * bs, bs);
		put32(desc + pos, (u32)blocks[i]);
		put32(desc + pos + 4, (i ? 2u : 0) | (i + 1 == fit ? 8u : 0));
		put32(desc + pos + 8, (u32)(blocks[i] >> 32));
		put32(desc + pos + 12,
		      lnkfs_crc32c(lnkfs_crc32c(w->seed, &seq, sizeof(seq)), copy, bs));
		pos += i ? 16 : 32;
	}
	seal(w, desc, bs - 4);
	return fit;
}

static void transaction(struct writer *w, const u64 *blocks, u32 nr, const u8 *from)
{
	u32 done = 0;
	u8 *data;

	while (done < nr)
		done += descriptor(w, blocks + done, nr - done, from);
	data = log_block(w, w->at++);
	head(data, 2);
	seal(w, data, 0x10);
}

/* Can a block be in the log? The log itself and superblocks cannot. */
static bool in_log(const struct lnkfs_fs *fs, u64 block)
{
	u32 group = lnkfs_group_of(fs, block);

	if (block >= fs->journal_start && block < fs->journal_start + fs->journal_blocks)
		return false;
	if (block == (u64)LNKFS_SUPER_OFFSET >> fs->block_bits)
		return false;
	return !lnkfs_group_has_super(group) || block != lnkfs_group_first(fs, group);
}

/**
 * log_write() - make the log of a volume lead to another state of it
 * @path: image of the volume
 * @next: what replaying it is to give, its extents known
 */
void log_write(const char *path, const struct img *next)
{
	struct lnkfs_volume v = { .quiet = true };
	struct writer w = { .fs = &v.fs, .at = 1 };
	u32 nr = 0, bs, i;
	const char *why;
	struct img img;
	u64 *blocks, at;
	u8 *js;

	if (lnkfs_volume_open(&v, path, LNKFS_VOL_NO_GROUPS, &why))
		die("no volume");
	img_open(&img, path, true);
	w.mem = img.mem;
	bs = v.fs.block_size;
	blocks = calloc(v.fs.blocks, sizeof(*blocks));
	if (!blocks)
		die("no memory");
	for (i = 0; i < next->nr_ext; i++)
		for (at = next->ext[i].at; at < next->ext[i].at + next->ext[i].len; at += bs)
			if (in_log(&v.fs, at / bs) && memcmp(img.mem + at, next->mem + at, bs))
				blocks[nr++] = at / bs;
	js = log_block(&w, 0);
	w.seed = lnkfs_crc32c(~0u, js + 0x30, 16);
	transaction(&w, blocks, nr, next->mem);
	put32(js + 0x18, SEQUENCE);
	put32(js + 0x1c, 1);
	put32(js + 0x28, FEATURES);
	put32(js + 0xfc, 0);
	put32(js + 0xfc, lnkfs_crc32c(~0u, js, 1024));
	free(blocks);
	img_close(&img);
	lnkfs_volume_close(&v);
}
