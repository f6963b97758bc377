// SPDX-License-Identifier: GPL-2.0
/*
 * Symlinks that are more than their text (struct lnkfs_link_attr): those that follow
 * an inode, and those that lead to another computer.
 *
 * Readlink and path walk get the path from the link's directory to the tracked inode,
 * made from back references; the VFS walks it as any symlink's text, with all of its
 * checks. A path is made under s_vfs_rename_mutex: no directory gets another parent
 * meanwhile. It is kept with the link, and given again to the same caller from the
 * same directory while the names of the inode (i_version) and the directories
 * (lnkfs_sb_info.tree_seq) are what they were.
 *
 * Two races with renames are the caller's as with any path: a directory on it may be
 * renamed before he gets there. One is not: path walk does not tell where it found
 * the link. When it has been moved since, the path would begin in the wrong
 * directory; lnkfs_get_typed_link() says -ESTALE then, and path walk starts again.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fsnotify.h>
#include <linux/iversion.h>
#include <linux/namei.h>
#include <linux/security.h>
#include <linux/uaccess.h>
#include <linux/xattr.h>
#include "internal.h"
#include "lnkfs.h"

static_assert(sizeof(struct lnkfs_link) == 0x40);

/* Directories above a link that are looked at: as many as a path can go up. */
#define LNKFS_TRACK_DEPTH	(PATH_MAX / 3)

/* Names of an inode that are tried before it counts as out of reach. */
#define LNKFS_TRACK_NAMES	64

/* Times that a path is made while its inode is being renamed. */
#define LNKFS_TRACK_TRIES	8

/**
 * struct lnkfs_track - the path that a link led to
 * @refs: who uses it
 * @attr: the link's attribute
 * @from: number of the directory that the path starts from
 * @version: i_version of the tracked inode when it was made
 * @seq: @tree_seq then
 * @cred: who it was made for
 * @path: the path
 */
struct lnkfs_track {
	refcount_t refs;
	struct lnkfs_link_attr attr;
	u64 from;
	u64 version;
	u64 seq;
	const struct cred *cred;
	char path[];
};

/**
 * struct lnkfs_tracking - a path being made
 * @nr: entries of @up in use
 * @up: numbers of the directory that holds the link, its parent, ... the root
 * @path: the path
 */
struct lnkfs_tracking {
	u32 nr;
	u64 up[LNKFS_TRACK_DEPTH];
	struct lnkfs_path path;
};

static u64 lnkfs_tree_seq(struct super_block *sb)
{
	u64 seq = atomic64_read(&LNKFS_SB(sb)->tree_seq);

	/* What is read of the tree comes after it. */
	smp_rmb();
	return seq;
}

static u64 lnkfs_names_version(const struct inode *inode)
{
	return inode_peek_iversion_raw(inode) >> I_VERSION_QUERIED_SHIFT;
}

static void lnkfs_put_track(void *arg)
{
	struct lnkfs_track *t = arg;

	if (t && refcount_dec_and_test(&t->refs)) {
		put_cred(t->cred);
		kfree(t);
	}
}

/* Put @t (or NULL), whose reference is given away, in the place of what was kept. */
static void lnkfs_keep_track(struct inode *inode, struct lnkfs_track *t)
{
	struct lnkfs_track *old;

	spin_lock(&inode->i_lock);
	old = LNKFS_I(inode)->track;
	LNKFS_I(inode)->track = t;
	spin_unlock(&inode->i_lock);
	lnkfs_put_track(old);
}

/**
 * lnkfs_track_forget() - drop the path that is kept with a link
 * @inode: symlink that leaves memory, or whose attribute has changed
 */
void lnkfs_track_forget(struct inode *inode)
{
	lnkfs_keep_track(inode, NULL);
}

/**
 * lnkfs_track_moved() - links are about to get into other directories
 * @old_dir: directory of @old_dentry
 * @old_dentry: the source of a rename
 * @new_dir: directory of @new_dentry
 * @new_dentry: its target, which changes places with it or goes
 *
 * What path walk has looked up before is known by its dentry from now on. See
 * lnkfs_get_typed_link().
 *
 * Context: both directories locked.
 */
