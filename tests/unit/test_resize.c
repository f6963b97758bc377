// SPDX-License-Identifier: GPL-2.0
/*
 * Growing and shrinking of volumes that are not mounted: sizes around the ends of
 * groups and of runs of groups, everything that a volume can hold in the part
 * that goes, and a device that is lost after each write.
 *
 * RESIZE_CUTS=all stops after every write, not after some.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build.h"
#include "fixture.h"
#include "journal.h"
#include "lnkfs.h"
#include "names_rebuild.h"
#include "quota_image.h"
#include "resize.h"

static struct lnkfs_image img;
#define vol img.v

static char why_text[200];

/* ---- volumes ---- */

/* A volume of so many blocks on a device of @bytes, in memory. */
static void make(u32 bits, u64 blocks, u64 bytes)
{
	struct lnkfs_format f = {
		.blocks = blocks,
		.block_bits = bits,
		.journal_bytes = (u64)LNKFS_MIN_JOURNAL_BLOCKS << bits,
		.reserved_permille = 50,
		.fast_symlink_max = ~0u,
		.uuid = "test volume uuid",
		.meta_uuid = "test meta uuid..",
		.hash_seed = "test hash seed..",
		.now = 1,
	};
	const char *why;

	memset(&img, 0, sizeof(img));
	vol.strict = true;
	REQUIRE(!lnkfs_dev_open_mem(&vol.dev, bytes));
	REQUIRE(!lnkfs_format_volume(&vol, &f, &why));
}

/* What is not on the device is forgotten. */
static void drop(void)
{
	struct lnkfs_dev dev = vol.dev;

	dev.readonly = false;
	dev.error = 0;
	vol.strict = false;
	vol.quiet = true;
	vol.dev.mem = NULL;
	vol.dev.readonly = true;
	lnkfs_volume_close(&vol);
	memset(&img, 0, sizeof(img));
	vol.dev = dev;
	vol.strict = true;
}

static int reopen(void)
{
	const char *why;

	drop();
	return lnkfs_volume_open_dev(&vol, LNKFS_DEV_WRITE | LNKFS_VOL_NO_GROUPS, &why);
}

static void done(void)
{
	lnkfs_volume_close(&vol);
}

/* As fsck.lnkfs does; the number of problems found. */
static u64 check(void)
{
	struct lnkfs_fsck_result res;

	if (!vol.fs.group && lnkfs_volume_load_groups(&vol))
		return 1000000;
	if (lnkfs_fsck_volume(&vol, &(struct lnkfs_fsck_ops){ .say = volume_say }, NULL, &res))
		return 1000001;
	return res.problems;
}

/* ---- what is on them ---- */

static u64 crc_of(u64 sum, const void *data, size_t len)
{
	return (sum << 1 | sum >> 63) ^ lnkfs_crc32c(~0u, data, len) * 0x9e3779b97f4a7c15ULL;
}

#define MAX_INODES	20000

struct digest {
	u64 sum;
	u64 ino[MAX_INODES];
	u32 nr;
	int err;
};

static void add_tree(struct digest *d, u64 ino);

/* Which inode of those that have been met is this? */
static u32 nth(struct digest *d, u64 ino, bool *new)
{
	u32 i;

	*new = false;
	/* Most have one name; those with more have got them lately. */
	for (i = d->nr; i--;)
		if (d->ino[i] == ino)
			return i;
	REQUIRE(d->nr < MAX_INODES);
	*new = true;
	d->ino[d->nr++] = ino;
	return d->nr - 1;
}

static int add_name(void *ctx, const struct lnkfs_name *name)
{
	struct digest *d = ctx;
	bool new;
	u32 n;

	d->sum = crc_of(d->sum, name->name, name->len);
	n = nth(d, name->ino, &new);
	d->sum = crc_of(d->sum, &n, sizeof(n));
	if (new)
		add_tree(d, name->ino);
	return d->err;
}

static int add_xattr(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	struct digest *d = ctx;

	d->sum = crc_of(d->sum, key->name, key->name_len);
	d->sum = crc_of(d->sum, &len, sizeof(len));
	return 0;
}

struct values {
	struct digest *d;
	struct lnkfs_cinode *ci;
};

/* A tracked link: what it leads to, instead of the number of that. */
static void followed(void *value)
{
	struct lnkfs_link_attr *la = value;
	struct lnkfs_node n;

	if (lnkfs_node_load(&img, le64_to_cpu(la->la_ino), &n) ||
	    n.ci.gen != le32_to_cpu(la->la_gen))
		return;
	la->la_ino = cpu_to_le64(crc_of(n.ci.mode, &n.ci.size, sizeof(n.ci.size)));
}

static int add_value(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	static u8 buf[LNKFS_XATTR_VALUE_MAX];
	struct values *v = ctx;

	if (lnkfs_xattr_get(&vol.fs, v->ci, key, buf, sizeof(buf)) != (int)len)
		v->d->err = -EIO;
	if (key->space == LNKFS_XATTR_LINK)
		followed(buf);
	v->d->sum = crc_of(v->d->sum, buf, len);
	return add_xattr(v->d, key, len);
}

static void add_data(struct digest *d, struct lnkfs_node *n)
{
	static u8 buf[1 << 16];
	u64 pos, len;

	for (pos = 0; pos < n->ci.size && !d->err; pos += len) {
		len = min_t(u64, n->ci.size - pos, sizeof(buf));
		d->err = lnkfs_node_read(&img, n, pos, buf, len);
		d->sum = crc_of(d->sum, buf, len);
	}
}

