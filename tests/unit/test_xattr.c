// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes: random operations against a model on every kind of
 * inode, with forks that grow and shrink beside them, with failures injected,
 * on full volumes; deletion in steps; damaged blocks.
 */
#include <dirent.h>
#include <time.h>

#include "fixture.h"
#include "repair.h"
#include "xattr.h"

#ifdef TEST_XATTR_COLLIDE
#define COLLIDE		true
#else
#define COLLIDE		false
#endif

#define MAX_ATTRS	1200
#define MAX_BIG		LNKFS_XATTR_VALUE_MAX

/* An attribute of the model; its name and value follow from its numbers. */
struct attr {
	bool there;
	u32 len;
	u32 seed;
};

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
static struct lnkfs_cinode ci;
static struct attr attrs[MAX_ATTRS];
static u32 nr_attrs;		/* of them in use by the test that runs */
static bool names[512];		/* of a directory's entries "n<number>" */
static u8 value[MAX_BIG], other[MAX_BIG];
static u64 rnd_state;

static u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)(rnd_state >> 20) % below;
}

static void fill(u8 *p, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (u8)(seed >> 24);
	}
}

/* Names of every length, some of them long. */
static void make_key(u32 nr, struct lnkfs_xattr_key *key, char *name)
{
	u32 len;

	memset(key, 0, sizeof(*key));
	key->name = name;
	if (nr < 2) {
		key->space = (u8)(LNKFS_XATTR_SECURITY + 1 + nr);
		return;
	}
	key->space = (u8)(LNKFS_XATTR_TRUSTED + nr % 2);
	len = (u32)sprintf(name, "%u", nr);
	while (len < (nr % 7 ? nr % 17 : nr % 255)) {
		name[len] = (char)('a' + len % 26);
		len++;
	}
	key->name_len = (u8)len;
}

/* The number of an attribute that was listed. */
static u32 number_of(const struct lnkfs_xattr_key *key)
{
	u32 nr = 0, i;

	if (key->space > LNKFS_XATTR_SECURITY)
		return key->space - LNKFS_XATTR_SECURITY - 1u;
	for (i = 0; i < key->name_len && key->name[i] >= '0' && key->name[i] <= '9'; i++)
		nr = nr * 10 + (u32)(key->name[i] - '0');
	return nr;
}

static void store(lnkfs_tx *tx)
{
	memset(&v.fault, 0, offsetof(struct lnkfs_fault, fired));
	REQUIRE(!lnkfs_inode_store(tx, fs, &ci));
	lnkfs_tx_end(tx);
}

/* An orphan, so that the checker misses no name. */
static void make_inode(u32 type, u32 slots, u32 target)
{
	char text[LNKFS_SYMLINK_MAX];
	lnkfs_tx tx;

	memset(&ci, 0, sizeof(ci));
	memset(area, 0, sizeof(area));
	memset(attrs, 0, sizeof(attrs));
	memset(names, 0, sizeof(names));
	ci.gen = 4711;
	ci.mode = (u16)(type << 12 | 0600);
	ci.slots = (u8)slots;
	ci.area = area;
	ci.area_len = LNKFS_AREA_LEN(slots);
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_ialloc(&tx, fs, 0, slots, type == DT_DIR, &ci.ino));
	memset(text, 't', sizeof(text));
	if (type == DT_DIR)
		lnkfs_dir_init(&ci);
	else if (type == DT_REG)
		lnkfs_ext_init(&ci);
	else if (type == DT_LNK && target <= LNKFS_FAST_MAX(slots))
		lnkfs_symlink_set_fast(&ci, text, target);
	else if (type == DT_LNK)
		REQUIRE(!lnkfs_symlink_set_slow(&tx, fs, &ci, text, target));
	REQUIRE(!lnkfs_orphan_add(&tx, fs, ci.ino));
	store(&tx);
}

static bool leaks;	/* failed frees are allowed to lose blocks */

