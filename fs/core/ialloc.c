// SPDX-License-Identifier: GPL-2.0
/*
 * Inode slots: where new records go, what becomes of freed ones, and the map
 * of orphans.
 *
 * Any block of a group can become an inode block. Blocks are taken in aligned
 * clusters while there are any, singly when the group is fragmented, and given
 * back when they are empty, except for one cluster's worth per group. The
 * group's lock is held across each operation, so the maps, the slot headers,
 * the counters and the descriptor change together.
 *
 * All that can fail is done before the first byte is changed.
 */
#include "core.h"

/*
 * Inode blocks looked into before a new cluster is taken: few, or more when a
 * good part of the group's slots is free.
 */
#define PROBES_FEW	8
#define PROBES_MANY	64

/* Groups looked at when a directory is placed. */
#define DIR_WINDOW	64

/**
 * struct imaps - the inode maps of a locked group
 * @imap: is an inode block
 * @full: has no free slot
 * @orph: may hold an orphan; NULL where it is not needed
 */
struct imaps {
	lnkfs_buf *imap;
	lnkfs_buf *full;
	lnkfs_buf *orph;
};

/**
 * struct claim - slots picked for a new record
 * @off: inode block, block in the group
 * @slot: first slot
 * @slots: how many
 * @fills: the block has no free slot after that
 * @chosen: a place was found, and blocks have been changed, whatever became of it
 */
struct claim {
	u32 off;
	u32 slot;
	u32 slots;
	bool fills;
	bool chosen;
};

static void *map_bits(lnkfs_buf *buf)
{
	return lnkfs_bdata(buf) + LNKFS_MAP_HEADER;
}

static int read_map(struct lnkfs_fs *fs, u32 group, enum lnkfs_btype type, lnkfs_buf **out)
{
	return lnkfs_bread(fs, lnkfs_group_map_block(fs, group, type), type, group, 0, out);
}

static void maps_put(struct imaps *maps)
{
	lnkfs_bput(maps->imap);
	lnkfs_bput(maps->full);
	lnkfs_bput(maps->orph);
}

static u32 cluster_blocks(const struct lnkfs_fs *fs)
{
	return LNKFS_CLUSTER_BYTES >> fs->block_bits;
}

static u32 block_slots(const struct lnkfs_fs *fs)
{
	return 1u << fs->slot_bits;
}

static void slot_set(void *data, u32 slot, u8 type, u8 count)
{
	struct lnkfs_slot *sl = data + slot * LNKFS_SLOT_SIZE;

	memset(sl, 0, LNKFS_SLOT_SIZE);
	sl->sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
	sl->sl_type = type;
	sl->sl_count = count;
}

/*
 * Claimed slots hold a record with number 0 until the owner stores its own, so
 * that whoever asks for the new number meanwhile is told it does not exist.
 */
static void slots_claim(void *data, const struct claim *cl)
{
	u32 i;

	slot_set(data, cl->slot, LNKFS_SLOT_HEAD, cl->slots);
	for (i = 1; i < cl->slots; i++)
		slot_set(data, cl->slot + i, LNKFS_SLOT_CONT, i);
}

static void slots_release(void *data, u32 slot, u32 slots)
{
	u32 i;

	for (i = 0; i < slots; i++)
		slot_set(data, slot + i, LNKFS_SLOT_FREE, 1);
}

/*
 * Walk the slots of an inode block. Returns the number of free ones or
 * -EFSCORRUPTED; *@found is the first of @want adjacent free ones, or the
 * number of slots when there are none.
 */
static int slots_scan(const struct lnkfs_fs *fs, const void *data, u32 want, u32 *found)
{
	u32 slots = block_slots(fs);
	u32 slot = 0, run = 0, free = 0;

	*found = slots;
	while (slot < slots) {
		const struct lnkfs_slot *sl = data + slot * LNKFS_SLOT_SIZE;

		if (sl->sl_type == LNKFS_SLOT_FREE && sl->sl_count == 1 &&
		    le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC) {
			free++;
			slot++;
			if (++run == want && *found == slots)
				*found = slot - run;
		} else if (lnkfs_record_at(fs, data, slot, sl->sl_count)) {
			run = 0;
			slot += sl->sl_count;
		} else {
			return -EFSCORRUPTED;
		}
	}
	return free;
}

