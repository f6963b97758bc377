// SPDX-License-Identifier: GPL-2.0
/*
 * Symlink targets: fast ones in the inode's inline area, slow ones raw in
 * contiguous blocks of their own, with their checksum in the inode.
 */
#include "core.h"
#include "../lnkfs.h"

/**
 * lnkfs_symlink_slots() - slots that a new symlink's record takes
 * @fs: volume
 * @len: bytes of the target, 1..LNKFS_SYMLINK_MAX
 *
 * Return: the smallest record whose inline area holds the target, or 0 when
 * the target has to be kept outside (a slow symlink, in a record of 1 slot).
 */
u32 lnkfs_symlink_slots(const struct lnkfs_fs *fs, u32 len)
{
	/* The target and the NUL after it. */
	return len > fs->fast_max ? 0 : lnkfs_xattr_slots(fs, len + 1, 0);
}

/**
 * lnkfs_symlink_set_fast() - put a target into the inode
 * @ci: symlink with room for the target (lnkfs_symlink_slots())
 * @target: its bytes, none of them NUL; need not be terminated
 * @len: how many, 1..LNKFS_SYMLINK_MAX
 *
 * Sets the fork and the size. The caller stores the inode.
 */
void lnkfs_symlink_set_fast(struct lnkfs_cinode *ci, const char *target, u32 len)
{
	memcpy(ci->area, target, len);
	memset(ci->area + len, 0, lnkfs_fork_room(ci) - len);
	ci->fork = LNKFS_FORK_FAST_LINK;
	ci->fork_len = len;
	ci->size = len;
}

/**
 * lnkfs_symlink_checksum() - checksum of a target outside of the inode
 * @fs: volume
 * @ci: symlink with its number and generation set
 * @target: its bytes
 * @len: how many
 */
u32 lnkfs_symlink_checksum(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
			   const char *target, u32 len)
{
	__le64 ino = cpu_to_le64(ci->ino);
	__le32 gen = cpu_to_le32(ci->gen);
	u32 crc = fs->csum_seed;

	crc = lnkfs_crc32c(crc, &ino, sizeof(ino));
	crc = lnkfs_crc32c(crc, &gen, sizeof(gen));
	return lnkfs_crc32c(crc, target, len);
}

/* Write one block of the body: @len bytes of text, zeroes to its end. */
static int write_body(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, const char *text,
		      u32 len)
{
	lnkfs_buf *buf;
	int err;

	err = lnkfs_bnew(tx, fs, block, LNKFS_B_RAW, &buf);
	if (err)
		return err;
	memcpy(lnkfs_bdata(buf), text, len);
	lnkfs_bdirty(tx, fs, buf);
	lnkfs_bput(buf);
	return 0;
}

/**
 * lnkfs_symlink_set_slow() - put a target into blocks of its own
 * @tx: transaction with LNKFS_CREDITS_SLOW_LINK and LNKFS_REVOKES_SLOW_LINK
 * @fs: volume
 * @ci: new symlink with its number and generation set
 * @target: its bytes, none of them NUL; need not be terminated
 * @len: how many, 1..LNKFS_SYMLINK_MAX
 *
 * Sets the fork, the size and the block count. The caller stores the inode.
 *
 * Return: 0; -ENOSPC when there are not enough adjacent free blocks; -EIO,
 * -ENOMEM, -EFSCORRUPTED, -EFSBADCRC. On an error @ci is unchanged.
 */
int lnkfs_symlink_set_slow(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			   const char *target, u32 len)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	u32 count = (len + fs->block_size - 1) >> fs->block_bits;
	u32 got, i;
	u64 first;
	int err;

	err = lnkfs_balloc(tx, fs, lnkfs_ino_block(fs, ci->ino), count, count, 0,
			   &first, &got);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		u32 from = i << fs->block_bits;
		u32 part = len - from < fs->block_size ? len - from : fs->block_size;

		err = write_body(tx, fs, first + i, target + from, part);
		if (err)
			goto undo;
	}

	memset(ci->area, 0, lnkfs_fork_room(ci));
	sl->l_block = cpu_to_le64(first);
	sl->l_blocks = cpu_to_le32(count);
	sl->l_checksum = cpu_to_le32(lnkfs_symlink_checksum(fs, ci, target, len));
	ci->fork = LNKFS_FORK_SLOW_LINK;
	ci->fork_len = sizeof(*sl);
	ci->size = len;
	ci->blocks += count;
	return 0;

undo:
	while (i--)
		lnkfs_bforget(tx, fs, first + i);
	lnkfs_bfree(tx, fs, first, count);
	return err;
}

/**
 * lnkfs_symlink_read_slow() - read the target of a slow symlink
 * @fs: volume
 * @ci: symlink that passed lnkfs_inode_check()
 * @target: room for @ci->size + 1 bytes; the target, NUL-terminated
 *
 * Return: 0; -EFSBADCRC or -EFSCORRUPTED (a NUL inside) when the body is not
 * the one that was written; -EIO, -ENOMEM.
 */
