// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: what there is, and whether it fits.
 */
#include <stdlib.h>

#include "format.h"
#include "journal.h"
#include "names_rebuild.h"
#include "shrink.h"

/**
 * lnkfs_shrink_load() - read an inode
 * @s: change of size
 * @ino: its number
 * @n: filled in
 *
 * Return: 0, -EBUSY for an orphan, what lnkfs_inode_load() says.
 */
int lnkfs_shrink_load(struct lnkfs_shrink *s, u64 ino, struct lnkfs_node *n)
{
	int err;

	memset(&n->ci, 0, sizeof(n->ci));
	n->ci.area = n->area;
	err = lnkfs_inode_load(s->fs, ino, LNKFS_IL_ORPHAN, &n->ci);
	if (!err && (!n->ci.nlink || n->ci.lflags & LNKFS_LF_TRUNCATING)) {
		s->r->why = "deleted files wait to be freed: mount and unmount it first";
		err = -EBUSY;
	}
	return err == -ESTALE ? -EFSCORRUPTED : err;
}

/* ---- what there is ---- */

static void count_runs(struct lnkfs_shrink *s, u32 group, const u8 *map, u32 end, u32 *runs,
		       u32 *longest)
{
	u32 at = lnkfs_group_overhead(s->fs, group), stop;

	*runs = 0;
	*longest = 0;
	while ((at = (u32)lnkfs_find_next_zero_bit(map, end, at)) < end) {
		stop = (u32)lnkfs_find_next_bit(map, end, at);
		++*runs;
		*longest = max(*longest, stop - at);
		at = stop;
	}
}

