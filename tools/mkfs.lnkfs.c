// SPDX-License-Identifier: GPL-2.0
/*
 * mkfs.lnkfs: make an lnkfs filesystem. See mkfs.lnkfs(8).
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "args.h"
#include "defopts.h"
#include "format.h"
#include "journal.h"
#include "lnkctl/text.h"
#include "populate.h"
#include "probe.h"
#include "version.h"

#define DISCARD_STEP	(1ULL << 30)
#define DEFAULT_PERMILLE 10

static const char usage_text[] =
	"usage: mkfs.lnkfs [OPTION]... DEVICE [SIZE]\n"
	"Make an lnkfs filesystem on a device or in a file.\n"
	"\n"
	"  -b SIZE             block size: 1024, 2048 or 4096 bytes\n"
	"  -d SOURCE           with the files of a directory or an archive (-: on stdin)\n"
	"      --minimize      just large enough for them\n"
	"  -E, -o KEY=VALUE,.. errors=continue|remount-ro|panic, fast-symlink-max=SIZE,\n"
	"                      max-links=NUMBER, quota, quotatype=TYPE[:TYPE]...\n"
	"  -f                  overwrite what is there\n"
	"  -J size=SIZE        size of the journal\n"
	"  -J device=JOURNAL   keep the journal on this device (or UUID=...)\n"
	"  -K                  do not discard\n"
	"  -L LABEL            label, up to 63 bytes\n"
	"  -m PERCENT          blocks that are reserved for privileged processes\n"
	"  -n                  write nothing, print what would be made\n"
	"  -O [^]FEATURE,...   what the volume has (^: has not): backref, inodes know\n"
	"                      their names (default); quota, the usage of users,\n"
	"                      groups and projects is kept; fast_commit, fsync of\n"
	"                      small changes is one write (default if there is room)\n"
	"  -O journal_dev      make a journal device, no filesystem\n"
	"  -q                  print nothing but errors\n"
	"  -U UUID             UUID (default: random)\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n";

/**
 * struct options - the command line
 * @format: what the volume should be
 * @device: device or file
 * @bytes: size asked for, 0: not
 * @force: overwrite what is there
 * @dry_run: write nothing
 * @quiet: print nothing but errors
 * @keep: do not discard
 * @journal_dev: make a journal device, not a volume
 * @volume_only: an option was given that has no meaning for a journal device
 * @journal: name of the external journal, as given; NULL: the journal is inside
 * @quota: make quota files
 * @source: files to put on the volume: a directory, an archive, "-", or NULL
 * @minimize: make it just large enough for them
 * @reserve: -m was given
 * @uuid: -U was given
 */
struct options {
	struct lnkfs_format format;
	const char *device;
	const char *journal;
	bool journal_dev;
	bool volume_only;
	u64 bytes;
	bool force;
	bool dry_run;
	bool quiet;
	bool keep;
	bool quota;
	const char *source;
	bool minimize;
	bool reserve;
	bool uuid;
};

/* Names of files and labels are what somebody has made up. */
static void __attribute__((format(printf, 2, 3)))
complain(const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_complain("mkfs.lnkfs", what, fmt, ap);
	va_end(ap);
}

#define fail(...)			\
	do {				\
		complain(__VA_ARGS__);	\
		exit(1);		\
	} while (0)

/* ---- parsing ---- */

static u32 parse_block_size(const char *text)
{
	u64 bytes;
	u32 bits;

	if (args_size(text, 1, &bytes))
		for (bits = LNKFS_MIN_BLOCK_BITS; bits <= LNKFS_MAX_BLOCK_BITS; bits++)
			if (bytes == 1u << bits)
				return bits;
	fail(text, "block size must be 1024, 2048 or 4096");
}

static u32 parse_percent(const char *text)
{
	const char *why;
	u32 permille;

	why = args_percent(text, &permille);
	if (why)
		fail(text, "%s", why);
	return permille;
}

