// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl names: every name of a file, from its back references.
 *
 * The kernel gives the names below a directory. It is asked about each directory
 * on the way to the file, from the root of its mount down, and about the lower ones
 * only where one above may have hidden something: a name is hidden below a directory
 * that the user cannot read, but not from one that stands further down.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "liblnkfs.h"
#include "lnkctl.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl names [OPTION]... FILE...\n"
	"       lnkctl names -i INODE[:GENERATION] [OPTION]... DIRECTORY\n"
	"\n"
	"Show all names of each FILE: those of its hard links, too. Or those of the\n"
	"inode with this number on the volume of DIRECTORY. Nothing is searched: the\n"
	"volume knows them (mkfs.lnkfs -O backref, the default). Names in directories\n"
	"that you could not have searched and listed yourself are left out, and so is\n"
	"what is not below the mount that FILE was named through.\n"
	"\n"
	"  -h, --no-dereference  a FILE that is a symlink itself, not what it refers to\n"
	"  -i INODE[:GENERATION] an inode by its number\n"
	"  -0, --null            end each name with a NUL, not a newline\n"
	"      --json            one JSON array, an object for each FILE; a byte XX that\n"
	"                        is no UTF-8 stands as \\udcXX\n"
	"      --help            this text\n";

#define BUFFER	65536

/**
 * struct name - a name that has been found
 * @dir: number of its directory
 * @pos: position in it
 * @cut: @path is only the end of it
 * @path: absolute path
 */
struct name {
	uint64_t dir;
	uint64_t pos;
	bool cut;
	char *path;
};

/**
 * struct names_job - what to show, and what has been found
 * @json: as JSON
 * @end: character behind a name
 * @by_number: @ino is wanted
 * @ino: number of the inode
 * @gen: its generation, 0 for any
 * @many: more than one FILE is shown
 * @count: files shown so far
 * @name: names of the present file
 * @names: how many
 * @known: of these, those that other directories were asked for
 */
struct names_job {
	bool json;
	char end;
	bool by_number;
	uint64_t ino;
	uint32_t gen;
	bool many;
	unsigned long long count;
	struct name *name;
	size_t names;
	size_t known;
};

/* Keep a name, unless it is known; one listing has none twice. */
static void keep(struct names_job *job, const char *base, const struct lnkfs_name_record *rec)
{
	bool cut = rec->r_flags & LNKFS_NAME_CUT;
	struct name *n;
	size_t i, len = strlen(base) + rec->r_path_len + 2;

	for (i = 0; i < job->known; i++)
		if (job->name[i].dir == rec->r_dir && job->name[i].pos == rec->r_pos)
			return;
	job->name = lnkctl_realloc(job->name, (job->names + 1) * sizeof(*n));
	n = &job->name[job->names++];
	n->dir = rec->r_dir;
	n->pos = rec->r_pos;
	n->cut = cut;
	n->path = lnkctl_realloc(NULL, len + 3);
	if (cut)
		snprintf(n->path, len + 3, ".../%s", rec->r_path);
	else
		snprintf(n->path, len, "%s/%s", base[1] ? base : "", rec->r_path);
}

/* All names below the directory @base, of the file @fd or, with -1, by number. */
static int ask(struct names_job *job, int dirfd, const char *base, int fd)
{
	static char buffer[BUFFER] __attribute__((aligned(8)));
	struct lnkfs_names n = { .n_size = sizeof(n), .n_buf = (uintptr_t)buffer, .n_len = BUFFER };
	const struct lnkfs_name_record *rec;
	size_t at;

	job->known = job->names;
	do {
		n.n_fd = fd;
		n.n_ino = fd < 0 ? job->ino : 0;
		n.n_gen = fd < 0 ? job->gen : 0;
		n.n_flags = 0;
		n.n_count = 0;
		if (ioctl(dirfd, LNKFS_IOC_GETNAMES, &n))
			return -1;
		for (at = 0; n.n_count; n.n_count--, at += rec->r_len) {
			rec = (const void *)(buffer + at);
			keep(job, base, rec);
		}
	} while (!(n.n_flags & LNKFS_NAMES_END));
	job->ino = n.n_ino;
	job->gen = n.n_gen;
	return 0;
}

/* Ask about the directory at @path, if it is on the mount @mnt and can be opened. */
static int ask_below(struct names_job *job, const char *path, uint64_t mnt, int fd, int *asked)
{
	struct statx st;
	int dirfd, ret;

	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return 0;
	ret = statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st);
	if (!ret && st.stx_mnt_id == mnt) {
		++*asked;
		ret = ask(job, dirfd, path, fd);
	}
	close(dirfd);
	return ret;
}

/* Ask about each directory of @path, from the top, until nothing can be missing. */
static int ask_along(struct names_job *job, char *path, const struct statx *st, int fd)
{
	uint64_t links = S_ISDIR(st->stx_mode) ? 1 : st->stx_nlink;
	char *slash = path;
	int asked = 0, ret;
	char at;

	for (;;) {
		char *end = slash == path ? path + 1 : slash;

		at = *end;
		*end = 0;
		ret = ask_below(job, path, st->stx_mnt_id, fd, &asked);
		*end = at;
		if (ret)
			return ret;
		if (job->names && (fd < 0 || job->names >= links))
			return 0;
		if (!*slash)
			break;
		slash = strchrnul(slash + 1, '/');
	}
	if (asked)
		return 0;
	errno = EACCES;
	return -1;
}

