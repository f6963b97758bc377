// SPDX-License-Identifier: GPL-2.0
/*
 * Making an empty journal.
 */
#include <stdlib.h>

#include "journal.h"

/**
 * lnkfs_journal_format() - make the volume's journal area an empty journal
 * @v: volume with its geometry loaded
 *
 * All of the area is zeroed: blocks of an older journal there could be taken
 * for a continuation of the new one. Checksums and the other features are set
 * by jbd2 when the volume is first mounted.
 *
 * Return: 0 or what writing says.
 */
int lnkfs_journal_format(struct lnkfs_volume *v)
{
	const struct lnkfs_fs *fs = &v->fs;
	u64 at = fs->journal_start << fs->block_bits;
	struct jbd2_super *js;
	int err;

	err = lnkfs_dev_zero(&v->dev, at, (u64)fs->journal_blocks << fs->block_bits);
	if (err)
		return err;
	js = calloc(1, fs->block_size);
	if (!js)
		return -ENOMEM;
	js->h_magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	js->h_blocktype = cpu_to_be32(JBD2_SUPERBLOCK_V2);
	js->s_blocksize = cpu_to_be32(fs->block_size);
	js->s_maxlen = cpu_to_be32(fs->journal_blocks);
	js->s_first = cpu_to_be32(1);
	js->s_sequence = cpu_to_be32(1);
	js->s_nr_users = cpu_to_be32(1);
	memcpy(js->s_uuid, v->sb.s_meta_uuid, sizeof(js->s_uuid));
	err = lnkfs_dev_write(&v->dev, at, js, fs->block_size);
	free(js);
	return err;
}
