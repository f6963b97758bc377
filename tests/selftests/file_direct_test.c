// SPDX-License-Identifier: GPL-2.0
/* Direct and asynchronous I/O: libaio's calls, io_uring, RWF_*, alignment. */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "file_util.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND	0x20
#endif

TDIR_FIXTURE(file_direct)

static int open_direct(const char *name, int flags)
{
	return open(name, O_CREAT | O_RDWR | O_DIRECT | flags, 0644);
}

static ssize_t pread2(int fd, void *buf, size_t len, off_t off, int flags)
{
	struct iovec iov = { buf, len };

	return preadv2(fd, &iov, 1, off, flags);
}

static ssize_t pwrite2(int fd, const void *buf, size_t len, off_t off, int flags)
{
	struct iovec iov = { (void *)buf, len };

	return pwritev2(fd, &iov, 1, off, flags);
}

static int dio_align(const char *name, uint32_t *mem, uint32_t *offset)
{
	struct statx stx;

	if (statx(AT_FDCWD, name, 0, STATX_DIOALIGN, &stx))
		return -1;
	*mem = stx.stx_dio_mem_align;
	*offset = stx.stx_dio_offset_align;
	return stx.stx_mask & STATX_DIOALIGN ? 0 : -1;
}

TEST_F(file_direct, alignment_is_told)
{
	uint32_t mem, offset;
	int fd = open_direct("f", 0);
	char *buf = aligned(16384);

	ASSERT_OK(dio_align("f", &mem, &offset));
	TH_LOG("memory %u, offset %u", mem, offset);
	ASSERT_NE(0, mem);
	ASSERT_NE(0, offset);
	EXPECT_EQ(0, mem & (mem - 1));
	EXPECT_EQ(0, offset & (offset - 1));
	EXPECT_GE(fs_block_size(), offset);
	ASSERT_OK(ftruncate(fd, 16384));
	EXPECT_EQ(offset, pwrite(fd, buf + mem, offset, offset));
	EXPECT_EQ(offset, pread(fd, buf + mem, offset, offset));
	EXPECT_ERR(EINVAL, pwrite(fd, buf, offset, offset / 2));
	EXPECT_ERR(EINVAL, pwrite(fd, buf, offset / 2, 0));
	EXPECT_ERR(EINVAL, pread(fd, buf, offset, offset / 2));
	if (mem > 1) {
		EXPECT_ERR(EINVAL, pwrite(fd, buf + mem / 2, offset, 0));
		EXPECT_ERR(EINVAL, pread(fd, buf + mem / 2, offset, 0));
	}
	/* Not asked of what has no data of its own. */
	ASSERT_OK(mkdir("d", 0755));
	EXPECT_EQ(-1, dio_align("d", &mem, &offset));
	close(fd);
	free(buf);
}

TEST_F(file_direct, unaligned_tails)
{
	unsigned char *buf = aligned(32768), *got = aligned(32768);
	int d = open_direct("f", 0), b = open("f", O_RDWR);
	struct stat st;

	/* The end of the file is within a sector. */
	fill(buf, 10001, 1);
	ASSERT_EQ(10001, pwrite(b, buf, 10001, 0));
	EXPECT_EQ(10001, pread(d, got, 16384, 0));
	EXPECT_EQ(0, memcmp(buf, got, 10001));
	EXPECT_EQ(10001 - 8192, pread(d, got, 8192, 8192));
	EXPECT_EQ(0, pread(d, got, 4096, 12288));
	/* Written over directly, the file ends where the write ends. */
	fill(buf + 8192, 4096, 2);
	ASSERT_EQ(4096, pwrite(d, buf + 8192, 4096, 8192));
	ASSERT_OK(fstat(b, &st));
	EXPECT_EQ(12288, st.st_size);
	/* Cut within a block: what comes after it is zero from then on. */
	ASSERT_OK(ftruncate(b, 11000));
	ASSERT_EQ(4096, pwrite(d, buf, 4096, 16384));
	memset(buf + 11000, 0, 16384 - 11000);
	ASSERT_EQ(20480, pread(d, got, 32768, 0));
	EXPECT_EQ(0, memcmp(buf, got, 16384));
	EXPECT_EQ(0, memcmp(buf, got + 16384, 4096));
	ASSERT_EQ(20480, pread(b, got, 32768, 0));
	EXPECT_EQ(0, memcmp(buf, got, 16384));
	close(d);
	close(b);
	drop_caches();
	b = open("f", O_RDONLY);
	ASSERT_EQ(20480, pread(b, got, 32768, 0));
	EXPECT_EQ(0, memcmp(buf, got, 16384));
	close(b);
	free(buf);
	free(got);
}

