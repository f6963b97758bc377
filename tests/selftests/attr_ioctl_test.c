// SPDX-License-Identifier: GPL-2.0
/*
 * LNKFS_IOC_GETATTR and LNKFS_IOC_SETATTR: their arguments, the objects and
 * carriers they take, mounts, namespaces, freezing, 32-bit callers, races.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "attr_util.h"
#include "userns.h"
#include "volume.h"

LNKFS_ONLY
FLAGS_FIXTURE(ioctl)

#define MODE	LNKFS_ATTR_MODE
#define FLAGS	LNKFS_ATTR_FLAGS

static struct lnkfs_attr get_of(int fd)
{
	return (struct lnkfs_attr) { .a_size = sizeof(struct lnkfs_attr), .a_fd = fd };
}

static struct lnkfs_attr set_of(int fd, uint32_t mask, uint32_t mode, uint32_t flags)
{
	return (struct lnkfs_attr) {
		.a_size = sizeof(struct lnkfs_attr), .a_fd = fd, .a_mask = mask,
		.a_mode = mode, .a_flags = flags,
	};
}

TEST_F(ioctl, numbers)
{
	EXPECT_EQ(64, sizeof(struct lnkfs_attr));
	EXPECT_EQ(0xc040ac01, LNKFS_IOC_GETATTR);
	EXPECT_EQ(0x4040ac02, LNKFS_IOC_SETATTR);
}

TEST_F(ioctl, what_getattr_fills)
{
	int dir = open(".", O_RDONLY), fd;
	struct lnkfs_attr a;
	struct stat st;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		ASSERT_OK(lstat("o", &st));
		ASSERT_OK(lchflags("o", LNKFS_UF_HIDDEN));
		fd = open_path("o");
		ASSERT_OK(attr_get(dir, fd, &a));
		EXPECT_EQ(64, a.a_size);
		EXPECT_EQ(fd, a.a_fd);
		EXPECT_EQ(MODE | FLAGS, a.a_mask);
		EXPECT_EQ(st.st_mode, a.a_mode);
		EXPECT_EQ(LNKFS_UF_HIDDEN, a.a_flags);
		for (int i = 0; i < 5; i++)
			EXPECT_EQ(0, a.a_reserved[i]);
		close(fd);
		ASSERT_OK(remove("o"));
	}
	close(dir);
}

/* Every way in which the structure can be wrong; nothing may change. */
TEST_F(ioctl, bad_arguments)
{
	static const uint32_t sizes[] = { 0, 1, 63, 65, 128, 4096, ~0u };
	int dir = open(".", O_RDONLY), fd;
	struct stat before, after;
	struct lnkfs_attr a;
	unsigned int i;
	char *page;

	ASSERT_EQ(0, make_object("l", T_FAST));
	ASSERT_OK(lstat("l", &before));
	fd = open_path("l");
	ASSERT_OK(fd);
	tick();
#define BAD(err, cmd, ...) do {						\
	a = __VA_ARGS__;						\
	EXPECT_ERR(err, ioctl(dir, cmd, &a));				\
} while (0)
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		a = get_of(fd);
		a.a_size = sizes[i];
		EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_GETATTR, &a));
		a = set_of(fd, FLAGS, 0, LNKFS_UF_HIDDEN);
		a.a_size = sizes[i];
		EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_SETATTR, &a));
	}
	for (i = 0; i < 5; i++) {
		a = get_of(fd);
		a.a_reserved[i] = 1ULL << (i * 12);
		EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_GETATTR, &a));
		a = set_of(fd, MODE, 0500, 0);
		a.a_reserved[i] = 1ULL << (63 - i);
		EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_SETATTR, &a));
	}
	BAD(EINVAL, LNKFS_IOC_SETATTR, set_of(fd, 0, 0, 0));
	for (i = 2; i < 32; i++)
		BAD(EINVAL, LNKFS_IOC_SETATTR, set_of(fd, FLAGS | 1u << i, 0, 0));
	for (i = 12; i < 32; i++)
		BAD(EINVAL, LNKFS_IOC_SETATTR, set_of(fd, MODE, 0500 | 1u << i, 0));
	/* what must be 0 */
	BAD(EINVAL, LNKFS_IOC_GETATTR, set_of(fd, FLAGS, 0, 0));
	BAD(EINVAL, LNKFS_IOC_GETATTR, set_of(fd, 0, 1, 0));
	BAD(EINVAL, LNKFS_IOC_GETATTR, set_of(fd, 0, 0, 1));
	a = get_of(fd);
	a.a_supported = 1;
	EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_GETATTR, &a));
	/* pointers */
	for (i = 0; i < 2; i++) {
		unsigned long cmd = i ? LNKFS_IOC_SETATTR : LNKFS_IOC_GETATTR;

		EXPECT_ERR(EFAULT, ioctl(dir, cmd, NULL));
		EXPECT_ERR(EFAULT, ioctl(dir, cmd, (void *)-64L));
		EXPECT_ERR(EFAULT, ioctl(dir, cmd, (void *)0xffff800000000000));
	}
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_OK(munmap(page + 4096, 4096));
	a = set_of(fd, FLAGS, 0, LNKFS_UF_HIDDEN);
	memcpy(page + 4096 - 60, &a, 60);
	EXPECT_ERR(EFAULT, ioctl(dir, LNKFS_IOC_SETATTR, page + 4096 - 60));
	a = get_of(fd);
	memcpy(page, &a, sizeof(a));
	ASSERT_OK(mprotect(page, 4096, PROT_READ));
	EXPECT_ERR(EFAULT, ioctl(dir, LNKFS_IOC_GETATTR, page));
	a = set_of(fd, FLAGS, 0, 0);
	munmap(page, 4096);
	/* unknown requests of the same family */
	EXPECT_ERR(ENOTTY, ioctl(dir, _IOWR(0xAC, 1, int), &a));
	EXPECT_ERR(ENOTTY, ioctl(dir, _IOW(0xAC, 3, struct lnkfs_attr), &a));
	ASSERT_OK(lstat("l", &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, flags_of("l"));
	close(fd);
	close(dir);
#undef BAD
}

