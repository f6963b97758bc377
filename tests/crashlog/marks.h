/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks in the log of dm-log-writes, by ioctl(2): one before each operation must be cheap.
 */
#ifndef LNKFS_CRASHLOG_MARKS_H
#define LNKFS_CRASHLOG_MARKS_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/dm-ioctl.h>

/* Put mark @n in the log of the device mapper's device @dev (its name, no path). */
static inline int mark_send(const char *dev, unsigned int n)
{
	static char buf[1024] __attribute__((aligned(8)));
	static int ctl = -1;
	struct dm_ioctl *dmi = (void *)buf;
	struct dm_target_msg *msg = (void *)(dmi + 1);

	if (ctl < 0)
		ctl = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (ctl < 0)
		return -1;
	memset(buf, 0, sizeof(buf));
	dmi->version[0] = DM_VERSION_MAJOR;
	dmi->data_size = sizeof(buf);
	dmi->data_start = sizeof(*dmi);
	snprintf(dmi->name, sizeof(dmi->name), "%s", dev);
	sprintf(msg->message, "mark %u", n);
	return ioctl(ctl, DM_TARGET_MSG, dmi);
}

#endif /* LNKFS_CRASHLOG_MARKS_H */
