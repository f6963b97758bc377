// SPDX-License-Identifier: GPL-2.0
/*
 * The tests of back references once more, in a world where all directories begin at
 * the same place.
 */
#include "core.h"

#define LNKFS_NAMES_HASH_MASK	0

#include "../../fs/core/names.c"

#define TEST_NAMES_COLLIDE
#include "test_names.c"