/* Everything but numbers and places. */
static void add_tree(struct digest *d, u64 ino)
{
	struct lnkfs_node *n = malloc(sizeof(*n));
	char target[LNKFS_SYMLINK_MAX + 1];
	struct values v = { d, &n->ci };
	u64 pos = 0;

	d->err = lnkfs_node_load(&img, ino, n);
	if (!d->err) {
		u64 f[] = { n->ci.gen, n->ci.mode, n->ci.uid, n->ci.gid, n->ci.projid, n->ci.nlink,
			    n->ci.size, n->ci.flags, n->ci.lflags, n->ci.atime, n->ci.mtime,
			    n->ci.ctime, n->ci.btime, n->ci.version, n->ci.slots };

		d->sum = crc_of(d->sum, f, sizeof(f));
		d->err = lnkfs_xattr_iterate(&vol.fs, &n->ci, add_value, &v);
	}
	if (!d->err && S_ISREG(n->ci.mode))
		add_data(d, n);
	if (!d->err && S_ISLNK(n->ci.mode)) {
		d->err = lnkfs_node_target(&img, n, target);
		d->sum = crc_of(d->sum, target, n->ci.size);
	}
	if (!d->err && S_ISDIR(n->ci.mode)) {
		int err = lnkfs_dir_iterate(&vol.fs, &n->ci, &pos, lnkfs_dir_end(&vol.fs, &n->ci),
					    add_name, d);

		d->err = d->err ? d->err : err;
	}
	free(n);
}

/* 0: it could not all be read. */
static u64 digest(void)
{
	static struct digest d;
	bool new;

	memset(&d, 0, sizeof(d));
	if (!vol.fs.group && lnkfs_volume_load_groups(&vol))
		return 0;
	nth(&d, vol.fs.root_ino, &new);
	add_tree(&d, vol.fs.root_ino);
	if (d.err)
		printf("# reading the tree: %s\n", strerror(-d.err));
	return d.err ? 0 : d.sum | 1;
}

static u8 pattern[1 << 20];

static void put_file(struct lnkfs_builder *b, const char *path, u32 uid, u64 size, u32 hole)
{
	struct lnkfs_build_attr attr = { .mode = S_IFREG | 0640, .uid = uid, .gid = uid / 2,
					 .mtime = size, .ctime = hole, .flags = 0 };
	u32 bs = vol.fs.block_size;
	struct lnkfs_node *n;
	u64 pos;

	REQUIRE(!lnkfs_build_add(b, path, &attr, &n));
	for (pos = 0; pos < size; pos += bs * (1 + hole)) {
		u64 len = min_t(u64, size - pos, hole ? bs : 512 * 1024);

		REQUIRE(!lnkfs_build_data(b, pos, pattern + pos / bs % 97 * 8, len));
		if (!hole)
			pos += len - bs;
	}
	REQUIRE(!lnkfs_build_done(b, size));
}

static void put_link(struct lnkfs_builder *b, const char *path, u32 len)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_build_attr attr = { .mode = S_IFLNK | 0777, .uid = 70000, .target = target };
	struct lnkfs_node *n;

	memset(target, 'a' + len % 26, len);
	target[len] = 0;
	REQUIRE(!lnkfs_build_add(b, path, &attr, &n));
	REQUIRE(!lnkfs_build_done(b, 0));
}

/* A symlink to what is at @to, with an attribute inside or outside of the record. */
static void put_tracked(struct lnkfs_builder *b, const char *path, const char *to, u32 len, u32 gen)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_build_attr attr = { .mode = S_IFLNK | 0777, .uid = 70000, .target = target };
	struct lnkfs_link_attr la = { .la_flags = LNKFS_LINK_TRACKED };
	struct lnkfs_node old = { .ci.area = old.area }, *n;

	memset(target, 't', len);
	target[len] = 0;
	REQUIRE(!lnkfs_build_find(b, to, &old.ci.ino));
	REQUIRE(!lnkfs_inode_load(&vol.fs, old.ci.ino, 0, &old.ci));
	la.la_ino = cpu_to_le64(old.ci.ino);
	la.la_gen = cpu_to_le32(old.ci.gen ^ gen);
	REQUIRE(!lnkfs_build_add(b, path, &attr, &n));
	REQUIRE(!lnkfs_build_link_attr(b, n, &la));
	REQUIRE(!!n->ci.xattr_block == (len == 120));
	REQUIRE(!lnkfs_build_done(b, 0));
}

static void put_attrs(struct lnkfs_builder *b, struct lnkfs_node *n, u32 count, u32 len)
{
	char name[32];
	struct lnkfs_xattr_key key = { .space = LNKFS_XATTR_USER, .name = name };
	u32 i;

	for (i = 0; i < count; i++) {
		key.name_len = (u8)snprintf(name, sizeof(name), "attribute %u", i);
		REQUIRE(!lnkfs_build_xattr(b, n, &key, pattern + i, len));
	}
}

