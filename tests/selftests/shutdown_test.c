// SPDX-License-Identifier: GPL-2.0
/* The shutdown ioctl: what answers afterwards, and what is left. */
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include "services.h"

SERVICE_FIXTURE(shutdown, 64, NULL)

static int shut(const char *name, uint32_t how)
{
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_SHUTDOWN, &how);
	close(fd);
	return ret;
}

TEST_F(shutdown, refused)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW, bad = 3;
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how)));
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_SHUTDOWN, &bad));
	EXPECT_ERR(EFAULT, ioctl(fd, LNKFS_IOC_SHUTDOWN, NULL));
	close(fd);
	/* Nothing has happened. */
	EXPECT_OK(create_file("f", 0644));
	EXPECT_OK(fs_sync("."));
}

TEST_F(shutdown, on_any_object)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW;
	int fd;

	ASSERT_OK(create_file("f", 0644));
	EXPECT_OK(shut("f", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	ASSERT_OK(mkdir("d", 0755));
	EXPECT_OK(shut("d", LNKFS_SHUTDOWN_LOG));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(exists("d"));
	/* A second time is no error; nor is a read-only mount a hindrance. */
	ASSERT_OK(vol_again(&self->v, MS_RDONLY, NULL));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_OK(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
	EXPECT_OK(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
	EXPECT_ERR(EIO, fsync(fd));
	close(fd);
	if (on_lnkfs())
		EXPECT_ERR(EIO, open("d", O_RDONLY));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
}

/* Inodes leave memory, but nothing is written. */
static void drop_inodes(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), i;

	for (i = 0; fd >= 0 && i < 3; i++) {
		if (write(fd, "2\n", 2) != 2)
			perror("drop_caches");
	}
	close(fd);
}

/* Sync one object, and be cut off. 0 or -1. */
static int sync_and_crash(struct volume *v, const char *name, int (*sync_one)(int fd))
{
	int fd, ret;

	drop_inodes();
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return -1;
	ret = sync_one(fd);
	close(fd);
	return ret || shut(".", LNKFS_SHUTDOWN_NOW) || vol_again(v, 0, NULL) ? -1 : 0;
}

/* An inode has left memory since it was changed, and comes back for its fsync. */
TEST_F(shutdown, fsync_after_eviction)
{
	struct stat st;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(chmod("f", 0600));
	ASSERT_OK(sync_and_crash(&self->v, "f", fsync));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	ASSERT_OK(truncate("f", 12345));
	ASSERT_OK(sync_and_crash(&self->v, "f", fdatasync));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(12345, st.st_size);
	ASSERT_OK(create_file("d/name", 0644));
	ASSERT_OK(sync_and_crash(&self->v, "d", fsync));
	EXPECT_TRUE(exists("d/name"));
}

/* fallocate() changes the file, also where it frees and allocates nothing. */
TEST_F(shutdown, fdatasync_after_fallocate)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, 0,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
		ASSERT_LE(0, fd);
		ASSERT_EQ(6, pwrite(fd, "bytes", 6, 900));
		ASSERT_OK(fs_sync("."));
		ASSERT_OK(create_file("before", 0644));
		ASSERT_OK(fallocate(fd, modes[i], 100, 200));
		ASSERT_OK(fdatasync(fd));
		close(fd);
		ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		EXPECT_OK(unlink("before"));
	}
}

#define CUT_FILES	48

