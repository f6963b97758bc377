// SPDX-License-Identifier: GPL-2.0
/*
 * Making a new volume. The layout is decided by lnkfs_format_plan(); the
 * blocks are then made by the core itself, as when a volume is in use.
 */
#include <stdlib.h>

#include "format.h"
#include "journal.h"

#define SMALL_VOLUME	(64ULL << 20)	/* bytes; below it blocks are 1 KiB */
#define SPARE_BLOCKS	128	/* left for files in a volume of one group, at least */

/* Just what the group layout functions look at. */
static void geometry(struct lnkfs_fs *fs, u32 bits, u64 blocks)
{
	struct lnkfs_super_block sb = {
		.s_block_bits = (u8)bits,
		.s_blocks = cpu_to_le64(blocks),
	};

	memset(fs, 0, sizeof(*fs));
	lnkfs_super_load(fs, &sb);
}

/**
 * lnkfs_format_min_bytes() - size of the smallest volume
 * @block_bits: log2 of the block size
 * @ext_journal: its journal is on another device
 */
u64 lnkfs_format_min_bytes(u32 block_bits, bool ext_journal)
{
	u32 journal = ext_journal ? 0 : LNKFS_MIN_JOURNAL_BLOCKS;
	struct lnkfs_fs fs;

	geometry(&fs, block_bits, LNKFS_MIN_JOURNAL_BLOCKS);
	return (u64)(lnkfs_group_overhead(&fs, 0) + journal + SPARE_BLOCKS) << block_bits;
}

/* The group for the journal: in the middle, but never a short last one. */
static u32 journal_group(const struct lnkfs_fs *fs)
{
	return fs->groups > 2 ? fs->groups / 2 : 0;
}

/* Longest journal the volume can have, in blocks: it lies within one group. */
static u32 max_journal(const struct lnkfs_fs *fs)
{
	u32 group = journal_group(fs);
	u32 room = lnkfs_group_size(fs, group) - lnkfs_group_overhead(fs, group);

	return group ? room : room - min(room, (u32)SPARE_BLOCKS);
}

static u32 default_journal(u64 blocks)
{
	if (blocks < 32768)
		return LNKFS_MIN_JOURNAL_BLOCKS;
	if (blocks < 256 * 1024)
		return 4096;
	if (blocks < 512 * 1024)
		return 8192;
	if (blocks < 4096 * 1024)
		return 16384;
	return 32768;
}

static int plan_size(const struct lnkfs_format *f, u64 device_bytes, u32 *bits, u64 *blocks,
		     const char **why)
{
	u64 max_blocks = LNKFS_MAX_BLOCKS;
	u64 bytes = device_bytes;
	struct lnkfs_fs fs;

	*bits = f->block_bits;
	if (f->blocks && *bits)
		bytes = f->blocks << *bits;
	if (!*bits)
		*bits = bytes < SMALL_VOLUME ? LNKFS_MIN_BLOCK_BITS : LNKFS_MAX_BLOCK_BITS;
	if (*bits < LNKFS_MIN_BLOCK_BITS || *bits > LNKFS_MAX_BLOCK_BITS) {
		*why = "block size must be 1024, 2048 or 4096";
		return -EINVAL;
	}
	*blocks = f->blocks ? f->blocks : bytes >> *bits;
	if (*blocks > device_bytes >> *bits) {
		*why = "larger than the device";
		return -EINVAL;
	}
	if (*blocks << *bits < lnkfs_format_min_bytes(*bits, f->ext_journal)) {
		*why = "too small";
		return -ENOSPC;
	}
	/* Group numbers have 32 bits. */
	max_blocks = min(max_blocks, (u64)lnkfs_group_blocks(*bits) * (U32_MAX - 1));
	if (*blocks > max_blocks) {
		*why = "too large";
		return -EINVAL;
	}
	geometry(&fs, *bits, *blocks);
	*blocks = lnkfs_usable_blocks(&fs, *blocks);
	return 0;
}

/**
 * lnkfs_fast_room() - blocks for the fast commits of a transaction
 * @fs: volume
 * @journal: blocks of its journal, at least LNKFS_MIN_JOURNAL_BLOCKS
 *
 * Return: an eighth of the journal, up to 1 MiB; 0 when that would leave too little.
 */
