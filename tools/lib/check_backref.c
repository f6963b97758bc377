// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's look at back references: names and references are the same set.
 *
 * Neither is held in memory. Every name must be in the record of its inode or in the
 * tree of the inode's group, no two names are in the same place, and there must not be
 * more records than that. Only where there are, each is looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_priv.h"

/**
 * struct tree_walk - the tree of a group being walked
 * @c: check
 * @group: its number
 * @record: called for every record that makes sense
 * @arg: its argument
 * @bad: the tree is damaged
 */
struct tree_walk {
	struct lnkfs_fsck *c;
	u32 group;
	lnkfs_check_record record;
	void *arg;
	bool bad;
};

/* All of it is made anew from the directories: nothing is lost by that. */
static void tree_problem(void *ctx, const char *text)
{
	struct tree_walk *w = ctx;

	w->bad = true;
	lnkfs_problem_backref(w->c, "back references of group %u: %s", w->group, text);
}

static void core_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	(void)ctx;
	(void)err;
	(void)ino;
	(void)block;
	(void)text;
}

static int block_seen(void *ctx, u64 block, enum lnkfs_btype type)
{
	struct tree_walk *w = ctx;
	int err = lnkfs_claim(w->c, block, 1, 0);

	(void)type;
	w->bad |= err > 0;
	return err;
}

static int record_seen(void *arg, u64 key, const void *value)
{
	struct tree_walk *w = arg;
	struct lnkfs_ref ref;
	char text[64];
	u64 ino;

	if (lnkfs_names_decode(w->c->fs, w->group, key, get_unaligned_le64(value), &ino, &ref))
		return w->record(w->arg, key, value);
	snprintf(text, sizeof(text), "impossible record, key %" PRIx64, key);
	tree_problem(w, text);
	return 0;
}

static int walk_root(struct tree_walk *w, u64 root, void *data)
{
	static const struct lnkfs_check_ops ops = {
		.block = block_seen,
		.message = tree_problem,
	};
	struct lnkfs_names_block *nb = data;
	struct lnkfs_cinode owner = { .ino = w->group };
	struct lnkfs_check ck = { .fs = w->c->fs, .ci = &owner, .ops = &ops, .ctx = w };
	const struct lnkfs_btree bt = {
		.fs = w->c->fs,
		.ci = &owner,
		.root = nb->nb_root,
		.root_size = w->c->fs->block_size - (u32)sizeof(*nb),
		.home = root,
		.vsize = sizeof(__le64),
		.tree = LNKFS_TREE_NAMES,
	};
	u64 nodes;

	if (nb->nb_header.h_pad)
		tree_problem(w, "padding of the root's block in use");
	return lnkfs_check_tree(&ck, &bt, record_seen, w, &nodes);
}

static int walk_tree(struct tree_walk *w, u64 root)
{
	lnkfs_buf *buf;
	char text[64];
	int err;

	if (!lnkfs_block_valid(w->c->fs, root, 1)) {
		tree_problem(w, "no root can be where the descriptor says");
		return 0;
	}
	err = block_seen(w, root, LNKFS_B_NAMES);
	if (err)
		return err;
	err = lnkfs_bread(w->c->fs, root, LNKFS_B_NAMES, w->group, 0, &buf);
	if (!err) {
		err = walk_root(w, root, lnkfs_bdata(buf));
		lnkfs_bput(buf);
	} else if (err != -ENOMEM) {
		snprintf(text, sizeof(text), "root in block %" PRIu64 ": %s", root,
			 strerror(-err));
		tree_problem(w, text);
		err = 0;
	}
	return err;
}

/**
 * lnkfs_fsck_backref_tree() - walk the tree of a group, checking all of it
 * @c: check; the blocks are claimed for the volume itself
 * @group: group number
 * @root: block of its root, from wherever
 * @record: called for every record that makes sense; 0 to go on
 * @arg: its argument
 * @bad: set to whether the tree is damaged
 *
 * Return: 0, -ENOMEM, what @record says.
 */
int lnkfs_fsck_backref_tree(struct lnkfs_fsck *c, u32 group, u64 root,
			    lnkfs_check_record record, void *arg, bool *bad)
{
	void (*report)(void *, int, u64, u64, const char *) = c->v->report;
	struct tree_walk w = { .c = c, .group = group, .record = record, .arg = arg };
	int err;

	c->v->report = core_report;
	err = walk_tree(&w, root);
	c->v->report = report;
	*bad = w.bad;
	return err > 0 ? 0 : err;
}

static int count_record(void *arg, u64 key, const void *value)
{
	u64 *count = arg;

	(void)key;
	(void)value;
	++*count;
	return 0;
}

