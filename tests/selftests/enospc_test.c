// SPDX-License-Identifier: GPL-2.0
/*
 * A full volume. Every failure must be whole: no name without an object, no
 * object without a name, no write that was accepted and then lost; and the
 * space comes back. "Back" means within TOLERANCE bytes of the first figure:
 * a volume may keep one cluster of inode blocks per group.
 */
#include <setjmp.h>
#include <sys/mman.h>

#include "lnkfs_test.h"
#include "services.h"

#define TOLERANCE	(192 * 1024)

VOLUME_FIXTURE(enospc, 12)

static void expect_back(struct __test_metadata *_metadata, long long want)
{
	long long is = 0;
	int i;

	for (i = 0; i < 100; i++) {
		is = free_bytes();
		if (is + TOLERANCE >= want)
			break;
		usleep(100000);
	}
	EXPECT_LE(want, is + TOLERANCE) TH_LOG("free space did not come back");
	EXPECT_LE(is, want + TOLERANCE) TH_LOG("more is free than there was");
}

/* Every byte of the block at @off of file number @file. */
static void file_pattern(unsigned char *buf, size_t len, unsigned int file, off_t off)
{
	memset(buf, 1 + (file * 37 + off / 4096) % 255, len);
}

/* Write files of 1 MiB until the volume is full; how much was accepted. */
static long long fill_data(struct __test_metadata *_metadata, int *files)
{
	static unsigned char buf[65536];
	long long total = 0;
	char name[16];
	unsigned int n;

	for (n = 0;; n++) {
		ssize_t ret = 0;
		off_t off = 0;
		int fd;

		sprintf(name, "data%u", n);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) {
			EXPECT_EQ(ENOSPC, errno);
			break;
		}
		while (off < 1 << 20) {
			unsigned int i;

			for (i = 0; i < sizeof(buf); i += 4096)
				file_pattern(buf + i, 4096, n, off + i);
			ret = write(fd, buf, sizeof(buf));
			if (ret < (ssize_t)sizeof(buf))
				break;
			off += ret;
		}
		EXPECT_TRUE(ret >= 0 || errno == ENOSPC);
		off = lseek(fd, 0, SEEK_CUR);
		total += off;
		/* What write accepted, fsync may no longer refuse. */
		EXPECT_OK(fsync(fd));
		close(fd);
		if (ret < (ssize_t)sizeof(buf)) {
			n++;
			break;
		}
	}
	*files = n;
	return total;
}

static void check_data(struct __test_metadata *_metadata, int files)
{
	unsigned char buf[4096], want[4096];
	char name[16];
	ssize_t n;
	off_t off;
	int i, fd;

	for (i = 0; i < files; i++) {
		sprintf(name, "data%d", i);
		fd = open(name, O_RDONLY);
		ASSERT_LE(0, fd);
		for (off = 0; (n = read(fd, buf, sizeof(buf))) > 0; off += n) {
			file_pattern(want, n, i, off);
			ASSERT_EQ(0, memcmp(want, buf, n))
				TH_LOG("%s at %lld", name, (long long)off);
		}
		ASSERT_EQ(0, n);
		close(fd);
	}
}

TEST_F(enospc, written_data)
{
	long long before = free_bytes(), first, again;
	int files, i, round;
	struct stat st;
	char name[16];

	first = fill_data(_metadata, &files);
	EXPECT_LT(before * 9 / 10, first);
	EXPECT_GE(before, first);
	drop_caches();
	check_data(_metadata, files);
	/* Full, but alive: sparse growth, overwriting, attributes, removal. */
	ASSERT_OK(stat("data0", &st));
	EXPECT_OK(chmod("data0", 0600));
	EXPECT_OK(truncate("data0", 10 << 20));
	EXPECT_OK(truncate("data0", st.st_size));
	check_data(_metadata, files);
	EXPECT_OK(rename("data0", "datax"));
	EXPECT_OK(rename("datax", "data0"));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < files; i++) {
			sprintf(name, "data%d", i);
			ASSERT_OK(unlink(name));
		}
		expect_back(_metadata, before);
		again = fill_data(_metadata, &files);
		EXPECT_LT(first - first / 20, again);
		check_data(_metadata, files);
	}
	for (i = 0; i < files; i++) {
		sprintf(name, "data%d", i);
		ASSERT_OK(unlink(name));
	}
	expect_back(_metadata, before);
}

