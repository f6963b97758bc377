/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The on-disk logic of lnkfs, shared by the kernel module and the tools.
 *
 * Nothing here knows buffer heads, journals or pread(): the core reaches the
 * volume through the host interface (host.h), which each host supplies as
 * static inlines. Every function that modifies metadata takes a transaction
 * (lnkfs_tx); the caller has reserved the credits stated with the function.
 *
 * Errors are negative error numbers. -EFSCORRUPTED (EUCLEAN) says that a
 * structure contradicts itself, -EFSBADCRC (EBADMSG) that its checksum is
 * wrong; both have been reported through lnkfs_report() by whoever saw them
 * first.
 */
#ifndef LNKFS_CORE_H
#define LNKFS_CORE_H

#include "host_types.h"
#include "../lnkfs_format.h"

/**
 * enum lnkfs_btype - what a metadata block is; selects its verifier and seal
 * @LNKFS_B_GDESC: group descriptors, owner = first group of the run
 * @LNKFS_B_BITMAP: block bitmap, owner = group
 * @LNKFS_B_IMAP: inode block map, owner = group
 * @LNKFS_B_FULLMAP: map of full inode blocks, owner = group
 * @LNKFS_B_ORPHMAP: orphan map, owner = group
 * @LNKFS_B_INODE: inode block, checked record by record
 * @LNKFS_B_BTREE: B+tree node, owner = inode, or group for back references
 * @LNKFS_B_DIR: directory block, owner = inode
 * @LNKFS_B_XATTR: block of the external xattr area, owner = inode
 * @LNKFS_B_QUOTA: block of a quota file, owner = inode
 * @LNKFS_B_NAMES: root of the back references of a group, owner = group
 * @LNKFS_B_RAW: body of a slow symlink, nothing to check or seal
 * @LNKFS_B_TYPES: number of types
 */
enum lnkfs_btype {
	LNKFS_B_GDESC,
	LNKFS_B_BITMAP,
	LNKFS_B_IMAP,
	LNKFS_B_FULLMAP,
	LNKFS_B_ORPHMAP,
	LNKFS_B_INODE,
	LNKFS_B_BTREE,
	LNKFS_B_DIR,
	LNKFS_B_XATTR,
	LNKFS_B_QUOTA,
	LNKFS_B_NAMES,
	LNKFS_B_RAW,
	LNKFS_B_TYPES
};

/**
 * struct lnkfs_group - in-memory state of a block group
 * @lock: protects everything below and the group's maps and descriptor
 * @free_blocks: blocks whose bitmap bit is clear, busy ones included
 * @inode_blocks: blocks that are inode blocks
 * @free_slots: free slots in them
 * @used_inodes: records in them
 * @used_dirs: of these directories
 * @flags: LNKFS_BG_*
 * @busy_blocks: free blocks not yet allocatable (their free is not committed)
 * @busy: bitmap of those (group_blocks bits), or NULL when there are none
 * @kept_blocks: free blocks in allocation windows (window.c)
 * @kept_epoch: changes when all windows of the group have been broken
 * @kept: bitmap of those (group_blocks bits), or NULL when there are none
 * @trimmed: since a block was last freed the device has been told of all free
 *	runs of this many blocks or more; 0: it has not
 * @alloc_hint: where the next search of the bitmap starts, block in group
 * @inode_hint: where the next search for a free slot starts, block in group
 * @names: block with the root of the group's back references, or 0; changes under
 *	@lock and the names lock (lnkfs_names_lock())
 * @names_level: level of that root; LNKFS_NAMES_UNREAD before it has been read
 */
struct lnkfs_group {
	lnkfs_lock_t lock;
	u32 free_blocks;
	u32 inode_blocks;
	u32 free_slots;
	u32 used_inodes;
	u32 used_dirs;
	u16 flags;
	u32 busy_blocks;
	unsigned long *busy;
	u32 kept_blocks;
	u64 kept_epoch;
	unsigned long *kept;
	u32 trimmed;
	u32 alloc_hint;
	u32 inode_hint;
	u64 names;
	u32 names_level;
};

#define LNKFS_NAMES_UNREAD	(~0u)

/**
 * struct lnkfs_names_lane - the lock of the back references of some groups, and
 * the leaf that was used last, so that names of neighbours need no search
 * @lock: protects their trees and what follows
 * @group: group that the leaf belongs to
 * @near: where in the leaf the next name is looked for first
 * @leaf: the leaf, or NULL
 * @lo: it holds keys from here...
 * @hi: ...to here
 * @dir: directory of the last name
 * @place: where names in it begin (names.c); good when @dir is not 0
 */
struct lnkfs_names_lane {
	lnkfs_lock_t lock;
	u32 group;
	u32 near;
	lnkfs_buf *leaf;
	u64 lo;
	u64 hi;
	u64 dir;
	u64 place;
};

#define LNKFS_NAMES_LANES	16

