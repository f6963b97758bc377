// SPDX-License-Identifier: GPL-2.0
/*
 * Fast commits: records are made of what the core really changes, written behind the log as
 * the kernel does it, and read back, whole and damaged. That the kernel's are read as the
 * kernel reads them is shown by tests/crashlog.
 */
#include "build.h"
#include "fixture.h"
#include "journal.h"
#include "log.h"
#include "log_format.h"

#define RECORDS	6
#define TID	9

static struct lnkfs_volume vol;
static struct lnkfs_fs *const fs = &vol.fs;
static u8 *before;		/* the device as the log leaves it */
static u8 *shadow[RECORDS + 1];	/* as it is after each record */
static u8 *record[RECORDS];
static u32 record_len[RECORDS];
static u32 record_at[RECORDS];
static struct lnkfs_fast_id record_id[RECORDS];
static size_t bytes;

static u8 *at_block(u8 *device, u64 block)
{
	return device + (block << fs->block_bits);
}

/* Links, files in blocks, attributes: a few at a time, in directories that become larger. */
static void change(u32 round)
{
	struct lnkfs_build_attr a = { .mode = S_IFLNK | 0777, .mtime = round + 1 };
	char path[64], target[600];
	struct lnkfs_builder b;
	struct lnkfs_node *node;
	u32 i;

	REQUIRE(!lnkfs_build_begin(&b, &vol));
	for (i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "/link-%u-%u-%040u", round, i, i);
		memset(target, 'a' + (int)i, sizeof(target));
		target[i == 4 ? 599 : 20 + i] = 0;
		a.target = target;
		REQUIRE(!lnkfs_build_add(&b, path, &a, &node));
	}
	a = (struct lnkfs_build_attr){ .mode = S_IFREG | 0644, .mtime = round + 1 };
	snprintf(path, sizeof(path), "/file-%u", round);
	REQUIRE(!lnkfs_build_add(&b, path, &a, &node));
	REQUIRE(!lnkfs_build_data(&b, 0, path, sizeof(path)));
	REQUIRE(!lnkfs_build_done(&b, sizeof(path)));
	REQUIRE(!lnkfs_build_end(&b));
}

static enum lnkfs_btype type_of(const u8 *data, u64 block)
{
	u32 magic = le32_to_cpu(((const struct lnkfs_block_header *)data)->h_magic);
	enum lnkfs_btype type = lnkfs_type_of_magic(magic);

	if (type != LNKFS_B_TYPES)
		return type;
	return lnkfs_verify_block(fs, data, LNKFS_B_INODE, block, LNKFS_ANY_OWNER, 0) ?
	       LNKFS_B_RAW : LNKFS_B_INODE;
}

/* What has changed since the last record; what was not there is fresh. */
static void make_record(u32 n, u32 room)
{
	u8 scratch[1 << LNKFS_MAX_BLOCK_BITS];
	struct lnkfs_fast_writer w;
	u64 block;

	REQUIRE(!lnkfs_cache_drop(&vol));
	memcpy(shadow[n + 1], shadow[n], bytes);
	lnkfs_fast_begin(&w, fs, record[n], room, scratch);
	for (block = 0; block < fs->blocks; block++) {
		u8 *old = at_block(shadow[n + 1], block);
		u8 *new = at_block(vol.dev.mem, block);

		if (!memcmp(old, new, fs->block_size))
			continue;
		REQUIRE(!lnkfs_fast_add(&w, block, type_of(new, block),
					!memchr_inv(old, 0, fs->block_size), old, new));
		CHECK(!memcmp(old, new, fs->block_size));
	}
	CHECK(w.count > 2);
	record_at[n] = n ? record_at[n - 1] + (record_len[n - 1] >> fs->block_bits) : 1;
	record_id[n] = (struct lnkfs_fast_id){
		.tid = TID,
		.number = n,
		.before = n ? record_id[n - 1].sum : 0,
	};
	record_len[n] = lnkfs_fast_end(&w, lnkfs_fast_area(fs) + record_at[n], &record_id[n]);
}

static void log_super(u32 start, u32 sequence)
{
	struct jbd2_super *js = (void *)at_block(vol.dev.mem, fs->journal_start);

	js->s_start = cpu_to_be32(start);
	js->s_sequence = cpu_to_be32(sequence);
}

static void write_record(u32 n)
{
	memcpy(at_block(vol.dev.mem, lnkfs_fast_area(fs) + record_at[n]), record[n],
	       record_len[n]);
}

/* A volume that crashed when the records had been written, its log empty since @sequence. */
static void crash(u32 sequence)
{
	u32 i;

	memcpy(vol.dev.mem, before, bytes);
	for (i = 0; i < RECORDS; i++)
		write_record(i);
	log_super(0, sequence);
}

