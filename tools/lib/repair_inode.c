// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of the inode blocks: which blocks they are, the headers of their slots,
 * and the records by themselves.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"

/* ---- which blocks hold inodes ---- */

/**
 * lnkfs_looks_like_inodes() - could this be an inode block?
 * @fs: volume
 * @data: the block
 * @block: its number
 *
 * Return: true when at least one record has its right checksum, which depends on
 * volume and place, or all slots are free and have theirs.
 */
bool lnkfs_looks_like_inodes(const struct lnkfs_fs *fs, const void *data, u64 block)
{
	u32 slot;

	if (!lnkfs_verify_block(fs, data, LNKFS_B_INODE, block, 0, 0))
		return true;
	for (slot = 0; slot < 1u << fs->slot_bits; slot++)
		if (!lnkfs_verify_record(fs, data, block, slot))
			return true;
	return false;
}

/* Read one of a group's maps; false when it is damaged. */
static bool read_map(struct lnkfs_repair *r, u32 group, enum lnkfs_btype type, void *data,
		     int *err)
{
	u64 block = lnkfs_group_map_block(r->fs, group, type);

	*err = lnkfs_read_raw(r, block, data);
	return !*err && !lnkfs_verify_block(r->fs, data, type, block, group, 0);
}

/* The map of inode blocks is lost: look at every block that may be one. */
static int scan_group(struct lnkfs_repair *r, u32 group, void *data)
{
	struct lnkfs_map_block *map = malloc(r->fs->block_size);
	u32 off, size = lnkfs_group_size(r->fs, group);
	u64 first = lnkfs_group_first(r->fs, group);
	bool known;
	int err;

	if (!map)
		return -ENOMEM;
	known = read_map(r, group, LNKFS_B_BITMAP, map, &err);
	for (off = lnkfs_group_overhead(r->fs, group); !err && off < size; off++) {
		if ((known && !lnkfs_test_bit(off, map->m_bits)) ||
		    !lnkfs_block_valid(r->fs, first + off, 1))
			continue;
		err = lnkfs_read_raw(r, first + off, data);
		if (err || !lnkfs_looks_like_inodes(r->fs, data, first + off))
			continue;
		err = lnkfs_group_mark(r, &r->group[group].imap, off);
		if (!err)
			err = lnkfs_group_mark(r, &r->group[group].found, off);
	}
	free(map);
	return err;
}

/* The flags of a group; they are only believed where its maps agree. */
static int read_flags(struct lnkfs_repair *r, u32 group, void *data, u16 *flags, u32 *inodes)
{
	u32 first = group - group % r->fs->desc_per_block;
	const struct lnkfs_gdesc_block *gb = data;
	u64 block = lnkfs_gdesc_block(r->fs, group);
	int err = lnkfs_read_raw(r, block, data);

	*flags = 0;
	*inodes = 1;
	if (err || lnkfs_verify_block(r->fs, data, LNKFS_B_GDESC, block, first, 0))
		return err;
	*flags = le16_to_cpu(gb->d_desc[group - first].bg_flags);
	*inodes = le32_to_cpu(gb->d_desc[group - first].bg_used_inodes);
	return 0;
}

static int find_in_group(struct lnkfs_repair *r, u32 group, void *data)
{
	const struct lnkfs_map_block *map = data;
	u32 off, inodes, size = lnkfs_group_size(r->fs, group);
	u32 root = lnkfs_group_of(r->fs, lnkfs_ino_block(r->fs, r->fs->root_ino));
	u64 first = lnkfs_group_first(r->fs, group);
	u16 flags;
	int err;

	err = read_flags(r, group, data, &flags, &inodes);
	if (err)
		return err;
	if (read_map(r, group, LNKFS_B_IMAP, data, &err)) {
		for (off = 0; !err && off < size; off++)
			if (lnkfs_test_bit(off, map->m_bits) &&
			    lnkfs_block_valid(r->fs, first + off, 1))
				err = lnkfs_group_mark(r, &r->group[group].imap, off);
		return err;
	}
	/* Of a group without inodes the maps are made when it gets the first. */
	if (err || (flags & LNKFS_BG_INODE_UNINIT && !inodes && group != root))
		return err;
	err = scan_group(r, group, data);
	if (!err)
		lnkfs_fixed(r, "group %u: inode map found by looking at the blocks", group);
	return err;
}

/* ---- slots ---- */

static struct lnkfs_slot *slot_at(void *data, u32 slot)
{
	return (struct lnkfs_slot *)((u8 *)data + slot * LNKFS_SLOT_SIZE);
}

/**
 * lnkfs_free_slots() - make slots of an inode block free ones
 * @data: the block, to be sealed
 * @slot: first slot
 * @count: how many
 */
