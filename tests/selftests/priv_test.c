// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody gains: set-id bits survive no change of a file, and root of a user
 * namespace is not root of a volume. The same is expected of ext4.
 */
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "file_util.h"

TDIR_FIXTURE(priv)

/* ---- set-id bits ---- */

static char page[4096] __attribute__((aligned(4096)));

static long by_write(int fd)
{
	return write(fd, "x", 1);
}

static long by_pwrite(int fd)
{
	return pwrite(fd, "x", 1, 100000);
}

static long by_direct(int fd)
{
	if (fcntl(fd, F_SETFL, O_DIRECT))
		return -1;
	return pwrite(fd, page, sizeof(page), 0);
}

static long by_direct_past_end(int fd)
{
	if (fcntl(fd, F_SETFL, O_DIRECT))
		return -1;
	return pwrite(fd, page, sizeof(page), 1 << 20);
}

static long by_append(int fd)
{
	return fcntl(fd, F_SETFL, O_APPEND) ? -1 : write(fd, "x", 1);
}

static long by_truncate(int fd)
{
	return truncate("f", 10);
}

static long by_ftruncate(int fd)
{
	return ftruncate(fd, 20000);
}

static long by_open(int fd)
{
	return open("f", O_WRONLY | O_TRUNC);
}

static long by_fallocate(int fd)
{
	return fallocate(fd, 0, 0, 20000);
}

static long by_punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long by_zero(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096);
}

static long by_collapse(int fd)
{
	return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
}

static long by_insert(int fd)
{
	return fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096);
}

static long by_copy(int fd)
{
	int in = open("source", O_RDONLY);

	return copy_file_range(in, NULL, fd, NULL, 100, 0) == 100 ? 0 : -1;
}

static long by_sendfile(int fd)
{
	int in = open("source", O_RDONLY);

	return sendfile(fd, in, NULL, 100) == 100 ? 0 : -1;
}

static long by_splice(int fd)
{
	int p[2];

	if (pipe(p) || write(p[1], "x", 1) != 1)
		return -1;
	return splice(p[0], NULL, fd, NULL, 1, 0) == 1 ? 0 : -1;
}

static long by_chown(int fd)
{
	return fchown(fd, -1, TEST_GID);
}

static const struct {
	const char *name;
	long (*change)(int fd);
} ways[] = {
	{ "write", by_write }, { "pwrite", by_pwrite }, { "direct", by_direct },
	{ "direct, past the end", by_direct_past_end }, { "append", by_append },
	{ "truncate", by_truncate }, { "ftruncate", by_ftruncate }, { "O_TRUNC", by_open },
	{ "fallocate", by_fallocate }, { "punch", by_punch }, { "zero", by_zero },
	{ "collapse", by_collapse }, { "insert", by_insert },
	{ "copy_file_range", by_copy }, { "sendfile", by_sendfile }, { "splice", by_splice },
	{ "chown", by_chown },
};

static void make_setid(struct __test_metadata *_metadata)
{
	int fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0600), i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(sizeof(page), write(fd, page, sizeof(page)));
	close(fd);
	ASSERT_OK(chown("f", TEST_UID, TEST_GID));
	ASSERT_OK(chmod("f", 06777));
}

TEST_F(priv, setid_bits_go)
{
	unsigned int i;
	int fd = open_new("source");

	ASSERT_EQ(sizeof(page), write(fd, page, sizeof(page)));
	close(fd);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		make_setid(_metadata);
		EXPECT_EQ(0, AS_USER(ways[i].change(open("f", O_RDWR))))
			TH_LOG("%s", ways[i].name);
		EXPECT_EQ(0777, mode_of("f")) TH_LOG("%s: %o", ways[i].name, mode_of("f"));
		/* Also on the disk. */
		drop_caches();
		EXPECT_EQ(0777, mode_of("f")) TH_LOG("%s: %o", ways[i].name, mode_of("f"));
		ASSERT_OK(unlink("f"));
	}
}

static long store(const char *name)
{
	int fd = open(name, O_RDWR);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	*p = 'x';
	return munmap(p, 4096);
}

/* As everywhere: who may map a file may write it, too. */
TEST_F(priv, setid_bits_outlive_stores)
{
	make_setid(_metadata);
	EXPECT_EQ(0, AS_USER(store("f")));
	EXPECT_EQ(06777, mode_of("f"));
}

/* ---- user namespaces ---- */

static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	ret = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -1 : 0;
	close(fd);
	return ret;
}

