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
#include "fsck.h"
#include "kinds.h"

#define MAX_DAMAGES	8
#define CUT_ONE_IN	3	/* of so many images one is repaired with power failures, too */
#define BUSY		5	/* time may pass so many times faster than processor time */
#define MAX_SHOWN	10	/* failures that a process shows in full */

/**
 * struct volume - a recipe's volume
 * @r: recipe
 * @img: the sound volume
 * @replayed: with what is in its log carried out, of a logged recipe
 * @cat: its structures
 * @was: its files
 * @first: first structure of each kind there is
 * @nr_kinds: how many kinds
 * @supers: copies of the superblock
 */
struct volume {
	const struct recipe *r;
	struct img img;
	struct img replayed;
	struct catalog cat;
	struct manifest *was;
	u32 first[K_KINDS + 1];
	u32 nr_kinds;
	u32 supers;
};

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

/* ---- random numbers ---- */

static u64 rnd_state;

static u64 rnd64(void)
{
	return power_random(&rnd_state);
}

static u32 rnd(u32 below)
{
	return (u32)(rnd64() % below);
}

/* ---- a damage ---- */

static const struct object *pick_of(const struct volume *v, u32 nth)
{
	u32 from = v->first[nth];

	return &v->cat.obj[from + rnd(v->first[nth + 1] - from)];
}

static const struct object *pick(const struct volume *v)
{
	return pick_of(v, rnd(v->nr_kinds));
}

static const struct object *pick_like(const struct volume *v, const struct object *o)
{
	u32 i;

	for (i = 0; v->cat.obj[v->first[i]].kind != o->kind; i++)
		;
	return pick_of(v, i);
}

/* Will replaying the log undo a damage to it? */
static bool in_log(const struct volume *v, const struct object *o)
{
	u32 bits = v->cat.vol.v.fs.block_bits;
	u64 at = object_block(&v->cat, o) << bits;

	return v->r->logged && memcmp(v->img.mem + at, v->replayed.mem + at, 1u << bits);
}

/* How a structure is called, so that catalog_find() finds it again. */
static void put_name(FILE *f, const struct object *o)
{
	fputs(o->kind->name, f);
	if (o->kind->owned)
		fprintf(f, ":%" PRIu64, o->ino);
	if (o->kind->named)
		fprintf(f, ":%s", o->name);
	fprintf(f, ":%" PRIu64 "@%u", o->num, o->copy);
}

static u64 new_value(const struct volume *v, const struct object *o, const struct field *f)
{
	u64 old = field_get(&v->cat, o, f), blocks = v->cat.vol.v.fs.blocks;

	switch (rnd(12)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return ~0ULL;
	case 3:
		return old + 1;
	case 4:
		return old - 1;
	case 5:
	case 6:
		return old ^ 1ULL << rnd(f->size * 8u);
	case 7:
		return rnd64();
	case 8:
		return rnd64() % blocks;
	case 9:
		return object_block(&v->cat, pick(v));
	case 10:
		return pick(v)->ino;
	default:
		return field_get(&v->cat, pick_like(v, o), f);
	}
}

static void put_field(FILE *f, const struct volume *v, const struct object *o)
{
	const struct field *field = o->kind->fields;
	u32 n = 0;

	while (field[n].name)
		n++;
	if (!n || (o->len > 600 && rnd(3))) {
		/* A map, or bytes without a meaning of their own. */
		struct field raw = { .size = 1, .at = (u16)rnd(o->len) };

		fprintf(f, ".raw:%u=%u", raw.at, (u32)(new_value(v, o, &raw) & 255));
		return;
	}
	field += rnd(n);
	if (field->size > 8)
		fprintf(f, ".raw:%u=%u", field->at + rnd(field->size), rnd(256));
	else
		fprintf(f, ".%s=%" PRIu64, field->name, new_value(v, o, field));
}

static bool has_blank(const struct object *o)
{
	return o->name && strpbrk(o->name, " ");
}

/* May this structure be damaged in addition to what was damaged already? */
static bool allowed(const struct volume *v, const struct object *o, u32 *supers)
{
	if (in_log(v, o))
		return false;
	if (o->kind == &kinds[K_JOURNAL])
		return !v->r->logged;
	if (o->kind != &kinds[K_SUPER])
		return true;
	/* Two that agree are needed to tell which one is wrong. */
	return v->supers >= 3 && !(*supers)++;
}