void lnkfs_free_slots(void *data, u32 slot, u32 count)
{
	for (; count; slot++, count--) {
		struct lnkfs_slot *sl = slot_at(data, slot);

		memset(sl, 0, LNKFS_SLOT_SIZE);
		sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
		sl->sl_type = LNKFS_SLOT_FREE;
		sl->sl_count = 1;
	}
}

static bool is_free(const void *data, u32 slot)
{
	const struct lnkfs_slot *sl = (const void *)((const u8 *)data + slot * LNKFS_SLOT_SIZE);

	return le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC &&
	       sl->sl_type == LNKFS_SLOT_FREE && sl->sl_count == 1;
}

/* Does the slot say where an inode does that it is this one? */
static bool has_number(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot)
{
	const struct lnkfs_inode *di = (const void *)((const u8 *)data + slot * LNKFS_SLOT_SIZE);

	return le64_to_cpu(di->i_ino) == (block << fs->slot_bits) + slot;
}

static bool is_cont(const void *data, u32 slot, u32 nth)
{
	const struct lnkfs_slot *sl = (const void *)((const u8 *)data + slot * LNKFS_SLOT_SIZE);

	return le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC &&
	       sl->sl_type == LNKFS_SLOT_CONT && sl->sl_count == nth;
}

/*
 * A record with a damaged header: set the headers right, if it is known where it
 * ends. Return: slots of the record, or 0.
 */
static u32 mend_headers(const struct lnkfs_fs *fs, void *data, u64 block, u32 slot)
{
	struct lnkfs_slot *sl = slot_at(data, slot);
	u32 left = (1u << fs->slot_bits) - slot, n = 1, i;

	if (!has_number(fs, data, block, slot))
		return 0;
	while (n < left && n < LNKFS_MAX_SLOTS && is_cont(data, slot + n, n))
		n++;
	/* The head's own word, where it goes on behind a damaged header. */
	if (le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC && sl->sl_type == LNKFS_SLOT_HEAD &&
	    sl->sl_count > n && sl->sl_count <= min_t(u32, left, LNKFS_MAX_SLOTS))
		for (n = 1; n < sl->sl_count; n++)
			if (is_free(data, slot + n) || has_number(fs, data, block, slot + n))
				break;
	sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
	sl->sl_type = LNKFS_SLOT_HEAD;
	sl->sl_count = (u8)n;
	for (i = 1; i < n; i++) {
		struct lnkfs_slot *cont = slot_at(data, slot + i);

		cont->sl_magic = sl->sl_magic;
		cont->sl_type = LNKFS_SLOT_CONT;
		cont->sl_count = (u8)i;
		cont->sl_checksum = 0;
	}
	return n;
}

/* ---- records ---- */

static int remember(struct lnkfs_repair *r, const struct lnkfs_cinode *ci)
{
	struct lnkfs_rinode *info;

	if (lnkfs_rinode_room(r))
		return -ENOMEM;
	info = &r->inodes[r->nr++];
	memset(info, 0, sizeof(*info));
	info->ino = ci->ino;
	info->parent = ci->parent;
	info->pos = (u32)(ci->parent_pos / 8);
	info->nlink = ci->nlink;
	info->mode = ci->mode;
	if (S_ISREG(ci->mode) && lnkfs_super_has_quota_ino(&r->v->sb, ci->ino))
		info->flags |= RI_QUOTA;
	return 0;
}

/* Is a record what it should be, apart from its checksum? */
static bool record_sound(struct lnkfs_repair *r, const void *data, u64 block, u32 slot,
			 struct lnkfs_node *node)
{
	struct lnkfs_cinode *ci = &node->ci;

	memset(ci, 0, sizeof(*ci));
	ci->area = node->area;
	return !lnkfs_inode_decode(r->fs, data, block, slot, ci) &&
	       !lnkfs_inode_check(r->fs, ci) &&
	       !memchr_inv(ci->area + ci->fork_len, 0, lnkfs_fork_room(ci) - ci->fork_len);
}

/* One that neither its checksum nor its number says is this inode is another's. */
static int mend_record(struct lnkfs_repair *r, void *data, u64 block, u32 slot, bool *changed)
{
	u64 ino = (block << r->fs->slot_bits) + slot;
	u32 count = slot_at(data, slot)->sl_count;
	bool intact = !lnkfs_verify_record(r->fs, data, block, slot);
	struct lnkfs_node node;

	if (record_sound(r, data, block, slot, &node)) {
		if (!intact) {
			lnkfs_fixed(r, "inode %" PRIu64 ": checksum set right", ino);
			*changed = true;
		}
	} else if ((intact || has_number(r->fs, data, block, slot)) &&
		   lnkfs_repair_record(r, data, block, slot, &node)) {
		lnkfs_inode_encode(&node.ci, data, slot);
		lnkfs_fixed(r, "inode %" PRIu64 ": record mended", ino);
		*changed = true;
	} else if (r->fatal) {
		return r->fatal;
	} else {
		lnkfs_free_slots(data, slot, count);
		lnkfs_fixed(r, "inode %" PRIu64 ": record makes no sense, freed", ino);
		*changed = true;
		return 0;
	}
	return remember(r, &node.ci);
}

