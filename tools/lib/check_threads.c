// SPDX-License-Identifier: GPL-2.0
/*
 * The checker on several processors. A pass is cut into pieces (groups, inodes)
 * that do not depend on each other; every thread has a cache and figures of its
 * own, and shares the table of inodes and the bitmaps of owned blocks, which it
 * changes atomically. What is to be said is kept until the pass is over and then
 * said in the order of the pieces, as one thread would.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "check_priv.h"

u64 lnkfs_threads_from = 20000;

#define MAX_THREADS	8
#define CACHE_MIB	16	/* of each thread */
#define MAX_MESSAGES	100000	/* of a thread, in one pass */

/**
 * struct message - what a piece has to say
 * @piece: which
 * @next: list, the newest first
 * @text: a line
 */
struct message {
	u64 piece;
	struct message *next;
	char text[];
};

/**
 * struct job - a pass that is under way
 * @c: check
 * @fn: does a piece
 * @next: piece that comes next
 * @count: pieces
 * @err: first error
 * @pass: for the progress
 */
struct job {
	struct lnkfs_fsck *c;
	lnkfs_fsck_piece fn;
	u64 next;
	u64 count;
	int err;
	enum lnkfs_fsck_pass pass;
};

/**
 * struct worker - a thread
 * @job: pass
 * @thread: its thread
 * @first: it runs in the caller's instead
 * @v: volume, with a cache of its own
 * @c: check, with figures of its own
 * @ops: where its messages go
 * @piece: at hand
 * @messages: what is to be said
 * @nr: how many
 */
struct worker {
	struct job *job;
	pthread_t thread;
	bool first;
	struct lnkfs_volume v;
	struct lnkfs_fsck c;
	struct lnkfs_fsck_ops ops;
	u64 piece;
	struct message *messages;
	u64 nr;
};

static void keep_message(void *ctx, const char *text)
{
	struct worker *w = ctx;
	size_t len = strlen(text) + 1;
	struct message *m = malloc(sizeof(*m) + len);

	/* They are counted all the same. */
	if (!m || w->nr > MAX_MESSAGES) {
		free(m);
		return;
	}
	m->piece = w->piece;
	m->next = w->messages;
	memcpy(m->text, text, len);
	w->messages = m;
	w->nr++;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct job *job = w->job;
	int err;

	while (!__atomic_load_n(&job->err, __ATOMIC_RELAXED)) {
		w->piece = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
		if (w->piece >= job->count)
			break;
		err = job->fn(&w->c, w->piece);
		if (err)
			__atomic_store_n(&job->err, err, __ATOMIC_RELAXED);
		/* Only the caller's thread writes to the terminal. */
		if (w->first && !(w->piece & 15))
			lnkfs_progress(job->c, job->pass, w->piece, job->count);
	}
	return NULL;
}

static int begin(struct worker *w, struct job *job)
{
	struct lnkfs_fsck *c = job->c;
	struct lnkfs_fs *fs = &w->v.fs;

	w->job = job;
	w->v.dev = c->v->dev;
	w->v.dev.bounce = NULL;
	w->v.sb = c->v->sb;
	*fs = c->v->fs;
	w->v.report = c->v->report;
	w->v.report_ctx = &w->c;
	w->ops.say = keep_message;
	w->c.v = &w->v;
	w->c.fs = fs;
	w->c.ops = &w->ops;
	w->c.ctx = w;
	w->c.owned = c->owned;
	w->c.backrefs = c->backrefs;
	/* Locks are taken in the groups: these are not shared. */
	fs->group = malloc((size_t)fs->groups * sizeof(*fs->group));
	if (!fs->group || lnkfs_cache_init(&w->v, CACHE_MIB))
		return -ENOMEM;
	memcpy(fs->group, c->fs->group, (size_t)fs->groups * sizeof(*fs->group));
	if (c->v->dev.bounce &&
	    posix_memalign((void **)&w->v.dev.bounce, 4096, LNKFS_BOUNCE))
		return -ENOMEM;
	return 0;
}

static void add_figures(struct lnkfs_fsck_result *to, const struct lnkfs_fsck_result *from)
{
	to->problems += from->problems;
	to->safe += from->safe;
	to->backrefs += from->backrefs;
	to->leaks += from->leaks;
	to->leaked += from->leaked;
	to->files += from->files;
	to->dirs += from->dirs;
	to->symlinks += from->symlinks;
	to->slow_symlinks += from->slow_symlinks;
	to->specials += from->specials;
	to->orphans += from->orphans;
	to->names += from->names;
	to->xattrs += from->xattrs;
	to->used_blocks += from->used_blocks;
	to->free_blocks += from->free_blocks;
	to->inode_blocks += from->inode_blocks;
}

