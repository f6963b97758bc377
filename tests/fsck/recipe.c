// SPDX-License-Identifier: GPL-2.0
/*
 * Sound volumes to be damaged, made by the core: nothing is mounted, and the same
 * recipe always gives the same bytes. Names have no character that a damage gives
 * a meaning to: . : = + - ; |
 */
#include "build.h"
#include "format.h"
#include "fscktest.h"
#include "logwrite.h"
#include "lnkfs.h"
#include "quota_image.h"

#define MIB	(1ULL << 20)
#define NOW	3000000000000000000ULL	/* a time stamp, as all are */

static struct lnkfs_builder *b;		/* of the recipe at hand */
static u64 clock_at;

static void must(int err, const char *what)
{
	if (err)
		die("recipe: %s: %s", what, strerror(-err));
}

static struct lnkfs_build_attr attr(u16 mode, u32 uid)
{
	struct lnkfs_build_attr a = { .mode = mode, .uid = uid, .gid = uid };

	clock_at += 1234567890;
	a.atime = a.mtime = a.ctime = a.btime = NOW + clock_at;
	return a;
}

static struct lnkfs_node *add(const char *path, struct lnkfs_build_attr a)
{
	struct lnkfs_node *node;

	must(lnkfs_build_add(b, path, &a, &node), path);
	return node;
}

static void dir(const char *path, u16 perm)
{
	add(path, attr(S_IFDIR | perm, 0));
}

static void special(const char *path, u16 mode, u32 major, u32 minor)
{
	struct lnkfs_build_attr a = attr(mode, 0);

	a.major = major;
	a.minor = minor;
	add(path, a);
	must(lnkfs_build_done(b, 0), path);
}

/* A target of @len bytes that differs from others; not stored yet. */
static struct lnkfs_node *add_symlink(const char *path, const char *text, u32 len, u32 xattr_bytes)
{
	struct lnkfs_build_attr a = attr(S_IFLNK | 0777, 0);
	char target[LNKFS_SYMLINK_MAX + 1];
	u32 i;

	snprintf(target, sizeof(target), "%s", text);
	for (i = (u32)strlen(target); i < len; i++)
		target[i] = i % 10 ? (char)('a' + (i + (u32)clock_at) % 26) : '/';
	target[i] = '\0';
	a.target = target;
	a.xattr_bytes = xattr_bytes;
	return add(path, a);
}

static void symlink_to(const char *path, const char *text, u32 len)
{
	add_symlink(path, text, len, 0);
	must(lnkfs_build_done(b, 0), path);
}

static void link_to(const char *path, const char *old)
{
	u64 ino;

	must(lnkfs_build_find(b, old, &ino), old);
	must(lnkfs_build_link(b, path, ino), path);
}

/* Contents that no other block of the volume has. */
static void write_at(u64 pos, u32 len)
{
	static u32 state = 12345;
	u8 *data = malloc(len);
	u32 i;

	for (i = 0; data && i < len; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (u8)(state >> 24);
	}
	must(data ? lnkfs_build_data(b, pos, data, len) : -ENOMEM, "data");
	free(data);
}

static void file(const char *path, u16 perm, u32 uid, u32 len)
{
	add(path, attr(S_IFREG | perm, uid));
	if (len)
		write_at(0, len);
	must(lnkfs_build_done(b, len), path);
}

/* Blocks of the file at hand that are allocated and not written. */
static void unwritten(u64 lblk, u32 len)
{
	struct lnkfs_ext ext = { .lblk = lblk, .flags = LNKFS_EXT_UNWRITTEN };
	lnkfs_tx tx;
	u32 got;

	lnkfs_tx_begin(&tx, b->v, 0);
	must(lnkfs_balloc(&tx, &b->v->fs, b->goal, len, len, 0, &ext.block, &got), "blocks");
	ext.len = got;
	must(lnkfs_ext_insert(&tx, &b->v->fs, &b->file.ci, &ext), "extent");
	lnkfs_tx_end(&tx);
}