/* In a process of its own: begin to write one file after the other, and say which. */
static void write_each(const int *fd, volatile int *at)
{
	int i;

	for (i = 0; i < CUT_FILES; i++) {
		*at = i;
		sync_file_range(fd[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	/* What is on its way arrives; what is dirty again stays. */
	for (i = 0; i < CUT_FILES; i++)
		sync_file_range(fd[i], 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE);
	_exit(0);
}

/*
 * Files are cut while their blocks are chosen and written, and grow again. Nothing that was
 * behind the cut may be there after a crash.
 */
TEST_F(shutdown, cut_while_written)
{
	static char page[4096];
	int fd[CUT_FILES], other, round, i, grown = 0;
	struct stat st;
	char name[16];
	ssize_t n, k;
	volatile int *at;
	pid_t pid;

	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)at);
	for (round = 0; round < 8; round++) {
		ASSERT_LE(0, other = open("other", O_RDWR | O_CREAT, 0644));
		for (i = 0; i < CUT_FILES; i++) {
			sprintf(name, "c%d", i);
			ASSERT_LE(0, fd[i] = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
		}
		ASSERT_OK(fs_sync("."));
		memset(page, 'd', sizeof(page));
		for (i = 0; i < CUT_FILES; i++)
			ASSERT_EQ((ssize_t)sizeof(page), pwrite(fd[i], page, sizeof(page), 0));
		*at = -1;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			write_each(fd, at);
		for (i = 0; i < CUT_FILES; i++) {
			while (*at < i)
				sched_yield();
			for (n = 0; n < 50 * (i % 8); n++)
				__asm__ volatile("" : : : "memory");
			ASSERT_OK(ftruncate(fd[i], 100));
			ASSERT_OK(ftruncate(fd[i], sizeof(page)));
		}
		waitpid(pid, NULL, 0);
		/* All that has been said to the journal is durable with this. */
		ASSERT_OK(fchmod(other, 0600 + round));
		ASSERT_OK(fsync(other));
		ASSERT_OK(shut("other", LNKFS_SHUTDOWN_NOW));
		for (i = 0; i < CUT_FILES; i++)
			close(fd[i]);
		close(other);
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		for (i = 0; i < CUT_FILES; i++) {
			sprintf(name, "c%d", i);
			ASSERT_LE(0, fd[i] = open(name, O_RDONLY));
			ASSERT_OK(fstat(fd[i], &st));
			grown += st.st_size == sizeof(page);
			n = read(fd[i], page, sizeof(page));
			ASSERT_EQ(st.st_size, n);
			for (k = 100; k < n && !page[k]; k++)
				;
			EXPECT_EQ(n > 100 ? n : 100, k)
				TH_LOG("round %d, %s: '%c' at %zd of %zd", round, name, page[k], k, n);
			close(fd[i]);
		}
	}
	EXPECT_LT(4 * CUT_FILES, grown);
}

#define CUT_LEN		(20 << 20)

/* Bytes past @from that are not zero, once the file is as long as it was: or -1. */
static long seen_again(int fd, off_t from)
{
	static char data[1 << 16];
	long seen = 0;
	ssize_t n, i;

	if (ftruncate(fd, CUT_LEN))
		return -1;
	while ((n = pread(fd, data, sizeof(data), from)) > 0) {
		for (i = 0; i < n; i++)
			seen += data[i] != 0;
		from += n;
	}
	return n ? -1 : seen;
}

/*
 * A file is cut while it is being written, all of it, for the first time; others sync. After a
 * crash it must not have blocks past its end that hold what has been cut off.
 */
TEST_F(shutdown, cut_before_it_was_written)
{
	char *data = malloc(CUT_LEN);
	int fd, other, round, i;
	struct stat st;
	pid_t pid;

	ASSERT_NE(NULL, data);
	memset(data, 'd', CUT_LEN);
	for (round = 0; round < 8; round++) {
		ASSERT_LE(0, other = open("other", O_RDWR | O_CREAT, 0644));
		ASSERT_LE(0, fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644));
		ASSERT_OK(fs_sync("."));
		ASSERT_EQ(CUT_LEN, write(fd, data, CUT_LEN));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
			_exit(ftruncate(fd, 4096) && errno != EIO);
		}
		do {
			sched_yield();
			ASSERT_OK(fstat(fd, &st));
		} while (st.st_size != 4096);
		for (i = 0; i < 1 + round; i++) {
			ASSERT_EQ(1, pwrite(other, "x", 1, 0));
			ASSERT_OK(fsync(other));
		}
		ASSERT_OK(shut("other", LNKFS_SHUTDOWN_NOW));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		close(fd);
		close(other);
		ASSERT_OK(chdir("/"));
		ASSERT_OK(umount2(self->v.mnt, 0));
		EXPECT_EQ(0, vol_check(&self->v)) TH_LOG("round %d", round);
		ASSERT_OK(vol_mount(&self->v, 0, NULL));
		ASSERT_OK(chdir(self->v.mnt));
		ASSERT_LE(0, fd = open("f", O_RDWR));
		ASSERT_OK(fstat(fd, &st));
		if (st.st_size <= 4096)
			EXPECT_EQ(0, seen_again(fd, st.st_size)) TH_LOG("round %d", round);
		close(fd);
	}
	free(data);
}

