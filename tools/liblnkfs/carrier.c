// SPDX-License-Identifier: GPL-2.0
/*
 * The carrier: any regular file or directory of the object's volume that this
 * process may open for reading. Which one it is makes no difference to what
 * the ioctls do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "priv.h"

struct search {
	const struct lnkfs_object *obj;
	int error;		/* why none was found, if not for permissions */
};

/* A search that failed for want of room has not shown that there is none. */
static void note(struct search *s)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		s->error = errno;
}

static int on_volume(const struct search *s, int fd, struct stat *st)
{
	return !fstat(fd, st) && st->st_dev == s->obj->st.st_dev &&
	       (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode));
}

/* A descriptor that is to be a carrier: closed if it cannot be one. */
static int accept_fd(struct search *s, int fd)
{
	struct stat st;

	if (fd < 0) {
		note(s);
		return -1;
	}
	if (on_volume(s, fd, &st))
		return fd;
	close(fd);
	return -1;
}

static int try_dir(struct search *s, int at, const char *name)
{
	return accept_fd(s, openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* The directory itself or the first readable one above it on the volume. */
static int climb(struct search *s, int at, const char *name)
{
	struct stat here, above;
	int dir, up, fd;

	fd = try_dir(s, at, name);
	if (fd >= 0)
		return fd;
	dir = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !on_volume(s, dir, &here)) {
		note(s);
		lnkfs_close_quietly(dir);
		return -1;
	}
	for (;;) {
		fd = try_dir(s, dir, "..");
		if (fd >= 0)
			break;
		up = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0) {
			note(s);
			break;
		}
		close(dir);
		dir = up;
		if (!on_volume(s, dir, &above) || above.st_ino == here.st_ino)
			break;
		here = above;
	}
	close(dir);
	return fd;
}

/* From the directory that a path names its last component in. */
static int climb_from_parent(struct search *s, int dirfd, const char *path)
{
	char dir[PATH_MAX];
	size_t end = strnlen(path, sizeof(dir));
	size_t begin;

	if (end == sizeof(dir))
		return -1;
	while (end && path[end - 1] == '/')
		end--;
	begin = end;
	while (begin && path[begin - 1] != '/')
		begin--;
	/* "/", "." and "..": directories, which the caller has begun with */
	if (end == begin || !strncmp(path + begin, "..", end - begin))
		return -1;
	if (!begin)
		return climb(s, dirfd, ".");
	memcpy(dir, path, begin);
	dir[begin] = '\0';
	return climb(s, dirfd, dir);
}

/* From where /proc says that the object is. */
static int climb_from_proc(struct search *s)
{
	char name[LNKFS_PROC_FD_SIZE], path[PATH_MAX];
	ssize_t len;

	lnkfs_proc_fd(name, s->obj->fd);
	len = readlink(name, path, sizeof(path) - 1);
	if (len <= 0 || *path != '/')
		return -1;
	path[len] = '\0';
	return climb_from_parent(s, AT_FDCWD, path);
}

/* The directory that the caller gave us, if it is open for more than paths. */
static int try_dirfd(struct search *s)
{
	int dirfd = s->obj->dirfd;
	int flags = dirfd == AT_FDCWD ? -1 : fcntl(dirfd, F_GETFL);

	if (flags < 0 || flags & O_PATH)
		return -1;
	return accept_fd(s, fcntl(dirfd, F_DUPFD_CLOEXEC, 0));
}

/*
 * A descriptor to make ioctls on about an object, which is on lnkfs.
 *
 * In turn: the object itself, if it is a regular file or a directory; the
 * directory that its path begins at; the directory that the path names it in,
 * and those above; the working directory, and those above; the directory that
 * /proc says it is in, and those above.
 *
 * Return: a descriptor to close, or -1 with errno set: EACCES if none of these
 * may be read; EMFILE, ENFILE, ENOMEM.
 */
static int carrier_open(const struct lnkfs_object *obj)
{
	struct search s = { .obj = obj };
	int fd;

	fd = try_dirfd(&s);
	if (fd < 0)
		fd = accept_fd(&s, lnkfs_object_reopen(obj));
	if (fd < 0 && S_ISDIR(obj->st.st_mode))
		fd = climb(&s, obj->fd, ".");
	if (fd < 0 && obj->path)
		fd = climb_from_parent(&s, obj->dirfd, obj->path);
	if (fd < 0)
		fd = climb(&s, AT_FDCWD, ".");
	if (fd < 0)
		fd = climb_from_proc(&s);
	if (fd < 0)
		errno = s.error ? s.error : EACCES;
	return fd;
}

/**
 * lnkfs_carrier_ioctl - make an ioctl about an object
 * @obj: an object, on lnkfs or not
 * @cmd: the request
 * @arg: its argument, which names the object
 *
 * Return: 0, or -1 with errno set: EOPNOTSUPP: it is not on lnkfs, or the module does
 * not know the request; EACCES: no file or directory of the volume that may be read was
 * found; EMFILE, ENFILE, ENOMEM; what the ioctl says.
 */
int lnkfs_carrier_ioctl(const struct lnkfs_object *obj, unsigned long cmd, void *arg)
{
	int fd, ret;

	if (!obj->lnkfs) {
		errno = EOPNOTSUPP;
		return -1;
	}
	fd = carrier_open(obj);
	if (fd < 0)
		return -1;
	ret = ioctl(fd, cmd, arg);
	if (ret && errno == ENOTTY)
		errno = EOPNOTSUPP;
	lnkfs_close_quietly(fd);
	return ret;
}
