// SPDX-License-Identifier: GPL-2.0
/*
 * The small services of the host interface: locks, space, orphan counts,
 * memory, random numbers, reports and bitmaps. See fs/core/host.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "volume.h"

u32 lnkfs_fault_alloc;
u64 lnkfs_random_state;

/**
 * lnkfs_misuse() - the core broke the host's rules
 * @v: volume
 * @what: which
 * @block: block concerned
 */
void lnkfs_misuse(struct lnkfs_volume *v, const char *what, u64 block)
{
	v->misuses++;
	if (!v->quiet || v->strict)
		fprintf(stderr, "lnkfs: %s (block %llu)\n", what, (unsigned long long)block);
	if (v->strict)
		abort();
}

/**
 * lnkfs_lock_init() - a lock nobody holds
 * @lock: lock
 */
void lnkfs_lock_init(lnkfs_lock_t *lock)
{
	lock->held = false;
}

static void take_lock(struct lnkfs_fs *fs, lnkfs_lock_t *lock)
{
	if (lock->held)
		lnkfs_misuse(lnkfs_volume_of(fs), "group locked twice", 0);
	lock->held = true;
}

static void drop_lock(struct lnkfs_fs *fs, lnkfs_lock_t *lock)
{
	if (!lock->held)
		lnkfs_misuse(lnkfs_volume_of(fs), "group unlocked twice", 0);
	lock->held = false;
}

/**
 * lnkfs_group_lock() - lock a group
 * @fs: volume
 * @group: group number
 */
void lnkfs_group_lock(struct lnkfs_fs *fs, u32 group)
{
	take_lock(fs, &fs->group[group].lock);
}

/**
 * lnkfs_group_unlock() - unlock a group
 * @fs: volume
 * @group: group number
 */
void lnkfs_group_unlock(struct lnkfs_fs *fs, u32 group)
{
	drop_lock(fs, &fs->group[group].lock);
}

/**
 * lnkfs_names_lane() - lock and more of the back references of a group
 * @fs: volume
 * @group: group number
 */
struct lnkfs_names_lane *lnkfs_names_lane(struct lnkfs_fs *fs, u32 group)
{
	return &lnkfs_volume_of(fs)->lanes[group % LNKFS_NAMES_LANES];
}

/**
 * lnkfs_names_lock() - lock the back references of a group
 * @fs: volume
 * @group: group number, not locked
 */
void lnkfs_names_lock(struct lnkfs_fs *fs, u32 group)
{
	if (fs->group[group].lock.held)
		lnkfs_misuse(lnkfs_volume_of(fs), "back references locked after the group", 0);
	take_lock(fs, &lnkfs_names_lane(fs, group)->lock);
}

/**
 * lnkfs_names_unlock() - unlock the back references of a group
 * @fs: volume
 * @group: group number
 */
void lnkfs_names_unlock(struct lnkfs_fs *fs, u32 group)
{
	drop_lock(fs, &lnkfs_names_lane(fs, group)->lock);
}

/**
 * lnkfs_space_take() - account for blocks about to be allocated
 * @fs: volume
 * @blocks: how many
 * @flags: LNKFS_BA_*; a tool has neither reservations nor a reserve
 */
int lnkfs_space_take(struct lnkfs_fs *fs, u32 blocks, unsigned int flags)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);

	(void)flags;
	if (lnkfs_fault_hit(v, v->fault.space) || v->free_blocks < blocks)
		return -ENOSPC;
	v->free_blocks -= blocks;
	return 0;
}

/**
 * lnkfs_space_untake() - undo lnkfs_space_take()
 * @fs: volume
 * @blocks: how many
 * @flags: the same
 */
void lnkfs_space_untake(struct lnkfs_fs *fs, u32 blocks, unsigned int flags)
{
	(void)flags;
	lnkfs_volume_of(fs)->free_blocks += blocks;
}

