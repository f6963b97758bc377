// SPDX-License-Identifier: GPL-2.0
/*
 * The names of an inode, as LNKFS_IOC_GETNAMES gives them, against those that a
 * search of the tree finds.
 */
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>

#include "lnkfs_test.h"

#ifndef RENAME_WHITEOUT
#define RENAME_NOREPLACE	1
#define RENAME_EXCHANGE		2
#define RENAME_WHITEOUT		4
#endif

#define MAX_NAMES	2000

struct names {
	unsigned int count;
	char *name[MAX_NAMES];
};

static void names_free(struct names *l)
{
	while (l->count)
		free(l->name[--l->count]);
}

static int names_keep(struct names *l, const char *name)
{
	if (l->count == MAX_NAMES) {
		errno = E2BIG;
		return -1;
	}
	l->name[l->count++] = strdup(name);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct names *l)
{
	qsort(l->name, l->count, sizeof(l->name[0]), by_text);
}

/* One call; the names are added to @l. */
static int names_call(int base, struct lnkfs_names *n, void *buf, size_t size, struct names *l)
{
	const struct lnkfs_name_record *rec = buf;
	unsigned int i;

	n->n_size = sizeof(*n);
	n->n_buf = (uintptr_t)buf;
	n->n_len = size;
	n->n_flags = 0;
	n->n_count = 0;
	if (n->n_fd >= 0)
		n->n_ino = n->n_gen = 0;
	if (ioctl(base, LNKFS_IOC_GETNAMES, n))
		return -1;
	for (i = 0; i < n->n_count; i++) {
		if (strlen(rec->r_path) != rec->r_path_len || rec->r_len % 8 ||
		    names_keep(l, rec->r_path)) {
			errno = EPROTO;
			return -1;
		}
		rec = (const void *)((const char *)rec + rec->r_len);
	}
	return 0;
}

/* All names of what @fd is, below the directory @base, sorted. */
static int names_below(int base, int fd, size_t size, struct names *l)
{
	struct lnkfs_names n = { .n_fd = fd };
	uint64_t buf[8192];
	int ret;

	l->count = 0;
	do {
		ret = names_call(base, &n, buf, size ? size : sizeof(buf), l);
	} while (!ret && !(n.n_flags & LNKFS_NAMES_END));
	names_sort(l);
	return ret;
}

static int names_of(const char *path, struct names *l)
{
	int fd = open(path, O_PATH | O_NOFOLLOW), base = open(".", O_RDONLY), ret = -1;

	l->count = 0;
	if (fd >= 0)
		ret = names_below(base, fd, 0, l);
	close(fd);
	close(base);
	return ret;
}

static int names_of_ino(uint64_t ino, uint32_t gen, struct names *l)
{
	struct lnkfs_names n = { .n_fd = -1, .n_ino = ino, .n_gen = gen };
	int base = open(".", O_RDONLY), ret;
	uint64_t buf[8192];

	l->count = 0;
	ret = names_call(base, &n, buf, sizeof(buf), l);
	close(base);
	return ret;
}

/* Names that a search finds. */
static struct names *search_list;
static ino_t search_ino;

static int search_visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (st->st_ino == search_ino && ftw->level)
		return names_keep(search_list, path + 2);
	return 0;
}

static int search(ino_t ino, struct names *l)
{
	int ret;

	l->count = 0;
	search_list = l;
	search_ino = ino;
	ret = nftw(".", search_visit, 32, FTW_PHYS);
	names_sort(l);
	return ret;
}

/* The names of @path, one after the other with commas; NULL and errno. */
static const char *list(const char *path)
{
	static char text[65536];
	struct names l;
	unsigned int i;

	text[0] = 0;
	if (names_of(path, &l))
		return NULL;
	for (i = 0; i < l.count; i++) {
		strcat(text, i ? "," : "");
		strcat(text, l.name[i]);
	}
	names_free(&l);
	return text;
}

