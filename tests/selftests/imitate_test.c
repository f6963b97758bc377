// SPDX-License-Identifier: GPL-2.0
/*
 * User data that imitate metadata, written by an ordinary user who knows where his
 * blocks are (FIEMAP) and all that the superblock says: neither file handles nor
 * recovery nor fsck.lnkfs take them for it.
 */
#include <sys/wait.h>

#include "file_util.h"
#undef ARRAY_SIZE
#include "imitate.h"
#include "../../tools/lib/volume.h"

/* What lnkfs puts into a handle, see export_test.c. */
struct fid {
	uint64_t ino;
	uint32_t gen;
	uint32_t parent_gen;
	uint64_t parent_ino;
} __attribute__((packed));

union fh {
	struct file_handle h;
	struct {
		unsigned int bytes;
		int type;
		struct fid fid;
		char room[128];
	};
};

FIXTURE(imitate)
{
	struct volume v;
	struct lnkfs_super_block sb;
	struct lnkfs_fs fs;
	struct imitate im;
};

FIXTURE_SETUP(imitate)
{
	struct emap m;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	ASSERT_EQ(0, vol_make_with(&self->v, 24, "-m 0"))
		TH_LOG("%s: %s", self->v.image, strerror(errno));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	umask(022);
	fd = open(self->v.dev, O_RDONLY);
	ASSERT_EQ(LNKFS_SUPER_SIZE, pread(fd, &self->sb, LNKFS_SUPER_SIZE, LNKFS_SUPER_OFFSET));
	close(fd);
	lnkfs_super_load(&self->fs, &self->sb);
	ASSERT_OK(mkdir("private", 0700));
	ASSERT_OK(create_text("private/victim", "a secret"));
	ASSERT_OK(mkdir("home", 0755));
	ASSERT_OK(chown("home", TEST_UID, TEST_GID));
	sync();
	fd = open("private/victim", O_RDONLY);
	ASSERT_OK(get_map(fd, FIEMAP_FLAG_SYNC, &m));
	close(fd);
	self->im = (struct imitate){
		.fs = &self->fs,
		.sb = &self->sb,
		.victim = ino_of("private/victim"),
		.victim_block = m.e[0].fe_physical >> self->fs.block_bits,
		.uid = TEST_UID,
	};
}

FIXTURE_TEARDOWN(imitate)
{
	if (!*self->v.image)
		return;
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* ---- writing imitations ---- */

/* The blocks of a file, in order; at most @max. */
static int blocks_of(const struct lnkfs_fs *fs, const char *name, u64 *block, int max)
{
	static struct emap m;
	uint64_t from = 0;
	unsigned int i;
	int n = 0, fd = open(name, O_RDONLY);

	if (fd < 0)
		return -1;
	do {
		if (get_map_from(fd, FIEMAP_FLAG_SYNC, from, &m)) {
			n = -1;
			break;
		}
		for (i = 0; i < m.n; i++) {
			u64 len = m.e[i].fe_length >> fs->block_bits, k;

			for (k = 0; k < len && n < max; k++)
				block[n++] = (m.e[i].fe_physical >> fs->block_bits) + k;
			from = m.e[i].fe_logical + m.e[i].fe_length;
		}
	} while (m.n == ARRAY_SIZE(m.e) && n < max);
	close(fd);
	return n;
}

/* A file of @blocks blocks, or as many as there are. Its blocks or -1. */
static int make_file(const struct lnkfs_fs *fs, const char *name, int blocks, u64 *block)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644), i, ret;
	static char zero[1 << 16];

	if (fd < 0)
		return -1;
	for (i = 0; i < blocks; i++) {
		ssize_t n = write(fd, zero, fs->block_size);

		if (n < 0 && errno == ENOSPC)
			break;
		if (n != fs->block_size)
			return -1;
	}
	ret = fsync(fd);
	close(fd);
	return ret ? -1 : blocks_of(fs, name, block, blocks);
}

/* What block @i of a file is to hold. */
typedef void (*maker)(const struct imitate *im, int i, void *data, u64 block, u64 owner);

