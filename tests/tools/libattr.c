// SPDX-License-Identifier: GPL-2.0
/*
 * Every call of liblnkfs, on objects of every type, by root and by a user, with
 * little to go by: search-only directories, no /proc, no descriptors left.
 *
 * usage: libattr LNKFS-DIRECTORY EXT4-DIRECTORY
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <liblnkfs.h>
#include "tap.h"

#define ALICE	1000
#define NOFLW	AT_SYMLINK_NOFOLLOW
#define EMPTY	AT_EMPTY_PATH

/* Flags of both kinds that forbid nothing. */
#define SOME	(LNKFS_UF_NODUMP | LNKFS_UF_HIDDEN | LNKFS_SF_ARCHIVED)
#define OTHER	(LNKFS_UF_OFFLINE | LNKFS_UF_ARCHIVE)

static const char *lnkfs_dir, *ext4_dir;

/* One object of each type, with these names, in a directory. */
static const char *const all[] = {
	"file", "dir", "fast", "slow", "dangling", "fifo", "chr", "blk", "sock",
};

#define ALL	(sizeof(all) / sizeof(all[0]))

/* The call fails, and with this error. */
#define FAILS(err, call)						\
	do {								\
		errno = 0;						\
		CHECK_EQ((call), -1);					\
		CHECK_EQ(errno, err);					\
	} while (0)

#define WORKS(call)							\
	do {								\
		errno = 0;						\
		if (!CHECK_EQ((call), 0))				\
			printf("# errno %d: %s\n", errno, strerror(errno)); \
	} while (0)