static void say_all_but_leaks(void *ctx, const char *text)
{
	(void)ctx;
	if (!leaks || !strstr(text, "nobody owns it"))
		printf("# fsck: %s\n", text);
}

static void check_volume(struct lnkfs_fsck_result *res)
{
	volume_walk(&v, say_all_but_leaks, res);
	CHECK_EQ(res->problems, leaks ? res->leaks : 0);
}

static void reload(void)
{
	struct lnkfs_cinode was = ci;

	REQUIRE(!lnkfs_inode_load(fs, ci.ino, LNKFS_IL_ORPHAN, &ci));
	CHECK_EQ(was.xattr_len, ci.xattr_len);
	CHECK_EQ(was.xattr_block, ci.xattr_block);
	CHECK_EQ(was.blocks, ci.blocks);
}

/* ---- the operations ---- */

static int set_attr(u32 nr, const void *data, u32 len, unsigned int flags)
{
	struct lnkfs_xattr_key key;
	char name[256];
	lnkfs_tx tx;
	u32 credits;
	int err;

	make_key(nr, &key, name);
	credits = lnkfs_xattr_set_credits(fs, &ci, key.name_len, len);
	lnkfs_tx_begin(&tx, &v, credits + LNKFS_CREDITS_STORE);
	err = lnkfs_xattr_set(&tx, fs, &ci, &key, data, len, flags);
	CHECK(tx.revokes <= lnkfs_xattr_revokes(fs, len));
	store(&tx);
	return err;
}

/* An ACL that the checker finds sound. */
static void fill_acl(u8 *p, u32 len)
{
	static const u8 start[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255 };
	static const u8 end[] = {
		4, 0, 7, 0, 255, 255, 255, 255, 0x10, 0, 7, 0, 255, 255, 255, 255,
		0x20, 0, 7, 0, 255, 255, 255, 255
	};
	u32 off;

	memset(p, 0, len);
	memcpy(p, start, sizeof(start));
	for (off = sizeof(start); off + sizeof(end) < len; off += 8)
		p[off] = 2;
	memcpy(p + off, end, sizeof(end));
}

static void make_value(u32 nr, u8 *p, u32 len, u32 seed)
{
	if (nr < 2)
		fill_acl(p, len);
	else
		fill(p, len, seed);
}

static u32 random_len(u32 nr)
{
	u32 len;

	switch (rnd(12)) {
	case 0:
		len = rnd(MAX_BIG + 1);
		break;
	case 1:
		len = MAX_BIG;
		break;
	case 2:
	case 3:
		len = rnd(3000);
		break;
	case 4:
		len = rnd(600);
		break;
	default:
		len = rnd(100);
	}
	return nr < 2 ? 4 + 8 * max_t(u32, 4, min_t(u32, len / 8, 8000)) : len;
}

static bool injected;

static void arm(void)
{
	u32 n = 1 + rnd(rnd(2) ? 3 : 12);

	injected = !rnd(3);
	if (!injected)
		return;
	switch (rnd(5)) {
	case 0:
		v.fault.bread = n;
		break;
	case 1:
		v.fault.bnew = n;
		break;
	case 2:
		v.fault.baccess = n;
		break;
	case 3:
		v.fault.space = n;
		break;
	case 4:
		lnkfs_fault_alloc = 1;
		break;
	}
}

static u64 refused;

static void op_set(u32 nr, bool faults)
{
	struct attr *a = &attrs[nr];
	u32 len = random_len(nr), seed = rnd(1u << 30);
	unsigned int flags = rnd(5) ? 0 : 1 + rnd(3);
	u64 room = v.free_blocks;
	int err, want = 0;

	make_value(nr, value, len, seed);
	if (a->there && (flags & LNKFS_XS_CREATE))
		want = -EEXIST;
	else if (!a->there && (flags & LNKFS_XS_REPLACE))
		want = -ENODATA;
	if (faults)
		arm();
	err = set_attr(nr, value, len, flags);
	lnkfs_fault_alloc = 0;
	if (err && err != want) {
		refused++;
		/* Attributes of one hash have to go into one leaf. */
		if (!faults || !injected)
			CHECK(err == -ENOSPC && (room < fs->blocks / 4 || COLLIDE));
		return;
	}
	CHECK_EQ(err, want);
	if (!err)
		*a = (struct attr) { true, len, seed };
}