TEST_F(ioctl, bad_descriptors)
{
	int dir = open(".", O_RDONLY), fd, pair[2], pipes[2];
	struct lnkfs_attr a;
	unsigned int i, n = 0;
	struct { int fd, err; const char *what; } bad[12];

	ASSERT_OK(create_file("f", 0644));
	fd = open("f", O_RDONLY);
	close(fd);
	ASSERT_OK(pipe(pipes));
	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
#define FD(number, errno_, text) do {					\
	bad[n].fd = number;						\
	bad[n].err = errno_;						\
	bad[n++].what = text;						\
} while (0)
	FD(fd + 100, EBADF, "never opened");
	FD(-1, EBADF, "-1");
	FD(AT_FDCWD, EBADF, "AT_FDCWD");
	FD(INT32_MIN, EBADF, "INT_MIN");
	FD(pipes[0], EXDEV, "pipe");
	FD(pair[0], EXDEV, "socket");
	FD(epoll_create1(0), EXDEV, "epoll");
	FD(open("/proc/self/stat", O_RDONLY), EXDEV, "/proc");
	FD(open("/", O_PATH), EXDEV, "/");
	FD(open("/dev/null", O_RDWR), EXDEV, "device node elsewhere");
#undef FD
	for (i = 0; i < n; i++) {
		if (bad[i].err == EXDEV)
			ASSERT_OK(bad[i].fd);
		errno = 0;
		EXPECT_EQ(-1, attr_get(dir, bad[i].fd, &a));
		EXPECT_EQ(bad[i].err, errno) TH_LOG("GETATTR of %s", bad[i].what);
		errno = 0;
		EXPECT_EQ(-1, attr_set(dir, bad[i].fd, FLAGS, 0, 1));
		EXPECT_EQ(bad[i].err, errno) TH_LOG("SETATTR of %s", bad[i].what);
		if (bad[i].fd > 2 && bad[i].err == EXDEV)
			close(bad[i].fd);
	}
	/* as a carrier: what is not of a volume, and what cannot do ioctls */
	fd = open("f", O_RDONLY);
	EXPECT_ERR(ENOTTY, attr_get(pipes[1], fd, &a));
	close(fd);
	fd = open_path("f");
	EXPECT_ERR(EBADF, attr_get(fd, fd, &a));
	close(fd);
	EXPECT_ERR(EBADF, attr_get(fd, dir, &a));
	close(pipes[1]);
	close(pair[1]);
	close(dir);
}

