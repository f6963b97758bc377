// SPDX-License-Identifier: GPL-2.0
/*
 * Time, processor time, I/O and memory, as the kernel accounts for them.
 *
 * Under QEMU's -icount with shift=0 a nanosecond is an instruction. The time in which a
 * task ran ("busy") is what counts: it has the work of kernel threads in it and leaves
 * out the waiting for the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "measure.h"

struct volume vol;

void die(const char *what, const char *name)
{
	fprintf(stderr, "phases: %s: %s: %s %s: %s\n", vol.peer, vol.set, what, name,
		strerror(errno));
	exit(1);
}

/* The sum over all processors; the kernel updates it when it changes the task. */
static uint64_t busy_time(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	uint64_t sum = 0, ran;
	char line[512];
	FILE *f;

	nanosleep(&moment, NULL);
	f = fopen("/proc/schedstat", "r");
	if (!f)
		die("open", "/proc/schedstat");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu%*d %*u %*u %*u %*u %*u %*u %lu", &ran) == 1)
			sum += ran;
	fclose(f);
	return sum;
}

static void disk_stat(struct counters *c)
{
	unsigned long v[17];
	char path[64], text[512], *p = text;
	FILE *f;
	int i;

	if (vol.mem)
		return;
	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(vol.dev, '/') + 1);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		die("read", path);
	fclose(f);
	for (i = 0; i < 17; i++)
		v[i] = strtoul(p, &p, 10);
	c->rios = v[0];
	c->rbytes = v[2] * 512;
	c->wios = v[4];
	c->wbytes = v[6] * 512;
	c->flushes = v[15];
}

/* A no-op to the processor, by which icount.c knows where a phase begins and ends. */
#define mark(n) __asm__ volatile(".byte 0x0f, 0x1f, 0x80, 'L', 'N', 'K', " #n ::: "memory")

void begin(struct counters *c)
{
	memset(c, 0, sizeof(*c));
	disk_stat(c);
	c->busy = busy_time();
	c->wall = now();
	mark(1);
}

void end(const struct counters *c, const char *phase, unsigned long ops)
{
	struct counters e = {};

	mark(2);
	e.wall = now();
	e.busy = busy_time();
	disk_stat(&e);
	printf("R\t%s\t%s\t%s\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\n",
	       vol.peer, vol.set, phase, ops, e.wall - c->wall, e.busy - c->busy,
	       e.rios - c->rios, e.rbytes - c->rbytes, e.wios - c->wios,
	       e.wbytes - c->wbytes, e.flushes - c->flushes);
	fflush(stdout);
}

void value(const char *phase, const char *name, double v)
{
	printf("V\t%s\t%s\t%s\t%s\t%.6g\n", vol.peer, vol.set, phase, name, v);
	fflush(stdout);
}

void note(const char *phase, const char *text)
{
	printf("N\t%s\t%s\t%s\t%s\n", vol.peer, vol.set, phase, text);
	fflush(stdout);
}

void vol_mount(void)
{
	if (mount(vol.dev, vol.mnt, vol.type, MS_NOATIME, vol.mem ? "size=80%,nr_inodes=0" : NULL))
		die("mount", vol.mnt);
}

void vol_umount(void)
{
	if (umount(vol.mnt))
		die("umount", vol.mnt);
}

void vol_sync(void)
{
	int fd = open(vol.mnt, O_RDONLY);

	if (fd < 0 || syncfs(fd))
		die("sync", vol.mnt);
	close(fd);
}

uint64_t vol_used(void)
{
	struct statfs s;

	if (statfs(vol.mnt, &s))
		die("statfs", vol.mnt);
	return (uint64_t)(s.f_blocks - s.f_bfree) * s.f_bsize;
}

void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "3", 1) != 1)
		die("write", "drop_caches");
	close(fd);
}

/* Bytes of the objects in use in all slab caches. */
uint64_t slab_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned long active, size;
	uint64_t sum = 0;
	char line[512];

	if (!f)
		die("open", "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lu %*u %lu", &active, &size) == 2)
			sum += active * size;
	fclose(f);
	return sum;
}

/* The size of the objects of a cache. */
void slab_object(const char *phase, const char *cache)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned long size;
	char line[512], name[64];

	if (!f)
		die("open", "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %*u %*u %lu", name, &size) == 2 && !strcmp(name, cache))
			value(phase, cache, size);
	fclose(f);
}

/* The sum of some lines of /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *const *names)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kb;
	uint64_t sum = 0;
	char line[128], name[64];
	int i;

	if (!f)
		die("open", "/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lu", name, &kb) != 2)
			continue;
		for (i = 0; names[i]; i++)
			if (!strcmp(name, names[i]))
				sum += (uint64_t)kb << 10;
	}
	fclose(f);
	return sum;
}

/* Page cache, that of block devices included. */
uint64_t page_bytes(void)
{
	return meminfo((const char *const []){ "Buffers", "Cached", NULL });
}

uint64_t memory_free(void)
{
	return meminfo((const char *const []){ "MemFree", NULL });
}
