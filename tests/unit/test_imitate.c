// SPDX-License-Identifier: GPL-2.0
/*
 * User data that imitate metadata, with everything right that can be: nobody takes
 * them for it, least of all a repair of a volume that is damaged in just the place
 * that would have said what they are.
 */
#include "build.h"
#include "fixture.h"
#include "imitate.h"
#include "repair.h"
#include "xattr.h"

#define UID	1000
#define SECRET	"what the victim keeps to itself"
#define INO_MAX	64

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static struct lnkfs_builder b;
static struct imitate im;
static u8 *image;

static u64 victim, private, evil, evil_block, mixed, mixed_block, attr_dir, attr_file, names, home;
static u64 known[INO_MAX];
static u32 nr_known;

/* ---- the volume ---- */

static struct lnkfs_node *add(const char *path, u16 mode, u32 uid, u64 *ino)
{
	struct lnkfs_build_attr a = { .mode = mode, .uid = uid, .gid = uid, .mtime = 1 };
	struct lnkfs_node *node;

	REQUIRE(!lnkfs_build_add(&b, path, &a, &node));
	*ino = node->ci.ino;
	known[nr_known++] = *ino;
	return node;
}

static void file(const char *path, u16 perm, u32 uid, const void *data, u32 len, u64 *ino)
{
	add(path, S_IFREG | perm, uid, ino);
	REQUIRE(!lnkfs_build_data(&b, 0, data, len));
	REQUIRE(!lnkfs_build_done(&b, len));
}

static void set(struct lnkfs_node *node, const char *name, const void *value, u32 len)
{
	struct lnkfs_xattr_key key = {
		.space = LNKFS_XATTR_USER, .name_len = (u8)strlen(name), .name = name
	};

	REQUIRE(!lnkfs_build_xattr(&b, node, &key, value, len));
}

static void load(u64 ino, struct lnkfs_node *node)
{
	memset(node, 0, sizeof(*node));
	node->ci.area = node->area;
	REQUIRE(!lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &node->ci));
}

static u64 block_of(u64 ino, u64 lblk)
{
	struct lnkfs_node node;
	struct lnkfs_ext ext;

	load(ino, &node);
	REQUIRE(!lnkfs_ext_lookup(fs, &node.ci, lblk, &ext) && ext.block);
	return ext.block;
}

static void *disk(u64 block)
{
	return v.dev.mem + (block << fs->block_bits);
}

static struct lnkfs_inode *rec(u64 ino)
{
	return (void *)((u8 *)disk(lnkfs_ino_block(fs, ino)) +
			lnkfs_ino_slot(fs, ino) * LNKFS_SLOT_SIZE);
}

/* A value such that a continuation slot is a record but for its header. */
static void attr_record(u64 ino, u8 value[232])
{
	struct lnkfs_inode di;
	u8 block[1u << LNKFS_MAX_BLOCK_BITS];
	u32 slot = lnkfs_ino_slot(fs, ino) + 1;

	imitate_one(&im, block, lnkfs_ino_block(fs, ino), slot, IMITATE_SETUID);
	memcpy(&di, block + slot * LNKFS_SLOT_SIZE, sizeof(di));
	memcpy(value, (u8 *)&di + sizeof(struct lnkfs_slot),
	       sizeof(di) - sizeof(struct lnkfs_slot));
	memcpy(value + sizeof(di) - sizeof(struct lnkfs_slot),
	       block + slot * LNKFS_SLOT_SIZE + sizeof(di), 232 - (sizeof(di) - 8));
}

/* An entry of a capability, as a value of an attribute that the owner may set. */
static void attr_capability(u8 value[40])
{
	struct lnkfs_xattr_entry *e = (void *)value;

	memset(value, 0, 40);
	e->e_space = LNKFS_XATTR_SECURITY;
	e->e_name_len = 10;
	e->e_value_len = cpu_to_le32(20);
	memcpy(e->e_name, "capability", 10);
	memset(e->e_name + 10, 1, 20);
}

