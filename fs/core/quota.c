// SPDX-License-Identifier: GPL-2.0
/*
 * Quota files: the byte file that the VFS's quota code reads and writes, laid
 * out over blocks that have heads of their own. A quota file grows and never
 * shrinks.
 */
#include "core.h"

/**
 * lnkfs_quota_bytes() - length of a quota file as the quota code sees it
 * @fs: volume
 * @ci: its inode
 */
u64 lnkfs_quota_bytes(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	return (ci->size >> fs->block_bits) * lnkfs_quota_payload(fs);
}

/* Read a block of the file. */
static int quota_bread(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk, lnkfs_buf **buf)
{
	struct lnkfs_ext ext;
	int err;

	err = lnkfs_ext_lookup(fs, ci, lblk, &ext);
	if (err)
		return err;
	if (ext.flags & (LNKFS_EXT_HOLE | LNKFS_EXT_UNWRITTEN))
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, ext.block,
				    "a quota file has a hole at block %llu",
				    (unsigned long long)lblk);
	return lnkfs_bread(fs, ext.block + (lblk - ext.lblk), LNKFS_B_QUOTA, ci->ino, ci->gen,
			   buf);
}

/* The part of [off, off + len) that lies in one block. */
static u32 quota_part(const struct lnkfs_fs *fs, u64 off, u32 len, u64 *lblk, u32 *at)
{
	u32 payload = lnkfs_quota_payload(fs);

	*lblk = div_u64_rem(off, payload, at);
	return min(len, payload - *at);
}

static u8 *quota_data(lnkfs_buf *buf)
{
	struct lnkfs_quota_block *qb = lnkfs_bdata(buf);

	return qb->q_data;
}

/**
 * lnkfs_quota_read() - read from a quota file
 * @fs: volume
 * @ci: its inode
 * @off: first byte, not counting heads of blocks
 * @data: gets the bytes
 * @len: how many, at most LNKFS_QUOTA_BLOCK
 *
 * Return: bytes read, fewer at the end of the file; -EIO, -ENOMEM,
 * -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_quota_read(struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 off, void *data,
		     u32 len)
{
	u64 bytes = lnkfs_quota_bytes(fs, ci);
	u32 done, part, at;
	lnkfs_buf *buf;
	u64 lblk;
	int err;

	if (off >= bytes)
		return 0;
	if (len > bytes - off)
		len = bytes - off;
	for (done = 0; done < len; done += part) {
		part = quota_part(fs, off + done, len - done, &lblk, &at);
		err = quota_bread(fs, ci, lblk, &buf);
		if (err)
			return err;
		memcpy((u8 *)data + done, quota_data(buf) + at, part);
		lnkfs_bput(buf);
	}
	return len;
}

/**
 * lnkfs_quota_check() - are all the quota blocks that are in use in the file?
 * @fs: volume
 * @ci: its inode
 *
 * The VFS asks the same, but of the size that counts the heads of blocks. What it
 * takes for a part of the file is read as zeroes, and when it is written to, it becomes
 * one: that has credits only where an entry is new.
 *
 * Return: 0; -EFSCORRUPTED when they are not, or there is no head; -EIO, -ENOMEM,
 * -EFSBADCRC.
 */
int lnkfs_quota_check(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	struct lnkfs_quota_head head;
	int ret = lnkfs_quota_read(fs, ci, 0, &head, sizeof(head));

	if (ret < 0)
		return ret;
	if (ret < (int)sizeof(head) ||
	    (u64)le32_to_cpu(head.f_blocks) * LNKFS_QUOTA_BLOCK > lnkfs_quota_bytes(fs, ci))
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0, "a quota file is too short");
	return 0;
}

