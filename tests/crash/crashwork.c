// SPDX-License-Identifier: GPL-2.0
/*
 * Work to be killed in, and the check of what is left.
 *
 * Every file, link and name that has been synced is noted in a ledger on a
 * device of its own, in 512-byte records written with O_DIRECT: it shows what
 * must be there after a crash. Contents and targets follow from names, so that
 * foreign or stale bytes are recognized wherever they turn up.
 *
 * usage: crashwork base DIR LEDGER       note what an empty volume looks like
 *        crashwork verify DIR LEDGER     compare the volume with the ledger
 *        crashwork prune DIR LEDGER      remove much, start a new ledger
 *        crashwork work DIR LEDGER ROUND work until killed; prints "op N"
 *
 * CRASH_LINKMAX limits the length of symlink targets. With CRASH_GROW the volume
 * grows while there is work.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "lnkfs.h"

enum { REC = 512, SLOTS = 6, HELD = 12, MAXSIZE = 100000 };

static int ledger = -1;
static off_t ledger_pos;
static uint64_t seed;
static int dirfd_top;
static unsigned int linkmax = 3000;
static int complaints;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static void die(const char *what)
{
	fprintf(stderr, "crashwork: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# wrong: ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	complaints++;
}

static uint64_t name_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	while (*name)
		h = (h ^ (unsigned char)*name++) * 0x100000001b3ULL;
	return h;
}

/* The byte at @off of the file whose content follows from the name hash @h. */
static unsigned char byte_at(uint64_t h, off_t off)
{
	uint64_t x = h + (off >> 3) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	return (x >> ((off & 7) * 8) & 0xff) ?: 1;
}

static void fill(unsigned char *buf, const char *cname, off_t off, size_t len)
{
	uint64_t h = name_hash(cname);
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = byte_at(h, off + i);
}

static void target_of(const char *name, char *buf)
{
	uint64_t h = name_hash(name);
	unsigned int len = 1 + h % (h & 0x100000 ? linkmax : 100), i;

	for (i = 0; i < len; i++)
		buf[i] = 'a' + byte_at(h, i) % 26;
	buf[len] = 0;
}

static void ledger_open(const char *dev)
{
	ledger = open(dev, O_RDWR | O_DIRECT | O_SYNC);
	if (ledger < 0)
		die(dev);
}

static char *ledger_buf(void)
{
	static char *buf;

	if (!buf && posix_memalign((void **)&buf, 4096, REC))
		die("memory");
	return buf;
}

/* The next record, or NULL at the end. */
static char *ledger_next(void)
{
	char *buf = ledger_buf();

	if (pread(ledger, buf, REC, ledger_pos) != REC || !buf[0])
		return NULL;
	ledger_pos += REC;
	return buf;
}

static void note(const char *fmt, ...)
{
	char *buf = ledger_buf();
	va_list ap;

	memset(buf, 0, REC);
	va_start(ap, fmt);
	vsnprintf(buf, REC - 1, fmt, ap);
	va_end(ap);
	if (pwrite(ledger, buf, REC, ledger_pos) != REC)
		die("ledger");
	ledger_pos += REC;
}

/* What the ledger says about one name. */
struct item {
	char name[48];		/* where it is */
	char other[48];		/* where it may be instead, after a rename */
	char cname[48];		/* what its content follows from */
	char kind;		/* f, l */
	bool maybe_gone, gone;
	long size, alt;
};

static struct item *items;
static int nitems;
static unsigned int slot_min[SLOTS], slot_max[SLOTS];
static long base_inodes;

static struct item *item(const char *name)
{
	int i;

	for (i = nitems; i--;)
		if (!strcmp(items[i].name, name))
			return &items[i];
	if (nitems % 1024 == 0)
		items = realloc(items, (nitems + 1024) * sizeof(*items));
	memset(&items[nitems], 0, sizeof(*items));
	strcpy(items[nitems].name, name);
	strcpy(items[nitems].cname, name);
	return &items[nitems++];
}

