// SPDX-License-Identifier: GPL-2.0
/*
 * Fast commits: what fsync writes, what is there after the power has failed, and when there
 * has to be a commit after all.
 */
#include <sys/wait.h>
#include <sys/xattr.h>

#include "services.h"

VOLUME_FIXTURE_WITH(fast, 64, "-O fast_commit")

static int sync_dir(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY), ret;

	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

/* A link in @dir, durable. */
static int add_link(const char *dir, int n)
{
	char name[64], target[64];

	snprintf(name, sizeof(name), "%s/link%d", dir, n);
	snprintf(target, sizeof(target), "target of %d", n);
	return symlink(target, name) || sync_dir(dir) ? -1 : 0;
}

/* Is link @n of @dir there, with its target? */
static bool has_link(const char *dir, int n)
{
	char name[64], target[64], want[64];
	ssize_t len;

	snprintf(name, sizeof(name), "%s/link%d", dir, n);
	snprintf(want, sizeof(want), "target of %d", n);
	len = readlink(name, target, sizeof(target));
	return len == (ssize_t)strlen(want) && !memcmp(target, want, (size_t)len);
}

static bool is_link(const char *name)
{
	struct stat st;

	return !lstat(name, &st) && S_ISLNK(st.st_mode);
}

static int crash(void)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW;
	int fd = open(".", O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_SHUTDOWN, &how);
	close(fd);
	return ret;
}

static int crash_and_mount(struct volume *v)
{
	return crash() || vol_again(v, 0, NULL) ? -1 : 0;
}

static long long records(struct volume *v)
{
	return sysfs_number(v, "fast_commits");
}

/* The first syncs are commits: until then nobody kept what is needed. */
static int warm(const char *dir)
{
	int i;

	for (i = 1000; i < 1004; i++)
		if (add_link(dir, i))
			return -1;
	return 0;
}

/* One write, of one block, and no commit. */
TEST_F(fast, one_write)
{
	long long sectors, sequence, count;
	int i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(warm("d"));
	sectors = dev_counted(self->v.dev, DEV_SECTORS_WRITTEN);
	sequence = sysfs_number(&self->v, "journal_sequence");
	count = records(&self->v);
	for (i = 0; i < 10; i++)
		ASSERT_OK(add_link("d", i));
	/* The five seconds of the commit timer may be over. */
	if (sysfs_number(&self->v, "journal_sequence") == sequence) {
		EXPECT_EQ(count + 10, records(&self->v));
		EXPECT_GE(10 * 4096, (dev_counted(self->v.dev, DEV_SECTORS_WRITTEN) - sectors) * 512);
	}
	/* Nothing has changed since: nothing is written. */
	count = records(&self->v);
	ASSERT_OK(sync_dir("d"));
	EXPECT_EQ(count, records(&self->v));
	ASSERT_OK(crash_and_mount(&self->v));
	for (i = 0; i < 10; i++)
		EXPECT_TRUE(has_link("d", i));
}

/* Crash after crash, in the midst of everything, and what a commit has overtaken. */
TEST_F(fast, again_and_again)
{
	int i, round;

	ASSERT_OK(mkdir("d", 0755));
	for (round = 0; round < 6; round++) {
		for (i = 0; i < 5 + round; i++)
			ASSERT_OK(add_link("d", round * 100 + i));
		if (round % 2) {
			ASSERT_OK(fs_sync("."));
			ASSERT_OK(add_link("d", round * 100 + 50));
			ASSERT_OK(add_link("d", round * 100 + 51));
		}
		/* not synced, and gone or there as a whole */
		ASSERT_OK(symlink("x", "d/unsynced") && errno != EEXIST);
		ASSERT_OK(crash_and_mount(&self->v));
		for (i = 0; i < 5 + round; i++)
			EXPECT_TRUE(has_link("d", round * 100 + i));
		if (round % 2)
			EXPECT_TRUE(has_link("d", round * 100 + 51));
	}
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_EQ(0, vol_check(&self->v));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	for (i = 0; i < 10; i++)
		EXPECT_TRUE(has_link("d", 500 + i));
}

/* What records cannot say is committed: freed metadata, and very many blocks. */
TEST_F(fast, commits_after_all)
{
	char name[64], target[3000];
	struct stat st;
	long long count;
	int i, j;

	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = 0;
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink(target, "d/slow"));
	ASSERT_OK(warm("d"));
	count = records(&self->v);
	ASSERT_OK(unlink("d/slow"));
	ASSERT_OK(add_link("d", 1));
	EXPECT_EQ(count, records(&self->v));
	for (i = 0; i < 80; i++) {
		snprintf(name, sizeof(name), "dir%d", i);
		ASSERT_OK(mkdir(name, 0755));
		for (j = 0; j < 40; j++) {
			snprintf(name, sizeof(name), "dir%d/%050d", i, j);
			ASSERT_OK(symlink("x", name));
		}
	}
	ASSERT_OK(add_link("d", 2));
	ASSERT_OK(crash_and_mount(&self->v));
	EXPECT_ERR(ENOENT, lstat("d/slow", &st));
	EXPECT_TRUE(has_link("d", 1));
	EXPECT_TRUE(has_link("d", 2));
	for (i = 0; i < 80; i++) {
		snprintf(name, sizeof(name), "dir%d/%050d", i, 39);
		EXPECT_OK(lstat(name, &st));
	}
}

