// SPDX-License-Identifier: GPL-2.0
/*
 * The flag ioctls that all Linux filesystems share, bit by bit, and how they
 * go together with the flag word. What chattr(1) makes of them is compared
 * with ext4 by chattr_ext4.sh.
 */
#include <linux/fs.h>

#include "attr_util.h"
#include "volume.h"

LNKFS_ONLY
FLAGS_FIXTURE(chattr)

#define FL_KNOWN (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_SYNC_FL |	\
		  FS_DIRSYNC_FL | FS_NOATIME_FL | FS_PROJINHERIT_FL)
#define XFL_KNOWN (FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND | FS_XFLAG_NODUMP |	\
		   FS_XFLAG_SYNC | FS_XFLAG_NOATIME | FS_XFLAG_PROJINHERIT)

static int getfl(const char *name, unsigned int *fl)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK);
	int ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_GETFLAGS, fl), err = errno;

	close(fd);
	errno = err;
	return ret;
}

static int setfl(const char *name, unsigned int fl)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK);
	int ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_SETFLAGS, &fl), err = errno;

	close(fd);
	errno = err;
	return ret;
}

static int getx(const char *name, struct fsxattr *x)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK);
	int ret;

	memset(x, 0, sizeof(*x));
	ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_FSGETXATTR, x);
	close(fd);
	return ret;
}

static int setx(const char *name, const struct fsxattr *x)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK);
	int ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_FSSETXATTR, x), err = errno;

	close(fd);
	errno = err;
	return ret;
}

static unsigned int fl_of(const char *name)
{
	unsigned int fl = ~0u;

	return getfl(name, &fl) ? ~0u : fl;
}

TEST_F(chattr, every_bit)
{
	static const enum type types[] = { T_REG, T_DIR };
	struct stat a, b;
	unsigned int bit;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, make_object("o", types[i]));
		ASSERT_OK(lstat("o", &a));
		tick();
		EXPECT_EQ(0, fl_of("o"));
		for (bit = 1; bit; bit <<= 1) {
			bool here = FL_KNOWN & bit;

			if (types[i] == T_REG && (bit == FS_DIRSYNC_FL ||
						  bit == FS_PROJINHERIT_FL))
				here = false;
			if (here) {
				EXPECT_OK(setfl("o", bit));
				EXPECT_EQ(bit, fl_of("o"));
				EXPECT_OK(setfl("o", 0));
				ASSERT_OK(lstat("o", &a));
				tick();
			} else {
				EXPECT_ERR(EOPNOTSUPP, setfl("o", bit));
				EXPECT_ERR(EOPNOTSUPP, setfl("o", bit | FS_NODUMP_FL));
				EXPECT_EQ(0, fl_of("o"));
				ASSERT_OK(lstat("o", &b));
				EXPECT_EQ(0, memcmp(&a.st_ctim, &b.st_ctim, 16))
					TH_LOG("bit 0x%x moves ctime", bit);
			}
		}
		ASSERT_OK(remove("o"));
	}
}

TEST_F(chattr, every_xflag)
{
	struct fsxattr x, y;
	unsigned int bit;

	ASSERT_EQ(0, make_object("o", T_DIR));
	ASSERT_OK(getx("o", &x));
	EXPECT_EQ(0, x.fsx_xflags);
	EXPECT_EQ(0, x.fsx_extsize | x.fsx_nextents | x.fsx_projid | x.fsx_cowextsize);
	for (bit = 1; bit; bit <<= 1) {
		memset(&x, 0, sizeof(x));
		x.fsx_xflags = bit;
		/* hints that are 0 take their flags with them (vfs_fileattr_set) */
		if (bit & (FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT | FS_XFLAG_COWEXTSIZE))
			x.fsx_extsize = x.fsx_cowextsize = 4096;
		if (XFL_KNOWN & bit) {
			EXPECT_OK(setx("o", &x));
			ASSERT_OK(getx("o", &y));
			EXPECT_EQ(bit, y.fsx_xflags);
			x.fsx_xflags = 0;
			EXPECT_OK(setx("o", &x));
		} else if (bit == FS_XFLAG_EXTSIZE) {
			EXPECT_ERR(EINVAL, setx("o", &x));
		} else {
			EXPECT_ERR(EOPNOTSUPP, setx("o", &x));
			ASSERT_OK(getx("o", &y));
			EXPECT_EQ(0, y.fsx_xflags);
		}
	}
}

