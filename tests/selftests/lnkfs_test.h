/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test program shares: the environment that run-in-guest.sh sets,
 * a fresh directory for each fixture, and short ways to demand an exact errno.
 *
 *   LNKFS_MNT   mount point of the filesystem under test
 *   LNKFS_DEV   its device, for the cases that mount it again
 *   FSTYPE      lnkfs, or ext4 to check the tests themselves
 */
#ifndef LNKFS_TEST_H
#define LNKFS_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

/* Half a minute is short on an emulated processor. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
#include "lnkfs.h"

/* All limits are LNKFS_SLOW times as long, for what makes a guest slow: a debug kernel. */
static inline int slow_harness_run(int argc, char **argv)
{
	const char *slow = getenv("LNKFS_SLOW");
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout *= slow && atoi(slow) > 0 ? atoi(slow) : 1;
	return test_harness_run(argc, argv);
}

#define test_harness_run slow_harness_run

#define TEST_UID	1000
#define TEST_GID	1000

/* The call must fail, with exactly this errno. */
#define EXPECT_ERR(err, call) do {					\
	errno = 0;							\
	long ret_ = (long)(call);					\
	int err_ = errno;						\
									\
	EXPECT_EQ(-1, ret_) TH_LOG("%s succeeded", #call);		\
	if (ret_ == -1)							\
		EXPECT_EQ(err, err_)					\
			TH_LOG("%s: %s, not %s", #call,			\
			       strerrorname_np(err_), strerrorname_np(err)); \
} while (0)

/* The call must not fail; its value is discarded. */
#define EXPECT_OK(call) do {						\
	long ret_ = (long)(call);					\
	int err_ = errno;						\
									\
	EXPECT_NE(-1, ret_) TH_LOG("%s: %s", #call, strerrorname_np(err_)); \
} while (0)

#define ASSERT_OK(call) do {						\
	long ret_ = (long)(call);					\
	int err_ = errno;						\
									\
	ASSERT_NE(-1, ret_) TH_LOG("%s: %s", #call, strerrorname_np(err_)); \
} while (0)

/* Evaluate the call as an ordinary user; 0 or its errno. */
#define AS_USER(call) ({						\
	pid_t pid_ = fork();						\
	int st_ = 0;							\
									\
	if (!pid_) {							\
		drop_privileges();					\
		_exit((long)(call) == -1 ? errno : 0);			\
	}								\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

static inline void drop_privileges(void)
{
	if (setgroups(0, NULL) || setgid(TEST_GID) || setuid(TEST_UID))
		_exit(255);
}

static inline const char *env_or(const char *name, const char *dflt)
{
	const char *v = getenv(name);

	return v && *v ? v : dflt;
}

static inline bool on_lnkfs(void)
{
	return !strcmp(env_or("FSTYPE", "lnkfs"), "lnkfs");
}

/* The directory of one fixture: made by tdir_enter(), which also goes there. */
struct tdir {
	char path[512];
};

static inline void tdir_enter(struct __test_metadata *_metadata,
			      struct tdir *d)
{
	const char *mnt = getenv("LNKFS_MNT");

	ASSERT_TRUE(mnt && *mnt) TH_LOG("LNKFS_MNT is not set");
	snprintf(d->path, sizeof(d->path), "%s/test.XXXXXX", mnt);
	ASSERT_NE(NULL, mkdtemp(d->path));
	ASSERT_OK(chmod(d->path, 0755));
	ASSERT_OK(chdir(d->path));
	umask(022);
}

/* Remove the tree @name of directory @dfd, however deep; the first errno. */
static inline int remove_tree(int dfd, const char *name)
{
	int depth = 0, cap = 64, err = 0;
	struct { DIR *dir; char name[256]; } *st;

	if (!unlinkat(dfd, name, 0))
		return 0;
	st = calloc(cap, sizeof(*st));
	st[0].dir = fdopendir(openat(dfd, name, O_RDONLY | O_DIRECTORY |
				     O_NOFOLLOW));
	if (!st[0].dir) {
		err = errno;
		free(st);
		return err;
	}
	while (!err) {
		struct dirent *de = readdir(st[depth].dir);
		int fd;

		if (!de) {
			closedir(st[depth].dir);
			if (!depth)
				break;
			depth--;
			if (unlinkat(dirfd(st[depth].dir), st[depth + 1].name,
				     AT_REMOVEDIR))
				err = errno;
			rewinddir(st[depth].dir);
			continue;
		}
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (de->d_type != DT_DIR) {
			if (unlinkat(dirfd(st[depth].dir), de->d_name, 0))
				err = errno;
			continue;
		}
		if (++depth == cap) {
			cap *= 2;
			st = realloc(st, cap * sizeof(*st));
		}
		strcpy(st[depth].name, de->d_name);
		fd = openat(dirfd(st[depth - 1].dir), de->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		st[depth].dir = fd < 0 ? NULL : fdopendir(fd);
		if (!st[depth].dir) {
			err = errno;
			depth--;
		}
	}
	free(st);
	if (!err && unlinkat(dfd, name, AT_REMOVEDIR))
		err = errno;
	return err;
}

/*
 * Start of every teardown, which runs after a failed ASSERT too: the harness
 * leaves the mark of that set, and a teardown that trips over it would never
 * end. For the same reason teardowns use no ASSERT.
 */
static inline void begin_teardown(struct __test_metadata *_metadata)
{
	_metadata->trigger = 0;
	EXPECT_OK(chdir("/"));
}

/* Remove the fixture's directory: that it goes away is part of every test. */
static inline void tdir_leave(struct __test_metadata *_metadata,
			      struct tdir *d)
{
	int err;

	begin_teardown(_metadata);
	err = remove_tree(AT_FDCWD, d->path);
	EXPECT_EQ(0, err) TH_LOG("removing %s: %s", d->path, strerror(err));
}

#define TDIR_FIXTURE(name)						\
	FIXTURE(name) { struct tdir dir; };				\
	FIXTURE_SETUP(name) { tdir_enter(_metadata, &self->dir); }	\
	FIXTURE_TEARDOWN(name) { tdir_leave(_metadata, &self->dir); }

/* Write back everything and drop every clean page, dentry and inode. */
static inline void drop_caches(void)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "3\n", 2) != 2)
			perror("drop_caches");
		close(fd);
	}
}

