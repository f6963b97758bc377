// SPDX-License-Identifier: GPL-2.0
/* FITRIM and the mount option discard. */
#include <limits.h>

#include "services.h"

SERVICE_FIXTURE(trim, 160, NULL)

#define MIB	1024	/* KiB */

/* Bytes trimmed of a range, or -1. */
static long long trim_range(const char *name, uint64_t start, uint64_t len, uint64_t minlen)
{
	struct fstrim_range r = { .start = start, .len = len, .minlen = minlen };
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FITRIM, &r);
	close(fd);
	return ret ? -1 : (long long)r.len;
}

static long long trim_all(void)
{
	return trim_range(".", 0, ULLONG_MAX, 0);
}

/* Wait until the image has at most so many KiB; the last figure. */
static long wait_kib(struct volume *v, long most)
{
	int i;

	for (i = 0; i < 100 && vol_kib(v) > most; i++)
		usleep(50000);
	return vol_kib(v);
}

TEST_F(trim, gives_back_what_was_freed)
{
	long full, after;

	ASSERT_OK(pattern_write("keep", 4 * MIB, 1));
	ASSERT_OK(pattern_write("gone", 16 * MIB, 2));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(unlink("gone"));
	ASSERT_OK(fs_sync("."));
	full = vol_kib(&self->v);
	EXPECT_LE(20 * MIB, full);
	EXPECT_LE(16ll << 20, trim_all());
	after = vol_kib(&self->v);
	EXPECT_LE(after, full - 16 * MIB);
	EXPECT_LE(4 * MIB, after);
	/* Nothing has been freed since. */
	EXPECT_EQ(0, trim_all());
	drop_caches();
	EXPECT_TRUE(pattern_good("keep", 4 * MIB, 1));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(pattern_good("keep", 4 * MIB, 1));
}

TEST_F(trim, counts_free_space)
{
	struct statfs sf;
	long long whole, parts = 0, part = 7 << 20;
	uint64_t pos;

	ASSERT_OK(pattern_write("a", 9 * MIB, 3));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(statfs(".", &sf));
	for (pos = 0; pos < 160ull << 20; pos += part)
		parts += trim_range("a", pos, part, 0);
	/* A new mount has forgotten what was trimmed. */
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	whole = trim_all();
	EXPECT_LE(whole, (long long)sf.f_bfree * sf.f_bsize);
	EXPECT_LE((long long)sf.f_bfree * sf.f_bsize * 9 / 10, whole);
	/* Only what is too short at the seams may be missing; ext4 trims more. */
	if (on_lnkfs()) {
		EXPECT_LE(parts, whole);
		EXPECT_LE(whole - parts, 50 * 8192);
	}
	EXPECT_TRUE(pattern_good("a", 9 * MIB, 3));
}

TEST_F(trim, arguments)
{
	struct fstrim_range r = { .len = ULLONG_MAX };
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, FITRIM, &r)));
	EXPECT_ERR(EFAULT, ioctl(fd, FITRIM, NULL));
	EXPECT_ERR(EINVAL, trim_range(".", 160ull << 20, ULLONG_MAX, 0));
	EXPECT_ERR(EINVAL, trim_range(".", ULLONG_MAX, ULLONG_MAX, 0));
	EXPECT_ERR(EINVAL, trim_range(".", 0, 0, 0));
	EXPECT_ERR(EINVAL, trim_range(".", 0, 512, 0));
	EXPECT_ERR(EINVAL, trim_range(".", 0, ULLONG_MAX, ULLONG_MAX));
	EXPECT_ERR(EINVAL, trim_range(".", 0, ULLONG_MAX, 300ull << 20));
	/* A range within the first blocks: nothing there is free. */
	EXPECT_EQ(0, trim_range(".", 0, 4096, 0));
	close(fd);
}

TEST_F(trim, minimum_length)
{
	char name[32];
	long full;
	int i;

	/* Free runs of 256 KiB between files of the same size. */
	for (i = 0; i < 32; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(pattern_write(name, 256, i));
		ASSERT_OK(fs_sync("."));
	}
	ASSERT_OK(fs_sync("."));
	for (i = 0; i < 32; i += 2) {
		sprintf(name, "f%d", i);
		ASSERT_OK(unlink(name));
	}
	ASSERT_OK(fs_sync("."));
	full = vol_kib(&self->v);
	EXPECT_LT(0, trim_range(".", 0, ULLONG_MAX, 1 << 20));
	EXPECT_GE(vol_kib(&self->v), full - 512);
	EXPECT_LT(0, trim_range(".", 0, ULLONG_MAX, 128 << 10));
	EXPECT_LE(vol_kib(&self->v), full - 3 * MIB);
	for (i = 1; i < 32; i += 2) {
		sprintf(name, "f%d", i);
		EXPECT_TRUE(pattern_good(name, 256, i));
	}
}

/* What has been freed but not committed may have to come back. */
TEST_F(trim, not_before_the_commit)
{
	ASSERT_OK(vol_again(&self->v, 0, "commit=300"));
	ASSERT_OK(pattern_write("f", 8 * MIB, 4));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(unlink("f"));
	EXPECT_LE(0, trim_all());
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(pattern_good("f", 8 * MIB, 4));
	/* And then it may go. */
	ASSERT_OK(unlink("f"));
	ASSERT_OK(fs_sync("."));
	EXPECT_LE(8ll << 20, trim_all());
}

