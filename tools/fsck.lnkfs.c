// SPDX-License-Identifier: GPL-2.0
/*
 * fsck.lnkfs: check an lnkfs filesystem. See fsck.lnkfs(8).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "journal.h"
#include "log.h"
#include "version.h"

/* Exit codes of fsck(8). */
#define FSCK_OK			0
#define FSCK_UNCORRECTED	4
#define FSCK_ERROR		8
#define FSCK_USAGE		16

#define FLAGS	(LNKFS_VOL_NO_GROUPS | LNKFS_VOL_ANY_BACKUP)

static const char usage_text[] = "usage: fsck.lnkfs [-afnpyV] [-j JOURNAL] DEVICE\n";

/**
 * struct options - the command line
 * @device: device or image
 * @journal: device of the external journal; NULL: look for it
 * @force: check even if the volume says it is clean
 * @no_change: only look, also at a volume in use
 * @repair: the user expects repairs
 */
struct options {
	const char *device;
	const char *journal;
	bool force;
	bool no_change;
	bool repair;
};

static int __attribute__((format(printf, 3, 4)))
complain(int code, const char *what, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "fsck.lnkfs: %s: ", what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	printf("%s\n", text);
}

static void core_says(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	(void)ctx;
	printf("inode %" PRIu64 ", block %" PRIu64 ": %s (%s)\n", ino, block, text, strerror(-err));
}

/* For writing unless -n is given: the journal may have to be replayed. */
static int open_volume(struct lnkfs_volume *v, const struct options *o, bool *in_use,
		       const char **why)
{
	unsigned int write = o->no_change ? 0 : LNKFS_DEV_WRITE;
	int err;

	*in_use = false;
	memset(v, 0, sizeof(*v));
	v->report = core_says;
	err = lnkfs_volume_open(v, o->device, LNKFS_DEV_EXCL | FLAGS | write, why);
	if (err != -EBUSY || *why)
		return err;
	*in_use = true;
	memset(v, 0, sizeof(*v));
	v->report = core_says;
	return lnkfs_volume_open(v, o->device, FLAGS, why);
}

/* Does the superblock say that nothing needs to be looked at? */
static bool says_clean(const struct lnkfs_volume *v)
{
	return le16_to_cpu(v->sb.s_state) == LNKFS_STATE_CLEAN;
}

static int check_all(struct lnkfs_volume *v, const struct options *o, bool backup)
{
	struct lnkfs_fsck_result res;
	int err;

	err = v->fs.group ? 0 : lnkfs_volume_load_groups(v);
	if (err == -ENOMEM)
		return complain(FSCK_ERROR, o->device, "%s", strerror(-err));
	if (err) {
		printf("%s: group descriptors: %s\n", o->device, strerror(-err));
		return FSCK_UNCORRECTED;
	}
	err = lnkfs_fsck_volume(v, say, NULL, &res);
	if (err)
		return complain(FSCK_ERROR, o->device, "%s", strerror(-err));
	printf("%s: %" PRIu64 " files, %" PRIu64 " directories, %" PRIu64 " symlinks (%" PRIu64
	       " slow), %" PRIu64 " special files; %" PRIu64 "/%" PRIu64 " blocks\n", o->device,
	       res.files, res.dirs, res.symlinks, res.slow_symlinks, res.specials,
	       res.used_blocks, v->fs.blocks);
	if (res.orphans)
		printf("%s: %" PRIu64 " orphans, which the next mount frees\n", o->device,
		       res.orphans);
	if (res.problems) {
		printf("%s: %" PRIu64 " problems found%s\n", o->device, res.problems,
		       o->repair ? "; repair is not available yet" : "");
		return FSCK_UNCORRECTED;
	}
	return backup ? FSCK_UNCORRECTED : FSCK_OK;
}

/* The figures that an unmount would have left. */
static int mark_clean(struct lnkfs_volume *v)
{
	int err = lnkfs_volume_load_groups(v);

	if (err)
		return err;
	v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
	v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
	return lnkfs_volume_write_super(v, false);
}

/* Carry out what the log says, which an error that it recorded outlives. */
static int replay(struct lnkfs_volume *v, struct lnkfs_log *log)
{
	int err = 0;

	if (log->err) {
		v->sb.s_state |= cpu_to_le16(LNKFS_STATE_ERROR);
		err = lnkfs_volume_write_super(v, false);
	}
	if (!err)
		err = lnkfs_log_replay(log, &v->dev);
	if (!err)
		err = lnkfs_log_reset(log);
	return err;
}

/*
 * Bring the volume to the state that its log says: on the device, or with -n
 * in what is read from it (@log has to stay).
 *
 * Return: an exit code; @checkable: the volume makes sense without more.
 */
