// SPDX-License-Identifier: GPL-2.0
/*
 * The extent map against an array of blocks: random insertions, conversions
 * and removals, with every block looked up again, failures injected, and
 * records that no volume may hold.
 */
#include "check_tree.h"
#include "format.h"
#include "tap.h"
#include "tree.h"

#define RANGE		6000		/* logical blocks in the model */
#define AREA		1864
#define INO		777
#define GEN		3

static struct lnkfs_volume vol;
static struct lnkfs_cinode inode;
static u64 area[AREA / 8 + 1];
static u64 base;			/* logical block of the model's first */
static u64 phys[RANGE];			/* 0: hole */
static bool unwritten[RANGE];
static s64 free_at_start;

static void setup_map(bool dir, u32 fork_len, u64 first)
{
	memset(&inode, 0, sizeof(inode));
	memset(area, 0, sizeof(area));
	inode.ino = INO;
	inode.gen = GEN;
	inode.mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644;
	inode.area = (u8 *)area;
	inode.area_len = (u16)fork_len;
	if (dir) {
		struct lnkfs_dir_fork *df = (void *)area;
		struct lnkfs_btree bt = {
			.fs = &vol.fs,
			.ci = &inode,
			.root = df + 1,
			.root_size = (fork_len - 8) / 2 & ~7u,
			.vsize = 16,
			.tree = LNKFS_TREE_EXTENT,
		};

		inode.fork = LNKFS_FORK_DIR_BLOCKS;
		inode.fork_len = (u16)fork_len;
		df->f_ext_len = cpu_to_le16((u16)bt.root_size);
		df->f_idx_len = cpu_to_le16((u16)(fork_len - 8 - bt.root_size));
		lnkfs_btree_init_root(&bt);
	} else {
		lnkfs_ext_init(&inode);
		CHECK_EQ(inode.fork, LNKFS_FORK_EXTENTS);
		CHECK(inode.fork_len <= fork_len && inode.fork_len + 24u > fork_len);
		CHECK_EQ((inode.fork_len - 8) % 24, 0);
	}
	base = first;
	memset(phys, 0, sizeof(phys));
	lost = 0;
	free_at_start = vol.free_blocks;
}

static void setup(u32 bits, u64 mib)
{
	memset(&vol, 0, sizeof(vol));
	REQUIRE(lnkfs_format_mem(&vol, mib << 20, bits, true) == 0);
	vol.strict = true;
	vol.report = note_report;
}

static void teardown(void)
{
	CHECK_EQ(vol.misuses, 0);
	lnkfs_volume_close(&vol);
}

/* What the map says of one block of the model is what the model says. */
static void check_block(u64 i, const struct lnkfs_ext *e)
{
	u64 lblk = base + i;

	CHECK(e->lblk <= lblk && e->len && lblk < e->lblk + e->len);
	if (!phys[i]) {
		CHECK_EQ(e->flags, LNKFS_EXT_HOLE);
		return;
	}
	CHECK_EQ(e->flags, unwritten[i] ? LNKFS_EXT_UNWRITTEN : 0);
	CHECK_EQ(e->block + (lblk - e->lblk), phys[i]);
}

/* A hole reaches as far as the model has none mapped, on both sides. */
static void check_hole(u64 i, const struct lnkfs_ext *e)
{
	u64 from = i, to = i;

	while (from && !phys[from - 1])
		from--;
	while (to < RANGE && !phys[to])
		to++;
	CHECK_EQ(e->lblk, from ? base + from : 0);
	CHECK_EQ(e->lblk + e->len, to < RANGE ? base + to : LNKFS_MAX_LBLK);
}

struct count {
	u64 nodes;
	u64 records;
	u64 next;	/* no extent may start before this */
};

static void count_records(struct count *c, const u8 *rec, u32 level, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++, rec += level ? 16 : 24) {
		const struct lnkfs_btree_node *node;
		lnkfs_buf *buf;

		if (!level) {
			u64 lblk = get_unaligned_le64(rec);
			u32 len = get_unaligned_le32(rec + 16);

			CHECK(lblk >= c->next && len);
			c->next = lblk + len;
			c->records++;
			continue;
		}
		c->nodes++;
		REQUIRE(lnkfs_bread(&vol.fs, get_unaligned_le64(rec + 8), LNKFS_B_BTREE, INO, GEN,
				    &buf) == 0);
		node = lnkfs_bdata(buf);
		count_records(c, node->n_records, level - 1, le16_to_cpu(node->n_count));
		lnkfs_bput(buf);
	}
}

/* Every block, the block count of the inode and the free space. */
static u64 walk(void)
{
	const struct lnkfs_btree_root *root =
		(void *)((u8 *)area + (S_ISDIR(inode.mode) ? 8 : 0));
	struct lnkfs_ext e = { 0 };
	struct count c = { 0 };
	u64 i, mapped = 0;

	for (i = 0; i < RANGE && !tap_failed; i++) {
		if (base + i >= e.lblk + e.len)
			REQUIRE(lnkfs_ext_lookup(&vol.fs, &inode, base + i, &e) == 0);
		check_block(i, &e);
		mapped += phys[i] != 0;
	}
	count_records(&c, (const u8 *)(root + 1), le16_to_cpu(root->bt_level),
		      le16_to_cpu(root->bt_count));
	CHECK_EQ(mapped + c.nodes, inode.blocks);
	CHECK_EQ(free_at_start - vol.free_blocks, inode.blocks + lost);
	return c.records;
}

