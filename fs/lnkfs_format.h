/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lnkfs on-disk format.
 *
 * Every structure that lnkfs writes to a volume is here and nothing else is.
 * The header is shared by the kernel module and the userspace tools. All
 * integers are little-endian; a comment before a member gives its byte offset.
 * Documentation/ondisk-format.rst describes the same structures in tables.
 */
#ifndef LNKFS_FORMAT_H
#define LNKFS_FORMAT_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#else
#include <assert.h>
#include <linux/types.h>
#endif

#define LNKFS_SIZE_CHECK(type, bytes)					\
	_Static_assert(sizeof(struct type) == (bytes), #type " is not " #bytes " bytes")

/*
 * Magic numbers. Read as ASCII in memory order they spell the name given.
 */
#define LNKFS_SUPER_MAGIC	0x464b4e4c	/* "LNKF", also statfs f_type */
#define LNKFS_MAGIC_GDESC	0x44474b4c	/* "LKGD" group descriptors */
#define LNKFS_MAGIC_BITMAP	0x4d424b4c	/* "LKBM" block bitmap */
#define LNKFS_MAGIC_IMAP	0x4d494b4c	/* "LKIM" inode block map */
#define LNKFS_MAGIC_FULLMAP	0x4d464b4c	/* "LKFM" full inode blocks */
#define LNKFS_MAGIC_ORPHMAP	0x4d4f4b4c	/* "LKOM" orphan map */
#define LNKFS_MAGIC_BTREE	0x54424b4c	/* "LKBT" B+tree node */
#define LNKFS_MAGIC_DIR		0x42444b4c	/* "LKDB" directory block */
#define LNKFS_MAGIC_XATTR	0x41584b4c	/* "LKXA" extended attributes */
#define LNKFS_MAGIC_QUOTA	0x55514b4c	/* "LKQU" block of a quota file */
#define LNKFS_MAGIC_NAMES	0x4d4e4b4c	/* "LKNM" root of a group's back references */
#define LNKFS_MAGIC_FAST_HEAD	0x48464b4c	/* "LKFH" head of the area for fast commits */
#define LNKFS_MAGIC_FAST	0x43464b4c	/* "LKFC" record of a fast commit */
#define LNKFS_SLOT_MAGIC	0x534c		/* "LS"   inode slot */

/* Geometry. */
#define LNKFS_MIN_BLOCK_BITS	10
#define LNKFS_MAX_BLOCK_BITS	12
#define LNKFS_SUPER_OFFSET	1024	/* bytes from the start of the device */
#define LNKFS_SUPER_SIZE	1024
#define LNKFS_HEAD_BYTES	524288	/* at the start, never given to files */
#define LNKFS_MAP_HEADER	64	/* bytes before the bits of a map block */
#define LNKFS_SLOT_SIZE		256
#define LNKFS_MAX_SLOTS		8	/* slots of the largest inode record */
#define LNKFS_CLUSTER_BYTES	16384	/* inode blocks are taken in clusters of this */
#define LNKFS_MAX_BLOCKS	(1ULL << 48)
#define LNKFS_NAME_LEN		255
#define LNKFS_SYMLINK_MAX	4095
#define LNKFS_MAX_FILE_SIZE	((1ULL << 63) - (2U << 20))	/* 8 EiB less one large folio */
#define LNKFS_LABEL_LEN		64	/* bytes, the last one is always NUL */
#define LNKFS_MIN_JOURNAL_BLOCKS 1280
#define LNKFS_MAX_JOURNAL_BLOCKS ((1U << 31) - 1)	/* of an external journal */

/*
 * Feature masks, with ext4's meaning: an unknown compat bit is ignored, an
 * unknown ro_compat bit allows read-only mounts, an unknown incompat bit
 * refuses the mount.
 */
#define LNKFS_COMPAT_SUPP		0
#define LNKFS_RO_COMPAT_QUOTA		0x00000001	/* usage is kept in quota files */
#define LNKFS_RO_COMPAT_BACKREF		0x00000002	/* inodes know their names */
#define LNKFS_RO_COMPAT_SUPP		0x00000003	/* of these, those known */
#define LNKFS_INCOMPAT_JOURNAL_DEV	0x00000001	/* no volume, but the journal of one */
#define LNKFS_INCOMPAT_EXT_JOURNAL	0x00000002	/* the journal is on another device */
#define LNKFS_INCOMPAT_FAST_COMMIT	0x00000004	/* changes may be durable before a commit */
#define LNKFS_INCOMPAT_SUPP		0x00000006	/* of a volume */

/* s_quota_ino */
#define LNKFS_QUOTA_USER	0
#define LNKFS_QUOTA_GROUP	1
#define LNKFS_QUOTA_PROJECT	2
#define LNKFS_QUOTA_TYPES	3

/* s_state */
#define LNKFS_STATE_CLEAN	0x0001	/* unmounted cleanly */
#define LNKFS_STATE_ERROR	0x0002	/* an error was recorded */

/* s_errors */
#define LNKFS_ERRORS_CONTINUE	1
#define LNKFS_ERRORS_RO		2
#define LNKFS_ERRORS_PANIC	3

/* s_default_opts: mount options that apply unless the mount says otherwise */
#define LNKFS_DEFOPT_DISCARD	0x00000001
#define LNKFS_DEFOPT_NOBARRIER	0x00000002
#define LNKFS_DEFOPT_SYMPERM	0x00000004
#define LNKFS_DEFOPT_USRQUOTA	0x00000008	/* where there is the quota file */
#define LNKFS_DEFOPT_GRPQUOTA	0x00000010
#define LNKFS_DEFOPT_PRJQUOTA	0x00000020
#define LNKFS_DEFOPT_ALL	0x0000003f

/**
 * struct lnkfs_error_record - one recorded error (superblock member)
 */
struct lnkfs_error_record {
	/* 00 */ __le64	e_time;		/* nanoseconds, inode time stamp format */
	/* 08 */ __le64	e_ino;		/* inode concerned, or 0 */
	/* 10 */ __le64	e_block;	/* block concerned, or 0 */
	/* 18 */ __le32	e_errno;	/* positive error number */
	/* 1c */ __le32	e_line;		/* source line */
	/* 20 */ __u8	e_func[32];	/* function name, NUL-padded */
};
LNKFS_SIZE_CHECK(lnkfs_error_record, 64);

/**
 * struct lnkfs_super_block - at byte 1024 of the device; backups stand at the
 * start of the first block of groups 1 and of the powers of 3, 5 and 7
 */
struct lnkfs_super_block {
	/* 000 */ __le32 s_magic;		/* LNKFS_SUPER_MAGIC */
	/* 004 */ __le32 s_checksum;		/* crc32c(~0) of the 1024 bytes, this field zero */
	/* 008 */ __le64 s_blocknr;		/* block that holds this copy */
	/* 010 */ __le32 s_feature_compat;
	/* 014 */ __le32 s_feature_incompat;
	/* 018 */ __le32 s_feature_ro_compat;
	/* 01c */ __u8	 s_block_bits;		/* log2 of the block size: 10, 11, 12 */
	/* 01d */ __u8	 s_errors;		/* LNKFS_ERRORS_* */
	/* 01e */ __le16 s_state;		/* LNKFS_STATE_* */
	/* 020 */ __u8	 s_uuid[16];		/* the user's; may be changed */
	/* 030 */ __u8	 s_meta_uuid[16];	/* seeds every checksum; never changes */
	/* 040 */ __u8	 s_label[LNKFS_LABEL_LEN];
	/* 080 */ __le64 s_blocks;		/* blocks of the volume */
	/* 088 */ __le64 s_reserved_blocks;	/* only for CAP_SYS_RESOURCE */
	/* 090 */ __le64 s_root_ino;
	/* 098 */ __le64 s_lpf_ino;		/* lost+found, or 0 */
	/* 0a0 */ __le64 s_journal_start;	/* first block of the internal journal */
	/* 0a8 */ __le32 s_journal_blocks;	/* its length in blocks */
	/* 0ac */ __le32 s_fc_blocks;		/* the last of these: area for fast commits */
	/* 0b0 */ __u8	 s_journal_uuid[16];	/* of an external journal, else zero */
	/* 0c0 */ __u8	 s_hash_seed[16];	/* siphash key of the directory hash */
	/* 0d0 */ __le32 s_max_links;		/* EMLINK above */
	/* 0d4 */ __le32 s_fast_symlink_max;	/* longest target kept in the inode, bytes */
	/* 0d8 */ __le64 s_mkfs_time;		/* times: as in the inode */
	/* 0e0 */ __le64 s_mount_time;
	/* 0e8 */ __le64 s_write_time;
	/* 0f0 */ __le64 s_check_time;
	/* 0f8 */ __le32 s_mount_count;
	/* 0fc */ __le32 s_default_opts;	/* LNKFS_DEFOPT_* */
	/* 100 */ __le64 s_lifetime_kib;	/* KiB written over the volume's life */
	/* 108 */ __le64 s_free_blocks;		/* at the last clean unmount; advisory */
	/* 110 */ __le64 s_used_inodes;		/* likewise */
	/* 118 */ __le64 s_quota_ino[LNKFS_QUOTA_TYPES]; /* user, group, project; 0: none */
	/* 130 */ __le32 s_error_count;
	/* 134 */ __le32 s_journal_dev;		/* where the external journal was last found */
	/* 138 */ __le64 s_pad1;
	/* 140 */ struct lnkfs_error_record s_first_error;
	/* 180 */ struct lnkfs_error_record s_last_error;
	/* 1c0 */ __u8	 s_last_mounted[64];	/* NUL-terminated path, or empty */
	/* 200 */ __u8	 s_reserved[512];	/* zero */
};
LNKFS_SIZE_CHECK(lnkfs_super_block, 1024);

/**
 * struct lnkfs_block_header - starts every metadata block except the
 * superblock, inode blocks (their records carry the same facts) and the raw
 * bodies of slow symlinks
 */
struct lnkfs_block_header {
	/* 00 */ __le32	h_magic;
	/* 04 */ __le32	h_checksum;	/* crc32c(seed) of the block, this field zero */
	/* 08 */ __le64	h_blocknr;	/* where this block belongs */
	/* 10 */ __le64	h_owner;	/* inode number; group number of a group's block */
	/* 18 */ __le64	h_fsid;		/* the two halves of s_meta_uuid, xored */
	/* 20 */ __le32	h_gen;		/* the owning inode's generation; 0 for group blocks */
	/* 24 */ __le32	h_pad;
};
LNKFS_SIZE_CHECK(lnkfs_block_header, 40);

/**
 * struct lnkfs_map_block - head of the four per-group maps: block bitmap,
 * inode block map, full map, orphan map. One bit a block of the group, bit n
 * in byte n / 8, least significant first; bits past the end of the volume are
 * set in the block bitmap and clear in the others.
 */
struct lnkfs_map_block {
	/* 00 */ struct lnkfs_block_header m_header;
	/* 28 */ __u8	m_pad[24];
	/* 40 */ __u8	m_bits[];
};
LNKFS_SIZE_CHECK(lnkfs_map_block, LNKFS_MAP_HEADER);

/* bg_flags */
#define LNKFS_BG_BLOCK_UNINIT	0x0001	/* the block bitmap has never been written */
#define LNKFS_BG_INODE_UNINIT	0x0002	/* none of the three inode maps has */
#define LNKFS_BG_ORPHANS	0x0004	/* a bit of the orphan map may be set */

/**
 * struct lnkfs_group_desc - one block group
 */
struct lnkfs_group_desc {
	/* 00 */ __le32	bg_free_blocks;
	/* 04 */ __le32	bg_inode_blocks;	/* blocks that are inode blocks */
	/* 08 */ __le32	bg_free_slots;		/* free slots in them */
	/* 0c */ __le32	bg_used_inodes;		/* records in them */
	/* 10 */ __le32	bg_used_dirs;		/* of these directories */
	/* 14 */ __le16	bg_flags;		/* LNKFS_BG_* */
	/* 16 */ __le16	bg_pad;
	/* 18 */ __le64	bg_names;		/* struct lnkfs_names_block of the group, or 0 */
	/* 20 */ __u8	bg_reserved[32];
};
LNKFS_SIZE_CHECK(lnkfs_group_desc, 64);

/**
 * struct lnkfs_gdesc_block - descriptors of one run of groups (a meta-group),
 * in the run's first group; copies in its second and last, as they were when the
 * volume got its size
 */
struct lnkfs_gdesc_block {
	/* 00 */ struct lnkfs_block_header d_header;	/* h_owner: first group of the run */
	/* 28 */ __u8	d_pad[24];
	/* 40 */ struct lnkfs_group_desc d_desc[];
};
LNKFS_SIZE_CHECK(lnkfs_gdesc_block, 64);

/* sl_type */
#define LNKFS_SLOT_FREE		1
#define LNKFS_SLOT_HEAD		2
#define LNKFS_SLOT_CONT		3

/**
 * struct lnkfs_slot - starts every 256-byte slot of an inode block
 */
struct lnkfs_slot {
	/* 0 */ __le16	sl_magic;	/* LNKFS_SLOT_MAGIC */
	/* 2 */ __u8	sl_type;	/* LNKFS_SLOT_* */
	/* 3 */ __u8	sl_count;	/* head: slots of the record; continuation: its index (1..); free: 1 */
	/*
	 * Head: crc32c over all slots of the record; free: over the slot; both
	 * seeded with the volume's seed continued over the le64 number of this
	 * slot (block * slots per block + slot), this field zero.
	 * Continuation: 0.
	 */
	/* 4 */ __le32	sl_checksum;
};
LNKFS_SIZE_CHECK(lnkfs_slot, 8);

/* i_fork: what the front of the inline area holds */
#define LNKFS_FORK_NONE		0	/* nothing: fifo, socket */
#define LNKFS_FORK_FAST_LINK	1	/* symlink target, i_fork_len bytes, and a NUL */
#define LNKFS_FORK_SLOW_LINK	2	/* struct lnkfs_slow_link */
#define LNKFS_FORK_DIR_INLINE	3	/* directory entries */
#define LNKFS_FORK_DIR_BLOCKS	4	/* struct lnkfs_dir_fork, extent root, index root */
#define LNKFS_FORK_EXTENTS	5	/* extent root of a regular file */
#define LNKFS_FORK_DEVICE	6	/* struct lnkfs_device */

/* i_lflags: what Linux has and FreeBSD's flag word has not */
#define LNKFS_LF_SYNC		0x00000001
#define LNKFS_LF_DIRSYNC	0x00000002
#define LNKFS_LF_NOATIME	0x00000004
#define LNKFS_LF_PROJINHERIT	0x00000008
#define LNKFS_LF_LINK		0x00000010	/* a symlink with an LNKFS_XATTR_LINK */
#define LNKFS_LF_TRUNCATING	0x80000000	/* blocks past i_size wait to be freed */
#define LNKFS_LF_ALL		(LNKFS_LF_SYNC | LNKFS_LF_DIRSYNC | LNKFS_LF_NOATIME | \
				 LNKFS_LF_PROJINHERIT | LNKFS_LF_LINK | LNKFS_LF_TRUNCATING)

