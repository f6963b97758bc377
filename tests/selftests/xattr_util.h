/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extended attributes of whatever a name stands for, links included (none of
 * these follows one): values that are told by a size and a seed, and what an
 * object must have.
 */
#ifndef LNKFS_XATTR_UTIL_H
#define LNKFS_XATTR_UTIL_H

#include <sys/xattr.h>

#include "lnkfs_test.h"

#define XATTR_MAX	65536	/* XATTR_SIZE_MAX */
#define XATTR_NAME_MAX_	255	/* of the whole name, prefix included */

static inline bool on_fs(const char *type)
{
	return !strcmp(env_or("FSTYPE", "lnkfs"), type);
}

/*
 * What any object takes. ext4 has one block for all attributes of an inode;
 * lnkfs and XFS have no such limit.
 */
static inline bool few_and_small(void)
{
	return on_fs("ext4");
}

static inline size_t value_max(void)
{
	return few_and_small() ? fs_block_size() / 2 : XATTR_MAX;
}

/* The @size bytes that belong to @seed: every value, NUL included, in any place. */
static inline void value_fill(unsigned char *buf, size_t size, uint32_t seed)
{
	uint64_t s = (seed + 1) * 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < size; i++) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		buf[i] = s >> 32;
	}
}

static inline int value_set(const char *path, const char *name, size_t size,
			    uint32_t seed, int flags)
{
	static unsigned char buf[XATTR_MAX + 1];

	value_fill(buf, size, seed);
	return lsetxattr(path, name, buf, size, flags);
}

/* Has @path exactly this under @name? The buffer has room for one byte more. */
static inline bool value_is(const char *path, const char *name, size_t size, uint32_t seed)
{
	static unsigned char want[XATTR_MAX], got[XATTR_MAX + 1];

	value_fill(want, size, seed);
	if (size < XATTR_MAX)
		got[size] = 0x5a;
	return lgetxattr(path, name, NULL, 0) == (ssize_t)size &&
	       lgetxattr(path, name, got, size < XATTR_MAX ? size + 1 : size) ==
			(ssize_t)size &&
	       !memcmp(want, got, size) && (size == XATTR_MAX || got[size] == 0x5a);
}

static inline int text_set(const char *path, const char *name, const char *text)
{
	return lsetxattr(path, name, text, strlen(text), 0);
}

static inline bool text_is(const char *path, const char *name, const char *text)
{
	char got[4096];
	ssize_t n = lgetxattr(path, name, got, sizeof(got));

	return n == (ssize_t)strlen(text) && !memcmp(got, text, n);
}

/* Is there no such attribute? */
static inline bool gone(const char *path, const char *name)
{
	return lgetxattr(path, name, NULL, 0) == -1 && errno == ENODATA;
}

/* How often @name is in a list of @len bytes; -1 when the list is malformed. */
static inline int listed_in(const char *list, ssize_t len, const char *name)
{
	int times = 0;

	if (len < 0 || (len && list[len - 1]))
		return -1;
	for (const char *p = list; p < list + len; p += strlen(p) + 1)
		times += !strcmp(p, name);
	return times;
}

static inline int listed(const char *path, const char *name)
{
	static char list[XATTR_MAX];

	return listed_in(list, llistxattr(path, list, sizeof(list)), name);
}

/* The names that @path lists, or -1. */
static inline int count_listed(const char *path)
{
	static char list[XATTR_MAX];
	ssize_t len = llistxattr(path, list, sizeof(list));
	int n = 0;

	if (len < 0 || (len && list[len - 1]))
		return -1;
	for (const char *p = list; p < list + len; p += strlen(p) + 1)
		n++;
	return n;
}

/*
 * Does this kernel let owners set security.* attributes? Debian's 6.1, with the BPF
 * security module in, does not ask for the capability, on any filesystem: tmpfs tells.
 */
static inline bool owners_set_security(void)
{
	static const char path[] = "/dev/shm/lnkfs-owner-probe";
	bool may = false;

	if (!make_object(path, T_REG))
		may = !AS(U_OWNER, setxattr(path, "security.lnkfs", "x", 1, 0));
	remove(path);
	return may;
}

#endif /* LNKFS_XATTR_UTIL_H */
