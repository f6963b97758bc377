// SPDX-License-Identifier: GPL-2.0
/*
 * ioload run [-k] DIR LEDGER PROCESSES SEED
 *	processes create, write, map, cut, punch, link, symlink, rename, remove and
 *	sync below DIR until SIGTERM, whatever fails. LEDGER, a file elsewhere, holds
 *	what they did and what was acknowledged as synced. With -k no block is ever
 *	freed, and the files have all theirs from the start.
 * ioload check DIR LEDGER
 *	is what was synced there, and is nothing there that never was? For any moment
 *	after the last sync.
 * ioload live DIR LEDGER
 *	the same, and the names are what the last successful call has left.
 *
 * Names: those of a process are what they were after some prefix of its calls,
 * which holds all that were synced. Data: each sector of 512 bytes says whose it
 * is; it is what was synced or something written later, or zeroes where a hole
 * was possible. Every error but EIO and EROFS (and ENOSPC) is wrong; ENOMEM is, unless
 * $IOLOAD_ENOMEM is set, and so is ENODEV, unless $IOLOAD_GONE is: the block layer says
 * that to whoever has a device flushed that has been removed, and fsync passes it on.
 *
 * Exit status: 0; 1 when something is wrong; 2 when the test itself fails.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR		512
#define PAGE		4096
#define SECTORS		256		/* of a file at most */
#define NAMES		24
#define OBJECTS		40
#define LOG		32
#define MAX_PROCESSES	8
#define MAGIC		0x3162626f52455249ull

enum kind { NONE, REG, LINK, DIRECTORY };

/*
 * @min: what was synced (or zeroes); @last: the latest; @pend: not synced yet; @torn: of a
 * store through a mapping that a fault cut short; @again: one before it was, too.
 */
struct sector {
	uint32_t min, last, pend, torn;
	bool min_zero, zero_after, pend_zero, again;
};

/* @created: its place in the log, -1: before that. Sizes are in sectors. */
struct object {
	uint32_t kind, id;
	int created;
	uint32_t version, size;
	bool size_known;
	struct sector s[SECTORS];
};

/* A call that changed names: up to two of them; objects are numbered from 1. */
struct entry {
	int name[2], object[2];
};

struct worker {
	uint64_t ops, errors, syncs, failed_syncs;
	uint32_t ids;
	int base[NAMES], now[NAMES];
	struct entry log[LOG];
	int logged, durable;
	struct object object[OBJECTS];
};

struct ledger {
	uint64_t seed;
	uint32_t processes;
	struct worker worker[MAX_PROCESSES];
};

struct header {
	uint64_t magic, seed;
	uint32_t worker, id, sector, version;
};

static struct ledger *ledger;
static struct worker *w;
static int me, dirfd, fds[OBJECTS];
static bool keep;
static unsigned char *buf;
static uint64_t state;
static volatile sig_atomic_t stop;
static sigjmp_buf bus;
static int bad;

static size_t below(size_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *fmt, ...)
{
	va_list args;

	if (bad++ > 20)
		return;
	va_start(args, fmt);
	printf("process %d: ", me);
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static const char *name_of(int n)
{
	static char names[4][16];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(names[turn], sizeof(names[turn]), "name-%02d", n);
	return names[turn];
}

static const char *target_of(uint32_t id)
{
	static const int lengths[] = { 1, 40, 1800, 1900, 4000 };
	static char target[4096];
	int len = lengths[id % 5];

	memset(target, 'a' + id % 26, len);
	target[len] = 0;
	return target;
}

/* A call failed: is the error one that a broken device may bring? */
static bool failed(const char *what)
{
	w->errors++;
	if (errno != EIO && errno != EROFS && errno != ENOSPC &&
	    !(errno == ENOMEM && getenv("IOLOAD_ENOMEM")) &&
	    !(errno == ENODEV && getenv("IOLOAD_GONE"))) {
		printf("process %d: %s: %s\n", me, what, strerror(errno));
		fflush(stdout);
		_exit(1);
	}
	return false;
}

/* ---- sectors */

static void content(const struct object *o, uint32_t at, uint32_t version, unsigned char *p)
{
	struct header h = { MAGIC, ledger->seed, me, o->id, at, version };
	size_t n;

	memset(p, 'a' + version % 26, SECTOR);
	memcpy(p, &h, sizeof(h));
	for (n = sizeof(h); n < SECTOR; n += 16)
		p[n] = o->id;
}

static void fill(const struct object *o, uint32_t from, uint32_t count, uint32_t version)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		content(o, from + i, version, buf + i * SECTOR);
}