u32 lnkfs_fast_room(const struct lnkfs_fs *fs, u32 journal)
{
	u32 area = min_t(u32, journal / 8, (1u << 20) >> fs->block_bits);

	return journal - area >= LNKFS_MIN_JOURNAL_BLOCKS ? area : 0;
}

/* Room for fast commits. @len: of the journal, which the smallest one has it in addition to. */
static u32 fast_area(const struct lnkfs_format *f, const struct lnkfs_fs *fs, u64 *len)
{
	u32 area = lnkfs_fast_room(fs, (u32)*len);

	if (area)
		return area;
	area = (u32)*len / 8;
	if (f->fast_commit != LNKFS_FAST_ALWAYS || f->journal_bytes ||
	    *len + area > max_journal(fs))
		return 0;
	*len += area;
	return area;
}

static const char *plan_journal(const struct lnkfs_format *f, const struct lnkfs_fs *fs,
				struct lnkfs_super_block *sb)
{
	u64 len = f->journal_bytes >> fs->block_bits;
	u32 group = journal_group(fs), fast;

	if (f->ext_journal && f->fast_commit == LNKFS_FAST_ALWAYS)
		return "fast commits need a journal inside the volume";
	if (f->ext_journal) {
		sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_EXT_JOURNAL);
		memcpy(sb->s_journal_uuid, f->journal_uuid, sizeof(sb->s_journal_uuid));
		sb->s_journal_dev = cpu_to_le32(f->journal_devnum);
		return NULL;
	}
	if (!f->journal_bytes)
		len = min(default_journal(fs->blocks), max_journal(fs));
	if (len < LNKFS_MIN_JOURNAL_BLOCKS)
		return "journal too small (1280 blocks are the least)";
	if (len > max_journal(fs))
		return "journal too large (it must fit into one group)";
	fast = f->fast_commit ? fast_area(f, fs, &len) : 0;
	if (f->fast_commit == LNKFS_FAST_ALWAYS && !fast)
		return "journal too small for fast commits";
	if (fast) {
		sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT);
		sb->s_fc_blocks = cpu_to_le32(fast);
	}
	sb->s_journal_start = cpu_to_le64(lnkfs_group_first(fs, group) +
					  lnkfs_group_size(fs, group) - len);
	sb->s_journal_blocks = cpu_to_le32((u32)len);
	return NULL;
}

static const char *plan_limits(const struct lnkfs_format *f, const struct lnkfs_fs *fs,
			       struct lnkfs_super_block *sb)
{
	u32 slots = min_t(u32, LNKFS_MAX_SLOTS, 1u << fs->slot_bits);
	u32 fast = f->fast_symlink_max;
	u32 links = f->max_links ? f->max_links : LNKFS_DEFAULT_MAX_LINKS;

	if (fast == ~0u)
		fast = LNKFS_FAST_MAX(slots);
	if (fast > (u32)LNKFS_FAST_MAX(slots))
		return "fast-symlink-max is more than an inode holds";
	if (links < 2 || links > LNKFS_DEFAULT_MAX_LINKS)
		return "max-links must be from 2 to 2147483647";
	if (f->reserved_permille > 500)
		return "no more than 50% can be reserved";
	if (f->label && strlen(f->label) >= LNKFS_LABEL_LEN)
		return "label longer than 63 bytes";
	sb->s_fast_symlink_max = cpu_to_le32(fast);
	sb->s_max_links = cpu_to_le32(links);
	sb->s_reserved_blocks = cpu_to_le64(fs->blocks / 1000 * f->reserved_permille +
					    fs->blocks % 1000 * f->reserved_permille / 1000);
	if (f->label)
		memcpy(sb->s_label, f->label, strlen(f->label));
	return NULL;
}

/**
 * lnkfs_format_plan() - decide what a new volume will be
 * @f: what is asked for
 * @device_bytes: size of the device
 * @sb: filled in; its root inode is a placeholder
 * @why: set to a phrase when it cannot be done, else NULL
 *
 * Return: 0, -EINVAL, or -ENOSPC when there is too little room.
 */
int lnkfs_format_plan(const struct lnkfs_format *f, u64 device_bytes,
		      struct lnkfs_super_block *sb, const char **why)
{
	struct lnkfs_fs fs;
	u64 blocks;
	u32 bits;
	int err;

