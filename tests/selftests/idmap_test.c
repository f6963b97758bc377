// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts with mapped IDs: what every operation makes of an owner. On the mapped
 * mount the IDs 0 to 999 of the volume stand for 100000 to 100999; others have
 * no meaning there.
 */
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "lnkfs_test.h"
#include "userns.h"

#define BASE	100000
#define NOBODY	65534

FIXTURE(idmap) { struct tdir dir; };

FIXTURE_SETUP(idmap)
{
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	tdir_enter(_metadata, &self->dir);
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(chmod("d", 01777));
	ASSERT_OK(mkdir("map", 0755));
	ASSERT_OK(mount_idmapped("d", "map", "0 100000 1000"));
}

FIXTURE_TEARDOWN(idmap)
{
	umount2("map", MNT_DETACH);
	tdir_leave(_metadata, &self->dir);
}

/* Evaluate the call as user and group @id, without capabilities; 0 or its errno. */
#define AS_ID(id, call) ({						\
	pid_t pid_ = fork();						\
	int st_ = 0;							\
									\
	if (!pid_) {							\
		if (setgroups(0, NULL) || setgid(id) || setuid(id))	\
			_exit(255);					\
		umask(022);						\
		_exit((long)(call) == -1 ? errno : 0);			\
	}								\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

/* The owner, if the group is the same; else -1. */
static long owner(const char *name)
{
	struct stat st;

	if (lstat(name, &st))
		return -1;
	return st.st_uid == st.st_gid ? (long)st.st_uid : -1;
}

static int make_tmpfile(const char *dir, const char *name)
{
	char path[64];
	int fd = open(dir, O_TMPFILE | O_RDWR, 0644);

	if (fd < 0)
		return -1;
	sprintf(path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static int make_socket(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, name);
	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

TEST_F(idmap, creating)
{
	static const char *const names[] = {
		"file", "dir", "fast", "slow", "fifo", "socket", "tmpfile", "node"
	};
	char target[1024], plain[32], mapped[32];
	unsigned int i;

	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	if (symlink_max() < sizeof(target))
		target[symlink_max()] = 0;
	EXPECT_EQ(0, AS_ID(BASE + 5, create_file("map/file", 0644)));
	EXPECT_EQ(0, AS_ID(BASE + 5, mkdir("map/dir", 0755)));
	EXPECT_EQ(0, AS_ID(BASE + 5, symlink("target", "map/fast")));
	EXPECT_EQ(0, AS_ID(BASE + 5, symlink(target, "map/slow")));
	EXPECT_EQ(0, AS_ID(BASE + 5, mkfifo("map/fifo", 0644)));
	EXPECT_EQ(0, AS_ID(BASE + 5, make_socket("map/socket")));
	EXPECT_EQ(0, AS_ID(BASE + 5, make_tmpfile("map", "map/tmpfile")));
	EXPECT_EQ(0, AS_ID(BASE + 5, mknod("map/node", S_IFREG | 0644, 0)));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		sprintf(plain, "d/%s", names[i]);
		sprintf(mapped, "map/%s", names[i]);
		EXPECT_EQ(5, owner(plain)) TH_LOG("%s", names[i]);
		EXPECT_EQ(BASE + 5, owner(mapped)) TH_LOG("%s", names[i]);
	}
	drop_caches();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		sprintf(plain, "d/%s", names[i]);
		EXPECT_EQ(5, owner(plain)) TH_LOG("%s", names[i]);
	}
}

/* Whose ID stands for none of the volume's cannot own anything there. */
TEST_F(idmap, creators_without_a_number)
{
	static const uid_t ids[] = { 0, 5, 99999, 101000, NOBODY };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], create_file("map/new", 0644)));
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], mkdir("map/new", 0755)));
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], symlink("x", "map/new")));
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], mkfifo("map/new", 0644)));
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], open("map", O_TMPFILE | O_RDWR, 0644)));
	}
	EXPECT_ERR(EOVERFLOW, create_file("map/new", 0644));
	EXPECT_EQ(false, exists("d/new"));
}

