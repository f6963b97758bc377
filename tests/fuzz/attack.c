// SPDX-License-Identifier: GPL-2.0
/*
 * What an attacker would do: structures that are sound, but lead where they must not.
 * Each function writes damages in the language of tests/fsck/apply.c.
 */
#include <inttypes.h>

#include "hostile.h"

#define MAX_CHAIN	14	/* a tree may have 12 levels above its leaves */

static const struct lnkfs_fs *fs_of(const struct volume *v)
{
	return &v->cat.vol.v.fs;
}

static u64 block_of(const struct volume *v, const struct object *o)
{
	return object_block(&v->cat, o);
}

static void set(FILE *f, const struct object *o, const char *field, u64 value)
{
	put_name(f, o);
	fprintf(f, ".%s=%" PRIu64 "; ", field, value);
}

static void copy_block(FILE *f, const struct object *from, const struct object *to)
{
	fputs("copyblock ", f);
	put_name(f, from);
	fputc(' ', f);
	put_name(f, to);
	fputs("; ", f);
}

static u64 get(const struct volume *v, const struct object *o, const char *field)
{
	const struct field *fd;

	for (fd = o->kind->fields; fd->name; fd++)
		if (!strcmp(fd->name, field))
			return field_get(&v->cat, o, fd);
	die("a %s has no field %s", o->kind->name, field);
}

/* Any of these kinds, or NULL. */
static const struct object *pick_one_of(const struct volume *v, const enum kind_nr *list, u32 nr)
{
	u32 from = chance(nr), i;

	for (i = 0; i < nr; i++) {
		const struct object *o = pick_kind(v, list[(from + i) % nr]);

		if (o)
			return o;
	}
	return NULL;
}

static const struct object *find(const struct volume *v, enum kind_nr kind, u64 ino, u64 num)
{
	u32 i;

	for (i = 0; i < v->cat.nr; i++) {
		const struct object *o = &v->cat.obj[i];

		if (o->kind == &kinds[kind] && o->ino == ino && o->num == num)
			return o;
	}
	return NULL;
}

static const struct object *spare(const struct volume *v, u32 n)
{
	return find(v, K_SPARE, 0, n);
}

/* A block that something stands in, or none that there is. */
static u64 some_block(const struct volume *v)
{
	switch (chance(8)) {
	case 0:
		return 0;
	case 1:
		return fs_of(v)->blocks - 1 + chance(3);
	case 2:
		return fs_of(v)->journal_start + chance(fs_of(v)->journal_blocks + 1);
	case 3:
		return lnkfs_group_first(fs_of(v), chance(fs_of(v)->groups)) + chance(8);
	default:
		return block_of(v, pick(v));
	}
}

static u64 extreme(void)
{
	static const u64 values[] = { 0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000,
				      0xffffffff, 0x100000000, 1ULL << 47, 1ULL << 48,
				      LNKFS_MAX_FILE_SIZE, LNKFS_MAX_FILE_SIZE + 1,
				      0x7fffffffffffffff, 1ULL << 63, ~0ULL, ~0ULL - 4095 };

	return values[chance(ARRAY_SIZE(values))];
}

/* ---- trees ---- */

static const struct {
	enum kind_nr root, node, idx;
	u32 vsize, tree;
} trees[] = {
	{ K_EXTROOT, K_EXTNODE, K_EXTIDX, 16, LNKFS_TREE_EXTENT },
	{ K_IDXROOT, K_IDXNODE, K_IDXIDX, 0, LNKFS_TREE_DIR },
	{ K_XROOT, K_XNODE, K_XIDX, 8, LNKFS_TREE_XATTR },
};

/* A node leads to itself, to one above it, or to another one of its tree. */
static void tree_loop(FILE *f, const struct volume *v)
{
	u32 t = chance(ARRAY_SIZE(trees)), i;
	const struct object *idx = NULL, *node;

	for (i = 0; i < ARRAY_SIZE(trees) && !idx; i++, t++)
		idx = pick_kind(v, trees[t % ARRAY_SIZE(trees)].idx);
	if (!idx)
		return;
	t = (t - 1) % ARRAY_SIZE(trees);
	node = find(v, trees[t].node, idx->ino, chance(4));
	set(f, idx, "child", node ? block_of(v, node) : some_block(v));
	if (node && chance(2))
		set(f, node, "n_level", chance(4));
	if (chance(2))
		set(f, idx, "key", extreme());
}

