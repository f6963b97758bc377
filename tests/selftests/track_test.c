// SPDX-License-Identifier: GPL-2.0
/*
 * Symlinks that follow their target, and those that lead to other computers
 * (LNKFS_IOC_SETLINK, LNKFS_IOC_GETLINK).
 */
#include <limits.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "lnkfs_test.h"
#include "volume.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE	2
#endif

/* Say what a link is; @target: what it is to track, or NULL. */
static int set_link(const char *link, unsigned int kind, unsigned int flags,
		    const char *target)
{
	struct lnkfs_link l = { .l_size = sizeof(l), .l_kind = kind, .l_flags = flags };
	int carrier = open(".", O_RDONLY), ret, err;

	l.l_fd = open(link, O_PATH | O_NOFOLLOW);
	l.l_target = target ? open(target, O_PATH | O_NOFOLLOW) : -1;
	ret = ioctl(carrier, LNKFS_IOC_SETLINK, &l);
	err = errno;
	close(carrier);
	close(l.l_fd);
	if (target)
		close(l.l_target);
	errno = err;
	return ret;
}

static int get_link(const char *link, struct lnkfs_link *l, char *text, size_t size)
{
	int carrier = open(".", O_RDONLY), ret, err;

	memset(l, 0, sizeof(*l));
	l->l_size = sizeof(*l);
	l->l_buf = (uintptr_t)text;
	l->l_len = size;
	l->l_fd = open(link, O_PATH | O_NOFOLLOW);
	ret = ioctl(carrier, LNKFS_IOC_GETLINK, l);
	err = errno;
	close(carrier);
	close(l->l_fd);
	errno = err;
	return ret;
}

static int set_flags(const char *name, uint32_t flags)
{
	struct lnkfs_attr a = {
		.a_size = sizeof(a), .a_mask = LNKFS_ATTR_FLAGS, .a_flags = flags,
	};
	int carrier = open(".", O_RDONLY), ret;

	a.a_fd = open(name, O_PATH | O_NOFOLLOW);
	ret = ioctl(carrier, LNKFS_IOC_SETATTR, &a);
	close(a.a_fd);
	close(carrier);
	return ret;
}

/* Make a tracked link; its text is @text. */
static int track(const char *link, const char *text, const char *target)
{
	return symlink(text, link) ? -1 : set_link(link, 0, LNKFS_LINK_TRACKED, target);
}

static const char *target_of(const char *link)
{
	static char text[PATH_MAX];
	ssize_t n = readlink(link, text, sizeof(text) - 1);

	if (n < 0)
		return strerrorname_np(errno);
	text[n] = 0;
	return text;
}

static const char *text_in(const char *path)
{
	return read_text(path) ?: strerrorname_np(errno);
}

TDIR_FIXTURE(track);

TEST_F(track, follows_every_rename)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("a/b", 0755));
	ASSERT_OK(mkdir("c", 0755));
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("a/l", "../t", "t"));
	EXPECT_STREQ("../t", target_of("a/l"));
	EXPECT_STREQ("right", read_text("a/l"));
	ASSERT_OK(rename("t", "u"));
	EXPECT_STREQ("../u", target_of("a/l"));
	EXPECT_STREQ("right", read_text("a/l"));
	ASSERT_OK(rename("u", "a/b/v"));
	EXPECT_STREQ("b/v", target_of("a/l"));
	ASSERT_OK(rename("a/b", "c/d"));
	EXPECT_STREQ("../c/d/v", target_of("a/l"));
	ASSERT_OK(rename("c/d", "c/e"));
	EXPECT_STREQ("../c/e/v", target_of("a/l"));
	ASSERT_OK(rename("a/l", "c/m"));
	EXPECT_STREQ("e/v", target_of("c/m"));
	EXPECT_STREQ("right", read_text("c/m"));
	ASSERT_OK(rename("c/e/v", "a/v"));
	EXPECT_STREQ("../a/v", target_of("c/m"));
	ASSERT_OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c/e", RENAME_EXCHANGE));
	EXPECT_STREQ("e/v", target_of("c/m"));
	EXPECT_STREQ("right", read_text("c/m"));
	remount(_metadata, &self->dir);
	EXPECT_STREQ("e/v", target_of("c/m"));
	ASSERT_OK(rename("c/e/v", "w"));
	drop_caches();
	EXPECT_STREQ("../w", target_of("c/m"));
	EXPECT_STREQ("right", read_text("c/m"));
}

