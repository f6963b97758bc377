/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the kernel module share.
 *
 * Lock order, outermost first:
 *	inode_lock, invalidate_lock, folio lock, jbd2 handle, ext_lock, the
 *	quota code's dq_lock and dqio_sem, ext_lock of a quota file,
 *	the core's group lock, da_lock, raw_lock, space_lock.
 * Inside a handle: no folio lock of an inode's mapping, no wait for data
 * writeback, no final iput, no i_rwsem, no copy from or to user memory.
 */
#ifndef LNKFS_INTERNAL_H
#define LNKFS_INTERNAL_H

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fs_parser.h>
#include <linux/jbd2.h>
#include <linux/kobject.h>
#include <linux/limits.h>
#include <linux/quota.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "compat.h"
#include "core/core.h"

/* lnkfs_sb_info.opts */
#define LNKFS_OPT_NORECOVERY	0x1	/* do not replay the journal (read-only) */

#define LNKFS_OPT_SYMPERM	0x2	/* links are read with read permission only */

#define LNKFS_OPT_DISCARD	0x100	/* discard what has been freed */
#define LNKFS_OPT_NOBARRIER	0x200	/* do not flush the device's cache */

/* lnkfs_sb_info.state, bit numbers */
#define LNKFS_SB_ERROR		0	/* an error has been recorded */
#define LNKFS_SB_MOUNTED	1	/* mount is complete: errors are acted upon */
#define LNKFS_SB_STOPPED	2	/* shut down: everything answers EIO */
#define LNKFS_SB_DEAD		3	/* an error has ended all writing */
#define LNKFS_SB_LOGGED		4	/* only recovery may write the superblock */
#define LNKFS_SB_BACKUP		5	/* what is in memory is a backup of the superblock */
#define LNKFS_SB_ORPHANS	6	/* there may be orphans that nobody has seen */

struct lnkfs_trigger {
	struct jbd2_buffer_trigger_type jbd;
	struct lnkfs_fs *fs;
	enum lnkfs_btype type;
};

/**
 * struct lnkfs_sb_info - a mounted volume
 * @fs: the volume as the core sees it
 * @sb: the VFS's
 * @super_bh: buffer of the primary superblock, never journaled
 * @super: the superblock in it; changed under lock_buffer(@super_bh)
 * @journal: jbd2's, or NULL with norecovery
 * @journal_bdev: device of an external journal, claimed; else NULL
 * @journal_devnum: its number (new_encode_dev()), from the mount options or the
 *	superblock; 0: not known
 * @log_bdev: device that the log is on
 * @log_start: its first block there
 * @log_blocks: its length
 * @fast: fast commits, NULL without them
 * @trigger: checksum trigger for each block type
 * @opts: LNKFS_OPT_*
 * @errors: LNKFS_ERRORS_*
 * @commit: seconds between commits as a mount option said, or 0
 * @state: LNKFS_SB_* bits
 * @overhead: blocks that can never hold files
 * @space_lock: protects the five counters below, @held, @hold_waiters, @hold_after
 * @free: blocks free and allocatable now (busy ones excluded)
 * @busy: freed blocks that wait for their transaction to commit
 * @reserved: blocks of @free promised to delayed allocation, and to the nodes that
 *	accepted data may need
 * @pool: blocks of @free kept back for tree splits
 * @root_reserve: blocks of @free only for CAP_SYS_RESOURCE
 * @used_inodes: records in use
 * @free_slots: free inode slots in inode blocks
 * @busy_list: struct lnkfs_busy, in transaction order, under @space_lock
 * @discard_list: those whose transaction has committed, to be discarded, under
 *	@space_lock
 * @discard_work: does that
 * @discard_wq: runs it; NULL when discard has never been on
 * @held: of @busy, those that FITRIM is discarding
 * @hold_waiters: tasks that wait until there are none
 * @hold_after: until then (jiffies) FITRIM is not to hold any: space is short
 * @busy_tid: last transaction whose frees have left @busy_list
 * @busy_wait: waits for it
 * @quota_credits: what lnkfs_begin() adds to every handle for quota entries
 * @charge_lock: protects @charges
 * @charges: struct lnkfs_charge, see quota.c
 * @orphans: orphan count by inode block (values), see host_kernel.c
 * @orphan_work: clears orphan bits lazily
 * @error_work: writes the error record to the superblock
 * @error_lock: protects the next three
 * @error: the newest error, not yet written
 * @error_first: the oldest of these
 * @error_new: errors since the last write of the superblock
 * @report_limit: how many errors go to the log
 * @ioend_wq: completes writes (extent conversion, disk size)
 * @wb_err: error sequence of the device at mount
 * @label_lock: one change at a time of what the backups of the superblock
 *	repeat: the label, the size
 * @super_lock: one write of the superblock at a time, inside @label_lock
 * @mount_kib: KiB that the device had been given to write when it was mounted
 * @lifetime_kib: KiB written to the volume before
 * @kobj: its directory in /sys/fs/lnkfs
 * @kobj_done: nobody refers to @kobj any more
 * @rcu: frees it: RCU path walk looks at @state and @opts; in its first 4 KiB
 * @tree_seq: counts what makes the path from a directory to another, or who may take
 *	it, a different one: see track.c
 * @lanes: locks of the back references, and leaves of their trees
 */
