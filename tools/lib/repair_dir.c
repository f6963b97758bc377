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

/*
 * Does the inode that the entry names know this name? One that names nothing gets the
 * number of the inode that does. @sound: its name is what the hash says.
 */
static bool inode_knows(struct lnkfs_repair *r, const struct lnkfs_run *run, u32 off, bool sound,
			struct lnkfs_dirent *de)
{
	u64 ino = le64_to_cpu(de->d_ino), pos = run->pos + off;
	const struct lnkfs_rinode *to;

	if (lnkfs_backref_stands(r, run->dir, pos, ino))
		return true;
	to = sound ? lnkfs_rinode_find(r, ino) : NULL;
	if (to)
		return to->flags & RI_MADE;
	ino = sound ? lnkfs_backref_ino(r, run->dir, pos) : 0;
	if (ino)
		de->d_ino = cpu_to_le64(ino);
	return ino;
}

/* Is there an entry at @off? @sure: what came before ended there. */
static bool entry_at(struct lnkfs_repair *r, const struct lnkfs_run *run, u32 off, bool sure,
		     u8 *copy)
{
	struct lnkfs_dirent *de = (struct lnkfs_dirent *)copy;
	bool sound, known;
	u32 need;

	if (run->len - off < sizeof(*de))
		return false;
	memcpy(copy, run->data + off, sizeof(*de));
	need = LNKFS_DIRENT_LEN(de->d_name_len);
	if (!de->d_name_len || need > run->len - off)
		return false;
	memcpy(copy, run->data + off, need);
	sound = le32_to_cpu(de->d_hash) == lnkfs_dir_hash(r->fs, (char *)de->d_name,
							  de->d_name_len);
	known = r->nr_refs && inode_knows(r, run, off, sound, de);
	if (run->stray ? !known || !sound :
	    !known && !sound && (!sure || le16_to_cpu(de->d_rec_len) != need))
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

/**
 * lnkfs_dir_run() - list entries that may be damaged
 * @r: repair
 * @run: where they are
 * @actor: called for every entry that can be read; 0 to go on
 * @ctx: its argument
 *
 * Return: 0, or what @actor says.
 */
int lnkfs_dir_run(struct lnkfs_repair *r, const struct lnkfs_run *run, name_actor actor, void *ctx)
{
	u8 copy[LNKFS_DIRENT_LEN(LNKFS_NAME_LEN)] __attribute__((aligned(8)));
	const struct lnkfs_dirent *de = (const void *)copy;
	bool sure = true;
	u32 off = 0, hole;
	int err = 0;

	while (off + 8 <= run->len && !err) {
		if (entry_at(r, run, off, sure, copy)) {
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
		hole = sure ? hole_at(run->data, run->len, off) : 0;
		sure = hole;
		off += hole ? hole : 8;
	}
	return err;
}

static int inline_run(struct lnkfs_repair *r, const struct lnkfs_cinode *ci, name_actor actor,
		      void *ctx)
{
	const struct lnkfs_run run = {
		.dir = ci->ino,
		.pos = LNKFS_DIR_FIRST_POS,
		.data = ci->area,
		.len = ci->fork_len,
	};

	return lnkfs_dir_run(r, &run, actor, ctx);
}

/* ---- blocks of a damaged directory ---- */

/**
 * struct block_walk - a walk over the blocks of a damaged directory
 * @r: repair
 * @s: its extent map; nodes are noted there
 * @found: directory blocks are noted here
 * @actor: called for every entry, unless it is NULL
 * @ctx: its argument
 * @data: the block at hand
 */
struct block_walk {
	struct lnkfs_repair *r;
	struct lnkfs_salvage *s;
	struct lnkfs_salvage *found;
	name_actor actor;
	void *ctx;
	void *data;
};

static int walk_block(struct block_walk *w, u64 lblk, u64 block, bool stray)
{
	const struct lnkfs_dir_block *db = w->data;
	const struct lnkfs_run run = {
		.dir = w->s->ci->ino,
		.pos = (lblk << w->r->fs->block_bits) + sizeof(*db),
		.data = db->b_entries,
		.len = w->r->fs->block_size - (u32)sizeof(*db),
		.stray = stray,
	};
	int err;

	/* Its names are there once, however often it is mapped. */
	if (lnkfs_salvage_seen(w->found, block))
		return 0;
	if (stray)
		err = lnkfs_read_raw(w->r, block, w->data);
	else
		err = lnkfs_header_read(w->r, w->s->ci, LNKFS_B_DIR, block, w->data);
	if (err)
		return err;
	err = lnkfs_salvage_note(w->found, block);
	return err || !w->actor ? err : lnkfs_dir_run(w->r, &run, w->actor, w->ctx);
}

/* Stray blocks, where the directory has none that it says is its own. */
static int walk_strays(struct block_walk *w)
{
	u64 first, nr = lnkfs_strays_of(w->r, w->s->ci->ino, &first), i;
	struct lnkfs_stray *st;
	int err = 0;

	for (i = first; i < first + nr && !err; i++) {
		st = &w->r->strays[i];
		st->spare |= i > first && st->lblk == st[-1].lblk;
		if (!st->spare)
			err = walk_block(w, st->lblk, st->block, true);
		else if (!lnkfs_salvage_seen(w->found, st->block))
			err = lnkfs_salvage_note(w->found, st->block);
	}
	return err;
}

/* The directory has a block in this place. */
static void no_stray(struct block_walk *w, u64 lblk)
{
	u64 first, nr = lnkfs_strays_of(w->r, w->s->ci->ino, &first), i;

	for (i = first; i < first + nr; i++)
		w->r->strays[i].spare |= w->r->strays[i].lblk == lblk;
}

static int walk_blocks(struct lnkfs_repair *r, struct lnkfs_salvage *s,
		       struct lnkfs_salvage *found, name_actor actor, void *ctx)
{
	struct block_walk w = { r, s, found, actor, ctx, malloc(r->fs->block_size) };
	struct lnkfs_extents list = {};
	u64 i, n;
	int err;

	err = w.data ? lnkfs_extents_salvage(s, &list) : -ENOMEM;
	for (i = 0; i < list.nr && !err; i++) {
		for (n = 0; n < list.x[i].len && !err; n++) {
			err = walk_block(&w, list.x[i].lblk + n, list.x[i].block + n, false);
			if (!err)
				no_stray(&w, list.x[i].lblk + n);
			else if (err > 0)
				err = 0;
		}
	}
	if (!err)
		err = walk_strays(&w);
	lnkfs_extents_free(&list);
	free(w.data);
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
		return inline_run(r, &node->ci, actor, ctx);
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

#define TRIES	16	/* numbers that are tried in turn for a name */

/*
 * A name that is there already gets a number behind it. Where it is there very often the
 * first numbers are taken, and looking for one would take longer with each.
 */
static int free_name(struct rebuild *b, const struct kept *k, char *to, u32 *len)
{
	struct lnkfs_name found;
	u32 n, keep;
	char tail[16];
	int err;

	memcpy(to, k->name, k->len);
	*len = k->len;
	for (n = 1; ; n = n < TRIES ? n + 1 : max(n, (u32)b->doubles) + 1) {
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
		err = inline_run(r, &b->old.ci, keep_name, b);
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
