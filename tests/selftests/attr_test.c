// SPDX-License-Identifier: GPL-2.0
/* Attributes: times, modes, owners, and who may change them. */
#include <sys/mman.h>

#include "lnkfs_test.h"

TDIR_FIXTURE(attr)

struct times {
	struct statx_timestamp a, m, c, b;
};

static struct times times_of(const char *name)
{
	struct statx sx = { 0 };

	statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW,
	      STATX_BASIC_STATS | STATX_BTIME, &sx);
	return (struct times) { sx.stx_atime, sx.stx_mtime, sx.stx_ctime,
				sx.stx_btime };
}

static bool later(struct statx_timestamp a, struct statx_timestamp b)
{
	return a.tv_sec > b.tv_sec ||
	       (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool same(struct statx_timestamp a, struct statx_timestamp b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

enum { NONE = 0, A = 1, M = 2, C = 4 };

/* Which of the times the operation moved; birth never moves. */
static int moved(struct __test_metadata *_metadata, struct times before,
		 const char *name)
{
	struct times now = times_of(name);

	EXPECT_TRUE(same(before.b, now.b)) TH_LOG("birth time of %s", name);
	EXPECT_FALSE(later(before.c, now.c)) TH_LOG("ctime of %s went back", name);
	return (same(before.a, now.a) ? 0 : A) |
	       (same(before.m, now.m) ? 0 : M) |
	       (same(before.c, now.c) ? 0 : C);
}

#define EXPECT_MOVES(what, name, call) do {				\
	struct times t_ = times_of(name);				\
									\
	tick();								\
	EXPECT_OK(call);						\
	EXPECT_EQ(what, moved(_metadata, t_, name))			\
		TH_LOG("%s on %s", #call, name);			\
} while (0)

TEST_F(attr, birth_time)
{
	struct timespec before, after;
	struct times t;
	struct statx sx;

	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	ASSERT_OK(create_file("f", 0644));
	clock_gettime(CLOCK_REALTIME, &after);
	ASSERT_OK(statx(AT_FDCWD, "f", 0, STATX_BTIME, &sx));
	EXPECT_TRUE(sx.stx_mask & STATX_BTIME);
	t = times_of("f");
	EXPECT_TRUE(t.b.tv_sec > before.tv_sec ||
		    (t.b.tv_sec == before.tv_sec &&
		     t.b.tv_nsec >= before.tv_nsec));
	EXPECT_TRUE(t.b.tv_sec < after.tv_sec ||
		    (t.b.tv_sec == after.tv_sec && t.b.tv_nsec <= after.tv_nsec));
	EXPECT_TRUE(same(t.b, t.m) && same(t.b, t.c) && same(t.b, t.a));
	tick();
	remount(_metadata, &self->dir);
	EXPECT_EQ(NONE, moved(_metadata, t, "f"));
	tick();
	ASSERT_OK(rename("f", "g"));
	ASSERT_OK(truncate("g", 100));
	EXPECT_TRUE(same(t.b, times_of("g").b));
}

TEST_F(attr, what_moves_which_time)
{
	struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
	char buf[64];
	int fd;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("f", "l"));
	fd = open("f", O_RDWR);
	EXPECT_MOVES(M | C, "f", write(fd, "x", 1));
	EXPECT_MOVES(C, "f", fchmod(fd, 0600));
	EXPECT_MOVES(C, "f", fchown(fd, 5, 6));
	EXPECT_MOVES(M | C, "f", ftruncate(fd, 100));
	EXPECT_MOVES(M | C, "f", ftruncate(fd, 1));
	EXPECT_MOVES(C, "f", link("f", "h"));
	EXPECT_MOVES(C, "f", unlink("h"));
	EXPECT_MOVES(NONE, "f", open("f", O_RDONLY));
	EXPECT_MOVES(NONE, "f", access("f", R_OK));
	EXPECT_MOVES(M | C, "f", open("f", O_WRONLY | O_TRUNC));
	ASSERT_EQ(4, pwrite(fd, "text", 4, 0));
	EXPECT_MOVES(A, "f", pread(fd, buf, 4, 0));
	EXPECT_MOVES(A | M | C, "f", utimensat(AT_FDCWD, "f", old, 0));
	EXPECT_MOVES(A | M | C, "f", utimensat(AT_FDCWD, "f", NULL, 0));
	EXPECT_MOVES(M | C, "d", create_file("d/f", 0644));
	EXPECT_MOVES(M | C, "d", mkdir("d/s", 0755));
	EXPECT_MOVES(M | C, "d", symlink("x", "d/l"));
	EXPECT_MOVES(M | C, "d", link("f", "d/h"));
	EXPECT_MOVES(M | C, "d", mknod("d/n", S_IFIFO | 0600, 0));
	EXPECT_MOVES(M | C, "d", rename("d/f", "d/g"));
	EXPECT_MOVES(M | C, "d", unlink("d/g"));
	EXPECT_MOVES(M | C, "d", rmdir("d/s"));
	EXPECT_MOVES(NONE, "d", closedir(opendir("d")));
	EXPECT_MOVES(C, "l", lchown("l", 5, 6));
	ASSERT_OK(lstat("l", &(struct stat){ 0 }));
	EXPECT_MOVES(A, "l", readlink("l", buf, sizeof(buf)));
	close(fd);
}

TEST_F(attr, failures_move_nothing)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/x", 0644));
	EXPECT_MOVES(NONE, "d", mkdir("d/x", 0755) == -1 ? 0 : -1);
	EXPECT_MOVES(NONE, "d", rmdir("d") == -1 ? 0 : -1);
	EXPECT_MOVES(NONE, "d", rename("d/none", "d/y") == -1 ? 0 : -1);
	EXPECT_MOVES(NONE, "f", link("f", "d/x") == -1 ? 0 : -1);
	EXPECT_MOVES(NONE, "f", AS_USER(chmod("f", 0777)) ? 0 : -1);
}

TEST_F(attr, mapped_write_moves_mtime)
{
	struct times t;
	char *map;
	int fd;

	ASSERT_OK(create_text("f", "text"));
	fd = open("f", O_RDWR);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	t = times_of("f");
	tick();
	map[0] = 'T';
	ASSERT_OK(msync(map, 4096, MS_SYNC));
	EXPECT_EQ(M | C, moved(_metadata, t, "f") & (M | C));
	munmap(map, 4096);
	close(fd);
}

TEST_F(attr, utimensat_keeps_nanoseconds)
{
	static const long long secs[] = {
		-2147483648LL + 100, -1, 0, 1, 2147483647LL, 2147483648LL,
		4294967295LL, 4294967296LL, 13569465600LL /* 2400 */,
	};
	struct timespec ts[2];
	char name[16];
	struct stat st;
	unsigned int i, pass;

	for (i = 0; i < ARRAY_SIZE(secs); i++) {
		sprintf(name, "f%u", i);
		ASSERT_OK(create_file(name, 0644));
		ts[0].tv_sec = secs[i] + 1;
		ts[0].tv_nsec = 1;
		ts[1].tv_sec = secs[i];
		ts[1].tv_nsec = 999999999;
		ASSERT_OK(utimensat(AT_FDCWD, name, ts, 0));
	}
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_SIZE(secs); i++) {
			sprintf(name, "f%u", i);
			ASSERT_OK(stat(name, &st));
			EXPECT_EQ(secs[i] + 1, st.st_atim.tv_sec);
			EXPECT_EQ(1, st.st_atim.tv_nsec);
			EXPECT_EQ(secs[i], st.st_mtim.tv_sec);
			EXPECT_EQ(999999999, st.st_mtim.tv_nsec);
		}
		remount(_metadata, &self->dir);
	}
}