/* First block in [from, end) that is an inode block with a free slot, or @end. */
static u32 next_open(const struct imaps *maps, u32 from, u32 end)
{
	const __le64 *imap = map_bits(maps->imap);
	const __le64 *full = map_bits(maps->full);

	while (from < end) {
		u64 word = le64_to_cpu(imap[from / 64]) & ~le64_to_cpu(full[from / 64]) &
			   ~0ULL << from % 64;

		if (word)
			return min_t(u32, end, round_down(from, 64) + __builtin_ctzll(word));
		from = round_down(from, 64) + 64;
	}
	return end;
}

/* Change the counters of a locked group. */
static void counters_move(struct lnkfs_group *grp, int blocks, int slots, int inodes, int dirs)
{
	grp->inode_blocks += blocks;
	grp->free_slots += slots;
	grp->used_inodes += inodes;
	grp->used_dirs += dirs;
}

/* ---- allocation ---- */

/*
 * A map may say that a block is an inode block. Can it be one? The verifier of the map
 * does not ask: a repair is to have what else is in it. A record in a block of the
 * journal would be in the journal's way, and one in a group's own block in the group's.
 */
static bool can_hold_inodes(struct lnkfs_fs *fs, u64 block)
{
	if (lnkfs_block_valid(fs, block, 1))
		return true;
	lnkfs_report(fs, -EFSCORRUPTED, 0, block, "an inode block where none can be");
	return false;
}

/*
 * Are there enough adjacent free slots in this inode block? 1 and its buffer,
 * 0, or an error. A block that cannot be read or contradicts itself has been
 * reported and is passed over: others may do.
 */
static int probe_block(struct lnkfs_fs *fs, u32 group, u32 off, struct claim *cl,
		       lnkfs_buf **out)
{
	u64 block = lnkfs_group_first(fs, group) + off;
	lnkfs_buf *buf;
	int free, err;

	if (!can_hold_inodes(fs, block))
		return 0;
	err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err)
		return err == -ENOMEM ? err : 0;
	if (!lnkfs_bbad(buf)) {
		free = slots_scan(fs, lnkfs_bdata(buf), cl->slots, &cl->slot);
		if (free < 0) {
			lnkfs_report(fs, free, 0, block, "bad slot headers in an inode block");
		} else if (cl->slot < block_slots(fs)) {
			cl->off = off;
			cl->fills = free == (int)cl->slots;
			*out = buf;
			return 1;
		}
	}
	lnkfs_bput(buf);
	return 0;
}

/*
 * Look for free slots in inode blocks that are not full, @probes of them at
 * most, from the group's hint on. 1 and the block's buffer, 0, or an error.
 */
static int probe_group(struct lnkfs_fs *fs, u32 group, const struct imaps *maps, u32 probes,
		       struct claim *cl, lnkfs_buf **out)
{
	u32 size = lnkfs_balloc_end(fs, group);
	u32 hint = lnkfs_group(fs, group)->inode_hint;
	u32 off, end, part;
	int err;

