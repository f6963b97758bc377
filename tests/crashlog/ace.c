// SPDX-License-Identifier: GPL-2.0
/*
 * Lists sequences (ace.h), and runs them on a volume whose device is recorded.
 *
 * They run in batches: the directories of a batch are made and synced, then its sequences
 * run one after the other, then the directories are removed, so that the volume stays
 * small. A mark stands before each step, and one behind the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ace.h"
#include "ace_guest.h"
#include "lnkfs.h"
#include "marks.h"

#define BATCH	24

static const char *device;
static int held = -1;
static u32 mark;
static u32 seq_number;
static u8 buf[ACE_SIZE + 4096] __attribute__((aligned(4096)));

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fprintf(stderr, "ace: sequence %u: ", seq_number);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", strerror(err));
	exit(2);
}

static void next_mark(void)
{
	if (mark_send(device, ++mark))
		die("mark %u", mark);
}

static int open_path(const char *path, int flags)
{
	int fd = strcmp(path, "@") ? open(path, flags | O_NOFOLLOW) : dup(held);

	if (fd < 0)
		die("open %s", path);
	return fd;
}

static int do_mapped(int fd, const struct ace_step *s, bool sync_only)
{
	struct stat st;
	u8 *map;

	if (fstat(fd, &st))
		return -1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	if (!sync_only)
		memcpy(map + s->off, buf, s->len);
	else if (msync(map, (size_t)st.st_size, MS_SYNC))
		return -1;
	return munmap(map, (size_t)st.st_size);
}

static int do_write(const struct ace_step *s, u32 index)
{
	int flags = s->code == ACE_DWRITE ? O_DIRECT : s->code == ACE_SWRITE ? O_SYNC :
		    s->code == ACE_DSWRITE ? O_DSYNC : 0;
	int fd = open_path(s->a, O_RDWR | flags), ret;

	ace_fill(buf, seq_number, index, s->off, s->len);
	if (s->code == ACE_MWRITE)
		ret = do_mapped(fd, s, false);
	else
		ret = pwrite(fd, buf, s->len, (off_t)s->off) == (ssize_t)s->len ? 0 : -1;
	return close(fd) ? -1 : ret;
}

static int do_falloc(const struct ace_step *s)
{
	int mode = s->code == ACE_KEEP ? FALLOC_FL_KEEP_SIZE :
		   s->code == ACE_PUNCH ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE :
		   s->code == ACE_ZERO ? FALLOC_FL_ZERO_RANGE : 0;
	int fd = open_path(s->a, O_RDWR);
	int ret = fallocate(fd, mode, (off_t)s->off, (off_t)s->len);

	return close(fd) ? -1 : ret;
}

static int do_link_attr(const struct ace_step *s)
{
	struct lnkfs_attr a = {
		.a_size = sizeof(a),
		.a_mask = LNKFS_ATTR_MODE | LNKFS_ATTR_FLAGS,
		.a_mode = (u32)s->off,
		.a_flags = (u32)s->len,
	};
	int dir = open(".", O_RDONLY | O_DIRECTORY), ret;

	a.a_fd = open(s->a, O_PATH | O_NOFOLLOW);
	if (dir < 0 || a.a_fd < 0)
		return -1;
	ret = ioctl(dir, LNKFS_IOC_SETATTR, &a);
	close(a.a_fd);
	close(dir);
	return ret;
}

static int do_sync(const struct ace_step *s)
{
	int fd = open_path(s->code == ACE_SYNC ? "." : s->a,
			   s->code == ACE_MSYNC ? O_RDWR : O_RDONLY), ret;

	if (s->code == ACE_MSYNC)
		ret = do_mapped(fd, s, true);
	else if (s->code == ACE_SYNC)
		ret = syncfs(fd);
	else
		ret = s->code == ACE_FSYNC ? fsync(fd) : fdatasync(fd);
	return close(fd) ? -1 : ret;
}

static int do_drop(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), ret;

	ret = fd < 0 || write(fd, "3", 1) != 1 ? -1 : 0;
	close(fd);
	return ret;
}

static int do_attr(const struct ace_step *s, u32 index)
{
	if (s->code == ACE_RMX)
		return lremovexattr(s->a, s->b);
	ace_fill(buf, seq_number, index, 0, s->off);
	return lsetxattr(s->a, s->b, buf, s->off, 0);
}

static int hold(int fd)
{
	held = fd;
	return fd < 0 ? -1 : 0;
}

static int do_link(const struct ace_step *s)
{
	char path[32];

	if (s->code == ACE_LINK)
		return link(s->a, s->b);
	sprintf(path, "/proc/self/fd/%d", held);
	return linkat(AT_FDCWD, path, AT_FDCWD, s->a, AT_SYMLINK_FOLLOW);
}

static int do_creat(const struct ace_step *s)
{
	int fd = open(s->a, O_CREAT | O_EXCL | O_WRONLY, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int run_step(const struct ace_step *s, u32 index)
{
	switch (s->code) {
	case ACE_CREAT:
		return do_creat(s);
	case ACE_MKDIR:
		return mkdir(s->a, 0755);
	case ACE_SYMLINK:
		ace_target((char *)buf, seq_number, index, (u32)s->off);
		return symlink((char *)buf, s->a);
	case ACE_TMPFILE:
		return hold(open(".", O_TMPFILE | O_RDWR, 0644));
	case ACE_HOLD:
		return hold(open(s->a, O_RDWR));
	case ACE_LINK:
	case ACE_LINKFD:
		return do_link(s);
	case ACE_UNLINK:
		return unlink(s->a);
	case ACE_RMDIR:
		return rmdir(s->a);
	case ACE_RENAME:
		return rename(s->a, s->b);
	case ACE_NOREPLACE:
		return renameat2(AT_FDCWD, s->a, AT_FDCWD, s->b, RENAME_NOREPLACE);
	case ACE_EXCHANGE:
		return renameat2(AT_FDCWD, s->a, AT_FDCWD, s->b, RENAME_EXCHANGE);
	case ACE_TRUNCATE:
		return truncate(s->a, (off_t)s->off);
	case ACE_FALLOC:
	case ACE_KEEP:
	case ACE_PUNCH:
	case ACE_ZERO:
		return do_falloc(s);
	case ACE_SETX:
	case ACE_RMX:
		return do_attr(s, index);
	case ACE_CHMOD:
		return chmod(s->a, (mode_t)s->off);
	case ACE_LSET:
		return do_link_attr(s);
	case ACE_FSYNC:
	case ACE_FDATASYNC:
	case ACE_MSYNC:
	case ACE_SYNC:
		return do_sync(s);
	case ACE_DROP:
		return do_drop();
	default:
		return do_write(s, index);
	}
}

static void run_steps(const struct ace_seq *seq, u32 from, u32 to, bool marks)
{
	char text[128];
	u32 i;

	for (i = from; i < to; i++) {
		if (marks)
			next_mark();
		if (run_step(&seq->step[i], i)) {
			ace_print(&seq->step[i], text, sizeof(text));
			die("'%s'", text);
		}
	}
}

static void enter(u32 number, bool make)
{
	char name[16];

	sprintf(name, "q%u", number);
	if ((make && mkdir(name, 0755)) || chdir(name))
		die("%s", name);
	seq_number = number;
}

static void leave(void)
{
	if (held >= 0)
		close(held);
	held = -1;
	if (chdir(".."))
		die("..");
}

/* Run up to BATCH sequences, whose numbers begin with @first. */
static void run_batch(struct ace_seq *seq, char (*text)[ACE_TEXT], u32 nr, u32 first,
		      FILE *ledger)
{
	u32 base = ace_base_steps(), i;

	for (i = 0; i < nr; i++) {
		enter(first + i, true);
		run_steps(&seq[i], 0, base, false);
		leave();
	}
	sync();
	for (i = 0; i < nr; i++) {
		enter(first + i, false);
		fprintf(ledger, "%u %u %s\n", first + i, mark + 1, text[i]);
		run_steps(&seq[i], base, seq[i].nr, true);
		next_mark();
		leave();
	}
	/* A mark that belongs to no sequence. */
	next_mark();
	if (system("rm -rf q*") || fflush(ledger))
		die("cleaning up");
	sync();
}

