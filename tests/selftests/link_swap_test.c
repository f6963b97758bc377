// SPDX-License-Identifier: GPL-2.0
/*
 * A link is replaced by rename while others look at it: at no time is it
 * missing, and at no time is it anything but the old or the new one.
 */
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lnkfs_test.h"

#define SWAP_SECONDS	0.6
#define SLOW_LEN	950	/* kept in no inode of 1 KiB blocks */
#define SLOW_LEN_4K	2000	/* nor of 4 KiB */

/* What the readers have seen. */
struct seen {
	volatile bool stop;
	volatile unsigned int texts, files;
	char wrong[200];
};

FIXTURE(swap)
{
	struct tdir dir;
	struct seen *seen;
	char text[2][SLOW_LEN_4K + 100];
};

FIXTURE_VARIANT(swap)
{
	unsigned int len[2];	/* of the targets; 0: hard links instead */
	bool exchange;
};

FIXTURE_VARIANT_ADD(swap, fast_and_fast) { .len = { 40, 90 } };
FIXTURE_VARIANT_ADD(swap, fast_and_slow) { .len = { 40, SLOW_LEN } };
FIXTURE_VARIANT_ADD(swap, slow_and_slow) { .len = { SLOW_LEN, SLOW_LEN } };
FIXTURE_VARIANT_ADD(swap, exchanged) { .len = { 40, SLOW_LEN }, .exchange = true };
FIXTURE_VARIANT_ADD(swap, hard_links) { .len = { 0, 0 } };

FIXTURE_SETUP(swap)
{
	unsigned int i, len;

	self->seen = mmap(NULL, sizeof(*self->seen), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->seen);
	tdir_enter(_metadata, &self->dir);
	ASSERT_OK(create_text("0", "text 0"));
	ASSERT_OK(create_text("1", "text 1"));
	for (i = 0; i < 2; i++) {
		len = variant->len[i];
		if (!len)
			continue;
		if (len == SLOW_LEN && fs_block_size() > 1024)
			len = SLOW_LEN_4K;
		memset(self->text[i], '/', len);
		self->text[i][0] = '.';
		self->text[i][len - 1] = '0' + i;
	}
}

FIXTURE_TEARDOWN(swap)
{
	tdir_leave(_metadata, &self->dir);
}

static int make(const char *target, const char *file, const char *name)
{
	return *target ? symlink(target, name) : link(file, name);
}

static void wrong(struct seen *seen, const char *fmt, const char *what)
{
	snprintf(seen->wrong, sizeof(seen->wrong), fmt, what);
	_exit(1);
}

/* Read the text of the link, again and again. */
static void read_texts(struct seen *seen, const char *a, const char *b)
{
	char got[SLOW_LEN_4K + 200];
	struct stat st;
	ssize_t n;

	while (!seen->stop) {
		if (*a) {
			n = readlink("l", got, sizeof(got) - 1);
			if (n < 0)
				wrong(seen, "readlink: %s", strerrorname_np(errno));
			got[n] = 0;
			if (strcmp(got, a) && strcmp(got, b))
				wrong(seen, "text is %s", got);
		} else if (lstat("l", &st)) {
			wrong(seen, "lstat: %s", strerrorname_np(errno));
		} else if (!st.st_nlink) {
			wrong(seen, "%s", "no link is left");
		}
		seen->texts++;
	}
	_exit(0);
}

/* Read what it leads to. */
static void read_files(struct seen *seen)
{
	char got[16];
	ssize_t n;
	int fd;

	while (!seen->stop) {
		fd = open("l", O_RDONLY);
		if (fd < 0)
			wrong(seen, "open: %s", strerrorname_np(errno));
		n = read(fd, got, sizeof(got) - 1);
		got[n < 0 ? 0 : n] = 0;
		close(fd);
		if (strcmp(got, "text 0") && strcmp(got, "text 1"))
			wrong(seen, "file has %s", got);
		seen->files++;
	}
	_exit(0);
}

TEST_F(swap, never_missing_never_half)
{
	unsigned int rounds = 0, i;
	double end;
	pid_t pid[2];
	int state;

	ASSERT_OK(make(self->text[0], "0", "l"));
	ASSERT_OK(make(self->text[1], "1", "new"));
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i] && !i)
			read_texts(self->seen, self->text[0], self->text[1]);
		if (!pid[i])
			read_files(self->seen);
	}
	/* On a slow machine longer: until there has been enough to see. */
	end = seconds() + SWAP_SECONDS;
	for (; seconds() < end || (rounds < 50 && seconds() < end + 9); rounds++) {
		if (variant->exchange) {
			if (syscall(SYS_renameat2, AT_FDCWD, "new", AT_FDCWD, "l",
				    RENAME_EXCHANGE))
				break;
			continue;
		}
		if (rename("new", "l"))
			break;
		i = rounds % 2;
		if (make(self->text[i], i ? "1" : "0", "new"))
			break;
	}
	EXPECT_LE(end, seconds()) TH_LOG("round %u: %s", rounds, strerror(errno));
	self->seen->stop = true;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(pid[i], waitpid(pid[i], &state, 0));
		EXPECT_EQ(0, state) TH_LOG("%s", self->seen->wrong);
	}
	/* They really were at it at the same time. */
	EXPECT_LT(20, rounds);
	EXPECT_LT(20, self->seen->texts);
	EXPECT_LT(20, self->seen->files);
}

TEST_HARNESS_MAIN
