// SPDX-License-Identifier: GPL-2.0
/*
 * Damages: read from text, looked up on the sound volume, and carried out on a
 * copy of it. Checksums are made right afterwards, so that what is damaged is not
 * given away by them, unless they are what is damaged.
 *
 *	STRUCTURE.FIELD=VALUE		also +=, -=, ^=
 *	zero STRUCTURE			all its bytes
 *	random STRUCTURE
 *	copy STRUCTURE STRUCTURE	the second becomes a copy of the first
 *	zeroblock, randomblock, copyblock	likewise, the block that holds it
 *	nofix ...			leave the checksum wrong
 *
 * A field is one of kinds.c, raw:OFFSET[:BYTES], or of a map bit:BLOCK. A value is
 * a number, "text", ino:PATH, block:STRUCTURE (the block that holds it), at:STRUCTURE.FIELD
 * (its value), first:GROUP, free (the last free block of group 0) or end, and +N or -N
 * may follow. Damages are separated by semicolons.
 */
#include <ctype.h>

#include "fscktest.h"
#include "journal.h"
#include "kinds.h"

/**
 * damage_begin() - no damage yet
 * @d: filled in
 * @cat: the sound volume
 */
void damage_begin(struct damage *d, struct catalog *cat)
{
	memset(d, 0, sizeof(*d));
	d->cat = cat;
}

/**
 * damage_end() - give its memory back
 * @d: see damage_begin()
 */
void damage_end(struct damage *d)
{
	free(d->byte);
	d->byte = NULL;
}

static void add_owner(struct damage *d, u64 ino)
{
	u32 i;

	for (i = 0; i < d->nr_owner; i++)
		if (d->owner[i] == ino)
			return;
	if (!ino)
		return;
	if (d->nr_owner == ARRAY_SIZE(d->owner))
		die("too many inodes are damaged");
	d->owner[d->nr_owner++] = ino;
}

static void add_byte(struct damage *d, u64 at, u8 value)
{
	if (d->nr == d->max) {
		d->max = d->max ? 2 * d->max : 64;
		d->byte = realloc(d->byte, d->max * sizeof(*d->byte));
		if (!d->byte)
			die("no memory");
	}
	d->byte[d->nr].at = at;
	d->byte[d->nr++].value = value;
}

static void add_seal(struct damage *d, const struct object *o)
{
	u32 i;

	for (i = 0; i < d->nr_seal; i++)
		if (d->seal[i].seal == o->seal &&
		    object_block(d->cat, &d->seal[i]) == object_block(d->cat, o))
			return;
	if (d->nr_seal == ARRAY_SIZE(d->seal))
		die("too many blocks are damaged");
	d->seal[d->nr_seal++] = *o;
}

/* The inodes whose records have some of these bytes. */
static void add_records(struct damage *d, u64 at, u32 len)
{
	u32 i;

	for (i = 0; i < d->cat->nr; i++) {
		const struct object *o = &d->cat->obj[i];

		if (o->kind == &kinds[K_INODE] && o->at < at + len && at < o->at + o->len)
			add_owner(d, o->ino);
	}
}

/**
 * damage_bytes() - change bytes of a structure
 * @d: damage
 * @o: structure
 * @at: first byte of it
 * @data: what they become
 * @len: how many
 * @seal: make the checksum right
 */
void damage_bytes(struct damage *d, const struct object *o, u32 at, const u8 *data, u32 len,
		  bool seal)
{
	u32 i;

	for (i = 0; i < len; i++)
		add_byte(d, object_byte(o, at + i), data[i]);
	if (seal)
		add_seal(d, o);
	add_owner(d, o->ino);
	if (o->kind == &kinds[K_INOBLK])
		add_records(d, o->at + at, len);
}

/**
 * damage_set() - change a field
 * @d: damage
 * @o: structure
 * @f: field of it, of at most 8 bytes
 * @value: what it becomes
 * @seal: make the checksum right, unless it is the field
 */
void damage_set(struct damage *d, const struct object *o, const struct field *f, u64 value,
		bool seal)
{
	u8 data[8];
	u32 i;

	for (i = 0; i < f->size; i++) {
		u32 n = f->flags & FIELD_BE ? f->size - 1 - i : i;

		data[i] = (u8)(value >> 8 * n);
	}
	damage_bytes(d, o, f->at, data, f->size, seal && !(f->flags & FIELD_SUM));
}

/**
 * damage_block() - overwrite a block
 * @d: damage
 * @o: a structure in it
 * @data: what it becomes
 * @seal: make the checksum right
 */
