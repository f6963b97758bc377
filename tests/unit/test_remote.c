// SPDX-License-Identifier: GPL-2.0
/*
 * Links to other computers: texts and maps that are sound, and that anybody may have
 * written. Random ones are compared with a second, simple implementation. Every buffer
 * has exactly the bytes that it may have, so that the sanitizer sees one too many.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core.h"
#include "tap.h"

#define MAX_TEXT	6000

/* A copy of its own, without a NUL behind it. */
static char *exact(const char *text, u32 len)
{
	char *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	memcpy(copy, text, len);
	return copy;
}

static char mapped[MAX_TEXT];

/* The map's answer is in @mapped. */
static int map_n(const char *map, u32 map_len, const char *text, u32 len, u32 size)
{
	char *m = exact(map, map_len), *t = exact(text, len), *buf = malloc(size);
	int err;

	REQUIRE(buf);
	memset(buf, 0x55, size);
	err = lnkfs_remote_map(m, map_len, t, len, buf, size);
	mapped[0] = 0;
	if (!err) {
		CHECK(memchr(buf, 0, size));
		memcpy(mapped, buf, strnlen(buf, size - 1) + 1);
	}
	free(m);
	free(t);
	free(buf);
	return err;
}

static int map(const char *lines, const char *text)
{
	return map_n(lines, (u32)strlen(lines), text, (u32)strlen(text), LNKFS_SYMLINK_MAX + 1);
}

static bool sound(const char *text)
{
	u32 len = (u32)strlen(text);
	char *t = exact(text, len);
	bool is = lnkfs_remote_sound(t, len);

	free(t);
	return is;
}

