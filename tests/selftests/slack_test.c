// SPDX-License-Identifier: GPL-2.0
/*
 * What is on a volume and has no meaning is zero, on a device that was full of
 * something else; and nobody reads from a file, or finds in what the kernel hands out,
 * what he has not written.
 */
#include <linux/falloc.h>
#include <linux/fsmap.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "file_util.h"
#undef ARRAY_SIZE
#include "slack.h"

#define PATTERN	0xa5
#define DATA	'd'

FIXTURE(slack)
{
	struct volume v;
};

static int fill_device(const char *dev, int byte)
{
	static char buf[1 << 16];
	int fd = open(dev, O_WRONLY), ret;
	ssize_t n;

	memset(buf, byte, sizeof(buf));
	do
		n = write(fd, buf, sizeof(buf));
	while (n > 0);
	ret = fsync(fd);
	close(fd);
	return ret;
}

FIXTURE_SETUP(slack)
{
	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	ASSERT_EQ(0, vol_make(&self->v, 24)) TH_LOG("%s: %s", self->v.image, strerror(errno));
	ASSERT_EQ(0, fill_device(self->v.dev, PATTERN));
	ASSERT_EQ(0, vol_mkfs(self->v.dev, "-K -O quota"));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	umask(022);
}

FIXTURE_TEARDOWN(slack)
{
	if (!*self->v.image)
		return;
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* ---- reading the volume ---- */

/* Call @look for the unmounted volume. */
static int with_volume(const char *dev, unsigned int (*look)(struct lnkfs_volume *v))
{
	struct lnkfs_volume v = { 0 };
	const char *why;
	int ret;

	if (lnkfs_volume_open(&v, dev, 0, &why)) {
		printf("# %s: %s\n", dev, why ? why : "cannot be opened");
		return -1;
	}
	ret = look(&v);
	lnkfs_volume_close(&v);
	return ret;
}

static unsigned int walk(struct lnkfs_volume *v)
{
	return slack_walk(v);
}

static const char marker[] = "what has been removed";

/* Blocks in use, but those of the log, with the name of something removed. */
static unsigned int find_marker(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	u8 map[1 << LNKFS_MAX_BLOCK_BITS], data[1 << LNKFS_MAX_BLOCK_BITS];
	unsigned int found = 0;
	u64 block;
	u32 group = ~0u;

	for (block = LNKFS_HEAD_BYTES >> fs->block_bits; block < fs->blocks; block++) {
		if (block >= fs->journal_start && block < fs->journal_start + fs->journal_blocks)
			continue;
		if (lnkfs_group_of(fs, block) != group) {
			group = lnkfs_group_of(fs, block);
			lnkfs_dev_read(&v->dev, lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP) <<
				       fs->block_bits, map, fs->block_size);
		}
		if (!lnkfs_test_bit(block - lnkfs_group_first(fs, group), map + LNKFS_MAP_HEADER))
			continue;
		lnkfs_dev_read(&v->dev, block << fs->block_bits, data, fs->block_size);
		if (memmem(data, fs->block_size, marker, sizeof(marker) - 1)) {
			printf("# block %llu\n", (unsigned long long)block);
			found++;
		}
	}
	return found;
}

/* ---- files ---- */

static char text[1 << 16];

static bool put_at(int fd, size_t len, off_t at)
{
	return pwrite(fd, text, len, at) == (ssize_t)len;
}

static bool with_map(int fd, size_t len, off_t after)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bool ok = p != MAP_FAILED;

	if (!ok)
		return false;
	/* Past the end of the file, too. */
	memset(p, DATA, len);
	if (after)
		ok = !ftruncate(fd, after);
	else
		ok = !msync(p, len, MS_SYNC);
	munmap(p, len);
	return ok;
}

static bool direct(int fd, size_t len, off_t at)
{
	char *buf = aligned(len);
	int flags = fcntl(fd, F_GETFL);
	bool ok;

	memset(buf, DATA, len);
	ok = !fcntl(fd, F_SETFL, flags | O_DIRECT) && pwrite(fd, buf, len, at) == (ssize_t)len &&
	     !fcntl(fd, F_SETFL, flags);
	free(buf);
	return ok;
}

static bool f_small(int fd)
{
	return put_at(fd, 10, 0);
}

static bool f_append(int fd)
{
	return put_at(fd, 5000, 0) && !fsync(fd) && put_at(fd, 77, 5000);
}

