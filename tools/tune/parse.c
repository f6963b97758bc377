// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of tune.lnkfs. What makes no sense on any volume is refused
 * here, before anything is opened.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uuid/uuid.h>

#include "../args.h"
#include "defopts.h"
#include "tune.h"
#include "version.h"

static const char usage_text[] =
	"usage: tune.lnkfs [OPTION]... DEVICE\n"
	"\n"
	"Change an lnkfs filesystem that is not mounted, or the label of a mounted one.\n"
	"\n"
	"  -C, --mount-count N         number of mounts that have been counted\n"
	"  -e, --errors BEHAVIOUR      continue, remount-ro or panic\n"
	"  -f, --force                 do not check the volume before -J, -O and -Q\n"
	"  -J size=SIZE                journal of this size (in MiB) in the volume\n"
	"  -J device=JOURNAL           journal on a device of its own\n"
	"  -j, --journal JOURNAL       where the external journal is now\n"
	"  -L, --label LABEL           up to 63 bytes\n"
	"  -l, --list                  show the superblock\n"
	"  -m, --reserved-percent N    share of the blocks kept for root, up to 50\n"
	"  -O [^]FEATURE[,...]         backref, fast_commit, quota, project\n"
	"  -o [^]OPTION[,...]          default mount options: discard, nobarrier,\n"
	"                              symperm, usrquota, grpquota, prjquota\n"
	"  -Q [^]TYPE[,...]            quota files: usrquota, grpquota, prjquota\n"
	"  -r, --reserved-blocks N     number of blocks kept for root\n"
	"  -T, --last-checked TIME     now, @SECONDS or YYYYMMDD[HHMM[SS]]\n"
	"  -U, --uuid UUID             a UUID, random or time\n"
	"  -V, --version; --help\n";

static void __attribute__((noreturn)) usage(void)
{
	fputs(usage_text, stderr);
	exit(TUNE_USAGE);
}

#define ALL_QUOTA	((1u << LNKFS_QUOTA_TYPES) - 1)

/* Add @bits to what is to be on, or off; the last word on a bit counts. */
static void turn(bool on, u32 bits, u32 *turn_on, u32 *turn_off)
{
	*(on ? turn_on : turn_off) |= bits;
	*(on ? turn_off : turn_on) &= ~bits;
}

/* The next word of a list, or NULL; @on: it has no ^ before it. */
static char *next_word(char **text, bool *on)
{
	char *word;

	do {
		word = strsep(text, ",");
	} while (word && !*word);
	*on = !word || *word != '^';
	return *on ? word : word + 1;
}

static void parse_mount_options(struct tune *t, char *text)
{
	u32 bits;
	char *one;
	bool on;

	while ((one = next_word(&text, &on))) {
		if (lnkfs_defopt_find(one, &bits))
			tune_fail(one, "not an option that a volume can have by default");
		if (!bits && !on)
			tune_fail(one, "always on");
		turn(on, bits, &t->opts_on, &t->opts_off);
	}
}

static void parse_quota_types(struct tune *t, char *text)
{
	static const char *const names[][2] = {
		{ "usrquota", "usr" }, { "grpquota", "grp" }, { "prjquota", "prj" },
	};
	char *one;
	bool on;
	u32 i;

	while ((one = next_word(&text, &on))) {
		for (i = 0; i < LNKFS_QUOTA_TYPES; i++)
			if (!strcmp(one, names[i][0]) || !strcmp(one, names[i][1]))
				break;
		if (i == LNKFS_QUOTA_TYPES)
			tune_fail(one, "not a type of quota (usrquota, grpquota, prjquota)");
		turn(on, 1u << i, &t->quota_on, &t->quota_off);
	}
}

