// SPDX-License-Identifier: GPL-2.0
/*
 * A volume that is mounted: where, and what can be changed there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tune.h"

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

static bool find_mount(dev_t dev, char *mnt, size_t len)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[4096], type[64];
	unsigned int major, minor;
	bool found = false;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) > 0) {
		char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, path) != 3 ||
		    sscanf(dash, " - %63s", type) != 1 || strcmp(type, "lnkfs") ||
		    makedev(major, minor) != dev)
			continue;
		unescape(path);
		found = snprintf(mnt, len, "%s", path) < (int)len;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* Mounted by a loop device on the file? */
static bool find_loop_mount(const struct stat *file, char *mnt, size_t len)
{
	bool found = false;
	char line[4096];
	struct stat st;
	size_t i;
	FILE *f;
	glob_t g;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &g))
		return false;
	for (i = 0; i < g.gl_pathc && !found; i++) {
		unsigned int major, minor;
		char dev[64];

		f = fopen(g.gl_pathv[i], "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			found = !stat(line, &st) && st.st_dev == file->st_dev &&
				st.st_ino == file->st_ino;
		}
		fclose(f);
		if (!found)
			continue;
		snprintf(dev, sizeof(dev), "/sys/block/%.*s/dev",
			 (int)strcspn(g.gl_pathv[i] + 11, "/"), g.gl_pathv[i] + 11);
		f = fopen(dev, "re");
		found = f && fscanf(f, "%u:%u", &major, &minor) == 2 &&
			find_mount(makedev(major, minor), mnt, len);
		if (f)
			fclose(f);
	}
	globfree(&g);
	return found;
}

/**
 * tune_find_mount() - is a device, or an image on a loop device, mounted?
 * @device: its name
 * @mnt: filled with a mount point that is seen here
 * @len: room in @mnt
 */
bool tune_find_mount(const char *device, char *mnt, size_t len)
{
	struct stat st;

	if (stat(device, &st))
		return false;
	if (S_ISBLK(st.st_mode))
		return find_mount(st.st_rdev, mnt, len);
	return S_ISREG(st.st_mode) && find_loop_mount(&st, mnt, len);
}

/* Is a change asked for that only an unmounted volume can take? */
static bool wants_more(const struct tune *t)
{
	return t->set_uuid || t->set_reserved || t->set_permille || t->opts_on || t->opts_off ||
	       t->errors || t->set_mounts || t->set_checked || t->quota_on || t->quota_off ||
	       t->journal_bytes || t->journal;
}

/**
 * tune_online() - change a mounted volume
 * @t: what to change
 * @mnt: mount point
 *
 * Return: exit code.
 */
int tune_online(const struct tune *t, const char *mnt)
{
	char label[FSLABEL_MAX] = "";
	int fd, err;

	if (wants_more(t)) {
		tune_complain(t->device, "mounted on %s: only the label can be changed there", mnt);
		return TUNE_REFUSED;
	}
	snprintf(label, sizeof(label), "%s", t->label);
	fd = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 || ioctl(fd, FS_IOC_SETFSLABEL, label) ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (err)
		tune_complain(t->device, "mounted on %s: %s", mnt, strerror(err));
	return err ? TUNE_REFUSED : TUNE_OK;
}
