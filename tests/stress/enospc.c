// SPDX-License-Identifier: GPL-2.0
/*
 * enospc DIR PROCESSES SECONDS SEED [UID]: processes create, write, map, cut, allocate
 * and remove on a volume that stays full. Nothing but ENOSPC may happen to them; what
 * a call has acknowledged is there, on the disk too; and what takes no space
 * (removing, cutting, writing over what is there or was allocated, fsync) never fails.
 *
 * With UID they are that user's, whose quota is what is used up: EDQUOT will do, too.
 *
 * Prints how often there was no space. Exit status: 0, 1 for wrong contents or a
 * wrong error, 2 when the test itself fails.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
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

#define SLOTS	96
#define LONGEST	(192 * 1024)
#define PAGE	4096
#define PIECE	1024

enum kind { NONE, REG, DIR_, LINK, AHEAD };

/*
 * A file has pattern(tag) up to @written and is a hole from there to @size; one that
 * was allocated ahead has it in these pieces.
 */
static struct slot {
	enum kind kind;
	unsigned char tag;
	size_t written, size;
	unsigned char piece[LONGEST / PIECE];
} slots[SLOTS];

static unsigned char *pattern, *buf;
static uint64_t state;
static unsigned long ops, full;
static int uid;
static sigjmp_buf no_space;

static size_t below(size_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static const char *name(int n)
{
	static char names[2][32];
	static int turn;

	turn = !turn;
	snprintf(names[turn], sizeof(names[turn]), "object-%d", n);
	return names[turn];
}

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_space, 1);
}

/* The call failed: for want of space, or the test has. */
static void want_space(const char *what)
{
	if (errno != ENOSPC && !(uid && errno == EDQUOT))
		err(1, "%s", what);
	full++;
}

static int open_slot(int n, int flags)
{
	int fd = open(name(n), flags | O_RDWR, 0644);

	if (fd < 0)
		err(1, "open %s", name(n));
	return fd;
}

static void fill(const struct slot *s, size_t pos, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = pattern[pos + i] ^ s->tag;
}

static void check(int n)
{
	struct slot *s = &slots[n];
	int fd = open_slot(n, 0);
	struct stat st;
	size_t i;

	if (fstat(fd, &st) || (size_t)st.st_size != s->size)
		errx(1, "%s has %lld bytes instead of %zu", name(n), (long long)st.st_size,
		     s->size);
	if (below(4) == 0 && (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)))
		err(1, "fsync");
	if (pread(fd, buf, LONGEST, 0) != (ssize_t)s->size)
		err(1, "read");
	for (i = 0; i < s->size; i++)
		if (buf[i] != (i < s->written || s->piece[i / PIECE] ? pattern[i] ^ s->tag : 0))
			errx(1, "%s: byte %zu of %zu (%zu) is 0x%02x", name(n), i,
			     s->written, s->size, buf[i]);
	close(fd);
}

/* Write on from where the data end; as much as there is room for. */
static void grow(int n, int flags)
{
	struct slot *s = &slots[n];
	ssize_t ret;
	size_t len;
	int fd;

	if (s->written == LONGEST)
		return;
	len = 1 + below(LONGEST - s->written);
	if (flags & O_DIRECT) {
		if (s->written % PAGE || s->size != s->written)
			return;
		len = (len + PAGE - 1) / PAGE * PAGE;
	}
	fd = open_slot(n, flags);
	fill(s, s->written, len);
	ret = pwrite(fd, buf, len, s->written);
	if (ret < 0)
		want_space("write");
	else
		s->written += ret;
	if (ret >= 0 && (size_t)ret < len)
		full++;
	if (s->size < s->written)
		s->size = s->written;
	close(fd);
}

/* The same through a mapping, page by page, into a hole. */
static void map(int n)
{
	struct slot *s = &slots[n];
	volatile size_t at = s->written / PAGE * PAGE;
	unsigned char *p;
	int fd;

	if (s->size == LONGEST)
		return;
	fd = open_slot(n, 0);
	if (ftruncate(fd, LONGEST))
		err(1, "ftruncate");
	s->size = LONGEST;
	p = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(2, "mmap");
	fill(s, 0, LONGEST);
	if (!sigsetjmp(no_space, 1)) {
		for (; at < LONGEST && below(16); at += PAGE) {
			memcpy(p + at, buf + at, PAGE);
			s->written = at + PAGE;
		}
	} else {
		full++;
	}
	munmap(p, LONGEST);
	close(fd);
}

/* What is there is written over in place: that takes no space. */
static void overwrite(int n)
{
	struct slot *s = &slots[n];
	int fd = open_slot(n, 0);
	size_t pos, len;

	if (s->written) {
		pos = below(s->written);
		len = 1 + below(s->written - pos);
		fill(s, pos, len);
		if (pwrite(fd, buf, len, pos) != (ssize_t)len)
			err(1, "write over %zu+%zu of %zu", pos, len, s->written);
	}
	if (below(3) == 0 && fsync(fd))
		err(1, "fsync");
	close(fd);
}

/* All of a file, or none. */
static int allocate(int n)
{
	int fd = open(name(n), O_RDWR | O_CREAT | O_EXCL, 0644), saved;

	if (fd < 0)
		return -1;
	if (!fallocate(fd, 0, 0, LONGEST)) {
		slots[n].size = LONGEST;
		return close(fd);
	}
	saved = errno;
	if (close(fd) || unlink(name(n)))
		err(1, "unlink");
	errno = saved;
	return -1;
}

