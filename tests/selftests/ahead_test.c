// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks allocated ahead, written piece by piece on a volume that is full: each piece
 * makes the extent tree larger. What was accepted is there, and allocated blocks take
 * data whatever the free space is.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>

#include "lnkfs_test.h"
#include "volume.h"

/* Small blocks: many pieces, few records in a node. */
#define BLOCK	1024
#define BLOCKS	6144
#define PAGE	4096
#define MAYBE	2	/* refused, and perhaps in memory */

VOLUME_FIXTURE_WITH(ahead, 12, "-b 1024")

static unsigned char block[BLOCK] __attribute__((aligned(PAGE)));
static unsigned char accepted[BLOCKS];
static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static void pattern(unsigned char *p, unsigned int n)
{
	memset(p, 1 + n % 251, BLOCK);
	memcpy(p, &n, sizeof(n));
}

/* The blocks of "f", allocated, on a volume that has no other left. */
static int make(int mode)
{
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0644), full;
	size_t len = 65536;
	char buf[65536];
	ssize_t n;

	if (fd < 0 || fallocate(fd, mode, 0, BLOCKS * BLOCK))
		return -1;
	full = open("full", O_WRONLY | O_CREAT | O_EXCL, 0644);
	memset(buf, 'f', sizeof(buf));
	while (len >= BLOCK) {
		n = write(full, buf, len);
		if (n < 0 && errno != ENOSPC)
			return -1;
		if (n < (ssize_t)len)
			len /= 2;
	}
	if (fsync(full) || close(full))
		return -1;
	memset(accepted, 0, sizeof(accepted));
	return fd;
}

/* How many blocks are not what they should be? */
static int wrong_blocks(void)
{
	static unsigned char got[BLOCKS * BLOCK], want[BLOCK];
	int fd = open("f", O_RDONLY), wrong = 0;
	unsigned int i;

	memset(got, 0, sizeof(got));
	if (fd < 0 || pread(fd, got, sizeof(got), 0) < 0)
		wrong = BLOCKS;
	for (i = 0; i < BLOCKS; i++) {
		memset(want, 0, BLOCK);
		if (accepted[i] == MAYBE)
			continue;
		if (accepted[i])
			pattern(want, i);
		wrong += !!memcmp(want, got + i * BLOCK, BLOCK);
	}
	close(fd);
	return wrong;
}

static void expect_all(struct __test_metadata *_metadata, struct volume *v)
{
	EXPECT_EQ(0, wrong_blocks());
	drop_caches();
	EXPECT_EQ(0, wrong_blocks());
	ASSERT_OK(vol_again(v, 0, NULL));
	EXPECT_EQ(0, wrong_blocks());
	EXPECT_OK(unlink("full"));
	EXPECT_OK(unlink("f"));
}

/* Every other block, in an order that leaves no piece beside the last one. */
static unsigned int scattered(unsigned int i)
{
	return i * 1019 % (BLOCKS / 2) * 2 + 1;
}

TEST_F(ahead, written)
{
	unsigned int i, n;
	int fd = make(0);

	ASSERT_LE(0, fd);
	for (i = 0; i < BLOCKS / 2; i++) {
		n = scattered(i);
		pattern(block, n);
		ASSERT_EQ(BLOCK, pwrite(fd, block, BLOCK, n * BLOCK))
			TH_LOG("write %u: %s", i, strerror(errno));
		accepted[n] = 1;
		if (i % 500 == 0)
			EXPECT_OK(fsync(fd));
	}
	EXPECT_OK(fsync(fd));
	close(fd);
	expect_all(_metadata, &self->v);
}

TEST_F(ahead, written_directly)
{
	unsigned int i, n;
	int fd = make(0);

	ASSERT_LE(0, fd);
	close(fd);
	fd = open("f", O_RDWR | O_DIRECT);
	ASSERT_LE(0, fd);
	for (i = 0; i < BLOCKS / 2; i++) {
		n = scattered(i);
		pattern(block, n);
		ASSERT_EQ(BLOCK, pwrite(fd, block, BLOCK, n * BLOCK))
			TH_LOG("write %u: %s", i, strerror(errno));
		accepted[n] = 1;
	}
	EXPECT_OK(fsync(fd));
	close(fd);
	expect_all(_metadata, &self->v);
}

/* A store may be refused: by SIGBUS, and at once. */
TEST_F(ahead, mapped)
{
	volatile unsigned int i, refused = 0;
	unsigned int n;
	unsigned char *p;
	int fd = make(0);

	ASSERT_LE(0, fd);
	p = mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	signal(SIGBUS, on_bus);
	for (i = 0; i < BLOCKS / 8; i++) {
		n = i * 101 % (BLOCKS / 8) * 8 + 1;
		pattern(block, n);
		if (sigsetjmp(bus, 1)) {
			refused++;
		} else {
			memcpy(p + n * BLOCK, block, BLOCK);
			accepted[n] = 1;
		}
	}
	signal(SIGBUS, SIG_DFL);
	EXPECT_OK(msync(p, BLOCKS * BLOCK, MS_SYNC));
	EXPECT_OK(fsync(fd));
	munmap(p, BLOCKS * BLOCK);
	close(fd);
	expect_all(_metadata, &self->v);
	TH_LOG("%u of %u stores refused", refused, BLOCKS / 8);
}

/* Past the end of the file: a write that is refused may have been the last one. */
TEST_F(ahead, past_the_end)
{
	int fd = make(FALLOC_FL_KEEP_SIZE);
	unsigned int n;
	ssize_t ret;

	ASSERT_LE(0, fd);
	for (n = 1; n < BLOCKS; n += 2) {
		pattern(block, n);
		ret = pwrite(fd, block, BLOCK, n * BLOCK);
		if (ret < 0) {
			ASSERT_EQ(ENOSPC, errno);
			accepted[n] = MAYBE;
			break;
		}
		ASSERT_EQ(BLOCK, ret);
		accepted[n] = 1;
	}
	if (n >= BLOCKS)
		EXPECT_OK(fsync(fd));
	EXPECT_LT(200, n);
	close(fd);
	expect_all(_metadata, &self->v);
}

TEST_HARNESS_MAIN
