// SPDX-License-Identifier: GPL-2.0
/*
 * Disk quota: usage, limits, grace times, and what a crash leaves of them. Each
 * case runs on lnkfs and on ext4, with the same outcome.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "lnkfs_test.h"
#include "volume.h"

#ifndef PRJQUOTA
#define PRJQUOTA	2
#endif
#ifndef Q_GETNEXTQUOTA
#define Q_GETNEXTQUOTA	0x800009
#endif
#define QFMT_VFS_V1	4

/* struct if_nextdqblk: the ID stands where struct dqblk is padded. */
union next_dqblk {
	struct dqblk d;
	struct {
		uint64_t values[8];
		uint32_t valid;
		uint32_t id;
	};
};

#define KIB(n)		((n) << 10)
#define OWNER		TEST_UID
#define PROJECT		77

static char buf[256 << 10];

FIXTURE(quota) {
	struct volume v;
	bool ext4;
	long bs;
};

FIXTURE_VARIANT(quota) { const char *fstype, *mkfs, *fsck; };

FIXTURE_VARIANT_ADD(quota, lnkfs) { "lnkfs", "-O quota", NULL };
FIXTURE_VARIANT_ADD(quota, ext4) { "ext4", "-O quota,project -I 256", "e2fsck -fn" };

static const char all_limits[] = "usrquota,grpquota,prjquota";

FIXTURE_SETUP(quota)
{
	struct statfs st;

	setenv("FSTYPE", variant->fstype, 1);
	if (variant->fsck)
		setenv("LNKFS_FSCK", variant->fsck, 1);
	self->ext4 = !strcmp(variant->fstype, "ext4");
	ASSERT_EQ(0, vol_make_with(&self->v, 40, variant->mkfs));
	ASSERT_OK(vol_mount(&self->v, 0, all_limits));
	ASSERT_OK(chdir(self->v.mnt));
	ASSERT_OK(statfs(".", &st));
	self->bs = st.f_bsize;
	umask(0);
	ASSERT_OK(mkdir("d", 0777));
	ASSERT_OK(chdir("d"));
}

FIXTURE_TEARDOWN(quota)
{
	begin_teardown(_metadata);
	EXPECT_OK(chdir("/"));
	EXPECT_EQ(0, vol_remove(&self->v));
}

static int dq(struct volume *v, int cmd, int type, int id, void *arg)
{
	return quotactl(QCMD(cmd, type), v->dev, id, arg);
}

/* Bytes in use, what delayed allocation has promised included; -1. */
static long space_of(struct volume *v, int type, int id)
{
	struct dqblk d;

	return dq(v, Q_GETQUOTA, type, id, (void *)&d) ? -1 : (long)d.dqb_curspace;
}

static long inodes_of(struct volume *v, int type, int id)
{
	struct dqblk d;

	return dq(v, Q_GETQUOTA, type, id, (void *)&d) ? -1 : (long)d.dqb_curinodes;
}

/* Limits in KiB and inodes. */
static int limit(struct volume *v, int type, int id, long bsoft, long bhard, long isoft,
		 long ihard)
{
	struct dqblk d = {
		.dqb_bsoftlimit = bsoft, .dqb_bhardlimit = bhard,
		.dqb_isoftlimit = isoft, .dqb_ihardlimit = ihard, .dqb_valid = QIF_LIMITS,
	};

	return dq(v, Q_SETQUOTA, type, id, (void *)&d);
}

/* Append @len bytes; how many were written, or -1. */
static long append(const char *path, size_t len, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | flags, 0666);
	ssize_t n;
	int err;

	if (fd < 0)
		return -1;
	n = write(fd, buf, len);
	err = errno;
	close(fd);
	errno = err;
	return n;
}

static int append_all(const char *path, size_t len)
{
	errno = 0;
	return append(path, len, 0) == (long)len ? 0 : -1;
}

static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);

	return fd < 0 ? -1 : close(fd);
}

static int make_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0666);

	return fd < 0 ? -1 : close(fd);
}

static long blocks_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? -1 : st.st_blocks * 512L;
}

/* Drop the capability that frees root from limits. */
static void drop_resource(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		_exit(254);
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &head, data))
		_exit(254);
}

/* Evaluate the call as root bound by limits; 0 or its errno. */
#define BOUND(call) ({							\
	pid_t pid_ = fork();						\
	int st_ = 0;							\
									\
	if (!pid_) {							\
		drop_resource();					\
		_exit((long)(call) == -1 ? errno : 0);			\
	}								\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

static int again(struct volume *v, const char *options)
{
	return vol_again(v, 0, options) ? -1 : chdir("d");
}

static int crash(struct volume *v)
{
	uint32_t how = 2;	/* without writing the journal */
	int fd = open(".", O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, LNKFS_IOC_SHUTDOWN, &how);
	close(fd);
	return ret ? ret : again(v, all_limits);
}

