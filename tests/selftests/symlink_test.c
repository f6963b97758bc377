// SPDX-License-Identifier: GPL-2.0
/*
 * Symbolic links: every length, and space used again and again. link_text_test
 * and link_follow_test have what a link is and does.
 */
#include "lnkfs_test.h"

TDIR_FIXTURE(symlink)

static const unsigned int lengths[] = {
	1, 2, 59, 60, 61, 100, 119, 300, 511, 800, 1000, 1023, 1024, 1025,
	1800, 1849, 1850, 1900, 2047, 2048, 3000, 4094, 4095,
};

/* A path of exactly @len bytes that leads to the file "t" of this directory. */
static void padded_target(char *buf, unsigned int len)
{
	memset(buf, '/', len);
	if (len > 1)
		buf[0] = '.';
	buf[len - 1] = 't';
	buf[len] = 0;
}

TEST_F(symlink, every_length)
{
	char want[4097], got[4200], name[32];
	unsigned int i, len, pass;
	struct stat st;

	ASSERT_OK(create_text("t", "the target"));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		len = lengths[i];
		if (len > symlink_max() || len == 2)
			continue;
		padded_target(want, len);
		sprintf(name, "l%u", len);
		ASSERT_OK(symlink(want, name));
	}
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			len = lengths[i];
			if (len > symlink_max() || len == 2)
				continue;
			padded_target(want, len);
			sprintf(name, "l%u", len);
			/* Follow first: the body may not be cached yet. */
			EXPECT_STREQ("the target", read_text(name))
				TH_LOG("length %u pass %u", len, pass);
			ASSERT_OK(lstat(name, &st));
			EXPECT_EQ(S_IFLNK | 0777, st.st_mode);
			EXPECT_EQ(len, st.st_size);
			EXPECT_EQ(1, st.st_nlink);
			memset(got, 'X', sizeof(got));
			EXPECT_EQ(len, readlink(name, got, sizeof(got)));
			EXPECT_EQ('X', got[len]);
			got[len] = 0;
			EXPECT_STREQ(want, got);
			if (len < 60)
				EXPECT_EQ(0, st.st_blocks);
		}
		if (!pass)
			drop_caches();
		else
			remount(_metadata, &self->dir);
	}
	EXPECT_ERR(EINVAL, readlink("t", got, sizeof(got)));
}

TEST_F(symlink, length_limits)
{
	char target[4200];

	memset(target, 'x', sizeof(target));
	target[4096] = 0;
	EXPECT_ERR(ENAMETOOLONG, symlink(target, "l"));
	target[4096] = 'x';
	target[4199] = 0;
	EXPECT_ERR(ENAMETOOLONG, symlink(target, "l"));
	EXPECT_FALSE(exists("l"));
	EXPECT_ERR(ENOENT, symlink("", "l"));
	EXPECT_FALSE(exists("l"));
}

TEST_F(symlink, exists_already)
{
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("nowhere", "l"));
	EXPECT_ERR(EEXIST, symlink("x", "f"));
	EXPECT_ERR(EEXIST, symlink("x", "d"));
	EXPECT_ERR(EEXIST, symlink("x", "l"));
	EXPECT_ERR(EEXIST, symlink("x", "."));
	EXPECT_ERR(ENOENT, symlink("x", "missing/l"));
	EXPECT_ERR(ENOTDIR, symlink("x", "f/l"));
	EXPECT_ERR(ENOENT, symlink("x", "new/"));
}

TEST_F(symlink, reused_space_shows_nothing_old)
{
	char target[3100], got[3200], name[32];
	struct rng r = { 4711 };
	unsigned int lens[400] = { 0 };
	unsigned int i, n, len, max = symlink_max() < 3000 ? 1000 : 3000;

	/* Links of all sizes come and go; what is there is always exact. */
	for (n = 0; n < 4000; n++) {
		i = rng_below(&r, 400);
		sprintf(name, "l%u", i);
		if (lens[i]) {
			memset(target, 'a' + i % 26, lens[i]);
			ASSERT_EQ(lens[i], readlink(name, got, sizeof(got)));
			ASSERT_EQ(0, memcmp(target, got, lens[i]));
			ASSERT_OK(unlink(name));
			lens[i] = 0;
			continue;
		}
		len = 1 + rng_below(&r, rng_below(&r, 2) ? max : 200);
		memset(target, 'a' + i % 26, len);
		target[len] = 0;
		ASSERT_OK(symlink(target, name));
		lens[i] = len;
	}
	remount(_metadata, &self->dir);
	for (i = 0; i < 400; i++) {
		sprintf(name, "l%u", i);
		if (!lens[i]) {
			EXPECT_FALSE(exists(name));
			continue;
		}
		memset(target, 'a' + i % 26, lens[i]);
		ASSERT_EQ(lens[i], readlink(name, got, sizeof(got)));
		EXPECT_EQ(0, memcmp(target, got, lens[i]));
	}
}

TEST_HARNESS_MAIN
