// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl cp: copy files out of a volume that is not mounted.
 *
 * The volume may be crafted: nothing is opened through a symlink that the
 * copy itself has made, and no directory is copied by more than one name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lnkctl.h"
#include "unmounted.h"

#define MAX_DEPTH	512		/* each keeps a directory open */

static const char help[] =
	"usage: lnkctl cp [OPTION]... IMAGE:PATH... DESTINATION\n"
	"\n"
	"Copy files out of a volume that is not mounted. Holes stay holes. Symlinks are\n"
	"followed where they are named, and copied as symlinks with -r.\n"
	"\n"
	"  -a               as -r -p\n"
	"  -p, --preserve   keep mode, times, hard links, and for root the owner\n"
	"  -r, --recursive  directories with all that is in them, and special files\n"
	"      --help       this text\n";

/**
 * struct linked - a file with several names that has been copied
 * @ino: its number in the volume
 * @path: the copy, from the destination's parent on
 */
struct linked {
	u64 ino;
	char *path;
};

/**
 * struct copy - a copy under way
 * @img: volume
 * @opened: which one it is
 * @preserve: -p
 * @recursive: -r
 * @root: directory that the paths of @links start from
 * @links: copies of the volume's files with several names, by number
 * @count: how many
 * @room: for how many there is room
 * @depth: directories that are open
 * @entered: those that have been copied from what was named
 */
struct copy {
	struct lnkfs_image *img;
	unsigned int opened;
	bool preserve;
	bool recursive;
	int root;
	struct linked *links;
	size_t count;
	size_t room;
	unsigned int depth;
	void *entered;
};

static struct timespec to_timespec(u64 stamp)
{
	return (struct timespec) {
		.tv_sec = (time_t)((s64)(stamp / 1000000000) + LNKFS_EPOCH),
		.tv_nsec = (long)(stamp % 1000000000),
	};
}

/* Owner first: a change of it drops the set-user-ID bit. */
static int keep_open(const struct copy *c, const struct lnkfs_cinode *ci, int fd)
{
	const struct timespec times[2] = { to_timespec(ci->atime), to_timespec(ci->mtime) };

	if (!c->preserve)
		return 0;
	if (!geteuid() && fchown(fd, ci->uid, ci->gid))
		return -errno;
	if (fchmod(fd, ci->mode & 07777))
		return -errno;
	return futimens(fd, times) ? -errno : 0;
}

