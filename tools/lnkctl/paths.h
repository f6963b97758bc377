/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths as text.
 */
#ifndef LNKCTL_PATHS_H
#define LNKCTL_PATHS_H

#include <stdbool.h>

char *path_join(const char *dir, const char *name);
char *path_dir(const char *path);
char *path_last(const char *path);
bool path_climbs(const char *path);
char *path_relative(const char *dir, const char *to);
char *path_canonical(const char *path);
char *path_of(int fd);
char *path_read(int dirfd, const char *name);

#endif /* LNKCTL_PATHS_H */
