// SPDX-License-Identifier: GPL-2.0
/*
 * The B+tree against a sorted array: random operations with every answer
 * compared, the whole structure walked now and then, failures injected, and
 * nodes and roots filled with garbage.
 */
#include "format.h"
#include "tap.h"
#include "tree.h"

#define MAX_RECORDS	8192
#define AREA		1864
#define INO		4242
#define GEN		77

struct rec {
	u64 key;
	u8 value[16];
};

static struct lnkfs_volume vol;
static struct lnkfs_cinode inode;
static struct lnkfs_btree tree;
static u64 area[AREA / 8 + 1];
static struct rec model[MAX_RECORDS];
static u32 records;
static s64 free_at_start;

static void setup_tree(u32 root_size, u32 vsize)
{
	memset(&inode, 0, sizeof(inode));
	inode.ino = INO;
	inode.gen = GEN;
	inode.area = (u8 *)area;
	inode.area_len = AREA;
	tree = (struct lnkfs_btree){
		.fs = &vol.fs,
		.ci = &inode,
		.root = area,
		.root_size = root_size,
		.vsize = (u8)vsize,
		.tree = vsize == 16 ? LNKFS_TREE_EXTENT : vsize ? LNKFS_TREE_NAMES :
			LNKFS_TREE_DIR,
	};
	lnkfs_btree_init_root(&tree);
	records = 0;
	lost = 0;
	free_at_start = vol.free_blocks;
}

static void setup(u32 bits, u64 mib, u32 root_size, u32 vsize)
{
	memset(&vol, 0, sizeof(vol));
	REQUIRE(lnkfs_format_mem(&vol, mib << 20, bits, true) == 0);
	vol.strict = true;
	vol.report = note_report;
	setup_tree(root_size, vsize);
}

static void teardown(void)
{
	CHECK_EQ(vol.misuses, 0);
	lnkfs_volume_close(&vol);
}

