// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume larger.
 *
 * Nothing that there is has to move. Behind the old end are new groups, whose
 * own blocks nobody looks at before the superblock says that they exist: they
 * are written first, by the host. What changes inside the old volume (the last
 * group, which may have been short, the descriptors of its run, the superblock
 * and its copies) then changes in one transaction.
 */
#include "core.h"

/* Groups with a copy of the superblock, below 2^32: 1, 20, 13 and 11 powers. */
#define MAX_BACKUPS	45
#define MAX_COPIES	2

/**
 * lnkfs_usable_blocks() - the size that a volume of so many blocks can have
 * @fs: volume, of which only the block size matters
 * @blocks: blocks that there are
 *
 * Return: @blocks, less a last group that would be too short.
 */
u64 lnkfs_usable_blocks(const struct lnkfs_fs *fs, u64 blocks)
{
	u32 last = lnkfs_group_of(fs, blocks);
	u64 first = lnkfs_group_first(fs, last);

	if (last && blocks - first < lnkfs_group_overhead(fs, last) + LNKFS_MIN_LAST_GROUP)
		return first;
	return blocks;
}

/**
 * lnkfs_resize_super() - write a new size into a superblock
 * @sb: superblock, to be sealed by the caller
 * @blocks: the size
 *
 * The part of the volume that is reserved stays the same.
 */
void lnkfs_resize_super(struct lnkfs_super_block *sb, u64 blocks)
{
	u64 reserved = le64_to_cpu(sb->s_reserved_blocks);

	reserved = mul_u64_u64_div_u64(reserved, blocks, le64_to_cpu(sb->s_blocks));
	sb->s_reserved_blocks = cpu_to_le64(reserved);
	sb->s_blocks = cpu_to_le64(blocks);
}

/**
 * lnkfs_group_fresh() - state of a group that has never been written
 * @fs: volume, as large as it is going to be
 * @g: the group's state, all zeroes
 * @group: its number
 */
void lnkfs_group_fresh(const struct lnkfs_fs *fs, struct lnkfs_group *g, u32 group)
{
	u32 head = lnkfs_group_overhead(fs, group);

	lnkfs_lock_init(&g->lock);
	g->flags = LNKFS_BG_BLOCK_UNINIT | LNKFS_BG_INODE_UNINIT;
	g->free_blocks = lnkfs_group_size(fs, group) - head;
	g->alloc_hint = head;
	g->inode_hint = head;
}

static u64 desc_place(const struct lnkfs_fs *fs, u32 group)
{
	return lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP) - 1;
}

static u32 run_first(const struct lnkfs_fs *fs, u32 group)
{
	return group - group % fs->desc_per_block;
}

/* Descriptors of the groups that are new, as far as they are of the run of @group. */
static void fill_new(const struct lnkfs_fs *fs, const struct lnkfs_fs *new, u32 group, void *data)
{
	u32 first = run_first(fs, group);
	u32 end = min(new->groups, first + fs->desc_per_block);

	for (group = max(first, fs->groups); group < end; group++) {
		u32 size = lnkfs_group_size(new, group) - lnkfs_group_overhead(new, group);

		lnkfs_gdesc_fresh(new, data, group, size);
	}
}

/**
 * lnkfs_grow_descs() - make a descriptor block that lies behind the old end
 * @fs: volume
 * @new: the same, as large as it is going to be
 * @group: new group that holds it: the first, second or last one of its run
 * @run: what the descriptor block of the run holds now; NULL: the run is new
 * @data: where to make it, a block
 */
void lnkfs_grow_descs(const struct lnkfs_fs *fs, const struct lnkfs_fs *new, u32 group,
		      const void *run, void *data)
{
	u64 block = desc_place(new, group);

	if (run)
		memcpy(data, run, fs->block_size);
	else
		memset(data, 0, fs->block_size);
	lnkfs_header_init(fs, data, LNKFS_B_GDESC, block, run_first(fs, group), 0);
	fill_new(fs, new, group, data);
	lnkfs_seal_block(fs, data, LNKFS_B_GDESC, block);
}

/**
 * struct grow - a change of size under way
 * @tx: transaction
 * @fs: volume
 * @new: the same, as large as it is going to be
 * @last: last group of the volume, locked
 * @more: blocks that it gets
 * @bitmap: its bitmap; NULL when that need not change
 * @desc: descriptor block of its run
 * @copy: copies of that, in old groups
 * @copies: how many
 * @backup: backups of the superblock, in old groups
 * @backups: how many
 */
struct grow {
	lnkfs_tx *tx;
	struct lnkfs_fs *fs;
	struct lnkfs_fs new;
	u32 last;
	u32 more;
	lnkfs_buf *bitmap;
	lnkfs_buf *desc;
	lnkfs_buf *copy[MAX_COPIES];
	u32 copies;
	lnkfs_buf *backup[MAX_BACKUPS];
	u32 backups;
};

static int open_bitmap(struct grow *g)
{
	struct lnkfs_fs *fs = g->fs;
	lnkfs_buf *buf;
	int err;

	if (!g->more || lnkfs_group(fs, g->last)->flags & LNKFS_BG_BLOCK_UNINIT)
		return 0;
	err = lnkfs_bitmap_read(fs, g->last, &buf);
	if (err)
		return err;
	err = lnkfs_baccess(g->tx, fs, buf, LNKFS_B_BITMAP);
	if (err)
		lnkfs_bput(buf);
	else
		g->bitmap = buf;
	return err;
}