/* One of everything, @scale times. */
static void put_all(struct lnkfs_builder *b, u32 scale)
{
	struct lnkfs_build_attr dir = { .mode = S_IFDIR | 0755, .uid = 1000 };
	struct lnkfs_build_attr fifo = { .mode = S_IFIFO | 0600, .gid = 5 };
	struct lnkfs_build_attr dev = { .mode = S_IFCHR | 0600, .major = 4, .minor = 5 };
	struct lnkfs_build_attr file = { .mode = S_IFREG | 0600, .uid = 1000 };
	struct lnkfs_node *n;
	char path[256];
	u64 ino;
	u32 i;

	put_file(b, "a/whole", 1000, 700 * 1024, 0);
	put_file(b, "a/small", 70000, 100, 0);
	put_file(b, "a/empty", 0, 0, 0);
	put_file(b, "a/pieces", 1000, (u64)vol.fs.block_size * 300 * scale, 1);
	put_link(b, "a/fast", 100);
	put_link(b, "a/slow", vol.fs.block_size == 1024 ? 2500 : 4000);
	put_link(b, "a/slower", 4095);
	REQUIRE(!lnkfs_build_find(b, "a/slow", &ino));
	REQUIRE(!lnkfs_build_link(b, "b/c/d/hard", ino));
	REQUIRE(!lnkfs_build_find(b, "a/pieces", &ino));
	REQUIRE(!lnkfs_build_link(b, "b/c/hard", ino));
	REQUIRE(!lnkfs_build_link(b, "hard", ino));
	REQUIRE(!lnkfs_build_add(b, "b/fifo", &fifo, &n));
	REQUIRE(!lnkfs_build_done(b, 0));
	REQUIRE(!lnkfs_build_add(b, "b/dev", &dev, &n));
	REQUIRE(!lnkfs_build_done(b, 0));
	REQUIRE(!lnkfs_build_add(b, "x", &dir, &n));
	put_attrs(b, n, 3, 10);
	REQUIRE(!lnkfs_build_add(b, "x/leaf", &file, &n));
	put_attrs(b, n, 3, 150);
	REQUIRE(!lnkfs_build_done(b, 0));
	REQUIRE(!lnkfs_build_add(b, "x/tree", &file, &n));
	put_attrs(b, n, 40 * scale, 200);
	REQUIRE(!lnkfs_build_done(b, 0));
	REQUIRE(!lnkfs_build_add(b, "x/large", &file, &n));
	put_attrs(b, n, 3, 30000);
	REQUIRE(!lnkfs_build_done(b, 0));
	put_tracked(b, "t/file", "a/whole", 10, 0);
	put_tracked(b, "t/again", "a/whole", 100, 0);
	put_tracked(b, "t/outside", "a/whole", 120, 0);
	put_tracked(b, "t/slow", "a/slow", 3000, 0);
	put_tracked(b, "t/dir", "x", 20, 0);
	put_tracked(b, "t/own", "t", 30, 0);
	put_tracked(b, "t/fifo", "b/fifo", 40, 0);
	put_tracked(b, "t/link", "t/own", 50, 0);
	put_tracked(b, "t/before", "before", 60, 0);
	put_tracked(b, "t/gone", "a/small", 70, 1);
	for (i = 0; i < 60 * scale; i++) {
		snprintf(path, sizeof(path), "big/a name that is not very short, with number %u", i);
		if (i % 7 == 3)
			put_link(b, path, 1 + i * 13 % 300);
		else if (i % 7 == 5)
			REQUIRE(!lnkfs_build_link(b, path, ino));
		else
			put_file(b, path, i % 3 * 1000, i % 5 * 3000, 0);
		if (i % 10 == 0) {
			snprintf(path, sizeof(path), "dirs/%u/in/%u/in", i % 30, i);
			put_file(b, path, 0, i, 0);
		}
	}
}

/* Blocks that are allocated and never written, at the end of the file. */
static void preallocate(struct lnkfs_node *n, u32 len)
{
	struct lnkfs_ext ext = { .lblk = n->ci.size / vol.fs.block_size + 1,
				 .flags = LNKFS_EXT_UNWRITTEN };
	lnkfs_tx tx;
	u32 got;

	lnkfs_tx_begin(&tx, &vol, 0);
	REQUIRE(!lnkfs_balloc(&tx, &vol.fs, vol.fs.blocks / 2, 1, len, 0, &ext.block, &got));
	ext.len = got;
	REQUIRE(!lnkfs_ext_insert(&tx, &vol.fs, &n->ci, &ext));
	REQUIRE(!lnkfs_inode_store(&tx, &vol.fs, &n->ci));
	lnkfs_tx_end(&tx);
}

static void remove_file(const char *name)
{
	struct lnkfs_node n, root;
	lnkfs_tx tx;

	REQUIRE(!lnkfs_node_load(&img, vol.fs.root_ino, &root));
	REQUIRE(!lnkfs_image_find(&img, name, false, &n));
	lnkfs_tx_begin(&tx, &vol, 0);
	REQUIRE(!lnkfs_ext_remove(&tx, &vol.fs, &n.ci, 0, LNKFS_MAX_LBLK, U32_MAX));
	REQUIRE(!lnkfs_ifree(&tx, &vol.fs, n.ci.ino, n.ci.slots, false));
	REQUIRE(!lnkfs_dir_remove(&tx, &vol.fs, &root.ci, name, (u32)strlen(name)));
	REQUIRE(!lnkfs_inode_store(&tx, &vol.fs, &root.ci));
	lnkfs_tx_end(&tx);
}

/* ---- quota files: as a mounted volume would have them ---- */

#define MAX_IDS	8

struct usage {
	u32 nr;
	struct lnkfs_quota_entry e[MAX_IDS];
};

static void charge(struct usage *u, u32 id, u64 blocks)
{
	struct lnkfs_quota_entry *e;
	u32 i;

	for (i = 0; i < u->nr && le32_to_cpu(u->e[i].q_id) != id; i++)
		;
	REQUIRE(i < MAX_IDS);
	u->nr = max(u->nr, i + 1);
	e = &u->e[i];
	e->q_id = cpu_to_le32(id);
	le64_add_cpu(&e->q_inodes, 1);
	le64_add_cpu(&e->q_space, blocks << vol.fs.block_bits);
}

static void count_usage(struct usage u[LNKFS_QUOTA_TYPES])
{
	static struct digest d;
	struct lnkfs_node n;
	bool new;
	u32 i;

	memset(&d, 0, sizeof(d));
	nth(&d, vol.fs.root_ino, &new);
	add_tree(&d, vol.fs.root_ino);
	REQUIRE(!d.err);
	for (i = 0; i < d.nr; i++) {
		REQUIRE(!lnkfs_node_load(&img, d.ino[i], &n));
		charge(&u[0], n.ci.uid, n.ci.blocks);
		charge(&u[1], n.ci.gid, n.ci.blocks);
		charge(&u[2], n.ci.projid, n.ci.blocks);
	}
}

