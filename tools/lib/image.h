/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading files out of an unmounted volume, by path.
 */
#ifndef LNKFS_IMAGE_H
#define LNKFS_IMAGE_H

#include "log.h"
#include "volume.h"

/**
 * struct lnkfs_image - a volume opened for reading
 * @v: the volume
 * @log: its log, through which it is read
 */
struct lnkfs_image {
	struct lnkfs_volume v;
	struct lnkfs_log log;
};

/**
 * struct lnkfs_node - an inode of it
 * @ci: its record; @ci.area points to @area: a copy needs lnkfs_node_load()
 * @area: its inline area
 */
struct lnkfs_node {
	struct lnkfs_cinode ci;
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
};

#define LNKFS_IMAGE_LINKS	40	/* symlinks followed in one path, as Linux does */

int lnkfs_image_open(struct lnkfs_image *img, const char *path, const char **why);
void lnkfs_image_close(struct lnkfs_image *img);
int lnkfs_node_load(struct lnkfs_image *img, u64 ino, struct lnkfs_node *node);
int lnkfs_image_find(struct lnkfs_image *img, const char *path, bool follow,
		     struct lnkfs_node *node);
int lnkfs_node_target(struct lnkfs_image *img, const struct lnkfs_node *node,
		      char target[LNKFS_SYMLINK_MAX + 1]);
int lnkfs_node_extent(struct lnkfs_image *img, struct lnkfs_node *node, u64 pos, u64 *len,
		      u64 *at);
int lnkfs_node_read(struct lnkfs_image *img, struct lnkfs_node *node, u64 pos, void *buf,
		    size_t len);

#endif /* LNKFS_IMAGE_H */
