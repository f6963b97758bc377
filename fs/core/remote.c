// SPDX-License-Identifier: GPL-2.0
/*
 * Links to other computers: what their text names, and where the volume's map says
 * that this is mounted. Texts and maps are anybody's: nothing is assumed of them.
 */
#include "core.h"

#define LNKFS_SMB	"smb://"

/**
 * struct lnkfs_remote - a remote text, taken apart
 * @server: the computer's name, and a port if the text says one
 * @share: what it shares
 * @path: what follows, without the separator
 * @server_len: bytes of @server
 * @share_len: bytes of @share
 * @path_len: bytes of @path
 * @url: smb:, with %XX for bytes; else a UNC path
 */
struct lnkfs_remote {
	const char *server;
	const char *share;
	const char *path;
	u32 server_len;
	u32 share_len;
	u32 path_len;
	bool url;
};

/* Components are separated by slashes, in a UNC path also by backslashes. */
static bool separates(bool url, char c)
{
	return c == '/' || (!url && c == '\\');
}

static u32 component(bool url, const char *text, u32 len)
{
	u32 i;

	for (i = 0; i < len && !separates(url, text[i]); i++)
		;
	return i;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool same(const char *a, const char *b, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/* Take a text apart; false: it names no share of a computer. */
static bool parse(const char *text, u32 len, struct lnkfs_remote *r)
{
	const u32 smb = sizeof(LNKFS_SMB) - 1;
	u32 at, i;

	r->url = len > smb && same(text, LNKFS_SMB, smb);
	if (!r->url && (len < 2 || text[0] != '\\' || text[1] != '\\'))
		return false;
	at = r->url ? smb : 2;
	r->server = text + at;
	r->server_len = component(r->url, r->server, len - at);
	at += r->server_len + 1;
	/* smb://user@server/ */
	for (i = r->server_len; r->url && i; i--) {
		if (r->server[i - 1] == '@') {
			r->server += i;
			r->server_len -= i;
			break;
		}
	}
	if (!r->server_len || at >= len)
		return false;
	r->share = text + at;
	r->share_len = component(r->url, r->share, len - at);
	at = min_t(u32, at + r->share_len + 1, len);
	r->path = text + at;
	r->path_len = len - at;
	return r->share_len;
}

/**
 * lnkfs_remote_sound() - does a text name something on another computer?
 * @text: target of a symlink
 * @len: its length
 *
 * Return: true for \\server\share, smb://server/share, and what is below.
 */
bool lnkfs_remote_sound(const char *text, u32 len)
{
	struct lnkfs_remote r;

	return parse(text, len, &r);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A component as it is on a filesystem: its length, or -EINVAL for what is none. */
static int decode(bool url, const char *text, u32 len, char *out)
{
	int hi, lo;
	u32 i, n = 0;
	char c;

	for (i = 0; i < len; i++) {
		c = text[i];
		if (url && c == '%') {
			if (len - i < 3)
				return -EINVAL;
			hi = hex(text[++i]);
			lo = hex(text[++i]);
			if (hi < 0 || lo < 0)
				return -EINVAL;
			c = hi << 4 | lo;
		}
		if (!c || c == '/' || n == LNKFS_NAME_LEN)
			return -EINVAL;
		out[n++] = c;
	}
	return n;
}

/**
 * struct out - a path being made
 * @buf: room
 * @size: bytes there
 * @at: bytes in use; one more is kept for a NUL
 */
struct out {
	char *buf;
	u32 size;
	u32 at;
};

static int append(struct out *o, const char *text, u32 len)
{
	if (o->size - o->at <= len)
		return -ENAMETOOLONG;
	memcpy(o->buf + o->at, text, len);
	o->at += len;
	return 0;
}

/* The components below the share. None may lead out of it. */
static int append_path(struct out *o, const struct lnkfs_remote *r)
{
	char name[LNKFS_NAME_LEN];
	u32 at, len;
	int n, err;

	for (at = 0; at < r->path_len; at += len + 1) {
		len = component(r->url, r->path + at, r->path_len - at);
		n = decode(r->url, r->path + at, len, name);
		if (n < 0)
			return n;
		if (!n || (n == 1 && name[0] == '.'))
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.')
			return -EINVAL;
		err = append(o, "/", 1);
		if (!err)
			err = append(o, name, n);
		if (err)
			return err;
	}
	return 0;
}

/* The line at *@at of a map, and go on to the next; @key: what it maps, if it counts. */
static bool next_line(const char *map, u32 map_len, u32 *at, struct lnkfs_remote_line *line,
		      struct lnkfs_remote *key)
{
	const char *text = map + *at, *end;
	u32 len, eq;

	if (*at >= map_len)
		return false;
	end = memchr(text, '\n', map_len - *at);
	len = end ? (u32)(end - text) : map_len - *at;
	*at += len + 1;
	for (eq = 0; eq + 1 < len && (text[eq] != '=' || text[eq + 1] != '/'); eq++)
		;
	line->text = text;
	line->len = len;
	line->key_len = 0;
	if (eq + 1 < len && !memchr(text, 0, len) && parse(text, eq, key) && !key->url &&
	    !key->path_len)
		line->key_len = eq;
	return true;
}

/**
 * lnkfs_remote_line() - go through the lines of a map
 * @map: value of LNKFS_MAP_XATTR
 * @map_len: its length
 * @at: 0 to begin with; gets where the next line is
 * @line: gets the line
 *
 * Return: false: there are no more.
 */
bool lnkfs_remote_line(const char *map, u32 map_len, u32 *at, struct lnkfs_remote_line *line)
{
	struct lnkfs_remote key;

	return next_line(map, map_len, at, line, &key);
}

/**
 * lnkfs_remote_map() - where what a text names is mounted
 * @map: value of LNKFS_MAP_XATTR
 * @map_len: its length
 * @text: target of a symlink
 * @len: its length
 * @buf: gets the path, with a NUL
 * @size: room there, at least 1
 *
 * The first line for the share is the one that counts.
 *
 * Return: 0; -ENOENT: no line is for it; -EINVAL: the text names no share, or leads
 * out of it; -ENAMETOOLONG.
 */
int lnkfs_remote_map(const char *map, u32 map_len, const char *text, u32 len, char *buf,
		     u32 size)
{
	struct out o = { .buf = buf, .size = size };
	struct lnkfs_remote_line line;
	char share[LNKFS_NAME_LEN];
	struct lnkfs_remote r, key;
	const char *to;
	u32 at = 0, to_len;
	int n, err;

	if (!parse(text, len, &r))
		return -EINVAL;
	n = decode(r.url, r.share, r.share_len, share);
	if (n < 0)
		return n;
	while (next_line(map, map_len, &at, &line, &key)) {
		if (!line.key_len || key.server_len != r.server_len || key.share_len != (u32)n ||
		    !same(key.server, r.server, r.server_len) || !same(key.share, share, n))
			continue;
		to = line.text + line.key_len + 1;
		to_len = line.len - line.key_len - 1;
		while (to_len && to[to_len - 1] == '/')
			to_len--;
		err = append(&o, to, to_len);
		if (!err)
			err = append_path(&o, &r);
		if (!err && !o.at)
			err = append(&o, "/", 1);
		buf[o.at] = 0;
		return err;
	}
	return -ENOENT;
}
