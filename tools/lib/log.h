/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a jbd2 log: what it holds, and what replaying it would write.
 */
#ifndef LNKFS_LOG_H
#define LNKFS_LOG_H

#include "volume.h"

/**
 * struct lnkfs_log_entry - a block that replaying writes
 * @block: where it belongs on the volume
 * @at: block of the journal that holds it
 * @sequence: its transaction
 * @escaped: its first four bytes are jbd2's magic number and zeroed in the log
 * @bad: the copy in the log has a wrong checksum
 * @sum: the right one
 * @image: what it becomes by fast commits, or NULL: then it is in the log
 */
struct lnkfs_log_entry {
	u64 block;
	u32 at;
	u32 sequence;
	bool escaped;
	bool bad;
	u32 sum;
	const u8 *image;
};

/**
 * struct lnkfs_log_image - a block that fast commits change
 * @last: their last change of it
 * @changed: by the last record
 * @right: it is what that change says
 * @data: the block as it is after the log and them
 */
struct lnkfs_log_image {
	struct lnkfs_fast_item last;
	bool changed;
	bool right;
	u8 *data;
};

/**
 * struct lnkfs_log_revoke - blocks of this and earlier transactions that
 *	must not be written
 * @block: block of the volume
 * @sequence: transaction
 */
struct lnkfs_log_revoke {
	u64 block;
	u32 sequence;
};

/**
 * struct lnkfs_log - a log opened for reading
 * @dev: device that holds the journal
 * @offset: byte at which the journal begins
 * @block_size: bytes
 * @maxlen: blocks of the journal
 * @first: first block of the log in it
 * @end: block after the last one of the log
 * @start: where the oldest transaction begins; 0: the log is empty
 * @sequence: its number
 * @err: error that an aborted journal recorded, as it stands there
 * @incompat: features
 * @seed: of the checksums
 * @super: it holds a superblock, which the volume has taken over
 *	(lnkfs_volume_log_open())
 * @commits: transactions that are complete (lnkfs_log_scan())
 * @damaged: the next one is not, but was: it has been damaged (lnkfs_log_scan())
 * @newest: then, the last transaction there was; it and what is before it is lost
 * @bad_blocks: of @commits, blocks with a wrong checksum; once it has been collected, those of
 *	them that are lost
 * @entries: what is to be written, by block (lnkfs_log_collect())
 * @nr_entries: how many
 * @max_entries: room
 * @revokes: revoked blocks, by block
 * @nr_revokes: how many
 * @max_revokes: room
 * @fast_blocks: blocks of the area for fast commits, its head included; 0: there is none
 * @fast_data: what is in it
 * @fast_marked: its head says that they are being applied
 * @fast_damaged: the head is damaged, or what it speaks of
 * @fast_there: there are some, if only of an old transaction
 * @fast_tid: their transaction
 * @fast: how many have to be applied, in the end (lnkfs_log_fast_scan())
 * @images: the blocks that they change (lnkfs_log_collect())
 * @nr_images: how many
 */
struct lnkfs_log {
	struct lnkfs_dev *dev;
	u64 offset;
	u32 block_size;
	u32 maxlen;
	u32 first;
	u32 end;
	u32 start;
	u32 sequence;
	s32 err;
	u32 incompat;
	u32 seed;
	bool super;
	u32 commits;
	bool damaged;
	u32 newest;
	u32 bad_blocks;
	struct lnkfs_log_entry *entries;
	u64 nr_entries;
	u64 max_entries;
	struct lnkfs_log_revoke *revokes;
	u64 nr_revokes;
	u64 max_revokes;
	u32 fast_blocks;
	u8 *fast_data;
	bool fast_marked;
	bool fast_damaged;
	bool fast_there;
	u32 fast_tid;
	u32 fast;
	struct lnkfs_log_image *images;
	u32 nr_images;
};

/**
 * lnkfs_log_pending() - is there anything to be replayed, or to be put in order?
 * @log: a log opened by lnkfs_volume_log_open()
 */
static inline bool lnkfs_log_pending(const struct lnkfs_log *log)
{
	return log->start || log->fast || log->fast_marked || log->fast_damaged || log->damaged;
}

/**
 * struct lnkfs_log_ops - what lnkfs_log_walk() calls; each may be NULL and
 *	returns 0 to go on
 * @descriptor: a descriptor block
 * @entry: a block to be written
 * @revoke: a revoked block
 * @commit: a commit block; time in seconds and nanoseconds of the Unix epoch
 */
struct lnkfs_log_ops {
	int (*descriptor)(void *ctx, u32 sequence, u32 at);
	int (*entry)(void *ctx, const struct lnkfs_log_entry *e);
	int (*revoke)(void *ctx, u32 at, const struct lnkfs_log_revoke *r);
	int (*commit)(void *ctx, u32 sequence, u32 at, u64 sec, u32 nsec);
};

int lnkfs_log_open(struct lnkfs_log *log, struct lnkfs_dev *dev, u64 offset, u32 blocks,
		   u32 block_size, const char **why);
int lnkfs_log_scan(struct lnkfs_log *log);
int lnkfs_log_walk(struct lnkfs_log *log, const struct lnkfs_log_ops *ops, void *ctx);
int lnkfs_log_collect(struct lnkfs_log *log, const struct lnkfs_fs *fs);
int lnkfs_log_read(struct lnkfs_log *log, const struct lnkfs_log_entry *e, void *data);
int lnkfs_log_patch(struct lnkfs_log *log, u64 off, void *buf, size_t len);
int lnkfs_log_replay(struct lnkfs_log *log, struct lnkfs_dev *to);
int lnkfs_log_reset(struct lnkfs_log *log, const struct lnkfs_fs *fs);
int lnkfs_log_resize(struct lnkfs_log *log, u64 offset, u32 blocks);
void lnkfs_log_free(struct lnkfs_log *log);

/* fastlog.c */
int lnkfs_log_fast_scan(struct lnkfs_log *log, const struct lnkfs_fs *fs, const char **why);
int lnkfs_log_fast_collect(struct lnkfs_log *log, const struct lnkfs_fs *fs);
int lnkfs_log_fast_end(struct lnkfs_log *log, const struct lnkfs_fs *fs);
void lnkfs_log_fast_free(struct lnkfs_log *log);

/* logwrite.c */
u32 lnkfs_log_room(const struct lnkfs_log *log);
int lnkfs_log_commit(struct lnkfs_log *log, struct lnkfs_volume *v, bool super);

#endif /* LNKFS_LOG_H */
