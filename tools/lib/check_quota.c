// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's pass over the quota files: usage is computed anew from the
 * inodes and compared with what the files say, and every block of a file must
 * have its place in the file's tree or lists.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_priv.h"

#define TREE_ROOT	1

static const char *const type_names[LNKFS_QUOTA_TYPES] = { "user", "group", "project" };

/* ---- usage ---- */

/* Owners may have their lower bits in common: those of containers often do. */
static struct lnkfs_usage *usage_slot(struct lnkfs_usage *table, u32 size, u32 id)
{
	u32 hash = id * 2654435761u, i = (hash ^ hash >> 16) & (size - 1);

	while (table[i].inodes && table[i].id != id)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static int grow_usage(struct lnkfs_usages *u)
{
	u32 size = u->size ? u->size * 2 : 64;
	struct lnkfs_usage *table = calloc(size, sizeof(*table));
	u32 i;

	if (!table)
		return -ENOMEM;
	for (i = 0; i < u->size; i++)
		if (u->table[i].inodes)
			*usage_slot(table, size, u->table[i].id) = u->table[i];
	free(u->table);
	u->table = table;
	u->size = size;
	return 0;
}

static int add_usage(struct lnkfs_usages *u, u32 id, u64 space, u64 inodes)
{
	struct lnkfs_usage *slot;
	int err;

	if (u->used >= u->size / 2) {
		err = grow_usage(u);
		if (err)
			return err;
	}
	slot = usage_slot(u->table, u->size, id);
	u->used += !slot->inodes;
	slot->id = id;
	slot->inodes += inodes;
	slot->space += space;
	return 0;
}

/**
 * lnkfs_usages_add() - add usage to other usage
 * @to: the sum
 * @from: what is added
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_usages_add(struct lnkfs_usages *to, const struct lnkfs_usages *from)
{
	int err = 0;
	u32 i;

	for (i = 0; i < from->size && !err; i++)
		if (from->table[i].inodes)
			err = add_usage(to, from->table[i].id, from->table[i].space,
					from->table[i].inodes);
	return err;
}

/**
 * lnkfs_usage_find() - usage of an owner
 * @u: of which type
 * @id: the owner
 *
 * Return: it, or NULL when nothing is the owner's.
 */
struct lnkfs_usage *lnkfs_usage_find(const struct lnkfs_usages *u, u32 id)
{
	struct lnkfs_usage *slot = u->size ? usage_slot(u->table, u->size, id) : NULL;

	return slot && slot->inodes ? slot : NULL;
}

/**
 * lnkfs_fsck_charge() - count an inode for its owner, group and project
 * @c: check
 * @ci: the inode
 * @info: what is remembered of it
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_fsck_charge(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
		      struct lnkfs_cinfo *info)
{
	const u32 ids[LNKFS_QUOTA_TYPES] = { ci->uid, ci->gid, ci->projid };
	u32 type;
	int err = 0;

	if (lnkfs_super_has_quota_ino(&c->v->sb, ci->ino)) {
		info->flags |= CINFO_QUOTA;
		return 0;
	}
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (c->v->sb.s_quota_ino[type])
			err = add_usage(&c->usage[type], ids[type],
					ci->blocks << c->fs->block_bits, 1);
	return err;
}

/* ---- the files ---- */

/* What a quota block has been found to be. */
enum { QB_NONE, QB_TREE, QB_LEAF, QB_ROOM, QB_FREE };

/**
 * struct quota_walk - a quota file being looked at
 * @c: check
 * @ci: its inode
 * @type: LNKFS_QUOTA_*
 * @head: its head
 * @blocks: quota blocks in use
 * @kind: what each of them is, QB_*
 * @refs: entries that the tree names
 * @entries: entries that the leaves hold
 * @room: leaves with room for more
 */
struct quota_walk {
	struct lnkfs_fsck *c;
	struct lnkfs_cinode *ci;
	u32 type;
	struct lnkfs_quota_head head;
	u32 blocks;
	u8 *kind;
	u64 refs;
	u64 entries;
	u32 room;
};

union quota_data {
	__le32 ref[LNKFS_QUOTA_REFS];
	struct lnkfs_quota_leaf leaf;
	u8 bytes[LNKFS_QUOTA_BLOCK];
};

static void complain(struct quota_walk *w, u32 block, const char *what)
{
	lnkfs_problem(w->c, "%s quota file: block %u: %s", type_names[w->type], block, what);
}

static int read_block(struct quota_walk *w, u32 block, union quota_data *data)
{
	int ret;

	ret = lnkfs_quota_read(w->c->fs, w->ci, (u64)block * LNKFS_QUOTA_BLOCK, data,
			       LNKFS_QUOTA_BLOCK);
	if (ret == -ENOMEM)
		return ret;
	if (ret < 0)
		complain(w, block, strerror(-ret));
	return ret == LNKFS_QUOTA_BLOCK ? 0 : 1;
}

static const struct lnkfs_quota_entry *entry_at(const union quota_data *data, u32 i)
{
	return (const void *)(data->bytes + sizeof(data->leaf) +
			      i * sizeof(struct lnkfs_quota_entry));
}

static bool entry_used(const struct lnkfs_quota_entry *e)
{
	return memchr_inv(e, 0, sizeof(*e));
}

/* The first time that a leaf is met. */
static void check_leaf(struct quota_walk *w, u32 block, const union quota_data *data)
{
	u32 i, used = 0;

	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++)
		used += entry_used(entry_at(data, i));
	if (data->leaf.l_pad0 || data->leaf.l_pad1)
		complain(w, block, "padding in use");
	if (le16_to_cpu(data->leaf.l_entries) != used)
		complain(w, block, "wrong number of entries");
	w->entries += used;
	w->room += used < LNKFS_QUOTA_ENTRIES;
	w->kind[block] = used < LNKFS_QUOTA_ENTRIES ? QB_ROOM : QB_LEAF;
}