void lnkfs_track_moved(struct inode *old_dir, struct dentry *old_dentry,
		       struct inode *new_dir, struct dentry *new_dentry)
{
	if (old_dir == new_dir)
		return;
	if (d_is_symlink(old_dentry))
		WRITE_ONCE(old_dentry->d_fsdata, old_dentry);
	if (d_is_symlink(new_dentry))
		WRITE_ONCE(new_dentry->d_fsdata, new_dentry);
}

/* Is a path that was made for an inode still right? Looked up without waiting. */
static bool lnkfs_track_current(struct super_block *sb, const struct lnkfs_track *t)
{
	struct inode *inode;
	bool ok;

	if (t->seq != atomic64_read(&LNKFS_SB(sb)->tree_seq))
		return false;
	rcu_read_lock();
	inode = find_inode_by_ino_rcu(sb, le64_to_cpu(t->attr.la_ino));
	ok = inode && inode->i_generation == le32_to_cpu(t->attr.la_gen) &&
	     READ_ONCE(inode->i_nlink) && lnkfs_names_version(inode) == t->version;
	rcu_read_unlock();
	return ok;
}

/* The path that is kept with the link, with a reference, or NULL. */
static struct lnkfs_track *lnkfs_kept_track(struct inode *inode, u64 from)
{
	struct lnkfs_track *t;

	spin_lock(&inode->i_lock);
	t = LNKFS_I(inode)->track;
	if (t && t->from == from && t->cred == current_cred())
		refcount_inc(&t->refs);
	else
		t = NULL;
	spin_unlock(&inode->i_lock);
	if (t && !lnkfs_track_current(inode->i_sb, t)) {
		lnkfs_put_track(t);
		t = NULL;
	}
	return t;
}

static struct inode *lnkfs_iget_dir(struct super_block *sb, u64 ino)
{
	struct inode *dir = lnkfs_iget(sb, ino, 0);

	if (dir == ERR_PTR(-ESTALE))
		return ERR_PTR(-ENOENT);
	if (IS_ERR(dir) || S_ISDIR(dir->i_mode))
		return dir;
	iput(dir);
	return ERR_PTR(-ENOENT);
}

/* Note the directories from @from to the root, or as far as a path can go up. */
static int lnkfs_note_way_up(struct super_block *sb, struct lnkfs_tracking *w, u64 from)
{
	u64 ino = from, root = LNKFS_SB(sb)->fs.root_ino;
	struct inode *dir;

	for (w->nr = 0; w->nr < LNKFS_TRACK_DEPTH; ) {
		w->up[w->nr++] = ino;
		if (ino == root)
			break;
		dir = lnkfs_iget_dir(sb, ino);
		if (IS_ERR(dir))
			return PTR_ERR(dir);
		ino = LNKFS_I(dir)->ci.parent;
		iput(dir);
	}
	return 0;
}

/* Put the way up to the common directory, @up of them, before the path. */
static int lnkfs_prepend_ups(struct lnkfs_path *p, u32 up)
{
	int err = 0;

	if (!up && !p->buf[p->at])
		return lnkfs_path_prepend(p, ".", 1);
	while (up-- && !err)
		err = lnkfs_path_prepend(p, "..", 2);
	return err;
}

/* How many directories above the link's is @ino? -1: it is none of them. */
static int lnkfs_is_above(const struct lnkfs_tracking *w, u64 ino)
{
	u32 i;

	for (i = 0; i < w->nr; i++)
		if (w->up[i] == ino)
			return i;
	return -1;
}

/* Make the path to the name of @inode that stands at @ref. */
static int lnkfs_track_name(struct lnkfs_tracking *w, struct inode *inode, struct lnkfs_ref ref)
{
	u64 root = LNKFS_FS(inode)->root_ino;
	struct inode *child = inode;
	int up, err = 0;

	lnkfs_path_init(&w->path);
	ihold(child);
	up = S_ISDIR(inode->i_mode) ? lnkfs_is_above(w, inode->i_ino) : -1;
	while (up < 0 && !err) {
		/* Above all that was noted; a loop ends with the room for the path. */
		err = child->i_ino == root ? -ENAMETOOLONG :
		      lnkfs_path_up(&w->path, lnkfs_nop_idmap, &child, &ref);
		if (!err)
			up = lnkfs_is_above(w, child->i_ino);
	}
	iput(child);
	return err ? err : lnkfs_prepend_ups(&w->path, up);
}