static int open_files(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void make_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	REQUIRE(!bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	close(fd);
}

static void give(const char *name, uid_t uid)
{
	REQUIRE(!lchown(name, uid, uid));
}

/* A fresh directory with one object of each type, to be in; all @uid's. */
static void populate(const char *top, const char *name, uid_t uid)
{
	char target[3001];
	size_t i;

	REQUIRE(!chdir(top) && !mkdir(name, 0755) && !chdir(name));
	REQUIRE(!close(open("file", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	REQUIRE(!mkdir("dir", 0755));
	REQUIRE(!symlink("file", "fast"));
	/* longer than any target that is kept in an inode */
	memset(target, '/', 3000);
	memcpy(target, "./", 2);
	memcpy(target + 2996, "file", 5);
	REQUIRE(!symlink(target, "slow"));
	REQUIRE(!symlink("nowhere", "dangling"));
	REQUIRE(!mkfifo("fifo", 0644));
	REQUIRE(!mknod("chr", S_IFCHR | 0644, makedev(240, 77)));
	REQUIRE(!mknod("blk", S_IFBLK | 0644, makedev(241, 77)));
	make_socket("sock");
	for (i = 0; i < ALL; i++)
		give(all[i], uid);
	give(".", uid);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_mode & 07777;
}

static uint32_t flags_at(const char *name)
{
	uint32_t flags = 0xdeadbeef;

	WORKS(lnkfs_lgetflags(name, &flags));
	return flags;
}

/* Run a test as this user in a process of its own; its failures count. */
static void in_child(uid_t uid, void (*run)(void))
{
	int status, before;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		tap_failed = 0;
		if (uid)
			REQUIRE(!setgid(uid) && !setuid(uid));
		before = open_files();
		run();
		CHECK_EQ(open_files(), before);
		fflush(stdout);
		_exit(tap_failed);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static void lchmod_every_type(void)
{
	size_t i;

	populate(lnkfs_dir, "lchmod", 0);
	for (i = 0; i < ALL; i++) {
		int fd = open(all[i], O_PATH | O_NOFOLLOW);

		WORKS(lnkfs_lchmod(all[i], 0500));
		CHECK_EQ(mode_of(all[i]), 0500);
		/* what is not a permission does not count */
		WORKS(lnkfs_lchmodat(AT_FDCWD, all[i], S_IFIFO | 07751));
		CHECK_EQ(mode_of(all[i]), 07751);
		WORKS(lnkfs_fchmodat(AT_FDCWD, all[i], 0040, NOFLW));
		CHECK_EQ(mode_of(all[i]), 0040);
		WORKS(lnkfs_fchmodat(AT_FDCWD, all[i], 0, NOFLW | EMPTY));
		CHECK_EQ(mode_of(all[i]), 0);
		WORKS(lnkfs_fchmodat(fd, "", 0123, EMPTY));
		CHECK_EQ(mode_of(all[i]), 0123);
		close(fd);
	}
	CHECK_EQ(mode_of("file"), 0123);
}

static void chmod_follows(void)
{
	int fd, dir;

	populate(lnkfs_dir, "follow", 0);
	WORKS(lnkfs_fchmodat(AT_FDCWD, "fast", 0611, 0));
	CHECK_EQ(mode_of("file"), 0611);
	WORKS(lnkfs_fchmodat(AT_FDCWD, "slow", 0612, EMPTY));
	CHECK_EQ(mode_of("file"), 0612);
	CHECK_EQ(mode_of("fast"), 0777);
	CHECK_EQ(mode_of("slow"), 0777);
	FAILS(ENOENT, lnkfs_fchmodat(AT_FDCWD, "dangling", 0612, 0));
	FAILS(ENOENT, lnkfs_fchmodat(AT_FDCWD, "dangling", 0612, EMPTY));
	fd = open("file", O_RDONLY);
	WORKS(lnkfs_fchmodat(fd, "", 0613, EMPTY));
	CHECK_EQ(mode_of("file"), 0613);
	close(fd);
	dir = open("..", O_RDONLY);
	WORKS(lnkfs_lchmodat(dir, "follow/fast", 0614));
	CHECK_EQ(mode_of("fast"), 0614);
	close(dir);
}

/* Every way to set, every way to see. */
static void flags_every_type(void)
{
	struct lnkfs_attr attr = { .a_mask = LNKFS_ATTR_FLAGS, .a_flags = SOME };
	uint32_t flags;
	size_t i;
	int fd;

	populate(lnkfs_dir, "flags", 0);
	for (i = 0; i < ALL; i++) {
		fd = open(all[i], O_PATH | O_NOFOLLOW);
		CHECK_EQ(flags_at(all[i]), 0);
		WORKS(lnkfs_lchflags(all[i], SOME));
		CHECK_EQ(flags_at(all[i]), SOME);
		WORKS(lnkfs_chflagsat(AT_FDCWD, all[i], OTHER, NOFLW));
		CHECK_EQ(flags_at(all[i]), OTHER);
		WORKS(lnkfs_chflagsat(fd, "", SOME, EMPTY));
		WORKS(lnkfs_fgetflags(fd, &flags));
		CHECK_EQ(flags, SOME);
		WORKS(lnkfs_fchflags(fd, 0));
		WORKS(lnkfs_getflagsat(fd, "", &flags, EMPTY));
		CHECK_EQ(flags, 0);
		WORKS(lnkfs_setattrat(AT_FDCWD, all[i], &attr, NOFLW));
		WORKS(lnkfs_getflagsat(AT_FDCWD, all[i], &flags, NOFLW));
		CHECK_EQ(flags, SOME);
		WORKS(lnkfs_lchflags(all[i], 0));
		close(fd);
	}
	fd = open("file", O_WRONLY);
	WORKS(lnkfs_fchflags(fd, OTHER));
	WORKS(lnkfs_fgetflags(fd, &flags));
	CHECK_EQ(flags, OTHER);
	close(fd);
}

static void flags_follow(void)
{
	static const char *const links[] = { "fast", "slow" };
	char link[16];
	uint32_t flags;
	size_t i;

	populate(lnkfs_dir, "flags-follow", 0);
	for (i = 0; i < 2; i++) {
		WORKS(lnkfs_chflags(links[i], SOME << i));
		WORKS(lnkfs_getflags(links[i], &flags));
		CHECK_EQ(flags, SOME << i);
		CHECK_EQ(flags_at("file"), SOME << i);
		CHECK_EQ(flags_at(links[i]), 0);
	}
	for (i = 0; i < ALL; i++) {
		if (strlen(all[i]) > 4 || !strcmp(all[i], "fast") || !strcmp(all[i], "slow"))
			continue;
		snprintf(link, sizeof(link), "to-%s", all[i]);
		REQUIRE(!symlink(all[i], link));
		WORKS(lnkfs_chflags(link, OTHER));
		CHECK_EQ(flags_at(all[i]), OTHER);
		CHECK_EQ(flags_at(link), 0);
	}
	FAILS(ENOENT, lnkfs_chflags("dangling", OTHER));
}

static void attributes_at_once(void)
{
	struct lnkfs_attr attr = {
		.a_size = 1, .a_fd = 99, .a_mask = LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS,
		.a_mode = S_IFLNK | 0421, .a_flags = OTHER, .a_reserved = { 1 },
	};
	struct lnkfs_attr got;

	populate(lnkfs_dir, "attr", 0);
	WORKS(lnkfs_setattrat(AT_FDCWD, "fast", &attr, NOFLW));
	WORKS(lnkfs_getattrat(AT_FDCWD, "fast", &got, NOFLW));
	CHECK_EQ(got.a_mode, S_IFLNK | 0421);
	CHECK_EQ(got.a_flags, OTHER);
	CHECK_EQ(got.a_fd, -1);
	CHECK_EQ(got.a_mask, LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS);
	CHECK(got.a_supported & LNKFS_UF_IMMUTABLE);
	/* the mode of anything else is chmod's; then nothing is done */
	FAILS(EOPNOTSUPP, lnkfs_setattrat(AT_FDCWD, "file", &attr, 0));
	CHECK_EQ(flags_at("file"), 0);
	/* what the mask does not name does not count */
	attr.a_mask = LNKFS_ATTR_FLAGS;
	WORKS(lnkfs_setattrat(AT_FDCWD, "file", &attr, 0));
	CHECK_EQ(flags_at("file"), OTHER);
	attr.a_mask = 0x80;
	FAILS(EINVAL, lnkfs_setattrat(AT_FDCWD, "file", &attr, 0));
}

static void kinds_of_links(void)
{
	struct lnkfs_link link = { .l_kind = LNKFS_LINK_FILE, .l_fd = 99, .l_len = 7 }, got;
	char text[8];
	struct stat st;
	int fd;

	populate(lnkfs_dir, "kinds", 0);
	WORKS(lnkfs_setlink("fast", &link));
	WORKS(lnkfs_getlink("fast", &got, text, sizeof(text)));
	CHECK_EQ(got.l_kind, LNKFS_LINK_FILE);
	CHECK_EQ(got.l_flags, 0);
	CHECK_EQ(got.l_fd, -1);
	CHECK_EQ(got.l_len, 4);
	CHECK(!strcmp(text, "file"));
	/* the length alone, and room for no more than that */
	WORKS(lnkfs_getlink("slow", &got, NULL, 0));
	CHECK_EQ(got.l_len, 3000);
	FAILS(ERANGE, lnkfs_getlink("fast", &got, text, 4));
	CHECK_EQ(got.l_len, 4);
	/* tracked: the text is what it was, and another than readlink's */
	fd = open("file", O_PATH | O_CLOEXEC);
	REQUIRE(fd >= 0 && !fstat(fd, &st));
	link = (struct lnkfs_link){ .l_flags = LNKFS_LINK_TRACKED, .l_target = fd };
	WORKS(lnkfs_setlinkat(AT_FDCWD, "fast", &link, 0));
	close(fd);
	REQUIRE(!rename("file", "f"));
	WORKS(lnkfs_getlinkat(AT_FDCWD, "fast", &got, text, sizeof(text), 0));
	CHECK_EQ(got.l_ino, st.st_ino);
	CHECK_EQ(got.l_flags, LNKFS_LINK_TRACKED);
	CHECK(!strcmp(text, "file"));
	CHECK_EQ(readlink("fast", text, sizeof(text)), 1);
	/* by a descriptor of the link */
	fd = open("fast", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	REQUIRE(fd >= 0);
	WORKS(lnkfs_getlinkat(fd, "", &got, NULL, 0, EMPTY));
	CHECK_EQ(got.l_flags, LNKFS_LINK_TRACKED);
	close(fd);
	FAILS(EINVAL, lnkfs_getlink("dir", &got, NULL, 0));
	FAILS(EINVAL, lnkfs_setlink("f", &link));
	link = (struct lnkfs_link){ .l_kind = LNKFS_LINK_JUNCTION };
	FAILS(EINVAL, lnkfs_setlink("fast", &link));
	FAILS(EINVAL, lnkfs_getlinkat(AT_FDCWD, "fast", &got, NULL, 0, AT_REMOVEDIR));
	FAILS(ENOENT, lnkfs_getlink("nix", &got, NULL, 0));
	FAILS(EOPNOTSUPP, lnkfs_getlink(ext4_dir, &got, NULL, 0));
	FAILS(EOPNOTSUPP, lnkfs_setlink(ext4_dir, &link));
}

/* Every call that takes a path, with a path that leads nowhere. */
static void all_fail(int err, int dirfd, const char *path)
{
	struct lnkfs_attr attr = { .a_mask = LNKFS_ATTR_FLAGS };
	uint32_t flags;

	FAILS(err, lnkfs_lchmodat(dirfd, path, 0600));
	FAILS(err, lnkfs_fchmodat(dirfd, path, 0600, 0));
	FAILS(err, lnkfs_fchmodat(dirfd, path, 0600, NOFLW));
	FAILS(err, lnkfs_chflagsat(dirfd, path, 0, 0));
	FAILS(err, lnkfs_chflagsat(dirfd, path, 0, NOFLW));
	FAILS(err, lnkfs_getflagsat(dirfd, path, &flags, 0));
	FAILS(err, lnkfs_getattrat(dirfd, path, &attr, 0));
	FAILS(err, lnkfs_setattrat(dirfd, path, &attr, NOFLW));
	if (dirfd != AT_FDCWD)
		return;
	FAILS(err, lnkfs_lchmod(path, 0600));
	FAILS(err, lnkfs_chflags(path, 0));
	FAILS(err, lnkfs_lchflags(path, 0));
	FAILS(err, lnkfs_getflags(path, &flags));
	FAILS(err, lnkfs_lgetflags(path, &flags));
}

static void path_errors(void)
{
	static char path[5000];
	struct lnkfs_attr attr;
	uint32_t flags;

	populate(lnkfs_dir, "errors", 0);
	REQUIRE(!symlink("loop", "loop"));
	all_fail(ENOENT, AT_FDCWD, "nix");
	all_fail(ENOENT, AT_FDCWD, "");
	all_fail(ENOENT, AT_FDCWD, "nix/nix");
	all_fail(ENOTDIR, AT_FDCWD, "file/");
	all_fail(ENOTDIR, AT_FDCWD, "file/x");
	all_fail(ELOOP, AT_FDCWD, "loop/x");
	all_fail(EFAULT, AT_FDCWD, (const char *)1);
	all_fail(EFAULT, AT_FDCWD, NULL);
	all_fail(EBADF, 200, "file");
	memset(path, 'n', 256);
	all_fail(ENAMETOOLONG, AT_FDCWD, path);
	memset(path, '/', sizeof(path) - 1);
	all_fail(ENAMETOOLONG, AT_FDCWD, path);
	/* following a loop, and not following it */
	FAILS(ELOOP, lnkfs_chflags("loop", 0));
	WORKS(lnkfs_lchflags("loop", OTHER));
	WORKS(lnkfs_lchmod("loop", 0400));
	/* flags of the call */
	FAILS(EINVAL, lnkfs_fchmodat(AT_FDCWD, "file", 0, AT_REMOVEDIR));
	FAILS(EINVAL, lnkfs_chflagsat(AT_FDCWD, "file", 0, AT_REMOVEDIR));
	FAILS(EINVAL, lnkfs_getflagsat(AT_FDCWD, "file", &flags, AT_SYMLINK_FOLLOW));
	FAILS(EINVAL, lnkfs_getattrat(AT_FDCWD, "file", &attr, 1 << 30));
	/* descriptors */
	FAILS(EBADF, lnkfs_fchflags(-1, 0));
	FAILS(EBADF, lnkfs_fchflags(200, 0));
	FAILS(EBADF, lnkfs_fgetflags(200, &flags));
	FAILS(EBADF, lnkfs_chflagsat(200, "", 0, EMPTY));
	FAILS(EBADF, lnkfs_fchmodat(200, "", 0, EMPTY));
	/* the longest path there is */
	memset(path, 0, sizeof(path));
	memset(path, '/', 4091);
	memcpy(path, ".", 1);
	memcpy(path + 4091, "fast", 5);
	WORKS(lnkfs_lchmod(path, 0444));
	CHECK_EQ(mode_of("fast"), 0444);
}

static void flag_errors(void)
{
	size_t i;

	populate(lnkfs_dir, "flag-errors", 0);
	for (i = 0; i < ALL; i++) {
		FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], 0x20));
		FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], 0x80000000u));
		FAILS(EPERM, lnkfs_lchflags(all[i], LNKFS_SF_SNAPSHOT));
		WORKS(lnkfs_lchflags(all[i], LNKFS_UF_IMMUTABLE));
		FAILS(EPERM, lnkfs_lchmod(all[i], 0600));
		WORKS(lnkfs_lchflags(all[i], 0));
		WORKS(lnkfs_lchmod(all[i], 0600));
	}
}