TEST_F(file_direct, over_delayed_data)
{
	unsigned char *buf = aligned(262144), *got = aligned(262144);
	int d = open_direct("f", 0), b = open("f", O_RDWR);
	static struct emap m;

	/* Data in memory only, with holes between; a direct write across all. */
	fill(buf, 262144, 1);
	ASSERT_EQ(20000, pwrite(b, buf, 20000, 0));
	ASSERT_EQ(20000, pwrite(b, buf + 100000, 20000, 100000));
	memset(buf + 20000, 0, 80000);
	fill(buf + 16384, 90112, 7);
	ASSERT_EQ(90112, pwrite(d, buf + 16384, 90112, 16384));
	ASSERT_EQ(120000, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 120000));
	ASSERT_OK(get_map(b, FIEMAP_FLAG_SYNC, &m));
	EXPECT_EQ(0, m.flags & FIEMAP_EXTENT_UNWRITTEN);
	/* Past the end, over nothing. */
	memset(buf + 120000, 0, 196608 - 120000);
	ASSERT_EQ(4096, pwrite(d, buf, 4096, 196608));
	ASSERT_EQ(200704, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 196608));
	close(d);
	close(b);
	remount(_metadata, &self->dir);
	b = open("f", O_RDONLY);
	ASSERT_EQ(200704, pread(b, got, 262144, 0));
	EXPECT_EQ(0, memcmp(buf, got, 196608));
	EXPECT_EQ(0, memcmp(buf, got + 196608, 4096));
	close(b);
	free(buf);
	free(got);
}

TEST_F(file_direct, mappings_agree)
{
	unsigned char *buf = aligned(65536), *map;
	int d = open_direct("f", 0), i;

	fill(buf, 65536, 1);
	ASSERT_EQ(65536, pwrite(d, buf, 65536, 0));
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, d, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < 8; i++) {
		/* Mapped, then written directly. */
		ASSERT_EQ(0, memcmp(buf, map, 65536));
		fill(buf + i * 8192, 8192, 10 + i);
		ASSERT_EQ(8192, pwrite(d, buf + i * 8192, 8192, i * 8192));
		ASSERT_EQ(0, memcmp(buf, map, 65536)) TH_LOG("step %d", i);
		/* Stored, then read directly. */
		map[i * 8192 + 4000] ^= 0xff;
		ASSERT_EQ(4096, pread(d, buf + i * 8192, 4096, i * 8192));
		ASSERT_EQ(map[i * 8192 + 4000], buf[i * 8192 + 4000]);
		/* Stored and not read: a direct write beside it keeps it. */
		map[i * 8192 + 100] = 0xa5;
		buf[i * 8192 + 100] = 0xa5;
		ASSERT_EQ(4096, pwrite(d, buf + i * 8192 + 4096, 4096, i * 8192 + 4096));
	}
	ASSERT_OK(msync(map, 65536, MS_SYNC));
	EXPECT_EQ(0, memcmp(buf, map, 65536));
	munmap(map, 65536);
	close(d);
	free(buf);
}

