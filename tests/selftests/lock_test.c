// SPDX-License-Identifier: GPL-2.0
/*
 * Locks and leases, which the VFS keeps and a filesystem must not be in the way
 * of; lock files; and what stat, statx and utimes say of times.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lnkfs_test.h"

TDIR_FIXTURE(lock)

/* In another process, with descriptors of its own; 0 or its errno. */
#define ELSEWHERE(call) ({						\
	pid_t pid_ = fork();						\
	int st_ = 0;							\
									\
	if (!pid_)							\
		_exit((long)(call) == -1 ? errno : 0);			\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

static int lock_range(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = { .l_type = type, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &fl);
}

static int flock_by_name(const char *name, int op)
{
	return flock(open(name, O_RDWR), op);
}

static int posix_by_name(const char *name, short type, off_t start, off_t len)
{
	return lock_range(open(name, O_RDWR), F_SETLK, type, start, len);
}

TEST_F(lock, flock)
{
	int fd;

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDWR);
	ASSERT_OK(flock(fd, LOCK_SH));
	EXPECT_EQ(0, ELSEWHERE(flock_by_name("f", LOCK_SH | LOCK_NB)));
	EXPECT_EQ(EWOULDBLOCK, ELSEWHERE(flock_by_name("f", LOCK_EX | LOCK_NB)));
	ASSERT_OK(flock(fd, LOCK_EX));
	EXPECT_EQ(EWOULDBLOCK, ELSEWHERE(flock_by_name("f", LOCK_SH | LOCK_NB)));
	/* By any name; and it goes with the description. */
	ASSERT_OK(link("f", "g"));
	EXPECT_EQ(EWOULDBLOCK, ELSEWHERE(flock_by_name("g", LOCK_SH | LOCK_NB)));
	close(fd);
	EXPECT_EQ(0, ELSEWHERE(flock_by_name("f", LOCK_EX | LOCK_NB)));
	/* Directories, too. */
	fd = open(".", O_RDONLY | O_DIRECTORY);
	EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
	EXPECT_EQ(EWOULDBLOCK, ELSEWHERE(flock(open(".", O_RDONLY), LOCK_EX | LOCK_NB)));
	close(fd);
}

TEST_F(lock, posix)
{
	struct flock fl = { .l_type = F_WRLCK, .l_start = 50, .l_len = 1 };
	int fd, fd2;

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDWR);
	ASSERT_OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	EXPECT_EQ(EAGAIN, ELSEWHERE(posix_by_name("f", F_RDLCK, 99, 1)));
	EXPECT_EQ(0, ELSEWHERE(posix_by_name("f", F_WRLCK, 100, 1)));
	EXPECT_EQ(0, ELSEWHERE(posix_by_name("f", F_WRLCK, 1LL << 40, 0)));
	ASSERT_OK(lock_range(fd, F_SETLK, F_UNLCK, 40, 20));
	EXPECT_EQ(0, ELSEWHERE(posix_by_name("f", F_WRLCK, 40, 20)));
	EXPECT_EQ(EAGAIN, ELSEWHERE(posix_by_name("f", F_WRLCK, 60, 1)));
	ASSERT_OK(fcntl(fd, F_GETLK, &fl));
	EXPECT_EQ(F_UNLCK, fl.l_type);
	/* Any close of the process ends them all. */
	fd2 = open("f", O_RDONLY);
	close(fd2);
	EXPECT_EQ(0, ELSEWHERE(posix_by_name("f", F_WRLCK, 0, 0)));
	close(fd);
}

