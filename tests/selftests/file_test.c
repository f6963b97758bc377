// SPDX-License-Identifier: GPL-2.0
/* Regular files: read, write, truncate, mmap, direct I/O, sync. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#include "file_util.h"
#include "lnkfs_test.h"

TDIR_FIXTURE(file)

TEST_F(file, sizes_and_offsets)
{
	static const unsigned int sizes[] = {
		1, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 8191,
		65543,
	};
	static const unsigned int offs[] = {
		0, 1, 511, 1023, 1024, 4095, 4096, 4097, 65535, 262141,
	};
	static unsigned char buf[70000], got[400000];
	unsigned int i, j, pass;
	struct stat st;
	char name[32];
	int fd;

	fill(buf, sizeof(buf), 1);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(offs); j++) {
			sprintf(name, "f%u-%u", i, j);
			fd = open_new(name);
			ASSERT_LE(0, fd);
			ASSERT_EQ(sizes[i], pwrite(fd, buf, sizes[i], offs[j]));
			close(fd);
		}
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			for (j = 0; j < ARRAY_SIZE(offs); j++) {
				unsigned int end = offs[j] + sizes[i];

				sprintf(name, "f%u-%u", i, j);
				fd = open(name, O_RDONLY);
				ASSERT_LE(0, fd);
				ASSERT_OK(fstat(fd, &st));
				EXPECT_EQ(end, st.st_size);
				ASSERT_EQ(end, read(fd, got, sizeof(got)));
				EXPECT_TRUE(all_zero(got, offs[j]));
				EXPECT_EQ(0, memcmp(buf, got + offs[j], sizes[i]));
				EXPECT_EQ(0, read(fd, got, 1));
				close(fd);
			}
		drop_caches();
	}
}

enum { MODEL = 1 << 20 };

struct model {
	unsigned char *want, *got;
	off_t size;
};

static void model_check(struct __test_metadata *_metadata, struct model *m,
			int fd, int step)
{
	struct stat st;
	off_t i;

	ASSERT_OK(fstat(fd, &st));
	ASSERT_EQ(m->size, st.st_size) TH_LOG("step %d", step);
	ASSERT_EQ(m->size, pread(fd, m->got, MODEL, 0));
	if (!memcmp(m->want, m->got, m->size))
		return;
	for (i = 0; m->want[i] == m->got[i]; i++)
		;
	ASSERT_EQ(m->want[i], m->got[i])
		TH_LOG("step %d: first difference at %lld of %lld", step,
		       (long long)i, (long long)m->size);
}

static void model_run(struct __test_metadata *_metadata, struct tdir *dir,
		      unsigned int seed, bool direct, int steps)
{
	struct model m = { malloc(MODEL), malloc(MODEL), 0 };
	unsigned char *buf, *map;
	struct rng r = { seed };
	int fd, dfd = -1, step;

	memset(m.want, 0, MODEL);
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, MODEL));
	fd = open_new("model");
	ASSERT_LE(0, fd);
	if (direct) {
		dfd = open("model", O_RDWR | O_DIRECT);
		ASSERT_LE(0, dfd);
	}
	for (step = 0; step < steps; step++) {
		off_t off = rng_below(&r, MODEL);
		size_t len = 1 + rng_below(&r, rng_below(&r, 4) ? 9000 : 90000);
		unsigned int op = rng_below(&r, 100);

		if (off + len > MODEL)
			len = MODEL - off;
		if (op < 45) {
			if (rng_below(&r, 3) == 0)
				off &= ~4095;
			fill(buf, len, step);
			ASSERT_EQ(len, pwrite(fd, buf, len, off));
			memcpy(m.want + off, buf, len);
			if (off + (off_t)len > m.size)
				m.size = off + len;
		} else if (op < 60) {
			if (rng_below(&r, 3) == 0)
				off &= ~1023;
			ASSERT_OK(ftruncate(fd, off));
			if (off < m.size)
				memset(m.want + off, 0, m.size - off);
			m.size = off;
		} else if (op < 72 && m.size) {
			off %= m.size;
			if (off + (off_t)len > m.size)
				len = m.size - off;
			map = mmap(NULL, MODEL, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, map);
			fill(map + off, len, step);
			memcpy(m.want + off, map + off, len);
			if (rng_below(&r, 2))
				ASSERT_OK(msync(map, MODEL, MS_SYNC));
			munmap(map, MODEL);
		} else if (op < 85 && direct) {
			off &= ~4095;
			len = (len + 4095) & ~4095;
			if (off + (off_t)len > MODEL)
				len = MODEL - off;
			fill(buf, len, step);
			ASSERT_EQ(len, pwrite(dfd, buf, len, off));
			memcpy(m.want + off, buf, len);
			if (off + (off_t)len > m.size)
				m.size = off + len;
		} else if (op < 90 && direct) {
			ssize_t want = m.size - (off & ~4095);

			off &= ~4095;
			if (want < 0)
				want = 0;
			ASSERT_EQ(want, pread(dfd, buf, MODEL - off, off));
			ASSERT_EQ(0, memcmp(m.want + off, buf, want));
		} else if (op < 94) {
			ASSERT_OK(fsync(fd));
		} else if (op < 96) {
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		if (step % 8 == 7)
			model_check(_metadata, &m, fd, step);
	}
	close(fd);
	if (dfd >= 0)
		close(dfd);
	remount(_metadata, dir);
	fd = open("model", O_RDONLY);
	ASSERT_LE(0, fd);
	model_check(_metadata, &m, fd, step);
	close(fd);
	free(m.want);
	free(m.got);
	free(buf);
}

TEST_F(file, random_buffered_and_mapped)
{
	model_run(_metadata, &self->dir, 12345, false, 800);
}

TEST_F(file, random_with_direct)
{
	model_run(_metadata, &self->dir, 777, true, 600);
}

TEST_F(file, many_fragments)
{
	unsigned int bs = fs_block_size(), i, n = 1500;
	unsigned char *buf = malloc(bs), *got = malloc(bs);
	int fd = open_new("f"), fd2 = open_new("g");

	/* Every other block, from the back: an extent each, a tree of them. */
	for (i = n; i--;) {
		fill(buf, bs, i);
		ASSERT_EQ(bs, pwrite(fd, buf, bs, (off_t)i * 2 * bs));
		if (i % 3 == 0)
			ASSERT_EQ(bs, pwrite(fd2, buf, bs, (off_t)i * bs));
		if (i % 500 == 0)
			ASSERT_OK(fsync(fd));
	}
	close(fd);
	close(fd2);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDWR);
	for (i = 0; i < n; i++) {
		fill(buf, bs, i);
		ASSERT_EQ(bs, pread(fd, got, bs, (off_t)i * 2 * bs));
		ASSERT_EQ(0, memcmp(buf, got, bs));
		if (i == n - 1)
			break;
		ASSERT_EQ(bs, pread(fd, got, bs, (off_t)(i * 2 + 1) * bs));
		ASSERT_TRUE(all_zero(got, bs));
	}
	/* Fill the gaps, then cut the tree down in the middle. */
	for (i = 0; i < n; i += 2) {
		fill(buf, bs, i + n);
		ASSERT_EQ(bs, pwrite(fd, buf, bs, (off_t)(i * 2 + 1) * bs));
	}
	ASSERT_OK(fsync(fd));
	ASSERT_OK(ftruncate(fd, (off_t)n * bs));
	drop_caches();
	for (i = 0; i < n / 2; i++) {
		fill(buf, bs, i);
		ASSERT_EQ(bs, pread(fd, got, bs, (off_t)i * 2 * bs));
		ASSERT_EQ(0, memcmp(buf, got, bs));
		fill(buf, bs, i + n);
		ASSERT_EQ(bs, pread(fd, got, bs, (off_t)(i * 2 + 1) * bs));
		ASSERT_TRUE(i % 2 ? all_zero(got, bs) : !memcmp(buf, got, bs));
	}
	close(fd);
	free(buf);
	free(got);
}