static int fill_file(const struct imitate *im, const char *name, const u64 *block, int n,
		     maker make)
{
	u8 data[1 << LNKFS_MAX_BLOCK_BITS];
	u64 owner = ino_of(name);
	int fd = open(name, O_WRONLY), i, ret;

	if (fd < 0)
		return -1;
	for (i = 0; i < n; i++) {
		make(im, i, data, block[i], owner);
		if (pwrite(fd, data, im->fs->block_size, (off_t)i << im->fs->block_bits) !=
		    im->fs->block_size)
			return -1;
	}
	ret = fsync(fd);
	close(fd);
	return ret;
}

/* Does the file hold what fill_file() wrote? Return: the first block that is other, or -1. */
static int other_block(const struct imitate *im, const char *name, const u64 *block, int n,
		       maker make)
{
	u8 data[1 << LNKFS_MAX_BLOCK_BITS], have[1 << LNKFS_MAX_BLOCK_BITS];
	u64 owner = ino_of(name);
	int fd = open(name, O_RDONLY), i;

	for (i = 0; i < n; i++) {
		make(im, i, data, block[i], owner);
		if (pread(fd, have, im->fs->block_size, (off_t)i << im->fs->block_bits) !=
		    im->fs->block_size || memcmp(data, have, im->fs->block_size))
			break;
	}
	close(fd);
	return i == n ? -1 : i;
}

static void make_inodes(const struct imitate *im, int i, void *data, u64 block, u64 owner)
{
	imitate_inodes(im, data, block);
}

static void make_kinds(const struct imitate *im, int i, void *data, u64 block, u64 owner)
{
	imitate_kind(im, i % IMITATE_KINDS, data, block, owner, IMITATE_GEN);
}

/* ---- handles ---- */

static int open_handle(const char *mnt, u64 ino, u32 gen, bool parent)
{
	union fh fh = { .bytes = parent ? 24 : 12, .type = parent ? 0x82 : 0x81 };
	int dir = open(mnt, O_RDONLY | O_DIRECTORY), fd, err;

	fh.fid.ino = ino;
	fh.fid.gen = gen;
	fh.fid.parent_ino = ino;
	fh.fid.parent_gen = gen;
	fd = open_by_handle_at(dir, &fh.h, O_PATH);
	err = errno;
	close(dir);
	errno = err;
	return fd;
}

/* No slot of these blocks is an inode. */
static void expect_stale(struct __test_metadata *_metadata, const struct volume *v,
			 const struct lnkfs_fs *fs, const u64 *block, int n, u32 gen)
{
	u32 slot;
	int i;

	for (i = 0; i < n; i++) {
		for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
			u64 ino = (block[i] << fs->slot_bits) + slot;

			EXPECT_ERR(ESTALE, open_handle(v->mnt, ino, gen, false));
			EXPECT_ERR(ESTALE, open_handle(v->mnt, ino, gen, true));
		}
	}
}

TEST_F(imitate, by_handle)
{
	u64 block[8];
	int n = -1, st;

	ASSERT_OK(chdir("home"));
	ASSERT_EQ(0, AS_USER(make_file(&self->fs, "evil", 8, block) == 8 ? 0 : -1));
	n = blocks_of(&self->fs, "evil", block, 8);
	ASSERT_EQ(8, n);
	st = AS_USER(fill_file(&self->im, "evil", block, n, make_inodes));
	ASSERT_EQ(0, st);
	expect_stale(_metadata, &self->v, &self->fs, block, n, IMITATE_GEN);
	drop_caches();
	expect_stale(_metadata, &self->v, &self->fs, block, n, IMITATE_GEN);
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	expect_stale(_metadata, &self->v, &self->fs, block, n, IMITATE_GEN);
	EXPECT_EQ(-1, other_block(&self->im, "home/evil", block, n, make_inodes));
	ASSERT_OK(unlink("home/evil"));
	sync();
	drop_caches();
	expect_stale(_metadata, &self->v, &self->fs, block, n, IMITATE_GEN);
}

/* ---- blocks that were metadata ---- */

#define MANY	1500
#define SPACE	6000	/* more blocks than the volume has */

