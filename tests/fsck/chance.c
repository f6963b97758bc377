// SPDX-License-Identifier: GPL-2.0
/*
 * Random damage, written down as text: one to eight structures of a recipe's volume
 * are changed. It is made again by its seed, or by the bytes that it was made of.
 */
#include <inttypes.h>

#include "chance.h"

#define MAX_DAMAGES	8

/**
 * volume_make() - make a recipe's volume and list what is on it
 * @v: filled in, but for @replayed and @was
 * @r: recipe
 */
void volume_make(struct volume *v, const struct recipe *r)
{
	recipe_make(r, &v->img);
	volume_list(v, r);
}

/**
 * volume_list() - list what is on a recipe's volume
 * @v: with its image; filled in, but for @replayed and @was
 * @r: recipe
 */
void volume_list(struct volume *v, const struct recipe *r)
{
	u32 i;

	v->r = r;
	catalog_make(&v->cat, &v->img);
	for (i = 0; i < v->cat.nr && v->cat.obj[i].kind < &kinds[K_SPARE]; i++) {
		if (!i || v->cat.obj[i].kind != v->cat.obj[i - 1].kind)
			v->first[v->nr_kinds++] = i;
		v->supers += v->cat.obj[i].kind == &kinds[K_SUPER];
	}
	v->first[v->nr_kinds] = i;
}

/* ---- random numbers ---- */

static u64 state;
static const u8 *bytes;
static size_t bytes_left;

/**
 * chance_seed() - let a repeatable sequence of random numbers begin
 * @seed: which one
 */
void chance_seed(u64 seed)
{
	state = seed;
	bytes = NULL;
}

/**
 * chance_bytes() - take the random numbers from bytes
 * @data: the bytes; they must stay. Behind them all is 0.
 * @len: how many
 */
void chance_bytes(const u8 *data, size_t len)
{
	bytes = data;
	bytes_left = len;
}

static u64 from_bytes(u32 n)
{
	u64 value = 0;

	while (n-- && bytes_left) {
		value = value << 8 | *bytes++;
		bytes_left--;
	}
	return value;
}

/**
 * chance64() - the next random number
 */
u64 chance64(void)
{
	return bytes ? from_bytes(8) : power_random(&state);
}

/**
 * chance() - the next random number
 * @below: it is less than this
 */
u32 chance(u32 below)
{
	if (bytes)
		return (u32)(from_bytes(below <= 256 ? 1 : below <= 65536 ? 2 : 4) % below);
	return (u32)(chance64() % below);
}

/* ---- a damage ---- */

static const struct object *pick_of(const struct volume *v, u32 nth)
{
	u32 from = v->first[nth];

	return &v->cat.obj[from + chance(v->first[nth + 1] - from)];
}

/**
 * pick() - any structure, each kind as often as another
 * @v: volume
 */
const struct object *pick(const struct volume *v)
{
	return pick_of(v, chance(v->nr_kinds));
}

/**
 * pick_kind() - any structure of a kind
 * @v: volume
 * @kind: kind
 *
 * Return: one of them, or NULL: there is none.
 */
const struct object *pick_kind(const struct volume *v, enum kind_nr kind)
{
	u32 i;

	for (i = 0; i < v->nr_kinds; i++)
		if (v->cat.obj[v->first[i]].kind == &kinds[kind])
			return pick_of(v, i);
	return NULL;
}

static const struct object *pick_like(const struct volume *v, const struct object *o)
{
	u32 i;

	for (i = 0; v->cat.obj[v->first[i]].kind != o->kind; i++)
		;
	return pick_of(v, i);
}

/* Will replaying the log undo a damage to it? */
static bool in_log(const struct volume *v, const struct object *o)
{
	u32 bits = v->cat.vol.v.fs.block_bits;
	u64 at = object_block(&v->cat, o) << bits;

	return v->r->logged && memcmp(v->img.mem + at, v->replayed.mem + at, 1u << bits);
}

