// SPDX-License-Identifier: GPL-2.0
/*
 * Mount options.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/seq_file.h>
#include "internal.h"

enum {
	Opt_errors,
	Opt_journal_dev,
	Opt_journal_path,
	Opt_norecovery,
	Opt_symperm,
	Opt_always,
	Opt_discard,
	Opt_commit,
	Opt_barrier,
	Opt_nobarrier,
	Opt_shown,
	Opt_usrquota,
	Opt_grpquota,
	Opt_prjquota,
	Opt_noquota,
};

static const struct constant_table lnkfs_errors_table[] = {
	{ "continue",	LNKFS_ERRORS_CONTINUE },
	{ "remount-ro",	LNKFS_ERRORS_RO },
	{ "panic",	LNKFS_ERRORS_PANIC },
	{}
};

const struct fs_parameter_spec lnkfs_parameters[] = {
	fsparam_enum("errors",		Opt_errors, lnkfs_errors_table),
	fsparam_u32("journal_dev",	Opt_journal_dev),
	fsparam_bdev("journal_path",	Opt_journal_path),
	fsparam_flag("norecovery",	Opt_norecovery),
	fsparam_flag("noload",		Opt_norecovery),	/* ext4's name of it */
	fsparam_flag_no("symperm",	Opt_symperm),
	fsparam_flag("acl",		Opt_always),	/* they are on, and stay so */
	fsparam_flag("user_xattr",	Opt_always),
	fsparam_flag_no("discard",	Opt_discard),
	fsparam_u32("commit",		Opt_commit),
	fsparam_flag("barrier",		Opt_barrier),
	fsparam_u32("barrier",		Opt_barrier),
	fsparam_flag("nobarrier",	Opt_nobarrier),
	fsparam_flag("emergency_ro",	Opt_shown),	/* a state, not a request */
	/* ext4's names and XFS's */
	fsparam_flag("usrquota",	Opt_usrquota),
	fsparam_flag("uquota",		Opt_usrquota),
	fsparam_flag("quota",		Opt_usrquota),
	fsparam_flag("grpquota",	Opt_grpquota),
	fsparam_flag("gquota",		Opt_grpquota),
	fsparam_flag("prjquota",	Opt_prjquota),
	fsparam_flag("pquota",		Opt_prjquota),
	fsparam_flag("noquota",		Opt_noquota),
	{}
};

/* Options that a remount may change. */
#define LNKFS_OPTS_CHANGE	(LNKFS_OPT_DISCARD | LNKFS_OPT_NOBARRIER | LNKFS_OPT_QUOTAS)

/* Longest time between commits, in seconds: jiffies have to hold it. */
#define LNKFS_COMMIT_MAX	(INT_MAX / HZ)

static void lnkfs_set_opt(struct lnkfs_mount_opts *mo, unsigned int opt, bool on)
{
	mo->given |= opt;
	if (on)
		mo->opts |= opt;
	else
		mo->opts &= ~opt;
}

static int lnkfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct lnkfs_mount_opts *mo = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, lnkfs_parameters, param, &result);

	if (opt < 0)
		return opt;
	switch (opt) {
	case Opt_errors:
		mo->errors = result.uint_32;
		break;
	case Opt_journal_dev:
		mo->journal_devnum = result.uint_32;
		break;
	case Opt_journal_path:
		return lnkfs_journal_path(fc, param, &mo->journal_devnum);
	case Opt_norecovery:
		mo->opts |= LNKFS_OPT_NORECOVERY;
		break;
	case Opt_symperm:
		lnkfs_set_opt(mo, LNKFS_OPT_SYMPERM, !result.negated);
		break;
	case Opt_usrquota:
		lnkfs_set_opt(mo, LNKFS_OPT_USRQUOTA, true);
		break;
	case Opt_grpquota:
		lnkfs_set_opt(mo, LNKFS_OPT_GRPQUOTA, true);
		break;
	case Opt_prjquota:
		lnkfs_set_opt(mo, LNKFS_OPT_PRJQUOTA, true);
		break;
	case Opt_noquota:
		lnkfs_set_opt(mo, LNKFS_OPT_QUOTAS, false);
		break;
	case Opt_always:
		break;
	case Opt_discard:
		lnkfs_set_opt(mo, LNKFS_OPT_DISCARD, !result.negated);
		break;
	case Opt_commit:
		if (result.uint_32 > LNKFS_COMMIT_MAX)
			return invalf(fc, "lnkfs: commit=%u is more than %u seconds",
				      result.uint_32, LNKFS_COMMIT_MAX);
		mo->commit = result.uint_32;
		break;
	case Opt_barrier:
		lnkfs_set_opt(mo, LNKFS_OPT_NOBARRIER,
			      param->type != fs_value_is_flag && !result.uint_32);
		break;
	case Opt_nobarrier:
		lnkfs_set_opt(mo, LNKFS_OPT_NOBARRIER, true);
		break;
	}
	return 0;
}

