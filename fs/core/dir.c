// SPDX-License-Identifier: GPL-2.0
/*
 * Directories: the operations on names.
 *
 * A small directory keeps its entries in the inode (inline). When they no
 * longer fit, they move to block 0, at the same positions; from the second
 * block on an index (dirindex.c) finds names and room. A block that loses its
 * last entry is unmapped, and a directory that loses its last block is inline
 * again. "." and ".." are not stored.
 *
 * Locking: the caller excludes writers while reading and everybody while
 * writing (i_rwsem in the kernel). The caller stores the inode record after
 * every call that took a transaction, also when it failed.
 *
 * A call that fails leaves every name as it was. It may leave traces that no
 * name depends on: a started index, an empty block, or a block with a lower
 * room key than it could have. They go away when the directory empties.
 */
#include "dir.h"

#ifndef LNKFS_DIR_HASH_MASK
#define LNKFS_DIR_HASH_MASK	0x7fffffff	/* tests narrow it to force collisions */
#endif

/* Smallest roots: two extents, two interior index records. */
#define EXT_ROOT_MIN	(sizeof(struct lnkfs_btree_root) + 2 * 24)
#define IDX_ROOT_MIN	(sizeof(struct lnkfs_btree_root) + 2 * 16)

static int dir_corrupt(struct lnkfs_fs *fs, const struct lnkfs_cinode *dir, lnkfs_buf *buf,
		       const char *what)
{
	return lnkfs_report(fs, -EFSCORRUPTED, dir->ino, buf ? lnkfs_bblock(buf) : 0,
			    "directory: %s", what);
}

/**
 * lnkfs_dir_hash() - hash of a name
 * @fs: volume
 * @name: the name, not terminated
 * @len: its length
 *
 * Return: 31 bits.
 */
u32 lnkfs_dir_hash(const struct lnkfs_fs *fs, const char *name, u32 len)
{
	return (u32)lnkfs_siphash(fs->hash_seed, name, len) & LNKFS_DIR_HASH_MASK;
}

/**
 * lnkfs_dir_init() - make an inode an empty directory
 * @ci: the inode; its area beyond the inline attributes is cleared
 */
void lnkfs_dir_init(struct lnkfs_cinode *ci)
{
	memset(ci->area, 0, lnkfs_fork_room(ci));
	ci->fork = LNKFS_FORK_DIR_INLINE;
	ci->fork_len = 0;
	ci->size = 0;
	ci->fill_hole = 0;
}

/* Length of the longest run the inode can hold inline. */
static u32 inline_room(const struct lnkfs_fs *fs, const struct lnkfs_cinode *dir)
{
	u32 room = round_down(lnkfs_fork_room(dir), 8u);

	return min_t(u32, room, fs->block_size - sizeof(struct lnkfs_dir_block));
}

static int dir_shape(struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	const struct lnkfs_dir_fork *f = (const struct lnkfs_dir_fork *)dir->area;
	u32 ext, idx;

	if (dir->fork == LNKFS_FORK_DIR_INLINE) {
		if (dir->fork_len > inline_room(fs, dir) || dir->fork_len % 8)
			return dir_corrupt(fs, dir, NULL, "impossible inline length");
		return 0;
	}
	if (dir->fork != LNKFS_FORK_DIR_BLOCKS)
		return dir_corrupt(fs, dir, NULL, "the inode is no directory");
	ext = le16_to_cpu(f->f_ext_len);
	idx = le16_to_cpu(f->f_idx_len);
	if (dir->fork_len > lnkfs_fork_room(dir) || sizeof(*f) + ext + idx != dir->fork_len ||
	    ext < EXT_ROOT_MIN || idx < IDX_ROOT_MIN || ext % 8 || idx % 8)
		return dir_corrupt(fs, dir, NULL, "impossible roots");
	if (!dir->size || dir->size & (fs->block_size - 1) ||
	    dir->size >> fs->block_bits > LNKFS_DIR_MAX_BLOCKS(fs->block_bits))
		return dir_corrupt(fs, dir, NULL, "impossible size");
	return 0;
}

static void dir_tree(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u8 tree,
		     struct lnkfs_btree *bt)
{
	struct lnkfs_dir_fork *f = (struct lnkfs_dir_fork *)dir->area;
	u32 ext = le16_to_cpu(f->f_ext_len);

	bt->fs = fs;
	bt->ci = dir;
	bt->home = 0;
	bt->home_buf = NULL;
	bt->tree = tree;
	if (tree == LNKFS_TREE_EXTENT) {
		bt->root = dir->area + sizeof(*f);
		bt->root_size = ext;
		bt->vsize = sizeof(struct lnkfs_extent);
	} else {
		bt->root = dir->area + sizeof(*f) + ext;
		bt->root_size = le16_to_cpu(f->f_idx_len);
		bt->vsize = 0;
	}
}

/* Are the entries of a directory with blocks in the index? */
static bool dir_indexed(const struct lnkfs_btree *idx)
{
	return idx->ci->size > idx->fs->block_size || !lnkfs_dir_index_unused(idx);
}

static u32 run_len(const struct lnkfs_fs *fs)
{
	return fs->block_size - sizeof(struct lnkfs_dir_block);
}

static u8 *buf_run(const lnkfs_buf *buf)
{
	return (u8 *)lnkfs_bdata(buf) + sizeof(struct lnkfs_dir_block);
}

/* Read the directory block that is mapped at @block. */
static int dir_bread_at(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk, u64 block,
			lnkfs_buf **out)
{
	struct lnkfs_dir_block *db;
	int err;

	err = lnkfs_bread(fs, block, LNKFS_B_DIR, dir->ino, dir->gen, out);
	if (err)
		return err;
	db = lnkfs_bdata(*out);
	if (le32_to_cpu(db->b_index) == lblk)
		return 0;
	err = dir_corrupt(fs, dir, *out, "a block is out of its place");
	lnkfs_bput(*out);
	*out = NULL;
	return err;
}