static int keep_busy(struct lnkfs_volume *v, u32 group, u32 start, u32 len)
{
	struct lnkfs_group *g = &v->fs.group[group];
	u32 i;

	if (v->nr_freed == v->max_freed) {
		u32 max = v->max_freed ? v->max_freed * 2 : 64;
		struct lnkfs_freed *p = realloc(v->freed, max * sizeof(*p));

		if (!p)
			return -ENOMEM;
		v->freed = p;
		v->max_freed = max;
	}
	if (!g->busy) {
		g->busy = calloc(1, v->fs.group_blocks / 8);
		if (!g->busy)
			return -ENOMEM;
	}
	for (i = start; i < start + len; i++)
		lnkfs_set_bit(i, g->busy);
	g->busy_blocks += len;
	v->freed[v->nr_freed++] = (struct lnkfs_freed){ group, start, len };
	return 0;
}

/**
 * lnkfs_space_freed() - account for blocks about to be freed
 * @tx: transaction
 * @fs: volume
 * @group: their group
 * @start: first, within the group
 * @len: how many
 */
int lnkfs_space_freed(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 start, u32 len)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);

	(void)tx;
	if (!fs->group[group].lock.held)
		lnkfs_misuse(v, "blocks freed without the group's lock", start);
	if (lnkfs_fault_hit(v, v->fault.freed))
		return -ENOMEM;
	if (v->busy)
		return keep_busy(v, group, start, len);
	v->free_blocks += len;
	return 0;
}

/**
 * lnkfs_volume_commit() - what a journal commit does: freed blocks may be used
 * @v: volume
 */
void lnkfs_volume_commit(struct lnkfs_volume *v)
{
	u32 i, bit;

	for (i = 0; i < v->nr_freed; i++) {
		const struct lnkfs_freed *f = &v->freed[i];
		struct lnkfs_group *g = &v->fs.group[f->group];

		for (bit = f->start; bit < f->start + f->len; bit++)
			lnkfs_clear_bit(bit, g->busy);
		g->busy_blocks -= f->len;
		v->free_blocks += f->len;
		if (!g->busy_blocks) {
			free(g->busy);
			g->busy = NULL;
		}
	}
	v->nr_freed = 0;
}

/**
 * lnkfs_inode_count() - keep the volume's inode figures
 * @fs: volume
 * @inodes: change of the number of records
 * @free_slots: change of the number of free slots
 */
void lnkfs_inode_count(struct lnkfs_fs *fs, int inodes, int free_slots)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);

	v->inodes += inodes;
	v->free_slots += free_slots;
}

/**
 * lnkfs_orphan_count() - change the count of orphans in an inode block
 * @fs: volume
 * @block: inode block
 * @delta: change
 *
 * Return: new count, or -ENOMEM.
 */
int lnkfs_orphan_count(struct lnkfs_fs *fs, u64 block, int delta)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);
	struct lnkfs_ocount **p, *o;
	int count;

	if (delta > 0 && lnkfs_fault_hit(v, v->fault.orphan))
		return -ENOMEM;
	for (p = &v->orphans[block % LNKFS_OHASH]; *p; p = &(*p)->next)
		if ((*p)->block == block)
			break;
	o = *p;
	count = (o ? o->count : 0) + delta;
	if (count < 0) {
		lnkfs_misuse(v, "orphan count below zero", block);
		return 0;
	}
	if (!count) {
		if (o) {
			*p = o->next;
			free(o);
			v->idle_orphan_blocks++;
		}
		return 0;
	}
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return -ENOMEM;
		o->block = block;
		*p = o;
	}
	o->count = count;
	return count;
}

/**
 * lnkfs_orphan_idle() - has an inode block no counted orphan?
 * @fs: volume
 * @block: inode block
 */
bool lnkfs_orphan_idle(struct lnkfs_fs *fs, u64 block)
{
	const struct lnkfs_ocount *o;

	for (o = lnkfs_volume_of(fs)->orphans[block % LNKFS_OHASH]; o; o = o->next)
		if (o->block == block)
			return false;
	return true;
}