static bool all_zero(const unsigned char *p)
{
	return !p[0] && !memcmp(p, p + 1, SECTOR - 1);
}

static bool is_mix(const unsigned char *p, const unsigned char *a, const unsigned char *b)
{
	size_t n;

	for (n = 0; n < SECTOR && (p[n] == a[n] || p[n] == b[n]); n++)
		;
	return n == SECTOR;
}

/* Is each byte that of some version, or a zero? Several stores were cut short. */
static bool is_mix_of_all(const struct object *o, uint32_t at, const unsigned char *p)
{
	const struct sector *s = &o->s[at];
	unsigned char c[SECTOR];
	bool fits[SECTOR];
	uint32_t v;
	size_t n;

	for (n = 0; n < SECTOR; n++)
		fits[n] = !p[n] && (s->min_zero || s->zero_after);
	for (v = s->min; v <= s->torn; v++) {
		content(o, at, v, c);
		for (n = 0; n < SECTOR; n++)
			fits[n] |= p[n] == c[n];
	}
	return !memchr(fits, false, sizeof(fits));
}

/* Is it what a store that was cut short has left, on top of something older? */
static bool is_torn(const struct object *o, uint32_t at, const unsigned char *p)
{
	const struct sector *s = &o->s[at];
	unsigned char new[SECTOR], old[SECTOR] = { 0 };
	uint32_t v;

	if (!s->torn || s->torn < s->min)
		return false;
	content(o, at, s->torn, new);
	if ((s->min_zero || s->zero_after) && is_mix(p, new, old))
		return true;
	for (v = s->min; v < s->torn; v++) {
		content(o, at, v, old);
		if (is_mix(p, new, old))
			return true;
	}
	return s->again && is_mix_of_all(o, at, p);
}

/* What is wrong with a sector that was read? */
static const char *judge(const struct object *o, uint32_t at, const unsigned char *p)
{
	const struct sector *s = &o->s[at];
	const struct header *h = (const void *)p;
	unsigned char want[SECTOR];

	if (all_zero(p))
		return s->min_zero || s->zero_after ? NULL : "zeroes in place of synced data";
	if (is_torn(o, at, p))
		return NULL;
	if (h->magic != MAGIC)
		return "not written by this test";
	if (h->seed != ledger->seed || h->worker != (uint32_t)me || h->id != o->id)
		return "another file's data";
	if (h->sector != at)
		return "another sector's data";
	content(o, at, h->version, want);
	if (memcmp(want, p, SECTOR))
		return "garbage";
	if (h->version > s->last)
		return "data of the future";
	if (h->version < s->min || (s->min_zero && h->version == s->min))
		return "older than what was synced";
	return NULL;
}

/* Read a file into @buf: a read may end early before what cannot be read. */
static ssize_t read_all(int fd)
{
	ssize_t got, n;

	for (got = 0; got < SECTORS * SECTOR; got += n) {
		n = pread(fd, buf + got, SECTORS * SECTOR - got, got);
		if (n <= 0)
			return n ? n : got;
	}
	return got;
}

static void judge_all(const struct object *o, const char *name, size_t got)
{
	const char *why;
	uint32_t i;

	if (got % SECTOR)
		wrong("%s: size is no multiple of a sector", name);
	memset(buf + got, 0, SECTORS * SECTOR - got);
	for (i = 0; i < SECTORS; i++) {
		why = judge(o, i, buf + i * SECTOR);
		if (why)
			wrong("%s (id %u) sector %u: %s (synced %u%s, latest %u, is %u)", name,
			      o->id, i, why, o->s[i].min, o->s[i].min_zero ? " (zeroes)" : "",
			      o->s[i].last,
			      ((struct header *)(buf + i * SECTOR))->version);
	}
}

/* Something is written; what of it has happened when it failed nobody knows. */
static void note_write(struct object *o, uint32_t from, uint32_t count, bool done)
{
	uint32_t i;

	for (i = from; i < from + count; i++) {
		o->s[i].last = o->version;
		if (done) {
			o->s[i].pend = o->version;
			o->s[i].pend_zero = false;
		}
	}
	if (from + count > o->size) {
		o->size_known = false;
		if (done)
			o->size = from + count;
	}
}