TEST_F(enospc, overwrite_in_a_full_volume)
{
	static unsigned char buf[65536], got[65536];
	int files, fd;

	memset(buf, 0x77, sizeof(buf));
	fill_data(_metadata, &files);
	fd = open("data0", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(sizeof(buf), pwrite(fd, buf, sizeof(buf), 12345));
	EXPECT_OK(fsync(fd));
	ASSERT_EQ(sizeof(buf), pread(fd, got, sizeof(got), 12345));
	EXPECT_EQ(0, memcmp(buf, got, sizeof(buf)));
	close(fd);
}

TEST_F(enospc, space_of_unlinked_files_at_once)
{
	int files, i;
	char name[16];

	/*
	 * Freed blocks wait for their transaction: the next write must find
	 * them all the same, without anyone calling sync.
	 */
	fill_data(_metadata, &files);
	for (i = 0; i < 3; i++) {
		static char buf[256 << 10];
		int fd;

		sprintf(name, "data%d", i);
		ASSERT_OK(unlink(name));
		sprintf(name, "new%d", i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		ASSERT_LE(0, fd);
		EXPECT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
		EXPECT_OK(fsync(fd));
		close(fd);
	}
}

#define FAILURES	5

/* One kind of name after the other until ENOSPC; all must be there or not. */
static void fill_names(struct __test_metadata *_metadata,
		       int (*make)(const char *), int (*drop)(const char *),
		       const char *fmt, mode_t kind)
{
	long long before = free_bytes();
	char name[256];
	struct stat st;
	int n, i, failed, failed_at[FAILURES];

	ASSERT_OK(mkdir("dir", 0755));
	ASSERT_OK(chdir("dir"));
	for (n = 0, failed = 0; failed < FAILURES; n++) {
		snprintf(name, sizeof(name), fmt, n);
		if (!make(name))
			continue;
		ASSERT_EQ(ENOSPC, errno) TH_LOG("%s", strerror(errno));
		EXPECT_ERR(ENOENT, lstat(name, &st));
		failed_at[failed++] = n;
	}
	TH_LOG("%d names", n);
	EXPECT_LT(1000, n);
	sync();
	for (i = 0, failed = 0; i < n; i++) {
		snprintf(name, sizeof(name), fmt, i);
		if (failed < FAILURES && i == failed_at[failed]) {
			EXPECT_ERR(ENOENT, lstat(name, &st));
			failed++;
			continue;
		}
		ASSERT_OK(lstat(name, &st));
		ASSERT_EQ(kind, st.st_mode & S_IFMT);
		ASSERT_OK(drop(name));
	}
	ASSERT_OK(chdir(".."));
	ASSERT_OK(rmdir("dir"));
	unlink("source");
	expect_back(_metadata, before);
}

static int make_file(const char *name)
{
	return mknod(name, S_IFREG | 0644, 0);
}

static int make_dir(const char *name)
{
	return mkdir(name, 0755);
}

static char link_target[4096];

static int make_symlink(const char *name)
{
	return symlink(link_target, name);
}

static int make_link(const char *name)
{
	if (!exists("../source") && create_file("../source", 0644))
		return -1;
	return link("../source", name);
}

TEST_F(enospc, empty_files)
{
	fill_names(_metadata, make_file, unlink, "f%d", S_IFREG);
}

TEST_F(enospc, directories)
{
	fill_names(_metadata, make_dir, rmdir, "d%d", S_IFDIR);
}

TEST_F(enospc, fast_symlinks)
{
	memset(link_target, 't', 700);
	fill_names(_metadata, make_symlink, unlink, "s%d", S_IFLNK);
}

TEST_F(enospc, slow_symlinks)
{
	memset(link_target, 't', symlink_max() > 3000 ? 3000 : 1000);
	fill_names(_metadata, make_symlink, unlink, "s%d", S_IFLNK);
}

TEST_F(enospc, hard_links_with_long_names)
{
	char fmt[300];

	memset(fmt, 'h', sizeof(fmt));
	strcpy(fmt + 240, "%d");
	fill_names(_metadata, make_link, unlink, fmt, S_IFREG);
}

TEST_F(enospc, names_while_data_fills_it)
{
	int files, i, made = 0;
	char name[256];
	struct stat st;

	fill_data(_metadata, &files);
	for (i = 0; i < 3000; i++) {
		sprintf(name, "%0200d", i);
		if (!(i % 2 ? symlink("x", name) : mkdir(name, 0755))) {
			made++;
			continue;
		}
		ASSERT_EQ(ENOSPC, errno);
		EXPECT_ERR(ENOENT, lstat(name, &st));
	}
	TH_LOG("%d names beside the data", made);
	EXPECT_GT(3000, made);
	check_data(_metadata, files);
}

TEST_F(enospc, direct_writes)
{
	unsigned char *buf, *got;
	long long before = free_bytes();
	ssize_t n;
	off_t off = 0;
	int fd = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 65536));
	ASSERT_EQ(0, posix_memalign((void **)&got, 4096, 65536));
	memset(buf, 0x33, 65536);
	while ((n = write(fd, buf, 65536)) > 0)
		off += n;
	EXPECT_EQ(-1, n);
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_LT(before * 9 / 10, off);
	ASSERT_EQ(65536, pread(fd, got, 65536, (off - 65536) & ~4095));
	EXPECT_EQ(0, memcmp(buf, got, 65536));
	ASSERT_OK(unlink("f"));
	close(fd);
	expect_back(_metadata, before);
}

