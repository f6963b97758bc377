// SPDX-License-Identifier: GPL-2.0
/*
 * How extended attributes are kept: many and large ones beside what else an
 * inode holds, changed at random against a model, over remounts, crashes and a
 * full volume; and the space that they give back.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "attr_util.h"
#include "volume.h"
#include "xattr_util.h"

#define NEEDS_ROOM							\
	do {								\
		if (few_and_small())					\
			SKIP(return, "it has room for few attributes");	\
	} while (0)

/* XFS does not make smaller ones. */
#define MIB	(on_fs("xfs") ? 64 : 24)

VOLUME_FIXTURE(store, MIB)

static void again(struct __test_metadata *_metadata, struct volume *v)
{
	ASSERT_OK(vol_again(v, 0, NULL));
}

/* Everything is as a crash at this moment leaves it. */
static void crash(struct __test_metadata *_metadata, struct volume *v, uint32_t how)
{
	ASSERT_OK(chdir("/"));
	ASSERT_OK(crash_volume(v->mnt, how));
	again(_metadata, v);
}

/* A cluster of inode blocks, or of XFS's, may be kept. */
#define SLACK	(256 * 1024)

/* What was removed is given back, if not at once. */
static long long missing_bytes(long long before)
{
	long long lost = 0;

	for (int i = 0; i < 100; i++) {
		lost = before - free_bytes();
		if (lost <= SLACK)
			return 0;
		usleep(100000);
	}
	return lost;
}

static const char *nth(int i)
{
	static char name[64];

	sprintf(name, "user.number.%d", i);
	return name;
}

TEST_F(store, thousands)
{
	const int n = 2000;
	long long before;
	int i;

	NEEDS_ROOM;
	before = free_bytes();
	ASSERT_OK(create_file("f", 0644));
	for (i = 0; i < n; i++)
		ASSERT_OK(value_set("f", nth(i), i % 100, i, XATTR_CREATE));
	EXPECT_EQ(n, count_listed("f"));
	again(_metadata, &self->v);
	EXPECT_EQ(n, count_listed("f"));
	for (i = 0; i < n; i++) {
		EXPECT_TRUE(value_is("f", nth(i), i % 100, i)) TH_LOG("%d", i);
		if (i % 3) {
			EXPECT_OK(removexattr("f", nth(i)));
		} else if (i % 2) {
			EXPECT_OK(value_set("f", nth(i), 300, i, XATTR_REPLACE));
		}
	}
	EXPECT_EQ((n + 2) / 3, count_listed("f"));
	again(_metadata, &self->v);
	for (i = n - 1; i >= 0; i--) {
		if (i % 3) {
			EXPECT_TRUE(gone("f", nth(i)));
			continue;
		}
		EXPECT_TRUE(value_is("f", nth(i), i % 2 ? 300 : i % 100, i));
		EXPECT_OK(removexattr("f", nth(i)));
	}
	EXPECT_EQ(0, count_listed("f"));
	EXPECT_EQ(0, missing_bytes(before));
}

/* Every object keeps its attributes when it has more of its own to keep. */
TEST_F(store, directory_that_grows)
{
	const size_t size = value_max() / 4;
	char name[300];
	int i, step;

	for (step = 0; step < 2; step++) {
		ASSERT_OK(mkdir("d", 0755));
		/* one that needs all of the inode, then one that has left it */
		EXPECT_OK(value_set("d", "user.small", 150, 1, 0));
		if (step)
			EXPECT_OK(value_set("d", "user.large", size, 2, 0));
		for (i = 0; i < 400; i++) {
			sprintf(name, "d/%0*d", 1 + i % 200, i);
			ASSERT_OK(create_file(name, 0644));
			if (i < 40 || i % 50 == 0) {
				EXPECT_TRUE(value_is("d", "user.small", 150, 1));
				if (step)
					EXPECT_TRUE(value_is("d", "user.large", size, 2));
			}
			if (i % 37 == 0)
				EXPECT_OK(value_set("d", nth(i), 20, i, 0));
		}
		again(_metadata, &self->v);
		EXPECT_TRUE(value_is("d", "user.small", 150, 1));
		EXPECT_EQ(12 + step, count_listed("d"));
		for (i = 0; i < 400; i++) {
			sprintf(name, "d/%0*d", 1 + i % 200, i);
			ASSERT_OK(unlink(name));
		}
		for (i = 0; i < 400; i += 37)
			EXPECT_TRUE(value_is("d", nth(i), 20, i));
		EXPECT_TRUE(value_is("d", "user.small", 150, 1));
		if (step)
			EXPECT_TRUE(value_is("d", "user.large", size, 2));
		ASSERT_OK(rmdir("d"));
	}
}

