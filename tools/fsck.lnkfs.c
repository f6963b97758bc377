// SPDX-License-Identifier: GPL-2.0
/*
 * fsck.lnkfs: check and repair an lnkfs filesystem. See fsck.lnkfs(8).
 */
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "check.h"
#include "journal.h"
#include "log.h"
#include "repair.h"
#include "version.h"

/* Exit codes of fsck(8). */
#define FSCK_OK			0
#define FSCK_CORRECTED		1
#define FSCK_UNCORRECTED	4
#define FSCK_ERROR		8
#define FSCK_USAGE		16
#define FSCK_CANCELED		32

#define FLAGS	(LNKFS_VOL_NO_GROUPS | LNKFS_VOL_ANY_BACKUP | LNKFS_VOL_ANY_FEATURE)

#define ROUNDS	6	/* repairs that are tried; the second should find nothing */

static const char usage_text[] =
"usage: fsck.lnkfs [-afnpvyV] [-b BLOCK] [-C FD] [-j JOURNAL] DEVICE\n";

static const char help_text[] =
"Checks an lnkfs filesystem and repairs it. The volume must not be mounted.\n"
"\n"
"  -a, -p      repair what can be repaired without a loss, ask for help otherwise\n"
"  -n          change nothing, only look; works on a mounted volume, too\n"
"  -y          repair everything without asking\n"
"  -f          check even if the volume says that it is clean\n"
"  -b BLOCK    use the backup superblock in this block\n"
"  -C FD       write progress to this descriptor; 0: draw a bar on the terminal\n"
"  -j JOURNAL  device or image with the external journal; none: it is lost\n"
"  -v          say more\n"
"  -V, --version\n"
"              print the version\n"
"      --help  print this text\n"
"\n"
"Exit status, a sum of: 0 no errors, 1 errors corrected, 4 errors left,\n"
"8 operational error, 16 usage error, 32 canceled.\n";

enum mode { ASK, PREEN, YES, NO_CHANGE };

/**
 * struct options - the command line
 * @device: device or image
 * @journal: device of the external journal; NULL: look for it
 * @super: block of the superblock to be used, or 0
 * @mode: what to do about problems
 * @force: check even if the volume says it is clean
 * @verbose: say more
 * @progress: descriptor that gets progress; 0: a bar; -1: none
 */
struct options {
	const char *device;
	const char *journal;
	u64 super;
	enum mode mode;
	bool force;
	bool verbose;
	int progress;
};

/* The bar that stands on the terminal, for the signal handler, too. */
static volatile sig_atomic_t bar_drawn;

static void clear_bar(void)
{
	if (!bar_drawn)
		return;
	fputs("\r\033[K", stdout);
	bar_drawn = 0;
}

static int __attribute__((format(printf, 3, 4)))
complain(int code, const char *what, const char *fmt, ...)
{
	va_list ap;

	clear_bar();
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
	clear_bar();
	printf("%s\n", text);
}

static void core_says(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	(void)ctx;
	clear_bar();
	printf("inode %" PRIu64 ", block %" PRIu64 ": %s (%s)\n", ino, block, text, strerror(-err));
}

/* ---- progress ---- */

static void draw_bar(enum lnkfs_fsck_pass pass, u32 percent)
{
	static const char *const names[LNKFS_PASSES] = { "inodes", "names", "maps" };
	char bar[41];

	memset(bar, ' ', 40);
	memset(bar, '=', percent * 40 / 100);
	bar[40] = 0;
	printf("\r%-7s [%s] %3u%%", names[pass], bar, percent);
	fflush(stdout);
	bar_drawn = 1;
}

static void progress(void *ctx, enum lnkfs_fsck_pass pass, u64 done, u64 total)
{
	static u32 last = ~0u;
	const struct options *o = ctx;
	u32 percent = total ? (u32)((double)done * 100 / (double)total) : 100;

	percent = min(percent, 100u);
	if (pass * 128 + percent == last)
		return;
	last = pass * 128 + percent;
	if (o->progress == 0)
		draw_bar(pass, percent);
	else
		dprintf(o->progress, "%d %u 100 %s\n", pass + 1, percent, o->device);
}