TEST_F(quota, usage_follows_files)
{
	struct volume *v = &self->v;
	int type;

	ASSERT_EQ(0, AS_USER(append_all("f", 3 * self->bs)));
	for (type = 0; type < 2; type++) {
		EXPECT_EQ(1, inodes_of(v, type, OWNER));
		EXPECT_EQ(3 * self->bs, space_of(v, type, OWNER));
	}
	sync();
	EXPECT_EQ(3 * self->bs, space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(blocks_of("f"), space_of(v, USRQUOTA, OWNER));
	ASSERT_EQ(0, AS_USER(truncate("f", self->bs + 1)));
	EXPECT_EQ(2 * self->bs, space_of(v, USRQUOTA, OWNER));
	ASSERT_EQ(0, AS_USER(truncate("f", 100 * self->bs)));
	EXPECT_EQ(2 * self->bs, space_of(v, USRQUOTA, OWNER));
	ASSERT_EQ(0, AS_USER(link("f", "g")));
	ASSERT_EQ(0, AS_USER(unlink("f")));
	EXPECT_EQ(1, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(2 * self->bs, space_of(v, USRQUOTA, OWNER));
	ASSERT_EQ(0, AS_USER(append_all("h", self->bs)));
	ASSERT_EQ(0, AS_USER(rename("h", "g")));
	EXPECT_EQ(1, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(self->bs, space_of(v, USRQUOTA, OWNER));
	ASSERT_EQ(0, AS_USER(unlink("g")));
	EXPECT_EQ(0, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
}

/* Nothing of a file that goes before its data are written stays charged. */
TEST_F(quota, delayed_allocation)
{
	struct volume *v = &self->v;
	int fd;

	fd = open("f", O_RDWR | O_CREAT, 0666);
	ASSERT_OK(fd);
	ASSERT_OK(fchown(fd, OWNER, 0));
	ASSERT_EQ(KIB(64), write(fd, buf, KIB(64)));
	EXPECT_EQ(KIB(64), space_of(v, USRQUOTA, OWNER));
	/* The owner changes while blocks are only promised. */
	ASSERT_OK(fchown(fd, OWNER + 1, 0));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(KIB(64), space_of(v, USRQUOTA, OWNER + 1));
	ASSERT_OK(ftruncate(fd, KIB(16)));
	EXPECT_EQ(KIB(16), space_of(v, USRQUOTA, OWNER + 1));
	ASSERT_OK(fsync(fd));
	EXPECT_EQ(KIB(16), space_of(v, USRQUOTA, OWNER + 1));
	ASSERT_EQ(KIB(64), pwrite(fd, buf, KIB(64), KIB(64)));
	ASSERT_OK(unlink("f"));
	close(fd);
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER + 1));
	EXPECT_EQ(0, inodes_of(v, USRQUOTA, OWNER + 1));
}

TEST_F(quota, inode_limit)
{
	struct volume *v = &self->v;
	int type;

	for (type = 0; type < 3; type++) {
		int id = type == PRJQUOTA ? PROJECT : OWNER;

		ASSERT_OK(mkdir("t", 0777));
		ASSERT_OK(set_project("t", PROJECT, true));
		ASSERT_OK(chdir("t"));
		ASSERT_OK(limit(v, type, id, 0, 0, 0, inodes_of(v, type, id) + 3));
		EXPECT_EQ(0, AS_USER(create("a")));
		EXPECT_EQ(0, AS_USER(mkdir("b", 0777)));
		EXPECT_EQ(0, AS_USER(symlink("x", "c")));
		EXPECT_EQ(EDQUOT, AS_USER(create("e")));
		EXPECT_EQ(EDQUOT, AS_USER(mkdir("e", 0777)));
		EXPECT_EQ(EDQUOT, AS_USER(symlink("x", "e")));
		EXPECT_EQ(EDQUOT, AS_USER(mknod("e", S_IFIFO | 0666, 0)));
		EXPECT_EQ(EDQUOT, AS_USER(make_tmpfile()));
		EXPECT_EQ(0, AS_USER(link("a", "e")));
		EXPECT_EQ(0, AS_USER(rename("a", "f")));
		EXPECT_EQ(0, AS_USER(unlink("e")));
		EXPECT_EQ(0, AS_USER(unlink("f")));
		EXPECT_EQ(0, AS_USER(create("e")));
		EXPECT_EQ(EDQUOT, AS_USER(create("f")));
		/* root is not bound */
		EXPECT_OK(create("root"));
		EXPECT_OK(limit(v, type, id, 0, 0, 0, 0));
		EXPECT_EQ(0, AS_USER(create("f")));
		ASSERT_OK(chdir(".."));
		ASSERT_EQ(0, remove_tree(AT_FDCWD, "t"));
	}
}

TEST_F(quota, block_limit)
{
	struct volume *v = &self->v;
	char *map;
	int fd;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 64, 0, 0));
	/* One write goes as far as it can, the next one nowhere. */
	ASSERT_EQ(EDQUOT, AS_USER(({
		long n = append("f", KIB(128), 0);

		n == KIB(64) ? append("f", 1, 0) : (errno = 1000 + (n >> 10), -1L);
	})));
	EXPECT_EQ(KIB(64), blocks_of("f"));
	EXPECT_EQ(KIB(64), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(EDQUOT, AS_USER(append("g", KIB(4), 0)));
	sync();
	EXPECT_EQ(KIB(64), space_of(v, USRQUOTA, OWNER));
	/* What is there can be written again. */
	EXPECT_EQ(0, AS_USER(({
		fd = open("f", O_WRONLY);
		pwrite(fd, buf, KIB(64), 0) == KIB(64) ? 0 : -1;
	})));
	ASSERT_EQ(0, AS_USER(truncate("f", KIB(32))));
	EXPECT_EQ(0, AS_USER(append_all("g", KIB(32))));
	ASSERT_EQ(0, AS_USER(unlink("g")));
	/* A store into a hole through a mapping */
	fd = open("f", O_RDWR);
	ASSERT_OK(fd);
	ASSERT_OK(ftruncate(fd, KIB(512)));
	map = mmap(NULL, KIB(512), PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, AS_USER((map[KIB(64)] = 1, 0)));
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 32, 0, 0));
	if (!fork()) {
		drop_privileges();
		map[KIB(256)] = 1;
		_exit(0);
	} else {
		int st;

		wait(&st);
		EXPECT_TRUE(WIFSIGNALED(st) && WTERMSIG(st) == SIGBUS);
	}
	munmap(map, KIB(512));
	close(fd);
}