TEST_F(lock, open_file_description)
{
	int a, b;

	ASSERT_OK(create_file("f", 0644));
	a = open("f", O_RDWR);
	b = open("f", O_RDWR);
	ASSERT_OK(lock_range(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	EXPECT_ERR(EAGAIN, lock_range(b, F_OFD_SETLK, F_RDLCK, 0, 10));
	EXPECT_OK(lock_range(b, F_OFD_SETLK, F_RDLCK, 10, 10));
	EXPECT_EQ(EAGAIN, ELSEWHERE(posix_by_name("f", F_WRLCK, 5, 1)));
	close(open("f", O_RDONLY));
	EXPECT_ERR(EAGAIN, lock_range(b, F_OFD_SETLK, F_RDLCK, 0, 10));
	close(a);
	EXPECT_OK(lock_range(b, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(b);
}

static volatile sig_atomic_t lease_broken;

static void on_lease(int sig)
{
	lease_broken = sig;
}

TEST_F(lock, leases)
{
	pid_t pid;
	int fd, st, i;

	ASSERT_OK(create_text("f", "text"));
	signal(SIGIO, on_lease);
	fd = open("f", O_RDONLY);
	EXPECT_ERR(EINVAL, fcntl(fd, F_SETLEASE, 77));
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(F_RDLCK, fcntl(fd, F_GETLEASE));
	EXPECT_EQ(EWOULDBLOCK, ELSEWHERE(open("f", O_WRONLY | O_NONBLOCK)));
	for (i = 0; i < 100 && !lease_broken; i++)
		usleep(10000);
	EXPECT_EQ(SIGIO, lease_broken);
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
	EXPECT_EQ(0, ELSEWHERE(open("f", O_WRONLY)));
	close(fd);

	/* A write lease: another's open waits until it is given up. */
	lease_broken = 0;
	fd = open("f", O_RDWR);
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_WRLCK));
	pid = fork();
	if (!pid)
		_exit(open("f", O_RDONLY) < 0 ? errno : 0);
	for (i = 0; i < 500 && !lease_broken; i++)
		usleep(10000);
	EXPECT_EQ(SIGIO, lease_broken);
	EXPECT_EQ(0, waitpid(pid, &st, WNOHANG));
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_EQ(0, st);
	/* A file that is open for writing has no read lease to give. */
	EXPECT_ERR(EAGAIN, fcntl(fd, F_SETLEASE, F_RDLCK));
	close(fd);
	/* Truncating, removing and linking break it, too. */
	fd = open("f", O_RDONLY);
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
	lease_broken = 0;
	pid = fork();
	if (!pid)
		_exit(truncate("f", 0) ? errno : 0);
	for (i = 0; i < 500 && !lease_broken; i++)
		usleep(10000);
	EXPECT_EQ(SIGIO, lease_broken);
	ASSERT_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_EQ(0, st);
	close(fd);
	signal(SIGIO, SIG_DFL);
}

/* Many processes, one lock file: each turn is one process's alone. */
TEST_F(lock, lock_files)
{
	enum { PROCS = 6, TURNS = 25 };
	int i, st, bad = 0, fd;
	char n[16] = "0";

	fd = open("counter", O_CREAT | O_RDWR, 0644);
	ASSERT_EQ(1, pwrite(fd, n, 1, 0));
	for (i = 0; i < PROCS; i++) {
		if (fork())
			continue;
		for (int t = 0; t < TURNS; t++) {
			char mine[16], text[16] = "";
			int k;

			/* Odd ones by O_EXCL, even ones by link(2): they exclude each other. */
			sprintf(mine, "mine.%d", i);
			close(open(mine, O_CREAT | O_WRONLY, 0644));
			while (i & 1 ? (k = open("lock", O_CREAT | O_EXCL | O_WRONLY, 0644)) < 0 :
				       link(mine, "lock")) {
				if (errno != EEXIST)
					_exit(1);
				usleep(1000);
			}
			if (i & 1)
				close(k);
			unlink(mine);
			if (pread(fd, text, 15, 0) < 1)
				_exit(2);
			sprintf(text, "%d", atoi(text) + 1);
			if (pwrite(fd, text, strlen(text), 0) < 1 || unlink("lock"))
				_exit(3);
		}
		_exit(0);
	}
	for (i = 0; i < PROCS; i++) {
		wait(&st);
		bad += st != 0;
	}
	EXPECT_EQ(0, bad);
	memset(n, 0, sizeof(n));
	EXPECT_LT(0, pread(fd, n, 15, 0));
	EXPECT_EQ(PROCS * TURNS, atoi(n));
	close(fd);
}

TEST_F(lock, stopped_by_a_crash)
{
	/* Locks live in memory: a remount knows of none. */
	int fd;

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDWR);
	ASSERT_OK(flock(fd, LOCK_EX));
	ASSERT_OK(lock_range(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	close(fd);
	remount(_metadata, &self->dir);
	EXPECT_EQ(0, ELSEWHERE(flock_by_name("f", LOCK_EX | LOCK_NB)));
	EXPECT_EQ(0, ELSEWHERE(posix_by_name("f", F_WRLCK, 0, 0)));
}

TEST_F(lock, statx_fields)
{
	struct statx sx;
	struct stat st;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(statx(AT_FDCWD, "f", 0, STATX_ALL | STATX_MNT_ID, &sx));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(STATX_BASIC_STATS | STATX_BTIME, sx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
	EXPECT_EQ(st.st_ino, sx.stx_ino);
	EXPECT_EQ(st.st_mode, sx.stx_mode);
	EXPECT_EQ(st.st_nlink, sx.stx_nlink);
	EXPECT_EQ(4, sx.stx_size);
	EXPECT_EQ(st.st_blocks, sx.stx_blocks);
	EXPECT_EQ(st.st_mtim.tv_sec, sx.stx_mtime.tv_sec);
	EXPECT_EQ(st.st_mtim.tv_nsec, sx.stx_mtime.tv_nsec);
	EXPECT_LE(sx.stx_btime.tv_sec, sx.stx_mtime.tv_sec);
	EXPECT_EQ(major(st.st_dev), sx.stx_dev_major);
	EXPECT_EQ(minor(st.st_dev), sx.stx_dev_minor);
	/* As much may be asked for as one likes, or nothing. */
	EXPECT_OK(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, 0, &sx));
	EXPECT_OK(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &sx));
	EXPECT_EQ(4, sx.stx_size);
	EXPECT_ERR(EINVAL, statx(AT_FDCWD, "f", 0, 0x80000000U, &sx));
}

TEST_HARNESS_MAIN
