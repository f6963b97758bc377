// SPDX-License-Identifier: GPL-2.0
/*
 * The block allocator against a model that knows each block's state, with
 * failures injected at every call that can fail.
 */
#include "format.h"
#include "tap.h"

enum { FREE, USED, BUSY, OWN };	/* OWN: of the group, or journal */

static struct lnkfs_volume v;
static u8 *model;
static struct lnkfs_window windows[8];
static u64 rng = 88172645463325252ULL;

static u32 rnd(u32 below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (u32)((rng >> 20) % below);
}

static void setup(u64 bytes, u32 bits)
{
	u64 b;

	REQUIRE(lnkfs_format_mem(&v, bytes, bits, true) == 0);
	v.busy = true;
	v.quiet = true;
	model = calloc(1, v.fs.blocks);
	REQUIRE(model);
	for (b = 0; b < v.fs.blocks; b++)
		if (!lnkfs_block_valid(&v.fs, b, 1))
			model[b] = OWN;
}

static void drop_windows(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		lnkfs_window_drop(&v.fs, &windows[i]);
	for (i = 0; i < v.fs.groups; i++) {
		CHECK_EQ(v.fs.group[i].kept_blocks, 0);
		CHECK(!v.fs.group[i].kept);
	}
}

static void teardown(void)
{
	drop_windows();
	memset(windows, 0, sizeof(windows));
	free(model);
	CHECK_EQ(v.misuses, 0);
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static u64 count(u64 from, u64 to, u8 state)
{
	u64 n = 0;

	for (; from < to; from++)
		n += model[from] == state;
	return n;
}

/* Is a window what its owner takes it for? */
static bool window_open(const struct lnkfs_window *w)
{
	return w->len && w->epoch == v.fs.group[w->group].kept_epoch;
}

/* Open windows are disjoint, of free blocks, and all that the masks tell. */
static int compare_windows(u32 group)
{
	const struct lnkfs_group *g = &v.fs.group[group];
	u32 i, b, sum = 0, bits = 0, bad = 0;
	u64 first = lnkfs_group_first(&v.fs, group);

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		const struct lnkfs_window *w = &windows[i];

		if (w->group != group || !window_open(w))
			continue;
		sum += w->len;
		for (b = w->off; b < w->off + w->len; b++)
			bad |= !CHECK(lnkfs_test_bit(b, g->kept)) ||
			       !CHECK_EQ(model[first + b], FREE);
	}
	for (b = 0; g->kept && b < v.fs.group_blocks; b++)
		bits += lnkfs_test_bit(b, g->kept);
	bad |= !CHECK_EQ(g->kept_blocks, sum);
	bad |= !CHECK_EQ(bits, sum);
	return !bad;
}

/* Bitmaps, descriptors and counters say what the model says. */
static int compare(void)
{
	struct lnkfs_fs *fs = &v.fs;
	u32 group, i, size, bad = 0;
	u64 total = 0;
	lnkfs_buf *buf;

	for (group = 0; group < fs->groups; group++) {
		const struct lnkfs_group *g = &fs->group[group];
		u64 first = lnkfs_group_first(fs, group);
		u64 idle, busy;

		size = lnkfs_group_size(fs, group);
		idle = count(first, first + size, FREE);
		busy = count(first, first + size, BUSY);
		bad |= !CHECK_EQ(g->free_blocks, idle + busy);
		bad |= !CHECK_EQ(g->busy_blocks, busy);
		bad |= !compare_windows(group);
		total += idle;
		if (g->flags & LNKFS_BG_BLOCK_UNINIT) {
			bad |= !CHECK_EQ(count(first, first + size, USED), 0);
			continue;
		}
		if (!CHECK_EQ(lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP),
					  LNKFS_B_BITMAP, group, 0, &buf), 0))
			return 0;
		for (i = 0; i < fs->group_blocks; i++) {
			int used = i >= size || model[first + i] == USED ||
				   model[first + i] == OWN;

			if (lnkfs_test_bit(i, lnkfs_bdata(buf) + LNKFS_MAP_HEADER) != used) {
				printf("# group %u block %u: model %d\n", group, i,
				       i < size ? model[first + i] : -1);
				bad = 1;
				break;
			}
		}
		lnkfs_bput(buf);
	}
	bad |= !CHECK_EQ(v.free_blocks, total);
	return !bad;
}

