// SPDX-License-Identifier: GPL-2.0
/*
 * What is on a device already, and getting rid of it.
 */
#define _GNU_SOURCE
#include <blkid/blkid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"

#define WIPE_EDGE	(64u << 10)	/* zeroed at both ends, whatever is there */
#define MAX_SIGNATURES	4096	/* a member of a ZFS pool has 512 */

/**
 * probe_own() - the primary superblock of lnkfs, if there is anything like one
 * @path: device or file
 * @sb: filled in with what is there
 */
bool probe_own(const char *path, struct lnkfs_super_block *sb)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, sb, sizeof(*sb), LNKFS_SUPER_OFFSET) == sizeof(*sb) &&
	     le32_to_cpu(sb->s_magic) == LNKFS_SUPER_MAGIC;
	close(fd);
	return ok;
}

/* A label goes to a terminal: nothing in it may be a command to that. */
static void append_label(char *what, size_t len, const char *label)
{
	size_t at = strlen(what);
	char *p;

	snprintf(what + at, len - at, " labelled %s", label);
	for (p = what + at; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

/**
 * probe_known() - what does libblkid take a device for?
 * @path: device or file
 * @what: filled with a phrase that says what
 * @len: room in @what
 *
 * Return: 1, 0 when it knows nothing, or a negative error number.
 */
int probe_known(const char *path, char *what, size_t len)
{
	const char *type = NULL, *label = NULL;
	blkid_probe pr;
	int ret;

	errno = 0;
	pr = blkid_new_probe_from_filename(path);
	if (!pr)
		return errno ? -errno : -EIO;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
	blkid_probe_enable_partitions(pr, 1);
	ret = blkid_do_fullprobe(pr);
	if (ret == 0) {
		if (!blkid_probe_lookup_value(pr, "TYPE", &type, NULL)) {
			snprintf(what, len, "%s", type);
			if (!blkid_probe_lookup_value(pr, "LABEL", &label, NULL))
				append_label(what, len, label);
		} else if (!blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL)) {
			snprintf(what, len, "a partition table (%s)", type);
		} else {
			snprintf(what, len, "something of unknown type");
		}
	}
	blkid_free_probe(pr);
	if (ret < 0)
		return -EIO;
	return ret == 0;
}

/**
 * probe_contents() - does a device hold a filesystem, a partition table, or
 *	anything else that has a name?
 * @path: device or file
 * @what: filled with a phrase that says what
 * @len: room in @what
 *
 * Return: 1, 0, or a negative error number.
 */
int probe_contents(const char *path, char *what, size_t len)
{
	struct lnkfs_super_block sb;

	if (!probe_own(path, &sb))
		return probe_known(path, what, len);
	sb.s_label[LNKFS_LABEL_LEN - 1] = 0;
	snprintf(what, len, le32_to_cpu(sb.s_feature_incompat) & LNKFS_INCOMPAT_JOURNAL_DEV ?
		 "the journal of an lnkfs filesystem" : "an lnkfs filesystem");
	if (sb.s_label[0])
		append_label(what, len, (const char *)sb.s_label);
	return 1;
}

/* Remove every signature that libblkid knows. */
static int wipe_known(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int err = 0, found = 0, n;
	blkid_probe pr;

	if (fd < 0)
		return -errno;
	pr = blkid_new_probe();
	if (!pr || blkid_probe_set_device(pr, fd, 0, 0)) {
		err = -EIO;
		goto out;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE |
					  BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	for (n = 0; !err && n < MAX_SIGNATURES; n++) {
		found = blkid_do_probe(pr);
		if (found)
			break;
		if (blkid_do_wipe(pr, 0))
			err = -EIO;
	}
	/* Not even looked for, or not to be got rid of. */
	if (!err && found <= 0)
		err = -EIO;
	if (!err && fsync(fd))
		err = -errno;
out:
	blkid_free_probe(pr);
	close(fd);
	return err;
}

/*
 * Backups of an older lnkfs volume: with another block size they would stay,
 * and pass for this volume's when its own superblock is lost.
 */
static int wipe_own_backups(struct lnkfs_dev *dev, const struct lnkfs_super_block *sb)
{
	struct lnkfs_fs fs = {};
	const char *why;
	u32 group;
	int err = 0;

	if (lnkfs_super_check(sb, 0, dev->bytes, &why) ||
	    le32_to_cpu(sb->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP)
		return 0;
	lnkfs_super_load(&fs, sb);
	for (group = 1; !err && group < fs.groups; group++)
		if (lnkfs_group_has_super(group))
			err = lnkfs_dev_zero(dev, lnkfs_group_first(&fs, group) << fs.block_bits,
					     fs.block_size);
	return err;
}

/**
 * probe_wipe() - remove what would say that something else is on the device
 * @path: device or file
 * @dev: the same, open for writing
 */
int probe_wipe(const char *path, struct lnkfs_dev *dev)
{
	u64 edge = min_t(u64, WIPE_EDGE, dev->bytes);
	struct lnkfs_super_block sb;
	int err = 0;

	if (probe_own(path, &sb))
		err = wipe_own_backups(dev, &sb);
	if (!err)
		err = wipe_known(path);
	if (!err)
		err = lnkfs_dev_zero(dev, 0, edge);
	if (!err)
		err = lnkfs_dev_zero(dev, (dev->bytes - edge) & ~4095ULL,
				     dev->bytes - ((dev->bytes - edge) & ~4095ULL));
	return err;
}