/* What cannot be had is asked for before data go. */
TEST_F(quota, zeroing_beyond_the_limit)
{
	static char data[64 << 10], found[64 << 10];
	int fd;

	if (self->ext4)
		SKIP(return, "ext4 zeroes as far as the limit goes");
	memset(data, 'z', sizeof(data));
	fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0666);
	ASSERT_OK(fd);
	ASSERT_OK(fchown(fd, OWNER, -1));
	ASSERT_EQ(sizeof(data), pwrite(fd, data, sizeof(data), 0));
	ASSERT_OK(ftruncate(fd, KIB(256)));
	ASSERT_OK(limit(&self->v, USRQUOTA, OWNER, 0, 128, 0, 0));
	EXPECT_EQ(EDQUOT, AS_USER(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, KIB(256))));
	EXPECT_EQ(sizeof(data), pread(fd, found, sizeof(found), 0));
	EXPECT_EQ(0, memcmp(data, found, sizeof(data)));
	EXPECT_GE(KIB(128), space_of(&self->v, USRQUOTA, OWNER));
	ASSERT_OK(limit(&self->v, USRQUOTA, OWNER, 0, 0, 0, 0));
	EXPECT_EQ(0, AS_USER(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, KIB(256))));
	EXPECT_EQ(sizeof(data), pread(fd, found, sizeof(found), 0));
	EXPECT_EQ(0, memcmp(buf, found, sizeof(found)));
	close(fd);
}

static int qsize_agrees(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	long long bytes = -1;
	int err = fd < 0 ? -1 : ioctl(fd, FIOQSIZE, &bytes);

	close(fd);
	return !err && bytes == blocks_of(path) ? 0 : -1;
}

/* FIOQSIZE says what stat(2) says. */
static void expect_qsize(struct __test_metadata *_metadata)
{
	EXPECT_EQ(KIB(200), append("f", KIB(200), 0));
	sync();
	EXPECT_EQ(KIB(200), blocks_of("f"));
	EXPECT_EQ(0, qsize_agrees("f"));
	EXPECT_OK(truncate("f", KIB(100)));
	EXPECT_EQ(0, qsize_agrees("f"));
	EXPECT_EQ(0, qsize_agrees("."));
}

TEST_F(quota, what_a_file_holds)
{
	expect_qsize(_metadata);
}

/* Direct writes choose their blocks at once. */
TEST_F(quota, direct_writes)
{
	static char aligned[KIB(128)] __attribute__((aligned(4096)));
	struct volume *v = &self->v;
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0666);
	long n;

	ASSERT_OK(fd);
	ASSERT_OK(fchown(fd, OWNER, 0));
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 64, 0, 0));
	EXPECT_EQ(0, AS_USER(write(fd, aligned, KIB(48)) == KIB(48) ? 0 : -1));
	/* How much of a direct write is done before it fails differs. */
	n = AS_USER(write(fd, aligned, KIB(64)));
	EXPECT_TRUE(n == 0 || n == EDQUOT);
	AS_USER(pwrite(fd, aligned, KIB(16), KIB(128)));
	EXPECT_EQ(EDQUOT, AS_USER(pwrite(fd, aligned, KIB(4), KIB(256))));
	EXPECT_GE(KIB(64), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(blocks_of("f"), space_of(v, USRQUOTA, OWNER));
	/* root may */
	EXPECT_EQ(KIB(64), pwrite(fd, aligned, KIB(64), KIB(128)));
	close(fd);
	EXPECT_EQ(blocks_of("f"), space_of(v, USRQUOTA, OWNER));
}

