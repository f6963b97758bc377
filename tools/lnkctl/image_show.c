// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl ls, cat, readlink: what is in a volume that is not mounted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "linkkind.h"
#include "lnkctl.h"
#include "lnkfs.h"
#include "text.h"
#include "unmounted.h"

static const char ls_help[] =
	"usage: lnkctl ls [OPTION]... IMAGE:PATH...\n"
	"\n"
	"List what is in a volume that is not mounted, a name a line, in the order of\n"
	"their bytes. Unusual characters are shown as by ls -b.\n"
	"\n"
	"  -d, --directory  list directories themselves, not what is in them\n"
	"  -l               mode, links, owner, group, size and time as well, and what\n"
	"                   symlinks say and are\n"
	"  -R, --recursive  directories with all that is in them\n"
	"      --help       this text\n";

static const char cat_help[] =
	"usage: lnkctl cat IMAGE:PATH...\n"
	"\n"
	"Write files of a volume that is not mounted to standard output. Symlinks are\n"
	"followed as if the volume were the whole tree.\n"
	"\n"
	"      --help       this text\n";

static const char readlink_help[] =
	"usage: lnkctl readlink [-n] IMAGE:PATH...\n"
	"\n"
	"Print the targets of symlinks of a volume that is not mounted.\n"
	"\n"
	"  -n, --no-newline  print no newline after a single target\n"
	"      --help        this text\n";

/**
 * struct ls - how to list
 * @img: volume
 * @details: -l
 * @recursive: -R
 * @depth: directories above the one at hand
 * @entered: those that have been listed, with -R
 */
struct ls {
	struct lnkfs_image *img;
	bool details;
	bool recursive;
	unsigned int depth;
	void *entered;
};

#define MAX_DEPTH	2048	/* deeper than any path that can be opened by name */

/**
 * struct names - the names of a directory
 * @list: them
 * @count: how many
 * @room: for how many there is room
 */
struct names {
	struct entry {
		char *name;
		u64 ino;
	} *list;
	size_t count;
	size_t room;
};