/*
 * Every second block, so that each is an extent of its own; every fifth of these is
 * written.
 */
static void fragmented(const char *path, u32 extents)
{
	u32 bs = b->v->fs.block_size, i;

	add(path, attr(S_IFREG | 0644, 0));
	for (i = 0; i < extents; i++) {
		if (i % 5)
			unwritten(i * 2, 1);
		else
			write_at((u64)i * 2 * bs, bs);
	}
	must(lnkfs_build_done(b, (u64)extents * 2 * bs - 5), path);
}

static void xattr(struct lnkfs_node *node, u8 space, const char *name, u32 len)
{
	struct lnkfs_xattr_key key = { .space = space, .name_len = (u8)strlen(name), .name = name };
	u8 *value = calloc(1, len + 1);
	u32 i;

	for (i = 0; value && i < len; i++)
		value[i] = (u8)(name[0] + i * 7 + i / 256);
	must(value ? lnkfs_build_xattr(b, node, &key, value, len) : -ENOMEM, name);
	free(value);
}

static void acl(struct lnkfs_node *node, u8 space)
{
	static const struct { u16 tag, perm; u32 id; } ent[] = {
		{ 0x01, 7, ~0u }, { 0x02, 5, 1000 }, { 0x02, 4, 1001 }, { 0x04, 5, ~0u },
		{ 0x08, 6, 100 }, { 0x10, 7, ~0u }, { 0x20, 1, ~0u },
	};
	struct lnkfs_xattr_key key = { .space = space };
	u8 value[4 + 8 * ARRAY_SIZE(ent)];
	u32 i;

	put_unaligned_le32(2, value);
	for (i = 0; i < ARRAY_SIZE(ent); i++) {
		put_unaligned_le16(ent[i].tag, value + 4 + 8 * i);
		put_unaligned_le16(ent[i].perm, value + 6 + 8 * i);
		put_unaligned_le32(ent[i].id, value + 8 + 8 * i);
	}
	must(lnkfs_build_xattr(b, node, &key, value, sizeof(value)), "ACL");
}

/* ---- the trees ---- */

/* One of everything. */
static void one_of_each(void)
{
	u32 bs = b->v->fs.block_size;

	file("/hello", 0644, 0, 100);
	file("/other", 04751, 1000, 3 * bs + 17);
	file("/empty", 0600, 1001, 0);
	dir("/dir", 0755);
	dir("/dir/sub", 0700);
	file("/dir/sub/deep", 0640, 1000, bs);
	file("/dir/one", 0644, 0, 2 * bs);
	link_to("/dir/two", "/dir/one");
	link_to("/three", "/dir/one");
	dir("/dir/none", 01777);
	symlink_to("/fast", "dir/sub/deep", 0);
	symlink_to("/fast200", "", 200);
	symlink_to("/slow", "", 3000);
	link_to("/dir/slow2", "/slow");
	special("/fifo", S_IFIFO | 0600, 0, 0);
	special("/sock", S_IFSOCK | 0755, 0, 0);
	special("/chr", S_IFCHR | 0666, 1, 3);
	special("/blk", S_IFBLK | 0660, 8, 17);
	add("/sparse", attr(S_IFREG | 0644, 0));
	write_at(4 * (u64)bs, 2 * bs);
	write_at(9 * (u64)bs, bs);
	unwritten(12, 3);
	must(lnkfs_build_done(b, 10 * (u64)bs), "/sparse");
}

static void small(struct lnkfs_volume *v)
{
	(void)v;
	one_of_each();
}

/* A directory in a certain group: the others say that they have too many. */
static void dir_in(struct lnkfs_volume *v, const char *path, u32 group)
{
	const u32 many = 1u << 20;
	u32 i;

	for (i = 0; i < v->fs.groups; i++)
		v->fs.group[i].used_dirs += i == group ? 0 : many;
	dir(path, 0755);
	for (i = 0; i < v->fs.groups; i++)
		v->fs.group[i].used_dirs -= i == group ? 0 : many;
}