static void read_only_mount(void)
{
	char top[256];
	size_t i;

	populate(lnkfs_dir, "ro", 0);
	snprintf(top, sizeof(top), "%s/ro", lnkfs_dir);
	REQUIRE(!mkdir("/tmp/ro", 0755));
	REQUIRE(!mount(top, "/tmp/ro", NULL, MS_BIND, NULL));
	REQUIRE(!mount(NULL, "/tmp/ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	REQUIRE(!chdir("/tmp/ro"));
	for (i = 0; i < ALL; i++) {
		FAILS(EROFS, lnkfs_lchflags(all[i], OTHER));
		FAILS(EROFS, lnkfs_lchmod(all[i], 0600));
		CHECK_EQ(flags_at(all[i]), 0);
	}
	REQUIRE(!chdir(lnkfs_dir));
	REQUIRE(!umount("/tmp/ro") && !rmdir("/tmp/ro"));
}

static void user_owns(void)
{
	size_t i;

	for (i = 0; i < ALL; i++) {
		WORKS(lnkfs_lchmod(all[i], 0700));
		CHECK_EQ(mode_of(all[i]), 0700);
		WORKS(lnkfs_lchflags(all[i], OTHER));
		CHECK_EQ(flags_at(all[i]), OTHER);
		FAILS(EPERM, lnkfs_lchflags(all[i], LNKFS_SF_IMMUTABLE));
		FAILS(EPERM, lnkfs_lchflags(all[i], OTHER | LNKFS_SF_ARCHIVED));
		CHECK_EQ(flags_at(all[i]), OTHER);
	}
}

static void user_of_own(void)
{
	populate(lnkfs_dir, "alice", ALICE);
	in_child(ALICE, user_owns);
}

static void user_does_not_own(void)
{
	size_t i;

	for (i = 0; i < ALL; i++) {
		FAILS(EPERM, lnkfs_lchmod(all[i], 0700));
		FAILS(EPERM, lnkfs_lchflags(all[i], 0));
		CHECK_EQ(flags_at(all[i]), 0);
	}
	all_fail(EACCES, AT_FDCWD, "closed/file");
}

static void user_of_others(void)
{
	populate(lnkfs_dir, "root", 0);
	REQUIRE(!mkdir("closed", 0700) && !close(creat("closed/file", 0666)));
	in_child(ALICE, user_does_not_own);
}

/* The objects of a user below directories that the user may search only. */
static void use_search_only(void)
{
	char path[64];
	uint32_t flags;
	size_t i;
	int fd;

	for (i = 0; i < ALL; i++) {
		snprintf(path, sizeof(path), "a/b/c/%s", all[i]);
		WORKS(lnkfs_lchflags(path, LNKFS_UF_HIDDEN));
		CHECK_EQ(flags_at(path), LNKFS_UF_HIDDEN);
		WORKS(lnkfs_lchmod(path, 0));
		CHECK_EQ(mode_of(path), 0);
	}
	/* by descriptor, from elsewhere */
	fd = open("a/b/c/fast", O_PATH | O_NOFOLLOW);
	REQUIRE(!chdir("/"));
	WORKS(lnkfs_fchflags(fd, OTHER));
	WORKS(lnkfs_fgetflags(fd, &flags));
	CHECK_EQ(flags, OTHER);
	WORKS(lnkfs_fchmodat(fd, "", 0123, EMPTY));
	close(fd);
}

static void search_only(void)
{
	populate(lnkfs_dir, "search", 0);
	REQUIRE(!mkdir("a", 0755) && !mkdir("a/b", 0755) && !chdir(lnkfs_dir));
	populate("search/a/b", "c", ALICE);
	/* 0311: even the owner may only search and write */
	REQUIRE(!chmod(".", 0311) && !chmod("..", 0711) && !chmod("../..", 0711));
	REQUIRE(!chdir("../../.."));
	in_child(ALICE, use_search_only);
}

/* No directory of the volume may be read at all. */
static void use_closed_volume(void)
{
	uint32_t flags;
	size_t i;
	int fd, dir = open(".", O_PATH);

	/* what may be read is its own carrier */
	WORKS(lnkfs_lchflags("file", OTHER));
	WORKS(lnkfs_lchflags("dir", OTHER));
	WORKS(lnkfs_lchmod("file", 0));
	WORKS(lnkfs_lchmod("dir", 0));
	for (i = 0; i < ALL; i++) {
		FAILS(EACCES, lnkfs_lchflags(all[i], OTHER));
		FAILS(EACCES, lnkfs_lgetflags(all[i], &flags));
	}
	FAILS(EACCES, lnkfs_lchmod("fast", 0400));
	FAILS(EACCES, lnkfs_lchmodat(dir, "fast", 0400));
	/* chmod(2) asks for no carrier */
	WORKS(lnkfs_lchmod("fifo", 0400));
	/* a working directory on the volume will do */
	WORKS(lnkfs_lchmod("dir", 0700));
	REQUIRE(!chdir("dir"));
	WORKS(lnkfs_lchmod("../fast", 0400));
	WORKS(lnkfs_lchmodat(dir, "fast", 0401));
	fd = open("../slow", O_PATH | O_NOFOLLOW);
	WORKS(lnkfs_fchflags(fd, OTHER));
	close(fd);
	/* and so will a directory that the call begins at */
	fd = open(".", O_RDONLY);
	REQUIRE(!chdir("/"));
	WORKS(lnkfs_lchmodat(fd, "../fast", 0402));
	close(fd);
	FAILS(EACCES, lnkfs_lchmodat(dir, "fast", 0403));
	close(dir);
}

static void closed_volume(void)
{
	char root[256];

	snprintf(root, sizeof(root), "%s/..", lnkfs_dir);
	populate(lnkfs_dir, "closed", ALICE);
	REQUIRE(!chmod(".", 0311) && !chmod(lnkfs_dir, 0711) && !chmod(root, 0711));
	in_child(ALICE, use_closed_volume);
	REQUIRE(!chmod(lnkfs_dir, 0755) && !chmod(root, 0755));
}

/* Ways to write the name of a directory: the carrier is found from each. */
static void use_spellings(void)
{
	static const char *const names[] = {
		"x/y", "x/y/", "x/y//", "./x/y", "x/y/.", "x/y/./", "x/y/z/..", "x/y/z/../",
		"x//y", "x/../x/y", "to-y/", "to-y/.", "../spell/x/y",
	};
	char path[300];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint32_t flags = i & 1 ? OTHER : LNKFS_UF_HIDDEN;

		snprintf(path, sizeof(path), "%s/spell/%s", lnkfs_dir, names[i]);
		WORKS(lnkfs_lchflags(i % 3 ? names[i] : path, flags));
		CHECK_EQ(flags_at("x/y"), flags);
	}
	WORKS(lnkfs_chflags("to-y", 0));
	CHECK_EQ(flags_at("x/y"), 0);
	REQUIRE(!chdir("x/y"));
	WORKS(lnkfs_lchflags(".", OTHER));
	CHECK_EQ(flags_at("."), OTHER);
	WORKS(lnkfs_lchflags("z/..", 0));
	WORKS(lnkfs_lchflags("../y", OTHER));
	WORKS(lnkfs_chflagsat(AT_FDCWD, "", 0, EMPTY));
	CHECK_EQ(flags_at("."), 0);
}

static void spellings(void)
{
	populate(lnkfs_dir, "spell", 0);
	REQUIRE(!mkdir("x", 0755) && !mkdir("x/y", 0755) && !mkdir("x/y/z", 0755));
	give("x/y", ALICE);
	REQUIRE(!chmod("x", 0711) && !chmod("x/y", 0311) && !symlink("x/y", "to-y"));
	in_child(ALICE, use_spellings);
	/* the root of a volume, and of the system */
	WORKS(lnkfs_chflags("../..", OTHER));
	CHECK_EQ(flags_at("../.."), OTHER);
	WORKS(lnkfs_chflags("../..", 0));
	FAILS(EOPNOTSUPP, lnkfs_chflags("/", LNKFS_UF_HIDDEN));
}

/* Links from one filesystem to another: the object's place is what counts. */
static void across_volumes(void)
{
	char path[300];

	populate(ext4_dir, "cross", 0);
	populate(lnkfs_dir, "cross", 0);
	give("file", ALICE);
	snprintf(path, sizeof(path), "%s/cross/file", lnkfs_dir);
	REQUIRE(!chdir(ext4_dir) && !symlink(path, "to-lnkfs"));
	WORKS(lnkfs_chflags("to-lnkfs", LNKFS_UF_HIDDEN));
	CHECK_EQ(flags_at(path), LNKFS_UF_HIDDEN);
	FAILS(EOPNOTSUPP, lnkfs_lchflags("to-lnkfs", LNKFS_UF_HIDDEN));
	FAILS(EOPNOTSUPP, lnkfs_lchmod("to-lnkfs", 0400));
	REQUIRE(!chdir(lnkfs_dir));
	snprintf(path, sizeof(path), "%s/cross/file", ext4_dir);
	REQUIRE(!symlink(path, "to-ext4"));
	FAILS(EOPNOTSUPP, lnkfs_chflags("to-ext4", LNKFS_UF_HIDDEN));
	WORKS(lnkfs_lchflags("to-ext4", LNKFS_UF_HIDDEN));
	WORKS(lnkfs_lchmod("to-ext4", 0400));
	WORKS(lnkfs_chflags("to-ext4", LNKFS_UF_NODUMP));
	CHECK_EQ(flags_at(path), LNKFS_UF_NODUMP);
}

static int have_fchmodat2(void)
{
	return syscall(452, -1, "", 0, 0) && errno != ENOSYS;
}

static void use_without_proc(void)
{
	const int special = have_fchmodat2() ? 0 : -1;
	char here[256], path[300];
	uint32_t flags;
	size_t i;
	int fd;

	REQUIRE(access("/proc/self", F_OK));
	for (i = 0; i < ALL; i++) {
		WORKS(lnkfs_lchflags(all[i], OTHER));
		CHECK_EQ(flags_at(all[i]), OTHER);
		fd = open(all[i], O_PATH | O_NOFOLLOW);
		WORKS(lnkfs_fchflags(fd, LNKFS_UF_HIDDEN));
		WORKS(lnkfs_fgetflags(fd, &flags));
		CHECK_EQ(flags, LNKFS_UF_HIDDEN);
		close(fd);
		WORKS(lnkfs_fchmodat(AT_FDCWD, "fast", 0640, 0));
	}
	WORKS(lnkfs_lchmod("slow", 0404));
	WORKS(lnkfs_lchmod("dir", 0705));
	CHECK_EQ(mode_of("dir"), 0705);
	/* these cannot be named to an old kernel, and nothing is done */
	CHECK_EQ(lnkfs_lchmod("fifo", 0404), special);
	if (special)
		CHECK_EQ(errno, EOPNOTSUPP);
	CHECK_EQ(mode_of("fifo"), special ? 0644 : 0404);
	/* with no more to go by than the path, or the directory itself */
	REQUIRE(!chmod("dir", 0311) && getcwd(here, sizeof(here)) && !chdir("/"));
	snprintf(path, sizeof(path), "%s/slow", here);
	WORKS(lnkfs_lchflags(path, OTHER));
	CHECK_EQ(flags_at(path), OTHER);
	snprintf(path, sizeof(path), "%s/dir/.", here);
	WORKS(lnkfs_lchflags(path, OTHER));
	CHECK_EQ(flags_at(path), OTHER);
	/* on another filesystem */
	REQUIRE(!chdir(ext4_dir) && !chdir("no-proc"));
	WORKS(lnkfs_lchflags("dir", LNKFS_UF_NODUMP));
	CHECK_EQ(flags_at("dir"), LNKFS_UF_NODUMP);
	FAILS(EOPNOTSUPP, lnkfs_lchflags("file", LNKFS_UF_NODUMP));
	fd = open("file", O_RDONLY);
	WORKS(lnkfs_fchflags(fd, LNKFS_UF_NODUMP));
	close(fd);
	CHECK_EQ(flags_at("file"), LNKFS_UF_NODUMP);
}

static void unmount_proc(void)
{
	REQUIRE(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	REQUIRE(!umount2("/proc", MNT_DETACH));
	in_child(0, use_without_proc);
	REQUIRE(!chdir(lnkfs_dir) && !chdir("no-proc-alice"));
	in_child(ALICE, use_without_proc);
}

static void without_proc(void)
{
	populate(ext4_dir, "no-proc", ALICE);
	populate(lnkfs_dir, "no-proc-alice", ALICE);
	populate(lnkfs_dir, "no-proc", 0);
	in_child(0, unmount_proc);
}

/* Only files and directories are ever opened. */
static void nothing_special_is_opened(void)
{
	char event[sizeof(struct inotify_event) + 256];
	const char *const dirs[] = { lnkfs_dir, ext4_dir };
	uint32_t flags;
	int in, fd;
	size_t d, i;

	in = inotify_init1(IN_NONBLOCK);
	for (d = 0; d < 2; d++) {
		populate(dirs[d], "watched", 0);
		for (i = 2; i < ALL; i++)
			REQUIRE(inotify_add_watch(in, all[i], IN_OPEN | IN_DONT_FOLLOW) >= 0);
		for (i = 2; i < ALL; i++) {
			fd = open(all[i], O_PATH | O_NOFOLLOW);
			lnkfs_lchmod(all[i], 0600);
			lnkfs_lchflags(all[i], LNKFS_UF_NODUMP);
			lnkfs_fchflags(fd, LNKFS_UF_NODUMP);
			lnkfs_lgetflags(all[i], &flags);
			lnkfs_fgetflags(fd, &flags);
			close(fd);
		}
		FAILS(EAGAIN, (int)read(in, event, sizeof(event)));
	}
	/* the watch does work */
	fd = open("fifo", O_RDWR);
	CHECK(read(in, event, sizeof(event)) > 0);
	close(fd);
	close(in);
}

/* With ever so few descriptors: EMFILE, and none is lost; then it works. */
static void use_few_descriptors(void)
{
	struct rlimit lim;
	int before = open_files(), highest = 0, fd, room, ret;
	size_t i;

	for (fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			highest = fd;
	CHECK_EQ(before, highest + 1);
	for (i = 0; i < ALL; i++) {
		for (room = 0, ret = -1; ret && room < 8; room++) {
			lim.rlim_cur = before + room;
			lim.rlim_max = 4096;
			REQUIRE(!setrlimit(RLIMIT_NOFILE, &lim));
			errno = 0;
			ret = lnkfs_lchflags(all[i], LNKFS_UF_NODUMP);
			if (ret)
				CHECK_EQ(errno, EMFILE);
			CHECK_EQ(open_files(), before);
		}
		CHECK_EQ(ret, 0);
		CHECK(room > 1);
	}
}

static void few_descriptors(void)
{
	populate(lnkfs_dir, "few", 0);
	in_child(0, use_few_descriptors);
}

static void on_ext4(void)
{
	struct lnkfs_attr attr = { .a_mask = LNKFS_ATTR_FLAGS };
	unsigned int fl;
	size_t i;
	int fd;

	populate(ext4_dir, "linux", 0);
	for (i = 0; i < ALL; i++) {
		int reg = i < 2, link = i >= 2 && i < 5;

		FAILS(EOPNOTSUPP, lnkfs_getattrat(AT_FDCWD, all[i], &attr, NOFLW));
		FAILS(EOPNOTSUPP, lnkfs_setattrat(AT_FDCWD, all[i], &attr, NOFLW));
		FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], LNKFS_UF_HIDDEN));
		FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], LNKFS_UF_IMMUTABLE));
		CHECK_EQ(flags_at(all[i]), 0);
		if (link)
			FAILS(EOPNOTSUPP, lnkfs_lchmod(all[i], 0400));
		else
			WORKS(lnkfs_lchmod(all[i], 0400));
		CHECK_EQ(mode_of(all[i]), link ? 0777 : 0400);
		if (!reg) {
			FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], LNKFS_UF_NODUMP));
			FAILS(EOPNOTSUPP, lnkfs_lchflags(all[i], 0));
			continue;
		}
		fd = open(all[i], O_RDONLY);
		fl = FS_NOATIME_FL;
		if (!strcmp(all[i], "file"))
			REQUIRE(!ioctl(fd, FS_IOC_SETFLAGS, &fl));
		WORKS(lnkfs_lchflags(all[i], LNKFS_SF_APPEND | LNKFS_UF_NODUMP));
		CHECK_EQ(flags_at(all[i]), LNKFS_SF_APPEND | LNKFS_UF_NODUMP);
		WORKS(lnkfs_fchflags(fd, LNKFS_SF_IMMUTABLE));
		REQUIRE(!ioctl(fd, FS_IOC_GETFLAGS, &fl));
		CHECK(fl & FS_IMMUTABLE_FL && !(fl & (FS_APPEND_FL | FS_NODUMP_FL)));
		if (!strcmp(all[i], "file"))
			CHECK(fl & FS_NOATIME_FL);
		FAILS(EPERM, lnkfs_lchmod(all[i], 0600));
		WORKS(lnkfs_lchflags(all[i], 0));
		CHECK_EQ(flags_at(all[i]), 0);
		close(fd);
	}
	FAILS(EBADF, lnkfs_fgetflags(200, &fl));
}

