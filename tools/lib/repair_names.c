// SPDX-License-Identifier: GPL-2.0
/*
 * Repair of names: entries that name nothing, directories without a way to the
 * root, inodes without a name, link counts and parents.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "format.h"
#include "repair_priv.h"

#define DIR_SLOTS	2
#define LPF_NAME	"lost+found"

static bool is_dir(const struct lnkfs_rinode *info)
{
	return info && S_ISDIR(info->mode);
}

/* ---- a new directory ---- */

/* @parent 0: its own */
static int new_dir(struct lnkfs_repair *r, u16 perm, u64 parent, u64 *ino)
{
	const struct lnkfs_format f = { .now = lnkfs_now() };
	struct lnkfs_node node = { .ci = { .area = node.area } };
	struct lnkfs_cinode *ci = &node.ci;
	lnkfs_tx tx;
	int err;

	memset(node.area, 0, sizeof(node.area));
	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_ialloc(&tx, r->fs, 0, DIR_SLOTS, true, &ci->ino);
	if (!err) {
		lnkfs_format_inode(&f, ci, S_IFDIR | perm, DIR_SLOTS, 2);
		ci->parent = parent ? parent : ci->ino;
		lnkfs_dir_init(ci);
		err = lnkfs_inode_store(&tx, r->fs, ci);
	}
	lnkfs_tx_end(&tx);
	*ino = ci->ino;
	return err ? err : lnkfs_rinode_enter(r, ci);
}

/* An entry in a directory that is in order; a name in use gets a number. */
static int add_entry(struct lnkfs_repair *r, u64 dir, const char *name, u64 ino, u8 type)
{
	char text[LNKFS_NAME_LEN + 1];
	struct lnkfs_node node;
	struct lnkfs_name found;
	u64 pos, blocks;
	lnkfs_tx tx;
	u32 n;
	int err;

	err = lnkfs_rinode_load(r, dir, &node);
	snprintf(text, sizeof(text), "%s", name);
	for (n = 1; !err; n++) {
		err = lnkfs_dir_lookup(r->fs, &node.ci, text, (u32)strlen(text), &found);
		if (err)
			break;
		snprintf(text, sizeof(text), "%s~%u", name, n);
	}
	if (err != -ENOENT)
		return err;
	blocks = node.ci.blocks;
	lnkfs_tx_begin(&tx, r->v, 0);
	err = lnkfs_dir_add(&tx, r->fs, &node.ci, text, (u32)strlen(text), ino, type, &pos);
	lnkfs_tx_end(&tx);
	if (err)
		return err;
	/* Names may have left the record for a block, which has to be there first. */
	return node.ci.blocks == blocks ? lnkfs_rinode_store(r, &node) :
					  lnkfs_rinode_replace(r, &node);
}

static int mend_root(struct lnkfs_repair *r)
{
	struct lnkfs_rinode *root = lnkfs_rinode_find(r, r->fs->root_ino);
	u64 ino;
	int err;

	if (is_dir(root)) {
		if (root->parent != root->ino) {
			root->parent = root->ino;
			root->flags |= RI_PARENT;
		}
		return 0;
	}
	err = new_dir(r, 0755, 0, &ino);
	if (!err)
		err = lnkfs_repair_settle(r);
	if (err)
		return err;
	r->fs->root_ino = ino;
	r->v->sb.s_root_ino = cpu_to_le64(ino);
	lnkfs_fixed(r, "a new root directory made, inode %" PRIu64, ino);
	return lnkfs_volume_write_super(r->v, true);
}

/* ---- where directories belong ---- */

/**
 * struct listing - a directory being listed
 * @r: repair
 * @dir: the directory
 */
struct listing {
	struct lnkfs_repair *r;
	struct lnkfs_rinode *dir;
};

/* A directory that is named in the one that it says is its parent is at home. */
static int note_home(void *ctx, const struct lnkfs_name *name)
{
	struct listing *l = ctx;
	struct lnkfs_rinode *to = lnkfs_rinode_find(l->r, name->ino);

	if (is_dir(to) && to->parent == l->dir->ino && to != l->dir)
		to->flags |= RI_HOME;
	return 0;
}

/* Another one is at home where its first name is. */
static int note_name(void *ctx, const struct lnkfs_name *name)
{
	struct listing *l = ctx;
	struct lnkfs_rinode *to = lnkfs_rinode_find(l->r, name->ino);

	if (is_dir(to) && !(to->flags & RI_HOME) && to->ino != l->r->fs->root_ino &&
	    to != l->dir && lnkfs_may_name(l->dir, to)) {
		to->parent = l->dir->ino;
		to->flags |= RI_HOME | RI_PARENT;
	}
	return 0;
}

