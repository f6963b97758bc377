// SPDX-License-Identifier: GPL-2.0
/*
 * For LD_PRELOAD: troubles of a program that reads a tree. A directory cannot be read
 * further from an entry "unreadable" on; a file "shrinking" is emptied when somebody asks
 * for its attributes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct dirent *readdir(DIR *dir)
{
	struct dirent *(*next)(DIR *) = (struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir");
	struct dirent *entry = next(dir);

	if (!entry || strcmp(entry->d_name, "unreadable"))
		return entry;
	errno = EIO;
	return NULL;
}

ssize_t llistxattr(const char *path, char *list, size_t size)
{
	ssize_t (*next)(const char *, char *, size_t) =
		(ssize_t (*)(const char *, char *, size_t))dlsym(RTLD_NEXT, "llistxattr");

	if (!strcmp(path, "shrinking") && truncate(path, 0))
		return -1;
	return next(path, list, size);
}
