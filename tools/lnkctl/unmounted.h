/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files in volumes that are not mounted, named IMAGE:PATH.
 */
#ifndef LNKCTL_UNMOUNTED_H
#define LNKCTL_UNMOUNTED_H

#include <stdbool.h>

#include "image.h"

/**
 * struct image_file - what a command line argument named
 * @name: as it was named
 * @img: the volume; the next argument may put another one there
 * @opened: differs for that
 * @path: the path in it, part of @name
 * @node: the inode
 */
struct image_file {
	const char *name;
	struct lnkfs_image *img;
	unsigned int opened;
	const char *path;
	struct lnkfs_node node;
};

void image_arguments(char **arguments, int count);
bool image_open(struct image_file *file, const char *name, bool follow);
void image_close(void);
void image_failed(const char *name, int err);

/* An entry of a directory: 0, or a negative error number that ends the listing. */
typedef int (*image_entry)(void *arg, const char *name, u64 ino, u8 type);
int image_list(struct lnkfs_image *img, struct lnkfs_node *dir, image_entry entry, void *arg);
int image_enter(void **entered, u64 ino);
void image_leave(void **entered);

#endif /* LNKCTL_UNMOUNTED_H */
