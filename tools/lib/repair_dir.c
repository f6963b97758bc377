// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of one directory: the entries that can be read, in new blocks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "repair_priv.h"

typedef int (*name_actor)(void *ctx, const struct lnkfs_name *name);

/* ---- entries of a damaged run ---- */

/* Is there an entry at @off? @sure: what came before ended there. */
static bool entry_at(const struct lnkfs_fs *fs, const u8 *run, u32 len, u32 off, bool sure,
		     u8 *copy)
{
	struct lnkfs_dirent *de = (struct lnkfs_dirent *)copy;
	u32 need;

	if (len - off < sizeof(*de))
		return false;
	memcpy(copy, run + off, sizeof(*de));
	need = LNKFS_DIRENT_LEN(de->d_name_len);
	if (!de->d_name_len || need > len - off)
		return false;
	memcpy(copy, run + off, need);
	if ((!sure || le16_to_cpu(de->d_rec_len) != need) &&
	    le32_to_cpu(de->d_hash) != lnkfs_dir_hash(fs, (char *)de->d_name, de->d_name_len))
		return false;
	de->d_rec_len = cpu_to_le16((u16)need);
	de->d_hash = 0;
	memset(de->d_name + de->d_name_len, 0, need - sizeof(*de) - de->d_name_len);
	if (de->d_type > DT_SOCK)
		de->d_type = DT_UNKNOWN;
	return !lnkfs_dir_check_entries(copy, need);
}

static u32 hole_at(const u8 *run, u32 len, u32 off)
{
	const struct lnkfs_dirent *de = (const void *)(run + off);
	u32 rec = le16_to_cpu(de->d_rec_len);

	if (de->d_name_len || rec < 8 || rec % 8 || rec > len - off ||
	    memchr_inv(run + off + 8, 0, rec - 8))
		return 0;
	return rec;
}

static int walk_run(struct lnkfs_repair *r, const u8 *run, u32 len, name_actor actor, void *ctx)
{
	u8 copy[LNKFS_DIRENT_LEN(LNKFS_NAME_LEN)] __attribute__((aligned(8)));
	const struct lnkfs_dirent *de = (const void *)copy;
	bool sure = true;
	u32 off = 0, hole;
	int err = 0;

	while (off + 8 <= len && !err) {
		if (entry_at(r->fs, run, len, off, sure, copy)) {
			struct lnkfs_name name = {
				.ino = le64_to_cpu(de->d_ino),
				.type = de->d_type,
				.len = de->d_name_len,
				.name = (const char *)de->d_name,
			};

			err = actor(ctx, &name);
			off += le16_to_cpu(de->d_rec_len);
			sure = true;
			continue;
		}
		hole = sure ? hole_at(run, len, off) : 0;
		sure = hole;
		off += hole ? hole : 8;
	}
	return err;
}

/* ---- blocks of a damaged directory ---- */

/*
 * Call @actor, unless it is NULL, for the entries of every block that can be read.
 * Nodes of the extent map are noted in @s, directory blocks in @found.
 */
static int walk_blocks(struct lnkfs_repair *r, struct lnkfs_salvage *s,
		       struct lnkfs_salvage *found, name_actor actor, void *ctx)
{
	u8 *data = malloc(r->fs->block_size);
	struct lnkfs_extents list = {};
	u64 i, n;
	int err;

	err = data ? lnkfs_extents_salvage(s, &list) : -ENOMEM;
	for (i = 0; i < list.nr && !err; i++) {
		for (n = 0; n < list.x[i].len && !err; n++) {
			u64 block = list.x[i].block + n;
			const struct lnkfs_dir_block *db = (const void *)data;

			/* Its names are there once, however often it is mapped. */
			if (lnkfs_salvage_seen(found, block))
				continue;
			err = lnkfs_header_read(r, s->ci, LNKFS_B_DIR, block, data);
			if (err) {
				err = err < 0 ? err : 0;
				continue;
			}
			err = lnkfs_salvage_note(found, block);
			if (!err && actor)
				err = walk_run(r, db->b_entries, r->fs->block_size - sizeof(*db),
					       actor, ctx);
		}
	}
	lnkfs_extents_free(&list);
	free(data);
	return err;
}

