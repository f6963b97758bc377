// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl chmod: change modes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lnkctl.h"
#include "modespec.h"
#include "object.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl chmod [OPTION]... MODE FILE...\n"
	"       lnkctl chmod [OPTION]... --reference=FILE FILE...\n"
	"\n"
	"Change the mode of each FILE. MODE is as for chmod(1): an octal number, or\n"
	"[ugoa...][+-=][rwxXst...|u|g|o] with commas between. With -h it may be the mode\n"
	"of a symlink itself.\n"
	"\n"
	"  -h, --no-dereference  change symlinks, not what they refer to\n"
	"  -R, --recursive       also all that is in directories; symlinks in them are\n"
	"                        passed over, or changed with -h\n"
	"  -H                    with -R, follow symlinks that are named (the default,\n"
	"                        but not with -h)\n"
	"  -L                    with -R, follow all symlinks\n"
	"  -P                    with -R, follow no symlinks\n"
	"  -v, --verbose         say what was changed\n"
	"  -f, --silent          do not complain about what cannot be changed\n"
	"      --reference=FILE  give the mode that FILE has\n"
	"      --help            this text\n";

/**
 * struct chmod_job - what to do
 * @spec: the mode asked for
 * @umask: the umask
 * @links: change symlinks met
 * @verbose: print changes
 */
struct chmod_job {
	struct modespec *spec;
	mode_t umask;
	bool links;
	bool verbose;
};

/* The kernel may have left out setgid: what counts is what the object has now. */
static void print_change(const struct walk_object *object, mode_t old)
{
	struct stat st;

	old &= MODESPEC_BITS;
	if (fstat(object->fd, &st)) {
		lnkctl_failed(object->path, errno);
	} else if ((st.st_mode & MODESPEC_BITS) != old) {
		text_word(stdout, object->path);
		printf(": %04o -> %04o\n", old, st.st_mode & MODESPEC_BITS);
	}
}

static enum walk_verdict change(const struct walk_object *object, void *arg)
{
	const struct chmod_job *job = arg;
	mode_t mode = object->st->stx_mode;

	if (S_ISLNK(mode) && !job->links)
		return WALK_ON;
	if (object_chmod(object, modespec_apply(job->spec, mode, S_ISDIR(mode), job->umask)))
		lnkctl_failed(object->path, errno);
	else if (job->verbose)
		print_change(object, mode);
	return WALK_ON;
}

/* The mode of @name as a specification. */
static struct modespec *reference(const char *name, bool no_follow)
{
	struct stat st;

	if (!fstatat(AT_FDCWD, name, &st, no_follow ? AT_SYMLINK_NOFOLLOW : 0))
		return modespec_exactly(st.st_mode);
	lnkctl_failed(name, errno);
	exit(LNKCTL_FAILED);
}

/* A mode may look like an option: "-w", also behind others: "-Rw". Several make one. */
static char *add_mode(char *mode, int option, const char *rest)
{
	size_t n = mode ? strlen(mode) + 1 : 0;

	if (!rest)
		rest = "";
	mode = lnkctl_realloc(mode, n + strlen(rest) + 3);
	if (n)
		mode[n - 1] = ',';
	sprintf(mode + n, "-%c%s", option, rest);
	return mode;
}

static int run(int argc, char **argv)
{
	static const char letters[] = LNKCTL_WALK_OPTIONS "vf"
		"r::w::x::X::s::t::u::g::o::a::,::+::=::0::1::2::3::4::5::6::7::";
	static const struct option longs[] = {
		LNKCTL_LONG_OPTIONS,
		{ "verbose", no_argument, NULL, 'v' },
		{ "silent", no_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'f' },
		{ "reference", required_argument, NULL, LNKCTL_OPT_OWN },
		{ 0 },
	};
	struct lnkctl_walk_options options = { 0 };
	struct chmod_job job = { 0 };
	struct walk walk = { .visit = change, .arg = &job };
	const char *example = NULL;
	char *mode = NULL;
	int c;

	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (lnkctl_walk_option(c, &options))
			continue;
		if (c == 'v')
			job.verbose = true;
		else if (c == 'f')
			lnkctl_silence();
		else if (c == LNKCTL_OPT_OWN)
			example = optarg;
		else
			mode = add_mode(mode, c, optarg);
	}
	if (example && mode)
		lnkctl_usage("a mode and --reference exclude each other");
	lnkctl_walk_setup(&options, &walk);
	if (!example && !mode) {
		if (optind == argc)
			lnkctl_usage("a mode is missing");
		mode = strdup(argv[optind++]);
	}
	if (optind == argc)
		lnkctl_usage("a file is missing");
	job.spec = example ? reference(example, options.no_follow) : modespec_parse(mode);
	if (!job.spec)
		lnkctl_usage("%s: not a mode", mode);
	job.links = options.no_follow;
	job.umask = umask(0);
	umask(job.umask);
	for (; optind < argc; optind++)
		walk_tree(&walk, argv[optind]);
	modespec_free(job.spec);
	free(mode);
	return 0;
}

const struct lnkctl_command lnkctl_chmod = {
	.name = "chmod",
	.summary = "change modes",
	.help = help,
	.run = run,
};