/* Any way to have it open, any file that carries the call. */
TEST_F(ioctl, objects_and_carriers)
{
	static const int how[] = { O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_NONBLOCK };
	struct lnkfs_attr a;
	int carriers[4];
	unsigned int i, c;
	enum type t;
	int fd;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(mkdir("d", 0755));
	carriers[0] = open(".", O_RDONLY);
	carriers[1] = open("d", O_RDONLY | O_DIRECTORY);
	carriers[2] = open("f", O_RDONLY);
	carriers[3] = open("f", O_WRONLY);
	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		for (i = 0; i < ARRAY_SIZE(how); i++) {
			if (is_link(t) ? how[i] != (O_PATH | O_NOFOLLOW) :
			    t == T_SOCK && !(how[i] & O_PATH))
				continue;
			fd = open("o", how[i]);
			ASSERT_OK(fd);
			for (c = 0; c < ARRAY_SIZE(carriers); c++) {
				EXPECT_OK(attr_set(carriers[c], fd, FLAGS, 0, 1u << 15));
				EXPECT_OK(attr_get(carriers[c], fd, &a));
				EXPECT_EQ(1u << 15, a.a_flags);
				EXPECT_OK(attr_set(carriers[c], fd, FLAGS, 0, 0));
				if (!is_link(t)) {
					EXPECT_ERR(EOPNOTSUPP,
						   attr_set(carriers[c], fd, MODE, 0, 0));
					EXPECT_ERR(EOPNOTSUPP,
						   attr_set(carriers[c], fd,
							    MODE | FLAGS, 0, 1));
				}
			}
			close(fd);
		}
		EXPECT_EQ(0, flags_of("o"));
		ASSERT_OK(remove("o"));
	}
	/* the carrier names itself; its own flags do not matter to the call */
	EXPECT_OK(attr_set(carriers[2], carriers[2], FLAGS, 0, LNKFS_UF_IMMUTABLE));
	EXPECT_OK(attr_set(carriers[2], carriers[2], FLAGS, 0, 0));
	for (c = 0; c < ARRAY_SIZE(carriers); c++)
		close(carriers[c]);
}

TEST_F(ioctl, mode_of_links)
{
	static const mode_t modes[] = { 0, 0500, 0777, 0644, 01777, 07777, 04000, 02000 };
	struct stat st;
	unsigned int i;
	enum type t;

	for (t = T_FAST; t <= T_SLOW; t++) {
		ASSERT_EQ(0, make_object("l", t));
		for (i = 0; i < ARRAY_SIZE(modes); i++) {
			EXPECT_OK(lchmod_("l", modes[i]));
			ASSERT_OK(lstat("l", &st));
			EXPECT_EQ(S_IFLNK | modes[i], st.st_mode);
		}
		EXPECT_EQ(0, AS(U_OWNER, lchmod_("l", 0500)));
		EXPECT_EQ(0, AS(U_NSROOT, lchmod_("l", 0700)));
		EXPECT_EQ(EPERM, AS(U_OTHER, lchmod_("l", 0777)));
		EXPECT_EQ(0700, mode_of("l"));
		/* the permissions of a link do not stop anybody from following it */
		ASSERT_OK(lchmod_("l", 0));
		EXPECT_EQ(ENOENT, AS(U_OTHER, open("l", O_RDONLY)));
		EXPECT_EQ(0, AS(U_OTHER, readlink("l", (char[8]){ 0 }, 8)));
		ASSERT_OK(unlink("l"));
	}
}

/* A set-group-ID bit that chmod(2) would drop is dropped here too. */
TEST_F(ioctl, group_bit_of_a_strange_group)
{
	ASSERT_OK(symlink("t", "l"));
	ASSERT_OK(lchown("l", TEST_UID, 4242));
	EXPECT_EQ(0, AS(U_OWNER, lchmod_("l", 02755)));
	EXPECT_EQ(0755, mode_of("l"));
	EXPECT_OK(lchmod_("l", 02755));
	EXPECT_EQ(02755, mode_of("l"));
}