TEST_F(track, other_programs_see_a_symlink)
{
	struct stat st;
	char buf[64];
	int fd;

	ASSERT_OK(create_text("t", "x"));
	ASSERT_OK(track("l", "./t", "t"));
	ASSERT_OK(lstat("l", &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_EQ(3, st.st_size);
	EXPECT_EQ(0, llistxattr("l", NULL, 0));
	EXPECT_ERR(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
	fd = open("l", O_PATH | O_NOFOLLOW);
	ASSERT_LE(0, fd);
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(rename("l", "d/l"));
	EXPECT_STREQ("x", read_text("d/l"));
	/* the link itself, not by a path */
	ASSERT_EQ(4, readlinkat(fd, "", buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp("../t", buf, 4));
	ASSERT_EQ(2, readlinkat(fd, "", buf, 2));
	EXPECT_ERR(EFAULT, syscall(SYS_readlinkat, fd, "", 8L, 64));
	close(fd);
	EXPECT_ERR(ENOTDIR, open("d/l/x", O_RDONLY));
	ASSERT_OK(unlink("d/l"));
	EXPECT_TRUE(exists("t"));
}

TEST_F(track, stored_text_when_the_target_is_gone)
{
	struct lnkfs_link l;
	char text[64];
	int fd;

	ASSERT_OK(create_text("t", "first"));
	ASSERT_OK(track("l", "./t", "t"));
	ASSERT_OK(rename("t", "u"));
	EXPECT_STREQ("u", target_of("l"));
	ASSERT_OK(get_link("l", &l, text, sizeof(text)));
	EXPECT_STREQ("./t", text);
	EXPECT_EQ(3, l.l_len);
	EXPECT_EQ(LNKFS_LINK_TRACKED, l.l_flags);
	EXPECT_EQ(ino_of("u"), l.l_ino);
	EXPECT_NE(0, l.l_gen);
	EXPECT_EQ(EACCES, AS_USER(get_link("l", &l, NULL, 0) || l.l_gen ?
				  0 : (errno = EACCES, -1)));
	/* another file gets the old name: the link keeps to the inode */
	ASSERT_OK(create_text("t", "second"));
	EXPECT_STREQ("first", read_text("l"));
	/* open, but without a name: gone */
	fd = open("u", O_RDONLY);
	ASSERT_OK(unlink("u"));
	EXPECT_STREQ("./t", target_of("l"));
	EXPECT_STREQ("second", read_text("l"));
	close(fd);
	ASSERT_OK(get_link("l", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_TRACKED | LNKFS_LINK_LOST, l.l_flags);
	ASSERT_OK(unlink("t"));
	EXPECT_STREQ("./t", target_of("l"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
}

TEST_F(track, a_new_file_with_the_old_number_is_another)
{
	char name[32];
	ino_t ino;
	int i;

	ASSERT_OK(create_text("t", "first"));
	ino = ino_of("t");
	ASSERT_OK(track("l", "gone", "t"));
	ASSERT_OK(unlink("t"));
	for (i = 0; i < 200; i++) {
		sprintf(name, "n%d", i);
		ASSERT_OK(create_file(name, 0644));
		if (ino_of(name) == ino)
			break;
	}
	ASSERT_NE(200, i) TH_LOG("the number was not given again");
	EXPECT_STREQ("gone", target_of("l"));
}

TEST_F(track, path_first)
{
	const unsigned int flags = LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("d/t", "first"));
	ASSERT_OK(symlink("../d/./t", "d/l"));
	ASSERT_OK(set_link("d/l", 0, flags, "d/t"));
	EXPECT_STREQ("../d/./t", target_of("d/l"));
	ASSERT_OK(rename("d/t", "u"));
	EXPECT_STREQ("../u", target_of("d/l"));
	EXPECT_STREQ("first", read_text("d/l"));
	ASSERT_OK(create_text("d/t", "second"));
	EXPECT_STREQ("second", read_text("d/l"));
	ASSERT_OK(unlink("d/t"));
	EXPECT_STREQ("first", read_text("d/l"));
	/* anything counts, also what leads nowhere */
	ASSERT_OK(symlink("nowhere", "d/t"));
	EXPECT_STREQ("../d/./t", target_of("d/l"));
	ASSERT_OK(unlink("u"));
	ASSERT_OK(unlink("d/t"));
	EXPECT_STREQ("../d/./t", target_of("d/l"));
	/* through what is no directory there is no way */
	ASSERT_OK(create_text("u", "third"));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(symlink("f/x", "m"));
	ASSERT_OK(set_link("m", 0, flags, "u"));
	EXPECT_STREQ("third", read_text("m"));
	ASSERT_OK(symlink("f/", "n"));
	ASSERT_OK(set_link("n", 0, flags, "u"));
	EXPECT_STREQ("third", read_text("n"));
	/* an absolute text says nothing about this volume */
	ASSERT_OK(symlink("/x", "o"));
	EXPECT_ERR(EINVAL, set_link("o", 0, flags, "u"));
	EXPECT_OK(set_link("o", 0, LNKFS_LINK_TRACKED, "u"));
	EXPECT_STREQ("third", read_text("o"));
}

TEST_F(track, directories)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("a/b", 0755));
	ASSERT_OK(create_text("a/f", "x"));
	ASSERT_OK(track("a/b/self", "text", "a/b"));
	ASSERT_OK(track("a/b/up", "text", "a"));
	ASSERT_OK(track("a/b/top", "text", "."));
	ASSERT_OK(track("down", "text", "a/b"));
	EXPECT_STREQ(".", target_of("a/b/self"));
	EXPECT_STREQ("..", target_of("a/b/up"));
	EXPECT_STREQ("../..", target_of("a/b/top"));
	EXPECT_STREQ("a/b", target_of("down"));
	EXPECT_STREQ("x", read_text("a/b/up/f"));
	EXPECT_STREQ("x", read_text("down/up/f"));
	EXPECT_STREQ("x", read_text("a/b/top/a/f"));
	ASSERT_OK(rename("a", "c"));
	EXPECT_STREQ("c/b", target_of("down"));
	EXPECT_STREQ("x", read_text("down/up/f"));
	ASSERT_OK(unlink("c/f"));
	ASSERT_OK(unlink("c/b/self"));
	ASSERT_OK(unlink("c/b/up"));
	ASSERT_OK(unlink("c/b/top"));
	ASSERT_OK(rmdir("c/b"));
	EXPECT_STREQ("text", target_of("down"));
}

TEST_F(track, the_root_of_the_volume)
{
	const char *mnt = getenv("LNKFS_MNT");
	struct stat st, root;

	ASSERT_OK(track("l", "text", mnt));
	EXPECT_STREQ("..", target_of("l"));
	ASSERT_OK(stat("l", &st));
	ASSERT_OK(stat(mnt, &root));
	EXPECT_EQ(root.st_ino, st.st_ino);
}

TEST_F(track, any_name_of_the_target)
{
	char name[32];
	int i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("t", "right"));
	for (i = 0; i < 20; i++) {
		sprintf(name, "d/%d", i);
		ASSERT_OK(link("t", name));
	}
	ASSERT_OK(track("l", "t", "t"));
	EXPECT_STREQ("t", target_of("l"));
	ASSERT_OK(unlink("t"));
	for (i = 0; i < 20; i++) {
		EXPECT_STREQ("right", read_text("l"));
		EXPECT_EQ(0, strncmp("d/", target_of("l"), 2));
		sprintf(name, "d/%d", i);
		ASSERT_OK(unlink(name));
	}
	EXPECT_STREQ("t", target_of("l"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
}

TEST_F(track, each_name_of_the_link)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("a/b", 0755));
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("l", "x", "t"));
	ASSERT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "a/b/l", 0));
	EXPECT_STREQ("t", target_of("l"));
	EXPECT_STREQ("../../t", target_of("a/b/l"));
	EXPECT_STREQ("t", target_of("l"));
	EXPECT_STREQ("right", read_text("l"));
	EXPECT_STREQ("right", read_text("a/b/l"));
}