/* A page that is mapped and dirty when a direct write moves the end of the file behind it. */
TEST_F(file_direct, mapped_behind_old_end)
{
	char *buf = aligned(4096), *map;
	struct statfs s;
	int d = open_direct("f", 0);

	ASSERT_OK(fstatfs(d, &s));
	memset(buf, 'd', 4096);
	ASSERT_OK(ftruncate(d, 1024));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, d, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 'a';
	ASSERT_EQ(s.f_bsize, pwrite(d, buf, s.f_bsize, 8192));
	map[1024] = 'b';
	map[3072] = 'c';
	ASSERT_OK(munmap(map, 4096));
	ASSERT_OK(fsync(d));
	drop_caches();
	ASSERT_EQ(4096, pread(d, buf, 4096, 0));
	EXPECT_EQ('a', buf[0]);
	EXPECT_EQ('b', buf[1024]);
	EXPECT_EQ('c', buf[3072]);
	close(d);
	free(buf);
}

/* ---- RWF_* ---- */

/* Every other block: a tree of extents with nodes of its own. */
static void make_deep(struct __test_metadata *_metadata, const char *name, unsigned int bs)
{
	unsigned int i, n = 600;
	char *buf = aligned(bs);
	int fd = open_new(name);

	for (i = 0; i < n; i++) {
		memset(buf, i & 0x7f, bs);
		ASSERT_EQ(bs, pwrite(fd, buf, bs, 2ULL * i * bs));
	}
	ASSERT_EQ(bs, pwrite(fd, buf, bs, 2ULL * n * bs));
	ASSERT_OK(fsync(fd));
	close(fd);
	free(buf);
}

TEST_F(file_direct, nowait_reads_deep_files)
{
	unsigned int bs = fs_block_size(), i, len = bs < 4096 ? 4096 : bs, again = 0;
	char *buf = aligned(len);
	ssize_t ret;
	int d;

	make_deep(_metadata, "f", bs);
	remount(_metadata, &self->dir);
	d = open_direct("f", 0);
	/* Once the way has been walked, nothing stops it. */
	for (i = 0; i < 600 * 2 * bs; i += 64 * len) {
		ret = pread2(d, buf, bs, i, RWF_NOWAIT);
		if (ret < 0) {
			ASSERT_EQ(EAGAIN, errno);
			again++;
			ASSERT_EQ(bs, pread(d, buf, bs, i));
			ret = pread2(d, buf, bs, i, RWF_NOWAIT);
		}
		ASSERT_EQ(bs, ret) TH_LOG("offset %u: %s", i, strerror(errno));
		EXPECT_EQ(i / bs / 2 & 0x7f, buf[0]);
	}
	TH_LOG("%u reads had to wait first", again);
	/* Across extents and holes. */
	ret = pread2(d, buf, len, 0, RWF_NOWAIT);
	EXPECT_EQ(len, ret) TH_LOG("%s", strerror(errno));
	/* From the page cache. */
	close(d);
	d = open("f", O_RDONLY);
	ret = pread2(d, buf, 100, 0, RWF_NOWAIT);
	if (ret < 0)
		EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(100, pread(d, buf, 100, 0));
	EXPECT_EQ(100, pread2(d, buf, 100, 0, RWF_NOWAIT));
	close(d);
	free(buf);
}

/*
 * A write that must not wait also fails when it has to store a new time, which
 * a common write just before makes unlikely.
 */
static ssize_t nowait_write(int fd, const void *buf, size_t len, off_t off)
{
	ssize_t ret = -1;
	int i;

	for (i = 0; i < 2000 && ret < 0; i++) {
		if (pwrite(fd, buf, len, off) != (ssize_t)len)
			return -1;
		ret = pwrite2(fd, buf, len, off, RWF_NOWAIT);
		if (ret < 0 && errno != EAGAIN)
			break;
	}
	return ret;
}

TEST_F(file_direct, nowait_writes)
{
	unsigned int bs = fs_block_size();
	char *buf = aligned(16 * bs);
	int d, b;

	make_deep(_metadata, "f", bs);
	d = open_direct("f", 0);
	b = open("f", O_RDWR);
	EXPECT_EQ(bs, nowait_write(d, buf, bs, 0)) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(bs, nowait_write(d, buf, bs, 800ULL * bs)) TH_LOG("%s", strerror(errno));
	if (on_lnkfs())
		EXPECT_EQ(100, nowait_write(b, buf, 100, 5)) TH_LOG("%s", strerror(errno));
	/* Where blocks are wanted it would have to wait, always. */
	EXPECT_ERR(EAGAIN, pwrite2(d, buf, bs, bs, RWF_NOWAIT));
	EXPECT_ERR(EAGAIN, pwrite2(d, buf, bs, 1201ULL * bs, RWF_NOWAIT));
	EXPECT_ERR(EAGAIN, pwrite2(d, buf, 16 * bs, 5000ULL * bs, RWF_NOWAIT));
	close(d);
	close(b);
	free(buf);
}

