// SPDX-License-Identifier: GPL-2.0
/*
 * tune.lnkfs: change an lnkfs filesystem. See tune.lnkfs(8).
 *
 * What is in the superblock alone changes at once. What changes blocks as well
 * (quota files, back references, the journal) passes through the journal, and is done
 * while the superblock says that an error was recorded: after an interruption whatever
 * the superblock names is complete, but for back references, no block has two owners,
 * and fsck.lnkfs looks for those that have none.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "defopts.h"
#include "lnkctl/text.h"
#include "names_rebuild.h"
#include "probe.h"
#include "quota_switch.h"
#include "tune/tune.h"

static void complain(const char *what, const char *fmt, va_list ap)
{
	text_complain("tune.lnkfs", what, fmt, ap);
}

/**
 * tune_complain() - say what is wrong
 * @what: with what
 * @fmt: the rest of the line
 */
void tune_complain(const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(what, fmt, ap);
	va_end(ap);
}

/**
 * tune_fail() - say what is wrong and end the program; nothing has been changed
 * @what: with what
 * @fmt: the rest of the line
 */
void tune_fail(const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(what, fmt, ap);
	va_end(ap);
	exit(TUNE_REFUSED);
}

/**
 * tune_write_supers() - write the superblock, then its backups
 * @t: tune
 *
 * One copy at least is good at any time: the backups are written when the
 * primary is durable. They say that the volume is clean, as mkfs leaves them.
 *
 * Return: 0, -EFSCORRUPTED when it would not be a good superblock, what writing
 * says.
 */
int tune_write_supers(struct tune *t)
{
	struct lnkfs_volume *v = &t->v;
	__le16 state = v->sb.s_state;
	const char *why;
	int err;

	v->sb.s_write_time = cpu_to_le64(lnkfs_now());
	lnkfs_super_seal(&v->sb);
	err = lnkfs_super_check(&v->sb, 0, v->dev.bytes, &why);
	if (!err)
		err = lnkfs_volume_write_super(v, false);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	if (err)
		return err;
	v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	err = lnkfs_volume_write_backups(v);
	v->sb.s_state = state;
	return err ? err : lnkfs_dev_sync(&v->dev);
}

/* ---- what is in the superblock alone ---- */

static void set_bits(__le32 *word, u32 on, u32 off)
{
	*word = cpu_to_le32((le32_to_cpu(*word) | on) & ~off);
}

static u64 reserve_wanted(const struct tune *t)
{
	u64 blocks = le64_to_cpu(t->v.sb.s_blocks);

	if (t->set_permille)
		return blocks / 1000 * t->permille + blocks % 1000 * t->permille / 1000;
	return t->set_reserved ? t->reserved : le64_to_cpu(t->v.sb.s_reserved_blocks);
}

/* Quota files that there will be. */
static u32 types_wanted(const struct tune *t)
{
	return (lnkfs_quota_types(&t->v.sb) | t->quota_on) & ~t->quota_off;
}

/* Refuse what this volume cannot have, before anything changes. */
static void check_wishes(const struct tune *t)
{
	const struct lnkfs_fs *fs = &t->v.fs;
	u64 journal = t->journal_bytes >> fs->block_bits;
	const char *missing;

	if ((t->set_reserved || t->set_permille) && reserve_wanted(t) > fs->blocks / 2)
		tune_fail(t->device, "no more than half of the %llu blocks can be reserved",
			  (unsigned long long)fs->blocks);
	missing = lnkfs_defopt_orphaned(t->opts_on, types_wanted(t));
	if (missing)
		tune_fail(missing, "the volume has no quota files for it (-O quota)");
	if (t->journal_bytes && journal < LNKFS_MIN_JOURNAL_BLOCKS)
		tune_fail(t->device, "journal too small (%u blocks are the least)",
			  LNKFS_MIN_JOURNAL_BLOCKS);
	if (journal > fs->group_blocks)
		tune_fail(t->device, "journal too large (it must fit into one group)");
	if (t->fast_on && (t->journal || (lnkfs_ext_journal(&t->v) && !journal)))
		tune_fail("fast_commit", "needs a journal inside the volume (-J size=)");
	if (t->fast_on && !lnkfs_fast_room(fs, journal ? (u32)journal : fs->journal_blocks))
		tune_fail(t->device, fs->fast_blocks ?
			  "journal too small for fast commits (-O ^fast_commit does without)" :
			  "journal too small for fast commits (-J size= makes it larger)");
	if (t->journal_now && !lnkfs_ext_journal(&t->v))
		tune_fail(t->journal_now, "the volume has its journal inside");
}

