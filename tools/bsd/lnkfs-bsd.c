// SPDX-License-Identifier: GPL-2.0
/*
 * liblnkfs-bsd.so: FreeBSD's calls for the attributes of links, for programs
 * linked with it or started with it in LD_PRELOAD. liblnkfs-bsd(7) is the manual
 * page. Only what glibc cannot do goes to liblnkfs: calls that would work
 * without this library, or fail for a reason of their own, reach glibc.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include "liblnkfs.h"
#include "lnkfs-bsd.h"

typedef int fchmodat_fn(int dirfd, const char *path, mode_t mode, int atflags);

static int missing(int dirfd, const char *path, mode_t mode, int atflags)
{
	(void)dirfd;
	(void)path;
	(void)mode;
	(void)atflags;
	errno = ENOSYS;
	return -1;
}

/* The next fchmodat() in the order of symbols: the C library's, as a rule. */
static fchmodat_fn *real_fchmodat(void)
{
	static fchmodat_fn *known;
	fchmodat_fn *fn = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!fn) {
		*(void **)&fn = dlsym(RTLD_NEXT, "fchmodat");
		if (!fn)
			fn = missing;
		__atomic_store_n(&known, fn, __ATOMIC_RELAXED);
	}
	return fn;
}

static int names_symlink(int dirfd, const char *path)
{
	int err = errno;
	struct stat st;
	int yes;

	yes = !fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode);
	errno = err;
	return yes;
}

int fchmodat(int dirfd, const char *path, mode_t mode, int atflags)
{
	if (atflags == AT_SYMLINK_NOFOLLOW && names_symlink(dirfd, path))
		return lnkfs_lchmodat(dirfd, path, mode);
	return real_fchmodat()(dirfd, path, mode, atflags);
}

int lchmod(const char *path, mode_t mode)
{
	return fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW);
}

int chflagsat(int fd, const char *path, unsigned long flags, int atflag)
{
	if (flags > UINT32_MAX) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return lnkfs_chflagsat(fd, path, (uint32_t)flags, atflag);
}

int chflags(const char *path, unsigned long flags)
{
	return chflagsat(AT_FDCWD, path, flags, 0);
}

int lchflags(const char *path, unsigned long flags)
{
	return chflagsat(AT_FDCWD, path, flags, AT_SYMLINK_NOFOLLOW);
}

int fchflags(int fd, unsigned long flags)
{
	if (flags > UINT32_MAX) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return lnkfs_fchflags(fd, (uint32_t)flags);
}

int lnkfs_bsd_stat_flags(const char *path, fflags_t *flags)
{
	return lnkfs_getflags(path, flags);
}

int lnkfs_bsd_lstat_flags(const char *path, fflags_t *flags)
{
	return lnkfs_lgetflags(path, flags);
}

int lnkfs_bsd_fstat_flags(int fd, fflags_t *flags)
{
	return lnkfs_fgetflags(fd, flags);
}

int lnkfs_bsd_fstatat_flags(int fd, const char *path, fflags_t *flags, int atflag)
{
	return lnkfs_getflagsat(fd, path, flags, atflag);
}
