// SPDX-License-Identifier: GPL-2.0
/*
 * faults [-r] DEVICE DIR SECOND-DEVICE [TEXT]: let each memory allocation of each operation
 * fail, one at a time (/proc/self/fail-nth). The operation succeeds, or fails with ENOMEM
 * and has changed nothing: then it succeeds when it is done again. Prints TAP.
 *
 * With -r it is the requests to the device that fail, with EIO; nothing is cached when an
 * operation begins. (Which of the two fails is set up by guest.sh.)
 *
 * DEVICE has the volume under test, which is mounted on DIR here; SECOND-DEVICE is for
 * another one, smaller than that device, with quota files, which this program makes. With
 * TEXT, only operations in whose names it is.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lnkfs.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE	2
#define RENAME_WHITEOUT	4
#endif

#define MOST	20000	/* allocations of one operation */

static char target[3000];
static char data[65536] __attribute__((aligned(4096)));
static const char *first_device, *first_dir;
static const char *device;	/* of the second volume */
static int fail_fd, cases, failed, reads;
static bool armed, hit;	/* a fault is due; it was delivered */
static int handle_mount_fd;	/* a file of the volume, readable */

#define SECOND	"/run/second"

static void arm(int n)
{
	char s[16];
	int len = snprintf(s, sizeof(s), "%d", n);

	armed = n;
	if (pwrite(fail_fd, s, len, 0) != len)
		err(2, "fail-nth");
}

/* Was the fault delivered? It is not due any more. */
static void disarm(void)
{
	char s[16] = "";

	if (!armed)
		return;
	if (pread(fail_fd, s, sizeof(s) - 1, 0) <= 0)
		err(2, "fail-nth");
	hit = atoi(s) == 0;
	arm(0);
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

static void before_copy(void)
{
	before_large();
	gone("new");
}

static void before_pieces(void)
{
	make_pieces();
}

/* The second volume is mounted, or not; with data to be written when it is. */
static void before_mount(void)
{
	umount2(SECOND, 0);
}

static void mount_second(unsigned long flags, const char *options)
{
	before_mount();
	if (mount(device, SECOND, "lnkfs", flags, options))
		err(2, "mount");
}

static void before_umount(void)
{
	mount_second(0, NULL);
	make(SECOND "/file", 300000);
}

static void before_remount_ro(void)
{
	before_umount();
}

static void before_remount_rw(void)
{
	mount_second(MS_RDONLY, NULL);
}

static void make_second(void)
{
	char command[256];

	before_mount();
	snprintf(command, sizeof(command), "mkfs.lnkfs -q -f -O quota %s 48M", device);
	if (system(command))
		errx(2, "%s", command);
}

static void before_grow(void)
{
	make_second();
	mount_second(0, NULL);
}

static void before_quota(void)
{
	mount_second(0, "usrquota,grpquota");
	gone(SECOND "/new");
	if (chown(SECOND, 1000, 1000))
		err(2, "chown");
}

/* A log to replay, and orphans: files without a name, one with many extents. */
static void before_replay(void)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW;
	int dir, fd[3], i, j;

	mount_second(0, NULL);
	dir = open(SECOND, O_RDONLY);
	for (i = 0; i < 3; i++) {
		fd[i] = open(SECOND "/orphan", O_RDWR | O_CREAT | O_EXCL, 0644);
		for (j = 0; fd[i] >= 0 && j < 12; j++)
			if (pwrite(fd[i], data, 4096, j * 16384L) != 4096)
				err(2, "orphan");
		if (fd[i] < 0 || fsync(fd[i]) || unlink(SECOND "/orphan"))
			err(2, "orphan");
	}
	make(SECOND "/file", 30000);
	if (syncfs(dir) || ioctl(dir, LNKFS_IOC_SHUTDOWN, &how))
		err(2, "shutdown");
	for (i = 0; i < 3; i++)
		close(fd[i]);
	close(dir);
	before_mount();
}

static void before_xattr(void)
{
	before_old();
	if (setxattr("old", "user.small", "value", 5, 0) ||
	    setxattr("old", "user.large", data, 3000, 0))
		err(2, "setxattr");
}

