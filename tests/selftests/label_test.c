// SPDX-License-Identifier: GPL-2.0
/* Label, UUID, and name in sysfs of a volume. */
#include "services.h"
#include "lnkfs_format.h"

#ifndef FS_IOC_GETFSUUID
struct fsuuid2 {
	__u8	len;
	__u8	uuid[16];
};
#define FS_IOC_GETFSUUID	_IOR(0x15, 0, struct fsuuid2)
#endif
#ifndef FS_IOC_GETFSSYSFSPATH
struct fs_sysfs_path {
	__u8	len;
	__u8	name[128];
};
#define FS_IOC_GETFSSYSFSPATH	_IOR(0x15, 1, struct fs_sysfs_path)
#endif

SERVICE_FIXTURE(label, 300, NULL)

static int set_label(const char *name, const char *text)
{
	char buf[FSLABEL_MAX] = "";
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	memcpy(buf, text, strnlen(text, sizeof(buf)));
	ret = ioctl(fd, FS_IOC_SETFSLABEL, buf);
	close(fd);
	return ret;
}

static const char *get_label(const char *name)
{
	static char buf[FSLABEL_MAX];
	int fd = open(name, O_RDONLY), ret;

	if (fd < 0)
		return NULL;
	memset(buf, 0x55, sizeof(buf));
	ret = ioctl(fd, FS_IOC_GETFSLABEL, buf);
	close(fd);
	return ret ? NULL : buf;
}

/* The superblock in a block of the image, as far as it is one. */
static bool read_super(struct volume *v, uint64_t byte, struct lnkfs_super_block *sb)
{
	int fd = open(v->image, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, sb, sizeof(*sb), byte);
	close(fd);
	return n == sizeof(*sb) && le32toh(sb->s_magic) == LNKFS_SUPER_MAGIC;
}

TEST_F(label, set_and_get)
{
	const char *longest = on_lnkfs() ?
		"a label of sixty-three bytes, which is the longest that one can" :
		"sixteen bytes...";
	char more[80];

	EXPECT_STREQ("", get_label("."));
	EXPECT_OK(set_label(".", "first"));
	EXPECT_STREQ("first", get_label("."));
	ASSERT_OK(create_file("f", 0644));
	EXPECT_OK(set_label("f", longest));
	EXPECT_STREQ(longest, get_label("f"));
	snprintf(more, sizeof(more), "%s+", longest);
	EXPECT_ERR(EINVAL, set_label(".", more));
	EXPECT_STREQ(longest, get_label("."));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_STREQ(longest, get_label("."));
	EXPECT_OK(set_label(".", ""));
	EXPECT_STREQ("", get_label("."));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_STREQ("", get_label("."));
}

TEST_F(label, refused)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	char buf[FSLABEL_MAX] = "x";

	ASSERT_LE(0, fd);
	EXPECT_EQ(EPERM, AS_USER(ioctl(fd, FS_IOC_SETFSLABEL, buf)));
	EXPECT_EQ(0, AS_USER(ioctl(fd, FS_IOC_GETFSLABEL, buf)));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_SETFSLABEL, NULL));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETFSLABEL, NULL));
	close(fd);
	ASSERT_OK(vol_remount(&self->v, MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, set_label(".", "x"));
	EXPECT_STREQ("", get_label("."));
}

/* A crash right after the call has it, in the superblock and in all backups. */
TEST_F(label, durable)
{
	uint64_t bs = fs_block_size(), group = (bs - LNKFS_MAP_HEADER) * 8 * bs;
	struct lnkfs_super_block sb;
	int g, copies = 0;

	if (!on_lnkfs())
		SKIP(return, "looks at lnkfs's superblocks");
	ASSERT_OK(set_label(".", "durable"));
	ASSERT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_TRUE(read_super(&self->v, LNKFS_SUPER_OFFSET, &sb));
	EXPECT_STREQ("durable", (char *)sb.s_label);
	for (g = 1; g * group < 300ull << 20; g++) {
		if (!read_super(&self->v, g * group, &sb))
			continue;
		copies++;
		EXPECT_STREQ("durable", (char *)sb.s_label) TH_LOG("group %d", g);
		EXPECT_EQ(g * group / bs, le64toh(sb.s_blocknr));
	}
	EXPECT_LE(1, copies);
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	EXPECT_STREQ("durable", get_label(self->v.mnt));
}

/* The backups are as good as they were: one of them can mount the volume. */
TEST_F(label, backup_is_usable)
{
	static char zero[LNKFS_SUPER_SIZE];
	int fd;

	if (!on_lnkfs())
		SKIP(return, "ext4 needs to be told to use a backup");
	ASSERT_OK(set_label(".", "spare"));
	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	fd = open(self->v.dev, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(zero), pwrite(fd, zero, sizeof(zero), LNKFS_SUPER_OFFSET));
	ASSERT_OK(fsync(fd));
	close(fd);
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_STREQ("spare", get_label("."));
	EXPECT_STREQ("text", read_text("f"));
}

/* Readers of the device, such as blkid, see it at once. */
TEST_F(label, seen_on_the_device)
{
	struct lnkfs_super_block sb;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "looks at lnkfs's superblock");
	fd = open(self->v.dev, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(sb), pread(fd, &sb, sizeof(sb), LNKFS_SUPER_OFFSET));
	EXPECT_STREQ("", (char *)sb.s_label);
	ASSERT_OK(set_label(".", "seen"));
	ASSERT_EQ(sizeof(sb), pread(fd, &sb, sizeof(sb), LNKFS_SUPER_OFFSET));
	EXPECT_STREQ("seen", (char *)sb.s_label);
	close(fd);
	EXPECT_STREQ("seen", sysfs_text(&self->v, "label"));
}

TEST_F(label, uuid_and_sysfs_path)
{
	struct lnkfs_super_block sb;
	struct fs_sysfs_path path = {};
	struct fsuuid2 uuid = {};
	char want[256];
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	if (!on_lnkfs())
		SKIP(return, "depends on the kernel elsewhere");
	ASSERT_LE(0, fd);
	ASSERT_TRUE(read_super(&self->v, LNKFS_SUPER_OFFSET, &sb));
	ASSERT_OK(ioctl(fd, FS_IOC_GETFSUUID, &uuid));
	EXPECT_EQ(16, uuid.len);
	EXPECT_EQ(0, memcmp(uuid.uuid, sb.s_uuid, 16));
	ASSERT_OK(ioctl(fd, FS_IOC_GETFSSYSFSPATH, &path));
	snprintf(want, sizeof(want), "lnkfs/%s", self->v.dev + 5);
	EXPECT_STREQ(want, (char *)path.name);
	EXPECT_EQ(strlen(want), path.len);
	snprintf(want, sizeof(want), "/sys/fs/%s", path.name);
	EXPECT_TRUE(exists(want));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETFSUUID, NULL));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETFSSYSFSPATH, NULL));
	close(fd);
}

TEST_HARNESS_MAIN
