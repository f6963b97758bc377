/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume opened by a tool: device, block cache, superblock, transactions.
 *
 * Nothing here is thread-safe. Functions return 0 or a negative error number.
 */
#ifndef LNKFS_VOLUME_H
#define LNKFS_VOLUME_H

#include <time.h>

#include "core.h"

struct lnkfs_dev_hooks;
struct lnkfs_log;

/**
 * struct lnkfs_dev - where the blocks are
 * @fd: open file, or -1 when the volume is in memory
 * @mem: the memory, or NULL
 * @bytes: size
 * @sector: logical sector size of a block device, else 0
 * @is_blk: a block device
 * @direct: opened with O_DIRECT: transfers go through @bounce
 * @readonly: writes are refused with -EROFS
 * @bounce: aligned buffer of LNKFS_BOUNCE bytes
 * @overlay: log whose blocks are read in place of those on the device, or NULL
 * @error: first write error, negative; sticky
 * @reads: read requests done
 * @writes: write requests done
 * @hooks: for tests, or NULL
 */
struct lnkfs_dev {
	int fd;
	u8 *mem;
	u64 bytes;
	u32 sector;
	bool is_blk;
	bool direct;
	bool readonly;
	u8 *bounce;
	struct lnkfs_log *overlay;
	int error;
	u64 reads;
	u64 writes;
	const struct lnkfs_dev_hooks *hooks;
};

/**
 * struct lnkfs_dev_hooks - what a test wants to know of a device in memory
 * @write: called before bytes are written (@buf NULL: zeroes); an error is that of
 *	the write, which is not done then
 * @sync: called before all that was written is durable; an error is that of the sync
 */
struct lnkfs_dev_hooks {
	int (*write)(struct lnkfs_dev *dev, u64 off, const void *buf, u64 len);
	int (*sync)(struct lnkfs_dev *dev);
};

#define LNKFS_BOUNCE	(1u << 20)

/* flags of lnkfs_dev_open() and lnkfs_volume_open() */
#define LNKFS_DEV_WRITE		0x1	/* else read-only */
#define LNKFS_DEV_CREATE	0x2	/* create the file if it is missing */
#define LNKFS_DEV_EXCL		0x4	/* refuse if it is in use */
#define LNKFS_VOL_NO_GROUPS	0x8	/* do not load the descriptors (fs.group is NULL) */
#define LNKFS_VOL_ANY_FEATURE	0x10	/* do not refuse unknown features */
#define LNKFS_VOL_ANY_BACKUP	0x20	/* look for backups, or mend the superblock, whatever is left */

int lnkfs_dev_open(struct lnkfs_dev *dev, const char *path, unsigned int flags);
int lnkfs_dev_open_mem(struct lnkfs_dev *dev, u64 bytes);
int lnkfs_dev_resize(struct lnkfs_dev *dev, u64 bytes);
int lnkfs_dev_read(struct lnkfs_dev *dev, u64 off, void *buf, size_t len);
int lnkfs_dev_write(struct lnkfs_dev *dev, u64 off, const void *buf, size_t len);
int lnkfs_dev_zero(struct lnkfs_dev *dev, u64 off, u64 len);
int lnkfs_dev_discard(struct lnkfs_dev *dev, u64 off, u64 len);
int lnkfs_dev_sync(struct lnkfs_dev *dev);
bool lnkfs_dev_is(const struct lnkfs_dev *dev, const char *path);
int lnkfs_dev_close(struct lnkfs_dev *dev);

/**
 * struct lnkfs_fault - make the n-th call fail, once; 0: never
 * @bread: lnkfs_bread() gives -EIO
 * @bnew: lnkfs_bnew() gives -ENOMEM
 * @baccess: lnkfs_baccess() gives -EROFS, as an aborted journal does
 * @bforget: lnkfs_bforget() gives -EIO
 * @space: lnkfs_space_take() gives -ENOSPC
 * @freed: lnkfs_space_freed() gives -ENOMEM
 * @orphan: lnkfs_orphan_count() gives -ENOMEM (only for a positive delta)
 * @write: writing blocks out gives -EIO
 * @fired: failures so far
 */
