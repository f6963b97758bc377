// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes: the operations, entries, and the inline area.
 *
 * An attribute stands at the back of the inode's inline area while there is
 * room: the fork gives up what it does not need. Else it stands in the external
 * area (xattrblock.c, xattrleaf.c). Where it stands may change each time it is set.
 *
 * Locking: the caller excludes writers while reading and everybody while
 * writing, and other users of the fork as well (ext_lock in the kernel). The
 * caller stores the inode record after every call that took a transaction, also
 * when it failed.
 *
 * A call that fails leaves every attribute as it was. It may leave an empty
 * leaf.
 */
#include "xattr.h"

/* Bytes of a record of an extent tree. */
#define EXT_RECORD	(sizeof(__le64) + sizeof(struct lnkfs_extent))

/* What a directory needs when its entries move to blocks: see dir_to_blocks(). */
#define DIR_FORK_MIN	(sizeof(struct lnkfs_dir_fork) + 2 * sizeof(struct lnkfs_btree_root) + \
			 2 * 24 + 2 * 16)

/**
 * lnkfs_xattr_size() - bytes of an entry that holds its value
 * @name_len: bytes of the name
 * @value_len: bytes of the value
 */
u32 lnkfs_xattr_size(u32 name_len, u32 value_len)
{
	return ALIGN((u32)sizeof(struct lnkfs_xattr_entry) + name_len + value_len, 8u);
}

static bool space_sound(u32 space, u32 name_len)
{
	switch (space) {
	case LNKFS_XATTR_USER:
	case LNKFS_XATTR_TRUSTED:
	case LNKFS_XATTR_SECURITY:
		return name_len != 0;
	case LNKFS_XATTR_ACL_ACCESS:
	case LNKFS_XATTR_ACL_DEFAULT:
	case LNKFS_XATTR_LINK:
		return name_len == 0;
	default:
		return false;
	}
}

/* The attribute of a symlink has one length; of others any will do. */
static bool len_sound(u32 space, u32 len)
{
	return len <= LNKFS_XATTR_VALUE_MAX &&
	       (space != LNKFS_XATTR_LINK || len == sizeof(struct lnkfs_link_attr));
}

static bool extents_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e)
{
	const __le64 *x = lnkfs_xattr_extents(e);
	u32 i, len, sum = 0;
	u64 block;

	if (e->e_extents > LNKFS_XATTR_EXTENTS)
		return false;
	for (i = 0; i < e->e_extents; i++) {
		block = lnkfs_xattr_extent_block(x[i]);
		len = lnkfs_xattr_extent_len(x[i]);
		if (!len || !lnkfs_block_valid(fs, block, len) ||
		    lnkfs_group_of(fs, block) != lnkfs_group_of(fs, block + len - 1))
			return false;
		sum += len;
	}
	return sum && sum == lnkfs_xattr_value_blocks(fs, le32_to_cpu(e->e_value_len));
}

/**
 * lnkfs_xattr_entry_sound() - does an entry make sense?
 * @fs: volume
 * @e: entry that lies within its run
 *
 * Looks at the entry alone; does not report.
 */
bool lnkfs_xattr_entry_sound(const struct lnkfs_fs *fs, const struct lnkfs_xattr_entry *e)
{
	u32 size = lnkfs_xattr_entry_size(e);
	u32 used = sizeof(*e) + e->e_name_len;
	u32 gap_end = lnkfs_xattr_extents_at(e->e_name_len);

	if (!space_sound(e->e_space, e->e_name_len) || e->e_pad ||
	    !len_sound(e->e_space, le32_to_cpu(e->e_value_len)) ||
	    (e->e_space == LNKFS_XATTR_LINK && e->e_extents) ||
	    memchr(e->e_name, 0, e->e_name_len))
		return false;
	if (e->e_extents) {
		if (!extents_sound(fs, e))
			return false;
	} else {
		used += le32_to_cpu(e->e_value_len);
		gap_end = size;
	}
	return !memchr_inv((const u8 *)e + used, 0, gap_end - used);
}

/**
 * lnkfs_xattr_entry_key() - which attribute is this?
 * @e: entry that lies within its run
 * @key: filled in; the name stays in the entry
 */
void lnkfs_xattr_entry_key(const struct lnkfs_xattr_entry *e, struct lnkfs_xattr_key *key)
{
	key->space = e->e_space;
	key->name_len = e->e_name_len;
	key->name = (const char *)e->e_name;
}

/**
 * lnkfs_xattr_run_find() - find an attribute in a run
 * @run: the run
 * @len: its length
 * @key: the attribute
 * @off: gets the offset of its entry
 *
 * Return: 0, -ENODATA, -EFSCORRUPTED (not reported).
 */
