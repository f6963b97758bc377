// SPDX-License-Identifier: GPL-2.0
/* /sys/fs/lnkfs. */
#include <pthread.h>

#include "services.h"

FIXTURE(sysfs) { struct volume v; };

FIXTURE_SETUP(sysfs)
{
	if (!on_lnkfs())
		SKIP(return, "lnkfs's own files");
	setenv("LNKFS_TMP", "/run", 1);
	ASSERT_EQ(0, vol_make_with(&self->v, 64, "-L here"));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
}

FIXTURE_TEARDOWN(sysfs)
{
	begin_teardown(_metadata);
	if (on_lnkfs())
		EXPECT_EQ(0, vol_remove(&self->v));
}

TEST_F(sysfs, module)
{
	EXPECT_STREQ("supported\n", read_text("/sys/fs/lnkfs/features/metadata_csum"));
	EXPECT_STREQ("supported\n", read_text("/sys/fs/lnkfs/features/batched_discard"));
	EXPECT_EQ(EACCES, AS_USER(open("/sys/fs/lnkfs/features/fsmap", O_WRONLY)));
}

/* The limits are those that the volume keeps to, and statfs agrees. */
TEST_F(sysfs, identity_and_limits)
{
	char target[4096];
	struct statfs sf;
	size_t fast;
	struct stat st;

	ASSERT_OK(statfs(".", &sf));
	EXPECT_STREQ("here", sysfs_text(&self->v, "label"));
	EXPECT_EQ(36, strlen(sysfs_text(&self->v, "uuid")));
	EXPECT_STREQ("0x00000000", sysfs_text(&self->v, "feature_incompat"));
	EXPECT_EQ((long long)sf.f_bsize, sysfs_number(&self->v, "block_size"));
	EXPECT_EQ(2147483647, sysfs_number(&self->v, "max_links"));
	EXPECT_EQ((long long)sf.f_namelen, sysfs_number(&self->v, "name_max"));
	EXPECT_EQ(255, sysfs_number(&self->v, "name_max"));
	EXPECT_EQ(4096, sysfs_number(&self->v, "path_max"));
	EXPECT_EQ(4095, sysfs_number(&self->v, "symlink_max"));
	EXPECT_EQ(sf.f_bsize << 48, sysfs_number(&self->v, "volume_size_max"));
	/* A target at the limit takes no block, one more byte does. */
	fast = sysfs_number(&self->v, "fast_symlink_max");
	ASSERT_LT(100, fast);
	ASSERT_GT(4095, fast);
	memset(target, 'x', sizeof(target));
	target[fast] = 0;
	ASSERT_OK(symlink(target, "fast"));
	target[fast] = 'x';
	target[fast + 1] = 0;
	ASSERT_OK(symlink(target, "slow"));
	ASSERT_OK(lstat("fast", &st));
	EXPECT_EQ(0, st.st_blocks);
	ASSERT_OK(lstat("slow", &st));
	EXPECT_LT(0, st.st_blocks);
	/* A file may be as large as that, and not larger. */
	ASSERT_OK(create_file("f", 0644));
	EXPECT_OK(truncate("f", sysfs_number(&self->v, "file_size_max")));
	EXPECT_ERR(EFBIG, truncate("f", sysfs_number(&self->v, "file_size_max") + 1));
}