/**
 * struct lnkfs_fs - a volume as the core sees it, embedded in the host's own
 * @blocks: size in blocks
 * @block_size: bytes
 * @block_bits: log2 of @block_size
 * @slot_bits: log2 of inode slots a block
 * @group_blocks: blocks of a full group
 * @groups: number of groups
 * @desc_per_block: descriptors in a descriptor block
 * @csum_seed: crc32c of the metadata UUID, seed of every checksum
 * @fsid: h_fsid of every block header
 * @hash_seed: key of the directory hash
 * @backref: inodes know their names
 * @max_links: highest link count
 * @fast_max: longest fast symlink target, bytes
 * @root_ino: root directory
 * @journal_start: first block of the internal journal
 * @journal_blocks: its length; 0: the journal is on another device
 * @fast_blocks: the last of these, set aside for fast commits, or 0
 * @alloc_end: only blocks before this one are allocated; nothing less than @blocks
 *	unless a tool is about to make the volume smaller
 * @dir_group: group in which the last directory was placed
 * @group: per-group state, @groups of them (lnkfs_group())
 *
 * A volume in use may grow. @group then has the new groups' state before @blocks
 * is set, and that before @groups (lnkfs_grow()): who reads one of these two by
 * lnkfs_blocks() or lnkfs_groups() finds what comes before it. The size of a
 * group changes under its lock.
 */
struct lnkfs_fs {
	u64 blocks;
	u32 block_size;
	u32 block_bits;
	u32 slot_bits;
	u32 group_blocks;
	u32 groups;
	u32 desc_per_block;
	u32 csum_seed;
	u64 fsid;
	u8 hash_seed[16];
	bool backref;
	u32 max_links;
	u32 fast_max;
	u64 root_ino;
	u64 journal_start;
	u32 journal_blocks;
	u32 fast_blocks;
	u64 alloc_end;
	u32 dir_group;
	lnkfs_group_table group;
};

/**
 * struct lnkfs_cinode - a decoded inode record
 * @ino: inode number
 * @gen: generation
 * @mode: type and permissions
 * @fork: LNKFS_FORK_*
 * @slots: slots of the record, 1..LNKFS_MAX_SLOTS
 * @uid: owner
 * @gid: group
 * @projid: project
 * @nlink: link count
 * @size: bytes
 * @blocks: volume blocks held
 * @flags: FreeBSD st_flags
 * @lflags: LNKFS_LF_*
 * @atime: time stamps in the on-disk unit
 * @mtime: modification
 * @ctime: change
 * @btime: birth
 * @version: change counter
 * @parent: directory of the name that stands in the record, or 0
 * @parent_pos: position of the name in it
 * @fork_len: bytes of the area in use by the fork
 * @xattr_len: bytes at its end in use by xattrs, a multiple of 8
 * @xattr_block: leaf or head block of the external xattrs, or 0
 * @area_len: LNKFS_AREA_LEN(@slots)
 * @fill_hole: offset of the only hole in the run of the directory's block @fill_lblk, or 0
 *	when that is not known
 * @fill_last: with @fill_hole, offset of the entry right before it, which was added
 *	last, or 0
 * @fill_lblk: a logical block
 * @area: the inline area, @area_len bytes, owned by whoever set it
 *
 * The core changes @fork, @size (directories), @blocks, @parent, @parent_pos,
 * @fork_len, @xattr_len, @xattr_block and the area; the caller stores the record
 * (lnkfs_inode_store()) in the same transaction, also when the function failed.
 * @fill_hole, @fill_last and @fill_lblk are in memory only, and the core's: entries of
 * directories are changed by nothing else while the inode is in memory.
 */
struct lnkfs_cinode {
	u64 ino;
	u32 gen;
	u16 mode;
	u8 fork;
	u8 slots;
	u32 uid;
	u32 gid;
	u32 projid;
	u32 nlink;
	u64 size;
	u64 blocks;
	u32 flags;
	u32 lflags;
	u64 atime;
	u64 mtime;
	u64 ctime;
	u64 btime;
	u64 version;
	u64 parent;
	u64 parent_pos;
	u16 fork_len;
	u16 xattr_len;
	u64 xattr_block;
	u16 area_len;
	u16 fill_hole;
	u16 fill_last;
	u32 fill_lblk;
	u8 *area;
};

#include "host.h"

/*
 * Metadata are read in pieces of so many bytes (ext4's inode_readahead_blks has the same),
 * with gaps of at most so many bytes in them: what lies between a directory's inodes are
 * mostly its own blocks and its index.
 */
#define LNKFS_AHEAD_BYTES	(128 << 10)
#define LNKFS_AHEAD_GAP		(32 << 10)

/**
 * lnkfs_blocks() - size of a volume that may be growing
 * @fs: volume
 */
static inline u64 lnkfs_blocks(const struct lnkfs_fs *fs)
{
	/* Pairs with lnkfs_grow(): the state of the groups comes first. */
	return smp_load_acquire(&fs->blocks);
}

/**
 * lnkfs_groups() - groups of a volume that may be growing
 * @fs: volume
 */
