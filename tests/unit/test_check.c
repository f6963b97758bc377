// SPDX-License-Identifier: GPL-2.0
/*
 * Does the checker notice? A sound volume with a bit of everything is damaged in
 * one place at a time, with and without right checksums.
 */
#include <dirent.h>

#include "check_dir.h"
#include "fixture.h"

#define MAX_BLOCKS	4096

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
static u8 *image;
static u64 big_dir, small_dir, file, fast, slow, orphan, sub, links, linked;
static u32 rnd_state;

static u32 rnd(u32 below)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % below;
}

/* ---- the sound volume ---- */

static void load_in(u64 ino, struct lnkfs_cinode *ci, u8 *mem)
{
	memset(ci, 0, sizeof(*ci));
	ci->area = mem;
	REQUIRE(!lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, ci));
}

static void add_name(u64 dir, const char *name, u64 ino, u8 type)
{
	static u8 mem[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_ref ref = { .dir = dir };
	struct lnkfs_cinode d;
	lnkfs_tx tx;

	load_in(dir, &d, mem);
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_dir_add(&tx, fs, &d, name, (u32)strlen(name), ino, type, &ref.pos));
	d.nlink += type == DT_DIR;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &d));
	load_in(ino, &d, mem);
	REQUIRE(!lnkfs_names_add(&tx, fs, &d, &ref));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &d));
	lnkfs_tx_end(&tx);
}

static u64 make(u64 dir, const char *name, u8 type, u32 slots, const char *target)
{
	struct lnkfs_cinode ci = { .gen = 77, .area = area };
	lnkfs_tx tx;

	memset(area, 0, sizeof(area));
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_ialloc(&tx, fs, 0, slots, type == DT_DIR, &ci.ino));
	ci.mode = (u16)(type << 12 | 0700);
	ci.slots = (u8)slots;
	ci.area_len = LNKFS_AREA_LEN(slots);
	ci.nlink = type == DT_DIR ? 2 : 1;
	if (type == DT_DIR) {
		lnkfs_dir_init(&ci);
		ci.parent = dir;
	} else if (type == DT_REG) {
		lnkfs_ext_init(&ci);
	} else if (type == DT_LNK && strlen(target) < 128) {
		lnkfs_symlink_set_fast(&ci, target, (u32)strlen(target));
	} else if (type == DT_LNK) {
		REQUIRE(!lnkfs_symlink_set_slow(&tx, fs, &ci, target, (u32)strlen(target)));
	}
	if (!name) {
		ci.nlink = 0;
		REQUIRE(!lnkfs_orphan_add(&tx, fs, ci.ino));
	}
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
	if (name)
		add_name(dir, name, ci.ino, type);
	return ci.ino;
}

/*
 * A file of many small extents, so that its map has nodes, and with unwritten
 * blocks past its end, as fallocate() leaves them.
 */
static void fill_file(u64 ino)
{
	struct lnkfs_ext past = { .lblk = 1000, .flags = LNKFS_EXT_UNWRITTEN };
	struct lnkfs_cinode ci;
	lnkfs_tx tx;
	u64 i, done;
	u32 got;

	load_in(ino, &ci, area);
	for (i = 0; i < 200; i++) {
		struct lnkfs_ext ext = { .lblk = i * 2, .len = 1, .flags = LNKFS_EXT_UNWRITTEN };

		lnkfs_tx_begin(&tx, &v, 0);
		REQUIRE(!lnkfs_balloc(&tx, fs, 3000 + i * 3, 1, 1, 0, &ext.block, &got));
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
		if (i % 2)
			REQUIRE(!lnkfs_ext_convert(&tx, fs, &ci, ext.lblk, 1, &done));
		ci.size = (ext.lblk + 1) << fs->block_bits;
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		lnkfs_tx_end(&tx);
	}
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_balloc(&tx, fs, 4000, 3, 3, 0, &past.block, &got));
	past.len = got;
	REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &past));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
}

/* A file with so many names that the tree of its group has nodes. */
static void add_links(void)
{
	struct lnkfs_cinode ci;
	char name[64];
	lnkfs_tx tx;
	u32 i;

	links = make(fs->root_ino, "links", DT_DIR, 2, NULL);
	linked = make(links, "name 0", DT_SOCK, 1, NULL);
	for (i = 1; i < 600; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		add_name(links, name, linked, DT_SOCK);
	}
	load_in(linked, &ci, area);
	lnkfs_tx_begin(&tx, &v, 0);
	ci.nlink = 600;
	REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
	lnkfs_tx_end(&tx);
}