	memset(sb, 0, sizeof(*sb));
	*why = NULL;
	err = plan_size(f, device_bytes, &bits, &blocks, why);
	if (err)
		return err;
	geometry(&fs, bits, blocks);
	sb->s_magic = cpu_to_le32(LNKFS_SUPER_MAGIC);
	sb->s_blocknr = cpu_to_le64(LNKFS_SUPER_OFFSET >> bits);
	sb->s_block_bits = (u8)bits;
	sb->s_blocks = cpu_to_le64(blocks);
	sb->s_errors = f->errors ? f->errors : LNKFS_ERRORS_RO;
	sb->s_default_opts = cpu_to_le32(f->default_opts);
	sb->s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	memcpy(sb->s_uuid, f->uuid, sizeof(sb->s_uuid));
	memcpy(sb->s_meta_uuid, f->meta_uuid, sizeof(sb->s_meta_uuid));
	memcpy(sb->s_hash_seed, f->hash_seed, sizeof(sb->s_hash_seed));
	sb->s_mkfs_time = cpu_to_le64(f->now);
	sb->s_write_time = cpu_to_le64(f->now);
	sb->s_check_time = cpu_to_le64(f->now);
	if (f->quota_types)
		sb->s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_QUOTA);
	if (!f->no_backref)
		sb->s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_BACKREF);
	sb->s_root_ino = cpu_to_le64((u64)lnkfs_group_overhead(&fs, 0) << fs.slot_bits);
	*why = plan_limits(f, &fs, sb);
	if (!*why)
		*why = plan_journal(f, &fs, sb);
	if (*why)
		return -EINVAL;
	lnkfs_super_seal(sb);
	return lnkfs_super_check(sb, 0, device_bytes, why);
}

/* In memory: every group is empty and has never been written. */
static int init_groups(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 i;

	fs->group = calloc(fs->groups, sizeof(struct lnkfs_group));
	if (!fs->group)
		return -ENOMEM;
	for (i = 0; i < fs->groups; i++) {
		lnkfs_group_fresh(fs, lnkfs_group(fs, i), i);
		v->free_blocks += lnkfs_group(fs, i)->free_blocks;
	}
	return 0;
}

/* New descriptor block of the run that starts at a group, or a copy of it. */
static int make_gdesc(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 first, u64 block, bool copy)
{
	lnkfs_buf *buf, *from = NULL;
	int err;

	if (copy) {
		err = lnkfs_bread(fs, lnkfs_gdesc_block(fs, first), LNKFS_B_GDESC, first, 0, &from);
		if (err)
			return err;
	}
	err = lnkfs_bnew(tx, fs, block, LNKFS_B_GDESC, &buf);
	if (!err) {
		if (copy)
			memcpy(lnkfs_bdata(buf), lnkfs_bdata(from), fs->block_size);
		lnkfs_header_init(fs, lnkfs_bdata(buf), LNKFS_B_GDESC, block, first, 0);
		lnkfs_bdirty(tx, fs, buf);
		lnkfs_bput(buf);
	}
	lnkfs_bput(from);
	return err;
}

static int make_descriptors(struct lnkfs_volume *v, const struct lnkfs_format *f)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 first, i;
	lnkfs_tx tx;
	int err = 0;

	for (first = 0; !err && first < fs->groups; first += fs->desc_per_block) {
		lnkfs_tx_begin(&tx, v, 1);
		err = make_gdesc(&tx, fs, first, lnkfs_gdesc_block(fs, first), false);
		for (i = first; !err && i < fs->groups && i < first + fs->desc_per_block; i++)
			err = lnkfs_group_sync(&tx, fs, i);
		lnkfs_tx_end(&tx);
		if (f->progress)
			f->progress(first, fs->groups);
		if (fs->groups - first <= fs->desc_per_block)
			break;
	}
	return err;
}

/* Backups, once the descriptors are what they will be. */
static int copy_descriptors(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 group;
	lnkfs_tx tx;
	int err = 0;

	for (group = 0; !err && group < fs->groups; group++) {
		u32 first = group - group % fs->desc_per_block;

		if (group == first || !lnkfs_group_has_desc(fs, group))
			continue;
		lnkfs_tx_begin(&tx, v, 1);
		err = make_gdesc(&tx, fs, first,
				 lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP) - 1, true);
		lnkfs_tx_end(&tx);
	}
	return err;
}

