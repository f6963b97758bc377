// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks reserved for root: others are out of space while root is not.
 */
#include <sys/statfs.h>

#include "attr_util.h"
#include "lnkfs_test.h"
#include "volume.h"

#define PERCENT	20

VOLUME_FIXTURE_WITH(reserve, 32, "-m 20")

/* Write to a file until it fails: 0 is never returned, -1 with errno. */
static int fill(const char *name)
{
	static char buf[65536];
	int fd = open(name, O_CREAT | O_WRONLY | O_APPEND, 0666);
	ssize_t n;

	if (fd < 0)
		return -1;
	memset(buf, 'x', sizeof(buf));
	do {
		n = write(fd, buf, sizeof(buf));
	} while (n > 0);
	return fsync(fd) ? -1 : (errno = n ? errno : EIO, -1);
}

static int allocate(const char *name, long long bytes)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0666);

	return fd < 0 ? -1 : fallocate(fd, 0, 0, bytes);
}

/* Free and available bytes, when all that is under way has been written. */
static void space(long long *total, long long *avail, long long *left)
{
	struct statfs sf;
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	syncfs(fd);
	fstatfs(fd, &sf);
	close(fd);
	*total = (long long)sf.f_blocks * sf.f_bsize;
	*avail = (long long)sf.f_bavail * sf.f_bsize;
	*left = (long long)sf.f_bfree * sf.f_bsize;
}

TEST_F(reserve, is_for_root_alone)
{
	long long total, avail, left, before;

	ASSERT_OK(chmod(".", 0777));
	space(&total, &avail, &before);
	EXPECT_LE(total * (PERCENT - 5) / 100, before - avail);
	EXPECT_LE(before - avail, total * (PERCENT + 5) / 100);

	/* Writing and allocating ahead, as the owner and as root of a namespace. */
	EXPECT_EQ(ENOSPC, AS(U_OWNER, allocate("ahead", avail + (1 << 20))));
	EXPECT_EQ(ENOSPC, AS(U_NSROOT, allocate("ahead", avail + (1 << 20))));
	EXPECT_EQ(ENOSPC, AS(U_OWNER, fill("data")));
	EXPECT_EQ(ENOSPC, AS(U_NSROOT, fill("data")));
	space(&total, &avail, &left);
	EXPECT_LE(avail, total / 50);
	EXPECT_LE(total * (PERCENT - 5) / 100, left);

	/* Root has that; and it is all there is. */
	EXPECT_EQ(ENOSPC, AS(U_ROOT, fill("more")));
	space(&total, &avail, &left);
	EXPECT_EQ(0, avail);
	EXPECT_LE(left, total / 50);

	/* What is given back fills the reserve first. */
	ASSERT_OK(unlink("more"));
	EXPECT_EQ(ENOSPC, AS(U_OWNER, allocate("later", 4 << 20)));
	ASSERT_OK(unlink("data"));
	EXPECT_EQ(0, AS(U_OWNER, allocate("later", 4 << 20)));
}

TEST_HARNESS_MAIN