static void op_remove(u32 nr, bool faults)
{
	int err, want = attrs[nr].there ? 0 : -ENODATA;

	if (faults)
		arm();
	err = set_attr(nr, NULL, 0, 0);
	lnkfs_fault_alloc = 0;
	if (err && err != want) {
		refused++;
		CHECK(faults && injected);
		return;
	}
	CHECK_EQ(err, want);
	attrs[nr].there = false;
}

/* Something else that happens to the inode: its fork changes. */
static void op_fork(void)
{
	u32 nr = rnd(ARRAY_SIZE(names));
	struct lnkfs_ext ext = { .lblk = nr, .len = 1, .flags = LNKFS_EXT_UNWRITTEN };
	struct lnkfs_ext there;
	char name[32];
	u32 got, len;
	u64 pos;
	lnkfs_tx tx;
	int err = 0;

	lnkfs_tx_begin(&tx, &v, 0);
	if (ci.fork == LNKFS_FORK_EXTENTS) {
		REQUIRE(!lnkfs_ext_lookup(fs, &ci, nr, &there));
		if (!(there.flags & LNKFS_EXT_HOLE)) {
			err = lnkfs_ext_remove(&tx, fs, &ci, nr, nr + 1, 1);
		} else if (!lnkfs_balloc(&tx, fs, 2000 + rnd(4000), 1, 1, 0, &ext.block, &got)) {
			err = lnkfs_ext_insert(&tx, fs, &ci, &ext);
			if (err)
				REQUIRE(!lnkfs_bfree(&tx, fs, ext.block, 1));
		}
	} else if (S_ISDIR(ci.mode)) {
		len = (u32)sprintf(name, "name number %u", nr);
		if (names[nr])
			err = lnkfs_dir_remove(&tx, fs, &ci, name, len);
		else
			err = lnkfs_dir_add(&tx, fs, &ci, name, len, ci.ino, DT_REG, &pos);
		if (!err)
			names[nr] = !names[nr];
	}
	CHECK(!err || err == -ENOSPC);
	store(&tx);
}

static int count_one(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	u32 nr = number_of(key);

	if (CHECK(nr < MAX_ATTRS)) {
		CHECK(attrs[nr].there);
		CHECK_EQ(attrs[nr].len, len);
	}
	++*(u32 *)ctx;
	return 0;
}

static void compare_one(u32 nr)
{
	const struct attr *a = &attrs[nr];
	struct lnkfs_xattr_key key;
	char name[256];

	make_key(nr, &key, name);
	if (!a->there) {
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, value, MAX_BIG), -ENODATA);
		return;
	}
	make_value(nr, other, a->len, a->seed);
	CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, NULL, 0), a->len);
	if (a->len > 1)
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, value, a->len - 1), -ERANGE);
	if (a->len) {
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, value, a->len), a->len);
		CHECK(!memcmp(value, other, a->len));
	}
}

/* Everything against the model; read back from the disk, and checked. */
static void compare(bool walk)
{
	struct lnkfs_fsck_result res;
	u32 i, want = 0, count = 0;

	if (walk) {
		/* Directory entries name the orphan itself: not for the checker. */
		lnkfs_volume_commit(&v);
		REQUIRE(!lnkfs_cache_drop(&v));
		reload();
		if (!S_ISDIR(ci.mode))
			check_volume(&res);
	}
	for (i = 0; i < nr_attrs; i++) {
		compare_one(i);
		want += attrs[i].there;
	}
	CHECK_EQ(lnkfs_xattr_iterate(fs, &ci, count_one, &count), 0);
	CHECK_EQ(count, want);
	if (walk && !S_ISDIR(ci.mode))
		CHECK_EQ(res.xattrs, want);
}