static void parse_journal(struct options *o, char *text)
{
	char *one;

	while ((one = strsep(&text, ","))) {
		if (!strncmp(one, "device=", 7) && one[7])
			o->journal = one + 7;
		else if (strncmp(one, "size=", 5))
			fail(one, "unknown journal option (only size= and device= are known)");
		else if (!args_size(one + 5, 1 << 20, &o->format.journal_bytes) ||
			 !o->format.journal_bytes)
			fail(one, "not a size");
	}
	if (o->journal && o->format.journal_bytes)
		fail(o->journal, "the size of an external journal is decided when it is made");
}

#define ALL_QUOTA ((1u << LNKFS_QUOTA_TYPES) - 1)

/* Types of quota, separated by colons, as mke2fs takes them. */
static u32 parse_quota_types(char *text)
{
	static const char *const names[][2] = {
		{ "usr", "usrquota" }, { "grp", "grpquota" }, { "prj", "prjquota" },
	};
	u32 types = 0, i;
	char *one;

	while ((one = strsep(&text, ":"))) {
		for (i = 0; i < LNKFS_QUOTA_TYPES; i++)
			if (!strcmp(one, names[i][0]) || !strcmp(one, names[i][1]))
				break;
		if (i == LNKFS_QUOTA_TYPES)
			fail(one, "not a type of quota (usrquota, grpquota, prjquota)");
		types |= 1u << i;
	}
	return types;
}

/* Features, or that it is no volume but a journal device. */
static void parse_features(struct options *o, char *text)
{
	const char *name;
	char *one;
	bool on;

	while ((one = strsep(&text, ","))) {
		if (!*one)
			continue;
		on = *one != '^';
		name = one + !on;
		if (!strcmp(name, "quota") || !strcmp(name, "project"))
			o->quota = on;
		else if (!strcmp(name, "backref"))
			o->format.no_backref = !on;
		else if (!strcmp(name, "fast_commit"))
			o->format.fast_commit = on ? LNKFS_FAST_ALWAYS : 0;
		else if (!strcmp(one, "journal_dev"))
			o->journal_dev = true;
		else
			fail(one, "unknown feature");
	}
}

/* Mount options, separated by colons. */
static u32 parse_mount_options(char *text)
{
	u32 opts = 0, bits;
	char *one;

	while ((one = strsep(&text, ":"))) {
		if (lnkfs_defopt_find(one, &bits))
			fail(one, "not an option that a volume can have by default");
		opts |= bits;
	}
	return opts;
}

static void format_option(struct options *o, const char *key, char *value)
{
	struct lnkfs_format *f = &o->format;

	if (!strcmp(key, "fast-symlink-max")) {
		if (!value || !args_u32(value, &f->fast_symlink_max) ||
		    f->fast_symlink_max == ~0u)
			fail(key, "needs a number of bytes");
	} else if (!strcmp(key, "max-links")) {
		if (!value || !args_u32(value, &f->max_links) || !f->max_links)
			fail(key, "needs a number from 2 to %u", LNKFS_DEFAULT_MAX_LINKS);
	} else if (!strcmp(key, "errors")) {
		if (value && !strcmp(value, "continue"))
			f->errors = LNKFS_ERRORS_CONTINUE;
		else if (value && !strcmp(value, "remount-ro"))
			f->errors = LNKFS_ERRORS_RO;
		else if (value && !strcmp(value, "panic"))
			f->errors = LNKFS_ERRORS_PANIC;
		else
			fail(key, "must be continue, remount-ro or panic");
	} else if (!strcmp(key, "mount-options")) {
		if (!value)
			fail(key, "needs mount options, separated by colons");
		f->default_opts = parse_mount_options(value);
	} else if (!strcmp(key, "quota")) {
		if (value)
			fail(key, "takes no value");
		o->quota = true;
	} else if (!strcmp(key, "quotatype")) {
		if (!value)
			fail(key, "needs usrquota, grpquota or prjquota");
		f->quota_types = parse_quota_types(value);
		o->quota = true;
	} else {
		fail(key, "unknown format option");
	}
}

static void parse_format_options(struct options *o, char *text)
{
	char *one, *value;

	while ((one = strsep(&text, ","))) {
		if (!*one)
			continue;
		value = strchr(one, '=');
		if (value)
			*value++ = 0;
		format_option(o, one, value);
	}
}

