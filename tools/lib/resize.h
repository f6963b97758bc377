/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changing the size of a volume that is not mounted.
 */
#ifndef LNKFS_RESIZE_H
#define LNKFS_RESIZE_H

#include "log.h"
#include "volume.h"

/**
 * struct lnkfs_resize - a volume whose size changes
 * @v: volume, open for writing, its groups loaded
 * @log: its log, which is empty
 * @why: what is in the way, as a phrase, when a function has failed; or NULL
 * @done: something has been changed when a function has failed
 * @no_backref: back references were switched off when a function has failed
 * @batch: for tests: commit when so many blocks have changed; 0: when the log is half
 *	full
 * @progress: called with what has been done and all that there is to do, or NULL
 */
struct lnkfs_resize {
	struct lnkfs_volume *v;
	struct lnkfs_log log;
	const char *why;
	bool done;
	bool no_backref;
	u32 batch;
	void (*progress)(u64 done, u64 total);
};

int lnkfs_resize_open(struct lnkfs_resize *r, struct lnkfs_volume *v, const char *journal);
void lnkfs_resize_close(struct lnkfs_resize *r);
int lnkfs_resize_grow(struct lnkfs_resize *r, u64 blocks);
int lnkfs_resize_minimum(struct lnkfs_resize *r, u64 *blocks);
int lnkfs_resize_shrink(struct lnkfs_resize *r, u64 blocks);

#endif /* LNKFS_RESIZE_H */