static inline u32 lnkfs_groups(const struct lnkfs_fs *fs)
{
	/* Pairs with lnkfs_grow(): their state, and @blocks, come first. */
	return smp_load_acquire(&fs->groups);
}

/* ---- super.c: superblock and geometry ---- */

/* What is wrong with a superblock; see lnkfs_super_check(). */
int lnkfs_super_check(const struct lnkfs_super_block *sb, u64 blocknr,
		      u64 device_bytes, const char **why);
int lnkfs_journal_dev_check(const struct lnkfs_super_block *sb, u64 device_bytes,
			    const char **why);
void lnkfs_super_seal(struct lnkfs_super_block *sb);
void lnkfs_super_load(struct lnkfs_fs *fs, const struct lnkfs_super_block *sb);
u64 lnkfs_group_overhead_total(const struct lnkfs_fs *fs);

/**
 * lnkfs_group_blocks() - blocks of a full group
 * @block_bits: log2 of the block size
 */
static inline u32 lnkfs_group_blocks(u32 block_bits)
{
	return ((1u << block_bits) - LNKFS_MAP_HEADER) * 8;
}

/**
 * lnkfs_group_first() - first block of a group
 * @fs: volume
 * @group: group number
 */
static inline u64 lnkfs_group_first(const struct lnkfs_fs *fs, u32 group)
{
	return (u64)group * fs->group_blocks;
}

/**
 * lnkfs_group_size() - blocks of a group; the last one may be short
 * @fs: volume
 * @group: group number
 */
static inline u32 lnkfs_group_size(const struct lnkfs_fs *fs, u32 group)
{
	u64 left = lnkfs_blocks(fs) - lnkfs_group_first(fs, group);

	return left < fs->group_blocks ? (u32)left : fs->group_blocks;
}

#define LNKFS_MIN_LAST_GROUP	32	/* blocks a short last group must have besides its own */

#define LNKFS_GROUP_MAPS	4	/* LNKFS_B_BITMAP and those after it */

bool lnkfs_group_has_super(u32 group);
bool lnkfs_group_has_desc(const struct lnkfs_fs *fs, u32 group);
u32 lnkfs_group_overhead(const struct lnkfs_fs *fs, u32 group);
u32 lnkfs_group_of(const struct lnkfs_fs *fs, u64 block);
u64 lnkfs_group_map_block(const struct lnkfs_fs *fs, u32 group, enum lnkfs_btype type);
u64 lnkfs_gdesc_block(const struct lnkfs_fs *fs, u32 group);

/* ---- fast.c: records of fast commits ---- */

/**
 * struct lnkfs_fast_writer - a record being made
 * @fs: volume
 * @data: room for it
 * @room: bytes
 * @used: of these
 * @count: changed blocks in it
 * @scratch: room for a block
 */
struct lnkfs_fast_writer {
	const struct lnkfs_fs *fs;
	u8 *data;
	u32 room;
	u32 used;
	u32 count;
	u8 *scratch;
};

/**
 * struct lnkfs_fast_id - which record it is
 * @tid: transaction
 * @number: of the record in it, from 0
 * @before: checksum of the record before it, of the first 0
 * @sum: its own
 */
struct lnkfs_fast_id {
	u32 tid;
	u32 number;
	u32 before;
	u32 sum;
};

/**
 * struct lnkfs_fast_item - a change of a block, out of a record
 * @block: the block
 * @checksum: of the whole block, after it, sealed; of one with a header the header's
 * @ranges: how many
 * @kind: LNKFS_FAST_*
 * @fresh: the block was all zeroes before
 * @bytes: the ranges
 */
struct lnkfs_fast_item {
	u64 block;
	u32 checksum;
	u32 ranges;
	u32 kind;
	bool fresh;
	const u8 *bytes;
};

bool lnkfs_in_journal(const struct lnkfs_fs *fs, u64 block);
bool lnkfs_may_journal(const struct lnkfs_fs *fs, u64 block);
u64 lnkfs_fast_area(const struct lnkfs_fs *fs);
int lnkfs_fast_due(u32 tid, u32 first, u32 next, bool empty, bool marked);
void lnkfs_fast_begin(struct lnkfs_fast_writer *w, const struct lnkfs_fs *fs, u8 *data,
		      u32 room, u8 *scratch);
int lnkfs_fast_add(struct lnkfs_fast_writer *w, u64 block, enum lnkfs_btype type, bool fresh,
		   void *old, const void *new);
u32 lnkfs_fast_end(struct lnkfs_fast_writer *w, u64 block, struct lnkfs_fast_id *id);
u32 lnkfs_fast_blocks(const struct lnkfs_fs *fs, const void *data, u32 max);
u32 lnkfs_fast_check(const struct lnkfs_fs *fs, const void *data, u32 room, u64 block,
		     struct lnkfs_fast_id *id);
bool lnkfs_fast_follows(const struct lnkfs_fast_id *id, const struct lnkfs_fast_id *last);
int lnkfs_fast_next(const struct lnkfs_fs *fs, const void *data, u32 *pos,
		    struct lnkfs_fast_item *item);
