/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For statements about links that have to hold for targets of every kind of
 * length, and at every stage of a link's life: when it has just been made,
 * after a crash, when nothing of it is in memory, and when the volume has been
 * mounted again.
 *
 * STAGES_FIXTURE(name) makes a fixture with a variant for each stage and each
 * kind of length; the variants of one stage run after those of the stage before
 * it, on the same volume. A test has a directory of its own for each kind of
 * length, which stays through the stages: the test makes its objects there when
 * self->st.fresh, and states what has to be true at every stage. What a crash
 * must not take has to be synced: names are (the crash comes after the journal
 * has been committed), data are only after fsync() or O_SYNC.
 */
#ifndef LNKFS_LINK_STAGES_H
#define LNKFS_LINK_STAGES_H

#include <stddef.h>
#include <sys/mman.h>

#include "lnkfs_format.h"
#include "lnkfs_test.h"

#define EXT4_FAST_MAX	59	/* the longest target that ext4 keeps in the inode */
#define TEXT_SIZE	4200	/* room for a target, and to see a longer one */

enum stage_at { STAGE_FRESH, STAGE_CRASHED, STAGE_COLD, STAGE_REMOUNTED };
enum stage_length { TEXT_SHORT, TEXT_AT_LIMIT, TEXT_ONE_OVER, TEXT_LONGEST };

/* Kept between the tests, each of which is a process. */
struct stage_shared {
	enum stage_at at;
	unsigned int fast_max;
	char base[256];
};

static struct stage_shared *stage_shared;