/* An injected failure, after which the map has to be as it was. */
static bool injected(int err)
{
	return vol.fault.fired && (err == -EIO || err == -ENOMEM || err == -EROFS ||
				   err == -ENOSPC);
}

/* Allocation and freeing of data are not what is tested: no failures there. */
static int data_blocks(bool alloc, u64 goal, u32 want, u64 *start, u32 *got)
{
	struct lnkfs_fault keep = vol.fault;
	lnkfs_tx tx;
	int err;

	memset(&vol.fault, 0, sizeof(vol.fault));
	lnkfs_tx_begin(&tx, &vol, 0);
	if (alloc)
		err = lnkfs_balloc(&tx, &vol.fs, goal, 1, want, 0, start, got);
	else
		err = lnkfs_bfree(&tx, &vol.fs, *start, *got);
	lnkfs_tx_end(&tx);
	vol.fault = keep;
	return err;
}

static int do_insert(const struct lnkfs_ext *e)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &vol, lnkfs_ext_insert_credits(&vol.fs, &inode));
	err = lnkfs_ext_insert(&tx, &vol.fs, &inode, e);
	CHECK(tx.revokes <= lnkfs_ext_revokes(&vol.fs, &inode, 0));
	lnkfs_tx_end(&tx);
	return err;
}

/* Map up to @want blocks at block @i of the model. */
static void step_insert(u64 i, u32 want, bool unwr)
{
	struct lnkfs_ext e = { .lblk = base + i };
	u64 goal = i && phys[i - 1] ? phys[i - 1] + 1 : rnd() % vol.fs.blocks;
	bool hole = true;
	u32 got, j;
	int err;

	if (want > RANGE - i)
		want = (u32)(RANGE - i);
	if (data_blocks(true, goal, want, &e.block, &got))
		return;
	e.len = got;
	e.flags = unwr ? LNKFS_EXT_UNWRITTEN : 0;
	for (j = 0; j < got; j++)
		hole = hole && !phys[i + j];
	err = do_insert(&e);
	if (!injected(err))
		CHECK_EQ(err, hole ? 0 : -EEXIST);
	if (err) {
		CHECK_EQ(data_blocks(false, 0, 0, &e.block, &got), 0);
		return;
	}
	for (j = 0; j < got; j++) {
		phys[i + j] = e.block + j;
		unwritten[i + j] = unwr;
	}
}

static void step_convert(u64 i, u32 len)
{
	u64 done, j;
	lnkfs_tx tx;
	int err;

	if (len > RANGE - i)
		len = (u32)(RANGE - i);
	while (len) {
		lnkfs_tx_begin(&tx, &vol, lnkfs_ext_convert_credits(&vol.fs, &inode));
		err = lnkfs_ext_convert(&tx, &vol.fs, &inode, base + i, len, &done);
		CHECK(tx.revokes <= lnkfs_ext_revokes(&vol.fs, &inode, 0));
		lnkfs_tx_end(&tx);
		if (err) {
			CHECK(injected(err));
			CHECK_EQ(done, 0);
			return;
		}
		REQUIRE(done && done <= len);
		for (j = 0; j < done; j++)
			unwritten[i + j] = false;
		i += done;
		len -= (u32)done;
	}
}

/*
 * After a failed removal: what is gone is the end of the range; blocks that
 * were unmapped but not freed are lost.
 */
static void removal_failed(u64 i, u64 end)
{
	struct lnkfs_fault keep = vol.fault;
	struct lnkfs_ext e;
	bool seen = false;
	u64 j;

	memset(&vol.fault, 0, sizeof(vol.fault));
	for (j = end; j-- > i; ) {
		if (!phys[j])
			continue;
		REQUIRE(lnkfs_ext_lookup(&vol.fs, &inode, base + j, &e) == 0);
		if (e.flags & LNKFS_EXT_HOLE) {
			CHECK(!seen);
			phys[j] = 0;
		} else {
			seen = true;
		}
	}
	lost = free_at_start - vol.free_blocks - inode.blocks;
	vol.fault = keep;
}

static void step_remove(u64 i, u32 len)
{
	u32 budget;
	u64 end, j;
	lnkfs_tx tx;
	int err;

	if (len > RANGE - i)
		len = (u32)(RANGE - i);
	end = i + len;
	do {
		budget = 1 + below(4);
		lnkfs_tx_begin(&tx, &vol, lnkfs_ext_remove_credits(&vol.fs, &inode, budget));
		j = lnkfs_ext_revokes(&vol.fs, &inode, budget);
		err = lnkfs_ext_remove(&tx, &vol.fs, &inode, base + i, base + end, budget);
		CHECK(tx.revokes <= j);
		lnkfs_tx_end(&tx);
	} while (err > 0 && !tap_failed);
	if (err) {
		CHECK(injected(err));
		removal_failed(i, end);
		return;
	}
	for (j = i; j < end; j++)
		phys[j] = 0;
}