/* Errors that say that a name is of no use here: another one may be. */
static bool lnkfs_out_of_reach(int err)
{
	return err == -ENOENT || err == -EACCES || err == -EPERM || err == -ENAMETOOLONG;
}

/* Make the path to the first name of @inode that is in reach, s_vfs_rename_mutex held. */
static int lnkfs_track_names(struct lnkfs_tracking *w, struct inode *inode, u64 from)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_ref ref = { .dir = READ_ONCE(ci->parent) };
	u64 cookie = 1;		/* behind the one that is in the record */
	int i, err, err2;

	err = lnkfs_note_way_up(inode->i_sb, w, from);
	if (err)
		return err;
	err = ref.dir ? lnkfs_track_name(w, inode, ref) : -ENOENT;
	for (i = 1; lnkfs_out_of_reach(err) && i < LNKFS_TRACK_NAMES; i++) {
		err2 = lnkfs_names_next(LNKFS_FS(inode), ci, &cookie, &ref);
		if (err2)
			return err2 == -ENOENT ? err : err2;
		err = lnkfs_track_name(w, inode, ref);
	}
	return err;
}

/* What is kept of a path that has been made; has one reference. */
static struct lnkfs_track *lnkfs_new_track(const struct lnkfs_tracking *w,
					   const struct lnkfs_link_attr *la, u64 from,
					   u64 version, u64 seq)
{
	size_t len = sizeof(w->path.buf) - w->path.at;
	struct lnkfs_track *t = kmalloc(sizeof(*t) + len, GFP_KERNEL);

	if (!t)
		return ERR_PTR(-ENOMEM);
	refcount_set(&t->refs, 1);
	t->attr = *la;
	t->from = from;
	t->version = version;
	t->seq = seq;
	t->cred = get_current_cred();
	memcpy(t->path, w->path.buf + w->path.at, len);
	return t;
}

/*
 * Make the path from a directory to a tracked inode, and keep it with the link; NULL:
 * there is none for the caller. @seq was read before @la.
 */
static struct lnkfs_track *lnkfs_make_track(struct inode *link, struct inode *inode, u64 from,
					    const struct lnkfs_link_attr *la, u64 seq)
{
	struct super_block *sb = inode->i_sb;
	struct lnkfs_track *t = NULL;
	struct lnkfs_tracking *w;
	int err, tries = 0;
	u64 version;

	w = kvmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return ERR_PTR(-ENOMEM);
	do {
		version = lnkfs_names_version(inode);
		smp_rmb();
		mutex_lock(&sb->s_vfs_rename_mutex);
		err = lnkfs_track_names(w, inode, from);
		mutex_unlock(&sb->s_vfs_rename_mutex);
		/* A name that was on its way to another place may have been missed. */
	} while (lnkfs_out_of_reach(err) && lnkfs_names_version(inode) != version &&
		 ++tries < LNKFS_TRACK_TRIES);
	if (!err) {
		t = lnkfs_new_track(w, la, from, version, seq);
		if (!IS_ERR(t)) {
			refcount_inc(&t->refs);
			lnkfs_keep_track(link, t);
		}
	} else if (!lnkfs_out_of_reach(err)) {
		t = ERR_PTR(err);
	}
	kvfree(w);
	return t;
}

/* The path to what a link tracks; NULL: there is none for the caller. */
static struct lnkfs_track *lnkfs_lead(struct inode *link, u64 from,
				      const struct lnkfs_link_attr *la, u64 seq)
{
	struct super_block *sb = link->i_sb;
	struct lnkfs_track *t = NULL;
	struct inode *inode;

	if (!(la->la_flags & LNKFS_LINK_TRACKED) || !LNKFS_SB(sb)->fs.backref)
		return NULL;
	inode = lnkfs_iget_handle(sb, le64_to_cpu(la->la_ino), le32_to_cpu(la->la_gen));
	if (inode == ERR_PTR(-ESTALE))
		return NULL;
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	if (inode->i_nlink)
		t = lnkfs_make_track(link, inode, from, la, seq);
	iput(inode);
	return t;
}

/*
 * Go one component on from *@dir, which is put: 1: it is there, and *@dir is it when
 * it is a directory, else NULL; 0: it is not.
 */
