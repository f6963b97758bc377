/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a user who may write files, and knows all about the volume but the key of
 * its hashes, can write into them: blocks that are metadata in all but one thing,
 * that nothing says they are.
 */
#ifndef LNKFS_IMITATE_H
#define LNKFS_IMITATE_H

#include "core.h"

#define IMITATE_GEN	0x1badcafe	/* generation of everything that is made here */

/**
 * struct imitate - who is imitated, and what for
 * @fs: the volume
 * @sb: its superblock
 * @victim: inode that a directory is to name, and whose block a file is to have
 * @victim_block: a block of its data
 * @uid: owner of the files with the imitations
 */
struct imitate {
	const struct lnkfs_fs *fs;
	const struct lnkfs_super_block *sb;
	u64 victim;
	u64 victim_block;
	u32 uid;
};

/* What the slots of an imitated inode block are: records of one slot, in this order. */
enum imitate_slot {
	IMITATE_SETUID,		/* root's program, for everybody to run */
	IMITATE_DEVICE,		/* the disk, for everybody to read */
	IMITATE_DIR,		/* a directory that names the victim */
	IMITATE_THIEF,		/* a file with the victim's block */
	IMITATE_SLOTS		/* as many as a block of 1 KiB has */
};

static inline struct lnkfs_inode *imitate_record(const struct imitate *im, void *data, u64 block,
						 u32 slot, u16 mode, u8 fork, u32 fork_len)
{
	struct lnkfs_inode *di = (void *)((u8 *)data + slot * LNKFS_SLOT_SIZE);

	memset(di, 0, LNKFS_SLOT_SIZE);
	di->i_slot.sl_magic = cpu_to_le16(LNKFS_SLOT_MAGIC);
	di->i_slot.sl_type = LNKFS_SLOT_HEAD;
	di->i_slot.sl_count = 1;
	di->i_ino = cpu_to_le64((block << im->fs->slot_bits) + slot);
	di->i_gen = cpu_to_le32(IMITATE_GEN);
	di->i_mode = cpu_to_le16(mode);
	di->i_nlink = cpu_to_le32(S_ISDIR(mode) ? 2 : 1);
	di->i_fork = fork;
	di->i_fork_len = cpu_to_le16((u16)fork_len);
	if (S_ISDIR(mode))
		di->i_parent = cpu_to_le64(im->fs->root_ino);
	return di;
}

static inline void imitate_extents(struct lnkfs_inode *di, u64 block, u64 size)
{
	struct lnkfs_btree_root *root = (void *)di->i_area;
	struct lnkfs_extent x = { .x_len = cpu_to_le32(block ? 1 : 0) };

	root->bt_vsize = sizeof(x);
	root->bt_tree = LNKFS_TREE_EXTENT;
	di->i_fork_len = cpu_to_le16(sizeof(*root) + 2 * (8 + sizeof(x)));
	if (!block)
		return;
	root->bt_count = cpu_to_le16(1);
	x.x_block = cpu_to_le64(block);
	memset(di->i_area + sizeof(*root), 0, 8);
	memcpy(di->i_area + sizeof(*root) + 8, &x, sizeof(x));
	di->i_blocks = cpu_to_le64(1);
	di->i_size = cpu_to_le64(size);
}

static inline void imitate_entry(struct lnkfs_inode *di, u64 ino, char name)
{
	struct lnkfs_dirent *de = (void *)di->i_area;

	de->d_rec_len = cpu_to_le16(LNKFS_DIRENT_LEN(1));
	de->d_name_len = 1;
	de->d_type = 8;
	de->d_ino = cpu_to_le64(ino);
	de->d_name[0] = (u8)name;
	di->i_fork_len = cpu_to_le16(LNKFS_DIRENT_LEN(1));
	di->i_size = cpu_to_le64(LNKFS_DIRENT_LEN(1));
}

/* One of the records above. */
static inline void imitate_one(const struct imitate *im, void *data, u64 block, u32 slot,
			       enum imitate_slot what)
{
	struct lnkfs_device *dev;
	struct lnkfs_inode *di;

	switch (what) {
	case IMITATE_SETUID:
		di = imitate_record(im, data, block, slot, S_IFREG | 06755, LNKFS_FORK_EXTENTS, 0);
		imitate_extents(di, 0, 0);
		break;
	case IMITATE_DEVICE:
		di = imitate_record(im, data, block, slot, S_IFBLK | 0666, LNKFS_FORK_DEVICE,
				    sizeof(*dev));
		dev = (void *)di->i_area;
		dev->v_major = cpu_to_le32(8);
		break;
	case IMITATE_DIR:
		di = imitate_record(im, data, block, slot, S_IFDIR | 0777, LNKFS_FORK_DIR_INLINE,
				    0);
		imitate_entry(di, im->victim, 'v');
		break;
	default:
		di = imitate_record(im, data, block, slot, S_IFREG | 0666, LNKFS_FORK_EXTENTS, 0);
		di->i_uid = cpu_to_le32(im->uid);
		di->i_gid = cpu_to_le32(im->uid);
		imitate_extents(di, im->victim_block, im->fs->block_size);
		break;
	}
}

