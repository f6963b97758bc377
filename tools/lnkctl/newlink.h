/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Links, made whole before they get their name.
 */
#ifndef LNKCTL_NEWLINK_H
#define LNKCTL_NEWLINK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define NEWLINK_TEMP_SIZE	32

/**
 * struct newlink - a link to be made
 * @dirfd: its directory, may be opened with O_PATH
 * @name: its name there
 * @text: of a symlink, what it is to say; NULL: a hard link
 * @from: of a hard link, what it is to be one more name of
 * @follow: if that is a symlink, of what that leads to
 * @kind: of a symlink, LNKFS_LINK_*
 * @flags: of a symlink, LNKFS_LINK_TRACKED, _PATH_FIRST
 * @target: what is tracked, a descriptor
 * @replace: what has the name already is replaced, unless it is a directory
 */
struct newlink {
	int dirfd;
	const char *name;
	const char *text;
	const char *from;
	bool follow;
	uint32_t kind;
	uint32_t flags;
	int target;
	bool replace;
};

/**
 * struct newlink_temp - a link under a temporary name
 * @dirfd: its directory
 * @name: its name there
 * @st: the link itself
 * @signals: what was blocked before
 */
struct newlink_temp {
	int dirfd;
	char name[NEWLINK_TEMP_SIZE];
	struct stat st;
	sigset_t signals;
};

/* Are these of one object? */
static inline bool same_object(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int newlink_make(const struct newlink *link);
int newlink_begin(const struct newlink *link, struct newlink_temp *temp);
int newlink_end(struct newlink_temp *temp, int ret);
int newlink_swap(const struct newlink_temp *temp, const char *name, int old);

#endif /* LNKCTL_NEWLINK_H */
