// SPDX-License-Identifier: GPL-2.0
/*
 * Delayed allocation: which holes of a file hold data in the page cache that
 * waits for its blocks; and what the extent tree may need for data that have
 * been accepted. Ranges in memory only, two red-black trees an inode.
 *
 * Delayed ranges: each of their blocks is reserved (lnkfs_space_reserve()), and
 * reserved of the owner's quota as well.
 *
 * Owed ranges: blocks with accepted data that are not written ones yet. They are
 * the delayed ranges, what these have become by allocation until the data are on
 * the disk, and unwritten blocks that were there before and have got data in the
 * page cache. For each inode so many blocks are reserved as the nodes that these
 * ranges may yet take:
 *
 *  - A range of n blocks adds n + 1 records to the tree at most, whatever blocks it
 *    gets and in whatever order they become written: a record more needs a place
 *    within the range, or an end of it, where two blocks part that were alike, and
 *    each of these is there once.
 *  - A leaf that was split has room for half its records before it is split again.
 *    Leaves that are full already, though nothing was reserved for that: one at each
 *    end of the range, which for a single block are the same, and those in between,
 *    that hold as many records of the range as they can.
 *
 * So it takes a node for each end, and one for each half leaf of records beyond the first.
 * Reserved is one for each end, and one for each third of a leaf. Above the leaves each
 * level may be full, too, and the root: a node for each level, once for the inode, since
 * a node that was split has room for a long time; what that takes is had from the
 * difference. Quota takes nodes as they come.
 *
 * Nobody else is given what has been reserved (lnkfs_space_take()), and data are not
 * accepted without it: so their writeback does not fail for want of space. (Kernels before
 * 6.6 write unwritten neighbours of a dirty block with it, if they are up to date in the
 * same folio. What that costs where the block itself is a written one is the pool's.)
 *
 * Who adds a range shares ext_lock, so that the hole, or what is unwritten, stays
 * so. Who turns a range into blocks, or into written ones, holds it for write, so
 * that no part of the range goes while its blocks are being chosen: who drops a
 * range shares ext_lock, too.
 */
#include <linux/slab.h>
#include "internal.h"
#include "trace.h"

struct lnkfs_da_range {
	struct rb_node node;
	u64 lblk;
	u64 len;
};

static struct kmem_cache *lnkfs_da_cachep;

/**
 * lnkfs_da_init() - set up what this file needs, at module load
 *
 * Return: 0 or -ENOMEM.
 */
int __init lnkfs_da_init(void)
{
	lnkfs_da_cachep = KMEM_CACHE(lnkfs_da_range, SLAB_RECLAIM_ACCOUNT);
	return lnkfs_da_cachep ? 0 : -ENOMEM;
}

/**
 * lnkfs_da_exit() - undo lnkfs_da_init()
 */
void lnkfs_da_exit(void)
{
	kmem_cache_destroy(lnkfs_da_cachep);
}

static u64 da_end(const struct lnkfs_da_range *r)
{
	return r->lblk + r->len;
}

static struct lnkfs_da_range *da_entry(struct rb_node *node)
{
	return rb_entry_safe(node, struct lnkfs_da_range, node);
}

/* The first range that ends after a block: it holds the block or follows it. */
static struct lnkfs_da_range *da_find(struct rb_root *root, u64 lblk)
{
	struct rb_node *node = root->rb_node;
	struct lnkfs_da_range *r, *best = NULL;

