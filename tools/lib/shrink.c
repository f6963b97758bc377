// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller. Everything past the new end goes to a place before
 * it, step by step, each step a transaction that leaves a consistent volume of
 * the old size; then the end is cut off, in one more. Nothing is allocated past
 * the new end meanwhile (lnkfs_fs.alloc_end), and nothing that is free again is
 * overwritten before that is durable, so that what a step has left can always be
 * read.
 */
#include <stdlib.h>

#include "journal.h"
#include "shrink.h"

/**
 * lnkfs_shrink_room() - make room for one more element
 * @array: where they are, or NULL
 * @nr: how many there are
 * @max: room for how many
 * @size: of one
 *
 * Return: the array, perhaps elsewhere; NULL without memory, and it is as it was.
 */
void *lnkfs_shrink_room(void *array, size_t nr, size_t *max, size_t size)
{
	size_t room = *max ? *max : 512;
	void *more;

	if (nr < *max)
		return array;
	while (room <= nr)
		room *= 2;
	more = reallocarray(array, room, size);
	if (more)
		*max = room;
	return more;
}

static u64 key_of(const void *element)
{
	u64 key;

	memcpy(&key, element, sizeof(key));
	return key;
}

static int by_key(const void *a, const void *b)
{
	u64 x = key_of(a), y = key_of(b);

	return x < y ? -1 : x > y;
}

/**
 * lnkfs_shrink_sort() - sort elements by their keys
 * @array: elements, each of which begins with a u64, its key
 * @nr: how many
 * @size: of one
 */
void lnkfs_shrink_sort(void *array, size_t nr, size_t size)
{
	if (nr)
		qsort(array, nr, size, by_key);
}

/**
 * lnkfs_shrink_find() - the first element with a key
 * @array: elements as lnkfs_shrink_sort() leaves them
 * @nr: how many
 * @size: of one
 * @key: the key
 *
 * Return: its place, or where it would be.
 */
size_t lnkfs_shrink_find(const void *array, size_t nr, size_t size, u64 key)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (key_of((const u8 *)array + mid * size) < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * lnkfs_shrink_moved() - say how far it is
 * @s: change of size
 * @blocks: blocks that have been moved
 */
void lnkfs_shrink_moved(struct lnkfs_shrink *s, u64 blocks)
{
	s->done += blocks;
	if (s->r->progress && s->total)
		s->r->progress(min(s->done, s->total), s->total);
}

/* The backups of the superblock in the first groups. */
static int write_backups(struct lnkfs_shrink *s, u32 groups)
{
	struct lnkfs_super_block *copy;
	lnkfs_buf *buf;
	u32 group;
	int err = 0;

	for (group = 1; group < groups && !err; group++) {
		if (!lnkfs_group_has_super(group))
			continue;
		err = lnkfs_bnew(&s->tx, s->fs, lnkfs_group_first(s->fs, group), LNKFS_B_RAW, &buf);
		if (err)
			break;
		copy = lnkfs_bdata(buf);
		*copy = s->v->sb;
		copy->s_blocknr = cpu_to_le64(lnkfs_bblock(buf));
		lnkfs_super_seal(copy);
		lnkfs_bdirty(&s->tx, s->fs, buf);
		lnkfs_bput(buf);
	}
	return err;
}

/**
 * lnkfs_shrink_commit() - make durable what has been done
 * @s: change of size, between two steps
 *
 * Return: 0 or an error.
 */
int lnkfs_shrink_commit(struct lnkfs_shrink *s)
{
	int err;

	lnkfs_tx_begin(&s->tx, s->v, 0);
	err = lnkfs_shrink_quota(s);
	if (!err && s->super)
		err = write_backups(s, s->fs->groups);
	lnkfs_tx_end(&s->tx);
	if (!err)
		err = lnkfs_log_commit(&s->r->log, s->v, s->super);
	s->super = false;
	return err;
}

/**
 * lnkfs_shrink_step() - a step is complete: commit if it is time to
 * @s: change of size
 *
 * Return: 0 or an error.
 */
int lnkfs_shrink_step(struct lnkfs_shrink *s)
{
	u32 batch = s->r->batch ? s->r->batch : lnkfs_log_room(&s->r->log) / 2;

	return s->v->dirty > batch ? lnkfs_shrink_commit(s) : 0;
}

/* ---- the journal ---- */

/* A group before the end with room for the journal, or for a shorter one. */
static u32 journal_group(const struct lnkfs_shrink *s, u32 *len)
{
	u32 last = lnkfs_group_of(s->fs, s->end - 1), group, best = 0;

	for (group = 0; group <= last; group++) {
		if (s->longest[group] >= *len)
			return group;
		if (s->longest[group] > s->longest[best])
			best = group;
	}
	*len = min(*len, s->longest[best]);
	return best;
}

/* Blocks for the journal, which belong to nobody until it is there. */
static int take_journal(struct lnkfs_shrink *s, u32 *len, u64 *start)
{
	u32 group = journal_group(s, len), off, got;
	int err;

	lnkfs_tx_begin(&s->tx, s->v, 0);
	lnkfs_group_lock(s->fs, group);
	err = lnkfs_balloc_locked(&s->tx, s->fs, group, 0, *len, *len, 0, &off, &got);
	lnkfs_group_unlock(s->fs, group);
	lnkfs_tx_end(&s->tx);
	*start = lnkfs_group_first(s->fs, group) + off;
	return err;
}

/* Make the volume use another place for its journal, in one write. */
static int switch_journal(struct lnkfs_shrink *s, u64 start, u32 len)
{
	struct lnkfs_volume *v = s->v;
	const char *why;
	int err;

	s->fs->journal_start = start;
	s->fs->journal_blocks = len;
	err = lnkfs_journal_format(v);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	v->sb.s_journal_start = cpu_to_le64(start);
	v->sb.s_journal_blocks = cpu_to_le32(len);
	if (!err)
		err = lnkfs_volume_write_super(v, false);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	lnkfs_log_free(&s->r->log);
	if (!err)
		err = lnkfs_log_open(&s->r->log, &v->dev, start << s->fs->block_bits,
				     len - s->fs->fast_blocks, s->fs->block_size, &why);
	return err;
}

/*
 * A log cannot say of itself that it is elsewhere. Until all is done the volume
 * says that it should be checked: the blocks of one of the two places are in use
 * without an owner.
 */
static int move_journal(struct lnkfs_shrink *s)
{
	u64 old = s->fs->journal_start, new;
	u32 old_len = s->fs->journal_blocks, len = old_len;
	int err;

	if (!old_len || old + old_len <= s->end)
		return 0;
	err = take_journal(s, &len, &new);
	if (err)
		return err;
	s->v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN | LNKFS_STATE_ERROR);
	s->super = true;
	err = lnkfs_shrink_commit(s);
	if (!err)
		err = switch_journal(s, new, len);
	if (err)
		return err;
	lnkfs_tx_begin(&s->tx, s->v, 0);
	err = lnkfs_bfree(&s->tx, s->fs, old, old_len);
	lnkfs_tx_end(&s->tx);
	s->v->sb.s_state = cpu_to_le16(LNKFS_STATE_CLEAN);
	s->super = true;
	return err ? err : lnkfs_shrink_commit(s);
}

