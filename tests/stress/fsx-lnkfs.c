// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on one file, checked against a copy in memory: buffered,
 * mapped and direct reads and writes, truncates, every mode of fallocate(),
 * writes through a mapping past the end of the file, dropped caches, reopening.
 *
 * fsx-lnkfs [-n operations] [-s seed] [-l largest size] [-a direct alignment]
 *           [-D] [-F] [-v] FILE
 *
 * -D leaves out direct I/O, -F fallocate(). Modes that the filesystem does not
 * have are left out after the first try.
 *
 * Exit status: 0, 1 when the file differs (the last operations are printed), 2
 * for a usage error or a failed system call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY 64

static const char *path;
static int fd = -1, dfd = -1;
static unsigned char *model, *buf;
static unsigned char *gone;		/* blocks of the model that must be holes */
static size_t size, limit = 512 * 1024;
static size_t page, block, align = 512;
static uint64_t state;
static unsigned long op, ops = 10000;
static int verbose, direct = 1, falloc = 1;
static char history[HISTORY][96];

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL >> 16;
}

static size_t below(size_t n)
{
	return n ? rnd() % n : 0;
}

static void note(const char *fmt, ...)
{
	char *line = history[op % HISTORY];
	int n = snprintf(line, sizeof(history[0]), "%lu: ", op);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(history[0]) - n, fmt, ap);
	va_end(ap);
	if (verbose)
		fprintf(stderr, "%s (size %zu)\n", line, size);
}

static void print_history(void)
{
	unsigned long i = op + 1 > HISTORY ? op + 1 - HISTORY : 0;

	for (; i <= op; i++)
		fprintf(stderr, "  %s\n", history[i % HISTORY]);
}

static void die(const char *what)
{
	int err = errno;

	print_history();
	fprintf(stderr, "fsx-lnkfs: operation %lu: %s: %s\n", op, what, strerror(err));
	exit(2);
}

static void compare(const char *how, const unsigned char *got, size_t pos, size_t len)
{
	size_t i, bad = 0, last = 0;

	if (!memcmp(got, model + pos, len))
		return;
	for (i = 0; i < len; i++) {
		if (got[i] == model[pos + i])
			continue;
		if (bad++ == 0)
			fprintf(stderr, "%s: at %zu: 0x%02x instead of 0x%02x\n", how, pos + i,
				got[i], model[pos + i]);
		last = pos + i;
	}
	fprintf(stderr, "%s: %zu bytes differ, the last at %zu; size %zu\n", how, bad, last, size);
	print_history();
	exit(1);
}

static void check_size(void)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	if ((size_t)st.st_size != size) {
		fprintf(stderr, "size is %lld instead of %zu\n", (long long)st.st_size, size);
		print_history();
		exit(1);
	}
}

static void fill(size_t pos, size_t len)
{
	size_t i;
	unsigned char tag = rnd();

	for (i = 0; i < len; i++)
		buf[i] = (unsigned char)(tag + (pos + i) * 7 + 1) | 1;
}

/*
 * Blocks known to be holes are those punched out or inserted; this range may
 * have got blocks since.
 */
static void touch(size_t pos, size_t len)
{
	size_t from = pos / page * page / block, to = (pos + len + page - 1) / page * page / block;

	if (len)
		memset(gone + from, 0, (to < limit / block ? to : limit / block) - from);
}

/* A store through a mapping may give blocks to all of a large folio. */
static void touch_all(void)
{
	memset(gone, 0, limit / block);
}

/* The model's part of a write: what lies between the old end and it is zero. */
static void store(size_t pos, size_t len)
{
	if (pos > size)
		memset(model + size, 0, pos - size);
	memcpy(model + pos, buf, len);
	touch(pos, len);
	if (pos + len > size)
		size = pos + len;
}

static void random_range(size_t end, size_t *pos, size_t *len)
{
	static const size_t longest[] = { 16, 600, 5000, 70000, 300000 };

	*pos = below(end);
	*len = 1 + below(longest[below(5)]);
	if (rnd() % 4 == 0)
		*pos &= ~(size_t)1023;
	if (*len > end - *pos)
		*len = end - *pos;
}

