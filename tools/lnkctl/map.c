// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl map: where shares of other computers are mounted, an attribute of a volume's
 * root directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core.h"
#include "liblnkfs.h"
#include "linkkind.h"
#include "lnkctl.h"
#include "map.h"
#include "text.h"

static const char help[] =
	"usage: lnkctl map [--json] MOUNTPOINT\n"
	"       lnkctl map MOUNTPOINT \\\\\\\\SERVER\\\\SHARE DIRECTORY\n"
	"       lnkctl map -d MOUNTPOINT \\\\\\\\SERVER\\\\SHARE\n"
	"\n"
	"Show, set or remove where links to other computers (lnkctl ln --remote) lead to\n"
	"when they are followed: what is in \\\\SERVER\\SHARE is looked for in DIRECTORY,\n"
	"an absolute path. Backslashes have to be quoted for the shell; //SERVER/SHARE\n"
	"and smb://SERVER/SHARE are understood, too. MOUNTPOINT is the root directory of\n"
	"an lnkfs volume. Only the superuser can do this. Without an entry such links\n"
	"lead nowhere.\n"
	"\n"
	"  -d, --delete  remove the entry of a share\n"
	"      --json    one JSON array, an object for each entry; a byte XX that is no\n"
	"                UTF-8 stands as \\udcXX\n"
	"      --help    this text\n";

/* ---- reading ---- */

/**
 * map_read() - the map of a volume
 * @root: its root directory, opened for reading
 * @map: gets it, to be freed
 *
 * Return: its length, 0: there is none; -1 with errno set.
 */
ssize_t map_read(int root, char **map)
{
	ssize_t len;

	*map = lnkctl_realloc(NULL, MAP_MAX);
	len = fgetxattr(root, LNKFS_MAP_XATTR, *map, MAP_MAX);
	return len < 0 && errno == ENODATA ? 0 : len;
}

/* Is this the line that maps @share? The kernel's own code knows. */
static bool is_for(const struct lnkfs_remote_line *line, const char *share)
{
	char path[PATH_MAX];

	return !lnkfs_remote_map(line->text, line->len, share, (u32)strlen(share), path,
				 sizeof(path));
}

static void show(const char *map, u32 size, bool json)
{
	const char *separator = "[\n  ";
	struct lnkfs_remote_line line;
	u32 at = 0;

	while (lnkfs_remote_line(map, size, &at, &line)) {
		char *share, *path;

		if (!line.key_len)
			continue;
		share = lnkctl_strndup(line.text, line.key_len);
		path = lnkctl_strndup(line.text + line.key_len + 1, line.len - line.key_len - 1);
		if (json) {
			printf("%s{\"share\": ", separator);
			text_json(stdout, share, strlen(share));
			fputs(", \"directory\": ", stdout);
			text_json(stdout, path, strlen(path));
			putchar('}');
			separator = ",\n  ";
		} else {
			text_message(stdout, share);
			fputs(" -> ", stdout);
			text_word(stdout, path);
			putchar('\n');
		}
		free(share);
		free(path);
	}
	if (json)
		puts(*separator == '[' ? "[]" : "\n]");
}

/* ---- changing ---- */

/* Is this \\server\share, and nothing below it? The kernel's own code is asked. */
static bool is_share(const char *share)
{
	char map[PATH_MAX + NAME_MAX], to[PATH_MAX];
	int n = snprintf(map, sizeof(map), "%s=/x", share);

	return n < (int)sizeof(map) && !strchr(share, '\n') &&
	       !lnkfs_remote_map(map, (u32)n, share, (u32)strlen(share), to, sizeof(to)) &&
	       !strcmp(to, "/x");
}

/* A share as the map has it: \\server\share. Any other form is turned into it. */
static char *parse_share(const char *text)
{
	bool url = !strncasecmp(text, "smb://", 6);
	const char *from = url ? text + 6 : text;
	size_t len = strcspn(from, "/"), size;
	const char *user = memchr(from, '@', len);
	char *share;

	if (url && user)
		from = user + 1;
	size = strlen(from) + 3;
	share = lnkctl_realloc(NULL, size);
	snprintf(share, size, "%s%s", url ? "\\\\" : "", from);
	for (len = 0; share[len]; len++)
		if (share[len] == '/')
			share[len] = '\\';
	while (len > 2 && share[len - 1] == '\\')
		share[--len] = 0;
	if ((url && strchr(share, '%')) || !is_share(share))
		lnkctl_usage("%s: not of the form \\\\server\\share", text);
	return share;
}

