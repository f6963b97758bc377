// SPDX-License-Identifier: GPL-2.0
/*
 * Verifiers and seals: what a block must hold to be believed, and that no
 * content whatever makes them look or write outside the block.
 */
#include "format.h"
#include "tap.h"

static struct lnkfs_volume v;
static u64 rng = 88172645463325252ULL;

static u32 rnd(u32 below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (u32)((rng >> 20) % below);
}

static struct lnkfs_slot *slot(u8 *data, u32 nr)
{
	return (void *)(data + nr * LNKFS_SLOT_SIZE);
}

static void set_slot(u8 *data, u32 nr, u8 type, u8 count)
{
	slot(data, nr)->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
	slot(data, nr)->sl_type = type;
	slot(data, nr)->sl_count = count;
	slot(data, nr)->sl_checksum = 0;
}

static void set_record(u8 *data, u32 nr, u8 count)
{
	u32 i;

	set_slot(data, nr, LNKFS_SLOT_HEAD, count);
	for (i = 1; i < count; i++)
		set_slot(data, nr + i, LNKFS_SLOT_CONT, (u8)i);
}

#define BLOCK	1000

static int verify(const u8 *data)
{
	return lnkfs_verify_block(&v.fs, data, LNKFS_B_INODE, BLOCK, 0, 0);
}

/* A block of 16 slots: records of 8, 3 and 1 slots, the rest free; sealed. */
static u8 *inode_block(void)
{
	u8 *data = malloc(4096);
	u32 i;

	REQUIRE(data);
	for (i = 0; i < 4096; i++)
		data[i] = (u8)rnd(256);
	set_record(data, 0, 8);
	set_slot(data, 8, LNKFS_SLOT_FREE, 1);
	set_record(data, 9, 3);
	set_slot(data, 12, LNKFS_SLOT_FREE, 1);
	set_slot(data, 13, LNKFS_SLOT_FREE, 1);
	set_slot(data, 14, LNKFS_SLOT_FREE, 1);
	set_record(data, 15, 1);
	lnkfs_seal_block(&v.fs, data, LNKFS_B_INODE, BLOCK);
	CHECK_EQ(verify(data), 0);
	return data;
}

static void inode_bits(void)
{
	u8 *data = inode_block();
	u32 i;

	/* Every single bit is covered, and never by another record. */
	for (i = 0; i < 4096 * 8; i += 1 + rnd(7)) {
		u32 nr = i / 8 / LNKFS_SLOT_SIZE;

		data[i / 8] ^= (u8)(1 << i % 8);
		CHECK(verify(data) == -EFSBADCRC || verify(data) == -EFSCORRUPTED);
		CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 0) != 0, nr < 8);
		CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 9) != 0, nr >= 9 && nr < 12);
		CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 15) != 0, nr == 15);
		data[i / 8] ^= (u8)(1 << i % 8);
	}
	CHECK_EQ(verify(data), 0);
	free(data);
}

static void inode_place(void)
{
	u8 *data = inode_block();

	CHECK_EQ(lnkfs_verify_block(&v.fs, data, LNKFS_B_INODE, BLOCK + 1, 0, 0), -EFSBADCRC);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK + 1, 0), -EFSBADCRC);
	/* A record copied to another slot of the same block. */
	memcpy(slot(data, 12), slot(data, 15), LNKFS_SLOT_SIZE);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 12), -EFSBADCRC);
	/* No record starts there. */
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 1), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 13), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 16), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, ~0u), -EFSCORRUPTED);
	free(data);
}