TEST_F(file, truncate_shows_no_old_bytes)
{
	static unsigned char ff[20000], got[40000];
	static const int cuts[] = { 1, 511, 1024, 5001, 8192, 12289 };
	unsigned int i, pass;
	int fd;

	memset(ff, 0xff, sizeof(ff));
	for (pass = 0; pass < 4; pass++)
		for (i = 0; i < ARRAY_SIZE(cuts); i++) {
			fd = open("f", O_CREAT | O_TRUNC | O_RDWR, 0644);
			ASSERT_LE(0, fd);
			ASSERT_EQ(sizeof(ff), write(fd, ff, sizeof(ff)));
			if (pass & 1)
				ASSERT_OK(fsync(fd));
			ASSERT_OK(ftruncate(fd, cuts[i]));
			if (pass & 2)
				drop_caches();
			ASSERT_OK(ftruncate(fd, sizeof(got)));
			ASSERT_EQ(sizeof(got), pread(fd, got, sizeof(got), 0));
			EXPECT_EQ(0, memcmp(ff, got, cuts[i]));
			EXPECT_TRUE(all_zero(got + cuts[i], sizeof(got) - cuts[i]));
			ASSERT_OK(fsync(fd));
			drop_caches();
			ASSERT_EQ(sizeof(got), pread(fd, got, sizeof(got), 0));
			EXPECT_EQ(0, memcmp(ff, got, cuts[i]));
			EXPECT_TRUE(all_zero(got + cuts[i], sizeof(got) - cuts[i]));
			close(fd);
		}
}

