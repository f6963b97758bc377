// SPDX-License-Identifier: GPL-2.0
/*
 * Hard links, one statement a test: fresh, after a crash, uncached and
 * remounted (link_stages.h).
 */
#include <linux/fs.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "link_stages.h"

STAGES_ONLY_FIXTURE(hard)

static int link_fd(int fd, const char *name)
{
	char path[64];

	sprintf(path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static int link_empty(int fd, const char *name)
{
	return linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH);
}

TEST_F(hard, data_outlive_the_first_name)
{
	if (self->st.fresh) {
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(link("a", "b"));
		ASSERT_OK(unlink("a"));
	}
	EXPECT_FALSE(exists("a"));
	EXPECT_EQ(1, nlink_of("b"));
	EXPECT_STREQ("the data", read_text("b"));
}

TEST_F(hard, data_outlive_a_name_that_is_replaced)
{
	if (self->st.fresh) {
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(link("a", "b"));
		ASSERT_OK(put("c", "another"));
		ASSERT_OK(rename("c", "a"));
	}
	EXPECT_STREQ("another", read_text("a"));
	EXPECT_STREQ("the data", read_text("b"));
	EXPECT_EQ(1, nlink_of("a"));
	EXPECT_EQ(1, nlink_of("b"));
}

TEST_F(hard, data_go_with_the_last_name)
{
	struct stat st;
	int fd;

	ASSERT_OK(put("a", "the data"));
	ASSERT_OK(link("a", "b"));
	fd = open("b", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(unlink("a"));
	ASSERT_OK(unlink("b"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_ERR(ENOENT, link_fd(fd, "c"));
	close(fd);
	EXPECT_FALSE(exists("a") || exists("b") || exists("c"));
}

TEST_F(hard, names_share_all_that_the_inode_has)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 6 } };
	struct stat a, b, c;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(link("a", "b"));
		ASSERT_OK(link("b", "d/c"));
		/* Each through a name of its own. */
		ASSERT_OK(chmod("a", 0604));
		ASSERT_OK(chown("b", 12, 34));
		ASSERT_OK(put("b", "other data"));
		ASSERT_OK(utimensat(AT_FDCWD, "d/c", ts, 0));
	}
	ASSERT_OK(lstat("a", &a));
	ASSERT_OK(lstat("b", &b));
	ASSERT_OK(lstat("d/c", &c));
	EXPECT_EQ(3, a.st_nlink);
	EXPECT_EQ(S_IFREG | 0604, a.st_mode);
	EXPECT_EQ(12, a.st_uid);
	EXPECT_EQ(34, a.st_gid);
	EXPECT_EQ(2000, a.st_mtim.tv_sec);
	EXPECT_EQ(10, a.st_size);
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
	EXPECT_EQ(0, memcmp(&a, &c, sizeof(a)));
	/* Reading moves st_atime: last. */
	EXPECT_STREQ("other data", read_text("d/c"));
}

TEST_F(hard, a_name_moves_alone)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(link("a", "b"));
		ASSERT_OK(rename("a", "d/moved"));
	}
	EXPECT_EQ(ino_of("b"), ino_of("d/moved"));
	EXPECT_EQ(2, nlink_of("b"));
	EXPECT_STREQ("the data", read_text("d/moved"));
}

TEST_F(hard, directories_have_one_name)
{
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0777));
		ASSERT_OK(symlink("d", "l"));
		ASSERT_OK(chmod(".", 0777));
		ASSERT_OK(chown("d", TEST_UID, TEST_GID));
	}
	fd = open("d", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_ERR(EPERM, link("d", "e"));
	EXPECT_ERR(EPERM, link(".", "e"));
	EXPECT_ERR(EPERM, link("d", "d/e"));
	EXPECT_ERR(EPERM, linkat(AT_FDCWD, "l", AT_FDCWD, "e", AT_SYMLINK_FOLLOW));
	EXPECT_ERR(EPERM, link_fd(fd, "e"));
	EXPECT_ERR(EPERM, link_empty(fd, "e"));
	EXPECT_EQ(EPERM, AS_USER(link("d", "e")));
	EXPECT_FALSE(exists("e"));
	EXPECT_EQ(2, nlink_of("d"));
	close(fd);
}

