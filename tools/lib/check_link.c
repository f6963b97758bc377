// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's look at what a symlink is besides the text of its target: attribute
 * and flag agree, and the target can be one of a link of its kind. An inode that a
 * tracked link follows need not exist: it may have been removed.
 */
#include <inttypes.h>

#include "check_priv.h"

/**
 * lnkfs_fsck_link_note() - an inode has the attribute of a symlink
 * @c: check
 * @ci: the inode
 * @value: what it says, of the right length
 * @link: gets it
 */
void lnkfs_fsck_link_note(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
			  const void *value, struct lnkfs_fsck_link *link)
{
	link->there = true;
	memcpy(&link->la, value, sizeof(link->la));
	if (!S_ISLNK(ci->mode))
		lnkfs_problem(c, "inode %" PRIu64 ": attribute of a symlink on what is none",
			      ci->ino);
	else if (!lnkfs_link_attr_sound(c->fs, &link->la))
		lnkfs_problem(c, "inode %" PRIu64 ": attribute of a symlink makes no sense",
			      ci->ino);
}

/**
 * lnkfs_link_fits() - can a symlink with its target have an attribute?
 * @fs: volume
 * @ci: symlink that passed lnkfs_inode_check()
 * @la: the attribute, which is sound
 *
 * Return: 1: it can; 0: not, or the target is damaged; -EIO, -ENOMEM.
 */
int lnkfs_link_fits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
		    const struct lnkfs_link_attr *la)
{
	char target[LNKFS_SYMLINK_MAX + 1] = "";
	int err = 0;

	/* That of an orphan may be gone already. */
	if (ci->fork == LNKFS_FORK_NONE)
		return 1;
	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_read_slow(fs, ci, target);
	else
		memcpy(target, ci->area, ci->size);
	if (err == -EIO || err == -ENOMEM)
		return err;
	return !err && lnkfs_link_text_sound(la->la_kind, la->la_flags, target, (u32)ci->size);
}

/**
 * lnkfs_fsck_link() - check that attribute, flag and target of a symlink agree
 * @c: check
 * @ci: symlink, with whose attributes and target nothing else is wrong
 * @link: its attribute
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_link(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
		    const struct lnkfs_fsck_link *link)
{
	bool flag = ci->lflags & LNKFS_LF_LINK;
	int fits = link->there ? lnkfs_link_fits(c->fs, ci, &link->la) : 1;

	if (!fits)
		lnkfs_problem(c, "inode %" PRIu64 ": attribute of a symlink contradicts its target",
			      ci->ino);
	else if (link->there && !flag)
		lnkfs_problem_safe(c, "inode %" PRIu64
				   ": attribute of a symlink, but no flag that says so", ci->ino);
	else if (!link->there && flag)
		lnkfs_problem(c, "inode %" PRIu64
			      ": flag of a symlink with an attribute, but none is there", ci->ino);
	return fits == -ENOMEM ? fits : 0;
}
