/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host interface (fs/core/host.h) for userspace: a write-back cache over
 * pread/pwrite. Included by core.h; the volume itself is in volume.h.
 */
#ifndef LNKFS_HOST_USER_H
#define LNKFS_HOST_USER_H

/**
 * struct lnkfs_ubuf - a cached block
 * @block: number
 * @data: block size bytes
 * @refs: references held
 * @type: enum lnkfs_btype it was last verified or created as
 * @valid: @data has been read or created
 * @checked: verified as @type since it was read
 * @dirty: to be sealed and written
 * @accessed: write access taken and not yet followed by lnkfs_bdirty()
 * @bad: an inode block with a bad record; write access is refused
 * @next: hash chain
 * @newer: LRU list
 * @older: LRU list
 */
struct lnkfs_ubuf {
	u64 block;
	u8 *data;
	u32 refs;
	u8 type;
	bool valid;
	bool checked;
	bool dirty;
	bool accessed;
	bool bad;
	struct lnkfs_ubuf *next;
	struct lnkfs_ubuf *newer;
	struct lnkfs_ubuf *older;
};

int lnkfs_bread(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner, u32 gen,
		lnkfs_buf **out);
int lnkfs_bread_cached(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		       u32 gen, lnkfs_buf **out);

/* Programs read ahead by themselves, where it helps. */
#define lnkfs_bthere(fs, block)		((void)(fs), (void)(block), true)
#define lnkfs_bahead(fs, block, count)	((void)(count))

bool lnkfs_bsame(const struct lnkfs_fs *fs, const lnkfs_buf *buf, enum lnkfs_btype type,
		 u64 owner, u32 gen);
int lnkfs_bnew(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
	       lnkfs_buf **out);
int lnkfs_baccess(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type);
void lnkfs_bdirty(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf);

/* Nobody else is writing. */
#define lnkfs_bfreeable(fs, block, count, type, owner, gen)	((void)(block), 0)
#define lnkfs_bforget_unread(tx, fs, block, type, owner, gen)	lnkfs_bforget(tx, fs, block)

int lnkfs_bforget(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block);
void lnkfs_bput(lnkfs_buf *buf);

static inline void *lnkfs_bdata(const lnkfs_buf *buf)
{
	return buf->data;
}

static inline u64 lnkfs_bblock(const lnkfs_buf *buf)
{
	return buf->block;
}

static inline bool lnkfs_bbad(const lnkfs_buf *buf)
{
	return buf->bad;
}

static inline void lnkfs_bget(lnkfs_buf *buf)
{
	buf->refs++;
}

static inline struct lnkfs_group *lnkfs_group(const struct lnkfs_fs *fs, u32 group)
{
	return &fs->group[group];
}

void lnkfs_lock_init(lnkfs_lock_t *lock);
struct lnkfs_names_lane *lnkfs_names_lane(struct lnkfs_fs *fs, u32 group);
void lnkfs_names_lock(struct lnkfs_fs *fs, u32 group);
void lnkfs_names_unlock(struct lnkfs_fs *fs, u32 group);
void lnkfs_group_lock(struct lnkfs_fs *fs, u32 group);
void lnkfs_group_unlock(struct lnkfs_fs *fs, u32 group);

int lnkfs_space_take(struct lnkfs_fs *fs, u32 blocks, unsigned int flags);
void lnkfs_space_untake(struct lnkfs_fs *fs, u32 blocks, unsigned int flags);
int lnkfs_space_freed(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 start, u32 len);

static inline void lnkfs_space_used(struct lnkfs_fs *fs, u32 group, u32 start, u32 len)
{
	(void)fs;
	(void)group;
	(void)start;
	(void)len;
}

void lnkfs_inode_count(struct lnkfs_fs *fs, int inodes, int free_slots);

int lnkfs_orphan_count(struct lnkfs_fs *fs, u64 block, int delta);
bool lnkfs_orphan_idle(struct lnkfs_fs *fs, u64 block);

void *lnkfs_alloc(size_t bytes);
void lnkfs_free(void *p);
u32 lnkfs_random32(void);
u32 lnkfs_crc32c(u32 crc, const void *data, size_t len);
u64 lnkfs_siphash(const u8 key[16], const void *data, size_t len);
int lnkfs_report(struct lnkfs_fs *fs, int err, u64 ino, u64 block, const char *fmt, ...)
	__printf(5, 6);

u64 lnkfs_find_next_bit(const void *le_bits, u64 size, u64 from);
u64 lnkfs_find_next_zero_bit(const void *le_bits, u64 size, u64 from);

static inline int lnkfs_test_bit(u32 nr, const void *le_bits)
{
	return ((const u8 *)le_bits)[nr >> 3] >> (nr & 7) & 1;
}

static inline void lnkfs_set_bit(u32 nr, void *le_bits)
{
	((u8 *)le_bits)[nr >> 3] |= (u8)(1u << (nr & 7));
}

static inline void lnkfs_clear_bit(u32 nr, void *le_bits)
{
	((u8 *)le_bits)[nr >> 3] &= (u8)~(1u << (nr & 7));
}

#endif /* LNKFS_HOST_USER_H */