/**
 * struct lnkfs_inode - fixed part of an inode record, from the start of its
 * head slot. The inline area follows: the rest of the head slot, then the
 * bytes after the header of each continuation slot. The fork stands at its
 * front, inline extended attributes at its back, zeroes between.
 *
 * i_parent is the directory that holds a directory, which the root itself is to
 * the root. With LNKFS_RO_COMPAT_BACKREF i_parent and i_parent_pos are where one
 * of the names of an inode of any type stands: a name that does not stand in the
 * record is in the tree of the inode's group (struct lnkfs_names_block). Both are
 * 0 when the record holds no name; i_parent_pos is 0 for the root, and without
 * the feature, when i_parent of all but directories is 0, too.
 *
 * Time stamps are unsigned nanoseconds since 1901-12-13 20:45:52 UTC, that is
 * since second LNKFS_EPOCH, -2^31, of the Unix epoch.
 */
#define LNKFS_EPOCH	(-2147483648LL)

struct lnkfs_inode {
	/* 00 */ struct lnkfs_slot i_slot;
	/* 08 */ __le64	i_ino;		/* own number */
	/* 10 */ __le32	i_gen;		/* random, never 0 */
	/* 14 */ __le16	i_mode;
	/* 16 */ __u8	i_fork;		/* LNKFS_FORK_* */
	/* 17 */ __u8	i_xattr_len;	/* 8-byte units at the area's back in use by xattrs */
	/* 18 */ __le32	i_uid;
	/* 1c */ __le32	i_gid;
	/* 20 */ __le32	i_projid;
	/* 24 */ __le32	i_nlink;
	/* 28 */ __le64	i_size;		/* bytes */
	/* 30 */ __le64	i_blocks;	/* volume blocks held, tree nodes included */
	/* 38 */ __le32	i_flags;	/* FreeBSD st_flags values */
	/* 3c */ __le32	i_lflags;	/* LNKFS_LF_* */
	/* 40 */ __le64	i_atime;
	/* 48 */ __le64	i_mtime;
	/* 50 */ __le64	i_ctime;
	/* 58 */ __le64	i_btime;
	/* 60 */ __le64	i_version;
	/* 68 */ __le64	i_parent;	/* directory of a name (see below); 0: of none */
	/* 70 */ __le64	i_parent_pos;	/* position of that name in it */
	/* 78 */ __le16	i_fork_len;	/* bytes of the inline area in use by the fork */
	/* 7a */ __le16	i_xattr_hi;	/* external xattrs: upper 16 bits of the root's number */
	/* 7c */ __le32	i_xattr_lo;	/* lower 32 bits; both 0: there are none */
	/* 80 */ __u8	i_area[];
};
LNKFS_SIZE_CHECK(lnkfs_inode, 128);

