// SPDX-License-Identifier: GPL-2.0
/*
 * External journals: what a journal device must be, volumes without a journal
 * inside, and faults while one is made.
 */
#include "check.h"
#include "format.h"
#include "journal.h"
#include "tap.h"

#define DEVICE	(8ULL << 20)

static struct lnkfs_journal_dev j;
static struct lnkfs_volume v;

static const struct lnkfs_format wanted = {
	.uuid = "the journal's id",
	.meta_uuid = "test meta uuid..",
	.label = "log",
	.now = 1,
};

/* A journal device in memory, read back. */
static void make(u32 bits)
{
	struct lnkfs_format f = wanted;
	const char *why;

	memset(&j, 0, sizeof(j));
	f.block_bits = bits;
	REQUIRE(lnkfs_dev_open_mem(&j.dev, DEVICE) == 0);
	REQUIRE(lnkfs_journal_dev_plan(&f, DEVICE, &j.sb, &why) == 0);
	memset(j.dev.mem, 0x5a, DEVICE);
	REQUIRE(lnkfs_journal_dev_make(&j.dev, &j.sb) == 0);
	memset(&j.sb, 0, sizeof(j.sb));
	REQUIRE(lnkfs_dev_read(&j.dev, LNKFS_SUPER_OFFSET, &j.sb, sizeof(j.sb)) == 0);
	REQUIRE(lnkfs_dev_read(&j.dev, le64_to_cpu(j.sb.s_journal_start) << bits, &j.js,
			       sizeof(j.js)) == 0);
}

static void good(void)
{
	u32 bits;

	for (bits = 10; bits <= 12; bits++) {
		u64 start = bits == 10 ? 2 : 1, at;
		const char *why;
		u32 dirty = 0;

		make(bits);
		CHECK_EQ(lnkfs_journal_dev_check(&j.sb, DEVICE, &why), 0);
		CHECK_EQ(lnkfs_journal_dev_check(&j.sb, 0, &why), 0);
		CHECK(!why);
		CHECK_EQ(le64_to_cpu(j.sb.s_journal_start), start);
		CHECK_EQ(le64_to_cpu(j.sb.s_blocks), DEVICE >> bits);
		CHECK_EQ(le32_to_cpu(j.sb.s_journal_blocks), (DEVICE >> bits) - start);
		CHECK_EQ(be32_to_cpu(j.js.s_maxlen), (DEVICE >> bits) - start);
		CHECK_EQ(be32_to_cpu(j.js.s_blocksize), 1 << bits);
		CHECK(!memcmp(j.js.s_uuid, wanted.uuid, 16));
		for (at = (start + 1) << bits; at < DEVICE; at++)
			dirty += j.dev.mem[at] != 0;
		CHECK_EQ(dirty, 0);
		lnkfs_dev_close(&j.dev);
	}
}

static void users(void)
{
	static const u8 one[16] = "one volume", two[16] = "another volume";

	make(12);
	CHECK(lnkfs_journal_dev_used(&j, NULL));
	CHECK(!lnkfs_journal_dev_used(&j, one));
	j.dev.mem[77777] = 1;
	CHECK_EQ(lnkfs_journal_dev_claim(&j, one), 0);
	CHECK_EQ(j.dev.mem[77777], 0);
	CHECK_EQ(lnkfs_dev_read(&j.dev, 4096, &j.js, sizeof(j.js)), 0);
	CHECK(lnkfs_journal_dev_used(&j, one));
	CHECK(!lnkfs_journal_dev_used(&j, two));
	CHECK(!lnkfs_journal_dev_used(&j, NULL));
	j.js.s_nr_users = cpu_to_be32(2);
	CHECK(!lnkfs_journal_dev_used(&j, one));
	lnkfs_dev_close(&j.dev);
}

static int plan(u64 device, u64 blocks, u64 log, u32 bits, const char *expect)
{
	struct lnkfs_format f = wanted;
	struct lnkfs_super_block sb;
	const char *why;
	int err;

	f.blocks = blocks;
	f.journal_bytes = log;
	f.block_bits = bits;
	err = lnkfs_journal_dev_plan(&f, device, &sb, &why);
	if (!expect)
		return !err && !why;
	return err == -EINVAL && why && !strcmp(why, expect);
}