TEST_F(file_direct, flags_of_single_writes)
{
	char *buf = aligned(8192), got[16] = "";
	int fd = open("f", O_CREAT | O_RDWR, 0644), app, d;
	struct stat st;

	EXPECT_EQ(3, pwrite2(fd, "abc", 3, 0, 0));
	EXPECT_EQ(3, pwrite2(fd, "def", 3, 0, RWF_APPEND));
	EXPECT_EQ(3, pwrite2(fd, "ghi", 3, 6, RWF_DSYNC));
	EXPECT_EQ(3, pwrite2(fd, "jkl", 3, 9, RWF_SYNC));
	EXPECT_EQ(12, pread(fd, got, sizeof(got), 0));
	EXPECT_STREQ("abcdefghijkl", got);
	EXPECT_ERR(EOPNOTSUPP, pwrite2(fd, "x", 1, 0, 0x4000000));
	app = open("f", O_WRONLY | O_APPEND);
	if (pwrite2(app, "ABC", 3, 0, RWF_NOAPPEND) == 3) {
		EXPECT_EQ(12, pread(fd, got, sizeof(got), 0));
		EXPECT_STREQ("ABCdefghijkl", got);
	} else {
		/* Not in this kernel. */
		EXPECT_EQ(EOPNOTSUPP, errno);
	}
	EXPECT_EQ(1, pwrite2(app, "Z", 1, 0, 0));
	ASSERT_OK(fstat(fd, &st));
	EXPECT_EQ(13, st.st_size);
	/* Direct: appending needs an aligned end. */
	d = open_direct("g", 0);
	EXPECT_EQ(8192, pwrite2(d, buf, 8192, 0, RWF_APPEND | RWF_DSYNC));
	EXPECT_EQ(8192, pwrite2(d, buf, 8192, 0, RWF_APPEND));
	ASSERT_OK(fstat(d, &st));
	EXPECT_EQ(16384, st.st_size);
	close(d);
	close(app);
	close(fd);
	free(buf);
}

/* ---- libaio's calls ---- */

enum { AIO_N = 16 };

static void aio_run(struct __test_metadata *_metadata, int fd, int op, char *bufs,
		    size_t len, int flags, long want)
{
	struct iocb cb[AIO_N], *p[AIO_N];
	struct io_event ev[AIO_N];
	aio_context_t ctx = 0;
	int i, done = 0, n;

	ASSERT_OK(syscall(SYS_io_setup, AIO_N, &ctx));
	memset(cb, 0, sizeof(cb));
	for (i = 0; i < AIO_N; i++) {
		cb[i].aio_fildes = fd;
		cb[i].aio_lio_opcode = op;
		cb[i].aio_buf = (uintptr_t)bufs + i * len;
		cb[i].aio_nbytes = len;
		cb[i].aio_offset = i * len;
		cb[i].aio_rw_flags = flags;
		p[i] = &cb[i];
	}
	n = syscall(SYS_io_submit, ctx, AIO_N, p);
	ASSERT_EQ(AIO_N, n) TH_LOG("%s", strerror(errno));
	while (done < AIO_N) {
		n = syscall(SYS_io_getevents, ctx, 1, AIO_N - done, ev, NULL);
		ASSERT_LT(0, n);
		for (i = 0; i < n; i++)
			EXPECT_EQ(want, (long)ev[i].res);
		done += n;
	}
	ASSERT_OK(syscall(SYS_io_destroy, ctx));
}

