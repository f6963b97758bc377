// SPDX-License-Identifier: GPL-2.0
/*
 * What must be there after a crash, according to a model of the recorded workload.
 *
 * Each process works in a directory of its own, one operation after the other. As the
 * journal keeps their order, names, inodes, links and attributes must be what
 * they were after one of the operations, not before the last one that something has made
 * durable, and not after the last one that had begun. That is compared by a sum over all
 * names and inodes, which the model has for each operation. It says that nothing is half
 * done, that nothing which was made durable is lost, and that what comes later is not
 * there without what came before, under whatever name.
 *
 * Data are written later than names: each byte of a file, and its size, must be one of
 * those that it had since the file was last synced. There is no other source of bytes:
 * what another file or the disk's past shows would be found here.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"
#include "ops.h"

#define LINE		512
#define STEP		64	/* operations between two models that are kept */

/**
 * struct proc - the work of a process
 * @op: its operations
 * @nr: how many
 * @sum: the model's sum before the first, the second... and after the last one
 * @safe: operations that are durable when this one has ended, 0: it makes nothing so
 * @kept: models before operations 0, STEP, 2 * STEP...
 */
struct proc {
	struct op *op;
	u32 nr;
	u64 *sum;
	u32 *safe;
	struct model *kept;
};

/**
 * struct work - the whole ledger
 * @proc: the processes
 */
struct work {
	struct proc proc[PROCS];
};

/* ---- the ledger ---- */

static void add_op(struct proc *p, const struct op *op)
{
	if (!(p->nr & (p->nr - 1))) {
		p->op = realloc(p->op, (p->nr ? 2 * p->nr : 1) * sizeof(*op));
		if (!p->op)
			die("no memory");
	}
	p->op[p->nr++] = *op;
}

static int by_mark(const void *a, const void *b)
{
	const struct op *x = a, *y = b;

	return x->mark < y->mark ? -1 : x->mark > y->mark;
}

/* Operations that are durable once @op has ended, which is at place @i. */
static u32 made_safe(struct model *m, const struct op *op, u32 i)
{
	struct mfile *f;

	if (op->ret)
		return 0;
	switch (op->code) {
	case OP_SYNC:
		return i;
	case OP_FSYNC:
		f = model_file(m, op->id);
		return f ? f->touched + 1 : 0;
	case OP_FDATASYNC:
		f = model_file(m, op->id);
		return f ? f->named + 1 : 0;
	default:
		return 0;
	}
}

static void compute(struct proc *p)
{
	struct model m = { 0 };
	u32 i;

	p->sum = calloc(p->nr + 1, sizeof(*p->sum));
	p->safe = calloc(p->nr + 1, sizeof(*p->safe));
	p->kept = calloc(p->nr / STEP + 1, sizeof(*p->kept));
	if (!p->sum || !p->safe || !p->kept)
		die("no memory");
	for (i = 0; i < p->nr; i++) {
		if (i % STEP == 0)
			p->kept[i / STEP] = model_copy(&m);
		p->safe[i] = made_safe(&m, &p->op[i], i);
		model_apply(&m, &p->op[i], i);
		p->sum[i + 1] = m.sum;
	}
	model_free(&m);
}

static void *load(const char *path)
{
	struct work *w = calloc(1, sizeof(*w));
	FILE *f = fopen(path, "r");
	char line[LINE];
	struct op op;
	u32 i;

	if (!w || !f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (!op_parse(&op, line))
			die("the ledger says '%s'", line);
		add_op(&w->proc[op.proc], &op);
	}
	fclose(f);
	for (i = 0; i < PROCS; i++) {
		if (w->proc[i].nr)
			qsort(w->proc[i].op, w->proc[i].nr, sizeof(op), by_mark);
		compute(&w->proc[i]);
	}
	return w;
}

/* Operations that had begun when mark @mark was sent. */
static u32 begun(const struct proc *p, u32 mark)
{
	u32 n = 0;

	while (n < p->nr && p->op[n].mark <= mark)
		n++;
	return n;
}

/* Of these, those that had ended: the next one had begun. */
static u32 ended(const struct proc *p, u32 mark)
{
	u32 n = begun(p, mark);

	return n ? n - 1 : 0;
}

