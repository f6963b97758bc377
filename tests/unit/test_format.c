// SPDX-License-Identifier: GPL-2.0
/*
 * New volumes in memory: every size and block size gives a volume that opens,
 * holds what it should and has backups that work.
 */
#include "format.h"
#include "tap.h"

static struct lnkfs_volume v;

/* Close the volume but keep its memory, and open it again. */
static int reopen(unsigned int flags, const char **why)
{
	struct lnkfs_dev dev = v.dev;
	u32 i;

	CHECK_EQ(lnkfs_volume_flush(&v), 0);
	lnkfs_cache_free(&v);
	lnkfs_orphans_free(&v);
	for (i = 0; v.fs.group && i < v.fs.groups; i++) {
		free(v.fs.group[i].busy);
		free(v.fs.group[i].kept);
	}
	free(v.fs.group);
	memset(&v, 0, sizeof(v));
	v.dev = dev;
	v.quiet = true;
	return lnkfs_volume_open_dev(&v, flags, why);
}

static u64 sum_free(void)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < v.fs.groups; i++)
		sum += v.fs.group[i].free_blocks;
	return sum;
}

static void one_size(u64 bytes, u32 bits)
{
	struct lnkfs_cinode root = {};
	struct lnkfs_name name;
	const char *why;
	u64 used;

	REQUIRE(lnkfs_format_mem(&v, bytes, bits, false) == 0);
	used = v.fs.blocks - (u64)v.free_blocks;
	CHECK_EQ(reopen(LNKFS_DEV_WRITE, &why), 0);
	CHECK(!why);
	CHECK(v.fs.blocks << v.fs.block_bits <= bytes);
	CHECK(bytes - (v.fs.blocks << v.fs.block_bits) < 64u << v.fs.block_bits);
	CHECK_EQ(sum_free(), v.free_blocks);
	CHECK_EQ(le64_to_cpu(v.sb.s_free_blocks), v.free_blocks);
	CHECK_EQ(v.fs.blocks - (u64)v.free_blocks, used);
	/* One cluster of inodes, the journal and the groups' own blocks: no more. */
	CHECK_EQ(used, lnkfs_group_overhead_total(&v.fs) + v.fs.journal_blocks +
		 (LNKFS_CLUSTER_BYTES >> v.fs.block_bits));
	CHECK_EQ(v.inodes, 2);
	CHECK_EQ(lnkfs_inode_load(&v.fs, v.fs.root_ino, 0, &root), 0);
	CHECK_EQ(root.nlink, 3);
	CHECK_EQ(lnkfs_dir_lookup(&v.fs, &root, "lost+found", 10, &name), 0);
	CHECK_EQ(name.ino, le64_to_cpu(v.sb.s_lpf_ino));
	lnkfs_free(root.area);
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static void sizes(void)
{
	u32 bits;

	for (bits = 10; bits <= 12; bits++) {
		u64 group = ((1u << bits) - 64) * 8ULL << bits;
		u64 block = 1u << bits;
		u32 i;

		one_size(lnkfs_format_min_bytes(bits, false), bits);
		one_size(8 << 20, bits);
		for (i = 0; i < 50; i++) {
			one_size(group + i * block, bits);
			one_size(2 * group + i * block, bits);
		}
		one_size(3 * group + 77 * block + 5, bits);
		one_size(20 * group, bits);
		one_size(130 * group - 1, bits);
	}
	one_size(8 << 20, 0);
	one_size(80 << 20, 0);
	one_size(4ULL << 40, 0);
}

static void too_small(void)
{
	u32 bits;

	for (bits = 10; bits <= 12; bits++)
		CHECK_EQ(lnkfs_format_mem(&v, lnkfs_format_min_bytes(bits, false) - 1, bits, true),
			 -ENOSPC);
	CHECK(lnkfs_format_min_bytes(12, false) < 8 << 20);
}

static void block_size_by_size(void)
{
	REQUIRE(lnkfs_format_mem(&v, (64 << 20) - 1, 0, false) == 0);
	CHECK_EQ(v.fs.block_size, 1024);
	lnkfs_volume_close(&v);
	REQUIRE(lnkfs_format_mem(&v, 64 << 20, 0, false) == 0);
	CHECK_EQ(v.fs.block_size, 4096);
	lnkfs_volume_close(&v);
}

/* Each backup alone brings the volume back; without any it is gone. */
static void backups(void)
{
	static const u32 groups[] = { 1, 3, 5, 7, 9 };
	struct lnkfs_super_block good;
	const char *why;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		REQUIRE(lnkfs_format_mem(&v, 80 << 20, 10, false) == 0);
		good = v.sb;
		v.dev.mem[LNKFS_SUPER_OFFSET + 300] ^= 1;
		for (j = 0; j < i; j++)
			v.dev.mem[(lnkfs_group_first(&v.fs, groups[j]) << 10) + 300] ^= 1;
		CHECK_EQ(reopen(LNKFS_DEV_WRITE, &why), 0);
		CHECK(why && strstr(why, "checksum"));
		CHECK_EQ(v.sb_block, lnkfs_group_first(&v.fs, groups[i]));
		good.s_checksum = v.sb.s_checksum;
		good.s_blocknr = v.sb.s_blocknr;
		CHECK(!memcmp(&good, &v.sb, sizeof(good)));
		/* Written back, the primary is whole again. */
		CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
		CHECK_EQ(reopen(0, &why), 0);
		CHECK(!why);
		CHECK_EQ(v.sb_block, 1);
		lnkfs_volume_close(&v);
	}
	REQUIRE(lnkfs_format_mem(&v, 8 << 20, 12, false) == 0);
	v.dev.mem[LNKFS_SUPER_OFFSET + 300] ^= 1;
	CHECK_EQ(reopen(0, &why), -EFSBADCRC);
	lnkfs_dev_close(&v.dev);
}