static void change_super(const struct tune *t, struct lnkfs_super_block *sb)
{
	sb->s_reserved_blocks = cpu_to_le64(reserve_wanted(t));
	set_bits(&sb->s_default_opts, t->opts_on, t->opts_off);
	if (t->label) {
		memset(sb->s_label, 0, sizeof(sb->s_label));
		memcpy(sb->s_label, t->label, strlen(t->label));
	}
	if (t->set_uuid)
		memcpy(sb->s_uuid, t->uuid, sizeof(sb->s_uuid));
	if (t->errors)
		sb->s_errors = t->errors;
	if (t->set_mounts)
		sb->s_mount_count = cpu_to_le32(t->mounts);
	if (t->set_checked)
		sb->s_check_time = cpu_to_le64(t->checked);
}

/* ---- what changes blocks ---- */

/* Of the wishes, leave those that are none. */
static void drop_fulfilled(struct tune *t)
{
	u32 have = lnkfs_quota_types(&t->v.sb);

	t->quota_on &= ~have;
	t->quota_off &= have;
	t->backref_on &= !t->v.fs.backref;
	t->backref_off &= t->v.fs.backref;
	if (t->journal_bytes >> t->v.fs.block_bits == t->v.fs.journal_blocks)
		t->journal_bytes = 0;
	/* A journal of another length has another area for them. */
	if (t->journal_bytes && t->v.fs.fast_blocks && !t->fast_off)
		t->fast_off = t->fast_on = true;
	else
		t->fast_on &= !t->v.fs.fast_blocks;
	t->fast_off &= t->v.fs.fast_blocks != 0;
}

/* Blocks can be changed only where all is in order. */
static void require_clean(struct tune *t)
{
	u16 state = le16_to_cpu(t->v.sb.s_state);
	struct lnkfs_fsck_result res = { 0 };
	const char *why;
	int err;

	if (state & LNKFS_STATE_ERROR)
		tune_fail(t->device, "an error has been recorded: run fsck.lnkfs");
	if (!(state & LNKFS_STATE_CLEAN))
		tune_fail(t->device, "not unmounted cleanly: run fsck.lnkfs");
	err = tune_journal_prepare(t, &why);
	if (err)
		tune_fail(t->device, "journal: %s: run fsck.lnkfs", why ? why : strerror(-err));
	err = lnkfs_volume_load_groups(&t->v);
	if (!err && !t->force)
		err = lnkfs_fsck_volume(&t->v, NULL, NULL, &res);
	if (err == -ENOMEM)
		tune_fail(t->device, "%s", strerror(-err));
	if (err || res.problems)
		tune_fail(t->device, "the volume is damaged: run fsck.lnkfs");
}

static int remove_quota(struct tune *t)
{
	struct lnkfs_super_block *sb = &t->v.sb;
	u64 gone[LNKFS_QUOTA_TYPES] = { 0 };
	u32 type;
	int err;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		if (!(t->quota_off & (1u << type)))
			continue;
		gone[type] = le64_to_cpu(sb->s_quota_ino[type]);
		sb->s_quota_ino[type] = 0;
		set_bits(&sb->s_default_opts, 0, LNKFS_DEFOPT_USRQUOTA << type);
	}
	if (!lnkfs_quota_types(sb))
		set_bits(&sb->s_feature_ro_compat, 0, LNKFS_RO_COMPAT_QUOTA);
	err = tune_write_supers(t);
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (gone[type])
			err = lnkfs_quota_drop(&t->v, gone[type]);
	return err ? err : tune_commit(t);
}

