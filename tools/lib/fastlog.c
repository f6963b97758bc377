// SPDX-License-Identifier: GPL-2.0
/*
 * Fast commits behind a log: which of them count, and what they make of the blocks that the
 * log leaves. See fs/fast_commit.c for who writes them.
 */
#include <stdlib.h>

#include "journal.h"
#include "log.h"

/*
 * Read what may be a record: as much as its first block says. What is behind the last record
 * is not needed, and may be unreadable.
 */
static int load(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 at)
{
	u8 *data = log->fast_data + (size_t)at * log->block_size;
	u64 off = (lnkfs_fast_area(fs) + at) * log->block_size;
	u32 blocks;
	int err;

	if (at >= log->fast_blocks)
		return 0;
	err = lnkfs_dev_read(log->dev, off, data, log->block_size);
	blocks = lnkfs_fast_blocks(fs, data, log->fast_blocks - at);
	if (err || blocks == 1)
		return err;
	return lnkfs_dev_read(log->dev, off + log->block_size, data + log->block_size,
			      (size_t)(blocks - 1) * log->block_size);
}

/* A record of the area, which has been read; 0: there is none. */
static u32 record_at(const struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 at,
		     struct lnkfs_fast_id *id)
{
	u32 room = min_t(u32, LNKFS_FAST_RECORD_MAX, (log->fast_blocks - at) * log->block_size);

	if (at >= log->fast_blocks)
		return 0;
	return lnkfs_fast_check(fs, log->fast_data + (size_t)at * log->block_size, room,
				lnkfs_fast_area(fs) + at, id) / log->block_size;
}

/* The head of the area, and the first record. */
static int scan_begin(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 *len,
		      struct lnkfs_fast_id *id, const char **why)
{
	u64 area = lnkfs_fast_area(fs);
	u32 mark = 0;
	int err, err2;

	err = lnkfs_dev_read(log->dev, area * log->block_size, log->fast_data, log->block_size);
	if (!err && lnkfs_fast_head_read(fs, log->fast_data, area, &mark)) {
		*why = "the head of the fast commits is damaged";
		log->fast_damaged = true;
	}
	err2 = load(log, fs, 1);
	*len = err2 ? 0 : record_at(log, fs, 1, id);
	log->fast_there = *len && lnkfs_fast_follows(id, NULL);
	if (log->fast_there)
		log->fast_tid = id->tid;
	if (err == -EIO || err2 == -EIO) {
		*why = "the fast commits cannot be read";
		log->fast_damaged = true;
		return 0;
	}
	if (mark && (!log->fast_there || log->fast_tid != mark)) {
		*why = "fast commits that were being applied are gone";
		log->fast_damaged = true;
	}
	log->fast_marked = mark && !log->fast_damaged;
	return err ? err : err2;
}

/*
 * The log ends before the transaction of records: it has been damaged since, and what they
 * follow is lost. So are they.
 */
static void behind_damage(struct lnkfs_log *log)
{
	if (!log->damaged || (s32)(log->fast_tid - log->newest) > 0)
		log->newest = log->fast_tid;
	log->damaged = true;
}

/**
 * lnkfs_log_fast_scan() - count the fast commits that the log has not made obsolete
 * @log: a log that has been scanned
 * @fs: its volume, which has it inside
 * @why: set to a phrase when something is wrong
 *
 * Return: 0 with @log->fast, -ENOMEM, or what reading says; -EFSCORRUPTED with
 * @log->fast_damaged and @log->fast, those that would count if nothing was being applied.
 */
int lnkfs_log_fast_scan(struct lnkfs_log *log, const struct lnkfs_fs *fs, const char **why)
{
	u32 next = log->sequence + log->commits, at = 1, len;
	struct lnkfs_fast_id id, last;
	int err, due = 0;

	log->fast_blocks = fs->fast_blocks;
	if (!log->fast_blocks)
		return 0;
	log->fast_data = calloc(log->fast_blocks, log->block_size);
	if (!log->fast_data)
		return -ENOMEM;
	err = scan_begin(log, fs, &len, &id, why);
	if (!err && log->fast_there)
		due = lnkfs_fast_due(log->fast_tid, log->sequence, next, !log->start,
				     log->fast_marked);
	if (due < 0)
		behind_damage(log);
	while (!err && due > 0) {
		log->fast++;
		last = id;
		at += len;
		err = load(log, fs, at);
		len = err ? 0 : record_at(log, fs, at, &id);
		due = len && lnkfs_fast_follows(&id, &last);
		if (err == -EIO) {
			*why = "the fast commits cannot be read";
			log->fast_damaged = true;
			err = 0;
		}
	}
	if (err)
		return err;
	return log->fast_damaged ? -EFSCORRUPTED : 0;
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
	im->right = false;
	*image = im;
	if (item->fresh)
		return 0;
	err = lnkfs_dev_read(log->dev, off, im->data, log->block_size);
	return err ? err : lnkfs_log_patch(log, off, im->data, log->block_size);
}

