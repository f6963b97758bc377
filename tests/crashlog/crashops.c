// SPDX-License-Identifier: GPL-2.0
/*
 * In the guest: operations to be recorded. Before each of them goes a mark into the log of
 * dm-log-writes; the ledger says what it was. See ops.h and model.c.
 *
 * usage: crashops DIR DM-DEVICE LEDGER SEED COUNT
 *
 * COUNT operations, by PROCS processes, each in a directory of its own.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lnkfs.h"
#include "marks.h"
#include "ops.h"

#define HELD		3	/* files without a name */
#define MANY_NAMES	160

/* Lengths of paths, so that none gets longer than PATH_ROOM allows, whatever is renamed. */
#define DEEP		30	/* of a directory in which something is made */
#define NEAR		15	/* of a directory's new name */

void die(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("crashops: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", strerror(errno));
	exit(1);
}

/**
 * struct shared - what the processes share
 * @locked: a mark is being sent
 * @mark: the last one
 */
static struct shared {
	bool locked;
	u32 mark;
} *shared;

static struct model model;
static const char *device;
static int ledger;
static u32 proc, nr_ops, max_ops;
static u64 rnd_state;
static u32 block_size;
static u32 last_id;		/* what the last operation was about */

static struct held {
	u32 id;
	int fd;
	bool linked;
} held[HELD];

static u32 rnd(u32 n)
{
	u64 z = (rnd_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (u32)((z ^ (z >> 31)) % n);
}

/* ---- doing an operation ---- */

static void send_mark(struct op *op)
{
	while (__atomic_test_and_set(&shared->locked, __ATOMIC_ACQUIRE))
		sched_yield();
	op->mark = ++shared->mark;
	if (mark_send(device, op->mark))
		die("mark %u", op->mark);
	__atomic_clear(&shared->locked, __ATOMIC_RELEASE);
}

/* The file that an operation is about, by whatever name; -1: it has none, or long ones. */
static int open_file(u32 id)
{
	char path[PATH_ROOM];
	u32 i;
	int fd;

	for (i = 0; i < HELD; i++)
		if (held[i].id == id)
			return dup(held[i].fd);
	for (i = 0; i < model.nr_name; i++) {
		if (model.name[i].id != id || !model_path(&model, &model.name[i], path))
			continue;
		fd = open(path, O_RDWR | O_NOFOLLOW);
		return fd < 0 && errno == EISDIR ? open(path, O_RDONLY) : fd;
	}
	return -1;
}

static int do_write(const struct op *op, int fd)
{
	static u8 buf[MAX_SIZE];
	ssize_t n;

	content_fill(buf, op->id, op->mark, op->off, op->len);
	if (op->code == OP_DWRITE) {
		char path[32];
		int sync;

		sprintf(path, "/proc/self/fd/%d", fd);
		sync = open(path, O_WRONLY | O_DSYNC);
		n = pwrite(sync, buf, op->len, (off_t)op->off);
		close(sync);
	} else {
		n = pwrite(fd, buf, op->len, (off_t)op->off);
	}
	if (n >= 0 && n != (ssize_t)op->len)
		die("a short write");
	return n < 0 ? -1 : 0;
}

static int do_attr(const struct op *op, int fd)
{
	static u8 value[65536];
	char name[16];

	sprintf(name, "user.%u", (u32)op->off);
	if (op->code == OP_RMX)
		return fremovexattr(fd, name);
	content_fill(value, op->id, op->mark, 0, op->len);
	return fsetxattr(fd, name, value, op->len, 0);
}

static int do_open_file(const struct op *op, int fd)
{
	off_t off = (off_t)op->off, len = (off_t)op->len;
	char path[32];

	switch (op->code) {
	case OP_LINKFD:
		sprintf(path, "/proc/self/fd/%d", fd);
		return linkat(AT_FDCWD, path, AT_FDCWD, op->b, AT_SYMLINK_FOLLOW);
	case OP_SETX:
	case OP_RMX:
		return do_attr(op, fd);
	case OP_CHMOD:
		return fchmod(fd, (mode_t)op->off);
	case OP_CHOWN:
		return fchown(fd, (uid_t)op->off, (gid_t)-1);
	case OP_WRITE:
	case OP_DWRITE:
		return do_write(op, fd);
	case OP_TRUNC:
		return ftruncate(fd, off);
	case OP_PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
	case OP_ZERO:
		return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, off, len);
	case OP_ALLOC:
		return fallocate(fd, FALLOC_FL_KEEP_SIZE, off, len);
	case OP_COLLAPSE:
		return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, off, len);
	case OP_INSERT:
		return fallocate(fd, FALLOC_FL_INSERT_RANGE, off, len);
	case OP_FSYNC:
		return fsync(fd);
	case OP_FDATASYNC:
		return fdatasync(fd);
	default:
		die("operation %d", op->code);
	}
}

