// SPDX-License-Identifier: GPL-2.0
/*
 * What back references are good for when directories are damaged, and making them
 * anew at last.
 *
 * Users write what they like into files, and could write there what a directory's
 * block would be. So a block that no directory leads to, or whose header is damaged,
 * proves nothing. An inode whose record says that a name of it stands in just this
 * directory and position does: its record is where the map of inode blocks says, and
 * no user writes there. The hash of the name, which depends on a key that users do not
 * know, says that the name is the one that stood there.
 *
 * A directory whose record is lost, and that such blocks are of, is made anew, with
 * its number, by which entries elsewhere name it. Its record is one that the checker
 * finds damaged until it has its names back, so that an interrupted repair goes on.
 * Whose it was is not known: it is root's alone.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "format.h"
#include "names_rebuild.h"
#include "repair_priv.h"

/* ---- references to damaged directories ---- */

static bool is_damaged(const struct lnkfs_repair *r, u64 ino)
{
	const struct lnkfs_rinode *dir = lnkfs_rinode_find(r, ino);

	return !dir || (S_ISDIR(dir->mode) && dir->flags & RI_FORK);
}

static int note_ref(struct lnkfs_repair *r, u64 dir, u64 pos, u64 ino)
{
	const struct lnkfs_rinode *info = lnkfs_rinode_find(r, ino);

	if (!info || info->flags & RI_DOUBT || !is_damaged(r, dir))
		return 0;
	if (r->nr_refs == r->max_refs) {
		u64 max = r->max_refs ? 2 * r->max_refs : 64;
		struct lnkfs_backref *refs = realloc(r->refs, max * sizeof(*refs));

		if (!refs)
			return -ENOMEM;
		r->refs = refs;
		r->max_refs = max;
	}
	r->refs[r->nr_refs++] = (struct lnkfs_backref){ dir, pos, ino };
	return 0;
}

/**
 * struct tree_records - the records of a group's tree
 * @r: repair
 * @group: group
 */
struct tree_records {
	struct lnkfs_repair *r;
	u32 group;
};

static int note_record(void *arg, u64 key, const void *value)
{
	struct tree_records *t = arg;
	struct lnkfs_ref ref;
	u64 ino;

	lnkfs_names_decode(t->r->fs, t->group, key, get_unaligned_le64(value), &ino, &ref);
	return note_ref(t->r, ref.dir, ref.pos, ino);
}

/* Where the descriptor says that the root is; 0: nowhere. */
static int read_root(struct lnkfs_repair *r, u32 group, void *data, u64 *root)
{
	u32 first = group - group % r->fs->desc_per_block;
	const struct lnkfs_gdesc_block *gb = data;
	u64 block = lnkfs_gdesc_block(r->fs, group);
	int err = lnkfs_read_raw(r, block, data);

	*root = 0;
	if (!err && !lnkfs_verify_block(r->fs, data, LNKFS_B_GDESC, block, first, 0))
		*root = le64_to_cpu(gb->d_desc[group - first].bg_names);
	return err;
}

