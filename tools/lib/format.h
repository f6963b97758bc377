/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making new volumes.
 */
#ifndef LNKFS_FORMAT_NEW_H
#define LNKFS_FORMAT_NEW_H

#include "quota_image.h"
#include "volume.h"

u32 lnkfs_fast_room(const struct lnkfs_fs *fs, u32 journal);

/* Fast commits if the journal that there would be has room for them, or else an error. */
#define LNKFS_FAST_IF_ROOM	1
#define LNKFS_FAST_ALWAYS	2

/**
 * struct lnkfs_format - what a new volume should be; zero means the default
 *	unless said otherwise
 * @blocks: size; 0: what the device holds
 * @block_bits: log2 of the block size; 0: by size
 * @journal_bytes: size of the journal; 0: by size of the volume
 * @ext_journal: the journal is on another device, which the caller makes
 * @journal_uuid: its UUID
 * @journal_devnum: its number as in s_journal_dev, 0: not known
 * @reserved_permille: tenths of a percent kept for CAP_SYS_RESOURCE; taken as it is
 * @max_links: limit on hard links
 * @fast_symlink_max: longest fast target; taken as it is, ~0: default
 * @errors: LNKFS_ERRORS_*
 * @default_opts: LNKFS_DEFOPT_*
 * @label: at most LNKFS_LABEL_LEN - 1 bytes, or NULL
 * @uuid: user-visible UUID, must be set
 * @meta_uuid: metadata UUID, must be set
 * @hash_seed: directory hash key, must be set
 * @now: time stamp in the on-disk unit
 * @uid: owner of the root directory
 * @gid: its group
 * @quota_types: quota files to make: bits 1 << LNKFS_QUOTA_*
 * @no_backref: inodes do not know their names
 * @fast_commit: fsync and the like may do without a commit: LNKFS_FAST_IF_ROOM,
 *	LNKFS_FAST_ALWAYS, or 0
 * @no_root: make no root directory (unit tests of the layers below)
 * @progress: called with done and total groups, or NULL
 */
struct lnkfs_format {
	u64 blocks;
	u32 block_bits;
	u64 journal_bytes;
	bool ext_journal;
	u8 journal_uuid[16];
	u32 journal_devnum;
	u32 reserved_permille;
	u32 max_links;
	u32 fast_symlink_max;
	u8 errors;
	u32 default_opts;
	const char *label;
	u8 uuid[16];
	u8 meta_uuid[16];
	u8 hash_seed[16];
	u64 now;
	u32 uid;
	u32 gid;
	u32 quota_types;
	bool no_backref;
	u8 fast_commit;
	bool no_root;
	void (*progress)(u64 done, u64 total);
};

#define LNKFS_DEFAULT_MAX_LINKS	0x7fffffffu

int lnkfs_format_plan(const struct lnkfs_format *f, u64 device_bytes,
		      struct lnkfs_super_block *sb, const char **why);
u64 lnkfs_format_min_bytes(u32 block_bits, bool ext_journal);
int lnkfs_format_volume(struct lnkfs_volume *v, const struct lnkfs_format *f,
			const char **why);
void lnkfs_format_inode(const struct lnkfs_format *f, struct lnkfs_cinode *ci, u16 mode,
			u8 slots, u32 nlink);
int lnkfs_format_root(struct lnkfs_volume *v, const struct lnkfs_format *f);
int lnkfs_format_quota(struct lnkfs_volume *v, const struct lnkfs_format *f);
int lnkfs_format_quota_file(struct lnkfs_volume *v, const struct lnkfs_format *f, u32 type,
			    const struct lnkfs_qimage *q);
int lnkfs_format_mem(struct lnkfs_volume *v, u64 bytes, u32 block_bits, bool no_root);

#endif /* LNKFS_FORMAT_NEW_H */
