/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on a volume and has no meaning has to be zero: reserved bytes, what a
 * structure does not use, what follows the last byte of a file in its block. The
 * checker looks at most of it; here is the rest.
 */
#ifndef LNKFS_SLACK_H
#define LNKFS_SLACK_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../../tools/lib/volume.h"
#include "xattr.h"

/**
 * struct slack - a walk over a volume
 * @v: it, opened for reading
 * @found: places that should be zero and are not
 * @objects: places that were looked at
 */
struct slack {
	struct lnkfs_volume *v;
	u32 found;
	u32 objects;
};

static inline void slack_zero(struct slack *s, const void *data, size_t len, const char *fmt, ...)
{
	const u8 *p = data;
	size_t i = 0;
	va_list ap;

	s->objects++;
	while (i < len && !p[i])
		i++;
	if (i == len || s->found++ > 20)
		return;
	printf("# not zero: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(", byte %zu of %zu: %02x\n", i, len, p[i]);
}

static inline bool slack_read(struct slack *s, u64 block, void *data)
{
	struct lnkfs_fs *fs = &s->v->fs;

	if (block < fs->blocks &&
	    !lnkfs_dev_read(&s->v->dev, block << fs->block_bits, data, fs->block_size))
		return true;
	s->found++;
	printf("# block %" PRIu64 " cannot be read\n", block);
	return false;
}

/* ---- superblocks ---- */

static inline void slack_supers(struct slack *s)
{
	struct lnkfs_fs *fs = &s->v->fs;
	u8 data[1u << LNKFS_MAX_BLOCK_BITS];
	const struct lnkfs_super_block *sb;
	u32 group, at, len;

	for (group = 0; group < fs->groups; group++) {
		u64 block = group ? lnkfs_group_first(fs, group) :
			    (u64)LNKFS_SUPER_OFFSET >> fs->block_bits;

		if (!lnkfs_group_has_super(group) || !slack_read(s, block, data))
			continue;
		at = group ? 0 : LNKFS_SUPER_OFFSET & (fs->block_size - 1);
		sb = (void *)(data + at);
		slack_zero(s, sb->s_reserved, sizeof(sb->s_reserved), "superblock of group %u",
			   group);
		slack_zero(s, &sb->s_pad1, sizeof(sb->s_pad1), "superblock of group %u", group);
		len = (u32)strnlen((char *)sb->s_label, sizeof(sb->s_label));
		slack_zero(s, sb->s_label + len, sizeof(sb->s_label) - len, "label");
		len = (u32)strnlen((char *)sb->s_last_mounted, sizeof(sb->s_last_mounted));
		slack_zero(s, sb->s_last_mounted + len, sizeof(sb->s_last_mounted) - len,
			   "last mount point");
		/* The first block is a boot loader's, too. */
		at += sizeof(*sb);
		if (group)
			slack_zero(s, data + at, fs->block_size - at,
				   "behind the superblock of group %u", group);
	}
}

/* ---- trees ---- */

static inline void slack_records(struct slack *s, u64 ino, const u8 *records, u32 room,
				 u32 level, u32 count, u8 vsize);

static inline void slack_node(struct slack *s, u64 ino, u64 block, u8 vsize)
{
	struct lnkfs_btree_node *node = malloc(s->v->fs.block_size);

	if (slack_read(s, block, node)) {
		slack_zero(s, node->n_pad, sizeof(node->n_pad), "inode %" PRIu64 ": node", ino);
		slack_records(s, ino, node->n_records, s->v->fs.block_size - (u32)sizeof(*node),
			      le16_to_cpu(node->n_level), le16_to_cpu(node->n_count), vsize);
	}
	free(node);
}

static inline void slack_records(struct slack *s, u64 ino, const u8 *records, u32 room, u32 level,
				 u32 count, u8 vsize)
{
	u32 size = level ? 16 : 8u + vsize, i;

	if (count * size > room) {
		s->found++;
		return;
	}
	slack_zero(s, records + count * size, room - count * size,
		   "inode %" PRIu64 ": tree, level %u, %u records", ino, level, count);
	for (i = 0; level && i < count; i++)
		slack_node(s, ino, get_unaligned_le64(records + i * size + 8), vsize);
}

static inline void slack_tree(struct slack *s, u64 ino, const void *data, u32 size)
{
	const struct lnkfs_btree_root *root = data;

	slack_zero(s, &root->bt_pad, sizeof(root->bt_pad), "inode %" PRIu64 ": root", ino);
	slack_records(s, ino, (const u8 *)(root + 1), size - (u32)sizeof(*root),
		      le16_to_cpu(root->bt_level), le16_to_cpu(root->bt_count), root->bt_vsize);
}

/* ---- inodes ---- */

/* What is written and lies past the end of a file. */
static inline void slack_data(struct slack *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_fs *fs = &s->v->fs;
	u8 data[1u << LNKFS_MAX_BLOCK_BITS];
	u64 lblk = ci->size >> fs->block_bits;
	u32 used = (u32)(ci->size & (fs->block_size - 1));
	struct lnkfs_ext ext;

	for (; !lnkfs_ext_lookup(fs, ci, lblk, &ext); lblk++, used = 0) {
		if (!ext.block) {
			/* A hole: to its end, which may be that of everything. */
			if (ext.len > LNKFS_MAX_LBLK / 2 || lblk + ext.len >= LNKFS_MAX_LBLK)
				break;
			lblk = ext.lblk + ext.len - 1;
			continue;
		}
		if (!(ext.flags & LNKFS_EXT_UNWRITTEN) &&
		    slack_read(s, ext.block + (lblk - ext.lblk), data))
			slack_zero(s, data + used, fs->block_size - used,
				   "inode %" PRIu64 ": past its end, %" PRIu64, ci->ino, ci->size);
	}
}

static inline void slack_inode(struct slack *s, u64 ino)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_cinode ci = { .area = area };
	struct lnkfs_fs *fs = &s->v->fs;
	const struct lnkfs_dir_fork *f = (void *)area;
	struct lnkfs_xattr_block *xb = malloc(fs->block_size);

	if (lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci)) {
		s->found++;
		free(xb);
		return;
	}
	slack_zero(s, area + ci.fork_len, ci.area_len - ci.fork_len - ci.xattr_len,
		   "inode %" PRIu64 ": between fork and attributes", ino);
	if (ci.fork == LNKFS_FORK_EXTENTS) {
		slack_tree(s, ino, area, ci.fork_len);
		if (!lnkfs_super_has_quota_ino(&s->v->sb, ino))
			slack_data(s, &ci);
	} else if (ci.fork == LNKFS_FORK_DIR_BLOCKS) {
		slack_tree(s, ino, area + sizeof(*f), le16_to_cpu(f->f_ext_len));
		slack_tree(s, ino, area + sizeof(*f) + le16_to_cpu(f->f_ext_len),
			   le16_to_cpu(f->f_idx_len));
	}
	if (ci.xattr_block && slack_read(s, ci.xattr_block, xb) &&
	    xb->x_kind == LNKFS_XBLOCK_HEAD)
		slack_tree(s, ino, xb->x_data,
			   fs->block_size - (u32)offsetof(struct lnkfs_xattr_block, x_data));
	free(xb);
}

