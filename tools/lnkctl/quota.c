// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl quota: usage and limits of users, groups and projects, on any
 * filesystem with quotactl_fd(2).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dqblk_xfs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lnkctl.h"
#include "quota_names.h"
#include "text.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd	443
#endif

static const char help[] =
	"usage: lnkctl quota report [-ugPn] PATH\n"
	"       lnkctl quota show [-ugPn] PATH [OWNER]...\n"
	"       lnkctl quota set [-ugP] PATH OWNER LIMIT=VALUE...\n"
	"       lnkctl quota grace [-ugP] PATH [blocks=TIME] [inodes=TIME]\n"
	"       lnkctl quota on|off|sync [-ugP] PATH\n"
	"       lnkctl quota state PATH\n"
	"\n"
	"Disk quota of the filesystem that PATH is on.\n"
	"\n"
	"  report  usage and limits of every owner that has either\n"
	"  show    of each OWNER, without one of yourself\n"
	"  set     bsoft, bhard (bytes; K, M, G, T), isoft, ihard (inodes); 0: none\n"
	"  grace   how long soft limits may be exceeded: seconds, or with m, h, d, w\n"
	"  on, off enforce limits, or do not; usage is always kept\n"
	"  sync    write usage to the disk\n"
	"  state   what is kept and enforced\n"
	"\n"
	"  -u, --user     owners are users (the default)\n"
	"  -g, --group    groups\n"
	"  -P, --project  projects\n"
	"  -n, --numeric  print IDs, not names\n"
	"      --help     this text\n";

/**
 * struct quota_job - what the command line says
 * @fd: open on the filesystem
 * @path: how it was named
 * @type: USRQUOTA, GRPQUOTA, PRJQUOTA
 * @numeric: print IDs
 * @args: what follows the path
 * @nargs: how many
 */
struct quota_job {
	int fd;
	const char *path;
	int type;
	bool numeric;
	char **args;
	int nargs;
};

static int control(const struct quota_job *job, int cmd, uint32_t id, void *arg)
{
	return (int)syscall(SYS_quotactl_fd, job->fd, QCMD(cmd, job->type), id, arg);
}

/* ---- numbers ---- */

/* A decimal number with an optional suffix; @suffixes and what they multiply by. */
static uint64_t parse_number(const char *text, const char *suffixes, const uint64_t *factors)
{
	unsigned long long n;
	const char *suffix;
	uint64_t result;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		lnkctl_usage("%s: not a number", text);
	if (!*end)
		return n;
	suffix = strchr(suffixes, *end);
	if (!suffix || end[1] || __builtin_mul_overflow(n, factors[suffix - suffixes], &result))
		lnkctl_usage("%s: not a number", text);
	return result;
}

static uint64_t parse_bytes(const char *text)
{
	static const uint64_t factors[] = {
		1ULL << 10, 1ULL << 20, 1ULL << 30, 1ULL << 40,
		1ULL << 10, 1ULL << 20, 1ULL << 30, 1ULL << 40,
	};

	return parse_number(text, "KMGTkmgt", factors);
}

static uint64_t parse_seconds(const char *text)
{
	static const uint64_t factors[] = { 1, 60, 3600, 86400, 604800 };
	uint64_t seconds = parse_number(text, "smhdw", factors);

	if (!seconds || seconds > UINT32_MAX)
		lnkctl_usage("%s: not a time from a second to %u of them", text, UINT32_MAX);
	return seconds;
}

/* Kibibytes in at most six characters. */
static const char *show_kib(uint64_t kib, char text[24])
{
	static const char units[] = "KMGTPE";
	const char *unit = units;

	while (kib >= 100000 && unit[1]) {
		kib = (kib + 1023) / 1024;
		unit++;
	}
	snprintf(text, 24, "%" PRIu64 "%c", kib, kib ? *unit : 0);
	return text;
}

/* What is left of a grace time: it ends at @end, 0: it has not begun. */
static const char *show_grace(uint64_t end, char text[24])
{
	uint64_t now = (uint64_t)time(NULL), left;

	if (!end)
		return "-";
	if (end <= now)
		return "none";
	left = end - now;
	if (left >= 2 * 86400)
		snprintf(text, 24, "%" PRIu64 "d", (left + 43200) / 86400);
	else if (left >= 2 * 3600)
		snprintf(text, 24, "%" PRIu64 "h", (left + 1800) / 3600);
	else
		snprintf(text, 24, "%" PRIu64 "m", (left + 59) / 60);
	return text;
}

/* ---- report and show ---- */

/* USRQUOTA, GRPQUOTA, PRJQUOTA */
static const struct { const char *name; uint32_t kept, enforced; } types[] = {
	{ "user", FS_QUOTA_UDQ_ACCT, FS_QUOTA_UDQ_ENFD },
	{ "group", FS_QUOTA_GDQ_ACCT, FS_QUOTA_GDQ_ENFD },
	{ "project", FS_QUOTA_PDQ_ACCT, FS_QUOTA_PDQ_ENFD },
};