static bool holds_blocks(int fd, int n)
{
	char c;

	for (int i = 0; i < n; i += 7)
		if (pread(fd, &c, 1, (off_t)i * 8192) != 1 || c != (char)i)
			return false;
	return true;
}

TEST_F(store, file_that_is_cut_in_pieces)
{
	const int n = 300;
	int fd, i;
	char c;

	fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0644);
	EXPECT_OK(value_set("f", "user.small", 150, 1, 0));
	EXPECT_OK(value_set("f", "trusted.other", 30, 2, 0));
	for (i = 0; i < n; i++) {
		c = i;
		ASSERT_EQ(1, pwrite(fd, &c, 1, (off_t)i * 8192));
		if (i < 30 || i % 50 == 0) {
			ASSERT_OK(fsync(fd));
			EXPECT_TRUE(value_is("f", "user.small", 150, 1)) TH_LOG("%d", i);
		}
		if (i % 29 == 0)
			EXPECT_OK(value_set("f", nth(i), 20, i, 0));
	}
	close(fd);
	again(_metadata, &self->v);
	fd = open("f", O_RDWR);
	EXPECT_TRUE(holds_blocks(fd, n));
	for (i = n; i >= 0; i -= 29) {
		ASSERT_OK(ftruncate(fd, (off_t)i * 8192));
		EXPECT_TRUE(value_is("f", "user.small", 150, 1));
		EXPECT_TRUE(value_is("f", "trusted.other", 30, 2));
	}
	for (i = 0; i < n; i += 29)
		EXPECT_TRUE(value_is("f", nth(i), 20, i));
	close(fd);
}

/* Links whose text leaves the inode no room, and those that lie outside. */
TEST_F(store, links_of_every_length)
{
	static const int lengths[] = { 1, 60, 800, 871, 872, 1000, 1800, 1863, 1864, 4095 };
	char text[4096], got[4096], name[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		if (on_fs("xfs") && lengths[i] > 1000)
			break;
		if (lengths[i] > (int)symlink_max())
			break;
		memset(text, 'a' + i, sizeof(text));
		text[lengths[i]] = 0;
		sprintf(name, "l%u", i);
		ASSERT_OK(symlink(text, name));
		EXPECT_OK(value_set(name, "trusted.a", 40, i, XATTR_CREATE));
		EXPECT_OK(value_set(name, "security.b", value_max() / 4, i, XATTR_CREATE));
		EXPECT_EQ(lengths[i], readlink(name, got, sizeof(got)));
	}
	again(_metadata, &self->v);
	while (i--) {
		memset(text, 'a' + i, sizeof(text));
		sprintf(name, "l%u", i);
		EXPECT_EQ(lengths[i], readlink(name, got, sizeof(got)));
		EXPECT_EQ(0, memcmp(text, got, lengths[i]));
		EXPECT_TRUE(value_is(name, "trusted.a", 40, i)) TH_LOG("%d", lengths[i]);
		EXPECT_TRUE(value_is(name, "security.b", value_max() / 4, i));
		EXPECT_OK(lremovexattr(name, "security.b"));
		EXPECT_TRUE(value_is(name, "trusted.a", 40, i));
		EXPECT_EQ(lengths[i], readlink(name, got, sizeof(got)));
	}
}