TEST_F(file_direct, aio)
{
	size_t len = 16384;
	char *buf = aligned(AIO_N * len), *got = aligned(AIO_N * len);
	int d = open_direct("f", 0), b = open("f", O_RDONLY);
	struct stat st;

	/* Growing, in place, with a flush; each read back both ways. */
	fill(buf, AIO_N * len, 1);
	aio_run(_metadata, d, IOCB_CMD_PWRITE, buf, len, 0, len);
	ASSERT_OK(fstat(b, &st));
	EXPECT_EQ(AIO_N * len, st.st_size);
	aio_run(_metadata, d, IOCB_CMD_PREAD, got, len, 0, len);
	EXPECT_EQ(0, memcmp(buf, got, AIO_N * len));
	fill(buf, AIO_N * len, 2);
	aio_run(_metadata, d, IOCB_CMD_PWRITE, buf, len, RWF_DSYNC, len);
	ASSERT_EQ(AIO_N * len, pread(b, got, AIO_N * len, 0));
	EXPECT_EQ(0, memcmp(buf, got, AIO_N * len));
	/* Into a hole of the file. */
	ASSERT_OK(ftruncate(d, 0));
	ASSERT_OK(ftruncate(d, AIO_N * len + 5));
	fill(buf, AIO_N * len, 3);
	aio_run(_metadata, d, IOCB_CMD_PWRITE, buf, len, 0, len);
	aio_run(_metadata, d, IOCB_CMD_PREAD, got, len, 0, len);
	EXPECT_EQ(0, memcmp(buf, got, AIO_N * len));
	aio_run(_metadata, d, IOCB_CMD_PWRITE, buf + 1, len, 0, -EINVAL);
	close(d);
	close(b);
	free(buf);
	free(got);
}

/*
 * A write that RLIMIT_FSIZE ends within a block zeroes the rest of one that has never been
 * written. What another write is about to put there must not be lost.
 */
TEST_F(file_direct, limit_within_a_block)
{
	size_t bs = fs_block_size();
	char *zeroes = aligned(2 * bs), *buf = aligned(bs), *got = aligned(bs);
	struct rlimit old, rl;
	struct io_event ev;
	aio_context_t ctx = 0;
	struct iocb cb, *p = &cb;
	uint32_t mem, sector;
	int fd, i;

	fd = open_direct("f", 0);
	ASSERT_OK(dio_align("f", &mem, &sector));
	close(fd);
	if (sector >= bs)
		SKIP(return, "no write ends within a block");
	ASSERT_NE(SIG_ERR, signal(SIGXFSZ, SIG_IGN));
	ASSERT_OK(getrlimit(RLIMIT_FSIZE, &old));
	rl = old;
	rl.rlim_cur = bs + sector;
	memset(zeroes, 0, 2 * bs);
	fill(buf, bs, 4);
	ASSERT_OK(syscall(SYS_io_setup, 1, &ctx));
	for (i = 0; i < 100; i++) {
		ASSERT_OK(unlink("f"));
		fd = open_direct("f", 0);
		ASSERT_OK(fd);
		ASSERT_OK(fallocate(fd, 0, 0, 2 * bs));
		cb = (struct iocb){
			.aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_buf = (uintptr_t)buf, .aio_nbytes = bs, .aio_offset = bs,
		};
		ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, &p));
		ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
		EXPECT_EQ(bs + sector, pwrite(fd, zeroes, 2 * bs, 0));
		ASSERT_OK(setrlimit(RLIMIT_FSIZE, &old));
		ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL));
		ASSERT_EQ(bs, ev.res);
		ASSERT_EQ(bs - sector, pread(fd, got, bs - sector, bs + sector));
		ASSERT_EQ(0, memcmp(got, buf + sector, bs - sector))
			TH_LOG("lost in round %d", i);
		close(fd);
	}
	ASSERT_OK(syscall(SYS_io_destroy, ctx));
	free(zeroes);
	free(buf);
	free(got);
}

/* ---- io_uring ---- */

struct uring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static int uring_open(struct uring *u)
{
	struct io_uring_params *p = &u->p;