void lnkfs_fast_apply(const struct lnkfs_fs *fs, const struct lnkfs_fast_item *item, void *image);
int lnkfs_fast_finish(const struct lnkfs_fs *fs, const struct lnkfs_fast_item *last, void *image,
		      enum lnkfs_btype *type);
void lnkfs_fast_head_make(const struct lnkfs_fs *fs, void *data, u64 block, u32 replay);
int lnkfs_fast_head_read(const struct lnkfs_fs *fs, const void *data, u64 block, u32 *replay);

/* ---- verify.c: checksums and verifiers ---- */

#define LNKFS_ANY_OWNER	(~0ULL)	/* tools only: check neither owner nor generation */

u32 lnkfs_magic_of(enum lnkfs_btype type);
enum lnkfs_btype lnkfs_type_of_magic(u32 magic);
u32 lnkfs_crc_around(u32 seed, const void *data, u32 at, u32 len);
void lnkfs_header_init(const struct lnkfs_fs *fs, void *data, enum lnkfs_btype type,
		       u64 block, u64 owner, u32 gen);
int lnkfs_verify_block(const struct lnkfs_fs *fs, const void *data, enum lnkfs_btype type,
		       u64 block, u64 owner, u32 gen);
int lnkfs_verify_record(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot);
void lnkfs_seal_block(const struct lnkfs_fs *fs, void *data, enum lnkfs_btype type, u64 block);

/* ---- group.c: descriptors ---- */

bool lnkfs_gdesc_sane(const struct lnkfs_fs *fs, u32 group, const struct lnkfs_group_desc *d);
int lnkfs_group_load(struct lnkfs_fs *fs, u32 group);
int lnkfs_group_sync(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group);
int lnkfs_gdesc_access(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, lnkfs_buf **out);
void lnkfs_gdesc_write(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, lnkfs_buf *buf);
void lnkfs_gdesc_fill(const struct lnkfs_fs *fs, void *data, u32 group);
void lnkfs_gdesc_fresh(const struct lnkfs_fs *fs, void *data, u32 group, u32 free);

/* ---- grow.c ---- */

u64 lnkfs_usable_blocks(const struct lnkfs_fs *fs, u64 blocks);
void lnkfs_resize_super(struct lnkfs_super_block *sb, u64 blocks);
void lnkfs_group_fresh(const struct lnkfs_fs *fs, struct lnkfs_group *g, u32 group);
void lnkfs_grow_descs(const struct lnkfs_fs *fs, const struct lnkfs_fs *new, u32 group,
		      const void *run, void *data);
u32 lnkfs_grow_credits(const struct lnkfs_fs *fs);
int lnkfs_grow(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_super_block *sb,
	       const struct lnkfs_super_block *old, u64 *added);

/* ---- window.c: blocks kept for files that grow ---- */

/**
 * struct lnkfs_window - free blocks that are left to one inode
 * @ahead: blocks that the owner wants kept behind its next allocation
 * @group: group that it is in
 * @off: first block, within the group
 * @len: blocks; 0 when it is closed
 * @epoch: the group's @kept_epoch when it was opened
 *
 * Belongs to whoever owns the inode's extent map; all zeroes is a closed one.
 */
struct lnkfs_window {
	u32 ahead;
	u32 group;
	u32 off;
	u32 len;
	u64 epoch;
};

void lnkfs_window_open(struct lnkfs_fs *fs, u32 group, struct lnkfs_window *w, u32 off, u32 len);
void lnkfs_window_close(struct lnkfs_fs *fs, u32 group, struct lnkfs_window *w);
void lnkfs_window_drop(struct lnkfs_fs *fs, struct lnkfs_window *w);
void lnkfs_windows_break(struct lnkfs_fs *fs, u32 group);
void lnkfs_windows_trim(struct lnkfs_fs *fs, u32 group);

/* ---- balloc.c: blocks ---- */

/* flags of lnkfs_balloc() */
#define LNKFS_BA_META		0x1	/* may take from the pool kept for tree splits */
#define LNKFS_BA_RESERVED	0x2	/* the caller holds a reservation for these blocks */
#define LNKFS_BA_CLUSTER	0x4	/* start aligned to an inode cluster, or fail */

int lnkfs_balloc(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 goal, u32 min, u32 want,
		 unsigned int flags, u64 *start, u32 *got);
int lnkfs_balloc_window(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 goal, u32 min, u32 want,
			unsigned int flags, struct lnkfs_window *w, u64 *start, u32 *got);
int lnkfs_bfree(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 start, u32 len);

/*
 * The same within one group whose lock the caller holds; offsets are blocks
 * in the group. Bitmap, counters and descriptor (lnkfs_group_sync) are
 * brought up to date together or, on any error, not at all.
 * lnkfs_balloc_locked() searches from @goal_off to the group's end, then from
 * its start; -ENOSPC when the group has no free run of @min blocks (with
 * LNKFS_BA_CLUSTER: that starts at a multiple of the blocks of an inode
 * cluster, counted from the group's start), or lnkfs_space_take() refuses.
 */