static int make_file(const struct op *op)
{
	int fd = open(op->a, O_CREAT | O_EXCL | O_RDWR, (mode_t)op->off);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int make_tmpfile(struct op *op)
{
	char top[8];
	struct held *h = held;
	struct stat st;

	while (h->id)
		h++;
	sprintf(top, "p%u", proc);
	h->fd = open(top, O_TMPFILE | O_RDWR, (mode_t)op->off);
	if (h->fd < 0 || fstat(h->fd, &st))
		return -1;
	h->id = op->mark;
	h->linked = false;
	op->ino = st.st_ino;
	return 0;
}

static int do_setlink(struct op *op)
{
	struct lnkfs_link l = {
		.l_size = sizeof(l),
		.l_kind = (u8)op->off,
		.l_flags = (u8)(op->off >> 8),
	};
	int dir = open(".", O_RDONLY), ret, err;

	l.l_fd = open(op->a, O_PATH | O_NOFOLLOW);
	l.l_target = *op->b ? open(op->b, O_PATH | O_NOFOLLOW) : -1;
	ret = ioctl(dir, LNKFS_IOC_SETLINK, &l);
	err = errno;
	if (*op->b)
		close(l.l_target);
	if (!ret) {
		/* Which generation is it? */
		l = (struct lnkfs_link){ .l_size = sizeof(l), .l_fd = l.l_fd };
		if (ioctl(dir, LNKFS_IOC_GETLINK, &l))
			die("%s: GETLINK", op->a);
		op->ino = l.l_ino;
		op->len = l.l_gen;
	}
	close(l.l_fd);
	close(dir);
	errno = err;
	return ret;
}

static int do_name(struct op *op)
{
	char target[4096];

	switch (op->code) {
	case OP_MKDIR:
		return mkdir(op->a, (mode_t)op->off);
	case OP_CREATE:
		return make_file(op);
	case OP_TMPFILE:
		return make_tmpfile(op);
	case OP_SYMLINK:
		content_target(target, op->mark, (u32)op->len);
		return symlink(target, op->a);
	case OP_FIFO:
		return mkfifo(op->a, (mode_t)op->off);
	case OP_LINK:
		return link(op->a, op->b);
	case OP_UNLINK:
		return unlink(op->a);
	case OP_RMDIR:
		return rmdir(op->a);
	case OP_RENAME:
		return rename(op->a, op->b);
	case OP_SETLINK:
		return do_setlink(op);
	default:
		return renameat2(AT_FDCWD, op->a, AT_FDCWD, op->b, RENAME_EXCHANGE);
	}
}

static void note(struct op *op)
{
	char line[512];
	int len = op_print(op, line, sizeof(line));

	if (write(ledger, line, (size_t)len) != len)
		die("ledger");
	model_apply(&model, op, nr_ops);
	nr_ops++;
}

static bool run(struct op *op)
{
	struct stat st;
	int ret, fd = -1;

	op->proc = proc;
	if (op->code == OP_LINKFD || (op->code >= OP_SETX && op->code < OP_SYNC)) {
		fd = open_file(op->id);
		if (fd < 0)
			return false;
	}
	send_mark(op);
	if (op->code == OP_SYNC) {
		fd = open(".", O_RDONLY);
		ret = syncfs(fd);
	} else if (op->code == OP_DROP) {
		/* Inodes leave memory, and what they know about commits with them. */
		fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		ret = write(fd, "2", 1) != 1;
	} else if (op->code == OP_END) {
		ret = 0;
	} else {
		ret = fd >= 0 ? do_open_file(op, fd) : do_name(op);
	}
	op->ret = ret ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (ret && errno != ENOSPC && errno != EDQUOT)
		die("%s %s %s", op_names[op->code], op->a, op->b);
	if (!ret && op->code <= OP_FIFO && op->code != OP_TMPFILE) {
		if (lstat(op->a, &st))
			die("%s", op->a);
		op->ino = st.st_ino;
	}
	last_id = op->code <= OP_FIFO ? op->mark : op->id;
	note(op);
	return !ret;
}

/* ---- choosing ---- */

static u32 type_of(u32 id)
{
	return model_file(&model, id)->mode & S_IFMT;
}

/* A name of something of a type (0: any but directories), or NULL. */
static struct mname *any_name(u32 type)
{
	u32 start = model.nr_name ? rnd(model.nr_name) : 0, i;

	for (i = 0; i < model.nr_name; i++) {
		struct mname *n = &model.name[(start + i) % model.nr_name];
		u32 is = type_of(n->id);

		if (type ? is == type : is != S_IFDIR)
			return n;
	}
	return NULL;
}

/* A directory, not too deep. */
static void any_dir(char *path)
{
	struct mname *n;

	do {
		n = any_name(S_IFDIR);
	} while (!model_path(&model, n, path) || strlen(path) > DEEP);
}

static bool path_of(struct mname *n, char *path)
{
	return n && model_path(&model, n, path);
}

/* A path that is free or not: there are few names, so that they are used again. */
static void any_path(char *path)
{
	char dir[PATH_ROOM];

	any_dir(dir);
	if (rnd(4))
		snprintf(path, PATH_ROOM, "%.100s/%c", dir, 'a' + rnd(12));
	else
		snprintf(path, PATH_ROOM, "%.100s/name.%u.%.*s", dir, rnd(10), (int)rnd(24),
			 "abcdefghijklmnopqrstuvwxyz");
}

static void free_path(char *path)
{
	do {
		any_path(path);
	} while (model_find(&model, path));
}

static u32 link_len(void)
{
	switch (rnd(4)) {
	case 0:
		return 1 + rnd(3000);
	case 1:
		return 100 + rnd(1000);
	default:
		return 1 + rnd(100);
	}
}

static bool op_make(enum opcode code, const char *path)
{
	struct op op = { .code = code };

	if (path)
		strcpy(op.a, path);
	op.off = code == OP_SYMLINK ? 0777 : code == OP_MKDIR ? 0755 : 0600 + rnd(64);
	if (code == OP_SYMLINK)
		op.len = link_len();
	return run(&op);
}

static void make_something(void)
{
	static const enum opcode codes[] = { OP_MKDIR, OP_CREATE, OP_CREATE, OP_SYMLINK,
					     OP_SYMLINK, OP_FIFO };
	char path[PATH_ROOM];

	free_path(path);
	op_make(codes[rnd(6)], path);
}

static bool op_link(struct mname *n, const char *to)
{
	struct op op = { .code = OP_LINK };

	if (!path_of(n, op.a))
		return false;
	op.id = n->id;
	strcpy(op.b, to);
	return run(&op);
}

static bool has_entries(u32 dir)
{
	u32 i;

	for (i = 0; i < model.nr_name; i++)
		if (model.name[i].dir == dir)
			return true;
	return false;
}

static void op_remove(struct mname *n)
{
	struct op op = { .code = OP_UNLINK };

	if (!n || !n->dir || !path_of(n, op.a))
		return;
	op.id = n->id;
	if (type_of(n->id) == S_IFDIR) {
		if (has_entries(n->id))
			return;
		op.code = OP_RMDIR;
	}
	run(&op);
}

/* Is directory @dir in directory @top, or the same? */
static bool below(u32 dir, u32 top)
{
	u32 i;

	while (dir && dir != top) {
		for (i = 0; i < model.nr_name && model.name[i].id != dir; i++)
			;
		dir = model.name[i].dir;
	}
	return dir == top;
}

static void op_rename(struct mname *n, const char *to)
{
	struct op op = { .code = OP_RENAME };
	struct mname *over = model_find(&model, to), *dir;
	char parent[PATH_ROOM];

	if (!n || !n->dir || !path_of(n, op.a) || !strcmp(op.a, to))
		return;
	strcpy(parent, to);
	*strrchr(parent, '/') = '\0';
	dir = model_find(&model, parent);
	if (type_of(n->id) == S_IFDIR && (over || strlen(to) > NEAR || below(dir->id, n->id)))
		return;
	if (over && (type_of(over->id) == S_IFDIR))
		return;
	op.id = n->id;
	op.len = over && over->id != n->id && type_of(n->id) == S_IFREG;
	strcpy(op.b, to);
	run(&op);
}

static void op_exchange(void)
{
	struct op op = { .code = OP_EXCHANGE };
	struct mname *a = any_name(0), *b = any_name(0);

	if (!a || a == b || a->id == b->id || !path_of(a, op.a) || !path_of(b, op.b))
		return;
	op.id = a->id;
	run(&op);
}

/* What a symlink is besides its target: something that it tracks, a kind, nothing. */
static bool op_setlink(struct mname *l)
{
	struct op op = { .code = OP_SETLINK };
	struct mname *to = any_name(rnd(3) ? 0 : S_IFDIR);

	if (!path_of(l, op.a))
		return false;
	op.id = l->id;
	op.off = rnd(LNKFS_LINK_JUNCTION);
	if (rnd(4) && path_of(to, op.b) && to->id != l->id)
		op.off |= (rnd(3) ? LNKFS_LINK_TRACKED :
			   LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST) << 8;
	else
		op.b[0] = '\0';
	return run(&op);
}

/* ---- data ---- */

static void op_data(u32 id, enum opcode code)
{
	u64 size = model_file(&model, id)->size;
	struct op op = { .code = code, .id = id };
	u32 bs = block_size;

	op.off = rnd((u32)size + 2000);
	op.len = 1 + rnd(rnd(3) ? 3000 : 20000);
	switch (code) {
	case OP_TRUNC:
		op.off = rnd(rnd(2) ? (u32)size + 1 : MAX_SIZE);
		break;
	case OP_COLLAPSE:
	case OP_INSERT:
		op.off = rnd((u32)(size / bs) + 1) * bs;
		op.len = (1 + rnd(3)) * bs;
		if (op.off >= size || (code == OP_COLLAPSE && op.off + op.len >= size) ||
		    (code == OP_INSERT && size + op.len > MAX_SIZE))
			return;
		break;
	default:
		if (op.off + op.len > MAX_SIZE)
			return;
	}
	run(&op);
}

static void data(u32 id)
{
	static const enum opcode codes[] = {
		OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_DWRITE, OP_TRUNC, OP_TRUNC,
		OP_PUNCH, OP_ZERO, OP_ALLOC, OP_COLLAPSE, OP_INSERT
	};

	op_data(id, codes[rnd(ARRAY_SIZE(codes))]);
}

static void op_sync(enum opcode code, u32 id)
{
	struct op op = { .code = code, .id = id };

	run(&op);
}

static void maybe_sync(u32 one_in)
{
	struct mname *n;

	if (rnd(one_in))
		return;
	if (!rnd(12))
		op_sync(OP_DROP, 0);
	switch (rnd(10)) {
	case 0:
		op_sync(OP_SYNC, 0);
		break;
	case 1:
	case 2:
	case 3:
		n = any_name(S_IFDIR);
		op_sync(OP_FSYNC, n->id);
		break;
	case 4:
	case 5:
		n = any_name(S_IFREG);
		if (n)
			op_sync(OP_FDATASYNC, n->id);
		break;
	default:
		n = any_name(S_IFREG);
		if (last_id && model_file(&model, last_id) &&
		    model_file(&model, last_id)->nlink && type_of(last_id) == S_IFREG)
			op_sync(OP_FSYNC, last_id);
		else if (n)
			op_sync(OP_FSYNC, n->id);
	}
}

/* ---- scenes ---- */

static void mixed(void)
{
	char path[PATH_ROOM];
	u32 n = 5 + rnd(15);
	struct mname *f;

	while (n--) {
		f = any_name(S_IFREG);
		switch (rnd(12)) {
		case 0:
		case 1:
			make_something();
			break;
		case 2:
			f = any_name(0);
			free_path(path);
			if (f && (type_of(f->id) != S_IFLNK || rnd(2)))
				op_link(f, path);
			break;
		case 3:
			op_remove(any_name(rnd(4) ? 0 : S_IFDIR));
			break;
		case 4:
		case 5:
			any_path(path);
			op_rename(rnd(4) ? any_name(0) : any_name(S_IFDIR), path);
			break;
		case 6:
			op_exchange();
			break;
		case 7:
			op_setlink(any_name(S_IFLNK));
			break;
		default:
			if (f)
				data(f->id);
		}
		maybe_sync(7);
	}
}

static void link_farm(void)
{
	char path[PATH_ROOM], dir[PATH_ROOM];
	u32 n = 10 + rnd(30), i;
	struct mname *f = any_name(rnd(3) ? S_IFREG : S_IFLNK);
	u32 id = f ? f->id : 0;

	any_dir(dir);
	for (i = 0; id && i < n; i++) {
		snprintf(path, sizeof(path), "%.100s/farm.%u", dir, i);
		for (f = model.name; f->id != id; f++)
			;
		if (!model_find(&model, path))
			op_link(f, path);
		maybe_sync(20);
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%.100s/farm.%u", dir, i);
		if (rnd(8))
			op_remove(model_find(&model, path));
		maybe_sync(20);
	}
}

static void big_directory(void)
{
	static const char pad[] = "a-name-that-is-rather-long-so-that-blocks";
	char path[PATH_ROOM], dir[PATH_ROOM];
	u32 n = 20 + rnd(60), i;

	free_path(dir);
	if (strlen(dir) > DEEP || !op_make(OP_MKDIR, dir))
		return;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%.60s/%s.%u", dir, pad, i);
		op_make(rnd(2) ? OP_SYMLINK : rnd(2) ? OP_CREATE : OP_FIFO, path);
		maybe_sync(20);
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%.60s/%s.%u", dir, pad, i);
		op_remove(model_find(&model, path));
		maybe_sync(20);
	}
	if (rnd(2))
		op_remove(model_find(&model, dir));
}

