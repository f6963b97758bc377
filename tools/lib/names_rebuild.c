// SPDX-License-Identifier: GPL-2.0
/*
 * Making the back references of a volume anew, or removing them: all trees go,
 * and so do names in records that stand nowhere; then the directories are read
 * and what they say is recorded.
 *
 * Every step leaves trees and records that are sound, but until the end some
 * references are missing. The caller sees to it that the volume is checked after an
 * interruption, and that its superblock has the feature meanwhile: then the checker
 * makes the rest.
 */
#include <stdlib.h>

#include "btree.h"
#include "image.h"
#include "names_rebuild.h"

/**
 * struct rebuild - back references being made
 * @v: volume
 * @fs: what the core sees of it
 * @on: there are to be some
 * @step: called between two changes, or NULL
 * @ctx: its argument
 * @blocks: of the tree that is to go
 * @nr: how many; or names that were counted
 * @max: room
 */
struct rebuild {
	struct lnkfs_volume *v;
	struct lnkfs_fs *fs;
	bool on;
	lnkfs_names_step step;
	void *ctx;
	u64 *blocks;
	u64 nr;
	u64 max;
};

typedef int (*inode_actor)(struct rebuild *rb, struct lnkfs_node *n);

/**
 * lnkfs_names_feature() - say whether there are back references
 * @v: volume; the caller writes its superblock
 * @on: there are, or will be
 */
void lnkfs_names_feature(struct lnkfs_volume *v, bool on)
{
	const __le32 bit = cpu_to_le32(LNKFS_RO_COMPAT_BACKREF);

	v->fs.backref = on;
	v->sb.s_feature_ro_compat &= ~bit;
	if (on)
		v->sb.s_feature_ro_compat |= bit;
}

/**
 * lnkfs_names_blocks() - blocks that trees take at most
 * @fs: volume
 * @names: names in them
 * @groups: groups that they are of, at most
 *
 * However the names are spread, and in whatever order they were added: nodes are
 * half full then, but for the last of a level. A tree of more than its root has two
 * nodes or more on each level, and so many times fewer on the one above that twice
 * the leaves are enough for all.
 */
u64 lnkfs_names_blocks(const struct lnkfs_fs *fs, u64 names, u32 groups)
{
	u32 half = bt_node_cap(fs, 0, sizeof(__le64)) / 2;

	return min_t(u64, groups, names) + 2 * names / half;
}

static int one_step(struct rebuild *rb)
{
	return rb->step ? rb->step(rb->ctx) : 0;
}

static int load(struct rebuild *rb, u64 ino, struct lnkfs_node *n)
{
	memset(&n->ci, 0, sizeof(n->ci));
	n->ci.area = n->area;
	return lnkfs_inode_load(rb->fs, ino, LNKFS_IL_ORPHAN, &n->ci);
}

static int store(struct rebuild *rb, struct lnkfs_node *n)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, rb->v, LNKFS_CREDITS_STORE);
	err = lnkfs_inode_store(&tx, rb->fs, &n->ci);
	lnkfs_tx_end(&tx);
	return err ? err : one_step(rb);
}

/* ---- trees that go ---- */

static int note_block(struct rebuild *rb, u64 block)
{
	u64 *more;

	if (rb->nr == rb->fs->blocks)
		return -EFSCORRUPTED;
	if (rb->nr == rb->max) {
		u64 max = rb->max ? rb->max * 2 : 64;

		more = reallocarray(rb->blocks, max, sizeof(*more));
		if (!more)
			return -ENOMEM;
		rb->blocks = more;
		rb->max = max;
	}
	rb->blocks[rb->nr++] = block;
	return 0;
}

static int note_children(struct rebuild *rb, u32 group, const struct bt_view *v);

static int note_node(struct rebuild *rb, u32 group, u64 block, u32 level)
{
	struct bt_view v;
	lnkfs_buf *buf;
	int err;

	if (!lnkfs_block_valid(rb->fs, block, 1))
		return -EFSCORRUPTED;
	err = note_block(rb, block);
	if (err || !level)
		return err;
	err = lnkfs_bread(rb->fs, block, LNKFS_B_BTREE, group, 0, &buf);
	if (err)
		return err;
	v = bt_node_view(rb->fs, lnkfs_bdata(buf));
	err = bt_level(&v) == level ? note_children(rb, group, &v) : -EFSCORRUPTED;
	lnkfs_bput(buf);
	return err;
}

/* The levels end the recursion. */
static int note_children(struct rebuild *rb, u32 group, const struct bt_view *v)
{
	u32 level = bt_level(v), i;
	int err = 0;

	for (i = 0; level && i < bt_count(v) && !err; i++)
		err = note_node(rb, group, bt_child(v, i), level - 1);
	return err;
}

