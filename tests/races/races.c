// SPDX-License-Identifier: GPL-2.0
/*
 * races [OPTION]... DEVICE MOUNTPOINT: run every pair of operations at once.
 *
 * Each mix of operations has a volume of its own: it is made, several processes
 * run the operations of the mix for a while, and one makes new objects; then the
 * volume is judged as it is in memory, as it is on the disk, after a remount, and by
 * fsck.lnkfs. Prints TAP, but for the plan: a case a mix. What happens first in a mix
 * depends on the seed and the number of the mix; the rest is chance.
 *
 *	-s SEED		seed (1)
 *	-t MS		how long a mix runs (500)
 *	-p PROCESSES	for a mix (4)
 *	-n PAIRS	so many pairs, drawn by the seed (all)
 *	-m MIXES	then so many of three to six operations (0)
 *	-g ROUNDS	then so many rounds of the groups below, each for four times as long (0)
 *	-x NUMBER	then the group of this number, from 20000 on
 *	-f NUMBER	begin with the pair or mix of this number; the pairs are not drawn
 *	-o OP[,OP...]	one mix of these, -n times
 *	-c CASE		number of the last case before; where the next program goes on
 *			is left in /run/races-cases
 *	-l		list the operations
 */
#define _GNU_SOURCE
#include <errno.h>
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "races.h"

#define MAX_MIX		8
#define MAX_PROCESSES	16
#define GRACE		240	/* seconds after which a process hangs */

/* What any walk to a name may meet. */
#define PATH		ENOENT, ENOTDIR
/* And what opening one without following links may. */
#define OPEN		PATH, ELOOP, ENXIO, EISDIR

/* What tracked links, which may lead to each other, bring upon every walk (track.c). */
#define TRACKED		((const int []) { ELOOP, ESTALE, 0 })

#define E(...)		((const int []) { __VA_ARGS__, 0 })
#define NONE		((const int []) { 0 })