static void many_dirs(struct lnkfs_volume *v)
{
	char path[64];
	lnkfs_tx tx;
	u32 i;

	dir("/many", 0755);
	for (i = 0; i < v->fs.groups + 3; i++) {
		snprintf(path, sizeof(path), "/many/d%u", i);
		dir_in(v, path, i % v->fs.groups);
		snprintf(path, sizeof(path), "/many/d%u/file", i);
		file(path, 0644, i, 1000 + i * 100);
		snprintf(path, sizeof(path), "/many/d%u/link", i);
		symlink_to(path, "../d0/file", 0);
	}
	/* Descriptors may have been written meanwhile. */
	lnkfs_tx_begin(&tx, v, 0);
	for (i = 0; i < v->fs.groups; i++) {
		lnkfs_group_lock(&v->fs, i);
		must(lnkfs_group_sync(&tx, &v->fs, i), "descriptor");
		lnkfs_group_unlock(&v->fs, i);
	}
	lnkfs_tx_end(&tx);
}

static void multi(struct lnkfs_volume *v)
{
	one_of_each();
	many_dirs(v);
	/* What grows from here on goes to later groups. */
	b->goal = (u64)(v->fs.groups - 2) * v->fs.group_blocks + 50;
	file("/far", 0644, 0, 20000);
	symlink_to("/farlink", "", 2500);
}

static void quota(struct lnkfs_volume *v)
{
	char path[32];
	u32 i;

	(void)v;
	one_of_each();
	for (i = 0; i < 18; i++) {
		snprintf(path, sizeof(path), "/of%u", i);
		file(path, 0644, 2000 + i * 70, 100 + 900 * i);
	}
}

static void attributes(struct lnkfs_volume *v)
{
	struct lnkfs_node *node;
	char name[32];
	u32 i;

	one_of_each();
	node = add("/little", attr(S_IFREG | 0644, 0));
	xattr(node, LNKFS_XATTR_USER, "color", 4);
	xattr(node, LNKFS_XATTR_SECURITY, "label", 20);
	must(lnkfs_build_done(b, 0), "/little");
	node = add("/withacl", attr(S_IFREG | 0654, 0));
	acl(node, LNKFS_XATTR_ACL_ACCESS);
	xattr(node, LNKFS_XATTR_TRUSTED, "t", 1);
	write_at(0, 10);
	must(lnkfs_build_done(b, 10), "/withacl");
	node = add("/leaf", attr(S_IFREG | 0644, 0));
	for (i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "name%u", i);
		xattr(node, LNKFS_XATTR_USER, name, 60 + i);
	}
	write_at(0, 3000);
	must(lnkfs_build_done(b, 3000), "/leaf");
	node = add("/heavy", attr(S_IFREG | 0644, 0));
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "a rather long name %u", i);
		xattr(node, LNKFS_XATTR_USER, name, v->fs.block_size / 8);
	}
	xattr(node, LNKFS_XATTR_USER, "large", 9000);
	xattr(node, LNKFS_XATTR_TRUSTED, "largest", 20000);
	acl(node, LNKFS_XATTR_ACL_ACCESS);
	write_at(0, 5000);
	must(lnkfs_build_done(b, 5000), "/heavy");
	node = add("/adir", attr(S_IFDIR | 0750, 0));
	acl(node, LNKFS_XATTR_ACL_DEFAULT);
	acl(node, LNKFS_XATTR_ACL_ACCESS);
	xattr(node, LNKFS_XATTR_USER, "dirattr", 30);
	file("/adir/file", 0644, 0, 10);
	node = add("/adir/big", attr(S_IFDIR | 0750, 0));
	xattr(node, LNKFS_XATTR_USER, "bigvalue", 5000);
	file("/adir/big/file", 0644, 0, 10);
	symlink_to("/alink", "target", 0);
	xattr(&b->file, LNKFS_XATTR_TRUSTED, "onlink", 40);
	must(lnkfs_build_done(b, 0), "/alink");
	special("/afifo", S_IFIFO | 0600, 0, 0);
	xattr(&b->file, LNKFS_XATTR_SECURITY, "onfifo", 300);
	must(lnkfs_build_done(b, 0), "/afifo");
}

