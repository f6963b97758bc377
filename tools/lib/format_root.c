// SPDX-License-Identifier: GPL-2.0
/*
 * The first inodes of a new volume: the root directory and lost+found.
 */
#include "format.h"

#define DIR_SLOTS	2
#define CREDITS		64

/**
 * lnkfs_format_inode() - fill in an inode of a new volume
 * @f: what is asked for
 * @ci: inode whose number is set; the fork is the caller's to make
 * @mode: type and permissions
 * @slots: records it takes
 * @nlink: names it has
 */
void lnkfs_format_inode(const struct lnkfs_format *f, struct lnkfs_cinode *ci, u16 mode,
			u8 slots, u32 nlink)
{
	do {
		ci->gen = lnkfs_random32();
	} while (!ci->gen);
	ci->mode = mode;
	ci->slots = slots;
	ci->area_len = LNKFS_AREA_LEN(slots);
	ci->nlink = nlink;
	ci->atime = f->now;
	ci->mtime = f->now;
	ci->ctime = f->now;
	ci->btime = f->now;
}

static int new_dir(lnkfs_tx *tx, struct lnkfs_volume *v, const struct lnkfs_format *f,
		   struct lnkfs_cinode *ci, u16 perm)
{
	int err;

	err = lnkfs_ialloc(tx, &v->fs, 0, DIR_SLOTS, true, &ci->ino);
	if (err)
		return err;
	lnkfs_format_inode(f, ci, S_IFDIR | perm, DIR_SLOTS, 2);
	lnkfs_dir_init(ci);
	return 0;
}

/**
 * lnkfs_format_root() - make the root directory and lost+found
 * @v: volume with its groups and journal made
 * @f: what is asked for
 *
 * Sets the superblock's root and lost+found numbers.
 */
int lnkfs_format_root(struct lnkfs_volume *v, const struct lnkfs_format *f)
{
	u8 root_area[LNKFS_AREA_LEN(DIR_SLOTS)] = { 0 };
	u8 lpf_area[LNKFS_AREA_LEN(DIR_SLOTS)] = { 0 };
	struct lnkfs_cinode root = { .area = root_area, .uid = f->uid, .gid = f->gid };
	struct lnkfs_cinode lpf = { .area = lpf_area };
	struct lnkfs_ref ref;
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, v, CREDITS);
	err = new_dir(&tx, v, f, &root, 0755);
	if (!err)
		err = new_dir(&tx, v, f, &lpf, 0700);
	if (err)
		goto out;
	root.parent = root.ino;
	lpf.parent = root.ino;
	root.nlink++;
	ref.dir = root.ino;
	err = lnkfs_dir_add(&tx, &v->fs, &root, "lost+found", 10, lpf.ino, DT_DIR, &ref.pos);
	if (!err)
		err = lnkfs_names_add(&tx, &v->fs, &lpf, &ref);
	if (!err)
		err = lnkfs_inode_store(&tx, &v->fs, &root);
	if (!err)
		err = lnkfs_inode_store(&tx, &v->fs, &lpf);
	v->fs.root_ino = root.ino;
	v->sb.s_root_ino = cpu_to_le64(root.ino);
	v->sb.s_lpf_ino = cpu_to_le64(lpf.ino);
out:
	lnkfs_tx_end(&tx);
	return err;
}
