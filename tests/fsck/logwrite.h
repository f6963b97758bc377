/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LNKFS_LOGWRITE_H
#define LNKFS_LOGWRITE_H

#include "fscktest.h"

void log_write(const char *path, const struct img *next);

#endif /* LNKFS_LOGWRITE_H */
