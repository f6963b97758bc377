// SPDX-License-Identifier: GPL-2.0
/* rename(2) and renameat2(2). */
#include <linux/fs.h>

#include "lnkfs_test.h"

TDIR_FIXTURE(rename)

static int ren(const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* Inode number of "..", as the directory's listing has it. */
static ino_t dotdot_of(const char *dirname)
{
	DIR *dir = opendir(dirname);
	struct dirent *de;
	ino_t ino = 0;

	while (dir && (de = readdir(dir)))
		if (!strcmp(de->d_name, ".."))
			ino = de->d_ino;
	if (dir)
		closedir(dir);
	return ino;
}

TEST_F(rename, plain)
{
	ino_t ino;

	ASSERT_OK(create_text("a", "text"));
	ino = ino_of("a");
	ASSERT_OK(rename("a", "b"));
	EXPECT_FALSE(exists("a"));
	EXPECT_EQ(ino, ino_of("b"));
	EXPECT_EQ(1, nlink_of("b"));
	EXPECT_STREQ("text", read_text("b"));
	ASSERT_OK(rename("b", "b"));
	EXPECT_STREQ("text", read_text("b"));
}

TEST_F(rename, over_file)
{
	struct stat st;
	ino_t ino;
	int fd;

	ASSERT_OK(create_text("a", "new"));
	ASSERT_OK(create_text("b", "old"));
	ino = ino_of("a");
	fd = open("b", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(rename("a", "b"));
	EXPECT_FALSE(exists("a"));
	EXPECT_EQ(ino, ino_of("b"));
	EXPECT_STREQ("new", read_text("b"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(3, st.st_size);
	close(fd);
}

TEST_F(rename, over_hard_linked_file)
{
	ASSERT_OK(create_text("a", "new"));
	ASSERT_OK(create_text("b", "old"));
	ASSERT_OK(link("b", "c"));
	ASSERT_OK(rename("a", "b"));
	EXPECT_STREQ("old", read_text("c"));
	EXPECT_EQ(1, nlink_of("c"));
	EXPECT_STREQ("new", read_text("b"));
}

TEST_F(rename, every_kind_over_every_kind)
{
	unsigned int i, j;
	ino_t ino;

	/* All but directories replace each other freely. */
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++) {
			const char *names[] = { "from", "to" };
			unsigned int k, kind[] = { i, j };

			for (k = 0; k < 2; k++) {
				switch (kind[k]) {
				case 0:
					ASSERT_OK(create_file(names[k], 0644));
					break;
				case 1:
					ASSERT_OK(symlink("x", names[k]));
					break;
				case 2:
					ASSERT_OK(mknod(names[k], S_IFIFO | 0600, 0));
					break;
				case 3:
					ASSERT_OK(mknod(names[k], S_IFCHR | 0600,
							makedev(1, 3)));
					break;
				}
			}
			ino = ino_of("from");
			EXPECT_OK(rename("from", "to"));
			EXPECT_EQ(ino, ino_of("to"));
			EXPECT_FALSE(exists("from"));
			ASSERT_OK(unlink("to"));
		}
}

TEST_F(rename, over_symlink_leaves_its_target)
{
	ASSERT_OK(create_text("f", "new"));
	ASSERT_OK(create_text("t", "target"));
	ASSERT_OK(symlink("t", "l"));
	ASSERT_OK(rename("f", "l"));
	EXPECT_STREQ("target", read_text("t"));
	EXPECT_STREQ("new", read_text("l"));
}

TEST_F(rename, directories)
{
	nlink_t n;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(create_file("a/f", 0644));
	ASSERT_OK(mkdir("empty", 0755));
	ASSERT_OK(mkdir("full", 0755));
	ASSERT_OK(create_file("full/x", 0644));
	n = nlink_of(".");
	EXPECT_ERR(ENOTEMPTY, rename("a", "full"));
	EXPECT_EQ(n, nlink_of("."));
	ASSERT_OK(rename("a", "empty"));
	EXPECT_EQ(n - 1, nlink_of("."));
	EXPECT_TRUE(exists("empty/f"));
	ASSERT_OK(rename("empty", "b/"));
	EXPECT_TRUE(exists("b/f"));
	EXPECT_EQ(2, nlink_of("b"));
}

TEST_F(rename, kind_mismatch)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("d", "l"));
	EXPECT_ERR(EISDIR, rename("f", "d"));
	EXPECT_ERR(ENOTDIR, rename("d", "f"));
	EXPECT_ERR(ENOTDIR, rename("d", "l"));
	EXPECT_ERR(ENOTDIR, rename("f/", "g"));
	EXPECT_ERR(ENOTDIR, rename("f", "g/"));
	EXPECT_ERR(ENOENT, rename("missing", "x"));
	EXPECT_ERR(ENOENT, rename("f", "missing/x"));
	EXPECT_ERR(ENOTDIR, rename("f", "f/x"));
	EXPECT_ERR(EBUSY, rename("d/.", "x"));
	EXPECT_ERR(EBUSY, rename("d/..", "x"));
	EXPECT_ERR(EBUSY, rename("f", "d/."));
	EXPECT_ERR(ENOENT, rename("", "x"));
	EXPECT_TRUE(exists("f") && exists("d"));
}

TEST_F(rename, into_own_child)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("a/b", 0755));
	ASSERT_OK(mkdir("a/b/c", 0755));
	EXPECT_ERR(EINVAL, rename("a", "a/x"));
	EXPECT_ERR(EINVAL, rename("a", "a/b"));
	EXPECT_ERR(EINVAL, rename("a", "a/b/c/x"));
	EXPECT_ERR(ENOTEMPTY, rename("a/b/c", "a/b"));
	EXPECT_ERR(ENOTEMPTY, rename("a/b/c", "a"));
	EXPECT_ERR(EINVAL, ren("a", "a/b/c", RENAME_EXCHANGE));
	EXPECT_ERR(EINVAL, ren("a/b/c", "a", RENAME_EXCHANGE));
	EXPECT_EQ(3, nlink_of("a"));
}

