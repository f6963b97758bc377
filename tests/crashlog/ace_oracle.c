// SPDX-License-Identifier: GPL-2.0
/*
 * What must be there after a crash in the midst of a sequence (ace.h), by the promises of
 * Documentation/crash-guarantees.rst.
 *
 * Names, modes, attributes, flags, link counts are those after the first J steps of the
 * sequence, for some J (ORDER, ATOMIC). J is at least what persistence points that had
 * returned promise, at most what had begun. What a file's data may be depends on J and on
 * what was synced of it (ace_data.c). A state is good if there is one J for which all of
 * it is.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ace_data.h"
#include "oracle.h"

#define LOOK_BACK	2	/* sequences before the last one that are looked at again */

/**
 * struct one - a sequence that was run
 * @number: its number
 * @first: mark before its first step
 * @seq: its steps
 * @text: the same as text
 */
struct one {
	u32 number;
	u32 first;
	struct ace_seq seq;
	char *text;
};

/**
 * struct all - the ledger
 * @one: the sequences
 * @nr: how many
 * @base: steps that all of them have at first
 * @sync: the volume was mounted with sync (OSYNC)
 */
struct all {
	struct one *one;
	u32 nr;
	u32 base;
	bool sync;
};

/* ---- the ledger ---- */

static void add_one(struct all *all, char *line)
{
	struct one *o;
	int at;

	if (!(all->nr & (all->nr - 1))) {
		all->one = realloc(all->one, (all->nr ? 2 * all->nr : 1) * sizeof(*o));
		if (!all->one)
			die("no memory");
	}
	o = &all->one[all->nr++];
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%u %u %n", &o->number, &o->first, &at) != 2 ||
	    !ace_parse(&o->seq, line + at))
		die("the ledger makes no sense: %s", line);
	o->text = strdup(line + at);
	if (!o->text)
		die("no memory");
}

static void *ace_load(const char *path)
{
	struct all *all = calloc(1, sizeof(*all));
	char line[ACE_TEXT + 64];
	FILE *f = fopen(path, "r");

	if (!all || !f)
		die("%s: %s", path, strerror(errno));
	all->base = ace_base_steps();
	while (fgets(line, sizeof(line), f))
		add_one(all, line);
	fclose(f);
	if (!all->nr)
		die("%s is empty", path);
	return all;
}

static void *ace_load_sync(const char *path)
{
	struct all *all = ace_load(path);

	all->sync = true;
	return all;
}

/* Steps of a sequence that had begun at a mark; those but the last had returned. */
static u32 begun(const struct all *all, const struct one *o, u32 mark)
{
	u32 n = o->seq.nr - all->base;

	return mark < o->first ? 0 : min(mark - o->first + 1, n + 1);
}

/* The sequence that a mark belongs to, or NULL. */
static struct one *find_one(struct all *all, u32 mark)
{
	u32 low = 0, high = all->nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (all->one[mid].first <= mark)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || mark - all->one[low - 1].first > all->one[low - 1].seq.nr - all->base)
		return NULL;
	return &all->one[low - 1];
}

static bool ace_wants(void *priv, u32 mark)
{
	return find_one(priv, mark);
}

/* ---- what a sequence promises ---- */

/**
 * struct bounds - what may be there
 * @o: the sequence
 * @min: steps whose effect on names and records is there
 * @why: the persistence point which says so
 * @max: steps that may be there
 * @begun: steps that had begun
 * @synced: for each object the steps whose effect on its data is there, a bit each
 */
struct bounds {
	struct one *o;
	u32 min;
	u32 why;
	u32 max;
	u32 begun;
	u32 synced[ACE_OBJECTS];
};

static void raise_min(struct bounds *b, u32 min, u32 why)
{
	if (min <= b->min)
		return;
	b->min = min;
	b->why = why;
}

/* Bits of all steps before one. */
static u32 before(u32 step)
{
	return (1u << step) - 1;
}