static int grow_by_truncate(int fd)
{
	return ftruncate(fd, 8192);
}

static int grow_by_fallocate(int fd)
{
	return fallocate(fd, 0, 4096, 4096);
}

/*
 * A write past the end reaches the disk, and its size does not. When the file has become
 * longer without data, and that is durable, nothing of the write may be there.
 */
TEST_F(shutdown, grow_over_what_was_lost)
{
	static int (*const grow[])(int) = { grow_by_truncate, grow_by_fallocate };
	static char data[8192];
	struct stat st;
	unsigned int i;
	int fd, tries;
	ssize_t n;

	if (!on_lnkfs())
		SKIP(return, "ext4 promises less");
	for (i = 0; i < ARRAY_SIZE(grow); i++) {
		memset(data, 'd', sizeof(data));
		/* A commit may come in between. */
		for (tries = 0; tries < 10; tries++) {
			ASSERT_LE(0, fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644));
			ASSERT_EQ(100, pwrite(fd, data, 100, 0));
			ASSERT_OK(fs_sync("."));
			ASSERT_EQ(3996, pwrite(fd, data, 3996, 100));
			ASSERT_OK(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WAIT_BEFORE |
						  SYNC_FILE_RANGE_WRITE |
						  SYNC_FILE_RANGE_WAIT_AFTER));
			ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
			close(fd);
			ASSERT_OK(vol_again(&self->v, 0, NULL));
			ASSERT_OK(stat("f", &st));
			if (st.st_size == 100)
				break;
		}
		ASSERT_EQ(100, st.st_size);
		ASSERT_LE(0, fd = open("f", O_RDWR));
		ASSERT_OK(grow[i](fd));
		close(fd);
		/* What has been said to the journal is durable with this. */
		ASSERT_OK(create_file("other", 0644));
		ASSERT_OK(sync_and_crash(&self->v, "other", fsync));
		ASSERT_LE(0, fd = open("f", O_RDONLY));
		ASSERT_EQ((ssize_t)sizeof(data), read(fd, data, sizeof(data)));
		close(fd);
		for (n = 100; n < (ssize_t)sizeof(data) && !data[n]; n++)
			;
		EXPECT_EQ((ssize_t)sizeof(data), n) TH_LOG("way %u: '%c' at %zd", i, data[n], n);
		ASSERT_OK(unlink("other"));
	}
}

/* Does touching the page end the process by SIGBUS? */
static bool bus_error(volatile char *page, bool write)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		if (write)
			page[0] = 1;
		else
			(void)page[0];
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