/*
 * Have the journal's blocks allocated: as any others, before the volume knows
 * that it has a journal.
 */
static int take_journal(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	u64 start = fs->journal_start;
	u32 len = fs->journal_blocks;
	u32 group = lnkfs_group_of(fs, start);
	u32 want = (u32)(start - lnkfs_group_first(fs, group));
	u32 off = 0, got = 0;
	lnkfs_tx tx;
	int err;

	fs->journal_blocks = 0;
	lnkfs_tx_begin(&tx, v, LNKFS_CREDITS_ALLOC);
	lnkfs_group_lock(fs, group);
	err = lnkfs_balloc_locked(&tx, fs, group, want, len, len, 0, &off, &got);
	lnkfs_group_unlock(fs, group);
	lnkfs_tx_end(&tx);
	fs->journal_blocks = len;
	if (!err && (off != want || got != len))
		err = -EFSCORRUPTED;
	return err;
}

static int make_all(struct lnkfs_volume *v, const struct lnkfs_format *f)
{
	int err;

	err = init_groups(v);
	if (!err)
		err = make_descriptors(v, f);
	if (!err && !f->ext_journal)
		err = take_journal(v);
	if (!err && !f->no_root)
		err = lnkfs_format_root(v, f);
	if (!err && !f->no_root)
		err = lnkfs_format_quota(v, f);
	if (!err)
		err = copy_descriptors(v);
	if (!err)
		err = lnkfs_cache_flush(v);
	if (!err && !f->ext_journal)
		err = lnkfs_journal_format(v);
	if (err)
		return err;
	v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
	v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
	/* All is in place before the superblock says that there is a volume. */
	err = lnkfs_dev_sync(&v->dev);
	if (!err)
		err = lnkfs_volume_write_super(v, true);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	return err;
}

/**
 * lnkfs_format_volume() - make a new volume
 * @v: zeroed, but for @v->dev, open for writing
 * @f: what is asked for
 * @why: set to a phrase when the plan cannot be carried out, else NULL
 *
 * What was on the device before and does not get overwritten stays: the caller
 * removes other signatures. On success the volume is open.
 *
 * Return: 0, what lnkfs_format_plan() says, or -EIO, -ENOSPC and others from
 * writing; then only the device is left open.
 */
int lnkfs_format_volume(struct lnkfs_volume *v, const struct lnkfs_format *f, const char **why)
{
	int err;

	err = lnkfs_format_plan(f, v->dev.bytes, &v->sb, why);
	if (err)
		return err;
	lnkfs_super_load(&v->fs, &v->sb);
	v->sb_block = le64_to_cpu(v->sb.s_blocknr);
	err = lnkfs_cache_init(v, LNKFS_CACHE_MIB);
	if (!err)
		err = make_all(v, f);
	if (err) {
		lnkfs_cache_free(v);
		free(v->fs.group);
		v->fs.group = NULL;
	}
	return err;
}

/**
 * lnkfs_format_mem() - a new volume in memory, for tests
 * @v: set up from scratch; misuse of the host interface aborts
 * @bytes: size
 * @block_bits: log2 of the block size, 0: by size
 * @no_root: leave the root directory out
 *
 * The same arguments give the same volume while lnkfs_random_state is the same.
 */
int lnkfs_format_mem(struct lnkfs_volume *v, u64 bytes, u32 block_bits, bool no_root)
{
	struct lnkfs_format f = {
		.block_bits = block_bits,
		.fast_symlink_max = ~0u,
		.no_root = no_root,
		.uuid = "test volume uuid",
		.meta_uuid = "test meta uuid..",
		.hash_seed = "test hash seed..",
		.now = 1,
	};
	const char *why;
	int err;

	memset(v, 0, sizeof(*v));
	v->strict = true;
	err = lnkfs_dev_open_mem(&v->dev, bytes);
	if (err)
		return err;
	err = lnkfs_format_volume(v, &f, &why);
	if (err)
		lnkfs_dev_close(&v->dev);
	return err;
}
