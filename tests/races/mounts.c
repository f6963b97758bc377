// SPDX-License-Identifier: GPL-2.0
/*
 * mounts SECONDS DEVICE...: volumes come and go under those who use them.
 *
 * Each volume is mounted and unmounted again and again by a process of its own,
 * also lazily while files are open, among them some that have no name any more; one
 * time in four it is shut down first, as by a crash. Others walk all of the volumes
 * meanwhile, follow the links that they find there, and sync. A link that can be
 * followed leads to the text of its volume; a file without a name is there until it
 * is closed. In the end fsck.lnkfs finds nothing on any volume.
 *
 * Exit status: 0, or 1 after an error.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../fs/lnkfs.h"

#define MAX_VOLUMES	8
#define WALKERS		3
#define OPEN		4

static const char *devices[MAX_VOLUMES];
static int volumes;
static time_t end;

static void path_of(char *path, int volume, const char *name)
{
	sprintf(path, "/run/races/%d%s%s", volume, *name ? "/" : "", name);
}

static void nap(unsigned int us)
{
	struct timespec ts = { .tv_nsec = us * 1000L };

	nanosleep(&ts, NULL);
}

/* Was the volume shut down in its former life, which has not ended? */
static int is_dead(int volume)
{
	char root[64];
	struct stat st;

	path_of(root, volume, "");
	return stat(root, &st) && errno == EIO;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "%s", path);
	close(fd);
}

/* Two links to a text, which says where it is. */
static void populate(int volume)
{
	char path[64], target[4000], text[32];
	unsigned int i;

	sprintf(text, "volume %d", volume);
	path_of(path, volume, "text");
	put(path, text);
	path_of(path, volume, "fast");
	if (symlink("text", path) && errno != EEXIST)
		err(1, "%s", path);
	for (i = 0; i < 1900; i++)
		memcpy(target + 2 * i, "./", 2);
	strcpy(target + 2 * i, "text");
	path_of(path, volume, "slow");
	if (symlink(target, path) && errno != EEXIST)
		err(1, "%s", path);
}

/* A file without a name, with something in it. */
static int nameless(int volume, int nr)
{
	char path[64], name[16], data[100000];
	int fd;

	sprintf(name, "f%d", nr);
	path_of(path, volume, name);
	fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
	memset(data, 'a' + nr, sizeof(data));
	if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data) || unlink(path))
		err(1, "%s", path);
	return fd;
}

static void check_nameless(int fd, int nr, int shut)
{
	char data[4096];
	ssize_t len = pread(fd, data, sizeof(data), 50000);
	size_t i;

	if (len < 0 && errno == EIO && shut)
		return;
	if (len != sizeof(data))
		errx(1, "a file without a name has lost its data");
	for (i = 0; i < sizeof(data); i++) {
		if (data[i] != 'a' + nr)
			errx(1, "a file without a name has other data");
	}
}

/* One life of a volume. */
static void life(int volume)
{
	int fd[OPEN], i, lazy = rand() % 3 == 0, shut = rand() % 4 == 0;
	uint32_t how = rand() % 3;
	char root[64];

	path_of(root, volume, "");
	/* Who unmounted lazily before may not have let go yet: it is the same volume. */
	while (mount(devices[volume], root, "lnkfs", 0, "") || is_dead(volume)) {
		if (umount2(root, MNT_DETACH) && errno != EINVAL)
			err(1, "umount %s", root);
		nap(5000);
		if (time(NULL) > end + 60)
			errx(1, "%s cannot be mounted", devices[volume]);
	}
	populate(volume);
	for (i = 0; i < OPEN; i++)
		fd[i] = nameless(volume, i);
	nap(rand() % 20000);
	if (shut && ioctl(fd[0], LNKFS_IOC_SHUTDOWN, &how))
		err(1, "shutdown");
	if (lazy && umount2(root, MNT_DETACH))
		err(1, "umount -l");
	for (i = 0; i < OPEN; i++) {
		check_nameless(fd[i], i, shut);
		close(fd[i]);
	}
	while (!lazy && umount(root)) {
		if (errno != EBUSY)
			err(1, "umount %s", root);
		nap(2000);
	}
}

static int keeper(int volume)
{
	unsigned int lives = 0;

	srand(volume + 1);
	for (; time(NULL) < end; lives++)
		life(volume);
	printf("%s: mounted %u times\n", devices[volume], lives);
	return 0;
}

/* Follow the links of all volumes, list them, sync them. */
static int walker(int number)
{
	char path[64], got[32], good[32];
	int volume, fd;
	ssize_t len;

	srand(100 + number);
	while (time(NULL) < end) {
		volume = rand() % volumes;
		path_of(path, volume, rand() % 2 ? "fast" : "slow");
		sprintf(good, "volume %d", volume);
		fd = open(path, O_RDONLY);
		len = fd < 0 ? 0 : read(fd, got, sizeof(got));
		/* One that has just been made may be empty. */
		if (len > 0 && (len != (ssize_t)strlen(good) || memcmp(got, good, len)))
			errx(1, "%s leads to '%.*s'", path, (int)len, got);
		if (fd >= 0 && rand() % 4 == 0)
			fsync(fd);
		if (fd >= 0 && rand() % 4 == 0)
			syncfs(fd);
		if (fd >= 0)
			close(fd);
		if (rand() % 50 == 0)
			sync();
		nap(300);
	}
	return 0;
}

static int reap(void)
{
	int status, result = 0;

	while (wait(&status) > 0)
		result |= status != 0;
	return result;
}

int main(int argc, char **argv)
{
	char command[300], root[64];
	int i, result;

	if (argc < 3 || argc > MAX_VOLUMES + 2)
		errx(2, "usage: mounts SECONDS DEVICE...");
	mkdir("/run/races", 0755);
	for (volumes = 0; volumes < argc - 2; volumes++) {
		devices[volumes] = argv[volumes + 2];
		path_of(root, volumes, "");
		mkdir(root, 0755);
		sprintf(command, "mkfs.lnkfs -q -f -b %d %s 16M", volumes % 2 ? 1024 : 4096,
			devices[volumes]);
		if (system(command))
			errx(1, "%s failed", command);
	}
	end = time(NULL) + atoi(argv[1]);
	for (i = 0; i < volumes; i++) {
		if (!fork())
			return keeper(i);
	}
	for (i = 0; i < WALKERS; i++) {
		if (!fork())
			return walker(i);
	}
	result = reap();
	for (i = 0; i < volumes; i++) {
		path_of(root, i, "");
		umount2(root, MNT_DETACH);
		/* Replays what the last crash left. */
		if (!mount(devices[i], root, "lnkfs", 0, ""))
			umount(root);
		sprintf(command, "fsck.lnkfs -n -f %s", devices[i]);
		result |= system(command) != 0;
	}
	return result;
}
