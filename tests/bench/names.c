// SPDX-License-Identifier: GPL-2.0
/*
 * What an operation on names costs: nanoseconds each, which under QEMU's -icount
 * are guest instructions. One line a phase: name, operations, nanoseconds each.
 *
 * usage: names DIRECTORY COUNT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

static int count;

static void die(const char *what, const char *name)
{
	fprintf(stderr, "names: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static void path(char *buf, const char *dir, int i)
{
	sprintf(buf, "%s/file-%06d", dir, i);
}

static void op_create(const char *name, const char *other)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		die("create", name);
	close(fd);
}

static void op_link(const char *name, const char *other)
{
	if (link(other, name))
		die("link", name);
}

static void op_unlink(const char *name, const char *other)
{
	if (unlink(name))
		die("unlink", name);
}

static void op_rename(const char *name, const char *other)
{
	if (rename(other, name))
		die("rename", name);
}

static void op_symlink(const char *name, const char *other)
{
	if (symlink("../some/where/else/on/this/volume/target", name))
		die("symlink", name);
}

/* @from: the directory of the other name, or a file that is it every time */
static void phase(const char *what, const char *dir, const char *from,
		  void (*op)(const char *name, const char *other))
{
	char a[256], b[256] = "";
	unsigned long long start;
	struct stat st;
	int i, each = from && !stat(from, &st) && S_ISDIR(st.st_mode);

	if (from && !each)
		snprintf(b, sizeof(b), "%s", from);
	sync();
	start = now();
	for (i = 0; i < count; i++) {
		path(a, dir, i);
		if (each)
			path(b, from, i);
		op(a, b);
	}
	printf("%s\t%d\t%llu\n", what, count, (unsigned long long)(now() - start) / count);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 3 || chdir(argv[1]) || (count = atoi(argv[2])) < 1) {
		fprintf(stderr, "usage: names DIRECTORY COUNT\n");
		return 2;
	}
	if (mkdir("a", 0755) || mkdir("b", 0755) || mkdir("c", 0755) || mkdir("d", 0755) ||
	    mkdir("e", 0755))
		die("mkdir in", argv[1]);
	phase("create", "a", NULL, op_create);
	phase("link, one to each file", "b", "a", op_link);
	phase("link, a second to each file", "c", "a", op_link);
	phase("rename a link to another directory", "d", "c", op_rename);
	phase("unlink a link", "d", NULL, op_unlink);
	phase("link, all to one file", "d", "a/file-000000", op_link);
	phase("unlink these", "d", NULL, op_unlink);
	phase("unlink the first name", "a", NULL, op_unlink);
	phase("unlink the last name", "b", NULL, op_unlink);
	phase("symlink", "e", NULL, op_symlink);
	phase("unlink a symlink", "e", NULL, op_unlink);
	return 0;
}