/* Directories and long targets take blocks. */
TEST_F(quota, metadata_limit)
{
	struct volume *v = &self->v;
	char target[4000], name[32];
	int i, err = 0;

	memset(target, 'x', sizeof(target));
	target[sizeof(target) - 1] = 0;
	ASSERT_EQ(0, AS_USER(mkdir("t", 0777)));
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, (space_of(v, USRQUOTA, OWNER) + KIB(12)) >> 10,
			0, 0));
	/* Root fills the user's directory, the user adds to it: who pays is the owner. */
	for (i = 0; i < 2000 && !err; i++) {
		sprintf(name, "t/a-name-of-a-file-%d", i);
		err = AS_USER(mknod(name, S_IFIFO | 0666, 0));
	}
	EXPECT_EQ(EDQUOT, err);
	EXPECT_GE(KIB(12) + self->bs, space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(blocks_of("t"), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(i, inodes_of(v, USRQUOTA, OWNER));
	/* Names go without asking. */
	for (i -= 2; i >= 0; i--) {
		sprintf(name, "t/a-name-of-a-file-%d", i);
		EXPECT_OK(unlink(name));
	}
	EXPECT_EQ(0, AS_USER(rmdir("t")));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));

	/*
	 * Targets of 4 KiB that are outside of the inode: lnkfs with larger blocks has
	 * half of them in it, ext4 with smaller ones does not take them.
	 */
	if (self->ext4 != (self->bs == 4096))
		return;
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 5, 0, 0));
	EXPECT_EQ(0, AS_USER(symlink(target, "s1")));
	EXPECT_EQ(blocks_of("s1"), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(EDQUOT, AS_USER(symlink(target, "s2")));
	EXPECT_EQ(1, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(blocks_of("s1"), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(0, AS_USER(symlink("short", "s2")));
	EXPECT_EQ(0, AS_USER(unlink("s1")));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
}

/* An attribute that has a block of its own */
TEST_F(quota, xattr_limit)
{
	struct volume *v = &self->v;
	long used;

	ASSERT_EQ(0, AS_USER(append_all("f", self->bs)));
	sync();
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, self->bs >> 10, 0, 0));
	EXPECT_EQ(EDQUOT, AS_USER(setxattr("f", "user.x", buf, 700, 0)));
	EXPECT_ERR(ENODATA, getxattr("f", "user.x", NULL, 0));
	EXPECT_EQ(self->bs, space_of(v, USRQUOTA, OWNER));
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 16, 0, 0));
	EXPECT_EQ(0, AS_USER(setxattr("f", "user.x", buf, 700, 0)));
	used = blocks_of("f");
	EXPECT_LT(self->bs, used);
	EXPECT_EQ(used, space_of(v, USRQUOTA, OWNER));
	ASSERT_OK(chown("f", OWNER + 1, -1));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(used, space_of(v, USRQUOTA, OWNER + 1));
	ASSERT_OK(removexattr("f", "user.x"));
	EXPECT_EQ(self->bs, space_of(v, USRQUOTA, OWNER + 1));
	ASSERT_OK(setxattr("f", "user.x", buf, 700, 0));
	ASSERT_OK(unlink("f"));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER + 1));
}

TEST_F(quota, grace)
{
	struct volume *v = &self->v;
	struct dqinfo info = {
		.dqi_bgrace = 2, .dqi_igrace = 2, .dqi_valid = IIF_BGRACE | IIF_IGRACE,
	};
	struct dqblk d;

	ASSERT_OK(dq(v, Q_SETINFO, USRQUOTA, 0, (void *)&info));
	ASSERT_OK(limit(v, USRQUOTA, OWNER, 16, 256, 2, 10));
	EXPECT_EQ(0, AS_USER(append_all("f", KIB(16))));
	ASSERT_OK(dq(v, Q_GETQUOTA, USRQUOTA, OWNER, (void *)&d));
	EXPECT_EQ(0, d.dqb_btime);
	EXPECT_EQ(0, AS_USER(append_all("f", KIB(16))));
	EXPECT_EQ(0, AS_USER(create("a")));
	EXPECT_EQ(0, AS_USER(create("b")));
	ASSERT_OK(dq(v, Q_GETQUOTA, USRQUOTA, OWNER, (void *)&d));
	EXPECT_NE(0, d.dqb_btime);
	EXPECT_NE(0, d.dqb_itime);
	ASSERT_OK(again(v, all_limits));
	memset(&info, 0, sizeof(info));
	ASSERT_OK(dq(v, Q_GETINFO, USRQUOTA, 0, (void *)&info));
	EXPECT_EQ(2, info.dqi_bgrace);
	sleep(3);
	EXPECT_EQ(EDQUOT, AS_USER(append("f", KIB(4), 0)));
	EXPECT_EQ(EDQUOT, AS_USER(create("c")));
	EXPECT_EQ(0, AS_USER(unlink("b")));
	EXPECT_EQ(0, AS_USER(truncate("f", KIB(8))));
	EXPECT_EQ(0, AS_USER(append_all("f", KIB(4))));
	ASSERT_OK(dq(v, Q_GETQUOTA, USRQUOTA, OWNER, (void *)&d));
	EXPECT_EQ(0, d.dqb_btime);
}

