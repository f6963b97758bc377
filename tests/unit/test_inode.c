// SPDX-License-Identifier: GPL-2.0
/*
 * Inode records and slots: copying, checks against hostile records, allocation
 * and freeing, orphans, damage on disk, and failures of everything below.
 */
#include "fixture.h"

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;

/* A small pseudo random generator, so that runs repeat. */
static u32 rnd_state;

static u32 rnd(u32 below)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % below;
}

static int do_ialloc(u32 goal, u32 slots, bool dir, u64 *ino)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_IALLOC);
	err = lnkfs_ialloc(&tx, fs, goal, slots, dir, ino);
	lnkfs_tx_end(&tx);
	return err;
}

static int do_ifree(u64 ino, u32 slots, bool dir)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_IFREE);
	err = lnkfs_ifree(&tx, fs, ino, slots, dir);
	if (!err)
		CHECK(tx.revokes <= LNKFS_REVOKES_IFREE);
	lnkfs_tx_end(&tx);
	return err;
}

static int do_store(const struct lnkfs_cinode *ci)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_STORE);
	err = lnkfs_inode_store(&tx, fs, ci);
	lnkfs_tx_end(&tx);
	return err;
}

static int do_orphan_add(u64 ino)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_ORPHAN);
	err = lnkfs_orphan_add(&tx, fs, ino);
	lnkfs_tx_end(&tx);
	return err;
}

static int do_orphan_clean(u32 group, u32 *from, u32 budget)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_ORPHAN);
	err = lnkfs_orphan_clean(&tx, fs, group, from, budget);
	lnkfs_tx_end(&tx);
	return err;
}

static u8 area_mem[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));

/* A fifo without links: what an orphan looks like at its simplest. */
static void fifo_init(struct lnkfs_cinode *ci, u64 ino, u32 slots)
{
	memset(ci, 0, sizeof(*ci));
	memset(area_mem, 0, sizeof(area_mem));
	ci->ino = ino;
	ci->gen = 7;
	ci->mode = S_IFIFO | 0644;
	ci->fork = LNKFS_FORK_NONE;
	ci->slots = slots;
	ci->area_len = LNKFS_AREA_LEN(slots);
	ci->area = area_mem;
}

/* Allocate an orphan that the checker accepts. */
static int orphan_make(u32 goal, u32 slots, u64 *ino)
{
	struct lnkfs_cinode ci;
	int err;

	err = do_ialloc(goal, slots, false, ino);
	if (err)
		return err;
	fifo_init(&ci, *ino, slots);
	REQUIRE(!do_store(&ci));
	REQUIRE(!do_orphan_add(*ino));
	return 0;
}

static int orphan_free(u64 ino, u32 slots)
{
	int err = do_ifree(ino, slots, false);

	if (!err)
		REQUIRE(!lnkfs_orphan_del(fs, ino));
	return err;
}

/* ---- records ---- */

static void fill_random(void *p, u32 len)
{
	u8 *b = p;

	while (len--)
		*b++ = (u8)rnd(256);
}

static void test_round_trip(void)
{
	struct lnkfs_fs small = { .slot_bits = 2 };
	struct lnkfs_fs big = { .slot_bits = 4 };
	u8 block[4096], headers[16][8], area[LNKFS_AREA_LEN(8)];
	u32 slots, slot, i;

	rnd_state = 1;
	for (slots = 1; slots <= LNKFS_MAX_SLOTS; slots++) {
		for (slot = 0; slot + slots <= 16; slot++) {
			struct lnkfs_fs *f = slot + slots <= 4 ? &small : &big;
			struct lnkfs_cinode in = {}, out = {};

			fill_random(block, sizeof(block));
			for (i = 0; i < slots; i++) {
				struct lnkfs_slot *sl = (void *)(block + (slot + i) * 256);

				sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
				sl->sl_type = i ? LNKFS_SLOT_CONT : LNKFS_SLOT_HEAD;
				sl->sl_count = i ? i : slots;
			}
			for (i = 0; i < 16; i++)
				memcpy(headers[i], block + i * 256, 8);
			fill_random(&in, sizeof(in));
			fill_random(area, sizeof(area));
			in.slots = slots;
			in.ino = (99ULL << f->slot_bits) + slot;
			in.area = area;
			in.area_len = LNKFS_AREA_LEN(slots);
			in.fork_len = in.area_len - 24;
			in.xattr_len = 24;
			in.xattr_block &= LNKFS_MAX_BLOCKS - 1;

			lnkfs_inode_encode(&in, block, slot);
			for (i = 0; i < 16; i++)
				CHECK(!memcmp(headers[i], block + i * 256, 8));
			REQUIRE(!lnkfs_inode_decode(f, block, 99, slot, &out));
			CHECK(!memcmp(out.area, area, in.area_len));
			lnkfs_free(out.area);
			out.area = in.area;
			CHECK_EQ(out.ino, in.ino);
			CHECK_EQ(out.gen, in.gen);
			CHECK_EQ(out.mode, in.mode);
			CHECK_EQ(out.fork, in.fork);
			CHECK_EQ(out.slots, in.slots);
			CHECK_EQ(out.uid, in.uid);
			CHECK_EQ(out.gid, in.gid);
			CHECK_EQ(out.projid, in.projid);
			CHECK_EQ(out.nlink, in.nlink);
			CHECK_EQ(out.size, in.size);
			CHECK_EQ(out.blocks, in.blocks);
			CHECK_EQ(out.flags, in.flags);
			CHECK_EQ(out.lflags, in.lflags);
			CHECK_EQ(out.atime, in.atime);
			CHECK_EQ(out.mtime, in.mtime);
			CHECK_EQ(out.ctime, in.ctime);
			CHECK_EQ(out.btime, in.btime);
			CHECK_EQ(out.version, in.version);
			CHECK_EQ(out.parent, in.parent);
			CHECK_EQ(out.parent_pos, in.parent_pos);
			CHECK_EQ(out.fork_len, in.fork_len);
			CHECK_EQ(out.xattr_len, in.xattr_len);
			CHECK_EQ(out.xattr_block, in.xattr_block);
			CHECK_EQ(out.area_len, in.area_len);
			CHECK_EQ(lnkfs_fork_room(&out), in.area_len - 24);
		}
	}
}