static void step_unwrite(u64 i, u32 len)
{
	u64 done, j;
	lnkfs_tx tx;
	int err;

	if (len > RANGE - i)
		len = (u32)(RANGE - i);
	while (len) {
		lnkfs_tx_begin(&tx, &vol, lnkfs_ext_convert_credits(&vol.fs, &inode));
		err = lnkfs_ext_unwrite(&tx, &vol.fs, &inode, base + i, len, &done);
		CHECK(tx.revokes <= lnkfs_ext_revokes(&vol.fs, &inode, 0));
		lnkfs_tx_end(&tx);
		if (err) {
			CHECK(injected(err));
			CHECK_EQ(done, 0);
			return;
		}
		REQUIRE(done && done <= len);
		for (j = 0; j < done; j++)
			unwritten[i + j] = true;
		i += done;
		len -= (u32)done;
	}
}

/* Two records in place of one, or one in place of two: nothing seems to change. */
static int step_split(u64 i)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &vol, lnkfs_ext_split_credits(&vol.fs, &inode));
	err = lnkfs_ext_split(&tx, &vol.fs, &inode, base + i);
	CHECK(tx.revokes <= lnkfs_ext_revokes(&vol.fs, &inode, 0));
	lnkfs_tx_end(&tx);
	if (err)
		CHECK(injected(err));
	return err;
}

static void step_merge(u64 i)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &vol, lnkfs_ext_merge_credits(&vol.fs, &inode));
	err = lnkfs_ext_merge(&tx, &vol.fs, &inode, base + i);
	CHECK(tx.revokes <= lnkfs_ext_revokes(&vol.fs, &inode, 0));
	lnkfs_tx_end(&tx);
	if (err)
		CHECK(injected(err));
}

/* The model's part of a shift: [from, to) of it has moved. */
static void model_shift(u64 from, u64 to, u64 dist, bool right)
{
	u64 n = to - from;

	if (!n)
		return;
	if (right) {
		memmove(phys + from + dist, phys + from, n * sizeof(*phys));
		memmove(unwritten + from + dist, unwritten + from, n * sizeof(*unwritten));
		memset(phys + from, 0, (n < dist ? n : dist) * sizeof(*phys));
	} else {
		memmove(phys + from - dist, phys + from, n * sizeof(*phys));
		memmove(unwritten + from - dist, unwritten + from, n * sizeof(*unwritten));
		memset(phys + to - (n < dist ? n : dist), 0,
		       (n < dist ? n : dist) * sizeof(*phys));
	}
}

/* Move [from, to) of the model in as many calls as it takes; their number. */
static u32 run_shift(u64 from, u64 to, u64 dist, bool right)
{
	struct lnkfs_shift s = { base + from, base + to, dist, right };
	u32 budget = below(2) ? LNKFS_SHIFT_MIN : 64, calls = 0;
	struct lnkfs_shift was;
	lnkfs_tx tx;
	int err;

	do {
		was = s;
		lnkfs_tx_begin(&tx, &vol, budget);
		err = lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, budget);
		CHECK_EQ(tx.revokes, 0);
		lnkfs_tx_end(&tx);
		calls++;
		if (err < 0) {
			CHECK(injected(err));
			CHECK(!memcmp(&was, &s, sizeof(s)));
			return calls;
		}
		if (right) {
			if (!err)
				s.to = s.from;
			CHECK(s.to < was.to && s.from == was.from);
			model_shift(s.to - base, was.to - base, dist, true);
		} else {
			if (!err)
				s.from = s.to;
			CHECK(s.from > was.from && s.to == was.to);
			model_shift(was.from - base, s.from - base, dist, false);
		}
	} while (err && !tap_failed);
	return calls;
}

/* Does an extent reach across a block of the model? */
static bool crossed(u64 i)
{
	return i && i < RANGE && phys[i - 1] && phys[i] == phys[i - 1] + 1;
}

static u32 step_collapse(u64 i, u32 len)
{
	u32 calls;
	u64 j;

	if (i + len >= RANGE)
		return 0;
	step_remove(i, len);
	for (j = i; j < i + len; j++)
		if (phys[j])
			return 0;
	calls = run_shift(i + len, RANGE, len, false);
	if (i)
		step_merge(i);
	return calls;
}

static u32 step_insert_range(u64 i, u32 len)
{
	u64 to = RANGE - len, j;

	if (i + len >= RANGE)
		return 0;
	step_remove(to, len);
	for (j = to; j < RANGE; j++)
		if (phys[j])
			return 0;
	if (step_split(i))
		return 0;
	return run_shift(i, to, len, true);
}