TEST_F(quota, transfer)
{
	struct volume *v = &self->v;
	struct stat st;

	ASSERT_EQ(0, AS_USER(append_all("f", KIB(32))));
	sync();
	ASSERT_OK(limit(v, USRQUOTA, 2000, 0, 16, 0, 0));
	ASSERT_OK(limit(v, GRPQUOTA, 2000, 0, 0, 0, 1));
	ASSERT_OK(limit(v, PRJQUOTA, PROJECT, 0, 16, 0, 0));
	/* The limits of the new owner bind root without CAP_SYS_RESOURCE; nothing moves. */
	EXPECT_EQ(EDQUOT, BOUND(chown("f", 2000, -1)));
	ASSERT_OK(stat("f", &st));
	EXPECT_EQ(OWNER, st.st_uid);
	EXPECT_EQ(KIB(32), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(0, space_of(v, USRQUOTA, 2000));
	EXPECT_EQ(EDQUOT, BOUND(set_project("f", PROJECT, false)));
	EXPECT_EQ(0, space_of(v, PRJQUOTA, PROJECT));
	/* The group may have one inode. */
	EXPECT_OK(chown("f", -1, 2000));
	EXPECT_EQ(KIB(32), space_of(v, GRPQUOTA, 2000));
	EXPECT_EQ(0, space_of(v, GRPQUOTA, TEST_GID));
	EXPECT_EQ(KIB(32), space_of(v, USRQUOTA, OWNER));
	ASSERT_OK(limit(v, USRQUOTA, 2000, 0, 32, 0, 0));
	ASSERT_OK(limit(v, PRJQUOTA, PROJECT, 0, 32, 0, 0));
	EXPECT_OK(chown("f", 2000, -1));
	EXPECT_OK(set_project("f", PROJECT, false));
	EXPECT_EQ(KIB(32), space_of(v, USRQUOTA, 2000));
	EXPECT_EQ(KIB(32), space_of(v, PRJQUOTA, PROJECT));
	EXPECT_EQ(1, inodes_of(v, PRJQUOTA, PROJECT));
	EXPECT_EQ(0, inodes_of(v, USRQUOTA, OWNER));
}

/* The numbers after a crash are those of what the crash left. */
TEST_F(quota, crash)
{
	struct volume *v = &self->v;
	uint32_t how = 2;	/* without writing the journal */
	char name[32];
	int fd, i;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 1000, 0, 500));
	for (i = 0; i < 50; i++) {
		sprintf(name, "f%d", i);
		ASSERT_EQ(0, AS_USER(append_all(name, KIB(8))));
	}
	fd = open("f0", O_RDONLY);
	ASSERT_OK(fd);
	ASSERT_OK(unlink("f0"));
	ASSERT_OK(syncfs(fd));
	/* This is lost. */
	for (i = 1; i < 20; i++) {
		sprintf(name, "f%d", i);
		ASSERT_EQ(0, AS_USER(unlink(name)));
	}
	ASSERT_EQ(0, AS_USER(append_all("g", KIB(128))));
	ASSERT_OK(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
	close(fd);
	ASSERT_OK(again(v, all_limits));
	/* The orphan is gone as well. */
	EXPECT_EQ(49, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(49 * KIB(8), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(EDQUOT, AS_USER(({
		append("h", sizeof(buf), 0) == KIB(256) && append("h", sizeof(buf), 0) > 0 &&
			append("h", sizeof(buf), 0) > 0 ? append("h", KIB(64), 0) : 0;
	})));
	ASSERT_OK(crash(v));
	EXPECT_EQ(49, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(49 * KIB(8), space_of(v, USRQUOTA, OWNER));
}

TEST_F(quota, remount_read_only)
{
	struct volume *v = &self->v;
	struct dqblk d;
	int fd;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 64, 0, 0));
	ASSERT_EQ(0, AS_USER(append_all("f", KIB(32))));
	fd = open("f", O_RDONLY);
	ASSERT_OK(fd);
	ASSERT_OK(mount(NULL, v->mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_EQ(-1, dq(v, Q_GETQUOTA, USRQUOTA, OWNER, (void *)&d));
	ASSERT_OK(mount(NULL, v->mnt, NULL, MS_REMOUNT, NULL));
	EXPECT_EQ(KIB(32), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(EDQUOT, AS_USER(({
		append("f", KIB(64), 0) == KIB(32) ? append("f", KIB(4), 0) : 0;
	})));
	ASSERT_EQ(0, AS_USER(unlink("f")));
	close(fd);
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
	/* A volume mounted read-only first */
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount(v->mnt));
	ASSERT_OK(vol_mount(v, MS_RDONLY, all_limits));
	ASSERT_OK(mount(NULL, v->mnt, NULL, MS_REMOUNT, NULL));
	ASSERT_OK(chdir(v->mnt));
	ASSERT_OK(chdir("d"));
	EXPECT_EQ(0, space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(EDQUOT, AS_USER(({
		append("f", KIB(128), 0) == KIB(64) ? append("f", KIB(4), 0) : 0;
	})));
}

TEST_F(quota, statfs_of_a_project)
{
	struct volume *v = &self->v;
	struct statfs all, st;

	ASSERT_OK(mkdir("p", 0777));
	ASSERT_OK(set_project("p", PROJECT, true));
	ASSERT_OK(statfs("p", &all));
	ASSERT_OK(limit(v, PRJQUOTA, PROJECT, 0, 1024, 0, 100));
	ASSERT_EQ(0, append_all("p/f", KIB(256)));
	ASSERT_OK(statfs("p", &st));
	EXPECT_EQ(1024 * 1024 / self->bs, st.f_blocks);
	EXPECT_EQ((1024 * 1024 - space_of(v, PRJQUOTA, PROJECT)) / self->bs, st.f_bfree);
	EXPECT_EQ(st.f_bfree, st.f_bavail);
	EXPECT_EQ(100, st.f_files);
	EXPECT_EQ(98, st.f_ffree);
	/* The soft limit, if there is one, and never less than nothing. */
	ASSERT_OK(limit(v, PRJQUOTA, PROJECT, 128, 1024, 1, 100));
	ASSERT_OK(statfs("p/f", &st));
	/* A file does not inherit, so it shows the volume. */
	EXPECT_EQ(all.f_blocks, st.f_blocks);
	ASSERT_OK(statfs("p", &st));
	EXPECT_EQ(128 * 1024 / self->bs, st.f_blocks);
	EXPECT_EQ(0, st.f_bfree);
	EXPECT_EQ(0, st.f_ffree);
	ASSERT_OK(statfs(".", &st));
	EXPECT_EQ(all.f_blocks, st.f_blocks);
	/* Without enforcement the tree is as large as the volume. */
	ASSERT_OK(again(v, NULL));
	ASSERT_OK(statfs("p", &st));
	EXPECT_EQ(all.f_blocks, st.f_blocks);
}

/* Usage is kept without the options, and limits can be turned off and on. */
TEST_F(quota, control)
{
	struct volume *v = &self->v;
	union next_dqblk next;
	int fmt = 0;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 0, 0, 1));
	ASSERT_OK(limit(v, USRQUOTA, 4000000000u, 0, 7, 0, 0));
	EXPECT_OK(dq(v, Q_GETFMT, USRQUOTA, 0, (void *)&fmt));
	EXPECT_EQ(QFMT_VFS_V1, fmt);
	EXPECT_OK(dq(v, Q_SYNC, USRQUOTA, 0, NULL));
	ASSERT_EQ(0, AS_USER(create("a")));
	EXPECT_OK(dq(v, Q_GETNEXTQUOTA, USRQUOTA, 1, (void *)&next));
	EXPECT_EQ(OWNER, next.id);
	EXPECT_EQ(1, next.d.dqb_curinodes);
	EXPECT_OK(dq(v, Q_GETNEXTQUOTA, USRQUOTA, OWNER + 1, (void *)&next));
	EXPECT_EQ(4000000000u, next.id);
	EXPECT_EQ(7, next.d.dqb_bhardlimit);
	EXPECT_ERR(ENOENT, dq(v, Q_GETNEXTQUOTA, USRQUOTA, 4000000001u, (void *)&next));
	EXPECT_EQ(EDQUOT, AS_USER(create("b")));
	EXPECT_OK(dq(v, Q_QUOTAOFF, USRQUOTA, 0, NULL));
	EXPECT_EQ(0, AS_USER(create("b")));
	EXPECT_EQ(2, inodes_of(v, USRQUOTA, OWNER));
	EXPECT_OK(dq(v, Q_QUOTAON, USRQUOTA, QFMT_VFS_V1, NULL));
	EXPECT_EQ(EDQUOT, AS_USER(create("c")));
	EXPECT_EQ(EPERM, AS_USER(limit(v, USRQUOTA, OWNER, 0, 0, 0, 0)));
	EXPECT_EQ(EPERM, AS_USER(dq(v, Q_GETQUOTA, USRQUOTA, 0, (void *)&next.d)));
	EXPECT_EQ(0, AS_USER(dq(v, Q_GETQUOTA, USRQUOTA, OWNER, (void *)&next.d)));
	ASSERT_OK(again(v, "noquota"));
	EXPECT_EQ(0, AS_USER(create("c")));
	EXPECT_EQ(3, inodes_of(v, USRQUOTA, OWNER));
}

static bool shown(const char *mnt, const char *option)
{
	FILE *f = fopen("/proc/mounts", "r");
	char line[1024];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, mnt) && strstr(line, option))
			found = true;
	if (f)
		fclose(f);
	return found;
}

