// SPDX-License-Identifier: GPL-2.0
/*
 * What a symlink is besides the text of its target: what is sound, where it is kept,
 * failures below, and what the checker and the repairer make of it.
 */
#include "fixture.h"
#include "lnkfs.h"
#include "repair.h"
#include "xattr.h"

#define TRACKED	LNKFS_LINK_TRACKED
#define FIRST	(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST)

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
static struct lnkfs_cinode ci;

static const struct lnkfs_xattr_key link_key = { .space = LNKFS_XATTR_LINK, .name = "" };

static struct lnkfs_link_attr attr(u32 kind, u32 flags, u64 ino, u32 gen)
{
	return (struct lnkfs_link_attr){
		.la_kind = (u8)kind, .la_flags = (u8)flags, .la_gen = cpu_to_le32(gen),
		.la_ino = cpu_to_le64(ino),
	};
}

static bool same(const struct lnkfs_link_attr *a, const struct lnkfs_link_attr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- what is sound ---- */

static void test_attr_sound(void)
{
	struct lnkfs_link_attr la;
	u32 kind, flags;
	bool tracked;

	fs->slot_bits = 4;
	fs->blocks = 1000;
	for (kind = 0; kind < 256; kind++) {
		for (flags = 0; flags < 256; flags++) {
			tracked = flags == TRACKED || flags == FIRST;
			la = attr(kind, flags, 0, 0);
			CHECK_EQ(lnkfs_link_attr_sound(fs, &la), kind && kind < 5 && !flags);
			la = attr(kind, flags, 4711, 1);
			CHECK_EQ(lnkfs_link_attr_sound(fs, &la),
				 kind < LNKFS_LINK_REMOTE && tracked);
			la = attr(kind, flags, 4711, 0);
			CHECK(!lnkfs_link_attr_sound(fs, &la));
			la = attr(kind, flags, 0, 1);
			CHECK(!lnkfs_link_attr_sound(fs, &la));
			la = attr(kind, flags, 4711, 1);
			la.la_pad = cpu_to_le16(1u << kind % 16);
			CHECK(!lnkfs_link_attr_sound(fs, &la));
		}
	}
	/* The volume may have become smaller; but no number is as large as the last ones. */
	la = attr(0, TRACKED, LNKFS_MAX_BLOCKS * 16 - 1, ~0u);
	CHECK(lnkfs_link_attr_sound(fs, &la));
	la.la_ino = cpu_to_le64(LNKFS_MAX_BLOCKS * 16);
	CHECK(!lnkfs_link_attr_sound(fs, &la));
	la.la_ino = ~0ULL;
	CHECK(!lnkfs_link_attr_sound(fs, &la));
	memset(fs, 0, sizeof(*fs));
}

static void test_text_sound(void)
{
	static const struct {
		const char *text;
		bool absolute;
		bool remote;
	} texts[] = {
		{ "a", false, false }, { "/", true, false }, { "/a/b", true, false },
		{ "../a", false, false }, { "\\\\s\\t", false, true }, { "smb://s/t", false, true },
		{ "\\\\s", false, false }, { "\\a", false, false }, { "//s/t", true, false },
	};
	u32 i, kind;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *t = texts[i].text;
		u32 len = (u32)strlen(t);

		for (kind = 0; kind < LNKFS_LINK_KINDS; kind++) {
			bool fits = kind == LNKFS_LINK_JUNCTION ? texts[i].absolute :
				    kind != LNKFS_LINK_REMOTE || texts[i].remote;

			CHECK_EQ(lnkfs_link_text_sound(kind, 0, t, len), fits);
			CHECK_EQ(lnkfs_link_text_sound(kind, TRACKED, t, len), fits);
			CHECK_EQ(lnkfs_link_text_sound(kind, FIRST, t, len),
				 fits && !texts[i].absolute);
		}
	}
}

