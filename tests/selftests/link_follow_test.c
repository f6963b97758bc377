// SPDX-License-Identifier: GPL-2.0
/*
 * Following symlinks, one statement a test: for short and long targets, fresh,
 * after a crash, uncached and remounted (link_stages.h).
 */
#include <linux/openat2.h>
#include <sys/wait.h>

#include "link_stages.h"

STAGES_FIXTURE(follow)

static int at2(int dfd, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };

	return syscall(SYS_openat2, dfd, name, &how, sizeof(how));
}

/* The first bytes of an open file; it is closed. */
static const char *text_of(int fd)
{
	static char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

#define EXPECT_OPENS(text, call) do {					\
	int fd_ = (call);						\
									\
	EXPECT_LE(0, fd_) TH_LOG("%s: %s", #call, strerrorname_np(errno)); \
	if (fd_ >= 0)							\
		EXPECT_STREQ(text, text_of(fd_));			\
} while (0)

static unsigned char dtype_of(const char *dirname, const char *name)
{
	DIR *dir = opendir(dirname);
	unsigned char type = DT_UNKNOWN;
	struct dirent *de;

	while (dir && (de = readdir(dir)))
		if (!strcmp(de->d_name, name))
			type = de->d_type;
	if (dir)
		closedir(dir);
	return type;
}

/* Run the program at @path with one argument, its output unseen. */
static int run(const char *path, const char *arg)
{
	int state, null;
	pid_t pid = fork();

	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		execl(path, "program", arg, NULL);
		_exit(errno == ENOENT ? 200 : 201);
	}
	if (waitpid(pid, &state, 0) != pid || !WIFEXITED(state))
		return -1;
	return WEXITSTATUS(state);
}

TEST_F(follow, open_and_read)
{
	struct stat a, b;
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
	}
	fd = open("l", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &a));
	ASSERT_OK(lstat("t", &b));
	EXPECT_EQ(b.st_ino, a.st_ino);
	EXPECT_TRUE(S_ISREG(a.st_mode));
	EXPECT_STREQ("the target", text_of(fd));
	EXPECT_TRUE(links_to(&self->st, "l", "t"));
}

TEST_F(follow, write)
{
	char text[32];
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "before"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
	}
	snprintf(text, sizeof(text), "written at stage %d", self->st.at);
	fd = open("l", O_WRONLY | O_SYNC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(strlen(text), write(fd, text, strlen(text)));
	close(fd);
	EXPECT_STREQ(text, read_text("t"));
	EXPECT_TRUE(links_to(&self->st, "l", "t"));
}

TEST_F(follow, truncate_and_open_with_trunc)
{
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
	}
	ASSERT_OK(truncate("l", 4));
	ASSERT_OK(lstat("t", &st));
	EXPECT_EQ(4, st.st_size);
	ASSERT_OK(close(open("l", O_WRONLY | O_TRUNC)));
	ASSERT_OK(lstat("t", &st));
	EXPECT_EQ(0, st.st_size);
	ASSERT_OK(put("l", "the target"));
	EXPECT_STREQ("the target", read_text("t"));
	EXPECT_TRUE(links_to(&self->st, "l", "t"));
}

TEST_F(follow, stat_and_lstat)
{
	struct stat a, b, l;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(chmod("t", 0640));
		ASSERT_OK(make_link(&self->st, "t", "l"));
	}
	ASSERT_OK(stat("l", &a));
	ASSERT_OK(stat("t", &b));
	EXPECT_EQ(b.st_ino, a.st_ino);
	EXPECT_EQ(S_IFREG | 0640, a.st_mode);
	EXPECT_EQ(10, a.st_size);
	ASSERT_OK(lstat("l", &l));
	EXPECT_EQ(S_IFLNK | 0777, l.st_mode);
	EXPECT_NE(b.st_ino, l.st_ino);
	EXPECT_EQ(1, l.st_nlink);
}