int lnkfs_balloc_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 goal_off,
			u32 min, u32 want, unsigned int flags, u32 *off, u32 *got);
int lnkfs_bfree_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off, u32 len);
int lnkfs_map_find(const void *bits, const void *busy, u32 from, u32 end, u32 min,
		   u32 want, u32 *start);
bool lnkfs_block_valid(const struct lnkfs_fs *fs, u64 block, u64 len);
int lnkfs_bitmap_read(struct lnkfs_fs *fs, u32 group, lnkfs_buf **out);
u32 lnkfs_balloc_end(const struct lnkfs_fs *fs, u32 group);

/* ---- ialloc.c: inode slots ---- */

int lnkfs_ialloc(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 goal_group, u32 slots,
		 bool dir, u64 *ino);
int lnkfs_ifree(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 ino, u32 slots, bool dir);
void lnkfs_iblock_free(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off);
u32 lnkfs_ialloc_dir_group(struct lnkfs_fs *fs, u32 parent_group);
int lnkfs_orphan_add(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 ino);
int lnkfs_orphan_del(struct lnkfs_fs *fs, u64 ino);
int lnkfs_orphan_clean(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 *from, u32 budget);
int lnkfs_orphan_next(struct lnkfs_fs *fs, u32 group, u32 *from, u64 *block);

/* ---- inode.c: records ---- */

/* Linux device numbers; what does not fit cannot have been made by us. */
#define LNKFS_MAX_MAJOR		((1u << 12) - 1)
#define LNKFS_MAX_MINOR		((1u << 20) - 1)

/* flags of lnkfs_inode_load() */
#define LNKFS_IL_ORPHAN		0x1	/* a record with nlink 0 is wanted, too */

int lnkfs_inode_load(struct lnkfs_fs *fs, u64 ino, unsigned int flags,
		     struct lnkfs_cinode *ci);
int lnkfs_inode_store(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);
void lnkfs_inode_encode(const struct lnkfs_cinode *ci, void *data, u32 slot);
int lnkfs_inode_decode(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot,
		       struct lnkfs_cinode *ci);