static int recover(struct lnkfs_volume *v, const struct options *o, struct lnkfs_log *log,
		   bool *checkable)
{
	const char *why;
	int err;

	*checkable = false;
	err = lnkfs_volume_log_open(v, o->journal, o->no_change ? 0 : LNKFS_DEV_EXCL |
				    LNKFS_DEV_WRITE, log, &why);
	if (err && err != -EFSCORRUPTED && err != -EFSBADCRC && lnkfs_ext_journal(v)) {
		/* The log of a volume that was unmounted cleanly is empty. */
		*checkable = says_clean(v);
		return complain(FSCK_ERROR, o->device, "external journal: %s; -j names its device",
				why ? why : strerror(-err));
	}
	if (!err && !log->start) {
		*checkable = true;
		return FSCK_OK;
	}
	if (!err)
		err = lnkfs_log_scan(log);
	if (!err)
		err = lnkfs_log_collect(log, &v->fs);
	if (!err && !o->no_change)
		err = replay(v, log);
	if (err == -EFSCORRUPTED || err == -EFSBADCRC) {
		printf("%s: journal: %s\n", o->device,
		       why ? why : "it names blocks that cannot be in it");
		return FSCK_UNCORRECTED;
	}
	if (err)
		return complain(FSCK_ERROR, o->device, "journal: %s", strerror(-err));
	printf("%s: journal: %u transactions %s\n", o->device, log->commits,
	       o->no_change ? "taken into account, not replayed" : "replayed");
	*checkable = true;
	if (o->no_change)
		v->dev.overlay = log;
	if (!log->bad_blocks)
		return FSCK_OK;
	printf("%s: journal: %u blocks with a wrong checksum left out\n", o->device,
	       log->bad_blocks);
	return FSCK_UNCORRECTED;
}

static int say_clean(const struct lnkfs_volume *v, const struct options *o)
{
	printf("%s: clean, %" PRIu64 " inodes, %" PRIu64 "/%" PRIu64 " blocks\n", o->device,
	       le64_to_cpu(v->sb.s_used_inodes),
	       v->fs.blocks - le64_to_cpu(v->sb.s_free_blocks), v->fs.blocks);
	return FSCK_OK;
}

static int check_device(struct lnkfs_volume *v, const struct options *o, bool in_use,
			const char *why)
{
	struct lnkfs_log log;
	bool checkable;
	int ret;

	if (why)
		printf("%s: superblock: %s; using the backup in block %" PRIu64 "\n", o->device,
		       why, v->sb_block);
	if (!why && !o->force && says_clean(v))
		return say_clean(v, o);
	if (in_use && !o->no_change)
		return complain(FSCK_ERROR, o->device, "in use; -n checks it all the same");
	if (in_use)
		printf("%s: in use: what is being changed may look wrong\n", o->device);

	ret = recover(v, o, &log, &checkable);
	/* As after a crash a mount would do: nothing else need be wrong. */
	if (!ret && !why && !o->force && !o->no_change &&
	    !(le16_to_cpu(v->sb.s_state) & LNKFS_STATE_ERROR) && !mark_clean(v))
		return say_clean(v, o);
	if (checkable)
		ret |= check_all(v, o, why);
	v->dev.overlay = NULL;
	lnkfs_log_free(&log);
	return ret;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "afj:npyVC:")) != -1) {
		switch (c) {
		case 'a':
		case 'p':
		case 'y':
			o->repair = true;
			break;
		case 'f':
			o->force = true;
			break;
		case 'j':
			o->journal = optarg;
			break;
		case 'n':
			o->no_change = true;
			break;
		case 'C':
			break;
		case 'V':
			printf("fsck.lnkfs %s\n", LNKFS_VERSION);
			exit(FSCK_OK);
		default:
			fputs(usage_text, stderr);
			return FSCK_USAGE;
		}
	}
	if (argc != optind + 1 || (o->no_change && o->repair)) {
		fputs(usage_text, stderr);
		return FSCK_USAGE;
	}
	o->device = argv[optind];
	return FSCK_OK;
}

int main(int argc, char **argv)
{
	struct lnkfs_volume v;
	struct options o = {};
	const char *why;
	bool in_use;
	int ret, err;

	ret = parse_options(&o, argc, argv);
	if (ret)
		return ret;
	err = open_volume(&v, &o, &in_use, &why);
	if (err)
		return complain(FSCK_ERROR, o.device, "%s", why ? why : strerror(-err));
	ret = check_device(&v, &o, in_use, why);
	lnkfs_volume_close(&v);
	if (fflush(stdout) || ferror(stdout))
		return complain(FSCK_ERROR, "standard output", "%s", strerror(errno));
	return ret;
}