const struct op ops[] = {
	{ "create", op_create, 0, E(OPEN, EEXIST), NONE },
	{ "tmpfile", op_tmpfile, 0, E(PATH, EEXIST), NONE },
	{ "link", op_link, 0, E(PATH, EEXIST, EPERM), NONE },
	{ "symlink", op_symlink_fast, 0, E(PATH, EEXIST), NONE },
	{ "slow symlink", op_symlink_slow, 0, E(PATH, EEXIST), NONE },
	{ "readlink", op_readlink, 0, E(PATH, EINVAL), NONE },
	{ "follow", op_follow, 0, E(OPEN, EAGAIN), NONE },
	{ "unlink", op_unlink, 0, E(PATH, EISDIR), NONE },
	{ "orphan", op_orphan, 0, E(OPEN, EISDIR, ESPIPE), NONE },
	{ "mkdir", op_mkdir, 0, E(PATH, EEXIST), NONE },
	{ "rmdir", op_rmdir, 0, E(PATH, ENOTEMPTY), NONE },
	{ "rename", op_rename, 0, E(PATH, EEXIST, ENOTEMPTY, EISDIR, EINVAL), NONE },
	{ "exchange", op_exchange, 0, E(PATH, EINVAL, ENOTEMPTY), NONE },
	/* EEXIST: the volume was read-only when the last try was to be removed. */
	{ "replace", op_replace, 0, E(EEXIST), NONE },
	{ "track", op_track, OP_TRACK, E(PATH, EINVAL, ELOOP), TRACKED },
	{ "newtrack", op_new_track, OP_TRACK, E(PATH, EEXIST, EISDIR, ELOOP), TRACKED },
	{ "untrack", op_untrack, OP_TRACK, E(PATH, EINVAL), TRACKED },
	{ "lead", op_follow_track, 0, E(PATH), NONE },
	{ "getlink", op_getlink, 0, E(PATH, EINVAL), NONE },
	/* ERANGE: a buffer that is too small for a path, as the test wants it. */
	{ "getnames", op_getnames, 0, E(PATH, ESTALE, ERANGE), NONE },
	{ "move", op_move, 0, E(PATH, EEXIST), E(ESTALE) },
	{ "list", op_list, 0, E(OPEN, ENOENT), NONE },
	{ "lookup", op_lookup, 0, E(PATH), NONE },
	{ "handle", op_handle, 0, E(PATH, ESTALE), NONE },
	{ "chmod", op_chmod, 0, E(PATH), NONE },
	{ "chown", op_chown, OP_QUOTA, E(PATH), NONE },
	{ "flags", op_flags, 0, E(PATH, EPERM, EOPNOTSUPP), E(EPERM, EACCES) },
	{ "setxattr", op_setxattr, 0, E(PATH, EPERM, EEXIST, ENODATA), NONE },
	{ "getxattr", op_getxattr, 0, E(PATH, EPERM, ENODATA), NONE },
	{ "acl", op_acl, 0, E(PATH, ENODATA, EACCES), NONE },
	{ "project", op_project, OP_QUOTA, E(OPEN, ENOTTY, EINVAL), E(EXDEV) },
	{ "quota", op_quota, OP_QUOTA, E(ESRCH, EEXIST, EBUSY, EINVAL), NONE },
	{ "write", op_write, 0, E(OPEN, ESPIPE), NONE },
	{ "direct write", op_direct, OP_DIRECT, E(OPEN, ESPIPE, EINVAL), NONE },
	{ "mapped write", op_mmap, OP_MMAP, E(OPEN, ENODEV), NONE },
	{ "read", op_read, 0, E(OPEN, ESPIPE, EINVAL, ENODEV, EACCES), NONE },
	{ "truncate", op_truncate, 0, E(OPEN, EINVAL), NONE },
	{ "fallocate", op_fallocate, 0, E(OPEN, ESPIPE, EINVAL), NONE },
	{ "copy", op_copy, 0, E(OPEN, EINVAL), NONE },
	{ "fsync", op_fsync, 0, E(OPEN, EINVAL), NONE },
	{ "map", op_map, 0, E(OPEN, ENOTTY, EOPNOTSUPP, ESPIPE), NONE },
	{ "trim", op_trim, 0, E(EOPNOTSUPP), NONE },
	{ "fsmap", op_fsmap, 0, NONE, NONE },
	{ "grow", op_grow, 0, E(ENOSPC, EINVAL), NONE },
	{ "freeze", op_freeze, OP_FREEZE, E(EBUSY, EINVAL), E(EBUSY) },
	{ "remount", op_remount, 0, E(EBUSY, EROFS, EINVAL), E(EROFS, EBUSY, ESRCH) },
	{ "statfs", op_statfs, 0, NONE, NONE },
	{ "sync", op_sync, 0, NONE, NONE },
	{ "drop", op_drop, 0, NONE, NONE },
	{ "shutdown", op_shutdown, OP_CRASH, E(EBUSY), E(EIO, EROFS) },
};

const unsigned int nr_ops = sizeof(ops) / sizeof(ops[0]);

struct shared *shared;

static struct {
	const char *device;
	const char *mount;
	unsigned int seed;
	unsigned int ms;
	unsigned int processes;
	unsigned int pairs;
	unsigned int mixes;
	unsigned int rounds;
	unsigned int group;
	unsigned int first;
	bool in_order;
	char *only;
} opt = { .seed = 1, .ms = 500, .processes = 4, .in_order = true };

/* Numbers of mixes that are no pairs. */
#define FIRST_MIX	10000
#define FIRST_GROUP	20000

static unsigned int cases, failed_cases;

/* A line of diagnostics; the first few are enough. */
void fail(const char *fmt, ...)
{
	char line[4096];
	va_list args;
	int len, saved = errno;

	if (__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED) > 20)
		return;
	va_start(args, fmt);
	errno = saved;
	len = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	dprintf(1, "# %.*s", len, line);
}