/* Delete the inode in steps; nothing may be left of it. */
static void delete_inode(u64 free_before)
{
	struct lnkfs_fsck_result res;
	lnkfs_tx tx;
	int err;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i] || ci.fork == LNKFS_FORK_EXTENTS) {
			char name[32];

			lnkfs_tx_begin(&tx, &v, 0);
			if (names[i])
				CHECK_EQ(lnkfs_dir_remove(&tx, fs, &ci, name,
							  (u32)sprintf(name, "name number %u", i)),
					 0);
			else
				CHECK_EQ(lnkfs_ext_remove(&tx, fs, &ci, i, i + 1, 1), 0);
			store(&tx);
		}
	}
	do {
		lnkfs_tx_begin(&tx, &v, lnkfs_xattr_free_credits() + LNKFS_CREDITS_STORE);
		err = lnkfs_xattr_free(&tx, fs, &ci);
		CHECK(tx.revokes <= lnkfs_xattr_revokes(fs, 0));
		store(&tx);
		if (!rnd(20)) {
			reload();
			if (!S_ISDIR(ci.mode))
				check_volume(&res);
		}
	} while (err > 0);
	CHECK_EQ(err, 0);
	CHECK_EQ(ci.xattr_block, 0);
	lnkfs_tx_begin(&tx, &v, 0);
	if (ci.fork == LNKFS_FORK_SLOW_LINK)
		CHECK_EQ(lnkfs_symlink_free_slow(&tx, fs, &ci), 0);
	CHECK_EQ(ci.blocks, 0);
	REQUIRE(!lnkfs_ifree(&tx, fs, ci.ino, ci.slots, S_ISDIR(ci.mode)));
	REQUIRE(!lnkfs_orphan_del(fs, ci.ino));
	lnkfs_tx_end(&tx);
	check_volume(&res);
	CHECK(v.free_blocks + 16 + (s64)res.leaked >= (s64)free_before);
}

/* ---- the tests ---- */

static void run_model(u32 bits, u32 type, u32 slots, u32 target, u32 steps, u32 attributes,
		      bool faults)
{
	u64 free_before;
	u32 i;

	volume_make(&v, bits == 10 ? 24 * MIB : 64 * MIB, bits);
	v.busy = true;
	free_before = v.free_blocks;
	rnd_state = 0x9e3779b97f4a7c15ULL + bits * 1000 + type * 10 + slots;
	nr_attrs = attributes;
	leaks = faults;
	make_inode(type, slots, target);
	for (i = 0; i < steps && !tap_failed; i++) {
		u32 nr = rnd(nr_attrs);

		/* ACLs of symlinks and default ACLs of files are no good to the checker. */
		if (nr < 2 && !S_ISDIR(ci.mode) && (nr || S_ISLNK(ci.mode)))
			nr += 2;
		if (i % 2000 < 1200 ? rnd(4) : !rnd(4))
			op_set(nr, faults);
		else
			op_remove(nr, faults);
		if (!rnd(4))
			op_fork();
		compare_one(nr);
		if (i % 100 == 99)
			lnkfs_volume_commit(&v);
		if (i % 500 == 499)
			compare(true);
	}
	compare(true);
	delete_inode(free_before);
	leaks = false;
	volume_done(&v);
}

#ifndef TEST_XATTR_COLLIDE

static void test_file(void)
{
	run_model(12, DT_REG, 1, 0, 3000, 300, false);
	run_model(10, DT_REG, 1, 0, 3000, 300, false);
	run_model(11, DT_REG, 4, 0, 1500, 40, false);
}

static void test_dir(void)
{
	run_model(12, DT_DIR, 2, 0, 3000, 200, false);
	run_model(10, DT_DIR, 2, 0, 3000, 20, false);
	run_model(10, DT_DIR, 1, 0, 1000, 6, false);
}

static void test_link(void)
{
	run_model(12, DT_LNK, 1, 127, 1000, 30, false);
	run_model(12, DT_LNK, 3, 100, 1000, 12, false);
	run_model(10, DT_LNK, 1, 3000, 2000, 60, false);
	run_model(10, DT_LNK, 1, 5, 1000, 6, false);
}