static void step_lookup(u64 i)
{
	struct lnkfs_ext e;
	int err = lnkfs_ext_lookup(&vol.fs, &inode, base + i, &e);

	if (injected(err))
		return;
	CHECK_EQ(err, 0);
	if (err)
		return;
	check_block(i, &e);
	if (e.flags & LNKFS_EXT_HOLE)
		check_hole(i, &e);
}

static void inject(void)
{
	memset(&vol.fault, 0, sizeof(vol.fault));
	switch (below(6)) {
	case 0:
		vol.fault.bread = 1 + below(12);
		break;
	case 1:
		vol.fault.bnew = 1 + below(3);
		break;
	case 2:
		vol.fault.baccess = 1 + below(8);
		break;
	case 3:
		vol.fault.space = 1 + below(3);
		break;
	case 4:
		vol.fault.freed = 1 + below(2);
		break;
	case 5:
		vol.fault.bforget = 1 + below(2);
		break;
	}
}

static void random_step(u32 grow)
{
	u32 what = below(100), len = 1 + below(1u << below(6));
	u64 i = below(RANGE);

	if (what < 25)
		step_lookup(i);
	else if (what < 25 + grow)
		step_insert(i, len, below(4) != 0);
	else if (what < 70)
		step_convert(i, len);
	else if (what < 74)
		step_unwrite(i, len);
	else if (what < 76)
		step_collapse(i, len);
	else if (what < 78)
		step_insert_range(i, len);
	else
		step_remove(i, below(8) ? len : len * 8);
}

static void run_random(u32 steps, bool faults)
{
	u32 i, grow = 40;

	for (i = 0; i < steps && !tap_failed; i++) {
		if (i % 8192 == 0)
			grow = grow == 40 ? 10 : 40;
		if (faults && below(8) == 0)
			inject();
		random_step(grow);
		if ((vol.fault.fired && below(4) == 0) || i % 1024 == 0) {
			memset(&vol.fault, 0, sizeof(vol.fault));
			walk();
		}
		memset(&vol.fault, 0, sizeof(vol.fault));
	}
	walk();
	step_remove(0, RANGE);
	walk();
	CHECK_EQ(inode.blocks, 0);
}

static void random_ops(u32 bits, bool dir)
{
	rnd_state = 0x1234567 + bits + dir;
	setup(bits, 32);
	setup_map(dir, 128, 0);
	if (dir)
		setup_map(dir, 376, 0);
	run_random(12000, false);
	setup_map(dir, 376, lnkfs_file_blocks_max(&vol.fs) - RANGE);
	run_random(16000, true);
	setup_map(dir, 864, 1ULL << 40);
	run_random(12000, true);
	teardown();
}

static void files_1k(void) { random_ops(10, false); }
static void files_4k(void) { random_ops(12, false); }
static void dirs_1k(void) { random_ops(10, true); }
static void dirs_4k(void) { random_ops(12, true); }

/* A file written from front to end, converted as it goes, is few extents. */
static void sequential(void)
{
	struct lnkfs_ext e;
	u64 block, i;
	u32 got;

	rnd_state = 21;
	setup(12, 64);
	setup_map(false, 128, 0);
	REQUIRE(data_blocks(true, 3000, RANGE, &block, &got) == 0 && got == RANGE);
	for (i = 0; i < RANGE; i += 8) {
		e = (struct lnkfs_ext){ .lblk = i, .block = block + i, .len = 8,
					.flags = LNKFS_EXT_UNWRITTEN };
		CHECK_EQ(do_insert(&e), 0);
	}
	CHECK_EQ(lnkfs_ext_lookup(&vol.fs, &inode, 55, &e), 0);
	CHECK(e.lblk == 0 && e.len == RANGE && e.block == block &&
	      e.flags == LNKFS_EXT_UNWRITTEN);
	for (i = 0; i < RANGE; i++) {
		phys[i] = block + i;
		unwritten[i] = true;
	}
	for (i = 0; i < RANGE; i += 16) {
		step_convert(i, 16);
		CHECK(walk() <= 2);
	}
	CHECK_EQ(lnkfs_ext_lookup(&vol.fs, &inode, 55, &e), 0);
	CHECK(e.lblk == 0 && e.len == RANGE && e.block == block && e.flags == 0);
	CHECK_EQ(inode.blocks, RANGE);
	/* From the back it merges as well, and holes split it. */
	step_remove(100, 50);
	step_remove(1000, 1);
	CHECK_EQ(walk(), 3);
	teardown();
}

/* Converted back to front and in the middle, a range joins to one again. */
static void conversions(void)
{
	struct lnkfs_ext e;
	u64 block, i;
	u32 got;

	rnd_state = 22;
	setup(12, 64);
	setup_map(false, 128, 50);
	REQUIRE(data_blocks(true, 3000, RANGE, &block, &got) == 0 && got == RANGE);
	e = (struct lnkfs_ext){ .lblk = 50, .block = block, .len = RANGE,
				.flags = LNKFS_EXT_UNWRITTEN };
	CHECK_EQ(do_insert(&e), 0);
	CHECK_EQ(do_insert(&e), -EEXIST);
	for (i = 0; i < RANGE; i++) {
		phys[i] = block + i;
		unwritten[i] = true;
	}
	step_convert(RANGE - 10, 10);
	CHECK_EQ(walk(), 2);
	step_convert(RANGE - 20, 10);
	CHECK_EQ(walk(), 2);
	step_convert(100, 10);
	CHECK_EQ(walk(), 4);
	step_convert(0, 50);
	CHECK_EQ(walk(), 5);
	step_convert(30, 90);
	CHECK_EQ(walk(), 3);
	step_convert(0, RANGE);
	CHECK_EQ(walk(), 1);
	teardown();
}