/* Read a logical block that must be mapped. */
static int dir_bread(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk,
		     lnkfs_buf **out)
{
	struct lnkfs_ext ext;
	int err;

	*out = NULL;
	if (lblk >= dir->size >> fs->block_bits)
		return dir_corrupt(fs, dir, NULL, "a position is beyond the end");
	err = lnkfs_ext_lookup(fs, dir, lblk, &ext);
	if (err)
		return err;
	if (ext.flags)
		return dir_corrupt(fs, dir, NULL, "a block in use is not mapped");
	return dir_bread_at(fs, dir, lblk, ext.block + (lblk - ext.lblk), out);
}

static int run_find(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		    const struct lnkfs_dir_key *key, struct lnkfs_dir_spot *pl)
{
	int err = lnkfs_run_find(pl->run, pl->len, key, &pl->off);

	return err == -EFSCORRUPTED ? dir_corrupt(fs, dir, pl->buf, "broken entries") : err;
}

/* Try the positions that the index has for the hash. */
static int index_find(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const struct lnkfs_btree *idx, const struct lnkfs_dir_key *key,
		      struct lnkfs_dir_spot *pl)
{
	u32 mask = fs->block_size - 1;
	struct lnkfs_dirent *de;
	u64 from = 0, pos, lblk;
	int err;

	for (;;) {
		err = lnkfs_dir_index_next(idx, key->hash, &from, &pos);
		if (err)
			return err;
		lblk = pos >> fs->block_bits;
		if (!pl->buf || pl->lblk != lblk) {
			lnkfs_bput(pl->buf);
			err = dir_bread(fs, dir, lblk, &pl->buf);
			if (err)
				return err;
			pl->lblk = lblk;
			pl->run = buf_run(pl->buf);
			pl->len = run_len(fs);
		}
		de = NULL;
		if ((pos & mask) >= LNKFS_DIR_FIRST_POS) {
			pl->off = (pos & mask) - LNKFS_DIR_FIRST_POS;
			de = lnkfs_run_entry(pl->run, pl->len, pl->off);
		}
		if (!de || !de->d_name_len || le32_to_cpu(de->d_hash) != key->hash)
			return dir_corrupt(fs, dir, pl->buf, "an index key points to no entry");
		if (lnkfs_run_match(de, key))
			return 0;
	}
}

/*
 * Find a name. On success the caller puts pl->buf; otherwise it is NULL.
 */
static int dir_find(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		    const struct lnkfs_dir_key *key, struct lnkfs_dir_spot *pl)
{
	struct lnkfs_btree idx;
	int err;

	pl->buf = NULL;
	pl->lblk = 0;
	err = dir_shape(fs, dir);
	if (err)
		return err;
	if (dir->fork == LNKFS_FORK_DIR_INLINE) {
		pl->run = dir->area;
		pl->len = dir->fork_len;
		return run_find(fs, dir, key, pl);
	}
	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	if (dir_indexed(&idx)) {
		err = index_find(fs, dir, &idx, key, pl);
	} else {
		err = dir_bread(fs, dir, 0, &pl->buf);
		if (err)
			return err;
		pl->run = buf_run(pl->buf);
		pl->len = run_len(fs);
		err = run_find(fs, dir, key, pl);
	}
	if (err) {
		lnkfs_bput(pl->buf);
		pl->buf = NULL;
	}
	return err;
}

static void set_key(const struct lnkfs_fs *fs, struct lnkfs_dir_key *key, const char *name,
		    u32 len)
{
	key->name = name;
	key->len = len;
	key->hash = lnkfs_dir_hash(fs, name, len);
}

static struct lnkfs_dirent *place_entry(const struct lnkfs_dir_spot *pl)
{
	return (struct lnkfs_dirent *)(pl->run + pl->off);
}

/**
 * lnkfs_dir_spot_pos() - position of an entry
 * @fs: volume
 * @spot: from lnkfs_dir_find()
 */
u64 lnkfs_dir_spot_pos(const struct lnkfs_fs *fs, const struct lnkfs_dir_spot *spot)
{
	return (spot->lblk << fs->block_bits) + LNKFS_DIR_FIRST_POS + spot->off;
}

/**
 * lnkfs_dir_find() - find where a name stands
 * @fs: volume
 * @dir: directory
 * @name: the name, not terminated; neither "." nor ".."
 * @len: its length
 * @spot: gets the entry; the caller puts @spot->buf (lnkfs_bput())
 *
 * Return: 0, -ENOENT, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_find(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, const char *name, u32 len,
		   struct lnkfs_dir_spot *spot)
{
	struct lnkfs_dir_key key;

	set_key(fs, &key, name, len);
	return dir_find(fs, dir, &key, spot);
}

/**
 * lnkfs_dir_lookup() - find a name
 * @fs: volume
 * @dir: directory
 * @name: the name, not terminated; neither "." nor ".."
 * @len: its length
 * @out: gets inode number, type, position and length; its @name is NULL
 *
 * Return: 0, -ENOENT, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_lookup(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, const char *name,
		     u32 len, struct lnkfs_name *out)
{
	const struct lnkfs_dirent *de;
	struct lnkfs_dir_spot pl;
	int err;

	err = lnkfs_dir_find(fs, dir, name, len, &pl);
	if (err)
		return err;
	de = place_entry(&pl);
	out->ino = le64_to_cpu(de->d_ino);
	out->pos = lnkfs_dir_spot_pos(fs, &pl);
	out->type = de->d_type;
	out->len = de->d_name_len;
	out->name = NULL;
	lnkfs_bput(pl.buf);
	return 0;
}

/* Logical blocks up to the last mapped one below @below. */
static int blocks_below(const struct lnkfs_btree *ext, u64 below, u64 *blocks)
{
	struct lnkfs_extent x;
	u64 found;
	int err;

	*blocks = 0;
	if (!below)
		return 0;
	err = lnkfs_btree_lookup_le(ext, below - 1, &found, &x);
	if (err)
		return err == -ENOENT ? 0 : err;
	*blocks = min(below, found + le32_to_cpu(x.x_len));
	return 0;
}

