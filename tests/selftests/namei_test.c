// SPDX-License-Identifier: GPL-2.0
/* Names: lookup, create, mkdir, rmdir, unlink, link, mknod, handles. */
#include <sched.h>

#include "lnkfs_test.h"

TDIR_FIXTURE(namei)

TEST_F(namei, lookup_errors)
{
	struct stat st;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	EXPECT_ERR(ENOENT, lstat("missing", &st));
	EXPECT_ERR(ENOENT, lstat("", &st));
	EXPECT_ERR(ENOENT, lstat("missing/x", &st));
	EXPECT_ERR(ENOTDIR, lstat("f/x", &st));
	EXPECT_ERR(ENOTDIR, lstat("f/", &st));
	EXPECT_ERR(ENOTDIR, lstat("f/.", &st));
	EXPECT_OK(lstat("d/", &st));
	EXPECT_OK(lstat("d/.", &st));
	EXPECT_ERR(ENOENT, lstat("D", &st));
	EXPECT_ERR(ENOENT, lstat("ff", &st));
}

TEST_F(namei, negative_lookup_then_create)
{
	struct stat st;

	EXPECT_ERR(ENOENT, stat("n", &st));
	ASSERT_OK(create_file("n", 0644));
	EXPECT_OK(stat("n", &st));
	ASSERT_OK(unlink("n"));
	EXPECT_ERR(ENOENT, stat("n", &st));
	ASSERT_OK(mkdir("n", 0755));
	EXPECT_OK(stat("n", &st));
	EXPECT_TRUE(S_ISDIR(st.st_mode));
}