/* Bytes of the inline area of a record of n slots: 128, 376, ... 1864. */
#define LNKFS_AREA_LEN(n)	((n) * (LNKFS_SLOT_SIZE - 8) - 120)
/* Longest target of a fast symlink in it: a NUL has to follow. */
#define LNKFS_FAST_MAX(n)	(LNKFS_AREA_LEN(n) - 1)

/**
 * struct lnkfs_slow_link - fork of a slow symlink. The body is raw target
 * text in contiguous blocks, zero-padded to their end.
 */
struct lnkfs_slow_link {
	/* 00 */ __le64	l_block;	/* first block of the body */
	/* 08 */ __le32	l_blocks;	/* blocks of the body */
	/*
	 * crc32c of the i_size bytes of the target, seeded with the volume's
	 * seed continued over le64 i_ino and le32 i_gen
	 */
	/* 0c */ __le32	l_checksum;
};
LNKFS_SIZE_CHECK(lnkfs_slow_link, 16);

/**
 * struct lnkfs_device - fork of a device node
 */
struct lnkfs_device {
	/* 0 */ __le32	v_major;
	/* 4 */ __le32	v_minor;
};
LNKFS_SIZE_CHECK(lnkfs_device, 8);

/* bt_tree, n_tree */
#define LNKFS_TREE_EXTENT	1	/* key: logical block; value: struct lnkfs_extent */
#define LNKFS_TREE_DIR		2	/* key: see LNKFS_DIR_*; no value */
#define LNKFS_TREE_XATTR	3	/* key: hash; value: le64 block of a leaf */
#define LNKFS_TREE_NAMES	4	/* key, value: see LNKFS_NAMES_* */

