// SPDX-License-Identifier: GPL-2.0
/*
 * The reader of jbd2 logs: logs are written here block by block, and damaged. The
 * writer's are read back.
 * That jbd2's own logs are read as jbd2 reads them is shown by tests/crash.
 */
#include "fixture.h"
#include "journal.h"
#include "log.h"

#define LOG_V3	0x13	/* revoke, 64 bit, checksums of version 3 */

static struct lnkfs_volume vol;
static u32 at, sequence, seed;

static u64 journal_byte(u32 block)
{
	return (vol.fs.journal_start + block) << vol.fs.block_bits;
}

static u32 ring_next(u32 block)
{
	return block + 1 == vol.fs.journal_blocks ? 1 : block + 1;
}

static void put32(u8 *p, u32 v)
{
	__be32 x = cpu_to_be32(v);

	memcpy(p, &x, sizeof(x));
}

static void write_block(const u8 *data)
{
	REQUIRE(!lnkfs_dev_write(&vol.dev, journal_byte(at), data, vol.fs.block_size));
	at = ring_next(at);
}

static void write_super(u32 start, u32 first_sequence, u32 features)
{
	u8 data[4096] = {};

	REQUIRE(!lnkfs_dev_read(&vol.dev, journal_byte(0), data, vol.fs.block_size));
	put32(data + 0x18, first_sequence);
	put32(data + 0x1c, start);
	put32(data + 0x28, features);
	put32(data + 0xfc, 0);
	put32(data + 0xfc, lnkfs_crc32c(~0u, data, 1024));
	REQUIRE(!lnkfs_dev_write(&vol.dev, journal_byte(0), data, vol.fs.block_size));
	seed = lnkfs_crc32c(~0u, data + 0x30, 16);
}

static void head(u8 *data, u32 type)
{
	memset(data, 0, vol.fs.block_size);
	put32(data, JBD2_MAGIC_NUMBER);
	put32(data + 4, type);
	put32(data + 8, sequence);
}

static void seal(u8 *data, u32 pos)
{
	put32(data + pos, 0);
	put32(data + pos, lnkfs_crc32c(seed, data, vol.fs.block_size));
}

/* A block of the volume filled with @byte, its log copy spoilt if so asked. */
static void log_blocks(const u64 *blocks, const u8 *bytes, u32 n, bool spoil)
{
	u8 desc[4096], data[4096];
	__be32 seq = cpu_to_be32(sequence);
	u32 i, pos = 12, start = at, flags;

	head(desc, 1);
	at = ring_next(at);
	for (i = 0; i < n; i++) {
		memset(data, bytes[i], vol.fs.block_size);
		flags = i ? 2 : 0;
		if (i + 1 == n)
			flags |= 8;
		/* zeroes stand for a block that begins with jbd2's magic number */
		if (!bytes[i])
			flags |= 1;
		put32(desc + pos, (u32)blocks[i]);
		put32(desc + pos + 4, flags);
		put32(desc + pos + 8, (u32)(blocks[i] >> 32));
		put32(desc + pos + 12, lnkfs_crc32c(lnkfs_crc32c(seed, &seq, sizeof(seq)), data,
						   vol.fs.block_size));
		pos += i ? 16 : 32;
		if (spoil)
			data[77] ^= 1;
		write_block(data);
	}
	seal(desc, vol.fs.block_size - 4);
	i = at;
	at = start;
	write_block(desc);
	at = i;
}

static void log_one(u64 block, u8 byte)
{
	log_blocks(&block, &byte, 1, false);
}

static void log_revoke(u64 block)
{
	u8 data[4096];

	head(data, 5);
	put32(data + 12, 24);
	put32(data + 16, (u32)(block >> 32));
	put32(data + 20, (u32)block);
	seal(data, vol.fs.block_size - 4);
	write_block(data);
}

static void log_commit_at(u32 seconds)
{
	u8 data[4096];

	head(data, 2);
	put32(data + 0x34, seconds);
	put32(data + 0x38, 5678);
	seal(data, 0x10);
	write_block(data);
	sequence++;
}

static void log_commit(void)
{
	log_commit_at(1234);
}

