// SPDX-License-Identifier: GPL-2.0
/*
 * Strict check of one directory: entries, index, room keys and block count.
 *
 * Index and entries are compared without keeping either in memory: every entry
 * must find its key, every block its room key, and the index must not hold
 * more keys than that.
 */
#include "check_dir.h"
#include "volume.h"

/**
 * struct dir_check - a directory being checked
 * @ck: callbacks and problems
 * @ext: extent tree
 * @idx: index
 * @indexed: the index is in use
 * @end: end of the last extent, logical blocks
 * @keys: keys the index should hold
 * @found: keys it holds
 * @last: last name key seen
 * @res: counts
 */
struct dir_check {
	struct lnkfs_check ck;
	struct lnkfs_btree ext;
	struct lnkfs_btree idx;
	bool indexed;
	u64 end;
	u64 keys;
	u64 found;
	u64 last;
	struct lnkfs_check_dir_result *res;
};

static bool index_has(struct dir_check *dc, u64 key)
{
	u64 found;

	return !lnkfs_btree_lookup_ge(&dc->idx, key, &found, NULL) && found == key;
}

static int check_entry(struct dir_check *dc, const struct lnkfs_dirent *de, u64 pos)
{
	struct lnkfs_check *ck = &dc->ck;
	u32 hash = le32_to_cpu(de->d_hash);
	struct lnkfs_name name = {
		.ino = le64_to_cpu(de->d_ino),
		.pos = pos,
		.type = de->d_type,
		.len = de->d_name_len,
		.name = (const char *)de->d_name,
	};

	dc->res->entries++;
	if (hash != lnkfs_dir_hash(ck->fs, name.name, name.len))
		lnkfs_check_say(ck, "position %llu: wrong hash", (unsigned long long)pos);
	if (dc->indexed) {
		dc->keys++;
		if (!index_has(dc, (u64)hash << 32 | pos >> 3))
			lnkfs_check_say(ck, "position %llu: not in the index",
					(unsigned long long)pos);
	}
	return ck->ops->entry ? ck->ops->entry(ck->ctx, &name) : 0;
}

/* Two entries of a run without index that bear one name. */
static void check_twice(struct dir_check *dc, const u8 *run, u32 len)
{
	const struct lnkfs_dirent *a, *b;
	u32 i, j;

	for (i = 0; i < len; i += le16_to_cpu(a->d_rec_len)) {
		a = (const struct lnkfs_dirent *)(run + i);
		if (!a->d_name_len)
			continue;
		for (j = i + le16_to_cpu(a->d_rec_len); j < len;
		     j += le16_to_cpu(b->d_rec_len)) {
			b = (const struct lnkfs_dirent *)(run + j);
			if (a->d_name_len == b->d_name_len && a->d_hash == b->d_hash &&
			    !memcmp(a->d_name, b->d_name, a->d_name_len))
				lnkfs_check_say(&dc->ck, "the name at offset %u is there twice", i);
		}
	}
}

/* A run that passed lnkfs_dir_check_entries(). */
static int check_run(struct dir_check *dc, const u8 *run, u32 len, u64 base)
{
	const struct lnkfs_dirent *de;
	int err = 0;
	u32 off;

	for (off = 0; off < len && !err; off += le16_to_cpu(de->d_rec_len)) {
		de = (const struct lnkfs_dirent *)(run + off);
		if (de->d_name_len)
			err = check_entry(dc, de, base + off);
	}
	if (!dc->indexed)
		check_twice(dc, run, len);
	return err;
}

static void check_room(struct dir_check *dc, const struct lnkfs_dir_block *db, u64 lblk)
{
	static const u16 sizes[] = LNKFS_DIR_ROOM_SIZES;
	u32 class = 0;

	while (class < ARRAY_SIZE(sizes) && sizes[class] <= le16_to_cpu(db->b_hole))
		class++;
	if (!dc->indexed) {
		if (db->b_room)
			lnkfs_check_say(&dc->ck, "a room key without an index");
		return;
	}
	dc->res->understated += db->b_room < class;
	if (!db->b_room)
		return;
	dc->keys++;
	if (db->b_room > class ||
	    !index_has(dc, LNKFS_DIR_ROOM_KEY | (u64)db->b_room << 32 | lblk))
		lnkfs_check_say(&dc->ck, "block %llu of the directory: wrong room key",
				(unsigned long long)lblk);
}

