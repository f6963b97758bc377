// SPDX-License-Identifier: GPL-2.0
/* Time stamps: mount options, what is durable when, and the limits. */
#include "file_util.h"

#ifndef MS_LAZYTIME
#define MS_LAZYTIME	(1 << 25)
#endif

VOLUME_FIXTURE(file_time, 24)

#define OLD	1000000000

static bool newer(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static struct stat stat_of(const char *name)
{
	struct stat st = { 0 };

	lstat(name, &st);
	return st;
}

/* Give an object these times, access before modification before now. */
static int set_old(const char *name, time_t atime, time_t mtime)
{
	struct timespec ts[2] = { { atime, 0 }, { mtime, 0 } };

	return utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW);
}

/* Power off and on. */
static int crash(struct volume *v, unsigned long flags)
{
	if (chdir("/") || crash_volume(v->mnt, LNKFS_SHUTDOWN_NOW))
		return -1;
	return vol_again(v, flags, NULL);
}

static void look_at(const char *name)
{
	char buf[64];
	int fd = open(name, O_RDONLY);
	DIR *dir;

	if (fd < 0)
		return;
	if (read(fd, buf, sizeof(buf)) < 0) {
		dir = fdopendir(fd);
		while (dir && readdir(dir))
			;
		closedir(dir);
		return;
	}
	close(fd);
}

/* A commit that has no reason of its own to store another inode. */
static int commit(void)
{
	int fd = open("committer", O_CREAT | O_WRONLY, 0644), ret;

	ret = write(fd, "x", 1) != 1 || fsync(fd);
	close(fd);
	return ret;
}

/* Is the access time of a file and of a directory updated by reading them? */
static void expect_atime(struct __test_metadata *_metadata, struct volume *v,
			 unsigned long flags, time_t atime, time_t mtime, bool file,
			 bool dir)
{
	ASSERT_OK(vol_again(v, flags, NULL));
	ASSERT_OK(set_old("f", atime, mtime));
	ASSERT_OK(set_old("d", atime, mtime));
	look_at("f");
	look_at("d");
	EXPECT_EQ(file, stat_of("f").st_atime != atime) TH_LOG("flags %lx", flags);
	EXPECT_EQ(dir, stat_of("d").st_atime != atime) TH_LOG("flags %lx", flags);
	EXPECT_EQ(mtime, stat_of("f").st_mtime);
	/* And it stays. */
	atime = stat_of("f").st_atime;
	ASSERT_OK(vol_again(v, flags, NULL));
	EXPECT_EQ(atime, stat_of("f").st_atime);
}

TEST_F(file_time, access_time_options)
{
	struct volume *v = &self->v;
	time_t now = time(NULL);

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	/* Read since the last change, and within a day: only strictatime. */
	expect_atime(_metadata, v, MS_STRICTATIME, now - 100, now - 200, true, true);
	expect_atime(_metadata, v, MS_RELATIME, now - 100, now + 100, true, true);
	expect_atime(_metadata, v, MS_RELATIME, OLD + 10, OLD, true, true);
	expect_atime(_metadata, v, MS_NODIRATIME | MS_STRICTATIME, OLD, OLD, true, false);
	expect_atime(_metadata, v, MS_NOATIME, OLD, OLD, false, false);
	expect_atime(_metadata, v, MS_STRICTATIME | MS_LAZYTIME, OLD, OLD, true, true);
}

TEST_F(file_time, relatime_waits)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, { OLD, 0 } };
	struct stat a;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(vol_again(&self->v, MS_RELATIME, NULL));
	look_at("f");
	tick();
	ASSERT_OK(utimensat(AT_FDCWD, "f", ts, 0));
	/* Its change time counts as well: older than the access from now on. */
	tick();
	look_at("f");
	a = stat_of("f");
	tick();
	look_at("f");
	EXPECT_EQ(a.st_atim.tv_sec, stat_of("f").st_atim.tv_sec);
	EXPECT_EQ(a.st_atim.tv_nsec, stat_of("f").st_atim.tv_nsec);
}

/* Reading stores a time with the next commit, unless times are lazy. */
TEST_F(file_time, lazy_times_are_not_written_by_reads)
{
	int lazy, i;

	if (!on_lnkfs())
		SKIP(return, "ext4 stores times of other inodes on the way");
	ASSERT_OK(create_text("f", "text"));
	for (lazy = 0; lazy < 2; lazy++) {
		ASSERT_OK(vol_again(&self->v, MS_STRICTATIME | (lazy ? MS_LAZYTIME : 0), NULL));
		ASSERT_OK(set_old("f", OLD, OLD));
		sync();
		for (i = 0; i < 20; i++)
			look_at("f");
		EXPECT_NE(OLD, stat_of("f").st_atime);
		ASSERT_EQ(0, commit());
		ASSERT_OK(crash(&self->v, 0));
		EXPECT_EQ(lazy, stat_of("f").st_atime == OLD);
	}
}

enum how { BY_FSYNC, BY_SYNC, BY_SYNCFS, BY_EVICTION, BY_UNMOUNT, BY_CHMOD, HOWS };

/* Store the lazy time of "f" in one way. */
static int store_times(struct volume *v, enum how how)
{
	int fd = open("f", O_RDONLY), ret = 0;

	switch (how) {
	case BY_FSYNC:
		ret = fsync(fd);
		break;
	case BY_SYNC:
		sync();
		break;
	case BY_SYNCFS:
		ret = syncfs(fd);
		break;
	case BY_EVICTION:
		close(fd);
		fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		ret = write(fd, "2\n", 2) != 2 || commit();
		break;
	case BY_UNMOUNT:
		close(fd);
		return vol_again(v, 0, NULL);
	default:
		ret = chmod("f", 0600) || chmod("f", 0644) || commit();
	}
	close(fd);
	return ret;
}