struct lnkfs_sb_info {
	struct lnkfs_fs fs;
	struct super_block *sb;
	struct buffer_head *super_bh;
	struct lnkfs_super_block *super;
	journal_t *journal;
	lnkfs_bdev *journal_bdev;
	u32 journal_devnum;
	struct block_device *log_bdev;
	u64 log_start;
	u32 log_blocks;
	struct lnkfs_fast *fast;
	struct lnkfs_trigger trigger[LNKFS_B_TYPES];
	unsigned int opts;
	unsigned int errors;
	unsigned int commit;
	unsigned long state;
	u64 overhead;
	spinlock_t space_lock;
	s64 free;
	s64 busy;
	s64 reserved;
	s64 pool;
	s64 root_reserve;
	atomic64_t used_inodes;
	atomic64_t free_slots;
	struct list_head busy_list;
	struct list_head discard_list;
	struct work_struct discard_work;
	struct workqueue_struct *discard_wq;
	s64 held;
	u32 hold_waiters;
	unsigned long hold_after;
	tid_t busy_tid;
	wait_queue_head_t busy_wait;
	u32 quota_credits;
	spinlock_t charge_lock;
	struct list_head charges;
	struct xarray orphans;
	struct delayed_work orphan_work;
	struct work_struct error_work;
	spinlock_t error_lock;
	struct lnkfs_error_record error;
	struct lnkfs_error_record error_first;
	u32 error_new;
	struct ratelimit_state report_limit;
	struct workqueue_struct *ioend_wq;
	errseq_t wb_err;
	struct mutex label_lock;
	struct mutex super_lock;
	u64 mount_kib;
	u64 lifetime_kib;
	struct kobject kobj;
	struct completion kobj_done;
	struct rcu_head rcu;
	atomic64_t tree_seq;
	struct lnkfs_names_lane lanes[LNKFS_NAMES_LANES];
};

/**
 * struct lnkfs_inode_info - an inode in memory
 * @ci: the decoded record. The VFS inode is the authority for mode, owner,
 *	link count, times and version, which lnkfs_store() copies into @ci. For
 *	regular files @ci.size is the size on disk (never above i_size but in
 *	a truncate), for others it equals i_size.
 * @ext_lock: extent lock: protects the extent tree, @ci.blocks, the fork, the
 *	extended attributes
 * @window: free blocks kept for the next allocation at the end, or NULL; under
 *	@ext_lock, held for write
 * @raw_lock: one encoder of the record at a time; protects @ci.size
 * @link_body: cached target of a slow symlink
 * @track: path that a tracked symlink led to last, or NULL (i_lock)
 * @sync_tid: transaction that fsync has to wait for
 * @datasync_tid: the same for fdatasync
 * @orphan: counted in the orphan map (under a handle)
 * @da_lock: protects the five below
 * @da_root: ranges with delayed allocation (delalloc.c)
 * @da_blocks: blocks in these ranges
 * @owed_root: ranges with data that will want nodes of the extent tree
 * @owed_blocks: blocks in these
 * @owed_ends: full nodes that these may meet, but for those of their own records
 * @data_seq: changes whenever a mapping that iomap was told may have become
 *	untrue; not when a hole gets a range of delayed allocation
 * @da_partial: space is short: a buffered write may reserve a part (inode_lock)
 * @flush_close: the file was cut: write what follows at the next close
 * @dquot: owners' usage and limits (the quota code's)
 * @quota_reserved: bytes promised, but not used (the quota code's)
 * @quota_blocks: blocks of @ci.blocks that have been charged (raw_lock)
 * @quota_claim: blocks allocated out of @quota_reserved (raw_lock)
 * @ioend_lock: protects @ioend_list
 * @ioend_list: finished writes that wait for @ioend_work
 * @ioend_work: completes them
 * @vfs_inode: the VFS's part
 */
