// SPDX-License-Identifier: GPL-2.0
/*
 * collide FILE PROCESSES SECONDS: processes write, map, truncate, allocate,
 * punch, zero, collapse, expand, sync and read one file without regard for each
 * other. The contents may be anything they wrote, or zero; what is tested is the
 * kernel's locks and accounts, and that nothing else shows.
 *
 * Exit status: 0, 1 for a byte that nobody wrote, 2 for errors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT	(4096 * 1024)
#define LONGEST	(300 * 1024)

static sigjmp_buf past_end;
static unsigned char *data, *got;
static int fd, dfd, processes;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(past_end, 1);
}

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

/* Nobody writes anything but the number of a process. */
static void check(size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (got[i] > processes)
			errx(1, "0x%02x, which nobody wrote", got[i]);
}

static void map_and_write(size_t at, size_t len)
{
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);

	if (p == MAP_FAILED)
		err(2, "mmap");
	if (!sigsetjmp(past_end, 1))
		memcpy(p, data, len);
	munmap(p, len);
}

/* Any mode; those that want whole blocks get whole pages. */
static int allocate(size_t at, size_t len)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	int mode = modes[below(sizeof(modes) / sizeof(modes[0]))];
	struct stat st;

	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		at &= ~(size_t)4095;
		len = (len + 4095) & ~(size_t)4095;
	}
	if (mode == FALLOC_FL_INSERT_RANGE && (fstat(fd, &st) || st.st_size > 2 * LIMIT))
		return 0;
	/* Whether the file is long enough is known to nobody. */
	return fallocate(fd, mode, at, len) && errno != EINVAL ? -1 : 0;
}

static void step(void)
{
	size_t at = below(LIMIT / 1024) * 1024, len = 1 + below(below(4) ? 20000 : LONGEST);
	size_t page_at = at & ~(size_t)4095, pages = (len + 4095) & ~(size_t)4095;
	ssize_t ret = 0;

	switch (below(11)) {
	case 0:
	case 1:
		ret = pwrite(fd, data, len, at);
		break;
	case 2:
		ret = ftruncate(fd, at);
		break;
	case 3:
		ret = pwrite(dfd, data, pages, page_at);
		break;
	case 4:
		ret = pread(dfd, got, pages, page_at);
		if (ret > 0)
			check(ret);
		break;
	case 5:
	case 6:
		map_and_write(page_at, len);
		break;
	case 7:
		ret = fdatasync(fd);
		break;
	case 8:
	case 9:
		ret = allocate(at, len);
		break;
	case 10:
		ret = pread(fd, got, len, at);
		if (ret > 0)
			check(ret);
		break;
	}
	/* A direct write and a mapping in the same place: the manual says don't. */
	if (ret < 0 && errno != EIO)
		err(2, "file");
}

static int work(const char *path, int number, time_t end)
{
	srand(number);
	signal(SIGBUS, on_sigbus);
	fd = open(path, O_RDWR);
	dfd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || dfd < 0)
		err(2, "%s", path);
	memset(data, number, LONGEST + 4096);
	while (time(NULL) < end)
		step();
	return 0;
}

int main(int argc, char **argv)
{
	int i, status, result = 0;
	time_t end;

	if (argc != 4)
		errx(2, "usage: collide FILE PROCESSES SECONDS");
	processes = atoi(argv[2]);
	end = time(NULL) + atoi(argv[3]);
	if (processes < 1 || processes > 255 ||
	    posix_memalign((void **)&data, 4096, LONGEST + 4096) ||
	    posix_memalign((void **)&got, 4096, LONGEST + 4096))
		errx(2, "no memory");
	if (open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644) < 0)
		err(2, "%s", argv[1]);
	for (i = 1; i <= processes; i++)
		if (fork() == 0)
			return work(argv[1], i, end);
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	return result;
}