static int lnkfs_text_step(struct inode **dir, const char *name, u32 len)
{
	struct super_block *sb = (*dir)->i_sb;
	struct lnkfs_inode_info *li = LNKFS_I(*dir);
	struct lnkfs_name found;
	struct inode *next;
	int err;

	if (len == 1 && name[0] == '.')
		return 1;
	err = inode_permission(lnkfs_nop_idmap, *dir, MAY_EXEC);
	if (err)
		return err;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		/* What is above the root is not ours to know. */
		if (li->ci.ino == li->ci.parent)
			return 0;
		found.ino = READ_ONCE(li->ci.parent);
	} else {
		if (len > LNKFS_NAME_LEN)
			return 0;
		inode_lock_shared(*dir);
		err = lnkfs_dir_lookup(&LNKFS_SB(sb)->fs, &li->ci, name, len, &found);
		inode_unlock_shared(*dir);
		if (err)
			return err == -ENOENT ? 0 : err;
	}
	next = lnkfs_iget_dir(sb, found.ino);
	if (IS_ERR(next) && next != ERR_PTR(-ENOENT))
		return PTR_ERR(next);
	iput(*dir);
	*dir = IS_ERR(next) ? NULL : next;
	return 1;
}

/*
 * Does the text lead to anything, for LNKFS_LINK_PATH_FIRST? Whoever may not look
 * is told by path walk.
 */
static int lnkfs_text_leads(struct inode *link, u64 from)
{
	const char *text = lnkfs_link_text(link);
	struct inode *dir;
	int ret = 1;
	u32 len;

	if (IS_ERR(text))
		return PTR_ERR(text);
	if (*text == '/')
		return 0;
	dir = lnkfs_iget_dir(link->i_sb, from);
	if (IS_ERR(dir))
		return dir == ERR_PTR(-ENOENT) ? 0 : PTR_ERR(dir);
	while (*text && ret > 0) {
		len = strcspn(text, "/");
		/* Something that is no directory is the end, or nothing. */
		ret = dir ? lnkfs_text_step(&dir, text, len) : 0;
		text += len;
		if (*text && !dir)
			ret = min(ret, 0);
		text += strspn(text, "/");
	}
	iput(dir);
	return ret == -EACCES || ret == -EPERM ? 1 : ret;
}

static int lnkfs_read_attr(struct inode *inode, struct lnkfs_link_attr *la)
{
	struct lnkfs_inode_info *li = LNKFS_I(inode);
	int err;

	down_read(&li->ext_lock);
	err = lnkfs_link_attr_get(LNKFS_FS(inode), &li->ci, la);
	up_read(&li->ext_lock);
	return err;
}

/* The directory that holds the link, as far as @dentry tells. */
static u64 lnkfs_link_dir(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	u64 ino = d_inode(parent)->i_ino;

	/* A file handle may lead to an inode without a directory. */
	if (parent == dentry)
		ino = READ_ONCE(LNKFS_I(d_inode(dentry))->ci.parent);
	dput(parent);
	return ino;
}

/* All that there is to the link is its text: path walk need not ask again. */
static void lnkfs_publish_text(struct inode *inode, const char *text, u64 seq)
{
	if (lnkfs_symperm(inode->i_sb))
		return;
	spin_lock(&inode->i_lock);
	if (lnkfs_tree_seq(inode->i_sb) == seq)
		smp_store_release(&inode->i_link, (char *)text);
	spin_unlock(&inode->i_lock);
}

static const char *lnkfs_stored_text(struct inode *inode, const struct lnkfs_link_attr *la,
				     u64 seq)
{
	const char *text = lnkfs_link_text(inode);

	if (!IS_ERR(text) && la->la_kind != LNKFS_LINK_REMOTE && !la->la_flags)
		lnkfs_publish_text(inode, text, seq);
	return text;
}