/**
 * struct lnkfs_btree_root - root node of a B+tree, in an inline area.
 * Records follow as in a node.
 */
struct lnkfs_btree_root {
	/* 0 */ __le16	bt_level;	/* 0: the root is a leaf */
	/* 2 */ __le16	bt_count;	/* records in use */
	/* 4 */ __u8	bt_vsize;	/* bytes of a leaf record's value: 0, 8, 16 */
	/* 5 */ __u8	bt_tree;	/* LNKFS_TREE_* */
	/* 6 */ __le16	bt_pad;
};
LNKFS_SIZE_CHECK(lnkfs_btree_root, 8);

/**
 * struct lnkfs_btree_node - head of a B+tree node block. Leaf records are a
 * le64 key and n_vsize bytes of value; interior records a le64 key and the
 * le64 block of the child, whose keys are all at or above the key (the first
 * key of a node counts as minus infinity). Keys ascend strictly.
 */
struct lnkfs_btree_node {
	/* 00 */ struct lnkfs_block_header n_header;
	/* 28 */ __le16	n_level;	/* 0: leaf */
	/* 2a */ __le16	n_count;
	/* 2c */ __u8	n_vsize;
	/* 2d */ __u8	n_tree;
	/* 2e */ __u8	n_pad[18];
	/* 40 */ __u8	n_records[];
};
LNKFS_SIZE_CHECK(lnkfs_btree_node, 64);

