// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's pass over the inodes: the three inode maps of every group,
 * every slot of every inode block, every record and the blocks it owns.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_priv.h"

#define READ_AHEAD	64	/* blocks of a group that are read at once */
#define GAP		8	/* of others among them */

/**
 * struct group_walk - a group being looked at
 * @group: its number
 * @imap: bits of its inode block map
 * @full: bits of its full map
 * @orph: bits of its orphan map
 * @inode_blocks: found so far
 * @free_slots: likewise
 * @used_inodes: likewise
 * @used_dirs: likewise
 */
struct group_walk {
	u32 group;
	const u8 *imap;
	const u8 *full;
	const u8 *orph;
	u32 inode_blocks;
	u32 free_slots;
	u32 used_inodes;
	u32 used_dirs;
};

/**
 * lnkfs_fsck_block_seen() - callback of the walks: the inode owns a block
 * @ctx: struct lnkfs_fsck_inode
 * @block: the block
 * @type: what it is
 *
 * Return: as lnkfs_claim(): the walk ends at a block that is somebody else's.
 */
int lnkfs_fsck_block_seen(void *ctx, u64 block, enum lnkfs_btype type)
{
	struct lnkfs_fsck_inode *w = ctx;

	(void)type;
	return lnkfs_claim(w->c, block, 1, w->ci->ino);
}

/**
 * lnkfs_fsck_message() - callback of the walks: a problem
 * @ctx: struct lnkfs_fsck_inode
 * @text: what is wrong
 */
void lnkfs_fsck_message(void *ctx, const char *text)
{
	struct lnkfs_fsck_inode *w = ctx;

	lnkfs_problem(w->c, "inode %" PRIu64 ": %s", w->ci->ino, text);
}

static int extent_seen(void *arg, u64 key, const void *value)
{
	struct lnkfs_fsck_inode *w = arg;
	struct lnkfs_fs *fs = w->c->fs;
	u64 ino = w->ci->ino;
	struct lnkfs_extent x;
	u32 len, flags;
	int err;

	memcpy(&x, value, sizeof(x));
	len = le32_to_cpu(x.x_len);
	flags = le32_to_cpu(x.x_flags);
	if (!len || !lnkfs_lblk_valid(fs, key, len) || key < w->next ||
	    (flags & ~(u32)LNKFS_EXT_UNWRITTEN)) {
		lnkfs_problem(w->c, "inode %" PRIu64 ": bad extent at logical block %" PRIu64, ino,
			      key);
		return 0;
	}
	if (!(flags & LNKFS_EXT_UNWRITTEN) && !(w->ci->lflags & LNKFS_LF_TRUNCATING) &&
	    w->ci->nlink && ((key + len - 1) << fs->block_bits) >= w->ci->size)
		lnkfs_problem_safe(w->c, "inode %" PRIu64 ": blocks written past the end", ino);
	w->next = key + len;
	w->blocks += len;
	err = lnkfs_claim_data(w->c, le64_to_cpu(x.x_block), len, ino);
	return err < 0 ? err : 0;
}

static int check_extents(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks)
{
	static const struct lnkfs_check_ops ops = {
		.block = lnkfs_fsck_block_seen,
		.message = lnkfs_fsck_message,
	};
	struct lnkfs_fsck_inode w = { .c = c, .ci = ci };
	struct lnkfs_check ck = { .fs = c->fs, .ci = ci, .ops = &ops, .ctx = &w };
	const struct lnkfs_btree bt = {
		.fs = c->fs,
		.ci = ci,
		.root = ci->area,
		.root_size = ci->fork_len,
		.vsize = sizeof(struct lnkfs_extent),
		.tree = LNKFS_TREE_EXTENT,
	};
	u64 nodes = 0;
	int err;

	err = lnkfs_check_tree(&ck, &bt, extent_seen, &w, &nodes);
	*blocks = w.blocks + nodes;
	return err < 0 ? err : 0;
}

/* The bytes after the target in its last block are zero. */
static void check_link_padding(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci, u64 first,
			       u32 count)
{
	u32 used = (u32)((ci->size - 1) & (c->fs->block_size - 1)) + 1;
	lnkfs_buf *buf;

	if (lnkfs_bread(c->fs, first + count - 1, LNKFS_B_RAW, ci->ino, ci->gen, &buf))
		return;
	if (memchr_inv((u8 *)lnkfs_bdata(buf) + used, 0, c->fs->block_size - used))
		lnkfs_problem(c, "inode %" PRIu64 ": bytes after a symlink's target", ci->ino);
	lnkfs_bput(buf);
}

