// SPDX-License-Identifier: GPL-2.0
/*
 * Directories: the ordered set of keys that finds names and room.
 *
 * A name key leads from a hash to a position, a room key from a class of hole
 * sizes to a block. Both kinds live in one B+tree without values; room keys
 * have the top bit set and so stand behind all names.
 *
 * What may fail and what may not: a name must have its key, so failing to
 * write one fails the operation. A room key is only a hint where to look. A
 * block says which one it has (b_room), and may have a lower one than it
 * could, or none, so failing to write one harms nothing. Therefore an old
 * room key that would promise too much is deleted before the room is taken,
 * and a better one is inserted after room was given back.
 */
#include "dir.h"

static const u16 room_sizes[] = LNKFS_DIR_ROOM_SIZES;

static u64 name_key(u32 hash, u64 pos)
{
	return (u64)hash << 32 | pos >> 3;
}

static u64 room_key(u32 class, u64 lblk)
{
	return LNKFS_DIR_ROOM_KEY | (u64)class << 32 | lblk;
}

/**
 * lnkfs_dir_room_class() - class of a hole
 * @hole: its length, bytes
 *
 * Return: 0 when no entry fits, up to the number of classes.
 */
u32 lnkfs_dir_room_class(u32 hole)
{
	u32 class = ARRAY_SIZE(room_sizes);

	while (class && room_sizes[class - 1] > hole)
		class--;
	return class;
}

static int index_report(const struct lnkfs_btree *idx, u64 key, const char *what)
{
	return lnkfs_report(idx->fs, -EFSCORRUPTED, idx->ci->ino, 0,
			    "directory index: key %llx %s", (unsigned long long)key, what);
}

static int index_insert(lnkfs_tx *tx, const struct lnkfs_btree *idx, u64 key)
{
	int err = lnkfs_btree_insert(tx, idx, key, NULL);

	return err == -EEXIST ? index_report(idx, key, "exists already") : err;
}

static int index_delete(lnkfs_tx *tx, const struct lnkfs_btree *idx, u64 key)
{
	int err = lnkfs_btree_delete(tx, idx, key);

	return err == -ENOENT ? index_report(idx, key, "is missing") : err;
}

/**
 * lnkfs_dir_index_unused() - is there no key in the index?
 * @idx: the index
 */
bool lnkfs_dir_index_unused(const struct lnkfs_btree *idx)
{
	const struct lnkfs_btree_root *root = idx->root;

	return !root->bt_level && !root->bt_count;
}

/**
 * lnkfs_dir_index_next() - step through the positions of one hash
 * @idx: the index
 * @hash: the hash
 * @from: 0 at first; moved on by each call
 * @pos: gets a position, a multiple of 8
 *
 * Return: 0, -ENOENT when there is no more, or what the tree says.
 */
int lnkfs_dir_index_next(const struct lnkfs_btree *idx, u32 hash, u64 *from, u64 *pos)
{
	u64 key = *from ? *from : (u64)hash << 32;
	u64 found;
	int err;

	err = lnkfs_btree_lookup_ge(idx, key, &found, NULL);
	if (err)
		return err;
	if (found < key)
		return index_report(idx, found, "is out of order");
	if (found >> 32 != hash)
		return -ENOENT;
	*pos = (found & 0xffffffff) << 3;
	*from = found + 1;
	return 0;
}

/**
 * lnkfs_dir_index_room() - find a block with room for an entry
 * @idx: the index
 * @need: bytes wanted
 * @class: gets the class of the key found
 * @lblk: gets the logical block
 *
 * Only blocks whose class guarantees the room are found, the fullest first.
 *
 * Return: 0, -ENOENT when there is none, or what the tree says.
 */
int lnkfs_dir_index_room(const struct lnkfs_btree *idx, u32 need, u32 *class, u64 *lblk)
{
	u32 i = 0;
	u64 found;
	int err;

	while (i < ARRAY_SIZE(room_sizes) && room_sizes[i] < need)
		i++;
	err = lnkfs_btree_lookup_ge(idx, room_key(i + 1, 0), &found, NULL);
	if (err)
		return err;
	*class = (found & ~LNKFS_DIR_ROOM_KEY) >> 32;
	*lblk = found & 0xffffffff;
	if (found < room_key(i + 1, 0) || *class > ARRAY_SIZE(room_sizes))
		return index_report(idx, found, "is no room key");
	return 0;
}