int lnkfs_xattr_run_find(void *run, u32 len, const struct lnkfs_xattr_key *key, u32 *off)
{
	const struct lnkfs_xattr_entry *e;
	u32 size;

	for (*off = 0; *off < len; *off += size) {
		e = lnkfs_xattr_entry(run, len, *off, &size);
		if (!e)
			return -EFSCORRUPTED;
		if (e->e_space == key->space && e->e_name_len == key->name_len &&
		    !memcmp(e->e_name, key->name, key->name_len))
			return 0;
	}
	return -ENODATA;
}

/**
 * lnkfs_xattr_put() - write an entry
 * @to: where; zeroes
 * @key: the attribute
 * @value: its value, when it goes into the entry
 * @len: length of the value
 * @extents: where the value is
 * @nr: how many; 0: it goes into the entry
 */
void lnkfs_xattr_put(void *to, const struct lnkfs_xattr_key *key, const void *value, u32 len,
		     const __le64 *extents, u32 nr)
{
	struct lnkfs_xattr_entry *e = to;

	e->e_space = key->space;
	e->e_name_len = key->name_len;
	e->e_extents = nr;
	e->e_value_len = cpu_to_le32(len);
	if (key->name_len)
		memcpy(e->e_name, key->name, key->name_len);
	if (nr)
		memcpy((u8 *)to + lnkfs_xattr_extents_at(key->name_len), extents,
		       nr * sizeof(*extents));
	else if (len)
		memcpy(e->e_name + key->name_len, value, len);
}

/* ---- the inline area ---- */

static u8 *inline_run(const struct lnkfs_cinode *ci)
{
	return ci->area + ci->area_len - ci->xattr_len;
}

/**
 * struct fork_cut - how a fork can be made shorter
 * @bt: the tree whose root stands at its end
 * @size: bytes that this root would keep
 */
struct fork_cut {
	struct lnkfs_btree bt;
	u32 size;
};

/* Find the root that stands at the end of the fork; false: there is none. */
static bool fork_root(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
		      struct lnkfs_btree *bt)
{
	const struct lnkfs_dir_fork *df = (const void *)ci->area;
	u32 skip = 0;

	memset(bt, 0, sizeof(*bt));
	bt->fs = (struct lnkfs_fs *)fs;
	if (ci->fork == LNKFS_FORK_EXTENTS) {
		bt->tree = LNKFS_TREE_EXTENT;
		bt->vsize = sizeof(struct lnkfs_extent);
	} else if (ci->fork == LNKFS_FORK_DIR_BLOCKS && ci->fork_len >= sizeof(*df)) {
		bt->tree = LNKFS_TREE_DIR;
		skip = sizeof(*df) + le16_to_cpu(df->f_ext_len);
	} else {
		return false;
	}
	if (skip >= ci->fork_len)
		return false;
	bt->root = ci->area + skip;
	bt->root_size = ci->fork_len - skip;
	return lnkfs_btree_root_sound(bt);
}

/* Can the fork do with @len bytes? An extent root keeps room for whole records. */
static bool fork_fits(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u32 len,
		      struct fork_cut *cut)
{
	const u32 head = sizeof(struct lnkfs_btree_root);
	u32 skip;

	if (!fork_root(fs, ci, &cut->bt))
		return false;
	skip = ci->fork_len - cut->bt.root_size;
	if (len < skip + head)
		return false;
	cut->size = round_down(len - skip, 8u);
	if (ci->fork == LNKFS_FORK_EXTENTS) {
		cut->size = head + (cut->size - head) / EXT_RECORD * EXT_RECORD;
		if (cut->size < head + 2 * EXT_RECORD)
			return false;
	}
	return lnkfs_btree_root_fits(&cut->bt, cut->size);
}

static void fork_shrink(struct lnkfs_cinode *ci, const struct fork_cut *cut)
{
	struct lnkfs_dir_fork *df = (void *)ci->area;
	u32 less = cut->bt.root_size - cut->size;

	memset((u8 *)cut->bt.root + cut->size, 0, less);
	ci->fork_len -= less;
	if (ci->fork == LNKFS_FORK_DIR_BLOCKS)
		df->f_idx_len = cpu_to_le16(cut->size);
}

/**
 * lnkfs_xattr_fork_min() - bytes of the inline area that inline xattrs leave alone
 * @ci: inode
 *
 * A fork that stays as it is: more than this may be in use, and a fork that
 * can be cut may do with less.
 */