	while (node) {
		r = da_entry(node);
		if (lblk < da_end(r)) {
			best = r;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return best;
}

static void da_insert(struct rb_root *root, struct lnkfs_da_range *new)
{
	struct rb_node **p = &root->rb_node, *parent = NULL;

	while (*p) {
		parent = *p;
		p = new->lblk < da_entry(parent)->lblk ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&new->node, parent, p);
	rb_insert_color(&new->node, root);
}

static void da_erase(struct rb_root *root, struct lnkfs_da_range *r)
{
	rb_erase(&r->node, root);
	kmem_cache_free(lnkfs_da_cachep, r);
}

/**
 * struct da_gap - where a range is about to come
 * @in: the range that holds its first block: it is there already; or NULL
 * @left: the range that it continues, or NULL
 * @next: the range that follows, or NULL
 */
struct da_gap {
	struct lnkfs_da_range *in;
	struct lnkfs_da_range *left;
	struct lnkfs_da_range *next;
};

/* Find the place of [lblk, lblk + len), which is cut where a range begins or ends. */
static struct da_gap da_find_gap(struct rb_root *root, u64 lblk, u64 *len)
{
	struct lnkfs_da_range *r = da_find(root, lblk), *prev;
	struct da_gap gap = { NULL };

	if (r && r->lblk <= lblk) {
		gap.in = r;
		*len = min(*len, da_end(r) - lblk);
		return gap;
	}
	prev = da_entry(r ? rb_prev(&r->node) : rb_last(root));
	if (prev && da_end(prev) == lblk)
		gap.left = prev;
	gap.next = r;
	if (r)
		*len = min(*len, r->lblk - lblk);
	return gap;
}

/* The range that [lblk, lblk + len) reaches, or NULL. */
static struct lnkfs_da_range *da_gap_right(const struct da_gap *gap, u64 lblk, u64 len)
{
	return gap->next && gap->next->lblk == lblk + len ? gap->next : NULL;
}

/* May it take a node of the tree to add a range? */
static bool da_wants_node(const struct da_gap *gap)
{
	return !gap->in && !gap->left;
}

/* Add a range to where it belongs; uses *@spare if it cannot be joined. */
static void da_fill_gap(struct rb_root *root, const struct da_gap *gap, u64 lblk, u64 len,
			struct lnkfs_da_range **spare)
{
	struct lnkfs_da_range *right = da_gap_right(gap, lblk, len);

	if (gap->left) {
		gap->left->len += len;
		if (right) {
			gap->left->len += right->len;
			da_erase(root, right);
		}
	} else if (right) {
		right->lblk = lblk;
		right->len += len;
	} else {
		(*spare)->lblk = lblk;
		(*spare)->len = len;
		da_insert(root, *spare);
		*spare = NULL;
	}
}

/* Full leaves that a range may meet: at its ends. */
static int da_ends(u64 len)
{
	return len > 1 ? 2 : (int)len;
}

/*
 * Take [from, to) out of the ranges, with *@spare for what is behind it if that is amid
 * one. Returns how many blocks that were; *@ends follows.
 */
static u64 da_cut(struct rb_root *root, u64 from, u64 to, struct lnkfs_da_range **spare,
		  u64 *ends)
{
	struct lnkfs_da_range *r;
	u64 start, end, removed = 0;

	while ((r = da_find(root, from)) && r->lblk < to) {
		start = max(r->lblk, from);
		end = min(da_end(r), to);
		removed += end - start;
		*ends += da_ends(start - r->lblk) + da_ends(da_end(r) - end) - da_ends(r->len);
		if (start > r->lblk && end < da_end(r)) {
			(*spare)->lblk = end;
			(*spare)->len = da_end(r) - end;
			r->len = start - r->lblk;
			da_insert(root, *spare);
			*spare = NULL;
			break;
		}
		if (start > r->lblk) {
			r->len = start - r->lblk;
		} else if (end < da_end(r)) {
			r->len = da_end(r) - end;
			r->lblk = end;
		} else {
			da_erase(root, r);
		}
	}
	return removed;
}

/*
 * Memory for what is behind [from, to), if that is amid a range. With ext_lock held for
 * write, so that the ranges stay as they are meanwhile.
 */
static struct lnkfs_da_range *da_cut_spare(struct rb_root *root, u64 from, u64 to)
{
	const struct lnkfs_da_range *r = da_find(root, from);

	if (!r || r->lblk >= from || da_end(r) <= to)
		return NULL;
	return kmem_cache_alloc(lnkfs_da_cachep, GFP_NOFS | __GFP_NOFAIL);
}

static void da_free(struct lnkfs_da_range *r)
{
	if (r)
		kmem_cache_free(lnkfs_da_cachep, r);
}

/**
 * lnkfs_da_nodes() - nodes that extents may take, at most
 * @inode: regular file
 * @ends: full leaves that they may meet
 * @blocks: blocks that get extents of their own
 */
u64 lnkfs_da_nodes(const struct inode *inode, u64 ends, u64 blocks)
{
	const u32 record = sizeof(__le64) + sizeof(struct lnkfs_extent);
	const u32 third = (i_blocksize(inode) - sizeof(struct lnkfs_btree_node)) / record / 3;

	return ends + blocks / third;
}

/*
 * By how much would the nodes owed change with [lblk, lblk + len), the ends by *@ends?
 * ext_lock is held.
 */
static s64 da_owe_more(struct inode *inode, const struct da_gap *gap, u64 lblk, u64 len,
		       s64 *ends)
{
	const struct lnkfs_inode_info *li = LNKFS_I(inode);
	const struct lnkfs_da_range *right = da_gap_right(gap, lblk, len);
	u64 left_len = gap->left ? gap->left->len : 0;
	u64 right_len = right ? right->len : 0;

	*ends = 0;
	if (gap->in)
		return 0;
	*ends = da_ends(left_len + len + right_len) - da_ends(left_len) - da_ends(right_len);
	/* The nodes above the leaves count as ends, until nothing is owed: see da_settle(). */
	if (!li->owed_blocks)
		*ends += lnkfs_ext_level(LNKFS_FS(inode), &LNKFS_I(inode)->ci);
	return lnkfs_da_nodes(inode, li->owed_ends + *ends, li->owed_blocks + len) -
	       lnkfs_da_nodes(inode, li->owed_ends, li->owed_blocks);
}

/* Add [lblk, lblk + len) to what is owed. */
static void da_owe(struct inode *inode, const struct da_gap *gap, u64 lblk, u64 len, s64 ends,
		   struct lnkfs_da_range **spare)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (gap->in)
		return;
	da_fill_gap(&li->owed_root, gap, lblk, len, spare);
	li->owed_blocks += len;
	li->owed_ends += ends;
}

/**
 * lnkfs_da_lookup() - does a block wait for its allocation?
 * @inode: regular file
 * @lblk: logical block
 * @ext: result: the range that holds it (LNKFS_EXT_DELAYED), or the gap from
 *	@lblk to the next range (LNKFS_EXT_HOLE)
 *
 * Return: true when it does.
 */
bool lnkfs_da_lookup(struct inode *inode, u64 lblk, struct lnkfs_ext *ext)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *r;
	bool found;