/**
 * lnkfs_dir_index_add_name() - insert a name key
 * @tx: transaction
 * @idx: the index
 * @hash: hash of the name
 * @pos: position of its entry
 *
 * Return: 0, or a negative error number with nothing changed.
 */
int lnkfs_dir_index_add_name(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 hash, u64 pos)
{
	return index_insert(tx, idx, name_key(hash, pos));
}

/**
 * lnkfs_dir_index_del_name() - delete a name key
 * @tx: transaction
 * @idx: the index
 * @hash: hash of the name
 * @pos: position of its entry
 *
 * Return: 0, or a negative error number with nothing changed.
 */
int lnkfs_dir_index_del_name(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 hash, u64 pos)
{
	return index_delete(tx, idx, name_key(hash, pos));
}

/**
 * lnkfs_dir_index_add_room() - insert a room key
 * @tx: transaction
 * @idx: the index
 * @class: room class, not 0
 * @lblk: logical block
 *
 * Return: 0, or a negative error number with nothing changed.
 */
int lnkfs_dir_index_add_room(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 class,
			     u64 lblk)
{
	return index_insert(tx, idx, room_key(class, lblk));
}

/**
 * lnkfs_dir_index_del_room() - delete a room key
 * @tx: transaction
 * @idx: the index
 * @class: room class, not 0
 * @lblk: logical block
 *
 * Return: 0, or a negative error number with nothing changed.
 */
int lnkfs_dir_index_del_room(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 class,
			     u64 lblk)
{
	return index_delete(tx, idx, room_key(class, lblk));
}

/**
 * lnkfs_dir_index_set_room() - give a block the room key it deserves
 * @tx: transaction; the block has write access in it
 * @idx: the index
 * @db: the block, with b_hole up to date and b_room not above its class
 *
 * Cannot fail: where the tree refuses, the block keeps the key it has.
 */
void lnkfs_dir_index_set_room(lnkfs_tx *tx, const struct lnkfs_btree *idx,
			      struct lnkfs_dir_block *db)
{
	u32 class = lnkfs_dir_room_class(le16_to_cpu(db->b_hole));
	u64 lblk = le32_to_cpu(db->b_index);

	if (class == db->b_room || lnkfs_dir_index_add_room(tx, idx, class, lblk))
		return;
	if (db->b_room && lnkfs_dir_index_del_room(tx, idx, db->b_room, lblk)) {
		if (lnkfs_dir_index_del_room(tx, idx, class, lblk))
			index_report(idx, room_key(class, lblk), "cannot be taken back");
		return;
	}
	db->b_room = class;
}

/* Delete the name keys of the entries in front of an offset. */
static void index_unfill(lnkfs_tx *tx, const struct lnkfs_btree *idx,
			 struct lnkfs_dir_block *db, u32 end)
{
	u32 len = idx->fs->block_size - sizeof(*db);
	struct lnkfs_dirent *de;
	u32 off;

	for (off = 0; off < end; off += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(db->b_entries, len, off);
		if (!de)
			return;
		if (de->d_name_len &&
		    lnkfs_dir_index_del_name(tx, idx, le32_to_cpu(de->d_hash),
					     LNKFS_DIR_FIRST_POS + off)) {
			index_report(idx, 0, "cannot be taken back");
			return;
		}
	}
}

/**
 * lnkfs_dir_index_fill() - start the index with the entries of block 0
 * @tx: transaction; the block has write access in it
 * @idx: the index, empty
 * @db: block 0
 *
 * Return: 0, or a negative error number with the index empty again.
 */
int lnkfs_dir_index_fill(lnkfs_tx *tx, const struct lnkfs_btree *idx,
			 struct lnkfs_dir_block *db)
{
	u32 len = idx->fs->block_size - sizeof(*db);
	struct lnkfs_dirent *de;
	u32 off;
	int err;

	for (off = 0; off < len; off += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(db->b_entries, len, off);
		if (!de) {
			err = -EFSCORRUPTED;
			goto undo;
		}
		if (!de->d_name_len)
			continue;
		err = lnkfs_dir_index_add_name(tx, idx, le32_to_cpu(de->d_hash),
					       LNKFS_DIR_FIRST_POS + off);
		if (err)
			goto undo;
	}
	lnkfs_dir_index_set_room(tx, idx, db);
	return 0;
undo:
	index_unfill(tx, idx, db, off);
	return err;
}
