// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the space of files. Offsets that have to be multiples of the
 * block size are multiples of 4096 or odd, so that the size of blocks makes no
 * difference. Not here, because ext4 and XFS differ: FALLOC_FL_UNSHARE_RANGE,
 * which only XFS has.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsops.h"

#define PAGE	4096

static void show_falloc(int fd, int mode, off_t off, off_t len)
{
	int ret = fallocate(fd, mode, off, len);
	struct stat st;

	printf("%s", result(ret));
	if (ret || fstat(fd, &st))
		return;
	printf(" size %lld", (long long)st.st_size);
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) &&
	    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		printf(" hash %016llx", (unsigned long long)hash_file(fd, st.st_size));
}

void op_falloc(const char *p)
{
	static const int modes[] = {
		0, 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE, FALLOC_FL_INSERT_RANGE,
		/* what does not go together */
		FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_INSERT_RANGE | FALLOC_FL_ZERO_RANGE, 0x400,
	};
	unsigned int kind = rnd(34), odd = rnd(8);
	int mode = modes[kind < 28 ? kind % 13 : 13 + kind % 4];
	off_t off = some_offset(), len = 1 + rnd(rnd(3) ? 20000 : 100000);
	bool by_slot = rnd(4) == 0;
	int slot = rnd(FDS), fd;

	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		off = off / PAGE * PAGE + (odd == 1 ? 333 : 0);
		len = (1 + len % 9) * PAGE + (odd == 2 ? 77 : 0);
	} else if (odd == 3) {
		len = 0;
	} else if (odd > 5) {
		len = (len + PAGE - 1) / PAGE * PAGE;
	}
	fd = by_slot ? fds[slot] : open_at(p, odd == 4 ? O_RDONLY : O_RDWR, 0);
	printf("falloc %s mode %x at %lld len %lld: ", by_slot ? "slot" : show(p), mode,
	       (long long)off, (long long)len);
	if (fd < 0)
		printf("%s", by_slot ? "none" : strerrorname_np(errno));
	else
		show_falloc(fd, mode, off, len);
	if (!by_slot && fd >= 0)
		close(fd);
}

/*
 * Where the data are, in pages: what a smaller block leaves out of a page does
 * not show. Only what is on disk counts, as what is in memory is as large as
 * it happens to be: the caller has written and dropped it.
 */
static void show_map(int fd, off_t size)
{
	off_t at = 0, end, from = 0, to = 0;
	int parts;

	for (parts = 0; parts < 40 && at < size; parts++) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0) {
			if (errno != ENXIO)
				printf(" %s", strerrorname_np(errno));
			break;
		}
		end = lseek(fd, at, SEEK_HOLE);
		if (end <= at || end > size) {
			printf(" from %lld to %lld", (long long)at, (long long)end);
			break;
		}
		if (to && at / PAGE > to) {
			printf(" %lld-%lld", (long long)from, (long long)to);
			to = 0;
		}
		if (!to)
			from = at / PAGE;
		to = (end + PAGE - 1) / PAGE;
		at = end;
	}
	if (to)
		printf(" %lld-%lld", (long long)from, (long long)to);
}

void op_seek(const char *p)
{
	off_t off = some_offset() - 100, at;
	int fd = open_at(p, O_RDONLY, 0), whence = rnd(2) ? SEEK_DATA : SEEK_HOLE;
	struct stat st;

	printf("seek %s %lld: ", show(p), (long long)off);
	if (fd < 0 || !regular(fd)) {
		printf("%s", fd < 0 ? strerrorname_np(errno) : "none");
	} else {
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		fstat(fd, &st);
		at = lseek(fd, off, whence);
		if (at < 0)
			printf("%s", result(at));
		else
			printf("%s", at < off || at > st.st_size ? "wrong" : "ok");
		show_map(fd, st.st_size);
	}
	if (fd >= 0)
		close(fd);
}