/* More records than the area has room for. */
TEST_F(fast, full_area)
{
	int i;

	ASSERT_OK(mkdir("d", 0755));
	/* far from the timer's commits */
	ASSERT_OK(vol_remount(&self->v, 0, "commit=300"));
	for (i = 0; i < 300; i++)
		ASSERT_OK(add_link("d", i));
	ASSERT_LT(200, records(&self->v));
	ASSERT_OK(crash_and_mount(&self->v));
	for (i = 0; i < 300; i++)
		EXPECT_TRUE(has_link("d", i));
}

/* Files: data are durable before the record that shows them, attributes with it. */
TEST_F(fast, data_of_files)
{
	char buf[5000], got[5000], name[32];
	int i, fd;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(warm("d"));
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d/f%d", i % 7);
		memset(buf, 'a' + i, sizeof(buf));
		fd = open(name, O_RDWR | O_CREAT | O_APPEND, 0644);
		ASSERT_LE(0, fd);
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
		ASSERT_OK(fsetxattr(fd, "user.n", &i, sizeof(i), 0));
		ASSERT_OK(i % 2 ? fsync(fd) : fdatasync(fd));
		close(fd);
	}
	ASSERT_LT(0, records(&self->v));
	ASSERT_OK(crash_and_mount(&self->v));
	for (i = 0; i < 20; i++) {
		int n = -1;

		snprintf(name, sizeof(name), "d/f%d", i % 7);
		memset(buf, 'a' + i, sizeof(buf));
		fd = open(name, O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(sizeof(got), pread(fd, got, sizeof(got), i / 7 * (off_t)sizeof(got)));
		EXPECT_EQ(0, memcmp(buf, got, sizeof(got)));
		EXPECT_EQ(sizeof(n), fgetxattr(fd, "user.n", &n, sizeof(n)));
		EXPECT_LE(i, n);
		close(fd);
	}
}

#define WRITERS	4

/* In a process of its own: make links, @each before a sync, and say when they are durable. */
static void write_links(int nr, int syncs, int each, int out)
{
	char dir[16], name[300], what[2] = { (char)nr };
	int n, i;

	snprintf(dir, sizeof(dir), "d%d", nr);
	for (n = 0; n < syncs; n++) {
		for (i = 1; i < each; i++) {
			snprintf(name, sizeof(name), "%s/%d-%0200d", dir, n, i);
			if (symlink(name, name))
				_exit(1);
		}
		what[1] = (char)n;
		if (add_link(dir, n) || write(out, what, 2) != 2)
			_exit(1);
	}
	_exit(0);
}

/* Until half of it has been said, and what was said meanwhile; then the power fails. */
static int crash_at_half(int in, int syncs, int *done)
{
	int left = WRITERS * syncs / 2, status;
	char what[2];

	for (; left && read(in, what, 2) == 2; left--)
		done[(int)what[0]] = what[1] + 1;
	if (crash())
		return -1;
	while (read(in, what, 2) == 2)
		done[(int)what[0]] = what[1] + 1;
	while (wait(&status) > 0)
		;
	return 0;
}

/* Is all there that process @nr was told of, with what had been done before? */
static bool has_links(int nr, int syncs, int each)
{
	char dir[16], name[300];
	struct stat st;
	int n, i;

	snprintf(dir, sizeof(dir), "d%d", nr);
	for (n = 0; n < syncs; n++) {
		if (!has_link(dir, n))
			return false;
		for (i = 1; i < each; i++) {
			snprintf(name, sizeof(name), "%s/%d-%0200d", dir, n, i);
			if (lstat(name, &st) || st.st_size != (off_t)strlen(name))
				return false;
		}
	}
	return true;
}

static int writers(struct volume *v, int syncs, int each)
{
	int i, pipes[2], done[WRITERS] = {}, missing = 0;
	char dir[16];
	pid_t pid;

	if (pipe(pipes))
		return -1;
	for (i = 0; i < WRITERS; i++) {
		snprintf(dir, sizeof(dir), "d%d", i);
		if (mkdir(dir, 0755))
			return -1;
		pid = fork();
		if (pid < 0)
			return -1;
		if (!pid)
			write_links(i, syncs, each, pipes[1]);
	}
	close(pipes[1]);
	if (crash_at_half(pipes[0], syncs, done) || vol_again(v, 0, NULL))
		return -1;
	close(pipes[0]);
	for (i = 0; i < WRITERS; i++)
		missing += !has_links(i, done[i], each);
	return missing;
}

