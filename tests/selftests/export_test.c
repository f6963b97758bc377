// SPDX-License-Identifier: GPL-2.0
/*
 * File handles: name_to_handle_at and open_by_handle_at for every type of file,
 * across cold caches and remounts, and every way in which a handle can be stale
 * or no handle at all.
 */
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lnkfs_test.h"

#define TYPE_FILE	0x81	/* FILEID_INO64_GEN */
#define TYPE_PARENT	0x82	/* FILEID_INO64_GEN_PARENT */

/* What lnkfs puts into a handle. */
struct fid {
	uint64_t ino;
	uint32_t gen;
	uint32_t parent_gen;
	uint64_t parent_ino;
} __attribute__((packed));

#define FILE_BYTES	12
#define PARENT_BYTES	24

union fh {
	struct file_handle h;
	struct {
		unsigned int bytes;
		int type;
		struct fid fid;
		char room[128];
	};
};

static int get_handle(const char *name, union fh *fh)
{
	int mount_id;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = 128;
	return name_to_handle_at(AT_FDCWD, name, &fh->h, &mount_id, 0);
}

/* Open by handle, on the volume under test; -1 and errno. */
static int open_handle(union fh *fh, int flags)
{
	int mnt = open(getenv("LNKFS_MNT"), O_RDONLY | O_DIRECTORY), fd, err;

	fd = open_by_handle_at(mnt, &fh->h, flags);
	err = errno;
	close(mnt);
	errno = err;
	return fd;
}

/* The inode that a handle leads to; 0 and errno. */
static ino_t ino_by_handle(union fh *fh)
{
	int fd = open_handle(fh, O_PATH);
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st))
		st.st_ino = 0;
	close(fd);
	return st.st_ino;
}

static int make_socket(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ret;

	strcpy(a.sun_path, name);
	ret = bind(fd, (struct sockaddr *)&a, sizeof(a));
	close(fd);
	return ret;
}

#define KINDS	8

static const char kinds[KINDS][8] = {
	"file", "dir", "fast", "slow", "fifo", "socket", "chr", "blk"
};

static void make_kinds(struct __test_metadata *_metadata)
{
	char text[4000];

	memset(text, 'x', sizeof(text) - 1);
	text[symlink_max() < sizeof(text) ? symlink_max() : sizeof(text) - 1] = 0;
	ASSERT_OK(create_text("file", "contents"));
	ASSERT_OK(mkdir("dir", 0755));
	ASSERT_OK(create_text("dir/inside", "more"));
	ASSERT_OK(symlink("target", "fast"));
	ASSERT_OK(symlink(text, "slow"));
	ASSERT_OK(mkfifo("fifo", 0644));
	ASSERT_OK(make_socket("socket"));
	ASSERT_OK(mknod("chr", S_IFCHR | 0644, makedev(1, 3)));
	ASSERT_OK(mknod("blk", S_IFBLK | 0644, makedev(7, 99)));
}

TDIR_FIXTURE(export)

