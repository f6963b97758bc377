// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/fs/lnkfs: what the module can do, and a directory for each mounted
 * volume, named after its device. All files are read-only.
 */
#include <linux/kobject.h>
#include <linux/part_stat.h>
#include <linux/sysfs.h>
#include "internal.h"

static struct kset *lnkfs_kset;
static struct kobject *lnkfs_features;

struct lnkfs_sysfs_attr {
	struct attribute attr;
	ssize_t (*show)(struct lnkfs_sb_info *sbi, char *buf);
};

/* A file that holds a value: @expr may use @sbi. */
#define LNKFS_SYSFS(file, fmt, expr)					\
static ssize_t lnkfs_##file##_show(struct lnkfs_sb_info *sbi, char *buf) \
{									\
	return sysfs_emit(buf, fmt "\n", expr);				\
}									\
LNKFS_SYSFS_ATTR(file)

#define LNKFS_SYSFS_ATTR(file)						\
static const struct lnkfs_sysfs_attr lnkfs_attr_##file = {		\
	.attr	= { .name = #file, .mode = 0444 },			\
	.show	= lnkfs_##file##_show,					\
}

/* ---- identity, features ---- */

static ssize_t lnkfs_label_show(struct lnkfs_sb_info *sbi, char *buf)
{
	ssize_t len;

	lock_buffer(sbi->super_bh);
	len = sysfs_emit(buf, "%s\n", (const char *)sbi->super->s_label);
	unlock_buffer(sbi->super_bh);
	return len;
}
LNKFS_SYSFS_ATTR(label);

LNKFS_SYSFS(uuid, "%pUb", sbi->super->s_uuid);
LNKFS_SYSFS(feature_compat, "%#010x", le32_to_cpu(sbi->super->s_feature_compat));
LNKFS_SYSFS(feature_incompat, "%#010x", le32_to_cpu(sbi->super->s_feature_incompat));
LNKFS_SYSFS(feature_ro_compat, "%#010x", le32_to_cpu(sbi->super->s_feature_ro_compat));

/* ---- limits ---- */

LNKFS_SYSFS(block_size, "%u", sbi->fs.block_size);
LNKFS_SYSFS(max_links, "%u", sbi->fs.max_links);
LNKFS_SYSFS(name_max, "%u", LNKFS_NAME_LEN);
LNKFS_SYSFS(path_max, "%u", PATH_MAX);
LNKFS_SYSFS(symlink_max, "%u", LNKFS_SYMLINK_MAX);
LNKFS_SYSFS(fast_symlink_max, "%u", sbi->fs.fast_max);
LNKFS_SYSFS(file_size_max, "%llu", (u64)sbi->sb->s_maxbytes);
LNKFS_SYSFS(volume_size_max, "%llu", LNKFS_MAX_BLOCKS << sbi->fs.block_bits);

/* ---- counters ---- */

static s64 lnkfs_space_read(struct lnkfs_sb_info *sbi, const s64 *counter)
{
	s64 value;

	spin_lock(&sbi->space_lock);
	value = *counter;
	spin_unlock(&sbi->space_lock);
	return value;
}

static unsigned long lnkfs_count_orphans(struct lnkfs_sb_info *sbi)
{
	unsigned long block, n = 0;
	void *count;

	xa_for_each(&sbi->orphans, block, count)
		n += xa_to_value(count);
	return n;
}

static unsigned long lnkfs_journal_free(struct lnkfs_sb_info *sbi)
{
	journal_t *journal = sbi->journal;
	unsigned long n = 0;

	if (journal) {
		read_lock(&journal->j_state_lock);
		n = journal->j_free;
		read_unlock(&journal->j_state_lock);
	}
	return n;
}

LNKFS_SYSFS(free_blocks, "%lld", lnkfs_space_read(sbi, &sbi->free));
LNKFS_SYSFS(busy_blocks, "%lld", lnkfs_space_read(sbi, &sbi->busy));
LNKFS_SYSFS(delayed_allocation_blocks, "%lld", lnkfs_space_read(sbi, &sbi->reserved));
LNKFS_SYSFS(pool_blocks, "%lld", lnkfs_space_read(sbi, &sbi->pool));
LNKFS_SYSFS(reserved_blocks, "%lld", lnkfs_space_read(sbi, &sbi->root_reserve));
LNKFS_SYSFS(used_inodes, "%lld", (s64)atomic64_read(&sbi->used_inodes));
LNKFS_SYSFS(free_inode_slots, "%lld", (s64)atomic64_read(&sbi->free_slots));
LNKFS_SYSFS(orphans, "%lu", lnkfs_count_orphans(sbi));
LNKFS_SYSFS(journal_blocks, "%u", sbi->fs.journal_blocks);
LNKFS_SYSFS(journal_free_blocks, "%lu", lnkfs_journal_free(sbi));
LNKFS_SYSFS(journal_sequence, "%u", sbi->journal ? READ_ONCE(sbi->journal->j_commit_sequence) : 0);
LNKFS_SYSFS(fast_commits, "%llu", lnkfs_fast_count(sbi));

