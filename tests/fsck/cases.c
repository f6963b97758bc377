// SPDX-License-Identifier: GPL-2.0
/*
 * Cases from tables: one damage each, what fsck.lnkfs must say of it, and what
 * must be on the volume after the repair.
 *
 * A line has columns, separated by " | ":
 *	recipes | damage | what -n says | what differs afterwards | exit status of -y
 * Recipes are separated by commas. The damage is explained in apply.c. What -n says
 * is an extended regular expression; "-" stands for a damage that cannot be
 * noticed. What differs is explained in compare.c. The last column is 1 if it is
 * missing, or 0 if nothing was noticed. A line that ends with a backslash goes on in the next one.
 */
#include <getopt.h>
#include <inttypes.h>
#include <regex.h>
#include <unistd.h>

#include "cases.h"
#include "fsck.h"

/**
 * struct volume - a recipe's sound volume, made when it is first needed
 * @r: recipe
 * @img: the volume
 * @work: a copy to be damaged
 * @cat: its structures
 * @was: its files
 */
struct volume {
	const struct recipe *r;
	struct img img;
	struct img work;
	struct catalog cat;
	struct manifest *was;
};

/**
 * struct testcase - a line of a table, for one recipe
 * @recipe: its name
 * @damage: what is damaged
 * @says: what fsck.lnkfs -n says
 * @tree: what differs afterwards
 * @status: exit status of -y
 */
struct testcase {
	char *recipe;
	char *damage;
	char *says;
	char *tree;
	int status;
};

/**
 * struct suite - all of them
 * @vol: volumes made so far
 * @nr_vol: how many
 * @one: the cases
 * @nr: how many
 * @out: what child processes say
 * @detect: only see whether the damage is noticed
 * @verbose: show what fsck.lnkfs says
 * @only: part of the names of the cases to be run, or NULL
 * @cut: of so many cases one is repaired with power failures, too; 0: none
 * @keep: where to write the damaged image of a case
 * @count: cases run
 * @failed: cases that failed
 * @cuts: power failures
 */
struct suite {
	struct volume *vol[32];
	u32 nr_vol;
	struct testcase *one;
	u32 nr;
	struct output out;
	bool detect;
	bool verbose;
	const char *only;
	u32 cut;
	const char *keep;
	u32 count;
	u32 failed;
	u32 cuts;
};

static struct volume *volume_of(struct suite *s, const char *name)
{
	struct volume *v;
	u32 i;

	for (i = 0; i < s->nr_vol; i++)
		if (!strcmp(s->vol[i]->r->name, name))
			return s->vol[i];
	v = calloc(1, sizeof(*v));
	if (!v || i == ARRAY_SIZE(s->vol))
		die("no room for volumes");
	s->vol[s->nr_vol++] = v;
	v->r = recipe_find(name);
	if (!v->r)
		die("no recipe is called %s", name);
	recipe_make(v->r, &v->img);
	img_new(&v->work, name, v->img.bytes);
	catalog_make(&v->cat, &v->img);
	v->was = manifest_read(v->img.path);
	return v;
}

/* ---- tables ---- */

static char *column(char **rest)
{
	char *text = *rest, *bar, *end;

	if (!text)
		return NULL;
	bar = strstr(text, " | ");
	*rest = bar ? bar + 3 : NULL;
	end = bar ? bar : text + strlen(text);
	while (end > text && strchr(" \t\n", end[-1]))
		end--;
	*end = '\0';
	return text + strspn(text, " \t");
}

static void add_line(struct suite *s, char *line, const char *table, u32 nr)
{
	char *rest = line, *recipes_ = column(&rest), *damage = column(&rest);
	char *says = column(&rest), *tree = column(&rest), *status = column(&rest), *name;

	if (!tree)
		die("%s:%u: four columns are needed", table, nr);
	while ((name = strsep(&recipes_, ","))) {
		struct testcase *t;

		s->one = realloc(s->one, (s->nr + 1) * sizeof(*s->one));
		if (!s->one)
			die("no memory");
		t = &s->one[s->nr++];
		t->recipe = strdup(name);
		t->damage = strdup(damage);
		t->says = strdup(says);
		t->tree = strdup(tree);
		t->status = status ? atoi(status) : strcmp(says, "-") != 0;
	}
}

