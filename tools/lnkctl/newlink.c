// SPDX-License-Identifier: GPL-2.0
/*
 * Links, made whole before they get their name.
 *
 * What has to be told of a link after it was made, and what replaces something, is
 * made under a temporary name in the same directory and renamed. So the name never
 * means a link that is half done, and never nothing. Signals that end programs wait
 * meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "liblnkfs.h"
#include "newlink.h"

#define TRIES	100

static void block_signals(sigset_t *old)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXCPU };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_BLOCK, &set, old);
}

/* The bare link, by some name. */
static int create(const struct newlink *link, const char *name)
{
	if (link->text)
		return symlinkat(link->text, link->dirfd, name);
	return linkat(AT_FDCWD, link->from, link->dirfd, name,
		      link->follow ? AT_SYMLINK_FOLLOW : 0);
}

static int set_kind(const struct newlink *link, const char *name)
{
	struct lnkfs_link l = {
		.l_kind = link->kind,
		.l_flags = link->flags,
		.l_target = link->target,
	};

	if (!link->text || (!link->kind && !link->flags))
		return 0;
	return lnkfs_setlinkat(link->dirfd, name, &l, 0);
}

static int create_temp(const struct newlink *link, char *name)
{
	uint64_t number;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -1;
		snprintf(name, NEWLINK_TEMP_SIZE, ".lnkctl-%016llx", (unsigned long long)number);
		if (!create(link, name))
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/**
 * newlink_begin() - make a link under a temporary name
 * @link: the link; its name is not used
 * @temp: says where it is afterwards; newlink_end() is to be called after success
 *
 * Return: 0, or -1 with errno set, and nothing is left.
 */
int newlink_begin(const struct newlink *link, struct newlink_temp *temp)
{
	temp->dirfd = link->dirfd;
	block_signals(&temp->signals);
	if (create_temp(link, temp->name) ||
	    fstatat(temp->dirfd, temp->name, &temp->st, AT_SYMLINK_NOFOLLOW)) {
		int error = errno;

		sigprocmask(SIG_SETMASK, &temp->signals, NULL);
		errno = error;
		return -1;
	}
	if (set_kind(link, temp->name))
		return newlink_end(temp, -1);
	return 0;
}

/**
 * newlink_end() - remove the link if it still has the temporary name
 * @temp: the name; what others have put there stays
 * @ret: what the caller is going to return; 0: nothing need be there
 *
 * Return: @ret, with errno as it was.
 */
int newlink_end(struct newlink_temp *temp, int ret)
{
	int error = errno;
	struct stat st;

	if (ret && !fstatat(temp->dirfd, temp->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    same_object(&st, &temp->st))
		unlinkat(temp->dirfd, temp->name, 0);
	sigprocmask(SIG_SETMASK, &temp->signals, NULL);
	errno = error;
	return ret;
}

/* Give the temporary link a name that nothing has. */
static int place_new(const struct newlink_temp *temp, const char *name)
{
	struct stat st;

	if (!renameat2(temp->dirfd, temp->name, temp->dirfd, name, RENAME_NOREPLACE))
		return 0;
	/* a filesystem that cannot do this: as good as it gets */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (!fstatat(temp->dirfd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(temp->dirfd, temp->name, temp->dirfd, name);
}

/**
 * newlink_make() - make a link
 * @link: the link
 *
 * Return: 0, or -1 with errno set: what symlink(2), link(2), rename(2) and
 * lnkfs_setlinkat() say. Nothing has changed then.
 */
int newlink_make(const struct newlink *link)
{
	struct newlink_temp temp;
	int ret;

	if (!link->replace && !link->kind && !link->flags)
		return create(link, link->name);
	if (newlink_begin(link, &temp))
		return -1;
	if (!link->replace)
		return newlink_end(&temp, place_new(&temp, link->name));
	ret = renameat(temp.dirfd, temp.name, temp.dirfd, link->name);
	/* what is two names of one file already stays so, and the temporary one is left */
	if (!ret && !link->text)
		unlinkat(temp.dirfd, temp.name, 0);
	return newlink_end(&temp, ret);
}

/* Does a name mean a certain object? */
static bool means(int dirfd, const char *name, int fd)
{
	struct stat a, b;

	return !fstatat(dirfd, name, &a, AT_SYMLINK_NOFOLLOW) && !fstat(fd, &b) &&
	       same_object(&a, &b);
}

/**
 * newlink_swap() - put the temporary link in the place of a certain object
 * @temp: the temporary link
 * @name: the name
 * @old: the object that is to have it now, a descriptor
 *
 * Return: 0, and the old object is gone, or -1 with errno set: ESTALE: the name means
 * something else by now; or what rename(2) says. Nothing has changed then.
 */
int newlink_swap(const struct newlink_temp *temp, const char *name, int old)
{
	int dir = temp->dirfd, error = ESTALE;

	if (!means(dir, name, old)) {
		errno = ESTALE;
		return -1;
	}
	if (renameat2(dir, temp->name, dir, name, RENAME_EXCHANGE)) {
		if (errno != EINVAL && errno != ENOSYS)
			return -1;
		return renameat(dir, temp->name, dir, name);
	}
	if (means(dir, temp->name, old)) {
		if (!unlinkat(dir, temp->name, 0))
			return 0;
		error = errno;
	}
	/* somebody was faster: give him back what he put there, unless he was so again */
	if (!renameat2(dir, temp->name, dir, name, RENAME_EXCHANGE) ||
	    (errno == ENOENT && !renameat2(dir, temp->name, dir, name, RENAME_NOREPLACE)))
		errno = error;
	return -1;
}