TEST_F(trim, not_what_is_written_meanwhile)
{
	double end = seconds() + 3;
	char name[32];
	int i, n = 0, state;
	pid_t pid = fork();

	if (!pid) {
		while (seconds() < end) {
			if (trim_all() < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; seconds() < end; i++) {
		sprintf(name, "f%d", i % 16);
		ASSERT_TRUE(i < 16 || pattern_good(name, 64 << (i % 16 % 4), i - 16));
		unlink(name);
		ASSERT_OK(pattern_write(name, 64 << (i % 16 % 4), i));
		if (i % 8 == 7)
			ASSERT_OK(fs_sync("."));
		n = i;
	}
	ASSERT_EQ(pid, waitpid(pid, &state, 0));
	EXPECT_EQ(0, state);
	ASSERT_OK(fs_sync("."));
	drop_caches();
	for (i = n > 15 ? n - 15 : 0; i <= n; i++) {
		sprintf(name, "f%d", i % 16);
		EXPECT_TRUE(pattern_good(name, 64 << (i % 16 % 4), i));
	}
}

/* A file on ramfs cannot have holes made in it: the loop device discards nothing. */
TEST_F(trim, device_without_discard)
{
	struct volume v;
	char dir[512];

	snprintf(dir, sizeof(dir), "%s.ramfs", self->v.mnt);
	ASSERT_OK(mkdir(dir, 0755));
	ASSERT_OK(mount("ramfs", dir, "ramfs", 0, NULL));
	setenv("LNKFS_TMP", dir, 1);
	ASSERT_EQ(0, vol_make(&v, 32));
	/* The option is accepted all the same, and does nothing. */
	EXPECT_OK(vol_mount(&v, 0, "discard"));
	EXPECT_OK(chdir(v.mnt));
	EXPECT_ERR(EOPNOTSUPP, trim_all());
	EXPECT_TRUE(vol_shows(&v, "discard"));
	EXPECT_OK(pattern_write("f", 1 * MIB, 5));
	EXPECT_OK(fs_sync("."));
	EXPECT_OK(unlink("f"));
	EXPECT_OK(fs_sync("."));
	EXPECT_OK(chdir("/"));
	EXPECT_EQ(0, vol_remove(&v));
	EXPECT_OK(umount2(dir, 0));
	EXPECT_OK(rmdir(dir));
}

TEST_F(trim, unrecovered)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	if (on_lnkfs())
		EXPECT_ERR(EIO, trim_all());
	ASSERT_OK(vol_again(&self->v, MS_RDONLY, "norecovery"));
	EXPECT_ERR(EROFS, trim_all());
	ASSERT_OK(vol_again(&self->v, MS_RDONLY, NULL));
	EXPECT_LT(0, trim_all());
}

TEST_F(trim, discard_follows_the_commit)
{
	long full;

	ASSERT_OK(vol_again(&self->v, 0, "discard"));
	ASSERT_OK(pattern_write("keep", 4 * MIB, 6));
	ASSERT_OK(pattern_write("gone", 16 * MIB, 7));
	ASSERT_OK(fs_sync("."));
	full = vol_kib(&self->v);
	ASSERT_OK(unlink("gone"));
	ASSERT_OK(fs_sync("."));
	EXPECT_LE(wait_kib(&self->v, full - 15 * MIB), full - 15 * MIB);
	drop_caches();
	EXPECT_TRUE(pattern_good("keep", 4 * MIB, 6));
	/* It can be switched off, and on. */
	ASSERT_OK(vol_remount(&self->v, 0, "nodiscard"));
	EXPECT_FALSE(vol_shows(&self->v, "discard"));
	ASSERT_OK(pattern_write("gone", 8 * MIB, 8));
	ASSERT_OK(fs_sync("."));
	full = vol_kib(&self->v);
	ASSERT_OK(unlink("gone"));
	ASSERT_OK(fs_sync("."));
	usleep(300000);
	EXPECT_LE(full - MIB, vol_kib(&self->v));
	ASSERT_OK(vol_remount(&self->v, 0, "discard"));
	EXPECT_TRUE(vol_shows(&self->v, "discard"));
	ASSERT_OK(unlink("keep"));
	ASSERT_OK(fs_sync("."));
	EXPECT_LE(wait_kib(&self->v, full - 3 * MIB), full - 3 * MIB);
}

TEST_F(trim, discard_not_before_the_commit)
{
	if (!on_lnkfs())
		SKIP(return, "ext4 discards when the journal is aborted");
	ASSERT_OK(vol_again(&self->v, 0, "discard,commit=300"));
	ASSERT_OK(pattern_write("f", 8 * MIB, 9));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(unlink("f"));
	usleep(300000);
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_TRUE(pattern_good("f", 8 * MIB, 9));
}

/* Space that waits for the device is waited for. */
TEST_F(trim, discard_on_a_full_volume)
{
	char name[32];
	int i, n;

	ASSERT_OK(vol_again(&self->v, 0, "discard"));
	for (n = 0; n < 400; n++) {
		sprintf(name, "f%d", n);
		if (pattern_write(name, MIB, n))
			break;
	}
	ASSERT_LT(n, 400);
	ASSERT_EQ(ENOSPC, errno);
	ASSERT_OK(unlink(name));
	for (i = 0; i < n; i += 16) {
		sprintf(name, "f%d", i);
		ASSERT_OK(unlink(name));
		ASSERT_OK(pattern_write(name, MIB, i + 1000));
	}
	for (i = 0; i < n; i += 5) {
		sprintf(name, "f%d", i);
		EXPECT_TRUE(pattern_good(name, MIB, i % 16 ? i : i + 1000));
	}
}

TEST_HARNESS_MAIN