static void build(u32 bits)
{
	struct lnkfs_fsck_result res;
	static char target[3001];
	char name[64];
	u32 i;

	volume_make(&v, bits == 12 ? 160 * MIB : 32 * MIB, bits);
	memset(target, 't', 3000);
	big_dir = make(fs->root_ino, "big", DT_DIR, 1, NULL);
	small_dir = make(fs->root_ino, "small", DT_DIR, 2, NULL);
	sub = make(small_dir, "sub", DT_DIR, 1, NULL);
	file = make(sub, "file", DT_REG, 1, NULL);
	fast = make(small_dir, "fast", DT_LNK, 1, "../target");
	slow = make(small_dir, "slow", DT_LNK, 1, target);
	orphan = make(0, NULL, DT_FIFO, 1, NULL);
	fill_file(file);
	for (i = 0; i < (bits == 12 ? 1400 : 700); i++) {
		snprintf(name, sizeof(name), "a file with a rather long name %u", i);
		make(big_dir, name, DT_FIFO, 1, NULL);
	}
	add_links();
	volume_check(&v, &res);
	CHECK_EQ(res.dirs, 6);
	CHECK_EQ(res.slow_symlinks, 1);
	CHECK_EQ(res.orphans, 1);
	image = malloc(v.dev.bytes);
	REQUIRE(image);
	memcpy(image, v.dev.mem, v.dev.bytes);
	v.strict = false;
}

static void unbuild(void)
{
	free(image);
	volume_done(&v);
}

/* ---- damage ---- */

static void quiet(void *ctx, const char *text)
{
	if (!*(const char **)ctx)
		*(const char **)ctx = strdup(text);
}

/* Several threads have to find what one finds. */
static void check_threads(const struct lnkfs_fsck_result *one)
{
	u64 from = lnkfs_threads_from;
	struct lnkfs_fsck_result res;

	REQUIRE(!lnkfs_cache_drop(&v));
	lnkfs_threads_from = 0;
	REQUIRE(!lnkfs_fsck_volume(&v, NULL, NULL, &res));
	lnkfs_threads_from = from;
	CHECK(!memcmp(&res, one, sizeof(res)));
}

/* Problems of the disk as it stands; also a volume that cannot be opened. */
static u64 problems(char **first)
{
	struct lnkfs_fsck_result res;
	const char *text = NULL;

	free(fs->group);
	fs->group = NULL;
	REQUIRE(!lnkfs_cache_drop(&v));
	*first = NULL;
	if (lnkfs_volume_load_groups(&v)) {
		fs->group = calloc(fs->groups, sizeof(*fs->group));
		return 1;
	}
	REQUIRE(!lnkfs_fsck_volume(&v, &(struct lnkfs_fsck_ops){ .say = quiet }, &text, &res));
	*first = (char *)text;
	check_threads(&res);
	return res.problems;
}

static void restore(u64 block)
{
	u64 at = block << fs->block_bits;

	memcpy(v.dev.mem + at, image + at, fs->block_size);
}

static void *disk(u64 block)
{
	return v.dev.mem + (block << fs->block_bits);
}

static void seal(u64 block, enum lnkfs_btype type)
{
	lnkfs_seal_block(fs, disk(block), type, block);
}

