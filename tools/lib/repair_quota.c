// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of the quota files: they are made anew, with the usage that there is and
 * the limits that can be read.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "format.h"
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
 * @map: its extents
 * @seen: per quota block: 1 a leaf of the tree, 2 a part of it
 * @blocks: quota blocks that there may be
 * @idle: owners of nothing that have limits, which have been taken over
 * @new: the file that is made
 */
struct old_file {
	struct lnkfs_repair *r;
	u32 type;
	struct lnkfs_node node;
	struct lnkfs_extents map;
	u8 *seen;
	u32 blocks;
	struct lnkfs_usages idle;
	struct lnkfs_qimage new;
};

/* A block of the file, whose checksum need not be right. The extents are in order. */
static bool read_lblk(struct old_file *f, u64 lblk, void *data)
{
	const struct lnkfs_ext *x;
	u64 low = 0, high = f->map.nr;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		x = &f->map.x[mid];
		if (lblk < x->lblk)
			high = mid;
		else if (lblk - x->lblk >= x->len)
			low = mid + 1;
		else
			return !lnkfs_header_read(f->r, &f->node.ci, LNKFS_B_QUOTA,
						  x->block + (lblk - x->lblk), data);
	}
	return false;
}

static bool read_block(struct old_file *f, u32 block, union quota_data *data)
{
	u8 buf[1u << LNKFS_MAX_BLOCK_BITS] __attribute__((aligned(8)));
	u32 payload = lnkfs_quota_payload(f->r->fs), done, part, at;
	u64 lblk;

	for (done = 0; done < LNKFS_QUOTA_BLOCK; done += part) {
		lblk = div_u64_rem((u64)block * LNKFS_QUOTA_BLOCK + done, payload, &at);
		part = min_t(u32, LNKFS_QUOTA_BLOCK - done, payload - at);
		if (!read_lblk(f, lblk, buf))
			return false;
		memcpy(data->bytes + done, buf + sizeof(struct lnkfs_quota_block) + at, part);
	}
	return true;
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

/* An entry of the old file: its limits go on to hold. */
static int take_entry(struct old_file *f, struct lnkfs_quota_entry *e)
{
	u32 id = le32_to_cpu(e->q_id);
	struct lnkfs_usage *u = lnkfs_usage_find(&f->r->c->usage[f->type], id);
	struct lnkfs_usage idle = { .id = id, .inodes = 1 };
	const struct lnkfs_usages one = { .table = &idle, .size = 1 };

	if (u ? u->seen : lnkfs_usage_find(&f->idle, id) != NULL)
		return 0;
	if (u)
		u->seen = true;
	else if (lnkfs_usages_add(&f->idle, &one))
		return -ENOMEM;
	set_usage(e, u);
	return lnkfs_qimage_add(&f->new, e);
}

static bool get_entry(const union quota_data *data, u32 i, struct lnkfs_quota_entry *e)
{
	memcpy(e, data->bytes + sizeof(data->leaf) + i * sizeof(*e), sizeof(*e));
	return memchr_inv(e, 0, sizeof(*e));
}

/* The entry of @id that the tree leads to. */
static int take_over(struct old_file *f, u32 block, u32 id)
{
	struct lnkfs_quota_entry e;
	union quota_data data;
	u32 i;

	if (!read_block(f, block, &data))
		return 0;
	f->seen[block] = 1;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++)
		if (get_entry(&data, i, &e) && le32_to_cpu(e.q_id) == id)
			return take_entry(f, &e);
	return 0;
}

/* A block that the tree does not lead to, or not for all of its entries. */
static int take_leaf(struct old_file *f, u32 block)
{
	struct lnkfs_quota_entry e;
	union quota_data data;
	u32 i, used = 0;
	int err = 0;

	if (f->seen[block] == 2 || !read_block(f, block, &data))
		return 0;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++) {
		if (!get_entry(&data, i, &e))
			continue;
		used++;
		if (e.q_pad)
			return 0;
	}
	/* What a leaf says of itself has to be right, or it may be anything. */
	if (!used || used != le16_to_cpu(data.leaf.l_entries) || data.leaf.l_pad0 ||
	    data.leaf.l_pad1)
		return 0;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES && !err; i++)
		if (get_entry(&data, i, &e))
			err = take_entry(f, &e);
	return err;
}

