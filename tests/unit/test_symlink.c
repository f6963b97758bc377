// SPDX-License-Identifier: GPL-2.0
/*
 * Symlink targets: every length, fast and slow, damage, and failures below.
 */
#include "fixture.h"

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));

/* A target of any bytes but NUL that depends on its length. */
static void make_target(char *t, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		t[i] = (char)(1 + (i * 7 + len * 13) % 255);
	t[len] = 0;
}

static void link_init(struct lnkfs_cinode *ci, u64 ino, u32 slots)
{
	memset(ci, 0, sizeof(*ci));
	memset(area, 0, sizeof(area));
	ci->ino = ino;
	ci->gen = 4711;
	ci->mode = S_IFLNK | 0777;
	ci->slots = slots;
	ci->area_len = LNKFS_AREA_LEN(slots);
	ci->area = area;
}

/* An orphan, so that the checker misses no name. */
static int link_make(const char *target, u32 len, u64 *ino)
{
	u32 slots = lnkfs_symlink_slots(fs, len);
	struct lnkfs_cinode ci;
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_IALLOC + LNKFS_CREDITS_SLOW_LINK +
		       LNKFS_CREDITS_STORE + LNKFS_CREDITS_ORPHAN);
	err = lnkfs_ialloc(&tx, fs, 0, slots ? slots : 1, false, ino);
	if (err)
		goto out;
	link_init(&ci, *ino, slots ? slots : 1);
	if (slots)
		lnkfs_symlink_set_fast(&ci, target, len);
	else
		err = lnkfs_symlink_set_slow(&tx, fs, &ci, target, len);
	if (err) {
		CHECK_EQ(ci.fork, LNKFS_FORK_NONE);
		CHECK_EQ(ci.blocks, 0);
		REQUIRE(!lnkfs_ifree(&tx, fs, *ino, slots ? slots : 1, false));
		goto out;
	}
	memset(&v.fault, 0, offsetof(struct lnkfs_fault, fired));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	REQUIRE(!lnkfs_orphan_add(&tx, fs, *ino));
out:
	lnkfs_tx_end(&tx);
	return err;
}

static int link_read(u64 ino, char *target, u32 *len)
{
	struct lnkfs_cinode ci = {};
	int err;

	err = lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci);
	if (err)
		return err;
	*len = (u32)ci.size;
	if (ci.fork == LNKFS_FORK_FAST_LINK) {
		memcpy(target, ci.area, ci.size);
		target[ci.size] = 0;
	} else {
		err = lnkfs_symlink_read_slow(fs, &ci, target);
	}
	lnkfs_free(ci.area);
	return err;
}

static int link_free(u64 ino)
{
	struct lnkfs_cinode ci = {};
	lnkfs_tx tx;
	u32 slots;
	int err;

	err = lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci);
	if (err)
		return err;
	slots = ci.slots;
	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_FREE + LNKFS_CREDITS_STORE + LNKFS_CREDITS_IFREE);
	if (ci.fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_free_slow(&tx, fs, &ci);
	if (!err) {
		CHECK_EQ(ci.blocks, 0);
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		REQUIRE(!lnkfs_ifree(&tx, fs, ino, slots, false));
		REQUIRE(!lnkfs_orphan_del(fs, ino));
	}
	lnkfs_tx_end(&tx);
	lnkfs_free(ci.area);
	return err;
}

static void test_slots(void)
{
	struct lnkfs_fs f = { .slot_bits = 4, .fast_max = 1863 };

	/* One byte less than the area holds: the target's NUL is kept, too. */
	CHECK_EQ(lnkfs_symlink_slots(&f, 1), 1);
	CHECK_EQ(lnkfs_symlink_slots(&f, 127), 1);
	CHECK_EQ(lnkfs_symlink_slots(&f, 128), 2);
	CHECK_EQ(lnkfs_symlink_slots(&f, 375), 2);
	CHECK_EQ(lnkfs_symlink_slots(&f, 376), 3);
	CHECK_EQ(lnkfs_symlink_slots(&f, 1863), 8);
	CHECK_EQ(lnkfs_symlink_slots(&f, 1864), 0);
	CHECK_EQ(lnkfs_symlink_slots(&f, 4095), 0);
	f.fast_max = 100;
	CHECK_EQ(lnkfs_symlink_slots(&f, 100), 1);
	CHECK_EQ(lnkfs_symlink_slots(&f, 101), 0);
	f.fast_max = 0;
	CHECK_EQ(lnkfs_symlink_slots(&f, 1), 0);
	f.fast_max = 4096;
	CHECK_EQ(lnkfs_symlink_slots(&f, 1864), 0);
	f.slot_bits = 2;
	CHECK_EQ(lnkfs_symlink_slots(&f, 871), 4);
	CHECK_EQ(lnkfs_symlink_slots(&f, 872), 0);
	f.slot_bits = 3;
	CHECK_EQ(lnkfs_symlink_slots(&f, 1863), 8);
}

