/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LNKFS_CRC32C_H
#define LNKFS_CRC32C_H

#include "host_user_types.h"

u32 lnkfs_crc32c_table(u32 crc, const void *data, size_t len);

#endif /* LNKFS_CRC32C_H */
