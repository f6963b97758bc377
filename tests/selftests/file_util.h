/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of regular files: patterns, extent maps, and ext4 beside the
 * filesystem under test.
 */
#ifndef LNKFS_FILE_UTIL_H
#define LNKFS_FILE_UTIL_H

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "lnkfs_test.h"
#include "volume.h"

#define KIB	1024
#define MIB	(1024 * 1024)
#define GIB	(1ULL << 30)
#define TIB	(1ULL << 40)

static inline void fill(void *buf, size_t len, unsigned int seed)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (i * 31 + seed * 97 + (i >> 8)) & 0xff ?: 0x5a;
}

static inline bool all_zero(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static inline void *aligned(size_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, len))
		return NULL;
	memset(p, 0, len);
	return p;
}

/* An extent map: @n extents in @pieces that do not continue each other. */
struct emap {
	unsigned int n;
	unsigned int pieces;
	uint64_t bytes;
	uint32_t flags;
	struct fiemap_extent e[1024];
};

/* Read the extent map of @fd from @start on; 0 or -1. */
static inline int get_map_from(int fd, uint32_t flags, uint64_t start, struct emap *m)
{
	size_t size = sizeof(struct fiemap) + sizeof(m->e);
	struct fiemap *fm = calloc(1, size);
	unsigned int i;
	int ret;

	memset(m, 0, sizeof(*m));
	fm->fm_start = start;
	fm->fm_length = ~0ULL - start;
	fm->fm_flags = flags;
	fm->fm_extent_count = ARRAY_SIZE(m->e);
	ret = ioctl(fd, FS_IOC_FIEMAP, fm);
	if (!ret) {
		m->n = fm->fm_mapped_extents;
		memcpy(m->e, fm->fm_extents, m->n * sizeof(m->e[0]));
	}
	free(fm);
	for (i = 0; i < m->n; i++) {
		const struct fiemap_extent *x = &m->e[i];

		m->bytes += x->fe_length;
		m->flags |= x->fe_flags;
		if (!i || x[-1].fe_physical + x[-1].fe_length != x->fe_physical)
			m->pieces++;
	}
	return ret;
}

static inline int get_map(int fd, uint32_t flags, struct emap *m)
{
	return get_map_from(fd, flags, 0, m);
}

/*
 * Do the next steps with another type of filesystem than the one under test:
 * its volumes are made, mounted and removed between these two calls.
 */
static inline void begin_other(const char *type)
{
	setenv("FILE_FSTYPE", env_or("FSTYPE", "lnkfs"), 1);
	setenv("FILE_FSCK", env_or("LNKFS_FSCK", ""), 1);
	setenv("FSTYPE", type, 1);
	setenv("LNKFS_FSCK", "", 1);
}

static inline void end_other(void)
{
	setenv("FSTYPE", getenv("FILE_FSTYPE"), 1);
	setenv("LNKFS_FSCK", getenv("FILE_FSCK"), 1);
}

/* Sectors written to a block device since boot, or -1. */
static inline long long sectors_written(const char *dev)
{
	return dev_counted(dev, DEV_SECTORS_WRITTEN);
}

#endif /* LNKFS_FILE_UTIL_H */