static void test_decode_layout(void)
{
	struct lnkfs_fs f = { .slot_bits = 2 };
	u8 block[1024];
	struct lnkfs_slot *sl[4];
	struct lnkfs_inode *di = (void *)(block + 256);
	struct lnkfs_cinode ci = { .area = area_mem };
	u32 i;

	for (i = 0; i < 4; i++)
		sl[i] = (void *)(block + 256 * i);
#define RESET()								\
	do {								\
		memset(block, 0, sizeof(block));			\
		for (i = 0; i < 4; i++) {				\
			sl[i]->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC); \
			sl[i]->sl_type = LNKFS_SLOT_FREE;		\
			sl[i]->sl_count = 1;				\
		}							\
		sl[1]->sl_type = LNKFS_SLOT_HEAD;			\
		sl[1]->sl_count = 3;					\
		sl[2]->sl_type = LNKFS_SLOT_CONT;			\
		sl[3]->sl_type = LNKFS_SLOT_CONT;			\
		sl[3]->sl_count = 2;					\
		di->i_ino = cpu_to_le64(41);				\
	} while (0)
#define DECODE(slot)	lnkfs_inode_decode(&f, block, 10, slot, &ci)
	RESET();
	CHECK_EQ(DECODE(1), 0);
	CHECK_EQ(DECODE(0), -ESTALE);
	CHECK_EQ(DECODE(2), -ESTALE);
	di->i_ino = 0;
	CHECK_EQ(DECODE(1), -ESTALE);
	di->i_ino = cpu_to_le64(42);
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[1]->sl_magic = 0;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[1]->sl_type = 9;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[1]->sl_count = 4;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[1]->sl_count = 0;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[1]->sl_count = 255;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[3]->sl_count = 1;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	sl[2]->sl_type = LNKFS_SLOT_FREE;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	di->i_fork_len = cpu_to_le16(LNKFS_AREA_LEN(3));
	CHECK_EQ(DECODE(1), 0);
	di->i_xattr_len = 1;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	di->i_fork_len = cpu_to_le16(0xffff);
	di->i_xattr_len = 0xff;
	CHECK_EQ(DECODE(1), -EFSCORRUPTED);
	RESET();
	ci.area = NULL;
	lnkfs_fault_alloc = 1;
	CHECK_EQ(DECODE(1), -ENOMEM);
	CHECK(!ci.area);
#undef RESET
#undef DECODE
}

/* ---- hostile records ---- */

static struct lnkfs_cinode bad;

static void base_fifo(void)
{
	fifo_init(&bad, 0, 1);
	bad.ino = fs->root_ino;
	bad.nlink = 1;
}

static void base_file(void)
{
	base_fifo();
	bad.mode = S_IFREG | 0600;
	lnkfs_ext_init(&bad);
	bad.size = 12345;
}

static void base_dir(void)
{
	base_fifo();
	bad.mode = S_IFDIR | 0755;
	bad.nlink = 2;
	bad.parent = fs->root_ino;
	lnkfs_dir_init(&bad);
}

static void base_fast(void)
{
	base_fifo();
	bad.mode = S_IFLNK | 0777;
	lnkfs_symlink_set_fast(&bad, "target", 6);
}

static void base_slow(void)
{
	struct lnkfs_slow_link *sl = (void *)area_mem;

	base_fifo();
	bad.mode = S_IFLNK | 0777;
	bad.fork = LNKFS_FORK_SLOW_LINK;
	bad.fork_len = 16;
	bad.size = fs->block_size / 2;
	bad.blocks = 1;
	sl->l_block = cpu_to_le64(lnkfs_ino_block(fs, fs->root_ino));
	sl->l_blocks = cpu_to_le32(1);
}

static void base_dev(void)
{
	struct lnkfs_device *dev = (void *)area_mem;

	base_fifo();
	bad.mode = S_IFBLK | 0600;
	bad.fork = LNKFS_FORK_DEVICE;
	bad.fork_len = 8;
	dev->v_major = cpu_to_le32(8);
	dev->v_minor = cpu_to_le32(1);
}

static struct lnkfs_slow_link *slow(void)
{
	return (void *)area_mem;
}

static struct lnkfs_device *device(void)
{
	return (void *)area_mem;
}

static struct lnkfs_btree_root *root(void)
{
	return (void *)area_mem;
}

