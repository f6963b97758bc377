// SPDX-License-Identifier: GPL-2.0
/* Hard links on volumes of their own: how many, across projects, and crashes. */
#include <linux/fs.h>

#include "lnkfs_test.h"
#include "volume.h"

/* Unmount and mount again; after a crash of this kind if @how is not negative. */
static int again(struct volume *v, int how)
{
	if (how >= 0 && crash_volume(v->mnt, how))
		return -1;
	return vol_again(v, 0, NULL);
}

static int exchange(const char *a, const char *b)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int link_fd(int fd, const char *name)
{
	char path[64];

	sprintf(path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

VOLUME_FIXTURE_WITH(max_links, 24, on_lnkfs() ? "-o max-links=5" : "")

/* Fill @dir up with subdirectories: it has five links then. */
static int fill(const char *dir)
{
	char name[64];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s/full%d", dir, i);
		if (mkdir(name, 0755))
			return -1;
	}
	return 0;
}

TEST_F(max_links, of_files_and_symlinks)
{
	static const char *const kinds[] = { "file", "symlink", "fifo" };
	static const int stages[] = { LNKFS_SHUTDOWN_LOG, -1 };
	char name[32];
	unsigned int i, k, pass;

	if (!on_lnkfs())
		SKIP(return, "ext4's limit is fixed");
	ASSERT_OK(create_file("file", 0644));
	ASSERT_OK(symlink("file", "symlink"));
	ASSERT_OK(mknod("fifo", S_IFIFO | 0644, 0));
	for (k = 0; k < 3; k++)
		for (i = 1; i < 5; i++) {
			sprintf(name, "%s%u", kinds[k], i);
			ASSERT_OK(link(kinds[k], name));
		}
	for (pass = 0; pass < 3; pass++) {
		for (k = 0; k < 3; k++) {
			sprintf(name, "%s1", kinds[k]);
			EXPECT_EQ(5, nlink_of(name));
			EXPECT_ERR(EMLINK, link(kinds[k], "x"));
			EXPECT_ERR(EMLINK, link(name, "x"));
			EXPECT_FALSE(exists("x"));
			/* One name less, one more. */
			EXPECT_OK(unlink(name));
			EXPECT_EQ(4, nlink_of(kinds[k]));
			EXPECT_OK(link(kinds[k], name));
			EXPECT_ERR(EMLINK, link(kinds[k], "x"));
			/* A rename changes no count. */
			EXPECT_OK(rename(name, "renamed"));
			EXPECT_OK(rename("renamed", name));
		}
		if (pass < 2)
			ASSERT_OK(again(&self->v, stages[pass]));
	}
}

TEST_F(max_links, of_directories)
{
	unsigned int pass;

	if (!on_lnkfs())
		SKIP(return, "ext4 stops counting the links of a directory");
	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(mkdir("q/d", 0755));
	ASSERT_OK(fill("p"));
	ASSERT_OK(create_file("p/file", 0644));
	ASSERT_OK(create_file("q/file", 0644));
	for (pass = 0; pass < 2; pass++) {
		EXPECT_EQ(5, nlink_of("p"));
		EXPECT_ERR(EMLINK, mkdir("p/x", 0755));
		EXPECT_ERR(EMLINK, rename("q/d", "p/x"));
		EXPECT_ERR(EMLINK, exchange("q/d", "p/file"));
		EXPECT_ERR(EMLINK, exchange("p/file", "q/d"));
		EXPECT_FALSE(exists("p/x"));
		EXPECT_EQ(3, nlink_of("q"));
		/* What is no directory adds no link to it. */
		EXPECT_OK(rename("q/file", "p/file2"));
		EXPECT_OK(rename("p/file2", "q/file"));
		EXPECT_OK(exchange("q/d", "p/full0"));
		/* Nor one that takes another's place, or stays. */
		EXPECT_OK(rename("q/d", "p/full0"));
		EXPECT_EQ(5, nlink_of("p"));
		EXPECT_EQ(2, nlink_of("q"));
		EXPECT_OK(rename("p/full0", "p/x"));
		EXPECT_OK(rename("p/x", "p/full0"));
		EXPECT_OK(rmdir("p/full0"));
		EXPECT_OK(mkdir("q/d", 0755));
		EXPECT_OK(rename("q/d", "p/full0"));
		EXPECT_ERR(EMLINK, mkdir("p/x", 0755));
		EXPECT_OK(mkdir("q/d", 0755));
		ASSERT_OK(again(&self->v, LNKFS_SHUTDOWN_LOG));
	}
}

VOLUME_FIXTURE_WITH(project, 24, on_lnkfs() ? "" : "-O project,quota -I 256")

static int project_of(const char *name)
{
	int fd = open(name, O_RDONLY), ret;
	struct fsxattr fa;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_FSGETXATTR, &fa);
	close(fd);
	return ret ? -1 : (int)fa.fsx_projid;
}