static void replace_links(void)
{
	char path[PATH_ROOM], tmp[PATH_ROOM];
	struct mname *l = any_name(S_IFLNK);
	u32 n = 2 + rnd(6);

	if (!path_of(l, path))
		return;
	while (n--) {
		free_path(tmp);
		if (op_make(OP_SYMLINK, tmp))
			op_rename(model_find(&model, tmp), path);
		maybe_sync(6);
	}
}

/* As lnkctl ln makes them: complete before they have their name. And other changes. */
static void tracked_links(void)
{
	char path[PATH_ROOM], tmp[PATH_ROOM];
	u32 n = 2 + rnd(6);

	while (n--) {
		if (rnd(2)) {
			op_setlink(any_name(S_IFLNK));
		} else {
			any_path(path);
			free_path(tmp);
			if (op_make(OP_SYMLINK, tmp) && op_setlink(model_find(&model, tmp)))
				op_rename(model_find(&model, tmp), path);
		}
		/* Its directory, or whatever else. */
		if (!rnd(4))
			op_sync(OP_FSYNC, any_name(S_IFDIR)->id);
		maybe_sync(6);
	}
}

static void replace_files(void)
{
	char path[PATH_ROOM], tmp[PATH_ROOM];
	struct mname *f = any_name(S_IFREG);
	u32 n = 1 + rnd(4), id;

	if (!path_of(f, path))
		return;
	while (n--) {
		free_path(tmp);
		if (!op_make(OP_CREATE, tmp))
			return;
		id = last_id;
		op_data(id, OP_WRITE);
		op_data(id, OP_WRITE);
		if (!rnd(3))
			op_sync(OP_FSYNC, id);
		op_rename(model_find(&model, tmp), path);
		maybe_sync(6);
	}
}