/* Flags that a user may see, but not set. */
static void use_ext4(void)
{
	FAILS(EPERM, lnkfs_lchflags("dir", LNKFS_SF_IMMUTABLE));
	CHECK_EQ(flags_at("file"), LNKFS_UF_NODUMP);
	/* it may not be read; only file_setattr(2) can do without */
	if (syscall(468, -1, "", NULL, 0, 0) && errno == ENOSYS)
		FAILS(EACCES, lnkfs_lchflags("file", 0));
	else
		WORKS(lnkfs_lchflags("file", 0));
	WORKS(lnkfs_lchflags("dir", LNKFS_UF_NODUMP));
}

static void on_ext4_by_user(void)
{
	populate(ext4_dir, "linux-user", ALICE);
	WORKS(lnkfs_lchflags("file", LNKFS_UF_NODUMP));
	WORKS(lnkfs_lchmod("file", 0));
	in_child(ALICE, use_ext4);
}

/* Threads, one of them with descriptors that the others do not have. */
static void *worker(void *arg)
{
	char link[16], fifo[16];
	int n = (int)(long)arg, i;
	long bad = 0;

	snprintf(link, sizeof(link), "t-link%d", n);
	snprintf(fifo, sizeof(fifo), "t-fifo%d", n);
	if (!n && unshare(CLONE_FILES))
		return (void *)1;
	bad += symlink("file", link) || mkfifo(fifo, 0644);
	for (i = 0; i < 100; i++) {
		bad += !!lnkfs_lchmod(link, 0400 + i % 64);
		bad += mode_of(link) != (mode_t)(0400 + i % 64);
		bad += !!lnkfs_lchmod(fifo, 0400 + i % 64);
		bad += mode_of(fifo) != (mode_t)(0400 + i % 64);
		bad += !!lnkfs_lchflags(link, i & 1 ? OTHER : SOME);
	}
	return (void *)bad;
}