static void ledger_read(void)
{
	char a[48], b[48], op[16], *rec;
	unsigned int k, v;
	struct item *it;
	long size;

	ledger_pos = 0;
	while ((rec = ledger_next())) {
		if (sscanf(rec, "base %ld", &size) == 1) {
			base_inodes = size;
		} else if (sscanf(rec, "slot %u %u", &k, &v) == 2) {
			slot_min[k] = slot_max[k] = v;
		} else if (sscanf(rec, "slotbegin %u %u", &k, &v) == 2) {
			slot_max[k] = v;
		} else if (sscanf(rec, "file %47s %ld", a, &size) == 2) {
			it = item(a);
			it->kind = 'f';
			it->size = it->alt = size;
			it->gone = it->maybe_gone = false;
		} else if (sscanf(rec, "trunc %47s %ld", a, &size) == 2) {
			item(a)->alt = size;
		} else if (sscanf(rec, "hard %47s %47s", a, b) == 2) {
			struct item *from = item(b);
			char cname[48];
			long is = from->size, alt = from->alt;

			strcpy(cname, from->cname);
			it = item(a);
			it->kind = 'f';
			it->size = is;
			it->alt = alt;
			strcpy(it->cname, cname);
		} else if (sscanf(rec, "link %47s", a) == 1) {
			it = item(a);
			it->kind = 'l';
			it->gone = it->maybe_gone = false;
		} else if (sscanf(rec, "moving %47s %47s", a, b) == 2) {
			strcpy(item(a)->other, b);
		} else if (sscanf(rec, "moved %47s %47s", a, b) == 2) {
			it = item(a);
			strcpy(it->name, b);
			it->other[0] = 0;
		} else if (sscanf(rec, "unlink %47s", a) == 1) {
			item(a)->maybe_gone = true;
		} else if (sscanf(rec, "gone %47s", a) == 1) {
			item(a)->gone = true;
		} else {
			sscanf(rec, "%15s", op);
			wrong("ledger record '%s'", op);
		}
	}
}

/* Compare a file with its name's content; zeroes may stand in for it if @holes. */
static void check_content(const char *name, const char *cname, bool holes)
{
	static unsigned char got[1 << 16], want[1 << 16];
	int fd = openat(dirfd_top, name, O_RDONLY);
	off_t off = 0;
	ssize_t n, i;

	if (fd < 0) {
		wrong("%s: %s", name, strerror(errno));
		return;
	}
	while ((n = read(fd, got, sizeof(got))) > 0) {
		fill(want, cname, off, n);
		for (i = 0; i < n; i++)
			if (got[i] != want[i] && !(holes && !got[i]))
				break;
		if (i < n) {
			wrong("%s: byte %lld is %02x, not %02x", name,
			      (long long)off + i, got[i], want[i]);
			break;
		}
		off += n;
	}
	if (n < 0)
		wrong("%s: read: %s", name, strerror(errno));
	close(fd);
}

static void check_link(const char *name, const char *cname)
{
	char want[4200], got[4200];
	ssize_t n = readlinkat(dirfd_top, name, got, sizeof(got) - 1);

	if (n < 0) {
		wrong("%s: readlink: %s", name, strerror(errno));
		return;
	}
	got[n] = 0;
	target_of(cname, want);
	if (!n || strcmp(want, got))
		wrong("%s: wrong target of %zd bytes", name, n);
}

static void check_item(struct item *it)
{
	const char *name = it->name;
	struct stat st, st2;
	bool here = !fstatat(dirfd_top, name, &st, AT_SYMLINK_NOFOLLOW);

	if (it->other[0]) {
		bool there = !fstatat(dirfd_top, it->other, &st2,
				      AT_SYMLINK_NOFOLLOW);

		if (here && there)
			wrong("%s is also %s", name, it->other);
		if (!here && there) {
			name = it->other;
			st = st2;
			here = true;
		}
	}
	if (it->gone) {
		if (here)
			wrong("%s was removed and is back", name);
		return;
	}
	if (!here) {
		if (!it->maybe_gone)
			wrong("%s was synced and is missing", name);
		return;
	}
	if (it->kind == 'l') {
		check_link(name, it->cname);
		return;
	}
	if (st.st_size != it->size && st.st_size != it->alt)
		wrong("%s: size %lld, not %ld", name, (long long)st.st_size,
		      it->size);
	check_content(name, it->cname, false);
}

static void check_slot(unsigned int k)
{
	char name[32], cname[48], head[17] = "";
	unsigned int v = 0;
	int fd;

	sprintf(name, "slot.%u", k);
	fd = openat(dirfd_top, name, O_RDONLY);
	if (fd < 0) {
		if (slot_min[k])
			wrong("%s: %s", name, strerror(errno));
		return;
	}
	if (read(fd, head, 16) != 16)
		wrong("%s: short", name);
	close(fd);
	v = atoi(head);
	if (v < slot_min[k] || v > slot_max[k]) {
		wrong("%s: version '%.16s', not %u to %u", name, head,
		      slot_min[k], slot_max[k]);
		return;
	}
	/* The name stands in its first 16 bytes; the rest is the version's. */
	sprintf(cname, "slot.%u.%u", k, v);
	{
		static unsigned char got[MAXSIZE], want[MAXSIZE];
		ssize_t n;

		fd = openat(dirfd_top, name, O_RDONLY);
		n = pread(fd, got, sizeof(got), 0);
		fill(want, cname, 0, sizeof(want));
		if (n < 16 || memcmp(got + 16, want + 16, n - 16))
			wrong("%s: version %u has wrong content", name, v);
		close(fd);
	}
}

