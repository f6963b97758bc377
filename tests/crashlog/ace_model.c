// SPDX-License-Identifier: GPL-2.0
/*
 * Sequences as text, and what they do to names and inodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ace.h"

/* What every sequence begins with, durable. Names that are not there: B, D/B, F, T. */
const char ace_base[] =
	"creat A; write A 0 6000; setx A user.a 20; "
	"mkdir D; creat D/A; write D/A 0 2500; mkdir E; symlink L 30; symlink S 3000";

/**
 * struct shape - how a step is written
 * @name: its first word
 * @args: the others: p path, n name, d decimal, o octal, x hexadecimal
 */
static const struct shape {
	const char *name;
	const char *args;
} shapes[ACE_CODES] = {
	[ACE_CREAT]	= { "creat", "p" },
	[ACE_MKDIR]	= { "mkdir", "p" },
	[ACE_SYMLINK]	= { "symlink", "pd" },
	[ACE_TMPFILE]	= { "tmpfile", "" },
	[ACE_LINKFD]	= { "linkfd", "p" },
	[ACE_HOLD]	= { "hold", "p" },
	[ACE_LINK]	= { "link", "pn" },
	[ACE_UNLINK]	= { "unlink", "p" },
	[ACE_RMDIR]	= { "rmdir", "p" },
	[ACE_RENAME]	= { "rename", "pn" },
	[ACE_NOREPLACE]	= { "noreplace", "pn" },
	[ACE_EXCHANGE]	= { "exchange", "pn" },
	[ACE_WRITE]	= { "write", "pdd" },
	[ACE_MWRITE]	= { "mwrite", "pdd" },
	[ACE_DWRITE]	= { "dwrite", "pdd" },
	[ACE_SWRITE]	= { "swrite", "pdd" },
	[ACE_DSWRITE]	= { "dswrite", "pdd" },
	[ACE_TRUNCATE]	= { "truncate", "pd" },
	[ACE_FALLOC]	= { "falloc", "pdd" },
	[ACE_KEEP]	= { "keep", "pdd" },
	[ACE_PUNCH]	= { "punch", "pdd" },
	[ACE_ZERO]	= { "zero", "pdd" },
	[ACE_SETX]	= { "setx", "pnd" },
	[ACE_RMX]	= { "rmx", "pn" },
	[ACE_CHMOD]	= { "chmod", "po" },
	[ACE_LSET]	= { "lset", "pox" },
	[ACE_FSYNC]	= { "fsync", "p" },
	[ACE_FDATASYNC]	= { "fdatasync", "p" },
	[ACE_MSYNC]	= { "msync", "p" },
	[ACE_SYNC]	= { "sync", "" },
	[ACE_DROP]	= { "drop", "" },
};

static bool parse_arg(struct ace_step *s, char kind, const char *word, u32 *numbers)
{
	char *end;
	u64 n;

	if (kind == 'p' || kind == 'n')
		return (size_t)snprintf(kind == 'p' ? s->a : s->b, ACE_NAME, "%s", word) <
		       ACE_NAME;
	n = strtoull(word, &end, kind == 'd' ? 10 : kind == 'o' ? 8 : 16);
	if (*end)
		return false;
	if ((*numbers)++)
		s->len = n;
	else
		s->off = n;
	return true;
}

/**
 * ace_parse_step() - read a step
 * @s: filled in
 * @text: one step
 *
 * Return: whether it makes sense.
 */
bool ace_parse_step(struct ace_step *s, const char *text)
{
	char copy[128], *save, *word;
	u32 numbers = 0, i;
	const char *arg;

	memset(s, 0, sizeof(*s));
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return false;
	word = strtok_r(copy, " ", &save);
	if (!word)
		return false;
	for (i = 0; i < ACE_CODES && strcmp(shapes[i].name, word); i++)
		;
	if (i == ACE_CODES)
		return false;
	s->code = (enum ace_code)i;
	for (arg = shapes[i].args; *arg; arg++) {
		word = strtok_r(NULL, " ", &save);
		if (!word || !parse_arg(s, *arg, word, &numbers))
			return false;
	}
	return !strtok_r(NULL, " ", &save);
}

static bool parse_more(struct ace_seq *seq, const char *text)
{
	char copy[ACE_TEXT], *save, *part;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return false;
	for (part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		if (seq->nr == ACE_STEPS || !ace_parse_step(&seq->step[seq->nr], part))
			return false;
		seq->nr++;
	}
	return true;
}

