/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attributes of objects that a walk has come to.
 */
#ifndef LNKCTL_OBJECT_H
#define LNKCTL_OBJECT_H

#include <stdint.h>
#include <sys/types.h>

#include "lnkfs.h"
#include "walk.h"

int object_chmod(const struct walk_object *object, mode_t mode);
int object_getflags(const struct walk_object *object, uint32_t *flags);
int object_setflags(const struct walk_object *object, uint32_t flags);
int object_getlink(const struct walk_object *object, struct lnkfs_link *link, char *buf,
		   size_t size);

#endif /* LNKCTL_OBJECT_H */