static int add_name(void *arg, const char *name, u64 ino, u8 type)
{
	struct names *names = arg;

	(void)type;
	if (names->count == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		names->list = lnkctl_realloc(names->list, names->room * sizeof(*names->list));
	}
	names->list[names->count].ino = ino;
	names->list[names->count].name = strdup(name);
	return names->list[names->count++].name ? 0 : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void print_details(const struct lnkfs_node *node)
{
	time_t sec = (time_t)((s64)(node->ci.mtime / 1000000000) + LNKFS_EPOCH);
	char mode[11], date[32] = "?";
	struct tm tm;

	text_mode(node->ci.mode, mode);
	if (localtime_r(&sec, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	printf("%s %" PRIu32 " %" PRIu32 " %" PRIu32 " ", mode, node->ci.nlink, node->ci.uid,
	       node->ci.gid);
	if (node->ci.fork == LNKFS_FORK_DEVICE) {
		const struct lnkfs_device *dev = (const void *)node->area;

		printf("%u,%u", le32_to_cpu(dev->v_major), le32_to_cpu(dev->v_minor));
	} else {
		printf("%" PRIu64, (u64)node->ci.size);
	}
	printf(" %s ", date);
}

/* What a symlink is besides its target. */
static void print_link(struct ls *ls, struct lnkfs_node *node)
{
	struct lnkfs_link_attr la;
	const char *kind;

	if (lnkfs_link_attr_get(&ls->img->v.fs, &node->ci, &la)) {
		fputs(" (damaged)", stdout);
		return;
	}
	kind = la.la_kind ? linkkind_name(la.la_kind) : NULL;
	if (la.la_flags & LNKFS_LINK_TRACKED)
		printf(" (%s%stracked: %" PRIu64 ")", kind ? kind : "", kind ? ", " : "",
		       (u64)le64_to_cpu(la.la_ino));
	else if (kind)
		printf(" (%s)", kind);
}

static void print_one(struct ls *ls, const char *name, struct lnkfs_node *node)
{
	char target[LNKFS_SYMLINK_MAX + 1];

	if (ls->details)
		print_details(node);
	text_word(stdout, name);
	if (ls->details && S_ISLNK(node->ci.mode) && !lnkfs_node_target(ls->img, node, target)) {
		fputs(" -> ", stdout);
		text_word(stdout, target);
		print_link(ls, node);
	}
	putchar('\n');
}

static void list_dir(struct ls *ls, const char *path, struct lnkfs_node *dir);

static char *join(const char *path, const char *name)
{
	size_t len = strlen(path);
	char *both = lnkctl_realloc(NULL, len + strlen(name) + 2);

	sprintf(both, "%s%s%s", path, len && path[len - 1] == '/' ? "" : "/", name);
	return both;
}

/* The directories among them, each with its heading. */
static void descend(struct ls *ls, const char *path, const struct names *names)
{
	struct lnkfs_node *node = lnkctl_realloc(NULL, sizeof(*node));
	char *both;
	size_t i;

	for (i = 0; i < names->count; i++) {
		if (lnkfs_node_load(ls->img, names->list[i].ino, node) || !S_ISDIR(node->ci.mode))
			continue;
		both = join(path, names->list[i].name);
		putchar('\n');
		text_word(stdout, both);
		puts(":");
		list_dir(ls, both, node);
		free(both);
	}
	free(node);
}

static void list_dir(struct ls *ls, const char *path, struct lnkfs_node *dir)
{
	struct lnkfs_node *node;
	struct names names = { NULL, 0, 0 };
	int err, err2;
	size_t i;

	err = ls->depth < MAX_DEPTH ? 0 : -ELOOP;
	if (!err && ls->recursive)
		err = image_enter(&ls->entered, dir->ci.ino);
	if (err) {
		image_failed(path, err);
		return;
	}
	node = lnkctl_realloc(NULL, sizeof(*node));
	err = image_list(ls->img, dir, add_name, &names);
	if (names.count)
		qsort(names.list, names.count, sizeof(*names.list), by_name);
	for (i = 0; i < names.count; i++) {
		err2 = ls->details ? lnkfs_node_load(ls->img, names.list[i].ino, node) : 0;
		if (err2)
			image_failed(names.list[i].name, err2);
		else
			print_one(ls, names.list[i].name, node);
	}
	if (err)
		image_failed(path, err);
	free(node);
	if (ls->recursive) {
		ls->depth++;
		descend(ls, path, &names);
		ls->depth--;
	}
	for (i = 0; i < names.count; i++)
		free(names.list[i].name);
	free(names.list);
}

static int run_ls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", no_argument, NULL, 'd' },
		{ "recursive", no_argument, NULL, 'R' },
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	struct ls ls = { .depth = 0 };
	struct image_file file;
	bool self = false;
	int c, i;

	while ((c = getopt_long(argc, argv, "dlR", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			self = true;
			break;
		case 'l':
			ls.details = true;
			break;
		case 'R':
			ls.recursive = true;
			break;
		default:
			lnkctl_help_or_bad(c, ls_help);
		}
	}
	if (optind == argc)
		lnkctl_usage("IMAGE:PATH is missing");
	image_arguments(argv + optind, argc - optind);
	for (i = optind; i < argc; i++) {
		if (!image_open(&file, argv[i], false))
			continue;
		ls.img = file.img;
		if (self || !S_ISDIR(file.node.ci.mode)) {
			print_one(&ls, argv[i], &file.node);
			continue;
		}
		if (argc - optind > 1 || ls.recursive) {
			if (i > optind)
				putchar('\n');
			text_word(stdout, argv[i]);
			puts(":");
		}
		list_dir(&ls, argv[i], &file.node);
		image_leave(&ls.entered);
	}
	image_close();
	return 0;
}

static int cat_file(struct image_file *file)
{
	static char buf[1 << 16];
	u64 pos, n, size = file->node.ci.size;
	int err;

	if (S_ISDIR(file->node.ci.mode))
		return -EISDIR;
	if (!S_ISREG(file->node.ci.mode))
		return -EINVAL;
	for (pos = 0; pos < size; pos += n) {
		n = min_t(u64, sizeof(buf), size - pos);
		err = lnkfs_node_read(file->img, &file->node, pos, buf, n);
		if (err)
			return err;
		if (fwrite(buf, 1, n, stdout) != n)
			return -errno;
	}
	return 0;
}

static int run_cat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	struct image_file file;
	int c, i, err;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		lnkctl_help_or_bad(c, cat_help);
	if (optind == argc)
		lnkctl_usage("IMAGE:PATH is missing");
	image_arguments(argv + optind, argc - optind);
	for (i = optind; i < argc; i++) {
		if (!image_open(&file, argv[i], true))
			continue;
		err = cat_file(&file);
		if (err)
			image_failed(argv[i], err);
	}
	image_close();
	return 0;
}

static int run_readlink(int argc, char **argv)
{
	static const struct option options[] = {
		{ "no-newline", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	char target[LNKFS_SYMLINK_MAX + 1];
	struct image_file file;
	bool newline = true;
	int c, i, err;

	while ((c = getopt_long(argc, argv, "n", options, NULL)) != -1) {
		if (c == 'n')
			newline = false;
		else
			lnkctl_help_or_bad(c, readlink_help);
	}
	if (optind == argc)
		lnkctl_usage("IMAGE:PATH is missing");
	image_arguments(argv + optind, argc - optind);
	for (i = optind; i < argc; i++) {
		if (!image_open(&file, argv[i], false))
			continue;
		err = lnkfs_node_target(file.img, &file.node, target);
		if (err)
			image_failed(argv[i], err);
		else
			printf("%s%s", target, newline || argc - optind > 1 ? "\n" : "");
	}
	image_close();
	return 0;
}

const struct lnkctl_command lnkctl_ls = {
	.name = "ls",
	.summary = "list a directory of a volume that is not mounted",
	.help = ls_help,
	.run = run_ls,
};

const struct lnkctl_command lnkctl_cat = {
	.name = "cat",
	.summary = "write a file of a volume that is not mounted",
	.help = cat_help,
	.run = run_cat,
};

const struct lnkctl_command lnkctl_readlink = {
	.name = "readlink",
	.summary = "print the target of a symlink there",
	.help = readlink_help,
	.run = run_readlink,
};