TEST_F(idmap, chown)
{
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(symlink("x", "d/l"));
	EXPECT_EQ(BASE, owner("map/f"));
	EXPECT_OK(chown("map/f", BASE + 7, BASE + 7));
	EXPECT_EQ(7, owner("d/f"));
	EXPECT_OK(lchown("map/l", BASE + 999, BASE + 999));
	EXPECT_EQ(999, owner("d/l"));
	EXPECT_ERR(EOVERFLOW, chown("map/f", 7, -1));
	EXPECT_ERR(EOVERFLOW, chown("map/f", -1, BASE + 1000));
	EXPECT_ERR(EOVERFLOW, lchown("map/l", 0, 0));
	EXPECT_EQ(7, owner("d/f"));
	/* The group may go to one that the owner is in; the owner stays. */
	EXPECT_EQ(EPERM, AS_ID(BASE + 7, chown("map/f", BASE + 8, -1)));
	EXPECT_EQ(0, AS_ID(BASE + 7, chown("map/f", -1, BASE + 7)));
	EXPECT_EQ(EPERM, AS_ID(7, chown("map/f", -1, BASE + 7)));
	EXPECT_EQ(EOVERFLOW, AS_ID(7, chown("map/f", -1, 7)));
	/* What the mapped mount does not know it shows as nobody's. */
	EXPECT_OK(chown("d/f", 5000, 5000));
	EXPECT_EQ(NOBODY, owner("map/f"));
	EXPECT_ERR(EOVERFLOW, chmod("map/f", 0600));
	EXPECT_EQ(5000, owner("d/f"));
}

/* A file with an owner without meaning can be read, not written. */
TEST_F(idmap, unmapped_owner)
{
	int fd;

	ASSERT_OK(create_text("d/f", "text"));
	ASSERT_OK(chown("d/f", 5000, 5000));
	ASSERT_OK(chmod("d/f", 0666));
	EXPECT_OK(fd = open("map/f", O_RDONLY));
	close(fd);
	EXPECT_ERR(EACCES, open("map/f", O_RDWR));
	EXPECT_EQ(EACCES, AS_ID(BASE + 1, open("map/f", O_WRONLY | O_TRUNC)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 1, truncate("map/f", 0)));
	EXPECT_OK(fd = open("d/f", O_RDWR));
	close(fd);
	EXPECT_EQ(0, strcmp(read_text("d/f"), "text"));
}

/* The owner is who has the mapped number, not who has the volume's. */
TEST_F(idmap, owners_rights)
{
	struct timespec ts[2] = { { 1000, 1 }, { 2000, 2 } };
	struct stat st;

	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/f", 0600)));
	ASSERT_EQ(0, AS_ID(BASE + 5, symlink("f", "map/l")));
	EXPECT_EQ(0, AS_ID(BASE + 5, chmod("map/f", 0640)));
	EXPECT_EQ(0, AS_ID(BASE + 5, open("map/f", O_RDWR)));
	EXPECT_EQ(0, AS_ID(BASE + 5, utimensat(AT_FDCWD, "map/f", ts, 0)));
	EXPECT_EQ(0, AS_ID(BASE + 5, utimensat(AT_FDCWD, "map/l", ts, AT_SYMLINK_NOFOLLOW)));
	EXPECT_EQ(0, AS_ID(BASE + 5, truncate("map/f", 100)));
	EXPECT_EQ(0, AS_ID(BASE + 5, link("map/f", "map/f2")));
	EXPECT_EQ(0, AS_ID(BASE + 5, rename("map/f2", "map/f3")));
	EXPECT_EQ(0, AS_ID(BASE + 5, unlink("map/f3")));
	ASSERT_OK(stat("d/f", &st));
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	EXPECT_EQ(100, st.st_size);

	EXPECT_EQ(EPERM, AS_ID(5, chmod("map/f", 0666)));
	EXPECT_EQ(EACCES, AS_ID(5, open("map/f", O_RDONLY)));
	EXPECT_EQ(EPERM, AS_ID(5, utimensat(AT_FDCWD, "map/f", ts, 0)));
	EXPECT_EQ(EPERM, AS_ID(BASE + 6, chmod("map/f", 0666)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 6, open("map/f", O_RDONLY)));
	/* The directory is sticky, and neither's. */
	EXPECT_EQ(EPERM, AS_ID(5, unlink("map/f")));
	EXPECT_EQ(EPERM, AS_ID(BASE + 6, unlink("map/f")));
	EXPECT_EQ(EPERM, AS_ID(BASE + 6, rename("map/f", "map/g")));
	/* On the plain mount it is the other way round. */
	EXPECT_EQ(0, AS_ID(5, chmod("d/f", 0600)));
	EXPECT_EQ(EPERM, AS_ID(BASE + 5, chmod("d/f", 0666)));
	EXPECT_EQ(0, AS_ID(5, open("d/f", O_RDWR)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 5, open("d/f", O_RDWR)));
	EXPECT_EQ(0, AS_ID(BASE + 5, unlink("map/f")));
	EXPECT_EQ(0, AS_ID(5, unlink("d/l")));
}

