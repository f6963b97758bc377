// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of one inode record: fields that make no sense get a value that does,
 * by what the others say. What the inode points to is looked at later.
 */
#include <stdlib.h>

#include "repair_priv.h"
#include "xattr.h"
#include "../../fs/lnkfs.h"

/* Least bytes of a root: it holds two records that lead to nodes. */
#define ROOT_MIN	(sizeof(struct lnkfs_btree_root) + 2 * 16)

static u8 *inline_run(const struct lnkfs_cinode *ci)
{
	return ci->area + ci->area_len - ci->xattr_len;
}

/* ---- inline attributes ---- */

/* Is every byte of the last @len of the area part of a sound entry? */
static bool run_parses(const struct lnkfs_fs *fs, u8 *area, u32 area_len, u32 len)
{
	const struct lnkfs_xattr_entry *e;
	u8 *run = area + area_len - len;
	u32 off, size;

	for (off = 0; off < len; off += size) {
		e = lnkfs_xattr_entry(run, len, off, &size);
		if (!e || e->e_extents || !lnkfs_xattr_entry_sound(fs, e))
			return false;
	}
	return true;
}

/*
 * The length that the run has, whatever the record says. One that was looked for may
 * begin within a value.
 */
static u32 find_run(const struct lnkfs_fs *fs, u8 *area, u32 area_len, u32 said, bool *guess)
{
	u32 len;

	*guess = false;
	if (said <= area_len && run_parses(fs, area, area_len, said))
		return said;
	*guess = true;
	for (len = round_down(area_len, 8u); len; len -= 8)
		if (run_parses(fs, area, area_len, len))
			return len;
	return said <= area_len ? said : 0;
}

/**
 * lnkfs_keep_attrs() - keep the inline attributes that make sense, each name once
 * @fs: volume
 * @ci: inode
 * @what: which of them; behind one that makes no sense another may be part of a
 *	value, so that of what only root may set nothing is kept
 *
 * Return: whether any have gone.
 */