TEST_F(file, write_past_eof_leaves_zeros)
{
	static unsigned char ff[3000], got[9000];
	int fd = open_new("f");

	memset(ff, 0xff, sizeof(ff));
	ASSERT_EQ(3000, write(fd, ff, 3000));
	ASSERT_OK(ftruncate(fd, 100));
	ASSERT_EQ(1, pwrite(fd, ff, 1, 8000));
	ASSERT_EQ(8001, pread(fd, got, sizeof(got), 0));
	EXPECT_TRUE(all_zero(got + 100, 7900));
	EXPECT_EQ(0xff, got[8000]);
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	ASSERT_EQ(8001, pread(fd, got, sizeof(got), 0));
	EXPECT_TRUE(all_zero(got + 100, 7900));
	close(fd);
}

TEST_F(file, truncate_errors)
{
	int fd = open_new("f");

	ASSERT_OK(mkdir("d", 0755));
	EXPECT_ERR(EINVAL, ftruncate(fd, -1));
	EXPECT_ERR(EINVAL, truncate("f", -1));
	EXPECT_ERR(EISDIR, truncate("d", 0));
	EXPECT_ERR(ENOENT, truncate("missing", 0));
	EXPECT_ERR(ENOTDIR, truncate("f/", 0));
	close(fd);
	fd = open("f", O_RDONLY);
	EXPECT_ERR(EINVAL, ftruncate(fd, 0));
	EXPECT_ERR(EBADF, write(fd, "x", 1));
	close(fd);
	fd = open("f", O_WRONLY);
	EXPECT_ERR(EBADF, read(fd, &fd, 1));
	close(fd);
}