static void begin_at(u32 bits, u32 start, u32 first_sequence)
{
	volume_make(&vol, 64 * MIB, bits);
	REQUIRE(!lnkfs_cache_drop(&vol));
	at = start;
	sequence = first_sequence;
	write_super(start, first_sequence, LOG_V3);
}

static void begin(void)
{
	begin_at(12, 1, 7);
}

static int open_log(struct lnkfs_log *log)
{
	const char *why;

	return lnkfs_log_open(log, &vol.dev, journal_byte(0), vol.fs.journal_blocks,
			      vol.fs.block_size, &why);
}

static int collect_log(struct lnkfs_log *log)
{
	int err = open_log(log);

	if (!err)
		err = lnkfs_log_scan(log);
	return err ? err : lnkfs_log_collect(log, &vol.fs);
}

/* Blocks beside the journal, which nobody uses. */
static u64 free_block(u32 n)
{
	return vol.fs.journal_start - 1 - n;
}

static u8 byte_of(u64 block, u32 pos)
{
	u8 data[4096];

	REQUIRE(!lnkfs_dev_read(&vol.dev, block << vol.fs.block_bits, data, vol.fs.block_size));
	return data[pos];
}

static void test_empty(void)
{
	struct lnkfs_log log;

	volume_make(&vol, 64 * MIB, 12);
	CHECK_EQ(open_log(&log), 0);
	CHECK_EQ(log.start, 0);
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 0);
	CHECK_EQ(log.nr_entries, 0);
	lnkfs_log_free(&log);
	volume_done(&vol);
}

static void test_replay(void)
{
	u64 blocks[3];
	const u8 bytes[3] = { 0x11, 0x22, 0 };
	const __be32 magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	struct lnkfs_log log;
	u32 i, b;

	for (b = 0; b < 3; b++) {
		begin_at(fixture_bits[b], 1, 0xfffffffe);	/* the numbers wrap */
		for (i = 0; i < 3; i++)
			blocks[i] = free_block(i);
		log_blocks(blocks, bytes, 3, false);
		log_commit();
		log_one(blocks[1], 0x33);
		log_commit();
		log_one(blocks[0], 0x44);	/* not committed */
		CHECK_EQ(collect_log(&log), 0);
		CHECK_EQ(log.commits, 2);
		CHECK_EQ(log.bad_blocks, 0);
		CHECK_EQ(log.nr_entries, 3);

		vol.dev.overlay = &log;
		CHECK_EQ(byte_of(blocks[0], 9), 0x11);
		CHECK_EQ(byte_of(blocks[1], 9), 0x33);
		CHECK_EQ(byte_of(blocks[2], 0), ((const u8 *)&magic)[0]);
		CHECK_EQ(byte_of(blocks[2], 4), 0);
		vol.dev.overlay = NULL;
		CHECK_EQ(byte_of(blocks[0], 9), 0);

		CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
		CHECK_EQ(byte_of(blocks[0], 9), 0x11);
		CHECK_EQ(byte_of(blocks[1], 9), 0x33);
		CHECK_EQ(byte_of(blocks[2], 3), ((const u8 *)&magic)[3]);
		CHECK_EQ(lnkfs_log_reset(&log, &vol.fs), 0);
		lnkfs_log_free(&log);
		CHECK_EQ(open_log(&log), 0);
		CHECK_EQ(log.start, 0);
		CHECK_EQ(log.sequence, 1);	/* fffffffe + 2 + 1 */
		volume_done(&vol);
	}
}

static void test_wrap(void)
{
	struct lnkfs_log log;
	u64 a;

	volume_make(&vol, 64 * MIB, 12);
	at = vol.fs.journal_blocks - 1;
	volume_done(&vol);
	begin_at(12, at, 100);
	a = free_block(0);
	log_one(a, 0x55);
	log_commit();
	CHECK_EQ(at, 3);
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 1);
	CHECK_EQ(log.nr_entries, 1);
	vol.dev.overlay = &log;
	CHECK_EQ(byte_of(a, 0), 0x55);
	vol.dev.overlay = NULL;
	lnkfs_log_free(&log);
	volume_done(&vol);
}