TEST_F(follow, chmod_chown_and_times_reach_the_target)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 6 } };
	struct stat t, l;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(chmod("l", 0604));
		ASSERT_OK(chown("l", 12, 34));
		ASSERT_OK(utimensat(AT_FDCWD, "l", ts, 0));
	}
	ASSERT_OK(lstat("t", &t));
	EXPECT_EQ(S_IFREG | 0604, t.st_mode);
	EXPECT_EQ(12, t.st_uid);
	EXPECT_EQ(34, t.st_gid);
	EXPECT_EQ(2000, t.st_mtim.tv_sec);
	ASSERT_OK(lstat("l", &l));
	EXPECT_EQ(S_IFLNK | 0777, l.st_mode);
	EXPECT_EQ(0, l.st_uid);
	EXPECT_NE(2000, l.st_mtim.tv_sec);
}

TEST_F(follow, exec)
{
	char script[600], cmd[600];

	if (self->st.fresh) {
		/* A static program; it answers 2 to an operation that it lacks. */
		snprintf(cmd, sizeof(cmd), "cp %s p && sync p", sysop_path());
		ASSERT_EQ(0, system(cmd));
		ASSERT_OK(make_link(&self->st, "p", "l"));
		snprintf(script, sizeof(script), "#!%s/l\n", self->st.path);
		ASSERT_OK(put("script", script));
		ASSERT_OK(chmod("script", 0755));
		ASSERT_OK(make_link(&self->st, "script", "ls"));
		ASSERT_OK(make_link(&self->st, "gone", "dangling"));
	}
	EXPECT_EQ(2, run("l", "no-such-operation"));
	/* Also as the interpreter of a script, which a link leads to. */
	EXPECT_EQ(2, run("ls", "no-such-operation"));
	EXPECT_EQ(200, run("dangling", ""));
	EXPECT_TRUE(links_to(&self->st, "l", "p"));
}

TEST_F(follow, chdir)
{
	char cwd[600], want[600];

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/f", "in d"));
		ASSERT_OK(make_link(&self->st, "d", "l"));
	}
	ASSERT_OK(chdir("l"));
	snprintf(want, sizeof(want), "%s/d", self->st.path);
	EXPECT_STREQ(want, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ("in d", read_text("f"));
	EXPECT_TRUE(links_to(&self->st, "../l", "d"));
	EXPECT_ERR(ENOTDIR, chdir("f"));
}

TEST_F(follow, in_the_middle_of_a_path)
{
	struct stat a, b;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/f", "in d"));
		ASSERT_OK(make_link(&self->st, "d", "l"));
		ASSERT_OK(make_link(&self->st, "../l", "d/up"));
		ASSERT_OK(mkdir("l/sub", 0755));
		ASSERT_OK(symlink("x", "l/made"));
		ASSERT_OK(make_link(&self->st, "d/f", "file"));
	}
	EXPECT_STREQ("in d", read_text("l/f"));
	EXPECT_STREQ("in d", read_text("d/up/up/up/f"));
	EXPECT_TRUE(exists("d/sub") && exists("d/made"));
	/* A slash behind it asks for the directory, whoever asks. */
	ASSERT_OK(lstat("l/", &a));
	ASSERT_OK(lstat("d", &b));
	EXPECT_EQ(b.st_ino, a.st_ino);
	EXPECT_ERR(ENOTDIR, unlink("l/"));
	EXPECT_ERR(ENOTDIR, rmdir("l"));
	EXPECT_ERR(EEXIST, mkdir("l", 0755));
	EXPECT_ERR(ENOTDIR, lstat("file/", &a));
	EXPECT_ERR(ENOTDIR, lstat("file/x", &a));
}

TEST_F(follow, mount_point)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(make_link(&self->st, "d", "l"));
	}
	ASSERT_OK(private_mounts());
	ASSERT_OK(mount("none", "l", "tmpfs", 0, NULL));
	ASSERT_OK(create_text("d/on_tmpfs", "x"));
	EXPECT_TRUE(exists("l/on_tmpfs"));
	EXPECT_ERR(EBUSY, rmdir("d"));
	EXPECT_ERR(EINVAL, umount2("l", UMOUNT_NOFOLLOW));
	EXPECT_OK(umount2("l", 0));
	EXPECT_FALSE(exists("d/on_tmpfs"));
	EXPECT_TRUE(links_to(&self->st, "l", "d"));
}