static int check_slow_link(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks)
{
	const struct lnkfs_slow_link *sl = (const void *)ci->area;
	u64 first = le64_to_cpu(sl->l_block);
	char target[LNKFS_SYMLINK_MAX + 1];
	int err;

	c->res.slow_symlinks++;
	*blocks += le32_to_cpu(sl->l_blocks);
	err = lnkfs_claim(c, first, le32_to_cpu(sl->l_blocks), ci->ino);
	if (err)
		return err < 0 ? err : 0;
	err = lnkfs_symlink_read_slow(c->fs, ci, target);
	if (err == -ENOMEM)
		return err;
	if (err)
		lnkfs_problem(c, "inode %" PRIu64 ": symlink target: %s", ci->ino, strerror(-err));
	else
		check_link_padding(c, ci, first, le32_to_cpu(sl->l_blocks));
	return 0;
}

/**
 * lnkfs_fsck_fork() - check the blocks of the contents of an inode
 * @c: check
 * @ci: the inode, which has passed lnkfs_inode_check(); no directory
 * @blocks: gets their number, tree nodes included
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_fork(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks)
{
	*blocks = 0;
	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		return check_slow_link(c, ci, blocks);
	if (ci->fork == LNKFS_FORK_EXTENTS)
		return check_extents(c, ci, blocks);
	return 0;
}

/* The blocks of an inode that passed lnkfs_inode_check(); directories' come later. */
static int check_blocks(struct lnkfs_fsck *c, struct lnkfs_cinode *ci)
{
	u64 blocks, xattr_blocks, before = c->res.problems;
	struct lnkfs_fsck_link link;
	int err;

	err = lnkfs_fsck_xattrs(c, ci, &xattr_blocks, &link);
	if (err)
		return err;
	if (S_ISDIR(ci->mode)) {
		c->inodes[c->nr_inodes - 1].xattr_blocks = (u32)xattr_blocks;
		return 0;
	}
	err = lnkfs_fsck_fork(c, ci, &blocks);
	if (!err && S_ISLNK(ci->mode) && c->res.problems == before)
		err = lnkfs_fsck_link(c, ci, &link);
	blocks += xattr_blocks;
	if (!err && blocks != ci->blocks)
		lnkfs_problem_safe(c, "inode %" PRIu64 ": owns %" PRIu64 " blocks, says %" PRIu64,
				   ci->ino, blocks, ci->blocks);
	return err;
}

static int remember(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci)
{
	struct lnkfs_cinfo *info;

	if (c->nr_inodes == c->max_inodes) {
		u64 max = c->max_inodes ? c->max_inodes * 2 : 1024;

		info = realloc(c->inodes, max * sizeof(*info));
		if (!info)
			return -ENOMEM;
		c->inodes = info;
		c->max_inodes = max;
	}
	info = &c->inodes[c->nr_inodes++];
	memset(info, 0, sizeof(*info));
	info->ino = ci->ino;
	info->parent = ci->parent;
	info->pos = (u32)(ci->parent_pos / 8);
	info->nlink = ci->nlink;
	info->mode = ci->mode;
	return lnkfs_fsck_charge(c, ci, info);
}

static void count_type(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci)
{
	if (S_ISREG(ci->mode))
		c->res.files++;
	else if (S_ISDIR(ci->mode))
		c->res.dirs++;
	else if (S_ISLNK(ci->mode))
		c->res.symlinks++;
	else
		c->res.specials++;
}

/* One record whose headers are in order. */
static int check_record(struct lnkfs_fsck *c, struct group_walk *w, const void *data, u64 block,
			u32 slot)
{
	u64 ino = (block << c->fs->slot_bits) + slot;
	struct lnkfs_cinode ci = { .area = c->area };
	u32 room;
	int err;

	w->used_inodes++;
	err = lnkfs_verify_record(c->fs, data, block, slot);
	if (!err)
		err = lnkfs_inode_decode(c->fs, data, block, slot, &ci);
	if (err) {
		if (err == -ENOMEM)
			return err;
		lnkfs_problem(c, "inode %" PRIu64 ": bad record: %s", ino, strerror(-err));
		return 0;
	}
	w->used_dirs += S_ISDIR(ci.mode);
	if (lnkfs_inode_check(c->fs, &ci))
		return 0;
	room = ci.area_len - ci.fork_len - ci.xattr_len;
	if (memchr_inv(ci.area + ci.fork_len, 0, room))
		lnkfs_problem_safe(c, "inode %" PRIu64 ": unused bytes of the inline area are not zero",
			      ino);
	count_type(c, &ci);
	if (!ci.nlink || (ci.lflags & LNKFS_LF_TRUNCATING)) {
		c->res.orphans++;
		if (!lnkfs_test_bit((u32)(block - lnkfs_group_first(c->fs, w->group)), w->orph) ||
		    !(c->fs->group[w->group].flags & LNKFS_BG_ORPHANS))
			lnkfs_problem_safe(c, "inode %" PRIu64 ": orphan that recovery would not find",
				      ino);
	}
	err = remember(c, &ci);
	return err ? err : check_blocks(c, &ci);
}

