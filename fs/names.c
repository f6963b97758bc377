// SPDX-License-Identifier: GPL-2.0
/*
 * The names of an inode: LNKFS_IOC_GETNAMES.
 *
 * References say where names stand; a path is made by going up from there, each
 * directory's record saying where its own name is. Nothing is scanned.
 */
#include <linux/file.h>
#include <linux/limits.h>
#include <linux/uaccess.h>
#include "internal.h"
#include "lnkfs.h"

static_assert(sizeof(struct lnkfs_names) == 0x40);
static_assert(sizeof(struct lnkfs_name_record) == 0x18);

/* References read at a time, with the inode locked. */
#define LNKFS_NAMES_BATCH	64

/* Directories between the carrier and a name: twice what a path has room for. */
#define LNKFS_NAMES_DEPTH	PATH_MAX

/**
 * struct lnkfs_names_walk - a call of LNKFS_IOC_GETNAMES
 * @base: directory that the paths are to start from
 * @idmap: of the mount that it was opened through
 * @inode: whose names are wanted
 * @cookie: where the batch that follows begins
 * @count: references in the batch
 * @ref: where a name stands
 * @next: cookie behind it
 * @path: path being made
 */
struct lnkfs_names_walk {
	struct inode *base;
	lnkfs_idmap *idmap;
	struct inode *inode;
	u64 cookie;
	u32 count;
	struct lnkfs_ref ref[LNKFS_NAMES_BATCH];
	u64 next[LNKFS_NAMES_BATCH];
	struct lnkfs_path path;
};

/**
 * lnkfs_path_init() - begin a path
 * @p: the path
 */
void lnkfs_path_init(struct lnkfs_path *p)
{
	p->at = sizeof(p->buf) - 1;
	p->cut = false;
	p->buf[p->at] = 0;
}

/**
 * lnkfs_path_prepend() - put "@name/" before a path; "@name" before an empty one
 * @p: the path
 * @name: a component
 * @len: its length
 *
 * Return: 0 or -ENAMETOOLONG, from then on for every name.
 */
int lnkfs_path_prepend(struct lnkfs_path *p, const char *name, u32 len)
{
	bool slash = p->buf[p->at];

	if (p->cut || p->at < len + slash) {
		p->cut = true;
		return -ENAMETOOLONG;
	}
	if (slash)
		p->buf[--p->at] = '/';
	p->at -= len;
	memcpy(p->buf + p->at, name, len);
	return 0;
}

/*
 * The name of @child in @dir. The name that is in the record may become another one
 * in the same directory at any time, so its place is read with @dir locked. So is
 * who may know it: a security module has a new label only when the change of the
 * directory that set it is over, which may be after @tree_seq has counted it.
 */
static int lnkfs_name_in(struct lnkfs_path *p, lnkfs_idmap *idmap, struct inode *dir,
			 struct inode *child, const struct lnkfs_ref *ref)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(child)->ci;
	char name[LNKFS_NAME_LEN];
	u64 pos = ref->pos;
	u32 len;
	int err;

	inode_lock_shared(dir);
	err = inode_permission(idmap, dir, MAY_READ | MAY_EXEC);
	if (!err && (!pos || S_ISDIR(child->i_mode))) {
		pos = ci->parent_pos;
		err = ci->parent == dir->i_ino ? 0 : -ENOENT;
	}
	if (!err)
		err = lnkfs_dir_name_at(LNKFS_FS(dir), &LNKFS_I(dir)->ci, pos, child->i_ino,
					name, &len);
	inode_unlock_shared(dir);
	return err ? err : lnkfs_path_prepend(p, name, len);
}

/**
 * lnkfs_iget_dir() - get a directory by the number that a record or entry says
 * @sb: volume
 * @ino: inode number, may be anything
 *
 * Return: the directory; -ENOENT when it is none; -EFSCORRUPTED, -EFSBADCRC, -EIO,
 * -ENOMEM.
 */
struct inode *lnkfs_iget_dir(struct super_block *sb, u64 ino)
{
	struct inode *dir = lnkfs_iget(sb, ino, 0);

	if (dir == ERR_PTR(-ESTALE))
		return ERR_PTR(-ENOENT);
	if (IS_ERR(dir) || S_ISDIR(dir->i_mode))
		return dir;
	iput(dir);
	return ERR_PTR(-ENOENT);
}