TEST_F(follow, source_of_a_mount)
{
	const char *dev = getenv("LNKFS_DEV");
	char path[600];

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/f", "in d"));
		ASSERT_OK(mkdir("m", 0755));
		ASSERT_OK(make_link(&self->st, "d", "l"));
		ASSERT_OK(make_link(&self->st, dev, "dev"));
	}
	ASSERT_OK(private_mounts());
	ASSERT_OK(mount("l", "m", NULL, MS_BIND, NULL));
	EXPECT_STREQ("in d", read_text("m/f"));
	ASSERT_OK(umount2("m", 0));
	/* The device: the same volume is mounted once more. */
	ASSERT_OK(mount("dev", "m", env_or("FSTYPE", "lnkfs"), 0, NULL));
	snprintf(path, sizeof(path), "m%s/d/f", self->st.path + strlen(getenv("LNKFS_MNT")));
	EXPECT_STREQ("in d", read_text(path));
	ASSERT_OK(umount2("m", 0));
	EXPECT_TRUE(links_to(&self->st, "dev", dev));
}

TEST_F(follow, target_renamed)
{
	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(rename("t", "new"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", "t"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	/* What takes the name is the target now. */
	ASSERT_OK(create_text("t", "another"));
	EXPECT_STREQ("another", read_text("l"));
	ASSERT_OK(unlink("t"));
	EXPECT_STREQ("the target", read_text("new"));
}

TEST_F(follow, target_moved)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(mkdir("e", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, "d/t", "l"));
		ASSERT_OK(rename("d/t", "e/t"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", "d/t"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	/* The directory above it, as well. */
	ASSERT_OK(rename("e", "f"));
	ASSERT_OK(rename("d", "e"));
	ASSERT_OK(rename("f", "d"));
	EXPECT_STREQ("the target", read_text("l"));
	ASSERT_OK(rename("d", "f"));
	ASSERT_OK(rename("e", "d"));
	ASSERT_OK(rename("f", "e"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
}

TEST_F(follow, target_deleted)
{
	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(unlink("t"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", "t"));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	EXPECT_ERR(ENOENT, chdir("l"));
}

TEST_F(follow, relative_to_where_the_link_is)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("t", "above"));
		ASSERT_OK(put("d/t", "below"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(make_link(&self->st, "t", "d/l"));
		ASSERT_OK(make_link(&self->st, "t", "moved"));
		ASSERT_OK(rename("moved", "d/moved"));
	}
	EXPECT_STREQ("above", read_text("l"));
	EXPECT_STREQ("below", read_text("d/l"));
	EXPECT_STREQ("below", read_text("d/moved"));
	ASSERT_OK(chdir("d"));
	EXPECT_STREQ("above", read_text("../l"));
}

TEST_F(follow, dangling)
{
	struct stat st;

	if (self->st.fresh)
		ASSERT_OK(make_link(&self->st, "nowhere", "l"));
	EXPECT_TRUE(links_to(&self->st, "l", "nowhere"));
	EXPECT_ERR(ENOENT, stat("l", &st));
	EXPECT_ERR(ENOENT, open("l", O_RDONLY));
	EXPECT_ERR(ENOENT, chmod("l", 0600));
	EXPECT_ERR(ENOENT, truncate("l", 0));
	EXPECT_ERR(ENOENT, access("l", F_OK));
	EXPECT_ERR(EEXIST, open("l", O_CREAT | O_EXCL | O_RDWR, 0644));
	EXPECT_ERR(EEXIST, mkdir("l", 0755));
	EXPECT_FALSE(exists("nowhere"));
	ASSERT_OK(close(open("l", O_CREAT | O_WRONLY, 0644)));
	EXPECT_TRUE(exists("nowhere"));
	EXPECT_OK(stat("l", &st));
	ASSERT_OK(unlink("nowhere"));
}

TEST_F(follow, absolute)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/d/t", self->st.path);
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, path, "l"));
		ASSERT_OK(mkdir("e", 0755));
		ASSERT_OK(make_link(&self->st, path, "e/l"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", path));
	EXPECT_STREQ("the target", read_text("l"));
	EXPECT_STREQ("the target", read_text("e/l"));
	ASSERT_OK(chdir("/"));
	snprintf(path, sizeof(path), "%s/e/l", self->st.path);
	EXPECT_STREQ("the target", read_text(path));
}

TEST_F(follow, crosses_volumes)
{
	char path[300];
	struct stat a, b;

	snprintf(path, sizeof(path), "%s/%s.target", env_or("LNKFS_TMP", "/tmp"),
		 strrchr(stage_shared->base, '/') + 1);
	if (self->st.fresh) {
		ASSERT_OK(mkdir("m", 0755));
		ASSERT_OK(make_link(&self->st, path, "absolute"));
		ASSERT_OK(make_link(&self->st, "m/t", "relative"));
	}
	EXPECT_ERR(ENOENT, open("absolute", O_RDONLY));
	ASSERT_OK(create_text(path, "elsewhere"));
	EXPECT_STREQ("elsewhere", read_text("absolute"));
	ASSERT_OK(stat("absolute", &a));
	ASSERT_OK(lstat("absolute", &b));
	EXPECT_NE(a.st_dev, b.st_dev);
	ASSERT_OK(unlink(path));
	ASSERT_OK(private_mounts());
	ASSERT_OK(mount("none", "m", "tmpfs", 0, NULL));
	ASSERT_OK(create_text("m/t", "mounted"));
	EXPECT_STREQ("mounted", read_text("relative"));
	ASSERT_OK(umount2("m", 0));
	EXPECT_ERR(ENOENT, open("relative", O_RDONLY));
}

TEST_F(follow, loops)
{
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(make_link(&self->st, "self", "self"));
		ASSERT_OK(make_link(&self->st, "b", "a"));
		ASSERT_OK(make_link(&self->st, "c", "b"));
		ASSERT_OK(symlink("a", "c"));
	}
	EXPECT_ERR(ELOOP, stat("self", &st));
	EXPECT_ERR(ELOOP, open("self", O_RDONLY));
	EXPECT_ERR(ELOOP, open("self/x", O_RDONLY));
	EXPECT_ERR(ELOOP, open("a", O_RDONLY | O_CREAT, 0644));
	EXPECT_ERR(ELOOP, chdir("b"));
	EXPECT_ERR(ELOOP, truncate("c", 0));
	EXPECT_OK(lstat("a", &st));
	EXPECT_TRUE(links_to(&self->st, "self", "self"));
}

TEST_F(follow, forty_nested_and_not_one_more)
{
	char name[16], to[16];
	int i;

	/* Each second one is short: fast and slow ones in turn. */
	if (self->st.fresh) {
		ASSERT_OK(put("c0", "the end"));
		for (i = 1; i <= 41; i++) {
			sprintf(name, "c%d", i);
			sprintf(to, "c%d", i - 1);
			if (i % 2)
				ASSERT_OK(make_link(&self->st, to, name));
			else
				ASSERT_OK(symlink(to, name));
		}
	}
	EXPECT_STREQ("the end", read_text("c40"));
	EXPECT_ERR(ELOOP, open("c41", O_RDONLY));
	EXPECT_STREQ("the end", read_text("c40"));
	EXPECT_ERR(ELOOP, truncate("c41", 0));
}

TEST_F(follow, forty_in_one_path_and_not_one_more)
{
	char path[128];
	struct stat st;
	int i;

	if (self->st.fresh)
		ASSERT_OK(make_link(&self->st, ".", "l"));
	for (i = 0; i < 41; i++)
		strcpy(path + 2 * i, "l/");
	EXPECT_ERR(ELOOP, stat(path, &st));
	path[80] = 0;
	EXPECT_OK(stat(path, &st));
	EXPECT_EQ(ino_of("."), st.st_ino);
}

TEST_F(follow, listed_as_links)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "to_file"));
		ASSERT_OK(make_link(&self->st, "d", "to_dir"));
		ASSERT_OK(make_link(&self->st, "gone", "dangling"));
	}
	EXPECT_EQ(DT_LNK, dtype_of(".", "to_file"));
	EXPECT_EQ(DT_LNK, dtype_of(".", "to_dir"));
	EXPECT_EQ(DT_LNK, dtype_of(".", "dangling"));
	EXPECT_EQ(DT_REG, dtype_of(".", "t"));
	EXPECT_EQ(DT_DIR, dtype_of(".", "d"));
}

