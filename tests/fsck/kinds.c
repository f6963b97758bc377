// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of structures and their fields.
 */
#include "journal.h"
#include "kinds.h"

#define F(type, member)	{ #member, offsetof(struct type, member), \
			  sizeof(((struct type *)0)->member), 0 }
#define FF(type, member, flags)	{ #member, offsetof(struct type, member), \
			  sizeof(((struct type *)0)->member), flags }
#define END		{ NULL, 0, 0, 0 }

#define HEADER							\
	F(lnkfs_block_header, h_magic),				\
	FF(lnkfs_block_header, h_checksum, FIELD_SUM),		\
	F(lnkfs_block_header, h_blocknr),			\
	F(lnkfs_block_header, h_owner),				\
	F(lnkfs_block_header, h_fsid),				\
	F(lnkfs_block_header, h_gen),				\
	F(lnkfs_block_header, h_pad)

static const struct field super_fields[] = {
	F(lnkfs_super_block, s_magic),
	FF(lnkfs_super_block, s_checksum, FIELD_SUM),
	F(lnkfs_super_block, s_blocknr),
	FF(lnkfs_super_block, s_feature_compat, FIELD_FIXED),
	FF(lnkfs_super_block, s_feature_incompat, FIELD_FIXED),
	FF(lnkfs_super_block, s_feature_ro_compat, FIELD_FIXED),
	FF(lnkfs_super_block, s_block_bits, FIELD_FIXED),
	F(lnkfs_super_block, s_errors),
	F(lnkfs_super_block, s_state),
	F(lnkfs_super_block, s_uuid),
	FF(lnkfs_super_block, s_meta_uuid, FIELD_FIXED),
	F(lnkfs_super_block, s_label),
	FF(lnkfs_super_block, s_blocks, FIELD_FIXED),
	F(lnkfs_super_block, s_reserved_blocks),
	FF(lnkfs_super_block, s_root_ino, FIELD_FIXED),
	F(lnkfs_super_block, s_lpf_ino),
	FF(lnkfs_super_block, s_journal_start, FIELD_FIXED),
	FF(lnkfs_super_block, s_journal_blocks, FIELD_FIXED),
	F(lnkfs_super_block, s_fc_blocks),
	F(lnkfs_super_block, s_journal_uuid),
	FF(lnkfs_super_block, s_hash_seed, FIELD_FIXED),
	F(lnkfs_super_block, s_max_links),
	F(lnkfs_super_block, s_fast_symlink_max),
	F(lnkfs_super_block, s_mkfs_time),
	F(lnkfs_super_block, s_mount_time),
	F(lnkfs_super_block, s_write_time),
	F(lnkfs_super_block, s_check_time),
	F(lnkfs_super_block, s_mount_count),
	F(lnkfs_super_block, s_default_opts),
	F(lnkfs_super_block, s_lifetime_kib),
	F(lnkfs_super_block, s_free_blocks),
	F(lnkfs_super_block, s_used_inodes),
	FF(lnkfs_super_block, s_quota_ino[0], FIELD_FIXED),
	FF(lnkfs_super_block, s_quota_ino[1], FIELD_FIXED),
	FF(lnkfs_super_block, s_quota_ino[2], FIELD_FIXED),
	F(lnkfs_super_block, s_error_count),
	F(lnkfs_super_block, s_journal_dev),
	F(lnkfs_super_block, s_pad1),
	F(lnkfs_super_block, s_first_error),
	F(lnkfs_super_block, s_last_error),
	F(lnkfs_super_block, s_last_mounted),
	F(lnkfs_super_block, s_reserved),
	END
};

static const struct field journal_fields[] = {
	FF(jbd2_super, h_magic, FIELD_BE),
	FF(jbd2_super, h_blocktype, FIELD_BE),
	FF(jbd2_super, h_sequence, FIELD_BE),
	FF(jbd2_super, s_blocksize, FIELD_BE),
	FF(jbd2_super, s_maxlen, FIELD_BE),
	FF(jbd2_super, s_first, FIELD_BE),
	FF(jbd2_super, s_sequence, FIELD_BE),
	FF(jbd2_super, s_start, FIELD_BE),
	FF(jbd2_super, s_errno, FIELD_BE),
	FF(jbd2_super, s_feature_compat, FIELD_BE),
	FF(jbd2_super, s_feature_incompat, FIELD_BE),
	FF(jbd2_super, s_feature_ro_compat, FIELD_BE),
	F(jbd2_super, s_uuid),
	FF(jbd2_super, s_nr_users, FIELD_BE),
	F(jbd2_super, s_rest),
	F(jbd2_super, s_users),
	{ "s_checksum", 0xfc, 4, FIELD_BE | FIELD_SUM },
	END
};

