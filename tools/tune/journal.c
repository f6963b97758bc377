// SPDX-License-Identifier: GPL-2.0
/*
 * tune.lnkfs -J: another size or another place for the journal; room for fast commits in it.
 *
 * The old journal is empty. The new one is made where nothing is, then the
 * superblock changes over to it, then the old one's blocks are freed. Blocks are taken
 * and freed by way of the journal that there is at the time. In place
 * only the head of the log changes, before or after the superblock, so that the log
 * is never longer than the superblock says.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "../args.h"
#include "tune.h"

/**
 * struct area - a run of blocks
 * @start: first
 * @len: how many
 */
struct area {
	u64 start;
	u32 len;
};

#define FREES_IT "mkfs.lnkfs -f -O journal_dev frees it"

/* The external journals of before and after, in so far as there are any. */
static struct lnkfs_journal_dev old_dev, new_dev;
static bool old_open, new_open;

/* ---- external journals ---- */

/* Open the journal device to be, or end the program. */
static void open_new(struct tune *t)
{
	const struct lnkfs_super_block *sb = &t->v.sb;
	char path[PATH_MAX], text[PATH_MAX];
	const char *why;
	int err;

	why = args_journal(t->journal, path, sizeof(path));
	if (why)
		tune_fail(t->journal, "%s", why);
	if (lnkfs_dev_is(&t->v.dev, path))
		tune_fail(path, "a volume and its external journal need two devices");
	if (lnkfs_in_use(path, text, sizeof(text)))
		tune_fail(path, "%s", text);
	err = lnkfs_journal_dev_open(&new_dev, path, LNKFS_DEV_EXCL | LNKFS_DEV_WRITE, &why);
	if (err)
		tune_fail(path, "%s", why ? why : err == -EBUSY ? "in use" : strerror(-err));
	new_open = true;
	if (!memcmp(new_dev.sb.s_uuid, sb->s_journal_uuid, sizeof(sb->s_journal_uuid)))
		tune_fail(path, "the journal is there already");
	/* One that this volume claimed before an interruption is its own, and empty. */
	if (!lnkfs_journal_dev_used(&new_dev, NULL) &&
	    !lnkfs_journal_dev_used(&new_dev, sb->s_meta_uuid))
		tune_fail(path, "this journal belongs to another volume; " FREES_IT);
	/* Of a copy of this volume, perhaps, which has the same metadata UUID. */
	if (new_dev.js.s_start)
		tune_fail(path, "this journal holds what has to be replayed; " FREES_IT);
	if (new_dev.sb.s_block_bits != sb->s_block_bits)
		tune_fail(path, "the journal has blocks of %u bytes, the volume of %u",
			  1u << new_dev.sb.s_block_bits, 1u << sb->s_block_bits);
}

/* Open the device of the journal that there is. Not finding it is no error. */
static int open_old(struct tune *t, const char **why)
{
	const struct lnkfs_super_block *sb = &t->v.sb;
	char found[160];
	const char *path = t->journal_now;
	int err;

	if (!path) {
		err = lnkfs_journal_dev_find(sb->s_journal_uuid, found, sizeof(found), why);
		if (err)
			return err == -ENODEV ? 0 : err;
		path = found;
	}
	err = lnkfs_journal_dev_open(&old_dev, path, LNKFS_DEV_EXCL | LNKFS_DEV_WRITE, why);
	if (err)
		return err;
	old_open = true;
	if (!memcmp(old_dev.sb.s_uuid, sb->s_journal_uuid, sizeof(sb->s_journal_uuid)) &&
	    lnkfs_journal_dev_used(&old_dev, sb->s_meta_uuid))
		return 0;
	*why = "not the journal of this volume";
	return -EINVAL;
}

static int check_empty(struct lnkfs_log *log, const char **why)
{
	if (!lnkfs_log_pending(log) && !log->err)
		return 0;
	*why = "the journal holds what has to be replayed";
	return -EUCLEAN;
}

/**
 * tune_journal_prepare() - see that the journal is empty, and get at devices
 * @t: open volume that says it is clean
 * @why: set to a phrase for what is wrong, or NULL
 *
 * An external journal that is not found is taken for empty, since the volume
 * is clean. Ends the program when the journal device to be is of no use.
 */
int tune_journal_prepare(struct tune *t, const char **why)
{
	struct lnkfs_log log;
	int err;

	*why = NULL;
	if (t->journal)
		open_new(t);
	if (!lnkfs_ext_journal(&t->v)) {
		err = lnkfs_volume_log_open(&t->v, NULL, 0, &log, why);
		if (!err)
			err = check_empty(&log, why);
		lnkfs_log_free(&log);
		return err;
	}
	err = open_old(t, why);
	if (!err && !old_open && (t->quota_on || t->quota_off ||
				 t->backref_on || t->backref_off)) {
		*why = "its device was not found (-j names it)";
		err = -ENODEV;
	}
	if (err || !old_open)
		return err;
	err = lnkfs_log_open(&log, &old_dev.dev,
			     le64_to_cpu(old_dev.sb.s_journal_start) << old_dev.sb.s_block_bits,
			     le32_to_cpu(old_dev.sb.s_journal_blocks), t->v.fs.block_size, why);
	return err ? err : check_empty(&log, why);
}