/* Write all, forget all, load the descriptors again. */
static int compare_on_disk(void)
{
	u32 group;

	drop_windows();
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	CHECK_EQ(v.bufs, 0);
	lnkfs_volume_commit(&v);
	for (group = 0; group < v.fs.blocks; group++)
		if (model[group] == BUSY)
			model[group] = FREE;
	for (group = 0; group < v.fs.groups; group++)
		if (!CHECK_EQ(lnkfs_group_load(&v.fs, group), 0))
			return 0;
	return compare();
}

/* Has any group a run that would have done? */
static bool model_has(u32 min, unsigned int flags)
{
	u32 n = LNKFS_CLUSTER_BYTES >> v.fs.block_bits;
	u64 b, run = 0;

	for (b = 0; b < v.fs.blocks; b++) {
		u32 off = (u32)(b % v.fs.group_blocks);

		if (!off)
			run = 0;
		run = model[b] == FREE ? run + 1 : 0;
		if (flags & LNKFS_BA_CLUSTER) {
			if (run >= n && off % n == n - 1)
				return true;
		} else if (run >= min) {
			return true;
		}
	}
	return false;
}

static int do_alloc_window(u64 goal, u32 min, u32 want, unsigned int flags,
			   struct lnkfs_window *w, u64 *start, u32 *got)
{
	u64 b;
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_ALLOC);
	err = lnkfs_balloc_window(&tx, &v.fs, goal, min, want, flags, w, start, got);
	lnkfs_tx_end(&tx);
	if (err)
		return err;
	CHECK(*got >= min && *got <= want);
	CHECK(lnkfs_block_valid(&v.fs, *start, *got));
	if (flags & LNKFS_BA_CLUSTER)
		CHECK_EQ(*start % v.fs.group_blocks % want, 0);
	for (b = *start; b < *start + *got; b++) {
		if (!CHECK_EQ(model[b], FREE))
			break;
		model[b] = USED;
	}
	return 0;
}

static int do_alloc(u64 goal, u32 min, u32 want, unsigned int flags, u64 *start, u32 *got)
{
	return do_alloc_window(goal, min, want, flags, NULL, start, got);
}

static int do_free(u64 start, u32 len)
{
	lnkfs_tx tx;
	u64 b;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_FREE);
	err = lnkfs_bfree(&tx, &v.fs, start, len);
	lnkfs_tx_end(&tx);
	for (b = start; !err && b < start + len; b++) {
		CHECK_EQ(model[b], USED);
		model[b] = v.busy ? BUSY : FREE;
	}
	return err;
}

static void random_alloc(void)
{
	unsigned int flags = rnd(8) ? 0 : LNKFS_BA_CLUSTER;
	u32 min = rnd(2) ? 1 : 1 + rnd(60);
	u32 want = min + (rnd(2) ? 0 : rnd(rnd(10) ? 100 : 9000));
	u64 start, goal = rnd((u32)v.fs.blocks + 10);
	struct lnkfs_window *w = NULL;
	u32 got;
	int err;

	if (flags)
		min = want = LNKFS_CLUSTER_BYTES >> v.fs.block_bits;
	else if (rnd(2))
		w = &windows[rnd(ARRAY_SIZE(windows))];
	if (w) {
		w->ahead = rnd(3) ? rnd(600) : 0;
		if (w->len && rnd(3))
			goal = lnkfs_group_first(&v.fs, w->group) + w->off;
	}
	err = do_alloc_window(goal, min, want, flags, w, &start, &got);
	if (err) {
		CHECK_EQ(err, -ENOSPC);
		CHECK(!model_has(min, flags));
	}
}

static void random_free(void)
{
	u64 start = rnd((u32)v.fs.blocks);
	u32 len = 0, max = 1 + rnd(rnd(4) ? 20 : 4000);

	while (start < v.fs.blocks && model[start] != USED)
		start++;
	while (len < max && start + len < v.fs.blocks && model[start + len] == USED &&
	       (start + len) / v.fs.group_blocks == start / v.fs.group_blocks)
		len++;
	if (len)
		CHECK_EQ(do_free(start, len), 0);
}

