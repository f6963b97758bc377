/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Strict check of one directory, for the checker and the tests.
 */
#ifndef LNKFS_CHECK_DIR_H
#define LNKFS_CHECK_DIR_H

#include "check_tree.h"

/**
 * struct lnkfs_check_dir_result - what was found
 * @problems: messages given
 * @entries: names
 * @blocks: directory blocks
 * @nodes: tree nodes
 * @empty: blocks without a name; allowed, but rare
 * @understated: blocks whose room key is lower than it could be; likewise
 */
struct lnkfs_check_dir_result {
	u64 problems;
	u64 entries;
	u64 blocks;
	u64 nodes;
	u64 empty;
	u64 understated;
};

int lnkfs_check_dir(struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		    const struct lnkfs_check_ops *ops, void *ctx,
		    struct lnkfs_check_dir_result *res);

#endif /* LNKFS_CHECK_DIR_H */