static bool f_cut(int fd)
{
	return put_at(fd, 9000, 0) && !fsync(fd) && !ftruncate(fd, 4100);
}

static bool f_cut_and_up(int fd)
{
	return put_at(fd, 9000, 0) && !fsync(fd) && !ftruncate(fd, 100) && !ftruncate(fd, 8000);
}

static bool f_up(int fd)
{
	return put_at(fd, 3000, 0) && !ftruncate(fd, 10001) && put_at(fd, 10, 9000);
}

static bool f_mapped(int fd)
{
	return !ftruncate(fd, 5001) && with_map(fd, 8192, 0);
}

static bool f_mapped_up(int fd)
{
	return put_at(fd, 5001, 0) && with_map(fd, 8192, 0) && !ftruncate(fd, 7001);
}

static bool f_mapped_while_up(int fd)
{
	return put_at(fd, 3001, 0) && with_map(fd, 4096, 10001);
}

static bool f_direct(int fd)
{
	return direct(fd, 512, 0);
}

static bool f_direct_inside(int fd)
{
	return !fallocate(fd, 0, 0, 65536) && direct(fd, 512, 20480 + 512);
}

static bool f_direct_hole(int fd)
{
	return direct(fd, 1536, 40960 + 512);
}

static bool f_ahead(int fd)
{
	return !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536) && put_at(fd, 10, 0);
}

static bool f_ahead_inside(int fd)
{
	return !fallocate(fd, 0, 0, 50001) && put_at(fd, 10, 30000);
}

static bool f_punch(int fd)
{
	return put_at(fd, 40000, 0) && !fsync(fd) &&
	       !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5001, 4000) &&
	       !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 35001, 20000);
}

static bool f_zero(int fd)
{
	return put_at(fd, 40000, 0) && !fsync(fd) &&
	       !fallocate(fd, FALLOC_FL_ZERO_RANGE, 1234, 20000) &&
	       !fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 39001, 9000);
}

static bool f_collapse(int fd)
{
	return put_at(fd, 40001, 0) && !fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 8192);
}

static bool f_insert(int fd)
{
	return put_at(fd, 40001, 0) && !fallocate(fd, FALLOC_FL_INSERT_RANGE, 4096, 8192);
}

static bool f_sparse(int fd)
{
	return put_at(fd, 5, 100001);
}

static bool f_copy(int fd)
{
	loff_t from = 0, to = 777;
	int in = open("f_small.0", O_RDONLY);
	bool ok = copy_file_range(in, &from, fd, &to, 10, 0) == 10;

	close(in);
	return ok;
}

static const struct {
	const char *name;
	bool (*make)(int fd);
	off_t zero;	/* from here to the end nothing has been written... */
	off_t data;	/* but from here on */
} files[] = {
	{ "f_small", f_small }, { "f_append", f_append }, { "f_cut", f_cut },
	{ "f_cut_and_up", f_cut_and_up, 100 }, { "f_up", f_up, 3000, 9000 },
	{ "f_mapped", f_mapped }, { "f_mapped_up", f_mapped_up, 5001 },
	{ "f_mapped_while_up", f_mapped_while_up, 4096 },
	{ "f_direct", f_direct }, { "f_direct_inside", f_direct_inside, 20480 + 1024 },
	{ "f_direct_hole", f_direct_hole }, { "f_ahead", f_ahead },
	{ "f_ahead_inside", f_ahead_inside, 30010 }, { "f_punch", f_punch, 35001 },
	{ "f_zero", f_zero, 39001 }, { "f_collapse", f_collapse }, { "f_insert", f_insert },
	{ "f_sparse", f_sparse }, { "f_copy", f_copy },
};

/* Is there nothing in the file but what has been written? */
static bool only_own(const char *name, off_t zero, off_t data)
{
	static char buf[1 << 17];
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf)), i;
	size_t end = (n + 4095) & ~4095;
	char *p = mmap(NULL, end, PROT_READ, MAP_SHARED, fd, 0);
	bool ok = n > 0 && p != MAP_FAILED;

	for (i = 0; ok && i < n; i++)
		ok = (!buf[i] || buf[i] == DATA) && p[i] == buf[i] &&
		     !(zero && i >= zero && (!data || i < data) && buf[i]);
	/* A page that is mapped has more bytes than the file. */
	for (; ok && i < (ssize_t)end; i++)
		ok = !p[i];
	if (!ok)
		printf("# %s: byte %zd of %zd\n", name, i - 1, n);
	munmap(p, end);
	close(fd);
	return ok;
}