/*
 * Unmap and free an empty block without a room key; without blocks, the
 * directory is inline again. On an error the block is still mapped.
 */
static int dir_unmap(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk)
{
	u64 blocks = dir->size >> fs->block_bits;
	struct lnkfs_btree bt;
	struct lnkfs_ext ext;
	int err;

	if (lblk + 1 == blocks) {
		dir_tree(fs, dir, LNKFS_TREE_EXTENT, &bt);
		err = blocks_below(&bt, lblk, &blocks);
		if (err)
			return err;
	}
	err = lnkfs_ext_remove(tx, fs, dir, lblk, lblk + 1, 1);
	/* It may be unmapped and not free: lost to this volume until it is checked. */
	if (err && (lnkfs_ext_lookup(fs, dir, lblk, &ext) || !(ext.flags & LNKFS_EXT_HOLE)))
		return err;
	dir->size = blocks << fs->block_bits;
	if (blocks)
		return 0;
	dir_tree(fs, dir, LNKFS_TREE_DIR, &bt);
	if (!lnkfs_dir_index_unused(&bt) || (dir->blocks && !dir->xattr_block))
		return dir_corrupt(fs, dir, NULL, "index keys or blocks without entries");
	lnkfs_dir_init(dir);
	return 0;
}

/*
 * A fresh directory block, all hole, not mapped yet. It has write access and the
 * caller dirties it.
 */
static int block_new(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk,
		     u64 goal, lnkfs_buf **out)
{
	struct lnkfs_dir_block *db;
	u64 block;
	u32 got;
	int err;

	err = lnkfs_balloc(tx, fs, goal, 1, 1, 0, &block, &got);
	if (err)
		return err;
	err = lnkfs_bnew(tx, fs, block, LNKFS_B_DIR, out);
	if (err) {
		lnkfs_bfree(tx, fs, block, 1);
		return err;
	}
	db = lnkfs_bdata(*out);
	lnkfs_header_init(fs, db, LNKFS_B_DIR, block, dir->ino, dir->gen);
	db->b_index = cpu_to_le32(lblk);
	db->b_hole = cpu_to_le16(run_len(fs));
	lnkfs_run_hole(db->b_entries, 0, run_len(fs));
	return 0;
}

/* Take back block_new(). */
static void block_drop(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf)
{
	u64 block = lnkfs_bblock(buf);

	lnkfs_bput(buf);
	if (!lnkfs_bforget(tx, fs, block))
		lnkfs_bfree(tx, fs, block, 1);
}

static int block_map(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk,
		     u64 block)
{
	struct lnkfs_ext ext = { .lblk = lblk, .block = block, .len = 1 };

	return lnkfs_ext_insert(tx, fs, dir, &ext);
}

static int inline_add(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const struct lnkfs_dir_key *key, u64 ino, u8 type, u64 *pos)
{
	u32 need = LNKFS_DIRENT_LEN(key->len);
	struct lnkfs_run_room room;
	int err;

	err = lnkfs_run_fit(dir->area, dir->fork_len, need, &room);
	if (err == -ENOSPC) {
		room.off = dir->fork_len;
		room.len = need;
		if (room.off + need > inline_room(fs, dir))
			return -ENOSPC;
		dir->fork_len += need;
		dir->size = dir->fork_len;
	} else if (err) {
		return dir_corrupt(fs, dir, NULL, "broken inline entries");
	}
	lnkfs_run_put(dir->area, room.off, room.len, key, ino, type);
	*pos = LNKFS_DIR_FIRST_POS + room.off;
	return 0;
}

/* Move the entries of an inline directory to block 0. */
static int dir_to_blocks(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	struct lnkfs_dir_fork *f = (struct lnkfs_dir_fork *)dir->area;
	u32 room = round_down(lnkfs_fork_room(dir), 8u);
	u32 len = dir->fork_len, ext_len, off, rec;
	struct lnkfs_dir_block *db;
	struct lnkfs_btree bt;
	lnkfs_buf *buf;
	int err;

	if (room < sizeof(*f) + EXT_ROOT_MIN + IDX_ROOT_MIN)
		return -ENOSPC;
	err = lnkfs_dir_check_entries(dir->area, len);
	if (err)
		return dir_corrupt(fs, dir, NULL, "broken inline entries");
	err = block_new(tx, fs, dir, 0, lnkfs_ino_block(fs, dir->ino) + 1, &buf);
	if (err)
		return err;
	db = lnkfs_bdata(buf);
	memcpy(db->b_entries, dir->area, len);
	lnkfs_run_hole(db->b_entries, len, run_len(fs) - len);
	for (off = 0; off < len; off += rec) {
		const struct lnkfs_dirent *de = lnkfs_run_entry(db->b_entries, len, off);

		rec = le16_to_cpu(de->d_rec_len);
		le16_add_cpu(&db->b_count, !!de->d_name_len);
	}
	lnkfs_run_largest(db->b_entries, run_len(fs), &rec);
	db->b_hole = cpu_to_le16(rec);
	lnkfs_bdirty(tx, fs, buf);

	/* About a third for the extents: they are few, and a tree if need be. */
	ext_len = sizeof(struct lnkfs_btree_root) +
		  max_t(u32, 2, (room - sizeof(*f)) * 3 / 10 / 24) * 24;
	memset(dir->area, 0, room);
	f->f_ext_len = cpu_to_le16(ext_len);
	f->f_idx_len = cpu_to_le16(room - sizeof(*f) - ext_len);
	dir->fork = LNKFS_FORK_DIR_BLOCKS;
	dir->fork_len = room;
	dir->size = fs->block_size;
	dir_tree(fs, dir, LNKFS_TREE_EXTENT, &bt);
	lnkfs_btree_init_root(&bt);
	dir_tree(fs, dir, LNKFS_TREE_DIR, &bt);
	lnkfs_btree_init_root(&bt);
	err = block_map(tx, fs, dir, 0, lnkfs_bblock(buf));
	if (!err) {
		lnkfs_bput(buf);
		return 0;
	}
	lnkfs_dir_init(dir);
	memcpy(dir->area, db->b_entries, len);
	dir->fork_len = len;
	dir->size = len;
	block_drop(tx, fs, buf);
	return err;
}

