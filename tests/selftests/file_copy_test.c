// SPDX-License-Identifier: GPL-2.0
/* Data that the kernel moves: copy_file_range, splice, sendfile, clone. */
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "file_util.h"

TDIR_FIXTURE(file_copy)

enum { LEN = 300 * 1024 + 77 };

static unsigned char src[LEN], got[2 * LEN];

static int make_source(const char *name)
{
	int fd = open_new(name);

	fill(src, LEN, 5);
	return write(fd, src, LEN) == LEN ? fd : -1;
}

static ssize_t copy(int in, off_t from, int out, off_t to, size_t len)
{
	return copy_file_range(in, &from, out, &to, len, 0);
}

TEST_F(file_copy, ranges)
{
	int in = make_source("in"), out = open_new("out"), p;
	off_t done = 0;
	ssize_t n;

	ASSERT_LE(0, in);
	/* From data in memory only, from the disk, from neither. */
	for (p = 0; p < 3; p++) {
		ASSERT_OK(ftruncate(out, 0));
		for (done = 0; done < LEN; done += n) {
			n = copy(in, done, out, 1000 + done, LEN - done);
			ASSERT_LT(0, n) TH_LOG("%s", strerror(errno));
		}
		EXPECT_EQ(0, copy(in, LEN, out, 0, 100));
		EXPECT_EQ(0, copy(in, LEN + 5000, out, 0, 100));
		ASSERT_EQ(1000 + LEN, pread(out, got, sizeof(got), 0));
		EXPECT_TRUE(all_zero(got, 1000));
		EXPECT_EQ(0, memcmp(src, got + 1000, LEN));
		if (!p)
			ASSERT_OK(fsync(in));
		else
			drop_caches();
	}
	/* Within a file, apart and overlapping. */
	ASSERT_EQ(5000, copy(in, 0, in, 100000, 5000));
	memcpy(src + 100000, src, 5000);
	EXPECT_ERR(EINVAL, copy(in, 0, in, 4999, 5000));
	ASSERT_EQ(LEN, pread(in, got, LEN, 0));
	EXPECT_EQ(0, memcmp(src, got, LEN));
	/* The file offsets move when none is given. */
	ASSERT_EQ(0, lseek(in, 0, SEEK_SET));
	ASSERT_EQ(0, lseek(out, 0, SEEK_SET));
	EXPECT_EQ(777, copy_file_range(in, NULL, out, NULL, 777, 0));
	EXPECT_EQ(777, lseek(in, 0, SEEK_CUR));
	EXPECT_EQ(777, lseek(out, 0, SEEK_CUR));
	close(in);
	close(out);
}

TEST_F(file_copy, sparse_source)
{
	int in = open_new("in"), out = open_new("out");
	off_t at = 0;
	ssize_t n;

	ASSERT_OK(ftruncate(in, MIB));
	ASSERT_EQ(5, pwrite(in, "first", 5, 70000));
	ASSERT_EQ(4, pwrite(in, "last", 4, MIB - 4));
	while ((n = copy(in, at, out, at, MIB)) > 0)
		at += n;
	EXPECT_EQ(0, n);
	EXPECT_EQ(MIB, at);
	ASSERT_EQ(100, pread(out, got, 100, 69990));
	EXPECT_TRUE(all_zero(got, 10));
	EXPECT_EQ(0, memcmp("first", got + 10, 5));
	ASSERT_EQ(10, pread(out, got, 100, MIB - 10));
	EXPECT_EQ(0, memcmp("last", got + 6, 4));
	close(in);
	close(out);
}

TEST_F(file_copy, errors)
{
	int in = make_source("in"), out = open_new("out"), ro, app, dir, tmp;
	struct file_clone_range range = { .src_fd = in };
	struct file_dedupe_range *dd;
	struct rlimit rl = { 1000, RLIM_INFINITY };

	ro = open("out", O_RDONLY);
	app = open("out", O_WRONLY | O_APPEND);
	dir = open(".", O_RDONLY);
	EXPECT_ERR(EBADF, copy(in, 0, ro, 0, 10));
	EXPECT_ERR(EBADF, copy(in, 0, app, 0, 10));
	EXPECT_ERR(EISDIR, copy(dir, 0, out, 0, 10));
	EXPECT_ERR(EINVAL, copy_file_range(in, NULL, out, NULL, 10, 1));
	tmp = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	ASSERT_LE(0, tmp);
	EXPECT_ERR(EXDEV, copy(in, 0, tmp, 0, 10));
	EXPECT_ERR(EXDEV, copy(tmp, 0, out, 0, 10));
	/* No extent is shared, and everybody is told so. */
	EXPECT_ERR(EOPNOTSUPP, ioctl(out, FICLONE, in));
	EXPECT_ERR(EOPNOTSUPP, ioctl(out, FICLONERANGE, &range));
	dd = calloc(1, sizeof(*dd) + sizeof(dd->info[0]));
	dd->src_length = 4096;
	dd->dest_count = 1;
	dd->info[0].dest_fd = out;
	if (ioctl(in, FIDEDUPERANGE, dd)) {
		EXPECT_EQ(EOPNOTSUPP, errno);
	} else {
		EXPECT_EQ(-EOPNOTSUPP, dd->info[0].status);
	}
	free(dd);
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
	EXPECT_ERR(EFBIG, copy(in, 0, out, 1000, 10));
	EXPECT_EQ(10, copy(in, 0, out, 990, 100));
	rl.rlim_cur = RLIM_INFINITY;
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
	close(in);
	close(out);
	close(ro);
	close(app);
	close(dir);
	close(tmp);
}

