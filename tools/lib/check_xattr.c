// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's look at extended attributes: the inline ones, the external
 * area with its tree, leaves and values, and what ACLs say.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_priv.h"
#include "check_tree.h"
#include "xattr.h"

/* The generic form of an ACL: struct posix_acl_xattr_header and _entry. */
#define ACL_VERSION	2
#define ACL_HEADER	4
#define ACL_ENTRY	8

enum {
	ACL_USER_OBJ	= 0x01,
	ACL_USER	= 0x02,
	ACL_GROUP_OBJ	= 0x04,
	ACL_GROUP	= 0x08,
	ACL_MASK	= 0x10,
	ACL_OTHER	= 0x20,
};

/**
 * struct xattr_walk - the attributes of one inode
 * @c: check
 * @ci: the inode
 * @blocks: blocks found
 * @leaves: leaves seen
 * @last: greatest hash seen in the tree
 * @any: there was one
 * @link: what a symlink has
 */
struct xattr_walk {
	struct lnkfs_fsck *c;
	struct lnkfs_cinode *ci;
	u64 blocks;
	u64 leaves;
	u64 last;
	bool any;
	struct lnkfs_fsck_link *link;
};

static void say(struct xattr_walk *w, const char *what)
{
	lnkfs_problem(w->c, "inode %" PRIu64 ": %s", w->ci->ino, what);
}

/* What may follow an entry of an ACL with this tag. */
static u32 acl_next(u32 tag)
{
	switch (tag) {
	case 0:
		return ACL_USER_OBJ;
	case ACL_USER_OBJ:
	case ACL_USER:
		return ACL_USER | ACL_GROUP_OBJ;
	case ACL_GROUP_OBJ:
	case ACL_GROUP:
		return ACL_GROUP | ACL_MASK | ACL_OTHER;
	case ACL_MASK:
		return ACL_OTHER;
	default:
		return 0;
	}
}

/**
 * lnkfs_acl_sound() - does an ACL make sense?
 * @data: value of the attribute
 * @len: its length
 */
bool lnkfs_acl_sound(const u8 *data, u32 len)
{
	u32 tag, last = 0, seen = 0;

	if (len < ACL_HEADER || (len - ACL_HEADER) % ACL_ENTRY ||
	    get_unaligned_le32(data) != ACL_VERSION)
		return false;
	for (data += ACL_HEADER, len -= ACL_HEADER; len; data += ACL_ENTRY, len -= ACL_ENTRY) {
		tag = get_unaligned_le16(data);
		if (!(tag & acl_next(last)) || get_unaligned_le16(data + 2) > 7)
			return false;
		if ((tag & (ACL_USER | ACL_GROUP)) && get_unaligned_le32(data + 4) == ~0u)
			return false;
		seen |= tag;
		last = tag;
	}
	return last == ACL_OTHER && (!(seen & (ACL_USER | ACL_GROUP)) || (seen & ACL_MASK));
}

/**
 * lnkfs_xattr_allowed() - may an inode have attributes of a name space?
 * @mode: the inode's
 * @space: LNKFS_XATTR_*
 *
 * Return: false when the kernel does not give it any.
 */
bool lnkfs_xattr_allowed(u16 mode, u8 space)
{
	switch (space) {
	case LNKFS_XATTR_USER:
		return S_ISREG(mode) || S_ISDIR(mode);
	case LNKFS_XATTR_ACL_ACCESS:
		return !S_ISLNK(mode);
	case LNKFS_XATTR_ACL_DEFAULT:
		return S_ISDIR(mode);
	case LNKFS_XATTR_LINK:
		return S_ISLNK(mode);
	default:
		return true;
	}
}

static void check_acl(struct xattr_walk *w, const struct lnkfs_xattr_key *key, const u8 *value,
		      u32 len)
{
	if (key->space != LNKFS_XATTR_ACL_ACCESS && key->space != LNKFS_XATTR_ACL_DEFAULT)
		return;
	if (!lnkfs_xattr_allowed(w->ci->mode, LNKFS_XATTR_ACL_ACCESS))
		say(w, "ACL of a symlink");
	if (key->space == LNKFS_XATTR_ACL_DEFAULT && !lnkfs_xattr_allowed(w->ci->mode, key->space))
		say(w, "default ACL of what is no directory");
	if (!lnkfs_acl_sound(value, len))
		say(w, "an ACL makes no sense");
}