/* May the entries of a block change: has it a room key (b_room) only where there are any? */
static int check_room(struct lnkfs_fs *fs, const struct lnkfs_cinode *dir,
		      const struct lnkfs_btree *idx, lnkfs_buf *buf)
{
	const struct lnkfs_dir_block *db = lnkfs_bdata(buf);

	return idx || !db->b_room ? 0 :
	       dir_corrupt(fs, dir, buf, "a room key without an index");
}

/* Find the hole for a new entry, without a walk if it is known to be the only one. */
static int block_fit(const struct lnkfs_fs *fs, const struct lnkfs_cinode *dir,
		     struct lnkfs_dir_block *db, u32 need, struct lnkfs_run_room *room)
{
	const struct lnkfs_dirent *de;

	if (dir->fill_hole && dir->fill_lblk == le32_to_cpu(db->b_index)) {
		de = lnkfs_run_entry(db->b_entries, run_len(fs), dir->fill_hole);
		if (de && !de->d_name_len && de->d_rec_len == db->b_hole) {
			room->off = dir->fill_hole;
			room->len = le16_to_cpu(db->b_hole);
			room->rest = room->len - need;
			room->only = true;
			return room->len < need ? -ENOSPC : 0;
		}
	}
	return lnkfs_run_fit(db->b_entries, run_len(fs), need, room);
}

/*
 * Write an entry into a block that has room for it. The index is brought up to
 * date in an order that leaves a sound directory wherever it stops: a room key
 * that would promise too much goes first, then comes the name's key, then the
 * entry, then the new room key.
 */
static int block_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		     const struct lnkfs_btree *idx, lnkfs_buf *buf,
		     const struct lnkfs_dir_key *key, u64 ino, u8 type, u64 *pos)
{
	struct lnkfs_dir_block *db = lnkfs_bdata(buf);
	u64 lblk = le32_to_cpu(db->b_index);
	u32 need = LNKFS_DIRENT_LEN(key->len), old = db->b_room;
	struct lnkfs_run_room room;
	bool lower;
	int err;

	err = check_room(fs, dir, idx, buf);
	if (err)
		return err;
	err = block_fit(fs, dir, db, need, &room);
	if (err)
		return dir_corrupt(fs, dir, buf, "broken entries");
	*pos = (lblk << fs->block_bits) + LNKFS_DIR_FIRST_POS + room.off;
	lower = old > lnkfs_dir_room_class(room.rest);
	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_DIR);
	if (err)
		return err;
	if (idx && lower) {
		err = lnkfs_dir_index_del_room(tx, idx, old, lblk);
		if (err)
			goto out;
		db->b_room = 0;
	}
	if (idx) {
		err = lnkfs_dir_index_add_name(tx, idx, key->hash, *pos);
		if (err) {
			if (lower && !lnkfs_dir_index_add_room(tx, idx, old, lblk))
				db->b_room = old;
			goto out;
		}
	}
	lnkfs_run_put(db->b_entries, room.off, room.len, key, ino, type);
	db->b_hole = cpu_to_le16(room.rest);
	le16_add_cpu(&db->b_count, 1);
	dir->fill_hole = room.only && room.rest ? room.off + need : 0;
	dir->fill_last = room.off;
	dir->fill_lblk = lblk;
	if (idx)
		lnkfs_dir_index_set_room(tx, idx, db);
out:
	lnkfs_bdirty(tx, fs, buf);
	return err;
}

/*
 * Find a block with room: by the index where there is one, else the last
 * block. -ENOSPC with the last block in @out when it has none.
 */
static int find_room(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		     const struct lnkfs_btree *idx, u32 need, lnkfs_buf **out)
{
	struct lnkfs_dir_block *db;
	u32 class;
	u64 lblk;
	int err;

	*out = NULL;
	if (idx) {
		err = lnkfs_dir_index_room(idx, need, &class, &lblk);
		if (err && err != -ENOENT)
			return err;
		if (!err) {
			err = dir_bread(fs, dir, lblk, out);
			if (err)
				return err;
			db = lnkfs_bdata(*out);
			if (db->b_room == class && le16_to_cpu(db->b_hole) >= need)
				return 0;
			err = dir_corrupt(fs, dir, *out, "a room key promises too much");
			lnkfs_bput(*out);
			return err;
		}
	}
	err = dir_bread(fs, dir, (dir->size >> fs->block_bits) - 1, out);
	if (err)
		return err;
	db = lnkfs_bdata(*out);
	return le16_to_cpu(db->b_hole) >= need ? 0 : -ENOSPC;
}

