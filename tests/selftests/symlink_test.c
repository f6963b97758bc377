// SPDX-License-Identifier: GPL-2.0
/* Symbolic links: every length, every byte, following and not following. */
#include "lnkfs_test.h"

TDIR_FIXTURE(symlink)

static const unsigned int lengths[] = {
	1, 2, 59, 60, 61, 100, 119, 300, 511, 800, 1000, 1023, 1024, 1025,
	1800, 1849, 1850, 1900, 2047, 2048, 3000, 4094, 4095,
};

/* A path of exactly @len bytes that leads to the file "t" of this directory. */
static void padded_target(char *buf, unsigned int len)
{
	memset(buf, '/', len);
	if (len > 1)
		buf[0] = '.';
	buf[len - 1] = 't';
	buf[len] = 0;
}

TEST_F(symlink, every_length)
{
	char want[4097], got[4200], name[32];
	unsigned int i, len, pass;
	struct stat st;

	ASSERT_OK(create_text("t", "the target"));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		len = lengths[i];
		if (len > symlink_max() || len == 2)
			continue;
		padded_target(want, len);
		sprintf(name, "l%u", len);
		ASSERT_OK(symlink(want, name));
	}
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			len = lengths[i];
			if (len > symlink_max() || len == 2)
				continue;
			padded_target(want, len);
			sprintf(name, "l%u", len);
			/* Follow first: the body may not be cached yet. */
			EXPECT_STREQ("the target", read_text(name))
				TH_LOG("length %u pass %u", len, pass);
			ASSERT_OK(lstat(name, &st));
			EXPECT_EQ(S_IFLNK | 0777, st.st_mode);
			EXPECT_EQ(len, st.st_size);
			EXPECT_EQ(1, st.st_nlink);
			memset(got, 'X', sizeof(got));
			EXPECT_EQ(len, readlink(name, got, sizeof(got)));
			EXPECT_EQ('X', got[len]);
			got[len] = 0;
			EXPECT_STREQ(want, got);
			if (len < 60)
				EXPECT_EQ(0, st.st_blocks);
		}
		if (!pass)
			drop_caches();
		else
			remount(_metadata, &self->dir);
	}
	EXPECT_ERR(EINVAL, readlink("t", got, sizeof(got)));
}

TEST_F(symlink, fast_links_own_no_block)
{
	unsigned int max = fs_block_size() == 1024 ? 700 : 1700;
	char target[2000], name[32];
	struct stat st;
	unsigned int len;

	if (!on_lnkfs())
		SKIP(return, "a property of lnkfs");
	memset(target, 'f', sizeof(target));
	for (len = 50; len <= max; len += 150) {
		target[len] = 0;
		sprintf(name, "l%u", len);
		ASSERT_OK(symlink(target, name));
		ASSERT_OK(lstat(name, &st));
		EXPECT_EQ(0, st.st_blocks) TH_LOG("length %u", len);
		target[len] = 'f';
	}
	memset(target, 's', sizeof(target));
	target[1999] = 0;
	ASSERT_OK(symlink(target, "slow"));
	ASSERT_OK(lstat("slow", &st));
	EXPECT_LT(0, st.st_blocks);
}

TEST_F(symlink, length_limits)
{
	char target[4200];

	memset(target, 'x', sizeof(target));
	target[4096] = 0;
	EXPECT_ERR(ENAMETOOLONG, symlink(target, "l"));
	target[4096] = 'x';
	target[4199] = 0;
	EXPECT_ERR(ENAMETOOLONG, symlink(target, "l"));
	EXPECT_FALSE(exists("l"));
	EXPECT_ERR(ENOENT, symlink("", "l"));
	EXPECT_FALSE(exists("l"));
}

TEST_F(symlink, every_byte)
{
	unsigned char want[1021], got[1100];
	int i, pass;

	for (i = 0; i < 1020; i++)
		want[i] = i % 255 + 1;
	want[1020] = 0;
	ASSERT_OK(symlink((char *)want, "long"));
	ASSERT_OK(symlink((char *)want + 1020 - 255, "mid"));
	memset(got, 0xff, 500);
	got[500] = 0;
	ASSERT_OK(symlink((char *)got, "ff"));
	for (pass = 0; pass < 2; pass++) {
		ASSERT_EQ(1020, readlink("long", (char *)got, sizeof(got)));
		EXPECT_EQ(0, memcmp(want, got, 1020));
		ASSERT_EQ(255, readlink("mid", (char *)got, sizeof(got)));
		EXPECT_EQ(0, memcmp(want + 1020 - 255, got, 255));
		ASSERT_EQ(500, readlink("ff", (char *)got, sizeof(got)));
		for (i = 0; i < 500; i++)
			EXPECT_EQ(0xff, got[i]);
		remount(_metadata, &self->dir);
	}
}

