// SPDX-License-Identifier: GPL-2.0
/*
 * The crash states of a log, one after the other: each is made, recovered by fsck.lnkfs
 * and looked at by an oracle.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fsck.h"
#include "oracle.h"
#include "states.h"
#include "tree.h"

static const char usage_text[] =
	"usage: replay [OPTIONS] BASE LOG LEDGER\n"
	"  BASE is the volume before the first entry of LOG.\n"
	"  -o ORACLE	who says what must be there: model (the default), ace,\n"
	"		ace-sync, same\n"
	"  -s SEED	which parts of writes are tried (1)\n"
	"  -p PARTS	parts of the writes before each flush (8)\n"
	"  -n COUNT	check only so many of the states\n"
	"  -S NUMBER	check only this state\n"
	"  -k IMAGE	keep it, as the crash left it; with -S\n"
	"  -m DIR	write the states one after the other to DIR/states, and what is in\n"
	"		them once the journal is replayed to DIR/0.tree and so on\n"
	"  -j JOBS	processes (1)\n"
	"  -x WHAT	a disk that is broken: fua, flush (loses such writes), order\n"
	"		(a commit is there before what it commits)\n";

static const struct oracle *const oracles[] = {
	&model_oracle, &ace_oracle, &ace_sync_oracle, &same_oracle
};

/**
 * struct totals - figures that the processes share
 * @made: states that were made and checked
 * @looks: times that the oracle was asked
 * @failed: states that were not what they should be
 */
struct totals {
	u64 made;
	u64 looks;
	u64 failed;
};

/**
 * struct run - all about this run
 * @oracle: who says what must be there
 * @priv: its own
 * @base: the volume before the log
 * @log: the log
 * @all: states there are
 * @count: how many of them are to be checked
 * @only: number of the only one; ~0: not only one
 * @keep: file that gets its image
 * @dir: see -m
 * @jobs: processes
 * @job: number of this one
 * @chosen: states that were to be checked so far
 * @disk: all that is durable
 * @image: the state
 * @out: what a check said
 * @totals: figures
 * @s: the walk
 */
struct run {
	const struct oracle *oracle;
	void *priv;
	struct img base;
	struct wlog log;
	u32 all;
	u32 count;
	u32 only;
	const char *keep;
	const char *dir;
	u32 jobs;
	u32 job;
	u32 chosen;
	struct img disk;
	struct img image;
	struct output out;
	struct totals *totals;
	struct states s;
};

/* ---- one state, in a child process ---- */

/**
 * struct look - a state to be looked at
 * @run: the run
 * @number: of the state
 * @index: of the state, counting those that are to be checked
 * @mark: last mark before it
 * @behind: first entry behind its point
 */
struct look {
	struct run *run;
	u32 number;
	u32 index;
	u32 mark;
	u32 behind;
};

int fsck_main(int argc, char **argv);

static int recover(struct run *r)
{
	char *argv[] = { (char *)"fsck.lnkfs", (char *)"-fy", r->image.path, NULL };
	int status;

	optind = 0;
	status = fsck_main(3, argv);
	if (status)
		printf("fsck.lnkfs: exit status %d\n", status);
	return status;
}

static void ask_oracle(struct look *l, struct crash_state *st)
{
	struct run *r = l->run;
	u32 end = states_next_write(&r->log, l->behind), i;

	for (i = l->behind; i <= end; i++) {
		if (!r->oracle->wants || r->oracle->wants(r->priv, st->mark)) {
			__atomic_fetch_add(&r->totals->looks, 1, __ATOMIC_RELAXED);
			r->oracle->check(r->priv, st);
		}
		while (i < end && !r->log.e[i].mark)
			i++;
		if (i < end)
			st->mark = r->log.e[i].mark;
	}
}