static void test_special(void)
{
	run_model(10, DT_FIFO, 1, 0, 1500, 100, false);
	run_model(12, DT_FIFO, 8, 0, 1000, 20, false);
}

static void test_faults(void)
{
	refused = 0;
	run_model(10, DT_REG, 1, 0, 4000, 200, true);
	run_model(12, DT_REG, 2, 0, 3000, 100, true);
	run_model(10, DT_DIR, 2, 0, 3000, 100, true);
	run_model(10, DT_LNK, 1, 3000, 2000, 100, true);
	printf("# %llu calls failed\n", (unsigned long long)refused);
	CHECK(refused > 500);
}

/* At least 1,000 on one inode, of small and of large values. */
static void test_many(void)
{
	u32 bits, i;

	for (bits = 10; bits <= 12; bits += 2) {
		u64 free_before;

		volume_make(&v, 64 * MIB, bits);
		free_before = v.free_blocks;
		nr_attrs = MAX_ATTRS;
		make_inode(DT_REG, 1, 0);
		for (i = 2; i < nr_attrs; i++) {
			u32 len = i % 50 ? i % 90 : i * 20;

			attrs[i] = (struct attr) { true, len, i };
			fill(value, len, i);
			REQUIRE(!set_attr(i, value, len, LNKFS_XS_CREATE));
		}
		compare(true);
		printf("# %u attributes in %llu blocks of %u bytes\n", nr_attrs - 2,
		       (unsigned long long)ci.blocks, fs->block_size);
		for (i = 2; i < nr_attrs; i += 2) {
			REQUIRE(!set_attr(i, NULL, 0, 0));
			attrs[i].there = false;
		}
		compare(true);
		delete_inode(free_before);
		volume_done(&v);
	}
}

/* Small ones cost no block, and the fork keeps what it needs. */
static void test_inline(void)
{
	struct lnkfs_ext ext = { .len = 1, .flags = LNKFS_EXT_UNWRITTEN };
	lnkfs_tx tx;
	u32 i, got;

	volume_make(&v, 16 * MIB, 12);
	nr_attrs = 10;
	make_inode(DT_REG, 1, 0);
	fill_acl(value, 44);
	CHECK_EQ(set_attr(0, value, 44, 0), 0);
	attrs[0] = (struct attr) { true, 44, 0 };
	CHECK_EQ(ci.blocks, 0);
	CHECK_EQ(ci.xattr_len, 56);
	CHECK(ci.fork_len <= 128 - 56);
	for (i = 0; i < 20; i++) {
		lnkfs_tx_begin(&tx, &v, 0);
		ext.lblk = i * 2;
		REQUIRE(!lnkfs_balloc(&tx, fs, 200 + i * 3, 1, 1, 0, &ext.block, &got));
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
		store(&tx);
		compare(true);
	}
	/* The root is a leaf no more; there is no room for a second one. */
	CHECK_EQ(set_attr(2, value, 44, 0), 0);
	attrs[2] = (struct attr) { true, 44, 2 };
	fill(value, 44, 2);
	CHECK_EQ(set_attr(2, value, 44, LNKFS_XS_REPLACE), 0);
	CHECK(ci.xattr_block);
	compare(true);
	CHECK_EQ(set_attr(2, NULL, 0, 0), 0);
	attrs[2].there = false;
	CHECK(!ci.xattr_block);
	compare(true);
	volume_done(&v);
}

