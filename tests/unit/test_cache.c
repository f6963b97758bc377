// SPDX-License-Identifier: GPL-2.0
/*
 * The userspace host: block cache, transactions, devices.
 */
#include <unistd.h>

#include "format.h"
#include "tap.h"

#define FIRST	2000	/* blocks from here on are free */

static struct lnkfs_volume v;

static void setup_mem(void)
{
	REQUIRE(lnkfs_format_mem(&v, 60 << 20, 10, true) == 0);
	v.strict = false;
	v.quiet = true;
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
}

/* Make a raw block whose bytes are its number's. */
static void put_raw(lnkfs_tx *tx, u64 block)
{
	lnkfs_buf *buf;

	REQUIRE(lnkfs_bnew(tx, &v.fs, block, LNKFS_B_RAW, &buf) == 0);
	memset(lnkfs_bdata(buf), (int)(block * 7 % 251), v.fs.block_size);
	lnkfs_bdirty(tx, &v.fs, buf);
	lnkfs_bput(buf);
}

static int raw_is_right(u64 block)
{
	lnkfs_buf *buf;
	int ok;

	REQUIRE(lnkfs_bread(&v.fs, block, LNKFS_B_RAW, 0, 0, &buf) == 0);
	ok = !memchr_inv(lnkfs_bdata(buf), (int)(block * 7 % 251), v.fs.block_size);
	lnkfs_bput(buf);
	return ok;
}

/* More blocks than the cache holds: none is lost, the bound is kept. */
static void bound(void)
{
	lnkfs_buf *held;
	lnkfs_tx tx;
	u32 i;

	setup_mem();
	v.max_bufs = 64;
	lnkfs_tx_begin(&tx, &v, 0);
	put_raw(&tx, FIRST);
	REQUIRE(lnkfs_bread(&v.fs, FIRST, LNKFS_B_RAW, 0, 0, &held) == 0);
	for (i = 0; i < 3000; i++) {
		put_raw(&tx, FIRST + i * 7 % 3000);
		if (!CHECK(v.bufs <= 64 && v.dirty <= v.bufs))
			break;
	}
	/* A block that is held stays what it was. */
	CHECK_EQ(held->block, FIRST);
	CHECK(held->valid);
	lnkfs_bput(held);
	CHECK_EQ(lnkfs_tx_end(&tx), 3000);
	for (i = 0; i < 3000; i++)
		if (!CHECK(raw_is_right(FIRST + i)))
			break;
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	CHECK_EQ(v.bufs, 0);
	CHECK_EQ(v.misuses, 0);
	lnkfs_volume_close(&v);
}

/* Blocks that follow each other go out in one write, in order. */
static void merged(void)
{
	struct lnkfs_format f = { .fast_symlink_max = ~0u, .block_bits = 12, .no_root = true };
	char name[] = "/tmp/lnkfs-cache.XXXXXX";
	int fd = mkstemp(name), err;
	const char *why;
	lnkfs_tx tx;
	u64 writes;
	u32 i;

	REQUIRE(fd >= 0);
	close(fd);
	memset(&v, 0, sizeof(v));
	REQUIRE(lnkfs_dev_open(&v.dev, name, LNKFS_DEV_WRITE) == 0);
	unlink(name);
	REQUIRE(lnkfs_dev_resize(&v.dev, 64 << 20) == 0);
	err = lnkfs_format_volume(&v, &f, &why);
	REQUIRE(err == 0);

	lnkfs_tx_begin(&tx, &v, 0);
	for (i = 0; i < 600; i++)
		put_raw(&tx, FIRST + i * 7 % 600);
	put_raw(&tx, FIRST + 1000);
	lnkfs_tx_end(&tx);
	writes = v.dev.writes;
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	/* 600 blocks of 4 KiB by 1 MiB are 3, and the one apart. */
	CHECK_EQ(v.dev.writes - writes, 4);
	for (i = 0; i < 600; i++)
		CHECK(raw_is_right(FIRST + i));
	CHECK(raw_is_right(FIRST + 1000));
	CHECK_EQ(lnkfs_volume_close(&v), 0);
}

