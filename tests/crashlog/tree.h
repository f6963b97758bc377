/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on a volume, a line for each name: the same whether the kernel is asked or the
 * tools' library.
 */
#ifndef LNKFS_CRASHLOG_TREE_H
#define LNKFS_CRASHLOG_TREE_H

#include "oracle.h"

void tree_line(FILE *out, const char *path, const struct crash_stat *s, u32 sum,
	       const char *target);
void tree_attr(FILE *out, const char *path, const char *name, const void *value, u32 len);
void tree_print(struct crash_state *st, FILE *out);

#endif /* LNKFS_CRASHLOG_TREE_H */