static void add_quota(void)
{
	static struct usage u[LNKFS_QUOTA_TYPES];
	static const struct lnkfs_format f = {};
	u8 area[LNKFS_AREA_LEN(1)] __attribute__((aligned(8)));
	struct lnkfs_qimage q;
	u32 type, i;
	lnkfs_tx tx;

	memset(u, 0, sizeof(u));
	count_usage(u);
	vol.sb.s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_QUOTA);
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		struct lnkfs_cinode ci = { .area = area };

		memset(area, 0, sizeof(area));
		REQUIRE(!lnkfs_qimage_init(&q, type));
		for (i = 0; i < u[type].nr; i++)
			REQUIRE(!lnkfs_qimage_add(&q, &u[type].e[i]));
		lnkfs_tx_begin(&tx, &vol, 0);
		REQUIRE(!lnkfs_ialloc(&tx, &vol.fs, vol.fs.groups - 1, 1, false, &ci.ino));
		lnkfs_format_inode(&f, &ci, S_IFREG | 0600, 1, 1);
		lnkfs_ext_init(&ci);
		REQUIRE(!lnkfs_inode_store(&tx, &vol.fs, &ci));
		lnkfs_tx_end(&tx);
		REQUIRE(!lnkfs_qimage_write(&q, &vol, &ci));
		lnkfs_qimage_free(&q);
		vol.sb.s_quota_ino[type] = cpu_to_le64(ci.ino);
	}
}

static void make_pattern(void)
{
	u32 i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (u8)(i * 7 ^ i >> 8 ^ i >> 13);
}

/* What has been made is on the device, and as it should be. */
static void flush(void)
{
	REQUIRE(!lnkfs_cache_flush(&vol));
	vol.sb.s_free_blocks = cpu_to_le64((u64)vol.free_blocks);
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	REQUIRE(!reopen());
	REQUIRE(!check());
}

/* The same, with quota files. */
static void finish(void)
{
	add_quota();
	flush();
}

/* All that there can be, and most of it in the last part of the volume. */
static void fill(u32 scale)
{
	u64 pad = vol.fs.blocks * 3 / 5;
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	struct lnkfs_node n;

	make_pattern();
	REQUIRE(!lnkfs_build_begin(b, &vol));
	put_file(b, "before", 1000, 50000, 1);
	put_file(b, "pad", 0, pad << vol.fs.block_bits, 0);
	put_all(b, scale);
	REQUIRE(!lnkfs_build_end(b));
	free(b);
	remove_file("pad");
	REQUIRE(!lnkfs_image_find(&img, "a/whole", false, &n));
	preallocate(&n, 100);
	finish();
}

/* Of a file, all blocks from @end on and every second one before go. */
static void comb(const char *name, u64 end)
{
	struct lnkfs_node n;
	struct lnkfs_ext ext;
	lnkfs_tx tx;
	u64 i;

	REQUIRE(!lnkfs_image_find(&img, name, false, &n));
	lnkfs_tx_begin(&tx, &vol, 0);
	for (i = 0; i < n.ci.size >> vol.fs.block_bits; i++) {
		REQUIRE(!lnkfs_ext_lookup(&vol.fs, &n.ci, i, &ext));
		if (i % 2 || ext.block >= end)
			REQUIRE(!lnkfs_ext_remove(&tx, &vol.fs, &n.ci, i, i + 1, U32_MAX));
	}
	REQUIRE(!lnkfs_inode_store(&tx, &vol.fs, &n.ci));
	lnkfs_tx_end(&tx);
}

/* A file in one piece behind @end, and before it free space in single blocks. */
static void fill_comb(u64 end)
{
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	struct lnkfs_node n;
	struct lnkfs_ext ext;

	make_pattern();
	REQUIRE(!lnkfs_build_begin(b, &vol));
	put_file(b, "one", 0, 8000 << vol.fs.block_bits, 0);
	put_file(b, "whole", 1000, 700 << vol.fs.block_bits, 0);
	put_file(b, "two", 0, (u64)(vol.free_blocks - 300) << vol.fs.block_bits, 0);
	REQUIRE(!lnkfs_build_end(b));
	free(b);
	comb("one", end);
	comb("two", end);
	REQUIRE(!lnkfs_image_find(&img, "whole", false, &n));
	REQUIRE(!lnkfs_ext_lookup(&vol.fs, &n.ci, 0, &ext));
	REQUIRE(ext.len == 700 && ext.block >= end);
	finish();
}

/* ---- resizing ---- */

/* What the next change of size is to suffer from. */
static struct lnkfs_fault fault;
static u32 batch;

/* 0 or an error, which leaves the volume as it is on the device. */
static int resize(u64 blocks)
{
	struct lnkfs_resize r = { .batch = batch };
	int err;

	err = reopen();
	if (!err)
		err = lnkfs_resize_open(&r, &vol, NULL);
	if (!err) {
		vol.fault = fault;
		blocks = lnkfs_usable_blocks(&vol.fs, blocks);
		if (blocks > vol.fs.blocks)
			err = lnkfs_resize_grow(&r, blocks);
		else if (blocks < vol.fs.blocks)
			err = lnkfs_resize_shrink(&r, blocks);
	}
	snprintf(why_text, sizeof(why_text), "%s", r.why ? r.why : "");
	lnkfs_resize_close(&r);
	return err;
}

static u64 minimum(void)
{
	struct lnkfs_resize r = {};
	u64 blocks = 0;

	REQUIRE(!reopen());
	REQUIRE(!lnkfs_resize_open(&r, &vol, NULL));
	REQUIRE(!lnkfs_resize_minimum(&r, &blocks));
	lnkfs_resize_close(&r);
	return blocks;
}

/* The same tree, nothing wrong, a log that jbd2 would take for an empty one. */
static void expect(u64 sum, u64 blocks, const char *what)
{
	bool good;

	REQUIRE(!reopen());
	good = CHECK_EQ(vol.fs.blocks, lnkfs_usable_blocks(&vol.fs, blocks));
	good &= CHECK_EQ(check(), 0);
	good &= CHECK_EQ(digest(), sum);
	if (!good)
		printf("# %s, %llu blocks\n", what, (unsigned long long)blocks);
}

static u64 group_of(u32 groups)
{
	return (u64)groups * vol.fs.group_blocks;
}

