// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on what inodes have besides data: mode, owner, flags, attributes,
 * ACLs, project and quota.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../fs/lnkfs.h"
#include "races.h"

#define USER		1000	/* the first of those who own files */
#define XATTR_MAX	20000

static const char *const xattr_names[] = {
	"trusted.r0", "trusted.r1", "user.r0", "user.r1", "security.r0",
};

void op_chmod(struct worker *w)
{
	char path[64];

	pick_path(w, path);
	may(w, "chmod", chmod(path, below(w, 0777)));
}

void op_chown(struct worker *w)
{
	char path[64];

	pick_path(w, path);
	may(w, "lchown", lchown(path, USER + below(w, 3), USER + below(w, 3)));
}

/* lchflags, and lchmod, by a descriptor that stands for the object itself. */
void op_flags(struct worker *w)
{
	static const uint32_t flags[] = {
		0, 0, 0, LNKFS_UF_NODUMP | LNKFS_UF_HIDDEN, LNKFS_SF_ARCHIVED,
		LNKFS_UF_IMMUTABLE, LNKFS_UF_APPEND, LNKFS_UF_NOUNLINK,
	};
	struct lnkfs_attr a = { .a_size = sizeof(a) };
	char path[64];
	int fd;

	pick_path(w, path);
	fd = may(w, "open", open(path, O_PATH | O_NOFOLLOW));
	if (fd < 0)
		return;
	a.a_fd = fd;
	if (!below(w, 3)) {
		if (!may(w, "getattr", ioctl(w->root, LNKFS_IOC_GETATTR, &a)) &&
		    (a.a_flags & ~LNKFS_FLAGS_ALL || !(a.a_mode & S_IFMT)))
			fail("%s: flags %#x, mode %#o", path, a.a_flags, a.a_mode);
	} else {
		a.a_mask = LNKFS_ATTR_FLAGS;
		a.a_flags = flags[below(w, 8)];
		if (!below(w, 3)) {
			a.a_mask |= LNKFS_ATTR_MODE;
			a.a_mode = below(w, 0777);
		}
		if (!may(w, "setattr", ioctl(w->root, LNKFS_IOC_SETATTR, &a)) && below(w, 4)) {
			/* Mostly not for long, or nothing would happen any more. */
			a.a_mask = LNKFS_ATTR_FLAGS;
			a.a_flags = 0;
			a.a_mode = 0;
			may(w, "setattr", ioctl(w->root, LNKFS_IOC_SETATTR, &a));
		}
	}
	close(fd);
}

/* The value of an attribute tells its name and its length. */
static size_t make_value(struct worker *w, unsigned int nr, unsigned char *value)
{
	static const unsigned int most[] = { 60, 60, 60, 60, 60, 60, 900, 900, XATTR_MAX };
	size_t len = 4 + below(w, most[below(w, 9)]), i;

	value[0] = nr;
	value[1] = len;
	value[2] = len >> 8;
	for (i = 3; i < len; i++)
		value[i] = nr + len + i;
	return len;
}

/* What is wrong with an attribute, or NULL. */
const char *bad_xattr(const char *name, const unsigned char *value, size_t len)
{
	unsigned int nr = 0;
	size_t i;

	if (!strncmp(name, "system.", 7))
		return len >= 4 && value[0] == 2 && len % 8 == 4 ? NULL : "no ACL";
	while (nr < 5 && strcmp(name, xattr_names[nr]))
		nr++;
	if (nr == 5)
		return "a name that nobody gave";
	if (len < 4 || value[0] != nr || value[1] != (len & 0xff) || value[2] != len >> 8)
		return "the value of another name or length";
	for (i = 3; i < len; i++) {
		if (value[i] != (unsigned char)(nr + len + i))
			return "a value that nobody wrote";
	}
	return NULL;
}

void op_setxattr(struct worker *w)
{
	static const int how[] = { 0, 0, 0, 0, 0, 0, XATTR_CREATE, XATTR_REPLACE };
	unsigned char value[XATTR_MAX + 1000];
	unsigned int nr = below(w, 5);
	char path[64];
	size_t len;

	pick_path(w, path);
	if (!below(w, 4)) {
		may(w, "lremovexattr", lremovexattr(path, xattr_names[nr]));
		return;
	}
	len = make_value(w, nr, value);
	may(w, "lsetxattr", lsetxattr(path, xattr_names[nr], value, len, how[below(w, 8)]));
}

static bool known_name(const char *name)
{
	unsigned int nr = 0;

	while (nr < 5 && strcmp(name, xattr_names[nr]))
		nr++;
	return nr < 5;
}

