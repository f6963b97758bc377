// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on extended attributes and ACLs. ext4 keeps the names of all
 * attributes of an inode in one block, so there are few of them, and is made
 * with ea_inode for the long values. Not here, because ext4 and XFS differ:
 * XATTR_CREATE together with XATTR_REPLACE.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fsops.h"

/* By name, the link itself, or an open file. */
struct where {
	const char *path;
	int fd;
	bool link;
};

static long x_set(const struct where *w, const char *name, const void *v, size_t n, int flags)
{
	return w->fd >= 0 ? fsetxattr(w->fd, name, v, n, flags) :
	       w->link ? lsetxattr(w->path, name, v, n, flags) :
			 setxattr(w->path, name, v, n, flags);
}

static long x_get(const struct where *w, const char *name, void *v, size_t n)
{
	return w->fd >= 0 ? fgetxattr(w->fd, name, v, n) :
	       w->link ? lgetxattr(w->path, name, v, n) : getxattr(w->path, name, v, n);
}

static long x_list(const struct where *w, char *list, size_t n)
{
	return w->fd >= 0 ? flistxattr(w->fd, list, n) :
	       w->link ? llistxattr(w->path, list, n) : listxattr(w->path, list, n);
}

static long x_remove(const struct where *w, const char *name)
{
	return w->fd >= 0 ? fremovexattr(w->fd, name) :
	       w->link ? lremovexattr(w->path, name) : removexattr(w->path, name);
}

static struct where some_place(const char *p)
{
	struct where w = { .path = p, .fd = -1, .link = rnd(2) };
	int slot = rnd(FDS);

	if (rnd(6) == 0 && fds[slot] >= 0)
		w.fd = fds[slot];
	printf("%s%s ", w.fd >= 0 ? "slot" : w.link ? "link " : "", w.fd >= 0 ? "" : show(p));
	return w;
}

static const char *some_name(void)
{
	static const char *const spaces[] = {
		"user.", "user.", "user.", "trusted.", "trusted.", "security.", "wrong.",
	};
	static char name[256];
	unsigned int space = rnd(50), num = rnd(9);
	int n = sprintf(name, "%s", spaces[space < 49 ? space % 6 : 6]);

	if (num == 8) {
		strcpy(name, "security.capability");
	} else {
		memset(name + n, 'a' + num, 1 + num * num * 3);
		name[n + 1 + num * num * 3] = 0;
	}
	return name;
}

static size_t some_size(void)
{
	unsigned int kind = rnd(100);

	if (kind < 40)
		return rnd(40);
	if (kind < 75)
		return rnd(300);
	if (kind < 90)
		return rnd(2000);
	if (kind < 98)
		return rnd(20000);
	return 65536 + (kind == 99);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The names in order, into @v; their number, or -1. XFS lists ACLs a second time,
 * under the names that they had on its first system.
 */
static int sorted_list(const struct where *w, const char **v, int max)
{
	static char list[65536];
	long len = x_list(w, list, sizeof(list));
	int n = 0;

	if (len < 0)
		return -1;
	for (char *p = list; p < list + len && n < max; p += strlen(p) + 1)
		if (strncmp(p, "trusted.SGI_ACL_", 16))
			v[n++] = p;
	qsort(v, n, sizeof(*v), by_text);
	return n;
}

static unsigned char value[65536 + 1];

static void do_set(const struct where *w)
{
	static const int flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE, 8 };
	static const struct vfs_cap_data cap = {
		.magic_etc = VFS_CAP_REVISION_2, .data = { { 1u << CAP_NET_RAW, 0 } },
	};
	const char *name = some_name();
	size_t size = some_size();
	unsigned int from = rnd(30000), kind = rnd(41);
	int flag = flags[kind < 40 ? kind % 4 : 4];

	printf("%.20s~%zu len %zu flags %d: ", name, strlen(name), size, flag);
	if (!strcmp(name, "security.capability"))
		printf("%s", result(x_set(w, name, &cap, XATTR_CAPS_SZ_2, flag)));
	else
		printf("%s", result(x_set(w, name, data + from, size, flag)));
}