/* Remove a name of a file that has others. */
static void unlink_one(struct lnkfs_volume *v, const char *path)
{
	struct lnkfs_node node = { .ci.area = node.area };
	const char *name = strrchr(path, '/') + 1;
	struct lnkfs_dir_spot spot;
	struct lnkfs_cinode *in;
	struct lnkfs_ref ref;
	lnkfs_tx tx;
	u64 ino;

	/* This makes its directory the one at hand. */
	must(lnkfs_build_find(b, path, &ino), path);
	must(lnkfs_inode_load(&v->fs, ino, 0, &node.ci), path);
	node.ci.nlink--;
	lnkfs_tx_begin(&tx, v, 0);
	in = &b->stack[b->depth - 1]->node.ci;
	must(lnkfs_dir_find(&v->fs, in, name, (u32)strlen(name), &spot), path);
	ref = (struct lnkfs_ref){ .dir = in->ino, .pos = lnkfs_dir_spot_pos(&v->fs, &spot) };
	lnkfs_bput(spot.buf);
	must(lnkfs_names_del(&tx, &v->fs, &node.ci, &ref), path);
	must(lnkfs_dir_remove(&tx, &v->fs, in, name, (u32)strlen(name)), path);
	must(lnkfs_inode_store(&tx, &v->fs, &node.ci), path);
	lnkfs_tx_end(&tx);
}

static void bigdir(struct lnkfs_volume *v)
{
	u32 count = v->fs.block_bits == 12 ? 900 : 700, i;
	char path[64];

	one_of_each();
	dir("/big", 0755);
	for (i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/big/own%u", i);
		file(path, 0644, 0, 10 + i);
	}
	dir("/big/sub", 0755);
	file("/big/sub/file", 0644, 0, 10);
	for (i = 0; i < count; i++) {
		char old[64];

		snprintf(old, sizeof(old), "/big/own%u", i % 10);
		snprintf(path, sizeof(path), "/big/a name that is not short %u", i);
		link_to(path, old);
	}
	for (i = 20; i < count; i += 37) {
		snprintf(path, sizeof(path), "/big/a name that is not short %u", i);
		unlink_one(v, path);
	}
	dir("/two", 0755);
	for (i = 0; i < v->fs.block_size / 40; i++) {
		snprintf(path, sizeof(path), "/two/another name that is long %u", i);
		link_to(path, "/hello");
	}
}

/* A directory in another, both with blocks; files that are in both. */
static void refs(struct lnkfs_volume *v)
{
	char path[64], old[64];
	u32 i;

	(void)v;
	one_of_each();
	dir("/deep", 0755);
	dir("/deep/inside", 0750);
	for (i = 0; i < 120; i++) {
		snprintf(path, sizeof(path), "/deep/a-file-with-its-name-%u", i);
		file(path, 0644, 0, i % 3 ? 0 : 10);
		snprintf(old, sizeof(old), "/deep/inside/another-file-with-its-name-%u", i);
		file(old, 0644, 0, 0);
		snprintf(old, sizeof(old), "/deep/inside/a-second-name-%u", i);
		link_to(old, path);
	}
	dir("/deep/inside/small", 0700);
	file("/deep/inside/small/file", 0600, 0, 10);
	dir("/flat", 0755);
	file("/flat/one", 0644, 0, 10);
}

static void frag(struct lnkfs_volume *v)
{
	one_of_each();
	fragmented("/frag", v->fs.block_bits == 12 ? 1500 : 400);
	fragmented("/frag2", 30);
	fragmented("/frag3", 5);
}

static void links(struct lnkfs_volume *v)
{
	static const u32 lens[] = { 1, 50, 129, 1023, 1024, 1025, 2047, 2048, 4095 };
	char path[32];
	u32 i;

	(void)v;
	one_of_each();
	dir("/links", 0755);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		snprintf(path, sizeof(path), "/links/l%u", lens[i]);
		symlink_to(path, "x", lens[i]);
	}
}

