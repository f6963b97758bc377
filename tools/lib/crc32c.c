// SPDX-License-Identifier: GPL-2.0
/*
 * crc32c (Castagnoli), without inversion before or after, as the kernel's
 * crc32c(): by the processor's instruction where it has one, else eight bytes
 * at a time from tables.
 */
#include <pthread.h>

#include "core.h"
#include "crc32c.h"

#define POLY	0x82f63b78u

static u32 table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static u32 (*best)(u32 crc, const void *data, size_t len);

/**
 * lnkfs_crc32c_table() - crc32c by tables
 * @crc: value to continue
 * @data: bytes
 * @len: how many
 *
 * Only for tests once lnkfs_crc32c() has been called; it fills the tables.
 */
u32 lnkfs_crc32c_table(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	for (; len >= 8; p += 8, len -= 8) {
		u64 x = get_unaligned_le64(p) ^ crc;

		crc = table[7][x & 0xff] ^ table[6][x >> 8 & 0xff] ^
		      table[5][x >> 16 & 0xff] ^ table[4][x >> 24 & 0xff] ^
		      table[3][x >> 32 & 0xff] ^ table[2][x >> 40 & 0xff] ^
		      table[1][x >> 48 & 0xff] ^ table[0][x >> 56];
	}
	for (; len; p++, len--)
		crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static u32 crc32c_sse(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;
	u64 c = crc;

	for (; len >= 8; p += 8, len -= 8)
		c = __builtin_ia32_crc32di(c, get_unaligned_le64(p));
	for (; len; p++, len--)
		c = __builtin_ia32_crc32qi((u32)c, *p);
	return (u32)c;
}
#endif

static void choose(void)
{
	u32 i, j, c;

	for (i = 0; i < 256; i++) {
		c = i;
		for (j = 0; j < 8; j++)
			c = c >> 1 ^ (c & 1 ? POLY : 0);
		table[0][i] = c;
	}
	for (i = 0; i < 256; i++)
		for (j = 1; j < 8; j++)
			table[j][i] = table[0][table[j - 1][i] & 0xff] ^ table[j - 1][i] >> 8;
	best = lnkfs_crc32c_table;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		best = crc32c_sse;
#endif
}

/**
 * lnkfs_crc32c() - crc32c of some bytes
 * @crc: value to continue
 * @data: bytes
 * @len: how many
 */
u32 lnkfs_crc32c(u32 crc, const void *data, size_t len)
{
	pthread_once(&once, choose);
	return best(crc, data, len);
}