TEST_F(attr, utimensat_special_values)
{
	struct timespec ts[2] = { { 100, 100 }, { 200, 200 } };
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	struct timespec bad[2] = { { 0, 1000000000 }, { 0, 0 } };
	struct timespec far[2] = { { -10000000000LL, 0 }, { 99999999999LL, 0 } };
	struct stat st, st2;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(utimensat(AT_FDCWD, "f", ts, 0));
	ASSERT_OK(utimensat(AT_FDCWD, "f", now, 0));
	ASSERT_OK(stat("f", &st));
	EXPECT_LT(1000000000, st.st_atim.tv_sec);
	EXPECT_EQ(200, st.st_mtim.tv_sec);
	EXPECT_EQ(200, st.st_mtim.tv_nsec);
	EXPECT_EQ(0, utimensat(AT_FDCWD, "f", omit, 0));
	EXPECT_ERR(EINVAL, utimensat(AT_FDCWD, "f", bad, 0));
	/* Out of range: clamped, and the same after the record is read back. */
	ASSERT_OK(utimensat(AT_FDCWD, "f", far, 0));
	ASSERT_OK(stat("f", &st));
	EXPECT_GT(-2000000000LL, st.st_atim.tv_sec);
	EXPECT_LT(-2200000000LL, st.st_atim.tv_sec);
	EXPECT_LT(13569465600LL, st.st_mtim.tv_sec);
	EXPECT_GT(99999999999LL, st.st_mtim.tv_sec);
	remount(_metadata, &self->dir);
	ASSERT_OK(stat("f", &st2));
	EXPECT_EQ(st.st_atim.tv_sec, st2.st_atim.tv_sec);
	EXPECT_EQ(st.st_mtim.tv_sec, st2.st_mtim.tv_sec);
	EXPECT_EQ(st.st_mtim.tv_nsec, st2.st_mtim.tv_nsec);
}