/**
 * ace_parse() - read a sequence
 * @seq: gets what makes its first state, and its steps
 * @text: the sequence
 *
 * Return: whether it makes sense.
 */
bool ace_parse(struct ace_seq *seq, const char *text)
{
	seq->nr = 0;
	return parse_more(seq, ace_base) && parse_more(seq, text);
}

/**
 * ace_base_steps() - how many steps make the first state
 */
u32 ace_base_steps(void)
{
	static struct ace_seq seq;

	if (!seq.nr)
		parse_more(&seq, ace_base);
	return seq.nr;
}

/**
 * ace_print() - a step as text
 * @s: step
 * @buf: where to
 * @len: its room
 */
void ace_print(const struct ace_step *s, char *buf, size_t len)
{
	const char *arg, *name = shapes[s->code].name;
	int at = snprintf(buf, len, "%s", name);
	u32 numbers = 0;
	u64 n;

	for (arg = shapes[s->code].args; *arg; arg++) {
		if (*arg == 'p' || *arg == 'n') {
			at += snprintf(buf + at, len - (size_t)at, " %s", *arg == 'p' ? s->a : s->b);
			continue;
		}
		n = numbers++ ? s->len : s->off;
		at += snprintf(buf + at, len - (size_t)at,
			       *arg == 'd' ? " %llu" : *arg == 'o' ? " %llo" : " %llx",
			       (unsigned long long)n);
	}
}

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void ace_fill(u8 *buf, u32 seq, u32 step, u64 off, size_t len)
{
	u64 word = 0, at;
	size_t i;

	for (i = 0; i < len; i++) {
		at = off + i;
		if (!i || !(at & 7))
			word = mix(((u64)seq << 8 | step) * 0x9e3779b97f4a7c15ULL + (at >> 3));
		buf[i] = (u8)(word >> ((at & 7) * 8));
		if (!buf[i])
			buf[i] = 1;
	}
}

void ace_target(char *buf, u32 seq, u32 step, u32 len)
{
	u32 i;

	ace_fill((u8 *)buf, seq, step, 0, len);
	for (i = 0; i < len; i++)
		buf[i] = (char)('a' + (u8)buf[i] % 26);
	buf[len] = '\0';
}

/* ---- the model ---- */

void ace_model_init(struct ace_model *m)
{
	memset(m, 0, sizeof(*m));
	m->obj[0] = (struct ace_object){ .type = S_IFDIR, .mode = 0755, .nlink = 2 };
	m->nr_obj = 1;
	m->held = ACE_NONE;
}

static struct ace_name *lookup(struct ace_model *m, u32 dir, const char *name, size_t len)
{
	u32 i;

	for (i = 0; i < m->nr_name; i++)
		if (m->name[i].dir == dir && !strncmp(m->name[i].name, name, len) &&
		    !m->name[i].name[len])
			return &m->name[i];
	return NULL;
}

/* The directory that a path is in, ACE_NONE if there is none. */
static u32 parent(struct ace_model *m, const char *path, const char **last)
{
	struct ace_name *n;
	const char *slash;
	u32 dir = 0;

	while ((slash = strchr(path, '/'))) {
		n = lookup(m, dir, path, (size_t)(slash - path));
		if (!n || m->obj[n->obj].type != S_IFDIR)
			return ACE_NONE;
		dir = n->obj;
		path = slash + 1;
	}
	*last = path;
	return dir;
}

/**
 * ace_find() - look a path up
 * @m: model
 * @path: from the sequence's directory on
 */
struct ace_name *ace_find(struct ace_model *m, const char *path)
{
	const char *last;
	u32 dir = parent(m, path, &last);

	return dir == ACE_NONE ? NULL : lookup(m, dir, last, strlen(last));
}

/**
 * ace_resolve() - the object that a path names, "." and "@" included
 * @m: model
 * @path: the path
 *
 * Return: its number, or ACE_NONE.
 */
u32 ace_resolve(struct ace_model *m, const char *path)
{
	struct ace_name *n;

	if (!strcmp(path, "."))
		return 0;
	if (!strcmp(path, "@"))
		return m->held;
	n = ace_find(m, path);
	return n ? n->obj : ACE_NONE;
}

bool ace_is_write(enum ace_code code)
{
	return code >= ACE_WRITE && code <= ACE_DSWRITE;
}

