// SPDX-License-Identifier: GPL-2.0
/*
 * The device under a volume: a block device (O_DIRECT, through an aligned
 * bounce buffer), a regular file, or memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "volume.h"

static int setup_blkdev(struct lnkfs_dev *dev)
{
	int sector = 0;
	int fl;

	dev->is_blk = true;
	if (ioctl(dev->fd, BLKGETSIZE64, &dev->bytes) < 0)
		return -errno;
	if (ioctl(dev->fd, BLKSSZGET, &sector) < 0)
		return -errno;
	dev->sector = (u32)sector;
	/* The smallest transfer is a block of 1 KiB. */
	if (sector > 1024)
		return 0;
	fl = fcntl(dev->fd, F_GETFL);
	if (fl >= 0 && fcntl(dev->fd, F_SETFL, fl | O_DIRECT) == 0)
		dev->direct = true;
	return 0;
}

/*
 * No loop device may use it: that does not claim what is behind it. O_EXCL says nothing
 * of a file: no other tool may write to it, or, if it is to be written, read it
 * exclusively.
 */
static int claim(int fd, const struct stat *st, unsigned int flags)
{
	char name[64];

	if (!(flags & LNKFS_DEV_EXCL))
		return 0;
	if (lnkfs_find_loop(st, NULL, NULL, name, sizeof(name)))
		return -EBUSY;
	if (S_ISBLK(st->st_mode))
		return 0;
	/* Where files cannot be locked they are not. */
	if (flock(fd, (flags & LNKFS_DEV_WRITE ? LOCK_EX : LOCK_SH) | LOCK_NB) &&
	    errno == EWOULDBLOCK)
		return -EBUSY;
	return 0;
}

/**
 * lnkfs_dev_open() - open a block device or a regular file
 * @dev: filled in
 * @path: its name
 * @flags: LNKFS_DEV_*
 *
 * Return: 0, -ENOTBLK when it is neither, -EBUSY with LNKFS_DEV_EXCL, or what open(2)
 * says.
 */
int lnkfs_dev_open(struct lnkfs_dev *dev, const char *path, unsigned int flags)
{
	int mode = flags & LNKFS_DEV_WRITE ? O_RDWR : O_RDONLY;
	struct stat st;
	int err;

	memset(dev, 0, sizeof(*dev));
	dev->fd = -1;
	dev->readonly = !(flags & LNKFS_DEV_WRITE);
	if (flags & LNKFS_DEV_CREATE)
		mode |= O_CREAT;
	if (stat(path, &st) == 0) {
		/* Opening one may wait for somebody at its other end, or wind a tape. */
		if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
			return -ENOTBLK;
		if (flags & LNKFS_DEV_EXCL && S_ISBLK(st.st_mode))
			mode |= O_EXCL;
	}
	dev->fd = open(path, mode | O_CLOEXEC | O_NOCTTY, 0666);
	if (dev->fd < 0)
		return -errno;
	err = -errno;
	if (fstat(dev->fd, &st) < 0)
		goto fail;
	err = -ENOTBLK;
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		goto fail;
	err = claim(dev->fd, &st, flags);
	if (!err && S_ISBLK(st.st_mode))
		err = setup_blkdev(dev);
	if (err)
		goto fail;
	if (S_ISREG(st.st_mode))
		dev->bytes = (u64)st.st_size;
	err = posix_memalign((void **)&dev->bounce, 4096, LNKFS_BOUNCE);
	if (!err)
		return 0;
	err = -ENOMEM;
fail:
	close(dev->fd);
	dev->fd = -1;
	return err;
}

/**
 * lnkfs_dev_open_mem() - a device in memory, all zeroes, for tests
 * @dev: filled in
 * @bytes: size; memory is used only for what is written
 */
int lnkfs_dev_open_mem(struct lnkfs_dev *dev, u64 bytes)
{
	memset(dev, 0, sizeof(*dev));
	dev->fd = -1;
	dev->bytes = bytes;
	dev->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (dev->mem == MAP_FAILED) {
		dev->mem = NULL;
		return -ENOMEM;
	}
	return 0;
}

/**
 * lnkfs_dev_resize() - set the size of a regular file
 * @dev: device
 * @bytes: size
 */
int lnkfs_dev_resize(struct lnkfs_dev *dev, u64 bytes)
{
	if (dev->fd < 0 || dev->is_blk)
		return -EINVAL;
	if (ftruncate(dev->fd, (off_t)bytes) < 0)
		return -errno;
	dev->bytes = bytes;
	return 0;
}

