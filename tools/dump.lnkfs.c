// SPDX-License-Identifier: GPL-2.0
/*
 * dump.lnkfs: show what is on an lnkfs volume. See dump.lnkfs(8).
 */
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>

#include "dump/dump.h"
#include "journal.h"
#include "version.h"

static const char usage_text[] =
	"usage: dump.lnkfs [-jrV] [--picture FILE] DEVICE [SUBJECT [ARGUMENT]]\n"
	"\n"
	"  super            the superblock (the default)\n"
	"  groups           the group descriptors\n"
	"  free             free space, by the size of its extents\n"
	"  inode INODE      an inode: its number, or a path from / on\n"
	"  dir INODE        the entries and the index of a directory\n"
	"  extents INODE    where an inode's blocks are\n"
	"  block NUMBER     a block, decoded and in hex\n"
	"  journal          what the journal would replay\n"
	"\n"
	"  -j, --json       write JSON\n"
	"  -r, --replay     show what is there once the journal has been replayed\n"
	"  --picture FILE   draw a map of the volume, SVG\n"
	"  -V, --version    print the version\n";

/**
 * struct options - the command line
 * @device: device or image
 * @subject: what to show
 * @argument: of that, or NULL
 * @picture: file to draw to, or NULL
 * @json: write JSON
 * @replay: read through the journal
 */
struct options {
	const char *device;
	const char *subject;
	const char *argument;
	const char *picture;
	bool json;
	bool replay;
};

#define MAX_REPORTS	64

/* What the core found wrong, said at the end. */
struct reports {
	u32 count;
	struct {
		u64 ino;
		u64 block;
		char text[160];
	} list[MAX_REPORTS];
};

static struct reports reports;

static void note_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	struct reports *r = ctx;

	if (r->count < MAX_REPORTS) {
		r->list[r->count].ino = ino;
		r->list[r->count].block = block;
		snprintf(r->list[r->count].text, sizeof(r->list[0].text), "%s (%s)", text,
			 strerror(-err));
	}
	r->count++;
}

static void show_reports(struct out *o)
{
	u32 i;

	if (!reports.count)
		return;
	out_list(o, "reports");
	for (i = 0; i < reports.count && i < MAX_REPORTS; i++) {
		out_row(o);
		out_u64(o, "inode", reports.list[i].ino);
		out_u64(o, "block", reports.list[i].block);
		out_text(o, "text", reports.list[i].text);
		out_end(o);
	}
	out_end(o);
}

static int complain(const char *what, const char *text)
{
	fflush(stdout);
	fprintf(stderr, "dump.lnkfs: %s: %s\n", what, text);
	return 1;
}

static int show_block(struct dump *d, const char *text)
{
	char *end;
	u64 block;

	errno = 0;
	block = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		return -EINVAL;
	return dump_block(d, block);
}

static int show_of_inode(struct dump *d, const char *what, int (*show)(struct dump *, u64))
{
	u64 ino;
	int err = dump_find(d, what, &ino);

	return err ? err : show(d, ino);
}

static const struct subject {
	const char *name;
	int (*plain)(struct dump *d);
	int (*of_inode)(struct dump *d, u64 ino);
	int (*of_text)(struct dump *d, const char *text);
} subjects[] = {
	{ "super", .plain = dump_super },
	{ "groups", .plain = dump_groups },
	{ "free", .plain = dump_free },
	{ "journal", .plain = dump_journal },
	{ "inode", .of_inode = dump_inode },
	{ "dir", .of_inode = dump_dir },
	{ "extents", .of_inode = dump_extents },
	{ "block", .of_text = show_block },
};

static const struct subject *find_subject(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(subjects); i++)
		if (!strcmp(subjects[i].name, name))
			return &subjects[i];
	return NULL;
}

static int show(struct dump *d, const struct options *o)
{
	const struct subject *s = find_subject(o->subject);
	int err;

	out_object(&d->o, NULL);
	if (s->plain)
		err = s->plain(d);
	else if (s->of_inode)
		err = show_of_inode(d, o->argument, s->of_inode);
	else
		err = s->of_text(d, o->argument);
	show_reports(&d->o);
	out_end(&d->o);
	return err;
}

/* The journal, if the superblock says where to look for it. */
static void open_log(struct dump *d, const struct options *o)
{
	struct lnkfs_fs *fs = &d->v->fs;

	d->log_err = lnkfs_volume_log_open(d->v, NULL, 0, &d->log, &d->log_why);
	if (d->log_err || !o->replay)
		return;
	d->log_err = lnkfs_log_collect(&d->log, fs);
	if (!d->log_err)
		d->v->dev.overlay = &d->log;
}

static int run(const struct options *o)
{
	struct lnkfs_volume v = { .report = note_report, .report_ctx = &reports };
	struct dump d = { .v = &v, .o = { .f = stdout, .json = o->json } };
	int err, ret = 0;
	u32 bad;

	err = lnkfs_volume_open(&v, o->device, LNKFS_VOL_NO_GROUPS | LNKFS_VOL_ANY_FEATURE |
				LNKFS_VOL_ANY_BACKUP, &d.why);
	if (err)
		return complain(o->device, d.why ? d.why : strerror(-err));
	if (!v.fs.blocks) {
		show(&d, &(struct options){ .subject = "super" });
		ret = complain(o->device, "unknown features: only the superblock can be shown");
		goto out;
	}
	open_log(&d, o);
	if (o->replay && d.log_err)
		ret = complain(o->device, d.log_why ? d.log_why : strerror(-d.log_err));
	err = lnkfs_volume_load_groups_any(&v, &bad);
	if (err) {
		ret = complain(o->device, strerror(-err));
		goto out;
	}
	if (bad)
		ret = complain(o->device, "some group descriptors cannot be used");
	if (o->picture) {
		err = dump_picture(&d, o->picture);
		if (err)
			ret = complain(o->picture, strerror(-err));
	}
	if (!o->picture || o->argument || strcmp(o->subject, "super")) {
		err = show(&d, o);
		if (err)
			ret = complain(o->argument ? o->argument : o->device, strerror(-err));
	}
out:
	v.dev.overlay = NULL;
	lnkfs_log_free(&d.log);
	lnkfs_volume_close(&v);
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", strerror(errno));
	return ret;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "replay", no_argument, NULL, 'r' },
		{ "picture", required_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct subject *s;
	int c;

	while ((c = getopt_long(argc, argv, "jrV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'r':
			o->replay = true;
			break;
		case 'p':
			o->picture = optarg;
			break;
		case 'V':
			printf("dump.lnkfs %s\n", LNKFS_VERSION);
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 3)
		return 2;
	o->device = argv[0];
	o->subject = argc > 1 ? argv[1] : "super";
	o->argument = argv[argc > 2 ? 2 : argc];
	s = find_subject(o->subject);
	return s && !s->plain == (argc == 3) ? 0 : 2;
}

int main(int argc, char **argv)
{
	struct options o = { .json = false };
	int ret;

	setlocale(LC_CTYPE, "");
	ret = parse_options(&o, argc, argv);
	if (ret) {
		fputs(usage_text, stderr);
		return ret;
	}
	return run(&o);
}
