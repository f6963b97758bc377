// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks: search, allocation and freeing in the groups' bitmaps.
 *
 * A run is first sought and judged, then every access that can fail is taken,
 * then bitmap, counters and descriptor change together. Freed blocks may stay
 * busy (not allocatable) until their transaction has committed; that is the
 * host's affair (lnkfs_space_freed), the search only leaves busy bits out.
 */
#include "core.h"

/* Groups near the goal that are asked for a good run before any run will do. */
#define NEAR_GROUPS	8
#define GOOD_BYTES	(1024u * 1024)

/* A window gets at most this part of a group's free blocks: one in so many. */
#define WINDOW_PART	8

/**
 * struct mask - what is not to be allocated: a bit in any of these
 * @bits: blocks in use
 * @busy: blocks whose free is not committed yet, or NULL
 * @kept: blocks in allocation windows, or NULL
 */
struct mask {
	const __le64 *bits;
	const __le64 *busy;
	const __le64 *kept;
};

static u64 used_word(const struct mask *m, u32 word)
{
	return le64_to_cpu(m->bits[word]) | (m->busy ? le64_to_cpu(m->busy[word]) : 0) |
	       (m->kept ? le64_to_cpu(m->kept[word]) : 0);
}

/* First bit of [from, end) that is used (flip 0) or free (flip ~0), or end. */
static u32 next_bit(const struct mask *m, u32 from, u32 end, u64 flip)
{
	u64 word;

	while (from < end) {
		word = (used_word(m, from / 64) ^ flip) & ~0ULL << from % 64;
		if (word)
			return min_t(u32, end, round_down(from, 64) + __builtin_ctzll(word));
		from = round_down(from, 64) + 64;
	}
	return end;
}

static u32 next_free(const struct mask *m, u32 from, u32 end)
{
	return next_bit(m, from, end, ~0ULL);
}

static u32 next_used(const struct mask *m, u32 from, u32 end)
{
	return next_bit(m, from, end, 0);
}

/* First run of @min to @want free blocks in [from, end); 0: there is none. */
static u32 next_run(const struct mask *m, u32 from, u32 end, u32 min, u32 want, u32 *start)
{
	while (from < end) {
		u32 stop;

		from = next_free(m, from, end);
		if (end - from < min)
			break;
		stop = next_used(m, from, want < end - from ? from + want : end);
		if (stop - from >= min) {
			*start = from;
			return stop - from;
		}
		from = stop;
	}
	return 0;
}

/**
 * lnkfs_map_find() - first run of free blocks
 * @bits: bitmap of blocks in use
 * @busy: bitmap of blocks not to be used yet, or NULL
 * @from: where to start
 * @end: where to stop
 * @min: shortest run that will do, not 0
 * @want: longest run of interest, @min or more
 * @start: set to the run's first block
 *
 * Both bitmaps are 8-byte aligned and whole words up to @end.
 *
 * Return: length of the run, @min to @want; 0 when there is none.
 */
int lnkfs_map_find(const void *bits, const void *busy, u32 from, u32 end, u32 min,
		   u32 want, u32 *start)
{
	const struct mask m = { .bits = bits, .busy = busy };

	return (int)next_run(&m, from, end, min, want, start);
}

/* First aligned run of exactly @n blocks. */
static u32 find_aligned(const struct mask *m, u32 from, u32 end, u32 n, u32 *start)
{
	for (from = round_up(from, n); from < end && end - from >= n;) {
		u32 stop = next_used(m, from, from + n);

		if (stop == from + n) {
			*start = from;
			return n;
		}
		from = round_up(next_free(m, stop, end), n);
	}
	return 0;
}

/*
 * The run at the goal itself, else the first of @want blocks from there on and
 * then from the group's start, else the longest of at least @min.
 */
