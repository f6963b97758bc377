// SPDX-License-Identifier: GPL-2.0
/*
 * A repair that is interrupted, because the device fails: the next one finds what there was.
 */
#include "build.h"
#include "fixture.h"
#include "repair.h"

#define SIZE	(16 * MIB)

static struct lnkfs_volume vol;
static u64 cut_at;

static int hook_write(struct lnkfs_dev *dev, u64 off, const void *buf, u64 len)
{
	(void)off;
	(void)buf;
	(void)len;
	return cut_at && dev->writes >= cut_at ? -EIO : 0;
}

static int hook_sync(struct lnkfs_dev *dev)
{
	return cut_at && dev->writes >= cut_at ? -EIO : 0;
}

static const struct lnkfs_dev_hooks hooks = { .write = hook_write, .sync = hook_sync };

/* What is not on the device is forgotten. */
static void reopen(void)
{
	struct lnkfs_dev dev = vol.dev;
	const char *why;

	dev.readonly = false;
	dev.error = 0;
	vol.strict = false;
	vol.dev.mem = NULL;
	vol.dev.readonly = true;
	lnkfs_volume_close(&vol);
	vol.dev = dev;
	vol.quiet = true;
	REQUIRE(!lnkfs_volume_open_dev(&vol, LNKFS_DEV_WRITE, &why));
}

/* Remove the last part of a path that has been added, and no more. */
static void remove_name(struct lnkfs_builder *b, const char *path, u64 *ino)
{
	const char *name = strrchr(path, '/') + 1;
	lnkfs_tx tx;

	REQUIRE(!lnkfs_build_find(b, path, ino));
	lnkfs_tx_begin(&tx, &vol, 0);
	REQUIRE(!lnkfs_dir_remove(&tx, &vol.fs, &b->stack[b->depth - 1]->node.ci, name,
				  (u32)strlen(name)));
	lnkfs_tx_end(&tx);
}

/* A root directory of @names names, no lost+found, and an inode without a name. */
static void make(u32 bits, u32 names)
{
	const struct lnkfs_build_attr file = { .mode = S_IFREG | 0644 };
	const struct lnkfs_build_attr dir = { .mode = S_IFDIR | 0755 };
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	struct lnkfs_node *node;
	char name[16];
	lnkfs_tx tx;
	u64 ino;
	u32 i;

	volume_make(&vol, SIZE, bits);
	vol.strict = false;
	REQUIRE(!lnkfs_build_begin(b, &vol));
	remove_name(b, "/lost+found", &ino);
	b->stack[0]->node.ci.nlink--;
	lnkfs_tx_begin(&tx, &vol, 0);
	REQUIRE(!lnkfs_ifree(&tx, &vol.fs, ino, 2, true));
	lnkfs_tx_end(&tx);
	for (i = 0; i < names; i++) {
		snprintf(name, sizeof(name), "/data%02u", i);
		REQUIRE(!lnkfs_build_add(b, name, &dir, &node));
	}
	REQUIRE(!lnkfs_build_add(b, "/data00/lostone", &file, &node));
	REQUIRE(!lnkfs_build_done(b, 0));
	remove_name(b, "/data00/lostone", &ino);
	REQUIRE(!lnkfs_build_end(b));
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	free(b);
	reopen();
}

static u32 names_in_root(u32 names)
{
	struct lnkfs_name found;
	struct lnkfs_node root = { 0 };
	u32 i, there = 0;
	char name[16];

	root.ci.area = root.area;
	REQUIRE(!lnkfs_inode_load(&vol.fs, vol.fs.root_ino, 0, &root.ci));
	for (i = 0; i < names; i++) {
		snprintf(name, sizeof(name), "data%02u", i);
		there += !lnkfs_dir_lookup(&vol.fs, &root.ci, name, (u32)strlen(name), &found);
	}
	return there;
}

static bool repair(void)
{
	struct lnkfs_repair_result res;

	return !lnkfs_repair_volume(&vol, NULL, NULL, false, &res) && !res.left;
}

/* One way after the other to be interrupted, until there is none any more. */
static void cut_everywhere(u32 bits, u32 names)
{
	u8 *before;
	u64 cut;
	bool whole = false;

	make(bits, names);
	before = malloc(SIZE);
	memcpy(before, vol.dev.mem, SIZE);
	for (cut = 1; !whole && cut < 100; cut++) {
		memcpy(vol.dev.mem, before, SIZE);
		reopen();
		vol.dev.writes = 0;
		vol.dev.hooks = &hooks;
		cut_at = cut;
		whole = repair();
		cut_at = 0;
		vol.dev.hooks = NULL;
		reopen();
		CHECK(repair());
		reopen();
		if (!CHECK_EQ(names_in_root(names), names))
			printf("# %u names, stopped after %u writes\n", names, (u32)cut);
		volume_check(&vol, NULL);
	}
	CHECK(whole);
	CHECK(cut > 3);
	free(before);
	volume_done(&vol);
}

static void test_lost_found(void)
{
	u32 names;

	for (names = 1; names < 40; names++)
		cut_everywhere(12, names);
}

static void test_lost_found_small(void)
{
	u32 names;

	for (names = 1; names < 40; names++)
		cut_everywhere(10, names);
}

static const struct tap_test tests[] = {
	{ "lost+found made in a root directory with more and more names", test_lost_found },
	{ "the same with blocks of 1 KiB", test_lost_found_small },
};

TAP_MAIN(tests)
