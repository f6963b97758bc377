/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What dir.c, dirblock.c and dirindex.c share; nobody else needs it.
 *
 * A run is a chain of directory entries without gaps: the fork of an inline
 * directory, or all of a directory block behind its head. Offsets are bytes
 * in the run. Runs are 8-byte aligned in memory.
 */
#ifndef LNKFS_DIR_H
#define LNKFS_DIR_H

#include "core.h"

/**
 * struct lnkfs_dir_key - a name and its hash
 * @name: not terminated
 * @len: 1..LNKFS_NAME_LEN
 * @hash: lnkfs_dir_hash() of it
 */
struct lnkfs_dir_key {
	const char *name;
	u32 len;
	u32 hash;
};

/**
 * lnkfs_run_entry() - entry at an offset, safe against any content
 * @run: the run
 * @len: its length
 * @off: offset
 *
 * Return: the entry, whose length and name lie within the run, or NULL.
 */
static inline struct lnkfs_dirent *lnkfs_run_entry(void *run, u32 len, u32 off)
{
	struct lnkfs_dirent *de = (struct lnkfs_dirent *)((u8 *)run + off);
	u32 rec;

	if (off >= len || len - off < 8 || off % 8)
		return NULL;
	rec = le16_to_cpu(de->d_rec_len);
	if (rec < 8 || rec % 8 || rec > len - off)
		return NULL;
	if (de->d_name_len && LNKFS_DIRENT_LEN(de->d_name_len) > rec)
		return NULL;
	return de;
}

/**
 * struct lnkfs_run_room - a hole for a new entry
 * @off: offset of the hole
 * @len: its length
 * @rest: length of the largest hole there will be once the entry is in
 * @only: no other hole is there
 */
struct lnkfs_run_room {
	u32 off;
	u32 len;
	u32 rest;
	bool only;
};

int lnkfs_run_find(void *run, u32 len, const struct lnkfs_dir_key *key, u32 *off);
bool lnkfs_run_match(const struct lnkfs_dirent *de, const struct lnkfs_dir_key *key);
int lnkfs_run_fit(void *run, u32 len, u32 need, struct lnkfs_run_room *room);
int lnkfs_run_largest(void *run, u32 len, u32 *hole);
void lnkfs_run_put(void *run, u32 off, u32 hole, const struct lnkfs_dir_key *key,
		   u64 ino, u8 type);
void lnkfs_run_hole(void *run, u32 off, u32 len);
int lnkfs_run_drop(void *run, u32 len, u32 off, u32 from, u32 *hole, u32 *hole_len);

/* ---- dirindex.c ---- */

u32 lnkfs_dir_room_class(u32 hole);
int lnkfs_dir_index_next(const struct lnkfs_btree *idx, u32 hash, u64 *from, u64 *pos);
int lnkfs_dir_index_room(const struct lnkfs_btree *idx, u32 need, u32 *class, u64 *lblk);
int lnkfs_dir_index_add_name(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 hash, u64 pos);
int lnkfs_dir_index_del_name(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 hash, u64 pos);
int lnkfs_dir_index_add_room(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 class,
			     u64 lblk);
int lnkfs_dir_index_del_room(lnkfs_tx *tx, const struct lnkfs_btree *idx, u32 class,
			     u64 lblk);
void lnkfs_dir_index_set_room(lnkfs_tx *tx, const struct lnkfs_btree *idx,
			      struct lnkfs_dir_block *db);
int lnkfs_dir_index_fill(lnkfs_tx *tx, const struct lnkfs_btree *idx,
			 struct lnkfs_dir_block *db);
bool lnkfs_dir_index_unused(const struct lnkfs_btree *idx);

#endif /* LNKFS_DIR_H */
