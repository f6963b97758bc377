/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of making a volume smaller share.
 */
#ifndef LNKFS_SHRINK_H
#define LNKFS_SHRINK_H

#include "image.h"
#include "resize.h"

/* What lnkfs_shrink_visit() does with each metadata block of an inode. */
enum lnkfs_shrink_mode {
	LNKFS_SHRINK_COUNT,	/* count it */
	LNKFS_SHRINK_TAIL,	/* count it, and what names it, if it is to be moved */
	LNKFS_SHRINK_MOVE,	/* move it if it lies past the new end */
	LNKFS_SHRINK_OWN,	/* write @owner into its header */
};

/**
 * struct lnkfs_shrink_name - a name of an inode that gets another number
 * @ino: the inode
 * @dir: directory that the name is in
 * @text: where the name stands among all names
 * @len: its length
 * @type: DT_*
 */
struct lnkfs_shrink_name {
	u64 ino;
	u64 dir;
	size_t text;
	u8 len;
	u8 type;
};

/**
 * struct lnkfs_shrink_ino - an inode that gets another number
 * @old: its number
 * @new: the one that it has got, 0: none yet
 */
struct lnkfs_shrink_ino {
	u64 old;
	u64 new;
};

/**
 * struct lnkfs_shrink_link - a tracked link to an inode that gets another number
 * @to: the number that it follows
 * @link: the link, by the number that it had
 * @blocks: blocks that change with it
 */
struct lnkfs_shrink_link {
	u64 to;
	u64 link;
	u32 blocks;
};

/**
 * struct lnkfs_shrink_charge - blocks that an owner has more than the quota file says
 * @type: LNKFS_QUOTA_*
 * @id: the owner
 * @blocks: how many, may be negative
 */
struct lnkfs_shrink_charge {
	u32 type;
	u32 id;
	s64 blocks;
};

/**
 * struct lnkfs_shrink - a volume that becomes smaller
 * @r: change of size
 * @v: volume
 * @fs: what the core sees of it
 * @end: its new size
 * @tx: transaction under way
 * @mode: what visiting an inode does
 * @owner: LNKFS_SHRINK_OWN: the new number
 * @count: LNKFS_SHRINK_COUNT, _TAIL: blocks so far
 * @super: the superblock has changed since the last commit
 * @goal: where the next blocks are looked for
 * @done: blocks moved
 * @total: blocks to be moved
 * @copy: buffer of LNKFS_BOUNCE bytes
 * @names: names of inodes that get other numbers, by inode
 * @nr_names: how many
 * @max_names: room
 * @text: the names' bytes
 * @text_len: how many
 * @max_text: room
 * @inos: inodes that get other numbers, by number
 * @nr_inos: how many
 * @max_inos: room
 * @tracked: tracked links to such inodes, by what they follow
 * @nr_tracked: how many
 * @max_tracked: room
 * @charges: what quota files have to be told before the next commit
 * @nr_charges: how many
 * @max_charges: room
 * @backref: the volume has back references, which are made anew
 * @links: names that are not the only ones of an inode
 * @trees: blocks of the trees of back references, in order
 * @nr_trees: how many
 * @max_trees: room
 * @extents: runs of blocks of files, by group
 * @runs: runs of free blocks, by group
 * @longest: the longest of these
 */
struct lnkfs_shrink {
	struct lnkfs_resize *r;
	struct lnkfs_volume *v;
	struct lnkfs_fs *fs;
	u64 end;
	lnkfs_tx tx;
	enum lnkfs_shrink_mode mode;
	u64 owner;
	u64 count;
	bool super;
	u64 goal;
	u64 done;
	u64 total;
	u8 *copy;
	struct lnkfs_shrink_name *names;
	size_t nr_names;
	size_t max_names;
	char *text;
	size_t text_len;
	size_t max_text;
	struct lnkfs_shrink_ino *inos;
	size_t nr_inos;
	size_t max_inos;
	struct lnkfs_shrink_link *tracked;
	size_t nr_tracked;
	size_t max_tracked;
	struct lnkfs_shrink_charge *charges;
	size_t nr_charges;
	size_t max_charges;
	bool backref;
	u64 links;
	u64 *trees;
	size_t nr_trees;
	size_t max_trees;
	u64 *extents;
	u32 *runs;
	u32 *longest;
};

/* shrink.c */
int lnkfs_shrink_commit(struct lnkfs_shrink *s);
int lnkfs_shrink_step(struct lnkfs_shrink *s);
void lnkfs_shrink_moved(struct lnkfs_shrink *s, u64 blocks);
size_t lnkfs_shrink_find(const void *array, size_t nr, size_t size, u64 key);
void lnkfs_shrink_sort(void *array, size_t nr, size_t size);
void *lnkfs_shrink_room(void *array, size_t nr, size_t *max, size_t size);

/* shrink_plan.c */
int lnkfs_shrink_load(struct lnkfs_shrink *s, u64 ino, struct lnkfs_node *n);
int lnkfs_shrink_scan(struct lnkfs_shrink *s);
int lnkfs_shrink_longest(struct lnkfs_shrink *s);
bool lnkfs_shrink_fits(struct lnkfs_shrink *s, u64 end, int *err);

/* shrink_move.c */
int lnkfs_shrink_visit(struct lnkfs_shrink *s, struct lnkfs_cinode *ci);
int lnkfs_shrink_blocks(struct lnkfs_shrink *s);

/* shrink_inode.c */
int lnkfs_shrink_names(struct lnkfs_shrink *s);
u64 lnkfs_shrink_number(const struct lnkfs_shrink *s, u64 ino);
int lnkfs_shrink_renumber(struct lnkfs_shrink *s);

/* shrink_link.c */
int lnkfs_shrink_note_link(struct lnkfs_shrink *s, struct lnkfs_cinode *ci);
u64 lnkfs_shrink_link_blocks(const struct lnkfs_shrink *s, u64 to);
int lnkfs_shrink_change_links(struct lnkfs_shrink *s, u64 old, const struct lnkfs_cinode *to);

/* shrink_backref.c */
int lnkfs_shrink_scan_trees(struct lnkfs_shrink *s);
u64 lnkfs_shrink_trees_past(const struct lnkfs_shrink *s, u64 end);
int lnkfs_shrink_backref_off(struct lnkfs_shrink *s);
int lnkfs_shrink_backref_on(struct lnkfs_shrink *s);

/* shrink_quota.c */
int lnkfs_shrink_charge(struct lnkfs_shrink *s, const struct lnkfs_cinode *ci, s64 blocks);
int lnkfs_shrink_quota(struct lnkfs_shrink *s);

#endif /* LNKFS_SHRINK_H */
