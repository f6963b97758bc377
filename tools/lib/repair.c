// SPDX-License-Identifier: GPL-2.0
/*
 * The repairer's frame: the order of the steps.
 *
 * First it is found out what every inode owns: what the checker finds nothing
 * wrong with as it is, of the rest what can be read. With that the maps, bitmaps
 * and descriptors are written anew, and from then on the core works on the volume
 * as on any other: trees, directories and attributes that were damaged are built
 * anew in free blocks, then names, links and quota files are brought in order.
 *
 * Interrupted anywhere, the volume can be repaired by the next run. While a
 * repair is under way the superblock says that there are errors. What is built
 * anew is on the disk before the inode's record, one block, changes over to it,
 * and what it replaces is free only after that. Everything else is either
 * computed anew by every run or changes within one block.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "repair_priv.h"

static void tell(struct lnkfs_repair *r, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (r->ops && r->ops->say)
		r->ops->say(r->ctx, text);
}

/**
 * lnkfs_fixed() - say what was mended
 * @r: repair
 * @fmt: a line without its end
 */
void lnkfs_fixed(struct lnkfs_repair *r, const char *fmt, ...)
{
	va_list ap;

	r->res->fixes++;
	va_start(ap, fmt);
	tell(r, fmt, ap);
	va_end(ap);
}

/**
 * lnkfs_not_fixed() - say what could not be mended
 * @r: repair
 * @fmt: a line without its end
 */
void lnkfs_not_fixed(struct lnkfs_repair *r, const char *fmt, ...)
{
	va_list ap;

	r->res->left++;
	va_start(ap, fmt);
	tell(r, fmt, ap);
	va_end(ap);
}

/**
 * lnkfs_repair_settle() - what has been changed is to be durable
 * @r: repair
 *
 * Return: 0, -EIO whatever the device says, -ENOMEM.
 */
int lnkfs_repair_settle(struct lnkfs_repair *r)
{
	int err = lnkfs_volume_flush(r->v);

	return err == -ENOMEM || !err ? err : -EIO;
}