/**
 * put_name() - write how a structure is called, so that catalog_find() finds it again
 * @f: where to
 * @o: structure
 */
void put_name(FILE *f, const struct object *o)
{
	fputs(o->kind->name, f);
	if (o->kind->owned)
		fprintf(f, ":%" PRIu64, o->ino);
	if (o->kind->named)
		fprintf(f, ":%s", o->name);
	fprintf(f, ":%" PRIu64 "@%u", o->num, o->copy);
}

static u64 new_value(const struct volume *v, const struct object *o, const struct field *f)
{
	u64 old = field_get(&v->cat, o, f), blocks = v->cat.vol.v.fs.blocks;

	switch (chance(12)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return ~0ULL;
	case 3:
		return old + 1;
	case 4:
		return old - 1;
	case 5:
	case 6:
		return old ^ 1ULL << chance(f->size * 8u);
	case 7:
		return chance64();
	case 8:
		return chance64() % blocks;
	case 9:
		return object_block(&v->cat, pick(v));
	case 10:
		return pick(v)->ino;
	default:
		return field_get(&v->cat, pick_like(v, o), f);
	}
}

static void put_field(FILE *f, const struct volume *v, const struct object *o)
{
	const struct field *field = o->kind->fields;
	u32 n = 0;

	while (field[n].name)
		n++;
	if (!n || (o->len > 600 && chance(3))) {
		/* A map, or bytes without a meaning of their own. */
		struct field raw = { .size = 1, .at = (u16)chance(o->len) };

		fprintf(f, ".raw:%u=%u", raw.at, (u32)(new_value(v, o, &raw) & 255));
		return;
	}
	field += chance(n);
	if (field->size > 8)
		fprintf(f, ".raw:%u=%u", field->at + chance(field->size), chance(256));
	else
		fprintf(f, ".%s=%" PRIu64, field->name, new_value(v, o, field));
}

/**
 * has_blank() - can the name of a structure not stand before a blank?
 * @o: structure
 */
bool has_blank(const struct object *o)
{
	return o->name && strpbrk(o->name, " ");
}

/* May this structure be damaged in addition to what was damaged already? */
static bool allowed(const struct volume *v, const struct object *o, u32 *supers)
{
	if (v->hostile)
		return true;
	if (in_log(v, o))
		return false;
	if (o->kind == &kinds[K_JOURNAL])
		return !v->r->logged;
	if (o->kind != &kinds[K_SUPER])
		return true;
	/* Two that agree are needed to tell which one is wrong. */
	return v->supers >= 3 && !(*supers)++;
}

static void put_damage(FILE *f, const struct volume *v, u32 *supers)
{
	const struct object *o, *from;
	u32 how;

	do {
		o = pick(v);
	} while (!allowed(v, o, supers));
	if (!chance(10))
		fputs("nofix ", f);
	how = chance(24);
	from = pick_like(v, o);
	if (how < 3 && !has_blank(o) && !has_blank(from) &&
	    (v->hostile || o->kind != &kinds[K_SUPER])) {
		static const char *const verbs[] = { "zero", "random", "copy" };

		fprintf(f, "%s%s ", verbs[how], chance(4) ? "" : "block");
		if (how == 2) {
			put_name(f, from);
			fputc(' ', f);
		}
		put_name(f, o);
	} else {
		put_name(f, o);
		put_field(f, v, o);
	}
}

/**
 * damage_text() - random damage
 * @v: volume
 *
 * Return: text for damage_parse(), to be freed.
 */
char *damage_text(const struct volume *v)
{
	u32 n = 1 + chance(MAX_DAMAGES), supers = 0, i;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		die("no memory");
	for (i = 0; i < n; i++) {
		if (i)
			fputs("; ", f);
		put_damage(f, v, &supers);
	}
	fclose(f);
	return text;
}
