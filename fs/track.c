// SPDX-License-Identifier: GPL-2.0
/*
 * Symlinks that are more than their text (struct lnkfs_link_attr): those that follow
 * an inode, and those that lead to another computer.
 *
 * Readlink and path walk get the path from the link's directory to the tracked inode,
 * made from back references; the VFS walks it as any symlink's text, with all of its
 * checks. A path is made under s_vfs_rename_mutex: no directory gets another parent
 * meanwhile. It is kept with the link, and given again to the same kind of caller from
 * the same directory while the names of the inode (i_version) and the directories
 * (lnkfs_sb_info.tree_seq) are what they were.
 *
 * A directory on the path may be renamed before the caller gets there: that race is
 * his, as with any path. Another one is not: path walk does not tell where it found
 * the link. When that has been moved since, the path would begin in the wrong
 * directory. So a rename marks the dentry of a symlink that gets into another directory
 * (d_fsdata); lookups do not find it any more (->d_revalidate), and whoever has found it
 * before gets -ESTALE, on which path walk starts again.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
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
#define LNKFS_TRACK_NAMES	8

/* Times that a path is made while its inode is being renamed. */
#define LNKFS_TRACK_TRIES	8

/**
 * struct lnkfs_viewer - all of a caller that decides what he may be told
 * @fsuid: user
 * @fsgid: group
 * @groups: other groups; a reference in what is kept only
 * @caps: capabilities
 * @secid: security label
 * @zero: 0
 * @root: number of the directory that he cannot leave, if it is of this volume; else
 *	of the volume's root
 *
 * Compared as a whole, so without gaps.
 */
struct lnkfs_viewer {
	kuid_t fsuid;
	kgid_t fsgid;
	struct group_info *groups;
	kernel_cap_t caps;
	u32 secid;
	u32 zero;
	u64 root;
};

/**
 * struct lnkfs_track - the path that a link led to
 * @refs: who uses it
 * @attr: the link's attribute
 * @from: number of the directory that the path starts from
 * @version: lnkfs_names_version() of the tracked inode when it was made
 * @seq: @tree_seq then
 * @viewer: who it was made for
 * @path: the path
 */
struct lnkfs_track {
	refcount_t refs;
	struct lnkfs_link_attr attr;
	u64 from;
	u64 version;
	u64 seq;
	struct lnkfs_viewer viewer;
	char path[];
};

/**
 * struct lnkfs_tracking - a path being made
 * @link: the link
 * @from: number of the directory that holds it
 * @seq: @tree_seq before anything was read
 * @viewer: the caller
 * @nr: entries of @up in use
 * @up: numbers of that directory, its parent, ... the root
 * @path: the path
 */