/* What is in the files goes to free blocks: it need not pass through the journal. */
static int make_quota(struct tune *t)
{
	int err = lnkfs_quota_make(&t->v, t->quota_on, lnkfs_now());

	if (!err)
		err = lnkfs_cache_flush_type(&t->v, LNKFS_B_QUOTA);
	if (!err)
		err = lnkfs_cache_flush_type(&t->v, LNKFS_B_BTREE);
	if (!err)
		err = lnkfs_dev_sync(&t->v.dev);
	if (!err)
		err = tune_commit(t);
	return err ? err : tune_write_supers(t);
}

/* Many records change, more than one transaction may hold. */
static int make_backref(struct tune *t)
{
	int err, err2;
	u64 blocks;

	err = lnkfs_names_needed(&t->v, &blocks);
	if (!err && blocks > (u64)t->v.free_blocks)
		err = -ENOSPC;
	if (err)
		return err;
	lnkfs_names_feature(&t->v, true);
	err = tune_write_supers(t);
	if (err)
		return err;
	err = lnkfs_names_rebuild(&t->v, tune_step, t);
	if (err && t->v.fs.backref)
		return err;
	err2 = tune_commit(t);
	if (!err)
		return err2;
	if (!err2)
		err2 = tune_write_supers(t);
	t->undone = !err2;
	return err;
}

/* Until all of them are gone the volume has the feature. */
static int remove_backref(struct tune *t)
{
	int err;

	t->v.fs.backref = false;
	err = lnkfs_names_rebuild(&t->v, tune_step, t);
	if (!err)
		err = tune_commit(t);
	if (err)
		return err;
	lnkfs_names_feature(&t->v, false);
	return tune_write_supers(t);
}

static int change_blocks(struct tune *t)
{
	int err = 0;

	if (t->backref_on)
		err = make_backref(t);
	else if (t->backref_off)
		err = remove_backref(t);
	if (err)
		return err;
	if (t->quota_off)
		err = remove_quota(t);
	if (!err && t->quota_on)
		err = make_quota(t);
	if (!err && t->fast_off)
		err = tune_fast(t, false);
	if (!err && (t->journal || t->journal_bytes))
		err = tune_journal(t);
	if (!err && t->fast_on)
		err = tune_fast(t, true);
	return err;
}

/* Mark the volume, change it; the mark stays when that fails half way. */
static int change_marked(struct tune *t)
{
	const struct lnkfs_super_block before = t->v.sb;
	struct lnkfs_volume *v = &t->v;
	u64 writes;
	int err, err2;

	v->sb.s_state |= cpu_to_le16(LNKFS_STATE_ERROR);
	err = lnkfs_volume_write_super(v, false);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	writes = err ? ~0ULL : tune_writes(t);
	/* What is dirty stays in memory until it is committed. */
	v->hold = true;
	if (!err)
		err = change_blocks(t);
	v->sb.s_state = before.s_state;
	if (!err) {
		v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
		v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
		return TUNE_OK;
	}
	tune_complain(t->device, "%s", strerror(-err));
	err2 = tune_writes(t) != writes && !t->undone;
	if (!err2) {
		v->sb = before;
		err2 = lnkfs_volume_write_super(v, false) || lnkfs_dev_sync(&v->dev);
	}
	/* What is in the cache is not to be written. */
	v->dev.readonly = true;
	if (!err2)
		return TUNE_REFUSED;
	tune_complain(t->device, "changed by halves: run fsck.lnkfs");
	return TUNE_HALF;
}