/* Several at once, each of whom is told only what is durable. */
TEST_F(fast, side_by_side)
{
	EXPECT_EQ(0, writers(&self->v, 60, 1));
}

/* The same, with more than a record holds now and then: that is committed. */
TEST_F(fast, too_much_at_once)
{
	EXPECT_EQ(0, writers(&self->v, 24, 40));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_EQ(0, vol_check(&self->v));
}

/* A device that cannot be written has its records where they are. */
TEST_F(fast, read_only)
{
	uint32_t on = 1, off = 0;
	int dev;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(warm("d"));
	ASSERT_OK(add_link("d", 1));
	ASSERT_OK(crash());
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	dev = open(self->v.dev, O_RDONLY);
	ASSERT_LE(0, dev);
	ASSERT_OK(ioctl(dev, BLKROSET, &on));
	EXPECT_ERR(EROFS, vol_mount(&self->v, MS_RDONLY, NULL));
	EXPECT_OK(vol_mount(&self->v, MS_RDONLY, "norecovery"));
	EXPECT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(ioctl(dev, BLKROSET, &off));
	close(dev);
	/* also for reading only they are applied, once and for all */
	ASSERT_OK(vol_mount(&self->v, MS_RDONLY, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_TRUE(has_link("d", 1));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(has_link("d", 1));
}

/* Operations that are synchronous by mount option: the same without fsync. */
TEST_F(fast, dirsync)
{
	long long sectors, sequence, count;
	char name[32];
	int i;

	ASSERT_OK(vol_again(&self->v, MS_DIRSYNC, NULL));
	ASSERT_OK(mkdir("d", 0755));
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "d/warm%d", i);
		ASSERT_OK(symlink("target", name));
	}
	sectors = dev_counted(self->v.dev, DEV_SECTORS_WRITTEN);
	sequence = sysfs_number(&self->v, "journal_sequence");
	count = records(&self->v);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		ASSERT_OK(symlink("target", name));
	}
	ASSERT_OK(rename("d/9", "d/10"));
	/* As in one_write. */
	if (sysfs_number(&self->v, "journal_sequence") == sequence) {
		EXPECT_EQ(count + 11, records(&self->v));
		EXPECT_GE(11 * 4096, (dev_counted(self->v.dev, DEV_SECTORS_WRITTEN) - sectors) * 512);
	}
	ASSERT_OK(crash_and_mount(&self->v));
	for (i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		EXPECT_TRUE(is_link(name));
	}
	EXPECT_FALSE(is_link("d/9"));
	EXPECT_TRUE(is_link("d/10"));
}

/* What was written while nobody cared for the device's cache is made durable by the next record. */
TEST_F(fast, barrier_again)
{
	long long flushes[3], sequence, count;
	int i;

	ASSERT_OK(vol_remount(&self->v, 0, "nobarrier"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(warm("d"));
	flushes[0] = dev_counted(self->v.dev, DEV_FLUSHES);
	sequence = sysfs_number(&self->v, "journal_sequence");
	count = records(&self->v);
	ASSERT_OK(add_link("d", 1));
	EXPECT_EQ(flushes[0], dev_counted(self->v.dev, DEV_FLUSHES));
	ASSERT_OK(vol_remount(&self->v, 0, "barrier"));
	for (i = 0; i < 3; i++) {
		flushes[i] = dev_counted(self->v.dev, DEV_FLUSHES);
		ASSERT_OK(add_link("d", 2 + i));
		flushes[i] = dev_counted(self->v.dev, DEV_FLUSHES) - flushes[i];
	}
	/* As in one_write. */
	if (sysfs_number(&self->v, "journal_sequence") == sequence) {
		EXPECT_EQ(count + 4, records(&self->v));
		EXPECT_EQ(flushes[1] + 1, flushes[0]);
		EXPECT_EQ(flushes[1], flushes[2]);
	}
}

/* Freezing empties the log, whose numbers then go on in another way. */
TEST_F(fast, after_a_freeze)
{
	int fd, i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(warm("d"));
	fd = open(".", O_RDONLY);
	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(ioctl(fd, FIFREEZE, 0));
		ASSERT_OK(ioctl(fd, FITHAW, 0));
		ASSERT_OK(add_link("d", 10 * i));
		ASSERT_OK(add_link("d", 10 * i + 1));
		ASSERT_OK(add_link("d", 10 * i + 2));
	}
	close(fd);
	ASSERT_OK(ioctl(fd = open(".", O_RDONLY), FIFREEZE, 0));
	ASSERT_OK(ioctl(fd, FITHAW, 0));
	close(fd);
	ASSERT_OK(add_link("d", 77));
	ASSERT_OK(crash_and_mount(&self->v));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(has_link("d", 10 * i + 2));
	EXPECT_TRUE(has_link("d", 77));
}

TEST_HARNESS_MAIN