/* Mark of the last sync(2), of whatever process, that had ended; 0: none. */
static u32 last_sync(const struct work *w, u32 mark)
{
	u32 last = 0, i, k;

	for (i = 0; i < PROCS; i++) {
		const struct proc *p = &w->proc[i];

		for (k = ended(p, mark); k--;) {
			if (p->op[k].code != OP_SYNC || p->op[k].ret)
				continue;
			last = max(last, p->op[k].mark);
			break;
		}
	}
	return last;
}

static u32 durable(const struct work *w, const struct proc *p, u32 mark)
{
	u32 n = ended(p, last_sync(w, mark)), i;

	for (i = ended(p, mark); i--;)
		n = max(n, p->safe[i]);
	return n;
}

/* ---- names and inodes ---- */

/**
 * struct item - a name, an inode or an attribute
 * @sum: its part of the sum
 * @text: how it is shown
 */
struct item {
	u64 sum;
	char *text;
};

/**
 * struct items - all of them
 * @item: they
 * @nr: how many
 * @sum: their sum
 */
struct items {
	struct item *item;
	u32 nr;
	u64 sum;
};

static void __printf(3, 4) add_item(struct items *list, u64 sum, const char *fmt, ...)
{
	struct item *it;
	va_list ap;

	if (!(list->nr & (list->nr - 1))) {
		list->item = realloc(list->item, (list->nr ? 2 * list->nr : 1) * sizeof(*it));
		if (!list->item)
			die("no memory");
	}
	it = &list->item[list->nr++];
	it->sum = sum;
	va_start(ap, fmt);
	if (vasprintf(&it->text, fmt, ap) < 0)
		die("no memory");
	va_end(ap);
	list->sum += sum;
}

static void free_items(struct items *list)
{
	while (list->nr)
		free(list->item[--list->nr].text);
	free(list->item);
}

/**
 * struct walk - reading what is there
 * @st: state
 * @list: what has been found
 * @dir: number of the directory, 0: the root
 * @only: in the root, the only name that is of interest
 * @seen: inodes that have been met
 * @nr_seen: how many
 */
struct walk {
	struct crash_state *st;
	struct items list;
	u64 dir;
	const char *only;
	u64 seen[4096];
	u32 nr_seen;
};

static int walk_attr(void *ctx, const char *name, const u8 *value, u32 len)
{
	struct walk *w = ctx;
	u32 k = 0;

	if (!strcmp(name, CRASH_LINK))
		k = SUM_LINK;
	else if (sscanf(name, "user.%u", &k) != 1)
		k = ATTR_NAMES;
	add_item(&w->list, sum_bytes(w->seen[w->nr_seen - 1], k, value, len),
		 "inode %" PRIu64 " %s of %u bytes", w->seen[w->nr_seen - 1], name, len);
	return 0;
}

static void walk_inode(struct walk *w, u64 ino, const struct crash_stat *s)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	int len;

	w->seen[w->nr_seen++] = ino;
	add_item(&w->list, sum_inode(ino, s->mode, s->uid, s->nlink),
		 "inode %" PRIu64 " mode %o uid %u nlink %u", ino, s->mode, s->uid, s->nlink);
	if (S_ISLNK(s->mode)) {
		len = crash_readlink_ino(w->st, ino, target);
		if (len >= 0)
			add_item(&w->list, sum_bytes(ino, SUM_TARGET, (u8 *)target, (u32)len),
				 "inode %" PRIu64 " target of %d bytes, %.20s", ino, len, target);
	}
	crash_xattrs_ino(w->st, ino, walk_attr, w);
}

static int walk_name(void *ctx, const char *name, u64 ino, u8 type)
{
	struct walk *w = ctx;
	u64 dir = w->dir;
	struct crash_stat s;
	u32 i;

	(void)type;
	if (!dir && strcmp(name, w->only))
		return 0;
	add_item(&w->list, sum_name(dir, name, ino), "directory %" PRIu64
		 " names %s inode %" PRIu64, dir, name, ino);
	for (i = 0; i < w->nr_seen; i++)
		if (w->seen[i] == ino)
			return 0;
	if (w->nr_seen == ARRAY_SIZE(w->seen))
		die("too many inodes");
	if (crash_stat_ino(w->st, ino, &s))
		return 0;
	walk_inode(w, ino, &s);
	if (S_ISDIR(s.mode)) {
		w->dir = ino;
		crash_list_ino(w->st, ino, walk_name, w);
		w->dir = dir;
	}
	return 0;
}

