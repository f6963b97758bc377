// SPDX-License-Identifier: GPL-2.0
/*
 * Is a repaired volume what it should be?
 *
 * A case says what differs from the sound volume, as a list of words; all else
 * has to be the same.
 *
 *	same			nothing differs
 *	PATH:gone		the name is not there any more
 *	PATH:lost		it is in lost+found, as #INODE, with all below it
 *	PATH:new		something is there that was not; of /lost+found/#, whichever
 *				its number
 *	PATH:free		it may be anything, or not there; likewise what is below it,
 *				which may be in lost+found instead
 *	PATH:names		some of the directory's names may be gone: what has no other
 *				name is in lost+found
 *	PATH:WHAT		WHAT may differ: mode uid gid projid nlink size mtime ctime
 *				atime btime flags lflags blocks data target device, or an
 *				attribute as user.NAME; link: what a symlink is besides
 *	PATH:attrs		some of its attributes may be gone
 *	PATH:WHAT=VALUE		it has to be that; "gone" of an attribute
 *	PATH:hole=FIRST+COUNT	these logical blocks read as zeroes
 *	super:FIELD		it may differ
 *	quota:TYPE:ID		limits may differ
 */
#include <inttypes.h>

#include "kinds.h"
#include "manifest.h"

#define MAX_EXCEPT	64

/**
 * struct except - a difference that is expected
 * @path: of what
 * @ino: its inode on the sound volume, or 0
 * @what: in what
 * @value: what it should be
 * @has_value: if not, it may be anything
 */
struct except {
	char path[500];
	u64 ino;
	char what[300];
	char value[500];
	bool has_value;
};

/**
 * struct comparison - of two volumes
 * @was: the sound one
 * @is: the repaired one
 * @except: what is expected to differ
 * @nr: how many
 * @seen: inodes of @was that have been compared
 * @out: gets what differs otherwise
 */
struct comparison {
	const struct manifest *was;
	const struct manifest *is;
	struct except except[MAX_EXCEPT];
	u32 nr;
	bool *seen;
	FILE *out;
};

static struct except *find(struct comparison *c, const char *path, const char *what)
{
	u32 i;

	for (i = 0; i < c->nr; i++)
		if (!strcmp(c->except[i].path, path) && !strcmp(c->except[i].what, what))
			return &c->except[i];
	return NULL;
}

/* Likewise of an inode, whichever of its names was given. */
static struct except *find_in(struct comparison *c, const struct mnode *n, const char *what)
{
	u32 i;

	for (i = 0; i < c->nr; i++)
		if (c->except[i].ino == n->ci.ino && !strcmp(c->except[i].what, what))
			return &c->except[i];
	return NULL;
}

/* Is something expected to come, go or move in this directory? */
static bool entries_change(struct comparison *c, const char *path)
{
	static const char *const words[] = { "gone", "lost", "new", "free" };
	size_t len = strlen(path);
	u32 i, k;

	if (find(c, path, "names"))
		return true;
	for (i = 0; i < c->nr; i++) {
		const char *p = c->except[i].path, *slash = strrchr(p, '/');

		for (k = 0; k < ARRAY_SIZE(words); k++)
			if (!strcmp(c->except[i].what, words[k]) && slash &&
			    ((size_t)(slash - p) == len || (slash == p && !path[1])) &&
			    !strncmp(p, path, (size_t)(slash - p)))
				return true;
	}
	return false;
}

/* A figure of @n, an inode of the sound volume. */
static void number(struct comparison *c, const struct mnode *n, const char *what, u64 was, u64 is)
{
	const struct except *e = find_in(c, n, what);

	if (e && e->has_value)
		was = strtoull(e->value, NULL, 0);
	else if (e)
		return;
	if (was != is)
		fprintf(c->out, "%s: %s is %" PRIu64 ", should be %" PRIu64 "\n", n->path, what, is,
			was);
}

