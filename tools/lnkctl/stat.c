// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl stat: all attributes of an object, for people or as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "liblnkfs.h"
#include "linkkind.h"
#include "lnkctl.h"
#include "object.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl stat [OPTION]... FILE...\n"
	"\n"
	"Show type, mode, flags, inode, links, size, blocks, times, project and the\n"
	"attributes of statx(2) of each FILE, and of a symlink its target, its kind, what\n"
	"it tracks, and how it is stored: fast (in the inode, 0 blocks) or slow.\n"
	"\n"
	"  -h, --no-dereference  a FILE that is a symlink itself, not what it refers to\n"
	"  -R, --recursive       also all that is in directories\n"
	"  -H                    with -R, follow symlinks that are named (the default,\n"
	"                        but not with -h)\n"
	"  -L                    with -R, follow all symlinks\n"
	"  -P                    with -R, follow no symlinks\n"
	"  -x                    with -R, leave out what is on other mounts\n"
	"      --json            one JSON array, an object for each FILE; a byte XX that\n"
	"                        is no UTF-8 stands as \\udcXX\n"
	"      --help            this text\n";

/**
 * struct stat_job - how to show
 * @json: as JSON
 * @count: objects shown so far
 */
struct stat_job {
	bool json;
	unsigned long long count;
};

/**
 * struct facts - what there is to say about an object
 * @object: where it is
 * @st: its statx
 * @has_flags: @flags is known
 * @flags: its flags
 * @has_project: @project is known
 * @project: its project
 * @target_len: length of @target, -1: it is no symlink, or cannot be read
 * @target: target of a symlink
 * @has_link: @link and @text are known
 * @link: what it is besides its text
 * @text: its stored text
 */
struct facts {
	const struct walk_object *object;
	const struct statx *st;
	bool has_flags;
	uint32_t flags;
	bool has_project;
	uint32_t project;
	ssize_t target_len;
	char target[PATH_MAX + 1];
	bool has_link;
	struct lnkfs_link link;
	char text[PATH_MAX + 1];
};

static const struct {
	uint64_t bit;
	const char *name;
} attributes[] = {
	{ STATX_ATTR_COMPRESSED, "compressed" },
	{ STATX_ATTR_IMMUTABLE, "immutable" },
	{ STATX_ATTR_APPEND, "append" },
	{ STATX_ATTR_NODUMP, "nodump" },
	{ STATX_ATTR_ENCRYPTED, "encrypted" },
	{ STATX_ATTR_AUTOMOUNT, "automount" },
	{ STATX_ATTR_MOUNT_ROOT, "mount-root" },
	{ STATX_ATTR_VERITY, "verity" },
	{ STATX_ATTR_DAX, "dax" },
};

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block device";
	case S_IFCHR:
		return "character device";
	}
	return "unknown";
}

/* ---- gathering ---- */

/*
 * The ioctl wants an open file. Only files and directories are opened, through
 * the descriptor that we have, so that it is nothing else.
 */
