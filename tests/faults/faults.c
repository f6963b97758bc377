// SPDX-License-Identifier: GPL-2.0
/*
 * faults DIR DEVICE [TEXT]: let each memory allocation of each operation fail, one at a time
 * (/proc/self/fail-nth). The operation succeeds, or fails with ENOMEM and has
 * changed nothing: then it succeeds when it is done again. Prints TAP.
 *
 * DIR is on the volume under test; DEVICE holds another one, to be mounted. With
 * TEXT, only operations in whose names it is.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE	2
#define RENAME_WHITEOUT	4
#endif

#define MOST	400	/* allocations of one operation */

static char target[3000];
static char data[65536] __attribute__((aligned(4096)));
static const char *device;
static int fail_fd, cases, failed;

static void arm(int n)
{
	char s[16];
	int len = snprintf(s, sizeof(s), "%d", n);

	if (pwrite(fail_fd, s, len, 0) != len)
		err(2, "fail-nth");
}

/* Was the fault delivered? Disarms it. */
static int delivered(void)
{
	char s[16] = "";

	if (pread(fail_fd, s, sizeof(s) - 1, 0) <= 0)
		err(2, "fail-nth");
	arm(0);
	return atoi(s) == 0;
}

/* A file of this size, with data. */
static void make(const char *name, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	size_t at;

	for (at = 0; at < size; at += sizeof(data))
		if (pwrite(fd, data, size - at < sizeof(data) ? size - at : sizeof(data), at) < 0)
			err(2, "%s", name);
	if (fd < 0 || close(fd))
		err(2, "%s", name);
}

static void gone(const char *name)
{
	if (unlink(name) && errno != ENOENT && rmdir(name))
		err(2, "%s", name);
}

static void drop(void)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "3", 1) != 1 || close(fd))
		err(2, "drop_caches");
}

/* Every other block of a file: an extent each. */
static void make_pieces(void)
{
	int fd = open("pieces", O_RDWR | O_CREAT | O_TRUNC, 0644), i;

	for (i = 80; i >= 0; i--)
		if (pwrite(fd, data, 1024, i * 8192L) != 1024)
			err(2, "pieces");
	if (fsync(fd) || close(fd))
		err(2, "pieces");
}

/* What may be in the way of an operation is taken away, and what it needs made. */
static void before_new(void)
{
	gone("new");
}

static void before_old(void)
{
	gone("old");
	make("old", 3000);
	gone("new");
}

static void before_both(void)
{
	before_old();
	make("new", 10);
}

static void before_dir(void)
{
	gone("new");
	if (mkdir("new", 0755))
		err(2, "mkdir");
}

static void before_slow(void)
{
	gone("new");
	if (symlink(target, "new"))
		err(2, "symlink");
	drop();
}

static void before_cold(void)
{
	make("old", 3000);
	drop();
}

static void before_large(void)
{
	make("old", 300000);
}

static void before_pieces(void)
{
	make_pieces();
}

/* The second volume is mounted, or not; with data to be written when it is. */
static void before_mount(void)
{
	umount2("/run/second", 0);
}

static void before_umount(void)
{
	before_mount();
	if (mount(device, "/run/second", "lnkfs", 0, NULL))
		err(2, "mount");
	make("/run/second/file", 300000);
}