#define LNKFS_BTREE_MAX_LEVEL	12	/* of a root; more is corruption */

/* x_flags */
#define LNKFS_EXT_UNWRITTEN	0x00000001	/* allocated, reads as zeroes */

/**
 * struct lnkfs_extent - value of an extent tree record
 */
struct lnkfs_extent {
	/* 00 */ __le64	x_block;	/* first physical block */
	/* 08 */ __le32	x_len;		/* blocks, never 0; an extent stays within one group */
	/* 0c */ __le32	x_flags;	/* LNKFS_EXT_* */
};
LNKFS_SIZE_CHECK(lnkfs_extent, 16);

/**
 * struct lnkfs_dirent - directory entry. Lengths and positions are multiples
 * of 8. A free one (a hole) has d_name_len 0; only its first 8 bytes have a
 * meaning, the rest is zero. Holes never stand side by side.
 */
struct lnkfs_dirent {
	/* 00 */ __le16	d_rec_len;	/* bytes from this entry to the next */
	/* 02 */ __u8	d_name_len;	/* 1..255, or 0: a hole */
	/* 03 */ __u8	d_type;		/* DT_* of the inode; 0 in a hole */
	/* 04 */ __le32	d_hash;		/* directory hash of the name, 31 bits; 0 in a hole */
	/* 08 */ __le64	d_ino;
	/* 10 */ __u8	d_name[];	/* not terminated; zeroes to a multiple of 8 */
};
LNKFS_SIZE_CHECK(lnkfs_dirent, 16);

#define LNKFS_DIRENT_LEN(namelen)	((16u + (namelen) + 7) & ~7u)

/**
 * struct lnkfs_dir_block - head of a directory block; entries follow to the
 * block's end. An inline directory's entries are those of block 0: an entry
 * at offset x of the inline area has the position 64 + x.
 *
 * b_room never exceeds the room class of b_hole. It is lower where a tree node
 * for the right key could not be had: the room is then not found, but no
 * removal fails for want of space.
 */
