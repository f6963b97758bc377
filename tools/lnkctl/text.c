// SPDX-License-Identifier: GPL-2.0
/*
 * Names and other bytes of unknown origin, as text and as JSON.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <wchar.h>
#include <wctype.h>

#include "text.h"

/* One byte that is not to be printed, as in C; unlike there, a space as well. */
static void escaped_byte(FILE *out, unsigned char c)
{
	static const char plain[] = "\a\b\f\n\r\t\v\\ ";
	static const char letters[] = "abfnrtv\\ ";
	const char *found = c ? strchr(plain, c) : NULL;

	if (found)
		fprintf(out, "\\%c", letters[found - plain]);
	else
		fprintf(out, "\\%03o", c);
}

/* Print @name; what the locale does not print, and @also, in escape sequences. */
static void escaped(FILE *out, const char *name, const wchar_t *also)
{
	size_t left = strlen(name), n, i;
	mbstate_t state;
	wchar_t wc;

	memset(&state, 0, sizeof(state));
	for (; left; name += n, left -= n) {
		n = mbrtowc(&wc, name, left, &state);
		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
			escaped_byte(out, (unsigned char)*name);
		} else if (iswprint((wint_t)wc) && !wcschr(also, wc)) {
			fwrite(name, 1, n, out);
		} else {
			for (i = 0; i < n; i++)
				escaped_byte(out, (unsigned char)name[i]);
		}
	}
}

/**
 * text_word() - print a name so that it is one word to a shell
 * @out: where to
 * @name: the name
 *
 * As ls -b does: what the locale does not print, spaces and backslashes become
 * escape sequences of C.
 */
void text_word(FILE *out, const char *name)
{
	escaped(out, name, L" \\");
}

/**
 * text_message() - print a name in a message
 * @out: where to
 * @name: the name
 *
 * What the locale does not print becomes escape sequences of C.
 */
void text_message(FILE *out, const char *name)
{
	escaped(out, name, L"");
}

/**
 * text_complain() - print an error of which no part is known to be harmless
 * @program: who says so
 * @what: with what something is wrong, or NULL
 * @fmt: the rest of the line
 * @ap: its arguments
 *
 * As text_message(), but for the end of the line.
 */
void text_complain(const char *program, const char *what, const char *fmt, va_list ap)
{
	char *text;

	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	if (what) {
		text_message(stderr, what);
		fputs(": ", stderr);
	}
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	text_message(stderr, text ? text : "out of memory");
	fputc('\n', stderr);
	free(text);
}

/* The length of the UTF-8 character at @s, 0: those bytes are none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and what is above U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/**
 * text_json() - print bytes as a JSON string
 * @out: where to
 * @bytes: any bytes
 * @size: how many
 *
 * UTF-8 stands as it is, but for control characters. Each byte XX that is no
 * part of it becomes \udcXX, a lone surrogate, which UTF-8 cannot contain: so
 * no two texts have the same form. Python's os.fsencode() undoes it.
 */
void text_json(FILE *out, const void *bytes, size_t size)
{
	const unsigned char *s = bytes;
	size_t n;

	putc('"', out);
	for (; size; s += n, size -= n) {
		n = utf8_length(s, size);
		if (!n) {
			fprintf(out, "\\udc%02x", *s);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(out, "\\u%04x", *s);
		} else if (*s == 0xc2 && s[1] < 0xa0) {
			fprintf(out, "\\u%04x", s[1]);
		} else {
			fwrite(s, 1, n, out);
		}
	}
	putc('"', out);
}

/**
 * text_mode() - a mode as ls -l shows it
 * @mode: type and permissions
 * @buf: where to
 */
void text_mode(mode_t mode, char buf[11])
{
	static const char types[] = "?pc?d?b?-?l?s???";
	static const char special[] = "TSS";
	int i;

	buf[0] = types[mode >> 12 & 15];
	for (i = 0; i < 9; i++)
		buf[9 - i] = mode >> i & 1 ? "xwr"[i % 3] : '-';
	for (i = 0; i < 3; i++)
		if (mode >> (9 + i) & 1)
			buf[9 - 3 * i] = special[i] | (mode >> 3 * i & 1 ? 0x20 : 0);
	buf[10] = '\0';
}
