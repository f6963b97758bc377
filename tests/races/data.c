// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the data of files. What is written is made of words that say in
 * which file they are; with zeroes, nothing else may ever be read. Bytes are
 * judged one by one, since a reader may see half of a word that is being written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "races.h"

#define LONGEST		(64 * 1024)

static unsigned char *buffer;
static sigjmp_buf past_end;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(past_end, 1);
}

/* In each process, before its first operation. */
void data_init(void)
{
	signal(SIGBUS, on_sigbus);
	if (posix_memalign((void **)&buffer, 4096, LONGEST))
		abort();
}

/* Six bytes, none of them 0, that tell a file from others; 0: not to be had. */
uint64_t file_id(int fd)
{
	uint64_t id;
	struct stat st;
	int gen = 0, i;

	if (fstat(fd, &st) || ioctl(fd, FS_IOC_GETVERSION, &gen))
		return 0;
	id = (st.st_ino << 32 | (unsigned int)gen) * 0x9e3779b97f4a7c15ULL;
	id ^= id >> 29;
	for (i = 0; i < 6; i++) {
		if (!(id >> (8 * i) & 0xff))
			id |= 0x5aULL << (8 * i);
	}
	return id & 0xffffffffffffULL;
}

/* Offset of the first byte that does not belong to the file, or @len. */
size_t bad_byte(const unsigned char *data, size_t len, uint64_t id)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (data[i] && i % 8 >= 2 && data[i] != (id >> (8 * (i % 8 - 2)) & 0xff))
			break;
	}
	return i;
}

/* @len bytes of words of the file, all alike. */
void fill_units(struct worker *w, void *data, size_t len, uint64_t id)
{
	uint64_t word = id << 16 | (1 + below(w, 0xfffe)), *p = data;
	size_t i;

	for (i = 0; i < len / sizeof(word); i++)
		p[i] = word;
}

static void check_data(const char *path, off_t at, size_t len, uint64_t id)
{
	size_t bad = id ? bad_byte(buffer, len, id) : len;

	if (bad < len)
		fail("%s: byte %zu of %zu read at %ld is 0x%02x, which is not of this file", path,
		     bad, len, (long)at, buffer[bad]);
}

/* A range in whole units. */
static void pick_range(struct worker *w, off_t *at, size_t *len)
{
	*at = (off_t)below(w, DATA_LIMIT / UNIT) * UNIT;
	*len = (1 + below(w, below(w, 3) ? 16 : LONGEST / UNIT)) * UNIT;
}

static void write_some(struct worker *w, int flags)
{
	char path[64];
	uint64_t id;
	size_t len;
	off_t at;
	int fd;

	fd = open_any(w, O_RDWR | flags, path);
	if (fd < 0)
		return;
	id = file_id(fd);
	if (id) {
		pick_range(w, &at, &len);
		fill_units(w, buffer, len, id);
		may(w, "pwrite", pwrite(fd, buffer, len, at));
	}
	close(fd);
}

void op_write(struct worker *w)
{
	static const int flags[] = { 0, 0, O_CREAT, O_APPEND, O_DSYNC };

	write_some(w, flags[below(w, 5)]);
}

void op_direct(struct worker *w)
{
	static const int flags[] = { 0, 0, O_CREAT, O_DSYNC };

	write_some(w, O_DIRECT | flags[below(w, 4)]);
}

/* Store into a mapping, or look at it. The file may end before it does. */
static void use_mapping(struct worker *w, int fd, const char *path, uint64_t id, bool store)
{
	off_t at = (off_t)below(w, DATA_LIMIT / 4096) * 4096;
	size_t len = (1 + below(w, 8)) * 4096;
	void *p;

	p = mmap(NULL, len, PROT_READ | (store ? PROT_WRITE : 0), MAP_SHARED, fd, at);
	if (p == MAP_FAILED) {
		may(w, "mmap", -1);
		return;
	}
	if (!sigsetjmp(past_end, 1)) {
		if (store) {
			fill_units(w, p, len, id);
		} else {
			memcpy(buffer, p, len);
			check_data(path, at, len, id);
		}
	}
	if (store && !below(w, 4))
		may(w, "msync", msync(p, len, MS_SYNC));
	munmap(p, len);
}