/**
 * struct special - a symlink that is more than its target
 * @path: its name
 * @text: its target
 * @len: bytes of it, made longer if need be
 * @kind: LNKFS_LINK_PLAIN to _REMOTE
 * @flags: LNKFS_LINK_TRACKED, _PATH_FIRST
 * @to: what it follows
 * @outside: bytes of an attribute that leaves no room in the record for its own
 */
struct special {
	const char *path;
	const char *text;
	u32 len;
	u32 kind;
	u32 flags;
	const char *to;
	u32 outside;
};

#define TRACKED		LNKFS_LINK_TRACKED
#define FIRST		(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST)

static const struct special specials[] = {
	{ "/s/track", "../dir/sub/deep", 0, LNKFS_LINK_PLAIN, TRACKED, "/dir/sub/deep", 0 },
	{ "/s/first", "../dir/one", 0, LNKFS_LINK_PLAIN, FIRST, "/dir/one", 0 },
	{ "/s/abs", "/mnt/hello", 0, LNKFS_LINK_FILE, TRACKED, "/hello", 0 },
	{ "/s/wdir", "../dir", 0, LNKFS_LINK_DIR, 0, NULL, 0 },
	{ "/s/trackdir", "../dir", 0, LNKFS_LINK_DIR, FIRST, "/dir", 0 },
	{ "/s/junction", "/mnt/dir", 0, LNKFS_LINK_JUNCTION, 0, NULL, 0 },
	{ "/s/unc", "\\\\server\\share\\a file", 0, LNKFS_LINK_REMOTE, 0, NULL, 0 },
	{ "/s/url", "smb://user@server/share/a%20file", 0, LNKFS_LINK_REMOTE, 0, NULL, 0 },
	{ "/s/long", "../", 120, LNKFS_LINK_FILE, FIRST, "/other", 0 },
	{ "/s/slow", "../", 3000, LNKFS_LINK_PLAIN, FIRST, "/fifo", 0 },
	{ "/s/slowout", "/", 2500, LNKFS_LINK_JUNCTION, TRACKED, "/dir/none", 90 },
	{ "/s/fullout", "\\\\server\\share\\", 110, LNKFS_LINK_REMOTE, 0, NULL, 600 },
};

/* The target of one that has been removed: of its number there is another, or none. */
static void lose_target(const char *path, u64 ino, u32 gen)
{
	struct lnkfs_link_attr la = { .la_flags = TRACKED, .la_gen = cpu_to_le32(gen),
				      .la_ino = cpu_to_le64(ino) };
	struct lnkfs_node *node = add_symlink(path, "../nothing", 0, 24);

	must(lnkfs_build_link_attr(b, node, &la), path);
	must(lnkfs_build_done(b, 0), path);
}

static void special_links(struct lnkfs_volume *v)
{
	struct lnkfs_node to = { .ci.area = to.area }, *node;
	u32 i;

	one_of_each();
	dir("/s", 0755);
	for (i = 0; i < ARRAY_SIZE(specials); i++) {
		const struct special *sp = &specials[i];
		struct lnkfs_link_attr la = { .la_kind = (u8)sp->kind, .la_flags = (u8)sp->flags };

		if (sp->to) {
			must(lnkfs_build_find(b, sp->to, &to.ci.ino), sp->to);
			must(lnkfs_inode_load(&v->fs, to.ci.ino, 0, &to.ci), sp->to);
			la.la_ino = cpu_to_le64(to.ci.ino);
			la.la_gen = cpu_to_le32(to.ci.gen);
		}
		node = add_symlink(sp->path, sp->text, sp->len, sp->len ? 0 : 24);
		if (sp->outside)
			xattr(node, LNKFS_XATTR_TRUSTED, "much", sp->outside);
		must(lnkfs_build_link_attr(b, node, &la), sp->path);
		must(lnkfs_build_done(b, 0), sp->path);
	}
	link_to("/dir/track2", "/s/track");
	lose_target("/s/gone", to.ci.ino, to.ci.gen ^ 1);
	lose_target("/s/none", (v->fs.blocks << v->fs.slot_bits) - 1, 4711);
	lose_target("/s/past", (v->fs.blocks << v->fs.slot_bits) + 99, 4711);
	symlink_to("/s/plain", "track", 0);
	node = add("/s/file", attr(S_IFREG | 0644, 0));
	xattr(node, LNKFS_XATTR_USER, "a", 15);
	must(lnkfs_build_done(b, 0), "/s/file");
}