/* One change that leaves the checksum right; must be noticed. */
#define NOTICE(type_, block_, change)					\
	do {								\
		u64 blk = (block_);					\
		char *text;						\
									\
		change;							\
		seal(blk, type_);					\
		if (!CHECK(problems(&text)))				\
			printf("# not noticed: %s\n", #change);		\
		free(text);						\
		restore(blk);						\
	} while (0)

static struct lnkfs_group_desc *desc(u32 group)
{
	struct lnkfs_gdesc_block *gb = disk(lnkfs_gdesc_block(fs, group));

	return &gb->d_desc[group % fs->desc_per_block];
}

static u8 *bits_of(u32 group, enum lnkfs_btype type)
{
	return (u8 *)disk(lnkfs_group_map_block(fs, group, type)) + LNKFS_MAP_HEADER;
}

static struct lnkfs_inode *rec(u64 ino)
{
	return (void *)((u8 *)disk(lnkfs_ino_block(fs, ino)) +
			lnkfs_ino_slot(fs, ino) * LNKFS_SLOT_SIZE);
}

static void le32_plus(__le32 *p, int by)
{
	*p = cpu_to_le32(le32_to_cpu(*p) + (u32)by);
}

static void check_groups(void)
{
	u64 gd = lnkfs_gdesc_block(fs, 0);
	u64 bm = lnkfs_group_map_block(fs, 0, LNKFS_B_BITMAP);
	u64 im = lnkfs_group_map_block(fs, 0, LNKFS_B_IMAP);
	u64 fm = lnkfs_group_map_block(fs, 0, LNKFS_B_FULLMAP);
	u64 om = lnkfs_group_map_block(fs, 0, LNKFS_B_ORPHMAP);
	u32 own = (u32)lnkfs_ino_block(fs, orphan);
	u32 size = lnkfs_group_size(fs, 0);
	u32 clear = (u32)lnkfs_find_next_zero_bit(bits_of(0, LNKFS_B_BITMAP), size, 0);

	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_free_blocks, 1));
	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_free_blocks, -1));
	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_inode_blocks, 1));
	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_free_slots, -1));
	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_used_inodes, -1));
	NOTICE(LNKFS_B_GDESC, gd, le32_plus(&desc(0)->bg_used_dirs, 1));
	NOTICE(LNKFS_B_GDESC, gd, desc(0)->bg_flags ^= cpu_to_le16(LNKFS_BG_ORPHANS));
	NOTICE(LNKFS_B_GDESC, gd, desc(0)->bg_flags ^= cpu_to_le16(LNKFS_BG_INODE_UNINIT));
	NOTICE(LNKFS_B_GDESC, gd, desc(0)->bg_flags ^= cpu_to_le16(LNKFS_BG_BLOCK_UNINIT));
	NOTICE(LNKFS_B_GDESC, gd, desc(0)->bg_flags ^= cpu_to_le16(0x4000));
	NOTICE(LNKFS_B_GDESC, gd, desc(0)->bg_reserved[7] = 1);
	NOTICE(LNKFS_B_GDESC, gd, desc(fs->groups)->bg_free_blocks = cpu_to_le32(1));

	NOTICE(LNKFS_B_BITMAP, bm, lnkfs_clear_bit(own, bits_of(0, LNKFS_B_BITMAP)));
	NOTICE(LNKFS_B_BITMAP, bm, lnkfs_set_bit(clear, bits_of(0, LNKFS_B_BITMAP)));
	NOTICE(LNKFS_B_BITMAP, bm, bits_of(0, LNKFS_B_BITMAP)[-1] = 1);
	NOTICE(LNKFS_B_IMAP, im, lnkfs_clear_bit(own, bits_of(0, LNKFS_B_IMAP)));
	NOTICE(LNKFS_B_IMAP, im, lnkfs_set_bit(clear, bits_of(0, LNKFS_B_IMAP)));
	NOTICE(LNKFS_B_IMAP, im, lnkfs_set_bit(0, bits_of(0, LNKFS_B_IMAP)));
	NOTICE(LNKFS_B_FULLMAP, fm, bits_of(0, LNKFS_B_FULLMAP)[own / 8] ^= 1 << own % 8);
	NOTICE(LNKFS_B_FULLMAP, fm, lnkfs_set_bit(clear, bits_of(0, LNKFS_B_FULLMAP)));
	NOTICE(LNKFS_B_ORPHMAP, om, lnkfs_clear_bit(own, bits_of(0, LNKFS_B_ORPHMAP)));
	NOTICE(LNKFS_B_ORPHMAP, om, lnkfs_set_bit(clear, bits_of(0, LNKFS_B_ORPHMAP)));
}

/* A change of a record, as on a volume that somebody has edited. */
#define NOTICE_REC(ino, change)						\
	NOTICE(LNKFS_B_INODE, lnkfs_ino_block(fs, ino), do {		\
		struct lnkfs_inode *di __maybe_unused = rec(ino);	\
		change;							\
	} while (0))