/* A file whose root is full leaves no room: the attribute goes outside. */
static void test_full_root(void)
{
	struct lnkfs_ext ext = { .len = 1, .flags = LNKFS_EXT_UNWRITTEN };
	lnkfs_tx tx;
	u32 i, got;

	volume_make(&v, 16 * MIB, 12);
	nr_attrs = 10;
	make_inode(DT_REG, 1, 0);
	for (i = 0; i < 5; i++) {
		lnkfs_tx_begin(&tx, &v, 0);
		ext.lblk = i * 2;
		REQUIRE(!lnkfs_balloc(&tx, fs, 200 + i * 3, 1, 1, 0, &ext.block, &got));
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
		store(&tx);
	}
	CHECK_EQ(ci.blocks, 5);
	fill(value, 10, 2);
	CHECK_EQ(set_attr(2, value, 10, 0), 0);
	attrs[2] = (struct attr) { true, 10, 2 };
	CHECK_EQ(ci.blocks, 6);
	CHECK_EQ(ci.xattr_len, 0);
	compare(true);
	volume_done(&v);
}

static void test_limits(void)
{
	struct lnkfs_xattr_key key = { LNKFS_XATTR_USER, 255, NULL };
	char name[256];
	lnkfs_tx tx;

	volume_make(&v, 16 * MIB, 10);
	make_inode(DT_REG, 1, 0);
	memset(name, 'n', sizeof(name));
	key.name = name;
	lnkfs_tx_begin(&tx, &v, 0);
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, MAX_BIG, 0), 0);
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, MAX_BIG + 1, 0), -EINVAL);
	CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, other, MAX_BIG), MAX_BIG);
	CHECK(!memcmp(value, other, MAX_BIG));
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, "", 0, LNKFS_XS_REPLACE), 0);
	CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, NULL, 0), 0);
	name[5] = 0;
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, 1, 0), -EINVAL);
	key.name_len = 0;
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, 1, 0), -EINVAL);
	key.name_len = 1;
	key.space = 0;
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, 1, 0), -EINVAL);
	key.space = LNKFS_XATTR_ACL_DEFAULT + 1;
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, 1, 0), -EINVAL);
	key.space = LNKFS_XATTR_ACL_ACCESS;
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, value, 1, 0), -EINVAL);
	store(&tx);
	volume_check(&v, NULL);
	volume_done(&v);
}

/* Until the volume is full: every refusal leaves the old value. */
static void test_nospace(void)
{
	u32 i, nr;

	volume_make(&v, 8 * MIB, 10);
	v.busy = true;
	refused = 0;
	nr_attrs = MAX_ATTRS;
	rnd_state = 12345;
	make_inode(DT_REG, 1, 0);
	for (i = 0; i < 1500 && !tap_failed; i++) {
		nr = 2 + rnd(nr_attrs - 2);
		op_set(nr, false);
		compare_one(nr);
		if (i % 50 == 49)
			lnkfs_volume_commit(&v);
	}
	CHECK(refused > 20);
	compare(true);
	volume_done(&v);
}

/* Does another leaf make the tree higher? */
static bool head_full(void)
{
	struct lnkfs_btree bt;
	lnkfs_buf *head;
	bool full;

	if (!ci.xattr_block)
		return false;
	REQUIRE(!lnkfs_xattr_bread(fs, &ci, ci.xattr_block, &head));
	lnkfs_xattr_tree(fs, &ci, lnkfs_bdata(head), &bt);
	full = lnkfs_xattr_kind(head) == LNKFS_XBLOCK_HEAD &&
	       !lnkfs_btree_root_fits(&bt, bt.root_size - 16);
	lnkfs_bput(head);
	return full;
}

/* The bitmap says that the head is free when the tree needs a node. */
static void test_head_marked_free(void)
{
	u32 nr, last, got;
	lnkfs_tx tx;
	u64 start;
	int err = 0;

	volume_make(&v, 16 * MIB, 10);
	make_inode(DT_REG, 1, 0);
	fill(value, 200, 3);
	for (nr = 2; !head_full(); nr++)
		REQUIRE(!set_attr(nr, value, 200, 0));
	last = nr - 1;
	lnkfs_tx_begin(&tx, &v, 0);
	while (lnkfs_balloc(&tx, fs, 0, 1, 4096, 0, &start, &got) == 0)
		;
	CHECK_EQ(lnkfs_bfree(&tx, fs, ci.xattr_block, 1), 0);
	/* The new leaf takes this one, behind it. */
	CHECK_EQ(lnkfs_bfree(&tx, fs, fs->group_blocks - 1, 1), 0);
	lnkfs_tx_end(&tx);
	for (; !err && nr < MAX_ATTRS; nr++)
		err = set_attr(nr, value, 200, 0);
	CHECK_EQ(err, -EFSCORRUPTED);
	for (nr = 2; nr <= last; nr++) {
		attrs[nr] = (struct attr) { true, 200, 3 };
		compare_one(nr);
	}
	volume_done(&v);
}

