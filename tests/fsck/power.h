/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Power failures: fsck.lnkfs stopped in the middle of its writes.
 */
#ifndef LNKFS_FSCKTEST_POWER_H
#define LNKFS_FSCKTEST_POWER_H

#include "fscktest.h"

#define STATUS_CUT	202	/* the power has failed */
#define STATUS_LOOSE	203	/* it ended, but what it wrote is not durable */

/**
 * struct cut - when the power fails
 * @after: blocks that are written before; ~0: it does not
 * @unit: bytes of a block, which is written as a whole or not at all
 * @seed: which of the blocks that were not synced are lost
 * @small: with a small cache, which is written in between
 */
struct cut {
	u64 after;
	u32 unit;
	u64 seed;
	bool small;
};

void power_on(const struct cut *cut, u64 *blocks);
int power_off(int status);

/* What the linker exchanges, and calls instead. */
ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t at);
int __real_fsync(int fd);
int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __real_lnkfs_cache_init(void *v, u32 mib);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at);
int __wrap_fsync(int fd);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_lnkfs_cache_init(void *v, u32 mib);

#endif /* LNKFS_FSCKTEST_POWER_H */
