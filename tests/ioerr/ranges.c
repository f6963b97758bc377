// SPDX-License-Identifier: GPL-2.0
/*
 * ranges DEVICE SECTORS TARGET MOUNTPOINT KIND|FILE...: a table for the device
 * mapper, with TARGET (error, or writes: only these fail) for what the volume uses
 * for these things, and DEVICE for everything else.
 *
 * Kinds: super desc bitmap inodemap inodes journal meta (all of these but the
 * journal) free other (blocks of files, directories, trees); with a slash in it, a
 * file: its data.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lnkfs.h"

#define MANY	20000

static const struct {
	const char *name;
	uint64_t owner;
	bool meta;
} kinds[] = {
	{ "super", LNKFS_FMR_OWN_SUPER, true },
	{ "desc", LNKFS_FMR_OWN_DESC, true },
	{ "bitmap", LNKFS_FMR_OWN_BITMAP, true },
	{ "inodemap", LNKFS_FMR_OWN_INODE_MAP, true },
	{ "inodes", LNKFS_FMR_OWN_INODES, true },
	{ "journal", LNKFS_FMR_OWN_JOURNAL, false },
	{ "free", FMR_OWN_FREE, false },
	{ "other", FMR_OWN_UNKNOWN, false },
};

static struct range { uint64_t start, end; } ranges[MANY];
static int count;

static void add(uint64_t byte, uint64_t len)
{
	if (count == MANY)
		errx(2, "too many ranges");
	ranges[count].start = byte / 512;
	ranges[count++].end = (byte + len) / 512;
}

static bool wanted(uint64_t owner, char **names)
{
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].owner == owner)
			break;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		return false;
	for (; *names; names++)
		if (!strcmp(*names, kinds[i].name) || (kinds[i].meta && !strcmp(*names, "meta")))
			return true;
	return false;
}

static void of_volume(const char *mnt, char **names)
{
	struct fsmap_head *h = calloc(1, fsmap_sizeof(MANY));
	int fd = open(mnt, O_RDONLY);
	unsigned int i;

	if (!h || fd < 0)
		err(2, "%s", mnt);
	h->fmh_count = MANY;
	memset(&h->fmh_keys[1], 0xff, sizeof(h->fmh_keys[1]));
	memset(h->fmh_keys[1].fmr_reserved, 0, sizeof(h->fmh_keys[1].fmr_reserved));
	if (ioctl(fd, FS_IOC_GETFSMAP, h))
		err(2, "GETFSMAP");
	for (i = 0; i < h->fmh_entries; i++)
		if (wanted(h->fmh_recs[i].fmr_owner, names))
			add(h->fmh_recs[i].fmr_physical, h->fmh_recs[i].fmr_length);
	close(fd);
	free(h);
}

static void of_file(const char *name)
{
	const unsigned int most = 2000;
	struct fiemap *fm = calloc(1, sizeof(*fm) + most * sizeof(struct fiemap_extent));
	int fd = open(name, O_RDONLY | O_NOFOLLOW);
	unsigned int i;

	/* Something else may have that name meanwhile, or nothing. */
	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return;
	if (!fm || fd < 0)
		err(2, "%s", name);
	fm->fm_length = FIEMAP_MAX_OFFSET;
	fm->fm_flags = FIEMAP_FLAG_SYNC;
	fm->fm_extent_count = most;
	if (ioctl(fd, FS_IOC_FIEMAP, fm)) {
		if (errno != EOPNOTSUPP)
			err(2, "FIEMAP %s", name);
		fm->fm_mapped_extents = 0;
	}
	for (i = 0; i < fm->fm_mapped_extents; i++)
		add(fm->fm_extents[i].fe_physical, fm->fm_extents[i].fe_length);
	close(fd);
	free(fm);
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void line(uint64_t start, uint64_t end, const char *target, const char *device)
{
	if (start >= end)
		return;
	printf("%llu %llu ", (unsigned long long)start, (unsigned long long)(end - start));
	if (!target)
		printf("linear %s %llu\n", device, (unsigned long long)start);
	else if (!strcmp(target, "writes"))
		printf("flakey %s %llu 0 3600 1 error_writes\n", device, (unsigned long long)start);
	else
		printf("error\n");
}

int main(int argc, char **argv)
{
	uint64_t at = 0, size;
	int i;

	if (argc < 6)
		errx(2, "usage: ranges DEVICE SECTORS error|writes MOUNTPOINT KIND|FILE...");
	size = strtoull(argv[2], NULL, 0);
	of_volume(argv[4], argv + 5);
	for (i = 5; i < argc; i++)
		if (strchr(argv[i], '/'))
			of_file(argv[i]);
	if (!count)
		errx(2, "nothing found");
	qsort(ranges, count, sizeof(ranges[0]), by_start);
	for (i = 0; i < count; i++) {
		if (ranges[i].end <= at)
			continue;
		line(at, ranges[i].start, NULL, argv[1]);
		while (i + 1 < count && ranges[i + 1].start <= ranges[i].end) {
			ranges[i + 1].start = ranges[i].start;
			if (ranges[i + 1].end < ranges[i].end)
				ranges[i + 1].end = ranges[i].end;
			i++;
		}
		line(ranges[i].start, ranges[i].end, argv[3], argv[1]);
		at = ranges[i].end;
	}
	line(at, size, NULL, argv[1]);
	return 0;
}