static void test_sound(void)
{
	static const char *const good[] = {
		"\\\\s\\t", "\\\\server\\share", "\\\\server\\share\\", "\\\\server\\share\\a\\b",
		"\\\\server/share/a", "\\\\10.0.0.1\\c$", "\\\\server\\share\\..\\..", "smb://s/t",
		"smb://server/share", "SMB://server/share/", "sMb://u@server/share/a%20b",
		"smb://d;u:p@ss@server:445/share", "smb://[::1]/share", "smb://s/%zz",
		"\\\\server\\share\\\\\\x", "\\\\s\\t\n", "smb://server/share?x#y",
	};
	static const char *const bad[] = {
		"", "\\", "\\\\", "\\\\\\", "\\\\s", "\\\\s\\", "\\\\\\t", "\\\\s\\\\t", "/\\s\\t",
		"//s/t", "\\/s\\t", "s", "server\\share", "/mnt", "smb:", "smb:/", "smb://",
		"smb://s", "smb://s/", "smb:///t", "smb://s//t", "smb://u@/t", "smb://@/t",
		"smb:\\\\s\\t", "smbs://s/t", "cifs://s/t", " \\\\s\\t", "smb://s\\t",
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		if (!CHECK(sound(good[i])))
			printf("# %s\n", good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK(!sound(bad[i])))
			printf("# %s\n", bad[i]);
	/* With a NUL, which no target has. */
	CHECK(lnkfs_remote_sound("\\\\s\\\0", 5));
	CHECK(!lnkfs_remote_sound("\\\\\0", 3));
}

static const char lines[] =
	"\\\\server\\share=/mnt/share\n"
	"# a remark\n"
	"\n"
	"\\\\Server\\Other=/mnt/other///\n"
	"\\\\server\\share=/mnt/second\n"
	"\\\\server\\root=/\n"
	"\\\\server\\spa ce=/mnt/with space\n"
	"\\\\server:445\\share=/mnt/port\n"
	"\\\\server\\eq=ual=/mnt/a=/b\n"
	"\\\\server\\slash\\=/mnt/slash\n"
	"\\\\server\\deep\\er=/mnt/no\n"
	"\\\\server\\relative=mnt/no\n"
	"smb://server/url=/mnt/no\n"
	" \\\\server\\blank=/mnt/no\n"
	"\\\\server/forward=/mnt/forward\n"
	"\\\\server\\last=/mnt/last";

static const struct {
	const char *text;
	const char *path;
	int err;
} cases[] = {
	{ "\\\\server\\share", "/mnt/share", 0 },
	{ "\\\\SERVER\\SHARE\\File", "/mnt/share/File", 0 },
	{ "\\\\server\\share\\a\\\\b/c\\", "/mnt/share/a/b/c", 0 },
	{ "\\\\server\\share\\.\\a\\.", "/mnt/share/a", 0 },
	{ "\\\\server\\share\\..", NULL, -EINVAL },
	{ "\\\\server\\share\\a\\..\\b", NULL, -EINVAL },
	{ "\\\\server\\share\\...", "/mnt/share/...", 0 },
	{ "\\\\server\\share\\a%20b", "/mnt/share/a%20b", 0 },
	{ "smb://server/share/a%20b", "/mnt/share/a b", 0 },
	{ "smb://server/share/a%2", NULL, -EINVAL },
	{ "smb://server/share/a%", NULL, -EINVAL },
	{ "smb://server/share/a%2/b", NULL, -EINVAL },
	{ "smb://server/share/%zz", NULL, -EINVAL },
	{ "smb://server/share/%-1", NULL, -EINVAL },
	{ "smb://server/share/a%00", NULL, -EINVAL },
	{ "smb://server/share/a%2fb", NULL, -EINVAL },
	{ "smb://server/share/a%2Fb", NULL, -EINVAL },
	{ "smb://server/share/%2e%2e/b", NULL, -EINVAL },
	{ "smb://server/share/%2E/b", "/mnt/share/b", 0 },
	{ "smb://server/share/%ff", "/mnt/share/\377", 0 },
	{ "smb://server/share/a\\b", "/mnt/share/a\\b", 0 },
	{ "smb://server/share/a%5Cb", "/mnt/share/a\\b", 0 },
	{ "smb://server/%73hare/x", "/mnt/share/x", 0 },
	{ "smb://server/%73har%", NULL, -EINVAL },
	{ "smb://server/sha%2fre", NULL, -EINVAL },
	{ "smb://%73erver/share", NULL, -ENOENT },
	{ "smb://me@server/share", "/mnt/share", 0 },
	{ "smb://server:445/share", "/mnt/port", 0 },
	{ "smb://server/spa%20ce", "/mnt/with space", 0 },
	{ "\\\\server\\other\\", "/mnt/other", 0 },
	{ "\\\\server\\root", "/", 0 },
	{ "\\\\server\\root\\a", "/a", 0 },
	{ "\\\\server\\root\\.\\", "/", 0 },
	{ "\\\\server\\eq=ual", "/mnt/a=/b", 0 },
	{ "\\\\server\\slash\\x", "/mnt/slash/x", 0 },
	{ "\\\\server\\deep\\er", NULL, -ENOENT },
	{ "\\\\server\\deep", NULL, -ENOENT },
	{ "\\\\server\\relative", NULL, -ENOENT },
	{ "\\\\server\\url", NULL, -ENOENT },
	{ "\\\\server\\blank", NULL, -ENOENT },
	{ "\\\\server\\forward", "/mnt/forward", 0 },
	{ "\\\\server\\last\\x", "/mnt/last/x", 0 },
	{ "\\\\server\\shar", NULL, -ENOENT },
	{ "\\\\server\\share2", NULL, -ENOENT },
	{ "\\\\serve\\share", NULL, -ENOENT },
	{ "\\\\server\\share\n", NULL, -ENOENT },
	{ "\\\\server", NULL, -EINVAL },
	{ "/mnt/share", NULL, -EINVAL },
	{ "", NULL, -EINVAL },
};

static void test_map(void)
{
	bool good;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		good = CHECK_EQ(map(lines, cases[i].text), cases[i].err);
		if (good && cases[i].path)
			good = CHECK(!strcmp(mapped, cases[i].path));
		if (!good)
			printf("# %s: %s\n", cases[i].text, mapped);
	}
}

