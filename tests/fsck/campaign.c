// SPDX-License-Identifier: GPL-2.0
/*
 * Random damage: a recipe, one to eight fields of its volume, new values. Then
 * fsck.lnkfs repairs it, finds nothing the second time, and what was not damaged is
 * there. The number of an image, its seed, says all.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "chance.h"
#include "fsck.h"

#define CUT_ONE_IN	3	/* of so many images one is repaired with power failures, too */
#define BUSY		5	/* time may pass so many times faster than processor time */
#define MAX_SHOWN	10	/* failures that a process shows in full */

/**
 * struct tally - figures that all processes share
 * @images: per recipe
 * @failed: likewise
 * @unnoticed: images in which nothing was wrong
 * @cuts: power failures during repairs
 * @next: next seed
 */
struct tally {
	u64 images[64];
	u64 failed[64];
	u64 unnoticed;
	u64 cuts;
	u64 next;
};

/**
 * struct campaign - the options
 * @seed: of the first image
 * @count: images
 * @jobs: processes
 * @seconds: processor time after which no image is begun, or 0
 * @only: name of the only recipe
 * @keep: directory for images that failed
 * @verbose: show each image's damage
 * @vol: volumes
 * @nr: how many
 * @tally: figures
 * @began: when
 */
struct campaign {
	u64 seed;
	u64 count;
	u32 jobs;
	u32 seconds;
	const char *only;
	const char *keep;
	bool verbose;
	struct volume *vol;
	u32 nr;
	struct tally *tally;
	time_t began;
};

/* ---- an image ---- */

struct compared {
	struct volume *v;
	const struct damage *d;
	const char *path;
	const char *through;
};

static int compare(void *arg, FILE *out)
{
	struct compared *c = arg;

	expect_damage(c->v->was, manifest_read(c->path), c->d->owner, c->d->nr_owner,
		      c->through ? manifest_read(c->through) : NULL, out);
	return 0;
}

/*
 * What is wrong with a volume that has been repaired, or NULL. @through: what a repair
 * that was not stopped made of it, or NULL.
 */
static const char *whole(struct volume *v, const struct img *work, const struct damage *d,
			 const struct img *through, struct output *out)
{
	struct compared cmp = { v, d, work->path, through ? through->path : NULL };
	char *text;
	bool same;

	if (child_run(compare, &cmp, out))
		return "comparing";
	text = output_text(out);
	same = !*text;
	free(text);
	return same ? NULL : "something undamaged is not what it was";
}

/* What is wrong with what fsck.lnkfs does, or NULL. */
static const char *repair(struct campaign *c, struct volume *v, struct img *work,
			  const struct damage *d, struct output *out, u64 *kib)
{
	int found, done;

	found = fsck_run("-fn", work->path, out);
	if (found != 0 && found != 4)
		return "-fn: exit status";
	done = fsck_run("-fy", work->path, out);
	*kib = *out->blocks;
	if (done != (found ? 1 : 0))
		return found ? "-fy: exit status after problems" : "-fy: exit status after none";
	if (!found)
		__atomic_add_fetch(&c->tally->unnoticed, 1, __ATOMIC_RELAXED);
	if (fsck_run("-fn", work->path, out))
		return "-fn after the repair finds something";
	return whole(v, work, d, NULL, out);
}

static void damage_anew(const struct volume *v, const struct damage *d, struct img *work)
{
	img_copy(work, &v->img);
	damage_apply(d, work);
}

/*
 * The same damage, but the power fails in the middle of the repair. @through: what one made
 * of it that was not stopped.
 */
static const char *repair_cut(struct campaign *c, struct volume *v, const struct img *through,
			      const struct damage *d, struct output *out, u64 kib)
{
	struct img work;
	const char *why;
	int cuts;

	img_new(&work, "stopped", v->img.bytes);
	damage_anew(v, d, &work);
	cuts = fsck_cut_and_repair(work.path, 1u << v->r->bits, chance64(), kib, out, &why);
	__atomic_add_fetch(&c->tally->cuts, (u64)cuts, __ATOMIC_RELAXED);
	if (!why)
		why = whole(v, &work, d, through, out);
	img_close(&work);
	return why;
}

static void show(const struct campaign *c, const struct volume *v, u64 seed, const char *text,
		 const char *why, bool cut, struct output *out, const struct img *work)
{
	char *said = output_text(out), *line, *rest = said, path[300];
	u32 lines = 0;

	printf("# seed %" PRIu64 ", %s%s: %s\n#   %s\n", seed, v->r->name,
	       cut ? ", stopped in the middle" : "", why, text);
	while ((line = strsep(&rest, "\n")) && lines++ < 12)
		if (*line)
			printf("#   | %.200s\n", line);
	free(said);
	if (c->keep) {
		snprintf(path, sizeof(path), "%s/%s-%" PRIu64, c->keep, v->r->name, seed);
		img_save(work, path);
	}
	fflush(stdout);
}

