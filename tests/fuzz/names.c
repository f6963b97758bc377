// SPDX-License-Identifier: GPL-2.0
/*
 * Names, directories, attributes.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/fs.h>

#include "lnkfs.h"
#include "ops.h"

#define BIG	65536

static char buf[BIG];

/* The path by which calls without a directory descriptor reach it. */
static const char *full(const struct ops *o, const struct found *f)
{
	static char path[PATH_LEN + 64];

	snprintf(path, sizeof(path), "%s/%s", o->dir, f->path);
	return path;
}

static const char *rel(const struct found *f)
{
	return *f->path ? f->path : ".";
}

static void look_attrs(const struct ops *o, const struct found *f)
{
	char names[BIG];
	ssize_t len, at;
	u32 n = 0;

	step("listxattr");
	len = llistxattr(full(o, f), names, sizeof(names));
	note(len);
	for (at = 0; at < len && n++ < 12; at += (ssize_t)strlen(names + at) + 1) {
		step("getxattr");
		note(lgetxattr(full(o, f), names + at, buf, chance(4) ? sizeof(buf) : chance(64)));
	}
	note(lgetxattr(full(o, f), "system.posix_acl_access", buf, sizeof(buf)));
	note(lgetxattr(full(o, f), "security.capability", buf, sizeof(buf)));
	note(lgetxattr(full(o, f), "user.none", buf, sizeof(buf)));
}

