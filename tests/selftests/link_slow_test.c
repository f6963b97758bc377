// SPDX-License-Identifier: GPL-2.0
/*
 * Fast and slow symlinks: where the boundary is, what each takes on disk, and
 * what damage to a slow one's body does. Each test has a volume of its own.
 */
#include <sys/wait.h>

#include "link_stages.h"
#include "volume.h"

#define MAX_DEFAULT	-1

FIXTURE(boundary)
{
	struct volume v;
	unsigned int max;
};

FIXTURE_VARIANT(boundary)
{
	int max;
};

FIXTURE_VARIANT_ADD(boundary, none) { .max = 0 };
FIXTURE_VARIANT_ADD(boundary, one) { .max = 1 };
FIXTURE_VARIANT_ADD(boundary, sixty) { .max = 60 };
FIXTURE_VARIANT_ADD(boundary, hundred) { .max = 100 };
FIXTURE_VARIANT_ADD(boundary, most) { .max = MAX_DEFAULT };

/* The longest target that any record holds. */
static unsigned int most_of_any_record(void)
{
	unsigned int slots = fs_block_size() / LNKFS_SLOT_SIZE;

	return LNKFS_FAST_MAX(slots < LNKFS_MAX_SLOTS ? slots : LNKFS_MAX_SLOTS);
}

static void start(struct __test_metadata *_metadata, struct volume *v, int max)
{
	char options[64] = "";

	if (max >= 0)
		sprintf(options, "-o fast-symlink-max=%d", max);
	ASSERT_EQ(0, vol_make_with(v, 16, options))
		TH_LOG("%s: %s", v->image, strerror(errno));
	ASSERT_OK(vol_mount(v, 0, NULL));
	ASSERT_OK(chdir(v->mnt));
	ASSERT_OK(put("t", "the target"));
}

FIXTURE_SETUP(boundary)
{
	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	self->max = variant->max < 0 ? most_of_any_record() : (unsigned int)variant->max;
	start(_metadata, &self->v, variant->max);
}

FIXTURE_TEARDOWN(boundary)
{
	if (!*self->v.image)
		return;
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* Unmount and mount again, after a crash or not. */
static int again(struct volume *v, bool crash, const char *options)
{
	if (crash && crash_volume(v->mnt, LNKFS_SHUTDOWN_LOG))
		return -1;
	return vol_again(v, 0, options);
}

/* A text of @len bytes; it leads to "t", where there is room to say so. */
static char *text_of_len(unsigned int len)
{
	struct stage st = { .len = len };

	return len == 2 ? strdup("..") : padded(&st, "t");
}

static bool is_as_made(const char *name, unsigned int len)
{
	char *text = text_of_len(len);
	bool ret = holds(name, text);
	const char *found;

	free(text);
	if (!ret || len == 2)
		return ret;
	found = read_text(name);
	return found && !strcmp(found, "the target");
}

static unsigned int blocks_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? ~0U : st.st_blocks;
}

static unsigned int blocks_if_slow(unsigned int len)
{
	unsigned int bs = fs_block_size();

	return (len + bs - 1) / bs * bs / 512;
}

static int make_len(unsigned int len, const char *name)
{
	char *text = text_of_len(len);
	int ret = symlink(text, name);

	free(text);
	return ret;
}

TEST_F(boundary, is_where_mkfs_put_it)
{
	unsigned int lens[] = { 1, 2, 3, 59, 60, 61, 99, 100, 101, self->max,
				self->max + 1, self->max + 2, 2048, 4095 };
	unsigned int i, stage;
	char name[16];

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	EXPECT_EQ(self->max, fast_max_of(self->v.dev));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (!lens[i])
			continue;
		sprintf(name, "l%u", i);
		ASSERT_OK(make_len(lens[i], name));
	}
	for (stage = 0; stage < 3; stage++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			if (!lens[i])
				continue;
			sprintf(name, "l%u", i);
			EXPECT_TRUE(is_as_made(name, lens[i]))
				TH_LOG("length %u stage %u", lens[i], stage);
			EXPECT_EQ(lens[i] <= self->max ? 0 : blocks_if_slow(lens[i]),
				  blocks_of(name))
				TH_LOG("length %u stage %u", lens[i], stage);
		}
		if (stage < 2)
			ASSERT_OK(again(&self->v, !stage, NULL));
	}
}

FIXTURE(slow)
{
	struct volume v;
};

FIXTURE_SETUP(slow)
{
	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	start(_metadata, &self->v, MAX_DEFAULT);
}

