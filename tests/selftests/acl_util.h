/* SPDX-License-Identifier: GPL-2.0 */
/*
 * POSIX ACLs as short texts, in the kernel's own encoding underneath:
 *
 *	u::rwx,u:1000:r-x,g::r--,g:1002:rw-,m::rwx,o::---
 *
 * with the numbers of users and groups. Every entry is written in full, in the
 * order that the kernel demands, so that equal ACLs are equal texts.
 */
#ifndef LNKFS_ACL_UTIL_H
#define LNKFS_ACL_UTIL_H

#include <endian.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#include "lnkfs_test.h"

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

#define ACL_TAG_USER_OBJ	0x01
#define ACL_TAG_USER		0x02
#define ACL_TAG_GROUP_OBJ	0x04
#define ACL_TAG_GROUP		0x08
#define ACL_TAG_MASK		0x10
#define ACL_TAG_OTHER		0x20

#define ACL_ENTRIES	600

struct acl {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[ACL_ENTRIES];
	unsigned int n;
};

static inline size_t acl_size(const struct acl *a)
{
	return sizeof(a->h) + a->n * sizeof(a->e[0]);
}

static inline void acl_add(struct acl *a, unsigned int tag, uint32_t id, unsigned int perm)
{
	a->h.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	a->e[a->n++] = (struct posix_acl_xattr_entry) {
		.e_tag = htole16(tag), .e_perm = htole16(perm), .e_id = htole32(id),
	};
}

static inline struct acl *acl_of(const char *text)
{
	static struct acl a;
	unsigned int tag, perm;
	char *end;
	long id;

	a.n = 0;
	a.h.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	for (; *text; text += *text == ',') {
		char kind = *text;

		id = strtol(text + 2, &end, 10);
		if (end == text + 2)
			id = -1;
		tag = kind == 'u' ? id < 0 ? ACL_TAG_USER_OBJ : ACL_TAG_USER :
		      kind == 'g' ? id < 0 ? ACL_TAG_GROUP_OBJ : ACL_TAG_GROUP :
		      kind == 'm' ? ACL_TAG_MASK : ACL_TAG_OTHER;
		perm = (end[1] == 'r') * 4 + (end[2] == 'w') * 2 + (end[3] == 'x');
		acl_add(&a, tag, id, perm);
		text = end + 4;
	}
	return &a;
}

/* In the caller's words, "none" without an ACL, or the name of an errno. */
static inline const char *acl_text(const char *path, const char *type)
{
	static char out[ACL_ENTRIES * 32];
	static struct acl a;
	ssize_t size = getxattr(path, type, &a, sizeof(a.h) + sizeof(a.e));
	unsigned int i, n;
	char *p = out;

	if (size < 0)
		return errno == ENODATA ? "none" : strerrorname_np(errno);
	if (le32toh(a.h.a_version) != POSIX_ACL_XATTR_VERSION)
		return "version";
	n = (size - sizeof(a.h)) / sizeof(a.e[0]);
	for (i = 0; i < n; i++) {
		unsigned int tag = le16toh(a.e[i].e_tag), perm = le16toh(a.e[i].e_perm);

		p += sprintf(p, "%s%c:", i ? "," : "", tag & 3 ? 'u' : tag & 12 ? 'g' :
			     tag == ACL_TAG_MASK ? 'm' : 'o');
		if (tag == ACL_TAG_USER || tag == ACL_TAG_GROUP)
			p += sprintf(p, "%u", le32toh(a.e[i].e_id));
		p += sprintf(p, ":%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-',
			     perm & 1 ? 'x' : '-');
	}
	return out;
}

static inline int acl_set(const char *path, const char *type, const char *text)
{
	const struct acl *a = acl_of(text);

	return setxattr(path, type, a, acl_size(a), 0);
}

#define EXPECT_ACL(want, path, type) do {				\
	const char *is_ = acl_text(path, type);				\
									\
	EXPECT_EQ(0, strcmp(want, is_))					\
		TH_LOG("%s of %s: %s, not %s", type, path, is_, want);	\
} while (0)

#define EXPECT_MODE(want, path) do {					\
	struct stat st_ = { 0 };					\
									\
	EXPECT_OK(lstat(path, &st_));					\
	EXPECT_EQ(want, st_.st_mode & 07777)				\
		TH_LOG("%s: %o, not %o", path, st_.st_mode & 07777, want); \
} while (0)

#endif /* LNKFS_ACL_UTIL_H */
