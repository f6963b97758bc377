// SPDX-License-Identifier: GPL-2.0
/*
 * What dump.lnkfs says, as text or as JSON.
 *
 * Numbers that stand for sets of bits, addresses in memory order and the like
 * are hex in text and plain numbers in JSON.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <uuid/uuid.h>

#include "../lnkctl/text.h"
#include "out.h"

#define NSEC_PER_SEC	1000000000ULL

static void indent(const struct out *o)
{
	fprintf(o->f, "%*s", (int)(o->depth - 1) * 2, "");
}

/* Everything that stands before a value. */
static void begin(struct out *o, const char *key)
{
	bool first = o->level[o->depth].empty;

	o->level[o->depth].empty = false;
	if (o->json) {
		if (!first)
			fputc(',', o->f);
		if (key && !o->level[o->depth].list)
			fprintf(o->f, "\"%s\":", key);
	} else if (o->level[o->depth].row) {
		fprintf(o->f, "%s%s ", first ? "" : "  ", key);
	} else {
		indent(o);
		fprintf(o->f, "%s: ", key);
	}
}

static void end(struct out *o)
{
	if (!o->json && !o->level[o->depth].row)
		fputc('\n', o->f);
}

static void nest(struct out *o, bool list, bool row)
{
	if (++o->depth == OUT_DEPTH)
		abort();
	o->level[o->depth].list = list;
	o->level[o->depth].row = row;
	o->level[o->depth].empty = true;
}

static void enter(struct out *o, const char *key, bool list)
{
	bool first = o->level[o->depth].empty;

	o->level[o->depth].empty = false;
	if (o->json) {
		if (o->depth && !first)
			fputc(',', o->f);
		if (o->depth && key && !o->level[o->depth].list)
			fprintf(o->f, "\"%s\":", key);
		fputc(list ? '[' : '{', o->f);
	} else if (o->depth) {
		indent(o);
		fprintf(o->f, "%s:\n", key);
	}
	nest(o, list, false);
}

/**
 * out_object() - begin an object
 * @o: output
 * @key: its name; in a list only text shows it; the outermost has none
 */
void out_object(struct out *o, const char *key)
{
	enter(o, key, false);
}

/**
 * out_list() - begin a list of objects or rows
 * @o: output
 * @key: its name
 */
void out_list(struct out *o, const char *key)
{
	enter(o, key, true);
}

/**
 * out_row() - begin an object in a list that is one line of text
 * @o: output; the object will hold values only
 */
void out_row(struct out *o)
{
	bool first = o->level[o->depth].empty;

	o->level[o->depth].empty = false;
	if (o->json)
		fputs(first ? "{" : ",{", o->f);
	else
		indent(o);
	nest(o, false, true);
}

/**
 * out_end() - end the object, row or list that was begun last
 * @o: output
 */
void out_end(struct out *o)
{
	bool list = o->level[o->depth].list, row = o->level[o->depth].row;

	o->depth--;
	if (o->json)
		fputs(list ? "]" : "}", o->f);
	if (o->json ? !o->depth : row)
		fputc('\n', o->f);
}

/**
 * out_u64() - a number
 * @o: output
 * @key: its name
 * @value: the number
 */
void out_u64(struct out *o, const char *key, u64 value)
{
	begin(o, key);
	fprintf(o->f, "%" PRIu64, value);
	end(o);
}

/**
 * out_s64() - a number that may be negative
 * @o: output
 * @key: its name
 * @value: the number
 */
void out_s64(struct out *o, const char *key, s64 value)
{
	begin(o, key);
	fprintf(o->f, "%" PRId64, value);
	end(o);
}

/**
 * out_hex() - a number that people read in hex
 * @o: output
 * @key: its name
 * @value: the number
 */
void out_hex(struct out *o, const char *key, u64 value)
{
	begin(o, key);
	fprintf(o->f, o->json ? "%" PRIu64 : "%#" PRIx64, value);
	end(o);
}

/**
 * out_bool() - yes or no
 * @o: output
 * @key: its name
 * @value: which
 */
void out_bool(struct out *o, const char *key, bool value)
{
	begin(o, key);
	fputs(o->json ? value ? "true" : "false" : value ? "yes" : "no", o->f);
	end(o);
}

/**
 * out_bytes() - a string of bytes of unknown origin
 * @o: output
 * @key: its name
 * @bytes: may hold any byte
 * @size: how many
 */
void out_bytes(struct out *o, const char *key, const void *bytes, size_t size)
{
	char *copy;

	begin(o, key);
	if (o->json) {
		text_json(o->f, bytes, size);
	} else {
		copy = strndup(bytes, size);
		if (copy)
			text_word(o->f, copy);
		free(copy);
	}
	end(o);
}

/**
 * out_text() - a word of our own
 * @o: output
 * @key: its name
 * @value: the word
 */
void out_text(struct out *o, const char *key, const char *value)
{
	begin(o, key);
	if (o->json)
		text_json(o->f, value, strlen(value));
	else
		fputs(value, o->f);
	end(o);
}

/**
 * out_uuid() - a UUID
 * @o: output
 * @key: its name
 * @uuid: 16 bytes
 */
void out_uuid(struct out *o, const char *key, const u8 *uuid)
{
	char text[37];

	uuid_unparse_lower(uuid, text);
	out_text(o, key, text);
}

/**
 * out_time() - a time stamp
 * @o: output
 * @key: its name
 * @stamp: as on disk; 0 is never
 */
void out_time(struct out *o, const char *key, u64 stamp)
{
	time_t sec = (time_t)((s64)(stamp / NSEC_PER_SEC) + LNKFS_EPOCH);
	char date[32], text[64];
	struct tm tm;

	if (!stamp || !gmtime_r(&sec, &tm) ||
	    !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm)) {
		out_text(o, key, "never");
		return;
	}
	snprintf(text, sizeof(text), "%s.%09" PRIu64 "Z", date, (u64)(stamp % NSEC_PER_SEC));
	out_text(o, key, text);
}

/**
 * out_bits() - a set of bits, by their names
 * @o: output
 * @key: its name
 * @value: the bits
 * @names: of bit 0 on; NULL for those without
 * @count: of names
 */
void out_bits(struct out *o, const char *key, u64 value, const char *const *names, u32 count)
{
	char text[256] = "";
	size_t at = 0;
	u32 i;

	for (i = 0; i < count; i++) {
		if (!names[i] || !(value >> i & 1))
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? "," : "",
				       names[i]);
		value &= ~(1ULL << i);
	}
	if (value)
		snprintf(text + at, sizeof(text) - at, "%s%#" PRIx64, at ? "," : "", value);
	out_text(o, key, *text ? text : "none");
}
