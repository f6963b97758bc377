// SPDX-License-Identifier: GPL-2.0
/* Making a mounted volume larger (LNKFS_IOC_GROW, resize.lnkfs). */
#include <linux/fsmap.h>
#include <sys/wait.h>

#include "services.h"
#include "dm.h"
#include "lnkfs_format.h"

#define START_MIB	16

FIXTURE(grow) { struct volume v; };

FIXTURE_SETUP(grow)
{
	if (!on_lnkfs())
		SKIP(return, "the ioctl is lnkfs's own");
	setenv("LNKFS_TMP", "/run", 1);
	ASSERT_EQ(0, vol_make(&self->v, START_MIB))
		TH_LOG("%s: %s", self->v.image, strerror(errno));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	umask(022);
}

FIXTURE_TEARDOWN(grow)
{
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* Give the loop device @mib MiB. */
static int enlarge(struct volume *v, unsigned int mib)
{
	int lo, ret;

	if (truncate(v->image, (off_t)mib << 20))
		return -1;
	lo = open(v->dev, O_RDONLY);
	if (lo < 0)
		return -1;
	ret = ioctl(lo, LOOP_SET_CAPACITY, 0);
	close(lo);
	return ret;
}

/* To @blocks; 0: all of the device. What there is then, or -1. */
static long long grow_to(const char *path, uint64_t blocks)
{
	struct lnkfs_grow g = { .g_size = sizeof(g), .g_blocks = blocks };
	int fd = open(path, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_GROW, &g);
	close(fd);
	return ret ? -1 : (long long)g.g_blocks;
}

static unsigned int bsize(void)
{
	const char *bs = getenv("LNKFS_BSIZE");

	return bs ? atoi(bs) : 4096;
}

static uint64_t mib_blocks(unsigned int mib)
{
	return ((uint64_t)mib << 20) / bsize();
}

/* Size that the superblock on the device says. */
static uint64_t super_blocks(struct volume *v, uint64_t byte)
{
	struct lnkfs_super_block sb;
	int fd = open(v->image, O_RDONLY);
	ssize_t n = pread(fd, &sb, sizeof(sb), byte);

	close(fd);
	return n == sizeof(sb) && le32toh(sb.s_magic) == LNKFS_SUPER_MAGIC ?
	       le64toh(sb.s_blocks) : 0;
}

/* Write @n files of 64 KiB that @who can tell from all others; the errno. */
static int write_files(const char *who, int n)
{
	static uint64_t buf[8192];
	char name[64];
	int i, fd, err = 0;

	for (i = 0; i < n && !err; i++) {
		snprintf(name, sizeof(name), "%s.%d", who, i);
		fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
		if (fd < 0)
			return errno;
		pattern(buf, sizeof(buf), who[0], i);
		errno = 0;
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			err = errno ? errno : ENOSPC;
		if (close(fd) && !err)
			err = errno;
	}
	return err;
}

/* Are they there? The number of the first that is not, or @n. */
static int read_files(const char *who, int n)
{
	static uint64_t buf[8192], want[8192];
	char name[64];
	int i, fd;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s.%d", who, i);
		fd = open(name, O_RDONLY);
		if (fd < 0)
			return i;
		pattern(want, sizeof(want), who[0], i);
		if (read(fd, buf, sizeof(buf)) != sizeof(buf) || memcmp(buf, want, sizeof(buf))) {
			close(fd);
			return i;
		}
		close(fd);
	}
	return n;
}