static void test_revoke(void)
{
	struct lnkfs_log log;
	u64 a, b, c;

	begin();
	a = free_block(0);
	b = free_block(1);
	c = free_block(2);
	log_one(a, 1);
	log_one(b, 2);
	log_one(c, 3);
	log_commit();
	log_revoke(a);	/* kills the copy before it */
	log_revoke(b);
	log_commit();
	log_one(b, 4);	/* journaled again */
	log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 3);
	CHECK_EQ(log.nr_entries, 2);
	CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
	CHECK_EQ(byte_of(a, 0), 0);
	CHECK_EQ(byte_of(b, 0), 4);
	CHECK_EQ(byte_of(c, 0), 3);
	lnkfs_log_free(&log);

	/* A revoke counts for its own transaction, too. */
	volume_done(&vol);
	begin();
	log_one(a, 1);
	log_revoke(a);
	log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.nr_entries, 0);
	lnkfs_log_free(&log);
	volume_done(&vol);
}

static void put_home(u64 block, u8 byte, bool magic)
{
	const __be32 m = cpu_to_be32(0xc03b3998);
	u8 data[4096];

	memset(data, byte, vol.fs.block_size);
	if (magic)
		memcpy(data, &m, sizeof(m));
	REQUIRE(!lnkfs_dev_write(&vol.dev, block * vol.fs.block_size, data, vol.fs.block_size));
}

/* Two transactions with a block, @bad: which of the copies are damaged. */
static void log_two(u64 block, u8 newest, unsigned int bad)
{
	const u8 bytes[2] = { 5, newest };
	unsigned int i;

	at = 1;
	sequence = 7;
	for (i = 0; i < 2; i++) {
		log_blocks(&block, &bytes[i], 1, bad & 1u << i);
		log_commit();
	}
}

/* Where it belongs a block may be newer than what is intact in the log. */
static void test_damage_at_home(void)
{
	static const struct {
		u8 bad, newest, home;
		bool magic;
		u32 lost, entries, sequence;
	} cases[] = {
		{ 2, 6, 6, false, 0, 0, 0 },	/* the newest is there */
		{ 2, 0, 0, true, 0, 0, 0 },	/* it is, and it begins with jbd2's magic number */
		{ 2, 6, 5, false, 1, 1, 7 },	/* the older one */
		{ 2, 6, 4, false, 1, 1, 7 },	/* neither */
		{ 3, 6, 6, false, 0, 0, 0 },
		{ 3, 6, 5, false, 1, 0, 0 },
		{ 3, 6, 4, false, 1, 0, 0 },
		{ 1, 6, 4, false, 0, 1, 8 },	/* nobody needs the damaged one */
	};
	struct lnkfs_log log;
	unsigned int i;
	u64 a;

	begin();
	a = free_block(0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		log_two(a, cases[i].newest, cases[i].bad);
		put_home(a, cases[i].home, cases[i].magic);
		CHECK_EQ(collect_log(&log), 0);
		CHECK_EQ(log.bad_blocks, cases[i].lost);
		CHECK_EQ(log.nr_entries, cases[i].entries);
		if (log.nr_entries)
			CHECK_EQ(log.entries[0].sequence, cases[i].sequence);
		lnkfs_log_free(&log);
	}
	/* Damaged, and revoked. */
	log_two(a, 6, 3);
	log_revoke(a);
	log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.bad_blocks, 0);
	CHECK_EQ(log.nr_entries, 0);
	lnkfs_log_free(&log);
	volume_done(&vol);
}