static u32 new_object(struct ace_model *m, u32 type, u32 mode, u32 index)
{
	if (m->nr_obj == ACE_OBJECTS)
		return ACE_NONE;
	m->obj[m->nr_obj] = (struct ace_object){
		.type = type,
		.mode = mode,
		.made = index,
		.changed = index + 1,
	};
	return m->nr_obj++;
}

/* A name for an object, whose record and whose directory's change. */
static bool add_name(struct ace_model *m, const char *path, u32 obj, u32 index)
{
	const char *last;
	u32 dir = parent(m, path, &last);

	if (dir == ACE_NONE || obj == ACE_NONE || m->nr_name == ACE_NAMES ||
	    lookup(m, dir, last, strlen(last)))
		return false;
	m->name[m->nr_name].dir = dir;
	snprintf(m->name[m->nr_name].name, ACE_NAME, "%s", last);
	m->name[m->nr_name++].obj = obj;
	m->obj[obj].nlink += m->obj[obj].type == S_IFDIR ? 2 : 1;
	m->obj[obj].changed = index + 1;
	m->obj[dir].nlink += m->obj[obj].type == S_IFDIR;
	m->obj[dir].changed = index + 1;
	return true;
}

static bool remove_name(struct ace_model *m, const char *path, u32 index)
{
	struct ace_name *n = ace_find(m, path);
	struct ace_object *o, *dir;

	if (!n)
		return false;
	o = &m->obj[n->obj];
	dir = &m->obj[n->dir];
	o->nlink -= o->type == S_IFDIR ? 2 : 1;
	o->changed = index + 1;
	dir->nlink -= o->type == S_IFDIR;
	dir->changed = index + 1;
	*n = m->name[--m->nr_name];
	return true;
}

static bool is_empty(struct ace_model *m, u32 dir)
{
	u32 i;

	for (i = 0; i < m->nr_name; i++)
		if (m->name[i].dir == dir)
			return false;
	return true;
}

/* Does a path lead through an object? */
static bool is_below(struct ace_model *m, const char *path, u32 obj)
{
	const char *last;
	u32 dir = parent(m, path, &last), i;

	while (dir && dir != ACE_NONE && dir != obj) {
		for (i = 0; i < m->nr_name && m->name[i].obj != dir; i++)
			;
		dir = i < m->nr_name ? m->name[i].dir : ACE_NONE;
	}
	return dir == obj;
}

static bool do_rename(struct ace_model *m, struct ace_step *s, u32 index)
{
	u32 from = ace_resolve(m, s->a), to = ace_resolve(m, s->b);
	bool dir;

	s->obj = from;
	s->over = to != ACE_NONE;
	if (from == ACE_NONE || from == to || is_below(m, s->b, from))
		return false;
	dir = m->obj[from].type == S_IFDIR;
	if (s->over) {
		if (s->code == ACE_NOREPLACE || dir != (m->obj[to].type == S_IFDIR) ||
		    (dir && !is_empty(m, to)) || !remove_name(m, s->b, index))
			return false;
	}
	return remove_name(m, s->a, index) && add_name(m, s->b, from, index);
}

static bool do_exchange(struct ace_model *m, struct ace_step *s, u32 index)
{
	u32 a = ace_resolve(m, s->a), b = ace_resolve(m, s->b);

	s->obj = a;
	if (a == ACE_NONE || b == ACE_NONE || a == b || is_below(m, s->b, a) ||
	    is_below(m, s->a, b))
		return false;
	return remove_name(m, s->a, index) && remove_name(m, s->b, index) &&
	       add_name(m, s->a, b, index) && add_name(m, s->b, a, index);
}

static bool do_remove(struct ace_model *m, struct ace_step *s, u32 index)
{
	u32 obj = ace_resolve(m, s->a);

	s->obj = obj;
	if (obj == ACE_NONE || (m->obj[obj].type == S_IFDIR) != (s->code == ACE_RMDIR))
		return false;
	if (s->code == ACE_RMDIR && !is_empty(m, obj))
		return false;
	return remove_name(m, s->a, index);
}

static bool do_make(struct ace_model *m, struct ace_step *s, u32 index)
{
	u32 type = s->code == ACE_MKDIR ? S_IFDIR : s->code == ACE_SYMLINK ? S_IFLNK : S_IFREG;
	u32 mode = type == S_IFDIR ? 0755 : type == S_IFLNK ? 0777 : 0644;

	s->obj = new_object(m, type, mode, index);
	if (s->obj == ACE_NONE)
		return false;
	if (type == S_IFLNK)
		m->obj[s->obj].len = (u32)s->off;
	if (s->code == ACE_TMPFILE) {
		m->held = s->obj;
		return true;
	}
	return add_name(m, s->a, s->obj, index);
}