/* The volume's map of other computers; NULL: there is none. */
static void *lnkfs_remote_map_get(struct super_block *sb, int *len)
{
	const struct lnkfs_xattr_key key = {
		.space = LNKFS_XATTR_TRUSTED,
		.name = LNKFS_MAP_XATTR + XATTR_TRUSTED_PREFIX_LEN,
		.name_len = sizeof(LNKFS_MAP_XATTR) - 1 - XATTR_TRUSTED_PREFIX_LEN,
	};
	struct inode *root = d_inode(sb->s_root);
	struct lnkfs_inode_info *li = LNKFS_I(root);
	void *map = NULL;

	down_read(&li->ext_lock);
	*len = lnkfs_xattr_get(LNKFS_FS(root), &li->ci, &key, NULL, 0);
	if (*len > 0) {
		map = kvmalloc(*len, GFP_NOFS);
		*len = map ? lnkfs_xattr_get(LNKFS_FS(root), &li->ci, &key, map, *len) :
			     -ENOMEM;
	}
	up_read(&li->ext_lock);
	if (*len > 0)
		return map;
	kvfree(map);
	return *len && *len != -ENODATA ? ERR_PTR(*len) : NULL;
}

/* Where a remote link leads by the volume's map; else its text. */
static const char *lnkfs_remote_path(struct inode *inode, struct delayed_call *done)
{
	const char *text = lnkfs_link_text(inode);
	char *map, *path;
	int len, err;

	if (IS_ERR(text))
		return text;
	map = lnkfs_remote_map_get(inode->i_sb, &len);
	if (IS_ERR_OR_NULL(map))
		return map ? map : text;
	path = kmalloc(PATH_MAX, GFP_KERNEL);
	err = path ? lnkfs_remote_map(map, len, text, strlen(text), path, PATH_MAX) : -ENOMEM;
	kvfree(map);
	if (!err) {
		set_delayed_call(done, kfree_link, path);
		return path;
	}
	kfree(path);
	return err == -ENOMEM || err == -ENAMETOOLONG ? ERR_PTR(err) : text;
}

/*
 * The link may have been moved since path walk found it, and nobody tells where: a
 * name that has been moved is forgotten once, and path walk starts again. Whoever
 * still has the dentry after that has not just found it. Kernel threads (nfsd) have
 * it from a file handle.
 */
static bool lnkfs_found_elsewhere(struct dentry *dentry)
{
	if (!READ_ONCE(dentry->d_fsdata) || (current->flags & PF_KTHREAD) ||
	    d_unhashed(dentry))
		return false;
	d_drop(dentry);
	return true;
}

/* What a link leads to from a directory: followed, or only to be read. */
static const char *lnkfs_typed_path(struct inode *inode, u64 from, bool follow,
				    struct delayed_call *done)
{
	u64 seq = lnkfs_tree_seq(inode->i_sb);
	struct lnkfs_track *t = lnkfs_kept_track(inode, from);
	struct lnkfs_link_attr la;
	int ret = 0;

	if (t)
		la = t->attr;
	else
		ret = lnkfs_read_attr(inode, &la);
	if (!ret && (la.la_flags & LNKFS_LINK_PATH_FIRST)) {
		ret = lnkfs_text_leads(inode, from);
		if (ret > 0) {
			lnkfs_put_track(t);
			return lnkfs_link_text(inode);
		}
	}
	if (ret) {
		lnkfs_put_track(t);
		return ERR_PTR(ret);
	}
	if (la.la_kind == LNKFS_LINK_REMOTE)
		return follow ? lnkfs_remote_path(inode, done) : lnkfs_link_text(inode);
	if (!t)
		t = lnkfs_lead(inode, from, &la, seq);
	if (IS_ERR(t))
		return ERR_CAST(t);
	if (!t)
		return lnkfs_stored_text(inode, &la, seq);
	set_delayed_call(done, lnkfs_put_track, t);
	return t->path;
}

static const char *lnkfs_get_typed_link(struct dentry *dentry, struct inode *inode,
					struct delayed_call *done)
{
	int err = lnkfs_may_read_link(inode, !dentry);
	u64 from;

	if (err)
		return ERR_PTR(err);
	if (!dentry)
		return ERR_PTR(-ECHILD);
	from = lnkfs_link_dir(dentry);
	/* lnkfs_track_moved() comes before the move. */
	smp_rmb();
	if (lnkfs_found_elsewhere(dentry))
		return ERR_PTR(-ESTALE);
	return lnkfs_typed_path(inode, from, true, done);
}