static void threads(void)
{
	pthread_t t[4];
	void *bad;
	long i;

	populate(lnkfs_dir, "threads", 0);
	for (i = 0; i < 4; i++)
		REQUIRE(!pthread_create(&t[i], NULL, worker, (void *)i));
	for (i = 0; i < 4; i++) {
		REQUIRE(!pthread_join(t[i], &bad));
		CHECK_EQ((long)bad, 0);
	}
}

static int at_start;

static void no_leak(void)
{
	CHECK_EQ(open_files(), at_start);
}

static const struct tap_test tests[] = {
	{ "the mode of objects of every type, links not followed", lchmod_every_type },
	{ "the mode of what links lead to", chmod_follows },
	{ "flags of objects of every type, set and seen in every way", flags_every_type },
	{ "flags of what links lead to", flags_follow },
	{ "mode and flags of a link in one call", attributes_at_once },
	{ "kinds of links", kinds_of_links },
	{ "paths and descriptors that lead nowhere: the kernel's errors", path_errors },
	{ "flags that nobody sets, and flags that forbid", flag_errors },
	{ "a read-only mount", read_only_mount },
	{ "a user: what is the user's own", user_of_own },
	{ "a user: what is not", user_of_others },
	{ "a user: below directories that may only be searched", search_only },
	{ "a user: on a volume that may not be read", closed_volume },
	{ "directories by every way to write their names", spellings },
	{ "links from one filesystem to another", across_volumes },
	{ "without /proc", without_proc },
	{ "FIFOs, devices, sockets and links are not opened", nothing_special_is_opened },
	{ "no descriptors left", few_descriptors },
	{ "ext4: what chattr can do, and no more", on_ext4 },
	{ "ext4: a user", on_ext4_by_user },
	{ "threads", threads },
	{ "all descriptors are closed again", no_leak },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	lnkfs_dir = argv[1];
	ext4_dir = argv[2];
	umask(022);
	at_start = open_files();
	return tap_main(tests, (int)(sizeof(tests) / sizeof(tests[0])));
}
