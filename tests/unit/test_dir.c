// SPDX-License-Identifier: GPL-2.0
/*
 * Directories: random operations against a trivial model, with a strict walk
 * of every structure in between; faults at every call; full volumes; broken
 * blocks. test_dir_collide.c runs the same with few hashes and few blocks.
 */
#include "check_dir.h"
#include "format.h"
#include "tap.h"
#include "volume.h"

#ifdef TEST_DIR_COLLIDE
#define SCALE	8	/* a lookup takes as long as there are collisions */
#else
#define SCALE	1
#endif

/**
 * struct mname - a name the model knows
 * @len: bytes
 * @bytes: the name
 * @present: in the directory
 * @ino: what it should mean
 * @type: likewise
 * @pos: where it is
 * @changed: clock when it was last added or removed
 * @seen: times a listing gave it
 * @next: hash chain
 */
struct mname {
	u8 len;
	char bytes[LNKFS_NAME_LEN];
	bool present;
	u64 ino;
	u8 type;
	u64 pos;
	u64 changed;
	u32 seen;
	struct mname *next;
};

#define MHASH	65536

struct run {
	u64 start;
	u32 len;
};

struct env {
	struct lnkfs_volume v;
	struct lnkfs_cinode ci;
	u64 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS) / 8];
	struct mname *names;
	u32 count;
	u32 present;
	u64 clock;
	struct mname *hash[MHASH];
	u64 rnd;
	u64 free_at_start;
	bool faults;		/* failures are on purpose */
	bool collect;		/* remember the blocks the walk finds */
	u64 corruptions;
	u64 walked;
	u64 blocks[4096];
	u8 btypes[4096];
	u32 nblocks;
	struct lnkfs_check_dir_result res;
	u64 empty_max;
	u64 understated_max;
	struct run *hogged;
	u32 hogs;
	u32 used_max;
};

static u64 rnd(struct env *e)
{
	e->rnd ^= e->rnd << 13;
	e->rnd ^= e->rnd >> 7;
	e->rnd ^= e->rnd << 17;
	return e->rnd * 0x2545f4914f6cdd1dULL >> 16;
}

static u32 below(struct env *e, u32 n)
{
	return (u32)(rnd(e) % n);
}

static u32 bytes_hash(const char *s, u32 len)
{
	u32 h = 2166136261u;

	while (len--)
		h = (h ^ (u8)*s++) * 16777619u;
	return h ^ h >> 16;
}

static struct mname *model_find(struct env *e, const char *s, u32 len)
{
	struct mname *m = e->hash[bytes_hash(s, len) % MHASH];

	while (m && (m->len != len || memcmp(m->bytes, s, len)))
		m = m->next;
	return m;
}

static void on_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	struct env *e = ctx;

	if (err == -EFSCORRUPTED || err == -EFSBADCRC)
		e->corruptions++;
	if (!e->faults)
		printf("# report: %d, inode %llu, block %llu: %s\n", err, (unsigned long long)ino,
		       (unsigned long long)block, text);
}

/* A name of any legal bytes that the pool has not yet. */
static void make_name(struct env *e, struct mname *m, u32 max_len)
{
	u32 i;

	do {
		switch (below(e, 4)) {
		case 0:
			m->len = 1 + below(e, max_len < 8 ? max_len : 8);
			break;
		case 1:
			m->len = max_len - below(e, max_len < 4 ? 1 : 4);
			break;
		default:
			m->len = 1 + below(e, max_len < 40 ? max_len : 40);
		}
		for (i = 0; i < m->len; i++)
			do
				m->bytes[i] = (char)below(e, 256);
			while (!m->bytes[i] || m->bytes[i] == '/');
	} while (model_find(e, m->bytes, m->len) ||
		 (m->bytes[0] == '.' && (m->len == 1 || (m->len == 2 && m->bytes[1] == '.'))));
	m->next = e->hash[bytes_hash(m->bytes, m->len) % MHASH];
	e->hash[bytes_hash(m->bytes, m->len) % MHASH] = m;
}

static struct env *env_new(u64 bytes, u32 block_bits, u32 slots, u32 names, u32 max_len)
{
	struct env *e = calloc(1, sizeof(*e));
	u32 i;

	REQUIRE(e);
	e->rnd = 0x9e3779b97f4a7c15ULL + names * 31 + block_bits + slots;
	lnkfs_random_state = e->rnd;
	REQUIRE(lnkfs_format_mem(&e->v, bytes, block_bits, true) == 0);
	e->v.report = on_report;
	e->v.report_ctx = e;
	e->v.strict = true;
	e->v.busy = true;
	e->ci.ino = 1000ULL << e->v.fs.slot_bits;
	e->ci.gen = 0x1234567;
	e->ci.mode = S_IFDIR | 0755;
	e->ci.nlink = 2;
	e->ci.slots = slots;
	e->ci.area_len = LNKFS_AREA_LEN(slots);
	e->ci.area = (u8 *)e->area;
	lnkfs_dir_init(&e->ci);
	e->names = calloc(names, sizeof(*e->names));
	REQUIRE(e->names);
	e->count = names;
	for (i = 0; i < names; i++)
		make_name(e, &e->names[i], max_len);
	lnkfs_volume_commit(&e->v);
	e->free_at_start = e->v.free_blocks;
	return e;
}

static void env_free(struct env *e)
{
	lnkfs_volume_commit(&e->v);
	CHECK_EQ(e->v.misuses, 0);
	CHECK(lnkfs_volume_close(&e->v) == 0);
	free(e->hogged);
	free(e->names);
	free(e);
}

/* ---- one operation, within its credits ---- */

