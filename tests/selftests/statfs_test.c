// SPDX-License-Identifier: GPL-2.0
/* What statfs says, and that it follows what happens. */
#include "lnkfs_format.h"
#include "lnkfs_test.h"

TDIR_FIXTURE(statfs)

static struct statfs now(void)
{
	struct statfs sf = { 0 };
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	syncfs(fd);
	fstatfs(fd, &sf);
	close(fd);
	return sf;
}

static unsigned long long bytes_free(struct statfs sf)
{
	return (unsigned long long)sf.f_bfree * sf.f_bsize;
}

TEST_F(statfs, fields)
{
	const char *bs = getenv("LNKFS_BSIZE");
	struct statfs sf = now();
	struct statvfs sv;

	if (bs)
		EXPECT_EQ(atol(bs), sf.f_bsize);
	EXPECT_EQ(255, sf.f_namelen);
	EXPECT_LT(0, sf.f_blocks);
	EXPECT_LE(sf.f_bfree, sf.f_blocks);
	EXPECT_LE(sf.f_bavail, sf.f_bfree);
	EXPECT_LT(0, sf.f_bavail);
	EXPECT_LT(0, sf.f_files);
	EXPECT_LE(sf.f_ffree, sf.f_files);
	EXPECT_LT(0, sf.f_ffree);
	EXPECT_TRUE(sf.f_fsid.__val[0] || sf.f_fsid.__val[1]);
	ASSERT_OK(statvfs(".", &sv));
	EXPECT_EQ(sf.f_bsize, sv.f_frsize);
	EXPECT_EQ(0, sv.f_flag & ST_RDONLY);
	EXPECT_EQ(on_lnkfs() ? LNKFS_SUPER_MAGIC : 0xEF53, sf.f_type);
}

TEST_F(statfs, follows_data)
{
	static char buf[1 << 20];
	struct statfs before, full, after = { 0 };
	int fd = open("f", O_CREAT | O_RDWR, 0644), i;

	memset(buf, 0x11, sizeof(buf));
	before = now();
	for (i = 0; i < 8; i++)
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	/* What is reserved for data still in memory counts as used. */
	ASSERT_OK(fstatfs(fd, &full));
	EXPECT_LE(bytes_free(full) + 8 * sizeof(buf), bytes_free(before));
	ASSERT_OK(fsync(fd));
	full = now();
	EXPECT_LE(bytes_free(full) + 8 * sizeof(buf), bytes_free(before));
	EXPECT_GE(bytes_free(full) + 8 * sizeof(buf) + 262144,
		  bytes_free(before));
	if (on_lnkfs())
		EXPECT_LT(full.f_ffree, before.f_ffree);
	close(fd);
	ASSERT_OK(unlink("f"));
	for (i = 0; i < 100; i++) {
		after = now();
		if (bytes_free(after) + 65536 >= bytes_free(before))
			break;
		usleep(100000);
	}
	EXPECT_GE(bytes_free(after) + 65536, bytes_free(before));
	EXPECT_LE(bytes_free(after), bytes_free(before) + 65536);
}

TEST_F(statfs, unwritten_reservation_is_returned)
{
	static char buf[1 << 20];
	struct statfs before, after;
	int fd = open("f", O_CREAT | O_RDWR, 0644), i;

	memset(buf, 0x22, sizeof(buf));
	before = now();
	for (i = 0; i < 4; i++)
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(ftruncate(fd, 0));
	close(fd);
	ASSERT_OK(unlink("f"));
	for (i = 0; i < 100; i++) {
		after = now();
		if (bytes_free(after) + 65536 >= bytes_free(before))
			break;
		usleep(100000);
	}
	EXPECT_GE(bytes_free(after) + 65536, bytes_free(before));
}

TEST_F(statfs, follows_inodes)
{
	struct statfs before = now(), full, after = { 0 };
	unsigned long long used0, used1;
	char name[32];
	int i;

	for (i = 0; i < 1000; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(create_file(name, 0644));
	}
	full = now();
	used0 = before.f_files - before.f_ffree;
	used1 = full.f_files - full.f_ffree;
	EXPECT_LE(used0 + 1000, used1);
	EXPECT_GT(before.f_ffree, full.f_ffree);
	for (i = 0; i < 1000; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(unlink(name));
	}
	for (i = 0; i < 100; i++) {
		after = now();
		if (after.f_files - after.f_ffree <= used0 &&
		    bytes_free(after) + 131072 >= bytes_free(before))
			break;
		usleep(100000);
	}
	EXPECT_EQ(used0, after.f_files - after.f_ffree);
	EXPECT_GE(bytes_free(after) + 131072, bytes_free(before));
}

TEST_F(statfs, survives_remount)
{
	struct statfs a, b;
	int i;

	ASSERT_OK(create_text("f", "text"));
	a = now();
	remount(_metadata, &self->dir);
	for (i = 0; i < 50; i++) {
		b = now();
		if (b.f_bfree == a.f_bfree)
			break;
		usleep(100000);
	}
	EXPECT_EQ(a.f_blocks, b.f_blocks);
	/* Freed space of earlier tests may have come back in the meantime. */
	EXPECT_GE(bytes_free(b) + 65536, bytes_free(a));
	EXPECT_EQ(a.f_fsid.__val[0], b.f_fsid.__val[0]);
	EXPECT_EQ(a.f_fsid.__val[1], b.f_fsid.__val[1]);
}

TEST_HARNESS_MAIN
