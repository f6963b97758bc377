/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arguments that several tools take.
 */
#ifndef LNKFS_ARGS_H
#define LNKFS_ARGS_H

#include "volume.h"

bool args_size(const char *text, u64 unit, u64 *bytes);
bool args_u32(const char *text, u32 *value);
const char *args_percent(const char *text, u32 *permille);
const char *args_journal(const char *text, char *path, size_t len);

#endif /* LNKFS_ARGS_H */