static void check_directory(const char *path)
{
	if (*path != '/')
		lnkctl_usage("%s: not an absolute path", path);
	if (strchr(path, '\n'))
		lnkctl_usage("%s: a newline cannot be in it", path);
	if (strlen(path) >= PATH_MAX)
		lnkctl_usage("the path is too long");
}

/* The map with the entry for @share replaced, or with NULL removed. */
static void write_map(int root, const char *name, const char *share, const char *directory)
{
	char *old, *map = lnkctl_realloc(NULL, MAP_MAX + PATH_MAX * 2);
	ssize_t size = map_read(root, &old);
	struct lnkfs_remote_line line;
	bool found = false;
	size_t len = 0;
	int ret = -1;
	u32 at = 0;

	while (size > 0 && lnkfs_remote_line(old, (u32)size, &at, &line)) {
		if (is_for(&line, share)) {
			found = true;
			continue;
		}
		memcpy(map + len, line.text, line.len);
		len += line.len;
		map[len++] = '\n';
	}
	if (size < 0)
		goto out;
	if (!directory && !found) {
		lnkctl_complain(share, "there is no entry for it");
		ret = 0;
		goto out;
	}
	if (directory)
		len += (size_t)snprintf(map + len, PATH_MAX * 2, "%s=%s\n", share, directory);
	if (len > MAP_MAX)
		errno = E2BIG;
	else if (len)
		ret = fsetxattr(root, LNKFS_MAP_XATTR, map, len, 0);
	else
		ret = fremovexattr(root, LNKFS_MAP_XATTR);
out:
	if (ret)
		lnkctl_failed(name, errno);
	free(map);
	free(old);
}

/* ---- the command ---- */

/* Does a mount show a volume from its root on? Unless /proc says no, it does. */
static bool shows_root(uint64_t mount)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, slash, space;
	unsigned long long id;
	bool answer = true;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		if (sscanf(line, "%llu %*u %*u:%*u %c%c", &id, &slash, &space) == 3 && id == mount)
			answer = space == ' ';
	}
	free(line);
	if (f)
		fclose(f);
	return answer;
}

/* The root directory of a volume, for this program alone. */
static int open_root(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statx st;

	if (fd < 0) {
		lnkctl_failed(name, errno);
		return -1;
	}
	if (!linkkind_on_lnkfs(fd)) {
		lnkctl_complain(name, "is not on lnkfs");
	} else if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) ||
		   !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || !shows_root(st.stx_mnt_id)) {
		lnkctl_complain(name, "is not the root directory of a volume");
	} else if (flock(fd, LOCK_EX)) {
		lnkctl_failed(name, errno);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

static void show_map(int root, const char *name, bool json)
{
	char *map;
	ssize_t len = map_read(root, &map);

	if (len < 0)
		lnkctl_failed(name, errno);
	else
		show(map, (u32)len, json);
	free(map);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ "delete", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, LNKCTL_OPT_OWN },
		{ 0 },
	};
	bool remove = false, json = false;
	char *share = NULL;
	int c, root;

	while ((c = getopt_long(argc, argv, "d", longs, NULL)) != -1) {
		if (c == 'd')
			remove = true;
		else if (c == LNKCTL_OPT_OWN)
			json = true;
		else
			lnkctl_help_or_bad(c, help);
	}
	argc -= optind;
	argv += optind;
	if (!argc)
		lnkctl_usage("a mount point is missing");
	if ((remove && argc != 2) || (!remove && argc != 1 && argc != 3) || (json && argc > 1))
		lnkctl_usage("one share, and to set it a directory, please");
	if (argc > 1)
		share = parse_share(argv[1]);
	if (argc > 2)
		check_directory(argv[2]);
	root = open_root(argv[0]);
	if (root >= 0) {
		if (share)
			write_map(root, argv[0], share, argc > 2 ? argv[2] : NULL);
		else
			show_map(root, argv[0], json);
		close(root);
	}
	free(share);
	return 0;
}

const struct lnkctl_command lnkctl_map = {
	.name = "map",
	.summary = "show and change where links to other computers lead",
	.help = help,
	.run = run,
};