static void plans(void)
{
	static const char small[] = "journal too small (1280 blocks are the least)";
	static const char large[] = "larger than the device";

	CHECK(plan(1281 * 4096, 0, 0, 0, NULL));
	CHECK(plan(1281 * 4096 - 1, 0, 0, 0, small));
	CHECK(plan(1282 * 1024, 0, 0, 10, NULL));
	CHECK(plan(1281 * 1024, 0, 0, 10, small));
	CHECK(plan(0, 0, 0, 0, small));
	CHECK(plan(DEVICE, 2048, 0, 12, NULL));
	CHECK(plan(DEVICE, 2049, 0, 12, large));
	CHECK(plan(DEVICE, 0, 2047 << 12, 12, NULL));
	CHECK(plan(DEVICE, 0, 2048 << 12, 12, large));
	CHECK(plan(DEVICE, 0, 1280 << 12, 12, NULL));
	CHECK(plan(DEVICE, 0, 1279 << 12, 12, small));
	/* More than jbd2 can count is left over. */
	CHECK(plan(1ULL << 50, 0, 0, 12, NULL));
}

static int check(void (*damage)(struct lnkfs_super_block *), int expect_err, const char *expect)
{
	struct lnkfs_super_block sb = j.sb;
	const char *why;
	int err;

	damage(&sb);
	lnkfs_super_seal(&sb);
	err = lnkfs_journal_dev_check(&sb, DEVICE, &why);
	if (err != expect_err || !why || strcmp(why, expect))
		printf("# expected '%s', got %d '%s'\n", expect, err, why ? why : "");
	return err == expect_err && why && !strcmp(why, expect);
}

#define DAMAGE(name, what) static void name(struct lnkfs_super_block *sb) { what; }
DAMAGE(d_magic, sb->s_magic = 0)
DAMAGE(d_volume, sb->s_feature_incompat = 0)
DAMAGE(d_feature, sb->s_feature_incompat = cpu_to_le32(0x80000001))
DAMAGE(d_both, sb->s_feature_incompat = cpu_to_le32(3))
DAMAGE(d_bits_low, sb->s_block_bits = 9)
DAMAGE(d_bits_high, sb->s_block_bits = 13)
DAMAGE(d_bits_wild, sb->s_block_bits = 255)
DAMAGE(d_bits_other, sb->s_block_bits = 10)
DAMAGE(d_place, sb->s_blocknr = cpu_to_le64(7))
DAMAGE(d_start, sb->s_journal_start = 0)
DAMAGE(d_start2, sb->s_journal_start = cpu_to_le64(2))
DAMAGE(d_start_wild, sb->s_journal_start = cpu_to_le64(~0ULL))
DAMAGE(d_small, sb->s_journal_blocks = cpu_to_le32(1279))
DAMAGE(d_none, sb->s_journal_blocks = 0)
DAMAGE(d_huge, sb->s_journal_blocks = cpu_to_le32(0x80000000))
DAMAGE(d_long, sb->s_journal_blocks = cpu_to_le32(2048))
DAMAGE(d_no_blocks, sb->s_blocks = 0)
DAMAGE(d_all_blocks, sb->s_blocks = cpu_to_le64(~0ULL))
DAMAGE(d_more_blocks, sb->s_blocks = cpu_to_le64(2049))