static void end_tx(struct env *e, lnkfs_tx *tx, u32 revokes)
{
	if (tx->revokes > revokes)
		CHECK_EQ(tx->revokes, revokes);
	e->used_max = max(e->used_max, lnkfs_tx_end(tx));
	if (!below(e, 8))
		lnkfs_volume_commit(&e->v);
}

static int do_add(struct env *e, struct mname *m)
{
	u32 revokes = lnkfs_dir_revokes(&e->v.fs, &e->ci);
	u64 ino = 1 + below(e, 1u << 30), pos = 0;
	u8 type = below(e, 15);
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &e->v, lnkfs_dir_add_credits(&e->v.fs, &e->ci));
	err = lnkfs_dir_add(&tx, &e->v.fs, &e->ci, m->bytes, m->len, ino, type, &pos);
	end_tx(e, &tx, revokes);
	if (err)
		return err;
	m->present = true;
	m->ino = ino;
	m->type = type;
	m->pos = pos;
	m->changed = ++e->clock;
	e->present++;
	return 0;
}

static int find(struct env *e, const struct mname *m, struct lnkfs_dir_spot *spot)
{
	int err = lnkfs_dir_find(&e->v.fs, &e->ci, m->bytes, m->len, spot);

	if (!err)
		CHECK_EQ(lnkfs_dir_spot_pos(&e->v.fs, spot), m->pos);
	return err;
}

static int do_remove(struct env *e, struct mname *m)
{
	u32 revokes = lnkfs_dir_revokes(&e->v.fs, &e->ci);
	u32 credits = lnkfs_dir_remove_credits(&e->v.fs, &e->ci);
	struct lnkfs_dir_spot spot;
	lnkfs_tx tx;
	int err;

	/* 0 would mean any number; inline, nothing but the record changes */
	lnkfs_tx_begin(&tx, &e->v, credits ? credits : 1);
	if (below(e, 2)) {
		err = lnkfs_dir_remove(&tx, &e->v.fs, &e->ci, m->bytes, m->len);
	} else {
		err = find(e, m, &spot);
		if (!err)
			err = lnkfs_dir_remove_at(&tx, &e->v.fs, &e->ci, &spot);
	}
	if (!credits)
		CHECK_EQ(tx.used, 0);
	end_tx(e, &tx, revokes);
	if (err)
		return err;
	m->present = false;
	m->changed = ++e->clock;
	e->present--;
	return 0;
}

static int do_replace(struct env *e, struct mname *m)
{
	u64 ino = 1 + below(e, 1u << 30);
	struct lnkfs_dir_spot spot;
	u8 type = below(e, 15);
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &e->v, 1);
	if (below(e, 2)) {
		err = lnkfs_dir_replace(&tx, &e->v.fs, &e->ci, m->bytes, m->len, ino, type);
	} else {
		err = find(e, m, &spot);
		if (!err) {
			err = lnkfs_dir_replace_at(&tx, &e->v.fs, &spot, ino, type);
			lnkfs_bput(spot.buf);
		}
	}
	end_tx(e, &tx, 0);
	if (err)
		return err;
	m->ino = ino;
	m->type = type;
	return 0;
}

/*
 * One name goes, another comes, in one transaction as a rename does it: the
 * addition first, and some credits for the level it may add to the index.
 */
static int do_rename(struct env *e, struct mname *from, struct mname *to)
{
	struct lnkfs_fs *fs = &e->v.fs;
	u32 credits = lnkfs_dir_add_credits(fs, &e->ci) + lnkfs_dir_remove_credits(fs, &e->ci);
	u32 revokes = 2 * lnkfs_dir_revokes(fs, &e->ci);
	lnkfs_tx tx;
	u64 pos;
	int err;

	lnkfs_tx_begin(&tx, &e->v, credits + 12);
	err = lnkfs_dir_add(&tx, fs, &e->ci, to->bytes, to->len, from->ino, from->type, &pos);
	if (!err) {
		err = lnkfs_dir_remove(&tx, fs, &e->ci, from->bytes, from->len);
		CHECK_EQ(err, 0);
		from->present = false;
		to->present = true;
		to->ino = from->ino;
		to->type = from->type;
		to->pos = pos;
		from->changed = ++e->clock;
		to->changed = e->clock;
	}
	end_tx(e, &tx, revokes);
	return err;
}

static bool name_is(const struct mname *m, const struct lnkfs_name *n)
{
	return m->present && m->ino == n->ino && m->type == n->type && m->pos == n->pos &&
	       m->len == n->len;
}

/* The name is at its position, for who asks for its inode. */
static void check_position(struct env *e, const struct mname *m)
{
	char name[LNKFS_NAME_LEN];
	u32 len;

	CHECK_EQ(lnkfs_dir_name_at(&e->v.fs, &e->ci, m->pos, m->ino, name, &len), 0);
	CHECK(len == m->len && !memcmp(name, m->bytes, len));
	CHECK_EQ(lnkfs_dir_name_at(&e->v.fs, &e->ci, m->pos, m->ino + 1, name, &len), -ENOENT);
	CHECK_EQ(lnkfs_dir_name_at(&e->v.fs, &e->ci, m->pos + 1, m->ino, name, &len), -ENOENT);
}

static void check_lookup(struct env *e, const struct mname *m)
{
	struct lnkfs_name n;
	int err = lnkfs_dir_lookup(&e->v.fs, &e->ci, m->bytes, m->len, &n);

	if (m->present ? err || !name_is(m, &n) : err != -ENOENT)
		CHECK(!"a name is not what it should be");
	if (m->present)
		check_position(e, m);
}

/* ---- the strict walk ---- */