void op_mmap(struct worker *w)
{
	char path[64];
	uint64_t id;
	int fd;

	fd = open_any(w, O_RDWR, path);
	if (fd < 0)
		return;
	id = file_id(fd);
	if (id)
		use_mapping(w, fd, path, id, true);
	close(fd);
}

void op_read(struct worker *w)
{
	unsigned int how = below(w, 3);
	char path[64];
	uint64_t id;
	ssize_t got;
	size_t len;
	off_t at;
	int fd;

	fd = open_any(w, how == 1 ? O_RDONLY | O_DIRECT : O_RDONLY, path);
	if (fd < 0)
		return;
	id = file_id(fd);
	if (how == 2) {
		use_mapping(w, fd, path, id, false);
	} else {
		pick_range(w, &at, &len);
		got = may(w, "pread", pread(fd, buffer, len, at));
		if (got > 0)
			check_data(path, at, got, id);
	}
	close(fd);
}

void op_truncate(struct worker *w)
{
	char path[64];
	size_t len;
	off_t at;
	int fd;

	fd = open_any(w, below(w, 4) ? O_RDWR : O_RDWR | O_TRUNC, path);
	if (fd < 0)
		return;
	pick_range(w, &at, &len);
	may(w, "ftruncate", ftruncate(fd, at));
	close(fd);
}

void op_fallocate(struct worker *w)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	int mode = modes[below(w, 8)], fd;
	struct stat st;
	char path[64];
	size_t len;
	off_t at;

	fd = open_any(w, O_RDWR, path);
	if (fd < 0)
		return;
	pick_range(w, &at, &len);
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		at &= ~4095;
		len = (len + 4095) & ~4095;
	}
	if (mode == FALLOC_FL_INSERT_RANGE && (fstat(fd, &st) || st.st_size > 4 * DATA_LIMIT))
		may(w, "ftruncate", ftruncate(fd, 0));
	else
		may(w, "fallocate", fallocate(fd, mode, at, len));
	close(fd);
}

/* Within a file: what is read there is still its own. */
void op_copy(struct worker *w)
{
	loff_t from, to;
	char path[64];
	size_t len;
	int fd;

	fd = open_any(w, O_RDWR, path);
	if (fd < 0)
		return;
	pick_range(w, &from, &len);
	pick_range(w, &to, &len);
	may(w, "copy_file_range", copy_file_range(fd, &from, fd, &to, len, 0));
	close(fd);
}

void op_fsync(struct worker *w)
{
	char path[64];
	int fd;

	fd = open_any(w, O_RDONLY, path);
	if (fd < 0)
		fd = may(w, "open", open("a", O_RDONLY));
	if (fd < 0)
		return;
	if (below(w, 2))
		may(w, "fsync", fsync(fd));
	else
		may(w, "fdatasync", fdatasync(fd));
	close(fd);
}

static void fiemap(struct worker *w, int fd, const char *path)
{
	char room[sizeof(struct fiemap) + 32 * sizeof(struct fiemap_extent)] = {};
	struct fiemap *f = (void *)room;
	unsigned int i;

	f->fm_length = FIEMAP_MAX_OFFSET;
	f->fm_extent_count = 32;
	f->fm_flags = below(w, 2) ? FIEMAP_FLAG_SYNC : 0;
	if (may(w, "fiemap", ioctl(fd, FS_IOC_FIEMAP, f)))
		return;
	for (i = 1; i < f->fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &f->fm_extents[i];

		if (e->fe_logical < e[-1].fe_logical + e[-1].fe_length)
			fail("%s: an extent at %llu, after one up to %llu", path, e->fe_logical,
			     e[-1].fe_logical + e[-1].fe_length);
	}
}

/* Where are data? */
void op_map(struct worker *w)
{
	off_t at, next;
	char path[64];
	size_t len;
	int fd;

	fd = open_any(w, O_RDONLY, path);
	if (fd < 0)
		return;
	pick_range(w, &at, &len);
	if (below(w, 2)) {
		fiemap(w, fd, path);
	} else {
		next = may(w, "lseek", lseek(fd, at, below(w, 2) ? SEEK_DATA : SEEK_HOLE));
		if (next >= 0 && next < at)
			fail("%s: lseek from %ld to %ld", path, (long)at, (long)next);
	}
	close(fd);
}
