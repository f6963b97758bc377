// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the size of a volume that is not mounted: what growing and shrinking
 * share, and growing. Every step is a transaction in the volume's own journal.
 */
#include <stdlib.h>

#include "journal.h"
#include "resize.h"

/**
 * lnkfs_resize_open() - make ready for a change of size
 * @r: zeroed
 * @v: volume, open for writing, or for reading: then only lnkfs_resize_minimum() may
 *	follow; without groups
 * @journal: device of an external journal; NULL: look for it. It is opened as the volume
 *
 * Return: 0; -EBUSY when the journal is in use, without @r->why, or when the volume is
 * not clean; -ENOMEM, -EFSCORRUPTED and others when the journal or the groups cannot be
 * used; @r->why may say more.
 */
int lnkfs_resize_open(struct lnkfs_resize *r, struct lnkfs_volume *v, const char *journal)
{
	int err;

	r->v = v;
	err = lnkfs_volume_log_open(v, journal, v->dev.readonly ? 0 :
				    LNKFS_DEV_EXCL | LNKFS_DEV_WRITE, &r->log, &r->why);
	if (err)
		return err;
	if (lnkfs_log_pending(&r->log) || r->log.err ||
	    le16_to_cpu(v->sb.s_state) != LNKFS_STATE_CLEAN) {
		r->why = "it was not unmounted cleanly, or has errors";
		return -EBUSY;
	}
	err = lnkfs_volume_load_groups(v);
	if (err) {
		r->why = "bad group descriptor";
		return err;
	}
	v->hold = true;
	v->busy = true;
	return 0;
}

/**
 * lnkfs_resize_close() - forget about a change of size
 * @r: what lnkfs_resize_open() has filled in, also after an error
 */
void lnkfs_resize_close(struct lnkfs_resize *r)
{
	lnkfs_log_free(&r->log);
}

/* State of the groups to come. */
static int extend_groups(struct lnkfs_fs *fs, const struct lnkfs_fs *new)
{
	struct lnkfs_group *more;
	u32 group;

	more = reallocarray(fs->group, new->groups, sizeof(*more));
	if (!more)
		return -ENOMEM;
	fs->group = more;
	for (group = fs->groups; group < new->groups; group++) {
		memset(&more[group], 0, sizeof(*more));
		lnkfs_group_fresh(new, &more[group], group);
	}
	return 0;
}

/* The copy of the superblock that a new group begins with. */
static int write_backup(struct lnkfs_volume *v, const struct lnkfs_super_block *sb, u32 group,
			void *data)
{
	u64 block = lnkfs_group_first(&v->fs, group);
	struct lnkfs_super_block *copy = data;

	memset(data, 0, v->fs.block_size);
	*copy = *sb;
	copy->s_blocknr = cpu_to_le64(block);
	lnkfs_super_seal(copy);
	return lnkfs_dev_write(&v->dev, block << v->fs.block_bits, data, v->fs.block_size);
}

/* The descriptor block that a new group holds, or a copy of its run's. */
static int write_descs(struct lnkfs_volume *v, const struct lnkfs_fs *new, u32 group, void *data)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 first = group - group % fs->desc_per_block;
	u64 block = lnkfs_group_map_block(new, group, LNKFS_B_BITMAP) - 1;
	lnkfs_buf *run = NULL;
	int err = 0;

	if (first < fs->groups)
		err = lnkfs_bread(fs, lnkfs_gdesc_block(fs, first), LNKFS_B_GDESC, first, 0, &run);
	if (!err) {
		lnkfs_grow_descs(fs, new, group, run ? lnkfs_bdata(run) : NULL, data);
		err = lnkfs_dev_write(&v->dev, block << fs->block_bits, data, fs->block_size);
	}
	lnkfs_bput(run);
	return err;
}

/* What nobody looks at before the volume is larger. */
static int prepare(struct lnkfs_resize *r, const struct lnkfs_super_block *sb,
		   const struct lnkfs_fs *new)
{
	struct lnkfs_volume *v = r->v;
	void *data = malloc(v->fs.block_size);
	int err = data ? 0 : -ENOMEM;
	u32 group;

	for (group = v->fs.groups; !err && group < new->groups; group++) {
		if (lnkfs_group_has_super(group))
			err = write_backup(v, sb, group, data);
		if (!err && lnkfs_group_has_desc(&v->fs, group))
			err = write_descs(v, new, group, data);
		if (r->progress)
			r->progress(group - v->fs.groups, new->groups - v->fs.groups);
	}
	free(data);
	return err;
}

/**
 * lnkfs_resize_grow() - make a volume larger
 * @r: change of size
 * @blocks: size, larger than it is, as lnkfs_usable_blocks() gives it; the device
 *	has so many
 *
 * Interrupted at any moment the volume has its old size or the new one, after its
 * log has been replayed.
 *
 * Return: 0 or an error.
 */
int lnkfs_resize_grow(struct lnkfs_resize *r, u64 blocks)
{
	struct lnkfs_volume *v = r->v;
	struct lnkfs_super_block sb = v->sb;
	struct lnkfs_fs new = {};
	u64 added;
	lnkfs_tx tx;
	int err;

	lnkfs_resize_super(&sb, blocks);
	lnkfs_super_load(&new, &sb);
	err = extend_groups(&v->fs, &new);
	if (err)
		return err;
	sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks + new.blocks - v->fs.blocks -
				       lnkfs_group_overhead_total(&new) +
				       lnkfs_group_overhead_total(&v->fs));
	err = prepare(r, &sb, &new);
	if (err)
		return err;
	lnkfs_tx_begin(&tx, v, lnkfs_grow_credits(&v->fs));
	err = lnkfs_grow(&tx, &v->fs, &sb, &v->sb, &added);
	lnkfs_tx_end(&tx);
	if (err)
		return err;
	v->free_blocks += (s64)added;
	v->sb = sb;
	err = lnkfs_log_commit(&r->log, v, true);
	if (!err && r->progress)
		r->progress(1, 1);
	return err;
}
