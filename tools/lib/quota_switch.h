/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quota files coming to a volume that has files, and leaving it.
 */
#ifndef LNKFS_QUOTA_SWITCH_H
#define LNKFS_QUOTA_SWITCH_H

#include "volume.h"

u32 lnkfs_quota_types(const struct lnkfs_super_block *sb);
int lnkfs_quota_make(struct lnkfs_volume *v, u32 types, u64 now);
int lnkfs_quota_drop(struct lnkfs_volume *v, u64 ino);

#endif /* LNKFS_QUOTA_SWITCH_H */
