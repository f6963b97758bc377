// SPDX-License-Identifier: GPL-2.0
/*
 * Which superblock to believe, when the copies of it disagree.
 */
#include <stdlib.h>

#include "journal.h"
#include "log.h"
#include "volume.h"

/**
 * lnkfs_super_same() - do two superblocks agree in what all copies have in common?
 * @a: one
 * @b: the other
 *
 * That is what never changes, or is changed in all copies.
 */
bool lnkfs_super_same(const struct lnkfs_super_block *a, const struct lnkfs_super_block *b)
{
	return !memcmp(a->s_meta_uuid, b->s_meta_uuid, sizeof(a->s_meta_uuid)) &&
	       !memcmp(a->s_hash_seed, b->s_hash_seed, sizeof(a->s_hash_seed)) &&
	       a->s_block_bits == b->s_block_bits && a->s_blocks == b->s_blocks &&
	       a->s_root_ino == b->s_root_ino &&
	       !memcmp(a->s_quota_ino, b->s_quota_ino, sizeof(a->s_quota_ino)) &&
	       a->s_journal_start == b->s_journal_start &&
	       a->s_journal_blocks == b->s_journal_blocks && a->s_fc_blocks == b->s_fc_blocks &&
	       a->s_feature_incompat == b->s_feature_incompat &&
	       a->s_feature_ro_compat == b->s_feature_ro_compat &&
	       !memcmp(a->s_journal_uuid, b->s_journal_uuid, sizeof(a->s_journal_uuid));
}

static void take_journal(struct lnkfs_super_block *to, const struct lnkfs_super_block *from)
{
	const __le32 ext = cpu_to_le32(LNKFS_INCOMPAT_EXT_JOURNAL | LNKFS_INCOMPAT_FAST_COMMIT);

	to->s_feature_incompat &= ~ext;
	to->s_feature_incompat |= from->s_feature_incompat & ext;
	to->s_journal_start = from->s_journal_start;
	to->s_journal_blocks = from->s_journal_blocks;
	to->s_fc_blocks = from->s_fc_blocks;
	memcpy(to->s_journal_uuid, from->s_journal_uuid, sizeof(to->s_journal_uuid));
}

static void take_over(struct lnkfs_super_block *to, const struct lnkfs_super_block *from)
{
	memcpy(to->s_meta_uuid, from->s_meta_uuid, sizeof(to->s_meta_uuid));
	memcpy(to->s_hash_seed, from->s_hash_seed, sizeof(to->s_hash_seed));
	to->s_block_bits = from->s_block_bits;
	to->s_blocks = from->s_blocks;
	to->s_root_ino = from->s_root_ino;
	memcpy(to->s_quota_ino, from->s_quota_ino, sizeof(to->s_quota_ino));
	to->s_feature_incompat = from->s_feature_incompat;
	to->s_feature_ro_compat = from->s_feature_ro_compat;
	take_journal(to, from);
}

static bool unknown_features(const struct lnkfs_super_block *sb)
{
	return le32_to_cpu(sb->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP;
}

#define MAX_COPIES	40

/**
 * struct ballot - the copies that were found
 * @sb: they
 * @proof: something on the volume agrees with the copy
 * @nr: how many
 * @end: byte at which the volume ends; 0: not known
 */
struct ballot {
	struct lnkfs_super_block sb[MAX_COPIES];
	bool proof[MAX_COPIES];
	u32 nr;
	u64 end;
};

/**
 * lnkfs_super_proven() - does anything on the volume agree with a superblock?
 * @v: volume; its device is open
 * @sb: superblock that lnkfs_super_check() found good
 *
 * Looks at the first descriptors and maps, which stand where no file of any volume
 * can have a block: whoever can write files only cannot prove a superblock that he
 * has written into one.
 */
bool lnkfs_super_proven(struct lnkfs_volume *v, const struct lnkfs_super_block *sb)
{
	static const enum lnkfs_btype types[] = { LNKFS_B_GDESC, LNKFS_B_BITMAP, LNKFS_B_IMAP };
	struct lnkfs_fs fs = {};
	bool ok = false;
	u64 block;
	void *data;
	u32 i;

	/* Of those nothing but the checksum has been looked at. */
	if (unknown_features(sb))
		return false;

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
	    unknown_features(sb) ||
	    (block && off != block << sb->s_block_bits))
		return;
	/* Left behind by a volume that was made smaller. */
	if (b->end && off >= b->end)
		return;
	b->proof[b->nr] = lnkfs_super_proven(v, sb);
	b->nr++;
}