static void write_tree(struct run *r, u32 index, struct crash_state *st)
{
	char *path;
	FILE *f;

	if (asprintf(&path, "%s/%u.tree", r->dir, index) < 0)
		die("no memory");
	f = fopen(path, "w");
	if (!f)
		die("%s: %s", path, strerror(errno));
	tree_print(st, f);
	fclose(f);
	free(path);
}

static int look(void *arg, FILE *out)
{
	struct look *l = arg;
	struct run *r = l->run;
	struct lnkfs_image img;
	struct crash_state st = { .mark = l->mark, .img = &img };
	char name[16];
	const char *why;
	int err;

	(void)out;
	if (recover(r))
		return 1;
	snprintf(name, sizeof(name), "%u", l->number);
	st.name = name;
	err = lnkfs_image_open(&img, r->image.path, &why);
	if (err) {
		printf("it cannot be opened: %s\n", why ? why : strerror(-err));
		return 1;
	}
	ask_oracle(l, &st);
	if (r->dir)
		write_tree(r, l->index, &st);
	lnkfs_image_close(&img);
	return st.failures ? 1 : 0;
}

/* ---- the states ---- */

static void save_state(struct run *r, u32 index)
{
	char *path;
	int fd;

	if (r->keep)
		img_save(&r->image, r->keep);
	if (!r->dir)
		return;
	if (asprintf(&path, "%s/states", r->dir) < 0)
		die("no memory");
	fd = open(path, O_WRONLY | O_CREAT, 0666);
	if (fd < 0 || pwrite(fd, r->image.mem, r->image.bytes,
			     (off_t)(index * r->image.bytes)) != (ssize_t)r->image.bytes)
		die("%s: %s", path, strerror(errno));
	close(fd);
	free(path);
}

static bool chosen(struct run *r, u32 number)
{
	if (r->only != ~0u)
		return number == r->only;
	return (u64)number * r->count / r->all != (u64)(number + 1) * r->count / r->all;
}

static void report(struct run *r, const struct look *l, int status)
{
	char *text = output_text(&r->out), *line, *save = NULL;

	__atomic_fetch_add(&r->totals->failed, 1, __ATOMIC_RELAXED);
	printf("# state %u, seed %" PRIu64 ", -p %u: entry %u of the log, mark %u%s\n", l->number,
	       r->s.seed, r->s.variants, r->s.at, l->mark,
	       status == STATUS_CRASH ? ": crashed" : status == STATUS_HANG ? ": hangs" : "");
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		printf("#   %s\n", line);
	fflush(stdout);
	free(text);
}

/* Does the oracle care for one of the marks of the state? */
static bool wanted(struct run *r, const struct look *l)
{
	u32 end = states_next_write(&r->log, l->behind), i;

	if (!r->oracle->wants || r->oracle->wants(r->priv, l->mark))
		return true;
	for (i = l->behind; i < end; i++)
		if (r->log.e[i].mark && r->oracle->wants(r->priv, r->log.e[i].mark))
			return true;
	return false;
}

static void check(struct states *s, u32 first, u32 end, const u8 *part)
{
	struct run *r = s->ctx;
	struct look l = { .run = r, .number = s->number, .mark = s->mark, .behind = end };
	int status;

	/* With a part of what was in the cache, no mark comes after the crash. */
	if (part)
		l.behind = first;
	if (!chosen(r, s->number))
		return;
	l.index = r->chosen++;
	if (l.index % r->jobs != r->job || !wanted(r, &l))
		return;
	memcpy(r->image.mem, r->disk.mem, r->image.bytes);
	/* Kernels differ in whether a commit block counts whose head alone is new. */
	if (part && !(r->dir && r->log.e[first].fua))
		states_part(&r->log, first, end, part, r->image.mem);
	save_state(r, l.index);
	status = child_run(look, &l, &r->out);
	__atomic_fetch_add(&r->totals->made, 1, __ATOMIC_RELAXED);
	if (status)
		report(r, &l, status);
}

static void count(struct states *s, u32 first, u32 end, const u8 *part)
{
	(void)s;
	(void)first;
	(void)end;
	(void)part;
}