static void note_zero(struct object *o, uint32_t from, uint32_t count, bool done)
{
	uint32_t i;

	for (i = from; i < from + count; i++) {
		o->s[i].zero_after = true;
		if (done) {
			o->s[i].pend = o->version;
			o->s[i].pend_zero = true;
		}
	}
}

/* An fsync has come back: what was written before it is there, or may be lost. */
static void note_sync(struct object *o, bool done)
{
	uint32_t i;

	for (i = 0; i < SECTORS; i++) {
		struct sector *s = &o->s[i];

		if (done && s->pend) {
			s->min = s->pend;
			s->min_zero = s->pend_zero;
			s->zero_after = false;
		}
		s->pend = 0;
	}
	o->size_known = done;
	if (done && o->created + 1 > w->durable)
		w->durable = o->created + 1;
}

/* ---- names */

static void apply(int *names, const struct entry *e)
{
	int i;

	for (i = 0; i < 2; i++)
		if (e->name[i] >= 0)
			names[e->name[i]] = e->object[i];
}

static void note_names(int a, int object_a, int b, int object_b)
{
	struct entry e = { { a, b }, { object_a, object_b } };

	w->log[w->logged++] = e;
	apply(w->now, &e);
}

static void names_synced(void)
{
	int i;

	memcpy(w->base, w->now, sizeof(w->base));
	w->logged = 0;
	w->durable = 0;
	for (i = 0; i < OBJECTS; i++)
		w->object[i].created = -1;
}

static bool in_use(int object)
{
	int i;

	for (i = 0; i < NAMES; i++)
		if (w->base[i] == object || w->now[i] == object)
			return true;
	for (i = 0; i < w->logged; i++)
		if (w->log[i].object[0] == object || w->log[i].object[1] == object)
			return true;
	return false;
}

/* A new object, numbered from 1; 0: names have to be synced first. */
static int new_object(enum kind kind)
{
	struct object *o;
	int i;

	for (i = 1; i <= OBJECTS; i++)
		if (!in_use(i))
			break;
	if (i > OBJECTS)
		return 0;
	if (fds[i - 1] >= 0)
		close(fds[i - 1]);
	fds[i - 1] = -1;
	o = &w->object[i - 1];
	memset(o, 0, sizeof(*o));
	o->kind = kind;
	o->id = ++w->ids;
	o->created = w->logged;
	while (kind == REG && o->size < SECTORS)
		o->s[o->size++].min_zero = true;
	o->size = 0;
	return i;
}

static void sync_names(void)
{
	w->syncs++;
	if (fsync(dirfd)) {
		w->failed_syncs++;
		failed("fsync of the directory");
		return;
	}
	names_synced();
}

static void create(int n)
{
	static const enum kind kinds[] = { REG, REG, REG, LINK, LINK, DIRECTORY };
	enum kind kind = kinds[below(6)];
	int i = new_object(kind), ret = -1, fd;

	if (!i) {
		sync_names();
		return;
	}
	switch (kind) {
	case REG:
		fd = openat(dirfd, name_of(n), O_RDWR | O_CREAT | O_EXCL, 0644);
		fds[i - 1] = fd;
		ret = fd < 0 ? -1 : 0;
		break;
	case LINK:
		ret = symlinkat(target_of(w->object[i - 1].id), dirfd, name_of(n));
		break;
	default:
		ret = mkdirat(dirfd, name_of(n), 0755);
	}
	if (ret)
		failed("create");
	else
		note_names(n, i, -1, 0);
}

static void hard_link(int from, int to)
{
	struct stat st;

	if (w->object[w->now[from] - 1].kind == DIRECTORY || w->now[to])
		return;
	if (!linkat(dirfd, name_of(from), dirfd, name_of(to), 0)) {
		note_names(to, w->now[from], -1, 0);
		return;
	}
	/*
	 * A removal that was cut short by the end of the journal has taken the last link,
	 * in memory only, and the kernel makes no other of a file without links.
	 */
	if (errno == ENOENT && w->errors &&
	    !fstatat(dirfd, name_of(from), &st, AT_SYMLINK_NOFOLLOW) && !st.st_nlink)
		errno = EIO;
	failed("link");
}

static void move(int from, int to)
{
	int a = w->now[from], b = w->now[to];
	unsigned int flags = 0;

	if (a == b)
		return;
	if (b && (keep || w->object[a - 1].kind == DIRECTORY ||
		  w->object[b - 1].kind == DIRECTORY || below(3) == 0))
		flags = RENAME_EXCHANGE;
	if (renameat2(dirfd, name_of(from), dirfd, name_of(to), flags))
		failed("rename");
	else
		note_names(from, flags ? b : 0, to, a);
}