static void do_write(void)
{
	size_t pos, len;

	if (rnd() % 3 == 0) {
		random_range(limit, &pos, &len);
	} else {
		random_range(size < limit ? size + 1 : limit, &pos, &len);
		if (rnd() % 2 && size < limit) {
			pos = size;
			len = 1 + below(limit - size < 20000 ? limit - size : 20000);
		}
	}
	note("write %zu+%zu", pos, len);
	fill(pos, len);
	if (pwrite(fd, buf, len, pos) != (ssize_t)len)
		die("pwrite");
	store(pos, len);
}

static void do_read(void)
{
	size_t pos, len;

	if (!size)
		return;
	random_range(size, &pos, &len);
	note("read %zu+%zu", pos, len);
	if (pread(fd, buf, len, pos) != (ssize_t)len)
		die("pread");
	compare("read", buf, pos, len);
}

static void direct_range(size_t end, size_t *pos, size_t *len)
{
	size_t a = rnd() % 2 ? align : page;

	random_range(end, pos, len);
	*pos -= *pos % a;
	*len += a - 1;
	*len -= *len % a;
	if (*pos + *len > limit)
		*len = limit - *pos;
}

static void do_direct_write(void)
{
	size_t pos, len;

	direct_range(rnd() % 4 ? (size ? size : 1) : limit, &pos, &len);
	if (!len)
		return;
	note("direct write %zu+%zu", pos, len);
	fill(pos, len);
	if (pwrite(dfd, buf, len, pos) != (ssize_t)len)
		die("direct pwrite");
	store(pos, len);
}

static void do_direct_read(void)
{
	size_t pos, len, want;

	if (!size)
		return;
	direct_range(size, &pos, &len);
	if (!len)
		return;
	note("direct read %zu+%zu", pos, len);
	want = pos + len > size ? size - pos : len;
	if (pread(dfd, buf, len, pos) != (ssize_t)want)
		die("direct pread");
	compare("direct read", buf, pos, want);
}