static void show_json(struct names_job *job, const char *file, const struct statx *st)
{
	const char *separator = "";
	size_t i;

	fputs(job->count ? ",\n  {\n    " : "[\n  {\n    ", stdout);
	if (job->by_number) {
		fputs("\"volume\": ", stdout);
	} else {
		printf("\"links\": %u,\n    ", st->stx_nlink);
		fputs("\"file\": ", stdout);
	}
	text_json(stdout, file, strlen(file));
	printf(",\n    \"inode\": %" PRIu64 ",\n    \"generation\": %" PRIu32 ",\n    \"names\": [",
	       job->ino, job->gen);
	for (i = 0; i < job->names; i++) {
		const struct name *n = &job->name[i];

		printf("%s\n      {\"path\": ", separator);
		text_json(stdout, n->path, strlen(n->path));
		printf(", \"complete\": %s, \"directory\": %" PRIu64 ", \"position\": %" PRIu64 "}",
		       n->cut ? "false" : "true", n->dir, n->pos);
		separator = ",";
	}
	fputs(job->names ? "\n    ]\n  }" : "]\n  }", stdout);
}

static void show_text(struct names_job *job, const char *file, const struct statx *st)
{
	size_t i;

	if (job->many && job->end == '\n') {
		if (job->count)
			putchar('\n');
		text_word(stdout, file);
		puts(":");
	}
	for (i = 0; i < job->names; i++) {
		if (job->end)
			text_word(stdout, job->name[i].path);
		else
			fputs(job->name[i].path, stdout);
		putchar(job->end);
	}
	if (!job->by_number && !S_ISDIR(st->stx_mode) && job->names < st->stx_nlink) {
		fflush(stdout);
		fprintf(stderr, "lnkctl: names: ");
		text_message(stderr, file);
		fprintf(stderr, ": %zu of %u names are where you cannot look\n",
			st->stx_nlink - job->names, st->stx_nlink);
	}
}

/* Names of @file, or of an inode of the volume that it is on. */
static void names_of(struct names_job *job, const char *file, bool follow)
{
	char link[40], path[PATH_MAX + 1];
	int fd, ret = -1, how = follow ? 0 : O_NOFOLLOW;
	struct statx st;
	ssize_t len;

	fd = open(file, O_PATH | O_CLOEXEC | how);
	if (fd >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, path, PATH_MAX);
		if (len > 0)
			path[len] = 0;
		if (len > 0 && path[0] == '/' && !statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
				      STATX_TYPE | STATX_NLINK | STATX_MNT_ID, &st))
			ret = ask_along(job, path, &st, job->by_number ? -1 : fd);
	}
	if (ret) {
		lnkctl_failed(file, errno == ENOTTY ? EOPNOTSUPP : errno);
	} else {
		(job->json ? show_json : show_text)(job, file, &st);
		job->count++;
	}
	if (fd >= 0)
		close(fd);
	while (job->names)
		free(job->name[--job->names].path);
}

/* INODE or INODE:GENERATION */
static void parse_inode(struct names_job *job, const char *text)
{
	unsigned long long gen = 0;
	char *end;

	errno = 0;
	job->by_number = true;
	job->ino = strtoull(text, &end, 10);
	if (*end == ':' && text != end) {
		const char *from = end + 1;

		gen = strtoull(from, &end, 10);
		if (end == from || *from == '-' || !gen)
			end = (char *)"?";
	}
	if (errno || end == text || *end || *text == '-' || gen > UINT32_MAX)
		lnkctl_usage("%s: not an inode number", text);
	job->gen = (uint32_t)gen;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ "no-dereference", no_argument, NULL, 'h' },
		{ "null", no_argument, NULL, '0' },
		{ "json", no_argument, NULL, LNKCTL_OPT_OWN },
		{ 0 },
	};
	struct names_job job = { .end = '\n' };
	bool follow = true;
	int c;

	while ((c = getopt_long(argc, argv, "h0i:", longs, NULL)) != -1) {
		if (c == 'h')
			follow = false;
		else if (c == '0')
			job.end = 0;
		else if (c == 'i')
			parse_inode(&job, optarg);
		else if (c == LNKCTL_OPT_OWN)
			job.json = true;
		else
			lnkctl_help_or_bad(c, help);
	}
	if (optind == argc)
		lnkctl_usage(job.by_number ? "a directory is missing" : "a file is missing");
	if (job.by_number && optind + 1 != argc)
		lnkctl_usage("one directory, please");
	job.many = optind + 1 < argc;
	for (; optind < argc; optind++)
		names_of(&job, argv[optind], follow);
	free(job.name);
	if (job.json)
		puts(job.count ? "\n]" : "[]");
	return 0;
}

const struct lnkctl_command lnkctl_names = {
	.name = "names",
	.summary = "show all names of a file",
	.help = help,
	.run = run,
};