/* An entry of an attribute has one length and no blocks of its own. */
static void test_entry(void)
{
	u8 room[64] __attribute__((aligned(8))) = { 0 };
	struct lnkfs_xattr_entry *e = (void *)room;
	struct lnkfs_xattr_key key = link_key;
	lnkfs_tx tx;
	u32 len;

	volume_make(&v, 8 * MIB, 10);
	for (len = 0; len < 40; len++) {
		memset(room, 0, sizeof(room));
		e->e_space = LNKFS_XATTR_LINK;
		e->e_value_len = cpu_to_le32(len);
		CHECK_EQ(lnkfs_xattr_entry_sound(fs, e), len == 16);
	}
	e->e_value_len = cpu_to_le32(16);
	e->e_extents = 1;
	CHECK(!lnkfs_xattr_entry_sound(fs, e));
	e->e_extents = 0;
	e->e_name_len = 1;
	e->e_name[0] = 'x';
	CHECK(!lnkfs_xattr_entry_sound(fs, e));

	memset(&ci, 0, sizeof(ci));
	memset(area, 0, sizeof(area));
	ci.area = area;
	ci.area_len = LNKFS_AREA_LEN(1);
	lnkfs_tx_begin(&tx, &v, 0);
	for (len = 0; len < 40; len++)
		CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, room, len, 0),
			 len == 16 ? 0 : -EINVAL);
	key.name_len = 1;
	key.name = "x";
	CHECK_EQ(lnkfs_xattr_set(&tx, fs, &ci, &key, room, 16, 0), -EINVAL);
	lnkfs_tx_end(&tx);
	volume_done(&v);
}

/* ---- symlinks ---- */

/* An orphan, so that the checker misses no name. */
static void make_inode(u16 type, const char *target, u32 len)
{
	u32 slots = type == S_IFLNK ? lnkfs_symlink_slots(fs, len) : 1;
	lnkfs_tx tx;

	memset(&ci, 0, sizeof(ci));
	memset(area, 0, sizeof(area));
	ci.gen = 4711;
	ci.mode = type | 0777;
	ci.slots = slots ? (u8)slots : 1;
	ci.area_len = LNKFS_AREA_LEN(ci.slots);
	ci.area = area;
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_ialloc(&tx, fs, 0, ci.slots, type == S_IFDIR, &ci.ino));
	if (type == S_IFDIR)
		lnkfs_dir_init(&ci);
	else if (type == S_IFREG)
		lnkfs_ext_init(&ci);
	else if (type == S_IFLNK && slots)
		lnkfs_symlink_set_fast(&ci, target, len);
	else if (type == S_IFLNK)
		REQUIRE(!lnkfs_symlink_set_slow(&tx, fs, &ci, target, len));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	REQUIRE(!lnkfs_orphan_add(&tx, fs, ci.ino));
	lnkfs_tx_end(&tx);
}

static void make_link(u32 len)
{
	static char target[LNKFS_SYMLINK_MAX];

	memset(target, 'x', sizeof(target));
	make_inode(S_IFLNK, target, len);
}

static void store(void)
{
	lnkfs_tx tx;

	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
}

static void reload(void)
{
	REQUIRE(!lnkfs_inode_load(fs, ci.ino, LNKFS_IL_ORPHAN, &ci));
}

/* With the credits that were reckoned, as the kernel does it. */
static int set(const struct lnkfs_link_attr *la)
{
	bool plain = !la->la_kind && !la->la_flags;
	u32 len = plain ? 0 : sizeof(*la);
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_STORE + lnkfs_xattr_set_credits(fs, &ci, 0, len));
	err = lnkfs_link_attr_set(&tx, fs, &ci, plain ? NULL : la);
	memset(&v.fault, 0, offsetof(struct lnkfs_fault, fired));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
	return err;
}

static void holds(const struct lnkfs_link_attr *want)
{
	struct lnkfs_link_attr la;

	memset(&la, 0x55, sizeof(la));
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), 0);
	CHECK(same(&la, want));
	CHECK_EQ(!!(ci.lflags & LNKFS_LF_LINK), la.la_kind || la.la_flags);
}

/* Of every length of the target, whether it leaves room in the record or not. */
static void test_set(void)
{
	static const u32 lens[] = { 1, 100, 103, 104, 110, 127, 128, 350, 351, 352, 375, 870, 871,
				    872, 2000, 4095 };
	const struct lnkfs_link_attr plain = { 0 };
	struct lnkfs_link_attr a = attr(LNKFS_LINK_FILE, 0, 0, 0), b;
	u32 i, k, outside = 0;
	u64 blocks;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, 16 * MIB, fixture_bits[i]);
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			make_link(lens[k]);
			blocks = ci.blocks;
			b = attr(LNKFS_LINK_PLAIN, FIRST, ci.ino, 99);
			holds(&plain);
			CHECK_EQ(set(&plain), 0);
			CHECK_EQ(set(&a), 0);
			holds(&a);
			reload();
			holds(&a);
			outside += ci.xattr_block != 0;
			CHECK_EQ(ci.blocks, blocks + (ci.xattr_block != 0));
			CHECK_EQ(set(&b), 0);
			reload();
			holds(&b);
			volume_check(&v, NULL);
			CHECK_EQ(set(&plain), 0);
			reload();
			holds(&plain);
			CHECK_EQ(ci.blocks, blocks);
			CHECK(!ci.xattr_block && !ci.xattr_len);
			CHECK_EQ(set(&b), 0);
		}
		volume_check(&v, NULL);
		volume_done(&v);
	}
	CHECK_EQ(outside, 3 * 7);
}