static int walk_entry(void *ctx, const struct lnkfs_name *n)
{
	struct env *e = ctx;
	struct mname *m = model_find(e, n->name, n->len);

	if (!m || !name_is(m, n))
		CHECK(!"an entry is not what it should be");
	e->walked++;
	return 0;
}

static int walk_block(void *ctx, u64 block, enum lnkfs_btype type)
{
	struct env *e = ctx;

	if (e->collect && e->nblocks < ARRAY_SIZE(e->blocks)) {
		e->blocks[e->nblocks] = block;
		e->btypes[e->nblocks++] = type;
	}
	return 0;
}

static void walk_message(void *ctx, const char *text)
{
	(void)ctx;
	printf("# walk: %s\n", text);
}

static void walk(struct env *e)
{
	static const struct lnkfs_check_ops ops = { walk_entry, walk_block, walk_message };

	e->walked = 0;
	e->nblocks = 0;
	CHECK_EQ(lnkfs_check_dir(&e->v.fs, &e->ci, &ops, e, &e->res), 0);
	CHECK_EQ(e->res.problems, 0);
	CHECK_EQ(e->walked, e->present);
	CHECK_EQ(lnkfs_dir_is_empty(&e->v.fs, &e->ci), !e->present);
	if (!e->faults) {
		CHECK_EQ(e->res.understated, 0);
		CHECK_EQ(e->res.empty, 0);
		lnkfs_volume_commit(&e->v);
		CHECK_EQ(e->v.free_blocks + e->ci.blocks, e->free_at_start);
		CHECK_EQ(e->v.reports, 0);
		if (!e->present)
			CHECK_EQ(e->ci.fork, LNKFS_FORK_DIR_INLINE);
	}
	e->empty_max = max(e->empty_max, e->res.empty);
	e->understated_max = max(e->understated_max, e->res.understated);
	CHECK_EQ(e->corruptions, 0);
}

/* ---- listing ---- */

struct lister {
	struct env *e;
	u64 pos;
	u64 end;
	u64 last;
	u64 start_clock;
	u32 budget;
	bool active;
};

static int list_entry(void *ctx, const struct lnkfs_name *n)
{
	struct lister *l = ctx;
	struct mname *m;

	if (!l->budget)
		return 1;
	l->budget--;
	m = model_find(l->e, n->name, n->len);
	if (!m || !name_is(m, n) || n->pos < l->last || n->pos >= l->end) {
		CHECK(!"a listing gives what it should not");
		return 0;
	}
	l->last = n->pos + 1;
	m->seen++;
	return 0;
}

/* Take a listing a few steps further; when it is through, judge it. */
static void list_step(struct env *e, struct lister *l)
{
	u32 i;

	if (!l->active) {
		l->e = e;
		l->pos = 0;
		l->last = 0;
		l->end = lnkfs_dir_end(&e->v.fs, &e->ci);
		l->start_clock = e->clock;
		l->active = true;
		for (i = 0; i < e->count; i++)
			e->names[i].seen = 0;
	}
	l->budget = 1 + below(e, 1 + e->present / 8);
	CHECK_EQ(lnkfs_dir_iterate(&e->v.fs, &e->ci, &l->pos, l->end, list_entry, l), 0);
	if (l->pos < l->end)
		return;
	l->active = false;
	for (i = 0; i < e->count; i++) {
		const struct mname *m = &e->names[i];

		if (m->changed <= l->start_clock && m->seen != m->present)
			CHECK(!"a listing missed a name or gave it twice");
	}
}

static int count_entry(void *ctx, const struct lnkfs_name *n)
{
	(void)n;
	++*(u32 *)ctx;
	return 0;
}

/* Names where there are some, and nowhere else, whatever is asked for. */
static void all_positions(struct env *e)
{
	static const u64 nowhere[] = {
		0, 1, LNKFS_DIR_FIRST_POS - 8, 1ULL << 35, 1ULL << 48, 1ULL << 63, ~0ULL, ~7ULL,
	};
	u64 pos, end = lnkfs_dir_end(&e->v.fs, &e->ci);
	char name[LNKFS_NAME_LEN];
	u32 i, len;

	for (i = 0; i < ARRAY_SIZE(nowhere); i++)
		CHECK_EQ(lnkfs_dir_name_at(&e->v.fs, &e->ci, nowhere[i], e->names[0].ino, name,
					   &len), -ENOENT);
	for (pos = 0; pos < end + 2 * e->v.fs.block_size; pos += 4) {
		for (i = 0; i < e->count; i++)
			if (e->names[i].present && e->names[i].pos == pos)
				break;
		if (i < e->count)
			check_position(e, &e->names[i]);
		else
			CHECK_EQ(lnkfs_dir_name_at(&e->v.fs, &e->ci, pos, e->names[0].ino, name,
						   &len), -ENOENT);
	}
}

/* Start anywhere: all that stands at or behind comes, once. */
static void list_from_anywhere(struct env *e)
{
	u64 end = lnkfs_dir_end(&e->v.fs, &e->ci);
	u64 pos = rnd(e) % (end + 100), from = pos;
	u64 stop = below(e, 2) ? end : rnd(e) % (end + 100);
	u32 got = 0, want = 0, i;

	CHECK_EQ(lnkfs_dir_iterate(&e->v.fs, &e->ci, &pos, stop, count_entry, &got), 0);
	for (i = 0; i < e->count; i++)
		want += e->names[i].present && e->names[i].pos >= from && e->names[i].pos < stop;
	CHECK_EQ(got, want);
}

/* ---- the model test ---- */

