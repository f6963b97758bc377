// SPDX-License-Identifier: GPL-2.0
/*
 * What only looks like an inode.
 *
 * Whoever may write a file may write into it what an inode block would be in that
 * place. So looks prove nothing, where the map of inode blocks is lost or contradicts
 * the map of a file, or where a record has lost its header. What does prove something
 * is a name: directories are not written by users.
 *
 * An inode in doubt that a directory which is not in doubt names is an inode. Of the
 * others those that are the contents of a file, or want what another inode has, are
 * none; but a file that has more blocks than it says is no proof of that. What is left
 * then may be an inode that has lost its name, and goes to
 * lost+found; but what its record says of its owner and of what it may do is not
 * believed: it belongs to root, nobody else may use it, it has no more than
 * attributes that users may set, and it is no device.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"
#include "xattr.h"

/**
 * lnkfs_may_name() - may a directory name this inode?
 * @dir: the directory
 * @to: the inode
 *
 * One in doubt must not add names to what has got one from a directory that is not.
 */
bool lnkfs_may_name(const struct lnkfs_rinode *dir, const struct lnkfs_rinode *to)
{
	return !(dir->flags & RI_DOUBT) || !(to->flags & RI_SURE);
}

/* ---- taking away what a record gives ---- */

static int not_of_users(void *ctx, const struct lnkfs_xattr_key *key, u32 value_len)
{
	bool *other = ctx;

	(void)value_len;
	*other = key->space != LNKFS_XATTR_USER;
	return *other;
}

/* The blocks of attributes go as a whole. */
static bool tame_blocks(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	struct lnkfs_cinode outside = *ci;
	bool other = false;

	outside.xattr_len = 0;
	if (!ci->xattr_block ||
	    (!lnkfs_xattr_iterate(r->fs, &outside, not_of_users, &other) && !other))
		return false;
	ci->xattr_block = 0;
	return true;
}

/**
 * lnkfs_doubt_tame() - take away what must not be believed of an inode in doubt
 * @r: repair
 * @ci: the inode; a device becomes a fifo
 *
 * Return: whether it has been changed.
 */
bool lnkfs_doubt_tame(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	u16 mode = (u16)(ci->mode & (S_IFMT | 0700)), old = ci->mode;
	u32 uid = ci->uid, gid = ci->gid;
	bool changed = lnkfs_keep_attrs(r->fs, ci, ATTRS_USERS);

	changed |= tame_blocks(r, ci);
	if (S_ISCHR(mode) || S_ISBLK(mode)) {
		mode = (u16)(S_IFIFO | (mode & 0700));
		memset(ci->area, 0, ci->fork_len);
		ci->fork = LNKFS_FORK_NONE;
		ci->fork_len = 0;
	}
	changed |= ci->mode != mode || ci->uid || ci->gid || ci->projid;
	ci->mode = mode;
	ci->uid = 0;
	ci->gid = 0;
	ci->projid = 0;
	/* Whose it may have been, for whoever is to look at it. */
	if (changed)
		lnkfs_fixed(r, "inode %" PRIu64 ": nothing names it: root's alone now; it said mode %o, user %u, group %u",
			    ci->ino, old, uid, gid);
	return changed;
}

/* ---- which inodes are in doubt ---- */