static const struct field gdescblk_fields[] = { HEADER, F(lnkfs_gdesc_block, d_pad), END };

static const struct field gdesc_fields[] = {
	F(lnkfs_group_desc, bg_free_blocks),
	F(lnkfs_group_desc, bg_inode_blocks),
	F(lnkfs_group_desc, bg_free_slots),
	F(lnkfs_group_desc, bg_used_inodes),
	F(lnkfs_group_desc, bg_used_dirs),
	F(lnkfs_group_desc, bg_flags),
	F(lnkfs_group_desc, bg_names),
	F(lnkfs_group_desc, bg_reserved),
	END
};

static const struct field map_fields[] = { HEADER, F(lnkfs_map_block, m_pad), END };

static const struct field none[] = { END };

static const struct field slot_fields[] = {
	F(lnkfs_slot, sl_magic),
	F(lnkfs_slot, sl_type),
	F(lnkfs_slot, sl_count),
	FF(lnkfs_slot, sl_checksum, FIELD_SUM),
	END
};

/* That of a continuation is always 0. */
static const struct field cont_fields[] = {
	F(lnkfs_slot, sl_magic),
	F(lnkfs_slot, sl_type),
	F(lnkfs_slot, sl_count),
	F(lnkfs_slot, sl_checksum),
	END
};

static const struct field inode_fields[] = {
	{ "sl_magic", 0, 2, 0 },
	{ "sl_type", 2, 1, 0 },
	{ "sl_count", 3, 1, 0 },
	{ "sl_checksum", 4, 4, FIELD_SUM },
	F(lnkfs_inode, i_ino),
	F(lnkfs_inode, i_gen),
	F(lnkfs_inode, i_mode),
	F(lnkfs_inode, i_fork),
	F(lnkfs_inode, i_xattr_len),
	F(lnkfs_inode, i_uid),
	F(lnkfs_inode, i_gid),
	F(lnkfs_inode, i_projid),
	F(lnkfs_inode, i_nlink),
	F(lnkfs_inode, i_size),
	F(lnkfs_inode, i_blocks),
	F(lnkfs_inode, i_flags),
	F(lnkfs_inode, i_lflags),
	F(lnkfs_inode, i_atime),
	F(lnkfs_inode, i_mtime),
	F(lnkfs_inode, i_ctime),
	F(lnkfs_inode, i_btime),
	F(lnkfs_inode, i_version),
	F(lnkfs_inode, i_parent),
	F(lnkfs_inode, i_parent_pos),
	F(lnkfs_inode, i_fork_len),
	F(lnkfs_inode, i_xattr_hi),
	F(lnkfs_inode, i_xattr_lo),
	END
};

static const struct field slowlink_fields[] = {
	F(lnkfs_slow_link, l_block),
	F(lnkfs_slow_link, l_blocks),
	F(lnkfs_slow_link, l_checksum),
	END
};

static const struct field device_fields[] = {
	F(lnkfs_device, v_major),
	F(lnkfs_device, v_minor),
	END
};

static const struct field root_fields[] = {
	F(lnkfs_btree_root, bt_level),
	F(lnkfs_btree_root, bt_count),
	F(lnkfs_btree_root, bt_vsize),
	F(lnkfs_btree_root, bt_tree),
	F(lnkfs_btree_root, bt_pad),
	END
};

static const struct field node_fields[] = {
	HEADER,
	F(lnkfs_btree_node, n_level),
	F(lnkfs_btree_node, n_count),
	F(lnkfs_btree_node, n_vsize),
	F(lnkfs_btree_node, n_tree),
	F(lnkfs_btree_node, n_pad),
	END
};