static void random_commit(void)
{
	u64 b;

	lnkfs_volume_commit(&v);
	for (b = 0; b < v.fs.blocks; b++)
		if (model[b] == BUSY)
			model[b] = FREE;
}

/* Freeing what must not be freed changes nothing. */
static void random_bad_free(void)
{
	u64 start = rnd((u32)v.fs.blocks + 5), b;
	u32 len = rnd(50);
	bool fine = len > 0;

	for (b = start; b < start + len; b++)
		fine = fine && b < v.fs.blocks && model[b] == USED &&
		       b / v.fs.group_blocks == start / v.fs.group_blocks;
	if (fine)
		return;
	CHECK_EQ(do_free(start, len), -EFSCORRUPTED);
}

static void random_steps(u64 bytes, u32 bits, u32 steps)
{
	u32 i, mode = 0;

	setup(bytes, bits);
	for (i = 0; i < steps && !tap_failed; i++) {
		if (!rnd(500))
			mode = rnd(3);
		switch (rnd(12)) {
		case 0:
			random_bad_free();
			break;
		case 1:
			if (!rnd(10))
				random_commit();
			break;
		default:
			if (rnd(4) < 1 + mode)
				random_free();
			else
				random_alloc();
		}
		if (!rnd(2000) && !compare())
			printf("# at step %u\n", i);
		if (!rnd(5000) && !compare_on_disk())
			printf("# on disk, at step %u\n", i);
	}
	CHECK(compare());
	CHECK(compare_on_disk());
	teardown();
}

static void model_1k(void)
{
	random_steps((3 * 7680 + 100) << 10, 10, 60000);
}

static void model_2k(void)
{
	random_steps(50 << 20, 11, 20000);
}

static void model_4k(void)
{
	random_steps(140 << 20, 12, 20000);
}

/* The op-th thing to do: allocate in a fresh group, in one in use, free. */
static int one_op(u32 op, u64 start, u32 len)
{
	u32 got;

	switch (op) {
	case 0:
		return do_alloc(7680 * 3, 1, 3, 0, &start, &got);
	case 1:
		return do_alloc(7690, 1, 3, 0, &start, &got);
	case 2:
		return do_alloc(7690, 1, 7680, 0, &start, &got);
	default:
		return do_free(start, len);
	}
}

/* Each call of the host that can fail, failing: nothing changes. */
static void failures(void)
{
	static const int errors[] = { -EIO, -ENOMEM, -EROFS, -ENOSPC, -ENOMEM };
	u32 point, nth, op, got, fired = 0;
	u64 start;
	int err;

	for (point = 0; point < ARRAY_SIZE(errors); point++) {
		u32 *const points[] = { &v.fault.bread, &v.fault.bnew, &v.fault.baccess,
					&v.fault.space, &v.fault.freed };

		for (op = 0; op < 4; op++) {
			setup((4 * 7680) << 10, 10);
			CHECK_EQ(do_alloc(7690, 5, 5, 0, &start, &got), 0);
			for (nth = 1, err = -1; err && nth < 20; nth++) {
				v.fault.fired = 0;
				*points[point] = nth;
				err = one_op(op, start, got);
				fired += v.fault.fired;
				if (err && CHECK(v.fault.fired))
					CHECK_EQ(err, errors[point]);
				*points[point] = 0;
				CHECK(compare());
			}
			CHECK(nth < 20);
			CHECK(compare_on_disk());
			teardown();
		}
	}
	/* That many there are: a point that is no longer reached shows here. */
	CHECK(fired >= 15);
	printf("# %u failures\n", fired);
}

