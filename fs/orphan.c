// SPDX-License-Identifier: GPL-2.0
/*
 * Orphans: records without a name, and truncates under way. The orphan map
 * tells recovery in which inode blocks to look for them.
 */
#include <linux/buffer_head.h>
#include "internal.h"
#include "trace.h"

/**
 * lnkfs_orphan_inode() - the inode becomes an orphan in this handle
 * @handle: running handle, with LNKFS_CREDITS_ORPHAN
 * @inode: inode whose link count becomes 0, or that is being truncated
 *
 * Return: 0 or an error with nothing changed.
 */
int lnkfs_orphan_inode(handle_t *handle, struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int err;

	if (li->orphan)
		return 0;
	err = lnkfs_orphan_add(handle, LNKFS_FS(inode), li->ci.ino);
	if (!err) {
		li->orphan = true;
		trace_lnkfs_orphan_add(inode);
	}
	return err;
}

/**
 * lnkfs_orphan_freed() - an orphan's record has been freed
 * @inode: the inode
 *
 * The map's bit is cleared later (lnkfs_orphan_worker()).
 */
void lnkfs_orphan_freed(struct inode *inode)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);

	if (!li->orphan)
		return;
	lnkfs_orphan_del(LNKFS_FS(inode), li->ci.ino);
	li->orphan = false;
	trace_lnkfs_orphan_del(inode);
}

/**
 * lnkfs_unorphan_inode() - an inode may be no orphan any more
 * @inode: its record has been stored in the running handle; it stays an orphan
 *	while it has no link or is being truncated
 */
void lnkfs_unorphan_inode(struct inode *inode)
{
	if (inode->i_nlink && !(LNKFS_I(inode)->ci.lflags & LNKFS_LF_TRUNCATING))
		lnkfs_orphan_freed(inode);
}

/* Clear what can be cleared in one group, one handle a piece. */
static int lnkfs_orphan_clean_group(struct super_block *sb, u32 group)
{
	struct lnkfs_fs *fs = &LNKFS_SB(sb)->fs;
	handle_t *handle;
	u32 from = 0;
	int err, err2;

	do {
		handle = lnkfs_begin(sb, LNKFS_CREDITS_ORPHAN, 0);
		if (IS_ERR(handle))
			return PTR_ERR(handle);
		err = lnkfs_orphan_clean(handle, fs, group, &from, 1024);
		err2 = lnkfs_end(handle);
		cond_resched();
	} while (err > 0 && !err2);
	return err < 0 ? err : err2;
}

/**
 * lnkfs_orphan_flush() - clear every orphan bit that no orphan needs
 * @sbi: volume
 *
 * None, as long as recovery has not looked at all that had one: no count keeps those.
 *
 * Context: may sleep; not in a handle.
 */
void lnkfs_orphan_flush(struct lnkfs_sb_info *sbi)
{
	u32 g;

	if (test_bit(LNKFS_SB_ORPHANS, &sbi->state))
		return;
	for (g = 0; g < lnkfs_groups(&sbi->fs); g++) {
		if (!(READ_ONCE(lnkfs_group(&sbi->fs, g)->flags) & LNKFS_BG_ORPHANS))
			continue;
		if (lnkfs_orphan_clean_group(sbi->sb, g))
			break;
	}
}

/**
 * lnkfs_orphan_worker() - lazy clearing of orphan bits
 * @work: lnkfs_sb_info.orphan_work
 */
void lnkfs_orphan_worker(struct work_struct *work)
{
	struct lnkfs_sb_info *sbi = container_of(to_delayed_work(work),
						 struct lnkfs_sb_info, orphan_work);

	if (!sb_start_intwrite_trylock(sbi->sb)) {
		queue_delayed_work(system_wq, &sbi->orphan_work, 2 * HZ);
		return;
	}
	lnkfs_orphan_flush(sbi);
	sb_end_intwrite(sbi->sb);
}

/* Count one more orphan in a block whose bit is set already. */
static int lnkfs_orphan_pin(struct lnkfs_fs *fs, u64 block)
{
	u32 group = lnkfs_group_of(fs, block);
	int count;

	lnkfs_group_lock(fs, group);
	count = lnkfs_orphan_count(fs, block, 1);
	lnkfs_group_unlock(fs, group);
	return count < 0 ? count : 0;
}