/* ---- the superblock ---- */

/* For writing unless -n is given: the journal may have to be replayed. */
static int open_volume(struct lnkfs_volume *v, const struct options *o, bool *in_use,
		       const char **why)
{
	unsigned int write = o->mode == NO_CHANGE ? 0 : LNKFS_DEV_WRITE;
	int err;

	*in_use = false;
	memset(v, 0, sizeof(*v));
	v->report = core_says;
	v->use_super = o->super;
	err = lnkfs_volume_open(v, o->device, LNKFS_DEV_EXCL | FLAGS | write, why);
	if (err != -EBUSY || *why)
		return err;
	*in_use = true;
	memset(v, 0, sizeof(*v));
	v->report = core_says;
	v->use_super = o->super;
	return lnkfs_volume_open(v, o->device, FLAGS, why);
}

/* Does the superblock say that nothing needs to be looked at? */
static bool says_clean(const struct lnkfs_volume *v)
{
	return le16_to_cpu(v->sb.s_state) == LNKFS_STATE_CLEAN;
}

/* The figures that an unmount would have left. */
static int mark_clean(struct lnkfs_volume *v, bool backups)
{
	int err;

	err = v->fs.group ? 0 : lnkfs_volume_load_groups(v);
	if (err)
		return err;
	if (le16_to_cpu(v->sb.s_state) & LNKFS_STATE_ERROR) {
		v->sb.s_error_count = 0;
		memset(&v->sb.s_first_error, 0, sizeof(v->sb.s_first_error));
		memset(&v->sb.s_last_error, 0, sizeof(v->sb.s_last_error));
	}
	v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	v->sb.s_check_time = cpu_to_le64(lnkfs_now());
	v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
	v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
	err = lnkfs_volume_flush(v);
	if (!err)
		err = lnkfs_volume_write_super(v, backups);
	return err ? err : lnkfs_dev_sync(&v->dev);
}

/* What is left as it is must not be taken for clean the next time, nor by a mount. */
static int remember(struct lnkfs_volume *v, const struct options *o)
{
	int err = lnkfs_volume_mark_error(v);

	return err ? complain(FSCK_ERROR, o->device, "%s", strerror(-err)) : FSCK_OK;
}

/* ---- the journal ---- */

/* Carry out what the log says, which an error that it recorded outlives. */
static int replay(struct lnkfs_volume *v, struct lnkfs_log *log)
{
	int err = lnkfs_log_replay(log, &v->dev);

	/* After that, since the log may hold a superblock; and durable before it is empty. */
	if (!err && (log->err || log->damaged || log->bad_blocks || log->fast_damaged))
		err = lnkfs_volume_mark_error(v);
	if (!err)
		err = lnkfs_log_reset(log, &v->fs);
	return err;
}

/* An empty log that records an error: no contradiction, but a reason to look. */
static int clear_error(struct lnkfs_volume *v, const struct options *o, struct lnkfs_log *log)
{
	int err;

	printf("%s: journal: it records an error\n", o->device);
	if (o->mode == NO_CHANGE)
		return FSCK_OK;
	err = replay(v, log);
	return err ? complain(FSCK_ERROR, o->device, "journal: %s", strerror(-err)) : FSCK_OK;
}

static bool ask(const struct options *o, const char *what)
{
	char line[64];

	if (o->mode == YES)
		return true;
	if (o->mode != ASK || !isatty(0) || !isatty(1))
		return false;
	clear_bar();
	printf("%s (y/n)? ", what);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && tolower((unsigned char)line[0]) == 'y';
}

/* A log that makes no sense: what it held is lost. */
static int drop_log(struct lnkfs_volume *v, const struct options *o, const char *why,
		    bool *checkable)
{
	int err;

	clear_bar();
	printf("%s: journal: %s\n", o->device, why);
	if (lnkfs_ext_journal(v))
		return FSCK_UNCORRECTED;
	*checkable = true;
	if (!ask(o, "Make an empty journal"))
		return FSCK_UNCORRECTED;
	err = lnkfs_volume_mark_error(v);
	if (!err)
		err = lnkfs_journal_format(v);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	if (err)
		return complain(FSCK_ERROR, o->device, "journal: %s", strerror(-err));
	printf("%s: journal: made anew, empty\n", o->device);
	return FSCK_CORRECTED;
}

