// SPDX-License-Identifier: GPL-2.0
/*
 * Where the data of files go: files that grow side by side, with ext4 beside
 * the filesystem under test, and files that never need blocks.
 */
#include "file_util.h"

/* What was measured on one filesystem. */
struct result {
	unsigned int most;	/* pieces of the file with most */
	unsigned int sum;
	long long sectors;
};

FIXTURE(file_alloc)
{
	struct volume v;
	bool there;
};

FIXTURE_SETUP(file_alloc)
{
	self->there = false;
}

static void vol_begin(struct __test_metadata *_metadata,
		      FIXTURE_DATA(file_alloc) *self, const char *type, unsigned int mib)
{
	begin_other(type);
	ASSERT_EQ(0, vol_make(&self->v, mib));
	self->there = true;
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
}

static void vol_end(struct __test_metadata *_metadata, FIXTURE_DATA(file_alloc) *self)
{
	EXPECT_OK(chdir("/"));
	if (!strcmp(getenv("FSTYPE"), getenv("FILE_FSTYPE")))
		end_other();
	EXPECT_EQ(0, vol_remove(&self->v));
	self->there = false;
	end_other();
}

FIXTURE_TEARDOWN(file_alloc)
{
	begin_teardown(_metadata);
	if (self->there)
		vol_end(_metadata, self);
}

static void count_pieces(struct __test_metadata *_metadata, const char *name,
			 struct result *r)
{
	static struct emap m;
	int fd = open(name, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_OK(get_map(fd, FIEMAP_FLAG_SYNC, &m));
	ASSERT_NE(0, m.n);
	close(fd);
	r->sum += m.pieces;
	if (m.pieces > r->most)
		r->most = m.pieces;
}

enum { FILES = 6, GROWN = 1536 * KIB };

static void append_side_by_side(struct __test_metadata *_metadata, struct result *r)
{
	static char buf[64 * KIB];
	struct rng rng = { 4711 };
	int fd[FILES], i, left = FILES;
	off_t size[FILES] = { 0 };
	char name[16];

	memset(buf, 0x77, sizeof(buf));
	for (i = 0; i < FILES; i++) {
		sprintf(name, "log%d", i);
		fd[i] = open(name, O_CREAT | O_WRONLY | O_APPEND, 0644);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; left; i = (i + 1) % FILES) {
		size_t len = (1 + rng_below(&rng, 16)) * 4 * KIB;

		if (size[i] >= GROWN)
			continue;
		ASSERT_EQ(len, write(fd[i], buf, len));
		ASSERT_OK(fsync(fd[i]));
		size[i] += len;
		left -= size[i] >= GROWN;
	}
	for (i = 0; i < FILES; i++) {
		close(fd[i]);
		sprintf(name, "log%d", i);
		count_pieces(_metadata, name, r);
	}
}

TEST_F(file_alloc, appenders_with_fsync)
{
	struct result ext4 = { 0 }, own = { 0 };

	vol_begin(_metadata, self, "ext4", 64);
	append_side_by_side(_metadata, &ext4);
	vol_end(_metadata, self);
	vol_begin(_metadata, self, env_or("FSTYPE", "lnkfs"), 64);
	append_side_by_side(_metadata, &own);
	vol_end(_metadata, self);
	TH_LOG("pieces of %d files: ext4 %u, at most %u; here %u, at most %u", FILES,
	       ext4.sum, ext4.most, own.sum, own.most);
	/* One for each time the file doubles, and some; without care 40. */
	EXPECT_GE(12, own.most);
	EXPECT_GE(2 * ext4.sum + 4 * FILES, own.sum);
}

enum { WRITERS = 12, ROUNDS = 24, STEP = 24 * KIB };

/* Every process adds a little, then somebody's timer writes it all back. */
static void write_slowly(struct __test_metadata *_metadata, struct result *r)
{
	int go[2], done[2], i, j, st;
	char name[16], c;

	ASSERT_OK(pipe(done));
	ASSERT_OK(pipe(go));
	for (i = 0; i < WRITERS; i++) {
		if (fork())
			continue;
		static char buf[STEP];
		int fd;

		close(go[1]);
		memset(buf, i + 1, sizeof(buf));
		sprintf(name, "slow%d", i);
		fd = open(name, O_CREAT | O_WRONLY, 0644);
		for (j = 0; j < ROUNDS; j++) {
			if (read(go[0], &c, 1) != 1 || write(fd, buf, STEP) != STEP ||
			    write(done[1], "d", 1) != 1)
				_exit(1);
			/* Leave the next one's turn to others. */
			usleep(2000);
		}
		_exit(0);
	}
	close(go[0]);
	for (j = 0; j < ROUNDS; j++) {
		for (i = 0; i < WRITERS; i++)
			ASSERT_EQ(1, write(go[1], "g", 1));
		for (i = 0; i < WRITERS; i++)
			ASSERT_EQ(1, read(done[0], &c, 1));
		sync();
	}
	for (i = 0; i < WRITERS; i++) {
		wait(&st);
		EXPECT_EQ(0, st);
	}
	close(go[1]);
	close(done[0]);
	close(done[1]);
	for (i = 0; i < WRITERS; i++) {
		sprintf(name, "slow%d", i);
		count_pieces(_metadata, name, r);
	}
}

TEST_F(file_alloc, many_slow_writers)
{
	struct result ext4 = { 0 }, own = { 0 };

	vol_begin(_metadata, self, "ext4", 64);
	write_slowly(_metadata, &ext4);
	vol_end(_metadata, self);
	vol_begin(_metadata, self, env_or("FSTYPE", "lnkfs"), 64);
	write_slowly(_metadata, &own);
	vol_end(_metadata, self);
	TH_LOG("pieces of %d files: ext4 %u, at most %u; here %u, at most %u", WRITERS,
	       ext4.sum, ext4.most, own.sum, own.most);
	EXPECT_GE(8, own.most);
	EXPECT_GE(2 * ext4.sum + 4 * WRITERS, own.sum);
}

/* Space kept for some is everybody's when it is the last. */
TEST_F(file_alloc, kept_space_is_not_lost)
{
	int fd[32], i, big;
	struct statfs sf;
	char name[16];
	ssize_t n = 0;
	char *buf = malloc(MIB);

	memset(buf, 1, MIB);
	vol_begin(_metadata, self, env_or("FSTYPE", "lnkfs"), 24);
	for (i = 0; i < 32; i++) {
		sprintf(name, "f%d", i);
		fd[i] = open_new(name);
		ASSERT_EQ(4096, write(fd[i], buf, 4096));
		ASSERT_OK(fsync(fd[i]));
	}
	big = open_new("big");
	do {
		n = write(big, buf, MIB);
	} while (n == MIB);
	EXPECT_TRUE(n >= 0 || errno == ENOSPC);
	while (write(big, buf, 1024) > 0)
		;
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_OK(fsync(big));
	ASSERT_OK(statfs(".", &sf));
	EXPECT_GT(400, sf.f_bavail * sf.f_bsize / KIB);
	close(big);
	for (i = 0; i < 32; i++)
		close(fd[i]);
	vol_end(_metadata, self);
	free(buf);
}

/* The last close gives back what was kept: the next file comes right after. */
TEST_F(file_alloc, closed_files_leave_no_gaps)
{
	static struct emap m;
	uint64_t end = 0, gaps = 0;
	char name[16], buf[8192];
	int i, fd;

	memset(buf, 1, sizeof(buf));
	vol_begin(_metadata, self, env_or("FSTYPE", "lnkfs"), 64);
	for (i = 0; i < 40; i++) {
		sprintf(name, "f%d", i);
		fd = open_new(name);
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
		ASSERT_OK(fsync(fd));
		ASSERT_OK(get_map(fd, 0, &m));
		ASSERT_EQ(1, m.pieces);
		if (end && m.e[0].fe_physical != end)
			gaps++;
		end = m.e[0].fe_physical + m.e[0].fe_length;
		close(fd);
	}
	/* An inode block comes between them now and then. */
	EXPECT_GE(6, gaps);
	vol_end(_metadata, self);
}

enum { TEMPS = 24 };

static void temporary_files(struct __test_metadata *_metadata, struct volume *v,
			    struct result *r)
{
	char *buf = malloc(MIB);
	long long before;
	struct stat st;
	int i, fd;

