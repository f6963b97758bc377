// SPDX-License-Identifier: GPL-2.0
/*
 * Directories: one run of entries.
 *
 * The functions here know neither blocks nor inodes: the same code works on
 * the fork of an inline directory and on a directory block. Entries never
 * move; one that is removed becomes part of a hole, and holes are merged.
 */
#include "dir.h"

/* DT_WHT, the highest of the DT_* values */
#define LNKFS_DT_MAX	14

/* What follows the 8 meaningful bytes of a hole is zero. */
static bool hole_clean(const struct lnkfs_dirent *de, u32 rec)
{
	return !de->d_type && !de->d_hash && !memchr_inv((const u8 *)de + 8, 0, rec - 8);
}

/* Name without NUL and slash, neither "." nor "..", zeroes behind it. */
static bool name_clean(const struct lnkfs_dirent *de, u32 rec)
{
	u32 len = de->d_name_len, i;

	for (i = 0; i < len; i++)
		if (!de->d_name[i] || de->d_name[i] == '/')
			return false;
	if (de->d_name[0] == '.' && (len == 1 || (len == 2 && de->d_name[1] == '.')))
		return false;
	return !memchr_inv(de->d_name + len, 0, rec - 16 - len);
}

/* Walk a run strictly; counts live entries and measures the largest hole. */
static int run_check(const void *entries, u32 len, u32 *count, u32 *hole)
{
	void *run = (void *)entries;
	bool after_hole = false;
	u32 off, rec;

	*count = 0;
	*hole = 0;
	if (len % 8)
		return -EFSCORRUPTED;
	for (off = 0; off < len; off += rec) {
		struct lnkfs_dirent *de = lnkfs_run_entry(run, len, off);

		if (!de)
			return -EFSCORRUPTED;
		rec = le16_to_cpu(de->d_rec_len);
		if (!de->d_name_len) {
			if (after_hole || !hole_clean(de, rec))
				return -EFSCORRUPTED;
			after_hole = true;
			*hole = max(*hole, rec);
			continue;
		}
		if (rec != LNKFS_DIRENT_LEN(de->d_name_len) || de->d_type > LNKFS_DT_MAX ||
		    le32_to_cpu(de->d_hash) >> 31 || !de->d_ino || !name_clean(de, rec))
			return -EFSCORRUPTED;
		after_hole = false;
		++*count;
	}
	return 0;
}

/**
 * lnkfs_dir_check_entries() - is a run of entries well-formed?
 * @entries: the run, 8-byte aligned
 * @len: its length, bytes; it must be covered exactly
 *
 * Reports nothing: the caller knows where the run stands.
 *
 * Return: 0 or -EFSCORRUPTED.
 */
int lnkfs_dir_check_entries(const void *entries, u32 len)
{
	u32 count, hole;

	return run_check(entries, len, &count, &hole);
}

/**
 * lnkfs_dir_check_block() - is a directory block well-formed?
 * @fs: volume
 * @data: the block; its header has been verified
 *
 * Called once per disk read. Reports nothing.
 *
 * Return: 0 or -EFSCORRUPTED.
 */
int lnkfs_dir_check_block(const struct lnkfs_fs *fs, const void *data)
{
	const struct lnkfs_dir_block *db = data;
	u32 count, hole;
	int err;

	err = run_check(db->b_entries, fs->block_size - sizeof(*db), &count, &hole);
	if (err)
		return err;
	if (le16_to_cpu(db->b_count) != count || le16_to_cpu(db->b_hole) != hole ||
	    db->b_room > lnkfs_dir_room_class(hole) ||
	    memchr_inv(db->b_pad, 0, sizeof(db->b_pad)))
		return -EFSCORRUPTED;
	return 0;
}

/**
 * lnkfs_run_match() - does an entry bear this name?
 * @de: the entry, within bounds
 * @key: the name
 */
bool lnkfs_run_match(const struct lnkfs_dirent *de, const struct lnkfs_dir_key *key)
{
	return le32_to_cpu(de->d_hash) == key->hash && de->d_name_len == key->len &&
	       !memcmp(de->d_name, key->name, key->len);
}

/**
 * lnkfs_run_find() - look a name up in a run
 * @run: the run
 * @len: its length
 * @key: the name
 * @off: gets the entry's offset
 *
 * Return: 0, -ENOENT or -EFSCORRUPTED (not reported).
 */
int lnkfs_run_find(void *run, u32 len, const struct lnkfs_dir_key *key, u32 *off)
{
	struct lnkfs_dirent *de;
	u32 o;

	for (o = 0; o < len; o += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(run, len, o);
		if (!de)
			return -EFSCORRUPTED;
		if (lnkfs_run_match(de, key)) {
			*off = o;
			return 0;
		}
	}
	return -ENOENT;
}