TEST_F(enospc, mapped_write_into_a_hole)
{
	int files, fd, st;
	pid_t pid;

	fill_data(_metadata, &files);
	fd = open("data0", O_RDWR);
	ASSERT_OK(ftruncate(fd, 8 << 20));
	pid = fork();
	if (!pid) {
		volatile char *map = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
					  MAP_SHARED, fd, 0);
		int i;

		signal(SIGBUS, SIG_DFL);
		for (i = 1 << 20; i < 8 << 20; i += 4096)
			map[i] = 1;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_TRUE(WIFSIGNALED(st) && WTERMSIG(st) == SIGBUS);
	EXPECT_OK(fsync(fd));
	ASSERT_OK(ftruncate(fd, 1 << 20));
	close(fd);
	check_data(_metadata, files);
}

TEST_F(enospc, fragmented_free_space)
{
	static unsigned char buf[4096];
	long long before = free_bytes();
	struct stat st;
	char name[32];
	int i, n;

	/* Fill with small files, free every other one, then use the holes. */
	memset(buf, 9, sizeof(buf));
	for (n = 0;; n++) {
		ssize_t wrote;
		int fd;

		sprintf(name, "f%d", n);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) {
			ASSERT_EQ(ENOSPC, errno);
			break;
		}
		wrote = write(fd, buf, sizeof(buf));
		EXPECT_TRUE(wrote > 0 || errno == ENOSPC);
		close(fd);
		if (wrote != sizeof(buf)) {
			ASSERT_OK(unlink(name));
			break;
		}
	}
	for (i = 0; i < n; i += 2) {
		sprintf(name, "f%d", i);
		ASSERT_OK(unlink(name));
	}
	for (i = 0; i < n / 4; i++) {
		memset(link_target, 'f', 1000);
		link_target[1000] = 0;
		sprintf(name, "l%d", i);
		ASSERT_OK(symlink(link_target, name)) ;
	}
	for (i = 1; i < n; i += 2) {
		sprintf(name, "f%d", i);
		ASSERT_OK(stat(name, &st));
		ASSERT_EQ(sizeof(buf), st.st_size);
		ASSERT_OK(unlink(name));
	}
	for (i = 0; i < n / 4; i++) {
		sprintf(name, "l%d", i);
		ASSERT_OK(unlink(name));
	}
	expect_back(_metadata, before);
}

VOLUME_FIXTURE_WITH(promised, 12, "-m 0")