/* Read all that comes through @fd until there is no more. */
static size_t drain(int fd, unsigned char *to, size_t max)
{
	size_t sum = 0;
	ssize_t n;

	while (sum < max && (n = read(fd, to + sum, max - sum)) > 0)
		sum += n;
	return sum;
}

TEST_F(file_copy, file_to_pipe_and_back)
{
	int in = make_source("in"), out, p[2], q[2], st, direct;
	loff_t off;
	pid_t pid;
	ssize_t n;

	for (direct = 0; direct < 2; direct++) {
		int from = open("in", O_RDONLY | (direct ? O_DIRECT : 0));

		out = open("out", O_CREAT | O_TRUNC | O_RDWR, 0644);
		ASSERT_OK(pipe(p));
		pid = fork();
		if (!pid) {
			close(p[0]);
			while ((n = splice(from, NULL, p[1], NULL, 65536, SPLICE_F_MORE)) > 0)
				;
			_exit(n != 0);
		}
		close(p[1]);
		off = 0;
		while ((n = splice(p[0], NULL, out, &off, 65536, 0)) > 0)
			;
		EXPECT_EQ(0, n);
		ASSERT_EQ(pid, waitpid(pid, &st, 0));
		EXPECT_EQ(0, st);
		EXPECT_EQ(LEN, off);
		ASSERT_EQ(LEN, pread(out, got, sizeof(got), 0));
		EXPECT_EQ(0, memcmp(src, got, LEN));
		close(p[0]);
		close(out);
		close(from);
	}
	/* Pages of the file given away, and doubled by tee: they stay the file's. */
	ASSERT_OK(pipe(p));
	ASSERT_OK(pipe(q));
	off = 100;
	ASSERT_EQ(8000, splice(in, &off, p[1], NULL, 8000, 0));
	ASSERT_EQ(8000, tee(p[0], q[1], 8000, 0));
	EXPECT_EQ(8000, drain(p[0], got, 8000));
	EXPECT_EQ(0, memcmp(src + 100, got, 8000));
	out = open("out2", O_CREAT | O_RDWR | O_APPEND, 0644);
	EXPECT_ERR(EINVAL, splice(q[0], NULL, out, NULL, 8000, 0));
	close(out);
	out = open("out2", O_RDWR);
	EXPECT_EQ(8000, splice(q[0], NULL, out, NULL, 8000, SPLICE_F_MOVE));
	ASSERT_EQ(8000, pread(out, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(src + 100, got, 8000));
	EXPECT_ERR(EINVAL, splice(in, &off, out, NULL, 10, 0));
	EXPECT_ERR(ESPIPE, splice(in, &off, p[1], &off, 10, 0));
	off = LEN;
	EXPECT_EQ(0, splice(in, &off, p[1], NULL, 10, 0));
	close(in);
	close(out);
}

TEST_F(file_copy, vmsplice_to_file)
{
	int out = open_new("out"), p[2];
	struct iovec iov = { src, 20000 };

	fill(src, LEN, 9);
	ASSERT_OK(pipe(p));
	ASSERT_EQ(20000, vmsplice(p[1], &iov, 1, 0));
	ASSERT_EQ(20000, splice(p[0], NULL, out, NULL, 20000, 0));
	ASSERT_EQ(20000, pread(out, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(src, got, 20000));
	close(out);
}

TEST_F(file_copy, sendfile_to_all)
{
	int in = make_source("in"), out = open_new("out"), s[2], st;
	off_t off = 0;
	pid_t pid;
	ssize_t n;

	while ((n = sendfile(out, in, &off, LEN)) > 0)
		;
	EXPECT_EQ(0, n);
	EXPECT_EQ(LEN, off);
	ASSERT_EQ(LEN, pread(out, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(src, got, LEN));
	/* Through a socket. */
	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork();
	if (!pid) {
		close(s[0]);
		off = 0;
		while (off < LEN && sendfile(s[1], in, &off, LEN - off) > 0)
			;
		_exit(off != LEN);
	}
	close(s[1]);
	EXPECT_EQ(LEN, drain(s[0], got, sizeof(got)));
	EXPECT_EQ(0, memcmp(src, got, LEN));
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_EQ(0, st);
	close(s[0]);
	/* To a file opened for appending it is not possible. */
	close(out);
	out = open("out", O_WRONLY | O_APPEND);
	off = 0;
	EXPECT_ERR(EINVAL, sendfile(out, in, &off, 10));
	close(in);
	close(out);
}

TEST_HARNESS_MAIN