static void descriptor_backups(void)
{
	u32 group, copies = 0;
	const u8 *main_copy;

	REQUIRE(lnkfs_format_mem(&v, 300 << 20, 10, false) == 0);
	for (group = 0; group < v.fs.groups; group++) {
		u32 first = group - group % v.fs.desc_per_block;
		u64 block = lnkfs_group_map_block(&v.fs, group, LNKFS_B_BITMAP) - 1;
		u8 *copy = v.dev.mem + (block << 10);

		if (!lnkfs_group_has_desc(&v.fs, group))
			continue;
		copies++;
		CHECK_EQ(lnkfs_verify_block(&v.fs, copy, LNKFS_B_GDESC, block, first, 0), 0);
		main_copy = v.dev.mem + (lnkfs_gdesc_block(&v.fs, group) << 10);
		CHECK(!memcmp(copy + 64, main_copy + 64, 1024 - 64));
	}
	CHECK_EQ(copies, 8);
	lnkfs_volume_close(&v);
}

/* A write that fails is not swallowed, wherever it happens. */
static void write_errors(void)
{
	struct lnkfs_format f = { .fast_symlink_max = ~0u, .meta_uuid = "x" };
	const char *why;
	u32 nth;
	int err = -EIO;

	for (nth = 1; err; nth++) {
		memset(&v, 0, sizeof(v));
		v.quiet = true;
		REQUIRE(lnkfs_dev_open_mem(&v.dev, 300 << 20) == 0);
		v.fault.write = nth;
		err = lnkfs_format_volume(&v, &f, &why);
		CHECK_EQ(err, v.fault.fired ? -EIO : 0);
		if (err)
			lnkfs_dev_close(&v.dev);
	}
	CHECK(nth > 10);
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static int check_err(void (*damage)(struct lnkfs_super_block *), const char *expect,
		     int expect_err)
{
	struct lnkfs_super_block sb = v.sb;
	const char *why;
	int err;

	damage(&sb);
	lnkfs_super_seal(&sb);
	err = lnkfs_super_check(&sb, 0, v.dev.bytes, &why);
	if (err != expect_err || !why || strcmp(why, expect))
		printf("# expected '%s', got %d '%s'\n", expect, err, why ? why : "");
	return err == expect_err && why && !strcmp(why, expect);
}

static int check(void (*damage)(struct lnkfs_super_block *), const char *expect)
{
	return check_err(damage, expect, -EFSCORRUPTED);
}

#define DAMAGE(name, what) static void name(struct lnkfs_super_block *sb) { what; }
DAMAGE(d_bits_low, sb->s_block_bits = 9)
DAMAGE(d_bits_high, sb->s_block_bits = 13)
DAMAGE(d_place, sb->s_blocknr = cpu_to_le64(7))
DAMAGE(d_links_low, sb->s_max_links = cpu_to_le32(1))
DAMAGE(d_links_high, sb->s_max_links = cpu_to_le32(0x80000000))
DAMAGE(d_errors, sb->s_errors = 4)
DAMAGE(d_errors0, sb->s_errors = 0)
DAMAGE(d_opts, sb->s_default_opts = cpu_to_le32(LNKFS_DEFOPT_ALL + 1))
DAMAGE(d_state, sb->s_state = cpu_to_le16(4))
DAMAGE(d_label, memset(sb->s_label, 'x', sizeof(sb->s_label)))
DAMAGE(d_mounted, memset(sb->s_last_mounted, 'x', sizeof(sb->s_last_mounted)))
DAMAGE(d_no_blocks, sb->s_blocks = 0)
DAMAGE(d_many_blocks, sb->s_blocks = cpu_to_le64(~0ULL))
DAMAGE(d_more_blocks, sb->s_blocks = cpu_to_le64(v.fs.blocks + 1))
DAMAGE(d_last, sb->s_blocks = cpu_to_le64(lnkfs_group_first(&v.fs, 3) + 20))
DAMAGE(d_reserved, sb->s_reserved_blocks = sb->s_blocks)
DAMAGE(d_fast, sb->s_fast_symlink_max = cpu_to_le32(873))
DAMAGE(d_root, sb->s_root_ino = 0)
DAMAGE(d_root2, sb->s_root_ino = cpu_to_le64(v.fs.blocks << 2))
DAMAGE(d_root3, sb->s_root_ino = cpu_to_le64(v.fs.journal_start << 2))
DAMAGE(d_lpf, sb->s_lpf_ino = cpu_to_le64(1))
DAMAGE(d_j_small, sb->s_journal_blocks = cpu_to_le32(1279))
DAMAGE(d_j_out, sb->s_journal_start = cpu_to_le64(v.fs.blocks - 1000))
DAMAGE(d_j_wrap, sb->s_journal_start = cpu_to_le64(~0ULL - 10))
DAMAGE(d_j_meta, sb->s_journal_start = cpu_to_le64(lnkfs_group_first(&v.fs, 1) + 3))
DAMAGE(d_j_cross, sb->s_journal_start = cpu_to_le64(lnkfs_group_first(&v.fs, 1) - 5))
DAMAGE(d_fc, sb->s_fc_blocks = sb->s_journal_blocks)
DAMAGE(d_fc_all, sb->s_fc_blocks = sb->s_journal_blocks;
       sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT))