static bool no_journal(const struct lnkfs_volume *v, const struct options *o)
{
	return lnkfs_ext_journal(v) && o->journal && !strcmp(o->journal, "none");
}

static void want_person(const struct options *o)
{
	if (o->mode == PREEN)
		printf("%s: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\n"
		       "\t(i.e., without -a or -p options)\n", o->device);
}

/*
 * A transaction is damaged: what it held is lost, and what came after it makes no sense
 * without. Or single blocks are. That is a person's to decide: jbd2 does not go on either.
 *
 * @why: what is wrong with the area for fast commits, if anything is.
 *
 * Return: the log is not to be touched.
 */
static bool keep_damaged(const struct options *o, const struct lnkfs_log *log, const char *why)
{
	if (!log->damaged && !log->bad_blocks && !log->fast_damaged)
		return o->mode == NO_CHANGE;
	if (log->fast_damaged)
		printf("%s: journal: %s\n", o->device, why);
	if (log->damaged)
		printf("%s: journal: damaged, transactions %u to %u are lost\n", o->device,
		       log->sequence + log->commits, log->newest);
	else if (log->bad_blocks)
		printf("%s: journal: %u blocks with a wrong checksum are lost\n", o->device,
		       log->bad_blocks);
	want_person(o);
	if (log->damaged)
		return !ask(o, "Replay what comes before that, and drop the rest");
	return !ask(o, log->bad_blocks ? "Replay the others" : "Replay what there is");
}

/*
 * "-j none": the external journal is lost. It gets another name in the superblock, so that
 * it is not replayed over what has been changed since when it is found some day.
 */
static int lose_journal(struct lnkfs_volume *v, const struct options *o, bool *checkable)
{
	int ret;

	*checkable = true;
	if (o->mode == NO_CHANGE)
		return FSCK_OK;
	printf("%s: journal: lost, with what was to be replayed\n", o->device);
	want_person(o);
	*checkable = ask(o, "Go on without it");
	if (!*checkable)
		return FSCK_UNCORRECTED;
	uuid_generate(v->sb.s_journal_uuid);
	ret = remember(v, o);
	if (ret)
		return ret;
	printf("%s: journal: tune.lnkfs -J gives the volume another one\n", o->device);
	return FSCK_CORRECTED;
}

/* What replaying has found, or would. */
static int tell_replay(const struct options *o, const struct lnkfs_log *log, bool keep)
{
	const char *what = keep ? "taken into account, not replayed" : "replayed";

	printf("%s: journal: %u transactions %s\n", o->device, log->commits, what);
	if (log->fast)
		printf("%s: journal: %u fast commits %s\n", o->device, log->fast, what);
	if (log->bad_blocks)
		printf("%s: journal: %u blocks with a wrong checksum left out\n", o->device,
		       log->bad_blocks);
	if (!log->bad_blocks && !log->damaged && !log->fast_damaged)
		return FSCK_OK;
	return keep ? FSCK_UNCORRECTED : FSCK_CORRECTED;
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
	bool keep = true;
	const char *why;
	int err;

	*checkable = false;
	if (no_journal(v, o)) {
		memset(log, 0, sizeof(*log));
		return lose_journal(v, o, checkable);
	}
	err = lnkfs_volume_log_open(v, o->journal, o->mode == NO_CHANGE ? 0 : LNKFS_DEV_EXCL |
				    LNKFS_DEV_WRITE, log, &why);
	if (err && err != -EFSCORRUPTED && err != -EFSBADCRC && lnkfs_ext_journal(v)) {
		/* The log of a volume that was unmounted cleanly is empty. */
		*checkable = says_clean(v);
		return complain(FSCK_ERROR, o->device, "external journal: %s; -j names its device",
				why ? why : strerror(-err));
	}
	/* All but the fast commits can be believed. */
	if (err == -EFSCORRUPTED && log->fast_damaged)
		err = 0;
	if (!err && !lnkfs_log_pending(log)) {
		*checkable = true;
		return log->err ? clear_error(v, o, log) : FSCK_OK;
	}
	if (!err)
		err = lnkfs_log_collect(log, &v->fs);
	if (!err)
		keep = keep_damaged(o, log, why);
	if (!err && !keep)
		err = replay(v, log);
	if (err == -EFSCORRUPTED || err == -EFSBADCRC)
		return drop_log(v, o, why ? why : "it names blocks that cannot be in it",
				checkable);
	if (err)
		return complain(FSCK_ERROR, o->device, "journal: %s", strerror(-err));
	*checkable = true;
	if (keep)
		v->dev.overlay = log;
	return tell_replay(o, log, keep);
}

