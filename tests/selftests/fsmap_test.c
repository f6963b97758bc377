// SPDX-License-Identifier: GPL-2.0
/* FS_IOC_GETFSMAP: what each block of the volume is used for. */
#include <linux/fiemap.h>
#include <linux/fsmap.h>
#include <sys/mman.h>

#include "services.h"

SERVICE_FIXTURE(fsmap, 300, NULL)

#define BYTES	(300ull << 20)
#define MANY	65536

/* All of [low, high] with room for @room mappings; NULL and errno on failure. */
static struct fsmap_head *map_range(uint64_t low, uint64_t high, unsigned int room)
{
	struct fsmap_head *h = calloc(1, fsmap_sizeof(room));
	int fd = open(".", O_RDONLY | O_DIRECTORY), ret;

	h->fmh_count = room;
	h->fmh_keys[0].fmr_physical = low;
	memset(&h->fmh_keys[1], 0xff, sizeof(h->fmh_keys[1]));
	memset(h->fmh_keys[1].fmr_reserved, 0, sizeof(h->fmh_keys[1].fmr_reserved));
	h->fmh_keys[1].fmr_physical = high;
	if (high != UINT64_MAX) {
		struct stat st;

		fstat(fd, &st);
		h->fmh_keys[0].fmr_device = h->fmh_keys[1].fmr_device = st.st_dev;
	}
	ret = ioctl(fd, FS_IOC_GETFSMAP, h);
	close(fd);
	if (!ret)
		return h;
	free(h);
	return NULL;
}

static uint64_t owned_by(const struct fsmap_head *h, uint64_t owner)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < h->fmh_entries; i++) {
		if (h->fmh_recs[i].fmr_owner == owner)
			sum += h->fmh_recs[i].fmr_length;
	}
	return sum;
}

/* Owner of the byte, 0 if none. */
static uint64_t owner_of(const struct fsmap_head *h, uint64_t byte)
{
	unsigned int i;

	for (i = 0; i < h->fmh_entries; i++) {
		if (h->fmh_recs[i].fmr_physical <= byte &&
		    byte - h->fmh_recs[i].fmr_physical < h->fmh_recs[i].fmr_length)
			return h->fmh_recs[i].fmr_owner;
	}
	return 0;
}

TEST_F(fsmap, covers_the_volume_in_order)
{
	struct fsmap_head *h;
	struct statfs sf;
	uint64_t next = 0, bs = fs_block_size();
	struct stat st;
	unsigned int i;

	ASSERT_OK(pattern_write("f", 3072, 1));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(stat(".", &st));
	h = map_range(0, UINT64_MAX, MANY);
	ASSERT_NE(NULL, h);
	EXPECT_EQ(FMH_OF_DEV_T, h->fmh_oflags);
	ASSERT_LT(5, h->fmh_entries);
	ASSERT_GT(MANY, h->fmh_entries);
	for (i = 0; i < h->fmh_entries; i++) {
		struct fsmap *r = &h->fmh_recs[i];
		bool last = i + 1 == h->fmh_entries;

		ASSERT_EQ(next, r->fmr_physical) TH_LOG("mapping %u", i);
		ASSERT_LT(0, r->fmr_length);
		EXPECT_EQ(0, r->fmr_length % bs);
		EXPECT_EQ(0, r->fmr_offset);
		EXPECT_EQ(st.st_dev, r->fmr_device);
		EXPECT_TRUE(r->fmr_flags & FMR_OF_SPECIAL_OWNER);
		EXPECT_EQ(last, !!(r->fmr_flags & FMR_OF_LAST));
		if (i && on_lnkfs())
			EXPECT_NE(r[-1].fmr_owner, r->fmr_owner);
		next = r->fmr_physical + r->fmr_length;
	}
	EXPECT_EQ(BYTES, next);
	ASSERT_OK(statfs(".", &sf));
	EXPECT_EQ((uint64_t)sf.f_bfree * bs, owned_by(h, FMR_OWN_FREE));
	EXPECT_LE(3ull << 20, owned_by(h, FMR_OWN_UNKNOWN));
	free(h);
}

