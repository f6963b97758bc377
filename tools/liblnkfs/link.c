// SPDX-License-Identifier: GPL-2.0
/*
 * What a symlink is besides its text; liblnkfs.h says what the calls do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include "priv.h"

/* The ioctl @cmd about the symlink @path itself. */
static int call(int dirfd, const char *path, int atflags, unsigned long cmd,
		struct lnkfs_link *link)
{
	struct lnkfs_object obj;

	if (lnkfs_object_open(&obj, dirfd, path, atflags | AT_SYMLINK_NOFOLLOW))
		return -1;
	link->l_size = sizeof(*link);
	link->l_fd = obj.fd;
	return lnkfs_object_close(&obj, lnkfs_carrier_ioctl(&obj, cmd, link));
}

int lnkfs_getlinkat(int dirfd, const char *path, struct lnkfs_link *link, char *buf,
		    size_t size, int atflags)
{
	struct lnkfs_link l = {
		.l_buf = size ? (uintptr_t)buf : 0,
		.l_len = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
	};
	int ret = call(dirfd, path, atflags, LNKFS_IOC_GETLINK, &l);

	if (!ret) {
		*link = l;
		link->l_fd = -1;
		link->l_target = -1;
		link->l_buf = 0;
	} else if (errno == ERANGE) {
		link->l_len = l.l_len;
	}
	return ret;
}

int lnkfs_getlink(const char *path, struct lnkfs_link *link, char *buf, size_t size)
{
	return lnkfs_getlinkat(AT_FDCWD, path, link, buf, size, 0);
}

int lnkfs_setlinkat(int dirfd, const char *path, const struct lnkfs_link *link, int atflags)
{
	struct lnkfs_link l = {
		.l_kind = link->l_kind,
		.l_flags = link->l_flags,
		.l_target = link->l_flags & LNKFS_LINK_TRACKED ? link->l_target : -1,
	};

	return call(dirfd, path, atflags, LNKFS_IOC_SETLINK, &l);
}

int lnkfs_setlink(const char *path, const struct lnkfs_link *link)
{
	return lnkfs_setlinkat(AT_FDCWD, path, link, 0);
}
