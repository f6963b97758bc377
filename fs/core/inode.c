// SPDX-License-Identifier: GPL-2.0
/*
 * Inode records: from the slots of an inode block to struct lnkfs_cinode and
 * back, and the checks that stand between a hostile image and the rest of the
 * code.
 *
 * A record takes 1 to LNKFS_MAX_SLOTS adjacent slots of one block. Only the
 * two copying loops here know that the inline area is cut up by the headers of
 * the slots.
 */
#include "../lnkfs.h"
#include "core.h"

#define HEAD_AREA	(LNKFS_SLOT_SIZE - (u32)sizeof(struct lnkfs_inode))
#define CONT_AREA	(LNKFS_SLOT_SIZE - (u32)sizeof(struct lnkfs_slot))

/**
 * lnkfs_ino_valid() - could this be an inode number of the volume
 * @fs: volume
 * @ino: inode number from disk, a file handle or the user
 *
 * Says nothing about whether the inode exists.
 */
bool lnkfs_ino_valid(const struct lnkfs_fs *fs, u64 ino)
{
	return lnkfs_block_valid(fs, lnkfs_ino_block(fs, ino), 1);
}

/**
 * lnkfs_fork_room() - bytes of the inline area that the fork may use
 * @ci: inode
 */
u32 lnkfs_fork_room(const struct lnkfs_cinode *ci)
{
	return ci->area_len - ci->xattr_len;
}

/**
 * lnkfs_record_at() - does a record of that many slots begin at this slot
 * @fs: volume
 * @data: inode block
 * @slot: slot in the block
 * @count: slots of the record
 *
 * Looks at slot headers only.
 */
bool lnkfs_record_at(const struct lnkfs_fs *fs, const void *data, u32 slot, u32 count)
{
	const struct lnkfs_slot *sl = data + slot * LNKFS_SLOT_SIZE;
	u32 i;

	if (!count || count > LNKFS_MAX_SLOTS || slot + count > 1u << fs->slot_bits)
		return false;
	if (le16_to_cpu(sl->sl_magic) != LNKFS_SLOT_MAGIC ||
	    sl->sl_type != LNKFS_SLOT_HEAD || sl->sl_count != count)
		return false;
	for (i = 1; i < count; i++) {
		sl = data + (slot + i) * LNKFS_SLOT_SIZE;
		if (le16_to_cpu(sl->sl_magic) != LNKFS_SLOT_MAGIC ||
		    sl->sl_type != LNKFS_SLOT_CONT || sl->sl_count != i)
			return false;
	}
	return true;
}

/* Join the inline area of a record of n slots. */
static void area_gather(u8 *area, const u8 *record, u32 slots)
{
	u32 i;

	memcpy(area, record + sizeof(struct lnkfs_inode), HEAD_AREA);
	area += HEAD_AREA;
	for (i = 1; i < slots; i++) {
		record += LNKFS_SLOT_SIZE;
		memcpy(area, record + sizeof(struct lnkfs_slot), CONT_AREA);
		area += CONT_AREA;
	}
}

/* Lay the inline area out around the headers of the slots. */
static void area_scatter(u8 *record, const u8 *area, u32 slots)
{
	u32 i;

	memcpy(record + sizeof(struct lnkfs_inode), area, HEAD_AREA);
	area += HEAD_AREA;
	for (i = 1; i < slots; i++) {
		record += LNKFS_SLOT_SIZE;
		memcpy(record + sizeof(struct lnkfs_slot), area, CONT_AREA);
		area += CONT_AREA;
	}
}

/**
 * lnkfs_inode_encode() - copy an inode into its record
 * @ci: inode; its area holds @ci->area_len bytes
 * @data: inode block, with write access
 * @slot: first slot of the record, whose headers say @ci->slots already
 *	(lnkfs_record_at())
 *
 * A pure copy: never sleeps, cannot fail, and leaves the slots' headers alone
 * (the checksum is made when the block is sealed). May run under a spinlock.
 */
