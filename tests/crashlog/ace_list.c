// SPDX-License-Identifier: GPL-2.0
/*
 * The sequences: all of one and two operations, and a sample of those of three.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ace.h"
#include "ace_guest.h"

/*
 * Operations, on what the first state has and on what others of them make. Names that
 * differ in nothing but the letter are here once: a new name is B, a new directory F.
 */
static const char *const ops[] = {
	"creat B", "creat D/B", "creat B; write B 0 5000", "creat D/B; write D/B 0 5000",
	"mkdir B", "mkdir D/B",
	"symlink B 30", "symlink B 3000", "symlink D/B 30",
	"tmpfile; write @ 0 3000; linkfd B", "tmpfile; linkfd D/B",
	/* data */
	"write A 1000 2000", "write A 6000 3000", "write A 20000 1000", "write B 100 3000",
	"write D/A 2500 600", "mwrite A 3000 2500", "dwrite A 0 4096", "dwrite A 8192 4096",
	"swrite A 6000 1000", "dswrite A 500 100",
	"truncate A 2500", "truncate A 0", "truncate A 9000", "truncate B 3000",
	"truncate D/A 0",
	"falloc A 6000 6000", "keep A 6000 6000", "punch A 1000 4500", "zero A 1000 7000",
	/* links */
	"link A B", "link A D/B", "link D/A B", "link L B", "link S D/B", "link B D/B",
	"unlink A", "unlink B", "unlink D/A", "unlink L", "unlink S", "hold A; unlink A",
	"hold A; rename D/A A",
	"rmdir D", "rmdir E", "rmdir B",
	/* renames */
	"rename A B", "rename A D/B", "rename D/A B", "rename B A", "rename B D/A",
	"rename A D/A", "rename D/A A", "rename A L", "rename L A", "rename L B",
	"rename L D/B", "rename S L", "rename L S", "rename D F", "rename D E", "rename D E/D",
	"rename E D/E", "noreplace A B", "noreplace D F",
	"exchange A D/A", "exchange A L", "exchange L S", "exchange D E", "exchange D/A E",
	"symlink T 40; rename T L", "symlink T 3000; rename T L", "symlink T 40; rename T S",
	"creat T; write T 0 4000; rename T A", "creat T; write T 0 4000; rename T D/A",
	/* attributes */
	"setx A user.b 20", "setx A user.a 5000", "setx D user.d 20", "setx L trusted.l 20",
	"setx B user.b 20", "rmx A user.a", "chmod A 600", "chmod D 700", "chmod B 600",
	"lset L 700 0", "lset S 777 1", "lset B 700 0",
};

#define OPS		ARRAY_SIZE(ops)
#define TARGETS		12

/**
 * struct list - sequences
 * @text: they
 * @nr: how many
 */
struct list {
	char **text;
	u32 nr;
};

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static u64 hash(const char *text)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (*text)
		h = (h ^ (u8)*text++) * 0x100000001b3ULL;
	return mix(h);
}

/* Is it possible? The model after it, and the sequence. */
static bool possible(const char *text, struct ace_model *m, struct ace_seq *seq)
{
	u32 i;

	if (!ace_parse(seq, text))
		die("cannot read '%s'", text);
	ace_model_init(m);
	for (i = 0; i < seq->nr; i++)
		if (!ace_apply(m, &seq->step[i], i))
			return false;
	return true;
}

static void add(struct list *l, const char *text)
{
	struct ace_model m;
	struct ace_seq seq;

	if (!possible(text, &m, &seq))
		die("impossible: '%s'", text);
	if (!(l->nr & (l->nr - 1))) {
		l->text = realloc(l->text, (l->nr ? 2 * l->nr : 1) * sizeof(*l->text));
		if (!l->text)
			die("no memory");
	}
	l->text[l->nr] = strdup(text);
	if (!l->text[l->nr++])
		die("no memory");
}

/**
 * struct targets - objects that can be synced, by the paths that they have now
 * @path: the paths
 * @nr: how many
 */
struct targets {
	char path[TARGETS][ACE_NAME];
	u32 nr;
};

static void add_target(struct targets *t, struct ace_model *m, const char *path)
{
	u32 obj = ace_resolve(m, path), i;

	if (obj == ACE_NONE || m->obj[obj].type == S_IFLNK || t->nr == TARGETS)
		return;
	for (i = 0; i < t->nr; i++)
		if (ace_resolve(m, t->path[i]) == obj)
			return;
	strcpy(t->path[t->nr++], path);
}

/* A path, and the directory that it is in. */
static void add_path(struct targets *t, struct ace_model *m, const char *path)
{
	char dir[ACE_NAME];
	char *slash;

	add_target(t, m, path);
	if (!strcmp(path, "@"))
		return;
	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	add_target(t, m, slash ? dir : ".");
}

