/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Volumes in memory for the unit tests.
 */
#ifndef LNKFS_FIXTURE_H
#define LNKFS_FIXTURE_H

#include "check.h"
#include "format.h"
#include "tap.h"

#define MIB	(1ULL << 20)

static const u32 fixture_bits[] = { 10, 11, 12 };

/* A new volume with a root directory; misuse of the host interface is fatal. */
static inline void volume_make(struct lnkfs_volume *v, u64 bytes, u32 bits)
{
	memset(v, 0, sizeof(*v));
	REQUIRE(!lnkfs_format_mem(v, bytes, bits, false));
	v->strict = true;
	v->quiet = true;
}

static inline void volume_done(struct lnkfs_volume *v)
{
	memset(&v->fault, 0, sizeof(v->fault));
	CHECK_EQ(lnkfs_volume_close(v), 0);
}

static inline void volume_say(void *ctx, const char *text)
{
	(void)ctx;
	printf("# fsck: %s\n", text);
}

/* Walk everything, read back from the disk, freed blocks committed. */
static inline void volume_walk(struct lnkfs_volume *v, void (*say)(void *, const char *),
			       struct lnkfs_fsck_result *res)
{
	const struct lnkfs_fsck_ops ops = { .say = say };

	lnkfs_volume_commit(v);
	CHECK_EQ(lnkfs_cache_drop(v), 0);
	CHECK_EQ(lnkfs_fsck_volume(v, &ops, NULL, res), 0);
	CHECK_EQ(res->free_blocks, v->free_blocks);
}

/* The same, and nothing may be wrong. */
static inline u64 volume_check(struct lnkfs_volume *v, struct lnkfs_fsck_result *out)
{
	struct lnkfs_fsck_result res;

	volume_walk(v, volume_say, &res);
	CHECK_EQ(res.problems, 0);
	if (out)
		*out = res;
	return res.problems;
}

#endif /* LNKFS_FIXTURE_H */