TEST_F(store, space_comes_back)
{
	const size_t big = value_max();
	struct stat st;
	long long before;
	int i, k;

	before = free_bytes();
	for (k = 0; k < 3; k++) {
		ASSERT_OK(create_file("f", 0644));
		for (i = 0; i < 20; i++) {
			if (few_and_small() && i)
				break;
			ASSERT_OK(value_set("f", nth(i), big, i, 0));
		}
		ASSERT_OK(stat("f", &st));
		if (!few_and_small()) {
			EXPECT_GE(before - free_bytes(), 20 * XATTR_MAX);
			/* what the file takes is what is counted to its owner */
			EXPECT_LE(20 * XATTR_MAX / 512, st.st_blocks);
		}
		/* in the three ways there are: with the file, replaced, removed */
		for (i = 0; k && i < 20 && (!i || !few_and_small()); i++) {
			if (k == 1) {
				EXPECT_OK(value_set("f", nth(i), 1, i, XATTR_REPLACE));
			} else {
				EXPECT_OK(removexattr("f", nth(i)));
			}
		}
		if (k) {
			EXPECT_EQ(0, missing_bytes(before));
			ASSERT_OK(stat("f", &st));
			EXPECT_GE(64 * 2, st.st_blocks);
		}
		ASSERT_OK(unlink("f"));
		EXPECT_EQ(0, missing_bytes(before));
	}
}

/* An open file that has no name any more gives all of it back when closed. */
TEST_F(store, space_of_an_unlinked_file)
{
	const size_t big = value_max();
	long long before = free_bytes();
	int fd;

	fd = open("f", O_CREAT | O_RDWR, 0644);
	ASSERT_OK(value_set("f", "user.a", big, 1, 0));
	ASSERT_OK(unlink("f"));
	EXPECT_EQ(big, fgetxattr(fd, "user.a", NULL, 0));
	close(fd);
	EXPECT_EQ(0, missing_bytes(before));
	/* and also when a crash comes in between */
	fd = open("f", O_CREAT | O_RDWR, 0644);
	ASSERT_OK(value_set("f", "user.a", big, 1, 0));
	ASSERT_OK(unlink("f"));
	ASSERT_OK(crash_volume(self->v.mnt, LNKFS_SHUTDOWN_LOG));
	close(fd);
	again(_metadata, &self->v);
	EXPECT_FALSE(exists("f"));
	EXPECT_EQ(0, missing_bytes(before));
}

/*
 * The model: a few objects with a few names each, and what they have to hold.
 * Its changes are numbered, so that the state after each of them is known.
 */
#define OBJECTS	5
#define NAMES	14
#define CHANGES	4000

static const enum type model_types[OBJECTS] = { T_REG, T_DIR, T_FAST, T_SLOW, T_FIFO };

struct change {
	unsigned char obj, name;
	int size;		/* -1: removed */
	uint32_t seed;
};

struct model {
	struct rng rng;
	int count;		/* changes made */
	struct change log[CHANGES];
	struct change is[OBJECTS][NAMES];
};

static const char *model_name(int obj, int name)
{
	static char buf[256];
	const char *space = model_types[obj] <= T_DIR && name % 3 == 0 ? "user." :
			    name % 3 == 1 ? "security." : "trusted.";

	/* some of them long */
	sprintf(buf, "%s%0*d", space, name % 5 == 4 && !few_and_small() ? 200 : 2, name);
	return buf;
}

static const char *model_object(int obj)
{
	static char buf[16];

	sprintf(buf, "m%d", obj);
	return buf;
}

