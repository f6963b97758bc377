/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Strict walk of a B+tree, for the checker and the tests.
 */
#ifndef LNKFS_CHECK_TREE_H
#define LNKFS_CHECK_TREE_H

#include "core.h"

/**
 * struct lnkfs_check_ops - what a walk calls
 * @entry: a directory entry; may be NULL
 * @block: a block the inode owns: a directory block or a tree node; may be NULL
 * @message: a problem, as a phrase without newline; may be NULL
 *
 * @entry and @block return 0, or an error number that ends the walk.
 */
struct lnkfs_check_ops {
	int (*entry)(void *ctx, const struct lnkfs_name *name);
	int (*block)(void *ctx, u64 block, enum lnkfs_btype type);
	void (*message)(void *ctx, const char *text);
};

/**
 * struct lnkfs_check - a walk under way
 * @fs: volume
 * @ci: inode
 * @ops: callbacks
 * @ctx: their argument
 * @problems: messages so far
 */
struct lnkfs_check {
	struct lnkfs_fs *fs;
	struct lnkfs_cinode *ci;
	const struct lnkfs_check_ops *ops;
	void *ctx;
	u64 problems;
};

/* A record of a leaf, in ascending order: 0, or an error number to end the walk. */
typedef int (*lnkfs_check_record)(void *arg, u64 key, const void *value);

void lnkfs_check_say(struct lnkfs_check *ck, const char *fmt, ...) __printf(2, 3);
int lnkfs_check_owned(struct lnkfs_check *ck, u64 block, enum lnkfs_btype type);
int lnkfs_check_tree(struct lnkfs_check *ck, const struct lnkfs_btree *bt,
		     lnkfs_check_record record, void *arg, u64 *nodes);

#endif /* LNKFS_CHECK_TREE_H */