/* Next to other attributes, which stay. */
static void test_others(void)
{
	struct lnkfs_xattr_key key = { LNKFS_XATTR_TRUSTED, 4, "name" };
	const struct lnkfs_link_attr plain = { 0 };
	struct lnkfs_link_attr la = attr(LNKFS_LINK_DIR, TRACKED, 77, 78);
	u8 value[900], got[900];
	lnkfs_tx tx;
	u32 len;

	volume_make(&v, 16 * MIB, 10);
	for (len = 1; len < sizeof(value); len += 37) {
		make_link(10 + len % 90);
		memset(value, (int)len, sizeof(value));
		lnkfs_tx_begin(&tx, &v, 0);
		REQUIRE(!lnkfs_xattr_set(&tx, fs, &ci, &key, value, len, 0));
		lnkfs_tx_end(&tx);
		CHECK_EQ(set(&la), 0);
		holds(&la);
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, got, sizeof(got)), len);
		CHECK(!memcmp(value, got, len));
		CHECK_EQ(set(&plain), 0);
		holds(&plain);
		CHECK_EQ(lnkfs_xattr_get(fs, &ci, &key, got, sizeof(got)), len);
		CHECK_EQ(set(&la), 0);
	}
	volume_check(&v, NULL);
	volume_done(&v);
}

static void test_faults(void)
{
	const struct lnkfs_link_attr plain = { 0 };
	struct lnkfs_link_attr a = attr(LNKFS_LINK_FILE, 0, 0, 0), b;
	struct {
		const char *name;
		u32 *at;
	} faults[] = {
		{ "bread", &v.fault.bread }, { "bnew", &v.fault.bnew },
		{ "baccess", &v.fault.baccess }, { "space", &v.fault.space },
	};
	u32 kind, n, fired;
	int err;

	volume_make(&v, 16 * MIB, 10);
	v.busy = true;
	b = attr(LNKFS_LINK_DIR, TRACKED, 4711, 1);
	for (kind = 0; kind < ARRAY_SIZE(faults); kind++) {
		make_link(120);
		for (n = 1; n < 100; n++) {
			REQUIRE(!lnkfs_cache_drop(&v));
			fired = v.fault.fired;
			*faults[kind].at = n;
			err = set(&a);
			holds(err ? &plain : &a);
			if (!err) {
				*faults[kind].at = n;
				err = set(&b);
				holds(err ? &a : &b);
				REQUIRE(!set(&plain));
			}
			lnkfs_volume_commit(&v);
			if (volume_check(&v, NULL))
				printf("# after %s %u\n", faults[kind].name, n);
			if (v.fault.fired == fired)
				break;
		}
		CHECK(n < 100 && n > 1);
	}
	volume_done(&v);
}

/* On a full volume none comes, and what is there can go. */
static void test_full(void)
{
	const struct lnkfs_link_attr plain = { 0 };
	struct lnkfs_link_attr a = attr(LNKFS_LINK_FILE, 0, 0, 0);
	u64 had;

	volume_make(&v, 8 * MIB, 10);
	make_link(120);
	REQUIRE(!set(&a));
	had = ci.ino;
	make_link(120);
	v.fault.space = 1;
	CHECK_EQ(set(&a), -ENOSPC);
	holds(&plain);
	ci.ino = had;
	reload();
	v.fault.space = 1;
	CHECK_EQ(set(&plain), 0);
	holds(&plain);
	volume_check(&v, NULL);
	volume_done(&v);
}

/* ---- what is wrong ---- */

/* The attribute is damaged: no guess is made. */
static void test_bad_get(void)
{
	struct lnkfs_link_attr la, bad = attr(7, 0, 0, 0), good = attr(1, 0, 0, 0);
	lnkfs_tx tx;

	volume_make(&v, 8 * MIB, 10);
	make_link(10);
	ci.lflags |= LNKFS_LF_LINK;
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), -EFSCORRUPTED);
	CHECK(!memchr_inv(&la, 0, sizeof(la)));
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_xattr_set(&tx, fs, &ci, &link_key, &bad, sizeof(bad), 0));
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), -EFSCORRUPTED);
	CHECK(!memchr_inv(&la, 0, sizeof(la)));
	/* Without the flag nobody asks. */
	ci.lflags = 0;
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), 0);
	lnkfs_tx_end(&tx);

	make_link(120);
	REQUIRE(!set(&good));
	REQUIRE(!lnkfs_cache_drop(&v));
	v.fault.bread = 1;
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), -EIO);
	v.fault.bread = 0;
	v.dev.mem[(ci.xattr_block << fs->block_bits) + 80] ^= 1;
	REQUIRE(!lnkfs_cache_drop(&v));
	CHECK_EQ(lnkfs_link_attr_get(fs, &ci, &la), -EFSBADCRC);
	v.dev.mem[(ci.xattr_block << fs->block_bits) + 80] ^= 1;
	volume_done(&v);
}

