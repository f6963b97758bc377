/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock of the benchmarks: under QEMU's -icount its nanoseconds are instructions.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

#endif
