// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile images as loop devices on memory, mounted in several ways.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <linux/loop.h>

#include "mount.h"

#define DIR		"/mnt/hostile"
#define ROOM		(9ULL << 20)	/* behind the volume, for it to grow */
#define TRIES		100		/* to unmount */

/**
 * struct disk - loop device for the volumes of one size
 * @img: what is on it
 * @dev: its name, empty: there is none
 */
struct disk {
	struct img img;
	char dev[32];
};

static struct disk disks[64];

/* The disk for images of a recipe. */
static struct disk *disk_for(const struct volume *v)
{
	struct loop_config lc = { .block_size = 512 };
	u64 bytes = v->img.bytes + ROOM;
	int control, nr, fd;
	struct disk *d;

	for (d = disks; *d->dev && d->img.bytes != bytes; d++)
		;
	if (*d->dev)
		return d;
	img_new(&d->img, "disk", bytes);
	control = open("/dev/loop-control", O_RDWR);
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	if (nr < 0)
		die("no loop device: %s", strerror(errno));
	close(control);
	snprintf(d->dev, sizeof(d->dev), "/dev/loop%d", nr);
	fd = open(d->dev, O_RDWR);
	lc.fd = (u32)d->img.fd;
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &lc))
		die("%s: %s", d->dev, strerror(errno));
	close(fd);
	return d;
}

/* The volume asks for a panic after an error: whoever mounts it can say no. */
static bool wants_panic(const struct img *img)
{
	const struct lnkfs_super_block *sb = (void *)(img->mem + LNKFS_SUPER_OFFSET);

	return sb->s_errors == LNKFS_ERRORS_PANIC;
}

static const char *options(const struct disk *d)
{
	static const char *const list[] = {
		"errors=remount-ro", "errors=continue", "errors=continue",
		"errors=continue,symperm",
		"errors=continue,usrquota,grpquota,prjquota", "errors=remount-ro,noquota",
		"errors=continue,discard", "errors=continue,commit=1,nobarrier", "",
	};
	const char *opts = list[chance(ARRAY_SIZE(list))];

	return !*opts && wants_panic(&d->img) ? list[0] : opts;
}

static void let_go(void)
{
	u32 i;

	step("umount");
	for (i = 0; i < TRIES; i++) {
		if (!umount2(DIR, 0))
			return;
		if (errno != EBUSY)
			break;
		usleep(20000);
	}
	complain("umount: %s", strerror(errno));
	umount2(DIR, MNT_DETACH);
}

/* What mount(2) may say of an image that it does not like. */
static bool clear_error(int err)
{
	switch (err) {
	case EINVAL:
	case EUCLEAN:
	case EBADMSG:
	case EIO:
	case EROFS:
	case EOPNOTSUPP:
	/* of an external journal */
	case EBUSY:
	case ENODEV:
	case ENXIO:
		return true;
	default:
		return false;
	}
}

static bool use_once(struct disk *d, u64 budget_ms)
{
	unsigned long flags = chance(5) ? 0 : MS_RDONLY;
	const char *opts = options(d);
	int root;

	if (flags && !chance(4))
		opts = "errors=continue,norecovery";
	step("mount");
	if (mount(d->dev, DIR, "lnkfs", flags, opts)) {
		int err = errno;

		progress->mount_errors[err < 140 ? err : 0]++;
		if (!clear_error(err))
			complain("mount -o %s: %s", opts, strerror(err));
		return false;
	}
	root = open(DIR, O_RDONLY | O_DIRECTORY);
	note(root);
	if (root >= 0) {
		exercise(root, DIR, d->dev, !flags, budget_ms);
		close(root);
	}
	let_go();
	return true;
}

/**
 * use_case() - mount the image of a case and use it
 * @c: case
 * @budget_ms: how long
 */
void use_case(const struct hcase *c, u64 budget_ms)
{
	struct disk *d = disk_for(c->v);

	case_make(c, &d->img);
	chance_seed(c->run);
	if (use_once(d, budget_ms)) {
		progress->mounted++;
		/* What is left of it, once more. */
		if (!chance(4))
			use_once(d, budget_ms / 2);
	}
	progress->images++;
}