static void one_file(void)
{
	struct mname *f = any_name(S_IFREG);
	u32 id = f ? f->id : 0, n = 5 + rnd(12);

	while (id && n--) {
		data(id);
		if (!rnd(5))
			op_sync(rnd(2) ? OP_FSYNC : OP_FDATASYNC, id);
	}
}

static void attributes(void)
{
	struct mname *f = any_name(rnd(3) ? S_IFREG : S_IFDIR);
	u32 n = 3 + rnd(10);
	struct op op;

	while (f && n--) {
		op = (struct op){ .code = OP_SETX, .id = f->id, .off = rnd(ATTR_NAMES) };
		op.len = 1 + rnd(rnd(3) ? 100 : rnd(2) ? 1000 : 6000);
		switch (rnd(8)) {
		case 0:
			op.code = OP_CHMOD;
			op.off = 0700 + rnd(64);
			break;
		case 1:
			op.code = OP_CHOWN;
			op.off = 1000 + rnd(3);
			break;
		case 2:
			if (model_file(&model, f->id)->attr[op.off].mark)
				op.code = OP_RMX;
			break;
		}
		run(&op);
		maybe_sync(6);
		f = any_name(type_of(op.id));
	}
}

static void without_name(void)
{
	struct held *h = &held[rnd(HELD)];
	struct op op = { .code = OP_LINKFD };
	u32 n = rnd(4);

	if (!h->id) {
		for (h = held; h->id; h++)
			;
		if (!op_make(OP_TMPFILE, NULL))
			return;
	}
	while (n--)
		data(h->id);
	if (!rnd(3))
		op_sync(OP_FSYNC, h->id);
	/* It can have a first name; when it has lost all its names it gets none again. */
	if (rnd(3) && (!h->linked || model_file(&model, h->id)->nlink)) {
		op.id = h->id;
		h->linked = true;
		free_path(op.b);
		run(&op);
		maybe_sync(3);
	}
	if (rnd(2)) {
		close(h->fd);
		h->id = 0;
	}
}

