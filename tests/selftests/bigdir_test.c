// SPDX-License-Identifier: GPL-2.0
/* One large directory: LNKFS_BIGDIR entries, 100,000 unless told otherwise. */
#include "lnkfs_test.h"

TDIR_FIXTURE(bigdir)

static void entry_name(char *buf, unsigned int i, const char *tag)
{
	/* Names as cameras and package managers make them: a long common part. */
	sprintf(buf, "a-common-prefix-of-many-%s-%08u", tag, i);
}

/* List: each of the @n names must come once if its bit of @want is set. */
static void check_listing(struct __test_metadata *_metadata, unsigned int n,
			  const unsigned char *want, const char *tag)
{
	unsigned char *seen = calloc(n, 1);
	struct dirent *de;
	char name[128];
	unsigned int i, bad = 0;
	DIR *dir = opendir(".");

	ASSERT_NE(NULL, dir);
	while ((de = readdir(dir))) {
		const char *num = strrchr(de->d_name, '-');

		if (!num)
			continue;
		i = strtoul(num + 1, NULL, 10);
		ASSERT_GT(n, i);
		entry_name(name, i, tag);
		if (strcmp(name, de->d_name))
			continue;
		seen[i]++;
	}
	closedir(dir);
	for (i = 0; i < n; i++)
		if (seen[i] != want[i] && bad++ < 5)
			TH_LOG("entry %u listed %u times, not %u", i, seen[i],
			       want[i]);
	EXPECT_EQ(0, bad);
	free(seen);
}

static void lap(struct __test_metadata *_metadata, const char *what, double *t)
{
	double now = seconds();

	TH_LOG("%s: %.2f s", what, now - *t);
	*t = now;
}

TEST_F_TIMEOUT(bigdir, created_looked_up_listed_removed, 600)
{
	unsigned int n = atoi(env_or("LNKFS_BIGDIR", "100000")), i;
	unsigned char *want = malloc(n), *more = calloc(n, 1);
	struct stat st;
	blkcnt_t peak;
	char name[128];
	double t;

	memset(want, 1, n);
	ASSERT_OK(mkdir("big", 0755));
	ASSERT_OK(chdir("big"));
	t = seconds();
	for (i = 0; i < n; i++) {
		entry_name(name, i, "file");
		ASSERT_OK(mknod(name, S_IFREG | 0644, 0));
	}
	lap(_metadata, "create", &t);
	ASSERT_OK(stat(".", &st));
	peak = st.st_blocks;
	drop_caches();
	t = seconds();
	for (i = 0; i < n; i++) {
		entry_name(name, (i * 7919ULL) % n, "file");
		ASSERT_OK(lstat(name, &st));
		if (!(i % 64)) {
			name[3] ^= 1;
			EXPECT_ERR(ENOENT, lstat(name, &st));
		}
	}
	lap(_metadata, "look up", &t);
	check_listing(_metadata, n, want, "file");
	lap(_metadata, "list", &t);
	for (i = 1; i < n; i += 2) {
		entry_name(name, i, "file");
		ASSERT_OK(unlink(name));
		want[i] = 0;
	}
	lap(_metadata, "remove half", &t);
	for (i = 0; i < n; i += 4) {
		entry_name(name, i, "another");
		ASSERT_OK(symlink("x", name));
		more[i] = 1;
	}
	lap(_metadata, "create others", &t);
	remount(_metadata, &self->dir);
	ASSERT_OK(chdir("big"));
	t = seconds();
	check_listing(_metadata, n, want, "file");
	check_listing(_metadata, n, more, "another");
	lap(_metadata, "list both", &t);
	ASSERT_OK(stat(".", &st));
	EXPECT_LE(st.st_blocks, peak + peak / 10 + 64);
	for (i = 0; i < n; i++) {
		entry_name(name, i, "file");
		if (want[i])
			ASSERT_OK(unlink(name));
		entry_name(name, i, "another");
		if (more[i])
			ASSERT_OK(unlink(name));
	}
	lap(_metadata, "remove all", &t);
	ASSERT_OK(stat(".", &st));
	if (on_lnkfs())
		EXPECT_LE(st.st_blocks, 64);
	memset(want, 0, n);
	check_listing(_metadata, n, want, "file");
	check_listing(_metadata, n, want, "another");
	ASSERT_OK(chdir(".."));
	EXPECT_OK(rmdir("big"));
	free(want);
	free(more);
}

TEST_HARNESS_MAIN