/* The record made by base() is good, and bad with the change. */
#define HOSTILE(base, change)						\
	do {								\
		u64 before;						\
									\
		base();							\
		CHECK_EQ(lnkfs_inode_check(fs, &bad), 0);		\
		before = v.reports;					\
		change;							\
		if (!CHECK(lnkfs_inode_check(fs, &bad) == -EFSCORRUPTED)) \
			printf("# accepted: " #base ", " #change "\n");	\
		CHECK(v.reports > before);				\
	} while (0)

/* A name in the record of what is no directory, which takes the feature. */
#define NAMED(dir, pos, want)						\
	do {								\
		base_fifo();						\
		bad.parent = (dir);					\
		bad.parent_pos = (pos);					\
		if (!CHECK(lnkfs_inode_check(fs, &bad) == (want)))	\
			printf("# " #dir ", " #pos "\n");		\
		fs->backref = false;					\
		CHECK_EQ(lnkfs_inode_check(fs, &bad),			\
			 bad.parent || bad.parent_pos ? -EFSCORRUPTED : 0); \
		fs->backref = true;					\
	} while (0)

static void test_hostile(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, 16 * MIB, fixture_bits[i]);

		HOSTILE(base_fifo, bad.gen = 0);
		HOSTILE(base_fifo, bad.mode = 0644);
		HOSTILE(base_fifo, bad.mode = S_IFMT | 0644);
		HOSTILE(base_fifo, bad.slots = 0);
		HOSTILE(base_fifo, bad.slots = 9);
		HOSTILE(base_fifo, bad.slots = 2);
		HOSTILE(base_fifo, bad.uid = ~0u);
		HOSTILE(base_fifo, bad.gid = ~0u);
		HOSTILE(base_fifo, bad.projid = ~0u);
		HOSTILE(base_fifo, bad.nlink = 0x80000000);
		HOSTILE(base_fifo, bad.size = 1);
		HOSTILE(base_fifo, bad.blocks = 1);
		HOSTILE(base_fifo, bad.lflags = 0x10);
		HOSTILE(base_fifo, bad.lflags = LNKFS_LF_TRUNCATING);
		HOSTILE(base_fifo, bad.parent = fs->root_ino);
		HOSTILE(base_fifo, bad.parent_pos = 64);
		NAMED(fs->root_ino, LNKFS_DIR_FIRST_POS, 0);
		NAMED(fs->root_ino, 8ULL * ~0u, 0);
		NAMED(fs->root_ino, LNKFS_DIR_FIRST_POS - 8, -EFSCORRUPTED);
		NAMED(fs->root_ino, LNKFS_DIR_FIRST_POS + 4, -EFSCORRUPTED);
		NAMED(fs->root_ino, 8ULL << 32, -EFSCORRUPTED);
		NAMED(fs->root_ino, 0, -EFSCORRUPTED);
		NAMED(~0ULL, LNKFS_DIR_FIRST_POS, -EFSCORRUPTED);
		NAMED(0, 0, 0);
		HOSTILE(base_fifo, bad.fork = LNKFS_FORK_DEVICE);
		HOSTILE(base_fifo, bad.fork = 77);
		HOSTILE(base_fifo, bad.fork_len = 1);
		HOSTILE(base_fifo, bad.xattr_len = 129);

		HOSTILE(base_file, bad.size = LNKFS_MAX_FILE_SIZE + 1);
		HOSTILE(base_file, bad.blocks = fs->blocks + 1);
		HOSTILE(base_file, bad.fork = LNKFS_FORK_NONE);
		HOSTILE(base_file, bad.fork_len = 0);
		HOSTILE(base_file, bad.fork_len = 4);
		HOSTILE(base_file, bad.fork_len += 1);
		HOSTILE(base_file, root()->bt_level = cpu_to_le16(LNKFS_BTREE_MAX_LEVEL + 1));
		HOSTILE(base_file, root()->bt_count = cpu_to_le16(999));
		HOSTILE(base_file, root()->bt_tree = LNKFS_TREE_DIR);
		HOSTILE(base_file, root()->bt_vsize = 8);

		HOSTILE(base_dir, bad.nlink = 1);
		HOSTILE(base_dir, bad.parent = 0);
		HOSTILE(base_dir, bad.parent = ~0ULL);
		HOSTILE(base_dir, bad.parent_pos = 8);
		base_dir();
		bad.parent_pos = LNKFS_DIR_FIRST_POS;
		CHECK_EQ(lnkfs_inode_check(fs, &bad), 0);
		fs->backref = false;
		CHECK_EQ(lnkfs_inode_check(fs, &bad), -EFSCORRUPTED);
		fs->backref = true;
		HOSTILE(base_dir, bad.blocks = 1);
		HOSTILE(base_dir, bad.size = 8);
		HOSTILE(base_dir, bad.fork = LNKFS_FORK_EXTENTS);
		HOSTILE(base_dir, (bad.fork_len = 8, bad.size = 8));
		HOSTILE(base_dir, (bad.fork = LNKFS_FORK_DIR_BLOCKS, bad.fork_len = 4));
		HOSTILE(base_dir, (bad.fork = LNKFS_FORK_DIR_BLOCKS, bad.fork_len = 128,
				   bad.size = fs->block_size));

		HOSTILE(base_fast, bad.size = 7);
		HOSTILE(base_fast, bad.size = 0);
		HOSTILE(base_fast, (bad.size = 0, bad.fork_len = 0));
		HOSTILE(base_fast, bad.blocks = 1);
		HOSTILE(base_fast, area_mem[3] = 0);
		HOSTILE(base_fast, area_mem[6] = 1);
		HOSTILE(base_fast, (memset(area_mem, 'x', 128), bad.size = 128,
				    bad.fork_len = 128));
		HOSTILE(base_fast, bad.fork = LNKFS_FORK_DIR_INLINE);
		HOSTILE(base_fast, bad.fork = LNKFS_FORK_NONE);
		HOSTILE(base_fast, bad.fork = LNKFS_FORK_SLOW_LINK);

		HOSTILE(base_slow, bad.size = 0);
		HOSTILE(base_slow, bad.size = LNKFS_SYMLINK_MAX + 1);
		HOSTILE(base_slow, bad.blocks = 0);
		HOSTILE(base_slow, bad.fork_len = 8);
		HOSTILE(base_slow, slow()->l_blocks = 0);
		HOSTILE(base_slow, (slow()->l_blocks = cpu_to_le32(2), bad.blocks = 2));
		HOSTILE(base_slow, slow()->l_block = 0);
		HOSTILE(base_slow, slow()->l_block = cpu_to_le64(fs->blocks));
		HOSTILE(base_slow, slow()->l_block = cpu_to_le64(~0ULL));
		HOSTILE(base_slow, slow()->l_block = cpu_to_le64(fs->journal_start));

		HOSTILE(base_dev, bad.fork_len = 4);
		HOSTILE(base_dev, bad.fork = LNKFS_FORK_NONE);
		HOSTILE(base_dev, device()->v_major = cpu_to_le32(4096));
		HOSTILE(base_dev, device()->v_minor = cpu_to_le32(1 << 20));

		/* A symlink whose body is gone has no links. */
		base_fast();
		bad.fork = LNKFS_FORK_NONE;
		bad.fork_len = 0;
		bad.size = 0;
		bad.nlink = 0;
		CHECK_EQ(lnkfs_inode_check(fs, &bad), 0);
		volume_done(&v);
	}
}