static void print_head(const struct quota_job *job)
{
	printf("%-16s %7s %7s %7s %6s  %9s %9s %9s %6s\n", types[job->type].name, "used", "soft",
	       "hard", "grace", "inodes", "soft", "hard", "grace");
}

static void print_one(const struct quota_job *job, uint32_t id, const struct if_dqblk *d)
{
	char used[24], soft[24], hard[24], bgrace[24], igrace[24], name[256];
	bool over = d->dqb_bsoftlimit && d->dqb_curspace > d->dqb_bsoftlimit << 10;
	bool iover = d->dqb_isoftlimit && d->dqb_curinodes > d->dqb_isoftlimit;

	if (job->numeric || quota_name(job->type, id, name, sizeof(name)))
		snprintf(name, sizeof(name), "%" PRIu32, id);
	text_message(stdout, name);
	printf("%*s %7s %7s %7s %6s  %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %6s\n",
	       strlen(name) < 16 ? (int)(16 - strlen(name)) : 0, "",
	       show_kib((d->dqb_curspace + 1023) >> 10, used), show_kib(d->dqb_bsoftlimit, soft),
	       show_kib(d->dqb_bhardlimit, hard), show_grace(over ? d->dqb_btime : 0, bgrace),
	       (uint64_t)d->dqb_curinodes, (uint64_t)d->dqb_isoftlimit,
	       (uint64_t)d->dqb_ihardlimit, show_grace(iover ? d->dqb_itime : 0, igrace));
}

static bool worth_a_line(const struct if_nextdqblk *d)
{
	return d->dqb_curspace || d->dqb_curinodes || d->dqb_bhardlimit || d->dqb_bsoftlimit ||
	       d->dqb_ihardlimit || d->dqb_isoftlimit;
}

static void report(const struct quota_job *job)
{
	struct if_nextdqblk d;
	struct if_dqblk one;
	uint32_t id = 0;

	print_head(job);
	for (;;) {
		memset(&d, 0, sizeof(d));
		if (control(job, Q_GETNEXTQUOTA, id, &d)) {
			if (errno != ENOENT)
				lnkctl_failed(job->path, errno);
			return;
		}
		memset(&one, 0, sizeof(one));
		memcpy(&one, &d, offsetof(struct if_nextdqblk, dqb_id));
		if (worth_a_line(&d))
			print_one(job, d.dqb_id, &one);
		if (d.dqb_id == UINT32_MAX || d.dqb_id < id)
			return;
		id = d.dqb_id + 1;
	}
}

static uint32_t parse_owner(const struct quota_job *job, const char *text)
{
	unsigned long long n;
	uint32_t id;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	/* (uint32_t)-1 is nobody's ID. */
	if (isdigit((unsigned char)*text) && !*end && !errno && n < UINT32_MAX)
		return (uint32_t)n;
	if (quota_id(job->type, text, &id))
		lnkctl_usage("%s: no such owner", text);
	return id;
}

static void show_one(const struct quota_job *job, uint32_t id)
{
	struct if_dqblk d = { 0 };

	if (control(job, Q_GETQUOTA, id, &d))
		lnkctl_failed(job->path, errno);
	else
		print_one(job, id, &d);
}

static void show(const struct quota_job *job)
{
	int i;

	if (!job->nargs && job->type == PRJQUOTA)
		lnkctl_usage("a project is missing");
	for (i = 0; i < job->nargs; i++)
		parse_owner(job, job->args[i]);
	print_head(job);
	if (!job->nargs)
		show_one(job, job->type == USRQUOTA ? getuid() : getgid());
	for (i = 0; i < job->nargs; i++)
		show_one(job, parse_owner(job, job->args[i]));
}

/* ---- changes ---- */

/* Is @arg KEY=VALUE with this key? */
static bool has_key(const char *arg, const char *key, const char **value)
{
	size_t len = strlen(key);

	if (strncmp(arg, key, len) || arg[len] != '=')
		return false;
	*value = arg + len + 1;
	return true;
}

/* A limit of space in KiB. */
static uint64_t parse_space(const char *text)
{
	uint64_t bytes = parse_bytes(text);

	return (bytes >> 10) + !!(bytes & 1023);
}

static void parse_limit(const char *arg, struct if_dqblk *d)
{
	const char *value;

	if (has_key(arg, "bsoft", &value))
		d->dqb_bsoftlimit = parse_space(value);
	else if (has_key(arg, "bhard", &value))
		d->dqb_bhardlimit = parse_space(value);
	else if (has_key(arg, "isoft", &value))
		d->dqb_isoftlimit = parse_number(value, "", NULL);
	else if (has_key(arg, "ihard", &value))
		d->dqb_ihardlimit = parse_number(value, "", NULL);
	else
		lnkctl_usage("%s: not a limit", arg);
}