/* One operation on a random name; @grow: of 100, how many absent ones come. */
static void step(struct env *e, u32 grow)
{
	struct mname *m = &e->names[below(e, e->count)];
	struct mname *o = &e->names[below(e, e->count)];
	u32 dice = below(e, 100);
	int err;

	check_lookup(e, m);
	if (!m->present && dice < grow) {
		err = do_add(e, m);
#ifdef TEST_DIR_COLLIDE
		if (err == -ENOSPC)
			err = 0;
#endif
		CHECK_EQ(err, 0);
	} else if (m->present && dice >= grow) {
		CHECK_EQ(do_remove(e, m), 0);
	} else if (m->present && dice % 4 == 0) {
		CHECK_EQ(do_replace(e, m), 0);
	} else if (m->present && !o->present && dice % 4 == 1) {
		err = do_rename(e, m, o);
#ifdef TEST_DIR_COLLIDE
		if (err == -ENOSPC)
			err = 0;
#endif
		CHECK_EQ(err, 0);
		check_lookup(e, o);
	}
	check_lookup(e, m);
}

static void run_model(u64 bytes, u32 bits, u32 slots, u32 names, u32 max_len, u32 ops,
		      u32 walk_every)
{
	struct env *e = env_new(bytes, bits, slots, names, max_len);
	struct lister l = { 0 };
	u32 i, grow = 80, most = 0, list_every = 1 + names / 64;

	for (i = 0; i < ops && !tap_failed; i++) {
		if (i % (names * 3) == 0)
			grow = i / (names * 3) % 2 ? 20 + below(e, 20) : 60 + below(e, 40);
		step(e, grow);
		most = max(most, e->present);
		if (i % list_every == 0)
			list_step(e, &l);
		if (i % walk_every == 0) {
			list_from_anywhere(e);
			if (below(e, 2))
				CHECK_EQ(lnkfs_cache_drop(&e->v), 0);
			walk(e);
		}
	}
	walk(e);
	printf("# %u-byte blocks, %u slots: %u operations, at most %u names\n", 1u << bits, slots,
	       i, most);
	for (i = 0; i < e->count && !tap_failed; i++) {
		if (!e->names[i].present)
			continue;
		CHECK_EQ(do_remove(e, &e->names[i]), 0);
		if (i % walk_every == 0)
			walk(e);
	}
	walk(e);
	CHECK_EQ(e->ci.fork, LNKFS_FORK_DIR_INLINE);
	CHECK_EQ(e->ci.size, 0);
	CHECK_EQ(e->ci.blocks, 0);
	env_free(e);
}

static void test_model_tiny(void)
{
	run_model(16 << 20, 10, 1, 12, 255, 20000 / SCALE, 10);
}

static void test_model_small(void)
{
	run_model(16 << 20, 10, 1, 300, 255, 40000 / SCALE, 40);
}

static void test_model_4k(void)
{
	run_model(32 << 20, 12, 2, 3000 / SCALE, 255, 60000 / SCALE, 400);
}

static void test_model_2k(void)
{
	run_model(32 << 20, 11, 8, 2000 / SCALE, 100, 30000 / SCALE, 300);
}

static void test_model_large_1k(void)
{
	run_model(64 << 20, 10, 3, 24000 / SCALE, 60, 120000 / SCALE, 6000);
}

static void test_model_large_4k(void)
{
	run_model(64 << 20, 12, 1, 40000 / SCALE, 255, 120000 / SCALE, 8000);
}

/* ---- faults ---- */

enum { F_BREAD, F_BNEW, F_BACCESS, F_BFORGET, F_SPACE, F_FREED, F_KINDS };

static void arm(struct env *e, int kind, u32 n)
{
	struct lnkfs_fault *f = &e->v.fault;

	memset(f, 0, sizeof(*f));
	switch (kind) {
	case F_BREAD:
		f->bread = n;
		break;
	case F_BNEW:
		f->bnew = n;
		break;
	case F_BACCESS:
		f->baccess = n;
		break;
	case F_BFORGET:
		f->bforget = n;
		break;
	case F_SPACE:
		f->space = n;
		break;
	case F_FREED:
		f->freed = n;
		break;
	}
}

/*
 * Let the first call of a kind fail, then the second, and so on until the
 * operation gets through without. Whatever it returns, the directory is sound
 * and says what the model says.
 */
static u32 with_faults(struct env *e, struct mname *m, int kind)
{
	u32 n, hits = 0;
	bool hit, was;
	int err;

	for (n = 1; n < 500 && !tap_failed; n++) {
		was = m->present;
		arm(e, kind, n);
		err = was ? do_remove(e, m) : do_add(e, m);
		hit = e->v.fault.fired;
		arm(e, -1, 0);
		hits += hit;
		if (err && !hit)
			CHECK_EQ(err, 0);
		if (!hit)
			return hits;
		walk(e);
		check_lookup(e, m);
		if (!err) {
			/* The fault was tolerated: back, and on with the next call. */
			CHECK_EQ(was ? do_add(e, m) : do_remove(e, m), 0);
			walk(e);
		}
	}
	CHECK(n < 500);
	return hits;
}

/* Free the empty blocks that a directory without names may be left with. */
static void trim_all(struct env *e)
{
	u32 revokes;
	lnkfs_tx tx;
	int err;

	do {
		revokes = lnkfs_dir_revokes(&e->v.fs, &e->ci);
		lnkfs_tx_begin(&tx, &e->v, lnkfs_dir_remove_credits(&e->v.fs, &e->ci) + 1);
		err = lnkfs_dir_trim(&tx, &e->v.fs, &e->ci);
		end_tx(e, &tx, revokes);
		walk(e);
	} while (err > 0 && !tap_failed);
	CHECK_EQ(err, 0);
	CHECK_EQ(e->ci.fork, LNKFS_FORK_DIR_INLINE);
	CHECK_EQ(e->ci.size, 0);
	CHECK_EQ(e->ci.blocks, 0);
}