TEST_F(fsmap, owners)
{
	uint64_t bs = fs_block_size();
	struct fiemap *fie = calloc(1, sizeof(*fie) + sizeof(struct fiemap_extent));
	struct fsmap_head *h;
	struct stat st;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "lnkfs's owners");
	ASSERT_OK(pattern_write("f", 1024, 2));
	ASSERT_OK(fs_sync("."));
	ASSERT_OK(stat("f", &st));
	h = map_range(0, UINT64_MAX, MANY);
	ASSERT_NE(NULL, h);
	EXPECT_EQ(LNKFS_FMR_OWN_SUPER, owner_of(h, 1024));
	EXPECT_EQ(LNKFS_FMR_OWN_DESC, owner_of(h, bs > 2048 ? bs : 2048));
	/* An inode's number tells its block: 256 bytes a slot. */
	EXPECT_EQ(LNKFS_FMR_OWN_INODES, owner_of(h, st.st_ino * 256));
	EXPECT_LE(1280 * bs, owned_by(h, LNKFS_FMR_OWN_JOURNAL));
	EXPECT_EQ(sysfs_number(&self->v, "journal_blocks") * bs,
		  owned_by(h, LNKFS_FMR_OWN_JOURNAL));
	EXPECT_EQ(3 * owned_by(h, LNKFS_FMR_OWN_BITMAP), owned_by(h, LNKFS_FMR_OWN_INODE_MAP));
	fd = open("f", O_RDONLY);
	ASSERT_LE(0, fd);
	fie->fm_length = 4096;
	fie->fm_extent_count = 1;
	ASSERT_OK(ioctl(fd, FS_IOC_FIEMAP, fie));
	ASSERT_EQ(1, fie->fm_mapped_extents);
	EXPECT_EQ(FMR_OWN_UNKNOWN, owner_of(h, fie->fm_extents[0].fe_physical));
	close(fd);
	free(fie);
	free(h);
}

/* In pieces of any size the answer is the same. */
TEST_F(fsmap, continued)
{
	unsigned int rooms[] = { 1, 2, 7, 100 }, k, i;
	struct fsmap_head *all, *h;
	char name[32];
	int fd;

	for (i = 0; i < 24; i++) {
		sprintf(name, "f%d", i);
		ASSERT_OK(pattern_write(name, 64, i));
		ASSERT_OK(fs_sync("."));
		if (i >= 2 && i % 2 == 0) {
			sprintf(name, "f%d", i - 1);
			ASSERT_OK(unlink(name));
		}
	}
	ASSERT_OK(fs_sync("."));
	all = map_range(0, UINT64_MAX, MANY);
	ASSERT_NE(NULL, all);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	for (k = 0; k < ARRAY_SIZE(rooms); k++) {
		unsigned int seen = 0, calls = 0;
		bool last = false;

		h = calloc(1, fsmap_sizeof(rooms[k]));
		h->fmh_count = rooms[k];
		memset(&h->fmh_keys[1], 0xff, sizeof(h->fmh_keys[1]));
		memset(h->fmh_keys[1].fmr_reserved, 0, sizeof(h->fmh_keys[1].fmr_reserved));
		while (!last && calls++ < 2000) {
			ASSERT_OK(ioctl(fd, FS_IOC_GETFSMAP, h));
			ASSERT_LT(0, h->fmh_entries);
			ASSERT_GE(rooms[k], h->fmh_entries);
			for (i = 0; i < h->fmh_entries; i++, seen++) {
				ASSERT_LT(seen, all->fmh_entries);
				EXPECT_EQ(0, memcmp(&h->fmh_recs[i], &all->fmh_recs[seen],
						    sizeof(struct fsmap)));
				last = h->fmh_recs[i].fmr_flags & FMR_OF_LAST;
			}
			fsmap_advance(h);
		}
		EXPECT_EQ(all->fmh_entries, seen);
		/* And after the last one comes nothing. */
		ASSERT_OK(ioctl(fd, FS_IOC_GETFSMAP, h));
		EXPECT_EQ(0, h->fmh_entries);
		free(h);
	}
	close(fd);
	free(all);
}