DAMAGE(d_fc_huge, sb->s_fc_blocks = cpu_to_le32(0xfffffff0);
       sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT))
DAMAGE(d_fc_none, sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT))
DAMAGE(d_fc_ext, sb->s_journal_start = 0; sb->s_journal_blocks = 0;
       sb->s_feature_incompat |= cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT |
					     LNKFS_INCOMPAT_EXT_JOURNAL))

static void bad_superblocks(void)
{
	struct lnkfs_super_block sb;
	const char *why;

	REQUIRE(lnkfs_format_mem(&v, 40 << 20, 10, false) == 0);
	CHECK(check(d_bits_low, "impossible block size"));
	CHECK(check(d_bits_high, "impossible block size"));
	CHECK(check(d_place, "superblock in the wrong place"));
	CHECK(check(d_links_low, "impossible link limit"));
	CHECK(check(d_links_high, "impossible link limit"));
	CHECK(check(d_errors, "unknown error behaviour"));
	CHECK(check(d_errors0, "unknown error behaviour"));
	CHECK(check(d_opts, "unknown default mount options"));
	CHECK(check(d_state, "unknown state"));
	CHECK(check(d_label, "unterminated string"));
	CHECK(check(d_mounted, "unterminated string"));
	CHECK(check(d_no_blocks, "impossible size"));
	CHECK(check(d_many_blocks, "impossible size"));
	CHECK(check_err(d_more_blocks, "larger than the device", -EINVAL));
	CHECK(check(d_last, "last group too small"));
	CHECK(check(d_reserved, "impossible number of reserved blocks"));
	CHECK(check(d_fast, "impossible fast symlink limit"));
	CHECK(check(d_root, "impossible root inode number"));
	CHECK(check(d_root2, "impossible root inode number"));
	CHECK(check(d_root3, "impossible root inode number"));
	CHECK(check(d_lpf, "impossible lost+found inode number"));
	CHECK(check(d_j_small, "journal too small"));
	CHECK(check(d_j_out, "journal outside the volume"));
	CHECK(check(d_j_wrap, "journal outside the volume"));
	CHECK(check(d_j_meta, "journal over group metadata"));
	CHECK(check(d_j_cross, "journal not within one group"));
	CHECK(check(d_fc, "fast commit area without its feature"));
	CHECK(check(d_fc_all, "fast commit area too large"));
	CHECK(check(d_fc_huge, "fast commit area too large"));
	CHECK(check(d_fc_none, "fast commit area too small"));
	CHECK(check(d_fc_ext, "fast commits to an external journal"));

	sb = v.sb;
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), 0);
	CHECK_EQ(lnkfs_super_check(&sb, 1, 0, &why), 0);
	CHECK_EQ(lnkfs_super_check(&sb, 7680, 0, &why), -EFSCORRUPTED);
	sb.s_label[3] ^= 1;
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), -EFSBADCRC);
	sb.s_magic = 0;
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), -EINVAL);
	lnkfs_volume_close(&v);
}

static void features(void)
{
	const char *why;

	REQUIRE(lnkfs_format_mem(&v, 8 << 20, 0, false) == 0);
	v.sb.s_feature_compat = cpu_to_le32(0x80);
	CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
	CHECK_EQ(reopen(LNKFS_DEV_WRITE, &why), 0);
	v.sb.s_feature_ro_compat = cpu_to_le32(0x80);
	CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
	CHECK_EQ(reopen(LNKFS_DEV_WRITE, &why), -EROFS);
	CHECK_EQ(lnkfs_volume_open_dev(&v, 0, &why), 0);
	v.sb.s_feature_incompat = cpu_to_le32(0x80);
	CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
	CHECK_EQ(reopen(0, &why), -EOPNOTSUPP);
	CHECK_EQ(lnkfs_volume_open_dev(&v, LNKFS_VOL_ANY_FEATURE, &why), 0);
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static const struct tap_test tests[] = {
	{ "every size and block size", sizes },
	{ "too small a device", too_small },
	{ "the block size follows the size", block_size_by_size },
	{ "superblock backups", backups },
	{ "descriptor backups", descriptor_backups },
	{ "write errors", write_errors },
	{ "impossible superblocks", bad_superblocks },
	{ "unknown features", features },
};

TAP_MAIN(tests)