	if (hint >= size)
		hint = 0;
	for (part = 0; part < 2; part++) {
		off = part ? 0 : hint;
		end = part ? hint : size;
		for (; probes; probes--, off++) {
			off = next_open(maps, off, end);
			if (off >= end)
				break;
			err = probe_block(fs, group, off, cl, out);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Mark the claim in the block and the maps. Nothing here can fail. */
static void claim_commit(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, const struct claim *cl,
			 const struct imaps *maps, lnkfs_buf *buf)
{
	slots_claim(lnkfs_bdata(buf), cl);
	lnkfs_bdirty(tx, fs, buf);
	if (cl->fills) {
		lnkfs_set_bit(cl->off, map_bits(maps->full));
		lnkfs_bdirty(tx, fs, maps->full);
	}
	lnkfs_group(fs, group)->inode_hint = cl->off;
}

/* Take slots of an existing inode block: 1, 0 when there are none, or an error. */
static int take_existing(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 probes,
			 bool dir, struct claim *cl)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	struct imaps maps = { NULL, NULL, NULL };
	lnkfs_buf *buf = NULL;
	int err;

	if ((grp->flags & LNKFS_BG_INODE_UNINIT) || grp->free_slots < cl->slots)
		return 0;
	err = read_map(fs, group, LNKFS_B_IMAP, &maps.imap);
	if (!err)
		err = read_map(fs, group, LNKFS_B_FULLMAP, &maps.full);
	if (!err)
		err = probe_group(fs, group, &maps, probes, cl, &buf);
	if (err != 1)
		goto out;

	cl->chosen = true;
	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_INODE);
	if (err)
		goto out;
	if (cl->fills) {
		err = lnkfs_baccess(tx, fs, maps.full, LNKFS_B_FULLMAP);
		if (err)
			goto dirty_block;
	}
	counters_move(grp, 0, -(int)cl->slots, 1, dir);
	err = lnkfs_group_sync(tx, fs, group);
	if (err) {
		counters_move(grp, 0, cl->slots, -1, -(int)dir);
		if (cl->fills)
			lnkfs_bdirty(tx, fs, maps.full);
		goto dirty_block;
	}
	claim_commit(tx, fs, group, cl, &maps, buf);
	lnkfs_inode_count(fs, 1, -(int)cl->slots);
	err = 1;
	goto out;

dirty_block:
	lnkfs_bdirty(tx, fs, buf);
out:
	lnkfs_bput(buf);
	maps_put(&maps);
	return err;
}

static int new_map(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, enum lnkfs_btype type,
		   lnkfs_buf **out)
{
	u64 block = lnkfs_group_map_block(fs, group, type);
	int err = lnkfs_bnew(tx, fs, block, type, out);

	if (!err)
		lnkfs_header_init(fs, lnkfs_bdata(*out), type, block, group, 0);
	return err;
}

static void maps_dirty(lnkfs_tx *tx, struct lnkfs_fs *fs, struct imaps *maps)
{
	if (maps->imap)
		lnkfs_bdirty(tx, fs, maps->imap);
	if (maps->full)
		lnkfs_bdirty(tx, fs, maps->full);
	if (maps->orph)
		lnkfs_bdirty(tx, fs, maps->orph);
}

/*
 * Read the maps that a record in new inode blocks changes: the first and, when it fills
 * its block, the second. A group that has none yet gets them from maps_open().
 */
static int maps_read(struct lnkfs_fs *fs, u32 group, bool fills, struct imaps *maps)
{
	int err;

	if (lnkfs_group(fs, group)->flags & LNKFS_BG_INODE_UNINIT)
		return 0;
	err = read_map(fs, group, LNKFS_B_IMAP, &maps->imap);
	if (!err && fills)
		err = read_map(fs, group, LNKFS_B_FULLMAP, &maps->full);
	return err;
}

/*
 * Get write access to the maps that maps_read() has read, or make all three anew in a
 * group that has none.
 */
static int maps_open(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, struct imaps *maps)
{
	struct imaps got = { NULL, NULL, NULL };
	int err;

	if (lnkfs_group(fs, group)->flags & LNKFS_BG_INODE_UNINIT) {
		err = new_map(tx, fs, group, LNKFS_B_IMAP, &maps->imap);
		if (!err)
			err = new_map(tx, fs, group, LNKFS_B_FULLMAP, &maps->full);
		if (!err)
			err = new_map(tx, fs, group, LNKFS_B_ORPHMAP, &maps->orph);
		got = *maps;
	} else {
		err = lnkfs_baccess(tx, fs, maps->imap, LNKFS_B_IMAP);
		if (!err)
			got.imap = maps->imap;
		if (!err && maps->full)
			err = lnkfs_baccess(tx, fs, maps->full, LNKFS_B_FULLMAP);
		if (!err)
			got.full = maps->full;
	}
	if (err)
		maps_dirty(tx, fs, &got);
	return err;
}

static void forget_blocks(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off, u32 count)
{
	while (count--)
		lnkfs_bforget(tx, fs, lnkfs_group_first(fs, group) + off + count);
}

/* Make empty inode blocks; the first one's buffer stays open for the claim. */
static int new_inode_blocks(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off, u32 count,
			    lnkfs_buf **first)
{
	lnkfs_buf *buf;
	u32 i;
	int err;

	*first = NULL;
	for (i = 0; i < count; i++) {
		err = lnkfs_bnew(tx, fs, lnkfs_group_first(fs, group) + off + i,
				 LNKFS_B_INODE, &buf);
		if (err) {
			lnkfs_bput(*first);
			forget_blocks(tx, fs, group, off, i);
			return err;
		}
		slots_release(lnkfs_bdata(buf), 0, block_slots(fs));
		lnkfs_bdirty(tx, fs, buf);
		if (i)
			lnkfs_bput(buf);
		else
			*first = buf;
	}
	return 0;
}

/*
 * Turn blocks into inode blocks, an aligned cluster if there is one, and take
 * slots of the first: 1, 0 when the group has no free block, or an error.
 */
static int take_new(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, bool dir, struct claim *cl)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	struct imaps maps = { NULL, NULL, NULL };
	u32 off, count, i;
	u16 flags;
	lnkfs_buf *buf;
	int slots, err;