static void test_maps(void)
{
	static const char *const empty[] = {
		"", "\n", "\n\n\n", "=", "=/", "=/\n", "\\\\", "\\\\s\\t", "\\\\s\\t=",
		"\\\\s\\t=x",
		"\\\\s=/x\n", "\\\\\\t=/x\n", "\\\\s\\=/x\n", "s\\t=/x", "/s/t=/x\n", "//s/t=/x\n",
		"\\\\s\\t =/x\n", "\\\\s\\t\n=/x\n", "smb://s/t=/x", "\\\\s\\t\\u=/x", "\\\\s\\t\\\\=/x",
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(empty); i++)
		if (!CHECK_EQ(map(empty[i], "\\\\s\\t\\x"), -ENOENT))
			printf("# %s\n", empty[i]);
	CHECK_EQ(map("\\\\s\\t=/x", "\\\\s\\t"), 0);
	CHECK(!strcmp(mapped, "/x"));
	CHECK_EQ(map("\\\\s\\t=//\n", "\\\\s\\t"), 0);
	CHECK(!strcmp(mapped, "/"));
	/* What cannot be understood does not hide what comes behind it. */
	CHECK_EQ(map("\\\\s\\t\\u=/no\n\\\\s\\t=/yes\n", "\\\\s\\t"), 0);
	CHECK(!strcmp(mapped, "/yes"));
	CHECK_EQ(map_n("\\\\s\\t=/n\0o\n\\\\s\\t=/yes\n", 22, "\\\\s\\t", 5, 10), 0);
	CHECK(!strcmp(mapped, "/yes"));
	CHECK_EQ(map_n("\\\\s\\t\0=/no", 10, "\\\\s\\t\0", 6, 10), -EINVAL);
	CHECK_EQ(map_n("\0\0\0", 3, "\\\\s\\t", 5, 10), -ENOENT);
	CHECK_EQ(map_n("\\\\s\\t=/x\n", 9, "\\\\s\\t\\\0", 7, 10), -EINVAL);
}

/* A share, a component and a path as long as they may be, and longer. */
static void test_lengths(void)
{
	static char text[MAX_TEXT], line[MAX_TEXT + 10];
	u32 n, size, len;

	for (n = 250; n < 260; n++) {
		len = (u32)sprintf(text, "\\\\s\\t\\%0*u\\x", (int)n, 1);
		CHECK_EQ(map_n("\\\\s\\t=/m\n", 9, text, len, 1000), n > 255 ? -EINVAL : 0);
		len = (u32)sprintf(text, "\\\\s\\%0*u", (int)n, 1);
		sprintf(line, "%s=/m\n", text);
		CHECK_EQ(map(line, text), n > 255 ? -EINVAL : 0);
		len = (u32)sprintf(text, "\\\\%0*u\\t", (int)n, 1);
		sprintf(line, "%s=/m\n", text);
		CHECK_EQ(map(line, text), 0);
		/* A byte is three there. */
		memset(text, 0, sizeof(text));
		strcpy(text, "smb://s/t/");
		for (len = 0; len < n; len++)
			strcat(text, "%61");
		CHECK_EQ(map_n("\\\\s\\t=/m\n", 9, text, (u32)strlen(text), 1000),
			 n > 255 ? -EINVAL : 0);
	}
	len = (u32)sprintf(text, "\\\\s\\t\\one\\two\\\\three\\");
	for (size = 1; size < 30; size++) {
		CHECK_EQ(map_n("\\\\s\\t=/mnt\n", 11, text, len, size),
			 size > strlen("/mnt/one/two/three") ? 0 : -ENAMETOOLONG);
		CHECK_EQ(map_n("\\\\s\\t=/\n", 8, "\\\\s\\t", 5, size),
			 size > 1 ? 0 : -ENAMETOOLONG);
	}
	/* The path of the line alone is too long. */
	sprintf(line, "\\\\s\\t=/%05000u\n", 1);
	CHECK_EQ(map(line, "\\\\s\\t"), -ENAMETOOLONG);
	/* The longest target. */
	memset(text, 'a', LNKFS_SYMLINK_MAX);
	memcpy(text, "\\\\s\\t", 5);
	for (n = 5; n < LNKFS_SYMLINK_MAX; n += 200)
		text[n] = '\\';
	CHECK_EQ(map_n("\\\\s\\t=/m\n", 9, text, LNKFS_SYMLINK_MAX, LNKFS_SYMLINK_MAX + 1), 0);
	CHECK_EQ(strlen(mapped), LNKFS_SYMLINK_MAX - 3);
}