/* Find all blocks of the tree of a group. */
static int note_tree(struct rebuild *rb, u32 group)
{
	struct lnkfs_cinode owner;
	struct lnkfs_btree bt;
	struct bt_view v;
	lnkfs_buf *head;
	int err;

	rb->nr = 0;
	err = lnkfs_names_open(rb->fs, group, &owner, &bt, &head);
	if (err)
		return err;
	v = bt_root_view(&bt);
	err = note_block(rb, bt.home);
	if (!err)
		err = note_children(rb, group, &v);
	lnkfs_bput(head);
	return err;
}

static int free_blocks(struct rebuild *rb, lnkfs_tx *tx)
{
	int err = 0;
	u64 i;

	for (i = 0; i < rb->nr && !err; i++) {
		err = lnkfs_bforget(tx, rb->fs, rb->blocks[i]);
		if (!err)
			err = lnkfs_bfree(tx, rb->fs, rb->blocks[i], 1);
	}
	return err;
}

/* Bitmaps and descriptors change, which are few. */
static int drop_tree(struct rebuild *rb, u32 group)
{
	struct lnkfs_group *g = lnkfs_group(rb->fs, group);
	lnkfs_tx tx;
	int err;

	if (!g->names)
		return 0;
	lnkfs_names_forget(rb->fs);
	lnkfs_names_lock(rb->fs, group);
	err = note_tree(rb, group);
	if (err)
		goto out;
	lnkfs_tx_begin(&tx, rb->v, 0);
	g->names = 0;
	g->names_level = 0;
	lnkfs_group_lock(rb->fs, group);
	err = lnkfs_group_sync(&tx, rb->fs, group);
	lnkfs_group_unlock(rb->fs, group);
	if (!err)
		err = free_blocks(rb, &tx);
	lnkfs_tx_end(&tx);
out:
	lnkfs_names_unlock(rb->fs, group);
	return err;
}

/**
 * lnkfs_names_list() - find all blocks of the tree of a group
 * @v: volume, its groups loaded
 * @group: group number
 * @blocks: set to them, to be freed; NULL: there are none
 * @nr: set to their number
 *
 * Return: 0, -ENOMEM, what reading the tree says.
 */
int lnkfs_names_list(struct lnkfs_volume *v, u32 group, u64 **blocks, u64 *nr)
{
	struct rebuild rb = { .v = v, .fs = &v->fs };
	int err = 0;

	if (lnkfs_group(rb.fs, group)->names) {
		lnkfs_names_lock(rb.fs, group);
		err = note_tree(&rb, group);
		lnkfs_names_unlock(rb.fs, group);
	}
	if (err) {
		free(rb.blocks);
		rb.blocks = NULL;
		rb.nr = 0;
	}
	*blocks = rb.blocks;
	*nr = rb.nr;
	return err;
}

/* ---- inodes ---- */

/**
 * struct visit - inodes being gone through
 * @rb: back references being made
 * @actor: called for each
 * @node: the one at hand
 */
struct visit {
	struct rebuild *rb;
	inode_actor actor;
	struct lnkfs_node node;
};

static int visit_inode(void *ctx, u64 ino)
{
	struct visit *v = ctx;
	int err = load(v->rb, ino, &v->node);

	return err ? err : v->actor(v->rb, &v->node);
}