/* Every length there is; with fast links as long as can be, and with none. */
static void test_lengths(void)
{
	static u64 ino[LNKFS_SYMLINK_MAX + 1];
	static char want[LNKFS_SYMLINK_MAX + 1], got[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_fsck_result res;
	u32 i, slow, len, got_len, slots;
	s64 before;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		for (slow = 0; slow < 2; slow++) {
			volume_make(&v, 64 * MIB, fixture_bits[i]);
			before = v.free_blocks;
			if (slow)
				fs->fast_max = 0;
			for (len = 1; len <= LNKFS_SYMLINK_MAX; len++) {
				make_target(want, len);
				REQUIRE(!link_make(want, len, &ino[len]));
			}
			volume_check(&v, &res);
			CHECK_EQ(res.symlinks, LNKFS_SYMLINK_MAX);
			slots = fixture_bits[i] == 10 ? 4 : 8;
			CHECK_EQ(res.slow_symlinks,
				 LNKFS_SYMLINK_MAX - (slow ? 0 : LNKFS_FAST_MAX(slots)));
			for (len = 1; len <= LNKFS_SYMLINK_MAX; len++) {
				make_target(want, len);
				memset(got, 0x55, sizeof(got));
				REQUIRE(!link_read(ino[len], got, &got_len));
				CHECK_EQ(got_len, len);
				CHECK(!memcmp(want, got, len + 1));
			}
			for (len = 1; len <= LNKFS_SYMLINK_MAX; len++)
				CHECK_EQ(link_free(ino[len]), 0);
			volume_check(&v, &res);
			CHECK_EQ(res.orphans, 0);
			/* One cluster a group is kept. */
			CHECK(v.free_blocks + fs->groups *
			      (LNKFS_CLUSTER_BYTES >> fs->block_bits) >= before);
			volume_done(&v);
		}
	}
}

static u64 body_of(u64 ino)
{
	struct lnkfs_cinode ci = {};
	u64 block;

	REQUIRE(!lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci));
	block = le64_to_cpu(((struct lnkfs_slow_link *)ci.area)->l_block);
	lnkfs_free(ci.area);
	return block;
}

static void test_damage(void)
{
	static char target[LNKFS_SYMLINK_MAX + 1], got[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_cinode ci = {};
	struct lnkfs_slow_link *sl;
	u64 ino, at;
	u32 len;

	volume_make(&v, 16 * MIB, 10);
	make_target(target, 3000);
	REQUIRE(!link_make(target, 3000, &ino));
	REQUIRE(!lnkfs_cache_drop(&v));
	at = body_of(ino) << fs->block_bits;

	v.dev.mem[at] ^= 4;
	CHECK_EQ(link_read(ino, got, &len), -EFSBADCRC);
	v.dev.mem[at] ^= 4;
	REQUIRE(!lnkfs_cache_drop(&v));
	v.dev.mem[at + 2999] ^= 4;
	CHECK_EQ(link_read(ino, got, &len), -EFSBADCRC);
	v.dev.mem[at + 2999] ^= 4;
	REQUIRE(!lnkfs_cache_drop(&v));
	CHECK_EQ(link_read(ino, got, &len), 0);
	v.fault.bread = 5;
	CHECK_EQ(link_read(ino, got, &len), -EIO);
	v.fault.bread = 0;

	/* A NUL inside, with a checksum that agrees. */
	REQUIRE(!lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci));
	REQUIRE(!lnkfs_cache_drop(&v));
	v.dev.mem[at + 17] = 0;
	target[17] = 0;
	sl = (void *)ci.area;
	{
		__le64 n = cpu_to_le64(ci.ino);
		__le32 g = cpu_to_le32(ci.gen);
		u32 crc = lnkfs_crc32c(fs->csum_seed, &n, 8);

		crc = lnkfs_crc32c(crc, &g, 4);
		sl->l_checksum = cpu_to_le32(lnkfs_crc32c(crc, target, 3000));
	}
	CHECK_EQ(lnkfs_symlink_read_slow(fs, &ci, got), -EFSCORRUPTED);
	lnkfs_free(ci.area);
	volume_done(&v);
}

static void test_full(void)
{
	static char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_fsck_result res;
	u64 ino;
	u32 n = 0;
	int err;

	volume_make(&v, 8 * MIB, 10);
	make_target(target, 4000);
	while (!(err = link_make(target, 4000, &ino)))
		n++;
	CHECK_EQ(err, -ENOSPC);
	CHECK(n > 50);
	volume_check(&v, &res);
	CHECK_EQ(res.symlinks, n);
	CHECK(res.free_blocks < 20);
	volume_done(&v);
}

static void test_faults(void)
{
	static char target[LNKFS_SYMLINK_MAX + 1], got[LNKFS_SYMLINK_MAX + 1];
	struct {
		const char *name;
		u32 *at;
	} faults[] = {
		{ "bread", &v.fault.bread },
		{ "bnew", &v.fault.bnew },
		{ "space", &v.fault.space },
	};
	u32 kind, n, fired, len;
	u64 ino, keep;
	s64 before;
	int err;

	volume_make(&v, 16 * MIB, 10);
	v.busy = true;
	make_target(target, 4095);
	REQUIRE(!link_make(target, 4095, &keep));
	for (kind = 0; kind < ARRAY_SIZE(faults); kind++) {
		for (n = 1; ; n++) {
			before = v.free_blocks;
			fired = v.fault.fired;
			*faults[kind].at = n;
			err = link_make(target, 4095, &ino);
			*faults[kind].at = 0;
			lnkfs_volume_commit(&v);
			if (err)
				CHECK_EQ(before, v.free_blocks);
			else
				REQUIRE(!link_free(ino));
			if (volume_check(&v, NULL))
				printf("# after %s %u\n", faults[kind].name, n);
			if (v.fault.fired == fired)
				break;
			REQUIRE(n < 100);
		}
	}
	/* A body that could not be freed is still there. */
	v.fault.freed = 1;
	CHECK_EQ(link_free(keep), -ENOMEM);
	v.fault.freed = 0;
	volume_check(&v, NULL);
	CHECK_EQ(link_read(keep, got, &len), 0);
	CHECK_EQ(link_free(keep), 0);
	volume_check(&v, NULL);
	volume_done(&v);
}

static const struct tap_test tests[] = {
	{ "slots by length and limit", test_slots },
	{ "every length, fast and slow", test_lengths },
	{ "damaged bodies are noticed", test_damage },
	{ "a full volume", test_full },
	{ "failures below leave nothing half done", test_faults },
};

TAP_MAIN(tests)
