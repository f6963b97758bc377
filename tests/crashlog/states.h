/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crash states: what of a log is on the disk.
 */
#ifndef LNKFS_CRASHLOG_STATES_H
#define LNKFS_CRASHLOG_STATES_H

#include "wlog.h"

/* How the log is made one that a broken filesystem or disk would leave. */
enum doctor { DOCTOR_NONE, DOCTOR_FUA, DOCTOR_FLUSH, DOCTOR_ORDER };

/**
 * struct states - the states of a log, one after the other
 * @log: the log
 * @seed: what parts of writes are chosen by
 * @variants: parts of the writes before a flush that are tried
 * @doctor: what is wrong with the disk
 * @disk: all that is durable; NULL: states are only counted
 * @at: next entry of the log
 * @mark: last mark before it
 * @number: of the next state
 * @visit: called for each state, @disk being durable, and of the writes from @first to
 *	before @end the sectors whose bits are set in @part (NULL: nothing)
 * @ctx: argument of @visit
 */
struct states {
	const struct wlog *log;
	u64 seed;
	u32 variants;
	enum doctor doctor;
	u8 *disk;
	u32 at;
	u32 mark;
	u32 number;
	void (*visit)(struct states *s, u32 first, u32 end, const u8 *part);
	void *ctx;
};

void states_walk(struct states *s);
void states_part(const struct wlog *log, u32 first, u32 end, const u8 *part, u8 *disk);
u32 states_next_write(const struct wlog *log, u32 at);

#endif /* LNKFS_CRASHLOG_STATES_H */