TEST_F(namei, create_existing)
{
	int fd;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("nowhere", "dangling"));
	EXPECT_ERR(EEXIST, open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
	EXPECT_ERR(EEXIST, open("d", O_CREAT | O_EXCL | O_RDWR, 0644));
	EXPECT_ERR(EEXIST, open("dangling", O_CREAT | O_EXCL | O_RDWR, 0644));
	EXPECT_FALSE(exists("nowhere"));
	fd = open("f", O_CREAT | O_RDWR, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_STREQ("text", read_text("f"));
	EXPECT_ERR(EISDIR, open("d", O_CREAT | O_RDWR, 0644));
	EXPECT_ERR(EISDIR, open("d", O_WRONLY));
	EXPECT_ERR(EISDIR, open("new/", O_CREAT | O_RDWR, 0644));
	EXPECT_FALSE(exists("new"));
	EXPECT_ERR(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	EXPECT_ERR(ENOTDIR, open("f/x", O_CREAT | O_RDWR, 0644));
	EXPECT_ERR(ENOENT, open("missing/x", O_CREAT | O_RDWR, 0644));
}

TEST_F(namei, create_through_dangling_symlink)
{
	ASSERT_OK(symlink("target", "l"));
	ASSERT_OK(close(open("l", O_CREAT | O_WRONLY, 0644)));
	EXPECT_TRUE(exists("target"));
	EXPECT_NE(ino_of("l"), ino_of("target"));
}

TEST_F(namei, create_mode_and_umask)
{
	struct stat st;

	umask(022);
	ASSERT_OK(create_file("a", 0666));
	ASSERT_OK(stat("a", &st));
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(0, st.st_uid);
	umask(0);
	ASSERT_OK(create_file("b", 07777));
	ASSERT_OK(stat("b", &st));
	EXPECT_EQ(S_IFREG | 07777, st.st_mode);
	umask(0777);
	ASSERT_OK(create_file("c", 0666));
	ASSERT_OK(stat("c", &st));
	EXPECT_EQ(S_IFREG | 0, st.st_mode);
	umask(027);
	ASSERT_OK(mkdir("d", 01777));
	ASSERT_OK(stat("d", &st));
	EXPECT_EQ(S_IFDIR | 01750, st.st_mode);
	umask(022);
}

TEST_F(namei, create_as_user_owns)
{
	struct stat st;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(chmod("d", 0777));
	EXPECT_EQ(0, AS_USER(create_file("d/f", 0644)));
	ASSERT_OK(stat("d/f", &st));
	EXPECT_EQ(TEST_UID, st.st_uid);
	EXPECT_EQ(TEST_GID, st.st_gid);
}

TEST_F(namei, setgid_directory_inheritance)
{
	struct stat st;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(chown("d", 0, 1234));
	ASSERT_OK(chmod("d", 02777));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(stat("d/f", &st));
	EXPECT_EQ(1234, st.st_gid);
	EXPECT_EQ(0644, st.st_mode & 07777);
	ASSERT_OK(mkdir("d/s", 0755));
	ASSERT_OK(stat("d/s", &st));
	EXPECT_EQ(1234, st.st_gid);
	EXPECT_EQ(02755, st.st_mode & 07777);
	ASSERT_OK(symlink("x", "d/l"));
	ASSERT_OK(lstat("d/l", &st));
	EXPECT_EQ(1234, st.st_gid);
	/* Not a member of the group: the file's setgid bit is refused. */
	EXPECT_EQ(0, AS_USER(create_file("d/u", 02775)));
	ASSERT_OK(stat("d/u", &st));
	EXPECT_EQ(1234, st.st_gid);
	EXPECT_EQ(0, st.st_mode & S_ISGID);
	ASSERT_OK(create_file("plain", 0644));
	ASSERT_OK(stat("plain", &st));
	EXPECT_EQ(getegid(), st.st_gid);
}

TEST_F(namei, mkdir_errors)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(symlink("nowhere", "dangling"));
	EXPECT_ERR(EEXIST, mkdir("d", 0755));
	EXPECT_ERR(EEXIST, mkdir("f", 0755));
	EXPECT_ERR(EEXIST, mkdir("dangling", 0755));
	EXPECT_ERR(EEXIST, mkdir("d/.", 0755));
	EXPECT_ERR(EEXIST, mkdir("d/..", 0755));
	EXPECT_ERR(ENOENT, mkdir("missing/x", 0755));
	EXPECT_ERR(ENOENT, mkdir("missing/.", 0755));
	EXPECT_ERR(ENOTDIR, mkdir("f/x", 0755));
	EXPECT_ERR(ENOENT, mkdir("", 0755));
	EXPECT_OK(mkdir("slash/", 0755));
	EXPECT_EQ(3, nlink_of("slash") + 1);
}

TEST_F(namei, rmdir_errors)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(symlink("d", "l"));
	EXPECT_ERR(ENOTEMPTY, rmdir("d"));
	EXPECT_ERR(ENOTDIR, rmdir("d/f"));
	EXPECT_ERR(ENOTDIR, rmdir("l"));
	EXPECT_ERR(ENOTDIR, rmdir("l/"));
	EXPECT_ERR(EINVAL, rmdir("d/."));
	EXPECT_ERR(ENOTEMPTY, rmdir("d/.."));
	EXPECT_ERR(ENOENT, rmdir("missing"));
	EXPECT_TRUE(exists("d/f"));
	ASSERT_OK(unlink("d/f"));
	EXPECT_OK(rmdir("d/"));
	EXPECT_ERR(ENOENT, rmdir("d"));
}

TEST_F(namei, rmdir_sees_every_kind_of_entry)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("x", "d/l"));
	EXPECT_ERR(ENOTEMPTY, rmdir("d"));
	ASSERT_OK(unlink("d/l"));
	ASSERT_OK(mkdir("d/s", 0755));
	EXPECT_ERR(ENOTEMPTY, rmdir("d"));
	ASSERT_OK(rmdir("d/s"));
	ASSERT_OK(mknod("d/p", S_IFIFO | 0644, 0));
	EXPECT_ERR(ENOTEMPTY, rmdir("d"));
	ASSERT_OK(unlink("d/p"));
	EXPECT_OK(rmdir("d"));
}

TEST_F(namei, rmdir_mount_point_is_busy)
{
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_OK(mkdir("m", 0755));
	ASSERT_OK(mkdir("e", 0755));
	ASSERT_OK(mount("none", "m", "tmpfs", 0, NULL));
	EXPECT_ERR(EBUSY, rmdir("m"));
	EXPECT_ERR(EBUSY, rename("m", "n"));
	EXPECT_ERR(EBUSY, rename("e", "m"));
	ASSERT_OK(umount("m"));
	EXPECT_OK(rmdir("m"));
}