TEST_F(sysfs, counters)
{
	long long inodes = sysfs_number(&self->v, "used_inodes");
	int fd;

	ASSERT_LE(1, inodes);
	EXPECT_EQ(0, sysfs_number(&self->v, "orphans"));
	ASSERT_OK(pattern_write("f", 1024, 1));
	EXPECT_LE(1024 / (fs_block_size() / 1024),
		  sysfs_number(&self->v, "delayed_allocation_blocks"));
	ASSERT_OK(fs_sync("."));
	EXPECT_EQ(0, sysfs_number(&self->v, "delayed_allocation_blocks"));
	EXPECT_EQ(inodes + 1, sysfs_number(&self->v, "used_inodes"));
	fd = open("f", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(unlink("f"));
	EXPECT_EQ(1, sysfs_number(&self->v, "orphans"));
	close(fd);
	EXPECT_EQ(0, sysfs_number(&self->v, "orphans"));
	/* Freed, and not yet committed. */
	EXPECT_LE(1024 / (fs_block_size() / 1024), sysfs_number(&self->v, "busy_blocks"));
	ASSERT_OK(fs_sync("."));
	EXPECT_GT(256, sysfs_number(&self->v, "busy_blocks"));
	EXPECT_LE(1280, sysfs_number(&self->v, "journal_blocks"));
	EXPECT_LT(0, sysfs_number(&self->v, "journal_free_blocks"));
	EXPECT_LT(0, sysfs_number(&self->v, "free_blocks"));
}

TEST_F(sysfs, writes_are_counted_over_mounts)
{
	long long before, life;

	before = sysfs_number(&self->v, "lifetime_write_kbytes");
	ASSERT_LE(0, before);
	ASSERT_OK(pattern_write("f", 8192, 2));
	ASSERT_OK(fs_sync("."));
	EXPECT_LE(8192, sysfs_number(&self->v, "session_write_kbytes"));
	life = sysfs_number(&self->v, "lifetime_write_kbytes");
	EXPECT_LE(before + 8192, life);
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_LE(life, sysfs_number(&self->v, "lifetime_write_kbytes"));
	EXPECT_GT(8192, sysfs_number(&self->v, "session_write_kbytes"));
}

TEST_F(sysfs, error_record)
{
	char buf[4096];
	long long now = time(NULL);
	int i;

	EXPECT_EQ(0, sysfs_number(&self->v, "error_count"));
	EXPECT_EQ(0, sysfs_number(&self->v, "first_error_time"));
	EXPECT_STREQ("remount-ro", sysfs_text(&self->v, "errors"));
	ASSERT_EQ(0, vol_spoil(&self->v));
	ASSERT_OK(vol_mount(&self->v, 0, "errors=continue"));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("continue", sysfs_text(&self->v, "errors"));
	EXPECT_ERR(EBADMSG, readlink("bad", buf, sizeof(buf)));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(1, sysfs_number(&self->v, "error_count"));
		EXPECT_LE(now, sysfs_number(&self->v, "first_error_time"));
		EXPECT_GE(time(NULL), sysfs_number(&self->v, "last_error_time"));
		EXPECT_EQ(EBADMSG, sysfs_number(&self->v, "first_error_errno"));
		EXPECT_EQ((long long)ino_of("bad"), sysfs_number(&self->v, "last_error_ino"));
		EXPECT_LT(0, sysfs_number(&self->v, "last_error_block"));
		EXPECT_LT(0, sysfs_number(&self->v, "first_error_line"));
		EXPECT_TRUE(!strncmp("lnkfs_", sysfs_text(&self->v, "last_error_func"), 6));
		/* It is the same after a new mount. */
		ASSERT_OK(vol_again(&self->v, 0, NULL));
	}
	/* The checker would complain about the link. */
	ASSERT_OK(unlink("bad"));
}

static void *reader(void *p)
{
	const char *files[] = { "orphans", "journal_free_blocks", "lifetime_write_kbytes",
				"label" };
	struct volume *v = p;
	double end = seconds() + 3;
	char path[512];
	int i = 0, fd;

	while (seconds() < end) {
		char buf[64];

		snprintf(path, sizeof(path), "/sys/fs/lnkfs/%s/%s", v->dev + 5, files[i++ % 4]);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		while (pread(fd, buf, sizeof(buf), 0) > 0 && i % 7)
			i++;
		close(fd);
	}
	return NULL;
}

/* The directory goes with the volume, whoever has it open. */
TEST_F(sysfs, comes_and_goes)
{
	char path[512], buf[64];
	pthread_t thread;
	double end;
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/lnkfs/%s/orphans", self->v.dev + 5);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_FALSE(exists(path));
	EXPECT_ERR(ENODEV, pread(fd, buf, sizeof(buf), 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	EXPECT_TRUE(exists(path));
	EXPECT_ERR(ENODEV, pread(fd, buf, sizeof(buf), 0));
	close(fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader, &self->v));
	for (end = seconds() + 3; seconds() < end;) {
		EXPECT_OK(umount2(self->v.mnt, 0));
		EXPECT_OK(vol_mount(&self->v, 0, NULL));
	}
	pthread_join(thread, NULL);
	/* A mount that fails leaves none behind. */
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_ERR(EINVAL, vol_mount(&self->v, 0, "nosuchoption"));
	EXPECT_ERR(EINVAL, vol_mount(&self->v, 0, "norecovery"));
	EXPECT_FALSE(exists(path));
	ASSERT_OK(vol_mount(&self->v, MS_RDONLY, "norecovery"));
	EXPECT_EQ(0, sysfs_number(&self->v, "journal_free_blocks"));
}

TEST_HARNESS_MAIN