static u32 find_run(const struct mask *m, u32 goal, u32 end, u32 min, u32 want, u32 *start)
{
	u32 best = 0, from, len, at, part;

	if (goal >= end)
		goal = 0;
	len = next_used(m, goal, want < end - goal ? goal + want : end) - goal;
	if (len >= min) {
		*start = goal;
		return len;
	}
	for (part = 0; part < 2; part++) {
		/* A run across the goal is found by the second part only. */
		from = part ? 0 : goal;
		while ((len = next_run(m, from, end, min, want, &at))) {
			if (len > best) {
				best = len;
				*start = at;
			}
			if (len == want)
				return len;
			from = at + len;
			if (part && from > goal)
				break;
		}
	}
	return best;
}

static u32 find_cluster(const struct mask *m, u32 goal, u32 end, u32 n, u32 *start)
{
	u32 len = find_aligned(m, goal, end, n, start);

	return len ? len : find_aligned(m, 0, end, n, start);
}

/**
 * lnkfs_balloc_end() - end of the blocks of a group that may be allocated
 * @fs: volume
 * @group: group number
 *
 * Return: block in the group: its size, unless @fs->alloc_end says otherwise.
 */
u32 lnkfs_balloc_end(const struct lnkfs_fs *fs, u32 group)
{
	u64 first = lnkfs_group_first(fs, group);
	u64 end = fs->alloc_end > first ? fs->alloc_end - first : 0;

	return min_t(u64, lnkfs_group_size(fs, group), end);
}

static u32 cluster_blocks(const struct lnkfs_fs *fs)
{
	return LNKFS_CLUSTER_BYTES >> fs->block_bits;
}

/**
 * lnkfs_block_valid() - may a file own these blocks?
 * @fs: volume
 * @block: first
 * @len: how many
 *
 * Says nothing about whether they are allocated.
 *
 * Return: true when they are inside the volume and one group and touch neither
 * the group's own blocks nor the journal.
 */
bool lnkfs_block_valid(const struct lnkfs_fs *fs, u64 block, u64 len)
{
	u64 off;
	u32 group;

	if (!len || block >= lnkfs_blocks(fs) || len > fs->group_blocks)
		return false;
	group = lnkfs_group_of(fs, block);
	off = block - lnkfs_group_first(fs, group);
	if (off < lnkfs_group_overhead(fs, group) || off + len > lnkfs_group_size(fs, group))
		return false;
	return block + len <= fs->journal_start ||
	       block >= fs->journal_start + fs->journal_blocks;
}

static void *map_bits(lnkfs_buf *buf)
{
	struct lnkfs_map_block *map = lnkfs_bdata(buf);

	return map->m_bits;
}

/**
 * lnkfs_bitmap_read() - read the block bitmap of a group
 * @fs: volume
 * @group: group that has one: it is not LNKFS_BG_BLOCK_UNINIT
 * @out: gets its buffer
 *
 * Return: as lnkfs_bread().
 */
int lnkfs_bitmap_read(struct lnkfs_fs *fs, u32 group, lnkfs_buf **out)
{
	return lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP),
			   LNKFS_B_BITMAP, group, 0, out);
}

/* Make the bitmap of a group that has none: the group's own blocks and what is
 * past its end are in use. It carries write access on success.
 */
static int bitmap_create(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, lnkfs_buf **out)
{
	u64 block = lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP);
	u32 size = lnkfs_group_size(fs, group);
	u32 head = lnkfs_group_overhead(fs, group);
	u32 whole = round_up(size, 8);
	u32 i;
	int err;

	err = lnkfs_bnew(tx, fs, block, LNKFS_B_BITMAP, out);
	if (err)
		return err;
	lnkfs_header_init(fs, lnkfs_bdata(*out), LNKFS_B_BITMAP, block, group, 0);
	for (i = 0; i < head; i++)
		lnkfs_set_bit(i, map_bits(*out));
	for (i = size; i < whole; i++)
		lnkfs_set_bit(i, map_bits(*out));
	memset(map_bits(*out) + whole / 8, 0xff, (fs->group_blocks - whole) / 8);
	return 0;
}

/**
 * struct pick - a run chosen in a locked group
 * @off: first block, within the group
 * @len: blocks
 * @min: fewest that would do
 * @buf: the bitmap; NULL when it has yet to be made
 * @chosen: there was a run that would do, whatever became of it
 */