/* They were being applied. */
static void mark_replay(void)
{
	u64 area = lnkfs_fast_area(fs);

	lnkfs_fast_head_make(fs, at_block(vol.dev.mem, area), area, TID);
}

static void begin(u32 bits)
{
	struct lnkfs_format f = {
		.block_bits = bits,
		.fast_symlink_max = ~0u,
		.fast_commit = LNKFS_FAST_ALWAYS,
		.meta_uuid = "test meta uuid..",
		.hash_seed = "test hash seed..",
		.now = 1,
	};
	const char *why;
	u32 i;

	memset(&vol, 0, sizeof(vol));
	REQUIRE(!lnkfs_dev_open_mem(&vol.dev, 32 * MIB));
	REQUIRE(!lnkfs_format_volume(&vol, &f, &why));
	REQUIRE(fs->fast_blocks >= LNKFS_MIN_FAST_BLOCKS);
	REQUIRE(!lnkfs_cache_drop(&vol));
	bytes = fs->blocks << bits;
	before = malloc(bytes);
	REQUIRE(before);
	memcpy(before, vol.dev.mem, bytes);
	for (i = 0; i <= RECORDS; i++) {
		shadow[i] = malloc(bytes);
		REQUIRE(shadow[i]);
	}
	memcpy(shadow[0], before, bytes);
	for (i = 0; i < RECORDS; i++) {
		record[i] = malloc(LNKFS_FAST_RECORD_MAX);
		REQUIRE(record[i]);
		change(i);
		make_record(i, LNKFS_FAST_RECORD_MAX);
	}
	REQUIRE(!lnkfs_cache_drop(&vol));
}

static void end(void)
{
	u32 i;

	for (i = 0; i <= RECORDS; i++)
		free(shadow[i]);
	for (i = 0; i < RECORDS; i++)
		free(record[i]);
	free(before);
	volume_done(&vol);
}

/* Is the device what it was after so many records, but for the journal? */
static bool same(const u8 *device)
{
	u64 from = fs->journal_start << fs->block_bits;
	u64 to = from + ((u64)fs->journal_blocks << fs->block_bits);

	return !memcmp(device, vol.dev.mem, from) &&
	       !memcmp(device + to, vol.dev.mem + to, bytes - to);
}

static int open_log(struct lnkfs_log *log)
{
	const char *why;

	return lnkfs_volume_log_open(&vol, NULL, 0, log, &why);
}

/* How many count; replay them, and be left with what they say. */
static void expect(u32 count, u32 bad)
{
	struct lnkfs_log log;
	u8 data[1 << LNKFS_MAX_BLOCK_BITS];
	u64 i;

	CHECK_EQ(open_log(&log), 0);
	CHECK_EQ(log.fast, count);
	CHECK_EQ(lnkfs_log_pending(&log), count > 0);
	CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
	CHECK_EQ(log.bad_blocks, bad);
	/* read through */
	vol.dev.overlay = &log;
	for (i = 0; !bad && i < log.nr_entries; i++) {
		CHECK_EQ(lnkfs_dev_read(&vol.dev, log.entries[i].block << fs->block_bits, data,
					fs->block_size), 0);
		CHECK(!memcmp(data, at_block(shadow[count], log.entries[i].block), fs->block_size));
	}
	vol.dev.overlay = NULL;
	/* a crash in the midst of it, which has it done again */
	for (i = 0; i < log.nr_entries / 2; i++) {
		CHECK_EQ(lnkfs_log_read(&log, &log.entries[i], data), 0);
		memcpy(at_block(vol.dev.mem, log.entries[i].block), data, fs->block_size / 2);
	}
	lnkfs_log_free(&log);
	CHECK_EQ(open_log(&log), 0);
	CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
	CHECK_EQ(log.bad_blocks, bad);
	CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
	CHECK_EQ(lnkfs_log_reset(&log, fs), 0);
	lnkfs_log_free(&log);
	CHECK_EQ(open_log(&log), 0);
	CHECK(!lnkfs_log_pending(&log));
	CHECK(!log.fast_marked);
	lnkfs_log_free(&log);
}

static void test_replay(void)
{
	u32 b;

	for (b = 0; b < 3; b++) {
		begin(fixture_bits[b]);
		CHECK(same(shadow[RECORDS]));
		/* as the first transaction after a mount, and after the log was flushed */
		crash(TID - 1);
		expect(RECORDS, 0);
		CHECK(same(shadow[RECORDS]));
		crash(TID);
		expect(RECORDS, 0);
		CHECK(same(shadow[RECORDS]));
		end();
	}
}