/* ---- loading ---- */

static int load(u64 ino, unsigned int flags)
{
	struct lnkfs_cinode ci = {};
	int err = lnkfs_inode_load(fs, ino, flags, &ci);

	CHECK(!err == !!ci.area);
	if (!err)
		CHECK_EQ(ci.ino, ino);
	lnkfs_free(ci.area);
	return err;
}

static void test_load(void)
{
	u64 ino, ino2, reports;
	struct lnkfs_cinode ci;
	u32 slots_bits;

	volume_make(&v, 64 * MIB, 10);
	slots_bits = fs->slot_bits;
	CHECK_EQ(load(fs->root_ino, 0), 0);
	reports = v.reports;
	CHECK_EQ(load(0, 0), -ESTALE);
	CHECK_EQ(load(~0ULL, 0), -ESTALE);
	CHECK_EQ(load(fs->journal_start << slots_bits, 0), -ESTALE);
	CHECK_EQ(load(fs->blocks << slots_bits, 0), -ESTALE);
	/* A group without maps, a block that is no inode block. */
	CHECK(fs->group[fs->groups - 1].flags & LNKFS_BG_INODE_UNINIT);
	CHECK_EQ(load((fs->blocks - 1) << slots_bits, 0), -ESTALE);
	CHECK_EQ(load((lnkfs_group_first(fs, 1) - 1) << slots_bits, 0), -ESTALE);
	/* Claimed, not stored; continuation; no links. */
	REQUIRE(!do_ialloc(0, 3, false, &ino));
	CHECK_EQ(load(ino, LNKFS_IL_ORPHAN), -ESTALE);
	CHECK_EQ(load(ino + 1, LNKFS_IL_ORPHAN), -ESTALE);
	fifo_init(&ci, ino, 3);
	REQUIRE(!do_store(&ci));
	CHECK_EQ(load(ino, 0), -ESTALE);
	CHECK_EQ(load(ino, LNKFS_IL_ORPHAN), 0);
	CHECK_EQ(load(ino + 2, LNKFS_IL_ORPHAN), -ESTALE);
	REQUIRE(!do_orphan_add(ino));
	/* Free again. */
	REQUIRE(!do_ialloc(0, 1, false, &ino2));
	REQUIRE(!do_ifree(ino2, 1, false));
	CHECK_EQ(load(ino2, LNKFS_IL_ORPHAN), -ESTALE);
	CHECK_EQ(v.reports, reports);

	lnkfs_fault_alloc = 1;
	CHECK_EQ(load(ino, LNKFS_IL_ORPHAN), -ENOMEM);
	volume_check(&v, NULL);
	volume_done(&v);
}

static void test_damage(void)
{
	struct lnkfs_cinode ci;
	u64 ino[2], at;
	u8 *disk;

	volume_make(&v, 16 * MIB, 12);
	REQUIRE(!orphan_make(0, 1, &ino[0]));
	REQUIRE(!orphan_make(0, 2, &ino[1]));
	CHECK_EQ(lnkfs_ino_block(fs, ino[0]), lnkfs_ino_block(fs, ino[1]));
	REQUIRE(!lnkfs_cache_drop(&v));
	disk = v.dev.mem;
	at = ino[0] << 8;

	/* One bad record spoils no other, but the block takes no changes. */
	disk[at + 100] ^= 1;
	CHECK_EQ(load(ino[0], LNKFS_IL_ORPHAN), -EFSBADCRC);
	CHECK_EQ(load(ino[1], LNKFS_IL_ORPHAN), 0);
	fifo_init(&ci, ino[1], 2);
	CHECK_EQ(do_store(&ci), -EFSBADCRC);
	CHECK_EQ(do_ifree(ino[1], 2, false), -EFSBADCRC);
	/* New inodes go elsewhere. */
	{
		u64 other;

		REQUIRE(!do_ialloc(0, 1, false, &other));
		CHECK(lnkfs_ino_block(fs, other) != lnkfs_ino_block(fs, ino[0]));
		REQUIRE(!do_ifree(other, 1, false));
	}
	REQUIRE(!lnkfs_cache_drop(&v));
	disk[at + 100] ^= 1;
	CHECK_EQ(load(ino[0], LNKFS_IL_ORPHAN), 0);

	/* The checksum covers every slot of a record and where it stands. */
	REQUIRE(!lnkfs_cache_drop(&v));
	disk[(ino[1] << 8) + 256 + 200] ^= 0x80;
	CHECK_EQ(load(ino[1], LNKFS_IL_ORPHAN), -EFSBADCRC);
	REQUIRE(!lnkfs_cache_drop(&v));
	disk[(ino[1] << 8) + 256 + 200] ^= 0x80;
	memcpy(disk + ((ino[1] + 2) << 8), disk + at, 256);
	CHECK(load(ino[1] + 2, LNKFS_IL_ORPHAN) != 0);
	REQUIRE(!lnkfs_cache_drop(&v));
	volume_done(&v);
}