static void run_faults(u32 bits, u32 slots, u32 names, u32 max_len, u32 rounds)
{
	struct env *e = env_new(32 << 20, bits, slots, names, max_len);
	u32 hits[F_KINDS] = { 0 }, i, j;
	struct lnkfs_name out;
	int err;

	e->faults = true;
	for (i = 0; i < rounds && !tap_failed; i++) {
		struct mname *m = &e->names[below(e, names)];
		u32 grow = i / (rounds / 6) % 2 ? 5 : 95;

		if (below(e, 100) < (m->present ? grow : 100 - grow))
			continue;
		for (j = 0; j < F_KINDS; j++) {
			hits[j] += with_faults(e, m, j);
			if (j + 1 < F_KINDS)
				CHECK_EQ(m->present ? do_remove(e, m) : do_add(e, m), 0);
		}
		/* a name that cannot be read is not a name that is not there */
		arm(e, F_BREAD, 1);
		err = lnkfs_dir_lookup(&e->v.fs, &e->ci, m->bytes, m->len, &out);
		if (e->v.fault.fired)
			CHECK_EQ(err, -EIO);
		arm(e, -1, 0);
	}
	/* All names go and block after block; then what faults have left behind. */
	for (i = 0; i < names && !tap_failed; i++) {
		j = i % 2 ? F_BFORGET : F_FREED;
		if (e->names[i].present)
			hits[j] += with_faults(e, &e->names[i], j);
	}
	trim_all(e);
	printf("# faults met: bread %u, bnew %u, baccess %u, bforget %u, space %u, freed %u\n",
	       hits[F_BREAD], hits[F_BNEW], hits[F_BACCESS], hits[F_BFORGET], hits[F_SPACE],
	       hits[F_FREED]);
	printf("# at most %llu empty blocks, %llu low room keys\n",
	       (unsigned long long)e->empty_max, (unsigned long long)e->understated_max);
	for (i = 0; i < F_KINDS; i++)
		CHECK(hits[i]);
	env_free(e);
}

static void test_faults_small(void)
{
	run_faults(10, 1, 40, 255, 1200);
}

static void test_faults_trees(void)
{
	run_faults(10, 1, 1200 / SCALE, 100, 2400 / SCALE);
}

static void test_faults_4k(void)
{
	run_faults(12, 2, 200, 255, SCALE == 1 ? 1600 : 800);
}

/* ---- a full volume ---- */

#define HOG_RUNS	200000

/* Take every block there is, as other files would. */
static void hog(struct env *e)
{
	lnkfs_tx tx;
	u64 start;
	u32 got;

	if (!e->hogged)
		e->hogged = calloc(HOG_RUNS, sizeof(*e->hogged));
	REQUIRE(e->hogged);
	lnkfs_volume_commit(&e->v);
	lnkfs_tx_begin(&tx, &e->v, 0);
	while (!lnkfs_balloc(&tx, &e->v.fs, 0, 1, 1u << 20, LNKFS_BA_META, &start, &got)) {
		REQUIRE(e->hogs < HOG_RUNS);
		e->hogged[e->hogs].start = start;
		e->hogged[e->hogs++].len = got;
	}
	lnkfs_tx_end(&tx);
}

/* Give one block of a group back, if others have any there. */
static void unhog(struct env *e, u32 group)
{
	lnkfs_tx tx;
	u32 i;

	for (i = 0; i < e->hogs; i++) {
		struct run *r = &e->hogged[i];

		if (!r->len || lnkfs_group_of(&e->v.fs, r->start) != group)
			continue;
		lnkfs_tx_begin(&tx, &e->v, 0);
		r->len--;
		CHECK_EQ(lnkfs_bfree(&tx, &e->v.fs, r->start + r->len, 1), 0);
		lnkfs_tx_end(&tx);
		break;
	}
	lnkfs_volume_commit(&e->v);
}

static void run_full(u32 bits, u32 names)
{
	struct env *e = env_new(32 << 20, bits, 1, names, 40);
	u32 i, refused = 0;
	u64 blocks;

	for (i = 0; i < names * 3 / 4; i++)
		CHECK_EQ(do_add(e, &e->names[i]), 0);
	walk(e);
	hog(e);
	e->faults = true;
	for (; i < names; i++)
		refused += do_add(e, &e->names[i]) == -ENOSPC;
	CHECK(refused);
	walk(e);
	/* Every removal works, in any order, even if others take what it frees. */
	while (e->present && !tap_failed) {
		struct mname *m = &e->names[below(e, names)];

		if (!m->present)
			continue;
		CHECK_EQ(do_remove(e, m), 0);
		hog(e);
		if (e->present % 200 == 0)
			walk(e);
		if (e->present && e->present % 97 == 0 && !e->names[0].present)
			do_add(e, &e->names[0]);
	}
	/* With some space for the index, the empty blocks are used before new ones. */
	for (i = 0; i < 8; i++)
		unhog(e, e->hogs % e->v.fs.groups);
	blocks = e->res.blocks;
	for (i = 0; e->res.empty && i < names / 20; i++)
		CHECK_EQ(do_add(e, &e->names[i]), 0);
	walk(e);
	CHECK(e->res.blocks <= blocks);
	for (i = 0; i < names; i++)
		if (e->names[i].present)
			CHECK_EQ(do_remove(e, &e->names[i]), 0);
	trim_all(e);
	printf("# %u refused; at most %llu empty blocks, %llu low room keys\n", refused,
	       (unsigned long long)e->empty_max, (unsigned long long)e->understated_max);
	env_free(e);
}

static void test_full_1k(void)
{
	run_full(10, 12000 / SCALE);
}