void lnkfs_inode_encode(const struct lnkfs_cinode *ci, void *data, u32 slot)
{
	struct lnkfs_inode *di = data + slot * LNKFS_SLOT_SIZE;

	di->i_ino = cpu_to_le64(ci->ino);
	di->i_gen = cpu_to_le32(ci->gen);
	di->i_mode = cpu_to_le16(ci->mode);
	di->i_fork = ci->fork;
	di->i_xattr_len = ci->xattr_len / 8;
	di->i_uid = cpu_to_le32(ci->uid);
	di->i_gid = cpu_to_le32(ci->gid);
	di->i_projid = cpu_to_le32(ci->projid);
	di->i_nlink = cpu_to_le32(ci->nlink);
	di->i_size = cpu_to_le64(ci->size);
	di->i_blocks = cpu_to_le64(ci->blocks);
	di->i_flags = cpu_to_le32(ci->flags);
	di->i_lflags = cpu_to_le32(ci->lflags);
	di->i_atime = cpu_to_le64(ci->atime);
	di->i_mtime = cpu_to_le64(ci->mtime);
	di->i_ctime = cpu_to_le64(ci->ctime);
	di->i_btime = cpu_to_le64(ci->btime);
	di->i_version = cpu_to_le64(ci->version);
	di->i_parent = cpu_to_le64(ci->parent);
	di->i_parent_pos = cpu_to_le64(ci->parent_pos);
	di->i_fork_len = cpu_to_le16(ci->fork_len);
	di->i_xattr_hi = cpu_to_le16(ci->xattr_block >> 32);
	di->i_xattr_lo = cpu_to_le32(ci->xattr_block);
	area_scatter((u8 *)di, ci->area, ci->slots);
}

/**
 * lnkfs_inode_store() - write an inode's record
 * @tx: transaction with LNKFS_CREDITS_STORE credits
 * @fs: volume
 * @ci: inode
 *
 * The caller keeps @ci from changing meanwhile.
 *
 * Return: 0; -EFSCORRUPTED when no record of @ci->slots slots is there,
 * -EFSBADCRC when the block holds a bad record, -EIO, -ENOMEM.
 */
int lnkfs_inode_store(lnkfs_tx *tx, struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	u64 block = lnkfs_ino_block(fs, ci->ino);
	u32 slot = lnkfs_ino_slot(fs, ci->ino);
	lnkfs_buf *buf;
	int err;

	err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	if (err)
		return err;
	if (!lnkfs_record_at(fs, lnkfs_bdata(buf), slot, ci->slots)) {
		err = lnkfs_report(fs, -EFSCORRUPTED, ci->ino, block,
				   "no record of %u slots to store to", ci->slots);
		goto out;
	}
	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_INODE);
	if (err)
		goto out;
	lnkfs_inode_encode(ci, lnkfs_bdata(buf), slot);
	lnkfs_bdirty(tx, fs, buf);
out:
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_inode_decode() - read an inode from its record
 * @fs: volume
 * @data: inode block
 * @block: its number
 * @slot: first slot of the record
 * @ci: filled in; with @ci->area NULL on entry the area is allocated and the
 *	caller frees it (lnkfs_free()), else it has room for
 *	LNKFS_AREA_LEN(LNKFS_MAX_SLOTS) bytes. On an error it is as on entry.
 *
 * Only the layout is checked: see lnkfs_inode_check() for what the fields say.
 * Nothing is reported.
 *
 * Return: 0; -ESTALE when no record begins at @slot, or one that was claimed
 * and not yet stored; -EFSCORRUPTED; -ENOMEM.
 */
int lnkfs_inode_decode(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot,
		       struct lnkfs_cinode *ci)
{
	const struct lnkfs_inode *di = data + slot * LNKFS_SLOT_SIZE;
	u32 slots = di->i_slot.sl_count;
	u32 fork_len = le16_to_cpu(di->i_fork_len);
	u32 xattr_len = di->i_xattr_len * 8;

	if (le16_to_cpu(di->i_slot.sl_magic) != LNKFS_SLOT_MAGIC)
		return -EFSCORRUPTED;
	if (di->i_slot.sl_type == LNKFS_SLOT_FREE || di->i_slot.sl_type == LNKFS_SLOT_CONT)
		return -ESTALE;
	if (!lnkfs_record_at(fs, data, slot, slots))
		return -EFSCORRUPTED;
	if (!di->i_ino)
		return -ESTALE;
	if (le64_to_cpu(di->i_ino) != (block << fs->slot_bits) + slot)
		return -EFSCORRUPTED;
	if (fork_len + xattr_len > LNKFS_AREA_LEN(slots))
		return -EFSCORRUPTED;

