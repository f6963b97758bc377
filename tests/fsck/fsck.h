/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running fsck.lnkfs: its main program in a child process of this one.
 */
#ifndef LNKFS_FSCKTEST_FSCK_H
#define LNKFS_FSCKTEST_FSCK_H

#include "manifest.h"
#include "power.h"

#define STATUS_CRASH	200	/* a signal, or a sanitizer's report */
#define STATUS_HANG	201	/* it did not end in time */

/**
 * struct output - what a child process said
 * @fd: file in memory
 * @blocks: KiB that fsck_run() wrote, in memory that is shared with the child
 */
struct output {
	int fd;
	u64 *blocks;
};

void output_new(struct output *out);
void output_end(struct output *out);
char *output_text(struct output *out);

int fsck_run(const char *options, const char *path, struct output *out);
int fsck_cut_and_repair(const char *path, u32 unit, u64 seed, u64 kib, struct output *out,
			const char **why);
int child_run(int (*run)(void *arg, FILE *out), void *arg, struct output *out);

#endif /* LNKFS_FSCKTEST_FSCK_H */