/* KiB that the device has been given to write since it came up. */
static u64 lnkfs_device_kib(struct lnkfs_sb_info *sbi)
{
	return part_stat_read(sbi->sb->s_bdev, sectors[STAT_WRITE]) >> 1;
}

static u64 lnkfs_session_kib(struct lnkfs_sb_info *sbi)
{
	return lnkfs_device_kib(sbi) - sbi->mount_kib;
}

/**
 * lnkfs_lifetime_start() - begin to count what is written
 * @sbi: volume being mounted, its superblock read
 */
void lnkfs_lifetime_start(struct lnkfs_sb_info *sbi)
{
	sbi->mount_kib = lnkfs_device_kib(sbi);
	sbi->lifetime_kib = le64_to_cpu(sbi->super->s_lifetime_kib);
}

/**
 * lnkfs_lifetime_kib() - KiB written to the volume since it was made
 * @sbi: volume
 */
u64 lnkfs_lifetime_kib(struct lnkfs_sb_info *sbi)
{
	return sbi->lifetime_kib + lnkfs_session_kib(sbi);
}

LNKFS_SYSFS(session_write_kbytes, "%llu", lnkfs_session_kib(sbi));
LNKFS_SYSFS(lifetime_write_kbytes, "%llu", lnkfs_lifetime_kib(sbi));

/* ---- errors ---- */

LNKFS_SYSFS(errors, "%s", lnkfs_errors_name(sbi->errors));

static u32 lnkfs_error_count(struct lnkfs_sb_info *sbi)
{
	u32 n;

	spin_lock(&sbi->error_lock);
	n = le32_to_cpu(sbi->super->s_error_count) + sbi->error_new;
	spin_unlock(&sbi->error_lock);
	return n;
}
LNKFS_SYSFS(error_count, "%u", lnkfs_error_count(sbi));

/* A record, which may not have been written to the superblock yet. */
static struct lnkfs_error_record lnkfs_error_get(struct lnkfs_sb_info *sbi, bool first)
{
	struct lnkfs_error_record e;

	spin_lock(&sbi->error_lock);
	if (sbi->error_new && (!first || !sbi->super->s_error_count))
		e = first ? sbi->error_first : sbi->error;
	else
		e = first ? sbi->super->s_first_error : sbi->super->s_last_error;
	spin_unlock(&sbi->error_lock);
	return e;
}

/* Seconds of the Unix epoch; 0 when there has been no error. */
static s64 lnkfs_record_time(const struct lnkfs_error_record *e)
{
	return e->e_time ? lnkfs_time_decode(le64_to_cpu(e->e_time)).tv_sec : 0;
}