struct lnkfs_dir_block {
	/* 00 */ struct lnkfs_block_header b_header;
	/* 28 */ __le32	b_index;	/* logical block of the directory */
	/* 2c */ __le16	b_hole;		/* length of the largest hole, bytes */
	/* 2e */ __le16	b_count;	/* entries in use */
	/* 30 */ __u8	b_room;		/* class of this block's room key, 0: it has none */
	/* 31 */ __u8	b_pad[15];
	/* 40 */ __u8	b_entries[];
};
LNKFS_SIZE_CHECK(lnkfs_dir_block, 64);

/**
 * struct lnkfs_dir_fork - fork of a directory with blocks: this head, then
 * f_ext_len bytes of extent root, then f_idx_len bytes of index root. The
 * index comes into use with the second block and stays in use until the
 * directory is empty: where i_size is one block and the index root has no
 * record, the entries of block 0 are not indexed.
 */
struct lnkfs_dir_fork {
	/* 0 */ __le16	f_ext_len;
	/* 2 */ __le16	f_idx_len;
	/* 4 */ __le32	f_pad;
};
LNKFS_SIZE_CHECK(lnkfs_dir_fork, 8);

/*
 * Directory index keys.
 * Name:  (31-bit hash << 32) | (position / 8)
 * Room:  bit 63 | (room class << 32) | logical block; one for every block
 *        whose b_room is not 0
 * The room class of a hole is the number of LNKFS_DIR_ROOM_SIZES at or below
 * its length; class 0 has no key.
 */
#define LNKFS_DIR_ROOM_KEY	(1ULL << 63)
#define LNKFS_DIR_ROOM_SIZES	{ 24, 32, 40, 48, 56, 64, 72, 80, 96, 128, 192, 272 }
#define LNKFS_DIR_MAX_BLOCKS(bits)	(1ULL << (35 - (bits)))	/* position / 8 is 32 bits */

/* e_space: namespace of an extended attribute; the name is without its prefix */
#define LNKFS_XATTR_USER	1	/* "user." */
#define LNKFS_XATTR_TRUSTED	2	/* "trusted." */
#define LNKFS_XATTR_SECURITY	3	/* "security." */
#define LNKFS_XATTR_ACL_ACCESS	4	/* "system.posix_acl_access", name empty */
#define LNKFS_XATTR_ACL_DEFAULT	5	/* "system.posix_acl_default", name empty */
#define LNKFS_XATTR_LINK	6	/* struct lnkfs_link_attr of a symlink, name empty */

#define LNKFS_XATTR_VALUE_MAX	65536	/* bytes of a value */
#define LNKFS_XATTR_EXTENTS	16	/* runs of blocks that hold one value, at most */
#define LNKFS_XATTR_MAX_LEVEL	3	/* of the tree of leaves */

/**
 * struct lnkfs_xattr_entry - an extended attribute, in the inline area or in a
 * leaf block. Behind the name, without a gap, stands the value; or, aligned to
 * 8 bytes, stand e_extents le64 numbers that say where it is: the first block of
 * a run in the lower 48 bits, the number of blocks in the upper 16. An entry ends
 * at a multiple of 8 bytes; all gaps are zero.
 */
struct lnkfs_xattr_entry {
	/* 0 */ __u8	e_space;	/* LNKFS_XATTR_* */
	/* 1 */ __u8	e_name_len;	/* 1..255; 0 for ACLs and LNKFS_XATTR_LINK */
	/* 2 */ __u8	e_extents;	/* runs of value blocks; 0: the value is here */
	/* 3 */ __u8	e_pad;
	/* 4 */ __le32	e_value_len;	/* bytes */
	/* 8 */ __u8	e_name[];
};
LNKFS_SIZE_CHECK(lnkfs_xattr_entry, 8);

/**
 * struct lnkfs_link_attr - value of LNKFS_XATTR_LINK: what a symlink is besides the
 * text of its target. Not shown as an extended attribute. A plain symlink has none,
 * nor LNKFS_LF_LINK; kind and flags are never both 0. The number and the generation
 * are those of the target of a tracked link, else 0.
 */
struct lnkfs_link_attr {
	/* 0 */ __u8	la_kind;	/* LNKFS_LINK_PLAIN to _REMOTE */
	/* 1 */ __u8	la_flags;	/* LNKFS_LINK_TRACKED, _PATH_FIRST */
	/* 2 */ __le16	la_pad;
	/* 4 */ __le32	la_gen;
	/* 8 */ __le64	la_ino;
};
LNKFS_SIZE_CHECK(lnkfs_link_attr, 16);