/* Records of transactions that the log holds, or has held, are nothing. */
static void test_obsolete(void)
{
	u32 i;

	begin(12);
	crash(TID + 1);
	expect(0, 0);
	CHECK(same(before));
	/* unless somebody was just applying them, however often that was tried */
	for (i = 0; i < 5; i++) {
		crash(TID - 1 + i);
		mark_replay();
		expect(RECORDS, 0);
		CHECK(same(shadow[RECORDS]));
	}
	end();
}

/* The volume has been opened, and cannot say what counts; it can be put in order. */
static void expect_damaged(u32 count)
{
	struct lnkfs_log log;

	CHECK_EQ(open_log(&log), -EFSCORRUPTED);
	CHECK(log.fast_damaged);
	CHECK(lnkfs_log_pending(&log));
	CHECK_EQ(log.fast, count);
	CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
	CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
	CHECK_EQ(lnkfs_log_reset(&log, fs), 0);
	CHECK(same(count ? shadow[count] : before));
	lnkfs_log_free(&log);
	CHECK_EQ(open_log(&log), 0);
	CHECK(!lnkfs_log_pending(&log));
	lnkfs_log_free(&log);
}

/* What was being applied is not there: nobody can know what was promised. */
static void test_gone(void)
{
	begin(12);
	crash(TID - 1);
	mark_replay();
	at_block(vol.dev.mem, lnkfs_fast_area(fs) + 1)[9] ^= 1;
	expect_damaged(0);
	end();
}

/* Nor can it when the head is damaged, whatever it said. */
static void test_head(void)
{
	u32 at;

	begin(12);
	for (at = 0; at < sizeof(struct lnkfs_fast_head); at++) {
		crash(at % 2 ? TID - 1 : TID + 1);
		mark_replay();
		at_block(vol.dev.mem, lnkfs_fast_area(fs))[at] ^= 4;
		expect_damaged(at % 2 ? RECORDS : 0);
	}
	end();
}

/* A record that is right, of the right number, but not of this sequence of records. */
static void test_chain(void)
{
	u8 scratch[4096], old[4096], new[4096], *other = malloc(LNKFS_FAST_RECORD_MAX);
	struct lnkfs_fast_id id = { .tid = TID, .number = 3 };
	struct lnkfs_fast_writer w;
	struct lnkfs_log log;
	int off;
	u64 at;
	u32 len;

	REQUIRE(other);
	begin(12);
	at = lnkfs_fast_area(fs) + record_at[3];
	for (off = -1; off <= 1; off++) {
		memcpy(old, at_block(shadow[3], fs->journal_start - 1), sizeof(old));
		memcpy(new, old, sizeof(new));
		new[8] ^= 1;
		lnkfs_fast_begin(&w, fs, other, LNKFS_FAST_RECORD_MAX, scratch);
		REQUIRE(!lnkfs_fast_add(&w, fs->journal_start - 1, LNKFS_B_RAW, false, old, new));
		id.before = record_id[2].sum + (u32)off;
		len = lnkfs_fast_end(&w, at, &id);
		crash(TID - 1);
		memcpy(at_block(vol.dev.mem, at), other, len);
		CHECK_EQ(open_log(&log), 0);
		CHECK_EQ(log.fast, off ? 3 : 4);
		CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
		CHECK_EQ(log.bad_blocks, 0);
		CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
		CHECK_EQ(same(shadow[3]), off != 0);
		lnkfs_log_free(&log);
	}
	free(other);
	end();
}

/* When do the records of a transaction count? */
static void test_due(void)
{
	/* the first one of the log, the first that is not whole, empty, being applied */
	static const struct {
		int first;
		int next;
		bool empty;
		bool marked;
		int due;
	} cases[] = {
		{ -5, 0, false, false, 1 }, { 0, 0, false, false, 1 }, { -5, -1, false, false, -EFSCORRUPTED },
		{ -5, 1, false, false, 0 }, { 1, 1, false, false, 0 },
		{ 0, 0, true, false, 1 }, { -1, -1, true, false, 1 }, { -2, -2, true, false, -EFSCORRUPTED },
		{ 1, 1, true, false, 0 },
		/* before the log is replayed, and when it is new */
		{ -5, 0, false, true, 1 }, { 1, 1, false, true, 1 }, { 7, 7, false, true, 1 },
		/* applied, by another transaction or its own; committed after all */
		{ 1, 2, false, true, 1 }, { 0, 1, false, true, 0 }, { -5, 1, false, true, 0 },
		{ -5, 9, false, true, 0 },
		{ -1, -1, true, true, 1 }, { 0, 0, true, true, 1 }, { 3, 3, true, true, 1 },
		/* the log is damaged */
		{ -5, -1, false, true, -EFSCORRUPTED }, { -2, -2, true, true, -EFSCORRUPTED },
	};
	static const u32 tids[] = { TID, 0, ~0u, 0x80000000 };
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (k = 0; k < ARRAY_SIZE(tids); k++)
			CHECK_EQ(lnkfs_fast_due(tids[k], tids[k] + (u32)cases[i].first,
						tids[k] + (u32)cases[i].next, cases[i].empty,
						cases[i].marked), cases[i].due);
	}
}

