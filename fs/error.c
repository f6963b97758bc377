// SPDX-License-Identifier: GPL-2.0
/*
 * Errors: the log, the record in the superblock, and what errors= asks for.
 */
#include "internal.h"
#include "trace.h"

/* The superblock is written by a work: reports come from within handles. */
static void lnkfs_record_error(struct lnkfs_sb_info *sbi, const char *func, int line,
			       int err, u64 ino, u64 block)
{
	struct timespec64 now;

	ktime_get_coarse_real_ts64(&now);
	spin_lock(&sbi->error_lock);
	sbi->error.e_time = cpu_to_le64(lnkfs_time_encode(now));
	sbi->error.e_ino = cpu_to_le64(ino);
	sbi->error.e_block = cpu_to_le64(block);
	sbi->error.e_errno = cpu_to_le32(-err);
	sbi->error.e_line = cpu_to_le32(line);
	memset(sbi->error.e_func, 0, sizeof(sbi->error.e_func));
	strscpy(sbi->error.e_func, func, sizeof(sbi->error.e_func));
	if (!sbi->error_new++)
		sbi->error_first = sbi->error;
	spin_unlock(&sbi->error_lock);
	set_bit(LNKFS_SB_ERROR, &sbi->state);
	if (test_bit(LNKFS_SB_MOUNTED, &sbi->state))
		schedule_work(&sbi->error_work);
}

/*
 * errors=panic. The error is to be known after the reboot, without waiting for
 * anybody who may wait for this task: the journal, which can be aborted from
 * within a handle, notes that in its own superblock.
 */
static void lnkfs_panic(struct lnkfs_sb_info *sbi)
{
	if (sbi->journal)
		jbd2_journal_abort(sbi->journal, -EIO);
	lnkfs_super_try(sbi);
	panic("lnkfs (%s): panic after an error, as asked by errors=panic\n", sbi->sb->s_id);
}

/* errors=remount-ro: the state comes first, so that only the first error says it. */
static void lnkfs_end_writing(struct lnkfs_sb_info *sbi)
{
	if (test_and_set_bit(LNKFS_SB_DEAD, &sbi->state))
		return;
	pr_err("lnkfs (%s): the volume is now read-only\n", sbi->sb->s_id);
	if (sbi->journal)
		jbd2_journal_abort(sbi->journal, -EIO);
}

/**
 * lnkfs_report_at() - an error was detected on the volume
 * @fs: volume
 * @func: function that saw it
 * @line: its source line
 * @err: negative error number
 * @ino: inode concerned, or 0
 * @block: block concerned, or 0
 * @fmt: what is wrong
 *
 * Logs it, records it for the superblock, and then continues, makes the
 * volume read-only or panics, as errors= says.
 *
 * Context: any in which sleeping is allowed; a handle may be open.
 * Return: @err.
 */
int lnkfs_report_at(struct lnkfs_fs *fs, const char *func, int line, int err, u64 ino,
		    u64 block, const char *fmt, ...)
{
	struct lnkfs_sb_info *sbi = container_of(fs, struct lnkfs_sb_info, fs);
	struct super_block *sb = sbi->sb;
	struct va_format vaf;
	va_list args;

	if (lnkfs_stopped(sb))
		return err;
	trace_lnkfs_error(sb, func, line, err, ino, block);
	if (___ratelimit(&sbi->report_limit, "lnkfs")) {
		va_start(args, fmt);
		vaf.fmt = fmt;
		vaf.va = &args;
		pr_err("lnkfs (%s): %s:%d: inode %llu block %llu: %pV (%d)\n",
		       sb->s_id, func, line, ino, block, &vaf, err);
		va_end(args);
	}
	lnkfs_record_error(sbi, func, line, err, ino, block);
	if (sbi->errors == LNKFS_ERRORS_PANIC)
		lnkfs_panic(sbi);
	if (sbi->errors == LNKFS_ERRORS_RO && !sb_rdonly(sb) &&
	    test_bit(LNKFS_SB_MOUNTED, &sbi->state))
		lnkfs_end_writing(sbi);
	return err;
}

/**
 * lnkfs_abort() - stop the journal: a transaction would be inconsistent
 * @sb: volume
 * @err: why
 *
 * Nothing of the running transaction reaches the disk; the volume can only be
 * unmounted and mounted again.
 */
void lnkfs_abort(struct super_block *sb, int err)
{
	journal_t *journal = LNKFS_SB(sb)->journal;

	if (!journal || is_journal_aborted(journal))
		return;
	pr_err("lnkfs (%s): an operation failed half-way (%d), the journal is aborted\n",
	       sb->s_id, err);
	jbd2_journal_abort(journal, err);
}

/**
 * lnkfs_error_worker() - write recorded errors to the superblock
 * @work: lnkfs_sb_info.error_work
 */
void lnkfs_error_worker(struct work_struct *work)
{
	lnkfs_super_update(container_of(work, struct lnkfs_sb_info, error_work), false);
}