static void one_image(struct campaign *c, u64 seed, struct output *out, u32 *shown)
{
	struct volume *v;
	struct img work;
	struct damage d;
	const char *why;
	char *text;
	bool cut;
	u64 kib;
	u32 n;

	chance_seed(seed * 1000003);
	n = chance(c->nr);
	v = &c->vol[n];
	text = damage_text(v);
	if (c->verbose)
		printf("# seed %" PRIu64 ", %s: %s\n", seed, v->r->name, text);
	img_new(&work, "work", v->img.bytes);
	damage_begin(&d, &v->cat);
	damage_parse(&d, text);
	damage_anew(v, &d, &work);
	why = repair(c, v, &work, &d, out, &kib);
	cut = !why && !chance(CUT_ONE_IN);
	if (cut)
		why = repair_cut(c, v, &work, &d, out, kib);
	__atomic_add_fetch(&c->tally->images[n], 1, __ATOMIC_RELAXED);
	if (why) {
		__atomic_add_fetch(&c->tally->failed[n], 1, __ATOMIC_RELAXED);
		if ((*shown)++ < MAX_SHOWN) {
			/* Again from the start, to be kept as it was damaged. */
			damage_anew(v, &d, &work);
			show(c, v, seed, text, why, cut, out, &work);
		}
	}
	damage_end(&d);
	free(text);
	img_close(&work);
}

static u64 seconds_of(int who)
{
	struct rusage use;

	getrusage(who, &use);
	return (u64)(use.ru_utime.tv_sec + use.ru_stime.tv_sec);
}

/* This process's part of the processor time, or, on a busy machine, of the time. */
static bool time_is_up(const struct campaign *c)
{
	u64 used = seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN);

	return used * c->jobs >= c->seconds || time(NULL) - c->began >= BUSY * c->seconds;
}

static void worker(struct campaign *c)
{
	struct output out;
	u32 shown = 0;
	u64 n;

	output_new(&out);
	for (;;) {
		n = __atomic_fetch_add(&c->tally->next, 1, __ATOMIC_RELAXED);
		if (n >= c->count || (c->seconds && time_is_up(c)))
			break;
		one_image(c, c->seed + n, &out, &shown);
	}
}

/* ---- the whole ---- */

static void make_volume(struct volume *v, const struct recipe *r)
{
	struct output out;

	volume_make(v, r);
	v->was = manifest_read(v->img.path);
	if (!r->logged)
		return;
	output_new(&out);
	img_new(&v->replayed, "replayed", v->img.bytes);
	img_copy(&v->replayed, &v->img);
	fsck_run("-fy", v->replayed.path, &out);
	output_end(&out);
}

static int report(const struct campaign *c)
{
	u64 images = 0, failed = 0;
	double seconds = (double)(time(NULL) - c->began);
	u32 i;

	puts("TAP version 13");
	for (i = 0; i < c->nr; i++) {
		images += c->tally->images[i];
		failed += c->tally->failed[i];
		printf("%sok %u - %s: %" PRIu64 " images with random damage, %" PRIu64
		       " failures\n",
		       c->tally->failed[i] ? "not " : "", i + 1, c->vol[i].r->name,
		       c->tally->images[i], c->tally->failed[i]);
	}
	printf("1..%u\n", c->nr);
	printf("# seeds from %" PRIu64 ": %" PRIu64 " images, %" PRIu64 " failures, %" PRIu64
	       " in which nothing was wrong, %" PRIu64
	       " power failures; %.0f seconds, %.1f images a second\n", c->seed, images,
	       failed, c->tally->unnoticed, c->tally->cuts, seconds,
	       seconds ? (double)images / seconds : 0.0);
	return failed != 0;
}

static int options(struct campaign *c, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:j:k:r:s:t:v")) != -1) {
		switch (opt) {
		case 'c':
			c->count = strtoull(optarg, NULL, 0);
			break;
		case 'j':
			c->jobs = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'k':
			c->keep = optarg;
			break;
		case 'r':
			c->only = optarg;
			break;
		case 's':
			c->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			c->seconds = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'v':
			c->verbose = true;
			break;
		default:
			return 2;
		}
	}
	return optind < argc ? 2 : 0;
}

/**
 * campaign_main() - random damage
 * @argc: of the arguments
 * @argv: see usage_text in damage.c
 */
int campaign_main(int argc, char **argv)
{
	struct campaign c = { .seed = 1, .count = ~0ULL >> 1, .jobs = 1 };
	u32 i;

	if (options(&c, argc, argv))
		return 2;
	c.vol = calloc(nr_recipes, sizeof(*c.vol));
	c.tally = mmap(NULL, sizeof(*c.tally), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!c.vol || c.tally == MAP_FAILED)
		die("no memory");
	for (i = 0; i < nr_recipes; i++)
		if (!c.only || !strcmp(c.only, recipes[i].name))
			make_volume(&c.vol[c.nr++], &recipes[i]);
	if (!c.nr)
		die("no recipe is called %s", c.only);
	c.began = time(NULL);
	fflush(stdout);
	for (i = 0; i < c.jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid) {
			worker(&c);
			fflush(stdout);
			_exit(0);
		}
	}
	for (i = 0; i < c.jobs; i++) {
		int status;

		if (wait(&status) < 0 || status)
			die("a process of the campaign has failed");
	}
	return report(&c);
}
