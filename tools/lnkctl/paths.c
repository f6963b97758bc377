// SPDX-License-Identifier: GPL-2.0
/*
 * Paths as text. What is returned is the caller's to free.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lnkctl.h"
#include "paths.h"

/**
 * path_join() - a name below a directory
 * @dir: path of the directory; empty: the working directory
 * @name: a relative path
 */
char *path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir), size = len + strlen(name) + 2;
	char *p = lnkctl_realloc(NULL, size);

	snprintf(p, size, "%s%s%s", dir, len && dir[len - 1] != '/' ? "/" : "", name);
	return p;
}

/* Where the last name of a path begins and ends. */
static size_t last_name(const char *path, size_t *end)
{
	size_t begin;

	for (*end = strlen(path); *end > 1 && path[*end - 1] == '/'; --*end)
		;
	for (begin = *end; begin && path[begin - 1] != '/'; begin--)
		;
	return begin;
}

/**
 * path_dir() - the directory that a path names its last name in
 * @path: the path; slashes at its end do not count
 */
char *path_dir(const char *path)
{
	size_t end, begin = last_name(path, &end);

	while (begin > 1 && path[begin - 1] == '/')
		begin--;
	return begin ? lnkctl_strndup(path, begin) : lnkctl_strndup(".", 1);
}

/**
 * path_last() - the last name of a path
 * @path: the path; slashes at its end do not count
 *
 * Return: the name; empty: it has none.
 */
char *path_last(const char *path)
{
	size_t end, begin = last_name(path, &end);

	return lnkctl_strndup(path + begin, end - begin);
}

/* The next component of @path, and its length; 0: there is none. */
static size_t component(const char **path)
{
	while (**path == '/')
		++*path;
	return strcspn(*path, "/");
}

/**
 * path_climbs() - is there a ".." in a path?
 * @path: the path
 */
bool path_climbs(const char *path)
{
	size_t n;

	for (; (n = component(&path)); path += n)
		if (n == 2 && !memcmp(path, "..", 2))
			return true;
	return false;
}

/* Skip what two paths have in common; the directories left in @dir. */
static size_t skip_common(const char **dir, const char **to)
{
	const char *a = *dir, *b = *to;
	size_t n, m, up = 0;

	for (;;) {
		n = component(&a);
		m = component(&b);
		if (!n || n != m || memcmp(a, b, n) || (n == 2 && !memcmp(a, "..", 2)))
			break;
		a += n;
		b += n;
	}
	*dir = a;
	*to = b;
	for (; (n = component(&a)); a += n)
		up++;
	return up;
}

/**
 * path_relative() - the way from a directory to something
 * @dir: path of the directory, absolute, with no symlink in it
 * @to: absolute path
 *
 * Symlinks in @to stay what they are, and a slash at its end, too.
 */
char *path_relative(const char *dir, const char *to)
{
	size_t up = skip_common(&dir, &to), size = up * 3 + strlen(to) + 2;
	char *p = lnkctl_realloc(NULL, size), *at = p;

	while (up--)
		at = stpcpy(at, *to || up ? "../" : "..");
	strcpy(at, at == p && !*to ? "." : to);
	return p;
}

/**
 * path_canonical() - the absolute path of something that need not be there
 * @path: its path
 *
 * Return: as realpath(3) of as much of it as there is, with the rest behind it; NULL
 * with errno set for what can have none.
 */
char *path_canonical(const char *path)
{
	size_t len = strlen(path);
	char *begin, *real = NULL, *all;

	for (;;) {
		begin = lnkctl_strndup(len ? path : ".", len ? len : 1);
		real = realpath(begin, NULL);
		free(begin);
		if (real || (errno != ENOENT && errno != ENOTDIR) || !len)
			break;
		while (len && path[len - 1] == '/')
			len--;
		while (len && path[len - 1] != '/')
			len--;
		/* of what is not there, nothing is known above it */
		if (path_climbs(path + len))
			return NULL;
	}
	if (!real)
		return NULL;
	while (path[len] == '/')
		len++;
	all = path[len] ? path_join(real, path + len) : lnkctl_strdup(real);
	free(real);
	return all;
}

/**
 * path_of() - the absolute path of a file or directory at this time
 * @fd: the file or directory; a file may have other names as well
 *
 * Return: the path, NULL if it has none, or one that is too long for the kernel.
 */
char *path_of(int fd)
{
	char name[40], path[PATH_MAX + 1];
	ssize_t len;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	len = readlink(name, path, PATH_MAX);
	return len > 0 && *path == '/' ? lnkctl_strndup(path, (size_t)len) : NULL;
}

/**
 * path_read() - the text of a symlink
 * @dirfd: its directory; or the symlink itself, with an empty name
 * @name: its name
 *
 * Return: the text, or NULL with errno set.
 */
char *path_read(int dirfd, const char *name)
{
	char text[PATH_MAX + 1];
	ssize_t len = readlinkat(dirfd, name, text, PATH_MAX);

	return len < 0 ? NULL : lnkctl_strndup(text, (size_t)len);
}