static int read_fully(int fd, u64 off, void *buf, size_t len)
{
	u8 *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		p += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_fully(int fd, u64 off, const void *buf, size_t len)
{
	const u8 *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		p += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

static bool outside(const struct lnkfs_dev *dev, u64 off, u64 len)
{
	return off > dev->bytes || len > dev->bytes - off;
}

static int read_device(struct lnkfs_dev *dev, u64 off, void *buf, size_t len)
{
	u8 *p = buf;
	int err;

	if (dev->mem) {
		memcpy(buf, dev->mem + off, len);
		return 0;
	}
	if (!dev->direct)
		return read_fully(dev->fd, off, buf, len);
	while (len) {
		size_t n = min_t(size_t, len, LNKFS_BOUNCE);

		err = read_fully(dev->fd, off, dev->bounce, n);
		if (err)
			return err;
		memcpy(p, dev->bounce, n);
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/**
 * lnkfs_dev_read() - read bytes
 * @dev: device
 * @off: where, a multiple of 1024 on a device
 * @buf: to where, any alignment
 * @len: how many, a multiple of 1024 on a device
 *
 * Return: 0, -EIO past the end, or what pread(2) says.
 */
int lnkfs_dev_read(struct lnkfs_dev *dev, u64 off, void *buf, size_t len)
{
	int err;

	if (outside(dev, off, len))
		return -EIO;
	dev->reads++;
	err = read_device(dev, off, buf, len);
	if (!err && dev->overlay)
		err = lnkfs_log_patch(dev->overlay, off, buf, len);
	return err;
}

/**
 * lnkfs_dev_write() - write bytes
 * @dev: device
 * @off: where, a multiple of 1024 on a device
 * @buf: from where, any alignment; @dev->bounce itself will do
 * @len: how many, a multiple of 1024 on a device
 *
 * The first error is kept: lnkfs_dev_sync() reports it again.
 *
 * Return: 0, -EROFS, -EIO past the end, or what pwrite(2) says.
 */
int lnkfs_dev_write(struct lnkfs_dev *dev, u64 off, const void *buf, size_t len)
{
	const u8 *p = buf;
	int err = 0;

	if (dev->readonly)
		return -EROFS;
	if (outside(dev, off, len))
		return -EIO;
	if (dev->hooks)
		err = dev->hooks->write(dev, off, buf, len);
	if (err)
		return dev->error = err;
	dev->writes++;
	if (dev->mem) {
		memcpy(dev->mem + off, buf, len);
		return 0;
	}
	if (!dev->direct || buf == dev->bounce) {
		err = write_fully(dev->fd, off, buf, len);
		len = 0;
	}
	while (len && !err) {
		size_t n = min_t(size_t, len, LNKFS_BOUNCE);

		memcpy(dev->bounce, p, n);
		err = write_fully(dev->fd, off, dev->bounce, n);
		p += n;
		off += n;
		len -= n;
	}
	if (err && !dev->error)
		dev->error = err;
	return err;
}

static int write_zeroes(struct lnkfs_dev *dev, u64 off, u64 len)
{
	size_t n;
	int err;

	memset(dev->bounce, 0, LNKFS_BOUNCE);
	for (; len; off += n, len -= n) {
		n = min_t(u64, len, LNKFS_BOUNCE);
		err = lnkfs_dev_write(dev, off, dev->bounce, n);
		if (err)
			return err;
	}
	return 0;
}

/**
 * lnkfs_dev_zero() - make a range read as zeroes
 * @dev: device
 * @off: where
 * @len: bytes
 *
 * By a hole in a file or the device's own command where that works.
 */
int lnkfs_dev_zero(struct lnkfs_dev *dev, u64 off, u64 len)
{
	u64 range[2] = { off, len };
	int err = 0;

	if (dev->readonly)
		return -EROFS;
	if (outside(dev, off, len))
		return -EIO;
	if (!len)
		return 0;
	if (dev->hooks)
		err = dev->hooks->write(dev, off, NULL, len);
	if (err)
		return dev->error = err;
	dev->writes++;
	if (dev->mem) {
		memset(dev->mem + off, 0, len);
		return 0;
	}
	if (dev->is_blk && ioctl(dev->fd, BLKZEROOUT, range) == 0)
		return 0;
	if (!dev->is_blk && fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)off, (off_t)len) == 0)
		return 0;
	return write_zeroes(dev, off, len);
}

/**
 * lnkfs_dev_discard() - tell the device that a range's contents are unwanted
 * @dev: device
 * @off: where
 * @len: bytes
 *
 * What is read there afterwards is undefined.
 *
 * Return: 0, or -EOPNOTSUPP or another error that callers may ignore.
 */
int lnkfs_dev_discard(struct lnkfs_dev *dev, u64 off, u64 len)
{
	u64 range[2] = { off, len };

	if (dev->readonly)
		return -EROFS;
	if (dev->mem)
		return lnkfs_dev_zero(dev, off, len);
	if (dev->is_blk)
		return ioctl(dev->fd, BLKDISCARD, range) < 0 ? -errno : 0;
	return fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)off, (off_t)len) < 0 ? -errno : 0;
}

/**
 * lnkfs_dev_sync() - make what was written durable
 * @dev: device
 *
 * Return: 0, the first error of any write so far, or what fsync(2) says.
 */
int lnkfs_dev_sync(struct lnkfs_dev *dev)
{
	if (dev->fd >= 0 && !dev->readonly && fsync(dev->fd) < 0 && !dev->error)
		dev->error = -errno;
	if (dev->hooks && !dev->error)
		dev->error = dev->hooks->sync(dev);
	return dev->error;
}

/**
 * lnkfs_dev_is() - is this the device, or the file, of that name?
 * @dev: open device
 * @path: a name
 */
bool lnkfs_dev_is(const struct lnkfs_dev *dev, const char *path)
{
	struct stat own, st;

	return !fstat(dev->fd, &own) && !stat(path, &st) && lnkfs_same_file(&own, &st);
}

/**
 * lnkfs_dev_close() - close, without sync
 * @dev: device; may have been closed
 */
int lnkfs_dev_close(struct lnkfs_dev *dev)
{
	int err = 0;

	if (dev->mem)
		munmap(dev->mem, dev->bytes);
	dev->mem = NULL;
	free(dev->bounce);
	dev->bounce = NULL;
	if (dev->fd >= 0 && close(dev->fd) < 0)
		err = -errno;
	dev->fd = -1;
	return err;
}