/* Get all that is going to change; what has been got is in @g after an error, too. */
static int grow_open(struct grow *g)
{
	struct lnkfs_fs *fs = g->fs;
	u32 group;
	int err;

	err = open_bitmap(g);
	if (!err)
		err = lnkfs_gdesc_access(g->tx, fs, g->last, &g->desc);
	if (err)
		g->desc = NULL;
	for (group = run_first(fs, g->last) + 1; !err && group < fs->groups; group++) {
		if (!lnkfs_group_has_desc(fs, group))
			continue;
		err = lnkfs_bnew(g->tx, fs, desc_place(fs, group), LNKFS_B_GDESC,
				 &g->copy[g->copies]);
		if (!err)
			g->copies++;
	}
	for (group = 1; !err && group < fs->groups; group++) {
		if (!lnkfs_group_has_super(group))
			continue;
		err = lnkfs_bnew(g->tx, fs, lnkfs_group_first(fs, group), LNKFS_B_RAW,
				 &g->backup[g->backups]);
		if (!err)
			g->backups++;
	}
	return err;
}

/* Nothing here can fail. Return: blocks that have become free. */
static u64 grow_apply(struct grow *g)
{
	struct lnkfs_fs *fs = g->fs;
	struct lnkfs_group *grp = lnkfs_group(fs, g->last);
	u32 from = lnkfs_group_size(fs, g->last), i;
	u64 added = g->more;

	for (i = from; g->bitmap && i < from + g->more; i++)
		lnkfs_clear_bit(i, lnkfs_bdata(g->bitmap) + LNKFS_MAP_HEADER);
	grp->free_blocks += g->more;
	grp->trimmed = 0;
	lnkfs_gdesc_fill(fs, lnkfs_bdata(g->desc), g->last);
	fill_new(fs, &g->new, g->last, lnkfs_bdata(g->desc));
	for (i = fs->groups; i < g->new.groups; i++)
		added += lnkfs_group(fs, i)->free_blocks;
	/* After the state of the groups: see struct lnkfs_fs. */
	smp_store_release(&fs->blocks, g->new.blocks);
	/* After the number of blocks, which tells the size of a group. */
	smp_store_release(&fs->groups, g->new.groups);
	return added;
}

static void put_dirty(struct grow *g, lnkfs_buf *buf)
{
	if (buf)
		lnkfs_bdirty(g->tx, g->fs, buf);
	lnkfs_bput(buf);
}

/* Make the copies anew, whether anything has changed or not. */
static void grow_close(struct grow *g, const struct lnkfs_super_block *sb)
{
	u32 i;

	for (i = 0; i < g->copies; i++) {
		void *data = lnkfs_bdata(g->copy[i]);

		memcpy(data, lnkfs_bdata(g->desc), g->fs->block_size);
		lnkfs_header_init(g->fs, data, LNKFS_B_GDESC, lnkfs_bblock(g->copy[i]),
				  run_first(g->fs, g->last), 0);
		put_dirty(g, g->copy[i]);
	}
	for (i = 0; i < g->backups; i++) {
		struct lnkfs_super_block *copy = lnkfs_bdata(g->backup[i]);

		memcpy(copy, sb, sizeof(*copy));
		copy->s_blocknr = cpu_to_le64(lnkfs_bblock(g->backup[i]));
		lnkfs_super_seal(copy);
		put_dirty(g, g->backup[i]);
	}
	put_dirty(g, g->desc);
	put_dirty(g, g->bitmap);
}

/**
 * lnkfs_grow_credits() - credits of lnkfs_grow()
 * @fs: volume
 */
u32 lnkfs_grow_credits(const struct lnkfs_fs *fs)
{
	u32 group, n = 2 + MAX_COPIES;

	for (group = 1; group < fs->groups; group++)
		n += lnkfs_group_has_super(group);
	return n;
}

/**
 * lnkfs_grow() - make a volume larger
 * @tx: transaction with lnkfs_grow_credits() credits
 * @fs: volume. State of the groups to come is there (lnkfs_group_fresh()), and
 *	their descriptor blocks, copies of these and of the superblock are on
 *	the disk, or will be before @tx commits
 * @sb: superblock as it is going to be; the size in it is larger and one that
 *	lnkfs_usable_blocks() gives
 * @old: superblock as it is
 * @added: set to the number of blocks that have become free
 *
 * The primary superblock has to change in the same transaction; the caller does
 * that. Backups are made anew in any case. The new size holds for everybody
 * from the return on. Takes the lock of the last group.
 *
 * Return: 0; -ENOMEM; what lnkfs_bread(), lnkfs_bnew() and lnkfs_baccess() say.
 * Nothing has changed on an error.
 */
int lnkfs_grow(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_super_block *sb,
	       const struct lnkfs_super_block *old, u64 *added)
{
	struct grow *g = lnkfs_alloc(sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->tx = tx;
	g->fs = fs;
	lnkfs_super_load(&g->new, sb);
	g->last = fs->groups - 1;
	lnkfs_group_lock(fs, g->last);
	g->more = lnkfs_group_size(&g->new, g->last) - lnkfs_group_size(fs, g->last);
	err = grow_open(g);
	if (!err)
		*added = grow_apply(g);
	grow_close(g, err ? old : sb);
	lnkfs_group_unlock(fs, g->last);
	lnkfs_free(g);
	return err;
}