/**
 * lnkfs_run_fit() - find the smallest hole that takes a new entry
 * @run: the run
 * @len: its length
 * @need: bytes wanted, a multiple of 8
 * @room: gets the hole
 *
 * Return: 0, -ENOSPC when no hole is large enough, -EFSCORRUPTED (not reported).
 */
int lnkfs_run_fit(void *run, u32 len, u32 need, struct lnkfs_run_room *room)
{
	u32 best = 0, large = 0, second = 0;
	struct lnkfs_dirent *de;
	u32 o, rec;

	for (o = 0; o < len; o += rec) {
		de = lnkfs_run_entry(run, len, o);
		if (!de)
			return -EFSCORRUPTED;
		rec = le16_to_cpu(de->d_rec_len);
		if (de->d_name_len)
			continue;
		if (rec >= large) {
			second = large;
			large = rec;
		} else if (rec > second) {
			second = rec;
		}
		if (rec >= need && (!best || rec < best)) {
			best = rec;
			room->off = o;
		}
	}
	if (!best)
		return -ENOSPC;
	room->len = best;
	room->only = best == large && !second;
	room->rest = best == large ? max(second, best - need) : large;
	return 0;
}

/**
 * lnkfs_run_largest() - length of a run's largest hole
 * @run: the run
 * @len: its length
 * @hole: gets it
 *
 * Return: 0 or -EFSCORRUPTED (not reported).
 */
int lnkfs_run_largest(void *run, u32 len, u32 *hole)
{
	struct lnkfs_dirent *de;
	u32 o, rec;

	*hole = 0;
	for (o = 0; o < len; o += rec) {
		de = lnkfs_run_entry(run, len, o);
		if (!de)
			return -EFSCORRUPTED;
		rec = le16_to_cpu(de->d_rec_len);
		if (!de->d_name_len && rec > *hole)
			*hole = rec;
	}
	return 0;
}

/**
 * lnkfs_run_hole() - turn part of a run into one hole
 * @run: the run
 * @off: where it starts
 * @len: its length; 0: nothing to do
 */
void lnkfs_run_hole(void *run, u32 off, u32 len)
{
	struct lnkfs_dirent *de = (struct lnkfs_dirent *)((u8 *)run + off);

	if (!len)
		return;
	memset(de, 0, len);
	de->d_rec_len = cpu_to_le16(len);
}

/**
 * lnkfs_run_put() - write an entry into a hole
 * @run: the run
 * @off: offset of the hole
 * @hole: its length, enough for the entry; what is left over stays a hole. All of it
 *	is zero but for the length that it begins with
 * @key: name
 * @ino: inode number
 * @type: DT_*
 */
void lnkfs_run_put(void *run, u32 off, u32 hole, const struct lnkfs_dir_key *key,
		   u64 ino, u8 type)
{
	struct lnkfs_dirent *de = (struct lnkfs_dirent *)((u8 *)run + off);
	u32 need = LNKFS_DIRENT_LEN(key->len);
	struct lnkfs_dirent *rest = (struct lnkfs_dirent *)((u8 *)de + need);

	de->d_rec_len = cpu_to_le16(need);
	de->d_name_len = key->len;
	de->d_type = type;
	de->d_hash = cpu_to_le32(key->hash);
	de->d_ino = cpu_to_le64(ino);
	memcpy(de->d_name, key->name, key->len);
	memset(de->d_name + key->len, 0, need - 16 - key->len);
	if (hole > need)
		rest->d_rec_len = cpu_to_le16(hole - need);
}

/**
 * lnkfs_run_drop() - remove an entry and merge the hole it leaves
 * @run: the run
 * @len: its length
 * @off: the entry's offset
 * @from: an entry from which to look for the one before it, or @off when there is no
 *	hole before it
 * @hole: gets the offset of the hole
 * @hole_len: gets its length
 *
 * Return: 0, or -EFSCORRUPTED (not reported) with nothing changed.
 */
int lnkfs_run_drop(void *run, u32 len, u32 off, u32 from, u32 *hole, u32 *hole_len)
{
	struct lnkfs_dirent *de, *next;
	u32 start = off, end, o;

	for (o = from; o < off; o += le16_to_cpu(de->d_rec_len)) {
		de = lnkfs_run_entry(run, len, o);
		if (!de)
			return -EFSCORRUPTED;
		start = de->d_name_len ? off : o;
	}
	de = lnkfs_run_entry(run, len, off);
	if (o != off || !de || !de->d_name_len)
		return -EFSCORRUPTED;
	end = off + le16_to_cpu(de->d_rec_len);
	if (end < len) {
		next = lnkfs_run_entry(run, len, end);
		if (!next)
			return -EFSCORRUPTED;
		if (!next->d_name_len)
			end += le16_to_cpu(next->d_rec_len);
	}
	lnkfs_run_hole(run, start, end - start);
	*hole = start;
	*hole_len = end - start;
	return 0;
}