struct pick {
	u32 off;
	u32 len;
	u32 min;
	lnkfs_buf *buf;
	bool chosen;
};

static int bitmap_lies(struct lnkfs_fs *fs, u32 group, const char *what)
{
	return lnkfs_report(fs, -EFSCORRUPTED, 0,
			    lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP),
			    "bitmap of group %u: %s", group, what);
}

/* Choose in a group whose bitmap has never been written: all of it is free. */
static int pick_uninit(struct lnkfs_fs *fs, u32 group, u32 goal, u32 want, bool cluster,
		       struct pick *p)
{
	u32 head = lnkfs_group_overhead(fs, group);
	u32 size = lnkfs_balloc_end(fs, group);
	u32 align = cluster ? cluster_blocks(fs) : 1;

	p->buf = NULL;
	p->off = round_up(max(goal, head), align);
	if (p->off >= size || size - p->off < p->min)
		p->off = round_up(head, align);
	if (p->off >= size || size - p->off < p->min)
		return -ENOSPC;
	p->len = min(want, size - p->off);
	return 0;
}

/* Blocks of a group that anyone may have now. */
static u32 allocatable(const struct lnkfs_group *g)
{
	u64 hidden = (u64)g->busy_blocks + g->kept_blocks;

	return hidden < g->free_blocks ? g->free_blocks - (u32)hidden : 0;
}

/*
 * Choose a run in a locked group; changes nothing. On success the caller puts
 * @p->buf.
 */
static int pick_run(struct lnkfs_fs *fs, u32 group, u32 goal, u32 min, u32 want,
		    unsigned int flags, struct pick *p)
{
	const struct lnkfs_group *g = lnkfs_group(fs, group);
	u32 size = lnkfs_balloc_end(fs, group);
	bool cluster = flags & LNKFS_BA_CLUSTER;
	struct mask m;
	int err;

	if (cluster) {
		min = cluster_blocks(fs);
		want = min;
	}
	p->min = min;
	if (allocatable(g) < min)
		return -ENOSPC;
	if (g->flags & LNKFS_BG_BLOCK_UNINIT)
		return pick_uninit(fs, group, goal, want, cluster, p);

	err = lnkfs_bitmap_read(fs, group, &p->buf);
	if (err)
		return err;
	m.bits = map_bits(p->buf);
	m.busy = (const __le64 *)g->busy;
	m.kept = (const __le64 *)g->kept;
	if (cluster)
		p->len = find_cluster(&m, goal, size, want, &p->off);
	else
		p->len = find_run(&m, goal, size, min, want, &p->off);
	if (!p->len)
		err = min == 1 && size == lnkfs_group_size(fs, group) ?
		      bitmap_lies(fs, group, "full, its descriptor says it is not") : -ENOSPC;
	else if (p->len > g->free_blocks - g->busy_blocks)
		err = bitmap_lies(fs, group, "more free blocks than its descriptor says");
	else if (!lnkfs_block_valid(fs, lnkfs_group_first(fs, group) + p->off, p->len))
		err = bitmap_lies(fs, group, "journal blocks marked free");
	if (err)
		lnkfs_bput(p->buf);
	return err;
}

/* Ask for the space; a run shorter than the one found may be had. */
static int take_space(struct lnkfs_fs *fs, unsigned int flags, struct pick *p)
{
	int err = lnkfs_space_take(fs, p->len, flags);

	if (err == -ENOSPC && p->len > p->min) {
		p->len = p->min;
		err = lnkfs_space_take(fs, p->len, flags);
	}
	return err;
}

/*
 * Allocate what was picked; all or nothing. Puts @p->buf. The descriptor comes first: one
 * that cannot be read must not cost a credit for the bitmap of each group that it describes.
 */
