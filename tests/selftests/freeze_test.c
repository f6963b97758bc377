// SPDX-License-Identifier: GPL-2.0
/* Freezing and thawing a volume, and snapshots of it meanwhile. */

#include <linux/dqblk_xfs.h>
#include <sys/quota.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "file_util.h"
#include "services.h"
#include "dm.h"

SERVICE_FIXTURE(freeze, 64, NULL)

static int ioctl_on(const char *name, unsigned long cmd)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, cmd, 0);
	close(fd);
	return ret;
}

/* Processes that make, fill, rename and remove files in the directory. */
struct load {
	pid_t pid[3];
};

static void load_start(struct load *load)
{
	int i, n;

	for (i = 0; i < 3; i++) {
		load->pid[i] = fork();
		if (load->pid[i])
			continue;
		for (n = 0; ; n++) {
			char a[16], b[16];

			sprintf(a, "a%d.%d", i, n % 7);
			sprintf(b, "b%d.%d", i, n % 5);
			if (pattern_write(a, 64, n) || rename(a, b) || symlink(b, a) ||
			    unlink(a))
				_exit(1);
		}
	}
}

/* Stop them; how many had failed. */
static int load_stop(struct load *load)
{
	int i, state, failed = 0;

	for (i = 0; i < 3; i++) {
		kill(load->pid[i], SIGKILL);
		waitpid(load->pid[i], &state, 0);
		failed += WIFEXITED(state);
	}
	return failed;
}

/*
 * An image of a volume: is it clean? Mounted from a device that cannot be
 * written, with a journal that has to be replayed, it is refused.
 */
static bool clean_copy(struct volume *v, const char *image)
{
	struct volume copy = *v;
	bool good;

	snprintf(copy.image, sizeof(copy.image), "%.255s", image);
	snprintf(copy.mnt, sizeof(copy.mnt), "%.240s.copy", v->mnt);
	if (mkdir(copy.mnt, 0755) || loop_attach(image, O_RDONLY, copy.dev))
		return false;
	good = !mount(copy.dev, copy.mnt, vol_fstype(), MS_RDONLY, NULL) &&
	       !umount2(copy.mnt, 0) && !vol_check(&copy);
	loop_detach(copy.dev);
	rmdir(copy.mnt);
	return good;
}

TEST_F(freeze, under_load_the_device_is_clean)
{
	struct load load;
	char cmd[1024], image[256];
	int i;

	snprintf(image, sizeof(image), "%.240s.copy", self->v.image);
	snprintf(cmd, sizeof(cmd), "cp %s %s", self->v.image, image);
	load_start(&load);
	for (i = 0; i < 2; i++) {
		usleep(200000);
		ASSERT_OK(ioctl_on(".", FIFREEZE));
		EXPECT_EQ(0, system(cmd));
		EXPECT_OK(ioctl_on(".", FITHAW));
		EXPECT_TRUE(clean_copy(&self->v, image));
	}
	EXPECT_EQ(0, load_stop(&load));
	unlink(image);
	snprintf(image, sizeof(image), "%.240s.copy.fsck", self->v.image);
	unlink(image);
}

TEST_F(freeze, nested)
{
	EXPECT_ERR(EINVAL, ioctl_on(".", FITHAW));
	ASSERT_OK(ioctl_on(".", FIFREEZE));
	EXPECT_ERR(EBUSY, ioctl_on(".", FIFREEZE));
	EXPECT_OK(ioctl_on(".", FITHAW));
	EXPECT_ERR(EINVAL, ioctl_on(".", FITHAW));
	EXPECT_OK(create_file("f", 0644));
}

#define SMALL	300	/* files among their inodes */
#define LINKS	8	/* made with each of them: trees of back references beside the data */

static int small_file(int i, int flags, const char *text, off_t *place)
{
	struct emap m;
	char name[20];
	int fd, ret = 0;

	sprintf(name, "small%d", i);
	fd = open(name, flags, 0644);
	if (fd < 0)
		return -1;
	if (text && pwrite(fd, text, 512, 0) != 512)
		ret = -1;
	if (!ret && place) {
		ret = get_map(fd, FIEMAP_FLAG_SYNC, &m) || m.n != 1 ? -1 : 0;
		*place = m.e[0].fe_physical;
	}
	close(fd);
	return ret;
}

