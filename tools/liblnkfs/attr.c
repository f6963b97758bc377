// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of liblnkfs on objects; liblnkfs.h says what they do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "priv.h"

static int call(const struct lnkfs_object *obj, unsigned long cmd, struct lnkfs_attr *attr)
{
	attr->a_size = sizeof(*attr);
	attr->a_fd = obj->fd;
	return lnkfs_carrier_ioctl(obj, cmd, attr);
}

int lnkfs_getattrat(int dirfd, const char *path, struct lnkfs_attr *attr, int atflags)
{
	struct lnkfs_attr a = { 0 };
	struct lnkfs_object obj;
	int ret;

	if (lnkfs_object_open(&obj, dirfd, path, atflags))
		return -1;
	ret = call(&obj, LNKFS_IOC_GETATTR, &a);
	if (!ret) {
		*attr = a;
		attr->a_fd = -1;
	}
	return lnkfs_object_close(&obj, ret);
}

int lnkfs_setattrat(int dirfd, const char *path, const struct lnkfs_attr *attr, int atflags)
{
	struct lnkfs_attr a = { .a_mask = attr->a_mask };
	struct lnkfs_object obj;

	if (attr->a_mask & LNKFS_ATTR_MODE)
		a.a_mode = attr->a_mode & 07777;
	if (attr->a_mask & LNKFS_ATTR_FLAGS)
		a.a_flags = attr->a_flags;
	if (lnkfs_object_open(&obj, dirfd, path, atflags))
		return -1;
	return lnkfs_object_close(&obj, call(&obj, LNKFS_IOC_SETATTR, &a));
}

int lnkfs_fchmodat(int dirfd, const char *path, mode_t mode, int atflags)
{
	struct lnkfs_attr a = { .a_mask = LNKFS_ATTR_MODE, .a_mode = mode & 07777 };
	struct lnkfs_object obj;
	int ret;

	/* Followed paths never lead to a symlink: the kernel's own call. */
	if (!atflags)
		return syscall(SYS_fchmodat, dirfd, path, a.a_mode) ? -1 : 0;
	if (lnkfs_object_open(&obj, dirfd, path, atflags))
		return -1;
	if (S_ISLNK(obj.st.st_mode))
		ret = call(&obj, LNKFS_IOC_SETATTR, &a);
	else
		ret = lnkfs_linux_chmod(&obj, a.a_mode);
	return lnkfs_object_close(&obj, ret);
}

int lnkfs_lchmodat(int dirfd, const char *path, mode_t mode)
{
	return lnkfs_fchmodat(dirfd, path, mode, AT_SYMLINK_NOFOLLOW);
}

int lnkfs_lchmod(const char *path, mode_t mode)
{
	return lnkfs_fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW);
}

static int set_flags(const struct lnkfs_object *obj, uint32_t flags)
{
	struct lnkfs_attr a = { .a_mask = LNKFS_ATTR_FLAGS, .a_flags = flags };

	return obj->lnkfs ? call(obj, LNKFS_IOC_SETATTR, &a) : lnkfs_linux_setflags(obj, flags);
}

int lnkfs_chflagsat(int dirfd, const char *path, uint32_t flags, int atflags)
{
	struct lnkfs_object obj;

	if (lnkfs_object_open(&obj, dirfd, path, atflags))
		return -1;
	return lnkfs_object_close(&obj, set_flags(&obj, flags));
}

int lnkfs_chflags(const char *path, uint32_t flags)
{
	return lnkfs_chflagsat(AT_FDCWD, path, flags, 0);
}

int lnkfs_lchflags(const char *path, uint32_t flags)
{
	return lnkfs_chflagsat(AT_FDCWD, path, flags, AT_SYMLINK_NOFOLLOW);
}

int lnkfs_fchflags(int fd, uint32_t flags)
{
	struct lnkfs_object obj;

	if (lnkfs_object_open_fd(&obj, fd))
		return -1;
	return lnkfs_object_close(&obj, set_flags(&obj, flags));
}

static int get_flags(const struct lnkfs_object *obj, uint32_t *flags)
{
	struct lnkfs_attr a = { 0 };

	if (!obj->lnkfs)
		return lnkfs_linux_getflags(obj, flags);
	if (call(obj, LNKFS_IOC_GETATTR, &a))
		return -1;
	*flags = a.a_flags;
	return 0;
}

int lnkfs_getflagsat(int dirfd, const char *path, uint32_t *flags, int atflags)
{
	struct lnkfs_object obj;

	if (lnkfs_object_open(&obj, dirfd, path, atflags))
		return -1;
	return lnkfs_object_close(&obj, get_flags(&obj, flags));
}

int lnkfs_getflags(const char *path, uint32_t *flags)
{
	return lnkfs_getflagsat(AT_FDCWD, path, flags, 0);
}

int lnkfs_lgetflags(const char *path, uint32_t *flags)
{
	return lnkfs_getflagsat(AT_FDCWD, path, flags, AT_SYMLINK_NOFOLLOW);
}

int lnkfs_fgetflags(int fd, uint32_t *flags)
{
	struct lnkfs_object obj;

	if (lnkfs_object_open_fd(&obj, fd))
		return -1;
	return lnkfs_object_close(&obj, get_flags(&obj, flags));
}