/* ---- allocation ---- */

struct live {
	u64 ino;
	u32 slots;
};

#define MAX_LIVE	40000

static u32 cluster(void)
{
	return (u32)LNKFS_CLUSTER_BYTES >> fs->block_bits;
}

static struct live live[MAX_LIVE];
static u32 nr_live;

static void free_random(void)
{
	u32 i = rnd(nr_live);

	CHECK_EQ(orphan_free(live[i].ino, live[i].slots), 0);
	live[i] = live[--nr_live];
}

static u32 max_slots(void)
{
	return fs->slot_bits == 2 ? 4 : LNKFS_MAX_SLOTS;
}

static void clean_all(void)
{
	u32 group, from;

	for (group = 0; group < fs->groups; group++) {
		from = 0;
		while (do_orphan_clean(group, &from, 16) == 1)
			;
	}
}

/* Grow and shrink at random; then everything goes and the space comes back. */
static void test_random(void)
{
	struct lnkfs_fsck_result res;
	u32 i, n, step, group;
	s64 before;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, 64 * MIB, fixture_bits[i]);
		v.busy = true;
		rnd_state = 77 + i;
		nr_live = 0;
		before = v.free_blocks;
		for (step = 0; step < 20000; step++) {
			bool grow = (step / 2500) % 2 == 0;

			if (nr_live && rnd(100) < (grow ? 25 : 75)) {
				free_random();
			} else if (nr_live < MAX_LIVE) {
				struct live *l = &live[nr_live++];

				l->slots = 1 + rnd(rnd(4) ? 2 : max_slots());
				REQUIRE(!orphan_make(rnd(fs->groups), l->slots, &l->ino));
			}
			if (step % 5000 == 4999) {
				volume_check(&v, &res);
				CHECK_EQ(res.orphans, nr_live);
			}
			if (step % 100 == 99)
				lnkfs_volume_commit(&v);
		}
		while (nr_live)
			free_random();
		clean_all();
		volume_check(&v, &res);
		CHECK_EQ(res.orphans, 0);
		n = 0;
		for (group = 0; group < fs->groups; group++) {
			CHECK(!(fs->group[group].flags & LNKFS_BG_ORPHANS));
			if (!CHECK(fs->group[group].inode_blocks <= cluster()))
				printf("# group %u keeps %u inode blocks\n", group,
				       fs->group[group].inode_blocks);
			n += fs->group[group].inode_blocks;
		}
		/* The root's cluster was there before. */
		CHECK_EQ(v.free_blocks, before + cluster() - n);
		volume_done(&v);
	}
}

static void test_arguments(void)
{
	u64 ino;

	volume_make(&v, 16 * MIB, 10);
	CHECK_EQ(do_ialloc(0, 0, false, &ino), -EINVAL);
	CHECK_EQ(do_ialloc(0, 5, false, &ino), -EINVAL);
	CHECK_EQ(do_ialloc(0, 4, false, &ino), 0);
	CHECK_EQ(do_ifree(ino, 4, false), 0);
	CHECK_EQ(do_ialloc(99999, 1, false, &ino), 0);
	CHECK_EQ(do_ifree(ino, 1, false), 0);
	volume_done(&v);
	volume_make(&v, 16 * MIB, 12);
	CHECK_EQ(do_ialloc(0, 9, false, &ino), -EINVAL);
	CHECK_EQ(do_ialloc(0, 8, false, &ino), 0);
	CHECK_EQ(do_ifree(ino, 8, false), 0);
	volume_done(&v);
}

/* Fill the volume to the last slot, then make room. */
static void test_full(void)
{
	struct lnkfs_fsck_result res;
	u32 i, n;
	u64 ino;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, 8 * MIB, fixture_bits[i]);
		nr_live = 0;
		rnd_state = 5;
		while (nr_live < MAX_LIVE) {
			struct live *l = &live[nr_live];
			int err;

			l->slots = 2;
			err = orphan_make(0, 2, &l->ino);
			if (err) {
				CHECK_EQ(err, -ENOSPC);
				break;
			}
			nr_live++;
		}
		CHECK(nr_live > 100 && nr_live < MAX_LIVE);
		volume_check(&v, &res);
		CHECK_EQ(res.free_blocks, 0);
		CHECK_EQ(v.free_slots, 0 + (v.free_slots & 1));
		/* Any two free slots are found again, wherever they are. */
		for (n = 0; n < 50; n++) {
			struct live l = live[rnd(nr_live)];

			CHECK_EQ(orphan_free(l.ino, 2), 0);
			CHECK_EQ(do_ialloc(0, 3, false, &ino), -ENOSPC);
			CHECK_EQ(orphan_make(0, 2, &ino), 0);
			CHECK_EQ(ino, l.ino);
		}
		while (nr_live)
			free_random();
		clean_all();
		volume_check(&v, &res);
		CHECK(fs->group[0].inode_blocks <= cluster());
		volume_done(&v);
	}
}

static void test_double_free(void)
{
	struct lnkfs_group before;
	u64 ino, reports;

	volume_make(&v, 64 * MIB, 12);
	REQUIRE(!do_ialloc(0, 2, true, &ino));
	before = fs->group[0];
	reports = v.reports;
	CHECK_EQ(do_ifree(ino, 1, true), -EFSCORRUPTED);
	CHECK_EQ(do_ifree(ino, 3, true), -EFSCORRUPTED);
	CHECK_EQ(do_ifree(ino + 1, 1, true), -EFSCORRUPTED);
	CHECK_EQ(do_ifree(0, 1, true), -EFSCORRUPTED);
	CHECK_EQ(do_ifree((fs->blocks - 1) << fs->slot_bits, 1, true), -EFSCORRUPTED);
	CHECK_EQ(v.reports, reports + 5);
	CHECK(!memcmp(&before, &fs->group[0], sizeof(before)));
	CHECK_EQ(do_ifree(ino, 2, true), 0);
	CHECK_EQ(do_ifree(ino, 2, true), -EFSCORRUPTED);
	volume_check(&v, NULL);
	volume_done(&v);
}