TEST_F(grow, refused)
{
	struct lnkfs_grow g = { .g_size = sizeof(g) };
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	struct statfs before, after;

	ASSERT_LE(0, fd);
	ASSERT_OK(fstatfs(fd, &before));
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, LNKFS_IOC_GROW, &g)));
	EXPECT_ERR(EFAULT, ioctl(fd, LNKFS_IOC_GROW, NULL));
	g.g_size--;
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GROW, &g));
	g.g_size = sizeof(g);
	g.g_flags = 2;
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GROW, &g));
	g.g_flags = 0;
	g.g_reserved = 1;
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GROW, &g));
	g.g_reserved = 0;
	g.g_old = 1;
	EXPECT_ERR(EINVAL, ioctl(fd, LNKFS_IOC_GROW, &g));
	g.g_old = 0;
	/* smaller, larger than any, larger than the device */
	EXPECT_ERR(EINVAL, grow_to(".", 1));
	EXPECT_ERR(EINVAL, grow_to(".", mib_blocks(START_MIB) - 1));
	EXPECT_ERR(EINVAL, grow_to(".", UINT64_MAX));
	EXPECT_ERR(EINVAL, grow_to(".", LNKFS_MAX_BLOCKS + 1));
	EXPECT_ERR(ENOSPC, grow_to(".", mib_blocks(START_MIB) + 1));
	/* the size that it has */
	EXPECT_EQ(mib_blocks(START_MIB), grow_to(".", 0));
	EXPECT_EQ(mib_blocks(START_MIB), grow_to(".", mib_blocks(START_MIB)));
	ASSERT_OK(enlarge(&self->v, START_MIB * 2));
	/* only asked */
	g.g_flags = LNKFS_GROW_DRY;
	EXPECT_OK(ioctl(fd, LNKFS_IOC_GROW, &g));
	EXPECT_EQ(mib_blocks(START_MIB), g.g_old);
	EXPECT_EQ(mib_blocks(START_MIB * 2), g.g_blocks);
	close(fd);
	ASSERT_OK(vol_remount(&self->v, MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, grow_to(".", 0));
	ASSERT_OK(vol_remount(&self->v, 0, NULL));
	ASSERT_OK(statfs(".", &after));
	EXPECT_EQ(before.f_blocks, after.f_blocks);
	EXPECT_EQ(before.f_bfree, after.f_bfree);
	EXPECT_EQ(mib_blocks(START_MIB), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
}

/* What was full has room at once, and it is there after a remount. */
TEST_F(grow, full_volume)
{
	struct statfs before, after;
	int n = START_MIB * 16;

	ASSERT_EQ(ENOSPC, write_files("a", n));
	ASSERT_OK(statfs(".", &before));
	ASSERT_OK(enlarge(&self->v, START_MIB * 4));
	EXPECT_EQ(mib_blocks(START_MIB * 4), grow_to(".", 0));
	ASSERT_OK(statfs(".", &after));
	EXPECT_LT(before.f_blocks + mib_blocks(START_MIB * 3) - 300, after.f_blocks);
	EXPECT_GE(before.f_blocks + mib_blocks(START_MIB * 3), after.f_blocks);
	/* all that came is free */
	EXPECT_EQ(after.f_blocks - before.f_blocks, after.f_bfree - before.f_bfree);
	EXPECT_LT(before.f_ffree, after.f_ffree);
	EXPECT_EQ(0, write_files("b", n));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_EQ(n, read_files("b", n));
	ASSERT_OK(statfs(".", &before));
	EXPECT_EQ(before.f_blocks, after.f_blocks);
}

/* Step by step across the ends of groups, and of runs of groups (1 KiB blocks). */
TEST_F(grow, many_steps)
{
	uint64_t group = (bsize() - LNKFS_MAP_HEADER) * 8, blocks = mib_blocks(START_MIB);
	uint64_t end = 16 * group + 100, step = 1, last = blocks;
	struct statfs sf;
	long long got;
	int n = 0;

	if (bsize() > 1024)
		end = 2 * group + 5000;
	ASSERT_OK(enlarge(&self->v, (end * bsize() >> 20) + 1));
	for (; blocks < end; blocks += step, n++) {
		got = grow_to(".", blocks);
		/* no last group that is too short */
		EXPECT_LE(last, got);
		EXPECT_GE(blocks, got);
		EXPECT_GE(64, blocks - got);
		last = got;
		if (n % 4 == 0)
			ASSERT_EQ(0, write_files("s", 1 + n / 4));
		step = blocks % group > group - 40 || blocks % group < 50 ? 13 : group / 3 - 7;
	}
	ASSERT_OK(statfs(".", &sf));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_EQ(1 + (n - 1) / 4, read_files("s", 1 + (n - 1) / 4));
	EXPECT_EQ(last, super_blocks(&self->v, LNKFS_SUPER_OFFSET));
}

static void busy_child(int k)
{
	char who[8], name[64];
	int i, round;

	snprintf(who, sizeof(who), "%c", 'a' + k);
	for (round = 0; round < 3; round++) {
		if (write_files(who, 40))
			_exit(1);
		for (i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "l%d.%d", k, i);
			if (symlink("a target that is long enough for two slots of an inode, "
				    "so that inode blocks are taken and given back", name))
				_exit(2);
		}
		if (read_files(who, 40) != 40)
			_exit(3);
		for (i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "l%d.%d", k, i);
			if (unlink(name))
				_exit(4);
		}
	}
	_exit(0);
}