static void model_start(struct __test_metadata *_metadata, struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->rng.s = seed * 0x9e3779b97f4a7c15ULL;
	for (int i = 0; i < OBJECTS; i++) {
		ASSERT_EQ(0, make_object(model_object(i), model_types[i]));
		for (int k = 0; k < NAMES; k++)
			m->is[i][k].size = -1;
	}
}

/* Sizes about every order of magnitude. */
static int some_size(struct rng *r)
{
	unsigned int kind = rng_below(r, 16);

	if (few_and_small())
		return rng_below(r, 60);
	if (kind < 6)
		return rng_below(r, 40);
	if (kind < 10)
		return rng_below(r, 300);
	if (kind < 13)
		return rng_below(r, 2500);
	if (kind < 15)
		return rng_below(r, 9000);
	return rng_below(r, XATTR_MAX + 1);
}

/* One change, made and noted; its errno or 0. */
static int model_change(struct model *m)
{
	struct change *c = &m->log[m->count], *was;
	const char *obj, *name;
	int ret;

	c->obj = rng_below(&m->rng, OBJECTS);
	c->name = rng_below(&m->rng, NAMES);
	c->seed = rng_next(&m->rng);
	was = &m->is[c->obj][c->name];
	c->size = was->size >= 0 && rng_below(&m->rng, 3) == 0 ? -1 : some_size(&m->rng);
	obj = model_object(c->obj);
	name = model_name(c->obj, c->name);
	if (c->size < 0)
		ret = lremovexattr(obj, name);
	else
		ret = value_set(obj, name, c->size, c->seed,
				rng_below(&m->rng, 2) ? 0 :
				was->size < 0 ? XATTR_CREATE : XATTR_REPLACE);
	if (ret)
		return errno;
	*was = *c;
	m->count++;
	return 0;
}

/* The first difference, or NULL. */
static const char *model_differs(const struct change is[OBJECTS][NAMES])
{
	static char what[400];

	for (int i = 0; i < OBJECTS; i++) {
		int have = 0;

		for (int k = 0; k < NAMES; k++) {
			const struct change *c = &is[i][k];
			const char *obj = model_object(i), *name = model_name(i, k);
			bool good = c->size < 0 ? gone(obj, name) :
				    value_is(obj, name, c->size, c->seed);

			have += c->size >= 0;
			snprintf(what, sizeof(what), "%s %s, %d bytes", obj, name, c->size);
			if (!good)
				return what;
		}
		snprintf(what, sizeof(what), "m%d lists not %d", i, have);
		if (count_listed(model_object(i)) != have)
			return what;
	}
	return NULL;
}

#define EXPECT_MODEL(m) do {						\
	const char *diff_ = model_differs((m)->is);			\
									\
	ASSERT_EQ(NULL, diff_) TH_LOG("after %d: %s", (m)->count, diff_); \
} while (0)

TEST_F(store, at_random)
{
	static struct model m;
	const int rounds = 10, each = 100;
	uint64_t seed = strtoull(env_or("LNKFS_SEED", "1"), NULL, 0);
	int i, k, err;

	model_start(_metadata, &m, seed);
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < each; k++) {
			err = model_change(&m);
			ASSERT_EQ(0, err) TH_LOG("change %d: %s", m.count, strerror(err));
		}
		EXPECT_MODEL(&m);
		switch (i % 4) {
		case 0:
			again(_metadata, &self->v);
			break;
		case 1:
			drop_caches();
			break;
		case 2:
			/* the log is written before the end: nothing is lost */
			crash(_metadata, &self->v, LNKFS_SHUTDOWN_LOG);
			break;
		default:
			continue;
		}
		EXPECT_MODEL(&m);
	}
}

/*
 * A crash that takes what was not synced: what is left is the state after one
 * of the changes, not earlier than the last that was synced.
 */
