// SPDX-License-Identifier: GPL-2.0
/*
 * The directory tests once more, in a world of four hashes and few positions.
 */
#include "core.h"

#define LNKFS_DIR_HASH_MASK	0x3
#undef LNKFS_DIR_MAX_BLOCKS
#define LNKFS_DIR_MAX_BLOCKS(bits)	((void)(bits), 64ULL)

#include "../../fs/core/dir.c"

#define TEST_DIR_COLLIDE
#include "test_dir.c"