static void forgotten(void)
{
	lnkfs_buf *buf;
	lnkfs_tx tx;
	u64 writes;

	setup_mem();
	lnkfs_tx_begin(&tx, &v, 1);
	put_raw(&tx, FIRST);
	CHECK_EQ(lnkfs_bforget(&tx, &v.fs, FIRST), 0);
	CHECK_EQ(lnkfs_bforget(&tx, &v.fs, FIRST + 5), 0);
	CHECK_EQ(tx.revokes, 2);
	lnkfs_tx_end(&tx);
	writes = v.dev.writes;
	CHECK_EQ(lnkfs_cache_flush(&v), 0);
	CHECK_EQ(v.dev.writes, writes);

	/* A new block is zero whatever the cache or the disk had there. */
	lnkfs_tx_begin(&tx, &v, 2);
	put_raw(&tx, FIRST);
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	CHECK(raw_is_right(FIRST));
	CHECK_EQ(lnkfs_bnew(&tx, &v.fs, FIRST, LNKFS_B_RAW, &buf), 0);
	CHECK(!memchr_inv(lnkfs_bdata(buf), 0, v.fs.block_size));
	lnkfs_bdirty(&tx, &v.fs, buf);
	lnkfs_bput(buf);
	CHECK_EQ(lnkfs_tx_end(&tx), 1);
	CHECK_EQ(v.misuses, 0);
	lnkfs_volume_close(&v);
}

/* What fails its check is not kept: once repaired, it can be read. */
static void verified(void)
{
	u64 block;
	lnkfs_buf *buf;
	u8 *p;

	setup_mem();
	block = lnkfs_gdesc_block(&v.fs, 0);
	p = v.dev.mem + (block << 10);
	p[500] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_GDESC, 0, 0, &buf), -EFSBADCRC);
	CHECK(!buf);
	CHECK_EQ(v.reports, 1);
	p[500] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_GDESC, 0, 0, &buf), 0);
	lnkfs_bput(buf);
	/* In the cache it is not checked again, but for whose it is. */
	p[500] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_GDESC, 0, 0, &buf), 0);
	lnkfs_bput(buf);
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_GDESC, 15, 0, &buf), -EFSCORRUPTED);
	p[500] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_BITMAP, 0, 0, &buf), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_bread(&v.fs, v.fs.blocks, LNKFS_B_RAW, 0, 0, &buf), -EFSCORRUPTED);
	CHECK_EQ(lnkfs_bread(&v.fs, ~0ULL, LNKFS_B_RAW, 0, 0, &buf), -EFSCORRUPTED);
	lnkfs_volume_close(&v);
}

/* An inode block with a bad record can be read, and not written. */
static void bad_inode_block(void)
{
	lnkfs_buf *buf;
	lnkfs_tx tx;
	u64 block;

	REQUIRE(lnkfs_format_mem(&v, 60 << 20, 10, false) == 0);
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	block = lnkfs_ino_block(&v.fs, v.fs.root_ino);
	v.dev.mem[(block << 10) + 600] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_INODE, 0, 0, &buf), 0);
	CHECK(lnkfs_bbad(buf));
	lnkfs_tx_begin(&tx, &v, 1);
	CHECK_EQ(lnkfs_baccess(&tx, &v.fs, buf, LNKFS_B_INODE), -EFSBADCRC);
	CHECK_EQ(lnkfs_tx_end(&tx), 0);
	lnkfs_bput(buf);
	CHECK_EQ(lnkfs_cache_drop(&v), 0);
	v.dev.mem[(block << 10) + 600] ^= 1;
	CHECK_EQ(lnkfs_bread(&v.fs, block, LNKFS_B_INODE, 0, 0, &buf), 0);
	CHECK(!lnkfs_bbad(buf));
	lnkfs_bput(buf);
	lnkfs_volume_close(&v);
}