/**
 * lnkfs_orphans_free() - forget all counts
 * @v: volume
 */
void lnkfs_orphans_free(struct lnkfs_volume *v)
{
	struct lnkfs_ocount *o;
	u32 i;

	for (i = 0; i < LNKFS_OHASH; i++) {
		while ((o = v->orphans[i])) {
			v->orphans[i] = o->next;
			free(o);
		}
	}
}

/**
 * lnkfs_alloc() - zeroed memory
 * @bytes: how much
 */
void *lnkfs_alloc(size_t bytes)
{
	if (lnkfs_fault_alloc && !--lnkfs_fault_alloc)
		return NULL;
	return calloc(1, bytes);
}

/**
 * lnkfs_free() - give memory back
 * @p: from lnkfs_alloc(), or NULL
 */
void lnkfs_free(void *p)
{
	free(p);
}

/**
 * lnkfs_random32() - a random number
 */
u32 lnkfs_random32(void)
{
	u32 x;

	if (lnkfs_random_state) {
		lnkfs_random_state ^= lnkfs_random_state << 13;
		lnkfs_random_state ^= lnkfs_random_state >> 7;
		lnkfs_random_state ^= lnkfs_random_state << 17;
		return (u32)(lnkfs_random_state >> 16);
	}
	while (getrandom(&x, sizeof(x), 0) != sizeof(x))
		if (errno != EINTR)
			abort();
	return x;
}

/**
 * lnkfs_stamp() - a time in the on-disk unit
 * @ts: a time that the format can hold
 */
u64 lnkfs_stamp(const struct timespec *ts)
{
	return ((u64)ts->tv_sec - (u64)LNKFS_EPOCH) * 1000000000ULL + (u64)ts->tv_nsec;
}

/**
 * lnkfs_now() - the time of day in the on-disk unit
 */
u64 lnkfs_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return lnkfs_stamp(&ts);
}

/**
 * lnkfs_report() - say that something is wrong with the volume
 * @fs: volume
 * @err: negative error number
 * @ino: inode concerned, or 0
 * @block: block concerned, or 0
 * @fmt: what
 *
 * Return: @err.
 */
int lnkfs_report(struct lnkfs_fs *fs, int err, u64 ino, u64 block, const char *fmt, ...)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);
	char text[256];
	va_list ap;

	v->reports++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (v->report)
		v->report(v->report_ctx, err, ino, block, text);
	else if (!v->quiet)
		fprintf(stderr, "lnkfs: inode %llu, block %llu: %s (%s)\n",
			(unsigned long long)ino, (unsigned long long)block, text, strerror(-err));
	return err;
}

static u64 find_bit(const void *le_bits, u64 size, u64 from, u64 flip)
{
	const __le64 *words = le_bits;
	u64 word;

	while (from < size) {
		word = (le64_to_cpu(words[from / 64]) ^ flip) & ~0ULL << from % 64;
		if (word)
			return min_t(u64, size, (from & ~63ULL) + (u64)__builtin_ctzll(word));
		from = (from & ~63ULL) + 64;
	}
	return size;
}

/**
 * lnkfs_find_next_bit() - first bit set, or @size
 * @le_bits: bitmap, 8-byte aligned and a multiple of 8 bytes long
 * @size: bits
 * @from: first to look at
 */
u64 lnkfs_find_next_bit(const void *le_bits, u64 size, u64 from)
{
	return find_bit(le_bits, size, from, 0);
}

/**
 * lnkfs_find_next_zero_bit() - first bit clear, or @size
 * @le_bits: bitmap, 8-byte aligned and a multiple of 8 bytes long
 * @size: bits
 * @from: first to look at
 */
u64 lnkfs_find_next_zero_bit(const void *le_bits, u64 size, u64 from)
{
	return find_bit(le_bits, size, from, ~0ULL);
}