/* The device of the journal that the superblock names; NULL: not found. */
static struct lnkfs_journal_dev *current_dev(const struct tune *t)
{
	const u8 *uuid = t->v.sb.s_journal_uuid;

	if (new_open && !memcmp(new_dev.sb.s_uuid, uuid, sizeof(new_dev.sb.s_uuid)))
		return &new_dev;
	return old_open ? &old_dev : NULL;
}

/* Open the log that the superblock names. -ENODEV: its device was not found. */
static int open_log(struct tune *t, struct lnkfs_log *log)
{
	struct lnkfs_journal_dev *dev;
	const char *why;

	if (!lnkfs_ext_journal(&t->v))
		return lnkfs_volume_log_open(&t->v, NULL, 0, log, &why);
	dev = current_dev(t);
	if (!dev)
		return -ENODEV;
	return lnkfs_log_open(log, &dev->dev,
			      le64_to_cpu(dev->sb.s_journal_start) << dev->sb.s_block_bits,
			      le32_to_cpu(dev->sb.s_journal_blocks), t->v.fs.block_size, &why);
}

/**
 * tune_commit() - write what has been changed in the cache, by way of the journal
 * @t: tune; its superblock says where the journal is
 *
 * So that it is there as a whole or not at all. Without the journal's device blocks
 * that were taken or given back are written as they come.
 *
 * Return: as lnkfs_log_commit().
 */
int tune_commit(struct tune *t)
{
	struct lnkfs_log log;
	int err = open_log(t, &log);

	if (err == -ENODEV)
		return lnkfs_volume_flush(&t->v);
	if (!err)
		err = lnkfs_log_commit(&log, &t->v, false);
	lnkfs_log_free(&log);
	return err;
}

/**
 * tune_step() - commit if it is time to, in the middle of many changes
 * @tune: the struct tune
 *
 * So that what has been changed fits into the journal.
 *
 * Return: as tune_commit().
 */
int tune_step(void *tune)
{
	struct tune *t = tune;
	struct lnkfs_log log;
	int err;

	if (!t->batch) {
		err = open_log(t, &log);
		if (err == -ENODEV)
			return err;
		if (!err)
			t->batch = lnkfs_log_room(&log) / 2;
		lnkfs_log_free(&log);
		if (err)
			return err;
	}
	return t->v.dirty > t->batch ? tune_commit(t) : 0;
}

/**
 * tune_writes() - how often anything has been written, or failed to be
 * @t: tune
 */
u64 tune_writes(const struct tune *t)
{
	const struct lnkfs_dev *devs[] = { &t->v.dev, &old_dev.dev, &new_dev.dev };
	u64 sum = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(devs); i++)
		sum += devs[i]->writes + (devs[i]->error != 0);
	return sum;
}

/**
 * tune_journal_done() - close the journal devices
 * @t: tune
 */
void tune_journal_done(struct tune *t)
{
	(void)t;
	if (old_open)
		lnkfs_dev_close(&old_dev.dev);
	if (new_open)
		lnkfs_dev_close(&new_dev.dev);
}

/* The old device, when the superblock no longer names it. */
static int release_old(struct tune *t)
{
	if (old_open)
		return lnkfs_journal_dev_claim(&old_dev, NULL);
	tune_complain(t->device, "the old journal device was not found: " FREES_IT);
	return 0;
}

/* ---- a place in the volume ---- */

/* Are all blocks of a run free, and in one group? */
static int run_free(struct lnkfs_fs *fs, u64 start, u64 len)
{
	u32 group = lnkfs_group_of(fs, start), at;
	u32 off = (u32)(start - lnkfs_group_first(fs, group));
	lnkfs_buf *buf;
	int ret;

	if (!len || len > fs->group_blocks || !lnkfs_block_valid(fs, start, len) ||
	    lnkfs_group_of(fs, start + len - 1) != group)
		return 0;
	if (fs->group[group].flags & LNKFS_BG_BLOCK_UNINIT)
		return 1;
	ret = lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP), LNKFS_B_BITMAP,
			  group, 0, &buf);
	if (ret)
		return ret;
	ret = lnkfs_map_find((u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER, NULL, off, off + (u32)len,
			     (u32)len, (u32)len, &at) == (int)len;
	lnkfs_bput(buf);
	return ret;
}

