// SPDX-License-Identifier: GPL-2.0
/*
 * What the shell cannot do for the interoperation tests.
 *
 *   interop portmapper           answer every call to port 111 with "true"
 *   interop nfs3 HANDLE DIR      mount the export of 127.0.0.1 whose root has
 *                                this handle ("\x" and hexadecimal digits)
 *   interop links DIR N          make N symlinks, link000000 on
 *   interop count DIR            list, print the number of different names
 *   interop listdel DIR          remove each name as soon as it is listed
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nfs_mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int read_fully(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* One connection: records of one fragment, RPC version 2. */
static void serve(int fd)
{
	uint32_t mark, call[256], reply[8] = { 0 };

	while (!read_fully(fd, &mark, 4)) {
		uint32_t len = ntohl(mark) & 0x7fffffff;

		if (len < 4 || len > sizeof(call) || read_fully(fd, call, len))
			break;
		reply[0] = htonl(0x80000000 | (sizeof(reply) - 4));
		reply[1] = call[0];		/* transaction */
		reply[2] = htonl(1);		/* a reply: accepted, no verifier, success */
		reply[7] = htonl(1);		/* the value: true */
		if (write(fd, reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	close(fd);
}

/* The NFS server wants to tell a port mapper about itself before it starts. */
static int portmapper(void)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(111),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 16))
		return fail("port 111");
	if (daemon(0, 0))
		return fail("daemon");
	while ((fd = accept(s, NULL, NULL)) >= 0) {
		if (!fork()) {
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
	return 1;
}

static int nfs3(const char *handle, const char *dir)
{
	struct nfs_mount_data d = {
		.version = 6,
		.flags = NFS_MOUNT_VER3 | NFS_MOUNT_TCP | NFS_MOUNT_NONLM,
		.timeo = 600,
		.retrans = 2,
		.acregmin = 1,
		.acregmax = 1,
		.acdirmin = 1,
		.acdirmax = 1,
		.addr = {
			.sin_family = AF_INET,
			.sin_port = htons(2049),
			.sin_addr = { htonl(INADDR_LOOPBACK) },
		},
		.hostname = "127.0.0.1",
		.pseudoflavor = 1,	/* AUTH_UNIX */
	};
	unsigned int byte;

	if (!strncmp(handle, "\\x", 2))
		handle += 2;
	while (d.root.size < sizeof(d.root.data) && sscanf(handle, "%2x", &byte) == 1) {
		d.root.data[d.root.size++] = byte;
		handle += 2;
	}
	return mount("127.0.0.1:/", dir, "nfs", 0, &d) ? fail(dir) : 0;
}

static int links(const char *dir, int n)
{
	char name[32], target[64];

	if (chdir(dir))
		return fail(dir);
	while (n--) {
		sprintf(name, "link%06d", n);
		sprintf(target, "the target of number %d", n);
		if (symlink(target, name))
			return fail(name);
	}
	return 0;
}

static int count(const char *dir)
{
	static char seen[1000000];
	DIR *d = opendir(dir);
	struct dirent *de;
	int n = 0, twice = 0;

	if (!d)
		return fail(dir);
	while (errno = 0, (de = readdir(d))) {
		if (strncmp(de->d_name, "link", 4))
			continue;
		twice += seen[atoi(de->d_name + 4)];
		seen[atoi(de->d_name + 4)] = 1;
		n++;
	}
	if (errno)
		return fail(dir);
	printf("%d names, %d of them twice\n", n, twice);
	return 0;
}

static int listdel(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int n = 0;

	if (!d)
		return fail(dir);
	while (errno = 0, (de = readdir(d))) {
		if (strncmp(de->d_name, "link", 4))
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0))
			return fail(de->d_name);
		n++;
	}
	if (errno)
		return fail(dir);
	printf("%d removed\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *op = argc > 1 ? argv[1] : "";

	if (!strcmp(op, "portmapper"))
		return portmapper();
	if (!strcmp(op, "nfs3") && argc == 4)
		return nfs3(argv[2], argv[3]);
	if (!strcmp(op, "links") && argc == 4)
		return links(argv[2], atoi(argv[3]));
	if (!strcmp(op, "count") && argc == 3)
		return count(argv[2]);
	if (!strcmp(op, "listdel") && argc == 3)
		return listdel(argv[2]);
	fprintf(stderr, "interop: bad arguments\n");
	return 2;
}
