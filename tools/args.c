// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments that several tools take.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uuid/uuid.h>

#include "args.h"
#include "journal.h"

/**
 * args_size() - a number with an optional suffix K, M, G or T (powers of 1024)
 * @text: argument
 * @unit: what a bare number counts, in bytes
 * @bytes: set to the size
 *
 * Return: false when it is none, or too large.
 */
bool args_size(const char *text, u64 unit, u64 *bytes)
{
	static const char suffixes[] = "KMGT";
	const char *s;
	char *end;
	u64 n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		/* The NUL that ends them is none of them. */
		s = strchr(suffixes, *end & ~0x20);
		if (!s || !*s || end[1])
			return false;
		unit = 1ULL << 10 * (s - suffixes + 1);
	}
	return !__builtin_mul_overflow(n, unit, bytes);
}

/**
 * args_u32() - a number
 * @text: argument
 * @value: set to it
 *
 * Return: false when it is none, or too large.
 */
bool args_u32(const char *text, u32 *value)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n > U32_MAX)
		return false;
	*value = (u32)n;
	return true;
}

/**
 * args_percent() - a share of blocks to reserve, with up to one decimal
 * @text: argument
 * @permille: set to it
 *
 * Return: what is wrong with it, or NULL.
 */
const char *args_percent(const char *text, u32 *permille)
{
	u32 whole = 0, tenths = 0;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return "not a percentage";
	for (; *p >= '0' && *p <= '9' && whole <= 100; p++)
		whole = whole * 10 + (u32)(*p - '0');
	if (p[0] == '.' && p[1] >= '0' && p[1] <= '9') {
		tenths = (u32)(p[1] - '0');
		p += 2;
	}
	if (*p == '%')
		p++;
	if (*p)
		return "not a percentage (one decimal at most)";
	if (whole * 10 + tenths > 500)
		return "no more than 50% can be reserved";
	*permille = whole * 10 + tenths;
	return NULL;
}

/**
 * args_journal() - the device of an external journal, or UUID= and what to look for
 * @text: argument
 * @path: set to the device's name
 * @len: room in @path
 *
 * Return: NULL, or what is wrong.
 */
const char *args_journal(const char *text, char *path, size_t len)
{
	const char *why;
	u8 uuid[16];
	int err;

	if (strncmp(text, "UUID=", 5)) {
		snprintf(path, len, "%s", text);
		return NULL;
	}
	if (uuid_parse(text + 5, uuid))
		return "not a UUID";
	err = lnkfs_journal_dev_find(uuid, path, len, &why);
	return err == -ENODEV ? "no such journal device" : err ? why : NULL;
}