static void take_away(int n)
{
	int flags = w->object[w->now[n] - 1].kind == DIRECTORY ? AT_REMOVEDIR : 0;

	if (unlinkat(dirfd, name_of(n), flags))
		failed("remove");
	else
		note_names(n, 0, -1, 0);
}

/* ---- data */

static void write_file(struct object *o, int fd, bool direct)
{
	uint32_t from, count, grain = direct ? PAGE / SECTOR : 1;
	ssize_t ret;
	int fd2 = fd;
	char path[64];

	from = below(SECTORS / grain) * grain;
	count = (1 + below(below(2) ? 16 : SECTORS)) * grain;
	if (count > SECTORS - from)
		count = SECTORS - from;
	if (direct) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fd2 = open(path, O_RDWR | O_DIRECT);
		if (fd2 < 0) {
			failed("open for direct I/O");
			return;
		}
	}
	fill(o, from, count, ++o->version);
	ret = pwrite(fd2, buf, count * SECTOR, from * SECTOR);
	if (ret != (ssize_t)count * SECTOR) {
		if (ret >= 0)
			errno = EIO;
		note_write(o, from, count, false);
		failed("write");
		/* As far as it has come the size may have grown. */
		o->size_known = false;
	} else {
		note_write(o, from, count, true);
	}
	if (direct)
		close(fd2);
}

static void map_file(struct object *o, int fd)
{
	uint32_t from, count = 1 + below(16);
	volatile bool done = false;
	unsigned char *p;

	if (o->size < PAGE / SECTOR)
		return;
	from = below(o->size);
	if (count > o->size - from)
		count = o->size - from;
	p = mmap(NULL, SECTORS * SECTOR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		failed("mmap");
		return;
	}
	fill(o, from, count, ++o->version);
	if (!sigsetjmp(bus, 1)) {
		memcpy(p + from * SECTOR, buf, count * SECTOR);
		done = true;
	} else {
		w->errors++;
	}
	munmap(p, SECTORS * SECTOR);
	note_write(o, from, count, done);
	/* A page that was writable may have become one that faults amid a sector. */
	for (; !done && count; count--) {
		struct sector *s = &o->s[from + count - 1];

		s->again = s->torn && s->torn >= s->min;
		s->torn = o->version;
	}
}

static void cut(struct object *o, int fd)
{
	uint32_t size = below(SECTORS + 1);
	uint32_t from = size < o->size ? size : o->size;
	int ret = ftruncate(fd, size * SECTOR);

	o->version++;
	note_zero(o, from, SECTORS - from, !ret);
	o->size_known = false;
	if (ret)
		failed("truncate");
	else
		o->size = size;
}

static void zero(struct object *o, int fd, int mode)
{
	uint32_t from = below(SECTORS), count = 1 + below(SECTORS - from);
	int ret = fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, from * SECTOR, count * SECTOR);

	o->version++;
	if (mode)
		note_zero(o, from, count, !ret);
	if (ret)
		failed("fallocate");
}

static void sync_file(struct object *o, int fd)
{
	int ret = below(2) ? fsync(fd) : fdatasync(fd);

	w->syncs++;
	note_sync(o, !ret);
	if (ret) {
		w->failed_syncs++;
		failed("fsync");
	}
}

static void sync_all(void)
{
	int ret = syncfs(dirfd), i;

	w->syncs++;
	for (i = 0; i < OBJECTS; i++)
		if (w->object[i].kind == REG && fds[i] >= 0)
			note_sync(&w->object[i], !ret);
	if (ret) {
		w->failed_syncs++;
		failed("syncfs");
	} else {
		names_synced();
	}
}

