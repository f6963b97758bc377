// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: blocks past the new end go to places before it. The
 * copy is made first; what names the block changes in the transaction that
 * frees the old one.
 */
#include <stdlib.h>

#include "btree.h"
#include "shrink.h"
#include "xattr.h"

/*
 * Blocks that are moved in one go at most. Those of metadata pass through the log, which
 * may be half full by then (lnkfs_shrink_step()), and needs room for what changes with
 * them.
 */
static u32 most_blocks(const struct lnkfs_shrink *s, enum lnkfs_btype type)
{
	u32 blocks = LNKFS_BOUNCE >> s->fs->block_bits;

	return type == LNKFS_B_TYPES ? blocks : min(blocks, lnkfs_log_room(&s->r->log) / 4);
}

static int alloc(struct lnkfs_shrink *s, u32 min, u32 want, u64 *block, u32 *got)
{
	int err = lnkfs_balloc(&s->tx, s->fs, s->goal, min, want, LNKFS_BA_META, block, got);

	if (!err) {
		s->goal = *block + *got;
		if (s->goal >= s->end)
			s->goal = 0;
	}
	return err;
}

/* Copy a metadata block to a new place; its header follows. */
static int copy_meta(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, u64 from, u64 to,
		     enum lnkfs_btype type)
{
	struct lnkfs_fs *fs = s->fs;
	lnkfs_buf *old, *new;
	int err;

	err = lnkfs_bread(fs, from, type, ci->ino, ci->gen, &old);
	if (err)
		return err;
	err = lnkfs_bnew(&s->tx, fs, to, type, &new);
	if (!err) {
		memcpy(lnkfs_bdata(new), lnkfs_bdata(old), fs->block_size);
		if (type != LNKFS_B_RAW)
			lnkfs_header_init(fs, lnkfs_bdata(new), type, to, ci->ino, ci->gen);
		lnkfs_bdirty(&s->tx, fs, new);
		lnkfs_bput(new);
	}
	lnkfs_bput(old);
	return err;
}

static int free_meta(struct lnkfs_shrink *s, u64 block, u32 len)
{
	int err = 0;
	u32 i;

	for (i = 0; i < len && !err; i++)
		err = lnkfs_bforget(&s->tx, s->fs, block + i);
	return err ? err : lnkfs_bfree(&s->tx, s->fs, block, len);
}

/* Move a run of metadata blocks, which stays a run. */
static int move_run(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, u64 *block, u32 len,
		    enum lnkfs_btype type)
{
	u64 to;
	u32 got, i;
	int err;

	err = alloc(s, len, len, &to, &got);
	for (i = 0; i < len && !err; i++)
		err = copy_meta(s, ci, *block + i, to + i, type);
	if (!err)
		err = free_meta(s, *block, len);
	if (!err)
		*block = to;
	lnkfs_shrink_moved(s, len);
	return err;
}

static int set_owner(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, u64 block,
		     enum lnkfs_btype type)
{
	struct lnkfs_block_header *h;
	lnkfs_buf *buf;
	int err;

	err = lnkfs_bread(s->fs, block, type, ci->ino, ci->gen, &buf);
	if (err)
		return err;
	err = lnkfs_baccess(&s->tx, s->fs, buf, type);
	if (!err) {
		h = lnkfs_bdata(buf);
		h->h_owner = cpu_to_le64(s->owner);
		lnkfs_bdirty(&s->tx, s->fs, buf);
	}
	lnkfs_bput(buf);
	return err;
}

/* Do with a run of blocks, which may be moved as a run only, what is to be done. */
static int visit_run(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, u64 *block, u32 len,
		     enum lnkfs_btype type)
{
	int err = 0;
	u32 i;

	switch (s->mode) {
	case LNKFS_SHRINK_COUNT:
		s->count += len;
		break;
	case LNKFS_SHRINK_TAIL:
		if (*block + len > s->end)
			s->count += 2 * (u64)len + 1;
		break;
	case LNKFS_SHRINK_MOVE:
		if (*block + len > s->end)
			err = move_run(s, ci, block, len, type);
		break;
	case LNKFS_SHRINK_OWN:
		for (i = 0; i < len && !err; i++)
			err = set_owner(s, ci, *block + i, type);
		break;
	}
	return err;
}