/* How many of the files are not on the device, read through its page cache, as text? */
static int not_on_device(const char *dev, const off_t *place, const char *text)
{
	int fd = open(dev, O_RDONLY), i, bad = 0;
	char buf[512];

	for (i = 0; i < SMALL; i++)
		bad += pread(fd, buf, sizeof(buf), place[i]) != sizeof(buf) ||
		       memcmp(buf, text, sizeof(buf));
	close(fd);
	return bad;
}

/* What was read from the device before must not be what a backup gets. */
TEST_F(freeze, the_device_holds_what_files_do)
{
	char old[512], new[512], newer[512];
	off_t place[SMALL];
	struct stat st;
	char name[20];
	int i, k;

	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	memset(newer, 'N', sizeof(newer));
	ASSERT_OK(create_file("linked", 0644));
	for (i = 0; i < SMALL; i++) {
		for (k = 0; k < LINKS; k++) {
			sprintf(name, "link%d", i * LINKS + k);
			ASSERT_OK(link("linked", name));
		}
		ASSERT_OK(small_file(i, O_CREAT | O_RDWR, old, NULL));
		/* Each in its turn, so that inodes and data lie side by side. */
		ASSERT_OK(small_file(i, O_RDWR, NULL, &place[i]));
	}
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	for (i = 0; i < SMALL; i++) {
		sprintf(name, "small%d", i);
		ASSERT_OK(stat(name, &st));
	}
	EXPECT_EQ(0, not_on_device(self->v.dev, place, old));
	for (i = 0; i < SMALL; i++)
		ASSERT_OK(small_file(i, O_RDWR, new, NULL));
	/* Its neighbours in the tree stay in memory, and with small blocks data in the page. */
	ASSERT_OK(unlink("link700"));
	ASSERT_OK(ioctl_on(self->v.mnt, FIFREEZE));
	EXPECT_EQ(0, not_on_device(self->v.dev, place, new));
	ASSERT_OK(ioctl_on(self->v.mnt, FITHAW));
	for (i = 0; i < SMALL; i++)
		ASSERT_OK(small_file(i, O_RDWR, newer, NULL));
	ASSERT_OK(vol_remount(&self->v, MS_RDONLY, NULL));
	EXPECT_EQ(0, not_on_device(self->v.dev, place, newer));
}

TEST_F(freeze, needs_a_capability)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, FIFREEZE, 0)));
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, FITHAW, 0)));
	close(fd);
}

/* sync(2) and friends have nothing to do and do not wait. */
TEST_F(freeze, sync_does_not_hang)
{
	int fd;

	ASSERT_OK(pattern_write("f", 64, 1));
	fd = open("f", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_OK(ioctl_on(".", FIFREEZE));
	alarm(60);
	sync();
	EXPECT_OK(fs_sync("."));
	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
	drop_caches();
	EXPECT_TRUE(pattern_good("f", 64, 1));
	alarm(0);
	EXPECT_OK(ioctl_on(".", FITHAW));
	close(fd);
}

/*
 * The VFS lets a frozen volume be unmounted, but keeps it, frozen, until it is
 * thawed: by mounting it again.
 */
TEST_F(freeze, unmounted_and_mounted_again)
{
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(ioctl_on(".", FIFREEZE));
	ASSERT_OK(chdir("/"));
	EXPECT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	EXPECT_OK(ioctl_on(self->v.mnt, FITHAW));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("text", read_text("f"));
	EXPECT_OK(create_file("g", 0644));
}

/* It is stopped, thaws, and is gone. */
TEST_F(freeze, shut_down_while_frozen)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW;
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, fd);
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(ioctl(fd, FIFREEZE, 0));
	EXPECT_OK(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
	EXPECT_OK(ioctl(fd, FITHAW, 0));
	close(fd);
	EXPECT_ERR(EIO, create_file("g", 0644));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_STREQ("text", read_text("f"));
}

/* ---- disk quota ---- */

#define PROJECT	77

VOLUME_FIXTURE_WITH(frozen_quota, 40, "-O quota")

static int xgetquota(struct volume *v, int cmd, int type, int id, struct fs_disk_quota *d)
{
	return quotactl(QCMD(cmd, type), v->dev, id, (void *)d);
}

/* Its exit status, or -1 when the process is at work yet after 20 seconds. */
static int within_time(pid_t pid)
{
	int i, state;

	for (i = 0; i < 200; i++) {
		if (waitpid(pid, &state, WNOHANG) == pid)
			return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
		usleep(100000);
	}
	return -1;
}

/* Evaluate the call in a process, which must not hang; 0, its errno, or -1. */
#define IN_TIME(call) ({						\
	pid_t one_ = fork();						\
									\
	if (!one_)							\
		_exit((long)(call) == -1 ? errno : 0);			\
	within_time(one_);						\
})