TEST_F(shutdown, everything_is_EIO)
{
	struct timespec ts[2] = { { 1, 1 }, { 1, 1 } };
	char buf[4096], target[4001];
	struct lnkfs_attr attr = { .a_size = sizeof(attr) };
	unsigned int flags = 0;
	struct statx stx;
	struct stat st;
	struct iovec iov = { buf, 1 };
	volatile char *map;
	int fd, dir, sub;
	off_t off = 0;

	if (!on_lnkfs())
		SKIP(return, "ext4 answers otherwise here and there");
	memset(target, 's', 4000);
	target[4000] = 0;
	ASSERT_OK(pattern_write("f", 128, 1));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/in", 0644));
	ASSERT_OK(symlink(target, "slow"));
	fd = open("f", O_RDWR);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	sub = open("d", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, sub);
	map = mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_OK(fs_sync("."));
	drop_caches();
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));

	/* data */
	EXPECT_ERR(EIO, read(fd, buf, 1));
	EXPECT_ERR(EIO, pread(fd, buf, 1, 5));
	EXPECT_ERR(EIO, preadv(fd, &iov, 1, 0));
	EXPECT_ERR(EIO, write(fd, buf, 1));
	EXPECT_ERR(EIO, pwritev(fd, &iov, 1, 0));
	EXPECT_ERR(EIO, sendfile(STDERR_FILENO, fd, &off, 1));
	EXPECT_ERR(EIO, lseek(fd, 0, SEEK_DATA));
	EXPECT_ERR(EIO, lseek(fd, 0, SEEK_HOLE));
	EXPECT_ERR(EIO, ftruncate(fd, 1));
	EXPECT_ERR(EIO, fsync(fd));
	EXPECT_ERR(EIO, fdatasync(fd));
	EXPECT_ERR(EIO, syncfs(fd));
	EXPECT_TRUE(bus_error(map, false));
	EXPECT_TRUE(bus_error(map + 65536, true));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	/* attributes */
	EXPECT_ERR(EIO, stat("f", &st));
	EXPECT_ERR(EIO, fstat(fd, &st));
	EXPECT_ERR(EIO, statx(dir, "d", 0, STATX_ALL, &stx));
	EXPECT_ERR(EIO, chmod("f", 0600));
	EXPECT_ERR(EIO, fchmod(fd, 0600));
	EXPECT_ERR(EIO, chown("f", 1, 1));
	EXPECT_ERR(EIO, lchown("slow", 1, 1));
	EXPECT_ERR(EIO, utimensat(dir, "f", ts, 0));
	EXPECT_ERR(EIO, futimens(fd, NULL));
	EXPECT_ERR(EIO, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	EXPECT_ERR(EIO, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	EXPECT_ERR(EIO, ioctl(fd, FS_IOC_GETVERSION, &flags));
	attr.a_fd = fd;
	EXPECT_ERR(EIO, ioctl(fd, LNKFS_IOC_GETATTR, &attr));
	EXPECT_ERR(EIO, ioctl(dir, FS_IOC_GETFSLABEL, buf));
	EXPECT_ERR(EIO, ioctl(dir, FS_IOC_SETFSLABEL, buf));
	EXPECT_ERR(EIO, ioctl(dir, FITRIM, buf));
	/* names */
	EXPECT_ERR(EIO, open("f", O_RDONLY));
	EXPECT_ERR(EIO, open("f", O_WRONLY | O_TRUNC));
	EXPECT_ERR(EIO, open("new", O_CREAT | O_RDWR, 0644));
	EXPECT_ERR(EIO, open(".", O_TMPFILE | O_RDWR, 0644));
	EXPECT_ERR(EIO, open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_ERR(EIO, syscall(SYS_getdents64, dir, buf, sizeof(buf)));
	EXPECT_ERR(EIO, syscall(SYS_getdents64, sub, buf, sizeof(buf)));
	EXPECT_ERR(EIO, stat("missing", &st));
	EXPECT_ERR(EIO, mkdir("new", 0755));
	EXPECT_ERR(EIO, mknod("new", S_IFIFO | 0600, 0));
	EXPECT_ERR(EIO, symlink("x", "new"));
	EXPECT_ERR(EIO, link("f", "new"));
	EXPECT_ERR(EIO, rename("f", "new"));
	EXPECT_ERR(EIO, unlink("f"));
	EXPECT_ERR(EIO, rmdir("d"));
	EXPECT_ERR(EIO, readlink("slow", buf, sizeof(buf)));
	/* the volume */
	EXPECT_ERR(EIO, vol_remount(&self->v, 0, NULL));
	EXPECT_ERR(EIO, ioctl(dir, FIFREEZE, 0));
	munmap((void *)map, 131072);
	close(fd);
	EXPECT_ERR(EIO, vol_remount(&self->v, MS_RDONLY, NULL));
	close(dir);
	close(sub);
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(pattern_good("f", 128, 1));
	EXPECT_TRUE(exists("d/in"));
}

/* Some of it synced, some only written, some only in the log. */
static void leave(struct volume *v)
{
	int fd;

	if (vol_again(v, 0, "commit=300") || pattern_write("synced", 256, 1) ||
	    fs_sync(".") || symlink("in the log", "logged"))
		perror("leave");
	fd = open("logged", O_PATH | O_NOFOLLOW);
	close(fd);
	if (pattern_write("dirty", 256, 2) || unlink("synced"))
		perror("leave");
}

TEST_F(shutdown, now_leaves_what_was_committed)
{
	leave(&self->v);
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(pattern_good("synced", 256, 1));
	EXPECT_ERR(ENOENT, readlink("logged", (char[16]){ 0 }, 16));
	EXPECT_FALSE(exists("dirty"));
}

static int file_mode(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : (int)(st.st_mode & 07777);
}

static long file_size(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : (long)st.st_size;
}

static int set_fl(const char *name, int flags)
{
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return ret;
}

/* What is synchronous by its flags needs no fsync. */
TEST_F(shutdown, synchronous_files)
{
	if (!on_lnkfs())
		SKIP(return, "ext4 promises less");
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(pattern_write("g", 8, 1));
	ASSERT_OK(set_fl("d", FS_DIRSYNC_FL));
	ASSERT_OK(set_fl("f", FS_SYNC_FL));
	ASSERT_OK(set_fl("g", FS_SYNC_FL));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(truncate("g", 5000));
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_EQ(5000, file_size("g"));
	ASSERT_OK(chmod("f", 0600));
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_EQ(0600, file_mode("f"));
	ASSERT_OK(symlink("target", "d/l"));
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(exists("d/l"));
	ASSERT_OK(setxattr("d", "user.a", "v", 1, 0));
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_EQ(1, getxattr("d", "user.a", NULL, 0));
}

TEST_F(shutdown, log_leaves_all_names)
{
	struct stat st;
	char text[32] = "";

	leave(&self->v);
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_LOG));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_FALSE(exists("synced"));
	EXPECT_EQ(10, readlink("logged", text, sizeof(text)));
	EXPECT_STREQ("in the log", text);
	/* Its data were not written: it is there, and empty. */
	ASSERT_OK(stat("dirty", &st));
	EXPECT_EQ(0, st.st_size);
}

