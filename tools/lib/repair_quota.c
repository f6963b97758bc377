// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of the quota files: they are made anew, with the usage that there is and
 * the limits that can be read.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "quota_image.h"
#include "repair_priv.h"

#define TREE_ROOT	1

static const char *const type_names[LNKFS_QUOTA_TYPES] = { "user", "group", "project" };

union quota_data {
	__le32 ref[LNKFS_QUOTA_REFS];
	struct lnkfs_quota_leaf leaf;
	u8 bytes[LNKFS_QUOTA_BLOCK];
};

/**
 * struct old_file - the quota file that there is
 * @r: repair
 * @type: LNKFS_QUOTA_*
 * @node: its inode
 * @seen: per quota block, whether it has been met in the tree
 * @blocks: quota blocks that there may be
 * @new: the file that is made
 */
struct old_file {
	struct lnkfs_repair *r;
	u32 type;
	struct lnkfs_node node;
	u8 *seen;
	u32 blocks;
	struct lnkfs_qimage new;
};

static bool read_block(struct old_file *f, u32 block, union quota_data *data)
{
	return lnkfs_quota_read(f->r->fs, &f->node.ci, (u64)block * LNKFS_QUOTA_BLOCK, data,
				LNKFS_QUOTA_BLOCK) == LNKFS_QUOTA_BLOCK;
}

static void set_usage(struct lnkfs_quota_entry *e, const struct lnkfs_usage *u)
{
	e->q_pad = 0;
	e->q_inodes = cpu_to_le64(u ? u->inodes : 0);
	e->q_space = cpu_to_le64(u ? u->space : 0);
	/* All zero would be an entry that is not in use. */
	if (!memchr_inv(e, 0, sizeof(*e)))
		e->q_itime = cpu_to_le64(1);
}

/* An entry that the tree leads to: its limits go on to hold. */
static int take_over(struct old_file *f, u32 block, u32 id)
{
	struct lnkfs_usage *u = lnkfs_usage_find(&f->r->c->usage[f->type], id);
	struct lnkfs_quota_entry e;
	union quota_data data;
	u32 i;

	if (u && u->seen)
		return 0;
	if (!read_block(f, block, &data))
		return 0;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++) {
		memcpy(&e, data.bytes + sizeof(data.leaf) + i * sizeof(e), sizeof(e));
		if (le32_to_cpu(e.q_id) == id && memchr_inv(&e, 0, sizeof(e)))
			break;
	}
	if (i == LNKFS_QUOTA_ENTRIES)
		return 0;
	if (u)
		u->seen = true;
	set_usage(&e, u);
	return lnkfs_qimage_add(&f->new, &e);
}

static int walk_tree(struct old_file *f, u32 block, u32 level, u32 prefix)
{
	union quota_data data;
	u32 i, ref;
	int err = 0;

	if (block < TREE_ROOT || block >= f->blocks || f->seen[block] ||
	    !read_block(f, block, &data))
		return 0;
	f->seen[block] = 1;
	for (i = 0; i < LNKFS_QUOTA_REFS && !err; i++) {
		ref = le32_to_cpu(data.ref[i]);
		if (!ref || ref >= f->blocks)
			continue;
		if (level + 1 < LNKFS_QUOTA_LEVELS)
			err = walk_tree(f, ref, level + 1, prefix << 8 | i);
		else
			err = take_over(f, ref, prefix << 8 | i);
	}
	return err;
}

static int read_old(struct old_file *f)
{
	static const u32 magics[LNKFS_QUOTA_TYPES] = LNKFS_QUOTA_MAGICS;
	struct lnkfs_quota_head *to = (void *)f->new.data, *from;
	union quota_data data;
	int err;

	f->blocks = (u32)min_t(u64, U32_MAX, lnkfs_quota_bytes(f->r->fs, &f->node.ci) /
			       LNKFS_QUOTA_BLOCK);
	f->seen = calloc(f->blocks ? f->blocks : 1, 1);
	if (!f->seen)
		return -ENOMEM;
	from = (void *)data.bytes;
	if (read_block(f, 0, &data) && le32_to_cpu(from->f_magic) == magics[f->type]) {
		to->f_bgrace = from->f_bgrace;
		to->f_igrace = from->f_igrace;
	}
	err = walk_tree(f, TREE_ROOT, 0, 0);
	free(f->seen);
	return err;
}

/* Those that the old file does not know. */
static int add_missing(struct old_file *f)
{
	const struct lnkfs_usages *u = &f->r->c->usage[f->type];
	int err = 0;
	u32 i;

	for (i = 0; i < u->size && !err; i++) {
		struct lnkfs_quota_entry e = { .q_id = cpu_to_le32(u->table[i].id) };

		if (!u->table[i].inodes || u->table[i].seen)
			continue;
		set_usage(&e, &u->table[i]);
		err = lnkfs_qimage_add(&f->new, &e);
	}
	return err;
}