static void text(struct comparison *c, const struct mnode *n, const char *what, const char *was,
		 const char *is)
{
	const struct except *e = find_in(c, n, what);

	if (e && e->has_value)
		was = e->value;
	else if (e)
		return;
	if (strcmp(was ? was : "", is ? is : ""))
		fprintf(c->out, "%s: %s is %s, should be %s\n", n->path, what, is ? is : "none",
			was ? was : "none");
}

/* ---- one inode ---- */

static bool in_hole(const struct except *e, u64 lblk)
{
	char *end;
	u64 first, count = 1;

	if (!e)
		return false;
	first = strtoull(e->value, &end, 0);
	if (*end == '+')
		count = strtoull(end + 1, NULL, 0);
	return lblk >= first && lblk < first + count;
}

static void data(struct comparison *c, const struct mnode *was, const struct mnode *is)
{
	const struct except *hole = find_in(c, was, "hole");
	u32 i = 0, k = 0, bad = 0;
	u64 first = 0;

	if (find_in(c, was, "data"))
		return;
	while (i < was->nr_block || k < is->nr_block) {
		u64 a = i < was->nr_block ? was->block[i].lblk : ~0ULL;
		u64 b = k < is->nr_block ? is->block[k].lblk : ~0ULL;
		bool good;

		if (a < b)
			good = in_hole(hole, a);
		else if (b < a)
			good = false;
		else
			good = was->block[i].hash == is->block[k].hash && !in_hole(hole, a);
		if (!good && !bad++)
			first = min(a, b);
		i += a <= b;
		k += b <= a;
	}
	if (bad)
		fprintf(c->out, "%s: %u blocks differ, from %" PRIu64 " on\n", was->path, bad,
			first);
}

static void attrs(struct comparison *c, const struct mnode *was, const struct mnode *is)
{
	u32 i;

	for (i = 0; i < was->nr_attr; i++) {
		const struct mattr *a = &was->attr[i], *b = mnode_attr(is, a->name);
		const struct except *e = find_in(c, was, a->name);

		if ((e && !e->has_value) || (!b && find_in(c, was, "attrs")))
			continue;
		if (e && b)
			fprintf(c->out, "%s: %s is still there\n", was->path, a->name);
		else if (!e && (!b || b->err || a->len != b->len || a->hash != b->hash))
			fprintf(c->out, "%s: %s %s\n", was->path, a->name,
				b ? "has another value" : "is gone");
	}
	for (i = 0; i < is->nr_attr; i++)
		if (!mnode_attr(was, is->attr[i].name) && !find_in(c, was, is->attr[i].name))
			fprintf(c->out, "%s: %s has come from nowhere\n", was->path,
				is->attr[i].name);
}

static void inode(struct comparison *c, const struct mnode *was, const struct mnode *is)
{
	bool dir = S_ISDIR(was->ci.mode), moved = dir && entries_change(c, was->path);

	if (is->error)
		fprintf(c->out, "%s: %s\n", was->path, strerror(-is->error));
	number(c, was, "mode", was->ci.mode, is->ci.mode);
	number(c, was, "uid", was->ci.uid, is->ci.uid);
	number(c, was, "gid", was->ci.gid, is->ci.gid);
	number(c, was, "projid", was->ci.projid, is->ci.projid);
	number(c, was, "flags", was->ci.flags, is->ci.flags);
	number(c, was, "lflags", was->ci.lflags, is->ci.lflags);
	number(c, was, "atime", was->ci.atime, is->ci.atime);
	number(c, was, "btime", was->ci.btime, is->ci.btime);
	if (!moved) {
		number(c, was, "mtime", was->ci.mtime, is->ci.mtime);
		number(c, was, "ctime", was->ci.ctime, is->ci.ctime);
	}
	if (!dir) {
		number(c, was, "nlink", was->ci.nlink, is->ci.nlink);
		number(c, was, "size", was->ci.size, is->ci.size);
		/* How many blocks attributes take depends on where they went. */
		if (!(was->ci.lflags & LNKFS_LF_TRUNCATING) && !was->ci.xattr_block)
			number(c, was, "blocks", was->ci.blocks, is->ci.blocks);
	}
	text(c, was, "target", was->target, is->target);
	number(c, was, "major", was->major, is->major);
	number(c, was, "minor", was->minor, is->minor);
	data(c, was, is);
	attrs(c, was, is);
}

