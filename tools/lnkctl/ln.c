// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl ln: links of every kind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "liblnkfs.h"
#include "linkkind.h"
#include "lnkctl.h"
#include "newlink.h"
#include "paths.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl ln [OPTION]... TARGET LINK\n"
	"       lnkctl ln [OPTION]... TARGET... DIRECTORY\n"
	"       lnkctl ln --set OPTION... LINK...\n"
	"\n"
	"Make links, as ln(1) does: what they lead to comes first. mklink's /H, /D, /J,\n"
	"before any name, are -H, -d and -j here; the order of names stays ln's.\n"
	"\n"
	"  -H, --hard            one more name of the same file (the default)\n"
	"  -s, --symbolic        a symlink\n"
	"  -d, --dir             a symlink, for Windows one to a directory\n"
	"      --kind=KIND       plain (-s), file, dir (-d), junction (-j) or remote\n"
	"  -j, --junction        to a directory of a local volume, by its absolute path\n"
	"      --remote          to \\\\server\\share\\path or smb://server/share/path\n"
	"  -t, --tracked[=HOW]   follows its target when that is moved; HOW, also -t=HOW:\n"
	"                        identity-first (the default) or path-first\n"
	"  -f, --force           replace LINK, at once, if it is there\n"
	"  -L, --logical         of a TARGET that is a symlink: what it leads to (-H, -t)\n"
	"  -n, --no-dereference  LINK is no directory, even if it is a symlink to one\n"
	"  -r, --relative        make TARGET relative to where LINK is\n"
	"  -T, --no-target-directory       LINK is no directory\n"
	"      --target-directory=DIRECTORY\n"
	"  -v, --verbose         name each link\n"
	"      --set             make links that are there what the options say\n"
	"      --help            this text\n";

enum {
	OPT_KIND = LNKCTL_OPT_OWN,
	OPT_REMOTE,
	OPT_DIRECTORY,
	OPT_SET,
};

/**
 * struct ln_job - what to make
 * @hard: hard links
 * @symbolic: symlinks, also when that follows from their kind
 * @kind_given: @kind was said
 * @kind: LNKFS_LINK_*
 * @flags: LNKFS_LINK_TRACKED, _PATH_FIRST
 * @force: replace
 * @follow: link to what a target leads to
 * @no_dereference: a LINK is no directory if it is a symlink
 * @relative: make targets relative
 * @no_directory: a LINK is no directory
 * @verbose: name each link
 * @set: change links that are there
 * @directory: where to put the links
 * @operands: names on the command line
 * @count: how many
 * @many: there are several targets
 * @made: paths of the links made, to replace none of them
 */
struct ln_job {
	bool hard;
	bool symbolic;
	bool kind_given;
	uint32_t kind;
	uint32_t flags;
	bool force;
	bool follow;
	bool no_dereference;
	bool relative;
	bool no_directory;
	bool verbose;
	bool set;
	const char *directory;
	char **operands;
	int count;
	bool many;
	void *made;
};

/**
 * struct place - where a link is to be
 * @path: its path
 * @dir: path of its directory
 * @dirfd: the directory
 * @name: its name there
 */
struct place {
	const char *path;
	char *dir;
	int dirfd;
	char *name;
};

/* ---- where a link is to be ---- */

static bool open_place(struct place *place, const char *path)
{
	place->path = path;
	place->dir = path_dir(path);
	place->name = path_last(path);
	place->dirfd = open(place->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->dirfd >= 0 && *place->name)
		return true;
	lnkctl_failed(path, place->dirfd < 0 ? errno : EEXIST);
	return false;
}

static void close_place(struct place *place)
{
	if (place->dirfd >= 0)
		close(place->dirfd);
	free(place->dir);
	free(place->name);
}

/* Is @target, from @dirfd on, this very name? */
static bool is_place(const struct place *place, int dirfd, const char *target)
{
	char *dir = path_dir(target), *name = path_last(target);
	struct stat a, b;
	bool same;

	same = !strcmp(name, place->name) && !fstatat(dirfd, dir, &a, 0) &&
	       !fstat(place->dirfd, &b) && same_object(&a, &b);
	free(dir);
	free(name);
	return same;
}