static void look_flags(const struct ops *o, const struct found *f)
{
	struct lnkfs_attr a = { .a_size = sizeof(a) };
	struct fsxattr fx;
	int fd, flags;

	step("ioctl");
	fd = openat(o->root, rel(f), O_PATH | O_NOFOLLOW);
	note(fd);
	if (fd < 0)
		return;
	a.a_fd = fd;
	note(ioctl(o->root, LNKFS_IOC_GETATTR, &a));
	close(fd);
	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode))
		return;
	fd = openat(o->root, rel(f), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	note(fd);
	if (fd < 0)
		return;
	note(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	note(ioctl(fd, FS_IOC_FSGETXATTR, &fx));
	note(ioctl(fd, FS_IOC_GETVERSION, &flags));
	close(fd);
}

static void look_link(const struct ops *o, const struct found *f)
{
	struct lnkfs_link l = { .l_size = sizeof(l), .l_buf = (u64)(unsigned long)buf };

	step("GETLINK");
	l.l_fd = openat(o->root, rel(f), O_PATH | O_NOFOLLOW);
	note(l.l_fd);
	if (l.l_fd < 0)
		return;
	l.l_len = chance(4) ? 4096 : chance(100);
	note(ioctl(o->root, LNKFS_IOC_GETLINK, &l));
	close(l.l_fd);
}

/**
 * look() - all that can be asked of an object
 * @o: image
 * @f: object
 */
void look(struct ops *o, const struct found *f)
{
	struct statx stx;
	struct stat st;

	step("statx");
	note(statx(o->root, rel(f), AT_SYMLINK_NOFOLLOW, STATX_ALL | 0x2000, &stx));
	note(faccessat(o->root, rel(f), R_OK | W_OK, 0));
	if (S_ISLNK(f->mode)) {
		step("readlink");
		note(readlinkat(o->root, rel(f), buf, 1 + chance(4096)));
		note(fstatat(o->root, rel(f), &st, 0));
		look_link(o, f);
	}
	if (S_ISREG(f->mode)) {
		/* It may be a fifo by now, which nobody will ever write to. */
		int fd = openat(o->root, rel(f), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);

		step("read");
		note(fd);
		if (fd >= 0) {
			note(read(fd, buf, sizeof(buf)));
			close(fd);
		}
	}
	look_attrs(o, f);
	if (!chance(3))
		look_flags(o, f);
}

/**
 * list_oddly() - list a directory from positions that nobody has named
 * @o: image
 * @f: object; nothing happens unless it is a directory
 */
void list_oddly(struct ops *o, const struct found *f)
{
	int fd, i;

	if (!S_ISDIR(f->mode))
		return;
	step("getdents64");
	fd = openat(o->root, rel(f), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	note(fd);
	if (fd < 0)
		return;
	for (i = 0; i < 4; i++) {
		off_t pos = chance(2) ? chance(1u << 16) : (off_t)(chance64() >> 1 >> chance(60));

		note(lseek(fd, pos, SEEK_SET));
		note(syscall(SYS_getdents64, fd, buf, 24 + chance(sizeof(buf) - 24)));
	}
	note(fsync(fd));
	close(fd);
}

static void name_in(char *path, const struct found *dir, const char *name)
{
	snprintf(path, PATH_LEN + 300, "%s%s%s", dir->path, *dir->path ? "/" : "", name);
}

static void create_link(struct ops *o, const char *path)
{
	u32 len = chance(2) ? 1 + chance(60) : 1 + chance(4094);

	memset(buf, 'x', len);
	buf[len] = '\0';
	step("symlink");
	note(symlinkat(buf, o->root, path));
	note(readlinkat(o->root, path, buf, 4096));
}

static void temporary(struct ops *o, const struct found *dir, const char *path)
{
	char proc[64];
	int fd;

	step("O_TMPFILE");
	fd = openat(o->root, rel(dir), O_TMPFILE | O_RDWR, 0600);
	note(fd);
	if (fd < 0)
		return;
	note(write(fd, buf, 5000));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chance(2))
		note(linkat(AT_FDCWD, proc, o->root, path, AT_SYMLINK_FOLLOW));
	close(fd);
}

/**
 * change_dir() - make something in a directory, and remove it or not
 * @o: image
 * @f: object; nothing happens unless it is a directory
 */
void change_dir(struct ops *o, const struct found *f)
{
	static const mode_t types[] = { S_IFIFO, S_IFCHR, S_IFSOCK, S_IFREG };
	char name[260], path[PATH_LEN + 300], other[PATH_LEN + 300];
	u32 n = 1 + chance(5), len;
	int fd;

	if (!S_ISDIR(f->mode))
		return;
	while (n--) {
		len = chance(3) ? 1 + chance(20) : 1 + chance(255);
		memset(name, 'a' + (int)chance(26), len);
		name[len] = '\0';
		name_in(path, f, name);
		switch (chance(7)) {
		case 0:
			step("mkdir");
			note(mkdirat(o->root, path, 0755));
			break;
		case 1:
			create_link(o, path);
			break;
		case 2:
			step("link");
			note(linkat(o->root, rel(&o->found[chance(o->nr)]), o->root, path, 0));
			break;
		case 3:
			step("mknod");
			note(mknodat(o->root, path, types[chance(4)] | 0644, makedev(1, 3)));
			break;
		case 4:
			temporary(o, f, path);
			break;
		default:
			step("create");
			fd = openat(o->root, path, O_CREAT | O_RDWR | O_NOFOLLOW, 0644);
			note(fd);
			if (fd >= 0) {
				note(write(fd, buf, chance(9000)));
				close(fd);
			}
		}
		if (chance(3))
			continue;
		name_in(other, f, "renamed");
		step("rename");
		note(renameat(o->root, path, o->root, other));
		step("unlink");
		note(unlinkat(o->root, other, chance(2) ? AT_REMOVEDIR : 0));
	}
}

static void change_xattrs(struct ops *o, const struct found *f)
{
	static const char *const names[] = { "user.new", "user.color", "trusted.t",
					     "security.label", "user.name1", "user.large",
					     "user.a rather long name 7", "trusted.largest" };
	static const u8 acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255,
				  2, 0, 6, 0, 0xe8, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
				  16, 0, 7, 0, 255, 255, 255, 255,
				  32, 0, 4, 0, 255, 255, 255, 255 };
	const char *name = names[chance(ARRAY_SIZE(names))];

	if (!chance(3)) {
		step("ACL");
		name = chance(2) ? "system.posix_acl_access" : "system.posix_acl_default";
		if (chance(3))
			note(lsetxattr(full(o, f), name, acl, sizeof(acl), 0));
		else
			note(lremovexattr(full(o, f), name));
	} else if (chance(3)) {
		step("setxattr");
		note(lsetxattr(full(o, f), name, buf, chance(2) ? chance(100) : chance(BIG), 0));
	} else {
		step("removexattr");
		note(lremovexattr(full(o, f), name));
	}
}

