/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Types the core needs, for userspace: the kernel's integer names, byte order
 * conversions and small helpers. Nothing here does I/O.
 */
#ifndef LNKFS_HOST_USER_TYPES_H
#define LNKFS_HOST_USER_TYPES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define U16_MAX	UINT16_MAX
#define U32_MAX	UINT32_MAX
#define U64_MAX	UINT64_MAX
#define S64_MAX	INT64_MAX

#ifndef EFSCORRUPTED
#define EFSCORRUPTED	EUCLEAN
#endif
#ifndef EFSBADCRC
#define EFSBADCRC	EBADMSG
#endif

#define cpu_to_le16(x)	((__le16)htole16(x))
#define cpu_to_le32(x)	((__le32)htole32(x))
#define cpu_to_le64(x)	((__le64)htole64(x))
#define le16_to_cpu(x)	((u16)le16toh(x))
#define le32_to_cpu(x)	((u32)le32toh(x))
#define le64_to_cpu(x)	((u64)le64toh(x))
#define cpu_to_be16(x)	((__be16)htobe16(x))
#define cpu_to_be32(x)	((__be32)htobe32(x))
#define cpu_to_be64(x)	((__be64)htobe64(x))
#define be16_to_cpu(x)	((u16)be16toh(x))
#define be32_to_cpu(x)	((u32)be32toh(x))
#define be64_to_cpu(x)	((u64)be64toh(x))

static inline u16 le16_to_cpup(const __le16 *p) { return le16_to_cpu(*p); }
static inline u32 le32_to_cpup(const __le32 *p) { return le32_to_cpu(*p); }
static inline u64 le64_to_cpup(const __le64 *p) { return le64_to_cpu(*p); }
static inline void le16_add_cpu(__le16 *p, u16 d) { *p = cpu_to_le16(le16_to_cpu(*p) + d); }
static inline void le32_add_cpu(__le32 *p, u32 d) { *p = cpu_to_le32(le32_to_cpu(*p) + d); }
static inline void le64_add_cpu(__le64 *p, u64 d) { *p = cpu_to_le64(le64_to_cpu(*p) + d); }

static inline u16 get_unaligned_le16(const void *p)
{
	__le16 v;

	memcpy(&v, p, sizeof(v));
	return le16_to_cpu(v);
}

static inline u32 get_unaligned_le32(const void *p)
{
	__le32 v;

	memcpy(&v, p, sizeof(v));
	return le32_to_cpu(v);
}

static inline u64 get_unaligned_le64(const void *p)
{
	__le64 v;

	memcpy(&v, p, sizeof(v));
	return le64_to_cpu(v);
}

static inline void put_unaligned_le16(u16 x, void *p)
{
	__le16 v = cpu_to_le16(x);

	memcpy(p, &v, sizeof(v));
}

static inline void put_unaligned_le32(u32 x, void *p)
{
	__le32 v = cpu_to_le32(x);

	memcpy(p, &v, sizeof(v));
}

static inline void put_unaligned_le64(u64 x, void *p)
{
	__le64 v = cpu_to_le64(x);

	memcpy(p, &v, sizeof(v));
}

#ifndef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#endif
#define noinline_for_stack	__attribute__((noinline))
#define __maybe_unused	__attribute__((unused))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define fallthrough	__attribute__((fallthrough))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define BUILD_BUG_ON(x)	_Static_assert(!(x), #x)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL	DIV_ROUND_UP
#define round_up(x, y)	((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y)	((x) & ~((__typeof__(x))(y) - 1))
#define ALIGN(x, a)	(((x) + (__typeof__(x))(a) - 1) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof(((t *)0)->m))
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof((p)->m[0]) * (n))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define smp_load_acquire(p)	READ_ONCE(*(p))	/* the tools are single-threaded */
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)

#define min(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b);	\
		     (void)(&_a == &_b); _a < _b ? _a : _b; })
#define max(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b);	\
		     (void)(&_a == &_b); _a > _b ? _a : _b; })
#define min_t(t, a, b)	({ t _ta = (a); t _tb = (b); _ta < _tb ? _ta : _tb; })
#define max_t(t, a, b)	({ t _ta = (a); t _tb = (b); _ta > _tb ? _ta : _tb; })
#define clamp(x, lo, hi)	min(max(x, lo), hi)
#define swap(a, b)	do { __typeof__(a) _s = (a); (a) = (b); (b) = _s; } while (0)

static inline int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
static inline unsigned int hweight64(u64 x) { return __builtin_popcountll(x); }
static inline unsigned int hweight32(u32 x) { return __builtin_popcount(x); }
static inline unsigned int hweight8(u8 x) { return __builtin_popcount(x); }
#define ilog2(x)	(fls64(x) - 1)
#define is_power_of_2(x)	((x) != 0 && ((x) & ((x) - 1)) == 0)

static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c)
{
	return (u64)((unsigned __int128)a * b / c);
}

static inline u64 div_u64(u64 a, u32 b) { return a / b; }

static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem)
{
	*rem = (u32)(a % b);
	return a / b;
}

/* First byte of [p, p + len) that is not c, or NULL. */
static inline const void *memchr_inv(const void *p, int c, size_t len)
{
	const u8 *b = p;

	for (; len; b++, len--)
		if (*b != (u8)c)
			return b;
	return NULL;
}

/* The tools are single-threaded: a lock only notices being taken twice. */
typedef struct {
	bool held;
} lnkfs_lock_t;

typedef struct lnkfs_group *lnkfs_group_table;
typedef struct lnkfs_ubuf lnkfs_buf;
typedef struct lnkfs_utx lnkfs_tx;

#endif /* LNKFS_HOST_USER_TYPES_H */
