// SPDX-License-Identifier: GPL-2.0
/*
 * The quota files of a new volume, with the usage of its first inodes.
 */
#include "format.h"

/* Quota files belong to nobody and are charged to nobody. */
static int new_file(struct lnkfs_volume *v, const struct lnkfs_format *f,
		    struct lnkfs_cinode *ci)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, v, LNKFS_CREDITS_IALLOC + LNKFS_CREDITS_STORE);
	err = lnkfs_ialloc(&tx, &v->fs, 0, 1, false, &ci->ino);
	if (!err) {
		lnkfs_format_inode(f, ci, S_IFREG | 0600, 1, 1);
		lnkfs_ext_init(ci);
		err = lnkfs_inode_store(&tx, &v->fs, ci);
	}
	lnkfs_tx_end(&tx);
	return err;
}

/**
 * lnkfs_format_quota_file() - put a quota file on a volume
 * @v: volume
 * @f: what its time stamps are to be
 * @type: LNKFS_QUOTA_*; the superblock's number is set
 * @q: its contents
 *
 * Return: 0, -ENOSPC and others; then a part may have been made.
 */
int lnkfs_format_quota_file(struct lnkfs_volume *v, const struct lnkfs_format *f, u32 type,
			    const struct lnkfs_qimage *q)
{
	u8 area[LNKFS_AREA_LEN(1)] __attribute__((aligned(8))) = { 0 };
	struct lnkfs_cinode ci = { .area = area };
	int err;

	err = new_file(v, f, &ci);
	if (!err)
		err = lnkfs_qimage_write(q, v, &ci);
	v->sb.s_quota_ino[type] = cpu_to_le64(ci.ino);
	/* That the number could be had says that lost+found is gone. */
	if (v->sb.s_lpf_ino == v->sb.s_quota_ino[type])
		v->sb.s_lpf_ino = 0;
	return err;
}

/* The root directory belongs to @owner, lost+found to 0. Neither has blocks. */
static int fill(struct lnkfs_qimage *q, u32 owner)
{
	struct lnkfs_quota_entry e = { .q_inodes = cpu_to_le64(owner ? 1 : 2) };
	int err;

	err = lnkfs_qimage_add(q, &e);
	if (!err && owner) {
		e.q_id = cpu_to_le32(owner);
		err = lnkfs_qimage_add(q, &e);
	}
	return err;
}

/**
 * lnkfs_format_quota() - make the quota files
 * @v: volume with its root directory made
 * @f: what is asked for
 *
 * Sets the superblock's numbers of them.
 */
int lnkfs_format_quota(struct lnkfs_volume *v, const struct lnkfs_format *f)
{
	const u32 owner[LNKFS_QUOTA_TYPES] = { f->uid, f->gid, 0 };
	u32 type;
	int err = 0;

	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++) {
		struct lnkfs_qimage q;

		if (!(f->quota_types & (1u << type)))
			continue;
		err = lnkfs_qimage_init(&q, type);
		if (err)
			break;
		err = fill(&q, owner[type]);
		if (!err)
			err = lnkfs_format_quota_file(v, f, type, &q);
		lnkfs_qimage_free(&q);
	}
	return err;
}