/* A file is synced, then directories above it get other names, and others get theirs. */
static void renamed_ancestors(void)
{
	char a[PATH_ROOM], b[PATH_ROOM], path[PATH_ROOM];
	u32 id;

	free_path(a);
	if (strlen(a) > DEEP || !op_make(OP_MKDIR, a))
		return;
	snprintf(path, sizeof(path), "%.60s/x", a);
	op_make(OP_MKDIR, path);
	snprintf(path, sizeof(path), "%.60s/x/f", a);
	if (!op_make(OP_CREATE, path))
		return;
	id = last_id;
	op_data(id, OP_WRITE);
	op_sync(OP_FSYNC, id);
	do {
		free_path(b);
	} while (strlen(b) > NEAR);
	op_rename(model_find(&model, a), b);
	maybe_sync(2);
	if (!model_find(&model, a) && op_make(rnd(2) ? OP_MKDIR : OP_CREATE, a))
		op_sync(OP_FSYNC, last_id);
	op_data(id, OP_WRITE);
	op_sync(rnd(2) ? OP_FSYNC : OP_FDATASYNC, id);
}

static void prune(void)
{
	u32 tries = 20 * MANY_NAMES;

	while (model.nr_name > MANY_NAMES / 2 && tries--) {
		op_remove(any_name(rnd(8) ? 0 : S_IFDIR));
		maybe_sync(15);
	}
}

