/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of users, groups and projects.
 */
#ifndef LNKCTL_QUOTA_NAMES_H
#define LNKCTL_QUOTA_NAMES_H

#include <stddef.h>
#include <stdint.h>

#ifndef PRJQUOTA
#define PRJQUOTA	2
#endif

int quota_name(int type, uint32_t id, char *name, size_t size);
int quota_id(int type, const char *name, uint32_t *id);

#endif /* LNKCTL_QUOTA_NAMES_H */