	if (!ci->area) {
		ci->area = lnkfs_alloc(LNKFS_AREA_LEN(slots));
		if (!ci->area)
			return -ENOMEM;
	}
	ci->ino = le64_to_cpu(di->i_ino);
	ci->gen = le32_to_cpu(di->i_gen);
	ci->mode = le16_to_cpu(di->i_mode);
	ci->fork = di->i_fork;
	ci->slots = slots;
	ci->uid = le32_to_cpu(di->i_uid);
	ci->gid = le32_to_cpu(di->i_gid);
	ci->projid = le32_to_cpu(di->i_projid);
	ci->nlink = le32_to_cpu(di->i_nlink);
	ci->size = le64_to_cpu(di->i_size);
	ci->blocks = le64_to_cpu(di->i_blocks);
	ci->flags = le32_to_cpu(di->i_flags);
	ci->lflags = le32_to_cpu(di->i_lflags);
	ci->atime = le64_to_cpu(di->i_atime);
	ci->mtime = le64_to_cpu(di->i_mtime);
	ci->ctime = le64_to_cpu(di->i_ctime);
	ci->btime = le64_to_cpu(di->i_btime);
	ci->version = le64_to_cpu(di->i_version);
	ci->parent = le64_to_cpu(di->i_parent);
	ci->parent_pos = le64_to_cpu(di->i_parent_pos);
	ci->fork_len = fork_len;
	ci->xattr_len = xattr_len;
	ci->xattr_block = le32_to_cpu(di->i_xattr_lo) |
			  (u64)le16_to_cpu(di->i_xattr_hi) << 32;
	ci->area_len = LNKFS_AREA_LEN(slots);
	ci->fill_hole = 0;
	area_gather(ci->area, (const u8 *)di, slots);
	return 0;
}

/* A B+tree root of @size bytes at @offset of the area. NULL: it is sound. */
static const char *check_root(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 offset,
			      u32 size, u8 vsize, u8 tree)
{
	struct lnkfs_btree bt = {
		.fs = fs,
		.ci = ci,
		.root = ci->area + offset,
		.root_size = size,
		.vsize = vsize,
		.tree = tree,
	};

	if (size % 8 || size < sizeof(struct lnkfs_btree_root))
		return "bad size of a tree root";
	if (lnkfs_btree_check_root(&bt))
		return "bad tree root";
	return NULL;
}

/*
 * Does the inode hold another number of blocks than its fork has? Those of
 * external xattrs come on top; only the checker counts them.
 */
static bool wrong_blocks(const struct lnkfs_cinode *ci, u64 blocks)
{
	return ci->xattr_block ? ci->blocks <= blocks : ci->blocks != blocks;
}

static const char *check_file(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	if (ci->fork != LNKFS_FORK_EXTENTS)
		return "wrong fork for a regular file";
	return check_root(fs, ci, 0, ci->fork_len, sizeof(struct lnkfs_extent),
			  LNKFS_TREE_EXTENT);
}

static const char *check_dir(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	const struct lnkfs_dir_fork *df = (const void *)ci->area;
	const char *why;
	u32 ext_len, idx_len;

	if (ci->nlink == 1)
		return "directory with one link";
	if (ci->nlink && !lnkfs_ino_valid(fs, ci->parent))
		return "impossible parent";

	if (ci->fork == LNKFS_FORK_DIR_INLINE) {
		if (wrong_blocks(ci, 0) || ci->size != ci->fork_len)
			return "inline directory with blocks or a wrong size";
		if (lnkfs_dir_check_entries(ci->area, ci->fork_len))
			return "bad directory entries";
		return NULL;
	}
	if (ci->fork != LNKFS_FORK_DIR_BLOCKS)
		return "wrong fork for a directory";
	if (!ci->size || ci->size & (fs->block_size - 1))
		return "impossible size of a directory";
	if (ci->fork_len < sizeof(*df))
		return "bad length of a directory's fork";
	ext_len = le16_to_cpu(df->f_ext_len);
	idx_len = le16_to_cpu(df->f_idx_len);
	if (sizeof(*df) + ext_len + idx_len != ci->fork_len || df->f_pad)
		return "bad length of a directory's fork";
	why = check_root(fs, ci, sizeof(*df), ext_len, sizeof(struct lnkfs_extent),
			 LNKFS_TREE_EXTENT);
	if (!why)
		why = check_root(fs, ci, sizeof(*df) + ext_len, idx_len, 0, LNKFS_TREE_DIR);
	return why;
}

