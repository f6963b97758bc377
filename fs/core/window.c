// SPDX-License-Identifier: GPL-2.0
/*
 * Allocation windows: free blocks behind the last extent of a file that is
 * being written, which the allocator leaves to that file, so that files which
 * grow side by side do not take every other block.
 *
 * A window exists in memory only. The group has a mask of the blocks that are
 * in a window, whosever it is; the owner knows which are its own. Blocks in a
 * window are free in every other respect. Whoever finds no others breaks all
 * windows of the group: the mask goes and the group's count of such events
 * moves on, by which an owner sees that its window is gone.
 */
#include "core.h"

/* Set or clear @len bits of a mask. */
static void fill(void *mask, u32 off, u32 len, bool on)
{
	u32 end = off + len;

	for (; off < end && off % 8; off++) {
		if (on)
			lnkfs_set_bit(off, mask);
		else
			lnkfs_clear_bit(off, mask);
	}
	memset((u8 *)mask + off / 8, on ? 0xff : 0, (end - off) / 8);
	for (off += round_down(end - off, 8); off < end; off++) {
		if (on)
			lnkfs_set_bit(off, mask);
		else
			lnkfs_clear_bit(off, mask);
	}
}

/**
 * lnkfs_windows_break() - blocks in windows become anyone's
 * @fs: volume
 * @group: group number, its lock held
 */
void lnkfs_windows_break(struct lnkfs_fs *fs, u32 group)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);

	if (!g->kept)
		return;
	lnkfs_free(g->kept);
	g->kept = NULL;
	g->kept_blocks = 0;
	g->kept_epoch++;
}

/**
 * lnkfs_windows_trim() - free a mask that says nothing
 * @fs: volume
 * @group: group number, its lock held
 *
 * To be called after lnkfs_window_close().
 */
void lnkfs_windows_trim(struct lnkfs_fs *fs, u32 group)
{
	if (!lnkfs_group(fs, group)->kept_blocks)
		lnkfs_windows_break(fs, group);
}

/**
 * lnkfs_window_close() - give up a window
 * @fs: volume
 * @group: group number, its lock held
 * @w: window, may be closed or in another group: then nothing happens
 */
void lnkfs_window_close(struct lnkfs_fs *fs, u32 group, struct lnkfs_window *w)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);

	if (!w->len || w->group != group)
		return;
	if (w->epoch == g->kept_epoch) {
		fill(g->kept, w->off, w->len, false);
		g->kept_blocks -= w->len;
	}
	w->len = 0;
}

/**
 * lnkfs_window_open() - keep blocks for an inode
 * @fs: volume
 * @group: group number, its lock held
 * @w: window of the inode, closed
 * @off: first block, within the group
 * @len: how many, free and in nobody's window; 0 is fine
 *
 * Without memory for the mask the window stays closed.
 */
void lnkfs_window_open(struct lnkfs_fs *fs, u32 group, struct lnkfs_window *w, u32 off, u32 len)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);

	if (!len)
		return;
	if (!g->kept)
		g->kept = lnkfs_alloc(fs->group_blocks / 8);
	if (!g->kept)
		return;
	fill(g->kept, off, len, true);
	g->kept_blocks += len;
	w->group = group;
	w->off = off;
	w->len = len;
	w->epoch = g->kept_epoch;
}

/**
 * lnkfs_window_drop() - give up a window, wherever it is
 * @fs: volume
 * @w: window; the caller excludes other users of the inode's extent map
 *
 * Takes the group's lock if the window is open.
 */
void lnkfs_window_drop(struct lnkfs_fs *fs, struct lnkfs_window *w)
{
	u32 group = w->group;

	if (!w->len)
		return;
	lnkfs_group_lock(fs, group);
	lnkfs_window_close(fs, group, w);
	lnkfs_windows_trim(fs, group);
	lnkfs_group_unlock(fs, group);
}
