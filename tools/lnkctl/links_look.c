// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: what a link is, and where it leads. The kernel is asked, with calls that
 * open nothing for more than its path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "linkkind.h"
#include "links.h"
#include "lnkctl.h"
#include "map.h"
#include "object.h"
#include "paths.h"

const char *const links_class_names[LINKS_CLASSES] = {
	[LINKS_HARD] = "hard",
	[LINKS_DANGLING] = "dangling",
	[LINKS_LOOP] = "loop",
	[LINKS_DENIED] = "denied",
	[LINKS_UNMAPPED] = "unmapped",
	[LINKS_LOST] = "lost",
	[LINKS_STALE] = "stale",
	[LINKS_MISMATCH] = "mismatch",
	[LINKS_ABSOLUTE] = "absolute",
	[LINKS_CROSS] = "cross-volume",
	[LINKS_SLOW] = "slow",
	[LINKS_TRACKED] = "tracked",
	[LINKS_JUNCTION] = "junction",
	[LINKS_REMOTE] = "remote",
};

static void add(struct links_finding *f, enum links_class class)
{
	f->classes |= LINKS_BIT(class);
}

/* The link's own directory and name. */
static bool find_place(struct links_finding *f)
{
	const char *path = f->object->path, *slash;
	char *dir;

	f->name = f->object->name;
	if (f->object->dirfd != AT_FDCWD) {
		f->dirfd = f->object->dirfd;
		return true;
	}
	/* a link that was named: with a slash at the end it would not be one */
	slash = strrchr(path, '/');
	f->name = slash ? slash + 1 : path;
	dir = path_dir(path);
	f->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0 && errno == EACCES)
		f->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return f->dirfd >= 0;
}

/* The root directory of the mount that a directory is on. */
static int mount_root(int dirfd)
{
	int fd = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), up, root;
	struct statx st;

	while (fd >= 0 && !statx(fd, "", AT_EMPTY_PATH, STATX_INO, &st) &&
	       !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = up;
	}
	root = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return root;
}

/* Of a remote link that leads to nothing: what the volume's map says. */
static void look_at_map(struct links_finding *f)
{
	char path[PATH_MAX + 1], *map = NULL;
	int root = mount_root(f->dirfd);
	ssize_t len = root < 0 ? -1 : map_read(root, &map);

	if (len > 0 && !lnkfs_remote_map(map, (u32)len, f->text, (u32)strlen(f->text), path,
					 sizeof(path))) {
		f->missing = lnkctl_strdup(path);
		add(f, LINKS_DANGLING);
	} else {
		add(f, LINKS_UNMAPPED);
	}
	free(map);
	if (root >= 0)
		close(root);
}

static void look_at_nothing(struct links_finding *f)
{
	f->error = errno;
	if (f->has_link && f->link.l_kind == LNKFS_LINK_REMOTE && f->error != EACCES) {
		look_at_map(f);
		return;
	}
	switch (f->error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		add(f, LINKS_DANGLING);
		links_trail(f);
		break;
	case ELOOP:
		links_trail(f);
		/* a mount may forbid to follow links; that is no loop */
		add(f, f->error == ELOOP && (f->members_count || !f->missing) ? LINKS_LOOP :
		    LINKS_DENIED);
		break;
	default:
		add(f, LINKS_DENIED);
	}
}

/* Does the stored text, as it is, lead to the tracked inode? */
static bool text_is_right(const struct links_finding *f)
{
	struct stat st;

	/* Only the owner of the link is told which one that is. */
	if (!f->link.l_ino)
		return true;
	return (!fstatat(f->dirfd, f->text, &st, AT_SYMLINK_NOFOLLOW) &&
		st.st_ino == f->link.l_ino) ||
	       (!fstatat(f->dirfd, f->text, &st, 0) && st.st_ino == f->link.l_ino);
}

static void look_at_kind(struct links_finding *f)
{
	uint32_t kind = f->link.l_kind, flags = f->link.l_flags;

	if (flags & LNKFS_LINK_TRACKED)
		add(f, LINKS_TRACKED);
	if (flags & LNKFS_LINK_LOST)
		add(f, LINKS_LOST);
	else if (flags & LNKFS_LINK_TRACKED && !text_is_right(f) &&
		 (!(flags & LNKFS_LINK_PATH_FIRST) || strcmp(f->text, f->target)))
		add(f, LINKS_STALE);
	if (kind == LNKFS_LINK_JUNCTION)
		add(f, LINKS_JUNCTION);
	if (kind == LNKFS_LINK_REMOTE)
		add(f, LINKS_REMOTE);
	if (f->fd >= 0 && !linkkind_suits(kind, f->to.st_mode))
		add(f, LINKS_MISMATCH);
}

static void look(struct links_finding *f)
{
	struct stat self;

	f->fd = openat(f->dirfd, f->name, O_PATH | O_CLOEXEC);
	if (f->fd >= 0 && fstat(f->fd, &f->to)) {
		close(f->fd);
		f->fd = -1;
	}
	if (f->fd < 0)
		look_at_nothing(f);
	if (f->has_link)
		look_at_kind(f);
	if (*f->text == '/' && f->link.l_kind != LNKFS_LINK_JUNCTION)
		add(f, LINKS_ABSOLUTE);
	if (f->object->st->stx_blocks)
		add(f, LINKS_SLOW);
	if (f->fd < 0 || fstat(f->object->fd, &self))
		return;
	if (self.st_dev != f->to.st_dev)
		add(f, LINKS_CROSS);
	else if (S_ISREG(f->to.st_mode))
		add(f, LINKS_HARD);
}

/**
 * links_look() - find out what there is to know of a link
 * @f: to be filled; links_forget() ends its use
 * @object: the link
 *
 * Return: false: that failed and has been complained of.
 */
bool links_look(struct links_finding *f, const struct walk_object *object)
{
	char text[PATH_MAX + 1];

	*f = (struct links_finding){
		.object = object, .dirfd = -1, .fd = -1,
		.repair = { .class = LINKS_CLASSES, .target = -1 },
	};
	if (!find_place(f)) {
		lnkctl_failed(object->path, errno);
		return false;
	}
	f->target = path_read(object->fd, "");
	if (!f->target) {
		lnkctl_failed(object->path, errno);
		return false;
	}
	/* EACCES: nothing that may be read is known to carry the ioctl */
	f->has_link = !object_getlink(object, &f->link, text, sizeof(text));
	if (!f->has_link && errno != EOPNOTSUPP && errno != EACCES) {
		lnkctl_failed(object->path, errno);
		return false;
	}
	f->text = lnkctl_strdup(f->has_link ? text : f->target);
	look(f);
	return true;
}

/**
 * links_forget() - free what was found about a link
 * @f: the link
 */
void links_forget(struct links_finding *f)
{
	if (f->object->dirfd == AT_FDCWD && f->dirfd >= 0)
		close(f->dirfd);
	if (f->fd >= 0)
		close(f->fd);
	while (f->members_count)
		free(f->members[--f->members_count]);
	free(f->members);
	free(f->missing);
	free(f->text);
	free(f->target);
	free(f->repair.text);
	if (f->repair.target >= 0)
		close(f->repair.target);
}
