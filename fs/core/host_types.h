/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Types the core needs from its host: integers, byte order, lnkfs_lock_t,
 * lnkfs_group_table, lnkfs_buf and lnkfs_tx.
 */
#ifndef LNKFS_HOST_TYPES_H
#define LNKFS_HOST_TYPES_H

#ifdef __KERNEL__
#include "../host_kernel_types.h"
#else
#include "host_user_types.h"
#endif

#endif /* LNKFS_HOST_TYPES_H */