static long count_reachable(const char *path, int depth)
{
	static ino_t *seen;
	static long n, cap;
	DIR *dir = opendir(path);
	struct dirent *de;
	char sub[512];
	struct stat st;
	long i;

	if (!depth)
		n = 0;
	if (!dir)
		return n;
	while ((de = readdir(dir))) {
		if (!strcmp(de->d_name, "..") || (!strcmp(de->d_name, ".") && depth))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, de->d_name);
		if (lstat(sub, &st)) {
			wrong("%s is listed, but: %s", sub, strerror(errno));
			continue;
		}
		for (i = 0; st.st_nlink > 1 && i < n; i++)
			if (seen[i] == st.st_ino)
				break;
		if (st.st_nlink > 1 && i < n)
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 4096;
			seen = realloc(seen, cap * sizeof(*seen));
		}
		seen[n++] = st.st_ino;
		if (S_ISDIR(st.st_mode) && strcmp(de->d_name, "."))
			count_reachable(sub, depth + 1);
	}
	closedir(dir);
	return n;
}

static long used_inodes(const char *top)
{
	struct statfs sf;

	sync();
	if (statfs(top, &sf))
		die(top);
	return sf.f_files - sf.f_ffree;
}

static void verify(const char *top)
{
	struct dirent *de;
	long used = 0, want;
	DIR *dir;
	int i;

	ledger_read();
	for (i = 0; i < nitems; i++)
		check_item(&items[i]);
	for (i = 0; i < SLOTS; i++)
		check_slot(i);
	dir = fdopendir(dup(dirfd_top));
	while ((de = readdir(dir))) {
		if (!strncmp(de->d_name, "noise.", 6))
			check_content(de->d_name, de->d_name, true);
		if (!strncmp(de->d_name, "nlink.", 6))
			check_link(de->d_name, de->d_name);
	}
	closedir(dir);
	/* Whatever was unlinked or never had a name is gone for good. */
	want = count_reachable(top, 0) + base_inodes;
	for (i = 0; i < 100; i++) {
		used = used_inodes(top);
		if (used == want)
			break;
		usleep(100000);
	}
	if (used != want)
		wrong("%ld inodes in use, %ld expected", used, want);
	printf("# %d names in the ledger, %ld inodes\n", nitems, used);
}

static void prune(void)
{
	struct dirent *de;
	struct stat st;
	off_t end;
	DIR *dir;
	int k, fd, kept = 0;

	ledger_read();
	end = ledger_pos;
	ledger_pos = 0;
	note("base %ld", base_inodes);
	seed = end + 12345;
	dir = fdopendir(dup(dirfd_top));
	while ((de = readdir(dir))) {
		const char *name = de->d_name;
		bool keep = rnd(4) == 0 && kept < 150;

		if (name[0] == '.' || !strncmp(name, "slot.", 5) ||
		    !strcmp(name, "lost+found"))
			continue;
		if (fstatat(dirfd_top, name, &st, AT_SYMLINK_NOFOLLOW))
			die(name);
		/* Content and name part company in moved and linked files. */
		if (!keep || (name[0] != 'f' && name[0] != 'l') ||
		    st.st_nlink > 1) {
			if (unlinkat(dirfd_top, name, 0))
				die(name);
			continue;
		}
		kept++;
		if (S_ISLNK(st.st_mode))
			note("link %s", name);
		else
			note("file %s %ld", name, (long)st.st_size);
	}
	closedir(dir);
	for (k = 0; k < SLOTS; k++) {
		char name[32], head[17] = "";

		sprintf(name, "slot.%u", k);
		fd = openat(dirfd_top, name, O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, head, 16) == 16)
			note("slot %d %d", k, atoi(head));
		close(fd);
	}
	while (ledger_pos < end)
		note("%s", "");
	sync();
}