TEST_F(file, beyond_four_gib)
{
	static const unsigned long long offs[] = {
		2 * GIB - 3, 4 * GIB - 3, 12 * GIB + 5, 1024 * GIB - 1,
		3000 * GIB + 4093,
	};
	char got[16];
	struct stat st;
	unsigned int i;
	int fd = open_new("f");

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		ASSERT_EQ(7, pwrite(fd, "seven..", 7, offs[i]));
		ASSERT_OK(fstat(fd, &st));
		EXPECT_EQ(offs[i] + 7, st.st_size);
	}
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_LT(0, st.st_blocks);
	EXPECT_GT(1000, st.st_blocks);
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDWR);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(offs[i - 1] + 7, st.st_size);
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		memset(got, 0xff, sizeof(got));
		ASSERT_LE(8, pread(fd, got, 9, offs[i] - 1));
		EXPECT_EQ(0, got[0]);
		EXPECT_EQ(0, memcmp("seven..", got + 1, 7));
	}
	ASSERT_OK(ftruncate(fd, 4 * GIB - 1));
	EXPECT_EQ(2, pread(fd, got, 9, 4 * GIB - 3));
	EXPECT_EQ(0, memcmp("se", got, 2));
	ASSERT_OK(ftruncate(fd, 5 * GIB));
	EXPECT_EQ(9, pread(fd, got, 9, 4 * GIB - 3));
	EXPECT_EQ(0, memcmp("se\0\0\0\0\0\0\0", got, 9));
	close(fd);
}

TEST_F(file, size_limit)
{
	long long lo = 0, hi = INT64_MAX;
	int fd = open_new("f");
	struct rlimit rl = { 10000, 10000 };
	char buf[4] = "ab";

	/* Where the limit is: the largest size that truncate accepts. */
	if (!ftruncate(fd, hi)) {
		lo = hi;
	} else {
		EXPECT_EQ(EFBIG, errno);
		while (hi - lo > 1) {
			long long mid = lo + (hi - lo) / 2;

			if (ftruncate(fd, mid)) {
				ASSERT_EQ(EFBIG, errno);
				hi = mid;
			} else {
				lo = mid;
			}
		}
	}
	TH_LOG("largest file: %lld bytes", lo);
	EXPECT_LT(1LL << 40, lo);
	ASSERT_OK(ftruncate(fd, 0));
	/* The last byte there can be. */
	EXPECT_EQ(1, pwrite(fd, buf, 1, lo - 1));
	ASSERT_OK(fsync(fd));
	drop_caches();
	EXPECT_EQ(1, pread(fd, buf + 1, 1, lo - 1));
	EXPECT_EQ('a', buf[1]);
	EXPECT_EQ(lo, lseek(fd, 0, SEEK_END));
	if (lo < INT64_MAX) {
		EXPECT_ERR(EFBIG, pwrite(fd, buf, 1, lo));
		EXPECT_EQ(1, pwrite(fd, buf, 2, lo - 1));
		EXPECT_ERR(EFBIG, ftruncate(fd, lo + 1));
	}
	ASSERT_OK(ftruncate(fd, 0));
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
	EXPECT_ERR(EFBIG, pwrite(fd, buf, 1, 10000));
	EXPECT_EQ(1, pwrite(fd, buf, 2, 9999));
	EXPECT_ERR(EFBIG, ftruncate(fd, 10001));
	close(fd);
}

TEST_F(file, holes_by_seek)
{
	static char buf[65536];
	int fd = open_new("f");

	memset(buf, 1, sizeof(buf));
	ASSERT_EQ(sizeof(buf), pwrite(fd, buf, sizeof(buf), 1 << 20));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(ftruncate(fd, 4 << 20));
	EXPECT_EQ(1 << 20, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ((1 << 20) + 65536, lseek(fd, 1 << 20, SEEK_HOLE));
	EXPECT_ERR(ENXIO, lseek(fd, (1 << 20) + 65536, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, 4 << 20, SEEK_DATA));
	EXPECT_ERR(ENXIO, lseek(fd, 5 << 20, SEEK_HOLE));
	EXPECT_ERR(EINVAL, lseek(fd, -1, SEEK_SET));
	EXPECT_ERR(EINVAL, lseek(fd, 0, 99));
	/* Data that is in memory only counts as data. */
	ASSERT_EQ(1, pwrite(fd, buf, 1, 2 << 20));
	EXPECT_EQ(2 << 20, lseek(fd, (1 << 20) + 65536, SEEK_DATA));
	close(fd);
}

TEST_F(file, sparse_file_owns_little)
{
	struct stat st;
	int fd = open_new("f");

	ASSERT_OK(ftruncate(fd, 1 << 30));
	ASSERT_EQ(1, pwrite(fd, "x", 1, 500 << 20));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_LT(0, st.st_blocks);
	EXPECT_GT(200, st.st_blocks);
	ASSERT_OK(ftruncate(fd, 0));
	ASSERT_OK(fsync(fd));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_blocks);
	close(fd);
}

