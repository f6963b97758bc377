/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What dump.lnkfs says, as text or as JSON: fields by name, in objects and
 * lists that may stand in each other.
 */
#ifndef DUMP_OUT_H
#define DUMP_OUT_H

#include <stdio.h>

#include "volume.h"

#define OUT_DEPTH	12

/**
 * struct out - where the output is
 * @f: stream
 * @json: write JSON
 * @depth: objects and lists that are open
 * @level: of each: a list, one line of text (a row), nothing in it yet
 */
struct out {
	FILE *f;
	bool json;
	u32 depth;
	struct {
		bool list;
		bool row;
		bool empty;
	} level[OUT_DEPTH];
};

void out_object(struct out *o, const char *key);
void out_row(struct out *o);
void out_list(struct out *o, const char *key);
void out_end(struct out *o);
void out_u64(struct out *o, const char *key, u64 value);
void out_s64(struct out *o, const char *key, s64 value);
void out_hex(struct out *o, const char *key, u64 value);
void out_bool(struct out *o, const char *key, bool value);
void out_text(struct out *o, const char *key, const char *value);
void out_bytes(struct out *o, const char *key, const void *bytes, size_t size);
void out_uuid(struct out *o, const char *key, const u8 *uuid);
void out_time(struct out *o, const char *key, u64 stamp);
void out_bits(struct out *o, const char *key, u64 value, const char *const *names, u32 count);

#endif /* DUMP_OUT_H */
