// SPDX-License-Identifier: GPL-2.0
/*
 * The states in which a crash can leave a disk, out of the log of what was written.
 *
 * The log has writes when they are durable (oracle.h). Thus:
 *
 *  - All of the log up to a flush, or up to a write with FUA, is a state: that of a
 *    disk which loses what is in its cache.
 *  - Right before a flush stand the writes that had completed when it was submitted.
 *    Until it has completed, any part of them may be on the disk, down to single
 *    sectors. They are in the cache together with all that is before them in the log
 *    being durable, also what has FUA: a state with them and without an earlier write with
 *    FUA is none, as they may have been submitted after that had completed.
 *  - Of a write with FUA any part may be there before it has completed. What the cache
 *    holds at that time is not known exactly, and none of it is taken.
 *
 * When a flush is submitted while another one is on its way, the log has what was written
 * before both of them with the first, even if the second completed earlier and made it
 * durable, too. That would be a state which cannot be, but the block layer completes
 * flushes of a disk in the order in which they came.
 */
#include "power.h"
#include "states.h"

#define FUA_VARIANTS	3
#define TRIES		8

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void set_bits(u8 *part, u64 from, u64 n)
{
	for (; n; n--, from++)
		part[from >> 3] |= (u8)(1u << (from & 7));
}

/* A part of one write: its beginning, its end, or any of its sectors. */
static void tear(u8 *part, u64 from, u32 sectors, u64 *rnd)
{
	u32 cut = (u32)(power_random(rnd) % (sectors + 1)), i;

	switch (power_random(rnd) % 4) {
	case 0:
	case 1:
		set_bits(part, from, cut);
		break;
	case 2:
		set_bits(part, from + cut, sectors - cut);
		break;
	default:
		for (i = 0; i < sectors; i++)
			if (power_random(rnd) & 1)
				set_bits(part, from + i, 1);
	}
}

/* A part of the writes in the cache. */
static void choose(const struct wlog *log, u32 first, u32 end, u8 *part, u64 *rnd)
{
	u32 kind = (u32)(power_random(rnd) % 6), i;
	u32 one = first + (u32)(power_random(rnd) % (end - first));
	u64 from = 0;

	for (i = first; i < end; from += log->e[i++].sectors) {
		u32 n = log->e[i].sectors;
		bool all = false, torn = false;

		switch (kind) {
		case 0:		/* in order, up to one that is torn */
			all = i < one;
			torn = i == one;
			break;
		case 1:		/* all but one */
			all = i != one;
			break;
		case 2:		/* only one */
			all = i == one;
			break;
		case 3:		/* all, and one of them torn */
			all = i != one;
			torn = i == one;
			break;
		case 4:		/* each or not */
			all = power_random(rnd) & 1;
			break;
		default:	/* each torn */
			torn = true;
		}
		if (all)
			set_bits(part, from, n);
		else if (torn)
			tear(part, from, n, rnd);
	}
}

/**
 * states_part() - apply a part of some writes
 * @log: log
 * @first: first entry
 * @end: entry after the last one
 * @part: a bit for each of their sectors; NULL: all
 * @disk: what they are written to
 */
void states_part(const struct wlog *log, u32 first, u32 end, const u8 *part, u8 *disk)
{
	u64 bit = 0;
	u32 i, k;

	for (i = first; i < end; i++) {
		const struct wentry *e = &log->e[i];

		for (k = 0; k < e->sectors; k++, bit++)
			if (!part || part[bit >> 3] >> (bit & 7) & 1)
				memcpy(disk + (e->sector + k) * SECTOR, e->data + (u64)k * SECTOR,
				       SECTOR);
	}
}

/**
 * states_next_write() - find the next entry that changes the disk
 * @log: log
 * @at: where to begin
 *
 * Return: its number, or that of entries.
 */
u32 states_next_write(const struct wlog *log, u32 at)
{
	while (at < log->nr && !log->e[at].sectors)
		at++;
	return at;
}