static void check_records(void)
{
	struct lnkfs_slow_link *sl = (void *)rec(slow)->i_area;

	NOTICE_REC(file, di->i_ino = cpu_to_le64(slow));
	NOTICE_REC(file, di->i_ino = 0);
	NOTICE_REC(file, di->i_gen = 0);
	NOTICE_REC(file, di->i_gen = cpu_to_le32(78));
	NOTICE_REC(file, di->i_mode = cpu_to_le16(S_IFDIR | 0700));
	NOTICE_REC(file, di->i_mode = cpu_to_le16(S_IFIFO | 0700));
	NOTICE_REC(orphan, di->i_mode = cpu_to_le16(S_IFREG | 0700));
	NOTICE_REC(file, di->i_nlink = cpu_to_le32(2));
	NOTICE_REC(file, di->i_nlink = 0);
	NOTICE_REC(orphan, di->i_nlink = cpu_to_le32(1));
	NOTICE_REC(sub, di->i_nlink = cpu_to_le32(3));
	NOTICE_REC(small_dir, di->i_nlink = cpu_to_le32(2));
	NOTICE_REC(file, di->i_blocks = cpu_to_le64(1));
	NOTICE_REC(file, di->i_size = cpu_to_le64(1));
	NOTICE_REC(file, di->i_size = cpu_to_le64(~0ULL));
	NOTICE_REC(file, di->i_lflags = cpu_to_le32(0x100));
	NOTICE_REC(sub, di->i_parent = cpu_to_le64(fs->root_ino));
	NOTICE_REC(sub, di->i_parent = cpu_to_le64(sub));
	NOTICE_REC(sub, di->i_parent = cpu_to_le64(file));
	NOTICE_REC(fs->root_ino, di->i_parent = cpu_to_le64(sub));
	NOTICE_REC(big_dir, di->i_size = cpu_to_le64(0));
	NOTICE_REC(big_dir, di->i_size = cpu_to_le64(1ULL << 40));
	NOTICE_REC(big_dir, di->i_blocks = cpu_to_le64(le64_to_cpu(di->i_blocks) + 1));
	NOTICE_REC(small_dir, di->i_fork_len = 0);
	NOTICE_REC(fast, di->i_area[60] = 1);
	NOTICE_REC(fast, di->i_xattr_len = 200);
	NOTICE_REC(fast, di->i_xattr_len = 1);
	NOTICE_REC(fast, di->i_xattr_lo = cpu_to_le32(1));
	NOTICE_REC(file, di->i_xattr_hi = cpu_to_le16(1));
	NOTICE_REC(fast, di->i_slot.sl_type = LNKFS_SLOT_FREE);
	NOTICE_REC(fast, di->i_slot.sl_type = LNKFS_SLOT_CONT);
	NOTICE_REC(slow, sl->l_block = cpu_to_le64(le64_to_cpu(sl->l_block) + 1));
	NOTICE_REC(slow, sl->l_block = rec(file)->i_ino);
	NOTICE_REC(slow, sl->l_checksum ^= cpu_to_le32(1));
	NOTICE_REC(slow, di->i_size = cpu_to_le64(2999));
}

static struct lnkfs_dirent *entry(u64 dir, u32 nth)
{
	u8 *p = rec(dir)->i_area;

	while (nth--)
		p += le16_to_cpu(((struct lnkfs_dirent *)p)->d_rec_len);
	return (struct lnkfs_dirent *)p;
}

static void check_entries(void)
{
	NOTICE_REC(small_dir, entry(small_dir, 0)->d_ino = cpu_to_le64(file));
	NOTICE_REC(small_dir, entry(small_dir, 0)->d_ino = cpu_to_le64(fs->root_ino));
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_ino = cpu_to_le64(orphan));
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_ino = cpu_to_le64(1));
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_ino = cpu_to_le64(~0ULL));
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_type = DT_REG);
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_name[0] = '/');
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_hash ^= cpu_to_le32(1));
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_name_len = 0);
	NOTICE_REC(small_dir, entry(small_dir, 1)->d_rec_len = cpu_to_le16(8));
	/* A circle of directories that nothing leads to. */
	NOTICE_REC(sub, do {
		rec(small_dir)->i_parent = cpu_to_le64(sub);
		seal(lnkfs_ino_block(fs, small_dir), LNKFS_B_INODE);
	} while (0));
	restore(lnkfs_ino_block(fs, small_dir));
}

/* ---- back references ---- */

