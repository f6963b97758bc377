// SPDX-License-Identifier: GPL-2.0
/*
 * File handles: inode number and generation, of the object and, if asked for,
 * of its parent. The VFS's own would cut inode numbers to 32 bits.
 */
#include <linux/exportfs.h>
#include "internal.h"

/* A handle; its second half is there in LNKFS_FH_PARENT only. */
struct lnkfs_fid {
	u64 ino;
	u32 gen;
	u32 parent_gen;
	u64 parent_ino;
} __packed;

#define LNKFS_FH		FILEID_INO64_GEN
#define LNKFS_FH_PARENT		FILEID_INO64_GEN_PARENT
#define LNKFS_FH_WORDS		3
#define LNKFS_FH_PARENT_WORDS	6

static int lnkfs_encode_fh(struct inode *inode, u32 *fh, int *max_len, struct inode *parent)
{
	int words = parent ? LNKFS_FH_PARENT_WORDS : LNKFS_FH_WORDS;
	struct lnkfs_fid *fid = (void *)fh;

	if (*max_len < words) {
		*max_len = words;
		return FILEID_INVALID;
	}
	*max_len = words;
	fid->ino = inode->i_ino;
	fid->gen = inode->i_generation;
	if (!parent)
		return LNKFS_FH;
	fid->parent_ino = parent->i_ino;
	fid->parent_gen = parent->i_generation;
	return LNKFS_FH_PARENT;
}

/**
 * lnkfs_iget_handle() - the inode that a handle names
 * @sb: volume
 * @ino: inode number, from wherever
 * @gen: its generation
 *
 * One that has lost its last name is there as long as it is open: an NFS client
 * may go on using what another one removed.
 *
 * Return: the inode, referenced; -ESTALE, or what lnkfs_iget() says.
 */
struct inode *lnkfs_iget_handle(struct super_block *sb, u64 ino, u32 gen)
{
	struct inode *inode;

	if (lnkfs_is_quota_ino(sb, ino))
		return ERR_PTR(-ESTALE);
	inode = ilookup(sb, ino);
	if (!inode)
		inode = lnkfs_iget(sb, ino, 0);
	if (IS_ERR(inode) || inode->i_generation == gen)
		return inode;
	iput(inode);
	return ERR_PTR(-ESTALE);
}

static struct dentry *lnkfs_fh_to_dentry(struct super_block *sb, struct fid *fh, int fh_len,
					 int fh_type)
{
	const struct lnkfs_fid *fid = (void *)fh;

	if ((fh_type != LNKFS_FH && fh_type != LNKFS_FH_PARENT) || fh_len < LNKFS_FH_WORDS)
		return NULL;
	return d_obtain_alias(lnkfs_iget_handle(sb, fid->ino, fid->gen));
}

static struct dentry *lnkfs_fh_to_parent(struct super_block *sb, struct fid *fh, int fh_len,
					 int fh_type)
{
	const struct lnkfs_fid *fid = (void *)fh;

	if (fh_type != LNKFS_FH_PARENT || fh_len < LNKFS_FH_PARENT_WORDS)
		return NULL;
	return d_obtain_alias(lnkfs_iget_handle(sb, fid->parent_ino, fid->parent_gen));
}

/*
 * The child is locked: its parent stays what it is, unless the child has been
 * removed. Then the parent's number may be another inode's.
 */
static struct dentry *lnkfs_get_parent(struct dentry *child)
{
	struct inode *inode = d_inode(child);
	u64 ino = READ_ONCE(LNKFS_I(inode)->ci.parent);
	struct inode *parent;

	if (!inode->i_nlink)
		return ERR_PTR(-ESTALE);
	parent = lnkfs_iget(inode->i_sb, ino, 0);
	if (!IS_ERR(parent) && !S_ISDIR(parent->i_mode)) {
		iput(parent);
		parent = ERR_PTR(lnkfs_report(LNKFS_FS(inode), -EFSCORRUPTED, inode->i_ino, 0,
					      "the parent, inode %llu, is no directory", ino));
	}
	return d_obtain_alias(parent);
}

/* An NFS server promises that what it answered survives. */
static int lnkfs_commit_metadata(struct inode *inode)
{
	if (!LNKFS_SB(inode->i_sb)->journal)
		return 0;
	return lnkfs_sync_tid(inode->i_sb, READ_ONCE(LNKFS_I(inode)->sync_tid));
}

const struct export_operations lnkfs_export_ops = {
	.encode_fh	= lnkfs_encode_fh,
	.fh_to_dentry	= lnkfs_fh_to_dentry,
	.fh_to_parent	= lnkfs_fh_to_parent,
	.get_parent	= lnkfs_get_parent,
	.commit_metadata = lnkfs_commit_metadata,
};
