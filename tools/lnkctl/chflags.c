// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl chflags: change flags.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "liblnkfs.h"
#include "lnkctl.h"
#include "object.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl chflags [OPTION]... FLAGS FILE...\n"
	"\n"
	"Change the flags of each FILE. FLAGS is as for chflags(1) of FreeBSD: an octal\n"
	"number, which replaces all flags, or names with commas between, which change\n"
	"only these; \"no\" before a name clears the flag.\n"
	"\n"
	"For the owner: uchg immutable, uappnd append-only, uunlnk not to be removed,\n"
	"hidden, nodump (cleared by dump), opaque, uarch, offline, rdonly, reparse,\n"
	"sparse, system. For the superuser: schg, sappnd, sunlnk, arch.\n"
	"\n"
	"  -h, --no-dereference  change symlinks, not what they refer to\n"
	"  -R, --recursive       also all that is in directories; symlinks in them are\n"
	"                        passed over, or changed with -h\n"
	"  -H                    with -R, follow symlinks that are named (the default,\n"
	"                        but not with -h)\n"
	"  -L                    with -R, follow all symlinks\n"
	"  -P                    with -R, follow no symlinks\n"
	"  -x                    with -R, leave alone what is on other mounts\n"
	"  -v, --verbose         say what was changed\n"
	"  -f, --silent          do not complain about what cannot be changed\n"
	"      --help            this text\n";

/**
 * struct chflags_job - what to do
 * @set: flags to set
 * @clear: flags to clear after that
 * @replace: the present flags do not matter
 * @links: change symlinks met
 * @verbose: print changes
 */
struct chflags_job {
	uint32_t set;
	uint32_t clear;
	bool replace;
	bool links;
	bool verbose;
};

static void print_change(const char *path, uint32_t old, uint32_t new)
{
	char from[512], to[512];

	lnkfs_flags_to_text(old, from, sizeof(from));
	lnkfs_flags_to_text(new, to, sizeof(to));
	text_word(stdout, path);
	printf(": %s -> %s\n", from, to);
}

static enum walk_verdict change(const struct walk_object *object, void *arg)
{
	const struct chflags_job *job = arg;
	uint32_t old, new;

	if (S_ISLNK(object->st->stx_mode) && !job->links)
		return WALK_ON;
	if (object_getflags(object, &old))
		goto failed;
	new = job->replace ? job->set : (old | job->set) & ~job->clear;
	if (new == old)
		return WALK_ON;
	if (object_setflags(object, new))
		goto failed;
	if (job->verbose)
		print_change(object->path, old, new);
	return WALK_ON;
failed:
	lnkctl_failed(object->path, errno);
	return WALK_ON;
}

static void parse_flags(const char *text, struct chflags_job *job)
{
	unsigned long long n;
	const char *word;
	char *end;

	/* what the filesystem knows and we do not is shown as 0x... */
	if (*text >= '0' && *text <= '9' && text[1] != 'x') {
		errno = 0;
		n = strtoull(text, &end, 8);
		if (errno || *end || n > UINT32_MAX)
			lnkctl_usage("%s: not an octal number of 32 bits", text);
		job->set = (uint32_t)n;
		job->replace = true;
	} else if (lnkfs_flags_from_text(text, &job->set, &job->clear, &word)) {
		lnkctl_usage("%s: no such flag", word);
	} else if (!job->set && !job->clear) {
		lnkctl_usage("flags are missing");
	}
}

static int run(int argc, char **argv)
{
	static const char letters[] = LNKCTL_WALK_OPTIONS "vfx";
	static const struct option longs[] = {
		LNKCTL_LONG_OPTIONS,
		{ "verbose", no_argument, NULL, 'v' },
		{ "silent", no_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'f' },
		{ 0 },
	};
	struct lnkctl_walk_options options = { 0 };
	struct chflags_job job = { 0 };
	struct walk walk = { .visit = change, .arg = &job };
	int c;

	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (lnkctl_walk_option(c, &options))
			continue;
		if (c == 'v')
			job.verbose = true;
		else if (c == 'f')
			lnkctl_silence();
		else if (c == 'x')
			walk.one_mount = true;
	}
	lnkctl_walk_setup(&options, &walk);
	if (optind == argc)
		lnkctl_usage("flags are missing");
	parse_flags(argv[optind++], &job);
	if (optind == argc)
		lnkctl_usage("a file is missing");
	job.links = options.no_follow;
	for (; optind < argc; optind++)
		walk_tree(&walk, argv[optind]);
	return 0;
}

const struct lnkctl_command lnkctl_chflags = {
	.name = "chflags",
	.summary = "change flags: immutable, append-only, hidden...",
	.help = help,
	.run = run,
};