static int pick_commit(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, unsigned int flags,
		       struct pick *p)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	lnkfs_buf *desc;
	u32 i;
	int err;

	err = take_space(fs, flags, p);
	if (err)
		goto out;
	err = lnkfs_gdesc_access(tx, fs, group, &desc);
	if (err)
		goto untake;
	if (p->buf)
		err = lnkfs_baccess(tx, fs, p->buf, LNKFS_B_BITMAP);
	else
		err = bitmap_create(tx, fs, group, &p->buf);
	if (err) {
		lnkfs_gdesc_write(tx, fs, group, desc);
		goto untake;
	}
	for (i = 0; i < p->len; i++)
		lnkfs_set_bit(p->off + i, map_bits(p->buf));
	lnkfs_bdirty(tx, fs, p->buf);
	g->flags &= ~LNKFS_BG_BLOCK_UNINIT;
	g->free_blocks -= p->len;
	g->alloc_hint = p->off + p->len;
	lnkfs_gdesc_write(tx, fs, group, desc);
	lnkfs_space_used(fs, group, p->off, p->len);
	goto out;
untake:
	lnkfs_space_untake(fs, p->len, flags);
out:
	lnkfs_bput(p->buf);
	return err;
}

/**
 * lnkfs_balloc_locked() - allocate a run of blocks in one group
 * @tx: transaction with LNKFS_CREDITS_ALLOC credits
 * @fs: volume
 * @group: group number, its lock held
 * @goal_off: where it should start, block in the group
 * @min: fewest blocks that will do
 * @want: most blocks that are wanted
 * @flags: LNKFS_BA_*; with LNKFS_BA_CLUSTER @min and @want are ignored
 * @off: set to the first block, within the group
 * @got: set to the number of blocks
 *
 * Bitmap, counters and descriptor change together or, on any error, not at
 * all.
 *
 * Return: 0; -ENOSPC; -EFSCORRUPTED when bitmap and descriptor contradict each
 * other; what lnkfs_bread(), lnkfs_bnew() and lnkfs_baccess() say.
 */
int lnkfs_balloc_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 goal_off,
			u32 min, u32 want, unsigned int flags, u32 *off, u32 *got)
{
	struct pick p;
	int err;

	err = pick_run(fs, group, goal_off, min, want, flags, &p);
	if (err == -ENOSPC && lnkfs_group(fs, group)->kept_blocks) {
		lnkfs_windows_break(fs, group);
		err = pick_run(fs, group, goal_off, min, want, flags, &p);
	}
	if (!err)
		err = pick_commit(tx, fs, group, flags, &p);
	if (err)
		return err;
	*off = p.off;
	*got = p.len;
	return 0;
}

/**
 * struct search - state of one lnkfs_balloc()
 * @goal_group: group of the goal
 * @goal_off: the goal within it
 * @want: most blocks that are wanted
 * @flags: LNKFS_BA_*
 * @bad: error of a group that was passed over
 * @window: the owner's, or NULL
 * @desperate: look where windows are, and break them
 */
struct search {
	u32 goal_group;
	u32 goal_off;
	u32 want;
	unsigned int flags;
	int bad;
	struct lnkfs_window *window;
	bool desperate;
};

/*
 * Allocate in one locked group, out of the owner's window if it is there, and
 * open the window anew behind what was allocated. It takes no more than its
 * part of what the group has left.
 */
static int try_group(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 goal, u32 min,
		     struct search *s, struct pick *p)
{
	struct lnkfs_window *w = s->window;
	u32 ahead = 0, found = 0;
	int err;

	if (s->desperate)
		lnkfs_windows_break(fs, group);
	if (w) {
		lnkfs_window_close(fs, group, w);
		ahead = min(w->ahead, allocatable(lnkfs_group(fs, group)) / WINDOW_PART);
	}
	err = pick_run(fs, group, goal, min, s->want + ahead, s->flags, p);
	if (!err) {
		p->chosen = true;
		found = p->len;
		p->len = min(found, s->want);
		err = pick_commit(tx, fs, group, s->flags, p);
	}
	if (!err && w)
		lnkfs_window_open(fs, group, w, p->off + p->len, found - p->len);
	if (w)
		lnkfs_windows_trim(fs, group);
	return err;
}