/* 1 MiB or 24 KiB or 17 bytes, exactly. */
static const char *exact(u64 bytes, char *text, size_t len)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	u32 i = 0;

	for (; bytes && !(bytes & 1023) && i < 4; i++)
		bytes >>= 10;
	snprintf(text, len, "%" PRIu64 " %s", bytes, units[i]);
	return text;
}

/* Time stamps of the new volume, in the on-disk unit. */
static u64 time_stamp(void)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	struct timespec ts = { 0 };
	char *end;

	if (epoch && *epoch) {
		errno = 0;
		ts.tv_sec = strtoll(epoch, &end, 10);
		if (errno || *end || ts.tv_sec < INT32_MIN || ts.tv_sec > 1LL << 33)
			fail("SOURCE_DATE_EPOCH", "not a time");
	} else {
		clock_gettime(CLOCK_REALTIME, &ts);
	}
	return lnkfs_stamp(&ts);
}

static void parse_uuid(const char *text, u8 uuid[16])
{
	if (!strcmp(text, "random"))
		uuid_generate(uuid);
	else if (uuid_parse(text, uuid))
		fail(text, "not a UUID");
}

static void parse_size_argument(struct options *o, const char *text)
{
	u32 bits = o->format.block_bits;

	if (!args_size(text, 1ULL << (bits ? bits : LNKFS_MAX_BLOCK_BITS), &o->bytes) ||
	    !o->bytes || o->bytes > INT64_MAX)
		fail(text, "not a size");
	/* A number of blocks says what a block is. */
	if (!bits && strspn(text, "0123456789") == strlen(text))
		o->format.block_bits = LNKFS_MAX_BLOCK_BITS;
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "minimize", no_argument, NULL, 'M' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct lnkfs_format *f = &o->format;
	const char *missing;
	int c;

	/* Options may stand anywhere. */
	unsetenv("POSIXLY_CORRECT");
	uuid_generate(f->uuid);
	while ((c = getopt_long(argc, argv, "b:d:E:fhJ:KL:m:nO:o:qU:V", longs, NULL)) != -1) {
		switch (c) {
		case 'b':
			f->block_bits = parse_block_size(optarg);
			break;
		case 'd':
			o->source = optarg;
			break;
		case 'f':
			o->force = true;
			break;
		case 'M':
			o->minimize = true;
			break;
		case 'J':
			parse_journal(o, optarg);
			break;
		case 'K':
			o->keep = true;
			break;
		case 'L':
			if (strlen(optarg) >= LNKFS_LABEL_LEN)
				fail(optarg, "label longer than %d bytes", LNKFS_LABEL_LEN - 1);
			f->label = optarg;
			break;
		case 'm':
			o->volume_only = true;
			f->reserved_permille = parse_percent(optarg);
			o->reserve = true;
			break;
		case 'n':
			o->dry_run = true;
			break;
		case 'E':
		case 'o':
			o->volume_only = true;
			parse_format_options(o, optarg);
			break;
		case 'O':
			parse_features(o, optarg);
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'U':
			parse_uuid(optarg, f->uuid);
			o->uuid = true;
			break;
		case 'V':
			printf("mkfs.lnkfs %s\n", LNKFS_VERSION);
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			exit(1);
		}
	}
	if (optind == argc || argc - optind > 2) {
		fputs(usage_text, stderr);
		exit(1);
	}
	if (o->source && (o->journal_dev || o->quota))
		fail("-d", "not for journal devices, nor together with quota files");
	if (o->minimize && (!o->source || !strcmp(o->source, "-")))
		fail("--minimize", "needs -d with a directory or an archive in a file");
	if (o->minimize && o->journal)
		fail("--minimize", "not with an external journal");
	if (o->journal_dev && (o->volume_only || o->journal || o->quota))
		fail("-O journal_dev", "-E, -m, -o, -J device= and quota are for volumes only");
	if (!o->quota)
		f->quota_types = 0;
	else if (!f->quota_types)
		f->quota_types = ALL_QUOTA;
	missing = lnkfs_defopt_orphaned(f->default_opts, f->quota_types);
	if (missing)
		fail(missing, "there will be no quota files for it (-O quota)");
	o->device = argv[optind];
	if (argc - optind == 2)
		parse_size_argument(o, argv[optind + 1]);
	if (o->minimize && o->bytes)
		fail("--minimize", "the size is not yours to choose");
}