TEST_F(idmap, group_of_the_directory)
{
	struct stat st;

	ASSERT_OK(mkdir("d/sg", 0777));
	ASSERT_OK(chown("d/sg", 0, 9));
	ASSERT_OK(chmod("d/sg", 02777));
	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/sg/f", 0644)));
	ASSERT_EQ(0, AS_ID(BASE + 5, mkdir("map/sg/d", 0755)));
	ASSERT_EQ(0, AS_ID(BASE + 5, symlink("x", "map/sg/l")));
	ASSERT_OK(stat("d/sg/f", &st));
	EXPECT_EQ(5, st.st_uid);
	EXPECT_EQ(9, st.st_gid);
	ASSERT_OK(lstat("map/sg/l", &st));
	EXPECT_EQ(BASE + 5, st.st_uid);
	EXPECT_EQ(BASE + 9, st.st_gid);
	ASSERT_OK(stat("map/sg/d", &st));
	EXPECT_EQ(BASE + 9, st.st_gid);
	EXPECT_EQ(S_IFDIR | 02755, st.st_mode);
	/* Not in the group: the bit does not survive a chmod of the owner's. */
	ASSERT_EQ(0, AS_ID(BASE + 5, chmod("map/sg/f", 02755)));
	ASSERT_OK(stat("d/sg/f", &st));
	EXPECT_EQ(S_IFREG | 0755, st.st_mode);
}

TEST_F(idmap, whiteout_and_exchange)
{
	ASSERT_OK(create_file("d/a", 0644));
	ASSERT_OK(chown("d/a", 5, 5));
	ASSERT_OK(mkdir("d/own", 0777));
	ASSERT_OK(chown("d/own", 5, 5));
	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/own/a", 0644)));
	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/own/b", 0644)));
	EXPECT_EQ(0, AS_ID(BASE + 5, renameat2(AT_FDCWD, "map/own/a", AT_FDCWD, "map/own/b",
					       RENAME_EXCHANGE)));
	EXPECT_EQ(0, AS_ID(BASE + 5, renameat2(AT_FDCWD, "map/own/a", AT_FDCWD, "map/own/c",
					       RENAME_WHITEOUT)));
	EXPECT_EQ(5, owner("d/own/a"));
	EXPECT_EQ(BASE + 5, owner("map/own/a"));
	EXPECT_EQ(EXDEV, AS_ID(BASE + 5, link("d/own/b", "map/own/l")));
}

/* The VFS asks for the number where a name is made, not where one is replaced. */
TEST_F(idmap, whiteouts_without_a_number)
{
	static const uid_t ids[] = { 0, 5, 101000 };
	unsigned int i;

	ASSERT_OK(mkdir("d/open", 0777));
	ASSERT_OK(chmod("d/open", 0777));
	ASSERT_OK(create_text("d/open/a", "this is a"));
	ASSERT_OK(create_text("d/open/b", "this is b"));
	ASSERT_OK(chown("d/open/a", 5, 5));
	ASSERT_OK(chown("d/open/b", 5, 5));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(EOVERFLOW, AS_ID(ids[i], renameat2(AT_FDCWD, "map/open/a", AT_FDCWD,
							     "map/open/b", RENAME_WHITEOUT)));
	EXPECT_ERR(EOVERFLOW, renameat2(AT_FDCWD, "map/open/a", AT_FDCWD, "map/open/b",
					RENAME_WHITEOUT));
	drop_caches();
	ASSERT_EQ(5, owner("d/open/a"));
	ASSERT_EQ(5, owner("d/open/b"));
	EXPECT_EQ(0, strcmp(read_text("d/open/a"), "this is a"));
	EXPECT_EQ(0, strcmp(read_text("d/open/b"), "this is b"));
	/* One with a number may, and so may those without one as long as nothing is made. */
	EXPECT_EQ(0, AS_ID(BASE + 6, renameat2(AT_FDCWD, "map/open/a", AT_FDCWD, "map/open/b",
					       RENAME_WHITEOUT)));
	EXPECT_EQ(6, owner("d/open/a"));
	ASSERT_EQ(0, AS_ID(5, rename("map/open/b", "map/open/a")));
	EXPECT_EQ(0, strcmp(read_text("d/open/a"), "this is a"));
}

