// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: the way that a link leads, step by step, to say where it ends.
 *
 * The kernel has been asked before and has said that it leads to nothing. Here its
 * text is followed as the kernel does, with at most 40 links, one name at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "links.h"
#include "lnkctl.h"
#include "paths.h"

#define MAX_LINKS	40

/**
 * struct step - a link on the way
 * @dev: its device
 * @ino: its inode
 * @path: its path
 */
struct step {
	dev_t dev;
	ino_t ino;
	char *path;
};

/**
 * struct trail - a way being gone
 * @fd: the directory that was come to
 * @where: its path
 * @rest: what is still to be gone
 * @next: how far that has been used
 * @fresh: a text begins there
 * @step: the links met
 * @steps: how many
 */
struct trail {
	int fd;
	char *where;
	char *rest;
	const char *next;
	bool fresh;
	struct step step[MAX_LINKS + 1];
	size_t steps;
};

static void enter(struct trail *t, int fd, char *where)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = fd;
	free(t->where);
	t->where = where;
}

/* One up, of a path without symlinks. */
static char *parent_of(const char *where)
{
	const char *slash = strrchr(where, '/');
	const char *last = slash ? slash + 1 : where;
	char *up;

	if (!strcmp(where, "/"))
		return lnkctl_strdup(where);
	if (!*last || !strcmp(last, "..") || !strcmp(last, "."))
		return path_join(strcmp(where, ".") ? where : "", "..");
	up = lnkctl_strdup(where);
	up[slash ? (slash == where ? 1 : slash - where) : 0] = 0;
	return up;
}

/* A link has been met: its text comes before the rest. False: that was one too many. */
static bool turn(struct trail *t, int fd, const struct stat *st, char *path)
{
	char *text, *rest;

	t->step[t->steps++] = (struct step){ st->st_dev, st->st_ino, path };
	if (t->steps > MAX_LINKS) {
		errno = ELOOP;
		return false;
	}
	text = path_read(fd, "");
	if (!text)
		return false;
	rest = *t->next ? path_join(text, t->next) : text;
	if (rest != text)
		free(text);
	free(t->rest);
	t->rest = rest;
	t->next = rest;
	t->fresh = true;
	return true;
}

/* Go to @name. Returns 1: on; 0: arrived; -1 with errno set. */
static int go(struct trail *t, const char *name)
{
	char *path = strcmp(name, "..") ? path_join(t->where, name) : parent_of(t->where);
	int fd = openat(t->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool good;

	if (fd < 0 || fstat(fd, &st)) {
		enter(t, fd, path);
		return -1;
	}
	if (S_ISLNK(st.st_mode)) {
		good = turn(t, fd, &st, path);
		close(fd);
		return good ? 1 : -1;
	}
	enter(t, fd, path);
	if (S_ISDIR(st.st_mode) || !*t->next)
		return 1;
	errno = ENOTDIR;
	return -1;
}

static int step_on(struct trail *t)
{
	char *name;
	size_t n;
	int ret;

	if (t->fresh && *t->next == '/') {
		enter(t, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), lnkctl_strdup("/"));
		if (t->fd < 0)
			return -1;
	}
	t->fresh = false;
	t->next += strspn(t->next, "/");
	n = strcspn(t->next, "/");
	if (!n)
		return 0;
	name = strndup(t->next, n);
	t->next += n;
	if (!name)
		return -1;
	ret = strcmp(name, ".") ? go(t, name) : 1;
	free(name);
	return ret;
}

static bool same_step(const struct step *a, const struct step *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* The links that lead to each other, the first one that was met first. */
static void find_members(struct links_finding *f, struct trail *t)
{
	const struct step *last = &t->step[t->steps - 1];
	size_t first = 0, n;

	for (n = 1; n < t->steps && !same_step(last - n, last); n++)
		;
	if (n == t->steps)
		return;
	while (!same_step(&t->step[first], &t->step[first + n]))
		first++;
	f->members_count = n;
	f->members = lnkctl_realloc(NULL, n * sizeof(*f->members));
	while (n--) {
		f->members[n] = t->step[first + n].path;
		t->step[first + n].path = NULL;
	}
}

/**
 * links_trail() - say where the way of a link that leads to nothing ends
 * @f: the link; its members error, missing and members are set
 */
void links_trail(struct links_finding *f)
{
	struct trail t = { .fd = -1 };
	struct stat st;
	int fd, ret;

	fd = openat(f->dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	enter(&t, fd, path_dir(f->object->path));
	t.rest = lnkctl_strdup(f->target);
	t.next = t.rest;
	t.fresh = true;
	if (fd < 0 || fstat(f->object->fd, &st))
		goto out;
	t.step[t.steps++] = (struct step){ st.st_dev, st.st_ino, lnkctl_strdup(f->object->path) };
	do
		ret = step_on(&t);
	while (ret > 0);
	if (ret < 0) {
		f->error = errno;
		if (errno == ELOOP)
			find_members(f, &t);
		else
			f->missing = lnkctl_strdup(t.where);
	}
out:
	while (t.steps)
		free(t.step[--t.steps].path);
	enter(&t, -1, NULL);
	free(t.rest);
}