TEST_F(namei, removed_directory_takes_nothing)
{
	struct stat st;
	char buf[4096];
	int fd;

	ASSERT_OK(mkdir("d", 0755));
	fd = open("d", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	ASSERT_OK(rmdir("d"));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_ERR(ENOENT, openat(fd, "x", O_CREAT | O_RDWR, 0644));
	EXPECT_ERR(ENOENT, mkdirat(fd, "x", 0755));
	EXPECT_ERR(ENOENT, symlinkat("t", fd, "x"));
	EXPECT_ERR(ENOENT, openat(fd, "x", O_RDONLY));
	EXPECT_ERR(ENOENT, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
}

TEST_F(namei, directory_link_counts)
{
	nlink_t base = nlink_of(".");
	char name[32];
	int i;

	EXPECT_EQ(2, base);
	ASSERT_OK(create_file("f", 0644));
	EXPECT_EQ(2, nlink_of("."));
	for (i = 0; i < 20; i++) {
		sprintf(name, "d%d", i);
		ASSERT_OK(mkdir(name, 0755));
		EXPECT_EQ(2, nlink_of(name));
		EXPECT_EQ(3 + i, nlink_of("."));
	}
	remount(_metadata, &self->dir);
	EXPECT_EQ(22, nlink_of("."));
	for (i = 0; i < 20; i++) {
		sprintf(name, "d%d", i);
		ASSERT_OK(rmdir(name));
		EXPECT_EQ(21 - i, nlink_of("."));
	}
}

TEST_F(namei, unlink_errors)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	EXPECT_ERR(ENOENT, unlink("missing"));
	EXPECT_ERR(EISDIR, unlink("d"));
	EXPECT_ERR(EISDIR, unlink("d/"));
	EXPECT_ERR(ENOTDIR, unlink("f/"));
	EXPECT_ERR(ENOTDIR, unlink("f/x"));
	EXPECT_ERR(ENOTDIR, unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
	EXPECT_ERR(ENOENT, unlink(""));
	EXPECT_OK(unlink("f"));
	EXPECT_ERR(ENOENT, unlink("f"));
}

TEST_F(namei, unlink_symlink_leaves_target)
{
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(symlink("f", "l"));
	EXPECT_OK(unlink("l"));
	EXPECT_FALSE(exists("l"));
	EXPECT_STREQ("text", read_text("f"));
}

TEST_F(namei, link_basics)
{
	struct stat a, b;

	ASSERT_OK(create_text("a", "text"));
	ASSERT_OK(stat("a", &a));
	tick();
	ASSERT_OK(link("a", "b"));
	ASSERT_OK(stat("b", &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(2, b.st_nlink);
	EXPECT_TRUE(b.st_ctim.tv_sec > a.st_ctim.tv_sec ||
		    b.st_ctim.tv_nsec > a.st_ctim.tv_nsec);
	EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	EXPECT_STREQ("text", read_text("b"));
	ASSERT_OK(unlink("a"));
	EXPECT_EQ(1, nlink_of("b"));
	EXPECT_STREQ("text", read_text("b"));
}

TEST_F(namei, link_errors)
{
	char path[64];
	int fd;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(create_file("g", 0644));
	ASSERT_OK(mkdir("d", 0755));
	EXPECT_ERR(EPERM, link("d", "e"));
	EXPECT_ERR(EEXIST, link("f", "g"));
	EXPECT_ERR(EEXIST, link("f", "f"));
	EXPECT_ERR(EEXIST, link("f", "d"));
	EXPECT_ERR(ENOENT, link("missing", "x"));
	EXPECT_ERR(ENOENT, link("f", "missing/x"));
	EXPECT_ERR(ENOTDIR, link("f", "g/x"));
	EXPECT_ERR(ENOENT, link("f", "x/"));
	EXPECT_EQ(1, nlink_of("f"));
	/* A file whose last name is gone stays gone. */
	fd = open("g", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_OK(unlink("g"));
	sprintf(path, "/proc/self/fd/%d", fd);
	EXPECT_ERR(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "h",
				  AT_SYMLINK_FOLLOW));
	close(fd);
}

TEST_F(namei, link_across_filesystems)
{
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("m", 0755));
	ASSERT_OK(mount("none", "m", "tmpfs", 0, NULL));
	EXPECT_ERR(EXDEV, link("f", "m/f"));
	EXPECT_ERR(EXDEV, rename("f", "m/f"));
	ASSERT_OK(create_file("m/g", 0644));
	EXPECT_ERR(EXDEV, link("m/g", "g"));
	EXPECT_ERR(EXDEV, rename("m/g", "g"));
	ASSERT_OK(umount("m"));
	EXPECT_EQ(1, nlink_of("f"));
}

TEST_F(namei, link_to_every_kind)
{
	static const mode_t kinds[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_OK(mknod("n", kinds[i] | 0600, makedev(1, 3)));
		EXPECT_OK(link("n", "m"));
		EXPECT_EQ(ino_of("n"), ino_of("m"));
		EXPECT_EQ(2, nlink_of("n"));
		ASSERT_OK(unlink("n"));
		ASSERT_OK(unlink("m"));
	}
	ASSERT_OK(symlink("nowhere", "l"));
	EXPECT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "k", 0));
	EXPECT_EQ(ino_of("l"), ino_of("k"));
	EXPECT_ERR(ENOENT, linkat(AT_FDCWD, "l", AT_FDCWD, "j",
				  AT_SYMLINK_FOLLOW));
}

TEST_F(namei, two_thousand_links)
{
	char name[32];
	int i;

	ASSERT_OK(create_file("f", 0644));
	for (i = 0; i < 2000; i++) {
		sprintf(name, "link%d", i);
		ASSERT_OK(link("f", name));
	}
	EXPECT_EQ(2001, nlink_of("f"));
	remount(_metadata, &self->dir);
	EXPECT_EQ(2001, nlink_of("link1999"));
	for (i = 0; i < 2000; i++) {
		sprintf(name, "link%d", i);
		ASSERT_OK(unlink(name));
	}
	EXPECT_EQ(1, nlink_of("f"));
}

TEST_F(namei, mknod_devices_persist)
{
	static const struct { mode_t kind; unsigned int maj, min; } dev[] = {
		{ S_IFCHR, 1, 3 }, { S_IFBLK, 8, 255 }, { S_IFCHR, 255, 255 },
		{ S_IFCHR, 256, 0 }, { S_IFBLK, 0, 256 }, { S_IFCHR, 0, 0 },
		{ S_IFBLK, 4095, 1048575 }, { S_IFCHR, 259, 1048575 },
	};
	struct stat st;
	char name[16];
	unsigned int i, pass;

	for (i = 0; i < ARRAY_SIZE(dev); i++) {
		sprintf(name, "n%u", i);
		ASSERT_OK(mknod(name, dev[i].kind | 0640,
				makedev(dev[i].maj, dev[i].min)));
	}
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_SIZE(dev); i++) {
			sprintf(name, "n%u", i);
			ASSERT_OK(lstat(name, &st));
			EXPECT_EQ(dev[i].kind | 0640, st.st_mode);
			EXPECT_EQ(dev[i].maj, major(st.st_rdev));
			EXPECT_EQ(dev[i].min, minor(st.st_rdev));
			EXPECT_EQ(0, st.st_size);
		}
		remount(_metadata, &self->dir);
	}
}