/* Who asks for usage holds what a thaw needs: nobody may wait for the thaw there. */
TEST_F(frozen_quota, questions_do_not_hang)
{
	struct volume *v = &self->v;
	struct fs_disk_quota d;
	struct stat st;
	struct statfs fs;
	int ret, fd;

	if (!on_lnkfs())
		SKIP(return, "ext4 waits");
	ASSERT_OK(vol_again(v, 0, "prjquota"));
	ASSERT_OK(chmod(".", 0777));
	ASSERT_OK(mkdir("p", 0777));
	ASSERT_OK(set_project("p", PROJECT, true));
	ASSERT_OK(mkdir("q", 0777));
	ASSERT_OK(set_project("q", PROJECT + 1, true));
	ASSERT_EQ(0, AS_USER(pattern_write("f", 64, 1)));
	ASSERT_EQ(0, AS_USER(pattern_write("g", 64, 2)));
	ASSERT_OK(chown("g", TEST_UID + 1, TEST_GID + 1));
	ASSERT_OK(vol_again(v, 0, "prjquota"));
	/* In memory since a file was opened for writing, and given back while frozen. */
	fd = open("g", O_WRONLY);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_OK(ioctl_on(".", FIFREEZE));
	drop_caches();
	usleep(500000);
	EXPECT_EQ(0, IN_TIME(quotactl(QCMD(Q_SYNC, USRQUOTA), v->dev, 0, NULL)));
	EXPECT_EQ(0, IN_TIME(AS_USER(xgetquota(v, Q_XGETQUOTA, USRQUOTA, TEST_UID, &d))));
	EXPECT_EQ(EBUSY, IN_TIME(xgetquota(v, Q_XGETQUOTA, USRQUOTA, 54321, &d)));
	EXPECT_EQ(0, IN_TIME(xgetquota(v, Q_XGETNEXTQUOTA, USRQUOTA, TEST_UID + 1, &d)));
	EXPECT_EQ(0, IN_TIME(statfs("p", &fs)));
	/* The last of these are being given back. */
	usleep(500000);
	EXPECT_EQ(0, IN_TIME(quotactl(QCMD(Q_SYNC, USRQUOTA), v->dev, 0, NULL)));
	ret = IN_TIME(ioctl_on(".", FITHAW));
	ASSERT_EQ(0, ret);
	ASSERT_OK(xgetquota(v, Q_XGETQUOTA, USRQUOTA, TEST_UID, &d));
	EXPECT_EQ(1, d.d_icount);
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(st.st_blocks, d.d_bcount);
	ASSERT_EQ(0, AS_USER(unlink("f")));
	ASSERT_OK(xgetquota(v, Q_XGETQUOTA, USRQUOTA, TEST_UID, &d));
	EXPECT_EQ(0, d.d_icount);
	EXPECT_EQ(0, d.d_bcount);
	ASSERT_OK(xgetquota(v, Q_XGETQUOTA, USRQUOTA, TEST_UID + 1, &d));
	EXPECT_EQ(1, d.d_icount);
	/* An ID that was not known can be, now. */
	EXPECT_OK(xgetquota(v, Q_XGETQUOTA, USRQUOTA, 54321, &d));
	ASSERT_OK(chdir("/"));
}

#define FIRST	100000	/* of IDs that own nothing but what is made here */
#define OWNERS	60

/* Remove files of as many owners, say so, and let go of them: these end when they thaw. */
static void let_go(int first, int ready)
{
	int fd[OWNERS], i;

	for (i = 0; i < OWNERS; i++) {
		fd[i] = open("owned", O_CREAT | O_EXCL | O_RDWR, 0600);
		if (fd[i] < 0 || fchown(fd[i], first + i, 0) || unlink("owned"))
			_exit(1);
	}
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (i = 0; i < OWNERS; i++) {
		close(fd[i]);
		usleep(1000);
	}
	_exit(0);
}

/*
 * Owners lose the last that they have, as the volume is being frozen: the entry of one
 * whose dquot goes later stays. It is removed when it has been used the next time.
 */