TEST_F(attr, modes_and_owners_persist)
{
	static const uid_t ids[] = { 0, 1, 65534, 65535, 65536, 0xfffffffe };
	char name[16];
	struct stat st;
	unsigned int i, pass, mode;

	for (mode = 0; mode < 010000; mode += 0357) {
		sprintf(name, "m%o", mode);
		ASSERT_OK(create_file(name, 0));
		ASSERT_OK(chmod(name, mode));
	}
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		sprintf(name, "o%u", i);
		ASSERT_OK(create_file(name, 0644));
		ASSERT_OK(chown(name, ids[i], ids[ARRAY_SIZE(ids) - 1 - i]));
	}
	for (pass = 0; pass < 2; pass++) {
		for (mode = 0; mode < 010000; mode += 0357) {
			sprintf(name, "m%o", mode);
			ASSERT_OK(stat(name, &st));
			EXPECT_EQ(S_IFREG | mode, st.st_mode);
		}
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			sprintf(name, "o%u", i);
			ASSERT_OK(stat(name, &st));
			EXPECT_EQ(ids[i], st.st_uid);
			EXPECT_EQ(ids[ARRAY_SIZE(ids) - 1 - i], st.st_gid);
		}
		remount(_metadata, &self->dir);
	}
	ASSERT_OK(chown("o0", -1, 7));
	ASSERT_OK(stat("o0", &st));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(7, st.st_gid);
}

TEST_F(attr, chown_clears_setuid)
{
	struct stat st;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(chmod("f", 06755));
	ASSERT_OK(chown("f", 5, 5));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(0755, st.st_mode & 07777);
	/* Without group execution the bit is not set-group-id. */
	ASSERT_OK(chmod("f", 02644));
	ASSERT_OK(chown("f", 6, 6));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(02644, st.st_mode & 07777);
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(chmod("d", 06755));
	ASSERT_OK(chown("d", 5, 5));
	ASSERT_OK(stat("d", &st));
	EXPECT_EQ(06755, st.st_mode & 07777);
}

static int write_one(const char *name)
{
	int fd = open(name, O_WRONLY);

	return fd < 0 ? -1 : write(fd, "x", 1);
}

TEST_F(attr, writing_clears_setuid)
{
	struct stat st;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(chmod("f", 06777));
	ASSERT_OK(write_one("f"));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(06777, st.st_mode & 07777);
	EXPECT_EQ(0, AS_USER(write_one("f")));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(0777, st.st_mode & 07777);
	ASSERT_OK(chmod("f", 06777));
	EXPECT_EQ(0, AS_USER(truncate("f", 0)));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(0777, st.st_mode & 07777);
}

