// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes of objects that a walk has come to.
 *
 * They are changed through the descriptor, never by the name, which may mean
 * another object by now. On lnkfs the directory that the walk has open anyway
 * is the carrier; where it is not, the library looks for one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "liblnkfs.h"
#include "object.h"

/* Is @object on lnkfs? The answer holds for its whole device. */
static bool on_lnkfs(const struct walk_object *object)
{
	static unsigned int major, minor;
	static bool known, answer;
	const struct statx *st = object->st;
	struct statfs sfs;

	if (known && st->stx_dev_major == major && st->stx_dev_minor == minor)
		return answer;
	if (fstatfs(object->fd, &sfs))
		return false;
	known = true;
	major = st->stx_dev_major;
	minor = st->stx_dev_minor;
	answer = (uint32_t)sfs.f_type == LNKFS_SUPER_MAGIC;
	return answer;
}

/* May the directory that has @object carry the ioctls on it? */
static bool has_carrier(const struct walk_object *object)
{
	return object->dirfd != AT_FDCWD && on_lnkfs(object) &&
	       !(object->st->stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int through_directory(const struct walk_object *object, unsigned long request,
			     struct lnkfs_attr *attr)
{
	attr->a_size = sizeof(*attr);
	attr->a_fd = object->fd;
	return ioctl(object->dirfd, request, attr);
}

static int by_name(const struct walk_object *object)
{
	return object->follow ? 0 : AT_SYMLINK_NOFOLLOW;
}

/* chmod(2) by way of /proc, which is what the library comes to after some more calls. */
static int chmod_by_proc(const struct walk_object *object, mode_t mode)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", object->fd);
	return chmod(path, mode);
}

/**
 * object_chmod() - set the mode of an object
 * @object: it; a symlink itself, if it is one
 * @mode: permissions
 *
 * Return: 0, or -1 with errno set.
 */
int object_chmod(const struct walk_object *object, mode_t mode)
{
	struct lnkfs_attr attr = { .a_mask = LNKFS_ATTR_MODE, .a_mode = mode };
	bool is_link = S_ISLNK(object->st->stx_mode);

	if (is_link && has_carrier(object))
		return through_directory(object, LNKFS_IOC_SETATTR, &attr);
	if (!is_link && !chmod_by_proc(object, mode))
		return 0;
	if (!is_link && errno != ENOENT && errno != ENOTDIR)
		return -1;
	if (!lnkfs_fchmodat(object->fd, "", mode, AT_EMPTY_PATH))
		return 0;
	/* only the name may lead to a carrier */
	if (errno == EACCES && is_link)
		return lnkfs_fchmodat(object->dirfd, object->name, mode, by_name(object));
	return -1;
}

/**
 * object_getflags() - get the flags of an object
 * @object: it; a symlink itself, if it is one
 * @flags: where to put them
 *
 * Return: 0, or -1 with errno set.
 */
int object_getflags(const struct walk_object *object, uint32_t *flags)
{
	struct lnkfs_attr attr = { 0 };

	if (has_carrier(object)) {
		if (through_directory(object, LNKFS_IOC_GETATTR, &attr))
			return -1;
		*flags = attr.a_flags;
		return 0;
	}
	if (!lnkfs_fgetflags(object->fd, flags))
		return 0;
	if (errno == EACCES)
		return lnkfs_getflagsat(object->dirfd, object->name, flags, by_name(object));
	return -1;
}

/**
 * object_setflags() - replace the flags of an object
 * @object: it; a symlink itself, if it is one
 * @flags: the new flags
 *
 * Return: 0, or -1 with errno set.
 */
int object_setflags(const struct walk_object *object, uint32_t flags)
{
	struct lnkfs_attr attr = { .a_mask = LNKFS_ATTR_FLAGS, .a_flags = flags };

	if (has_carrier(object))
		return through_directory(object, LNKFS_IOC_SETATTR, &attr);
	if (!lnkfs_fchflags(object->fd, flags))
		return 0;
	if (errno == EACCES)
		return lnkfs_chflagsat(object->dirfd, object->name, flags, by_name(object));
	return -1;
}

/**
 * object_getlink() - what a symlink is besides its text
 * @object: it
 * @link: gets it, as lnkfs_getlinkat() says
 * @buf: gets the stored text
 * @size: room there
 *
 * Return: 0, or -1 with errno set; EOPNOTSUPP: it is not on lnkfs, or the module knows
 * only plain ones.
 */
int object_getlink(const struct walk_object *object, struct lnkfs_link *link, char *buf,
		   size_t size)
{
	struct lnkfs_link l = {
		.l_size = sizeof(l),
		.l_fd = object->fd,
		.l_buf = (uintptr_t)buf,
		.l_len = (uint32_t)size,
	};

	if (has_carrier(object)) {
		if (ioctl(object->dirfd, LNKFS_IOC_GETLINK, &l)) {
			if (errno == ENOTTY)
				errno = EOPNOTSUPP;
			return -1;
		}
		*link = l;
		return 0;
	}
	if (!lnkfs_getlinkat(object->fd, "", link, buf, size, AT_EMPTY_PATH))
		return 0;
	if (errno == EACCES)
		return lnkfs_getlinkat(object->dirfd, object->name, link, buf, size, 0);
	return -1;
}
