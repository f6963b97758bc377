// SPDX-License-Identifier: GPL-2.0
/*
 * Opening, writing back and closing a volume.
 */
#include <stdlib.h>

#include "volume.h"

/* Read and check the copy of the superblock at a byte offset. */
static int read_super(struct lnkfs_volume *v, u64 off, u64 block, const char **why)
{
	int err = lnkfs_dev_read(&v->dev, off, &v->sb, sizeof(v->sb));

	if (err) {
		*why = "cannot read the superblock";
		return err;
	}
	err = lnkfs_super_check(&v->sb, block, v->dev.bytes, why);
	if (!err)
		v->sb_block = le64_to_cpu(v->sb.s_blocknr);
	return err;
}

/*
 * Where volumes of another block size have their backups this one may have a file's
 * blocks, so that a copy alone proves nothing.
 */
static int find_backup(struct lnkfs_volume *v, bool *any)
{
	static const u32 groups[] = { 1, 3, 5, 7, 9, 25, 27, 49 };
	const char *why;
	u32 bits, i;

	*any = false;
	for (bits = LNKFS_MAX_BLOCK_BITS; bits >= LNKFS_MIN_BLOCK_BITS; bits--) {
		u64 group_blocks = lnkfs_group_blocks(bits);

		for (i = 0; i < ARRAY_SIZE(groups); i++) {
			u64 block = groups[i] * group_blocks;

			if ((block + 1) << bits > v->dev.bytes)
				break;
			if (read_super(v, block << bits, block, &why) ||
			    v->sb.s_block_bits != bits)
				continue;
			if (lnkfs_super_proven(v, &v->sb))
				return 0;
			*any = true;
		}
	}
	return -ENOENT;
}

/* The superblock that the caller wants. */
static int read_wanted(struct lnkfs_volume *v, const char **why)
{
	u32 bits, group_blocks;
	int err;

	for (bits = LNKFS_MAX_BLOCK_BITS; bits >= LNKFS_MIN_BLOCK_BITS; bits--) {
		if (v->use_super > v->dev.bytes >> bits)
			continue;
		group_blocks = lnkfs_group_blocks(bits);
		if (v->use_super % group_blocks ||
		    !lnkfs_group_has_super((u32)(v->use_super / group_blocks)))
			continue;
		err = read_super(v, v->use_super << bits, v->use_super, why);
		if (!err && v->sb.s_block_bits == bits)
			return 0;
	}
	*why = "no superblock of lnkfs in that block";
	return -EINVAL;
}

