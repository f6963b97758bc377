/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of trees share: numbers that look random, and a count of the nodes
 * that were reported as lost.
 */
#ifndef LNKFS_TEST_TREE_H
#define LNKFS_TEST_TREE_H

#include <string.h>

#include "volume.h"

static u64 rnd_state;
static u32 lost;

static u64 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state * 0x2545f4914f6cdd1dULL;
}

static u32 below(u32 n)
{
	return (u32)((rnd() >> 32) % n);
}

/* For struct lnkfs_volume.report. */
static void note_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	(void)ctx;
	(void)err;
	(void)ino;
	(void)block;
	if (strstr(text, "is lost"))
		lost++;
}

#endif /* LNKFS_TEST_TREE_H */