/* ---- check and repair ---- */

static void summary(const struct lnkfs_volume *v, const struct options *o,
		    const struct lnkfs_fsck_result *res)
{
	clear_bar();
	printf("%s: %" PRIu64 " files, %" PRIu64 " directories, %" PRIu64 " symlinks (%" PRIu64
	       " slow), %" PRIu64 " special files; %" PRIu64 "/%" PRIu64 " blocks\n", o->device,
	       res->files, res->dirs, res->symlinks, res->slow_symlinks, res->specials,
	       res->used_blocks, v->fs.blocks);
	if (res->orphans)
		printf("%s: %" PRIu64 " orphans, which the next mount frees\n", o->device,
		       res->orphans);
	if (!o->verbose)
		return;
	printf("%s: %" PRIu64 " names, %" PRIu64 " attributes, %" PRIu64 " inode blocks, %"
	       PRIu64 " free blocks\n", o->device, res->names, res->xattrs, res->inode_blocks,
	       res->free_blocks);
}

static struct lnkfs_fsck_ops ops_of(const struct options *o)
{
	return (struct lnkfs_fsck_ops){
		.say = say,
		.progress = o->progress >= 0 ? progress : NULL,
	};
}

static int check(struct lnkfs_volume *v, const struct options *o, struct lnkfs_fsck_result *res)
{
	struct lnkfs_fsck_ops ops = ops_of(o);
	u32 bad;
	int err = 0;

	memset(res, 0, sizeof(*res));
	if (!v->fs.group) {
		/* What is wrong with them is the checker's to say. */
		v->report = NULL;
		v->quiet = true;
		err = lnkfs_volume_load_groups_any(v, &bad);
		v->report = core_says;
		v->quiet = false;
	}
	if (!err)
		err = lnkfs_fsck_volume(v, &ops, (void *)o, res);
	if (err)
		return complain(FSCK_ERROR, o->device, "%s", strerror(-err));
	return FSCK_OK;
}

/* Does the user want what was found to be repaired? */
static bool wanted(const struct options *o, const struct lnkfs_fsck_result *res)
{
	char what[96];

	if (res->problems != res->safe)
		want_person(o);
	if (o->mode == PREEN)
		return res->problems == res->safe;
	snprintf(what, sizeof(what), "%" PRIu64 " problems found. Repair them", res->problems);
	if (ask(o, what))
		return true;
	printf("%s: %" PRIu64 " problems found%s\n", o->device, res->problems,
	       o->mode == NO_CHANGE ? "" : "; -y repairs them");
	return false;
}

static int failed_repair(struct lnkfs_volume *v, const struct options *o, int err)
{
	/* What has not been written is not going to be. */
	lnkfs_cache_free(v);
	return complain(FSCK_ERROR | FSCK_UNCORRECTED, o->device, "repair: %s%s", strerror(-err),
			err == -EIO ? "; copy what the device still reads to another one, "
			"and repair that" : "");
}

/*
 * Repair and check, as long as there is something. Without a person's word a repair
 * goes on only while nothing is lost by it.
 */