/* From one size to the next, whatever is between them. */
static void walk_sizes(const u64 *sizes, u32 n)
{
	u64 sum, least;
	u32 i;

	sum = digest();
	REQUIRE(sum);
	for (i = 0; i < n; i++) {
		if (!CHECK_EQ(resize(sizes[i]), 0))
			printf("# to %llu blocks: %s\n", (unsigned long long)sizes[i], why_text);
		expect(sum, sizes[i], "a walk through sizes");
	}
	least = minimum();
	CHECK_EQ(resize(least), 0);
	expect(sum, least, "the minimum");
	/* Packed it may need less than the worst that had to be reckoned with. */
	CHECK_EQ(resize(minimum() - 1), -ENOSPC);
	expect(sum, least, "less than the minimum");
	CHECK_EQ(resize(sizes[0]), 0);
	expect(sum, sizes[0], "from the minimum on");
}

static void test_small_blocks(void)
{
	make(10, 40000, 200 * MIB);
	fill(3);
	{
		u64 g = vol.fs.group_blocks;
		/* The 15th group is the last of a run. */
		const u64 sizes[] = {
			40001, 40005, 5 * g + 1, 5 * g + 38, 5 * g + 39, 6 * g - 1, 6 * g, 9 * g + 5000,
			14 * g, 14 * g + 100, 15 * g, 15 * g + 44, 16 * g + 44, 17 * g + 100, 200000,
			17 * g, 16 * g, 15 * g + 100, 15 * g, 15 * g - 1, 14 * g + 50, 10 * g + 2,
			6 * g, 5 * g + 100, 5 * g, 4 * g + 1000, 4 * g, 3 * g + 7000, 3 * g,
		};

		walk_sizes(sizes, ARRAY_SIZE(sizes));
	}
	done();
}

static void test_large_blocks(void)
{
	make(12, 40000, 9ULL << 30);
	fill(2);
	{
		u64 g = vol.fs.group_blocks;
		/* The 63rd group is the last of a run. */
		const u64 sizes[] = {
			40010, g * 2 - 1, 2 * g, 2 * g + 50, 62 * g + 100, 63 * g, 63 * g + 100,
			65 * g + 5000, 64 * g, 63 * g, 62 * g + 40, 3 * g, g + 5000, g, g - 5000,
		};

		walk_sizes(sizes, ARRAY_SIZE(sizes));
	}
	done();
}

static void test_random_sizes(void)
{
	u64 sum, least, to;
	u32 i;

	make(11, 50000, 300 * MIB);
	fill(2);
	sum = digest();
	least = minimum();
	lnkfs_random_state = 77;
	for (i = 0; i < 25; i++) {
		to = least + lnkfs_random32() % (150000 - least);
		if (!CHECK_EQ(resize(to), 0))
			printf("# to %llu blocks: %s\n", (unsigned long long)to, why_text);
		expect(sum, to, "a random size");
	}
	lnkfs_random_state = 0;
	done();
}

/* What was reserved stays so, and the volume is told the truth. */
static void test_figures(void)
{
	make(10, 50000, 200 * MIB);
	CHECK_EQ(le64_to_cpu(vol.sb.s_reserved_blocks), 2500);
	CHECK_EQ(resize(100000), 0);
	CHECK_EQ(le64_to_cpu(vol.sb.s_reserved_blocks), 5000);
	CHECK_EQ(le64_to_cpu(vol.sb.s_free_blocks), (u64)vol.free_blocks);
	CHECK_EQ(resize(20000), 0);
	CHECK_EQ(le64_to_cpu(vol.sb.s_reserved_blocks), 1000);
	CHECK_EQ(le64_to_cpu(vol.sb.s_free_blocks), (u64)vol.free_blocks);
	REQUIRE(!reopen());
	CHECK_EQ(check(), 0);
	CHECK_EQ(le64_to_cpu(vol.sb.s_free_blocks), (u64)vol.free_blocks);
	done();
}

/* Nothing happens to a volume that is not clean, or in which too much is. */
static void test_refused(void)
{
	u64 sum, writes, least;

	make(10, 40000, 100 * MIB);
	fill(1);
	sum = digest();
	vol.sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN | LNKFS_STATE_ERROR);
	REQUIRE(!lnkfs_volume_write_super(&vol, false));
	CHECK_EQ(resize(50000), -EBUSY);
	vol.sb.s_state = 0;
	REQUIRE(!lnkfs_volume_write_super(&vol, false));
	CHECK_EQ(resize(50000), -EBUSY);
	vol.sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	REQUIRE(!lnkfs_volume_write_super(&vol, false));
	least = minimum();
	writes = vol.dev.writes;
	CHECK_EQ(resize(least - 1), -ENOSPC);
	CHECK_EQ(resize(100), -ENOSPC);
	CHECK_EQ(vol.dev.writes, writes);
	expect(sum, 40000, "refused");
	done();
}

/* ---- the device is lost ---- */

/*
 * Power fails: the device takes no more than @cut_at writes, and of those that it
 * has in its cache (@lossy) it keeps some, whatever their order.
 */
#define CACHED		4096

struct cached {
	u64 off;
	u32 len;
	u8 *before;
	u8 *after;
	struct cached *older;
};

static u64 cut_at;
static bool lossy;
static struct cached *cache;

static int hook_write(struct lnkfs_dev *dev, u64 off, const void *buf, u64 len)
{
	struct cached *c;
	u64 at;

	if (cut_at && dev->writes >= cut_at)
		return -EIO;
	for (at = 0; lossy && at < len; at += c->len) {
		c = malloc(sizeof(*c));
		c->off = off + at;
		c->len = (u32)min_t(u64, CACHED, len - at);
		c->before = malloc(c->len);
		memcpy(c->before, dev->mem + c->off, c->len);
		c->after = calloc(1, c->len);
		if (buf)
			memcpy(c->after, (const u8 *)buf + at, c->len);
		c->older = cache;
		cache = c;
	}
	return 0;
}

