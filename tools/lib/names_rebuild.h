/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making the back references of a volume anew, or removing them.
 */
#ifndef LNKFS_NAMES_REBUILD_H
#define LNKFS_NAMES_REBUILD_H

#include "volume.h"

/* Called between two changes: 0 to go on, else an error. */
typedef int (*lnkfs_names_step)(void *ctx);

int lnkfs_names_rebuild(struct lnkfs_volume *v, lnkfs_names_step step, void *ctx);
int lnkfs_names_list(struct lnkfs_volume *v, u32 group, u64 **blocks, u64 *nr);
void lnkfs_names_feature(struct lnkfs_volume *v, bool on);
int lnkfs_names_needed(struct lnkfs_volume *v, u64 *blocks);
u64 lnkfs_names_blocks(const struct lnkfs_fs *fs, u64 names, u32 groups);

#endif /* LNKFS_NAMES_REBUILD_H */
