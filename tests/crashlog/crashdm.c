// SPDX-License-Identifier: GPL-2.0
/*
 * In the guest: a device of dm-log-writes, without dmsetup.
 *
 * usage: crashdm create NAME log-writes DEVICE LOG	prints the new device's path
 *        crashdm remove NAME
 */
#include <linux/fs.h>
#include <stdlib.h>

#include "dm.h"

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int create(char **argv)
{
	unsigned long long bytes;
	char params[256], dev[64];
	int fd = open(argv[4], O_RDONLY);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		return fail(argv[4]);
	close(fd);
	snprintf(params, sizeof(params), "%s %s", argv[4], argv[5]);
	if (dm_ioctl(DM_DEV_CREATE, argv[2], 0, 0, NULL, NULL, NULL) ||
	    dm_ioctl(DM_TABLE_LOAD, argv[2], 0, bytes / 512, argv[3], params, NULL) ||
	    dm_ioctl(DM_DEV_SUSPEND, argv[2], 0, 0, NULL, NULL, dev))
		return fail(argv[2]);
	puts(dev);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "create"))
		return create(argv);
	if (argc == 3 && !strcmp(argv[1], "remove"))
		return dm_ioctl(DM_DEV_REMOVE, argv[2], 0, 0, NULL, NULL, NULL) ?
		       fail(argv[2]) : 0;
	return 2;
}