static void check_entry(struct quota_walk *w, const struct lnkfs_quota_entry *e)
{
	struct lnkfs_usages *u = &w->c->usage[w->type];
	u32 id = le32_to_cpu(e->q_id);
	struct lnkfs_usage none = { 0 }, *have = lnkfs_usage_find(u, id);

	if (have)
		have->seen = true;
	else
		have = &none;
	if (e->q_pad)
		lnkfs_problem(w->c, "%s quota file: ID %u: padding in use",
			      type_names[w->type], id);
	if (le64_to_cpu(e->q_space) != have->space || le64_to_cpu(e->q_inodes) != have->inodes)
		lnkfs_problem_safe(w->c, "%s %u has %" PRIu64 " bytes in %" PRIu64
			      " inodes, the quota file says %" PRIu64 " in %" PRIu64,
			      type_names[w->type], id, have->space, have->inodes,
			      le64_to_cpu(e->q_space), le64_to_cpu(e->q_inodes));
}

/* The tree says that @block holds the entry of @id. */
static int check_ref(struct quota_walk *w, u32 block, u32 id)
{
	const struct lnkfs_quota_entry *e;
	union quota_data data;
	u32 i;
	int err;

	if (block <= TREE_ROOT || block >= w->blocks || w->kind[block] == QB_TREE) {
		complain(w, block, "no leaf can be there");
		return 0;
	}
	err = read_block(w, block, &data);
	if (err)
		return err < 0 ? err : 0;
	if (w->kind[block] == QB_NONE)
		check_leaf(w, block, &data);
	w->refs++;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++) {
		e = entry_at(&data, i);
		if (entry_used(e) && le32_to_cpu(e->q_id) == id) {
			check_entry(w, e);
			return 0;
		}
	}
	lnkfs_problem(w->c, "%s quota file: no entry of ID %u in block %u",
		      type_names[w->type], id, block);
	return 0;
}

static int check_tree(struct quota_walk *w, u32 block, u32 level, u32 prefix)
{
	union quota_data data;
	u32 i, ref;
	int err;

	if (block < TREE_ROOT || block >= w->blocks || w->kind[block] != QB_NONE) {
		complain(w, block, "no part of the tree can be there");
		return 0;
	}
	w->kind[block] = QB_TREE;
	err = read_block(w, block, &data);
	for (i = 0; i < LNKFS_QUOTA_REFS && !err; i++) {
		ref = le32_to_cpu(data.ref[i]);
		if (!ref)
			continue;
		if (level + 1 < LNKFS_QUOTA_LEVELS)
			err = check_tree(w, ref, level + 1, prefix << 8 | i);
		else
			err = check_ref(w, ref, prefix << 8 | i);
	}
	return err < 0 ? err : 0;
}

/* Follow a list of blocks of one kind, which become another. */
static int check_list(struct quota_walk *w, u32 block, u8 from, u8 to, const char *what,
		      u32 *count)
{
	union quota_data data;
	u32 prev = 0;
	int err;

	*count = 0;
	while (block) {
		if (block <= TREE_ROOT || block >= w->blocks || w->kind[block] != from) {
			complain(w, block, what);
			return 0;
		}
		w->kind[block] = to;
		++*count;
		err = read_block(w, block, &data);
		if (err)
			return err < 0 ? err : 0;
		if (from == QB_ROOM && le32_to_cpu(data.leaf.l_prev) != prev)
			complain(w, block, "list of leaves: wrong way back");
		prev = block;
		block = le32_to_cpu(data.leaf.l_next);
	}
	return 0;
}

static int check_blocks(struct quota_walk *w)
{
	u32 count, block;
	int err;

	err = check_tree(w, TREE_ROOT, 0, 0);
	if (!err)
		err = check_list(w, le32_to_cpu(w->head.f_free_block), QB_NONE, QB_FREE,
				 "no free block can be there", &count);
	if (!err)
		err = check_list(w, le32_to_cpu(w->head.f_free_entry), QB_ROOM, QB_LEAF,
				 "no leaf with room can be there", &count);
	if (err)
		return err;
	if (count != w->room)
		lnkfs_problem(w->c, "%s quota file: %u leaves have room, %u are in the list",
			      type_names[w->type], w->room, count);
	if (w->refs != w->entries)
		lnkfs_problem(w->c, "%s quota file: %" PRIu64 " entries, the tree has %" PRIu64,
			      type_names[w->type], w->entries, w->refs);
	for (block = TREE_ROOT; block < w->blocks; block++)
		if (w->kind[block] == QB_NONE)
			complain(w, block, "is lost");
	return 0;
}

