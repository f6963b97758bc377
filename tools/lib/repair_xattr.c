// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of extended attributes: those that can be read are set anew.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"
#include "xattr.h"

/**
 * struct attr - an attribute that was found
 * @space: LNKFS_XATTR_*
 * @name_len: bytes of the name
 * @name: the name
 * @len: length of the value
 * @value: the value
 * @hash: of space and name
 * @next: list
 * @same: list of those with the same place in the table
 */
struct attr {
	u8 space;
	u8 name_len;
	char name[LNKFS_NAME_LEN];
	u32 len;
	u8 *value;
	u64 hash;
	struct attr *next;
	struct attr *same;
};

/**
 * struct xwalk - a walk over what is left of the attributes of an inode
 * @r: repair
 * @ci: the inode; its generation is what the block at hand says
 * @s: walk over the tree of leaves, whose list of nodes has all blocks
 * @lost: attributes that could not be read
 * @attrs: those that could be
 * @tail: end of their list
 * @nr: how many
 * @table: they by their hashes
 * @size: places in it, a power of 2, or 0
 */
struct xwalk {
	struct lnkfs_repair *r;
	struct lnkfs_cinode ci;
	struct lnkfs_salvage s;
	u64 lost;
	struct attr *attrs;
	struct attr **tail;
	u64 nr;
	struct attr **table;
	u64 size;
};

static bool may_have(const struct xwalk *w, const struct lnkfs_xattr_key *key, const u8 *value,
		     u32 len)
{
	struct lnkfs_link_attr la;

	if (!lnkfs_xattr_allowed(w->ci.mode, key->space))
		return false;
	switch (key->space) {
	case LNKFS_XATTR_ACL_ACCESS:
	case LNKFS_XATTR_ACL_DEFAULT:
		return lnkfs_acl_sound(value, len);
	case LNKFS_XATTR_LINK:
		memcpy(&la, value, sizeof(la));
		return lnkfs_link_attr_sound(w->r->fs, &la);
	default:
		return true;
	}
}

static bool have(const struct xwalk *w, const struct lnkfs_xattr_key *key, u64 hash)
{
	const struct attr *a = w->size ? w->table[hash & (w->size - 1)] : NULL;

	for (; a; a = a->same)
		if (a->space == key->space && a->name_len == key->name_len &&
		    !memcmp(a->name, key->name, a->name_len))
			return true;
	return false;
}

static void put(struct attr **table, u64 size, struct attr *a)
{
	a->same = table[a->hash & (size - 1)];
	table[a->hash & (size - 1)] = a;
}

/* Add to the list and to the table, which gets as many places as there are attributes. */
static int enter(struct xwalk *w, struct attr *a)
{
	u64 size = w->size ? 2 * w->size : 64;
	struct attr **table, *old;

	if (w->nr == w->size) {
		table = calloc(size, sizeof(struct attr *));
		if (!table)
			return -ENOMEM;
		for (old = w->attrs; old; old = old->next)
			put(table, size, old);
		free(w->table);
		w->table = table;
		w->size = size;
	}
	put(w->table, w->size, a);
	*w->tail = a;
	w->tail = &a->next;
	w->nr++;
	return 0;
}

static int keep(struct xwalk *w, const struct lnkfs_xattr_key *key, const u8 *value, u32 len)
{
	u64 hash = lnkfs_xattr_hash(w->r->fs, key);
	struct attr *a;

	if (!may_have(w, key, value, len) || have(w, key, hash)) {
		w->lost++;
		return 0;
	}
	a = calloc(1, sizeof(*a));
	if (a)
		a->value = malloc(len + 1);
	if (!a || !a->value) {
		free(a);
		return -ENOMEM;
	}
	a->space = key->space;
	a->name_len = key->name_len;
	memcpy(a->name, key->name, key->name_len);
	memcpy(a->value, value, len);
	a->len = len;
	a->hash = hash;
	if (!enter(w, a))
		return 0;
	free(a->value);
	free(a);
	return -ENOMEM;
}