static void test_damage(void)
{
	const u8 byte = 9;
	struct lnkfs_log log;
	u64 a, to;
	u8 x = 0;

	begin();
	a = free_block(0);
	log_blocks(&a, &byte, 1, true);
	log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 1);
	CHECK_EQ(log.bad_blocks, 1);
	CHECK_EQ(log.nr_entries, 0);
	lnkfs_log_free(&log);

	/* Even one that is not the journal's to write. */
	at = 1;
	sequence = 7;
	a = 0;
	log_blocks(&a, &byte, 1, true);
	log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.bad_blocks, 1);
	CHECK_EQ(log.nr_entries, 0);
	lnkfs_log_free(&log);

	/* A commit block that is not right: the transaction does not count. */
	at = 1;
	sequence = 7;
	log_one(a, 1);
	to = journal_byte(at);
	log_commit();
	vol.dev.mem[to + 50] ^= 1;
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 0);
	CHECK(!log.damaged);
	lnkfs_log_free(&log);

	/* Places that are not the journal's to write. */
	for (x = 0; x < 4; x++) {
		const u64 bad[4] = { vol.fs.blocks, vol.fs.journal_start + 5, 0, ~0ULL };

		at = 1;
		sequence = 7;
		log_one(bad[x], 1);
		log_commit();
		CHECK_EQ(collect_log(&log), -EFSCORRUPTED);
		lnkfs_log_free(&log);
	}
	volume_done(&vol);
}

/* Blocks of the log that three_transactions() writes. */
enum { DESC1 = 1, COMMIT1 = 3, REVOKE2, DESC2, DATA2, COMMIT2, DESC3, COMMIT3 = 10, BEHIND };

static void three_transactions(void)
{
	begin();
	log_one(free_block(0), 1);
	log_commit_at(100);
	log_revoke(free_block(0));
	log_one(free_block(1), 2);
	log_commit_at(101);
	log_one(free_block(2), 3);
	log_commit_at(102);
	REQUIRE(at == BEHIND);
}

/* How does the log of three transactions end? */
static void check_end(const char *what, u32 commits, bool damaged, u32 newest)
{
	struct lnkfs_log log;
	bool good;
	u32 next;

	good = CHECK_EQ(collect_log(&log), 0);
	good = CHECK_EQ(log.commits, commits) && good;
	good = CHECK_EQ(log.damaged, damaged) && good;
	if (damaged)
		good = CHECK_EQ(log.newest, newest) && good;
	if (!good)
		printf("# %s\n", what);
	/* No number is used again that a commit block in the log has. */
	next = (damaged ? newest : log.sequence + commits) + 1;
	CHECK_EQ(lnkfs_log_reset(&log, &vol.fs), 0);
	lnkfs_log_free(&log);
	CHECK_EQ(open_log(&log), 0);
	CHECK_EQ(log.sequence, next);
	lnkfs_log_free(&log);
	volume_done(&vol);
}

/* A log ends where it was torn; one that is damaged before its end is damaged. */
static void test_middle(void)
{
	static const u32 second[] = { REVOKE2, DESC2, COMMIT2 };
	static const u32 bytes[] = { 0, 4, 8, 15, 17, 50, 64, 100, 4000 };
	char what[80];
	u32 i, j;

	three_transactions();
	check_end("nothing", 3, false, 0);
	for (i = 0; i < ARRAY_SIZE(second); i++) {
		for (j = 0; j < ARRAY_SIZE(bytes); j++) {
			three_transactions();
			vol.dev.mem[journal_byte(second[i]) + bytes[j]] ^= 0x10;
			snprintf(what, sizeof(what), "block %u, byte %u", second[i], bytes[j]);
			/* Of a commit block the head is enough, and its checksum. */
			if (second[i] == COMMIT2 && bytes[j] >= 64)
				check_end(what, 3, false, 0);
			else
				check_end(what, 1, true, 9);
		}
		three_transactions();
		memset(vol.dev.mem + journal_byte(second[i]), 0, 4096);
		check_end("zeroes", 1, true, 9);
	}
	three_transactions();
	vol.dev.mem[journal_byte(DESC1) + 4000] ^= 1;
	check_end("the first descriptor", 0, true, 9);

	/* The last one, which the crash may have torn: jbd2 calls that damage. */
	three_transactions();
	vol.dev.mem[journal_byte(COMMIT3) + 50] ^= 1;
	check_end("the last commit block, its checksum", 2, false, 0);
	three_transactions();
	memset(vol.dev.mem + journal_byte(COMMIT3), 0, 4096);
	check_end("the last commit block, not written", 2, false, 0);
	three_transactions();
	memset(vol.dev.mem + journal_byte(COMMIT3), 0, 4096);
	vol.dev.mem[journal_byte(DESC3) + 4000] ^= 1;
	check_end("the last one, torn", 2, false, 0);
}