	cl->slot = 0;
	cl->fills = cl->slots == block_slots(fs);
	err = maps_read(fs, group, cl->fills, &maps);
	if (err)
		goto out;
	err = lnkfs_balloc_locked(tx, fs, group, grp->inode_hint, cluster_blocks(fs),
				  cluster_blocks(fs), LNKFS_BA_CLUSTER, &off, &count);
	if (err == -ENOSPC)
		err = lnkfs_balloc_locked(tx, fs, group, grp->inode_hint, 1, 1, 0, &off, &count);
	if (err) {
		err = err == -ENOSPC ? 0 : err;
		goto out;
	}

	cl->off = off;
	cl->chosen = true;
	err = maps_open(tx, fs, group, &maps);
	if (err)
		goto undo_blocks;
	err = new_inode_blocks(tx, fs, group, off, count, &buf);
	if (err)
		goto undo_maps;
	slots = count << fs->slot_bits;
	flags = grp->flags;
	counters_move(grp, count, slots - (int)cl->slots, 1, dir);
	grp->flags &= ~LNKFS_BG_INODE_UNINIT;
	err = lnkfs_group_sync(tx, fs, group);
	if (err) {
		grp->flags = flags;
		counters_move(grp, -(int)count, (int)cl->slots - slots, -1, -(int)dir);
		lnkfs_bput(buf);
		forget_blocks(tx, fs, group, off, count);
		goto undo_maps;
	}

	for (i = 0; i < count; i++)
		lnkfs_set_bit(off + i, map_bits(maps.imap));
	claim_commit(tx, fs, group, cl, &maps, buf);
	maps_dirty(tx, fs, &maps);
	lnkfs_inode_count(fs, 1, slots - (int)cl->slots);
	lnkfs_bput(buf);
	err = 1;
	goto out;

undo_maps:
	maps_dirty(tx, fs, &maps);
undo_blocks:
	lnkfs_bfree_locked(tx, fs, group, off, count);
out:
	maps_put(&maps);
	return err;
}

static u32 probe_budget(const struct lnkfs_fs *fs, const struct lnkfs_group *grp)
{
	return grp->free_slots > (grp->inode_blocks << fs->slot_bits) / 4 ?
		PROBES_MANY : PROBES_FEW;
}

/* One group, in one of lnkfs_ialloc()'s two passes: 1, 0 or an error. */
static int ialloc_group(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, bool every_block,
			bool dir, struct claim *cl)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	u32 probes = every_block ? grp->inode_blocks : probe_budget(fs, grp);
	int err;

	err = take_existing(tx, fs, group, probes, dir, cl);
	if (!err && !every_block && grp->free_blocks)
		err = take_new(tx, fs, group, dir, cl);
	return err;
}

/*
 * Is it an error of one group's metadata, which others may do without? Not when blocks have
 * been changed before it was met: the transaction's credits are for one group.
 */
static bool group_unusable(const struct claim *cl, int err)
{
	return !cl->chosen && (err == -EIO || err == -EFSCORRUPTED || err == -EFSBADCRC);
}

/**
 * lnkfs_ialloc() - take slots for a new inode
 * @tx: transaction with LNKFS_CREDITS_IALLOC credits
 * @fs: volume
 * @goal_group: where it should be
 * @slots: of the record, 1..LNKFS_MAX_SLOTS, at most those of a block
 * @dir: it is a directory
 * @ino: set to its number
 *
 * Takes group locks, one at a time. A group whose maps cannot be used (that
 * has been reported) is passed over. The slots hold a record that does not
 * count as an inode until the caller stores it, in the same transaction.
 *
 * Return: 0; -ENOSPC; -EINVAL for an impossible @slots; the error of a group
 * that was passed over when no other had space; -ENOMEM, and what
 * lnkfs_baccess() says. Nothing has changed on an error.
 */
int lnkfs_ialloc(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 goal_group, u32 slots,
		 bool dir, u64 *ino)
{
	struct claim cl = { .slots = slots };
	u32 pass, i, group;
	int err, bad = 0;

	if (!slots || slots > LNKFS_MAX_SLOTS || slots > block_slots(fs))
		return -EINVAL;
	if (goal_group >= lnkfs_groups(fs))
		goal_group = 0;
	for (pass = 0; pass < 2; pass++) {
		group = goal_group;
		for (i = 0; i < lnkfs_groups(fs); i++) {
			lnkfs_group_lock(fs, group);
			err = ialloc_group(tx, fs, group, pass, dir, &cl);
			lnkfs_group_unlock(fs, group);
			if (err < 0 && !group_unusable(&cl, err))
				return err;
			if (err < 0) {
				bad = err;
			} else if (err) {
				*ino = ((lnkfs_group_first(fs, group) + cl.off)
					<< fs->slot_bits) + cl.slot;
				return 0;
			}
			if (++group == lnkfs_groups(fs))
				group = 0;
		}
	}
	return bad ? bad : -ENOSPC;
}