int lnkfs_symlink_read_slow(struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, char *target)
{
	const struct lnkfs_slow_link *sl = (const void *)ci->area;
	u64 block = le64_to_cpu(sl->l_block);
	u32 len = ci->size;
	u32 from, part;
	lnkfs_buf *buf;
	int err;

	for (from = 0; from < len; from += part) {
		part = len - from < fs->block_size ? len - from : fs->block_size;
		err = lnkfs_bread(fs, block + (from >> fs->block_bits), LNKFS_B_RAW,
				  ci->ino, ci->gen, &buf);
		if (err)
			return err;
		memcpy(target + from, lnkfs_bdata(buf), part);
		lnkfs_bput(buf);
	}
	target[len] = 0;
	if (lnkfs_symlink_checksum(fs, ci, target, len) != le32_to_cpu(sl->l_checksum))
		return lnkfs_report(fs, -EFSBADCRC, ci->ino, block,
				    "bad checksum of a symlink's target");
	if (memchr(target, 0, len))
		return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, block,
				    "NUL in a symlink's target");
	return 0;
}

/**
 * lnkfs_symlink_free_slow() - free the body of a slow symlink
 * @tx: transaction with LNKFS_CREDITS_FREE and LNKFS_REVOKES_SLOW_LINK
 * @fs: volume
 * @ci: symlink with link count 0
 *
 * The symlink is left without a fork, which lnkfs_inode_check() accepts only
 * of one with no links; the caller stores the record or frees it.
 *
 * Return: 0; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC. While @ci->fork is not
 * LNKFS_FORK_NONE the symlink is as it was; else the journal has failed.
 */
int lnkfs_symlink_free_slow(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	u64 first = le64_to_cpu(sl->l_block);
	u32 count = le32_to_cpu(sl->l_blocks);
	u32 i;
	int err;

	err = lnkfs_bfreeable(fs, first, count, LNKFS_B_RAW, ci->ino, ci->gen);
	if (err)
		return err;
	/*
	 * Free first: should that fail, the body is still whole. Nobody can take
	 * the blocks before this transaction has committed.
	 */
	err = lnkfs_bfree(tx, fs, first, count);
	if (err)
		return err;
	memset(sl, 0, sizeof(*sl));
	ci->fork = LNKFS_FORK_NONE;
	ci->fork_len = 0;
	ci->size = 0;
	ci->blocks -= min_t(u64, count, ci->blocks);
	for (i = 0; i < count && !err; i++)
		err = lnkfs_bforget_unread(tx, fs, first + i, LNKFS_B_RAW, ci->ino, ci->gen);
	return err;
}

static const struct lnkfs_xattr_key link_key = { .space = LNKFS_XATTR_LINK, .name = "" };

/**
 * lnkfs_link_attr_sound() - does the attribute of a symlink make sense?
 * @fs: volume
 * @la: the attribute
 *
 * Whether the inode exists is not asked: it may be gone, and the volume may have
 * become smaller since.
 */
bool lnkfs_link_attr_sound(const struct lnkfs_fs *fs, const struct lnkfs_link_attr *la)
{
	if (la->la_kind >= LNKFS_LINK_KINDS || la->la_pad || (!la->la_kind && !la->la_flags))
		return false;
	if (!la->la_flags)
		return !la->la_gen && !la->la_ino;
	/* What is on another computer is no inode of this volume. */
	if (la->la_kind == LNKFS_LINK_REMOTE)
		return false;
	return !(la->la_flags & ~(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST)) &&
	       (la->la_flags & LNKFS_LINK_TRACKED) && la->la_gen && la->la_ino &&
	       lnkfs_ino_block(fs, le64_to_cpu(la->la_ino)) < LNKFS_MAX_BLOCKS;
}

/**
 * lnkfs_link_text_sound() - can a link of a kind have this text?
 * @kind: LNKFS_LINK_PLAIN to _REMOTE
 * @flags: LNKFS_LINK_TRACKED, _PATH_FIRST
 * @text: the target
 * @len: its length
 */
bool lnkfs_link_text_sound(u32 kind, u32 flags, const char *text, u32 len)
{
	if (kind == LNKFS_LINK_JUNCTION && text[0] != '/')
		return false;
	if (kind == LNKFS_LINK_REMOTE && !lnkfs_remote_sound(text, len))
		return false;
	return !(flags & LNKFS_LINK_PATH_FIRST) || text[0] != '/';
}

/**
 * lnkfs_link_attr_get() - read the attribute of a symlink
 * @fs: volume
 * @ci: symlink
 * @la: gets it; all 0 of a plain one
 *
 * Context: as lnkfs_xattr_get().
 * Return: 0; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_link_attr_get(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			struct lnkfs_link_attr *la)
{
	int ret;

	memset(la, 0, sizeof(*la));
	if (!(ci->lflags & LNKFS_LF_LINK))
		return 0;
	ret = lnkfs_xattr_get(fs, ci, &link_key, la, sizeof(*la));
	if (ret == sizeof(*la) && lnkfs_link_attr_sound(fs, la))
		return 0;
	memset(la, 0, sizeof(*la));
	if (ret < 0 && ret != -ENODATA && ret != -ERANGE)
		return ret;
	return lnkfs_report(fs, -EFSCORRUPTED, ci->ino, 0, "bad attribute of a symlink");
}

/**
 * lnkfs_link_attr_set() - set or remove the attribute of a symlink
 * @tx: transaction with lnkfs_xattr_set_credits() for a value of its size
 * @fs: volume
 * @ci: symlink
 * @la: the attribute, sound; NULL: of a plain one
 *
 * Context: as lnkfs_xattr_set(); the caller stores the inode.
 * Return: as lnkfs_xattr_set(). On an error nothing has changed.
 */
int lnkfs_link_attr_set(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			const struct lnkfs_link_attr *la)
{
	int err = lnkfs_xattr_set(tx, fs, ci, &link_key, la, la ? sizeof(*la) : 0, 0);

	return !la && err == -ENODATA ? 0 : err;
}
