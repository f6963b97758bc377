/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disk quota, on the VFS's quota code.
 */
#ifndef LNKFS_QUOTA_H
#define LNKFS_QUOTA_H

#include <linux/quotaops.h>

/* Mount options that enforce limits, in lnkfs_sb_info.opts */
#define LNKFS_OPT_USRQUOTA	0x00010000
#define LNKFS_OPT_GRPQUOTA	0x00020000
#define LNKFS_OPT_PRJQUOTA	0x00040000
#define LNKFS_OPT_QUOTAS	(LNKFS_OPT_USRQUOTA | LNKFS_OPT_GRPQUOTA | LNKFS_OPT_PRJQUOTA)

/**
 * struct lnkfs_charge - blocks that the running task allocates are charged
 * @list: in lnkfs_sb_info.charges
 * @task: the task
 * @inode: whom they are charged to
 */
struct lnkfs_charge {
	struct list_head list;
	struct task_struct *task;
	struct inode *inode;
};

/**
 * struct lnkfs_quota_hold - dquots that must be in memory in a handle
 * @dquot: by type, or NULL
 */
struct lnkfs_quota_hold {
	struct dquot *dquot[MAXQUOTAS];
};

/* Does the volume have quota files? */
static inline bool lnkfs_has_quota(struct super_block *sb)
{
	return sb->s_quota_types;
}

/* The mount options that the quota files there are allow. */
static inline unsigned int lnkfs_quota_opts_allowed(struct super_block *sb)
{
	return (sb->s_quota_types & QTYPE_MASK_USR ? LNKFS_OPT_USRQUOTA : 0) |
	       (sb->s_quota_types & QTYPE_MASK_GRP ? LNKFS_OPT_GRPQUOTA : 0) |
	       (sb->s_quota_types & QTYPE_MASK_PRJ ? LNKFS_OPT_PRJQUOTA : 0);
}

bool lnkfs_is_quota_ino(struct super_block *sb, u64 ino);

#ifdef CONFIG_QUOTA
void lnkfs_quota_setup(struct super_block *sb);
int lnkfs_quota_on(struct super_block *sb);
int lnkfs_quota_suspend(struct super_block *sb);
void lnkfs_quota_off(struct super_block *sb);
unsigned int lnkfs_quota_enforced(struct super_block *sb, unsigned int opts);
int lnkfs_quota_options(struct super_block *sb, unsigned int opts);
int lnkfs_quota_init(struct inode *inode);
ssize_t lnkfs_quota_file_read(struct super_block *sb, int type, char *data, size_t len,
			      loff_t off);
ssize_t lnkfs_quota_file_write(struct super_block *sb, int type, const char *data,
			       size_t len, loff_t off);
lnkfs_dquot **lnkfs_get_dquots(struct inode *inode);
int lnkfs_quota_reserve(struct inode *inode, u64 *blocks, bool partial);
void lnkfs_quota_unreserve(struct inode *inode, u64 blocks);
void lnkfs_quota_allocated(struct inode *inode, u64 blocks);
void lnkfs_quota_settle(struct inode *inode);
void lnkfs_charge_begin(struct lnkfs_charge *charge, struct inode *inode);
void lnkfs_charge_end(struct lnkfs_charge *charge);
int lnkfs_charge_take(struct lnkfs_sb_info *sbi, u64 blocks);
void lnkfs_charge_untake(struct lnkfs_sb_info *sbi, u64 blocks);
int lnkfs_quota_hold_owner(struct lnkfs_quota_hold *hold, lnkfs_idmap *idmap,
			   struct inode *inode, struct iattr *attr);
int lnkfs_quota_hold_project(struct lnkfs_quota_hold *hold, struct inode *inode, u32 projid);
void lnkfs_quota_unhold(struct lnkfs_quota_hold *hold);
int lnkfs_quota_transfer_project(struct inode *inode, struct lnkfs_quota_hold *hold);
void lnkfs_quota_statfs(struct dentry *dentry, struct kstatfs *buf);
#else
static inline void lnkfs_quota_setup(struct super_block *sb) { }
static inline int lnkfs_quota_suspend(struct super_block *sb) { return 0; }
static inline void lnkfs_quota_off(struct super_block *sb) { }
static inline int lnkfs_quota_init(struct inode *inode) { return 0; }
static inline int lnkfs_quota_options(struct super_block *sb, unsigned int opts) { return 0; }
static inline void lnkfs_quota_unreserve(struct inode *inode, u64 blocks) { }
static inline void lnkfs_quota_allocated(struct inode *inode, u64 blocks) { }
static inline void lnkfs_quota_settle(struct inode *inode) { }
static inline void lnkfs_charge_begin(struct lnkfs_charge *charge, struct inode *inode) { }
static inline void lnkfs_charge_end(struct lnkfs_charge *charge) { }
static inline int lnkfs_charge_take(struct lnkfs_sb_info *sbi, u64 blocks) { return 0; }
static inline void lnkfs_charge_untake(struct lnkfs_sb_info *sbi, u64 blocks) { }
static inline void lnkfs_quota_unhold(struct lnkfs_quota_hold *hold) { }
static inline void lnkfs_quota_statfs(struct dentry *dentry, struct kstatfs *buf) { }

static inline unsigned int lnkfs_quota_enforced(struct super_block *sb, unsigned int opts)
{
	return opts;
}

/* The quota files would no longer say what is used: such a volume is only read. */
static inline int lnkfs_quota_on(struct super_block *sb)
{
	if (!lnkfs_has_quota(sb))
		return 0;
	pr_err("lnkfs (%s): the kernel keeps no quota files: only a read-only mount\n", sb->s_id);
	return -EROFS;
}

static inline int lnkfs_quota_reserve(struct inode *inode, u64 *blocks, bool partial)
{
	return 0;
}

static inline int lnkfs_quota_hold_owner(struct lnkfs_quota_hold *hold, lnkfs_idmap *idmap,
					 struct inode *inode, struct iattr *attr)
{
	return 0;
}

static inline int lnkfs_quota_hold_project(struct lnkfs_quota_hold *hold,
					   struct inode *inode, u32 projid)
{
	return 0;
}

static inline int lnkfs_quota_transfer_project(struct inode *inode,
					       struct lnkfs_quota_hold *hold)
{
	return 0;
}
#endif /* CONFIG_QUOTA */

#endif /* LNKFS_QUOTA_H */