/**
 * lnkfs_path_up() - put the name of an inode before a path, and go up
 * @p: the path from the inode on
 * @idmap: of the mount
 * @child: inode, referenced; becomes the directory of the name, also where there is no
 *	room for that. On another error it stays
 * @ref: where the name stands, position 0 for the name that is in the record; becomes
 *	where the name of that directory stands
 *
 * Context: s_vfs_rename_mutex held, so that no directory gets another parent;
 * no inode locked.
 * Return: 0; -ENOENT: the name has gone; -EACCES, -EPERM: the caller could not have
 * found it; -ENAMETOOLONG; -EIO, -ENOMEM, -EFSCORRUPTED, -EFSBADCRC.
 */
int lnkfs_path_up(struct lnkfs_path *p, lnkfs_idmap *idmap, struct inode **child,
		  struct lnkfs_ref *ref)
{
	struct inode *dir = lnkfs_iget_dir((*child)->i_sb, ref->dir);
	int err;

	if (IS_ERR(dir))
		return PTR_ERR(dir);
	err = lnkfs_name_in(p, idmap, dir, *child, ref);
	if (err && err != -ENAMETOOLONG) {
		iput(dir);
		return err;
	}
	iput(*child);
	*child = dir;
	ref->dir = LNKFS_I(dir)->ci.parent;
	ref->pos = 0;
	return err;
}

/*
 * Make the path of a name, from @w->base. No directory gets another parent
 * meanwhile (s_vfs_rename_mutex). -ENOENT: it has gone, or is not below there;
 * -EACCES: the caller could not have found it; -ENAMETOOLONG: @w->path holds the
 * end of it. Directories that find no room there are asked all the same: the end is
 * not to be told either of what the caller could not have found.
 */
static int lnkfs_path_to(struct lnkfs_names_walk *w, const struct lnkfs_ref *ref)
{
	struct inode *child = w->inode;
	struct lnkfs_ref at = *ref;
	u32 dirs = 0;
	int err;

	lnkfs_path_init(&w->path);
	ihold(child);
	do {
		err = lnkfs_path_up(&w->path, w->idmap, &child, &at);
		if ((err && err != -ENAMETOOLONG) || child == w->base)
			break;
		/* The root has no name; a loop has no end. */
		if (child->i_ino == LNKFS_FS(child)->root_ino || ++dirs == LNKFS_NAMES_DEPTH)
			err = -ENOENT;
	} while (err != -ENOENT);
	iput(child);
	return err;
}

/* Read the references of a batch; they are as they were at one moment. */
static int lnkfs_names_batch(struct lnkfs_names_walk *w)
{
	struct lnkfs_inode_info *li = LNKFS_I(w->inode);
	u64 cookie = w->cookie;
	int err = 0;

	inode_lock_shared(w->inode);
	for (w->count = 0; w->count < LNKFS_NAMES_BATCH; w->count++) {
		err = lnkfs_names_next(LNKFS_FS(w->inode), &li->ci, &cookie, &w->ref[w->count]);
		if (err)
			break;
		w->next[w->count] = cookie;
	}
	inode_unlock_shared(w->inode);
	return err == -ENOENT ? 0 : err;
}

/* Give the caller a name; -ERANGE when his buffer has no room for it. */
static int lnkfs_put_name(struct lnkfs_names_walk *w, const struct lnkfs_ref *ref, u32 flags,
			  struct lnkfs_names *n, u32 *used)
{
	u32 len = sizeof(w->path.buf) - w->path.at;	/* with the NUL */
	struct lnkfs_name_record rec = {
		.r_len = ALIGN(sizeof(rec) + len, 8),
		.r_path_len = len - 1,
		.r_flags = flags,
		.r_dir = ref->dir,
		.r_pos = ref->pos,
	};
	char __user *to = u64_to_user_ptr(n->n_buf) + *used;

	if (rec.r_len > n->n_len - *used)
		return -ERANGE;
	if (copy_to_user(to, &rec, sizeof(rec)) ||
	    copy_to_user(to + sizeof(rec), w->path.buf + w->path.at, len) ||
	    clear_user(to + sizeof(rec) + len, rec.r_len - sizeof(rec) - len))
		return -EFAULT;
	*used += rec.r_len;
	n->n_count++;
	return 0;
}

/* A name of the batch: its path, unless that is none of the caller's business. */
static int lnkfs_give_path(struct lnkfs_names_walk *w, const struct lnkfs_ref *ref,
			   struct lnkfs_names *n, u32 *used)
{
	struct super_block *sb = w->base->i_sb;
	u32 flags = 0;
	int err;