static int take_run(struct lnkfs_volume *v, u32 group, u32 goal, u32 len, struct area *got)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 off = 0;
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, v, LNKFS_CREDITS_ALLOC);
	lnkfs_group_lock(fs, group);
	err = lnkfs_balloc_locked(&tx, fs, group, goal, len, len, 0, &off, &got->len);
	lnkfs_group_unlock(fs, group);
	lnkfs_tx_end(&tx);
	got->start = lnkfs_group_first(fs, group) + off;
	return err;
}

/* Grow to @len blocks at the back or at the front. 1: no room there. */
static int grow_in_place(struct lnkfs_volume *v, const struct area *old, u32 len,
			 struct area *new)
{
	u32 more = len - old->len, group = lnkfs_group_of(&v->fs, old->start);
	const u64 tries[2] = { old->start + old->len, old->start - more };
	struct area got;
	int ret, i;

	for (i = 0; i < 2; i++) {
		if (tries[i] >= v->fs.blocks || lnkfs_group_of(&v->fs, tries[i]) != group)
			continue;
		ret = run_free(&v->fs, tries[i], more);
		if (ret < 0)
			return ret;
		if (!ret)
			continue;
		ret = take_run(v, group, (u32)(tries[i] - lnkfs_group_first(&v->fs, group)), more,
			       &got);
		if (!ret && (got.start != tries[i] || got.len != more))
			ret = -EFSCORRUPTED;
		new->start = min(old->start, tries[i]);
		new->len = len;
		return ret;
	}
	return 1;
}

/* A free run anywhere, as near to the middle of the volume as can be. */
static int take_anywhere(struct lnkfs_volume *v, u32 len, struct area *new)
{
	struct lnkfs_fs *fs = &v->fs;
	u32 middle = fs->groups > 2 ? fs->groups / 2 : 0, i, group;
	int err;

	for (i = 0; i < 2 * fs->groups; i++) {
		if (i % 2 ? middle + i / 2 + 1 >= fs->groups : middle < i / 2)
			continue;
		group = i % 2 ? middle + i / 2 + 1 : middle - i / 2;
		if (fs->group[group].free_blocks < len)
			continue;
		err = take_run(v, group, lnkfs_group_size(fs, group) - len, len, new);
		if (err != -ENOSPC)
			return err;
	}
	return -ENOSPC;
}

/* ---- the change ---- */

static int zero_blocks(struct lnkfs_volume *v, u64 start, u64 len)
{
	return lnkfs_dev_zero(&v->dev, start << v->fs.block_bits, len << v->fs.block_bits);
}

static int free_blocks(struct tune *t, u64 start, u64 len)
{
	struct lnkfs_volume *v = &t->v;
	lnkfs_tx tx;
	int err;

	if (!len)
		return 0;
	lnkfs_tx_begin(&tx, v, LNKFS_CREDITS_FREE);
	err = lnkfs_bfree(&tx, &v->fs, start, (u32)len);
	lnkfs_tx_end(&tx);
	return err ? err : tune_commit(t);
}

/* The superblock, and those who read it, know of so many blocks for fast commits. */
static void set_fast(struct lnkfs_volume *v, u32 blocks)
{
	const u32 feature = cpu_to_le32(LNKFS_INCOMPAT_FAST_COMMIT);

	v->sb.s_feature_incompat &= ~feature;
	if (blocks)
		v->sb.s_feature_incompat |= feature;
	v->sb.s_fc_blocks = cpu_to_le32(blocks);
	v->fs.fast_blocks = blocks;
}

/* Have the superblocks say where the journal is; from then on it is there. */
static int change_over(struct tune *t, const struct area *to)
{
	static const u8 none[16];
	struct lnkfs_volume *v = &t->v;
	struct lnkfs_super_block *sb = &v->sb;
	u32 ext = cpu_to_le32(LNKFS_INCOMPAT_EXT_JOURNAL);

	sb->s_feature_incompat &= ~ext;
	if (t->journal) {
		sb->s_feature_incompat |= ext;
		/* Fast commits are for journals inside. */
		set_fast(v, 0);
	}
	memcpy(sb->s_journal_uuid, t->journal ? new_dev.sb.s_uuid : none, sizeof(none));
	sb->s_journal_dev = cpu_to_le32(t->journal ? lnkfs_journal_dev_number(&new_dev) : 0);
	sb->s_journal_start = cpu_to_le64(to->start);
	sb->s_journal_blocks = cpu_to_le32(to->len);
	v->fs.journal_start = to->start;
	v->fs.journal_blocks = to->len;
	return tune_write_supers(t);
}