TEST_F(track, links_to_links)
{
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(symlink("t", "l"));
	ASSERT_OK(track("m", "x", "l"));
	EXPECT_STREQ("l", target_of("m"));
	ASSERT_OK(track("n", "x", "m"));
	EXPECT_STREQ("right", read_text("n"));
	ASSERT_OK(rename("m", "o"));
	EXPECT_STREQ("o", target_of("n"));
	/* a loop is as long as any */
	ASSERT_OK(set_link("o", 0, LNKFS_LINK_TRACKED, "n"));
	EXPECT_ERR(ELOOP, open("n", O_RDONLY));
	EXPECT_ERR(ELOOP, set_link("o", 0, LNKFS_LINK_TRACKED, "o"));
}

/* What is behind a directory that the caller may not read is not told. */
TEST_F(track, permissions)
{
	ASSERT_OK(mkdir("open", 0755));
	ASSERT_OK(mkdir("closed", 0700));
	ASSERT_OK(create_text("open/t", "right"));
	ASSERT_OK(track("l", "text", "open/t"));
	EXPECT_EQ(0, AS_USER(strcmp("open/t", target_of("l")) ? (errno = EPROTO, -1) : 0));
	ASSERT_OK(rename("open/t", "closed/secret"));
	EXPECT_STREQ("closed/secret", target_of("l"));
	EXPECT_EQ(0, AS_USER(strcmp("text", target_of("l")) ? (errno = EPROTO, -1) : 0));
	EXPECT_EQ(ENOENT, AS_USER(open("l", O_RDONLY)));
	EXPECT_STREQ("closed/secret", target_of("l"));
	/* search permission alone does not tell names */
	ASSERT_OK(chmod("closed", 0711));
	EXPECT_EQ(0, AS_USER(strcmp("text", target_of("l")) ? (errno = EPROTO, -1) : 0));
	ASSERT_OK(chmod("closed", 0755));
	EXPECT_EQ(0, AS_USER(strcmp("closed/secret", target_of("l")) ?
			     (errno = EPROTO, -1) : 0));
	/* where one name is out of reach another may not be */
	ASSERT_OK(chmod("closed", 0700));
	ASSERT_OK(link("closed/secret", "open/u"));
	EXPECT_EQ(0, AS_USER(strcmp("open/u", target_of("l")) ? (errno = EPROTO, -1) : 0));
	EXPECT_EQ(0, AS_USER(open("l", O_RDONLY)));
}