/* What reads the groups without any lock that growing takes. */
static void nosy_child(void)
{
	static char buf[sizeof(struct fsmap_head) + 64 * sizeof(struct fsmap)];
	struct fsmap_head *head = (void *)buf;
	struct fstrim_range range;
	int fd = open(".", O_RDONLY);
	struct statfs sf;

	for (;;) {
		memset(head, 0, sizeof(*head));
		head->fmh_count = 64;
		memset(&head->fmh_keys[1], 0xff, sizeof(head->fmh_keys[1]));
		memset(head->fmh_keys[1].fmr_reserved, 0, sizeof(head->fmh_keys[1].fmr_reserved));
		range = (struct fstrim_range){ .len = UINT64_MAX };
		if (ioctl(fd, FS_IOC_GETFSMAP, head) || ioctl(fd, FITRIM, &range) ||
		    fstatfs(fd, &sf) || sf.f_bfree > sf.f_blocks)
			_exit(1);
		usleep(1000);
	}
}

TEST_F(grow, while_files_are_written)
{
	uint64_t blocks = mib_blocks(START_MIB), end = mib_blocks(160), step = end / 40;
	pid_t pid[3], nosy;
	int i, status;

	ASSERT_OK(enlarge(&self->v, 160));
	ASSERT_LT(0, grow_to(".", blocks * 2));
	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i])
			busy_child(i);
	}
	nosy = fork();
	if (!nosy)
		nosy_child();
	for (blocks = blocks * 2; blocks < end; blocks += step)
		EXPECT_LT(0, grow_to(".", blocks)) TH_LOG("%s", strerror(errno));
	for (i = 0; i < 3; i++) {
		waitpid(pid[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	kill(nosy, SIGKILL);
	waitpid(nosy, &status, 0);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	for (i = 0; i < 3; i++) {
		char who[2] = { 'a' + i };

		EXPECT_EQ(40, read_files(who, 40));
	}
}

/* The size is on the disk when the call returns. */
TEST_F(grow, durable)
{
	uint64_t size = mib_blocks(START_MIB * 3), group = (bsize() - LNKFS_MAP_HEADER) * 8;
	uint64_t g;

	ASSERT_EQ(0, write_files("a", 20));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(enlarge(&self->v, START_MIB * 3));
	ASSERT_EQ(size, grow_to(".", size));
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_EQ(size, super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	for (g = 1; g * group < size; g++) {
		if (g == 1 || g == 3 || g == 5 || g == 7)
			EXPECT_EQ(size, super_blocks(&self->v, g * group * bsize()));
	}
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_EQ(20, read_files("a", 20));
}

/* Stopped anywhere: it has one size or the other, and nothing is wrong. */
TEST_F(grow, crash_in_between)
{
	uint64_t old = mib_blocks(START_MIB), new, now;
	int i, status, olds = 0, news = 0;
	pid_t pid;

	for (i = 0; i < 12; i++) {
		new = mib_blocks(START_MIB + 7 * (i + 1));
		ASSERT_OK(enlarge(&self->v, START_MIB + 7 * (i + 1)));
		ASSERT_EQ(0, write_files("a", 10));
		ASSERT_OK(fs_sync("."));
		pid = fork();
		if (!pid) {
			usleep(i * 700);
			_exit(crash_volume(".", i % 2 ? LNKFS_SHUTDOWN_NOW : LNKFS_SHUTDOWN_LOG));
		}
		grow_to(".", new);
		waitpid(pid, &status, 0);
		ASSERT_EQ(0, status);
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		EXPECT_EQ(10, read_files("a", 10));
		ASSERT_OK(chdir("/"));
		ASSERT_OK(umount2(self->v.mnt, 0));
		EXPECT_EQ(0, vol_check(&self->v));
		now = super_blocks(&self->v, LNKFS_SUPER_OFFSET);
		EXPECT_TRUE(now == old || now == new) TH_LOG("%llu", (long long)now);
		olds += now == old;
		news += now == new;
		old = now;
		ASSERT_OK(vol_mount(&self->v, 0, NULL));
		ASSERT_OK(chdir(self->v.mnt));
	}
	TH_LOG("%d times the old size, %d times the new one", olds, news);
}

/* ---- a journal that cannot be written ---- */

#define DM_NAME	"t-grow"

/* From now on the device is what @target makes of it. */
static int dm_become(unsigned long long sectors, const char *target, const char *params)
{
	if (dm_ioctl(DM_TABLE_LOAD, DM_NAME, 0, sectors, target, params, NULL) ||
	    dm_ioctl(DM_DEV_SUSPEND, DM_NAME, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG, 0, NULL,
		     NULL, NULL))
		return -1;
	return dm_ioctl(DM_DEV_SUSPEND, DM_NAME, 0, 0, NULL, NULL, NULL);
}

/* The log cannot be written: the size on the disk stays what it is. */
TEST_F(grow, journal_fails)
{
	unsigned long long sectors = 8 << 11;
	char journal[64], params[96], cmd[512];
	struct volume log;

	if (system("modprobe -qa dm-mod"))
		SKIP(return, "no device mapper");
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_EQ(0, vol_make(&log, 16));
	snprintf(params, sizeof(params), "%s 0", log.dev);
	ASSERT_OK(dm_ioctl(DM_DEV_CREATE, DM_NAME, 0, 0, NULL, NULL, journal));
	ASSERT_OK(dm_become(sectors, "linear", params));
	snprintf(cmd, sizeof(cmd), "mkfs.lnkfs -q -f -b %u -O journal_dev %s &&"
		 "mkfs.lnkfs -q -f -b %u -J device=%s %s",
		 bsize(), journal, bsize(), journal, self->v.dev);
	ASSERT_EQ(0, system(cmd));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	ASSERT_EQ(0, write_files("a", 20));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(enlarge(&self->v, START_MIB * 3));
	ASSERT_OK(dm_become(sectors, "error", ""));
	EXPECT_ERR(EIO, grow_to(".", 0));
	EXPECT_EQ(-1, create_file("f", 0644));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_EQ(mib_blocks(START_MIB), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	ASSERT_OK(dm_become(sectors, "linear", params));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_EQ(20, read_files("a", 20));
	EXPECT_EQ(mib_blocks(START_MIB * 3), grow_to(".", 0));
	EXPECT_EQ(0, write_files("b", 300));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	EXPECT_EQ(0, vol_check(&self->v));
	/* What the teardown checks is to have its journal inside. */
	EXPECT_EQ(0, vol_mkfs(self->v.dev, ""));
	EXPECT_OK(dm_ioctl(DM_DEV_REMOVE, DM_NAME, 0, 0, NULL, NULL, NULL));
	EXPECT_EQ(0, vol_mkfs(log.dev, ""));
	EXPECT_EQ(0, vol_remove(&log));
}

/* A frozen volume does not grow until it is thawed. */
TEST_F(grow, frozen)
{
	int fd = open(".", O_RDONLY), status;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_OK(enlarge(&self->v, START_MIB * 2));
	ASSERT_OK(ioctl(fd, FIFREEZE, 0));
	pid = fork();
	if (!pid)
		_exit(grow_to(".", 0) < 0);
	usleep(300000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(mib_blocks(START_MIB), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	ASSERT_OK(ioctl(fd, FITHAW, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(mib_blocks(START_MIB * 2), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	close(fd);
}

/* The reserved part stays the same, and so do label and the rest. */
TEST_F(grow, reserve_and_label)
{
	struct statfs before, after;
	char label[FSLABEL_MAX] = "grown";
	int fd;

	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_EQ(0, vol_mkfs(self->v.dev, "-m 10"));
	ASSERT_OK(enlarge(&self->v, START_MIB * 4));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	fd = open(".", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_OK(ioctl(fd, FS_IOC_SETFSLABEL, label));
	ASSERT_OK(statfs(".", &before));
	ASSERT_EQ(mib_blocks(START_MIB * 4), grow_to(".", 0));
	ASSERT_OK(statfs(".", &after));
	/* 10% of what came; and a pool that grows, too, up to 1,024 blocks */
	EXPECT_LE((before.f_bfree - before.f_bavail) + mib_blocks(START_MIB * 3) / 10 - 1,
		  after.f_bfree - after.f_bavail);
	EXPECT_GE((before.f_bfree - before.f_bavail) + mib_blocks(START_MIB * 3) / 10 + 1024,
		  after.f_bfree - after.f_bavail);
	close(fd);
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	memset(label, 0, sizeof(label));
	fd = open(".", O_RDONLY);
	ASSERT_OK(ioctl(fd, FS_IOC_GETFSLABEL, label));
	EXPECT_STREQ("grown", label);
	close(fd);
}

/* The tool finds out that the volume is mounted. */
TEST_F(grow, tool)
{
	uint64_t size = mib_blocks(START_MIB * 2);
	char cmd[1024];

	if (system("command -v resize.lnkfs >/dev/null"))
		SKIP(return, "no resize.lnkfs");
	ASSERT_OK(enlarge(&self->v, START_MIB * 3));
	snprintf(cmd, sizeof(cmd), "resize.lnkfs -q %s %uM", self->v.dev, START_MIB * 2);
	EXPECT_EQ(0, system(cmd));
	EXPECT_EQ(size, super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	snprintf(cmd, sizeof(cmd), "resize.lnkfs -q %s", self->v.mnt);
	EXPECT_EQ(0, system(cmd));
	EXPECT_EQ(mib_blocks(START_MIB * 3), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	/* Smaller it becomes unmounted only. */
	snprintf(cmd, sizeof(cmd), "resize.lnkfs -q %s %uM 2>/dev/null", self->v.dev, START_MIB);
	EXPECT_EQ(1 << 8, system(cmd));
	EXPECT_EQ(mib_blocks(START_MIB * 3), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
}

/* What the tool is given to move: files, names and links past @mib MiB. */
static void fill_end(struct __test_metadata *_metadata, struct volume *v, unsigned int mib)
{
	char name[64];
	int i;

	ASSERT_EQ(0, write_files("p", mib * 16));
	ASSERT_EQ(0, write_files("a", 60));
	ASSERT_OK(mkdir("d", 0755));
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/a link that has a long name, %d", i);
		ASSERT_OK(i % 3 ? symlink(name, name) : link("a.1", name));
	}
	for (i = 0; i < (int)mib * 16; i++) {
		snprintf(name, sizeof(name), "p.%d", i);
		ASSERT_OK(unlink(name));
	}
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(v->mnt, 0));
}

static void check_end(struct __test_metadata *_metadata, struct volume *v)
{
	char name[64], target[64];
	int i;

	ASSERT_OK(vol_mount(v, 0, NULL));
	ASSERT_OK(chdir(v->mnt));
	EXPECT_EQ(60, read_files("a", 60));
	EXPECT_EQ(101, nlink_of("a.1"));
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/a link that has a long name, %d", i);
		if (i % 3) {
			ASSERT_EQ(strlen(name), readlink(name, target, sizeof(target)));
			EXPECT_EQ(0, memcmp(name, target, strlen(name)));
		} else {
			EXPECT_EQ(ino_of("a.1"), ino_of(name));
		}
	}
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(v->mnt, 0));
}

/* Killed, and mounted by the kernel, which has its log to replay. */
TEST_F(grow, tool_killed)
{
	char small[32], large[32];
	int i, status, moved = 0;
	pid_t pid;

	if (system("command -v resize.lnkfs >/dev/null"))
		SKIP(return, "no resize.lnkfs");
	ASSERT_OK(enlarge(&self->v, 64));
	ASSERT_LT(0, grow_to(".", 0));
	fill_end(_metadata, &self->v, 32);
	snprintf(small, sizeof(small), "%uM", 24);
	snprintf(large, sizeof(large), "%uM", 64);
	for (i = 0; i < 16; i++) {
		pid = fork();
		if (!pid) {
			execlp("resize.lnkfs", "resize.lnkfs", "-q", "-f", self->v.dev,
			       i % 8 == 7 ? large : small, NULL);
			_exit(127);
		}
		/* Four times it may end. */
		usleep(2000 + i * 9000);
		if (i % 4 != 3)
			kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) || !status) TH_LOG("%x", status);
		check_end(_metadata, &self->v);
		ASSERT_EQ(0, vol_check(&self->v));
		moved += super_blocks(&self->v, LNKFS_SUPER_OFFSET) == mib_blocks(24);
	}
	EXPECT_LT(0, moved);
	TH_LOG("smaller after %d of 16", moved);
}

/* Smaller and larger again; the kernel takes all of it. */
TEST_F(grow, back_and_forth)
{
	static const unsigned int mib[] = { 40, 64, 24, 33, 20, 64 };
	char cmd[1024];
	int i;

	if (system("command -v resize.lnkfs >/dev/null"))
		SKIP(return, "no resize.lnkfs");
	ASSERT_OK(enlarge(&self->v, 64));
	ASSERT_LT(0, grow_to(".", 0));
	fill_end(_metadata, &self->v, 32);
	for (i = 0; i < 6; i++) {
		snprintf(cmd, sizeof(cmd), "resize.lnkfs -q %s %uM", self->v.dev, mib[i]);
		ASSERT_EQ(0, system(cmd));
		ASSERT_EQ(mib_blocks(mib[i]), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
		check_end(_metadata, &self->v);
		ASSERT_EQ(0, vol_check(&self->v));
	}
	/* As small as can be: the journal moves, too. */
	snprintf(cmd, sizeof(cmd), "resize.lnkfs -q -M %s", self->v.dev);
	ASSERT_EQ(0, system(cmd));
	EXPECT_GT(mib_blocks(20), super_blocks(&self->v, LNKFS_SUPER_OFFSET));
	check_end(_metadata, &self->v);
	ASSERT_EQ(0, vol_check(&self->v));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	ASSERT_EQ(mib_blocks(64), grow_to(".", 0));
	EXPECT_EQ(0, write_files("more", 200));
	EXPECT_EQ(200, read_files("more", 200));
}

TEST_HARNESS_MAIN