/* What a leaf at the end of a chain says. */
static void chain_leaf(FILE *f, const struct volume *v, const struct object *leaf, u32 t)
{
	u32 nr = 1 + chance(3), size = 8 + trees[t].vsize, i;

	set(f, leaf, "n_count", nr);
	for (i = 0; i < nr; i++) {
		put_name(f, leaf);
		fprintf(f, ".raw:%u:8=%u; ", 64 + i * size, i * 10);
		if (!trees[t].vsize)
			continue;
		put_name(f, leaf);
		fprintf(f, ".raw:%u:8=%" PRIu64 "; ", 72 + i * size, some_block(v));
		if (trees[t].vsize < 16)
			continue;
		put_name(f, leaf);
		fprintf(f, ".raw:%u:8=%u; ", 80 + i * size, 1 + chance(9));
	}
}

/* Chain: a root with many levels, of nodes that are all right by themselves. */
static void tree_chain(FILE *f, const struct volume *v)
{
	u32 t = chance(2), depth = 1 + chance(MAX_CHAIN), i, end;
	const struct object *root = pick_kind(v, trees[t].root), *from, *ino;
	static const enum kind_nr nodes[] = { K_EXTNODE, K_IDXNODE, K_XNODE, K_DIRBLK };

	from = pick_one_of(v, nodes, ARRAY_SIZE(nodes));
	ino = root ? find(v, K_INODE, root->ino, 0) : NULL;
	if (!root || !from || !ino)
		return;
	set(f, root, "bt_level", depth);
	set(f, root, "bt_count", 1);
	set(f, root, "raw:8:8", 0);
	set(f, root, "raw:16:8", block_of(v, spare(v, 0)));
	end = chance(2) ? depth : 1 + chance(depth);
	for (i = 0; i < end; i++) {
		const struct object *s = spare(v, i);

		copy_block(f, from, s);
		set(f, s, "h_magic", LNKFS_MAGIC_BTREE);
		set(f, s, "h_blocknr", block_of(v, s));
		set(f, s, "h_owner", root->ino);
		set(f, s, "h_gen", get(v, ino, "i_gen"));
		set(f, s, "raw:40:24", 0);
		set(f, s, "n_level", depth - 1 - i);
		set(f, s, "n_vsize", trees[t].vsize);
		set(f, s, "n_tree", trees[t].tree);
		if (i + 1 == depth) {
			chain_leaf(f, v, s, t);
			break;
		}
		set(f, s, "n_count", 1);
		set(f, s, "raw:64:8", 0);
		/* The last one of a chain that is too short leads back. */
		set(f, s, "raw:72:8", block_of(v, spare(v, i + 1 < end ? i + 1 : chance(end))));
	}
}

/* ---- blocks that two things claim ---- */

static void hostile_extent(FILE *f, const struct volume *v)
{
	const struct object *rec = pick_kind(v, K_EXTREC), *ino;

	if (!rec)
		return;
	set(f, rec, "x_block", some_block(v) - chance(3));
	if (chance(2))
		set(f, rec, "x_len", chance(2) ? 1 + chance(40) : extreme());
	if (chance(2))
		set(f, rec, "x_flags", chance(2));
	if (!chance(4))
		set(f, rec, "key", extreme());
	ino = find(v, K_INODE, rec->ino, 0);
	if (ino && chance(2))
		set(f, ino, "i_size", chance(2) ? extreme() : chance(1u << 20));
}

/* Two extents of a file, or two files, have the same blocks. */
static void shared_extent(FILE *f, const struct volume *v)
{
	const struct object *a = pick_kind(v, K_EXTREC), *b = pick_kind(v, K_EXTREC);

	if (!a)
		return;
	set(f, a, "x_block", get(v, b, "x_block"));
	set(f, a, "x_len", get(v, b, "x_len"));
	set(f, a, "x_flags", get(v, b, "x_flags"));
}