/* ---- freeing ---- */

/**
 * lnkfs_iblock_free() - give an empty inode block back to free space
 * @tx: transaction with LNKFS_CREDITS_IFREE, and one revoke
 * @fs: volume
 * @group: its group, the lock of which is held
 * @off: an inode block without inodes, block in the group
 *
 * Optional: when anything is in the way the block stays what it is. So it does when the
 * group's descriptor counts fewer free slots than the block has: it is wrong, and must not
 * be made impossible.
 */
void lnkfs_iblock_free(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	struct imaps maps = { NULL, NULL, NULL };
	u32 slots = block_slots(fs);
	bool orphan;

	if (grp->free_slots < slots)
		return;
	if (read_map(fs, group, LNKFS_B_IMAP, &maps.imap) ||
	    read_map(fs, group, LNKFS_B_ORPHMAP, &maps.orph))
		goto out;
	if (lnkfs_baccess(tx, fs, maps.imap, LNKFS_B_IMAP))
		goto out;
	orphan = lnkfs_test_bit(off, map_bits(maps.orph));
	if (orphan && lnkfs_baccess(tx, fs, maps.orph, LNKFS_B_ORPHMAP))
		goto dirty_imap;

	counters_move(grp, -1, -(int)slots, 0, 0);
	if (lnkfs_bfree_locked(tx, fs, group, off, 1)) {
		counters_move(grp, 1, slots, 0, 0);
	} else {
		lnkfs_clear_bit(off, map_bits(maps.imap));
		if (orphan)
			lnkfs_clear_bit(off, map_bits(maps.orph));
		lnkfs_bforget(tx, fs, lnkfs_group_first(fs, group) + off);
		lnkfs_inode_count(fs, 0, -(int)slots);
	}
	if (orphan)
		lnkfs_bdirty(tx, fs, maps.orph);
dirty_imap:
	lnkfs_bdirty(tx, fs, maps.imap);
out:
	maps_put(&maps);
}

/* Is this an inode block without inodes that could be read? */
static bool block_empty(struct lnkfs_fs *fs, u32 group, u32 off)
{
	struct claim cl = { .slots = block_slots(fs) };
	lnkfs_buf *buf = NULL;
	bool empty = probe_block(fs, group, off, &cl, &buf) == 1;

	lnkfs_bput(buf);
	return empty;
}

/*
 * A block has become empty: it goes back to free space, and so do others after
 * it that were kept, or never used, while the group had fewer. One cluster's
 * worth stays.
 */
static void shrink(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	u32 size = lnkfs_group_size(fs, group);
	struct imaps maps = { NULL, NULL, NULL };
	u32 keep = cluster_blocks(fs);
	u32 probes;

	if (grp->inode_blocks <= keep)
		return;
	lnkfs_iblock_free(tx, fs, group, off);
	if (grp->inode_blocks <= keep || read_map(fs, group, LNKFS_B_IMAP, &maps.imap) ||
	    read_map(fs, group, LNKFS_B_FULLMAP, &maps.full))
		goto out;
	for (probes = 1; probes < LNKFS_REVOKES_IFREE; probes++, off++) {
		off = next_open(&maps, off, size);
		if (off >= size)
			break;
		if (!block_empty(fs, group, off))
			continue;
		lnkfs_iblock_free(tx, fs, group, off);
		if (grp->inode_blocks <= keep)
			break;
	}
out:
	maps_put(&maps);
}

/* What contradicts the freeing of this record, or NULL. */
static const char *ifree_why_not(const struct lnkfs_fs *fs, u32 group, const void *data,
				 u64 ino, u32 slots, bool dir)
{
	const struct lnkfs_group *grp = lnkfs_group(fs, group);
	u32 slot = lnkfs_ino_slot(fs, ino);
	const struct lnkfs_inode *di = data + slot * LNKFS_SLOT_SIZE;

	if (!lnkfs_record_at(fs, data, slot, slots))
		return "freeing an inode that has no record";
	if (di->i_ino && le64_to_cpu(di->i_ino) != ino)
		return "freeing an inode whose record says another number";
	if (!grp->used_inodes || (dir ? !grp->used_dirs : grp->used_dirs >= grp->used_inodes) ||
	    grp->used_inodes - 1 + grp->free_slots + slots > grp->inode_blocks << fs->slot_bits)
		return "freeing more inodes than the group has";
	return NULL;
}

