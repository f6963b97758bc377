// SPDX-License-Identifier: GPL-2.0
/* Files as large as they can be: offsets, the limit, and cutting them down. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "file_util.h"

TDIR_FIXTURE(file_size)

/* As the user guide has it: 8 EiB less 2 MiB. */
#define LARGEST		(INT64_MAX - 2LL * MIB + 1)

static struct emap m;

static const off_t far[] = {
	2 * GIB, 4 * GIB - 4096, 4 * GIB, 2 * TIB - 4096, 2 * TIB, 4 * TIB, 16 * TIB - 4096,
	16 * TIB, 16 * TIB + 4096, 64 * TIB, 1024 * TIB, 1LL << 60, LARGEST - 4096,
};

/* ext4's limit is below most of these. */
static unsigned int usable(void)
{
	return on_lnkfs() ? ARRAY_SIZE(far) : 6;
}

TEST_F(file_size, far_offsets)
{
	unsigned int i, n = usable(), bs = fs_block_size();
	int fd = open_new("f");
	char got[8];

	for (i = n; i--;)
		ASSERT_EQ(4, pwrite(fd, &i, 4, far[i])) TH_LOG("%u: %s", i, strerror(errno));
	ASSERT_OK(fsync(fd));
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDWR);
	EXPECT_EQ(far[n - 1] + 4, lseek(fd, 0, SEEK_END));
	ASSERT_OK(get_map(fd, 0, &m));
	EXPECT_EQ((uint64_t)n * bs, m.bytes);
	EXPECT_NE(0, m.e[m.n - 1].fe_flags & FIEMAP_EXTENT_LAST);
	for (i = 0; i < n; i++) {
		memset(got, 0xff, 8);
		ASSERT_LE(4, pread(fd, got, 8, far[i]));
		EXPECT_EQ(0, memcmp(got, &i, 4)) TH_LOG("%u", i);
		EXPECT_EQ(far[i], lseek(fd, i ? far[i - 1] + 4096 : 0, SEEK_DATA));
		if (i + 1 < n && far[i + 1] > far[i] + 4096)
			EXPECT_EQ(far[i] + bs, lseek(fd, far[i], SEEK_HOLE));
	}
	/* Down from one to the next: always what is before stays. */
	for (i = n; i--;) {
		ASSERT_OK(ftruncate(fd, far[i] + 2));
		EXPECT_EQ(far[i] + 2, lseek(fd, 0, SEEK_END));
		EXPECT_EQ(2, pread(fd, got, 8, far[i]));
		ASSERT_OK(get_map(fd, FIEMAP_FLAG_SYNC, &m));
		EXPECT_EQ((i + 1ULL) * bs, m.bytes);
	}
	ASSERT_OK(ftruncate(fd, 0));
	ASSERT_OK(get_map(fd, 0, &m));
	EXPECT_EQ(0, m.n);
	close(fd);
}

TEST_F(file_size, far_direct_and_mapped)
{
	unsigned int i, n = usable();
	char *buf = aligned(4096), *map;
	int d = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644);

	ASSERT_LE(0, d);
	for (i = 0; i < n; i++) {
		memset(buf, i + 1, 4096);
		ASSERT_EQ(4096, pwrite(d, buf, 4096, far[i])) TH_LOG("%u", i);
	}
	for (i = 0; i < n; i++) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, d, far[i]);
		ASSERT_NE(MAP_FAILED, map) TH_LOG("%u", i);
		EXPECT_EQ(i + 1, map[4095]);
		map[7] = 100 + i;
		ASSERT_OK(msync(map, 4096, MS_SYNC));
		munmap(map, 4096);
		ASSERT_EQ(4096, pread(d, buf, 4096, far[i]));
		EXPECT_EQ(100 + i, buf[7]);
		EXPECT_EQ(i + 1, buf[8]);
	}
	close(d);
	free(buf);
}

