// SPDX-License-Identifier: GPL-2.0
/*
 * Images in memory, copied and restored quickly: only what is not a hole.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fscktest.h"

/* Under a fuzzer, what should never happen is a finding. */
bool die_aborts;

/**
 * die() - end this process: the test itself has failed
 * @fmt: why, without the end of the line
 */
void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("Bail out! ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (die_aborts)
		abort();
	_exit(70);
}

static void map(struct img *img, int prot)
{
	img->mem = mmap(NULL, img->bytes, prot, MAP_SHARED, img->fd, 0);
	if (img->mem == MAP_FAILED)
		die("cannot map %s: %s", img->path, strerror(errno));
}

/**
 * img_new() - an empty image in memory
 * @img: filled in
 * @name: for those who look at /proc
 * @bytes: size
 */
void img_new(struct img *img, const char *name, u64 bytes)
{
	memset(img, 0, sizeof(*img));
	img->bytes = bytes;
	img->fd = memfd_create(name, 0);
	if (img->fd < 0 || ftruncate(img->fd, (off_t)bytes) < 0)
		die("no memory for %s: %s", name, strerror(errno));
	snprintf(img->path, sizeof(img->path), "/proc/self/fd/%d", img->fd);
	map(img, PROT_READ | PROT_WRITE);
}

/**
 * img_open() - an image in a file
 * @img: filled in
 * @path: its name
 * @write: it is to be changed
 */
void img_open(struct img *img, const char *path, bool write)
{
	off_t size;

	memset(img, 0, sizeof(*img));
	snprintf(img->path, sizeof(img->path), "%s", path);
	img->fd = open(path, write ? O_RDWR : O_RDONLY);
	size = img->fd < 0 ? -1 : lseek(img->fd, 0, SEEK_END);
	if (size < 0)
		die("%s: %s", path, strerror(errno));
	img->bytes = (u64)size;
	map(img, write ? PROT_READ | PROT_WRITE : PROT_READ);
}

/**
 * img_close() - give it back
 * @img: see img_new() and img_open()
 */
void img_close(struct img *img)
{
	munmap(img->mem, img->bytes);
	close(img->fd);
	free(img->ext);
}

/**
 * img_extents() - note what is not a hole
 * @img: image that does not change any more
 */
void img_extents(struct img *img)
{
	off_t from = 0, to;

	while ((from = lseek(img->fd, from, SEEK_DATA)) >= 0) {
		to = lseek(img->fd, from, SEEK_HOLE);
		if (to < 0)
			break;
		img->ext = realloc(img->ext, (img->nr_ext + 1) * sizeof(*img->ext));
		if (!img->ext)
			die("no memory");
		img->ext[img->nr_ext].at = (u64)from;
		img->ext[img->nr_ext++].len = (u64)(to - from);
		from = to;
	}
}

static void write_all(int fd, u64 at, const u8 *data, u64 len)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n <= 0)
			die("cannot write: %s", strerror(errno));
		at += (u64)n;
		data += n;
		len -= (u64)n;
	}
}

static void copy_to(int fd, const struct img *from)
{
	u32 i;

	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)from->bytes) < 0)
		die("cannot truncate: %s", strerror(errno));
	for (i = 0; i < from->nr_ext; i++)
		write_all(fd, from->ext[i].at, from->mem + from->ext[i].at, from->ext[i].len);
}

/**
 * img_copy() - make an image a copy of another
 * @to: image of the same size
 * @from: image whose extents are known
 */
void img_copy(struct img *to, const struct img *from)
{
	copy_to(to->fd, from);
}

/**
 * img_save() - write an image to a file
 * @img: image; its extents need not be known
 * @path: name of the file
 */
void img_save(const struct img *img, const char *path)
{
	struct img now = *img;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	now.ext = NULL;
	now.nr_ext = 0;
	img_extents(&now);
	copy_to(fd, &now);
	free(now.ext);
	close(fd);
}

static bool zero_outside(const struct img *a, const struct img *b)
{
	u64 at = 0;
	u32 i;

	/* What is a hole in @b may have become zeroes in @a, nothing else. */
	for (i = 0; i <= b->nr_ext; i++) {
		u64 end = i < b->nr_ext ? b->ext[i].at : b->bytes;
		u32 k;

		for (k = 0; k < a->nr_ext; k++) {
			u64 lo = max(at, a->ext[k].at);
			u64 hi = min(end, a->ext[k].at + a->ext[k].len);

			if (lo < hi && memchr_inv(a->mem + lo, 0, hi - lo))
				return false;
		}
		if (i < b->nr_ext)
			at = b->ext[i].at + b->ext[i].len;
	}
	return true;
}

/**
 * img_same() - are two images the same?
 * @a: one, whose extents are noted anew
 * @b: the other, whose extents are known
 */
bool img_same(struct img *a, const struct img *b)
{
	u32 i;

	free(a->ext);
	a->ext = NULL;
	a->nr_ext = 0;
	img_extents(a);
	for (i = 0; i < b->nr_ext; i++)
		if (memcmp(a->mem + b->ext[i].at, b->mem + b->ext[i].at, b->ext[i].len))
			return false;
	return zero_outside(a, b);
}