/* One more block at the end of the file, zeroed, with write access. */
static int quota_append(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			lnkfs_buf **buf)
{
	struct lnkfs_ext last, ext = { .lblk = ci->size >> fs->block_bits, .len = 1 };
	u64 goal = lnkfs_ino_block(fs, ci->ino);
	u32 got;
	int err;

	if (ext.lblk) {
		err = lnkfs_ext_lookup(fs, ci, ext.lblk - 1, &last);
		if (err)
			return err;
		if (!(last.flags & LNKFS_EXT_HOLE) && last.block + last.len < lnkfs_blocks(fs))
			goal = last.block + last.len;
	}
	err = lnkfs_balloc(tx, fs, goal, 1, 1, LNKFS_BA_META, &ext.block, &got);
	if (err)
		return err;
	err = lnkfs_bnew(tx, fs, ext.block, LNKFS_B_QUOTA, buf);
	if (err)
		goto free;
	lnkfs_header_init(fs, lnkfs_bdata(*buf), LNKFS_B_QUOTA, ext.block, ci->ino, ci->gen);
	lnkfs_bdirty(tx, fs, *buf);
	err = lnkfs_ext_insert(tx, fs, ci, &ext);
	if (err == -EEXIST)
		err = lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0,
				   "a quota file has blocks past its end");
	if (err) {
		lnkfs_bput(*buf);
		lnkfs_bforget(tx, fs, ext.block);
		goto free;
	}
	ci->size += fs->block_size;
	return 0;
free:
	lnkfs_bfree(tx, fs, ext.block, 1);
	return err;
}

static int quota_bwrite(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 lblk,
			lnkfs_buf **buf)
{
	int err;

	if (lblk > ci->size >> fs->block_bits)
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0,
				    "a write past the end of a quota file");
	if (lblk == ci->size >> fs->block_bits) {
		err = quota_append(tx, fs, ci, buf);
		if (err)
			return err;
	} else {
		err = quota_bread(fs, ci, lblk, buf);
		if (err)
			return err;
	}
	err = lnkfs_baccess(tx, fs, *buf, LNKFS_B_QUOTA);
	if (err)
		lnkfs_bput(*buf);
	return err;
}

/**
 * lnkfs_quota_write() - write to a quota file
 * @tx: transaction, with credits for the blocks touched (a write of
 *	LNKFS_QUOTA_BLOCK bytes: two), and lnkfs_quota_new_credits() for each new one
 *	and, for the way back from an error, lnkfs_quota_new_revokes()
 * @fs: volume
 * @ci: its inode; the caller stores it when its size has changed, also after
 *	an error
 * @off: first byte, not counting heads of blocks; within the file or at its end
 * @data: the bytes
 * @len: how many, at most LNKFS_QUOTA_BLOCK
 *
 * Return: 0; -ENOSPC, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC, maybe with a
 * part written.
 */
int lnkfs_quota_write(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u64 off,
		      const void *data, u32 len)
{
	u32 done, part, at;
	lnkfs_buf *buf;
	u64 lblk;
	int err;

	for (done = 0; done < len; done += part) {
		part = quota_part(fs, off + done, len - done, &lblk, &at);
		err = quota_bwrite(tx, fs, ci, lblk, &buf);
		if (err)
			return err;
		memcpy(quota_data(buf) + at, (const u8 *)data + done, part);
		lnkfs_bdirty(tx, fs, buf);
		lnkfs_bput(buf);
	}
	return 0;
}

/**
 * lnkfs_quota_new_credits() - blocks that one more block of the file may modify
 * @fs: volume
 * @ci: its inode
 *
 * The block itself, its allocation, the tree. The inode's block is not counted.
 */
u32 lnkfs_quota_new_credits(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	return 1 + LNKFS_CREDITS_ALLOC + lnkfs_ext_insert_credits(fs, ci);
}

/**
 * lnkfs_quota_new_revokes() - blocks that lnkfs_quota_write() may free
 * @fs: volume
 * @ci: its inode
 *
 * A new block that the tree does not take, and the nodes that were to take it.
 */
u32 lnkfs_quota_new_revokes(struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	return 1 + lnkfs_ext_revokes(fs, ci, 0);
}