TEST_F(symlink, readlink_truncates)
{
	static const unsigned int lens[] = { 10, 100, 1000, 3000 };
	char target[3001], buf[3001];
	unsigned int i, len;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		len = lens[i];
		if (len > symlink_max())
			continue;
		memset(target, 'a' + i, len);
		target[len] = 0;
		ASSERT_OK(symlink(target, "l"));
		memset(buf, 0, sizeof(buf));
		EXPECT_EQ(1, readlink("l", buf, 1));
		EXPECT_EQ(0, buf[1]);
		EXPECT_EQ(len - 1, readlink("l", buf, len - 1));
		EXPECT_EQ(0, buf[len - 1]);
		EXPECT_EQ(len, readlink("l", buf, len));
		EXPECT_EQ(0, memcmp(target, buf, len));
		EXPECT_ERR(EINVAL, readlink("l", buf, 0));
		EXPECT_ERR(EFAULT, readlink("l", (char *)8, len));
		ASSERT_OK(unlink("l"));
	}
}

TEST_F(symlink, exists_already)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("nowhere", "l"));
	EXPECT_ERR(EEXIST, symlink("x", "f"));
	EXPECT_ERR(EEXIST, symlink("x", "d"));
	EXPECT_ERR(EEXIST, symlink("x", "l"));
	EXPECT_ERR(EEXIST, symlink("x", "."));
	EXPECT_ERR(ENOENT, symlink("x", "missing/l"));
	EXPECT_ERR(ENOTDIR, symlink("x", "f/l"));
	EXPECT_ERR(ENOENT, symlink("x", "new/"));
}

TEST_F(symlink, dangling)
{
	struct stat st;

	ASSERT_OK(symlink("nowhere", "l"));
	EXPECT_ERR(ENOENT, stat("l", &st));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	EXPECT_ERR(ENOENT, chmod("l", 0600));
	EXPECT_ERR(ENOENT, truncate("l", 0));
	EXPECT_OK(lstat("l", &st));
	ASSERT_OK(create_text("nowhere", "now somewhere"));
	EXPECT_STREQ("now somewhere", read_text("l"));
}

TEST_F(symlink, loops)
{
	char name[16], target[16];
	struct stat st;
	int i;

	ASSERT_OK(symlink("self", "self"));
	EXPECT_ERR(ELOOP, stat("self", &st));
	EXPECT_ERR(ELOOP, open("self", O_RDONLY));
	EXPECT_ERR(ELOOP, open("self/x", O_RDONLY));
	ASSERT_OK(symlink("b", "a"));
	ASSERT_OK(symlink("a", "b"));
	EXPECT_ERR(ELOOP, open("a", O_RDONLY | O_CREAT, 0644));
	ASSERT_OK(create_text("c0", "end"));
	for (i = 1; i <= 41; i++) {
		sprintf(name, "c%d", i);
		sprintf(target, "c%d", i - 1);
		ASSERT_OK(symlink(target, name));
	}
	EXPECT_STREQ("end", read_text("c40"));
	EXPECT_ERR(ELOOP, open("c41", O_RDONLY));
}

TEST_F(symlink, long_loops_and_chains)
{
	char target[2100];
	int len = symlink_max() < 2000 ? 1000 : 2000;

	/* The same where the body has a block of its own. */
	memset(target, '/', len);
	target[0] = '.';
	strcpy(target + len - 1, "s");
	ASSERT_OK(symlink(target, "s"));
	drop_caches();
	EXPECT_ERR(ELOOP, open("s", O_RDONLY));
	strcpy(target + len - 1, "e");
	ASSERT_OK(symlink(target, "m"));
	strcpy(target + len - 1, "m");
	ASSERT_OK(symlink(target, "l"));
	ASSERT_OK(create_text("e", "end"));
	drop_caches();
	EXPECT_STREQ("end", read_text("l"));
}

