// SPDX-License-Identifier: GPL-2.0
/*
 * Delayed allocation: which holes of a file hold data in the page cache that
 * waits for its blocks. Ranges in memory only, one red-black tree an inode.
 *
 * Every block of a range is reserved (lnkfs_space_reserve()), and so is one
 * more for every range: what the extent tree may grow by when the range gets
 * its blocks. The blocks, without that one, are reserved of the owner's quota
 * as well.
 *
 * Who adds a range shares ext_lock, so that the hole stays one. Who turns a
 * range into blocks holds it for write, so that no part of the range goes while
 * its blocks are being chosen: who drops a range shares ext_lock, too.
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
static struct lnkfs_da_range *da_find(struct lnkfs_inode_info *li, u64 lblk)
{
	struct rb_node *node = li->da_root.rb_node;
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

static void da_insert(struct lnkfs_inode_info *li, struct lnkfs_da_range *new)
{
	struct rb_node **p = &li->da_root.rb_node, *parent = NULL;

	while (*p) {
		parent = *p;
		p = new->lblk < da_entry(parent)->lblk ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&new->node, parent, p);
	rb_insert_color(&new->node, &li->da_root);
}

static void da_erase(struct lnkfs_inode_info *li, struct lnkfs_da_range *r)
{
	rb_erase(&r->node, &li->da_root);
	kmem_cache_free(lnkfs_da_cachep, r);
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
	r = da_find(li, lblk);
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

/* Reserve @len blocks, or some of them, and one more for a new range. */
static int da_take_space(struct lnkfs_sb_info *sbi, u64 *len, bool partial, bool joined)
{
	int err;

	for (;;) {
		err = lnkfs_space_reserve(sbi, *len + !joined);
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
	struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *r, *prev, *spare;
	bool left, right;
	u64 charged;
	int err;

	spare = kmem_cache_alloc(lnkfs_da_cachep, gfp);
	if (!spare)
		return -ENOMEM;
	err = lnkfs_quota_reserve(inode, &len, partial);
	if (err) {
		kmem_cache_free(lnkfs_da_cachep, spare);
		return err;
	}
	charged = len;
	ext->block = 0;
	ext->flags = LNKFS_EXT_DELAYED;
	spin_lock(&li->da_lock);
	r = da_find(li, lblk);
	*new = !r || r->lblk > lblk;
	if (!*new) {
		ext->lblk = r->lblk;
		ext->len = r->len;
		goto out;
	}
	prev = da_entry(r ? rb_prev(&r->node) : rb_last(&li->da_root));
	left = prev && da_end(prev) == lblk;
	if (r && len > r->lblk - lblk)
		len = r->lblk - lblk;
	err = da_take_space(sbi, &len, partial, left);
	if (err)
		goto out;
	right = r && r->lblk == lblk + len;
	li->da_blocks += len;
	charged -= len;
	ext->lblk = lblk;
	ext->len = len;
	if (left) {
		prev->len += len;
		if (right) {
			prev->len += r->len;
			da_erase(li, r);
			lnkfs_space_unreserve(sbi, 1);
		}
	} else if (right) {
		r->lblk = lblk;
		r->len += len;
		lnkfs_space_unreserve(sbi, 1);
	} else {
		spare->lblk = lblk;
		spare->len = len;
		da_insert(li, spare);
		spare = NULL;
	}
out:
	spin_unlock(&li->da_lock);
	if (*new && !err)
		trace_lnkfs_da_reserve(inode, lblk, len, READ_ONCE(li->da_blocks));
	lnkfs_quota_unreserve(inode, charged);
	if (spare)
		kmem_cache_free(lnkfs_da_cachep, spare);
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

/* Take [from, to) out of the ranges; @used: its blocks have been allocated. */
static void da_remove(struct inode *inode, u64 from, u64 to, bool used)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(inode->i_sb);
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	struct lnkfs_da_range *r, *spare;
	u64 start, end, removed = 0;
	s64 give = 0;

	spare = kmem_cache_alloc(lnkfs_da_cachep, GFP_NOFS | __GFP_NOFAIL);
	spin_lock(&li->da_lock);
	while ((r = da_find(li, from)) && r->lblk < to) {
		start = max(r->lblk, from);
		end = min(da_end(r), to);
		removed += end - start;
		if (start > r->lblk && end < da_end(r)) {
			spare->lblk = end;
			spare->len = da_end(r) - end;
			r->len = start - r->lblk;
			da_insert(li, spare);
			spare = NULL;
			give--;
			break;
		}
		if (start > r->lblk) {
			r->len = start - r->lblk;
		} else if (end < da_end(r)) {
			r->len = da_end(r) - end;
			r->lblk = end;
		} else {
			da_erase(li, r);
			give++;
		}
	}
	li->da_blocks -= removed;
	if (!used)
		give += removed;
	if (give > 0)
		lnkfs_space_unreserve(sbi, give);
	else if (give < 0)
		lnkfs_space_promise(sbi, -give);
	if (removed)
		atomic64_inc(&li->data_seq);
	spin_unlock(&li->da_lock);
	if (used)
		lnkfs_quota_allocated(inode, removed);
	else
		lnkfs_quota_unreserve(inode, removed);
	if (spare)
		kmem_cache_free(lnkfs_da_cachep, spare);
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

	if (RB_EMPTY_ROOT(&li->da_root))
		return;
	down_read(&li->ext_lock);
	da_remove(inode, from, to, false);
	up_read(&li->ext_lock);
}

/**
 * lnkfs_da_allocated() - blocks have been allocated out of the reservation
 * @inode: regular file
 * @from: first logical block
 * @to: end of the range, exclusive, all of which is delayed
 *
 * Context: ext_lock held for write, in the handle of the allocation.
 */
void lnkfs_da_allocated(struct inode *inode, u64 from, u64 to)
{
	da_remove(inode, from, to, true);
}

/**
 * lnkfs_da_drop() - forget every range of an inode that leaves memory
 * @inode: inode of any type; its page cache is empty
 */
void lnkfs_da_drop(struct inode *inode)
{
	lnkfs_da_punch(inode, 0, LNKFS_MAX_LBLK);
}