static void read_table(struct suite *s, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[2000], all[8000] = "";
	u32 nr = 0;

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n"), have = strlen(all);

		nr++;
		line[len] = '\0';
		if (line[0] == '#' || (!len && !have))
			continue;
		snprintf(all + have, sizeof(all) - have, "%s",
			 line + (have ? strspn(line, " \t") : 0));
		have = strlen(all);
		if (have && all[have - 1] == '\\') {
			all[have - 1] = '\0';
			continue;
		}
		add_line(s, all, path, nr);
		all[0] = '\0';
	}
	fclose(f);
}

/* ---- one case ---- */

static void quote(const char *text, u32 lines)
{
	while (*text && lines--) {
		size_t len = strcspn(text, "\n");

		printf("#   %.*s\n", (int)min_t(size_t, len, 300), text);
		text += len + (text[len] == '\n');
	}
}

/* What fsck.lnkfs said, when it was not what it should have been. */
static bool complain(struct suite *s, const char *fmt, ...)
{
	char *text = output_text(&s->out);
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	quote(text, 30);
	free(text);
	return false;
}

static bool matches(struct suite *s, const char *pattern)
{
	char *text = output_text(&s->out);
	regex_t re;
	bool good;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		die("%s: no regular expression", pattern);
	good = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	free(text);
	return good;
}

static bool detected(struct suite *s, struct volume *v, const struct testcase *t,
		     const struct img *damaged)
{
	bool silent = !strcmp(t->says, "-");
	int status = fsck_run("-fn", v->work.path, &s->out);

	if (s->verbose)
		complain(s, "-fn: exit status %d", status);
	if (status != (silent ? 0 : 4))
		return complain(s, "-fn: exit status %d, should be %d", status, silent ? 0 : 4);
	if (!silent && !matches(s, t->says))
		return complain(s, "-fn does not say %s", t->says);
	if (!img_same(&v->work, damaged))
		return complain(s, "-fn has changed the volume");
	return true;
}

struct compared {
	struct volume *v;
	const struct testcase *t;
	const struct damage *d;
};

/* What the case says, or, of a repair that has been stopped, what was not damaged. */
static int compare(void *arg, FILE *out)
{
	struct compared *c = arg;
	struct manifest *is = manifest_read(c->v->work.path);

	if (c->d)
		expect_damage(c->v->was, is, c->d->owner, c->d->nr_owner, NULL, out);
	else
		expect_text(c->v->was, is, c->t->tree, out);
	return 0;
}

static bool as_it_should_be(struct suite *s, struct compared *c)
{
	int status = child_run(compare, c, &s->out);
	char *text = output_text(&s->out);
	bool same = !status && !*text;

	free(text);
	return same || complain(s, "after the repair (%d):", status);
}

static bool repaired(struct suite *s, struct volume *v, const struct testcase *t, u64 *kib)
{
	struct compared c = { v, t, NULL };
	int status = fsck_run("-fy", v->work.path, &s->out);

	*kib = *s->out.blocks;
	if (s->verbose)
		complain(s, "-fy: exit status %d", status);
	if (status != t->status)
		return complain(s, "-fy: exit status %d, should be %d", status, t->status);
	status = fsck_run("-fn", v->work.path, &s->out);
	if (status)
		return complain(s, "-fn after the repair: exit status %d", status);
	return as_it_should_be(s, &c);
}

/* Is it this case's turn? @seed: the same whichever cases are run */
static bool is_cut(const struct suite *s, const struct testcase *t, u64 *seed)
{
	u32 crc = lnkfs_crc32c(~0u, t->recipe, strlen(t->recipe));

	*seed = lnkfs_crc32c(crc, t->damage, strlen(t->damage));
	return s->cut && !(*seed % s->cut);
}

