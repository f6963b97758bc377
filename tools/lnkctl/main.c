// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl: modes, flags and other attributes of files of any type, symlinks
 * themselves included. See lnkctl(1).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lnkctl.h"
#include "text.h"
#include "version.h"

/* Directories open at once in a walk: this, or half of what the process may open. */
#define MAX_OPEN	256

static const struct lnkctl_command *const commands[] = {
	&lnkctl_chmod,
	&lnkctl_chflags,
	&lnkctl_flags,
	&lnkctl_links,
	&lnkctl_ln,
	&lnkctl_map,
	&lnkctl_names,
	&lnkctl_quota,
	&lnkctl_stat,
	&lnkctl_ls,
	&lnkctl_cat,
	&lnkctl_readlink,
	&lnkctl_cp,
};

#define N_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const struct lnkctl_command *command;
static bool silent;
static int status;

/* ---- messages ---- */

/**
 * lnkctl_silence() - print no messages of lnkctl_failed() from now on
 */
void lnkctl_silence(void)
{
	silent = true;
}

/**
 * lnkctl_failed() - say that something failed
 * @name: the object, NULL: none in particular
 * @error: an errno
 *
 * The exit status will be %LNKCTL_FAILED.
 */
void lnkctl_failed(const char *name, int error)
{
	status = LNKCTL_FAILED;
	if (silent)
		return;
	fflush(stdout);
	fputs("lnkctl: ", stderr);
	if (command)
		fprintf(stderr, "%s: ", command->name);
	if (name) {
		text_message(stderr, name);
		fputs(": ", stderr);
	}
	fprintf(stderr, "%s\n", strerror(error));
}

/**
 * lnkctl_complain() - say what is wrong with something, in words
 * @name: the object
 * @what: a phrase
 *
 * The exit status will be %LNKCTL_FAILED.
 */
void lnkctl_complain(const char *name, const char *what)
{
	status = LNKCTL_FAILED;
	fflush(stdout);
	fprintf(stderr, "lnkctl: %s: ", command->name);
	text_message(stderr, name);
	fprintf(stderr, ": %s\n", what);
}

/**
 * lnkctl_bad_option() - end after a message about wrong usage
 */
void lnkctl_bad_option(void)
{
	if (command)
		fprintf(stderr, "Try 'lnkctl %s --help'.\n", command->name);
	else
		fputs("Try 'lnkctl --help'.\n", stderr);
	exit(LNKCTL_USAGE);
}

/**
 * lnkctl_usage() - complain about wrong usage and end
 * @fmt: what is wrong
 */
void lnkctl_usage(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fputs("lnkctl: ", stderr);
	if (command)
		fprintf(stderr, "%s: ", command->name);
	text_message(stderr, text);
	putc('\n', stderr);
	lnkctl_bad_option();
}

/**
 * lnkctl_realloc() - realloc(3) that does not fail
 * @old: as there
 * @size: as there, not 0
 *
 * Return: the memory. Without any the program ends.
 */
void *lnkctl_realloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p) {
		lnkctl_failed(NULL, ENOMEM);
		exit(LNKCTL_FAILED);
	}
	return p;
}

/**
 * lnkctl_strndup() - a copy of some text
 * @text: it, need not be terminated
 * @len: its length
 *
 * Return: the copy, with a NUL. Without memory the program ends.
 */
char *lnkctl_strndup(const char *text, size_t len)
{
	char *p = lnkctl_realloc(NULL, len + 1);

	memcpy(p, text, len);
	p[len] = 0;
	return p;
}

/**
 * lnkctl_strdup() - strdup(3) that does not fail
 * @text: as there
 *
 * Return: the copy. Without memory the program ends.
 */
char *lnkctl_strdup(const char *text)
{
	return lnkctl_strndup(text, strlen(text));
}

/**
 * lnkctl_help_or_bad() - heed --help; any other option is none
 * @option: what getopt_long() returned
 * @help: the command's help
 *
 * The program ends.
 */
void lnkctl_help_or_bad(int option, const char *help)
{
	if (option != LNKCTL_OPT_HELP)
		lnkctl_bad_option();
	fputs(help, stdout);
	exit(fflush(stdout) ? LNKCTL_FAILED : 0);
}

/* ---- walking ---- */

/**
 * lnkctl_walk_option() - heed one of the options that walking commands share
 * @option: what getopt_long() returned
 * @options: what has been said so far
 *
 * Return: it was one. After --help and for what getopt_long() does not know
 * the program ends.
 */
bool lnkctl_walk_option(int option, struct lnkctl_walk_options *options)
{
	switch (option) {
	case 'R':
		options->recursive = true;
		return true;
	case 'H':
	case 'L':
	case 'P':
		options->links = (char)option;
		return true;
	case 'h':
		options->no_follow = true;
		return true;
	case LNKCTL_OPT_HELP:
	case '?':
		lnkctl_help_or_bad(option, command->help);
	}
	return false;
}

/**
 * lnkctl_walk_setup() - what the shared options mean for a walk
 * @options: the options
 * @walk: its members links, max_level, fd_limit and failed are set
 */
void lnkctl_walk_setup(const struct lnkctl_walk_options *options, struct walk *walk)
{
	struct rlimit files;

	if (options->recursive && options->links == 'L' && options->no_follow)
		lnkctl_usage("-L and -h exclude each other");
	walk->links = options->no_follow ? WALK_PHYSICAL : WALK_NAMED;
	walk->max_level = options->recursive ? UINT_MAX : 0;
	if (options->recursive && options->links == 'H')
		walk->links = WALK_NAMED;
	else if (options->recursive && options->links == 'L')
		walk->links = WALK_LOGICAL;
	else if (options->recursive && options->links == 'P')
		walk->links = WALK_PHYSICAL;
	walk->failed = lnkctl_failed;
	walk->fd_limit = MAX_OPEN;
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur / 2 < MAX_OPEN)
		walk->fd_limit = files.rlim_cur < 4 ? 2 : (unsigned int)files.rlim_cur / 2;
}

/* ---- commands ---- */

static void print_help(void)
{
	size_t i;

	fputs("usage: lnkctl COMMAND [OPTION]... [ARGUMENT]...\n"
	      "\n"
	      "Attributes of files of any type, symlinks themselves included.\n"
	      "\n", stdout);
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "      --help     this text, or with a COMMAND what it does\n"
	      "  -V, --version  version\n"
	      "\n"
	      "Exit status: 0 all done, 1 some objects failed, 2 wrong usage.\n", stdout);
}

static const struct lnkctl_command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	lnkctl_usage("%s: no such command", name);
}

static void run_command(int argc, char **argv)
{
	static char prefix[32];
	int result;

	command = find_command(argv[0]);
	/* what getopt's messages begin with */
	snprintf(prefix, sizeof(prefix), "lnkctl: %s", command->name);
	argv[0] = prefix;
	result = command->run(argc, argv);
	if (!status)
		status = result;
}

int main(int argc, char **argv)
{
	int err;

	setlocale(LC_ALL, "");
	if (argc < 2)
		lnkctl_usage("a command is missing");
	if (!strcmp(argv[1], "--help"))
		print_help();
	else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		printf("lnkctl (lnkfs) %s\n", LNKFS_VERSION);
	else if (argv[1][0] == '-')
		lnkctl_usage("%s: no such option", argv[1]);
	else
		run_command(argc - 1, argv + 1);
	err = fflush(stdout) ? errno : ferror(stdout) ? EIO : 0;
	if (err) {
		silent = false;
		lnkctl_failed("standard output", err);
	}
	return status;
}