/* The last write is not followed by a sync. */
static int hook_sync(struct lnkfs_dev *dev)
{
	struct cached *older;

	if (cut_at && dev->writes >= cut_at)
		return -EIO;
	for (; cache; cache = older) {
		older = cache->older;
		free(cache->before);
		free(cache->after);
		free(cache);
	}
	return 0;
}

/* The writes that have survived, oldest first, on what was there before all of them. */
static void lose(struct cached *c)
{
	if (!c)
		return;
	memcpy(vol.dev.mem + c->off, c->before, c->len);
	lose(c->older);
	if (lnkfs_random32() & 1)
		memcpy(vol.dev.mem + c->off, c->after, c->len);
}

static const struct lnkfs_dev_hooks hooks = { .write = hook_write, .sync = hook_sync };

/* Replay the log, as fsck.lnkfs and the kernel do. */
static int recover(void)
{
	struct lnkfs_log log;
	const char *why;
	int err;

	err = reopen();
	if (err)
		return err;
	err = lnkfs_volume_log_open(&vol, NULL, 0, &log, &why);
	if (!err && log.start) {
		err = lnkfs_log_scan(&log);
		if (!err)
			err = lnkfs_log_collect(&log, &vol.fs);
		if (!err)
			err = lnkfs_log_replay(&log, &vol.dev);
		if (!err)
			err = lnkfs_log_reset(&log, &vol.fs);
	}
	lnkfs_log_free(&log);
	return err ? err : reopen();
}

/*
 * In a process of its own, the device fails after @cut writes. All is there
 * afterwards, and nothing wrong, unless the volume says so of itself (@checked).
 */
static int cut_child(u64 from, u64 to, u64 sum, u64 cut, bool *marked)
{
	u16 state;
	u64 now;

	vol.dev.writes = 0;
	vol.dev.hooks = &hooks;
	vol.quiet = true;
	cut_at = cut;
	/* The last write is one that nobody waits for: a backup that has gone. */
	if (!resize(to) && vol.dev.writes < cut)
		return 1;
	vol.dev.hooks = NULL;
	lnkfs_random_state = cut;
	lose(cache);
	lnkfs_random_state = 0;
	if (recover())
		return 2;
	now = vol.fs.blocks;
	if (now != lnkfs_usable_blocks(&vol.fs, from) && now != lnkfs_usable_blocks(&vol.fs, to))
		return 3;
	state = le16_to_cpu(vol.sb.s_state);
	*marked = state & LNKFS_STATE_ERROR;
	if (digest() != sum)
		return 4;
	if (!*marked && check())
		return 5;
	return 0;
}

static u64 count_writes(u64 to)
{
	u64 *n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		vol.dev.writes = 0;
		status = resize(to);
		*n = vol.dev.writes;
		_exit(status != 0);
	}
	waitpid(pid, &status, 0);
	REQUIRE(!status);
	return *n;
}

static void cut_everywhere(u64 to, u32 samples)
{
	bool all = getenv("RESIZE_CUTS");
	u64 from = vol.fs.blocks, sum = digest(), writes = count_writes(to), cut, step;
	bool *marked = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	u32 marks = 0, runs = 0;
	int status;
	pid_t pid;

	step = all ? 1 : writes / samples + 1;
	for (cut = 1; cut <= writes; cut += step, runs++) {
		pid = fork();
		if (!pid)
			_exit(cut_child(from, to, sum, cut, marked));
		waitpid(pid, &status, 0);
		marks += *marked;
		if (!CHECK_EQ(status, 0))
			printf("# stopped after write %llu of %llu\n", (unsigned long long)cut,
			       (unsigned long long)writes);
	}
	printf("# %llu to %llu blocks: stopped after %u of %llu writes%s, %u times to be checked\n",
	       (unsigned long long)from, (unsigned long long)to, runs, (unsigned long long)writes,
	       lossy ? ", some lost" : "", marks);
}

static void test_cut_grow(void)
{
	make(10, 20000, 64 * MIB);
	fill(1);
	for (lossy = false;; lossy = true) {
		cut_everywhere(20010, 1000);
		cut_everywhere(40000, 1000);
		if (lossy)
			break;
	}
	lossy = false;
	done();
}

static void test_cut_shrink(void)
{
	make(10, 36000, 64 * MIB);
	fill(1);
	cut_everywhere(group_of(4), 60);
	cut_everywhere(14000, 60);
	lossy = true;
	cut_everywhere(14000, 60);
	lossy = false;
	done();
}

/* Each step is a transaction of its own. */
static void test_cut_shrink_steps(void)
{
	make(10, 36000, 64 * MIB);
	fill(1);
	batch = 1;
	cut_everywhere(14000, 50);
	lossy = true;
	cut_everywhere(14000, 100);
	lossy = false;
	batch = 0;
	done();
}

/* A file falls into so many pieces that its tree grows: that is charged at once. */
static void test_cut_shrink_pieces(void)
{
	make(10, 36000, 64 * MIB);
	fill_comb(30000);
	batch = 1;
	cut_everywhere(30000, 50);
	batch = 0;
	done();
}

static void test_cut_shrink_large(void)
{
	make(12, 16000, 64 * MIB);
	fill(1);
	cut_everywhere(9000, 30);
	done();
}

/* ---- what is asked of the volume fails ---- */

/* In a process of its own: an error, and all is as it was. 9: nothing failed. */
static int fault_child(u64 to, u64 sum)
{
	u64 from = vol.fs.blocks;

	vol.quiet = true;
	if (!resize(to))
		return 9;
	if (recover())
		return 2;
	if (vol.fs.blocks != from)
		return 3;
	if (digest() != sum)
		return 4;
	return !(le16_to_cpu(vol.sb.s_state) & LNKFS_STATE_ERROR) && check() ? 5 : 0;
}

