// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on names. A link leads to one of the names that nobody touches, and
 * its text says which, so that it can be judged: never empty, never of two links.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "races.h"

static const char dirs[DIRS] = { 'a', 'b' };

/* One of the names that all fight for; every fourth is one level deeper. */
void pick_path(struct worker *w, char *path)
{
	int len = sprintf(path, "%c/n%u", dirs[below(w, DIRS)], below(w, 4));

	if (!below(w, 4))
		sprintf(path + len, "/n%u", below(w, 2));
}

/* Open what such a name stands for, links excepted; the descriptor or -1. */
int open_any(struct worker *w, int flags, char *path)
{
	pick_path(w, path);
	return may(w, "open", open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
}

void stable_name(char *name, const char *dir, unsigned int nr)
{
	sprintf(name, "%s%sstable-%02u", dir, *dir ? "/" : "", nr);
}

void stable_text(char *text, unsigned int nr)
{
	sprintf(text, "the text of %02u, which is always the same\n", nr);
}

/* The text of link @nr: its length tells the number, and so does its end. */
void make_target(char *target, unsigned int nr, bool slow)
{
	unsigned int i, dots = slow ? 950 + 40 * nr : nr;

	for (i = 0; i < dots; i++)
		memcpy(target + 2 * i, "./", 2);
	stable_name(target + 2 * dots, "", nr);
}

/* What is wrong with the text of a link, or NULL. */
const char *bad_target(const char *target, size_t len)
{
	char good[TARGET_MAX];
	unsigned int nr;

	if (len < 9)
		return "too short";
	nr = (target[len - 2] - '0') * 10 + target[len - 1] - '0';
	if (nr >= STABLE)
		return "an end that nobody wrote";
	make_target(good, nr, len > 200);
	if (strlen(good) != len)
		return "a length that nobody wrote";
	return memcmp(good, target, len) ? "a text that nobody wrote" : NULL;
}

void op_create(struct worker *w)
{
	static const int how[] = { O_EXCL, O_TRUNC, 0 };
	char path[64];
	int fd;

	fd = open_any(w, O_CREAT | O_RDWR | how[below(w, 3)], path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !below(w, 8)) {
		pick_path(w, path);
		may(w, "mknod", mknod(path, S_IFIFO | 0644, 0));
	}
}

void op_tmpfile(struct worker *w)
{
	char path[64], self[64];
	struct stat st;
	int fd;

	fd = may(w, "tmpfile", open(below(w, 2) ? "a" : "b", O_TMPFILE | O_RDWR, 0600));
	if (fd < 0)
		return;
	if (below(w, 4)) {
		pick_path(w, path);
		sprintf(self, "/proc/self/fd/%d", fd);
		if (may(w, "linkat", linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) &&
		    !fstat(fd, &st) && st.st_nlink)
			fail("a nameless file has %lu links", (unsigned long)st.st_nlink);
	}
	close(fd);
}

void op_link(struct worker *w)
{
	char from[64], to[64];

	pick_path(w, from);
	pick_path(w, to);
	may(w, "link", linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
}

static void make_link(struct worker *w, bool slow)
{
	char path[64], target[TARGET_MAX];

	pick_path(w, path);
	make_target(target, below(w, STABLE), slow);
	may(w, "symlink", symlink(target, path));
}

void op_symlink_fast(struct worker *w)
{
	make_link(w, false);
}

void op_symlink_slow(struct worker *w)
{
	make_link(w, true);
}

void op_readlink(struct worker *w)
{
	char path[64], target[TARGET_MAX];
	const char *why;
	ssize_t len;

	pick_path(w, path);
	len = may(w, "readlink", readlink(path, target, sizeof(target)));
	if (len < 0)
		return;
	why = w->traits & OP_TRACK ? bad_lead(target, len) : bad_target(target, len);
	if (why)
		fail("%s: a target of %zd bytes: %s", path, len, why);
}

/* What a link leads to is one of the files that are always the same. */
void op_follow(struct worker *w)
{
	char path[64], got[100], good[100];
	unsigned int nr;
	ssize_t len;
	int fd;

	pick_path(w, path);
	/* Links only: of files the data would be wrong. */
	if (below(w, 2) || readlink(path, got, sizeof(got)) < 0)
		return;
	fd = may(w, "follow", open(path, O_RDONLY | O_NONBLOCK));
	if (fd < 0)
		return;
	len = may(w, "read", read(fd, got, sizeof(got) - 1));
	if (len > 12 && !memcmp(got, "the text of ", 12)) {
		got[len] = 0;
		nr = atoi(got + 12);
		stable_text(good, nr);
		if (nr >= STABLE || strcmp(got, good))
			fail("%s leads to '%s'", path, got);
	}
	close(fd);
}

void op_unlink(struct worker *w)
{
	char path[64];

	pick_path(w, path);
	may(w, "unlink", unlink(path));
}

/* A file that lives on without a name. */
void op_orphan(struct worker *w)
{
	unsigned char data[4 * UNIT], got[4 * UNIT];
	char path[64];
	uint64_t id;
	ssize_t len;
	int fd;

	fd = open_any(w, O_CREAT | O_RDWR, path);
	if (fd < 0)
		return;
	id = file_id(fd);
	may(w, "unlink", unlink(path));
	fill_units(w, data, sizeof(data), id);
	may(w, "pwrite", pwrite(fd, data, sizeof(data), 8192));
	len = may(w, "pread", pread(fd, got, sizeof(got), 8192));
	if (len > 0 && bad_byte(got, len, id) < (size_t)len)
		fail("%s: a file without a name has data of others", path);
	if (!below(w, 4))
		nap(2000);
	close(fd);
}

void op_mkdir(struct worker *w)
{
	char path[64];

	pick_path(w, path);
	may(w, "mkdir", mkdir(path, 0755));
}

void op_rmdir(struct worker *w)
{
	char path[64];

	pick_path(w, path);
	may(w, "rmdir", rmdir(path));
}

static long rename2(const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

void op_rename(struct worker *w)
{
	static const unsigned int flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_WHITEOUT };
	char from[64], to[64];

	pick_path(w, from);
	pick_path(w, to);
	may(w, "rename", rename2(from, to, flags[below(w, 5)]));
}

/* "x0" and "x1" are always there, and any two others. */
void op_exchange(struct worker *w)
{
	char from[64], to[64];

	if (below(w, 2)) {
		may(w, "exchange", rename2("a/x0", below(w, 2) ? "a/x1" : "b/x0", RENAME_EXCHANGE));
		return;
	}
	pick_path(w, from);
	pick_path(w, to);
	may(w, "exchange", rename2(from, to, RENAME_EXCHANGE));
}

/* "z" is replaced again and again, and is always there. */
void op_replace(struct worker *w)
{
	char name[64], target[TARGET_MAX];
	int fd;

	sprintf(name, "a/tmp-%d", w->number);
	/* A remount may have kept it from being removed. */
	unlink(name);
	if (below(w, 2)) {
		make_target(target, below(w, STABLE), below(w, 2));
		if (may(w, "symlink", symlink(target, name)))
			return;
	} else {
		fd = may(w, "create", open(name, O_CREAT | O_EXCL | O_WRONLY, 0600));
		if (fd < 0)
			return;
		close(fd);
	}
	may(w, "replace", rename(name, below(w, 2) ? "a/z" : "b/z"));
}

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/**
 * struct listing - what has been seen of a directory
 * @seen: how often each of the names that nobody touches
 * @at: where a listing goes on after each
 * @always: how often "x0", "z" came
 */
struct listing {
	unsigned int seen[STABLE];
	int64_t at[STABLE];
	unsigned int always[2];
};

static void list_name(struct listing *l, const char *name, int64_t off)
{
	unsigned int nr;

	if (!strncmp(name, "stable-", 7)) {
		nr = atoi(name + 7);
		if (nr >= STABLE) {
			fail("a listing has '%s'", name);
			return;
		}
		l->seen[nr]++;
		l->at[nr] = off;
	} else if (!strcmp(name, "x0")) {
		l->always[0]++;
	} else if (!strcmp(name, "z")) {
		l->always[1]++;
	}
}

/* List from where the descriptor is; false on an error. */
static bool list_rest(struct worker *w, int fd, struct listing *l)
{
	union {
		struct dirent64_raw first;
		char bytes[512];
	} buf;
	struct dirent64_raw *d;
	long len, at;

	while ((len = may(w, "getdents", syscall(SYS_getdents64, fd, &buf, sizeof(buf)))) > 0) {
		for (at = 0; at < len; at += d->len) {
			d = (void *)(buf.bytes + at);
			list_name(l, d->name, d->off);
		}
	}
	return len == 0;
}

/* Go back to behind a name: from there on come all that came after it. */
static void list_again(struct worker *w, int fd, const char *dir, const struct listing *l)
{
	unsigned int from = below(w, STABLE), nr;
	struct listing again = {};

	if (may(w, "seekdir", lseek(fd, l->at[from], SEEK_SET)) < 0 || !list_rest(w, fd, &again))
		return;
	for (nr = 0; nr < STABLE; nr++) {
		if (again.seen[nr] != (l->at[nr] > l->at[from]))
			fail("%s: stable-%02u came %u times after stable-%02u", dir, nr,
			     again.seen[nr], from);
	}
}

static void list_one(struct worker *w, const char *dir, int fd)
{
	struct listing l = {};
	unsigned int nr;

	if (!list_rest(w, fd, &l))
		return;
	for (nr = 0; nr < STABLE; nr++) {
		if (l.seen[nr] != 1)
			fail("%s: stable-%02u came %u times", dir, nr, l.seen[nr]);
	}
	if (l.always[0] != 1 || l.always[1] != 1)
		fail("%s: x0 came %u times, z %u", dir, l.always[0], l.always[1]);
	list_again(w, fd, dir, &l);
}

void op_list(struct worker *w)
{
	const char *dir = below(w, 2) ? "a" : "b";
	struct listing l = {};
	char path[64];
	int fd;

	fd = may(w, "opendir", open(dir, O_RDONLY | O_DIRECTORY));
	if (fd >= 0) {
		list_one(w, dir, fd);
		close(fd);
	}
	/* And one of those that come and go. */
	fd = open_any(w, O_RDONLY | O_DIRECTORY, path);
	if (fd >= 0) {
		list_rest(w, fd, &l);
		close(fd);
	}
}

/* What is always there is always found. */
void op_lookup(struct worker *w)
{
	static const char *const always[] = { "a/x0", "a/x1", "b/x0", "a/z", "b/z" };
	const char *name = always[below(w, 5)];
	char path[64], target[TARGET_MAX];
	struct stat st;
	ssize_t len;

	if (lstat(name, &st) && (errno == ENOENT || !w->allowed[errno]))
		fail("%s: %m", name);
	len = readlink(name, target, sizeof(target));
	if (len >= 0 && bad_target(target, len))
		fail("%s: a target of %zd bytes: %s", name, len, bad_target(target, len));
	pick_path(w, path);
	if (!may(w, "lstat", lstat(path, &st)) && S_ISLNK(st.st_mode) && !st.st_size)
		fail("%s: a link of no length", path);
	may(w, "access", faccessat(AT_FDCWD, path, R_OK, AT_SYMLINK_NOFOLLOW));
}

/* Identity of an open file that has nothing to do with handles. */
static bool identify(int fd, uint64_t *ino, int64_t *btime)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &sx))
		return false;
	*ino = sx.stx_ino;
	*btime = sx.stx_btime.tv_sec * 1000000000LL + sx.stx_btime.tv_nsec;
	return true;
}

union handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + 64];
};

static void note_handle(struct worker *w)
{
	struct noted *n = &shared->handles[below(w, HANDLES)];
	union handle h = { .head.handle_bytes = 64 };
	char path[64];
	int fd, mnt;

	pick_path(w, path);
	fd = may(w, "open", open(path, O_PATH | O_NOFOLLOW));
	if (fd < 0)
		return;
	if (!may(w, "name_to_handle_at", name_to_handle_at(fd, "", &h.head, &mnt, AT_EMPTY_PATH)) &&
	    !__atomic_exchange_n(&n->lock, 1, __ATOMIC_ACQUIRE)) {
		n->used = identify(fd, &n->ino, &n->btime);
		n->type = h.head.handle_type;
		n->bytes = h.head.handle_bytes;
		memcpy(n->fh, h.head.f_handle, n->bytes);
		__atomic_store_n(&n->lock, 0, __ATOMIC_RELEASE);
	}
	close(fd);
}

/* The file that a handle was made of, or ESTALE; never another one. */
static void use_handle(struct worker *w)
{
	struct noted *n = &shared->handles[below(w, HANDLES)], copy;
	union handle h;
	uint64_t ino;
	int64_t btime;
	int fd;

	if (__atomic_exchange_n(&n->lock, 1, __ATOMIC_ACQUIRE))
		return;
	copy = *n;
	__atomic_store_n(&n->lock, 0, __ATOMIC_RELEASE);
	if (!copy.used)
		return;
	h.head.handle_type = copy.type;
	h.head.handle_bytes = copy.bytes;
	memcpy(h.head.f_handle, copy.fh, copy.bytes);
	fd = may(w, "open_by_handle_at", open_by_handle_at(w->root, &h.head, O_PATH));
	if (fd < 0)
		return;
	if (identify(fd, &ino, &btime) && (ino != copy.ino || btime != copy.btime))
		fail("a handle of inode %lu led to inode %lu, made at %ld and not %ld",
		     (unsigned long)copy.ino, (unsigned long)ino, (long)btime, (long)copy.btime);
	close(fd);
}

void op_handle(struct worker *w)
{
	if (below(w, 3))
		use_handle(w);
	else
		note_handle(w);
}
