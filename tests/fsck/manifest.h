/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that a volume holds, as its users see it.
 */
#ifndef LNKFS_MANIFEST_H
#define LNKFS_MANIFEST_H

#include "fscktest.h"

/**
 * struct mblock - a block of a file that is not zeroes
 * @lblk: logical block
 * @hash: of its contents
 */
struct mblock {
	u64 lblk;
	u32 hash;
};

/**
 * struct mattr - an extended attribute
 * @name: with its namespace
 * @len: bytes of the value
 * @hash: of the value
 * @err: why it could not be read
 */
struct mattr {
	char *name;
	u32 len;
	u32 hash;
	int err;
};

/**
 * struct mname - an entry of a directory
 * @name: its name
 * @ino: what it names
 * @type: DT_*
 */
struct mname {
	char *name;
	u64 ino;
	u8 type;
};

/**
 * struct mnode - an inode that has a name
 * @ci: its record, without the area
 * @path: first way to it
 * @error: why it or its contents could not be read, or 0
 * @target: of a symlink
 * @major: of a device
 * @minor: likewise
 * @block: of a regular file
 * @nr_block: how many
 * @attr: its attributes, by name
 * @nr_attr: how many
 * @name: of a directory, by name
 * @nr_name: how many
 */
struct mnode {
	struct lnkfs_cinode ci;
	char *path;
	int error;
	char *target;
	u32 major;
	u32 minor;
	struct mblock *block;
	u32 nr_block;
	struct mattr *attr;
	u32 nr_attr;
	struct mname *name;
	u32 nr_name;
};

/**
 * struct mquota - limits of an owner
 * @type: LNKFS_QUOTA_*
 * @entry: what the quota file says
 */
struct mquota {
	u32 type;
	struct lnkfs_quota_entry entry;
};

/**
 * struct manifest - a volume
 * @sb: its superblock
 * @error: why it cannot be read, or 0
 * @node: its inodes, by number
 * @nr: how many
 * @max: room
 * @quota: entries of the quota files
 * @nr_quota: how many
 */
struct manifest {
	struct lnkfs_super_block sb;
	int error;
	u32 block_size;
	struct mnode *node;
	u32 nr;
	u32 max;
	struct mquota *quota;
	u32 nr_quota;
};

struct mnode *manifest_find(const struct manifest *m, u64 ino);
struct mnode *manifest_path(const struct manifest *m, const char *path);
const struct mname *mnode_name(const struct mnode *dir, const char *name);
const struct mattr *mnode_attr(const struct mnode *n, const char *name);

/* compare.c */
void expect_damage(const struct manifest *was, const struct manifest *is, const u64 *owner,
		   u32 nr_owner, const struct manifest *through, FILE *out);
void expect_text(const struct manifest *was, const struct manifest *is, const char *text,
		 FILE *out);

#endif /* LNKFS_MANIFEST_H */
