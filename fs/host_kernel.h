/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host interface of fs/core (see core/host.h) on buffer heads and jbd2.
 */
#ifndef LNKFS_HOST_KERNEL_H
#define LNKFS_HOST_KERNEL_H

#include <linux/buffer_head.h>
#include <linux/crc32c.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>

/*
 * Buffer state: the contents have been verified since they were read, as those
 * of a block with a header (which says what kind it is), or as an inode block;
 * and an inode block in which a record did not pass. Of a raw block nothing is
 * known, whatever its reader made of it. Doomed is one while jbd2 is told that it has
 * been freed (lnkfs_bforget_unread()).
 */
enum lnkfs_bh_state_bits {
	BH_LnkfsVerified = BH_JBDPrivateStart,
	BH_LnkfsInode,
	BH_LnkfsBad,
	BH_LnkfsDoomed,
};
BUFFER_FNS(LnkfsVerified, lnkfs_verified)
BUFFER_FNS(LnkfsInode, lnkfs_inode)
BUFFER_FNS(LnkfsBad, lnkfs_bad)
BUFFER_FNS(LnkfsDoomed, lnkfs_doomed)

/**
 * lnkfs_bunknown() - what is known of a buffer's contents holds no more
 * @buf: locked, or of a block that nobody uses
 */
static inline void lnkfs_bunknown(lnkfs_buf *buf)
{
	clear_buffer_lnkfs_verified(buf);
	clear_buffer_lnkfs_inode(buf);
	clear_buffer_lnkfs_bad(buf);
}

int lnkfs_bread(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		u32 gen, lnkfs_buf **out);
int lnkfs_bread_cached(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		       u32 gen, lnkfs_buf **out);
bool lnkfs_bthere(struct lnkfs_fs *fs, u64 block);
void lnkfs_bahead(struct lnkfs_fs *fs, u64 block, u32 count);
bool lnkfs_bsame(struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type, u64 owner,
		 u32 gen);
int lnkfs_bnew(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
	       lnkfs_buf **out);
int lnkfs_baccess(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type);
void lnkfs_bdirty(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf);
int lnkfs_bfreeable(struct lnkfs_fs *fs, u64 block, u64 count, enum lnkfs_btype type, u64 owner,
		    u32 gen);
int lnkfs_bforget(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block);
int lnkfs_bforget_unread(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
			 u64 owner, u32 gen);

static inline void *lnkfs_bdata(const lnkfs_buf *buf)
{
	return buf->b_data;
}

static inline u64 lnkfs_bblock(const lnkfs_buf *buf)
{
	return buf->b_blocknr;
}

static inline bool lnkfs_bbad(lnkfs_buf *buf)
{
	return buffer_lnkfs_bad(buf);
}

static inline void lnkfs_bput(lnkfs_buf *buf)
{
	brelse(buf);
}

static inline void lnkfs_bget(lnkfs_buf *buf)
{
	get_bh(buf);
}

/* Groups that are together in memory: a page or so of them. */
#define LNKFS_GROUP_CHUNK	32

/**
 * struct lnkfs_group_dir - where the state of the groups is (groups.c)
 * @old: the one before the volume grew, which somebody may be reading still
 * @max: room for so many chunks
 * @chunk: LNKFS_GROUP_CHUNK groups each
 */
struct lnkfs_group_dir {
	struct lnkfs_group_dir *old;
	u32 max;
	struct lnkfs_group *chunk[];
};

static inline struct lnkfs_group *lnkfs_group(const struct lnkfs_fs *fs, u32 group)
{
	const struct lnkfs_group_dir *dir = READ_ONCE(fs->group);

	return &dir->chunk[group / LNKFS_GROUP_CHUNK][group % LNKFS_GROUP_CHUNK];
}

static inline void lnkfs_lock_init(lnkfs_lock_t *lock)
{
	mutex_init(lock);
}

struct lnkfs_names_lane *lnkfs_names_lane(struct lnkfs_fs *fs, u32 group);

static inline void lnkfs_names_lock(struct lnkfs_fs *fs, u32 group)
{
	mutex_lock(&lnkfs_names_lane(fs, group)->lock);
}

static inline void lnkfs_names_unlock(struct lnkfs_fs *fs, u32 group)
{
	mutex_unlock(&lnkfs_names_lane(fs, group)->lock);
}

static inline void lnkfs_group_lock(struct lnkfs_fs *fs, u32 group)
{
	mutex_lock(&lnkfs_group(fs, group)->lock);
}

static inline void lnkfs_group_unlock(struct lnkfs_fs *fs, u32 group)
{
	mutex_unlock(&lnkfs_group(fs, group)->lock);
}

int lnkfs_space_take(struct lnkfs_fs *fs, u32 blocks, unsigned int flags);
void lnkfs_space_untake(struct lnkfs_fs *fs, u32 blocks, unsigned int flags);
void lnkfs_space_used(struct lnkfs_fs *fs, u32 group, u32 start, u32 len);
int lnkfs_space_freed(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 start, u32 len);
void lnkfs_inode_count(struct lnkfs_fs *fs, int inodes, int free_slots);

int lnkfs_orphan_count(struct lnkfs_fs *fs, u64 block, int delta);
bool lnkfs_orphan_idle(struct lnkfs_fs *fs, u64 block);

static inline void *lnkfs_alloc(size_t size)
{
	return kvzalloc(size, GFP_NOFS);
}

static inline void lnkfs_free(void *p)
{
	kvfree(p);
}

static inline u32 lnkfs_random32(void)
{
	return get_random_u32();
}

static inline u32 lnkfs_crc32c(u32 crc, const void *data, size_t len)
{
	return crc32c(crc, data, len);
}

static inline u64 lnkfs_siphash(const u8 key[16], const void *data, size_t len)
{
	siphash_key_t k;
	__le64 half[2];

	memcpy(half, key, sizeof(half));
	k.key[0] = le64_to_cpu(half[0]);
	k.key[1] = le64_to_cpu(half[1]);
	return siphash(data, len, &k);
}

__printf(7, 8)
int lnkfs_report_at(struct lnkfs_fs *fs, const char *func, int line, int err, u64 ino,
		    u64 block, const char *fmt, ...);

#define lnkfs_report(fs, err, ino, block, fmt, ...) \
	lnkfs_report_at(fs, __func__, __LINE__, err, ino, block, fmt, ##__VA_ARGS__)

static inline u64 lnkfs_find_next_bit(const void *bits, u64 size, u64 from)
{
	return find_next_bit_le(bits, size, from);
}

static inline u64 lnkfs_find_next_zero_bit(const void *bits, u64 size, u64 from)
{
	return find_next_zero_bit_le(bits, size, from);
}

static inline int lnkfs_test_bit(u32 nr, const void *bits)
{
	return test_bit_le(nr, bits);
}

static inline void lnkfs_set_bit(u32 nr, void *bits)
{
	__set_bit_le(nr, bits);
}

static inline void lnkfs_clear_bit(u32 nr, void *bits)
{
	__clear_bit_le(nr, bits);
}

#endif /* LNKFS_HOST_KERNEL_H */