static void damaged(void)
{
	struct lnkfs_super_block sb;
	const char *why;

	make(12);
	CHECK(check(d_magic, -EINVAL, "not a journal device"));
	CHECK(check(d_volume, -EINVAL, "a volume, not a journal device"));
	CHECK(check(d_feature, -EINVAL, "unknown incompatible features"));
	CHECK(check(d_both, -EINVAL, "unknown incompatible features"));
	CHECK(check(d_bits_low, -EFSCORRUPTED, "impossible block size"));
	CHECK(check(d_bits_high, -EFSCORRUPTED, "impossible block size"));
	CHECK(check(d_bits_wild, -EFSCORRUPTED, "impossible block size"));
	CHECK(check(d_bits_other, -EFSCORRUPTED, "superblock in the wrong place"));
	CHECK(check(d_place, -EFSCORRUPTED, "superblock in the wrong place"));
	CHECK(check(d_start, -EFSCORRUPTED, "log in the wrong place"));
	CHECK(check(d_start2, -EFSCORRUPTED, "log in the wrong place"));
	CHECK(check(d_start_wild, -EFSCORRUPTED, "log in the wrong place"));
	CHECK(check(d_small, -EFSCORRUPTED, "impossible size of the log"));
	CHECK(check(d_none, -EFSCORRUPTED, "impossible size of the log"));
	CHECK(check(d_huge, -EFSCORRUPTED, "impossible size of the log"));
	CHECK(check(d_long, -EFSCORRUPTED, "log outside the device"));
	CHECK(check(d_no_blocks, -EFSCORRUPTED, "log outside the device"));
	CHECK(check(d_all_blocks, -EFSCORRUPTED, "log outside the device"));
	CHECK(check(d_more_blocks, -EINVAL, "larger than the device"));
	sb = j.sb;
	sb.s_label[0] ^= 1;
	CHECK_EQ(lnkfs_journal_dev_check(&sb, DEVICE, &why), -EFSBADCRC);
	lnkfs_dev_close(&j.dev);
}

static void make_volume(void)
{
	struct lnkfs_format f = wanted;
	const char *why;

	memset(&v, 0, sizeof(v));
	f.fast_symlink_max = ~0u;
	f.ext_journal = true;
	f.block_bits = 10;
	memcpy(f.journal_uuid, wanted.uuid, 16);
	f.journal_devnum = 0x810;
	REQUIRE(lnkfs_dev_open_mem(&v.dev, 40 << 20) == 0);
	REQUIRE(lnkfs_format_volume(&v, &f, &why) == 0);
}

static void volume(void)
{
	struct lnkfs_fsck_result res;
	struct lnkfs_super_block sb;
	const char *why;

	make_volume();
	CHECK_EQ(le32_to_cpu(v.sb.s_feature_incompat), LNKFS_INCOMPAT_EXT_JOURNAL);
	CHECK_EQ(le32_to_cpu(v.sb.s_journal_dev), 0x810);
	CHECK_EQ(v.fs.journal_blocks, 0);
	CHECK_EQ(lnkfs_fsck_volume(&v, NULL, NULL, &res), 0);
	CHECK_EQ(res.problems, 0);
	/* Nothing but the groups' own blocks and a cluster of inodes. */
	CHECK_EQ(res.used_blocks, lnkfs_group_overhead_total(&v.fs) + res.inode_blocks);

	sb = v.sb;
	sb.s_journal_blocks = cpu_to_le32(2000);
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), -EFSCORRUPTED);
	CHECK(why && !strcmp(why, "journal both inside and outside"));
	sb = v.sb;
	memset(sb.s_journal_uuid, 0, 16);
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), -EFSCORRUPTED);
	CHECK(why && !strcmp(why, "external journal without a UUID"));
	/* Without the feature there is no journal at all. */
	sb = v.sb;
	sb.s_feature_incompat = 0;
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, v.dev.bytes, &why), -EFSCORRUPTED);
	CHECK(why && !strcmp(why, "journal too small"));
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

/* A copy of the superblock that names another journal is another volume's. */
static void backups(void)
{
	struct lnkfs_fsck_result res;
	struct lnkfs_super_block *sb;

	make_volume();
	sb = (void *)(v.dev.mem + (lnkfs_group_first(&v.fs, 1) << 10));
	sb->s_journal_uuid[0] ^= 1;
	lnkfs_super_seal(sb);
	CHECK_EQ(lnkfs_fsck_volume(&v, NULL, NULL, &res), 0);
	CHECK_EQ(res.problems, 1);
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static const struct tap_test tests[] = {
	{ "a good journal device", good },
	{ "one user", users },
	{ "sizes", plans },
	{ "damaged superblocks", damaged },
	{ "a volume with an external journal", volume },
	{ "its backups", backups },
};

TAP_MAIN(tests)