/* Blocks for data that have been accepted are not for the trees of others. */
TEST_F(promised, kept_from_trees)
{
	static char buf[4096];
	struct statfs s;
	int a, b, i, failed = 0;
	off_t at;

	ASSERT_OK(statfs(".", &s));
	memset(buf, 'a', sizeof(buf));
	a = open_new("a");
	b = open_new("b");
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	for (i = 0; i < 5 * 256; i++)
		ASSERT_EQ(sizeof(buf), write(a, buf, sizeof(buf)));
	ASSERT_OK(fsync(a));
	ASSERT_OK(fsync(b));
	/* Not to the end, where all that is dirty would be written. */
	for (i = 0; !statfs(".", &s) && s.f_bavail > 16; i++)
		ASSERT_EQ(s.f_bsize, pwrite(b, buf, s.f_bsize, (off_t)i * s.f_bsize));
	/* From the end, which leaves the nodes of the tree half full. */
	for (at = 5 * 1048576 - s.f_bsize; at > 0; at -= 2 * s.f_bsize) {
		if (!fallocate(a, FALLOC_FL_ZERO_RANGE, at, s.f_bsize))
			continue;
		ASSERT_EQ(ENOSPC, errno);
		failed++;
	}
	TH_LOG("%d blocks promised, %d of %lu calls failed", i, failed,
	       5 * 1048576 / (2 * s.f_bsize));
	EXPECT_OK(fsync(b));
	close(b);
	drop_caches();
	b = open("b", O_RDONLY);
	ASSERT_LE(0, b);
	while (i--) {
		ASSERT_EQ(s.f_bsize, read(b, buf, s.f_bsize));
		ASSERT_EQ('a', buf[0]);
	}
	close(a);
	close(b);
}

static char filled[65536];

/* A file that takes all there is; its size. */
static off_t take_all(struct __test_metadata *_metadata, int fd)
{
	memset(filled, 'f', sizeof(filled));
	while (write(fd, filled, sizeof(filled)) > 0)
		;
	EXPECT_EQ(ENOSPC, errno);
	return lseek(fd, 0, SEEK_CUR);
}

/* "a", and single free blocks, each of which is going to be an extent of its own. */
static void make_fragments(struct __test_metadata *_metadata)
{
	int fd = open_new("a");
	struct statfs s;
	off_t at, size;

	ASSERT_LE(0, fd);
	ASSERT_OK(statfs(".", &s));
	size = take_all(_metadata, fd);
	ASSERT_OK(fsync(fd));
	for (at = 0; at < size; at += 2 * s.f_bsize)
		ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
				    s.f_bsize));
	close(fd);
	sync();
}

/* What was accepted is on the disk; every @step-th block of the file has data. */
static void expect_filled(struct __test_metadata *_metadata, int fd, off_t size, int step)
{
	struct statfs s;
	off_t at;
	char c;

	ASSERT_OK(statfs(".", &s));
	drop_caches();
	for (at = 0; at < size; at += step * s.f_bsize) {
		ASSERT_EQ(1, pread(fd, &c, 1, at));
		ASSERT_EQ('f', c) TH_LOG("at %lld of %lld", (long long)at, (long long)size);
	}
}

TEST_F(promised, data_for_fragments)
{
	off_t size;
	int fd;

	make_fragments(_metadata);
	fd = open_new("b");
	ASSERT_LE(0, fd);
	size = take_all(_metadata, fd);
	EXPECT_OK(fsync(fd));
	TH_LOG("%lld bytes", (long long)size);
	EXPECT_LT(3 << 20, size);
	expect_filled(_metadata, fd, size, 1);
	close(fd);
}

#define SHARERS	16

TEST_F(promised, data_of_several_files_for_fragments)
{
	off_t size[SHARERS] = { 0 };
	int fd[SHARERS], i, full = 0;
	long long total = 0;
	char name[16];

	make_fragments(_metadata);
	for (i = 0; i < SHARERS; i++) {
		sprintf(name, "b%d", i);
		fd[i] = open_new(name);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; full < SHARERS; i = (i + 1) % SHARERS) {
		ssize_t n = write(fd[i], filled, 8192);

		ASSERT_TRUE(n >= 0 || errno == ENOSPC);
		full = n < 0 ? full + 1 : 0;
		size[i] += n < 0 ? 0 : n;
	}
	for (i = 0; i < SHARERS; i++)
		EXPECT_OK(fsync(fd[i]));
	for (i = 0; i < SHARERS; i++) {
		total += size[i];
		expect_filled(_metadata, fd[i], size[i], 1);
		close(fd[i]);
	}
	TH_LOG("%lld bytes", total);
	EXPECT_LT(3 << 20, total);
}

static sigjmp_buf on_bus;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