uint32_t below(struct worker *w, uint32_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 16) % n;
}

void nap(unsigned int us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	nanosleep(&ts, NULL);
}

/* Judge a result: an errno that nobody in this mix can have caused is a failure. */
long may(struct worker *w, const char *what, long ret)
{
	if (ret >= 0)
		return ret;
	w->refused++;
	if (errno >= MAX_ERRNO || !w->allowed[errno])
		fail("%s: %s: %m", w->op->name, what);
	return ret;
}

/* ---- one mix ---- */

struct mix {
	const struct op *op[MAX_MIX];
	unsigned int nr;
	unsigned int traits;
	unsigned int number;
};

static void allow(struct worker *w, const struct mix *m)
{
	unsigned int i;
	const int *e;

	for (e = w->op->errs; *e; e++)
		w->allowed[*e] = true;
	for (i = 0; i < m->nr; i++) {
		for (e = m->op[i]->side; *e; e++)
			w->allowed[*e] = true;
	}
	/* A direct write that could not throw a mapped page out says so to fsync. */
	if ((m->traits & OP_MMAP) && (m->traits & OP_DIRECT))
		w->allowed[EIO] = true;
}

/* Of what is removed all the time there should be more. */
static void op_feed(struct worker *w)
{
	static void (*const make[])(struct worker *w) = {
		op_create, op_write, op_mkdir, op_symlink_fast, op_symlink_slow,
	};

	make[below(w, 5)](w);
	nap(300);
}

static const struct op feed = { "feed", op_feed, 0, E(OPEN, EEXIST, ESPIPE), NONE };

/* A process of a mix: its operation, again and again. */
static void work(const struct mix *m, const struct op *op, unsigned int number)
{
	static struct worker w;
	unsigned long calls = 0;

	w.number = number;
	w.op = op;
	w.traits = m->traits;
	w.device = opt.device;
	w.mount = opt.mount;
	w.random = (opt.seed * 0x9e3779b97f4a7c15ULL) ^ (m->number * 0xc2b2ae3d27d4eb4fULL) ^
		   ((number + 1) * 0x165667b19e3779f9ULL);
	allow(&w, m);
	data_init();
	umask(0);
	w.root = open(opt.mount, O_RDONLY | O_DIRECTORY);
	if (w.root < 0 || fchdir(w.root)) {
		/* The volume may be shut down already. */
		may(&w, "the root", -1);
		_exit(0);
	}
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		w.op->run(&w);
		calls++;
	}
	if (op != &feed) {
		__atomic_fetch_add(&shared->calls[number % m->nr], calls, __ATOMIC_RELAXED);
		__atomic_fetch_add(&shared->refused[number % m->nr], w.refused, __ATOMIC_RELAXED);
	}
	_exit(0);
}

