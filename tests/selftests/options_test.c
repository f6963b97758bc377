// SPDX-License-Identifier: GPL-2.0
/* Mount options: each of them, changed by a remount, and read back. */
#include "services.h"

SERVICE_FIXTURE(options, 64, NULL)

/* What /proc/mounts shows can be given to mount again, and shows the same. */
static bool round_trip(struct volume *v, const char *options)
{
	char first[1024], given[1024] = "", *p, *opt;
	bool ro = strstr(options, "norecovery") || strstr(options, "noload");
	unsigned long flags = 0;

	if (vol_again(v, ro ? MS_RDONLY : 0, options))
		return false;
	strcpy(first, vol_options(v));
	p = strdupa(first);
	while ((opt = strsep(&p, ","))) {
		if (!strcmp(opt, "ro"))
			flags |= MS_RDONLY;
		else if (!strcmp(opt, "relatime"))
			flags |= MS_RELATIME;
		else if (strcmp(opt, "rw"))
			sprintf(given + strlen(given), "%s%s", given[0] ? "," : "", opt);
	}
	return !vol_again(v, flags, given) && !strcmp(first, vol_options(v)) &&
	       !vol_remount(v, flags, given) && !strcmp(first, vol_options(v));
}

TEST_F(options, round_trip)
{
	static const char *const sets[] = {
		"", "errors=continue", "errors=remount-ro", "errors=panic",
		"commit=1", "commit=300", "commit=0", "barrier", "nobarrier", "barrier=0",
		"barrier=1", "discard", "nodiscard",
		"errors=panic,commit=17,nobarrier,discard",
	};
	static const char *const own[] = {
		"symperm", "nosymperm", "norecovery", "noload",
		"norecovery,symperm,commit=3,discard,barrier=0,errors=continue",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		EXPECT_TRUE(round_trip(&self->v, sets[i])) TH_LOG("%s", sets[i]);
	}
	for (i = 0; i < ARRAY_SIZE(own) && on_lnkfs(); i++) {
		EXPECT_TRUE(round_trip(&self->v, own[i])) TH_LOG("%s", own[i]);
	}
	EXPECT_OK(vol_again(&self->v, 0, NULL));
}