/* ---- the same, in another way ---- */

struct part {
	const char *at;
	u32 len;
};

/**
 * struct model - a text, cut at every separator
 * @url: smb:
 * @part: server, share, and what follows
 * @nr: how many
 */
struct model {
	bool url;
	struct part part[MAX_TEXT];
	u32 nr;
};

static bool model_parse(const char *text, u32 len, struct model *m)
{
	u32 from, i;
	char *at;

	m->url = len > 6 && !strncasecmp(text, "smb://", 6);
	if (!m->url && (len < 2 || memcmp(text, "\\\\", 2)))
		return false;
	m->nr = 0;
	for (from = i = m->url ? 6 : 2; i <= len; i++) {
		if (i < len && text[i] != '/' && (m->url || text[i] != '\\'))
			continue;
		m->part[m->nr++] = (struct part){ text + from, i - from };
		from = i + 1;
	}
	at = m->url && m->part[0].len ? memrchr(m->part[0].at, '@', m->part[0].len) : NULL;
	if (at) {
		m->part[0].len -= (u32)(at + 1 - m->part[0].at);
		m->part[0].at = at + 1;
	}
	return m->part[0].len && m->nr > 1 && m->part[1].len;
}

/* A component as a string of its own; -1: it is none. */
static int model_name(const struct model *m, u32 nr, char *name)
{
	const struct part *p = &m->part[nr];
	char hex[3] = "";
	u32 i, n = 0;

	for (i = 0; i < p->len; i++, n++) {
		name[n] = p->at[i];
		if (m->url && p->at[i] == '%') {
			if (i + 2 >= p->len || !isxdigit((unsigned char)p->at[i + 1]) ||
			    !isxdigit((unsigned char)p->at[i + 2]))
				return -1;
			memcpy(hex, p->at + i + 1, 2);
			name[n] = (char)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (!name[n] || name[n] == '/')
			return -1;
	}
	name[n] = 0;
	return n > 255 ? -1 : (int)n;
}

static bool model_line(const char *line, u32 len, const struct model *m, const char *share,
		       struct part *to)
{
	static struct model key;
	const char *eq = len ? memmem(line, len, "=/", 2) : NULL;

	if (!eq || memchr(line, 0, len) || !model_parse(line, (u32)(eq - line), &key) || key.url)
		return false;
	if (key.nr > 3 || (key.nr == 3 && key.part[2].len))
		return false;
	*to = (struct part){ eq + 1, len - (u32)(eq + 1 - line) };
	while (to->len && to->at[to->len - 1] == '/')
		to->len--;
	return key.part[0].len == m->part[0].len && key.part[1].len == strlen(share) &&
	       !strncasecmp(key.part[0].at, m->part[0].at, m->part[0].len) &&
	       !strncasecmp(key.part[1].at, share, key.part[1].len);
}

static int model_path(const struct model *m, const struct part *to, char *buf, u32 size)
{
	static char all[2 * MAX_TEXT + 65536], name[MAX_TEXT];
	u32 i, n = to->len;

	memcpy(all, to->at, n);
	if (n >= size)
		return -ENAMETOOLONG;
	for (i = 2; i < m->nr; i++) {
		int len = model_name(m, i, name);

		if (len < 0 || !strcmp(name, ".."))
			return -EINVAL;
		if (!len || !strcmp(name, "."))
			continue;
		n += (u32)sprintf(all + n, "/%s", name);
		if (n >= size)
			return -ENAMETOOLONG;
	}
	if (!n)
		all[n++] = '/';
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(buf, all, n);
	buf[n] = 0;
	return 0;
}

static int model_map(const char *at, u32 at_len, const char *text, u32 len, char *buf, u32 size)
{
	static struct model m;
	static char share[MAX_TEXT];
	const char *end = at + at_len, *next;
	struct part to;

	if (!model_parse(text, len, &m) || model_name(&m, 1, share) < 0)
		return -EINVAL;
	for (; at < end; at = next + 1) {
		next = memchr(at, '\n', (size_t)(end - at));
		if (!next)
			next = end;
		if (model_line(at, (u32)(next - at), &m, share, &to))
			return model_path(&m, &to, buf, size);
	}
	return -ENOENT;
}

static u64 rnd_state;

static u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)(rnd_state >> 20) % below;
}