/* Run a program; its output is diagnostics unless it succeeds. */
static bool run(const char *const argv[])
{
	const char *log = "/tmp/races-program";
	int status = -1, fd;
	char line[500];
	pid_t pid;
	FILE *f;

	pid = fork();
	if (!pid) {
		fd = open(log, O_RDWR | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!status)
		return true;
	fail("%s failed (status %#x)", argv[0], status);
	f = fopen(log, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("# | %s", line);
	if (f)
		fclose(f);
	return false;
}

static bool do_mount(void)
{
	if (!mount(opt.device, opt.mount, "lnkfs", MS_NOATIME, ""))
		return true;
	fail("mount: %m");
	return false;
}

/* A process that has just ended may take a moment to let go. */
static bool do_umount(void)
{
	int tries;

	for (tries = 0; umount(opt.mount); tries++) {
		if (errno != EBUSY || tries == 200) {
			fail("umount: %m");
			return false;
		}
		nap(20000);
	}
	return true;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %m", path);
	close(fd);
}

static void put_link(const char *path, unsigned int nr, bool slow)
{
	char target[TARGET_MAX];

	make_target(target, nr, slow);
	if (symlink(target, path))
		fail("%s: %m", path);
}

/* The names of a directory that are always there. */
static void populate_stable(const char *dir)
{
	static const char *const always[] = { "x0", "x1", "z" };
	char path[256], text[100];
	unsigned int nr;

	for (nr = 0; nr < STABLE; nr++) {
		stable_name(path, dir, nr);
		stable_text(text, nr);
		put(path, text);
	}
	for (nr = 0; nr < 3; nr++) {
		sprintf(path, "%s/%s", dir, always[nr]);
		put_link(path, nr, nr == 2);
	}
}

/* Those names, and one of each of the others: a file, a link, a directory. */
static void populate(void)
{
	char dir[128], path[256];
	int i;

	umask(0);
	for (i = 0; i < DIRS; i++) {
		sprintf(dir, "%s/%c", opt.mount, 'a' + i);
		mkdir(dir, 0755);
		populate_stable(dir);
		sprintf(path, "%s/n0", dir);
		put(path, "");
		sprintf(path, "%s/n1", dir);
		put_link(path, 7, i);
		sprintf(path, "%s/n2", dir);
		mkdir(path, 0755);
		strcat(path, "/n0");
		put(path, "");
	}
	sprintf(dir, "%s/a", opt.mount);
	populate_tracked(dir);
	note_texts(opt.mount);
	sync();
}

/* Each mix has another volume: large and small blocks, with quota or without. */
static bool make_volume(const struct mix *m)
{
	bool small = (m->number ^ opt.seed) & 1;
	/* The smallest journal there is: it is checkpointed all the time. */
	const char *argv[] = { "mkfs.lnkfs", "-q", "-f", "-K", "-b", small ? "1024" : "4096",
			       "-J", small ? "size=1280K" : "size=5M", opt.device, "40M",
			       NULL, NULL, NULL };

	if ((m->traits & OP_QUOTA) || (m->number + opt.seed) % 5 == 0) {
		argv[10] = "-O";
		argv[11] = "quota";
	}
	return run(argv) && do_mount();
}

/* All have to come to an end; who does not, hangs. */
static bool reap(unsigned int processes)
{
	time_t end = time(NULL) + GRACE;
	unsigned int left = processes;
	int status, fd;
	pid_t pid;

	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			left--;
			if (status)
				fail("a process ended with status %#x", status);
			continue;
		}
		if (time(NULL) > end) {
			fail("%u processes hang", left);
			fd = open("/proc/sysrq-trigger", O_WRONLY);
			if (fd >= 0 && write(fd, "w", 1) < 0)
				fail("sysrq: %m");
			return false;
		}
		nap(10000);
	}
	return true;
}

static bool run_workers(const struct mix *m)
{
	unsigned int i, processes = opt.processes;
	int thaw;
	bool ok;

	if (processes < m->nr)
		processes = m->nr;
	for (i = 0; i <= processes; i++) {
		if (!fork())
			work(m, i < processes ? m->op[i % m->nr] : &feed, i);
	}
	nap(opt.ms * 1000);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	ok = reap(processes + 1);
	if (ok && (m->traits & OP_FREEZE)) {
		thaw = open(opt.mount, O_RDONLY);
		if (thaw < 0 ? !shared->shut : !ioctl(thaw, FITHAW, 0) || errno != EINVAL)
			fail("the volume was left frozen");
		close(thaw);
	}
	return ok;
}

/* What is in memory, on the disk, and there after a remount, is the same. */
static void judge(const struct mix *m)
{
	struct snapshot *cached, *read, *again;

	if (shared->shut && (!do_umount() || !do_mount()))
		return;
	mount(NULL, opt.mount, NULL, MS_REMOUNT | MS_NOATIME, "");
	sync();
	cached = snapshot_take(opt.mount, m->traits);
	drop_caches();
	read = snapshot_take(opt.mount, m->traits);
	snapshot_compare(cached, read, "caches dropped");
	if (do_umount() && do_mount()) {
		again = snapshot_take(opt.mount, m->traits);
		snapshot_compare(cached, again, "mounted again");
		snapshot_free(again);
		do_umount();
	}
	snapshot_free(cached);
	snapshot_free(read);
	run((const char *const []) { "fsck.lnkfs", "-n", "-f", opt.device, NULL });
}

