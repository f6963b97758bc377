// SPDX-License-Identifier: GPL-2.0
/*
 * Back references against a model: names of inodes of several groups are added,
 * removed and moved, every answer is compared, every allocation and access is
 * refused in turn, and roots, nodes and records are filled with garbage.
 */
#include "fixture.h"
#include "names_rebuild.h"
#include "tree.h"

#define MAX_INODES	64
#define MAX_NAMES	1200	/* of an inode */
#define DIRS		16

struct file {
	struct lnkfs_cinode ci;
	struct lnkfs_ref ref[MAX_NAMES];
	u32 names;
};

static struct lnkfs_volume vol;
static struct lnkfs_fs *fs = &vol.fs;
static struct file *file;
static u32 files;
static s64 free_at_start;
static bool armed;

static u64 nth_ino(u32 group, u32 n)
{
	return ((lnkfs_group_first(fs, group) + lnkfs_group_overhead(fs, group)) <<
		fs->slot_bits) + n;
}

/* Inodes that nothing but their numbers is needed of, spread over the groups. */
static void setup(u32 bits, u64 mib, u32 count)
{
	u32 i;

	memset(&vol, 0, sizeof(vol));
	REQUIRE(!lnkfs_format_mem(&vol, mib * MIB, bits, true));
	vol.strict = true;
	vol.report = note_report;
	CHECK(fs->backref);
	rnd_state = 0x9e3779b97f4a7c15ULL + bits;
	files = count;
	file = calloc(count + 1, sizeof(*file));
	REQUIRE(file);
	for (i = 0; i < count; i++)
		file[i].ci.ino = nth_ino(i % fs->groups, i / fs->groups);
	free_at_start = vol.free_blocks;
	lost = 0;
}

static u64 some_dir(void)
{
	u32 n = below(DIRS);

	return nth_ino(n % fs->groups, 1000 + n);
}

/* Positions at both ends of what there can be, and in between. */
static struct lnkfs_ref some_ref(void)
{
	struct lnkfs_ref ref = { .dir = some_dir() };

	switch (below(8)) {
	case 0:
		ref.pos = LNKFS_DIR_FIRST_POS + 8ULL * below(64);
		break;
	case 1:
		ref.pos = 8ULL * (~0u - below(64));
		break;
	default:
		ref.pos = LNKFS_DIR_FIRST_POS + 8ULL * below(1 << 20);
	}
	return ref;
}

static bool same(const struct lnkfs_ref *a, const struct lnkfs_ref *b)
{
	return a->dir == b->dir && a->pos == b->pos;
}

static int find_ref(const struct file *f, const struct lnkfs_ref *ref)
{
	u32 i;

	for (i = 0; i < f->names; i++)
		if (same(&f->ref[i], ref))
			return (int)i;
	return -1;
}

/* ---- operations, each with exactly its credits ---- */

static void begin(lnkfs_tx *tx, u32 credits)
{
	/* A transaction without credits may do anything: 1 stands for 0. */
	lnkfs_tx_begin(tx, &vol, credits ? credits : 1);
}

static void end(lnkfs_tx *tx, u32 credits)
{
	CHECK(tx->revokes <= LNKFS_REVOKES_NAMES);
	CHECK(tx->used <= credits);
	lnkfs_tx_end(tx);
}

static int do_add(struct file *f, const struct lnkfs_ref *ref)
{
	u32 credits = lnkfs_names_add_credits(fs, &f->ci);
	lnkfs_tx tx;
	int err;

	begin(&tx, credits);
	err = lnkfs_names_add(&tx, fs, &f->ci, ref);
	end(&tx, credits);
	return err;
}

