/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The map of a volume: where shares of other computers are mounted.
 */
#ifndef LNKCTL_MAP_H
#define LNKCTL_MAP_H

#include <sys/types.h>

#define MAP_MAX		65536	/* bytes of an extended attribute */

ssize_t map_read(int root, char **map);

#endif /* LNKCTL_MAP_H */
