/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the phases of the benchmark measure with, and what they say.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stdint.h>

struct volume {
	const char *peer;	/* as the report calls it */
	const char *type;	/* as mount(2) calls it */
	const char *dev;
	const char *mnt;
	char set[128];		/* the parameters of this run: "len=40 dir=same n=5000" */
	bool mem;		/* tmpfs: cannot be unmounted and come back */
};

struct counters {
	uint64_t wall;		/* ns */
	uint64_t busy;		/* ns in which the processor ran a task */
	uint64_t rios, rbytes, wios, wbytes, flushes;
};

extern struct volume vol;

void die(const char *what, const char *name);

/* One measurement: begin(), work, end() with the number of operations. */
void begin(struct counters *c);
void end(const struct counters *c, const char *phase, unsigned long ops);
void value(const char *phase, const char *name, double v);
void note(const char *phase, const char *text);

void vol_mount(void);
void vol_umount(void);
void vol_sync(void);
uint64_t vol_used(void);

void drop_caches(void);
uint64_t slab_bytes(void);
uint64_t page_bytes(void);
uint64_t memory_free(void);
void slab_object(const char *phase, const char *cache);

#endif