/* ---- the tree ---- */

static void directory(struct comparison *c, const char *path, const struct mnode *was,
		      const struct mnode *is);

/* What was at @path, an inode of the sound volume, is now @is. */
static void entry(struct comparison *c, const char *path, const struct mnode *was,
		  const struct mnode *is)
{
	if (!is) {
		fprintf(c->out, "%s: is gone\n", path);
		return;
	}
	if (was->ci.ino != is->ci.ino && !find(c, path, "ino"))
		fprintf(c->out, "%s: is inode %" PRIu64 ", was %" PRIu64 "\n", path, is->ci.ino,
			was->ci.ino);
	if (c->seen[was - c->was->node])
		return;
	c->seen[was - c->was->node] = true;
	inode(c, was, is);
	if (S_ISDIR(was->ci.mode))
		directory(c, path, was, is);
}

static const struct mnode *in_lost_found(struct comparison *c, u64 ino)
{
	char path[64];

	snprintf(path, sizeof(path), "/lost+found/#%" PRIu64, ino);
	return manifest_path(c->is, path);
}

static void name_below(struct comparison *c, const char *dir, const char *path,
		       const struct mname *was, const struct mnode *is_dir)
{
	const struct mname *is = mnode_name(is_dir, was->name);
	const struct mnode *node = manifest_find(c->was, was->ino);

	if (find(c, path, "free"))
		return;
	if (find(c, path, "gone") || find(c, path, "lost")) {
		if (is)
			fprintf(c->out, "%s: is still there\n", path);
		return;
	}
	if (find(c, dir, "names") && (!is || is->ino != was->ino)) {
		if (!manifest_find(c->is, was->ino))
			fprintf(c->out, "%s: is nowhere\n", path);
		return;
	}
	if (is && is->type != was->type && !find_in(c, node, "mode"))
		fprintf(c->out, "%s: its entry says type %u\n", path, is->type);
	entry(c, path, node, is ? manifest_find(c->is, is->ino) : NULL);
}

/* Is it below a directory, or one of its names? */
static bool below(const struct mnode *n, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(n->path, dir, len) && (n->path[len] == '/' || !n->path[len] || len == 1);
}

/* Is there something in lost+found that should be? */
static bool was_lost(struct comparison *c, const char *name)
{
	const struct mnode *n = *name == '#' ?
		manifest_find(c->was, strtoull(name + 1, NULL, 10)) : NULL;
	u32 i;

	if (!n && *name == '#' && find(c, "/lost+found/#", "new"))
		return true;

	for (i = 0; n && i < c->nr; i++) {
		const struct except *e = &c->except[i];

		if (!strcmp(e->what, "lost") && n == manifest_path(c->was, e->path))
			return true;
		if ((!strcmp(e->what, "free") || !strcmp(e->what, "names")) && below(n, e->path))
			return true;
	}
	return false;
}

/* What is expected in lost+found is there. */
static void lost(struct comparison *c)
{
	u32 i;

	for (i = 0; i < c->nr; i++) {
		const char *path = c->except[i].path;
		const struct mnode *was, *is;

		if (strcmp(c->except[i].what, "lost"))
			continue;
		was = manifest_path(c->was, path);
		if (!was)
			die("%s: is not on the sound volume", path);
		is = in_lost_found(c, was->ci.ino);
		if (is)
			entry(c, path, was, is);
		else
			fprintf(c->out, "%s: is not in lost+found\n", path);
	}
}

/* Has a name changed in a directory in which names may be lost? */
static bool other_name(struct comparison *c, const char *path, const struct mnode *was,
		       const struct mname *name)
{
	u32 i;

	for (i = 0; i < was->nr_name && find(c, path, "names"); i++)
		if (was->name[i].ino == name->ino)
			return true;
	return false;
}