static int mend_slots(struct lnkfs_repair *r, void *data, u64 block, bool *changed)
{
	u32 slots = 1u << r->fs->slot_bits, slot, count, i;
	int err = 0;

	for (slot = 0; slot < slots && !err; slot += count) {
		struct lnkfs_slot *sl = slot_at(data, slot);
		u64 known = r->nr;
		bool doubt = false;

		count = 1;
		if (is_free(data, slot)) {
			if (memchr_inv(sl + 1, 0, LNKFS_SLOT_SIZE - sizeof(*sl))) {
				lnkfs_free_slots(data, slot, 1);
				*changed = true;
			}
			continue;
		}
		count = sl->sl_count;
		if (!lnkfs_record_at(r->fs, data, slot, count)) {
			*changed = true;
			/* A value may say that it is an inode; a header is never the user's. */
			doubt = sl->sl_type != LNKFS_SLOT_HEAD;
			count = mend_headers(r->fs, data, block, slot);
			lnkfs_fixed(r, "block %" PRIu64 ": slot %u: header %s", block, slot,
				    count ? "mended" : "makes no sense, slot freed");
			if (!count) {
				lnkfs_free_slots(data, slot, 1);
				count = 1;
				continue;
			}
		}
		for (i = 1; i < count; i++)
			slot_at(data, slot + i)->sl_checksum = 0;
		err = mend_record(r, data, block, slot, changed);
		if (doubt && r->nr > known)
			r->inodes[known].flags |= RI_DOUBT;
	}
	return err;
}

/**
 * lnkfs_repair_inode_block() - set the records of an inode block right
 * @r: repair
 * @block: its number; it is marked as an inode block
 *
 * Its inodes are added to the table. A block that holds nothing of an inode block
 * is none any more.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_inode_block(struct lnkfs_repair *r, u64 block)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u32 size = r->fs->block_size, slot;
	bool changed = false;
	u8 *data = malloc(size);
	u8 *before = malloc(size);
	int err = -ENOMEM;

	if (data && before)
		err = lnkfs_read_raw(r, block, data);
	if (err)
		goto out;
	for (slot = 0; slot < 1u << r->fs->slot_bits; slot++)
		if (le16_to_cpu(slot_at(data, slot)->sl_magic) == LNKFS_SLOT_MAGIC ||
		    has_number(r->fs, data, block, slot))
			break;
	if (slot >> r->fs->slot_bits) {
		lnkfs_clear_bit((u32)(block - lnkfs_group_first(r->fs, group)),
				r->group[group].imap);
		lnkfs_fixed(r, "block %" PRIu64 " is no inode block", block);
		goto out;
	}
	memcpy(before, data, size);
	err = mend_slots(r, data, block, &changed);
	if (err)
		goto out;
	lnkfs_seal_block(r->fs, data, LNKFS_B_INODE, block);
	if (memcmp(before, data, size)) {
		if (!changed)
			lnkfs_fixed(r, "block %" PRIu64 ": checksums of free slots set right",
				    block);
		err = lnkfs_dev_write(&r->v->dev, block << r->fs->block_bits, data, size);
	}
out:
	free(data);
	free(before);
	return err;
}

static int mend_group(struct lnkfs_repair *r, u32 group)
{
	const u8 *imap = r->group[group].imap;
	u32 off, size = lnkfs_group_size(r->fs, group);
	int err = 0;

	for (off = 0; imap && !err && off < size; off++)
		if (lnkfs_test_bit(off, imap))
			err = lnkfs_repair_inode_block(r, lnkfs_group_first(r->fs, group) + off);
	return err;
}

/**
 * lnkfs_repair_find_inodes() - find all inode blocks and set their records right
 * @r: repair; its table of inodes is filled, in ascending order
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_find_inodes(struct lnkfs_repair *r)
{
	void *data = malloc(r->fs->block_size);
	int err = data ? 0 : -ENOMEM;
	u32 group;

	for (group = 0; group < r->fs->groups && !err; group++) {
		err = find_in_group(r, group, data);
		if (!err)
			err = mend_group(r, group);
		lnkfs_progress(r->c, LNKFS_PASS_INODES, group + 1, 2 * r->fs->groups);
	}
	free(data);
	return err;
}
