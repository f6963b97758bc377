// SPDX-License-Identifier: GPL-2.0
/*
 * Running fsck.lnkfs: its main program, built with the sanitizers, in a child
 * process of this one. Starting a program for each image would take most of the
 * time.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fsck.h"

#define SANITIZER_STATUS	99
#define SECONDS			30
#define KIB			1024

int fsck_main(int argc, char **argv);

/* Not 1, which fsck.lnkfs means something by. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "exitcode=99:detect_leaks=0:allocator_may_return_null=0";
}

const char *__ubsan_default_options(void)
{
	return "exitcode=99:print_stacktrace=1";
}

/**
 * output_new() - a place for what children say
 * @out: filled in
 */
void output_new(struct output *out)
{
	out->fd = memfd_create("output", MFD_CLOEXEC);
	out->blocks = mmap(NULL, sizeof(u64), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (out->fd < 0 || out->blocks == MAP_FAILED)
		die("no memory");
}

/**
 * output_end() - give its memory back
 * @out: see output_new()
 */
void output_end(struct output *out)
{
	munmap(out->blocks, sizeof(u64));
	close(out->fd);
}

/**
 * output_text() - what the last child said
 * @out: where it was kept
 *
 * Return: the text, to be freed.
 */
char *output_text(struct output *out)
{
	off_t size = lseek(out->fd, 0, SEEK_END);
	char *text = malloc((size_t)size + 1);

	if (!text || pread(out->fd, text, (size_t)size, 0) != size)
		die("no memory");
	text[size] = '\0';
	return text;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? STATUS_HANG : STATUS_CRASH;
	status = WEXITSTATUS(status);
	return status == SANITIZER_STATUS ? STATUS_CRASH : status;
}

/**
 * child_run() - do something that may crash
 * @run: does it; its value is the exit status
 * @arg: its argument
 * @out: gets what it says
 */
int child_run(int (*run)(void *arg, FILE *out), void *arg, struct output *out)
{
	const char *slow = getenv("LNKFS_SLOW");
	pid_t pid;
	int ret;

	fflush(stdout);
	if (ftruncate(out->fd, 0) < 0 || lseek(out->fd, 0, SEEK_SET) < 0)
		die("output: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		alarm(SECONDS * (slow && atoi(slow) > 0 ? (unsigned int)atoi(slow) : 1));
		dup2(out->fd, 1);
		dup2(out->fd, 2);
		ret = run(arg, stdout);
		fflush(stdout);
		_exit(ret);
	}
	return wait_for(pid);
}

struct call {
	char *argv[4];
	struct cut cut;
	u64 *blocks;
};

static int call_fsck(void *arg, FILE *out)
{
	struct call *call = arg;
	int status;

	(void)out;
	power_on(&call->cut, call->blocks);
	/* The options of this program have been read with it, too. */
	optind = 0;
	status = fsck_main(3, call->argv);
	return power_off(status);
}

static int call_with(const char *options, const char *path, const struct cut *cut,
		     struct output *out)
{
	struct call call = {
		.argv = { (char *)"fsck.lnkfs", (char *)options, (char *)path },
		.cut = *cut,
		.blocks = out->blocks,
	};

	return child_run(call_fsck, &call, out);
}

/**
 * fsck_run() - run fsck.lnkfs
 * @options: for example -fn
 * @path: the image
 * @out: gets what it says
 *
 * Return: its exit status, STATUS_CRASH, STATUS_HANG, STATUS_LOOSE.
 */
int fsck_run(const char *options, const char *path, struct output *out)
{
	struct cut never = { .after = ~0ULL, .unit = KIB };

	return call_with(options, path, &never, out);
}

/**
 * fsck_cut_and_repair() - stop repairs in the middle, then let one go to its end
 * @path: the image
 * @unit: bytes of a block
 * @seed: when they are stopped
 * @kib: what fsck_run() wrote when it was not stopped, in KiB
 * @out: gets what it says
 * @why: set to what is wrong
 *
 * Return: how often the power failed; @why says if the last repair did not succeed.
 */
int fsck_cut_and_repair(const char *path, u32 unit, u64 seed, u64 kib, struct output *out,
			const char **why)
{
	struct cut cut = { .unit = unit };
	u64 blocks = max_t(u64, kib * KIB / unit, 1);
	int status, cuts = 0;

	*why = NULL;
	do {
		cut.after = power_random(&seed) % blocks;
		cut.seed = power_random(&seed);
		cut.small = !(power_random(&seed) % 3);
		status = call_with("-fy", path, &cut, out);
		if (status != STATUS_CUT)
			break;
		cuts++;
	} while (!(power_random(&seed) % 4));
	if (status == STATUS_CUT)
		status = fsck_run("-fy", path, out);
	if (status != 0 && status != 1)
		*why = "-fy after a power failure: exit status";
	else if (fsck_run("-fn", path, out))
		*why = "-fn after that finds something";
	return cuts;
}