static bool get_project(const struct walk_object *object, uint32_t *project)
{
	struct fsxattr attr;
	char path[32];
	bool good;
	int fd;

	if (S_ISDIR(object->st->stx_mode)) {
		fd = openat(object->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (S_ISREG(object->st->stx_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", object->fd);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	} else {
		return false;
	}
	if (fd < 0)
		return false;
	good = !ioctl(fd, FS_IOC_FSGETXATTR, &attr);
	close(fd);
	if (good)
		*project = attr.fsx_projid;
	return good;
}

static bool gather(const struct walk_object *object, struct facts *facts)
{
	facts->object = object;
	facts->st = object->st;
	facts->has_flags = !object_getflags(object, &facts->flags);
	if (!facts->has_flags && errno != EOPNOTSUPP)
		return false;
	facts->has_project = get_project(object, &facts->project);
	facts->target_len = -1;
	facts->has_link = false;
	if (S_ISLNK(object->st->stx_mode)) {
		facts->has_link = !object_getlink(object, &facts->link, facts->text,
						  sizeof(facts->text));
		facts->target_len = readlinkat(object->fd, "", facts->target, PATH_MAX);
		if (facts->target_len < 0)
			lnkctl_failed(object->path, errno);
		else
			facts->target[facts->target_len] = '\0';
	}
	return true;
}

/* ---- JSON ---- */

static void json_member(const char *name)
{
	printf(",\n    \"%s\": ", name);
}

static void json_number(const char *name, uint64_t value)
{
	json_member(name);
	printf("%" PRIu64, value);
}

/* The words of @text, which have commas between them; "-" stands for none. */
static void json_words(const char *name, char *text)
{
	const char *separator = "";
	char *word, *rest = text;

	json_member(name);
	putchar('[');
	while (strcmp(text, "-") && (word = strsep(&rest, ","))) {
		fputs(separator, stdout);
		text_json(stdout, word, strlen(word));
		separator = ", ";
	}
	putchar(']');
}

static void json_time(const char *name, const struct statx_timestamp *ts)
{
	json_member(name);
	printf("{\"sec\": %lld, \"nsec\": %u}", (long long)ts->tv_sec, ts->tv_nsec);
}

static void json_device(const char *name, unsigned int major, unsigned int minor)
{
	json_member(name);
	printf("{\"major\": %u, \"minor\": %u}", major, minor);
}

static void json_link(const struct facts *facts)
{
	const struct lnkfs_link *link = &facts->link;

	json_member("kind");
	printf("\"%s\"", linkkind_name(link->l_kind));
	json_member("text");
	text_json(stdout, facts->text, strlen(facts->text));
	if (link->l_flags & LNKFS_LINK_TRACKED) {
		json_member("tracked");
		linkkind_json(stdout, link);
	}
}

static void json_attributes(const char *name, uint64_t bits)
{
	const char *separator = "";
	size_t i;

	json_member(name);
	putchar('[');
	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (bits & attributes[i].bit) {
			printf("%s\"%s\"", separator, attributes[i].name);
			separator = ", ";
		}
	}
	putchar(']');
}

static void print_json(const struct facts *facts, bool first)
{
	const struct statx *st = facts->st;
	char text[512];

	fputs(first ? "[\n  {\n    \"name\": " : ",\n  {\n    \"name\": ", stdout);
	text_json(stdout, facts->object->path, strlen(facts->object->path));
	json_member("type");
	printf("\"%s\"", type_name(st->stx_mode));
	json_member("mode");
	printf("\"%04o\"", st->stx_mode & 07777);
	if (facts->has_flags) {
		json_member("flags_octal");
		printf("\"%o\"", facts->flags);
		lnkfs_flags_to_text(facts->flags, text, sizeof(text));
		json_words("flags", text);
	}
	if (facts->target_len >= 0) {
		json_member("target");
		text_json(stdout, facts->target, (size_t)facts->target_len);
	}
	if (S_ISLNK(st->stx_mode)) {
		json_member("storage");
		printf("\"%s\"", st->stx_blocks ? "slow" : "fast");
	}
	if (facts->has_link)
		json_link(facts);
	json_number("inode", st->stx_ino);
	json_device("device", st->stx_dev_major, st->stx_dev_minor);
	if (S_ISBLK(st->stx_mode) || S_ISCHR(st->stx_mode))
		json_device("rdev", st->stx_rdev_major, st->stx_rdev_minor);
	json_number("links", st->stx_nlink);
	json_number("uid", st->stx_uid);
	json_number("gid", st->stx_gid);
	json_number("size", st->stx_size);
	json_number("blocks", st->stx_blocks);
	json_time("atime", &st->stx_atime);
	json_time("mtime", &st->stx_mtime);
	json_time("ctime", &st->stx_ctime);
	if (st->stx_mask & STATX_BTIME)
		json_time("btime", &st->stx_btime);
	if (facts->has_project)
		json_number("project", facts->project);
	json_attributes("attributes", st->stx_attributes & st->stx_attributes_mask);
	json_attributes("attributes_mask", st->stx_attributes_mask);
	fputs("\n  }", stdout);
}

/* ---- for people ---- */

static void print_time(const char *name, const struct statx_timestamp *ts)
{
	time_t t = (time_t)ts->tv_sec;
	char date[64], zone[16];
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(date, sizeof(date), "%F %T", &tm) ||
	    !strftime(zone, sizeof(zone), "%z", &tm))
		printf("%12s: %lld.%09u\n", name, (long long)ts->tv_sec, ts->tv_nsec);
	else
		printf("%12s: %s.%09u %s\n", name, date, ts->tv_nsec, zone);
}

/* What there is to say of a link that is not plain. */
static void print_link(const struct facts *facts)
{
	const struct lnkfs_link *link = &facts->link;

	if (link->l_kind)
		printf("%12s: %s\n", "kind", linkkind_name(link->l_kind));
	if (!(link->l_flags & LNKFS_LINK_TRACKED))
		return;
	printf("%12s: ", "tracked");
	linkkind_print(stdout, link);
	printf("\n%12s: ", "text");
	text_word(stdout, facts->text);
	putchar('\n');
}

static void print_type(const struct facts *facts)
{
	const struct statx *st = facts->st;

	printf("%12s: %s", "type", type_name(st->stx_mode));
	if (S_ISLNK(st->stx_mode))
		printf(", %s", st->stx_blocks ? "slow" : "fast");
	if (S_ISBLK(st->stx_mode) || S_ISCHR(st->stx_mode))
		printf(" %u:%u", st->stx_rdev_major, st->stx_rdev_minor);
	putchar('\n');
	if (facts->target_len >= 0) {
		printf("%12s: ", "target");
		text_word(stdout, facts->target);
		putchar('\n');
	}
	if (facts->has_link)
		print_link(facts);
}

static void print_attributes(uint64_t bits)
{
	size_t i;

	printf("%12s:", "attributes");
	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (bits & attributes[i].bit)
			printf(" %s", attributes[i].name);
	puts(bits ? "" : " -");
}

static void print_text(const struct facts *facts, bool first)
{
	const struct statx *st = facts->st;
	char flags[512] = "?", mode[11];

	if (facts->has_flags)
		lnkfs_flags_to_text(facts->flags, flags, sizeof(flags));
	text_mode(st->stx_mode, mode);
	if (!first)
		putchar('\n');
	printf("%12s: ", "name");
	text_word(stdout, facts->object->path);
	putchar('\n');
	print_type(facts);
	printf("%12s: %04o %s\n", "mode", st->stx_mode & 07777, mode);
	printf("%12s: %s\n", "flags", flags);
	printf("%12s: %u:%u\n", "owner", st->stx_uid, st->stx_gid);
	printf("%12s: %" PRIu64 " on %u:%u, %u %s\n", "inode", (uint64_t)st->stx_ino,
	       st->stx_dev_major, st->stx_dev_minor, st->stx_nlink,
	       st->stx_nlink == 1 ? "link" : "links");
	printf("%12s: %" PRIu64 ", %" PRIu64 " blocks of 512\n", "size",
	       (uint64_t)st->stx_size, (uint64_t)st->stx_blocks);
	if (facts->has_project)
		printf("%12s: %u\n", "project", facts->project);
	print_time("accessed", &st->stx_atime);
	print_time("modified", &st->stx_mtime);
	print_time("changed", &st->stx_ctime);
	if (st->stx_mask & STATX_BTIME)
		print_time("born", &st->stx_btime);
	print_attributes(st->stx_attributes & st->stx_attributes_mask);
}

/* ---- the command ---- */

static enum walk_verdict show(const struct walk_object *object, void *arg)
{
	struct stat_job *job = arg;
	struct facts facts;

	if (!gather(object, &facts)) {
		lnkctl_failed(object->path, errno);
		return WALK_ON;
	}
	if (job->json)
		print_json(&facts, !job->count);
	else
		print_text(&facts, !job->count);
	job->count++;
	return WALK_ON;
}

static int run(int argc, char **argv)
{
	static const char letters[] = LNKCTL_WALK_OPTIONS "x";
	static const struct option longs[] = {
		LNKCTL_LONG_OPTIONS,
		{ "json", no_argument, NULL, LNKCTL_OPT_OWN },
		{ 0 },
	};
	struct lnkctl_walk_options options = { 0 };
	struct stat_job job = { 0 };
	struct walk walk = { .visit = show, .arg = &job };
	int c;

	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (lnkctl_walk_option(c, &options))
			continue;
		if (c == LNKCTL_OPT_OWN)
			job.json = true;
		else if (c == 'x')
			walk.one_mount = true;
	}
	lnkctl_walk_setup(&options, &walk);
	if (optind == argc)
		lnkctl_usage("a file is missing");
	for (; optind < argc; optind++)
		walk_tree(&walk, argv[optind]);
	if (job.json)
		puts(job.count ? "\n]" : "[]");
	return 0;
}

const struct lnkctl_command lnkctl_stat = {
	.name = "stat",
	.summary = "show all attributes",
	.help = help,
	.run = run,
};