/* Map the pages of a range; the pointer is to its first byte. */
static unsigned char *map_range(size_t pos, size_t len, size_t *maplen)
{
	size_t start = pos - pos % page;
	unsigned char *p;

	*maplen = pos + len - start;
	p = mmap(NULL, *maplen, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	if (p == MAP_FAILED)
		die("mmap");
	return p + (pos - start);
}

static void unmap_range(unsigned char *p, size_t maplen)
{
	if (munmap((void *)((uintptr_t)p & ~(uintptr_t)(page - 1)), maplen))
		die("munmap");
}

static void do_map_write(void)
{
	size_t pos, len, maplen;
	unsigned char *p;

	if (!size)
		return;
	random_range(size, &pos, &len);
	note("mapped write %zu+%zu", pos, len);
	fill(pos, len);
	p = map_range(pos, len, &maplen);
	memcpy(p, buf, len);
	touch_all();
	if (rnd() % 8 == 0 && msync(p - pos % page, maplen, MS_SYNC))
		die("msync");
	unmap_range(p, maplen);
	store(pos, len);
}

static void do_map_read(void)
{
	size_t pos, len, maplen;
	unsigned char *p;

	if (!size)
		return;
	random_range(size, &pos, &len);
	note("mapped read %zu+%zu", pos, len);
	p = map_range(pos, len, &maplen);
	compare("mapped read", p, pos, len);
	unmap_range(p, maplen);
}

/* Leave dirt between the end of the file and the end of its last page. */
static void do_map_past_end(void)
{
	size_t maplen, len = size % page ? page - size % page : 0;
	unsigned char *p;

	if (!len)
		return;
	note("mapped write past the end %zu+%zu", size, len);
	p = map_range(size, len, &maplen);
	memset(p, 0xee, len);
	touch_all();
	unmap_range(p, maplen);
}

static void do_truncate(void)
{
	size_t to = below(rnd() % 3 ? limit + 1 : size + 1);

	if (rnd() % 4 == 0)
		to &= ~(size_t)1023;
	note("truncate %zu to %zu", size, to);
	if (ftruncate(fd, to))
		die("ftruncate");
	if (to > size)
		memset(model + size, 0, to - size);
	size = to;
}

static int try_falloc(int mode, size_t pos, size_t len, const char *name)
{
	static int missing;

	if (missing & (1 << (mode & ~FALLOC_FL_KEEP_SIZE)) && mode & ~FALLOC_FL_KEEP_SIZE)
		return -1;
	note("%s%s %zu+%zu", name, mode & FALLOC_FL_KEEP_SIZE ? ", keep size" : "", pos, len);
	if (!fallocate(fd, mode, pos, len))
		return 0;
	if (errno != EOPNOTSUPP || !(mode & ~FALLOC_FL_KEEP_SIZE))
		die(name);
	missing |= 1 << (mode & ~FALLOC_FL_KEEP_SIZE);
	return -1;
}

static void grow_model(size_t end)
{
	if (end > size) {
		memset(model + size, 0, end - size);
		size = end;
	}
}

static void do_allocate(int mode)
{
	size_t pos, len;

	random_range(limit, &pos, &len);
	if (!len || try_falloc(mode, pos, len, mode & FALLOC_FL_UNSHARE_RANGE ?
			       "unshare" : "allocate"))
		return;
	touch(pos, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow_model(pos + len);
}

static void zero_model(size_t pos, size_t len)
{
	if (pos < size)
		memset(model + pos, 0, pos + len > size ? size - pos : len);
}

static void do_zero(int mode)
{
	size_t pos, len;

	random_range(rnd() % 4 && size ? size : limit, &pos, &len);
	if (!len || try_falloc(FALLOC_FL_ZERO_RANGE | mode, pos, len, "zero"))
		return;
	touch(pos, len);
	zero_model(pos, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow_model(pos + len);
}

static void do_punch(void)
{
	size_t pos, len, from, to;

	random_range(rnd() % 4 && size ? size : limit, &pos, &len);
	if (!len || try_falloc(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, len, "punch"))
		return;
	zero_model(pos, len);
	from = (pos + block - 1) / block;
	to = (pos + len) / block;
	if (from < to)
		memset(gone + from, 1, to - from);
}

/* Make positions multiples of the block size; most files have such parts. */
static void do_collapse(void)
{
	size_t blocks = size / block, pos, len;

	if (blocks < 2)
		return;
	pos = below(blocks - 1);
	len = 1 + below(rnd() % 2 ? 4 : blocks);
	if (len > blocks - pos)
		len = blocks - pos;
	pos *= block;
	len *= block;
	if (pos + len >= size || try_falloc(FALLOC_FL_COLLAPSE_RANGE, pos, len, "collapse"))
		return;
	memmove(model + pos, model + pos + len, size - pos - len);
	memset(gone + pos / block, 0, (limit - pos) / block);
	size -= len;
}

static void do_insert(void)
{
	size_t room = (limit - size) / block, pos, len;

	if (!room || !size)
		return;
	pos = below((size + block - 1) / block) * block;
	len = (1 + below(rnd() % 2 ? (room < 4 ? room : 4) : room)) * block;
	if (try_falloc(FALLOC_FL_INSERT_RANGE, pos, len, "insert"))
		return;
	memmove(model + pos + len, model + pos, size - pos);
	memset(model + pos, 0, len);
	memset(gone + pos / block, 0, (limit - pos) / block);
	memset(gone + pos / block, 1, len / block);
	size += len;
}

static void do_falloc(void)
{
	int keep = rnd() % 2 ? FALLOC_FL_KEEP_SIZE : 0;

	switch (rnd() % 12) {
	case 0:
	case 1:
	case 2:
		do_allocate(keep);
		break;
	case 3:
		do_allocate(FALLOC_FL_UNSHARE_RANGE | keep);
		break;
	case 4:
	case 5:
		do_zero(keep);
		break;
	case 6:
	case 7:
	case 8:
		do_punch();
		break;
	case 9:
	case 10:
		do_collapse();
		break;
	default:
		do_insert();
	}
}

/* What is not a hole, by SEEK_HOLE, and is known to be one. */
static void check_no_data(size_t from, size_t to)
{
	size_t b;

	for (b = (from + block - 1) / block; b < to / block; b++) {
		if (!gone[b])
			continue;
		fprintf(stderr, "data at %zu..%zu, but a hole at %zu\n", from, to, b * block);
		print_history();
		exit(1);
	}
}

static void do_seek(void)
{
	off_t data, hole = 0;
	size_t i;

	note("seek for data and holes");
	while ((size_t)hole < size) {
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			die("SEEK_DATA");
		if (data < 0)
			data = size;
		for (i = hole; i < (size_t)data; i++) {
			if (!model[i])
				continue;
			fprintf(stderr, "a hole at %lld..%lld, but data at %zu\n",
				(long long)hole, (long long)data, i);
			print_history();
			exit(1);
		}
		if ((size_t)data == size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data)
			die("SEEK_HOLE");
		check_no_data(data, hole);
	}
}

static void open_file(int flags)
{
	fd = open(path, O_RDWR | flags, 0644);
	if (fd < 0)
		die("open");
	if (!direct)
		return;
	dfd = open(path, O_RDWR | O_DIRECT);
	if (dfd < 0)
		die("open with O_DIRECT");
}

static void find_block_size(void)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	block = st.st_blksize;
}

static void close_file(void)
{
	if (close(fd) || (direct && close(dfd)))
		die("close");
}

static void do_flush(void)
{
	switch (rnd() % 4) {
	case 0:
		note("fsync");
		if (fsync(fd))
			die("fsync");
		break;
	case 1:
		note("fdatasync");
		if (fdatasync(fd))
			die("fdatasync");
		break;
	case 2:
		note("start writeback");
		if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE))
			die("sync_file_range");
		break;
	default:
		note("fsync, drop the cache");
		if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
			die("fsync");
	}
}