void op_getxattr(struct worker *w)
{
	unsigned char value[XATTR_MAX + 1000];
	char path[64], names[1024], *name;
	const char *why;
	ssize_t len;

	pick_path(w, path);
	if (below(w, 2)) {
		len = may(w, "llistxattr", llistxattr(path, names, sizeof(names)));
		for (name = names; name < names + len; name += strlen(name) + 1) {
			if (strncmp(name, "system.posix_acl_", 17) && !known_name(name))
				fail("%s: an attribute '%s'", path, name);
		}
		return;
	}
	name = (char *)xattr_names[below(w, 5)];
	len = may(w, "lgetxattr", lgetxattr(path, name, value, sizeof(value)));
	if (len < 0)
		return;
	why = bad_xattr(name, value, len);
	if (why)
		fail("%s: %s, %zd bytes: %s", path, name, len, why);
}

struct acl_entry {
	uint16_t tag;
	uint16_t perm;
	uint32_t id;
};

/* An ACL that says more than a mode, or one that does not. */
void op_acl(struct worker *w)
{
	struct {
		uint32_t version;
		struct acl_entry e[5];
	} acl = { 2, {
		{ 0x01, below(w, 8), -1 }, { 0x02, below(w, 8), USER + below(w, 2) },
		{ 0x04, below(w, 8), -1 }, { 0x10, below(w, 8), -1 }, { 0x20, below(w, 8), -1 },
	} };
	const char *name = below(w, 3) ? "system.posix_acl_access" : "system.posix_acl_default";
	unsigned char got[sizeof(acl) + 64];
	size_t size = sizeof(acl);
	char path[64];
	ssize_t len;

	pick_path(w, path);
	switch (below(w, 4)) {
	case 0:
		/* What a mode says, too: owner, group, others. */
		acl.e[1] = acl.e[2];
		acl.e[2] = acl.e[4];
		size -= 2 * sizeof(acl.e[0]);
		/* fall through */
	case 1:
		may(w, "setxattr", setxattr(path, name, &acl, size, 0));
		break;
	case 2:
		may(w, "removexattr", removexattr(path, name));
		break;
	default:
		len = may(w, "getxattr", getxattr(path, name, got, sizeof(got)));
		if (len >= 0 && bad_xattr(name, got, len))
			fail("%s: %s of %zd bytes: %s", path, name, len, bad_xattr(name, got, len));
	}
}

void op_project(struct worker *w)
{
	struct fsxattr fx = {};
	char path[64];
	int fd;

	if (below(w, 3)) {
		fd = open_any(w, O_RDONLY, path);
	} else {
		strcpy(path, below(w, 2) ? "a" : "b");
		fd = may(w, "open", open(path, O_RDONLY));
	}
	if (fd < 0)
		return;
	if (!may(w, "fsgetxattr", ioctl(fd, FS_IOC_FSGETXATTR, &fx))) {
		if (fx.fsx_projid > 2)
			fail("%s: project %u", path, fx.fsx_projid);
		fx.fsx_projid = below(w, 3);
		fx.fsx_xflags = below(w, 2) ? FS_XFLAG_PROJINHERIT : 0;
		may(w, "fssetxattr", ioctl(fd, FS_IOC_FSSETXATTR, &fx));
	}
	close(fd);
}

static long quotactl_(int cmd, int type, const char *device, int id, void *arg)
{
	return syscall(SYS_quotactl, QCMD(cmd, type), device, id, arg);
}

void op_quota(struct worker *w)
{
	int type = below(w, 3), id = type == PRJQUOTA ? (int)below(w, 3) : USER + (int)below(w, 3);
	uint32_t format = 4;
	struct if_dqblk d = { .dqb_valid = QIF_LIMITS };

	switch (below(w, 6)) {
	case 0:
		d.dqb_bsoftlimit = below(w, 2) ? 4096 + below(w, 4096) : 0;
		d.dqb_ihardlimit = below(w, 2) ? 1000 : 0;
		may(w, "setquota", quotactl_(Q_SETQUOTA, type, w->device, id, &d));
		break;
	case 1:
		may(w, "quotaon", quotactl_(Q_QUOTAON, type, w->device, 4, (void *)w->mount));
		break;
	case 2:
		may(w, "quotaoff", quotactl_(Q_QUOTAOFF, type, w->device, 0, NULL));
		break;
	case 3:
		may(w, "quotasync", quotactl_(Q_SYNC, type, w->device, 0, NULL));
		break;
	case 4:
		may(w, "getfmt", quotactl_(Q_GETFMT, type, w->device, 0, &format));
		break;
	default:
		/* The usage of so few files is small, and never below nothing. */
		if (!may(w, "getquota", quotactl_(Q_GETQUOTA, type, w->device, id, &d)) &&
		    (d.dqb_curspace > 1ULL << 40 || d.dqb_curinodes > 1000000))
			fail("quota type %d of %d: %llu bytes, %llu inodes", type, id,
			     (unsigned long long)d.dqb_curspace,
			     (unsigned long long)d.dqb_curinodes);
	}
}
