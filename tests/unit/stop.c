// SPDX-License-Identifier: GPL-2.0
/*
 * To be preloaded: the program stops when it is about to write for the nth time
 * (LNKFS_STOP). Of what it wrote since its last fsync only the last write has
 * reached the device then (LNKFS_STOP_LOSE), or all of it. Exit status 99.
 * Or the nth write fails, that one alone (LNKFS_FAIL): no space is left.
 * Only for files that nobody else changes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX	100000

static struct {
	int fd;
	off_t off;
	size_t len;
	char *old;
} undo[MAX];
static unsigned int undos;
static long writes;

static ssize_t (*real_pwrite)(int fd, const void *buf, size_t len, off_t off);
static int (*real_fallocate)(int fd, int mode, off_t off, off_t len);

static void __attribute__((constructor)) find(void)
{
	real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	real_fallocate = dlsym(RTLD_NEXT, "fallocate");
}

static void forget(void)
{
	while (undos)
		free(undo[--undos].old);
}

/* All but the last write is lost. */
static void lose(void)
{
	char *last = NULL;

	if (!undos)
		return;
	last = malloc(undo[undos - 1].len);
	if (!last || pread(undo[undos - 1].fd, last, undo[undos - 1].len,
			   undo[undos - 1].off) != (ssize_t)undo[undos - 1].len)
		abort();
	for (unsigned int i = undos; i--;)
		real_pwrite(undo[i].fd, undo[i].old, undo[i].len, undo[i].off);
	real_pwrite(undo[undos - 1].fd, last, undo[undos - 1].len, undo[undos - 1].off);
	free(last);
}

/* Return: the write is to fail. */
static int note(int fd, size_t len, off_t off)
{
	const char *stop = getenv("LNKFS_STOP"), *fail = getenv("LNKFS_FAIL");

	writes++;
	if (fail && writes == atol(fail)) {
		errno = ENOSPC;
		return 1;
	}
	if (stop && writes == atol(stop)) {
		if (getenv("LNKFS_STOP_LOSE"))
			lose();
		_exit(99);
	}
	if (undos == MAX)
		abort();
	undo[undos].fd = fd;
	undo[undos].off = off;
	undo[undos].len = len;
	undo[undos].old = malloc(len);
	if (!undo[undos].old || pread(fd, undo[undos].old, len, off) != (ssize_t)len)
		abort();
	undos++;
	return 0;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	if (note(fd, len, off))
		return -1;
	return real_pwrite(fd, buf, len, off);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	return pwrite(fd, buf, len, off);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	if (note(fd, (size_t)len, off))
		return -1;
	return real_fallocate(fd, mode, off, len);
}

int fallocate64(int fd, int mode, off_t off, off_t len)
{
	return fallocate(fd, mode, off, len);
}

/* For all files at once, and without waiting for a real device. */
int fsync(int fd)
{
	(void)fd;
	forget();
	return 0;
}