/* An inode without a name: @type is S_IFREG, S_IFLNK, S_IFDIR or S_IFIFO. */
static void orphan(struct lnkfs_volume *v, u16 type)
{
	u8 area[LNKFS_AREA_LEN(1)] __attribute__((aligned(8))) = { 0 };
	struct lnkfs_cinode ci = { .gen = 77, .area = area, .mode = type | 0600, .slots = 1 };
	char target[3001] = "";
	struct lnkfs_ext ext = { .lblk = 0 };
	lnkfs_tx tx;
	u32 got;

	ci.area_len = LNKFS_AREA_LEN(1);
	ci.atime = ci.mtime = ci.ctime = ci.btime = NOW;
	lnkfs_tx_begin(&tx, v, 0);
	must(lnkfs_ialloc(&tx, &v->fs, 0, 1, type == S_IFDIR, &ci.ino), "inode");
	if (type == S_IFREG) {
		lnkfs_ext_init(&ci);
		must(lnkfs_balloc(&tx, &v->fs, b->goal, 3, 3, 0, &ext.block, &got), "blocks");
		ext.len = got;
		must(lnkfs_ext_insert(&tx, &v->fs, &ci, &ext), "extent");
		ci.size = 3 * v->fs.block_size;
	} else if (type == S_IFLNK) {
		memset(target, 't', sizeof(target) - 1);
		must(lnkfs_symlink_set_slow(&tx, &v->fs, &ci, target, sizeof(target) - 1), "link");
	} else if (type == S_IFDIR) {
		ci.parent = v->fs.root_ino;
		lnkfs_dir_init(&ci);
	}
	must(lnkfs_orphan_add(&tx, &v->fs, ci.ino), "orphan");
	must(lnkfs_inode_store(&tx, &v->fs, &ci), "store");
	lnkfs_tx_end(&tx);
}

static void orphans(struct lnkfs_volume *v)
{
	struct lnkfs_node node = { .ci.area = node.area };
	u32 bs = v->fs.block_size;
	lnkfs_tx tx;
	u64 ino;

	one_of_each();
	file("/cut", 0644, 0, 20 * bs);
	orphan(v, S_IFREG);
	orphan(v, S_IFLNK);
	orphan(v, S_IFDIR);
	orphan(v, S_IFIFO);
	must(lnkfs_build_find(b, "/cut", &ino), "/cut");
	must(lnkfs_inode_load(&v->fs, ino, 0, &node.ci), "/cut");
	node.ci.size = 5 * bs;
	node.ci.lflags |= LNKFS_LF_TRUNCATING;
	lnkfs_tx_begin(&tx, v, 0);
	must(lnkfs_orphan_add(&tx, &v->fs, ino), "orphan");
	must(lnkfs_inode_store(&tx, &v->fs, &node.ci), "/cut");
	lnkfs_tx_end(&tx);
}

/* What the journal of a logged recipe holds. */
static void later(void)
{
	file("/later", 0644, 0, 5000);
	symlink_to("/laterlink", "later", 0);
	dir("/laterdir", 0755);
	file("/laterdir/file", 0600, 1000, 50);
	link_to("/laterdir/hello", "/hello");
}

/* ---- quota files ---- */

struct owner {
	u32 id;
	u64 space;
	u64 inodes;
};

static void charge(struct owner *list, u32 *nr, u32 id, u64 space)
{
	u32 i;

	for (i = 0; i < *nr && list[i].id != id; i++)
		;
	if (i == *nr)
		list[(*nr)++].id = id;
	list[i].space += space;
	list[i].inodes++;
}