void damage_block(struct damage *d, const struct object *o, const u8 *data, bool seal)
{
	u32 bits = d->cat->vol.v.fs.block_bits, i;
	u64 block = object_block(d->cat, o);

	for (i = 0; i < 1u << bits; i++)
		add_byte(d, (block << bits) + i, data[i]);
	if (seal)
		add_seal(d, o);
	for (i = 0; i < d->cat->nr; i++)
		if (object_block(d->cat, &d->cat->obj[i]) == block)
			add_owner(d, d->cat->obj[i].ino);
}

static void seal_one(const struct damage *d, const struct object *o, u8 *mem)
{
	const struct lnkfs_fs *fs = &d->cat->vol.v.fs;
	u64 block = object_block(d->cat, o);
	struct jbd2_super *js = (void *)(mem + o->at);
	__be32 sum;

	switch (o->seal) {
	case SEAL_NONE:
		break;
	case SEAL_BLOCK:
		lnkfs_seal_block(fs, mem + (block << fs->block_bits), o->btype, block);
		break;
	case SEAL_SUPER:
		lnkfs_super_seal((void *)(mem + o->at));
		break;
	case SEAL_JOURNAL:
		/* Journals have checksums once they have been mounted. */
		if (!(be32_to_cpu(js->s_feature_incompat) & 0x10))
			break;
		memset(mem + o->at + 0xfc, 0, sizeof(sum));
		sum = cpu_to_be32(lnkfs_crc32c(~0u, js, sizeof(*js)));
		memcpy(mem + o->at + 0xfc, &sum, sizeof(sum));
		break;
	}
}

/**
 * damage_apply() - do it
 * @d: damage
 * @img: a copy of the sound volume
 */
void damage_apply(const struct damage *d, struct img *img)
{
	u32 i;

	for (i = 0; i < d->nr; i++)
		img->mem[d->byte[i].at] = d->byte[i].value;
	for (i = 0; i < d->nr_seal; i++)
		seal_one(d, &d->seal[i], img->mem);
}

/* ---- text ---- */

struct text {
	struct damage *d;
	const char *at;
	bool seal;
};

static void blanks(struct text *t)
{
	while (isspace((unsigned char)*t->at))
		t->at++;
}

static bool word(struct text *t, const char *w)
{
	size_t len = strlen(w);

	if (strncmp(t->at, w, len) || !isspace((unsigned char)t->at[len]))
		return false;
	t->at += len;
	blanks(t);
	return true;
}

/* The name of a structure, up to one of @stop. */
static const struct object *structure(struct text *t, const char *stop)
{
	size_t len = strcspn(t->at, stop);
	const struct object *o = catalog_find(t->d->cat, t->at, len);

	t->at += len;
	return o;
}

static const struct field *find_field(struct text *t, const struct object *o, struct field *raw)
{
	size_t len = strcspn(t->at, "=+^-; ");
	const struct field *f;
	char *end;

	if (!strncmp(t->at, "raw:", 4)) {
		memset(raw, 0, sizeof(*raw));
		raw->at = (u16)strtoul(t->at + 4, &end, 0);
		raw->size = *end == ':' ? (u16)strtoul(end + 1, NULL, 0) : 1;
		t->at += len;
		return raw;
	}
	for (f = o->kind->fields; f->name; f++) {
		if (strlen(f->name) == len && !strncmp(f->name, t->at, len)) {
			t->at += len;
			return f;
		}
	}
	die("a %s has no field %.*s", o->kind->name, (int)len, t->at);
}

static u64 free_block(struct catalog *cat)
{
	const struct lnkfs_fs *fs = &cat->vol.v.fs;
	u64 map = lnkfs_group_map_block(fs, 0, LNKFS_B_BITMAP);
	const struct lnkfs_map_block *bitmap = (void *)(cat->img->mem + (map << fs->block_bits));
	u32 off = lnkfs_group_size(fs, 0);

	while (off && lnkfs_test_bit(off - 1, bitmap->m_bits))
		off--;
	if (!off)
		die("no free block");
	return off - 1;
}

static u64 number(struct text *t)
{
	struct lnkfs_fs *fs = &t->d->cat->vol.v.fs;
	struct field raw;
	char path[300];
	u64 value = 0;
	size_t len;
	char *end;

	if (!strncmp(t->at, "ino:", 4)) {
		len = strcspn(t->at += 4, "+-=; ");
		snprintf(path, sizeof(path), "%.*s", (int)len, t->at);
		value = catalog_path(t->d->cat, path);
		t->at += len;
	} else if (!strncmp(t->at, "block:", 6)) {
		t->at += 6;
		value = object_block(t->d->cat, structure(t, "+-=; "));
	} else if (!strncmp(t->at, "at:", 3)) {
		const struct object *o;

		t->at += 3;
		o = structure(t, ".");
		t->at++;
		value = field_get(t->d->cat, o, find_field(t, o, &raw));
	} else if (!strncmp(t->at, "first:", 6)) {
		value = lnkfs_group_first(fs, (u32)strtoul(t->at + 6, &end, 0));
		t->at = end;
	} else if (!strncmp(t->at, "free", 4)) {
		value = free_block(t->d->cat);
		t->at += 4;
	} else if (!strncmp(t->at, "end", 3)) {
		value = fs->blocks;
		t->at += 3;
	} else {
		value = strtoull(t->at, &end, 0);
		if (end == t->at)
			die("no number: %s", t->at);
		t->at = end;
	}
	while (*t->at == '+' || *t->at == '-') {
		bool minus = *t->at == '-';
		u64 more = strtoull(t->at + 1, &end, 0);

		value = minus ? value - more : value + more;
		t->at = end;
	}
	return value;
}

