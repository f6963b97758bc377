// SPDX-License-Identifier: GPL-2.0
/*
 * The object of a call: found by the kernel, once, and held by a descriptor
 * that no rename can make mean another object.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "priv.h"

/**
 * lnkfs_close_quietly - close a descriptor and leave errno as it is
 * @fd: the descriptor; negative: nothing is done
 */
void lnkfs_close_quietly(int fd)
{
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
}

/**
 * lnkfs_proc_fd - the name of a descriptor under /proc
 * @buf: LNKFS_PROC_FD_SIZE bytes
 * @fd: a descriptor of this thread, which may have a table of its own
 */
void lnkfs_proc_fd(char *buf, int fd)
{
	snprintf(buf, LNKFS_PROC_FD_SIZE, "/proc/thread-self/fd/%d", fd);
}

/**
 * lnkfs_object_close - end the use of an object
 * @obj: the object
 * @ret: what the caller is going to return
 *
 * Return: @ret, with errno as it was.
 */
int lnkfs_object_close(struct lnkfs_object *obj, int ret)
{
	if (obj->own)
		lnkfs_close_quietly(obj->fd);
	return ret;
}

/* What is there at obj->fd? Closes it on failure. */
static int look(struct lnkfs_object *obj)
{
	struct statfs sfs;

	if (fstat(obj->fd, &obj->st) || fstatfs(obj->fd, &sfs))
		return lnkfs_object_close(obj, -1);
	obj->lnkfs = (uint32_t)sfs.f_type == LNKFS_SUPER_MAGIC;
	return 0;
}

/**
 * lnkfs_object_open_fd - the object of a descriptor
 * @obj: to be filled; lnkfs_object_close() ends its use
 * @fd: a descriptor of the caller's, which stays open
 *
 * Return: 0, or -1 with errno set: EBADF.
 */
int lnkfs_object_open_fd(struct lnkfs_object *obj, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	*obj = (struct lnkfs_object){ .fd = fd, .opened = !(flags & O_PATH), .dirfd = AT_FDCWD };
	return look(obj);
}

/**
 * lnkfs_object_open - the object of a path
 * @obj: to be filled; lnkfs_object_close() ends its use
 * @dirfd: where a relative path begins, or AT_FDCWD
 * @path: the path; must stay valid as long as @obj is used
 * @atflags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
 *
 * Return: 0, or -1 with errno set: EINVAL for other @atflags, else what the
 * kernel says of the path.
 */
int lnkfs_object_open(struct lnkfs_object *obj, int dirfd, const char *path, int atflags)
{
	int how = O_PATH | O_CLOEXEC;
	int fd;

	if (atflags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
		errno = EINVAL;
		return -1;
	}
	if (atflags & AT_SYMLINK_NOFOLLOW)
		how |= O_NOFOLLOW;
	fd = openat(dirfd, path, how);
	if (fd < 0) {
		/* After ENOENT, and not before, the kernel has read the path. */
		if (errno != ENOENT || !(atflags & AT_EMPTY_PATH) || *path)
			return -1;
		if (dirfd != AT_FDCWD)
			return lnkfs_object_open_fd(obj, dirfd);
		path = ".";
		fd = openat(AT_FDCWD, path, how);
		if (fd < 0)
			return -1;
	}
	*obj = (struct lnkfs_object){ .fd = fd, .own = 1, .dirfd = dirfd, .path = path };
	return look(obj);
}

/**
 * lnkfs_object_reopen - a descriptor for I/O on the very object
 * @obj: the object
 *
 * Only regular files and directories are opened: opening anything else may
 * block, or do something.
 *
 * Return: a descriptor to close, or -1 with errno set: EOPNOTSUPP if this type
 * is not opened, or if it cannot be without /proc; EACCES; EMFILE and such.
 */
int lnkfs_object_reopen(const struct lnkfs_object *obj)
{
	int how = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char name[LNKFS_PROC_FD_SIZE];
	struct stat st;
	int fd;

	if (!S_ISREG(obj->st.st_mode) && !S_ISDIR(obj->st.st_mode)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (obj->opened)
		return fcntl(obj->fd, F_DUPFD_CLOEXEC, 0);
	lnkfs_proc_fd(name, obj->fd);
	fd = open(name, how);
	if (fd < 0 && S_ISDIR(obj->st.st_mode))
		fd = openat(obj->fd, ".", how | O_DIRECTORY);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			errno = EOPNOTSUPP;
		return -1;
	}
	/* Whatever is at /proc, it must have led to the object. */
	if (fstat(fd, &st) || st.st_dev != obj->st.st_dev || st.st_ino != obj->st.st_ino) {
		close(fd);
		errno = EOPNOTSUPP;
		return -1;
	}
	return fd;
}
