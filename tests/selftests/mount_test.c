// SPDX-License-Identifier: GPL-2.0
/* Mounting, options, read-only, freezing, and leaving. */
#include <linux/fs.h>

#include "lnkfs_test.h"
#include "volume.h"

VOLUME_FIXTURE(mount, 32)

/* Is @option among the options of the mount point in /proc/mounts? */
static bool shows(struct volume *v, const char *option)
{
	char line[1024], want[128], *opts, *end;
	bool found = false;
	FILE *f = fopen("/proc/mounts", "r");

	snprintf(want, sizeof(want), ",%s,", option);
	while (fgets(line, sizeof(line), f)) {
		char dev[256], mnt[256], type[64], o[512];

		if (sscanf(line, "%255s %255s %63s %509s", dev, mnt, type, o) != 4 ||
		    strcmp(mnt, v->mnt))
			continue;
		opts = alloca(strlen(o) + 3);
		end = stpcpy(stpcpy(stpcpy(opts, ","), o), ",");
		*end = 0;
		found = strstr(opts, want);
	}
	fclose(f);
	return found;
}

TEST_F(mount, unknown_options)
{
	static const char *const bad[] = {
		"nosuchoption", "errors=maybe", "errors=", "errors",
		"errors=remount-ro,nosuch=1",
	};
	unsigned int i;

	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERR(EINVAL, vol_mount(&self->v, 0, bad[i]));
	EXPECT_OK(vol_mount(&self->v, 0, NULL));
	EXPECT_ERR(EINVAL, mount(NULL, self->v.mnt, NULL, MS_REMOUNT,
				 "nosuchoption"));
	EXPECT_OK(create_file(self->v.mnt, 0) == -1 ? 0 : -1);
}

TEST_F(mount, errors_option)
{
	const char *other = on_lnkfs() ? "errors=continue" : "errors=remount-ro";

	EXPECT_OK(vol_again(&self->v, 0, "errors=remount-ro"));
	EXPECT_OK(vol_again(&self->v, 0, "errors=continue"));
	EXPECT_OK(vol_again(&self->v, 0, "errors=panic"));
	EXPECT_TRUE(shows(&self->v, "errors=panic"));
	EXPECT_OK(vol_again(&self->v, 0, other));
	EXPECT_TRUE(shows(&self->v, other));
	EXPECT_FALSE(shows(&self->v, "errors=panic"));
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT, "errors=panic"));
	EXPECT_TRUE(shows(&self->v, "errors=panic"));
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT, other));
	EXPECT_TRUE(shows(&self->v, other));
}

TEST_F(mount, read_only)
{
	struct timespec ts[2] = { { 1, 1 }, { 1, 1 } };
	struct statvfs sv;
	struct stat st;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(symlink("f", "l"));
	ASSERT_OK(vol_again(&self->v, MS_RDONLY, NULL));
	EXPECT_TRUE(shows(&self->v, "ro"));
	EXPECT_STREQ("text", read_text("l"));
	EXPECT_ERR(EROFS, open("f", O_RDWR));
	EXPECT_ERR(EROFS, open("new", O_CREAT | O_RDWR, 0644));
	EXPECT_ERR(EROFS, open(".", O_TMPFILE | O_RDWR, 0644));
	EXPECT_ERR(EROFS, open("f", O_RDONLY | O_TRUNC));
	EXPECT_ERR(EROFS, mkdir("new", 0755));
	EXPECT_ERR(EROFS, rmdir("d"));
	EXPECT_ERR(EROFS, unlink("f"));
	EXPECT_ERR(EROFS, symlink("x", "new"));
	EXPECT_ERR(EROFS, link("f", "new"));
	EXPECT_ERR(EROFS, rename("f", "new"));
	EXPECT_ERR(EROFS, mknod("new", S_IFIFO | 0600, 0));
	EXPECT_ERR(EROFS, chmod("f", 0600));
	EXPECT_ERR(EROFS, chown("f", 1, 1));
	EXPECT_ERR(EROFS, lchown("l", 1, 1));
	EXPECT_ERR(EROFS, truncate("f", 0));
	EXPECT_ERR(EROFS, utimensat(AT_FDCWD, "f", ts, 0));
	EXPECT_ERR(EROFS, access("f", W_OK));
	EXPECT_ERR(ENOENT, stat("missing", &st));
	ASSERT_OK(statvfs(".", &sv));
	EXPECT_TRUE(sv.f_flag & ST_RDONLY);
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT, NULL));
	EXPECT_TRUE(shows(&self->v, "rw"));
	EXPECT_OK(create_file("new", 0644));
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, unlink("new"));
	EXPECT_TRUE(exists("new"));
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
}