static void promise(struct bounds *b, const struct ace_model *m, const struct ace_step *s,
		    u32 index)
{
	u32 i;

	switch (s->code) {
	case ACE_SYNC:
		raise_min(b, index, index);
		for (i = 0; i < ACE_OBJECTS; i++)
			b->synced[i] |= before(index);
		break;
	case ACE_SWRITE:
	case ACE_DSWRITE:
		raise_min(b, m->obj[s->obj].changed, index);
		b->synced[s->obj] |= 1u << index;
		break;
	case ACE_FSYNC:
	case ACE_FDATASYNC:
	case ACE_MSYNC:
		raise_min(b, m->obj[s->obj].changed, index);
		b->synced[s->obj] |= before(index);
		break;
	default:
		break;
	}
}

/* With "sync" each step is durable when it returns, but for what a mapping has stored. */
static void promise_sync(struct bounds *b, const struct ace_step *s, u32 index)
{
	raise_min(b, index + 1, index);
	if (s->code != ACE_MWRITE && s->obj < ACE_OBJECTS)
		b->synced[s->obj] |= 1u << index;
}

/* @returned: steps of the sequence that had returned; one more may have begun. */
static void find_bounds(struct bounds *b, const struct all *all, struct one *o, u32 returned)
{
	const u32 base = all->base;
	struct ace_model m;
	u32 i;

	memset(b, 0, sizeof(*b));
	b->o = o;
	b->min = base;
	b->max = min(base + returned + 1, o->seq.nr);
	for (i = 0; i < ACE_OBJECTS; i++)
		b->synced[i] = before(base);
	ace_model_init(&m);
	for (i = 0; i < base + returned; i++) {
		if (!ace_apply(&m, &o->seq.step[i], i))
			die("impossible: %s", o->text);
		if (i < base)
			continue;
		promise(b, &m, &o->seq.step[i], i);
		if (all->sync)
			promise_sync(b, &o->seq.step[i], i);
	}
}

/* ---- comparing a state with a model ---- */

/**
 * struct compare - one comparison
 * @st: state
 * @b: what is promised
 * @m: the model after @steps steps
 * @steps: see @m
 * @ino: inode of each object, as far as it has been met
 * @why: what is different
 */
struct compare {
	struct crash_state *st;
	const struct bounds *b;
	struct ace_model m;
	u32 steps;
	u64 ino[ACE_OBJECTS];
	char why[256];
};

static bool differ(struct compare *c, const char *fmt, ...) __printf(2, 3);
static bool differ(struct compare *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return false;
}

/* The steps whose effect on an object's data is there, if the names are those of @c->m. */
static u32 data_synced(const struct compare *c, u32 obj)
{
	u32 synced = c->b->synced[obj], i;

	/* REPLACE: the data of what replaced a file had been written. */
	for (i = 0; i < c->steps; i++)
		if (c->b->o->seq.step[i].code == ACE_RENAME && c->b->o->seq.step[i].over &&
		    c->b->o->seq.step[i].obj == obj)
			synced |= before(i);
	return synced;
}

static bool same_data(struct compare *c, const char *name, u32 obj, u64 ino)
{
	static struct ace_data d;
	u32 synced = data_synced(c, obj), i;
	u64 size, at;
	u8 *data;
	bool ok;

	ace_data_init(&d, c->b->o->number, c->st->img->v.fs.block_size);
	for (i = 0; i < c->b->max; i++) {
		const struct ace_step *s = &c->b->o->seq.step[i];

		if (s->obj == obj)
			ace_data_step(&d, s, i, synced >> i & 1 ? ACE_DURABLE :
				      i < c->steps ? ACE_DONE : ACE_LATER);
	}
	if (crash_read_ino(c->st, ino, &data, &size))
		return differ(c, "%s cannot be read", name);
	at = ace_data_check(&d, data, size);
	ok = ace_data_size_ok(&d, size) && at == size;
	if (!ace_data_size_ok(&d, size))
		differ(c, "%s has a size of %" PRIu64 ", of %" PRIu64 " in memory", name, size,
		       c->m.obj[obj].size);
	else if (!ok)
		differ(c, "%s: byte %" PRIu64 " is %#x, and neither zero nor of steps %#x", name,
		       at, data[at], d.from[at]);
	free(data);
	return ok;
}

