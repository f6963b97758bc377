// SPDX-License-Identifier: GPL-2.0
/*
 * Quota files: made, read across the borders of blocks, checked; and does the
 * checker notice what is wrong with one, whatever it holds?
 */
#include "fixture.h"
#include "quota_image.h"
#include "quota_switch.h"

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
static u32 rnd_state = 1;

static u32 rnd(u32 below)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % below;
}

static void make(u32 bits, u32 types, u32 uid)
{
	struct lnkfs_format f = {
		.block_bits = bits, .fast_symlink_max = ~0u, .uuid = "test volume uuid",
		.meta_uuid = "test meta uuid..", .hash_seed = "test hash seed..", .now = 1,
		.quota_types = types, .uid = uid, .gid = uid ? uid + 1 : 0,
	};
	const char *why;

	memset(&v, 0, sizeof(v));
	v.strict = true;
	v.quiet = true;
	REQUIRE(!lnkfs_dev_open_mem(&v.dev, 32 * MIB));
	REQUIRE(!lnkfs_format_volume(&v, &f, &why));
}

/* A new file of this owner. */
static u64 make_file(u32 uid, u32 gid, u32 projid, u32 blocks)
{
	struct lnkfs_cinode ci = {
		.gen = 5, .mode = S_IFREG | 0600, .slots = 1, .nlink = 0, .area = area,
		.area_len = LNKFS_AREA_LEN(1), .uid = uid, .gid = gid, .projid = projid,
	};
	struct lnkfs_ext ext = { .flags = LNKFS_EXT_UNWRITTEN };
	lnkfs_tx tx;
	u32 got;

	memset(area, 0, sizeof(area));
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_ialloc(&tx, fs, 0, 1, false, &ci.ino));
	lnkfs_ext_init(&ci);
	if (blocks) {
		REQUIRE(!lnkfs_balloc(&tx, fs, 0, blocks, blocks, 0, &ext.block, &got));
		ext.len = blocks;
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
	}
	/* An orphan needs no name, and counts. */
	REQUIRE(!lnkfs_orphan_add(&tx, fs, ci.ino));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
	return ci.ino;
}

static u64 load(u32 type, struct lnkfs_cinode *ci)
{
	u64 ino = le64_to_cpu(v.sb.s_quota_ino[type]);

	memset(ci, 0, sizeof(*ci));
	ci->area = area;
	REQUIRE(!lnkfs_inode_load(fs, ino, 0, ci));
	return ino;
}

static void get(u32 type, u64 off, void *data, u32 len)
{
	struct lnkfs_cinode ci;

	load(type, &ci);
	CHECK_EQ(lnkfs_quota_read(fs, &ci, off, data, len), len);
}

static void put(u32 type, u64 off, const void *data, u32 len)
{
	struct lnkfs_cinode ci;
	lnkfs_tx tx;

	load(type, &ci);
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_quota_write(&tx, fs, &ci, off, data, len));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
}

static void put32(u32 type, u64 off, u32 value)
{
	__le32 x = cpu_to_le32(value);

	put(type, off, &x, sizeof(x));
}

static u32 get32(u32 type, u64 off)
{
	__le32 x;

	get(type, off, &x, sizeof(x));
	return le32_to_cpu(x);
}

/* Replace a quota file's contents by an image. */
static void put_image(u32 type, const struct lnkfs_qimage *q)
{
	u32 block;

	for (block = 0; block < q->blocks; block++)
		put(type, (u64)block * LNKFS_QUOTA_BLOCK,
		    q->data + (size_t)block * LNKFS_QUOTA_BLOCK, LNKFS_QUOTA_BLOCK);
}

static u64 problems(void)
{
	struct lnkfs_fsck_result res;

	volume_walk(&v, NULL, &res);
	return res.problems;
}

/* ---- tests ---- */

static void test_new(void)
{
	struct lnkfs_fsck_result res;
	struct lnkfs_quota_head head;
	u32 i, types;

	for (i = 0; i < 3; i++) {
		for (types = 0; types < 8; types++) {
			make(fixture_bits[i], types, types & 1 ? 1000 : 0);
			volume_check(&v, &res);
			CHECK_EQ(res.files, __builtin_popcount(types));
			CHECK_EQ(v.sb.s_feature_ro_compat, LNKFS_RO_COMPAT_BACKREF |
				 (types ? LNKFS_RO_COMPAT_QUOTA : 0));
			if (types & 1) {
				get(0, 0, &head, sizeof(head));
				CHECK_EQ(le32_to_cpu(head.f_magic), 0xd9c01f11);
			}
			volume_done(&v);
		}
	}
}