/* The logical block for the next block: behind the last, else in a hole. */
static int next_lblk(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 *lblk)
{
	u64 max = LNKFS_DIR_MAX_BLOCKS(fs->block_bits);
	struct lnkfs_ext ext;
	int err;

	*lblk = dir->size >> fs->block_bits;
	if (*lblk < max)
		return 0;
	for (*lblk = 0; *lblk < max; *lblk = ext.lblk + ext.len) {
		err = lnkfs_ext_lookup(fs, dir, *lblk, &ext);
		if (err || ext.flags & LNKFS_EXT_HOLE)
			return err;
	}
	return -ENOSPC;
}

/* Put an entry into a new block. */
static int append_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const struct lnkfs_btree *idx, u64 goal,
		      const struct lnkfs_dir_key *key, u64 ino, u8 type, u64 *pos)
{
	lnkfs_buf *buf;
	u64 lblk;
	int err;

	err = next_lblk(fs, dir, &lblk);
	if (err)
		return err;
	err = block_new(tx, fs, dir, lblk, goal, &buf);
	if (err)
		return err;
	lnkfs_bdirty(tx, fs, buf);
	err = block_map(tx, fs, dir, lblk, lnkfs_bblock(buf));
	if (err) {
		block_drop(tx, fs, buf);
		/* Not to be taken for a name that exists. */
		return err == -EEXIST ? dir_corrupt(fs, dir, NULL, "blocks beyond the end") : err;
	}
	dir->size = max(dir->size, (lblk + 1) << fs->block_bits);
	err = block_add(tx, fs, dir, idx, buf, key, ino, type, pos);
	lnkfs_bput(buf);
	if (err)
		dir_unmap(tx, fs, dir, lblk);
	return err;
}

/* Index what is in block 0, the only one, before a second one comes. */
static int start_index(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_btree *idx,
		       lnkfs_buf *buf)
{
	int err;

	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_DIR);
	if (err)
		return err;
	err = lnkfs_dir_index_fill(tx, idx, lnkfs_bdata(buf));
	lnkfs_bdirty(tx, fs, buf);
	return err;
}

static int blocks_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const struct lnkfs_dir_key *key, u64 ino, u8 type, u64 *pos)
{
	const struct lnkfs_btree *use;
	struct lnkfs_btree idx;
	lnkfs_buf *buf;
	u64 goal;
	int err;

	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	use = dir_indexed(&idx) ? &idx : NULL;
	err = find_room(fs, dir, use, LNKFS_DIRENT_LEN(key->len), &buf);
	if (!err) {
		err = block_add(tx, fs, dir, use, buf, key, ino, type, pos);
		lnkfs_bput(buf);
		return err;
	}
	if (err != -ENOSPC)
		return err;
	goal = lnkfs_bblock(buf) + 1;
	err = use ? 0 : start_index(tx, fs, &idx, buf);
	lnkfs_bput(buf);
	if (err)
		return err;
	return append_add(tx, fs, dir, &idx, goal, key, ino, type, pos);
}

/**
 * lnkfs_dir_add() - add a name
 * @tx: transaction with lnkfs_dir_add_credits()
 * @fs: volume
 * @dir: directory
 * @name: the name, which the directory has not yet (not checked); neither "."
 *	nor "..", without NUL and slash
 * @len: its length
 * @ino: inode number
 * @type: DT_*
 * @pos: gets the entry's position
 *
 * Return: 0; -EINVAL for an impossible length; -ENOSPC when the volume or the
 * directory's position space is full; -EDQUOT; -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED,
 * -EFSBADCRC. No name has changed on an error.
 */
int lnkfs_dir_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		  const char *name, u32 len, u64 ino, u8 type, u64 *pos)
{
	struct lnkfs_dir_key key;
	int err;

	if (!len || len > LNKFS_NAME_LEN)
		return -EINVAL;
	err = dir_shape(fs, dir);
	if (err)
		return err;
	set_key(fs, &key, name, len);
	if (dir->fork == LNKFS_FORK_DIR_INLINE) {
		err = inline_add(fs, dir, &key, ino, type, pos);
		if (err != -ENOSPC)
			return err;
		err = dir_to_blocks(tx, fs, dir);
		if (err)
			return err;
	}
	return blocks_add(tx, fs, dir, &key, ino, type, pos);
}

static int inline_remove(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u32 off)
{
	u32 hole, len;

	if (lnkfs_run_drop(dir->area, dir->fork_len, off, 0, &hole, &len))
		return dir_corrupt(fs, dir, NULL, "broken inline entries");
	if (hole + len < dir->fork_len)
		return 0;
	memset(dir->area + hole, 0, len);
	dir->fork_len = hole;
	dir->size = hole;
	return 0;
}

/*
 * Remove an entry from a block. The only thing that may fail is the deletion
 * of the name's key, and it comes first: what follows either succeeds or
 * leaves a trace that does no harm. *empty says that the block can go.
 */
static int block_remove(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
			const struct lnkfs_btree *idx, const struct lnkfs_dir_spot *pl, bool *empty)
{
	struct lnkfs_dir_block *db = lnkfs_bdata(pl->buf);
	u64 pos = lnkfs_dir_spot_pos(fs, pl);
	u32 from = 0, hole, len;
	int err;

	err = check_room(fs, dir, idx, pl->buf);
	if (!err)
		err = lnkfs_baccess(tx, fs, pl->buf, LNKFS_B_DIR);
	if (err)
		return err;
	if (idx) {
		err = lnkfs_dir_index_del_name(tx, idx,
					       le32_to_cpu(place_entry(pl)->d_hash), pos);
		if (err)
			goto out;
	}
	/* Of the entry that was added last it is known where it begins, and what is before. */
	if (dir->fill_hole && dir->fill_lblk == pl->lblk && dir->fill_last == pl->off)
		from = pl->off;
	err = lnkfs_run_drop(pl->run, pl->len, pl->off, from, &hole, &len);
	if (err) {
		err = dir_corrupt(fs, dir, pl->buf, "broken entries");
		goto out;
	}
	if (dir->fill_hole && dir->fill_lblk == pl->lblk) {
		dir->fill_hole = from ? hole : 0;
		dir->fill_last = 0;
	}
	db->b_hole = cpu_to_le16(max_t(u32, le16_to_cpu(db->b_hole), len));
	le16_add_cpu(&db->b_count, -1);
	*empty = !db->b_count;
	if (idx && !*empty) {
		lnkfs_dir_index_set_room(tx, idx, db);
	} else if (db->b_room) {
		if (lnkfs_dir_index_del_room(tx, idx, db->b_room, pl->lblk))
			*empty = false;
		else
			db->b_room = 0;
	}
out:
	lnkfs_bdirty(tx, fs, pl->buf);
	return err;
}

