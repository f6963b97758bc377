/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of whole-volume services: volumes whose image is on tmpfs, so
 * that discards can be seen in the blocks it holds, and files with contents
 * that can be told from any other.
 */
#ifndef LNKFS_SERVICES_H
#define LNKFS_SERVICES_H

#include <linux/fs.h>

#include "lnkfs_test.h"
#include "volume.h"

/* Like VOLUME_FIXTURE(), but on tmpfs and mounted with these options. */
#define SERVICE_FIXTURE(name, mib, options)				\
	FIXTURE(name) { struct volume v; };				\
	FIXTURE_SETUP(name)						\
	{								\
		setenv("LNKFS_TMP", "/run", 1);				\
		ASSERT_EQ(0, vol_make(&self->v, mib))			\
			TH_LOG("%s: %s", self->v.image, strerror(errno)); \
		ASSERT_OK(vol_mount(&self->v, 0, options));		\
		ASSERT_OK(chdir(self->v.mnt));				\
		umask(022);						\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		begin_teardown(_metadata);				\
		EXPECT_EQ(0, vol_remove(&self->v));			\
	}

/* KiB that the image takes on its filesystem. */
static inline long vol_kib(const struct volume *v)
{
	struct stat st;

	return stat(v->image, &st) ? -1 : st.st_blocks / 2;
}

/* The options of the volume in /proc/mounts; static buffer, NULL: not mounted. */
static inline const char *vol_options(const struct volume *v)
{
	static char opts[1024];
	char line[2048], mnt[512];
	bool found = false;
	FILE *f = fopen("/proc/mounts", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %511s %*s %1023s", mnt, opts) == 2 &&
		    !strcmp(mnt, v->mnt)) {
			found = true;
			break;
		}
	}
	if (f)
		fclose(f);
	return found ? opts : NULL;
}

static inline bool vol_shows(const struct volume *v, const char *option)
{
	const char *opts = vol_options(v), *p = opts;
	size_t len = strlen(option);

	while (p && (p = strstr(p, option))) {
		if ((p == opts || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
		p += len;
	}
	return false;
}

static inline void pattern(uint64_t *buf, size_t bytes, uint64_t seed, uint64_t pos)
{
	struct rng r = { (seed + 1) * 0x9e3779b97f4a7c15ull ^ (pos + 1) };
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		buf[i] = rng_next(&r);
}

/* Write @kib KiB of a pattern of its own to a new file. 0 or -1. */
static inline int pattern_write(const char *name, unsigned int kib, uint64_t seed)
{
	static uint64_t buf[8192];
	unsigned int i;
	ssize_t n;
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		return -1;
	for (i = 0; i < kib; i += 64) {
		pattern(buf, sizeof(buf), seed, i);
		n = write(fd, buf, sizeof(buf));
		if (n != sizeof(buf)) {
			close(fd);
			if (n >= 0)
				errno = ENOSPC;
			return -1;
		}
	}
	return close(fd);
}

/* Does the file hold just that? */
static inline bool pattern_good(const char *name, unsigned int kib, uint64_t seed)
{
	static uint64_t want[8192], got[8192];
	unsigned int i;
	bool good = true;
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		return false;
	for (i = 0; i < kib && good; i += 64) {
		pattern(want, sizeof(want), seed, i);
		good = read(fd, got, sizeof(got)) == sizeof(got) &&
		       !memcmp(want, got, sizeof(got));
	}
	if (good)
		good = read(fd, got, 1) == 0;
	close(fd);
	return good;
}

/*
 * Make a symlink "bad" and spoil its target on the device: reading it will be
 * an error. The volume is not mounted afterwards. 0 or not.
 */
static inline int vol_spoil(struct volume *v)
{
	char target[4001], cmd[1024];

	memset(target, 'q', 4000);
	target[4000] = 0;
	if (symlink(target, "bad") || chdir("/") || umount2(v->mnt, 0))
		return -1;
	snprintf(cmd, sizeof(cmd),
		 "at=$(/usr/bin/grep -obUa qqqqqqqqqqqqqqqq %s | head -n 1 | cut -d: -f1) && "
		 "[ \"$at\" ] && printf X | dd of=%s bs=1 seek=$((at + 100)) conv=notrunc 2>/dev/null",
		 v->image, v->dev);
	return system(cmd);
}

static inline int fs_sync(const char *name)
{
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = syncfs(fd);
	close(fd);
	return ret;
}

/* A number in a file of the volume's directory in /sys/fs, -1 if there is none. */
static inline long long sysfs_number(const struct volume *v, const char *file)
{
	char path[512];
	long long n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/%s/%s/%s", vol_fstype(), v->dev + 5, file);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%lld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* The text in such a file, without the newline; static buffer. */
static inline const char *sysfs_text(const struct volume *v, const char *file)
{
	static char text[512];
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/%s/%s/%s", vol_fstype(), v->dev + 5, file);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	return text;
}

#endif /* LNKFS_SERVICES_H */