/**
 * lnkfs_fsck_backref_group() - check the tree of a group by itself
 * @c: check
 * @group: group number
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_backref_group(struct lnkfs_fsck *c, u32 group)
{
	struct lnkfs_backrefs *b = c->backrefs ? &c->backrefs[group] : NULL;
	u64 root = c->fs->group[group].names;

	if (!b || !root)
		return 0;
	return lnkfs_fsck_backref_tree(c, group, root, count_record, &b->records, &b->bad);
}

/**
 * lnkfs_fsck_backref_name() - does an inode know this name?
 * @c: check, after lnkfs_fsck_inodes()
 * @dir: directory that the name stands in
 * @pos: where
 * @info: the inode
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_backref_name(struct lnkfs_fsck *c, const struct lnkfs_cinfo *dir, u64 pos,
			    struct lnkfs_cinfo *info)
{
	const struct lnkfs_ref ref = { .dir = dir->ino, .pos = pos };
	struct lnkfs_backrefs *b;
	int err = -ENOENT;
	u64 key;

	if (!c->backrefs)
		return 0;
	if (info->parent == ref.dir && info->pos == ref.pos / 8) {
		__atomic_fetch_or(&info->flags, CINFO_RECORD, __ATOMIC_RELAXED);
		return 0;
	}
	/* That of a directory is in its record. Where there must be none, it has been said. */
	if (info->flags & CINFO_QUOTA || (S_ISDIR(info->mode) && info->parent != dir->ino))
		return 0;
	if (!S_ISDIR(info->mode)) {
		b = &c->backrefs[lnkfs_group_of(c->fs, lnkfs_ino_block(c->fs, info->ino))];
		if (b->bad)
			return 0;
		err = lnkfs_names_find(c->fs, info->ino, &ref, &key);
		if (!err)
			__atomic_fetch_add(&b->matched, 1, __ATOMIC_RELAXED);
		if (!err || err == -ENOMEM)
			return err;
	}
	lnkfs_problem_backref(c, "inode %" PRIu64 ": no back reference to its name at position %"
			      PRIu64 " of directory %" PRIu64, info->ino, pos, dir->ino);
	return 0;
}

/* ---- references too many ---- */

/**
 * struct rest - records that are one by one looked at
 * @c: check
 * @group: whose
 * @dir: directory at hand; its area is that of the check
 */
struct rest {
	struct lnkfs_fsck *c;
	u32 group;
	struct lnkfs_cinode dir;
};

/* Does a name of this inode stand there? 1, 0, -ENOMEM. */
static int name_stands(struct rest *r, u64 ino, const struct lnkfs_ref *ref)
{
	const struct lnkfs_cinfo *dir = lnkfs_cinfo_find(r->c, ref->dir);
	char name[LNKFS_NAME_LEN];
	int err = 0;
	u32 len;

	if (!dir || !S_ISDIR(dir->mode))
		return 0;
	if (r->dir.ino != ref->dir) {
		memset(&r->dir, 0, sizeof(r->dir));
		r->dir.area = r->c->area;
		err = lnkfs_inode_load(r->c->fs, ref->dir, LNKFS_IL_ORPHAN, &r->dir);
		if (err)
			r->dir.ino = 0;
	}
	if (!err)
		err = lnkfs_dir_name_at(r->c->fs, &r->dir, ref->pos, ino, name, &len);
	return err ? (err == -ENOMEM ? err : 0) : 1;
}

static int judge_record(void *arg, u64 key, const void *value)
{
	struct rest *r = arg;
	struct lnkfs_fsck *c = r->c;
	const struct lnkfs_cinfo *info;
	const char *why = NULL;
	struct lnkfs_ref ref;
	u64 ino, first;
	int err;

	lnkfs_names_decode(c->fs, r->group, key, get_unaligned_le64(value), &ino, &ref);
	info = lnkfs_cinfo_find(c, ino);
	err = name_stands(r, ino, &ref);
	if (err < 0)
		return err;
	if (!info)
		why = "but there is no such inode";
	else if (S_ISDIR(info->mode))
		why = "which a directory has in its record only";
	else if (!err)
		why = "where no name of it is";
	else if ((info->parent == ref.dir && info->pos == ref.pos / 8) ||
		 lnkfs_names_find(c->fs, ino, &ref, &first) || first != key)
		why = "which it has twice";
	if (why)
		lnkfs_problem_backref(c, "inode %" PRIu64 ": back reference to position %" PRIu64
				      " of directory %" PRIu64 ", %s", ino, ref.pos, ref.dir, why);
	return 0;
}

/* Its blocks have been claimed: all that is wanted now is the records. */
static int judge_tree(struct lnkfs_fsck *c, u32 group)
{
	struct lnkfs_claims none = {}, *old = c->claims;
	struct rest r = { .c = c, .group = group };
	u64 before = c->res.problems;
	bool bad;
	int err;

	c->claims = &none;
	err = lnkfs_fsck_backref_tree(c, group, c->fs->group[group].names, judge_record, &r, &bad);
	c->claims = old;
	free(none.list);
	if (!err && c->res.problems == before)
		lnkfs_problem_backref(c, "group %u: %" PRIu64 " back references, but %" PRIu64
				      " names", group, c->backrefs[group].records,
				      c->backrefs[group].matched);
	return err;
}

/**
 * lnkfs_fsck_backref_rest() - look for references to names that are not there
 * @c: check, after all names have been seen
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_backref_rest(struct lnkfs_fsck *c)
{
	const struct lnkfs_cinfo *info;
	u32 group;
	int err = 0;
	u64 i;

	if (!c->backrefs)
		return 0;
	for (i = 0; i < c->nr_inodes; i++) {
		info = &c->inodes[i];
		if (!info->pos || info->flags & CINFO_RECORD ||
		    (S_ISDIR(info->mode) && info->flags & CINFO_NAMED))
			continue;
		lnkfs_problem_backref(c, "inode %" PRIu64 ": back reference to position %" PRIu64
				      " of directory %" PRIu64 ", where no name of it is",
				      info->ino, (u64)info->pos * 8, info->parent);
	}
	for (group = 0; group < c->fs->groups && !err; group++)
		if (!c->backrefs[group].bad &&
		    c->backrefs[group].records != c->backrefs[group].matched)
			err = judge_tree(c, group);
	return err;
}