/* What each owner, group and project uses. */
static void sum_up(struct lnkfs_volume *v, struct owner list[3][64], u32 nr[3])
{
	struct lnkfs_fs *fs = &v->fs;
	u32 group, off, slot;

	for (group = 0; group < fs->groups; group++) {
		for (off = 0; off < lnkfs_group_size(fs, group); off++) {
			for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
				struct lnkfs_node n = { .ci.area = n.area };
				u64 ino = ((lnkfs_group_first(fs, group) + off) << fs->slot_bits) +
					  slot;

				if (off < lnkfs_group_overhead(fs, group) ||
				    lnkfs_inode_load(fs, ino, 0, &n.ci))
					continue;
				charge(list[0], &nr[0], n.ci.uid, n.ci.blocks * fs->block_size);
				charge(list[1], &nr[1], n.ci.gid, n.ci.blocks * fs->block_size);
				charge(list[2], &nr[2], n.ci.projid, n.ci.blocks * fs->block_size);
			}
		}
	}
}

static void quota_file(struct lnkfs_volume *v, u32 type, const struct owner *list, u32 nr)
{
	u8 area[LNKFS_AREA_LEN(1)] __attribute__((aligned(8))) = { 0 };
	struct lnkfs_cinode ci = { .area = area };
	const struct lnkfs_format f = { .now = NOW };
	struct lnkfs_qimage q;
	lnkfs_tx tx;
	u32 i;

	must(lnkfs_qimage_init(&q, type), "quota");
	for (i = 0; i < nr + 3; i++) {
		struct lnkfs_quota_entry e = { 0 };

		/* Some have limits and no files. */
		e.q_id = cpu_to_le32(i < nr ? list[i].id : 90000 + i - nr);
		if (i < nr) {
			e.q_space = cpu_to_le64(list[i].space);
			e.q_inodes = cpu_to_le64(list[i].inodes);
		}
		if (i % 2) {
			e.q_bhard = cpu_to_le64(1000 + i);
			e.q_bsoft = cpu_to_le64(900 + i);
			e.q_ihard = cpu_to_le64(100 + i);
			e.q_isoft = cpu_to_le64(50 + i);
		} else if (i >= nr) {
			e.q_bhard = cpu_to_le64(77);
		}
		must(lnkfs_qimage_add(&q, &e), "quota");
	}
	lnkfs_tx_begin(&tx, v, 0);
	must(lnkfs_ialloc(&tx, &v->fs, 0, 1, false, &ci.ino), "quota");
	lnkfs_format_inode(&f, &ci, S_IFREG | 0600, 1, 1);
	lnkfs_ext_init(&ci);
	must(lnkfs_inode_store(&tx, &v->fs, &ci), "quota");
	lnkfs_tx_end(&tx);
	must(lnkfs_qimage_write(&q, v, &ci), "quota");
	lnkfs_qimage_free(&q);
	v->sb.s_quota_ino[type] = cpu_to_le64(ci.ino);
	v->sb.s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_QUOTA);
}

static void quota_files(struct lnkfs_volume *v)
{
	static struct owner list[3][64];
	u32 nr[3] = { 0 }, type;

	memset(list, 0, sizeof(list));
	sum_up(v, list, nr);
	for (type = 0; type < 3; type++)
		quota_file(v, type, list[type], nr[type]);
}

/* ---- making them ---- */