/* ---- progress ---- */

static struct timespec started;
static bool progress_shown;

static void progress(u64 done, u64 total)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - started.tv_sec < 2)
		return;
	printf("\r%3" PRIu64 "%%", total ? done * 100 / total : 100);
	fflush(stdout);
	progress_shown = true;
}

static void progress_end(void)
{
	if (progress_shown)
		printf("\r    \r");
	progress_shown = false;
}

/* ---- the work ---- */

static void print_plan(const struct options *o, const struct lnkfs_super_block *sb)
{
	u64 blocks = le64_to_cpu(sb->s_blocks), reserved = le64_to_cpu(sb->s_reserved_blocks);
	u32 quota = o->format.quota_types;
	char text[40], uuid[37];

	uuid_unparse(sb->s_uuid, uuid);
	printf("%s: %" PRIu64 " blocks of %u bytes, %.1f MiB%s\n", o->device, blocks,
	       1u << sb->s_block_bits, (double)(blocks << sb->s_block_bits) / (1 << 20),
	       o->dry_run ? " (nothing is written)" : "");
	if (sb->s_label[0])
		printf("  label     %s\n", (const char *)sb->s_label);
	printf("  UUID      %s\n", uuid);
	if (o->journal)
		printf("  journal   %s", o->journal);
	else
		printf("  journal   %s", exact((u64)le32_to_cpu(sb->s_journal_blocks) <<
					       sb->s_block_bits, text, sizeof(text)));
	if (sb->s_fc_blocks)
		printf(", %s of it for fast commits", exact((u64)le32_to_cpu(sb->s_fc_blocks) <<
							    sb->s_block_bits, text, sizeof(text)));
	putchar('\n');
	if (o->journal_dev)
		return;
	printf("  reserved  %" PRIu64 " blocks\n", reserved);
	if (quota)
		printf("  quota    %s%s%s\n", quota & 1u << LNKFS_QUOTA_USER ? " user" : "",
		       quota & 1u << LNKFS_QUOTA_GROUP ? " group" : "",
		       quota & 1u << LNKFS_QUOTA_PROJECT ? " project" : "");
	printf("  symlinks  up to %u bytes in the inode\n", le32_to_cpu(sb->s_fast_symlink_max));
	printf("  links     up to %u\n", le32_to_cpu(sb->s_max_links));
}

/* A block is no smaller than what the device reads and writes at once. */
static void heed_sector_size(struct options *o, u32 sector)
{
	struct lnkfs_format *f = &o->format;

	if (sector <= 1u << LNKFS_MIN_BLOCK_BITS)
		return;
	if (!f->block_bits)
		f->block_bits = LNKFS_MAX_BLOCK_BITS;
	if (sector > 1u << f->block_bits)
		fail(o->device, "blocks are smaller than the device's sectors of %u bytes", sector);
}

/* Decide what the volume will be, or fail with the reason. */
static void make_plan(struct options *o, u64 device_bytes, struct lnkfs_super_block *sb)
{
	struct lnkfs_format *f = &o->format;
	u32 bits = f->block_bits ? f->block_bits : LNKFS_MIN_BLOCK_BITS;
	const char *why;
	char text[40];
	int err;

	if (o->bytes > device_bytes)
		fail(o->device, "the device has only %s", exact(device_bytes, text, sizeof(text)));
	if (o->journal_dev)
		err = lnkfs_journal_dev_plan(f, o->bytes ? o->bytes : device_bytes, sb, &why);
	else
		err = lnkfs_format_plan(f, o->bytes ? o->bytes : device_bytes, sb, &why);
	if (err == -ENOSPC)
		fail(o->device, "%s: at least %s are needed", why,
		     exact(lnkfs_format_min_bytes(bits, f->ext_journal), text, sizeof(text)));
	if (err)
		fail(o->device, "%s", why ? why : strerror(-err));
	/* From here on the size is fixed, whatever the device's is. */
	f->blocks = le64_to_cpu(sb->s_blocks);
	f->block_bits = sb->s_block_bits;
}

