// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to follow a link: nanoseconds each, which under QEMU's -icount are
 * guest instructions. One line a phase: name, operations, nanoseconds each.
 *
 * usage: follow DIRECTORY COUNT DEPTH
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "lnkfs.h"

static int count;

static void die(const char *what)
{
	fprintf(stderr, "follow: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* stat() through the links @kind-0, @kind-1, ... */
static void phase(const char *what, const char *kind)
{
	unsigned long long start = now();
	struct stat st;
	char name[64];
	int i;

	for (i = 0; i < count; i++) {
		sprintf(name, "%s-%d", kind, i);
		if (stat(name, &st))
			die(name);
	}
	printf("%s\t%d\t%llu\n", what, count, (unsigned long long)(now() - start) / count);
	fflush(stdout);
}

static void make(const char *kind, const char *target, unsigned int k, unsigned int flags)
{
	struct lnkfs_link l = { .l_size = sizeof(l), .l_kind = k, .l_flags = flags };
	int dir = open(".", O_RDONLY), i;
	char name[64];

	l.l_target = flags ? open(target, O_PATH) : -1;
	for (i = 0; i < count; i++) {
		sprintf(name, "%s-%d", kind, i);
		if (symlink(target, name))
			die(name);
		l.l_fd = open(name, O_PATH | O_NOFOLLOW);
		if ((k || flags) && ioctl(dir, LNKFS_IOC_SETLINK, &l))
			die("LNKFS_IOC_SETLINK");
		close(l.l_fd);
	}
	close(dir);
}

int main(int argc, char **argv)
{
	char target[1024] = "";
	int depth, i;

	if (argc != 4 || chdir(argv[1]) || (count = atoi(argv[2])) < 1 ||
	    (depth = atoi(argv[3])) < 1 || depth > 100) {
		fprintf(stderr, "usage: follow DIRECTORY COUNT DEPTH\n");
		return 2;
	}
	for (i = 0; i < depth; i++) {
		sprintf(target + strlen(target), "%slevel-%d", i ? "/" : "", i);
		if (mkdir(target, 0755))
			die(target);
	}
	strcat(target, "/target");
	close(open(target, O_CREAT | O_WRONLY, 0644));
	make("plain", target, 0, 0);
	make("kind", target, LNKFS_LINK_FILE, 0);
	make("tracked", target, 0, LNKFS_LINK_TRACKED);
	make("pathfirst", target, 0, LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST);
	phase("plain", "plain");
	phase("plain, again", "plain");
	phase("with a kind", "kind");
	phase("with a kind, again", "kind");
	phase("tracked", "tracked");
	phase("tracked, again", "tracked");
	phase("tracked, path first", "pathfirst");
	return 0;
}