	mutex_lock(&sb->s_vfs_rename_mutex);
	err = lnkfs_path_to(w, ref);
	mutex_unlock(&sb->s_vfs_rename_mutex);
	if (err == -ENOENT || err == -EACCES || err == -EPERM)
		return 0;
	if (err == -ENAMETOOLONG) {
		flags = LNKFS_NAME_CUT;
		err = 0;
	}
	return err ? err : lnkfs_put_name(w, ref, flags, n, used);
}

/* That was all. A cookie would say where a name is that the caller may not know. */
static void lnkfs_names_end(struct lnkfs_names *n)
{
	n->n_flags = LNKFS_NAMES_END;
	n->n_cookie = 0;
}

static int lnkfs_list_names(struct lnkfs_names_walk *w, struct lnkfs_names *n)
{
	u32 i, given, used = 0;
	int err;

	w->cookie = n->n_cookie;
	do {
		err = lnkfs_names_batch(w);
		if (err)
			return err;
		for (i = 0; i < w->count; i++) {
			given = n->n_count;
			err = lnkfs_give_path(w, &w->ref[i], n, &used);
			if (err == -ERANGE && given)
				return 0;
			if (err)
				return err;
			w->cookie = w->next[i];
			/* Names after it that are not told are asked again. */
			if (n->n_count > given)
				n->n_cookie = w->cookie;
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	} while (w->count == LNKFS_NAMES_BATCH);
	lnkfs_names_end(n);
	return 0;
}

/* The inode that the caller asks about, referenced. */
static struct inode *lnkfs_names_object(struct super_block *sb, const struct lnkfs_names *n)
{
	struct inode *inode;
	struct file *object;

	if (n->n_fd == -1) {
		if (!n->n_gen)
			return lnkfs_iget(sb, n->n_ino, 0);
		/* The answer would say whether it is the right one. */
		if (!lnkfs_passes_by())
			return ERR_PTR(-EPERM);
		return lnkfs_iget_handle(sb, n->n_ino, n->n_gen);
	}
	object = lnkfs_get_object(sb, n->n_fd);
	if (IS_ERR(object))
		return ERR_CAST(object);
	inode = file_inode(object);
	ihold(inode);
	fput(object);
	return inode;
}

static int lnkfs_copy_names(struct lnkfs_names *n, const void __user *arg)
{
	if (copy_from_user(n, arg, sizeof(*n)))
		return -EFAULT;
	if (n->n_size != sizeof(*n) || n->n_flags || n->n_count || n->n_fd < -1 ||
	    memchr_inv(n->n_reserved, 0, sizeof(n->n_reserved)) ||
	    (n->n_fd >= 0 && (n->n_ino || n->n_gen)))
		return -EINVAL;
	return 0;
}

/**
 * lnkfs_ioc_getnames() - LNKFS_IOC_GETNAMES
 * @file: carrier, the directory that the paths start from
 * @arg: struct lnkfs_names
 *
 * Context: no locks held.
 * Return: as lnkfs.h says.
 */
int lnkfs_ioc_getnames(struct file *file, struct lnkfs_names __user *arg)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct lnkfs_names_walk *w;
	struct lnkfs_names n;
	int err;

	err = lnkfs_copy_names(&n, arg);
	if (err)
		return err;
	if (!LNKFS_FS(file_inode(file))->backref)
		return -EOPNOTSUPP;
	if (!S_ISDIR(file_inode(file)->i_mode))
		return -ENOTDIR;
	w = kvmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	w->base = file_inode(file);
	w->idmap = lnkfs_mnt_idmap(file->f_path.mnt);
	w->inode = lnkfs_names_object(sb, &n);
	err = PTR_ERR_OR_ZERO(w->inode);
	if (!err) {
		n.n_ino = w->inode->i_ino;
		if (!n.n_gen)
			n.n_gen = lnkfs_told_gen(w->inode->i_generation);
		err = lnkfs_list_names(w, &n);
		iput(w->inode);
	} else if (err == -ESTALE && n.n_fd == -1 && !lnkfs_passes_by()) {
		/* Not even which numbers are in use is for everybody to know. */
		lnkfs_names_end(&n);
		err = 0;
	}
	if (!err && copy_to_user(arg, &n, sizeof(n)))
		err = -EFAULT;
	kvfree(w);
	return err;
}