TEST_F(shutdown, sync_leaves_everything)
{
	char dev[64];

	leave(&self->v);
	ASSERT_OK(shut(".", LNKFS_SHUTDOWN_SYNC));
	EXPECT_ERR(EIO, open("dirty", O_RDONLY));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	/* The log is empty: a device that cannot be written will do. */
	ASSERT_OK(loop_attach(self->v.image, O_RDONLY, dev));
	ASSERT_OK(mount(dev, self->v.mnt, vol_fstype(), MS_RDONLY, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_FALSE(exists("synced"));
	EXPECT_TRUE(pattern_good("dirty", 256, 2));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(loop_detach(dev));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
}

/* While others write: they get EIO and go on living, and fsck finds nothing. */
TEST_F(shutdown, under_load)
{
	uint32_t mode;
	int i, state;

	for (mode = LNKFS_SHUTDOWN_SYNC; mode <= LNKFS_SHUTDOWN_NOW; mode++) {
		pid_t pid[3];

		for (i = 0; i < 3; i++) {
			pid[i] = fork();
			if (!pid[i]) {
				char a[16], b[16];
				int n;

				for (n = 0; ; n++) {
					sprintf(a, "a%d.%d", i, n % 7);
					sprintf(b, "b%d.%d", i, n % 5);
					if ((pattern_write(a, 64, n) && errno == EIO) ||
					    (symlink(a, b) && errno == EIO) ||
					    (rename(a, b) && errno == EIO))
						_exit(0);
				}
			}
		}
		usleep(400000);
		ASSERT_OK(shut(".", mode));
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(pid[i], waitpid(pid[i], &state, 0));
			EXPECT_EQ(0, state);
		}
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		ASSERT_OK(chdir("/"));
		ASSERT_OK(umount2(self->v.mnt, 0));
		EXPECT_EQ(0, vol_check(&self->v)) TH_LOG("mode %u", mode);
		ASSERT_OK(vol_mount(&self->v, 0, NULL));
		ASSERT_OK(chdir(self->v.mnt));
	}
}

TEST_HARNESS_MAIN