/* What earlier rounds have left is not taken for what comes. */
static void test_stale(void)
{
	const u8 bytes[3] = { 4, 5, 6 };
	u64 blocks[3];
	u32 i;

	three_transactions();
	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		blocks[i] = free_block(i);
	at = DESC1;
	sequence = 7;
	log_blocks(blocks, bytes, 3, false);
	log_commit_at(200);
	check_end("the same numbers, older by their times", 1, false, 0);

	three_transactions();
	vol.dev.mem[journal_byte(DESC2) + 4000] ^= 1;
	vol.dev.mem[journal_byte(COMMIT2) + 50] ^= 1;
	write_super(DESC3, 9, LOG_V3);
	check_end("what is done with", 1, false, 0);
}

/* A descriptor without a last tag, and one whose blocks fill the ring. */
static void test_no_end(void)
{
	struct lnkfs_log log;
	u8 data[4096];
	u32 i;

	begin();
	head(data, 1);
	for (i = 12; i + 16 <= 4092; i += 16)
		put32(data + i + 4, 2);
	seal(data, 4092);
	for (i = 0; i < vol.fs.journal_blocks; i++) {
		at = i ? i : 1;
		write_block(data);
	}
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, 0);
	lnkfs_log_free(&log);

	/* Nothing but commits that follow each other. */
	for (i = 1, at = 1, sequence = 7; i < vol.fs.journal_blocks; i++)
		log_commit();
	CHECK_EQ(collect_log(&log), 0);
	CHECK_EQ(log.commits, vol.fs.journal_blocks - 1);
	lnkfs_log_free(&log);

	/* A revoke block that says it is longer than it is. */
	at = 1;
	sequence = 7;
	head(data, 5);
	put32(data + 12, 1u << 30);
	seal(data, 4092);
	write_block(data);
	log_commit();
	CHECK_EQ(collect_log(&log), -EFSCORRUPTED);
	lnkfs_log_free(&log);
	volume_done(&vol);
}

static void test_super(void)
{
	static const struct {
		u32 pos;
		u32 value;
	} bad[] = {
		{ 0x00, 1 }, { 0x04, 3 }, { 0x0c, 512 }, { 0x10, 3 }, { 0x10, 1u << 30 },
		{ 0x14, 0 }, { 0x14, 1u << 30 }, { 0x1c, 1u << 30 }, { 0x28, 0x33 },
		{ 0x28, 0x100 }, { 0x2c, 1 }, { 0x28, 0 }, { 0x28, 0x11 },
	};
	struct lnkfs_log log;
	u8 good[1024], *js;
	u32 i;

	begin();
	js = vol.dev.mem + journal_byte(0);
	memcpy(good, js, sizeof(good));
	CHECK_EQ(open_log(&log), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put32(js + bad[i].pos, bad[i].value);
		put32(js + 0xfc, 0);
		put32(js + 0xfc, lnkfs_crc32c(~0u, js, 1024));
		if (!CHECK_EQ(open_log(&log), -EFSCORRUPTED))
			printf("# case %u\n", i);
		memcpy(js, good, sizeof(good));
	}
	js[0x100] ^= 1;		/* and its checksum */
	CHECK_EQ(open_log(&log), -EFSCORRUPTED);
	volume_done(&vol);
}

/* Dirty blocks of the volume, every third one beginning like a block of the log. */
static void dirty_raw(u64 *blocks, u32 n)
{
	lnkfs_buf *buf;
	lnkfs_tx tx;
	u32 i, got;

	lnkfs_tx_begin(&tx, &vol, 0);
	for (i = 0; i < n; i++) {
		REQUIRE(!lnkfs_balloc(&tx, &vol.fs, 0, 1, 1, 0, &blocks[i], &got));
		REQUIRE(!lnkfs_bnew(&tx, &vol.fs, blocks[i], LNKFS_B_RAW, &buf));
		memset(lnkfs_bdata(buf), (int)(i % 255 + 1), vol.fs.block_size);
		if (i % 3 == 0)
			put32(lnkfs_bdata(buf), JBD2_MAGIC_NUMBER);
		lnkfs_bdirty(&tx, &vol.fs, buf);
		lnkfs_bput(buf);
	}
	lnkfs_tx_end(&tx);
}