TEST_F(file, append)
{
	int a = open("f", O_CREAT | O_WRONLY | O_APPEND, 0644);
	int b = open("f", O_WRONLY | O_APPEND);
	int c = open("f", O_WRONLY);

	EXPECT_EQ(2, write(a, "a1", 2));
	EXPECT_EQ(2, write(b, "b1", 2));
	EXPECT_EQ(2, write(a, "a2", 2));
	EXPECT_EQ(2, pwrite(b, "b2", 2, 0));
	EXPECT_STREQ("a1b1a2b2", read_text("f"));
	EXPECT_EQ(1, write(c, "X", 1));
	ASSERT_OK(ftruncate(a, 3));
	EXPECT_EQ(2, write(b, "b3", 2));
	EXPECT_STREQ("X1bb3", read_text("f"));
	close(a);
	close(b);
	close(c);
}

TEST_F(file, open_truncates)
{
	struct stat st;
	int fd;

	ASSERT_OK(create_text("f", "some text"));
	fd = open("f", O_WRONLY | O_TRUNC);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(2, write(fd, "ab", 2));
	close(fd);
	EXPECT_STREQ("ab", read_text("f"));
}

TEST_F(file, every_sync)
{
	int fd = open_new("f"), dir = open(".", O_RDONLY | O_DIRECTORY);

	ASSERT_EQ(4, write(fd, "text", 4));
	EXPECT_OK(fsync(fd));
	EXPECT_OK(fsync(fd));
	EXPECT_EQ(1, pwrite(fd, "T", 1, 0));
	EXPECT_OK(fdatasync(fd));
	EXPECT_EQ(1, pwrite(fd, "E", 1, 1));
	EXPECT_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
				  SYNC_FILE_RANGE_WRITE |
				  SYNC_FILE_RANGE_WAIT_AFTER));
	EXPECT_OK(syncfs(fd));
	EXPECT_OK(fsync(dir));
	EXPECT_OK(fdatasync(dir));
	close(fd);
	fd = open("f", O_RDONLY);
	EXPECT_OK(fsync(fd));
	close(fd);
	fd = open("s", O_CREAT | O_RDWR | O_SYNC, 0644);
	EXPECT_EQ(4, write(fd, "sync", 4));
	close(fd);
	fd = open("s", O_RDWR | O_DSYNC);
	EXPECT_EQ(5, write(fd, "dsync", 5));
	close(fd);
	close(dir);
	EXPECT_STREQ("dsync", read_text("s"));
	EXPECT_STREQ("TExt", read_text("f"));
}

TEST_F(file, shared_mapping)
{
	char *map, buf[16] = "";
	int fd = open_new("f");

	ASSERT_OK(ftruncate(fd, 10000));
	map = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(all_zero(map, 10000));
	memcpy(map + 4090, "across a page", 13);
	EXPECT_EQ(13, pread(fd, buf, 13, 4090));
	EXPECT_STREQ("across a page", buf);
	ASSERT_EQ(3, pwrite(fd, "PWR", 3, 50));
	EXPECT_EQ(0, memcmp(map + 50, "PWR", 3));
	EXPECT_OK(msync(map, 10000, MS_SYNC));
	munmap(map, 10000);
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	EXPECT_EQ(13, pread(fd, buf, 13, 4090));
	EXPECT_STREQ("across a page", buf);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[50] = 'X';
	EXPECT_EQ(1, pread(fd, buf, 1, 50));
	EXPECT_EQ('P', buf[0]);
	EXPECT_ERR(EACCES, (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED, fd, 0));
	munmap(map, 4096);
	close(fd);
}