/* What the superblock says of options that a mount does not name. */
static unsigned int lnkfs_default_opts(struct lnkfs_sb_info *sbi)
{
	static const struct {
		u32 def;
		unsigned int opt;
	} map[] = {
		{ LNKFS_DEFOPT_DISCARD,		LNKFS_OPT_DISCARD },
		{ LNKFS_DEFOPT_NOBARRIER,	LNKFS_OPT_NOBARRIER },
		{ LNKFS_DEFOPT_SYMPERM,		LNKFS_OPT_SYMPERM },
		{ LNKFS_DEFOPT_USRQUOTA,	LNKFS_OPT_USRQUOTA },
		{ LNKFS_DEFOPT_GRPQUOTA,	LNKFS_OPT_GRPQUOTA },
		{ LNKFS_DEFOPT_PRJQUOTA,	LNKFS_OPT_PRJQUOTA },
	};
	u32 defaults = le32_to_cpu(sbi->super->s_default_opts);
	unsigned int opts = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(map); i++) {
		if (defaults & map[i].def)
			opts |= map[i].opt;
	}
	/* Where there is no quota file there is nothing to enforce. */
	return opts & ~(LNKFS_OPT_QUOTAS & ~lnkfs_quota_opts_allowed(sbi->sb));
}

/**
 * lnkfs_default_options() - complete the options of a mount by the volume's own
 * @sbi: volume being mounted, its superblock read and the VFS's set up
 * @mo: what was given
 */
void lnkfs_default_options(struct lnkfs_sb_info *sbi, struct lnkfs_mount_opts *mo)
{
	mo->opts |= lnkfs_default_opts(sbi) & ~mo->given;
	sbi->opts = mo->opts;
}

/**
 * lnkfs_keep_options() - complete the options of a remount by what is in effect
 * @sb: mounted volume; s_umount is held for write
 * @mo: what was given, on top of what the volume's options were a moment ago
 *
 * Limits of quota that quotactl(2) has turned on or off stay so.
 */
void lnkfs_keep_options(struct super_block *sb, struct lnkfs_mount_opts *mo)
{
	unsigned int keep = LNKFS_OPT_QUOTAS & ~mo->given;

	mo->opts = (mo->opts & ~keep) |
		   (lnkfs_quota_enforced(sb, LNKFS_SB(sb)->opts) & keep);
}

static void tell_journal(struct lnkfs_sb_info *sbi)
{
	journal_t *journal = sbi->journal;

	write_lock(&journal->j_state_lock);
	journal->j_commit_interval = HZ * (sbi->commit ? sbi->commit : JBD2_DEFAULT_MAX_COMMIT_AGE);
	if (lnkfs_barrier(sbi))
		journal->j_flags |= JBD2_BARRIER;
	else
		journal->j_flags &= ~JBD2_BARRIER;
	write_unlock(&journal->j_state_lock);
}

/**
 * lnkfs_apply_options() - make the volume do what its options say
 * @sbi: volume, its journal opened
 * @mo: those that may change while it is mounted; the others are ignored.
 *	lnkfs_discard_start() has been called with them
 *
 * Context: mount and remount.
 */
void lnkfs_apply_options(struct lnkfs_sb_info *sbi, const struct lnkfs_mount_opts *mo)
{
	bool barrier = lnkfs_barrier(sbi);

	sbi->errors = mo->errors ? mo->errors : sbi->super->s_errors;
	sbi->commit = mo->commit;
	lnkfs_fast_hold(sbi);
	WRITE_ONCE(sbi->opts, (sbi->opts & ~LNKFS_OPTS_CHANGE) |
			      (mo->opts & LNKFS_OPTS_CHANGE));
	if (sbi->journal)
		tell_journal(sbi);
	lnkfs_fast_release(sbi, !barrier && lnkfs_barrier(sbi));
}