/* The n-th call fails, for n of @field from 1 on. */
static void fail_everywhere(const char *what, u32 *field, u64 to)
{
	u64 sum = digest();
	u32 n, runs = 0;
	int status = 0;
	pid_t pid;

	for (n = 1; status != 9 << 8; n += 1 + n / 8, runs++) {
		fflush(stdout);
		pid = fork();
		if (!pid) {
			*field = n;
			_exit(fault_child(to, sum));
		}
		waitpid(pid, &status, 0);
		if (status != 9 << 8 && !CHECK_EQ(status, 0)) {
			printf("# %s %u\n", what, n);
			break;
		}
	}
	CHECK(runs > 1);
	printf("# %s failed %u times\n", what, runs - 1);
}

static void test_faults(void)
{
	make(10, 36000, 64 * MIB);
	fill(1);
	batch = 40;
	fail_everywhere("reading a block", &fault.bread, 14000);
	fail_everywhere("a new block", &fault.bnew, 14000);
	fail_everywhere("access to a block", &fault.baccess, 14000);
	fail_everywhere("space", &fault.space, 14000);
	fail_everywhere("freeing", &fault.freed, 14000);
	fail_everywhere("reading a block", &fault.bread, 50000);
	fail_everywhere("a new block", &fault.bnew, 50000);
	fail_everywhere("access to a block", &fault.baccess, 50000);
	batch = 0;
	done();
}

static u32 marked;

/* Count the superblocks that say that the volume has to be checked. */
static int count_marks(struct lnkfs_dev *dev, u64 off, const void *buf, u64 len)
{
	const struct lnkfs_super_block *sb;

	(void)dev;
	if (buf && off <= LNKFS_SUPER_OFFSET && off + len >= LNKFS_SUPER_OFFSET + sizeof(*sb)) {
		sb = (const void *)((const u8 *)buf + LNKFS_SUPER_OFFSET - off);
		marked += (le16_to_cpu(sb->s_state) & LNKFS_STATE_ERROR) != 0;
	}
	return 0;
}

static int let_sync(struct lnkfs_dev *dev)
{
	(void)dev;
	return 0;
}

/* What lies past the end is free, and the journal stays: nothing is switched off for that. */
static void test_stays_on(void)
{
	static const struct lnkfs_dev_hooks watch = { .write = count_marks, .sync = let_sync };
	const u64 sizes[] = { 34000, 30000 };
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	u64 names;
	u32 i;

	make(10, 36000, 64 * MIB);
	REQUIRE(!lnkfs_build_begin(b, &vol));
	put_file(b, "file", 0, 10000, 1);
	REQUIRE(!lnkfs_build_find(b, "file", &names));
	for (i = 0; i < 200; i++) {
		char path[32];

		snprintf(path, sizeof(path), "link%u", i);
		REQUIRE(!lnkfs_build_link(b, path, names));
	}
	REQUIRE(!lnkfs_build_end(b));
	free(b);
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	REQUIRE(!reopen() && !check());
	names = vol.fs.group[0].names;
	CHECK(names);
	vol.dev.hooks = &watch;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK_EQ(resize(sizes[i]), 0);
		CHECK_EQ(vol.fs.group[0].names, names);
		CHECK(vol.fs.backref);
		CHECK_EQ(marked, 0);
		CHECK_EQ(check(), 0);
	}
	vol.dev.hooks = NULL;
	done();
}

/* Symlinks to one inode, all of which change with it. */
static void make_tracked(u32 count)
{
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	char path[32];
	u32 i;

	make(10, 36000, 64 * MIB);
	REQUIRE(!lnkfs_build_begin(b, &vol));
	put_file(b, "pad", 0, 26000ULL << vol.fs.block_bits, 0);
	put_file(b, "far/file", 0, 1000, 0);
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "far/link%u", i);
		put_tracked(b, path, "far/file", 100, 0);
	}
	put_tracked(b, "far/gone", "far/file", 20, 1);
	REQUIRE(!lnkfs_build_end(b));
	free(b);
	remove_file("pad");
	REQUIRE(!lnkfs_cache_flush(&vol));
	vol.sb.s_free_blocks = cpu_to_le64((u64)vol.free_blocks);
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	REQUIRE(!reopen());
	REQUIRE(!check());
}

/* A transaction has room for so many; the volume stays as it is when they are more. */
static void test_tracked(void)
{
	struct lnkfs_link_attr la;
	struct lnkfs_node n;
	u64 sum, old, writes;

	make_tracked(200);
	sum = digest();
	REQUIRE(!lnkfs_image_find(&img, "far/file", false, &n));
	old = n.ci.ino;
	CHECK_EQ(resize(14000), 0);
	expect(sum, 14000, "many tracked links");
	REQUIRE(!lnkfs_image_find(&img, "far/file", false, &n));
	CHECK(n.ci.ino != old);
	REQUIRE(!lnkfs_image_find(&img, "far/gone", false, &n));
	REQUIRE(!lnkfs_link_attr_get(&vol.fs, &n.ci, &la));
	CHECK_EQ(le64_to_cpu(la.la_ino), old);
	CHECK(!lnkfs_ino_valid(&vol.fs, old));
	done();

	make_tracked(4000);
	sum = digest();
	writes = vol.dev.writes;
	CHECK_EQ(resize(14000), -E2BIG);
	CHECK(strstr(why_text, "tracked links"));
	CHECK_EQ(vol.dev.writes, writes);
	expect(sum, 36000, "too many tracked links");
	done();
}

/* A volume without back references does not get any. */
static void test_without_backref(void)
{
	make(10, 36000, 64 * MIB);
	lnkfs_names_feature(&vol, false);
	REQUIRE(!lnkfs_names_rebuild(&vol, NULL, NULL));
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	fill(1);
	CHECK(!vol.fs.backref);
	cut_everywhere(14000, 20);
	CHECK_EQ(resize(14000), 0);
	CHECK(!vol.fs.backref);
	CHECK_EQ(check(), 0);
	CHECK_EQ(resize(40000), 0);
	CHECK(!vol.fs.backref);
	CHECK_EQ(check(), 0);
	done();
}