/* Names whose bytes are an entry for the victim; only a small number can be one. */
static void fill_names(u64 dir)
{
	struct lnkfs_dirent de = {
		.d_rec_len = cpu_to_le16(0x1818), .d_name_len = 1, .d_type = 8,
		.d_hash = cpu_to_le32(0x01010101), .d_ino = cpu_to_le64(victim),
	};
	char name[17] = "nnnnnnnn";
	struct lnkfs_ref ref = { .dir = dir };
	struct lnkfs_node node;
	lnkfs_tx tx;
	u32 len = 8;

	/* As much of it as has no NUL: the padding of the name is the rest. */
	memcpy(name, &de, 16);
	while (len < 16 && name[len])
		len++;
	load(dir, &node);
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_dir_add(&tx, fs, &node.ci, name, len, evil, DT_REG, &ref.pos));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &node.ci));
	lnkfs_tx_end(&tx);
	load(evil, &node);
	node.ci.nlink++;
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_names_add(&tx, fs, &node.ci, &ref));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &node.ci));
	lnkfs_tx_end(&tx);
}

/* The contents of the files with imitations, which depend on where they are. */
static void fill_files(void)
{
	u32 i;

	evil_block = block_of(evil, 0);
	imitate_inodes(&im, disk(evil_block), evil_block);
	mixed_block = block_of(mixed, 0);
	for (i = 0; i < IMITATE_KINDS; i++)
		imitate_kind(&im, i, disk(block_of(mixed, i)), block_of(mixed, i), mixed, 77);
}

static void build(u32 bits, u64 bytes)
{
	u32 size = 1u << bits;
	u8 *zero = calloc(IMITATE_KINDS, size), value[256];
	struct lnkfs_node *node;

	volume_make(&v, bytes, bits);
	nr_known = 0;
	known[nr_known++] = fs->root_ino;
	REQUIRE(zero && !lnkfs_build_begin(&b, &v));
	/* In a group that has a map of inode blocks. */
	b.goal = lnkfs_ino_block(fs, fs->root_ino) + 64;
	add("/private", S_IFDIR | 0700, 0, &private);
	file("/private/victim", 0644, 0, SECRET, sizeof(SECRET), &victim);
	add("/home", S_IFDIR | 0755, UID, &home);
	im = (struct imitate){ .fs = fs, .sb = &v.sb, .victim = victim, .uid = UID };
	file("/home/evil", 0644, UID, zero, size, &evil);
	file("/home/mixed", 0644, UID, zero, IMITATE_KINDS * size, &mixed);
	node = add("/home/dir", S_IFDIR | 0755, UID, &attr_dir);
	attr_record(attr_dir, value);
	set(node, "x", value, 232);
	node = add("/home/attrs", S_IFREG | 0755, UID, &attr_file);
	attr_capability(value);
	set(node, "sevennn", value, 40);
	REQUIRE(!lnkfs_build_done(&b, 0));
	add("/home/names", S_IFDIR | 0755, UID, &names);
	REQUIRE(!lnkfs_build_end(&b));
	im.victim_block = block_of(victim, 0);
	fill_names(names);
	volume_check(&v, NULL);
	fill_files();
	v.strict = false;
	volume_check(&v, NULL);
	image = malloc(v.dev.bytes);
	REQUIRE(image);
	memcpy(image, v.dev.mem, v.dev.bytes);
	free(zero);
}

static void unbuild(void)
{
	free(image);
	volume_done(&v);
}