/* Everything can be allocated, one block at a time, and given back. */
static void fill(void)
{
	u64 start, n = 0;
	u32 got;

	setup((2 * 7680 + 60) << 10, 10);
	while (!do_alloc(0, 1, 1, 0, &start, &got))
		n++;
	CHECK_EQ(n, v.fs.blocks - count(0, v.fs.blocks, OWN));
	CHECK_EQ(v.free_blocks, 0);
	for (start = 0; start < v.fs.blocks; start++)
		if (model[start] == USED)
			CHECK_EQ(do_free(start, 1), 0);
	/* Busy until the commit. */
	CHECK_EQ(do_alloc(0, 1, 1, 0, &start, &got), -ENOSPC);
	random_commit();
	CHECK_EQ(do_alloc(0, 1, 7680, 0, &start, &got), 0);
	CHECK(compare_on_disk());
	teardown();
}

static void placement(void)
{
	u64 first, start, goal;
	u32 got;

	setup((4 * 7680) << 10, 10);
	first = 7680 + lnkfs_group_overhead(&v.fs, 1);
	/* The goal itself. */
	CHECK_EQ(do_alloc(first + 100, 1, 10, 0, &start, &got), 0);
	CHECK_EQ(start, first + 100);
	CHECK_EQ(got, 10);
	/* Appending goes on where the last allocation ended. */
	goal = start + got;
	CHECK_EQ(do_alloc(goal, 1, 10, 0, &start, &got), 0);
	CHECK_EQ(start, goal);
	/* A taken goal: the next free block. */
	CHECK_EQ(do_alloc(first + 105, 1, 1, 0, &start, &got), 0);
	CHECK_EQ(start, first + 120);
	/* A hole of 100 before the goal does for 100, not for 101. */
	CHECK_EQ(do_alloc(first + 100, 101, 101, 0, &start, &got), 0);
	CHECK_EQ(start, first + 121);
	CHECK_EQ(do_alloc(first, 100, 100, 0, &start, &got), 0);
	CHECK_EQ(start, first);
	/* A whole group's worth comes from a group that is empty. */
	CHECK_EQ(do_alloc(first, 7600, 7660, 0, &start, &got), 0);
	CHECK(start >= 2 * 7680);
	/* Larger than any group. */
	CHECK_EQ(do_alloc(first, 7681, 9000, 0, &start, &got), -ENOSPC);
	teardown();
}

/* Two files that grow side by side stay in one piece each. */
static void growing(void)
{
	struct lnkfs_window *w = windows;
	u64 start[2], end[2], b;
	u32 i, got, pieces[2] = { 1, 1 };

	setup((2 * 7680) << 10, 10);
	for (i = 0; i < 2; i++) {
		w[i].ahead = 64;
		CHECK_EQ(do_alloc_window(7800, 1, 4, 0, &w[i], &end[i], &got), 0);
		end[i] += got;
		CHECK_EQ(w[i].len, 64);
	}
	CHECK_EQ(end[1], end[0] + 64 + 4);
	/* Nobody else gets between them... */
	CHECK_EQ(do_alloc(end[0], 1, 10, 0, &b, &got), 0);
	CHECK_EQ(b, end[1] + 64);
	for (i = 0; i < 64; i++) {
		u32 f = i % 2;

		CHECK_EQ(do_alloc_window(end[f], 1, 4, 0, &w[f], &start[f], &got), 0);
		pieces[f] += start[f] != end[f];
		end[f] = start[f] + got;
		CHECK(compare());
	}
	CHECK_EQ(pieces[0], 2);
	CHECK_EQ(pieces[1], 2);
	/* ...until there is no other space. */
	while (!do_alloc(0, 1, 1, 0, &b, &got))
		;
	CHECK_EQ(v.free_blocks, 0);
	CHECK(!window_open(&w[0]) && !window_open(&w[1]));
	CHECK_EQ(do_alloc_window(end[0], 1, 4, 0, &w[0], &b, &got), -ENOSPC);
	CHECK(compare());
	teardown();
}