/* Become root of a user namespace of one's own, being the ordinary user. */
static int become_ns_root(void)
{
	char map[32];

	sprintf(map, "0 %d 1", TEST_UID);
	/* Who has changed his user ID may not write to his own files in /proc. */
	if (prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    put_text("/proc/self/uid_map", map))
		return -1;
	return 0;
}

/* In such a namespace: the call's errno. */
#define AS_NS_ROOT(call) AS_USER(become_ns_root() ? (errno = 254, -1) : (long)(call))

/*
 * May the root of a namespace set an attribute of a security module? No, but
 * kernel 6.1 lets every owner do it when the module "bpf" is in use.
 */
static long security_xattr_on_tmpfs(struct __test_metadata *_metadata)
{
	long ret;

	ASSERT_OK(mkdir("tmpfs", 0755));
	ASSERT_OK(mount("none", "tmpfs", "tmpfs", 0, NULL));
	EXPECT_OK(create_file("tmpfs/own", 0644));
	EXPECT_OK(chown("tmpfs/own", TEST_UID, TEST_GID));
	ret = AS_NS_ROOT(setxattr("tmpfs/own", "security.other", "1", 1, 0));
	EXPECT_OK(umount2("tmpfs", 0));
	return ret;
}

static long ns_mount(void)
{
	return mount(getenv("LNKFS_DEV"), "/mnt", env_or("FSTYPE", "lnkfs"), 0, NULL);
}

static long ns_label(void)
{
	char label[FSLABEL_MAX] = "mine";

	return ioctl(open(".", O_RDONLY), FS_IOC_SETFSLABEL, label);
}

static long ns_trim(void)
{
	struct fstrim_range r = { .len = ~0ULL };

	return ioctl(open(".", O_RDONLY), FITRIM, &r);
}

static long ns_freeze(void)
{
	return ioctl(open(".", O_RDONLY), FIFREEZE, 0);
}

static long ns_shutdown(void)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW;

	return ioctl(open(".", O_RDONLY), LNKFS_IOC_SHUTDOWN, &how);
}

static long ns_grow(void)
{
	struct lnkfs_grow g = { .g_size = sizeof(g), .g_flags = LNKFS_GROW_DRY };

	return ioctl(open(".", O_RDONLY), LNKFS_IOC_GROW, &g);
}

static long ns_immutable(void)
{
	int flags = FS_IMMUTABLE_FL;

	return ioctl(open("own", O_RDONLY), FS_IOC_SETFLAGS, &flags);
}

static long ns_device(void)
{
	return mknod("dir/disk", S_IFBLK | 0666, makedev(8, 0));
}

TEST_F(priv, root_of_a_namespace)
{
	int before = AS_NS_ROOT(0);

	if (before == 254)
		SKIP(return, "no user namespaces");
	ASSERT_EQ(0, before);
	ASSERT_OK(create_file("own", 0644));
	ASSERT_OK(chown("own", TEST_UID, TEST_GID));
	ASSERT_OK(mkdir("dir", 0777));
	ASSERT_OK(chmod("dir", 0777));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_mount()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_label()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_trim()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_freeze()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_shutdown()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_immutable()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(ns_device()));
	EXPECT_EQ(EPERM, AS_NS_ROOT(setxattr("own", "trusted.x", "1", 1, 0)));
	EXPECT_EQ(security_xattr_on_tmpfs(_metadata),
		  AS_NS_ROOT(setxattr("own", "security.other", "1", 1, 0)));
	if (on_lnkfs())
		EXPECT_EQ(EPERM, AS_NS_ROOT(ns_grow()));
	EXPECT_OK(create_file("alive", 0644));
}

/* ---- sticky directories ---- */

TEST_F(priv, sticky)
{
	ASSERT_OK(mkdir("tmp", 01777));
	ASSERT_OK(chmod("tmp", 01777));
	ASSERT_OK(create_file("tmp/others", 0666));
	ASSERT_OK(symlink("x", "tmp/link"));
	EXPECT_EQ(EPERM, AS_USER(unlink("tmp/others")));
	EXPECT_EQ(EPERM, AS_USER(unlink("tmp/link")));
	EXPECT_EQ(EPERM, AS_USER(rename("tmp/link", "tmp/mine")));
	EXPECT_EQ(0, AS_USER(create_file("tmp/own", 0644)));
	EXPECT_EQ(EPERM, AS_USER(rename("tmp/own", "tmp/others")));
	EXPECT_EQ(0, AS_USER(rename("tmp/own", "tmp/own2")));
	EXPECT_EQ(0, AS_USER(unlink("tmp/own2")));
}

TEST_HARNESS_MAIN
