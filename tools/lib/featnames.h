/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of the features of a volume.
 */
#ifndef LNKFS_FEATNAMES_H
#define LNKFS_FEATNAMES_H

#include "volume.h"

#define LNKFS_FEATURES	5

extern const char *const lnkfs_feature_names[LNKFS_FEATURES];

u32 lnkfs_feature_bits(const struct lnkfs_super_block *sb);

#endif /* LNKFS_FEATNAMES_H */