/* Scattered pieces of what was allocated: there is always space for these. */
static void pieces(int n)
{
	struct slot *s = &slots[n];
	int fd = open_slot(n, 0), i;
	size_t at;

	for (i = 0; i < 20; i++) {
		at = below(LONGEST / PIECE);
		fill(s, at * PIECE, PIECE);
		if (pwrite(fd, buf, PIECE, at * PIECE) != PIECE)
			err(1, "write into allocated blocks");
		s->piece[at] = 1;
	}
	if (below(3) == 0 && fsync(fd))
		err(1, "fsync");
	close(fd);
}

static void cut(int n)
{
	struct slot *s = &slots[n];

	s->size = below(s->size + 1);
	if (s->written > s->size)
		s->written = s->size;
	if (truncate(name(n), s->size))
		err(1, "truncate");
}

static void take_away(int n)
{
	if (slots[n].kind == REG || slots[n].kind == AHEAD)
		check(n);
	if (slots[n].kind == DIR_ ? rmdir(name(n)) : unlink(name(n)))
		err(1, "remove");
	slots[n].kind = NONE;
}

static void create(int n)
{
	static char target[4096];
	struct slot *s = &slots[n];
	int fd, ret = 0;

	memset(s, 0, sizeof(*s));
	switch (below(8)) {
	case 0:
		s->kind = DIR_;
		ret = mkdir(name(n), 0755);
		break;
	case 1:
		s->kind = LINK;
		memset(target, 'x', sizeof(target));
		target[1 + below(sizeof(target) - 1)] = 0;
		target[sizeof(target) - 1] = 0;
		ret = symlink(target, name(n));
		break;
	case 2:
		s->kind = AHEAD;
		s->tag = below(256);
		ret = allocate(n);
		break;
	default:
		s->kind = REG;
		s->tag = below(256);
		fd = open(name(n), O_RDWR | O_CREAT | O_EXCL, 0644);
		ret = fd < 0 ? -1 : close(fd);
	}
	if (ret) {
		want_space("create");
		s->kind = NONE;
	} else if (s->kind == REG) {
		grow(n, 0);
	}
}

static void move(int from, int to)
{
	if (slots[to].kind != NONE)
		return;
	if (rename(name(from), name(to))) {
		want_space("rename");
		return;
	}
	slots[to] = slots[from];
	slots[from].kind = NONE;
}

static void step(void)
{
	int n = below(SLOTS);

	ops++;
	if (slots[n].kind == NONE) {
		create(n);
		return;
	}
	if (below(12) == 0) {
		move(n, below(SLOTS));
		return;
	}
	if (slots[n].kind == AHEAD && below(8)) {
		if (below(4))
			pieces(n);
		else
			check(n);
		return;
	}
	if (slots[n].kind != REG || below(12) == 0) {
		if (below(3) == 0)
			take_away(n);
		return;
	}
	switch (below(8)) {
	case 0:
	case 1:
		grow(n, 0);
		break;
	case 2:
		grow(n, O_DIRECT);
		break;
	case 3:
		map(n);
		break;
	case 4:
	case 5:
		overwrite(n);
		break;
	case 6:
		if (below(2))
			cut(n);
		break;
	default:
		check(n);
	}
}

static int work(int number, time_t end)
{
	char dir[16];
	int n;

	signal(SIGBUS, on_sigbus);
	snprintf(dir, sizeof(dir), "%d", number);
	if (chdir(dir))
		err(2, "chdir");
	if (uid && (setgid(uid) || setuid(uid)))
		err(2, "setuid");
	while (time(NULL) < end)
		step();
	for (n = 0; n < SLOTS; n++)
		if (slots[n].kind != NONE)
			take_away(n);
	printf("process %d: %lu operations, %lu times no space\n", number, ops, full);
	fflush(stdout);
	return full ? 0 : 2;
}

int main(int argc, char **argv)
{
	int i, status, processes, result = 0;
	char dir[16];
	time_t end;

	if (argc != 5 && argc != 6)
		errx(2, "usage: enospc DIR PROCESSES SECONDS SEED [UID]");
	uid = argc > 5 ? atoi(argv[5]) : 0;
	processes = atoi(argv[2]);
	end = time(NULL) + atoi(argv[3]);
	pattern = malloc(LONGEST);
	if (!pattern || posix_memalign((void **)&buf, PAGE, LONGEST))
		err(2, "memory");
	for (i = 0; i < LONGEST; i++)
		pattern[i] = (i * 7 + i / 251) | 1;
	if (chdir(argv[1]))
		err(2, "%s", argv[1]);
	for (i = 1; i <= processes; i++) {
		snprintf(dir, sizeof(dir), "%d", i);
		if (mkdir(dir, 0755) || chown(dir, uid, uid))
			err(2, "mkdir");
	}
	for (i = 1; i <= processes; i++) {
		state = strtoul(argv[4], NULL, 0) * 1000 + i;
		if (fork() == 0)
			return work(i, end);
	}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	for (i = 1; i <= processes && !result; i++) {
		snprintf(dir, sizeof(dir), "%d", i);
		if (rmdir(dir))
			err(1, "rmdir");
	}
	return result;
}