/* A descriptor that a mount accepts, and that does not fit what the group holds. */
static void test_wrong_counters(void)
{
	struct lnkfs_group *grp, good;
	u64 ino[2];
	u32 total;

	volume_make(&v, 64 * MIB, 12);
	grp = &fs->group[0];
	/* More than a cluster has to be there for one to go. */
	while (grp->inode_blocks <= cluster())
		REQUIRE(!do_ialloc(0, LNKFS_MAX_SLOTS, false, &ino[0]));
	good = *grp;
	/* The block becomes empty, and there are fewer free slots than it has: it stays. */
	grp->free_slots = 0;
	CHECK_EQ(do_ifree(ino[0], LNKFS_MAX_SLOTS, false), 0);
	CHECK_EQ(grp->inode_blocks, good.inode_blocks);
	CHECK_EQ(grp->free_slots, LNKFS_MAX_SLOTS);
	grp->free_slots += good.free_slots;
	/* One inode fewer would be more inodes than there are slots, or than directories. */
	good = *grp;
	total = grp->inode_blocks << fs->slot_bits;
	grp->used_inodes = total - grp->free_slots;
	REQUIRE(!do_ialloc(0, 2, false, &ino[1]));
	grp->used_inodes = total - grp->free_slots;
	CHECK_EQ(do_ifree(ino[1], 2, false), -EFSCORRUPTED);
	grp->used_inodes = good.used_inodes + 1;
	grp->used_dirs = grp->used_inodes;
	CHECK_EQ(do_ifree(ino[1], 2, false), -EFSCORRUPTED);
	grp->used_dirs = good.used_dirs;
	CHECK_EQ(do_ifree(ino[1], 2, false), 0);
	volume_done(&v);
}

/* A volume of many groups, of which none has a free slot; nothing of it is in memory. */
static void make_without_slots(void)
{
	u64 ino;
	u32 g;

	volume_make(&v, 300 * MIB, 10);
	for (g = 0; g < fs->groups; g++)
		do
			REQUIRE(!do_ialloc(g, 1, false, &ino));
		while (fs->group[g].free_slots);
	lnkfs_volume_commit(&v);
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
}

/* A bad map in each group but the last. */
static void test_bad_maps(void)
{
	u64 ino;
	u32 g;

	make_without_slots();
	for (g = 0; g + 1 < fs->groups; g++)
		v.dev.mem[(lnkfs_group_map_block(fs, g, LNKFS_B_IMAP) << 10) + 100] ^= 1;
	/* All that are passed over together must not cost more than one may. */
	CHECK_EQ(do_ialloc(0, 1, false, &ino), 0);
	CHECK_EQ(lnkfs_group_of(fs, lnkfs_ino_block(fs, ino)), fs->groups - 1);
	printf("# %u groups passed over\n", g);
	CHECK(g > LNKFS_CREDITS_IALLOC);
	lnkfs_volume_close(&v);
}

/* The descriptors of all groups but those of the last run are bad. */
static void test_bad_descriptors(void)
{
	u64 ino;
	u32 g, good;

	make_without_slots();
	good = (fs->groups - 1) / fs->desc_per_block * fs->desc_per_block;
	for (g = 0; g < good; g += fs->desc_per_block)
		v.dev.mem[(lnkfs_gdesc_block(fs, g) << 10) + 100] ^= 1;
	/* As with bad maps: all together must not cost more than one may. */
	CHECK_EQ(do_ialloc(0, 1, false, &ino), 0);
	CHECK_EQ(lnkfs_group_of(fs, lnkfs_ino_block(fs, ino)), good);
	printf("# %u groups passed over\n", good);
	CHECK(good > LNKFS_CREDITS_IALLOC);
	lnkfs_volume_close(&v);
}

/* A map says that a block is an inode block, and the block looks like one. */
static void forge_inode_block(u64 block)
{
	u32 group = lnkfs_group_of(fs, block), slot;
	u64 at = lnkfs_group_map_block(fs, group, LNKFS_B_IMAP);
	struct lnkfs_map_block *map = (void *)(v.dev.mem + (at << fs->block_bits));
	u8 *data = v.dev.mem + (block << fs->block_bits);

	lnkfs_set_bit((u32)(block - lnkfs_group_first(fs, group)), map->m_bits);
	lnkfs_seal_block(fs, map, LNKFS_B_IMAP, at);
	memset(data, 0, fs->block_size);
	for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
		struct lnkfs_slot *sl = (void *)(data + slot * LNKFS_SLOT_SIZE);

		sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
		sl->sl_type = LNKFS_SLOT_FREE;
		sl->sl_count = 1;
	}
	lnkfs_seal_block(fs, data, LNKFS_B_INODE, block);
	REQUIRE(!lnkfs_verify_block(fs, data, LNKFS_B_INODE, block, 0, 0));
}

/*
 * Inode blocks where none can be: in the journal, which jbd2 writes with buffers of the same
 * blocks, and among a group's own blocks. Nobody gets a record there, and nobody looks for
 * orphans there.
 */