/* x_kind */
#define LNKFS_XBLOCK_LEAF	1	/* entries */
#define LNKFS_XBLOCK_HEAD	2	/* root of the tree of leaves */
#define LNKFS_XBLOCK_VALUE	3	/* part of a value */

/**
 * struct lnkfs_xattr_block - head of a block of the external xattr area. The
 * inode points to the only leaf, or to the head block of several.
 *
 * The hash of an attribute is the siphash, keyed by s_hash_seed, of its e_space
 * and its name. A leaf holds its entries in the order of their hashes. The tree's
 * root fills the rest of the head block; its keys are the lowest hashes that the
 * leaves may hold, the first one 0.
 */
struct lnkfs_xattr_block {
	/* 00 */ struct lnkfs_block_header x_header;
	/* 28 */ __u8	x_kind;		/* LNKFS_XBLOCK_* */
	/* 29 */ __u8	x_pad0;
	/* 2a */ __le16	x_used;		/* leaf, value: bytes of x_data in use; else 0 */
	/* 2c */ __le16	x_count;	/* leaf: entries; else 0 */
	/* 2e */ __le16	x_index;	/* value: number of the block in the value; else 0 */
	/* 30 */ __le64	x_hash;		/* value: hash of the attribute; else 0 */
	/* 38 */ __u8	x_pad1[8];
	/* 40 */ __u8	x_data[];
};
LNKFS_SIZE_CHECK(lnkfs_xattr_block, 64);

/*
 * Fast commits: the last s_fc_blocks of the internal journal, behind jbd2's log, which ends
 * before them. The first block is a head, records are behind it, one after the other, each
 * at the beginning of a block. Those of a transaction are numbered from 0 and begin behind
 * the head; a record counts only if all before it do, and if the transaction is the first
 * that the log does not hold whole.
 */
#define LNKFS_MIN_FAST_BLOCKS	16
#define LNKFS_MAX_FAST_BLOCKS	4096
#define LNKFS_FAST_RECORD_MAX	16384	/* bytes; at least one block */
#define LNKFS_FAST_CHANGED_MAX	64	/* blocks that the records of a transaction change */

/**
 * struct lnkfs_fast_head - first block of the area; zeroes until it is written
 */
struct lnkfs_fast_head {
	/* 00 */ struct lnkfs_block_header f_header;
	/* 28 */ __le32	f_replay;	/* transaction whose records are being applied, 0: none */
	/* 2c */ __le32	f_pad;
};
LNKFS_SIZE_CHECK(lnkfs_fast_head, 48);

/**
 * struct lnkfs_fast_record - what a transaction has changed since its record before
 *
 * The checksum in the header is that of r_bytes. Behind this r_count changes of blocks,
 * without gaps; the rest of the last block is zero.
 */
struct lnkfs_fast_record {
	/* 00 */ struct lnkfs_block_header r_header;
	/* 28 */ __le32	r_tid;		/* transaction */
	/* 2c */ __le32	r_number;	/* of the record, from 0 */
	/* 30 */ __le32	r_bytes;	/* length, this included */
	/* 34 */ __le32	r_count;	/* changed blocks */
	/* 38 */ __le32	r_before;	/* checksum of the record before, of the first 0 */
	/* 3c */ __le32	r_pad;
};
LNKFS_SIZE_CHECK(lnkfs_fast_record, 64);

/* c_kind */
#define LNKFS_FAST_HEADER	0	/* a block that has a header */
#define LNKFS_FAST_INODES	1	/* an inode block */
#define LNKFS_FAST_RAW		2	/* body of a slow symlink */
/* c_flags */
#define LNKFS_FAST_FRESH	0x01	/* all zeroes before this change */

/**
 * struct lnkfs_fast_change - head of the changes of a block, followed by c_ranges ranges
 */
struct lnkfs_fast_change {
	/* 00 */ __le64	c_block;
	/* 08 */ __le32	c_checksum;	/* after the change: h_checksum, or crc32c(seed) of it all */
	/* 0c */ __le16	c_ranges;
	/* 0e */ __u8	c_kind;		/* LNKFS_FAST_* */
	/* 0f */ __u8	c_flags;
};
LNKFS_SIZE_CHECK(lnkfs_fast_change, 16);

/**
 * struct lnkfs_fast_range - bytes of a block, in ascending order; followed by them
 */
struct lnkfs_fast_range {
	/* 00 */ __le16	g_offset;	/* multiple of 8 */
	/* 02 */ __le16	g_bytes;	/* multiple of 8, not 0 */
};
LNKFS_SIZE_CHECK(lnkfs_fast_range, 4);

