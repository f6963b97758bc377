// SPDX-License-Identifier: GPL-2.0
/*
 * Does somebody else use a device or an image, and where is it mounted?
 */
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/loop.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "volume.h"

/**
 * lnkfs_same_file() - are these the same device, or else the same file?
 * @a: what stat(2) says
 * @b: the same of the other one
 *
 * A device has many names, and nodes in many places.
 */
bool lnkfs_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode))
		return S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * The name that a loop device's file has for us, if it has one: it may have been removed
 * when there is another, and be one of another mount namespace or below another root.
 */
static bool same_name(const struct stat *file, const char *attribute)
{
	char line[4096] = "";
	FILE *f = fopen(attribute, "re");
	struct stat st;

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	return !stat(line, &st) && lnkfs_same_file(file, &st);
}

/* What the loop device itself says, if it can be asked. */
static bool same_number(const struct stat *file, const char *name)
{
	struct loop_info64 info;
	char path[80];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	ret = ioctl(fd, LOOP_GET_STATUS64, &info);
	close(fd);
	if (ret)
		return false;
	if (S_ISBLK(file->st_mode))
		return info.lo_rdevice == file->st_rdev;
	return info.lo_device == file->st_dev && info.lo_inode == file->st_ino;
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
	bool ok = false;
	glob_t g;
	size_t i;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &g))
		return false;
	for (i = 0; i < g.gl_pathc && !ok; i++) {
		snprintf(name, len, "%.*s", (int)strcspn(g.gl_pathv[i] + 11, "/"),
			 g.gl_pathv[i] + 11);
		ok = (same_name(file, g.gl_pathv[i]) || same_number(file, name)) &&
		     (!found || found(name, ctx));
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

/* The kernel writes space, tab, line feed and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = 0;
}

static int open_on(dev_t dev, const char *path, int how)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | how);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_dev == dev)
		return fd;
	close(fd);
	return -ESTALE;
}

/**
 * lnkfs_open_mounted() - open a mount point of a volume
 * @dev: its device
 * @how: more flags of open(2)
 * @mnt: NULL, or filled with the mount point: the first one that leads to the volume, or
 *	the first one if none does
 * @len: room in @mnt
 *
 * Return: a file descriptor, on the volume; -ENODEV when it is mounted nowhere that is seen
 * here; -ESTALE when something else has been mounted over it, or what open(2) says.
 */
int lnkfs_open_mounted(dev_t dev, int how, char *mnt, size_t len)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[PATH_MAX + 1], type[64];
	unsigned int major, minor;
	int fd = -ENODEV, ret;
	bool found = false;
	size_t room = 0;

	while (f && fd < 0 && getline(&line, &room, f) > 0) {
		char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*d %*d %u:%u %*s %4096s", &major, &minor, path) != 3 ||
		    sscanf(dash, " - %63s", type) != 1 || strcmp(type, "lnkfs") ||
		    makedev(major, minor) != dev)
			continue;
		unescape(path);
		ret = open_on(dev, path, how);
		if (found && ret < 0)
			continue;
		if (mnt)
			snprintf(mnt, len, "%s", path);
		fd = ret;
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return fd;
}