static void test_forged_blocks(void)
{
	u32 i, n, group, from;
	u64 forged[2], ino, block, at;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, fixture_bits[i] == 12 ? 300 * MIB : 64 * MIB, fixture_bits[i]);
		group = lnkfs_group_of(fs, fs->journal_start);
		do
			REQUIRE(!do_ialloc(group, 1, false, &ino));
		while (lnkfs_group_of(fs, lnkfs_ino_block(fs, ino)) == group &&
		       fs->group[group].free_slots);
		REQUIRE(lnkfs_group_of(fs, lnkfs_ino_block(fs, ino)) == group);
		lnkfs_volume_commit(&v);
		CHECK_EQ(lnkfs_cache_drop(&v), 0);
		forged[0] = fs->journal_start + 1;
		forged[1] = lnkfs_group_first(fs, group);
		for (n = 0; n < 2; n++)
			forge_inode_block(forged[n]);
		fs->group[group].inode_blocks += 2;
		fs->group[group].free_slots += 2u << fs->slot_bits;
		fs->group[group].inode_hint = 0;
		for (n = 0; n < 64; n++) {
			if (!CHECK_EQ(do_ialloc(group, 1, false, &ino), 0))
				break;
			if (!CHECK(lnkfs_ino_valid(fs, ino)))
				break;
		}

		lnkfs_volume_commit(&v);
		CHECK_EQ(lnkfs_cache_drop(&v), 0);
		at = lnkfs_group_map_block(fs, group, LNKFS_B_ORPHMAP);
		for (n = 0; n < 2; n++)
			lnkfs_set_bit((u32)(forged[n] - lnkfs_group_first(fs, group)),
				      v.dev.mem + (at << fs->block_bits) + LNKFS_MAP_HEADER);
		lnkfs_seal_block(fs, v.dev.mem + (at << fs->block_bits), LNKFS_B_ORPHMAP, at);
		fs->group[group].flags |= LNKFS_BG_ORPHANS;
		from = 0;
		CHECK_EQ(lnkfs_orphan_next(fs, group, &from, &block), -ENOENT);
		lnkfs_volume_close(&v);
	}
}

/* ---- orphans ---- */

static void test_orphans(void)
{
	u64 ino[40], block, last = 0;
	u32 i, from, found = 0;

	volume_make(&v, 64 * MIB, 10);
	for (i = 0; i < 40; i++)
		REQUIRE(!orphan_make(1, 3, &ino[i]));
	CHECK(fs->group[1].flags & LNKFS_BG_ORPHANS);
	from = 0;
	while (!lnkfs_orphan_next(fs, 1, &from, &block)) {
		CHECK(block > last);
		last = block;
		CHECK(!lnkfs_orphan_idle(fs, block));
		found++;
	}
	CHECK_EQ(found, 40);
	CHECK_EQ(lnkfs_orphan_next(fs, 1, &from, &block), -ENOENT);
	from = 0;
	CHECK_EQ(lnkfs_orphan_next(fs, 2, &from, &block), -ENOENT);

	/* Nothing is idle: nothing is cleared. */
	from = 0;
	CHECK_EQ(do_orphan_clean(1, &from, 10), 1);
	CHECK_EQ(do_orphan_clean(1, &from, 1000), 0);
	CHECK(fs->group[1].flags & LNKFS_BG_ORPHANS);

	/* Counted twice, gone only after the second. */
	REQUIRE(!do_orphan_add(ino[0]));
	for (i = 0; i < 40; i++)
		CHECK_EQ(lnkfs_orphan_del(fs, ino[i]), 0);
	from = 0;
	while (do_orphan_clean(1, &from, 7) == 1)
		;
	from = 0;
	CHECK_EQ(lnkfs_orphan_next(fs, 1, &from, &block), 0);
	CHECK_EQ(block, lnkfs_ino_block(fs, ino[0]));
	CHECK_EQ(lnkfs_orphan_next(fs, 1, &from, &block), -ENOENT);
	CHECK_EQ(lnkfs_orphan_del(fs, ino[0]), 0);
	from = 0;
	CHECK_EQ(do_orphan_clean(1, &from, 7), 0);
	CHECK(!(fs->group[1].flags & LNKFS_BG_ORPHANS));
	for (i = 0; i < 40; i++)
		CHECK_EQ(do_ifree(ino[i], 3, false), 0);
	volume_check(&v, NULL);
	volume_done(&v);
}

/* ---- placement ---- */

static void test_dir_group(void)
{
	u32 seen = 0, i, g;

	volume_make(&v, 256 * MIB, 10);
	CHECK(fs->groups > 30);
	/* With its parent while there is room. */
	for (i = 0; i < fs->groups; i++)
		CHECK_EQ(lnkfs_ialloc_dir_group(fs, 5), 5);
	/* Elsewhere when the parent's group is full, and not always in one place. */
	fs->group[5].free_blocks = 0;
	for (i = 0; i < 20; i++) {
		g = lnkfs_ialloc_dir_group(fs, 5);
		REQUIRE(g < fs->groups);
		CHECK(g != 5);
		seen += !fs->group[g].used_dirs;
		fs->group[g].used_dirs++;
	}
	CHECK(seen >= 19);
	CHECK(lnkfs_ialloc_dir_group(fs, 1u << 31) < fs->groups);
	v.quiet = true;
	lnkfs_volume_close(&v);
}

/* ---- failures below ---- */

static struct lnkfs_group snapshot[8];
static s64 snap_free, snap_inodes, snap_slots;

static void snap(void)
{
	REQUIRE(fs->groups <= ARRAY_SIZE(snapshot));
	lnkfs_volume_commit(&v);
	memcpy(snapshot, fs->group, fs->groups * sizeof(snapshot[0]));
	snap_free = v.free_blocks;
	snap_inodes = v.inodes;
	snap_slots = v.free_slots;
}

