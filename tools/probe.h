/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on a device already, and getting rid of it.
 */
#ifndef LNKFS_PROBE_H
#define LNKFS_PROBE_H

#include "volume.h"

bool probe_own(const char *path, struct lnkfs_super_block *sb);
int probe_known(const char *path, char *what, size_t len);
int probe_contents(const char *path, char *what, size_t len);
int probe_wipe(const char *path, struct lnkfs_dev *dev);

#endif /* LNKFS_PROBE_H */
