/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The repairer: makes a damaged volume one that the checker finds nothing in.
 */
#ifndef LNKFS_REPAIR_H
#define LNKFS_REPAIR_H

#include "check.h"

/**
 * struct lnkfs_repair_result - what a repair did
 * @fixes: lines said about what was mended
 * @left: of these, about what could not be (no space)
 */
struct lnkfs_repair_result {
	u64 fixes;
	u64 left;
};

int lnkfs_repair_volume(struct lnkfs_volume *v, const struct lnkfs_fsck_ops *ops, void *ctx,
			bool tight, struct lnkfs_repair_result *res);

#endif /* LNKFS_REPAIR_H */