static const char *check_symlink(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	const struct lnkfs_slow_link *sl = (const void *)ci->area;
	u64 first, count;

	/* One whose body is freed and whose record is about to be. */
	if (ci->fork == LNKFS_FORK_NONE && !ci->nlink && !ci->size && !ci->blocks &&
	    !ci->fork_len)
		return NULL;
	if (!ci->size || ci->size > LNKFS_SYMLINK_MAX)
		return "bad length of a symlink's target";
	if (ci->fork == LNKFS_FORK_FAST_LINK) {
		/* The byte behind the target is its NUL when it is followed in place. */
		if (ci->fork_len != ci->size || wrong_blocks(ci, 0) ||
		    lnkfs_fork_room(ci) <= ci->fork_len || ci->area[ci->fork_len])
			return "bad fork of a fast symlink";
		if (memchr(ci->area, 0, ci->fork_len))
			return "NUL in a symlink's target";
		return NULL;
	}
	if (ci->fork != LNKFS_FORK_SLOW_LINK)
		return "wrong fork for a symlink";
	if (ci->fork_len != sizeof(*sl))
		return "bad fork of a slow symlink";
	first = le64_to_cpu(sl->l_block);
	count = le32_to_cpu(sl->l_blocks);
	if (count != (ci->size + fs->block_size - 1) >> fs->block_bits || wrong_blocks(ci, count))
		return "bad block count of a slow symlink";
	if (!lnkfs_block_valid(fs, first, count) ||
	    lnkfs_group_of(fs, first) != lnkfs_group_of(fs, first + count - 1))
		return "impossible blocks of a slow symlink";
	return NULL;
}

static const char *check_special(struct lnkfs_cinode *ci)
{
	const struct lnkfs_device *dev = (const void *)ci->area;

	if (ci->size || wrong_blocks(ci, 0))
		return "special file with contents";
	if (!S_ISCHR(ci->mode) && !S_ISBLK(ci->mode))
		return ci->fork != LNKFS_FORK_NONE || ci->fork_len ?
			"wrong fork for a fifo or socket" : NULL;
	if (ci->fork != LNKFS_FORK_DEVICE || ci->fork_len != sizeof(*dev))
		return "wrong fork for a device";
	if (le32_to_cpu(dev->v_major) > LNKFS_MAX_MAJOR ||
	    le32_to_cpu(dev->v_minor) > LNKFS_MAX_MINOR)
		return "impossible device number";
	return NULL;
}

/* Where the record says that a name stands; whether one does, is not seen here. */
static const char *check_parent(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	if (!fs->backref)
		return ci->parent_pos || (ci->parent && !S_ISDIR(ci->mode)) ?
			"reserved fields in use" : NULL;
	if (!ci->parent_pos)
		return ci->parent && !S_ISDIR(ci->mode) ? "name without a position" : NULL;
	return lnkfs_ref_possible(fs, ci->parent, ci->parent_pos) ?
		NULL : "impossible position of a name";
}

static const char *check_common(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	if (!ci->slots || ci->slots > LNKFS_MAX_SLOTS ||
	    ci->area_len != LNKFS_AREA_LEN(ci->slots) ||
	    (u32)ci->fork_len + ci->xattr_len > ci->area_len || ci->xattr_len % 8)
		return "bad lengths of the inline area";
	if (!ci->gen)
		return "generation 0";
	if (ci->uid == ~0u || ci->gid == ~0u || ci->projid == ~0u)
		return "impossible owner";
	if (ci->nlink > 0x7fffffff)
		return "impossible link count";
	if (ci->size > LNKFS_MAX_FILE_SIZE)
		return "impossible size";
	if (ci->blocks > lnkfs_blocks(fs))
		return "impossible block count";
	if ((ci->lflags & ~(u32)LNKFS_LF_ALL) || (ci->flags & ~LNKFS_FLAGS_ALL))
		return "unknown flags";
	if (ci->lflags & LNKFS_LF_TRUNCATING && !S_ISREG(ci->mode))
		return "truncation of what is no file";
	if (ci->lflags & LNKFS_LF_LINK && !S_ISLNK(ci->mode))
		return "attribute of a symlink on what is none";
	return check_parent(fs, ci);
}

/**
 * lnkfs_inode_check() - do the fields of an inode make sense
 * @fs: volume
 * @ci: inode as decoded; not changed
 *
 * Every field that the code relies on is looked at, but no other block is:
 * the inode's blocks, tree nodes and entries are checked when they are read.
 * What is found is reported.
 *
 * Return: 0 or -EFSCORRUPTED.
 */
int lnkfs_inode_check(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	const char *why = check_common(fs, ci);

	if (!why)
		why = lnkfs_xattr_check_inode(fs, ci);
	if (!why) {
		switch (ci->mode & S_IFMT) {
		case S_IFREG:
			why = check_file(fs, ci);
			break;
		case S_IFDIR:
			why = check_dir(fs, ci);
			break;
		case S_IFLNK:
			why = check_symlink(fs, ci);
			break;
		case S_IFCHR:
		case S_IFBLK:
		case S_IFIFO:
		case S_IFSOCK:
			why = check_special(ci);
			break;
		default:
			why = "unknown file type";
		}
	}
	if (why)
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino,
				    lnkfs_ino_block(fs, ci->ino), "%s", why);
	return 0;
}