int lnkfs_inode_check(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
bool lnkfs_record_at(const struct lnkfs_fs *fs, const void *data, u32 slot, u32 count);
bool lnkfs_ino_valid(const struct lnkfs_fs *fs, u64 ino);
u32 lnkfs_fork_room(const struct lnkfs_cinode *ci);

/**
 * lnkfs_ino_block() - block that holds an inode
 * @fs: volume
 * @ino: inode number
 */
static inline u64 lnkfs_ino_block(const struct lnkfs_fs *fs, u64 ino)
{
	return ino >> fs->slot_bits;
}

/**
 * lnkfs_ino_slot() - slot of an inode in its block
 * @fs: volume
 * @ino: inode number
 */
static inline u32 lnkfs_ino_slot(const struct lnkfs_fs *fs, u64 ino)
{
	return (u32)(ino & ((1u << fs->slot_bits) - 1));
}

/**
 * lnkfs_blocks_less() - blocks of an inode have been freed
 * @ci: inode
 * @blocks: how many
 *
 * The record of a crafted volume may count fewer than its trees have: that must not become
 * a number that no inode can have, or the inode is lost.
 */
static inline void lnkfs_blocks_less(struct lnkfs_cinode *ci, u64 blocks)
{
	/* What has external attributes has a block. */
	const u64 least = ci->xattr_block && ci->blocks;

	ci->blocks = ci->blocks - least > blocks ? ci->blocks - blocks : least;
}

/* ---- btree.c: the generic B+tree ---- */

/**
 * struct lnkfs_btree - handle on one tree, built on the stack by its user
 * @fs: volume
 * @ci: owning inode: supplies owner, generation, allocation goal; its block
 *	count follows the nodes
 * @root: the root in the inode's inline area (struct lnkfs_btree_root)
 * @root_size: bytes of the root, header included; multiple of 8
 * @home: block that holds the root; 0: the inode's record does
 * @home_buf: that block, when the root is to be changed here and not by the caller;
 *	else NULL
 * @vsize: bytes of a leaf value: 0, 8, 16
 * @tree: LNKFS_TREE_*
 *
 * Locking: readers share, a writer excludes; the owner of the inode sees to
 * it. No lock is taken here but the group locks of the allocator.
 */
struct lnkfs_btree {
	struct lnkfs_fs *fs;
	struct lnkfs_cinode *ci;
	void *root;
	u32 root_size;
	u64 home;
	lnkfs_buf *home_buf;
	u8 vsize;
	u8 tree;
};

/**
 * struct lnkfs_shift - a run of keys to be moved by lnkfs_btree_shift()
 * @from: first key of the run
 * @to: end of the run, exclusive
 * @dist: how far, not 0
 * @right: to the right, into [to, to + dist); else to the left, into
 *	[from - dist, from)
 */
struct lnkfs_shift {
	u64 from;
	u64 to;
	u64 dist;
	bool right;
};

/* Least budget of lnkfs_btree_shift(): the ways to two leaves. */
#define LNKFS_SHIFT_MIN		(2 * LNKFS_BTREE_MAX_LEVEL)

void lnkfs_btree_init_root(const struct lnkfs_btree *bt);
int lnkfs_btree_check_root(const struct lnkfs_btree *bt);
int lnkfs_btree_check_node(const struct lnkfs_fs *fs, const void *data);
bool lnkfs_btree_root_sound(const struct lnkfs_btree *bt);
bool lnkfs_btree_root_fits(const struct lnkfs_btree *bt, u32 size);
int lnkfs_btree_lookup_le(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value);
int lnkfs_btree_lookup_ge(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value);
int lnkfs_btree_lookup_span(const struct lnkfs_btree *bt, u64 key, u64 *found, void *value,
			    u64 *next);
int lnkfs_btree_lookup_span_nowait(const struct lnkfs_btree *bt, u64 key, u64 *found,
				   void *value, u64 *next);
int lnkfs_btree_insert(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key, const void *value);
int lnkfs_btree_update(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key, u64 new_key,
		       const void *value);
int lnkfs_btree_delete(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key);
int lnkfs_btree_delete_record(lnkfs_tx *tx, const struct lnkfs_btree *bt, u64 key,
			      const void *value);
int lnkfs_btree_shift(lnkfs_tx *tx, const struct lnkfs_btree *bt, struct lnkfs_shift *shift,
		      u32 budget);
int lnkfs_btree_seek(const struct lnkfs_btree *bt, u64 key, lnkfs_buf **leaf, u64 *lo, u64 *hi);
int lnkfs_btree_leaf_insert(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *leaf, u64 key,
			    const __le64 *value, u32 *near);
int lnkfs_btree_leaf_delete(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *leaf, u64 key,
			    const __le64 *value, u32 *near);
u32 lnkfs_btree_level(const struct lnkfs_btree *bt);
u32 lnkfs_btree_insert_credits(u32 level);
u32 lnkfs_btree_delete_credits(u32 level);
u32 lnkfs_btree_revokes(u32 level);

/* ---- extent.c: logical to physical ---- */

#define LNKFS_EXT_HOLE		0x80000000	/* in memory only: nothing is mapped */
#define LNKFS_MAX_LBLK		(1ULL << 53)	/* logical blocks are below this */

/* Logical blocks that a file can have, and where its last extent ends at the latest. */
static inline u64 lnkfs_file_blocks_max(const struct lnkfs_fs *fs)
{
	return LNKFS_MAX_FILE_SIZE >> fs->block_bits;
}

/* Can a file have these logical blocks? */
static inline bool lnkfs_lblk_valid(const struct lnkfs_fs *fs, u64 lblk, u64 len)
{
	const u64 end = lnkfs_file_blocks_max(fs);

	return lblk < end && len <= end - lblk;
}

/**
 * struct lnkfs_ext - a decoded extent
 * @lblk: first logical block
 * @block: first physical block, 0 for a hole
 * @len: blocks; of a hole as far as it is known to reach
 * @flags: LNKFS_EXT_UNWRITTEN, LNKFS_EXT_HOLE
 */
struct lnkfs_ext {
	u64 lblk;
	u64 block;
	u64 len;
	u32 flags;
};

void lnkfs_ext_init(struct lnkfs_cinode *ci);
int lnkfs_ext_lookup(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk,
		     struct lnkfs_ext *ext);
int lnkfs_ext_lookup_nowait(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk,
			    struct lnkfs_ext *ext);
int lnkfs_ext_insert(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_ext *ext);
int lnkfs_ext_convert(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      u64 lblk, u64 len, u64 *done);
int lnkfs_ext_unwrite(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      u64 lblk, u64 len, u64 *done);
int lnkfs_ext_split(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk);
int lnkfs_ext_merge(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk);
int lnkfs_ext_shift(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    struct lnkfs_shift *shift, u32 budget);
int lnkfs_ext_remove(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     u64 from, u64 to, u32 budget);
u32 lnkfs_ext_level(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_ext_insert_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_ext_convert_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_ext_remove_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 budget);
u32 lnkfs_ext_split_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_ext_merge_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_ext_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 budget);

/* ---- dir.c, dirblock.c, dirindex.c: directories ---- */

#define LNKFS_DIR_FIRST_POS	64	/* position of the first entry; below: . and .. */

/**
 * struct lnkfs_name - a directory entry found or listed
 * @ino: inode it names
 * @pos: position (readdir cookie)
 * @type: DT_*
 * @len: bytes of the name
 * @name: the name, not terminated; valid only while the callback runs
 */
struct lnkfs_name {
	u64 ino;
	u64 pos;
	u8 type;
	u8 len;
	const char *name;
};