TEST_F(follow, o_nofollow)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, "d/t", "l"));
		ASSERT_OK(make_link(&self->st, "d", "ld"));
	}
	EXPECT_ERR(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
	EXPECT_ERR(ELOOP, open("l", O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
	EXPECT_ERR(ENOTDIR, open("ld", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	/* Only the last component is meant. */
	EXPECT_OPENS("the target", open("ld/t", O_RDONLY | O_NOFOLLOW));
	EXPECT_OPENS("the target", open("l", O_RDONLY));
}

TEST_F(follow, o_path)
{
	char buf[TEXT_SIZE];
	struct stat a, b;
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
	}
	fd = open("l", O_PATH | O_NOFOLLOW);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &a));
	EXPECT_TRUE(S_ISLNK(a.st_mode));
	EXPECT_EQ(self->st.len, a.st_size);
	EXPECT_EQ(self->st.len, readlinkat(fd, "", buf, sizeof(buf)));
	EXPECT_ERR(EBADF, read(fd, buf, 1));
	EXPECT_ERR(EBADF, fchmod(fd, 0600));
	EXPECT_OK(fchownat(fd, "", 5, 5, AT_EMPTY_PATH));
	EXPECT_OK(fstatat(fd, "", &a, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
	EXPECT_EQ(5, a.st_uid);
	EXPECT_OK(fchownat(fd, "", 0, 0, AT_EMPTY_PATH));
	close(fd);
	fd = open("l", O_PATH);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &a));
	ASSERT_OK(lstat("t", &b));
	EXPECT_EQ(b.st_ino, a.st_ino);
	EXPECT_EQ(0, b.st_uid);
	close(fd);
}

TEST_F(follow, resolve_no_symlinks)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, "d/t", "l"));
		ASSERT_OK(make_link(&self->st, "d", "ld"));
	}
	EXPECT_ERR(ELOOP, at2(AT_FDCWD, "l", O_RDONLY, RESOLVE_NO_SYMLINKS));
	EXPECT_ERR(ELOOP, at2(AT_FDCWD, "ld/t", O_RDONLY, RESOLVE_NO_SYMLINKS));
	EXPECT_OPENS("the target", at2(AT_FDCWD, "d/t", O_RDONLY, RESOLVE_NO_SYMLINKS));
	/* The link itself may be had. */
	EXPECT_OK(close(at2(AT_FDCWD, "l", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS)));
}