/* Apply a record; returns how long it is, in blocks. */
static int apply_record(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 at)
{
	const u8 *record = log->fast_data + (size_t)at * log->block_size;
	struct lnkfs_log_image *image;
	struct lnkfs_fast_item item;
	struct lnkfs_fast_id id;
	u32 pos = 0;
	int ret;

	for (;;) {
		ret = lnkfs_fast_next(fs, record, &pos, &item);
		if (!ret)
			return (int)record_at(log, fs, at, &id);
		if (ret > 0)
			ret = image_of(log, &item, &image);
		if (ret < 0)
			return ret;
		lnkfs_fast_apply(fs, &item, image->data);
		image->last = item;
		image->changed = true;
	}
}

/* Which blocks are what they are to become, if that was the last record? */
static u32 count_wrong(struct lnkfs_log *log, const struct lnkfs_fs *fs, u8 *scratch)
{
	enum lnkfs_btype type;
	u32 i, wrong = 0;

	for (i = 0; i < log->nr_images; i++) {
		struct lnkfs_log_image *im = &log->images[i];

		if (im->changed) {
			memcpy(scratch, im->data, log->block_size);
			im->right = !lnkfs_fast_finish(fs, &im->last, scratch, &type);
			im->changed = false;
		}
		wrong += !im->right;
	}
	return wrong;
}

/* Apply the first @count records; how many of them make sense? */
static int apply_records(struct lnkfs_log *log, const struct lnkfs_fs *fs, u32 count, u32 *good)
{
	u8 *scratch = malloc(log->block_size);
	u32 at = 1, n;
	int ret = 0;

	if (!scratch)
		return -ENOMEM;
	free_images(log);
	for (*good = 0, n = 1; n <= count; n++) {
		ret = apply_record(log, fs, at);
		if (ret < 0)
			break;
		at += (u32)ret;
		if (!count_wrong(log, fs, scratch))
			*good = n;
	}
	free(scratch);
	return ret < 0 && ret != -EFSCORRUPTED ? ret : 0;
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
	enum lnkfs_btype type;
	u32 good, i;
	int err;

	if (log->fast && !log->images)
		log->images = calloc(LNKFS_FAST_CHANGED_MAX, sizeof(*log->images));
	if (log->fast && !log->images)
		return -ENOMEM;
	err = apply_records(log, fs, log->fast, &good);
	if (!err && good < log->fast) {
		log->bad_blocks += log->fast - good;
		err = apply_records(log, fs, good, &good);
	}
	for (i = 0; i < log->nr_images && !err; i++)
		err = lnkfs_fast_finish(fs, &log->images[i].last, log->images[i].data, &type);
	return err;
}

/**
 * lnkfs_log_fast_end() - nothing is being applied any more
 * @log: log, its device open for writing
 * @fs: its volume
 *
 * Where the area is damaged its first record goes, too: writing may mend what cannot be read.
 *
 * Return: 0, -ENOMEM, or what writing says; durable.
 */
int lnkfs_log_fast_end(struct lnkfs_log *log, const struct lnkfs_fs *fs)
{
	u32 blocks = log->fast_damaged ? 2 : 1;
	u64 block = lnkfs_fast_area(fs);
	u8 *data;
	int err;

	if (!log->fast_marked && !log->fast_damaged)
		return 0;
	data = calloc(blocks, log->block_size);
	if (!data)
		return -ENOMEM;
	lnkfs_fast_head_make(fs, data, block, 0);
	err = lnkfs_dev_write(log->dev, block * log->block_size, data,
			      (size_t)blocks * log->block_size);
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