/* Bytes written at any place are those read there, on every block size. */
static void test_read_write(void)
{
	static u8 model[100000];
	u8 buf[LNKFS_QUOTA_BLOCK];
	struct lnkfs_cinode ci;
	u32 i, n, bytes, off, len;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 1, 0);
		load(0, &ci);
		bytes = (u32)lnkfs_quota_bytes(fs, &ci);
		get(0, 0, model, LNKFS_QUOTA_BLOCK);
		for (off = 0; off < bytes; off += 100)
			get(0, off, model + off, min(100u, bytes - off));
		for (n = 0; n < 400; n++) {
			len = 1 + rnd(LNKFS_QUOTA_BLOCK);
			off = rnd(bytes + 1);
			if (off + len > sizeof(model))
				continue;
			memset(buf, (int)n, len);
			put(0, off, buf, len);
			load(0, &ci);
			if (lnkfs_quota_bytes(fs, &ci) > bytes)
				memset(model + bytes, 0, lnkfs_quota_bytes(fs, &ci) - bytes);
			bytes = (u32)lnkfs_quota_bytes(fs, &ci);
			memcpy(model + off, buf, len);
			off = rnd(bytes);
			len = min(bytes - off, 1 + rnd(LNKFS_QUOTA_BLOCK));
			get(0, off, buf, len);
			CHECK(!memcmp(buf, model + off, len));
		}
		load(0, &ci);
		CHECK_EQ(lnkfs_quota_read(fs, &ci, bytes, buf, 1), 0);
		CHECK_EQ(lnkfs_quota_read(fs, &ci, bytes - 3, buf, 10), 3);
		CHECK_EQ(ci.size, ci.blocks << fs->block_bits);
		volume_done(&v);
	}
}

/* Many owners, few of them neighbours: the checker agrees with the builder. */
static void test_many(void)
{
	struct lnkfs_qimage q[LNKFS_QUOTA_TYPES];
	u32 i, n, type, id;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 7, 0);
		for (type = 0; type < 3; type++) {
			struct lnkfs_quota_entry root = { .q_inodes = cpu_to_le64(2) };

			REQUIRE(!lnkfs_qimage_init(&q[type], type));
			/* project 0 gets nothing more */
			REQUIRE(!lnkfs_qimage_add(&q[type], &root));
		}
		for (n = 1; n <= 100; n++) {
			struct lnkfs_quota_entry e = { .q_inodes = cpu_to_le64(1) };

			id = n % 2 ? n : 0xffffffffu - n * 0x10001;
			e.q_id = cpu_to_le32(id);
			e.q_space = cpu_to_le64((n % 3) << fs->block_bits);
			make_file(id, id, id, n % 3);
			for (type = 0; type < 3; type++)
				REQUIRE(!lnkfs_qimage_add(&q[type], &e));
		}
		for (type = 0; type < 3; type++) {
			put_image(type, &q[type]);
			lnkfs_qimage_free(&q[type]);
		}
		volume_check(&v, NULL);
		volume_done(&v);
	}
}

/* Where things are in a file that mkfs made: 0 head, 1..4 tree, 5 leaf. */
#define AT(block, byte)	((u64)(block) * LNKFS_QUOTA_BLOCK + (byte))
#define ENTRY		sizeof(struct lnkfs_quota_leaf)

struct damage {
	const char *what;
	u32 block;
	u32 byte;
	u32 value;
};