/* Is there nothing to be had in a group? The owner's window is closed there in any case. */
static bool pass_over(const struct search *s, const struct lnkfs_group *g, u32 group, u32 min)
{
	if (s->window && s->window->len && s->window->group == group)
		return false;
	return READ_ONCE(g->free_blocks) < min || (s->desperate && !READ_ONCE(g->kept_blocks));
}

/*
 * Try @count groups from the goal's on. 1: allocated, 0: nothing there, or an
 * error that ends the search. A group whose bitmap cannot be used (that has
 * been reported) is passed over.
 */
static int try_groups(lnkfs_tx *tx, struct lnkfs_fs *fs, struct search *s, u32 count, u32 min,
		      u64 *start, u32 *got)
{
	u32 i, group = s->goal_group;
	struct pick p;
	int err;

	for (i = 0; i < count; i++, group = group + 1 < lnkfs_groups(fs) ? group + 1 : 0) {
		struct lnkfs_group *g = lnkfs_group(fs, group);

		if (pass_over(s, g, group, min))
			continue;
		lnkfs_group_lock(fs, group);
		p.chosen = false;
		err = try_group(tx, fs, group, i ? g->alloc_hint : s->goal_off, min, s, &p);
		lnkfs_group_unlock(fs, group);
		if (!err) {
			*start = lnkfs_group_first(fs, group) + p.off;
			*got = p.len;
			return 1;
		}
		if (err == -ENOMEM || p.chosen)
			return err;
		if (err != -ENOSPC)
			s->bad = err;
	}
	return 0;
}

/**
 * lnkfs_balloc_window() - allocate a run of blocks for a file that may grow
 * @tx: transaction with LNKFS_CREDITS_ALLOC credits
 * @fs: volume
 * @goal: block where it should start
 * @min: fewest blocks that will do, 1 or more
 * @want: most blocks that are wanted, @min or more
 * @flags: LNKFS_BA_*; LNKFS_BA_CLUSTER: exactly the blocks of an inode cluster
 * @w: the file's window, or NULL; the caller excludes others from it
 * @start: set to the first block
 * @got: set to the number of blocks; all are in one group
 *
 * A run at the goal or near it, in its group or the next few, that is long
 * enough to be worth it (@want, but no more than 1 MiB); else any, that at the
 * goal first. Where it is not at the goal, room for @w->ahead more is sought,
 * and what of that is free is kept for @w. Windows of others are left alone
 * unless there is nothing else. Takes group locks, one at a time.
 *
 * Return: 0; -ENOSPC; the error of a group that had to be passed over when no
 * other had space; what lnkfs_bnew() and lnkfs_baccess() say. After an error
 * nothing has changed, except that @w may be closed.
 */
int lnkfs_balloc_window(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 goal, u32 min, u32 want,
			unsigned int flags, struct lnkfs_window *w, u64 *start, u32 *got)
{
	struct search s = { .want = want, .flags = flags, .window = w };
	u32 good;
	int err;

	if (goal >= lnkfs_blocks(fs))
		goal = 0;
	s.goal_group = lnkfs_group_of(fs, goal);
	s.goal_off = (u32)(goal - lnkfs_group_first(fs, s.goal_group));
	if (w && w->group != s.goal_group)
		lnkfs_window_drop(fs, w);
	good = max(min, min(want, GOOD_BYTES >> fs->block_bits));
	err = 0;
	if (good > min)
		err = try_groups(tx, fs, &s, min_t(u32, NEAR_GROUPS, lnkfs_groups(fs)), good,
				 start, got);
	if (!err)
		err = try_groups(tx, fs, &s, lnkfs_groups(fs), min, start, got);
	if (!err) {
		s.desperate = true;
		err = try_groups(tx, fs, &s, lnkfs_groups(fs), min, start, got);
	}
	if (err)
		return err < 0 ? err : 0;
	return s.bad ? s.bad : -ENOSPC;
}