TEST_F(fsmap, counts)
{
	struct fsmap_head *all, *none;

	all = map_range(0, UINT64_MAX, MANY);
	ASSERT_NE(NULL, all);
	none = map_range(0, UINT64_MAX, 0);
	ASSERT_NE(NULL, none);
	EXPECT_EQ(all->fmh_entries, none->fmh_entries);
	EXPECT_EQ(0, none->fmh_count);
	free(all);
	free(none);
}

/* Mappings are cut at the ends of the range. */
TEST_F(fsmap, range)
{
	uint64_t bs = fs_block_size();
	struct fsmap_head *h;

	h = map_range(BYTES - 10 * bs, BYTES - 6 * bs - 1, 10);
	ASSERT_NE(NULL, h);
	ASSERT_EQ(1, h->fmh_entries);
	EXPECT_EQ(BYTES - 10 * bs, h->fmh_recs[0].fmr_physical);
	EXPECT_EQ(4 * bs, h->fmh_recs[0].fmr_length);
	EXPECT_EQ(FMR_OWN_FREE, h->fmh_recs[0].fmr_owner);
	EXPECT_TRUE(h->fmh_recs[0].fmr_flags & FMR_OF_LAST);
	free(h);
	/* Past the end there is nothing. */
	h = map_range(BYTES, BYTES * 2, 10);
	ASSERT_NE(NULL, h);
	EXPECT_EQ(0, h->fmh_entries);
	free(h);
	h = map_range(1ull << 62, UINT64_MAX - 1, 10);
	ASSERT_NE(NULL, h);
	EXPECT_EQ(0, h->fmh_entries);
	free(h);
}

TEST_F(fsmap, bad_arguments)
{
	struct fsmap_head good = { .fmh_count = 0 }, h, *at;
	char *page;
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	struct stat st;

	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &st));
	memset(&good.fmh_keys[1], 0xff, sizeof(good.fmh_keys[1]));
	memset(good.fmh_keys[1].fmr_reserved, 0, sizeof(good.fmh_keys[1].fmr_reserved));
	h = good;
	EXPECT_OK(ioctl(fd, FS_IOC_GETFSMAP, &h));
	EXPECT_EQ(0, AS_USER(ioctl(fd, FS_IOC_GETFSMAP, &h)));
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETFSMAP, NULL));
#define BAD(change) do { h = good; change; \
	EXPECT_ERR(EINVAL, ioctl(fd, FS_IOC_GETFSMAP, &h)); } while (0)
	BAD(h.fmh_iflags = 1);
	BAD(h.fmh_reserved[5] = 1);
	BAD(h.fmh_keys[0].fmr_reserved[0] = 1);
	BAD(h.fmh_keys[1].fmr_reserved[2] = 1);
	BAD(h.fmh_keys[0].fmr_offset = 1);
	BAD(h.fmh_keys[1].fmr_offset = 1);
	BAD(h.fmh_keys[0].fmr_device = st.st_dev + 1);
	BAD(h.fmh_keys[1].fmr_device = st.st_dev + 1);
	BAD(h.fmh_keys[0].fmr_device = UINT32_MAX; h.fmh_keys[1].fmr_device = 0);
	BAD(h.fmh_keys[0].fmr_device = h.fmh_keys[1].fmr_device = st.st_dev;
	    h.fmh_keys[0].fmr_physical = 8192; h.fmh_keys[1].fmr_physical = 4096);
	if (on_lnkfs()) {
		BAD(h.fmh_keys[0].fmr_physical = UINT64_MAX; h.fmh_keys[0].fmr_length = 4096);
		BAD(h.fmh_keys[0] = h.fmh_keys[1]; h.fmh_keys[0].fmr_offset = 0;
		    h.fmh_keys[0].fmr_length = 0);
	}
	/* Room that is not there. */
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_OK(munmap(page + 4096, 4096));
	at = (void *)(page + 4096 - sizeof(*at));
	*at = good;
	at->fmh_count = 1;
	EXPECT_ERR(EFAULT, ioctl(fd, FS_IOC_GETFSMAP, at));
	munmap(page, 4096);
	close(fd);
}

TEST_HARNESS_MAIN