static void before_unwritten(void)
{
	int fd;

	gone("old");
	fd = open("old", O_RDWR | O_CREAT, 0644);
	if (fd < 0 || fallocate(fd, 0, 0, 300000) || close(fd))
		err(2, "fallocate");
}

/* A directory with an index, about to need a block more. */
static void before_large_dir(void)
{
	char name[128];
	int i;

	if (mkdir("large", 0755)) {
		unlink("large/new");
		return;
	}
	for (i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "large/%0100d", i);
		make(name, 0);
	}
}

static void before_dirs(void)
{
	rmdir("dir/new");
	gone("new");
	mkdir("dir", 0755);
	if (mkdir("new", 0755))
		err(2, "mkdir");
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

static int f_punch(int fd) { return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 90000); }
static int f_zero(int fd) { return fallocate(fd, FALLOC_FL_ZERO_RANGE, 5000, 90000); }
static int f_allocate(int fd) { return fallocate(fd, 0, 0, 700000); }
static int f_ahead(int fd) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 700000); }
static int f_middle(int fd) { return pwrite(fd, data, 5000, 100000) == 5000 ? fsync(fd) : -1; }
static int f_direct_middle(int fd) { return pwrite(fd, data, 8192, 98304) == 8192 ? 0 : -1; }
static int f_syncfs(int fd) { return f_append(fd) ? -1 : syncfs(fd); }
static int f_seek(int fd) { return lseek(fd, 0, SEEK_HOLE) < 0 || lseek(fd, 5000, SEEK_DATA) < 0 ? -1 : 0; }

/* Twice the same would move twice as much: only the size tells. */
static int f_shift(int fd, int mode, off_t done)
{
	struct stat st;

	if (!fstat(fd, &st) && st.st_size == done)
		return 0;
	return fallocate(fd, mode, 65536, 65536);
}

static int f_collapse(int fd) { return f_shift(fd, FALLOC_FL_COLLAPSE_RANGE, 300000 - 65536); }
static int f_insert(int fd) { return f_shift(fd, FALLOC_FL_INSERT_RANGE, 300000 + 65536); }

static int f_map(int fd)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int ret;

	if (p == MAP_FAILED)
		return -1;
	/* The kernel's own copy: a fault that fails is an error, no signal. */
	ret = pread(handle_mount_fd, p + 4096, 9000, 0) < 0 ? -1 : msync(p, 65536, MS_SYNC);
	if (ret && errno == EFAULT)
		errno = reads ? EIO : ENOMEM;
	munmap(p, 65536);
	return ret;
}

static int f_fiemap(int fd)
{
	static union { struct fiemap f; char room[8192]; } u;

	memset(&u, 0, sizeof(u));
	u.f.fm_length = FIEMAP_MAX_OFFSET;
	u.f.fm_extent_count = 50;
	u.f.fm_flags = FIEMAP_FLAG_SYNC;
	return ioctl(fd, FS_IOC_FIEMAP, &u.f);
}

static int f_fsmap(int fd)
{
	static union { struct fsmap_head h; char room[65536]; } u;

	memset(&u, 0, sizeof(u));
	u.h.fmh_count = 500;
	memset(&u.h.fmh_keys[1], 0xff, sizeof(u.h.fmh_keys[1]));
	memset(u.h.fmh_keys[1].fmr_reserved, 0, sizeof(u.h.fmh_keys[1].fmr_reserved));
	return ioctl(fd, FS_IOC_GETFSMAP, &u.h);
}

static int f_trim(int fd)
{
	struct fstrim_range r = { .len = UINT64_MAX };

	/* Not every disk can. */
	return ioctl(fd, FITRIM, &r) && errno != EOPNOTSUPP ? -1 : 0;
}

static int f_label(int fd)
{
	char label[FSLABEL_MAX] = "a label";

	return ioctl(fd, FS_IOC_SETFSLABEL, label);
}