static void test_full_4k(void)
{
	run_full(12, 3000 / SCALE);
}

/*
 * One free block in each group: every block allocated comes from another
 * group, with a bitmap and a descriptor of its own. This is what the credits
 * have to be good for.
 */
static void test_scattered(void)
{
	struct env *e = env_new(400 << 20, 10, 1, 3000 / SCALE, 40);
	u32 i, g, grow;

	hog(e);
	e->faults = true;
	for (i = 0; i < 12000 / SCALE && !tap_failed; i++) {
		struct mname *m = &e->names[below(e, e->count)];

		for (g = 0; g < e->v.fs.groups; g++)
			if (!e->v.fs.group[g].free_blocks)
				unhog(e, g);
		grow = i < 8000 / SCALE ? 90 : 10;
		if (m->present != (below(e, 100) < grow))
			CHECK_EQ(m->present ? do_remove(e, m) : do_add(e, m), 0);
		if (i % 500 == 0)
			walk(e);
	}
	walk(e);
	printf("# %u groups; at most %u blocks in a transaction\n", e->v.fs.groups, e->used_max);
	CHECK(e->used_max >= 8);
	env_free(e);
}

/* ---- broken content ---- */

static int refuse_nothing(void *ctx, const struct lnkfs_name *n)
{
	(void)ctx;
	(void)n;
	return 0;
}

/* All operations, on a directory that may be broken: nothing must crash. */
static void poke(struct env *e, u32 tries)
{
	char name[LNKFS_NAME_LEN];
	struct lnkfs_name out;
	u64 pos = 0;
	lnkfs_tx tx;
	u32 i, len;

	lnkfs_dir_iterate(&e->v.fs, &e->ci, &pos, lnkfs_dir_end(&e->v.fs, &e->ci),
			  refuse_nothing, NULL);
	for (i = 0; i < tries; i++) {
		struct mname *m = &e->names[below(e, e->count)];

		lnkfs_dir_name_at(&e->v.fs, &e->ci, below(e, 4) ? m->pos : rnd(e) % (1 << 20),
				  m->ino, name, &len);
		lnkfs_tx_begin(&tx, &e->v, 0);
		if (lnkfs_dir_lookup(&e->v.fs, &e->ci, m->bytes, m->len, &out))
			lnkfs_dir_add(&tx, &e->v.fs, &e->ci, m->bytes, m->len, 77, DT_REG, &pos);
		else
			lnkfs_dir_remove(&tx, &e->v.fs, &e->ci, m->bytes, m->len);
		lnkfs_tx_end(&tx);
	}
}

/* The strict walk of a broken directory: does it see that it is one? */
static bool walk_notices(struct env *e)
{
	static const struct lnkfs_check_ops ops = { refuse_nothing, NULL, NULL };
	struct lnkfs_check_dir_result res;

	CHECK_EQ(lnkfs_check_dir(&e->v.fs, &e->ci, &ops, NULL, &res), 0);
	return res.problems;
}

/*
 * Change bytes of the directory's blocks on disk, right checksum and all, and
 * sometimes of its roots.
 */
static void run_broken(u32 bits, u32 names, u32 rounds)
{
	struct env *e = env_new(16 << 20, bits, 1, names, 60);
	u8 *image = malloc(16 << 20);
	u64 area[ARRAY_SIZE(e->area)];
	struct lnkfs_cinode ci;
	u32 i, j, caught = 0, found = 0;

	REQUIRE(image);
	for (i = 0; i < names * 3 / 4; i++)
		CHECK_EQ(do_add(e, &e->names[i]), 0);
	e->collect = true;
	walk(e);
	CHECK_EQ(lnkfs_cache_drop(&e->v), 0);
	memcpy(image, e->v.dev.mem, 16 << 20);
	memcpy(area, e->area, sizeof(area));
	ci = e->ci;
	e->faults = true;
	e->v.quiet = true;
	e->v.strict = false;
	for (i = 0; i < rounds; i++) {
		u32 b = below(e, e->nblocks), changes = 1 + below(e, 4);
		u8 *data = e->v.dev.mem + (e->blocks[b] << bits);

		for (j = 0; j < changes; j++) {
			u32 at = 40 + below(e, e->v.fs.block_size - 40);

			data[at] = below(e, 3) ? data[at] ^ 1u << below(e, 8) : below(e, 256);
		}
		lnkfs_seal_block(&e->v.fs, data, e->btypes[b], e->blocks[b]);
		if (i % 4 == 3)
			e->ci.area[below(e, e->ci.fork_len)] ^= 1u << below(e, 8);
		found += walk_notices(e);
		e->corruptions = 0;
		poke(e, 40);
		caught += e->corruptions != 0;
		lnkfs_cache_drop(&e->v);
		lnkfs_volume_commit(&e->v);
		memcpy(e->v.dev.mem, image, 16 << 20);
		memcpy(e->area, area, sizeof(area));
		e->ci = ci;
	}
	printf("# of %u broken directories %u noticed in passing, %u by the walk\n", rounds,
	       caught, found);
	/* What is changed may be an inode number, a type, or an unused byte. */
	CHECK(caught > rounds / 4);
	CHECK(found > rounds * 3 / 5);
	CHECK(found > caught);
	e->v.misuses = 0;
	env_free(e);
	free(image);
}

static void test_broken_1k(void)
{
	run_broken(10, 600, 400);
}

static void test_broken_4k(void)
{
	run_broken(12, 1500, 200);
}

/*
 * The only block of a directory without an index says that it has a room key. Nothing
 * in the block itself contradicts that.
 */