	spin_lock(&li->da_lock);
	r = da_find(&li->da_root, lblk);
	found = r && r->lblk <= lblk;
	ext->block = 0;
	if (found) {
		ext->lblk = r->lblk;
		ext->len = r->len;
		ext->flags = LNKFS_EXT_DELAYED;
	} else {
		ext->lblk = lblk;
		ext->len = (r ? r->lblk : LNKFS_MAX_LBLK) - lblk;
		ext->flags = LNKFS_EXT_HOLE;
	}
	spin_unlock(&li->da_lock);
	return found;
}

/*
 * Reserve what [lblk, lblk + len) takes, or a part of it: nodes, and with @delayed
 * the blocks as well.
 */
static int da_take_space(struct inode *inode, const struct da_gap *owed, u64 lblk, u64 *len,
			 bool partial, bool delayed, s64 *ends)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);
	s64 nodes;
	int err;

	for (;;) {
		nodes = da_owe_more(inode, owed, lblk, *len, ends);
		if (delayed)
			err = lnkfs_space_reserve(sbi, *len + nodes);
		else
			err = lnkfs_space_reserve_nodes(sbi, nodes);
		if (err != -ENOSPC || *len == 1 || !partial)
			return err;
		*len /= 2;
	}
}

/**
 * lnkfs_da_reserve() - promise blocks to a hole
 * @inode: regular file
 * @lblk: first logical block, in a hole of the extent map
 * @len: logical blocks at most, not beyond the hole
 * @partial: when space is short, be content with some
 * @gfp: for memory
 * @ext: result (LNKFS_EXT_DELAYED): when true is put in @new the blocks just
 *	reserved, from @lblk on; else the range that held @lblk before
 * @new: see @ext
 *
 * Context: ext_lock held, shared or exclusive.
 * Return: 0, -ENOMEM, -ENOSPC, -EDQUOT.
 */