static void read_file(struct object *o, int fd)
{
	ssize_t got;

	if (below(4) == 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	got = read_all(fd);
	if (got < 0)
		failed("read");
	else
		judge_all(o, "read", got);
	if (bad) {
		fflush(stdout);
		_exit(1);
	}
}

static void data_step(struct object *o, int fd)
{
	switch (below(12)) {
	case 0:
		map_file(o, fd);
		break;
	case 1:
		write_file(o, fd, true);
		break;
	case 2:
		read_file(o, fd);
		break;
	case 3:
	case 4:
	case 5:
		sync_file(o, fd);
		break;
	case 6:
		zero(o, fd, 0);
		break;
	case 7:
		if (keep)
			write_file(o, fd, false);
		else if (below(2))
			cut(o, fd);
		else
			zero(o, fd, below(2) ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
		break;
	default:
		write_file(o, fd, false);
	}
}

static void step(void)
{
	int n = below(NAMES), i = w->now[n];

	w->ops++;
	if (below(60) == 0) {
		sync_all();
	} else if (w->logged == LOG || below(24) == 0) {
		sync_names();
	} else if (!i) {
		create(n);
	} else if (w->object[i - 1].kind != REG || below(6) == 0) {
		switch (below(keep ? 2 : 4)) {
		case 0:
			hard_link(n, below(NAMES));
			break;
		case 1:
			move(n, below(NAMES));
			break;
		default:
			take_away(n);
		}
	} else {
		data_step(&w->object[i - 1], fds[i - 1]);
	}
}

/* With -k: half of the names are files that have all their blocks. */
static void prepare(void)
{
	int n, i;

	for (n = 0; n < NAMES; n += 2) {
		i = new_object(REG);
		fds[i - 1] = openat(dirfd, name_of(n), O_RDWR | O_CREAT | O_EXCL, 0644);
		if (fds[i - 1] < 0 || fallocate(fds[i - 1], 0, 0, SECTORS * SECTOR))
			err(2, "prepare");
		w->object[i - 1].size = SECTORS;
		note_names(n, i, -1, 0);
		if (n % 4 == 0)
			write_file(&w->object[i - 1], fds[i - 1], false);
		sync_file(&w->object[i - 1], fds[i - 1]);
	}
	sync_names();
}

static void enter(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%d", dir, me);
	dirfd = open(path, O_RDONLY | O_DIRECTORY);
	if (dirfd < 0)
		err(2, "%s", path);
}

static int work(const char *dir)
{
	struct sigaction sa = { .sa_handler = on_term };
	uint64_t errors;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGBUS, on_bus);
	enter(dir);
	for (i = 0; i < OBJECTS; i++)
		fds[i] = -1;
	if (keep)
		prepare();
	while (!stop) {
		errors = w->errors;
		step();
		if (errors != w->errors)
			usleep(1000);
	}
	return 0;
}

static int run(const char *dir, uint32_t processes)
{
	int status, result = 0;
	uint64_t seed = ledger->seed;
	pid_t pid[MAX_PROCESSES];
	char path[512];
	uint32_t i;

	memset(ledger, 0, sizeof(*ledger));
	ledger->seed = seed;
	ledger->processes = processes;
	for (i = 0; i < processes; i++) {
		snprintf(path, sizeof(path), "%s/%u", dir, i);
		while (mkdir(path, 0755))
			if (errno != ENOMEM || !getenv("IOLOAD_ENOMEM"))
				err(2, "%s", path);
	}
	sync();
	signal(SIGTERM, SIG_IGN);
	for (i = 0; i < processes; i++) {
		me = i;
		w = &ledger->worker[i];
		state = seed * 1000 + i;
		while ((pid[i] = fork()) < 0)
			if (errno != ENOMEM || !getenv("IOLOAD_ENOMEM"))
				err(2, "fork");
		if (!pid[i])
			_exit(work(dir));
	}
	signal(SIGTERM, on_term);
	while (!stop)
		usleep(20000);
	for (i = 0; i < processes; i++)
		kill(pid[i], SIGTERM);
	for (i = 0; i < processes; i++)
		if (waitpid(pid[i], &status, 0) < 0 || status)
			result = 1;
	for (i = 0; i < processes; i++) {
		w = &ledger->worker[i];
		printf("process %u: %lu calls, %lu failed; %lu syncs, %lu failed\n", i, w->ops,
		       w->errors, w->syncs, w->failed_syncs);
	}
	return result;
}

/* ---- checking */

/* Do the names found fit these? */
static bool names_fit(const int *names, const uint32_t *kinds)
{
	int i;

	for (i = 0; i < NAMES; i++)
		if (kinds[i] != (names[i] ? w->object[names[i] - 1].kind : NONE))
			return false;
	return true;
}

static void check_link(int n, const struct object *o)
{
	const char *want = target_of(o->id);
	char target[4096];
	ssize_t len = readlinkat(dirfd, name_of(n), target, sizeof(target));

	if (len < 0)
		wrong("%s: %s", name_of(n), strerror(errno));
	else if (len != (ssize_t)strlen(want) || memcmp(target, want, len))
		wrong("%s: another target, %zd bytes", name_of(n), len);
}

/* Is it this very file? Only the data can tell; an empty one may be any. */
static void check_file(int n, const struct object *o, bool live)
{
	int fd = openat(dirfd, name_of(n), O_RDONLY);
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st)) {
		wrong("%s: %s", name_of(n), strerror(errno));
		return;
	}
	if (o->size_known && st.st_size != o->size * SECTOR)
		wrong("%s (id %u): %lld bytes instead of %u", name_of(n), o->id,
		      (long long)st.st_size, o->size * SECTOR);
	if (st.st_size > SECTORS * SECTOR)
		wrong("%s: %lld bytes", name_of(n), (long long)st.st_size);
	got = read_all(fd);
	if (got < 0) {
		if (!live || errno != EIO)
			wrong("%s: %s", name_of(n), strerror(errno));
	} else {
		judge_all(o, name_of(n), got);
	}
	close(fd);
}