static void test_room_without_index(void)
{
	struct env *e = env_new(16 << 20, 10, 1, 12, 8);
	struct lnkfs_dir_block *db;
	struct lnkfs_ext ext;
	int err = 0;
	u32 i, n;

	for (n = 0; n < e->count && e->ci.fork == LNKFS_FORK_DIR_INLINE; n++)
		CHECK_EQ(do_add(e, &e->names[n]), 0);
	REQUIRE(e->ci.fork == LNKFS_FORK_DIR_BLOCKS && n < e->count);
	CHECK_EQ(lnkfs_ext_lookup(&e->v.fs, &e->ci, 0, &ext), 0);
	CHECK_EQ(lnkfs_cache_drop(&e->v), 0);
	db = (void *)(e->v.dev.mem + (ext.block << 10));
	CHECK_EQ(db->b_room, 0);
	db->b_room = 1;
	lnkfs_seal_block(&e->v.fs, db, LNKFS_B_DIR, ext.block);
	e->faults = true;
	CHECK_EQ(do_add(e, &e->names[n]), -EFSCORRUPTED);
	for (i = 0; i < n && !err; i++)
		err = do_remove(e, &e->names[i]);
	CHECK_EQ(err, -EFSCORRUPTED);
	CHECK(e->corruptions);
	env_free(e);
}

/* A block is mapped where the next one is to go. No name is there for all that. */
static void test_block_beyond_end(void)
{
	struct env *e = env_new(16 << 20, 10, 1, 60, 40);
	struct lnkfs_ext ext = { .lblk = 1, .len = 1 };
	lnkfs_tx tx;
	u32 got, n;
	int err = 0;

	for (n = 0; n < e->count && e->ci.fork == LNKFS_FORK_DIR_INLINE; n++)
		CHECK_EQ(do_add(e, &e->names[n]), 0);
	REQUIRE(e->ci.size == 1024);
	lnkfs_tx_begin(&tx, &e->v, 0);
	REQUIRE(!lnkfs_balloc(&tx, &e->v.fs, 0, 1, 1, 0, &ext.block, &got));
	REQUIRE(!lnkfs_ext_insert(&tx, &e->v.fs, &e->ci, &ext));
	lnkfs_tx_end(&tx);
	e->faults = true;
	for (; n < e->count && !err; n++)
		err = do_add(e, &e->names[n]);
	CHECK_EQ(err, -EFSCORRUPTED);
	CHECK_EQ(e->corruptions, 1);
	CHECK_EQ(e->ci.size, 1024);
	env_free(e);
}

struct bad_entry {
	const char *what;
	u32 off;
	u8 bytes[8];
	u32 count;
};

static void test_check_entries(void)
{
	static const struct bad_entry bad[] = {
		{ "length 0", 0, { 0, 0 }, 2 },
		{ "odd length", 0, { 25, 0 }, 2 },
		{ "length beyond the end", 0, { 80, 0 }, 2 },
		{ "too short for the name", 0, { 16, 0 }, 2 },
		{ "longer than needed", 0, { 32, 0 }, 2 },
		{ "unknown type", 3, { 15 }, 1 },
		{ "hash of 32 bits", 7, { 0x80 }, 1 },
		{ "inode 0", 8, { 0 }, 8 },
		{ "slash", 17, { '/' }, 1 },
		{ "NUL", 17, { 0 }, 1 },
		{ "dot", 16, { '.', 0 }, 2 },
		{ "padding", 21, { 1 }, 1 },
		{ "type of a hole", 24 + 3, { 1 }, 1 },
		{ "hash of a hole", 24 + 4, { 1 }, 1 },
		{ "content of a hole", 24 + 12, { 1 }, 1 },
		{ "two holes", 24, { 8, 0, 0, 0, 0, 0, 0, 0 }, 8 },
	};
	u64 run[9];
	u32 i;

	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		struct lnkfs_dirent *de = (void *)run;

		memset(run, 0, sizeof(run));
		de->d_rec_len = cpu_to_le16(24);
		de->d_name_len = 3;
		de->d_hash = cpu_to_le32(5);
		de->d_ino = cpu_to_le64(9);
		memcpy(de->d_name, "abc", 3);
		de = (void *)&run[3];
		de->d_rec_len = cpu_to_le16(16);
		de = (void *)&run[5];
		de->d_rec_len = cpu_to_le16(24);
		de->d_name_len = 8;
		de->d_type = DT_WHT;
		de->d_ino = cpu_to_le64(1);
		memcpy(de->d_name, "\377..\n\t\\ x", 8);
		de = (void *)&run[8];
		de->d_rec_len = cpu_to_le16(8);
		if (i == ARRAY_SIZE(bad)) {
			CHECK_EQ(lnkfs_dir_check_entries(run, sizeof(run)), 0);
			CHECK_EQ(lnkfs_dir_check_entries(run, 64), 0);
			CHECK_EQ(lnkfs_dir_check_entries(run, 0), 0);
			CHECK_EQ(lnkfs_dir_check_entries(run, 60), -EFSCORRUPTED);
			break;
		}
		if (!strcmp(bad[i].what, "dot"))
			((u8 *)run)[2] = 1, memset((u8 *)run + 16, 0, 8);
		if (!strcmp(bad[i].what, "two holes"))
			((u8 *)run)[32] = 8;
		memcpy((u8 *)run + bad[i].off, bad[i].bytes, bad[i].count);
		if (!CHECK_EQ(lnkfs_dir_check_entries(run, sizeof(run)), -EFSCORRUPTED))
			printf("# not refused: %s\n", bad[i].what);
	}
}

/* ---- particular cases ---- */