/*
 * An inode block of a locked group is going to be read: begin to read those around it,
 * as the map has them, and it.
 */
static void inode_ahead(struct lnkfs_fs *fs, u32 group, const void *map, u32 off)
{
	u32 window = LNKFS_AHEAD_BYTES >> fs->block_bits;
	u32 gap = LNKFS_AHEAD_GAP >> fs->block_bits;
	u64 first = lnkfs_group_first(fs, group);
	u32 begin = round_down(off, window);
	u32 end = min(begin + window, lnkfs_group_size(fs, group));
	u32 from, to, next;

	if (lnkfs_bthere(fs, first + off))
		return;
	for (from = lnkfs_find_next_bit(map, end, begin); from < end; from = next) {
		to = from + 1;
		while ((next = lnkfs_find_next_bit(map, end, to)) < end && next - to <= gap)
			to = next + 1;
		lnkfs_bahead(fs, first + from, to - from);
	}
}

/*
 * Find the record in its block and decode it. The group is locked, so the
 * block cannot stop being an inode block meanwhile.
 */
static int load_locked(struct lnkfs_fs *fs, u64 ino, struct lnkfs_cinode *ci)
{
	u64 block = lnkfs_ino_block(fs, ino);
	u32 slot = lnkfs_ino_slot(fs, ino);
	u32 group = lnkfs_group_of(fs, block);
	u32 off = block - lnkfs_group_first(fs, group);
	const struct lnkfs_slot *sl;
	lnkfs_buf *map, *buf;
	const void *bits;
	int err;

	if (lnkfs_group(fs, group)->flags & LNKFS_BG_INODE_UNINIT)
		return -ESTALE;
	err = lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_IMAP),
			  LNKFS_B_IMAP, group, 0, &map);
	if (err)
		return err;
	bits = lnkfs_bdata(map) + LNKFS_MAP_HEADER;
	err = lnkfs_test_bit(off, bits) ?
	      lnkfs_bread_cached(fs, block, LNKFS_B_INODE, 0, 0, &buf) : -ESTALE;
	if (err == -EAGAIN) {
		inode_ahead(fs, group, bits, off);
		err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &buf);
	}
	lnkfs_bput(map);
	if (err)
		return err;
	sl = lnkfs_bdata(buf) + slot * LNKFS_SLOT_SIZE;
	if (lnkfs_bbad(buf) && sl->sl_type == LNKFS_SLOT_HEAD)
		err = lnkfs_verify_record(fs, lnkfs_bdata(buf), block, slot);
	if (err) {
		lnkfs_report(fs, err, ino, block, "bad inode record");
	} else {
		err = lnkfs_inode_decode(fs, lnkfs_bdata(buf), block, slot, ci);
		if (err == -EFSCORRUPTED)
			lnkfs_report(fs, err, ino, block, "bad layout of an inode record");
	}
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_inode_load() - find, read and check an inode
 * @fs: volume
 * @ino: inode number, from wherever
 * @flags: LNKFS_IL_*
 * @ci: filled in; the rule for its area is lnkfs_inode_decode()'s
 *
 * Takes the lock of the inode's group. An inode that does not exist is no
 * corruption and is not reported: file handles and orphan scans ask for such.
 *
 * Return: 0; -ESTALE when there is no such inode, or its link count is 0 and
 * LNKFS_IL_ORPHAN was not given; -EFSCORRUPTED, -EFSBADCRC, -EIO, -ENOMEM.
 */
int lnkfs_inode_load(struct lnkfs_fs *fs, u64 ino, unsigned int flags,
		     struct lnkfs_cinode *ci)
{
	bool own = !ci->area;
	u32 group;
	int err;

	if (!lnkfs_ino_valid(fs, ino))
		return -ESTALE;
	group = lnkfs_group_of(fs, lnkfs_ino_block(fs, ino));
	lnkfs_group_lock(fs, group);
	err = load_locked(fs, ino, ci);
	lnkfs_group_unlock(fs, group);
	if (err)
		return err;

	if (!ci->nlink && !(flags & LNKFS_IL_ORPHAN))
		err = -ESTALE;
	else
		err = lnkfs_inode_check(fs, ci);
	if (err && own) {
		lnkfs_free(ci->area);
		ci->area = NULL;
	}
	return err;
}