static void restore(void)
{
	lnkfs_volume_forget_groups(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	memcpy(v.dev.mem, image, v.dev.bytes);
	memcpy(&v.sb, v.dev.mem + LNKFS_SUPER_OFFSET, sizeof(v.sb));
	lnkfs_super_load(fs, &v.sb);
}

/* ---- what a repair may leave ---- */

static bool is_known(u64 ino)
{
	u32 i;

	for (i = 0; i < nr_known; i++)
		if (known[i] == ino)
			return true;
	return false;
}

static int not_users(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	bool *bad = ctx;

	(void)len;
	*bad |= key->space != LNKFS_XATTR_USER;
	return 0;
}

/**
 * struct audit - what is looked for in all directories
 * @dir: the directory at hand
 * @victims: names of the victim in others than its own
 */
struct audit {
	u64 dir;
	u32 victims;
};

static int see_name(void *ctx, const struct lnkfs_name *name)
{
	struct audit *a = ctx;

	if (name->ino == victim && a->dir != private)
		a->victims++;
	return 0;
}

/* Does a file show what the victim has? */
static bool shows_secret(struct lnkfs_node *node)
{
	struct lnkfs_ext ext;

	return S_ISREG(node->ci.mode) && !lnkfs_ext_lookup(fs, &node->ci, 0, &ext) && ext.block &&
	       !memcmp(disk(ext.block), SECRET, sizeof(SECRET));
}

static void audit_inode(u64 ino, struct audit *a)
{
	struct lnkfs_node node;
	u64 pos = 0;
	bool bad = false;

	load(ino, &node);
	CHECK_EQ(node.ci.mode & 07000, 0);
	CHECK(!S_ISBLK(node.ci.mode) && !S_ISCHR(node.ci.mode));
	CHECK_EQ(lnkfs_xattr_iterate(fs, &node.ci, not_users, &bad), 0);
	CHECK(!bad);
	if (!is_known(ino)) {
		CHECK_EQ(node.ci.uid, 0);
		CHECK_EQ(node.ci.mode & 0077, 0);
	}
	CHECK(ino == victim || !shows_secret(&node));
	a->dir = ino;
	if (S_ISDIR(node.ci.mode))
		CHECK_EQ(lnkfs_dir_iterate(fs, &node.ci, &pos, lnkfs_dir_end(fs, &node.ci),
					   see_name, a), 0);
}

/* Nobody has got anything, and the victim has lost nothing. */
static void audit(void)
{
	struct audit a = { 0 };
	struct lnkfs_node node;
	u32 group, slot;
	u64 block;

	for (group = 0; group < fs->groups; group++) {
		const struct lnkfs_map_block *map =
			disk(lnkfs_group_map_block(fs, group, LNKFS_B_IMAP));
		u32 off = 0, size = lnkfs_group_size(fs, group);

		if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT)
			continue;
		for (; (off = lnkfs_find_next_bit(map->m_bits, size, off)) < size; off++) {
			block = lnkfs_group_first(fs, group) + off;
			for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
				const struct lnkfs_slot *sl = (void *)((u8 *)disk(block) +
								       slot * LNKFS_SLOT_SIZE);

				if (sl->sl_type == LNKFS_SLOT_HEAD)
					audit_inode((block << fs->slot_bits) + slot, &a);
			}
		}
	}
	CHECK_EQ(a.victims, 0);
	load(victim, &node);
	CHECK_EQ(node.ci.nlink, 1);
	CHECK(shows_secret(&node));
}