static void set(const struct quota_job *job)
{
	struct if_dqblk d = { 0 };
	uint32_t id;
	int i;

	if (job->nargs < 2)
		lnkctl_usage("an owner or a limit is missing");
	id = parse_owner(job, job->args[0]);
	/* What is not one is found before anything is looked at. */
	for (i = 1; i < job->nargs; i++)
		parse_limit(job->args[i], &d);
	if (control(job, Q_GETQUOTA, id, &d)) {
		lnkctl_failed(job->path, errno);
		return;
	}
	for (i = 1; i < job->nargs; i++)
		parse_limit(job->args[i], &d);
	if ((d.dqb_bhardlimit && d.dqb_bsoftlimit > d.dqb_bhardlimit) ||
	    (d.dqb_ihardlimit && d.dqb_isoftlimit > d.dqb_ihardlimit))
		lnkctl_usage("a soft limit above the hard one");
	d.dqb_valid = QIF_LIMITS;
	if (control(job, Q_SETQUOTA, id, &d))
		lnkctl_failed(job->path, errno);
}

static void grace(const struct quota_job *job)
{
	struct if_dqinfo info = { 0 };
	const char *value;
	int i;

	for (i = 0; i < job->nargs; i++) {
		if (has_key(job->args[i], "blocks", &value)) {
			info.dqi_bgrace = parse_seconds(value);
			info.dqi_valid |= IIF_BGRACE;
		} else if (has_key(job->args[i], "inodes", &value)) {
			info.dqi_igrace = parse_seconds(value);
			info.dqi_valid |= IIF_IGRACE;
		} else {
			lnkctl_usage("%s: not a time of blocks or inodes", job->args[i]);
		}
	}
	if (control(job, job->nargs ? Q_SETINFO : Q_GETINFO, 0, &info))
		lnkctl_failed(job->path, errno);
	else if (!job->nargs)
		printf("blocks %" PRIu64 "s\ninodes %" PRIu64 "s\n", (uint64_t)info.dqi_bgrace,
		       (uint64_t)info.dqi_igrace);
}

static void enforce(const struct quota_job *job, int cmd)
{
	uint32_t flag = types[job->type].enforced;

	/* It is so already, the kernel says. */
	if (control(job, cmd, 0, &flag) && errno != EEXIST)
		lnkctl_failed(job->path, errno);
}

static void turn_on(const struct quota_job *job)
{
	enforce(job, Q_XQUOTAON);
}

static void turn_off(const struct quota_job *job)
{
	enforce(job, Q_XQUOTAOFF);
}

static void do_sync(const struct quota_job *job)
{
	/* With a journal the kernel's part of it is none. */
	if (control(job, Q_SYNC, 0, NULL) || syncfs(job->fd))
		lnkctl_failed(job->path, errno);
}

static void state(const struct quota_job *job)
{
	struct fs_quota_statv st = { .qs_version = FS_QSTATV_VERSION1 };
	size_t i;

	if (control(job, Q_XGETQSTATV, 0, &st)) {
		lnkctl_failed(job->path, errno);
		return;
	}
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		printf("%-8s usage %s, limits %s\n", types[i].name,
		       st.qs_flags & types[i].kept ? "kept" : "not kept",
		       st.qs_flags & types[i].enforced ? "enforced" : "not enforced");
}

/* ---- the command line ---- */

static const struct {
	const char *name;
	void (*run)(const struct quota_job *job);
	bool args;
} actions[] = {
	{ "report", report, false },
	{ "show", show, true },
	{ "set", set, true },
	{ "grace", grace, true },
	{ "on", turn_on, false },
	{ "off", turn_off, false },
	{ "sync", do_sync, false },
	{ "state", state, false },
};

static void parse_options(struct quota_job *job, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ "user", no_argument, NULL, 'u' },
		{ "group", no_argument, NULL, 'g' },
		{ "project", no_argument, NULL, 'P' },
		{ "numeric", no_argument, NULL, 'n' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "ugPn", longs, NULL)) != -1) {
		if (c == 'u')
			job->type = USRQUOTA;
		else if (c == 'g')
			job->type = GRPQUOTA;
		else if (c == 'P')
			job->type = PRJQUOTA;
		else if (c == 'n')
			job->numeric = true;
		else
			lnkctl_help_or_bad(c, help);
	}
}

static int run(int argc, char **argv)
{
	struct quota_job job = { .type = USRQUOTA };
	size_t i;

	parse_options(&job, argc, argv);
	if (argc - optind < 1)
		lnkctl_usage("report, show, set, grace, on, off, sync or state is missing");
	for (i = 0; strcmp(argv[optind], actions[i].name);)
		if (++i == sizeof(actions) / sizeof(actions[0]))
			lnkctl_usage("%s: cannot do that with quota", argv[optind]);
	if (argc - optind < 2)
		lnkctl_usage("a path is missing");
	job.path = argv[optind + 1];
	job.args = argv + optind + 2;
	job.nargs = argc - optind - 2;
	if (job.nargs && !actions[i].args)
		lnkctl_usage("%s: too many arguments", job.args[0]);
	job.fd = open(job.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (job.fd < 0) {
		lnkctl_failed(job.path, errno);
		return LNKCTL_FAILED;
	}
	actions[i].run(&job);
	close(job.fd);
	return 0;
}

const struct lnkctl_command lnkctl_quota = {
	.name = "quota",
	.summary = "disk quota: usage and limits",
	.help = help,
	.run = run,
};
