// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: what could be put in the place of a link, and doing that.
 *
 * Nothing is suggested that has not been tried: the new text leads, from the link's
 * directory, to what it should lead to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "liblnkfs.h"
#include "linkkind.h"
#include "links.h"
#include "lnkctl.h"
#include "newlink.h"
#include "object.h"
#include "paths.h"

#define SET_FLAGS	(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST)
#define KEEPING_FLAGS	(LNKFS_UF_IMMUTABLE | LNKFS_UF_APPEND | LNKFS_UF_NOUNLINK | \
			 LNKFS_SF_IMMUTABLE | LNKFS_SF_APPEND | LNKFS_SF_NOUNLINK)

/* Is an absolute path, as text, below a directory? */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return dir[1] ? !strncmp(path, dir, len) && path[len] == '/' : *path == '/';
}

/* The way from the link to an absolute path that leads to @to, both in the tree. */
static char *relative_to(const struct links_finding *f, const char *path, const struct stat *to)
{
	char *dir = path_of(f->dirfd), *text = NULL;
	struct stat st;

	if (dir && f->top && is_below(path, f->top) && !path_climbs(path))
		text = path_relative(dir, path);
	free(dir);
	if (text && !fstatat(f->dirfd, text, &st, 0) && same_object(&st, to))
		return text;
	free(text);
	return NULL;
}

/* @path with the symlinks in all but its last name resolved. */
static char *resolve_parent(const char *path)
{
	char *dir = path_dir(path), *name = path_last(path), *real, *all = NULL;

	real = realpath(dir, NULL);
	if (real)
		all = path_join(real, name);
	free(real);
	free(name);
	free(dir);
	return all;
}

static bool repair_absolute(struct links_finding *f)
{
	char *path;

	if (f->fd < 0 || f->classes & LINKS_BIT(LINKS_CROSS))
		return false;
	f->repair.text = relative_to(f, f->text, &f->to);
	if (f->repair.text)
		return true;
	path = resolve_parent(f->text);
	if (path)
		f->repair.text = relative_to(f, path, &f->to);
	free(path);
	return f->repair.text;
}

static bool repair_dangling(struct links_finding *f)
{
	struct stat st;
	char *path;

	if (f->link.l_kind == LNKFS_LINK_REMOTE)
		return false;
	path = links_found(f, &st);
	if (!path || !linkkind_suits(f->link.l_kind, st.st_mode)) {
		free(path);
		return false;
	}
	if (f->link.l_kind == LNKFS_LINK_JUNCTION) {
		f->repair.text = path;
		return true;
	}
	f->repair.text = relative_to(f, path, &st);
	free(path);
	return f->repair.text;
}

/* The text becomes the present path. */
static bool repair_stale(struct links_finding *f)
{
	struct stat st;

	if (fstatat(f->dirfd, f->target, &st, AT_SYMLINK_NOFOLLOW) ||
	    st.st_ino != f->link.l_ino || f->link.l_kind == LNKFS_LINK_JUNCTION)
		return false;
	f->repair.text = lnkctl_strdup(f->target);
	return true;
}

/* What the text leads to now is tracked from now on. */
static bool repair_lost(struct links_finding *f)
{
	struct stat self;

	if (f->fd < 0 || fstat(f->object->fd, &self) || self.st_dev != f->to.st_dev)
		return false;
	f->repair.text = lnkctl_strdup(f->text);
	return true;
}

static bool repair_mismatch(struct links_finding *f)
{
	f->repair.text = lnkctl_strdup(f->text);
	f->repair.kind = S_ISDIR(f->to.st_mode) ? LNKFS_LINK_DIR : LNKFS_LINK_FILE;
	return true;
}

/*
 * Why the target is none to be given a name where the link is, NULL: nothing is wrong.
 * Whoever made the link need not be allowed to make a hard link to it, nor to reach it
 * where it is; who repairs a tree of his means what is in that tree.
 */
static const char *refuse_hard(const struct links_finding *f)
{
	bool inside;
	char *path;

	if (f->object->st->stx_uid == f->to.st_uid)
		return NULL;
	if (f->to.st_mode & (S_ISUID | S_ISGID))
		return "it leads to a set-ID file of another owner";
	path = path_of(f->fd);
	inside = path && f->top && is_below(path, f->top);
	free(path);
	return inside ? NULL : "it leads to a file of another owner, out of the tree";
}

static bool repair_hard(struct links_finding *f)
{
	f->repair.refused = refuse_hard(f);
	if (f->repair.refused)
		return false;
	f->repair.target = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	return f->repair.target >= 0;
}

static bool (*const repairs[LINKS_CLASSES])(struct links_finding *f) = {
	[LINKS_HARD] = repair_hard,
	[LINKS_DANGLING] = repair_dangling,
	[LINKS_LOST] = repair_lost,
	[LINKS_STALE] = repair_stale,
	[LINKS_MISMATCH] = repair_mismatch,
	[LINKS_ABSOLUTE] = repair_absolute,
};