TEST_F(hard, not_across_a_bind_mount)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(mkdir("m", 0755));
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(put("d/b", "other data"));
	}
	ASSERT_OK(private_mounts());
	ASSERT_OK(mount("d", "m", NULL, MS_BIND, NULL));
	EXPECT_EQ(ino_of("d/b"), ino_of("m/b"));
	EXPECT_ERR(EXDEV, link("a", "m/a"));
	EXPECT_ERR(EXDEV, link("m/b", "b"));
	EXPECT_ERR(EXDEV, link("m/b", "d/c"));
	EXPECT_ERR(EXDEV, rename("a", "m/a"));
	EXPECT_ERR(EXDEV, rename("m/b", "b"));
	EXPECT_OK(link("m/b", "m/c"));
	EXPECT_EQ(2, nlink_of("d/c"));
	EXPECT_OK(unlink("d/c"));
	ASSERT_OK(umount2("m", 0));
	EXPECT_EQ(1, nlink_of("a"));
}

TEST_F(hard, by_descriptor)
{
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(put("a", "the data"));
		ASSERT_OK(symlink("nowhere", "l"));
		fd = open("a", O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_OK(link_fd(fd, "b"));
		ASSERT_OK(link_empty(fd, "c"));
		EXPECT_ERR(EEXIST, link_fd(fd, "b"));
		EXPECT_ERR(EEXIST, link_empty(fd, "a"));
		EXPECT_ERR(ENOENT, linkat(fd, "", AT_FDCWD, "x", 0));
		/* Without AT_SYMLINK_FOLLOW it is proc's own link that is meant. */
		EXPECT_ERR(EXDEV, linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, "x", 0));
		close(fd);
		/* O_PATH is enough, and may hold a symlink. */
		fd = open("l", O_PATH | O_NOFOLLOW);
		ASSERT_LE(0, fd);
		ASSERT_OK(link_empty(fd, "l2"));
		ASSERT_OK(link_fd(fd, "l3"));
		close(fd);
	}
	EXPECT_EQ(3, nlink_of("a"));
	EXPECT_EQ(ino_of("a"), ino_of("b"));
	EXPECT_STREQ("the data", read_text("c"));
	EXPECT_TRUE(holds("l2", "nowhere"));
	EXPECT_EQ(ino_of("l"), ino_of("l3"));
	EXPECT_FALSE(exists("x"));
}

static bool own_descriptor_suffices(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 10);
}

static int open_and_link_empty(const char *from, const char *to)
{
	int fd = open(from, O_RDONLY);

	return fd < 0 ? fd : link_empty(fd, to);
}

TEST_F(hard, by_descriptor_as_a_user)
{
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(chmod(".", 0777));
		ASSERT_OK(put("mine", "the data"));
		ASSERT_OK(chown("mine", TEST_UID, TEST_GID));
	}
	fd = open("mine", O_RDONLY);
	ASSERT_LE(0, fd);
	/* AT_EMPTY_PATH takes a capability, or (from 6.10 on) one's own descriptor. */
	EXPECT_EQ(ENOENT, AS_USER(link_empty(fd, "x")));
	EXPECT_EQ(own_descriptor_suffices() ? 0 : ENOENT,
		  AS_USER(open_and_link_empty("mine", "x")));
	EXPECT_EQ(own_descriptor_suffices(), exists("x"));
	unlink("x");
	EXPECT_EQ(0, AS_USER(link_fd(fd, "x")));
	EXPECT_EQ(2, nlink_of("mine"));
	close(fd);
	ASSERT_OK(unlink("x"));
}

