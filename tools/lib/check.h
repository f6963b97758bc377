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
 * @leaked: of these, blocks marked used that nobody owns
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

/* Receives one problem, a line without its end. */
typedef void (*lnkfs_fsck_say)(void *ctx, const char *text);

int lnkfs_fsck_volume(struct lnkfs_volume *v, lnkfs_fsck_say say, void *ctx,
		       struct lnkfs_fsck_result *res);

#endif /* LNKFS_CHECK_H */