/* A block number that stands in @holder, or, without one, in the inode, has changed. */
static int set_number(struct lnkfs_shrink *s, lnkfs_buf *holder, enum lnkfs_btype type,
		      __le64 *where, u64 number)
{
	int err = holder ? lnkfs_baccess(&s->tx, s->fs, holder, type) : 0;

	if (err)
		return err;
	*where = cpu_to_le64(number);
	if (holder)
		lnkfs_bdirty(&s->tx, s->fs, holder);
	return 0;
}

/* ---- extended attributes and trees ---- */

/* The values outside of a leaf. */
static int visit_values(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, lnkfs_buf *buf)
{
	struct lnkfs_xattr_block *xb = lnkfs_bdata(buf);
	u32 used = le16_to_cpu(xb->x_used), off, size, i;
	struct lnkfs_xattr_entry *e;
	int err = 0;

	for (off = 0; off < used && !err; off += size) {
		e = lnkfs_xattr_entry(xb->x_data, used, off, &size);
		if (!e)
			return -EFSCORRUPTED;
		for (i = 0; i < e->e_extents && !err; i++) {
			__le64 *x = (__le64 *)lnkfs_xattr_extents(e) + i;
			u64 block = lnkfs_xattr_extent_block(*x), old = block;
			u32 len = lnkfs_xattr_extent_len(*x);

			err = visit_run(s, ci, &block, len, LNKFS_B_XATTR);
			if (!err && block != old)
				err = set_number(s, buf, LNKFS_B_XATTR, x,
						 block | (u64)len << 48);
		}
	}
	return err;
}

static int visit_leaf(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, u64 *block)
{
	lnkfs_buf *buf;
	int err;

	err = lnkfs_xattr_bread(s->fs, ci, *block, &buf);
	if (err)
		return err;
	err = visit_values(s, ci, buf);
	lnkfs_bput(buf);
	return err ? err : visit_run(s, ci, block, 1, LNKFS_B_XATTR);
}

static int visit_node(struct lnkfs_shrink *s, const struct lnkfs_btree *bt, u64 *block,
		      u32 level);

/* What the records of a node lead to; the levels end the recursion. */
static int visit_records(struct lnkfs_shrink *s, const struct lnkfs_btree *bt,
			 const struct bt_view *v, lnkfs_buf *holder, enum lnkfs_btype type)
{
	u32 i, count = bt_count(v), level = bt_level(v);
	int err = 0;

	if (!level && bt->tree != LNKFS_TREE_XATTR)
		return 0;
	for (i = 0; i < count && !err; i++) {
		u64 old = bt_child(v, i), block = old;

		if (level)
			err = visit_node(s, bt, &block, level - 1);
		else
			err = visit_leaf(s, bt->ci, &block);
		if (!err && block != old)
			err = set_number(s, holder, type, (__le64 *)(bt_record(v, i) + 8), block);
	}
	return err;
}

/* @level is what the parent promises; nobody need have checked the volume. */
static int visit_node(struct lnkfs_shrink *s, const struct lnkfs_btree *bt, u64 *block, u32 level)
{
	struct bt_view v;
	lnkfs_buf *buf;
	int err;

	if (!lnkfs_block_valid(s->fs, *block, 1))
		return -EFSCORRUPTED;
	err = lnkfs_bread(s->fs, *block, LNKFS_B_BTREE, bt->ci->ino, bt->ci->gen, &buf);
	if (err)
		return err;
	v = bt_node_view(s->fs, lnkfs_bdata(buf));
	err = bt_fits(&v, bt, level) ? visit_records(s, bt, &v, buf, LNKFS_B_BTREE) : -EFSCORRUPTED;
	lnkfs_bput(buf);
	return err ? err : visit_run(s, bt->ci, block, 1, LNKFS_B_BTREE);
}

static int visit_tree(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, void *root, u32 size,
		      u8 vsize, u8 tree)
{
	struct lnkfs_btree bt = {
		.fs = s->fs, .ci = ci, .root = root, .root_size = size, .vsize = vsize,
		.tree = tree,
	};
	struct bt_view v;
	int err;

	err = lnkfs_btree_check_root(&bt);
	if (err)
		return err;
	v = bt_root_view(&bt);
	return visit_records(s, &bt, &v, NULL, LNKFS_B_BTREE);
}

