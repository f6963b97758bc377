// SPDX-License-Identifier: GPL-2.0
/*
 * Who owns what: every inode is asked, and maps, bitmaps and descriptors are
 * written anew from the answers.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "repair_priv.h"

/* ---- bitmaps of our own ---- */

/**
 * lnkfs_group_mark() - set a bit in a bitmap of a group
 * @r: repair
 * @map: the bitmap; made when it is NULL
 * @off: block in the group
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_group_mark(struct lnkfs_repair *r, u8 **map, u32 off)
{
	if (!*map)
		*map = calloc(1, r->fs->block_size);
	if (!*map)
		return -ENOMEM;
	lnkfs_set_bit(off, *map);
	return 0;
}

static bool marked(const u8 *map, u32 off)
{
	return map && lnkfs_test_bit(off, map);
}

/**
 * lnkfs_is_meta() - does a block hold inodes, or metadata of one?
 * @r: repair, after lnkfs_repair_claim_all()
 * @block: block of the volume
 */
bool lnkfs_is_meta(const struct lnkfs_repair *r, u64 block)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));

	return marked(r->group[group].imap, off) || marked(r->group[group].meta, off);
}

/* ---- claims ---- */

/**
 * lnkfs_is_nobodys() - may a block be used, and has nobody claimed it?
 * @r: repair, after inodes have been asked
 * @block: block of the volume
 */
bool lnkfs_is_nobodys(const struct lnkfs_repair *r, u64 block)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));

	return !lnkfs_is_meta(r, block) && !marked(r->group[group].data, off) &&
	       lnkfs_block_valid(r->fs, block, 1);
}

static int commit_block(struct lnkfs_repair *r, u64 block, bool data)
{
	u32 group = lnkfs_group_of(r->fs, block);
	u32 off = (u32)(block - lnkfs_group_first(r->fs, group));
	struct lnkfs_rgroup *g = &r->group[group];

	if (!data) {
		r->conflicts += marked(g->data, off);
		return lnkfs_group_mark(r, &g->meta, off);
	}
	if (marked(g->data, off)) {
		r->conflicts++;
		return lnkfs_group_mark(r, &g->twice, off);
	}
	r->conflicts += lnkfs_is_meta(r, block);
	return lnkfs_group_mark(r, &g->data, off);
}

/**
 * lnkfs_commit_meta() - a block holds metadata
 * @r: repair
 * @block: block of the volume; a file that has it, too, loses it
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_commit_meta(struct lnkfs_repair *r, u64 block)
{
	return commit_block(r, block, false);
}

/*
 * A block of a quota file says whose it is; whatever else it is, it is not that. It does
 * not say where in the file it belongs: it may be there twice.
 */
static int commit_quota_block(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			      const struct lnkfs_cinode *ci, u64 block)
{
	u8 data[1u << LNKFS_MAX_BLOCK_BITS] __attribute__((aligned(8)));
	int ret = lnkfs_header_read(r, ci, LNKFS_B_QUOTA, block, data);

	if (ret < 0)
		return ret;
	if (ret || lnkfs_is_meta(r, block))
		info->flags |= RI_FOREIGN;
	return ret ? 0 : commit_block(r, block, false);
}

static int commit_claims(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			 const struct lnkfs_cinode *ci)
{
	int err = 0;
	u64 i, n;

	for (i = 0; i < r->claims.nr; i++) {
		const struct lnkfs_claim *cl = &r->claims.list[i];
		bool quota = cl->data && info->flags & RI_QUOTA;

		for (n = 0; n < cl->len && !err; n++) {
			/* Only the body of a symlink does not say whose it is. */
			if (S_ISLNK(info->mode) && lnkfs_is_meta(r, cl->block + n))
				info->flags |= RI_TWICE;
			err = quota ? commit_quota_block(r, info, ci, cl->block + n) :
				      commit_block(r, cl->block + n, cl->data);
		}
	}
	return err;
}