/* What quotactl(2) has turned on or off a remount about something else leaves alone. */
TEST_F(quota, remount_keeps)
{
	struct volume *v = &self->v;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 0, 0, 1));
	ASSERT_EQ(0, AS_USER(create("a")));
	ASSERT_OK(again(v, "noquota"));
	ASSERT_OK(dq(v, Q_QUOTAON, USRQUOTA, QFMT_VFS_V1, NULL));
	EXPECT_EQ(EDQUOT, AS_USER(create("b")));
	ASSERT_OK(vol_remount(v, MS_NOATIME, NULL));
	EXPECT_EQ(EDQUOT, AS_USER(create("b")));
	ASSERT_OK(vol_remount(v, MS_RDONLY, NULL));
	ASSERT_OK(vol_remount(v, 0, NULL));
	EXPECT_EQ(EDQUOT, AS_USER(create("b")));
	ASSERT_OK(again(v, all_limits));
	ASSERT_OK(dq(v, Q_QUOTAOFF, USRQUOTA, 0, NULL));
	ASSERT_OK(vol_remount(v, MS_NOATIME, NULL));
	EXPECT_EQ(0, AS_USER(create("b")));
	ASSERT_OK(vol_remount(v, MS_RDONLY, NULL));
	ASSERT_OK(vol_remount(v, 0, NULL));
	EXPECT_EQ(0, AS_USER(create("c")));
	if (self->ext4)
		return;
	/* The options shown are those in effect, and one that is given counts. */
	EXPECT_FALSE(shown(v->mnt, ",usrquota"));
	EXPECT_TRUE(shown(v->mnt, ",grpquota"));
	ASSERT_OK(vol_remount(v, 0, "usrquota"));
	EXPECT_TRUE(shown(v->mnt, ",usrquota"));
	EXPECT_EQ(EDQUOT, AS_USER(create("d")));
}