static struct lnkfs_rinode *search(struct lnkfs_rinode *list, u64 nr, u64 ino)
{
	u64 low = 0, high = nr;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (list[mid].ino == ino)
			return &list[mid];
		if (list[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/**
 * lnkfs_rinode_find() - look an inode up
 * @r: repair
 * @ino: inode number
 *
 * Return: what is known of it, or NULL when there is none, or none any more.
 */
struct lnkfs_rinode *lnkfs_rinode_find(const struct lnkfs_repair *r, u64 ino)
{
	u64 first = r->nr - r->later;
	struct lnkfs_rinode *info = search(r->inodes, first, ino);

	if (!info && r->later)
		info = search(r->inodes + first, r->later, ino);
	return info && !(info->flags & RI_GONE) ? info : NULL;
}

/**
 * lnkfs_rinode_room() - make room for one more inode in the table
 * @r: repair; pointers into the table are no longer good
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_rinode_room(struct lnkfs_repair *r)
{
	u64 max = r->max ? r->max * 2 : 1024;
	struct lnkfs_rinode *list;

	if (r->nr < r->max)
		return 0;
	list = reallocarray(r->inodes, max, sizeof(*list));
	if (!list)
		return -ENOMEM;
	r->inodes = list;
	r->max = max;
	return 0;
}

/**
 * lnkfs_rinode_enter() - add an inode to the table
 * @r: repair; pointers into the table are no longer good
 * @ci: the inode
 *
 * Return: 0, -ENOMEM.
 */
int lnkfs_rinode_enter(struct lnkfs_repair *r, const struct lnkfs_cinode *ci)
{
	struct lnkfs_rinode *list;
	u64 at = r->nr;

	if (lnkfs_rinode_room(r))
		return -ENOMEM;
	list = r->inodes;
	while (at && list[at - 1].ino > ci->ino)
		at--;
	if (at && list[at - 1].ino == ci->ino) {
		/* One that is gone has had the number. */
		at--;
	} else {
		memmove(&list[at + 1], &list[at], (r->nr - at) * sizeof(*list));
		r->nr++;
	}
	memset(&list[at], 0, sizeof(*list));
	list[at].ino = ci->ino;
	list[at].parent = ci->parent;
	list[at].pos = (u32)(ci->parent_pos / 8);
	list[at].nlink = ci->nlink;
	list[at].mode = ci->mode;
	return 0;
}

/**
 * lnkfs_rinode_load() - read an inode
 * @r: repair, after lnkfs_repair_maps()
 * @ino: its number
 * @node: gets it
 *
 * Return: 0 or what lnkfs_inode_load() says.
 */
int lnkfs_rinode_load(struct lnkfs_repair *r, u64 ino, struct lnkfs_node *node)
{
	memset(&node->ci, 0, sizeof(node->ci));
	node->ci.area = node->area;
	return lnkfs_inode_load(r->fs, ino, LNKFS_IL_ORPHAN, &node->ci);
}

/**
 * lnkfs_rinode_store() - write an inode
 * @r: repair, after lnkfs_repair_maps()
 * @node: the inode
 *
 * Return: 0 or what lnkfs_inode_store() says.
 */
int lnkfs_rinode_store(struct lnkfs_repair *r, const struct lnkfs_node *node)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_inode_store(&tx, r->fs, &node->ci);
	lnkfs_tx_end(&tx);
	return err;
}

/**
 * lnkfs_rinode_replace() - let an inode change over to what has been built for it
 * @r: repair, after lnkfs_repair_maps()
 * @node: the inode; its new blocks are in the cache
 *
 * The new blocks are durable before the record is, and that when this returns.
 *
 * Return: 0 or the first error.
 */
int lnkfs_rinode_replace(struct lnkfs_repair *r, const struct lnkfs_node *node)
{
	int err = lnkfs_repair_settle(r);

	if (!err)
		err = lnkfs_rinode_store(r, node);
	return err ? err : lnkfs_repair_settle(r);
}

/**
 * lnkfs_read_raw() - read a block as it stands on the device
 * @r: repair; the cache holds no newer contents of the block
 * @block: its number, below the volume's end
 * @data: gets it
 *
 * Return: 0, or -EIO whatever the device says.
 */
int lnkfs_read_raw(struct lnkfs_repair *r, u64 block, void *data)
{
	return lnkfs_dev_read(&r->v->dev, block << r->fs->block_bits, data, r->fs->block_size) ?
	       -EIO : 0;
}

/*
 * A file whose map is damaged, or that has more blocks than it says: what it shares with
 * another is rather the other's.
 */
static bool is_suspect(const struct lnkfs_rinode *info)
{
	return S_ISREG(info->mode) && info->flags & (RI_FORK | RI_MORE);
}

static int repair_inode(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	int err = 0;

	if (info->flags & RI_XATTR)
		err = lnkfs_repair_xattrs(r, info);
	if (!err && S_ISREG(info->mode) && info->flags & (RI_FORK | RI_TWICE | RI_MORE))
		err = lnkfs_repair_file(r, info);
	if (!err && S_ISLNK(info->mode) && info->flags & RI_TWICE)
		err = lnkfs_repair_link(r, info);
	return lnkfs_fatal(err);
}

/*
 * Contents and attributes of the inodes that have lost something. The first owner of a
 * block keeps it, the others get copies, for which there may be no space: so suspects
 * come last.
 */
static int repair_inodes(struct lnkfs_repair *r)
{
	int err = 0;
	u64 i;

	for (i = 0; i < 2 * r->nr && !err; i++) {
		struct lnkfs_rinode *info = &r->inodes[i % r->nr];

		if (!(info->flags & RI_GONE) && is_suspect(info) == (i >= r->nr))
			err = repair_inode(r, info);
		if (!(i & 255))
			lnkfs_progress(r->c, LNKFS_PASS_MAPS, i, 2 * r->nr);
	}
	return err;
}

static int run_steps(struct lnkfs_repair *r)
{
	int err;

	err = lnkfs_volume_mark_error(r->v);
	if (!err)
		err = lnkfs_cache_drop(r->v);
	if (!err)
		err = lnkfs_repair_supers(r);
	if (!err)
		err = lnkfs_repair_find_inodes(r);
	if (!err)
		err = lnkfs_repair_claim_all(r);
	if (!err)
		err = lnkfs_repair_maps(r);
	if (!err)
		err = repair_inodes(r);
	if (!err)
		err = lnkfs_repair_names(r);
	if (!err)
		err = lnkfs_repair_quota(r);
	if (!err)
		err = lnkfs_repair_backrefs(r);
	return err ? err : lnkfs_repair_settle(r);
}

/* What the core reports says that an inode is damaged; it is not printed. */
static void core_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	struct lnkfs_repair *r = ctx;

	(void)err;
	(void)ino;
	(void)block;
	(void)text;
	r->c->res.problems++;
}

static void forget_groups(struct lnkfs_repair *r)
{
	u32 i;

	for (i = 0; r->group && i < r->fs->groups; i++) {
		free(r->group[i].imap);
		free(r->group[i].found);
		free(r->group[i].sure);
		free(r->group[i].meta);
		free(r->group[i].data);
		free(r->group[i].twice);
		free(r->group[i].taken);
	}
	free(r->group);
}

/* The checker's frame, with progress and without messages. */
static int begin(struct lnkfs_repair *r, struct lnkfs_fsck_ops *mute)
{
	r->c = calloc(1, sizeof(*r->c));
	r->group = calloc(r->fs->groups, sizeof(*r->group));
	if (!r->c || !r->group)
		return -ENOMEM;
	*mute = r->ops ? *r->ops : (struct lnkfs_fsck_ops){};
	mute->say = NULL;
	r->c->v = r->v;
	r->c->fs = r->fs;
	r->c->ops = mute;
	r->c->ctx = r->ctx;
	r->c->claims = &r->claims;
	r->v->report = core_report;
	r->v->report_ctx = r;
	return 0;
}

/**
 * lnkfs_repair_volume() - mend everything
 * @v: volume open for writing; its journal is empty
 * @ops: where progress and lines on what is mended go; may be NULL
 * @ctx: their argument
 * @tight: a repair had no space: free what is to be replaced before its
 *	replacement is made. When that is interrupted, what was in it is lost.
 * @res: filled in
 *
 * Afterwards the volume's groups are loaded, and everything is durable; the
 * superblock still says that there are errors.
 *
 * Memory: 48 bytes an inode, and up to seven bits a block of groups in use.
 *
 * Return: 0 when it went to the end (see @res for what could not be done); -EIO
 * when the device cannot be read or written: the volume should be copied to
 * another one first; -ENOMEM.
 */
int lnkfs_repair_volume(struct lnkfs_volume *v, const struct lnkfs_fsck_ops *ops, void *ctx,
			bool tight, struct lnkfs_repair_result *res)
{
	void (*old_report)(void *, int, u64, u64, const char *) = v->report;
	struct lnkfs_repair r = {
		.v = v,
		.fs = &v->fs,
		.ops = ops,
		.ctx = ctx,
		.tight = tight,
		.res = res,
	};
	struct lnkfs_fsck_ops mute;
	void *old_ctx = v->report_ctx;
	int err;

	memset(res, 0, sizeof(*res));
	err = begin(&r, &mute);
	if (!err)
		err = run_steps(&r);
	v->report = old_report;
	v->report_ctx = old_ctx;
	if (r.c)
		lnkfs_fsck_quota_free(r.c);
	forget_groups(&r);
	free(r.c);
	free(r.claims.list);
	free(r.inodes);
	free(r.refs);
	free(r.strays);
	return err;
}