/* Headers that make no sense are corruption even when every crc is right. */
static void inode_headers(void)
{
	static const struct {
		u8 nr, type, count;
	} bad[] = {
		{ 0, LNKFS_SLOT_HEAD, 7 },	/* a continuation left over */
		{ 0, LNKFS_SLOT_HEAD, 0 },
		{ 0, LNKFS_SLOT_HEAD, 9 },
		{ 0, LNKFS_SLOT_HEAD, 255 },
		{ 0, LNKFS_SLOT_FREE, 1 },
		{ 0, LNKFS_SLOT_CONT, 1 },
		{ 3, LNKFS_SLOT_CONT, 4 },	/* wrong index */
		{ 3, LNKFS_SLOT_HEAD, 1 },
		{ 3, LNKFS_SLOT_FREE, 1 },
		{ 8, LNKFS_SLOT_FREE, 2 },
		{ 8, LNKFS_SLOT_FREE, 0 },
		{ 8, 0, 1 },
		{ 8, 4, 1 },
		{ 9, LNKFS_SLOT_HEAD, 4 },	/* reaches into a free slot */
		{ 15, LNKFS_SLOT_HEAD, 2 },	/* reaches out of the block */
		{ 15, LNKFS_SLOT_CONT, 1 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		u8 *data = inode_block();

		set_slot(data, bad[i].nr, bad[i].type, bad[i].count);
		lnkfs_seal_block(&v.fs, data, LNKFS_B_INODE, BLOCK);
		if (!CHECK_EQ(verify(data), -EFSCORRUPTED))
			printf("# case %u\n", i);
		free(data);
	}
}

/* The seal leaves alone what is not a record, and is the same done twice. */
static void inode_seal(void)
{
	u8 *data = inode_block(), *copy = malloc(4096);

	REQUIRE(copy);
	set_slot(data, 3, LNKFS_SLOT_FREE, 1);	/* breaks the first record */
	slot(data, 0)->sl_checksum = cpu_to_le32(0x12345678);
	data[9 * 256 + 100] ^= 1;
	lnkfs_seal_block(&v.fs, data, LNKFS_B_INODE, BLOCK);
	CHECK_EQ(le32_to_cpu(slot(data, 0)->sl_checksum), 0x12345678);
	CHECK_EQ(slot(data, 1)->sl_checksum, 0);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 9), 0);
	CHECK_EQ(lnkfs_verify_record(&v.fs, data, BLOCK, 0), -EFSCORRUPTED);
	memcpy(copy, data, 4096);
	lnkfs_seal_block(&v.fs, data, LNKFS_B_INODE, BLOCK);
	CHECK(!memcmp(copy, data, 4096));
	free(copy);
	free(data);
}

/* Anything at all: the sanitizer watches the block's ends. */
static void anything(void)
{
	u8 *data = malloc(v.fs.block_size), *copy = malloc(v.fs.block_size);
	u32 size = v.fs.block_size;
	u32 step, i, slots = size / LNKFS_SLOT_SIZE;

	REQUIRE(data && copy);
	for (step = 0; step < 20000; step++) {
		enum lnkfs_btype type = rnd(LNKFS_B_TYPES);
		u64 block = rnd((u32)v.fs.blocks), owner = rnd(4) ? rnd(8) : ~0u;

		for (i = 0; i < size; i++)
			data[i] = (u8)rnd(rnd(2) ? 4 : 256);
		for (i = 0; i < slots && type == LNKFS_B_INODE; i++)
			set_slot(data, i, (u8)rnd(5), (u8)rnd(rnd(4) ? 4 : 12));
		if (lnkfs_magic_of(type) && rnd(8)) {
			if (type <= LNKFS_B_ORPHMAP)
				owner = rnd(v.fs.groups + 1);
			if (type == LNKFS_B_GDESC)
				block = 1;
			else if (type <= LNKFS_B_ORPHMAP && owner < v.fs.groups)
				block = lnkfs_group_map_block(&v.fs, (u32)owner, type);
			lnkfs_header_init(&v.fs, data, type, block, owner, 3);
		}
		memcpy(copy, data, size);
		lnkfs_verify_block(&v.fs, data, type, block, owner, 3);
		lnkfs_verify_record(&v.fs, data, block, rnd(20));
		CHECK(!memcmp(copy, data, size));
		lnkfs_seal_block(&v.fs, data, type, block);
		/* Now the content is judged, not the checksum. */
		CHECK(lnkfs_verify_block(&v.fs, data, type, block, owner, 3) != -EFSBADCRC);
		memcpy(copy, data, size);
		lnkfs_seal_block(&v.fs, data, type, block);
		CHECK(!memcmp(copy, data, size));
		if (tap_failed)
			break;
	}
	free(copy);
	free(data);
}