static void shared_value(FILE *f, const struct volume *v)
{
	static const enum kind_nr list[] = { K_XEXT, K_XREC, K_SLOWLINK };
	const struct object *o = pick_one_of(v, list, ARRAY_SIZE(list)), *ino;

	if (o && o->kind == &kinds[K_XEXT]) {
		set(f, o, "block", some_block(v));
		set(f, o, "len", chance(4) ? 1 + chance(4) : chance(65536));
	} else if (o && o->kind == &kinds[K_SLOWLINK]) {
		set(f, o, "l_block", some_block(v));
		if (chance(2))
			set(f, o, "l_blocks", chance(2) ? 1 + chance(5) : extreme());
	} else if (o) {
		set(f, o, "child", some_block(v));
	}
	if (chance(2))
		return;
	ino = pick_kind(v, K_INODE);
	set(f, ino, "i_xattr_lo", some_block(v));
	set(f, ino, "i_xattr_hi", chance(4) ? 0 : chance(65536));
}

/* ---- maps ---- */

static const struct object *map_of(const struct volume *v, enum kind_nr kind, u64 block)
{
	return find(v, kind, 0, lnkfs_group_of(fs_of(v), block));
}

static void set_bit(FILE *f, const struct volume *v, enum kind_nr kind, u64 block, u32 value)
{
	const struct object *map;

	if (block >= fs_of(v)->blocks)
		return;
	map = map_of(v, kind, block);
	if (!map)
		return;
	put_name(f, map);
	fprintf(f, ".bit:%" PRIu64 "=%u; ",
		block - lnkfs_group_first(fs_of(v), (u32)map->num), value);
}

/* Blocks that are in use are free. */
static void free_in_use(FILE *f, const struct volume *v)
{
	const struct lnkfs_fs *fs = fs_of(v);
	u32 nr = 1 + chance(6), i;

	if (chance(3)) {
		for (i = 0; i < nr; i++)
			set_bit(f, v, K_BITMAP, block_of(v, pick(v)), 0);
		return;
	}
	for (i = 0; i < fs->groups && i < 4; i++) {
		u32 from = lnkfs_group_overhead(fs, i) / 8 + 1;
		u32 to = lnkfs_group_size(fs, i) / 8;
		const struct object *map = find(v, K_BITMAP, 0, i);

		if (!map || from >= to)
			continue;
		put_name(f, map);
		fprintf(f, ".raw:%u:%u=%u; ", LNKFS_MAP_HEADER + from, to - from,
			chance(4) ? 0 : chance(256));
	}
}

static void wrong_maps(FILE *f, const struct volume *v)
{
	static const enum kind_nr list[] = { K_IMAP, K_FULLMAP, K_ORPHMAP, K_IMAP };
	u32 nr = 1 + chance(5), i;

	for (i = 0; i < nr; i++)
		set_bit(f, v, list[chance(ARRAY_SIZE(list))],
			chance(4) ? block_of(v, pick(v)) : chance((u32)fs_of(v)->blocks),
			chance(3) != 0);
}

/* Nodes of trees, that are in use, are free. */
static void free_nodes(FILE *f, const struct volume *v)
{
	static const enum kind_nr list[] = { K_EXTNODE, K_IDXNODE, K_XNODE, K_XLEAF, K_NAMENODE };
	u32 nr = 1 + chance(8), i;

	for (i = 0; i < nr; i++) {
		const struct object *o = pick_one_of(v, list, ARRAY_SIZE(list));

		if (o)
			set_bit(f, v, K_BITMAP, block_of(v, o), 0);
	}
}

/*
 * A block of the journal, or one that is free, has inodes, right in all they say, and the map
 * of inode blocks agrees. It may be the only one with a free slot.
 */