TEST_F(follow, resolve_beneath)
{
	char path[600];
	int d;

	snprintf(path, sizeof(path), "%s/d/t", self->st.path);
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(mkdir("d/e", 0755));
		ASSERT_OK(put("d/t", "inside"));
		ASSERT_OK(put("t", "outside"));
		ASSERT_OK(make_link(&self->st, "../t", "d/e/within"));
		ASSERT_OK(make_link(&self->st, "../t", "d/escapes"));
		ASSERT_OK(make_link(&self->st, path, "d/absolute"));
	}
	d = open("d", O_PATH | O_DIRECTORY);
	ASSERT_LE(0, d);
	EXPECT_OPENS("inside", at2(d, "e/within", O_RDONLY, RESOLVE_BENEATH));
	EXPECT_ERR(EXDEV, at2(d, "escapes", O_RDONLY, RESOLVE_BENEATH));
	EXPECT_ERR(EXDEV, at2(d, "absolute", O_RDONLY, RESOLVE_BENEATH));
	EXPECT_OPENS("outside", at2(d, "escapes", O_RDONLY, 0));
	EXPECT_OPENS("inside", at2(d, "absolute", O_RDONLY, 0));
	close(d);
}

TEST_F(follow, resolve_in_root)
{
	int d;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(mkdir("d/e", 0755));
		ASSERT_OK(put("d/t", "inside"));
		ASSERT_OK(put("t", "outside"));
		ASSERT_OK(make_link(&self->st, "/t", "d/absolute"));
		ASSERT_OK(make_link(&self->st, "/e/../t", "d/e/absolute"));
		ASSERT_OK(make_link(&self->st, "../../../t", "d/e/above"));
	}
	d = open("d", O_PATH | O_DIRECTORY);
	ASSERT_LE(0, d);
	EXPECT_OPENS("inside", at2(d, "absolute", O_RDONLY, RESOLVE_IN_ROOT));
	EXPECT_OPENS("inside", at2(d, "e/absolute", O_RDONLY, RESOLVE_IN_ROOT));
	EXPECT_OPENS("inside", at2(d, "e/above", O_RDONLY, RESOLVE_IN_ROOT));
	EXPECT_ERR(ENOENT, at2(d, "absolute", O_RDONLY, 0));
	close(d);
}

