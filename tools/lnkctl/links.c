// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: an audit of the symlinks of a tree.
 *
 * One walk looks at all links and shows them. Those that dangle are left for later: a
 * second walk looks for what they may mean, a third one shows them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "lnkctl.h"
#include "paths.h"

static const char help[] =
	"usage: lnkctl links [OPTION]... FILE...\n"
	"\n"
	"Look at symlinks: at each FILE that is one, at those in each FILE that is a\n"
	"directory. Shows those with something to be said of them, what that is, and what\n"
	"could be put in their place. Nothing is changed without --fix. Classes are\n"
	"dangling, loop, denied, unmapped, lost, stale, mismatch, absolute, cross-volume,\n"
	"slow, tracked, junction, remote, and, if asked for, hard: could be hard links.\n"
	"\n"
	"  -R, --recursive   directories with all that is in them\n"
	"  -a, --all         show links of no class, too\n"
	"  -c, --class=CLASS[,CLASS]...  only those of these classes\n"
	"      --fix=CLASS[,CLASS]...    repair: hard, dangling, lost, stale, mismatch,\n"
	"                                absolute\n"
	"  -s, --summary     only how many there are of each class\n"
	"      --all-mounts  also what is on other mounts\n"
	"      --json        as JSON; a byte XX that is no UTF-8 stands as \\udcXX\n"
	"      --help        this text\n";

enum {
	OPT_FIX = LNKCTL_OPT_OWN,
	OPT_ALL_MOUNTS,
	OPT_JSON,
};

enum pass {
	LOOK,			/* at all links */
	SEARCH,			/* for what dangling ones may mean */
	LOOK_AGAIN,		/* at dangling ones */
};

/**
 * struct links_job - what to do, and what came of it
 * @pass: the walk
 * @classes: bits of classes to show
 * @fix: bits of classes to repair
 * @suggest: bits of classes to look for repairs of
 * @all: links of no class, too
 * @summary: no single links
 * @json: as JSON
 * @named: what the walk began at
 * @top: absolute path of the tree
 * @shown: links shown
 * @links: links looked at
 * @count: of them, in each class
 * @repairable: of these, with a repair for that
 * @repaired: of these, done
 */
struct links_job {
	enum pass pass;
	unsigned int classes;
	unsigned int fix;
	unsigned int suggest;
	bool all;
	bool summary;
	bool json;
	const char *named;
	char *top;
	unsigned long long shown;
	unsigned long long links;
	unsigned long long count[LINKS_CLASSES];
	unsigned long long repairable[LINKS_CLASSES];
	unsigned long long repaired[LINKS_CLASSES];
};

static struct links_job job;

static void account(const struct links_finding *f)
{
	int c;

	job.links++;
	for (c = 0; c < LINKS_CLASSES; c++)
		job.count[c] += !!(f->classes & LINKS_BIT(c));
	if (f->repair.class != LINKS_CLASSES) {
		job.repairable[f->repair.class]++;
		job.repaired[f->repair.class] += f->repair.done;
	}
}

static void judge(struct links_finding *f)
{
	bool wanted;

	f->classes &= job.classes | ~LINKS_BIT(LINKS_HARD);
	wanted = f->classes & job.classes;
	if (wanted)
		links_suggest(f, job.suggest);
	if (wanted && f->repair.class != LINKS_CLASSES && job.fix && links_apply(f)) {
		if (errno == ESTALE)
			lnkctl_complain(f->object->path, "has been changed meanwhile");
		else
			lnkctl_failed(f->object->path, errno);
	}
	account(f);
	if (!job.summary && (wanted || job.all))
		links_show(f, job.json, !job.shown++);
}

static enum walk_verdict visit(const struct walk_object *object, void *arg)
{
	bool is_link = S_ISLNK(object->st->stx_mode);
	struct links_finding f;

	(void)arg;
	if (job.pass == SEARCH && !is_link)
		links_offer(object);
	if (job.pass == SEARCH || !is_link)
		return WALK_ON;
	if (links_look(&f, object)) {
		f.top = job.top;
		if (job.pass == LOOK && f.classes & job.suggest & LINKS_BIT(LINKS_DANGLING))
			links_want(&f);
		else if (job.pass == LOOK || links_is_wanted(&f))
			judge(&f);
	}
	links_forget(&f);
	return WALK_ON;
}

/* What goes away while a tree is walked is no failure, but what was named must be there. */
static void failed(const char *path, int error)
{
	bool named = !strcmp(path, job.named);

	if (job.pass == LOOK && (named || (error != ENOENT && error != ESTALE)))
		lnkctl_failed(path, error);
}