static void test_damage(void)
{
	static const struct damage cases[] = {
		{ "magic", 0, 0, 1 },
		{ "version", 0, 4, 2 },
		{ "flags", 0, 0x10, 1 },
		{ "too many blocks", 0, 0x14, 100000 },
		{ "fewer blocks than the tree has", 0, 0x14, 4 },
		{ "a block without a use", 0, 0x14, 7 },
		{ "no blocks", 0, 0x14, 0 },
		{ "free list into the tree", 0, 0x18, 3 },
		{ "free list past the end", 0, 0x18, 0xffffffff },
		{ "leaf list into the tree", 0, 0x1c, 2 },
		{ "leaf list empty", 0, 0x1c, 0 },
		{ "root without a way", 1, 0, 0 },
		{ "root refers to itself", 1, 0, 1 },
		{ "root refers to the head", 1, 4, 0xffffffff },
		{ "a circle", 3, 0, 2 },
		{ "two ways to a block", 1, 4, 2 },
		{ "a leaf in the tree", 1, 4, 5 },
		{ "no entry there", 4, 4 * 77, 5 },
		{ "leaf is a tree block", 4, 0, 3 },
		{ "leaf is the head", 4, 4, 0xfffffff0 },
		{ "count of entries", 5, 8, 9 },
		{ "leaf list in a circle", 5, 0, 5 },
		{ "leaf list backwards", 5, 4, 5 },
		{ "another ID", 5, ENTRY, 3 },
		{ "padding", 5, ENTRY + 4, 3 },
		{ "inodes", 5, ENTRY + 0x18, 3 },
		{ "space", 5, ENTRY + 0x30, 1024 },
		{ "an entry nobody refers to", 5, ENTRY + 72, 9 },
	};
	u32 i, n, old;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 7, 0);
		CHECK_EQ(problems(), 0);
		for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
			u64 at = AT(cases[n].block, cases[n].byte);

			old = get32(0, at);
			put32(0, at, cases[n].value);
			if (!CHECK(problems() > 0))
				printf("# not noticed: %s\n", cases[n].what);
			put32(0, at, old);
		}
		CHECK_EQ(problems(), 0);
		volume_done(&v);
	}
}

/* Usage that the file does not know, or knows wrongly. */
static void test_usage(void)
{
	struct lnkfs_quota_entry e;

	make(12, 7, 0);
	make_file(0, 0, 0, 3);
	/* three types, each with one inode and its blocks more */
	CHECK_EQ(problems(), 3);
	make_file(4, 0, 0, 0);
	/* user 4 is missing */
	CHECK_EQ(problems(), 4);
	get(0, AT(5, ENTRY), &e, sizeof(e));
	e.q_inodes = cpu_to_le64(3);
	e.q_space = cpu_to_le64(3 << 12);
	put(0, AT(5, ENTRY), &e, sizeof(e));
	CHECK_EQ(problems(), 3);
	/* limits are nobody's business */
	e.q_bhard = cpu_to_le64(1);
	put(0, AT(5, ENTRY), &e, sizeof(e));
	CHECK_EQ(problems(), 3);
	volume_done(&v);
}

static void test_inode(void)
{
	struct lnkfs_cinode ci, root;
	static u8 root_area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	lnkfs_tx tx;
	u64 pos, ino;

	make(12, 7, 0);
	ino = load(1, &ci);
	lnkfs_tx_begin(&tx, &v, 0);
	ci.nlink = 2;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	CHECK_EQ(problems(), 1);
	ci.nlink = 1;
	ci.size += 5;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	CHECK_EQ(problems(), 1);
	ci.size -= 5;
	ci.size += fs->block_size;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	/* nothing looks at the hole behind */
	ci.size -= 2 * fs->block_size;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	CHECK(problems() > 0);
	ci.size += fs->block_size;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	CHECK_EQ(problems(), 0);
	memset(&root, 0, sizeof(root));
	root.area = root_area;
	REQUIRE(!lnkfs_inode_load(fs, fs->root_ino, 0, &root));
	REQUIRE(!lnkfs_dir_add(&tx, fs, &root, "quota", 5, ino, 8, &pos));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &root));
	CHECK_EQ(problems(), 1);
	lnkfs_tx_end(&tx);
	volume_done(&v);
}

/* The block as such: damage that the file's own format cannot show. */
static void test_block(void)
{
	struct lnkfs_cinode ci;
	struct lnkfs_ext ext;
	u64 byte;
	u8 *p;

	make(12, 1, 0);
	load(0, &ci);
	REQUIRE(!lnkfs_ext_lookup(fs, &ci, 0, &ext));
	REQUIRE(!lnkfs_cache_flush(&v));
	byte = ext.block << fs->block_bits;
	p = v.dev.mem + byte;
	CHECK_EQ(lnkfs_verify_block(fs, p, LNKFS_B_QUOTA, ext.block, ci.ino, ci.gen), 0);
	CHECK_EQ(lnkfs_verify_block(fs, p, LNKFS_B_QUOTA, ext.block, ci.ino, ci.gen + 1),
		 -EFSCORRUPTED);
	CHECK_EQ(lnkfs_verify_block(fs, p, LNKFS_B_QUOTA, ext.block + 1, ci.ino, ci.gen),
		 -EFSCORRUPTED);
	CHECK_EQ(lnkfs_verify_block(fs, p, LNKFS_B_DIR, ext.block, ci.ino, ci.gen),
		 -EFSCORRUPTED);
	p[500] ^= 1;
	CHECK_EQ(lnkfs_verify_block(fs, p, LNKFS_B_QUOTA, ext.block, ci.ino, ci.gen),
		 -EFSBADCRC);
	CHECK(problems() > 0);
	p[500] ^= 1;
	CHECK_EQ(problems(), 0);
	volume_done(&v);
}