static void check_free_slot(struct lnkfs_fsck *c, const void *data, u64 block, u32 slot)
{
	if (memchr_inv((const u8 *)data + slot * LNKFS_SLOT_SIZE + sizeof(struct lnkfs_slot), 0,
		       LNKFS_SLOT_SIZE - sizeof(struct lnkfs_slot)))
		lnkfs_problem_safe(c, "block %" PRIu64 ": free slot %u is not zero", block, slot);
}

static int check_inode_block(struct lnkfs_fsck *c, struct group_walk *w, u32 off)
{
	u64 block = lnkfs_group_first(c->fs, w->group) + off;
	u32 slots = 1u << c->fs->slot_bits;
	u32 slot = 0, free = 0;
	lnkfs_buf *buf;
	int err;

	w->inode_blocks++;
	err = lnkfs_claim(c, block, 1, block << c->fs->slot_bits);
	if (err)
		return err < 0 ? err : 0;
	err = lnkfs_bread(c->fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err) {
		if (err == -ENOMEM)
			return err;
		lnkfs_problem(c, "inode block %" PRIu64 ": %s", block, strerror(-err));
		return 0;
	}
	if (lnkfs_bbad(buf))
		lnkfs_problem(c, "inode block %" PRIu64 ": damaged slots", block);
	while (!err && slot < slots) {
		const void *data = lnkfs_bdata(buf);
		const struct lnkfs_slot *sl = (const void *)((const u8 *)data +
							     slot * LNKFS_SLOT_SIZE);

		if (le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC &&
		    sl->sl_type == LNKFS_SLOT_FREE && sl->sl_count == 1) {
			check_free_slot(c, data, block, slot++);
			free++;
		} else if (lnkfs_record_at(c->fs, data, slot, sl->sl_count)) {
			err = check_record(c, w, data, block, slot);
			slot += sl->sl_count;
		} else {
			lnkfs_problem(c, "block %" PRIu64 ": bad header of slot %u", block, slot);
			slot++;
		}
	}
	lnkfs_bput(buf);
	w->free_slots += free;
	if (lnkfs_test_bit(off, w->full) != !free)
		lnkfs_problem_safe(c, "inode block %" PRIu64 " has %u free slots, the full map says %s",
			      block, free, free ? "none" : "some");
	return err;
}

/* Bits that no inode block accounts for; the orphan flag. */
static void check_map_bits(struct lnkfs_fsck *c, const struct group_walk *w)
{
	bool any = false;
	u32 off;

	for (off = 0; off < c->fs->group_blocks; off++) {
		u64 block = lnkfs_group_first(c->fs, w->group) + off;
		bool orph = lnkfs_test_bit(off, w->orph);

		any |= orph;
		if (lnkfs_test_bit(off, w->imap)) {
			if (off >= lnkfs_group_size(c->fs, w->group))
				lnkfs_problem(c, "inode block %" PRIu64 " past the end", block);
			continue;
		}
		if (lnkfs_test_bit(off, w->full))
			lnkfs_problem_safe(c, "full bit of block %" PRIu64
				      ", which is not an inode block", block);
		if (orph)
			lnkfs_problem_safe(c, "orphan bit of block %" PRIu64
				      ", which is not an inode block", block);
	}
	if (any && !(c->fs->group[w->group].flags & LNKFS_BG_ORPHANS))
		lnkfs_problem_safe(c, "group %u: orphan bits, but no orphan flag", w->group);
}

static void check_counter(struct lnkfs_fsck *c, u32 group, const char *what, u32 said, u32 found)
{
	if (said != found)
		lnkfs_problem_safe(c, "group %u: descriptor says %u %s, there are %u", group, said, what,
			      found);
}