static bool has_second_path(enum ace_code code)
{
	return code == ACE_LINK || code == ACE_RENAME || code == ACE_NOREPLACE ||
	       code == ACE_EXCHANGE;
}

/* What can be synced after a sequence that is about it, the last steps first. */
static void find_targets(struct targets *t, struct ace_model *m, const struct ace_seq *seq)
{
	u32 i;

	t->nr = 0;
	for (i = seq->nr; i-- > ace_base_steps();) {
		const struct ace_step *s = &seq->step[i];

		if (s->code == ACE_TMPFILE || s->code == ACE_HOLD)
			add_target(t, m, "@");
		if (has_second_path(s->code))
			add_path(t, m, s->b);
		if (*s->a)
			add_path(t, m, s->a);
	}
}

/* Make it durable: fdatasync, an emptied cache, and a mapping have their turns. */
static void persist(char *text, size_t len, const char *path, bool regular)
{
	size_t at = strlen(text);
	u64 h = hash(text) ^ hash(path);

	if (h % 16 == 0)
		at += (size_t)snprintf(text + at, len - at, "; drop");
	if (regular && h % 7 == 1)
		snprintf(text + at, len - at, "; msync %s", path);
	else
		snprintf(text + at, len - at, "; %s %s", h % 3 == 1 ? "fdatasync" : "fsync", path);
}

static void persist_model(char *text, struct ace_model *m, const char *path)
{
	const struct ace_object *o = &m->obj[ace_resolve(m, path)];

	persist(text, ACE_TEXT, path, o->type == S_IFREG && o->size);
}

/* A sequence, with each way to end it. */
static void each_end(struct list *l, const char *text)
{
	struct ace_model m;
	struct ace_seq seq;
	struct targets t;
	char end[ACE_TEXT];
	u32 i;

	if (!possible(text, &m, &seq))
		return;
	find_targets(&t, &m, &seq);
	for (i = 0; i < t.nr; i++) {
		strcpy(end, text);
		persist_model(end, &m, t.path[i]);
		add(l, end);
	}
	snprintf(end, sizeof(end), "%s; sync", text);
	add(l, end);
}

/* Two operations, with something durable in between. */
static void between(struct list *l, const char *a, const char *b)
{
	struct ace_model m;
	struct ace_seq seq;
	struct targets t;
	char text[ACE_TEXT];
	size_t at;

	if (!possible(a, &m, &seq))
		return;
	find_targets(&t, &m, &seq);
	if (!t.nr)
		return;
	strcpy(text, a);
	persist_model(text, &m, t.path[0]);
	at = strlen(text);
	snprintf(text + at, sizeof(text) - at, "; %s", b);
	if (!possible(text, &m, &seq))
		return;
	find_targets(&t, &m, &seq);
	if (t.nr)
		persist_model(text, &m, t.path[0]);
	add(l, text);
}

static void all_of_two(struct list *l)
{
	char text[ACE_TEXT];
	u32 i, k;

	for (i = 0; i < OPS; i++) {
		each_end(l, ops[i]);
		for (k = 0; k < OPS; k++) {
			snprintf(text, sizeof(text), "%s; %s", ops[i], ops[k]);
			each_end(l, text);
			between(l, ops[i], ops[k]);
		}
	}
}

static u32 rnd(u64 *state, u32 n)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return (u32)((mix(*state) >> 32) % n);
}

/* Sequences of three operations, chosen at random. */
static void some_of_three(struct list *l, u32 count, u64 seed)
{
	u64 state = mix(seed + 3);
	struct ace_model m;
	struct ace_seq seq;
	struct targets t;
	char text[ACE_TEXT];
	u32 i;

	while (l->nr < count) {
		text[0] = '\0';
		for (i = 0; i < 3; i++) {
			size_t at = strlen(text);

			snprintf(text + at, sizeof(text) - at, "%s%s", at ? "; " : "",
				 ops[rnd(&state, OPS)]);
			if (!possible(text, &m, &seq))
				break;
			find_targets(&t, &m, &seq);
			if (t.nr && (i == 2 || !rnd(&state, 3)))
				persist_model(text, &m, t.path[rnd(&state, t.nr)]);
		}
		if (i == 3)
			add(l, text);
	}
}

/**
 * ace_list() - print sequences
 * @depth: operations of each: 2 (all of two or one), or 3
 * @count: so many of them, chosen at random; 0: all, with @depth 2
 * @seed: what they are chosen by
 */
void ace_list(u32 depth, u32 count, u64 seed)
{
	u64 state = mix(seed + 2);
	struct list l = { .nr = 0 };
	u32 i, left;

	if (depth == 3)
		some_of_three(&l, count, seed);
	else
		all_of_two(&l);
	if (!count || count > l.nr)
		count = l.nr;
	for (i = 0, left = l.nr; i < l.nr; i++, left--) {
		if (rnd(&state, left) >= count)
			continue;
		count--;
		puts(l.text[i]);
	}
}