TEST_F(options, shown)
{
	ASSERT_OK(vol_again(&self->v, 0, "commit=17,nobarrier"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=17"));
	EXPECT_TRUE(vol_shows(&self->v, "nobarrier"));
	EXPECT_FALSE(vol_shows(&self->v, "discard"));
	/* A remount changes what it names and nothing else. */
	ASSERT_OK(vol_remount(&self->v, 0, "discard"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=17"));
	EXPECT_TRUE(vol_shows(&self->v, "nobarrier"));
	EXPECT_TRUE(vol_shows(&self->v, "discard"));
	ASSERT_OK(vol_remount(&self->v, 0, "commit=4,barrier"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=4"));
	EXPECT_FALSE(vol_shows(&self->v, "nobarrier"));
	ASSERT_OK(vol_remount(&self->v, 0, "nodiscard,barrier=0"));
	EXPECT_FALSE(vol_shows(&self->v, "discard"));
	EXPECT_TRUE(vol_shows(&self->v, "nobarrier"));
	/* One that is refused changes nothing. */
	EXPECT_ERR(EINVAL, vol_remount(&self->v, 0, "commit=9,nosuchoption"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=4"));
	ASSERT_OK(vol_remount(&self->v, MS_RDONLY, "commit=6"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=6"));
	EXPECT_TRUE(vol_shows(&self->v, "ro"));
	ASSERT_OK(vol_remount(&self->v, 0, NULL));
	EXPECT_TRUE(vol_shows(&self->v, "commit=6"));
	/* 0: as the default. */
	ASSERT_OK(vol_remount(&self->v, 0, "commit=0"));
	EXPECT_FALSE(vol_shows(&self->v, "commit=6"));
}

/* Options of what is always on are taken, and change nothing else. */
TEST_F(options, always)
{
	char plain[1024];

	ASSERT_OK(vol_again(&self->v, 0, NULL));
	snprintf(plain, sizeof(plain), "%s", vol_options(&self->v));
	ASSERT_OK(vol_again(&self->v, 0, "acl,user_xattr"));
	EXPECT_STREQ(plain, vol_options(&self->v));
}

/* Read what the kernel has logged since the descriptor was opened. */
static bool logged(int log, const char *text)
{
	char line[8192];
	bool found = false;
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		found = found || strstr(line, text);
	}
	return found;
}

TEST_F(options, malformed)
{
	static const struct { const char *opt, *text; } bad[] = {
		{ "nosuchoption", "nosuchoption" },
		{ "commit", "commit" },
		{ "commit=", "commit" },
		{ "commit=x", "commit" },
		{ "commit=-1", "commit" },
		{ "commit=99999999999", "commit" },
		{ "commit=4294967295", "commit" },
		{ "barrier=x", "barrier" },
		{ "nobarrier=1", "nobarrier" },
		{ "discard=1", "discard" },
		{ "errors=maybe", "errors" },
		{ "errors", "errors" },
	};
	unsigned int i;
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	ASSERT_LE(0, log);
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		lseek(log, 0, SEEK_END);
		EXPECT_ERR(EINVAL, vol_mount(&self->v, 0, bad[i].opt));
		EXPECT_TRUE(logged(log, bad[i].text)) TH_LOG("%s: not in the log", bad[i].opt);
	}
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERR(EINVAL, vol_remount(&self->v, 0, bad[i].opt));
	close(log);
}

/* Does a file survive a crash that happens a while after its creation? */
static bool survives(struct volume *v, const char *name)
{
	if (create_file(name, 0644))
		return false;
	usleep(2500000);
	if (crash_volume(".", LNKFS_SHUTDOWN_NOW) || vol_again(v, 0, NULL))
		return false;
	return exists(name);
}

TEST_F(options, commit_interval)
{
	ASSERT_OK(vol_again(&self->v, 0, "commit=300"));
	EXPECT_FALSE(survives(&self->v, "f"));
	ASSERT_OK(vol_again(&self->v, 0, "commit=1"));
	EXPECT_TRUE(survives(&self->v, "g"));
	/* A remount changes it, too. */
	ASSERT_OK(vol_again(&self->v, 0, "commit=300"));
	ASSERT_OK(vol_remount(&self->v, 0, "commit=1"));
	EXPECT_TRUE(survives(&self->v, "h"));
}

static long long flushes(struct volume *v)
{
	return dev_counted(v->dev, DEV_FLUSHES);
}

static long long flushes_of_fsyncs(struct volume *v)
{
	long long before = flushes(v);
	int fd = open("f", O_CREAT | O_RDWR, 0644), i;

	for (i = 0; i < 8; i++) {
		if (pwrite(fd, "x", 1, i * 5000) != 1 || fsync(fd))
			return -1;
	}
	/* Data in place, no transaction: the cache is flushed all the same. */
	for (i = 0; i < 8; i++) {
		if (pwrite(fd, "y", 1, i * 5000) != 1 || fdatasync(fd))
			return -1;
	}
	close(fd);
	return flushes(v) - before;
}

TEST_F(options, barrier)
{
	ASSERT_LE(0, flushes(&self->v));
	EXPECT_LE(16, flushes_of_fsyncs(&self->v));
	ASSERT_OK(vol_remount(&self->v, 0, "nobarrier"));
	EXPECT_EQ(0, flushes_of_fsyncs(&self->v));
	ASSERT_OK(vol_remount(&self->v, 0, "barrier"));
	EXPECT_LE(16, flushes_of_fsyncs(&self->v));
}

/* Mount afresh and list: 0 and what was read, or -1. */
static int list_cold(struct volume *v, bool look, long long *reads, long long *sectors)
{
	struct dirent *de;
	unsigned int n = 0;
	struct stat st;
	DIR *dir;

	if (vol_again(v, 0, NULL))
		return -1;
	*reads = dev_counted(v->dev, DEV_READS);
	*sectors = dev_counted(v->dev, DEV_SECTORS_READ);
	dir = opendir("links");
	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		n++;
		if (look && fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			return -1;
	}
	closedir(dir);
	*reads = dev_counted(v->dev, DEV_READS) - *reads;
	*sectors = dev_counted(v->dev, DEV_SECTORS_READ) - *sectors;
	return n == 3002 ? 0 : -1;
}

/* 3,000 links are 750 KiB of inodes: a dozen reads, not one for each block. */
TEST_F(options, cold_listing_reads_ahead)
{
	long long reads, sectors, names;
	char name[64];
	int i;

	ASSERT_OK(mkdir("links", 0755));
	for (i = 0; i < 3000; i++) {
		sprintf(name, "links/%d", i);
		ASSERT_OK(symlink("target", name));
	}
	ASSERT_OK(list_cold(&self->v, true, &reads, &sectors));
	EXPECT_GE(2 * 1000, sectors);
	EXPECT_GE(45, reads);
	/* Who wants names only does not pay for inodes. */
	ASSERT_OK(list_cold(&self->v, false, &reads, &names));
	EXPECT_GE(sectors / 3, names);
	EXPECT_GE(20, reads);
}

TEST_F(options, lazytime)
{
	ASSERT_OK(vol_again(&self->v, MS_LAZYTIME, NULL));
	EXPECT_TRUE(vol_shows(&self->v, "lazytime"));
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(vol_remount(&self->v, 0, NULL));
	EXPECT_FALSE(vol_shows(&self->v, "lazytime"));
}

/* fsconfig(2) changes what it is told, which need not be ro or rw. */
TEST_F(options, fsconfig_leaves_read_only)
{
	int fd;

	if (!on_lnkfs())
		SKIP(return, "ext4 makes the volume writable");
	ASSERT_OK(vol_again(&self->v, MS_RDONLY, NULL));
	/* Not the mount's flag is of interest, but the volume's. */
	ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_BIND, NULL));
	fd = fspick(AT_FDCWD, self->v.mnt, 0);
	ASSERT_LE(0, fd);
	ASSERT_OK(fsconfig(fd, FSCONFIG_SET_STRING, "commit", "17", 0));
	EXPECT_OK(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	close(fd);
	EXPECT_TRUE(vol_shows(&self->v, "ro"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=17"));
	EXPECT_ERR(EROFS, create_file("f", 0644));
	/* And so when it was writable. */
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	fd = fspick(AT_FDCWD, self->v.mnt, 0);
	ASSERT_LE(0, fd);
	ASSERT_OK(fsconfig(fd, FSCONFIG_SET_STRING, "commit", "18", 0));
	EXPECT_OK(fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	close(fd);
	EXPECT_FALSE(vol_shows(&self->v, "ro"));
	EXPECT_TRUE(vol_shows(&self->v, "commit=18"));
	EXPECT_OK(create_file("f", 0644));
}

/*
 * A log that has to be replayed on a device that cannot be written: refused
 * but for norecovery.
 */
TEST_F(options, dirty_log_on_a_read_only_device)
{
	int fd, on = 1, off = 0;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	fd = open(self->v.dev, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(ioctl(fd, BLKROSET, &on));
	EXPECT_ERR(EACCES, vol_mount(&self->v, 0, NULL));
	EXPECT_ERR(EROFS, vol_mount(&self->v, MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, vol_mount(&self->v, MS_RDONLY, "errors=continue"));
	EXPECT_OK(vol_mount(&self->v, MS_RDONLY, on_lnkfs() ? "norecovery" : "noload"));
	/* It stays as it is. */
	EXPECT_ERR(EACCES, vol_remount(&self->v, 0, "norecovery"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(ioctl(fd, BLKROSET, &off));
	close(fd);
	/* A read-only mount of a writable device replays it. */
	ASSERT_OK(vol_mount(&self->v, MS_RDONLY, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("text", read_text("f"));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
}

TEST_HARNESS_MAIN