/* Are the names of @path those that a search finds? */
static bool agrees(const char *path)
{
	struct names a, b;
	unsigned int i;
	bool same;

	if (names_of(path, &a) || search(ino_of(path), &b))
		return false;
	same = a.count == b.count;
	for (i = 0; same && i < a.count; i++)
		same = !strcmp(a.name[i], b.name[i]);
	names_free(&a);
	names_free(&b);
	return same;
}

TDIR_FIXTURE(names);

TEST_F(names, every_type_has_its_name)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/file", 0644));
	ASSERT_OK(symlink("nowhere", "d/link"));
	ASSERT_OK(mkfifo("d/fifo", 0644));
	ASSERT_OK(mknod("d/dev", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_OK(mkdir("d/sub", 0755));
	EXPECT_STREQ("d", list("d"));
	EXPECT_STREQ("d/file", list("d/file"));
	EXPECT_STREQ("d/link", list("d/link"));
	EXPECT_STREQ("d/fifo", list("d/fifo"));
	EXPECT_STREQ("d/dev", list("d/dev"));
	EXPECT_STREQ("d/sub", list("d/sub"));
	/* what is above has no name below */
	EXPECT_STREQ("", list("."));
	EXPECT_STREQ("", list(".."));
}

TEST_F(names, hard_links)
{
	char name[64];
	int i;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(create_file("first", 0644));
	for (i = 0; i < 600; i++) {
		sprintf(name, "%c/%d", "ab"[i % 2], i);
		ASSERT_OK(link("first", name));
	}
	EXPECT_TRUE(agrees("first"));
	/* the name in the record goes, those in the tree stay; the next takes its place */
	ASSERT_OK(unlink("first"));
	EXPECT_TRUE(agrees("a/0"));
	ASSERT_OK(link("a/0", "again"));
	EXPECT_TRUE(agrees("a/0"));
	for (i = 0; i < 600; i += 3) {
		sprintf(name, "%c/%d", "ab"[i % 2], i);
		ASSERT_OK(unlink(name));
	}
	EXPECT_TRUE(agrees("again"));
	remount(_metadata, &self->dir);
	EXPECT_TRUE(agrees("again"));
	for (i = 0; i < 600; i++) {
		sprintf(name, "%c/%d", "ab"[i % 2], i);
		if (i % 3)
			ASSERT_OK(unlink(name));
	}
	EXPECT_STREQ("again", list("again"));
}

TEST_F(names, symlinks_and_special_files_have_links_too)
{
	ASSERT_OK(symlink("nowhere", "link"));
	ASSERT_OK(linkat(AT_FDCWD, "link", AT_FDCWD, "other", 0));
	ASSERT_OK(mkfifo("fifo", 0644));
	ASSERT_OK(link("fifo", "pipe"));
	EXPECT_STREQ("link,other", list("link"));
	EXPECT_STREQ("fifo,pipe", list("pipe"));
	ASSERT_OK(unlink("link"));
	EXPECT_STREQ("other", list("other"));
}

TEST_F(names, rename)
{
	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(create_file("a/one", 0644));
	ASSERT_OK(rename("a/one", "a/two"));
	EXPECT_STREQ("a/two", list("a/two"));
	ASSERT_OK(rename("a/two", "b/three"));
	EXPECT_STREQ("b/three", list("b/three"));
	ASSERT_OK(link("b/three", "a/four"));
	ASSERT_OK(rename("a/four", "b/five"));
	EXPECT_STREQ("b/five,b/three", list("b/three"));
	ASSERT_OK(rename("b/three", "a/six"));
	EXPECT_STREQ("a/six,b/five", list("b/five"));
	/* a directory takes along what is in it */
	ASSERT_OK(rename("b", "a/b"));
	EXPECT_STREQ("a/b", list("a/b"));
	EXPECT_STREQ("a/b/five,a/six", list("a/six"));
	/* two names of one inode: rename does nothing */
	ASSERT_OK(rename("a/six", "a/b/five"));
	EXPECT_STREQ("a/b/five,a/six", list("a/six"));
}

TEST_F(names, rename_over_another)
{
	ASSERT_OK(create_file("old", 0644));
	ASSERT_OK(link("old", "old2"));
	ASSERT_OK(link("old", "old3"));
	ASSERT_OK(create_file("new", 0644));
	ASSERT_OK(link("new", "new2"));
	/* a name in the tree over one in the record, and the other way round */
	ASSERT_OK(rename("new2", "old"));
	EXPECT_STREQ("old2,old3", list("old2"));
	EXPECT_STREQ("new,old", list("new"));
	ASSERT_OK(rename("new", "old3"));
	EXPECT_STREQ("old2", list("old2"));
	EXPECT_STREQ("old,old3", list("old"));
	ASSERT_OK(mkdir("empty", 0755));
	ASSERT_OK(mkdir("dir", 0755));
	ASSERT_OK(rename("dir", "empty"));
	EXPECT_STREQ("empty", list("empty"));
}

TEST_F(names, exchange)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(mkdir("d/sub", 0755));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(link("f", "g"));
	ASSERT_OK(create_file("d/h", 0644));
	ASSERT_OK(link("d/h", "i"));
	ASSERT_OK(renameat2(AT_FDCWD, "g", AT_FDCWD, "d/h", RENAME_EXCHANGE));
	EXPECT_STREQ("d/h,f", list("f"));
	EXPECT_STREQ("g,i", list("g"));
	ASSERT_OK(renameat2(AT_FDCWD, "f", AT_FDCWD, "d/sub", RENAME_EXCHANGE));
	EXPECT_STREQ("d/h,d/sub", list("d/sub"));
	EXPECT_STREQ("f", list("f"));
	ASSERT_OK(renameat2(AT_FDCWD, "d/h", AT_FDCWD, "d/sub", RENAME_EXCHANGE));
	EXPECT_STREQ("d/h,d/sub", list("d/sub"));
}