/* Remove a name; with @undo, and take it back in the same transaction. */
static int do_del(struct file *f, const struct lnkfs_ref *ref, bool undo)
{
	u32 credits = lnkfs_names_del_credits(fs, &f->ci);
	struct lnkfs_fault fault;
	lnkfs_tx tx;
	int err;

	begin(&tx, credits);
	err = lnkfs_names_del(&tx, fs, &f->ci, ref);
	if (!err && undo) {
		fault = vol.fault;
		memset(&vol.fault, 0, sizeof(vol.fault));
		CHECK_EQ(lnkfs_names_add(&tx, fs, &f->ci, ref), 0);
		vol.fault = fault;
	}
	end(&tx, credits);
	return err;
}

static int do_move(struct file *f, const struct lnkfs_ref *from, const struct lnkfs_ref *to)
{
	u32 credits = lnkfs_names_add_credits(fs, &f->ci) + lnkfs_names_del_credits(fs, &f->ci);
	lnkfs_tx tx;
	int err;

	begin(&tx, credits);
	err = lnkfs_names_move(&tx, fs, &f->ci, from, to);
	end(&tx, credits);
	return err;
}

/* ---- comparing ---- */

static int by_place(const void *a, const void *b)
{
	const struct lnkfs_ref *x = a, *y = b;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static void compare_one(struct file *f)
{
	static struct lnkfs_ref got[MAX_NAMES + 1];
	struct lnkfs_ref ref;
	u64 cookie = 0;
	u32 n = 0;
	int err;

	while (!(err = lnkfs_names_next(fs, &f->ci, &cookie, &ref))) {
		REQUIRE(n <= f->names);
		got[n++] = ref;
	}
	CHECK_EQ(err, -ENOENT);
	CHECK_EQ(lnkfs_names_next(fs, &f->ci, &cookie, &ref), -ENOENT);
	CHECK_EQ(n, f->names);
	if (f->ci.parent_pos)
		CHECK(n && same(&got[0], &(struct lnkfs_ref){ f->ci.parent, f->ci.parent_pos }));
	else
		CHECK_EQ(f->ci.parent, 0);
	qsort(got, n, sizeof(*got), by_place);
	qsort(f->ref, f->names, sizeof(*f->ref), by_place);
	CHECK(n != f->names || !n || !memcmp(got, f->ref, n * sizeof(*got)));
}

/* Records of a tree, one after the other; and what is in use for it. */
static void walk_tree(u32 group, u64 *records, u64 *blocks)
{
	struct lnkfs_cinode owner;
	struct lnkfs_btree bt;
	struct lnkfs_ref ref;
	u64 key, next = 0, ino, *list;
	lnkfs_buf *head;
	__le64 value;
	int err;

	REQUIRE(!lnkfs_names_list(&vol, group, &list, blocks));
	free(list);
	*records = 0;
	err = lnkfs_names_open(fs, group, &owner, &bt, &head);
	CHECK_EQ(err, lnkfs_group(fs, group)->names ? 0 : -ENOENT);
	if (err)
		return;
	CHECK(lnkfs_btree_level(&bt) <= LNKFS_NAMES_MAX_LEVEL);
	while (!(err = lnkfs_btree_lookup_ge(&bt, next, &key, &value))) {
		CHECK(lnkfs_names_decode(fs, group, key, le64_to_cpu(value), &ino, &ref));
		CHECK_EQ(lnkfs_group_of(fs, lnkfs_ino_block(fs, ino)), group);
		++*records;
		next = key + 1;
	}
	CHECK_EQ(err, -ENOENT);
	lnkfs_bput(head);
}

/* Everything, read back from the disk when @drop. */
static void compare(bool drop)
{
	u64 records, blocks, want = 0, got = 0, used = 0;
	u32 i;

	lnkfs_volume_commit(&vol);
	if (drop) {
		CHECK_EQ(lnkfs_cache_drop(&vol), 0);
		for (i = 0; i < fs->groups; i++)
			lnkfs_group(fs, i)->names_level = LNKFS_NAMES_UNREAD;
	}
	for (i = 0; i < files; i++) {
		compare_one(&file[i]);
		want += file[i].names - (file[i].ci.parent_pos != 0);
	}
	for (i = 0; i < fs->groups; i++) {
		walk_tree(i, &records, &blocks);
		got += records;
		used += blocks;
	}
	CHECK_EQ(got, want);
	CHECK_EQ(free_at_start - vol.free_blocks, used + lost);
}

static void teardown(void)
{
	CHECK_EQ(vol.misuses, 0);
	free(file);
	volume_done(&vol);
}

/* ---- random operations ---- */

/* Was it an injected failure, or are all places taken? Then nothing may have changed. */
static bool injected(int err)
{
#ifdef TEST_NAMES_COLLIDE
	if (err == -EMLINK)
		return true;
#endif
	return vol.fault.fired && (err == -EIO || err == -ENOMEM || err == -EROFS ||
				   err == -ENOSPC);
}

static void step_add(struct file *f)
{
	struct lnkfs_ref ref = some_ref();
	int err;

	if (f->names == MAX_NAMES || find_ref(f, &ref) >= 0)
		return;
	err = do_add(f, &ref);
	if (injected(err))
		return;
	CHECK_EQ(err, 0);
	f->ref[f->names++] = ref;
}

static void step_del(struct file *f)
{
	u32 i = f->names ? below(f->names) : 0;
	bool undo = !below(4);
	struct lnkfs_ref ref = f->names && below(16) ? f->ref[i] : some_ref();
	int at = find_ref(f, &ref);
	int err = do_del(f, &ref, undo);

	if (injected(err))
		return;
	CHECK_EQ(err, at < 0 ? -EFSCORRUPTED : 0);
	if (!err && !undo)
		f->ref[at] = f->ref[--f->names];
}

static void step_move(struct file *f)
{
	struct lnkfs_ref from = f->names && below(16) ? f->ref[below(f->names)] : some_ref();
	struct lnkfs_ref to = some_ref();
	int at = find_ref(f, &from), err;

	/* Two failures at once, of which the second is undoing, are too many. */
	if (find_ref(f, &to) >= 0 || (at < 0 && armed))
		return;
	err = do_move(f, &from, &to);
	if (injected(err))
		return;
	CHECK_EQ(err, at < 0 ? -EFSCORRUPTED : 0);
	if (!err)
		f->ref[at] = to;
}

static void inject(void)
{
	u32 n = 1 + below(8);

	switch (below(6)) {
	case 0:
		vol.fault.bread = n;
		break;
	case 1:
		vol.fault.bnew = 1 + below(3);
		break;
	case 2:
		vol.fault.baccess = n;
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

static void run_random(u32 bits, u64 mib, u32 count, u32 steps, bool faults)
{
	u32 i, grow = 50;

	setup(bits, mib, count);
	vol.busy = true;
	for (i = 0; i < steps && !tap_failed; i++) {
		struct file *f = &file[below(below(2) ? files : 4)];
		u32 what = below(100);

		if (i % 8192 == 0)
			grow = grow == 50 ? 25 : 50;
		armed = faults && !below(8);
		if (armed)
			inject();
		if (what < 20)
			step_move(f);
		else if (what < 20 + grow)
			step_add(f);
		else
			step_del(f);
		if (vol.fault.fired) {
			memset(&vol.fault, 0, sizeof(vol.fault));
			compare_one(f);
		}
		memset(&vol.fault, 0, sizeof(vol.fault));
		if (i % 1024 == 1023)
			compare(i % 4096 == 4095);
	}
	compare(true);
	for (i = 0; i < files; i++)
		while (file[i].names && !tap_failed)
			step_del(&file[i]);
	compare(true);
	/* A root that is there stays. */
	for (i = 0; i < fs->groups; i++)
		CHECK(!lnkfs_group(fs, i)->names ||
		      lnkfs_group(fs, i)->names_level == 0 ||
		      lnkfs_group(fs, i)->names_level == LNKFS_NAMES_UNREAD);
	teardown();
}

static void test_random(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++)
		run_random(fixture_bits[i], fixture_bits[i] == 10 ? 24 : 64, 24, 24000, false);
}

static void test_random_faults(void)
{
	run_random(10, 24, MAX_INODES, 24000, true);
	run_random(12, 64, 6, 12000, true);
}

#ifndef TEST_NAMES_COLLIDE

/* ---- one inode ---- */

static void test_record(void)
{
	struct lnkfs_ref a = { .pos = 64 }, b = { .pos = 64 }, c = { .pos = 72 };
	struct file *f;

	setup(10, 24, 2);
	a.dir = nth_ino(0, 100);
	b.dir = nth_ino(0, 101);
	c.dir = a.dir;
	f = &file[0];
	CHECK_EQ(do_add(f, &a), 0);
	CHECK_EQ(lnkfs_group(fs, 0)->names, 0);
	CHECK_EQ(f->ci.parent, a.dir);
	CHECK_EQ(f->ci.parent_pos, a.pos);
	/* Neither a name that is not there, nor one of another inode. */
	CHECK_EQ(do_del(f, &b, false), -EFSCORRUPTED);
	CHECK_EQ(do_move(f, &b, &c), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_group(fs, 0)->names, 0);
	CHECK_EQ(do_move(f, &a, &c), 0);
	CHECK_EQ(f->ci.parent_pos, c.pos);
	f->ref[f->names++] = c;
	compare(true);

	CHECK_EQ(do_add(f, &b), 0);
	CHECK(lnkfs_group(fs, 0)->names);
	f->ref[f->names++] = b;
	compare(true);
	CHECK_EQ(do_del(&file[1], &b, false), -EFSCORRUPTED);
	CHECK_EQ(do_del(f, &c, false), 0);
	CHECK_EQ(f->ci.parent, 0);
	CHECK_EQ(f->ci.parent_pos, 0);
	f->names = 0;
	f->ref[f->names++] = b;
	compare(true);
	/* The record is filled first, a name in the tree stays there. */
	CHECK_EQ(do_add(f, &a), 0);
	CHECK_EQ(f->ci.parent, a.dir);
	f->ref[f->names++] = a;
	compare(true);
	CHECK_EQ(do_del(f, &b, false), 0);
	CHECK_EQ(do_del(f, &a, false), 0);
	f->names = 0;
	compare(true);
	teardown();
}

static void test_no_feature(void)
{
	const struct lnkfs_ref a = { 5000, 64 }, b = { 5001, 64 };
	struct file *f;

	setup(10, 24, 1);
	fs->backref = false;
	f = &file[0];
	CHECK_EQ(lnkfs_names_add_credits(fs, &f->ci), 0);
	CHECK_EQ(lnkfs_names_del_credits(fs, &f->ci), 0);
	CHECK_EQ(do_add(f, &a), 0);
	CHECK_EQ(do_move(f, &b, &a), 0);
	CHECK_EQ(do_del(f, &b, false), 0);
	CHECK_EQ(f->ci.parent, 0);
	CHECK_EQ(f->ci.parent_pos, 0);
	CHECK_EQ(vol.free_blocks, free_at_start);
	teardown();
}

/* ---- high trees ---- */

#define MANY	60000

static struct lnkfs_ref nth_ref(u32 n)
{
	return (struct lnkfs_ref){ nth_ino(0, 1000 + n % 7), 64 + 8ULL * n };
}

/* Against the order of the keys, so that nodes are half full. */
static void test_high(void)
{
	struct lnkfs_cinode ci = { 0 };
	struct lnkfs_ref ref;
	u64 records, blocks;
	u32 i, credits, top = 0;
	lnkfs_tx tx;
	int err = 0;

	setup(10, 24, 0);
	for (i = MANY; i-- && !err;) {
		ci.ino = nth_ino(0, i / 10);
		ci.parent_pos = 64;
		ref = nth_ref(i);
		credits = lnkfs_names_add_credits(fs, &ci);
		begin(&tx, credits);
		err = lnkfs_names_add(&tx, fs, &ci, &ref);
		end(&tx, credits);
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(lnkfs_group(fs, 0)->names_level, 3);
	walk_tree(0, &records, &blocks);
	CHECK_EQ(records, MANY);
	CHECK_EQ(free_at_start - vol.free_blocks, blocks);
	CHECK(blocks <= lnkfs_names_blocks(fs, MANY, 1));
	CHECK_EQ(lnkfs_cache_drop(&vol), 0);
	lnkfs_group(fs, 0)->names_level = LNKFS_NAMES_UNREAD;
	CHECK(lnkfs_names_del_credits(fs, &ci) > 0);
	CHECK_EQ(lnkfs_group(fs, 0)->names_level, 3);
	for (i = 0; i < MANY && !err; i++) {
		u32 n = (u32)((u64)i * 40009 % MANY);

		ci.ino = nth_ino(0, n / 10);
		ref = nth_ref(n);
		credits = lnkfs_names_del_credits(fs, &ci);
		begin(&tx, credits);
		err = lnkfs_names_del(&tx, fs, &ci, &ref);
		end(&tx, credits);
		top = max(top, lnkfs_group(fs, 0)->names_level);
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(top, 3);
	CHECK_EQ(lnkfs_group(fs, 0)->names_level, 0);
	CHECK_EQ(free_at_start - vol.free_blocks, 1);
	teardown();
}

/* ---- no room ---- */

static void test_full(void)
{
	const struct lnkfs_ref a = { 5000, 64 };
	struct lnkfs_ref ref;
	s64 room;
	u32 n;

	setup(10, 24, 1);
	CHECK_EQ(do_add(&file[0], &a), 0);
	file[0].ref[file[0].names++] = a;
	room = vol.free_blocks;
	vol.free_blocks = 0;
	ref = some_ref();
	CHECK_EQ(do_add(&file[0], &ref), -ENOSPC);
	CHECK_EQ(lnkfs_group(fs, 0)->names, 0);
	vol.free_blocks = 2;
	for (n = 0; n < 200; n++) {
		ref = (struct lnkfs_ref){ nth_ino(0, 1000), 64 + 8 * n };
		if (do_add(&file[0], &ref))
			break;
		file[0].ref[file[0].names++] = ref;
	}
	/* The root, and one node. */
	CHECK(n > 50 && n < 200);
	CHECK_EQ(do_add(&file[0], &ref), -ENOSPC);
	CHECK_EQ(do_move(&file[0], &file[0].ref[3], &ref), -ENOSPC);
	/* But this needs none. */
	CHECK_EQ(do_del(&file[0], &file[0].ref[4], true), 0);
	CHECK_EQ(vol.free_blocks, 0);
	vol.free_blocks = room - 2;
	compare(true);
	teardown();
}

/* ---- garbage ---- */

static void test_decode(void)
{
	struct lnkfs_ref ref = { 0 }, got;
	u64 key, value, ino;
	struct names {
		u64 pos;
		bool ok;
	} const pos[] = {
		{ LNKFS_DIR_FIRST_POS, true }, { LNKFS_DIR_FIRST_POS - 8, false }, { 0, false },
		{ 8ULL * ~0u, true }, { 8ULL << 32, false },
	};
	struct lnkfs_cinode owner;
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	__le64 le;
	u32 i;

	setup(10, 24, 4);
	/* A place to count positions from: what one reference says. */
	ref.dir = nth_ino(1, 1);
	ref.pos = 800;
	file[1].ci.parent_pos = 64;
	CHECK_EQ(do_add(&file[1], &ref), 0);
	REQUIRE(!lnkfs_names_open(fs, 1, &owner, &bt, &head));
	REQUIRE(!lnkfs_btree_lookup_ge(&bt, 0, &key, &le));
	lnkfs_bput(head);
	value = le64_to_cpu(le);
	for (i = 0; i < ARRAY_SIZE(pos); i++) {
		u64 mask = (1ULL << LNKFS_NAMES_SHIFT) - 1;
		u64 there = (key & ~mask) | ((key + pos[i].pos / 8 - 100) & mask);

		CHECK_EQ(lnkfs_names_decode(fs, 1, there, value, &ino, &got), pos[i].ok);
		if (pos[i].ok) {
			CHECK_EQ(ino, file[1].ci.ino);
			CHECK_EQ(got.dir, ref.dir);
			CHECK_EQ(got.pos, pos[i].pos);
		}
	}
	CHECK(lnkfs_names_decode(fs, 1, key, value, &ino, &got));
	/* The last inode of the group, and one after it. */
	i = (lnkfs_group_size(fs, 1) << fs->slot_bits) - 1;
	key &= (1ULL << LNKFS_NAMES_SHIFT) - 1;
	CHECK(lnkfs_names_decode(fs, 1, key | (u64)i << LNKFS_NAMES_SHIFT, value, &ino, &got));
	CHECK(!lnkfs_names_decode(fs, 1, key | (u64)(i + 1) << LNKFS_NAMES_SHIFT, value, &ino,
				  &got));
	/* Displacements, directories. */
	CHECK(!lnkfs_names_decode(fs, 1, key + 16,
				  value | 16ULL << LNKFS_NAMES_DIR_BITS, &ino, &got));
	CHECK(lnkfs_names_decode(fs, 1, key + 15,
				 value | 15ULL << LNKFS_NAMES_DIR_BITS, &ino, &got));
	CHECK_EQ(got.pos, ref.pos);
	CHECK(!lnkfs_names_decode(fs, 1, key, 0, &ino, &got));
	CHECK(!lnkfs_names_decode(fs, 1, key, (1ULL << LNKFS_NAMES_DIR_BITS) - 1, &ino, &got));
	teardown();
}

/* Fill the trees, then write everything out. */
static void fill(void)
{
	u32 i;

	setup(10, 8, 6);
	for (i = 0; i < 6000; i++)
		step_add(&file[below(files)]);
	compare(true);
}

/* Use what may be garbage: it is refused, or taken for what it says. */
static void use_all(void)
{
	struct lnkfs_ref ref;
	u64 cookie, last;
	u32 i, n;
	int err;

	for (i = 0; i < files; i++) {
		for (cookie = 0, n = 0, err = 0; !err && n < 4 * MAX_NAMES; n++) {
			last = cookie;
			err = lnkfs_names_next(fs, &file[i].ci, &cookie, &ref);
			CHECK(err || cookie > last);
		}
		CHECK(err == -ENOENT || err == -EFSCORRUPTED || err == -EFSBADCRC);
		ref = some_ref();
		err = do_add(&file[i], &ref);
		CHECK(!err || err == -EFSCORRUPTED || err == -EFSBADCRC || err == -EMLINK ||
		      err == -EIO);
		err = do_del(&file[i], &file[i].ref[0], false);
		CHECK(!err || err == -EFSCORRUPTED || err == -EFSBADCRC || err == -EIO);
		err = do_move(&file[i], &file[i].ref[1], &ref);
		CHECK(!err || err == -EFSCORRUPTED || err == -EFSBADCRC || err == -EMLINK ||
		      err == -EIO);
	}
}

static void read_block(u64 block, u8 *data)
{
	REQUIRE(!lnkfs_dev_read(&vol.dev, block << fs->block_bits, data, fs->block_size));
}

static void write_block(u64 block, const u8 *data)
{
	REQUIRE(!lnkfs_dev_write(&vol.dev, block << fs->block_bits, data, fs->block_size));
}

static void test_garbage(void)
{
	static u8 mem[8 * MIB];
	u64 *list, nr;
	u8 data[1024];
	u32 round, i, n;

	fill();
	REQUIRE(!lnkfs_names_list(&vol, 0, &list, &nr));
	REQUIRE(nr > 4);
	CHECK_EQ(lnkfs_cache_drop(&vol), 0);
	memcpy(mem, vol.dev.mem, sizeof(mem));
	for (round = 0; round < 1500 && !tap_failed; round++) {
		u64 block = list[below(3) ? below((u32)nr) : 0];
		u32 from = below(4) ? sizeof(struct lnkfs_block_header) : 0;

		read_block(block, data);
		n = 1 + below(4);
		for (i = 0; i < n; i++) {
			u32 at = from + below(below(2) ? 48 : 1024 - from);

			data[at] = below(2) ? (u8)rnd() : (u8)(data[at] ^ 1u << below(8));
		}
		lnkfs_seal_block(fs, data, block == list[0] ? LNKFS_B_NAMES : LNKFS_B_BTREE,
				 block);
		write_block(block, data);
		vol.quiet = true;
		use_all();
		/* As it was. */
		lnkfs_cache_free(&vol);
		lnkfs_volume_forget_groups(&vol);
		REQUIRE(!lnkfs_cache_init(&vol, LNKFS_CACHE_MIB));
		memcpy(vol.dev.mem, mem, sizeof(mem));
		REQUIRE(!lnkfs_volume_load_groups(&vol));
	}
	free(list);
	teardown();
}

#define ROOT_HOSTILE(change)							\
	do {									\
		read_block(root, data);						\
		change;								\
		CHECK_EQ(lnkfs_names_check_block(fs, data), -EFSCORRUPTED);	\
	} while (0)

static void test_check_block(void)
{
	u64 root;
	u8 data[1024];
	struct lnkfs_names_block *nb = (void *)data;
	struct lnkfs_btree_root *bt = (void *)nb->nb_root;

	fill();
	root = lnkfs_group(fs, 0)->names;
	read_block(root, data);
	CHECK_EQ(lnkfs_names_check_block(fs, data), 0);
	ROOT_HOSTILE(nb->nb_pad[0] = 1);
	ROOT_HOSTILE(nb->nb_pad[23] = 1);
	ROOT_HOSTILE(bt->bt_tree = LNKFS_TREE_XATTR);
	ROOT_HOSTILE(bt->bt_vsize = 16);
	ROOT_HOSTILE(bt->bt_level = cpu_to_le16(LNKFS_NAMES_MAX_LEVEL + 1));
	ROOT_HOSTILE(bt->bt_count = cpu_to_le16(0));
	ROOT_HOSTILE(bt->bt_count = cpu_to_le16(60));
	ROOT_HOSTILE(memset(bt + 1, 0, 32));
	/* An empty leaf is what a new tree is. */
	read_block(root, data);
	bt->bt_level = 0;
	bt->bt_count = 0;
	CHECK_EQ(lnkfs_names_check_block(fs, data), 0);
	teardown();
}

/* ---- a volume with directories ---- */

/* Nothing is lost, and nothing is left behind, when the room does not do. */
static void test_rebuild(void)
{
	struct lnkfs_fsck_result res;
	struct lnkfs_cinode root = { 0 };
	struct lnkfs_ref ref;
	struct lnkfs_volume v;
	s64 before, with;
	u64 blocks, *list;
	lnkfs_tx tx;
	char name[32];
	u32 i;

	volume_make(&v, 24 * MIB, 10);
	REQUIRE(!lnkfs_inode_load(&v.fs, v.fs.root_ino, 0, &root));
	lnkfs_tx_begin(&tx, &v, 0);
	/* The directory in it gets more names than it should have, for a moment. */
	ref.dir = root.ino;
	for (i = 0; i < 300; i++)
		REQUIRE(!lnkfs_dir_add(&tx, &v.fs, &root, name,
				       (u32)sprintf(name, "name %u", i),
				       le64_to_cpu(v.sb.s_lpf_ino), DT_DIR, &ref.pos));
	REQUIRE(!lnkfs_inode_store(&tx, &v.fs, &root));
	lnkfs_tx_end(&tx);
	before = v.free_blocks;

	CHECK_EQ(lnkfs_names_rebuild(&v, NULL, NULL), 0);
	REQUIRE(!lnkfs_names_list(&v, 0, &list, &blocks));
	free(list);
	CHECK(blocks > 5);
	CHECK(blocks <= lnkfs_names_blocks(&v.fs, 300, 1));
	CHECK_EQ(before - v.free_blocks, blocks);
	with = v.free_blocks;
	CHECK_EQ(lnkfs_names_rebuild(&v, NULL, NULL), 0);
	CHECK_EQ(v.free_blocks, with);

	lnkfs_names_feature(&v, false);
	CHECK_EQ(lnkfs_names_rebuild(&v, NULL, NULL), 0);
	CHECK_EQ(v.free_blocks, before);
	CHECK_EQ(lnkfs_group(&v.fs, 0)->names, 0);

	for (i = 0; i < blocks; i++) {
		v.free_blocks = i;
		lnkfs_names_feature(&v, true);
		CHECK_EQ(lnkfs_names_rebuild(&v, NULL, NULL), -ENOSPC);
		CHECK(!v.fs.backref);
		CHECK_EQ(v.sb.s_feature_ro_compat, 0);
		CHECK_EQ(v.free_blocks, i);
		CHECK_EQ(lnkfs_group(&v.fs, 0)->names, 0);
	}
	v.free_blocks = before;

	lnkfs_tx_begin(&tx, &v, 0);
	for (i = 0; i < 300; i++)
		REQUIRE(!lnkfs_dir_remove(&tx, &v.fs, &root, name,
					  (u32)sprintf(name, "name %u", i)));
	REQUIRE(!lnkfs_inode_store(&tx, &v.fs, &root));
	lnkfs_tx_end(&tx);
	lnkfs_free(root.area);
	CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
	volume_check(&v, &res);
	lnkfs_names_feature(&v, true);
	CHECK_EQ(lnkfs_names_rebuild(&v, NULL, NULL), 0);
	CHECK_EQ(lnkfs_volume_write_super(&v, true), 0);
	CHECK_EQ(lnkfs_group(&v.fs, 0)->names, 0);
	volume_check(&v, &res);
	volume_done(&v);
}

static const struct tap_test tests[] = {
	{ "a name in the record, others in the tree", test_record },
	{ "nothing happens without the feature", test_no_feature },
	{ "random names of inodes of several groups", test_random },
	{ "random names, and every step may fail", test_random_faults },
	{ "a tree of three levels above its leaves", test_high },
	{ "no room", test_full },
	{ "what a record can say", test_decode },
	{ "what a root can say", test_check_block },
	{ "garbage in roots, nodes and records", test_garbage },
	{ "all anew, and nothing when there is no room", test_rebuild },
};

#else

/* All directories begin at the same place: names at one position displace each other. */
static void test_displaced(void)
{
	struct lnkfs_ref ref = { 0, 640 };
	struct file *f;
	u32 i, round;

	setup(10, 24, 1);
	f = &file[0];
	ref.dir = nth_ino(0, 999);
	CHECK_EQ(do_add(f, &ref), 0);
	f->ref[f->names++] = ref;
	for (i = 0; i <= LNKFS_NAMES_MAX_DISP; i++) {
		ref.dir = nth_ino(0, 1000 + i);
		CHECK_EQ(do_add(f, &ref), 0);
		f->ref[f->names++] = ref;
	}
	compare(true);
	ref.dir = nth_ino(0, 1000 + i);
	CHECK_EQ(do_add(f, &ref), -EMLINK);
	CHECK_EQ(do_move(f, &f->ref[3], &ref), -EMLINK);
	compare(true);
	/* Any of them can go, and its place be taken by another. */
	for (round = 0; round < 200 && !tap_failed; round++) {
		i = below(f->names);
		if (f->ci.parent == f->ref[i].dir)
			continue;
		CHECK_EQ(do_del(f, &f->ref[i], false), 0);
		CHECK_EQ(do_add(f, &f->ref[i]), 0);
		compare_one(f);
	}
	teardown();
}

static const struct tap_test tests[] = {
	{ "names that displace each other", test_displaced },
	{ "random names, all directories at the same places", test_random },
	{ "random names, and every step may fail", test_random_faults },
};

#endif

TAP_MAIN(tests)
