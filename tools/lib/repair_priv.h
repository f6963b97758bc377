/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the repairer share.
 */
#ifndef LNKFS_REPAIR_PRIV_H
#define LNKFS_REPAIR_PRIV_H

#include "check_priv.h"
#include "image.h"
#include "repair.h"

/* flags of struct lnkfs_rinode */
#define RI_FORK		0x0001	/* the fork has to be made anew from what is left of it */
#define RI_XATTR	0x0002	/* the attributes likewise */
#define RI_GONE		0x0004	/* nothing can be done: freed */
#define RI_QUOTA	0x0008	/* a quota file */
#define RI_HOME		0x0010	/* a directory that its recorded parent names */
#define RI_NAMED	0x0020	/* a directory whose name has been kept */
#define RI_REACHED	0x0040	/* a directory below the root */
#define RI_ON_WAY	0x0080	/* a directory on the way that is being followed */
#define RI_TWICE	0x0100	/* has blocks that something else has, too */
#define RI_LOST		0x0200	/* a directory that goes to lost+found */
#define RI_PARENT	0x0400	/* a directory that records another parent */
#define RI_FOREIGN	0x0800	/* a quota file with blocks that are not its own */
#define RI_DOUBT	0x1000	/* nothing but its looks says that it is an inode */
#define RI_SURE		0x2000	/* a directory that is not in doubt names it */
#define RI_MADE		0x4000	/* a directory made for the names in stray blocks */
#define RI_MORE		0x8000	/* a file that has more blocks than its record says */

/**
 * struct lnkfs_rinode - what the repairer remembers of an inode
 * @ino: its number
 * @parent: directory that it records; of a directory: the one it is to be in; 0: none
 *	is known
 * @pos: position that it records, divided by 8; 0: none
 * @fork_blocks: blocks of its contents, when @flags has not RI_FORK
 * @xattr_blocks: blocks of its attributes, when @flags has not RI_XATTR
 * @nlink: links it records
 * @names: names that have been kept
 * @subdirs: of a directory: directories kept in it
 * @mode: type and permissions
 * @flags: RI_*
 */
struct lnkfs_rinode {
	u64 ino;
	u64 parent;
	u64 fork_blocks;
	u32 xattr_blocks;
	u32 pos;
	u32 nlink;
	u32 names;
	u32 subdirs;
	u16 mode;
	u16 flags;
};

/**
 * struct lnkfs_backref - where a name stands, as the inode says
 * @dir: directory, one with stray blocks
 * @pos: position in it
 * @ino: the inode
 */
struct lnkfs_backref {
	u64 dir;
	u64 pos;
	u64 ino;
};

/**
 * struct lnkfs_stray - a block of a directory that does not lead to it any more, or
 * that does not say any more that it is one; a back reference proves that it is
 * @dir: directory
 * @lblk: logical block
 * @block: physical block
 * @spare: the directory has another one in this place
 */
struct lnkfs_stray {
	u64 dir;
	u64 lblk;
	u64 block;
	bool spare;
};

/**
 * struct lnkfs_rgroup - what the repairer finds out about a group
 * @imap: inode blocks: a bitmap of the blocks of the group, or NULL: none
 * @found: of these, those that no map names
 * @sure: blocks of inodes that are not in doubt, where some are
 * @meta: blocks of metadata of inodes, likewise
 * @data: blocks of data of files
 * @twice: of these, those that two files have
 * @taken: of those, the ones that a file has kept
 * @names: root of its tree of back references, if that is sound, else 0
 */
struct lnkfs_rgroup {
	u8 *imap;
	u8 *found;
	u8 *sure;
	u8 *meta;
	u8 *data;
	u8 *twice;
	u8 *taken;
	u64 names;
};

/**
 * enum lnkfs_asked - inodes that say what they own
 * @ASKED_ALL: every one
 * @ASKED_SURE: those that are not in doubt
 * @ASKED_DOUBT: those that are, after the others: they do not get what these have
 */
enum lnkfs_asked { ASKED_ALL, ASKED_SURE, ASKED_DOUBT };

/**
 * struct lnkfs_repair - a repair under way
 * @v: volume
 * @fs: what the core sees of it
 * @c: the checker's frame, for its checks of single inodes; it only counts
 * @claims: what the inode at hand owns
 * @group: what is known of the groups
 * @inodes: all inodes, by number
 * @nr: how many
 * @max: room for
 * @later: that many at the end have been found later: they are by number among themselves
 * @ops: where lines and progress go; may be NULL
 * @ctx: argument of @ops
 * @res: figures
 * @conflicts: blocks of data that something else has, too
 * @asked: whose claims are being collected
 * @tight: there is no space for the new beside the old
 * @fatal: an error that has to end the repair, where it could not be returned
 * @refs: back references to where directories are damaged, in order
 * @nr_refs: how many
 * @max_refs: room for
 * @strays: stray blocks of directories, in order
 * @nr_strays: how many
 * @max_strays: room for
 * @new_quota: types whose quota file is lost; the superblock has its number until
 *	there is another, so that an interrupted repair does not forget the type
 */