static const struct field extrec_fields[] = {
	{ "key", 0, 8, 0 },
	{ "x_block", 8, 8, 0 },
	{ "x_len", 16, 4, 0 },
	{ "x_flags", 20, 4, 0 },
	END
};

static const struct field key_fields[] = { { "key", 0, 8, 0 }, END };

static const struct field child_fields[] = {
	{ "key", 0, 8, 0 },
	{ "child", 8, 8, 0 },
	END
};

static const struct field dirfork_fields[] = {
	F(lnkfs_dir_fork, f_ext_len),
	F(lnkfs_dir_fork, f_idx_len),
	F(lnkfs_dir_fork, f_pad),
	END
};

static const struct field dirblk_fields[] = {
	HEADER,
	F(lnkfs_dir_block, b_index),
	F(lnkfs_dir_block, b_hole),
	F(lnkfs_dir_block, b_count),
	F(lnkfs_dir_block, b_room),
	F(lnkfs_dir_block, b_pad),
	END
};

static const struct field dirent_fields[] = {
	F(lnkfs_dirent, d_rec_len),
	F(lnkfs_dirent, d_name_len),
	F(lnkfs_dirent, d_type),
	F(lnkfs_dirent, d_hash),
	F(lnkfs_dirent, d_ino),
	{ "d_name", 16, 1, 0 },
	END
};

static const struct field hole_fields[] = {
	F(lnkfs_dirent, d_rec_len),
	F(lnkfs_dirent, d_name_len),
	F(lnkfs_dirent, d_type),
	F(lnkfs_dirent, d_hash),
	END
};

static const struct field xattr_fields[] = {
	F(lnkfs_xattr_entry, e_space),
	F(lnkfs_xattr_entry, e_name_len),
	F(lnkfs_xattr_entry, e_extents),
	F(lnkfs_xattr_entry, e_pad),
	F(lnkfs_xattr_entry, e_value_len),
	END
};

static const struct field xext_fields[] = {
	{ "block", 0, 6, 0 },
	{ "len", 6, 2, 0 },
	END
};

static const struct field xblock_fields[] = {
	HEADER,
	F(lnkfs_xattr_block, x_kind),
	F(lnkfs_xattr_block, x_pad0),
	F(lnkfs_xattr_block, x_used),
	F(lnkfs_xattr_block, x_count),
	F(lnkfs_xattr_block, x_index),
	F(lnkfs_xattr_block, x_hash),
	F(lnkfs_xattr_block, x_pad1),
	END
};

static const struct field linkattr_fields[] = {
	F(lnkfs_link_attr, la_kind),
	F(lnkfs_link_attr, la_flags),
	F(lnkfs_link_attr, la_pad),
	F(lnkfs_link_attr, la_gen),
	F(lnkfs_link_attr, la_ino),
	END
};

static const struct field names_fields[] = {
	HEADER,
	F(lnkfs_names_block, nb_pad),
	{ "bt_level", 64, 2, 0 },
	{ "bt_count", 66, 2, 0 },
	{ "bt_vsize", 68, 1, 0 },
	{ "bt_tree", 69, 1, 0 },
	{ "bt_pad", 70, 2, 0 },
	END
};

static const struct field namerec_fields[] = {
	{ "key", 0, 8, 0 },
	{ "value", 8, 8, 0 },
	END
};

static const struct field qblk_fields[] = { HEADER, F(lnkfs_quota_block, q_pad), END };

static const struct field qhead_fields[] = {
	F(lnkfs_quota_head, f_magic),
	F(lnkfs_quota_head, f_version),
	F(lnkfs_quota_head, f_bgrace),
	F(lnkfs_quota_head, f_igrace),
	F(lnkfs_quota_head, f_flags),
	F(lnkfs_quota_head, f_blocks),
	F(lnkfs_quota_head, f_free_block),
	F(lnkfs_quota_head, f_free_entry),
	END
};

static const struct field qref_fields[] = { { "ref", 0, 4, 0 }, END };

static const struct field qleaf_fields[] = {
	F(lnkfs_quota_leaf, l_next),
	F(lnkfs_quota_leaf, l_prev),
	F(lnkfs_quota_leaf, l_entries),
	F(lnkfs_quota_leaf, l_pad0),
	F(lnkfs_quota_leaf, l_pad1),
	END
};