struct lnkfs_fault {
	u32 bread;
	u32 bnew;
	u32 baccess;
	u32 bforget;
	u32 space;
	u32 freed;
	u32 orphan;
	u32 write;
	u32 fired;
};

/* The n-th lnkfs_alloc() gives NULL, once; 0: never. */
extern u32 lnkfs_fault_alloc;

/* Not 0: lnkfs_random32() is a repeatable sequence from this state. */
extern u64 lnkfs_random_state;

/**
 * lnkfs_fault_hit() - count a call down
 * @v: volume
 * @n: its counter in @v->fault
 *
 * Return: whether this call has to fail.
 */
#define lnkfs_fault_hit(v, n)	((n) && !--(n) && ++(v)->fault.fired)

struct lnkfs_freed {
	u32 group;
	u32 start;
	u32 len;
};

struct lnkfs_ocount {
	u64 block;
	int count;
	struct lnkfs_ocount *next;
};

#define LNKFS_OHASH	64

/**
 * struct lnkfs_volume - a volume in a tool's hands
 * @fs: what the core sees
 * @lanes: for its back references
 * @dev: its device
 * @journal: device of its external journal, once that has been opened
 * @sb: superblock as it will be written (lnkfs_volume_write_super())
 * @sb_block: block that @sb was read from; not the primary's when a backup was used
 * @use_super: block of the superblock that is to be used; 0: the primary, or a
 *	backup when that cannot be
 * @hash: cache, by block
 * @hash_mask: its size - 1, a power of two
 * @newest: LRU list
 * @oldest: LRU list
 * @bufs: blocks in the cache
 * @max_bufs: bound; exceeded only by blocks that are referenced, and by dirty ones
 *	with @hold
 * @dirty: dirty blocks in the cache
 * @hold: they are written by lnkfs_cache_flush() only (lnkfs_log_commit()), and not
 *	by closing
 * @free_blocks: blocks the allocator may still hand out
 * @inodes: records in use
 * @free_slots: free slots
 * @busy: keep freed blocks busy until lnkfs_volume_commit(), as the kernel does
 * @freed: what waits for it
 * @nr_freed: entries of @freed
 * @max_freed: room in @freed
 * @orphans: counts of orphans per inode block
 * @idle_orphan_blocks: times a count has come back to 0
 * @fault: fault injection
 * @strict: abort() on a misuse of the host interface: credits exceeded, a
 *	block dirtied without access or the reverse, a lock not held
 * @misuses: how many there were
 * @reports: calls of lnkfs_report()
 * @report: where its message goes; NULL: standard error
 * @report_ctx: argument of @report
 * @quiet: say nothing
 */
struct lnkfs_volume {
	struct lnkfs_fs fs;
	struct lnkfs_names_lane lanes[LNKFS_NAMES_LANES];
	struct lnkfs_dev dev;
	struct lnkfs_dev *journal;
	struct lnkfs_super_block sb;
	u64 sb_block;
	u64 use_super;

	lnkfs_buf **hash;
	u32 hash_mask;
	lnkfs_buf *newest;
	lnkfs_buf *oldest;
	u32 bufs;
	u32 max_bufs;
	u32 dirty;
	bool hold;

	s64 free_blocks;
	s64 inodes;
	s64 free_slots;

	bool busy;
	struct lnkfs_freed *freed;
	u32 nr_freed;
	u32 max_freed;

	struct lnkfs_ocount *orphans[LNKFS_OHASH];
	u64 idle_orphan_blocks;

	struct lnkfs_fault fault;
	bool strict;
	u64 misuses;
	u64 reports;
	void (*report)(void *ctx, int err, u64 ino, u64 block, const char *text);
	void *report_ctx;
	bool quiet;
};