/* The flag is for symlinks. */
static void test_flag(void)
{
	static const u16 types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK };
	u32 i;

	volume_make(&v, 8 * MIB, 10);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		make_inode(types[i], "target", 6);
		CHECK_EQ(lnkfs_inode_check(fs, &ci), 0);
		ci.lflags |= LNKFS_LF_LINK;
		CHECK_EQ(lnkfs_inode_check(fs, &ci), types[i] == S_IFLNK ? 0 : -EFSCORRUPTED);
	}
	volume_done(&v);
}

/* What the checker finds, of that without a loss; and nothing after a repair. */
static void finds(u64 problems, u64 safe, const struct lnkfs_link_attr *left)
{
	struct lnkfs_repair_result done;
	struct lnkfs_fsck_result res;

	store();
	volume_walk(&v, NULL, &res);
	CHECK_EQ(res.problems, problems);
	CHECK_EQ(res.safe, safe);
	v.strict = false;
	REQUIRE(!lnkfs_repair_volume(&v, NULL, NULL, false, &done));
	REQUIRE(!lnkfs_cache_drop(&v));
	v.strict = true;
	CHECK_EQ(done.left, 0);
	CHECK_EQ(!!done.fixes, !!problems);
	volume_check(&v, NULL);
	reload();
	holds(left);
}

/* Put an attribute there, whatever it says, and not the flag. */
static void put(const struct lnkfs_link_attr *la)
{
	lnkfs_tx tx;

	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_xattr_set(&tx, fs, &ci, &link_key, la, sizeof(*la), 0));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
}

static void test_check(void)
{
	static const u32 lens[] = { 10, 120, 3000 };
	const struct lnkfs_link_attr plain = { 0 };
	struct lnkfs_link_attr la;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		volume_make(&v, 8 * MIB, 10);
		make_link(lens[i]);
		finds(0, 0, &plain);
		/* Dangling: of no number, of another's, past the end. */
		la = attr(0, FIRST, ci.ino, ci.gen + 1);
		REQUIRE(!set(&la));
		finds(0, 0, &la);
		la = attr(2, TRACKED, (fs->blocks << fs->slot_bits) + 5, 1);
		REQUIRE(!set(&la));
		finds(0, 0, &la);
		/* The flag is the attribute's. */
		ci.lflags = 0;
		finds(1, 1, &la);
		REQUIRE(!set(&plain));
		ci.lflags = LNKFS_LF_LINK;
		finds(1, 0, &plain);
		/* Not sound; not with this target. */
		la = attr(5, 0, 0, 0);
		put(&la);
		ci.lflags = LNKFS_LF_LINK;
		finds(1, 0, &plain);
		put(&la);
		finds(1, 0, &plain);
		la = attr(LNKFS_LINK_JUNCTION, 0, 0, 0);
		put(&la);
		ci.lflags = LNKFS_LF_LINK;
		finds(1, 0, &plain);
		la = attr(LNKFS_LINK_REMOTE, 0, 0, 0);
		put(&la);
		finds(1, 0, &plain);
		volume_done(&v);
	}
	/* On what is no symlink. */
	volume_make(&v, 8 * MIB, 10);
	make_inode(S_IFREG, NULL, 0);
	la = attr(1, 0, 0, 0);
	put(&la);
	finds(1, 0, &plain);
	volume_done(&v);
}

static const struct tap_test tests[] = {
	{ "attributes that are sound", test_attr_sound },
	{ "targets that they can have", test_text_sound },
	{ "their entries", test_entry },
	{ "set, replaced and removed beside every length of target", test_set },
	{ "beside other attributes", test_others },
	{ "failures below leave what was there", test_faults },
	{ "a full volume", test_full },
	{ "damaged attributes are noticed", test_bad_get },
	{ "the flag is for symlinks", test_flag },
	{ "check and repair", test_check },
};

TAP_MAIN(tests)