static const struct field qent_fields[] = {
	F(lnkfs_quota_entry, q_id),
	F(lnkfs_quota_entry, q_pad),
	F(lnkfs_quota_entry, q_ihard),
	F(lnkfs_quota_entry, q_isoft),
	F(lnkfs_quota_entry, q_inodes),
	F(lnkfs_quota_entry, q_bhard),
	F(lnkfs_quota_entry, q_bsoft),
	F(lnkfs_quota_entry, q_space),
	F(lnkfs_quota_entry, q_btime),
	F(lnkfs_quota_entry, q_itime),
	END
};

const struct kind kinds[K_KINDS] = {
	[K_SUPER] = { "super", false, false, super_fields },
	[K_JOURNAL] = { "journal", false, false, journal_fields },
	[K_GDESCBLK] = { "gdescblk", false, false, gdescblk_fields },
	[K_GDESC] = { "gdesc", false, false, gdesc_fields },
	[K_BITMAP] = { "bitmap", false, false, map_fields },
	[K_IMAP] = { "imap", false, false, map_fields },
	[K_FULLMAP] = { "fullmap", false, false, map_fields },
	[K_ORPHMAP] = { "orphmap", false, false, map_fields },
	[K_INOBLK] = { "inoblk", false, false, none },
	[K_FREESLOT] = { "freeslot", false, false, slot_fields },
	[K_INODE] = { "inode", true, false, inode_fields },
	[K_SLOT] = { "slot", true, false, cont_fields },
	[K_AREA] = { "area", true, false, none },
	[K_TEXT] = { "text", true, false, none },
	[K_SLOWLINK] = { "slowlink", true, false, slowlink_fields },
	[K_BODY] = { "body", true, false, none },
	[K_DEVICE] = { "device", true, false, device_fields },
	[K_EXTROOT] = { "extroot", true, false, root_fields },
	[K_EXTNODE] = { "extnode", true, false, node_fields },
	[K_EXTREC] = { "extrec", true, false, extrec_fields },
	[K_EXTIDX] = { "extidx", true, false, child_fields },
	[K_DIRFORK] = { "dirfork", true, false, dirfork_fields },
	[K_DIRBLK] = { "dirblk", true, false, dirblk_fields },
	[K_DIRENT] = { "dirent", true, true, dirent_fields },
	[K_HOLE] = { "hole", true, false, hole_fields },
	[K_IDXROOT] = { "idxroot", true, false, root_fields },
	[K_IDXNODE] = { "idxnode", true, false, node_fields },
	[K_IDXREC] = { "idxrec", true, false, key_fields },
	[K_IDXIDX] = { "idxidx", true, false, child_fields },
	[K_XATTR] = { "xattr", true, true, xattr_fields },
	[K_XEXT] = { "xext", true, true, xext_fields },
	[K_XVALUE] = { "xvalue", true, true, xblock_fields },
	[K_XLEAF] = { "xleaf", true, false, xblock_fields },
	[K_XHEAD] = { "xhead", true, false, xblock_fields },
	[K_XROOT] = { "xroot", true, false, root_fields },
	[K_XNODE] = { "xnode", true, false, node_fields },
	[K_XREC] = { "xrec", true, false, child_fields },
	[K_XIDX] = { "xidx", true, false, child_fields },
	[K_LINKATTR] = { "linkattr", true, false, linkattr_fields },
	[K_NAMES] = { "names", false, false, names_fields },
	[K_NAMENODE] = { "namenode", false, false, node_fields },
	[K_NAMEREC] = { "namerec", false, false, namerec_fields },
	[K_NAMEIDX] = { "nameidx", false, false, child_fields },
	[K_QBLK] = { "qblk", true, false, qblk_fields },
	[K_QHEAD] = { "qhead", true, false, qhead_fields },
	[K_QREF] = { "qref", true, false, qref_fields },
	[K_QLEAF] = { "qleaf", true, false, qleaf_fields },
	[K_QENT] = { "qent", true, false, qent_fields },
	[K_SPARE] = { "spare", false, false, node_fields },
	[K_LOGBLK] = { "logblk", false, false, none },
};
