/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The core's types on the kernel host.
 */
#ifndef LNKFS_HOST_KERNEL_TYPES_H
#define LNKFS_HOST_KERNEL_TYPES_H

#include <linux/types.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/fs_types.h>
#include <linux/jbd2.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <asm/byteorder.h>
#include "compat.h"

#ifndef EFSCORRUPTED
#define EFSCORRUPTED	EUCLEAN
#endif
#ifndef EFSBADCRC
#define EFSBADCRC	EBADMSG
#endif

typedef struct mutex lnkfs_lock_t;
typedef struct lnkfs_group_dir *lnkfs_group_table;
typedef struct buffer_head lnkfs_buf;
typedef handle_t lnkfs_tx;

#endif /* LNKFS_HOST_KERNEL_TYPES_H */