TEST_F(ioctl, mode_and_flags_are_one_change)
{
	struct stat a, b;

	ASSERT_EQ(0, make_object("l", T_FAST));
	EXPECT_OK(lsetattr("l", MODE | FLAGS, 0500, LNKFS_UF_IMMUTABLE));
	EXPECT_EQ(0500, mode_of("l"));
	EXPECT_EQ(LNKFS_UF_IMMUTABLE, flags_of("l"));
	ASSERT_OK(lstat("l", &a));
	tick();
	/* each of these fails for one half, and does not do the other */
	EXPECT_ERR(EPERM, lsetattr("l", MODE | FLAGS, 0700, 0));
	ASSERT_OK(lstat("l", &b));
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
	ASSERT_OK(lchflags("l", 0));
	ASSERT_OK(lstat("l", &a));
	tick();
	EXPECT_ERR(EPERM, lsetattr("l", MODE | FLAGS, 0700, LNKFS_SF_SNAPSHOT));
	EXPECT_ERR(EOPNOTSUPP, lsetattr("l", MODE | FLAGS, 0700, 0x40));
	EXPECT_EQ(EPERM, AS(U_OWNER, lsetattr("l", MODE | FLAGS, 0700, LNKFS_SF_APPEND)));
	EXPECT_EQ(EPERM, AS(U_OTHER, lsetattr("l", MODE | FLAGS, 0700, 1)));
	EXPECT_ERR(EINVAL, lsetattr("l", MODE | FLAGS, 010700, 1));
	ASSERT_OK(lstat("l", &b));
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
	EXPECT_EQ(0, flags_of("l"));
}

FIXTURE(mounts) { struct volume v; };

FIXTURE_SETUP(mounts)
{
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, vol_make(&self->v, 32));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
}

FIXTURE_TEARDOWN(mounts)
{
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

TEST_F(mounts, another_volume)
{
	int dir = open(".", O_RDONLY), other = open(getenv("LNKFS_MNT"), O_RDONLY);
	struct lnkfs_attr a;

	EXPECT_ERR(EXDEV, attr_get(dir, other, &a));
	EXPECT_ERR(EXDEV, attr_set(dir, other, FLAGS, 0, 1));
	EXPECT_ERR(EXDEV, attr_get(other, dir, &a));
	EXPECT_OK(attr_get(other, other, &a));
	close(dir);
	close(other);
}

TEST_F(mounts, read_only_bind_mount)
{
	int dir, rodir, fd, rofd;
	struct lnkfs_attr a;

	ASSERT_OK(mkdir("ro", 0755));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_EQ(0, make_object("d/l", T_FAST));
	ASSERT_OK(mount("d", "ro", NULL, MS_BIND, NULL));
	ASSERT_OK(mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	dir = open("d", O_RDONLY);
	rodir = open("ro", O_RDONLY);
	fd = open_path("d/l");
	rofd = open_path("ro/l");
	/* it is the mount of the object that counts, not that of the carrier */
	EXPECT_ERR(EROFS, attr_set(dir, rofd, FLAGS, 0, LNKFS_UF_HIDDEN));
	EXPECT_ERR(EROFS, attr_set(dir, rofd, MODE, 0500, 0));
	EXPECT_ERR(EROFS, attr_set(rodir, rofd, FLAGS, 0, LNKFS_UF_HIDDEN));
	EXPECT_OK(attr_get(rodir, rofd, &a));
	EXPECT_EQ(0, a.a_flags);
	EXPECT_OK(attr_set(rodir, fd, FLAGS, 0, LNKFS_UF_HIDDEN));
	EXPECT_OK(attr_get(rodir, rofd, &a));
	EXPECT_EQ(LNKFS_UF_HIDDEN, a.a_flags);
	close(dir);
	close(rodir);
	close(fd);
	close(rofd);
	ASSERT_OK(umount("ro"));
}

/* On the mapped mount the other user's number stands for the owner. */
TEST_F(mounts, idmapped)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	enum type t;
	int tree;

	attr.userns_fd = user_namespace("1000 1001 1");
	ASSERT_LE(0, attr.userns_fd);
	ASSERT_OK(mkdir("map", 0755));
	ASSERT_OK(mkdir("d", 0777));
	ASSERT_OK(chmod("d", 0777));
	for (t = 0; t < NTYPES; t++)
		ASSERT_EQ(0, make_object(((const char *[]) { "d/0", "d/1", "d/2", "d/3",
					 "d/4", "d/5", "d/6", "d/7" })[t], t));
	tree = syscall(SYS_open_tree, AT_FDCWD, "d", OPEN_TREE_CLONE);
	ASSERT_LE(0, tree);
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr))) {
		ASSERT_EQ(EINVAL, errno);
		close(tree);
		SKIP(return, "this filesystem has no idmapped mounts");
	}
	ASSERT_OK(syscall(SYS_move_mount, tree, "", AT_FDCWD, "map", MOVE_MOUNT_F_EMPTY_PATH));
	for (t = 0; t < NTYPES; t++) {
		char mapped[16], plain[16];
		struct stat st;

		sprintf(mapped, "map/%u", t);
		sprintf(plain, "d/%u", t);
		ASSERT_OK(lstat(mapped, &st));
		EXPECT_EQ(OTHER_UID, st.st_uid);
		EXPECT_EQ(0, AS(U_OTHER, lchflags(mapped, LNKFS_UF_IMMUTABLE)))
			TH_LOG("%s", type_names[t]);
		EXPECT_EQ(LNKFS_UF_IMMUTABLE, flags_of(plain));
		EXPECT_EQ(EPERM, AS(U_OWNER, lchflags(mapped, 0)));
		EXPECT_EQ(EPERM, AS(U_OTHER, lchflags(plain, 0)));
		EXPECT_EQ(EPERM, AS(U_OTHER, lchflags(mapped, LNKFS_SF_IMMUTABLE)));
		EXPECT_EQ(0, AS(U_OWNER, lchflags(plain, 0)));
		if (is_link(t)) {
			EXPECT_EQ(0, AS(U_OTHER, lchmod_(mapped, 0500)));
			EXPECT_EQ(EPERM, AS(U_OWNER, lchmod_(mapped, 0700)));
			EXPECT_EQ(EPERM, AS(U_OTHER, lchmod_(plain, 0700)));
			EXPECT_EQ(0, AS(U_OWNER, lchmod_(plain, 0700)));
		}
		/* root outside is everybody's root, mapped or not */
		EXPECT_OK(lchflags(mapped, LNKFS_SF_NOUNLINK));
		EXPECT_OK(lchflags(mapped, 0));
	}
	close(tree);
	close(attr.userns_fd);
	ASSERT_OK(umount("map"));
}