bool lnkfs_keep_attrs(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		      enum lnkfs_attrs_kept what)
{
	u8 kept[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 off, size, other, len = 0, old = ci->xattr_len;

	for (off = 0; off < old; off += size) {
		e = lnkfs_xattr_entry(inline_run(ci), old, off, &size);
		if (!e)
			break;
		if (e->e_extents || !lnkfs_xattr_entry_sound(fs, e)) {
			if (what == ATTRS_SOUND)
				what = ATTRS_NOT_ROOTS;
			continue;
		}
		if ((what == ATTRS_NOT_ROOTS && lnkfs_xattr_is_roots(e->e_space)) ||
		    (what == ATTRS_USERS && e->e_space != LNKFS_XATTR_USER))
			continue;
		lnkfs_xattr_entry_key(e, &key);
		if (lnkfs_xattr_run_find(kept, len, &key, &other) != -ENODATA)
			continue;
		memcpy(kept + len, e, size);
		len += size;
	}
	memset(inline_run(ci), 0, old);
	ci->xattr_len = (u16)len;
	memcpy(inline_run(ci), kept, len);
	return len != old;
}

/* ---- roots of trees ---- */

/* Records in the order of their keys; @size bytes each. */
static void sort_records(u8 *records, u32 count, u32 size)
{
	u8 one[8 + 16];
	u32 i, j;

	for (i = 1; i < count; i++) {
		memcpy(one, records + i * size, size);
		for (j = i; j && get_unaligned_le64(records + (j - 1) * size) >
			    get_unaligned_le64(one); j--)
			memcpy(records + j * size, records + (j - 1) * size, size);
		memcpy(records + j * size, one, size);
	}
}

/*
 * Keep what makes sense of a root of @size bytes; false: it was no such root. What
 * its keys should have been is seen when the tree is walked.
 */
static bool mend_root(struct lnkfs_repair *r, const struct lnkfs_cinode *ci, u8 *data, u32 size,
		      u8 vsize, u8 tree)
{
	struct lnkfs_btree_root *root = (void *)data;
	u8 *records = data + sizeof(*root);
	u32 level = le16_to_cpu(root->bt_level), count = le16_to_cpu(root->bt_count);
	u32 record, cap, i, kept = 0;
	u64 key, last = 0;

	if (root->bt_tree != tree && root->bt_vsize != vsize)
		return false;
	if (level > LNKFS_BTREE_MAX_LEVEL)
		level = lnkfs_child_level(r, ci, tree, records,
					  min(count, (size - (u32)sizeof(*root)) / 16));
	record = level ? 16 : 8 + vsize;
	cap = (size - (u32)sizeof(*root)) / record;
	count = min(count, cap);
	sort_records(records, count, record);
	for (i = 0; i < count; i++) {
		key = get_unaligned_le64(records + i * record);
		/* Of two nodes with one key each has its own records. */
		if (kept && key <= last && level && last != ~0ULL) {
			key = last + 1;
			put_unaligned_le64(key, records + i * record);
		}
		if (kept && key <= last)
			continue;
		memmove(records + kept++ * record, records + i * record, record);
		last = key;
	}
	memset(records + kept * record, 0, size - sizeof(*root) - kept * record);
	root->bt_level = cpu_to_le16(kept ? (u16)level : 0);
	root->bt_count = cpu_to_le16((u16)kept);
	root->bt_vsize = vsize;
	root->bt_tree = tree;
	root->bt_pad = 0;
	return true;
}

/* ---- the types ---- */

/* Blocks that can be, for an inode whose contents take @blocks. */
static void set_blocks(struct lnkfs_cinode *ci, u64 blocks)
{
	if (!ci->xattr_block)
		ci->blocks = blocks;
	else if (ci->blocks <= blocks)
		ci->blocks = blocks + 1;
}

static bool mend_file(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	const u32 record = 8 + sizeof(struct lnkfs_extent);
	const u32 head = sizeof(struct lnkfs_btree_root);
	u32 room = lnkfs_fork_room(ci);

	if (room < head + 2 * record)
		return false;
	if (ci->fork_len < head + 2 * record || ci->fork_len > room || ci->fork_len % 8)
		ci->fork_len = (u16)(head + (room - head) / record * record);
	ci->fork = LNKFS_FORK_EXTENTS;
	if (ci->size > LNKFS_MAX_FILE_SIZE)
		ci->size = 0;
	return mend_root(r, ci, ci->area, ci->fork_len, sizeof(struct lnkfs_extent),
			 LNKFS_TREE_EXTENT);
}

/*
 * Keep the entries of an inline directory that can be read. What does not begin where
 * an entry ended may be part of a name, unless it has the right hash.
 */
static void filter_entries(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 len)
{
	u8 kept[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	u8 one[LNKFS_DIRENT_LEN(LNKFS_NAME_LEN)] __attribute__((aligned(8)));
	struct lnkfs_dirent *de;
	u32 off, need, used = 0;
	bool sure = true;

	for (off = 0; off + sizeof(*de) <= len; ) {
		de = (struct lnkfs_dirent *)(ci->area + off);
		need = LNKFS_DIRENT_LEN(de->d_name_len);
		if (!de->d_name_len || need > len - off ||
		    ((!sure || le16_to_cpu(de->d_rec_len) != need) &&
		     le32_to_cpu(de->d_hash) != lnkfs_dir_hash(fs, (char *)de->d_name,
							       de->d_name_len))) {
			sure = false;
			off += 8;
			continue;
		}
		memcpy(one, de, need);
		de = (struct lnkfs_dirent *)one;
		de->d_rec_len = cpu_to_le16((u16)need);
		if (de->d_type > DT_SOCK)
			de->d_type = DT_UNKNOWN;
		if (le32_to_cpu(de->d_hash) >> 31)
			de->d_hash = 0;
		memset(one + sizeof(*de) + de->d_name_len, 0,
		       need - sizeof(*de) - de->d_name_len);
		if (lnkfs_dir_check_entries(one, need)) {
			sure = false;
			off += 8;
			continue;
		}
		sure = true;
		memcpy(kept + used, one, need);
		used += need;
		off += need;
	}
	memset(ci->area, 0, lnkfs_fork_room(ci));
	memcpy(ci->area, kept, used);
	ci->fork_len = (u16)used;
}

static void mend_inline_dir(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	u32 room = round_down(lnkfs_fork_room(ci), 8u);

	ci->fork = LNKFS_FORK_DIR_INLINE;
	if (ci->fork_len > room || lnkfs_dir_check_entries(ci->area, ci->fork_len)) {
		if (ci->size <= room && !lnkfs_dir_check_entries(ci->area, (u32)ci->size))
			ci->fork_len = (u16)ci->size;
		else
			filter_entries(fs, ci, min_t(u32, room, max_t(u32, ci->fork_len,
								      ci->size)));
	}
	ci->size = ci->fork_len;
	set_blocks(ci, 0);
}

/* Where the root of the index stands, or 0. */
static u32 find_index(const struct lnkfs_cinode *ci, u32 end)
{
	const struct lnkfs_btree_root *root;
	u32 at;

	for (at = sizeof(struct lnkfs_dir_fork) + ROOT_MIN; at + ROOT_MIN <= end; at += 8) {
		root = (const void *)(ci->area + at);
		if (root->bt_tree == LNKFS_TREE_DIR && !root->bt_vsize && !root->bt_pad &&
		    le16_to_cpu(root->bt_level) <= LNKFS_BTREE_MAX_LEVEL)
			return at;
	}
	return 0;
}

static bool mend_block_dir(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	const struct lnkfs_fs *fs = r->fs;
	struct lnkfs_dir_fork *f = (void *)ci->area;
	u32 room = round_down(lnkfs_fork_room(ci), 8u);
	u32 ext = le16_to_cpu(f->f_ext_len), idx = le16_to_cpu(f->f_idx_len), at;

	ci->fork = LNKFS_FORK_DIR_BLOCKS;
	f->f_pad = 0;
	if (ci->fork_len > room || ci->fork_len % 8 || ci->fork_len < sizeof(*f) + 2 * ROOT_MIN)
		ci->fork_len = (u16)(sizeof(*f) + ext + idx <= room ? sizeof(*f) + ext + idx :
				     room);
	if (ext % 8 || idx % 8 || sizeof(*f) + ext + idx != ci->fork_len || ext < ROOT_MIN ||
	    idx < ROOT_MIN) {
		at = find_index(ci, ci->fork_len);
		if (!at)
			return false;
		ext = at - (u32)sizeof(*f);
		idx = ci->fork_len - at;
		f->f_ext_len = cpu_to_le16((u16)ext);
		f->f_idx_len = cpu_to_le16((u16)idx);
	}
	if (!ci->size || ci->size & (fs->block_size - 1) || ci->size > LNKFS_MAX_FILE_SIZE)
		ci->size = fs->block_size;
	return mend_root(r, ci, ci->area + sizeof(*f), ext, sizeof(struct lnkfs_extent),
			 LNKFS_TREE_EXTENT) &&
	       mend_root(r, ci, ci->area + sizeof(*f) + ext, idx, 0, LNKFS_TREE_DIR);
}

static bool mend_dir(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	const struct lnkfs_fs *fs = r->fs;

	if (ci->nlink == 1)
		ci->nlink = 2;
	if (!lnkfs_ino_valid(fs, ci->parent))
		ci->parent = fs->root_ino;
	/* Entries are known for what they are, whatever is said of them. */
	if (ci->fork == LNKFS_FORK_DIR_INLINE ||
	    (ci->size == ci->fork_len && !lnkfs_dir_check_entries(ci->area, ci->fork_len))) {
		mend_inline_dir(fs, ci);
		return true;
	}
	if (ci->fork == LNKFS_FORK_DIR_BLOCKS)
		return mend_block_dir(r, ci);
	return find_index(ci, min_t(u32, ci->fork_len, lnkfs_fork_room(ci))) &&
	       mend_block_dir(r, ci);
}

static bool mend_fast_link(struct lnkfs_cinode *ci)
{
	u32 room = lnkfs_fork_room(ci);
	u32 len = (u32)strnlen((char *)ci->area, room);

	if (!len || len == room || (len != ci->size && len != ci->fork_len))
		return false;
	ci->fork = LNKFS_FORK_FAST_LINK;
	ci->fork_len = (u16)len;
	ci->size = len;
	set_blocks(ci, 0);
	return true;
}

/* With this length, is the body what the checksum says? */
static bool slow_fits(struct lnkfs_repair *r, struct lnkfs_cinode *ci, u64 size)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_cinode try = *ci;
	u32 count;

	if (!size || size > LNKFS_SYMLINK_MAX)
		return false;
	count = (u32)((size + r->fs->block_size - 1) >> r->fs->block_bits);
	if (!lnkfs_block_valid(r->fs, le64_to_cpu(sl->l_block), count))
		return false;
	try.size = size;
	sl->l_blocks = cpu_to_le32(count);
	if (lnkfs_noted(r, lnkfs_symlink_read_slow(r->fs, &try, target)))
		return false;
	ci->size = size;
	set_blocks(ci, count);
	return true;
}

static bool mend_slow_link(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	u64 first = le64_to_cpu(sl->l_block), len;
	u8 *body;
	bool ok;
	u32 i;

	ci->fork = LNKFS_FORK_SLOW_LINK;
	ci->fork_len = sizeof(*sl);
	if (slow_fits(r, ci, ci->size))
		return true;
	/* The length is where the text ends. */
	body = calloc(1, 2 * LNKFS_SYMLINK_MAX + r->fs->block_size);
	if (!body)
		return !lnkfs_noted(r, -ENOMEM);
	for (i = 0; i << r->fs->block_bits < LNKFS_SYMLINK_MAX; i++)
		if (!lnkfs_block_valid(r->fs, first + i, 1) ||
		    lnkfs_noted(r, lnkfs_read_raw(r, first + i, body +
						  ((size_t)i << r->fs->block_bits))))
			break;
	len = strlen((char *)body);
	free(body);
	ok = slow_fits(r, ci, len);
	return ok;
}

static bool mend_link(struct lnkfs_repair *r, struct lnkfs_cinode *ci)
{
	if (ci->fork == LNKFS_FORK_NONE && !ci->nlink) {
		ci->size = 0;
		ci->fork_len = 0;
		set_blocks(ci, 0);
		return true;
	}
	if (ci->fork == LNKFS_FORK_FAST_LINK && mend_fast_link(ci))
		return true;
	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		return mend_slow_link(r, ci);
	if (ci->fork_len == sizeof(struct lnkfs_slow_link) && mend_slow_link(r, ci))
		return true;
	return mend_fast_link(ci);
}

static bool mend_special(struct lnkfs_cinode *ci)
{
	bool device = S_ISCHR(ci->mode) || S_ISBLK(ci->mode);

	ci->size = 0;
	set_blocks(ci, 0);
	if (!device) {
		ci->fork = LNKFS_FORK_NONE;
		ci->fork_len = 0;
		return true;
	}
	if (ci->fork != LNKFS_FORK_DEVICE && ci->fork_len != sizeof(struct lnkfs_device))
		return false;
	ci->fork = LNKFS_FORK_DEVICE;
	ci->fork_len = sizeof(struct lnkfs_device);
	return true;
}

/* ---- the whole ---- */

/* Where a name cannot stand there is none; whether one does, is seen at last. */
static void mend_name(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	if (fs->backref && lnkfs_ref_possible(fs, ci->parent, ci->parent_pos))
		return;
	ci->parent_pos = 0;
	if (!S_ISDIR(ci->mode))
		ci->parent = 0;
}

static void mend_common(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci)
{
	while (!ci->gen)
		ci->gen = lnkfs_random32();
	/* Whoever it was who let others act in his name, it was not root. */
	if (ci->uid == ~0u) {
		ci->uid = 0;
		if (!S_ISDIR(ci->mode))
			ci->mode &= (u16)~S_ISUID;
	}
	if (ci->gid == ~0u) {
		ci->gid = 0;
		if (!S_ISDIR(ci->mode))
			ci->mode &= (u16)~S_ISGID;
	}
	if (ci->projid == ~0u)
		ci->projid = 0;
	if (ci->nlink > 0x7fffffff)
		ci->nlink = S_ISDIR(ci->mode) ? 2 : 1;
	if (ci->blocks > fs->blocks)
		ci->blocks = 0;
	ci->flags &= LNKFS_FLAGS_ALL;
	ci->lflags &= LNKFS_LF_ALL;
	mend_name(fs, ci);
	if (!S_ISREG(ci->mode))
		ci->lflags &= ~LNKFS_LF_TRUNCATING;
	if (!S_ISLNK(ci->mode))
		ci->lflags &= ~LNKFS_LF_LINK;
	if (lnkfs_xattr_check_inode(fs, ci)) {
		if (ci->xattr_block && !lnkfs_block_valid(fs, ci->xattr_block, 1))
			ci->xattr_block = 0;
		lnkfs_keep_attrs(fs, ci, ATTRS_SOUND);
		if (ci->xattr_block && !ci->blocks)
			ci->blocks = 1;
	}
}

/* Make @node fit its type, which may be another one than before. */
static bool mend_as(struct lnkfs_repair *r, struct lnkfs_node *node, u16 type)
{
	struct lnkfs_cinode *ci = &node->ci;
	bool ok;

	ci->mode = type | (ci->mode & 07777);
	mend_common(r->fs, ci);
	if (S_ISREG(type))
		ok = mend_file(r, ci);
	else if (S_ISDIR(type))
		ok = mend_dir(r, ci);
	else if (S_ISLNK(type))
		ok = mend_link(r, ci);
	else
		ok = mend_special(ci);
	/* Attributes may fill the area of what has a fork of a fixed length. */
	if (!ok || ci->fork_len > lnkfs_fork_room(ci))
		return false;
	memset(ci->area + ci->fork_len, 0, lnkfs_fork_room(ci) - ci->fork_len);
	return !lnkfs_inode_check(r->fs, ci);
}

/* What an inode with this fork is; 0 when that is not known. */
static u16 type_of_fork(u8 fork)
{
	switch (fork) {
	case LNKFS_FORK_EXTENTS:
		return S_IFREG;
	case LNKFS_FORK_DIR_INLINE:
	case LNKFS_FORK_DIR_BLOCKS:
		return S_IFDIR;
	case LNKFS_FORK_FAST_LINK:
	case LNKFS_FORK_SLOW_LINK:
		return S_IFLNK;
	case LNKFS_FORK_NONE:
		return S_IFIFO;
	default:
		return 0;
	}
}

static bool type_known(u16 type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR ||
	       type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
}

/* Decode a record whose lengths may be wrong. */
static bool decode(struct lnkfs_repair *r, void *copy, u64 block, u32 slot,
		   struct lnkfs_node *node)
{
	struct lnkfs_inode *di = (void *)((u8 *)copy + slot * LNKFS_SLOT_SIZE);
	u32 area = LNKFS_AREA_LEN((u32)di->i_slot.sl_count);
	u32 fork_len = le16_to_cpu(di->i_fork_len), xattr_len = di->i_xattr_len * 8u;
	bool guess;

	/* First without either, to see the area. */
	di->i_fork_len = 0;
	di->i_xattr_len = 0;
	di->i_ino = cpu_to_le64((block << r->fs->slot_bits) + slot);
	memset(&node->ci, 0, sizeof(node->ci));
	node->ci.area = node->area;
	if (lnkfs_inode_decode(r->fs, copy, block, slot, &node->ci))
		return false;
	xattr_len = find_run(r->fs, node->area, area, xattr_len, &guess);
	node->ci.xattr_len = (u16)xattr_len;
	if (guess)
		lnkfs_keep_attrs(r->fs, &node->ci, ATTRS_NOT_ROOTS);
	xattr_len = node->ci.xattr_len;
	node->ci.fork_len = (u16)min(fork_len, area - xattr_len);
	return true;
}

/**
 * lnkfs_repair_record() - make sense of a record
 * @r: repair
 * @data: inode block
 * @block: its number
 * @slot: where the record begins, whose headers are in order
 * @node: gets the inode as it is to be
 *
 * Return: false when it cannot be made sense of: it is to be freed, unless
 * @r->fatal says that something could not be read.
 */
bool lnkfs_repair_record(struct lnkfs_repair *r, const void *data, u64 block, u32 slot,
			 struct lnkfs_node *node)
{
	u8 copy[1u << LNKFS_MAX_BLOCK_BITS] __attribute__((aligned(8)));
	struct lnkfs_node first;
	u16 type;

	memcpy(copy, data, r->fs->block_size);
	if (!decode(r, copy, block, slot, &first))
		return false;
	type = first.ci.mode & S_IFMT;
	if (type_known(type)) {
		*node = first;
		node->ci.area = node->area;
		if (mend_as(r, node, type))
			return true;
	}
	type = type_of_fork(first.ci.fork);
	if (!type)
		return false;
	*node = first;
	node->ci.area = node->area;
	return mend_as(r, node, type);
}
