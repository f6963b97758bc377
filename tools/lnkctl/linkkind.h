/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kinds of links: their names, and what can be a link of which kind.
 */
#ifndef LNKCTL_LINKKIND_H
#define LNKCTL_LINKKIND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lnkfs.h"

const char *linkkind_name(uint32_t kind);
bool linkkind_parse(const char *word, uint32_t *kind);
bool linkkind_suits(uint32_t kind, mode_t mode);
bool linkkind_parse_how(const char *word, uint32_t *flags);
const char *linkkind_wrong(uint32_t kind, uint32_t flags, int dirfd, const char *text);
const char *linkkind_unable(int dirfd, uint32_t flags);
void linkkind_print(FILE *out, const struct lnkfs_link *link);
void linkkind_json(FILE *out, const struct lnkfs_link *link);
bool linkkind_on_lnkfs(int fd);

#endif /* LNKCTL_LINKKIND_H */