static int repair(struct lnkfs_volume *v, const struct options *o, struct lnkfs_fsck_result *res)
{
	struct lnkfs_fsck_ops ops = ops_of(o);
	struct lnkfs_repair_result done = {};
	u64 left = ~0ULL;	/* of the round before the last */
	int round, err, ret = 0;

	for (round = 0; round < ROUNDS && res->problems; round++) {
		bool tight = done.left && done.left >= left;
		u64 before = res->problems;

		if (o->mode == PREEN && (tight || res->problems != res->safe))
			break;
		if (round)
			left = done.left;
		clear_bar();
		printf("%s: repairing %" PRIu64 " problems\n", o->device, res->problems);
		err = lnkfs_repair_volume(v, &ops, (void *)o, tight, &done);
		if (done.fixes)
			ret |= FSCK_CORRECTED;
		if (!err)
			err = lnkfs_cache_drop(v);
		if (err)
			return ret | failed_repair(v, o, err);
		lnkfs_volume_forget_groups(v);
		err = check(v, o, res);
		if (err)
			return ret | err | FSCK_UNCORRECTED;
		if (res->problems < before)
			ret |= FSCK_CORRECTED;
		if (tight && done.left)
			break;
	}
	if (!res->problems)
		return ret;
	printf("%s: %" PRIu64 " problems left\n", o->device, res->problems);
	return ret | FSCK_UNCORRECTED;
}

/*
 * @ret: what has come before; nothing is changed when it was an error. @good: the
 * superblock is, so that the next run would believe it.
 */
static int check_all(struct lnkfs_volume *v, const struct options *o, int ret, bool good)
{
	bool change = o->mode != NO_CHANGE && !(ret & (FSCK_ERROR | FSCK_UNCORRECTED));
	struct lnkfs_fsck_result res;
	int err;

	err = check(v, o, &res);
	if (err)
		return ret | err;
	if (res.problems) {
		clear_bar();
		if (!change || !wanted(o, &res)) {
			summary(v, o, &res);
			if (!change)
				printf("%s: %" PRIu64 " problems found\n", o->device,
				       res.problems);
			else if (good)
				ret |= remember(v, o);
			return ret | FSCK_UNCORRECTED;
		}
		ret |= repair(v, o, &res);
	}
	summary(v, o, &res);
	if (!change || ret & (FSCK_UNCORRECTED | FSCK_ERROR))
		return ret;
	err = mark_clean(v, ret & FSCK_CORRECTED);
	if (err)
		return ret | complain(FSCK_ERROR, o->device, "%s", strerror(-err));
	if (ret & FSCK_CORRECTED)
		printf("%s: repaired\n", o->device);
	return ret;
}

static int say_clean(const struct lnkfs_volume *v, const struct options *o)
{
	printf("%s: clean, %" PRIu64 " inodes, %" PRIu64 "/%" PRIu64 " blocks\n", o->device,
	       le64_to_cpu(v->sb.s_used_inodes),
	       v->fs.blocks - le64_to_cpu(v->sb.s_free_blocks), v->fs.blocks);
	return FSCK_OK;
}

/* Is it something that this version can check? */
static int check_features(const struct lnkfs_volume *v, const struct options *o)
{
	u32 incompat = le32_to_cpu(v->sb.s_feature_incompat);

	if (incompat & LNKFS_INCOMPAT_JOURNAL_DEV)
		return complain(FSCK_ERROR, o->device, "the journal of a volume, not a volume");
	if (incompat & ~LNKFS_INCOMPAT_SUPP)
		return complain(FSCK_ERROR, o->device, "unknown incompatible features");
	if (o->mode != NO_CHANGE && le32_to_cpu(v->sb.s_feature_ro_compat) & ~LNKFS_RO_COMPAT_SUPP)
		return complain(FSCK_ERROR, o->device,
				"unknown features that allow only reading");
	return FSCK_OK;
}

/* By whom, if that is known. */
static int refuse_in_use(const struct options *o)
{
	char text[PATH_MAX];

	return complain(FSCK_ERROR, o->device, "%s; -n checks it all the same",
			lnkfs_in_use(o->device, text, sizeof(text)) ? text : "in use");
}