static void refuse_if_in_use(const struct options *o)
{
	char text[PATH_MAX];
	int ret;

	if (lnkfs_in_use(o->device, text, sizeof(text)))
		fail(o->device, "%s", text);
	if (o->force)
		return;
	ret = probe_contents(o->device, text, sizeof(text));
	if (ret < 0)
		fail(o->device, "cannot look for other filesystems: %s", strerror(-ret));
	if (ret)
		fail(o->device, "contains %s; -f overwrites it", text);
}

static void open_device(const struct options *o, bool exists, struct lnkfs_dev *dev)
{
	unsigned int flags = LNKFS_DEV_EXCL;
	int err;

	if (!o->dry_run)
		flags |= LNKFS_DEV_WRITE;
	if (!exists)
		flags |= LNKFS_DEV_CREATE;
	err = lnkfs_dev_open(dev, o->device, flags);
	if (err == -EBUSY)
		fail(o->device, "in use");
	if (err == -ENOTBLK)
		fail(o->device, "neither a block device nor a regular file");
	if (err)
		fail(o->device, "%s", strerror(-err));
}

static void discard(const struct options *o, struct lnkfs_dev *dev, u64 bytes)
{
	u64 at, n;

	for (at = 0; at < bytes && !o->keep; at += n) {
		n = min_t(u64, bytes - at, DISCARD_STEP);
		if (lnkfs_dev_discard(dev, at, n))
			break;
		if (o->format.progress)
			progress(at, bytes);
	}
}

/*
 * A log that another volume may need is not for -f to take away: the volume that
 * is there now, if that is whose it is, is about to go.
 */
static void refuse_foreign_journal(const struct options *o, const struct lnkfs_journal_dev *j)
{
	struct lnkfs_super_block old;

	if (lnkfs_journal_dev_used(j, NULL) ||
	    (probe_own(o->device, &old) && lnkfs_journal_dev_used(j, old.s_meta_uuid)))
		return;
	fail(o->journal,
	     "this journal belongs to another volume; mkfs.lnkfs -f -O journal_dev frees it");
}

/*
 * Open the external journal, and take over what the volume must know of it.
 * @own: the volume's device, if that exists already
 */
static void open_journal(struct options *o, const struct lnkfs_dev *own,
			 struct lnkfs_journal_dev *j)
{
	unsigned int flags = LNKFS_DEV_EXCL | (o->dry_run ? 0 : LNKFS_DEV_WRITE);
	struct lnkfs_format *f = &o->format;
	char path[PATH_MAX], text[PATH_MAX];
	const char *why;
	int err;

	why = args_journal(o->journal, path, sizeof(path));
	if (why)
		fail(o->journal, "%s", why);
	if (own && lnkfs_dev_is(own, path))
		fail(path, "a volume and its external journal need two devices");
	if (lnkfs_in_use(path, text, sizeof(text)))
		fail(path, "%s", text);
	err = lnkfs_journal_dev_open(j, path, flags, &why);
	if (err == -EBUSY)
		fail(path, "in use");
	if (err == -ENOTBLK)
		fail(path, "neither a block device nor a regular file");
	if (err)
		fail(path, "%s", why ? why : strerror(-err));
	refuse_foreign_journal(o, j);
	if (f->block_bits && f->block_bits != j->sb.s_block_bits)
		fail(path, "the journal has blocks of %u bytes, the volume would have %u",
		     1u << j->sb.s_block_bits, 1u << f->block_bits);
	f->block_bits = j->sb.s_block_bits;
	f->ext_journal = true;
	memcpy(f->journal_uuid, j->sb.s_uuid, sizeof(f->journal_uuid));
	f->journal_devnum = lnkfs_journal_dev_number(j);
}

/* ---- files ---- */