static int visit_xattrs(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_btree bt;
	struct bt_view v;
	lnkfs_buf *buf;
	int err;

	if (!ci->xattr_block)
		return 0;
	err = lnkfs_xattr_bread(s->fs, ci, ci->xattr_block, &buf);
	if (err)
		return err;
	if (lnkfs_xattr_kind(buf) == LNKFS_XBLOCK_HEAD) {
		lnkfs_xattr_tree(s->fs, ci, lnkfs_bdata(buf), &bt);
		v = bt_root_view(&bt);
		err = visit_records(s, &bt, &v, buf, LNKFS_B_XATTR);
	} else {
		err = visit_values(s, ci, buf);
	}
	lnkfs_bput(buf);
	return err ? err : visit_run(s, ci, &ci->xattr_block, 1, LNKFS_B_XATTR);
}

/* What the blocks that an inode maps are; LNKFS_B_TYPES: data. */
static enum lnkfs_btype mapped_type(const struct lnkfs_shrink *s, const struct lnkfs_cinode *ci)
{
	if (S_ISDIR(ci->mode))
		return LNKFS_B_DIR;
	return lnkfs_super_has_quota_ino(&s->v->sb, ci->ino) ? LNKFS_B_QUOTA : LNKFS_B_TYPES;
}

/* Metadata that an inode maps; that is moved by move_extents(). */
static int visit_mapped(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	enum lnkfs_btype type = mapped_type(s, ci);
	struct lnkfs_ext ext;
	u64 lblk = 0, block;
	int err = 0;

	if (type == LNKFS_B_TYPES || s->mode == LNKFS_SHRINK_MOVE ||
	    s->mode == LNKFS_SHRINK_TAIL)
		return 0;
	for (; !err && lblk < LNKFS_MAX_LBLK; lblk = ext.lblk + ext.len) {
		err = lnkfs_ext_lookup(s->fs, ci, lblk, &ext);
		if (err || ext.flags & LNKFS_EXT_HOLE)
			continue;
		block = ext.block;
		err = visit_run(s, ci, &block, (u32)ext.len, type);
	}
	return err;
}

static int visit_slow_link(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	u64 block = le64_to_cpu(sl->l_block);
	int err;

	if (s->mode != LNKFS_SHRINK_MOVE && s->mode != LNKFS_SHRINK_TAIL)
		return 0;
	err = visit_run(s, ci, &block, le32_to_cpu(sl->l_blocks), LNKFS_B_RAW);
	sl->l_block = cpu_to_le64(block);
	return err;
}

/**
 * lnkfs_shrink_visit() - go through the metadata blocks of an inode
 * @s: change of size; its @mode says what to do, in its transaction
 * @ci: the inode; the caller stores it, also after an error
 *
 * Return: 0; -ENOSPC, -ENOMEM, -EIO, -EFSCORRUPTED, -EFSBADCRC. What has been moved
 * until then is where it belongs.
 */
int lnkfs_shrink_visit(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_dir_fork *f = (void *)ci->area;
	int err = 0;

	switch (ci->fork) {
	case LNKFS_FORK_EXTENTS:
		/* Mapped blocks first: the trees are read by the old number. */
		err = visit_mapped(s, ci);
		if (!err)
			err = visit_tree(s, ci, ci->area, ci->fork_len,
					 sizeof(struct lnkfs_extent), LNKFS_TREE_EXTENT);
		break;
	case LNKFS_FORK_DIR_BLOCKS:
		err = visit_mapped(s, ci);
		if (!err)
			err = visit_tree(s, ci, f + 1, le16_to_cpu(f->f_ext_len),
					 sizeof(struct lnkfs_extent), LNKFS_TREE_EXTENT);
		if (!err)
			err = visit_tree(s, ci, (u8 *)(f + 1) + le16_to_cpu(f->f_ext_len),
					 le16_to_cpu(f->f_idx_len), 0, LNKFS_TREE_DIR);
		break;
	case LNKFS_FORK_SLOW_LINK:
		err = visit_slow_link(s, ci);
		break;
	}
	return err ? err : visit_xattrs(s, ci);
}

/* ---- what inodes map ---- */

static int copy_data(struct lnkfs_shrink *s, u64 from, u64 to, u32 len)
{
	size_t bytes = (size_t)len << s->fs->block_bits;
	int err;

	err = lnkfs_dev_read(&s->v->dev, from << s->fs->block_bits, s->copy, bytes);
	return err ? err : lnkfs_dev_write(&s->v->dev, to << s->fs->block_bits, s->copy, bytes);
}