/* bit:BLOCK=0 or 1 of a map: BLOCK is one of the volume, or counted in the group. */
static void set_bit(struct text *t, const struct object *o)
{
	struct lnkfs_fs *fs = &t->d->cat->vol.v.fs;
	u64 first = lnkfs_group_first(fs, (u32)o->num);
	u64 bit;
	u32 at;
	u8 byte;

	t->at += 4;
	bit = number(t);
	if (first && bit >= first)
		bit -= first;
	if (bit >= fs->group_blocks || *t->at != '=')
		die("no bit of a map: %s", t->at);
	t->at++;
	at = LNKFS_MAP_HEADER + (u32)bit / 8;
	byte = t->d->cat->img->mem[o->at + at];
	byte &= (u8)~(1u << bit % 8);
	if (number(t))
		byte |= (u8)(1u << bit % 8);
	damage_bytes(t->d, o, at, &byte, 1, t->seal);
}

static void set_field(struct text *t, const struct object *o)
{
	struct field raw;
	const struct field *f = find_field(t, o, &raw);
	char op = *t->at == '=' ? '=' : *t->at++;
	u64 value, old = f->size <= 8 ? field_get(t->d->cat, o, f) : 0;

	if (*t->at++ != '=')
		die("no assignment: %s", t->at - 1);
	if (*t->at == '"') {
		size_t len = strcspn(++t->at, "\"");

		damage_bytes(t->d, o, f->at, (const u8 *)t->at, (u32)len, t->seal);
		t->at += len + 1;
		return;
	}
	value = number(t);
	if (f->size > 8) {
		u8 data[4096];

		memset(data, (int)value, f->size);
		damage_bytes(t->d, o, f->at, data, f->size, t->seal);
		return;
	}
	if (op == '+')
		value = old + value;
	else if (op == '-')
		value = old - value;
	else if (op == '^')
		value = old ^ value;
	damage_set(t->d, o, f, value, t->seal);
}

static void fill_random(u8 *data, u32 len)
{
	u32 state = 99, i;

	for (i = 0; i < len; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (u8)(state >> 24);
	}
}

/* All of a structure or a block: zeroes, garbage or a copy of another. */
static bool overwrite(struct text *t)
{
	static const char *const verbs[] = { "zero", "random", "copy", "zeroblock",
					     "randomblock", "copyblock" };
	u32 bits = t->d->cat->vol.v.fs.block_bits, i, len;
	const struct object *o, *from = NULL;
	u8 data[4096] = { 0 };
	bool whole;

	for (i = 0; i < ARRAY_SIZE(verbs) && !word(t, verbs[i]); i++)
		;
	if (i == ARRAY_SIZE(verbs))
		return false;
	whole = i >= 3;
	if (i % 3 == 2) {
		from = structure(t, " ");
		blanks(t);
	}
	o = structure(t, "; ");
	len = whole ? 1u << bits : o->len;
	if (i % 3 == 1)
		fill_random(data, len);
	if (from && whole) {
		memcpy(data, t->d->cat->img->mem + (object_block(t->d->cat, from) << bits), len);
	} else if (from) {
		u32 k;

		for (k = 0; k < len && k < from->len; k++)
			data[k] = t->d->cat->img->mem[object_byte(from, k)];
	}
	if (whole)
		damage_block(t->d, o, data, t->seal);
	else
		damage_bytes(t->d, o, 0, data, len, t->seal);
	return true;
}

/**
 * damage_parse() - read damages
 * @d: damage, gets them in addition
 * @text: see the top of this file
 */
void damage_parse(struct damage *d, const char *text)
{
	struct text t = { .d = d, .at = text };

	for (;;) {
		blanks(&t);
		if (!*t.at)
			break;
		t.seal = !word(&t, "nofix");
		if (!overwrite(&t)) {
			const struct object *o = structure(&t, ".");

			if (!*t.at++)
				die("%s: no field", text);
			if (!strncmp(t.at, "bit:", 4))
				set_bit(&t, o);
			else
				set_field(&t, o);
		}
		blanks(&t);
		if (*t.at == ';')
			t.at++;
		else if (*t.at)
			die("%s: what is %s?", text, t.at);
	}
}
