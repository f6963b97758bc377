// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of the extent map of a file: the extents that make sense, in a new tree.
 * Blocks that two files have are copied for the second; blocks that hold
 * metadata are taken from files.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"

/* ---- what is left of the map ---- */

static int append(struct lnkfs_extents *list, const struct lnkfs_ext *ext)
{
	if (list->nr == list->max) {
		u64 max = list->max ? list->max * 2 : 64;
		struct lnkfs_ext *x = realloc(list->x, max * sizeof(*x));

		if (!x)
			return -ENOMEM;
		list->x = x;
		list->max = max;
	}
	list->x[list->nr++] = *ext;
	return 0;
}

/**
 * struct collect - extents being collected
 * @fs: volume
 * @list: where they go
 */
struct collect {
	struct lnkfs_fs *fs;
	struct lnkfs_extents *list;
};

static int collect_extent(void *ctx, u64 key, const void *value)
{
	struct collect *c = ctx;
	struct lnkfs_extent x;
	struct lnkfs_ext ext;

	memcpy(&x, value, sizeof(x));
	ext.lblk = key;
	ext.block = le64_to_cpu(x.x_block);
	ext.len = le32_to_cpu(x.x_len);
	ext.flags = le32_to_cpu(x.x_flags) & LNKFS_EXT_UNWRITTEN;
	if (!ext.len || !lnkfs_lblk_valid(c->fs, key, ext.len) ||
	    !lnkfs_block_valid(c->fs, ext.block, ext.len))
		return 0;
	return append(c->list, &ext);
}

/* Of those that begin at the same block the shorter one promises less. */
static int by_lblk(const void *a, const void *b)
{
	const struct lnkfs_ext *x = a, *y = b;

	if (x->lblk != y->lblk)
		return x->lblk < y->lblk ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

/* An extent ends where the next one begins, whatever it says. */
static void untangle(struct lnkfs_extents *list)
{
	u64 i, kept = 0;

	qsort(list->x, list->nr, sizeof(*list->x), by_lblk);
	for (i = 0; i < list->nr; i++) {
		struct lnkfs_ext *last = kept ? &list->x[kept - 1] : NULL;

		if (last && last->lblk == list->x[i].lblk)
			continue;
		if (last)
			last->len = min(last->len, list->x[i].lblk - last->lblk);
		list->x[kept++] = list->x[i];
	}
	list->nr = kept;
}

/**
 * lnkfs_extents_salvage() - the extents of a file or directory that make sense
 * @s: walk, of an inode with an extent map; its nodes are noted
 * @list: filled in, in ascending order and without overlaps
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_extents_salvage(struct lnkfs_salvage *s, struct lnkfs_extents *list)
{
	struct collect c = { s->r->fs, list };
	const struct lnkfs_cinode *ci = s->ci;
	const struct lnkfs_dir_fork *f = (const void *)ci->area;
	u32 at = 0, size = ci->fork_len;
	int err;

	memset(list, 0, sizeof(*list));
	s->tree = LNKFS_TREE_EXTENT;
	s->vsize = sizeof(struct lnkfs_extent);
	s->record = collect_extent;
	s->ctx = &c;
	if (ci->fork == LNKFS_FORK_DIR_BLOCKS) {
		at = sizeof(*f);
		size = le16_to_cpu(f->f_ext_len);
	}
	err = lnkfs_salvage_tree(s, ci->area + at, size);
	if (!err && list->nr)
		untangle(list);
	return err;
}

/**
 * lnkfs_extents_free() - free a list
 * @list: extents
 */
void lnkfs_extents_free(struct lnkfs_extents *list)
{
	free(list->x);
	list->x = NULL;
}

/* ---- blocks with two owners ---- */

/**
 * struct fate - what becomes of the extents of a file
 * @r: repair
 * @info: the file
 * @out: extents of the new map
 * @holes: blocks that it loses
 * @copies: blocks that it gets a copy of
 */
struct fate {
	struct lnkfs_repair *r;
	struct lnkfs_rinode *info;
	struct lnkfs_extents out;
	u64 holes;
	u64 copies;
};

enum { KEEP, DROP, COPY };

static int fate_of(struct fate *f, u64 block)
{
	struct lnkfs_repair *r = f->r;
	u32 group = lnkfs_group_of(r->fs, block);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));
	struct lnkfs_rgroup *g = &r->group[group];

	if (lnkfs_is_meta(r, block))
		return DROP;
	if (!g->twice || !lnkfs_test_bit(off, g->twice))
		return KEEP;
	if (g->taken && lnkfs_test_bit(off, g->taken))
		return COPY;
	/* Without memory it is copied once more than need be. */
	return lnkfs_group_mark(r, &g->taken, off) ? COPY : KEEP;
}