/* An archive that is written over is gone before it is read. */
static void refuse_as_source(const struct options *o, const struct stat *device)
{
	struct stat st;

	if (!strcmp(o->source, "-") ? fstat(STDIN_FILENO, &st) : stat(o->source, &st))
		return;
	if (lnkfs_same_file(&st, device))
		fail(o->device, "is what the files are to be read from");
}

/* Put the files on a volume just made. 0, or an error with @p->problem. */
static int fill(const struct options *o, struct lnkfs_volume *v, struct populate *p, bool dry)
{
	struct lnkfs_builder *b = calloc(1, sizeof(*b));
	int err, err2;

	*p = (struct populate){
		.source = o->source, .now = o->format.now, .clamp = getenv("SOURCE_DATE_EPOCH"),
	};
	if (!b)
		return -ENOMEM;
	err = lnkfs_build_begin(b, v);
	if (!err) {
		b->dry = dry;
		err = populate(p, b);
		err2 = lnkfs_build_end(b);
		if (!err)
			err = err2;
	}
	free(b);
	return err;
}

/* The volume is of no use before it has all its files, and says so. */
static int fill_device(const struct options *o, struct lnkfs_volume *v, struct populate *p)
{
	int err;

	v->sb.s_state = cpu_to_le16(LNKFS_STATE_ERROR);
	err = lnkfs_volume_write_super(v, false);
	if (!err)
		err = fill(o, v, p, false);
	if (!err)
		err = lnkfs_volume_flush(v);
	v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	return err ? err : lnkfs_volume_write_super(v, true);
}

/* Would the files fit? -ENOSPC if not. */
static int try_size(const struct options *o, u64 bytes, struct populate *p)
{
	struct lnkfs_volume *v = calloc(1, sizeof(*v));
	struct lnkfs_format f = o->format;
	const char *why = NULL;
	int err = -ENOMEM;

	if (!v)
		return err;
	f.progress = NULL;
	err = lnkfs_dev_open_mem(&v->dev, bytes);
	if (!err) {
		err = lnkfs_format_volume(v, &f, &why);
		if (err) {
			snprintf(p->problem, sizeof(p->problem), "%s", why ?: "");
			lnkfs_dev_close(&v->dev);
		}
	}
	if (!err) {
		err = fill(o, v, p, true);
		lnkfs_volume_close(v);
	}
	free(v);
	return err;
}

/* The smallest size, to a 64th, that holds the files. */
static u64 smallest(const struct options *o)
{
	u64 good, bad = 0, size = lnkfs_format_min_bytes(o->format.block_bits, false);
	const u64 unit = 1ULL << 16;
	struct populate p = { .source = o->source };
	int err;

	for (good = size; (err = try_size(o, good, &p)) == -ENOSPC && good < 1ULL << 46; good *= 2)
		bad = good;
	if (err)
		fail(*p.problem ? p.problem : o->source, "%s", strerror(-err));
	while (good - bad > max(good / 64, unit) && bad) {
		size = (good / 2 + bad / 2 + unit - 1) / unit * unit;
		if (try_size(o, size, &p))
			bad = size;
		else
			good = size;
	}
	return good;
}

/* The same input and time give the same volume, unless -U says otherwise. */
static void make_repeatable(struct options *o)
{
	struct lnkfs_format *f = &o->format;
	u8 *ids[3] = { f->meta_uuid, f->hash_seed, o->uuid ? NULL : f->uuid };
	u32 i, word;

	lnkfs_random_state = o->format.now | 1;
	for (i = 0; i < 12; i++) {
		word = lnkfs_random32();
		if (ids[i / 4])
			memcpy(ids[i / 4] + i % 4 * 4, &word, sizeof(word));
	}
	for (i = 0; i < 3; i += 2) {
		if (!ids[i])
			continue;
		ids[i][6] = (u8)((ids[i][6] & 0x0f) | 0x40);
		ids[i][8] = (u8)((ids[i][8] & 0x3f) | 0x80);
	}
}

/*
 * libblkid does not know us, and looks for others also where files have their
 * data: it can be told lies by them.
 */