static void forged_inodes(FILE *f, const struct volume *v)
{
	const struct lnkfs_fs *fs = fs_of(v);
	const struct object *to = find(v, chance(3) ? K_LOGBLK : K_SPARE, 0, chance(SPARES));
	const struct object *from = pick_kind(v, K_INOBLK), *desc, *full;
	u64 block;
	u32 i;

	if (!to || !map_of(v, K_IMAP, block_of(v, to)))
		return;
	block = block_of(v, to);
	copy_block(f, from, to);
	for (i = 0; i < 1u << fs->slot_bits; i++) {
		u32 at = i * LNKFS_SLOT_SIZE;

		if (v->img.mem[from->at + at + offsetof(struct lnkfs_slot, sl_type)] !=
		    LNKFS_SLOT_HEAD)
			continue;
		put_name(f, to);
		fprintf(f, ".raw:%zu:8=%" PRIu64 "; ", at + offsetof(struct lnkfs_inode, i_ino),
			(block << fs->slot_bits) + i);
	}
	full = map_of(v, K_FULLMAP, block);
	if (full && chance(2)) {
		put_name(f, full);
		fprintf(f, ".raw:%u:%u=255; ", LNKFS_MAP_HEADER,
			lnkfs_group_size(fs, (u32)full->num) / 8);
	}
	set_bit(f, v, K_FULLMAP, block, 0);
	set_bit(f, v, K_IMAP, block, 1);
	if (!chance(3))
		set(f, pick_kind(v, K_DIRENT), "d_ino", block << fs->slot_bits);
	set_bit(f, v, K_BITMAP, block, chance(4) != 0);
	desc = find(v, K_GDESC, 0, lnkfs_group_of(fs, block));
	if (!desc || !chance(4))
		return;
	set(f, desc, "bg_inode_blocks", get(v, desc, "bg_inode_blocks") + 1);
	set(f, desc, "bg_free_slots", get(v, desc, "bg_free_slots") + 1);
}

/* Descriptors that say something else than the maps. */
static void wrong_desc(FILE *f, const struct volume *v)
{
	static const char *const counts[] = { "bg_free_blocks", "bg_inode_blocks",
					      "bg_free_slots", "bg_used_inodes",
					      "bg_used_dirs" };
	const struct object *o = find(v, K_GDESC, 0, chance(fs_of(v)->groups));
	u32 i;

	if (!o)
		return;
	set(f, o, "bg_flags", chance(8));
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (!chance(3))
			set(f, o, counts[i], chance(2) ? extreme() : chance(40000));
}

/* Inodes that recovery is told to remove or to cut, whatever they are. */
static void orphans(FILE *f, const struct volume *v)
{
	u32 nr = 1 + chance(4), i;

	for (i = 0; i < nr; i++) {
		const struct object *o = pick_kind(v, K_INODE);
		u64 block = block_of(v, o);
		const struct object *desc = find(v, K_GDESC, 0,
						 lnkfs_group_of(fs_of(v), block));

		if (chance(2))
			set(f, o, "i_nlink", 0);
		if (chance(2))
			set(f, o, "i_lflags", LNKFS_LF_TRUNCATING | chance(16));
		if (chance(2))
			set(f, o, "i_size", chance(2) ? chance(100000) : extreme());
		set_bit(f, v, K_ORPHMAP, block, 1);
		if (desc)
			set(f, desc, "bg_flags", LNKFS_BG_ORPHANS);
	}
}

/* ---- directories ---- */

/* A directory with two names, or inside itself; names of what is none. */
static void dir_loop(FILE *f, const struct volume *v)
{
	u32 nr = 1 + chance(3), i;

	for (i = 0; i < nr; i++) {
		const struct object *de = pick_kind(v, K_DIRENT);
		const struct object *ino = pick_kind(v, chance(2) ? K_INODE : K_DIRBLK);

		if (!ino)
			ino = pick_kind(v, K_INODE);
		set(f, de, "d_ino", chance(5) ? ino->ino :
		    (some_block(v) << fs_of(v)->slot_bits) + chance(16));
		if (chance(2))
			set(f, de, "d_type", chance(4) ? 4 : chance(16));
		if (!chance(4))
			set(f, ino, ino->kind == &kinds[K_INODE] ? "i_parent" : "b_index",
			    chance(2) ? de->ino : extreme());
	}
}