TEST_F(chattr, two_words_for_one_thing)
{
	const uint32_t both = LNKFS_UF_IMMUTABLE | LNKFS_SF_IMMUTABLE;

	ASSERT_EQ(0, make_object("o", T_REG));
	/* read as one */
	ASSERT_OK(lchflags("o", LNKFS_UF_IMMUTABLE));
	EXPECT_EQ(FS_IMMUTABLE_FL, fl_of("o"));
	ASSERT_OK(lchflags("o", LNKFS_SF_IMMUTABLE));
	EXPECT_EQ(FS_IMMUTABLE_FL, fl_of("o"));
	ASSERT_OK(lchflags("o", LNKFS_UF_APPEND));
	EXPECT_EQ(FS_APPEND_FL, fl_of("o"));
	ASSERT_OK(lchflags("o", LNKFS_SF_APPEND | LNKFS_UF_NODUMP));
	EXPECT_EQ(FS_APPEND_FL | FS_NODUMP_FL, fl_of("o"));
	ASSERT_OK(lchflags("o", LNKFS_UF_HIDDEN | LNKFS_UF_NOUNLINK));
	EXPECT_EQ(0, fl_of("o"));
	/* set as that of the system, leaving what chattr does not know */
	EXPECT_OK(setfl("o", FS_IMMUTABLE_FL));
	EXPECT_EQ(LNKFS_UF_HIDDEN | LNKFS_UF_NOUNLINK | LNKFS_SF_IMMUTABLE, flags_of("o"));
	EXPECT_OK(setfl("o", FS_APPEND_FL));
	EXPECT_EQ(LNKFS_UF_HIDDEN | LNKFS_UF_NOUNLINK | LNKFS_SF_APPEND, flags_of("o"));
	/* cleared in both */
	ASSERT_OK(lchflags("o", both));
	EXPECT_OK(setfl("o", 0));
	EXPECT_EQ(0, flags_of("o"));
	ASSERT_OK(lchflags("o", LNKFS_UF_APPEND | LNKFS_SF_APPEND | LNKFS_UF_SYSTEM));
	EXPECT_OK(setfl("o", 0));
	EXPECT_EQ(LNKFS_UF_SYSTEM, flags_of("o"));
	/* other changes leave them as they are divided */
	ASSERT_OK(lchflags("o", LNKFS_UF_APPEND));
	EXPECT_OK(setfl("o", FS_APPEND_FL | FS_NOATIME_FL));
	EXPECT_EQ(LNKFS_UF_APPEND, flags_of("o"));
	EXPECT_OK(setfl("o", FS_APPEND_FL | FS_NODUMP_FL));
	EXPECT_EQ(LNKFS_UF_APPEND | LNKFS_UF_NODUMP, flags_of("o"));
	/* and chflags leaves what it does not know */
	ASSERT_OK(lchflags("o", 0));
	EXPECT_OK(setfl("o", FS_NOATIME_FL | FS_SYNC_FL));
	EXPECT_OK(lchflags("o", LNKFS_UF_NODUMP));
	EXPECT_EQ(FS_NOATIME_FL | FS_SYNC_FL | FS_NODUMP_FL, fl_of("o"));
}

TEST_F(chattr, users)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	for (enum user u = U_OWNER; u < NUSERS; u++) {
		bool own = is_owner(u);

		EXPECT_EQ(own ? 0 : EPERM, AS(u, setfl("o", FS_NODUMP_FL)));
		EXPECT_EQ(EPERM, AS(u, setfl("o", FS_IMMUTABLE_FL)));
		EXPECT_EQ(EPERM, AS(u, setfl("o", FS_APPEND_FL)));
		ASSERT_OK(lchflags("o", LNKFS_UF_IMMUTABLE));
		/* the VFS knows but one immutable flag, and asks the capability */
		EXPECT_EQ(EPERM, AS(u, setfl("o", 0)));
		EXPECT_EQ(LNKFS_UF_IMMUTABLE, flags_of("o"));
		ASSERT_OK(lchflags("o", LNKFS_SF_NOUNLINK));
		EXPECT_EQ(EPERM, AS(u, setfl("o", FS_NODUMP_FL)));
		EXPECT_EQ(LNKFS_SF_NOUNLINK, flags_of("o"));
		ASSERT_OK(lchflags("o", 0));
	}
}