TEST_F(symlink, not_followed)
{
	struct stat st;
	char buf[64];
	int fd;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(symlink("f", "l"));
	EXPECT_ERR(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
	EXPECT_ERR(ELOOP, open("l", O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
	EXPECT_ERR(ENOTDIR, open("l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	fd = open("l", O_PATH | O_NOFOLLOW);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_EQ(1, readlinkat(fd, "", buf, sizeof(buf)));
	EXPECT_EQ('f', buf[0]);
	EXPECT_ERR(EBADF, read(fd, buf, 1));
	close(fd);
}

TEST_F(symlink, to_directories)
{
	struct stat a, b;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("d/f", "text"));
	ASSERT_OK(symlink("d", "l"));
	ASSERT_OK(symlink("d/", "ls"));
	ASSERT_OK(symlink("../d/../l", "d/up"));
	EXPECT_STREQ("text", read_text("l/f"));
	EXPECT_STREQ("text", read_text("ls/f"));
	EXPECT_STREQ("text", read_text("d/up/up/up/f"));
	ASSERT_OK(lstat("l/", &a));
	ASSERT_OK(stat("d", &b));
	EXPECT_EQ(b.st_ino, a.st_ino);
	EXPECT_ERR(EEXIST, mkdir("l", 0755));
	EXPECT_OK(mkdir("l/sub", 0755));
	EXPECT_TRUE(exists("d/sub"));
	EXPECT_ERR(ENOTDIR, unlink("l/"));
	ASSERT_OK(create_file("x", 0644));
	ASSERT_OK(symlink("x", "lx"));
	EXPECT_ERR(ENOTDIR, lstat("lx/", &a));
}

TEST_F(symlink, own_attributes)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 123456789 } };
	struct stat st, t;

	ASSERT_OK(create_file("f", 0600));
	ASSERT_OK(symlink("f", "l"));
	ASSERT_OK(lchown("l", 77, 88));
	ASSERT_OK(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	remount(_metadata, &self->dir);
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(77, st.st_uid);
	EXPECT_EQ(88, st.st_gid);
	EXPECT_EQ(2000, st.st_mtim.tv_sec);
	EXPECT_EQ(123456789, st.st_mtim.tv_nsec);
	EXPECT_EQ(0777, st.st_mode & 07777);
	ASSERT_OK(stat("f", &t));
	EXPECT_EQ(0, t.st_uid);
	EXPECT_NE(2000, t.st_mtim.tv_sec);
	ASSERT_OK(chmod("l", 0640));
	ASSERT_OK(stat("f", &t));
	EXPECT_EQ(0640, t.st_mode & 07777);
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(0777, st.st_mode & 07777);
}

TEST_F(symlink, umask_does_not_matter)
{
	struct stat st;

	umask(0777);
	ASSERT_OK(symlink("x", "l"));
	umask(022);
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(S_IFLNK | 0777, st.st_mode);
}

TEST_F(symlink, reused_space_shows_nothing_old)
{
	char target[3100], got[3200], name[32];
	struct rng r = { 4711 };
	unsigned int lens[400] = { 0 };
	unsigned int i, n, len, max = symlink_max() < 3000 ? 1000 : 3000;

	/* Links of all sizes come and go; what is there is always exact. */
	for (n = 0; n < 4000; n++) {
		i = rng_below(&r, 400);
		sprintf(name, "l%u", i);
		if (lens[i]) {
			memset(target, 'a' + i % 26, lens[i]);
			ASSERT_EQ(lens[i], readlink(name, got, sizeof(got)));
			ASSERT_EQ(0, memcmp(target, got, lens[i]));
			ASSERT_OK(unlink(name));
			lens[i] = 0;
			continue;
		}
		len = 1 + rng_below(&r, rng_below(&r, 2) ? max : 200);
		memset(target, 'a' + i % 26, len);
		target[len] = 0;
		ASSERT_OK(symlink(target, name));
		lens[i] = len;
	}
	remount(_metadata, &self->dir);
	for (i = 0; i < 400; i++) {
		sprintf(name, "l%u", i);
		if (!lens[i]) {
			EXPECT_FALSE(exists(name));
			continue;
		}
		memset(target, 'a' + i % 26, lens[i]);
		ASSERT_EQ(lens[i], readlink(name, got, sizeof(got)));
		EXPECT_EQ(0, memcmp(target, got, lens[i]));
	}
}

TEST_HARNESS_MAIN