static void check_missing(struct quota_walk *w)
{
	const struct lnkfs_usages *u = &w->c->usage[w->type];
	u32 i;

	for (i = 0; i < u->size; i++)
		if (u->table[i].inodes && !u->table[i].seen)
			lnkfs_problem_safe(w->c, "%s %u is missing in the quota file",
				      type_names[w->type], u->table[i].id);
}

static const char *head_problem(const struct quota_walk *w)
{
	static const u32 magics[LNKFS_QUOTA_TYPES] = LNKFS_QUOTA_MAGICS;
	u64 room = lnkfs_quota_bytes(w->c->fs, w->ci) / LNKFS_QUOTA_BLOCK;

	if (le32_to_cpu(w->head.f_magic) != magics[w->type])
		return "bad magic number";
	if (le32_to_cpu(w->head.f_version) != LNKFS_QUOTA_VERSION || w->head.f_flags)
		return "unknown version or flags";
	if (w->blocks <= TREE_ROOT || w->blocks > room)
		return "impossible number of blocks";
	return NULL;
}

/* The heads of the file's blocks, of which the quota code sees nothing. */
static int check_heads(struct lnkfs_fsck *c, u32 type, struct lnkfs_cinode *ci)
{
	const struct lnkfs_quota_block *qb;
	struct lnkfs_ext ext;
	lnkfs_buf *buf;
	u64 lblk;
	int err;

	for (lblk = 0; lblk < ci->size >> c->fs->block_bits; lblk++) {
		err = lnkfs_ext_lookup(c->fs, ci, lblk, &ext);
		if (!err && !(ext.flags & (LNKFS_EXT_HOLE | LNKFS_EXT_UNWRITTEN)))
			err = lnkfs_bread(c->fs, ext.block + (lblk - ext.lblk), LNKFS_B_QUOTA,
					  ci->ino, ci->gen, &buf);
		else
			err = err ? err : -EFSCORRUPTED;
		if (err == -ENOMEM)
			return err;
		if (err)
			continue;
		qb = lnkfs_bdata(buf);
		if (qb->q_header.h_pad || memchr_inv(qb->q_pad, 0, sizeof(qb->q_pad)))
			lnkfs_problem(c, "%s quota file: padding of block %" PRIu64 " in use",
				      type_names[type], lblk);
		lnkfs_bput(buf);
	}
	return 0;
}

static int check_file(struct lnkfs_fsck *c, u32 type, struct lnkfs_cinode *ci)
{
	struct quota_walk w = { .c = c, .ci = ci, .type = type };
	const char *why;
	int ret;

	ret = lnkfs_quota_read(c->fs, ci, 0, &w.head, sizeof(w.head));
	if (ret == -ENOMEM)
		return ret;
	w.blocks = le32_to_cpu(w.head.f_blocks);
	why = ret == (int)sizeof(w.head) ? head_problem(&w) : "cannot be read";
	if (why) {
		lnkfs_problem(c, "%s quota file: %s", type_names[type], why);
		return 0;
	}
	ret = check_heads(c, type, ci);
	if (ret)
		return ret;
	w.kind = calloc(w.blocks, 1);
	if (!w.kind)
		return -ENOMEM;
	ret = check_blocks(&w);
	if (!ret)
		check_missing(&w);
	free(w.kind);
	return ret;
}

/**
 * lnkfs_fsck_quota() - check the quota files
 * @c: check, after lnkfs_fsck_inodes()
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_quota(struct lnkfs_fsck *c)
{
	u32 type;
	int err = 0;

	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++) {
		u64 ino = le64_to_cpu(c->v->sb.s_quota_ino[type]);
		struct lnkfs_cinode ci = { .area = c->area };

		if (!ino)
			continue;
		err = lnkfs_inode_load(c->fs, ino, 0, &ci);
		if (!err && (ci.fork != LNKFS_FORK_EXTENTS || ci.nlink != 1 ||
			     ci.size & (c->fs->block_size - 1) ||
			     ci.size >> c->fs->block_bits > ci.blocks))
			err = -EFSCORRUPTED;
		if (!err)
			err = check_file(c, type, &ci);
		else if (err != -ENOMEM)
			lnkfs_problem(c, "%s quota file, inode %" PRIu64 ": %s",
				      type_names[type], ino, strerror(-err));
		if (err != -ENOMEM)
			err = 0;
	}
	return err;
}

/**
 * lnkfs_fsck_quota_free() - free what the pass remembered
 * @c: check
 */
void lnkfs_fsck_quota_free(struct lnkfs_fsck *c)
{
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		free(c->usage[type].table);
}