static void header(void)
{
	u64 block = lnkfs_group_map_block(&v.fs, 0, LNKFS_B_IMAP);
	struct lnkfs_block_header *h;
	u8 *data = calloc(1, v.fs.block_size);
	u32 field;

	REQUIRE(data);
	h = (void *)data;
	for (field = 0; field < 6; field++) {
		int want = field ? -EFSCORRUPTED : 0;

		lnkfs_header_init(&v.fs, data, LNKFS_B_IMAP, block, 0, 0);
		if (field == 1)
			h->h_magic = cpu_to_le32(LNKFS_MAGIC_BITMAP);
		if (field == 2)
			h->h_blocknr = cpu_to_le64(block + 1);
		if (field == 3)
			h->h_owner = cpu_to_le64(1);
		if (field == 4)
			h->h_fsid ^= 1;
		if (field == 5)
			h->h_gen = cpu_to_le32(1);
		lnkfs_seal_block(&v.fs, data, LNKFS_B_IMAP, block);
		if (!CHECK_EQ(lnkfs_verify_block(&v.fs, data, LNKFS_B_IMAP, block, 0, 0), want))
			printf("# field %u\n", field);
	}
	/* A tool may leave the owner open, but the map must be in its place. */
	lnkfs_header_init(&v.fs, data, LNKFS_B_IMAP, block, 0, 0);
	lnkfs_seal_block(&v.fs, data, LNKFS_B_IMAP, block);
	CHECK_EQ(lnkfs_verify_block(&v.fs, data, LNKFS_B_IMAP, block, LNKFS_ANY_OWNER, 9), 0);
	h->h_owner = cpu_to_le64(~0ULL);
	lnkfs_seal_block(&v.fs, data, LNKFS_B_IMAP, block);
	CHECK_EQ(lnkfs_verify_block(&v.fs, data, LNKFS_B_IMAP, block, LNKFS_ANY_OWNER, 9),
		 -EFSCORRUPTED);
	free(data);
}

/* The root of back references: whose it is, and what it holds. */
static void names_root(void)
{
	struct lnkfs_names_block *nb = calloc(1, v.fs.block_size);
	struct lnkfs_btree_root *root = (void *)nb->nb_root;
	u32 round;

	REQUIRE(nb);
	for (round = 0; round < 6; round++) {
		memset(nb, 0, v.fs.block_size);
		root->bt_vsize = 8;
		root->bt_tree = LNKFS_TREE_NAMES;
		if (round == 1)
			root->bt_level = cpu_to_le16(LNKFS_NAMES_MAX_LEVEL + 1);
		if (round == 2)
			root->bt_tree = LNKFS_TREE_EXTENT;
		if (round == 3)
			nb->nb_pad[5] = 1;
		lnkfs_header_init(&v.fs, nb, round == 4 ? LNKFS_B_XATTR : LNKFS_B_NAMES, 5000,
				  round == 5 ? 2 : 1, 0);
		lnkfs_seal_block(&v.fs, nb, LNKFS_B_NAMES, 5000);
		if (!CHECK_EQ(lnkfs_verify_block(&v.fs, nb, LNKFS_B_NAMES, 5000, 1, 0),
			      round ? -EFSCORRUPTED : 0))
			printf("# round %u\n", round);
		/* A block of its own is no attribute's, whatever it looks like. */
		CHECK(lnkfs_verify_block(&v.fs, nb, LNKFS_B_XATTR, 5000, 1, 0));
		nb->nb_root[9] ^= 1;
		CHECK(lnkfs_verify_block(&v.fs, nb, LNKFS_B_NAMES, 5000, 1, 0));
	}
	free(nb);
}

static void setup_4k(void)
{
	if (!v.fs.group)
		REQUIRE(lnkfs_format_mem(&v, 600 << 20, 12, true) == 0);
}

static void anything_4k(void)
{
	setup_4k();
	anything();
}

static void anything_1k(void)
{
	lnkfs_volume_close(&v);
	REQUIRE(lnkfs_format_mem(&v, 30 << 20, 10, true) == 0);
	anything();
	lnkfs_volume_close(&v);
}

static void names_root_4k(void)
{
	setup_4k();
	names_root();
}

static void header_4k(void)
{
	setup_4k();
	header();
}