u32 lnkfs_xattr_fork_min(const struct lnkfs_cinode *ci)
{
	if (ci->fork == LNKFS_FORK_FAST_LINK)
		return ci->fork_len + 1;
	if (ci->fork == LNKFS_FORK_DIR_INLINE)
		return max_t(u32, ci->fork_len, DIR_FORK_MIN);
	return ci->fork_len;
}

/*
 * Is there room for an entry of @need bytes where one of @old is? 0: no; 1: yes;
 * 2: when the fork is cut.
 */
static int inline_fits(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci, u32 need,
		       u32 old, struct fork_cut *cut)
{
	u32 used = ci->xattr_len - old + need;

	if (used > ci->area_len)
		return 0;
	if (used + lnkfs_xattr_fork_min(ci) <= ci->area_len)
		return 1;
	return fork_fits(fs, ci, ci->area_len - used, cut) ? 2 : 0;
}

static bool inline_room(const struct lnkfs_fs *fs, struct lnkfs_cinode *ci, u32 need, u32 old)
{
	struct fork_cut cut;
	int fits = inline_fits(fs, ci, need, old, &cut);

	if (fits == 2)
		fork_shrink(ci, &cut);
	return fits;
}

static void inline_drop(struct lnkfs_cinode *ci, u32 off, u32 size)
{
	u8 *run = inline_run(ci);

	memmove(run + size, run, off);
	memset(run, 0, size);
	ci->xattr_len -= size;
}

static void inline_add(struct lnkfs_cinode *ci, const struct lnkfs_xattr_key *key,
		       const void *value, u32 len)
{
	ci->xattr_len += lnkfs_xattr_size(key->name_len, len);
	lnkfs_xattr_put(inline_run(ci), key, value, len, NULL, 0);
}

/* ---- all attributes ---- */

/*
 * Find an attribute: 0; -ENODATA, with the leaf it would be in, if there is an
 * external area; an error. The caller puts pl->buf unless it is an error.
 */
static int find(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		const struct lnkfs_xattr_key *key, struct lnkfs_xattr_place *pl)
{
	int err;

	pl->buf = NULL;
	pl->run = inline_run(ci);
	pl->len = ci->xattr_len;
	err = lnkfs_xattr_run_find(pl->run, pl->len, key, &pl->off);
	if (err == -EFSCORRUPTED)
		return lnkfs_report(fs, err, ci->ino, 0, "broken inline attributes");
	if (err != -ENODATA || !ci->xattr_block)
		return err;
	err = lnkfs_xattr_leaf(fs, ci, lnkfs_xattr_hash(fs, key), pl);
	if (err)
		return err;
	err = lnkfs_xattr_run_find(pl->run, pl->len, key, &pl->off);
	if (err == -EFSCORRUPTED) {
		lnkfs_report(fs, err, ci->ino, lnkfs_bblock(pl->buf), "broken attributes");
		lnkfs_bput(pl->buf);
		pl->buf = NULL;
	}
	return err;
}

/**
 * lnkfs_xattr_get() - read an attribute
 * @fs: volume
 * @ci: inode
 * @key: the attribute
 * @buf: gets the value
 * @size: room in it; 0: only the length is wanted
 *
 * Return: the length of the value; -ENODATA, -ERANGE when there is not enough
 * room, -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_xattr_get(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_xattr_key *key, void *buf, u32 size)
{
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_place pl;
	int ret, err;

	err = find(fs, ci, key, &pl);
	if (err) {
		lnkfs_bput(pl.buf);
		return err;
	}
	e = (const void *)(pl.run + pl.off);
	ret = le32_to_cpu(e->e_value_len);
	if (size && ret > (int)size) {
		ret = -ERANGE;
	} else if (size && e->e_extents) {
		err = lnkfs_xattr_read_value(fs, ci, &pl, buf);
		if (err)
			ret = err;
	} else if (size) {
		memcpy(buf, e->e_name + e->e_name_len, ret);
	}
	lnkfs_bput(pl.buf);
	return ret;
}

/* The entries of one run; 1: the actor stopped. */
static int run_iterate(void *run, u32 len, lnkfs_xattr_actor actor, void *ctx)
{
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 off, size;

	for (off = 0; off < len; off += size) {
		e = lnkfs_xattr_entry(run, len, off, &size);
		if (!e)
			return -EFSCORRUPTED;
		lnkfs_xattr_entry_key(e, &key);
		if (actor(ctx, &key, le32_to_cpu(e->e_value_len)))
			return 1;
	}
	return 0;
}