static void visit(struct states *s, u32 first, u32 end, const u8 *part)
{
	s->visit(s, first, end, part);
	s->number++;
}

static u64 sectors_of(const struct wlog *log, u32 first, u32 end)
{
	u64 n = 0;

	while (first < end)
		n += log->e[first++].sectors;
	return n;
}

/* Nothing of a part, and all of it, are states of their own already. */
static bool whole_or_none(const u8 *part, u64 sectors)
{
	u64 i, n = 0;

	for (i = 0; i < sectors; i++)
		n += part[i >> 3] >> (i & 7) & 1;
	return !n || n == sectors;
}

static void visit_parts(struct states *s, u32 first, u32 end, u32 variants)
{
	u64 sectors = sectors_of(s->log, first, end), seen[64], rnd, hash;
	size_t bytes = (sectors + 7) / 8;
	u8 *part = malloc(bytes);
	u32 done = 0, tries, i;

	if (!part)
		die("no memory");
	variants = min_t(u32, variants, ARRAY_SIZE(seen));
	rnd = mix(s->seed * 0x9e3779b97f4a7c15ULL + first) | 1;
	for (tries = 0; done < variants && tries < variants + TRIES; tries++) {
		memset(part, 0, bytes);
		if (end - first == 1)
			tear(part, 0, s->log->e[first].sectors, &rnd);
		else
			choose(s->log, first, end, part, &rnd);
		if (whole_or_none(part, sectors))
			continue;
		hash = (u64)lnkfs_crc32c(~0u, part, bytes) << 32 | lnkfs_crc32c(7, part, bytes);
		for (i = 0; i < done && seen[i] != hash; i++)
			;
		if (i < done)
			continue;
		seen[done++] = hash;
		visit(s, first, end, part);
	}
	free(part);
}

/* Does the disk, a broken one, lose a write that it said was durable? */
static bool lost(const struct states *s, u32 i)
{
	const struct wentry *e = &s->log->e[i];

	switch (s->doctor) {
	case DOCTOR_FUA:
		return e->fua && mix(i) % 8 == 0;
	case DOCTOR_FLUSH:
		return !e->fua && mix(i) % 8 == 0;
	default:
		return false;
	}
}

static void settle(struct states *s, u32 first, u32 end)
{
	u32 i;

	for (i = first; s->disk && i < end; i++)
		if (!lost(s, i))
			states_part(s->log, i, i + 1, NULL, s->disk);
	s->at = end;
}

/* Writes that were in the cache: all up to a flush, or the end of the log. */
static void cached(struct states *s)
{
	u32 end = s->at;

	while (end < s->log->nr && s->log->e[end].sectors && !s->log->e[end].fua)
		end++;
	/* As if it were the disk that takes writes in any order, flushes or not. */
	if (s->doctor == DOCTOR_ORDER && end + 1 < s->log->nr && s->log->e[end].flush &&
	    s->log->e[end + 1].fua && s->disk)
		states_part(s->log, end + 1, end + 2, NULL, s->disk);
	visit_parts(s, s->at, end, s->variants);
	settle(s, s->at, end);
	visit(s, end, end, NULL);
}

/**
 * states_walk() - go through all states of a log
 * @s: all but @at, @mark and @number filled in; @disk has the state before the log
 */
void states_walk(struct states *s)
{
	s->at = 0;
	s->mark = 0;
	s->number = 0;
	while (s->at < s->log->nr) {
		const struct wentry *e = &s->log->e[s->at];

		if (e->mark)
			s->mark = e->mark;
		if (!e->sectors) {
			s->at++;
		} else if (e->fua) {
			visit_parts(s, s->at, s->at + 1, min_t(u32, s->variants, FUA_VARIANTS));
			settle(s, s->at, s->at + 1);
			visit(s, s->at, s->at, NULL);
		} else {
			cached(s);
		}
	}
}