int lnkfs_da_reserve(struct inode *inode, u64 lblk, u64 len, bool partial, gfp_t gfp,
		     struct lnkfs_ext *ext, bool *new)
{
	struct lnkfs_da_range *spare = NULL, *spare_owed = NULL;
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct da_gap gap, owed;
	u64 charged;
	s64 ends;
	int err;

	err = lnkfs_quota_reserve(inode, &len, partial);
	if (err)
		return err;
	charged = len;
	ext->block = 0;
	ext->flags = LNKFS_EXT_DELAYED;
again:
	spin_lock(&li->da_lock);
	gap = da_find_gap(&li->da_root, lblk, &len);
	*new = !gap.in;
	if (gap.in) {
		ext->lblk = gap.in->lblk;
		ext->len = gap.in->len;
		goto out;
	}
	owed = da_find_gap(&li->owed_root, lblk, &len);
	if ((da_wants_node(&gap) && !spare) || (da_wants_node(&owed) && !spare_owed)) {
		spin_unlock(&li->da_lock);
		if (!spare)
			spare = kmem_cache_alloc(lnkfs_da_cachep, gfp);
		if (!spare_owed)
			spare_owed = kmem_cache_alloc(lnkfs_da_cachep, gfp);
		if (spare && spare_owed)
			goto again;
		*new = false;
		err = -ENOMEM;
		goto free;
	}
	err = da_take_space(inode, &owed, lblk, &len, partial, true, &ends);
	if (err)
		goto out;
	li->da_blocks += len;
	charged -= len;
	ext->lblk = lblk;
	ext->len = len;
	da_fill_gap(&li->da_root, &gap, lblk, len, &spare);
	da_owe(inode, &owed, lblk, len, ends, &spare_owed);
out:
	spin_unlock(&li->da_lock);
	if (*new && !err)
		trace_lnkfs_da_reserve(inode, lblk, len, READ_ONCE(li->da_blocks));
free:
	lnkfs_quota_unreserve(inode, charged);
	da_free(spare);
	da_free(spare_owed);
	return err;
}

/**
 * lnkfs_da_owe() - reserve what data for unwritten blocks may cost
 * @inode: regular file
 * @lblk: first logical block
 * @partial: when space is short, be content with some
 * @gfp: for memory
 * @ext: the unwritten extent that holds @lblk, cut at most to what is wanted. Result:
 *	the part of it from @lblk on that data may be accepted for
 * @new: result: that was not so before
 *
 * Context: ext_lock held, shared or exclusive.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int lnkfs_da_owe(struct inode *inode, u64 lblk, bool partial, gfp_t gfp,
		 struct lnkfs_ext *ext, bool *new)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u64 len = ext->lblk + ext->len - lblk;
	struct lnkfs_da_range *spare = NULL;
	struct da_gap owed;
	int err = 0;
	s64 ends;

again:
	spin_lock(&li->da_lock);
	owed = da_find_gap(&li->owed_root, lblk, &len);
	if (da_wants_node(&owed) && !spare) {
		spin_unlock(&li->da_lock);
		spare = kmem_cache_alloc(lnkfs_da_cachep, gfp);
		if (!spare)
			return -ENOMEM;
		goto again;
	}
	if (!owed.in) {
		err = da_take_space(inode, &owed, lblk, &len, partial, false, &ends);
		if (!err)
			da_owe(inode, &owed, lblk, len, ends, &spare);
	}
	spin_unlock(&li->da_lock);
	da_free(spare);
	*new = !owed.in && !err;
	ext->block += lblk - ext->lblk;
	ext->lblk = lblk;
	ext->len = len;
	return err;
}

/**
 * lnkfs_space_promise() - reserve blocks that are known to exist
 * @sbi: volume
 * @blocks: how many
 *
 * For what was reserved a moment ago and became something else: the free
 * blocks may fall short of the promises until a commit has made blocks that
 * were just freed usable again.
 */