static void work(u64 seed)
{
	static void (*const scenes[])(void) = {
		mixed, mixed, mixed, link_farm, big_directory, replace_links, tracked_links,
		tracked_links, replace_files,
		replace_files, one_file, one_file, attributes, without_name, without_name,
		renamed_ancestors
	};
	char top[8];

	rnd_state = seed * PROCS + proc;
	sprintf(top, "p%u", proc);
	op_make(OP_MKDIR, top);
	while (nr_ops < max_ops) {
		scenes[rnd(ARRAY_SIZE(scenes))]();
		if (model.nr_name > MANY_NAMES)
			prune();
	}
	op_sync(OP_END, 0);
}

int main(int argc, char **argv)
{
	struct statfs fs;
	int status, ret = 0;

	if (argc != 6)
		return 2;
	umask(0);
	device = argv[2];
	max_ops = (u32)atoi(argv[5]) / PROCS;
	ledger = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (ledger < 0 || shared == MAP_FAILED || chdir(argv[1]) || statfs(".", &fs))
		die("%s", argv[1]);
	block_size = (u32)fs.f_bsize;
	for (proc = 0; proc < PROCS; proc++) {
		if (fork())
			continue;
		work((u64)atoll(argv[4]));
		exit(0);
	}
	while (wait(&status) > 0)
		if (status)
			ret = 1;
	printf("%u marks\n", shared->mark);
	return ret;
}
