/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hostile images: volumes that someone has made to hurt whoever mounts them. Each is
 * a case, a line of text, which a seed stands for:
 *
 *	RECIPE | DAMAGE; DAMAGE... | LOG | RUN
 *
 * RECIPE is the sound volume, the damages are those of tests/fsck/apply.c. LOG is 0, or
 * the seed of a log that brings the damages when it is replayed, and is broken itself
 * (hostlog.c), or of fast commits (hostfast.c): where there can be some, and it is odd. RUN is the seed of what is done with the volume.
 */
#ifndef LNKFS_FUZZ_HOSTILE_H
#define LNKFS_FUZZ_HOSTILE_H

#include "chance.h"

/**
 * struct hcase - a hostile image
 * @v: the sound volume
 * @text: damages, to be freed
 * @log: seed of its log, or 0
 * @run: seed of what is done with it
 */
struct hcase {
	struct volume *v;
	char *text;
	u64 log;
	u64 run;
};

/* ---- case.c ---- */
struct volume *case_volume(const char *name, size_t len);
struct volume *case_volume_nr(u32 nr);
void case_pack(const char *path);
void case_use_pack(const char *path);
void case_random(struct hcase *c);
bool case_parse(struct hcase *c, const char *line);
void case_print(const struct hcase *c, FILE *f);
void case_make(const struct hcase *c, struct img *img);
void case_free(struct hcase *c);

/* ---- attack.c ---- */
void attack_put(FILE *f, const struct volume *v);

/* ---- hostlog.c ---- */
void hostlog_make(const struct volume *v, struct img *img, u64 seed);

/* ---- hostfast.c ---- */
void hostfast_make(const struct volume *v, struct img *img, const struct img *next, u64 seed);

/* ---- in the guest: mount.c, exercise.c, stages.c, watch.c ---- */

/**
 * struct progress - what the process that uses the images and its supervisor share
 * @seed: seed, or number of a line, at hand
 * @steps: grows as long as something goes on
 * @what: what was begun last
 * @images: finished
 * @mounted: of these, those that could be mounted
 * @bad: failures
 * @errors: errors of calls by number
 * @mount_errors: likewise, of mount(2)
 */
struct progress {
	u64 seed;
	u64 steps;
	char what[64];
	u64 images;
	u64 mounted;
	u64 bad;
	u64 errors[140];
	u64 mount_errors[140];
};

extern struct progress *progress;

void step(const char *what);
void note(long ret);
void complain(const char *fmt, ...) __printf(1, 2);
u64 now_ms(void);

void exercise(int root, const char *dir, const char *dev, bool writable, u64 budget_ms);

#endif /* LNKFS_FUZZ_HOSTILE_H */
