// SPDX-License-Identifier: GPL-2.0
/*
 * gone DIR SECONDS: processes with files open, mapped, written past the page cache
 * and as their directory, while the device goes away. Each goes on until it is
 * refused, looks what else is, and ends. Exit status 1 when one has not been refused
 * in time, or by another error than there should be.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE	(256 << 10)

static unsigned char *buf;
static sigjmp_buf bus;
static time_t end;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

/* 0: refused as it should be. */
static int refused(const char *what)
{
	if (errno == EIO || errno == EROFS || errno == ENODEV || errno == ENXIO)
		return 0;
	warn("%s", what);
	return 1;
}

static int make(const char *name, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | flags, 0644);

	if (fd < 0)
		err(2, "%s", name);
	return fd;
}

static bool late(void)
{
	return time(NULL) > end;
}

static int buffered(void)
{
	int fd = make("buffered", 0), n = 0;

	while (!late())
		if (pwrite(fd, buf, 5000, n++ % 50 * 5000) != 5000 || (n % 8 == 0 && fsync(fd))) {
			int bad = refused("write");

			/* Once more: no hang, no success of what cannot be. */
			if (!pwrite(fd, buf, 5000, 0) || !fsync(fd))
				bad = 1;
			return bad | close(fd);
		}
	return 3;
}

static int direct(void)
{
	int fd = make("direct", O_DIRECT), n = 0;

	while (!late())
		if (pwrite(fd, buf, 65536, n++ % 4 * 65536L) != 65536)
			return refused("direct write");
	return 3;
}

static int direct_in_place(void)
{
	int fd = make("in-place", O_DIRECT), n = 0;

	if (pwrite(fd, buf, SIZE, 0) != SIZE || fsync(fd))
		return refused("write");
	while (!late())
		if (pwrite(fd, buf, 8192, n % 16 * 8192L) != 8192 ||
		    pread(fd, buf, 8192, n++ % 16 * 8192L) != 8192)
			return refused("direct write in place");
	return 3;
}

static int mapped(void)
{
	int fd = make("mapped", 0);
	unsigned char *p;
	volatile int n = 0;

	if (ftruncate(fd, SIZE))
		return refused("ftruncate");
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return refused("mmap");
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1)) {
		while (!late()) {
			memset(p + n % 64 * 4096L, n, 4096);
			if (++n % 32 == 0 && msync(p, SIZE, MS_SYNC)) {
				int bad = refused("msync");

				return bad | munmap(p, SIZE);
			}
		}
		return 3;
	}
	return munmap(p, SIZE);
}

static int names(void)
{
	struct stat st;
	int n = 0, fd;
	char name[32];

	if (mkdir("cwd", 0755) || chdir("cwd"))
		return refused("mkdir");
	while (!late()) {
		snprintf(name, sizeof(name), "n%d", n++ % 100);
		unlink(name);
		if (symlink("target", name)) {
			int bad = errno == EEXIST ? 0 : refused("symlink");

			fd = open(".", O_RDONLY);
			if (fd >= 0 && !fsync(fd))
				warnx("fsync of a directory works"), bad = 1;
			if (mkdir("sub", 0755) == 0)
				warnx("mkdir works"), bad = 1;
			stat("none", &st);
			return bad;
		}
		if (n % 20 == 0) {
			fd = open(".", O_RDONLY);
			if (fd < 0 || fsync(fd))
				return refused("fsync of a directory");
			close(fd);
		}
	}
	return 3;
}

static int reader(void)
{
	int fd = make("read", O_DIRECT);

	if (pwrite(fd, buf, SIZE, 0) != SIZE || fsync(fd))
		return refused("write");
	while (!late())
		if (pread(fd, buf, 4096, 0) != 4096)
			return refused("read");
	return 3;
}

static int syncer(void)
{
	int fd = open(".", O_RDONLY);

	while (!late()) {
		if (syncfs(fd))
			return refused("syncfs");
		usleep(50000);
	}
	return 3;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } jobs[] = {
		{ "buffered writes", buffered }, { "direct writes", direct },
		{ "direct writes in place", direct_in_place }, { "mapped", mapped },
		{ "names", names }, { "direct reads", reader }, { "syncfs", syncer },
	};
	const int count = sizeof(jobs) / sizeof(jobs[0]);
	pid_t pid[sizeof(jobs) / sizeof(jobs[0])];
	int i, status, result = 0;

	if (argc != 3 || chdir(argv[1]))
		errx(2, "usage: gone DIR SECONDS");
	end = time(NULL) + atoi(argv[2]);
	if (posix_memalign((void **)&buf, 4096, SIZE))
		err(2, "memory");
	memset(buf, 'g', SIZE);
	for (i = 0; i < count; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(jobs[i].run());
	}
	for (i = 0; i < count; i++) {
		if (waitpid(pid[i], &status, 0) < 0)
			err(2, "wait");
		printf("%s: %s\n", jobs[i].name, !status ? "refused" :
		       WIFEXITED(status) && WEXITSTATUS(status) == 3 ? "never refused" : "wrong");
		result |= !!status;
	}
	return result;
}