TEST_F(project, names_stay_in_their_tree)
{
	unsigned int pass;
	int fd;

	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(mkdir("q", 0755));
	ASSERT_OK(mkdir("n", 0755));
	ASSERT_OK(set_project("p", 11, true));
	ASSERT_OK(set_project("q", 22, true));
	ASSERT_OK(set_project("n", 33, false));
	ASSERT_OK(create_file("none", 0644));
	ASSERT_OK(symlink("none", "l"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("p/f", 0644));
	ASSERT_OK(symlink("f", "p/l"));
	ASSERT_OK(mkdir("p/d", 0755));
	ASSERT_OK(create_file("q/f", 0644));
	for (pass = 0; pass < 2; pass++) {
		EXPECT_EQ(11, project_of("p/f"));
		EXPECT_EQ(11, project_of("p/d"));
		EXPECT_EQ(0, project_of("none"));
		/* Into a tree of another project: files, links, directories. */
		EXPECT_ERR(EXDEV, link("none", "p/x"));
		EXPECT_ERR(EXDEV, link("q/f", "p/x"));
		EXPECT_ERR(EXDEV, link("l", "p/x"));
		EXPECT_ERR(EXDEV, rename("none", "p/x"));
		EXPECT_ERR(EXDEV, rename("none", "p/f"));
		EXPECT_ERR(EXDEV, rename("q/f", "p/x"));
		EXPECT_ERR(EXDEV, rename("l", "p/x"));
		EXPECT_ERR(EXDEV, rename("d", "p/x"));
		EXPECT_ERR(EXDEV, rename("d", "p/d/x"));
		EXPECT_ERR(EXDEV, exchange("q/f", "p/f"));
		EXPECT_ERR(EXDEV, exchange("none", "p/f"));
		EXPECT_ERR(EXDEV, exchange("p/f", "none"));
		EXPECT_FALSE(exists("p/x"));
		EXPECT_EQ(1, nlink_of("none"));
		/* Within one, and out to where nothing is inherited. */
		EXPECT_OK(link("p/f", "p/d/f2"));
		EXPECT_OK(link("p/l", "p/d/l2"));
		EXPECT_OK(link("p/f", "out"));
		EXPECT_OK(link("none", "n/x"));
		EXPECT_EQ(3, nlink_of("p/f"));
		EXPECT_OK(rename("p/d/f2", "p/f2"));
		EXPECT_OK(rename("out", "n/out"));
		EXPECT_OK(rename("n/out", "p/back"));
		EXPECT_EQ(11, project_of("p/back"));
		fd = open("p", O_TMPFILE | O_RDWR, 0644);
		ASSERT_LE(0, fd);
		EXPECT_ERR(EXDEV, link_fd(fd, "q/x"));
		EXPECT_OK(link_fd(fd, "p/tmp"));
		close(fd);
		EXPECT_EQ(11, project_of("p/tmp"));
		EXPECT_EQ(0, system("rm p/f2 p/back p/tmp p/d/l2 n/x"));
		ASSERT_OK(again(&self->v, LNKFS_SHUTDOWN_LOG));
	}
}

VOLUME_FIXTURE(tmpfile_crash, 24)

#define TMPFILES 24

/*
 * Half of the crashes come with all in the journal, half as a power failure:
 * a file is there whole or not at all, and there for sure once synced.
 */
static void tmpfile_crash(struct __test_metadata *_metadata, struct volume *v, int how)
{
	char name[32], text[32];
	struct stat st;
	int i, fd[TMPFILES];

	for (i = 0; i < TMPFILES; i++) {
		fd[i] = open(".", O_TMPFILE | O_RDWR, 0644);
		ASSERT_LE(0, fd[i]);
		sprintf(name, "t%d", i);
		sprintf(text, "the data of %d", i);
		ASSERT_EQ(strlen(text), write(fd[i], text, strlen(text)));
		if (i % 4 == 0)
			ASSERT_OK(fsync(fd[i]));
		if (i % 4 != 3)
			ASSERT_OK(link_fd(fd[i], name));
		if (i % 4 == 1 && i < TMPFILES / 2)
			ASSERT_OK(fsync(fd[i]));
	}
	ASSERT_OK(crash_volume(v->mnt, how));
	for (i = 0; i < TMPFILES; i++)
		close(fd[i]);
	ASSERT_OK(again(v, -1));
	for (i = 0; i < TMPFILES; i++) {
		bool synced = i < TMPFILES / 2 && i % 4 == 1;
		bool linked = i % 4 != 3;

		sprintf(name, "t%d", i);
		sprintf(text, "the data of %d", i);
		if (lstat(name, &st)) {
			EXPECT_EQ(ENOENT, errno);
			EXPECT_FALSE(synced) TH_LOG("%s is gone", name);
			EXPECT_FALSE(linked && how == LNKFS_SHUTDOWN_LOG)
				TH_LOG("%s is gone", name);
			continue;
		}
		EXPECT_TRUE(linked) TH_LOG("%s never had a name", name);
		EXPECT_EQ(1, st.st_nlink);
		EXPECT_EQ(S_IFREG | 0644, st.st_mode);
		/* Data that nobody synced may be missing, but are never others. */
		if (i % 4 == 0 || synced || st.st_size)
			EXPECT_STREQ(text, read_text(name)) TH_LOG("%s", name);
		/* It is a file like any other. */
		EXPECT_OK(link(name, "other"));
		EXPECT_OK(unlink(name));
		EXPECT_EQ(1, nlink_of("other"));
		EXPECT_OK(unlink("other"));
	}
}

TEST_F(tmpfile_crash, whole_or_gone_after_a_commit)
{
	tmpfile_crash(_metadata, &self->v, LNKFS_SHUTDOWN_LOG);
}

TEST_F(tmpfile_crash, whole_or_gone_after_a_power_failure)
{
	tmpfile_crash(_metadata, &self->v, LNKFS_SHUTDOWN_NOW);
}

TEST_F(tmpfile_crash, an_unsynced_link_is_whole_or_gone)
{
	char name[32], text[2000];
	struct stat st;
	int i, len;

	/* Links, not tmpfiles: names of old files and new symlinks. */
	ASSERT_OK(create_text("f", "the data"));
	sync();
	memset(text, 'x', sizeof(text));
	for (i = 0; i < 60; i++) {
		sprintf(name, "l%d", i);
		len = (i % 3 + 1) * (symlink_max() > 1900 ? 600 : 300);
		text[len] = 0;
		ASSERT_OK(i % 2 ? link("f", name) : symlink(text, name));
		text[len] = 'x';
	}
	ASSERT_OK(again(&self->v, LNKFS_SHUTDOWN_NOW));
	EXPECT_STREQ("the data", read_text("f"));
	len = 1;
	for (i = 0; i < 60; i++) {
		char got[2100];

		sprintf(name, "l%d", i);
		if (lstat(name, &st))
			continue;
		if (i % 2) {
			EXPECT_EQ(ino_of("f"), st.st_ino);
			len++;
		} else {
			EXPECT_TRUE(S_ISLNK(st.st_mode));
			EXPECT_EQ(st.st_size, readlink(name, got, sizeof(got)));
			EXPECT_EQ(0, memcmp(got, text, st.st_size));
		}
	}
	EXPECT_EQ(len, nlink_of("f"));
}

TDIR_FIXTURE(many)

TEST_F_TIMEOUT(many, seventy_thousand_links_of_one_file, 300)
{
	unsigned int i, count = 0, n = 70000;
	struct dirent *de;
	char name[16];
	DIR *dir;
	ino_t ino;

	if (!on_lnkfs())
		SKIP(return, "ext4 ends at 65,000");
	if (fs_block_size() < 4096)
		SKIP(return, "once is enough");
	ASSERT_OK(create_text("f", "the data"));
	ino = ino_of("f");
	for (i = 1; i < n; i++) {
		sprintf(name, "%u", i);
		ASSERT_OK(link("f", name));
	}
	EXPECT_EQ(n, nlink_of("f"));
	remount(_metadata, &self->dir);
	EXPECT_EQ(n, nlink_of("f"));
	EXPECT_STREQ("the data", read_text("69999"));
	dir = opendir(".");
	ASSERT_NE(NULL, dir);
	while ((de = readdir(dir)))
		count += de->d_ino == ino && de->d_type == DT_REG;
	closedir(dir);
	EXPECT_EQ(n, count);
	ASSERT_OK(unlink("f"));
	for (i = 1; i < n - 1; i++) {
		sprintf(name, "%u", i);
		ASSERT_OK(unlink(name));
	}
	EXPECT_EQ(1, nlink_of("69999"));
	EXPECT_STREQ("the data", read_text("69999"));
}

TEST_HARNESS_MAIN
