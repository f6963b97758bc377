// SPDX-License-Identifier: GPL-2.0
/*
 * Walking file trees by descriptors.
 *
 * An object is opened with O_PATH before anything is asked of it, and a
 * directory is read through that descriptor. So what was looked at is what is
 * visited and descended into, whatever happens to names meanwhile; nothing but
 * directories is opened for more than O_PATH; and no path that the kernel has
 * to resolve is longer than one name, however deep the tree is.
 *
 * A tree may be deeper than a process may have descriptors. Then directories
 * far above the present one are put aside: the rest of their entries is read
 * and they are closed. The way back goes by "..", or if that is not the
 * directory that was left, from the top down by name; both are checked.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lnkctl.h"
#include "walk.h"

#define READ_SIZE	32768
#define OPEN_FLAGS	(O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/**
 * struct frame - a directory between the top of the tree and where we are
 * @fd: to read it, -1: put aside
 * @st: what it was when it was opened
 * @buf: entries, @pos..@len still to be visited
 * @pos: offset of the next
 * @len: end of the entries
 * @all_read: none are left in the directory
 * @name_at: where its name begins in tree.path
 * @path_len: where its path ends there
 */
struct frame {
	int fd;
	struct statx st;
	char *buf;
	size_t pos;
	size_t len;
	bool all_read;
	size_t name_at;
	size_t path_len;
};

/**
 * struct tree - a walk on its way
 * @walk: what was asked for
 * @path: the path of the present object
 * @path_size: room there
 * @frames: the directories, that of level 0 first
 * @depth: how many
 * @room: room for so many
 * @first_open: frames 1..@first_open-1 are put aside
 * @top: attributes of what was named
 */
struct tree {
	const struct walk *walk;
	char *path;
	size_t path_size;
	struct frame *frames;
	size_t depth;
	size_t room;
	size_t first_open;
	struct statx top;
};

static bool same_object(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
	       a->stx_dev_minor == b->stx_dev_minor;
}

static bool same_mount(const struct statx *a, const struct statx *b)
{
	if (a->stx_mask & b->stx_mask & STATX_MNT_ID)
		return a->stx_mnt_id == b->stx_mnt_id;
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

static int stat_fd(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT,
		     STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, st);
}

/* Complain of frame @f, whatever path stands in the buffer. */
static void frame_failed(struct tree *tree, const struct frame *f, int error)
{
	char saved = tree->path[f->path_len];

	tree->path[f->path_len] = '\0';
	tree->walk->failed(tree->path, error);
	tree->path[f->path_len] = saved;
}

/* Read more entries behind those that are there. False: there are no more. */
static bool read_entries(struct tree *tree, struct frame *f)
{
	ssize_t n;

	if (f->all_read)
		return false;
	f->buf = lnkctl_realloc(f->buf, f->len + READ_SIZE);
	n = getdents64(f->fd, f->buf + f->len, READ_SIZE);
	/* a directory that was removed meanwhile has no entries */
	if (n < 0 && errno != ENOENT)
		frame_failed(tree, f, errno);
	if (n <= 0) {
		f->all_read = true;
		return false;
	}
	f->len += (size_t)n;
	return true;
}

/* The name of the next entry, NULL: there are no more. It is good until the next call. */
static const char *next_name(struct tree *tree, struct frame *f)
{
	const struct dirent64 *entry;

	for (;;) {
		if (f->pos == f->len) {
			f->pos = 0;
			f->len = 0;
			if (!read_entries(tree, f))
				return NULL;
		}
		entry = (const struct dirent64 *)(f->buf + f->pos);
		f->pos += entry->d_reclen;
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return entry->d_name;
	}
}

/* Keep no more memory than the entries still to be visited need. */
static void trim(struct frame *f)
{
	f->len -= f->pos;
	if (!f->len) {
		free(f->buf);
		f->buf = NULL;
	} else {
		memmove(f->buf, f->buf + f->pos, f->len);
		f->buf = lnkctl_realloc(f->buf, f->len);
	}
	f->pos = 0;
}

/* Close the uppermost open directory but the first. False: there is none. */
static bool put_aside(struct tree *tree)
{
	struct frame *f = &tree->frames[tree->first_open];

	if (tree->first_open >= tree->depth)
		return false;
	while (read_entries(tree, f))
		;
	close(f->fd);
	f->fd = -1;
	tree->first_open++;
	return true;
}

static int open_directory(struct tree *tree, int fd)
{
	int dir;

	do
		dir = openat(fd, ".", OPEN_FLAGS);
	while (dir < 0 && errno == EMFILE && put_aside(tree));
	return dir;
}

/* Is the directory @st one of those that we are in? */
static bool is_loop(const struct tree *tree, const struct statx *st)
{
	size_t i;

	for (i = 0; i < tree->depth; i++)
		if (same_object(&tree->frames[i].st, st))
			return true;
	return false;
}

/* Descend into the directory @fd, whose path is in the buffer. */
static bool push(struct tree *tree, int fd, const struct statx *st, size_t name_at)
{
	struct frame *f;
	int dir;

	if (tree->walk->links == WALK_LOGICAL && is_loop(tree, st)) {
		tree->walk->failed(tree->path, ELOOP);
		return false;
	}
	dir = open_directory(tree, fd);
	if (dir < 0) {
		tree->walk->failed(tree->path, errno);
		return false;
	}
	if (tree->depth)
		trim(&tree->frames[tree->depth - 1]);
	if (tree->depth == tree->room) {
		tree->room = tree->room * 2 + 16;
		tree->frames = lnkctl_realloc(tree->frames, tree->room * sizeof(*f));
	}
	while (tree->depth - tree->first_open + 1 >= tree->walk->fd_limit && put_aside(tree))
		;
	f = &tree->frames[tree->depth++];
	*f = (struct frame){
		.fd = dir,
		.st = *st,
		.name_at = name_at,
		.path_len = strlen(tree->path),
	};
	return true;
}