TEST_F(chattr, projects)
{
	static const unsigned int ids[] = { 1, 1000, 0x7fffffff, 0xfffffffe, 0 };
	struct fsxattr x;
	unsigned int i;

	ASSERT_EQ(0, make_object("o", T_REG));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_OK(set_project("o", ids[i], false));
		ASSERT_OK(getx("o", &x));
		EXPECT_EQ(ids[i], x.fsx_projid);
	}
	EXPECT_ERR(EINVAL, set_project("o", 0xffffffff, false));
	EXPECT_EQ(0, AS(U_OWNER, set_project("o", 7, false)));
	EXPECT_EQ(EPERM, AS(U_OTHER, set_project("o", 8, false)));
	EXPECT_EQ(EINVAL, AS(U_NSROOT, set_project("o", 8, false)));
	ASSERT_OK(lchflags("o", LNKFS_UF_IMMUTABLE));
	EXPECT_ERR(EPERM, set_project("o", 9, false));
	ASSERT_OK(lchflags("o", 0));
	remount(_metadata, &self->dir);
	ASSERT_OK(getx("o", &x));
	EXPECT_EQ(7, x.fsx_projid);
}

/* Those that lsattr cannot open inherit as well; the flag word shows it. */
TEST_F(chattr, what_every_type_inherits)
{
	char name[16];
	enum type t;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(lchflags("d", LNKFS_UF_NODUMP | LNKFS_UF_HIDDEN | LNKFS_SF_NOUNLINK));
	ASSERT_OK(setfl("d", FS_NODUMP_FL | FS_NOATIME_FL | FS_PROJINHERIT_FL));
	ASSERT_OK(set_project("d", 55, false));
	ASSERT_OK(mkdir("e", 0755));
	ASSERT_OK(setfl("e", FS_PROJINHERIT_FL));
	ASSERT_OK(set_project("e", 56, false));
	for (t = 0; t < NTYPES; t++) {
		sprintf(name, "d/%u", t);
		ASSERT_EQ(0, make_object(name, t));
		EXPECT_EQ(LNKFS_UF_NODUMP, flags_of(name)) TH_LOG("%s", type_names[t]);
		if (t == T_DIR)
			continue;
		/* the project shows in where another name may be */
		EXPECT_OK(link(name, "d/link"));
		ASSERT_OK(unlink("d/link"));
		EXPECT_ERR(EXDEV, link(name, "e/link"));
		EXPECT_ERR(EXDEV, rename(name, "e/link"));
	}
	ASSERT_OK(lchflags("d", 0));
}

TEST_F(chattr, generations)
{
	unsigned int a = 0, b = 0, c = 0;
	int fd;

	ASSERT_EQ(0, make_object("f", T_REG));
	ASSERT_EQ(0, make_object("d", T_DIR));
	fd = open("f", O_RDONLY);
	EXPECT_OK(ioctl(fd, FS_IOC_GETVERSION, &a));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETVERSION, NULL));
	close(fd);
	fd = open("d", O_RDONLY);
	EXPECT_OK(ioctl(fd, FS_IOC_GETVERSION, &b));
	close(fd);
	EXPECT_NE(0, a);
	EXPECT_NE(0, b);
	EXPECT_NE(a, b);
	remount(_metadata, &self->dir);
	fd = open("f", O_RDONLY);
	EXPECT_OK(ioctl(fd, FS_IOC_GETVERSION, &c));
	EXPECT_EQ(a, c);
	close(fd);
}

/* A file that is open for sync, or not for times, behaves so at once. */
TEST_F(chattr, no_access_times)
{
	struct timespec old[2] = { { 1000, 0 }, { 2000, 0 } };
	struct stat st;
	char buf[8];
	int fd;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, make_object("o", T_REG));
		ASSERT_OK(utimensat(AT_FDCWD, "o", old, 0));
		ASSERT_OK(setfl("o", i ? FS_NOATIME_FL : 0));
		fd = open("o", O_RDONLY);
		ASSERT_EQ(8, read(fd, buf, 8));
		close(fd);
		ASSERT_OK(stat("o", &st));
		EXPECT_EQ(i, st.st_atime == 1000);
		ASSERT_OK(unlink("o"));
	}
}

VOLUME_FIXTURE(volume, 32)

TEST_F(volume, read_only)
{
	struct fsxattr x = { 0 };

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(setfl("o", FS_NOATIME_FL));
	ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, setfl("o", 0));
	EXPECT_ERR(EROFS, setx("o", &x));
	EXPECT_EQ(FS_NOATIME_FL, fl_of("o"));
}

TEST_HARNESS_MAIN