/* Callback of lnkfs_dir_iterate(): 0 to go on, else to stop there. */
typedef int (*lnkfs_dir_actor)(void *ctx, const struct lnkfs_name *name);

/**
 * struct lnkfs_dir_spot - an entry that has been found
 * @buf: its block, or NULL when the directory is inline
 * @lblk: logical block
 * @run: the run of entries that holds it
 * @len: length of the run
 * @off: offset in the run
 *
 * Good until the directory changes.
 */
struct lnkfs_dir_spot {
	lnkfs_buf *buf;
	u64 lblk;
	u8 *run;
	u32 len;
	u32 off;
};

void lnkfs_dir_init(struct lnkfs_cinode *ci);
u32 lnkfs_dir_hash(const struct lnkfs_fs *fs, const char *name, u32 len);
int lnkfs_dir_lookup(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, const char *name,
		     u32 len, struct lnkfs_name *out);
int lnkfs_dir_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		  const char *name, u32 len, u64 ino, u8 type, u64 *pos);
int lnkfs_dir_remove(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		     const char *name, u32 len);
int lnkfs_dir_replace(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
		      const char *name, u32 len, u64 ino, u8 type);
int lnkfs_dir_find(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, const char *name, u32 len,
		   struct lnkfs_dir_spot *spot);
u64 lnkfs_dir_spot_pos(const struct lnkfs_fs *fs, const struct lnkfs_dir_spot *spot);
int lnkfs_dir_remove_at(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir,
			struct lnkfs_dir_spot *spot);
int lnkfs_dir_replace_at(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_dir_spot *spot,
			 u64 ino, u8 type);
int lnkfs_dir_name_at(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 pos, u64 ino,
		      char *name, u32 *len);
int lnkfs_dir_is_empty(struct lnkfs_fs *fs, struct lnkfs_cinode *dir);
u64 lnkfs_dir_end(const struct lnkfs_fs *fs, const struct lnkfs_cinode *dir);
int lnkfs_dir_iterate(struct lnkfs_fs *fs, struct lnkfs_cinode *dir, u64 *pos, u64 end,
		      lnkfs_dir_actor actor, void *ctx);
int lnkfs_dir_trim(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *dir);
int lnkfs_dir_check_block(const struct lnkfs_fs *fs, const void *data);
int lnkfs_dir_check_entries(const void *entries, u32 len);
u32 lnkfs_dir_add_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *dir);
u32 lnkfs_dir_remove_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *dir);
u32 lnkfs_dir_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *dir);

/* ---- names.c: back references ---- */

/**
 * struct lnkfs_ref - where a name of an inode stands
 * @dir: number of the directory
 * @pos: position in it
 */
struct lnkfs_ref {
	u64 dir;
	u64 pos;
};

/**
 * lnkfs_ref_possible() - can a name stand there?
 * @fs: volume
 * @dir: number of the directory
 * @pos: position in it
 */
static inline bool lnkfs_ref_possible(const struct lnkfs_fs *fs, u64 dir, u64 pos)
{
	return lnkfs_ino_valid(fs, dir) && pos >= LNKFS_DIR_FIRST_POS && !(pos % 8) &&
	       pos / 8 <= ~0u;
}

void lnkfs_names_init(struct lnkfs_fs *fs);
void lnkfs_names_drop(struct lnkfs_names_lane *lane);
void lnkfs_names_forget(struct lnkfs_fs *fs);
int lnkfs_names_add(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_ref *ref);
int lnkfs_names_del(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_ref *ref);
int lnkfs_names_move(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_ref *from, const struct lnkfs_ref *to);
int lnkfs_names_next(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u64 *cookie,
		     struct lnkfs_ref *ref);
int lnkfs_names_open(struct lnkfs_fs *fs, u32 group, struct lnkfs_cinode *owner,
		     struct lnkfs_btree *bt, lnkfs_buf **head);
int lnkfs_names_find(struct lnkfs_fs *fs, u64 ino, const struct lnkfs_ref *ref, u64 *key);
bool lnkfs_names_decode(const struct lnkfs_fs *fs, u32 group, u64 key, u64 value, u64 *ino,
			struct lnkfs_ref *ref);
int lnkfs_names_check_block(const struct lnkfs_fs *fs, const void *data);
u32 lnkfs_names_add_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);
u32 lnkfs_names_del_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);
u32 lnkfs_names_move_credits(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);

/* Blocks that one call may free, for revoke records. */
#define LNKFS_REVOKES_NAMES	(2 * (LNKFS_NAMES_MAX_LEVEL + 2))

/* ---- quota.c: quota files ---- */

/**
 * lnkfs_super_has_quota_ino() - is this the number of a quota file?
 * @sb: superblock
 * @ino: inode number, from wherever
 */
static inline bool lnkfs_super_has_quota_ino(const struct lnkfs_super_block *sb, u64 ino)
{
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (sb->s_quota_ino[type] && le64_to_cpu(sb->s_quota_ino[type]) == ino)
			return true;
	return false;
}

