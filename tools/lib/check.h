/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The checker: walks every structure of a volume and compares what it finds
 * with what the structures say about each other. Never writes.
 */
#ifndef LNKFS_CHECK_H
#define LNKFS_CHECK_H

#include "volume.h"

/**
 * struct lnkfs_fsck_result - what a check found
 * @problems: contradictions, bad checksums, unreadable blocks
 * @safe: of these, figures that are computed anew without a loss
 * @backrefs: of these, back references that are wrong or missing, or damage to them
 * @leaks: of @safe, runs of blocks marked used that nobody owns
 * @leaked: blocks in those
 * @files: regular files
 * @dirs: directories
 * @symlinks: of either kind
 * @slow_symlinks: of these with a body of their own
 * @specials: devices, fifos, sockets
 * @orphans: inodes with no links, or with a truncation to be finished
 * @names: directory entries
 * @xattrs: extended attributes, ACLs included
 * @used_blocks: blocks marked used, overhead and journal included
 * @free_blocks: the others
 * @inode_blocks: blocks that hold inodes
 */
struct lnkfs_fsck_result {
	u64 problems;
	u64 safe;
	u64 backrefs;
	u64 leaks;
	u64 leaked;
	u64 files;
	u64 dirs;
	u64 symlinks;
	u64 slow_symlinks;
	u64 specials;
	u64 orphans;
	u64 names;
	u64 xattrs;
	u64 used_blocks;
	u64 free_blocks;
	u64 inode_blocks;
};

/* What a check or a repair is busy with. */
enum lnkfs_fsck_pass {
	LNKFS_PASS_INODES,
	LNKFS_PASS_NAMES,
	LNKFS_PASS_MAPS,
	LNKFS_PASSES
};

/**
 * struct lnkfs_fsck_ops - what a check or a repair calls; each may be NULL
 * @say: a problem or what was mended, a line without its end
 * @progress: @done of @total steps of the pass are done; the passes of a repair
 *	are not those of a check, but have the same names
 */
struct lnkfs_fsck_ops {
	void (*say)(void *ctx, const char *text);
	void (*progress)(void *ctx, enum lnkfs_fsck_pass pass, u64 done, u64 total);
};

/* Inodes that are worth a second thread. */
extern u64 lnkfs_threads_from;

int lnkfs_fsck_volume(struct lnkfs_volume *v, const struct lnkfs_fsck_ops *ops, void *ctx,
		      struct lnkfs_fsck_result *res);

/* check_xattr.c */
bool lnkfs_acl_sound(const u8 *data, u32 len);
bool lnkfs_xattr_allowed(u16 mode, u8 space);

#endif /* LNKFS_CHECK_H */