static int lnkfs_readlink(struct dentry *dentry, char __user *buf, int len)
{
	struct inode *inode = d_inode(dentry);
	const char *path = READ_ONCE(inode->i_link);
	DEFINE_DELAYED_CALL(done);
	size_t n;
	int ret;

	if (!path) {
		ret = lnkfs_may_read_link(inode, false);
		if (ret)
			return ret;
		path = lnkfs_typed_path(inode, lnkfs_link_dir(dentry), false, &done);
	}
	if (IS_ERR(path))
		return PTR_ERR(path);
	n = min_t(size_t, strlen(path), len);
	ret = copy_to_user(buf, path, n) ? -EFAULT : n;
	do_delayed_call(&done);
	return ret;
}

const struct inode_operations lnkfs_typed_link_iops = {
	.readlink	= lnkfs_readlink,
	.get_link	= lnkfs_get_typed_link,
	.getattr	= lnkfs_getattr,
	.setattr	= lnkfs_setattr,
	.fileattr_get	= lnkfs_fileattr_get,
	.fileattr_set	= lnkfs_fileattr_set,
	.listxattr	= lnkfs_listxattr,
};

/* ---- ioctls ---- */

static int lnkfs_copy_link(struct lnkfs_link *l, const void __user *arg)
{
	if (copy_from_user(l, arg, sizeof(*l)))
		return -EFAULT;
	if (l->l_size != sizeof(*l) || l->l_ino || l->l_gen || l->l_reserved0 ||
	    memchr_inv(l->l_reserved, 0, sizeof(l->l_reserved)))
		return -EINVAL;
	return 0;
}

/* The symlink that a descriptor names. */
static struct file *lnkfs_get_symlink(struct super_block *sb, int fd)
{
	struct file *object = lnkfs_get_object(sb, fd);

	if (IS_ERR(object) || S_ISLNK(file_inode(object)->i_mode))
		return object;
	fput(object);
	return ERR_PTR(-EINVAL);
}

/* Has the tracked inode gone? */
static bool lnkfs_is_lost(struct super_block *sb, u64 ino, u32 gen)
{
	struct inode *inode = lnkfs_iget_handle(sb, ino, gen);
	bool lost = IS_ERR(inode) || !inode->i_nlink;

	if (!IS_ERR(inode))
		iput(inode);
	return lost;
}

static int lnkfs_copy_text(const char *text, struct lnkfs_link *l)
{
	u32 len = strlen(text), room = l->l_len;

	l->l_len = len;
	if (!room)
		return 0;
	if (room <= len)
		return -ERANGE;
	return copy_to_user(u64_to_user_ptr(l->l_buf), text, len + 1) ? -EFAULT : 0;
}

static int lnkfs_get_link_attr(struct inode *inode, struct lnkfs_link *l)
{
	struct lnkfs_link_attr la;
	const char *text;
	int err;

	err = lnkfs_may_read_link(inode, false);
	if (!err)
		err = lnkfs_read_attr(inode, &la);
	if (err)
		return err;
	text = lnkfs_link_text(inode);
	if (IS_ERR(text))
		return PTR_ERR(text);
	l->l_kind = la.la_kind;
	l->l_flags = la.la_flags;
	l->l_ino = le64_to_cpu(la.la_ino);
	l->l_gen = lnkfs_told_gen(le32_to_cpu(la.la_gen));
	if ((la.la_flags & LNKFS_LINK_TRACKED) &&
	    lnkfs_is_lost(inode->i_sb, l->l_ino, le32_to_cpu(la.la_gen)))
		l->l_flags |= LNKFS_LINK_LOST;
	return lnkfs_copy_text(text, l);
}

/**
 * lnkfs_ioc_getlink() - LNKFS_IOC_GETLINK
 * @sb: volume
 * @arg: struct lnkfs_link
 *
 * Context: no locks held.
 * Return: as lnkfs.h says.
 */
int lnkfs_ioc_getlink(struct super_block *sb, struct lnkfs_link __user *arg)
{
	struct lnkfs_link l;
	struct file *object;
	int err;

	err = lnkfs_copy_link(&l, arg);
	if (err)
		return err;
	if (l.l_kind || l.l_flags || l.l_target)
		return -EINVAL;
	object = lnkfs_get_symlink(sb, l.l_fd);
	if (IS_ERR(object))
		return PTR_ERR(object);
	err = lnkfs_get_link_attr(file_inode(object), &l);
	fput(object);
	if ((!err || err == -ERANGE) && copy_to_user(arg, &l, sizeof(l)))
		err = -EFAULT;
	return err;
}

