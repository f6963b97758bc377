// SPDX-License-Identifier: GPL-2.0
/*
 * SipHash-2-4 with a 64-bit result: what the kernel's siphash() computes.
 */
#include "core.h"

static inline u64 rol64(u64 x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(u64 v[4])
{
	v[0] += v[1];
	v[1] = rol64(v[1], 13);
	v[1] ^= v[0];
	v[0] = rol64(v[0], 32);
	v[2] += v[3];
	v[3] = rol64(v[3], 16);
	v[3] ^= v[2];
	v[0] += v[3];
	v[3] = rol64(v[3], 21);
	v[3] ^= v[0];
	v[2] += v[1];
	v[1] = rol64(v[1], 17);
	v[1] ^= v[2];
	v[2] = rol64(v[2], 32);
}

static inline void sip_word(u64 v[4], u64 m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

/**
 * lnkfs_siphash() - keyed hash of some bytes
 * @key: 16 bytes, two little-endian words
 * @data: bytes
 * @len: how many
 */
u64 lnkfs_siphash(const u8 key[16], const void *data, size_t len)
{
	u64 k0 = get_unaligned_le64(key), k1 = get_unaligned_le64(key + 8);
	u64 v[4] = {
		k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
		k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL,
	};
	u64 last = (u64)len << 56;
	const u8 *p = data;
	size_t i;

	for (; len >= 8; p += 8, len -= 8)
		sip_word(v, get_unaligned_le64(p));
	for (i = 0; i < len; i++)
		last |= (u64)p[i] << (8 * i);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