/* The last leaf of a tree, which is not full. */
static u64 last_leaf(u64 head)
{
	const struct lnkfs_names_block *nb = disk(head);
	const struct lnkfs_btree_root *root = (const void *)nb->nb_root;
	const u8 *records = (const u8 *)(root + 1);
	u32 level = le16_to_cpu(root->bt_level), count = le16_to_cpu(root->bt_count);
	const struct lnkfs_btree_node *n;
	u64 block = 0;

	REQUIRE(level);
	while (level--) {
		block = get_unaligned_le64(records + (count - 1) * 16 + 8);
		n = disk(block);
		records = n->n_records;
		count = le16_to_cpu(n->n_count);
	}
	REQUIRE(count > 5 && count < (fs->block_size - sizeof(*n)) / 16);
	return block;
}

static u8 *record(u64 leaf, u32 nth)
{
	return ((struct lnkfs_btree_node *)disk(leaf))->n_records + nth * 16;
}

static void plus64(void *at, u64 by)
{
	put_unaligned_le64(get_unaligned_le64(at) + by, at);
}

/* Take a record out of a leaf. */
static void drop_record(u64 leaf, u32 nth)
{
	struct lnkfs_btree_node *n = disk(leaf);
	u32 count = le16_to_cpu(n->n_count);

	memmove(record(leaf, nth), record(leaf, nth + 1), (count - nth - 1) * 16);
	n->n_count = cpu_to_le16((u16)(count - 1));
}

/* Another record behind the last one. */
static void plus_record(u64 leaf, u64 key, u64 value)
{
	struct lnkfs_btree_node *n = disk(leaf);
	u32 count = le16_to_cpu(n->n_count);

	put_unaligned_le64(key, record(leaf, count));
	put_unaligned_le64(value, record(leaf, count) + 8);
	n->n_count = cpu_to_le16((u16)(count + 1));
}

static void check_in_records(void)
{
	NOTICE_REC(file, di->i_parent_pos = cpu_to_le64(72));
	NOTICE_REC(file, di->i_parent_pos = cpu_to_le64(63));
	NOTICE_REC(file, di->i_parent_pos = cpu_to_le64(1ULL << 40));
	NOTICE_REC(file, di->i_parent_pos = 0);
	NOTICE_REC(file, di->i_parent = cpu_to_le64(small_dir));
	NOTICE_REC(file, di->i_parent = cpu_to_le64(slow));
	NOTICE_REC(file, di->i_parent = 0);
	NOTICE_REC(file, do { di->i_parent = 0; di->i_parent_pos = 0; } while (0));
	NOTICE_REC(sub, di->i_parent_pos = 0);
	NOTICE_REC(sub, le64_add_cpu(&di->i_parent_pos, 8));
	NOTICE_REC(fs->root_ino, di->i_parent_pos = cpu_to_le64(64));
	NOTICE_REC(linked, do { di->i_parent = 0; di->i_parent_pos = 0; } while (0));
	NOTICE_REC(linked, le64_add_cpu(&di->i_parent_pos, 24));
	NOTICE_REC(orphan, do {
		di->i_parent = cpu_to_le64(small_dir);
		di->i_parent_pos = cpu_to_le64(64);
	} while (0));
	/* Crossed. */
	NOTICE_REC(fast, do {
		di->i_parent_pos = rec(slow)->i_parent_pos;
		rec(slow)->i_parent_pos = cpu_to_le64(96);
		seal(lnkfs_ino_block(fs, slow), LNKFS_B_INODE);
	} while (0));
	restore(lnkfs_ino_block(fs, slow));
}