static void model_link(const struct mfile *f, struct items *list)
{
	struct lnkfs_link_attr la = link_attr(&f->link);

	if (f->link.what)
		add_item(list, sum_bytes(f->ino, SUM_LINK, (u8 *)&la, sizeof(la)),
			 "inode %" PRIu64 " link kind %u flags %u inode %" PRIu64 ":%u", f->ino,
			 la.la_kind, la.la_flags, f->link.ino, f->link.gen);
}

/* The same of the model. */
static void model_items(struct model *m, struct items *list)
{
	char target[4096];
	u32 i, k;

	for (i = 0; i < m->nr_name; i++) {
		struct mname *n = &m->name[i];
		u64 dir = n->dir ? model_file(m, n->dir)->ino : 0;
		u64 ino = model_file(m, n->id)->ino;

		add_item(list, sum_name(dir, n->name, ino), "directory %" PRIu64
			 " names %s inode %" PRIu64, dir, n->name, ino);
	}
	for (i = 0; i < m->nr_file; i++) {
		struct mfile *f = &m->file[i];

		if (!f->nlink)
			continue;
		add_item(list, sum_inode(f->ino, f->mode, f->uid, f->nlink), "inode %" PRIu64
			 " mode %o uid %u nlink %u", f->ino, f->mode, f->uid, f->nlink);
		if (S_ISLNK(f->mode)) {
			content_target(target, f->id, f->len);
			add_item(list, sum_bytes(f->ino, SUM_TARGET, (u8 *)target, f->len),
				 "inode %" PRIu64 " target of %u bytes, %.20s", f->ino, f->len,
				 target);
			model_link(f, list);
		}
		for (k = 0; k < ATTR_NAMES; k++) {
			u8 value[65536];

			if (!f->attr[k].mark)
				continue;
			content_fill(value, f->id, f->attr[k].mark, 0, f->attr[k].len);
			add_item(list, sum_bytes(f->ino, k, value, f->attr[k].len), "inode %" PRIu64
				 " user.%u of %u bytes", f->ino, k, f->attr[k].len);
		}
	}
}

static void missing(struct crash_state *st, const struct items *in, const struct items *from,
		    const char *what)
{
	u32 i, k;

	for (i = 0; i < in->nr; i++) {
		for (k = 0; k < from->nr && from->item[k].sum != in->item[i].sum; k++)
			;
		if (k == from->nr)
			crash_fail(st, "%s %s", what, in->item[i].text);
	}
}

static struct model model_at(const struct proc *p, u32 ops)
{
	u32 from = ops ? (ops - 1) / STEP : 0, i;
	struct model m = { 0 };

	if (!ops)
		return m;
	m = model_copy(&p->kept[from]);
	for (i = from * STEP; i < ops; i++)
		model_apply(&m, &p->op[i], i);
	return m;
}

static void explain(struct crash_state *st, const struct proc *p, u32 low, u32 high,
		    const struct items *list)
{
	struct items want = { 0 };
	struct model m = model_at(p, high);
	char line[LINE];

	model_items(&m, &want);
	crash_fail(st, "process %u: it is not what it was after any of the operations %u to %u",
		   (u32)p->op->proc, low, high);
	if (high) {
		op_print(&p->op[high - 1], line, sizeof(line));
		line[strcspn(line, "\n")] = '\0';
		crash_fail(st, "  the last one, which may have been done: %s", line);
	}
	missing(st, list, &want, "  there is");
	missing(st, &want, list, "  there is not");
	free_items(&want);
	model_free(&m);
}

/* ---- data ---- */

/**
 * struct content - a file after one of its operations
 * @op: the operation
 * @data: its bytes, zeroes behind them
 * @size: how many
 */
struct content {
	const struct op *op;
	u8 data[MAX_SIZE + 1];
	u64 size;
};