static void one_job(struct run *r)
{
	img_new(&r->disk, "disk", r->base.bytes);
	img_new(&r->image, "image", r->base.bytes);
	memcpy(r->disk.mem, r->base.mem, r->base.bytes);
	output_new(&r->out);
	r->s.disk = r->disk.mem;
	r->s.visit = check;
	states_walk(&r->s);
}

static void all_jobs(struct run *r)
{
	u32 i;
	int status;

	fflush(stdout);
	for (i = 0; i < r->jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (pid)
			continue;
		r->job = i;
		one_job(r);
		fflush(stdout);
		_exit(0);
	}
	for (i = 0; i < r->jobs; i++)
		if (wait(&status) < 0 || status)
			die("a process has failed");
}

/* ---- the command line ---- */

static const struct oracle *oracle_find(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(oracles); i++)
		if (!strcmp(oracles[i]->name, name))
			return oracles[i];
	die("no oracle is called %s", name);
}

static enum doctor doctor_find(const char *what)
{
	if (!strcmp(what, "fua"))
		return DOCTOR_FUA;
	if (!strcmp(what, "flush"))
		return DOCTOR_FLUSH;
	if (!strcmp(what, "order"))
		return DOCTOR_ORDER;
	die("no disk is broken like that: %s", what);
}

static u32 number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > U32_MAX)
		die("not a number: %s", text);
	return (u32)n;
}

static void option(struct run *r, int o)
{
	switch (o) {
	case 'o':
		r->oracle = oracle_find(optarg);
		break;
	case 's':
		r->s.seed = number(optarg);
		break;
	case 'p':
		r->s.variants = number(optarg);
		break;
	case 'n':
		r->count = number(optarg);
		break;
	case 'S':
		r->only = number(optarg);
		break;
	case 'k':
		r->keep = optarg;
		break;
	case 'm':
		r->dir = optarg;
		break;
	case 'j':
		r->jobs = max(number(optarg), 1u);
		break;
	case 'x':
		r->s.doctor = doctor_find(optarg);
		break;
	default:
		fputs(usage_text, stderr);
		exit(2);
	}
}

static void prepare(struct run *r, char **argv)
{
	u32 i;

	img_open(&r->base, argv[0], false);
	wlog_read(&r->log, argv[1]);
	for (i = 0; i < r->log.nr; i++)
		if ((r->log.e[i].sector + r->log.e[i].sectors) * SECTOR > r->base.bytes)
			die("%s is not the log of %s", argv[1], argv[0]);
	r->priv = r->oracle->load(argv[2]);
	r->totals = mmap(NULL, sizeof(*r->totals), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->totals == MAP_FAILED)
		die("no memory");
	r->s.log = &r->log;
	r->s.ctx = r;
	r->s.visit = count;
	states_walk(&r->s);
	r->all = r->s.number;
	if (!r->count || r->count > r->all)
		r->count = r->all;
	if (r->only != ~0u && r->only >= r->all)
		die("there are %u states", r->all);
}

int main(int argc, char **argv)
{
	static struct run run = {
		.oracle = &model_oracle,
		.only = ~0u,
		.jobs = 1,
		.s = { .seed = 1, .variants = 8 },
	};
	struct totals *t;
	int o;

	while ((o = getopt(argc, argv, "o:s:p:n:S:k:m:j:x:")) != -1)
		option(&run, o);
	if (argc - optind != 3 || (run.keep && run.only == ~0u)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (run.only != ~0u || run.dir)
		run.jobs = 1;
	prepare(&run, argv + optind);
	all_jobs(&run);
	t = run.totals;
	printf("%" PRIu64 " of %u states, %" PRIu64 " looks, %" PRIu64 " failed, seed %" PRIu64
	       "\n", t->made, run.all, t->looks, t->failed, run.s.seed);
	return t->failed ? 1 : 0;
}