FIXTURE_TEARDOWN(slow)
{
	if (!*self->v.image)
		return;
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

static int by_value(const void *a, const void *b)
{
	ino_t x = *(const ino_t *)a, y = *(const ino_t *)b;

	return x < y ? -1 : x > y;
}

#define NEIGHBOURS 24

/*
 * The least distance between the inode numbers of links of this length, made
 * one after the other. Numbers count slots: two in one block are as far apart
 * as a record is long.
 */
static unsigned int record_slots(unsigned int len)
{
	ino_t ino[NEIGHBOURS];
	unsigned int i, d, least = ~0U;
	char name[32];

	sprintf(name, "d%u", len);
	if (mkdir(name, 0755))
		return 0;
	for (i = 0; i < NEIGHBOURS; i++) {
		sprintf(name, "d%u/%u", len, i);
		if (make_len(len, name))
			return 0;
		ino[i] = ino_of(name);
	}
	qsort(ino, NEIGHBOURS, sizeof(*ino), by_value);
	for (i = 1; i < NEIGHBOURS; i++) {
		d = ino[i] - ino[i - 1];
		if (d < least)
			least = d;
	}
	return least;
}

TEST_F(slow, record_is_as_large_as_the_target_needs)
{
	unsigned int slots, per_block, len, least;

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	per_block = fs_block_size() / LNKFS_SLOT_SIZE;
	for (slots = 1; slots <= LNKFS_MAX_SLOTS && slots <= per_block; slots++) {
		len = LNKFS_FAST_MAX(slots);
		least = record_slots(len);
		EXPECT_LE(slots, least) TH_LOG("length %u", len);
		if (slots * 2 <= per_block)
			EXPECT_EQ(slots, least) TH_LOG("length %u", len);
		/* One byte more: the next size, or slow, in the smallest. */
		least = record_slots(len + 1);
		if (len == most_of_any_record())
			EXPECT_EQ(1, least);
		if (slots * 2 + 2 <= per_block)
			EXPECT_EQ(slots + 1, least) TH_LOG("length %u", len + 1);
	}
}

/* Change a member of the superblock of the volume, which is not mounted. */
static int set_super(struct volume *v, const char *member, unsigned int value)
{
	char cmd[700];

	snprintf(cmd, sizeof(cmd), "%s set %s %s %u >/dev/null", sysop_path(), v->dev,
		 member, value);
	return system(cmd);
}

TEST_F(slow, a_link_stays_as_it_was_made)
{
	unsigned int len = 300, limit[] = { 10, 500 }, i, k;
	char name[16];

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	/* Made fast, then the limit goes down; made slow, then it goes up. */
	ASSERT_OK(make_len(len, "l0"));
	EXPECT_EQ(0, blocks_of("l0"));
	for (i = 0; i < 2; i++) {
		ASSERT_OK(chdir("/"));
		ASSERT_OK(umount2(self->v.mnt, 0));
		ASSERT_EQ(0, set_super(&self->v, "s_fast_symlink_max", limit[i]));
		ASSERT_OK(vol_mount(&self->v, 0, NULL));
		ASSERT_OK(chdir(self->v.mnt));
		sprintf(name, "l%u", i + 1);
		ASSERT_OK(make_len(len, name));
		for (k = 0; k < i + 2; k++) {
			sprintf(name, "l%u", k);
			EXPECT_TRUE(is_as_made(name, len));
			EXPECT_EQ(k == 1 ? blocks_if_slow(len) : 0, blocks_of(name));
		}
	}
	/* Another name, owner or time does not turn one kind into the other. */
	ASSERT_OK(link("l1", "l1b"));
	ASSERT_OK(lchown("l1", 5, 5));
	ASSERT_OK(rename("l1", "l1c"));
	ASSERT_OK(lchown("l0", 5, 5));
	ASSERT_OK(again(&self->v, true, NULL));
	EXPECT_EQ(blocks_if_slow(len), blocks_of("l1c"));
	EXPECT_EQ(0, blocks_of("l0"));
	EXPECT_TRUE(is_as_made("l1b", len) && is_as_made("l0", len));
}

TEST_F(slow, first_use_by_many_at_once)
{
	unsigned int round, i;
	char name[16], got[TEXT_SIZE];
	int state;

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	for (i = 0; i < 10; i++) {
		sprintf(name, "l%u", i);
		ASSERT_OK(make_len(4000 + i, name));
	}
	for (round = 0; round < 3; round++) {
		ASSERT_OK(again(&self->v, false, NULL));
		for (i = 0; i < 4; i++) {
			if (fork())
				continue;
			for (i = 0; i < 10; i++) {
				sprintf(name, "l%u", i);
				if (readlink(name, got, sizeof(got)) != 4000 + i ||
				    !is_as_made(name, 4000 + i))
					_exit(1);
			}
			_exit(0);
		}
		for (i = 0; i < 4; i++) {
			ASSERT_LT(0, wait(&state));
			EXPECT_EQ(0, state);
		}
	}
}

/*
 * Change the byte at @at of each copy of @text on the device (the journal has
 * one, too), which begins at a block. How many there are.
 */
static int damage(struct volume *v, const char *text, unsigned int at)
{
	size_t bs = atoi(env_or("LNKFS_BSIZE", "4096")), len = strlen(text);
	int fd = open(v->dev, O_RDWR), n = 0;
	char got[2 * 4096];
	off_t pos;

	if (fd < 0)
		return -1;
	for (pos = 0; pread(fd, got, 4096 + bs, pos) >= (ssize_t)len; pos += bs) {
		if (memcmp(got, text, len))
			continue;
		got[at] ^= 0x20;
		if (pwrite(fd, got + at, 1, pos + at) != 1)
			n = -1000;
		n++;
	}
	if (fsync(fd) || close(fd))
		n = -1000;
	return n;
}

/* The same length, but another text for each. */
static void marked_text(char *text, unsigned int len, char mark)
{
	memset(text, mark, len);
	strcpy(text + len - 8, "/missing");
}

TEST_F(slow, a_damaged_body_is_EBADMSG_and_nothing_else_is_harmed)
{
	static const char mark[] = "abcd";
	char text[5][TEXT_SIZE], name[16];
	unsigned int i, len = 4095, at[] = { 0, 2000, 4094 };
	struct stat st;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	for (i = 0; i < 4; i++) {
		marked_text(text[i], len, mark[i]);
		sprintf(name, "l%u", i);
		ASSERT_OK(symlink(text[i], name));
	}
	ASSERT_OK(make_len(4000, "whole"));
	ASSERT_OK(make_len(100, "fast"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	for (i = 0; i < 3; i++)
		ASSERT_LT(0, damage(&self->v, text[i], at[i]));
	ASSERT_OK(vol_mount(&self->v, 0, "errors=continue"));
	ASSERT_OK(chdir(self->v.mnt));
	for (i = 0; i < 3; i++) {
		sprintf(name, "l%u", i);
		EXPECT_ERR(EBADMSG, readlink(name, text[4], TEXT_SIZE));
		EXPECT_ERR(EBADMSG, open(name, O_RDONLY));
		EXPECT_ERR(EBADMSG, stat(name, &st));
		EXPECT_ERR(EBADMSG, chdir(name));
		EXPECT_ERR(EBADMSG, readlink(name, text[4], TEXT_SIZE));
		/* What needs no text works. */
		EXPECT_OK(lstat(name, &st));
		EXPECT_EQ(len, st.st_size);
		fd = open(name, O_PATH | O_NOFOLLOW);
		EXPECT_LE(0, fd);
		EXPECT_ERR(EBADMSG, readlinkat(fd, "", text[4], TEXT_SIZE));
		close(fd);
		EXPECT_OK(lchown(name, 1, 1));
		EXPECT_OK(link(name, "another"));
		EXPECT_OK(rename("another", "moved"));
		EXPECT_OK(unlink("moved"));
	}
	EXPECT_TRUE(holds("l3", text[3]));
	EXPECT_TRUE(is_as_made("whole", 4000));
	EXPECT_TRUE(is_as_made("fast", 100));
	EXPECT_STREQ("the target", read_text("t"));
	/* They can be removed, and are no trouble any more. */
	for (i = 0; i < 3; i++) {
		sprintf(name, "l%u", i);
		EXPECT_OK(unlink(name));
	}
	ASSERT_OK(again(&self->v, false, NULL));
	EXPECT_TRUE(holds("l3", text[3]));
	EXPECT_OK(make_len(4095, "new"));
}

TEST_F(slow, a_damaged_body_makes_the_volume_read_only)
{
	char text[TEXT_SIZE], got[TEXT_SIZE];
	int fd;

	if (!on_lnkfs())
		SKIP(return, "about lnkfs only");
	marked_text(text, 3000, 'r');
	ASSERT_OK(symlink(text, "l"));
	ASSERT_OK(make_len(3000, "whole"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_LT(0, damage(&self->v, text, 17));
	ASSERT_OK(vol_mount(&self->v, 0, "errors=remount-ro"));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_OK(create_file("before", 0644));
	EXPECT_OK(create_text("file", "some text"));
	fd = open("file", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_OK(fsync(fd));
	EXPECT_ERR(EBADMSG, readlink("l", got, sizeof(got)));
	EXPECT_ERR(EROFS, create_file("after", 0644));
	/* What cannot be cut is not cut in memory either. */
	EXPECT_ERR(EROFS, ftruncate(fd, 0));
	EXPECT_ERR(EROFS, truncate("file", 4));
	EXPECT_ERR(EROFS, truncate("file", 10000));
	EXPECT_ERR(EROFS, open("file", O_WRONLY | O_TRUNC));
	EXPECT_ERR(EIO, fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
	close(fd);
	EXPECT_STREQ("some text", read_text("file"));
	EXPECT_TRUE(is_as_made("whole", 3000));
	ASSERT_OK(again(&self->v, false, "errors=continue"));
	EXPECT_OK(unlink("l"));
}

TEST_HARNESS_MAIN