static void shift(struct content *c, u64 from, u64 to)
{
	u64 n = c->size - min(c->size, from);

	memmove(c->data + to, c->data + from, n);
	if (to < from)
		memset(c->data + to + n, 0, from - to);
	else
		memset(c->data + from, 0, to - from);
}

static void content_apply(struct content *c, const struct op *op)
{
	u64 end = min_t(u64, op->off + op->len, c->size);

	switch (op->code) {
	case OP_WRITE:
	case OP_DWRITE:
		content_fill(c->data + op->off, op->id, op->mark, op->off, op->len);
		c->size = max(c->size, op->off + op->len);
		break;
	case OP_TRUNC:
		if (op->off < c->size)
			memset(c->data + op->off, 0, c->size - op->off);
		c->size = op->off;
		break;
	case OP_PUNCH:
	case OP_ZERO:
		if (op->off < end)
			memset(c->data + op->off, 0, end - op->off);
		break;
	case OP_COLLAPSE:
		shift(c, op->off + op->len, op->off);
		c->size -= op->len;
		break;
	case OP_INSERT:
		shift(c, op->off, op->off + op->len);
		c->size += op->len;
		break;
	default:
		break;
	}
}

static bool is_data(const struct op *op, u32 id)
{
	return op->id == id && !op->ret && op->code >= OP_WRITE && op->code <= OP_INSERT;
}

/**
 * struct history - what a file may contain
 * @first: operations on its data that are durable are those before this one
 * @end: those that had not begun are from this one on
 */
struct history {
	u32 first;
	u32 end;
};

/* Is operation @i one that makes the data of @id durable, as far as it had been written? */
static bool syncs(const struct proc *p, u32 i, u32 id, u32 k)
{
	const struct op *op = &p->op[i];

	if (op->ret)
		return false;
	if (op->code == OP_FSYNC || op->code == OP_FDATASYNC)
		return op->id == id;
	/* A file that replaces another has its data on the disk before it has the name. */
	return op->code == OP_RENAME && op->id == id && op->len && i < k;
}

static struct history history_of(const struct work *w, const struct proc *p, u32 id, u32 k,
				 u32 mark)
{
	u32 done = ended(p, mark), i;
	struct history h = { ended(p, last_sync(w, mark)), begun(p, mark) };
	bool synced = true;

	for (i = 0; i < max(done, k) && i < h.end; i++) {
		if (syncs(p, i, id, k) && (i < done || p->op[i].code == OP_RENAME)) {
			h.first = max(h.first, i);
			synced = true;
		} else if (is_data(&p->op[i], id) && i >= h.first) {
			/* O_DSYNC: all that was before it is durable, so this is, too. */
			if (p->op[i].code == OP_DWRITE && synced && i < done)
				h.first = i + 1;
			else
				synced = false;
		}
	}
	return h;
}

static void check_size(struct crash_state *st, const struct content *c, u32 nr, bool grows,
		       u64 size, const char *name)
{
	u64 low = U64_MAX, high = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (c[i].size == size)
			return;
		low = min(low, c[i].size);
		high = max(high, c[i].size);
	}
	if (grows && size >= low && size <= high)
		return;
	crash_fail(st, "%s: size %" PRIu64 ", not from %" PRIu64 " to %" PRIu64, name, size, low,
		   high);
}

/* Where each byte moves when a range is taken out of the file or put into it. */
static void move(s32 *at, const struct op *op)
{
	s32 off = (s32)op->off, len = (s32)op->len, i;

	if (op->code != OP_COLLAPSE && op->code != OP_INSERT)
		return;
	for (i = 0; i < MAX_SIZE; i++) {
		if (at[i] < off)
			continue;
		if (op->code == OP_INSERT)
			at[i] = at[i] + len < MAX_SIZE ? at[i] + len : -1;
		else
			at[i] = at[i] >= off + len ? at[i] - len : -1;
	}
}

/*
 * Blocks may be older than the map that says where they are, or newer: data are written
 * in place, before a collapsed or inserted range is durable. So with the map of each moment
 * the data of that and of all later ones may stand.
 */