/* The same repair, but the power fails in the middle. */
static bool repaired_cut(struct suite *s, struct volume *v, const struct testcase *t,
			 const struct damage *d, u64 seed, u64 kib)
{
	/* What is in the log can only be compared when that is not damaged. */
	struct compared c = { v, t, v->r->logged ? NULL : d };
	const char *why;
	int cuts;

	img_copy(&v->work, &v->img);
	damage_apply(d, &v->work);
	cuts = fsck_cut_and_repair(v->work.path, 1u << v->r->bits, seed, kib, &s->out, &why);
	s->cuts += (u32)cuts;
	if (why)
		return complain(s, "%s", why);
	return as_it_should_be(s, &c) || complain(s, "the power had failed");
}

/* What is to be damaged, and a copy of it. */
static void prepare(struct suite *s, struct volume *v, const struct damage *d,
		    struct img *damaged)
{
	img_copy(&v->work, &v->img);
	damage_apply(d, &v->work);
	if (s->keep)
		img_save(&v->work, s->keep);
	img_new(damaged, "damaged", v->img.bytes);
	free(v->work.ext);
	v->work.ext = NULL;
	v->work.nr_ext = 0;
	img_extents(&v->work);
	img_copy(damaged, &v->work);
	img_extents(damaged);
}

static void run_one(struct suite *s, const struct testcase *t)
{
	struct volume *v = volume_of(s, t->recipe);
	static struct img damaged;
	struct damage d;
	u64 kib, seed;
	bool good;

	damage_begin(&d, &v->cat);
	damage_parse(&d, t->damage);
	prepare(s, v, &d, &damaged);
	good = detected(s, v, t, &damaged);
	img_close(&damaged);
	if (good && !s->detect) {
		good = repaired(s, v, t, &kib);
		if (good && is_cut(s, t, &seed))
			good = repaired_cut(s, v, t, &d, seed, kib);
	}
	damage_end(&d);
	s->failed += !good;
	printf("%sok %u - %s: %s\n", good ? "" : "not ", ++s->count, t->recipe, t->damage);
}

/* The sound volumes: nothing is wrong with them, so that what is found is the damage. */
static void run_sound(struct suite *s)
{
	static const char *const runs[] = { "-fn", "-fy", "-fn" };
	u32 i, k;

	for (i = 0; i < nr_recipes; i++) {
		struct volume *v = volume_of(s, recipes[i].name);
		bool good = true;

		img_copy(&v->work, &v->img);
		for (k = 0; k < ARRAY_SIZE(runs) && good; k++) {
			int status = fsck_run(runs[k], v->work.path, &s->out);

			good = !status || complain(s, "%s: exit status %d", runs[k], status);
		}
		s->failed += !good;
		printf("%sok %u - %s: sound\n", good ? "" : "not ", ++s->count, v->r->name);
	}
}

static bool wanted(const struct suite *s, const struct testcase *t)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s: %s", t->recipe, t->damage);
	return !s->only || strstr(name, s->only);
}

/**
 * cases_main() - run the cases of tables
 * @argc: of the arguments
 * @argv: see usage_text in damage.c
 */
int cases_main(int argc, char **argv)
{
	struct suite s = { 0 };
	u32 i;
	int c;

	while ((c = getopt(argc, argv, "c:dk:o:v")) != -1) {
		if (c == 'c')
			s.cut = (u32)strtoul(optarg, NULL, 0);
		else if (c == 'd')
			s.detect = true;
		else if (c == 'k')
			s.keep = optarg;
		else if (c == 'o')
			s.only = optarg;
		else if (c == 'v')
			s.verbose = true;
		else
			return 2;
	}
	for (; optind < argc; optind++)
		read_table(&s, argv[optind]);
	output_new(&s.out);
	puts("TAP version 13");
	if (!s.only)
		run_sound(&s);
	for (i = 0; i < s.nr; i++)
		if (wanted(&s, &s.one[i]))
			run_one(&s, &s.one[i]);
	printf("1..%u\n# %u power failures in repairs\n", s.count, s.cuts);
	return s.failed != 0;
}