TEST_F(mounts, frozen)
{
	int dir = open(".", O_RDONLY), fd, st;
	struct lnkfs_attr a;
	pid_t pid;

	ASSERT_EQ(0, make_object("l", T_FAST));
	fd = open_path("l");
	ASSERT_OK(ioctl(dir, FIFREEZE, 0));
	pid = fork();
	if (!pid)
		_exit(attr_set(dir, fd, MODE | FLAGS, 0500, LNKFS_UF_HIDDEN) ? errno : 0);
	usleep(300000);
	EXPECT_EQ(0, waitpid(pid, &st, WNOHANG)) TH_LOG("it did not wait");
	EXPECT_OK(attr_get(dir, fd, &a));
	EXPECT_EQ(0, a.a_flags);
	ASSERT_OK(ioctl(dir, FITHAW, 0));
	ASSERT_EQ(pid, waitpid(pid, &st, 0));
	EXPECT_EQ(0, st);
	EXPECT_OK(attr_get(dir, fd, &a));
	EXPECT_EQ(LNKFS_UF_HIDDEN, a.a_flags);
	EXPECT_EQ(S_IFLNK | 0500, a.a_mode);
	close(fd);
	close(dir);
}

TEST_F(mounts, shut_down)
{
	uint32_t how = LNKFS_SHUTDOWN_NOW, bad = 3;
	int dir = open(".", O_RDONLY), fd;
	struct lnkfs_attr a;

	ASSERT_EQ(0, make_object("l", T_FAST));
	fd = open_path("l");
	EXPECT_ERR(EINVAL, ioctl(dir, LNKFS_IOC_SHUTDOWN, &bad));
	EXPECT_ERR(EFAULT, ioctl(dir, LNKFS_IOC_SHUTDOWN, NULL));
	for (enum user u = U_OWNER; u < NUSERS; u++)
		EXPECT_EQ(EPERM, AS(u, ioctl(dir, LNKFS_IOC_SHUTDOWN, &how)));
	EXPECT_OK(attr_get(dir, fd, &a));
	ASSERT_OK(ioctl(dir, LNKFS_IOC_SHUTDOWN, &how));
	EXPECT_ERR(EIO, attr_set(dir, fd, FLAGS, 0, 1));
	EXPECT_ERR(EIO, attr_get(dir, fd, &a));
	close(fd);
	close(dir);
}

/* int 0x80 enters by the 32-bit door, whatever the program is. */
static long ioctl32(int fd, unsigned int cmd, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (54L), "b" ((long)fd), "c" ((long)cmd), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	if (ret < 0 && ret > -4096) {
		errno = -ret;
		return -1;
	}
	return ret;
}