/* A tree without damage stays until all are made anew; another is forgotten. */
static int keep_tree(struct lnkfs_repair *r, u32 group, u64 root)
{
	struct tree_records t = { r, group };
	u64 nr = r->nr_refs, i;
	bool bad;
	int err;

	r->claims.nr = 0;
	err = lnkfs_fsck_backref_tree(r->c, group, root, note_record, &t, &bad);
	for (i = 0; i < r->claims.nr; i++)
		bad |= lnkfs_is_meta(r, r->claims.list[i].block);
	if (err || bad) {
		r->nr_refs = nr;
		return err;
	}
	for (i = 0; i < r->claims.nr && !err; i++)
		err = lnkfs_commit_meta(r, r->claims.list[i].block);
	r->group[group].names = root;
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct lnkfs_backref *x = a, *y = b;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static int collect_refs(struct lnkfs_repair *r)
{
	void *data = malloc(r->fs->block_size);
	int err = data ? 0 : -ENOMEM;
	u64 root, i;
	u32 group;

	for (i = 0; i < r->nr && !err; i++)
		if (r->inodes[i].pos)
			err = note_ref(r, r->inodes[i].parent, (u64)r->inodes[i].pos * 8,
				       r->inodes[i].ino);
	for (group = 0; group < r->fs->groups && !err; group++) {
		err = read_root(r, group, data, &root);
		if (!err && root)
			err = keep_tree(r, group, root);
	}
	free(data);
	if (r->nr_refs)
		qsort(r->refs, r->nr_refs, sizeof(*r->refs), by_place);
	return err;
}

/* The first reference at or behind a place. */
static u64 find_ref(const struct lnkfs_repair *r, u64 dir, u64 pos)
{
	const struct lnkfs_backref key = { .dir = dir, .pos = pos };
	u64 low = 0, high = r->nr_refs;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (by_place(&r->refs[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool ref_at(const struct lnkfs_repair *r, u64 i, u64 dir, u64 pos)
{
	return i < r->nr_refs && r->refs[i].dir == dir && r->refs[i].pos == pos;
}

/**
 * lnkfs_backref_stands() - does an inode say that a name of it stands there?
 * @r: repair
 * @dir: directory, a damaged one
 * @pos: position in it
 * @ino: the inode
 */
bool lnkfs_backref_stands(const struct lnkfs_repair *r, u64 dir, u64 pos, u64 ino)
{
	u64 i;

	for (i = find_ref(r, dir, pos); ref_at(r, i, dir, pos); i++)
		if (r->refs[i].ino == ino)
			return true;
	return false;
}

/**
 * lnkfs_backref_ino() - which inode says that a name of it stands there?
 * @r: repair
 * @dir: directory, a damaged one
 * @pos: position in it
 *
 * Return: its number; 0: there is none, or more than one.
 */
u64 lnkfs_backref_ino(const struct lnkfs_repair *r, u64 dir, u64 pos)
{
	u64 i = find_ref(r, dir, pos);

	return ref_at(r, i, dir, pos) && !ref_at(r, i + 1, dir, pos) ? r->refs[i].ino : 0;
}

/* ---- stray blocks ---- */

static int is_entry(void *ctx, const struct lnkfs_name *name)
{
	(void)ctx;
	(void)name;
	return 1;
}

/* Does an inode say that a name of it is in this block? */
static bool is_proven(struct lnkfs_repair *r, u64 dir, u64 lblk, const void *data)
{
	const struct lnkfs_dir_block *db = data;
	const struct lnkfs_run run = {
		.dir = dir,
		.pos = (lblk << r->fs->block_bits) + sizeof(*db),
		.data = db->b_entries,
		.len = r->fs->block_size - (u32)sizeof(*db),
		.stray = true,
	};

	return lnkfs_dir_run(r, &run, is_entry, NULL);
}

static int add_stray(struct lnkfs_repair *r, u64 dir, u64 lblk, u64 block)
{
	if (r->nr_strays == r->max_strays) {
		u64 max = r->max_strays ? 2 * r->max_strays : 64;
		struct lnkfs_stray *strays = realloc(r->strays, max * sizeof(*strays));

		if (!strays)
			return -ENOMEM;
		r->strays = strays;
		r->max_strays = max;
	}
	r->strays[r->nr_strays++] = (struct lnkfs_stray){ dir, lblk, block, false };
	return lnkfs_commit_meta(r, block);
}

/* Blocks in use that nobody owns and that are sound, but for that. */
static int look_in_group(struct lnkfs_repair *r, u32 group, struct lnkfs_map_block *map,
			 struct lnkfs_dir_block *db)
{
	u64 bitmap = lnkfs_group_map_block(r->fs, group, LNKFS_B_BITMAP);
	u64 first = lnkfs_group_first(r->fs, group), block, dir;
	u32 off, size = lnkfs_group_size(r->fs, group);
	int err = lnkfs_read_raw(r, bitmap, map);

	if (err || lnkfs_verify_block(r->fs, map, LNKFS_B_BITMAP, bitmap, group, 0))
		return err;
	for (off = lnkfs_group_overhead(r->fs, group); off < size && !err; off++) {
		block = first + off;
		if (!lnkfs_test_bit(off, map->m_bits) || !lnkfs_is_nobodys(r, block))
			continue;
		err = lnkfs_read_raw(r, block, db);
		if (err || lnkfs_verify_block(r->fs, db, LNKFS_B_DIR, block, LNKFS_ANY_OWNER, 0))
			continue;
		dir = le64_to_cpu(db->b_header.h_owner);
		if (is_proven(r, dir, le32_to_cpu(db->b_index), db))
			err = add_stray(r, dir, le32_to_cpu(db->b_index), block);
	}
	return err;
}

/* Blocks that a damaged directory leads to, and that do not say that they are its own. */
static int look_in_map(struct lnkfs_repair *r, const struct lnkfs_rinode *info, void *data)
{
	struct lnkfs_node node = { .ci = { .area = node.area } };
	struct lnkfs_salvage s = { .r = r, .ci = &node.ci };
	u64 home = lnkfs_ino_block(r->fs, info->ino), block, i, n;
	struct lnkfs_extents list = {};
	int err = lnkfs_read_raw(r, home, data);

	if (err || lnkfs_inode_decode(r->fs, data, home, lnkfs_ino_slot(r->fs, info->ino),
				      &node.ci) || node.ci.fork != LNKFS_FORK_DIR_BLOCKS)
		return err;
	err = lnkfs_extents_salvage(&s, &list);
	for (i = 0; i < list.nr && !err; i++) {
		for (n = 0; n < list.x[i].len && !err; n++) {
			block = list.x[i].block + n;
			if (!lnkfs_is_nobodys(r, block))
				continue;
			err = lnkfs_read_raw(r, block, data);
			if (!err && is_proven(r, info->ino, list.x[i].lblk + n, data))
				err = add_stray(r, info->ino, list.x[i].lblk + n, block);
		}
	}
	lnkfs_extents_free(&list);
	lnkfs_salvage_end(&s);
	return err;
}

static int by_dir(const void *a, const void *b)
{
	const struct lnkfs_stray *x = a, *y = b;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	if (x->lblk != y->lblk)
		return x->lblk < y->lblk ? -1 : 1;
	return x->block < y->block ? -1 : x->block > y->block;
}

static int collect_strays(struct lnkfs_repair *r)
{
	void *map = malloc(r->fs->block_size), *data = malloc(r->fs->block_size);
	int err = map && data ? 0 : -ENOMEM;
	u32 group;
	u64 i;

	for (i = 0; i < r->nr && !err; i++)
		if (S_ISDIR(r->inodes[i].mode) && r->inodes[i].flags & RI_FORK &&
		    !(r->inodes[i].flags & (RI_GONE | RI_DOUBT)))
			err = look_in_map(r, &r->inodes[i], data);
	for (group = 0; group < r->fs->groups && !err; group++)
		err = look_in_group(r, group, map, data);
	free(data);
	free(map);
	if (r->nr_strays)
		qsort(r->strays, r->nr_strays, sizeof(*r->strays), by_dir);
	return err;
}

/**
 * lnkfs_strays_of() - stray blocks of a directory
 * @r: repair
 * @dir: its number
 * @first: set to the index of the first, in @r->strays
 *
 * Return: how many there are.
 */
u64 lnkfs_strays_of(const struct lnkfs_repair *r, u64 dir, u64 *first)
{
	u64 low = 0, high = r->nr_strays, nr = 0;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (r->strays[mid].dir < dir)
			low = mid + 1;
		else
			high = mid;
	}
	*first = low;
	while (low + nr < r->nr_strays && r->strays[low + nr].dir == dir)
		nr++;
	return nr;
}

/* ---- directories without a record ---- */

/* The block of an inode, as it is to be: one that the map knows, or did until now. */
static int read_home(struct lnkfs_repair *r, u64 block, u8 *data, bool *usable)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u64 at = lnkfs_group_map_block(r->fs, group, LNKFS_B_IMAP);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));
	const struct lnkfs_map_block *map = (void *)data;
	struct lnkfs_rgroup *g = &r->group[group];
	int err;

	*usable = true;
	if (g->imap && lnkfs_test_bit(off, g->imap))
		return lnkfs_read_raw(r, block, data);
	*usable = false;
	if (!lnkfs_is_nobodys(r, block))
		return 0;
	err = lnkfs_read_raw(r, at, data);
	if (err || lnkfs_verify_block(r->fs, data, LNKFS_B_IMAP, at, group, 0) ||
	    !lnkfs_test_bit(off, map->m_bits))
		return err;
	*usable = true;
	lnkfs_free_slots(data, 0, 1u << r->fs->slot_bits);
	return lnkfs_group_mark(r, &g->imap, off);
}

/* A record in free slots, of a directory that has a size, but no blocks. */
static void encode_dir(struct lnkfs_repair *r, struct lnkfs_cinode *ci, u8 *data, u32 slots)
{
	const u32 ext_len = sizeof(struct lnkfs_btree_root) + 2 * (8 + sizeof(struct lnkfs_extent));
	const struct lnkfs_format f = { .now = lnkfs_now() };
	u32 slot = lnkfs_ino_slot(r->fs, ci->ino), i;
	bool root = ci->ino == r->fs->root_ino;
	struct lnkfs_dir_fork *df = (void *)ci->area;
	struct lnkfs_btree_root *bt;
	struct lnkfs_slot *sl;

	lnkfs_format_inode(&f, ci, S_IFDIR | (root ? 0755 : 0700), (u8)slots, 2);
	ci->parent = r->fs->root_ino;
	ci->size = r->fs->block_size;
	ci->fork = LNKFS_FORK_DIR_BLOCKS;
	ci->fork_len = (u16)round_down(ci->area_len, 8u);
	df->f_ext_len = cpu_to_le16(ext_len);
	df->f_idx_len = cpu_to_le16((u16)(ci->fork_len - sizeof(*df) - ext_len));
	bt = (void *)(ci->area + sizeof(*df));
	bt->bt_vsize = sizeof(struct lnkfs_extent);
	bt->bt_tree = LNKFS_TREE_EXTENT;
	bt = (void *)(ci->area + sizeof(*df) + ext_len);
	bt->bt_tree = LNKFS_TREE_DIR;
	for (i = 0; i < slots; i++) {
		sl = (void *)(data + (slot + i) * LNKFS_SLOT_SIZE);
		memset(sl, 0, LNKFS_SLOT_SIZE);
		sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
		sl->sl_type = i ? LNKFS_SLOT_CONT : LNKFS_SLOT_HEAD;
		sl->sl_count = (u8)(i ? i : slots);
	}
	lnkfs_inode_encode(ci, data, slot);
}

static bool is_free(const u8 *data, u32 slot)
{
	const struct lnkfs_slot *sl = (const void *)(data + slot * LNKFS_SLOT_SIZE);

	return sl->sl_type == LNKFS_SLOT_FREE;
}

static int make_dir(struct lnkfs_repair *r, u64 ino, u64 strays, u8 *data)
{
	u64 block = lnkfs_ino_block(r->fs, ino);
	u32 slot = lnkfs_ino_slot(r->fs, ino), slots = 1;
	struct lnkfs_node node = { .ci = { .ino = ino, .area = node.area } };
	bool usable;
	int err;

	err = read_home(r, block, data, &usable);
	if (err || !usable || !is_free(data, slot))
		return err;
	if (slot + 1 < 1u << r->fs->slot_bits && is_free(data, slot + 1))
		slots++;
	encode_dir(r, &node.ci, data, slots);
	lnkfs_seal_block(r->fs, data, LNKFS_B_INODE, block);
	err = lnkfs_dev_write(&r->v->dev, block << r->fs->block_bits, data, r->fs->block_size);
	if (!err)
		err = lnkfs_rinode_enter(r, &node.ci);
	if (err)
		return err;
	lnkfs_rinode_find(r, ino)->flags |= RI_FORK | RI_MADE;
	lnkfs_fixed(r, "directory %" PRIu64 ": record lost, but %" PRIu64
		    " of its blocks found: made anew, root's alone", ino, strays);
	return 0;
}

/* Nothing can be done with a block: another inode has the number of its directory. */
static void forget_stray(struct lnkfs_repair *r, u64 block)
{
	u32 group = lnkfs_group_of(r->fs, block);

	lnkfs_clear_bit((u32)(block - lnkfs_group_first(r->fs, group)), r->group[group].meta);
}

/* Directories that have stray blocks, but no record. */
static int make_dirs(struct lnkfs_repair *r)
{
	u8 *data = calloc(1, r->fs->block_size);
	int err = data ? 0 : -ENOMEM;
	u64 i, nr, first;

	for (i = 0; i < r->nr_strays && !err; i += nr) {
		u64 ino = r->strays[i].dir;

		nr = lnkfs_strays_of(r, ino, &first);
		if (lnkfs_rinode_find(r, ino))
			continue;
		if (lnkfs_ino_valid(r->fs, ino))
			err = make_dir(r, ino, nr, data);
		if (lnkfs_rinode_find(r, ino))
			continue;
		for (; first < i + nr; first++)
			forget_stray(r, r->strays[first].block);
	}
	free(data);
	return err;
}

/**
 * lnkfs_repair_strays() - find blocks of directories by the back references
 * @r: repair; inodes have been told from what looks like them, and asked what they own
 *
 * Sound trees of back references are claimed. From then on damaged directories are
 * listed with what back references prove.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_strays(struct lnkfs_repair *r)
{
	int err;

	if (!r->fs->backref)
		return 0;
	err = collect_refs(r);
	if (err || !r->nr_refs)
		return err;
	err = collect_strays(r);
	return err ? err : make_dirs(r);
}

/* ---- making them anew ---- */

/* Is nothing wrong but back references? The checker knows. */
static int only_they_are_wrong(struct lnkfs_repair *r, bool *yes)
{
	struct lnkfs_fsck_result res;
	int err;

	*yes = false;
	err = lnkfs_repair_settle(r);
	if (!err)
		err = lnkfs_fsck_volume(r->v, NULL, NULL, &res);
	if (!err)
		*yes = res.backrefs && res.problems == res.backrefs;
	return err;
}

/**
 * lnkfs_repair_backrefs() - make the back references anew, if they are wrong
 * @r: repair; all else is in order, or for the next run
 *
 * Where there is no space for them they are switched off.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_backrefs(struct lnkfs_repair *r)
{
	bool wrong;
	int err;

	if (!r->fs->backref)
		return 0;
	err = only_they_are_wrong(r, &wrong);
	if (err || !wrong)
		return err;
	err = lnkfs_names_rebuild(r->v, NULL, NULL);
	if (r->fs->backref) {
		lnkfs_fixed(r, "back references made anew");
		return lnkfs_fatal(err);
	}
	lnkfs_fixed(r, "no space for back references: they are switched off");
	err = lnkfs_repair_settle(r);
	return err ? err : lnkfs_volume_write_super(r->v, true);
}
