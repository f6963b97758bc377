/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MODE argument of chmod(1): an octal number or symbolic clauses.
 */
#ifndef LNKCTL_MODESPEC_H
#define LNKCTL_MODESPEC_H

#include <stdbool.h>
#include <sys/types.h>

#define MODESPEC_BITS	07777

struct modespec;

struct modespec *modespec_parse(const char *text);
struct modespec *modespec_exactly(mode_t mode);
mode_t modespec_apply(const struct modespec *spec, mode_t mode, bool is_dir,
		      mode_t umask_bits);
void modespec_free(struct modespec *spec);

#endif /* LNKCTL_MODESPEC_H */