struct lnkfs_inode_info {
	struct lnkfs_cinode ci;
	struct rw_semaphore ext_lock;
	struct lnkfs_window *window;
	spinlock_t raw_lock;
	char *link_body;
	struct lnkfs_track *track;
	tid_t sync_tid;
	tid_t datasync_tid;
	bool orphan;
	spinlock_t da_lock;
	struct rb_root da_root;
	u64 da_blocks;
	struct rb_root owed_root;
	u64 owed_blocks;
	atomic64_t data_seq;
	u32 owed_ends;
	bool da_partial;
	bool flush_close;
	lnkfs_dquot *dquot[MAXQUOTAS];
	qsize_t quota_reserved;
	u64 quota_blocks;
	u64 quota_claim;
	spinlock_t ioend_lock;
	struct list_head ioend_list;
	struct work_struct ioend_work;
	struct inode vfs_inode;
};

static inline struct lnkfs_sb_info *LNKFS_SB(struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct lnkfs_inode_info *LNKFS_I(struct inode *inode)
{
	return container_of(inode, struct lnkfs_inode_info, vfs_inode);
}

static inline struct lnkfs_fs *LNKFS_FS(struct inode *inode)
{
	return &LNKFS_SB(inode->i_sb)->fs;
}

/* Has the volume been shut down (LNKFS_IOC_SHUTDOWN)? */
static inline bool lnkfs_stopped(struct super_block *sb)
{
	return unlikely(test_bit(LNKFS_SB_STOPPED, &LNKFS_SB(sb)->state));
}

/*
 * The way between two directories has changed, or who may take it: after the
 * change. Paths made before are not to be used again.
 */
static inline void lnkfs_tree_changed(struct super_block *sb)
{
	/* Pairs with lnkfs_tree_seq(). */
	smp_mb__before_atomic();
	atomic64_inc(&LNKFS_SB(sb)->tree_seq);
}

/* Is read permission needed to read and follow a link? */
static inline bool lnkfs_symperm(struct super_block *sb)
{
	return LNKFS_SB(sb)->opts & LNKFS_OPT_SYMPERM;
}

/* Are freed blocks to be discarded, and can they be? */
static inline bool lnkfs_wants_discard(struct lnkfs_sb_info *sbi)
{
	return (READ_ONCE(sbi->opts) & LNKFS_OPT_DISCARD) && sbi->discard_wq &&
	       bdev_max_discard_sectors(sbi->sb->s_bdev);
}

/* Is the device's cache to be flushed? */
static inline bool lnkfs_barrier(struct lnkfs_sb_info *sbi)
{
	return !(READ_ONCE(sbi->opts) & LNKFS_OPT_NOBARRIER);
}

/* A change of an inode that was asked to be synchronous waits for its commit. */
static inline void lnkfs_sync_handle(handle_t *handle, struct inode *inode)
{
	if (S_ISDIR(inode->i_mode) ? IS_DIRSYNC(inode) : IS_SYNC(inode))
		handle->h_sync = 1;
}

/*
 * Is the volume not to be written: mounted so, or made so by an error? The
 * VFS's own flag is the VFS's to set, under s_umount: a volume that became
 * read-only while it was frozen would never thaw.
 */
static inline bool lnkfs_rdonly(struct super_block *sb)
{
	return sb_rdonly(sb) || test_bit(LNKFS_SB_DEAD, &LNKFS_SB(sb)->state);
}

/* Can nothing be written any more? */
static inline bool lnkfs_is_shutdown(struct super_block *sb)
{
	journal_t *journal = LNKFS_SB(sb)->journal;

	return lnkfs_stopped(sb) || !journal || is_journal_aborted(journal);
}

/* May the caller pass by directories, as with a file handle? */
static inline bool lnkfs_passes_by(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_DAC_READ_SEARCH);
}