/* One conversion that wants two records, and every call on its way failing. */
static void every_failure(void)
{
	u32 kind, k;
	u64 i;

	rnd_state = 23;
	setup(10, 32);
	for (kind = 0; kind < 6 && !tap_failed; kind++) {
		u32 *fault[] = { &vol.fault.space, &vol.fault.bnew, &vol.fault.baccess,
				 &vol.fault.bread, &vol.fault.freed, &vol.fault.bforget };

		memset(&vol.fault, 0, sizeof(vol.fault));
		setup_map(false, 128, 0);
		for (i = 0; i + 8 < RANGE; i += 6)
			step_insert(i, 5, true);
		for (i = 0; i + 8 < RANGE; i += 6) {
			for (k = 1; ; k++) {
				*fault[kind] = k;
				vol.fault.fired = 0;
				step_convert(i + 1 + i / 6 % 2, 2);
				if (!vol.fault.fired)
					break;
				memset(&vol.fault, 0, sizeof(vol.fault));
				if (i % 60 == 0)
					walk();
			}
			memset(&vol.fault, 0, sizeof(vol.fault));
		}
		walk();
		for (i = 0; i + 8 < RANGE; i += 6) {
			for (k = 1; ; k++) {
				*fault[kind] = k;
				vol.fault.fired = 0;
				step_remove(i + 1, 3);
				if (!vol.fault.fired)
					break;
				memset(&vol.fault, 0, sizeof(vol.fault));
				if (i % 60 == 0)
					walk();
			}
			memset(&vol.fault, 0, sizeof(vol.fault));
		}
		walk();
		step_remove(0, RANGE);
		walk();
	}
	teardown();
}

static void bad_arguments(void)
{
	struct lnkfs_ext e, good;
	struct lnkfs_fs *fs = &vol.fs;
	u64 block, done;
	u32 got;
	lnkfs_tx tx;

	rnd_state = 24;
	setup(10, 32);
	setup_map(false, 376, 0);
	REQUIRE(data_blocks(true, 3000, 4, &block, &got) == 0 && got == 4);
	good = (struct lnkfs_ext){ .lblk = 5, .block = block, .len = 4 };
	e = good;
	e.len = 0;
	CHECK_EQ(do_insert(&e), -EINVAL);
	e = good;
	e.lblk = lnkfs_file_blocks_max(fs) - 3;
	CHECK_EQ(do_insert(&e), -EINVAL);
	e = good;
	e.flags = LNKFS_EXT_HOLE;
	CHECK_EQ(do_insert(&e), -EINVAL);
	e = good;
	e.block = fs->blocks - 3;
	CHECK_EQ(do_insert(&e), -EINVAL);
	e = good;
	e.block = fs->group_blocks - 2;
	CHECK_EQ(do_insert(&e), -EINVAL);
	e = good;
	e.block = 0;
	CHECK_EQ(do_insert(&e), -EINVAL);
	CHECK_EQ(lnkfs_ext_lookup(fs, &inode, LNKFS_MAX_LBLK, &e), -EINVAL);
	lnkfs_tx_begin(&tx, &vol, 0);
	CHECK_EQ(lnkfs_ext_convert(&tx, fs, &inode, 0, 0, &done), -EINVAL);
	CHECK_EQ(lnkfs_ext_convert(&tx, fs, &inode, 1, LNKFS_MAX_LBLK, &done), -EINVAL);
	CHECK_EQ(lnkfs_ext_convert(&tx, fs, &inode, 0, LNKFS_MAX_LBLK, &done), 0);
	CHECK_EQ(done, LNKFS_MAX_LBLK);
	CHECK_EQ(lnkfs_ext_remove(&tx, fs, &inode, 0, ~0ULL, 1), 0);
	lnkfs_tx_end(&tx);
	CHECK_EQ(do_insert(&good), 0);
	e = good;
	e.lblk = 3;
	CHECK_EQ(do_insert(&e), -EEXIST);
	e.lblk = 8;
	CHECK_EQ(do_insert(&e), -EEXIST);
	CHECK_EQ(inode.blocks, 4);
	teardown();
}

