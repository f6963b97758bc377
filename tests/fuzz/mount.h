/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LNKFS_FUZZ_MOUNT_H
#define LNKFS_FUZZ_MOUNT_H

#include "hostile.h"

void use_case(const struct hcase *c, u64 budget_ms);

#endif /* LNKFS_FUZZ_MOUNT_H */