/* A right commit block, somewhere in the log. */
static void put_commit(const struct jbd2_super *js, u32 at, u32 sequence)
{
	u8 *data = at_block(vol.dev.mem, fs->journal_start + at);
	struct log_commit *c = (void *)data;

	memset(data, 0, fs->block_size);
	c->c_header.h_magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	c->c_header.h_blocktype = cpu_to_be32(JBD2_COMMIT_BLOCK);
	c->c_header.h_sequence = cpu_to_be32(sequence);
	c->c_chksum[0] = cpu_to_be32(lnkfs_crc32c(lnkfs_crc32c(~0u, js->s_uuid,
							       sizeof(js->s_uuid)),
						  data, fs->block_size));
}

/* A log of transactions TID - 3 to TID - 1, of which the last but @bad is damaged. */
static void damaged_log(u32 bad)
{
	struct jbd2_super *js = (void *)at_block(vol.dev.mem, fs->journal_start);
	__be32 sum;
	u32 i;

	crash(TID - 3);
	js->s_start = cpu_to_be32(1);
	js->s_feature_incompat = cpu_to_be32(LOG_FEATURES);
	sum = cpu_to_be32(lnkfs_log_super_checksum(js));
	memcpy((u8 *)js + JBD2_CHECKSUM_AT, &sum, sizeof(sum));
	for (i = 0; i < 3; i++)
		put_commit(js, 1 + i, TID - 3 + i);
	at_block(vol.dev.mem, fs->journal_start + 3 - bad)[40] ^= 1;
	mark_replay();
}

/* An empty log that ends before them: nobody mounts that, and it can be put in order. */
static void test_behind(void)
{
	struct lnkfs_log log;

	begin(12);
	crash(TID - 2);
	CHECK_EQ(open_log(&log), 0);
	CHECK(log.damaged && lnkfs_log_pending(&log));
	CHECK_EQ(log.newest, TID);
	CHECK_EQ(log.fast, 0);
	CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
	CHECK_EQ(log.nr_entries, 0);
	CHECK_EQ(lnkfs_log_reset(&log, fs), 0);
	lnkfs_log_free(&log);
	CHECK(same(before));
	CHECK_EQ(open_log(&log), 0);
	CHECK(!lnkfs_log_pending(&log));
	CHECK_EQ(log.sequence, TID + 1);
	lnkfs_log_free(&log);
	end();
}

/* They were to be applied, but jbd2 could not replay what they follow. */
static void test_damaged(void)
{
	struct lnkfs_log log;
	u32 bad;

	begin(12);
	for (bad = 0; bad < 2; bad++) {
		damaged_log(bad);
		CHECK_EQ(open_log(&log), 0);
		CHECK_EQ(log.commits, 2 - bad);
		CHECK(log.damaged);
		CHECK_EQ(log.newest, TID);
		CHECK_EQ(log.fast, 0);
		CHECK_EQ(lnkfs_log_collect(&log, fs), 0);
		CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
		CHECK(same(before));
		CHECK_EQ(lnkfs_log_reset(&log, fs), 0);
		lnkfs_log_free(&log);
		CHECK_EQ(open_log(&log), 0);
		CHECK(!lnkfs_log_pending(&log) && !log.fast_marked);
		CHECK_EQ(log.sequence, TID + 1);
		lnkfs_log_free(&log);
	}
	end();
}

/* A record that is torn ends the list, whichever of its bytes is wrong. */
static void test_torn(void)
{
	u32 n, pos, step;

	begin(10);
	for (n = 0; n < RECORDS; n++) {
		const struct lnkfs_fast_record *r = (const void *)record[n];
		u32 used = le32_to_cpu(r->r_bytes);

		step = used / 9;
		for (pos = n; pos < used; pos += step) {
			crash(TID - 1);
			at_block(vol.dev.mem, lnkfs_fast_area(fs) + record_at[n])[pos] ^= 0x10;
			expect(n, 0);
			CHECK(same(shadow[n]));
		}
	}
	/* written behind another transaction's, and numbered wrongly */
	crash(TID - 1);
	memcpy(at_block(vol.dev.mem, lnkfs_fast_area(fs) + record_at[3]), record[4],
	       record_len[4]);
	expect(3, 0);
	CHECK(same(shadow[3]));
	end();
}