static u32 wrong_blocks(const u64 *blocks, u32 n)
{
	u8 want[4096];
	u32 i, bad = 0;

	for (i = 0; i < n; i++) {
		memset(want, (int)(i % 255 + 1), vol.fs.block_size);
		if (i % 3 == 0)
			put32(want, JBD2_MAGIC_NUMBER);
		bad += memcmp(want, vol.dev.mem + (blocks[i] << vol.fs.block_bits),
			      vol.fs.block_size) != 0;
	}
	return bad;
}

/* The blocks never get to their places: the log has them. */
static void commit_and_lose(const u64 *blocks, u32 n)
{
	struct lnkfs_log log;
	u32 i;

	REQUIRE(!open_log(&log));
	vol.fault.write = 1;
	CHECK_EQ(lnkfs_log_commit(&log, &vol, false), -EIO);
	vol.dev.error = 0;
	for (i = 0; i < n; i++)
		memset(vol.dev.mem + (blocks[i] << vol.fs.block_bits), 0xaa, vol.fs.block_size);
	CHECK_EQ(open_log(&log), 0);
	CHECK(log.start);
	CHECK_EQ(lnkfs_log_scan(&log), 0);
	CHECK_EQ(log.commits, 1);
	CHECK_EQ(lnkfs_log_collect(&log, &vol.fs), 0);
	CHECK_EQ(log.bad_blocks, 0);
	/* The bitmap and the descriptors as well. */
	CHECK_EQ(log.nr_entries, n + 2);
	CHECK_EQ(lnkfs_log_replay(&log, &vol.dev), 0);
	CHECK_EQ(wrong_blocks(blocks, n), 0);
	CHECK_EQ(lnkfs_log_reset(&log, &vol.fs), 0);
	lnkfs_log_free(&log);
}

static void test_commit(void)
{
	static const u32 counts[] = { 1, 2, 59, 60, 61, 62, 120, 249, 250, 251, 500 };
	struct lnkfs_log log;
	u64 blocks[1300];
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		for (j = 0; j < ARRAY_SIZE(counts); j++) {
			volume_make(&vol, 16 * MIB, fixture_bits[i]);
			REQUIRE(!lnkfs_cache_flush(&vol));
			dirty_raw(blocks, counts[j]);
			commit_and_lose(blocks, counts[j]);
			/* What could not be written is still dirty. */
			REQUIRE(!open_log(&log));
			CHECK_EQ(lnkfs_log_commit(&log, &vol, false), 0);
			CHECK_EQ(wrong_blocks(blocks, counts[j]), 0);
			CHECK_EQ(vol.dirty, 0);
			CHECK_EQ(open_log(&log), 0);
			CHECK_EQ(log.start, 0);
			volume_done(&vol);
		}
		volume_make(&vol, 16 * MIB, fixture_bits[i]);
		REQUIRE(!lnkfs_cache_flush(&vol));
		dirty_raw(blocks, ARRAY_SIZE(blocks));
		REQUIRE(!open_log(&log));
		CHECK_EQ(lnkfs_log_commit(&log, &vol, false), -E2BIG);
		CHECK_EQ(vol.dirty, ARRAY_SIZE(blocks) + 2);
		CHECK_EQ(open_log(&log), 0);
		CHECK_EQ(log.start, 0);
		volume_done(&vol);
	}
}

static const struct tap_test tests[] = {
	{ "an empty log", test_empty },
	{ "replay, overlay and reset", test_replay },
	{ "a log that wraps around", test_wrap },
	{ "revoked blocks", test_revoke },
	{ "damaged blocks, wrong targets", test_damage },
	{ "damaged blocks, and what is where they belong", test_damage_at_home },
	{ "damage in the middle of a log, and its torn end", test_middle },
	{ "what older logs have left", test_stale },
	{ "crafted logs without an end", test_no_end },
	{ "superblocks that are not right", test_super },
	{ "transactions written", test_commit },
};

TAP_MAIN(tests)