static void check_all(void)
{
	check_size();
	if (pread(fd, buf, limit, 0) != (ssize_t)size)
		die("pread of all");
	compare("read of all", buf, 0, size);
}

static void do_reopen(void)
{
	note("reopen and compare all");
	close_file();
	open_file(0);
	check_all();
}

static void step(void)
{
	unsigned int r = rnd() % 100;

	if (r < 22)
		do_write();
	else if (r < 36)
		do_read();
	else if (r < 48)
		do_map_write();
	else if (r < 56)
		do_map_read();
	else if (r < 66 && direct)
		do_direct_write();
	else if (r < 72 && direct)
		do_direct_read();
	else if (r < 84)
		(rnd() % 2 && falloc ? do_falloc : do_truncate)();
	else if (r < 88)
		do_map_past_end();
	else if (r < 94)
		do_flush();
	else if (r < 97)
		do_seek();
	else
		do_reopen();
	check_size();
}

static unsigned long number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 0);

	if (*s && !*end)
		return n;
	fprintf(stderr, "fsx-lnkfs: %s: not a number\n", s);
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned long seed = 1;
	int c;

	while ((c = getopt(argc, argv, "n:s:l:a:DFv")) != -1) {
		switch (c) {
		case 'n':
			ops = number(optarg);
			break;
		case 's':
			seed = number(optarg);
			break;
		case 'l':
			limit = number(optarg);
			break;
		case 'a':
			align = number(optarg);
			break;
		case 'D':
			direct = 0;
			break;
		case 'F':
			falloc = 0;
			break;
		case 'v':
			verbose = 1;
			break;
		default:
			optind = argc;
		}
	}
	if (optind != argc - 1 || !align) {
		fprintf(stderr, "usage: fsx-lnkfs [-n operations] [-s seed] [-l size] [-a alignment] [-D] [-F] [-v] FILE\n");
		return 2;
	}
	path = argv[optind];
	page = sysconf(_SC_PAGESIZE);
	limit += page - 1;
	limit -= limit % page;
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	model = calloc(1, limit);
	gone = calloc(1, limit / 512);
	if (!model || !gone || posix_memalign((void **)&buf, page, limit + page)) {
		perror("fsx-lnkfs");
		return 2;
	}
	open_file(O_CREAT | O_TRUNC);
	find_block_size();
	for (op = 0; op < ops; op++)
		step();
	note("the end");
	check_all();
	close_file();
	printf("fsx-lnkfs: %lu operations, seed %lu: no difference\n", ops, seed);
	return 0;
}