/* Read the inode blocks from @off on; returns where to do that again. */
static u32 read_ahead(struct lnkfs_fsck *c, const struct group_walk *w, u32 off, u32 size)
{
	u32 end = min_t(u32, size, off + READ_AHEAD), last = off, at = off;

	/* Up to the last one that is not far from the others. */
	while ((at = (u32)lnkfs_find_next_bit(w->imap, end, at + 1)) < end && at - last <= GAP)
		last = at;
	lnkfs_prefetch(c->v, lnkfs_group_first(c->fs, w->group) + off, last - off + 1);
	return last + 1;
}

static int walk_group(struct lnkfs_fsck *c, struct group_walk *w)
{
	u32 size = lnkfs_group_size(c->fs, w->group);
	u32 off = 0, ahead = 0;
	int err;

	check_map_bits(c, w);
	while ((off = (u32)lnkfs_find_next_bit(w->imap, size, off)) < size) {
		if (off >= ahead)
			ahead = read_ahead(c, w, off, size);
		err = check_inode_block(c, w, off++);
		if (err)
			return err;
	}
	return 0;
}

static int read_map(struct lnkfs_fsck *c, u32 group, enum lnkfs_btype type, lnkfs_buf **buf)
{
	const struct lnkfs_map_block *map;
	int err;

	err = lnkfs_bread(c->fs, lnkfs_group_map_block(c->fs, group, type), type, group, 0, buf);
	if (err) {
		*buf = NULL;
		if (err != -ENOMEM)
			lnkfs_problem(c, "inode maps of group %u: %s", group, strerror(-err));
		return err;
	}
	map = lnkfs_bdata(*buf);
	if (map->m_header.h_pad || memchr_inv(map->m_pad, 0, sizeof(map->m_pad)))
		lnkfs_problem_safe(c, "inode maps of group %u: padding in use", group);
	return 0;
}

static int check_inode_maps(struct lnkfs_fsck *c, u32 group)
{
	const struct lnkfs_group *grp = &c->fs->group[group];
	struct group_walk w = { .group = group };
	lnkfs_buf *imap = NULL, *full = NULL, *orph = NULL;
	int err = 0;

	if (!(grp->flags & LNKFS_BG_INODE_UNINIT)) {
		err = read_map(c, group, LNKFS_B_IMAP, &imap);
		if (!err)
			err = read_map(c, group, LNKFS_B_FULLMAP, &full);
		if (!err)
			err = read_map(c, group, LNKFS_B_ORPHMAP, &orph);
		if (err)
			goto out;
		w.imap = (u8 *)lnkfs_bdata(imap) + LNKFS_MAP_HEADER;
		w.full = (u8 *)lnkfs_bdata(full) + LNKFS_MAP_HEADER;
		w.orph = (u8 *)lnkfs_bdata(orph) + LNKFS_MAP_HEADER;
		err = walk_group(c, &w);
	} else if (grp->flags & LNKFS_BG_ORPHANS) {
		lnkfs_problem_safe(c, "group %u: orphan flag, but no maps", group);
	}
	check_counter(c, group, "inode blocks", grp->inode_blocks, w.inode_blocks);
	check_counter(c, group, "free slots", grp->free_slots, w.free_slots);
	check_counter(c, group, "inodes", grp->used_inodes, w.used_inodes);
	check_counter(c, group, "directories", grp->used_dirs, w.used_dirs);
	c->res.inode_blocks += w.inode_blocks;
out:
	lnkfs_bput(imap);
	lnkfs_bput(full);
	lnkfs_bput(orph);
	return err == -ENOMEM ? err : 0;
}

static int check_group(struct lnkfs_fsck *c, u64 piece)
{
	int err = check_inode_maps(c, (u32)piece);

	return err ? err : lnkfs_fsck_backref_group(c, (u32)piece);
}

/**
 * lnkfs_fsck_inodes() - check the inode maps and every inode by itself
 * @c: check; its table of inodes is filled, in ascending order
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_inodes(struct lnkfs_fsck *c)
{
	u64 inodes = 0;
	u32 group;

	for (group = 0; group < c->fs->groups; group++)
		inodes += c->fs->group[group].used_inodes;
	return lnkfs_fsck_pieces(c, LNKFS_PASS_INODES, c->fs->groups, inodes, check_group);
}

/**
 * lnkfs_cinfo_find() - look an inode up
 * @c: check, after lnkfs_fsck_inodes()
 * @ino: inode number
 *
 * Return: what is known of it, or NULL.
 */
struct lnkfs_cinfo *lnkfs_cinfo_find(const struct lnkfs_fsck *c, u64 ino)
{
	u64 low = 0, high = c->nr_inodes;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (c->inodes[mid].ino == ino)
			return &c->inodes[mid];
		if (c->inodes[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
