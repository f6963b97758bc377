// SPDX-License-Identifier: GPL-2.0
/*
 * The core and the tools on hostile images, in userspace: under libFuzzer (make
 * check-fuzz), or by itself with the kept inputs (make check). The first byte of an
 * input says what is done; the others are the random numbers that an image is made of,
 * or with bit 7 set the changes of bytes of a volume, whose checksums stay wrong.
 */
#include <getopt.h>

#include "fuzzer.h"
#include "resize.h"

#define INPUT_MAX	(1u << 16)

static struct img work;

/* The tools leave it to their end to give back memory. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:allocator_may_return_null=1";
}

/* Each has its size; recipes of one size share an image. */
static void work_for(const struct volume *v)
{
	if (work.mem && work.bytes == v->img.bytes)
		return;
	if (work.mem)
		img_close(&work);
	img_new(&work, "work", v->img.bytes);
}

/* Bytes anywhere, where there is something. */
static void raw_image(const struct volume *v)
{
	u32 nr = 1 + chance(32), i;

	img_copy(&work, &v->img);
	for (i = 0; i < nr; i++) {
		const struct extent *e = &v->img.ext[chance(v->img.nr_ext)];

		work.mem[e->at + chance((u32)e->len)] = (u8)chance(256);
	}
}

static void resize(bool grow)
{
	struct lnkfs_volume v = { .quiet = true };
	struct lnkfs_resize r = { .why = NULL };
	const char *why;
	u64 blocks;

	if (lnkfs_volume_open(&v, work.path, LNKFS_DEV_WRITE, &why))
		return;
	if (!lnkfs_resize_open(&r, &v, NULL)) {
		if (grow)
			lnkfs_resize_grow(&r, v.fs.blocks + 100);
		else if (!lnkfs_resize_minimum(&r, &blocks))
			lnkfs_resize_shrink(&r, blocks);
		lnkfs_resize_close(&r);
	}
	lnkfs_volume_close(&v);
}

/* ---- reading all of it ---- */

#define MAX_INODES	400
#define MAX_READS	64	/* of a file */
#define MAX_NAMES	2000	/* of a directory */

/**
 * struct reader - a volume being read
 * @img: it
 * @ino: directories' entries and others, to be read
 * @nr: how many
 * @names: of the directory at hand
 */
struct reader {
	struct lnkfs_image img;
	u64 ino[MAX_INODES];
	u32 nr;
	u32 names;
};

static int read_name(void *ctx, const struct lnkfs_name *name)
{
	struct reader *r = ctx;
	u32 i;

	for (i = 0; i < r->nr && r->ino[i] != name->ino; i++)
		;
	if (i == r->nr && r->nr < MAX_INODES)
		r->ino[r->nr++] = name->ino;
	return r->names++ == MAX_NAMES;
}

/**
 * struct reading - an inode being read
 * @r: its volume
 * @node: it
 */
struct reading {
	struct reader *r;
	struct lnkfs_node *node;
};

static int read_attr(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	static u8 value[LNKFS_XATTR_VALUE_MAX];
	struct reading *rd = ctx;

	(void)len;
	lnkfs_xattr_get(&rd->r->img.v.fs, &rd->node->ci, key, value, sizeof(value));
	return 0;
}

static void read_file(struct reader *r, struct lnkfs_node *node)
{
	u64 pos = 0, len, at;
	u8 data[4096];
	u32 n;

	for (n = 0; n < MAX_READS && pos < node->ci.size; n++) {
		if (lnkfs_node_extent(&r->img, node, pos, &len, &at))
			break;
		if (at)
			lnkfs_node_read(&r->img, node, pos, data,
					min_t(u64, sizeof(data), node->ci.size - pos));
		if (!len)
			die("an extent of no length");
		pos += len;
	}
}