/* Who allocates in a given group finds what windows hold, too. */
static void windows_in_the_way(void)
{
	u32 size, off, got;
	lnkfs_tx tx;
	u64 b;

	setup((2 * 7680) << 10, 10);
	size = lnkfs_group_size(&v.fs, 1) - lnkfs_group_overhead(&v.fs, 1);
	windows[0].ahead = 10000;
	CHECK_EQ(do_alloc_window(7680, 1, 16, 0, &windows[0], &b, &got), 0);
	/* One in eight is the most that a window gets. */
	CHECK_EQ(windows[0].len, size / 8);
	CHECK_EQ(do_alloc(b, 1, size - 16 - size / 8, 0, &b, &got), 0);
	CHECK_EQ(got, size - 16 - size / 8);
	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_ALLOC);
	lnkfs_group_lock(&v.fs, 1);
	CHECK_EQ(lnkfs_balloc_locked(&tx, &v.fs, 1, 0, 1, 1, 0, &off, &got), 0);
	lnkfs_group_unlock(&v.fs, 1);
	lnkfs_tx_end(&tx);
	model[7680 + off] = USED;
	CHECK(!window_open(&windows[0]));
	CHECK(compare());
	teardown();
}

/* A bitmap that is not what the descriptor says. */
static void contradictions(void)
{
	struct lnkfs_group *g;
	lnkfs_buf *buf;
	lnkfs_tx tx;
	u64 start;
	u32 off, got;

	setup((2 * 7680) << 10, 10);
	CHECK_EQ(do_alloc(100, 1, 1, 0, &start, &got), 0);
	g = &v.fs.group[0];

	/* Full, with free blocks in the descriptor. */
	CHECK_EQ(lnkfs_bread(&v.fs, lnkfs_group_map_block(&v.fs, 0, LNKFS_B_BITMAP),
			     LNKFS_B_BITMAP, 0, 0, &buf), 0);
	memset(lnkfs_bdata(buf) + 64, 0xff, 960);
	lnkfs_tx_begin(&tx, &v, 2);
	lnkfs_group_lock(&v.fs, 0);
	CHECK_EQ(lnkfs_balloc_locked(&tx, &v.fs, 0, 0, 1, 1, 0, &off, &got), -EFSCORRUPTED);
	lnkfs_group_unlock(&v.fs, 0);
	CHECK_EQ(v.reports, 1);
	/* Another group serves. */
	CHECK_EQ(lnkfs_balloc(&tx, &v.fs, 0, 1, 1, 0, &start, &got), 0);
	CHECK_EQ(lnkfs_group_of(&v.fs, start), 1);

	/* Journal blocks marked free. */
	memset(lnkfs_bdata(buf) + 64 + v.fs.journal_start / 8, 0, v.fs.journal_blocks / 8);
	lnkfs_group_lock(&v.fs, 0);
	CHECK_EQ(lnkfs_balloc_locked(&tx, &v.fs, 0, 0, 1, 1, 0, &off, &got), -EFSCORRUPTED);
	/* More free than the descriptor says. */
	memset(lnkfs_bdata(buf) + 64 + 16, 0, 64);
	g->free_blocks = 10;
	CHECK_EQ(lnkfs_balloc_locked(&tx, &v.fs, 0, 0, 1, 100, 0, &off, &got), -EFSCORRUPTED);
	/* Fewer in use than are freed. */
	g->free_blocks = lnkfs_group_size(&v.fs, 0) - lnkfs_group_overhead(&v.fs, 0);
	CHECK_EQ(lnkfs_bfree_locked(&tx, &v.fs, 0, 4000, 1), -EFSCORRUPTED);
	lnkfs_group_unlock(&v.fs, 0);
	lnkfs_tx_end(&tx);
	lnkfs_bput(buf);
	free(model);
	lnkfs_volume_close(&v);
}