/* Is this block an inode block? 0, -EFSCORRUPTED (reported) or another error. */
static int check_imap(struct lnkfs_fs *fs, u32 group, u32 off, u64 ino)
{
	lnkfs_buf *imap;
	int err, used = 0;

	if (!(lnkfs_group(fs, group)->flags & LNKFS_BG_INODE_UNINIT)) {
		err = read_map(fs, group, LNKFS_B_IMAP, &imap);
		if (err)
			return err;
		used = lnkfs_test_bit(off, map_bits(imap));
		lnkfs_bput(imap);
	}
	if (!used)
		return lnkfs_report(fs, -EFSCORRUPTED, ino, lnkfs_ino_block(fs, ino),
				    "inode in a block that is not an inode block");
	return 0;
}

static int ifree_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u64 ino, u32 slots,
			bool dir)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	u64 block = lnkfs_ino_block(fs, ino);
	u32 off = block - lnkfs_group_first(fs, group);
	lnkfs_buf *buf = NULL, *full = NULL;
	bool was_full, empty = false;
	const char *why;
	u32 dummy;
	int err;

	err = check_imap(fs, group, off, ino);
	if (err)
		return err;
	err = read_map(fs, group, LNKFS_B_FULLMAP, &full);
	if (!err)
		err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err)
		goto out;
	why = ifree_why_not(fs, group, lnkfs_bdata(buf), ino, slots, dir);
	if (why) {
		err = lnkfs_report(fs, -EFSCORRUPTED, ino, block, "%s", why);
		goto out;
	}

	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_INODE);
	if (err)
		goto out;
	was_full = lnkfs_test_bit(off, map_bits(full));
	if (was_full)
		err = lnkfs_baccess(tx, fs, full, LNKFS_B_FULLMAP);
	if (err)
		goto dirty_block;
	counters_move(grp, 0, slots, -1, -(int)dir);
	err = lnkfs_group_sync(tx, fs, group);
	if (err) {
		counters_move(grp, 0, -(int)slots, 1, dir);
	} else {
		slots_release(lnkfs_bdata(buf), lnkfs_ino_slot(fs, ino), slots);
		if (was_full)
			lnkfs_clear_bit(off, map_bits(full));
		if (off < grp->inode_hint)
			grp->inode_hint = off;
		lnkfs_inode_count(fs, -1, slots);
		empty = slots_scan(fs, lnkfs_bdata(buf), 1, &dummy) == (int)block_slots(fs);
	}
	if (was_full)
		lnkfs_bdirty(tx, fs, full);
dirty_block:
	lnkfs_bdirty(tx, fs, buf);
out:
	lnkfs_bput(buf);
	lnkfs_bput(full);
	if (!err && empty)
		shrink(tx, fs, group, off);
	return err;
}

/**
 * lnkfs_ifree() - free the slots of an inode
 * @tx: transaction with LNKFS_CREDITS_IFREE and LNKFS_REVOKES_IFREE
 * @fs: volume
 * @ino: inode number; whatever the inode owned has been freed
 * @slots: of its record
 * @dir: it is a directory
 *
 * Takes the group's lock. The last inode of a block may turn the block into
 * free space; its orphan bit goes with it, whatever the in-memory count says.
 *
 * Return: 0; -EFSCORRUPTED when there is no such record (freed twice?),
 * -EFSBADCRC, -EIO, -ENOMEM. Nothing has changed on an error.
 */
int lnkfs_ifree(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 ino, u32 slots, bool dir)
{
	u32 group;
	int err;

	if (!lnkfs_ino_valid(fs, ino))
		return lnkfs_report(fs, -EFSCORRUPTED, ino, 0, "freeing an impossible inode");
	group = lnkfs_group_of(fs, lnkfs_ino_block(fs, ino));
	lnkfs_group_lock(fs, group);
	err = ifree_locked(tx, fs, group, ino, slots, dir);
	lnkfs_group_unlock(fs, group);
	return err;
}

/* ---- placement ---- */

/**
 * lnkfs_ialloc_dir_group() - group for a new directory
 * @fs: volume
 * @parent_group: where its parent is
 *
 * Keeps directories by their parents while there is room and not too many are
 * there already, else spreads them: of the next DIR_WINDOW groups, the one with
 * fewest directories of those with at least the average of free blocks. Reads
 * counters without locks: the answer is advice. Cannot fail.
 */
