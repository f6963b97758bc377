/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the checker share.
 */
#ifndef LNKFS_CHECK_PRIV_H
#define LNKFS_CHECK_PRIV_H

#include "check.h"
#include "check_dir.h"

/* flags of struct lnkfs_cinfo */
#define CINFO_NAMED	0x1	/* a directory with a name */
#define CINFO_REACHED	0x2	/* a directory below the root */
#define CINFO_LOST	0x4	/* a directory that no way leads to */
#define CINFO_QUOTA	0x8	/* a quota file: has no name */
#define CINFO_RECORD	0x10	/* the name that its record tells of is there */

/**
 * struct lnkfs_cinfo - what the checker remembers of an inode
 * @ino: its number
 * @parent: directory that it records: the parent of a directory
 * @pos: position that it records, divided by 8; 0: none
 * @nlink: links it records
 * @names: directory entries that name it
 * @subdirs: of a directory: directories among its entries
 * @xattr_blocks: of a directory: blocks of its extended attributes
 * @mode: type and permissions
 * @flags: CINFO_*
 */
struct lnkfs_cinfo {
	u64 ino;
	u64 parent;
	u32 pos;
	u32 nlink;
	u32 names;
	u32 subdirs;
	u32 xattr_blocks;
	u16 mode;
	u16 flags;
};

/**
 * struct lnkfs_backrefs - the tree of back references of a group
 * @records: in it
 * @matched: of these, those whose names have been seen
 * @bad: it is damaged; what is in it is not compared with anything
 */
struct lnkfs_backrefs {
	u64 records;
	u64 matched;
	bool bad;
};

/**
 * struct lnkfs_usage - what the inodes of one owner take
 * @id: the owner
 * @seen: the quota file has an entry
 * @space: bytes
 * @inodes: how many
 */
struct lnkfs_usage {
	u32 id;
	bool seen;
	u64 space;
	u64 inodes;
};

/**
 * struct lnkfs_usages - usage of all users, groups or projects (check_quota.c)
 * @table: open hash
 * @size: its size, 0 or a power of two
 * @used: slots of it in use
 */
struct lnkfs_usages {
	struct lnkfs_usage *table;
	u32 size;
	u32 used;
};

/**
 * struct lnkfs_claim - blocks that an inode owns
 * @block: first block
 * @len: how many
 * @data: data of a file, not metadata
 */
struct lnkfs_claim {
	u64 block;
	u64 len;
	bool data;
};

/**
 * struct lnkfs_claims - all that an inode owns
 * @list: they
 * @nr: how many
 * @max: room for
 */
struct lnkfs_claims {
	struct lnkfs_claim *list;
	u64 nr;
	u64 max;
};

/**
 * struct lnkfs_fsck - a check under way
 * @v: volume
 * @fs: what the core sees of it
 * @ops: where problems and progress go; may be NULL
 * @ctx: argument of @ops
 * @res: figures
 * @owned: per group, a bitmap of the blocks somebody owns, or NULL: nobody any
 * @claims: of a repair: what the inode at hand owns is noted here instead
 * @inodes: all inodes, by number
 * @nr_inodes: how many
 * @max_inodes: room for
 * @backrefs: trees of back references, by group; NULL: there are none
 * @usage: what the quota files should say, by type
 * @area: inline area for the inode at hand
 */
struct lnkfs_fsck {
	struct lnkfs_volume *v;
	struct lnkfs_fs *fs;
	const struct lnkfs_fsck_ops *ops;
	void *ctx;
	struct lnkfs_fsck_result res;
	u8 **owned;
	struct lnkfs_claims *claims;
	struct lnkfs_cinfo *inodes;
	u64 nr_inodes;
	u64 max_inodes;
	struct lnkfs_backrefs *backrefs;
	struct lnkfs_usages usage[LNKFS_QUOTA_TYPES];
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
};

/**
 * struct lnkfs_fsck_inode - an inode whose trees or entries are walked
 * @c: check
 * @ci: the inode
 * @info: what is remembered of it
 * @next: first logical block after the last extent
 * @blocks: blocks of the extents so far
 */
struct lnkfs_fsck_inode {
	struct lnkfs_fsck *c;
	struct lnkfs_cinode *ci;
	struct lnkfs_cinfo *info;
	u64 next;
	u64 blocks;
};

/**
 * struct lnkfs_fsck_link - what a symlink is besides its target
 * @there: it has the attribute
 * @la: what that says
 */
struct lnkfs_fsck_link {
	bool there;
	struct lnkfs_link_attr la;
};

void lnkfs_problem(struct lnkfs_fsck *c, const char *fmt, ...) __printf(2, 3);
void lnkfs_problem_safe(struct lnkfs_fsck *c, const char *fmt, ...) __printf(2, 3);
void lnkfs_problem_backref(struct lnkfs_fsck *c, const char *fmt, ...) __printf(2, 3);
void lnkfs_progress(struct lnkfs_fsck *c, enum lnkfs_fsck_pass pass, u64 done, u64 total);
int lnkfs_claim(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino);
int lnkfs_claim_data(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino);
struct lnkfs_cinfo *lnkfs_cinfo_find(const struct lnkfs_fsck *c, u64 ino);

/* check_threads.c */
typedef int (*lnkfs_fsck_piece)(struct lnkfs_fsck *c, u64 piece);

int lnkfs_fsck_pieces(struct lnkfs_fsck *c, enum lnkfs_fsck_pass pass, u64 count, u64 work,
		      lnkfs_fsck_piece fn);

/* check_inode.c */
int lnkfs_fsck_inodes(struct lnkfs_fsck *c);
int lnkfs_fsck_fork(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks);
int lnkfs_fsck_block_seen(void *ctx, u64 block, enum lnkfs_btype type);
void lnkfs_fsck_message(void *ctx, const char *text);

/* check_xattr.c */
int lnkfs_fsck_xattrs(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks,
		      struct lnkfs_fsck_link *link);

/* check_link.c */
void lnkfs_fsck_link_note(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
			  const void *value, struct lnkfs_fsck_link *link);
int lnkfs_link_fits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
		    const struct lnkfs_link_attr *la);
int lnkfs_fsck_link(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
		    const struct lnkfs_fsck_link *link);

/* check_quota.c */
int lnkfs_fsck_charge(struct lnkfs_fsck *c, const struct lnkfs_cinode *ci,
		      struct lnkfs_cinfo *info);
struct lnkfs_usage *lnkfs_usage_find(const struct lnkfs_usages *u, u32 id);
int lnkfs_usages_add(struct lnkfs_usages *to, const struct lnkfs_usages *from);
int lnkfs_fsck_quota(struct lnkfs_fsck *c);
void lnkfs_fsck_quota_free(struct lnkfs_fsck *c);

/* check_backref.c */
int lnkfs_fsck_backref_tree(struct lnkfs_fsck *c, u32 group, u64 root,
			    lnkfs_check_record record, void *arg, bool *bad);
int lnkfs_fsck_backref_group(struct lnkfs_fsck *c, u32 group);
int lnkfs_fsck_backref_name(struct lnkfs_fsck *c, const struct lnkfs_cinfo *dir, u64 pos,
			    struct lnkfs_cinfo *info);
int lnkfs_fsck_backref_rest(struct lnkfs_fsck *c);

/* check_names.c */
int lnkfs_fsck_names(struct lnkfs_fsck *c);

#endif /* LNKFS_CHECK_PRIV_H */
