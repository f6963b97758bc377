/* SPDX-License-Identifier: GPL-2.0 */
/*
 * liblnkfs, inside: an object is what a call is about, a carrier is the open
 * file that the ioctls on it are made on (see <lnkfs.h>).
 */
#ifndef LIBLNKFS_PRIV_H
#define LIBLNKFS_PRIV_H

#include <sys/stat.h>
#include "liblnkfs.h"

struct lnkfs_object {
	int fd;			/* names the object; closed by us if own is set */
	int own;
	int opened;		/* fd is open for I/O: not an O_PATH descriptor */
	int lnkfs;		/* it is on lnkfs */
	int dirfd;		/* with path, how it was named... */
	const char *path;	/* ...or NULL: by fd alone */
	struct stat st;
};

/* Room for the name of a descriptor of this thread under /proc. */
#define LNKFS_PROC_FD_SIZE	40

/* object.c */
int lnkfs_object_open(struct lnkfs_object *obj, int dirfd, const char *path, int atflags);
int lnkfs_object_open_fd(struct lnkfs_object *obj, int fd);
int lnkfs_object_reopen(const struct lnkfs_object *obj);
int lnkfs_object_close(struct lnkfs_object *obj, int ret);
void lnkfs_close_quietly(int fd);
void lnkfs_proc_fd(char *buf, int fd);

/* carrier.c */
int lnkfs_carrier_ioctl(const struct lnkfs_object *obj, unsigned long cmd, void *arg);

/* linux.c */
int lnkfs_linux_chmod(const struct lnkfs_object *obj, mode_t mode);
int lnkfs_linux_getflags(const struct lnkfs_object *obj, uint32_t *flags);
int lnkfs_linux_setflags(const struct lnkfs_object *obj, uint32_t flags);

#endif /* LIBLNKFS_PRIV_H */