static void print_case(const struct mix *m, bool ok)
{
	unsigned int i;

	printf("%s %u -", ok ? "ok" : "not ok", ++cases);
	for (i = 0; i < m->nr; i++)
		printf("%s %s (%lu, %lu refusals)", i ? "," : "", m->op[i]->name, shared->calls[i],
		       shared->refused[i]);
	printf("\n");
	if (shared->stale)
		printf("# ESTALE when a link was followed: %lu\n", shared->stale);
	if (!ok) {
		failed_cases++;
		printf("# repeat with -s %u -f %u %s\n", opt.seed, m->number,
		       m->number < FIRST_MIX ? "-n 1" :
		       m->number < FIRST_GROUP ? "-m 1" : "-g 1");
	}
	fflush(stdout);
}

static void run_mix(struct mix *m)
{
	unsigned int i;

	memset(shared, 0, sizeof(*shared));
	m->traits = 0;
	for (i = 0; i < m->nr; i++)
		m->traits |= m->op[i]->traits;
	if (make_volume(m)) {
		populate();
		if (!run_workers(m)) {
			print_case(m, false);
			printf("Bail out! a hang\n");
			exit(1);
		}
		judge(m);
	}
	print_case(m, !shared->failures);
}

/* ---- which mixes ---- */

/* Operations that have something in common. */
static const char *const groups[] = {
	/* numbers of inodes are used again */
	"handle,create,unlink,orphan,mkdir,rmdir,tmpfile,drop",
	/* inodes leave memory while their links are followed */
	"follow,lookup,symlink,slow symlink,unlink,rename,getxattr,drop",
	/* commits and checkpoints of a small journal */
	"sync,fsync,write,create,unlink,setxattr,slow symlink,direct write",
	"freeze,write,mapped write,create,rename,unlink,orphan,sync",
	"remount,write,create,chown,follow,fsync,statfs,drop",
	"grow,trim,fsmap,statfs,write,fallocate,truncate,orphan",
	"quota,chown,project,write,mapped write,truncate,tmpfile,unlink",
	"flags,unlink,rename,link,chmod,write,acl,symlink",
	"write,direct write,mapped write,truncate,fallocate,copy,map,read",
	"list,create,rename,exchange,replace,unlink,link,lookup",
	/* links are followed while they, and what they lead to, are moved */
	"lead,lead,move,move,rename,drop,mkdir,rmdir",
	"track,newtrack,newtrack,untrack,getlink,getnames,rename,exchange",
	"newtrack,newtrack,lead,readlink,getnames,link,rename,orphan",
	"shutdown,rename,exchange,write,orphan,truncate,sync,unlink",
};

/* The operations that a list names, separated by commas. */
static void parse_mix(const char *list, struct mix *m)
{
	char *copy = strdup(list), *name;
	unsigned int i;

	m->nr = 0;
	for (name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
		for (i = 0; i < nr_ops && strcmp(name, ops[i].name); i++)
			;
		if (i == nr_ops || m->nr == MAX_MIX)
			errx(2, "no operation '%s', or too many", name);
		m->op[m->nr++] = &ops[i];
	}
	free(copy);
}

static void run_only(void)
{
	struct mix m = {};
	unsigned int i;

	parse_mix(opt.only, &m);
	for (i = 0; i < (opt.pairs ? opt.pairs : 1); i++) {
		m.number = opt.first + i;
		run_mix(&m);
	}
}

static void run_group(unsigned int i)
{
	struct mix m;

	parse_mix(groups[i % (sizeof(groups) / sizeof(groups[0]))], &m);
	m.number = FIRST_GROUP + i;
	run_mix(&m);
}