static struct {
	u64 ino;
	u32 gen;
} gone[MANY];

static int get_gone(const char *name, int i)
{
	union fh fh = { .bytes = 128 };
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, name, &fh.h, &mount_id, 0))
		return -1;
	gone[i].ino = fh.fid.ino;
	gone[i].gen = fh.fid.gen;
	return 0;
}

/* Inode blocks as they may have been, with the numbers and generations that they had. */
static void make_gone(const struct imitate *im, int i, void *data, u64 block, u64 owner)
{
	bool any = false;
	int k;

	imitate_inodes(im, data, block);
	for (k = 0; k < MANY; k++) {
		struct lnkfs_inode *di;

		if (gone[k].ino >> im->fs->slot_bits != block)
			continue;
		di = data + (gone[k].ino & ((1 << im->fs->slot_bits) - 1)) * LNKFS_SLOT_SIZE;
		di->i_gen = cpu_to_le32(gone[k].gen);
		any = true;
	}
	if (any)
		lnkfs_seal_block(im->fs, data, LNKFS_B_INODE, block);
	else
		memset(data, 0, im->fs->block_size);
}

TEST_F(imitate, inodes_that_were)
{
	u64 *block = calloc(SPACE, sizeof(*block));
	int i, k, n, hits = 0, pass;
	char name[20];

	ASSERT_OK(chdir("home"));
	ASSERT_OK(mkdir("many", 0755));
	for (i = 0; i < MANY; i++) {
		sprintf(name, "many/f%d", i);
		ASSERT_OK(create_file(name, 0644));
		ASSERT_OK(get_gone(name, i));
	}
	for (i = 0; i < MANY; i++) {
		sprintf(name, "many/f%d", i);
		ASSERT_OK(unlink(name));
	}
	ASSERT_OK(rmdir("many"));
	sync();
	EXPECT_EQ(0, AS_USER(make_file(&self->fs, "data", SPACE, block)));
	n = blocks_of(&self->fs, "data", block, SPACE);
	ASSERT_LT(1000, n);
	EXPECT_EQ(0, AS_USER(fill_file(&self->im, "data", block, n, make_gone)));
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < MANY; i++)
			EXPECT_ERR(ESTALE, open_handle(self->v.mnt, gone[i].ino, gone[i].gen,
						       false));
		if (!pass)
			drop_caches();
		else
			ASSERT_OK(vol_again(&self->v, 0, NULL));
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < MANY; k++)
			hits += gone[k].ino >> self->fs.slot_bits == block[i];
	/* Most of these numbers are in blocks of the file now. */
	EXPECT_LT(MANY / 4, hits);
	free(block);
}

/* Directories, long links, attributes: all that metadata have blocks of their own for. */
static int make_metadata(void)
{
	char name[240], text[3000];
	int i;

	memset(text, 't', sizeof(text));
	text[sizeof(text) - 1] = 0;
	if (mkdir("meta", 0755))
		return -1;
	for (i = 0; i < 150; i++) {
		sprintf(name, "meta/%0200d", i);
		if (i % 3 == 0 ? symlink(text, name) : create_file(name, 0644))
			return -1;
		if (i % 3 == 1 && syscall(SYS_setxattr, name, "user.x", text, 2900, 0))
			return -1;
	}
	return 0;
}

/*
 * Metadata that are in the log, freed, and their blocks full of imitations: what
 * recovers must neither write over these nor believe them.
 */
static void after_crash(struct __test_metadata *_metadata, struct volume *v,
			const struct imitate *im, const char *repair)
{
	u64 *block = calloc(SPACE, sizeof(*block));
	char cmd[600];
	int n;

	ASSERT_OK(chdir("home"));
	ASSERT_EQ(0, make_metadata());
	sync();
	ASSERT_EQ(0, remove_tree(AT_FDCWD, "meta"));
	sync();
	EXPECT_EQ(0, AS_USER(make_file(im->fs, "data", SPACE, block)));
	n = blocks_of(im->fs, "data", block, SPACE);
	ASSERT_LT(1000, n);
	EXPECT_EQ(0, AS_USER(fill_file(im, "data", block, n, make_kinds)));
	ASSERT_OK(crash_volume(v->mnt, LNKFS_SHUTDOWN_NOW));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(v->mnt, 0));
	if (repair) {
		sprintf(cmd, "%s %s >/dev/null", repair, v->dev);
		EXPECT_EQ(0, system(cmd));
	}
	ASSERT_OK(vol_mount(v, 0, NULL));
	ASSERT_OK(chdir(v->mnt));
	EXPECT_EQ(-1, other_block(im, "home/data", block, n, make_kinds));
	EXPECT_FALSE(exists("home/meta"));
	EXPECT_EQ(1, nlink_of("private/victim"));
	free(block);
}

