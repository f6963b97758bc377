// SPDX-License-Identifier: GPL-2.0
/*
 * fragment FILE COUNT SIZE: write every other piece of SIZE bytes, the last
 * one first and synced now and then, so that each becomes an extent of its
 * own; then read all of it back, holes included.
 *
 * Exit status: 0, 1 when the contents differ, 2 for errors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long i, count = argc == 4 ? atol(argv[2]) : 0;
	size_t size = argc == 4 ? atol(argv[3]) : 0;
	unsigned char *piece, *got;
	int fd;

	if (count <= 0 || !size)
		errx(2, "usage: fragment FILE COUNT SIZE");
	piece = malloc(size);
	got = malloc(2 * size);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (!piece || !got || fd < 0)
		err(2, "%s", argv[1]);
	for (i = count - 1; i >= 0; i--) {
		memset(piece, i | 1, size);
		if (pwrite(fd, piece, size, (off_t)i * 2 * size) != (ssize_t)size)
			err(2, "pwrite");
		if (i % 512 == 0 && fdatasync(fd))
			err(2, "fdatasync");
	}
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		err(2, "fsync");
	for (i = 0; i < count; i++) {
		size_t want = i == count - 1 ? size : 2 * size;

		if (pread(fd, got, want, (off_t)i * 2 * size) != (ssize_t)want)
			err(2, "pread");
		memset(piece, i | 1, size);
		if (memcmp(got, piece, size))
			errx(1, "piece %ld is not what was written", i);
		memset(piece, 0, size);
		if (want > size && memcmp(got + size, piece, size))
			errx(1, "the hole after piece %ld is not zero", i);
	}
	return 0;
}
