// SPDX-License-Identifier: GPL-2.0
/*
 * errseq DIR BREAK HEAL: who hears of data that were lost, how often. BREAK and HEAL
 * are commands that make the blocks of DIR's files impossible to write, and possible
 * again. Prints what each call says: the same on every filesystem.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	65536

static char data[SIZE], back[SIZE];

static int open_or_die(const char *name, int flags)
{
	int fd = open(name, flags, 0644);

	if (fd < 0)
		err(2, "%s", name);
	return fd;
}

static void say(const char *what, int ret)
{
	printf("%s: %s\n", what, ret < 0 ? strerror(errno) : "done");
}

static void put(int fd, char c)
{
	memset(data, c, SIZE);
	if (pwrite(fd, data, SIZE, 0) != SIZE)
		err(2, "write");
}

static void run(const char *command)
{
	if (system(command))
		errx(2, "%s", command);
}

/* Whether a file holds nothing but @c, from the device. */
static void holds(const char *name, char c)
{
	int fd = open_or_die(name, O_RDONLY);
	ssize_t n;

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	n = pread(fd, back, SIZE, 0);
	memset(data, c, SIZE);
	printf("%s holds it: %s\n", name, n == SIZE && !memcmp(data, back, SIZE) ? "yes" : "no");
	close(fd);
}

int main(int argc, char **argv)
{
	int a, b, late, other, root, root2, mapped, clean;
	char *p;

	if (argc != 4 || chdir(argv[1]))
		errx(2, "usage: errseq DIR BREAK HEAL");
	setvbuf(stdout, NULL, _IOLBF, 0);
	a = open_or_die("lost", O_RDWR | O_CREAT);
	put(a, 'a');
	other = open_or_die("other", O_RDWR | O_CREAT);
	put(other, 'a');
	mapped = open_or_die("mapped", O_RDWR | O_CREAT);
	put(mapped, 'a');
	clean = open_or_die("clean", O_RDWR | O_CREAT);
	put(clean, 'a');
	b = open_or_die("lost", O_RDONLY);
	root = open_or_die(".", O_RDONLY);
	root2 = open_or_die(".", O_RDONLY);
	say("sync before", syncfs(root));
	say("sync before, again", syncfs(root2));

	run(argv[2]);
	put(a, 'b');
	say("fsync by the writer", fsync(a));
	say("fsync by the writer, again", fsync(a));
	say("fdatasync by the writer", fdatasync(a));
	late = open_or_die("lost", O_RDWR);
	say("fsync through a descriptor opened later", fsync(late));
	say("fsync through a read-only descriptor", fsync(b));
	say("fsync through it, again", fsync(b));
	say("fsync of a file that lost nothing", fsync(clean));
	say("syncfs", syncfs(root));
	say("syncfs, again", syncfs(root));
	say("syncfs through another descriptor", syncfs(root2));

	put(other, 'b');
	say("sync_file_range", sync_file_range(other, 0, 0, SYNC_FILE_RANGE_WRITE |
					       SYNC_FILE_RANGE_WAIT_AFTER));
	sync();
	say("fsync after sync", fsync(other));
	say("syncfs after sync", syncfs(root));
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	if (p == MAP_FAILED)
		err(2, "mmap");
	memset(p, 'b', SIZE);
	say("msync", msync(p, SIZE, MS_SYNC));
	say("msync, again", msync(p, SIZE, MS_SYNC));
	close(a);
	a = open_or_die("lost", O_RDWR | O_DSYNC);
	memset(data, 'c', SIZE);
	say("O_DSYNC write", pwrite(a, data, SIZE, 0));
	close(a);
	a = open_or_die("lost", O_RDWR);
	put(a, 'd');
	sync();
	close(a);
	a = open_or_die("lost", O_RDWR);
	say("fsync by the first to open it since", fsync(a));
	say("fsync by it, again", fsync(a));
	close(late);
	late = open_or_die("lost", O_RDWR | O_DIRECT);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 'e', SIZE);
	say("direct write", pwrite(late, p, SIZE, 0));
	say("fsync after it", fsync(late));

	run(argv[3]);
	put(a, 'f');
	say("fsync when it is healed", fsync(a));
	say("syncfs when it is healed", syncfs(root));
	holds("lost", 'f');
	holds("clean", 'a');
	return 0;
}