/* Several at once, up to the limit: none beyond, and the sum is right. */
TEST_F(quota, race)
{
	struct volume *v = &self->v;
	char name[16];
	int i;

	ASSERT_OK(limit(v, USRQUOTA, OWNER, 0, 512, 0, 20));
	for (i = 0; i < 4; i++) {
		if (fork())
			continue;
		drop_privileges();
		for (int n = 0; n < 40; n++) {
			sprintf(name, "%d-%d", i, n);
			append(name, KIB(16), 0);
			if (n % 3 == 0)
				append(name, KIB(8), O_SYNC);
			if (n % 5 == 0)
				unlink(name);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	EXPECT_GE(KIB(512), space_of(v, USRQUOTA, OWNER));
	EXPECT_EQ(20, inodes_of(v, USRQUOTA, OWNER));
}

/*
 * IDs that are new where no space is left, and what there is lies in single blocks: the
 * quota file may get a block and then none for the node that is to hold it. The block is
 * given back then, and what it gets next stays as it was written. @used blocks of those kept
 * for trees are taken by another quota file before.
 */
static void fill_and_add_ids(struct __test_metadata *_metadata, int used)
{
	const long bs = strtol(getenv("LNKFS_BSIZE") ?: "4096", NULL, 10);
	struct volume v;
	struct statfs st;
	char name[16];
	int i, files, ids, err;

	ASSERT_EQ(0, vol_make_with(&v, bs < 4096 ? 3 : 8, "-O quota"));
	ASSERT_OK(vol_mount(&v, 0, all_limits));
	ASSERT_OK(chdir(v.mnt));
	memset(buf, 'o', sizeof(buf));
	for (files = 0; files < 5000; files++) {
		sprintf(name, "f%d", files);
		if (append(name, bs, 0) != bs)
			break;
	}
	ASSERT_GT(files, 100);
	ASSERT_LT(files, 5000);
	sync();
	for (i = 1; i < files; i += 2) {
		sprintf(name, "f%d", i);
		ASSERT_OK(truncate(name, 0));
	}
	sync();
	/* One file takes what lies together, and most of the rest. */
	for (i = sizeof(buf); i >= bs; i /= 2)
		while (append("g", i, 0) == i)
			;
	sync();
	/* Each has a file of its own: what owns nothing any more is removed in time. */
	for (i = 0; i < used; i++) {
		sprintf(name, "f%d", 2 * i);
		if (chown(name, (i + 1) << 8, -1))
			break;
	}
	for (ids = 0, err = 0; !err && 2 * ids < files; ids++) {
		sprintf(name, "f%d", 2 * ids);
		if (set_project(name, (ids + 1) << 8, false))
			err = errno;
	}
	ASSERT_OK(statfs(".", &st));
	ASSERT_EQ(ENOSPC, err)
		TH_LOG("%d files, %d owners, %d projects, %ld blocks free", files, i, ids,
		       (long)st.f_bfree);
	/* Space that a commit makes free counts. */
	ASSERT_OK(unlink("g"));
	EXPECT_OK(set_project("f1", 1 << 20, false));
	EXPECT_OK(chown("f1", 1 << 20, 1 << 20));
	/* What has been given back is free again, and goes to a file. */
	for (i = 0; i < files; i += 2) {
		sprintf(name, "f%d", i);
		ASSERT_OK(truncate(name, 0));
	}
	sync();
	memset(buf, 'n', sizeof(buf));
	for (i = 0; i < files; i += 2) {
		sprintf(name, "f%d", i);
		if (append(name, bs, 0) != bs)
			break;
	}
	sync();
	EXPECT_OK(vol_again(&v, 0, all_limits));
	while (i > 0) {
		static char was[65536];
		int fd;

		i -= 2;
		sprintf(name, "f%d", i);
		fd = open(name, O_RDONLY);
		ASSERT_OK(fd);
		EXPECT_EQ(bs, read(fd, was, sizeof(was)));
		EXPECT_EQ(0, memcmp(was, buf, bs))
			TH_LOG("%s has other contents", name);
		close(fd);
	}
	EXPECT_OK(chdir("/"));
	EXPECT_EQ(0, vol_remove(&v));
}

TEST(new_ids_without_space)
{
	int used;

	setenv("FSTYPE", "lnkfs", 1);
	for (used = 0; used < 12; used++)
		fill_and_add_ids(_metadata, used);
}

FIXTURE(plain) { struct volume v; };

FIXTURE_SETUP(plain)
{
	ASSERT_EQ(0, vol_make_with(&self->v, 40, ""));
}

FIXTURE_TEARDOWN(plain)
{
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* Limits that nothing enforces are refused, not ignored. */
TEST_F(plain, options_need_quota_files)
{
	struct volume *v = &self->v;

	if (!on_lnkfs())
		SKIP(return, "ext4 takes the old options of quota");
	EXPECT_ERR(EINVAL, vol_mount(v, 0, "usrquota"));
	EXPECT_ERR(EINVAL, vol_mount(v, 0, "grpquota"));
	EXPECT_ERR(EINVAL, vol_mount(v, 0, "prjquota"));
	ASSERT_OK(vol_mount(v, 0, "noquota"));
	EXPECT_ERR(EINVAL, mount(NULL, v->mnt, NULL, MS_REMOUNT, "usrquota"));
	ASSERT_OK(umount(v->mnt));
	ASSERT_EQ(0, vol_mkfs(v->dev, "-E quotatype=usrquota"));
	EXPECT_ERR(EINVAL, vol_mount(v, 0, "grpquota"));
	ASSERT_OK(vol_mount(v, 0, "quota"));
	EXPECT_EQ(0, inodes_of(v, USRQUOTA, 12345));
	EXPECT_EQ(-1, inodes_of(v, GRPQUOTA, 12345));
}

TEST_F(plain, what_a_file_holds)
{
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	expect_qsize(_metadata);
	EXPECT_OK(chdir("/"));
}

TEST_F(plain, options_are_shown)
{
	struct volume *v = &self->v;

	if (!on_lnkfs())
		SKIP(return, "of lnkfs");
	ASSERT_EQ(0, vol_mkfs(v->dev, "-o quota"));
	ASSERT_OK(vol_mount(v, 0, "uquota,pquota"));
	EXPECT_TRUE(shown(v->mnt, ",usrquota"));
	EXPECT_FALSE(shown(v->mnt, "grpquota"));
	EXPECT_TRUE(shown(v->mnt, ",prjquota"));
	ASSERT_OK(limit(v, GRPQUOTA, TEST_GID, 0, 0, 0, 1));
	ASSERT_OK(chmod(v->mnt, 0777));
	ASSERT_OK(chdir(v->mnt));
	EXPECT_EQ(0, AS_USER(create("a")));
	EXPECT_EQ(0, AS_USER(create("b")));
	ASSERT_OK(mount(NULL, v->mnt, NULL, MS_REMOUNT, "grpquota"));
	EXPECT_TRUE(shown(v->mnt, ",usrquota,grpquota,prjquota"));
	EXPECT_EQ(EDQUOT, AS_USER(create("c")));
	ASSERT_OK(mount(NULL, v->mnt, NULL, MS_REMOUNT, "noquota"));
	EXPECT_FALSE(shown(v->mnt, "quota"));
	EXPECT_EQ(0, AS_USER(create("c")));
	ASSERT_OK(chdir("/"));
}

/* Nobody opens a quota file, not even by a handle that is right. */
TEST_F(plain, quota_files_are_hidden)
{
	union { struct file_handle h; char space[sizeof(struct file_handle) + 12]; } fh;
	struct volume *v = &self->v;
	uint64_t ino, root;
	int fd, dir, i;

	if (!on_lnkfs())
		SKIP(return, "of lnkfs");
	ASSERT_EQ(0, vol_mkfs(v->dev, "-O quota"));
	ASSERT_OK(vol_mount(v, 0, NULL));
	fd = open(v->image, O_RDONLY);
	dir = open(v->mnt, O_RDONLY);
	ASSERT_OK(fd);
	ASSERT_OK(dir);
	fh.h.handle_bytes = 12;
	fh.h.handle_type = 0x81;
	/* The same way to a handle works for the root. */
	ASSERT_EQ(8, pread(fd, &root, 8, 1024 + 0x90));
	for (i = -1; i < 3; i++) {
		if (i < 0)
			ino = root;
		else
			ASSERT_EQ(8, pread(fd, &ino, 8, 1024 + 0x118 + 8 * i));
		memcpy(fh.h.f_handle, &ino, 8);
		ASSERT_EQ(4, pread(fd, fh.h.f_handle + 8, 4, ino * 256 + 0x10));
		if (i < 0)
			EXPECT_OK(close(open_by_handle_at(dir, &fh.h, O_RDONLY)));
		else
			EXPECT_ERR(ESTALE, open_by_handle_at(dir, &fh.h, O_RDONLY));
	}
	close(fd);
	close(dir);
}

TEST_HARNESS_MAIN
