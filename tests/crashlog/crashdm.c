// SPDX-License-Identifier: GPL-2.0
/*
 * In the guest: devices of the device mapper, without dmsetup.
 *
 * usage: crashdm create NAME SECTORS TARGET PARAMETERS	prints the new device's path
 *        crashdm remove NAME
 */
#include <stdlib.h>

#include "dm.h"

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/*
 * dm-log-writes logs a flush, and the writes before it, when it has ended. Of two under
 * way at once the later one may end first, and then stands in the log before writes that
 * it has made durable: a commit before its data. Where the device below has no cache,
 * flushes end as they begin, unless the task loses its processor in between: there is
 * one processor, and the kernel is booted with preempt=none. They are recorded all the same.
 */
static int disable_cache(const char *dev)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/queue/write_cache",
		 strrchr(dev, '/') + 1);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs("write through\n", f);
	return fclose(f);
}

static int create(char **argv)
{
	char dev[64], below[64];

	if (!strcmp(argv[4], "log-writes") &&
	    (sscanf(argv[5], "%63s", below) != 1 || disable_cache(below)))
		return fail(argv[5]);
	if (dm_ioctl(DM_DEV_CREATE, argv[2], 0, 0, NULL, NULL, NULL) ||
	    dm_ioctl(DM_TABLE_LOAD, argv[2], 0, strtoull(argv[3], NULL, 10), argv[4], argv[5],
		     NULL) ||
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
