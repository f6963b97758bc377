/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log of dm-log-writes.
 */
#ifndef LNKFS_CRASHLOG_WLOG_H
#define LNKFS_CRASHLOG_WLOG_H

#include "fscktest.h"

#define SECTOR	512

/**
 * struct wentry - an entry of the log
 * @flush: a flush, without data
 * @fua: durable as soon as it is in the log
 * @mark: number of a mark, else 0
 * @sector: first sector written
 * @sectors: how many; 0: nothing was written
 * @data: what was
 */
struct wentry {
	bool flush;
	bool fua;
	u32 mark;
	u64 sector;
	u32 sectors;
	const u8 *data;
};

/**
 * struct wlog - a log
 * @img: device that holds it
 * @e: its entries
 * @nr: how many
 */
struct wlog {
	struct img img;
	struct wentry *e;
	u32 nr;
};

void wlog_read(struct wlog *log, const char *path);

#endif /* LNKFS_CRASHLOG_WLOG_H */