/* The free blocks of a group up to @end, a block in it. */
static int free_space(struct lnkfs_shrink *s, u32 group, u32 end, u32 *blocks, u32 *runs,
		      u32 *longest)
{
	u32 head = lnkfs_group_overhead(s->fs, group), i;
	const u8 *map;
	lnkfs_buf *buf;
	int err;

	*blocks = end > head ? end - head : 0;
	if (lnkfs_group(s->fs, group)->flags & LNKFS_BG_BLOCK_UNINIT) {
		*runs = *blocks > 0;
		*longest = *blocks;
		return 0;
	}
	err = lnkfs_bitmap_read(s->fs, group, &buf);
	if (err)
		return err;
	map = (u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER;
	for (i = head; i < end; i++)
		*blocks -= (u32)lnkfs_test_bit(i, map);
	count_runs(s, group, map, end, runs, longest);
	lnkfs_bput(buf);
	return 0;
}

/**
 * lnkfs_shrink_longest() - bring the longest run of the last group up to date
 * @s: change of size: its @end is what counts
 *
 * Return: 0, what reading says.
 */
int lnkfs_shrink_longest(struct lnkfs_shrink *s)
{
	u32 group = lnkfs_group_of(s->fs, s->end), blocks;

	if (group >= s->fs->groups)
		return 0;
	return free_space(s, group, (u32)(s->end - lnkfs_group_first(s->fs, group)), &blocks,
			  &s->runs[group], &s->longest[group]);
}

static void note_run(struct lnkfs_shrink *s, u64 block)
{
	s->extents[lnkfs_group_of(s->fs, block)]++;
}

/* What an inode has beside its extents counts as runs of one block. */
static int scan_inode(void *ctx, u64 ino)
{
	struct lnkfs_shrink *s = ctx;
	struct lnkfs_node n;
	struct lnkfs_ext ext;
	u64 lblk = 0;
	int err;

	err = lnkfs_shrink_load(s, ino, &n);
	if (!err && !S_ISDIR(n.ci.mode))
		s->links += n.ci.nlink - 1;
	if (err || (n.ci.fork != LNKFS_FORK_EXTENTS && n.ci.fork != LNKFS_FORK_DIR_BLOCKS))
		return err;
	for (; !err && lblk < LNKFS_MAX_LBLK; lblk = ext.lblk + ext.len) {
		err = lnkfs_ext_lookup(s->fs, &n.ci, lblk, &ext);
		if (!err && !(ext.flags & LNKFS_EXT_HOLE))
			note_run(s, ext.block);
	}
	return err;
}

/**
 * lnkfs_shrink_scan() - find out about extents and free space
 * @s: change of size
 *
 * Return: 0; -EBUSY when there are orphans; -ENOMEM, what reading says.
 */
int lnkfs_shrink_scan(struct lnkfs_shrink *s)
{
	u32 group, blocks;
	int err = 0;

	s->extents = calloc(s->fs->groups, sizeof(*s->extents));
	s->runs = calloc(s->fs->groups, sizeof(*s->runs));
	s->longest = calloc(s->fs->groups, sizeof(*s->longest));
	if (!s->extents || !s->runs || !s->longest)
		return -ENOMEM;
	for (group = 0; group < s->fs->groups && !err; group++)
		err = free_space(s, group, lnkfs_group_size(s->fs, group), &blocks,
				 &s->runs[group], &s->longest[group]);
	if (!err)
		err = lnkfs_shrink_scan_trees(s);
	return err ? err : lnkfs_volume_inodes(s->v, 0, scan_inode, s);
}

/* ---- does it fit? ---- */

/**
 * struct estimate - a size that is being considered
 * @free: free blocks before the end
 * @runs: the runs of them
 * @longest: the longest of these
 * @used: blocks in use past the end that have to be moved
 * @extents: the extents they are in, at most
 * @inode_blocks: of @used, blocks of inodes, at most
 * @trees: blocks that trees of back references may take when they are made anew
 */
struct estimate {
	u64 free;
	u64 runs;
	u32 longest;
	u64 used;
	u64 extents;
	u64 inode_blocks;
	u64 trees;
};

/* All of a group lies before the end. */
static void add_kept(const struct lnkfs_shrink *s, u32 group, struct estimate *e)
{
	e->free += lnkfs_group(s->fs, group)->free_blocks;
	e->runs += s->runs[group];
	e->longest = max(e->longest, s->longest[group]);
}

/* The blocks of a group from @off on go. */
static int add_cut(struct lnkfs_shrink *s, u32 group, u32 off, struct estimate *e)
{
	const struct lnkfs_group *grp = lnkfs_group(s->fs, group);
	u32 size = lnkfs_group_size(s->fs, group), blocks = 0, runs = 0, longest = 0;
	u32 head = lnkfs_group_overhead(s->fs, group);
	int err = 0;

	if (off > head)
		err = free_space(s, group, off, &blocks, &runs, &longest);
	e->free += blocks;
	e->runs += runs;
	e->longest = max(e->longest, longest);
	/* blocks from @off on, less those that are free */
	e->used += size - max(off, head) - (grp->free_blocks - blocks);
	e->extents += s->extents[group];
	e->inode_blocks += grp->inode_blocks;
	return err;
}

/* The journal moves first, and as a whole; it may become shorter. */
static bool add_journal(const struct lnkfs_shrink *s, u64 end, struct estimate *e)
{
	u64 start = s->fs->journal_start, stop = start + s->fs->journal_blocks;
	u32 len;

	if (!s->fs->journal_blocks || stop <= end)
		return true;
	len = min(s->fs->journal_blocks, e->longest);
	if (len < LNKFS_MIN_JOURNAL_BLOCKS + s->fs->fast_blocks)
		return false;
	e->used -= stop - max(start, end);
	e->free -= len;
	return true;
}

/* Trees of back references go first, and are made anew at last. */
static void add_trees(const struct lnkfs_shrink *s, u64 end, struct estimate *e)
{
	u64 past;

	if (!s->fs->backref || !e->used)
		return;
	past = lnkfs_shrink_trees_past(s, end);
	e->used -= past;
	e->free += s->nr_trees - past;
	e->trees = lnkfs_names_blocks(s->fs, s->links, lnkfs_group_of(s->fs, end - 1) + 1);
}

static bool enough(const struct lnkfs_shrink *s, const struct estimate *e)
{
	u32 cluster = LNKFS_CLUSTER_BYTES >> s->fs->block_bits;
	u64 half, more;

	if (!e->used)
		return e->free >= e->trees;
	/* Pieces of extents make nodes of trees, half full; new trees come with one. */
	half = (s->fs->block_size - sizeof(struct lnkfs_btree_node)) / 24 / 2;
	more = DIV_ROUND_UP(e->extents + e->runs, half) + min(e->extents, e->runs);
	/* Records of several slots do not fill blocks; clusters are not shared. */
	more += e->inode_blocks + 2 * cluster + 16 + e->trees;
	return e->free >= e->used + more;
}

/**
 * lnkfs_shrink_fits() - would everything fit into so many blocks?
 * @s: change of size, scanned
 * @end: the blocks, as lnkfs_usable_blocks() gives them, no more than there are
 * @err: set to an error of reading, or 0
 *
 * What the answer rests on is the worst that can come of splitting extents.
 */
bool lnkfs_shrink_fits(struct lnkfs_shrink *s, u64 end, int *err)
{
	struct lnkfs_fs *fs = s->fs;
	u32 cut = lnkfs_group_of(fs, end), group;
	struct estimate e = {};

	*err = 0;
	if (end << fs->block_bits < lnkfs_format_min_bytes(fs->block_bits, lnkfs_ext_journal(s->v)))
		return false;
	for (group = 0; group < cut; group++)
		add_kept(s, group, &e);
	for (group = cut; group < fs->groups && !*err; group++)
		*err = add_cut(s, group, group == cut ? (u32)(end - lnkfs_group_first(fs, cut)) : 0,
			       &e);
	if (*err || !add_journal(s, end, &e))
		return false;
	add_trees(s, end, &e);
	return enough(s, &e);
}