static int walk_tree(struct old_file *f, u32 block, u32 level, u32 prefix)
{
	union quota_data data;
	u32 i, ref;
	int err = 0;

	if (block < TREE_ROOT || block >= f->blocks || f->seen[block] ||
	    !read_block(f, block, &data))
		return 0;
	f->seen[block] = 2;
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
	struct lnkfs_salvage s = { .r = f->r, .ci = &f->node.ci };
	union quota_data data;
	u64 blocks = 0, i;
	u32 block;
	int err;

	err = lnkfs_extents_salvage(&s, &f->map);
	lnkfs_salvage_end(&s);
	if (err)
		return err;
	for (i = 0; i < f->map.nr; i++)
		blocks += f->map.x[i].len;
	/* Its size may be anything. */
	blocks = min_t(u64, blocks, f->node.ci.size >> f->r->fs->block_bits);
	f->blocks = (u32)min_t(u64, U32_MAX, blocks * lnkfs_quota_payload(f->r->fs) /
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
	for (block = TREE_ROOT + 1; block < f->blocks && !err; block++)
		err = take_leaf(f, block);
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

/* A number that the superblock, too, has for nothing, not even for what is lost. */
static int new_number(lnkfs_tx *tx, struct lnkfs_repair *r, u64 *ino)
{
	u64 other[LNKFS_QUOTA_TYPES];
	u32 nr = 0;
	int err, err2;

	while (!(err = lnkfs_ialloc(tx, r->fs, 0, 1, false, ino)) &&
	       lnkfs_super_has_quota_ino(&r->v->sb, *ino) && nr < LNKFS_QUOTA_TYPES)
		other[nr++] = *ino;
	while (nr) {
		err2 = lnkfs_ifree(tx, r->fs, other[--nr], 1, false);
		err = err ? err : err2;
	}
	return err;
}

static int new_inode(struct lnkfs_repair *r, struct lnkfs_node *node)
{
	const struct lnkfs_format f = { .now = lnkfs_now() };
	struct lnkfs_cinode *ci = &node->ci;
	lnkfs_tx tx;
	int err;

	memset(node, 0, sizeof(*node));
	ci->area = node->area;
	lnkfs_tx_begin(&tx, r->v, 0);
	err = new_number(&tx, r, &ci->ino);
	if (!err) {
		lnkfs_format_inode(&f, ci, S_IFREG | 0600, 1, 1);
		lnkfs_ext_init(ci);
		err = lnkfs_inode_store(&tx, r->fs, ci);
	}
	lnkfs_tx_end(&tx);
	return err;
}

/**
 * lnkfs_free_quota_file() - free a file that the superblock does not name any more
 * @r: repair, after lnkfs_repair_maps()
 * @node: its inode
 *
 * Return: 0 or what the core says.
 */
int lnkfs_free_quota_file(struct lnkfs_repair *r, struct lnkfs_node *node)
{
	const struct lnkfs_rinode *info = lnkfs_rinode_find(r, node->ci.ino);
	lnkfs_tx tx;
	int ret;

	/* Where some of its blocks are another's none is freed; the next round counts. */
	if (info && info->flags & (RI_FOREIGN | RI_TWICE))
		lnkfs_ext_init(&node->ci);
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
		err = lnkfs_free_quota_file(r, &f->node);
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
	old = !r->new_quota[type] && !lnkfs_rinode_load(r, ino, &f.node) && S_ISREG(f.node.ci.mode);
	if (old)
		err = read_old(&f);
	if (!err)
		err = add_missing(&f);
	if (!err)
		err = write_new(&f, old);
	lnkfs_extents_free(&f.map);
	lnkfs_qimage_free(&f.new);
	free(f.idle.table);
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

/* Are files lost, or in need of being made anew whatever they say? */
static bool note_lost(struct lnkfs_repair *r)
{
	const struct lnkfs_rinode *info;
	bool lost = false;
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		u64 ino = le64_to_cpu(r->v->sb.s_quota_ino[type]);

		info = lnkfs_rinode_find(r, ino);
		r->new_quota[type] |= ino && !info;
		lost |= r->new_quota[type] || (info && info->flags & RI_FOREIGN);
	}
	return lost;
}

/* What belongs to whom, and what the files say of it. */
static int count_all(struct lnkfs_repair *r)
{
	__le64 named[LNKFS_QUOTA_TYPES];
	u32 type;
	int err;

	/* A file that is none, or another's now, is counted as any other. */
	memcpy(named, r->v->sb.s_quota_ino, sizeof(named));
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (r->new_quota[type])
			r->v->sb.s_quota_ino[type] = cpu_to_le64(~0ULL);
	err = charge_all(r);
	if (!err)
		err = lnkfs_fsck_quota(r->c);
	memcpy(r->v->sb.s_quota_ino, named, sizeof(named));
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
	static const __le64 none[LNKFS_QUOTA_TYPES];
	u64 before = r->c->res.problems;
	bool lost = note_lost(r);
	u32 type;
	int err;

	if (!memcmp(r->v->sb.s_quota_ino, none, sizeof(none)))
		return 0;
	err = count_all(r);
	if (err || (!lost && r->c->res.problems == before))
		return err;
	for (type = 0; type < LNKFS_QUOTA_TYPES && !err; type++)
		if (r->v->sb.s_quota_ino[type])
			err = rebuild(r, type);
	return err;
}
