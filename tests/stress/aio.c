// SPDX-License-Identifier: GPL-2.0
/*
 * aio FILE ROUNDS SEED: direct writes in flight, many at a time, into the holes
 * of a sparse file and over what is there; then all of it is read back, from
 * the page cache and directly. Now and then a write that must not wait
 * (RWF_NOWAIT): it may be refused, but never be done in part.
 *
 * Exit status: 0, 1 when the contents differ, 2 for errors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECE	4096
#define PIECES	2048
#define FLYING	64

static unsigned char *model, *bufs, *got;
static uint64_t state;

static unsigned int below(unsigned int n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

/* One batch: pieces that do not overlap, in one io_submit(). */
static void batch(aio_context_t ctx, int fd)
{
	static struct iocb cb[FLYING], *list[FLYING];
	static struct io_event done[FLYING];
	unsigned int i, n = 1 + below(FLYING), per = PIECES / n;
	long ret;

	for (i = 0; i < n; i++) {
		unsigned int len = 1 + below(per < 8 ? per : 8);
		unsigned int at = i * per + below(per - len + 1);
		unsigned char *buf = bufs + (size_t)at * PIECE;

		memset(buf, 1 + below(255), (size_t)len * PIECE);
		memcpy(model + (size_t)at * PIECE, buf, (size_t)len * PIECE);
		memset(&cb[i], 0, sizeof(cb[i]));
		cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = (uintptr_t)buf;
		cb[i].aio_nbytes = (size_t)len * PIECE;
		cb[i].aio_offset = (long long)at * PIECE;
		list[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, ctx, n, list) != (long)n)
		err(2, "io_submit");
	ret = syscall(SYS_io_getevents, ctx, n, n, done, NULL);
	if (ret != (long)n)
		err(2, "io_getevents");
	for (i = 0; i < n; i++) {
		const struct iocb *c = (void *)(uintptr_t)done[i].obj;

		if (done[i].res != (long long)c->aio_nbytes)
			errx(2, "a write of %llu bytes gave %lld",
			     (unsigned long long)c->aio_nbytes, (long long)done[i].res);
	}
}

static void nowait(int fd)
{
	unsigned int len = 1 + below(8), at = below(PIECES - len + 1);
	unsigned char *buf = bufs + (size_t)at * PIECE;
	struct iovec iov = { buf, (size_t)len * PIECE };
	ssize_t ret;

	memset(buf, 1 + below(255), iov.iov_len);
	ret = pwritev2(fd, &iov, 1, (off_t)at * PIECE, RWF_NOWAIT);
	if (ret == (ssize_t)iov.iov_len)
		memcpy(model + (size_t)at * PIECE, buf, iov.iov_len);
	else if (ret != -1 || errno != EAGAIN)
		err(2, "a write that must not wait gave %zd", ret);
}

static void compare(int fd, const char *how)
{
	size_t all = (size_t)PIECES * PIECE, i;

	if (pread(fd, got, all, 0) != (ssize_t)all)
		err(2, "pread");
	if (!memcmp(got, model, all))
		return;
	for (i = 0; got[i] == model[i]; i++)
		;
	errx(1, "%s: at %zu 0x%02x instead of 0x%02x", how, i, got[i], model[i]);
}

int main(int argc, char **argv)
{
	size_t all = (size_t)PIECES * PIECE;
	aio_context_t ctx = 0;
	long i, rounds;
	int fd, dfd;

	if (argc != 4)
		errx(2, "usage: aio FILE ROUNDS SEED");
	rounds = atol(argv[2]);
	state = atol(argv[3]);
	model = calloc(1, all);
	if (!model || posix_memalign((void **)&bufs, PIECE, all) ||
	    posix_memalign((void **)&got, PIECE, all))
		err(2, "memory");
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	dfd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0 || dfd < 0)
		err(2, "%s", argv[1]);
	if (syscall(SYS_io_setup, FLYING, &ctx))
		err(2, "io_setup");
	for (i = 0; i < rounds; i++) {
		if (i % 16 == 0) {
			if (ftruncate(fd, 0) || ftruncate(fd, all))
				err(2, "ftruncate");
			memset(model, 0, all);
		}
		batch(ctx, dfd);
		nowait(dfd);
		if (below(4) == 0)
			compare(fd, "buffered");
		if (below(4) == 0)
			compare(dfd, "direct");
	}
	compare(fd, "buffered, at the end");
	return 0;
}
