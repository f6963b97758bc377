// SPDX-License-Identifier: GPL-2.0
/*
 * Does somebody else use a device or an image?
 */
#include <glob.h>
#include <mntent.h>
#include <stdio.h>

#include "volume.h"

/* A device has many names, and nodes in many places. */
static bool same_backing(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode))
		return S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/**
 * lnkfs_find_loop() - find a loop device that a file or a block device is behind
 * @file: the file or device
 * @found: decides about one by its name (loop3); NULL: any will do
 * @ctx: its argument
 * @name: gets the name
 * @len: room for it
 */
bool lnkfs_find_loop(const struct stat *file, bool (*found)(const char *name, void *ctx),
		     void *ctx, char *name, size_t len)
{
	char line[4096];
	bool ok = false;
	struct stat st;
	glob_t g;
	size_t i;
	FILE *f;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &g))
		return false;
	for (i = 0; i < g.gl_pathc && !ok; i++) {
		f = fopen(g.gl_pathv[i], "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			ok = !stat(line, &st) && same_backing(file, &st);
		}
		fclose(f);
		snprintf(name, len, "%.*s", (int)strcspn(g.gl_pathv[i] + 11, "/"),
			 g.gl_pathv[i] + 11);
		ok = ok && (!found || found(name, ctx));
	}
	globfree(&g);
	return ok;
}

/* Is the file or device the backing one of a loop device? */
static bool loop_backed(const struct stat *file, char *by, size_t len)
{
	char name[64];

	if (!lnkfs_find_loop(file, NULL, NULL, name, sizeof(name)))
		return false;
	snprintf(by, len, "in use by loop device /dev/%s", name);
	return true;
}

static bool mounted(const struct stat *dev, char *by, size_t len)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	struct stat st;
	bool found = false;

	if (!f)
		return false;
	while (!found && (m = getmntent(f))) {
		if (m->mnt_fsname[0] != '/' || stat(m->mnt_fsname, &st))
			continue;
		found = S_ISBLK(st.st_mode) && st.st_rdev == dev->st_rdev;
		if (found)
			snprintf(by, len, "mounted on %s", m->mnt_dir);
	}
	endmntent(f);
	return found;
}

/**
 * lnkfs_in_use() - is a device mounted, or it or an image in use by a loop device?
 * @path: device or file
 * @by: filled with a phrase
 * @len: room in @by
 *
 * Return: 1 or 0; a file that does not exist is not in use.
 */
int lnkfs_in_use(const char *path, char *by, size_t len)
{
	struct stat st;

	if (stat(path, &st))
		return 0;
	if (S_ISBLK(st.st_mode) && mounted(&st, by, len))
		return 1;
	if (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode))
		return loop_backed(&st, by, len);
	return 0;
}