static void collect(struct lnkfs_volume *v, struct ballot *b)
{
	static const u32 groups[] = { 1, 3, 5, 7, 9, 25, 27, 49, 81, 125 };
	u32 bits, i;

	add(v, b, LNKFS_SUPER_OFFSET, 0);
	for (bits = LNKFS_MIN_BLOCK_BITS; bits <= LNKFS_MAX_BLOCK_BITS; bits++) {
		u64 group_blocks = lnkfs_group_blocks(bits);

		for (i = 0; i < ARRAY_SIZE(groups); i++)
			add(v, b, (groups[i] * group_blocks) << bits, groups[i] * group_blocks);
	}
}

static u32 votes(const struct ballot *b, const struct lnkfs_super_block *sb)
{
	u32 i, n = 0;

	for (i = 0; i < b->nr; i++)
		n += lnkfs_super_same(&b->sb[i], sb);
	return n;
}

/* Does the volume's journal begin where a superblock says? */
static bool journal_there(struct lnkfs_volume *v, const struct lnkfs_super_block *sb)
{
	u64 at = le64_to_cpu(sb->s_journal_start) << sb->s_block_bits;
	u32 blocks = le32_to_cpu(sb->s_journal_blocks) - le32_to_cpu(sb->s_fc_blocks);
	struct jbd2_super js;
	struct lnkfs_log log;
	const char *why;

	return !lnkfs_dev_read(&v->dev, at, &js, sizeof(js)) &&
	       !lnkfs_log_open(&log, &v->dev, at, blocks, 1u << sb->s_block_bits, &why) &&
	       log.maxlen == blocks && js.s_nr_users == cpu_to_be32(1) &&
	       !memcmp(js.s_users, sb->s_meta_uuid, sizeof(sb->s_meta_uuid));
}

/*
 * The kernel mounts what the primary superblock says, and so does the journal that the
 * primary names hold what is to be replayed; where a change of the journal was
 * interrupted the backups may still name the one before. That of another device cannot be
 * looked at here.
 */
static bool keeps_journal(struct lnkfs_volume *v, const struct lnkfs_super_block *win)
{
	struct lnkfs_super_block sb = v->sb;
	const char *why;

	if (v->sb_block != (u64)LNKFS_SUPER_OFFSET >> v->fs.block_bits ||
	    !(lnkfs_ext_journal(v) ?
	      le64_to_cpu(sb.s_write_time) > le64_to_cpu(win->s_write_time) :
	      journal_there(v, &sb)))
		return false;
	take_over(&sb, win);
	take_journal(&sb, &v->sb);
	lnkfs_super_seal(&sb);
	return !lnkfs_super_check(&sb, 0, v->dev.bytes, &why);
}

/* Return: has anything changed? */
static bool accept(struct lnkfs_volume *v, const struct lnkfs_super_block *win, bool proof)
{
	const struct lnkfs_super_block own = v->sb;
	bool keep = proof && keeps_journal(v, win);

	take_over(&v->sb, win);
	if (keep)
		take_journal(&v->sb, &own);
	return !lnkfs_super_same(&v->sb, &own);
}

/**
 * lnkfs_super_vote() - let the backups outvote the superblock at hand
 * @v: volume, opened with LNKFS_VOL_NO_GROUPS; nothing is dirty
 *
 * A copy counts when its checksum is right, it makes sense, and the first
 * descriptors or maps of the volume agree with it. What all copies have in
 * common is taken from the majority, the rest stays what it is in @v->sb. So does the
 * journal when @v->sb is such a primary and its journal is where it says.
 *
 * Return: 1 when @v->sb has changed, which is not written; 0; -ENOMEM.
 */
int lnkfs_super_vote(struct lnkfs_volume *v)
{
	struct ballot *b = calloc(1, sizeof(*b));
	u32 i, best = 0, have;
	bool proof = lnkfs_super_proven(v, &v->sb);
	int win = -1, err = 0;

	if (!b)
		return -ENOMEM;
	if (proof)
		b->end = le64_to_cpu(v->sb.s_blocks) << v->sb.s_block_bits;
	collect(v, b);
	have = votes(b, &v->sb);
	for (i = 0; i < b->nr; i++) {
		u32 n = votes(b, &b->sb[i]);

		if (b->proof[i] && n > best) {
			best = n;
			win = (int)i;
		}
	}
	if (win >= 0 && !lnkfs_super_same(&b->sb[win], &v->sb) && (!proof || best > have) &&
	    accept(v, &b->sb[win], proof)) {
		lnkfs_cache_free(v);
		lnkfs_super_load(&v->fs, &v->sb);
		err = lnkfs_cache_init(v, LNKFS_CACHE_MIB);
		if (!err)
			err = 1;
	}
	free(b);
	return err;
}

