/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Filling a new volume with files, in a tool, by the core.
 */
#ifndef LNKFS_BUILD_H
#define LNKFS_BUILD_H

#include "image.h"

#define LNKFS_BUILD_DEPTH	2048	/* directories in each other */

/**
 * struct lnkfs_build_attr - what a new inode is to be
 * @mode: type and permissions
 * @uid: owner
 * @gid: group
 * @atime: time stamps in the on-disk unit
 * @mtime: modification
 * @ctime: change
 * @btime: birth
 * @flags: LNKFS_UF_*, LNKFS_SF_*
 * @major: of a device
 * @minor: likewise
 * @target: of a symlink
 * @xattr_bytes: room for attributes in its record (lnkfs_xattr_size())
 */
struct lnkfs_build_attr {
	u16 mode;
	u32 uid;
	u32 gid;
	u64 atime;
	u64 mtime;
	u64 ctime;
	u64 btime;
	u32 flags;
	u32 major;
	u32 minor;
	const char *target;
	u32 xattr_bytes;
};

/**
 * struct lnkfs_build_dir - a directory that is being filled
 * @node: it
 * @name: its name in the one before
 */
struct lnkfs_build_dir {
	struct lnkfs_node node;
	char name[LNKFS_NAME_LEN + 1];
};

/**
 * struct lnkfs_builder - a volume being filled
 * @v: volume
 * @stack: the root and the way down to the directory at hand
 * @depth: directories on it
 * @file: the file at hand, stored by lnkfs_build_done()
 * @run_block: blocks allocated and mapped for @file, not yet filled
 * @run_lblk: their first logical block
 * @run_len: how many
 * @goal: where data go next
 * @dry: write no data: only what they take is wanted
 * @pending: data waiting to be written
 * @pending_at: byte of the volume where they belong
 * @pending_len: how many
 */
struct lnkfs_builder {
	struct lnkfs_volume *v;
	struct lnkfs_build_dir *stack[LNKFS_BUILD_DEPTH];
	u32 depth;
	struct lnkfs_node file;
	u64 run_block;
	u64 run_lblk;
	u64 run_len;
	u64 goal;
	bool dry;
	u8 *pending;
	u64 pending_at;
	size_t pending_len;
};

int lnkfs_build_begin(struct lnkfs_builder *b, struct lnkfs_volume *v);
int lnkfs_build_end(struct lnkfs_builder *b);
int lnkfs_build_add(struct lnkfs_builder *b, const char *path,
		    const struct lnkfs_build_attr *attr, struct lnkfs_node **node);
int lnkfs_build_link(struct lnkfs_builder *b, const char *path, u64 ino);
int lnkfs_build_find(struct lnkfs_builder *b, const char *path, u64 *ino);
int lnkfs_build_open(struct lnkfs_builder *b, u64 ino);
int lnkfs_build_xattr(struct lnkfs_builder *b, struct lnkfs_node *node,
		      const struct lnkfs_xattr_key *key, const void *value, u32 len);
int lnkfs_build_link_attr(struct lnkfs_builder *b, struct lnkfs_node *node,
			  const struct lnkfs_link_attr *la);
int lnkfs_build_segment(struct lnkfs_builder *b, u64 pos, u64 len);
int lnkfs_build_data(struct lnkfs_builder *b, u64 pos, const void *data, size_t len);
int lnkfs_build_done(struct lnkfs_builder *b, u64 size);

#endif /* LNKFS_BUILD_H */