static int on_fd(const char *name, int flags, int (*f)(int fd))
{
	int fd = open(name, flags, 0644), ret, saved;

	if (fd < 0)
		return -1;
	ret = f(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

static int f_write(int fd) { return write(fd, data, 5000) == 5000 ? 0 : -1; }
static int f_append(int fd) { return pwrite(fd, data, 5000, 300000) == 5000 ? 0 : -1; }
static int f_direct(int fd) { return pwrite(fd, data, 8192, 8192) == 8192 ? 0 : -1; }
static int f_read(int fd) { return read(fd, data, 3000) == 3000 ? 0 : -1; }
static int f_fsync(int fd) { return f_append(fd) ? -1 : fsync(fd); }
static int f_far(int fd) { return pwrite(fd, data, 100, 1L << 33) == 100 ? 0 : -1; }
static int f_none(int fd) { (void)fd; return 0; }

static int f_list(int fd)
{
	char buf[4096];
	long ret;

	do {
		ret = syscall(SYS_getdents64, fd, buf, sizeof(buf));
	} while (ret > 0);
	return ret;
}

static int op_create(void) { return on_fd("new", O_RDWR | O_CREAT | O_EXCL, f_none); }
static int op_mkdir(void) { return mkdir("new", 0755); }
static int op_rmdir(void) { return rmdir("new"); }
static int op_fast(void) { return symlink("a/target/of/few/bytes", "new"); }
static int op_slow(void) { return symlink(target, "new"); }
static int op_mknod(void) { return mknod("new", S_IFIFO | 0644, 0); }
static int op_link(void) { return link("old", "new"); }
static int op_unlink(void) { return unlink("old"); }
static int op_rename(void) { return rename("old", "new"); }
static int op_chmod(void) { return chmod("old", 0600); }
static int op_cut(void) { return truncate("pieces", 5000); }
static int op_remove_pieces(void) { return unlink("pieces"); }
static int op_extend(void) { return truncate("old", 10000000); }
static int op_shrink(void) { return truncate("old", 1111); }
static int op_write(void) { return on_fd("new", O_RDWR | O_CREAT, f_write); }
static int op_append(void) { return on_fd("old", O_RDWR, f_append); }
static int op_direct(void) { return on_fd("old", O_RDWR | O_DIRECT, f_direct); }
static int op_read(void) { return on_fd("old", O_RDONLY, f_read); }
static int op_fsync(void) { return on_fd("old", O_RDWR, f_fsync); }
static int op_far(void) { return on_fd("old", O_RDWR, f_far); }
static int op_list(void) { return on_fd(".", O_RDONLY, f_list); }
static int op_tmpfile(void) { return on_fd(".", O_RDWR | O_TMPFILE, f_write); }

static int op_readlink(void)
{
	char s[4096];

	return readlink("new", s, sizeof(s)) < 0 ? -1 : 0;
}

static int op_stat(void)
{
	struct stat st;

	return stat("old", &st);
}

static int op_statfs(void)
{
	struct statfs st;

	return statfs(".", &st);
}

static int op_mount(void)
{
	return mount(device, "/run/second", "lnkfs", 0, NULL);
}

static int op_umount(void)
{
	return umount2("/run/second", 0);
}

static int op_exchange(void)
{
	return syscall(SYS_renameat2, AT_FDCWD, "old", AT_FDCWD, "new", RENAME_EXCHANGE);
}

static int op_whiteout(void)
{
	return syscall(SYS_renameat2, AT_FDCWD, "old", AT_FDCWD, "new", RENAME_WHITEOUT);
}

static const struct {
	const char *name;
	void (*before)(void);
	int (*op)(void);
} ops[] = {
	{ "create", before_new, op_create },
	{ "mkdir", before_new, op_mkdir },
	{ "rmdir", before_dir, op_rmdir },
	{ "fast symlink", before_new, op_fast },
	{ "slow symlink", before_new, op_slow },
	{ "read a slow symlink", before_slow, op_readlink },
	{ "mknod", before_new, op_mknod },
	{ "link", before_old, op_link },
	{ "unlink", before_old, op_unlink },
	{ "rename", before_old, op_rename },
	{ "rename over a file", before_both, op_rename },
	{ "exchange", before_both, op_exchange },
	{ "rename with a whiteout", before_old, op_whiteout },
	{ "chmod", before_old, op_chmod },
	{ "look up and stat", before_cold, op_stat },
	{ "statfs", before_old, op_statfs },
	{ "list", before_cold, op_list },
	{ "O_TMPFILE", before_old, op_tmpfile },
	{ "write", before_new, op_write },
	{ "append", before_large, op_append },
	{ "write far away", before_old, op_far },
	{ "append and fsync", before_large, op_fsync },
	{ "direct write", before_large, op_direct },
	{ "read", before_cold, op_read },
	{ "extend", before_old, op_extend },
	{ "cut", before_large, op_shrink },
	{ "cut many extents", before_pieces, op_cut },
	{ "remove many extents", before_pieces, op_remove_pieces },
	{ "mount", before_mount, op_mount },
	{ "unmount", before_umount, op_umount },
};

/* Another file's state tells whether the volume can be written still. */
static int alive(void)
{
	return mkdir("alive", 0755) == 0 && rmdir("alive") == 0;
}

static void run(unsigned int i)
{
	int n, ret, error, hit, refused = 0, bad = 0;

	for (n = 1; n <= MOST && !bad; n++) {
		ops[i].before();
		arm(n);
		ret = ops[i].op();
		error = errno;
		hit = delivered();
		if (!hit && !ret)
			break;
		if (ret && error != ENOMEM) {
			printf("# allocation %d: %s\n", n, strerror(error));
			bad = 1;
		} else if (ret) {
			refused++;
			/* A name that is there half would be in the way now. */
			if (ops[i].op()) {
				printf("# allocation %d, done again: %s\n", n, strerror(errno));
				bad = 1;
			}
		}
		if (!alive()) {
			printf("# allocation %d (%s): %s\n", n, ret ? "failed" : "did not fail",
			       strerror(errno));
			bad = 1;
		}
	}
	if (n > MOST)
		bad = 1;
	printf("%s %d - %s: %d allocations, %d failures seen\n", bad ? "not ok" : "ok", ++cases,
	       ops[i].name, n - 1, refused);
	fflush(stdout);
	failed |= bad;
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc < 3 || argc > 4 || chdir(argv[1]))
		errx(2, "usage: faults DIR DEVICE [TEXT]");
	device = argv[2];
	if (mkdir("/run/second", 0755))
		err(2, "mkdir");
	memset(target, 't', sizeof(target) - 1);
	fail_fd = open("/proc/self/fail-nth", O_RDWR);
	if (fail_fd < 0)
		err(2, "fail-nth");
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (argc < 4 || strstr(ops[i].name, argv[3]))
			run(i);
	before_mount();
	printf("1..%d\n", cases);
	return failed;
}