TEST_F(follow, resolve_no_magiclinks)
{
	char name[64];
	int fd;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(make_link(&self->st, "/proc/self/fd", "fds"));
	}
	fd = open("t", O_RDONLY);
	ASSERT_LE(0, fd);
	snprintf(name, sizeof(name), "fds/%d", fd);
	EXPECT_OPENS("the target", at2(AT_FDCWD, name, O_RDONLY, 0));
	EXPECT_ERR(ELOOP, at2(AT_FDCWD, name, O_RDONLY, RESOLVE_NO_MAGICLINKS));
	EXPECT_OPENS("the target", at2(AT_FDCWD, "l", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	close(fd);
}

TEST_F(follow, resolve_no_xdev)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("m", 0755));
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "here"));
		ASSERT_OK(make_link(&self->st, "m/t", "there"));
		ASSERT_OK(make_link(&self->st, "/proc/version", "far"));
	}
	ASSERT_OK(private_mounts());
	ASSERT_OK(mount("none", "m", "tmpfs", 0, NULL));
	ASSERT_OK(create_text("m/t", "mounted"));
	EXPECT_OPENS("the target", at2(AT_FDCWD, "here", O_RDONLY, RESOLVE_NO_XDEV));
	EXPECT_OPENS("mounted", at2(AT_FDCWD, "there", O_RDONLY, 0));
	EXPECT_ERR(EXDEV, at2(AT_FDCWD, "there", O_RDONLY, RESOLVE_NO_XDEV));
	EXPECT_ERR(EXDEV, at2(AT_FDCWD, "far", O_RDONLY, RESOLVE_NO_XDEV));
	ASSERT_OK(umount2("m", 0));
}

TEST_F(follow, walked_without_locks_once_cached)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, "d/t", "l"));
		ASSERT_OK(make_link(&self->st, "d", "ld"));
		/* relatime: the next access is later than this change. */
		tick();
	}
	/* RESOLVE_CACHED fails where a walk cannot be done in RCU mode. */
	if (self->st.at == STAGE_CRASHED || self->st.at == STAGE_REMOUNTED)
		EXPECT_ERR(EAGAIN, at2(AT_FDCWD, "l", O_RDONLY, RESOLVE_CACHED));
	EXPECT_OPENS("the target", open("l", O_RDONLY));
	EXPECT_OPENS("the target", open("ld/t", O_RDONLY));
	EXPECT_OPENS("the target", at2(AT_FDCWD, "l", O_RDONLY, RESOLVE_CACHED));
	EXPECT_OPENS("the target", at2(AT_FDCWD, "ld/t", O_RDONLY, RESOLVE_CACHED));
}