static void directory(struct comparison *c, const char *path, const struct mnode *was,
		      const struct mnode *is)
{
	const char *prefix = path[1] ? path : "";
	char sub[600];
	u32 i;

	for (i = 0; i < was->nr_name; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", prefix, was->name[i].name);
		name_below(c, path, sub, &was->name[i], is);
	}
	for (i = 0; i < is->nr_name; i++) {
		if (mnode_name(was, is->name[i].name))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", prefix, is->name[i].name);
		if (!find(c, sub, "new") && !find(c, sub, "free") &&
		    !other_name(c, path, was, &is->name[i]) &&
		    !(!strcmp(path, "/lost+found") && was_lost(c, is->name[i].name)))
			fprintf(c->out, "%s: has come from nowhere\n", sub);
	}
}

/* ---- superblock and quota ---- */

static void super(struct comparison *c)
{
	static const char *const free_fields[] = {
		"s_checksum", "s_state", "s_mount_time", "s_write_time", "s_check_time",
		"s_mount_count", "s_free_blocks", "s_used_inodes", "s_lifetime_kib",
		"s_error_count", "s_first_error", "s_last_error",
	};
	const u8 *was = (const u8 *)&c->was->sb, *is = (const u8 *)&c->is->sb;
	const struct field *f;
	u32 i;

	for (f = kinds[K_SUPER].fields; f->name; f++) {
		for (i = 0; i < ARRAY_SIZE(free_fields) && strcmp(f->name, free_fields[i]); i++)
			;
		/* Quota files may have been made anew. */
		if (!strncmp(f->name, "s_quota_ino", 11) && !memchr_inv(was + f->at, 0, 8) ==
		    !memchr_inv(is + f->at, 0, 8))
			continue;
		if (i == ARRAY_SIZE(free_fields) && !find(c, "super", f->name) &&
		    memcmp(was + f->at, is + f->at, f->size))
			fprintf(c->out, "super: %s is another one\n", f->name);
	}
}

static const struct mquota *limits(const struct manifest *m, u32 type, __le32 id)
{
	u32 i;

	for (i = 0; i < m->nr_quota; i++)
		if (m->quota[i].type == type && m->quota[i].entry.q_id == id)
			return &m->quota[i];
	return NULL;
}

static void quota(struct comparison *c)
{
	static const char *const types[] = { "user", "group", "project" };
	u32 i;

	for (i = 0; i < c->was->nr_quota; i++) {
		const struct mquota *a = &c->was->quota[i];
		const struct mquota *b = limits(c->is, a->type, a->entry.q_id);
		struct lnkfs_quota_entry none = { 0 };
		const struct lnkfs_quota_entry *x = &a->entry, *y = b ? &b->entry : &none;
		char path[40];

		snprintf(path, sizeof(path), "quota:%s", types[a->type]);
		if (find(c, path, "all"))
			continue;
		snprintf(path + strlen(path), 16, ":%u", le32_to_cpu(x->q_id));
		if (!find(c, path, "limits") &&
		    (x->q_ihard != y->q_ihard || x->q_isoft != y->q_isoft ||
		     x->q_bhard != y->q_bhard || x->q_bsoft != y->q_bsoft))
			fprintf(c->out, "%s: other limits\n", path);
	}
}

/* ---- what is expected ---- */

static void add_word(struct comparison *c, const char *word)
{
	struct except *e = &c->except[c->nr];
	const char *colon, *eq = strchr(word, '=');
	const struct mnode *n;
	char buf[500];

	if (!strcmp(word, "same"))
		return;
	if (c->nr == MAX_EXCEPT)
		die("%s: too much is expected", word);
	memset(e, 0, sizeof(*e));
	snprintf(buf, sizeof(buf), "%.*s", eq ? (int)(eq - word) : (int)strlen(word), word);
	colon = strrchr(buf, ':');
	if (!strncmp(word, "quota:", 6)) {
		bool all = colon == buf + 5;

		snprintf(e->path, sizeof(e->path), "%s", buf);
		snprintf(e->what, sizeof(e->what), "%s", all ? "all" : "limits");
	} else if (!colon) {
		die("%s: nothing can be expected of it", word);
	} else {
		snprintf(e->path, sizeof(e->path), "%.*s", (int)(colon - buf), buf);
		snprintf(e->what, sizeof(e->what), "%s", colon + 1);
	}
	n = e->path[0] == '/' ? manifest_path(c->was, e->path) : NULL;
	e->ino = n ? n->ci.ino : 0;
	e->has_value = eq;
	if (eq)
		snprintf(e->value, sizeof(e->value), "%s", eq + 1);
	c->nr++;
}