/* Give the fields that can have any value one that makes sense. */
static void mend_fields(struct lnkfs_super_block *sb, u32 bits, u64 device_blocks)
{
	u32 slots = min_t(u32, LNKFS_MAX_SLOTS, 1u << (bits - 8));
	u32 links = le32_to_cpu(sb->s_max_links);
	u64 blocks = le64_to_cpu(sb->s_blocks);

	sb->s_magic = cpu_to_le32(LNKFS_SUPER_MAGIC);
	sb->s_blocknr = cpu_to_le64(LNKFS_SUPER_OFFSET >> bits);
	sb->s_block_bits = (u8)bits;
	sb->s_feature_incompat &= cpu_to_le32(LNKFS_INCOMPAT_SUPP);
	sb->s_feature_ro_compat &= cpu_to_le32(LNKFS_RO_COMPAT_SUPP);
	sb->s_state = cpu_to_le16(LNKFS_STATE_ERROR);
	if (!blocks || blocks > device_blocks)
		sb->s_blocks = cpu_to_le64(device_blocks);
	if (le64_to_cpu(sb->s_reserved_blocks) >= le64_to_cpu(sb->s_blocks))
		sb->s_reserved_blocks = 0;
	if (links < 2 || links > 0x7fffffff)
		sb->s_max_links = cpu_to_le32(0x7fffffff);
	if (le32_to_cpu(sb->s_fast_symlink_max) > LNKFS_FAST_MAX(slots))
		sb->s_fast_symlink_max = cpu_to_le32(LNKFS_FAST_MAX(slots));
	if (sb->s_errors < LNKFS_ERRORS_CONTINUE || sb->s_errors > LNKFS_ERRORS_PANIC)
		sb->s_errors = LNKFS_ERRORS_RO;
	sb->s_default_opts &= cpu_to_le32(LNKFS_DEFOPT_ALL);
	sb->s_label[LNKFS_LABEL_LEN - 1] = 0;
	sb->s_last_mounted[sizeof(sb->s_last_mounted) - 1] = 0;
	if (!(sb->s_feature_incompat & cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT)))
		sb->s_fc_blocks = 0;
}

static bool usable(struct lnkfs_volume *v, struct lnkfs_super_block *sb)
{
	const char *why;

	lnkfs_super_seal(sb);
	return !lnkfs_super_check(sb, 0, v->dev.bytes, &why) && lnkfs_super_proven(v, sb);
}

/* What may be wrong beyond that, one after the other. */
static bool try_mend(struct lnkfs_volume *v, struct lnkfs_super_block *sb)
{
	static const __le64 none[LNKFS_QUOTA_TYPES];

	if (usable(v, sb))
		return true;
	sb->s_lpf_ino = 0;
	if (usable(v, sb))
		return true;
	if (memcmp(sb->s_quota_ino, none, sizeof(none)))
		sb->s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_QUOTA);
	if (usable(v, sb))
		return true;
	memset(sb->s_quota_ino, 0, sizeof(sb->s_quota_ino));
	return usable(v, sb);
}

/**
 * lnkfs_super_salvage() - make sense of the primary superblock, where there is no
 *	other
 * @v: volume without a superblock; @v->sb is set
 *
 * It has to agree with the first descriptors or maps of the volume, whose checksums
 * depend on it.
 *
 * Return: 0, -EFSCORRUPTED when that cannot be done, or what reading says.
 */
int lnkfs_super_salvage(struct lnkfs_volume *v)
{
	struct lnkfs_super_block raw;
	const char *why;
	u32 bits;
	int err;

	err = lnkfs_dev_read(&v->dev, LNKFS_SUPER_OFFSET, &raw, sizeof(raw));
	/* A volume of which the device has only a part is nothing to be mended. */
	if (!err && raw.s_magic == cpu_to_le32(LNKFS_SUPER_MAGIC) &&
	    lnkfs_super_check(&raw, 0, v->dev.bytes, &why) == -EINVAL)
		return -EINVAL;
	for (bits = LNKFS_MAX_BLOCK_BITS; !err && bits >= LNKFS_MIN_BLOCK_BITS; bits--) {
		v->sb = raw;
		mend_fields(&v->sb, bits, v->dev.bytes >> bits);
		if (try_mend(v, &v->sb)) {
			v->sb_block = LNKFS_SUPER_OFFSET >> bits;
			return 0;
		}
	}
	return err ? err : -EFSCORRUPTED;
}