TEST_F(file, mapping_tail_is_zero_and_stays_out)
{
	unsigned char *map, got[8192];
	int fd = open_new("f");

	memset(got, 0xff, sizeof(got));
	ASSERT_EQ(5000, write(fd, got, 5000));
	ASSERT_OK(fsync(fd));
	drop_caches();
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0xff, map[4999]);
	EXPECT_TRUE(all_zero(map + 5000, 8192 - 5000));
	/* What is written past the end never becomes part of the file. */
	memset(map + 5000, 0xee, 100);
	map[10] = 1;
	EXPECT_OK(msync(map, 8192, MS_SYNC));
	ASSERT_OK(ftruncate(fd, 8192));
	ASSERT_EQ(8192, pread(fd, got, 8192, 0));
	EXPECT_TRUE(all_zero(got + 5000, 3192));
	munmap(map, 8192);
	ASSERT_OK(fsync(fd));
	drop_caches();
	ASSERT_EQ(8192, pread(fd, got, 8192, 0));
	EXPECT_TRUE(all_zero(got + 5000, 3192));
	close(fd);
}

TEST_F(file, mapped_writes_into_holes)
{
	struct stat st;
	char *map, got[4];
	int fd = open_new("f"), i;

	ASSERT_OK(ftruncate(fd, 8 << 20));
	map = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < 64; i++)
		map[i * 131072 + i] = i + 1;
	ASSERT_OK(msync(map, 8 << 20, MS_SYNC));
	munmap(map, 8 << 20);
	ASSERT_OK(fstat(fd, &st));
	EXPECT_LE(64 * (int)fs_block_size() / 512, st.st_blocks);
	close(fd);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(3, pread(fd, got, 3, i * 131072 + i));
		EXPECT_EQ(i + 1, got[0]);
		EXPECT_EQ(0, got[1]);
	}
	close(fd);
}

TEST_F(file, mapping_past_the_end_kills)
{
	int fd = open_new("f"), st;
	pid_t pid;

	ASSERT_EQ(1, write(fd, "x", 1));
	pid = fork();
	if (!pid) {
		volatile char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
					  MAP_SHARED, fd, 0);

		signal(SIGBUS, SIG_DFL);
		map[0] = 'y';
		map[16384] = 'z';
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_TRUE(WIFSIGNALED(st) && WTERMSIG(st) == SIGBUS);
	EXPECT_STREQ("y", read_text("f"));
	/* The same when the end moves under an existing mapping. */
	ASSERT_OK(ftruncate(fd, 65536));
	pid = fork();
	if (!pid) {
		volatile char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
					  MAP_SHARED, fd, 0);

		signal(SIGBUS, SIG_DFL);
		map[40000] = 'y';
		if (ftruncate(fd, 100))
			_exit(1);
		map[40000] = 'z';
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_TRUE(WIFSIGNALED(st) && WTERMSIG(st) == SIGBUS);
	close(fd);
}