TEST_F(file_time, lazy_times_survive)
{
	struct stat a, b;
	enum how how;

	ASSERT_OK(create_text("f", "text"));
	for (how = 0; how < HOWS; how++) {
		ASSERT_OK(vol_again(&self->v, MS_STRICTATIME | MS_LAZYTIME, NULL));
		ASSERT_OK(set_old("f", OLD, OLD));
		sync();
		look_at("f");
		a = stat_of("f");
		EXPECT_NE(OLD, a.st_atime);
		ASSERT_EQ(0, store_times(&self->v, how)) TH_LOG("way %d", how);
		ASSERT_OK(crash(&self->v, 0));
		b = stat_of("f");
		EXPECT_EQ(a.st_atim.tv_sec, b.st_atim.tv_sec) TH_LOG("way %d", how);
		EXPECT_EQ(a.st_atim.tv_nsec, b.st_atim.tv_nsec) TH_LOG("way %d", how);
	}
}

/* Overwriting in place moves the time in memory; fdatasync need not store it. */
TEST_F(file_time, lazy_modification_times)
{
	struct stat a, b;
	int fd;

	ASSERT_OK(vol_again(&self->v, MS_LAZYTIME, NULL));
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(set_old("f", OLD, OLD));
	sync();
	fd = open("f", O_WRONLY);
	ASSERT_EQ(1, pwrite(fd, "T", 1, 0));
	a = stat_of("f");
	EXPECT_NE(OLD, a.st_mtime);
	ASSERT_OK(fsync(fd));
	close(fd);
	ASSERT_OK(crash(&self->v, 0));
	b = stat_of("f");
	EXPECT_EQ(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	EXPECT_EQ(a.st_ctim.tv_nsec, b.st_ctim.tv_nsec);
	EXPECT_STREQ("Text", read_text("f"));
}

static int set_times(const char *name, long long sec, long nsec)
{
	struct timespec ts[2] = { { sec, nsec }, { sec, nsec } };

	return utimensat(AT_FDCWD, name, ts, 0);
}

/* Times from 1901-12-13 to 2486; what is out of range becomes the nearest. */
TEST_F(file_time, limits)
{
	static const long long first = -2147483648LL, last = 16299260424LL;
	static const struct {
		long long sec;
		long nsec;
	} fine[] = {
		{ 0, 0 }, { 0, 999999999 }, { -1, 1 }, { first + 1, 5 }, { first, 0 },
		{ 2147483647, 999999999 }, { 2147483648LL, 0 }, { 4294967296LL, 7 },
		{ last - 1, 999999999 },
	};
	static const struct {
		long long set, got;
	} clamped[] = {
		{ first - 1, first }, { INT64_MIN, first }, { last + 1, last },
		{ 1LL << 40, last }, { INT64_MAX, last },
	};
	unsigned int i, pass;
	char name[16];
	struct stat st;

	if (!on_lnkfs())
		SKIP(return, "ext4 has others");
	for (i = 0; i < ARRAY_SIZE(fine); i++) {
		sprintf(name, "f%u", i);
		ASSERT_OK(create_file(name, 0644));
		ASSERT_OK(set_times(name, fine[i].sec, fine[i].nsec));
	}
	for (i = 0; i < ARRAY_SIZE(clamped); i++) {
		sprintf(name, "c%u", i);
		ASSERT_OK(create_file(name, 0644));
		ASSERT_OK(set_times(name, clamped[i].set, 999));
	}
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_SIZE(fine); i++) {
			sprintf(name, "f%u", i);
			st = stat_of(name);
			EXPECT_EQ(fine[i].sec, st.st_mtim.tv_sec) TH_LOG("%s", name);
			EXPECT_EQ(fine[i].nsec, st.st_mtim.tv_nsec) TH_LOG("%s", name);
			EXPECT_EQ(fine[i].sec, st.st_atim.tv_sec) TH_LOG("%s", name);
		}
		for (i = 0; i < ARRAY_SIZE(clamped); i++) {
			sprintf(name, "c%u", i);
			st = stat_of(name);
			EXPECT_EQ(clamped[i].got, st.st_mtim.tv_sec) TH_LOG("%s", name);
			EXPECT_EQ(0, st.st_mtim.tv_nsec) TH_LOG("%s", name);
		}
		ASSERT_OK(vol_again(&self->v, 0, NULL));
	}
}

TEST_F(file_time, utimensat_arguments)
{
	struct timespec omit[2] = { { 5, UTIME_OMIT }, { 5, UTIME_OMIT } };
	struct timespec now[2] = { { 5, UTIME_NOW }, { OLD, 5 } };
	struct timespec bad[2] = { { 1, 1000000000 }, { 1, 0 } };
	struct stat a, b;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(set_times("f", OLD, 77));
	a = stat_of("f");
	tick();
	ASSERT_OK(utimensat(AT_FDCWD, "f", omit, 0));
	b = stat_of("f");
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
	ASSERT_OK(utimensat(AT_FDCWD, "f", now, 0));
	b = stat_of("f");
	EXPECT_TRUE(newer(b.st_atim, a.st_atim));
	EXPECT_EQ(OLD, b.st_mtim.tv_sec);
	EXPECT_EQ(5, b.st_mtim.tv_nsec);
	EXPECT_TRUE(newer(b.st_ctim, a.st_ctim));
	EXPECT_ERR(EINVAL, utimensat(AT_FDCWD, "f", bad, 0));
	bad[0].tv_nsec = -1;
	EXPECT_ERR(EINVAL, utimensat(AT_FDCWD, "f", bad, 0));
	EXPECT_ERR(ENOENT, utimensat(AT_FDCWD, "missing", NULL, 0));
}

TEST_HARNESS_MAIN
