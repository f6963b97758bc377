/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walking file trees by descriptors.
 */
#ifndef LNKCTL_WALK_H
#define LNKCTL_WALK_H

#include <stdbool.h>
#include <sys/stat.h>

enum walk_links {
	WALK_PHYSICAL,		/* follow none (-P) */
	WALK_NAMED,		/* follow those on the command line (-H) */
	WALK_LOGICAL,		/* follow all (-L) */
};

/**
 * struct walk_object - one object that the walk has come to
 * @path: its name as the user knows it, for messages
 * @fd: the object, opened with O_PATH
 * @dirfd: the directory that has it, readable; AT_FDCWD for what was named
 * @name: its name there
 * @follow: symlinks in @name are followed
 * @st: its attributes, %STATX_BASIC_STATS, birth time and mount number
 * @level: 0 for what was named, 1 for what is in that directory...
 */
struct walk_object {
	const char *path;
	int fd;
	int dirfd;
	const char *name;
	bool follow;
	const struct statx *st;
	unsigned int level;
};

enum walk_verdict {
	WALK_ON,
	WALK_PRUNE,		/* do not descend into this directory */
};

/**
 * struct walk - how to walk
 * @links: which symlinks to follow
 * @one_mount: leave alone what is on other mounts than what was named
 * @max_level: descend to this level and no further
 * @fd_limit: directories that may be open at once, at least 2
 * @visit: called for each object, for directories before what is in them
 * @arg: passed to it
 * @failed: called with the name of what cannot be visited and an errno
 */
struct walk {
	enum walk_links links;
	bool one_mount;
	unsigned int max_level;
	unsigned int fd_limit;
	enum walk_verdict (*visit)(const struct walk_object *object, void *arg);
	void (*failed)(const char *path, int error);
	void *arg;
};

void walk_tree(const struct walk *walk, const char *path);

#endif /* LNKCTL_WALK_H */