TEST_F(file, write_from_own_mapping)
{
	static char buf[16384], got[16384];
	char *map;
	int fd = open_new("f");

	/* The source faults in from the very pages that are being written. */
	fill(buf, sizeof(buf), 3);
	ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	drop_caches();
	map = mmap(NULL, sizeof(buf), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(sizeof(buf), pwrite(fd, map, sizeof(buf), 0));
	ASSERT_OK(madvise(map, sizeof(buf), MADV_DONTNEED));
	drop_caches();
	ASSERT_EQ(8000, pwrite(fd, map + 8192, 8000, 0));
	memcpy(buf, buf + 8192, 8000);
	ASSERT_EQ(sizeof(got), pread(fd, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(buf, got, sizeof(got)));
	munmap(map, sizeof(buf));
	close(fd);
}

static void *bad_address(void)
{
	static void *volatile p = (void *)8;

	return p;
}

TEST_F(file, bad_user_memory)
{
	int fd = open_new("f");
	struct stat st;

	EXPECT_ERR(EFAULT, write(fd, bad_address(), 5000));
	EXPECT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_size);
	ASSERT_EQ(4, write(fd, "text", 4));
	EXPECT_ERR(EFAULT, pread(fd, bad_address(), 4, 0));
	close(fd);
}

TEST_F(file, vectors_and_splicing)
{
	struct iovec iov[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } };
	char buf[64] = "";
	int fd = open_new("f"), out = open_new("g"), p[2];
	loff_t zero = 0;

	ASSERT_EQ(6, writev(fd, iov, 3));
	EXPECT_EQ(6, sendfile(out, fd, &(off_t){ 0 }, 100));
	ASSERT_OK(pipe(p));
	EXPECT_EQ(6, splice(fd, &zero, p[1], NULL, 100, 0));
	EXPECT_EQ(6, splice(p[0], NULL, out, NULL, 6, 0));
	EXPECT_EQ(12, pread(out, buf, sizeof(buf), 0));
	EXPECT_STREQ("onetwoonetwo", buf);
	zero = 0;
	EXPECT_EQ(6, copy_file_range(fd, &zero, out, NULL, 100, 0));
	EXPECT_EQ(18, pread(out, buf, sizeof(buf), 0));
	EXPECT_STREQ("onetwoonetwoonetwo", buf);
	close(fd);
	close(out);
}

TEST_F(file, direct_errors)
{
	char *buf;
	int fd = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644);
	struct stat st;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 8192));
	memset(buf, 0, 8192);
	EXPECT_ERR(EINVAL, pwrite(fd, buf, 4096, 1));
	EXPECT_ERR(EINVAL, pwrite(fd, buf, 100, 0));
	EXPECT_ERR(EINVAL, pwrite(fd, buf, 4096, 511));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(0, st.st_size);
	ASSERT_EQ(8192, pwrite(fd, buf, 8192, 0));
	EXPECT_ERR(EINVAL, pread(fd, buf, 4096, 1));
	EXPECT_ERR(EINVAL, pread(fd, buf, 100, 0));
	EXPECT_EQ(0, pread(fd, buf, 4096, 8192));
	EXPECT_EQ(0, pread(fd, buf, 4096, 1 << 20));
	close(fd);
	free(buf);
}

TEST_F(file, direct_and_buffered_agree)
{
	unsigned char *buf, *got;
	struct stat st;
	int d = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644);
	int b = open("f", O_RDWR);

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 262144));
	ASSERT_EQ(0, posix_memalign((void **)&got, 4096, 262144));
	/* Direct, past the end, then buffered. */
	fill(buf, 262144, 1);
	ASSERT_EQ(65536, pwrite(d, buf, 65536, 0));
	ASSERT_OK(fstat(b, &st));
	EXPECT_EQ(65536, st.st_size);
	ASSERT_EQ(65536, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 65536));
	/* Buffered and not written back, then direct. */
	fill(buf, 65536, 2);
	ASSERT_EQ(65536, pwrite(b, buf, 65536, 0));
	ASSERT_EQ(65536, pread(d, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 65536));
	/* Direct over pages that are cached and dirty. */
	fill(buf, 65536, 3);
	ASSERT_EQ(10, pwrite(b, "0123456789", 10, 20000));
	ASSERT_EQ(65536, pwrite(d, buf, 65536, 0));
	ASSERT_EQ(65536, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 65536));
	/* Direct into a hole far out; what lies between reads zero. */
	ASSERT_EQ(4096, pwrite(d, buf, 4096, 200704));
	ASSERT_EQ(204800, pread(b, got, 262144, 0));
	EXPECT_TRUE(all_zero(got + 65536, 200704 - 65536));
	EXPECT_EQ(0, memcmp(buf, got + 200704, 4096));
	/* Direct read across data, hole and the end. */
	ASSERT_EQ(204800, pread(d, got, 262144, 0));
	EXPECT_TRUE(all_zero(got + 65536, 200704 - 65536));
	close(d);
	close(b);
	remount(_metadata, &self->dir);
	b = open("f", O_RDONLY);
	ASSERT_EQ(204800, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 65536));
	EXPECT_TRUE(all_zero(got + 65536, 200704 - 65536));
	close(b);
	free(buf);
	free(got);
}