/* Any contents: no crash, no endless loop; a change of what matters is noticed. */
static void test_fuzz(void)
{
	struct lnkfs_fsck_result res;
	struct lnkfs_cinode ci;
	u8 byte[8];
	u32 i, n, k, bytes;

	for (i = 0; i < 3; i += 2) {
		for (n = 0; n < 150; n++) {
			make(fixture_bits[i], 7, 1000);
			for (k = 0; k <= n % 7; k++) {
				u32 type = rnd(3), off, j;

				load(type, &ci);
				bytes = (u32)lnkfs_quota_bytes(fs, &ci);
				off = rnd(3) ? rnd(min(bytes, 6u * 1024)) : rnd(32);
				for (j = 0; j < sizeof(byte); j++)
					byte[j] = rnd(2) ? (u8)rnd(8) : (u8)rnd(256);
				put(type, off, byte, 1 + rnd(min(8u, bytes - off)));
			}
			volume_walk(&v, NULL, &res);
			volume_done(&v);
		}
	}
}

static void test_super(void)
{
	struct lnkfs_super_block sb;
	const char *why;

	make(12, 7, 0);
	sb = v.sb;
	sb.s_feature_ro_compat = 0;
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, 0, &why), -EFSCORRUPTED);
	sb = v.sb;
	sb.s_quota_ino[1] = sb.s_quota_ino[0];
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, 0, &why), -EFSCORRUPTED);
	sb.s_quota_ino[1] = sb.s_root_ino;
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, 0, &why), -EFSCORRUPTED);
	sb.s_quota_ino[1] = cpu_to_le64(~0ULL);
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, 0, &why), -EFSCORRUPTED);
	sb.s_quota_ino[1] = 0;
	lnkfs_super_seal(&sb);
	CHECK_EQ(lnkfs_super_check(&sb, 0, 0, &why), 0);
	volume_done(&v);
}

/* Space runs out, memory, I/O: the file is what its inode says. */
static void test_faults(void)
{
	u8 buf[LNKFS_QUOTA_BLOCK] = { 1 };
	struct lnkfs_cinode ci;
	u32 n, off, size;
	lnkfs_tx tx;
	int err;

	for (n = 1; n < 60; n++) {
		make(10, 1, 0);
		load(0, &ci);
		size = (u32)lnkfs_quota_bytes(fs, &ci);
		off = size - 100;
		lnkfs_tx_begin(&tx, &v, 0);
		switch (n % 3) {
		case 0:
			v.fault.bread = n / 3;
			break;
		case 1:
			v.fault.space = n / 3;
			break;
		default:
			v.fault.bnew = n / 3;
			break;
		}
		err = lnkfs_quota_write(&tx, fs, &ci, off, buf, sizeof(buf));
		memset(&v.fault, 0, sizeof(v.fault));
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		lnkfs_tx_end(&tx);
		CHECK(!err || lnkfs_quota_bytes(fs, &ci) < off + sizeof(buf) || n % 3 == 0);
		CHECK_EQ(problems(), 0);
		volume_done(&v);
	}
}

/* A new block that the file's tree does not take is given back, and revoked. */
static void test_way_back(void)
{
	u8 data[16] = { 1 };
	struct lnkfs_cinode ci;
	u32 i, n, got, failed;
	u64 free, block;
	lnkfs_tx tx;
	int err;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 1, 0);
		failed = 0;
		for (n = 0; n < 20; n++) {
			load(0, &ci);
			free = (u64)v.free_blocks;
			lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_QUOTA +
				       lnkfs_quota_new_credits(fs, &ci) + LNKFS_CREDITS_STORE);
			/* The block is had, a node is not. */
			v.fault.space = 2;
			err = lnkfs_quota_write(&tx, fs, &ci, lnkfs_quota_bytes(fs, &ci), data,
						sizeof(data));
			v.fault.space = 0;
			REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
			CHECK_EQ(tx.revokes, err ? 1 : 0);
			CHECK(tx.revokes <= lnkfs_quota_new_revokes(fs, &ci));
			if (err) {
				CHECK_EQ(err, -ENOSPC);
				CHECK_EQ(v.free_blocks, free);
				failed++;
			}
			lnkfs_tx_end(&tx);
			/* What follows the file is taken: its next block is one for itself. */
			lnkfs_tx_begin(&tx, &v, 0);
			REQUIRE(!lnkfs_balloc(&tx, fs, lnkfs_ino_block(fs, ci.ino), 1, 1, 0, &block,
					      &got));
			lnkfs_tx_end(&tx);
		}
		CHECK(failed);
		volume_done(&v);
	}
}

