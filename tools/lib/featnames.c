// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the features of a volume.
 */
#include "featnames.h"

#define RO_COMPAT	LNKFS_RO_COMPAT_SUPP
#define INCOMPAT	(LNKFS_INCOMPAT_SUPP | LNKFS_INCOMPAT_JOURNAL_DEV)
#define RO_COMPAT_BITS	2

/* By bit of lnkfs_feature_bits(); those of mkfs.lnkfs -O, where it has them. */
const char *const lnkfs_feature_names[LNKFS_FEATURES] = {
	"quota", "backref", "journal_dev", "ext_journal", "fast_commit",
};

_Static_assert(RO_COMPAT == (1u << RO_COMPAT_BITS) - 1 &&
	       INCOMPAT == (1u << (LNKFS_FEATURES - RO_COMPAT_BITS)) - 1, "features");

/**
 * lnkfs_feature_bits() - the features that a volume has, of those with a name
 * @sb: superblock
 *
 * Return: bits of lnkfs_feature_names[].
 */
u32 lnkfs_feature_bits(const struct lnkfs_super_block *sb)
{
	return (le32_to_cpu(sb->s_feature_ro_compat) & RO_COMPAT) |
	       (le32_to_cpu(sb->s_feature_incompat) & INCOMPAT) << RO_COMPAT_BITS;
}