/* Each way of breaking the rules is noticed. */
static void misuse(void)
{
	lnkfs_buf *buf, *other;
	lnkfs_tx tx;
	u64 block;

	setup_mem();
	block = lnkfs_gdesc_block(&v.fs, 0);
	REQUIRE(lnkfs_bread(&v.fs, block, LNKFS_B_GDESC, 0, 0, &buf) == 0);
	lnkfs_tx_begin(&tx, &v, 1);
	lnkfs_bdirty(&tx, &v.fs, buf);
	CHECK_EQ(v.misuses, 1);		/* not accessed */
	CHECK_EQ(lnkfs_baccess(&tx, &v.fs, buf, LNKFS_B_GDESC), 0);
	CHECK_EQ(lnkfs_baccess(&tx, &v.fs, buf, LNKFS_B_GDESC), 0);
	lnkfs_bdirty(&tx, &v.fs, buf);
	lnkfs_bdirty(&tx, &v.fs, buf);
	CHECK_EQ(v.misuses, 1);
	CHECK_EQ(lnkfs_baccess(&tx, &v.fs, buf, LNKFS_B_BITMAP), 0);
	CHECK_EQ(v.misuses, 2);		/* as another type */
	lnkfs_bdirty(&tx, &v.fs, buf);
	CHECK_EQ(lnkfs_bnew(&tx, &v.fs, FIRST, LNKFS_B_RAW, &other), 0);
	CHECK_EQ(v.misuses, 3);		/* out of credits */
	CHECK_EQ(lnkfs_tx_end(&tx), 2);
	CHECK_EQ(v.misuses, 4);		/* never dirtied */

	lnkfs_tx_begin(&tx, &v, 0);
	lnkfs_bforget(&tx, &v.fs, block);
	CHECK_EQ(v.misuses, 5);		/* held */
	lnkfs_tx_end(&tx);
	lnkfs_bput(other);
	lnkfs_group_lock(&v.fs, 1);
	CHECK_EQ(v.misuses, 5);
	lnkfs_group_lock(&v.fs, 1);
	CHECK_EQ(v.misuses, 6);
	lnkfs_group_unlock(&v.fs, 1);
	CHECK_EQ(v.misuses, 6);
	lnkfs_group_unlock(&v.fs, 1);
	CHECK_EQ(v.misuses, 7);
	CHECK_EQ(lnkfs_orphan_count(&v.fs, 5, -1), 0);
	CHECK_EQ(v.misuses, 8);
	lnkfs_volume_close(&v);
	CHECK_EQ(v.misuses, 9);		/* buf is still held */
}

static void write_error(void)
{
	lnkfs_tx tx;

	setup_mem();
	lnkfs_tx_begin(&tx, &v, 0);
	put_raw(&tx, FIRST);
	lnkfs_tx_end(&tx);
	v.fault.write = 1;
	CHECK_EQ(lnkfs_cache_flush(&v), -EIO);
	/* Written at last, but the error is not forgotten. */
	CHECK_EQ(v.dirty, 1);
	CHECK_EQ(lnkfs_cache_flush(&v), 0);
	CHECK_EQ(v.dirty, 0);
	CHECK_EQ(lnkfs_volume_close(&v), -EIO);
}

static void orphans(void)
{
	u32 i;

	setup_mem();
	for (i = 0; i < 200; i++)
		CHECK_EQ(lnkfs_orphan_count(&v.fs, i, 1), 1);
	CHECK_EQ(lnkfs_orphan_count(&v.fs, 7, 1), 2);
	CHECK(!lnkfs_orphan_idle(&v.fs, 7));
	CHECK(lnkfs_orphan_idle(&v.fs, 200));
	for (i = 0; i < 200; i++)
		CHECK_EQ(lnkfs_orphan_count(&v.fs, i, -1), i == 7);
	CHECK(!lnkfs_orphan_idle(&v.fs, 7));
	CHECK_EQ(v.idle_orphan_blocks, 199);
	v.fault.orphan = 1;
	CHECK_EQ(lnkfs_orphan_count(&v.fs, 7, 1), -ENOMEM);
	CHECK_EQ(lnkfs_orphan_count(&v.fs, 7, -1), 0);
	CHECK(lnkfs_orphan_idle(&v.fs, 7));
	lnkfs_volume_close(&v);
}

static void bitmaps(void)
{
	u64 bits[3] = { 0, 0, 0 };
	u32 i, j;

	CHECK_EQ(lnkfs_find_next_bit(bits, 192, 0), 192);
	for (i = 0; i < 192; i++) {
		lnkfs_set_bit(i, bits);
		CHECK(lnkfs_test_bit(i, bits));
		for (j = 0; j < 192; j++) {
			CHECK_EQ(lnkfs_find_next_bit(bits, 192, j), j <= i ? i : 192);
			CHECK_EQ(lnkfs_find_next_bit(bits, j, 0), i < j ? i : j);
			CHECK_EQ(lnkfs_find_next_zero_bit(bits, 192, j), j == i ? i + 1 : j);
		}
		lnkfs_clear_bit(i, bits);
		CHECK(!lnkfs_test_bit(i, bits));
	}
}

static const struct tap_test tests[] = {
	{ "the cache's bound", bound },
	{ "writes are merged", merged },
	{ "freed and new blocks", forgotten },
	{ "blocks are verified when read", verified },
	{ "an inode block with a bad record", bad_inode_block },
	{ "misuse of the host is noticed", misuse },
	{ "write errors", write_error },
	{ "orphan counts", orphans },
	{ "bitmaps", bitmaps },
};

TAP_MAIN(tests)