static int list_all(struct lnkfs_repair *r, int (*actor)(void *, const struct lnkfs_name *))
{
	int err = 0;
	u64 i;

	for (i = 0; i < r->nr && !err; i++) {
		struct listing l = { r, &r->inodes[i] };

		if (S_ISDIR(l.dir->mode) && !(l.dir->flags & RI_GONE))
			err = lnkfs_fatal(lnkfs_dir_names(r, l.dir, actor, &l));
		if (!(i & 255))
			lnkfs_progress(r->c, LNKFS_PASS_NAMES, i / 2, r->nr);
	}
	return err;
}

static bool is_orphan(const struct lnkfs_rinode *info)
{
	return !info->nlink && !(info->flags & RI_HOME);
}

/* Follow the parents up; what has no way to the root will be in lost+found. */
static void find_way(struct lnkfs_repair *r, struct lnkfs_rinode *dir)
{
	struct lnkfs_rinode *at = dir, *up;

	while (!(at->flags & RI_REACHED)) {
		at->flags |= RI_ON_WAY;
		up = at->flags & RI_HOME ? lnkfs_rinode_find(r, at->parent) : NULL;
		if (!is_dir(up) || is_orphan(up) || up->flags & RI_ON_WAY) {
			at->flags &= ~RI_HOME;
			at->flags |= RI_LOST;
			break;
		}
		at = up;
	}
	for (at = dir; at->flags & RI_ON_WAY; at = up) {
		at->flags &= ~RI_ON_WAY;
		at->flags |= RI_REACHED;
		up = at->flags & RI_LOST ? at : lnkfs_rinode_find(r, at->parent);
	}
}

static int place_dirs(struct lnkfs_repair *r)
{
	struct lnkfs_rinode *root = lnkfs_rinode_find(r, r->fs->root_ino);
	int err = list_all(r, note_home);
	bool all = true;
	u64 i;

	for (i = 0; i < r->nr; i++)
		if (is_dir(&r->inodes[i]) && !(r->inodes[i].flags & (RI_GONE | RI_HOME)))
			all = all && &r->inodes[i] == root;
	if (!err && !all)
		err = list_all(r, note_name);
	if (err || !root)
		return err;
	root->flags |= RI_REACHED | RI_HOME;
	for (i = 0; i < r->nr; i++)
		if (is_dir(&r->inodes[i]) && !(r->inodes[i].flags & RI_GONE) &&
		    !is_orphan(&r->inodes[i]))
			find_way(r, &r->inodes[i]);
	return 0;
}

/* ---- entries ---- */

static u8 dirent_type(const struct lnkfs_rinode *info)
{
	return (u8)((info->mode & S_IFMT) >> 12);
}

/*
 * Is the directory that the superblock calls lost+found still that? It may have been
 * removed and made again since, which the superblock is not told, and its number may
 * be another's, with a name of its own. One without a name has lost that.
 */
static bool is_still_lpf(const struct lnkfs_rinode *lpf)
{
	return is_dir(lpf) && !(lpf->flags & RI_HOME);
}

/*
 * Is it the name of lost+found, on another directory? One of the two is damaged, and
 * the other directory will have a name of its own, or lost+found takes it in.
 */
static bool is_false_lpf(struct lnkfs_repair *r, const struct lnkfs_rinode *dir,
			 const struct lnkfs_name *name)
{
	u64 lpf = le64_to_cpu(r->v->sb.s_lpf_ino);

	return dir->ino == r->fs->root_ino && name->len == sizeof(LPF_NAME) - 1 &&
	       !memcmp(name->name, LPF_NAME, name->len) && lpf != name->ino &&
	       is_still_lpf(lnkfs_rinode_find(r, lpf));
}

/* May @dir have this entry? Counts it, and sets its type right. */
static bool keep_entry(struct lnkfs_repair *r, struct lnkfs_rinode *dir, struct lnkfs_name *name)
{
	struct lnkfs_rinode *to = lnkfs_rinode_find(r, name->ino);

	if (!to || is_orphan(dir) || to->flags & RI_QUOTA || !lnkfs_may_name(dir, to))
		return false;
	if (S_ISDIR(to->mode)) {
		if (!(to->flags & RI_HOME) || to->parent != dir->ino ||
		    to->flags & RI_NAMED || to->ino == r->fs->root_ino ||
		    is_false_lpf(r, dir, name))
			return false;
		to->flags |= RI_NAMED;
		dir->subdirs++;
	} else {
		to->names++;
	}
	name->type = dirent_type(to);
	return true;
}

/**
 * struct change - an entry that has to be changed
 * @ino: inode it names
 * @type: what its type is to be; DT_UNKNOWN: it has to go
 * @len: bytes of the name
 * @name: the name
 * @next: list
 */
struct change {
	u64 ino;
	u8 type;
	u8 len;
	char name[LNKFS_NAME_LEN];
	struct change *next;
};