/* One process that keeps the path it was given must lose it with the permission. */
TEST_F(track, a_kept_path_ends_with_the_permission)
{
	int go[2], back[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("d/t", "right"));
	ASSERT_OK(track("l", "text", "d/t"));
	ASSERT_OK(pipe(go));
	ASSERT_OK(pipe(back));
	pid = fork();
	if (!pid) {
		drop_privileges();
		if (strcmp("d/t", target_of("l")) || strcmp("d/t", target_of("l")))
			_exit(1);
		if (write(back[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(strcmp("text", target_of("l")) ? 3 : 0);
	}
	ASSERT_EQ(1, read(back[0], &c, 1));
	ASSERT_OK(chmod("d", 0700));
	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* What this process is told in a user namespace of its own; NULL: it gets none. */
static const char *target_in_namespace(const char *link)
{
	static char text[PATH_MAX];
	int back[2], n;
	pid_t pid;

	if (pipe(back))
		return NULL;
	pid = fork();
	if (!pid) {
		const char *target;

		if (unshare(CLONE_NEWUSER))
			_exit(1);
		target = target_of(link);
		_exit(write(back[1], target, strlen(target)) <= 0);
	}
	close(back[1]);
	n = read(back[0], text, sizeof(text) - 1);
	close(back[0]);
	waitpid(pid, NULL, 0);
	if (n <= 0)
		return NULL;
	text[n] = 0;
	return text;
}

/* Capabilities look the same there, and are good for nothing here. */
TEST_F(track, a_kept_path_is_not_for_another_namespace)
{
	const char *target;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("d/t", "right"));
	ASSERT_OK(track("l", "text", "d/t"));
	ASSERT_OK(chmod("d", 0700));
	ASSERT_OK(chown("d", TEST_UID, TEST_GID));
	target = target_in_namespace("l");
	if (!target)
		SKIP(return, "this kernel makes no user namespaces");
	EXPECT_STREQ("text", target);
	EXPECT_STREQ("d/t", target_of("l"));
	EXPECT_STREQ("text", target_in_namespace("l"));
	EXPECT_STREQ("d/t", target_of("l"));
}

/* The link becomes one that leads elsewhere while it is followed. */
TEST_F(track, race_with_changes_of_the_link)
{
	pid_t pid;
	double end;
	int status;

	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(create_text("u", "left"));
	ASSERT_OK(symlink("t", "l"));
	pid = fork();
	if (!pid) {
		const char *text;

		end = seconds() + 3;
		do {
			text = read_text("l");
			if (!text || (strcmp(text, "right") && strcmp(text, "left")))
				_exit(1);
			text = target_of("l");
			if (strcmp(text, "t") && strcmp(text, "u"))
				_exit(2);
		} while (seconds() < end);
		_exit(0);
	}
	end = seconds() + 3.5;
	do {
		ASSERT_OK(set_link("l", 0, LNKFS_LINK_TRACKED, "u"));
		EXPECT_STREQ("left", read_text("l"));
		EXPECT_STREQ("u", target_of("l"));
		ASSERT_OK(set_link("l", LNKFS_LINK_FILE, 0, NULL));
		EXPECT_STREQ("right", read_text("l"));
		EXPECT_STREQ("t", target_of("l"));
		ASSERT_OK(set_link("l", 0, 0, NULL));
		EXPECT_STREQ("right", read_text("l"));
		EXPECT_STREQ("t", target_of("l"));
	} while (seconds() < end);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(track, too_deep)
{
	char name[256];
	int fd, i;

	memset(name, 'n', 255);
	name[255] = 0;
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("l", "text", "t"));
	fd = open(".", O_RDONLY);
	for (i = 0; i < 20; i++) {
		ASSERT_OK(mkdir(name, 0755));
		ASSERT_OK(chdir(name));
	}
	ASSERT_OK(renameat(fd, "t", AT_FDCWD, "t"));
	ASSERT_OK(fchdir(fd));
	EXPECT_STREQ("text", target_of("l"));
	/* from far down up to the top */
	for (i = 0; i < 20; i++)
		ASSERT_OK(chdir(name));
	ASSERT_OK(renameat(AT_FDCWD, "t", fd, "t"));
	ASSERT_OK(renameat(fd, "l", AT_FDCWD, "l"));
	EXPECT_EQ(20 * 3 + 1, strlen(target_of("l")));
	EXPECT_STREQ("right", read_text("l"));
	ASSERT_OK(fchdir(fd));
	close(fd);
}

TEST_F(track, kinds)
{
	const size_t max = symlink_max();
	struct lnkfs_link l;
	char text[8192];

	ASSERT_OK(symlink("t", "file"));
	EXPECT_OK(set_link("file", LNKFS_LINK_FILE, 0, NULL));
	ASSERT_OK(symlink("t", "dir"));
	EXPECT_OK(set_link("dir", LNKFS_LINK_DIR, 0, NULL));
	ASSERT_OK(symlink("/t", "junction"));
	EXPECT_OK(set_link("junction", LNKFS_LINK_JUNCTION, 0, NULL));
	ASSERT_OK(symlink("\\\\server\\share\\x", "remote"));
	EXPECT_OK(set_link("remote", LNKFS_LINK_REMOTE, 0, NULL));
	ASSERT_OK(symlink("smb://server/share", "url"));
	EXPECT_OK(set_link("url", LNKFS_LINK_REMOTE, 0, NULL));
	EXPECT_ERR(EINVAL, set_link("file", LNKFS_LINK_JUNCTION, 0, NULL));
	EXPECT_ERR(EINVAL, set_link("junction", LNKFS_LINK_REMOTE, 0, NULL));
	EXPECT_ERR(EINVAL, set_link("remote", LNKFS_LINK_JUNCTION, 0, NULL));
	/* a long text: there is no room beside it in the record */
	memset(text, 'x', max);
	text[max] = 0;
	ASSERT_OK(symlink(text, "long"));
	EXPECT_OK(set_link("long", LNKFS_LINK_DIR, 0, NULL));
	ASSERT_OK(create_text("t", "right"));
	remount(_metadata, &self->dir);
	ASSERT_OK(get_link("file", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_FILE, l.l_kind);
	EXPECT_EQ(1, l.l_len);
	ASSERT_OK(get_link("dir", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_DIR, l.l_kind);
	ASSERT_OK(get_link("junction", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_JUNCTION, l.l_kind);
	ASSERT_OK(get_link("remote", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_REMOTE, l.l_kind);
	ASSERT_OK(get_link("long", &l, text, sizeof(text)));
	EXPECT_EQ(LNKFS_LINK_DIR, l.l_kind);
	EXPECT_EQ(max, l.l_len);
	EXPECT_EQ(max, strlen(text));
	EXPECT_EQ(max, strlen(target_of("long")));
	/* they lead where their text says, also when asked again */
	EXPECT_STREQ("right", read_text("file"));
	EXPECT_STREQ("right", read_text("file"));
	EXPECT_STREQ("t", target_of("file"));
	/* and back */
	ASSERT_OK(set_link("file", LNKFS_LINK_DIR, LNKFS_LINK_TRACKED, "t"));
	ASSERT_OK(rename("t", "u"));
	EXPECT_STREQ("right", read_text("file"));
	ASSERT_OK(set_link("file", LNKFS_LINK_PLAIN, 0, NULL));
	EXPECT_STREQ("t", target_of("file"));
	EXPECT_ERR(ENOENT, open("file", O_RDONLY));
	ASSERT_OK(get_link("file", &l, NULL, 0));
	EXPECT_EQ(0, l.l_kind | l.l_flags | l.l_ino | l.l_gen);
	/* a plain link whose text is in use becomes a tracked one */
	ASSERT_OK(set_link("file", LNKFS_LINK_PLAIN, LNKFS_LINK_TRACKED, "u"));
	EXPECT_STREQ("right", read_text("file"));
}

TEST_F(track, read_only)
{
	const char *mnt = getenv("LNKFS_MNT");

	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("l", "text", "t"));
	ASSERT_OK(rename("t", "u"));
	ASSERT_OK(mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, set_link("l", 0, LNKFS_LINK_TRACKED, "u"));
	EXPECT_STREQ("right", read_text("l"));
	ASSERT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
}

/* What a transaction holds is there after a crash, whole. */
TEST_F(track, survives_a_crash)
{
	const char *mnt = getenv("LNKFS_MNT"), *dev = getenv("LNKFS_DEV");
	struct lnkfs_link l;

	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("l", "text", "t"));
	sync();
	ASSERT_OK(rename("t", "u"));
	ASSERT_OK(set_link("l", LNKFS_LINK_FILE, LNKFS_LINK_TRACKED, "u"));
	ASSERT_OK(crash_volume(mnt, LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(mnt, 0));
	ASSERT_OK(mount(dev, mnt, "lnkfs", 0, NULL));
	ASSERT_OK(chdir(self->dir.path));
	EXPECT_STREQ(exists("t") ? "t" : "u", target_of("l"));
	EXPECT_STREQ("right", read_text("l"));
	ASSERT_OK(get_link("l", &l, NULL, 0));
	EXPECT_EQ(LNKFS_LINK_TRACKED, l.l_flags);
	/* the kind came after the rename: it is not there without it */
	EXPECT_TRUE(l.l_kind == LNKFS_LINK_PLAIN || (l.l_kind == LNKFS_LINK_FILE && exists("u")));
}

/* A link that has been moved is as good as any, also two of them on one way. */
TEST_F(track, moved_links)
{
	char name[32];
	int i;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(create_text("a/t", "right"));
	ASSERT_OK(track("a/0", "text", "a/t"));
	for (i = 1; i < 10; i++) {
		char last[32];

		sprintf(last, "a/%d", i - 1);
		sprintf(name, "a/%d", i);
		ASSERT_OK(track(name, "text", last));
	}
	EXPECT_STREQ("right", read_text("a/9"));
	for (i = 0; i < 10; i++) {
		char to[32];

		sprintf(name, "a/%d", i);
		sprintf(to, "b/%d", i);
		ASSERT_OK(rename(name, to));
	}
	EXPECT_STREQ("right", read_text("b/9"));
	for (i = 0; i < 10; i += 2) {
		char other[32];

		sprintf(name, "b/%d", i);
		sprintf(other, "a/%d", i);
		ASSERT_OK(track(other, "x", "b"));
		ASSERT_OK(renameat2(AT_FDCWD, name, AT_FDCWD, other, RENAME_EXCHANGE));
	}
	EXPECT_STREQ("right", read_text("b/9"));
}

/* So is one that has been moved by a name that link(2) has just made. */
TEST_F(track, a_new_name_is_moved)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(mkdir("b/c", 0755));
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("a/l", "text", "t"));
	ASSERT_OK(link("a/l", "b/m"));
	ASSERT_OK(rename("b/m", "b/c/m"));
	EXPECT_STREQ("right", text_in("b/c/m"));
	EXPECT_STREQ("../../t", target_of("b/c/m"));
	ASSERT_OK(link("a/l", "b/m"));
	ASSERT_OK(create_text("u", "x"));
	ASSERT_OK(renameat2(AT_FDCWD, "u", AT_FDCWD, "b/m", RENAME_EXCHANGE));
	EXPECT_STREQ("right", text_in("u"));
	EXPECT_STREQ("t", target_of("u"));
}

/* Two of them on one way. */
TEST_F(track, new_names_are_moved)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(mkdir("c", 0755));
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("a/0", "text", "t"));
	ASSERT_OK(track("a/1", "text", "a"));
	ASSERT_OK(link("a/0", "b/0"));
	ASSERT_OK(link("a/1", "b/1"));
	ASSERT_OK(unlink("a/0"));
	ASSERT_OK(rename("b/0", "a/0"));
	ASSERT_OK(rename("b/1", "c/1"));
	EXPECT_STREQ("right", text_in("c/1/0"));
}

static bool jailed_target_is(const char *link, const char *target)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(chroot("jail") || chdir("/") || strcmp(target, target_of(link)));
	waitpid(pid, &status, 0);
	return !status;
}

/* What is above the root directory of the caller is none of his business. */
TEST_F(track, not_out_of_a_chroot)
{
	const unsigned int first = LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST;

	ASSERT_OK(mkdir("jail", 0755));
	ASSERT_OK(mkdir("jail/d", 0755));
	ASSERT_OK(create_text("jail/t", "right"));
	ASSERT_OK(create_text("secret", "x"));
	ASSERT_OK(track("jail/d/l", "text", "jail/t"));
	ASSERT_OK(symlink("../../secret", "jail/d/m"));
	ASSERT_OK(set_link("jail/d/m", 0, first, "jail/t"));
	EXPECT_STREQ("../t", target_of("jail/d/l"));
	EXPECT_STREQ("../../secret", target_of("jail/d/m"));
	EXPECT_TRUE(jailed_target_is("d/l", "../t"));
	EXPECT_TRUE(jailed_target_is("d/m", "../t"));
	/* moved out: it can be followed from outside only, also when that was asked before */
	ASSERT_OK(rename("jail/t", "u"));
	EXPECT_STREQ("../../u", target_of("jail/d/l"));
	EXPECT_TRUE(jailed_target_is("d/l", "text"));
	EXPECT_STREQ("../../u", target_of("jail/d/l"));
}

TEST_F(track, wrong_arguments)
{
	const unsigned int tracked = LNKFS_LINK_TRACKED;
	struct lnkfs_link l;
	char text[4];
	int fd;

	ASSERT_OK(create_text("t", "x"));
	ASSERT_OK(symlink("text", "l"));
	EXPECT_ERR(EINVAL, set_link("t", LNKFS_LINK_DIR, 0, NULL));
	EXPECT_ERR(EINVAL, set_link("l", LNKFS_LINK_KINDS, 0, NULL));
	EXPECT_ERR(EINVAL, set_link("l", 0, 8, NULL));
	EXPECT_ERR(EINVAL, set_link("l", 0, LNKFS_LINK_LOST | tracked, "t"));
	EXPECT_ERR(EINVAL, set_link("l", 0, tracked, NULL));
	EXPECT_ERR(EINVAL, set_link("l", 0, LNKFS_LINK_PATH_FIRST, NULL));
	EXPECT_ERR(EINVAL, set_link("l", LNKFS_LINK_DIR, 0, "t"));
	EXPECT_ERR(EXDEV, set_link("l", 0, tracked, "/proc"));
	EXPECT_ERR(EXDEV, set_link("/proc/self", LNKFS_LINK_DIR, 0, NULL));
	EXPECT_ERR(EBADF, set_link("missing", LNKFS_LINK_DIR, 0, NULL));
	EXPECT_ERR(EINVAL, get_link("t", &l, NULL, 0));
	EXPECT_ERR(ERANGE, get_link("l", &l, text, 4));
	EXPECT_EQ(4, l.l_len);
	EXPECT_EQ(EPERM, AS_USER(set_link("l", LNKFS_LINK_DIR, 0, NULL)));
	ASSERT_OK(set_flags("l", LNKFS_UF_IMMUTABLE));
	EXPECT_ERR(EPERM, set_link("l", LNKFS_LINK_DIR, 0, NULL));
	ASSERT_OK(set_flags("l", LNKFS_UF_APPEND));
	EXPECT_ERR(EPERM, set_link("l", LNKFS_LINK_DIR, 0, NULL));
	ASSERT_OK(set_flags("l", 0));
	fd = open(".", O_RDONLY);
	EXPECT_ERR(EFAULT, ioctl(fd, LNKFS_IOC_SETLINK, (void *)8));
	EXPECT_ERR(EFAULT, ioctl(fd, LNKFS_IOC_GETLINK, (void *)8));
	memset(&l, 0, sizeof(l));
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GETLINK, &l));
	l.l_size = sizeof(l);
	l.l_reserved[1] = 1;
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GETLINK, &l));
	/* a target that has lost its name */
	ASSERT_OK(create_file("gone", 0644));
	l = (struct lnkfs_link){ .l_size = sizeof(l), .l_flags = tracked };
	l.l_fd = open("l", O_PATH | O_NOFOLLOW);
	l.l_target = open("gone", O_RDONLY);
	ASSERT_OK(unlink("gone"));
	EXPECT_ERR(ENOENT, ioctl(fd, LNKFS_IOC_SETLINK, &l));
	close(l.l_target);
	close(l.l_fd);
	close(fd);
	ASSERT_OK(get_link("l", &l, NULL, 0));
	EXPECT_EQ(0, l.l_kind | l.l_flags);
	EXPECT_STREQ("text", target_of("l"));
}