static int f_flags(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -1;
	flags ^= FS_NODUMP_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int f_link_flags(int fd)
{
	struct lnkfs_attr a = { .a_size = sizeof(a), .a_mask = LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS,
				.a_mode = 0700, .a_flags = LNKFS_UF_HIDDEN };
	int ret, saved;

	a.a_fd = open("new", O_PATH | O_NOFOLLOW);
	if (a.a_fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_SETATTR, &a);
	saved = errno;
	close(a.a_fd);
	errno = saved;
	return ret;
}

static int f_freeze(int fd)
{
	int ret = ioctl(fd, FIFREEZE, 0), saved = errno;

	/* Thawing is not to fail. */
	disarm();
	if (!ret && ioctl(fd, FITHAW, 0))
		err(2, "thaw");
	errno = saved;
	return ret;
}

static int f_grow(int fd)
{
	struct lnkfs_grow g = { .g_size = sizeof(g) };

	return ioctl(fd, LNKFS_IOC_GROW, &g);
}

static int f_link_tmpfile(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW);
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

static int op_setxattr(void) { return setxattr("old", "user.name", "another", 7, 0); }
static int op_setxattr_large(void) { return setxattr("old", "user.name", data, 6000, 0); }
static int op_removexattr(void) { return removexattr("old", "user.large") && errno != ENODATA ? -1 : 0; }
static int op_getxattr(void) { return getxattr("old", "user.large", data, sizeof(data)) < 0 ? -1 : 0; }
static int op_listxattr(void) { return listxattr("old", data, sizeof(data)) < 0 ? -1 : 0; }
static int op_chown(void) { return chown("old", 1000, 1001); }
static int op_utime(void) { return utimensat(AT_FDCWD, "old", NULL, 0); }
static int op_allocate(void) { return on_fd("old", O_RDWR, f_allocate); }
static int op_ahead(void) { return on_fd("old", O_RDWR, f_ahead); }
static int op_punch(void) { return on_fd("old", O_RDWR, f_punch); }
static int op_zero(void) { return on_fd("old", O_RDWR, f_zero); }
static int op_collapse(void) { return on_fd("old", O_RDWR, f_collapse); }
static int op_insert(void) { return on_fd("old", O_RDWR, f_insert); }
static int op_middle(void) { return on_fd("old", O_RDWR, f_middle); }
static int op_direct_middle(void) { return on_fd("old", O_RDWR | O_DIRECT, f_direct_middle); }
static int op_map(void) { return on_fd("old", O_RDWR, f_map); }
static int op_syncfs(void) { return on_fd("old", O_RDWR, f_syncfs); }
static int op_seek(void) { return on_fd("pieces", O_RDONLY, f_seek); }
static int op_fiemap(void) { return on_fd("pieces", O_RDONLY, f_fiemap); }
static int op_fsmap(void) { return on_fd(".", O_RDONLY, f_fsmap); }
static int op_trim(void) { return on_fd(".", O_RDONLY, f_trim); }
static int op_label(void) { return on_fd(".", O_RDONLY, f_label); }
static int op_flags(void) { return on_fd("old", O_RDONLY, f_flags); }
static int op_link_flags(void) { return on_fd(".", O_RDONLY, f_link_flags); }
static int op_freeze(void) { return on_fd(SECOND, O_RDONLY, f_freeze); }
static int op_grow(void) { return on_fd(SECOND, O_RDONLY, f_grow); }
static int op_link_tmpfile(void) { return on_fd(".", O_RDWR | O_TMPFILE, f_link_tmpfile); }
static int op_large_dir(void) { return on_fd("large/new", O_RDWR | O_CREAT, f_none); }
static int op_move_dir(void) { return rename("new", "dir/new"); }
static int op_list_large(void) { return on_fd("large", O_RDONLY, f_list); }
static int op_remount_ro(void) { return mount(NULL, SECOND, NULL, MS_REMOUNT | MS_RDONLY, NULL); }
static int op_remount_rw(void) { return mount(NULL, SECOND, NULL, MS_REMOUNT, NULL); }
static int op_mount_quota(void) { return mount(device, SECOND, "lnkfs", 0, "usrquota,grpquota,prjquota"); }
static int op_remount_quota(void) { return mount(NULL, SECOND, NULL, MS_REMOUNT, "usrquota,prjquota"); }
static int op_write_quota(void) { return on_fd(SECOND "/new", O_RDWR | O_CREAT, f_fsync); }

/* Until the write is over: an error of an allocation in the middle of it is one. */
static int op_copy(void)
{
	int from = open("old", O_RDONLY), to = open("new", O_RDWR | O_CREAT, 0644);
	int ret = -1, saved;
	off_t pos = 0;

	if (from >= 0 && to >= 0)
		ret = sendfile(to, from, &pos, 200000) < 0 ? -1 : 0;
	saved = errno;
	close(from);
	close(to);
	errno = saved;
	return ret;
}

static int op_set_quota(void)
{
	struct if_dqblk { uint64_t v[8]; uint32_t valid; } d = { { 1000, 900 }, 1 };

	return syscall(SYS_quotactl, QCMD(Q_SETQUOTA, USRQUOTA), device, 4242, &d);
}

static int op_handle(void)
{
	static struct { struct file_handle h; char room[128]; } u;
	int id, fd;

	u.h.handle_bytes = 128;
	if (name_to_handle_at(AT_FDCWD, "old", &u.h, &id, 0))
		return -1;
	fd = open_by_handle_at(handle_mount_fd, &u.h, O_RDONLY);
	return fd < 0 ? -1 : close(fd);
}

static int op_mount(void)
{
	return mount(device, SECOND, "lnkfs", 0, NULL);
}

static int op_umount(void)
{
	return umount2(SECOND, 0);
}

static int op_exchange(void)
{
	return syscall(SYS_renameat2, AT_FDCWD, "old", AT_FDCWD, "new", RENAME_EXCHANGE);
}

static int op_whiteout(void)
{
	return syscall(SYS_renameat2, AT_FDCWD, "old", AT_FDCWD, "new", RENAME_WHITEOUT);
}

struct operation {
	const char *name;
	void (*before)(void);
	int (*op)(void);
};

static const struct operation first_ops[] = {
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
	{ "set an attribute", before_old, op_setxattr },
	{ "set a large attribute", before_xattr, op_setxattr_large },
	{ "remove an attribute", before_xattr, op_removexattr },
	{ "read an attribute", before_xattr, op_getxattr },
	{ "list attributes", before_xattr, op_listxattr },
	{ "chown", before_xattr, op_chown },
	{ "utimes", before_old, op_utime },
	{ "set flags", before_old, op_flags },
	{ "set a link's flags and mode", before_slow, op_link_flags },
	{ "allocate", before_large, op_allocate },
	{ "allocate past the end", before_large, op_ahead },
	{ "punch a hole", before_large, op_punch },
	{ "zero a range", before_large, op_zero },
	{ "collapse", before_large, op_collapse },
	{ "insert", before_large, op_insert },
	{ "write into allocated blocks", before_unwritten, op_middle },
	{ "write directly into allocated blocks", before_unwritten, op_direct_middle },
	{ "write through a mapping", before_large, op_map },
	{ "copy", before_copy, op_copy },
	{ "append and syncfs", before_large, op_syncfs },
	{ "find holes", before_pieces, op_seek },
	{ "FIEMAP", before_pieces, op_fiemap },
	{ "GETFSMAP", before_old, op_fsmap },
	{ "FITRIM", before_old, op_trim },
	{ "label", before_old, op_label },
	{ "link a temporary file", before_new, op_link_tmpfile },
	{ "create in a large directory", before_large_dir, op_large_dir },
	{ "list a large directory", before_large_dir, op_list_large },
	{ "move a directory", before_dirs, op_move_dir },
	{ "file handles", before_old, op_handle },
};

static const struct operation second_ops[] = {
	{ "mount", before_mount, op_mount },
	{ "unmount", before_umount, op_umount },
	{ "remount read-only", before_remount_ro, op_remount_ro },
	{ "remount read-write", before_remount_rw, op_remount_rw },
	{ "freeze", before_umount, op_freeze },
	{ "grow", before_grow, op_grow },
	{ "mount with quota", before_mount, op_mount_quota },
	{ "remount with quota", before_umount, op_remount_quota },
	{ "set quota", before_quota, op_set_quota },
	{ "write with quota", before_quota, op_write_quota },
	{ "replay and orphans", before_replay, op_mount },
};

static void mount_first(void)
{
	if (mount(first_device, first_dir, "lnkfs", 0, "errors=continue") || chdir(first_dir))
		err(2, "%s", first_dir);
	make("handle", 10000);
	handle_mount_fd = open("handle", O_RDONLY);
	if (handle_mount_fd < 0)
		err(2, "handle");
}

static void umount_first(void)
{
	close(handle_mount_fd);
	if (chdir("/") || umount2(first_dir, 0))
		err(2, "%s", first_dir);
}

/* Another file's state tells whether the volume can be written still. */
static int alive(void)
{
	return mkdir("alive", 0755) == 0 && rmdir("alive") == 0;
}

/*
 * The second volume's journal has to stop when its superblock cannot be written, which
 * whoever mounts, freezes or unmounts a volume does. Then a check makes it good.
 */
static bool mend_second(void)
{
	int fd = open(device, O_RDWR);
	char command[256];

	umount2(SECOND, 0);
	/* Whoever writes there next would be told of the error. */
	fsync(fd);
	close(fd);
	snprintf(command, sizeof(command), "fsck.lnkfs -fp %s >/dev/null; [ $? -le 1 ]", device);
	return !system(command);
}

/* May a failed request do this? */
static bool excused(bool second, int error)
{
	return reads && (error == EIO || (second && error == EROFS));
}

static void run(const struct operation *o, bool second)
{
	int n, ret, error, refused = 0, bad = 0;

	for (n = 1; n <= MOST && !bad; n++) {
		o->before();
		if (reads)
			drop();
		arm(n);
		ret = o->op();
		error = errno;
		disarm();
		if (!hit && !ret)
			break;
		if (hit && reads && second) {
			if (!mend_second()) {
				printf("# allocation %d: the volume cannot be mended\n", n);
				bad = 1;
			}
			o->before();
		}
		if (ret && error != ENOMEM && !excused(second, error)) {
			printf("# allocation %d: %s\n", n, strerror(error));
			bad = 1;
		} else if (ret) {
			refused++;
			/* A name that is there half would be in the way now. */
			if (o->op()) {
				printf("# allocation %d, done again: %s\n", n, strerror(errno));
				bad = 1;
			}
		}
		if (!alive()) {
			printf("# allocation %d (%s): %s\n", n, ret ? "failed" : "did not fail",
			       strerror(errno));
			bad = 1;
		}
		/*
		 * Metadata that could not be written to their place: jbd2 stops the volume as
		 * soon as it would drop them from the log. The next mount replays them.
		 */
		if (reads && o->op == op_syncfs) {
			umount_first();
			mount_first();
		}
	}
	if (n > MOST)
		bad = 1;
	printf("%s %d - %s: %d allocations, %d failures seen\n", bad ? "not ok" : "ok", ++cases,
	       o->name, n - 1, refused);
	fflush(stdout);
	failed |= bad;
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc > 1 && !strcmp(argv[1], "-r")) {
		reads = 1;
		argv++;
		argc--;
	}
	if (argc < 4 || argc > 5)
		errx(2, "usage: faults [-r] DEVICE DIR SECOND-DEVICE [TEXT]");
	first_device = argv[1];
	first_dir = argv[2];
	device = argv[3];
	if (mkdir(SECOND, 0755) && errno != EEXIST)
		err(2, "mkdir");
	mount_first();
	make_second();
	memset(target, 't', sizeof(target) - 1);
	fail_fd = open("/proc/self/fail-nth", O_RDWR);
	if (fail_fd < 0)
		err(2, "fail-nth");
	for (i = 0; i < sizeof(first_ops) / sizeof(first_ops[0]); i++)
		if (argc < 5 || strstr(first_ops[i].name, argv[4]))
			run(&first_ops[i], false);
	for (i = 0; i < sizeof(second_ops) / sizeof(second_ops[0]); i++)
		if (argc < 5 || strstr(second_ops[i].name, argv[4]))
			run(&second_ops[i], true);
	before_mount();
	umount_first();
	printf("1..%d\n", cases);
	return failed;
}