/* Does an inode in doubt want what one that is not has? */
static bool claims_others(const struct lnkfs_repair *r)
{
	u64 i, n, block;
	u32 group;

	for (i = 0; i < r->claims.nr; i++) {
		for (n = 0; n < r->claims.list[i].len; n++) {
			block = r->claims.list[i].block + n;
			group = lnkfs_group_of(r->fs, block);
			if (marked(r->group[group].sure,
				   (u32)(block - lnkfs_group_first(r->fs, group))))
				return true;
		}
	}
	return false;
}

static int by_block(const void *a, const void *b)
{
	const struct lnkfs_claim *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/* Has the inode that is being asked claimed a block more than once? Sorts its claims. */
static bool claimed_twice(struct lnkfs_repair *r)
{
	struct lnkfs_claim *list = r->claims.list;
	u64 i;

	if (r->claims.nr > 1)
		qsort(list, r->claims.nr, sizeof(*list), by_block);
	for (i = 1; i < r->claims.nr; i++)
		if (list[i].block - list[i - 1].block < list[i - 1].len)
			return true;
	return false;
}

static int claim_xattrs(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			struct lnkfs_cinode *ci, struct lnkfs_fsck_link *link)
{
	u64 before = r->c->res.problems, blocks;
	int err;

	err = lnkfs_fsck_xattrs(r->c, ci, &blocks, link);
	info->xattr_blocks = (u32)blocks;
	/* An empty leaf fits wherever a tree of leaves leads to it. */
	if (err || (r->c->res.problems == before && !claimed_twice(r)))
		return err;
	info->flags |= RI_XATTR;
	r->claims.nr = 0;
	return lnkfs_xattrs_claim(r, ci);
}

static int claim_dir(struct lnkfs_repair *r, struct lnkfs_rinode *info, struct lnkfs_cinode *ci)
{
	static const struct lnkfs_check_ops ops = {
		.block = lnkfs_fsck_block_seen,
	};
	struct lnkfs_fsck_inode w = { .c = r->c, .ci = ci };
	u64 before = r->c->res.problems, mark = r->claims.nr, said = ci->blocks;
	struct lnkfs_check_dir_result res;
	int err;

	/* A wrong number of blocks is no reason to make it anew. */
	ci->blocks = 0;
	err = lnkfs_check_dir(r->fs, ci, &ops, &w, &res);
	ci->blocks = said;
	if (err)
		return err;
	info->fork_blocks = res.blocks + res.nodes;
	if (res.problems == (info->fork_blocks ? 1 : 0) && r->c->res.problems == before)
		return 0;
	info->flags |= RI_FORK;
	r->claims.nr = mark;
	return lnkfs_dir_claim(r, ci);
}

static int claim_file_salvaged(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	struct lnkfs_salvage s = { .r = r, .ci = ci };
	struct lnkfs_extents list;
	int err;
	u64 i;

	err = lnkfs_extents_salvage(&s, &list);
	for (i = 0; i < list.nr && !err; i++)
		err = lnkfs_claim_data(r->c, list.x[i].block, list.x[i].len, ci->ino);
	for (i = 0; i < s.nr_nodes && !err; i++)
		err = lnkfs_claim(r->c, s.nodes[i], 1, ci->ino);
	lnkfs_extents_free(&list);
	lnkfs_salvage_end(&s);
	return err;
}

/**
 * lnkfs_holds_quota() - are the blocks of a file those of a quota file?
 * @r: repair
 * @ci: the file
 *
 * Return: 0 when one of the first blocks is; 1 when none is; -EIO, -ENOMEM.
 */
int lnkfs_holds_quota(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	struct lnkfs_salvage s = { .r = r, .ci = ci };
	void *data = malloc(r->fs->block_size);
	struct lnkfs_extents list = {};
	u64 i, n, looked = 0;
	int err;

	err = data ? lnkfs_extents_salvage(&s, &list) : -ENOMEM;
	if (!err)
		err = 1;
	for (i = 0; i < list.nr && err == 1 && looked < 16; i++)
		for (n = 0; n < list.x[i].len && err == 1 && looked < 16; n++, looked++)
			err = lnkfs_header_read(r, ci, LNKFS_B_QUOTA, list.x[i].block + n, data);
	lnkfs_extents_free(&list);
	lnkfs_salvage_end(&s);
	free(data);
	return err;
}

/* A file that the superblock calls a quota file, and that is none. */
static int check_quota_file(struct lnkfs_repair *r, struct lnkfs_rinode *info,
			    struct lnkfs_cinode *ci)
{
	int err = lnkfs_holds_quota(r, ci);
	u32 type;

	if (err == 1) {
		err = 0;
		info->flags &= ~RI_QUOTA;
		for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
			if (le64_to_cpu(r->v->sb.s_quota_ino[type]) == ci->ino)
				r->new_quota[type] = true;
		lnkfs_fixed(r, "inode %" PRIu64 " is no quota file", ci->ino);
	}
	return err;
}

static u64 slow_first(const struct lnkfs_cinode *ci)
{
	return le64_to_cpu(((const struct lnkfs_slow_link *)ci->area)->l_block);
}

static int claim_fork(struct lnkfs_repair *r, struct lnkfs_rinode *info, struct lnkfs_cinode *ci)
{
	u64 before = r->c->res.problems, mark = r->claims.nr;
	char target[LNKFS_SYMLINK_MAX + 1];
	int err;

	if (S_ISDIR(ci->mode))
		return claim_dir(r, info, ci);
	err = lnkfs_fsck_fork(r->c, ci, &info->fork_blocks);
	if (!err && info->flags & RI_QUOTA)
		err = check_quota_file(r, info, ci);
	if (err || r->c->res.problems == before)
		return err;
	r->claims.nr = mark;
	if (S_ISREG(ci->mode)) {
		info->flags |= RI_FORK;
		return claim_file_salvaged(r, ci);
	}
	/* Where only what follows the target is wrong, it gets a new body. */
	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_read_slow(r->fs, ci, target);
	if (lnkfs_fatal(err))
		return err;
	if (ci->fork == LNKFS_FORK_SLOW_LINK && !err) {
		info->flags |= RI_TWICE;
		return lnkfs_claim(r->c, slow_first(ci), info->fork_blocks, ci->ino);
	}
	r->claims.nr = 0;
	info->flags |= RI_GONE;
	lnkfs_fixed(r, "inode %" PRIu64 ": a symlink whose target is damaged, freed", ci->ino);
	return 0;
}

/*
 * The flag of a symlink says what is there. An attribute that its target cannot have
 * goes when the attributes are set anew.
 */
static int claim_link(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		      struct lnkfs_cinode *ci, const struct lnkfs_fsck_link *link, bool *changed)
{
	bool flag = ci->lflags & LNKFS_LF_LINK;
	int fits = 1;

	if (!S_ISLNK(ci->mode) || info->flags & (RI_XATTR | RI_GONE))
		return 0;
	if (link->there)
		fits = lnkfs_link_fits(r->fs, ci, &link->la);
	if (!fits) {
		info->flags |= RI_XATTR;
	} else if (fits > 0 && link->there != flag) {
		ci->lflags ^= LNKFS_LF_LINK;
		*changed = true;
		lnkfs_fixed(r, "inode %" PRIu64 ": %s", ci->ino, link->there ?
			    "flag set that says that the symlink has an attribute" :
			    "a plain symlink now: its attribute is lost");
	}
	return min(fits, 0);
}

/**
 * lnkfs_rinode_count() - have a record say how many blocks the inode has
 * @r: repair
 * @info: what is known of it
 * @ci: the record
 *
 * Return: true when it said something else.
 */
bool lnkfs_rinode_count(struct lnkfs_repair *r, const struct lnkfs_rinode *info,
			struct lnkfs_cinode *ci)
{
	u64 blocks = info->fork_blocks + info->xattr_blocks;

	if (ci->blocks == blocks)
		return false;
	lnkfs_fixed(r, "inode %" PRIu64 ": owns %" PRIu64 " blocks, not %" PRIu64, ci->ino,
		    blocks, ci->blocks);
	ci->blocks = blocks;
	return true;
}

/* Blocks that the inode claims which is being asked. */
static u64 claimed(const struct lnkfs_repair *r)
{
	u64 i, blocks = 0;

	for (i = 0; i < r->claims.nr; i++)
		blocks += r->claims.list[i].len;
	return blocks;
}

/* @changed: the record is. */
static int claim_inode(struct lnkfs_repair *r, struct lnkfs_rinode *info,
		       struct lnkfs_cinode *ci, bool *changed)
{
	struct lnkfs_fsck_link link;
	int err;

	r->claims.nr = 0;
	err = claim_xattrs(r, info, ci, &link);
	if (!err)
		err = claim_fork(r, info, ci);
	if (!err)
		err = claim_link(r, info, ci, &link, changed);
	if (!err && r->asked == ASKED_DOUBT && info->flags & RI_DOUBT && claims_others(r)) {
		info->flags |= RI_GONE;
		lnkfs_fixed(r, "inode %" PRIu64 ": has no name, and another's blocks: freed",
			    ci->ino);
	}
	if (err || info->flags & RI_GONE)
		return err;
	info->flags &= (u16)~(RI_MORE | RI_FOREIGN);
	if (S_ISREG(ci->mode) && !(info->flags & RI_QUOTA) && claimed(r) > ci->blocks)
		info->flags |= RI_MORE;
	/* That it claims a block does not make less of another that is in doubt. */
	if (info->flags & RI_MORE && r->asked == ASKED_SURE)
		return 0;
	err = commit_claims(r, info, ci);
	if (!err && !(info->flags & (RI_FORK | RI_XATTR | RI_MORE)))
		*changed |= lnkfs_rinode_count(r, info, ci);
	return err;
}

static bool is_asked(const struct lnkfs_repair *r, const struct lnkfs_rinode *info)
{
	switch (r->asked) {
	case ASKED_SURE:
		return !(info->flags & RI_DOUBT);
	case ASKED_DOUBT:
		return info->flags & (RI_DOUBT | RI_MORE);
	default:
		return true;
	}
}

static int claim_record(struct lnkfs_repair *r, void *data, u64 block, u32 slot, u32 count,
			bool *changed)
{
	struct lnkfs_rinode *info;
	struct lnkfs_node node;
	bool store = false;
	int err;

	info = lnkfs_rinode_find(r, (block << r->fs->slot_bits) + slot);
	memset(&node.ci, 0, sizeof(node.ci));
	node.ci.area = node.area;
	if (!info || !is_asked(r, info) ||
	    lnkfs_inode_decode(r->fs, data, block, slot, &node.ci))
		return 0;
	if (r->asked == ASKED_DOUBT && info->flags & RI_DOUBT) {
		store = lnkfs_doubt_tame(r, &node.ci);
		info->mode = node.ci.mode;
	}
	err = claim_inode(r, info, &node.ci, &store);
	if (err)
		return err;
	if (info->flags & RI_GONE)
		lnkfs_free_slots(data, slot, count);
	else if (store)
		lnkfs_inode_encode(&node.ci, data, slot);
	*changed |= store || info->flags & RI_GONE;
	return 0;
}

static int claim_inode_block(struct lnkfs_repair *r, u64 block)
{
	u32 slot = 0, slots = 1u << r->fs->slot_bits;
	u8 *data = malloc(r->fs->block_size);
	bool changed = false;
	int err;

	err = data ? lnkfs_read_raw(r, block, data) : -ENOMEM;
	while (!err && slot < slots) {
		const struct lnkfs_slot *sl = (void *)(data + slot * LNKFS_SLOT_SIZE);
		u32 count = sl->sl_type == LNKFS_SLOT_HEAD ? sl->sl_count : 1;

		if (sl->sl_type == LNKFS_SLOT_HEAD)
			err = claim_record(r, data, block, slot, count, &changed);
		slot += count ? count : 1;
	}
	if (!err && changed) {
		lnkfs_seal_block(r->fs, data, LNKFS_B_INODE, block);
		err = lnkfs_dev_write(&r->v->dev, block << r->fs->block_bits, data,
				      r->fs->block_size);
	}
	free(data);
	return err;
}

/* ---- inode blocks that the map does not know ---- */

static int by_ino(const void *a, const void *b)
{
	const struct lnkfs_rinode *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Sorting all inodes is for later: there may be many such blocks, which come in order. */
static int adopt(struct lnkfs_repair *r, u32 group, u32 off)
{
	u64 block = lnkfs_group_first(r->fs, group) + off, known = r->nr;
	int err;

	err = lnkfs_group_mark(r, &r->group[group].imap, off);
	if (!err)
		err = lnkfs_group_mark(r, &r->group[group].found, off);
	if (!err)
		err = lnkfs_repair_inode_block(r, block);
	r->later += r->nr - known;
	if (err || !marked(r->group[group].imap, off))
		return err;
	lnkfs_fixed(r, "block %" PRIu64 " is an inode block that was not in the map", block);
	return claim_inode_block(r, block);
}

/* Blocks in use that nobody owns may be inode blocks. */
static int look_for_inodes(struct lnkfs_repair *r, u32 group, void *data)
{
	u64 block = lnkfs_group_map_block(r->fs, group, LNKFS_B_BITMAP), first;
	struct lnkfs_map_block *map = malloc(r->fs->block_size);
	u32 off, size = lnkfs_group_size(r->fs, group);
	int err = map ? lnkfs_read_raw(r, block, map) : -ENOMEM;

	if (err || lnkfs_verify_block(r->fs, map, LNKFS_B_BITMAP, block, group, 0))
		goto out;
	first = lnkfs_group_first(r->fs, group);
	for (off = lnkfs_group_overhead(r->fs, group); off < size && !err; off++) {
		if (!lnkfs_test_bit(off, map->m_bits) || !lnkfs_is_nobodys(r, first + off))
			continue;
		err = lnkfs_read_raw(r, first + off, data);
		if (!err && lnkfs_looks_like_inodes(r->fs, data, first + off))
			err = adopt(r, group, off);
	}
out:
	free(map);
	return err;
}

/* ---- blocks with two owners ---- */

static bool has_conflict(const struct lnkfs_repair *r, const struct lnkfs_extents *list)
{
	u64 i, n;

	for (i = 0; i < list->nr; i++) {
		for (n = 0; n < list->x[i].len; n++) {
			u64 block = list->x[i].block + n;
			u32 group = lnkfs_group_of(r->fs, block);
			u32 off = (u32)(block - lnkfs_group_first(r->fs, group));

			if (lnkfs_is_meta(r, block) || marked(r->group[group].twice, off))
				return true;
		}
	}
	return false;
}

static int find_conflicts(struct lnkfs_repair *r)
{
	u8 *data = malloc(r->fs->block_size);
	int err = data ? 0 : -ENOMEM;
	u64 i, have = 0;

	for (i = 0; i < r->nr && !err; i++) {
		struct lnkfs_rinode *info = &r->inodes[i];
		u64 block = lnkfs_ino_block(r->fs, info->ino);
		struct lnkfs_extents list = {};
		struct lnkfs_node node = { .ci = { .area = node.area } };
		struct lnkfs_salvage s = { .r = r, .ci = &node.ci };

		if (!S_ISREG(info->mode) || info->flags & (RI_GONE | RI_QUOTA))
			continue;
		/* Its neighbours are in the same block. */
		if (block != have)
			err = lnkfs_read_raw(r, block, data);
		have = block;
		if (err || lnkfs_inode_decode(r->fs, data, block,
					      lnkfs_ino_slot(r->fs, info->ino), &node.ci))
			continue;
		err = lnkfs_extents_salvage(&s, &list);
		if (!err && has_conflict(r, &list))
			info->flags |= RI_TWICE;
		lnkfs_extents_free(&list);
		lnkfs_salvage_end(&s);
	}
	free(data);
	return err;
}

/**
 * lnkfs_repair_claim_blocks() - ask the inodes of all inode blocks what they own
 * @r: repair, after lnkfs_repair_find_inodes()
 * @asked: which of them
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_claim_blocks(struct lnkfs_repair *r, enum lnkfs_asked asked)
{
	u32 group, off;
	int err = 0;

	r->asked = asked;
	for (group = 0; group < r->fs->groups && !err; group++) {
		for (off = 0; r->group[group].imap && !err && off < r->fs->group_blocks; off++)
			if (marked(r->group[group].imap, off))
				err = claim_inode_block(r, lnkfs_group_first(r->fs, group) + off);
		lnkfs_progress(r->c, LNKFS_PASS_INODES, r->fs->groups + group + 1,
			       2 * r->fs->groups);
	}
	return err;
}

/**
 * lnkfs_repair_claim_all() - find out what every inode owns
 * @r: repair, after lnkfs_repair_find_inodes()
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_claim_all(struct lnkfs_repair *r)
{
	void *data = malloc(r->fs->block_size);
	int err = data ? 0 : -ENOMEM;
	u32 group;

	if (!err)
		err = lnkfs_repair_claim_blocks(r, ASKED_ALL);
	for (group = 0; group < r->fs->groups && !err; group++)
		err = look_for_inodes(r, group, data);
	free(data);
	if (r->later)
		qsort(r->inodes, r->nr, sizeof(*r->inodes), by_ino);
	r->later = 0;
	if (!err)
		err = lnkfs_repair_doubt(r);
	if (!err)
		err = lnkfs_repair_strays(r);
	return err || !r->conflicts ? err : find_conflicts(r);
}

/* ---- maps, bitmaps, descriptors ---- */

/**
 * struct maps - the maps of a group as they are to be
 * @bits: block bitmap, inode block map, full map, orphan map
 * @desc: descriptor
 */
struct maps {
	struct lnkfs_map_block *bits[LNKFS_GROUP_MAPS];
	struct lnkfs_group_desc desc;
};

/* What an inode block adds to the figures and maps of its group. */
static int add_inode_block(struct lnkfs_repair *r, u32 group, u32 off, struct maps *m,
			   void *data)
{
	u64 block = lnkfs_group_first(r->fs, group) + off;
	u32 slot, count, free = 0, slots = 1u << r->fs->slot_bits;
	int err = lnkfs_read_raw(r, block, data);

	if (err)
		return err;
	for (slot = 0; slot < slots; slot += count) {
		const struct lnkfs_inode *di = (void *)((u8 *)data + slot * LNKFS_SLOT_SIZE);

		count = max_t(u32, di->i_slot.sl_count, 1);
		if (di->i_slot.sl_type != LNKFS_SLOT_HEAD) {
			free++;
			continue;
		}
		le32_add_cpu(&m->desc.bg_used_inodes, 1);
		if (S_ISDIR(le16_to_cpu(di->i_mode)))
			le32_add_cpu(&m->desc.bg_used_dirs, 1);
		if (!di->i_nlink || le32_to_cpu(di->i_lflags) & LNKFS_LF_TRUNCATING) {
			lnkfs_set_bit(off, m->bits[3]->m_bits);
			m->desc.bg_flags |= cpu_to_le16(LNKFS_BG_ORPHANS);
		}
	}
	le32_add_cpu(&m->desc.bg_inode_blocks, 1);
	le32_add_cpu(&m->desc.bg_free_slots, free);
	lnkfs_set_bit(off, m->bits[1]->m_bits);
	if (!free)
		lnkfs_set_bit(off, m->bits[2]->m_bits);
	return 0;
}

static int make_maps(struct lnkfs_repair *r, u32 group, struct maps *m, void *data)
{
	u32 off, used = 0, overhead = lnkfs_group_overhead(r->fs, group);
	u32 size = lnkfs_group_size(r->fs, group), i;
	struct lnkfs_rgroup *g = &r->group[group];
	u64 first = lnkfs_group_first(r->fs, group);
	int err = 0;

	memset(&m->desc, 0, sizeof(m->desc));
	m->desc.bg_names = cpu_to_le64(g->names);
	for (i = 0; i < LNKFS_GROUP_MAPS; i++) {
		enum lnkfs_btype type = LNKFS_B_BITMAP + i;

		memset(m->bits[i], 0, r->fs->block_size);
		lnkfs_header_init(r->fs, m->bits[i], type,
				  lnkfs_group_map_block(r->fs, group, type), group, 0);
	}
	for (off = 0; off < r->fs->group_blocks && !err; off++) {
		bool inodes = marked(g->imap, off);

		if (off < size && off >= overhead && !inodes && !marked(g->meta, off) &&
		    !marked(g->data, off) && !lnkfs_in_journal(r->fs, first + off))
			continue;
		lnkfs_set_bit(off, m->bits[0]->m_bits);
		used += off < size;
		if (inodes)
			err = add_inode_block(r, group, off, m, data);
	}
	m->desc.bg_free_blocks = cpu_to_le32(size - used);
	if (used == overhead)
		m->desc.bg_flags |= cpu_to_le16(LNKFS_BG_BLOCK_UNINIT);
	if (!m->desc.bg_inode_blocks)
		m->desc.bg_flags |= cpu_to_le16(LNKFS_BG_INODE_UNINIT);
	for (i = 0; i < LNKFS_GROUP_MAPS; i++)
		lnkfs_seal_block(r->fs, m->bits[i], LNKFS_B_BITMAP + i,
				 lnkfs_group_map_block(r->fs, group, LNKFS_B_BITMAP + i));
	return err;
}

static int write_if_changed(struct lnkfs_repair *r, u64 block, const void *want, void *have,
			    bool *changed)
{
	int err = lnkfs_read_raw(r, block, have);

	if (err || !memcmp(want, have, r->fs->block_size))
		return err;
	*changed = true;
	return lnkfs_dev_write(&r->v->dev, block << r->fs->block_bits, want, r->fs->block_size);
}

/* An orphan bit too many does no harm: do not write for that alone. */
static void keep_orphan_bits(struct lnkfs_repair *r, u32 group, struct maps *m, void *data)
{
	u64 block = lnkfs_group_map_block(r->fs, group, LNKFS_B_ORPHMAP);
	const struct lnkfs_map_block *old = data;
	u32 off;

	if (lnkfs_read_raw(r, block, data) ||
	    lnkfs_verify_block(r->fs, data, LNKFS_B_ORPHMAP, block, group, 0))
		return;
	for (off = 0; off < r->fs->group_blocks; off++) {
		if (!lnkfs_test_bit(off, old->m_bits) || !marked(r->group[group].imap, off))
			continue;
		lnkfs_set_bit(off, m->bits[3]->m_bits);
		m->desc.bg_flags |= cpu_to_le16(LNKFS_BG_ORPHANS);
	}
	lnkfs_seal_block(r->fs, m->bits[3], LNKFS_B_ORPHMAP, block);
}

static int write_maps(struct lnkfs_repair *r, u32 group, struct maps *m, void *data)
{
	u16 flags = le16_to_cpu(m->desc.bg_flags);
	bool changed = false;
	int err = 0;
	u32 i;

	if (!(flags & LNKFS_BG_INODE_UNINIT))
		keep_orphan_bits(r, group, m, data);
	for (i = 0; i < LNKFS_GROUP_MAPS && !err; i++) {
		if (flags & (i ? LNKFS_BG_INODE_UNINIT : LNKFS_BG_BLOCK_UNINIT))
			continue;
		err = write_if_changed(r, lnkfs_group_map_block(r->fs, group, LNKFS_B_BITMAP + i),
				       m->bits[i], data, &changed);
	}
	if (changed)
		lnkfs_fixed(r, "group %u: maps written anew", group);
	return err;
}

/* A copy of descriptors; what it says of its groups may be out of date. */
static int mend_copy(struct lnkfs_repair *r, u32 group, void *data, struct lnkfs_gdesc_block *gb)
{
	u64 block = lnkfs_group_map_block(r->fs, group, LNKFS_B_BITMAP) - 1;
	u32 first = group - group % r->fs->desc_per_block;
	bool bad, changed = false;
	int err = lnkfs_read_raw(r, block, data);

	if (err)
		return err;
	bad = lnkfs_verify_block(r->fs, data, LNKFS_B_GDESC, block, first, 0);
	gb->d_header.h_blocknr = cpu_to_le64(block);
	lnkfs_seal_block(r->fs, gb, LNKFS_B_GDESC, block);
	err = write_if_changed(r, block, gb, data, &changed);
	if (bad)
		lnkfs_fixed(r, "copy of descriptors in block %" PRIu64 " written anew", block);
	return err;
}

/* Maps and descriptors of a run of groups, and the copies of these. */
static int mend_run(struct lnkfs_repair *r, u32 first, struct maps *m, void *data,
		    struct lnkfs_gdesc_block *gb)
{
	u32 group, end = min_t(u32, first + r->fs->desc_per_block, r->fs->groups);
	u64 block = lnkfs_gdesc_block(r->fs, first);
	bool changed = false;
	int err = 0;

	memset(gb, 0, r->fs->block_size);
	lnkfs_header_init(r->fs, gb, LNKFS_B_GDESC, block, first, 0);
	for (group = first; group < end && !err; group++) {
		err = make_maps(r, group, m, data);
		if (!err)
			err = write_maps(r, group, m, data);
		gb->d_desc[group - first] = m->desc;
		lnkfs_progress(r->c, LNKFS_PASS_MAPS, group + 1, r->fs->groups);
	}
	lnkfs_seal_block(r->fs, gb, LNKFS_B_GDESC, block);
	if (!err)
		err = write_if_changed(r, block, gb, data, &changed);
	if (changed)
		lnkfs_fixed(r, "descriptors of group %u on written anew", first);
	for (group = first + 1; group < end && !err; group++)
		if (lnkfs_group_has_desc(r->fs, group))
			err = mend_copy(r, group, data, gb);
	return err;
}

/**
 * lnkfs_repair_maps() - make bitmaps, maps and descriptors what they should be
 * @r: repair, after lnkfs_repair_claim_all()
 *
 * From then on the core can be used: the volume's groups are loaded.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_maps(struct lnkfs_repair *r)
{
	void *gb = malloc(r->fs->block_size), *data = malloc(r->fs->block_size);
	struct maps m = {};
	int err = gb && data ? 0 : -ENOMEM;
	u32 i, first;

	for (i = 0; i < LNKFS_GROUP_MAPS; i++) {
		m.bits[i] = malloc(r->fs->block_size);
		if (!m.bits[i])
			err = -ENOMEM;
	}
	for (first = 0; first < r->fs->groups && !err; first += r->fs->desc_per_block)
		err = mend_run(r, first, &m, data, gb);
	for (i = 0; i < LNKFS_GROUP_MAPS; i++)
		free(m.bits[i]);
	free(data);
	free(gb);
	if (!err)
		err = lnkfs_cache_drop(r->v);
	if (err)
		return err;
	lnkfs_volume_forget_groups(r->v);
	return lnkfs_volume_load_groups(r->v);
}