TEST_F(names, whiteout)
{
	struct stat st;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(link("f", "g"));
	ASSERT_OK(renameat2(AT_FDCWD, "g", AT_FDCWD, "h", RENAME_WHITEOUT));
	EXPECT_STREQ("f,h", list("f"));
	ASSERT_OK(lstat("g", &st));
	ASSERT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_STREQ("g", list("g"));
}

TEST_F(names, files_without_a_name)
{
	int base = open(".", O_RDONLY), fd;
	struct names l;
	char path[64];

	fd = open(".", O_TMPFILE | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	ASSERT_OK(names_below(base, fd, 0, &l));
	EXPECT_EQ(0, l.count);
	sprintf(path, "/proc/self/fd/%d", fd);
	ASSERT_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	EXPECT_STREQ("named", list("named"));
	ASSERT_OK(unlink("named"));
	ASSERT_OK(names_below(base, fd, 0, &l));
	EXPECT_EQ(0, l.count);
	close(fd);
	close(base);
}

TEST_F(names, by_number)
{
	struct names l;
	uint64_t ino;
	int fd, gen;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(link("d/f", "g"));
	ino = ino_of("g");
	fd = open("g", O_RDONLY);
	ASSERT_OK(ioctl(fd, FS_IOC_GETVERSION, &gen));
	close(fd);
	drop_caches();
	ASSERT_OK(names_of_ino(ino, 0, &l));
	EXPECT_EQ(2, l.count);
	names_free(&l);
	ASSERT_OK(names_of_ino(ino, gen, &l));
	EXPECT_EQ(2, l.count);
	names_free(&l);
	EXPECT_ERR(ESTALE, names_of_ino(ino, gen + 1 ? gen + 1 : 1, &l));
	ASSERT_OK(unlink("g"));
	ASSERT_OK(unlink("d/f"));
	sync();
	EXPECT_ERR(ESTALE, names_of_ino(ino, gen, &l));
	EXPECT_ERR(ESTALE, names_of_ino(0, 0, &l));
	EXPECT_ERR(ESTALE, names_of_ino(~0ULL, 0, &l));
	EXPECT_ERR(ESTALE, names_of_ino(ino_of(".") ^ 1ULL << 50, 0, &l));
}

/* Does the call that asks for a number tell the generation? 0: yes, else an errno. */
static int tells_gen(uint64_t ino, uint32_t gen)
{
	struct lnkfs_names n = { .n_fd = -1, .n_ino = ino };
	int base = open(".", O_RDONLY), ret;
	uint64_t buf[512];
	struct names l = { 0 };

	ret = names_call(base, &n, buf, sizeof(buf), &l);
	names_free(&l);
	close(base);
	if (!ret && n.n_gen != gen) {
		errno = n.n_gen ? EPROTO : EACCES;
		return -1;
	}
	return ret;
}

/* With its generation a number is a file handle. */
TEST_F(names, generations_are_not_for_everybody)
{
	int fd, gen;

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDONLY);
	ASSERT_OK(ioctl(fd, FS_IOC_GETVERSION, &gen));
	close(fd);
	EXPECT_OK(tells_gen(ino_of("f"), gen));
	EXPECT_EQ(EACCES, AS_USER(tells_gen(ino_of("f"), gen)));
}