/* ---- damage ---- */

static int ignore(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	(void)key;
	(void)len;
	++*(u32 *)ctx;
	return 0;
}

static u64 xblocks[20000];
static u32 nr_xblocks;

/* All blocks of the disk that are blocks of attributes or nodes of their tree. */
static void find_xblocks(void)
{
	const struct lnkfs_block_header *h;
	u64 block;

	nr_xblocks = 0;
	for (block = 0; block < fs->blocks && nr_xblocks < ARRAY_SIZE(xblocks); block++) {
		h = (const void *)(v.dev.mem + (block << fs->block_bits));
		if (le64_to_cpu(h->h_owner) == ci.ino &&
		    (le32_to_cpu(h->h_magic) == LNKFS_MAGIC_XATTR ||
		     le32_to_cpu(h->h_magic) == LNKFS_MAGIC_BTREE))
			xblocks[nr_xblocks++] = block;
	}
}

/* Whatever a block holds, nothing may go beyond it; errors are all right. */
static void use_damaged(void)
{
	struct lnkfs_xattr_key key;
	char name[256];
	u32 i, nr, count = 0;
	lnkfs_tx tx;

	lnkfs_xattr_iterate(fs, &ci, ignore, &count);
	for (i = 0; i < 30; i++) {
		nr = rnd(nr_attrs);
		make_key(nr, &key, name);
		lnkfs_xattr_get(fs, &ci, &key, value, MAX_BIG);
		if (rnd(2))
			set_attr(nr, value, random_len(nr), 0);
		else
			set_attr(nr, NULL, 0, 0);
	}
	for (i = 0; i < 300; i++) {
		lnkfs_tx_begin(&tx, &v, 0);
		if (lnkfs_xattr_free(&tx, fs, &ci) <= 0)
			i = 300;
		store(&tx);
	}
}

static void damage_one(u32 round)
{
	u64 block = xblocks[rnd(nr_xblocks)];
	u8 *p = v.dev.mem + (block << fs->block_bits);
	bool node = le32_to_cpu(((struct lnkfs_block_header *)p)->h_magic) == LNKFS_MAGIC_BTREE;
	u32 i, from = rnd(3) ? sizeof(struct lnkfs_block_header) : 0;
	u32 to = rnd(2) ? 160 : fs->block_size;

	for (i = 1 + rnd(3); i; i--) {
		u32 at = from + rnd(to - from);

		p[at] = (u8)(rnd(3) ? p[at] ^ 1u << rnd(8) : rnd(2) ? 0xff : rnd(256));
	}
	if (round % 8)
		lnkfs_seal_block(fs, p, node ? LNKFS_B_BTREE : LNKFS_B_XATTR, block);
}

