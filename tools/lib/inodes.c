// SPDX-License-Identifier: GPL-2.0
/*
 * Going through all inodes of a volume that is in order.
 */
#include <stdlib.h>

#include "volume.h"

/* The inodes of a block; their numbers are taken first, since the block may change. */
static int block_inodes(struct lnkfs_fs *fs, u64 block, lnkfs_ino_actor actor, void *ctx)
{
	u32 slots = 1u << fs->slot_bits, slot, n = 0, i;
	u32 heads[1u << (LNKFS_MAX_BLOCK_BITS - 8)];
	const u8 *data;
	lnkfs_buf *buf;
	int err;

	err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err)
		return err;
	data = lnkfs_bdata(buf);
	for (slot = 0; slot < slots; slot++) {
		const struct lnkfs_slot *sl = (const void *)(data + slot * LNKFS_SLOT_SIZE);

		if (sl->sl_type == LNKFS_SLOT_HEAD)
			heads[n++] = slot;
	}
	lnkfs_bput(buf);
	for (i = 0; i < n && !err; i++)
		err = actor(ctx, (block << fs->slot_bits) + heads[i]);
	return err;
}

static int group_inodes(struct lnkfs_fs *fs, u32 group, u32 from, lnkfs_ino_actor actor,
			void *ctx)
{
	u32 size = lnkfs_group_size(fs, group), bytes = fs->group_blocks / 8;
	lnkfs_buf *buf;
	u8 *map;
	int err;

	if (lnkfs_group(fs, group)->flags & LNKFS_BG_INODE_UNINIT)
		return 0;
	map = malloc(bytes);
	if (!map)
		return -ENOMEM;
	err = lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_IMAP), LNKFS_B_IMAP, group,
			  0, &buf);
	if (!err) {
		memcpy(map, (u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER, bytes);
		lnkfs_bput(buf);
	}
	while (!err && (from = (u32)lnkfs_find_next_bit(map, size, from)) < size)
		err = block_inodes(fs, lnkfs_group_first(fs, group) + from++, actor, ctx);
	free(map);
	return err;
}

/**
 * lnkfs_volume_inodes() - go through inodes, as they are when their block is reached
 * @v: volume, its groups loaded
 * @first: first block of interest
 * @actor: called for each with its number; 0 to go on
 * @ctx: its argument
 *
 * Return: 0, what @actor says, or an error of reading.
 */
int lnkfs_volume_inodes(struct lnkfs_volume *v, u64 first, lnkfs_ino_actor actor, void *ctx)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 group = lnkfs_group_of(fs, first);
	u32 from = (u32)(first - lnkfs_group_first(fs, group));
	int err = 0;

	for (; group < fs->groups && !err; group++, from = 0)
		err = group_inodes(fs, group, from, actor, ctx);
	return err;
}