/* Lengths that lead to the end of a block, or past it. */
static void wrong_lengths(FILE *f, const struct volume *v)
{
	static const enum kind_nr list[] = { K_DIRENT, K_HOLE };
	const struct object *o = pick_one_of(v, list, ARRAY_SIZE(list)), *b;
	u32 bs = fs_of(v)->block_size;

	if (o)
		set(f, o, "d_rec_len", o->area ? chance(2048) : chance(3) ?
		    bs - (u32)(object_byte(o, 0) % bs) + 8 * chance(3) - 8 : chance(65536));
	if (o && chance(2))
		set(f, o, "d_name_len", chance(256));
	b = pick_kind(v, K_DIRBLK);
	if (b && chance(2)) {
		set(f, b, "b_hole", chance(65536));
		set(f, b, "b_count", chance(65536));
		set(f, b, "b_room", chance(16));
	}
}

/* ---- inodes ---- */

static void wrong_inode(FILE *f, const struct volume *v)
{
	static const u16 types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR,
				     S_IFBLK, 0 };
	const struct object *o = pick_kind(v, K_INODE);

	switch (chance(8)) {
	case 0:
		set(f, o, "i_mode", types[chance(ARRAY_SIZE(types))] | chance(4096));
		if (chance(2))
			set(f, o, "i_fork", chance(8));
		break;
	case 1:
		set(f, o, "i_size", extreme());
		break;
	case 2:
		set(f, o, "i_blocks", extreme());
		break;
	case 3:
		set(f, o, "i_fork_len", chance(2048));
		set(f, o, "i_xattr_len", chance(256));
		break;
	case 4:
		set(f, o, "i_nlink", chance(2) ? chance(4) : extreme());
		break;
	case 5:
		set(f, o, "i_flags", chance(2) ? 1ULL << chance(32) : extreme());
		set(f, o, "i_lflags", chance(2) ? chance(32) : extreme());
		break;
	case 6:
		set(f, o, "i_uid", extreme());
		set(f, o, "i_gid", extreme());
		set(f, o, "i_projid", extreme());
		break;
	default:
		set(f, o, "i_mtime", extreme());
		set(f, o, "i_atime", extreme());
		set(f, o, "i_version", extreme());
	}
}

/* ---- tracked links: they may lead to any inode that says that it is the one ---- */

static void wrong_link(FILE *f, const struct volume *v)
{
	const struct object *o = pick_kind(v, K_LINKATTR), *to = pick_kind(v, K_INODE);

	if (!o)
		return;
	if (!chance(4))
		to = find(v, K_INODE, chance(2) ? o->ino : fs_of(v)->root_ino, 0);
	if (to && chance(5)) {
		set(f, o, "la_ino", to->ino);
		set(f, o, "la_gen", get(v, to, "i_gen"));
		set(f, o, "la_flags", chance(2) ? 1 : 3);
	} else {
		set(f, o, "la_ino", chance(2) ? extreme() : chance64());
		set(f, o, "la_gen", 1 + chance(3));
	}
	if (!chance(3))
		set(f, o, "la_kind", chance(6));
	if (!chance(6))
		set(f, o, "la_flags", chance(256));
	/* A name without a directory, or an orphan. */
	if (to && !chance(5))
		set(f, to, "i_parent", chance(2) ? 0 : extreme());
	if (to && !chance(5))
		set(f, to, "i_nlink", 0);
}

/* ---- back references: names that stand elsewhere, or nowhere ---- */

/* The number of something, or none that there can be. */
static u64 some_ino_or_none(const struct volume *v)
{
	return chance(6) ? pick_kind(v, chance(2) ? K_INODE : K_DIRENT)->ino : extreme();
}

