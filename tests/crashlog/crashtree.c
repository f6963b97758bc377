// SPDX-License-Identifier: GPL-2.0
/*
 * In the guest: show a mounted volume as tree.c does.
 *
 * usage: crashtree DIR
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "crc32c.h"
#include "lnkfs.h"
#include "tree.h"

#define EPOCH	2147483648u	/* seconds from the volume's first moment to 1970 */

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static u32 sum_of(int dir, const char *name, const char *path)
{
	static u8 data[1 << 20];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	u32 sum = ~0u;
	ssize_t n;

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	while ((n = read(fd, data, sizeof(data))) > 0)
		sum = lnkfs_crc32c(sum, data, (size_t)n);
	if (n < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return sum;
}

static void attrs(int dir, const char *name, const char *path)
{
	static char list[65536], value[65536];
	char *full, *a;
	ssize_t n, len;

	if (asprintf(&full, "/proc/self/fd/%d/%s", dir, name) < 0)
		die("no memory");
	n = llistxattr(full, list, sizeof(list));
	if (n < 0)
		die("%s: attributes: %s", path, strerror(errno));
	for (a = list; a < list + n; a += strlen(a) + 1) {
		len = lgetxattr(full, a, value, sizeof(value));
		if (len < 0)
			die("%s: %s: %s", path, a, strerror(errno));
		tree_attr(stdout, path, a, value, (u32)len);
	}
	free(full);
}

/* The stored text of a symlink; what it is besides is shown as an attribute. */
static void read_link(int dir, const char *name, const char *path, char target[4096])
{
	struct lnkfs_link l = { .l_size = sizeof(l), .l_buf = (uintptr_t)target, .l_len = 4096 };
	struct lnkfs_link_attr la;

	l.l_fd = openat(dir, name, O_PATH | O_NOFOLLOW);
	if (ioctl(dir, LNKFS_IOC_GETLINK, &l))
		die("%s: reading the link: %s", path, strerror(errno));
	close(l.l_fd);
	if (!l.l_kind && !l.l_flags)
		return;
	la = (struct lnkfs_link_attr){
		.la_kind = (u8)l.l_kind,
		.la_flags = (u8)(l.l_flags & ~LNKFS_LINK_LOST),
		.la_gen = cpu_to_le32(l.l_gen),
		.la_ino = cpu_to_le64(l.l_ino),
	};
	tree_attr(stdout, path, CRASH_LINK, &la, sizeof(la));
}

static void directory(int fd, const char *path);

static void one_name(int dir, const char *name, const char *path)
{
	char target[4096] = "";
	struct stat st;
	struct crash_stat s;
	u32 sum = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		die("%s: %s", path, strerror(errno));
	s = (struct crash_stat){
		.ino = st.st_ino,
		.mode = st.st_mode,
		.nlink = (u32)st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.size = (u64)st.st_size,
		.mtime = ((u64)st.st_mtim.tv_sec + EPOCH) * 1000000000u + (u64)st.st_mtim.tv_nsec,
	};
	if (S_ISLNK(s.mode))
		read_link(dir, name, path, target);
	if (S_ISREG(s.mode))
		sum = sum_of(dir, name, path);
	tree_line(stdout, path, &s, sum, target);
	attrs(dir, name, path);
	if (S_ISDIR(s.mode))
		directory(openat(dir, name, O_RDONLY | O_DIRECTORY), path);
}

static void directory(int fd, const char *path)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char *below;

	if (!d)
		die("%s: %s", path, strerror(errno));
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", e->d_name) < 0)
			die("no memory");
		one_name(dirfd(d), e->d_name, below);
		free(below);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	directory(open(argv[1], O_RDONLY | O_DIRECTORY), "");
	return 0;
}
