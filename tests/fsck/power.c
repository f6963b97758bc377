// SPDX-License-Identifier: GPL-2.0
/*
 * Power failures. The linker puts these functions in the place of those that
 * fsck.lnkfs writes with (see --wrap in the Makefile). They note what was written
 * since the last sync, and when the power fails they let go of some of it, block
 * by block, as a disk with a cache does.
 */
#include <fcntl.h>
#include <unistd.h>

#include "power.h"

/**
 * struct loose - a block, or less, written since the last sync
 * @fd: of what
 * @at: where
 * @len: bytes
 * @data: what was there before, and what was written
 */
struct loose {
	int fd;
	off_t at;
	size_t len;
	u8 *data;
};

/**
 * struct power - of this process
 * @on: writes are noted
 * @cut: when it fails
 * @blocks: blocks written so far
 * @loose: those since the last sync
 * @nr: how many
 * @max: room
 */
static struct power {
	bool on;
	struct cut cut;
	u64 *blocks;
	struct loose *loose;
	u32 nr;
	u32 max;
} power;

static void put(const struct loose *l, const u8 *data)
{
	if (__real_pwrite(l->fd, data, l->len, l->at) != (ssize_t)l->len)
		die("cannot write: %s", strerror(errno));
}

/* Back to the last sync, and from there with some of the writes, in their order. */
static void fail(void)
{
	u64 state = power.cut.seed;
	u32 often = (u32)(power_random(&state) % 5);
	u32 i;

	for (i = power.nr; i--;)
		put(&power.loose[i], power.loose[i].data);
	for (i = 0; i < power.nr; i++)
		if (power_random(&state) % 4 < often)
			put(&power.loose[i], power.loose[i].data + power.loose[i].len);
	_exit(STATUS_CUT);
}

static void note(int fd, const u8 *data, size_t len, off_t at)
{
	struct loose *l;

	if ((*power.blocks)++ == power.cut.after)
		fail();
	if (power.nr == power.max) {
		power.max = power.max ? 2 * power.max : 256;
		power.loose = realloc(power.loose, power.max * sizeof(*power.loose));
		if (!power.loose)
			die("no memory");
	}
	l = &power.loose[power.nr];
	l->fd = fd;
	l->at = at;
	l->len = len;
	l->data = malloc(2 * len);
	if (!l->data || pread(fd, l->data, len, at) != (ssize_t)len)
		die("no memory, or nothing to read at %lld", (long long)at);
	memcpy(l->data + len, data, len);
	power.nr++;
	put(l, data);
}

/**
 * __wrap_pwrite() - note what is written, block by block
 * @fd: as of pwrite(2)
 * @buf: likewise
 * @len: likewise
 * @at: likewise
 */
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	size_t done, n;

	if (!power.on)
		return __real_pwrite(fd, buf, len, at);
	for (done = 0; done < len; done += n) {
		n = power.cut.unit - ((size_t)at + done) % power.cut.unit;
		n = min(n, len - done);
		note(fd, (const u8 *)buf + done, n, at + (off_t)done);
	}
	return (ssize_t)len;
}

/**
 * __wrap_fallocate() - a hole is punched: as if zeroes were written
 * @fd: as of fallocate(2)
 * @mode: likewise
 * @at: likewise
 * @len: likewise
 */
int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	static const u8 zeroes[4096];
	off_t done, n;

	if (!power.on)
		return __real_fallocate(fd, mode, at, len);
	/* Holes and zeroes read the same. */
	for (done = 0; done < len; done += n) {
		n = min_t(off_t, len - done, sizeof(zeroes));
		__wrap_pwrite(fd, zeroes, (size_t)n, at + done);
	}
	return 0;
}

static void settle(void)
{
	while (power.nr)
		free(power.loose[--power.nr].data);
}

/**
 * __wrap_fsync() - what was written can be lost no more
 * @fd: as of fsync(2)
 */
int __wrap_fsync(int fd)
{
	if (!power.on)
		return __real_fsync(fd);
	settle();
	return 0;
}

/**
 * __wrap_lnkfs_cache_init() - a small cache, if the power failure wants one
 * @v: as of lnkfs_cache_init()
 * @mib: likewise
 */
int __wrap_lnkfs_cache_init(void *v, u32 mib)
{
	return __real_lnkfs_cache_init(v, power.on && power.cut.small ? 0 : mib);
}

/**
 * power_on() - note from now on what this process writes
 * @cut: when the power fails, which ends the process with STATUS_CUT
 * @blocks: counts the blocks that are written
 */
void power_on(const struct cut *cut, u64 *blocks)
{
	power.on = true;
	power.cut = *cut;
	power.blocks = blocks;
	*blocks = 0;
}

/**
 * power_off() - the process is about to end by itself
 * @status: its exit status
 *
 * Return: @status, or STATUS_LOOSE when something would be lost if the power
 * failed now.
 */
int power_off(int status)
{
	bool loose = power.nr;

	settle();
	free(power.loose);
	power.loose = NULL;
	power.max = 0;
	power.on = false;
	if (!loose)
		return status;
	puts("what was written last was not synced");
	return STATUS_LOOSE;
}