/* Blocks behind the end of the file are damage, and not a name that exists. */
static void test_past_end(void)
{
	struct lnkfs_cinode ci;
	struct lnkfs_ext ext = { .len = 1 };
	u8 data[16] = { 1 };
	u32 i, got;
	lnkfs_tx tx;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 1, 0);
		load(0, &ci);
		ext.lblk = ci.size >> fs->block_bits;
		lnkfs_tx_begin(&tx, &v, 0);
		REQUIRE(!lnkfs_balloc(&tx, fs, 0, 1, 1, 0, &ext.block, &got));
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		CHECK_EQ(lnkfs_quota_write(&tx, fs, &ci, lnkfs_quota_bytes(fs, &ci), data,
					   sizeof(data)), -EFSCORRUPTED);
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		lnkfs_tx_end(&tx);
		CHECK(problems() > 0);
		volume_done(&v);
	}
}

/* Quota files that come when lost+found has gone, whose number is free. */
static void test_gone_lpf(void)
{
	struct lnkfs_cinode root = { .area = area };
	const char *why;
	lnkfs_tx tx;
	u64 lpf;
	u32 i;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 0, 0);
		lpf = le64_to_cpu(v.sb.s_lpf_ino);
		REQUIRE(!lnkfs_inode_load(fs, fs->root_ino, 0, &root));
		lnkfs_tx_begin(&tx, &v, 0);
		REQUIRE(!lnkfs_dir_remove(&tx, fs, &root, "lost+found", 10));
		root.nlink--;
		REQUIRE(!lnkfs_inode_store(&tx, fs, &root));
		REQUIRE(!lnkfs_ifree(&tx, fs, lpf, 2, true));
		lnkfs_tx_end(&tx);
		volume_check(&v, NULL);
		REQUIRE(!lnkfs_quota_make(&v, 7, 1));
		lnkfs_super_seal(&v.sb);
		CHECK(lnkfs_super_has_quota_ino(&v.sb, lpf));
		CHECK_EQ(lnkfs_super_check(&v.sb, 0, v.dev.bytes, &why), 0);
		CHECK_EQ(v.sb.s_lpf_ino, 0);
		volume_done(&v);
	}
}

/*
 * A file that says it has more quota blocks than it has, by less than the heads of its blocks
 * take: what the VFS believes.
 */
static void test_short(void)
{
	struct lnkfs_cinode ci;
	u64 bytes, blocks;
	u32 i;

	for (i = 0; i < 3; i++) {
		make(fixture_bits[i], 1, 0);
		load(0, &ci);
		CHECK_EQ(lnkfs_quota_check(fs, &ci), 0);
		/* More blocks, until the heads take as much as a quota block does. */
		for (;;) {
			load(0, &ci);
			bytes = lnkfs_quota_bytes(fs, &ci);
			blocks = bytes / LNKFS_QUOTA_BLOCK + 1;
			if (blocks * LNKFS_QUOTA_BLOCK <= ci.size)
				break;
			put32(0, bytes, 0);
		}
		put32(0, offsetof(struct lnkfs_quota_head, f_blocks), (u32)blocks - 1);
		load(0, &ci);
		CHECK_EQ(lnkfs_quota_check(fs, &ci), 0);
		put32(0, offsetof(struct lnkfs_quota_head, f_blocks), (u32)blocks);
		load(0, &ci);
		CHECK_EQ(lnkfs_quota_check(fs, &ci), -EFSCORRUPTED);
		ci.size = 0;
		CHECK_EQ(lnkfs_quota_check(fs, &ci), -EFSCORRUPTED);
		lnkfs_volume_close(&v);
	}
}

static const struct tap_test tests[] = {
	{ "new volumes", test_new },
	{ "read and write", test_read_write },
	{ "many owners", test_many },
	{ "damage to the tree and the lists", test_damage },
	{ "wrong usage", test_usage },
	{ "the inode of a quota file", test_inode },
	{ "blocks of a quota file", test_block },
	{ "any contents", test_fuzz },
	{ "the superblock's numbers", test_super },
	{ "failures", test_faults },
	{ "the way back from a new block", test_way_back },
	{ "blocks past the end", test_past_end },
	{ "quota files after lost+found", test_gone_lpf },
	{ "fewer blocks than it says", test_short },
};

int main(void)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}