/**
 * lnkfs_quota_payload() - bytes of a quota file in one block
 * @fs: volume
 */
static inline u32 lnkfs_quota_payload(const struct lnkfs_fs *fs)
{
	return fs->block_size - sizeof(struct lnkfs_quota_block);
}

u64 lnkfs_quota_bytes(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);
int lnkfs_quota_read(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 off, void *data,
		     u32 len);
int lnkfs_quota_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 off,
		      const void *data, u32 len);
int lnkfs_quota_check(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_quota_new_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_quota_new_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *ci);

/* An entry may stand across the border of two blocks. */
#define LNKFS_CREDITS_QUOTA	2

/* ---- symlink.c: targets ---- */

u32 lnkfs_symlink_slots(const struct lnkfs_fs *fs, u32 len);
u32 lnkfs_symlink_checksum(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
			   const char *target, u32 len);
void lnkfs_symlink_set_fast(struct lnkfs_cinode *ci, const char *target, u32 len);
int lnkfs_symlink_set_slow(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			   const char *target, u32 len);
int lnkfs_symlink_read_slow(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, char *target);
int lnkfs_symlink_free_slow(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci);

bool lnkfs_link_attr_sound(const struct lnkfs_fs *fs, const struct lnkfs_link_attr *la);
bool lnkfs_link_text_sound(u32 kind, u32 flags, const char *text, u32 len);
int lnkfs_link_attr_get(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			struct lnkfs_link_attr *la);
int lnkfs_link_attr_set(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			const struct lnkfs_link_attr *la);

/* ---- remote.c: links to other computers ---- */

/**
 * struct lnkfs_remote_line - a line of a map
 * @text: its begin
 * @len: its length, without the newline
 * @key_len: length of \\server\share, which "=" and a path follow; 0: the line is
 *	none that counts
 */
struct lnkfs_remote_line {
	const char *text;
	u32 len;
	u32 key_len;
};

bool lnkfs_remote_sound(const char *text, u32 len);
bool lnkfs_remote_line(const char *map, u32 map_len, u32 *at, struct lnkfs_remote_line *line);
int lnkfs_remote_map(const char *map, u32 map_len, const char *text, u32 len, char *buf,
		     u32 size);

/* ---- xattr.c, xattrblock.c, xattrleaf.c: extended attributes ---- */

/* flags of lnkfs_xattr_set() */
#define LNKFS_XS_CREATE		0x1	/* -EEXIST when it is there */
#define LNKFS_XS_REPLACE	0x2	/* -ENODATA when it is not */

/**
 * struct lnkfs_xattr_key - which attribute
 * @space: LNKFS_XATTR_*
 * @name_len: bytes of the name; 0 for ACLs
 * @name: without the namespace's prefix; not terminated
 */
struct lnkfs_xattr_key {
	u8 space;
	u8 name_len;
	const char *name;
};

/* Callback of lnkfs_xattr_iterate(): 0 to go on, else to stop there. */
typedef int (*lnkfs_xattr_actor)(void *ctx, const struct lnkfs_xattr_key *key, u32 value_len);

u32 lnkfs_xattr_size(u32 name_len, u32 value_len);
int lnkfs_xattr_get(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_xattr_key *key, void *buf, u32 size);
int lnkfs_xattr_iterate(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			lnkfs_xattr_actor actor, void *ctx);
int lnkfs_xattr_set(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_xattr_key *key, const void *value, u32 len,
		    unsigned int flags);
int lnkfs_xattr_free(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci);
u32 lnkfs_xattr_set_credits(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
			    u32 name_len, u32 len);
u32 lnkfs_xattr_free_credits(void);
u32 lnkfs_xattr_revokes(const struct lnkfs_fs *fs, u32 len);
u32 lnkfs_xattr_slots(const struct lnkfs_fs *fs, u32 fork, u32 xattrs);
u32 lnkfs_xattr_fork_min(const struct lnkfs_cinode *ci);
const char *lnkfs_xattr_check_inode(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci);
int lnkfs_xattr_check_block(const struct lnkfs_fs *fs, const void *data);

/*
 * Credits of the small operations, in blocks. An allocation or a free touches
 * a bitmap and a descriptor block; a slot taken or given back the inode block,
 * the three inode maps, and the bitmap and descriptor (a cluster may come or
 * go with it).
 */
#define LNKFS_CREDITS_ALLOC	2
#define LNKFS_CREDITS_FREE	2
#define LNKFS_CREDITS_STORE	1
#define LNKFS_CREDITS_ORPHAN	2
#define LNKFS_CREDITS_SLOW_LINK	(LNKFS_CREDITS_ALLOC + 4)
#define LNKFS_CREDITS_IALLOC	(8 + LNKFS_CREDITS_ALLOC + 16)
#define LNKFS_CREDITS_IFREE	6

/* Blocks of metadata that they may free, for revoke records. */
#define LNKFS_REVOKES_IFREE	16
#define LNKFS_REVOKES_SLOW_LINK	4

#endif /* LNKFS_CORE_H */