/* Nor does anybody learn whether one that he has guessed is right. */
TEST_F(names, generations_are_not_to_be_guessed)
{
	struct names l;
	int fd, gen;
	ino_t ino;

	ASSERT_OK(create_file("f", 0644));
	ino = ino_of("f");
	fd = open("f", O_RDONLY);
	ASSERT_OK(ioctl(fd, FS_IOC_GETVERSION, &gen));
	close(fd);
	EXPECT_OK(names_of_ino(ino, gen, &l));
	names_free(&l);
	EXPECT_ERR(ESTALE, names_of_ino(ino, gen ^ 1 ?: 2, &l));
	EXPECT_EQ(0, AS_USER(names_of_ino(ino, 0, &l)));
	EXPECT_EQ(EPERM, AS_USER(names_of_ino(ino, gen, &l)));
	EXPECT_EQ(EPERM, AS_USER(names_of_ino(ino, gen ^ 1 ?: 2, &l)));
	EXPECT_EQ(EPERM, AS_USER(names_of_ino(~0ULL, gen, &l)));
}

/* Has a number so many names below this directory? 0: yes, and nothing else is told. */
static int has_names(uint64_t ino, uint64_t cookie, size_t count)
{
	struct lnkfs_names n = { .n_fd = -1, .n_ino = ino, .n_cookie = cookie };
	int base = open(".", O_RDONLY), ret;
	uint64_t buf[1024];
	struct names l = { 0 };

	ret = names_call(base, &n, buf, sizeof(buf), &l);
	close(base);
	if (!ret && (l.count != count || n.n_flags != LNKFS_NAMES_END || n.n_cookie ||
		     n.n_ino != ino || n.n_gen)) {
		errno = EPROTO;
		ret = -1;
	}
	names_free(&l);
	return ret;
}

/* Nor which numbers are in use: they are as those whose names he cannot find. */
TEST_F(names, numbers_are_not_to_be_guessed)
{
	uint64_t hidden, gone, c;

	ASSERT_OK(mkdir("d", 0700));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(create_file("g", 0644));
	hidden = ino_of("d/f");
	gone = ino_of("g");
	EXPECT_EQ(0, AS_USER(has_names(gone, 0, 1)));
	ASSERT_OK(unlink("g"));
	sync();
	for (c = 0; c < 3; c++) {
		EXPECT_EQ(0, AS_USER(has_names(hidden, c, 0)));
		EXPECT_EQ(0, AS_USER(has_names(gone, c, 0)));
		EXPECT_EQ(0, AS_USER(has_names(~0ULL, c, 0)));
	}
	EXPECT_ERR(ESTALE, has_names(gone, 0, 0));
}

