// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of the superblocks and of the copies of the descriptors.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"

/* Bytes that have no meaning, and are in use. */
static bool has_leftovers(const struct lnkfs_super_block *sb)
{
	return sb->s_pad1 || memchr_inv(sb->s_reserved, 0, sizeof(sb->s_reserved)) ||
	       (sb->s_journal_blocks &&
		memchr_inv(sb->s_journal_uuid, 0, sizeof(sb->s_journal_uuid)));
}

static bool super_bad(struct lnkfs_repair *r, u64 byte, u64 block)
{
	struct lnkfs_super_block sb;
	const char *why;

	return lnkfs_dev_read(&r->v->dev, byte, &sb, sizeof(sb)) ||
	       lnkfs_super_check(&sb, block, 0, &why) ||
	       !lnkfs_super_same(&sb, &r->v->sb) || has_leftovers(&sb);
}

/**
 * lnkfs_repair_supers() - write all superblocks anew where one of them is bad
 * @r: repair; the volume's superblock in memory is the right one
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_supers(struct lnkfs_repair *r)
{
	struct lnkfs_super_block *sb = &r->v->sb;
	struct lnkfs_fs *fs = r->fs;
	u32 group, bad = 0;
	int err;

	/* The primary is written already, as this repair began. */
	if (has_leftovers(sb)) {
		sb->s_pad1 = 0;
		if (sb->s_journal_blocks)
			memset(sb->s_journal_uuid, 0, sizeof(sb->s_journal_uuid));
		memset(sb->s_reserved, 0, sizeof(sb->s_reserved));
		bad++;
	}
	for (group = 1; group < fs->groups; group++) {
		u64 block = lnkfs_group_first(fs, group);

		if (lnkfs_group_has_super(group))
			bad += super_bad(r, block << fs->block_bits, block);
	}
	if (!bad)
		return 0;
	err = lnkfs_volume_write_super(r->v, true);
	if (!err)
		lnkfs_fixed(r, "superblocks written anew");
	return err;
}