static void make_files(struct __test_metadata *_metadata)
{
	unsigned int i, synced;
	char name[40];
	int fd;

	memset(text, DATA, sizeof(text));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		for (synced = 0; synced < 2; synced++) {
			sprintf(name, "%s.%u", files[i].name, synced);
			fd = open_new(name);
			ASSERT_OK(fd);
			EXPECT_TRUE(files[i].make(fd)) TH_LOG("%s: %s", name, strerror(errno));
			if (synced)
				EXPECT_OK(fsync(fd));
			close(fd);
		}
	}
}

static void read_files(struct __test_metadata *_metadata)
{
	unsigned int i, synced;
	char name[40];

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		for (synced = 0; synced < 2; synced++) {
			sprintf(name, "%s.%u", files[i].name, synced);
			EXPECT_TRUE(only_own(name, files[i].zero, files[i].data));
		}
	}
}

static void take_down(struct __test_metadata *_metadata, struct volume *v)
{
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(v->mnt, 0));
}

TEST_F(slack, files)
{
	make_files(_metadata);
	read_files(_metadata);
	drop_caches();
	read_files(_metadata);
	take_down(_metadata, &self->v);
	EXPECT_EQ(0, with_volume(self->v.dev, walk));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	read_files(_metadata);
}

/* What was promised to a file and has not been written reads as zeroes. */
TEST_F(slack, unwritten)
{
	static char buf[1 << 16];
	off_t len = 8 << 20, at;
	int fd = open_new("ahead"), pass;

	ASSERT_OK(fallocate(fd, 0, 0, len));
	for (pass = 0; pass < 2; pass++) {
		for (at = 0; at < len; at += sizeof(buf)) {
			ASSERT_EQ(sizeof(buf), pread(fd, buf, sizeof(buf), at));
			ASSERT_TRUE(all_zero(buf, sizeof(buf))) TH_LOG("at %ld", (long)at);
		}
		fcntl(fd, F_SETFL, O_RDWR | O_DIRECT);
	}
	close(fd);
}

/* ---- metadata ---- */

#define NAMES	150

static void metadata_name(char *name, const char *kind, int i)
{
	sprintf(name, "%s of %s %0*d", kind, marker, 1 + i, i);
}

static int metadata_make(int i)
{
	char name[300], value[3000];
	size_t at;

	for (at = 0; at + sizeof(marker) < sizeof(value); at += sizeof(marker) - 1)
		memcpy(value + at, marker, sizeof(marker));
	metadata_name(name, "file", i);
	if (create_file(name, 0644) || setxattr(name, "user.x", value, 20 + i * 19, 0) ||
	    setxattr(name, "trusted.what has been removed", value, 21, 0))
		return -1;
	metadata_name(name, "link", i);
	value[21 + i * 19] = 0;
	if (symlink(value, name))
		return -1;
	metadata_name(name, "dir", i);
	return mkdir(name, 0755);
}

static int metadata_remove(int i)
{
	char name[300], new[300];

	metadata_name(name, "file", i);
	metadata_name(new, "new", i);
	if (removexattr(name, "user.x") || rename(name, new) || unlink(new))
		return -1;
	metadata_name(name, "link", i);
	if (unlink(name))
		return -1;
	metadata_name(name, "dir", i);
	return rmdir(name);
}

TEST_F(slack, metadata)
{
	int i;

	for (i = 0; i < NAMES; i++)
		ASSERT_EQ(0, metadata_make(i)) TH_LOG("%d: %s", i, strerror(errno));
	for (i = 0; i < NAMES; i += 2)
		ASSERT_EQ(0, metadata_remove(i)) TH_LOG("%d: %s", i, strerror(errno));
	take_down(_metadata, &self->v);
	EXPECT_EQ(0, with_volume(self->v.dev, walk));
	EXPECT_LT(0, with_volume(self->v.dev, find_marker));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	for (i = 1; i < NAMES; i += 2)
		ASSERT_EQ(0, metadata_remove(i)) TH_LOG("%d: %s", i, strerror(errno));
	ASSERT_OK(create_file("left", 0644));
	take_down(_metadata, &self->v);
	EXPECT_EQ(0, with_volume(self->v.dev, walk));
	EXPECT_EQ(0, with_volume(self->v.dev, find_marker));
}

/* ---- tools ---- */