/* Features of ext4 that people may ask for, and why not here. */
static const struct {
	const char *name;
	const char *on;
	const char *off;
} fixed_features[] = {
	{ "has_journal", NULL, "every volume has a journal (-J moves it)" },
	{ "ext_journal", "-J device= puts the journal on another device",
	  "-J size= takes the journal back into the volume" },
	{ "journal_dev", "only mkfs.lnkfs makes journal devices", NULL },
	{ "metadata_csum", NULL, "metadata always has checksums" },
	{ "64bit", NULL, "block numbers always have 64 bits" },
	{ "extent", NULL, "files always have extents" },
	{ "extents", NULL, "files always have extents" },
	{ "dir_index", NULL, "large directories always have an index" },
	{ "ext_attr", NULL, "extended attributes are always there" },
	{ "large_file", NULL, "always there" },
	{ "huge_file", NULL, "always there" },
	{ "dir_nlink", NULL, "always there" },
	{ "extra_isize", NULL, "always there" },
};

/* true: it is on for every volume, and nothing has to be done. */
static bool fixed_feature(const char *name, bool on)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixed_features); i++) {
		if (strcmp(name, fixed_features[i].name))
			continue;
		if (on && fixed_features[i].on)
			tune_fail(name, "%s", fixed_features[i].on);
		if (!on && fixed_features[i].off)
			tune_fail(name, "%s", fixed_features[i].off);
		return true;
	}
	return false;
}

static void parse_features(struct tune *t, char *text)
{
	char *one;
	bool on;

	while ((one = next_word(&text, &on))) {
		if (!strcmp(one, "quota")) {
			turn(on, ALL_QUOTA, &t->quota_on, &t->quota_off);
		} else if (!strcmp(one, "project")) {
			turn(on, 1u << LNKFS_QUOTA_PROJECT, &t->quota_on, &t->quota_off);
		} else if (!strcmp(one, "backref")) {
			t->backref_on = on;
			t->backref_off = !on;
		} else if (!strcmp(one, "fast_commit")) {
			t->fast_on = on;
			t->fast_off = !on;
		} else if (!fixed_feature(one, on)) {
			tune_fail(one, "unknown feature");
		}
	}
}

static void parse_journal(struct tune *t, char *text)
{
	char *one;

	while ((one = strsep(&text, ","))) {
		if (!strncmp(one, "device=", 7) && one[7])
			t->journal = one + 7;
		else if (strncmp(one, "size=", 5))
			tune_fail(one, "unknown journal option (only size= and device= are known)");
		else if (!args_size(one + 5, 1 << 20, &t->journal_bytes) || !t->journal_bytes)
			tune_fail(one, "not a size");
	}
	if (t->journal && t->journal_bytes)
		tune_fail(t->journal, "the size of an external journal is decided when it is made");
}

static u8 parse_errors(const char *text)
{
	static const char *const names[] = { "continue", "remount-ro", "panic" };
	u8 i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i]))
			return LNKFS_ERRORS_CONTINUE + i;
	tune_fail(text, "must be continue, remount-ro or panic");
}

static void parse_uuid(struct tune *t, const char *text)
{
	t->set_uuid = true;
	if (!strcmp(text, "random"))
		uuid_generate_random(t->uuid);
	else if (!strcmp(text, "time"))
		uuid_generate_time(t->uuid);
	else if (uuid_parse(text, t->uuid))
		tune_fail(text, "not a UUID, nor random or time");
}

/* All of @text by strptime(), in local time. */
static bool parse_date(const char *text, const char *format, size_t len, time_t *sec)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *end;

	if (strlen(text) != len || strspn(text, "0123456789") != len)
		return false;
	end = strptime(text, format, &tm);
	if (!end || *end)
		return false;
	*sec = mktime(&tm);
	return true;
}

static void parse_checked(struct tune *t, const char *text)
{
	char *end = "";
	time_t sec;

	errno = 0;
	if (!strcmp(text, "now"))
		sec = time(NULL);
	else if (*text == '@' && text[1] >= '0' && text[1] <= '9')
		sec = strtoll(text + 1, &end, 10);
	else if (!parse_date(text, "%Y%m%d%H%M%S", 14, &sec) &&
		 !parse_date(text, "%Y%m%d%H%M", 12, &sec) &&
		 !parse_date(text, "%Y%m%d", 8, &sec))
		tune_fail(text, "not a time: now, @SECONDS or YYYYMMDD[HHMM[SS]]");
	if (*end || errno == ERANGE || sec < LNKFS_EPOCH || sec > 1LL << 33)
		tune_fail(text, "not a time that a volume can hold");
	t->checked = (u64)(sec - LNKFS_EPOCH) * 1000000000;
	t->set_checked = true;
}

