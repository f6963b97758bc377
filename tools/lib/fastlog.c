// SPDX-License-Identifier: GPL-2.0
/*
 * Fast commits behind a log: which of them count, and what they make of the blocks that the
 * log leaves. See fs/fast_commit.c for who writes them.
 */
#include <stdlib.h>

#include "journal.h"
#include "log.h"

static u64 area_block(const struct lnkfs_fs *fs)
{
	return fs->journal_start + fs->journal_blocks - fs->fast_blocks;
}

/*
 * Read what may be a record: as much as its first block says. What is behind the last record
 * is not needed, and may be unreadable.
 */
static int load(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 at)
{
	u8 *data = log->fast_data + (size_t)at * log->block_size;
	const struct lnkfs_fast_record *r = (const void *)data;
	u64 off = (area_block(fs) + at) * log->block_size;
	u32 blocks;
	int err;

	if (at >= log->fast_blocks)
		return 0;
	err = lnkfs_dev_read(log->dev, off, data, log->block_size);
	blocks = DIV_ROUND_UP(min_t(u32, le32_to_cpu(r->r_bytes), LNKFS_FAST_RECORD_MAX),
			      log->block_size);
	blocks = min(blocks, log->fast_blocks - at);
	if (err || le32_to_cpu(r->r_header.h_magic) != LNKFS_MAGIC_FAST || blocks <= 1)
		return err;
	return lnkfs_dev_read(log->dev, off + log->block_size, data + log->block_size,
			      (size_t)(blocks - 1) * log->block_size);
}

/* A record of the area, which has been read; 0: there is none. */
static u32 record_at(const struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 at, u32 *tid,
		     u32 *number)
{
	u32 room = min_t(u32, LNKFS_FAST_RECORD_MAX, (log->fast_blocks - at) * log->block_size);

	if (at >= log->fast_blocks)
		return 0;
	return lnkfs_fast_check(fs, log->fast_data + (size_t)at * log->block_size, room,
				area_block(fs) + at, tid, number) / log->block_size;
}

/* Transactions that the first record may belong to, as in lnkfs_fast_open(). */
static bool pending(const struct lnkfs_log *log, u32 tid)
{
	u32 next = log->sequence + log->commits;

	return tid == next || (!log->start && tid == next + 1);
}

/*
 * Records that were to be applied, of a transaction later than the first that the log does
 * not hold whole: the log has been damaged since they were written, and what they follow is
 * lost. So are they. (Once the log has been replayed and made empty, its numbers are higher.)
 */
static bool behind_damage(struct lnkfs_log *log)
{
	u32 next = log->sequence + log->commits;

	if (!log->fast_marked || !log->start || (s32)(log->fast_tid - next) <= 0)
		return false;
	if (!log->damaged || (s32)(log->fast_tid - log->newest) > 0)
		log->newest = log->fast_tid;
	log->damaged = true;
	return true;
}

/**
 * lnkfs_log_fast_scan() - count the fast commits that the log has not made obsolete
 * @log: a log that has been scanned
 * @fs: its volume, which has it inside
 * @why: set to a phrase when something is wrong
 *
 * Return: 0 with @log->fast, -ENOMEM, -EFSCORRUPTED, or what reading says.
 */
int lnkfs_log_fast_scan(struct lnkfs_log *log, const struct lnkfs_fs *fs, const char **why)
{
	u32 at = 1, tid = 0, number, n, mark, len;
	int err;

	log->fast_blocks = fs->fast_blocks;
	if (!log->fast_blocks)
		return 0;
	log->fast_data = calloc(log->fast_blocks, log->block_size);
	if (!log->fast_data)
		return -ENOMEM;
	err = lnkfs_dev_read(log->dev, area_block(fs) * log->block_size, log->fast_data,
			     log->block_size);
	if (!err)
		err = load(log, fs, at);
	if (err)
		return err;
	mark = lnkfs_fast_head_read(fs, log->fast_data, area_block(fs));
	log->fast_marked = mark;
	len = record_at(log, fs, at, &log->fast_tid, &number);
	if (mark && (!len || number || log->fast_tid != mark)) {
		*why = "fast commits that were being applied are gone";
		return -EFSCORRUPTED;
	}
	log->fast_there = len && !number;
	if (!log->fast_there || (!mark && !pending(log, log->fast_tid)) || behind_damage(log))
		return 0;
	for (n = 0; len && tid == (n ? log->fast_tid : 0) && number == n; n++) {
		at += len;
		err = load(log, fs, at);
		if (err)
			return err;
		len = record_at(log, fs, at, &tid, &number);
	}
	log->fast = n;
	return 0;
}

