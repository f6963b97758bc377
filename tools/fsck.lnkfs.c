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
#include "version.h"

/* Exit codes of fsck(8). */
#define FSCK_OK			0
#define FSCK_UNCORRECTED	4
#define FSCK_ERROR		8
#define FSCK_USAGE		16

#define FLAGS	(LNKFS_VOL_NO_GROUPS | LNKFS_VOL_ANY_BACKUP)

static const char usage_text[] = "usage: fsck.lnkfs [-afnpyV] DEVICE\n";

/**
 * struct options - the command line
 * @device: device or image
 * @force: check even if the volume says it is clean
 * @no_change: only look, also at a volume in use
 * @repair: the user expects repairs
 */
struct options {
	const char *device;
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

static int open_volume(struct lnkfs_volume *v, const struct options *o, bool *in_use,
		       const char **why)
{
	int err;

	*in_use = false;
	memset(v, 0, sizeof(*v));
	v->report = core_says;
	err = lnkfs_volume_open(v, o->device, LNKFS_DEV_EXCL | FLAGS, why);
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

	err = lnkfs_volume_load_groups(v);
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

static int check_device(struct lnkfs_volume *v, const struct options *o, bool in_use,
			const char *why)
{
	bool dirty;
	int err;

	if (why)
		printf("%s: superblock: %s; using the backup in block %" PRIu64 "\n", o->device,
		       why, v->sb_block);
	if (!why && !o->force && says_clean(v)) {
		printf("%s: clean, %" PRIu64 " inodes, %" PRIu64 "/%" PRIu64 " blocks\n", o->device,
		       le64_to_cpu(v->sb.s_used_inodes),
		       v->fs.blocks - le64_to_cpu(v->sb.s_free_blocks), v->fs.blocks);
		return FSCK_OK;
	}
	if (in_use && !o->no_change)
		return complain(FSCK_ERROR, o->device, "in use; -n checks it all the same");
	if (in_use)
		printf("%s: in use: what is being changed may look wrong\n", o->device);

	err = lnkfs_fsck_journal(v, &dirty);
	if (err) {
		printf("%s: journal: %s\n", o->device,
		       err == -EFSCORRUPTED ? "no journal superblock" : strerror(-err));
		return err == -EFSCORRUPTED ? FSCK_UNCORRECTED : FSCK_ERROR;
	}
	if (dirty) {
		printf("%s: the journal has to be replayed: mount the volume once, then check it\n",
		       o->device);
		return FSCK_UNCORRECTED;
	}
	return check_all(v, o, why);
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "afnpyVC:")) != -1) {
		switch (c) {
		case 'a':
		case 'p':
		case 'y':
			o->repair = true;
			break;
		case 'f':
			o->force = true;
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