/* ---- the end ---- */

/* Empty inode blocks are kept, one cluster a group: not past the end. */
static int drop_inode_blocks(struct lnkfs_shrink *s)
{
	u32 group = lnkfs_group_of(s->fs, s->end), off, size;
	struct lnkfs_group *grp;
	const u8 *map;
	lnkfs_buf *buf;
	u32 before;
	int err;

	if (group >= s->fs->groups)
		return 0;
	grp = lnkfs_group(s->fs, group);
	if (grp->flags & LNKFS_BG_INODE_UNINIT)
		return 0;
	size = lnkfs_group_size(s->fs, group);
	off = (u32)(s->end - lnkfs_group_first(s->fs, group));
	for (; off < size; off++) {
		err = lnkfs_bread(s->fs, lnkfs_group_map_block(s->fs, group, LNKFS_B_IMAP),
				  LNKFS_B_IMAP, group, 0, &buf);
		if (err)
			return err;
		map = (u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER;
		off = (u32)lnkfs_find_next_bit(map, size, off);
		lnkfs_bput(buf);
		if (off >= size)
			break;
		before = grp->inode_blocks;
		lnkfs_tx_begin(&s->tx, s->v, 0);
		lnkfs_group_lock(s->fs, group);
		lnkfs_iblock_free(&s->tx, s->fs, group, off);
		lnkfs_group_unlock(s->fs, group);
		lnkfs_tx_end(&s->tx);
		if (grp->inode_blocks == before)
			return -EIO;
	}
	return 0;
}

/* Is nothing left in the groups that go? */
static bool groups_empty(const struct lnkfs_shrink *s, u32 groups)
{
	u32 group;

	for (group = groups; group < s->fs->groups; group++) {
		const struct lnkfs_group *grp = lnkfs_group(s->fs, group);

		if (grp->used_inodes || grp->free_blocks + grp->inode_blocks !=
		    lnkfs_group_size(s->fs, group) - lnkfs_group_overhead(s->fs, group))
			return false;
	}
	return true;
}

/* Blocks of the last group that is left, from @from to @to, are none any more. */
static int cut_bitmap(struct lnkfs_shrink *s, u32 group, u32 from, u32 to)
{
	lnkfs_buf *buf;
	u8 *map;
	int err;

	if (from == to || lnkfs_group(s->fs, group)->flags & LNKFS_BG_BLOCK_UNINIT)
		return 0;
	err = lnkfs_bitmap_read(s->fs, group, &buf);
	if (err)
		return err;
	map = (u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER;
	if (lnkfs_find_next_bit(map, to, from) < to)
		err = -EFSCORRUPTED;
	else
		err = lnkfs_baccess(&s->tx, s->fs, buf, LNKFS_B_BITMAP);
	for (; !err && from < to; from++)
		lnkfs_set_bit(from, map);
	if (!err)
		lnkfs_bdirty(&s->tx, s->fs, buf);
	lnkfs_bput(buf);
	return err;
}

/* The descriptors of the groups that go, and all copies of that run's. */
static int cut_descs(struct lnkfs_shrink *s, u32 group)
{
	struct lnkfs_fs *fs = s->fs;
	u32 first = group - group % fs->desc_per_block, i;
	lnkfs_buf *buf, *copy;
	struct lnkfs_gdesc_block *gb;
	u64 block;
	int err;

	err = lnkfs_gdesc_access(&s->tx, fs, group, &buf);
	if (err)
		return err;
	gb = lnkfs_bdata(buf);
	lnkfs_gdesc_fill(fs, gb, group);
	for (i = group + 1; i < first + fs->desc_per_block; i++)
		memset(&gb->d_desc[i - first], 0, sizeof(gb->d_desc[0]));
	lnkfs_bdirty(&s->tx, fs, buf);
	for (i = first + 1; i <= group && !err; i++) {
		if (!lnkfs_group_has_desc(fs, i))
			continue;
		block = lnkfs_group_map_block(fs, i, LNKFS_B_BITMAP) - 1;
		err = lnkfs_bnew(&s->tx, fs, block, LNKFS_B_GDESC, &copy);
		if (err)
			break;
		memcpy(lnkfs_bdata(copy), gb, fs->block_size);
		lnkfs_header_init(fs, lnkfs_bdata(copy), LNKFS_B_GDESC, block, first, 0);
		lnkfs_bdirty(&s->tx, fs, copy);
		lnkfs_bput(copy);
	}
	lnkfs_bput(buf);
	return err;
}

/* Memory of the groups that go. */
static void forget_groups(struct lnkfs_shrink *s, u32 groups)
{
	struct lnkfs_group *grp;
	u32 group;

	s->v->free_blocks = 0;
	for (group = 0; group < s->fs->groups; group++) {
		grp = lnkfs_group(s->fs, group);
		if (group < groups) {
			s->v->free_blocks += grp->free_blocks;
			continue;
		}
		free(grp->busy);
		free(grp->kept);
		grp->busy = NULL;
		grp->kept = NULL;
	}
}

/* The superblock of the smaller volume, as all are going to believe it. */
static int cut_super(struct lnkfs_shrink *s, struct lnkfs_super_block *sb)
{
	const char *why;

	lnkfs_resize_super(sb, s->end);
	/* All inodes there have got other numbers: this one is of a lost+found that is gone. */
	if (lnkfs_ino_block(s->fs, le64_to_cpu(sb->s_lpf_ino)) >= s->end)
		sb->s_lpf_ino = 0;
	lnkfs_super_seal(sb);
	return lnkfs_super_check(sb, 0, s->v->dev.bytes, &why);
}

/* Cut the end off. */
static int cut(struct lnkfs_shrink *s)
{
	struct lnkfs_super_block sb = s->v->sb;
	struct lnkfs_fs *fs = s->fs, new = {};
	u32 last, from, to;
	int err;

	err = cut_super(s, &sb);
	if (err)
		return err;
	lnkfs_super_load(&new, &sb);
	last = new.groups - 1;
	from = lnkfs_group_size(&new, last);
	to = lnkfs_group_size(fs, last);
	if (!groups_empty(s, new.groups))
		return -EFSCORRUPTED;
	lnkfs_tx_begin(&s->tx, s->v, 0);
	lnkfs_group_lock(fs, last);
	err = cut_bitmap(s, last, from, to);
	if (!err) {
		lnkfs_group(fs, last)->free_blocks -= to - from;
		err = cut_descs(s, last);
	}
	lnkfs_group_unlock(fs, last);
	forget_groups(s, new.groups);
	sb.s_free_blocks = cpu_to_le64((u64)s->v->free_blocks);
	s->v->sb = sb;
	if (!err)
		err = write_backups(s, new.groups);
	lnkfs_tx_end(&s->tx);
	fs->blocks = new.blocks;
	fs->groups = new.groups;
	return err ? err : lnkfs_log_commit(&s->r->log, s->v, true);
}

/* Nobody is to take an old backup of the superblock for one of this volume. */
static void wipe_backups(struct lnkfs_shrink *s, u32 groups)
{
	u64 byte;
	u32 group;

	for (group = s->fs->groups; group < groups; group++) {
		byte = lnkfs_group_first(s->fs, group) << s->fs->block_bits;
		if (lnkfs_group_has_super(group))
			lnkfs_dev_zero(&s->v->dev, byte, s->fs->block_size);
	}
	lnkfs_dev_sync(&s->v->dev);
}

/* ---- the whole ---- */

static int shrink_begin(struct lnkfs_shrink *s, struct lnkfs_resize *r)
{
	memset(s, 0, sizeof(*s));
	s->r = r;
	s->v = r->v;
	s->fs = &r->v->fs;
	s->copy = malloc(LNKFS_BOUNCE);
	return s->copy ? lnkfs_shrink_scan(s) : -ENOMEM;
}

static void shrink_end(struct lnkfs_shrink *s)
{
	free(s->copy);
	free(s->names);
	free(s->text);
	free(s->inos);
	free(s->tracked);
	free(s->charges);
	free(s->trees);
	free(s->extents);
	free(s->runs);
	free(s->longest);
}

static int find_minimum(struct lnkfs_shrink *s, u64 *blocks)
{
	u64 low = 0, high = s->fs->blocks, mid;
	int err = 0;

	while (low + 1 < high && !err) {
		mid = low + (high - low) / 2;
		if (lnkfs_shrink_fits(s, lnkfs_usable_blocks(s->fs, mid), &err))
			high = mid;
		else
			low = mid;
	}
	*blocks = lnkfs_usable_blocks(s->fs, high);
	return err;
}

/**
 * lnkfs_resize_minimum() - find out how small a volume can be made
 * @r: change of size
 * @blocks: set to that size
 *
 * Return: 0; -EBUSY when there are orphans; -ENOMEM, what reading says.
 */
int lnkfs_resize_minimum(struct lnkfs_resize *r, u64 *blocks)
{
	struct lnkfs_shrink s;
	int err = shrink_begin(&s, r);

	if (!err)
		err = find_minimum(&s, blocks);
	shrink_end(&s);
	return err;
}

/* Nothing has been changed when one of these fails. */
static int prepare(struct lnkfs_shrink *s)
{
	u32 group = lnkfs_group_of(s->fs, s->end);
	int err;

	if (!lnkfs_shrink_fits(s, s->end, &err)) {
		s->r->why = "what is on it does not fit";
		return err ? err : -ENOSPC;
	}
	for (; group < s->fs->groups; group++)
		s->total += lnkfs_group_size(s->fs, group) - lnkfs_group_overhead(s->fs, group) -
			    lnkfs_group(s->fs, group)->free_blocks;
	err = lnkfs_shrink_longest(s);
	return err ? err : lnkfs_shrink_names(s);
}

static int carry_out(struct lnkfs_shrink *s)
{
	u32 groups = s->fs->groups;
	int err;

	s->r->done = true;
	s->fs->alloc_end = s->end;
	err = move_journal(s);
	if (!err)
		err = lnkfs_shrink_backref_off(s);
	if (!err)
		err = lnkfs_shrink_blocks(s);
	if (!err)
		err = lnkfs_shrink_renumber(s);
	if (!err)
		err = drop_inode_blocks(s);
	if (!err)
		err = lnkfs_shrink_commit(s);
	if (!err)
		err = lnkfs_shrink_backref_on(s);
	if (!err)
		err = cut(s);
	if (!err)
		wipe_backups(s, groups);
	if (!err && s->r->progress)
		s->r->progress(1, 1);
	if (err == -ENOSPC)
		s->r->why = "free space is too fragmented: the size is what it was";
	s->fs->alloc_end = U64_MAX;
	return err;
}

/**
 * lnkfs_resize_shrink() - make a volume smaller
 * @r: change of size
 * @blocks: size, smaller than it is, as lnkfs_usable_blocks() gives it
 *
 * Interrupted at any moment, or after an error, the volume has its old size, or the
 * new one at the very end, and every file, after its log has been replayed; while the
 * journal itself is moved it may also have to be checked. What is in the cache after
 * an error is not to be written.
 *
 * Return: 0; -ENOSPC when it does not fit, -E2BIG when the journal is too small,
 * -EBUSY when there are orphans: then, with @r->why, nothing has been changed;
 * another error.
 */
int lnkfs_resize_shrink(struct lnkfs_resize *r, u64 blocks)
{
	struct lnkfs_shrink s;
	int err = shrink_begin(&s, r);

	s.end = blocks;
	if (!err)
		err = prepare(&s);
	if (!err)
		err = carry_out(&s);
	if (err)
		r->v->dev.readonly = true;
	shrink_end(&s);
	return err;
}