/**
 * lnkfs_errors_name() - what errors= says
 * @errors: LNKFS_ERRORS_*
 */
const char *lnkfs_errors_name(unsigned int errors)
{
	const struct constant_table *t;

	for (t = lnkfs_errors_table; t->name; t++) {
		if (t->value == errors)
			return t->name;
	}
	return "";
}

/* Options that are on or off, as far as they differ from the volume's defaults. */
static void lnkfs_show_opts(struct seq_file *seq, unsigned int opts, unsigned int defaults)
{
	static const struct {
		unsigned int opt;
		const char *on;
		const char *off;
	} names[] = {
		{ LNKFS_OPT_SYMPERM,	",symperm",	",nosymperm" },
		{ LNKFS_OPT_DISCARD,	",discard",	",nodiscard" },
		{ LNKFS_OPT_NOBARRIER,	",nobarrier",	",barrier" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if ((opts ^ defaults) & names[i].opt)
			seq_puts(seq, opts & names[i].opt ? names[i].on : names[i].off);
	}
}

/* Quota tools look for those that are on, defaults or not. */
static void lnkfs_show_quota_opts(struct seq_file *seq, unsigned int opts,
				  unsigned int defaults)
{
	if (defaults & ~opts & LNKFS_OPT_QUOTAS)
		seq_puts(seq, ",noquota");
	if (opts & LNKFS_OPT_USRQUOTA)
		seq_puts(seq, ",usrquota");
	if (opts & LNKFS_OPT_GRPQUOTA)
		seq_puts(seq, ",grpquota");
	if (opts & LNKFS_OPT_PRJQUOTA)
		seq_puts(seq, ",prjquota");
}

/**
 * lnkfs_show_options() - options in /proc/mounts (super_operations)
 * @seq: output
 * @root: root of the volume
 *
 * Given to a mount of the same volume, they are what is in effect now.
 */
int lnkfs_show_options(struct seq_file *seq, struct dentry *root)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(root->d_sb);
	unsigned int defaults = lnkfs_default_opts(sbi);
	unsigned int opts = lnkfs_quota_enforced(root->d_sb, READ_ONCE(sbi->opts));

	if (sbi->errors != sbi->super->s_errors)
		seq_printf(seq, ",errors=%s", lnkfs_errors_name(sbi->errors));
	if (sbi->journal_bdev && sbi->journal_devnum != le32_to_cpu(sbi->super->s_journal_dev))
		seq_printf(seq, ",journal_dev=%#x", sbi->journal_devnum);
	if (opts & LNKFS_OPT_NORECOVERY)
		seq_puts(seq, ",norecovery");
	if (test_bit(LNKFS_SB_DEAD, &sbi->state))
		seq_puts(seq, ",emergency_ro");
	lnkfs_show_opts(seq, opts, defaults);
	if (sbi->commit)
		seq_printf(seq, ",commit=%u", sbi->commit);
	lnkfs_show_quota_opts(seq, opts, defaults);
	return 0;
}

static int lnkfs_get_tree(struct fs_context *fc)
{
	return get_tree_bdev(fc, lnkfs_fill_super);
}

static void lnkfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations lnkfs_context_ops = {
	.parse_param	= lnkfs_parse_param,
	.get_tree	= lnkfs_get_tree,
	.reconfigure	= lnkfs_reconfigure,
	.free		= lnkfs_free_fc,
};

/**
 * lnkfs_init_fs_context() - start of a mount or remount (file_system_type)
 * @fc: context
 */
int lnkfs_init_fs_context(struct fs_context *fc)
{
	struct lnkfs_mount_opts *mo = kzalloc(sizeof(*mo), GFP_KERNEL);

	if (!mo)
		return -ENOMEM;
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE) {
		mo->opts = LNKFS_SB(fc->root->d_sb)->opts;
		mo->errors = LNKFS_SB(fc->root->d_sb)->errors;
		mo->commit = LNKFS_SB(fc->root->d_sb)->commit;
		mo->journal_devnum = LNKFS_SB(fc->root->d_sb)->journal_devnum;
	}
	fc->fs_private = mo;
	fc->ops = &lnkfs_context_ops;
	return 0;
}