/* The inodes of a block: the index of the first, and of the first behind them. */
static void block_inodes(const struct lnkfs_repair *r, u64 block, u64 *from, u64 *to)
{
	u64 ino = block << r->fs->slot_bits, low = 0, high = r->nr, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (r->inodes[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	*from = low;
	while (low < r->nr && lnkfs_ino_block(r->fs, r->inodes[low].ino) == block)
		low++;
	*to = low;
}

/*
 * Is an inode block in doubt: found by its looks, or had by somebody else, too? Not the one of
 * the root, whatever is left of it: the superblock names it.
 */
static bool block_in_doubt(const struct lnkfs_repair *r, const struct lnkfs_rgroup *g, u32 off)
{
	u64 block = lnkfs_group_first(r->fs, (u32)(g - r->group)) + off;

	if (!lnkfs_test_bit(off, g->imap) || block == lnkfs_ino_block(r->fs, r->fs->root_ino))
		return false;
	return (g->found && lnkfs_test_bit(off, g->found)) ||
	       (g->meta && lnkfs_test_bit(off, g->meta)) ||
	       (g->data && lnkfs_test_bit(off, g->data));
}

/* Call @what for every inode block in doubt; false: there is none. */
static bool doubtful_blocks(struct lnkfs_repair *r,
			   void (*what)(struct lnkfs_repair *r, u64 block))
{
	u32 group, off, size;
	bool any = false;

	for (group = 0; group < r->fs->groups; group++) {
		size = lnkfs_group_size(r->fs, group);
		for (off = 0; r->group[group].imap && off < size; off++) {
			if (!block_in_doubt(r, &r->group[group], off))
				continue;
			what(r, lnkfs_group_first(r->fs, group) + off);
			any = true;
		}
	}
	return any;
}

static void doubt_inodes(struct lnkfs_repair *r, u64 block)
{
	u64 i, end;

	for (block_inodes(r, block, &i, &end); i < end; i++)
		r->inodes[i].flags |= RI_DOUBT;
}

/* ---- names that prove something ---- */

/**
 * struct way - directories whose names are to be looked at
 * @r: repair
 * @list: indexes of inodes
 * @nr: how many
 * @max: room for
 */
struct way {
	struct lnkfs_repair *r;
	u64 *list;
	u64 nr;
	u64 max;
};

static int enqueue(struct way *w, const struct lnkfs_rinode *dir)
{
	u64 max = w->max ? 2 * w->max : 256, *list;

	if (w->nr == w->max) {
		list = realloc(w->list, max * sizeof(*list));
		if (!list)
			return -ENOMEM;
		w->list = list;
		w->max = max;
	}
	w->list[w->nr++] = (u64)(dir - w->r->inodes);
	return 0;
}

static int note_sure(void *ctx, const struct lnkfs_name *name)
{
	struct way *w = ctx;
	struct lnkfs_rinode *to = lnkfs_rinode_find(w->r, name->ino);
	bool doubt;

	if (!to || to->flags & RI_SURE)
		return 0;
	doubt = to->flags & RI_DOUBT;
	to->flags |= RI_SURE;
	to->flags &= (u16)~RI_DOUBT;
	/* The names in one that was not in doubt are being looked at anyway. */
	return doubt && S_ISDIR(to->mode) ? enqueue(w, to) : 0;
}

/* Ask all directories that are not in doubt, and those that come of it. */
static int follow_names(struct lnkfs_repair *r)
{
	struct way w = { .r = r };
	int err = 0;
	u64 i;

	/* The superblock names the root, which is a directory, and the quota files. */
	for (i = 0; i < r->nr; i++) {
		if (!(r->inodes[i].flags & RI_QUOTA) &&
		    (r->inodes[i].ino != r->fs->root_ino || !S_ISDIR(r->inodes[i].mode)))
			continue;
		r->inodes[i].flags |= RI_SURE;
		r->inodes[i].flags &= (u16)~RI_DOUBT;
	}
	for (i = 0; i < r->nr && !err; i++)
		if (S_ISDIR(r->inodes[i].mode) && !(r->inodes[i].flags & (RI_GONE | RI_DOUBT)))
			err = enqueue(&w, &r->inodes[i]);
	while (w.nr && !err)
		err = lnkfs_dir_names_early(r, &r->inodes[w.list[--w.nr]], note_sure, &w);
	free(w.list);
	return err;
}

/* ---- what is none ---- */

/* Is an inode in this block that is not in doubt? */
static bool has_sure(const struct lnkfs_repair *r, u64 block)
{
	u64 i, end;

	for (block_inodes(r, block, &i, &end); i < end; i++)
		if (!(r->inodes[i].flags & (RI_DOUBT | RI_GONE)))
			return true;
	return false;
}

/* An inode block without an inode that is sure, and that another inode has. */
static void drop_block(struct lnkfs_repair *r, u64 block)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));
	struct lnkfs_rgroup *g = &r->group[group];
	u64 i, end;

	if (has_sure(r, block) || (!(g->meta && lnkfs_test_bit(off, g->meta)) &&
				   !(g->data && lnkfs_test_bit(off, g->data))))
		return;
	for (block_inodes(r, block, &i, &end); i < end; i++)
		r->inodes[i].flags |= RI_GONE;
	lnkfs_clear_bit(off, g->imap);
	lnkfs_fixed(r, "block %" PRIu64 " belongs to an inode, and is no inode block", block);
}

static void forget_claims(struct lnkfs_repair *r)
{
	u32 group;

	for (group = 0; group < r->fs->groups; group++) {
		struct lnkfs_rgroup *g = &r->group[group];

		free(g->meta);
		free(g->data);
		free(g->twice);
		g->meta = NULL;
		g->data = NULL;
		g->twice = NULL;
	}
	r->conflicts = 0;
}

/* Remember what the inodes have that are not in doubt, and where they are. */
static int note_owned(struct lnkfs_repair *r)
{
	u32 group, off, size;
	int err = 0;

	for (group = 0; group < r->fs->groups; group++) {
		struct lnkfs_rgroup *g = &r->group[group];

		size = lnkfs_group_size(r->fs, group);
		for (off = 0; off < size && !err; off++) {
			if ((g->meta && lnkfs_test_bit(off, g->meta)) ||
			    (g->data && lnkfs_test_bit(off, g->data)) ||
			    (g->imap && lnkfs_test_bit(off, g->imap) &&
			     has_sure(r, lnkfs_group_first(r->fs, group) + off)))
				err = lnkfs_group_mark(r, &g->sure, off);
		}
	}
	return err;
}

/**
 * lnkfs_repair_doubt() - tell inodes from what only looks like them
 * @r: repair; all inodes have been found, and asked what they own
 *
 * Where any are in doubt, those that are not are asked once more, and then the others.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_doubt(struct lnkfs_repair *r)
{
	bool any = doubtful_blocks(r, doubt_inodes);
	int err;
	u64 i;

	for (i = 0; i < r->nr && !any; i++)
		any = r->inodes[i].flags & RI_DOUBT;
	if (!any)
		return 0;
	err = follow_names(r);
	if (err)
		return err;
	forget_claims(r);
	err = lnkfs_repair_claim_blocks(r, ASKED_SURE);
	if (err)
		return err;
	doubtful_blocks(r, drop_block);
	err = note_owned(r);
	return err ? err : lnkfs_repair_claim_blocks(r, ASKED_DOUBT);
}
