// SPDX-License-Identifier: GPL-2.0
/*
 * Back references: names of an inode, and what is in the trees of the groups.
 */
#include "dump.h"

static void show_ref(struct out *o, const struct lnkfs_ref *ref)
{
	out_u64(o, "directory", ref->dir);
	out_u64(o, "position", ref->pos);
}

/**
 * dump_refs() - show the records of a leaf
 * @d: run
 * @rec: the first of them
 * @count: how many there are said to be
 * @end: where the block ends
 * @owner: group that it says it belongs to
 */
void dump_refs(struct dump *d, const u8 *rec, u32 count, const u8 *end, u64 owner)
{
	const u32 size = 2 * sizeof(__le64);
	const struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;
	struct lnkfs_ref ref;
	u64 ino;

	out_list(o, "references");
	for (; count && end - rec >= (ptrdiff_t)size; count--, rec += size) {
		u64 key = get_unaligned_le64(rec), value = get_unaligned_le64(rec + 8);

		out_row(o);
		out_hex(o, "key", key);
		if (owner < fs->groups &&
		    lnkfs_names_decode(fs, (u32)owner, key, value, &ino, &ref)) {
			out_u64(o, "inode", ino);
			show_ref(o, &ref);
		} else {
			out_hex(o, "value", value);
			out_text(o, "problem", "impossible");
		}
		out_end(o);
	}
	out_end(o);
}

/**
 * dump_names() - show where the names of an inode stand
 * @d: run
 * @ino: its number
 *
 * Nothing is shown on a volume without back references, nor for a record that is of
 * no use.
 *
 * Return: 0, or what reading says.
 */
int dump_names(struct dump *d, u64 ino)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct lnkfs_cinode ci = { .area = area };
	struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;
	struct lnkfs_ref ref;
	u64 cookie = 0;
	int err;

	if (!fs->backref)
		return 0;
	if (lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci))
		return 0;
	out_list(o, "names");
	while (!(err = lnkfs_names_next(fs, &ci, &cookie, &ref))) {
		out_row(o);
		show_ref(o, &ref);
		out_end(o);
	}
	out_end(o);
	return err == -ENOENT ? 0 : err;
}
