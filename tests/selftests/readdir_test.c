// SPDX-License-Identifier: GPL-2.0
/* Listing directories, also while they change. */
#include "lnkfs_test.h"

TDIR_FIXTURE(readdir)

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* One getdents call at a time, so that a test decides when the next comes. */
struct lister {
	int fd;
	int len, pos, size;
	char buf[32768];
};

static void lister_open(struct lister *l, int size)
{
	l->fd = open(".", O_RDONLY | O_DIRECTORY);
	l->len = l->pos = 0;
	l->size = size;
}

static struct dirent64_raw *lister_next(struct lister *l)
{
	struct dirent64_raw *de;

	if (l->pos >= l->len) {
		l->len = syscall(SYS_getdents64, l->fd, l->buf, l->size);
		l->pos = 0;
		if (l->len <= 0)
			return NULL;
	}
	de = (struct dirent64_raw *)(l->buf + l->pos);
	l->pos += de->reclen;
	return de;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

TEST_F(readdir, types_and_inode_numbers)
{
	struct { const char *name; int type; int seen; } want[] = {
		{ "reg", DT_REG }, { "dir", DT_DIR }, { "lnk", DT_LNK },
		{ "fifo", DT_FIFO }, { "sock", DT_SOCK }, { "chr", DT_CHR },
		{ "blk", DT_BLK }, { ".", DT_DIR }, { "..", DT_DIR },
	};
	struct dirent *de;
	struct stat st;
	unsigned int i, pass;
	DIR *dir;

	ASSERT_OK(create_file("reg", 0644));
	ASSERT_OK(mkdir("dir", 0755));
	ASSERT_OK(symlink("x", "lnk"));
	ASSERT_OK(mknod("fifo", S_IFIFO | 0644, 0));
	ASSERT_OK(mknod("sock", S_IFSOCK | 0644, 0));
	ASSERT_OK(mknod("chr", S_IFCHR | 0644, makedev(1, 3)));
	ASSERT_OK(mknod("blk", S_IFBLK | 0644, makedev(7, 0)));
	for (pass = 0; pass < 2; pass++) {
		dir = opendir(".");
		ASSERT_NE(NULL, dir);
		while ((de = readdir(dir))) {
			for (i = 0; i < ARRAY_SIZE(want); i++)
				if (!strcmp(de->d_name, want[i].name))
					break;
			ASSERT_GT(ARRAY_SIZE(want), i);
			EXPECT_EQ(want[i].type, de->d_type);
			ASSERT_OK(lstat(de->d_name, &st));
			EXPECT_EQ(st.st_ino, de->d_ino);
			want[i].seen++;
		}
		closedir(dir);
		for (i = 0; i < ARRAY_SIZE(want); i++)
			EXPECT_EQ(pass + 1, want[i].seen);
		remount(_metadata, &self->dir);
	}
}

TEST_F(readdir, buffer_limits)
{
	char name[256], buf[512];
	int fd;

	memset(name, 'n', 255);
	name[255] = 0;
	ASSERT_OK(create_file(name, 0644));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_ERR(EINVAL, syscall(SYS_getdents64, fd, buf, 8));
	/* Room for "." and ".." in turn, never for the long name. */
	while (syscall(SYS_getdents64, fd, buf, 24) > 0)
		;
	EXPECT_ERR(EINVAL, syscall(SYS_getdents64, fd, buf, 24));
	EXPECT_LT(255, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	EXPECT_EQ(0, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	EXPECT_ERR(EISDIR, read(fd, buf, 1));
	close(fd);
	fd = open(name, O_RDONLY);
	EXPECT_ERR(ENOTDIR, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
}

TEST_F(readdir, tell_and_seek)
{
	enum { N = 1500 };
	static struct { long pos; char name[64]; } at[N + 2];
	struct rng r = { 99 };
	struct dirent *de;
	char name[64];
	int i, n = 0;
	DIR *dir;

	for (i = 0; i < N; i++) {
		sprintf(name, "entry-%d-%.*s", i, i % 40,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		ASSERT_OK(create_file(name, 0644));
	}
	dir = opendir(".");
	ASSERT_NE(NULL, dir);
	for (;;) {
		long pos = telldir(dir);

		de = readdir(dir);
		if (!de)
			break;
		ASSERT_GT(N + 2, n);
		at[n].pos = pos;
		strcpy(at[n++].name, de->d_name);
	}
	ASSERT_EQ(N + 2, n);
	for (i = 0; i < 1000; i++) {
		int k = rng_below(&r, n);

		seekdir(dir, at[k].pos);
		de = readdir(dir);
		ASSERT_NE(NULL, de);
		ASSERT_STREQ(at[k].name, de->d_name);
	}
	/* The positions outlive removals of other entries and a reopen. */
	for (i = 0; i < n; i += 2)
		if (!is_dot(at[i].name))
			ASSERT_OK(unlink(at[i].name));
	closedir(dir);
	dir = opendir(".");
	for (i = 1; i < n; i += 2) {
		seekdir(dir, at[i].pos);
		de = readdir(dir);
		ASSERT_NE(NULL, de);
		EXPECT_STREQ(at[i].name, de->d_name);
	}
	rewinddir(dir);
	for (i = 0; readdir(dir); i++)
		;
	EXPECT_LE(N / 2, i);
	closedir(dir);
}

TEST_F(readdir, wild_positions)
{
	static const long long pos[] = {
		1, 2, 3, 5, 7, 63, 64, 4095, 4096, 0x123456789LL, 0x7fffffffLL,
		0x7ffffffffffff000LL, 0x7fffffffffffffffLL,
	};
	char name[32], buf[4096];
	unsigned int i;
	int fd;

	for (i = 0; i < 200; i++) {
		sprintf(name, "wild-%u", i);
		ASSERT_OK(create_file(name, 0644));
	}
	fd = open(".", O_RDONLY | O_DIRECTORY);
	for (i = 0; i < ARRAY_SIZE(pos); i++) {
		long n;
		int calls = 0;

		if (lseek(fd, pos[i], SEEK_SET) < 0) {
			EXPECT_EQ(EINVAL, errno);
			continue;
		}
		do {
			n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		} while (n > 0 && ++calls < 1000);
		EXPECT_GT(1000, calls);
		EXPECT_EQ(0, n);
	}
	EXPECT_ERR(EINVAL, lseek(fd, -1, SEEK_SET));
	close(fd);
}

TEST_F(readdir, rewind_sees_what_is_new)
{
	struct dirent *de;
	int n = 0;
	DIR *dir = opendir(".");

	while (readdir(dir))
		n++;
	EXPECT_EQ(2, n);
	ASSERT_OK(create_file("new", 0644));
	rewinddir(dir);
	n = 0;
	while ((de = readdir(dir)))
		n += !strcmp(de->d_name, "new");
	EXPECT_EQ(1, n);
	closedir(dir);
}

enum { CHURN = 1200 };

/*
 * List with small buffers while @change works on the directory between the
 * calls. Entries named k* are left alone and must be seen exactly once.
 */
static void churn(struct __test_metadata *_metadata,
		  void (*change)(struct __test_metadata *, int step,
				 const char *seen))
{
	static unsigned char seen[CHURN];
	struct dirent64_raw *de;
	struct lister *l = malloc(sizeof(*l));
	char name[64];
	int i, step = 0;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < CHURN; i++) {
		sprintf(name, "%c%d", i % 2 ? 'k' : 'r', i);
		ASSERT_OK(create_file(name, 0644));
	}
	lister_open(l, 600);
	while ((de = lister_next(l))) {
		ASSERT_GT(CHURN * 20, ++step) TH_LOG("the listing never ends");
		strcpy(name, de->name);
		if (name[0] == 'k') {
			i = atoi(name + 1);
			EXPECT_EQ(0, seen[i]) TH_LOG("%s twice", name);
			seen[i] = 1;
		}
		change(_metadata, step, name);
	}
	EXPECT_EQ(0, l->len);
	for (i = 1; i < CHURN; i += 2)
		EXPECT_EQ(1, seen[i]) TH_LOG("k%d not listed", i);
	close(l->fd);
	free(l);
}

static void change_create(struct __test_metadata *_metadata, int step,
			  const char *seen)
{
	char name[64];

	sprintf(name, "new-%d", step);
	ASSERT_OK(create_file(name, 0644));
}

static void change_remove(struct __test_metadata *_metadata, int step,
			  const char *seen)
{
	char name[64];

	/* One that was just seen, and one that may still be to come. */
	if (seen[0] == 'r')
		unlink(seen);
	sprintf(name, "r%d", (step * 34) % CHURN);
	unlink(name);
}

static void change_rename(struct __test_metadata *_metadata, int step,
			  const char *seen)
{
	char name[300];

	if (seen[0] != 'r' || !exists(seen))
		return;
	sprintf(name, "renamed-%d-%.*s", step, step % 60,
		"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
	ASSERT_OK(rename(seen, name));
}

static void change_all(struct __test_metadata *_metadata, int step,
		       const char *seen)
{
	if (step < CHURN)
		change_create(_metadata, step, seen);
	change_rename(_metadata, step, seen);
	change_remove(_metadata, step + 7, seen);
}

TEST_F(readdir, while_creating)
{
	struct dirent64_raw *de;
	struct lister *l = malloc(sizeof(*l));
	char name[64];
	int i, step = 0;

	/* Like churn(), but creation may well stay ahead of the reader. */
	for (i = 0; i < 600; i++) {
		sprintf(name, "k%d", i);
		ASSERT_OK(create_file(name, 0644));
	}
	lister_open(l, 600);
	i = 0;
	while ((de = lister_next(l))) {
		ASSERT_GT(20000, ++step) TH_LOG("the listing never ends");
		if (de->name[0] == 'k')
			i++;
		if (step < 3000)
			change_create(_metadata, step, de->name);
	}
	EXPECT_EQ(600, i);
	close(l->fd);
	free(l);
}

TEST_F(readdir, while_removing)
{
	churn(_metadata, change_remove);
}

TEST_F(readdir, while_renaming)
{
	churn(_metadata, change_rename);
}

TEST_F(readdir, while_everything)
{
	churn(_metadata, change_all);
}

TEST_F(readdir, everyone_renamed_while_listing)
{
	struct dirent64_raw *de;
	struct lister *l = malloc(sizeof(*l));
	char name[64], to[64];
	int i, step = 0;

	for (i = 0; i < 1000; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(create_file(name, 0644));
	}
	lister_open(l, 2000);
	while ((de = lister_next(l))) {
		ASSERT_GT(20000, ++step) TH_LOG("the listing never ends");
		if (is_dot(de->name))
			continue;
		strcpy(name, de->name);
		sprintf(to, "renamed-%d", step);
		ASSERT_OK(rename(name, to));
	}
	EXPECT_LE(1000, step);
	close(l->fd);
	free(l);
}

TEST_F(readdir, remove_as_listed_empties_it)
{
	struct dirent64_raw *de;
	struct lister *l = malloc(sizeof(*l));
	char name[64];
	int i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(chdir("d"));
	for (i = 0; i < 2000; i++) {
		sprintf(name, "file-%d", i);
		ASSERT_OK(create_file(name, 0644));
	}
	lister_open(l, 1000);
	while ((de = lister_next(l)))
		if (!is_dot(de->name))
			ASSERT_OK(unlink(de->name));
	close(l->fd);
	ASSERT_OK(chdir(".."));
	EXPECT_OK(rmdir("d"));
	free(l);
}

/* The directory's content against a model: sorted names. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static void expect_content(struct __test_metadata *_metadata, char **want, int n)
{
	char **got = calloc(n + 1, sizeof(*got));
	struct dirent *de;
	DIR *dir = opendir(".");
	int i, k = 0;

	ASSERT_NE(NULL, dir);
	while ((de = readdir(dir))) {
		if (is_dot(de->d_name))
			continue;
		ASSERT_GT(n, k) TH_LOG("too many entries: %s", de->d_name);
		got[k++] = strdup(de->d_name);
	}
	closedir(dir);
	ASSERT_EQ(n, k);
	qsort(got, k, sizeof(*got), by_name);
	qsort(want, n, sizeof(*want), by_name);
	for (i = 0; i < n; i++) {
		ASSERT_STREQ(want[i], got[i]);
		free(got[i]);
	}
	free(got);
}

TEST_F(readdir, grows_from_empty_and_back)
{
	char *names[160], name[64];
	int i, n = 0;

	/* Every size on the way: inline, one block, several, an index. */
	for (i = 0; i < 160; i++) {
		sprintf(name, "%.*s-%d", i % 40,
			"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv", i);
		ASSERT_OK(create_file(name, 0644));
		names[n++] = strdup(name);
		expect_content(_metadata, names, n);
	}
	remount(_metadata, &self->dir);
	expect_content(_metadata, names, n);
	while (n) {
		i = (n * 7) % n + (n > 3 ? n / 3 : 0);
		if (i >= n)
			i = n - 1;
		ASSERT_OK(unlink(names[i]));
		free(names[i]);
		names[i] = names[--n];
		expect_content(_metadata, names, n);
	}
}

TEST_F(readdir, long_names_against_a_model)
{
	enum { N = 700 };
	static char *names[2 * N];
	struct rng r = { 31337 };
	char name[260];
	int i, n = 0, round;

	for (i = 0; i < N; i++) {
		int len = i % 3 ? 255 : 4 + rng_below(&r, 252);

		memset(name, 'a' + i % 26, len);
		sprintf(name, "%03d", i);
		name[3] = '-';
		name[len] = 0;
		ASSERT_OK(create_file(name, 0644));
		names[n++] = strdup(name);
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++)
			if (rng_below(&r, 2)) {
				ASSERT_OK(unlink(names[i]));
				free(names[i]);
				names[i--] = names[--n];
			}
		expect_content(_metadata, names, n);
		while (n < N) {
			int len = 12 + rng_below(&r, 244);

			memset(name, 'A' + round, len);
			sprintf(name, "%08x", (uint32_t)rng_next(&r));
			name[8] = '-';
			name[len] = 0;
			if (exists(name))
				continue;
			ASSERT_OK(create_file(name, 0644));
			names[n++] = strdup(name);
		}
		expect_content(_metadata, names, n);
		for (i = 0; i < n; i++)
			EXPECT_TRUE(exists(names[i]));
	}
	remount(_metadata, &self->dir);
	expect_content(_metadata, names, n);
}

TEST_F(readdir, emptied_directory_is_reused)
{
	blkcnt_t first = 0;
	struct stat st;
	char name[128];
	int i, round;

	ASSERT_OK(mkdir("d", 0755));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 1500; i++) {
			sprintf(name, "d/%d-%d-%.80s", round, i,
				"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz");
			ASSERT_OK(create_file(name, 0644));
		}
		ASSERT_OK(stat("d", &st));
		if (!round)
			first = st.st_blocks;
		EXPECT_LE(st.st_blocks, first + first / 4 + 16);
		for (i = 0; i < 1500; i++) {
			sprintf(name, "d/%d-%d-%.80s", round, i,
				"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz");
			ASSERT_OK(unlink(name));
		}
	}
	if (on_lnkfs()) {
		ASSERT_OK(stat("d", &st));
		EXPECT_LT(st.st_blocks, first / 4 + 1);
	}
	EXPECT_OK(rmdir("d"));
}

TEST_F(readdir, times_of_a_listing)
{
	struct stat a, b;

	ASSERT_OK(stat(".", &a));
	tick();
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(stat(".", &b));
	EXPECT_TRUE(b.st_mtim.tv_sec > a.st_mtim.tv_sec ||
		    b.st_mtim.tv_nsec > a.st_mtim.tv_nsec);
	tick();
	closedir(opendir("."));
	ASSERT_OK(stat(".", &a));
	EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
}

TEST_HARNESS_MAIN
