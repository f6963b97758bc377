/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The attribute ioctls in short, objects of every type, and users who differ
 * in what they may do, each a process of its own.
 */
#ifndef LNKFS_ATTR_UTIL_H
#define LNKFS_ATTR_UTIL_H

#include <linux/loop.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lnkfs.h"
#include "lnkfs_test.h"
#include "userns.h"

#define OTHER_UID	1001
#define OTHER_GID	1001

#define UF_FLAGS	(LNKFS_UF_NODUMP | LNKFS_UF_IMMUTABLE | LNKFS_UF_APPEND | \
			 LNKFS_UF_OPAQUE | LNKFS_UF_NOUNLINK | LNKFS_UF_SYSTEM | \
			 LNKFS_UF_SPARSE | LNKFS_UF_OFFLINE | LNKFS_UF_REPARSE | \
			 LNKFS_UF_ARCHIVE | LNKFS_UF_READONLY | LNKFS_UF_HIDDEN)
#define SF_FLAGS	(LNKFS_SF_ARCHIVED | LNKFS_SF_IMMUTABLE | LNKFS_SF_APPEND | \
			 LNKFS_SF_NOUNLINK)
/* While one of these is set, only the capability changes flags. */
#define SF_LOCKS	(LNKFS_SF_IMMUTABLE | LNKFS_SF_APPEND | LNKFS_SF_NOUNLINK)
#define ANY_IMMUTABLE	(LNKFS_UF_IMMUTABLE | LNKFS_SF_IMMUTABLE)
#define ANY_APPEND	(LNKFS_UF_APPEND | LNKFS_SF_APPEND)
#define ANY_NOUNLINK	(LNKFS_UF_NOUNLINK | LNKFS_SF_NOUNLINK)

/* The types of objects; what distinguishes them is in make_object(). */
enum type {
	T_REG, T_DIR, T_FAST, T_SLOW, T_FIFO, T_SOCK, T_CHR, T_BLK, NTYPES
};

static const char *const type_names[NTYPES] = {
	"file", "directory", "fast link", "slow link", "fifo", "socket",
	"char device", "block device",
};

static inline bool is_link(enum type t)
{
	return t == T_FAST || t == T_SLOW;
}

/* A number of a block device that can be opened and holds nothing. */
static inline dev_t spare_block_device(void)
{
	static dev_t dev;
	int ctl, n;

	if (!dev) {
		ctl = open("/dev/loop-control", O_RDWR);
		n = ctl < 0 ? 0 : ioctl(ctl, LOOP_CTL_GET_FREE);
		close(ctl);
		dev = makedev(7, n < 0 ? 0 : n);
	}
	return dev;
}

/* An object of the owner with mode 0644 (directories 0755); 0 or -1. */
static inline int make_object(const char *name, enum type t)
{
	static char target[3001];
	int ret = -1;

	for (unsigned int i = 0; i < sizeof(target) - 1; i++)
		target[i] = i % 2 ? '/' : 't';
	/* XFS takes no longer ones */
	if (!strcmp(env_or("FSTYPE", "lnkfs"), "xfs"))
		target[1001] = 0;
	switch (t) {
	case T_REG:
		ret = create_text(name, "the text of the object");
		break;
	case T_DIR:
		ret = mkdir(name, 0755);
		break;
	case T_FAST:
		ret = symlink("target", name);
		break;
	case T_SLOW:
		ret = symlink(target, name);
		break;
	case T_FIFO:
		ret = mknod(name, S_IFIFO | 0644, 0);
		break;
	case T_SOCK:
		ret = mknod(name, S_IFSOCK | 0644, 0);
		break;
	case T_CHR:
		ret = mknod(name, S_IFCHR | 0644, makedev(1, 3));
		break;
	case T_BLK:
		ret = mknod(name, S_IFBLK | 0644, spare_block_device());
		break;
	default:
		break;
	}
	return ret ? ret : lchown(name, TEST_UID, TEST_GID);
}

/* Whose attributes @fd names, through the open file @carrier. */
static inline int attr_get(int carrier, int fd, struct lnkfs_attr *a)
{
	memset(a, 0, sizeof(*a));
	a->a_size = sizeof(*a);
	a->a_fd = fd;
	return ioctl(carrier, LNKFS_IOC_GETATTR, a);
}

static inline int attr_set(int carrier, int fd, uint32_t mask, uint32_t mode,
			   uint32_t flags)
{
	struct lnkfs_attr a = {
		.a_size = sizeof(a), .a_fd = fd, .a_mask = mask,
		.a_mode = mode, .a_flags = flags,
	};

	return ioctl(carrier, LNKFS_IOC_SETATTR, &a);
}