static void summarize(void)
{
	int c;

	printf("%s%llu %s\n", job.shown ? "\n" : "", job.links, job.links == 1 ? "link" : "links");
	for (c = 0; c < LINKS_CLASSES; c++) {
		if (!(job.classes & LINKS_BIT(c)) || !job.count[c])
			continue;
		printf("%8llu %s", job.count[c], links_class_names[c]);
		if (job.fix & LINKS_BIT(c))
			printf(", %llu of %llu repaired", job.repaired[c], job.repairable[c]);
		else if (job.repairable[c])
			printf(", %llu could be repaired", job.repairable[c]);
		putchar('\n');
	}
}

static void summarize_json(void)
{
	int c;

	printf("%s],\n  \"count\": %llu,\n  \"classes\": {", job.shown ? "\n  " : "", job.links);
	for (c = 0; c < LINKS_CLASSES; c++)
		printf("%s\n    \"%s\": {\"count\": %llu, \"repairable\": %llu, "
		       "\"repaired\": %llu}",
		       c ? "," : "", links_class_names[c], job.count[c], job.repairable[c],
		       job.repaired[c]);
	puts("\n  }\n}");
}

/* Words with commas between them. */
static unsigned int parse_classes(char *text, unsigned int allowed, const char *what)
{
	unsigned int bits = 0;
	char *word;
	int c;

	while ((word = strsep(&text, ","))) {
		for (c = 0; c < LINKS_CLASSES; c++)
			if (!strcmp(word, links_class_names[c]))
				break;
		if (c == LINKS_CLASSES || !(allowed & LINKS_BIT(c)))
			lnkctl_usage("%s: no class %s", word, what);
		bits |= LINKS_BIT(c);
	}
	return bits;
}

static void parse(int argc, char **argv, struct walk *walk)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ "recursive", no_argument, NULL, 'R' },
		{ "all", no_argument, NULL, 'a' },
		{ "class", required_argument, NULL, 'c' },
		{ "fix", required_argument, NULL, OPT_FIX },
		{ "summary", no_argument, NULL, 's' },
		{ "all-mounts", no_argument, NULL, OPT_ALL_MOUNTS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "Rac:s", longs, NULL)) != -1) {
		if (c == 'R')
			walk->max_level = UINT_MAX;
		else if (c == 'a')
			job.all = true;
		else if (c == 'c')
			job.classes |= parse_classes(optarg, ~0u, "of links");
		else if (c == OPT_FIX)
			job.fix |= parse_classes(optarg, LINKS_REPAIRABLE, "that can be repaired");
		else if (c == 's')
			job.summary = true;
		else if (c == OPT_ALL_MOUNTS)
			walk->one_mount = false;
		else if (c == OPT_JSON)
			job.json = true;
		else
			lnkctl_help_or_bad(c, help);
	}
	if (!job.classes)
		job.classes = ~LINKS_BIT(LINKS_HARD);
	job.classes |= job.fix;
	job.suggest = job.fix ? job.fix : job.classes & LINKS_REPAIRABLE;
	if (optind == argc)
		lnkctl_usage("a file is missing");
}

/* The tree of what was named: a directory, or that which has the link. */
static char *top_of(const char *named)
{
	bool is_dir;
	struct stat st;
	char *path, *top;

	is_dir = !lstat(named, &st) && S_ISDIR(st.st_mode);
	path = is_dir ? lnkctl_strdup(named) : path_dir(named);
	top = realpath(path, NULL);
	free(path);
	return top;
}

static void walk_all(const struct walk *walk, int argc, char **argv)
{
	int i;

	for (i = optind; i < argc; i++) {
		job.named = argv[i];
		job.top = *argv[i] ? top_of(argv[i]) : NULL;
		walk_tree(walk, argv[i]);
		free(job.top);
	}
}

static int run(int argc, char **argv)
{
	struct lnkctl_walk_options options = { .recursive = true, .links = 'P' };
	struct walk walk = { .visit = visit };

	lnkctl_walk_setup(&options, &walk);
	walk.failed = failed;
	walk.one_mount = true;
	walk.max_level = 1;
	parse(argc, argv, &walk);
	if (job.json)
		fputs("{\n  \"links\": [", stdout);
	walk_all(&walk, argc, argv);
	if (links_any_wanted()) {
		job.pass = SEARCH;
		walk_all(&walk, argc, argv);
		job.pass = LOOK_AGAIN;
		walk_all(&walk, argc, argv);
	}
	links_search_end();
	if (job.json)
		summarize_json();
	else
		summarize();
	return 0;
}

const struct lnkctl_command lnkctl_links = {
	.name = "links",
	.summary = "find symlinks that are broken, and repair them",
	.help = help,
	.run = run,
};
