// SPDX-License-Identifier: GPL-2.0
/*
 * A program written for FreeBSD: passes st_flags around. It is compiled with
 * "-D LNKFS_BSD_ST_FLAGS -include lnkfs-bsd.h", and else knows nothing of Linux.
 *
 * usage: bsdflags show FILE...		st_flags, in octal
 *        bsdflags set OCTAL FILE...	chflags -h
 *        bsdflags like FILE FILE...	the mode and flags of the first for the others
 *        bsdflags keep FILE...		unlock, change the mode, lock as before
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int show(char **files)
{
	struct stat sb, also;
	int fd;

	for (; *files; files++) {
		if (lstat(*files, &sb))
			err(1, "%s", *files);
		if (S_ISREG(sb.st_mode) || S_ISDIR(sb.st_mode)) {
			fd = open(*files, O_RDONLY);
			if (fd < 0 || fstat(fd, &also) || also.st_flags != sb.st_flags)
				err(1, "%s: fstat", *files);
			close(fd);
			if (stat(*files, &also) || also.st_flags != sb.st_flags)
				err(1, "%s: stat", *files);
		}
		printf("%lo %s\n", (unsigned long)sb.st_flags, *files);
	}
	return 0;
}

static int set(unsigned long flags, char **files)
{
	struct stat sb;
	int fd;

	for (; *files; files++) {
		if (lchflags(*files, flags))
			err(1, "%s", *files);
		if (chflagsat(AT_FDCWD, *files, flags, AT_SYMLINK_NOFOLLOW))
			err(1, "%s: chflagsat", *files);
		if (lstat(*files, &sb) || !(S_ISREG(sb.st_mode) || S_ISDIR(sb.st_mode)))
			continue;
		fd = open(*files, O_RDONLY);
		if (fchflags(fd, flags) || chflags(*files, flags))
			err(1, "%s: fchflags, chflags", *files);
		close(fd);
	}
	return 0;
}

static int like(const char *model, char **files)
{
	struct stat sb;

	if (lstat(model, &sb))
		err(1, "%s", model);
	for (; *files; files++)
		if (lchmod(*files, sb.st_mode & 07777) || lchflags(*files, sb.st_flags))
			err(1, "%s", *files);
	return 0;
}

static int keep(char **files)
{
	struct stat sb;

	for (; *files; files++) {
		if (lstat(*files, &sb))
			err(1, "%s", *files);
		if (!(sb.st_flags & (UF_IMMUTABLE | SF_IMMUTABLE)) || !lchmod(*files, 0400))
			errx(1, "%s: not locked", *files);
		if (lchflags(*files, sb.st_flags & ~(UF_IMMUTABLE | SF_IMMUTABLE)) ||
		    lchmod(*files, 0400) || lchflags(*files, sb.st_flags))
			err(1, "%s", *files);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "show"))
		return show(argv + 2);
	if (argc >= 4 && !strcmp(argv[1], "set"))
		return set(strtoul(argv[2], NULL, 8), argv + 3);
	if (argc >= 4 && !strcmp(argv[1], "like"))
		return like(argv[2], argv + 3);
	if (argc >= 3 && !strcmp(argv[1], "keep"))
		return keep(argv + 2);
	errx(2, "wrong usage");
}