static int copy_data(struct lnkfs_repair *r, u64 from, u64 to, u64 len)
{
	u32 bits = r->fs->block_bits;
	void *data = malloc(r->fs->block_size);
	int err = data ? 0 : -ENOMEM;

	for (; len && !err; from++, to++, len--) {
		err = lnkfs_read_raw(r, from, data);
		if (!err && lnkfs_dev_write(&r->v->dev, to << bits, data, 1u << bits))
			err = -EIO;
	}
	free(data);
	return err;
}

static int copy_part(struct fate *f, struct lnkfs_ext part)
{
	struct lnkfs_repair *r = f->r;
	struct lnkfs_ext x;
	lnkfs_tx tx;
	u64 start;
	u32 got;
	int err = 0;

	for (; part.len && !err; part.lblk += got, part.block += got, part.len -= got) {
		u32 want = (u32)min_t(u64, part.len, r->fs->group_blocks / 2);

		lnkfs_tx_begin(&tx, r->v, 0);
		err = lnkfs_balloc(&tx, r->fs, part.block, 1, want, 0, &start, &got);
		lnkfs_tx_end(&tx);
		if (err == -ENOSPC && r->tight) {
			f->holes += part.len;
			lnkfs_fixed(r, "inode %" PRIu64 ": no space for a copy of %" PRIu64
				    " blocks that another file has, too: left out",
				    f->info->ino, part.len);
			return 0;
		}
		if (!err && !(part.flags & LNKFS_EXT_UNWRITTEN))
			err = copy_data(r, part.block, start, got);
		if (err)
			break;
		x = (struct lnkfs_ext){ part.lblk, start, got, part.flags };
		f->copies += got;
		err = append(&f->out, &x);
	}
	return err;
}

/* Cut an extent up by what becomes of its blocks. */
static int share_out(struct fate *f, const struct lnkfs_ext *ext)
{
	struct lnkfs_ext part;
	u64 done = 0, len;
	int what, err = 0;
	int next = fate_of(f, ext->block);

	while (done < ext->len && !err) {
		what = next;
		for (len = 1; done + len < ext->len; len++) {
			next = fate_of(f, ext->block + done + len);
			if (next != what)
				break;
		}
		part = (struct lnkfs_ext){ ext->lblk + done, ext->block + done, len, ext->flags };
		if (what == KEEP)
			err = append(&f->out, &part);
		else if (what == COPY)
			err = copy_part(f, part);
		else
			f->holes += len;
		done += len;
	}
	return err;
}

/* ---- the new map ---- */

/* @done: how many are in it */
static int insert_all(struct lnkfs_repair *r, struct lnkfs_node *node,
		      const struct lnkfs_extents *list, u64 *done)
{
	lnkfs_tx tx;
	int err = 0;

	for (*done = 0; *done < list->nr && !err; *done += !err) {
		lnkfs_tx_begin(&tx, r->v, 0);
		err = lnkfs_ext_insert(&tx, r->fs, &node->ci, &list->x[*done]);
		lnkfs_tx_end(&tx);
	}
	return err;
}

/* A file ends behind the last block that was written. */
static void set_size(struct lnkfs_repair *r, struct lnkfs_cinode *ci,
		     const struct lnkfs_extents *list)
{
	u64 i, end;

	if (!ci->nlink || ci->lflags & LNKFS_LF_TRUNCATING)
		return;
	for (i = 0; i < list->nr; i++) {
		end = (list->x[i].lblk + list->x[i].len - 1) << r->fs->block_bits;
		if (!(list->x[i].flags & LNKFS_EXT_UNWRITTEN) && end >= ci->size) {
			ci->size = end + r->fs->block_size;
			lnkfs_fixed(r, "inode %" PRIu64 ": size is now %" PRIu64, ci->ino,
				    ci->size);
		}
	}
}