static void check_bytes(struct crash_state *st, const struct content *c, u32 nr, const u8 *data,
			u64 size, const char *name)
{
	static bool known[MAX_SIZE];
	static s32 at[MAX_SIZE];
	u32 map, i;
	u64 off;

	size = min_t(u64, size, MAX_SIZE);
	memset(known, 0, sizeof(known));
	for (map = 0; map < nr; map++) {
		if (map && c[map].op->code != OP_COLLAPSE && c[map].op->code != OP_INSERT)
			continue;
		for (off = 0; off < MAX_SIZE; off++)
			at[off] = (s32)off;
		for (i = map; i < nr; i++) {
			if (i > map)
				move(at, c[i].op);
			for (off = 0; off < size; off++)
				known[off] |= at[off] >= 0 && c[i].data[at[off]] == data[off];
		}
	}
	for (off = 0; off < size && known[off]; off++)
		;
	if (off < size)
		crash_fail(st, "%s: byte %" PRIu64 " of %" PRIu64 " is %02x, not %02x (one of %u)",
			   name, off, size, data[off], c[0].data[off], nr);
}

static void check_file(struct crash_state *st, const struct work *w, const struct proc *p,
		       const struct mfile *f, u32 k)
{
	struct history h = history_of(w, p, f->id, k, st->mark);
	struct content *c = calloc(1, sizeof(*c));
	bool grows = false;
	u32 nr = 1, i;
	char name[64];
	u8 *data;
	u64 size;

	if (!c)
		die("no memory");
	for (i = 0; i < h.end; i++) {
		if (!is_data(&p->op[i], f->id))
			continue;
		if (i >= h.first) {
			c = realloc(c, (nr + 1) * sizeof(*c));
			if (!c)
				die("no memory");
			c[nr] = c[nr - 1];
			c[nr++].op = &p->op[i];
			grows |= p->op[i].code == OP_WRITE || p->op[i].code == OP_DWRITE;
		}
		content_apply(&c[nr - 1], &p->op[i]);
	}
	snprintf(name, sizeof(name), "file %u, inode %" PRIu64, f->id, f->ino);
	if (!crash_read_ino(st, f->ino, &data, &size)) {
		check_size(st, c, nr, grows, size, name);
		check_bytes(st, c, nr, data, size, name);
		free(data);
	}
	free(c);
}

/* ---- the whole ---- */

/* Are the files what they can be, if the names are those after @k operations? */
static void check_files(struct crash_state *st, const struct work *w, const struct proc *p, u32 k)
{
	struct model m = model_at(p, k);
	u32 i;

	for (i = 0; i < m.nr_file; i++)
		if (m.file[i].nlink && S_ISREG(m.file[i].mode))
			check_file(st, w, p, &m.file[i], k);
	model_free(&m);
}

/*
 * The names may be the same at several moments: a file was replaced and replaced again, by one
 * that got the number of the first. It is enough that one of these fits. False: at none.
 */
static bool check_moments(struct crash_state *st, const struct work *w, const struct proc *p,
			  u32 low, u32 high, u64 sum)
{
	struct crash_state look = *st;
	u32 k, last = high + 1;

	look.quiet = true;
	for (k = low; k <= high; k++) {
		if (p->sum[k] != sum)
			continue;
		last = k;
		look.failures = 0;
		check_files(&look, w, p, k);
		if (!look.failures)
			return true;
	}
	if (last > high)
		return false;
	check_files(st, w, p, last);
	return true;
}

static void check_proc(struct crash_state *st, const struct work *w, u32 n)
{
	const struct proc *p = &w->proc[n];
	u32 low = durable(w, p, st->mark), high = begun(p, st->mark);
	struct walk walk = { .st = st };
	char top[8];

	snprintf(top, sizeof(top), "p%u", n);
	walk.only = top;
	crash_list(st, "/", walk_name, &walk);
	if (!check_moments(st, w, p, low, high, walk.list.sum))
		explain(st, p, low, high, &walk.list);
	free_items(&walk.list);
}

static void check(void *priv, struct crash_state *st)
{
	u32 i;

	for (i = 0; i < PROCS; i++)
		check_proc(st, priv, i);
}

const struct oracle model_oracle = {
	.name = "model",
	.load = load,
	.check = check,
};