static int write_file(const char *name, const char *cname, long size)
{
	static unsigned char buf[MAXSIZE];
	int fd = openat(dirfd_top, name, O_CREAT | O_EXCL | O_RDWR, 0644);

	if (fd < 0)
		die(name);
	fill(buf, cname, 0, size);
	if (write(fd, buf, size) != size)
		die(name);
	return fd;
}

/* Unsynced work beside the main one: nothing of it is promised, all is checked. */
static void noise(int who, int round)
{
	static unsigned char buf[1 << 16];
	char name[48], target[4200], old[48];
	unsigned int i;
	int held[HELD], fd, k;
	off_t off;

	for (k = 0; k < HELD; k++)
		held[k] = -1;
	seed = name_hash("noise") + who * 7919 + round * 104729;
	for (i = 0;; i++) {
		snprintf(name, sizeof(name), "noise.%d.%d.%u", who, round, i);
		fd = openat(dirfd_top, name, O_CREAT | O_EXCL | O_RDWR, 0644);
		if (fd < 0)
			die(name);
		for (k = 1 + rnd(6), off = 0; k--; off += rnd(3) ? 0 : rnd(60000)) {
			size_t len = 1 + rnd(rnd(2) ? 5000 : sizeof(buf));

			fill(buf, name, off, len);
			if (pwrite(fd, buf, len, off) < 0 && errno != ENOSPC)
				die(name);
			off += len;
		}
		if (rnd(3) == 0) {
			struct stat st;
			unsigned char *map;

			fstat(fd, &st);
			if (ftruncate(fd, st.st_size + rnd(30000)) || fstat(fd, &st))
				die(name);
			map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);
			off = rnd(st.st_size);
			fill(map + off, name, off, 1 + rnd(st.st_size - off));
			munmap(map, st.st_size);
		}
		if (rnd(4) == 0 && ftruncate(fd, rnd(30000)))
			die(name);
		if (rnd(3) == 0) {
			/* Keep it open without a name. */
			k = rnd(HELD);
			if (held[k] >= 0)
				close(held[k]);
			held[k] = fd;
			unlinkat(dirfd_top, name, 0);
		} else {
			close(fd);
		}
		snprintf(name, sizeof(name), "nlink.%d.%d.%u", who, round, i);
		target_of(name, target);
		if (symlinkat(target, dirfd_top, name))
			die(name);
		if (i >= 25) {
			snprintf(old, sizeof(old), "noise.%d.%d.%u", who, round,
				 i - 25 + rnd(25));
			unlinkat(dirfd_top, old, 0);
			snprintf(old, sizeof(old), "nlink.%d.%d.%u", who, round,
				 i - 25 + rnd(25));
			unlinkat(dirfd_top, old, 0);
		}
		if (i > 300)
			usleep(20000);
	}
}

/* The volume grows meanwhile, little by little, as far as its device reaches. */
static void growth(int round)
{
	struct lnkfs_grow g;

	seed = name_hash("growth") + round;
	for (;;) {
		g = (struct lnkfs_grow){ .g_size = sizeof(g), .g_flags = LNKFS_GROW_DRY };
		if (ioctl(dirfd_top, LNKFS_IOC_GROW, &g))
			die("asking how far the volume can grow");
		if (g.g_old == g.g_blocks)
			_exit(0);
		g = (struct lnkfs_grow){ .g_size = sizeof(g), .g_blocks = g.g_old + 1 + rnd(100) };
		if (ioctl(dirfd_top, LNKFS_IOC_GROW, &g) && errno != ENOSPC)
			die("growing");
		usleep(rnd(100000));
	}
}

static void sync_dir(void)
{
	if (fsync(dirfd_top))
		die("fsync of the directory");
}

static void op_slot(void)
{
	static unsigned char buf[MAXSIZE];
	unsigned int k = rnd(SLOTS), v = slot_max[k] + 1;
	char name[48], cname[48];
	long size = 16 + rnd(40000);
	int fd;

	sprintf(name, "slot.%u", k);
	sprintf(cname, "slot.%u.%u", k, v);
	fill(buf, cname, 0, size);
	sprintf((char *)buf, "%015u", v);
	buf[15] = '\n';
	unlinkat(dirfd_top, "new", 0);
	fd = openat(dirfd_top, "new", O_CREAT | O_EXCL | O_WRONLY, 0644);
	if (fd < 0 || write(fd, buf, size) != size || fsync(fd))
		die("new");
	close(fd);
	note("slotbegin %u %u", k, v);
	slot_max[k] = v;
	if (renameat(dirfd_top, "new", dirfd_top, name))
		die(name);
	sync_dir();
	note("slot %u %u", k, v);
}