static void check_kinds(struct __test_metadata *_metadata, union fh *fh, ino_t *ino)
{
	char text[4096];
	int i, fd;

	for (i = 0; i < KINDS; i++)
		EXPECT_EQ(ino[i], ino_by_handle(&fh[i])) TH_LOG("%s", kinds[i]);
	fd = open_handle(&fh[0], O_RDWR);
	EXPECT_EQ(8, read(fd, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(text, "contents", 8));
	close(fd);
	fd = open_handle(&fh[1], O_RDONLY | O_DIRECTORY);
	EXPECT_OK(faccessat(fd, "inside", R_OK, 0));
	close(fd);
	fd = open_handle(&fh[2], O_PATH);
	EXPECT_EQ(6, readlinkat(fd, "", text, sizeof(text)));
	close(fd);
	fd = open_handle(&fh[3], O_PATH | O_NOFOLLOW);
	EXPECT_LT(900, readlinkat(fd, "", text, sizeof(text)));
	close(fd);
	EXPECT_ERR(ELOOP, open_handle(&fh[2], O_RDONLY));
	EXPECT_ERR(ENOTDIR, open_handle(&fh[0], O_RDONLY | O_DIRECTORY));
	EXPECT_ERR(EISDIR, open_handle(&fh[1], O_RDWR));
}

TEST_F(export, every_type)
{
	union fh fh[KINDS], again;
	ino_t ino[KINDS];
	int i;

	make_kinds(_metadata);
	for (i = 0; i < KINDS; i++) {
		ASSERT_OK(get_handle(kinds[i], &fh[i]));
		ino[i] = ino_of(kinds[i]);
		if (!on_lnkfs())
			continue;
		EXPECT_EQ(TYPE_FILE, fh[i].type);
		EXPECT_EQ(FILE_BYTES, fh[i].bytes);
		EXPECT_EQ(ino[i], fh[i].fid.ino);
		EXPECT_NE(0, fh[i].fid.gen);
	}
	check_kinds(_metadata, fh, ino);
	drop_caches();
	check_kinds(_metadata, fh, ino);
	remount(_metadata, &self->dir);
	check_kinds(_metadata, fh, ino);
	for (i = 0; i < KINDS; i++) {
		ASSERT_OK(get_handle(kinds[i], &again));
		EXPECT_EQ(0, memcmp(&again, &fh[i], sizeof(again))) TH_LOG("%s", kinds[i]);
	}
}

TEST_F(export, room)
{
	unsigned int need = on_lnkfs() ? FILE_BYTES : 8, n;
	int mount_id;
	union fh fh;

	ASSERT_OK(create_file("f", 0644));
	for (n = 0; n < need; n++) {
		fh.bytes = n;
		EXPECT_ERR(EOVERFLOW, name_to_handle_at(AT_FDCWD, "f", &fh.h, &mount_id, 0));
		EXPECT_EQ(need, fh.bytes);
	}
	fh.bytes = need;
	EXPECT_OK(name_to_handle_at(AT_FDCWD, "f", &fh.h, &mount_id, 0));
	EXPECT_EQ(ino_of("f"), ino_by_handle(&fh));
	fh.bytes = 129;
	EXPECT_ERR(EINVAL, name_to_handle_at(AT_FDCWD, "f", &fh.h, &mount_id, 0));
	EXPECT_ERR(EINVAL, open_handle(&fh, O_PATH));
	fh.bytes = 0;
	EXPECT_ERR(EINVAL, open_handle(&fh, O_PATH));
}

TEST_F(export, needs_privilege)
{
	union fh fh;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(get_handle("f", &fh));
	EXPECT_EQ(0, AS_USER(get_handle("f", &fh)));
	EXPECT_EQ(EPERM, AS_USER(open_handle(&fh, O_RDONLY)));
}

TEST_F(export, names_do_not_matter)
{
	union fh fh, fh2;
	ino_t ino;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(mkdir("d", 0755));
	ino = ino_of("f");
	ASSERT_OK(get_handle("f", &fh));
	ASSERT_OK(link("f", "d/second"));
	ASSERT_OK(get_handle("d/second", &fh2));
	EXPECT_EQ(0, memcmp(&fh, &fh2, sizeof(fh)));
	ASSERT_OK(unlink("f"));
	EXPECT_EQ(ino, ino_by_handle(&fh));
	ASSERT_OK(rename("d/second", "third"));
	drop_caches();
	EXPECT_EQ(ino, ino_by_handle(&fh));
	ASSERT_OK(chmod("third", 0));
	EXPECT_EQ(ino, ino_by_handle(&fh));
}

TEST_F(export, removed)
{
	union fh fh[KINDS];
	int i;

	make_kinds(_metadata);
	for (i = 0; i < KINDS; i++)
		ASSERT_OK(get_handle(kinds[i], &fh[i]));
	ASSERT_EQ(0, unlink("dir/inside"));
	for (i = 0; i < KINDS; i++)
		ASSERT_EQ(0, remove(kinds[i]));
	for (i = 0; i < KINDS; i++)
		EXPECT_ERR(ESTALE, open_handle(&fh[i], O_PATH));
	drop_caches();
	for (i = 0; i < KINDS; i++)
		EXPECT_ERR(ESTALE, open_handle(&fh[i], O_PATH));
	remount(_metadata, &self->dir);
	for (i = 0; i < KINDS; i++)
		EXPECT_ERR(ESTALE, open_handle(&fh[i], O_PATH));
}

/* An open file is there, whatever its names. */
TEST_F(export, removed_while_open)
{
	union fh fh;
	int fd;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(get_handle("f", &fh));
	fd = open("f", O_RDONLY);
	ASSERT_OK(fd);
	ASSERT_OK(unlink("f"));
	EXPECT_NE(0, ino_by_handle(&fh));
	close(fd);
	EXPECT_ERR(ESTALE, open_handle(&fh, O_PATH));
}

TEST_F(export, number_used_again)
{
	union fh old, new;
	char name[20];
	ino_t ino;
	int i;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(get_handle("f", &old));
	ino = ino_of("f");
	ASSERT_OK(unlink("f"));
	for (i = 0; i < 2000; i++) {
		sprintf(name, "n%d", i);
		ASSERT_OK(create_file(name, 0644));
		if (ino_of(name) == ino)
			break;
	}
	ASSERT_GT(2000, i) TH_LOG("inode %llu was never used again", (unsigned long long)ino);
	ASSERT_OK(get_handle(name, &new));
	EXPECT_NE(0, memcmp(&old, &new, sizeof(old)));
	EXPECT_ERR(ESTALE, open_handle(&old, O_PATH));
	EXPECT_EQ(ino, ino_by_handle(&new));
	drop_caches();
	EXPECT_ERR(ESTALE, open_handle(&old, O_PATH));
	EXPECT_EQ(ino, ino_by_handle(&new));
}

/* Blocks of inodes become blocks of data, with records and handles in them. */
TEST_F(export, inode_blocks_gone)
{
	enum { FILES = 1500 };
	union fh *fh = calloc(FILES, sizeof(*fh));
	char name[20], *junk = malloc(1 << 20);
	int i, fd, stale = 0;

	ASSERT_OK(mkdir("many", 0755));
	ASSERT_OK(chdir("many"));
	for (i = 0; i < FILES; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(create_file(name, 0644));
		ASSERT_OK(get_handle(name, &fh[i]));
	}
	drop_caches();
	for (i = 0; i < FILES; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(unlink(name));
	}
	ASSERT_OK(chdir(".."));
	ASSERT_OK(rmdir("many"));
	sync();
	for (i = 0; i < FILES; i++)
		stale += open_handle(&fh[i], O_PATH) == -1 && errno == ESTALE;
	EXPECT_EQ(FILES, stale);
	ASSERT_EQ(1 << 20, getrandom(junk, 1 << 20, 0));
	fd = open("data", O_CREAT | O_WRONLY, 0644);
	for (i = 0; i < 24; i++)
		ASSERT_EQ(1 << 20, write(fd, junk, 1 << 20));
	ASSERT_OK(close(fd));
	drop_caches();
	for (i = 0, stale = 0; i < FILES; i++)
		stale += open_handle(&fh[i], O_PATH) == -1 && errno == ESTALE;
	EXPECT_EQ(FILES, stale);
	EXPECT_OK(create_file("after", 0644));
	free(fh);
	free(junk);
}

/* A handle may say anything. None of it is an error of the volume. */
TEST_F(export, garbage)
{
	static const unsigned int lengths[] = { 1, 4, 8, 11, 12, 13, 16, 20, 23, 24, 28, 64, 128 };
	static const int types[] = {
		TYPE_FILE, TYPE_PARENT, 0, 1, 2, 3, 0x4d, 0x61, 0x80, 0xff, 77
	};
	struct rng r = { 20261128 };
	union fh fh, good;
	unsigned int i, opened = 0, other = 0;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "handles of lnkfs");
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(get_handle("f", &good));
	for (i = 0; i < 6000; i++) {
		unsigned int k;

		memset(&fh, 0, sizeof(fh));
		for (k = 0; k < sizeof(fh.room); k++)
			((char *)&fh.fid)[k] = rng_next(&r) >> 13;
		fh.bytes = lengths[rng_below(&r, 13)];
		fh.type = types[rng_below(&r, i % 2 ? 2 : 11)];
		switch (i % 5) {
		case 0:
			fh.fid.ino = good.fid.ino + rng_below(&r, 4000) - 2000;
			break;
		case 1:
			fh.fid.ino = rng_below(&r, 1 << 20);
			break;
		case 2:
			fh.fid.ino = ~0ULL >> rng_below(&r, 64);
			break;
		case 3:
			fh.fid.ino = good.fid.ino;
			fh.fid.gen = rng_below(&r, 2) ? 0 : good.fid.gen ^ 1U << rng_below(&r, 32);
			break;
		}
		fd = open_handle(&fh, O_PATH);
		if (fd >= 0) {
			opened++;
			close(fd);
		} else if (errno != ESTALE) {
			other++;
			TH_LOG("type %#x, %u bytes, inode %llu: %s", fh.type, fh.bytes,
			       (unsigned long long)fh.fid.ino, strerrorname_np(errno));
		}
	}
	EXPECT_EQ(0, opened);
	EXPECT_EQ(0, other);
	EXPECT_OK(create_file("still writable", 0644));
	EXPECT_EQ(ino_of("f"), ino_by_handle(&good));
}