/* Records that lie about their blocks are corruption, never an answer. */
static void bad_records(void)
{
	struct lnkfs_extent *x = (void *)(area + 2);
	struct lnkfs_fs *fs = &vol.fs;
	struct lnkfs_ext e;
	u64 block, done;
	u32 got;
	lnkfs_tx tx;
	int bad;

	rnd_state = 25;
	setup(10, 32);
	setup_map(false, 376, 0);
	REQUIRE(data_blocks(true, 3000, 4, &block, &got) == 0 && got == 4);
	for (bad = 0; bad < 8; bad++) {
		struct lnkfs_extent was;

		setup_map(false, 376, 0);
		e = (struct lnkfs_ext){ .lblk = 5, .block = block, .len = 2 };
		CHECK_EQ(do_insert(&e), 0);
		e = (struct lnkfs_ext){ .lblk = 9, .block = block + 2, .len = 2 };
		CHECK_EQ(do_insert(&e), 0);
		was = *x;
		switch (bad) {
		case 0:
			x->x_len = 0;
			break;
		case 1:
			x->x_len = cpu_to_le32(5);	/* over the next one */
			break;
		case 2:
			x->x_flags = cpu_to_le32(2);
			break;
		case 3:
			x->x_flags = cpu_to_le32(LNKFS_EXT_HOLE);
			break;
		case 4:
			x->x_block = cpu_to_le64(fs->blocks);
			break;
		case 5:
			x->x_block = cpu_to_le64(fs->group_blocks - 1);
			break;
		case 6:
			x->x_block = cpu_to_le64(0);
			break;
		case 7:
			x->x_block = cpu_to_le64(~0ULL);
			break;
		}
		CHECK_EQ(lnkfs_ext_lookup(fs, &inode, 5, &e), -EFSCORRUPTED);
		CHECK_EQ(lnkfs_ext_lookup(fs, &inode, 7, &e), -EFSCORRUPTED);
		lnkfs_tx_begin(&tx, &vol, 0);
		CHECK_EQ(lnkfs_ext_convert(&tx, fs, &inode, 5, 1, &done), -EFSCORRUPTED);
		CHECK_EQ(lnkfs_ext_remove(&tx, fs, &inode, 0, 8, 9), -EFSCORRUPTED);
		lnkfs_tx_end(&tx);
		e = (struct lnkfs_ext){ .lblk = 7, .block = block, .len = 1 };
		CHECK_EQ(do_insert(&e), -EFSCORRUPTED);
		CHECK(memcmp(&was, x, sizeof(was)));
		CHECK_EQ(inode.blocks, 4);
	}
	/* No map at all, and one longer than the area. */
	inode.fork = LNKFS_FORK_FAST_LINK;
	CHECK_EQ(lnkfs_ext_lookup(fs, &inode, 5, &e), -EFSCORRUPTED);
	inode.fork = LNKFS_FORK_EXTENTS;
	inode.fork_len = inode.area_len + 8;
	CHECK_EQ(lnkfs_ext_lookup(fs, &inode, 5, &e), -EFSCORRUPTED);
	inode.fork = LNKFS_FORK_DIR_BLOCKS;
	inode.fork_len = 376;
	area[0] = ~0ULL;
	CHECK_EQ(lnkfs_ext_lookup(fs, &inode, 5, &e), -EFSCORRUPTED);
	teardown();
}

/* Every entry of the tree is where the entry above it says. */
static int no_problem(void *ctx, u64 block, enum lnkfs_btype type)
{
	(void)ctx;
	(void)block;
	(void)type;
	return 0;
}

static void tree_problem(void *ctx, const char *text)
{
	(void)ctx;
	printf("# %s\n", text);
	tap_failed = true;
}

static int record_seen(void *ctx, u64 key, const void *value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return 0;
}

static void check_tree(void)
{
	static const struct lnkfs_check_ops ops = { .block = no_problem, .message = tree_problem };
	struct lnkfs_check ck = { .fs = &vol.fs, .ci = &inode, .ops = &ops };
	const struct lnkfs_btree bt = {
		.fs = &vol.fs,
		.ci = &inode,
		.root = inode.area,
		.root_size = inode.fork_len,
		.vsize = 16,
		.tree = LNKFS_TREE_EXTENT,
	};
	u64 nodes = 0;

	CHECK_EQ(lnkfs_check_tree(&ck, &bt, record_seen, NULL, &nodes), 0);
}

/*
 * A tree of several levels, moved to and fro in pieces: gaps of one block and
 * of thousands, which swallow separators of every level.
 */
static void shifts(u32 bits)
{
	u32 round, calls, most = 0;
	u64 i;

	rnd_state = 31 + bits;
	setup(bits, 64);
	setup_map(false, 128, 1ULL << 33);
	for (i = 0; i + 1 < RANGE; i += 2)
		step_insert(i, 1, i % 4 != 0);
	CHECK(lnkfs_ext_level(&vol.fs, &inode) >= (bits == 10 ? 2 : 1));
	walk();
	for (round = 0; round < 60 && !tap_failed; round++) {
		u32 len = 1 + below(1u << below(12));

		i = below(RANGE - len);
		calls = round % 2 ? step_insert_range(i, len) : step_collapse(i, len);
		most = calls > most ? calls : most;
		check_tree();
		walk();
		for (i = 1; i + 1 < RANGE; i += 2)
			if (!phys[i] && !phys[i - 1] && !crossed(i))
				step_insert(i, 1, i % 4 == 1);
		check_tree();
	}
	if (bits == 10)
		CHECK(most > 2);
	walk();
	step_remove(0, RANGE);
	walk();
	CHECK_EQ(inode.blocks, 0);
	teardown();
}

