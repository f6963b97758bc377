// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing of what a device held before, and nothing of what has been removed, is in
 * metadata: volumes on a device full of a pattern, made, filled, emptied, made larger
 * and smaller, damaged and repaired.
 */
#include "build.h"
#include "fixture.h"
#include "repair.h"
#include "resize.h"
#include "slack.h"

#define PATTERN	0xa5

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static struct lnkfs_builder b;

static void make_volume(u32 bits, bool quota, u64 bytes, u64 device)
{
	struct lnkfs_format f = {
		.block_bits = bits,
		.blocks = bytes >> bits,
		.fast_symlink_max = 150,
		.label = "label",
		.uuid = "test volume uuid",
		.meta_uuid = "test meta uuid..",
		.hash_seed = "test hash seed..",
		.quota_types = quota ? 7 : 0,
		.now = 1,
	};
	const char *why;

	memset(&v, 0, sizeof(v));
	v.quiet = true;
	REQUIRE(!lnkfs_dev_open_mem(&v.dev, device));
	memset(v.dev.mem, PATTERN, device);
	REQUIRE(!lnkfs_format_volume(&v, &f, &why));
}

/* Everything, as it is on the device. */
static void walk(void)
{
	lnkfs_volume_commit(&v);
	volume_check(&v, NULL);
	REQUIRE(!lnkfs_cache_drop(&v));
	CHECK_EQ(slack_walk(&v), 0);
}

static struct lnkfs_node *add(const char *path, u16 mode, const char *target)
{
	struct lnkfs_build_attr a = { .mode = mode, .target = target };
	struct lnkfs_node *node;

	REQUIRE(!lnkfs_build_add(&b, path, &a, &node));
	return node;
}

static void attribute(struct lnkfs_node *node, const char *name, u32 len)
{
	struct lnkfs_xattr_key key = {
		.space = LNKFS_XATTR_USER, .name_len = (u8)strlen(name), .name = name
	};
	u8 *value = malloc(len + 1);

	memset(value, 'v', len + 1);
	REQUIRE(!lnkfs_build_xattr(&b, node, &key, value, len));
	free(value);
}

/* A file of @n extents with holes between them, ending in mid-block. */
static void file(const char *path, u32 n)
{
	u32 size = fs->block_size, i;
	u8 *data = malloc(size);
	char name[32];

	add(path, S_IFREG | 0644, NULL);
	memset(data, 'd', size);
	for (i = 0; i < n; i++)
		REQUIRE(!lnkfs_build_data(&b, (u64)i * 3 * size, data, i + 1 < n ? size : 7));
	for (i = 0; i < n % 5; i++) {
		snprintf(name, sizeof(name), "attribute %u", i);
		attribute(&b.file, name, i * i * 90);
	}
	REQUIRE(!lnkfs_build_done(&b, n ? (u64)(n - 1) * 3 * size + 7 : 0));
	free(data);
}

static void fill(void)
{
	char path[300], target[LNKFS_SYMLINK_MAX + 1];
	u32 i;

	REQUIRE(!lnkfs_build_begin(&b, &v));
	add("/d", S_IFDIR | 0755, NULL);
	attribute(&b.stack[b.depth - 1]->node, "of a directory", 100);
	for (i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/d/file %0*u", 3 + (int)i % 200, i);
		file(path, i % 40 + (i == 7 ? 300 : 0));
		snprintf(path, sizeof(path), "/d/link %0*u", 3 + (int)i % 200, i);
		memset(target, 't', sizeof(target));
		target[1 + i * 13] = 0;
		add(path, S_IFLNK | 0777, target);
		REQUIRE(!lnkfs_build_done(&b, 0));
	}
	add("/d/empty", S_IFDIR | 0755, NULL);
	add("/fifo", S_IFIFO | 0644, NULL);
	REQUIRE(!lnkfs_build_done(&b, 0));
	REQUIRE(!lnkfs_build_end(&b));
}

static void load(u64 ino, struct lnkfs_node *node)
{
	memset(node, 0, sizeof(*node));
	node->ci.area = node->area;
	REQUIRE(!lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &node->ci));
}