static void check_in_tree(void)
{
	u32 group = lnkfs_group_of(fs, lnkfs_ino_block(fs, linked));
	u64 gd = lnkfs_gdesc_block(fs, group), root = fs->group[group].names;
	u64 leaf = last_leaf(root);
	struct lnkfs_names_block *nb = disk(root);
	struct lnkfs_btree_node *n = disk(leaf);
	u32 count = le16_to_cpu(n->n_count);
	u64 key = get_unaligned_le64(record(leaf, count - 1));
	u64 value = get_unaligned_le64(record(leaf, count - 1) + 8);

	NOTICE(LNKFS_B_GDESC, gd, desc(group)->bg_names = 0);
	NOTICE(LNKFS_B_GDESC, gd, desc(group)->bg_names = cpu_to_le64(1));
	NOTICE(LNKFS_B_GDESC, gd, desc(group)->bg_names = cpu_to_le64(fs->blocks));
	NOTICE(LNKFS_B_GDESC, gd, desc(group)->bg_names = cpu_to_le64(leaf));
	NOTICE(LNKFS_B_GDESC, gd,
	       desc(group)->bg_names = cpu_to_le64(lnkfs_ino_block(fs, file)));
	NOTICE(LNKFS_B_NAMES, root, nb->nb_pad[0] = 1);
	NOTICE(LNKFS_B_NAMES, root, nb->nb_header.h_pad = 1);
	NOTICE(LNKFS_B_NAMES, root, nb->nb_header.h_owner = cpu_to_le64(group + 1));
	NOTICE(LNKFS_B_NAMES, root, nb->nb_header.h_gen = cpu_to_le32(1));
	NOTICE(LNKFS_B_NAMES, root, nb->nb_root[0]++);
	NOTICE(LNKFS_B_NAMES, root, nb->nb_root[2] = 0);
	NOTICE(LNKFS_B_NAMES, root, nb->nb_root[2]--);
	NOTICE(LNKFS_B_NAMES, root, nb->nb_root[5] = LNKFS_TREE_DIR);
	NOTICE(LNKFS_B_NAMES, root, memset(nb->nb_root, 0, 4));
	NOTICE(LNKFS_B_BTREE, leaf, n->n_header.h_owner = cpu_to_le64(big_dir));
	NOTICE(LNKFS_B_BTREE, leaf, n->n_header.h_gen = cpu_to_le32(7));
	NOTICE(LNKFS_B_BTREE, leaf, n->n_level = cpu_to_le16(1));
	NOTICE(LNKFS_B_BTREE, leaf, n->n_tree = LNKFS_TREE_XATTR);
	NOTICE(LNKFS_B_BTREE, leaf, n->n_count = 0);
	NOTICE(LNKFS_B_BTREE, leaf, drop_record(leaf, 3));
	NOTICE(LNKFS_B_BTREE, leaf, plus64(record(leaf, 3), 1));
	NOTICE(LNKFS_B_BTREE, leaf, plus64(record(leaf, 3) + 8, 1));
	NOTICE(LNKFS_B_BTREE, leaf, plus64(record(leaf, 3) + 8, 1ULL << 52));
	NOTICE(LNKFS_B_BTREE, leaf, plus64(record(leaf, 3) + 8, 1ULL << 60));
	NOTICE(LNKFS_B_BTREE, leaf, put_unaligned_le64(get_unaligned_le64(record(leaf, 2)),
						       record(leaf, 3)));
	/* A name that is not there, of an inode that is not, the same twice. */
	NOTICE(LNKFS_B_BTREE, leaf, plus_record(leaf, key + 1, value));
	NOTICE(LNKFS_B_BTREE, leaf, plus_record(leaf, key + (1ULL << LNKFS_NAMES_SHIFT), value));
	NOTICE(LNKFS_B_BTREE, leaf, plus_record(leaf, key + 1, value + (1ULL << 52)));
	NOTICE(LNKFS_B_BTREE, leaf, do {
		drop_record(leaf, 3);
		plus_record(leaf, key + 1, value);
	} while (0));
}

static void check_backrefs(void)
{
	check_in_records();
	check_in_tree();
}

static void check_supers(void)
{
	struct lnkfs_super_block *sb = (void *)(v.dev.mem + LNKFS_SUPER_OFFSET);
	struct lnkfs_super_block *copy = disk(lnkfs_group_first(fs, 1));
	struct lnkfs_super_block was = *sb;
	char *text;

	sb->s_reserved[3] = 1;
	CHECK(problems(&text));
	free(text);
	lnkfs_super_seal(sb);
	CHECK(problems(&text));
	free(text);
	*sb = was;
	CHECK_EQ(problems(&text), 0);

	copy->s_blocks = 0;
	CHECK(problems(&text));
	free(text);
	lnkfs_super_seal(copy);
	CHECK(problems(&text));
	free(text);
	restore(lnkfs_group_first(fs, 1));
	copy->s_meta_uuid[0] ^= 1;
	lnkfs_super_seal(copy);
	CHECK(problems(&text));
	free(text);
	restore(lnkfs_group_first(fs, 1));
	CHECK_EQ(problems(&text), 0);
}