static void check_user(struct xattr_walk *w, const struct lnkfs_xattr_key *key)
{
	if (key->space == LNKFS_XATTR_USER && !lnkfs_xattr_allowed(w->ci->mode, key->space))
		say(w, "user attribute of what is neither file nor directory");
}

/* A value that stands in its entry, which is sound. */
static void check_value(struct xattr_walk *w, const struct lnkfs_xattr_key *key,
			const struct lnkfs_xattr_entry *e)
{
	const u8 *value = e->e_name + e->e_name_len;

	check_acl(w, key, value, le32_to_cpu(e->e_value_len));
	if (key->space == LNKFS_XATTR_LINK)
		lnkfs_fsck_link_note(w->c, w->ci, value, w->link);
}

static void check_inline(struct xattr_walk *w)
{
	struct lnkfs_cinode *ci = w->ci;
	u8 *run = ci->area + ci->area_len - ci->xattr_len;
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 off, size;

	/* Entries and names have been checked by lnkfs_inode_check(). */
	for (off = 0; off < ci->xattr_len; off += size) {
		e = lnkfs_xattr_entry(run, ci->xattr_len, off, &size);
		if (!e)
			return;
		w->c->res.xattrs++;
		lnkfs_xattr_entry_key(e, &key);
		check_user(w, &key);
		check_value(w, &key, e);
	}
}

static int claim_value(struct xattr_walk *w, const struct lnkfs_xattr_entry *e)
{
	const __le64 *x = lnkfs_xattr_extents(e);
	u32 i, len;
	int err, ret = 0;

	for (i = 0; i < e->e_extents; i++) {
		len = lnkfs_xattr_extent_len(x[i]);
		w->blocks += len;
		err = lnkfs_claim(w->c, lnkfs_xattr_extent_block(x[i]), len, w->ci->ino);
		if (err < 0)
			return err;
		ret |= err;
	}
	return ret;
}

/* One entry of a leaf. */
static int check_entry(struct xattr_walk *w, struct lnkfs_xattr_place *pl,
		       const struct lnkfs_xattr_key *key)
{
	const struct lnkfs_xattr_entry *e = (const void *)(pl->run + pl->off);
	u32 off, len = le32_to_cpu(e->e_value_len);
	u8 *value;
	int err = 0;

	w->c->res.xattrs++;
	check_user(w, key);
	if (!lnkfs_xattr_run_find(w->ci->area + w->ci->area_len - w->ci->xattr_len,
				  w->ci->xattr_len, key, &off))
		say(w, "an attribute is inline and outside");
	if (!e->e_extents) {
		check_value(w, key, e);
		return 0;
	}
	err = claim_value(w, e);
	if (err)
		return err < 0 ? err : 0;
	value = malloc(len);
	if (!value)
		return -ENOMEM;
	err = lnkfs_xattr_read_value(w->c->fs, w->ci, pl, value);
	if (!err)
		check_acl(w, key, value, len);
	else if (err != -ENOMEM)
		lnkfs_problem(w->c, "inode %" PRIu64 ": value of an attribute: %s", w->ci->ino,
			      strerror(-err));
	free(value);
	return err == -ENOMEM ? err : 0;
}

/* The entries of a leaf, whose hashes are at least @lo and above all before. */
static int check_run(struct xattr_walk *w, struct lnkfs_xattr_place *pl, u64 lo)
{
	const struct lnkfs_xattr_entry *e;
	struct lnkfs_xattr_key key;
	u32 size;
	int err;

	for (pl->off = 0; pl->off < pl->len; pl->off += size) {
		e = lnkfs_xattr_entry(pl->run, pl->len, pl->off, &size);
		if (!e)
			return 0;
		lnkfs_xattr_entry_key(e, &key);
		pl->hash = lnkfs_xattr_hash(w->c->fs, &key);
		if (pl->hash < lo)
			say(w, "an attribute in a leaf for higher hashes");
		w->last = pl->hash;
		w->any = true;
		err = check_entry(w, pl, &key);
		if (err)
			return err;
	}
	return 0;
}