/* What it is besides, and where it leads by a map that has it in all its lines. */
static void read_link(struct reader *r, struct lnkfs_node *node, const char *target)
{
	u32 len = (u32)strlen(target), map_len;
	char map[2 * LNKFS_SYMLINK_MAX + 64], path[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_link_attr la;

	if (!lnkfs_link_attr_get(&r->img.v.fs, &node->ci, &la))
		lnkfs_link_text_sound(la.la_kind, la.la_flags, target, len);
	map_len = (u32)snprintf(map, sizeof(map), "%s=/mnt\n\\\\server\\share=/%s", target, target);
	lnkfs_remote_map(map, map_len, target, len, path, 1 + chance(sizeof(path)));
}

static void read_inode(struct reader *r, u64 ino)
{
	char target[LNKFS_SYMLINK_MAX + 1] = "";
	struct lnkfs_node node, found;
	struct reading rd = { r, &node };
	u64 pos = 0;

	if (lnkfs_node_load(&r->img, ino, &node))
		return;
	r->names = 0;
	lnkfs_xattr_iterate(&r->img.v.fs, &node.ci, read_attr, &rd);
	if (S_ISDIR(node.ci.mode)) {
		lnkfs_dir_iterate(&r->img.v.fs, &node.ci, &pos, ~0ULL, read_name, r);
	} else if (S_ISLNK(node.ci.mode)) {
		if (!lnkfs_node_target(&r->img, &node, target) && *target)
			lnkfs_image_find(&r->img, target, true, &found);
		read_link(r, &node, target);
	} else if (S_ISREG(node.ci.mode)) {
		read_file(r, &node);
	}
}

static void read_volume(void)
{
	static struct reader r;
	const char *why;
	u32 i;

	memset(&r, 0, sizeof(r));
	if (lnkfs_image_open(&r.img, work.path, &why))
		return;
	r.ino[r.nr++] = r.img.v.fs.root_ino;
	for (i = 0; i < r.nr; i++)
		read_inode(&r, r.ino[i]);
	lnkfs_image_close(&r.img);
}

/* ---- the tools ---- */

static void dump(void)
{
	static const struct { const char *subject, *argument; } what[] = {
		{ "super", NULL }, { "groups", NULL }, { "free", NULL }, { "journal", NULL },
		{ "inode", "/slow" }, { "inode", "/heavy" }, { "inode", "/s/track" },
		{ "dir", "/" }, { "dir", "/big" },
		{ "extents", "/frag" }, { "extents", "/hello" }, { "block", "700" },
	};
	u32 n = chance(ARRAY_SIZE(what));
	char *argv[] = { (char *)"dump.lnkfs", (char *)(chance(2) ? "-r" : "-j"), work.path,
			 (char *)what[n].subject, (char *)what[n].argument, NULL };

	optind = 0;
	dump_main(what[n].argument ? 5 : 4, argv);
}

static void fsck(const char *mode)
{
	char *argv[] = { (char *)"fsck.lnkfs", (char *)mode, work.path, NULL };

	optind = 0;
	fsck_main(3, argv);
}

static void use(u32 how, const struct volume *v)
{
	switch (how) {
	case 0:
		read_volume();
		break;
	case 1:
		fsck("-fn");
		break;
	case 2:
		fsck("-fp");
		break;
	case 3:
		resize(false);
		break;
	case 4:
		resize(true);
		break;
	case 5:
		dump();
		break;
	case 6:
	case 7:
	case 8:
	case 9:
	case 10:
		change_volume(work.path, v);
		break;
	default:
		fsck("-fy");
		read_volume();
	}
	fflush(stdout);
}

/**
 * LLVMFuzzerTestOneInput() - one input
 * @data: see above
 * @size: bytes
 */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct hcase c;

	die_aborts = true;
	if (!size || size > INPUT_MAX)
		return 0;
	chance_bytes(data + 1, size - 1);
	if (data[0] & 0x80) {
		c.v = case_volume_nr(chance(nr_recipes));
		work_for(c.v);
		raw_image(c.v);
		use(data[0] & 15, c.v);
		return 0;
	}
	case_random(&c);
	work_for(c.v);
	case_make(&c, &work);
	use(data[0] & 15, c.v);
	case_free(&c);
	return 0;
}