TEST_F(ioctl, of_32_bit_programs)
{
	int dir = open(".", O_RDONLY), fd;
	struct lnkfs_attr *a;
	unsigned int *gen;

	/* Without that door the attempt is a general protection fault. */
	if (access("/proc/sys/abi/vsyscall32", F_OK))
		SKIP(return, "this kernel takes no 32-bit calls");
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)a);
	ASSERT_EQ(0, make_object("l", T_FAST));
	fd = open_path("l");
	*a = get_of(fd);
	EXPECT_OK(ioctl32(dir, LNKFS_IOC_GETATTR, a));
	EXPECT_EQ(S_IFLNK | 0777, a->a_mode);
	*a = set_of(fd, MODE | FLAGS, 0500, LNKFS_UF_HIDDEN);
	EXPECT_OK(ioctl32(dir, LNKFS_IOC_SETATTR, a));
	EXPECT_EQ(0500, mode_of("l"));
	EXPECT_EQ(LNKFS_UF_HIDDEN, flags_of("l"));
	a->a_size = 63;
	EXPECT_ERR(EINVAL, ioctl32(dir, LNKFS_IOC_SETATTR, a));
	EXPECT_ERR(EFAULT, ioctl32(dir, LNKFS_IOC_GETATTR, NULL));
	/* those with a number of their own for 32 bits */
	gen = (void *)(a + 1);
	*gen = 0;
	EXPECT_OK(ioctl32(dir, FS_IOC32_GETVERSION, gen));
	EXPECT_NE(0, *gen);
	EXPECT_OK(ioctl32(dir, FS_IOC32_GETFLAGS, gen));
	EXPECT_EQ(0, *gen);
	*gen = FS_NODUMP_FL;
	EXPECT_OK(ioctl32(dir, FS_IOC32_SETFLAGS, gen));
	EXPECT_EQ(LNKFS_UF_NODUMP, flags_of("."));
	munmap(a, 4096);
	close(fd);
	close(dir);
}

/*
 * Some change flags and mode of one link, some take its name away and make it
 * anew, some look: what they see is always one of the words that were set.
 */
TEST_F_TIMEOUT(ioctl, races, 60)
{
	static const struct { uint32_t word; mode_t mode; } set[] = {
		{ UF_FLAGS & ~(ANY_IMMUTABLE | ANY_APPEND | ANY_NOUNLINK), 0500 },
		{ SF_FLAGS & ~(ANY_IMMUTABLE | ANY_APPEND | ANY_NOUNLINK), 0700 },
		{ LNKFS_UF_IMMUTABLE | LNKFS_SF_ARCHIVED, 0 },
		{ LNKFS_SF_NOUNLINK | LNKFS_UF_HIDDEN, 0 },
		{ 0, 0 },
	};
	pid_t pids[5];
	int st;

	ASSERT_EQ(0, make_object("o", T_FAST));
	for (int p = 0; p < 5; p++) {
		pids[p] = fork();
		if (pids[p])
			continue;
		for (double end = seconds() + 1; seconds() < end;) {
			struct lnkfs_attr a;
			unsigned int i;

			if (p < 2) {
				for (i = 0; i < ARRAY_SIZE(set); i++)
					if (lsetattr("o", FLAGS | (set[i].mode ? MODE : 0),
						     set[i].mode, set[i].word) &&
					    errno != ENOENT && errno != EPERM)
						_exit(1);
			} else if (p == 2) {
				if (unlink("o") && errno != EPERM)
					_exit(2);
				if (make_object("o", T_FAST) && errno != EEXIST &&
				    errno != EPERM)
					_exit(3);
			} else if (!lgetattr("o", &a)) {
				for (i = 0; i < ARRAY_SIZE(set); i++)
					if (a.a_flags == set[i].word)
						break;
				if (i == ARRAY_SIZE(set))
					_exit(4);
				i = a.a_mode & 07777;
				if (i != 0777 && i != 0500 && i != 0700)
					_exit(5);
			} else if (errno != ENOENT) {
				_exit(6);
			}
		}
		_exit(0);
	}
	for (int p = 0; p < 5; p++) {
		waitpid(pids[p], &st, 0);
		EXPECT_EQ(0, st) TH_LOG("process %d: %d", p, WEXITSTATUS(st));
	}
	lchflags("o", 0);
}

TEST_HARNESS_MAIN