/* Blocks that are not the bitmap they should be are refused, each in its way. */
static void bad_bitmaps(void)
{
	u64 block, start;
	lnkfs_buf *buf;
	u32 got, i;
	u8 *p;

	setup((2 * 7680) << 10, 10);
	CHECK_EQ(do_alloc(100, 1, 1, 0, &start, &got), 0);
	CHECK_EQ(do_alloc(7690, 1, 1, 0, &start, &got), 0);
	block = lnkfs_group_map_block(&v.fs, 1, LNKFS_B_BITMAP);
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	p = v.dev.mem + (block << 10);

	/* Any bit changed. */
	for (i = 0; i < 1024 * 8; i += 31) {
		int want = i < 32 ? -EFSCORRUPTED : -EFSBADCRC;

		p[i / 8] ^= (u8)(1 << i % 8);
		CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 1, 0, &buf), want);
		p[i / 8] ^= (u8)(1 << i % 8);
	}
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 0, 0, &buf), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 1, 1, &buf), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_IMAP, 1, 0, &buf), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_bread(&v.fs, v.fs.blocks, LNKFS_B_BITMAP, 1, 0, &buf), -EFSCORRUPTED);
	/* Another group's, in this place: misdirected. */
	memcpy(p, v.dev.mem + (lnkfs_group_map_block(&v.fs, 0, LNKFS_B_BITMAP) << 10), 1024);
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 1, 0, &buf), -EFSCORRUPTED);
	/* Sealed well, but the group's own blocks are free in it. */
	lnkfs_header_init(&v.fs, p, LNKFS_B_BITMAP, block, 1, 0);
	p[64] &= (u8)~1;
	lnkfs_seal_block(&v.fs, p, LNKFS_B_BITMAP, block);
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 1, 0, &buf), -EFSCORRUPTED);
	free(model);
	lnkfs_volume_close(&v);
}

static void map_find(void)
{
	u64 bits[4], busy[4];
	u32 from, end, min, want, start, i, j, n;

	for (i = 0; i < 3000; i++) {
		for (j = 0; j < 4; j++) {
			bits[j] = (u64)(rnd(~0u) & rnd(~0u)) << 32 | (rnd(~0u) & rnd(~0u));
			busy[j] = rnd(2) ? 0 : 1ULL << rnd(64);
		}
		if (!rnd(4))
			memset(bits, 0, 16);
		end = rnd(257);
		from = end ? rnd(end + 1) : 0;
		min = 1 + rnd(40);
		want = min + rnd(100);
		n = (u32)lnkfs_map_find(bits, busy, from, end, min, want, &start);
		/* The slow way. */
		for (; from < end; from++) {
			for (j = 0; j < want && from + j < end; j++)
				if (lnkfs_test_bit(from + j, bits) ||
				    lnkfs_test_bit(from + j, busy))
					break;
			if (j >= min)
				break;
		}
		if (from >= end)
			j = 0;
		if (!CHECK_EQ(n, j) || (n && !CHECK_EQ(start, from)))
			return;
	}
}

/* The window is in the goal's group, which has too little left for a good run. */
static void window_left_behind(void)
{
	u64 end, b;
	u32 got;

	setup((3 * 7680) << 10, 10);
	windows[0].ahead = 64;
	CHECK_EQ(do_alloc_window(7800, 1, 4, 0, &windows[0], &b, &got), 0);
	end = b + got;
	CHECK_EQ(windows[0].len, 64);
	CHECK_EQ(windows[0].group, 1);
	/* others take all that is left of the group */
	while (!do_alloc(7680, 1, 1000, 0, &b, &got) && b / v.fs.group_blocks == 1)
		;
	CHECK_EQ(v.fs.group[1].kept_blocks, 64);
	CHECK(compare());
	windows[0].ahead = 64;
	CHECK_EQ(do_alloc_window(end, 1, 2048, 0, &windows[0], &b, &got), 0);
	CHECK_EQ(windows[0].group, 2);
	CHECK_EQ(v.fs.group[1].kept_blocks, 0);
	CHECK(!v.fs.group[1].kept);
	CHECK(compare());
	teardown();
}

static const struct tap_test tests[] = {
	{ "lnkfs_map_find() against a slow search", map_find },
	{ "where blocks are taken", placement },
	{ "files that grow side by side", growing },
	{ "a window where there is no room any more", window_left_behind },
	{ "windows are in nobody's way", windows_in_the_way },
	{ "a full volume", fill },
	{ "bitmap and descriptor contradict each other", contradictions },
	{ "bad bitmap blocks", bad_bitmaps },
	{ "every failure of the host", failures },
	{ "random steps against a model, 1 KiB blocks", model_1k },
	{ "random steps against a model, 2 KiB blocks", model_2k },
	{ "random steps against a model, 4 KiB blocks", model_4k },
};

TAP_MAIN(tests)