/* What is mounted where, by the administrator's word. */
TEST_F(track, remote_links)
{
	const char *mnt = getenv("LNKFS_MNT");
	char map[1024];

	ASSERT_OK(mkdir("share", 0755));
	ASSERT_OK(create_text("share/file", "right"));
	ASSERT_OK(symlink("\\\\Server\\Share\\file", "l"));
	ASSERT_OK(set_link("l", LNKFS_LINK_REMOTE, 0, NULL));
	ASSERT_OK(symlink("\\\\server\\share\\..\\t", "out"));
	ASSERT_OK(set_link("out", LNKFS_LINK_REMOTE, 0, NULL));
	ASSERT_OK(create_text("t", "wrong"));
	ASSERT_OK(symlink("smb://me@server/share/fi%6ce", "url"));
	ASSERT_OK(set_link("url", LNKFS_LINK_REMOTE, 0, NULL));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	snprintf(map, sizeof(map), "nonsense\n\\\\other\\share=/\n\\\\SERVER\\share=%s/share\n",
		 self->dir.path);
	ASSERT_OK(setxattr(mnt, LNKFS_MAP_XATTR, map, strlen(map), 0));
	EXPECT_STREQ("right", read_text("l"));
	EXPECT_STREQ("right", read_text("url"));
	EXPECT_STREQ("\\\\Server\\Share\\file", target_of("l"));
	EXPECT_ERR(ENOENT, open("out", O_RDONLY));
	EXPECT_EQ(EPERM, AS_USER(removexattr(mnt, LNKFS_MAP_XATTR)));
	remount(_metadata, &self->dir);
	EXPECT_STREQ("right", read_text("l"));
	ASSERT_OK(removexattr(mnt, LNKFS_MAP_XATTR));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	/* a text that is not marked as remote is a text */
	ASSERT_OK(symlink("\\\\server\\share\\file", "plain"));
	ASSERT_OK(setxattr(mnt, LNKFS_MAP_XATTR, map, strlen(map), 0));
	EXPECT_ERR(ENOENT, open("plain", O_RDONLY));
	ASSERT_OK(removexattr(mnt, LNKFS_MAP_XATTR));
}