/* As an ordinary user: how many names there are, or -1. */
static int user_count(const char *path)
{
	int status = AS_USER(({
		struct names l;

		names_of(path, &l) ? -1 : (errno = 100 + l.count, -1);
	}));

	return status >= 100 ? status - 100 : -1;
}

TEST_F(names, only_what_a_search_would_find)
{
	static const struct {
		mode_t mode;
		int count;
	} modes[] = {
		{ 0755, 3 }, { 0711, 2 }, { 0744, 2 }, { 0700, 2 }, { 0000, 2 }, { 0705, 3 },
	};
	unsigned int i;

	ASSERT_OK(mkdir("open", 0755));
	ASSERT_OK(mkdir("shut", 0755));
	ASSERT_OK(mkdir("shut/deep", 0755));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(link("f", "open/f"));
	ASSERT_OK(link("f", "shut/deep/f"));
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		ASSERT_OK(chmod("shut", modes[i].mode));
		EXPECT_EQ(modes[i].count, user_count("f")) TH_LOG("shut is %o", modes[i].mode);
		ASSERT_OK(chmod("shut", 0755));
		ASSERT_OK(chmod("shut/deep", modes[i].mode));
		EXPECT_EQ(modes[i].count, user_count("f")) TH_LOG("deep is %o", modes[i].mode);
		ASSERT_OK(chmod("shut/deep", 0755));
	}
	/* root may do everything */
	ASSERT_OK(chmod("shut", 0));
	EXPECT_STREQ("f,open/f,shut/deep/f", list("f"));
}

TEST_F(names, below_the_carrier_only)
{
	struct names l;
	int fd, base;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("a/b", 0755));
	ASSERT_OK(create_file("a/b/f", 0644));
	ASSERT_OK(link("a/b/f", "a/f"));
	ASSERT_OK(link("a/b/f", "f"));
	fd = open("f", O_RDONLY);
	base = open("a", O_RDONLY);
	ASSERT_OK(names_below(base, fd, 0, &l));
	ASSERT_EQ(2, l.count);
	EXPECT_STREQ("b/f", l.name[0]);
	EXPECT_STREQ("f", l.name[1]);
	names_free(&l);
	close(base);
	base = open("a/b", O_RDONLY);
	ASSERT_OK(names_below(base, fd, 0, &l));
	ASSERT_EQ(1, l.count);
	EXPECT_STREQ("f", l.name[0]);
	names_free(&l);
	close(base);
	close(fd);
}

TEST_F(names, arguments)
{
	int base = open(".", O_RDONLY), fd, null = open("/dev/null", O_RDONLY);
	uint64_t buf[64];
	struct lnkfs_names good = {
		.n_size = sizeof(good), .n_buf = (uintptr_t)buf, .n_len = sizeof(buf),
	}, n;

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDONLY);
	good.n_fd = fd;
#define BAD(err, carrier, change) do {					\
	n = good;							\
	change;								\
	EXPECT_ERR(err, ioctl(carrier, LNKFS_IOC_GETNAMES, &n));	\
} while (0)
	BAD(EINVAL, base, n.n_size--);
	BAD(EINVAL, base, n.n_size = 0);
	BAD(EINVAL, base, n.n_flags = 1);
	BAD(EINVAL, base, n.n_count = 1);
	BAD(EINVAL, base, n.n_reserved[0] = 1);
	BAD(EINVAL, base, n.n_reserved[1] = 1);
	BAD(EINVAL, base, n.n_ino = 1);
	BAD(EINVAL, base, n.n_gen = 1);
	BAD(EINVAL, base, n.n_fd = -2);
	BAD(EBADF, base, n.n_fd = 999);
	BAD(EXDEV, base, n.n_fd = null);
	BAD(ENOTDIR, fd, (void)0);
	BAD(ERANGE, base, n.n_len = 8);
	BAD(EFAULT, base, n.n_buf = 8);
	EXPECT_ERR(EFAULT, ioctl(base, LNKFS_IOC_GETNAMES, NULL));
	/* a cookie from nowhere: nothing, and no harm */
	n = good;
	n.n_cookie = ~0ULL;
	EXPECT_OK(ioctl(base, LNKFS_IOC_GETNAMES, &n));
	EXPECT_EQ(0, n.n_count);
	EXPECT_EQ(LNKFS_NAMES_END, n.n_flags);
	n = good;
	n.n_cookie = 1ULL << 44;
	EXPECT_OK(ioctl(base, LNKFS_IOC_GETNAMES, &n));
	close(null);
	close(fd);
	close(base);
}