static int new_inode(struct lnkfs_repair *r, struct lnkfs_node *node)
{
	struct lnkfs_cinode *ci = &node->ci;
	lnkfs_tx tx;
	int err;

	memset(node, 0, sizeof(*node));
	ci->area = node->area;
	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_ialloc(&tx, r->fs, 0, 1, false, &ci->ino);
	if (!err) {
		while (!ci->gen)
			ci->gen = lnkfs_random32();
		ci->mode = S_IFREG | 0600;
		ci->slots = 1;
		ci->area_len = LNKFS_AREA_LEN(1);
		ci->nlink = 1;
		lnkfs_ext_init(ci);
		err = lnkfs_inode_store(&tx, r->fs, ci);
	}
	lnkfs_tx_end(&tx);
	return err;
}

/* Free a file that the superblock does not name any more. */
static int free_file(struct lnkfs_repair *r, struct lnkfs_node *node)
{
	lnkfs_tx tx;
	int ret;

	do {
		lnkfs_tx_begin(&tx, r->v, 0);
		ret = lnkfs_ext_remove(&tx, r->fs, &node->ci, 0, LNKFS_MAX_LBLK, 64);
		lnkfs_inode_store(&tx, r->fs, &node->ci);
		lnkfs_tx_end(&tx);
	} while (ret > 0);
	if (ret)
		return ret;
	lnkfs_tx_begin(&tx, r->v, 0);
	ret = lnkfs_xattr_free(&tx, r->fs, &node->ci);
	if (!ret)
		ret = lnkfs_ifree(&tx, r->fs, node->ci.ino, node->ci.slots, false);
	lnkfs_tx_end(&tx);
	return ret;
}

static int write_new(struct old_file *f, bool old)
{
	struct lnkfs_repair *r = f->r;
	struct lnkfs_node node;
	int err;

	err = new_inode(r, &node);
	if (!err)
		err = lnkfs_qimage_write(&f->new, r->v, &node.ci);
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "no space for a %s quota file", type_names[f->type]);
		return 0;
	}
	if (!err)
		err = lnkfs_repair_settle(r);
	if (err)
		return err;
	r->v->sb.s_quota_ino[f->type] = cpu_to_le64(node.ci.ino);
	err = lnkfs_volume_write_super(r->v, true);
	if (!err)
		err = lnkfs_dev_sync(&r->v->dev);
	lnkfs_fixed(r, "%s quota file made anew", type_names[f->type]);
	if (!err && old)
		err = free_file(r, &f->node);
	return lnkfs_fatal(err);
}

static int rebuild(struct lnkfs_repair *r, u32 type)
{
	u64 ino = le64_to_cpu(r->v->sb.s_quota_ino[type]);
	struct old_file f = { .r = r, .type = type };
	struct lnkfs_usages *u = &r->c->usage[type];
	bool old;
	int err;
	u32 i;

	err = lnkfs_qimage_init(&f.new, type);
	if (err)
		return err;
	for (i = 0; i < u->size; i++)
		u->table[i].seen = false;
	old = ino && !lnkfs_rinode_load(r, ino, &f.node) && S_ISREG(f.node.ci.mode);
	if (old)
		err = read_old(&f);
	if (!err)
		err = add_missing(&f);
	if (!err)
		err = write_new(&f, old);
	lnkfs_qimage_free(&f.new);
	return err;
}

static int charge_all(struct lnkfs_repair *r)
{
	struct lnkfs_cinfo info = {};
	struct lnkfs_node node;
	int err = 0;
	u64 i;

	for (i = 0; i < r->nr && !err; i++) {
		if (r->inodes[i].flags & RI_GONE)
			continue;
		err = lnkfs_rinode_load(r, r->inodes[i].ino, &node);
		if (!err)
			err = lnkfs_fsck_charge(r->c, &node.ci, &info);
		err = lnkfs_fatal(err);
	}
	return err;
}

/**
 * lnkfs_repair_quota() - make the quota files right
 * @r: repair, when everything else is in order
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_quota(struct lnkfs_repair *r)
{
	u64 before = r->c->res.problems;
	bool any = false, lost = false;
	u32 type;
	int err;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		/* A type whose file is lost is counted under any number. */
		if (r->new_quota[type])
			r->v->sb.s_quota_ino[type] = cpu_to_le64(~0ULL);
		any |= r->v->sb.s_quota_ino[type] != 0;
		lost |= r->new_quota[type];
	}
	if (!any)
		return 0;
	err = charge_all(r);
	if (!err)
		err = lnkfs_fsck_quota(r->c);
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (r->new_quota[type])
			r->v->sb.s_quota_ino[type] = 0;
	if (err || (!lost && r->c->res.problems == before))
		return err;
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (r->v->sb.s_quota_ino[type] || r->new_quota[type])
			err = rebuild(r, type);
	return err;
}