static void wrong_names(FILE *f, const struct volume *v)
{
	static const enum kind_nr nodes[] = { K_NAMENODE, K_NAMES };
	const struct object *o = pick_kind(v, K_INODE);
	const struct object *node = pick_one_of(v, nodes, ARRAY_SIZE(nodes));
	const struct object *rec = pick_kind(v, K_NAMEREC), *idx = pick_kind(v, K_NAMEIDX);
	const struct object *desc = find(v, K_GDESC, 0, chance(fs_of(v)->groups));

	if (chance(2)) {
		set(f, o, "i_parent", some_ino_or_none(v));
		if (chance(2))
			set(f, o, "i_parent_pos", chance(2) ? 8 * chance(64) : extreme());
		/* Two directories, each of which is in the other. */
		if (!chance(4))
			set(f, pick_kind(v, K_INODE), "i_parent", o->ino);
	}
	if (rec && chance(3)) {
		set(f, rec, "value", (u64)chance(20) << LNKFS_NAMES_DIR_BITS |
		    (some_ino_or_none(v) & ((1ULL << LNKFS_NAMES_DIR_BITS) - 1)));
		if (!chance(3))
			set(f, rec, "key", chance(2) ? extreme() :
			    (u64)chance(1u << 17) << LNKFS_NAMES_SHIFT | chance(1u << 31));
	}
	if (node && !chance(3)) {
		set(f, node, node->kind == &kinds[K_NAMES] ? "bt_level" : "n_level", chance(14));
		set(f, node, node->kind == &kinds[K_NAMES] ? "bt_count" : "n_count", chance(300));
	}
	if (idx && node && !chance(2))
		set(f, idx, "child", chance(3) ? block_of(v, node) : some_block(v));
	if (desc && !chance(4))
		set(f, desc, "bg_names", node && chance(2) ? block_of(v, node) : some_block(v));
}

/* ---- attributes that the kernel reads by itself ---- */

static void wrong_acl(FILE *f, const struct volume *v)
{
	const struct object *o = pick_kind(v, K_XATTR);
	u32 nr = 1 + chance(4), i;

	if (!o || has_blank(o))
		return;
	for (i = 0; i < nr; i++) {
		put_name(f, o);
		fprintf(f, ".raw:%u=%u; ", 8 + chance(o->len - 8), chance(256));
	}
	if (chance(2))
		set(f, o, "e_value_len", chance(2) ? chance(64) : extreme());
	if (chance(2))
		set(f, o, "e_space", 1 + chance(6));
	if (!chance(3) && o->len >= 48) {
		set(f, o, "e_space", LNKFS_XATTR_SECURITY);
		set(f, o, "e_name_len", 10);
		set(f, o, "e_value_len", 20 + 4 * chance(2));
		put_name(f, o);
		fputs(".raw:8=\"capability\"; ", f);
		set(f, o, "raw:18:4", (1 + chance(3)) << 24 | chance(2));
	}
}

/* ---- quota files ---- */

static void wrong_quota(FILE *f, const struct volume *v)
{
	static const enum kind_nr list[] = { K_QREF, K_QHEAD, K_QLEAF, K_QENT };
	const struct object *o = pick_one_of(v, list, ARRAY_SIZE(list));

	if (o && o->kind == &kinds[K_QREF]) {
		set(f, o, "ref", chance(3) ? chance(12) : extreme());
	} else if (o && o->kind == &kinds[K_QHEAD]) {
		set(f, o, "f_free_block", chance(12));
		set(f, o, "f_free_entry", chance(12));
		set(f, o, "f_blocks", chance(2) ? chance(12) : extreme());
	} else if (o && o->kind == &kinds[K_QLEAF]) {
		set(f, o, "l_next", chance(12));
		set(f, o, "l_prev", chance(12));
		set(f, o, "l_entries", chance(2) ? chance(16) : extreme());
	} else if (o) {
		set(f, o, "q_space", extreme());
		set(f, o, "q_inodes", extreme());
		set(f, o, "q_bhard", extreme());
	}
}

/* ---- the superblock, all of its copies the same ---- */

static void set_supers(FILE *f, const struct volume *v, const char *field, u64 value)
{
	u32 i;

	for (i = 0; i < v->cat.nr && v->cat.obj[i].kind == &kinds[K_SUPER]; i++)
		set(f, &v->cat.obj[i], field, value);
}

static u64 some_ino(const struct volume *v)
{
	return chance(5) ? pick_kind(v, K_INODE)->ino :
	       (some_block(v) << fs_of(v)->slot_bits) + chance(16);
}