/**
 * lnkfs_xattr_iterate() - list the attributes
 * @fs: volume
 * @ci: inode
 * @actor: called for each
 * @ctx: its argument
 *
 * Return: 0 at the end and when the actor stopped; -EIO, -ENOMEM, -EFSCORRUPTED,
 * -EFSBADCRC.
 */
int lnkfs_xattr_iterate(struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
			lnkfs_xattr_actor actor, void *ctx)
{
	struct lnkfs_xattr_place pl;
	u64 from = 0, block = 0;
	int err;

	err = run_iterate(inline_run(ci), ci->xattr_len, actor, ctx);
	while (!err && ci->xattr_block) {
		err = lnkfs_xattr_next_leaf(fs, ci, &from, &pl);
		if (err)
			return err == -ENOENT ? 0 : err;
		err = run_iterate(pl.run, pl.len, actor, ctx);
		block = lnkfs_bblock(pl.buf);
		lnkfs_bput(pl.buf);
	}
	if (err == -EFSCORRUPTED)
		lnkfs_report(fs, err, ci->ino, block, "broken attributes");
	return min(err, 0);
}

/* Set an attribute that is at @pl, or is not there. */
static int set_found(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		     const struct lnkfs_xattr_key *key, const void *value, u32 len,
		     struct lnkfs_xattr_place *pl, bool found)
{
	u32 off = 0, old = 0;
	int err;

	if (found && !pl->buf) {
		off = pl->off;
		old = lnkfs_xattr_entry_size((const void *)(pl->run + off));
	}
	if (inline_room(fs, ci, lnkfs_xattr_size(key->name_len, len), old)) {
		if (found && pl->buf) {
			err = lnkfs_xattr_leaf_drop(tx, fs, ci, pl);
			if (err)
				return err;
		} else if (found) {
			inline_drop(ci, off, old);
		}
		inline_add(ci, key, value, len);
		return 0;
	}
	if (found && !pl->buf && ci->xattr_block) {
		err = lnkfs_xattr_leaf(fs, ci, lnkfs_xattr_hash(fs, key), pl);
		if (err)
			return err;
		found = false;
	}
	err = lnkfs_xattr_leaf_put(tx, fs, ci, key, value, len, pl, found && pl->buf);
	if (!err && old)
		inline_drop(ci, off, old);
	return err;
}

/**
 * lnkfs_xattr_set() - set or remove an attribute
 * @tx: transaction with lnkfs_xattr_set_credits() and lnkfs_xattr_revokes()
 * @fs: volume
 * @ci: inode
 * @key: the attribute
 * @value: its new value; NULL: remove it
 * @len: length of the value
 * @flags: LNKFS_XS_*
 *
 * LNKFS_LF_LINK says afterwards whether there is an LNKFS_XATTR_LINK.
 *
 * Return: 0; -EEXIST, -ENODATA; -EINVAL for what cannot be an attribute;
 * -ENOSPC, -EIO, -ENOMEM, -EROFS, -EFSCORRUPTED, -EFSBADCRC. On an error all
 * attributes are as they were.
 */
int lnkfs_xattr_set(lnkfs_tx *tx, struct lnkfs_fs *fs, struct lnkfs_cinode *ci,
		    const struct lnkfs_xattr_key *key, const void *value, u32 len,
		    unsigned int flags)
{
	struct lnkfs_xattr_place pl;
	bool found;
	int err;

	if (!space_sound(key->space, key->name_len) || (value && !len_sound(key->space, len)) ||
	    memchr(key->name_len ? key->name : "x", 0, key->name_len))
		return -EINVAL;
	err = find(fs, ci, key, &pl);
	if (err && err != -ENODATA)
		return err;
	found = !err;
	if (found && (flags & LNKFS_XS_CREATE)) {
		err = -EEXIST;
	} else if (!found && (!value || (flags & LNKFS_XS_REPLACE))) {
		err = -ENODATA;
	} else if (value) {
		err = set_found(tx, fs, ci, key, value, len, &pl, found);
	} else if (pl.buf) {
		err = lnkfs_xattr_leaf_drop(tx, fs, ci, &pl);
	} else {
		inline_drop(ci, pl.off,
			    lnkfs_xattr_entry_size((const void *)(pl.run + pl.off)));
	}
	lnkfs_bput(pl.buf);
	if (key->space == LNKFS_XATTR_LINK && (!err || err == -ENODATA))
		ci->lflags = (ci->lflags & ~LNKFS_LF_LINK) |
			     (value && !err ? LNKFS_LF_LINK : 0);
	return err;
}