#define BOTH(name_, mib1, mib4, ...)					\
	{ .name = #name_ "1", .bits = 10, .bytes = (mib1) * MIB, .build = name_, __VA_ARGS__ }, \
	{ .name = #name_ "4", .bits = 12, .bytes = (mib4) * MIB, .build = name_, __VA_ARGS__ }

const struct recipe recipes[] = {
	BOTH(small, 6, 16, .fast_max = ~0u),
	BOTH(multi, 150, 530, .fast_max = ~0u),
	BOTH(quota, 24, 16, .fast_max = ~0u, .quota = true),
	BOTH(attributes, 24, 16, .fast_max = ~0u),
	BOTH(bigdir, 24, 16, .fast_max = ~0u),
	BOTH(refs, 24, 16, .fast_max = ~0u),
	BOTH(frag, 24, 16, .fast_max = ~0u),
	BOTH(links, 24, 16, .fast_max = 0),
	BOTH(special_links, 24, 16, .fast_max = ~0u),
	BOTH(orphans, 24, 16, .fast_max = ~0u),
	{ .name = "journal1", .bits = 10, .bytes = 24 * MIB, .build = small, .fast_max = ~0u,
	  .logged = true },
	{ .name = "journal4", .bits = 12, .bytes = 16 * MIB, .build = small, .fast_max = ~0u,
	  .logged = true },
	{ .name = "fast1", .bits = 10, .bytes = 8 * MIB, .build = small, .fast_max = ~0u,
	  .fast = true },
	{ .name = "fast4", .bits = 12, .bytes = 24 * MIB, .build = small, .fast_max = ~0u,
	  .fast = true },
};

const u32 nr_recipes = ARRAY_SIZE(recipes);

const struct recipe *recipe_find(const char *name)
{
	u32 i;

	for (i = 0; i < nr_recipes; i++)
		if (!strcmp(recipes[i].name, name))
			return &recipes[i];
	return NULL;
}

static void begin(struct lnkfs_builder *builder, struct lnkfs_volume *v)
{
	b = builder;
	must(lnkfs_build_begin(b, v), "volume");
}

static void end(struct lnkfs_volume *v, bool clean)
{
	must(lnkfs_cache_flush(v), "flush");
	v->sb.s_state = cpu_to_le16(clean ? LNKFS_STATE_CLEAN : 0);
	v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
	v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
	must(lnkfs_volume_write_super(v, true), "superblock");
	must(lnkfs_volume_close(v), "close");
}

/* Change the volume in a copy, and put what has changed into the log only. */
static void log_later(const struct recipe *r, struct img *img)
{
	struct lnkfs_builder *builder = malloc(sizeof(*builder));
	struct lnkfs_volume v = { .quiet = true };
	const char *why;
	struct img next;

	if (!builder)
		die("no memory");
	img_extents(img);
	img_new(&next, r->name, r->bytes);
	img_copy(&next, img);
	must(lnkfs_volume_open(&v, next.path, LNKFS_DEV_WRITE, &why), "open");
	begin(builder, &v);
	later();
	must(lnkfs_build_end(b), "files");
	end(&v, false);
	img_extents(&next);
	log_write(img->path, &next);
	img_close(&next);
	free(builder);
	free(img->ext);
	img->ext = NULL;
	img->nr_ext = 0;
}

/**
 * recipe_make() - make a sound volume
 * @r: recipe
 * @img: gets it, in memory; its extents are known
 */
void recipe_make(const struct recipe *r, struct img *img)
{
	struct lnkfs_format f = {
		.block_bits = r->bits,
		.fast_symlink_max = r->fast_max,
		.fast_commit = r->fast ? LNKFS_FAST_ALWAYS : 0,
		.label = "a label",
		.uuid = "user's own uuid",
		.meta_uuid = "its metadata uid",
		.hash_seed = "hash seed of it.",
		.now = NOW,
	};
	struct lnkfs_builder *builder = malloc(sizeof(*builder));
	struct lnkfs_volume v = { .quiet = true };
	const char *why;

	if (!builder)
		die("no memory");
	img_new(img, r->name, r->bytes);
	lnkfs_random_state = 4711 + r->bits;
	clock_at = 0;
	must(lnkfs_dev_open(&v.dev, img->path, LNKFS_DEV_WRITE), "open");
	must(lnkfs_format_volume(&v, &f, &why), "format");
	begin(builder, &v);
	r->build(&v);
	must(lnkfs_build_end(b), "files");
	free(builder);
	if (r->quota)
		quota_files(&v);
	end(&v, !r->logged);
	if (r->logged)
		log_later(r, img);
	img_extents(img);
}