TEST_F(store, crash_in_between)
{
	static struct change is[OBJECTS][NAMES];
	static struct model m;
	int round, k, err, synced, found;

	model_start(_metadata, &m, 77);
	for (round = 0; round < 6; round++) {
		for (k = 0; k < 30; k++) {
			err = model_change(&m);
			ASSERT_EQ(0, err) TH_LOG("change %d: %s", m.count, strerror(err));
		}
		sync();
		synced = m.count;
		memcpy(is, m.is, sizeof(is));
		for (k = 0; k < round * 12; k++) {
			err = model_change(&m);
			ASSERT_EQ(0, err) TH_LOG("change %d: %s", m.count, strerror(err));
		}
		crash(_metadata, &self->v, LNKFS_SHUTDOWN_NOW);
		for (found = synced; model_differs(is); found++) {
			ASSERT_GT(m.count, found)
				TH_LOG("round %d: the state of no moment", round);
			is[m.log[found].obj][m.log[found].name] = m.log[found];
		}
		memcpy(m.is, is, sizeof(is));
		m.count = found;
	}
}

/* Of one object, what fsync() has answered for is there. */
TEST_F(store, fsync_keeps)
{
	int fd;

	fd = open("f", O_CREAT | O_RDWR, 0644);
	ASSERT_OK(fsync(fd));
	ASSERT_OK(value_set("f", "user.a", 100, 1, 0));
	ASSERT_OK(value_set("f", "user.b", value_max() / 2, 2, 0));
	ASSERT_OK(fsync(fd));
	close(fd);
	crash(_metadata, &self->v, LNKFS_SHUTDOWN_NOW);
	EXPECT_TRUE(value_is("f", "user.a", 100, 1));
	EXPECT_TRUE(value_is("f", "user.b", value_max() / 2, 2));
	fd = open("f", O_RDWR);
	ASSERT_OK(fremovexattr(fd, "user.a"));
	ASSERT_OK(value_set("f", "user.b", 3, 3, 0));
	ASSERT_OK(fsync(fd));
	close(fd);
	crash(_metadata, &self->v, LNKFS_SHUTDOWN_NOW);
	EXPECT_TRUE(gone("f", "user.a"));
	EXPECT_TRUE(value_is("f", "user.b", 3, 3));
	EXPECT_EQ(1, count_listed("f"));
}

/* Readers see the old value or the new one, and nothing else. */
struct race {
	int stop, bad;
};

static void *race_reader(void *arg)
{
	static const size_t sizes[] = { 60, 1500 };
	struct race *r = arg;
	unsigned char buf[2000], want[2][2000];

	for (int i = 0; i < 2; i++)
		value_fill(want[i], sizes[i], i);
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		ssize_t n = getxattr("f", "user.v", buf, sizeof(buf));

		if (!(n == 60 && !memcmp(buf, want[0], 60)) &&
		    !(n == 1500 && !memcmp(buf, want[1], 1500)))
			__atomic_add_fetch(&r->bad, 1, __ATOMIC_RELAXED);
		n = listxattr("f", (char *)buf, sizeof(buf));
		if (listed_in((char *)buf, n, "user.v") != 1)
			__atomic_add_fetch(&r->bad, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F(store, readers_beside_a_writer)
{
	struct race r = { 0 };
	pthread_t t[2];
	int i;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(value_set("f", "user.v", 60, 0, 0));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, race_reader, &r));
	for (i = 0; i < 400; i++) {
		EXPECT_OK(value_set("f", "user.v", i % 2 ? 60 : 1500, i % 2 ? 0 : 1, 0));
		if (i % 5 == 0)
			EXPECT_OK(value_set("f", nth(i % 7), i % 200, i, 0));
		if (i % 16 == 0)
			sched_yield();
	}
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(0, r.bad);
}