/* Descriptors whose figures cannot be. */
static void bad_descriptors(void)
{
	static const struct {
		u32 free_blocks, inode_blocks, free_slots, used_inodes, used_dirs;
		u16 flags;
		int want;
	} cases[] = {
		{ 100, 10, 20, 20, 20, 0, 0 },
		{ 100, 10, 20, 20, 20, LNKFS_BG_ORPHANS, 0 },
		{ 7680, 0, 0, 0, 0, 0, -EFSCORRUPTED },
		{ ~0u, 0, 0, 0, 0, 0, -EFSCORRUPTED },
		{ 7000, 700, 0, 0, 0, 0, -EFSCORRUPTED },
		{ 100, ~0u, 0, 0, 0, 0, -EFSCORRUPTED },
		{ 100, 10, 41, 0, 0, 0, -EFSCORRUPTED },
		{ 100, 10, 20, 21, 0, 0, -EFSCORRUPTED },
		{ 100, 10, 20, ~0u, 0, 0, -EFSCORRUPTED },
		{ 100, 10, 20, 20, 21, 0, -EFSCORRUPTED },
		{ 100, 0, 0, 0, 0, 8, -EFSCORRUPTED },
		{ 100, 0, 0, 0, 0, LNKFS_BG_BLOCK_UNINIT, -EFSCORRUPTED },
		{ 100, 1, 4, 0, 0, LNKFS_BG_INODE_UNINIT, -EFSCORRUPTED },
		{ 100, 0, 0, 0, 0, LNKFS_BG_INODE_UNINIT | LNKFS_BG_ORPHANS, -EFSCORRUPTED },
	};
	static const struct {
		u64 block;
		int want;
	} names[] = {
		{ 0, 0 }, { 600, 0 }, { 10000, 0 }, { 2, -EFSCORRUPTED }, { 7680, -EFSCORRUPTED },
		{ 30 << 10, -EFSCORRUPTED }, { ~0ULL, -EFSCORRUPTED }, { 1ULL << 63, -EFSCORRUPTED },
	};
	struct lnkfs_group_desc *d;
	lnkfs_buf *buf;
	u32 i;

	REQUIRE(lnkfs_format_mem(&v, 30 << 20, 10, true) == 0);
	v.quiet = true;
	REQUIRE(lnkfs_bread(&v.fs, lnkfs_gdesc_block(&v.fs, 1), LNKFS_B_GDESC, 0, 0, &buf) == 0);
	d = (void *)((u8 *)lnkfs_bdata(buf) + 64 + 64);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		d->bg_free_blocks = cpu_to_le32(cases[i].free_blocks);
		d->bg_inode_blocks = cpu_to_le32(cases[i].inode_blocks);
		d->bg_free_slots = cpu_to_le32(cases[i].free_slots);
		d->bg_used_inodes = cpu_to_le32(cases[i].used_inodes);
		d->bg_used_dirs = cpu_to_le32(cases[i].used_dirs);
		d->bg_flags = cpu_to_le16(cases[i].flags);
		if (!CHECK_EQ(lnkfs_group_load(&v.fs, 1), cases[i].want))
			printf("# case %u\n", i);
	}
	/* Where back references may be, and that there are none without the feature. */
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		d->bg_free_blocks = cpu_to_le32(100);
		d->bg_inode_blocks = 0;
		d->bg_free_slots = 0;
		d->bg_used_inodes = 0;
		d->bg_used_dirs = 0;
		d->bg_flags = 0;
		d->bg_names = cpu_to_le64(names[i].block);
		if (!CHECK_EQ(lnkfs_group_load(&v.fs, 1), names[i].want))
			printf("# block %llu\n", (unsigned long long)names[i].block);
		v.fs.backref = false;
		CHECK_EQ(lnkfs_group_load(&v.fs, 1), names[i].block ? -EFSCORRUPTED : 0);
		v.fs.backref = true;
	}
	d->bg_names = 0;
	/* The journal's group cannot be unwritten. */
	d += lnkfs_group_of(&v.fs, v.fs.journal_start) - 1;
	d->bg_flags = cpu_to_le16(LNKFS_BG_BLOCK_UNINIT | LNKFS_BG_INODE_UNINIT);
	d->bg_free_blocks = cpu_to_le32(lnkfs_group_size(&v.fs, 2) -
					lnkfs_group_overhead(&v.fs, 2));
	CHECK_EQ(lnkfs_group_of(&v.fs, v.fs.journal_start), 2);
	CHECK_EQ(lnkfs_group_load(&v.fs, 2), -EFSCORRUPTED);
	lnkfs_bput(buf);
	lnkfs_volume_close(&v);
}

static void inode_bits_4k(void)
{
	setup_4k();
	inode_bits();
}

static const struct tap_test tests[] = {
	{ "inode block: any bit changed", inode_bits_4k },
	{ "inode block: a record is valid in its place only", inode_place },
	{ "inode block: headers that make no sense", inode_headers },
	{ "inode block: the seal touches records only", inode_seal },
	{ "block header: each member", header_4k },
	{ "root of back references", names_root_4k },
	{ "any content, 4 KiB blocks", anything_4k },
	{ "any content, 1 KiB blocks", anything_1k },
	{ "descriptors that cannot be", bad_descriptors },
};

TAP_MAIN(tests)