/* The same log, in an area that has blocks in common with the old one. */
static int resize_in_place(struct tune *t, const struct area *old, const struct area *new)
{
	struct lnkfs_volume *v = &t->v;
	u64 old_end = old->start + old->len, new_end = new->start + new->len;
	u64 offset = new->start << v->fs.block_bits;
	bool head_last = new->start == old->start && new->len > old->len;
	bool opened;
	struct lnkfs_log log;
	const char *why;
	int err;

	err = tune_commit(t);
	opened = !err;
	if (opened)
		err = lnkfs_volume_log_open(v, NULL, 0, &log, &why);
	/* It may be shorter than its place. */
	if (!err)
		old_end = old->start + log.maxlen;
	if (!err && new->start < old->start)
		err = zero_blocks(v, new->start, old->start - new->start);
	if (!err && new_end > old_end)
		err = zero_blocks(v, old_end, new_end - old_end);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	if (!err && !head_last)
		err = lnkfs_log_resize(&log, offset, new->len);
	if (!err)
		err = change_over(t, new);
	if (!err && head_last)
		err = lnkfs_log_resize(&log, offset, new->len);
	if (opened)
		lnkfs_log_free(&log);
	if (!err && new_end < old->start + old->len)
		err = free_blocks(t, new_end, old->start + old->len - new_end);
	return err;
}

/* A new log elsewhere in the volume. */
static int make_inside(struct tune *t, const struct area *old, const struct area *new)
{
	struct lnkfs_volume *v = &t->v;
	bool was_ext = lnkfs_ext_journal(v);
	int err;

	err = tune_commit(t);
	if (err)
		return err;
	v->fs.journal_start = new->start;
	v->fs.journal_blocks = new->len;
	err = lnkfs_journal_format(v);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	if (!err)
		err = change_over(t, new);
	if (!err)
		err = was_ext ? release_old(t) : free_blocks(t, old->start, old->len);
	return err;
}

static int make_outside(struct tune *t, const struct area *old)
{
	const struct area none = { 0 };
	bool was_ext = lnkfs_ext_journal(&t->v);
	int err;

	err = lnkfs_journal_dev_claim(&new_dev, t->v.sb.s_meta_uuid);
	if (!err)
		err = change_over(t, &none);
	if (!err)
		err = was_ext ? release_old(t) : free_blocks(t, old->start, old->len);
	return err;
}

/**
 * tune_journal() - make the journal what was asked for
 * @t: volume marked as having an error, until all is done
 *
 * Return: 0; -ENOSPC when there is no place for it, with nothing changed;
 * what reading and writing say.
 */
int tune_journal(struct tune *t)
{
	struct lnkfs_volume *v = &t->v;
	const struct area old = { v->fs.journal_start, v->fs.journal_blocks };
	u32 len = (u32)(t->journal_bytes >> v->fs.block_bits);
	struct area new = { old.start, len };
	int ret = 1;

	if (t->journal)
		return make_outside(t, &old);
	if (old.len == len)
		return 0;
	if (old.len > len)
		return resize_in_place(t, &old, &new);
	if (old.len)
		ret = grow_in_place(v, &old, len, &new);
	if (ret <= 0)
		return ret ? ret : resize_in_place(t, &old, &new);
	ret = take_anywhere(v, len, &new);
	return ret ? ret : make_inside(t, &old, &new);
}

/**
 * tune_fast() - take blocks of the journal for fast commits, or give them back to the log
 * @t: volume marked as having an error, until all is done; its journal is inside
 * @on: take; else give back those that there are
 *
 * The log never has a block in it that is neither its own nor zeroed.
 *
 * Return: 0, -ENOMEM, or what reading and writing say.
 */
int tune_fast(struct tune *t, bool on)
{
	struct lnkfs_volume *v = &t->v;
	u32 len = v->fs.journal_blocks, old = on ? 0 : v->fs.fast_blocks;
	u32 new = on ? lnkfs_fast_room(&v->fs, len) : 0;
	u64 offset = v->fs.journal_start << v->fs.block_bits;
	struct lnkfs_log log;
	const char *why;
	int err;

	err = tune_commit(t);
	if (err)
		return err;
	err = lnkfs_volume_log_open(v, NULL, 0, &log, &why);
	if (!err)
		log.fast_blocks = new;
	if (!err && new)
		err = zero_blocks(v, v->fs.journal_start + len - new, 1);
	if (!err && new)
		err = lnkfs_dev_sync(&v->dev);
	if (!err && new)
		err = lnkfs_log_resize(&log, offset, len);
	if (!err) {
		set_fast(v, new);
		err = tune_write_supers(t);
	}
	if (!err && old)
		err = zero_blocks(v, v->fs.journal_start + len - old, old);
	if (!err && old)
		err = lnkfs_dev_sync(&v->dev);
	if (!err && old)
		err = lnkfs_log_resize(&log, offset, len);
	lnkfs_log_free(&log);
	return err;
}