TEST_F(imitate, recovery_by_mount)
{
	after_crash(_metadata, &self->v, &self->im, NULL);
}

TEST_F(imitate, recovery_by_fsck)
{
	if (!*env_or("LNKFS_FSCK", ""))
		SKIP(return, "no fsck.lnkfs");
	after_crash(_metadata, &self->v, &self->im, "fsck.lnkfs -p");
}

/* ---- bodies of links ---- */

static const char *const beginnings[] = {
	"\xc0\x3b\x39\x98", "\xc0\x3b\x39\x98\x01\x01\x01\x02", "LKBT", "LKDB", "LKIM", "LKXA",
	"LNKF", "LS\x02\x01", "LS\x01\x01", "LKQU",
};

/* A target whose every block begins so; it may go anywhere else. */
static void link_target(const struct lnkfs_fs *fs, unsigned int kind, char *text)
{
	unsigned int at;

	memset(text, 'x', LNKFS_SYMLINK_MAX);
	text[LNKFS_SYMLINK_MAX] = 0;
	for (at = 0; at < LNKFS_SYMLINK_MAX - 16; at += fs->block_size)
		memcpy(text + at, beginnings[kind], strlen(beginnings[kind]));
}

TEST_F(imitate, bodies_of_links)
{
	char name[20], text[LNKFS_SYMLINK_MAX + 1], have[LNKFS_SYMLINK_MAX + 1];
	unsigned int i, pass;

	for (i = 0; i < ARRAY_SIZE(beginnings); i++) {
		sprintf(name, "link%u", i);
		link_target(&self->fs, i, text);
		ASSERT_OK(symlink(text, name));
	}
	/* They are in the log, and nowhere else. */
	for (pass = 0; pass < 2; pass++) {
		ASSERT_OK(crash_volume(self->v.mnt, LNKFS_SHUTDOWN_LOG));
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		for (i = 0; i < ARRAY_SIZE(beginnings); i++) {
			sprintf(name, "link%u", i);
			link_target(&self->fs, i, text);
			EXPECT_EQ(LNKFS_SYMLINK_MAX, readlink(name, have, sizeof(have)));
			EXPECT_EQ(0, memcmp(text, have, LNKFS_SYMLINK_MAX)) TH_LOG("%s", name);
			ASSERT_OK(rename(name, "renamed"));
			ASSERT_OK(rename("renamed", name));
		}
	}
}

/* ---- repair ---- */