static void __attribute__((constructor)) stage_share(void)
{
	stage_shared = mmap(NULL, sizeof(*stage_shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

struct stage {
	enum stage_at at;
	bool fresh;
	unsigned int len;	/* bytes of the target */
	bool fast;		/* it is kept in the inode */
	char path[512];		/* the test's directory */
};

/* What the volume under test keeps in the inode, as its superblock says. */
static inline unsigned int fast_max_of(const char *dev)
{
	__le32 max = 0;
	int fd;

	if (!on_lnkfs())
		return EXT4_FAST_MAX;
	fd = open(dev, O_RDONLY);
	if (fd < 0)
		return 0;
	if (pread(fd, &max, sizeof(max), LNKFS_SUPER_OFFSET +
		  offsetof(struct lnkfs_super_block, s_fast_symlink_max)) != sizeof(max))
		max = 0;
	close(fd);
	return le32toh(max);
}

static inline unsigned int stage_text_len(enum stage_length kind)
{
	switch (kind) {
	case TEXT_SHORT:
		return 20;
	case TEXT_AT_LIMIT:
		return stage_shared->fast_max;
	case TEXT_ONE_OVER:
		return stage_shared->fast_max + 1;
	default:
		return symlink_max();
	}
}

static inline void stage_advance(struct __test_metadata *_metadata, enum stage_at at)
{
	const char *mnt = getenv("LNKFS_MNT"), *dev = getenv("LNKFS_DEV");

	ASSERT_OK(chdir("/"));
	if (at == STAGE_COLD) {
		drop_caches();
	} else {
		if (at == STAGE_CRASHED)
			ASSERT_OK(crash_volume(mnt, LNKFS_SHUTDOWN_LOG));
		ASSERT_OK(umount2(mnt, 0));
		ASSERT_OK(mount(dev, mnt, env_or("FSTYPE", "lnkfs"), 0, NULL));
	}
	stage_shared->at = at;
}

static inline void stage_enter(struct __test_metadata *_metadata, struct stage *st,
			       enum stage_at at, enum stage_length kind)
{
	const char *mnt = getenv("LNKFS_MNT");

	ASSERT_TRUE(mnt && *mnt) TH_LOG("LNKFS_MNT is not set");
	if (!*stage_shared->base) {
		stage_shared->fast_max = fast_max_of(getenv("LNKFS_DEV"));
		ASSERT_NE(0, stage_shared->fast_max);
		snprintf(stage_shared->base, sizeof(stage_shared->base),
			 "%s/links.XXXXXX", mnt);
		ASSERT_NE(NULL, mkdtemp(stage_shared->base));
		ASSERT_OK(chmod(stage_shared->base, 0755));
	}
	while (stage_shared->at < at)
		stage_advance(_metadata, stage_shared->at + 1);
	umask(022);
	st->at = at;
	st->fresh = at == STAGE_FRESH;
	st->len = stage_text_len(kind);
	st->fast = st->len <= stage_shared->fast_max;
	snprintf(st->path, sizeof(st->path), "%s/%s.%d", stage_shared->base,
		 _metadata->name, kind);
	if (st->fresh)
		ASSERT_OK(mkdir(st->path, 0755));
	ASSERT_OK(chdir(st->path));
}

/* After the last stage everything goes away, without a trace. */
static inline void stage_leave(struct __test_metadata *_metadata, struct stage *st)
{
	int err;

	begin_teardown(_metadata);
	if (st->at != STAGE_REMOUNTED)
		return;
	err = remove_tree(AT_FDCWD, st->path);
	EXPECT_EQ(0, err) TH_LOG("removing %s: %s", st->path, strerror(err));
	rmdir(stage_shared->base);
}

#define STAGE_VARIANT_(name, suffix, when, which)			\
	FIXTURE_VARIANT_ADD(name, suffix) { .at = when, .kind = which }

#define STAGE_VARIANTS_(name, stage, when)				\
	STAGE_VARIANT_(name, short_##stage, when, TEXT_SHORT);		\
	STAGE_VARIANT_(name, at_limit_##stage, when, TEXT_AT_LIMIT);	\
	STAGE_VARIANT_(name, one_over_##stage, when, TEXT_ONE_OVER);	\
	STAGE_VARIANT_(name, longest_##stage, when, TEXT_LONGEST)

#define STAGES_BASE_(name)						\
	FIXTURE(name) { struct stage st; };				\
	FIXTURE_VARIANT(name) {						\
		enum stage_at at;					\
		enum stage_length kind;					\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		stage_enter(_metadata, &self->st, variant->at, variant->kind); \
	}								\
	FIXTURE_TEARDOWN(name) { stage_leave(_metadata, &self->st); }

#define STAGES_FIXTURE(name)						\
	STAGES_BASE_(name)						\
	STAGE_VARIANTS_(name, fresh, STAGE_FRESH);			\
	STAGE_VARIANTS_(name, crashed, STAGE_CRASHED);			\
	STAGE_VARIANTS_(name, cold, STAGE_COLD);			\
	STAGE_VARIANTS_(name, remounted, STAGE_REMOUNTED);

/* The stages alone, for what has nothing to do with the length of a target. */
#define STAGES_ONLY_FIXTURE(name)					\
	STAGES_BASE_(name)						\
	STAGE_VARIANT_(name, fresh, STAGE_FRESH, TEXT_SHORT);		\
	STAGE_VARIANT_(name, crashed, STAGE_CRASHED, TEXT_SHORT);	\
	STAGE_VARIANT_(name, cold, STAGE_COLD, TEXT_SHORT);		\
	STAGE_VARIANT_(name, remounted, STAGE_REMOUNTED, TEXT_SHORT);

/*
 * The path as a text of st->len bytes that means the same: slashes or "./"
 * come before it. An absolute path that is longer already stays as it is; a
 * relative one has to be 2 bytes shorter at least. The caller frees it.
 */
static inline char *padded(const struct stage *st, const char *path)
{
	size_t n = strlen(path), pad = st->len > n ? st->len - n : 0, i;
	char *text = malloc(n + pad + 1);

	for (i = 0; i < pad; i++)
		text[i] = *path == '/' || i % 2 || (i == pad - 1 && pad % 2) ? '/' : '.';
	strcpy(text + pad, path);
	return text;
}

/* A text of st->len bytes that repeats @pattern and names nothing. */
static inline char *repeated(const struct stage *st, const char *pattern)
{
	size_t n = strlen(pattern), i;
	char *text = malloc(st->len + 1);

	for (i = 0; i < st->len; i++)
		text[i] = pattern[i % n];
	text[i] = 0;
	return text;
}

/* A link called @name whose text is @path, padded. */
static inline int make_link(const struct stage *st, const char *path, const char *name)
{
	char *text = padded(st, path);
	int ret = symlink(text, name);

	free(text);
	return ret;
}

/* Is @name a symlink that holds exactly @text, and says so? */
static inline bool holds(const char *name, const char *text)
{
	char got[TEXT_SIZE];
	size_t len = strlen(text);
	struct stat st;

	memset(got, 0, sizeof(got));
	return !lstat(name, &st) && S_ISLNK(st.st_mode) && (size_t)st.st_size == len &&
	       readlink(name, got, sizeof(got)) == (ssize_t)len &&
	       !memcmp(got, text, len + 1);
}

/* The same, for what make_link() has made. */
static inline bool links_to(const struct stage *st, const char *name, const char *path)
{
	char *text = padded(st, path);
	bool ret = holds(name, text);

	free(text);
	return ret;
}

/* Make (or replace the contents of) a file, so that a crash does not take it. */
static inline int put(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	ssize_t len = strlen(text);
	int ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, len) == len ? fsync(fd) : -1;
	close(fd);
	return ret;
}

/* Write a sysctl of fs; what it was before, or -1. */
static inline int fs_sysctl(const char *name, int value)
{
	char path[64], was = 0, now = '0' + value;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -1;
	if (pread(fd, &was, 1, 0) != 1 || pwrite(fd, &now, 1, 0) != 1)
		was = 0;
	close(fd);
	return was ? was - '0' : -1;
}

/* A mount namespace of the test's own, gone with it. */
static inline int private_mounts(void)
{
	if (unshare(CLONE_NEWNS))
		return -1;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

#endif /* LNKFS_LINK_STAGES_H */