TEST_F(frozen_quota, entries_go_later)
{
	struct volume *v = &self->v;
	struct fs_disk_quota d;
	int i, id, left = 0, ready[2];
	pid_t pid;
	char c;

	if (!on_lnkfs())
		SKIP(return, "ext4 waits");
	ASSERT_OK(pipe(ready));
	for (i = 0; i < 5; i++) {
		pid = fork();
		if (!pid)
			let_go(FIRST + i * OWNERS, ready[1]);
		ASSERT_EQ(1, read(ready[0], &c, 1));
		ASSERT_EQ(0, IN_TIME(ioctl_on(".", FIFREEZE)));
		usleep(200000);
		EXPECT_EQ(0, IN_TIME(quotactl(QCMD(Q_SYNC, USRQUOTA), v->dev, 0, NULL)));
		ASSERT_EQ(0, IN_TIME(ioctl_on(".", FITHAW)));
		EXPECT_EQ(0, within_time(pid));
	}
	usleep(500000);
	for (id = FIRST; !xgetquota(v, Q_XGETNEXTQUOTA, USRQUOTA, id, &d); id = d.d_id + 1) {
		EXPECT_EQ(0, d.d_icount);
		left++;
	}
	EXPECT_EQ(ENOENT, errno);
	TH_LOG("%d entries had stayed", left);
	for (i = 0; i < 100 && !xgetquota(v, Q_XGETNEXTQUOTA, USRQUOTA, FIRST, &d); i++)
		usleep(200000);
	EXPECT_ERR(ENOENT, xgetquota(v, Q_XGETNEXTQUOTA, USRQUOTA, FIRST, &d));
	ASSERT_OK(chdir("/"));
}

/* ---- device mapper ---- */

static int dm_create(const char *name, unsigned int flags, unsigned long long sectors,
		     const char *target, const char *params, char *dev)
{
	if (dm_ioctl(DM_DEV_CREATE, name, 0, 0, NULL, NULL, dev))
		return -1;
	if (dm_ioctl(DM_TABLE_LOAD, name, flags, sectors, target, params, NULL))
		return -1;
	return dm_ioctl(DM_DEV_SUSPEND, name, 0, 0, NULL, NULL, NULL);
}

static int set_read_only(const char *dev)
{
	int fd = open(dev, O_RDONLY), on = 1, ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, BLKROSET, &on);
	close(fd);
	return ret;
}

/* As LVM does it: suspending the origin freezes the volume on it. */
TEST_F(freeze, device_mapper_snapshot)
{
	char origin[64], snap[64], params[256];
	struct volume cow, o = self->v, s = self->v;
	unsigned long long sectors = 64 << 11;
	struct load load;

	if (system("modprobe -qa dm-mod dm-snapshot"))
		SKIP(return, "no dm-snapshot");
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_EQ(0, vol_make(&cow, 64));
	ASSERT_OK(dm_create("t-origin", 0, sectors, "snapshot-origin", self->v.dev, origin));
	strcpy(o.dev, origin);
	ASSERT_OK(vol_mount(&o, 0, NULL));
	ASSERT_OK(chdir(o.mnt));
	load_start(&load);
	usleep(300000);
	ASSERT_OK(dm_ioctl(DM_DEV_SUSPEND, "t-origin", DM_SUSPEND_FLAG, 0, NULL, NULL, NULL));
	snprintf(params, sizeof(params), "%s %s N 8", self->v.dev, cow.dev);
	EXPECT_OK(dm_create("t-snap", 0, sectors, "snapshot", params, snap));
	ASSERT_OK(dm_ioctl(DM_DEV_SUSPEND, "t-origin", 0, 0, NULL, NULL, NULL));
	usleep(200000);
	EXPECT_EQ(0, load_stop(&load));
	/* The snapshot has no log to replay. */
	strcpy(s.dev, snap);
	snprintf(s.mnt, sizeof(s.mnt), "%.240s.snap", self->v.mnt);
	ASSERT_OK(mkdir(s.mnt, 0755));
	EXPECT_OK(set_read_only(snap));
	EXPECT_OK(vol_mount(&s, MS_RDONLY, NULL));
	EXPECT_OK(umount2(s.mnt, 0));
	EXPECT_EQ(0, vol_check(&s));
	EXPECT_OK(rmdir(s.mnt));
	EXPECT_OK(dm_ioctl(DM_DEV_REMOVE, "t-snap", 0, 0, NULL, NULL, NULL));
	ASSERT_OK(chdir("/"));
	EXPECT_OK(umount2(o.mnt, 0));
	EXPECT_OK(dm_ioctl(DM_DEV_REMOVE, "t-origin", 0, 0, NULL, NULL, NULL));
	loop_detach(cow.dev);
	unlink(cow.image);
	rmdir(cow.mnt);
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
}

TEST_HARNESS_MAIN