/* What a repair may have found belongs to root alone, and can do nothing. */
static void check_tame(struct __test_metadata *_metadata, const char *dir)
{
	struct dirent *de;
	struct stat st;
	DIR *d = opendir(dir);
	char path[600];

	while (d && (de = readdir(d))) {
		if (*de->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		ASSERT_OK(lstat(path, &st));
		EXPECT_EQ(0, st.st_uid) TH_LOG("%s", path);
		EXPECT_EQ(0, st.st_mode & 07077) TH_LOG("%s", path);
		EXPECT_FALSE(S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) TH_LOG("%s", path);
	}
	if (d)
		closedir(d);
}

TEST_F(imitate, repair)
{
	u64 block[8], at;
	char cmd[600];
	u8 zero[1 << LNKFS_MAX_BLOCK_BITS] = { 0 };
	int n, fd, st;

	if (!*env_or("LNKFS_FSCK", ""))
		SKIP(return, "no fsck.lnkfs");
	EXPECT_EQ(0, AS_USER(make_file(&self->fs, "home/evil", 8, block) == 8 ? 0 : -1));
	n = blocks_of(&self->fs, "home/evil", block, 8);
	ASSERT_EQ(8, n);
	EXPECT_EQ(0, AS_USER(fill_file(&self->im, "home/evil", block, n, make_inodes)));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	fd = open(self->v.dev, O_WRONLY);
	at = lnkfs_group_map_block(&self->fs, lnkfs_group_of(&self->fs, block[0]), LNKFS_B_IMAP);
	EXPECT_EQ(self->fs.block_size, pwrite(fd, zero, self->fs.block_size,
					      at << self->fs.block_bits));
	close(fd);
	sprintf(cmd, "fsck.lnkfs -fy %s >/dev/null", self->v.dev);
	st = system(cmd);
	EXPECT_EQ(1, WEXITSTATUS(st));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	expect_stale(_metadata, &self->v, &self->fs, block, n, IMITATE_GEN);
	check_tame(_metadata, "lost+found");
	EXPECT_EQ(-1, other_block(&self->im, "home/evil", block, n, make_inodes));
	EXPECT_EQ(1, nlink_of("private/victim"));
}

/* ---- bodies that are not ---- */

/* On the unmounted volume: the body of slow symlink @link is the inode block of @other. */
static int put_body_over(const char *dev, u64 link, u64 other)
{
	struct lnkfs_cinode ci = { 0 };
	struct lnkfs_volume v = { 0 };
	const char *why;
	lnkfs_tx tx;
	int ret;

	if (lnkfs_volume_open(&v, dev, LNKFS_DEV_WRITE, &why))
		return -1;
	ret = lnkfs_inode_load(&v.fs, link, 0, &ci);
	if (!ret && ci.fork == LNKFS_FORK_SLOW_LINK) {
		struct lnkfs_slow_link *sl = (void *)ci.area;

		sl->l_block = cpu_to_le64(lnkfs_ino_block(&v.fs, other));
		lnkfs_tx_begin(&tx, &v, LNKFS_CREDITS_STORE);
		ret = lnkfs_inode_store(&tx, &v.fs, &ci);
		lnkfs_tx_end(&tx);
	} else {
		ret = -1;
	}
	lnkfs_free(ci.area);
	if (lnkfs_volume_flush(&v))
		ret = -1;
	lnkfs_volume_close(&v);
	return ret;
}

/*
 * Removing such a link must leave the block alone, which others have in memory and may be
 * writing: fsck.lnkfs finds the inode as it was.
 */
TEST_F(imitate, body_that_is_an_inode_block)
{
	char text[LNKFS_SYMLINK_MAX + 1], cmd[600];
	u64 link, other;
	int st;

	if (!*env_or("LNKFS_FSCK", ""))
		SKIP(return, "no fsck.lnkfs");
	memset(text, 't', sizeof(text));
	text[self->fs.block_size < 4096 ? 2500 : 3000] = 0;
	ASSERT_OK(symlink(text, "link"));
	link = ino_of("link");
	other = ino_of("private/victim");
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_EQ(0, put_body_over(self->v.dev, link, other));

	ASSERT_OK(vol_mount(&self->v, 0, "errors=continue"));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_EQ(1, nlink_of("private/victim"));
	ASSERT_OK(unlink("link"));
	ASSERT_OK(chmod("private/victim", 0640));
	sync();
	ASSERT_OK(vol_again(&self->v, 0, "errors=continue"));
	EXPECT_EQ(1, nlink_of("private/victim"));
	EXPECT_EQ(0640, mode_of("private/victim"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	/* The block is in use still; the link that nobody could free is what is wrong. */
	sprintf(cmd, "fsck.lnkfs -fn %s", self->v.dev);
	st = system(cmd);
	EXPECT_EQ(4, WEXITSTATUS(st));
	sprintf(cmd, "fsck.lnkfs -fy %s >/dev/null", self->v.dev);
	st = system(cmd);
	EXPECT_EQ(1, WEXITSTATUS(st));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_EQ(0640, mode_of("private/victim"));
}

TEST_HARNESS_MAIN