/* ---- the whole ---- */

static bool wants_change(const struct tune *t)
{
	return t->label || tune_wants_more(t);
}

static void open_volume(struct tune *t)
{
	char text[PATH_MAX];
	const char *why;
	int err;

	if (lnkfs_in_use(t->device, text, sizeof(text)))
		tune_fail(t->device, "%s", text);
	t->v.quiet = true;
	err = lnkfs_volume_open(&t->v, t->device, LNKFS_DEV_WRITE | LNKFS_DEV_EXCL |
				LNKFS_VOL_NO_GROUPS, &why);
	if (err == -EBUSY)
		tune_fail(t->device, "in use");
	if (err == -ENOTBLK)
		tune_fail(t->device, "neither a block device nor a regular file");
	if (err)
		tune_fail(t->device, "%s", why ? why : strerror(-err));
	if (why)
		tune_fail(t->device, "superblock: %s: run fsck.lnkfs", why);
}

/* A superblock that is still to be replayed would take the change back. */
static void require_newest_super(struct tune *t)
{
	struct lnkfs_log log;
	const char *why;
	int err;

	err = lnkfs_volume_log_open(&t->v, t->journal_now, 0, &log, &why);
	lnkfs_log_free(&log);
	if (err && !(le16_to_cpu(t->v.sb.s_state) & LNKFS_STATE_CLEAN))
		tune_fail(t->device, "not unmounted cleanly, and the journal cannot be read: %s: run fsck.lnkfs",
			  why ? why : strerror(-err));
	if (!err && log.super)
		tune_fail(t->device, "a change of its size was interrupted: run fsck.lnkfs");
}

static int change(struct tune *t)
{
	int ret = TUNE_OK, err;

	open_volume(t);
	drop_fulfilled(t);
	check_wishes(t);
	if (tune_changes_blocks(t)) {
		require_clean(t);
		ret = change_marked(t);
		tune_journal_done(t);
	} else {
		require_newest_super(t);
	}
	if (!ret) {
		change_super(t, &t->v.sb);
		err = tune_write_supers(t);
		if (err) {
			tune_complain(t->device, "%s: run fsck.lnkfs", strerror(-err));
			ret = TUNE_HALF;
		}
	}
	err = lnkfs_volume_close(&t->v);
	if (err && !ret) {
		tune_complain(t->device, "%s: run fsck.lnkfs", strerror(-err));
		ret = TUNE_HALF;
	}
	return ret;
}

static int list_device(const char *device)
{
	static struct lnkfs_volume v;
	const char *why;
	int err;

	err = lnkfs_volume_open(&v, device, LNKFS_VOL_NO_GROUPS | LNKFS_VOL_ANY_FEATURE, &why);
	if (err)
		tune_fail(device, "%s", why ? why : err == -ENOTBLK ?
			  "neither a block device nor a regular file" : strerror(-err));
	if (why)
		tune_complain(device, "superblock: %s; this is the backup in block %llu", why,
			      (unsigned long long)v.sb_block);
	tune_list(&v.sb);
	lnkfs_volume_close(&v);
	if (fflush(stdout) || ferror(stdout))
		tune_fail("standard output", "%s", strerror(errno));
	return TUNE_OK;
}

int main(int argc, char **argv)
{
	static struct tune t;
	char mnt[PATH_MAX];
	bool list = false;
	int ret = TUNE_OK, fd;

	setlocale(LC_CTYPE, "");
	tune_parse(&t, argc, argv, &list);
	if (!list && !wants_change(&t)) {
		tune_complain(t.device, "nothing to do");
		return TUNE_USAGE;
	}
	if (wants_change(&t) && tune_find_mount(t.device, mnt, sizeof(mnt), &fd))
		ret = tune_online(&t, mnt, fd);
	else if (wants_change(&t))
		ret = change(&t);
	return ret || !list ? ret : list_device(t.device);
}