struct lnkfs_tracking {
	struct inode *link;
	u64 from;
	u64 seq;
	struct lnkfs_viewer viewer;
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

/* Changes with the names of an inode; a directory's are counted by @tree_seq. */
static u64 lnkfs_names_version(const struct inode *inode)
{
	if (S_ISDIR(inode->i_mode))
		return 0;
	return inode_peek_iversion_raw(inode) >> I_VERSION_QUERIED_SHIFT;
}

static void lnkfs_viewer_init(struct lnkfs_viewer *v, struct super_block *sb)
{
	const struct cred *cred = current_cred();
	struct fs_struct *fs = current->fs;

	memset(v, 0, sizeof(*v));
	v->fsuid = cred->fsuid;
	v->fsgid = cred->fsgid;
	v->groups = cred->group_info;
	v->caps = cred->cap_effective;
	security_cred_getsecid(cred, &v->secid);
	v->root = LNKFS_SB(sb)->fs.root_ino;
	if (!fs)
		return;
	spin_lock(&fs->lock);
	if (fs->root.dentry->d_sb == sb)
		v->root = d_inode(fs->root.dentry)->i_ino;
	spin_unlock(&fs->lock);
}

/* What capabilities are good for in another user namespace is not kept. */
static bool lnkfs_viewer_lasts(const struct lnkfs_viewer *v)
{
	return current_user_ns() == &init_user_ns || cap_isclear(v->caps);
}

static void lnkfs_put_track(void *arg)
{
	struct lnkfs_track *t = arg;

	if (t && refcount_dec_and_test(&t->refs)) {
		put_group_info(t->viewer.groups);
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

/*
 * A dentry that has been moved is not found again. Overlayfs asks about those it keeps;
 * what is said in RCU path walk would use up the one time that the VFS starts again.
 */
static int lnkfs_link_revalidate(struct dentry *dentry, unsigned int flags)
{
	if (likely(!READ_ONCE(dentry->d_fsdata)))
		return 1;
	return flags & LOOKUP_RCU ? -ECHILD : d_unhashed(dentry);
}

static const struct dentry_operations lnkfs_link_dops = {
	.d_revalidate	= lnkfs_link_revalidate,
};

/**
 * lnkfs_track_lookup() - a name has been looked up
 * @dentry: its dentry, not yet connected with @inode
 * @inode: what it names, or NULL
 */
void lnkfs_track_lookup(struct dentry *dentry, struct inode *inode)
{
	if (inode && (LNKFS_I(inode)->ci.lflags & LNKFS_LF_LINK))
		d_set_d_op(dentry, &lnkfs_link_dops);
}

/* Have all names of a link looked up again, for lnkfs_track_lookup() to see them. */
static void lnkfs_drop_aliases(struct inode *inode)
{
	struct dentry *dentry;

	spin_lock(&inode->i_lock);
	hlist_for_each_entry(dentry, &inode->i_dentry, d_u.d_alias) {
		if (dentry->d_op != &lnkfs_link_dops)
			d_drop(dentry);
	}
	spin_unlock(&inode->i_lock);
}

/**
 * lnkfs_track_moved() - links are about to get into other directories
 * @old_dir: directory of @old_dentry
 * @old_dentry: the source of a rename
 * @new_dir: directory of @new_dentry
 * @new_dentry: its target, which changes places with it or goes
 *
 * Marks their dentries.
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

/*
 * Has the link been moved since path walk found it, or has it lost the name, so that
 * its directory is a guess? It has not where it has been let go of since and is asked
 * about by overlayfs, which keeps dentries, and acts with the credentials of whoever
 * mounted it; nor where nfsd has it from a file handle. Other kernel threads (ksmbd)
 * cannot be told from nfsd.
 */
static bool lnkfs_found_elsewhere(struct dentry *dentry, bool guess)
{
	if ((!guess && !READ_ONCE(dentry->d_fsdata)) || (current->flags & PF_KTHREAD))
		return false;
	return !d_unhashed(dentry) || current_cred() == current_real_cred();
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

/*
 * The path that is kept with the link, with a reference, or NULL. Nor is it given to
 * whoever none is kept for: his capabilities look like those of another namespace.
 */
static struct lnkfs_track *lnkfs_kept_track(struct inode *inode, u64 from,
					    const struct lnkfs_viewer *v)
{
	struct lnkfs_track *t;

	if (!lnkfs_viewer_lasts(v))
		return NULL;
	spin_lock(&inode->i_lock);
	t = LNKFS_I(inode)->track;
	if (t && t->from == from && !memcmp(&t->viewer, v, sizeof(*v)))
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

/*
 * Note the directories from the link's to the root, or to the one that the caller
 * cannot leave, or as far as a path can go up.
 */
static int lnkfs_note_way_up(struct lnkfs_tracking *w)
{
	struct super_block *sb = w->link->i_sb;
	u64 ino = w->from, root = LNKFS_SB(sb)->fs.root_ino;
	struct inode *dir;

	for (w->nr = 0; w->nr < LNKFS_TRACK_DEPTH; ) {
		w->up[w->nr++] = ino;
		if (ino == root || ino == w->viewer.root)
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

/* Make the path to the name of @inode that stands at @ref, s_vfs_rename_mutex held. */
static int lnkfs_make_path(struct lnkfs_tracking *w, struct inode *inode, struct lnkfs_ref ref)
{
	u64 root = LNKFS_FS(inode)->root_ino;
	struct inode *child = inode;
	int up, err;

	err = lnkfs_note_way_up(w);
	if (err)
		return err;
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

static int lnkfs_track_name(struct lnkfs_tracking *w, struct inode *inode, struct lnkfs_ref ref)
{
	struct super_block *sb = inode->i_sb;
	int err;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	mutex_lock(&sb->s_vfs_rename_mutex);
	err = lnkfs_make_path(w, inode, ref);
	mutex_unlock(&sb->s_vfs_rename_mutex);
	return err;
}

/* Errors that say that a name is of no use here: another one may be. */
static bool lnkfs_out_of_reach(int err)
{
	return err == -ENOENT || err == -EACCES || err == -EPERM || err == -ENAMETOOLONG;
}

/* Make the path to the first name of @inode that is in reach. */
static int lnkfs_track_names(struct lnkfs_tracking *w, struct inode *inode)
{
	const struct lnkfs_cinode *ci = &LNKFS_I(inode)->ci;
	struct lnkfs_ref ref = { .dir = READ_ONCE(ci->parent) };
	u64 cookie = 1;		/* behind the one that is in the record */
	int i, err, err2;

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
					   const struct lnkfs_link_attr *la, u64 version)
{
	size_t len = sizeof(w->path.buf) - w->path.at;
	struct lnkfs_track *t = kmalloc(sizeof(*t) + len, GFP_KERNEL);

	if (!t)
		return ERR_PTR(-ENOMEM);
	refcount_set(&t->refs, 1);
	t->attr = *la;
	t->from = w->from;
	t->version = version;
	t->seq = w->seq;
	t->viewer = w->viewer;
	get_group_info(t->viewer.groups);
	memcpy(t->path, w->path.buf + w->path.at, len);
	if (lnkfs_viewer_lasts(&t->viewer)) {
		refcount_inc(&t->refs);
		lnkfs_keep_track(w->link, t);
	}
	return t;
}

/* Make the path to a tracked inode; NULL: there is none for the caller. */
static struct lnkfs_track *lnkfs_make_track(struct lnkfs_tracking *w, struct inode *inode,
					    const struct lnkfs_link_attr *la)
{
	struct super_block *sb = inode->i_sb;
	u64 seq, version;
	int err, tries = 0;

	do {
		seq = lnkfs_tree_seq(sb);
		version = lnkfs_names_version(inode);
		smp_rmb();
		err = lnkfs_track_names(w, inode);
		/* A name that was on its way to another place may have been missed. */
	} while (lnkfs_out_of_reach(err) && ++tries < LNKFS_TRACK_TRIES &&
		 (lnkfs_names_version(inode) != version || lnkfs_tree_seq(sb) != seq));
	if (!err)
		return lnkfs_new_track(w, la, version);
	return lnkfs_out_of_reach(err) ? NULL : ERR_PTR(err);
}

/* The path to what a link tracks; NULL: there is none for the caller. */
static struct lnkfs_track *lnkfs_lead(struct inode *link, u64 from, u64 seq,
				      const struct lnkfs_viewer *v,
				      const struct lnkfs_link_attr *la)
{
	struct super_block *sb = link->i_sb;
	struct lnkfs_track *t = NULL;
	struct lnkfs_tracking *w;
	struct inode *inode;

	if (!(la->la_flags & LNKFS_LINK_TRACKED) || !LNKFS_SB(sb)->fs.backref)
		return NULL;
	inode = lnkfs_iget_handle(sb, le64_to_cpu(la->la_ino), le32_to_cpu(la->la_gen));
	if (IS_ERR(inode))
		return inode == ERR_PTR(-ESTALE) ? NULL : ERR_CAST(inode);
	if (inode->i_nlink) {
		w = kvmalloc(sizeof(*w), GFP_KERNEL);
		if (w) {
			w->link = link;
			w->from = from;
			w->seq = seq;
			w->viewer = *v;
			t = lnkfs_make_track(w, inode, la);
			kvfree(w);
		} else {
			t = ERR_PTR(-ENOMEM);
		}
	}
	iput(inode);
	return t;
}

/*
 * Go one component on from *@dir, which is put: 1: it is there, and *@dir is it when
 * it is a directory, else NULL; 0: it is not. Nothing is told of what is above @root.
 */
static int lnkfs_text_step(struct inode **dir, u64 root, const char *name, u32 len)
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
		if (li->ci.ino == root || li->ci.ino == li->ci.parent)
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
static int lnkfs_text_leads(struct inode *link, u64 from, u64 root)
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
		ret = lnkfs_text_step(&dir, root, text, len);
		text += len;
		/* What is no directory is the end of the text, or leads to nothing. */
		if (*text && !dir)
			ret = 0;
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

/*
 * The directory that holds the link. A dentry from a file handle may have none; one that
 * has been let go of, but is kept by somebody, does not hear of moves. Then it is that
 * of the name in the record: a @guess, as there may be others.
 */
static u64 lnkfs_link_dir(struct dentry *dentry, bool *guess)
{
	u64 named = READ_ONCE(LNKFS_I(d_inode(dentry))->ci.parent);
	struct dentry *parent = dget_parent(dentry);
	u64 ino = d_inode(parent)->i_ino;

	*guess = named && named != ino && (parent == dentry || d_unhashed(dentry));
	dput(parent);
	return *guess ? named : ino;
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

/* What a link leads to from a directory: followed, or only to be read. */
static const char *lnkfs_typed_path(struct inode *inode, u64 from, bool follow,
				    struct delayed_call *done)
{
	u64 seq = lnkfs_tree_seq(inode->i_sb);
	struct lnkfs_link_attr la;
	struct lnkfs_viewer v;
	struct lnkfs_track *t;
	int ret = 0;

	lnkfs_viewer_init(&v, inode->i_sb);
	t = lnkfs_kept_track(inode, from, &v);
	if (t)
		la = t->attr;
	else
		ret = lnkfs_read_attr(inode, &la);
	if (!ret && (la.la_flags & LNKFS_LINK_PATH_FIRST)) {
		ret = lnkfs_text_leads(inode, from, v.root);
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
		t = lnkfs_lead(inode, from, seq, &v, &la);
	if (IS_ERR(t))
		return ERR_CAST(t);
	if (!t)
		return lnkfs_stored_text(inode, &la, seq);
	set_delayed_call(done, lnkfs_put_track, t);
	return t->path;
}

/**
 * lnkfs_typed_link() - what a symlink with LNKFS_LF_LINK leads to
 * @dentry: its name; NULL in RCU path walk
 * @inode: the symlink, which the caller may read
 * @follow: it is followed, not only to be read
 * @done: gets what is to be done when it is no longer used
 *
 * Context: no locks held.
 * Return: the path or text; -ECHILD: not in RCU path walk; -ESTALE: path walk has to
 * start again; -EINTR, -EIO, -ENOMEM, -ENAMETOOLONG, -EFSCORRUPTED, -EFSBADCRC.
 */
const char *lnkfs_typed_link(struct dentry *dentry, struct inode *inode, bool follow,
			     struct delayed_call *done)
{
	bool guess;
	u64 from;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	from = lnkfs_link_dir(dentry, &guess);
	/* lnkfs_track_moved() comes before the move. */
	smp_rmb();
	if (follow && lnkfs_found_elsewhere(dentry, guess)) {
		/* One that lookups do not ask about would be found again and again. */
		if (dentry->d_op != &lnkfs_link_dops)
			d_drop(dentry);
		return ERR_PTR(-ESTALE);
	}
	/* nfsd asks as path walk does, but hands the answer to a computer elsewhere. */
	return lnkfs_typed_path(inode, from, follow && !(current->flags & PF_KTHREAD), done);
}

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

/* Has the tracked inode gone? 1: yes; an error: not known. */
static int lnkfs_is_lost(struct super_block *sb, const struct lnkfs_link_attr *la)
{
	struct inode *inode = lnkfs_iget_handle(sb, le64_to_cpu(la->la_ino),
						le32_to_cpu(la->la_gen));
	int lost;

	if (IS_ERR(inode))
		return inode == ERR_PTR(-ESTALE) ? 1 : PTR_ERR(inode);
	lost = !inode->i_nlink;
	iput(inode);
	return lost;
}

/* What is tracked, for the owner of the link to know. */
static int lnkfs_tell_target(struct file *object, const struct lnkfs_link_attr *la,
			     struct lnkfs_link *l)
{
	struct inode *inode = file_inode(object);
	int lost;

	if (!(la->la_flags & LNKFS_LINK_TRACKED) ||
	    !inode_owner_or_capable(lnkfs_mnt_idmap(object->f_path.mnt), inode))
		return 0;
	lost = lnkfs_is_lost(inode->i_sb, la);
	if (lost < 0)
		return lost;
	if (lost)
		l->l_flags |= LNKFS_LINK_LOST;
	l->l_ino = le64_to_cpu(la->la_ino);
	l->l_gen = lnkfs_told_gen(le32_to_cpu(la->la_gen));
	return 0;
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

static int lnkfs_get_link_attr(struct file *object, struct lnkfs_link *l)
{
	struct inode *inode = file_inode(object);
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
	err = lnkfs_tell_target(object, &la, l);
	return err ? err : lnkfs_copy_text(text, l);
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
	err = lnkfs_get_link_attr(object, &l);
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
		lnkfs_drop_aliases(inode);
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