/* Take all space, down to the last block, with the data of one file. */
static void fill_up(struct __test_metadata *_metadata)
{
	static char buf[1 << 20];
	size_t len = sizeof(buf);
	int fd = open("filler", O_CREAT | O_WRONLY | O_APPEND, 0644);
	int tries = 0;

	memset(buf, 0xee, sizeof(buf));
	/* what is being freed is waited for */
	while (len >= 512 || ++tries < 3) {
		if (write(fd, buf, len < 512 ? 512 : len) > 0)
			continue;
		ASSERT_EQ(ENOSPC, errno);
		fsync(fd);
		len /= 2;
	}
	close(fd);
}

TEST_F(store, full_volume)
{
	const int large = 60000;
	struct stat a, b;
	int i, err = 0;

	NEEDS_ROOM;
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(create_file("g", 0644));
	ASSERT_OK(value_set("f", "user.small", 100, 1, 0));
	ASSERT_OK(value_set("f", "user.large", 30000, 2, 0));
	fill_up(_metadata);
	ASSERT_OK(stat("f", &a));
	tick();
	/* it may find some room that data could not have, but not for ever */
	for (i = 0; i < 40; i++) {
		err = value_set("g", nth(i), large, i, XATTR_CREATE) ? errno : 0;
		if (err)
			break;
	}
	EXPECT_EQ(ENOSPC, err);
	EXPECT_EQ(i, count_listed("g"));
	EXPECT_ERR(ENOSPC, value_set("f", "user.small", large, 3, XATTR_REPLACE));
	EXPECT_ERR(ENOSPC, value_set("f", "user.new", large, 3, XATTR_CREATE));
	EXPECT_ERR(ENOSPC, value_set("f", "user.large", 65536, 3, 0));
	EXPECT_TRUE(value_is("f", "user.small", 100, 1));
	EXPECT_TRUE(value_is("f", "user.large", 30000, 2));
	EXPECT_TRUE(gone("f", "user.new"));
	EXPECT_EQ(2, count_listed("f"));
	ASSERT_OK(stat("f", &b));
	EXPECT_EQ(0, memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	again(_metadata, &self->v);
	EXPECT_TRUE(value_is("f", "user.small", 100, 1));
	EXPECT_TRUE(value_is("f", "user.large", 30000, 2));
	EXPECT_EQ(2, count_listed("f"));
	EXPECT_EQ(i, count_listed("g"));
	/* shrinking and removing needs no space, other than on XFS */
	if (on_fs("xfs"))
		ASSERT_OK(unlink("filler"));
	EXPECT_OK(removexattr("f", "user.small"));
	EXPECT_OK(value_set("f", "user.large", 10, 4, XATTR_REPLACE));
	EXPECT_TRUE(value_is("f", "user.large", 10, 4));
	unlink("filler");
	for (i = 0; i < 100 && value_set("f", "user.new", large, 5, 0); i++)
		usleep(100000);
	EXPECT_TRUE(value_is("f", "user.new", large, 5));
}

/* Small ones on new files, until nothing goes: each has its own, or none. */
TEST_F(store, full_of_files_with_attributes)
{
	char name[32];
	int i, k, err = 0;

	fill_up(_metadata);
	ASSERT_OK(truncate("filler", 100));
	ASSERT_OK(mkdir("d", 0755));
	for (i = 0; i < 20000 && !err; i++) {
		sprintf(name, "d/%d", i);
		if (i >= 200 && i % 50 == 0)
			fill_up(_metadata);
		err = create_file(name, 0644) ? errno : 0;
		if (!err && value_set(name, "user.a", i % 2 ? 1800 : 50, i, XATTR_CREATE))
			err = errno;
	}
	EXPECT_EQ(ENOSPC, err);
	again(_metadata, &self->v);
	for (k = 0; k < i - 1; k++) {
		sprintf(name, "d/%d", k);
		EXPECT_TRUE(value_is(name, "user.a", k % 2 ? 1800 : 50, k)) TH_LOG("%s", name);
	}
	sprintf(name, "d/%d", i - 1);
	if (exists(name))
		EXPECT_TRUE(gone(name, "user.a"));
}

TEST_HARNESS_MAIN