TEST_F(names, small_buffers)
{
	int base = open(".", O_RDONLY), fd;
	struct names a, b;
	char name[32];
	unsigned int i;

	ASSERT_OK(create_file("f", 0644));
	for (i = 0; i < 200; i++) {
		sprintf(name, "link%u", i);
		ASSERT_OK(link("f", name));
	}
	fd = open("f", O_RDONLY);
	ASSERT_OK(names_below(base, fd, 0, &a));
	ASSERT_EQ(201, a.count);
	ASSERT_OK(names_below(base, fd, 32, &b));
	ASSERT_EQ(201, b.count);
	for (i = 0; i < 201; i++)
		EXPECT_STREQ(a.name[i], b.name[i]);
	names_free(&a);
	names_free(&b);
	close(fd);
	close(base);
}

/* Make a file so deep below @at, which is closed, that its path has no room. */
static int deep_file(int at)
{
	char name[201];
	int fd, i;

	memset(name, 'x', 200);
	name[200] = 0;
	for (i = 0; i < 25; i++) {
		if (mkdirat(at, name, 0755))
			return -1;
		fd = openat(at, name, O_RDONLY);
		close(at);
		at = fd;
	}
	fd = openat(at, "f", O_CREAT | O_RDWR, 0644);
	close(at);
	return fd;
}

TEST_F(names, deeper_than_a_path_can_be)
{
	int base = open(".", O_RDONLY), fd = deep_file(open(".", O_RDONLY));
	struct lnkfs_names n = { 0 };
	const struct lnkfs_name_record *rec;
	static uint64_t buf[8192];

	ASSERT_OK(fd);
	n.n_fd = fd;
	n.n_size = sizeof(n);
	n.n_buf = (uintptr_t)buf;
	n.n_len = sizeof(buf);
	ASSERT_OK(ioctl(base, LNKFS_IOC_GETNAMES, &n));
	ASSERT_EQ(1, n.n_count);
	rec = (void *)buf;
	EXPECT_EQ(LNKFS_NAME_CUT, rec->r_flags);
	EXPECT_LE(PATH_MAX - 202, rec->r_path_len);
	EXPECT_GT(PATH_MAX, rec->r_path_len);
	EXPECT_STREQ("xx/f", rec->r_path + rec->r_path_len - 4);
	EXPECT_EQ('x', rec->r_path[0]);
	close(fd);
	close(base);
}

/* The end of a path is none of the business of whoever could not have found it. */
TEST_F(names, the_end_of_a_path_out_of_reach)
{
	uint64_t ino;
	struct stat st;
	int fd;

	ASSERT_OK(mkdir("top", 0755));
	ASSERT_OK(mkdir("other", 0755));
	fd = deep_file(open("top", O_RDONLY));
	ASSERT_OK(fd);
	ASSERT_OK(fstat(fd, &st));
	close(fd);
	ino = st.st_ino;
	EXPECT_EQ(0, AS_USER(has_names(ino, 0, 1)));
	ASSERT_OK(chmod("top", 0700));
	EXPECT_EQ(0, AS_USER(has_names(ino, 0, 0)));
	/* nor is it a name below another directory */
	ASSERT_OK(chmod("top", 0755));
	ASSERT_OK(chdir("other"));
	EXPECT_EQ(0, AS_USER(has_names(ino, 0, 0)));
	ASSERT_OK(chdir(".."));
}