/* ---- every block of metadata ---- */

static struct {
	u64 block;
	enum lnkfs_btype type;
} meta[MAX_BLOCKS];
static u32 nr_meta;

static int note_block(void *ctx, u64 block, enum lnkfs_btype type)
{
	(void)ctx;
	REQUIRE(nr_meta < MAX_BLOCKS);
	meta[nr_meta].block = block;
	meta[nr_meta++].type = type;
	return 0;
}

static int no_record(void *arg, u64 key, const void *value)
{
	(void)arg;
	(void)key;
	(void)value;
	return 0;
}

static void find_meta(void)
{
	static const struct lnkfs_check_ops ops = { .block = note_block };
	struct lnkfs_check_dir_result res;
	struct lnkfs_check ck = { .fs = fs, .ops = &ops };
	struct lnkfs_btree bt = { .fs = fs, .vsize = 16, .tree = LNKFS_TREE_EXTENT };
	struct lnkfs_cinode ci, owner = {};
	enum lnkfs_btype type;
	u32 off, group, i;
	lnkfs_buf *head;
	u64 nodes;

	nr_meta = 0;
	for (group = 0; group < fs->groups; group++) {
		if (!(group % fs->desc_per_block))
			note_block(NULL, lnkfs_gdesc_block(fs, group), LNKFS_B_GDESC);
		for (type = LNKFS_B_BITMAP; type <= LNKFS_B_ORPHMAP; type++)
			if (!(fs->group[group].flags &
			      (type == LNKFS_B_BITMAP ? LNKFS_BG_BLOCK_UNINIT :
							LNKFS_BG_INODE_UNINIT)))
				note_block(NULL, lnkfs_group_map_block(fs, group, type), type);
		if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT)
			continue;
		for (off = 0; off < lnkfs_group_size(fs, group); off++)
			if (lnkfs_test_bit(off, bits_of(group, LNKFS_B_IMAP)))
				note_block(NULL, lnkfs_group_first(fs, group) + off,
					   LNKFS_B_INODE);
	}
	load_in(big_dir, &ci, area);
	REQUIRE(!lnkfs_check_dir(fs, &ci, &ops, NULL, &res));
	CHECK(res.blocks > 10 && res.nodes);
	load_in(file, &ci, area);
	ck.ci = &ci;
	bt.ci = &ci;
	bt.root = ci.area;
	bt.root_size = ci.fork_len;
	REQUIRE(!lnkfs_check_tree(&ck, &bt, no_record, NULL, &nodes));
	CHECK(nodes);
	group = lnkfs_group_of(fs, lnkfs_ino_block(fs, linked));
	REQUIRE(!lnkfs_names_open(fs, group, &owner, &bt, &head));
	note_block(NULL, bt.home, LNKFS_B_NAMES);
	ck.ci = &owner;
	REQUIRE(!lnkfs_check_tree(&ck, &bt, no_record, NULL, &nodes));
	CHECK(nodes > 1);
	lnkfs_bput(head);
	load_in(slow, &ci, area);
	for (i = 0; i < ci.blocks; i++)
		note_block(NULL, le64_to_cpu(((struct lnkfs_slow_link *)ci.area)->l_block) + i,
			   LNKFS_B_RAW);
}

/* Any bit of any metadata block flipped: the checksums notice. */
static void check_flips(void)
{
	char *text;
	u32 i, bit;

	for (i = 0; i < nr_meta; i++) {
		bit = rnd(fs->block_size * 8);
		((u8 *)disk(meta[i].block))[bit / 8] ^= 1 << bit % 8;
		if (!CHECK(problems(&text)))
			printf("# bit %u of block %llu, type %u\n", bit,
			       (unsigned long long)meta[i].block, meta[i].type);
		free(text);
		restore(meta[i].block);
	}
}