static int build(struct lnkfs_repair *r, struct lnkfs_rinode *info, struct lnkfs_node *node,
		 const struct lnkfs_extents *list)
{
	struct lnkfs_cinode *ci = &node->ci;
	u64 done;
	int err;

	memset(ci->area, 0, lnkfs_fork_room(ci));
	lnkfs_ext_init(ci);
	ci->blocks = info->xattr_blocks;
	err = insert_all(r, node, list, &done);
	/* Where the old map is gone, a part of the new one is better than none. */
	if (err == -ENOSPC && r->tight)
		err = 0;
	if (err)
		return err;
	if (done < list->nr)
		lnkfs_fixed(r, "inode %" PRIu64 ": no space for all of its extent map: %" PRIu64
			    " extents lost", info->ino, list->nr - done);
	set_size(r, ci, list);
	info->fork_blocks = ci->blocks - info->xattr_blocks;
	return lnkfs_rinode_replace(r, node);
}

/**
 * lnkfs_repair_file() - make the extent map of a file anew
 * @r: repair, after lnkfs_repair_maps()
 * @info: the file
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_file(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	struct fate f = { .r = r, .info = info };
	struct lnkfs_extents list;
	struct lnkfs_node node;
	struct lnkfs_salvage s = { .r = r, .ci = &node.ci };
	int err;
	u64 i;

	err = lnkfs_rinode_load(r, info->ino, &node);
	if (err)
		return lnkfs_fatal(err);
	err = lnkfs_extents_salvage(&s, &list);
	for (i = 0; i < list.nr && !err; i++)
		err = share_out(&f, &list.x[i]);
	if (!err && (info->flags & RI_FORK || f.holes || f.copies)) {
		if (r->tight)
			lnkfs_repair_free_nodes(r, s.nodes, s.nr_nodes);
		err = build(r, info, &node, &f.out);
		if (!err)
			lnkfs_fixed(r, "inode %" PRIu64 ": extent map made anew: %" PRIu64
				    " extents; %" PRIu64 " blocks copied, %" PRIu64 " lost",
				    info->ino, f.out.nr, f.copies, f.holes);
		if (!err && !r->tight)
			lnkfs_repair_free_nodes(r, s.nodes, s.nr_nodes);
	} else if (!err && lnkfs_rinode_count(r, info, &node.ci)) {
		err = lnkfs_rinode_store(r, &node);
	}
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "inode %" PRIu64 ": no space for its extent map", info->ino);
		err = 0;
	}
	lnkfs_extents_free(&f.out);
	lnkfs_extents_free(&list);
	lnkfs_salvage_end(&s);
	return err;
}

/**
 * lnkfs_repair_link() - give a slow symlink a new body
 * @r: repair, after lnkfs_repair_maps()
 * @info: the symlink, whose target can be read
 *
 * The old body may be another one's, too: it is not freed here. When it was nobody
 * else's, the check that follows says so, and the next round frees it.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_link(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_node node;
	lnkfs_tx tx;
	int err;

	err = lnkfs_rinode_load(r, info->ino, &node);
	if (!err && node.ci.fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_read_slow(r->fs, &node.ci, target);
	if (err || node.ci.fork != LNKFS_FORK_SLOW_LINK)
		return lnkfs_fatal(err);
	memset(node.ci.area, 0, lnkfs_fork_room(&node.ci));
	node.ci.blocks = info->xattr_blocks;
	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_symlink_set_slow(&tx, r->fs, &node.ci, target, (u32)node.ci.size);
	lnkfs_tx_end(&tx);
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "inode %" PRIu64 ": no space for the symlink's target",
				info->ino);
		return 0;
	}
	if (!err)
		err = lnkfs_rinode_replace(r, &node);
	if (!err)
		lnkfs_fixed(r, "inode %" PRIu64 ": symlink's target written anew", info->ino);
	return err;
}