#define STEPS	17

struct step {
	char name[32];
	uint64_t cookie;
};

/* The names of @path, one a call, and where each call says that the next goes on. */
static int one_by_one(const char *path, struct step *s)
{
	int fd = open(path, O_PATH), base = open(".", O_RDONLY), count = 0, ret = 0;
	struct lnkfs_names n = { .n_fd = fd };
	struct names l = { 0 };
	uint64_t buf[4];

	while (!ret && !(n.n_flags & LNKFS_NAMES_END)) {
		ret = names_call(base, &n, buf, sizeof(buf), &l);
		if (!ret && l.count && count < STEPS) {
			strcpy(s[count].name, l.name[0]);
			s[count++].cookie = n.n_cookie;
		}
		names_free(&l);
	}
	close(fd);
	close(base);
	return ret ? ret : count;
}

/* Of all that @path has, are @count names given, each with the cookie that it has there? */
static int same_steps(const char *path, const struct step *all, int count)
{
	struct step s[STEPS];
	int i, j, got = one_by_one(path, s);

	for (i = j = 0; i < got && i < count; i++) {
		while (j < STEPS && strcmp(s[i].name, all[j].name))
			j++;
		if (j == STEPS || (s[i].cookie && s[i].cookie != all[j].cookie))
			break;
	}
	if (got == count && i == count)
		return 0;
	errno = EPROTO;
	return -1;
}

/* A cookie is the place of a name, which tells whether others are in the same directory. */
TEST_F(names, cookies_are_of_names_that_are_told)
{
	struct step all[STEPS];
	char name[32];
	int i;

	ASSERT_OK(create_file("f", 0644));
	for (i = 1; i < STEPS; i++) {
		sprintf(name, "d%d", i);
		ASSERT_OK(mkdir(name, 0755));
		strcat(name, "/f");
		ASSERT_OK(link("f", name));
	}
	ASSERT_EQ(STEPS, one_by_one("f", all));
	EXPECT_EQ(0, AS_USER(same_steps("f", all, STEPS)));
	for (i = 1; i < STEPS; i += 2) {
		sprintf(name, "d%d", i);
		ASSERT_OK(chmod(name, 0700));
	}
	EXPECT_EQ(0, AS_USER(same_steps("f", all, STEPS - STEPS / 2)));
}

TEST_F(names, survive_a_crash)
{
	const char *mnt = getenv("LNKFS_MNT"), *dev = getenv("LNKFS_DEV");
	char name[32];
	int fd, i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("f", 0644));
	for (i = 0; i < 100; i++) {
		sprintf(name, "d/%d", i);
		ASSERT_OK(link("f", name));
	}
	ASSERT_OK(rename("d/7", "seven"));
	fd = open(".", O_RDONLY);
	ASSERT_OK(fsync(fd));
	ASSERT_OK(unlink("f"));
	ASSERT_OK(link("seven", "d/not durable"));
	close(fd);
	ASSERT_OK(chdir("/"));
	ASSERT_OK(crash_volume(mnt, LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(umount2(mnt, 0));
	ASSERT_OK(mount(dev, mnt, env_or("FSTYPE", "lnkfs"), 0, NULL));
	ASSERT_OK(chdir(self->dir.path));
	EXPECT_EQ(101, nlink_of("seven"));
	EXPECT_TRUE(agrees("seven"));
}

/*
 * Anything that changes names, at random. There are a few directories, which move
 * as well, and a few files with many names.
 */
#define DIRS	6
#define SLOTS	12

static void random_name(struct rng *r, char *name)
{
	uint32_t dir = rng_below(r, DIRS + 1);

	/* d0/d1 is where d1 is when it is in d0 */
	if (dir < DIRS)
		sprintf(name, "d%u/%s%u", dir, rng_below(r, 4) ? "n" : "d", rng_below(r, SLOTS));
	else
		sprintf(name, "%s%u", rng_below(r, 3) ? "n" : "d", rng_below(r, SLOTS));
}

static void random_op(struct rng *r)
{
	static const unsigned int flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	char a[64], b[64];

	random_name(r, a);
	random_name(r, b);
	switch (rng_below(r, 12)) {
	case 0:
		close(open(a, O_CREAT | O_WRONLY, 0644));
		break;
	case 1:
		mkdir(a, 0755);
		break;
	case 2:
		if (symlink("anything", a))
			rmdir(a);
		break;
	case 3:
		unlink(a);
		break;
	case 4 ... 7:
		if (linkat(AT_FDCWD, a, AT_FDCWD, b, 0))
			unlink(b);
		break;
	default:
		renameat2(AT_FDCWD, a, AT_FDCWD, b, flags[rng_below(r, 5)]);
	}
}

static unsigned int visited, disagreed;

static int compare_visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (!ftw->level)
		return 0;
	visited++;
	/* the nested search is by another walk: nftw() keeps nothing between calls */
	if (!agrees(path)) {
		disagreed++;
		printf("# the names of %s are wrong: %s\n", path, list(path));
	}
	return 0;
}