static void wrong_super(FILE *f, const struct volume *v)
{
	static const char *const features[] = { "s_feature_compat", "s_feature_incompat",
						"s_feature_ro_compat" };
	static const char *const quota[] = { "s_quota_ino[0]", "s_quota_ino[1]",
					     "s_quota_ino[2]" };

	switch (chance(12)) {
	case 0:
		set_supers(f, v, features[chance(3)], chance(2) ? chance(8) : 1u << chance(31));
		break;
	case 1:
		set_supers(f, v, "s_blocks", chance(2) ? fs_of(v)->blocks + chance(20000) -
			   chance(10000) : extreme());
		break;
	case 2:
		set_supers(f, v, "s_root_ino", some_ino(v));
		break;
	case 3:
		set_supers(f, v, "s_journal_start", some_block(v));
		break;
	case 4:
		set_supers(f, v, "s_journal_blocks", chance(2) ? 1000 + chance(8000) : extreme());
		break;
	case 5:
	case 6:
		set_supers(f, v, "s_feature_ro_compat", LNKFS_RO_COMPAT_QUOTA);
		set_supers(f, v, quota[chance(3)], some_ino(v));
		set_supers(f, v, quota[chance(3)], some_ino(v));
		break;
	case 7:
		set_supers(f, v, "s_reserved_blocks", extreme());
		set_supers(f, v, "s_fc_blocks", extreme());
		break;
	case 8:
		set_supers(f, v, "s_max_links", extreme());
		set_supers(f, v, "s_fast_symlink_max", extreme());
		break;
	case 9:
		set_supers(f, v, "s_lpf_ino", some_ino(v));
		set_supers(f, v, "s_block_bits", chance(3) ? 10 + chance(3) : chance(256));
		break;
	case 10:
		set_supers(f, v, "s_hash_seed", chance(256));
		break;
	default:
		set_supers(f, v, "s_default_opts", chance(2) ? chance(64) : extreme());
		set_supers(f, v, "s_errors", chance(4));
		set_supers(f, v, "s_state", chance(4));
		set_supers(f, v, "s_error_count", extreme());
	}
}

static void wrong_journal(FILE *f, const struct volume *v)
{
	static const char *const fields[] = { "s_blocksize", "s_maxlen", "s_first", "s_sequence",
					      "s_start", "s_errno", "s_feature_compat",
					      "s_feature_incompat", "s_feature_ro_compat",
					      "s_nr_users", "h_blocktype" };
	const struct object *o = pick_kind(v, K_JOURNAL);
	u32 nr = 1 + chance(3), i;

	for (i = 0; o && i < nr; i++)
		set(f, o, fields[chance(ARRAY_SIZE(fields))],
		    chance(2) ? chance(64) : chance(2) ? chance(65536) : extreme());
}

/* The journal is on another device: this one, one that is not there, any loop device. */
static void elsewhere(FILE *f, const struct volume *v)
{
	set_supers(f, v, "s_feature_incompat", LNKFS_INCOMPAT_EXT_JOURNAL);
	set_supers(f, v, "s_journal_start", 0);
	set_supers(f, v, "s_journal_blocks", 0);
	set_supers(f, v, "s_journal_uuid", 1 + chance(255));
	set_supers(f, v, "s_journal_dev", chance(4) ? 0x700 + chance(8) : chance64());
}

/**
 * attack_put() - one attack
 * @f: gets damages
 * @v: the sound volume
 */
void attack_put(FILE *f, const struct volume *v)
{
	static void (*const attacks[])(FILE *f, const struct volume *v) = {
		tree_loop, tree_chain, tree_chain, hostile_extent, wrong_names,
		shared_extent, shared_value, free_in_use, free_in_use, wrong_maps, wrong_desc,
		orphans, orphans, dir_loop, dir_loop, wrong_lengths, wrong_inode, wrong_names,
		wrong_link, wrong_acl, wrong_quota, wrong_super, wrong_super, wrong_journal,
		elsewhere, forged_inodes, forged_inodes, free_nodes,
	};

	attacks[chance(ARRAY_SIZE(attacks))](f, v);
}