static u64 check(bool print)
{
	struct lnkfs_fsck_result res;
	const struct lnkfs_fsck_ops ops = { .say = print ? volume_say : NULL };
	u32 bad;

	lnkfs_volume_forget_groups(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	REQUIRE(!lnkfs_volume_load_groups_any(&v, &bad));
	REQUIRE(!lnkfs_fsck_volume(&v, &ops, NULL, &res));
	return res.problems + bad;
}

#define repair() repair_after(__func__, __LINE__)
static void repair_after(const char *what, int line)
{
	struct lnkfs_repair_result res;
	u32 round;

	for (round = 0; round < 6 && check(false); round++) {
		lnkfs_volume_forget_groups(&v);
		REQUIRE(!lnkfs_cache_drop(&v));
		REQUIRE(!lnkfs_repair_volume(&v, NULL, NULL, false, &res));
	}
	CHECK_EQ(check(true), 0);
	if (!CHECK(round))
		printf("# %s, line %d: nothing was noticed\n", what, line);
	audit();
}

static void seal(u64 block, enum lnkfs_btype type)
{
	lnkfs_seal_block(fs, disk(block), type, block);
}

/* Is the file whole, as it was? */
static void same_file(u64 ino, u64 block)
{
	struct lnkfs_node node;

	load(ino, &node);
	CHECK_EQ(node.ci.uid, UID);
	CHECK_EQ(block_of(ino, 0), block);
	CHECK(!memcmp(disk(block), image + (block << fs->block_bits), fs->block_size));
}

/* ---- damage ---- */

static void *map_of(u64 block, enum lnkfs_btype type, u64 *at)
{
	*at = lnkfs_group_map_block(fs, lnkfs_group_of(fs, block), type);
	return disk(*at);
}

static u32 off_of(u64 block)
{
	return (u32)(block - lnkfs_group_first(fs, lnkfs_group_of(fs, block)));
}

/* The map of inode blocks is lost: it has to be found by looking. */
static void lose_imap(void)
{
	u64 at;

	memset(map_of(evil_block, LNKFS_B_IMAP, &at), 0, fs->block_size);
	repair();
	same_file(evil, evil_block);
	same_file(mixed, mixed_block);
	restore();
}

/* And the bitmap with it. */
static void lose_both_maps(void)
{
	u64 at;

	memset(map_of(evil_block, LNKFS_B_IMAP, &at), 0, fs->block_size);
	memset(map_of(evil_block, LNKFS_B_BITMAP, &at), 0, fs->block_size);
	repair();
	same_file(evil, evil_block);
	restore();
}

/* The map says of the file's block that it is an inode block. */
static void false_bit(void)
{
	struct lnkfs_map_block *map;
	u64 at;

	map = map_of(evil_block, LNKFS_B_IMAP, &at);
	lnkfs_set_bit(off_of(evil_block), map->m_bits);
	seal(at, LNKFS_B_IMAP);
	repair();
	same_file(evil, evil_block);
	restore();
}

/* The file is lost, its blocks are not: nobody is known to own them. */
static void lose_file(void)
{
	u64 block = lnkfs_ino_block(fs, evil);

	memset(rec(evil), 0, LNKFS_SLOT_SIZE);
	memset(rec(mixed), 0, LNKFS_SLOT_SIZE);
	seal(block, LNKFS_B_INODE);
	repair();
	restore();
}

static void lose_file_and_imap(void)
{
	u64 at;

	memset(rec(evil), 0, LNKFS_SLOT_SIZE);
	memset(map_of(evil_block, LNKFS_B_IMAP, &at), 0, fs->block_size);
	repair();
	restore();
}

/* The first half of a record is lost; in the other is what looks like one. */
static void lose_head(void)
{
	memset(rec(attr_dir), 0, LNKFS_SLOT_SIZE);
	repair();
	restore();
	memset(rec(attr_dir), 0, LNKFS_SLOT_SIZE + 2);
	repair();
	restore();
}

/* An entry does not make sense, and its value is one that does. */
static void lose_entry(void)
{
	struct lnkfs_inode *di = rec(attr_file);
	u32 at = LNKFS_AREA_LEN(1) - di->i_xattr_len * 8u;
	struct lnkfs_xattr_entry *e = (void *)(di->i_area + at);

	e->e_space = 77;
	repair();
	restore();
	e->e_name_len = 0;
	repair();
	restore();
	di->i_xattr_len = 255;
	e->e_space = 0;
	repair();
	restore();
	e->e_space = 77;
	e->e_value_len = 0;
	repair();
	restore();
	e->e_space = 77;
	e->e_value_len = 0;
	seal(lnkfs_ino_block(fs, attr_file), LNKFS_B_INODE);
	repair();
	restore();
}

static void lose_name(void)
{
	struct lnkfs_dirent *de = (void *)rec(names)->i_area;

	de->d_name_len = 0;
	repair();
	restore();
	de->d_rec_len = cpu_to_le16(16);
	de->d_name_len = 0;
	seal(lnkfs_ino_block(fs, names), LNKFS_B_INODE);
	repair();
	restore();
	de->d_rec_len = 0;
	de->d_name_len = 255;
	repair();
	restore();
}

/* Is there this name in a directory? */
static bool is_named(u64 dir, const char *name)
{
	struct lnkfs_node node = { .ci.area = node.area };
	struct lnkfs_name found;

	return !lnkfs_inode_load(fs, dir, 0, &node.ci) &&
	       !lnkfs_dir_lookup(fs, &node.ci, name, (u32)strlen(name), &found);
}

/*
 * A file has a block of a directory, with a name for an inode that has one in just this
 * place: a file's owner knows both. Then file and directory are lost. Only who knows
 * the key of the hashes could have made such a block.
 */
static void lose_dir(bool key_known)
{
	const u64 at = le64_to_cpu(rec(evil)->i_parent_pos);
	struct lnkfs_dir_block *db = disk(mixed_block);
	struct lnkfs_dirent *de = (void *)db->b_entries;
	u32 hole = (u32)(fs->block_size - at - LNKFS_DIRENT_LEN(6));

	memset(db, 0, fs->block_size);
	lnkfs_header_init(fs, db, LNKFS_B_DIR, mixed_block, home, le32_to_cpu(rec(home)->i_gen));
	if (at > sizeof(*db))
		de->d_rec_len = cpu_to_le16((u16)(at - sizeof(*db)));
	de = (void *)((u8 *)db + at);
	de->d_rec_len = cpu_to_le16(LNKFS_DIRENT_LEN(6));
	de->d_name_len = 6;
	de->d_type = DT_REG;
	de->d_ino = cpu_to_le64(evil);
	memcpy(de->d_name, "forged", 6);
	de->d_hash = cpu_to_le32(key_known ? lnkfs_dir_hash(fs, "forged", 6) : 1);
	de = (void *)((u8 *)de + LNKFS_DIRENT_LEN(6));
	de->d_rec_len = cpu_to_le16((u16)hole);
	db->b_count = cpu_to_le16(1);
	db->b_hole = cpu_to_le16((u16)hole);
	seal(mixed_block, LNKFS_B_DIR);
	CHECK_EQ(lnkfs_verify_block(fs, db, LNKFS_B_DIR, mixed_block, LNKFS_ANY_OWNER, 0), 0);
	memset(rec(mixed), 0, LNKFS_SLOT_SIZE);
	memset(rec(home), 0, LNKFS_SLOT_SIZE);
	repair();
	CHECK_EQ(is_named(home, "forged"), key_known);
	restore();
}

static void each_damage(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		build(fixture_bits[i], 32 * MIB);
		lose_imap();
		lose_both_maps();
		false_bit();
		lose_file();
		lose_file_and_imap();
		lose_head();
		lose_entry();
		lose_name();
		lose_dir(false);
		lose_dir(true);
		unbuild();
	}
}