/* The generation of an inode, for the caller to know: with the number it makes a handle. */
static inline u32 lnkfs_told_gen(u32 gen)
{
	return lnkfs_passes_by() ? gen : 0;
}

/* Blocks that @size bytes of a file take. */
static inline u64 lnkfs_size_blocks(const struct inode *inode, loff_t size)
{
	return ((u64)size + i_blocksize(inode) - 1) >> inode->i_blkbits;
}

#include "quota.h"

/* ---- super.c ---- */
int lnkfs_fill_super(struct super_block *sb, struct fs_context *fc);
int lnkfs_reconfigure(struct fs_context *fc);
int lnkfs_super_update(struct lnkfs_sb_info *sbi, bool clean);
void lnkfs_super_try(struct lnkfs_sb_info *sbi);
void lnkfs_size_limits(struct lnkfs_sb_info *sbi);

/* ---- options.c ---- */
struct fs_context;
struct seq_file;

/**
 * struct lnkfs_mount_opts - what the mount options said (fc->fs_private)
 * @opts: LNKFS_OPT_*
 * @given: of these, those that were named, on or off; for the others the
 *	superblock has defaults
 * @errors: LNKFS_ERRORS_*, or 0: as the superblock says
 * @commit: seconds between commits, or 0: jbd2's default
 * @journal_devnum: device of the external journal (new_encode_dev()), or 0: as
 *	the superblock says
 */
struct lnkfs_mount_opts {
	unsigned int opts;
	unsigned int given;
	unsigned int errors;
	unsigned int commit;
	u32 journal_devnum;
};

int lnkfs_init_fs_context(struct fs_context *fc);
extern const struct fs_parameter_spec lnkfs_parameters[];
int lnkfs_show_options(struct seq_file *seq, struct dentry *root);
void lnkfs_default_options(struct lnkfs_sb_info *sbi, struct lnkfs_mount_opts *mo);
void lnkfs_keep_options(struct super_block *sb, struct lnkfs_mount_opts *mo);
void lnkfs_apply_options(struct lnkfs_sb_info *sbi, const struct lnkfs_mount_opts *mo);
const char *lnkfs_errors_name(unsigned int errors);

/* ---- journal.c ---- */
int lnkfs_journal_open(struct lnkfs_sb_info *sbi);
int lnkfs_journal_close(struct lnkfs_sb_info *sbi);
bool lnkfs_journal_dead(struct lnkfs_sb_info *sbi);
int lnkfs_may_write(struct super_block *sb);
/* Types of handles, for what trees may take: see lnkfs_kept_from_trees(). */
#define LNKFS_H_PROMISED	1	/* data that have been accepted */
#define LNKFS_H_DIRECT		2	/* data whose writer is told when it fails */

handle_t *lnkfs_begin(struct super_block *sb, u32 credits, u32 revokes);
handle_t *lnkfs_begin_inode(struct inode *inode, u32 credits, u32 revokes);
int lnkfs_end(handle_t *handle);
int lnkfs_force_commit(struct super_block *sb);
int lnkfs_wait_tid(struct super_block *sb, tid_t tid);
int lnkfs_sync_tid(struct super_block *sb, tid_t tid);
bool lnkfs_retry_alloc(struct super_block *sb, int err, int *tries);
bool lnkfs_retry_name(struct super_block *sb, int err, int *tries);
int lnkfs_fsync(struct file *file, loff_t start, loff_t end, int datasync);
int lnkfs_sync_fs(struct super_block *sb, int wait);
void lnkfs_note_tid(handle_t *handle, struct inode *inode, bool datasync);
void lnkfs_read_tids(struct inode *inode);
void lnkfs_note_data(handle_t *handle);

/* ---- fast_commit.c ---- */
void lnkfs_fast_track(handle_t *handle, struct lnkfs_sb_info *sbi, struct buffer_head *bh,
		      enum lnkfs_btype type, bool fresh);