static void parse_reserved(struct tune *t, const char *text)
{
	/* A bare number counts blocks, whose size is not known yet. */
	if (strspn(text, "0123456789") != strlen(text) || !args_size(text, 1, &t->reserved))
		tune_fail(text, "not a number of blocks");
	t->set_reserved = true;
	t->set_permille = false;
}

static void parse_percent(struct tune *t, const char *text)
{
	const char *why = args_percent(text, &t->permille);

	if (why)
		tune_fail(text, "%s", why);
	t->set_permille = true;
	t->set_reserved = false;
}

static void parse_one(struct tune *t, int c, char *arg)
{
	switch (c) {
	case 'C':
		if (!args_u32(arg, &t->mounts))
			tune_fail(arg, "not a number");
		t->set_mounts = true;
		break;
	case 'e':
		t->errors = parse_errors(arg);
		break;
	case 'f':
		t->force = true;
		break;
	case 'J':
		parse_journal(t, arg);
		break;
	case 'j':
		t->journal_now = arg;
		break;
	case 'L':
		if (strlen(arg) >= LNKFS_LABEL_LEN)
			tune_fail(arg, "label longer than %d bytes", LNKFS_LABEL_LEN - 1);
		t->label = arg;
		break;
	case 'm':
		parse_percent(t, arg);
		break;
	case 'O':
		parse_features(t, arg);
		break;
	case 'o':
		parse_mount_options(t, arg);
		break;
	case 'Q':
		parse_quota_types(t, arg);
		break;
	case 'r':
		parse_reserved(t, arg);
		break;
	case 'T':
		parse_checked(t, arg);
		break;
	case 'U':
		parse_uuid(t, arg);
		break;
	default:
		usage();
	}
}

/**
 * tune_parse() - read the command line, or end the program
 * @t: filled in
 * @argc: as main()'s
 * @argv: as main()'s
 * @list: set to whether the superblock is to be shown
 */
void tune_parse(struct tune *t, int argc, char **argv, bool *list)
{
	static const struct option longs[] = {
		{ "errors", required_argument, NULL, 'e' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "journal", required_argument, NULL, 'j' },
		{ "label", required_argument, NULL, 'L' },
		{ "last-checked", required_argument, NULL, 'T' },
		{ "list", no_argument, NULL, 'l' },
		{ "mount-count", required_argument, NULL, 'C' },
		{ "reserved-blocks", required_argument, NULL, 'r' },
		{ "reserved-percent", required_argument, NULL, 'm' },
		{ "uuid", required_argument, NULL, 'U' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* Options may stand anywhere. */
	unsetenv("POSIXLY_CORRECT");
	while ((c = getopt_long(argc, argv, "C:e:fhJ:j:L:lm:O:o:Q:r:T:U:V", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			fputs(usage_text, stdout);
			exit(TUNE_OK);
		case 'l':
			*list = true;
			break;
		case 'V':
			printf("tune.lnkfs %s\n", LNKFS_VERSION);
			exit(TUNE_OK);
		default:
			parse_one(t, c, optarg);
		}
	}
	if (argc != optind + 1)
		usage();
	if (t->journal && t->fast_on)
		tune_fail("fast_commit", "needs a journal inside the volume (-J size=)");
	t->device = argv[optind];
}

/**
 * tune_changes_blocks() - is something asked for that changes more than the superblock?
 * @t: wishes
 */
bool tune_changes_blocks(const struct tune *t)
{
	return t->quota_on || t->quota_off || t->backref_on || t->backref_off || t->fast_on ||
	       t->fast_off || t->journal_bytes || t->journal;
}

/**
 * tune_wants_more() - is a change asked for that only an unmounted volume can take?
 * @t: wishes
 *
 * That is all but the label.
 */
bool tune_wants_more(const struct tune *t)
{
	return t->set_uuid || t->set_reserved || t->set_permille || t->opts_on || t->opts_off ||
	       t->errors || t->set_mounts || t->set_checked || tune_changes_blocks(t);
}