struct lnkfs_repair {
	struct lnkfs_volume *v;
	struct lnkfs_fs *fs;
	struct lnkfs_fsck *c;
	struct lnkfs_claims claims;
	struct lnkfs_rgroup *group;
	struct lnkfs_rinode *inodes;
	u64 nr;
	u64 max;
	u64 later;
	const struct lnkfs_fsck_ops *ops;
	void *ctx;
	struct lnkfs_repair_result *res;
	u64 conflicts;
	enum lnkfs_asked asked;
	bool tight;
	int fatal;
	struct lnkfs_backref *refs;
	u64 nr_refs;
	u64 max_refs;
	struct lnkfs_stray *strays;
	u64 nr_strays;
	u64 max_strays;
	bool new_quota[LNKFS_QUOTA_TYPES];
};

/*
 * What ends a repair. Whatever else the core says of one inode, the others can be
 * repaired, and the check that follows tells what is left.
 */
static inline int lnkfs_fatal(int err)
{
	return err == -EIO || err == -ENOMEM ? err : 0;
}

/* Note an error that is fatal where only yes or no can be returned. */
static inline int lnkfs_noted(struct lnkfs_repair *r, int err)
{
	if (!r->fatal)
		r->fatal = lnkfs_fatal(err);
	return err;
}

void lnkfs_fixed(struct lnkfs_repair *r, const char *fmt, ...) __printf(2, 3);
void lnkfs_not_fixed(struct lnkfs_repair *r, const char *fmt, ...) __printf(2, 3);
int lnkfs_repair_settle(struct lnkfs_repair *r);
struct lnkfs_rinode *lnkfs_rinode_find(const struct lnkfs_repair *r, u64 ino);
int lnkfs_rinode_room(struct lnkfs_repair *r);
int lnkfs_rinode_enter(struct lnkfs_repair *r, const struct lnkfs_cinode *ci);
int lnkfs_rinode_load(struct lnkfs_repair *r, u64 ino, struct lnkfs_node *node);
int lnkfs_rinode_store(struct lnkfs_repair *r, const struct lnkfs_node *node);
int lnkfs_rinode_replace(struct lnkfs_repair *r, const struct lnkfs_node *node);
int lnkfs_read_raw(struct lnkfs_repair *r, u64 block, void *data);

/* repair_super.c */
int lnkfs_repair_supers(struct lnkfs_repair *r);

/* repair_inode.c: inode blocks and records */
int lnkfs_repair_find_inodes(struct lnkfs_repair *r);
int lnkfs_repair_inode_block(struct lnkfs_repair *r, u64 block);
void lnkfs_free_slots(void *data, u32 slot, u32 count);
bool lnkfs_looks_like_inodes(const struct lnkfs_fs *fs, const void *data, u64 block);

/* repair_record.c: a record whose fields make no sense */
/**
 * enum lnkfs_attrs_kept - inline attributes that are kept
 * @ATTRS_SOUND: all that make sense
 * @ATTRS_NOT_ROOTS: of these, those that not only root may set
 * @ATTRS_USERS: of these, those of the namespace "user."
 */
enum lnkfs_attrs_kept { ATTRS_SOUND, ATTRS_NOT_ROOTS, ATTRS_USERS };

bool lnkfs_keep_attrs(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      enum lnkfs_attrs_kept what);
bool lnkfs_repair_record(struct lnkfs_repair *r, const void *data, u64 block, u32 slot,
			 struct lnkfs_node *node);

/* repair_space.c: who owns what */
bool lnkfs_rinode_count(struct lnkfs_repair *r, const struct lnkfs_rinode *info,
			struct lnkfs_cinode *ci);
int lnkfs_repair_claim_all(struct lnkfs_repair *r);
int lnkfs_repair_claim_blocks(struct lnkfs_repair *r, enum lnkfs_asked asked);
int lnkfs_repair_maps(struct lnkfs_repair *r);
int lnkfs_holds_quota(struct lnkfs_repair *r, struct lnkfs_cinode *ci);
bool lnkfs_is_meta(const struct lnkfs_repair *r, u64 block);
bool lnkfs_is_nobodys(const struct lnkfs_repair *r, u64 block);
int lnkfs_commit_meta(struct lnkfs_repair *r, u64 block);
int lnkfs_group_mark(struct lnkfs_repair *r, u8 **map, u32 off);