/*
 * One record found in a block with the orphan bit. After mount -o remount,rw the inode may
 * have been an orphan in memory all along; then it is counted. One that was evicted as an
 * orphan left its count behind on purpose, as nothing else kept the bit: it has two now, and
 * the bit stays until the next mount.
 */
static int lnkfs_orphan_recover_one(struct super_block *sb, u64 ino, u32 *freed,
				    u32 *truncated)
{
	struct lnkfs_inode_info *li;
	struct inode *inode;
	int err = 0;

	inode = lnkfs_iget(sb, ino, LNKFS_IL_ORPHAN);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	li = LNKFS_I(inode);
	if (!li->orphan) {
		err = lnkfs_orphan_pin(&LNKFS_SB(sb)->fs,
				       lnkfs_ino_block(&LNKFS_SB(sb)->fs, ino));
		li->orphan = !err;
	}
	if (err) {
		/* Not counted: must not be evicted as an orphan now. */
		make_bad_inode(inode);
		iput(inode);
		return err;
	}
	if (inode->i_nlink) {
		inode_lock(inode);
		err = lnkfs_truncate_blocks(inode, i_size_read(inode));
		inode_unlock(inode);
		(*truncated)++;
	} else {
		(*freed)++;
	}
	iput(inode);
	return err;
}

static int lnkfs_orphan_recover_block(struct super_block *sb, u64 block, u32 *freed,
				      u32 *truncated)
{
	struct lnkfs_fs *fs = &LNKFS_SB(sb)->fs;
	u32 slot, count = 1u << fs->slot_bits;
	const struct lnkfs_inode *rec;
	struct buffer_head *bh;
	int err, ret = 0;

	err = lnkfs_bread(fs, block, LNKFS_B_INODE, 0, 0, &bh);
	if (err)
		return err;
	for (slot = 0; slot < count; slot++) {
		rec = lnkfs_bdata(bh) + slot * LNKFS_SLOT_SIZE;
		if (rec->i_slot.sl_type != LNKFS_SLOT_HEAD)
			continue;
		if (rec->i_nlink &&
		    !(le32_to_cpu(rec->i_lflags) & LNKFS_LF_TRUNCATING))
			continue;
		err = lnkfs_orphan_recover_one(sb, (block << fs->slot_bits) + slot,
					       freed, truncated);
		if (err)
			ret = err;
	}
	lnkfs_bput(bh);
	return ret;
}

/**
 * lnkfs_orphan_recover() - finish deletes and truncates that a crash cut short
 * @sb: volume being mounted read-write, with LNKFS_SB_ORPHANS, so that nothing is cleared
 *	that has not been looked at; also after a clean unmount, as a failed evict may
 *	have left an orphan
 *
 * A damaged record is reported and left to fsck; the mount goes on. So it does when a
 * group's maps cannot be read: no orphan bit is cleared then.
 *
 * Return: 0.
 */
int lnkfs_orphan_recover(struct super_block *sb)
{
	struct lnkfs_sb_info *sbi = LNKFS_SB(sb);
	u32 g, from, freed = 0, truncated = 0;
	bool unseen = false;
	u64 block;
	int err;

	for (g = 0; g < lnkfs_groups(&sbi->fs); g++) {
		if (!(lnkfs_group(&sbi->fs, g)->flags & LNKFS_BG_ORPHANS))
			continue;
		from = 0;
		while (!(err = lnkfs_orphan_next(&sbi->fs, g, &from, &block))) {
			err = lnkfs_orphan_recover_block(sb, block, &freed, &truncated);
			if (err) {
				/* A count without an orphan keeps the bit for the next time. */
				if (lnkfs_orphan_pin(&sbi->fs, block))
					unseen = true;
				pr_warn("lnkfs (%s): an orphan in block %llu could not be recovered (%d)\n",
					sb->s_id, block, err);
			}
			cond_resched();
		}
		if (err != -ENOENT) {
			unseen = true;
			pr_warn("lnkfs (%s): group %u could not be searched for orphans (%d)\n",
				sb->s_id, g, err);
		}
	}
	if (freed || truncated)
		pr_info("lnkfs (%s): %u deleted inodes freed, %u truncates completed\n",
			sb->s_id, freed, truncated);
	if (!unseen)
		clear_bit(LNKFS_SB_ORPHANS, &sbi->state);
	lnkfs_orphan_flush(sbi);
	return 0;
}