/* Handles with the parent in them, which the kernel asks for when it exports. */
TEST_F(export, with_parent)
{
	union fh fh, file, dir;

	if (!on_lnkfs())
		SKIP(return, "handles of lnkfs");
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(get_handle("d", &dir));
	ASSERT_OK(get_handle("d/f", &file));
	fh = file;
	fh.type = TYPE_PARENT;
	fh.bytes = PARENT_BYTES;
	fh.fid.parent_ino = dir.fid.ino;
	fh.fid.parent_gen = dir.fid.gen;
	EXPECT_EQ(file.fid.ino, ino_by_handle(&fh));
	drop_caches();
	EXPECT_EQ(file.fid.ino, ino_by_handle(&fh));
	/* Too short for a file: not even looked at. */
	fh.bytes = 8;
	EXPECT_ERR(ESTALE, open_handle(&fh, O_PATH));
	/* The file is gone, its parent is not. */
	fh.bytes = PARENT_BYTES;
	ASSERT_OK(unlink("d/f"));
	EXPECT_ERR(ESTALE, open_handle(&fh, O_PATH));
}

/* A directory found by its handle is connected with the root, name by name. */
TEST_F(export, way_to_the_root)
{
	char path[4096], proc[64], old[512];
	union fh fh;
	ssize_t n;
	int i, fd;

	strcpy(old, self->dir.path);
	for (i = 0; i < 40; i++) {
		sprintf(path, "level %d", i);
		ASSERT_OK(mkdir(path, 0755));
		ASSERT_OK(chdir(path));
	}
	ASSERT_OK(get_handle(".", &fh));
	ASSERT_OK(chdir(old));
	remount(_metadata, &self->dir);
	ASSERT_OK(rename("level 0", "renamed"));
	drop_caches();
	fd = open_handle(&fh, O_RDONLY | O_DIRECTORY);
	ASSERT_OK(fd);
	sprintf(proc, "/proc/self/fd/%d", fd);
	n = readlink(proc, path, sizeof(path) - 1);
	ASSERT_LT(0, n);
	path[n] = 0;
	EXPECT_EQ(0, strncmp(path, old, strlen(old)));
	EXPECT_EQ(0, strncmp(path + strlen(old), "/renamed/level 1/level 2/", 25))
		TH_LOG("%s", path);
	EXPECT_EQ(0, strcmp(strrchr(path, '/'), "/level 39"));
	/* Directories below it can be moved and removed through it. */
	EXPECT_OK(mkdirat(fd, "below", 0755));
	EXPECT_OK(unlinkat(fd, "below", AT_REMOVEDIR));
	close(fd);
}

/* On a read-only mount handles are as good as elsewhere. */
TEST_F(export, read_only)
{
	const char *mnt = getenv("LNKFS_MNT");
	union fh fh, gone;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(create_text("gone", "text"));
	ASSERT_OK(get_handle("f", &fh));
	ASSERT_OK(get_handle("gone", &gone));
	ASSERT_OK(unlink("gone"));
	ASSERT_OK(mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	drop_caches();
	EXPECT_EQ(ino_of("f"), ino_by_handle(&fh));
	EXPECT_ERR(EROFS, open_handle(&fh, O_RDWR));
	EXPECT_ERR(ESTALE, open_handle(&gone, O_PATH));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
}

TEST_HARNESS_MAIN
