// SPDX-License-Identifier: GPL-2.0
/*
 * The tests of extended attributes once more, in a world of few hashes.
 */
#include "core.h"

#define LNKFS_XATTR_HASH_MASK	(7ULL << 61 | 1)

#include "../../fs/core/xattrblock.c"

#define TEST_XATTR_COLLIDE
#include "test_xattr.c"