static void shifts_1k(void) { shifts(10); }
static void shifts_4k(void) { shifts(12); }

/*
 * The first key of a leftmost node may be greater than what is below it. Such a
 * key and the one after it in one gap, with records before the gap, which stay
 * where they are or move through it.
 */
static void first_keys(void)
{
	u64 gap, i;
	u32 len;

	rnd_state = 36;
	setup(10, 32);
	for (gap = 102; gap < 160 && !tap_failed; gap += 2) {
		for (len = 10; len < 110; len += 10) {
			setup_map(false, 128, 0);
			for (i = 1000; i >= 100; i -= 2)
				step_insert(i, 1, false);
			CHECK(lnkfs_ext_level(&vol.fs, &inode) >= 2);
			if (len / 10 % 2) {
				CHECK(step_collapse(gap, len) > 0);
			} else {
				step_remove(gap, len);
				CHECK(run_shift(0, gap, len, true) > 0);
			}
			check_tree();
			walk();
			step_insert(gap - 1, 1, false);
			step_remove(0, RANGE);
			CHECK_EQ(inode.blocks, 0);
		}
	}
	teardown();
}

/* Every call on the way of a split and a shift fails: nothing has changed. */
static void every_failure_of_shifts(void)
{
	u32 *fault[] = { &vol.fault.space, &vol.fault.bnew, &vol.fault.baccess,
			 &vol.fault.bread };
	u32 kind, k;
	u64 i;

	rnd_state = 33;
	setup(10, 32);
	setup_map(false, 128, 77);
	for (i = 0; i + 8 < RANGE; i += 6)
		step_insert(i, 5, true);
	for (kind = 0; kind < 4 && !tap_failed; kind++) {
		for (k = 1; ; k += k < 10 ? 1 : 7) {
			memset(&vol.fault, 0, sizeof(vol.fault));
			*fault[kind] = k;
			vol.fault.fired = 0;
			if (k % 2)
				step_insert_range(RANGE / 2 + k, 1 + k % 5);
			else
				step_collapse(RANGE / 3 + k, 1 + k % 5);
			if (!vol.fault.fired)
				break;
			memset(&vol.fault, 0, sizeof(vol.fault));
			check_tree();
			walk();
		}
		memset(&vol.fault, 0, sizeof(vol.fault));
		check_tree();
		walk();
	}
	teardown();
}

/* A full leaf, and no block to split it into: the insertion has not begun. */
static void split_without_space(void)
{
	u64 start, i, full = 0;
	lnkfs_tx tx;
	u32 got;
	int err;

	rnd_state = 34;
	setup(10, 8);
	setup_map(false, 128, 0);
	for (i = 0; i + 4 < RANGE; i += 4)
		step_insert(i, 3, true);
	while (data_blocks(true, 0, 1000, &start, &got) == 0)
		;
	free_at_start = inode.blocks + vol.free_blocks;
	for (i = 0; i + 4 < RANGE && !tap_failed; i += 4) {
		lnkfs_tx_begin(&tx, &vol, lnkfs_ext_split_credits(&vol.fs, &inode));
		err = lnkfs_ext_split(&tx, &vol.fs, &inode, i + 1);
		lnkfs_tx_end(&tx);
		if (err) {
			CHECK_EQ(err, -ENOSPC);
			full++;
			break;
		}
	}
	CHECK_EQ(full, 1);
	check_tree();
	walk();
	/* What needs no space works all the same. */
	CHECK(step_collapse(400, 4) > 0);
	check_tree();
	walk();
	teardown();
}

static void bad_shifts(void)
{
	struct lnkfs_shift s;
	lnkfs_tx tx;
	u64 i;

	rnd_state = 35;
	setup(10, 32);
	setup_map(false, 128, 0);
	for (i = 0; i < 3000; i += 6)
		step_insert(i, 2, false);
	lnkfs_tx_begin(&tx, &vol, 64);
	/* Into a record, out of the range of keys at either end, nothing. */
	s = (struct lnkfs_shift){ 600, LNKFS_MAX_LBLK, 20, false };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), -EEXIST);
	s = (struct lnkfs_shift){ 600, 900, 20, true };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), -EEXIST);
	s = (struct lnkfs_shift){ 6, 900, 7, false };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), -EINVAL);
	s = (struct lnkfs_shift){ 6, lnkfs_file_blocks_max(&vol.fs), 1, true };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), -EINVAL);
	s = (struct lnkfs_shift){ 6, LNKFS_MAX_LBLK + 1, 1, false };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), -EINVAL);
	s = (struct lnkfs_shift){ 6, 6, 1, true };
	CHECK_EQ(lnkfs_ext_shift(&tx, &vol.fs, &inode, &s, 64), 0);
	lnkfs_tx_end(&tx);
	check_tree();
	walk();
	teardown();
}