/* Let an empty block that is still mapped be found by the next addition. */
static void block_offer(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 lblk)
{
	struct lnkfs_btree idx;
	lnkfs_buf *buf;

	if (dir_shape(fs, dir) || dir_bread(fs, dir, lblk, &buf))
		return;
	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	if (dir_indexed(&idx) && !lnkfs_baccess(tx, fs, buf, LNKFS_B_DIR)) {
		lnkfs_dir_index_set_room(tx, &idx, lnkfs_bdata(buf));
		lnkfs_bdirty(tx, fs, buf);
	}
	lnkfs_bput(buf);
}

/**
 * lnkfs_dir_remove_at() - remove an entry that has been found
 * @tx: transaction with lnkfs_dir_remove_credits()
 * @fs: volume
 * @dir: directory
 * @spot: from lnkfs_dir_find(); its buffer is put here, since the block may go, and
 *	@spot->buf set to NULL
 *
 * Return: as lnkfs_dir_remove().
 */
int lnkfs_dir_remove_at(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
			struct lnkfs_dir_spot *spot)
{
	struct lnkfs_btree idx;
	bool empty = false;
	int err;

	if (!spot->buf)
		return inline_remove(fs, dir, spot->off);
	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	err = block_remove(tx, fs, dir, dir_indexed(&idx) ? &idx : NULL, spot, &empty);
	lnkfs_bput(spot->buf);
	spot->buf = NULL;
	/* A block that cannot be unmapped just now stays, empty. */
	if (!err && empty && dir_unmap(tx, fs, dir, spot->lblk))
		block_offer(tx, fs, dir, spot->lblk);
	return err;
}

/**
 * lnkfs_dir_remove() - remove a name
 * @tx: transaction with lnkfs_dir_remove_credits()
 * @fs: volume
 * @dir: directory
 * @name: the name
 * @len: its length
 *
 * Never needs free space: where the index would, it does without.
 *
 * Return: 0, -ENOENT, -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC. No
 * name has changed on an error.
 */
int lnkfs_dir_remove(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		     const char *name, u32 len)
{
	struct lnkfs_dir_spot spot;
	int err;

	err = lnkfs_dir_find(fs, dir, name, len, &spot);
	if (err)
		return err;
	return lnkfs_dir_remove_at(tx, fs, dir, &spot);
}

/**
 * lnkfs_dir_replace_at() - let an entry that has been found mean another inode
 * @tx: transaction with one credit
 * @fs: volume
 * @spot: from lnkfs_dir_find(); the caller puts its buffer
 * @ino: the inode number it gets
 * @type: the DT_* it gets
 *
 * Return: as lnkfs_dir_replace().
 */
int lnkfs_dir_replace_at(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_dir_spot *spot,
			 u64 ino, u8 type)
{
	struct lnkfs_dirent *de;
	int err;

	err = spot->buf ? lnkfs_baccess(tx, fs, spot->buf, LNKFS_B_DIR) : 0;
	if (err)
		return err;
	de = place_entry(spot);
	de->d_ino = cpu_to_le64(ino);
	de->d_type = type;
	if (spot->buf)
		lnkfs_bdirty(tx, fs, spot->buf);
	return 0;
}

/**
 * lnkfs_dir_replace() - let a name mean another inode
 * @tx: transaction with one credit
 * @fs: volume
 * @dir: directory
 * @name: the name
 * @len: its length
 * @ino: the inode number it gets
 * @type: the DT_* it gets
 *
 * The entry keeps its position.
 *
 * Return: 0, -ENOENT, -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_replace(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const char *name, u32 len, u64 ino, u8 type)
{
	struct lnkfs_dir_spot spot;
	int err;

	err = lnkfs_dir_find(fs, dir, name, len, &spot);
	if (err)
		return err;
	err = lnkfs_dir_replace_at(tx, fs, &spot, ino, type);
	lnkfs_bput(spot.buf);
	return err;
}

/* Copy the name out of an entry, if it is one of @ino. */
static int entry_name(const struct lnkfs_dirent *de, u64 ino, char *name, u32 *len)
{
	if (!de->d_name_len || le64_to_cpu(de->d_ino) != ino)
		return -ENOENT;
	*len = de->d_name_len;
	memcpy(name, de->d_name, *len);
	return 0;
}

/* Is there an entry of the run that begins at @off? Entries before it lead there. */
static struct lnkfs_dirent *run_entry_at(void *run, u32 len, u32 off)
{
	struct lnkfs_dirent *de;
	u32 at;

	for (at = 0; at <= off; at += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(run, len, at);
		if (!de || at == off)
			return de;
	}
	return NULL;
}

