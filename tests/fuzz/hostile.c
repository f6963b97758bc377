// SPDX-License-Identifier: GPL-2.0
/*
 * Mounting hostile images; see usage_text. The program that uses them is watched by
 * another one, and what it is about to do is in the kernel's log before it does it.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

static const char usage_text[] =
	"usage: hostile show SEED			the case of a seed\n"
	"       hostile image SEED IMAGE		make its image\n"
	"       hostile image CASE IMAGE		make the image of a case (hostile.h)\n"
	"       hostile volumes FILE			make all sound volumes, for run -v\n"
	"       hostile run [-b MS] [-c COUNT] [-f CASES] [-h SECONDS] [-s SEED] [-t SECONDS]\n"
	"                   [-v VOLUMES]\n"
	"					mount images: as root, in a guest\n";

#define SEED_FACTOR	2654435761

struct progress *progress;

/**
 * struct options - the command line
 * @seed: of the first image, or number of the first line
 * @count: images
 * @seconds: time after which no image is begun, or 0
 * @budget_ms: time for an image
 * @hang: seconds without progress that are a hang
 * @cases: file with cases, or NULL: seeds
 */
struct options {
	u64 seed;
	u64 count;
	u64 seconds;
	u64 budget_ms;
	u64 hang;
	const char *cases;
};

/**
 * now_ms() - a clock, in milliseconds
 */
u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

/**
 * step() - say what is about to be done
 * @what: a few words
 */
void step(const char *what)
{
	snprintf(progress->what, sizeof(progress->what), "%s", what);
	progress->steps++;
}

/**
 * note() - count the outcome of a system call
 * @ret: what it returned; -1: see errno
 */
void note(long ret)
{
	progress->errors[ret >= 0 ? 0 : errno < 140 ? errno : 139]++;
	progress->steps++;
}

static void say(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		printf("# no kernel log: %s\n", strerror(errno));
	close(fd);
}

/**
 * complain() - something went wrong that is no splat
 * @fmt: what, without the end of the line
 */
void complain(const char *fmt, ...)
{
	char text[300];
	va_list ap;
	int n;

	n = snprintf(text, sizeof(text), "hostile: seed %" PRIu64 " fails: ", progress->seed);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	say(text);
	puts(text);
	progress->bad++;
}

static void case_of_seed(struct hcase *c, u64 seed)
{
	chance_seed(seed * SEED_FACTOR);
	case_random(c);
}

/* ---- the kernel's log ---- */

static int kmsg;