TEST_F(names, random_operations)
{
	struct rng r = { 20261128 };
	char name[16];
	int round, i;

	for (i = 0; i < DIRS; i++) {
		sprintf(name, "d%d", i);
		ASSERT_OK(mkdir(name, 0755));
	}
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 500; i++)
			random_op(&r);
		visited = disagreed = 0;
		ASSERT_OK(nftw(".", compare_visit, 32, FTW_PHYS));
		EXPECT_LT(10, visited);
		EXPECT_EQ(0, disagreed);
		if (round % 4 == 3)
			remount(_metadata, &self->dir);
	}
}

/*
 * A tree is moved about while its names are asked for. Names in one directory may
 * change while a path goes through it, so that a path need not be all of one moment.
 */
struct mover {
	volatile bool stop;
	unsigned long moves;
};

static void *move_about(void *arg)
{
	struct mover *m = arg;

	for (; !m->stop; m->moves++) {
		rename("a/dir", "b/dir");
		rename("b/dir/f", "b/dir/g");
		rename("b/dir", "b/other");
		rename("b/other", "a/dir");
		rename("a/dir/g", "a/dir/f");
	}
	return NULL;
}

TEST_F(names, while_they_change)
{
	static const char *const good[] = {
		"a/dir/f", "b/dir/f", "b/other/f", "a/dir/g", "b/dir/g", "b/other/g",
	};
	struct mover m = { 0 };
	unsigned int i, found = 0;
	double end = seconds() + 3;
	int base, fd;
	struct names l;
	pthread_t t;

	ASSERT_OK(mkdir("a", 0755));
	ASSERT_OK(mkdir("b", 0755));
	ASSERT_OK(mkdir("a/dir", 0755));
	ASSERT_OK(create_file("a/dir/f", 0644));
	base = open(".", O_RDONLY);
	fd = open("a/dir/f", O_RDONLY);
	ASSERT_EQ(0, pthread_create(&t, NULL, move_about, &m));
	while (seconds() < end || (!m.moves && seconds() < end + 60)) {
		ASSERT_OK(names_below(base, fd, 0, &l));
		EXPECT_GE(1, l.count);
		if (l.count) {
			for (i = 0; i < 6 && strcmp(l.name[0], good[i]); i++)
				;
			EXPECT_GT(6, i) TH_LOG("%s", l.name[0]);
			found++;
		}
		names_free(&l);
	}
	m.stop = true;
	pthread_join(t, NULL);
	EXPECT_LT(0, m.moves);
	EXPECT_LT(0, found);
	EXPECT_STREQ("a/dir/f", list("a/dir/f"));
	close(fd);
	close(base);
}

TEST_HARNESS_MAIN