static void snap_same(const char *what, u32 n)
{
	u32 i;
	bool same = true;

	lnkfs_volume_commit(&v);
	for (i = 0; i < fs->groups; i++) {
		const struct lnkfs_group *a = &snapshot[i], *b = &fs->group[i];

		/* A bitmap that was made and is empty again is no change. */
		same &= a->free_blocks == b->free_blocks && a->inode_blocks == b->inode_blocks &&
			a->free_slots == b->free_slots && a->used_inodes == b->used_inodes &&
			a->used_dirs == b->used_dirs &&
			(a->flags & ~LNKFS_BG_BLOCK_UNINIT) ==
			(b->flags & ~LNKFS_BG_BLOCK_UNINIT);
	}
	same &= snap_free == v.free_blocks && snap_inodes == v.inodes &&
		snap_slots == v.free_slots;
	if (!CHECK(same))
		printf("# changed by a failure: %s, call %u\n", what, n);
}

static u32 *const fault_at[] = {
	&v.fault.bread, &v.fault.bnew, &v.fault.baccess, &v.fault.freed, &v.fault.orphan,
};
static const char *const fault_name[] = {
	"bread", "bnew", "baccess", "freed", "orphan",
};

/*
 * Make the first, second, ... call of each kind fail until nothing fails any
 * more. After each failure the volume is as it was and sound.
 */
static void with_faults(const char *what, int (*op)(void), void (*undo)(void))
{
	u32 kind, n, fired;
	int err;

	for (kind = 0; kind < ARRAY_SIZE(fault_at); kind++) {
		for (n = 1; ; n++) {
			snap();
			fired = v.fault.fired;
			*fault_at[kind] = n;
			err = op();
			*fault_at[kind] = 0;
			if (v.fault.fired == fired) {
				CHECK_EQ(err, 0);
				undo();
				break;
			}
			if (!err) {
				/* Something optional failed, or another way was found. */
				undo();
			} else {
				snap_same(what, n);
			}
			if (volume_check(&v, NULL))
				printf("# after %s, %s call %u\n", what, fault_name[kind], n);
			REQUIRE(n < 500);
		}
	}
}

static u64 op_ino;
static u32 op_group, op_slots;

static int op_alloc(void)
{
	return do_ialloc(op_group, op_slots, true, &op_ino);
}

static void op_alloc_undo(void)
{
	REQUIRE(!do_ifree(op_ino, op_slots, true));
}

static int op_free(void)
{
	return do_ifree(op_ino, op_slots, false);
}

static void op_free_undo(void)
{
	REQUIRE(!lnkfs_orphan_del(fs, op_ino));
	REQUIRE(!orphan_make(op_group, op_slots, &op_ino));
}

static void orphan_undo(void)
{
	u32 from = 0;

	REQUIRE(!lnkfs_orphan_del(fs, op_ino));
	REQUIRE(!do_orphan_clean(op_group, &from, 1000));
}

static void test_faults(void)
{
	u64 ino[64];
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		volume_make(&v, fixture_bits[i] == 12 ? 300 * MIB : 40 * MIB, fixture_bits[i]);
		v.busy = true;

		/* The first inode of a group: maps and a cluster come into being. */
		op_slots = 1;
		for (op_group = 1; op_group < 3; op_group++)
			with_faults("ialloc, new group", op_alloc, op_alloc_undo);
		/* Existing slots. */
		op_group = 0;
		with_faults("ialloc, existing", op_alloc, op_alloc_undo);
		/* Filling a block with one record at 1 KiB. */
		op_slots = max_slots();
		with_faults("ialloc, large", op_alloc, op_alloc_undo);

		/* Freeing, with and without giving blocks back. */
		for (n = 0; n < 40; n++)
			REQUIRE(!orphan_make(0, max_slots(), &ino[n]));
		op_ino = ino[39];
		with_faults("ifree", op_free, op_free_undo);
		for (n = 0; n < 39; n++)
			REQUIRE(!orphan_free(ino[n], max_slots()));
		REQUIRE(!orphan_free(op_ino, max_slots()));
		clean_all();

		REQUIRE(!do_ialloc(0, 1, false, &op_ino));
		{
			struct lnkfs_cinode ci;

			fifo_init(&ci, op_ino, 1);
			ci.nlink = 0;
			REQUIRE(!do_store(&ci));
		}
		/* An orphan that recovery would not find until it is marked. */
		clean_all();
		for (n = 1; n < 6; n++) {
			u32 fired, kind;

			for (kind = 0; kind < ARRAY_SIZE(fault_at); kind++) {
				int err;

				snap();
				fired = v.fault.fired;
				*fault_at[kind] = n;
				err = do_orphan_add(op_ino);
				*fault_at[kind] = 0;
				CHECK_EQ(err != 0, v.fault.fired > fired);
				if (err)
					snap_same("orphan_add", n);
				else
					orphan_undo();
			}
		}
		REQUIRE(!do_ifree(op_ino, 1, false));
		volume_check(&v, NULL);
		volume_done(&v);
	}
}

static const struct tap_test tests[] = {
	{ "a record survives encoding and decoding, headers untouched", test_round_trip },
	{ "decoding refuses broken layouts", test_decode_layout },
	{ "hostile records are refused field by field", test_hostile },
	{ "loading tells what does not exist from what is corrupt", test_load },
	{ "damage on disk is noticed and kept apart", test_damage },
	{ "impossible arguments", test_arguments },
	{ "random allocation and freeing, all space comes back", test_random },
	{ "a full volume", test_full },
	{ "freeing twice is refused and changes nothing", test_double_free },
	{ "wrong counters are not made impossible", test_wrong_counters },
	{ "groups with bad maps are passed over", test_bad_maps },
	{ "groups with bad descriptors are passed over", test_bad_descriptors },
	{ "no inodes where none can be, whatever a map says", test_forged_blocks },
	{ "orphan bits and counts", test_orphans },
	{ "directories are spread", test_dir_group },
	{ "failures below leave nothing half done", test_faults },
};

TAP_MAIN(tests)