/* Has the kernel complained about something that did not stop it? */
static bool kernel_complained(void)
{
	static const char *const words[] = {
		"BUG:", "WARNING:", "KASAN", "UBSAN:", "possible circular", "possible recursive",
		"inconsistent lock", "suspicious RCU", "bad unlock", "held lock freed",
	};
	char rec[8193];
	bool bad = false;
	ssize_t len;
	u32 i;

	while ((len = read(kmsg, rec, sizeof(rec) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		rec[len] = '\0';
		for (i = 0; i < ARRAY_SIZE(words); i++)
			bad |= strstr(rec, words[i]) != NULL;
	}
	return bad;
}

/* ---- one image after the other ---- */

static bool one(const struct options *o, struct hcase *c)
{
	char text[160];

	snprintf(text, sizeof(text), "hostile: seed %" PRIu64 ": %s log %" PRIu64 " run %" PRIu64,
		 progress->seed, c->v->r->name, c->log, c->run);
	say(text);
	use_case(c, o->budget_ms);
	case_free(c);
	if (!kernel_complained())
		return true;
	complain("the kernel complained");
	return false;
}

static int use_seeds(const struct options *o)
{
	u64 end = now_ms() + o->seconds * 1000, n;
	struct hcase c;

	for (n = 0; n < o->count && (!o->seconds || now_ms() < end); n++) {
		progress->seed = o->seed + n;
		step("making an image");
		case_of_seed(&c, progress->seed);
		if (!one(o, &c))
			return 1;
	}
	return 0;
}

static int use_lines(const struct options *o)
{
	FILE *f = fopen(o->cases, "r");
	struct hcase c;
	char *line = NULL;
	size_t size = 0;
	u64 nr = 0;

	if (!f)
		die("%s: %s", o->cases, strerror(errno));
	while (getline(&line, &size, f) > 0) {
		if (++nr < o->seed || !case_parse(&c, line))
			continue;
		progress->seed = nr;
		if (!one(o, &c))
			return 1;
	}
	free(line);
	fclose(f);
	return 0;
}

/* ---- watching ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Wait for the process that uses the images: false if it hangs. */
static bool watch(const struct options *o, pid_t pid, int *status)
{
	u64 steps = ~0ULL, since = now_ms();

	while (waitpid(pid, status, WNOHANG) != pid) {
		usleep(100000);
		if (progress->steps != steps) {
			steps = progress->steps;
			since = now_ms();
		} else if (now_ms() - since > o->hang * 1000) {
			return false;
		}
	}
	return true;
}

static void report(const struct options *o, u64 ms)
{
	u32 i;

	printf("# hostile: from %" PRIu64 " on %" PRIu64 " images, %" PRIu64 " mounted, %" PRIu64
	       " failures, %.1f s, next %" PRIu64 "\n", o->seed, progress->images,
	       progress->mounted, progress->bad, (double)ms / 1000, progress->seed + 1);
	printf("# mounts:");
	for (i = 0; i < ARRAY_SIZE(progress->mount_errors); i++)
		if (progress->mount_errors[i])
			printf(" %s %" PRIu64, strerrorname_np((int)i), progress->mount_errors[i]);
	printf("\n# calls:");
	for (i = 0; i < ARRAY_SIZE(progress->errors); i++)
		if (progress->errors[i])
			printf(" %s %" PRIu64, i ? strerrorname_np((int)i) : "good",
			       progress->errors[i]);
	putchar('\n');
	fflush(stdout);
}

static int run(const struct options *o)
{
	u64 begin = now_ms();
	int status = 0;
	pid_t pid;

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		die("no memory");
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	write_file("/proc/sys/kernel/panic_on_rcu_stall", "1");
	write_file("/proc/sys/kernel/softlockup_panic", "1");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	lseek(kmsg, 0, SEEK_END);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		status = o->cases ? use_lines(o) : use_seeds(o);
		fflush(stdout);
		_exit(status);
	}
	if (!watch(o, pid, &status)) {
		complain("hangs in %s", progress->what);
		write_file("/proc/sys/kernel/sysrq", "1");
		write_file("/proc/sysrq-trigger", "w");
		write_file("/proc/sysrq-trigger", "l");
	} else if (status && !progress->bad) {
		complain("the process ended with status %x in %s", status, progress->what);
	}
	report(o, now_ms() - begin);
	return progress->bad ? 1 : 0;
}

static int make_image(const char *what, const char *path)
{
	struct img img;
	struct hcase c;
	char *end;
	u64 seed = strtoull(what, &end, 0);

	if (!*end)
		case_of_seed(&c, seed);
	else if (!case_parse(&c, what))
		die("no case");
	img_new(&img, "image", c.v->img.bytes);
	case_make(&c, &img);
	img_save(&img, path);
	return 0;
}

static int show(const char *what)
{
	struct hcase c;

	case_of_seed(&c, strtoull(what, NULL, 0));
	case_print(&c, stdout);
	putchar('\n');
	return 0;
}

static int run_main(int argc, char **argv)
{
	struct options o = { .seed = 1, .count = ~0ULL >> 1, .budget_ms = 1000, .hang = 60 };
	int opt;

	while ((opt = getopt(argc, argv, "b:c:f:h:s:t:v:")) != -1) {
		switch (opt) {
		case 'b':
			o.budget_ms = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			o.count = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			o.cases = optarg;
			break;
		case 'h':
			o.hang = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			o.seconds = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			case_use_pack(optarg);
			break;
		default:
			return 2;
		}
	}
	return optind < argc ? 2 : run(&o);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int ret = 2;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(verb, "show") && argc == 3)
		ret = show(argv[2]);
	else if (!strcmp(verb, "image") && argc == 4)
		ret = make_image(argv[2], argv[3]);
	else if (!strcmp(verb, "volumes") && argc == 3)
		ret = (case_pack(argv[2]), 0);
	else if (!strcmp(verb, "run"))
		ret = run_main(argc - 1, argv + 1);
	if (ret == 2)
		fputs(usage_text, stderr);
	return ret;
}
