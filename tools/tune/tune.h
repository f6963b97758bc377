/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of tune.lnkfs share.
 */
#ifndef LNKFS_TUNE_H
#define LNKFS_TUNE_H

#include "journal.h"
#include "volume.h"

/* Exit codes. */
#define TUNE_OK		0
#define TUNE_REFUSED	1	/* nothing was changed */
#define TUNE_USAGE	2
#define TUNE_HALF	4	/* a change has failed on the way: fsck.lnkfs */

/**
 * struct tune - what is to be changed, and the volume
 * @device: device or image
 * @v: the volume, once opened
 * @journal_now: where its external journal is; NULL: look for it
 * @force: do not check the volume before its blocks are changed
 * @label: new label, or NULL
 * @uuid: new UUID, with @set_uuid
 * @reserved: blocks to reserve, with @set_reserved
 * @permille: share of the blocks to reserve, with @set_permille
 * @opts_on: default mount options to set
 * @opts_off: default mount options to clear
 * @errors: LNKFS_ERRORS_*, or 0
 * @mounts: mount count, with @set_mounts
 * @checked: time of the last check, with @set_checked
 * @quota_on: quota files to make: bits 1 << LNKFS_QUOTA_*
 * @quota_off: quota files to remove
 * @backref_on: make back references
 * @backref_off: remove them
 * @fast_on: have room for fast commits
 * @fast_off: have none
 * @batch: blocks to change before a commit, once that is known
 * @undone: what was begun did not fit and has been undone
 * @journal_bytes: size of an internal journal to have, or 0
 * @journal: device of an external journal to have, or NULL
 */
struct tune {
	const char *device;
	struct lnkfs_volume v;
	const char *journal_now;
	bool force;
	const char *label;
	u8 uuid[16];
	bool set_uuid;
	u64 reserved;
	bool set_reserved;
	u32 permille;
	bool set_permille;
	u32 opts_on;
	u32 opts_off;
	u8 errors;
	u32 mounts;
	bool set_mounts;
	u64 checked;
	bool set_checked;
	u32 quota_on;
	u32 quota_off;
	bool backref_on;
	bool backref_off;
	bool fast_on;
	bool fast_off;
	u32 batch;
	bool undone;
	u64 journal_bytes;
	const char *journal;
};

/* tune.lnkfs.c */
void tune_complain(const char *what, const char *fmt, ...) __printf(2, 3);
void __attribute__((noreturn)) tune_fail(const char *what, const char *fmt, ...) __printf(2, 3);
int tune_write_supers(struct tune *t);

/* parse.c */
void tune_parse(struct tune *t, int argc, char **argv, bool *list);
bool tune_changes_blocks(const struct tune *t);
bool tune_wants_more(const struct tune *t);

/* list.c */
void tune_list(const struct lnkfs_super_block *sb);

/* online.c */
bool tune_find_mount(const char *device, char *mnt, size_t len, int *fd);
int tune_online(const struct tune *t, const char *mnt, int fd);

/* journal.c */
int tune_journal_prepare(struct tune *t, const char **why);
int tune_commit(struct tune *t);
int tune_step(void *tune);
u64 tune_writes(const struct tune *t);
int tune_journal(struct tune *t);
int tune_fast(struct tune *t, bool on);
void tune_journal_done(struct tune *t);

#endif /* LNKFS_TUNE_H */
