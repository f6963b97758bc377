// SPDX-License-Identifier: GPL-2.0
/*
 * A volume that is mounted: where, and what can be changed there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../probe.h"
#include "tune.h"

/**
 * struct place - where something is mounted
 * @mnt: filled with a mount point
 * @len: room in it
 * @fd: what lnkfs_open_mounted() says
 */
struct place {
	char *mnt;
	size_t len;
	int fd;
};

static bool find_mount(dev_t dev, struct place *p)
{
	p->fd = lnkfs_open_mounted(dev, O_DIRECTORY, p->mnt, p->len);
	return p->fd != -ENODEV;
}

static bool loop_mounted(const char *name, void *ctx)
{
	struct place *p = ctx;
	unsigned int major, minor;
	char dev[96];
	bool found;
	FILE *f;

	snprintf(dev, sizeof(dev), "/sys/block/%s/dev", name);
	f = fopen(dev, "re");
	found = f && fscanf(f, "%u:%u", &major, &minor) == 2 &&
		find_mount(makedev(major, minor), p);
	if (f)
		fclose(f);
	return found;
}

/**
 * tune_find_mount() - is a device, or it or an image on a loop device, mounted?
 * @device: its name
 * @mnt: filled with a mount point that is seen here
 * @len: room in @mnt
 * @fd: set to what lnkfs_open_mounted() says
 */
bool tune_find_mount(const char *device, char *mnt, size_t len, int *fd)
{
	struct place p = { mnt, len, -ENODEV };
	bool found = false;
	char name[64];
	struct stat st;

	if (stat(device, &st))
		return false;
	if (S_ISBLK(st.st_mode))
		found = find_mount(st.st_rdev, &p);
	if (!found && (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode)))
		found = lnkfs_find_loop(&st, loop_mounted, &p, name, sizeof(name));
	*fd = p.fd;
	return found;
}

/**
 * tune_online() - change a mounted volume
 * @t: what to change
 * @mnt: mount point
 * @fd: what tune_find_mount() has said of it; closed
 *
 * Return: exit code.
 */
int tune_online(const struct tune *t, const char *mnt, int fd)
{
	char label[FSLABEL_MAX] = "";
	int err = 0;

	if (tune_wants_more(t)) {
		tune_complain(t->device, "mounted on %s: only the label can be changed there", mnt);
		err = EBUSY;
	} else if (fd == -ESTALE) {
		tune_complain(t->device, "mounted on %s, but something else is mounted over it", mnt);
		err = ESTALE;
	} else {
		snprintf(label, sizeof(label), "%s", t->label);
		err = fd < 0 ? -fd : ioctl(fd, FS_IOC_SETFSLABEL, label) ? errno : 0;
		if (err)
			tune_complain(t->device, "mounted on %s: %s", mnt, strerror(err));
	}
	if (fd >= 0)
		close(fd);
	return err ? TUNE_REFUSED : TUNE_OK;
}