static int check_block(struct dir_check *dc, u64 lblk, u64 block)
{
	struct lnkfs_check *ck = &dc->ck;
	const struct lnkfs_dir_block *db;
	lnkfs_buf *buf;
	int err;

	dc->res->blocks++;
	err = lnkfs_check_owned(ck, block, LNKFS_B_DIR);
	if (err)
		return err;
	err = lnkfs_bread(ck->fs, block, LNKFS_B_DIR, ck->ci->ino, ck->ci->gen, &buf);
	if (err) {
		lnkfs_check_say(ck, "block %llu of the directory: %s", (unsigned long long)lblk,
				strerror(-err));
		return 0;
	}
	db = lnkfs_bdata(buf);
	if (lnkfs_dir_check_block(ck->fs, db)) {
		lnkfs_check_say(ck, "block %llu of the directory: broken entries",
				(unsigned long long)lblk);
	} else {
		if (db->b_header.h_pad)
			lnkfs_check_say(ck, "block %llu of the directory: padding in use",
					(unsigned long long)lblk);
		if (le32_to_cpu(db->b_index) != lblk)
			lnkfs_check_say(ck, "block %llu of the directory says it is %u",
					(unsigned long long)lblk, le32_to_cpu(db->b_index));
		dc->res->empty += !db->b_count;
		check_room(dc, db, lblk);
		err = check_run(dc, db->b_entries, ck->fs->block_size - sizeof(*db),
				(lblk << ck->fs->block_bits) + sizeof(*db));
	}
	lnkfs_bput(buf);
	return err;
}

static int check_extent(void *arg, u64 key, const void *value)
{
	struct dir_check *dc = arg;
	struct lnkfs_fs *fs = dc->ck.fs;
	struct lnkfs_extent x;
	u64 block, i;
	int err = 0;
	u32 len;

	memcpy(&x, value, sizeof(x));
	block = le64_to_cpu(x.x_block);
	len = le32_to_cpu(x.x_len);
	if (key < dc->end || key + len > LNKFS_DIR_MAX_BLOCKS(fs->block_bits) || !len ||
	    x.x_flags || !lnkfs_block_valid(fs, block, len)) {
		lnkfs_check_say(&dc->ck, "impossible extent at block %llu of the directory",
				(unsigned long long)key);
		return 0;
	}
	dc->end = key + len;
	lnkfs_prefetch(lnkfs_volume_of(fs), block, len);
	for (i = 0; i < len && !err; i++)
		err = check_block(dc, key + i, block + i);
	return err;
}

/* Find the entry of a name key; the caller gives the block back. */
static const struct lnkfs_dirent *entry_at(struct dir_check *dc, u64 key, lnkfs_buf **buf)
{
	struct lnkfs_fs *fs = dc->ck.fs;
	u64 pos = (key & 0xffffffff) << 3;
	const struct lnkfs_dirent *de;
	struct lnkfs_ext ext;
	u32 off = pos & (fs->block_size - 1);

	*buf = NULL;
	if (off < sizeof(struct lnkfs_dir_block) || off + sizeof(*de) > fs->block_size ||
	    lnkfs_ext_lookup(fs, dc->ck.ci, pos >> fs->block_bits, &ext) || ext.flags ||
	    lnkfs_bread(fs, ext.block + ((pos >> fs->block_bits) - ext.lblk), LNKFS_B_DIR,
			dc->ck.ci->ino, dc->ck.ci->gen, buf))
		return NULL;
	de = (const struct lnkfs_dirent *)((u8 *)lnkfs_bdata(*buf) + off);
	return off + sizeof(*de) + de->d_name_len <= fs->block_size ? de : NULL;
}

/* Two keys of one hash must lead to two names. */
static void check_same_hash(struct dir_check *dc, u64 a, u64 b)
{
	const struct lnkfs_dirent *da, *db;
	lnkfs_buf *ba, *bb;

	da = entry_at(dc, a, &ba);
	db = entry_at(dc, b, &bb);
	if (da && db && da->d_name_len == db->d_name_len &&
	    !memcmp(da->d_name, db->d_name, da->d_name_len))
		lnkfs_check_say(&dc->ck, "the name at position %llu is there twice",
				(unsigned long long)((a & 0xffffffff) << 3));
	lnkfs_bput(ba);
	lnkfs_bput(bb);
}

static int check_key(void *arg, u64 key, const void *value)
{
	struct dir_check *dc = arg;

	(void)value;
	if (dc->found++ && !(key & LNKFS_DIR_ROOM_KEY) && key >> 32 == dc->last >> 32)
		check_same_hash(dc, dc->last, key);
	dc->last = key;
	return 0;
}