/* chattr(1)'s flags belong to the owner, as the mount shows it. */
TEST_F(idmap, flags)
{
	int flags = FS_NODUMP_FL, fd;

	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/f", 0644)));
	fd = open("map/f", O_RDONLY);
	ASSERT_OK(fd);
	EXPECT_EQ(0, AS_ID(BASE + 5, ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(EPERM, AS_ID(5, ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	close(fd);
	fd = open("d/f", O_RDONLY);
	EXPECT_EQ(EPERM, AS_ID(BASE + 5, ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(0, AS_ID(5, ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	close(fd);
}

TEST_F(idmap, extended_attributes)
{
	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/f", 0600)));
	if (setxattr("d/f", "user.x", "y", 1, 0) && errno == EOPNOTSUPP)
		SKIP(return, "no extended attributes");
	EXPECT_EQ(0, AS_ID(BASE + 5, setxattr("map/f", "user.a", "b", 1, 0)));
	EXPECT_EQ(EACCES, AS_ID(5, setxattr("map/f", "user.a", "c", 1, 0)));
	EXPECT_EQ(0, AS_ID(BASE + 5, removexattr("map/f", "user.a")));
	EXPECT_EQ(EACCES, AS_ID(5, removexattr("map/f", "user.x")));
}

/* An ACL entry for user @id beside the owner's. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag;
		uint16_t perm;
		uint32_t id;
	} __attribute__((packed)) e[5];
} __attribute__((packed));

static struct acl acl_for(uint32_t id)
{
	return (struct acl) { 2, { { 1, 6, -1 }, { 2, 4, id }, { 4, 0, -1 }, { 16, 4, -1 },
				   { 32, 0, -1 } } };
}

#define ACL_ACCESS	"system.posix_acl_access"

TEST_F(idmap, acl)
{
	struct acl set = acl_for(BASE + 6), seen;

	ASSERT_EQ(0, AS_ID(BASE + 5, create_file("map/f", 0600)));
	if (setxattr("d/f", ACL_ACCESS, &set, 0, 0) && errno == EOPNOTSUPP)
		SKIP(return, "no ACLs");
	EXPECT_EQ(EPERM, AS_ID(5, setxattr("map/f", ACL_ACCESS, &set, sizeof(set), 0)));
	EXPECT_EQ(0, AS_ID(BASE + 5, setxattr("map/f", ACL_ACCESS, &set, sizeof(set), 0)));
	ASSERT_EQ(sizeof(seen), getxattr("map/f", ACL_ACCESS, &seen, sizeof(seen)));
	EXPECT_EQ(BASE + 6, seen.e[1].id);
	ASSERT_EQ(sizeof(seen), getxattr("d/f", ACL_ACCESS, &seen, sizeof(seen)));
	EXPECT_EQ(6, seen.e[1].id);
	EXPECT_EQ(0, AS_ID(BASE + 6, open("map/f", O_RDONLY)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 6, open("map/f", O_WRONLY)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 7, open("map/f", O_RDONLY)));
	EXPECT_EQ(0, AS_ID(6, open("d/f", O_RDONLY)));
	EXPECT_EQ(EACCES, AS_ID(BASE + 6, open("d/f", O_RDONLY)));
	/* A number that stands for none of the volume's. */
	set = acl_for(6);
	EXPECT_EQ(EINVAL, AS_ID(BASE + 5, setxattr("map/f", ACL_ACCESS, &set, sizeof(set), 0)));
}

TEST_HARNESS_MAIN