/**
 * lnkfs_volume_of() - the volume around what the core sees
 * @fs: its fs member
 */
static inline struct lnkfs_volume *lnkfs_volume_of(struct lnkfs_fs *fs)
{
	return container_of(fs, struct lnkfs_volume, fs);
}

/**
 * struct lnkfs_utx - a transaction; does nothing but count
 * @volume: its volume
 * @credits: blocks it may touch; 0: any number
 * @used: distinct blocks touched
 * @revokes: blocks forgotten
 * @open: write accesses that have not been dirtied yet
 * @set: the blocks, an open hash
 * @room: size of @set, a power of two
 */
struct lnkfs_utx {
	struct lnkfs_volume *volume;
	u32 credits;
	u32 used;
	u32 revokes;
	u32 open;
	u64 *set;
	u32 room;
};

void lnkfs_tx_begin(lnkfs_tx *tx, struct lnkfs_volume *v, u32 credits);
u32 lnkfs_tx_end(lnkfs_tx *tx);

/* host.c */
u64 lnkfs_stamp(const struct timespec *ts);
u64 lnkfs_now(void);
void lnkfs_misuse(struct lnkfs_volume *v, const char *what, u64 block);
void lnkfs_orphans_free(struct lnkfs_volume *v);

#define LNKFS_CACHE_MIB	64	/* the usual bound of the cache */

/* cache.c */
int lnkfs_cache_init(struct lnkfs_volume *v, u32 mib);
void lnkfs_prefetch(struct lnkfs_volume *v, u64 block, u64 len);
int lnkfs_cache_flush(struct lnkfs_volume *v);
int lnkfs_cache_flush_type(struct lnkfs_volume *v, enum lnkfs_btype type);
lnkfs_buf **lnkfs_cache_dirty(struct lnkfs_volume *v, u32 *n);
int lnkfs_cache_drop(struct lnkfs_volume *v);
void lnkfs_cache_free(struct lnkfs_volume *v);

/* in_use.c */
bool lnkfs_find_loop(const struct stat *file, bool (*found)(const char *name, void *ctx),
		     void *ctx, char *name, size_t len);
bool lnkfs_same_file(const struct stat *a, const struct stat *b);
int lnkfs_in_use(const char *path, char *by, size_t len);
int lnkfs_open_mounted(dev_t dev, int how, char *mnt, size_t len);

/* super_vote.c */
bool lnkfs_super_same(const struct lnkfs_super_block *a, const struct lnkfs_super_block *b);
int lnkfs_super_salvage(struct lnkfs_volume *v);
bool lnkfs_super_proven(struct lnkfs_volume *v, const struct lnkfs_super_block *sb);
int lnkfs_super_vote(struct lnkfs_volume *v);

/* inodes.c */

/* Called for an inode. */
typedef int (*lnkfs_ino_actor)(void *ctx, u64 ino);

int lnkfs_volume_inodes(struct lnkfs_volume *v, u64 first, lnkfs_ino_actor actor, void *ctx);

/* volume.c */
int lnkfs_volume_open(struct lnkfs_volume *v, const char *path, unsigned int flags,
		      const char **why);
int lnkfs_volume_open_dev(struct lnkfs_volume *v, unsigned int flags, const char **why);
void lnkfs_volume_forget_groups(struct lnkfs_volume *v);
int lnkfs_volume_load_groups(struct lnkfs_volume *v);
int lnkfs_volume_load_groups_any(struct lnkfs_volume *v, u32 *bad);
int lnkfs_volume_write_super(struct lnkfs_volume *v, bool backups);
int lnkfs_volume_mark_error(struct lnkfs_volume *v);
int lnkfs_volume_write_backups(struct lnkfs_volume *v);
int lnkfs_volume_flush(struct lnkfs_volume *v);
void lnkfs_volume_commit(struct lnkfs_volume *v);
int lnkfs_volume_close(struct lnkfs_volume *v);

#endif /* LNKFS_VOLUME_H */