void lnkfs_fast_lost(handle_t *handle, struct lnkfs_sb_info *sbi);
void lnkfs_fast_quiesce(struct lnkfs_sb_info *sbi);
void lnkfs_fast_hold(struct lnkfs_sb_info *sbi);
void lnkfs_fast_release(struct lnkfs_sb_info *sbi, bool unflushed);
void lnkfs_fast_forget(struct lnkfs_sb_info *sbi);
int lnkfs_fast_commit(struct lnkfs_sb_info *sbi, tid_t tid, bool flush);
void lnkfs_fast_want(struct lnkfs_sb_info *sbi);
bool lnkfs_fast_likely(const struct lnkfs_sb_info *sbi, tid_t tid);
u64 lnkfs_fast_count(struct lnkfs_sb_info *sbi);
int lnkfs_fast_open(struct lnkfs_sb_info *sbi, tid_t first, tid_t next, bool empty);
bool lnkfs_fast_pending(const struct lnkfs_sb_info *sbi);
int lnkfs_fast_mark(struct lnkfs_sb_info *sbi);
int lnkfs_fast_replay(struct lnkfs_sb_info *sbi);
void lnkfs_fast_free(struct lnkfs_sb_info *sbi);

/* ---- journal_dev.c ---- */

/* Is the journal on another device? */
static inline bool lnkfs_ext_journal(const struct lnkfs_sb_info *sbi)
{
	return sbi->super->s_feature_incompat & cpu_to_le32(LNKFS_INCOMPAT_EXT_JOURNAL);
}

int lnkfs_journal_path(struct fs_context *fc, struct fs_parameter *param, u32 *devnum);
int lnkfs_journal_dev_open(struct lnkfs_sb_info *sbi);
void lnkfs_journal_dev_close(lnkfs_bdev *handle);

/* ---- host_kernel.c ---- */
int lnkfs_space_reserve(struct lnkfs_sb_info *sbi, s64 blocks);
int lnkfs_space_reserve_nodes(struct lnkfs_sb_info *sbi, s64 blocks);
void lnkfs_space_unreserve(struct lnkfs_sb_info *sbi, u64 blocks);

/**
 * struct lnkfs_busy - blocks of one group freed in one transaction
 * @list: lnkfs_sb_info.busy_list, then .discard_list
 * @tid: the transaction
 * @group: their group
 * @start: first block, numbered in the group
 * @len: how many
 */
struct lnkfs_busy {
	struct list_head list;
	tid_t tid;
	u32 group;
	u32 start;
	u32 len;
};

void lnkfs_busy_commit(journal_t *journal, transaction_t *transaction);
void lnkfs_busy_release(struct lnkfs_sb_info *sbi, struct lnkfs_busy *b);
bool lnkfs_busy_hold(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len);
void lnkfs_busy_unhold(struct lnkfs_sb_info *sbi, u32 group, u32 start, u32 len);
void lnkfs_hold_wait(struct lnkfs_sb_info *sbi);
void lnkfs_busy_free_all(struct lnkfs_sb_info *sbi);

/* ---- trim.c ---- */
struct fstrim_range;

void lnkfs_discard_init(struct lnkfs_sb_info *sbi);
int lnkfs_discard_start(struct lnkfs_sb_info *sbi, const struct lnkfs_mount_opts *mo);
void lnkfs_discard_wait(struct lnkfs_sb_info *sbi);
void lnkfs_discard_stop(struct lnkfs_sb_info *sbi);
int lnkfs_ioc_fitrim(struct super_block *sb, struct fstrim_range __user *arg);

/* ---- fsmap.c, label.c ---- */
struct fsmap_head;

int lnkfs_ioc_getfsmap(struct super_block *sb, struct fsmap_head __user *arg);
int lnkfs_ioctl_label(struct file *file, unsigned int cmd, void __user *arg);

/* ---- ioctl.c ---- */
struct file *lnkfs_get_object(struct super_block *sb, int fd);

/* ---- names.c ---- */
struct lnkfs_names;

/**
 * struct lnkfs_path - a path being made, from its end
 * @at: where it starts
 * @cut: it has not found room as a whole
 * @buf: room for it and a NUL
 */
struct lnkfs_path {
	u32 at;
	bool cut;
	char buf[PATH_MAX];
};

struct inode *lnkfs_iget_dir(struct super_block *sb, u64 ino);
void lnkfs_path_init(struct lnkfs_path *p);
int lnkfs_path_prepend(struct lnkfs_path *p, const char *name, u32 len);
int lnkfs_path_up(struct lnkfs_path *p, lnkfs_idmap *idmap, struct inode **child,
		  struct lnkfs_ref *ref);
