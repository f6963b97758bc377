/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of fsops share. */
#ifndef FSOPS_H
#define FSOPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FDS = 8, PATHLEN = 1024 };

/* Classes of operations that can be left out: FSOPS_CLASSES names those that come. */
enum {
	CLASS_FALLOC	= 1,
	CLASS_SEEK	= 2,
	CLASS_XATTR	= 4,
	CLASS_ACL	= 8,
	CLASS_RENAME	= 16,
};

extern int fds[FDS];
extern unsigned char data[1 << 17];

uint32_t rnd(uint32_t n);
uint64_t hash(uint64_t h, const void *buf, size_t len);
uint64_t hash_file(int fd, off_t size);
const char *pick(char *path);
const char *show(const char *path);
const char *result(long ret);
int open_at(const char *path, int flags, mode_t mode);
bool regular(int fd);
off_t some_offset(void);

/* fallocops.c */
void op_falloc(const char *path);
void op_seek(const char *path);

/* xattrops.c */
void op_xattr(const char *path);
void op_acl(const char *path);
void dump_xattrs(const char *path);

#endif /* FSOPS_H */
