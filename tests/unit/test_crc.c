// SPDX-License-Identifier: GPL-2.0
/*
 * crc32c: published values, the table against the processor's instruction,
 * and continuation.
 */
#include "core.h"
#include "crc32c.h"
#include "tap.h"

/* RFC 3720 B.4; these have the usual inversions. */
static void published(void)
{
	u8 buf[32];
	int i;

	CHECK_EQ(~lnkfs_crc32c(~0u, "123456789", 9), 0xe3069283u);
	memset(buf, 0, 32);
	CHECK_EQ(~lnkfs_crc32c(~0u, buf, 32), 0x8a9136aau);
	memset(buf, 0xff, 32);
	CHECK_EQ(~lnkfs_crc32c(~0u, buf, 32), 0x62a8ab43u);
	for (i = 0; i < 32; i++)
		buf[i] = (u8)i;
	CHECK_EQ(~lnkfs_crc32c(~0u, buf, 32), 0x46dd794eu);
	for (i = 0; i < 32; i++)
		buf[i] = (u8)(31 - i);
	CHECK_EQ(~lnkfs_crc32c(~0u, buf, 32), 0x113fdb5cu);
}

static void tables_agree(void)
{
	u8 buf[300];
	u32 len, at;

	for (len = 0; len < sizeof(buf); len++)
		buf[len] = (u8)(len * 37 + 11);
	for (at = 0; at < 9; at++)
		for (len = 0; len <= sizeof(buf) - at; len++)
			if (!CHECK_EQ(lnkfs_crc32c(len, buf + at, len),
				      lnkfs_crc32c_table(len, buf + at, len)))
				return;
}

static void continuation(void)
{
	u8 buf[100];
	u32 i, whole;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (u8)(i * i);
	whole = lnkfs_crc32c(7, buf, sizeof(buf));
	for (i = 0; i <= sizeof(buf); i++)
		CHECK_EQ(lnkfs_crc32c(lnkfs_crc32c(7, buf, i), buf + i, sizeof(buf) - i), whole);
}

static const struct tap_test tests[] = {
	{ "published values", published },
	{ "tables and instruction agree", tables_agree },
	{ "a checksum can be continued at any byte", continuation },
};

TAP_MAIN(tests)