/**
 * lnkfs_dir_name_at() - what a back reference says: the name at a position
 * @fs: volume
 * @dir: directory
 * @pos: position, from wherever
 * @ino: inode that the entry has to name
 * @name: gets the name, LNKFS_NAME_LEN bytes at most, not terminated
 * @len: gets its length
 *
 * Return: 0; -ENOENT when no entry of @ino begins there; -EIO, -ENOMEM,
 * -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_name_at(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 pos, u64 ino,
		      char *name, u32 *len)
{
	u64 lblk = pos >> fs->block_bits;
	u32 off = (u32)(pos & (fs->block_size - 1));
	struct lnkfs_dirent *de;
	struct lnkfs_ext ext;
	lnkfs_buf *buf;
	int err;

	err = dir_shape(fs, dir);
	if (err)
		return err;
	if (off < LNKFS_DIR_FIRST_POS || pos >= lnkfs_dir_end(fs, dir))
		return -ENOENT;
	off -= LNKFS_DIR_FIRST_POS;
	if (dir->fork == LNKFS_FORK_DIR_INLINE) {
		de = lblk ? NULL : run_entry_at(dir->area, dir->fork_len, off);
		return de ? entry_name(de, ino, name, len) : -ENOENT;
	}
	err = lnkfs_ext_lookup(fs, dir, lblk, &ext);
	if (err)
		return err;
	if (ext.flags & LNKFS_EXT_HOLE)
		return -ENOENT;
	err = dir_bread_at(fs, dir, lblk, ext.block + (lblk - ext.lblk), &buf);
	if (err)
		return err;
	de = run_entry_at(buf_run(buf), run_len(fs), off);
	err = de ? entry_name(de, ino, name, len) : -ENOENT;
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_dir_end() - end of the positions in use
 * @fs: volume
 * @dir: directory
 *
 * Return: the position behind the last entry there can be now.
 */
u64 lnkfs_dir_end(const struct lnkfs_fs *fs, const struct lnkfs_cinode *dir)
{
	if (dir->fork == LNKFS_FORK_DIR_INLINE)
		return LNKFS_DIR_FIRST_POS + dir->fork_len;
	return round_up(dir->size, fs->block_size);
}

/* Entries of one run, which starts at position @base; 1: the actor stopped. */
static int run_iterate(void *run, u32 len, u64 base, u64 *pos, u64 end,
		       lnkfs_dir_actor actor, void *ctx)
{
	struct lnkfs_dirent *de;
	struct lnkfs_name name;
	u32 off;

	for (off = 0; off < len && base + off < end; off += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(run, len, off);
		if (!de)
			return -EFSCORRUPTED;
		if (!de->d_name_len || base + off < *pos)
			continue;
		name.ino = le64_to_cpu(de->d_ino);
		name.pos = base + off;
		name.type = de->d_type;
		name.len = de->d_name_len;
		name.name = (const char *)de->d_name;
		*pos = name.pos;
		if (actor(ctx, &name))
			return 1;
		*pos = name.pos + 8;
	}
	return 0;
}

/* A block of an extent is going to be read: begin to read it and those that follow. */
static void dir_ahead(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const struct lnkfs_ext *ext, u64 lblk)
{
	u32 window = LNKFS_AHEAD_BYTES >> fs->block_bits;
	u32 gap = LNKFS_AHEAD_GAP >> fs->block_bits;
	u64 from = ext->block + (lblk - ext->lblk);
	struct lnkfs_ext next = *ext;
	u64 to;

	if (lnkfs_bthere(fs, from))
		return;
	do {
		to = min(next.block + next.len, from + window);
	} while (to < from + window &&
		 !lnkfs_ext_lookup_nowait(fs, dir, next.lblk + next.len, &next) &&
		 !next.flags && next.block >= to && next.block - to <= gap);
	lnkfs_bahead(fs, from, to - from);
}

/* The blocks of one extent, from @lblk on. */
static int ext_iterate(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		       const struct lnkfs_ext *ext, u64 lblk, u64 *pos,
		       u64 end, lnkfs_dir_actor actor, void *ctx)
{
	lnkfs_buf *buf;
	u64 base;
	int err;

	for (; lblk < ext->lblk + ext->len; lblk++) {
		base = (lblk << fs->block_bits) + LNKFS_DIR_FIRST_POS;
		if (base >= end)
			break;
		dir_ahead(fs, dir, ext, lblk);
		err = dir_bread_at(fs, dir, lblk, ext->block + (lblk - ext->lblk), &buf);
		if (err)
			return err;
		err = run_iterate(buf_run(buf), run_len(fs), base, pos, end, actor, ctx);
		if (err == -EFSCORRUPTED)
			dir_corrupt(fs, dir, buf, "broken entries");
		lnkfs_bput(buf);
		if (err)
			return err;
	}
	return 0;
}