/* A directory whose index has a node that is its own child: nobody has looked for that. */
static void test_unchecked(void)
{
	struct lnkfs_dir_fork *f;
	struct lnkfs_btree_root *root;
	struct lnkfs_btree_node *node;
	struct lnkfs_node n;
	u64 block;

	make(10, 36000, 64 * MIB);
	fill(8);
	REQUIRE(!lnkfs_image_find(&img, "big", false, &n));
	REQUIRE(n.ci.fork == LNKFS_FORK_DIR_BLOCKS);
	f = (void *)n.ci.area;
	root = (void *)((u8 *)(f + 1) + le16_to_cpu(f->f_ext_len));
	REQUIRE(le16_to_cpu(root->bt_level));
	block = get_unaligned_le64((u8 *)(root + 1) + 8);
	node = (void *)(vol.dev.mem + (block << vol.fs.block_bits));
	node->n_level = root->bt_level;
	node->n_count = cpu_to_le16(1);
	put_unaligned_le64(block, node->n_records + 8);
	lnkfs_seal_block(&vol.fs, node, LNKFS_B_BTREE, block);
	CHECK_EQ(resize(30000), -EFSCORRUPTED);
	done();
}

/* The first @len blocks of a directory lie in one piece, where the goal is. */
static void gather(const char *name, u64 goal, u32 len)
{
	struct lnkfs_ext ext, new = { .len = len };
	struct lnkfs_node n;
	lnkfs_buf *from, *to;
	lnkfs_tx tx;
	u32 got, i;

	REQUIRE(!lnkfs_image_find(&img, name, false, &n));
	lnkfs_tx_begin(&tx, &vol, 0);
	REQUIRE(!lnkfs_balloc(&tx, &vol.fs, goal, len, len, LNKFS_BA_META, &new.block, &got));
	for (i = 0; i < len; i++) {
		REQUIRE(!lnkfs_ext_lookup(&vol.fs, &n.ci, i, &ext));
		REQUIRE(!lnkfs_bread(&vol.fs, ext.block + i - ext.lblk, LNKFS_B_DIR, n.ci.ino,
				     n.ci.gen, &from));
		REQUIRE(!lnkfs_bnew(&tx, &vol.fs, new.block + i, LNKFS_B_DIR, &to));
		memcpy(lnkfs_bdata(to), lnkfs_bdata(from), vol.fs.block_size);
		lnkfs_header_init(&vol.fs, lnkfs_bdata(to), LNKFS_B_DIR, new.block + i, n.ci.ino,
				  n.ci.gen);
		lnkfs_bdirty(&tx, &vol.fs, to);
		lnkfs_bput(to);
		lnkfs_bput(from);
	}
	REQUIRE(!lnkfs_ext_remove(&tx, &vol.fs, &n.ci, 0, len, U32_MAX));
	REQUIRE(!lnkfs_ext_insert(&tx, &vol.fs, &n.ci, &new));
	REQUIRE(!lnkfs_inode_store(&tx, &vol.fs, &n.ci));
	lnkfs_tx_end(&tx);
}

/*
 * Directories in one piece each, of fewer blocks than a transaction has room for: but not
 * for those of both.
 */
static void test_large_dirs(void)
{
	static const char *const dirs[] = { "one", "two" };
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	char path[256];
	u64 sum, ino;
	u32 i, d;

	make(10, 36000, 64 * MIB);
	make_pattern();
	REQUIRE(!lnkfs_build_begin(b, &vol));
	put_file(b, "file", 0, 1000, 0);
	REQUIRE(!lnkfs_build_find(b, "file", &ino));
	for (d = 0; d < 2; d++) {
		for (i = 0; i < 2400U + 2400 * d; i++) {
			snprintf(path, sizeof(path), "%s/%0200u", dirs[d], i);
			REQUIRE(!lnkfs_build_link(b, path, ino));
		}
	}
	REQUIRE(!lnkfs_build_end(b));
	free(b);
	gather("one", 28000, 550);
	gather("two", 32000, 1100);
	finish();
	sum = digest();
	CHECK_EQ(resize(25000), 0);
	expect(sum, 25000, "large directories");
	done();
}

/* lost+found has been removed, which the superblock does not know; it lay past the end. */
static void test_no_lost_found(void)
{
	u64 sum;

	make(10, 36000, 64 * MIB);
	fill(1);
	vol.sb.s_lpf_ino = cpu_to_le64(35000ULL << vol.fs.slot_bits);
	REQUIRE(!lnkfs_volume_write_super(&vol, true));
	REQUIRE(!reopen());
	REQUIRE(!check());
	sum = digest();
	CHECK_EQ(resize(14000), 0);
	expect(sum, 14000, "without lost+found");
	CHECK_EQ(vol.sb.s_lpf_ino, 0);
	done();
}

static const struct tap_test tests[] = {
	{ "blocks of 1 KiB: sizes around groups and runs of groups", test_small_blocks },
	{ "blocks of 4 KiB: sizes around groups and runs of groups", test_large_blocks },
	{ "blocks of 2 KiB: random sizes", test_random_sizes },
	{ "reserved and free blocks", test_figures },
	{ "refused, and nothing written", test_refused },
	{ "growing, stopped after any write", test_cut_grow },
	{ "shrinking, stopped after any write", test_cut_shrink },
	{ "shrinking, stopped after any write, many transactions", test_cut_shrink_steps },
	{ "shrinking what has not been checked", test_unchecked },
	{ "shrinking, stopped after any write, files fall to pieces", test_cut_shrink_pieces },
	{ "shrinking, stopped after any write, blocks of 4 KiB", test_cut_shrink_large },
	{ "errors leave all as it was", test_faults },
	{ "back references stay where they are", test_stays_on },
	{ "a volume without back references", test_without_backref },
	{ "tracked links follow what gets another number", test_tracked },
	{ "large directories in one piece each", test_large_dirs },
	{ "a number of lost+found that is none any more", test_no_lost_found },
};

TAP_MAIN(tests)