/* Slots: a record in use, a free one, and nothing else. */
static inline void slack_inode_block(struct slack *s, u64 block)
{
	u8 data[1u << LNKFS_MAX_BLOCK_BITS];
	struct lnkfs_fs *fs = &s->v->fs;
	const struct lnkfs_slot *sl;
	u32 slot;

	if (!slack_read(s, block, data))
		return;
	for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
		sl = (void *)(data + slot * LNKFS_SLOT_SIZE);
		if (sl->sl_type == LNKFS_SLOT_FREE)
			slack_zero(s, sl + 1, LNKFS_SLOT_SIZE - sizeof(*sl),
				   "free slot %u of block %" PRIu64, slot, block);
		else if (sl->sl_type == LNKFS_SLOT_CONT)
			slack_zero(s, &sl->sl_checksum, sizeof(sl->sl_checksum),
				   "slot %u of block %" PRIu64, slot, block);
		else
			slack_inode(s, (block << fs->slot_bits) + slot);
	}
}

/**
 * slack_walk() - look at everything that should be zero
 * @v: volume with its groups, consistent, its log empty
 *
 * Return: places that are not, which have been printed.
 */
static inline u32 slack_walk(struct lnkfs_volume *v)
{
	struct slack s = { .v = v };
	struct lnkfs_fs *fs = &v->fs;
	struct lnkfs_map_block *map = malloc(fs->block_size);
	u32 group, off, size;

	slack_supers(&s);
	for (group = 0; group < fs->groups; group++) {
		if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT ||
		    !slack_read(&s, lnkfs_group_map_block(fs, group, LNKFS_B_IMAP), map))
			continue;
		size = lnkfs_group_size(fs, group);
		for (off = 0; (off = lnkfs_find_next_bit(map->m_bits, size, off)) < size; off++)
			slack_inode_block(&s, lnkfs_group_first(fs, group) + off);
	}
	free(map);
	if (!s.objects)
		s.found++;
	printf("# %u places that should be zero\n", s.objects);
	return s.found;
}

#endif /* LNKFS_SLACK_H */