/* Index of the first record of the model at or above a key. */
static u32 model_find(u64 key)
{
	u32 lo = 0, hi = records;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (model[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool model_has(u64 key, u32 *at)
{
	*at = model_find(key);
	return *at < records && model[*at].key == key;
}

/*
 * Walk: the structure of every node, and all records against the model.
 */
struct walk {
	u32 next;	/* record of the model that comes next */
	u64 nodes;
};

static u64 get64(const u8 *p)
{
	return get_unaligned_le64(p);
}

static void walk_records(struct walk *w, const u8 *rec, u32 level, u32 count, u64 lo, u64 hi);

/* Where no record is, is zero. */
static void walk_rest(const u8 *rec, u32 level, u32 count, u32 size)
{
	u32 used = count * (level ? 16 : 8 + tree.vsize);

	REQUIRE(used <= size);
	CHECK(!memchr_inv(rec + used, 0, size - used));
}

static void walk_node(struct walk *w, u64 block, u32 level, u64 lo, u64 hi)
{
	u32 cap = (vol.fs.block_size - 64) / (level ? 16 : 8 + tree.vsize);
	const struct lnkfs_btree_node *node;
	lnkfs_buf *buf;
	u32 count;

	REQUIRE(lnkfs_bread(&vol.fs, block, LNKFS_B_BTREE, INO, GEN, &buf) == 0);
	node = lnkfs_bdata(buf);
	count = le16_to_cpu(node->n_count);
	CHECK_EQ(lnkfs_btree_check_node(&vol.fs, node), 0);
	CHECK_EQ(le16_to_cpu(node->n_level), level);
	REQUIRE(count >= 1 && count <= cap);
	/* Only the right edge may hold nodes that are nearly empty. */
	if (hi != ~0ULL)
		CHECK(count >= cap / (tree.tree == LNKFS_TREE_NAMES ? 6 : 3));
	w->nodes++;
	walk_records(w, node->n_records, level, count, lo, hi);
	walk_rest(node->n_records, level, count, vol.fs.block_size - 64);
	lnkfs_bput(buf);
}

static void walk_records(struct walk *w, const u8 *rec, u32 level, u32 count, u64 lo, u64 hi)
{
	u32 rsize = level ? 16 : 8 + tree.vsize, i;
	u64 last = 0;

	for (i = 0; i < count; i++, rec += rsize) {
		u64 key = get64(rec);

		CHECK(key >= lo && key <= hi && (!i || key > last));
		last = key;
		if (level) {
			walk_node(w, get64(rec + 8), level - 1, i ? key : lo,
				  i + 1 < count ? get64(rec + rsize) - 1 : hi);
			continue;
		}
		REQUIRE(w->next < records);
		CHECK_EQ(key, model[w->next].key);
		CHECK(!memcmp(rec + 8, model[w->next].value, tree.vsize));
		w->next++;
	}
}

static void walk(void)
{
	const struct lnkfs_btree_root *root = tree.root;
	struct walk w = { 0 };

	CHECK_EQ(lnkfs_btree_check_root(&tree), 0);
	walk_records(&w, (const u8 *)tree.root + 8, le16_to_cpu(root->bt_level),
		     le16_to_cpu(root->bt_count), 0, ~0ULL);
	walk_rest((const u8 *)tree.root + 8, le16_to_cpu(root->bt_level),
		  le16_to_cpu(root->bt_count), tree.root_size - 8);
	CHECK_EQ(w.next, records);
	CHECK_EQ(w.nodes, inode.blocks);
	CHECK_EQ(free_at_start - vol.free_blocks, inode.blocks + lost);
}

/*
 * The operations, each in a transaction with exactly its credits.
 */

/* Insert (@add) or delete a record in its leaf alone, wherever that is looked at first. */
static int leaf_change(bool add, u64 key, const u8 *value)
{
	static u32 near;
	__le64 copy[2];
	lnkfs_buf *leaf;
	lnkfs_tx tx;
	u64 lo, hi;
	int err;

	err = lnkfs_btree_seek(&tree, key, &leaf, &lo, &hi);
	if (err)
		return err;
	if (!leaf)
		return -EAGAIN;
	CHECK(key >= lo && key <= hi);
	if (below(4) == 0)
		near = below(2) ? below(MAX_RECORDS) : (u32)rnd();
	memcpy(copy, value, sizeof(copy));
	lnkfs_tx_begin(&tx, &vol, 1);
	if (add) {
		err = lnkfs_btree_leaf_insert(&tx, &vol.fs, leaf, key, copy, &near);
	} else {
		copy[0] ^= cpu_to_le64(1ULL << below(64));
		if (tree.vsize)
			CHECK_EQ(lnkfs_btree_leaf_delete(&tx, &vol.fs, leaf, key, copy, &near),
				 -ENOENT);
		memcpy(copy, value, sizeof(copy));
		err = lnkfs_btree_leaf_delete(&tx, &vol.fs, leaf, key, copy, &near);
	}
	CHECK_EQ(tx.revokes, 0);
	lnkfs_tx_end(&tx);
	lnkfs_bput(leaf);
	return err;
}

static int do_insert(u64 key, const u8 *value)
{
	u32 level = lnkfs_btree_level(&tree);
	lnkfs_tx tx;
	int err;

	if (below(2)) {
		err = leaf_change(true, key, value);
		if (err != -EAGAIN)
			return err;
	}
	lnkfs_tx_begin(&tx, &vol, lnkfs_btree_insert_credits(level));
	err = lnkfs_btree_insert(&tx, &tree, key, value);
	CHECK(tx.revokes <= lnkfs_btree_revokes(level));
	lnkfs_tx_end(&tx);
	return err;
}

static int do_delete(u64 key)
{
	u32 level = lnkfs_btree_level(&tree), at;
	static const u8 none[16];
	lnkfs_tx tx;
	int err;

	if (below(2)) {
		err = leaf_change(false, key, model_has(key, &at) ? model[at].value : none);
		if (err != -EAGAIN)
			return err;
	}
	/* A transaction without credits may do anything: 1 stands for 0. */
	lnkfs_tx_begin(&tx, &vol, level ? lnkfs_btree_delete_credits(level) : 1);
	err = lnkfs_btree_delete(&tx, &tree, key);
	CHECK(tx.revokes <= lnkfs_btree_revokes(level));
	if (!level)
		CHECK_EQ(tx.used, 0);
	lnkfs_tx_end(&tx);
	return err;
}

static int do_update(u64 key, u64 new_key, const u8 *value)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &vol, 1);
	err = lnkfs_btree_update(&tx, &tree, key, new_key, value);
	lnkfs_tx_end(&tx);
	return err;
}

static void random_value(u8 *value)
{
	u32 i;

	for (i = 0; i < 16; i++)
		value[i] = (u8)rnd();
}

/* Was it an injected failure? Then nothing may have changed. */
static bool injected(int err)
{
	return vol.fault.fired && (err == -EIO || err == -ENOMEM || err == -EROFS ||
				   err == -ENOSPC);
}

static void step_insert(u64 key)
{
	u8 value[16];
	u32 at;
	bool have = model_has(key, &at);
	int err;

	if (records == MAX_RECORDS)
		return;
	random_value(value);
	err = do_insert(key, value);
	if (injected(err))
		return;
	CHECK_EQ(err, have ? -EEXIST : 0);
	if (err)
		return;
	memmove(&model[at + 1], &model[at], (records - at) * sizeof(model[0]));
	model[at].key = key;
	memcpy(model[at].value, value, 16);
	records++;
}

static void step_delete(u64 key)
{
	u32 at;
	bool have = model_has(key, &at);
	int err = do_delete(key);

	if (injected(err))
		return;
	CHECK_EQ(err, have ? 0 : -ENOENT);
	if (err)
		return;
	records--;
	memmove(&model[at], &model[at + 1], (records - at) * sizeof(model[0]));
}

static void step_update(u64 key, u64 new_key)
{
	u8 value[16];
	u32 at;
	bool have = model_has(key, &at), fits;
	bool keep = below(4) == 0;
	int err;

	random_value(value);
	err = do_update(key, new_key, keep ? NULL : value);
	if (injected(err))
		return;
	if (!have) {
		CHECK_EQ(err, -ENOENT);
		return;
	}
	fits = (!at || model[at - 1].key < new_key) &&
	       (at + 1 == records || model[at + 1].key > new_key);
	/* A key that fits may still be out of the range of its node. */
	CHECK(err == 0 || err == -EINVAL);
	CHECK(err || fits);
	if (new_key == key)
		CHECK_EQ(err, 0);
	if (fits && !lnkfs_btree_level(&tree))
		CHECK_EQ(err, 0);
	if (err)
		return;
	model[at].key = new_key;
	if (!keep)
		memcpy(model[at].value, value, 16);
}

static void step_lookup(u64 key)
{
	u64 found = 0, next = 0;
	u8 value[16];
	u32 at;
	bool have = model_has(key, &at);
	u32 le = have ? at + 1 : at;	/* records at or below the key */
	int err;

	err = lnkfs_btree_lookup_ge(&tree, key, &found, value);
	if (!injected(err)) {
		CHECK_EQ(err, at < records ? 0 : -ENOENT);
		if (!err)
			CHECK(found == model[at].key &&
			      !memcmp(value, model[at].value, tree.vsize));
	}
	err = lnkfs_btree_lookup_le(&tree, key, &found, value);
	if (!injected(err)) {
		CHECK_EQ(err, le ? 0 : -ENOENT);
		if (!err)
			CHECK(found == model[le - 1].key &&
			      !memcmp(value, model[le - 1].value, tree.vsize));
	}
	err = lnkfs_btree_lookup_span(&tree, key, &found, value, &next);
	if (!injected(err)) {
		CHECK_EQ(err, le ? 0 : -ENOENT);
		if (!err)
			CHECK(found == model[le - 1].key &&
			      !memcmp(value, model[le - 1].value, tree.vsize));
		CHECK_EQ(next, le < records ? model[le].key : ~0ULL);
	}
}

/* Keys from a range of four times the model's room, some far apart. */
static u64 random_key(void)
{
	u64 key;

	switch (below(8)) {
	case 0:
		return records ? model[below(records)].key : 0;
	case 1:
		return records ? model[below(records)].key + 1 : 0;
	case 2:
		return ~0ULL - 1 - below(64);
	default:
		key = below(4 * MAX_RECORDS);
		return key << (key % 3 * 20);
	}
}

static void inject(void)
{
	u32 n = 1 + below(8);

	memset(&vol.fault, 0, sizeof(vol.fault));
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

static void random_step(u32 grow)
{
	u32 what = below(100);
	u64 key = random_key();

	if (what < 20)
		step_lookup(key);
	else if (what < 30)
		step_update(key, below(2) ? key : key + below(9) - 4);
	else if (what < 30 + grow)
		step_insert(key);
	else
		step_delete(records && below(8) ? model[below(records)].key : key);
}

/* Waves of growth and decline; every 16th step may meet a failure. */
static void run_random(u32 steps, bool faults)
{
	u32 i, grow = 55;

	for (i = 0; i < steps && !tap_failed; i++) {
		if (i % 4096 == 0)
			grow = grow == 55 ? 15 + below(15) : 55;
		if (faults && below(16) == 0)
			inject();
		random_step(grow);
		if (vol.fault.fired || i % 1024 == 0) {
			memset(&vol.fault, 0, sizeof(vol.fault));
			if (records < 1000 || below(8) == 0)
				walk();
		}
		memset(&vol.fault, 0, sizeof(vol.fault));
		if (i % 20000 == 0)
			CHECK_EQ(lnkfs_cache_drop(&vol), 0);
	}
	walk();
}

/* Remove all, from a random end or in random order: the tree must vanish. */
static void drain(void)
{
	u32 how = below(3);

	while (records && !tap_failed)
		step_delete(model[how == 0 ? 0 : how == 1 ? records - 1 : below(records)].key);
	walk();
	CHECK_EQ(inode.blocks, 0);
	CHECK_EQ(lnkfs_btree_level(&tree), 0);
	CHECK_EQ(free_at_start - vol.free_blocks, lost);
}

static void random_ops(u32 bits, u32 vsize)
{
	static const u32 roots[] = { 40, 128, 376, 616, 864 };
	u32 i;

	rnd_state = 0x9e3779b97f4a7c15ULL + bits * 64 + vsize;
	setup(bits, 32, 40, vsize);
	for (i = 0; i < ARRAY_SIZE(roots) && !tap_failed; i++) {
		setup_tree(roots[i], vsize);
		run_random(12000, i % 2);
		drain();
	}
	teardown();
}

static void random_1k_0(void) { random_ops(10, 0); }
static void random_1k_8(void) { random_ops(10, 8); }
static void random_1k_16(void) { random_ops(10, 16); }
static void random_4k_0(void) { random_ops(12, 0); }
static void random_4k_8(void) { random_ops(12, 8); }
static void random_4k_16(void) { random_ops(12, 16); }

/* Ascending keys leave full nodes; then every second one goes, then the rest. */
static void ascending(void)
{
	u32 i, leaf_cap = (1024 - 64) / 24;

	rnd_state = 5;
	setup(10, 32, 128, 16);
	for (i = 0; i < 6000; i++)
		step_insert(10 * i);
	walk();
	CHECK(lnkfs_btree_level(&tree) >= 2);
	CHECK(inode.blocks <= 6000 / leaf_cap + 6000 / leaf_cap / 50 + 4);
	for (i = 0; i < 6000; i += 2)
		step_delete(10 * i);
	walk();
	for (i = 0; i < 6000; i += 97)
		step_lookup(10 * i);
	drain();
	teardown();
}

static void descending(void)
{
	u32 i;

	rnd_state = 6;
	setup(10, 32, 128, 0);
	for (i = 6000; i; i--)
		step_insert(7 * i);
	walk();
	drain();
	for (i = 6000; i; i--)
		step_insert(7 * i);
	for (i = 6000; i; i--)
		step_delete(7 * i);
	walk();
	CHECK_EQ(inode.blocks, 0);
	teardown();
}

/* What fits into the root again goes back there. */
static void shrinking(void)
{
	u32 i;

	rnd_state = 12;
	setup(10, 32, 376, 16);
	for (i = 0; i < 5000; i++)
		step_insert(rnd());
	CHECK(lnkfs_btree_level(&tree) >= 2);
	while (records > 5)
		step_delete(model[below(records)].key);
	walk();
	CHECK_EQ(lnkfs_btree_level(&tree), 0);
	CHECK_EQ(inode.blocks, 0);
	teardown();
}

/* Raise the first key of every interior node as far as the format lets it. */
static void raise_first_keys(u64 block, u32 level)
{
	struct lnkfs_btree_node *node = (void *)(vol.dev.mem + (block << vol.fs.block_bits));
	u32 i, count = le16_to_cpu(node->n_count);

	if (!level)
		return;
	for (i = 0; i < count; i++)
		raise_first_keys(get64(node->n_records + 16 * i + 8), level - 1);
	if (count > 1)
		put_unaligned_le64(get64(node->n_records + 16) - 1, node->n_records);
	lnkfs_seal_block(&vol.fs, node, LNKFS_B_BTREE, block);
}

/* A first key counts as minus infinity, whatever it is. */
static void first_keys(void)
{
	const struct lnkfs_btree_root *root;
	u32 i, j, level;

	rnd_state = 11;
	setup(10, 32, 72, 16);
	for (i = 0; i < 8000; i++)
		step_insert(rnd() >> 8);
	for (j = 0; j < 60 && !tap_failed; j++) {
		REQUIRE(lnkfs_cache_drop(&vol) == 0);
		level = lnkfs_btree_level(&tree);
		root = tree.root;
		for (i = 0; level && i < le16_to_cpu(root->bt_count); i++)
			raise_first_keys(le64_to_cpu(area[2 * i + 2]), level - 1);
		if (level && le16_to_cpu(root->bt_count) > 1)
			area[1] = cpu_to_le64(le64_to_cpu(area[3]) - 1);
		for (i = 0; i < 300; i++) {
			if (below(3) == 0)
				step_insert(rnd() >> 8);
			else if (records)
				step_delete(model[below(records)].key);
		}
		walk();
	}
	for (i = 0; i < records; i++)
		step_lookup(model[i].key);
	drain();
	teardown();
}

/* Every call on the way of an insertion failing in turn, for every insertion. */
static void every_failure(void)
{
	u32 kind, k, i, before, failures;
	u64 blocks;
	u8 root[128];

	rnd_state = 7;
	setup(10, 32, 40, 16);
	for (kind = 0; kind < 4 && !tap_failed; kind++) {
		setup_tree(40, 16);
		failures = 0;
		for (i = 0; i < 4000; i++) {
			for (k = 1; ; k++) {
				u32 *fault[] = { &vol.fault.space, &vol.fault.bnew,
						 &vol.fault.baccess, &vol.fault.bread };

				before = records;
				blocks = inode.blocks;
				memcpy(root, area, 40);
				memset(&vol.fault, 0, sizeof(vol.fault));
				*fault[kind] = k;
				step_insert(16 * i);
				/* The allocator may have found another way. */
				if (!vol.fault.fired || records != before)
					break;
				failures++;
				CHECK_EQ(inode.blocks, blocks);
				CHECK(!memcmp(root, area, 40));
				CHECK_EQ(lost, 0);
				CHECK_EQ(free_at_start - vol.free_blocks, blocks);
			}
			CHECK_EQ(records, before + 1);
			memset(&vol.fault, 0, sizeof(vol.fault));
		}
		walk();
		CHECK(lnkfs_btree_level(&tree) >= 2);
		CHECK(failures > 4000 / 40);
		drain();
	}
	teardown();
}

/*
 * The same for deletion; a block that cannot be freed is lost, no more. One that cannot be
 * forgotten has been freed.
 */
static void every_delete_failure(void)
{
	u32 kind, k, i;

	rnd_state = 8;
	setup(10, 32, 40, 16);
	for (kind = 0; kind < 4 && !tap_failed; kind++) {
		setup_tree(40, 16);
		for (i = 0; i < 4000; i++)
			step_insert(rnd() >> 8);
		while (records && !tap_failed) {
			u64 key = model[below(records)].key;
			u32 before = records;

			for (k = 1; records == before; k++) {
				u32 *fault[] = { &vol.fault.baccess, &vol.fault.bread,
						 &vol.fault.freed, &vol.fault.bforget };

				memset(&vol.fault, 0, sizeof(vol.fault));
				*fault[kind] = k;
				step_delete(key);
				CHECK_EQ(vol.fault.fired || records == before - 1, 1);
			}
			memset(&vol.fault, 0, sizeof(vol.fault));
			if (records % 256 == 0)
				walk();
		}
		CHECK_EQ(inode.blocks, 0);
		CHECK_EQ(!!lost, kind < 3);
	}
	teardown();
}

/*
 * The bitmap says of a node that it is free: somebody else owned it, too. When it is taken
 * out of the tree it must not be forgotten, or it could be allocated and made anew while the
 * commit under way has its buffer.
 */
static void freed_node(void)
{
	u64 block[64], key;
	u32 nodes = 0, i;
	lnkfs_tx tx;

	setup(10, 8, 128, 16);
	for (key = 1; key < 200; key++)
		step_insert(key);
	REQUIRE(lnkfs_btree_level(&tree) == 1);
	lnkfs_tx_begin(&tx, &vol, 0);
	for (i = 0; i < le16_to_cpu(((struct lnkfs_btree_root *)tree.root)->bt_count); i++) {
		REQUIRE(nodes < 64);
		block[nodes] = get64((const u8 *)tree.root + 8 + 16 * i + 8);
		CHECK_EQ(lnkfs_bfree(&tx, &vol.fs, block[nodes++], 1), 0);
	}
	for (key = 1; key < 200; key++)
		CHECK_EQ(lnkfs_btree_delete(&tx, &tree, key), 0);
	CHECK_EQ(lnkfs_btree_level(&tree), 0);
	CHECK_EQ(lost, nodes);
	CHECK_EQ(tx.revokes, 0);
	lnkfs_tx_end(&tx);
	teardown();
}

/* A full volume: -ENOSPC, nothing changed, deletions still work. */
static void full_volume(void)
{
	u64 start;
	u32 got, n;
	u64 key = 1;
	lnkfs_tx tx;
	u8 value[16];

	rnd_state = 9;
	setup(10, 8, 128, 16);
	lnkfs_tx_begin(&tx, &vol, 0);
	while (lnkfs_balloc(&tx, &vol.fs, 0, 1, 4096, 0, &start, &got) == 0)
		;
	/* Leave a few. */
	for (n = 0; n < 12; n++)
		CHECK_EQ(lnkfs_bfree(&tx, &vol.fs, vol.fs.blocks - 3 - 2 * n, 1), 0);
	lnkfs_tx_end(&tx);
	setup_tree(128, 16);
	for (;;) {
		random_value(value);
		key = rnd() >> 1;
		n = records;
		if (do_insert(key, value) == -ENOSPC)
			break;
		n = model_find(key);
		memmove(&model[n + 1], &model[n], (records - n) * sizeof(model[0]));
		model[n].key = key;
		memcpy(model[n].value, value, 16);
		records++;
		REQUIRE(records < MAX_RECORDS);
	}
	CHECK(vol.free_blocks <= 2);
	walk();
	drain();
	CHECK_EQ(vol.free_blocks, 12);
	teardown();
}

static void small_answers(void)
{
	u64 found, next;

	setup(10, 8, 40, 8);
	CHECK_EQ(lnkfs_btree_lookup_le(&tree, ~0ULL, &found, NULL), -ENOENT);
	CHECK_EQ(lnkfs_btree_lookup_ge(&tree, 0, &found, NULL), -ENOENT);
	CHECK_EQ(lnkfs_btree_lookup_span(&tree, 9, &found, NULL, &next), -ENOENT);
	CHECK_EQ(next, ~0ULL);
	CHECK_EQ(do_delete(1), -ENOENT);
	CHECK_EQ(do_update(1, 1, NULL), -ENOENT);
	step_insert(0);
	step_insert(~0ULL);
	step_insert(~0ULL);
	step_lookup(0);
	step_lookup(~0ULL);
	step_lookup(5);
	CHECK_EQ(do_update(0, ~0ULL, NULL), -EINVAL);
	walk();
	drain();
	teardown();
}

/* What a root may not be. */
static void bad_roots(void)
{
	struct lnkfs_btree_root *root = (void *)area;
	u64 found;

	setup(10, 8, 376, 16);
	step_insert(5);
	step_insert(6);
	vol.strict = false;
	CHECK_EQ(lnkfs_btree_check_root(&tree), 0);

#define TRY(field, bad) do {						\
		__typeof__(root->field) good = root->field;		\
		root->field = (bad);					\
		CHECK_EQ(lnkfs_btree_check_root(&tree), -EFSCORRUPTED);	\
		CHECK_EQ(lnkfs_btree_lookup_le(&tree, 9, &found, NULL),	\
			 -EFSCORRUPTED);				\
		CHECK_EQ(do_insert(9, (u8 *)model), -EFSCORRUPTED);	\
		CHECK_EQ(do_delete(5), -EFSCORRUPTED);			\
		root->field = good;					\
	} while (0)
	TRY(bt_level, cpu_to_le16(LNKFS_BTREE_MAX_LEVEL + 1));
	TRY(bt_count, cpu_to_le16(16));
	TRY(bt_count, cpu_to_le16(0xffff));
	TRY(bt_vsize, 8);
	TRY(bt_tree, LNKFS_TREE_DIR);
#undef TRY
	area[1] = area[4];
	CHECK_EQ(lnkfs_btree_check_root(&tree), -EFSCORRUPTED);
	CHECK_EQ(do_insert(9, (u8 *)model), -EFSCORRUPTED);
	area[1] = cpu_to_le64(5);
	tree.root_size = 32;
	CHECK_EQ(lnkfs_btree_check_root(&tree), -EFSCORRUPTED);
	tree.root_size = 376;
	walk();
	teardown();
}

static struct lnkfs_btree_node *node_on_disk(u64 block)
{
	return (void *)(vol.dev.mem + (block << vol.fs.block_bits));
}

/* Everything that goes through a child of the root says -EFSCORRUPTED. */
static void check_refused(u64 key)
{
	u64 found, next;
	u8 value[16] = { 0 };

	CHECK_EQ(lnkfs_btree_lookup_le(&tree, key, &found, NULL), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_btree_lookup_ge(&tree, key, &found, NULL), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_btree_lookup_span(&tree, key, &found, NULL, &next), -EFSCORRUPTED);
	CHECK_EQ(do_insert(key, value), -EFSCORRUPTED);
	CHECK_EQ(do_update(key, key, value), -EFSCORRUPTED);
	CHECK_EQ(do_delete(key), -EFSCORRUPTED);
}

/* Nodes that are sound in themselves but not what their parent promises. */
static void bad_children(void)
{
	static u8 copy[1024];
	struct lnkfs_btree_node *node;
	u64 child[3];
	u32 i, bad;

	rnd_state = 13;
	setup(10, 8, 128, 16);
	vol.quiet = true;
	/* Three leaves below the root. */
	for (i = 0; i < 100; i++)
		step_insert(10 * i);
	CHECK_EQ(lnkfs_btree_level(&tree), 1);
	REQUIRE(lnkfs_cache_drop(&vol) == 0);
	for (i = 0; i < 3; i++)
		child[i] = le64_to_cpu(area[2 * i + 2]);
	node = node_on_disk(child[1]);
	memcpy(copy, node, sizeof(copy));
	for (bad = 0; bad < 8; bad++) {
		__le64 key = area[3];

		switch (bad) {
		case 0:		/* keys of its left neighbour */
			memcpy(node->n_records, node_on_disk(child[0])->n_records, 960);
			break;
		case 1:		/* keys of its right neighbour */
			memcpy(node->n_records, node_on_disk(child[2])->n_records, 240);
			node->n_count = cpu_to_le16(10);
			break;
		case 2:
			node->n_level = cpu_to_le16(1);
			node->n_count = cpu_to_le16(1);
			break;
		case 3:
			node->n_vsize = 8;
			node->n_count = cpu_to_le16(1);
			break;
		case 4:
			node->n_tree = LNKFS_TREE_DIR;
			break;
		case 5:
			node->n_count = 0;
			break;
		case 6:
			node->n_count = cpu_to_le16(41);
			break;
		case 7:		/* the parent's separator is one too high */
			area[3] = cpu_to_le64(le64_to_cpu(key) + 1);
			break;
		}
		lnkfs_seal_block(&vol.fs, node, LNKFS_B_BTREE, child[1]);
		check_refused(410);
		area[3] = key;
		memcpy(node, copy, sizeof(copy));
		REQUIRE(lnkfs_cache_drop(&vol) == 0);
	}
	/* A child that cannot be a node, and one that is the child of another. */
	area[4] = 0;
	check_refused(410);
	area[4] = cpu_to_le64(vol.fs.blocks);
	check_refused(410);
	area[4] = cpu_to_le64(child[0]);
	check_refused(410);
	area[4] = cpu_to_le64(child[1]);
	walk();
	drain();
	teardown();
}

/* The bitmap says that the leaf to be split is free. */
static void leaf_marked_free(void)
{
	u8 value[16] = { 0 };
	u64 leaf, start;
	lnkfs_tx tx;
	u32 i, got;

	rnd_state = 14;
	setup(10, 8, 128, 16);
	for (i = 0; i < 40; i++)
		step_insert(10 * i);
	CHECK_EQ(lnkfs_btree_level(&tree), 1);
	CHECK_EQ(inode.blocks, 1);
	leaf = le64_to_cpu(area[2]);
	lnkfs_tx_begin(&tx, &vol, 0);
	while (lnkfs_balloc(&tx, &vol.fs, 0, 1, 4096, 0, &start, &got) == 0)
		;
	CHECK_EQ(lnkfs_bfree(&tx, &vol.fs, leaf, 1), 0);
	lnkfs_tx_end(&tx);
	CHECK_EQ(do_insert(55, value), -EFSCORRUPTED);
	for (i = 0; i < 40; i++)
		step_lookup(10 * i);
	CHECK_EQ(inode.blocks, 1);
	teardown();
}

static u64 saved_area[AREA / 8 + 1];
static struct lnkfs_cinode saved_inode;

/* Fill in nonsense that is well sealed: in a node, its fields or the root. */
static void spoil(const u64 *nodes, u32 count)
{
	u64 block = nodes[below(count)];
	struct lnkfs_btree_node *node = (void *)(vol.dev.mem + (block << vol.fs.block_bits));
	u8 *bytes = (u8 *)node, *root = (u8 *)area;
	u32 i, n = 1 + below(3);
	u64 other = nodes[below(count)];

	switch (below(7)) {
	case 0:
		node->n_count = cpu_to_le16((u16)rnd());
		break;
	case 1:
		node->n_level = cpu_to_le16((u16)below(14));
		break;
	case 2:
		for (i = 0; i < n; i++)
			bytes[40 + below(24)] = (u8)rnd();
		break;
	case 3:
		/* A record of the node, mostly a child: another node, or anything. */
		put_unaligned_le64(below(3) ? other : rnd() >> below(60),
				   bytes + 64 + 8 * below(20));
		break;
	case 4:
		put_unaligned_le64(below(3) ? other : rnd() >> below(60),
				   root + 8 * (1 + below(15)));
		break;
	case 5:
		root[below(8)] = (u8)rnd();
		break;
	case 6:
		/* Another node's content under this one's number. */
		memcpy(bytes + 40, vol.dev.mem + (other << vol.fs.block_bits) + 40,
		       vol.fs.block_size - 40);
		break;
	}
	if (below(8))
		lnkfs_seal_block(&vol.fs, node, LNKFS_B_BTREE, block);
}

static bool expected(int err)
{
	return !err || err == -ENOENT || err == -EEXIST || err == -EINVAL || err == -ENOSPC ||
	       err == -EFSCORRUPTED || err == -EFSBADCRC;
}

static void collect(u64 block, u32 level, u64 *nodes, u32 *count)
{
	const struct lnkfs_btree_node *node = (void *)(vol.dev.mem + (block << vol.fs.block_bits));
	u32 i;

	nodes[(*count)++] = block;
	for (i = 0; level && i < le16_to_cpu(node->n_count); i++)
		collect(get64(node->n_records + 16 * i + 8), level - 1, nodes, count);
}

/*
 * A spoiled tree: whatever it holds, every operation ends, stays inside its
 * memory (the sanitizers watch) and gives an error that says so or an answer.
 */
static void hostile(u32 bits, u32 vsize, u32 rounds)
{
	static u64 nodes[MAX_RECORDS];
	u32 i, j, count = 0, corrupted = 0;
	const struct lnkfs_btree_root *root;
	struct lnkfs_group *groups;
	u64 found, next;
	u8 value[16], *image;
	s64 free_blocks;
	size_t size;
	int err;

	rnd_state = 10 + bits + vsize;
	setup(bits, 8, 128, vsize);
	for (i = 0; i < 6000; i++)
		step_insert(rnd() >> below(40));
	walk();
	REQUIRE(lnkfs_cache_drop(&vol) == 0);
	root = tree.root;
	for (i = 0; i < le16_to_cpu(root->bt_count); i++)
		collect(le64_to_cpu(area[2 * i + 2]), lnkfs_btree_level(&tree) - 1, nodes, &count);
	CHECK_EQ(count, inode.blocks);
	image = malloc(vol.dev.bytes);
	size = vol.fs.groups * sizeof(struct lnkfs_group);
	groups = malloc(size);
	REQUIRE(image && groups);
	memcpy(groups, vol.fs.group, size);
	free_blocks = vol.free_blocks;
	memcpy(image, vol.dev.mem, vol.dev.bytes);
	memcpy(saved_area, area, sizeof(area));
	saved_inode = inode;
	vol.strict = false;
	vol.quiet = true;

	for (i = 0; i < rounds; i++) {
		memcpy(vol.dev.mem, image, vol.dev.bytes);
		memcpy(area, saved_area, sizeof(area));
		memcpy(vol.fs.group, groups, size);
		inode = saved_inode;
		vol.free_blocks = free_blocks;
		spoil(nodes, count);
		if (below(2))
			spoil(nodes, count);
		for (j = 0; j < 100; j++) {
			u64 key = below(4) ? model[below(records)].key : rnd() >> below(60);

			random_value(value);
			switch (below(6)) {
			case 0:
				err = lnkfs_btree_lookup_le(&tree, key, &found, value);
				break;
			case 1:
				err = lnkfs_btree_lookup_ge(&tree, key, &found, value);
				break;
			case 2:
				err = lnkfs_btree_lookup_span(&tree, key, &found, value, &next);
				break;
			case 3:
				err = do_insert(key + 1, value);
				break;
			case 4:
				err = do_update(key, key + below(3), value);
				break;
			default:
				err = do_delete(key);
				break;
			}
			if (!expected(err))
				CHECK_EQ(err, -EFSCORRUPTED);
			corrupted += err == -EFSCORRUPTED || err == -EFSBADCRC;
		}
		/* The cache's dirty blocks go to the image that is replaced next. */
		lnkfs_cache_drop(&vol);
	}
	CHECK(corrupted > rounds);
	free(image);
	free(groups);
	vol.misuses = 0;
	lnkfs_volume_close(&vol);
}

static void hostile_1k(void) { hostile(10, 16, 400); }
static void hostile_1k_set(void) { hostile(10, 0, 400); }
static void hostile_4k(void) { hostile(12, 16, 200); }

static const struct tap_test tests[] = {
	{ "answers of small trees", small_answers },
	{ "ascending keys fill their nodes", ascending },
	{ "descending keys", descending },
	{ "random operations, 1 KiB, keys only", random_1k_0 },
	{ "random operations, 1 KiB, 8-byte values", random_1k_8 },
	{ "random operations, 1 KiB, 16-byte values", random_1k_16 },
	{ "random operations, 4 KiB, keys only", random_4k_0 },
	{ "random operations, 4 KiB, 8-byte values", random_4k_8 },
	{ "random operations, 4 KiB, 16-byte values", random_4k_16 },
	{ "records go back to the root", shrinking },
	{ "first keys that say nothing", first_keys },
	{ "every failure of an insertion", every_failure },
	{ "every failure of a deletion", every_delete_failure },
	{ "a node that is free already is not forgotten", freed_node },
	{ "full volume", full_volume },
	{ "bad roots", bad_roots },
	{ "bad children", bad_children },
	{ "a leaf that is marked free", leaf_marked_free },
	{ "spoiled trees, 1 KiB", hostile_1k },
	{ "spoiled trees, 1 KiB, keys only", hostile_1k_set },
	{ "spoiled trees, 4 KiB", hostile_4k },
};

TAP_MAIN(tests)