static void run_groups(void)
{
	const unsigned int nr = sizeof(groups) / sizeof(groups[0]);
	unsigned int i = opt.first > FIRST_GROUP ? opt.first - FIRST_GROUP : 0;

	opt.ms *= 4;
	opt.processes = MAX_MIX;
	if (opt.group)
		run_group(opt.group - FIRST_GROUP);
	for (; i < nr * opt.rounds; i++)
		run_group(i);
}

/* Pair @nr of all: each with each, itself included. */
static void pair_of(unsigned int nr, struct mix *m)
{
	unsigned int a = 0;

	m->number = nr;
	while (nr >= nr_ops - a)
		nr -= nr_ops - a++;
	m->op[0] = &ops[a];
	m->op[1] = &ops[a + nr];
	m->nr = 2;
}

static void run_pairs(void)
{
	unsigned int all = nr_ops * (nr_ops + 1) / 2, i, end = all;
	struct worker w = { .random = opt.seed * 0x9e3779b97f4a7c15ULL | 1 };
	struct mix m;

	if (opt.pairs)
		end = opt.first + opt.pairs;
	if (opt.in_order && end > all)
		end = all;
	for (i = opt.first; i < end; i++) {
		pair_of(opt.in_order ? i : below(&w, all), &m);
		run_mix(&m);
	}
}

static void run_mixes(void)
{
	unsigned int first = opt.first > FIRST_MIX && opt.first < FIRST_GROUP ?
			     opt.first - FIRST_MIX : 0, i, k;
	struct mix m;

	for (i = first; i < first + opt.mixes; i++) {
		struct worker w = { .random = (opt.seed + i) * 0xc2b2ae3d27d4eb4fULL | 1 };

		m.number = FIRST_MIX + i;
		m.nr = 3 + below(&w, 4);
		for (k = 0; k < m.nr; k++)
			m.op[k] = &ops[below(&w, nr_ops)];
		run_mix(&m);
	}
}

static void options(int argc, char **argv)
{
	unsigned int i;
	int c;

	while ((c = getopt(argc, argv, "s:t:p:n:m:g:x:f:o:c:l")) != -1) {
		switch (c) {
		case 's':
			opt.seed = atoi(optarg);
			break;
		case 't':
			opt.ms = atoi(optarg);
			break;
		case 'p':
			opt.processes = atoi(optarg);
			break;
		case 'n':
			opt.pairs = atoi(optarg);
			opt.in_order = false;
			break;
		case 'm':
			opt.mixes = atoi(optarg);
			break;
		case 'c':
			cases = atoi(optarg);
			break;
		case 'g':
			opt.rounds = atoi(optarg);
			break;
		case 'x':
			opt.group = atoi(optarg);
			break;
		case 'f':
			opt.first = atoi(optarg);
			break;
		case 'o':
			opt.only = optarg;
			break;
		case 'l':
			for (i = 0; i < nr_ops; i++)
				puts(ops[i].name);
			exit(0);
		default:
			errx(2, "see races.c");
		}
	}
	if (optind + 2 != argc || (opt.group && opt.group < FIRST_GROUP) ||
	    opt.processes < 1 || opt.processes > MAX_PROCESSES)
		errx(2, "usage: races [OPTION]... DEVICE MOUNTPOINT");
	opt.device = argv[optind];
	opt.mount = argv[optind + 1];
	opt.in_order |= opt.first != 0;
}

int main(int argc, char **argv)
{
	FILE *f;

	options(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		err(2, "mmap");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %u, %u ms, %u processes\n", opt.seed, opt.ms, opt.processes);
	if (opt.only) {
		run_only();
	} else {
		if (opt.first < FIRST_MIX)
			run_pairs();
		run_mixes();
		run_groups();
	}
	f = fopen("/run/races-cases", "w");
	if (!f || fprintf(f, "%u\n", cases) < 0 || fclose(f))
		err(2, "/run/races-cases");
	return failed_cases != 0;
}