static void work(int round)
{
	char name[48], other[48], path[64], target[4200];
	long sizes[4096] = { 0 };
	unsigned int i, j;
	int held[HELD], fd, k;
	struct stat st;

	/* Work goes on behind the end of the ledger, as verified. */
	ledger_read();
	for (k = 0; k < HELD; k++)
		held[k] = -1;
	for (k = 0; k < 2; k++)
		if (!fork())
			noise(k, round);
	if (getenv("CRASH_GROW") && !fork())
		growth(round);
	seed = name_hash("work") + round;
	for (i = 1; i < 4096; i++) {
		printf("op %u\n", i);
		fflush(stdout);
		/* A new file, synced; sometimes one that began without a name. */
		sizes[i] = rnd(rnd(3) ? 3000 : MAXSIZE);
		sprintf(name, "f.%d.%u", round, i);
		if (rnd(4)) {
			fd = write_file(name, name, sizes[i]);
		} else {
			static unsigned char buf[MAXSIZE];

			fd = openat(dirfd_top, ".", O_TMPFILE | O_RDWR, 0644);
			fill(buf, name, 0, sizes[i]);
			if (fd < 0 || write(fd, buf, sizes[i]) != sizes[i])
				die("tmpfile");
			sprintf(path, "/proc/self/fd/%d", fd);
			if (linkat(AT_FDCWD, path, dirfd_top, name,
				   AT_SYMLINK_FOLLOW))
				die("linking a tmpfile");
		}
		if (fsync(fd))
			die("fsync");
		note("file %s %ld", name, sizes[i]);
		close(fd);
		/* Something to one of the last ones. */
		j = i - (i > 20 ? rnd(20) : rnd(i));
		sprintf(name, "f.%d.%u", round, j ?: 1);
		switch (rnd(7)) {
		case 0:
			op_slot();
			break;
		case 1:
			sprintf(name, "l.%d.%u", round, i);
			target_of(name, target);
			if (symlinkat(target, dirfd_top, name))
				die(name);
			sync_dir();
			note("link %s", name);
			break;
		case 2:
			if (fstatat(dirfd_top, name, &st, 0) || st.st_nlink > 1)
				break;
			sprintf(other, "h.%d.%u", round, i);
			if (linkat(dirfd_top, name, dirfd_top, other, 0))
				die(other);
			sync_dir();
			note("hard %s %s", other, name);
			break;
		case 3:
			if (fstatat(dirfd_top, name, &st, 0) ||
			    st.st_nlink > 1 || !st.st_size)
				break;
			st.st_size = rnd(st.st_size);
			note("trunc %s %ld", name, (long)st.st_size);
			fd = openat(dirfd_top, name, O_WRONLY);
			if (fd < 0 || ftruncate(fd, st.st_size) || fsync(fd))
				die(name);
			close(fd);
			note("file %s %ld", name, (long)st.st_size);
			break;
		case 4:
			if (fstatat(dirfd_top, name, &st, 0))
				break;
			/* Half of the removed files stay open for a while. */
			fd = openat(dirfd_top, name, O_RDONLY);
			note("unlink %s", name);
			if (unlinkat(dirfd_top, name, 0))
				die(name);
			sync_dir();
			note("gone %s", name);
			k = rnd(HELD);
			if (held[k] >= 0)
				close(held[k]);
			held[k] = fd;
			break;
		case 5:
			if (fstatat(dirfd_top, name, &st, 0))
				break;
			sprintf(other, "m.%d.%u", round, i);
			note("moving %s %s", name, other);
			if (renameat(dirfd_top, name, dirfd_top, other))
				die(other);
			sync_dir();
			note("moved %s %s", name, other);
			break;
		default:
			break;
		}
	}
	printf("op end\n");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: crashwork base|verify|prune|work DIR LEDGER [ROUND]\n");
		return 2;
	}
	if (getenv("CRASH_LINKMAX"))
		linkmax = atoi(getenv("CRASH_LINKMAX"));
	dirfd_top = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (dirfd_top < 0)
		die(argv[2]);
	ledger_open(argv[3]);
	if (!strcmp(argv[1], "base"))
		note("base %ld", used_inodes(argv[2]) - count_reachable(argv[2], 0));
	else if (!strcmp(argv[1], "verify"))
		verify(argv[2]);
	else if (!strcmp(argv[1], "prune"))
		prune();
	else if (!strcmp(argv[1], "work") && argc == 5)
		work(atoi(argv[4]));
	else
		return 2;
	return complaints ? 1 : 0;
}