/* ---- superblocks ---- */

/* Open the volume as a tool does, with the superblock that it believes. */
static int open_again(struct lnkfs_volume *w, unsigned int flags, u64 use)
{
	const char *why = NULL;
	int err;

	memset(w, 0, sizeof(*w));
	w->dev = v.dev;
	w->quiet = true;
	w->use_super = use;
	err = lnkfs_volume_open_dev(w, flags | LNKFS_VOL_NO_GROUPS, &why);
	if (!err)
		lnkfs_cache_free(w);
	return err;
}

/* Superblocks in files, where a volume of another block size has its backups. */
static void other_sizes(u32 bits)
{
	struct lnkfs_volume w;
	u32 other, group;
	u64 blocks, block;

	for (other = LNKFS_MIN_BLOCK_BITS; other <= LNKFS_MAX_BLOCK_BITS; other++) {
		blocks = lnkfs_group_blocks(other);
		for (group = 1; other != bits && group * blocks << other < v.dev.bytes; group++) {
			block = group * blocks;
			if (lnkfs_group_has_super(group))
				imitate_super(&im, v.dev.mem + (block << other), other, block,
					      v.dev.bytes);
		}
	}
	/* The volume's own is not good: its backups, or it after all, but no other. */
	v.dev.mem[LNKFS_SUPER_OFFSET + 0x90] ^= 1;
	CHECK_EQ(open_again(&w, LNKFS_VOL_ANY_BACKUP, 0), 0);
	CHECK_EQ(w.sb.s_block_bits, bits);
	CHECK_EQ(le64_to_cpu(w.sb.s_blocks), fs->blocks);
	w.dev = v.dev;
	/* Nothing is left but backups: somebody has to say which. */
	memset(v.dev.mem, 0, LNKFS_HEAD_BYTES);
	CHECK(open_again(&w, LNKFS_VOL_ANY_BACKUP, 0));
	CHECK(open_again(&w, 0, 0));
	if (fs->groups > 1) {
		CHECK_EQ(open_again(&w, 0, fs->group_blocks), 0);
		CHECK_EQ(w.sb.s_block_bits, bits);
	}
	CHECK(open_again(&w, 0, fs->group_blocks + 1));
}

static void superblocks(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++) {
		build(fixture_bits[i], 300 * MIB);
		other_sizes(fixture_bits[i]);
		restore();
		REQUIRE(!lnkfs_volume_load_groups(&v));
		unbuild();
	}
}

static const struct tap_test tests[] = {
	{ "what imitates metadata is not taken for it by a repair", each_damage },
	{ "superblocks in files are not believed", superblocks },
};

TAP_MAIN(tests)
