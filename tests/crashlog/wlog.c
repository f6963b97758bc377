// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the log of dm-log-writes: a superblock in the first sector, then for each
 * entry a sector with its head and, unless it is a mark or a discard, its data.
 */
#include "wlog.h"

#define MAGIC		0x6a736677736872ULL
#define VERSION		1

#define FLAG_FLUSH	0x1
#define FLAG_FUA	0x2
#define FLAG_DISCARD	0x4
#define FLAG_MARK	0x8

struct disk_super {
	__le64 magic;
	__le64 version;
	__le64 nr_entries;
	__le32 sectorsize;
};

struct disk_entry {
	__le64 sector;
	__le64 nr_sectors;
	__le64 flags;
	__le64 data_len;
};

static u32 mark_number(const u8 *head)
{
	const struct disk_entry *d = (const void *)head;
	char text[16] = "";

	memcpy(text, d + 1, min_t(u64, le64_to_cpu(d->data_len), sizeof(text) - 1));
	/* The last one is not ours, and no number. */
	return (u32)strtoul(text, NULL, 10);
}

/* Return: sectors that the entry takes in the log. */
static u64 parse(struct wentry *e, const u8 *head)
{
	const struct disk_entry *d = (const void *)head;
	u64 flags = le64_to_cpu(d->flags), sectors = le64_to_cpu(d->nr_sectors);

	memset(e, 0, sizeof(*e));
	if (flags & FLAG_MARK) {
		e->mark = mark_number(head);
		return 1;
	}
	e->flush = flags & FLAG_FLUSH;
	e->fua = flags & FLAG_FUA;
	/* A disk may forget what has been discarded, or not: it keeps it here. */
	if (flags & FLAG_DISCARD)
		return 1;
	e->sector = le64_to_cpu(d->sector);
	e->sectors = (u32)sectors;
	e->data = head + SECTOR;
	return 1 + sectors;
}

/**
 * wlog_read() - read a log
 * @log: filled in
 * @path: image of the device
 */
void wlog_read(struct wlog *log, const char *path)
{
	const struct disk_super *s;
	u64 at = SECTOR, nr, i;
	u32 last = 0;

	img_open(&log->img, path, false);
	s = (const void *)log->img.mem;
	if (log->img.bytes < 2 * SECTOR || le64_to_cpu(s->magic) != MAGIC ||
	    le64_to_cpu(s->version) != VERSION || le32_to_cpu(s->sectorsize) != SECTOR)
		die("%s is not the log of dm-log-writes", path);
	nr = le64_to_cpu(s->nr_entries);
	log->e = calloc(nr, sizeof(*log->e));
	if (!log->e)
		die("no memory");
	for (i = 0; i < nr; i++) {
		if (at + SECTOR > log->img.bytes)
			die("%s ends too early", path);
		at += parse(&log->e[i], log->img.mem + at) * SECTOR;
		if (at > log->img.bytes)
			die("%s ends too early", path);
		if (!log->e[i].mark)
			continue;
		if (log->e[i].mark <= last)
			die("mark %u comes after mark %u", log->e[i].mark, last);
		last = log->e[i].mark;
	}
	log->nr = (u32)nr;
}
