// SPDX-License-Identifier: GPL-2.0
/* Files without a name: O_TMPFILE, and files unlinked while open. */
#include "lnkfs_test.h"

TDIR_FIXTURE(tmpfile)

static int link_fd(int fd, const char *name)
{
	char path[64];

	sprintf(path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static int entries(const char *name)
{
	DIR *dir = opendir(name);
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Freed blocks may come back a commit later: give them some seconds. */
static bool free_reaches(long long want)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (free_bytes() >= want)
			return true;
		usleep(100000);
	}
	return false;
}

TEST_F(tmpfile, basics)
{
	struct stat st;
	char buf[8] = "";
	int fd;

	umask(027);
	fd = open(".", O_TMPFILE | O_RDWR, 0666);
	umask(022);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(4, write(fd, "text", 4));
	EXPECT_EQ(4, pread(fd, buf, 8, 0));
	EXPECT_STREQ("text", buf);
	EXPECT_EQ(0, entries("."));
	close(fd);
	EXPECT_EQ(0, entries("."));
}

TEST_F(tmpfile, errors)
{
	ASSERT_OK(create_file("f", 0644));
	EXPECT_ERR(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0600));
	EXPECT_ERR(ENOTDIR, open("f", O_TMPFILE | O_RDWR, 0600));
	EXPECT_ERR(ENOENT, open("missing", O_TMPFILE | O_RDWR, 0600));
	EXPECT_EQ(EACCES, AS_USER(open(".", O_TMPFILE | O_RDWR, 0600)));
}

TEST_F(tmpfile, linked_in)
{
	struct stat st;
	int fd, pass;

	fd = open(".", O_TMPFILE | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(4, write(fd, "text", 4));
	ASSERT_OK(create_file("taken", 0644));
	EXPECT_ERR(EEXIST, link_fd(fd, "taken"));
	ASSERT_OK(link_fd(fd, "a"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(st.st_ino, ino_of("a"));
	ASSERT_OK(linkat(fd, "", AT_FDCWD, "b", AT_EMPTY_PATH));
	EXPECT_EQ(2, nlink_of("a"));
	close(fd);
	for (pass = 0; pass < 2; pass++) {
		EXPECT_STREQ("text", read_text("a"));
		EXPECT_STREQ("text", read_text("b"));
		EXPECT_EQ(2, nlink_of("b"));
		remount(_metadata, &self->dir);
	}
}

TEST_F(tmpfile, exclusive_never_gets_a_name)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0644);

	ASSERT_LE(0, fd);
	EXPECT_ERR(ENOENT, link_fd(fd, "a"));
	EXPECT_ERR(ENOENT, linkat(fd, "", AT_FDCWD, "a", AT_EMPTY_PATH));
	close(fd);
	EXPECT_EQ(0, entries("."));
}

TEST_F(tmpfile, linked_and_unlinked_again)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);
	struct stat st;

	ASSERT_LE(0, fd);
	ASSERT_OK(link_fd(fd, "a"));
	ASSERT_OK(unlink("a"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_ERR(ENOENT, link_fd(fd, "b"));
	EXPECT_EQ(1, write(fd, "x", 1));
	close(fd);
}

TEST_F(tmpfile, many_at_once)
{
	struct stat st;
	int fd[300], i;
	char name[16], text[16];

	for (i = 0; i < 300; i++) {
		fd[i] = open(".", O_TMPFILE | O_RDWR, 0644);
		ASSERT_LE(0, fd[i]);
		sprintf(text, "number %d", i);
		ASSERT_EQ(strlen(text), write(fd[i], text, strlen(text)));
	}
	EXPECT_EQ(0, entries("."));
	for (i = 0; i < 300; i += 3) {
		sprintf(name, "t%d", i);
		ASSERT_OK(link_fd(fd[i], name));
	}
	/* Closed in another order than they were opened. */
	for (i = 0; i < 300; i++)
		close(fd[i * 7 % 300]);
	EXPECT_EQ(100, entries("."));
	remount(_metadata, &self->dir);
	for (i = 0; i < 300; i += 3) {
		sprintf(name, "t%d", i);
		sprintf(text, "number %d", i);
		EXPECT_STREQ(text, read_text(name));
	}
	ASSERT_OK(stat(".", &st));
	EXPECT_EQ(2, st.st_nlink);
}

TEST_F(tmpfile, space_comes_back)
{
	static char buf[1 << 20];
	long long before = free_bytes(), during;
	int fd = open(".", O_TMPFILE | O_RDWR, 0644), i;

	ASSERT_LE(0, fd);
	memset(buf, 0x5a, sizeof(buf));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(fsync(fd));
	during = free_bytes();
	EXPECT_LE(during + 4 * sizeof(buf), before);
	close(fd);
	EXPECT_TRUE(free_reaches(before - 65536));
}

TEST_F(tmpfile, unlinked_open_file_lives_on)
{
	static char buf[1 << 20], got[1 << 20];
	long long before = free_bytes();
	struct stat st;
	int fd;

	fd = open("f", O_CREAT | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	memset(buf, 0xa5, sizeof(buf));
	ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(unlink("f"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(fsync(fd));
	drop_caches();
	ASSERT_EQ(sizeof(buf), pread(fd, got, sizeof(got), sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, got, sizeof(buf)));
	ASSERT_OK(ftruncate(fd, 100));
	ASSERT_OK(fchmod(fd, 0600));
	ASSERT_OK(create_text("f", "another"));
	ASSERT_EQ(100, pread(fd, got, sizeof(got), 0));
	EXPECT_STREQ("another", read_text("f"));
	close(fd);
	EXPECT_STREQ("another", read_text("f"));
	EXPECT_TRUE(free_reaches(before - 65536));
}

TEST_F(tmpfile, unlinked_open_symlink_and_directory)
{
	struct stat st;
	char buf[2000], got[2000];
	int l, d, len = symlink_max() < 1999 ? 900 : 1999;

	memset(buf, 'l', len);
	buf[len] = 0;
	ASSERT_OK(symlink(buf, "l"));
	ASSERT_OK(mkdir("d", 0755));
	l = open("l", O_PATH | O_NOFOLLOW);
	d = open("d", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, l);
	ASSERT_LE(0, d);
	ASSERT_OK(unlink("l"));
	ASSERT_OK(rmdir("d"));
	drop_caches();
	EXPECT_EQ(len, readlinkat(l, "", got, sizeof(got)));
	EXPECT_EQ(0, memcmp(buf, got, len));
	ASSERT_OK(fstat(l, &st));
	EXPECT_EQ(0, st.st_nlink);
	ASSERT_OK(fstat(d, &st));
	EXPECT_EQ(0, st.st_nlink);
	close(l);
	close(d);
}

TEST_F(tmpfile, unlinked_file_forbids_read_only_remount)
{
	const char *mnt = getenv("LNKFS_MNT");
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	ASSERT_LE(0, fd);
	close(fd);
	fd = open("f", O_RDONLY);
	ASSERT_OK(unlink("f"));
	EXPECT_ERR(EBUSY, mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	close(fd);
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
}

TEST_HARNESS_MAIN