static inline int open_path(const char *name)
{
	return open(name, O_PATH | O_NOFOLLOW);
}

/* The same by name, the working directory being the carrier. */
static inline int lgetattr(const char *name, struct lnkfs_attr *a)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd = open_path(name);
	int ret = fd < 0 || dir < 0 ? -1 : attr_get(dir, fd, a), err = errno;

	close(fd);
	close(dir);
	errno = err;
	return ret;
}

static inline int lsetattr(const char *name, uint32_t mask, uint32_t mode,
			   uint32_t flags)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd = open_path(name);
	int ret = fd < 0 || dir < 0 ? -1 : attr_set(dir, fd, mask, mode, flags);
	int err = errno;

	close(fd);
	close(dir);
	errno = err;
	return ret;
}

static inline int lchflags(const char *name, uint32_t flags)
{
	return lsetattr(name, LNKFS_ATTR_FLAGS, 0, flags);
}

static inline int lchmod_(const char *name, mode_t mode)
{
	return lsetattr(name, LNKFS_ATTR_MODE, mode, 0);
}

/* The flag word, or all ones where there is none. */
static inline uint32_t flags_of(const char *name)
{
	struct lnkfs_attr a;

	return lgetattr(name, &a) ? ~0u : a.a_flags;
}

/*
 * Users. The root of a user namespace is the owner outside: everything is
 * allowed to it in there, but capabilities over the volume it has none.
 */
enum user {
	U_ROOT, U_OWNER, U_OTHER, U_NSROOT, NUSERS
};

static const char *const user_names[NUSERS] = {
	"root", "owner", "other user", "root of a namespace",
};

static inline bool is_owner(enum user u)
{
	return u != U_OTHER;
}

static inline void become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid))
		_exit(255);
}

/*
 * Fork a process that is @user. Returns as fork(2) does; the child of a
 * namespace waits until the parent has written its map.
 */
static inline pid_t fork_as(enum user user)
{
	int up[2], down[2];
	pid_t pid;
	char c;

	if (pipe(up) || pipe(down))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (user == U_OTHER)
			become(OTHER_UID, OTHER_GID);
		else if (user != U_ROOT)
			become(TEST_UID, TEST_GID);
		if (user == U_NSROOT && unshare(CLONE_NEWUSER))
			_exit(254);
		if (write(up[1], "", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(253);
		if (user == U_NSROOT && (setgid(0) || setuid(0)))
			_exit(252);
	} else if (pid > 0) {
		if (read(up[0], &c, 1) == 1 && user == U_NSROOT &&
		    (write_proc(pid, "uid_map", "0 1000 1") ||
		     write_proc(pid, "gid_map", "0 1000 1")))
			fprintf(stderr, "no user namespace: %m\n");
		if (write(down[1], "", 1) != 1)
			perror("pipe");
	}
	close(up[0]);
	close(up[1]);
	close(down[0]);
	close(down[1]);
	return pid;
}

/* Evaluate the call as @user; 0 or its errno. */
#define AS(user, call) ({						\
	pid_t pid_ = fork_as(user);					\
	int st_ = 0;							\
									\
	if (!pid_)							\
		_exit((long)(call) == -1 ? errno : 0);			\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

/* Remove a tree in which objects may have flags. */
static inline void clear_flags(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d;

	lchflags(dir, 0);
	d = opendir(dir);
	while (d && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		if (de->d_type == DT_DIR)
			clear_flags(path);
		else
			lchflags(path, 0);
	}
	if (d)
		closedir(d);
}

/* As TDIR_FIXTURE, but flags that stand in the way are cleared first. */
#define FLAGS_FIXTURE(name)						\
	FIXTURE(name) { struct tdir dir; };				\
	FIXTURE_SETUP(name) { tdir_enter(_metadata, &self->dir); }	\
	FIXTURE_TEARDOWN(name)						\
	{								\
		if (!chdir(self->dir.path))				\
			clear_flags(".");				\
		tdir_leave(_metadata, &self->dir);			\
	}

/* Programs about what only lnkfs has end here on other filesystems. */
#define LNKFS_ONLY							\
	static void __attribute__((constructor)) lnkfs_only(void)	\
	{								\
		setlinebuf(stdout);					\
		if (!on_lnkfs())					\
			ksft_exit_skip("this is about lnkfs alone\n");	\
	}

#endif /* LNKFS_ATTR_UTIL_H */