static bool same_target(struct compare *c, const char *name, u32 obj, u64 ino)
{
	char want[LNKFS_SYMLINK_MAX + 1], got[LNKFS_SYMLINK_MAX + 1];
	const struct ace_object *o = &c->m.obj[obj];

	ace_target(want, c->b->o->number, o->made, o->len);
	if (crash_readlink_ino(c->st, ino, got) < 0 || strcmp(want, got))
		return differ(c, "%s leads elsewhere", name);
	return true;
}

/**
 * struct attrs - attributes being compared
 * @c: the comparison
 * @o: what has them
 * @name: of the file
 * @found: how many were right
 */
struct attrs {
	struct compare *c;
	const struct ace_object *o;
	const char *name;
	u32 found;
};

static int one_attr(void *ctx, const char *name, const u8 *value, u32 len)
{
	struct attrs *a = ctx;
	const struct ace_attr *want;
	u8 *bytes;
	int same;
	u32 i;

	for (i = 0; i < ACE_ATTRS && strcmp(a->o->attr[i].name, name); i++)
		;
	if (i == ACE_ATTRS) {
		differ(a->c, "%s has the attribute %s", a->name, name);
		return 1;
	}
	want = &a->o->attr[i];
	bytes = malloc(want->len + 1);
	if (!bytes)
		die("no memory");
	ace_fill(bytes, a->c->b->o->number, want->step, 0, want->len);
	same = len == want->len && !memcmp(bytes, value, len);
	free(bytes);
	a->found += (u32)same;
	if (!same)
		differ(a->c, "%s has another value of %s", a->name, name);
	return !same;
}

static bool same_attrs(struct compare *c, const char *name, u32 obj, u64 ino)
{
	struct attrs a = { c, &c->m.obj[obj], name, 0 };
	u32 i;

	if (crash_xattrs_ino(c->st, ino, one_attr, &a))
		return *c->why ? false : differ(c, "%s: no attributes", name);
	for (i = 0; i < ACE_ATTRS; i++)
		a.found -= *a.o->attr[i].name != '\0';
	return !a.found ? true : differ(c, "%s lacks an attribute", name);
}

static bool same_record(struct compare *c, const char *name, u32 obj, u64 ino)
{
	const struct ace_object *o = &c->m.obj[obj];
	struct lnkfs_node node;

	if (lnkfs_node_load(c->st->img, ino, &node))
		return differ(c, "%s cannot be read", name);
	if ((node.ci.mode & S_IFMT) != o->type)
		return differ(c, "%s is of another type", name);
	if ((node.ci.mode & ~S_IFMT) != o->mode)
		return differ(c, "%s has the mode %o, not %o", name, node.ci.mode & ~S_IFMT,
			      o->mode);
	if (node.ci.flags != o->flags)
		return differ(c, "%s has the flags %#x, not %#x", name, node.ci.flags, o->flags);
	if (node.ci.nlink != o->nlink)
		return differ(c, "%s has %u links, not %u", name, node.ci.nlink, o->nlink);
	return same_attrs(c, name, obj, ino);
}

/* An object under one of its names; a second time it only has to be the same. */
static bool same_object(struct compare *c, const char *name, u32 obj, u64 ino)
{
	u32 i;

	if (c->ino[obj])
		return c->ino[obj] == ino ? true : differ(c, "%s is another file", name);
	for (i = 0; i < ACE_OBJECTS; i++)
		if (c->ino[i] == ino)
			return differ(c, "%s is a link to another file", name);
	c->ino[obj] = ino;
	if (!same_record(c, name, obj, ino))
		return false;
	switch (c->m.obj[obj].type) {
	case S_IFREG:
		return same_data(c, name, obj, ino);
	case S_IFLNK:
		return same_target(c, name, obj, ino);
	default:
		return true;
	}
}

/**
 * struct names - the names of a directory being compared
 * @c: the comparison
 * @dir: the directory
 * @seen: names that were right
 * @sub: directories among them
 * @nr_sub: how many
 */
struct names {
	struct compare *c;
	u32 dir;
	u32 seen;
	u32 sub[ACE_NAMES];
	u32 nr_sub;
};