/* On a full volume a conversion fails whole; removal from the end still works. */
static void full_volume(void)
{
	u64 start, i;
	u32 got;

	rnd_state = 26;
	setup(10, 8);
	setup_map(false, 128, 0);
	for (i = 0; i + 4 < RANGE; i += 4)
		step_insert(i, 3, true);
	walk();
	while (data_blocks(true, 0, 1000, &start, &got) == 0)
		;
	free_at_start = inode.blocks + vol.free_blocks;
	CHECK_EQ(vol.free_blocks, 0);
	for (i = 0; i + 4 < RANGE && !tap_failed; i += 4) {
		u64 done;
		lnkfs_tx tx;
		int err;

		lnkfs_tx_begin(&tx, &vol, lnkfs_ext_convert_credits(&vol.fs, &inode));
		err = lnkfs_ext_convert(&tx, &vol.fs, &inode, i + 1, 1, &done);
		lnkfs_tx_end(&tx);
		if (err) {
			CHECK_EQ(err, -ENOSPC);
			break;
		}
		unwritten[i + 1] = false;
	}
	CHECK(i + 4 < RANGE);
	walk();
	step_remove(0, RANGE);
	CHECK_EQ(walk(), 0);
	CHECK_EQ(inode.blocks, 0);
	CHECK_EQ(vol.free_blocks, free_at_start);
	teardown();
}

/* A lookup that must not wait: -EAGAIN, or the same answer. */
static void without_waiting(void)
{
	struct lnkfs_ext want, e;
	u32 i, again = 0, err;

	rnd_state = 23;
	setup(10, 64);
	setup_map(false, 128, 0);
	for (i = 0; i < RANGE; i += 2)
		step_insert(i, 1, false);
	CHECK(lnkfs_ext_level(&vol.fs, &inode) > 0);
	CHECK_EQ(lnkfs_cache_drop(&vol), 0);
	CHECK_EQ(lnkfs_ext_lookup_nowait(&vol.fs, &inode, 0, &e), -EAGAIN);
	for (i = 0; i < RANGE; i++) {
		err = (u32)-lnkfs_ext_lookup_nowait(&vol.fs, &inode, i, &e);
		again += err == EAGAIN;
		CHECK_EQ(lnkfs_ext_lookup(&vol.fs, &inode, i, &want), 0);
		if (err)
			CHECK_EQ(lnkfs_ext_lookup_nowait(&vol.fs, &inode, i, &e), 0);
		CHECK(e.lblk == want.lblk && e.len == want.len && e.block == want.block &&
		      e.flags == want.flags);
	}
	/* A node is read once. */
	CHECK(again > 0 && again < RANGE / 8);
	CHECK_EQ(lnkfs_ext_lookup_nowait(&vol.fs, &inode, LNKFS_MAX_LBLK, &e), -EINVAL);
	teardown();
}

/* A record that counts fewer blocks than the map has, of data and of nodes. */
static void wrong_count(void)
{
	u32 xattrs, i, err;

	for (xattrs = 0; xattrs < 2; xattrs++) {
		rnd_state = 27;
		setup(10, 64);
		setup_map(false, 128, 0);
		for (i = 0; i < RANGE; i += 2)
			step_insert(i, 1, false);
		CHECK(lnkfs_ext_level(&vol.fs, &inode) > 0);
		inode.blocks = 5;
		inode.xattr_block = xattrs ? vol.fs.blocks - 1 : 0;
		do {
			lnkfs_tx tx;

			lnkfs_tx_begin(&tx, &vol, 0);
			err = (u32)lnkfs_ext_remove(&tx, &vol.fs, &inode, 0, LNKFS_MAX_LBLK, 64);
			lnkfs_tx_end(&tx);
			CHECK(inode.blocks <= 5);
		} while (err == 1 && !tap_failed);
		CHECK_EQ(err, 0);
		CHECK_EQ(inode.blocks, xattrs);
		teardown();
	}
}

static const struct tap_test tests[] = {
	{ "lookups that must not wait", without_waiting },
	{ "sequential writing joins extents", sequential },
	{ "conversions split and join", conversions },
	{ "bad arguments", bad_arguments },
	{ "bad records", bad_records },
	{ "random operations, file, 1 KiB", files_1k },
	{ "random operations, file, 4 KiB", files_4k },
	{ "random operations, directory, 1 KiB", dirs_1k },
	{ "random operations, directory, 4 KiB", dirs_4k },
	{ "every failure of conversion and removal", every_failure },
	{ "full volume", full_volume },
	{ "shifts, 1 KiB", shifts_1k },
	{ "shifts, 4 KiB", shifts_4k },
	{ "shifts past first keys", first_keys },
	{ "every failure of splits and shifts", every_failure_of_shifts },
	{ "no space for a split", split_without_space },
	{ "shifts that cannot be", bad_shifts },
	{ "a wrong number of blocks", wrong_count },
};

TAP_MAIN(tests)