TEST_F(rename, same_inode_does_nothing)
{
	ASSERT_OK(create_file("a", 0644));
	ASSERT_OK(link("a", "b"));
	EXPECT_OK(rename("a", "b"));
	EXPECT_TRUE(exists("a") && exists("b"));
	EXPECT_EQ(2, nlink_of("a"));
	EXPECT_OK(ren("a", "b", RENAME_EXCHANGE));
	EXPECT_EQ(2, nlink_of("a"));
	EXPECT_ERR(EEXIST, ren("a", "b", RENAME_NOREPLACE));
}

TEST_F(rename, flags)
{
	ASSERT_OK(create_text("a", "a"));
	EXPECT_ERR(EINVAL, ren("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
	EXPECT_ERR(EINVAL, ren("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE));
	EXPECT_ERR(EINVAL, ren("a", "b", 1 << 10));
	EXPECT_TRUE(exists("a"));
}

TEST_F(rename, noreplace)
{
	ASSERT_OK(create_text("a", "a"));
	ASSERT_OK(create_text("b", "b"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("nowhere", "l"));
	EXPECT_ERR(EEXIST, ren("a", "b", RENAME_NOREPLACE));
	EXPECT_ERR(EEXIST, ren("a", "d", RENAME_NOREPLACE));
	EXPECT_ERR(EEXIST, ren("a", "l", RENAME_NOREPLACE));
	EXPECT_ERR(EEXIST, ren("a", "a", RENAME_NOREPLACE));
	EXPECT_STREQ("b", read_text("b"));
	EXPECT_OK(ren("a", "c", RENAME_NOREPLACE));
	EXPECT_OK(ren("d", "e", RENAME_NOREPLACE));
	EXPECT_STREQ("a", read_text("c"));
	EXPECT_FALSE(exists("a"));
}

TEST_F(rename, exchange_files)
{
	ino_t a, b;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("a", "a"));
	ASSERT_OK(create_text("d/b", "b"));
	a = ino_of("a");
	b = ino_of("d/b");
	EXPECT_ERR(ENOENT, ren("a", "missing", RENAME_EXCHANGE));
	ASSERT_OK(ren("a", "d/b", RENAME_EXCHANGE));
	EXPECT_EQ(b, ino_of("a"));
	EXPECT_EQ(a, ino_of("d/b"));
	EXPECT_STREQ("b", read_text("a"));
	EXPECT_STREQ("a", read_text("d/b"));
	ASSERT_OK(symlink("t", "l"));
	ASSERT_OK(ren("l", "a", RENAME_EXCHANGE));
	EXPECT_EQ(b, ino_of("l"));
	drop_caches();
	EXPECT_EQ(b, ino_of("l"));
	EXPECT_STREQ("b", read_text("l"));
}

TEST_F(rename, exchange_file_and_directory)
{
	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(mkdir("p/d", 0755));
	ASSERT_OK(create_file("p/d/x", 0644));
	ASSERT_OK(create_text("q/f", "file"));
	EXPECT_EQ(3, nlink_of("p"));
	EXPECT_EQ(2, nlink_of("q"));
	ASSERT_OK(ren("p/d", "q/f", RENAME_EXCHANGE));
	EXPECT_EQ(2, nlink_of("p"));
	EXPECT_EQ(3, nlink_of("q"));
	EXPECT_STREQ("file", read_text("p/d"));
	EXPECT_TRUE(exists("q/f/x"));
	EXPECT_EQ(ino_of("q"), dotdot_of("q/f"));
	remount(_metadata, &self->dir);
	EXPECT_EQ(2, nlink_of("p"));
	EXPECT_EQ(3, nlink_of("q"));
	EXPECT_TRUE(exists("q/f/x"));
	EXPECT_EQ(ino_of("q"), dotdot_of("q/f"));
}

TEST_F(rename, exchange_directories)
{
	ino_t x, y;

	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(mkdir("p/x", 0755));
	ASSERT_OK(mkdir("q/y", 0755));
	ASSERT_OK(create_file("p/x/in_x", 0644));
	x = ino_of("p/x");
	y = ino_of("q/y");
	ASSERT_OK(ren("p/x", "q/y", RENAME_EXCHANGE));
	EXPECT_EQ(3, nlink_of("p"));
	EXPECT_EQ(3, nlink_of("q"));
	EXPECT_EQ(y, ino_of("p/x"));
	EXPECT_EQ(x, ino_of("q/y"));
	EXPECT_EQ(ino_of("p"), dotdot_of("p/x"));
	EXPECT_EQ(ino_of("q"), dotdot_of("q/y"));
	EXPECT_TRUE(exists("q/y/in_x"));
	/* In one parent. */
	ASSERT_OK(ren("p", "q", RENAME_EXCHANGE));
	EXPECT_TRUE(exists("p/y/in_x"));
	remount(_metadata, &self->dir);
	EXPECT_TRUE(exists("p/y/in_x"));
	EXPECT_EQ(ino_of("p"), dotdot_of("p/y"));
	EXPECT_EQ(3, nlink_of("p"));
	EXPECT_EQ(3, nlink_of("q"));
}

TEST_F(rename, whiteout)
{
	struct stat st;
	int pass;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("a", "a"));
	ASSERT_OK(create_text("b", "b"));
	ASSERT_OK(mkdir("sub", 0755));
	ASSERT_OK(create_file("sub/f", 0644));
	ASSERT_OK(ren("a", "d/a", RENAME_WHITEOUT));
	ASSERT_OK(ren("b", "d/a", RENAME_WHITEOUT));
	ASSERT_OK(ren("sub", "d/sub", RENAME_WHITEOUT | RENAME_NOREPLACE));
	for (pass = 0; pass < 2; pass++) {
		ASSERT_OK(lstat("a", &st));
		EXPECT_EQ(S_IFCHR, st.st_mode & S_IFMT);
		EXPECT_EQ(0, st.st_rdev);
		EXPECT_EQ(1, st.st_nlink);
		ASSERT_OK(lstat("b", &st));
		EXPECT_EQ(S_IFCHR, st.st_mode & S_IFMT);
		ASSERT_OK(lstat("sub", &st));
		EXPECT_EQ(S_IFCHR, st.st_mode & S_IFMT);
		EXPECT_EQ(0, st.st_rdev);
		EXPECT_STREQ("b", read_text("d/a"));
		EXPECT_TRUE(exists("d/sub/f"));
		EXPECT_EQ(3, nlink_of("d"));
		EXPECT_EQ(3, nlink_of("."));
		remount(_metadata, &self->dir);
	}
	EXPECT_ERR(EEXIST, ren("d/a", "b", RENAME_WHITEOUT | RENAME_NOREPLACE));
	EXPECT_STREQ("b", read_text("d/a"));
}

TEST_F(rename, directory_across_parents)
{
	ino_t ino;

	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(mkdir("p/d", 0755));
	ASSERT_OK(mkdir("p/d/sub", 0755));
	ASSERT_OK(create_text("p/d/f", "text"));
	ino = ino_of("p/d");
	ASSERT_OK(rename("p/d", "q/e"));
	EXPECT_EQ(ino, ino_of("q/e"));
	EXPECT_EQ(2, nlink_of("p"));
	EXPECT_EQ(3, nlink_of("q"));
	EXPECT_EQ(3, nlink_of("q/e"));
	EXPECT_EQ(ino_of("q"), dotdot_of("q/e"));
	EXPECT_OK(rmdir("p"));
	remount(_metadata, &self->dir);
	EXPECT_EQ(ino_of("q"), dotdot_of("q/e"));
	EXPECT_EQ(ino_of("q"), ino_of("q/e/.."));
	EXPECT_STREQ("text", read_text("q/e/f"));
	ASSERT_OK(mkdir("r", 0755));
	ASSERT_OK(mkdir("r/empty", 0755));
	ASSERT_OK(rename("q/e", "r/empty"));
	EXPECT_EQ(3, nlink_of("r"));
	EXPECT_EQ(2, nlink_of("q"));
	EXPECT_EQ(ino, ino_of("r/empty"));
}

TEST_F(rename, times)
{
	struct stat p, q, f, v, p2, q2, f2, v2;

	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(create_text("p/f", "f"));
	ASSERT_OK(create_text("q/v", "v"));
	ASSERT_OK(link("q/v", "keep"));
	ASSERT_OK(stat("p", &p));
	ASSERT_OK(stat("q", &q));
	ASSERT_OK(stat("p/f", &f));
	ASSERT_OK(stat("q/v", &v));
	tick();
	ASSERT_OK(rename("p/f", "q/v"));
	ASSERT_OK(stat("p", &p2));
	ASSERT_OK(stat("q", &q2));
	ASSERT_OK(stat("q/v", &f2));
	ASSERT_OK(stat("keep", &v2));
	EXPECT_TRUE(later(&p2.st_mtim, &p.st_mtim));
	EXPECT_TRUE(later(&p2.st_ctim, &p.st_ctim));
	EXPECT_TRUE(later(&q2.st_mtim, &q.st_mtim));
	EXPECT_TRUE(later(&q2.st_ctim, &q.st_ctim));
	EXPECT_TRUE(later(&f2.st_ctim, &f.st_ctim));
	EXPECT_FALSE(later(&f2.st_mtim, &f.st_mtim));
	EXPECT_TRUE(later(&v2.st_ctim, &v.st_ctim));
	EXPECT_EQ(1, v2.st_nlink);
}

TEST_F(rename, permissions)
{
	ASSERT_OK(mkdir("sticky", 0755));
	ASSERT_OK(chmod("sticky", 01777));
	ASSERT_OK(create_file("sticky/root", 0666));
	EXPECT_EQ(EPERM, AS_USER(rename("sticky/root", "sticky/x")));
	EXPECT_EQ(EPERM, AS_USER(unlink("sticky/root")));
	EXPECT_EQ(0, AS_USER(create_file("sticky/mine", 0644)));
	EXPECT_EQ(EPERM, AS_USER(rename("sticky/mine", "sticky/root")));
	EXPECT_EQ(0, AS_USER(rename("sticky/mine", "sticky/own")));
	EXPECT_EQ(EACCES, AS_USER(rename("sticky/own", "own")));
	/* A directory that gets another parent must itself be writable. */
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(chmod("a", 0777));
	ASSERT_OK(chmod("b", 0777));
	ASSERT_OK(mkdir("a/d", 0755));
	EXPECT_EQ(EACCES, AS_USER(rename("a/d", "b/d")));
	EXPECT_EQ(0, AS_USER(rename("a/d", "a/e")));
}

TEST_F(rename, growing_and_shrinking_names)
{
	char from[256], to[256];
	int len, prev = 1, step;

	/* One file in a full directory takes names of many lengths in turn. */
	for (len = 0; len < 100; len++) {
		sprintf(from, "filler-%d", len);
		ASSERT_OK(create_file(from, 0644));
	}
	ASSERT_OK(create_text("n", "text"));
	for (step = 0, len = 2; step < 300; step++, len = (len * 7) % 251) {
		memset(from, 'n', prev);
		from[prev] = 0;
		memset(to, 'n', len);
		to[len] = 0;
		ASSERT_OK(rename(from, to));
		ASSERT_FALSE(exists(from));
		prev = len;
	}
	EXPECT_STREQ("text", read_text(to));
	for (len = 0; len < 100; len++) {
		sprintf(from, "filler-%d", len);
		EXPECT_TRUE(exists(from));
	}
}

TEST_HARNESS_MAIN
