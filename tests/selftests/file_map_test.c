// SPDX-License-Identifier: GPL-2.0
/* What a file tells about its extents: FIEMAP, SEEK_HOLE, SEEK_DATA, st_blocks. */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>

#include "file_util.h"

TDIR_FIXTURE(file_map)

static struct emap m;

static long long blocks_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_blocks;
}

/*
 * Allocate [off, off + len) of a hole and leave it unwritten: by fallocate, or
 * by a direct write whose memory ends too soon.
 */
static int make_unwritten(const char *name, off_t off, size_t len)
{
	int fd = open(name, O_RDWR | O_DIRECT), ret;
	char *buf;

	if (fd < 0)
		return -1;
	ret = fallocate(fd, 0, off, len);
	if (ret && errno == EOPNOTSUPP) {
		buf = mmap(NULL, 2 * len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ret = pwrite(fd, buf, len, off) == -1 && errno == EFAULT ? 0 : -1;
		munmap(buf, 2 * len);
	}
	close(fd);
	return ret;
}

TEST_F(file_map, delayed_allocation)
{
	static char buf[64 * KIB];
	int fd = open_new("f");

	memset(buf, 1, sizeof(buf));
	ASSERT_EQ(sizeof(buf), pwrite(fd, buf, sizeof(buf), MIB));
	/* Blocks that are only promised count. */
	EXPECT_EQ(sizeof(buf) / 512, blocks_of(fd));
	ASSERT_OK(get_map(fd, 0, &m));
	ASSERT_EQ(1, m.n);
	EXPECT_EQ(MIB, m.e[0].fe_logical);
	EXPECT_EQ(sizeof(buf), m.e[0].fe_length);
	EXPECT_EQ(0, m.e[0].fe_physical);
	EXPECT_EQ(FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_LAST,
		  m.e[0].fe_flags);
	EXPECT_EQ(MIB, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(MIB + sizeof(buf), lseek(fd, MIB, SEEK_HOLE));

	ASSERT_OK(get_map(fd, FIEMAP_FLAG_SYNC, &m));
	ASSERT_EQ(1, m.n);
	EXPECT_EQ(MIB, m.e[0].fe_logical);
	EXPECT_EQ(sizeof(buf), m.e[0].fe_length);
	EXPECT_NE(0, m.e[0].fe_physical);
	EXPECT_EQ(FIEMAP_EXTENT_LAST, m.e[0].fe_flags);
	EXPECT_EQ(sizeof(buf) / 512, blocks_of(fd));
	EXPECT_EQ(MIB, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(MIB + sizeof(buf), lseek(fd, MIB, SEEK_HOLE));
	close(fd);
}

TEST_F(file_map, arguments)
{
	struct fiemap fm = { .fm_length = ~0ULL };
	unsigned int bs = fs_block_size(), i;
	char *buf = aligned(bs);
	int fd = open_new("f");

	for (i = 0; i < 10; i++)
		ASSERT_EQ(bs, pwrite(fd, buf, bs, 2ULL * i * bs));
	/* Without room for an answer: how many there are. */
	fm.fm_flags = FIEMAP_FLAG_SYNC;
	ASSERT_OK(ioctl(fd, FS_IOC_FIEMAP, &fm));
	EXPECT_EQ(10, fm.fm_mapped_extents);
	/* From within a hole, from within an extent, a part. */
	ASSERT_OK(get_map_from(fd, 0, bs, &m));
	EXPECT_EQ(9, m.n);
	EXPECT_EQ(2 * bs, m.e[0].fe_logical);
	ASSERT_OK(get_map_from(fd, 0, 2 * bs + 1, &m));
	EXPECT_EQ(9, m.n);
	EXPECT_EQ(2 * bs, m.e[0].fe_logical);
	EXPECT_EQ(0, m.e[0].fe_flags & FIEMAP_EXTENT_LAST);
	EXPECT_NE(0, m.e[8].fe_flags & FIEMAP_EXTENT_LAST);
	fm.fm_start = 4 * bs;
	fm.fm_length = 4 * bs;
	ASSERT_OK(ioctl(fd, FS_IOC_FIEMAP, &fm));
	EXPECT_EQ(2, fm.fm_mapped_extents);
	ASSERT_OK(get_map_from(fd, 0, 1000ULL * bs, &m));
	EXPECT_EQ(0, m.n);
	/* Attributes have no block of their own. */
	ASSERT_OK(get_map(fd, FIEMAP_FLAG_XATTR, &m));
	EXPECT_EQ(0, m.n);

	EXPECT_ERR(EBADR, get_map(fd, 0x8000, &m));
	fm.fm_length = 0;
	EXPECT_ERR(EINVAL, ioctl(fd, FS_IOC_FIEMAP, &fm));
	fm.fm_length = 1;
	fm.fm_start = ~0ULL;
	EXPECT_ERR(EFBIG, ioctl(fd, FS_IOC_FIEMAP, &fm));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_FIEMAP, (void *)8));
	close(fd);
	free(buf);
}

TEST_F(file_map, ends)
{
	unsigned int bs = fs_block_size();
	int fd = open_new("f");

	EXPECT_ERR(ENXIO, lseek(fd, 0, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, 0, SEEK_HOLE));
	/* Data up to the middle of a block: the hole is at the end. */
	ASSERT_EQ(7, pwrite(fd, "seven..", 7, 3 * bs + 10));
	EXPECT_EQ(3 * bs, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(3 * bs + 16, lseek(fd, 3 * bs + 16, SEEK_DATA));
	EXPECT_EQ(3 * bs + 17, lseek(fd, 3 * bs, SEEK_HOLE));
	EXPECT_ERR(ENXIO, lseek(fd, 3 * bs + 17, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, 3 * bs + 17, SEEK_HOLE));
	EXPECT_ERR(ENXIO, lseek(fd, INT64_MAX, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, -1, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, -1, SEEK_HOLE));
	/* The rest of the block is data when the file grows; then comes a hole. */
	ASSERT_OK(ftruncate(fd, 10 * bs + 1));
	EXPECT_EQ(4 * bs, lseek(fd, 3 * bs, SEEK_HOLE));
	EXPECT_EQ(10 * bs, lseek(fd, 10 * bs, SEEK_HOLE));
	EXPECT_ERR(ENXIO, lseek(fd, 4 * bs, SEEK_DATA));
	ASSERT_OK(fsync(fd));
	EXPECT_EQ(4 * bs, lseek(fd, 3 * bs, SEEK_HOLE));
	EXPECT_EQ(3 * bs, lseek(fd, 0, SEEK_DATA));
	close(fd);
}

TEST_F(file_map, unwritten_is_a_hole_until_it_has_data)
{
	const off_t len = 256 * KIB, at = 128 * KIB;
	unsigned int bs = fs_block_size(), page = getpagesize(), pass;
	static char buf[256 * KIB];
	int fd = open_new("f");

	ASSERT_OK(ftruncate(fd, len));
	ASSERT_OK(make_unwritten("f", 0, len));
	EXPECT_EQ(len / 512, blocks_of(fd));
	ASSERT_OK(get_map(fd, 0, &m));
	EXPECT_EQ(len, m.bytes);
	EXPECT_NE(0, m.flags & FIEMAP_EXTENT_UNWRITTEN);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	EXPECT_ERR(ENXIO, lseek(fd, 0, SEEK_DATA));
	/* Dirty, then on the disk. */
	ASSERT_EQ(3, pwrite(fd, "abc", 3, at + 5));
	for (pass = 0; pass < 2; pass++) {
		EXPECT_EQ(at, lseek(fd, 0, SEEK_DATA));
		EXPECT_EQ(at + bs, lseek(fd, at, SEEK_HOLE));
		EXPECT_ERR(ENXIO, lseek(fd, at + bs, SEEK_DATA));
		EXPECT_EQ(len / 512, blocks_of(fd));
		ASSERT_OK(fsync(fd));
	}
	/* Read into the page cache, they are still no data (to ext4 they are). */
	ASSERT_EQ(len, pread(fd, buf, len, 0));
	EXPECT_TRUE(all_zero(buf, at));
	if (on_lnkfs()) {
		EXPECT_EQ(at, lseek(fd, 0, SEEK_DATA));
		EXPECT_EQ(at + bs, lseek(fd, at, SEEK_HOLE));
		EXPECT_ERR(ENXIO, lseek(fd, at + bs, SEEK_DATA));
		/* A page that is dirty now and was read before: all or a part. */
		ASSERT_EQ(1, pwrite(fd, "x", 1, len - 1));
		EXPECT_LE(len - page, lseek(fd, at + bs, SEEK_DATA));
		EXPECT_EQ(len, lseek(fd, len - 1, SEEK_HOLE));
		ASSERT_OK(fsync(fd));
		/* Older kernels write all of the page. */
		EXPECT_LE(len - page, lseek(fd, at + bs, SEEK_DATA));
	}
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	EXPECT_EQ(at, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(at + bs, lseek(fd, at, SEEK_HOLE));
	close(fd);
}

TEST_F(file_map, mapped_stores_into_unwritten)
{
	const off_t len = 64 * KIB;
	unsigned int page = getpagesize(), pass;
	int fd = open_new("f");
	char *map;

	ASSERT_OK(ftruncate(fd, len));
	ASSERT_OK(make_unwritten("f", 0, len));
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[5 * page] = 1;
	map[6 * page + 17] = 1;
	/* A fault makes a folio dirty, which may be larger than a page. */
	for (pass = 0; pass < 2; pass++) {
		EXPECT_GE(5 * page, lseek(fd, 0, SEEK_DATA));
		EXPECT_EQ(5 * page, lseek(fd, 5 * page, SEEK_DATA));
		EXPECT_LE(7 * page, lseek(fd, 5 * page, SEEK_HOLE));
		ASSERT_OK(msync(map, len, MS_SYNC));
	}
	munmap(map, len);
	close(fd);
}

/* A long unwritten extent full of dirty data is found to its end. */
TEST_F(file_map, much_dirty_data_in_unwritten)
{
	const off_t len = 6 * MIB;
	char *buf = malloc(len);
	int fd = open_new("f");

	memset(buf, 1, len);
	ASSERT_OK(ftruncate(fd, len));
	ASSERT_OK(make_unwritten("f", 0, len));
	ASSERT_EQ(len - MIB, pwrite(fd, buf, len - MIB, 0));
	EXPECT_EQ(len - MIB, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, len - MIB, SEEK_DATA));
	ASSERT_OK(fsync(fd));
	EXPECT_EQ(len - MIB, lseek(fd, 0, SEEK_HOLE));
	close(fd);
	free(buf);
}

enum { MODEL_BLOCKS = 800 };

/* SEEK and FIEMAP tell the same as a model, block by block. */
static void compare_model(struct __test_metadata *_metadata, int fd, const bool *data,
			  unsigned int bs)
{
	unsigned int i, j;
	off_t want;

	for (i = 0; i < MODEL_BLOCKS; i++) {
		for (j = i; j < MODEL_BLOCKS && !data[j]; j++)
			;
		want = j < MODEL_BLOCKS ? (off_t)(j > i ? j * bs : i * bs) : -1;
		ASSERT_EQ(want, lseek(fd, (off_t)i * bs, SEEK_DATA)) TH_LOG("block %u", i);
		for (j = i; j < MODEL_BLOCKS && data[j]; j++)
			;
		ASSERT_EQ((off_t)j * bs, lseek(fd, (off_t)i * bs, SEEK_HOLE))
			TH_LOG("block %u", i);
	}
	ASSERT_OK(get_map(fd, 0, &m));
	for (i = 0, j = 0; i < MODEL_BLOCKS; i++) {
		while (j < m.n && m.e[j].fe_logical + m.e[j].fe_length <= (off_t)i * bs)
			j++;
		ASSERT_EQ(data[i], j < m.n && m.e[j].fe_logical <= (off_t)i * bs);
	}
}

TEST_F(file_map, random_holes)
{
	static bool data[MODEL_BLOCKS];
	unsigned int bs = fs_block_size(), i, n, at, len;
	char *buf = malloc(16 * bs);
	struct rng r = { 99 };
	int fd = open_new("f");
	long long sum = 0;

	memset(buf, 1, 16 * bs);
	ASSERT_OK(ftruncate(fd, (off_t)MODEL_BLOCKS * bs));
	for (n = 0; n < 120; n++) {
		at = rng_below(&r, MODEL_BLOCKS);
		len = 1 + rng_below(&r, 3);
		if (at + len > MODEL_BLOCKS)
			len = MODEL_BLOCKS - at;
		ASSERT_EQ(len * bs, pwrite(fd, buf, len * bs, (off_t)at * bs));
		for (i = at; i < at + len; i++)
			data[i] = true;
		if (n % 30 == 7)
			ASSERT_OK(fdatasync(fd));
	}
	/* Some on the disk, some in memory only. */
	compare_model(_metadata, fd, data, bs);
	ASSERT_OK(fsync(fd));
	compare_model(_metadata, fd, data, bs);
	for (i = 0; i < MODEL_BLOCKS; i++)
		sum += data[i] * bs;
	EXPECT_EQ(sum, m.bytes);
	/* The nodes of the tree count, too: few. */
	EXPECT_LE(sum / 512, blocks_of(fd));
	EXPECT_GE(sum / 512 + 20 * bs / 512, blocks_of(fd));
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	compare_model(_metadata, fd, data, bs);
	close(fd);
	free(buf);
}

TEST_F(file_map, filefrag_agrees)
{
	unsigned int bs = fs_block_size(), i, n = 0;
	char *buf = aligned(bs), line[512];
	int fd = open_new("f");
	FILE *p;

	for (i = 0; i < 40; i++)
		ASSERT_EQ(bs, pwrite(fd, buf, bs, (39 - i) * 3ULL * bs));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(get_map(fd, 0, &m));
	EXPECT_EQ(40, m.n);
	close(fd);
	p = popen("filefrag f 2>&1", "r");
	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, fgets(line, sizeof(line), p));
	pclose(p);
	EXPECT_EQ(1, sscanf(line, "f: %u extent", &n)) TH_LOG("%s", line);
	/* It makes allowance for holes, which ext4 leaves room for. */
	if (on_lnkfs())
		EXPECT_EQ(m.pieces, n);
	free(buf);
}

/* Memory that is not there until somebody has done something else. */
struct trap {
	int uffd;
	char *mem;
	volatile char *store;
};

static void *spring(void *arg)
{
	struct trap *t = arg;
	struct uffd_msg msg;

	if (read(t->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return NULL;
	*t->store = 'm';
	munmap(t->mem, 8192);
	close(t->uffd);
	return t;
}

/* A store through a mapping while a write waits for its memory, in vain. */
TEST_F(file_map, stored_beside_a_failed_write)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = open_new("f");
	struct trap t;
	pthread_t thread;
	void *done;
	char *map, c;

	t.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (t.uffd < 0 && errno == ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_LE(0, t.uffd);
	ASSERT_OK(ftruncate(fd, 5000));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t.mem = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, t.mem);
	t.store = map + 4200;
	reg.range.start = (unsigned long)t.mem;
	reg.range.len = 8192;
	ASSERT_OK(ioctl(t.uffd, UFFDIO_API, &api));
	ASSERT_OK(ioctl(t.uffd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, pthread_create(&thread, NULL, spring, &t));
	EXPECT_ERR(EFAULT, pwrite(fd, t.mem, 8192, 4096));
	ASSERT_EQ(0, pthread_join(thread, &done));
	ASSERT_EQ(&t, done);
	EXPECT_OK(msync(map, 8192, MS_SYNC));
	EXPECT_OK(fsync(fd));
	munmap(map, 8192);
	drop_caches();
	ASSERT_EQ(1, pread(fd, &c, 1, 4200));
	EXPECT_EQ('m', c);
	close(fd);
}

TEST_HARNESS_MAIN