static void warn_if_mistaken(const struct options *o)
{
	char text[PATH_MAX];

	if (probe_known(o->device, text, sizeof(text)) > 0)
		complain(o->device,
			 "warning: for its files blkid(8) takes it for %s: mount it with -t lnkfs only",
			 text);
}

static void format_device(const struct options *o, struct lnkfs_volume *v,
			  const struct lnkfs_super_block *sb, struct lnkfs_journal_dev *j)
{
	u64 bytes = o->format.blocks << o->format.block_bits;
	struct populate p = { .source = NULL };
	const char *why = NULL;
	int err;

	err = probe_wipe(o->device, &v->dev);
	if (!err)
		discard(o, &v->dev, bytes);
	if (!err && o->journal)
		err = lnkfs_journal_dev_claim(j, o->format.meta_uuid);
	if (!err && o->journal_dev)
		err = lnkfs_journal_dev_make(&v->dev, sb);
	else if (!err)
		err = lnkfs_format_volume(v, &o->format, &why);
	if (!err && o->source)
		err = fill_device(o, v, &p);
	progress_end();
	if (err)
		fail(*p.problem ? p.problem : o->device, "%s", why ? why : strerror(-err));
	err = o->journal_dev ? lnkfs_dev_close(&v->dev) : lnkfs_volume_close(v);
	if (err)
		fail(o->device, "%s", strerror(-err));
	if (o->source)
		warn_if_mistaken(o);
}

int main(int argc, char **argv)
{
	struct options o = {
		.format = {
			.fast_symlink_max = ~0u,
			.reserved_permille = DEFAULT_PERMILLE,
			.fast_commit = LNKFS_FAST_IF_ROOM,
		},
	};
	struct lnkfs_super_block sb;
	static struct lnkfs_journal_dev journal;
	static struct lnkfs_volume v;
	struct stat st;
	bool exists;
	int err;

	setlocale(LC_CTYPE, "");
	parse_options(&o, argc, argv);
	clock_gettime(CLOCK_MONOTONIC, &started);
	o.format.now = time_stamp();
	uuid_generate_random(o.format.meta_uuid);
	uuid_generate_random(o.format.hash_seed);
	if (o.source && getenv("SOURCE_DATE_EPOCH"))
		make_repeatable(&o);
	if (o.minimize) {
		if (!o.reserve)
			o.format.reserved_permille = 0;
		if (!o.format.block_bits)
			o.format.block_bits = LNKFS_MAX_BLOCK_BITS;
		o.bytes = smallest(&o);
		if (lnkfs_random_state)
			make_repeatable(&o);
	}
	if (!o.quiet && isatty(STDOUT_FILENO))
		o.format.progress = progress;

	exists = !stat(o.device, &st);
	if (!exists && errno != ENOENT)
		fail(o.device, "%s", strerror(errno));
	if (!exists && !o.bytes)
		fail(o.device, "no such file (with a SIZE it would be created)");
	if (exists && o.source)
		refuse_as_source(&o, &st);
	if (exists) {
		refuse_if_in_use(&o);
		open_device(&o, true, &v.dev);
		heed_sector_size(&o, v.dev.sector);
	}
	if (o.journal)
		open_journal(&o, exists ? &v.dev : NULL, &journal);
	if (exists && (v.dev.is_blk || !o.bytes))
		make_plan(&o, v.dev.bytes, &sb);
	else
		make_plan(&o, o.bytes, &sb);
	if (!o.quiet)
		print_plan(&o, &sb);
	if (o.dry_run) {
		if (exists)
			lnkfs_dev_close(&v.dev);
		if (o.journal)
			lnkfs_dev_close(&journal.dev);
		return 0;
	}
	if (!exists)
		open_device(&o, false, &v.dev);
	if (!v.dev.is_blk && v.dev.bytes < o.bytes) {
		err = lnkfs_dev_resize(&v.dev, o.bytes);
		if (err)
			fail(o.device, "%s", strerror(-err));
	}
	format_device(&o, &v, &sb, &journal);
	if (o.journal)
		lnkfs_dev_close(&journal.dev);
	return 0;
}
