/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of the mount options that a volume may have by default.
 */
#ifndef LNKFS_DEFOPTS_H
#define LNKFS_DEFOPTS_H

#include "volume.h"

#define LNKFS_DEFOPTS	6

extern const char *const lnkfs_defopt_names[LNKFS_DEFOPTS];

int lnkfs_defopt_find(const char *name, u32 *bits);
const char *lnkfs_defopt_orphaned(u32 opts, u32 types);

#endif /* LNKFS_DEFOPTS_H */