static int one_name(void *ctx, const char *name, u64 ino, u8 type)
{
	struct names *n = ctx;
	struct compare *c = n->c;
	const struct ace_name *want = NULL;
	u32 i;

	(void)type;
	for (i = 0; i < c->m.nr_name; i++)
		if (c->m.name[i].dir == n->dir && !strcmp(c->m.name[i].name, name))
			want = &c->m.name[i];
	if (!want) {
		differ(c, "%s is there", name);
		return 1;
	}
	if (!same_object(c, name, want->obj, ino))
		return 1;
	n->seen++;
	if (c->m.obj[want->obj].type == S_IFDIR)
		n->sub[n->nr_sub++] = want->obj;
	return 0;
}

static bool same_dir(struct compare *c, u32 dir)
{
	struct names n = { .c = c, .dir = dir };
	u32 i, want = 0;

	if (crash_list_ino(c->st, c->ino[dir], one_name, &n))
		return *c->why ? false : differ(c, "a directory cannot be read");
	for (i = 0; i < c->m.nr_name; i++)
		want += c->m.name[i].dir == dir;
	if (n.seen != want)
		return differ(c, "of %u names %u are missing", want, want - n.seen);
	for (i = 0; i < n.nr_sub; i++)
		if (!same_dir(c, n.sub[i]))
			return false;
	return true;
}

/* Is it what it was after so many steps? */
static bool same(struct compare *c, u64 dir, u32 steps)
{
	u32 i;

	c->steps = steps;
	memset(c->ino, 0, sizeof(c->ino));
	*c->why = '\0';
	ace_model_init(&c->m);
	for (i = 0; i < steps; i++)
		ace_apply(&c->m, &c->b->o->seq.step[i], i);
	c->ino[0] = dir;
	return same_record(c, ".", 0, dir) && same_dir(c, 0);
}

static void complain(struct compare *c, u64 dir)
{
	const struct ace_seq *seq = &c->b->o->seq;
	char text[128];
	u32 steps;

	crash_fail(c->st, "sequence %u: %s", c->b->o->number, c->b->o->text);
	for (steps = c->b->min; steps-- > 0;) {
		if (!same(c, dir, steps))
			continue;
		ace_print(&seq->step[c->b->why], text, sizeof(text));
		crash_fail(c->st, "'%s' had returned, but all is as before it", text);
		ace_print(&seq->step[steps], text, sizeof(text));
		crash_fail(c->st, "'%s' has not happened (SYNC, FSYNC, LINKSYNC...)", text);
		return;
	}
	for (steps = c->b->max; steps >= c->b->min; steps--) {
		same(c, dir, steps);
		if (steps)
			ace_print(&seq->step[steps - 1], text, sizeof(text));
		crash_fail(c->st, "not as after '%s': %s", steps ? text : "nothing", c->why);
	}
}

static void check_one(struct crash_state *st, const struct all *all, struct one *o, u32 returned)
{
	static struct compare c;
	struct crash_stat stat;
	struct bounds b;
	char path[32];
	u32 steps;

	find_bounds(&b, all, o, returned);
	c.st = st;
	c.b = &b;
	snprintf(path, sizeof(path), "/q%u", o->number);
	if (crash_stat(st, path, &stat)) {
		crash_fail(st, "%s, which was synced, is not there", path);
		return;
	}
	for (steps = b.max; steps >= b.min; steps--)
		if (same(&c, stat.ino, steps))
			return;
	complain(&c, stat.ino);
}

static void ace_check(void *priv, struct crash_state *st)
{
	struct all *all = priv;
	struct one *o = find_one(all, st->mark);
	u32 i;

	if (!o)
		return;
	check_one(st, all, o, begun(all, o, st->mark) - 1);
	/* Those before it have ended, those of another batch have been removed. */
	for (i = 1; i <= LOOK_BACK && o - i >= all->one; i++) {
		struct one *p = o - i;

		if (p->first + (p->seq.nr - all->base) + 1 != p[1].first)
			break;
		check_one(st, all, p, p->seq.nr - all->base);
	}
}

const struct oracle ace_oracle = {
	.name = "ace",
	.load = ace_load,
	.wants = ace_wants,
	.check = ace_check,
};

const struct oracle ace_sync_oracle = {
	.name = "ace-sync",
	.load = ace_load_sync,
	.wants = ace_wants,
	.check = ace_check,
};