static int lnkfs_may_set_link(struct file *object, const struct lnkfs_link *l)
{
	lnkfs_idmap *idmap = lnkfs_mnt_idmap(object->f_path.mnt);
	struct inode *inode = file_inode(object);
	struct iattr attr = { .ia_valid = ATTR_CTIME, .ia_ctime = current_time(inode) };
	const char *text;

	if (IS_IMMUTABLE(inode) || IS_APPEND(inode) ||
	    !inode_owner_or_capable(idmap, inode))
		return -EPERM;
	text = lnkfs_link_text(inode);
	if (IS_ERR(text))
		return PTR_ERR(text);
	if (!lnkfs_link_text_sound(l->l_kind, l->l_flags, text, strlen(text)))
		return -EINVAL;
	return security_inode_setattr(idmap, object->f_path.dentry, &attr);
}

static int lnkfs_set_link_attr(struct file *object, const struct lnkfs_link *l,
			       const struct lnkfs_link_attr *la)
{
	const struct lnkfs_xattr_key key = { .space = LNKFS_XATTR_LINK, .name = "" };
	struct inode *inode = file_inode(object);
	int err;

	inode_lock(inode);
	err = lnkfs_may_set_link(object, l);
	if (!err)
		err = lnkfs_change_xattr(inode, &key, la, la ? sizeof(*la) : 0, 0,
					 inode->i_mode);
	if (!err) {
		lnkfs_tree_changed(inode->i_sb);
		lnkfs_set_link_ops(inode);
		lnkfs_track_forget(inode);
	}
	inode_unlock(inode);
	if (!err)
		fsnotify_change(object->f_path.dentry, ATTR_MODE);
	return err;
}

/* Note what a link is to track. */
static int lnkfs_track_target(struct super_block *sb, const struct lnkfs_link *l,
			      struct inode *link, struct lnkfs_link_attr *la)
{
	struct file *target;
	struct inode *inode;
	int err = 0;

	if (!LNKFS_SB(sb)->fs.backref)
		return -EOPNOTSUPP;
	target = lnkfs_get_object(sb, l->l_target);
	if (IS_ERR(target))
		return PTR_ERR(target);
	inode = file_inode(target);
	if (inode == link)
		err = -ELOOP;
	else if (!inode->i_nlink)
		err = -ENOENT;
	la->la_ino = cpu_to_le64(inode->i_ino);
	la->la_gen = cpu_to_le32(inode->i_generation);
	fput(target);
	return err;
}

static bool lnkfs_link_sound(const struct lnkfs_link *l)
{
	bool tracked = l->l_flags & LNKFS_LINK_TRACKED;

	if (l->l_kind >= LNKFS_LINK_KINDS || l->l_buf || l->l_len ||
	    (l->l_flags & ~(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST)))
		return false;
	/* What is on another computer is no inode of this volume. */
	if (tracked && l->l_kind == LNKFS_LINK_REMOTE)
		return false;
	return tracked ? l->l_target >= 0 : !l->l_flags && l->l_target == -1;
}

/**
 * lnkfs_ioc_setlink() - LNKFS_IOC_SETLINK
 * @sb: volume
 * @arg: struct lnkfs_link
 *
 * Context: no locks held.
 * Return: as lnkfs.h says.
 */
int lnkfs_ioc_setlink(struct super_block *sb, const struct lnkfs_link __user *arg)
{
	struct lnkfs_link_attr la = {};
	struct lnkfs_link l;
	struct file *object;
	int err;

	err = lnkfs_copy_link(&l, arg);
	if (err)
		return err;
	if (!lnkfs_link_sound(&l))
		return -EINVAL;
	object = lnkfs_get_symlink(sb, l.l_fd);
	if (IS_ERR(object))
		return PTR_ERR(object);
	la.la_kind = l.l_kind;
	la.la_flags = l.l_flags;
	if (l.l_flags & LNKFS_LINK_TRACKED)
		err = lnkfs_track_target(sb, &l, file_inode(object), &la);
	if (!err)
		err = mnt_want_write(object->f_path.mnt);
	if (!err) {
		err = lnkfs_set_link_attr(object, &l, la.la_kind || la.la_flags ? &la : NULL);
		mnt_drop_write(object->f_path.mnt);
	}
	fput(object);
	return err;
}