TEST_F(follow, permissions_of_the_target_count)
{
	if (self->st.fresh) {
		ASSERT_OK(put("open", "for all"));
		ASSERT_OK(put("shut", "for none"));
		ASSERT_OK(chmod("open", 0666));
		ASSERT_OK(chmod("shut", 0600));
		ASSERT_OK(make_link(&self->st, "open", "lo"));
		ASSERT_OK(make_link(&self->st, "shut", "ls"));
		/* Whoever owns the link. */
		ASSERT_OK(lchown("lo", 4242, 4242));
		ASSERT_OK(lchown("ls", TEST_UID, TEST_GID));
	}
	EXPECT_EQ(0, AS_USER(open("lo", O_RDWR)));
	EXPECT_EQ(EACCES, AS_USER(open("ls", O_RDONLY)));
	EXPECT_EQ(EACCES, AS_USER(truncate("ls", 0)));
	EXPECT_EQ(EPERM, AS_USER(chmod("ls", 0666)));
	EXPECT_STREQ("for none", read_text("shut"));
}

TEST_F(follow, permissions_on_the_way_count)
{
	char buf[TEXT_SIZE];
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/t", "the target"));
		ASSERT_OK(make_link(&self->st, "d/t", "in"));
		ASSERT_OK(make_link(&self->st, "../d/t", "d/l"));
		ASSERT_OK(chmod("d", 0700));
		ASSERT_OK(lchown("d/l", TEST_UID, TEST_GID));
	}
	EXPECT_EQ(EACCES, AS_USER(open("in", O_RDONLY)));
	EXPECT_EQ(EACCES, AS_USER(stat("in", &st)));
	EXPECT_EQ(0, AS_USER(readlink("in", buf, sizeof(buf))));
	EXPECT_EQ(EACCES, AS_USER(readlink("d/l", buf, sizeof(buf))));
	EXPECT_EQ(EACCES, AS_USER(lstat("d/l", &st)));
}

TEST_F(follow, protected_symlinks)
{
	int was;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(mkdir("sticky", 0755));
		ASSERT_OK(chmod("sticky", 01777));
		ASSERT_OK(make_link(&self->st, "../t", "sticky/others"));
		ASSERT_OK(lchown("sticky/others", 4242, 4242));
		ASSERT_OK(make_link(&self->st, "../t", "sticky/mine"));
		ASSERT_OK(lchown("sticky/mine", TEST_UID, TEST_GID));
		ASSERT_OK(make_link(&self->st, "../t", "sticky/roots"));
	}
	was = fs_sysctl("protected_symlinks", 1);
	ASSERT_LE(0, was);
	/* Root is protected above all. */
	EXPECT_ERR(EACCES, open("sticky/others", O_RDONLY));
	EXPECT_EQ(EACCES, AS_USER(open("sticky/others", O_RDONLY)));
	EXPECT_EQ(0, AS_USER(open("sticky/mine", O_RDONLY)));
	EXPECT_ERR(EACCES, open("sticky/mine", O_RDONLY));
	EXPECT_EQ(0, AS_USER(open("sticky/roots", O_RDONLY)));
	EXPECT_OK(close(open("sticky/others", O_PATH | O_NOFOLLOW)));
	/* A directory that is not both is not protected. */
	ASSERT_OK(chmod("sticky", 0777));
	EXPECT_OK(close(open("sticky/others", O_RDONLY)));
	ASSERT_OK(chmod("sticky", 01755));
	EXPECT_OK(close(open("sticky/others", O_RDONLY)));
	ASSERT_OK(chmod("sticky", 01777));
	EXPECT_EQ(1, fs_sysctl("protected_symlinks", 0));
	EXPECT_OK(close(open("sticky/others", O_RDONLY)));
	EXPECT_EQ(0, AS_USER(open("sticky/others", O_RDONLY)));
	EXPECT_EQ(0, fs_sysctl("protected_symlinks", was));
}

TEST_HARNESS_MAIN
