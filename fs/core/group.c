// SPDX-License-Identifier: GPL-2.0
/*
 * Group descriptors: read and judged at mount, written with every change.
 */
#include "core.h"

static struct lnkfs_group_desc *desc_in(const struct lnkfs_fs *fs, u32 group, void *data)
{
	struct lnkfs_gdesc_block *db = data;

	return &db->d_desc[group % fs->desc_per_block];
}

static int desc_read(struct lnkfs_fs *fs, u32 group, lnkfs_buf **out)
{
	return lnkfs_bread(fs, lnkfs_gdesc_block(fs, group), LNKFS_B_GDESC,
			   group - group % fs->desc_per_block, 0, out);
}

/* What a descriptor says, of a group that nobody else can see. */
static void take_figures(struct lnkfs_group *g, const struct lnkfs_group_desc *d)
{
	g->free_blocks = le32_to_cpu(d->bg_free_blocks);
	g->inode_blocks = le32_to_cpu(d->bg_inode_blocks);
	g->free_slots = le32_to_cpu(d->bg_free_slots);
	g->used_inodes = le32_to_cpu(d->bg_used_inodes);
	g->used_dirs = le32_to_cpu(d->bg_used_dirs);
	g->flags = le16_to_cpu(d->bg_flags);
	g->names = le64_to_cpu(d->bg_names);
}

/* Do the figures agree with each other and with the group's size? */
static bool figures_sane(const struct lnkfs_fs *fs, u32 group, const struct lnkfs_group *g)
{
	u32 room = lnkfs_group_size(fs, group) - lnkfs_group_overhead(fs, group);
	u32 slots;

	if (g->flags & ~(LNKFS_BG_BLOCK_UNINIT | LNKFS_BG_INODE_UNINIT | LNKFS_BG_ORPHANS))
		return false;
	if (g->free_blocks > room || g->inode_blocks > room - g->free_blocks)
		return false;
	slots = g->inode_blocks << fs->slot_bits;
	if (g->free_slots > slots || g->used_inodes > slots - g->free_slots ||
	    g->used_dirs > g->used_inodes)
		return false;
	if (g->flags & LNKFS_BG_BLOCK_UNINIT &&
	    (g->free_blocks != room ||
	     (fs->journal_blocks && lnkfs_group_of(fs, fs->journal_start) == group)))
		return false;
	if (g->flags & LNKFS_BG_INODE_UNINIT &&
	    (g->inode_blocks || g->flags & LNKFS_BG_ORPHANS))
		return false;
	if (g->names && (!fs->backref || !lnkfs_block_valid(fs, g->names, 1)))
		return false;
	return true;
}

/**
 * lnkfs_gdesc_sane() - could a group be what its descriptor says?
 * @fs: volume
 * @group: group number
 * @d: its descriptor
 *
 * Return: false when lnkfs_group_load() refuses it.
 */
bool lnkfs_gdesc_sane(const struct lnkfs_fs *fs, u32 group, const struct lnkfs_group_desc *d)
{
	struct lnkfs_group g = {};

	take_figures(&g, d);
	return figures_sane(fs, group, &g);
}

/**
 * lnkfs_group_load() - read a group's descriptor into @fs->group
 * @fs: volume
 * @group: group number
 *
 * For mount, before anyone else can see the group: sets its lock up.
 *
 * Return: 0, -EFSCORRUPTED when its figures are impossible, or what
 * lnkfs_bread() says.
 */
int lnkfs_group_load(struct lnkfs_fs *fs, u32 group)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	const struct lnkfs_group_desc *d;
	lnkfs_buf *buf;
	int err;

	err = desc_read(fs, group, &buf);
	if (err)
		return err;
	d = desc_in(fs, group, lnkfs_bdata(buf));
	lnkfs_lock_init(&g->lock);
	take_figures(g, d);
	g->busy_blocks = 0;
	g->busy = NULL;
	g->kept_blocks = 0;
	g->kept = NULL;
	g->trimmed = 0;
	g->alloc_hint = lnkfs_group_overhead(fs, group);
	g->inode_hint = g->alloc_hint;
	g->names_level = LNKFS_NAMES_UNREAD;
	if (!figures_sane(fs, group, g))
		err = lnkfs_report(fs, -EFSCORRUPTED, 0, lnkfs_bblock(buf),
				   "impossible figures in descriptor of group %u", group);
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_gdesc_access() - get write access to a group's descriptor
 * @tx: transaction with a credit for the descriptor block
 * @fs: volume
 * @group: group number, its lock held
 * @out: the buffer, to be handed to lnkfs_gdesc_write() without fail
 *
 * Return: 0 or what lnkfs_bread() and lnkfs_baccess() say.
 */
int lnkfs_gdesc_access(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, lnkfs_buf **out)
{
	int err = desc_read(fs, group, out);

	if (err)
		return err;
	err = lnkfs_baccess(tx, fs, *out, LNKFS_B_GDESC);
	if (err)
		lnkfs_bput(*out);
	return err;
}

/**
 * lnkfs_gdesc_fill() - bring a descriptor up to date
 * @fs: volume
 * @data: descriptor block of its run, with write access
 * @group: group number, its lock held
 */
void lnkfs_gdesc_fill(const struct lnkfs_fs *fs, void *data, u32 group)
{
	const struct lnkfs_group *g = lnkfs_group(fs, group);
	struct lnkfs_group_desc *d = desc_in(fs, group, data);

	d->bg_free_blocks = cpu_to_le32(g->free_blocks);
	d->bg_inode_blocks = cpu_to_le32(g->inode_blocks);
	d->bg_free_slots = cpu_to_le32(g->free_slots);
	d->bg_used_inodes = cpu_to_le32(g->used_inodes);
	d->bg_used_dirs = cpu_to_le32(g->used_dirs);
	d->bg_flags = cpu_to_le16(g->flags);
	d->bg_names = cpu_to_le64(g->names);
}

/**
 * lnkfs_gdesc_fresh() - make the descriptor of a group that has never been written
 * @fs: volume
 * @data: descriptor block of its run
 * @group: group number
 * @free: its free blocks
 */
void lnkfs_gdesc_fresh(const struct lnkfs_fs *fs, void *data, u32 group, u32 free)
{
	struct lnkfs_group_desc *d = desc_in(fs, group, data);

	memset(d, 0, sizeof(*d));
	d->bg_free_blocks = cpu_to_le32(free);
	d->bg_flags = cpu_to_le16(LNKFS_BG_BLOCK_UNINIT | LNKFS_BG_INODE_UNINIT);
}

/**
 * lnkfs_gdesc_write() - bring a group's descriptor up to date
 * @tx: transaction
 * @fs: volume
 * @group: group number, its lock held
 * @buf: from lnkfs_gdesc_access(); put here
 */
void lnkfs_gdesc_write(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, lnkfs_buf *buf)
{
	lnkfs_gdesc_fill(fs, lnkfs_bdata(buf), group);
	lnkfs_bdirty(tx, fs, buf);
	lnkfs_bput(buf);
}

/**
 * lnkfs_group_sync() - write a group's figures to its descriptor
 * @tx: transaction with a credit for the descriptor block
 * @fs: volume
 * @group: group number, its lock held
 *
 * Return: 0 or what lnkfs_bread() and lnkfs_baccess() say; then nothing was
 * written.
 */
int lnkfs_group_sync(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group)
{
	lnkfs_buf *buf;
	int err = lnkfs_gdesc_access(tx, fs, group, &buf);

	if (!err)
		lnkfs_gdesc_write(tx, fs, group, buf);
	return err;
}