/**
 * struct changes - changes of a directory
 * @l: it
 * @list: they
 */
struct changes {
	struct listing l;
	struct change *list;
};

static int judge(void *ctx, const struct lnkfs_name *found)
{
	struct changes *c = ctx;
	struct lnkfs_name name = *found;
	struct change *ch;
	bool keep = keep_entry(c->l.r, c->l.dir, &name);

	if (keep && name.type == found->type)
		return 0;
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return -ENOMEM;
	ch->ino = name.ino;
	ch->type = keep ? name.type : DT_UNKNOWN;
	ch->len = name.len;
	memcpy(ch->name, name.name, name.len);
	ch->next = c->list;
	c->list = ch;
	return 0;
}

static int apply(struct lnkfs_repair *r, struct lnkfs_rinode *dir, const struct change *ch)
{
	struct lnkfs_node node;
	lnkfs_tx tx;
	int err, err2;

	err = lnkfs_rinode_load(r, dir->ino, &node);
	if (err)
		return err;
	lnkfs_tx_begin(&tx, r->v, 0);
	if (ch->type == DT_UNKNOWN)
		err = lnkfs_dir_remove(&tx, r->fs, &node.ci, ch->name, ch->len);
	else
		err = lnkfs_dir_replace(&tx, r->fs, &node.ci, ch->name, ch->len, ch->ino,
					ch->type);
	err2 = lnkfs_inode_store(&tx, r->fs, &node.ci);
	lnkfs_tx_end(&tx);
	if (!err)
		lnkfs_fixed(r, "directory %" PRIu64 ": entry of inode %" PRIu64 " %s", dir->ino,
			    ch->ino, ch->type == DT_UNKNOWN ? "removed" : "has its type now");
	return err ? err : err2;
}

static int mend_entries(struct lnkfs_repair *r, struct lnkfs_rinode *dir)
{
	struct changes c = { .l = { r, dir } };
	struct change *ch;
	int err;

	if (dir->flags & RI_FORK)
		return lnkfs_dir_rebuild(r, dir, keep_entry);
	err = lnkfs_dir_names(r, dir, judge, &c);
	while ((ch = c.list)) {
		c.list = ch->next;
		if (!err)
			err = apply(r, dir, ch);
		free(ch);
	}
	return err;
}

/* ---- lost+found ---- */

static bool is_lost(const struct lnkfs_repair *r, const struct lnkfs_rinode *info)
{
	if (info->flags & (RI_GONE | RI_QUOTA) || info->ino == r->fs->root_ino)
		return false;
	if (S_ISDIR(info->mode))
		return !(info->flags & RI_NAMED) && !is_orphan(info);
	return !info->names && info->nlink;
}

/* lost+found as the root directory names it. */
static u64 find_lpf(struct lnkfs_repair *r)
{
	struct lnkfs_rinode *info;
	struct lnkfs_name name;
	struct lnkfs_node root;

	if (lnkfs_rinode_load(r, r->fs->root_ino, &root) ||
	    lnkfs_dir_lookup(r->fs, &root.ci, LPF_NAME, sizeof(LPF_NAME) - 1, &name))
		return 0;
	info = lnkfs_rinode_find(r, name.ino);
	return is_dir(info) && info->flags & RI_NAMED ? info->ino : 0;
}

static int make_lpf(struct lnkfs_repair *r, u64 *ino)
{
	struct lnkfs_rinode *lpf = lnkfs_rinode_find(r, le64_to_cpu(r->v->sb.s_lpf_ino));
	struct lnkfs_node node;
	int err;

	*ino = find_lpf(r);
	if (*ino)
		return 0;
	/* It may have lost nothing but its name; its number may be another's by now. */
	if (is_dir(lpf) && !(lpf->flags & RI_NAMED) && lpf->ino != r->fs->root_ino &&
	    !(lpf->mode & 077) && !lnkfs_rinode_load(r, lpf->ino, &node) && !node.ci.uid) {
		*ino = lpf->ino;
	} else {
		err = new_dir(r, 0700, r->fs->root_ino, ino);
		if (err)
			return err;
		lnkfs_fixed(r, "lost+found made, inode %" PRIu64, *ino);
	}
	err = add_entry(r, r->fs->root_ino, LPF_NAME, *ino, DT_DIR);
	if (err)
		return err;
	lpf = lnkfs_rinode_find(r, *ino);
	lpf->parent = r->fs->root_ino;
	lpf->flags |= RI_NAMED | RI_HOME | RI_PARENT | RI_REACHED;
	lpf->flags &= ~RI_LOST;
	lnkfs_rinode_find(r, r->fs->root_ino)->subdirs++;
	return 0;
}