TEST_F(file, direct_smaller_than_a_block)
{
	unsigned char *buf, *got;
	int d = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644), b;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 16384));
	ASSERT_EQ(0, posix_memalign((void **)&got, 4096, 16384));
	memset(buf, 0xff, 16384);
	ASSERT_OK(ftruncate(d, 16384));
	if (pwrite(d, buf, 512, 512) != 512) {
		EXPECT_EQ(EINVAL, errno);
		close(d);
		SKIP(return, "the device has larger sectors");
	}
	ASSERT_EQ(512, pwrite(d, buf, 512, 9216));
	close(d);
	drop_caches();
	b = open("f", O_RDONLY);
	ASSERT_EQ(16384, pread(b, got, 16384, 0));
	EXPECT_TRUE(all_zero(got, 512));
	EXPECT_EQ(0, memcmp(buf, got + 512, 512));
	EXPECT_TRUE(all_zero(got + 1024, 8192));
	EXPECT_EQ(0, memcmp(buf, got + 9216, 512));
	EXPECT_TRUE(all_zero(got + 9728, 16384 - 9728));
	close(b);
	free(buf);
	free(got);
}

TEST_F(file, persists)
{
	static unsigned char buf[300000], got[300000];
	char name[16];
	int fd, i;

	for (i = 0; i < 12; i++) {
		sprintf(name, "f%d", i);
		fd = open_new(name);
		fill(buf, sizeof(buf), i);
		ASSERT_EQ(25000 * i, write(fd, buf, 25000 * i));
		close(fd);
	}
	remount(_metadata, &self->dir);
	for (i = 0; i < 12; i++) {
		sprintf(name, "f%d", i);
		fd = open(name, O_RDONLY);
		fill(buf, sizeof(buf), i);
		ASSERT_EQ(25000 * i, read(fd, got, sizeof(got)));
		EXPECT_EQ(0, memcmp(buf, got, 25000 * i));
		close(fd);
	}
}

TEST_F(file, writers_in_parallel)
{
	enum { PROCS = 4, PIECES = 60, PIECE = 7000 };
	static unsigned char buf[PIECE], got[PIECE];
	int fd = open_new("f"), p, i, st;

	/* Interleaved pieces of one file by several processes. */
	for (p = 0; p < PROCS; p++)
		if (!fork()) {
			int my = open("f", O_WRONLY);

			for (i = p; i < PIECES; i += PROCS) {
				fill(buf, PIECE, i);
				if (pwrite(my, buf, PIECE, (off_t)i * PIECE) != PIECE)
					_exit(1);
				if (i % 5 == 0)
					fsync(my);
			}
			_exit(0);
		}
	for (p = 0; p < PROCS; p++) {
		wait(&st);
		EXPECT_EQ(0, st);
	}
	drop_caches();
	for (i = 0; i < PIECES; i++) {
		fill(buf, PIECE, i);
		ASSERT_EQ(PIECE, pread(fd, got, PIECE, (off_t)i * PIECE));
		EXPECT_EQ(0, memcmp(buf, got, PIECE));
	}
	close(fd);
}

TEST_HARNESS_MAIN
