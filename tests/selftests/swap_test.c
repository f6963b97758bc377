// SPDX-License-Identifier: GPL-2.0
/* Swap files: written ones, allocated ones, ones with holes; what is refused while in use. */
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/swap.h>

#include "lnkfs_test.h"
#include "volume.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

VOLUME_FIXTURE(swapfile, 48)

#define PAGES	1024

/* The header of a swap area, as mkswap writes it. */
static int make_swap(int fd, unsigned int pages)
{
	static unsigned char page[4096];
	uint32_t info[3] = { 1, pages - 1, 0 };

	memset(page, 0, sizeof(page));
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	return pwrite(fd, page, sizeof(page), 0) == sizeof(page) && !fsync(fd) ? 0 : -1;
}

static int write_pages(int fd, unsigned int pages)
{
	static unsigned char page[4096];

	memset(page, 0x5a, sizeof(page));
	while (pages--)
		if (write(fd, page, sizeof(page)) != sizeof(page))
			return -1;
	return 0;
}

/* Pages swapped out, by /proc/self/status; -1: not told. */
static long swapped_kib(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmSwap: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* Send memory out and get it back. */
static void use_swap(struct __test_metadata *_metadata)
{
	const size_t len = PAGES / 2 * 4096;
	uint32_t *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i, bad = 0;
	int tries;

	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < len / 4; i++)
		mem[i] = i * 2654435761u;
	for (tries = 0; tries < 20 && swapped_kib() < 400; tries++) {
		EXPECT_OK(madvise(mem, len, MADV_PAGEOUT));
		usleep(50000);
	}
	EXPECT_LE(400, swapped_kib());
	for (i = 0; i < len / 4; i++)
		bad += mem[i] != (uint32_t)(i * 2654435761u);
	EXPECT_EQ(0, bad);
	munmap(mem, len);
}

static void use_file(struct __test_metadata *_metadata, int fd)
{
	int other;

	ASSERT_OK(swapon("s", 0));
	EXPECT_ERR(EBUSY, swapon("s", 0));
	use_swap(_metadata);
	other = open("s", O_RDWR);
	EXPECT_ERR(ETXTBSY, pwrite(fd, "x", 1, 0));
	EXPECT_ERR(ETXTBSY, pwrite(other, "x", 1, PAGES * 4096));
	EXPECT_ERR(ETXTBSY, ftruncate(fd, 0));
	EXPECT_ERR(ETXTBSY, truncate("s", 4096));
	EXPECT_ERR(ETXTBSY, open("s", O_WRONLY | O_TRUNC));
	EXPECT_ERR(ETXTBSY, fallocate(fd, 0, 0, 1));
	EXPECT_ERR(ETXTBSY, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	EXPECT_ERR(ETXTBSY, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	EXPECT_ERR(ETXTBSY, fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
	EXPECT_ERR(ETXTBSY, fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
	close(other);
	EXPECT_OK(swapoff("s"));
	EXPECT_EQ(1, pwrite(fd, "x", 1, 8192));
	EXPECT_OK(ftruncate(fd, 4096));
}

TEST_F(swapfile, written)
{
	int fd = open("s", O_CREAT | O_RDWR, 0600);

	ASSERT_OK(write_pages(fd, PAGES));
	ASSERT_OK(make_swap(fd, PAGES));
	use_file(_metadata, fd);
	close(fd);
}

/* Allocated, more than its size, with nothing but the header written. */
TEST_F(swapfile, allocated)
{
	struct stat st;
	int fd = open("s", O_CREAT | O_RDWR, 0600);

	ASSERT_OK(fallocate(fd, 0, 0, PAGES * 4096));
	ASSERT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (PAGES + 64) * 4096));
	ASSERT_OK(make_swap(fd, PAGES));
	use_file(_metadata, fd);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(4096, st.st_size);
	close(fd);
}

/* Blocks that are no pages: what cannot be used of the file is left out. */
TEST_F(swapfile, odd_blocks)
{
	unsigned int bs = fs_block_size(), i;
	int fd = open("s", O_CREAT | O_RDWR, 0600), g = open("g", O_CREAT | O_RDWR, 0600);

	/* Pieces that begin anywhere in a page of the disk. */
	for (i = 0; i < 40; i++) {
		ASSERT_OK(fallocate(g, 0, 0, (i * 3 + 1) * bs));
		ASSERT_OK(fallocate(fd, 0, 0, (i + 1) * PAGES / 40 * 4096));
	}
	ASSERT_OK(fallocate(fd, 0, 0, PAGES * 4096));
	ASSERT_OK(make_swap(fd, PAGES));
	use_file(_metadata, fd);
	close(fd);
	close(g);
}

TEST_F(swapfile, refused)
{
	int fd = open("s", O_CREAT | O_RDWR, 0600);

	/* A hole in the middle, at the end; data that have no blocks yet do not matter. */
	ASSERT_OK(write_pages(fd, PAGES));
	ASSERT_OK(make_swap(fd, PAGES));
	ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 409600, 4096));
	EXPECT_ERR(EINVAL, swapon("s", 0));
	EXPECT_EQ(1, pwrite(fd, "x", 1, 409600));
	EXPECT_OK(fallocate(fd, 0, 409600, 4096));
	EXPECT_OK(swapon("s", 0));
	EXPECT_OK(swapoff("s"));
	ASSERT_OK(ftruncate(fd, 4096));
	ASSERT_OK(ftruncate(fd, PAGES * 4096));
	EXPECT_ERR(EINVAL, swapon("s", 0));
	/* No header. */
	EXPECT_EQ(1, pwrite(fd, "x", 1, 4095));
	EXPECT_ERR(EINVAL, swapon("s", 0));
	EXPECT_EQ(EPERM, AS_USER(swapon("s", 0)));
	close(fd);
}

TEST_HARNESS_MAIN
