// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl flags: list flags.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "liblnkfs.h"
#include "lnkctl.h"
#include "object.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl flags [OPTION]... [FILE]...\n"
	"\n"
	"List flags, one object a line: the names of its flags, or \"-\" for none, or \"?\"\n"
	"where the filesystem cannot tell; then its name, with spaces and what cannot be\n"
	"printed in escape sequences as by ls -b. Of a directory all entries are listed.\n"
	"Without FILE, the current directory.\n"
	"\n"
	"  -d, --directory       list directories themselves, not what is in them\n"
	"  -h, --no-dereference  a FILE that is a symlink itself, not what it refers to\n"
	"  -R, --recursive       directories with all that is in them\n"
	"  -H                    with -R, follow symlinks that are named (the default,\n"
	"                        but not with -h)\n"
	"  -L                    with -R, follow all symlinks\n"
	"  -P                    with -R, follow no symlinks\n"
	"  -x                    with -R, leave out what is on other mounts\n"
	"  -0, --null            print names as they are, and a NUL byte in place of the\n"
	"                        newline\n"
	"      --help            this text\n";

#define COLUMN	15

/**
 * struct flags_job - how to list
 * @null: raw names, each object ended by NUL
 * @entries: of directories that are named list the entries only
 */
struct flags_job {
	bool null;
	bool entries;
};

static enum walk_verdict list(const struct walk_object *object, void *arg)
{
	const struct flags_job *job = arg;
	char text[512] = "?";
	uint32_t flags;

	if (job->entries && !object->level && S_ISDIR(object->st->stx_mode))
		return WALK_ON;
	if (!object_getflags(object, &flags)) {
		lnkfs_flags_to_text(flags, text, sizeof(text));
	} else if (errno != EOPNOTSUPP) {
		lnkctl_failed(object->path, errno);
		return WALK_ON;
	}
	if (job->null) {
		printf("%s %s", text, object->path);
		putchar('\0');
	} else {
		printf("%-*s ", COLUMN, text);
		text_word(stdout, object->path);
		putchar('\n');
	}
	return WALK_ON;
}

static int run(int argc, char **argv)
{
	static const char letters[] = LNKCTL_WALK_OPTIONS "dx0";
	static const struct option longs[] = {
		LNKCTL_LONG_OPTIONS,
		{ "directory", no_argument, NULL, 'd' },
		{ "null", no_argument, NULL, '0' },
		{ 0 },
	};
	struct lnkctl_walk_options options = { 0 };
	struct flags_job job = { 0 };
	struct walk walk = { .visit = list, .arg = &job };
	bool itself = false;
	int c;

	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (lnkctl_walk_option(c, &options))
			continue;
		if (c == 'd')
			itself = true;
		else if (c == '0')
			job.null = true;
		else if (c == 'x')
			walk.one_mount = true;
	}
	lnkctl_walk_setup(&options, &walk);
	job.entries = !itself && !options.recursive;
	if (itself)
		walk.max_level = 0;
	else if (job.entries)
		walk.max_level = 1;
	if (optind == argc)
		walk_tree(&walk, ".");
	for (; optind < argc; optind++)
		walk_tree(&walk, argv[optind]);
	return 0;
}

const struct lnkctl_command lnkctl_flags = {
	.name = "flags",
	.summary = "list flags",
	.help = help,
	.run = run,
};