/**
 * lnkfs_balloc() - allocate a run of blocks
 * @tx: transaction with LNKFS_CREDITS_ALLOC credits
 * @fs: volume
 * @goal: as with lnkfs_balloc_window(), and so are all others
 * @min: fewest blocks that will do
 * @want: most blocks that are wanted
 * @flags: LNKFS_BA_*
 * @start: set to the first block
 * @got: set to the number of blocks
 *
 * Return: as lnkfs_balloc_window().
 */
int lnkfs_balloc(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 goal, u32 min, u32 want,
		 unsigned int flags, u64 *start, u32 *got)
{
	return lnkfs_balloc_window(tx, fs, goal, min, want, flags, NULL, start, got);
}

/**
 * lnkfs_bfree_locked() - free blocks of one group
 * @tx: transaction with LNKFS_CREDITS_FREE credits
 * @fs: volume
 * @group: group number, its lock held
 * @off: first block, within the group
 * @len: how many
 *
 * Bitmap, counters and descriptor change together or, on any error, not at
 * all.
 *
 * Return: 0; -EFSCORRUPTED when not all of the blocks are allocated ones that
 * a file may own; -ENOMEM; what lnkfs_bread() and lnkfs_baccess() say.
 */
int lnkfs_bfree_locked(lnkfs_tx *tx, struct lnkfs_fs *fs, u32 group, u32 off, u32 len)
{
	struct lnkfs_group *g = lnkfs_group(fs, group);
	u32 room = lnkfs_group_size(fs, group) - lnkfs_group_overhead(fs, group);
	u64 start = lnkfs_group_first(fs, group) + off;
	lnkfs_buf *buf, *desc;
	u32 i;
	int err;

	if (!lnkfs_block_valid(fs, start, len) || lnkfs_group_of(fs, start) != group)
		return lnkfs_report(fs, -EFSCORRUPTED, 0, start,
				    "freeing %u blocks that no file may own", len);
	if (g->flags & LNKFS_BG_BLOCK_UNINIT || len > room - g->free_blocks)
		return lnkfs_report(fs, -EFSCORRUPTED, 0, start,
				    "freeing %u blocks, group %u has fewer in use", len, group);
	err = lnkfs_bitmap_read(fs, group, &buf);
	if (err)
		return err;
	if (lnkfs_map_find(map_bits(buf), NULL, off, off + len, 1, 1, &i)) {
		err = lnkfs_report(fs, -EFSCORRUPTED, 0, start, "freeing free blocks");
		goto out;
	}
	err = lnkfs_baccess(tx, fs, buf, LNKFS_B_BITMAP);
	if (err)
		goto out;
	err = lnkfs_gdesc_access(tx, fs, group, &desc);
	if (err)
		goto dirty;
	err = lnkfs_space_freed(tx, fs, group, off, len);
	if (!err) {
		for (i = 0; i < len; i++)
			lnkfs_clear_bit(off + i, map_bits(buf));
		g->free_blocks += len;
		g->alloc_hint = min(g->alloc_hint, off);
	}
	lnkfs_gdesc_write(tx, fs, group, desc);
dirty:
	lnkfs_bdirty(tx, fs, buf);
out:
	lnkfs_bput(buf);
	return err;
}

/**
 * lnkfs_bfree() - free blocks
 * @tx: transaction with LNKFS_CREDITS_FREE credits
 * @fs: volume
 * @start: first
 * @len: how many, all in one group
 *
 * Metadata blocks are given to lnkfs_bforget() after that (host.h). Takes the group's
 * lock.
 *
 * Return: as lnkfs_bfree_locked().
 */
int lnkfs_bfree(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 start, u32 len)
{
	u32 group;
	int err;

	if (!lnkfs_block_valid(fs, start, len))
		return lnkfs_report(fs, -EFSCORRUPTED, 0, start,
				    "freeing %u blocks that no file may own", len);
	group = lnkfs_group_of(fs, start);
	lnkfs_group_lock(fs, group);
	err = lnkfs_bfree_locked(tx, fs, group,
				 (u32)(start - lnkfs_group_first(fs, group)), len);
	lnkfs_group_unlock(fs, group);
	return err;
}