/*
 * Open the entry @name of the directory @fd, if it is the one that frame @f was.
 * @fd is closed unless it is that of the first frame.
 */
static int step(struct tree *tree, int fd, const char *name, int flags, const struct frame *f)
{
	int next = openat(fd, name, flags);
	int error = errno;
	struct statx st;

	if (fd != tree->frames[0].fd)
		close(fd);
	if (next < 0) {
		errno = error;
		return -1;
	}
	if (!stat_fd(next, &st) && same_object(&st, &f->st))
		return next;
	close(next);
	errno = ESTALE;
	return -1;
}

/*
 * Open the last frame again, going down from the first by name. There are filesystems
 * whose names are longer than NAME_MAX.
 */
static int descend_again(struct tree *tree)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	const struct frame *f = &tree->frames[1];
	int fd = tree->frames[0].fd;
	char *name;

	if (tree->walk->links != WALK_LOGICAL)
		flags |= O_NOFOLLOW;
	for (; f < &tree->frames[tree->depth]; f++) {
		name = lnkctl_strndup(tree->path + f->name_at, f->path_len - f->name_at);
		fd = step(tree, fd, name, flags, f);
		free(name);
		if (fd < 0)
			return -1;
	}
	return step(tree, fd, ".", OPEN_FLAGS, f - 1);
}

/* Open frame @f, the last, which had been put aside, coming from @child. */
static void reopen(struct tree *tree, struct frame *f, const struct frame *child)
{
	struct statx st;

	if (child->fd >= 0)
		f->fd = openat(child->fd, "..", OPEN_FLAGS);
	if (f->fd >= 0 && (stat_fd(f->fd, &st) || !same_object(&st, &f->st))) {
		close(f->fd);
		f->fd = -1;
	}
	if (f->fd >= 0 || f->pos == f->len)
		return;
	f->fd = descend_again(tree);
	if (f->fd < 0) {
		frame_failed(tree, f, errno);
		f->pos = f->len;
	}
}

/* Leave the last frame. */
static void pop(struct tree *tree)
{
	struct frame *child = &tree->frames[--tree->depth];
	struct frame *f = child - 1;

	if (tree->depth && f->fd < 0)
		reopen(tree, f, child);
	if (child->fd >= 0)
		close(child->fd);
	free(child->buf);
	if (tree->depth > 1 && tree->first_open >= tree->depth)
		tree->first_open = f->fd < 0 ? tree->depth : tree->depth - 1;
}

/* Visit the object @name of @dirfd, whose path is in the buffer; descend into it. */
static bool visit(struct tree *tree, int dirfd, const char *name, size_t name_at)
{
	const struct walk *walk = tree->walk;
	bool follow = walk->links == WALK_LOGICAL ||
		      (walk->links == WALK_NAMED && !tree->depth);
	struct walk_object object = {
		.path = tree->path,
		.dirfd = dirfd,
		.name = name,
		.follow = follow,
		.level = (unsigned int)tree->depth,
	};
	bool pushed = false;
	struct statx st;

	object.fd = openat(dirfd, name, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	if (object.fd < 0) {
		walk->failed(tree->path, errno);
		return false;
	}
	if (stat_fd(object.fd, &st)) {
		walk->failed(tree->path, errno);
		goto out;
	}
	if (!object.level)
		tree->top = st;
	else if (walk->one_mount && !same_mount(&st, &tree->top))
		goto out;
	object.st = &st;
	if (walk->visit(&object, walk->arg) == WALK_ON && S_ISDIR(st.stx_mode) &&
	    object.level < walk->max_level)
		pushed = push(tree, object.fd, &st, name_at);
out:
	close(object.fd);
	return pushed;
}

/* Put @name behind the path of frame @f. Returns where it begins. */
static size_t append(struct tree *tree, const struct frame *f, const char *name)
{
	size_t at = f->path_len, n = strlen(name) + 1;

	if (at + 1 + n > tree->path_size) {
		tree->path_size = (at + 1 + n) * 2;
		tree->path = lnkctl_realloc(tree->path, tree->path_size);
	}
	if (at && tree->path[at - 1] != '/')
		tree->path[at++] = '/';
	memcpy(tree->path + at, name, n);
	return at;
}

/**
 * walk_tree() - visit an object and, if it is a directory, what is in it
 * @walk: how
 * @path: the object
 *
 * What cannot be visited is reported through @walk->failed; the walk goes on.
 */
void walk_tree(const struct walk *walk, const char *path)
{
	struct tree tree = { .walk = walk, .first_open = 1 };
	struct frame *f;
	const char *name;
	size_t at;

	tree.path_size = strlen(path) + 1;
	tree.path = lnkctl_realloc(NULL, tree.path_size);
	memcpy(tree.path, path, tree.path_size);
	visit(&tree, AT_FDCWD, path, 0);
	while (tree.depth) {
		f = &tree.frames[tree.depth - 1];
		name = next_name(&tree, f);
		if (!name) {
			pop(&tree);
			continue;
		}
		at = append(&tree, f, name);
		visit(&tree, f->fd, name, at);
	}
	free(tree.frames);
	free(tree.path);
}