/* Claim and read a block of the external area. 0 with *buf NULL: it is no use. */
static int open_block(struct xattr_walk *w, u64 block, lnkfs_buf **buf)
{
	int err;

	*buf = NULL;
	w->blocks++;
	err = lnkfs_claim(w->c, block, 1, w->ci->ino);
	if (err)
		return err < 0 ? err : 0;
	err = lnkfs_bread(w->c->fs, block, LNKFS_B_XATTR, w->ci->ino, w->ci->gen, buf);
	if (!err && lnkfs_xattr_check_block(w->c->fs, lnkfs_bdata(*buf))) {
		lnkfs_bput(*buf);
		err = -EFSCORRUPTED;
	}
	if (err) {
		*buf = NULL;
		if (err != -ENOMEM)
			lnkfs_problem(w->c, "inode %" PRIu64 ": attributes in block %" PRIu64
				      ": %s", w->ci->ino, block, strerror(-err));
	} else if (((const struct lnkfs_xattr_block *)lnkfs_bdata(*buf))->x_header.h_pad) {
		say(w, "padding of a block of attributes in use");
	}
	return err == -ENOMEM ? err : 0;
}

static int check_leaf(struct xattr_walk *w, u64 block, u64 lo, lnkfs_buf *buf)
{
	struct lnkfs_xattr_place pl = { .buf = buf };
	struct lnkfs_xattr_block *xb;

	if (!pl.buf) {
		int err = open_block(w, block, &pl.buf);

		if (err || !pl.buf)
			return err;
	}
	xb = lnkfs_bdata(pl.buf);
	w->leaves++;
	if (xb->x_kind == LNKFS_XBLOCK_LEAF) {
		int err;

		pl.run = xb->x_data;
		pl.len = le16_to_cpu(xb->x_used);
		err = check_run(w, &pl, lo);
		lnkfs_bput(pl.buf);
		return err;
	}
	say(w, "no leaf of attributes where one should be");
	lnkfs_bput(pl.buf);
	return 0;
}

static int leaf_seen(void *arg, u64 key, const void *value)
{
	struct xattr_walk *w = arg;

	if (!w->leaves && key)
		say(w, "no leaf for low hashes of attributes");
	if (w->any && w->last >= key)
		say(w, "an attribute in a leaf for lower hashes");
	return check_leaf(w, get_unaligned_le64(value), key, NULL);
}

static int check_tree(struct xattr_walk *w, lnkfs_buf *head)
{
	static const struct lnkfs_check_ops ops = {
		.block = lnkfs_fsck_block_seen,
		.message = lnkfs_fsck_message,
	};
	struct lnkfs_fsck_inode fw = { .c = w->c, .ci = w->ci };
	struct lnkfs_check ck = { .fs = w->c->fs, .ci = w->ci, .ops = &ops, .ctx = &fw };
	struct lnkfs_btree bt;
	u64 nodes = 0;
	int err;

	lnkfs_xattr_tree(w->c->fs, w->ci, lnkfs_bdata(head), &bt);
	err = lnkfs_check_tree(&ck, &bt, leaf_seen, w, &nodes);
	w->blocks += nodes;
	return err < 0 ? err : 0;
}

/**
 * lnkfs_fsck_xattrs() - check the attributes of an inode
 * @c: check
 * @ci: the inode, which has passed lnkfs_inode_check()
 * @blocks: gets the blocks that they take
 * @link: gets what a symlink has, as far as it can be read
 *
 * Return: 0, whatever was found; -ENOMEM.
 */
int lnkfs_fsck_xattrs(struct lnkfs_fsck *c, struct lnkfs_cinode *ci, u64 *blocks,
		      struct lnkfs_fsck_link *link)
{
	struct xattr_walk w = { .c = c, .ci = ci, .link = link };
	const struct lnkfs_xattr_block *xb;
	lnkfs_buf *buf;
	int err = 0;

	memset(link, 0, sizeof(*link));
	check_inline(&w);
	if (ci->xattr_block) {
		err = open_block(&w, ci->xattr_block, &buf);
		xb = buf ? lnkfs_bdata(buf) : NULL;
		if (xb && xb->x_kind == LNKFS_XBLOCK_HEAD) {
			err = check_tree(&w, buf);
			lnkfs_bput(buf);
		} else if (xb) {
			err = check_leaf(&w, ci->xattr_block, 0, buf);
		}
	}
	*blocks = w.blocks;
	return err;
}