u32 lnkfs_ialloc_dir_group(struct lnkfs_fs *fs, u32 parent_group)
{
	u32 window = lnkfs_groups(fs) < DIR_WINDOW ? lnkfs_groups(fs) : DIR_WINDOW;
	u32 first = READ_ONCE(fs->dir_group);
	u32 best = parent_group, best_dirs = ~0u;
	u64 free = 0, dirs = 0;
	u32 i, group;

	if (first >= lnkfs_groups(fs))
		first = 0;
	for (i = 0, group = first; i < window; i++) {
		free += READ_ONCE(lnkfs_group(fs, group)->free_blocks);
		dirs += READ_ONCE(lnkfs_group(fs, group)->used_dirs);
		if (++group == lnkfs_groups(fs))
			group = 0;
	}
	free = div_u64(free, window);
	dirs = div_u64(dirs, window);
	if (parent_group < lnkfs_groups(fs) &&
	    READ_ONCE(lnkfs_group(fs, parent_group)->free_blocks) >= free - free / 4 &&
	    READ_ONCE(lnkfs_group(fs, parent_group)->used_dirs) <= dirs + fs->group_blocks / 64)
		return parent_group;

	for (i = 0; i < window; i++) {
		if (++first >= lnkfs_groups(fs))
			first = 0;
		if (READ_ONCE(lnkfs_group(fs, first)->free_blocks) < free ||
		    READ_ONCE(lnkfs_group(fs, first)->used_dirs) >= best_dirs)
			continue;
		best = first;
		best_dirs = READ_ONCE(lnkfs_group(fs, first)->used_dirs);
	}
	WRITE_ONCE(fs->dir_group, best);
	return best;
}

/* ---- orphans ---- */

static int orphan_mark(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u64 ino)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	u32 off = lnkfs_ino_block(fs, ino) - lnkfs_group_first(fs, group);
	u16 flags = grp->flags;
	lnkfs_buf *orph;
	int err;

	err = check_imap(fs, group, off, ino);
	if (err)
		return err;
	err = read_map(fs, group, LNKFS_B_ORPHMAP, &orph);
	if (err)
		return err;
	if (lnkfs_test_bit(off, map_bits(orph)) && (flags & LNKFS_BG_ORPHANS))
		goto out;
	err = lnkfs_baccess(tx, fs, orph, LNKFS_B_ORPHMAP);
	if (err)
		goto out;
	if (!(flags & LNKFS_BG_ORPHANS)) {
		grp->flags |= LNKFS_BG_ORPHANS;
		err = lnkfs_group_sync(tx, fs, group);
	}
	if (err)
		grp->flags = flags;
	else
		lnkfs_set_bit(off, map_bits(orph));
	lnkfs_bdirty(tx, fs, orph);
out:
	lnkfs_bput(orph);
	return err;
}

/**
 * lnkfs_orphan_add() - say that an inode is about to become an orphan
 * @tx: transaction with LNKFS_CREDITS_ORPHAN credits
 * @fs: volume
 * @ino: inode that gets link count 0 or LNKFS_LF_TRUNCATING in @tx
 *
 * Takes the group's lock. Each call is matched by one of lnkfs_orphan_del().
 *
 * Return: 0; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC, and nothing has changed.
 */
int lnkfs_orphan_add(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 ino)
{
	u64 block = lnkfs_ino_block(fs, ino);
	u32 group;
	int err;

	if (!lnkfs_ino_valid(fs, ino))
		return lnkfs_report(fs, -EFSCORRUPTED, ino, 0, "impossible orphan");
	group = lnkfs_group_of(fs, block);
	lnkfs_group_lock(fs, group);
	err = lnkfs_orphan_count(fs, block, 1);
	if (err >= 0) {
		err = orphan_mark(tx, fs, group, ino);
		if (err)
			lnkfs_orphan_count(fs, block, -1);
	}
	lnkfs_group_unlock(fs, group);
	return err;
}

/**
 * lnkfs_orphan_del() - an inode is no orphan any more
 * @fs: volume
 * @ino: inode that lnkfs_orphan_add() was called for
 *
 * Takes the group's lock. Changes nothing on disk: the bit is cleared lazily
 * (lnkfs_orphan_clean()). The transaction that ends the orphan's life has to be
 * open still, so that no earlier one can clear the bit.
 *
 * Return: 0 or -ENOMEM.
 */