/* One page after the other: a store that is not refused is not lost. */
TEST_F(promised, mapped_data_for_fragments)
{
	static const size_t len = 12 << 20;
	volatile size_t at = 0;
	char *map;
	int fd;

	make_fragments(_metadata);
	fd = open_new("b");
	ASSERT_LE(0, fd);
	ASSERT_OK(ftruncate(fd, len));
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	signal(SIGBUS, jump);
	if (!sigsetjmp(on_bus, 1))
		for (; at < len; at += 4096)
			memset(map + at, 'f', 4096);
	signal(SIGBUS, SIG_DFL);
	EXPECT_OK(msync(map, len, MS_SYNC));
	EXPECT_OK(fsync(fd));
	munmap(map, len);
	TH_LOG("%zu bytes", at);
	EXPECT_LT(2 << 20, at);
	expect_filled(_metadata, fd, at, 1);
	close(fd);
}

/* Blocks with gaps between them, a range each, and then what lies between. */
TEST_F(promised, scattered_data_for_fragments)
{
	off_t at, size[2] = { 0 };
	struct statfs s;
	int fd, i;

	ASSERT_OK(statfs(".", &s));
	make_fragments(_metadata);
	fd = open_new("b");
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		for (at = i * s.f_bsize; at < 4 << 20; at += 2 * s.f_bsize) {
			if (pwrite(fd, filled, s.f_bsize, at) < 0)
				break;
			size[i] = at;
		}
		ASSERT_TRUE(at >= 4 << 20 || errno == ENOSPC);
	}
	EXPECT_OK(fsync(fd));
	TH_LOG("up to %lld and %lld", (long long)size[0], (long long)size[1]);
	EXPECT_LT(3 << 20, size[0]);
	expect_filled(_metadata, fd, size[0], 2);
	expect_filled(_metadata, fd, size[1], 1);
	close(fd);
}

/*
 * Unwritten blocks that have got data need nodes as well: those are not for data that
 * others write meanwhile.
 */
TEST_F(promised, data_in_allocated_blocks)
{
	static const off_t len = 6 << 20;
	off_t at, size = 0;
	struct statfs s;
	int a, b;

	ASSERT_OK(statfs(".", &s));
	memset(filled, 'f', sizeof(filled));
	a = open_new("a");
	b = open_new("b");
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_OK(fallocate(a, 0, 0, len));
	ASSERT_OK(fsync(a));
	for (at = 0; at < len; at += 4 * s.f_bsize)
		ASSERT_EQ(s.f_bsize, pwrite(a, filled, s.f_bsize, at));
	/* Not to the end, where all that is dirty would be written. */
	while (!statfs(".", &s) && s.f_bavail > 16) {
		ASSERT_EQ(s.f_bsize, write(b, filled, s.f_bsize));
		size += s.f_bsize;
	}
	EXPECT_OK(fsync(a));
	EXPECT_OK(fsync(b));
	TH_LOG("%lld bytes beside them", (long long)size);
	expect_filled(_metadata, a, len, 4);
	expect_filled(_metadata, b, size, 1);
	close(a);
	close(b);
}

/* What data have been promised and will not need is not denied to others. */
TEST_F(promised, names_beside_scattered_data)
{
	static char target[4000];
	struct statfs s;
	long free, i;
	char name[32];
	off_t at, len;
	int fd;

	ASSERT_OK(statfs(".", &s));
	free = s.f_bavail;
	len = free / 10 * 6 * s.f_bsize;
	memset(filled, 'f', sizeof(filled));
	memset(target, 't', sizeof(target) - 1);
	fd = open_new("a");
	ASSERT_LE(0, fd);
	ASSERT_OK(fallocate(fd, 0, 0, len));
	ASSERT_OK(fsync(fd));
	for (at = 0; at < len; at += 2 * s.f_bsize)
		ASSERT_EQ(s.f_bsize, pwrite(fd, filled, s.f_bsize, at));
	for (i = 0; i < free / 5 / (4096 / s.f_bsize + 1); i++) {
		sprintf(name, "s%ld", i);
		ASSERT_EQ(0, symlink(target, name)) TH_LOG("%ld of %ld blocks", i, free);
	}
	EXPECT_OK(fsync(fd));
	expect_filled(_metadata, fd, len, 2);
	close(fd);
}

#define PROMISED()	sysfs_number(&self->v, "delayed_allocation_blocks")