static void run(char **argv)
{
	static char text[BATCH][ACE_TEXT];
	static struct ace_seq seq[BATCH];
	FILE *list = fopen(argv[2], "r"), *ledger = fopen(argv[3], "w");
	u32 done = 0, nr = 0;
	bool more = true;

	if (!list || !ledger || chdir(argv[1]))
		die("cannot begin");
	while (more) {
		more = fgets(text[nr], ACE_TEXT, list);
		if (more) {
			text[nr][strcspn(text[nr], "\n")] = '\0';
			if (!ace_parse(&seq[nr], text[nr]))
				die("cannot read '%s'", text[nr]);
			nr++;
		}
		if (nr == BATCH || (!more && nr)) {
			run_batch(seq, text, nr, done + 1, ledger);
			done += nr;
			nr = 0;
		}
	}
	if (fclose(ledger))
		die("the ledger");
	printf("%u sequences, %u marks\n", done, mark);
}

int main(int argc, char **argv)
{
	umask(022);
	if (argc == 5 && !strcmp(argv[1], "list")) {
		ace_list((u32)atoi(argv[2]), (u32)atoi(argv[3]), (u64)atoll(argv[4]));
		return 0;
	}
	if (argc != 6 || strcmp(argv[1], "run")) {
		fprintf(stderr, "usage: ace list DEPTH COUNT SEED\n"
				"       ace run DM-DEVICE DIR LIST LEDGER\n");
		return 2;
	}
	device = argv[2];
	run(argv + 2);
	return 0;
}
