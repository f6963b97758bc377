/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User namespaces, and mounts that are mapped by them.
 */
#ifndef LNKFS_USERNS_H
#define LNKFS_USERNS_H

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int write_proc(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (int)strlen(text) ? 0 : -1;
}

/* A user namespace with this map ("inside outside count"), and a descriptor of it. */
static inline int user_namespace(const char *map)
{
	char path[64];
	int up[2], fd;
	pid_t pid;
	char c;

	if (pipe(up))
		return -1;
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || write(up[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	if (read(up[0], &c, 1) != 1 || write_proc(pid, "uid_map", map) ||
	    write_proc(pid, "gid_map", map))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(up[0]);
	close(up[1]);
	return fd;
}

/*
 * Mount the directory @dir once more at @at, with the IDs of its files (the
 * inside of @map) standing for others (the outside). 0, or -1 and errno.
 */
static inline int mount_idmapped(const char *dir, const char *at, const char *map)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree = syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE), ret, err;

	attr.userns_fd = user_namespace(map);
	ret = syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	if (!ret)
		ret = syscall(SYS_move_mount, tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH);
	err = errno;
	close(tree);
	close(attr.userns_fd);
	errno = err;
	return ret;
}

#endif /* LNKFS_USERNS_H */
