// SPDX-License-Identifier: GPL-2.0
/*
 * ballast DIR KIB SEED: fill a volume with files of all sizes, then remove some
 * at random until KIB are free: what is left of the space is in pieces.
 *
 * Exit status: 0, 2 for errors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LARGEST	(512 * 1024)

static char buf[LARGEST];
static uint64_t state;

static size_t below(size_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static const char *name(unsigned int n)
{
	static char s[32];

	snprintf(s, sizeof(s), "%u", n);
	return s;
}

static unsigned long long free_bytes(void)
{
	struct statvfs st;

	if (statvfs(".", &st))
		err(2, "statvfs");
	return (unsigned long long)st.f_bavail * st.f_frsize;
}

/* Write file @n, or as much of it as there is room for; 0 when there is none. */
static int one_file(unsigned int n)
{
	size_t len = 1 + below(below(4) ? 24 * 1024 : LARGEST);
	int fd = open(name(n), O_WRONLY | O_CREAT | O_EXCL, 0644);
	ssize_t ret;

	if (fd < 0 && errno == ENOSPC)
		return 0;
	if (fd < 0)
		err(2, "open");
	ret = write(fd, buf, len);
	if (ret < 0 && errno != ENOSPC)
		err(2, "write");
	if (close(fd))
		err(2, "close");
	return ret == (ssize_t)len;
}

int main(int argc, char **argv)
{
	unsigned long long left;
	unsigned int n = 0, i;

	if (argc != 4)
		errx(2, "usage: ballast DIR KIB SEED");
	left = strtoull(argv[2], NULL, 0) << 10;
	state = strtoull(argv[3], NULL, 0);
	if (chdir(argv[1]))
		err(2, "%s", argv[1]);
	memset(buf, 'b', sizeof(buf));
	while (one_file(n))
		n++;
	for (i = 0; free_bytes() < left; i++) {
		if (i > 100 * n)
			errx(2, "cannot make room");
		if (unlink(name(below(n))) && errno != ENOENT)
			err(2, "unlink");
		if (i % 64 == 0)
			sync();
	}
	sync();
	printf("%u files written, %llu KiB free\n", n, free_bytes() >> 10);
	return 0;
}