static void test_damage(void)
{
	struct lnkfs_fsck_result res;
	u32 bits, i, round, noticed;
	static u8 area_was[sizeof(area)];
	struct lnkfs_cinode was;
	u8 *image;

	for (bits = 10; bits <= 12; bits += 2) {
		volume_make(&v, 8 * MIB, bits);
		nr_attrs = 300;
		rnd_state = 777 + bits;
		make_inode(DT_FIFO, 1, 0);
		for (i = 2; i < nr_attrs; i++) {
			fill(value, 20000, i);
			REQUIRE(!set_attr(i, value, i % 30 ? i % 150 : 100 * (i % 70), 0));
		}
		volume_check(&v, NULL);
		v.strict = false;
		find_xblocks();
		image = malloc(v.dev.bytes);
		REQUIRE(image);
		memcpy(image, v.dev.mem, v.dev.bytes);
		memcpy(area_was, area, sizeof(area));
		was = ci;
		noticed = 0;
		for (round = 0; round < 500; round++) {
			damage_one(round);
			REQUIRE(!lnkfs_cache_drop(&v));
			REQUIRE(!lnkfs_fsck_volume(&v, NULL, NULL, &res));
			noticed += !!res.problems;
			REQUIRE(!lnkfs_cache_drop(&v));
			use_damaged();
			REQUIRE(!lnkfs_cache_drop(&v));
			memcpy(v.dev.mem, image, v.dev.bytes);
			free(fs->group);
			fs->group = NULL;
			REQUIRE(!lnkfs_volume_load_groups(&v));
			ci = was;
			memcpy(area, area_was, sizeof(area));
		}
		printf("# %u of %u damaged blocks noticed, of %u\n", noticed, round, nr_xblocks);
		CHECK(noticed > round / 2);
		free(image);
		volume_done(&v);
	}
}

/* Anybody may give his file so many that a repair must not compare each with all. */
static void test_repair_many(void)
{
	struct lnkfs_xattr_key key = { .space = LNKFS_XATTR_USER };
	struct lnkfs_repair_result done;
	u32 i, many = 40000;
	char name[16];
	clock_t began;
	lnkfs_tx tx;

	volume_make(&v, 64 * MIB, 12);
	memset(&ci, 0, sizeof(ci));
	ci.area = area;
	REQUIRE(!lnkfs_inode_load(fs, fs->root_ino, 0, &ci));
	key.name = name;
	for (i = 0; i < many; i++) {
		key.name_len = (u8)sprintf(name, "%u", i);
		lnkfs_tx_begin(&tx, &v, lnkfs_xattr_set_credits(fs, &ci, key.name_len, 1));
		REQUIRE(!lnkfs_xattr_set(&tx, fs, &ci, &key, "v", 1, LNKFS_XS_CREATE));
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		lnkfs_tx_end(&tx);
		lnkfs_volume_commit(&v);
	}
	REQUIRE(!lnkfs_cache_drop(&v));
	v.dev.mem[(ci.xattr_block << 12) + offsetof(struct lnkfs_xattr_block, x_pad1)] ^= 1;
	v.strict = false;
	began = clock();
	REQUIRE(!lnkfs_repair_volume(&v, NULL, NULL, false, &done));
	CHECK((clock() - began) / CLOCKS_PER_SEC < 10);
	REQUIRE(!lnkfs_cache_drop(&v));
	volume_check(&v, NULL);
	REQUIRE(!lnkfs_inode_load(fs, fs->root_ino, 0, &ci));
	for (i = 0; i < many; i += 100) {
		key.name_len = (u8)sprintf(name, "%u", i);
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, other, 1), 1);
	}
	volume_done(&v);
}

static const struct tap_test tests[] = {
	{ "limits of names and values", test_limits },
	{ "small attributes stand in the record", test_inline },
	{ "a full extent root gives nothing up", test_full_root },
	{ "files: random operations", test_file },
	{ "directories: random operations", test_dir },
	{ "symlinks: random operations", test_link },
	{ "special files: random operations", test_special },
	{ "many attributes", test_many },
	{ "failures leave every attribute as it was", test_faults },
	{ "a full volume", test_nospace },
	{ "the head of a tree is marked free", test_head_marked_free },
	{ "damaged blocks do no harm", test_damage },
	{ "a repair of many attributes", test_repair_many },
};

#else

static void test_collide(void)
{
	run_model(12, DT_REG, 1, 0, 4000, 120, false);
	run_model(10, DT_FIFO, 1, 0, 4000, 60, false);
	run_model(10, DT_DIR, 2, 0, 3000, 30, true);
	CHECK(refused > 10);
}

static const struct tap_test tests[] = {
	{ "attributes of the same hash", test_collide },
};

#endif

TAP_MAIN(tests)