/* An inode block. */
static inline void imitate_inodes(const struct imitate *im, void *data, u64 block)
{
	u32 slot;

	for (slot = 0; slot < 1u << im->fs->slot_bits; slot++)
		imitate_one(im, data, block, slot, slot % IMITATE_SLOTS);
	lnkfs_seal_block(im->fs, data, LNKFS_B_INODE, block);
}

/* A block with a header, of an inode or a group. */
static inline void imitate_block(const struct imitate *im, void *data, u64 block,
				 enum lnkfs_btype type, u64 owner, u32 gen)
{
	struct lnkfs_btree_node *node = data;
	struct lnkfs_dir_block *db = data;
	struct lnkfs_dirent *de = (void *)db->b_entries;
	struct lnkfs_xattr_block *xb = data;
	struct lnkfs_btree_root *root = (void *)((struct lnkfs_names_block *)data)->nb_root;
	u32 size = im->fs->block_size;

	memset(data, 0, size);
	lnkfs_header_init(im->fs, data, type, block, owner, gen);
	switch (type) {
	case LNKFS_B_BTREE:
		node->n_count = cpu_to_le16(1);
		node->n_vsize = sizeof(struct lnkfs_extent);
		node->n_tree = LNKFS_TREE_EXTENT;
		put_unaligned_le64(im->victim_block, node->n_records + 8);
		node->n_records[16] = 1;
		break;
	case LNKFS_B_DIR:
		de->d_rec_len = cpu_to_le16((u16)(size - sizeof(*db)));
		de->d_name_len = 1;
		de->d_type = 8;
		de->d_ino = cpu_to_le64(im->victim);
		de->d_name[0] = 'v';
		db->b_count = cpu_to_le16(1);
		break;
	case LNKFS_B_XATTR:
		xb->x_kind = LNKFS_XBLOCK_LEAF;
		break;
	case LNKFS_B_NAMES:
		root->bt_count = cpu_to_le16(1);
		root->bt_vsize = sizeof(__le64);
		root->bt_tree = LNKFS_TREE_NAMES;
		put_unaligned_le64(im->victim, root + 2);
		break;
	default:
		break;
	}
	lnkfs_seal_block(im->fs, data, type, block);
}

/* A superblock of another block size, as a backup in this place would be. */
static inline void imitate_super(const struct imitate *im, void *data, u32 bits, u64 block,
				 u64 bytes)
{
	struct lnkfs_super_block *sb = data;

	*sb = *im->sb;
	sb->s_block_bits = (u8)bits;
	sb->s_blocks = cpu_to_le64(bytes >> bits);
	sb->s_blocknr = cpu_to_le64(block);
	sb->s_reserved_blocks = 0;
	sb->s_journal_start = cpu_to_le64((LNKFS_HEAD_BYTES >> bits) + 8);
	sb->s_journal_blocks = cpu_to_le32(LNKFS_MIN_JOURNAL_BLOCKS);
	sb->s_root_ino = cpu_to_le64(((bytes / 2) >> bits) << (bits - 8));
	sb->s_lpf_ino = 0;
	sb->s_fast_symlink_max = 0;
	memset(sb->s_quota_ino, 0, sizeof(sb->s_quota_ino));
	sb->s_feature_ro_compat = 0;
	lnkfs_super_seal(sb);
}

#define IMITATE_KINDS	14

/*
 * Block number @i of a file with one of each kind, for block @block of the volume.
 * @owner, @gen: the file itself, which is the best that its owner can name.
 */
static inline void imitate_kind(const struct imitate *im, u32 i, void *data, u64 block, u64 owner,
				u32 gen)
{
	static const enum lnkfs_btype types[] = {
		LNKFS_B_GDESC, LNKFS_B_BITMAP, LNKFS_B_IMAP, LNKFS_B_FULLMAP, LNKFS_B_ORPHMAP,
		LNKFS_B_NAMES, LNKFS_B_BTREE, LNKFS_B_DIR, LNKFS_B_XATTR, LNKFS_B_QUOTA,
	};
	__be32 *jh = data;

	if (i < ARRAY_SIZE(types)) {
		imitate_block(im, data, block, types[i], i < 6 ? 0 : owner, i < 6 ? 0 : gen);
		return;
	}
	memset(data, 0, im->fs->block_size);
	switch (i) {
	case 10:
	case 11:
		/* A descriptor and a commit block of jbd2. */
		jh[0] = cpu_to_be32(0xc03b3998);
		jh[1] = cpu_to_be32(i - 9);
		jh[2] = cpu_to_be32(2);
		break;
	case 12:
		*(struct lnkfs_super_block *)data = *im->sb;
		((struct lnkfs_super_block *)data)->s_blocknr = cpu_to_le64(block);
		lnkfs_super_seal(data);
		break;
	default:
		imitate_inodes(im, data, block);
		break;
	}
}

#endif /* LNKFS_IMITATE_H */