/* Bits flipped and checksums made right again: nothing may break. */
static void check_forgeries(void)
{
	u32 i, n, noticed = 0;
	char *text;

	for (i = 0; i < 600; i++) {
		u32 at = rnd(nr_meta), flips = 1 + rnd(4);

		for (n = 0; n < flips; n++) {
			u32 bit = rnd(rnd(2) ? 128 * 8 : fs->block_size * 8);

			((u8 *)disk(meta[at].block))[bit / 8] ^= 1 << bit % 8;
		}
		seal(meta[at].block, meta[at].type);
		noticed += problems(&text) != 0;
		free(text);
		restore(meta[at].block);
	}
	printf("# %u of 600 forged blocks noticed\n", noticed);
	/* Time stamps, owners and free bytes of tree nodes mean nothing to a checker. */
	CHECK(noticed > 300);
}

static void all(u32 bits)
{
	char *text;

	rnd_state = bits;
	build(bits);
	CHECK_EQ(problems(&text), 0);
	check_groups();
	check_records();
	check_entries();
	check_backrefs();
	check_supers();
	CHECK_EQ(problems(&text), 0);
	find_meta();
	check_flips();
	check_forgeries();
	CHECK_EQ(problems(&text), 0);
	unbuild();
}

static void test_1k(void)
{
	all(10);
}

static void test_2k(void)
{
	all(11);
}

static void test_4k(void)
{
	all(12);
}

/* Give all free blocks of a group to an orphan. */
static void fill_group(u32 group)
{
	struct lnkfs_ext ext = { .flags = LNKFS_EXT_UNWRITTEN };
	u64 ino = make(fs->root_ino, NULL, DT_REG, 1, NULL);
	struct lnkfs_cinode ci;
	lnkfs_tx tx;
	u32 got;

	load_in(ino, &ci, area);
	while (lnkfs_group(fs, group)->free_blocks) {
		lnkfs_tx_begin(&tx, &v, 0);
		REQUIRE(!lnkfs_balloc(&tx, fs, lnkfs_group_first(fs, group), 1,
				      lnkfs_group(fs, group)->free_blocks, 0, &ext.block, &got));
		REQUIRE(lnkfs_group_of(fs, ext.block) == group);
		ext.len = got;
		REQUIRE(!lnkfs_ext_insert(&tx, fs, &ci, &ext));
		REQUIRE(!lnkfs_inode_store(&tx, fs, &ci));
		lnkfs_tx_end(&tx);
		ext.lblk += got;
	}
}

/*
 * What a descriptor says is taken for 0 when it cannot be, which is right of a full
 * group without inodes: but nobody can mount that.
 */
static void test_full_group(void)
{
	struct lnkfs_fsck_result res;
	u32 *fields[] = { NULL, NULL, NULL }, group, i, bad;
	u64 block;

	memset(&v, 0, sizeof(v));
	REQUIRE(!lnkfs_format_mem(&v, 20 * MIB, 10, false));
	v.quiet = true;
	group = fs->groups - 1;
	fill_group(group);
	volume_check(&v, NULL);
	CHECK_EQ(lnkfs_group(fs, group)->inode_blocks, 0);
	block = lnkfs_gdesc_block(fs, group);
	fields[0] = &desc(group)->bg_free_blocks;
	fields[1] = &desc(group)->bg_used_inodes;
	fields[2] = &desc(group)->bg_inode_blocks;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		*fields[i] = ~0u;
		seal(block, LNKFS_B_GDESC);
		REQUIRE(!lnkfs_cache_drop(&v));
		lnkfs_volume_forget_groups(&v);
		CHECK_EQ(lnkfs_volume_load_groups(&v), -EFSCORRUPTED);
		REQUIRE(!lnkfs_volume_load_groups_any(&v, &bad));
		CHECK_EQ(bad, 1);
		REQUIRE(!lnkfs_fsck_volume(&v, NULL, NULL, &res));
		CHECK_EQ(res.problems, 1);
		CHECK_EQ(res.safe, 1);
		*fields[i] = 0;
		seal(block, LNKFS_B_GDESC);
	}
	REQUIRE(!lnkfs_cache_drop(&v));
	lnkfs_volume_forget_groups(&v);
	REQUIRE(!lnkfs_volume_load_groups(&v));
	volume_check(&v, NULL);
	volume_done(&v);
}

static const struct tap_test tests[] = {
	{ "damage is noticed, 1 KiB blocks", test_1k },
	{ "damage is noticed, 2 KiB blocks", test_2k },
	{ "damage is noticed, 4 KiB blocks", test_4k },
	{ "a full group's descriptor", test_full_group },
};

TAP_MAIN(tests)