/* The objects at the names, for a prefix of the calls; the number of complaints. */
static int check_at(const int *names, bool live)
{
	int i, before = bad;

	for (i = 0; i < NAMES; i++) {
		const struct object *o = &w->object[names[i] - 1];

		if (!names[i])
			continue;
		if (o->kind == LINK)
			check_link(i, o);
		else if (o->kind == REG)
			check_file(i, o, live);
	}
	return bad - before;
}

static void check_worker(bool live)
{
	uint32_t kinds[NAMES];
	int names[NAMES], best[NAMES];
	int i, fits = -1, saved = bad, least = 1 << 30, n;
	struct stat st;

	for (i = 0; i < NAMES; i++) {
		kinds[i] = NONE;
		if (!fstatat(dirfd, name_of(i), &st, AT_SYMLINK_NOFOLLOW))
			kinds[i] = S_ISDIR(st.st_mode) ? DIRECTORY : S_ISLNK(st.st_mode) ? LINK : REG;
		else if (errno != ENOENT)
			wrong("%s: %s", name_of(i), strerror(errno));
	}
	if (bad != saved)
		return;
	memcpy(names, w->base, sizeof(names));
	for (i = 0; i <= w->logged; i++) {
		if (i)
			apply(names, &w->log[i - 1]);
		if (i < (live ? w->logged : w->durable) || !names_fit(names, kinds))
			continue;
		/* Quietly: which prefix is it? */
		bad = 100;
		n = check_at(names, live);
		bad = saved;
		if (n < least) {
			least = n;
			fits = i;
			memcpy(best, names, sizeof(best));
		}
	}
	if (fits < 0) {
		wrong("names fit none of %d calls after the sync (%d of them synced)", w->logged,
		      w->durable);
		for (i = 0; i < NAMES; i++)
			printf("  %s: is %u; was object %d (%u), then %d (%u)\n", name_of(i),
			       kinds[i], w->base[i],
			       w->base[i] ? w->object[w->base[i] - 1].kind : 0, w->now[i],
			       w->now[i] ? w->object[w->now[i] - 1].kind : 0);
	} else if (least) {
		check_at(best, live);
	}
}

static int check(const char *dir, bool live)
{
	uint32_t i;

	for (i = 0; i < ledger->processes; i++) {
		me = i;
		w = &ledger->worker[i];
		enter(dir);
		check_worker(live);
		close(dirfd);
	}
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	bool running = !strcmp(how, "run");
	int fd;

	if (running && argc > 2 && !strcmp(argv[2], "-k")) {
		keep = true;
		argv++;
		argc--;
	}
	if (argc != (running ? 6 : 4))
		errx(2, "usage: ioload run [-k] DIR LEDGER PROCESSES SEED; ioload check|live DIR LEDGER");
	fd = open(argv[3], O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*ledger)))
		err(2, "%s", argv[3]);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ledger == MAP_FAILED || posix_memalign((void **)&buf, PAGE, 2 * SECTORS * SECTOR))
		err(2, "memory");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!running)
		return check(argv[2], !strcmp(how, "live"));
	ledger->seed = strtoull(argv[5], NULL, 0);
	if (atoi(argv[4]) < 1 || atoi(argv[4]) > MAX_PROCESSES)
		errx(2, "1 to %d processes", MAX_PROCESSES);
	return run(argv[2], atoi(argv[4]));
}