/* A file for a member of the first record, and one for that of the last. */
#define LNKFS_SYSFS_ERROR(member, fmt, expr)				\
static ssize_t lnkfs_error_##member(struct lnkfs_sb_info *sbi, char *buf, bool first) \
{									\
	struct lnkfs_error_record e = lnkfs_error_get(sbi, first);	\
									\
	return sysfs_emit(buf, fmt "\n", expr);				\
}									\
static ssize_t lnkfs_first_error_##member##_show(struct lnkfs_sb_info *sbi, char *buf) \
{									\
	return lnkfs_error_##member(sbi, buf, true);			\
}									\
LNKFS_SYSFS_ATTR(first_error_##member);					\
static ssize_t lnkfs_last_error_##member##_show(struct lnkfs_sb_info *sbi, char *buf) \
{									\
	return lnkfs_error_##member(sbi, buf, false);			\
}									\
LNKFS_SYSFS_ATTR(last_error_##member)

LNKFS_SYSFS_ERROR(time, "%lld", lnkfs_record_time(&e));
LNKFS_SYSFS_ERROR(func, "%.32s", (const char *)e.e_func);
LNKFS_SYSFS_ERROR(line, "%u", le32_to_cpu(e.e_line));
LNKFS_SYSFS_ERROR(errno, "%u", le32_to_cpu(e.e_errno));
LNKFS_SYSFS_ERROR(ino, "%llu", le64_to_cpu(e.e_ino));
LNKFS_SYSFS_ERROR(block, "%llu", le64_to_cpu(e.e_block));

#define ATTR(file)	(&lnkfs_attr_##file.attr)

static const struct attribute *const lnkfs_attrs[] = {
	ATTR(label), ATTR(uuid),
	ATTR(feature_compat), ATTR(feature_incompat), ATTR(feature_ro_compat),
	ATTR(block_size), ATTR(max_links), ATTR(name_max), ATTR(path_max), ATTR(symlink_max),
	ATTR(fast_symlink_max), ATTR(file_size_max), ATTR(volume_size_max),
	ATTR(free_blocks), ATTR(busy_blocks), ATTR(delayed_allocation_blocks),
	ATTR(pool_blocks), ATTR(reserved_blocks), ATTR(used_inodes), ATTR(free_inode_slots),
	ATTR(orphans), ATTR(journal_blocks), ATTR(journal_free_blocks), ATTR(journal_sequence),
	ATTR(fast_commits),
	ATTR(session_write_kbytes), ATTR(lifetime_write_kbytes),
	ATTR(errors), ATTR(error_count),
	ATTR(first_error_time), ATTR(first_error_func), ATTR(first_error_line),
	ATTR(first_error_errno), ATTR(first_error_ino), ATTR(first_error_block),
	ATTR(last_error_time), ATTR(last_error_func), ATTR(last_error_line),
	ATTR(last_error_errno), ATTR(last_error_ino), ATTR(last_error_block),
	NULL
};

static ssize_t lnkfs_sysfs_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct lnkfs_sb_info *sbi = container_of(kobj, struct lnkfs_sb_info, kobj);

	return container_of(attr, struct lnkfs_sysfs_attr, attr)->show(sbi, buf);
}

static void lnkfs_sysfs_release(struct kobject *kobj)
{
	complete(&container_of(kobj, struct lnkfs_sb_info, kobj)->kobj_done);
}

static const struct sysfs_ops lnkfs_sysfs_ops = {
	.show	= lnkfs_sysfs_show,
};

static const struct kobj_type lnkfs_ktype = {
	.sysfs_ops	= &lnkfs_sysfs_ops,
	.release	= lnkfs_sysfs_release,
};

/**
 * lnkfs_sysfs_add() - make the directory of a volume
 * @sbi: volume, complete but for this
 *
 * Return: 0, -ENOMEM, -EEXIST; there is nothing to undo then.
 */
int lnkfs_sysfs_add(struct lnkfs_sb_info *sbi)
{
	int err;

	init_completion(&sbi->kobj_done);
	sbi->kobj.kset = lnkfs_kset;
	err = kobject_init_and_add(&sbi->kobj, &lnkfs_ktype, NULL, "%pg",
				   sbi->sb->s_bdev);
	if (!err) {
		err = sysfs_create_files(&sbi->kobj, lnkfs_attrs);
		if (!err)
			return 0;
	}
	kobject_put(&sbi->kobj);
	wait_for_completion(&sbi->kobj_done);
	sbi->kobj.state_initialized = 0;
	return err;
}

/**
 * lnkfs_sysfs_del() - remove the directory of a volume
 * @sbi: volume; may have none
 *
 * When this returns nobody is reading a file of it any more.
 */
void lnkfs_sysfs_del(struct lnkfs_sb_info *sbi)
{
	if (!sbi->kobj.state_initialized)
		return;
	kobject_del(&sbi->kobj);
	kobject_put(&sbi->kobj);
	wait_for_completion(&sbi->kobj_done);
	sbi->kobj.state_initialized = 0;
}

/* ---- /sys/fs/lnkfs/features ---- */

static ssize_t supported_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "supported\n");
}

#define LNKFS_FEATURE(file)						\
static struct kobj_attribute lnkfs_feature_##file =			\
	__ATTR(file, 0444, supported_show, NULL)

LNKFS_FEATURE(batched_discard);
LNKFS_FEATURE(dynamic_inodes);
LNKFS_FEATURE(fsmap);
LNKFS_FEATURE(link_attributes);
LNKFS_FEATURE(metadata_csum);
LNKFS_FEATURE(symperm);

static const struct attribute *const lnkfs_feature_attrs[] = {
	&lnkfs_feature_batched_discard.attr,
	&lnkfs_feature_dynamic_inodes.attr,
	&lnkfs_feature_fsmap.attr,
	&lnkfs_feature_link_attributes.attr,
	&lnkfs_feature_metadata_csum.attr,
	&lnkfs_feature_symperm.attr,
	NULL
};

/**
 * lnkfs_sysfs_init() - make /sys/fs/lnkfs, at module load
 *
 * Return: 0 or -ENOMEM.
 */
int __init lnkfs_sysfs_init(void)
{
	lnkfs_kset = kset_create_and_add("lnkfs", NULL, fs_kobj);
	if (!lnkfs_kset)
		return -ENOMEM;
	lnkfs_features = kobject_create_and_add("features", &lnkfs_kset->kobj);
	if (lnkfs_features &&
	    !sysfs_create_files(lnkfs_features, lnkfs_feature_attrs))
		return 0;
	lnkfs_sysfs_exit();
	return -ENOMEM;
}

/**
 * lnkfs_sysfs_exit() - undo lnkfs_sysfs_init()
 */
void lnkfs_sysfs_exit(void)
{
	kobject_put(lnkfs_features);
	kset_unregister(lnkfs_kset);
}