/* repair_doubt.c: what only looks like an inode */
int lnkfs_repair_doubt(struct lnkfs_repair *r);
bool lnkfs_doubt_tame(struct lnkfs_repair *r, struct lnkfs_cinode *ci);
bool lnkfs_may_name(const struct lnkfs_rinode *dir, const struct lnkfs_rinode *to);

/* repair_tree.c: what can be read of a tree */
/**
 * struct lnkfs_salvage - a walk over what is left of a tree
 * @r: repair
 * @ci: inode
 * @tree: LNKFS_TREE_*
 * @vsize: bytes of a value
 * @record: called for every record of a leaf; 0 to go on
 * @ctx: its argument
 * @nodes: node blocks, in the order in which they were met
 * @nr_nodes: how many
 * @max_nodes: room for
 * @seen: the same as an open hash of twice that size
 */
struct lnkfs_salvage {
	struct lnkfs_repair *r;
	const struct lnkfs_cinode *ci;
	u8 tree;
	u8 vsize;
	int (*record)(void *ctx, u64 key, const void *value);
	void *ctx;
	u64 *nodes;
	u64 nr_nodes;
	u64 max_nodes;
	u64 *seen;
};

u32 lnkfs_child_level(struct lnkfs_repair *r, const struct lnkfs_cinode *ci, u8 tree,
		      const u8 *records, u32 count);
int lnkfs_salvage_tree(struct lnkfs_salvage *s, const void *root, u32 size);
bool lnkfs_salvage_seen(const struct lnkfs_salvage *s, u64 block);
int lnkfs_salvage_note(struct lnkfs_salvage *s, u64 block);
void lnkfs_salvage_end(struct lnkfs_salvage *s);
int lnkfs_header_read(struct lnkfs_repair *r, const struct lnkfs_cinode *ci,
		      enum lnkfs_btype type, u64 block, void *data);
void lnkfs_repair_free_nodes(struct lnkfs_repair *r, const u64 *nodes, u64 nr);

/* repair_file.c */

/**
 * struct lnkfs_extents - extents of a file
 * @x: they
 * @nr: how many
 * @max: room for
 */
struct lnkfs_extents {
	struct lnkfs_ext *x;
	u64 nr;
	u64 max;
};

int lnkfs_extents_salvage(struct lnkfs_salvage *s, struct lnkfs_extents *list);
void lnkfs_extents_free(struct lnkfs_extents *list);
int lnkfs_repair_link(struct lnkfs_repair *r, struct lnkfs_rinode *info);
int lnkfs_repair_file(struct lnkfs_repair *r, struct lnkfs_rinode *info);

/* repair_xattr.c */
int lnkfs_xattrs_claim(struct lnkfs_repair *r, struct lnkfs_cinode *ci);
int lnkfs_repair_xattrs(struct lnkfs_repair *r, struct lnkfs_rinode *info);

/* repair_dir.c */

/**
 * struct lnkfs_run - entries that may be damaged
 * @dir: directory
 * @pos: position of the first byte
 * @data: they
 * @len: bytes
 * @stray: only what a back reference proves is to be believed
 */
struct lnkfs_run {
	u64 dir;
	u64 pos;
	const u8 *data;
	u32 len;
	bool stray;
};

int lnkfs_dir_run(struct lnkfs_repair *r, const struct lnkfs_run *run,
		  int (*actor)(void *ctx, const struct lnkfs_name *name), void *ctx);
int lnkfs_dir_claim(struct lnkfs_repair *r, struct lnkfs_cinode *dir);
int lnkfs_dir_names(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		    int (*actor)(void *ctx, const struct lnkfs_name *name), void *ctx);
int lnkfs_dir_names_early(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			  int (*actor)(void *ctx, const struct lnkfs_name *name), void *ctx);
int lnkfs_dir_rebuild(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		      bool (*keep)(struct lnkfs_repair *r, struct lnkfs_rinode *dir,
				   struct lnkfs_name *name));

/* repair_backref.c: what back references prove */
bool lnkfs_backref_stands(const struct lnkfs_repair *r, u64 dir, u64 pos, u64 ino);
u64 lnkfs_backref_ino(const struct lnkfs_repair *r, u64 dir, u64 pos);
u64 lnkfs_strays_of(const struct lnkfs_repair *r, u64 dir, u64 *first);
int lnkfs_repair_strays(struct lnkfs_repair *r);
int lnkfs_repair_backrefs(struct lnkfs_repair *r);

/* repair_names.c */
int lnkfs_repair_names(struct lnkfs_repair *r);

/* repair_quota.c */
int lnkfs_free_quota_file(struct lnkfs_repair *r, struct lnkfs_node *node);
int lnkfs_repair_quota(struct lnkfs_repair *r);

#endif /* LNKFS_REPAIR_PRIV_H */
