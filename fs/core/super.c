// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock and what follows from it: where the groups' own blocks are.
 *
 * A group starts with
 *	the boot block(s) and superblock (group 0), or a backup superblock,
 *	a block of group descriptors, in the first, second and last group of a
 *	full run (as far as they exist),
 *	block bitmap, inode block map, full map, orphan map.
 * The place of a group's blocks depends on its number and on the block size
 * only, never on the size of the volume: growing moves nothing.
 */
#include "core.h"

static bool is_power_of(u32 n, u32 base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

/**
 * lnkfs_group_has_super() - does a group start with a copy of the superblock?
 * @group: group number
 *
 * Return: true for 0 (the primary), 1 and the powers of 3, 5 and 7.
 */
bool lnkfs_group_has_super(u32 group)
{
	if (group <= 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

/**
 * lnkfs_group_has_desc() - does a group hold a descriptor block?
 * @fs: volume
 * @group: group number
 *
 * Return: true for the first (the one in use), second and last group of a
 * run of @fs->desc_per_block groups.
 */
bool lnkfs_group_has_desc(const struct lnkfs_fs *fs, u32 group)
{
	u32 nth = group % fs->desc_per_block;

	return nth <= 1 || nth == fs->desc_per_block - 1;
}

/* Blocks before a group's descriptor block or maps. */
static u32 super_blocks(const struct lnkfs_fs *fs, u32 group)
{
	if (!group)
		return ((LNKFS_SUPER_OFFSET + LNKFS_SUPER_SIZE - 1) >> fs->block_bits) + 1;
	return lnkfs_group_has_super(group);
}

/**
 * lnkfs_group_overhead() - blocks at the start of a group that files never get
 * @fs: volume
 * @group: group number
 */
u32 lnkfs_group_overhead(const struct lnkfs_fs *fs, u32 group)
{
	u32 blocks = super_blocks(fs, group) + lnkfs_group_has_desc(fs, group) + LNKFS_GROUP_MAPS;

	/* Where others have their superblocks nobody shall be able to write one. */
	return group ? blocks : max_t(u32, blocks, LNKFS_HEAD_BYTES >> fs->block_bits);
}

/**
 * lnkfs_group_overhead_total() - overhead of all groups, in blocks
 * @fs: volume
 */
u64 lnkfs_group_overhead_total(const struct lnkfs_fs *fs)
{
	u64 sum = 0;
	u32 group;

	for (group = 0; group < fs->groups; group++)
		sum += lnkfs_group_overhead(fs, group);
	return sum;
}

/**
 * lnkfs_group_of() - group that a block lies in
 * @fs: volume
 * @block: block of the volume
 */
u32 lnkfs_group_of(const struct lnkfs_fs *fs, u64 block)
{
	return (u32)(block / fs->group_blocks);
}

/**
 * lnkfs_group_map_block() - where one of a group's four maps is
 * @fs: volume
 * @group: group number
 * @type: LNKFS_B_BITMAP, _IMAP, _FULLMAP or _ORPHMAP
 *
 * Return: block number.
 */
u64 lnkfs_group_map_block(const struct lnkfs_fs *fs, u32 group, enum lnkfs_btype type)
{
	return lnkfs_group_first(fs, group) + super_blocks(fs, group) +
	       lnkfs_group_has_desc(fs, group) + (type - LNKFS_B_BITMAP);
}

/**
 * lnkfs_gdesc_block() - the descriptor block of a group's run
 * @fs: volume
 * @group: any group of the run. If it holds a backup, this is still the block
 *	in use; the backup is at lnkfs_group_map_block(LNKFS_B_BITMAP) - 1.
 *
 * Return: block number.
 */
u64 lnkfs_gdesc_block(const struct lnkfs_fs *fs, u32 group)
{
	group -= group % fs->desc_per_block;
	return lnkfs_group_first(fs, group) + super_blocks(fs, group);
}

static u32 super_crc(const struct lnkfs_super_block *sb)
{
	const u8 *p = (const u8 *)sb;
	const __le32 zero = 0;
	u32 at = offsetof(struct lnkfs_super_block, s_checksum);
	u32 crc;

	crc = lnkfs_crc32c(~0u, p, at);
	crc = lnkfs_crc32c(crc, &zero, sizeof(zero));
	at += sizeof(zero);
	return lnkfs_crc32c(crc, p + at, LNKFS_SUPER_SIZE - at);
}

/**
 * lnkfs_super_seal() - make the superblock's checksum right
 * @sb: superblock, under whatever keeps others from writing it
 */
void lnkfs_super_seal(struct lnkfs_super_block *sb)
{
	sb->s_checksum = cpu_to_le32(super_crc(sb));
}

/* Geometry only; the rest is lnkfs_super_load()'s. */
static void load_geometry(struct lnkfs_fs *fs, const struct lnkfs_super_block *sb)
{
	fs->blocks = le64_to_cpu(sb->s_blocks);
	fs->block_bits = sb->s_block_bits;
	fs->block_size = 1u << fs->block_bits;
	fs->slot_bits = fs->block_bits - 8;
	fs->group_blocks = lnkfs_group_blocks(fs->block_bits);
	fs->groups = (u32)DIV_ROUND_UP_ULL(fs->blocks, fs->group_blocks);
	fs->desc_per_block = (fs->block_size - sizeof(struct lnkfs_gdesc_block)) /
			     sizeof(struct lnkfs_group_desc);
	fs->root_ino = le64_to_cpu(sb->s_root_ino);
	fs->journal_start = le64_to_cpu(sb->s_journal_start);
	fs->journal_blocks = le32_to_cpu(sb->s_journal_blocks);
	fs->fast_blocks = le32_to_cpu(sb->s_fc_blocks);
}

/**
 * lnkfs_super_load() - take over geometry, seeds and limits from a superblock
 * @fs: volume; its groups are left alone
 * @sb: superblock that lnkfs_super_check() found good
 */
void lnkfs_super_load(struct lnkfs_fs *fs, const struct lnkfs_super_block *sb)
{
	load_geometry(fs, sb);
	fs->csum_seed = lnkfs_crc32c(~0u, sb->s_meta_uuid, sizeof(sb->s_meta_uuid));
	fs->fsid = get_unaligned_le64(sb->s_meta_uuid) ^ get_unaligned_le64(sb->s_meta_uuid + 8);
	fs->backref = le32_to_cpu(sb->s_feature_ro_compat) & LNKFS_RO_COMPAT_BACKREF;
	memcpy(fs->hash_seed, sb->s_hash_seed, sizeof(fs->hash_seed));
	fs->max_links = le32_to_cpu(sb->s_max_links);
	fs->fast_max = le32_to_cpu(sb->s_fast_symlink_max);
	fs->alloc_end = U64_MAX;
	fs->dir_group = 0;
}

static const char *check_ext_journal(const struct lnkfs_super_block *sb)
{
	if (sb->s_journal_start || sb->s_journal_blocks || sb->s_fc_blocks)
		return "journal both inside and outside";
	if (le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_FAST_COMMIT)
		return "fast commits to an external journal";
	if (!memchr_inv(sb->s_journal_uuid, 0, sizeof(sb->s_journal_uuid)))
		return "external journal without a UUID";
	return NULL;
}

static const char *check_fast(const struct lnkfs_fs *fs, const struct lnkfs_super_block *sb)
{
	u32 len = fs->fast_blocks;

	if (!(le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_FAST_COMMIT))
		return len ? "fast commit area without its feature" : NULL;
	if (len < LNKFS_MIN_FAST_BLOCKS)
		return "fast commit area too small";
	if (len > LNKFS_MAX_FAST_BLOCKS || fs->journal_blocks - LNKFS_MIN_JOURNAL_BLOCKS < len)
		return "fast commit area too large";
	return NULL;
}

static const char *check_journal(const struct lnkfs_fs *fs, const struct lnkfs_super_block *sb)
{
	u64 start = fs->journal_start;
	u32 len = fs->journal_blocks;
	u32 group;

	if (le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_EXT_JOURNAL)
		return check_ext_journal(sb);
	if (len < LNKFS_MIN_JOURNAL_BLOCKS)
		return "journal too small";
	if (start >= fs->blocks || len > fs->blocks - start)
		return "journal outside the volume";
	group = lnkfs_group_of(fs, start);
	if (start - lnkfs_group_first(fs, group) < lnkfs_group_overhead(fs, group))
		return "journal over group metadata";
	if (lnkfs_group_of(fs, start + len - 1) != group)
		return "journal not within one group";
	return check_fast(fs, sb);
}

/* Could this be an inode of the volume? */
static bool ino_plausible(const struct lnkfs_fs *fs, u64 ino)
{
	return lnkfs_block_valid(fs, lnkfs_ino_block(fs, ino), 1);
}

static const char *check_quota_inodes(const struct lnkfs_fs *fs,
				      const struct lnkfs_super_block *sb)
{
	bool quota = le32_to_cpu(sb->s_feature_ro_compat) & LNKFS_RO_COMPAT_QUOTA;
	u32 type, other;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		__le64 ino = sb->s_quota_ino[type];

		if (!ino)
			continue;
		if (!quota)
			return "quota files without the feature";
		if (!ino_plausible(fs, le64_to_cpu(ino)) || ino == sb->s_root_ino ||
		    ino == sb->s_lpf_ino)
			return "impossible quota inode number";
		for (other = 0; other < type; other++)
			if (ino == sb->s_quota_ino[other])
				return "one quota file for two types";
	}
	return NULL;
}

static const char *check_geometry(const struct lnkfs_super_block *sb)
{
	struct lnkfs_fs fs = {};
	u64 blocks = le64_to_cpu(sb->s_blocks);
	u32 last, slots, fast_max;
	const char *why;

	fs.block_size = 1u << sb->s_block_bits;
	fs.group_blocks = lnkfs_group_blocks(sb->s_block_bits);
	if (!blocks || blocks > LNKFS_MAX_BLOCKS || blocks / fs.group_blocks >= U32_MAX)
		return "impossible size";
	load_geometry(&fs, sb);
	last = fs.groups - 1;
	if (lnkfs_group_size(&fs, last) < lnkfs_group_overhead(&fs, last) + LNKFS_MIN_LAST_GROUP)
		return "last group too small";
	if (le64_to_cpu(sb->s_reserved_blocks) >= blocks)
		return "impossible number of reserved blocks";
	slots = min_t(u32, LNKFS_MAX_SLOTS, 1u << fs.slot_bits);
	fast_max = LNKFS_FAST_MAX(slots);
	if (le32_to_cpu(sb->s_fast_symlink_max) > fast_max)
		return "impossible fast symlink limit";
	why = check_journal(&fs, sb);
	if (why)
		return why;
	if (!ino_plausible(&fs, fs.root_ino))
		return "impossible root inode number";
	if (sb->s_lpf_ino && !ino_plausible(&fs, le64_to_cpu(sb->s_lpf_ino)))
		return "impossible lost+found inode number";
	return check_quota_inodes(&fs, sb);
}

static const char *check_limits(const struct lnkfs_super_block *sb)
{
	u32 max_links = le32_to_cpu(sb->s_max_links);

	if (max_links < 2 || max_links > 0x7fffffff)
		return "impossible link limit";
	if (sb->s_errors < LNKFS_ERRORS_CONTINUE || sb->s_errors > LNKFS_ERRORS_PANIC)
		return "unknown error behaviour";
	if (le32_to_cpu(sb->s_default_opts) & ~LNKFS_DEFOPT_ALL)
		return "unknown default mount options";
	if (le16_to_cpu(sb->s_state) & ~(LNKFS_STATE_CLEAN | LNKFS_STATE_ERROR))
		return "unknown state";
	if (sb->s_label[LNKFS_LABEL_LEN - 1] ||
	    sb->s_last_mounted[sizeof(sb->s_last_mounted) - 1])
		return "unterminated string";
	return NULL;
}

/**
 * lnkfs_super_check() - is this a usable superblock?
 * @sb: superblock as read
 * @blocknr: block it was read from; 0 for the primary, whatever the block size
 * @device_bytes: size of the device, 0 when it is not known
 * @why: set to a phrase that names the fault, NULL when there is none
 *
 * A superblock with an unknown incompatible feature is judged by its magic
 * number and checksum only, since the rest may mean something else: the caller
 * must look at the features before it uses anything.
 *
 * Return: 0; -EINVAL when the magic number is not ours, or the device ends before
 * the volume does; -EFSBADCRC; -EFSCORRUPTED.
 */
int lnkfs_super_check(const struct lnkfs_super_block *sb, u64 blocknr,
		      u64 device_bytes, const char **why)
{
	*why = NULL;
	if (le32_to_cpu(sb->s_magic) != LNKFS_SUPER_MAGIC) {
		*why = "not an lnkfs superblock";
		return -EINVAL;
	}
	if (le32_to_cpu(sb->s_checksum) != super_crc(sb)) {
		*why = "bad superblock checksum";
		return -EFSBADCRC;
	}
	if (le32_to_cpu(sb->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP)
		return 0;
	if (sb->s_block_bits < LNKFS_MIN_BLOCK_BITS || sb->s_block_bits > LNKFS_MAX_BLOCK_BITS) {
		*why = "impossible block size";
		return -EFSCORRUPTED;
	}
	if (blocknr <= 1)
		blocknr = LNKFS_SUPER_OFFSET >> sb->s_block_bits;
	if (le64_to_cpu(sb->s_blocknr) != blocknr)
		*why = "superblock in the wrong place";
	if (!*why)
		*why = check_limits(sb);
	if (!*why)
		*why = check_geometry(sb);
	if (*why)
		return -EFSCORRUPTED;
	if (device_bytes && le64_to_cpu(sb->s_blocks) > device_bytes >> sb->s_block_bits) {
		*why = "larger than the device";
		return -EINVAL;
	}
	return 0;
}

static const char *check_log(const struct lnkfs_super_block *sb)
{
	u64 blocks = le64_to_cpu(sb->s_blocks);
	u64 start = le64_to_cpu(sb->s_journal_start);
	u32 super = LNKFS_SUPER_OFFSET >> sb->s_block_bits;
	u32 len = le32_to_cpu(sb->s_journal_blocks);

	if (le64_to_cpu(sb->s_blocknr) != super)
		return "superblock in the wrong place";
	if (start != super + 1)
		return "log in the wrong place";
	if (len < LNKFS_MIN_JOURNAL_BLOCKS || len > LNKFS_MAX_JOURNAL_BLOCKS)
		return "impossible size of the log";
	if (blocks > LNKFS_MAX_BLOCKS || start > blocks || len > blocks - start)
		return "log outside the device";
	return NULL;
}

/**
 * lnkfs_journal_dev_check() - is this the superblock of a journal device?
 * @sb: superblock as read
 * @device_bytes: size of the device, 0 when it is not known
 * @why: set to a phrase that names the fault, NULL when there is none
 *
 * The log itself, which jbd2 knows about, is not looked at.
 *
 * Return: 0; -EINVAL when it is none, or one of another version, or the device
 * ends before the log does; -EFSBADCRC; -EFSCORRUPTED.
 */
int lnkfs_journal_dev_check(const struct lnkfs_super_block *sb, u64 device_bytes,
			    const char **why)
{
	u32 features = le32_to_cpu(sb->s_feature_incompat);

	*why = NULL;
	if (le32_to_cpu(sb->s_magic) != LNKFS_SUPER_MAGIC) {
		*why = "not a journal device";
		return -EINVAL;
	}
	if (le32_to_cpu(sb->s_checksum) != super_crc(sb)) {
		*why = "bad superblock checksum";
		return -EFSBADCRC;
	}
	if (!(features & LNKFS_INCOMPAT_JOURNAL_DEV)) {
		*why = "a volume, not a journal device";
		return -EINVAL;
	}
	if (features & ~LNKFS_INCOMPAT_JOURNAL_DEV) {
		*why = "unknown incompatible features";
		return -EINVAL;
	}
	if (sb->s_block_bits < LNKFS_MIN_BLOCK_BITS || sb->s_block_bits > LNKFS_MAX_BLOCK_BITS)
		*why = "impossible block size";
	else
		*why = check_log(sb);
	if (*why)
		return -EFSCORRUPTED;
	if (device_bytes && le64_to_cpu(sb->s_blocks) > device_bytes >> sb->s_block_bits) {
		*why = "larger than the device";
		return -EINVAL;
	}
	return 0;
}