static int all_inodes(struct rebuild *rb, inode_actor actor)
{
	struct visit *v = malloc(sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->rb = rb;
	v->actor = actor;
	err = lnkfs_volume_inodes(rb->v, 0, visit_inode, v);
	free(v);
	return err;
}

/* ---- names in records ---- */

/* Does the name in the record stand where it says? 1, 0, or an error. */
static int name_stands(struct rebuild *rb, const struct lnkfs_cinode *ci)
{
	char name[LNKFS_NAME_LEN];
	struct lnkfs_node *dir;
	u32 len;
	int err;

	if (!ci->nlink)
		return 0;
	dir = malloc(sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	err = load(rb, ci->parent, dir);
	if (!err && (!dir->ci.nlink || !S_ISDIR(dir->ci.mode)))
		err = -ENOENT;
	if (!err)
		err = lnkfs_dir_name_at(rb->fs, &dir->ci, ci->parent_pos, ci->ino, name, &len);
	free(dir);
	return err == -ENOENT || err == -ESTALE ? 0 : err ? err : 1;
}

/* A directory keeps its parent, which is known without any of this. */
static int clear_name(struct rebuild *rb, struct lnkfs_node *n)
{
	struct lnkfs_cinode *ci = &n->ci;
	int ret;

	if (!ci->parent_pos)
		return 0;
	ret = rb->on ? name_stands(rb, ci) : 0;
	if (ret)
		return ret < 0 ? ret : 0;
	ci->parent_pos = 0;
	if (!S_ISDIR(ci->mode))
		ci->parent = 0;
	return store(rb, n);
}

/* Throw away what there is, and in records what is not to be there. */
static int clear(struct rebuild *rb)
{
	u32 group;
	int err = 0;

	for (group = 0; group < rb->fs->groups && !err; group++) {
		err = drop_tree(rb, group);
		if (!err)
			err = one_step(rb);
	}
	/* While records have positions. */
	rb->fs->backref = true;
	if (!err)
		err = all_inodes(rb, clear_name);
	rb->fs->backref = rb->on;
	return err;
}

/* ---- what directories say ---- */

/**
 * struct listing - a directory being read
 * @rb: back references being made
 * @dir: its number
 * @child: the inode of the name at hand
 * @err: error, or 0
 */
struct listing {
	struct rebuild *rb;
	u64 dir;
	struct lnkfs_node child;
	int err;
};

static int add_ref(struct rebuild *rb, struct lnkfs_node *n, const struct lnkfs_ref *ref)
{
	bool in_record = !n->ci.parent_pos;
	lnkfs_tx tx;
	int err;

	if (n->ci.parent == ref->dir && n->ci.parent_pos == ref->pos)
		return 0;
	lnkfs_tx_begin(&tx, rb->v, lnkfs_names_add_credits(rb->fs, &n->ci) + LNKFS_CREDITS_STORE);
	err = lnkfs_names_add(&tx, rb->fs, &n->ci, ref);
	if (!err && in_record)
		err = lnkfs_inode_store(&tx, rb->fs, &n->ci);
	lnkfs_tx_end(&tx);
	return err ? err : one_step(rb);
}

/* Callback of lnkfs_dir_iterate(). */
static int add_name(void *ctx, const struct lnkfs_name *name)
{
	const struct lnkfs_ref ref = { .pos = name->pos, .dir = ((struct listing *)ctx)->dir };
	struct listing *l = ctx;

	l->err = load(l->rb, name->ino, &l->child);
	if (!l->err)
		l->err = add_ref(l->rb, &l->child, &ref);
	return l->err != 0;
}

static int add_names(struct rebuild *rb, struct lnkfs_node *n)
{
	struct listing *l;
	u64 pos = 0;
	int err;

	if (!S_ISDIR(n->ci.mode) || !n->ci.nlink)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->rb = rb;
	l->dir = n->ci.ino;
	err = lnkfs_dir_iterate(rb->fs, &n->ci, &pos, lnkfs_dir_end(rb->fs, &n->ci), add_name, l);
	if (!err)
		err = l->err;
	free(l);
	return err;
}

static int count_links(struct rebuild *rb, struct lnkfs_node *n)
{
	if (!S_ISDIR(n->ci.mode) && n->ci.nlink)
		rb->nr += n->ci.nlink - 1;
	return 0;
}

/**
 * lnkfs_names_needed() - blocks that lnkfs_names_rebuild() may need
 * @v: volume without other damage, its groups loaded
 * @blocks: set to the most that it can be, also when it need not be so many
 *
 * Return: 0, -ENOMEM, what reading says.
 */
int lnkfs_names_needed(struct lnkfs_volume *v, u64 *blocks)
{
	struct rebuild rb = { .v = v, .fs = &v->fs };
	int err = all_inodes(&rb, count_links);

	*blocks = lnkfs_names_blocks(rb.fs, rb.nr, rb.fs->groups);
	return err;
}

/**
 * lnkfs_names_rebuild() - make all back references anew, or remove them
 * @v: volume without other damage, its groups loaded; @v->fs.backref says whether
 *	it has the feature (lnkfs_names_feature())
 * @step: called whenever what is in the cache may be written; NULL: at any time
 * @ctx: its argument
 *
 * Without the feature it only clears. Names in records that stand where they say
 * stay there. When there is no room for the trees, the feature is switched off and
 * all is cleared, and the caller writes the superblock that says so.
 *
 * Return: 0; -ENOSPC, or -EMLINK when a tree cannot grow: all is cleared; -ENOMEM,
 * what reading says and @step returns: then something is missing.
 */
int lnkfs_names_rebuild(struct lnkfs_volume *v, lnkfs_names_step step, void *ctx)
{
	struct rebuild rb = {
		.v = v, .fs = &v->fs, .on = v->fs.backref, .step = step, .ctx = ctx,
	};
	int err, err2;

	err = clear(&rb);
	if (!err && rb.on)
		err = all_inodes(&rb, add_names);
	if (rb.on && (err == -ENOSPC || err == -EMLINK)) {
		rb.on = false;
		err2 = clear(&rb);
		if (err2)
			err = err2;
		lnkfs_names_feature(v, err2);
	}
	free(rb.blocks);
	return err;
}