/* Would the link take the place of what it leads to? Not, if that has another name. */
static bool same_file(const struct place *place, int dirfd, const char *target)
{
	struct stat a, b;

	return !fstatat(place->dirfd, place->name, &a, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(dirfd, target, &b, AT_SYMLINK_NOFOLLOW) && same_object(&a, &b) &&
	       (a.st_nlink == 1 || is_place(place, dirfd, target));
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Has this name been given to a link already? With several targets only. */
static bool made_before(struct ln_job *job, const char *path)
{
	return job->many && tfind(path, &job->made, compare);
}

static void note_made(struct ln_job *job, const char *path)
{
	char *key = job->many ? strdup(path) : NULL;

	if (job->many && (!key || !tsearch(key, &job->made, compare))) {
		lnkctl_failed(path, ENOMEM);
		exit(LNKCTL_FAILED);
	}
}

/* ---- one link ---- */

/* What a symlink is to say. NULL: that has been complained of. */
static char *make_text(const struct ln_job *job, const struct place *place, const char *target)
{
	char *dir, *to, *text = NULL;

	if (!job->relative)
		return lnkctl_strdup(target);
	dir = realpath(place->dir, NULL);
	to = dir ? path_canonical(target) : NULL;
	if (to)
		text = path_relative(dir, to);
	else
		lnkctl_failed(dir ? target : place->dir, errno);
	free(dir);
	free(to);
	return text;
}

/* Can a link with this text be what is wanted? Opens what is to be tracked. */
static bool prepare(const struct ln_job *job, const struct place *place, const char *text,
		    int *target)
{
	const char *why;
	struct stat a, b;

	*target = -1;
	if (!job->kind && !job->flags)
		return true;
	if (!linkkind_on_lnkfs(place->dirfd)) {
		lnkctl_complain(place->path, linkkind_unable(place->dirfd, job->flags));
		return false;
	}
	why = linkkind_wrong(job->kind, job->flags, place->dirfd, text);
	if (why) {
		lnkctl_complain(text, why);
		return false;
	}
	if (!job->flags)
		return true;
	*target = openat(place->dirfd, text,
			 O_PATH | O_CLOEXEC | (job->follow ? 0 : O_NOFOLLOW));
	if (*target < 0) {
		lnkctl_failed(text, errno);
		return false;
	}
	if (!fstat(*target, &a) && !fstat(place->dirfd, &b) && a.st_dev == b.st_dev)
		return true;
	close(*target);
	lnkctl_complain(text, "a tracked link stays on the volume of its target");
	return false;
}

/* Say why a hard link could not be made. */
static void explain_hard(const struct ln_job *job, const struct place *place,
			 const char *target, int error)
{
	struct stat a, b;

	if (fstatat(AT_FDCWD, target, &a, job->follow ? 0 : AT_SYMLINK_NOFOLLOW))
		lnkctl_failed(target, errno);
	else if (error == EXDEV && !fstat(place->dirfd, &b) && a.st_dev != b.st_dev)
		lnkctl_complain(target, "is on another volume: hard links stay on one (-s?)");
	else if (error == EXDEV)
		lnkctl_complain(target, "is in another mount or project: hard links stay in one");
	else if (error == EPERM && S_ISDIR(a.st_mode))
		lnkctl_complain(target, "is a directory: it has no hard links (-s?)");
	else
		lnkctl_failed(place->path, error);
}

static void explain(const struct ln_job *job, const struct place *place, const char *target,
		    int error)
{
	if (job->hard)
		explain_hard(job, place, target, error);
	else if (error == EOPNOTSUPP && (job->kind || job->flags))
		lnkctl_complain(place->path, linkkind_unable(place->dirfd, job->flags));
	else
		lnkctl_failed(place->path, error);
}

static void quoted(const char *name)
{
	putchar('\'');
	text_message(stdout, name);
	putchar('\'');
}

static void make_at(struct ln_job *job, const struct place *place, const char *target)
{
	struct newlink link = {
		.dirfd = place->dirfd, .name = place->name, .from = target,
		.follow = job->follow, .kind = job->kind, .flags = job->flags, .target = -1,
		.replace = job->force,
	};
	char *text = job->hard ? NULL : make_text(job, place, target);

	if (!job->hard && (!text || !prepare(job, place, text, &link.target)))
		goto out;
	link.text = text;
	if (made_before(job, place->path)) {
		lnkctl_complain(place->path, "is a link that was just made");
	} else if (job->force && same_file(place, text ? place->dirfd : AT_FDCWD,
					   text ? text : target)) {
		lnkctl_complain(place->path, "is what the link would lead to");
	} else if (newlink_make(&link)) {
		explain(job, place, target, errno);
	} else {
		note_made(job, place->path);
		if (job->verbose) {
			quoted(place->path);
			fputs(text ? " -> " : " => ", stdout);
			quoted(text ? text : target);
			putchar('\n');
		}
	}
	if (link.target >= 0)
		close(link.target);
out:
	free(text);
}

static void make(struct ln_job *job, const char *target, const char *path)
{
	struct place place;

	if (open_place(&place, path))
		make_at(job, &place, target);
	close_place(&place);
}

/* Into @directory, by the last name in @target; of a remote one by what \\ ends. */
static void make_in(struct ln_job *job, const char *target, const char *directory)
{
	size_t end = strlen(target), begin;
	const char *separators = job->kind == LNKFS_LINK_REMOTE ? "/\\" : "/";
	char *name, *path;

	while (end && strchr(separators, target[end - 1]))
		end--;
	for (begin = end; begin && !strchr(separators, target[begin - 1]); begin--)
		;
	if (begin == end) {
		lnkctl_complain(target, "the link needs a name");
		return;
	}
	name = strndup(target + begin, end - begin);
	path = path_join(directory, name ? name : "");
	make(job, target, path);
	free(path);
	free(name);
}

/* ---- --set ---- */

static void set_at(const struct ln_job *job, const struct place *place)
{
	struct lnkfs_link link = { .l_kind = job->kind, .l_flags = job->flags };
	char *text = path_read(place->dirfd, place->name);

	if (!text && errno == EINVAL)
		lnkctl_complain(place->path, "is no symlink");
	else if (!text)
		lnkctl_failed(place->path, errno);
	else if (!linkkind_on_lnkfs(place->dirfd))
		lnkctl_complain(place->path, "only lnkfs has links of other kinds");
	if (!text || !linkkind_on_lnkfs(place->dirfd) ||
	    !prepare(job, place, text, &link.l_target))
		goto out;
	if (lnkfs_setlinkat(place->dirfd, place->name, &link, 0)) {
		if (errno == EOPNOTSUPP)
			lnkctl_complain(place->path, linkkind_unable(place->dirfd, job->flags));
		else
			lnkctl_failed(place->path, errno);
	} else if (job->verbose) {
		quoted(place->path);
		printf(": %s%s\n", linkkind_name(job->kind), job->flags ? ", tracked" : "");
	}
	if (link.l_target >= 0)
		close(link.l_target);
out:
	free(text);
}

static void set(const struct ln_job *job, const char *path)
{
	struct place place;

	if (open_place(&place, path))
		set_at(job, &place);
	close_place(&place);
}

/* ---- the command line ---- */

static void set_kind(struct ln_job *job, uint32_t kind)
{
	if (job->kind_given && job->kind != kind)
		lnkctl_usage("a link is of one kind");
	job->kind_given = true;
	job->symbolic = true;
	job->kind = kind;
}

static void set_how(struct ln_job *job, const char *how)
{
	job->symbolic = true;
	if (!how)
		how = "identity-first";
	if (!linkkind_parse_how(how, &job->flags))
		lnkctl_usage("%s: neither identity-first nor path-first", how);
}

static void option(struct ln_job *job, int c, int before)
{
	uint32_t kind;

	if (c == 'H')
		job->hard = true;
	else if (c == 's')
		job->symbolic = true;
	else if (c == 'd')
		set_kind(job, LNKFS_LINK_DIR);
	else if (c == 'j')
		set_kind(job, LNKFS_LINK_JUNCTION);
	else if (c == OPT_REMOTE)
		set_kind(job, LNKFS_LINK_REMOTE);
	else if (c == OPT_KIND && linkkind_parse(optarg, &kind))
		set_kind(job, kind);
	else if (c == OPT_KIND)
		lnkctl_usage("%s: no such kind", optarg);
	else if (c == 't' || (c == '=' && before == 't'))
		set_how(job, optarg);
	else if (c == 'f')
		job->force = true;
	else if (c == 'L')
		job->follow = true;
	else if (c == 'n')
		job->no_dereference = true;
	else if (c == 'r')
		job->relative = true;
	else if (c == 'T')
		job->no_directory = true;
	else if (c == OPT_DIRECTORY)
		job->directory = optarg;
	else if (c == 'v')
		job->verbose = true;
	else if (c == OPT_SET)
		job->set = true;
	else if (c == '=')
		lnkctl_usage("=%s: no such option", optarg);
	else
		lnkctl_help_or_bad(c, help);
}

/* A name, or before the first one a letter of mklink's. */
static void operand(struct ln_job *job, char *word)
{
	static const char *const letters[] = { "/H", "/D", "/J" };
	int i;

	for (i = 0; !job->count && i < 3; i++) {
		if (!strcmp(word, letters[i])) {
			option(job, "Hdj"[i], 0);
			return;
		}
	}
	job->operands[job->count++] = word;
}

static void parse(struct ln_job *job, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ "hard", no_argument, NULL, 'H' },
		{ "symbolic", no_argument, NULL, 's' },
		{ "dir", no_argument, NULL, 'd' },
		{ "kind", required_argument, NULL, OPT_KIND },
		{ "junction", no_argument, NULL, 'j' },
		{ "remote", no_argument, NULL, OPT_REMOTE },
		{ "tracked", optional_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' },
		{ "logical", no_argument, NULL, 'L' },
		{ "no-dereference", no_argument, NULL, 'n' },
		{ "relative", no_argument, NULL, 'r' },
		{ "no-target-directory", no_argument, NULL, 'T' },
		{ "target-directory", required_argument, NULL, OPT_DIRECTORY },
		{ "verbose", no_argument, NULL, 'v' },
		{ "set", no_argument, NULL, OPT_SET },
		{ 0 },
	};
	int c, before = 0;

	job->operands = lnkctl_realloc(NULL, (size_t)argc * sizeof(*job->operands));
	/* "-": names are given one by one, where they stand. "-t=HOW" is -t and -=HOW. */
	while ((c = getopt_long(argc, argv, "-HsdjtfLnrTv=:", longs, NULL)) != -1) {
		if (c == 1)
			operand(job, optarg);
		else
			option(job, c, before);
		before = c;
	}
	while (optind < argc)
		job->operands[job->count++] = argv[optind++];
}

static void check(struct ln_job *job)
{
	if (job->hard && job->symbolic)
		lnkctl_usage("hard links have no kinds, and are not symbolic");
	if (job->set && !job->symbolic)
		lnkctl_usage("--set needs -s, -t or a kind");
	if (job->set && (job->relative || job->directory || job->no_directory || job->force))
		lnkctl_usage("--set changes links where they are, and not their text");
	if (job->directory && job->no_directory)
		lnkctl_usage("-T and --target-directory exclude each other");
	if (job->relative && !job->symbolic)
		lnkctl_usage("-r is for symlinks");
	if (job->relative && (job->kind == LNKFS_LINK_JUNCTION || job->kind == LNKFS_LINK_REMOTE))
		lnkctl_usage("a %s link cannot be relative", linkkind_name(job->kind));
	if (job->kind == LNKFS_LINK_REMOTE && job->flags)
		lnkctl_usage("what is on another computer cannot be tracked");
	if (job->flags & LNKFS_LINK_PATH_FIRST && job->kind == LNKFS_LINK_JUNCTION)
		lnkctl_usage("path-first needs a relative target, a junction an absolute one");
	job->hard = !job->symbolic;
	if (!job->count)
		lnkctl_usage(job->set ? "a link is missing" : "a target is missing");
	if (job->no_directory && job->count != 2)
		lnkctl_usage("-T needs one target and one link");
}

/* Is the last name that of a directory to put links into? */
static bool into_directory(const struct ln_job *job, const char *last)
{
	int fd;

	if (job->no_directory)
		return false;
	fd = open(last, O_PATH | O_DIRECTORY | O_CLOEXEC | (job->no_dereference ? O_NOFOLLOW : 0));
	if (fd < 0 && (job->count > 2 || last[strlen(last) - 1] == '/')) {
		lnkctl_failed(last, errno);
		exit(LNKCTL_FAILED);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void make_all(struct ln_job *job)
{
	const char *last = job->operands[job->count - 1];
	int i;

	if (!job->directory && job->count == 1) {
		job->directory = ".";
	} else if (!job->directory) {
		if (job->count == 2 && (!*last || !into_directory(job, last))) {
			make(job, job->operands[0], last);
			return;
		}
		if (job->count > 2 && !into_directory(job, last))
			return;
		job->directory = last;
		job->count--;
	}
	job->many = job->count > 1;
	for (i = 0; i < job->count; i++)
		make_in(job, job->operands[i], job->directory);
	tdestroy(job->made, free);
}

static int run(int argc, char **argv)
{
	struct ln_job job = { 0 };
	int i;

	parse(&job, argc, argv);
	check(&job);
	if (job.set)
		for (i = 0; i < job.count; i++)
			set(&job, job.operands[i]);
	else
		make_all(&job);
	free(job.operands);
	return 0;
}

const struct lnkctl_command lnkctl_ln = {
	.name = "ln",
	.summary = "make links of every kind",
	.help = help,
	.run = run,
};