static int note_once(struct xwalk *w, u64 block)
{
	return lnkfs_salvage_seen(&w->s, block) ? 0 : lnkfs_salvage_note(&w->s, block);
}

/* A value in blocks of its own; they are noted when all of it is there. */
static int big_value(struct xwalk *w, struct lnkfs_xattr_place *pl,
		     const struct lnkfs_xattr_entry *e, const struct lnkfs_xattr_key *key)
{
	const __le64 *x = lnkfs_xattr_extents(e);
	u32 len = le32_to_cpu(e->e_value_len), i, n;
	u8 *value = malloc(len + 1);
	int err;

	if (!value)
		return -ENOMEM;
	err = lnkfs_xattr_read_value(w->r->fs, &w->ci, pl, value);
	if (err && err != -ENOMEM && err != -EIO) {
		w->lost++;
		err = 0;
		goto out;
	}
	for (i = 0; i < e->e_extents && !err; i++)
		for (n = 0; n < lnkfs_xattr_extent_len(x[i]) && !err; n++)
			err = note_once(w, lnkfs_xattr_extent_block(x[i]) + n);
	if (!err)
		err = keep(w, key, value, len);
out:
	free(value);
	return err;
}

static int walk_run(struct xwalk *w, u8 *run, u32 len)
{
	struct lnkfs_xattr_place pl = { .run = run, .len = len };
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	bool sound, sure = true;
	u32 size;
	int err = 0;

	for (pl.off = 0; pl.off < len && !err; pl.off += size) {
		e = lnkfs_xattr_entry(run, len, pl.off, &size);
		if (!e) {
			w->lost++;
			return 0;
		}
		/* Behind one that makes no sense another may be part of a value. */
		sound = lnkfs_xattr_entry_sound(w->r->fs, e);
		sure = sure && sound;
		if (!sound || (!sure && lnkfs_xattr_is_roots(e->e_space))) {
			w->lost++;
			continue;
		}
		lnkfs_xattr_entry_key(e, &key);
		pl.hash = lnkfs_xattr_hash(w->r->fs, &key);
		if (e->e_extents)
			err = big_value(w, &pl, e, &key);
		else
			err = keep(w, &key, e->e_name + e->e_name_len,
				   le32_to_cpu(e->e_value_len));
	}
	return err;
}

static int walk_block(struct xwalk *w, u64 block, bool leaf_only);

static int leaf_found(void *ctx, u64 key, const void *value)
{
	(void)key;
	return walk_block(ctx, get_unaligned_le64(value), true);
}

static int walk_block(struct xwalk *w, u64 block, bool leaf_only)
{
	u32 room = lnkfs_xattr_room(w->r->fs), gen = w->ci.gen;
	struct lnkfs_xattr_block *xb;
	int err;

	if (lnkfs_salvage_seen(&w->s, block))
		return 0;
	xb = malloc(w->r->fs->block_size);
	if (!xb)
		return -ENOMEM;
	err = lnkfs_header_read(w->r, &w->ci, LNKFS_B_XATTR, block, xb);
	if (!err)
		err = lnkfs_salvage_note(&w->s, block);
	if (!err && xb->x_kind == LNKFS_XBLOCK_HEAD && !leaf_only) {
		w->s.tree = LNKFS_TREE_XATTR;
		w->s.vsize = sizeof(__le64);
		w->s.record = leaf_found;
		w->s.ctx = w;
		err = lnkfs_salvage_tree(&w->s, xb->x_data, room);
	} else if (!err && xb->x_kind == LNKFS_XBLOCK_LEAF) {
		w->ci.gen = le32_to_cpu(xb->x_header.h_gen);
		err = walk_run(w, xb->x_data, min_t(u32, le16_to_cpu(xb->x_used), room));
		w->ci.gen = gen;
	} else if (err >= 0) {
		w->lost++;
		err = 0;
	}
	free(xb);
	return err;
}