static void do_list(const struct where *w)
{
	const char *v[200];
	int n = sorted_list(w, v, 200);
	uint64_t h = 1;

	for (int i = 0; i < n; i++) {
		h = hash(h, v[i], strlen(v[i]) + 1);
		printf("%.30s ", v[i]);
	}
	printf("list: %s %016llx", result(n), (unsigned long long)h);
}

void op_xattr(const char *p)
{
	unsigned int kind = rnd(10), size = rnd(4) ? sizeof(value) : rnd(300);
	const char *name;
	struct where w;
	long n;

	printf("xattr ");
	w = some_place(p);
	if (kind < 5) {
		do_set(&w);
	} else if (kind < 7) {
		name = some_name();
		n = x_get(&w, name, value, size);
		printf("get %.20s~%zu in %u: %s", name, strlen(name), size, result(n));
		if (n > 0 && size)
			printf(" %016llx", (unsigned long long)hash(1, value, n));
	} else if (kind < 9) {
		name = some_name();
		printf("remove %.20s~%zu: %s", name, strlen(name), result(x_remove(&w, name)));
	} else {
		do_list(&w);
	}
}

struct acl {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[16];
};

static size_t some_acl(struct acl *a)
{
	static const unsigned int users[] = { 500, 1000, 1500 };
	unsigned int n = 0, named = 0, i;

#define ENTRY(tag, id, perm)						\
	(a->e[n++] = (struct posix_acl_xattr_entry) {			\
		htole16(tag), htole16(perm), htole32(id) })

	a->h.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	ENTRY(1, -1, rnd(5) ? 7 : rnd(8));
	for (i = 0; i < 3; i++)
		if (rnd(3) == 0) {
			ENTRY(2, users[i], rnd(8));
			named++;
		}
	ENTRY(4, -1, rnd(8));
	for (i = 0; i < 3; i++)
		if (rnd(4) == 0) {
			ENTRY(8, users[i], rnd(8));
			named++;
		}
	/* sometimes it is missing, or not needed */
	if (named ? rnd(30) : rnd(4) == 0)
		ENTRY(0x10, -1, rnd(3) ? 7 : rnd(8));
	if (rnd(40))
		ENTRY(0x20, -1, rnd(2) ? 5 : rnd(8));
#undef ENTRY
	return sizeof(a->h) + n * sizeof(a->e[0]);
}

void op_acl(const char *p)
{
	const char *name = rnd(2) ? "system.posix_acl_access" : "system.posix_acl_default";
	unsigned int kind = rnd(8);
	struct where w;
	struct acl a;
	size_t size;
	long n;

	printf("acl ");
	w = some_place(p);
	size = some_acl(&a);
	if (kind < 4) {
		printf("set %s len %zu %016llx: ", name + 17, size,
		       (unsigned long long)hash(1, &a, size));
		printf("%s", result(x_set(&w, name, &a, size, 0)));
	} else if (kind < 6) {
		n = x_get(&w, name, &a, sizeof(a));
		printf("get %s: %s", name + 17, result(n));
		if (n > 0)
			printf(" %016llx", (unsigned long long)hash(1, &a, n));
	} else {
		printf("remove %s: %s", name + 17, result(x_remove(&w, name)));
	}
}

/* All of what @path itself has, for the final tree. */
void dump_xattrs(const char *path)
{
	struct where w = { .path = path, .fd = -1, .link = true };
	const char *v[200];
	int n = sorted_list(&w, v, 200);

	if (n < 0)
		printf(" %s", result(n));
	for (int i = 0; i < n; i++) {
		long len = x_get(&w, v[i], value, sizeof(value));

		printf(" %.24s~%zu=%ld:%016llx", v[i], strlen(v[i]), len,
		       (unsigned long long)hash(1, value, len < 0 ? 0 : len));
	}
}
