/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lnkctl: what its commands share.
 *
 * A command is a file of its own with a struct lnkctl_command, listed in
 * main.c.
 */
#ifndef LNKCTL_H
#define LNKCTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "walk.h"

#define LNKCTL_FAILED	1	/* exit status: some objects could not be done */
#define LNKCTL_USAGE	2	/* exit status: wrong usage */

/**
 * struct lnkctl_command - one command
 * @name: its name
 * @summary: what it does, a few words
 * @help: the text for --help
 * @run: does it. @argv[0] is for getopt's messages, options begin at
 *	@argv[1]. Returns the exit status; what lnkctl_failed() has reported
 *	need not be in it.
 */
struct lnkctl_command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct lnkctl_command lnkctl_chmod;
extern const struct lnkctl_command lnkctl_chflags;
extern const struct lnkctl_command lnkctl_flags;
extern const struct lnkctl_command lnkctl_links;
extern const struct lnkctl_command lnkctl_ln;
extern const struct lnkctl_command lnkctl_map;
extern const struct lnkctl_command lnkctl_names;
extern const struct lnkctl_command lnkctl_quota;
extern const struct lnkctl_command lnkctl_stat;
extern const struct lnkctl_command lnkctl_ls;
extern const struct lnkctl_command lnkctl_cat;
extern const struct lnkctl_command lnkctl_readlink;
extern const struct lnkctl_command lnkctl_cp;

/* Options that walking commands share: for getopt, and what they mean. */
#define LNKCTL_WALK_OPTIONS	"RHLPh"
#define LNKCTL_LONG_OPTIONS	{ "help", no_argument, NULL, LNKCTL_OPT_HELP }, \
				{ "recursive", no_argument, NULL, 'R' }, \
				{ "no-dereference", no_argument, NULL, 'h' }

enum {
	LNKCTL_OPT_HELP = 0x100,
	LNKCTL_OPT_OWN,		/* the first that a command may use itself */
};

/**
 * struct lnkctl_walk_options - what was said about walking
 * @recursive: -R
 * @no_follow: -h
 * @links: 'H', 'L', 'P', or 0
 */
struct lnkctl_walk_options {
	bool recursive;
	bool no_follow;
	char links;
};

bool lnkctl_walk_option(int option, struct lnkctl_walk_options *options);
void lnkctl_walk_setup(const struct lnkctl_walk_options *options, struct walk *walk);

void lnkctl_silence(void);
void lnkctl_failed(const char *name, int error);
void __attribute__((noreturn, format(printf, 1, 2))) lnkctl_usage(const char *fmt, ...);
void __attribute__((noreturn)) lnkctl_bad_option(void);
void __attribute__((noreturn)) lnkctl_help_or_bad(int option, const char *help);
void lnkctl_complain(const char *name, const char *what);
void *lnkctl_realloc(void *old, size_t size);
char *lnkctl_strndup(const char *text, size_t len);
char *lnkctl_strdup(const char *text);

#endif /* LNKCTL_H */