static int copy_mapped(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci,
		       const struct lnkfs_ext *from, u64 to, u32 len)
{
	enum lnkfs_btype type = mapped_type(s, ci);
	int err = 0;
	u32 i;

	if (from->flags & LNKFS_EXT_UNWRITTEN)
		return 0;
	if (type == LNKFS_B_TYPES)
		return copy_data(s, from->block, to, len);
	for (i = 0; i < len && !err; i++) {
		err = copy_meta(s, ci, from->block + i, to + i, type);
		/* lnkfs_ext_remove() knows about directories only. */
		if (!err && type == LNKFS_B_QUOTA)
			err = lnkfs_bforget(&s->tx, s->fs, from->block + i);
	}
	return err;
}

/* Move the first blocks of @ext, as many as there is room for in one place. */
static int move_piece(struct lnkfs_shrink *s, struct lnkfs_cinode *ci,
		      const struct lnkfs_ext *ext)
{
	struct lnkfs_ext new = { .lblk = ext->lblk, .flags = ext->flags };
	u32 most = most_blocks(s, mapped_type(s, ci)), got;
	int err;

	err = alloc(s, 1, min_t(u64, ext->len, most), &new.block, &got);
	if (err)
		return err;
	new.len = got;
	err = copy_mapped(s, ci, ext, new.block, got);
	if (!err)
		err = lnkfs_ext_remove(&s->tx, s->fs, ci, ext->lblk, ext->lblk + got, U32_MAX);
	if (!err)
		err = lnkfs_ext_insert(&s->tx, s->fs, ci, &new);
	lnkfs_shrink_moved(s, got);
	/* Half done is not done: nothing of this is to be written. */
	return err ? -EIO : 0;
}

/* Move a piece, with all that changes by it: a transaction may end after each. */
static int move_step(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, const struct lnkfs_ext *ext)
{
	u64 blocks = ci->blocks;
	int err;

	lnkfs_tx_begin(&s->tx, s->v, 0);
	err = move_piece(s, ci, ext);
	if (!err)
		err = lnkfs_inode_store(&s->tx, s->fs, ci);
	lnkfs_tx_end(&s->tx);
	/* It may have cost nodes of the tree. */
	if (!err)
		err = lnkfs_shrink_charge(s, ci, (s64)(ci->blocks - blocks));
	return err ? err : lnkfs_shrink_step(s);
}

static int move_extents(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	struct lnkfs_ext ext;
	u64 lblk = 0, skip;
	int err;

	while (lblk < LNKFS_MAX_LBLK) {
		err = lnkfs_ext_lookup(s->fs, ci, lblk, &ext);
		if (err)
			return err;
		if (ext.flags & LNKFS_EXT_HOLE || ext.block + ext.len <= s->end) {
			lblk = ext.lblk + ext.len;
			continue;
		}
		skip = ext.block < s->end ? s->end - ext.block : 0;
		ext.lblk += skip;
		ext.block += skip;
		ext.len -= skip;
		lblk = ext.lblk;
		err = move_step(s, ci, &ext);
		if (err)
			return err;
	}
	return 0;
}

/* Move the metadata of an inode. */
static int move_meta(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	u64 done = s->done;
	int err, err2 = 0;

	s->mode = LNKFS_SHRINK_MOVE;
	lnkfs_tx_begin(&s->tx, s->v, 0);
	err = lnkfs_shrink_visit(s, ci);
	if (s->done != done)
		err2 = lnkfs_inode_store(&s->tx, s->fs, ci);
	lnkfs_tx_end(&s->tx);
	return err ? err : err2;
}

static int move_inode(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	int err = 0;

	if (ci->fork == LNKFS_FORK_EXTENTS || ci->fork == LNKFS_FORK_DIR_BLOCKS)
		err = move_extents(s, ci);
	return err ? err : move_meta(s, ci);
}

static int move_one(void *ctx, u64 ino)
{
	struct lnkfs_shrink *s = ctx;
	struct lnkfs_node n;
	int err, tries;

	for (tries = 0;; tries++) {
		err = lnkfs_shrink_load(s, ino, &n);
		if (!err)
			err = move_inode(s, &n.ci);
		/* What has been freed can be had after a commit. */
		if (err != -ENOSPC || tries || !s->v->nr_freed)
			return err ? err : lnkfs_shrink_step(s);
		err = lnkfs_shrink_commit(s);
		if (err)
			return err;
	}
}

/**
 * lnkfs_shrink_blocks() - move all blocks of all inodes from past the new end
 * @s: change of size
 *
 * Inode blocks stay where they are.
 *
 * Return: 0, -ENOSPC and others.
 */
int lnkfs_shrink_blocks(struct lnkfs_shrink *s)
{
	return lnkfs_volume_inodes(s->v, 0, move_one, s);
}