/* Give data to every @step-th of the first @count blocks. */
static int scatter(int fd, int count, int step)
{
	struct statfs s;
	int i;

	if (fstatfs(fd, &s))
		return -1;
	memset(filled, 'f', sizeof(filled));
	for (i = 0; i < count; i += step)
		if (pwrite(fd, filled, s.f_bsize, i * s.f_bsize) != (ssize_t)s.f_bsize)
			return -1;
	return 0;
}

/* The nodes above the leaves are promised as well, once for a file. */
TEST_F(promised, nodes_of_every_level)
{
	long first, second;
	struct statfs s;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "lnkfs's own files");
	fd = open_new("f");
	ASSERT_LE(0, fd);
	ASSERT_OK(fstatfs(fd, &s));
	ASSERT_OK(scatter(fd, 800, 2));
	ASSERT_OK(fsync(fd));
	ASSERT_EQ(0, PROMISED());
	ASSERT_EQ(s.f_bsize, pwrite(fd, filled, s.f_bsize, 101 * s.f_bsize));
	first = PROMISED();
	ASSERT_EQ(s.f_bsize, pwrite(fd, filled, s.f_bsize, 301 * s.f_bsize));
	second = PROMISED() - first;
	/* Each: itself and a leaf. */
	EXPECT_EQ(2, second);
	EXPECT_LT(second, first);
	ASSERT_OK(fsync(fd));
	EXPECT_EQ(0, PROMISED());
	ASSERT_EQ(s.f_bsize, pwrite(fd, filled, s.f_bsize, 401 * s.f_bsize));
	EXPECT_EQ(first, PROMISED());
	close(fd);
	ASSERT_OK(unlink("f"));
	EXPECT_EQ(0, PROMISED());
}

/* What was promised to data is given back when they are on the disk, or gone. */
TEST_F(promised, given_back)
{
	static const off_t len = 256 << 10;
	const int all = len / 4096;
	char *map, *page;
	int fd, ahead;

	if (!on_lnkfs())
		SKIP(return, "lnkfs's own files");
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_OK(munmap(page + 4096, 4096));
	for (ahead = 0; ahead < 2; ahead++) {
		fd = open_new("f");
		ASSERT_LE(0, fd);
#define NEW_FILE()							\
		do {							\
			ASSERT_OK(ftruncate(fd, 0));			\
			ASSERT_OK(ftruncate(fd, len));			\
			if (ahead)					\
				ASSERT_OK(fallocate(fd, 0, 0, len));	\
			ASSERT_EQ(0, PROMISED());			\
			ASSERT_OK(scatter(fd, all, 3));			\
			ASSERT_LT(all / 3, PROMISED());			\
		} while (0)
		NEW_FILE();
		ASSERT_OK(scatter(fd, all, 2));
		ASSERT_OK(scatter(fd, all, 1));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		ASSERT_OK(ftruncate(fd, 12345));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, len / 2));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		ASSERT_OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 5000, len / 2));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		ASSERT_OK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 8192, 16384));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		ASSERT_OK(fallocate(fd, FALLOC_FL_INSERT_RANGE, 8192, 16384));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		/* Half of the buffer is not there. */
		NEW_FILE();
		EXPECT_EQ(4096, pwrite(fd, page, 8192, len - 65536));
		EXPECT_ERR(EFAULT, pwrite(fd, page + 4096, 4096, len - 32768));
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		memset(map + len / 3, 'm', len / 3);
		ASSERT_OK(msync(map, len, MS_SYNC));
		EXPECT_EQ(0, PROMISED());
		/* Also from the middle. */
		ASSERT_OK(munmap(map, len));
		NEW_FILE();
		ASSERT_OK(scatter(fd, all, 1));
		ASSERT_OK(sync_file_range(fd, len / 16, 8192, SYNC_FILE_RANGE_WAIT_BEFORE |
					  SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
		ASSERT_LT(0, PROMISED());
		ASSERT_OK(fsync(fd));
		EXPECT_EQ(0, PROMISED());
		NEW_FILE();
		close(fd);
		ASSERT_OK(unlink("f"));
		EXPECT_EQ(0, PROMISED());
#undef NEW_FILE
	}
	munmap(page, 4096);
}

TEST_HARNESS_MAIN