/* The same for what cannot be opened; nothing is done to what a symlink leads to. */
static int keep_attributes(const struct copy *c, const struct lnkfs_cinode *ci, int dirfd,
			   const char *name)
{
	const struct timespec times[2] = { to_timespec(ci->atime), to_timespec(ci->mtime) };

	if (!c->preserve)
		return 0;
	if (!geteuid() && fchownat(dirfd, name, ci->uid, ci->gid, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISLNK(ci->mode) &&
	    fchmodat(dirfd, name, ci->mode & 07777, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int write_all(int fd, const char *buf, size_t len, off_t pos)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		buf += n;
		pos += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy_data(const struct copy *c, struct lnkfs_node *node, int fd)
{
	static char buf[1 << 16];
	u64 pos = 0, size = node->ci.size, run, at;
	int err = 0;

	if (ftruncate(fd, (off_t)size))
		return -errno;
	while (!err && pos < size) {
		err = lnkfs_node_extent(c->img, node, pos, &run, &at);
		if (err)
			break;
		if (at) {
			run = min_t(u64, run, sizeof(buf));
			err = lnkfs_node_read(c->img, node, pos, buf, run);
			if (!err)
				err = write_all(fd, buf, run, (off_t)pos);
		}
		pos += run;
	}
	return err;
}

/* What stands in the way of a file that is to be written over. */
static int not_a_file(mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	return S_ISDIR(mode) ? -EISDIR : S_ISLNK(mode) ? -ELOOP : -EEXIST;
}

/* Is it what the volume is in, or its journal? A crafted one has the name of itself. */
static bool is_image(const struct copy *c, const struct stat *st)
{
	const struct lnkfs_dev *dev[2] = { &c->img->v.dev, c->img->v.journal };
	struct stat image;
	int i;

	for (i = 0; i < 2; i++)
		if (dev[i] && !fstat(dev[i]->fd, &image) && lnkfs_same_file(&image, st))
			return true;
	return false;
}

/*
 * A regular file that is there already, empty. A device is not even opened: a directory
 * that has a name twice could have it made just before.
 */
static int open_over(const struct copy *c, int dirfd, const char *name)
{
	struct stat st;
	int fd, err;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	err = not_a_file(st.st_mode);
	if (err)
		return err;
	fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : not_a_file(st.st_mode);
	if (!err && is_image(c, &st))
		err = -EBUSY;
	if (!err && ftruncate(fd, 0))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int copy_file(const struct copy *c, struct lnkfs_node *node, int dirfd, const char *name)
{
	mode_t mode = node->ci.mode & 0777;
	int fd, err;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    c->preserve ? mode & 0700 : mode);
	if (fd < 0)
		fd = errno == EEXIST ? open_over(c, dirfd, name) : -errno;
	if (fd < 0)
		return fd;
	err = copy_data(c, node, fd);
	if (!err)
		err = keep_open(c, &node->ci, fd);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int copy_special(const struct copy *c, const struct lnkfs_node *node, int dirfd,
			const char *name)
{
	const struct lnkfs_device *dev = (const void *)node->area;
	dev_t number = 0;

	if (!c->recursive)
		return -EINVAL;
	if (node->ci.fork == LNKFS_FORK_DEVICE)
		number = makedev(le32_to_cpu(dev->v_major), le32_to_cpu(dev->v_minor));
	if (mknodat(dirfd, name, node->ci.mode, number))
		return -errno;
	return keep_attributes(c, &node->ci, dirfd, name);
}

static int copy_link(const struct copy *c, const struct lnkfs_node *node, int dirfd,
		     const char *name)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	int err = lnkfs_node_target(c->img, node, target);

	if (err)
		return err;
	if (symlinkat(target, dirfd, name))
		return -errno;
	return keep_attributes(c, &node->ci, dirfd, name);
}

static int copy_node(struct copy *c, struct lnkfs_node *node, int dirfd, const char *name,
		     const char *path);

struct dir_copy {
	struct copy *c;
	int fd;
	const char *path;
};

static int copy_entry(void *arg, const char *name, u64 ino, u8 type)
{
	const struct dir_copy *d = arg;
	struct lnkfs_node *node = lnkctl_realloc(NULL, sizeof(*node));
	char *path = lnkctl_realloc(NULL, strlen(d->path) + strlen(name) + 2);
	int err;

	(void)type;
	sprintf(path, "%s/%s", d->path, name);
	err = lnkfs_node_load(d->c->img, ino, node);
	if (!err)
		err = copy_node(d->c, node, d->fd, name, path);
	/* What is deeper has been complained about there. */
	if (err)
		image_failed(path, err);
	free(path);
	free(node);
	return 0;
}

static int copy_dir(struct copy *c, struct lnkfs_node *node, int dirfd, const char *name,
		    const char *path)
{
	struct dir_copy d = { .c = c, .path = path };
	int err;

	if (!c->recursive)
		return -EISDIR;
	err = c->depth < MAX_DEPTH ? image_enter(&c->entered, node->ci.ino) : -ELOOP;
	if (err)
		return err;
	if (mkdirat(dirfd, name, (c->preserve ? 0 : node->ci.mode & 0777) | 0700) &&
	    errno != EEXIST)
		return -errno;
	d.fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d.fd < 0)
		return -errno;
	c->depth++;
	err = image_list(c->img, node, copy_entry, &d);
	c->depth--;
	if (!err)
		err = keep_open(c, &node->ci, d.fd);
	close(d.fd);
	return err;
}

/* Where @ino is in the table of links, or would be. */
static size_t find_linked(const struct copy *c, u64 ino)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->links[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void remember(struct copy *c, size_t at, u64 ino, const char *path)
{
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->links = lnkctl_realloc(c->links, c->room * sizeof(*c->links));
	}
	memmove(&c->links[at + 1], &c->links[at], (c->count - at) * sizeof(*c->links));
	c->links[at].ino = ino;
	c->links[at].path = strcpy(lnkctl_realloc(NULL, strlen(path) + 1), path);
	c->count++;
}

static void forget_links(struct copy *c)
{
	while (c->count)
		free(c->links[--c->count].path);
}

static int copy_contents(struct copy *c, struct lnkfs_node *node, int dirfd, const char *name,
			 const char *path)
{
	switch (node->ci.mode & S_IFMT) {
	case S_IFREG:
		return copy_file(c, node, dirfd, name);
	case S_IFDIR:
		return copy_dir(c, node, dirfd, name, path);
	case S_IFLNK:
		return copy_link(c, node, dirfd, name);
	default:
		return copy_special(c, node, dirfd, name);
	}
}

/* Of a file that has been copied before only another name is made. */
static int copy_node(struct copy *c, struct lnkfs_node *node, int dirfd, const char *name,
		     const char *path)
{
	const struct lnkfs_cinode *ci = &node->ci;
	size_t at;
	int err;

	if (!c->preserve || ci->nlink < 2 || S_ISDIR(ci->mode))
		return copy_contents(c, node, dirfd, name, path);
	at = find_linked(c, ci->ino);
	if (at < c->count && c->links[at].ino == ci->ino)
		return linkat(c->root, c->links[at].path, dirfd, name, 0) ? -errno : 0;
	err = copy_contents(c, node, dirfd, name, path);
	if (!err)
		remember(c, at, ci->ino, path);
	return err;
}

/* The last component of a path in an image; of the root, nothing. */
static char *last_name(const char *path)
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/'; start--)
		;
	return strndup(path + start, end - start);
}

static void copy_named(struct copy *c, struct image_file *file, const char *to, bool into)
{
	char *name = into ? last_name(file->path) : NULL;
	int err;

	/* Its numbers say nothing of the files of another volume. */
	if (c->opened != file->opened)
		forget_links(c);
	c->opened = file->opened;
	c->img = file->img;
	if (!into) {
		err = copy_node(c, &file->node, AT_FDCWD, to, to);
	} else if (!name || !strcmp(name, "..")) {
		err = name ? -EINVAL : -ENOMEM;
	} else if (!*name || !strcmp(name, ".")) {
		/* The contents of the root directory. */
		err = copy_node(c, &file->node, c->root, ".", ".");
	} else {
		err = copy_node(c, &file->node, c->root, name, name);
	}
	if (err)
		image_failed(file->name, err);
	image_leave(&c->entered);
	free(name);
}

static int run_cp(int argc, char **argv)
{
	static const struct option options[] = {
		{ "preserve", no_argument, NULL, 'p' },
		{ "recursive", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, LNKCTL_OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	struct copy copy = { .depth = 0 };
	struct image_file *file;
	const char *to;
	bool into;
	int c, i;

	while ((c = getopt_long(argc, argv, "aprR", options, NULL)) != -1) {
		copy.preserve |= c == 'a' || c == 'p';
		copy.recursive |= c == 'a' || c == 'r' || c == 'R';
		if (c != 'a' && c != 'p' && c != 'r' && c != 'R')
			lnkctl_help_or_bad(c, help);
	}
	if (argc - optind < 2)
		lnkctl_usage("IMAGE:PATH or the destination is missing");
	image_arguments(argv + optind, argc - optind - 1);
	to = argv[argc - 1];
	copy.root = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	into = copy.root >= 0;
	if (!into && argc - optind > 2) {
		lnkctl_failed(to, errno);
		return LNKCTL_FAILED;
	}
	if (!into)
		copy.root = AT_FDCWD;
	file = lnkctl_realloc(NULL, sizeof(*file));
	for (i = optind; i < argc - 1; i++)
		if (image_open(file, argv[i], !copy.recursive))
			copy_named(&copy, file, to, into);
	free(file);
	image_close();
	if (into)
		close(copy.root);
	forget_links(&copy);
	free(copy.links);
	return 0;
}

const struct lnkctl_command lnkctl_cp = {
	.name = "cp",
	.summary = "copy files out of a volume that is not mounted",
	.help = help,
	.run = run_cp,
};