int lnkfs_orphan_del(struct lnkfs_fs *fs, u64 ino)
{
	u64 block = lnkfs_ino_block(fs, ino);
	u32 group = lnkfs_group_of(fs, block);
	int err;

	lnkfs_group_lock(fs, group);
	err = lnkfs_orphan_count(fs, block, -1);
	lnkfs_group_unlock(fs, group);
	return err < 0 ? err : 0;
}

static int orphan_clean_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 *from,
			       u32 budget)
{
	struct lnkfs_group *grp = lnkfs_group(fs, group);
	u32 size = lnkfs_group_size(fs, group);
	lnkfs_buf *orph;
	u16 flags = grp->flags;
	u32 off;
	int err;

	if (!(flags & LNKFS_BG_ORPHANS) || (flags & LNKFS_BG_INODE_UNINIT))
		return 0;
	err = read_map(fs, group, LNKFS_B_ORPHMAP, &orph);
	if (err)
		return err;
	err = lnkfs_baccess(tx, fs, orph, LNKFS_B_ORPHMAP);
	if (err)
		goto out;
	for (off = *from; budget; budget--, off++) {
		off = lnkfs_find_next_bit(map_bits(orph), size, off);
		if (off >= size)
			break;
		if (lnkfs_orphan_idle(fs, lnkfs_group_first(fs, group) + off))
			lnkfs_clear_bit(off, map_bits(orph));
	}
	*from = off;
	if (off < size) {
		err = 1;
	} else if (lnkfs_find_next_bit(map_bits(orph), size, 0) >= size) {
		grp->flags &= ~LNKFS_BG_ORPHANS;
		err = lnkfs_group_sync(tx, fs, group);
		if (err)
			grp->flags = flags;
	}
	lnkfs_bdirty(tx, fs, orph);
out:
	lnkfs_bput(orph);
	return err;
}

/**
 * lnkfs_orphan_clean() - clear the orphan bits of blocks without orphans
 * @tx: transaction with LNKFS_CREDITS_ORPHAN credits
 * @fs: volume
 * @group: group to look through
 * @from: where to go on, block in the group; advanced
 * @budget: set bits to look at
 *
 * Takes the group's lock. The group's ORPHANS flag goes with the last bit.
 *
 * Return: 1 when the budget was used up before the end of the group; 0 when the
 * group is done; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_orphan_clean(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 *from, u32 budget)
{
	int err;

	lnkfs_group_lock(fs, group);
	err = orphan_clean_locked(tx, fs, group, from, budget);
	lnkfs_group_unlock(fs, group);
	return err;
}

static int orphan_next_locked(struct lnkfs_fs *fs, u32 group, u32 *from, u64 *block)
{
	u32 size = lnkfs_group_size(fs, group);
	u16 flags = lnkfs_group(fs, group)->flags;
	lnkfs_buf *orph, *imap = NULL;
	int err;

	if (!(flags & LNKFS_BG_ORPHANS) || (flags & LNKFS_BG_INODE_UNINIT))
		return -ENOENT;
	err = read_map(fs, group, LNKFS_B_ORPHMAP, &orph);
	if (err)
		return err;
	err = read_map(fs, group, LNKFS_B_IMAP, &imap);
	if (err)
		goto out;
	err = -ENOENT;
	while (*from < size) {
		u32 off = lnkfs_find_next_bit(map_bits(orph), size, *from);

		*from = off + 1;
		if (off >= size)
			break;
		*block = lnkfs_group_first(fs, group) + off;
		if (!lnkfs_test_bit(off, map_bits(imap))) {
			lnkfs_report(fs, -EFSCORRUPTED, 0, *block,
				     "orphan bit of a block that is not an inode block");
		} else if (can_hold_inodes(fs, *block)) {
			err = 0;
			break;
		}
	}
out:
	lnkfs_bput(imap);
	lnkfs_bput(orph);
	return err;
}

/**
 * lnkfs_orphan_next() - next inode block that may hold orphans
 * @fs: volume
 * @group: group to look through
 * @from: where to go on, block in the group; advanced past the block found
 * @block: set to the inode block
 *
 * Takes the group's lock.
 *
 * Return: 0; -ENOENT at the end of the group; -EIO, -ENOMEM, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_orphan_next(struct lnkfs_fs *fs, u32 group, u32 *from, u64 *block)
{
	int err;

	lnkfs_group_lock(fs, group);
	err = orphan_next_locked(fs, group, from, block);
	lnkfs_group_unlock(fs, group);
	return err;
}
