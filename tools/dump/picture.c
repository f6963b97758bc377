// SPDX-License-Identifier: GPL-2.0
/*
 * A picture of the volume: what its blocks are, and how its free space is
 * divided. SVG, nothing but rectangles and words.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "dump.h"

#define COLUMNS		128
#define MAX_CELLS	8192
#define CELL		8	/* pixels */
#define LEFT		20
#define TOP		60
#define CLASSES		32
#define BAR		22

enum { USED, METADATA, JOURNAL, INODES, FREE, KINDS };

static const struct {
	const char *name;
	const char *color;
} kinds[KINDS] = {
	[USED] = { "data, directories, trees", "#4477aa" },
	[METADATA] = { "superblock, descriptors, maps", "#aa3377" },
	[JOURNAL] = { "journal", "#ee6677" },
	[INODES] = { "inode blocks", "#ccbb44" },
	[FREE] = { "free", "#dddddd" },
};

/**
 * struct map - the volume cut up in cells
 * @per_cell: blocks of a cell
 * @cells: how many
 * @count: of each cell, blocks of each kind but USED, which is the rest
 * @extents: free extents by size (powers of two)
 * @blocks: blocks in them
 */
struct map {
	u64 per_cell;
	u32 cells;
	u32 (*count)[KINDS];
	u64 extents[CLASSES];
	u64 blocks[CLASSES];
};

static void paint(struct map *m, u64 start, u64 len, int kind)
{
	while (len) {
		u64 cell = start / m->per_cell;
		u64 n = min_t(u64, len, (cell + 1) * m->per_cell - start);

		m->count[cell][kind] += (u32)n;
		start += n;
		len -= n;
	}
}

static void paint_free(void *ctx, u64 start, u64 len)
{
	u32 class = 63 - (u32)__builtin_clzll(len);
	struct map *m = ctx;

	if (class >= CLASSES)
		class = CLASSES - 1;
	m->extents[class]++;
	m->blocks[class] += len;
	paint(m, start, len, FREE);
}

static void paint_inodes(struct dump *d, struct map *m, u32 group)
{
	struct lnkfs_fs *fs = &d->v->fs;
	u32 size = lnkfs_group_size(fs, group), off = 0;
	const u8 *bits;
	lnkfs_buf *buf;

	if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT ||
	    lnkfs_bread(fs, lnkfs_group_map_block(fs, group, LNKFS_B_IMAP), LNKFS_B_IMAP, group,
			0, &buf))
		return;
	bits = (const u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER;
	while ((off = (u32)lnkfs_find_next_bit(bits, size, off)) < size)
		paint(m, lnkfs_group_first(fs, group) + off++, 1, INODES);
	lnkfs_bput(buf);
}

static void draw_cells(FILE *f, const struct map *m)
{
	u32 i, k, best;

	for (i = 0; i < m->cells; i++) {
		u32 known = 0;

		best = USED;
		for (k = METADATA; k < KINDS; k++)
			known += m->count[i][k];
		m->count[i][USED] = known < m->per_cell ? (u32)(m->per_cell - known) : 0;
		for (k = METADATA; k < KINDS; k++)
			if (m->count[i][k] > m->count[i][best])
				best = k;
		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n",
			LEFT + i % COLUMNS * CELL, TOP + i / COLUMNS * CELL, CELL - 1, CELL - 1,
			kinds[best].color);
	}
}

static void draw_legend(FILE *f, u32 y)
{
	u32 k;

	for (k = 0; k < KINDS; k++)
		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\"/>\n"
			"<text x=\"%u\" y=\"%u\">%s</text>\n", LEFT + k * 200, y,
			kinds[k].color, LEFT + k * 200 + 18, y + 11, kinds[k].name);
}

static void draw_histogram(FILE *f, const struct map *m, u32 y)
{
	u64 most = 1;
	u32 i;

	for (i = 0; i < CLASSES; i++)
		if (m->blocks[i] > most)
			most = m->blocks[i];
	fprintf(f, "<text x=\"%u\" y=\"%u\">Free blocks by the size of the extent that they are in</text>\n",
		LEFT, y);
	for (i = 0; i < CLASSES; i++) {
		u32 height = (u32)(m->blocks[i] * 150 / most);
		u32 x = LEFT + i * (BAR + 10);

		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"#4477aa\"><title>%"
			PRIu64 " extents, %" PRIu64 " blocks</title></rect>\n", x, y + 170 - height,
			BAR, height, m->extents[i], m->blocks[i]);
		fprintf(f, "<text x=\"%u\" y=\"%u\" font-size=\"9\">2^%u</text>\n", x, y + 185, i);
	}
}

static void draw(struct dump *d, FILE *f, const struct map *m)
{
	u32 rows = (m->cells + COLUMNS - 1) / COLUMNS;
	u32 legend = TOP + rows * CELL + 12;
	char size[64];

	snprintf(size, sizeof(size), "%" PRIu64 " blocks of %u bytes, %" PRIu64 " in a square",
		 d->v->fs.blocks, d->v->fs.block_size, m->per_cell);
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"%u\" y=\"28\" font-size=\"18\">lnkfs volume</text>\n"
		"<text x=\"%u\" y=\"48\">%s</text>\n", 2 * LEFT + COLUMNS * CELL, legend + 260,
		LEFT, LEFT, size);
	draw_cells(f, m);
	draw_legend(f, legend);
	draw_histogram(f, m, legend + 50);
	fprintf(f, "</svg>\n");
}

/**
 * dump_picture() - draw a map of the volume
 * @d: run
 * @path: file to write, SVG
 *
 * Return: 0, -EBUSY when that is the volume, what dump_walk_free() says, or what writing
 * says.
 */
int dump_picture(struct dump *d, const char *path)
{
	struct lnkfs_fs *fs = &d->v->fs;
	struct map m = { .per_cell = 1 };
	int err;
	FILE *f;
	u32 g;

	/* The volume is never written. */
	if (lnkfs_dev_is(&d->v->dev, path))
		return -EBUSY;
	while ((fs->blocks + m.per_cell - 1) / m.per_cell > MAX_CELLS)
		m.per_cell *= 2;
	m.cells = (u32)((fs->blocks + m.per_cell - 1) / m.per_cell);
	m.count = calloc(m.cells, sizeof(*m.count));
	if (!m.count)
		return -ENOMEM;
	err = dump_walk_free(d, paint_free, &m);
	for (g = 0; g < fs->groups; g++) {
		paint(&m, lnkfs_group_first(fs, g), lnkfs_group_overhead(fs, g), METADATA);
		paint_inodes(d, &m, g);
	}
	paint(&m, fs->journal_start, fs->journal_blocks, JOURNAL);
	f = fopen(path, "we");
	if (!f) {
		err = -errno;
	} else {
		draw(d, f, &m);
		if (fflush(f) || ferror(f))
			err = -EIO;
		if (fclose(f))
			err = -errno;
	}
	free(m.count);
	return err;
}