	memset(buf, 0x55, MIB);
	sync();
	before = sectors_written(v->dev);
	ASSERT_LE(0, before);
	for (i = 0; i < TEMPS; i++) {
		fd = open_new("temporary");
		ASSERT_EQ(MIB, write(fd, buf, MIB));
		ASSERT_OK(fstat(fd, &st));
		EXPECT_LE(MIB / 512, st.st_blocks);
		ASSERT_OK(unlink("temporary"));
		close(fd);
	}
	sync();
	r->sectors = sectors_written(v->dev) - before;
	free(buf);
}

TEST_F(file_alloc, temporary_files_cost_nothing)
{
	struct result ext4 = { 0 }, own = { 0 };
	struct statfs a, b;

	vol_begin(_metadata, self, "ext4", 64);
	temporary_files(_metadata, &self->v, &ext4);
	vol_end(_metadata, self);
	vol_begin(_metadata, self, env_or("FSTYPE", "lnkfs"), 64);
	ASSERT_OK(statfs(".", &a));
	temporary_files(_metadata, &self->v, &own);
	ASSERT_OK(statfs(".", &b));
	EXPECT_LE(a.f_bfree - b.f_bfree, 64 * KIB / a.f_bsize);
	vol_end(_metadata, self);
	TH_LOG("sectors written for %d files of 1 MiB: ext4 %lld, here %lld", TEMPS,
	       ext4.sectors, own.sectors);
	/* The names and the inodes; of the data nothing. */
	EXPECT_GT(400, own.sectors);
	EXPECT_GE(2 * ext4.sectors + 200, own.sectors);
}

TEST_HARNESS_MAIN