static void change_flags(struct ops *o, const struct found *f)
{
	struct lnkfs_attr a = { .a_size = sizeof(a), .a_mask = LNKFS_ATTR_FLAGS };
	struct fsxattr fx;
	int fd;

	step("SETATTR");
	fd = openat(o->root, rel(f), O_PATH | O_NOFOLLOW);
	note(fd);
	if (fd < 0)
		return;
	a.a_fd = fd;
	if (S_ISLNK(f->mode)) {
		a.a_mask |= LNKFS_ATTR_MODE;
		a.a_mode = chance(010000);
	}
	a.a_flags = chance(3) ? 0 : 1u << chance(24);
	note(ioctl(o->root, LNKFS_IOC_SETATTR, &a));
	close(fd);
	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode))
		return;
	fd = openat(o->root, rel(f), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!ioctl(fd, FS_IOC_FSGETXATTR, &fx)) {
		step("FSSETXATTR");
		fx.fsx_projid = chance(5);
		note(ioctl(fd, FS_IOC_FSSETXATTR, &fx));
	}
	close(fd);
}

/* What a symlink is besides its target; sometimes the map of the volume. */
static void change_link(struct ops *o, const struct found *f)
{
	static const char map[] = "\\\\server\\share=/tmp\n\\\\s\\t=/\n";
	const struct found *to = &o->found[chance(o->nr)];
	struct lnkfs_link l = { .l_size = sizeof(l), .l_target = -1 };

	step("SETLINK");
	if (!chance(4))
		note(setxattr(o->dir, LNKFS_MAP_XATTR, chance(3) ? map : buf,
			      chance(3) ? sizeof(map) - 1 : chance(BIG), 0));
	l.l_fd = openat(o->root, rel(f), O_PATH | O_NOFOLLOW);
	note(l.l_fd);
	if (l.l_fd < 0)
		return;
	l.l_kind = chance(6);
	l.l_flags = chance(4);
	if (l.l_flags)
		l.l_target = openat(o->root, rel(to), O_PATH | O_NOFOLLOW);
	note(ioctl(o->root, LNKFS_IOC_SETLINK, &l));
	if (l.l_target >= 0)
		close(l.l_target);
	close(l.l_fd);
	look_link(o, f);
	note(readlinkat(o->root, rel(f), buf, 4096));
}

/**
 * change_attrs() - change what is known of an object
 * @o: image
 * @f: object
 */
void change_attrs(struct ops *o, const struct found *f)
{
	struct timespec ts[2] = { { (time_t)chance64() >> chance(40), 0 }, { 0, UTIME_NOW } };

	if (S_ISLNK(f->mode) && chance(2)) {
		change_link(o, f);
		return;
	}
	switch (chance(6)) {
	case 0:
		step("chmod");
		note(fchmodat(o->root, rel(f), chance(010000), 0));
		break;
	case 1:
		step("chown");
		note(fchownat(o->root, rel(f), chance(4) ? chance(3000) : (uid_t)chance64(),
			      chance(3000), AT_SYMLINK_NOFOLLOW));
		break;
	case 2:
		step("utimens");
		note(utimensat(o->root, rel(f), ts, AT_SYMLINK_NOFOLLOW));
		break;
	case 3:
		change_flags(o, f);
		break;
	default:
		change_xattrs(o, f);
	}
}

/**
 * change_names() - rename or remove an object that was there
 * @o: image
 * @f: object
 */
void change_names(struct ops *o, const struct found *f)
{
	const struct found *g = &o->found[chance(o->nr)];
	char path[PATH_LEN + 300];

	switch (chance(5)) {
	case 0:
		step("rename over");
		note(renameat(o->root, rel(f), o->root, rel(g)));
		break;
	case 1:
		step("exchange");
		note(syscall(SYS_renameat2, o->root, rel(f), o->root, rel(g), RENAME_EXCHANGE));
		break;
	case 2:
		step("rename into");
		name_in(path, g, "moved");
		note(syscall(SYS_renameat2, o->root, rel(f), o->root, path,
			     chance(2) ? RENAME_WHITEOUT : RENAME_NOREPLACE));
		break;
	default:
		step("remove");
		note(unlinkat(o->root, rel(f), S_ISDIR(f->mode) ? AT_REMOVEDIR : 0));
	}
}
