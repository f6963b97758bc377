/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small volumes of the tests' own, on loop devices over files in LNKFS_TMP
 * (/tmp unless set), for what must not happen to the volume under test.
 */
#ifndef LNKFS_TEST_VOLUME_H
#define LNKFS_TEST_VOLUME_H

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct volume {
	char image[256];
	char dev[64];
	char mnt[256];
};

/* Attach @file to a free loop device; its name goes to @dev. 0 or -1. */
static inline int loop_attach(const char *file, int open_flags, char *dev)
{
	struct loop_config cfg = { 0 };
	int ctl, fd, lo, n, ret = -1;

	if (open_flags == O_RDONLY)
		cfg.info.lo_flags = LO_FLAGS_READ_ONLY;
	fd = open(file, open_flags);
	if (fd < 0)
		return -1;
	ctl = open("/dev/loop-control", O_RDWR);
	if (ctl < 0)
		goto out;
	cfg.fd = fd;
	do {
		n = ioctl(ctl, LOOP_CTL_GET_FREE);
		if (n < 0)
			break;
		sprintf(dev, "/dev/loop%d", n);
		lo = open(dev, open_flags);
		if (lo < 0)
			break;
		ret = ioctl(lo, LOOP_CONFIGURE, &cfg);
		close(lo);
	} while (ret && errno == EBUSY);
	close(ctl);
out:
	close(fd);
	return ret;
}

static inline int loop_detach(const char *dev)
{
	int lo = open(dev, O_RDONLY), ret;

	if (lo < 0)
		return -1;
	ret = ioctl(lo, LOOP_CLR_FD, 0);
	close(lo);
	return ret;
}

static inline const char *vol_fstype(void)
{
	const char *t = getenv("FSTYPE");

	return t && *t ? t : "lnkfs";
}

/* Make the filesystem on @dev; the exit status of mkfs. */
static inline int vol_mkfs(const char *dev, const char *options)
{
	const char *bs = getenv("LNKFS_BSIZE");
	char cmd[512];

	if (!strcmp(vol_fstype(), "ext4"))
		snprintf(cmd, sizeof(cmd), "mkfs.ext4 -q -F -m 0 -b %s -E "
			 "lazy_itable_init=0,lazy_journal_init=0 %s %s",
			 bs ? bs : "4096", options, dev);
	else if (!strcmp(vol_fstype(), "xfs"))
		/* as its own tests do, so that it takes a small device */
		snprintf(cmd, sizeof(cmd), "TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 "
			 "mkfs.xfs -q -f -b size=%s %s %s", bs ? bs : "4096", options, dev);
	else
		snprintf(cmd, sizeof(cmd), "mkfs.lnkfs -q -f -b %s %s %s %s", bs ? bs : "4096",
			 getenv("LNKFS_MKFS_OPTIONS") ?: "", options, dev);
	return system(cmd);
}

/*
 * A file of @mib MiB with a filesystem on it, made with these options of mkfs,
 * attached, not mounted.
 */
static inline int vol_make_with(struct volume *v, unsigned int mib, const char *options)
{
	const char *tmp = getenv("LNKFS_TMP") ?: "/tmp";
	int fd;

	snprintf(v->image, sizeof(v->image), "%s/volume.XXXXXX", tmp);
	fd = mkstemp(v->image);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)mib << 20) || close(fd) ||
	    loop_attach(v->image, O_RDWR, v->dev))
		return -1;
	snprintf(v->mnt, sizeof(v->mnt), "%s/mnt.XXXXXX", tmp);
	if (!mkdtemp(v->mnt))
		return -1;
	return vol_mkfs(v->dev, options);
}

static inline int vol_make(struct volume *v, unsigned int mib)
{
	return vol_make_with(v, mib, "");
}

/* Columns of /sys/class/block/DEVICE/stat (Documentation/block/stat.rst). */
enum { DEV_READS = 0, DEV_SECTORS_READ = 2, DEV_SECTORS_WRITTEN = 6, DEV_FLUSHES = 15 };

/* What a device has got since boot, or -1. */
static inline long long dev_counted(const char *dev, unsigned int column)
{
	char path[300];
	long long n = -1;
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/stat", strrchr(dev, '/') + 1);
	f = fopen(path, "r");
	if (!f)
		return -1;
	for (i = 0; i <= column; i++) {
		if (fscanf(f, "%lld", &n) != 1) {
			n = -1;
			break;
		}
	}
	fclose(f);
	return n;
}

static inline int vol_mount(struct volume *v, unsigned long flags,
			    const char *options)
{
	return mount(v->dev, v->mnt, vol_fstype(), flags, options);
}

/* Unmount and mount again. */
static inline int vol_again(struct volume *v, unsigned long flags, const char *options)
{
	if (chdir("/") || umount2(v->mnt, 0) || vol_mount(v, flags, options))
		return -1;
	return chdir(v->mnt);
}

static inline int vol_remount(struct volume *v, unsigned long flags, const char *options)
{
	return mount(NULL, v->mnt, NULL, MS_REMOUNT | flags, options);
}

/* The read-only checker's exit status; 0 where none is named by LNKFS_FSCK. */
static inline int vol_check(struct volume *v)
{
	const char *fsck = getenv("LNKFS_FSCK");
	char cmd[1024];

	if (!fsck || !*fsck)
		return 0;
	snprintf(cmd, sizeof(cmd), "%s %s >%s.fsck 2>&1 || { cat %s.fsck; false; }",
		 fsck, v->dev, v->image, v->image);
	return system(cmd);
}

/* Unmount if need be, check, and leave nothing behind. Failed steps: not 0. */
static inline int vol_remove(struct volume *v)
{
	char log[300];
	int ret;

	umount2(v->mnt, 0);
	ret = vol_check(v);
	if (loop_detach(v->dev))
		ret = -1;
	unlink(v->image);
	snprintf(log, sizeof(log), "%s.fsck", v->image);
	unlink(log);
	rmdir(v->mnt);
	return ret;
}

/* For programs that include lnkfs_test.h; @options are mkfs's. */
#define VOLUME_FIXTURE_WITH(name, mib, options)				\
	FIXTURE(name) { struct volume v; };				\
	FIXTURE_SETUP(name)						\
	{								\
		ASSERT_EQ(0, vol_make_with(&self->v, mib, options))	\
			TH_LOG("%s: %s", self->v.image, strerror(errno)); \
		ASSERT_OK(vol_mount(&self->v, 0, NULL));		\
		ASSERT_OK(chdir(self->v.mnt));				\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		begin_teardown(_metadata);				\
		EXPECT_EQ(0, vol_remove(&self->v));			\
	}

#define VOLUME_FIXTURE(name, mib)	VOLUME_FIXTURE_WITH(name, mib, "")

#endif /* LNKFS_TEST_VOLUME_H */