/**
 * lnkfs_dir_claim() - claim the blocks of a damaged directory that can be read
 * @r: repair
 * @dir: the directory
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_dir_claim(struct lnkfs_repair *r, struct lnkfs_cinode *dir)
{
	struct lnkfs_salvage s = { .r = r, .ci = dir }, found = {};
	int err = 0;
	u64 i;

	if (dir->fork == LNKFS_FORK_DIR_BLOCKS)
		err = walk_blocks(r, &s, &found, NULL, NULL);
	for (i = 0; i < found.nr_nodes && err >= 0; i++)
		err = lnkfs_claim(r->c, found.nodes[i], 1, dir->ino);
	for (i = 0; i < s.nr_nodes && err >= 0; i++)
		err = lnkfs_claim(r->c, s.nodes[i], 1, dir->ino);
	lnkfs_salvage_end(&found);
	lnkfs_salvage_end(&s);
	return err < 0 ? err : 0;
}

static int damaged_names(struct lnkfs_repair *r, struct lnkfs_node *node, name_actor actor,
			 void *ctx)
{
	struct lnkfs_salvage s = { .r = r, .ci = &node->ci }, found = {};
	int err;

	if (node->ci.fork == LNKFS_FORK_DIR_INLINE)
		return walk_run(r, node->area, node->ci.fork_len, actor, ctx);
	err = walk_blocks(r, &s, &found, actor, ctx);
	lnkfs_salvage_end(&found);
	lnkfs_salvage_end(&s);
	return err;
}

/**
 * lnkfs_dir_names() - list a directory
 * @r: repair, after lnkfs_repair_maps()
 * @info: the directory, damaged or not
 * @actor: called for every entry; 0 to go on. It changes nothing
 * @ctx: its argument
 *
 * Return: 0, -EIO, -ENOMEM, or what @actor says.
 */
int lnkfs_dir_names(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		    int (*actor)(void *ctx, const struct lnkfs_name *name), void *ctx)
{
	struct lnkfs_node node;
	u64 pos = 0;
	int err;

	err = lnkfs_rinode_load(r, info->ino, &node);
	if (err)
		return lnkfs_fatal(err);
	if (info->flags & RI_FORK)
		return damaged_names(r, &node, actor, ctx);
	return lnkfs_dir_iterate(r->fs, &node.ci, &pos, lnkfs_dir_end(r->fs, &node.ci), actor,
				 ctx);
}

/**
 * lnkfs_dir_names_early() - list a directory before the maps have been made
 * @r: repair
 * @info: the directory, damaged or not
 * @actor: called for every entry that can be read; 0 to go on
 * @ctx: its argument
 *
 * Return: 0, -EIO, -ENOMEM, or what @actor says.
 */
int lnkfs_dir_names_early(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			  int (*actor)(void *ctx, const struct lnkfs_name *name), void *ctx)
{
	u64 block = lnkfs_ino_block(r->fs, info->ino);
	struct lnkfs_node node = { .ci = { .area = node.area } };
	void *data = malloc(r->fs->block_size);
	int err;

	err = data ? lnkfs_read_raw(r, block, data) : -ENOMEM;
	if (!err && !lnkfs_inode_decode(r->fs, data, block, lnkfs_ino_slot(r->fs, info->ino),
					&node.ci))
		err = damaged_names(r, &node, actor, ctx);
	free(data);
	return err;
}

/* ---- the new directory ---- */

/**
 * struct kept - an entry of the new directory
 * @next: list
 * @ino: inode
 * @type: DT_*
 * @len: bytes of the name
 * @name: the name
 */
struct kept {
	struct kept *next;
	u64 ino;
	u8 type;
	u8 len;
	char name[];
};

/**
 * struct rebuild - a directory being made anew
 * @r: repair
 * @info: the directory
 * @keep: decides about an entry; may change its type
 * @old: the inode as it was
 * @node: the new inode
 * @s: walk over the old one
 * @found: directory blocks of the old one
 * @list: entries
 * @tail: end of the list
 * @names: how many
 * @doubles: of these, with a name of their own now
 */
struct rebuild {
	struct lnkfs_repair *r;
	struct lnkfs_rinode *info;
	bool (*keep)(struct lnkfs_repair *r, struct lnkfs_rinode *dir, struct lnkfs_name *name);
	struct lnkfs_node old;
	struct lnkfs_node node;
	struct lnkfs_salvage s;
	struct lnkfs_salvage found;
	struct kept *list;
	struct kept **tail;
	u64 names;
	u64 doubles;
};

