// SPDX-License-Identifier: GPL-2.0
/*
 * Which superblock to believe, when the copies of it disagree.
 */
#include <stdlib.h>

#include "volume.h"

/* What never changes, or is changed in all copies. */
static bool same_volume(const struct lnkfs_super_block *a, const struct lnkfs_super_block *b)
{
	return !memcmp(a->s_meta_uuid, b->s_meta_uuid, sizeof(a->s_meta_uuid)) &&
	       !memcmp(a->s_hash_seed, b->s_hash_seed, sizeof(a->s_hash_seed)) &&
	       a->s_block_bits == b->s_block_bits && a->s_blocks == b->s_blocks &&
	       a->s_root_ino == b->s_root_ino &&
	       !memcmp(a->s_quota_ino, b->s_quota_ino, sizeof(a->s_quota_ino)) &&
	       a->s_journal_start == b->s_journal_start &&
	       a->s_journal_blocks == b->s_journal_blocks &&
	       a->s_feature_incompat == b->s_feature_incompat &&
	       a->s_feature_ro_compat == b->s_feature_ro_compat &&
	       !memcmp(a->s_journal_uuid, b->s_journal_uuid, sizeof(a->s_journal_uuid));
}

/**
 * lnkfs_super_differs() - is a copy another volume's, or out of date?
 * @sb: copy
 * @main: what it is compared with
 */
bool lnkfs_super_differs(const struct lnkfs_super_block *sb, const struct lnkfs_super_block *main)
{
	return !same_volume(sb, main);
}

static void take_over(struct lnkfs_super_block *to, const struct lnkfs_super_block *from)
{
	memcpy(to->s_meta_uuid, from->s_meta_uuid, sizeof(to->s_meta_uuid));
	memcpy(to->s_hash_seed, from->s_hash_seed, sizeof(to->s_hash_seed));
	to->s_block_bits = from->s_block_bits;
	to->s_blocks = from->s_blocks;
	to->s_root_ino = from->s_root_ino;
	memcpy(to->s_quota_ino, from->s_quota_ino, sizeof(to->s_quota_ino));
	to->s_journal_start = from->s_journal_start;
	to->s_journal_blocks = from->s_journal_blocks;
	to->s_feature_incompat = from->s_feature_incompat;
	to->s_feature_ro_compat = from->s_feature_ro_compat;
	memcpy(to->s_journal_uuid, from->s_journal_uuid, sizeof(to->s_journal_uuid));
}

#define MAX_COPIES	40

/**
 * struct ballot - the copies that were found
 * @sb: they
 * @proof: something on the volume agrees with the copy
 * @nr: how many
 */
struct ballot {
	struct lnkfs_super_block sb[MAX_COPIES];
	bool proof[MAX_COPIES];
	u32 nr;
};

/* Is a block that must be there what it would be if @sb were right? */
static bool proven(struct lnkfs_volume *v, const struct lnkfs_super_block *sb)
{
	static const enum lnkfs_btype types[] = { LNKFS_B_GDESC, LNKFS_B_BITMAP, LNKFS_B_IMAP };
	struct lnkfs_fs fs = {};
	bool ok = false;
	u64 block;
	void *data;
	u32 i;

	lnkfs_super_load(&fs, sb);
	data = malloc(fs.block_size);
	for (i = 0; data && i < ARRAY_SIZE(types) && !ok; i++) {
		block = types[i] == LNKFS_B_GDESC ? lnkfs_gdesc_block(&fs, 0) :
			lnkfs_group_map_block(&fs, 0, types[i]);
		ok = !lnkfs_dev_read(&v->dev, block << fs.block_bits, data, fs.block_size) &&
		     !lnkfs_verify_block(&fs, data, types[i], block, 0, 0);
	}
	free(data);
	return ok;
}

static void add(struct lnkfs_volume *v, struct ballot *b, u64 off, u64 block)
{
	struct lnkfs_super_block *sb = &b->sb[b->nr];
	const char *why;

	if (b->nr == MAX_COPIES || off + sizeof(*sb) > v->dev.bytes ||
	    lnkfs_dev_read(&v->dev, off, sb, sizeof(*sb)) ||
	    lnkfs_super_check(sb, block, v->dev.bytes, &why) ||
	    le32_to_cpu(sb->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP ||
	    (block && off != block << sb->s_block_bits))
		return;
	b->proof[b->nr] = proven(v, sb);
	b->nr++;
}

static void collect(struct lnkfs_volume *v, struct ballot *b)
{
	static const u32 groups[] = { 1, 3, 5, 7, 9, 25, 27, 49, 81, 125 };
	u32 bits, i;

	add(v, b, LNKFS_SUPER_OFFSET, 0);
	for (bits = LNKFS_MIN_BLOCK_BITS; bits <= LNKFS_MAX_BLOCK_BITS; bits++) {
		u64 group_blocks = ((1u << bits) - LNKFS_MAP_HEADER) * 8;

		for (i = 0; i < ARRAY_SIZE(groups); i++)
			add(v, b, (groups[i] * group_blocks) << bits, groups[i] * group_blocks);
	}
}

static u32 votes(const struct ballot *b, const struct lnkfs_super_block *sb)
{
	u32 i, n = 0;

	for (i = 0; i < b->nr; i++)
		n += same_volume(&b->sb[i], sb);
	return n;
}

/**
 * lnkfs_super_vote() - let the backups outvote the superblock at hand
 * @v: volume, opened with LNKFS_VOL_NO_GROUPS; nothing is dirty
 *
 * A copy counts when its checksum is right, it makes sense, and the first
 * descriptors or maps of the volume agree with it. What all copies have in
 * common is taken from the majority, the rest stays what it is in @v->sb.
 *
 * Return: 1 when @v->sb has changed, which is not written; 0; -ENOMEM.
 */
int lnkfs_super_vote(struct lnkfs_volume *v)
{
	struct ballot *b = calloc(1, sizeof(*b));
	u32 i, best = 0, have;
	bool proof = proven(v, &v->sb);
	int win = -1, err = 0;

	if (!b)
		return -ENOMEM;
	collect(v, b);
	have = votes(b, &v->sb);
	for (i = 0; i < b->nr; i++) {
		u32 n = votes(b, &b->sb[i]);

		if (b->proof[i] && n > best) {
			best = n;
			win = (int)i;
		}
	}
	if (win >= 0 && !same_volume(&b->sb[win], &v->sb) && (!proof || best > have)) {
		take_over(&v->sb, &b->sb[win]);
		lnkfs_cache_free(v);
		lnkfs_super_load(&v->fs, &v->sb);
		err = lnkfs_cache_init(v, LNKFS_CACHE_MIB);
		if (!err)
			err = 1;
	}
	free(b);
	return err;
}