/**
 * lnkfs_dir_iterate() - list names in the order of their positions
 * @fs: volume
 * @dir: directory
 * @pos: where to start: any number, also one where no entry starts; gets where
 *	to go on
 * @end: where to stop: lnkfs_dir_end(), as it was when the listing began
 * @actor: called for each entry; it may sleep and fault, the core holds no lock
 * @ctx: its argument
 *
 * Names that are there throughout a listing are given exactly once. When the
 * actor returns non-zero, *@pos is the position of its entry.
 *
 * Return: 0 at the end and when the actor stopped, -EIO, -ENOMEM,
 * -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_iterate(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 *pos, u64 end,
		      lnkfs_dir_actor actor, void *ctx)
{
	struct lnkfs_ext ext;
	u64 lblk, blocks, stop;
	int err;

	err = dir_shape(fs, dir);
	if (err)
		return err;
	*pos = max_t(u64, *pos, LNKFS_DIR_FIRST_POS);
	if (dir->fork == LNKFS_FORK_DIR_INLINE) {
		err = run_iterate(dir->area, dir->fork_len, LNKFS_DIR_FIRST_POS, pos, end,
				  actor, ctx);
		if (err == -EFSCORRUPTED)
			dir_corrupt(fs, dir, NULL, "broken inline entries");
		goto out;
	}
	stop = min(end, dir->size);
	blocks = (stop + fs->block_size - 1) >> fs->block_bits;
	for (lblk = *pos >> fs->block_bits; lblk < blocks; lblk = ext.lblk + ext.len) {
		err = lnkfs_ext_lookup(fs, dir, lblk, &ext);
		if (!err && !(ext.flags & LNKFS_EXT_HOLE))
			err = ext_iterate(fs, dir, &ext, lblk, pos, stop, actor, ctx);
		if (err)
			goto out;
	}
out:
	if (err)
		return min(err, 0);
	*pos = max(*pos, end);
	return 0;
}

static int stop_at_first(void *ctx, const struct lnkfs_name *name)
{
	*(u64 *)ctx = name->pos;
	return 1;
}

/**
 * lnkfs_dir_is_empty() - has the directory no name?
 * @fs: volume
 * @dir: directory
 *
 * Return: 1: it is empty, 0: it is not; -EIO, -ENOMEM, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_dir_is_empty(struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	u64 pos = 0, found = 0;
	int err;

	err = lnkfs_dir_iterate(fs, dir, &pos, lnkfs_dir_end(fs, dir), stop_at_first, &found);
	return err ? err : !found;
}

/**
 * lnkfs_dir_trim() - free a block of a directory without names
 * @tx: transaction with lnkfs_dir_remove_credits()
 * @fs: volume
 * @dir: directory
 *
 * An empty directory is inline, as a rule, and there is nothing to do. It has
 * blocks left when freeing them failed. To be called, a transaction each, until
 * it returns 0, before the inode goes.
 *
 * Return: 1 when there is more to do, 0 when the directory is inline;
 * -ENOTEMPTY, -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_dir_trim(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	struct lnkfs_dir_block *db;
	struct lnkfs_btree idx;
	lnkfs_buf *buf;
	u64 lblk;
	int err;

	err = dir_shape(fs, dir);
	if (err)
		return err;
	if (dir->fork == LNKFS_FORK_DIR_INLINE)
		return dir->fork_len ? -ENOTEMPTY : 0;
	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	lblk = (dir->size >> fs->block_bits) - 1;
	err = dir_bread(fs, dir, lblk, &buf);
	if (err)
		return err;
	db = lnkfs_bdata(buf);
	if (db->b_count) {
		err = -ENOTEMPTY;
	} else if (db->b_room) {
		err = lnkfs_baccess(tx, fs, buf, LNKFS_B_DIR);
		if (!err) {
			err = lnkfs_dir_index_del_room(tx, &idx, db->b_room, lblk);
			if (!err)
				db->b_room = 0;
			lnkfs_bdirty(tx, fs, buf);
		}
	}
	lnkfs_bput(buf);
	if (!err)
		err = dir_unmap(tx, fs, dir, lblk);
	return err ? err : dir->fork != LNKFS_FORK_DIR_INLINE;
}

/* Level of the index, 0 when there is none yet. */
static u32 index_level(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, bool *indexed)
{
	struct lnkfs_btree idx;

	*indexed = false;
	if (dir->fork != LNKFS_FORK_DIR_BLOCKS)
		return 0;
	dir_tree(fs, dir, LNKFS_TREE_DIR, &idx);
	*indexed = dir_indexed(&idx);
	return lnkfs_btree_level(&idx);
}

/**
 * lnkfs_dir_add_credits() - blocks that lnkfs_dir_add() may touch
 * @fs: volume
 * @dir: directory, as it will be when the transaction uses it
 *
 * The inode record is not counted.
 */
u32 lnkfs_dir_add_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	u32 credits = 1 + LNKFS_CREDITS_ALLOC + 1;	/* the last block, and a new one */
	bool indexed;
	u32 level;

	level = index_level(fs, dir, &indexed);
	if (!indexed) {
		/*
		 * Block 0 may come (its extent fits in the root), and all of its
		 * names go into the index, which then has the root and at most
		 * one level below: fewer keys than half of what a node takes.
		 */
		if (dir->fork == LNKFS_FORK_DIR_INLINE)
			credits += LNKFS_CREDITS_ALLOC;
		credits += lnkfs_btree_insert_credits(0);
		level = 1;
	}
	if (dir->fork == LNKFS_FORK_DIR_BLOCKS)
		credits += lnkfs_ext_insert_credits(fs, dir);
	/* the name's key; the room key, old and new */
	return credits + lnkfs_btree_insert_credits(level) +
	       lnkfs_btree_delete_credits(level) + lnkfs_btree_insert_credits(level + 1);
}

/**
 * lnkfs_dir_remove_credits() - blocks that lnkfs_dir_remove() may touch
 * @fs: volume
 * @dir: directory, as it will be when the transaction uses it
 *
 * The inode record is not counted.
 */
u32 lnkfs_dir_remove_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	bool indexed;
	u32 credits, level;

	if (dir->fork != LNKFS_FORK_DIR_BLOCKS)
		return 0;
	level = index_level(fs, dir, &indexed);
	credits = 1 + lnkfs_ext_remove_credits(fs, dir, 1);
	if (indexed)
		credits += 2 * lnkfs_btree_delete_credits(level + 1) +
			   lnkfs_btree_insert_credits(level);
	return credits;
}

/**
 * lnkfs_dir_revokes() - blocks that one call may free
 * @fs: volume
 * @dir: directory, as it will be when the transaction uses it
 *
 * An addition frees blocks, too, when it fails half-way.
 */
u32 lnkfs_dir_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *dir)
{
	bool indexed;
	u32 level = index_level(fs, dir, &indexed) + 1;

	return 2 + lnkfs_ext_revokes(fs, dir, 1) + 3 * lnkfs_btree_revokes(level);
}
