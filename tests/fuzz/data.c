// SPDX-License-Identifier: GPL-2.0
/*
 * Contents of files: reading, writing, mapping, cutting, holes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "ops.h"

#define CHUNK	16384
#define SEEKS	40

/* What was a file may be a fifo by now, which nobody will ever write to. */
#define OPEN_FLAGS	(O_RDONLY | O_NOFOLLOW | O_NONBLOCK)

static u8 buf[CHUNK] __attribute__((aligned(4096)));
static sigjmp_buf out;

static void on_bus(int sig)
{
	siglongjmp(out, sig);
}

/**
 * safely() - use mapped memory that may not be there
 * @touch: uses it
 * @p: the memory
 *
 * Return: was it there?
 */
bool safely(void (*touch)(volatile u8 *p), volatile u8 *p)
{
	struct sigaction sa = { .sa_handler = on_bus }, bus, segv;
	bool good = false;

	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	if (!sigsetjmp(out, 1)) {
		touch(p);
		good = true;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return good;
}

static void touch_read(volatile u8 *p)
{
	(void)*p;
}

static void touch_write(volatile u8 *p)
{
	*p = 0x5a;
}

/* A position: in the file, at its end, or far beyond. */
static off_t somewhere(const struct found *f)
{
	off_t size = f->size;

	switch (chance(8)) {
	case 0:
		return 0;
	case 1:
		return size > 0 ? size - 1 : 0;
	case 2:
		return size;
	case 3:
		return size > 4096 ? size - 4096 : 4096;
	case 4:
		return chance(1u << 20);
	case 5:
		return (off_t)(chance64() >> 1 >> chance(40));
	default:
		return size > 0 ? (off_t)(chance64() % (u64)size) : 0;
	}
}

static void map(const struct found *f, int fd, bool write)
{
	off_t pos = somewhere(f) & ~4095L;
	u32 pages = 1 + chance(8), i;
	u8 *p;

	step("mmap");
	p = mmap(NULL, pages * 4096, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd, pos);
	note(p == MAP_FAILED ? -1 : 0);
	if (p == MAP_FAILED)
		return;
	for (i = 0; i < pages; i++)
		safely(write ? touch_write : touch_read, p + i * 4096 + chance(4096));
	if (write && chance(2)) {
		step("msync");
		note(msync(p, pages * 4096, MS_SYNC));
	}
	munmap(p, pages * 4096);
}

static void seek(int fd)
{
	off_t pos = 0;
	u32 i;

	step("lseek");
	for (i = 0; i < SEEKS; i++) {
		off_t next = lseek(fd, pos, i & 1 ? SEEK_HOLE : SEEK_DATA);

		note(next);
		if (next < 0)
			break;
		if (next < pos)
			complain("lseek goes back from %lld to %lld", (long long)pos,
				 (long long)next);
		pos = next;
	}
}

static void fiemap(int fd)
{
	struct {
		struct fiemap fm;
		struct fiemap_extent ext[32];
	} m;

	step("fiemap");
	memset(&m, 0, sizeof(m));
	m.fm.fm_start = chance(2) ? 0 : chance64() >> chance(60);
	m.fm.fm_length = ~0ULL;
	m.fm.fm_flags = chance(4) ? 0 : FIEMAP_FLAG_SYNC | (chance(2) ? FIEMAP_FLAG_XATTR : 0);
	m.fm.fm_extent_count = chance(4) ? 32 : 0;
	note(ioctl(fd, FS_IOC_FIEMAP, &m));
}

/**
 * read_data() - read a file in one of several ways
 * @o: image
 * @f: object; nothing happens unless it is a file
 */
void read_data(struct ops *o, const struct found *f)
{
	off_t pos = somewhere(f);
	int fd, null, n;

	if (!S_ISREG(f->mode))
		return;
	fd = openat(o->root, f->path, OPEN_FLAGS | (chance(6) ? 0 : O_DIRECT));
	note(fd);
	if (fd < 0)
		return;
	switch (chance(7)) {
	case 0:
		map(f, fd, false);
		break;
	case 1:
		seek(fd);
		break;
	case 2:
		fiemap(fd);
		break;
	case 3:
		step("sendfile");
		null = open("/dev/null", O_WRONLY);
		note(sendfile(null, fd, &pos, CHUNK));
		close(null);
		break;
	case 4:
		step("readahead");
		note(readahead(fd, pos, 1 << 17));
		note(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ? -1 : 0);
		break;
	default:
		step("pread");
		for (n = 0; n < 4; n++)
			note(pread(fd, buf, sizeof(buf), n ? somewhere(f) & ~511L : 0));
	}
	close(fd);
}

static void fallocate_some(const struct found *f, int fd)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE,
	};
	int mode = modes[chance(ARRAY_SIZE(modes))];
	off_t pos = somewhere(f), len = 1 + chance(1u << 17);

	step("fallocate");
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		pos &= ~4095L;
		len = (len + 4095) & ~4095L;
	}
	note(fallocate(fd, mode, pos, len));
}

static void copy_range(struct ops *o, const struct found *f, int fd)
{
	const struct found *g = &o->found[chance(o->nr)];
	off_t from = somewhere(g), to = somewhere(f);
	int other;

	if (!S_ISREG(g->mode))
		return;
	step("copy_file_range");
	other = openat(o->root, g->path, OPEN_FLAGS);
	note(other);
	if (other < 0)
		return;
	note(copy_file_range(other, &from, fd, &to, 1 + chance(1u << 16), 0));
	close(other);
}

/**
 * write_data() - change a file in several ways
 * @o: image
 * @f: object; nothing happens unless it is a file
 */
void write_data(struct ops *o, const struct found *f)
{
	u32 n = 1 + chance(4);
	int fd;

	if (!S_ISREG(f->mode))
		return;
	step("open to write");
	fd = openat(o->root, f->path, OPEN_FLAGS | O_RDWR | (chance(8) ? 0 : O_TRUNC) |
		    (chance(6) ? 0 : O_APPEND) | (chance(6) ? 0 : O_DIRECT));
	note(fd);
	if (fd < 0)
		return;
	while (n--) {
		switch (chance(9)) {
		case 0:
			map(f, fd, true);
			break;
		case 1:
			step("ftruncate");
			note(ftruncate(fd, somewhere(f)));
			break;
		case 2:
			fallocate_some(f, fd);
			break;
		case 3:
			step("fsync");
			note(chance(2) ? fsync(fd) : fdatasync(fd));
			break;
		case 4:
			copy_range(o, f, fd);
			break;
		case 5:
			fallocate_some(f, fd);
			step("sync_file_range");
			note(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
			break;
		default:
			step("pwrite");
			memset(buf, (int)n, sizeof(buf));
			note(pwrite(fd, buf, chance(3) ? 1 + chance(sizeof(buf)) : 4096,
				    chance(3) ? somewhere(f) : somewhere(f) & ~4095L));
		}
	}
	step("close");
	close(fd);
}