/* What the new link is to track, by its text. */
static bool open_target(struct links_finding *f)
{
	struct links_repair *r = &f->repair;
	struct stat st;

	if (!r->flags)
		return true;
	r->target = openat(f->dirfd, r->text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (r->target < 0 || f->classes & (LINKS_BIT(LINKS_LOST) | LINKS_BIT(LINKS_DANGLING)))
		return r->target >= 0;
	/* the same inode as before: its name, or what that leads to */
	if (!fstat(r->target, &st) && st.st_ino == f->link.l_ino)
		return true;
	close(r->target);
	r->target = openat(f->dirfd, r->text, O_PATH | O_CLOEXEC);
	return r->target >= 0 && !fstat(r->target, &st) && st.st_ino == f->link.l_ino;
}

/**
 * links_suggest() - look for a repair of a link
 * @f: the link; its member repair is set
 * @classes: bits of those classes that are to be repaired
 */
void links_suggest(struct links_finding *f, unsigned int classes)
{
	struct links_repair *r = &f->repair;
	int c;

	for (c = 0; c < LINKS_CLASSES; c++) {
		if (!(f->classes & classes & LINKS_BIT(c)) || !repairs[c])
			continue;
		r->kind = f->link.l_kind;
		r->flags = c == LINKS_HARD ? 0 : f->link.l_flags & SET_FLAGS;
		if (repairs[c](f) && open_target(f)) {
			r->class = (enum links_class)c;
			return;
		}
		free(r->text);
		r->text = NULL;
		if (r->target >= 0)
			close(r->target);
		r->target = -1;
	}
}

/* ---- doing it ---- */

/* Extended attributes; a filesystem may have none for symlinks. */
static void copy_xattrs(int from, int to)
{
	char source[40], dest[40], names[65536], value[65536];
	ssize_t len, n;
	const char *name;

	snprintf(source, sizeof(source), "/proc/self/fd/%d", from);
	snprintf(dest, sizeof(dest), "/proc/self/fd/%d", to);
	len = listxattr(source, names, sizeof(names));
	for (name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		n = getxattr(source, name, value, sizeof(value));
		if (n >= 0)
			setxattr(dest, name, value, (size_t)n, 0);
	}
}

/* Give the new link what is the old one's: owner, mode, flags, times. */
static int copy_attributes(const struct links_finding *f, const struct walk_object *new,
			   uint32_t flags)
{
	const struct statx *old = f->object->st;
	const struct timespec times[2] = {
		{ old->stx_atime.tv_sec, old->stx_atime.tv_nsec },
		{ old->stx_mtime.tv_sec, old->stx_mtime.tv_nsec },
	};
	uint32_t now;

	/* the owner has to be kept; the group as far as one is allowed to */
	if (fchownat(new->fd, "", old->stx_uid, old->stx_gid, AT_EMPTY_PATH) &&
	    (errno != EPERM || fchownat(new->fd, "", old->stx_uid, (gid_t)-1, AT_EMPTY_PATH)))
		return -1;
	copy_xattrs(f->object->fd, new->fd);
	if ((old->stx_mode ^ new->st->stx_mode) & 07777 &&
	    object_chmod(new, old->stx_mode & 07777))
		return -1;
	if (flags && !object_getflags(new, &now) && now != flags &&
	    object_setflags(new, flags))
		return -1;
	return utimensat(new->fd, "", times, AT_EMPTY_PATH);
}

/* Open the temporary link; it must be what was made. */
static int dress(const struct links_finding *f, const struct newlink_temp *temp, uint32_t flags)
{
	struct walk_object new = { .path = temp->name, .dirfd = temp->dirfd, .name = temp->name };
	struct statx st;
	int ret = -1;

	new.fd = openat(temp->dirfd, temp->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (new.fd < 0)
		return -1;
	new.st = &st;
	if (!statx(new.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st)) {
		if (S_ISLNK(st.stx_mode) && st.stx_nlink == 1 && st.stx_uid == geteuid())
			ret = copy_attributes(f, &new, flags);
		else
			errno = EPERM;
	}
	close(new.fd);
	return ret;
}

/**
 * links_apply() - repair a link
 * @f: the link, with a repair
 *
 * The link is replaced at once, if its name still means it.
 *
 * Return: 0, or -1 with errno set, and nothing has changed: ESTALE: it is another link
 * by now; EPERM: its flags keep it, or it belongs to somebody else; ENOSPC and such.
 */
int links_apply(struct links_finding *f)
{
	struct links_repair *r = &f->repair;
	struct newlink link = {
		.dirfd = f->dirfd, .text = r->text, .kind = r->kind, .flags = r->flags,
		.target = r->target, .follow = true,
	};
	struct newlink_temp temp;
	uint32_t flags = 0;
	char from[40];
	int ret = 0;

	if (object_getflags(f->object, &flags) && errno != EOPNOTSUPP)
		return -1;
	if (flags & KEEPING_FLAGS) {
		errno = EPERM;
		return -1;
	}
	/* a hard link has its owner already, the old link need not have had him */
	if (!r->text) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", r->target);
		link.from = from;
	}
	if (newlink_begin(&link, &temp))
		return -1;
	if (r->text)
		ret = dress(f, &temp, flags);
	if (!ret)
		ret = newlink_swap(&temp, f->name, f->object->fd);
	r->done = !ret;
	return newlink_end(&temp, ret);
}