/*
 * Follow @path for a while: how often it led to what it should, or -1 if elsewhere.
 * It may be away; and whoever is overtaken twice by renames of the link is told so.
 */
static int follow_for(const char *path, double secs)
{
	double end = seconds() + secs;
	const char *text;
	int right = 0;

	do {
		text = read_text(path);
		if (text ? strcmp(text, "right") != 0 : errno != ENOENT && errno != ESTALE)
			return -1;
		right += !!text;
	} while (seconds() < end);
	return right;
}

static void start_follower(const char *path, pid_t *pid, double secs)
{
	int n;

	*pid = fork();
	if (*pid)
		return;
	n = follow_for(path, secs);
	_exit(n < 0 ? 1 : n ? 0 : 2);
}

/* The link moves while it is followed: what it says never counts from elsewhere. */
TEST_F(track, race_with_a_rename_of_the_link)
{
	const char *name[2] = { "r/a/l", "r/x/y/l" };
	int status, i = 0;
	pid_t pid[2];
	double end;

	ASSERT_OK(mkdir("r", 0755));
	ASSERT_OK(mkdir("r/a", 0755));
	ASSERT_OK(mkdir("r/x", 0755));
	ASSERT_OK(mkdir("r/x/y", 0755));
	ASSERT_OK(create_text("r/t", "right"));
	/* what the path from the one directory leads to from the other */
	ASSERT_OK(create_text("t", "wrong"));
	ASSERT_OK(create_text("r/x/t", "wrong"));
	ASSERT_OK(track(name[0], "text", "r/t"));
	start_follower(name[0], &pid[0], 4);
	start_follower(name[1], &pid[1], 4);
	end = seconds() + 4.5;
	do {
		ASSERT_OK(rename(name[i % 2], name[(i + 1) % 2]));
		if (i++ % 16 == 0)
			usleep(1000);
	} while (seconds() < end);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

/* One name of the link comes and goes: it does not count from where the other one is. */
TEST_F(track, race_with_another_name_of_the_link)
{
	const char *name = "r/x/y/l";
	int status, i = 0;
	double end;
	pid_t pid;

	ASSERT_OK(mkdir("r", 0755));
	ASSERT_OK(mkdir("r/x", 0755));
	ASSERT_OK(mkdir("r/x/y", 0755));
	ASSERT_OK(create_text("r/t", "right"));
	ASSERT_OK(create_text("r/x/y/t", "wrong"));
	ASSERT_OK(track("r/l", "text", "r/t"));
	start_follower(name, &pid, 4);
	end = seconds() + 4.5;
	do {
		ASSERT_OK(link("r/l", name));
		if (i++ % 16 == 0)
			usleep(1000);
		ASSERT_OK(unlink(name));
	} while (seconds() < end);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* The target moves, and a directory above it: the link leads there or, for a moment, nowhere. */
TEST_F(track, race_with_renames_of_the_target)
{
	int status, i = 0;
	pid_t pid[2];
	double end;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(mkdir("c", 0755));
	ASSERT_OK(create_text("a/t", "right"));
	ASSERT_OK(track("l", "text", "a/t"));
	ASSERT_OK(track("b/l", "text", "a/t"));
	start_follower("l", &pid[0], 4);
	start_follower("b/l", &pid[1], 4);
	end = seconds() + 4.5;
	do {
		ASSERT_OK(rename("a/t", "b/u"));
		ASSERT_OK(rename("b/u", "b/v"));
		ASSERT_OK(rename("a", "c/a"));
		ASSERT_OK(rename("b/v", "c/a/t"));
		ASSERT_OK(rename("c/a", "a"));
		if (i++ % 4 == 0)
			usleep(1000);
	} while (seconds() < end);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_STREQ("right", read_text("l"));
	EXPECT_STREQ("right", read_text("b/l"));
}

VOLUME_FIXTURE(track_full, 16);

/* A rename that comes to nothing leaves the link as it was, by a new name too. */
TEST_F(track_full, a_rename_that_fails)
{
	static char data[65536];
	size_t size = sizeof(data);
	char name[280];
	int fd, i;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(mkdir("full", 0755));
	ASSERT_OK(create_text("t", "right"));
	ASSERT_OK(track("a/l", "text", "t"));
	fd = open("data", O_WRONLY | O_CREAT, 0644);
	ASSERT_LE(0, fd);
	for (; size >= 1024; size /= 2) {
		while (write(fd, data, size) > 0)
			;
		ASSERT_EQ(ENOSPC, errno);
		ASSERT_OK(fsync(fd));
	}
	close(fd);
	for (i = 0; i < 100000; i++) {
		sprintf(name, "full/%0255d", i);
		if (link("t", name))
			break;
	}
	ASSERT_EQ(ENOSPC, errno);
	ASSERT_OK(link("a/l", "b/m"));
	EXPECT_ERR(ENOSPC, rename("b/m", name));
	EXPECT_STREQ("right", text_in("b/m"));
	EXPECT_STREQ("../t", target_of("b/m"));
	EXPECT_ERR(ENOSPC, rename("a/l", name));
	EXPECT_STREQ("right", text_in("a/l"));
}

TEST_HARNESS_MAIN
