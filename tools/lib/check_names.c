// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's pass over the names: every directory entry against the inode
 * it names, link counts, and the way from every inode to the root.
 */
#include <inttypes.h>

#include "check_priv.h"

static bool name_legal(const struct lnkfs_name *name)
{
	if (!name->len || memchr(name->name, '/', name->len) || memchr(name->name, 0, name->len))
		return false;
	return !(name->name[0] == '.' &&
		 (name->len == 1 || (name->len == 2 && name->name[1] == '.')));
}

static void subdir_seen(struct lnkfs_fsck *c, struct lnkfs_cinfo *dir, struct lnkfs_cinfo *sub)
{
	dir->subdirs++;
	if (__atomic_fetch_or(&sub->flags, CINFO_NAMED, __ATOMIC_RELAXED) & CINFO_NAMED)
		lnkfs_problem(c, "directory %" PRIu64 " has a second name, in %" PRIu64, sub->ino,
			      dir->ino);
	if (sub->ino == c->fs->root_ino)
		lnkfs_problem(c, "directory %" PRIu64 " holds the root directory", dir->ino);
	if (sub->parent != dir->ino)
		lnkfs_problem(c, "directory %" PRIu64 " is in %" PRIu64 ", but says its parent is %"
			      PRIu64, sub->ino, dir->ino, sub->parent);
}

static int name_seen(void *ctx, const struct lnkfs_name *name)
{
	struct lnkfs_fsck_inode *w = ctx;
	struct lnkfs_fsck *c = w->c;
	struct lnkfs_cinfo *info;

	c->res.names++;
	if (!name_legal(name))
		lnkfs_problem(c, "directory %" PRIu64 ": illegal name at %" PRIu64, w->info->ino,
			      name->pos);
	info = lnkfs_cinfo_find(c, name->ino);
	if (!info) {
		lnkfs_problem(c, "directory %" PRIu64 ": entry at %" PRIu64 " names inode %" PRIu64
			      ", which does not exist", w->info->ino, name->pos, name->ino);
		return 0;
	}
	__atomic_fetch_add(&info->names, 1, __ATOMIC_RELAXED);
	if (name->type != (info->mode & S_IFMT) >> 12)
		lnkfs_problem_safe(c, "directory %" PRIu64 ": entry at %" PRIu64
			      " has the wrong type for inode %" PRIu64, w->info->ino, name->pos,
			      name->ino);
	if (S_ISDIR(info->mode))
		subdir_seen(c, w->info, info);
	return lnkfs_fsck_backref_name(c, w->info, name->pos, info);
}

static int check_dir_names(struct lnkfs_fsck *c, struct lnkfs_cinfo *dir)
{
	static const struct lnkfs_check_ops ops = {
		.entry = name_seen,
		.block = lnkfs_fsck_block_seen,
		.message = lnkfs_fsck_message,
	};
	struct lnkfs_cinode ci = { .area = c->area };
	struct lnkfs_fsck_inode w = { .c = c, .ci = &ci, .info = dir };
	struct lnkfs_check_dir_result res;
	int err;

	err = lnkfs_inode_load(c->fs, dir->ino, LNKFS_IL_ORPHAN, &ci);
	if (err) {
		if (err != -ENOMEM)
			lnkfs_problem(c, "directory %" PRIu64 ": %s", dir->ino, strerror(-err));
		return err == -ENOMEM ? err : 0;
	}
	/* What is left is for the entries; a wrong sum shows in either. */
	ci.blocks -= dir->xattr_blocks;
	err = lnkfs_check_dir(c->fs, &ci, &ops, &w, &res);
	if (!dir->nlink && res.entries)
		lnkfs_problem(c, "directory %" PRIu64 " has no links, but entries", dir->ino);
	return err < 0 ? err : 0;
}

static int check_piece(struct lnkfs_fsck *c, u64 piece)
{
	return S_ISDIR(c->inodes[piece].mode) ? check_dir_names(c, &c->inodes[piece]) : 0;
}

/*
 * Follow the parents up to the root or to a directory known to be below it,
 * then mark the way. Until then the way is marked as lost, so that a circle is
 * noticed and every directory is walked over only once.
 */
static void check_way(struct lnkfs_fsck *c, struct lnkfs_cinfo *dir)
{
	struct lnkfs_cinfo *at = dir;

	while (!(at->flags & CINFO_REACHED)) {
		struct lnkfs_cinfo *up = lnkfs_cinfo_find(c, at->parent);

		at->flags |= CINFO_LOST;
		if (!up || !S_ISDIR(up->mode) || (up->flags & CINFO_LOST)) {
			lnkfs_problem(c, "directory %" PRIu64 " is not below the root", dir->ino);
			return;
		}
		at = up;
	}
	for (at = dir; !(at->flags & CINFO_REACHED); at = lnkfs_cinfo_find(c, at->parent)) {
		at->flags |= CINFO_REACHED;
		at->flags &= ~CINFO_LOST;
	}
}

static void check_links(struct lnkfs_fsck *c, struct lnkfs_cinfo *info)
{
	bool is_dir = S_ISDIR(info->mode);
	u32 want = is_dir ? 2 + info->subdirs : info->names;

	if (info->flags & CINFO_QUOTA) {
		if (info->names)
			lnkfs_problem(c, "inode %" PRIu64 ", a quota file, has a name",
				      info->ino);
		return;
	}
	if (!info->nlink) {
		if (info->names)
			lnkfs_problem(c, "inode %" PRIu64 " has no links, but %u names", info->ino,
				      info->names);
		return;
	}
	if (!info->names && info->ino != c->fs->root_ino)
		lnkfs_problem_safe(c, "inode %" PRIu64 " has no name", info->ino);
	else if (info->nlink != want)
		lnkfs_problem_safe(c, "inode %" PRIu64 " has %u links, says %u", info->ino, want,
			      info->nlink);
	if (is_dir && !(info->flags & CINFO_LOST))
		check_way(c, info);
}

/**
 * lnkfs_fsck_names() - check names, link counts and connectivity
 * @c: check, after lnkfs_fsck_inodes()
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_names(struct lnkfs_fsck *c)
{
	struct lnkfs_cinfo *root = lnkfs_cinfo_find(c, c->fs->root_ino);
	u64 i;
	int err;

	if (!root || !S_ISDIR(root->mode) || !root->nlink) {
		lnkfs_problem(c, "there is no root directory");
	} else {
		root->flags |= CINFO_REACHED;
		if (root->parent != root->ino)
			lnkfs_problem(c, "the root directory is not its own parent");
	}
	err = lnkfs_fsck_pieces(c, LNKFS_PASS_NAMES, c->nr_inodes, c->nr_inodes, check_piece);
	if (err)
		return err;
	for (i = 0; i < c->nr_inodes; i++)
		check_links(c, &c->inodes[i]);
	return lnkfs_fsck_backref_rest(c);
}