void lnkfs_space_promise(struct lnkfs_sb_info *sbi, u64 blocks)
{
	spin_lock(&sbi->space_lock);
	sbi->reserved += blocks;
	spin_unlock(&sbi->space_lock);
}

/* More, or less, has been reserved than is needed. */
static void da_give(struct inode *inode, s64 blocks)
{
	if (blocks > 0)
		lnkfs_space_unreserve(LNKFS_SB(inode->i_sb), blocks);
	else if (blocks < 0)
		lnkfs_space_promise(LNKFS_SB(inode->i_sb), -blocks);
}

/*
 * [from, to) is owed no longer: how many nodes need not be reserved any more? Less than
 * none when a range falls in two; what they take together has not grown by that.
 */
static s64 da_settle(struct inode *inode, u64 from, u64 to, struct lnkfs_da_range **spare)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	u64 ends = li->owed_ends, before = lnkfs_da_nodes(inode, ends, li->owed_blocks);

	li->owed_blocks -= da_cut(&li->owed_root, from, to, spare, &ends);
	li->owed_ends = li->owed_blocks ? ends : 0;
	return before - lnkfs_da_nodes(inode, li->owed_ends, li->owed_blocks);
}

/**
 * lnkfs_da_punch() - the data of blocks are gone before they were allocated
 * @inode: regular file
 * @from: first logical block
 * @to: end of the range, exclusive
 *
 * Other blocks in the range are left alone.
 *
 * Context: not in a handle, ext_lock not held; a folio may be locked.
 */
void lnkfs_da_punch(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *spare, *spare_owed;
	u64 removed, ends = 0;
	s64 give;

	if (RB_EMPTY_ROOT(&li->da_root) && RB_EMPTY_ROOT(&li->owed_root))
		return;
	spare = kmem_cache_alloc(lnkfs_da_cachep, GFP_NOFS | __GFP_NOFAIL);
	spare_owed = kmem_cache_alloc(lnkfs_da_cachep, GFP_NOFS | __GFP_NOFAIL);
	down_read(&li->ext_lock);
	spin_lock(&li->da_lock);
	removed = da_cut(&li->da_root, from, to, &spare, &ends);
	li->da_blocks -= removed;
	give = removed + da_settle(inode, from, to, &spare_owed);
	da_give(inode, give);
	atomic64_inc(&li->data_seq);
	spin_unlock(&li->da_lock);
	up_read(&li->ext_lock);
	lnkfs_quota_unreserve(inode, removed);
	da_free(spare);
	da_free(spare_owed);
}

/**
 * lnkfs_da_allocated() - blocks have been allocated out of the reservation
 * @inode: regular file
 * @from: first logical block
 * @to: end of the range, exclusive, all of which is delayed
 *
 * What they may cost until they are written stays owed.
 *
 * Context: ext_lock held for write, in the handle of the allocation.
 */
void lnkfs_da_allocated(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *spare = da_cut_spare(&li->da_root, from, to);
	u64 removed, ends = 0;

	spin_lock(&li->da_lock);
	removed = da_cut(&li->da_root, from, to, &spare, &ends);
	li->da_blocks -= removed;
	if (removed)
		atomic64_inc(&li->data_seq);
	spin_unlock(&li->da_lock);
	lnkfs_quota_allocated(inode, removed);
}

/**
 * lnkfs_da_written() - the data of blocks are on the disk, and the extent map says so
 * @inode: regular file
 * @from: first logical block
 * @to: end of the range, exclusive
 *
 * Context: ext_lock held for write, in the handle of the conversion.
 */
void lnkfs_da_written(struct inode *inode, u64 from, u64 to)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *spare;

	if (RB_EMPTY_ROOT(&li->owed_root))
		return;
	spare = da_cut_spare(&li->owed_root, from, to);
	spin_lock(&li->da_lock);
	da_give(inode, da_settle(inode, from, to, &spare));
	spin_unlock(&li->da_lock);
}

/**
 * lnkfs_da_drop() - forget every range of an inode that leaves memory
 * @inode: inode of any type; its page cache is empty
 */
void lnkfs_da_drop(struct inode *inode)
{
	lnkfs_da_punch(inode, 0, LNKFS_MAX_LBLK);
}