TEST_F(namei, mknod_others)
{
	struct stat st;
	char c = 0;
	int fd;

	ASSERT_OK(mknod("p", S_IFIFO | 0600, 0));
	fd = open("p", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ('x', c);
	close(fd);
	ASSERT_OK(mknod("s", S_IFSOCK | 0600, 0));
	ASSERT_OK(lstat("s", &st));
	EXPECT_EQ(S_IFSOCK | 0600, st.st_mode);
	EXPECT_ERR(ENXIO, open("s", O_RDWR));
	ASSERT_OK(mknod("r", S_IFREG | 0600, 0));
	ASSERT_OK(mknod("z", 0600, 0));
	ASSERT_OK(lstat("z", &st));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_ERR(EEXIST, mknod("r", S_IFREG | 0600, 0));
	EXPECT_ERR(EPERM, mknod("d", S_IFDIR | 0700, 0));
	EXPECT_ERR(EINVAL, mknod("l", S_IFLNK | 0700, 0));
	ASSERT_OK(chmod(".", 0777));
	EXPECT_EQ(EPERM, AS_USER(mknod("c", S_IFCHR | 0600, makedev(1, 3))));
	EXPECT_EQ(0, AS_USER(mknod("up", S_IFIFO | 0600, 0)));
	fd = open("/dev/null", O_RDONLY);
	if (fd >= 0)
		close(fd);
	ASSERT_OK(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
	fd = open("null", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(0, read(fd, &c, 1));
	close(fd);
}

TEST_F(namei, name_length_limits)
{
	char ok[256], bad[257];
	struct stat st;

	memset(ok, 'n', 255);
	ok[255] = 0;
	memset(bad, 'n', 256);
	bad[256] = 0;
	ASSERT_OK(create_file("f", 0644));
	EXPECT_OK(create_file(ok, 0644));
	EXPECT_OK(stat(ok, &st));
	EXPECT_OK(unlink(ok));
	EXPECT_OK(mkdir(ok, 0755));
	EXPECT_OK(rmdir(ok));
	EXPECT_OK(symlink("x", ok));
	EXPECT_OK(unlink(ok));
	EXPECT_OK(link("f", ok));
	EXPECT_OK(unlink(ok));
	EXPECT_OK(rename("f", ok));
	EXPECT_OK(rename(ok, "f"));
	EXPECT_ERR(ENAMETOOLONG, create_file(bad, 0644));
	EXPECT_ERR(ENAMETOOLONG, mkdir(bad, 0755));
	EXPECT_ERR(ENAMETOOLONG, symlink("x", bad));
	EXPECT_ERR(ENAMETOOLONG, link("f", bad));
	EXPECT_ERR(ENAMETOOLONG, rename("f", bad));
	EXPECT_ERR(ENAMETOOLONG, stat(bad, &st));
	EXPECT_ERR(ENAMETOOLONG, unlink(bad));
	EXPECT_ERR(ENAMETOOLONG, rmdir(bad));
	EXPECT_ERR(ENAMETOOLONG, mknod(bad, S_IFIFO | 0600, 0));
	EXPECT_ERR(ENAMETOOLONG, open(bad, O_RDONLY));
}

/* Two passes over names that differ in one byte, alone and in the middle. */
static unsigned int byte_names(struct __test_metadata *_metadata,
			       int (*fn)(const char *name))
{
	unsigned int b, n = 0;
	char name[8];

	for (b = 1; b < 256; b++) {
		if (b == '/')
			continue;
		sprintf(name, "a%cz", b);
		EXPECT_OK(fn(name)) ;
		n++;
		if (b == '.')
			continue;
		sprintf(name, "%c", b);
		EXPECT_OK(fn(name));
		n++;
	}
	return n;
}

static int make_named(const char *name)
{
	return create_text(name, name);
}

static int check_named(const char *name)
{
	const char *text = read_text(name);

	return text && !strcmp(text, name) ? 0 : -1;
}

TEST_F(namei, names_of_every_byte)
{
	unsigned int made, listed = 0;
	struct dirent *de;
	DIR *dir;

	made = byte_names(_metadata, make_named);
	byte_names(_metadata, check_named);
	remount(_metadata, &self->dir);
	byte_names(_metadata, check_named);
	dir = opendir(".");
	ASSERT_NE(NULL, dir);
	while ((de = readdir(dir)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..")) {
			EXPECT_EQ(0, check_named(de->d_name));
			listed++;
		}
	closedir(dir);
	EXPECT_EQ(made, listed);
	byte_names(_metadata, unlink);
	EXPECT_OK(chdir("/"));
	EXPECT_OK(rmdir(self->dir.path));
	ASSERT_OK(mkdir(self->dir.path, 0755));
}

TEST_F(namei, names_that_look_alike)
{
	char name[256], text[8];
	int i;

	ASSERT_OK(create_text("a", "lower"));
	ASSERT_OK(create_text("A", "upper"));
	ASSERT_OK(create_text("...", "three"));
	ASSERT_OK(create_text("..a", "dots"));
	ASSERT_OK(create_text(" ", "space"));
	ASSERT_OK(create_text("a ", "a space"));
	EXPECT_STREQ("lower", read_text("a"));
	EXPECT_STREQ("upper", read_text("A"));
	EXPECT_STREQ("three", read_text("..."));
	EXPECT_STREQ("dots", read_text("..a"));
	EXPECT_STREQ("space", read_text(" "));
	EXPECT_STREQ("a space", read_text("a "));
	ASSERT_OK(mkdir("p", 0755));
	ASSERT_OK(chdir("p"));
	/* Every prefix of one name. */
	memset(name, 'p', sizeof(name));
	for (i = 1; i <= 255; i++) {
		name[i] = 0;
		sprintf(text, "%d", i);
		ASSERT_OK(create_text(name, text));
		name[i] = 'p';
	}
	for (i = 1; i <= 255; i++) {
		name[i] = 0;
		sprintf(text, "%d", i);
		EXPECT_STREQ(text, read_text(name));
		name[i] = 'p';
	}
	ASSERT_OK(chdir(".."));
}

TEST_F(namei, tree_one_thousand_deep)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY), next, i;
	struct stat up, down;
	ino_t above = 0;

	for (i = 0; i < 1000; i++) {
		ASSERT_OK(fstat(fd, &up));
		above = up.st_ino;
		ASSERT_OK(mkdirat(fd, "d", 0755));
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		ASSERT_LE(0, next);
		close(fd);
		fd = next;
	}
	next = openat(fd, "bottom", O_CREAT | O_EXCL | O_WRONLY, 0644);
	ASSERT_LE(0, next);
	close(next);
	ASSERT_OK(fstatat(fd, "..", &up, 0));
	EXPECT_EQ(above, up.st_ino);
	close(fd);
	remount(_metadata, &self->dir);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	for (i = 0; i < 1000; i++) {
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		ASSERT_LE(0, next);
		close(fd);
		fd = next;
	}
	EXPECT_OK(fstatat(fd, "bottom", &down, 0));
	for (i = 0; i < 1000; i++) {
		next = openat(fd, "..", O_RDONLY | O_DIRECTORY);
		ASSERT_LE(0, next);
		close(fd);
		fd = next;
	}
	ASSERT_OK(fstat(fd, &up));
	ASSERT_OK(stat(".", &down));
	EXPECT_EQ(down.st_ino, up.st_ino);
	close(fd);
}

struct handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
};

TEST_F(namei, file_handles)
{
	struct handle f = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct handle d = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct handle tiny = { .h.handle_bytes = 1 };
	struct stat a, b;
	int mnt, fd, id, i;
	char name[16];

	mnt = open(getenv("LNKFS_MNT"), O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, mnt);
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(name_to_handle_at(AT_FDCWD, "f", &f.h, &id, 0));
	ASSERT_OK(name_to_handle_at(AT_FDCWD, "d", &d.h, &id, 0));
	EXPECT_ERR(EOVERFLOW, name_to_handle_at(AT_FDCWD, "f", &tiny.h, &id, 0));
	ASSERT_OK(stat("f", &a));
	drop_caches();
	fd = open_by_handle_at(mnt, &f.h, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	close(fd);
	drop_caches();
	fd = open_by_handle_at(mnt, &d.h, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstatat(fd, "..", &b, 0));
	ASSERT_OK(stat(".", &a));
	EXPECT_EQ(a.st_ino, b.st_ino);
	close(fd);
	ASSERT_OK(unlink("f"));
	ASSERT_OK(rmdir("d"));
	EXPECT_ERR(ESTALE, open_by_handle_at(mnt, &f.h, O_RDONLY));
	/* Whoever takes the inode's place is not the same file. */
	for (i = 0; i < 40; i++) {
		sprintf(name, "n%d", i);
		ASSERT_OK(create_file(name, 0644));
	}
	EXPECT_ERR(ESTALE, open_by_handle_at(mnt, &f.h, O_RDONLY));
	EXPECT_ERR(ESTALE, open_by_handle_at(mnt, &d.h, O_RDONLY));
	memset(f.bytes, 0xff, f.h.handle_bytes);
	EXPECT_ERR(ESTALE, open_by_handle_at(mnt, &f.h, O_RDONLY));
	close(mnt);
}

TEST_HARNESS_MAIN