static void free_images(struct lnkfs_log *log)
{
	u32 i;

	for (i = 0; i < log->nr_images; i++)
		free(log->images[i].data);
	log->nr_images = 0;
}

static int image_of(struct lnkfs_log *log, const struct lnkfs_fast_item *item,
		    struct lnkfs_log_image **image)
{
	u64 off = item->block * log->block_size;
	struct lnkfs_log_image *im;
	u32 i;
	int err;

	for (i = 0; i < log->nr_images; i++) {
		if (log->images[i].last.block == item->block) {
			*image = &log->images[i];
			return 0;
		}
	}
	if (i == LNKFS_FAST_CHANGED_MAX)
		return -EFSCORRUPTED;
	im = &log->images[i];
	im->data = malloc(log->block_size);
	if (!im->data)
		return -ENOMEM;
	log->nr_images++;
	im->last = *item;
	*image = im;
	err = lnkfs_dev_read(log->dev, off, im->data, log->block_size);
	return err ? err : lnkfs_log_patch(log, off, im->data, log->block_size);
}

static int apply_record(struct lnkfs_log *log, const struct lnkfs_fs *fs, const u8 *record)
{
	struct lnkfs_log_image *image;
	struct lnkfs_fast_item item;
	u32 pos = 0;
	int ret;

	for (;;) {
		ret = lnkfs_fast_next(fs, record, &pos, &item);
		if (ret <= 0)
			return ret;
		ret = image_of(log, &item, &image);
		if (ret)
			return ret;
		lnkfs_fast_apply(fs, &item, image->data);
		image->last = item;
	}
}

/* Apply the first @count records. */
static int apply_records(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 count)
{
	u32 at = 1, tid, number, i;
	enum lnkfs_btype type;
	int err = 0;

	free_images(log);
	for (; count && !err; count--) {
		err = apply_record(log, fs, log->fast_data + (size_t)at * log->block_size);
		at += record_at(log, fs, at, &tid, &number);
	}
	for (i = 0; i < log->nr_images && !err; i++)
		err = lnkfs_fast_finish(fs, &log->images[i].last, log->images[i].data, &type);
	return err;
}

/**
 * lnkfs_log_fast_collect() - find out what the fast commits make of the volume
 * @log: a log whose own blocks have been collected
 * @fs: its volume
 *
 * Where they do not fit the blocks that are there, the last are left out until they do, and
 * counted in @log->bad_blocks.
 *
 * Return: 0 with @log->images, -ENOMEM, or what reading says.
 */
int lnkfs_log_fast_collect(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	int err = 0;
	u32 count;

	if (log->fast && !log->images)
		log->images = calloc(LNKFS_FAST_CHANGED_MAX, sizeof(*log->images));
	if (log->fast && !log->images)
		return -ENOMEM;
	for (count = log->fast; count; count--) {
		err = apply_records(log, fs, count);
		if (err != -EFSCORRUPTED && err != -EFSBADCRC)
			return err;
		log->bad_blocks++;
		free_images(log);
	}
	return 0;
}

/**
 * lnkfs_log_fast_end() - what was to be applied is on the volume
 * @log: log that is empty now, its device open for writing
 * @fs: its volume
 *
 * Return: 0, -ENOMEM, or what writing says; durable.
 */
int lnkfs_log_fast_end(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	u64 block = area_block(fs);
	u8 *data;
	int err;

	if (!log->fast_marked)
		return 0;
	data = malloc(log->block_size);
	if (!data)
		return -ENOMEM;
	lnkfs_fast_head_make(fs, data, block, 0);
	err = lnkfs_dev_write(log->dev, block * log->block_size, data, log->block_size);
	free(data);
	return err ? err : lnkfs_dev_sync(log->dev);
}

/**
 * lnkfs_log_fast_free() - forget them
 * @log: log
 */
void lnkfs_log_fast_free(struct lnkfs_log *log)
{
	free_images(log);
	free(log->images);
	free(log->fast_data);
	log->images = NULL;
	log->fast_data = NULL;
	log->fast = 0;
}