/* Blocks that are not as they were when the record was made. */
static void test_misfit(void)
{
	struct lnkfs_fast_item item;
	u32 pos = 0;

	begin(12);
	crash(TID - 1);
	REQUIRE(lnkfs_fast_next(fs, record[2], &pos, &item) == 1 && !item.fresh);
	at_block(vol.dev.mem, item.block)[fs->block_size - 1] ^= 1;
	memcpy(before, vol.dev.mem, bytes);
	/* the block is in all of them */
	expect(RECORDS, RECORDS);
	CHECK(same(before));
	end();
}

/* Without room a record is refused, and stays as it was. */
static void test_room(void)
{
	u8 scratch[4096], old[4096] = {}, new[4096] = {}, data[8192];
	struct lnkfs_fast_writer w;
	u64 block;

	begin(12);
	block = fs->journal_start - 1;
	lnkfs_fast_begin(&w, fs, data, sizeof(data), scratch);
	CHECK_EQ(lnkfs_fast_add(&w, block, LNKFS_B_RAW, false, old, new), 0);
	CHECK_EQ(w.count, 0);
	CHECK_EQ(lnkfs_fast_add(&w, block, LNKFS_B_RAW, true, old, new), 0);
	CHECK_EQ(w.count, 1);
	memset(new, 1, sizeof(new));
	CHECK_EQ(lnkfs_fast_add(&w, block, LNKFS_B_RAW, false, old, new), 0);
	CHECK(!memcmp(old, new, sizeof(new)));
	memset(new, 2, sizeof(new));
	CHECK_EQ(lnkfs_fast_add(&w, block, LNKFS_B_RAW, false, old, new), -E2BIG);
	CHECK_EQ(old[0], 1);
	CHECK_EQ(w.count, 2);
	end();
}

/* Records that somebody made up, with right checksums: never past a block or the record. */
static void test_forged(void)
{
	struct lnkfs_fast_record *r;
	struct lnkfs_fast_item item;
	u8 image[4096], data[4096];
	u32 n, i, pos, seed = 1, end_of;
	struct lnkfs_fast_id id;
	enum lnkfs_btype type;
	int ret;

	begin(12);
	r = (void *)data;
	for (n = 0; n < 20000; n++) {
		memcpy(data, record[n % RECORDS], sizeof(data));
		for (i = 0; i < 1 + n % 5; i++) {
			seed = seed * 1103515245 + 12345;
			data[sizeof(*r) + (seed >> 8) % 600] = (u8)(seed >> 20);
		}
		seed = seed * 1103515245 + 12345;
		end_of = n % 3 ? min_t(u32, le32_to_cpu(r->r_bytes), sizeof(data)) :
			 (u32)sizeof(*r) + (seed >> 8) % (u32)(sizeof(data) - sizeof(*r));
		r->r_bytes = cpu_to_le32(end_of);
		r->r_header.h_checksum = cpu_to_le32(
			lnkfs_crc_around(fs->csum_seed, data,
					 offsetof(struct lnkfs_block_header, h_checksum), end_of));
		REQUIRE(lnkfs_fast_check(fs, data, sizeof(data),
					 lnkfs_fast_area(fs) + record_at[n % RECORDS], &id));
		for (pos = 0; (ret = lnkfs_fast_next(fs, data, &pos, &item)) > 0;) {
			memset(image, 0, sizeof(image));
			lnkfs_fast_apply(fs, &item, image);
			lnkfs_fast_finish(fs, &item, image, &type);
			REQUIRE(item.block < fs->blocks);
			REQUIRE(item.block < fs->journal_start ||
				item.block >= fs->journal_start + fs->journal_blocks);
		}
		CHECK(ret == 0 || ret == -EFSCORRUPTED);
	}
	end();
}

static const struct tap_test tests[] = {
	{ "records bring a volume to where they were made", test_replay },
	{ "records that a commit has overtaken", test_obsolete },
	{ "records that are gone while they are applied", test_gone },
	{ "a damaged head", test_head },
	{ "records of another sequence", test_chain },
	{ "when records count", test_due },
	{ "records behind what is damaged in the log", test_damaged },
	{ "records behind an empty log", test_behind },
	{ "torn records", test_torn },
	{ "records for other blocks", test_misfit },
	{ "room", test_room },
	{ "forged records", test_forged },
};

TAP_MAIN(tests)