static bool do_link(struct ace_model *m, struct ace_step *s, u32 index)
{
	s->obj = s->code == ACE_LINK ? ace_resolve(m, s->a) : m->held;
	if (s->obj == ACE_NONE || m->obj[s->obj].type == S_IFDIR)
		return false;
	return add_name(m, s->code == ACE_LINK ? s->b : s->a, s->obj, index);
}

static struct ace_attr *find_attr(struct ace_object *o, const char *name)
{
	u32 i;

	for (i = 0; i < ACE_ATTRS && strcmp(o->attr[i].name, name); i++)
		;
	return i < ACE_ATTRS ? &o->attr[i] : NULL;
}

static bool do_attr(struct ace_object *o, const struct ace_step *s, u32 index)
{
	struct ace_attr *a = find_attr(o, s->b);

	o->changed = index + 1;
	if (s->code == ACE_RMX) {
		if (!a)
			return false;
		memset(a, 0, sizeof(*a));
		return true;
	}
	if (!a)
		a = find_attr(o, "");
	if (!a || (o->type == S_IFLNK && strncmp(s->b, "trusted.", 8)))
		return false;
	strcpy(a->name, s->b);
	a->step = index;
	a->len = (u32)s->off;
	return true;
}

static bool do_mode(struct ace_object *o, const struct ace_step *s, u32 index)
{
	if ((o->type == S_IFLNK) != (s->code == ACE_LSET) ||
	    (s->off == o->mode && s->len == o->flags))
		return false;
	o->mode = (u32)s->off;
	o->flags = (u32)s->len;
	o->changed = index + 1;
	return true;
}

/* What works on the data of a regular file. */
static bool do_data(struct ace_object *o, const struct ace_step *s, u32 index)
{
	u64 end = s->code == ACE_TRUNCATE ? s->off : s->off + s->len;

	if (o->type != S_IFREG || end > ACE_SIZE)
		return false;
	if (!ace_is_write(s->code))
		o->changed = index + 1;
	switch (s->code) {
	case ACE_TRUNCATE:
		if (s->off == o->size)
			return false;
		o->size = s->off;
		return true;
	case ACE_MWRITE:
		return end <= o->size;
	case ACE_KEEP:
	case ACE_PUNCH:
		return true;
	default:
		if (end > o->size)
			o->size = end;
		return true;
	}
}

static bool do_sync(struct ace_model *m, struct ace_step *s)
{
	s->obj = ace_resolve(m, s->a);
	return s->obj != ACE_NONE &&
	       m->obj[s->obj].type != S_IFLNK &&
	       (s->code != ACE_MSYNC || (m->obj[s->obj].type == S_IFREG && m->obj[s->obj].size));
}

/**
 * ace_apply() - do a step
 * @m: model
 * @s: step; @s->obj and @s->over are set
 * @index: its place in the sequence
 *
 * Return: false if it cannot be done: the model is of no use then.
 */
bool ace_apply(struct ace_model *m, struct ace_step *s, u32 index)
{
	switch (s->code) {
	case ACE_CREAT:
	case ACE_MKDIR:
	case ACE_SYMLINK:
	case ACE_TMPFILE:
		return do_make(m, s, index);
	case ACE_LINK:
	case ACE_LINKFD:
		return do_link(m, s, index);
	case ACE_UNLINK:
	case ACE_RMDIR:
		return do_remove(m, s, index);
	case ACE_RENAME:
	case ACE_NOREPLACE:
		return do_rename(m, s, index);
	case ACE_EXCHANGE:
		return do_exchange(m, s, index);
	case ACE_FSYNC:
	case ACE_FDATASYNC:
	case ACE_MSYNC:
		return do_sync(m, s);
	case ACE_SYNC:
	case ACE_DROP:
		return true;
	default:
		break;
	}
	s->obj = ace_resolve(m, s->a);
	if (s->obj == ACE_NONE)
		return false;
	switch (s->code) {
	case ACE_HOLD:
		m->held = s->obj;
		return m->obj[s->obj].type == S_IFREG;
	case ACE_SETX:
	case ACE_RMX:
		return do_attr(&m->obj[s->obj], s, index);
	case ACE_CHMOD:
	case ACE_LSET:
		return do_mode(&m->obj[s->obj], s, index);
	default:
		return do_data(&m->obj[s->obj], s, index);
	}
}