TEST_F(file_size, the_limit)
{
	char buf[8192] = "abc";
	int fd = open_new("f");
	struct stat st;

	if (!on_lnkfs())
		SKIP(return, "ext4 has another");
	EXPECT_ERR(EFBIG, ftruncate(fd, LARGEST + 1));
	EXPECT_ERR(EFBIG, ftruncate(fd, INT64_MAX));
	ASSERT_OK(ftruncate(fd, LARGEST));
	EXPECT_EQ(1, pwrite(fd, "z", 1, LARGEST - 1));
	EXPECT_ERR(EFBIG, pwrite(fd, "z", 1, LARGEST));
	EXPECT_ERR(EFBIG, pwrite(fd, "z", 1, INT64_MAX - 1));
	EXPECT_EQ(3, pwrite(fd, buf, sizeof(buf), LARGEST - 3));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(LARGEST, st.st_size);
	EXPECT_EQ(fs_block_size() / 512, st.st_blocks);
	EXPECT_EQ(LARGEST, lseek(fd, LARGEST, SEEK_SET));
	EXPECT_ERR(EINVAL, lseek(fd, LARGEST + 1, SEEK_SET));
	EXPECT_EQ(LARGEST - fs_block_size(), lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(LARGEST, lseek(fd, LARGEST - 1, SEEK_HOLE));
	EXPECT_EQ(0, read(fd, buf, 1));
	EXPECT_ERR(EFBIG, pwrite(fd, "z", 1, LARGEST));
	EXPECT_EQ(3, pread(fd, buf + 100, 100, LARGEST - 3));
	EXPECT_EQ(0, memcmp(buf, buf + 100, 3));
	close(fd);
}

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	signals++;
}

TEST_F(file_size, limit_of_the_process)
{
	struct rlimit rl = { 10000, RLIM_INFINITY };
	char *buf = aligned(16384);
	int fd = open_new("f"), d = open("f", O_RDWR | O_DIRECT);

	signal(SIGXFSZ, count_signal);
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
	EXPECT_EQ(10000, pwrite(fd, buf, 16384, 0));
	EXPECT_EQ(0, signals);
	EXPECT_ERR(EFBIG, pwrite(fd, buf, 1, 10000));
	EXPECT_EQ(1, signals);
	EXPECT_ERR(EFBIG, pwrite(d, buf, 4096, 12288));
	EXPECT_EQ(2, signals);
	EXPECT_ERR(EFBIG, ftruncate(fd, 10001));
	EXPECT_EQ(3, signals);
	EXPECT_OK(ftruncate(fd, 10000));
	EXPECT_OK(ftruncate(fd, 100));
	EXPECT_EQ(3, signals);
	rl.rlim_cur = RLIM_INFINITY;
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
	signal(SIGXFSZ, SIG_DFL);
	close(fd);
	close(d);
	free(buf);
}

/* A file that is cut within a block has at no moment a size that it never had. */
TEST_F(file_size, cut_within_a_block)
{
	struct { volatile int stop; volatile off_t most; } *seen;
	char text[100];
	struct stat st;
	int fd, i;
	pid_t pid;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
	memset(text, 't', sizeof(text));
	fd = open_new("f");
	ASSERT_LE(0, fd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		while (!seen->stop)
			if (!fstat(fd, &st) && st.st_size > seen->most)
				seen->most = st.st_size;
		_exit(0);
	}
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(sizeof(text), pwrite(fd, text, sizeof(text), 0));
		ASSERT_OK(fsync(fd));
		ASSERT_OK(ftruncate(fd, 50));
	}
	seen->stop = 1;
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(sizeof(text), seen->most);
	munmap(seen, sizeof(*seen));
	close(fd);
}

/* More extents than any transaction of a small journal could free at once. */
VOLUME_FIXTURE(file_size_small, 32)

TEST_F(file_size_small, cut_down_step_by_step)
{
	unsigned int bs, i, n = 3000;
	struct statfs a, b;
	struct stat st;
	char x = 'x';
	int fd;

	ASSERT_OK(statfs(".", &a));
	bs = a.f_bsize;
	fd = open_new("f");
	for (i = 0; i < n; i++)
		ASSERT_EQ(1, pwrite(fd, &x, 1, (off_t)i * 2 * bs + TIB));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_LE((long long)n * bs / 512, st.st_blocks);
	ASSERT_OK(ftruncate(fd, TIB + (off_t)n * bs));
	EXPECT_EQ(TIB + (off_t)n * bs, lseek(fd, 0, SEEK_END));
	ASSERT_EQ(1, pread(fd, &x, 1, TIB + (off_t)(n - 2) * bs));
	EXPECT_EQ('x', x);
	ASSERT_OK(ftruncate(fd, 1));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_blocks);
	close(fd);
	ASSERT_OK(unlink("f"));
	sync();
	ASSERT_OK(statfs(".", &b));
	EXPECT_LE(a.f_bfree - b.f_bfree, 16 * KIB / bs);
}

TEST_HARNESS_MAIN