static const char *const pieces[] = {
	"\\", "\\", "/", "/", "\\\\", "smb://", "SMB://", "s", "t", "S", "T", "server", "share",
	"SHARE", ".", "..", "%", "%2", "%2e", "%2F", "%00", "%41", "%e4", "%zz", "@", "=", "=/",
	"=/m", "=/mnt/x/", "\n", "\n\\\\s\\t=/", "\\\\s\\t=/m\n", "\\\\server\\share=/n/o\n",
	"\n\\\\", " ", "a",
	"\377", "[", "`", "{",
};

static const char *const starts[] = {
	"\\\\s\\t", "smb://s/t", "smb://u@server/share/", "\\\\server\\share\\",
};

static u32 random_text(char *text, u32 count)
{
	u32 len = 0, i, n;

	for (i = 0; i < count && len < MAX_TEXT - 400; i++) {
		if (!rnd(40)) {
			text[len++] = 0;
		} else if (!rnd(60)) {
			n = 1 + rnd(300);
			memset(text + len, 'l', n);
			len += n;
		} else {
			const char *p = pieces[rnd(ARRAY_SIZE(pieces))];

			n = (u32)strlen(p);
			memcpy(text + len, p, n);
			len += n;
		}
	}
	return len;
}

static void test_random(void)
{
	static char text[MAX_TEXT], want[2 * MAX_TEXT + 65536], m[MAX_TEXT];
	static struct model parsed;
	u32 i, len, map_len, size, found[3] = { 0 };
	bool good = true;
	int err;

	rnd_state = 88172645463325252ULL;
	for (i = 0; i < 200000 && good; i++) {
		len = rnd(3) ? (u32)sprintf(text, "%s", starts[rnd(ARRAY_SIZE(starts))]) : 0;
		len += random_text(text + len, rnd(12));
		map_len = random_text(m, rnd(30));
		size = 1 + rnd(rnd(2) ? 30 : 5000);
		want[0] = 0;
		good = CHECK_EQ(lnkfs_remote_sound(text, len), model_parse(text, len, &parsed));
		err = model_map(m, map_len, text, len, want, size);
		good &= CHECK_EQ(map_n(m, map_len, text, len, size), err);
		if (good && !err)
			good = CHECK(!strcmp(mapped, want));
		found[0] += !err;
		found[1] += err == -ENAMETOOLONG;
		found[2] += err == -ENOENT;
	}
	if (!good)
		printf("# after %u: %.*s | %.*s: %s, %s\n", i, (int)map_len, m, (int)len, text, mapped,
		       want);
	printf("# of %u texts %u mapped, %u to too long a path, %u not\n", i, found[0], found[1],
	       found[2]);
	CHECK(found[0] > 1000 && found[1] > 100 && found[2] > 1000);
}

/* A map of 64 KiB without an answer, and with it at its end. */
static void test_large_map(void)
{
	const u32 size = LNKFS_XATTR_VALUE_MAX;
	char *m = malloc(size);
	u32 i;

	REQUIRE(m);
	for (i = 0; i < size; i++)
		m[i] = "\\\\a\\b=/c\n"[i % 9];
	CHECK_EQ(map_n(m, size, "\\\\s\\t", 5, 100), -ENOENT);
	memset(m, '\\', size);
	CHECK_EQ(map_n(m, size, "\\\\s\\t", 5, 100), -ENOENT);
	memset(m, '=', size);
	memcpy(m + size - 9, "\n\\\\s\\t=/e", 9);
	CHECK_EQ(map_n(m, size, "\\\\s\\t", 5, 100), 0);
	CHECK(!strcmp(mapped, "/e"));
	free(m);
}

static const struct tap_test tests[] = {
	{ "texts that name a share, and that do not", test_sound },
	{ "what a map makes of texts", test_map },
	{ "maps that say nothing", test_maps },
	{ "lengths", test_lengths },
	{ "random texts and maps, compared with a model", test_random },
	{ "large maps", test_large_map },
};

TAP_MAIN(tests)