/**
 * lnkfs_xattr_set_credits() - blocks that lnkfs_xattr_set() may touch
 * @fs: volume
 * @ci: inode; when its fork or its attributes change, the answer may, too. NULL:
 *	the most it can be for any inode
 * @name_len: length of the name
 * @len: length of the value; 0 for a removal
 *
 * The inode record is not counted.
 */
u32 lnkfs_xattr_set_credits(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci,
			    u32 name_len, u32 len)
{
	u32 blocks = lnkfs_xattr_value_blocks(fs, len);
	u32 level = LNKFS_XATTR_MAX_LEVEL;
	struct fork_cut cut;
	u32 credits;

	if (ci && !ci->xattr_block &&
	    inline_fits(fs, ci, lnkfs_xattr_size(name_len, len), 0, &cut))
		return 0;
	/* the new value; the leaf, and a new one, and a new head */
	credits = blocks + min_t(u32, blocks, LNKFS_XATTR_EXTENTS) * LNKFS_CREDITS_ALLOC +
		  1 + 2 * (1 + LNKFS_CREDITS_ALLOC);
	/* the old value; a key added, or one deleted with up to two leaves and the head */
	if (!ci || ci->xattr_block)
		credits += LNKFS_XATTR_EXTENTS * LNKFS_CREDITS_FREE +
			   max(lnkfs_btree_insert_credits(level),
			       lnkfs_btree_delete_credits(level) + 3 * LNKFS_CREDITS_FREE);
	return credits;
}

/**
 * lnkfs_xattr_free_credits() - blocks that lnkfs_xattr_free() may touch
 *
 * The inode record is not counted.
 */
u32 lnkfs_xattr_free_credits(void)
{
	return 2 + LNKFS_XATTR_EXTENTS * LNKFS_CREDITS_FREE + 3 * LNKFS_CREDITS_FREE +
	       lnkfs_btree_delete_credits(LNKFS_XATTR_MAX_LEVEL);
}

/**
 * lnkfs_xattr_slots() - slots of a new inode's record
 * @fs: volume
 * @fork: bytes that its fork is to have
 * @xattrs: bytes of the entries of its attributes
 *
 * Return: the smallest record that holds both; 0: none does.
 */
u32 lnkfs_xattr_slots(const struct lnkfs_fs *fs, u32 fork, u32 xattrs)
{
	u32 most = min_t(u32, LNKFS_MAX_SLOTS, 1u << fs->slot_bits);
	u32 slots;

	for (slots = 1; slots <= most; slots++)
		if (fork + xattrs <= LNKFS_AREA_LEN(slots))
			return slots;
	return 0;
}

/**
 * lnkfs_xattr_revokes() - blocks that one call may free
 * @fs: volume
 * @len: length of the value that is set; 0 for a removal
 */
u32 lnkfs_xattr_revokes(const struct lnkfs_fs *fs, u32 len)
{
	return lnkfs_xattr_value_blocks(fs, len) +
	       lnkfs_xattr_value_blocks(fs, LNKFS_XATTR_VALUE_MAX) + 3 +
	       lnkfs_btree_revokes(LNKFS_XATTR_MAX_LEVEL);
}

/* Has no entry of the run another one's name? */
static bool run_unique(void *run, u32 len)
{
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 off, size, other;

	for (off = 0; off < len; off += size) {
		e = lnkfs_xattr_entry(run, len, off, &size);
		if (!e)
			return false;
		lnkfs_xattr_entry_key(e, &key);
		if (lnkfs_xattr_run_find(run, len, &key, &other) || other != off)
			return false;
	}
	return true;
}

/**
 * lnkfs_xattr_check_inode() - check what an inode record says of attributes
 * @fs: volume
 * @ci: inode as decoded, the lengths of its inline area being right
 *
 * Return: what is wrong, or NULL. Does not report.
 */
const char *lnkfs_xattr_check_inode(const struct lnkfs_fs *fs, const struct lnkfs_cinode *ci)
{
	const struct lnkfs_xattr_entry *e;
	u8 *run = inline_run(ci);
	u32 off, size;

	if (ci->xattr_block && (!lnkfs_block_valid(fs, ci->xattr_block, 1) || !ci->blocks))
		return "impossible block of extended attributes";
	for (off = 0; off < ci->xattr_len; off += size) {
		e = lnkfs_xattr_entry(run, ci->xattr_len, off, &size);
		if (!e || e->e_extents || !lnkfs_xattr_entry_sound(fs, e))
			return "bad inline attributes";
	}
	if (!run_unique(run, ci->xattr_len))
		return "an inline attribute is there twice";
	return NULL;
}