static void add_words(struct comparison *c, const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	u32 i;

	if (!copy)
		die("no memory");
	while ((word = strsep(&rest, " \t")))
		if (*word)
			add_word(c, word);
	free(copy);
	for (i = 0; i < c->nr; i++) {
		if (strcmp(c->except[i].what, "lost") && strcmp(c->except[i].what, "free") &&
		    strcmp(c->except[i].what, "names"))
			continue;
		add_word(c, "/lost+found:mtime");
		add_word(c, "/lost+found:ctime");
		break;
	}
}

/**
 * expect_text() - compare with what a case expects
 * @was: the sound volume
 * @is: the repaired one
 * @list: see the top of this file
 * @out: gets what differs otherwise
 */
void expect_text(const struct manifest *was, const struct manifest *is, const char *list,
		 FILE *out)
{
	struct comparison *c = calloc(1, sizeof(*c));
	const struct mnode *root;

	if (!c)
		die("no memory");
	c->was = was;
	c->is = is;
	c->out = out;
	c->seen = calloc(was->nr, sizeof(*c->seen));
	if (!c->seen)
		die("no memory");
	add_words(c, list);
	if (is->error) {
		fprintf(out, "the volume cannot be read: %s\n", strerror(-is->error));
	} else {
		root = manifest_find(is, le64_to_cpu(is->sb.s_root_ino));
		entry(c, "/", manifest_find(was, le64_to_cpu(was->sb.s_root_ino)), root);
		lost(c);
		super(c);
		quota(c);
	}
	free(c->seen);
	free(c);
}

/* ---- after random damage ---- */

/**
 * struct touched - what is known of the damage
 * @owner: inodes that were damaged
 * @nr: how many
 * @through: what a repair that was not stopped made of it, or NULL
 */
struct touched {
	const u64 *owner;
	u32 nr;
	const struct manifest *through;
};

static bool touched(const struct touched *t, u64 ino)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		if (t->owner[i] == ino)
			return true;
	return false;
}

/* Taken away all that a user could have made up. */
static bool is_tame(const struct mnode *is)
{
	return !is->ci.uid && !is->ci.gid && !(is->ci.mode & 07077);
}

static bool in_lost_and_found(const struct mnode *is)
{
	return !strncmp(is->path, "/lost+found/", 12);
}

/*
 * An inode that only its looks spoke for is tame, and in lost+found. A repair that was
 * stopped may have left it so far without a name, which the next one found again.
 */
static bool may_be_tame(const struct touched *t, const struct mnode *is)
{
	const struct mnode *through = t->through ? manifest_find(t->through, is->ci.ino) : NULL;

	return is_tame(is) &&
	       (in_lost_and_found(is) ||
		(through && is_tame(through) && in_lost_and_found(through)));
}

static void may_differ(struct comparison *c, const struct mnode *was, const char *what)
{
	c->except[c->nr].ino = was->ci.ino;
	strcpy(c->except[c->nr++].what, what);
}