/* Where the roots are; false when the fork makes no sense. */
static bool find_trees(struct dir_check *dc)
{
	struct lnkfs_cinode *dir = dc->ck.ci;
	const struct lnkfs_dir_fork *f = (const void *)dir->area;
	const struct lnkfs_btree_root *root;
	u32 ext, idx;

	if (dir->fork != LNKFS_FORK_DIR_BLOCKS || dir->fork_len < sizeof(*f) ||
	    dir->fork_len > dir->area_len)
		return false;
	ext = le16_to_cpu(f->f_ext_len);
	idx = le16_to_cpu(f->f_idx_len);
	if (sizeof(*f) + ext + idx != dir->fork_len || ext % 8 || idx % 8 ||
	    ext < sizeof(*root) + 2 * 24 || idx < sizeof(*root) + 2 * 16)
		return false;
	dc->ext.fs = dc->ck.fs;
	dc->ext.ci = dir;
	dc->idx = dc->ext;
	dc->ext.root = dir->area + sizeof(*f);
	dc->ext.root_size = ext;
	dc->ext.vsize = sizeof(struct lnkfs_extent);
	dc->ext.tree = LNKFS_TREE_EXTENT;
	dc->idx.root = dir->area + sizeof(*f) + ext;
	dc->idx.root_size = idx;
	dc->idx.tree = LNKFS_TREE_DIR;
	root = dc->idx.root;
	dc->indexed = dir->size > dc->ck.fs->block_size || root->bt_level || root->bt_count;
	return true;
}

static int check_blocks(struct dir_check *dc)
{
	struct lnkfs_check *ck = &dc->ck;
	u64 ext_nodes = 0, idx_nodes = 0;
	int err;

	if (!find_trees(dc)) {
		lnkfs_check_say(ck, "bad fork");
		return 0;
	}
	err = lnkfs_check_tree(ck, &dc->ext, check_extent, dc, &ext_nodes);
	if (!err)
		err = lnkfs_check_tree(ck, &dc->idx, check_key, dc, &idx_nodes);
	if (err)
		return err;
	dc->res->nodes = ext_nodes + idx_nodes;
	if (dc->found != dc->keys)
		lnkfs_check_say(ck, "the index has %llu keys where %llu should be",
				(unsigned long long)dc->found, (unsigned long long)dc->keys);
	if (ck->ci->size != dc->end << ck->fs->block_bits || !dc->end)
		lnkfs_check_say(ck, "size %llu, but blocks up to %llu",
				(unsigned long long)ck->ci->size, (unsigned long long)dc->end);
	return 0;
}

static int check_inline(struct dir_check *dc)
{
	struct lnkfs_cinode *dir = dc->ck.ci;
	u32 room = dir->area_len - dir->xattr_len;

	if (dir->fork_len > room || lnkfs_dir_check_entries(dir->area, dir->fork_len)) {
		lnkfs_check_say(&dc->ck, "broken inline entries");
		return 0;
	}
	if (dir->size != dir->fork_len)
		lnkfs_check_say(&dc->ck, "size %llu of an inline directory of %u bytes",
				(unsigned long long)dir->size, dir->fork_len);
	if (memchr_inv(dir->area + dir->fork_len, 0, room - dir->fork_len))
		lnkfs_check_say(&dc->ck, "garbage behind the inline entries");
	return check_run(dc, dir->area, dir->fork_len, LNKFS_DIR_FIRST_POS);
}

/**
 * lnkfs_check_dir() - check a directory
 * @fs: volume
 * @dir: its inode, loaded; @dir->xattr_len <= @dir->area_len
 * @ops: callbacks for entries (not "." and ".."), blocks and problems
 * @ctx: their argument
 * @res: gets the counts
 *
 * Checks all that can be said without looking at other inodes, also in blocks
 * that are in the cache and were verified before. Return: 0, whether there
 * were problems (@res->problems) or not, or what a callback returned.
 */
int lnkfs_check_dir(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		    const struct lnkfs_check_ops *ops, void *ctx,
		    struct lnkfs_check_dir_result *res)
{
	struct dir_check dc = {
		.ck = { .fs = fs, .ci = dir, .ops = ops, .ctx = ctx },
		.res = res,
	};
	int err;

	memset(res, 0, sizeof(*res));
	if (dir->fork == LNKFS_FORK_DIR_INLINE)
		err = check_inline(&dc);
	else
		err = check_blocks(&dc);
	if (!err && dir->blocks != res->blocks + res->nodes)
		lnkfs_check_say(&dc.ck, "%llu blocks counted, %llu found",
				(unsigned long long)dir->blocks,
				(unsigned long long)(res->blocks + res->nodes));
	res->problems = dc.ck.problems;
	return err;
}
