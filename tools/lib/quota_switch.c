// SPDX-License-Identifier: GPL-2.0
/*
 * Quota files coming to a volume that has files, and leaving it. Nothing here
 * survives a crash by itself: the caller sees to it that the volume is checked
 * after one.
 */
#include "format.h"
#include "quota_switch.h"

/**
 * struct usage - quota files to be filled
 * @v: volume
 * @types: which: bits 1 << LNKFS_QUOTA_*
 * @image: their contents
 * @area: inline area for the inode at hand
 */
struct usage {
	struct lnkfs_volume *v;
	u32 types;
	struct lnkfs_qimage image[LNKFS_QUOTA_TYPES];
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
};

/**
 * lnkfs_quota_types() - which quota files does a volume have?
 * @sb: superblock
 *
 * Return: bits 1 << LNKFS_QUOTA_*.
 */
u32 lnkfs_quota_types(const struct lnkfs_super_block *sb)
{
	u32 types = 0, type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (sb->s_quota_ino[type])
			types |= 1u << type;
	return types;
}

static int charge(struct usage *u, const struct lnkfs_cinode *ci)
{
	const u32 ids[LNKFS_QUOTA_TYPES] = { ci->uid, ci->gid, ci->projid };
	u32 type;
	int err = 0;

	if (lnkfs_super_has_quota_ino(&u->v->sb, ci->ino))
		return 0;
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (u->types & (1u << type))
			err = lnkfs_qimage_charge(&u->image[type], ids[type],
						  ci->blocks << u->v->fs.block_bits);
	return err;
}

static int charge_block(struct usage *u, u64 block)
{
	struct lnkfs_cinode ci = { .area = u->area };
	struct lnkfs_fs *fs = &u->v->fs;
	const struct lnkfs_slot *sl;
	lnkfs_buf *buf;
	u32 slot = 0;
	int err;

	err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err)
		return err;
	if (lnkfs_bbad(buf))
		err = -EFSBADCRC;
	while (!err && slot < 1u << fs->slot_bits) {
		sl = (const void *)((const u8 *)lnkfs_bdata(buf) + slot * LNKFS_SLOT_SIZE);
		if (!lnkfs_record_at(fs, lnkfs_bdata(buf), slot, sl->sl_count)) {
			slot++;
			continue;
		}
		err = lnkfs_inode_decode(fs, lnkfs_bdata(buf), block, slot, &ci);
		if (!err)
			err = charge(u, &ci);
		slot += sl->sl_count;
	}
	lnkfs_bput(buf);
	return err;
}

static int charge_group(struct usage *u, u32 group)
{
	struct lnkfs_fs *fs = &u->v->fs;
	u32 size = lnkfs_group_size(fs, group), off = 0;
	const u8 *bits;
	lnkfs_buf *map;
	int err;

	if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT)
		return 0;
	err = lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_IMAP), LNKFS_B_IMAP,
			  group, 0, &map);
	if (err)
		return err;
	bits = (u8 *)lnkfs_bdata(map) + LNKFS_MAP_HEADER;
	for (; !err; off++) {
		off = (u32)lnkfs_find_next_bit(bits, size, off);
		if (off >= size)
			break;
		err = charge_block(u, lnkfs_group_first(fs, group) + off);
	}
	lnkfs_bput(map);
	return err;
}

static int init_images(struct usage *u)
{
	u32 type;
	int err = 0;

	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (u->types & (1u << type))
			err = lnkfs_qimage_init(&u->image[type], type);
	return err;
}

/**
 * lnkfs_quota_make() - make quota files that say what is used
 * @v: volume, clean, its groups loaded; it has none of these files
 * @types: which: bits 1 << LNKFS_QUOTA_*
 * @now: time stamp of the files
 *
 * All that changes is in the cache, and in @v->sb.
 *
 * Return: 0; -ENOSPC and others, after which what is in the cache is of no use.
 */
int lnkfs_quota_make(struct lnkfs_volume *v, u32 types, u64 now)
{
	const struct lnkfs_format f = { .now = now };
	struct usage u = { .v = v, .types = types };
	u32 group, type;
	int err;

	err = init_images(&u);
	for (group = 0; group < v->fs.groups && !err; group++)
		err = charge_group(&u, group);
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		if (types & (1u << type) && !err)
			err = lnkfs_format_quota_file(v, &f, type, &u.image[type]);
		lnkfs_qimage_free(&u.image[type]);
	}
	if (!err)
		v->sb.s_feature_ro_compat |= cpu_to_le32(LNKFS_RO_COMPAT_QUOTA);
	return err;
}

/* Forget what is in the cache of the blocks that are about to be freed. */
static int forget_blocks(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u64 end = ci->size >> fs->block_bits, i;
	struct lnkfs_ext ext;
	int err = 0;

	for (ext.lblk = 0, ext.len = 0; ext.lblk + ext.len < end && !err;) {
		err = lnkfs_ext_lookup(fs, ci, ext.lblk + ext.len, &ext);
		for (i = 0; i < ext.len && !err && !(ext.flags & LNKFS_EXT_HOLE); i++)
			err = lnkfs_bforget(tx, fs, ext.block + i);
	}
	return err;
}

/**
 * lnkfs_quota_drop() - free a quota file that the superblock no longer names
 * @v: volume, clean, its groups loaded
 * @ino: inode number of the file
 *
 * All that changes is in the cache.
 *
 * Return: 0, or an error of reading the file.
 */
int lnkfs_quota_drop(struct lnkfs_volume *v, u64 ino)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_cinode ci = { .area = area };
	lnkfs_tx tx;
	int err;

	err = lnkfs_inode_load(&v->fs, ino, 0, &ci);
	if (err)
		return err;
	lnkfs_tx_begin(&tx, v, 0);
	err = forget_blocks(&tx, &v->fs, &ci);
	if (!err)
		err = lnkfs_ext_remove(&tx, &v->fs, &ci, 0, LNKFS_MAX_LBLK, ~0u);
	if (!err)
		err = lnkfs_inode_store(&tx, &v->fs, &ci);
	if (!err)
		err = lnkfs_ifree(&tx, &v->fs, ino, ci.slots, false);
	lnkfs_tx_end(&tx);
	return err;
}