/* Unmount the filesystem under test, mount it again, come back to the directory. */
static inline void remount(struct __test_metadata *_metadata, struct tdir *d)
{
	const char *mnt = getenv("LNKFS_MNT"), *dev = getenv("LNKFS_DEV");

	ASSERT_TRUE(dev && *dev) TH_LOG("LNKFS_DEV is not set");
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(mnt, 0));
	ASSERT_OK(mount(dev, mnt, env_or("FSTYPE", "lnkfs"), 0, NULL));
	ASSERT_OK(chdir(d->path));
}

/*
 * Stop the volume mounted at @mnt as a crash does; it can only be unmounted
 * then. ext4 knows the same call. LNKFS_SHUTDOWN_*.
 */
static inline int crash_volume(const char *mnt, uint32_t how)
{
	int fd = open(mnt, O_RDONLY | O_DIRECTORY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_SHUTDOWN, &how);
	close(fd);
	return ret;
}

/* Wait until the clock that stamps inodes has moved. */
static inline void tick(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_REALTIME_COARSE, &a);
	do {
		usleep(1000);
		clock_gettime(CLOCK_REALTIME_COARSE, &b);
	} while (a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec);
}

static inline int open_new(const char *name)
{
	return open(name, O_CREAT | O_EXCL | O_RDWR, 0644);
}

static inline int create_file(const char *name, mode_t mode)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, mode);

	if (fd < 0)
		return -1;
	return close(fd);
}

/* Create @name with this text in it. */
static inline int create_text(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
	ssize_t len = strlen(text);

	if (fd < 0)
		return -1;
	if (write(fd, text, len) != len) {
		close(fd);
		return -1;
	}
	return close(fd);
}

/* The first bytes of @name as a string; NULL if it cannot be read. */
static inline const char *read_text(const char *name)
{
	static char buf[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n < 0)
		return NULL;
	buf[n] = 0;
	return buf;
}

/* Where the helper program sysop is. */
static inline const char *sysop_path(void)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);

	if (n < 0)
		n = 0;
	path[n] = 0;
	strcpy(strrchr(path, '/') ? strrchr(path, '/') + 1 : path, "sysop");
	return path;
}

static inline bool exists(const char *name)
{
	struct stat st;

	return !lstat(name, &st);
}

static inline ino_t ino_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_ino;
}

static inline nlink_t nlink_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_nlink;
}

static inline mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_mode & 07777;
}

static inline unsigned int fs_block_size(void)
{
	struct statfs sf;

	return statfs(getenv("LNKFS_MNT"), &sf) ? 0 : sf.f_bsize;
}

/* The longest symlink target that the filesystem under test takes. */
static inline size_t symlink_max(void)
{
	if (on_lnkfs() || fs_block_size() >= 4096)
		return 4095;
	return fs_block_size() - 1;
}

/* A repeatable source of numbers, so that a failure can be repeated. */
struct rng {
	uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s;
}

static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (rng_next(r) >> 11) % n;
}

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Bytes that statfs calls free here, once all that was freed is; 0 if it cannot tell. */
static inline long long free_bytes(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	struct statfs sf = { 0 };

	if (!syncfs(fd))
		fstatfs(fd, &sf);
	close(fd);
	return (long long)sf.f_bfree * sf.f_bsize;
}

/* Project @projid for @path, and for what is made in it if @inherit. */
static inline int set_project(const char *path, unsigned int projid, bool inherit)
{
	int fd = open(path, O_RDONLY), ret;
	struct fsxattr fa;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_FSGETXATTR, &fa);
	fa.fsx_projid = projid;
	if (inherit)
		fa.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (!ret)
		ret = ioctl(fd, FS_IOC_FSSETXATTR, &fa);
	close(fd);
	return ret;
}

#endif /* LNKFS_TEST_H */