static int walk_all(struct xwalk *w, struct lnkfs_repair *r, const struct lnkfs_cinode *ci)
{
	int err;

	memset(w, 0, sizeof(*w));
	w->r = r;
	w->ci = *ci;
	w->tail = &w->attrs;
	w->s.r = r;
	w->s.ci = &w->ci;
	err = walk_run(w, ci->area + ci->area_len - ci->xattr_len, ci->xattr_len);
	if (!err && ci->xattr_block)
		err = walk_block(w, ci->xattr_block, false);
	return err;
}

static void end_walk(struct xwalk *w)
{
	struct attr *a;

	while ((a = w->attrs)) {
		w->attrs = a->next;
		free(a->value);
		free(a);
	}
	free(w->table);
	lnkfs_salvage_end(&w->s);
}

/**
 * lnkfs_xattrs_claim() - claim the blocks of attributes that can be read
 * @r: repair
 * @ci: inode with damaged attributes
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_xattrs_claim(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	struct xwalk w;
	int err;
	u64 i;

	err = walk_all(&w, r, ci);
	for (i = 0; i < w.s.nr_nodes && !err; i++)
		err = lnkfs_claim(r->c, w.s.nodes[i], 1, ci->ino);
	end_walk(&w);
	return err < 0 ? err : 0;
}

static int set_one(struct lnkfs_repair *r, struct lnkfs_cinode *ci, const struct attr *a)
{
	const struct lnkfs_xattr_key key = { a->space, a->name_len, a->name };
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_xattr_set(&tx, r->fs, ci, &key, a->value, a->len, LNKFS_XS_CREATE);
	lnkfs_tx_end(&tx);
	return err;
}

/* What a symlink is besides its target may contradict that. */
static int fits_inode(struct lnkfs_repair *r, const struct lnkfs_cinode *ci, const struct attr *a)
{
	struct lnkfs_link_attr la;

	if (a->space != LNKFS_XATTR_LINK)
		return 1;
	memcpy(&la, a->value, sizeof(la));
	return lnkfs_link_fits(r->fs, ci, &la);
}

static int set_all(struct lnkfs_repair *r, struct xwalk *w, struct lnkfs_cinode *ci, u64 *count)
{
	const struct attr *a;
	int err = 0, fits;

	ci->lflags &= ~LNKFS_LF_LINK;
	for (a = w->attrs; a && !err; a = a->next) {
		fits = fits_inode(r, ci, a);
		if (fits <= 0) {
			w->lost++;
			err = fits;
			continue;
		}
		err = set_one(r, ci, a);
		++*count;
	}
	return err;
}

/**
 * lnkfs_repair_xattrs() - set the attributes of an inode anew
 * @r: repair, after lnkfs_repair_maps()
 * @info: the inode
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_xattrs(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	u64 contents = info->flags & RI_FORK ? 0 : info->fork_blocks, count = 0;
	struct lnkfs_node node;
	struct xwalk w;
	int err;

	err = lnkfs_rinode_load(r, info->ino, &node);
	if (err)
		return lnkfs_fatal(err);
	err = walk_all(&w, r, &node.ci);
	if (!err) {
		memset(node.ci.area + node.ci.area_len - node.ci.xattr_len, 0, node.ci.xattr_len);
		node.ci.xattr_len = 0;
		node.ci.xattr_block = 0;
		node.ci.blocks = contents;
		if (r->tight)
			lnkfs_repair_free_nodes(r, w.s.nodes, w.s.nr_nodes);
		err = set_all(r, &w, &node.ci, &count);
	}
	/* Where the old ones are gone, some of them are better than none. */
	if (err == -ENOSPC && r->tight) {
		w.lost++;
		err = 0;
	}
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "inode %" PRIu64 ": no space for its attributes", info->ino);
		err = 0;
		goto out;
	}
	info->xattr_blocks = (u32)(node.ci.blocks - contents);
	if (!err)
		err = lnkfs_rinode_replace(r, &node);
	if (!err) {
		lnkfs_fixed(r, "inode %" PRIu64 ": attributes set anew: %" PRIu64 ", at least %"
			    PRIu64 " lost", info->ino, count, w.lost);
		if (!r->tight)
			lnkfs_repair_free_nodes(r, w.s.nodes, w.s.nr_nodes);
	}
out:
	end_walk(&w);
	return err;
}