int lnkfs_ioc_getnames(struct file *file, struct lnkfs_names __user *arg);

/* ---- track.c: symlinks that are more than their text ---- */
struct lnkfs_link;

const char *lnkfs_typed_link(struct dentry *dentry, struct inode *inode, bool follow,
			     struct delayed_call *done);
void lnkfs_track_lookup(struct dentry *dentry, struct inode *inode);
void lnkfs_track_forget(struct inode *inode);
void lnkfs_track_moved(struct inode *old_dir, struct dentry *old_dentry,
		       struct inode *new_dir, struct dentry *new_dentry);
int lnkfs_ioc_getlink(struct super_block *sb, struct lnkfs_link __user *arg);
int lnkfs_ioc_setlink(struct super_block *sb, const struct lnkfs_link __user *arg);

/* ---- export.c ---- */
struct inode *lnkfs_iget_handle(struct super_block *sb, u64 ino, u32 gen);

/* ---- groups.c: state of the groups; resize.c: growing ---- */
struct lnkfs_grow;

int lnkfs_groups_alloc(struct lnkfs_fs *fs, u32 group);
int lnkfs_groups_extend(struct lnkfs_fs *fs, const struct lnkfs_fs *new);
void lnkfs_groups_free(struct lnkfs_fs *fs);
int lnkfs_ioc_grow(struct file *file, struct lnkfs_grow __user *arg);

/* ---- sysfs.c ---- */
int lnkfs_sysfs_init(void);
void lnkfs_sysfs_exit(void);
int lnkfs_sysfs_add(struct lnkfs_sb_info *sbi);
void lnkfs_sysfs_del(struct lnkfs_sb_info *sbi);
void lnkfs_lifetime_start(struct lnkfs_sb_info *sbi);
u64 lnkfs_lifetime_kib(struct lnkfs_sb_info *sbi);

/* ---- error.c ---- */
void lnkfs_error_worker(struct work_struct *work);
void lnkfs_abort(struct super_block *sb, int err);

/* ---- orphan.c ---- */
int lnkfs_orphan_inode(handle_t *handle, struct inode *inode);
void lnkfs_unorphan_inode(struct inode *inode);
void lnkfs_orphan_freed(struct inode *inode);
int lnkfs_orphan_recover(struct super_block *sb);
void lnkfs_orphan_worker(struct work_struct *work);
void lnkfs_orphan_flush(struct lnkfs_sb_info *sbi);

/* ---- create.c: what is known of an inode before it has a record ---- */

/**
 * struct lnkfs_new_xattr - an attribute of a new inode
 * @list: in lnkfs_newborn.xattrs
 * @key: which; the name stands behind the value
 * @len: bytes of the value
 * @value: the value
 */
struct lnkfs_new_xattr {
	struct list_head list;
	struct lnkfs_xattr_key key;
	u32 len;
	u8 value[];
};

/**
 * struct lnkfs_newborn - an inode being created
 * @inode: the inode; without a number until lnkfs_new_inode()
 * @dir: its directory
 * @name: its name, or NULL
 * @locked: it has its number and is I_NEW
 * @sign: one of its labels is EVM's signature
 * @slow: a symlink whose target goes into blocks of its own
 * @slots: slots of its record
 * @credits: blocks that its creation may touch, the directory's not counted
 * @revokes: metadata blocks that taking it back may free
 * @xattrs: its ACLs and security labels (struct lnkfs_new_xattr)
 */
struct lnkfs_newborn {
	struct inode *inode;
	struct inode *dir;
	const struct qstr *name;
	bool locked;
	bool sign;
	bool slow;
	u32 slots;
	u32 credits;
	u32 revokes;
	struct list_head xattrs;
};

int lnkfs_prepare_inode(struct lnkfs_newborn *nb, lnkfs_idmap *idmap, struct inode *dir,
			const struct qstr *name, umode_t mode, u32 target_len);
int lnkfs_newborn_xattr(struct lnkfs_newborn *nb, u8 space, const char *name,
			const void *value, size_t len);
int lnkfs_store_new_xattrs(handle_t *handle, struct lnkfs_newborn *nb);
void lnkfs_release_newborn(struct lnkfs_newborn *nb);

/* ---- xattr.c ---- */
struct xattr_handler;
struct iomap_ops;