TEST_F(hard, protected_hardlinks)
{
	int was;

	if (self->st.fresh) {
		ASSERT_OK(chmod(".", 01777));
		ASSERT_OK(put("mine", ""));
		ASSERT_OK(chown("mine", TEST_UID, TEST_GID));
		ASSERT_OK(put("readable", ""));
		ASSERT_OK(put("writable", ""));
		ASSERT_OK(chmod("writable", 0666));
		ASSERT_OK(put("setuid", ""));
		ASSERT_OK(chmod("setuid", 04666));
		ASSERT_OK(put("setgid", ""));
		ASSERT_OK(chmod("setgid", 02676));
		ASSERT_OK(symlink("mine", "symlink"));
		ASSERT_OK(mknod("fifo", S_IFIFO | 0666, 0));
		ASSERT_OK(chmod("fifo", 0666));
	}
	was = fs_sysctl("protected_hardlinks", 1);
	ASSERT_LE(0, was);
	EXPECT_EQ(0, AS_USER(link("mine", "x0")));
	EXPECT_EQ(0, AS_USER(link("writable", "x1")));
	EXPECT_EQ(EPERM, AS_USER(link("readable", "x")));
	EXPECT_EQ(EPERM, AS_USER(link("setuid", "x")));
	EXPECT_EQ(EPERM, AS_USER(link("setgid", "x")));
	EXPECT_EQ(EPERM, AS_USER(link("symlink", "x")));
	EXPECT_EQ(EPERM, AS_USER(link("fifo", "x")));
	EXPECT_OK(link("setuid", "x2"));
	EXPECT_FALSE(exists("x"));
	EXPECT_EQ(1, fs_sysctl("protected_hardlinks", 0));
	EXPECT_EQ(0, AS_USER(link("readable", "x3")));
	EXPECT_EQ(0, AS_USER(link("setgid", "x4")));
	EXPECT_EQ(0, AS_USER(link("symlink", "x5")));
	EXPECT_EQ(0, fs_sysctl("protected_hardlinks", was));
	EXPECT_EQ(2, nlink_of("readable"));
	EXPECT_TRUE(holds("x5", "mine"));
	EXPECT_EQ(0, system("rm -f x?"));
}

TEST_F(hard, permissions_of_the_directory_count)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("mine", ""));
		ASSERT_OK(chown("mine", TEST_UID, TEST_GID));
	}
	EXPECT_EQ(EACCES, AS_USER(link("mine", "x")));
	EXPECT_EQ(EACCES, AS_USER(link("mine", "d/x")));
	EXPECT_EQ(1, nlink_of("mine"));
}

TEST_F(hard, a_tmpfile_gets_names)
{
	int fd;

	if (self->st.fresh) {
		fd = open(".", O_TMPFILE | O_RDWR, 0644);
		ASSERT_LE(0, fd);
		ASSERT_EQ(8, write(fd, "the data", 8));
		ASSERT_OK(fsync(fd));
		ASSERT_OK(link_fd(fd, "a"));
		ASSERT_OK(link_empty(fd, "b"));
		close(fd);
	}
	EXPECT_EQ(2, nlink_of("a"));
	EXPECT_EQ(ino_of("a"), ino_of("b"));
	EXPECT_STREQ("the data", read_text("b"));
}

/* Set or clear FS_IMMUTABLE_FL or FS_APPEND_FL. */
static int set_flag(const char *name, int flag, bool on)
{
	int fd = open(name, O_RDONLY), ret, flags;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags = on ? flags | flag : flags & ~flag;
	if (!ret)
		ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return ret;
}

TEST_F(hard, immutable_and_append_only_files_take_no_name)
{
	static const int flags[] = { FS_IMMUTABLE_FL, FS_APPEND_FL };
	static const char *const names[] = { "immutable", "append" };
	unsigned int i;
	int fd;

	for (i = 0; i < 2; i++) {
		if (self->st.fresh) {
			ASSERT_OK(put(names[i], "the data"));
			ASSERT_OK(set_flag(names[i], flags[i], true));
		}
		fd = open(names[i], O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_ERR(EPERM, link(names[i], "x"));
		EXPECT_ERR(EPERM, link_fd(fd, "x"));
		EXPECT_ERR(EPERM, link_empty(fd, "x"));
		close(fd);
		EXPECT_ERR(EPERM, rename(names[i], "x"));
		EXPECT_ERR(EPERM, unlink(names[i]));
		EXPECT_EQ(1, nlink_of(names[i]));
		EXPECT_FALSE(exists("x"));
		if (self->st.at == STAGE_REMOUNTED) {
			ASSERT_OK(set_flag(names[i], flags[i], false));
			EXPECT_OK(link(names[i], "x"));
			EXPECT_OK(unlink("x"));
		}
	}
}

TEST_HARNESS_MAIN
