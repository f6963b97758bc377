// SPDX-License-Identifier: GPL-2.0
/*
 * Flags as text, with the names of FreeBSD's strtofflags(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "liblnkfs.h"

/*
 * Names that set a flag; the first of a flag is the one that is written. With
 * "no" before it, a name clears the flag. "nodump" is a name like any other,
 * only that its opposite is the shorter word, "dump".
 */
static const struct {
	char name[13];
	uint32_t flag;
} names[] = {
	{ "sappnd",	LNKFS_SF_APPEND },
	{ "sappend",	LNKFS_SF_APPEND },
	{ "arch",	LNKFS_SF_ARCHIVED },
	{ "archived",	LNKFS_SF_ARCHIVED },
	{ "schg",	LNKFS_SF_IMMUTABLE },
	{ "schange",	LNKFS_SF_IMMUTABLE },
	{ "simmutable",	LNKFS_SF_IMMUTABLE },
	{ "sunlnk",	LNKFS_SF_NOUNLINK },
	{ "sunlink",	LNKFS_SF_NOUNLINK },
	{ "snapshot",	LNKFS_SF_SNAPSHOT },
	{ "uappnd",	LNKFS_UF_APPEND },
	{ "uappend",	LNKFS_UF_APPEND },
	{ "uarch",	LNKFS_UF_ARCHIVE },
	{ "uarchive",	LNKFS_UF_ARCHIVE },
	{ "hidden",	LNKFS_UF_HIDDEN },
	{ "uhidden",	LNKFS_UF_HIDDEN },
	{ "uchg",	LNKFS_UF_IMMUTABLE },
	{ "uchange",	LNKFS_UF_IMMUTABLE },
	{ "uimmutable",	LNKFS_UF_IMMUTABLE },
	{ "nodump",	LNKFS_UF_NODUMP },
	{ "uunlnk",	LNKFS_UF_NOUNLINK },
	{ "uunlink",	LNKFS_UF_NOUNLINK },
	{ "offline",	LNKFS_UF_OFFLINE },
	{ "uoffline",	LNKFS_UF_OFFLINE },
	{ "opaque",	LNKFS_UF_OPAQUE },
	{ "rdonly",	LNKFS_UF_READONLY },
	{ "urdonly",	LNKFS_UF_READONLY },
	{ "readonly",	LNKFS_UF_READONLY },
	{ "reparse",	LNKFS_UF_REPARSE },
	{ "ureparse",	LNKFS_UF_REPARSE },
	{ "sparse",	LNKFS_UF_SPARSE },
	{ "usparse",	LNKFS_UF_SPARSE },
	{ "system",	LNKFS_UF_SYSTEM },
	{ "usystem",	LNKFS_UF_SYSTEM },
};

#define NAMES		(sizeof(names) / sizeof(names[0]))
#define SEPARATORS	"\t ,"

static int same(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(word, name, len);
}

/* "0x" and at most eight digits, as lnkfs_flags_to_text() writes them. */
static int parse_hex(const char *word, size_t len, uint32_t *value)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;
	size_t i;

	if (len < 3 || len > 10 || memcmp(word, "0x", 2))
		return 0;
	*value = 0;
	for (i = 2; i < len; i++) {
		d = memchr(digits, word[i], sizeof(digits) - 1);
		if (!d)
			return 0;
		*value = *value << 4 | (uint32_t)(d - digits);
	}
	return 1;
}

static int parse_word(const char *word, size_t len, uint32_t *set, uint32_t *clear)
{
	uint32_t value;
	size_t i;

	if (parse_hex(word, len, &value)) {
		*set |= value;
		return 1;
	}
	if (same(word, len, "dump")) {
		*clear |= LNKFS_UF_NODUMP;
		return 1;
	}
	for (i = 0; i < NAMES; i++) {
		if (same(word, len, names[i].name)) {
			*set |= names[i].flag;
			return 1;
		}
		if (names[i].flag != LNKFS_UF_NODUMP && len > 2 && !memcmp(word, "no", 2) &&
		    same(word + 2, len - 2, names[i].name)) {
			*clear |= names[i].flag;
			return 1;
		}
	}
	return 0;
}

int lnkfs_flags_from_text(const char *text, uint32_t *set, uint32_t *clear, const char **end)
{
	uint32_t s = 0, c = 0;
	size_t len;

	if (!strcmp(text, "0") || !strcmp(text, "none") || !strcmp(text, "-")) {
		c = ~0u;
		text += strlen(text);
	}
	for (;;) {
		text += strspn(text, SEPARATORS);
		len = strcspn(text, SEPARATORS);
		if (!len)
			break;
		if (!parse_word(text, len, &s, &c)) {
			if (end)
				*end = text;
			errno = EINVAL;
			return -1;
		}
		text += len;
	}
	if (end)
		*end = text;
	*set = s;
	*clear = c;
	return 0;
}

/* Appends a word if there is room, and counts it anyway. */
static size_t append(char *buf, size_t size, size_t at, const char *word)
{
	const char *comma = at ? "," : "";
	size_t room = at < size ? size - at : 0;

	return at + (size_t)snprintf(room ? buf + at : NULL, room, "%s%s", comma, word);
}

int lnkfs_flags_to_text(uint32_t flags, char *buf, size_t size)
{
	char hex[11];
	size_t i, at = 0;

	if (!flags)
		return (int)append(buf, size, 0, "-");
	for (i = 0; i < NAMES; i++) {
		if (flags & names[i].flag) {
			at = append(buf, size, at, names[i].name);
			flags &= ~names[i].flag;
		}
	}
	if (flags) {
		snprintf(hex, sizeof(hex), "0x%x", flags);
		at = append(buf, size, at, hex);
	}
	return (int)at;
}