extern const struct xattr_handler *lnkfs_xattr_handlers[];
extern const struct iomap_ops lnkfs_xattr_iomap_ops;
ssize_t lnkfs_listxattr(struct dentry *dentry, char *buf, size_t size);
int lnkfs_change_xattr(struct inode *inode, const struct lnkfs_xattr_key *key,
		       const void *value, size_t len, unsigned int flags, umode_t mode);
int lnkfs_free_xattrs(struct inode *inode);

/* ---- acl.c ---- */
#ifdef CONFIG_FS_POSIX_ACL
struct posix_acl *lnkfs_get_acl(struct inode *inode, int type, bool rcu);
LNKFS_SET_ACL(lnkfs_set_acl);
int lnkfs_inherit_acls(struct lnkfs_newborn *nb, struct inode *dir);
#else
#define lnkfs_get_acl	NULL
#define lnkfs_set_acl	NULL
static inline int lnkfs_inherit_acls(struct lnkfs_newborn *nb, struct inode *dir)
{
	return 0;
}
#endif

/* ---- inode.c ---- */
extern struct kmem_cache *lnkfs_inode_cachep;

/* flag of lnkfs_iget(), beside LNKFS_IL_*: a quota file is wanted */
#define LNKFS_IGET_QUOTA	0x100

struct inode *lnkfs_iget(struct super_block *sb, u64 ino, unsigned int flags);
int lnkfs_new_inode(handle_t *handle, struct inode *dir, struct lnkfs_newborn *nb, dev_t rdev);
void lnkfs_undo_new_inode(handle_t *handle, struct inode *inode);
int lnkfs_read_inode_block(struct inode *inode);
int lnkfs_store(handle_t *handle, struct inode *inode);
void lnkfs_dirty_inode(struct inode *inode, int flags);
int lnkfs_write_inode(struct inode *inode, struct writeback_control *wbc);
void lnkfs_evict_inode(struct inode *inode);
int lnkfs_setattr(lnkfs_idmap *idmap, struct dentry *dentry, struct iattr *attr);
int lnkfs_getattr(lnkfs_idmap *idmap, const struct path *path, struct kstat *stat,
		  u32 request_mask, unsigned int query_flags);
u64 lnkfs_time_encode(struct timespec64 ts);
struct timespec64 lnkfs_time_decode(u64 t);

/* ---- namei.c, dir.c, symlink.c ---- */
extern const struct inode_operations lnkfs_dir_iops;
extern const struct inode_operations lnkfs_special_iops;
extern const struct file_operations lnkfs_dir_fops;
int lnkfs_may_read_link(struct inode *inode, bool rcu);
const char *lnkfs_link_text(struct inode *inode);
void lnkfs_set_link_ops(struct inode *inode);

/* ---- flags.c ---- */
struct fileattr;

/**
 * struct lnkfs_new_attrs - what lnkfs_change_attrs() sets
 * @flags: the whole flag word, LNKFS_UF_*, LNKFS_SF_*
 * @lflags: LNKFS_LF_*
 * @projid: project ID
 */
struct lnkfs_new_attrs {
	u32 flags;
	u32 lflags;
	u32 projid;
};

void lnkfs_set_vfs_flags(struct inode *inode);
void lnkfs_inherit_flags(struct inode *inode, struct inode *dir);
int lnkfs_may_chflags(lnkfs_idmap *idmap, struct inode *inode, u32 flags);
int lnkfs_change_attrs(lnkfs_idmap *idmap, struct inode *inode,
		       const struct lnkfs_new_attrs *new, struct iattr *attr);
int lnkfs_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int lnkfs_fileattr_set(lnkfs_idmap *idmap, struct dentry *dentry, struct fileattr *fa);

/* ---- ioctl.c ---- */
void lnkfs_device_gone(struct super_block *sb);
long lnkfs_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
#ifdef CONFIG_COMPAT
long lnkfs_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
#else
#define lnkfs_compat_ioctl NULL
#endif

/* ---- export.c ---- */
extern const struct export_operations lnkfs_export_ops;

/* ---- file.c: operations on regular files ---- */
extern const struct inode_operations lnkfs_file_iops;
extern const struct file_operations lnkfs_file_fops;
void lnkfs_set_file_ops(struct inode *inode);
void lnkfs_make_room(struct super_block *sb);

