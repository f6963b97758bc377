/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host interface: all that the core asks of the world.
 *
 * The kernel host (fs/host_kernel.h) implements it on buffer heads and jbd2,
 * the userspace host (tools/lib/host_user.h) on pread/pwrite with a write-back
 * cache. Both supply these as static inlines or functions:
 *
 * Blocks
 *   int lnkfs_bread(fs, block, type, owner, gen, buf **out)
 *	Read a metadata block, verify it once per disk read (lnkfs_verify_block)
 *	and its header's owner and generation every time. For LNKFS_B_INODE a
 *	block with a bad record is returned all the same (the reader checks its
 *	own record with lnkfs_verify_record() when lnkfs_bbad() says so).
 *	0, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 *   int lnkfs_bread_cached(fs, block, type, owner, gen, buf **out)
 *	lnkfs_bread() of a block that is in memory and has been verified;
 *	-EAGAIN when it is not. Does not sleep.
 *   bool lnkfs_bthere(fs, block)
 *	Is the block in memory? Does not sleep.
 *   void lnkfs_bahead(fs, block, count)
 *	These blocks are likely to be read, whatever they are: begin to read those
 *	not in memory. May do nothing, and then lnkfs_bthere() may always be true.
 *   int lnkfs_bnew(tx, fs, block, type, buf **out)
 *	A buffer for a block just allocated, zeroed, never read from disk, with
 *	write access in @tx. The caller fills it (lnkfs_header_init) and must
 *	call lnkfs_bdirty() even when it changes its mind.
 *	-EFSCORRUPTED when it is known to be in use.
 *   int lnkfs_baccess(tx, fs, buf, type)
 *	Declare that the block is about to be modified. Refused with
 *	-EFSBADCRC for an inode block that has a bad record.
 *   void lnkfs_bdirty(tx, fs, buf)
 *	The block was modified (to be called after every successful baccess).
 *	A failure aborts the journal; there is nothing left to report here.
 *   int lnkfs_bfreeable(fs, block, count, type, owner, gen)
 *	To be asked before blocks are freed that have not been read as what they
 *	should be: -EFSCORRUPTED when one is in memory as something else. May be 0
 *	always where there are no other writers.
 *   int lnkfs_bforget(tx, fs, block)
 *	The metadata block is being freed: revoke it and drop its contents. In
 *	the transaction of its lnkfs_bfree() and after it, unless it was allocated
 *	in the same one: the block stays busy until that commits. One that cannot be
 *	freed is not forgotten: on a crafted volume its bit is clear and it is not
 *	busy, and lnkfs_bnew() has to find that it is in use. The caller has put its
 *	own reference.
 *   int lnkfs_bforget_unread(tx, fs, block, type, owner, gen)
 *	The same for blocks that lnkfs_bfreeable() was asked of: one that has become
 *	something else since is left alone, and the journal is aborted.
 *   void *lnkfs_bdata(buf), u64 lnkfs_bblock(buf), bool lnkfs_bbad(buf)
 *   bool lnkfs_bsame(fs, buf, type, owner, gen)
 *	Is a block that lnkfs_bread() gave some time ago still the same: verified, and
 *	not freed meanwhile? Does not report.
 *   void lnkfs_bput(buf)		NULL is fine
 *   void lnkfs_bget(buf)		one more reference
 *
 * Groups
 *   lnkfs_group_table	what lnkfs_fs.group is
 *   struct lnkfs_group *lnkfs_group(fs, group)
 *	State of a group below lnkfs_groups(fs). It stays where it is when more
 *	groups come.
 *
 * Locks
 *   void lnkfs_lock_init(lnkfs_lock_t *)
 *   void lnkfs_group_lock(fs, group), lnkfs_group_unlock(fs, group)
 *   struct lnkfs_names_lane *lnkfs_names_lane(fs, group)
 *	The one of LNKFS_NAMES_LANES that the group shares with others, always the same.
 *   void lnkfs_names_lock(fs, group), lnkfs_names_unlock(fs, group)
 *	Lock of the lane, that is of the group's back references; taken before any
 *	group's lock.
 *
 * Space (called under the group's lock)
 *   int lnkfs_space_take(fs, blocks, flags)
 *	May @blocks be allocated (LNKFS_BA_*)? 0 and they are accounted for,
 *	-ENOSPC, or -EDQUOT. Called before the bitmap changes.
 *   void lnkfs_space_untake(fs, blocks, flags)	undo
 *   void lnkfs_space_used(fs, group, start, len)
 *	Blocks (numbered within the group) have been allocated. For tracing.
 *   int lnkfs_space_freed(tx, fs, group, start, len)
 *	The blocks (numbered within the group) were freed in @tx: make them busy
 *	(group->busy, group->busy_blocks) until @tx has committed. Called before
 *	the bitmap changes; -ENOMEM leaves all as it was.
 *   void lnkfs_inode_count(fs, inodes, free_slots)	deltas for statfs
 *
 * Orphans: in-memory count of orphans per inode block
 *   int lnkfs_orphan_count(fs, block, delta)
 *	New count, or -ENOMEM. At 0 the host arranges for lnkfs_orphan_clean().
 *   bool lnkfs_orphan_idle(fs, block)	no count is held for the block
 *
 * Others
 *   void *lnkfs_alloc(size_t), void lnkfs_free(void *)	zeroed; GFP_NOFS
 *   u32 lnkfs_random32(void)
 *   u32 lnkfs_crc32c(u32 crc, const void *data, size_t len)	raw: no inversion
 *   u64 lnkfs_siphash(const u8 key[16], const void *data, size_t len)
 *   lnkfs_report(fs, err, ino, block, fmt, ...)
 *	A corruption or I/O error was detected: log it (rate-limited), record it
 *	and act as errors= says. Evaluates to err.
 *   u64 lnkfs_find_next_bit(const void *le_bits, u64 size, u64 from), same for
 *	_zero_bit; int lnkfs_test_bit(u32 nr, const void *le_bits),
 *	void lnkfs_set_bit(), void lnkfs_clear_bit(): little-endian bitmaps, from
 *	byte 64 of a block on (8-byte aligned)
 */
#ifndef LNKFS_HOST_H
#define LNKFS_HOST_H

#ifdef __KERNEL__
#include "../host_kernel.h"
#else
#include "host_user.h"
#endif

#endif /* LNKFS_HOST_H */
