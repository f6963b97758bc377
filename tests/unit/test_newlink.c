// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl: a link that takes the place of another, while somebody else uses the names.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* What others do before the nth call of renameat2(), and after it. */
static void (*before[3])(void), (*after[3])(void);
static unsigned int calls;

static int racing_renameat2(int from, const char *old, int to, const char *new, unsigned int how);

#define renameat2 racing_renameat2
#include "../../tools/lnkctl/newlink.c"
#undef renameat2

static int racing_renameat2(int from, const char *old, int to, const char *new, unsigned int how)
{
	unsigned int n = calls < 2 ? calls++ : 2;
	int ret, err;

	if (before[n])
		before[n]();
	ret = renameat2(from, old, to, new, how);
	err = errno;
	if (after[n])
		after[n]();
	errno = err;
	return ret;
}

int lnkfs_setlinkat(int dirfd, const char *path, const struct lnkfs_link *link, int atflags)
{
	(void)dirfd;
	(void)path;
	(void)link;
	(void)atflags;
	return 0;
}

static int dir;

static void put(const char *text)
{
	int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);

	REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	REQUIRE(!renameat(dir, "new", dir, "name"));
}

static void put_first(void)
{
	put("first");
}

static void put_second(void)
{
	put("second");
}

static void take_away(void)
{
	REQUIRE(!unlinkat(dir, "name", 0));
}

/* Is there a file with this text, by the name or by any other one (NULL)? */
static bool has(const char *name, const char *text)
{
	char buf[16] = "";
	struct dirent *e;
	bool found = false;
	DIR *d;
	int fd;

	d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	REQUIRE(d);
	while ((e = readdir(d))) {
		if (name && strcmp(e->d_name, name))
			continue;
		memset(buf, 0, sizeof(buf));
		fd = openat(dir, e->d_name, O_RDONLY | O_NOFOLLOW);
		if (fd >= 0 && read(fd, buf, sizeof(buf) - 1) >= 0)
			found |= !strcmp(buf, text);
		if (fd >= 0)
			close(fd);
	}
	closedir(d);
	return found;
}

/* How many names there are; they are removed. */
static unsigned int empty(void)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	unsigned int n = 0;
	struct dirent *e;

	REQUIRE(d);
	while ((e = readdir(d)))
		n += !unlinkat(dir, e->d_name, 0);
	closedir(d);
	return n;
}

/* Replace the link by one that says "b"; 0 or an errno. */
static int swap(void)
{
	struct newlink link = { .dirfd = dir, .text = "b", .target = -1 };
	struct newlink_temp temp;
	int old, ret;

	calls = 0;
	REQUIRE(!symlinkat("a", dir, "name"));
	old = openat(dir, "name", O_PATH | O_NOFOLLOW);
	REQUIRE(old >= 0 && !newlink_begin(&link, &temp));
	ret = newlink_end(&temp, newlink_swap(&temp, "name", old));
	ret = ret ? errno : 0;
	close(old);
	return ret;
}

static void test_alone(void)
{
	char text[8] = "";

	CHECK_EQ(swap(), 0);
	CHECK_EQ(readlinkat(dir, "name", text, sizeof(text)), 1);
	CHECK(!strcmp(text, "b"));
	CHECK_EQ(empty(), 1);
}

static void test_replaced(void)
{
	before[0] = put_first;
	CHECK_EQ(swap(), ESTALE);
	CHECK(has("name", "first"));
	CHECK_EQ(empty(), 1);
}

static void test_removed(void)
{
	before[0] = put_first;
	after[0] = take_away;
	CHECK_EQ(swap(), ESTALE);
	CHECK(has("name", "first"));
	CHECK_EQ(empty(), 1);
	after[0] = NULL;
}

static void test_replaced_twice(void)
{
	before[0] = put_first;
	before[1] = put_second;
	CHECK_EQ(swap(), ESTALE);
	CHECK(has(NULL, "first"));
	CHECK(has(NULL, "second"));
	CHECK_EQ(empty(), 2);
}

static const struct tap_test tests[] = {
	{ "nobody else is there", test_alone },
	{ "the name means a file by now", test_replaced },
	{ "the name means a file, and then nothing", test_removed },
	{ "the name means a file, and then another one", test_replaced_twice },
};

int main(void)
{
	char path[] = "/tmp/test_newlink.XXXXXX", command[64];
	int ret;

	REQUIRE(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	REQUIRE(dir >= 0);
	ret = tap_main(tests, (int)(sizeof(tests) / sizeof(tests[0])));
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command) ? 1 : ret;
}