TEST_F(mount, remount_read_only_with_a_writer)
{
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	ASSERT_LE(0, fd);
	EXPECT_ERR(EBUSY, mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY,
				NULL));
	EXPECT_EQ(1, write(fd, "x", 1));
	close(fd);
	EXPECT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_STREQ("x", read_text("f"));
}

TEST_F(mount, many_remounts_keep_what_was_written)
{
	char name[16];
	int i;

	for (i = 0; i < 10; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(create_text(name, name));
		ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY,
				NULL));
		ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT, NULL));
	}
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	for (i = 0; i < 10; i++) {
		sprintf(name, "f%d", i);
		EXPECT_STREQ(name, read_text(name));
	}
}

TEST_F(mount, norecovery)
{
	ASSERT_OK(create_text("f", "text"));
	EXPECT_OK(vol_again(&self->v, MS_RDONLY, "norecovery"));
	EXPECT_STREQ("text", read_text("f"));
	EXPECT_OK(vol_again(&self->v, 0, NULL));
}

TEST_F(mount, read_only_device)
{
	char dev[64];

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(loop_attach(self->v.image, O_RDONLY, dev));
	EXPECT_ERR(EACCES, mount(dev, self->v.mnt, vol_fstype(), 0, NULL));
	EXPECT_OK(mount(dev, self->v.mnt, vol_fstype(), MS_RDONLY, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("text", read_text("f"));
	EXPECT_ERR(EROFS, unlink("f"));
	EXPECT_ERR(EACCES, mount(NULL, self->v.mnt, NULL, MS_REMOUNT, NULL));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_OK(loop_detach(dev));
}

TEST_F(mount, twice)
{
	char two[300], name[320];

	snprintf(two, sizeof(two), "%s.two", self->v.mnt);
	ASSERT_OK(mkdir(two, 0755));
	ASSERT_OK(mount(self->v.dev, two, vol_fstype(), 0, NULL));
	ASSERT_OK(create_text("f", "text"));
	snprintf(name, sizeof(name), "%s/f", two);
	EXPECT_STREQ("text", read_text(name));
	EXPECT_EQ(ino_of("f"), ino_of(name));
	snprintf(name, sizeof(name), "%s/g", two);
	EXPECT_ERR(EXDEV, link("f", name));
	EXPECT_ERR(EXDEV, rename("f", name));
	ASSERT_OK(umount2(two, 0));
	EXPECT_ERR(EBUSY, mount(self->v.dev, two, vol_fstype(), MS_RDONLY, NULL));
	EXPECT_STREQ("text", read_text("f"));
	ASSERT_OK(rmdir(two));
}

TEST_F(mount, two_volumes_at_once)
{
	struct volume w;
	char name[320];

	ASSERT_EQ(0, vol_make(&w, 32));
	ASSERT_OK(vol_mount(&w, 0, NULL));
	ASSERT_OK(create_text("f", "here"));
	snprintf(name, sizeof(name), "%s/f", w.mnt);
	ASSERT_OK(create_text(name, "there"));
	EXPECT_STREQ("here", read_text("f"));
	EXPECT_STREQ("there", read_text(name));
	snprintf(name, sizeof(name), "%s/g", w.mnt);
	EXPECT_ERR(EXDEV, link("f", name));
	EXPECT_EQ(0, vol_remove(&w));
	EXPECT_STREQ("here", read_text("f"));
}

TEST_F(mount, busy)
{
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	ASSERT_LE(0, fd);
	ASSERT_OK(chdir("/"));
	EXPECT_ERR(EBUSY, umount2(self->v.mnt, 0));
	EXPECT_EQ(1, write(fd, "x", 1));
	/* Detached, it stays usable until the last file is closed. */
	EXPECT_OK(umount2(self->v.mnt, MNT_DETACH));
	EXPECT_EQ(1, write(fd, "y", 1));
	EXPECT_OK(fsync(fd));
	close(fd);
	EXPECT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("xy", read_text("f"));
}

TEST_F(mount, module_is_in_use)
{
	if (!on_lnkfs())
		SKIP(return, "ext4 may be built in");
	EXPECT_ERR(EWOULDBLOCK, syscall(SYS_delete_module, "lnkfs", O_NONBLOCK));
	EXPECT_OK(create_file("f", 0644));
}

TEST_F(mount, freeze_blocks_writers)
{
	struct statfs sf;
	struct stat st;
	int fd, state, i;
	pid_t pid;

	ASSERT_OK(create_text("f", "text"));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_ERR(EINVAL, ioctl(fd, FITHAW, 0));
	ASSERT_OK(ioctl(fd, FIFREEZE, 0));
	EXPECT_ERR(EBUSY, ioctl(fd, FIFREEZE, 0));
	pid = fork();
	if (!pid)
		_exit(create_text("late", "late") ? errno : 0);
	for (i = 0; i < 10; i++) {
		usleep(50000);
		ASSERT_EQ(0, waitpid(pid, &state, WNOHANG))
			TH_LOG("a writer got through");
	}
	/* Reading goes on. */
	EXPECT_STREQ("text", read_text("f"));
	EXPECT_OK(stat("f", &st));
	EXPECT_OK(statfs(".", &sf));
	EXPECT_ERR(ENOENT, stat("late", &st));
	EXPECT_OK(syncfs(fd));
	ASSERT_OK(ioctl(fd, FITHAW, 0));
	ASSERT_EQ(pid, waitpid(pid, &state, 0));
	EXPECT_EQ(0, state);
	EXPECT_STREQ("late", read_text("late"));
	/* And once more: a thaw leaves nothing frozen. */
	ASSERT_OK(ioctl(fd, FIFREEZE, 0));
	ASSERT_OK(ioctl(fd, FITHAW, 0));
	EXPECT_OK(create_file("after", 0644));
	close(fd);
}

TEST_F(mount, sync_makes_the_device_current)
{
	struct volume copy = self->v;
	char cmd[700];
	char name[600];

	/*
	 * What sync wrote is what a copy of the device has, although the
	 * volume was not unmounted: the copy recovers its journal.
	 */
	ASSERT_OK(create_text("f", "synced"));
	ASSERT_OK(symlink("f", "l"));
	sync();
	snprintf(copy.image, sizeof(copy.image), "%.240s.copy", self->v.image);
	snprintf(copy.mnt, sizeof(copy.mnt), "%.240s.copy", self->v.mnt);
	snprintf(cmd, sizeof(cmd), "cp %s %s", self->v.image, copy.image);
	ASSERT_EQ(0, system(cmd));
	ASSERT_OK(mkdir(copy.mnt, 0755));
	ASSERT_OK(loop_attach(copy.image, O_RDWR, copy.dev));
	ASSERT_OK(create_file("later", 0644));
	ASSERT_OK(vol_mount(&copy, 0, NULL));
	snprintf(name, sizeof(name), "%s/l", copy.mnt);
	EXPECT_STREQ("synced", read_text(name));
	snprintf(name, sizeof(name), "%s/later", copy.mnt);
	EXPECT_FALSE(exists(name));
	EXPECT_EQ(0, vol_remove(&copy));
}

TEST_F(mount, orphan_recovered_from_a_copy)
{
	struct volume copy = self->v;
	static char buf[1 << 20];
	struct statfs before, after = { 0 };
	char cmd[700];
	int fd, i;

	/* A file unlinked while open, and a volume that "crashes" then. */
	sync();
	ASSERT_OK(statfs(".", &before));
	fd = open("f", O_CREAT | O_RDWR, 0644);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_OK(unlink("f"));
	ASSERT_OK(fsync(fd));
	sync();
	snprintf(copy.image, sizeof(copy.image), "%.240s.copy", self->v.image);
	snprintf(copy.mnt, sizeof(copy.mnt), "%.240s.copy", self->v.mnt);
	snprintf(cmd, sizeof(cmd), "cp %s %s", self->v.image, copy.image);
	ASSERT_EQ(0, system(cmd));
	close(fd);
	ASSERT_OK(mkdir(copy.mnt, 0755));
	ASSERT_OK(loop_attach(copy.image, O_RDWR, copy.dev));
	ASSERT_OK(vol_mount(&copy, 0, NULL));
	for (i = 0; i < 100; i++) {
		sync();
		ASSERT_OK(statfs(copy.mnt, &after));
		if ((after.f_bfree + 64) * after.f_bsize >=
		    before.f_bfree * before.f_bsize)
			break;
		usleep(100000);
	}
	EXPECT_GE((after.f_bfree + 64) * after.f_bsize,
		  before.f_bfree * before.f_bsize);
	EXPECT_EQ(before.f_files - before.f_ffree, after.f_files - after.f_ffree);
	EXPECT_EQ(0, vol_remove(&copy));
}

TEST_HARNESS_MAIN