/* The log is empty, but for its head. */
static unsigned int log_is_not_zero(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	u8 data[1 << LNKFS_MAX_BLOCK_BITS];
	unsigned int i, bad = 0;

	for (i = fs->journal_blocks - 64; i < fs->journal_blocks; i++) {
		lnkfs_dev_read(&v->dev, (fs->journal_start + i) << fs->block_bits, data,
			       fs->block_size);
		bad += !all_zero(data, fs->block_size);
	}
	return bad;
}

static int tool(const char *name, const char *options, const struct volume *v)
{
	char cmd[600];
	int st;

	snprintf(cmd, sizeof(cmd), "%s %s %s >/dev/null", name, options, v->dev);
	st = system(cmd);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

/* Blocks of the journal that a file has had, perhaps with something like a log in it. */
TEST_F(slack, tools)
{
	static const uint32_t commit[3] = { 0x98393bc0, 0x02000000, 0x02000000 };
	static char buf[1 << 16];
	unsigned int at;
	int fd;

	for (at = 0; at < sizeof(buf); at += 1024)
		memcpy(buf + at, commit, sizeof(commit));
	fd = open_new("like a log");
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	ASSERT_OK(unlink("like a log"));
	make_files(_metadata);
	take_down(_metadata, &self->v);
	EXPECT_EQ(0, tool("tune.lnkfs", "-J size=6M", &self->v));
	EXPECT_EQ(0, with_volume(self->v.dev, log_is_not_zero));
	EXPECT_EQ(0, with_volume(self->v.dev, walk));
	ASSERT_OK(truncate(self->v.image, 40 << 20));
	fd = open(self->v.dev, O_RDWR);
	ASSERT_OK(ioctl(fd, LOOP_SET_CAPACITY, 0));
	close(fd);
	EXPECT_EQ(0, tool("resize.lnkfs", "", &self->v));
	EXPECT_EQ(0, with_volume(self->v.dev, walk));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	read_files(_metadata);
}

/* ---- what the kernel hands out ---- */

TEST_F(slack, fsmap)
{
	struct fsmap_head *fm = malloc(sizeof(*fm) + 200 * sizeof(struct fsmap));
	unsigned int i;
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	memset(fm, 0, sizeof(*fm));
	memset(fm->fmh_recs, 0xff, 200 * sizeof(struct fsmap));
	fm->fmh_count = 200;
	memset(&fm->fmh_keys[1], 0xff, sizeof(fm->fmh_keys[1]));
	memset(fm->fmh_keys[1].fmr_reserved, 0, sizeof(fm->fmh_keys[1].fmr_reserved));
	ASSERT_OK(ioctl(fd, FS_IOC_GETFSMAP, fm));
	EXPECT_LT(2, fm->fmh_entries);
	EXPECT_TRUE(all_zero(fm->fmh_reserved, sizeof(fm->fmh_reserved)));
	for (i = 0; i < fm->fmh_entries; i++)
		EXPECT_TRUE(all_zero(fm->fmh_recs[i].fmr_reserved,
				     sizeof(fm->fmh_recs[i].fmr_reserved)));
	close(fd);
	free(fm);
}

/* Entries are padded; the padding holds nothing of before. */
TEST_F(slack, names)
{
	static char buf[32768];
	struct dirent64 *de;
	char name[64];
	long n, at;
	int fd, i;

	for (i = 0; i < 40; i++) {
		sprintf(name, "%0*d", 1 + i, i);
		ASSERT_OK(create_file(name, 0644));
	}
	fd = open(".", O_RDONLY | O_DIRECTORY);
	memset(buf, 0, sizeof(buf));
	n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
	EXPECT_LT(40 * 24, n);
	for (at = 0; at < n; at += de->d_reclen) {
		de = (struct dirent64 *)(buf + at);
		i = strlen(de->d_name);
		EXPECT_TRUE(all_zero(de->d_name + i, de->d_reclen -
				     offsetof(struct dirent64, d_name) - i));
	}
	close(fd);
}

TEST_F(slack, handles)
{
	struct file_handle *fh = malloc(sizeof(*fh) + 128);
	unsigned int i;
	int id;

	ASSERT_OK(create_file("f", 0644));
	memset(fh, 0xee, sizeof(*fh) + 128);
	fh->handle_bytes = 128;
	ASSERT_OK(name_to_handle_at(AT_FDCWD, "f", fh, &id, 0));
	EXPECT_EQ(12, fh->handle_bytes);
	for (i = fh->handle_bytes; i < 128; i++)
		EXPECT_EQ(0xee, fh->f_handle[i]);
	free(fh);
}

TEST_HARNESS_MAIN
