// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the mount options that a volume may have by default.
 */
#include "defopts.h"

/* By bit of s_default_opts. */
const char *const lnkfs_defopt_names[LNKFS_DEFOPTS] = {
	"discard", "nobarrier", "symperm", "usrquota", "grpquota", "prjquota",
};

_Static_assert(LNKFS_DEFOPT_ALL == (1u << LNKFS_DEFOPTS) - 1, "default mount options");

/**
 * lnkfs_defopt_find() - which default mount option is meant?
 * @name: its name, without the ^ that turns it off
 * @bits: set to its bit, or to 0 when it is on for every volume
 *
 * Return: 0, -EINVAL.
 */
int lnkfs_defopt_find(const char *name, u32 *bits)
{
	u32 i;

	*bits = 0;
	if (!strcmp(name, "acl") || !strcmp(name, "user_xattr"))
		return 0;
	for (i = 0; i < LNKFS_DEFOPTS; i++)
		if (!strcmp(name, lnkfs_defopt_names[i])) {
			*bits = 1u << i;
			return 0;
		}
	return -EINVAL;
}

/**
 * lnkfs_defopt_orphaned() - the default option that wants a quota file in vain
 * @opts: LNKFS_DEFOPT_*
 * @types: quota files that there are: bits 1 << LNKFS_QUOTA_*
 *
 * Return: its name, or NULL.
 */
const char *lnkfs_defopt_orphaned(u32 opts, u32 types)
{
	u32 missing = opts & (LNKFS_DEFOPT_USRQUOTA | LNKFS_DEFOPT_GRPQUOTA |
			      LNKFS_DEFOPT_PRJQUOTA) & ~(types * LNKFS_DEFOPT_USRQUOTA);

	return missing ? lnkfs_defopt_names[__builtin_ctz(missing)] : NULL;
}
