// SPDX-License-Identifier: GPL-2.0
/*
 * What Linux can do itself: the mode of anything but symlinks, anywhere, and a
 * few flags on other filesystems.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "priv.h"

/* Numbers that are the same on every architecture but Alpha. */
#if !defined(SYS_fchmodat2) && !defined(__alpha__)
#define SYS_fchmodat2		452	/* since Linux 6.6 */
#endif
#if !defined(SYS_file_getattr) && !defined(__alpha__)
#define SYS_file_getattr	468	/* since Linux 6.17 */
#define SYS_file_setattr	469
#endif

/* struct file_attr of Linux 6.17's <linux/fs.h>, FILE_ATTR_SIZE_VER0 */
struct linux_file_attr {
	uint64_t fa_xflags;	/* FS_XFLAG_* */
	uint32_t fa_extsize;
	uint32_t fa_nextents;
	uint32_t fa_projid;
	uint32_t fa_cowextsize;
};

#define KNOWN	(LNKFS_SF_IMMUTABLE | LNKFS_SF_APPEND | LNKFS_UF_NODUMP)
#define FL	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL)
#define XFLAG	(FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND | FS_XFLAG_NODUMP)
#define STATX	(STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)

/* Our flags, given the three bits of one of the kernel's words that say so. */
static uint32_t flags_of(uint64_t word, uint64_t immutable, uint64_t append, uint64_t nodump)
{
	return (word & immutable ? LNKFS_SF_IMMUTABLE : 0) |
	       (word & append ? LNKFS_SF_APPEND : 0) |
	       (word & nodump ? LNKFS_UF_NODUMP : 0);
}

static uint32_t word_of(uint32_t flags, uint32_t immutable, uint32_t append, uint32_t nodump)
{
	return (flags & LNKFS_SF_IMMUTABLE ? immutable : 0) |
	       (flags & LNKFS_SF_APPEND ? append : 0) |
	       (flags & LNKFS_UF_NODUMP ? nodump : 0);
}

/* The kernel's ways to say that the object has no such attributes. */
static int unsupported(void)
{
	const int enoioctlcmd = 515;	/* what Linux 6.17.0 let out */

	if (errno == ENOTTY || errno == ENOSYS || errno == EINVAL || errno == enoioctlcmd)
		errno = EOPNOTSUPP;
	return -1;
}

/**
 * lnkfs_linux_chmod - chmod(2) of an object that is no symlink
 * @obj: the object
 * @mode: permissions
 *
 * Return: 0, or -1 with errno set: what chmod(2) says, or EOPNOTSUPP if the
 * object cannot be named to this kernel because /proc is not there.
 */
int lnkfs_linux_chmod(const struct lnkfs_object *obj, mode_t mode)
{
	char name[LNKFS_PROC_FD_SIZE];
	int err;

	if (obj->opened)
		return fchmod(obj->fd, mode);
	if (!syscall(SYS_fchmodat2, obj->fd, "", mode, AT_EMPTY_PATH))
		return 0;
	/* Filters of system calls that are older than this one say EPERM. */
	if (errno != ENOSYS && errno != EPERM)
		return -1;
	err = errno == EPERM ? EPERM : EOPNOTSUPP;
	lnkfs_proc_fd(name, obj->fd);
	if (!syscall(SYS_fchmodat, AT_FDCWD, name, mode))
		return 0;
	if (errno != ENOENT && errno != ENOTDIR)
		return -1;
	if (S_ISDIR(obj->st.st_mode))
		return syscall(SYS_fchmodat, obj->fd, ".", mode) ? -1 : 0;
	errno = err;
	return -1;
}

/*
 * file_getattr(2) and file_setattr(2). They take no O_PATH descriptor, but do
 * follow one's name under /proc to the object, be it a symlink.
 */
static int file_attr(long number, const struct lnkfs_object *obj, struct linux_file_attr *fa)
{
	char name[LNKFS_PROC_FD_SIZE];

	lnkfs_proc_fd(name, obj->fd);
	if (!syscall(number, AT_FDCWD, name, fa, sizeof(*fa), 0))
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		errno = EOPNOTSUPP;
	return unsupported();
}

/* FS_IOC_GETFLAGS moves an int, but some servers of FUSE a long. */
union fl {
	unsigned int fl;
	unsigned long room;
};

/**
 * lnkfs_linux_getflags - flags of an object on another filesystem
 * @obj: the object
 * @flags: gets those of its flags that Linux knows
 *
 * Return: 0, or -1 with errno set: EOPNOTSUPP if it keeps none, EACCES if they
 * can only be seen by opening it.
 */
int lnkfs_linux_getflags(const struct lnkfs_object *obj, uint32_t *flags)
{
	struct linux_file_attr fa;
	union fl u = { .room = 0 };
	struct statx stx;
	int fd, ret;

	if (!statx(obj->fd, "", AT_EMPTY_PATH, 0, &stx) &&
	    (stx.stx_attributes_mask & STATX) == STATX) {
		*flags = flags_of(stx.stx_attributes, STATX_ATTR_IMMUTABLE, STATX_ATTR_APPEND,
				  STATX_ATTR_NODUMP);
		return 0;
	}
	if (!file_attr(SYS_file_getattr, obj, &fa)) {
		*flags = flags_of(fa.fa_xflags, FS_XFLAG_IMMUTABLE, FS_XFLAG_APPEND,
				  FS_XFLAG_NODUMP);
		return 0;
	}
	fd = lnkfs_object_reopen(obj);
	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_GETFLAGS, &u) ? unsupported() : 0;
	lnkfs_close_quietly(fd);
	if (!ret)
		*flags = flags_of(u.fl, FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL);
	return ret;
}

static int set_by_file_attr(const struct lnkfs_object *obj, uint32_t flags)
{
	struct linux_file_attr fa;

	if (file_attr(SYS_file_getattr, obj, &fa))
		return -1;
	fa.fa_xflags &= ~(uint64_t)XFLAG;
	fa.fa_xflags |= word_of(flags, FS_XFLAG_IMMUTABLE, FS_XFLAG_APPEND, FS_XFLAG_NODUMP);
	return file_attr(SYS_file_setattr, obj, &fa);
}

/**
 * lnkfs_linux_setflags - set the flags of an object on another filesystem
 * @obj: the object
 * @flags: the flags; what Linux has besides stays as it is
 *
 * Return: 0, or -1 with errno set: EOPNOTSUPP if one of the flags, or any on
 * an object of this type, cannot be set there; else what the kernel says.
 */
int lnkfs_linux_setflags(const struct lnkfs_object *obj, uint32_t flags)
{
	union fl u = { .room = 0 };
	int fd, ret, err;

	if (flags & ~KNOWN) {
		errno = EOPNOTSUPP;
		return -1;
	}
	fd = lnkfs_object_reopen(obj);
	if (fd < 0) {
		/* perhaps not the right to read, but the right to do this */
		err = errno;
		ret = set_by_file_attr(obj, flags);
		if (ret && errno == EOPNOTSUPP)
			errno = err;
		return ret;
	}
	ret = ioctl(fd, FS_IOC_GETFLAGS, &u);
	if (!ret) {
		u.fl = (u.fl & ~FL) | word_of(flags, FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL);
		ret = ioctl(fd, FS_IOC_SETFLAGS, &u);
	}
	if (ret)
		unsupported();
	lnkfs_close_quietly(fd);
	return ret;
}