static int keep_name(void *ctx, const struct lnkfs_name *found)
{
	struct rebuild *b = ctx;
	struct lnkfs_name name = *found;
	struct kept *k;

	if (!b->keep(b->r, b->info, &name))
		return 0;
	k = malloc(sizeof(*k) + name.len);
	if (!k)
		return -ENOMEM;
	k->next = NULL;
	k->ino = name.ino;
	k->type = name.type;
	k->len = name.len;
	memcpy(k->name, name.name, name.len);
	*b->tail = k;
	b->tail = &k->next;
	b->names++;
	return 0;
}

/* A name that is there already gets a number behind it. */
static int free_name(struct rebuild *b, const struct kept *k, char *to, u32 *len)
{
	struct lnkfs_name found;
	u32 n, keep;
	char tail[16];
	int err;

	memcpy(to, k->name, k->len);
	*len = k->len;
	for (n = 1; ; n++) {
		err = lnkfs_dir_lookup(b->r->fs, &b->node.ci, to, *len, &found);
		if (err)
			return err == -ENOENT ? 0 : err;
		snprintf(tail, sizeof(tail), "~%u", n);
		keep = min_t(u32, k->len, LNKFS_NAME_LEN - (u32)strlen(tail));
		memcpy(to + keep, tail, strlen(tail));
		*len = keep + (u32)strlen(tail);
		b->doubles += n == 1;
	}
}

static int add_names(struct rebuild *b)
{
	char text[LNKFS_NAME_LEN + 16];
	const struct kept *k;
	lnkfs_tx tx;
	u64 pos;
	u32 len;
	int err = 0;

	for (k = b->list; k && !err; k = k->next) {
		err = free_name(b, k, text, &len);
		if (err)
			break;
		lnkfs_tx_begin(&tx, b->r->v, 0);
		err = lnkfs_dir_add(&tx, b->r->fs, &b->node.ci, text, len, k->ino, k->type,
				    &pos);
		lnkfs_tx_end(&tx);
	}
	return err;
}

static void free_old(struct rebuild *b)
{
	lnkfs_repair_free_nodes(b->r, b->found.nodes, b->found.nr_nodes);
	lnkfs_repair_free_nodes(b->r, b->s.nodes, b->s.nr_nodes);
}

static int build(struct rebuild *b)
{
	struct lnkfs_repair *r = b->r;
	int err;

	if (b->old.ci.fork == LNKFS_FORK_DIR_INLINE)
		err = walk_run(r, b->old.area, b->old.ci.fork_len, keep_name, b);
	else
		err = walk_blocks(r, &b->s, &b->found, keep_name, b);
	if (err)
		return err;
	if (r->tight)
		free_old(b);
	lnkfs_dir_init(&b->node.ci);
	b->node.ci.blocks = b->info->xattr_blocks;
	err = add_names(b);
	/* Where the old one is gone, some of its names are better than none. */
	if (err == -ENOSPC && r->tight) {
		lnkfs_fixed(r, "directory %" PRIu64 ": no space for all of its names",
			    b->info->ino);
		err = 0;
	}
	if (!err)
		err = lnkfs_rinode_replace(r, &b->node);
	if (!err && !r->tight)
		free_old(b);
	return err;
}

/**
 * lnkfs_dir_rebuild() - make a damaged directory anew
 * @r: repair, after lnkfs_repair_maps()
 * @info: the directory
 * @keep: decides which entries it has
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_dir_rebuild(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		      bool (*keep)(struct lnkfs_repair *r, struct lnkfs_rinode *dir,
				   struct lnkfs_name *name))
{
	struct rebuild b = { .r = r, .info = info, .keep = keep };
	struct kept *k;
	int err;

	err = lnkfs_rinode_load(r, info->ino, &b.old);
	if (err)
		return lnkfs_fatal(err);
	b.node = b.old;
	b.node.ci.area = b.node.area;
	b.s.r = r;
	b.s.ci = &b.old.ci;
	b.tail = &b.list;
	err = build(&b);
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "directory %" PRIu64 ": no space to make it anew", info->ino);
		err = 0;
	} else if (!err) {
		info->flags &= ~RI_FORK;
		info->fork_blocks = b.node.ci.blocks - info->xattr_blocks;
		lnkfs_fixed(r, "directory %" PRIu64 " made anew, with %" PRIu64
			    " entries, %" PRIu64 " of them renamed", info->ino, b.names,
			    b.doubles);
	}
	while ((k = b.list)) {
		b.list = k->next;
		free(k);
	}
	lnkfs_salvage_end(&b.found);
	lnkfs_salvage_end(&b.s);
	return err;
}