static int check_device(struct lnkfs_volume *v, const struct options *o, bool in_use,
			const char *why)
{
	struct lnkfs_log log;
	bool checkable, good;
	int ret, vote = 0;

	if (why && v->sb_block <= 1)
		printf("%s: superblock: %s; mended\n", o->device, why);
	else if (why)
		printf("%s: superblock: %s; using the backup in block %" PRIu64 "\n", o->device,
		       why, v->sb_block);
	if (!o->super)
		vote = lnkfs_super_vote(v);
	if (vote < 0)
		return complain(FSCK_ERROR, o->device, "%s", strerror(-vote));
	ret = check_features(v, o);
	if (ret)
		return ret;
	if (vote)
		printf("%s: superblock: its backups agree on something else, which is used\n",
		       o->device);
	good = !why && !vote && !o->super;
	/* A change of size that was interrupted has left a log, but for that it is clean. */
	if (good && !o->force && says_clean(v) &&
	    lnkfs_volume_log_empty(v, o->journal))
		return say_clean(v, o);
	if (in_use && o->mode != NO_CHANGE)
		return refuse_in_use(o);
	if (in_use)
		printf("%s: in use: what is being changed may look wrong\n", o->device);

	ret = recover(v, o, &log, &checkable);
	/* As after a crash a mount would do: nothing else need be wrong. */
	if (!ret && good && !o->force && o->mode != NO_CHANGE &&
	    !(le16_to_cpu(v->sb.s_state) & LNKFS_STATE_ERROR) && !mark_clean(v, false))
		return say_clean(v, o);
	if (checkable)
		ret = check_all(v, o, ret, good);
	v->dev.overlay = NULL;
	lnkfs_log_free(&log);
	return ret;
}

/* ---- the command line ---- */

static void canceled(int sig)
{
	static const char text[] = "\nfsck.lnkfs: canceled; the volume has to be checked again\n";
	ssize_t n = write(2, text, sizeof(text) - 1);

	(void)sig;
	(void)n;
	_exit(FSCK_CANCELED);
}

static bool number(const char *text, u64 max, u64 *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && !errno && *value <= max;
}

static int bad_usage(const char *what)
{
	if (what)
		fprintf(stderr, "fsck.lnkfs: %s\n", what);
	fputs(usage_text, stderr);
	return FSCK_USAGE;
}

/* Only one of -a and -p, -n, and -y. */
static bool set_mode(struct options *o, enum mode mode)
{
	bool first = o->mode == ASK || o->mode == mode;

	o->mode = mode;
	return first;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	u64 n;
	int c;

	o->progress = isatty(1) ? 0 : -1;
	while ((c = getopt_long(argc, argv, "ab:C:fj:npvVy", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
		case 'p':
		case 'y':
		case 'n':
			if (!set_mode(o, c == 'y' ? YES : c == 'n' ? NO_CHANGE : PREEN))
				return bad_usage("only one of -a or -p, -n, and -y");
			break;
		case 'b':
			if (!number(optarg, LNKFS_MAX_BLOCKS, &o->super) || !o->super)
				return bad_usage("-b takes the number of a block");
			break;
		case 'C':
			if (!number(optarg, 1 << 16, &n))
				return bad_usage("-C takes a file descriptor");
			o->progress = (int)n;
			break;
		case 'f':
			o->force = true;
			break;
		case 'j':
			o->journal = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			fputs(help_text, stdout);
			exit(FSCK_OK);
		case 'V':
			printf("fsck.lnkfs %s\n", LNKFS_VERSION);
			exit(FSCK_OK);
		default:
			return bad_usage(NULL);
		}
	}
	if (argc != optind + 1)
		return bad_usage(NULL);
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
	signal(SIGINT, canceled);
	signal(SIGTERM, canceled);
	err = open_volume(&v, &o, &in_use, &why);
	if (err)
		return complain(FSCK_ERROR, o.device, "%s", why ? why : strerror(-err));
	ret = check_device(&v, &o, in_use, why);
	clear_bar();
	err = lnkfs_volume_close(&v);
	if (err)
		ret |= complain(FSCK_ERROR, o.device, "%s", strerror(-err));
	if (fflush(stdout) || ferror(stdout))
		return ret | complain(FSCK_ERROR, "standard output", "%s", strerror(errno));
	return ret;
}