	memset(u, 0, sizeof(*u));
	u->fd = syscall(SYS_io_uring_setup, 8, p);
	if (u->fd < 0)
		return -1;
	u->sq = mmap(NULL, p->sq_off.array + p->sq_entries * 4, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		     IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		       IORING_OFF_SQES);
	return u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED ? -1 : 0;
}

/* One request from submission to completion; its result. */
static int uring_do(struct uring *u, int op, int fd, void *buf, unsigned int len,
		    uint64_t off, int rw_flags)
{
	unsigned int *tail = (void *)(u->sq + u->p.sq_off.tail);
	unsigned int mask = *(unsigned int *)(u->sq + u->p.sq_off.ring_mask);
	unsigned int *array = (void *)(u->sq + u->p.sq_off.array), i = *tail & mask;
	unsigned int *head = (void *)(u->cq + u->p.cq_off.head);
	unsigned int *ctail = (void *)(u->cq + u->p.cq_off.tail);
	unsigned int cmask = *(unsigned int *)(u->cq + u->p.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	struct io_uring_sqe *e = &u->sqes[i];
	int res;

	memset(e, 0, sizeof(*e));
	e->opcode = op;
	e->fd = fd;
	e->addr = (uintptr_t)buf;
	e->len = len;
	e->off = off;
	e->rw_flags = rw_flags;
	array[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	while (__atomic_load_n(ctail, __ATOMIC_ACQUIRE) == *head)
		if (syscall(SYS_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL,
			    0) < 0 && errno != EINTR)
			return -errno;
	res = cqes[*head & cmask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

TEST_F(file_direct, io_uring)
{
	size_t len = 65536;
	char *buf = aligned(len), *got = aligned(len);
	unsigned int bs = fs_block_size(), i;
	struct uring u;
	int d, b;

	if (uring_open(&u)) {
		ASSERT_TRUE(errno == ENOSYS || errno == EPERM);
		SKIP(return, "no io_uring in this kernel");
	}
	d = open_direct("f", 0);
	b = open("f", O_RDWR);
	/* Every write here would have to wait: io_uring's workers do it. */
	for (i = 0; i < 6; i++) {
		fill(buf, len, i);
		EXPECT_EQ(len, uring_do(&u, IORING_OP_WRITE, d, buf, len, i * len, 0));
		memset(got, 0, len);
		EXPECT_EQ(len, uring_do(&u, IORING_OP_READ, d, got, len, i * len, 0));
		EXPECT_EQ(0, memcmp(buf, got, len));
	}
	/* In place, also from the page cache and with a flush. */
	for (i = 0; i < 6; i++) {
		fill(buf, len, 10 + i);
		EXPECT_EQ(len, uring_do(&u, IORING_OP_WRITE, i % 2 ? d : b, buf, len, i * len,
					i % 3 ? 0 : RWF_DSYNC));
		memset(got, 0, len);
		EXPECT_EQ(len, uring_do(&u, IORING_OP_READ, i % 2 ? b : d, got, len, i * len,
					0));
		EXPECT_EQ(0, memcmp(buf, got, len));
	}
	/* The tail, past it, and what cannot be. */
	ASSERT_OK(ftruncate(d, 5 * len + 777));
	EXPECT_EQ(777, uring_do(&u, IORING_OP_READ, d, got, len, 5 * len, 0));
	EXPECT_EQ(777, uring_do(&u, IORING_OP_READ, b, got, len, 5 * len, 0));
	EXPECT_EQ(0, uring_do(&u, IORING_OP_READ, d, got, len, 6 * len, 0));
	EXPECT_EQ(-EINVAL, uring_do(&u, IORING_OP_WRITE, d, buf + 1, len, 0, 0));
	EXPECT_EQ(0, uring_do(&u, IORING_OP_FSYNC, d, NULL, 0, 0, 0));
	close(b);
	close(d);
	/* A deep tree that has to be read first. */
	make_deep(_metadata, "g", bs);
	remount(_metadata, &self->dir);
	d = open_direct("g", 0);
	for (i = 0; i < 600; i += 37) {
		ASSERT_EQ(bs, uring_do(&u, IORING_OP_READ, d, got, bs, 2ULL * i * bs, 0));
		EXPECT_EQ(i & 0x7f, got[0]);
	}
	close(d);
	close(u.fd);
	free(buf);
	free(got);
}

/* ---- on a volume of its own ---- */

VOLUME_FIXTURE(file_direct_volume, 24)

TEST_F(file_direct_volume, promised_space_makes_way)
{
	unsigned int bs, i, n;
	struct statfs sf;
	size_t len;
	char *buf;
	int fd, d;

	ASSERT_OK(statfs(".", &sf));
	bs = sf.f_bsize;
	n = sf.f_bavail / 3;
	fd = open_new("delayed");
	/* Single blocks: each is promised another for the map. */
	for (i = 0; i < n; i++)
		ASSERT_EQ(1, pwrite(fd, "x", 1, 2ULL * i * bs));
	len = sf.f_bavail * bs / 2 & ~4095ULL;
	buf = aligned(len);
	ASSERT_NE(NULL, buf);
	d = open_direct("direct", 0);
	EXPECT_EQ(len, pwrite(d, buf, len, 0)) TH_LOG("%s", strerror(errno));
	ASSERT_OK(fsync(fd));
	close(fd);
	close(d);
	free(buf);
}

TEST_F(file_direct_volume, no_space_leaves_no_trace)
{
	size_t len = 32 * MIB;
	char *buf = aligned(len);
	struct statfs a, b;
	struct stat st;
	int d;

	d = open_direct("f", 0);
	ASSERT_OK(statfs(".", &a));
	EXPECT_ERR(ENOSPC, pwrite(d, buf, len, 0));
	ASSERT_OK(fstat(d, &st));
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(0, st.st_blocks);
	ASSERT_OK(fsync(d));
	ASSERT_OK(statfs(".", &b));
	EXPECT_EQ(a.f_bfree, b.f_bfree);
	EXPECT_EQ(4096, pwrite(d, buf, 4096, 0));
	close(d);
	free(buf);
}

/* What RWF_DSYNC has returned from is there after a crash. */
TEST_F(file_direct_volume, dsync_is_durable)
{
	char *buf = aligned(65536), *got = aligned(65536);
	struct stat st;
	int d, b, i;

	d = open_direct("d", 0);
	b = open_new("b");
	ASSERT_OK(fsync(b));
	ASSERT_OK(fsync(d));
	fill(buf, 65536, 1);
	/* Growing, into a hole, in place. */
	ASSERT_EQ(8192, pwrite2(d, buf, 8192, 0, RWF_DSYNC));
	ASSERT_EQ(8192, pwrite2(d, buf, 8192, 32768, RWF_DSYNC));
	ASSERT_EQ(8192, pwrite2(d, buf, 8192, 16384, RWF_DSYNC));
	ASSERT_EQ(4096, pwrite2(d, buf + 8192, 4096, 0, RWF_DSYNC));
	ASSERT_EQ(5000, pwrite2(b, buf, 5000, 3000, RWF_DSYNC));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(crash_volume(self->v.mnt, LNKFS_SHUTDOWN_NOW));
	close(d);
	close(b);
	ASSERT_OK(umount(self->v.mnt));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	d = open("d", O_RDONLY);
	b = open("b", O_RDONLY);
	ASSERT_EQ(40960, pread(d, got, 65536, 0));
	EXPECT_EQ(0, memcmp(got, buf + 8192, 4096));
	EXPECT_EQ(0, memcmp(got + 4096, buf + 4096, 4096));
	for (i = 16384; i <= 32768; i += 16384)
		EXPECT_EQ(0, memcmp(got + i, buf, 8192));
	EXPECT_TRUE(all_zero(got + 8192, 8192));
	ASSERT_OK(fstat(b, &st));
	EXPECT_EQ(8000, st.st_size);
	ASSERT_EQ(8000, pread(b, got, 65536, 0));
	EXPECT_TRUE(all_zero(got, 3000));
	EXPECT_EQ(0, memcmp(got + 3000, buf, 5000));
	close(d);
	close(b);
	free(buf);
	free(got);
}

TEST_HARNESS_MAIN