static int check_features(const struct lnkfs_volume *v, unsigned int flags, const char **why)
{
	const struct lnkfs_super_block *sb = &v->sb;

	if (flags & LNKFS_VOL_ANY_FEATURE)
		return 0;
	if (le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_JOURNAL_DEV) {
		*why = "the journal of a volume, not a volume";
		return -EOPNOTSUPP;
	}
	if (le32_to_cpu(sb->s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP) {
		*why = "unknown incompatible features";
		return -EOPNOTSUPP;
	}
	if (flags & LNKFS_DEV_WRITE &&
	    le32_to_cpu(sb->s_feature_ro_compat) & ~LNKFS_RO_COMPAT_SUPP) {
		*why = "unknown features that allow only reading";
		return -EROFS;
	}
	return 0;
}

/**
 * lnkfs_volume_forget_groups() - free what is known of the groups
 * @v: volume
 */
void lnkfs_volume_forget_groups(struct lnkfs_volume *v)
{
	u32 i;

	for (i = 0; v->fs.group && i < v->fs.groups; i++) {
		free(v->fs.group[i].busy);
		free(v->fs.group[i].kept);
	}
	free(v->fs.group);
	v->fs.group = NULL;
}

/* The figures of a group are those of the volume, too. */
static void add_figures(struct lnkfs_volume *v, const struct lnkfs_group *g)
{
	v->free_blocks += g->free_blocks;
	v->inodes += g->used_inodes;
	v->free_slots += g->free_slots;
}

static int alloc_groups(struct lnkfs_volume *v)
{
	v->fs.group = calloc(v->fs.groups, sizeof(struct lnkfs_group));
	v->free_blocks = 0;
	v->inodes = 0;
	v->free_slots = 0;
	return v->fs.group ? 0 : -ENOMEM;
}

/**
 * lnkfs_volume_load_groups() - read all group descriptors
 * @v: volume without groups
 *
 * Also sets the volume's free and inode figures. Return: 0, -ENOMEM, or what
 * lnkfs_group_load() says of the first bad one.
 */
int lnkfs_volume_load_groups(struct lnkfs_volume *v)
{
	struct lnkfs_fs *fs = &v->fs;
	int err = alloc_groups(v);
	u32 i;

	if (err)
		return err;
	for (i = 0; i < fs->groups; i++) {
		err = lnkfs_group_load(fs, i);
		if (err) {
			free(fs->group);
			fs->group = NULL;
			return err;
		}
		add_figures(v, &fs->group[i]);
	}
	return 0;
}

/* Has the map of a group's inode blocks ever been written? */
static bool has_inodes(struct lnkfs_volume *v, u32 group)
{
	u64 block = lnkfs_group_map_block(&v->fs, group, LNKFS_B_IMAP);
	void *data = malloc(v->fs.block_size);
	bool yes;

	yes = data && !lnkfs_dev_read(&v->dev, block << v->fs.block_bits, data,
				      v->fs.block_size) &&
	      !lnkfs_verify_block(&v->fs, data, LNKFS_B_IMAP, block, group, 0);
	free(data);
	return yes;
}

/**
 * lnkfs_volume_load_groups_any() - read the group descriptors that can be used
 * @v: volume without groups, only to be read
 * @bad: set to the number of those that cannot: their groups count as full, and
 *	as without inodes when there is no map of these
 *
 * So that files can be found on a volume with damaged descriptors. Sets the
 * volume's figures, as far as they can be known.
 *
 * Return: 0 or -ENOMEM.
 */
int lnkfs_volume_load_groups_any(struct lnkfs_volume *v, u32 *bad)
{
	struct lnkfs_fs *fs = &v->fs;
	int err = alloc_groups(v);
	u32 i;

	*bad = 0;
	if (err)
		return err;
	for (i = 0; i < fs->groups; i++) {
		if (!lnkfs_group_load(fs, i)) {
			add_figures(v, &fs->group[i]);
			continue;
		}
		memset(&fs->group[i], 0, sizeof(fs->group[i]));
		lnkfs_lock_init(&fs->group[i].lock);
		if (!has_inodes(v, i))
			fs->group[i].flags = LNKFS_BG_INODE_UNINIT;
		++*bad;
	}
	return 0;
}

/**
 * lnkfs_volume_open_dev() - open the volume on a device that is open
 * @v: zeroed, but for @v->dev, @v->use_super and what says where reports go
 * @flags: LNKFS_DEV_WRITE, LNKFS_VOL_*
 * @why: set to a phrase when something is wrong, also when a backup superblock
 *	had to be used and the volume was opened; else NULL
 *
 * Return: 0; -EINVAL when there is no lnkfs volume; -EFSBADCRC, -EFSCORRUPTED;
 * -EOPNOTSUPP and -EROFS for unknown features; -EIO, -ENOMEM. After an error
 * only the device is left open.
 */
int lnkfs_volume_open_dev(struct lnkfs_volume *v, unsigned int flags, const char **why)
{
	bool any;
	int err;

	if (v->use_super > 1)
		err = read_wanted(v, why);
	else
		err = read_super(v, LNKFS_SUPER_OFFSET, 0, why);
	if (err && v->use_super <= 1 && (err != -EINVAL || flags & LNKFS_VOL_ANY_BACKUP)) {
		if (!find_backup(v, &any) ||
		    (flags & LNKFS_VOL_ANY_BACKUP && !lnkfs_super_salvage(v)))
			err = 0;
		else if (any)
			*why = "no good superblock, and nothing agrees with the backups; "
			       "fsck.lnkfs -b names the one to believe";
	}
	if (!err)
		err = check_features(v, flags, why);
	if (err)
		return err;
	/* Beyond an unknown incompatible feature only the superblock can be used. */
	if (le32_to_cpu(v->sb.s_feature_incompat) & ~LNKFS_INCOMPAT_SUPP)
		return 0;
	lnkfs_super_load(&v->fs, &v->sb);
	err = lnkfs_cache_init(v, LNKFS_CACHE_MIB);
	if (!err && !(flags & LNKFS_VOL_NO_GROUPS)) {
		err = lnkfs_volume_load_groups(v);
		if (err && !*why)
			*why = "bad group descriptor";
	}
	if (err)
		lnkfs_cache_free(v);
	return err;
}

/**
 * lnkfs_volume_open() - open a device or an image
 * @v: zeroed, but for @v->use_super and what says where reports go
 * @path: its name
 * @flags: LNKFS_DEV_*, LNKFS_VOL_*
 * @why: as lnkfs_volume_open_dev(); NULL when @path could not be opened
 *
 * Return: as lnkfs_dev_open() and lnkfs_volume_open_dev(); after an error
 * nothing is left open.
 */
int lnkfs_volume_open(struct lnkfs_volume *v, const char *path, unsigned int flags,
		      const char **why)
{
	int err;

	*why = NULL;
	err = lnkfs_dev_open(&v->dev, path, flags);
	if (err)
		return err;
	err = lnkfs_volume_open_dev(v, flags, why);
	if (err)
		lnkfs_dev_close(&v->dev);
	return err;
}

static int write_copy(struct lnkfs_volume *v, u64 block, u32 at, u8 *data)
{
	struct lnkfs_super_block sb = v->sb;

	sb.s_blocknr = cpu_to_le64(block);
	lnkfs_super_seal(&sb);
	memcpy(data + at, &sb, sizeof(sb));
	return lnkfs_dev_write(&v->dev, block << v->fs.block_bits, data, v->fs.block_size);
}

/**
 * lnkfs_volume_write_backups() - write @v->sb to the backups
 * @v: volume
 *
 * Return: 0 or the first error.
 */
int lnkfs_volume_write_backups(struct lnkfs_volume *v)
{
	u8 *data = calloc(1, v->fs.block_size);
	u32 group;
	int err = 0;

	if (!data)
		return -ENOMEM;
	for (group = 1; !err && group < v->fs.groups; group++)
		if (lnkfs_group_has_super(group))
			err = write_copy(v, lnkfs_group_first(&v->fs, group), 0, data);
	free(data);
	return err;
}

/**
 * lnkfs_volume_write_super() - write @v->sb
 * @v: volume
 * @backups: to the backups, too
 *
 * Return: 0 or the first error.
 */
int lnkfs_volume_write_super(struct lnkfs_volume *v, bool backups)
{
	u64 block = LNKFS_SUPER_OFFSET >> v->fs.block_bits;
	u32 at = LNKFS_SUPER_OFFSET & (v->fs.block_size - 1);
	u8 *data = malloc(v->fs.block_size);
	int err;

	if (!data)
		return -ENOMEM;
	/* What else is in the block (a boot loader's part) stays. */
	err = lnkfs_dev_read(&v->dev, block << v->fs.block_bits, data, v->fs.block_size);
	if (!err)
		err = write_copy(v, block, at, data);
	free(data);
	return err || !backups ? err : lnkfs_volume_write_backups(v);
}

/**
 * lnkfs_volume_mark_error() - have the superblock say that the volume is not to be relied on
 * @v: volume
 *
 * Durably: until all is well it has to be checked, whoever looks at it next.
 *
 * Return: 0, or what writing says.
 */
int lnkfs_volume_mark_error(struct lnkfs_volume *v)
{
	int err;

	v->sb.s_state = cpu_to_le16(LNKFS_STATE_ERROR);
	err = lnkfs_volume_write_super(v, false);
	return err ? err : lnkfs_dev_sync(&v->dev);
}

/**
 * lnkfs_volume_flush() - write everything back and make it durable
 * @v: volume
 *
 * The superblock is written by lnkfs_volume_write_super() alone.
 *
 * Return: 0 or the first error, also of earlier writes.
 */
int lnkfs_volume_flush(struct lnkfs_volume *v)
{
	int err = lnkfs_cache_flush(v);
	int err2 = lnkfs_dev_sync(&v->dev);

	return err ? err : err2;
}

/**
 * lnkfs_volume_close() - write everything back and close
 * @v: volume
 *
 * Where dirty blocks are held for lnkfs_log_commit() those that are left were not to be
 * written, or could not be: they are forgotten.
 *
 * Return: 0 or the first error; all is closed in any case.
 */
int lnkfs_volume_close(struct lnkfs_volume *v)
{
	int err = 0, err2;

	if (!v->dev.readonly)
		err = v->hold ? lnkfs_dev_sync(&v->dev) : lnkfs_volume_flush(v);
	lnkfs_cache_free(v);
	lnkfs_orphans_free(v);
	lnkfs_volume_forget_groups(v);
	free(v->freed);
	v->freed = NULL;
	if (v->journal)
		lnkfs_dev_close(v->journal);
	free(v->journal);
	v->journal = NULL;
	err2 = lnkfs_dev_close(&v->dev);
	return err ? err : err2;
}
