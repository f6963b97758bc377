/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device mapper, without its tools.
 */
#ifndef LNKFS_DM_H
#define LNKFS_DM_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/dm-ioctl.h>

/* @dev, unless NULL, gets the name of the device; @target may be NULL. */
static inline int dm_ioctl(unsigned long cmd, const char *name, unsigned int flags,
			   unsigned long long sectors, const char *target,
			   const char *params, char *dev)
{
	static char buf[4096] __attribute__((aligned(8)));
	struct dm_ioctl *dmi = (void *)buf;
	struct dm_target_spec *spec = (void *)(dmi + 1);
	int ctl = open("/dev/mapper/control", O_RDWR), ret;

	if (ctl < 0)
		return -1;
	memset(buf, 0, sizeof(buf));
	dmi->version[0] = DM_VERSION_MAJOR;
	dmi->data_size = sizeof(buf);
	dmi->data_start = sizeof(*dmi);
	dmi->flags = flags;
	strcpy(dmi->name, name);
	if (target) {
		dmi->target_count = 1;
		spec->length = sectors;
		strcpy(spec->target_type, target);
		strcpy((char *)(spec + 1), params);
	}
	ret = ioctl(ctl, cmd, dmi);
	if (dev)
		sprintf(dev, "/dev/dm-%u", minor(dmi->dev));
	close(ctl);
	return ret;
}

#endif /* LNKFS_DM_H */