/* What a thread found becomes what the check found. */
static int merge(struct lnkfs_fsck *c, struct worker *w)
{
	struct lnkfs_cinfo *list;
	u64 nr = c->nr_inodes + w->c.nr_inodes;
	u32 type;
	int err = 0;

	add_figures(&c->res, &w->c.res);
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		err = lnkfs_usages_add(&c->usage[type], &w->c.usage[type]);
	if (err || !w->c.nr_inodes || w->c.inodes == c->inodes)
		return err;
	if (nr > c->max_inodes) {
		list = realloc(c->inodes, nr * sizeof(*list));
		if (!list)
			return -ENOMEM;
		c->inodes = list;
		c->max_inodes = nr;
	}
	memcpy(c->inodes + c->nr_inodes, w->c.inodes, w->c.nr_inodes * sizeof(*list));
	c->nr_inodes = nr;
	return 0;
}

static void end(struct worker *w, bool shared)
{
	if (!shared)
		free(w->c.inodes);
	lnkfs_fsck_quota_free(&w->c);
	lnkfs_cache_free(&w->v);
	free(w->v.fs.group);
	free(w->v.dev.bounce);
}

/* The oldest first: a thread takes its pieces in ascending order. */
static struct message *reversed(struct message *m)
{
	struct message *list = NULL, *next;

	for (; m; m = next) {
		next = m->next;
		m->next = list;
		list = m;
	}
	return list;
}

static void say_all(struct lnkfs_fsck *c, struct worker *w, u32 threads)
{
	struct message *m;
	u32 i, first;

	for (i = 0; i < threads; i++)
		w[i].messages = reversed(w[i].messages);
	for (;;) {
		first = threads;
		for (i = 0; i < threads; i++)
			if (w[i].messages && (first == threads ||
					      w[i].messages->piece < w[first].messages->piece))
				first = i;
		if (first == threads)
			return;
		m = w[first].messages;
		w[first].messages = m->next;
		if (c->ops && c->ops->say)
			c->ops->say(c->ctx, m->text);
		free(m);
	}
}

static u32 thread_count(const struct lnkfs_fsck *c, u64 work)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	/* Reading through a log is for one thread, and little work not worth two. */
	if (c->claims || c->v->dev.overlay || work < lnkfs_threads_from || n < 2)
		return 1;
	return (u32)min_t(long, n, MAX_THREADS);
}

static int by_ino(const void *a, const void *b)
{
	const struct lnkfs_cinfo *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int run_threads(struct job *job, u32 threads, bool shared)
{
	struct worker *w = calloc(threads, sizeof(*w));
	struct lnkfs_fsck *c = job->c;
	u32 i, begun, started = 1;
	int err = w ? 0 : -ENOMEM, err2;

	for (begun = 0; begun < threads && !err; begun++) {
		err = begin(&w[begun], job);
		if (shared) {
			w[begun].c.inodes = c->inodes;
			w[begun].c.nr_inodes = c->nr_inodes;
		}
	}
	if (err) {
		threads = w ? begun : 0;
	} else {
		for (; started < threads; started++)
			if (pthread_create(&w[started].thread, NULL, run, &w[started]))
				break;
		w[0].first = true;
		run(&w[0]);
		for (i = 1; i < started; i++)
			pthread_join(w[i].thread, NULL);
		err = job->err;
	}
	if (w)
		say_all(c, w, threads);
	for (i = 0; i < threads; i++) {
		err2 = err ? err : merge(c, &w[i]);
		err = err2;
		end(&w[i], shared);
	}
	free(w);
	if (!err && !shared && c->nr_inodes)
		qsort(c->inodes, c->nr_inodes, sizeof(*c->inodes), by_ino);
	return err;
}

/**
 * lnkfs_fsck_pieces() - do all pieces of a pass
 * @c: check
 * @pass: for the progress
 * @count: pieces
 * @work: how much they are, in inodes; little is done by one thread
 * @fn: does one; it may use all of the check but what other pieces found, and
 *	changes the table of inodes only when it is the pass that fills it
 *
 * Return: 0, or the first error of @fn.
 */
int lnkfs_fsck_pieces(struct lnkfs_fsck *c, enum lnkfs_fsck_pass pass, u64 count, u64 work,
		      lnkfs_fsck_piece fn)
{
	struct job job = { .c = c, .fn = fn, .count = count, .pass = pass };
	u32 threads = thread_count(c, work);
	int err = 0;
	u64 i;

	if (threads > 1) {
		err = run_threads(&job, threads, pass != LNKFS_PASS_INODES);
	} else {
		for (i = 0; i < count && !err; i++) {
			err = fn(c, i);
			if (!(i & 15))
				lnkfs_progress(c, pass, i, count);
		}
	}
	lnkfs_progress(c, pass, count, count);
	return err;
}
