/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making quota files.
 */
#ifndef LNKFS_QUOTA_IMAGE_H
#define LNKFS_QUOTA_IMAGE_H

#include "volume.h"

/**
 * struct lnkfs_qimage - contents of a quota file, built in memory
 * @data: its quota blocks
 * @blocks: how many
 * @room: blocks there is memory for
 */
struct lnkfs_qimage {
	u8 *data;
	u32 blocks;
	u32 room;
};

int lnkfs_qimage_init(struct lnkfs_qimage *q, u32 type);
int lnkfs_qimage_add(struct lnkfs_qimage *q, const struct lnkfs_quota_entry *entry);
int lnkfs_qimage_charge(struct lnkfs_qimage *q, u32 id, u64 bytes);
int lnkfs_qimage_write(const struct lnkfs_qimage *q, struct lnkfs_volume *v,
		       struct lnkfs_cinode *ci);
void lnkfs_qimage_free(struct lnkfs_qimage *q);

#endif /* LNKFS_QUOTA_IMAGE_H */