/**
 * struct lnkfs_names_block - root of the back references of a group: of the names
 * of its inodes that do not stand in the inodes' records. The tree's root fills
 * the block; h_owner of this block and of the tree's nodes is the group, h_gen 0.
 */
struct lnkfs_names_block {
	/* 00 */ struct lnkfs_block_header nb_header;
	/* 28 */ __u8	nb_pad[24];
	/* 40 */ __u8	nb_root[];
};
LNKFS_SIZE_CHECK(lnkfs_names_block, 64);

/*
 * A back reference. Key: number of the inode, counted from the first slot of the
 * group, << LNKFS_NAMES_SHIFT | place. Value: (displacement << LNKFS_NAMES_DIR_BITS)
 * | number of the directory. The place is the siphash, keyed by s_hash_seed, of the
 * le64 number of the directory, plus (position / 8), plus the displacement, modulo
 * 2^LNKFS_NAMES_SHIFT. The displacement was the smallest that gave a free key.
 */
#define LNKFS_NAMES_SHIFT	45
#define LNKFS_NAMES_DIR_BITS	52
#define LNKFS_NAMES_MAX_DISP	15
#define LNKFS_NAMES_MAX_LEVEL	7	/* of the tree's root */

/**
 * struct lnkfs_quota_block - block of a quota file. The file that the VFS's
 * quota code sees (format vfsv1) is the bytes after the heads of the file's
 * blocks, one after the other; the file has no holes.
 */
struct lnkfs_quota_block {
	/* 00 */ struct lnkfs_block_header q_header;
	/* 28 */ __u8	q_pad[24];
	/* 40 */ __u8	q_data[];
};
LNKFS_SIZE_CHECK(lnkfs_quota_block, 64);

/*
 * What is in a quota file: quota blocks of 1024 bytes. Block 0 holds the head
 * and the info; block 1 is the root of a tree of four levels of 256 le32 block
 * numbers each, indexed by the four bytes of an ID, highest first; what the
 * last level names are leaves.
 */
#define LNKFS_QUOTA_BLOCK	1024
#define LNKFS_QUOTA_REFS	256
#define LNKFS_QUOTA_LEVELS	4
#define LNKFS_QUOTA_MAGICS	{ 0xd9c01f11, 0xd9c01927, 0xd9c03f14 }
#define LNKFS_QUOTA_VERSION	1

/**
 * struct lnkfs_quota_head - start of a quota file
 */
struct lnkfs_quota_head {
	/* 00 */ __le32	f_magic;	/* LNKFS_QUOTA_MAGICS[type] */
	/* 04 */ __le32	f_version;	/* LNKFS_QUOTA_VERSION */
	/* 08 */ __le32	f_bgrace;	/* seconds above a soft limit of blocks */
	/* 0c */ __le32	f_igrace;	/* the same for inodes */
	/* 10 */ __le32	f_flags;	/* 0 */
	/* 14 */ __le32	f_blocks;	/* quota blocks in use */
	/* 18 */ __le32	f_free_block;	/* first of a list of free ones, or 0 */
	/* 1c */ __le32	f_free_entry;	/* first of a list of leaves with room, or 0 */
};
LNKFS_SIZE_CHECK(lnkfs_quota_head, 32);

/**
 * struct lnkfs_quota_leaf - head of a leaf, and of a free block
 */
struct lnkfs_quota_leaf {
	/* 00 */ __le32	l_next;		/* of its list, or 0 */
	/* 04 */ __le32	l_prev;
	/* 08 */ __le16	l_entries;	/* entries in use */
	/* 0a */ __le16	l_pad0;
	/* 0c */ __le32	l_pad1;
};
LNKFS_SIZE_CHECK(lnkfs_quota_leaf, 16);

/**
 * struct lnkfs_quota_entry - limits and usage of one ID; all zero: unused. So
 * that of ID 0 with nothing in it has a q_itime of 1.
 */
struct lnkfs_quota_entry {
	/* 00 */ __le32	q_id;
	/* 04 */ __le32	q_pad;
	/* 08 */ __le64	q_ihard;	/* inodes */
	/* 10 */ __le64	q_isoft;
	/* 18 */ __le64	q_inodes;	/* in use */
	/* 20 */ __le64	q_bhard;	/* KiB */
	/* 28 */ __le64	q_bsoft;
	/* 30 */ __le64	q_space;	/* bytes in use */
	/* 38 */ __le64	q_btime;	/* end of the grace time, seconds; or 0 */
	/* 40 */ __le64	q_itime;
};
LNKFS_SIZE_CHECK(lnkfs_quota_entry, 72);

#define LNKFS_QUOTA_ENTRIES	14	/* in a leaf */

#endif /* LNKFS_FORMAT_H */