static void test_names(void)
{
	struct env *e = env_new(16 << 20, 10, 1, 1, 8);
	char name[256];
	struct lnkfs_name out;
	u64 pos;
	lnkfs_tx tx;
	u32 i;

	memset(name, 'n', sizeof(name));
	lnkfs_tx_begin(&tx, &e->v, 0);
	CHECK_EQ(lnkfs_dir_add(&tx, &e->v.fs, &e->ci, name, 0, 1, DT_REG, &pos), -EINVAL);
	CHECK_EQ(lnkfs_dir_add(&tx, &e->v.fs, &e->ci, name, 256, 1, DT_REG, &pos), -EINVAL);
	/* every legal byte, alone */
	for (i = 1; i < 256; i++) {
		char c = (char)i;

		if (c == '/' || c == '.')
			continue;
		CHECK_EQ(lnkfs_dir_add(&tx, &e->v.fs, &e->ci, &c, 1, i, DT_REG, &pos), 0);
	}
	/* every length */
	for (i = 2; i < 256; i++)
		CHECK_EQ(lnkfs_dir_add(&tx, &e->v.fs, &e->ci, name, i, 1000 + i, DT_LNK, &pos), 0);
	for (i = 2; i < 256; i++) {
		CHECK_EQ(lnkfs_dir_lookup(&e->v.fs, &e->ci, name, i, &out), 0);
		CHECK_EQ(out.ino, 1000 + i);
		CHECK_EQ(out.type, DT_LNK);
	}
	CHECK_EQ(lnkfs_dir_lookup(&e->v.fs, &e->ci, "", 0, &out), -ENOENT);
	CHECK_EQ(lnkfs_dir_remove(&tx, &e->v.fs, &e->ci, "nowhere", 7), -ENOENT);
	CHECK_EQ(lnkfs_dir_replace(&tx, &e->v.fs, &e->ci, "nowhere", 7, 1, DT_REG), -ENOENT);
	CHECK_EQ(lnkfs_dir_trim(&tx, &e->v.fs, &e->ci), -ENOTEMPTY);
	lnkfs_tx_end(&tx);
	env_free(e);
}

/* Entries keep their positions on the way from the inode to blocks. */
static void test_positions(void)
{
	struct env *e = env_new(16 << 20, 12, 2, 400, 30);
	u64 at[400];
	u32 i, j;

	for (i = 0; i < 400; i++) {
		CHECK_EQ(do_add(e, &e->names[i]), 0);
		at[i] = e->names[i].pos;
		if (e->ci.fork == LNKFS_FORK_DIR_INLINE)
			CHECK_EQ(e->ci.size, e->ci.fork_len);
		for (j = 0; j <= i; j++)
			CHECK_EQ(e->names[j].pos, at[j]);
		walk(e);
		if (i % 50 == 3)
			all_positions(e);
	}
	/* Holes, and blocks that are not mapped any more. */
	for (i = 100; i < 330; i++)
		CHECK_EQ(do_remove(e, &e->names[i]), 0);
	all_positions(e);
	CHECK_EQ(e->ci.fork, LNKFS_FORK_DIR_BLOCKS);
	CHECK(e->res.blocks > 2);
	env_free(e);
}

#ifdef TEST_DIR_COLLIDE
/* No position is left: -ENOSPC; an unmapped block in the middle is used again. */
static void test_position_space(void)
{
	struct env *e = env_new(16 << 20, 10, 1, 3000, 60);
	u32 bits = e->v.fs.block_bits, i, added = 0;
	int err = 0;

	for (i = 0; i < e->count && !err; i++) {
		err = do_add(e, &e->names[i]);
		added += !err;
	}
	CHECK_EQ(err, -ENOSPC);
	CHECK_EQ(e->ci.size >> bits, LNKFS_DIR_MAX_BLOCKS(bits));
	walk(e);
	for (i = 0; i < added; i++)
		if (e->names[i].pos >> bits == 7 || e->names[i].pos >> bits == 11)
			CHECK_EQ(do_remove(e, &e->names[i]), 0);
	walk(e);
	CHECK_EQ(e->res.blocks, LNKFS_DIR_MAX_BLOCKS(bits) - 2);
	for (i = added; i < e->count; i++)
		if (!do_add(e, &e->names[i]))
			CHECK(e->names[i].pos >> bits < LNKFS_DIR_MAX_BLOCKS(bits));
	walk(e);
	CHECK_EQ(e->res.blocks, LNKFS_DIR_MAX_BLOCKS(bits));
	env_free(e);
}
#endif

static const struct tap_test tests[] = {
	{ "the structure of a run of entries", test_check_entries },
	{ "names of every length and byte", test_names },
	{ "positions are kept", test_positions },
	{ "model: inline and one block", test_model_tiny },
	{ "model: few blocks of 1 KiB", test_model_small },
	{ "model: blocks of 4 KiB", test_model_4k },
	{ "model: blocks of 2 KiB, large inode", test_model_2k },
	{ "model: many blocks of 1 KiB", test_model_large_1k },
	{ "model: many blocks of 4 KiB", test_model_large_4k },
	{ "faults: few blocks", test_faults_small },
	{ "faults: deeper trees", test_faults_trees },
	{ "faults: blocks of 4 KiB", test_faults_4k },
	{ "a full volume, 1 KiB", test_full_1k },
	{ "a full volume, 4 KiB", test_full_4k },
	{ "credits: every block in another group", test_scattered },
	{ "broken blocks, 1 KiB", test_broken_1k },
	{ "broken blocks, 4 KiB", test_broken_4k },
	{ "broken block: a room key without an index", test_room_without_index },
	{ "a block beyond the end", test_block_beyond_end },
#ifdef TEST_DIR_COLLIDE
	{ "the end of the position space", test_position_space },
#endif
};

TAP_MAIN(tests)