static void put_damage(FILE *f, const struct volume *v, u32 *supers)
{
	const struct object *o, *from;
	u32 how;

	do {
		o = pick(v);
	} while (!allowed(v, o, supers));
	if (!rnd(10))
		fputs("nofix ", f);
	how = rnd(24);
	from = pick_like(v, o);
	if (how < 3 && !has_blank(o) && !has_blank(from) && o->kind != &kinds[K_SUPER]) {
		static const char *const verbs[] = { "zero", "random", "copy" };

		fprintf(f, "%s%s ", verbs[how], rnd(4) ? "" : "block");
		if (how == 2) {
			put_name(f, from);
			fputc(' ', f);
		}
		put_name(f, o);
	} else {
		put_name(f, o);
		put_field(f, v, o);
	}
}

static char *make_text(const struct volume *v)
{
	u32 n = 1 + rnd(MAX_DAMAGES), supers = 0, i;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		die("no memory");
	for (i = 0; i < n; i++) {
		if (i)
			fputs("; ", f);
		put_damage(f, v, &supers);
	}
	fclose(f);
	return text;
}

/* ---- an image ---- */

struct compared {
	struct volume *v;
	const struct damage *d;
	const char *path;
};

static int compare(void *arg, FILE *out)
{
	struct compared *c = arg;

	expect_damage(c->v->was, manifest_read(c->path), c->d->owner, c->d->nr_owner, out);
	return 0;
}

/* What is wrong with a volume that has been repaired, or NULL. */
static const char *whole(struct volume *v, const struct img *work, const struct damage *d,
			 struct output *out)
{
	struct compared cmp = { v, d, work->path };
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
	return whole(v, work, d, out);
}

static void damage_anew(const struct volume *v, const struct damage *d, struct img *work)
{
	img_copy(work, &v->img);
	damage_apply(d, work);
}

/* The same damage, but the power fails in the middle of the repair. */
static const char *repair_cut(struct campaign *c, struct volume *v, struct img *work,
			      const struct damage *d, struct output *out, u64 kib)
{
	const char *why;
	int cuts;

	damage_anew(v, d, work);
	cuts = fsck_cut_and_repair(work->path, 1u << v->r->bits, rnd64(), kib, out, &why);
	__atomic_add_fetch(&c->tally->cuts, (u64)cuts, __ATOMIC_RELAXED);
	if (!why)
		why = whole(v, work, d, out);
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

	rnd_state = seed * 1000003;
	n = rnd(c->nr);
	v = &c->vol[n];
	text = make_text(v);
	if (c->verbose)
		printf("# seed %" PRIu64 ", %s: %s\n", seed, v->r->name, text);
	img_new(&work, "work", v->img.bytes);
	damage_begin(&d, &v->cat);
	damage_parse(&d, text);
	damage_anew(v, &d, &work);
	why = repair(c, v, &work, &d, out, &kib);
	cut = !why && !rnd(CUT_ONE_IN);
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
	u32 i;

	v->r = r;
	recipe_make(r, &v->img);
	catalog_make(&v->cat, &v->img);
	v->was = manifest_read(v->img.path);
	for (i = 0; i < v->cat.nr; i++) {
		if (!i || v->cat.obj[i].kind != v->cat.obj[i - 1].kind)
			v->first[v->nr_kinds++] = i;
		v->supers += v->cat.obj[i].kind == &kinds[K_SUPER];
	}
	v->first[v->nr_kinds] = i;
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
		printf("%sok %u - %s: %" PRIu64 " images with random damage, %" PRIu64 " failures\n",
		       c->tally->failed[i] ? "not " : "", i + 1, c->vol[i].r->name,
		       c->tally->images[i], c->tally->failed[i]);
	}
	printf("1..%u\n", c->nr);
	printf("# seeds from %" PRIu64 ": %" PRIu64 " images, %" PRIu64 " failures, %" PRIu64
	       " in which nothing was wrong, %" PRIu64
	       " power failures; %.0f seconds, %.1f images a second\n", c->seed, images,
	       failed, c->tally->unnoticed, c->tally->cuts, seconds, seconds ? (double)images / seconds : 0.0);
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
