/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What xattr.c, xattrblock.c and the checker share.
 *
 * A run is a chain of attribute entries without gaps: the back of the inline
 * area, or the contents of a leaf block. Offsets are bytes in the run. Runs are
 * 8-byte aligned in memory.
 */
#ifndef LNKFS_XATTR_H
#define LNKFS_XATTR_H

#include "core.h"

/**
 * struct lnkfs_xattr_place - where an attribute is, or would be
 * @buf: leaf block; NULL: inline, or there is no external area
 * @run: the run
 * @len: its length
 * @off: offset of the entry, when it was found
 * @hash: hash of the attribute
 * @key: key of the leaf in the tree
 */
struct lnkfs_xattr_place {
	lnkfs_buf *buf;
	u8 *run;
	u32 len;
	u32 off;
	u64 hash;
	u64 key;
};

/**
 * lnkfs_xattr_room() - bytes of contents of a block of the external area
 * @fs: volume
 */
static inline u32 lnkfs_xattr_room(const struct lnkfs_fs *fs)
{
	return fs->block_size - (u32)sizeof(struct lnkfs_xattr_block);
}

/**
 * lnkfs_xattr_value_blocks() - blocks that a value outside of a leaf takes
 * @fs: volume
 * @len: its length
 */
static inline u32 lnkfs_xattr_value_blocks(const struct lnkfs_fs *fs, u32 len)
{
	return (len + lnkfs_xattr_room(fs) - 1) / lnkfs_xattr_room(fs);
}

/* First block and number of blocks of a run that holds a part of a value. */
static inline u64 lnkfs_xattr_extent_block(__le64 x)
{
	return le64_to_cpu(x) & (LNKFS_MAX_BLOCKS - 1);
}

static inline u32 lnkfs_xattr_extent_len(__le64 x)
{
	return le64_to_cpu(x) >> 48;
}

/* Where the extents of an entry stand, counted from its start. */
static inline u32 lnkfs_xattr_extents_at(u32 name_len)
{
	return ALIGN((u32)sizeof(struct lnkfs_xattr_entry) + name_len, 8u);
}

/* Is it for root and the kernel alone to set attributes of this namespace? */
static inline bool lnkfs_xattr_is_roots(u8 space)
{
	return space == LNKFS_XATTR_TRUSTED || space == LNKFS_XATTR_SECURITY;
}

/**
 * lnkfs_xattr_entry_size() - length of an entry
 * @e: entry whose head is within its run
 *
 * Return: bytes; 0 when the lengths it says are impossible.
 */
static inline u32 lnkfs_xattr_entry_size(const struct lnkfs_xattr_entry *e)
{
	u32 len = le32_to_cpu(e->e_value_len);

	if (len > LNKFS_XATTR_VALUE_MAX)
		return 0;
	if (e->e_extents)
		return lnkfs_xattr_extents_at(e->e_name_len) + 8u * e->e_extents;
	return lnkfs_xattr_size(e->e_name_len, len);
}

/**
 * lnkfs_xattr_entry() - entry at an offset, safe against any content
 * @run: the run
 * @len: its length
 * @off: offset
 * @size: gets the entry's length
 *
 * Return: the entry, all of which lies within the run, or NULL.
 */
static inline struct lnkfs_xattr_entry *lnkfs_xattr_entry(void *run, u32 len, u32 off,
							  u32 *size)
{
	struct lnkfs_xattr_entry *e = (struct lnkfs_xattr_entry *)((u8 *)run + off);

	if (off >= len || len - off < sizeof(*e) || off % 8)
		return NULL;
	*size = lnkfs_xattr_entry_size(e);
	if (!*size || *size > len - off)
		return NULL;
	return e;
}

/**
 * lnkfs_xattr_extents() - the extents of an entry
 * @e: entry with extents
 */
static inline const __le64 *lnkfs_xattr_extents(const struct lnkfs_xattr_entry *e)
{
	return (const __le64 *)((const u8 *)e + lnkfs_xattr_extents_at(e->e_name_len));
}

/* ---- xattr.c ---- */

bool lnkfs_xattr_entry_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e);
void lnkfs_xattr_entry_key(const struct lnkfs_xattr_entry *e, struct lnkfs_xattr_key *key);
int lnkfs_xattr_run_find(void *run, u32 len, const struct lnkfs_xattr_key *key, u32 *off);
void lnkfs_xattr_put(void *to, const struct lnkfs_xattr_key *key, const void *value, u32 len,
		     const __le64 *extents, u32 nr);

/* ---- xattrblock.c: blocks of the external area, and large values ---- */

/**
 * struct lnkfs_xattr_value - where a value in blocks of its own is
 * @x: its extents, as an entry has them
 * @nr: how many
 */
struct lnkfs_xattr_value {
	__le64 x[LNKFS_XATTR_EXTENTS];
	u32 nr;
};

/* What a block of the external area is: LNKFS_XBLOCK_*. */
static inline u8 lnkfs_xattr_kind(const lnkfs_buf *buf)
{
	return ((const struct lnkfs_xattr_block *)lnkfs_bdata(buf))->x_kind;
}

int lnkfs_xattr_corrupt(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u64 block,
			const char *what);
u64 lnkfs_xattr_hash(const struct lnkfs_fs *fs, const struct lnkfs_xattr_key *key);
u64 lnkfs_xattr_entry_hash(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e);
void lnkfs_xattr_tree(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, void *head,
		      struct lnkfs_btree *bt);
int lnkfs_xattr_bread(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 block,
		      lnkfs_buf **out);
int lnkfs_xattr_balloc(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u8 kind,
		       lnkfs_buf **out);
void lnkfs_xattr_bfree(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		       lnkfs_buf *buf);
int lnkfs_xattr_value_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			    u64 hash, const u8 *value, u32 len, struct lnkfs_xattr_value *vp);
int lnkfs_xattr_read_value(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			   const struct lnkfs_xattr_place *pl, void *buf);
void lnkfs_xattr_value_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			    const struct lnkfs_xattr_value *value);

/* ---- xattrleaf.c: leaves and their tree ---- */

int lnkfs_xattr_leaf(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 hash,
		     struct lnkfs_xattr_place *pl);
int lnkfs_xattr_next_leaf(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 *from,
			  struct lnkfs_xattr_place *pl);
int lnkfs_xattr_leaf_put(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			 const struct lnkfs_xattr_key *key, const void *value, u32 len,
			 const struct lnkfs_xattr_place *pl, bool found);
int lnkfs_xattr_leaf_drop(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			  struct lnkfs_xattr_place *pl);

#endif /* LNKFS_XATTR_H */