TEST_F(attr, only_the_owner)
{
	struct timespec ts[2] = { { 1, 1 }, { 2, 2 } };
	struct stat st;

	ASSERT_OK(create_file("root", 0644));
	ASSERT_OK(create_file("open", 0644));
	ASSERT_OK(chmod("open", 0666));
	ASSERT_OK(create_file("mine", 0644));
	ASSERT_OK(chown("mine", TEST_UID, TEST_GID));
	EXPECT_EQ(EPERM, AS_USER(chmod("root", 0666)));
	EXPECT_EQ(EPERM, AS_USER(chmod("open", 0600)));
	EXPECT_EQ(EPERM, AS_USER(chown("root", TEST_UID, TEST_GID)));
	EXPECT_EQ(EPERM, AS_USER(lchown("root", TEST_UID, -1)));
	EXPECT_EQ(EPERM, AS_USER(utimensat(AT_FDCWD, "open", ts, 0)));
	EXPECT_EQ(EACCES, AS_USER(utimensat(AT_FDCWD, "root", NULL, 0)));
	EXPECT_EQ(0, AS_USER(utimensat(AT_FDCWD, "open", NULL, 0)));
	EXPECT_EQ(EACCES, AS_USER(truncate("root", 0)));
	EXPECT_EQ(0, AS_USER(truncate("open", 0)));
	EXPECT_EQ(0, AS_USER(chmod("mine", 0600)));
	EXPECT_EQ(0, AS_USER(utimensat(AT_FDCWD, "mine", ts, 0)));
	EXPECT_EQ(EPERM, AS_USER(chown("mine", 0, -1)));
	EXPECT_EQ(EPERM, AS_USER(chown("mine", -1, 4321)));
	EXPECT_EQ(0, AS_USER(chown("mine", -1, TEST_GID)));
	/* Set-group-id for a group that is not one's own falls away. */
	ASSERT_OK(chown("mine", TEST_UID, 4321));
	EXPECT_EQ(0, AS_USER(chmod("mine", 02755)));
	ASSERT_OK(stat("mine", &st));
	EXPECT_EQ(0755, st.st_mode & 07777);
}

static int list_dir(const char *name)
{
	DIR *d = opendir(name);

	return d ? closedir(d) : -1;
}

TEST_F(attr, access_denied)
{
	struct stat st;

	ASSERT_OK(mkdir("closed", 0700));
	ASSERT_OK(create_file("closed/f", 0644));
	ASSERT_OK(mkdir("nolist", 0711));
	ASSERT_OK(create_file("nolist/f", 0644));
	ASSERT_OK(mkdir("listonly", 0744));
	ASSERT_OK(create_file("listonly/f", 0644));
	ASSERT_OK(create_file("secret", 0600));
	EXPECT_EQ(EACCES, AS_USER(stat("closed/f", &st)));
	EXPECT_EQ(EACCES, AS_USER(list_dir("closed")));
	EXPECT_EQ(0, AS_USER(stat("nolist/f", &st)));
	EXPECT_EQ(EACCES, AS_USER(list_dir("nolist")));
	EXPECT_EQ(0, AS_USER(list_dir("listonly")));
	EXPECT_EQ(EACCES, AS_USER(stat("listonly/f", &st)));
	EXPECT_EQ(EACCES, AS_USER(open("secret", O_RDONLY)));
	EXPECT_EQ(EACCES, AS_USER(open("secret", O_WRONLY)));
	EXPECT_EQ(EACCES, AS_USER(create_file("new", 0644)));
	EXPECT_EQ(EACCES, AS_USER(mkdir("new", 0755)));
	EXPECT_EQ(EACCES, AS_USER(symlink("x", "new")));
	EXPECT_EQ(EACCES, AS_USER(mknod("new", S_IFIFO | 0600, 0)));
	EXPECT_EQ(EACCES, AS_USER(unlink("secret")));
	EXPECT_EQ(EACCES, AS_USER(rmdir("closed")));
	EXPECT_EQ(EACCES, AS_USER(rename("secret", "public")));
	EXPECT_FALSE(exists("new"));
}

TEST_F(attr, stat_fields)
{
	char buf[5000] = "x";
	struct statx sx;
	struct stat st;
	int fd;

	fd = open("f", O_CREAT | O_RDWR, 0644);
	ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(5000, st.st_size);
	EXPECT_LE(10, st.st_blocks);
	EXPECT_GE(5000 / 512 + 3 * 4096 / 512, st.st_blocks);
	EXPECT_LE(512, st.st_blksize);
	ASSERT_OK(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &sx));
	EXPECT_EQ(STATX_BASIC_STATS | STATX_BTIME,
		  sx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
	EXPECT_EQ(st.st_ino, sx.stx_ino);
	EXPECT_EQ(st.st_blocks, sx.stx_blocks);
	EXPECT_EQ(major(st.st_dev), sx.stx_dev_major);
	ASSERT_OK(stat(".", &st));
	EXPECT_LT(0, st.st_size + 1);
	EXPECT_TRUE(S_ISDIR(st.st_mode));
	close(fd);
}

TEST_HARNESS_MAIN