/* What a file is, apart from its names. */
static void whole_inode(struct comparison *c, const struct touched *t,
			const struct mnode *was, const struct mnode *is)
{
	static const char *const made_up[] = {
		"mode", "uid", "gid", "projid", "major", "minor", "blocks", "attrs"
	};
	u32 i;

	c->nr = 0;
	may_differ(c, was, "nlink");
	may_differ(c, was, "ctime");
	if (S_ISDIR(was->ci.mode))
		may_differ(c, was, "mtime");
	for (i = 0; i < ARRAY_SIZE(made_up) && may_be_tame(t, is); i++)
		may_differ(c, was, made_up[i]);
	/* A symlink has a flag for its attribute. */
	if (S_ISLNK(was->ci.mode) && may_be_tame(t, is))
		may_differ(c, was, "lflags");
	inode(c, was, is);
	c->nr = 0;
}

/* The names in a directory that was not touched. */
static void whole_names(struct comparison *c, const struct touched *t, const struct mnode *was,
			const struct mnode *is)
{
	bool root = was->ci.ino == le64_to_cpu(c->was->sb.s_root_ino);
	u64 lpf = le64_to_cpu(c->was->sb.s_lpf_ino);
	u32 i;

	for (i = 0; i < was->nr_name; i++) {
		const struct mname *a = &was->name[i], *b = mnode_name(is, a->name);

		if (touched(t, a->ino) || (b && b->ino == a->ino))
			continue;
		/* Such a directory may name nothing that has another name. */
		if (!b && may_be_tame(t, is) && manifest_find(c->is, a->ino))
			continue;
		fprintf(c->out, "%s/%s: %s\n", was->path, a->name,
			b ? "names another inode" : "is gone");
	}
	for (i = 0; i < is->nr_name && was->ci.ino != lpf; i++) {
		const struct mname *b = &is->name[i];

		if (!mnode_name(was, b->name) && !(root && !strcmp(b->name, "lost+found")))
			fprintf(c->out, "%s/%s: has come from nowhere\n", was->path, b->name);
	}
}

/**
 * expect_damage() - compare after damage to some inodes
 * @was: the sound volume
 * @is: the repaired one
 * @owner: inodes that were damaged
 * @nr_owner: how many
 * @through: what a repair that was not stopped made of it, or NULL
 * @out: gets what is missing or has changed though it was not damaged
 *
 * An inode that was not damaged is whole, under its number, and has a name; a
 * directory that was not damaged names what it named, but for damaged inodes.
 */
void expect_damage(const struct manifest *was, const struct manifest *is, const u64 *owner,
		   u32 nr_owner, const struct manifest *through, FILE *out)
{
	struct comparison *c = calloc(1, sizeof(*c));
	struct touched t = { owner, nr_owner, through };
	u32 i;

	if (!c)
		die("no memory");
	c->was = was;
	c->is = is;
	c->out = out;
	if (is->error)
		fprintf(out, "the volume cannot be read: %s\n", strerror(-is->error));
	for (i = 0; i < was->nr && !is->error; i++) {
		const struct mnode *a = &was->node[i], *b = manifest_find(is, a->ci.ino);
		char *text = NULL;
		size_t len = 0;
		FILE *mem, *old = c->out;

		if (touched(&t, a->ci.ino))
			continue;
		if (!b) {
			fprintf(out, "%s, inode %" PRIu64 ": has no name any more\n", a->path,
				a->ci.ino);
			continue;
		}
		mem = open_memstream(&text, &len);
		if (!mem)
			die("no memory");
		c->out = mem;
		whole_inode(c, &t, a, b);
		fclose(mem);
		c->out = old;
		if (len)
			fprintf(out, "inode %" PRIu64 ", now %s: %s", a->ci.ino, b->path, text);
		free(text);
		if (S_ISDIR(a->ci.mode))
			whole_names(c, &t, a, b);
	}
	for (i = 0; i < LNKFS_QUOTA_TYPES; i++)
		if (was->sb.s_quota_ino[i] && !is->sb.s_quota_ino[i])
			fprintf(out, "quota %u: its usage is not kept any more\n", i);
	for (i = 0; i < LNKFS_QUOTA_TYPES; i++)
		if (touched(&t, le64_to_cpu(was->sb.s_quota_ino[i])))
			break;
	if (i == LNKFS_QUOTA_TYPES)
		quota(c);
	free(c);
}