static void free_contents(lnkfs_tx *tx, struct lnkfs_cinode *ci)
{
	int err;

	do
		err = lnkfs_xattr_free(tx, fs, ci);
	while (err > 0);
	REQUIRE(!err);
	if (S_ISLNK(ci->mode) && ci->fork == LNKFS_FORK_SLOW_LINK) {
		REQUIRE(!lnkfs_symlink_free_slow(tx, fs, ci));
	} else if (S_ISREG(ci->mode)) {
		do
			err = lnkfs_ext_remove(tx, fs, ci, 0, LNKFS_MAX_LBLK, 64);
		while (err > 0);
		REQUIRE(!err);
	}
}

/* Take a name away, and its inode, as the module does. */
static void unlink_one(struct lnkfs_node *dir, const char *name, u32 len, u64 ino)
{
	struct lnkfs_node node;
	lnkfs_tx tx;

	load(ino, &node);
	lnkfs_tx_begin(&tx, &v, 0);
	REQUIRE(!lnkfs_dir_remove(&tx, fs, &dir->ci, name, len));
	free_contents(&tx, &node.ci);
	REQUIRE(!lnkfs_ifree(&tx, fs, ino, node.ci.slots, false));
	REQUIRE(!lnkfs_inode_store(&tx, fs, &dir->ci));
	lnkfs_tx_end(&tx);
}

struct list {
	u32 nr;
	struct {
		u64 ino;
		u32 len;
		u8 type;
		char name[LNKFS_NAME_LEN];
	} of[700];
};

static int note(void *ctx, const struct lnkfs_name *name)
{
	struct list *l = ctx;

	l->of[l->nr].ino = name->ino;
	l->of[l->nr].type = name->type;
	l->of[l->nr].len = name->len;
	memcpy(l->of[l->nr++].name, name->name, name->len);
	return 0;
}

/* Remove every nth name of the directory. */
static void thin(u32 nth)
{
	static struct list l;
	struct lnkfs_node dir;
	u64 ino, pos = 0;
	u32 i;

	REQUIRE(!lnkfs_build_begin(&b, &v));
	REQUIRE(!lnkfs_build_find(&b, "/d", &ino));
	REQUIRE(!lnkfs_build_end(&b));
	load(ino, &dir);
	l.nr = 0;
	REQUIRE(!lnkfs_dir_iterate(fs, &dir.ci, &pos, lnkfs_dir_end(fs, &dir.ci), note, &l));
	for (i = 0; i < l.nr; i += nth)
		if (l.of[i].type != DT_DIR)
			unlink_one(&dir, l.of[i].name, l.of[i].len, l.of[i].ino);
}

/* The maps of a group are lost. */
static void repair(void)
{
	struct lnkfs_repair_result res;
	struct lnkfs_fsck_result found;
	u32 bad;

	memset(v.dev.mem + (lnkfs_group_map_block(fs, 0, LNKFS_B_BITMAP) << fs->block_bits), 0x5a,
	       4 << fs->block_bits);
	lnkfs_volume_forget_groups(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	REQUIRE(!lnkfs_repair_volume(&v, NULL, NULL, false, &res));
	lnkfs_volume_forget_groups(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	REQUIRE(!lnkfs_volume_load_groups_any(&v, &bad));
	REQUIRE(!lnkfs_fsck_volume(&v, NULL, NULL, &found));
	CHECK_EQ(bad + found.problems, 0);
}

static void resize(u64 bytes)
{
	u64 blocks = lnkfs_usable_blocks(fs, bytes >> fs->block_bits);
	struct lnkfs_resize r = {};

	lnkfs_volume_commit(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	lnkfs_volume_forget_groups(&v);
	v.sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	REQUIRE(!lnkfs_resize_open(&r, &v, NULL));
	REQUIRE(!(blocks > fs->blocks ? lnkfs_resize_grow(&r, blocks) :
		  lnkfs_resize_shrink(&r, blocks)));
	lnkfs_resize_close(&r);
	v.hold = false;
	v.busy = false;
	REQUIRE(!lnkfs_cache_drop(&v));
}

static void each(u32 bits)
{
	make_volume(bits, true, 40 * MIB, 40 * MIB);
	walk();
	volume_done(&v);
	make_volume(bits, false, 40 * MIB, 300 * MIB);
	fill();
	walk();
	thin(3);
	walk();
	repair();
	walk();
	resize(300 * MIB);
	walk();
	resize(35 * MIB);
	walk();
	thin(2);
	thin(1);
	walk();
	volume_done(&v);
}

static void everything(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixture_bits); i++)
		each(fixture_bits[i]);
}

static const struct tap_test tests[] = {
	{ "what has no meaning is zero", everything },
};

TAP_MAIN(tests)