/* ---- data.c: what iomap is told ---- */
#define LNKFS_EXT_DELAYED	0x40000000	/* lnkfs_ext.flags: blocks to be chosen */

extern const struct iomap_ops lnkfs_read_iomap_ops;
extern const struct iomap_ops lnkfs_write_iomap_ops;
extern const struct iomap_ops lnkfs_mkwrite_iomap_ops;
extern const struct iomap_ops lnkfs_dio_write_iomap_ops;
void lnkfs_to_iomap(struct inode *inode, struct iomap *iomap, const struct lnkfs_ext *ext,
		    u64 seq);
int lnkfs_map_lookup(struct inode *inode, u64 lblk, struct lnkfs_ext *ext);
int lnkfs_extent_at(struct inode *inode, u64 lblk, struct lnkfs_ext *ext);

/* ---- falloc.c ---- */
long lnkfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len);

/* ---- alloc.c: blocks for data ---- */

/* Credits of a change of the extent map: lnkfs_ext_insert_credits()... */
typedef u32 (*lnkfs_credits_fn)(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);

handle_t *lnkfs_begin_map(struct inode *inode, lnkfs_credits_fn credits, u32 extra);
int lnkfs_end_map(handle_t *handle, struct inode *inode);
int lnkfs_alloc_blocks(struct inode *inode, u64 lblk, u64 len, struct lnkfs_ext *ext,
		       u64 *seq);
/* How a write is finished. */
#define LNKFS_FIN_UNWRITTEN	0x1	/* the blocks are unwritten and become written */
#define LNKFS_FIN_EXTEND	0x2	/* the size in memory follows (inode_lock is held) */
#define LNKFS_FIN_PROMISED	0x4	/* the data have been accepted: see LNKFS_H_PROMISED */

int lnkfs_finish_write(struct inode *inode, loff_t pos, u64 len, unsigned int how);

void lnkfs_drop_window(struct inode *inode);

/* ---- unwritten.c: writing into blocks allocated ahead, on a full volume ---- */
bool lnkfs_tree_room(struct inode *inode, u64 len);
int lnkfs_prepare_write(struct inode *inode, loff_t pos, u64 len);
int lnkfs_write_past_end(struct inode *inode, loff_t pos, u64 len);
int lnkfs_prepare_fault(struct inode *inode, struct folio *folio);

/* ---- seek.c: where data are ---- */
struct fiemap_extent_info;

loff_t lnkfs_llseek(struct file *file, loff_t offset, int whence);
int lnkfs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);

/* ---- writeback.c: the address space ---- */
extern const struct address_space_operations lnkfs_aops;
void lnkfs_ioend_worker(struct work_struct *work);

/* ---- delalloc.c: ranges waiting for their blocks ---- */
int lnkfs_da_init(void);
void lnkfs_da_exit(void);
bool lnkfs_da_lookup(struct inode *inode, u64 lblk, struct lnkfs_ext *ext);
int lnkfs_da_reserve(struct inode *inode, u64 lblk, u64 len, bool partial, gfp_t gfp,
		     struct lnkfs_ext *ext, bool *new);
int lnkfs_da_owe(struct inode *inode, u64 lblk, bool partial, gfp_t gfp,
		 struct lnkfs_ext *ext, bool *new);
u64 lnkfs_da_nodes(const struct inode *inode, u64 ends, u64 blocks);
void lnkfs_da_punch(struct inode *inode, u64 from, u64 to);
void lnkfs_da_allocated(struct inode *inode, u64 from, u64 to);
void lnkfs_da_written(struct inode *inode, u64 from, u64 to);
void lnkfs_da_drop(struct inode *inode);
void lnkfs_space_promise(struct lnkfs_sb_info *sbi, u64 blocks);

/* ---- truncate.c ---- */
int lnkfs_setsize(struct inode *inode, loff_t newsize);
int lnkfs_truncate_blocks(struct inode *inode, loff_t size);
int lnkfs_finish_truncate(struct inode *inode);
int lnkfs_zero_eof(struct inode *inode, loff_t to, bool *zeroed);
int lnkfs_extend(struct inode *inode, loff_t newsize);
int lnkfs_remove_blocks(struct inode *inode, u64 from, u64 to);
int lnkfs_mapped_beyond(struct inode *inode, u64 from);

#endif /* LNKFS_INTERNAL_H */
