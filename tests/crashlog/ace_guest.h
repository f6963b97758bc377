/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The program that runs sequences.
 */
#ifndef LNKFS_CRASHLOG_ACE_GUEST_H
#define LNKFS_CRASHLOG_ACE_GUEST_H

#include "host_user_types.h"

void die(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));
void ace_list(u32 depth, u32 count, u64 seed);

#endif /* LNKFS_CRASHLOG_ACE_GUEST_H */
