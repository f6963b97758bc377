// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: tracked links name the inode that they follow by its
 * number. When that changes they change with it, in the same transaction; the
 * generation stays. A link whose inode is gone stays as it is.
 */
#include <stdlib.h>

#include "../../fs/lnkfs.h"
#include "shrink.h"

/**
 * lnkfs_shrink_note_link() - is an inode a tracked link to one past the new end?
 * @s: change of size; the link is noted
 * @ci: inode
 *
 * Return: 0; -ENOMEM, what reading says.
 */
int lnkfs_shrink_note_link(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_shrink_link *links;
	struct lnkfs_link_attr la;
	u32 blocks = 1;
	u64 to;
	int err;

	err = lnkfs_link_attr_get(s->fs, ci, &la);
	to = le64_to_cpu(la.la_ino);
	if (err || !(la.la_flags & LNKFS_LINK_TRACKED) || lnkfs_ino_block(s->fs, to) < s->end)
		return err;
	links = lnkfs_shrink_room(s->tracked, s->nr_tracked, &s->max_tracked, sizeof(*links));
	if (!links)
		return -ENOMEM;
	/* In the record it is overwritten; from outside it may come into the record. */
	if (ci->xattr_block)
		blocks += lnkfs_xattr_set_credits(s->fs, ci, 0, sizeof(la));
	s->tracked = links;
	s->tracked[s->nr_tracked++] = (struct lnkfs_shrink_link){ to, ci->ino, blocks };
	return 0;
}

/* The first link to an inode. */
static size_t find_link(const struct lnkfs_shrink *s, u64 to)
{
	return lnkfs_shrink_find(s->tracked, s->nr_tracked, sizeof(*s->tracked), to);
}

/**
 * lnkfs_shrink_link_blocks() - blocks that change with the links to an inode
 * @s: change of size
 * @to: the inode
 */
u64 lnkfs_shrink_link_blocks(const struct lnkfs_shrink *s, u64 to)
{
	u64 blocks = 0;
	size_t i;

	for (i = find_link(s, to); i < s->nr_tracked && s->tracked[i].to == to; i++)
		blocks += s->tracked[i].blocks;
	return blocks;
}

static int change_link(struct lnkfs_shrink *s, u64 link, u64 old, const struct lnkfs_cinode *to)
{
	struct lnkfs_link_attr la;
	struct lnkfs_node n;
	u64 before;
	int err;

	err = lnkfs_shrink_load(s, lnkfs_shrink_number(s, link), &n);
	if (!err)
		err = lnkfs_link_attr_get(s->fs, &n.ci, &la);
	if (err || le64_to_cpu(la.la_ino) != old || le32_to_cpu(la.la_gen) != to->gen)
		return err;
	la.la_ino = cpu_to_le64(to->ino);
	before = n.ci.blocks;
	err = lnkfs_link_attr_set(&s->tx, s->fs, &n.ci, &la);
	if (!err)
		err = lnkfs_inode_store(&s->tx, s->fs, &n.ci);
	return err ? err : lnkfs_shrink_charge(s, &n.ci, (s64)(n.ci.blocks - before));
}

/**
 * lnkfs_shrink_change_links() - make the links to an inode follow it
 * @s: change of size, in the transaction that gives the inode its number
 * @old: the number it had
 * @to: the inode; its record, and the link's own if it has moved, are stored
 *
 * Return: 0 or an error, and the transaction must not be written.
 */
int lnkfs_shrink_change_links(struct lnkfs_shrink *s, u64 old, const struct lnkfs_cinode *to)
{
	size_t i;
	int err = 0;

	for (i = find_link(s, old); !err && i < s->nr_tracked && s->tracked[i].to == old; i++)
		err = change_link(s, s->tracked[i].link, old, to);
	return err;
}