/* What is left of a change of quota files that was interrupted is of no use. */
static int drop_quota_file(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	struct lnkfs_node node;
	int err;

	if (!S_ISREG(info->mode) || lnkfs_rinode_load(r, info->ino, &node))
		return 1;
	err = lnkfs_holds_quota(r, &node.ci);
	if (err)
		return err;
	err = lnkfs_free_quota_file(r, &node);
	if (err)
		return err;
	info->flags |= RI_GONE;
	lnkfs_fixed(r, "inode %" PRIu64 ": an unused quota file, freed", info->ino);
	return 0;
}

static int reconnect(struct lnkfs_repair *r, struct lnkfs_rinode *info, u64 lpf)
{
	char name[32];
	int err;

	err = drop_quota_file(r, info);
	if (err <= 0)
		return err;

	snprintf(name, sizeof(name), "#%" PRIu64, info->ino);
	err = add_entry(r, lpf, name, info->ino, dirent_type(info));
	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "inode %" PRIu64 ": no space to name it in lost+found",
				info->ino);
		return 0;
	}
	if (err)
		return err;
	lnkfs_fixed(r, "inode %" PRIu64 " had no name, is now lost+found/%s", info->ino, name);
	if (S_ISDIR(info->mode)) {
		info->flags |= RI_NAMED | RI_HOME | RI_PARENT;
		info->parent = lpf;
		lnkfs_rinode_find(r, lpf)->subdirs++;
	} else {
		info->names++;
	}
	return 0;
}

static int mend_lost(struct lnkfs_repair *r)
{
	u64 i, lpf = 0, lost = 0, want;
	int err = 0;

	for (i = 0; i < r->nr && !lost; i++)
		lost = is_lost(r, &r->inodes[i]);
	if (lost)
		err = make_lpf(r, &lpf);
	if (err == -ENOSPC)
		lnkfs_not_fixed(r, "no space for lost+found");
	if (err)
		return lnkfs_fatal(err);
	for (i = 0; i < r->nr && lost && !err; i++)
		if (is_lost(r, &r->inodes[i]))
			err = lnkfs_fatal(reconnect(r, &r->inodes[i], lpf));
	want = lpf ? lpf : find_lpf(r);
	if (!err && le64_to_cpu(r->v->sb.s_lpf_ino) != want) {
		r->v->sb.s_lpf_ino = cpu_to_le64(want);
		err = lnkfs_volume_write_super(r->v, true);
	}
	return err;
}

/* ---- link counts and parents ---- */

static int mend_links(struct lnkfs_repair *r, struct lnkfs_rinode *info)
{
	u32 want = S_ISDIR(info->mode) ? 2 + info->subdirs : info->names;
	struct lnkfs_node node;
	int err;

	if (info->flags & RI_QUOTA)
		want = 1;
	else if (S_ISDIR(info->mode) ? is_orphan(info) : !info->names)
		return 0;
	if (info->nlink == want && !(info->flags & RI_PARENT))
		return 0;
	err = lnkfs_rinode_load(r, info->ino, &node);
	if (err)
		return lnkfs_fatal(err);
	if (info->nlink != want)
		lnkfs_fixed(r, "inode %" PRIu64 " has %u links, not %u", info->ino, want,
			    info->nlink);
	if (S_ISDIR(info->mode) && node.ci.parent != info->parent)
		lnkfs_fixed(r, "directory %" PRIu64 " is in %" PRIu64 ", not %" PRIu64, info->ino,
			    info->parent, node.ci.parent);
	node.ci.nlink = want;
	if (S_ISDIR(info->mode))
		node.ci.parent = info->parent;
	return lnkfs_rinode_store(r, &node);
}

/**
 * lnkfs_repair_names() - bring names, link counts and parents in order
 * @r: repair, after lnkfs_repair_maps()
 *
 * Damaged directories are made anew here.
 *
 * Return: 0, -EIO, -ENOMEM.
 */
int lnkfs_repair_names(struct lnkfs_repair *r)
{
	int err = mend_root(r);
	u64 i;

	if (err == -ENOSPC) {
		lnkfs_not_fixed(r, "no space for a root directory");
		return 0;
	}
	if (!err)
		err = place_dirs(r);
	for (i = 0; i < r->nr && !err; i++) {
		if (S_ISDIR(r->inodes[i].mode) && !(r->inodes[i].flags & RI_GONE))
			err = lnkfs_fatal(mend_entries(r, &r->inodes[i]));
		if (!(i & 255))
			lnkfs_progress(r->c, LNKFS_PASS_NAMES, r->nr / 2 + i / 2, r->nr);
	}
	if (!err)
		err = mend_lost(r);
	for (i = 0; i < r->nr && !err; i++)
		if (!(r->inodes[i].flags & RI_GONE))
			err = lnkfs_fatal(mend_links(r, &r->inodes[i]));
	return err ? err : lnkfs_repair_settle(r);
}
