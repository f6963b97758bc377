// SPDX-License-Identifier: GPL-2.0
/*
 * Making an empty journal, within a volume or on a device of its own, and finding
 * a volume's.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "journal.h"

/*
 * Make an empty log, and behind it an empty area for fast commits. All is zeroed: blocks of
 * an older log there could be taken for a continuation of the new one. Checksums and the other
 * features are set by jbd2 when the volume is first mounted.
 */
static int make_log(struct lnkfs_dev *dev, u32 bits, u64 start, u32 blocks, u32 fast_blocks,
		    const u8 uuid[16], const u8 *user)
{
	u32 size = 1u << bits;
	struct jbd2_super *js;
	int err;

	err = lnkfs_dev_zero(dev, start << bits, (u64)blocks << bits);
	if (!err)
		err = lnkfs_dev_sync(dev);
	if (err)
		return err;
	js = calloc(1, size);
	if (!js)
		return -ENOMEM;
	js->h_magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	js->h_blocktype = cpu_to_be32(JBD2_SUPERBLOCK_V2);
	js->s_blocksize = cpu_to_be32(size);
	js->s_maxlen = cpu_to_be32(blocks - fast_blocks);
	js->s_first = cpu_to_be32(1);
	js->s_sequence = cpu_to_be32(1);
	memcpy(js->s_uuid, uuid, sizeof(js->s_uuid));
	if (user) {
		js->s_nr_users = cpu_to_be32(1);
		memcpy(js->s_users, user, 16);
	}
	err = lnkfs_dev_write(dev, start << bits, js, size);
	free(js);
	return err;
}

/**
 * lnkfs_journal_format() - make the volume's journal area an empty journal
 * @v: volume with its geometry loaded and its journal inside
 *
 * Return: 0 or what writing says.
 */
int lnkfs_journal_format(struct lnkfs_volume *v)
{
	const u8 *uuid = v->sb.s_meta_uuid;

	return make_log(&v->dev, v->fs.block_bits, v->fs.journal_start, v->fs.journal_blocks,
			v->fs.fast_blocks, uuid, uuid);
}

/**
 * lnkfs_journal_dev_plan() - decide what a journal device will be
 * @f: what is asked for: @blocks, @block_bits (4 KiB unless set), @journal_bytes (all of
 *	the device unless set), @label, @uuid, @meta_uuid, @now
 * @device_bytes: size of the device
 * @sb: filled in
 * @why: set to a phrase when it cannot be done, else NULL
 *
 * Return: 0, or -EINVAL.
 */
int lnkfs_journal_dev_plan(const struct lnkfs_format *f, u64 device_bytes,
			   struct lnkfs_super_block *sb, const char **why)
{
	u32 bits = f->block_bits ? f->block_bits : LNKFS_MAX_BLOCK_BITS;
	u64 blocks = f->blocks ? f->blocks : device_bytes >> bits;
	u64 start = (LNKFS_SUPER_OFFSET >> bits) + 1;
	u64 len = blocks > start ? blocks - start : 0;

	memset(sb, 0, sizeof(*sb));
	*why = "larger than the device";
	if (blocks > device_bytes >> bits || f->journal_bytes >> bits > len)
		return -EINVAL;
	if (f->journal_bytes)
		len = f->journal_bytes >> bits;
	*why = "journal too small (1280 blocks are the least)";
	if (len < LNKFS_MIN_JOURNAL_BLOCKS)
		return -EINVAL;
	*why = "label longer than 63 bytes";
	if (f->label && strlen(f->label) >= LNKFS_LABEL_LEN)
		return -EINVAL;
	len = min_t(u64, len, LNKFS_MAX_JOURNAL_BLOCKS);
	sb->s_magic = cpu_to_le32(LNKFS_SUPER_MAGIC);
	sb->s_blocknr = cpu_to_le64(LNKFS_SUPER_OFFSET >> bits);
	sb->s_feature_incompat = cpu_to_le32(LNKFS_INCOMPAT_JOURNAL_DEV);
	sb->s_block_bits = (u8)bits;
	memcpy(sb->s_uuid, f->uuid, sizeof(sb->s_uuid));
	memcpy(sb->s_meta_uuid, f->meta_uuid, sizeof(sb->s_meta_uuid));
	if (f->label)
		memcpy(sb->s_label, f->label, strlen(f->label));
	sb->s_blocks = cpu_to_le64(start + len);
	sb->s_journal_start = cpu_to_le64(start);
	sb->s_journal_blocks = cpu_to_le32((u32)len);
	sb->s_mkfs_time = cpu_to_le64(f->now);
	sb->s_write_time = cpu_to_le64(f->now);
	lnkfs_super_seal(sb);
	return lnkfs_journal_dev_check(sb, device_bytes, why);
}

/* Where a journal device's log is. */
static int make_dev_log(struct lnkfs_dev *dev, const struct lnkfs_super_block *sb, const u8 *user)
{
	int err = make_log(dev, sb->s_block_bits, le64_to_cpu(sb->s_journal_start),
			   le32_to_cpu(sb->s_journal_blocks), 0, sb->s_uuid, user);

	return err ? err : lnkfs_dev_sync(dev);
}

/**
 * lnkfs_journal_dev_make() - make a journal device that no volume uses
 * @dev: device, open for writing
 * @sb: what lnkfs_journal_dev_plan() decided
 *
 * Return: 0 or what writing says.
 */
int lnkfs_journal_dev_make(struct lnkfs_dev *dev, const struct lnkfs_super_block *sb)
{
	int err = make_dev_log(dev, sb, NULL);

	if (!err)
		err = lnkfs_dev_write(dev, LNKFS_SUPER_OFFSET, sb, sizeof(*sb));
	return err ? err : lnkfs_dev_sync(dev);
}

static int read_journal_dev(struct lnkfs_journal_dev *j, const char **why)
{
	u32 blocks, size;
	int err;

	if (j->dev.bytes < LNKFS_SUPER_OFFSET + LNKFS_SUPER_SIZE) {
		*why = "not a journal device";
		return -EINVAL;
	}
	err = lnkfs_dev_read(&j->dev, LNKFS_SUPER_OFFSET, &j->sb, sizeof(j->sb));
	if (!err)
		err = lnkfs_journal_dev_check(&j->sb, j->dev.bytes, why);
	if (err)
		return err;
	err = lnkfs_dev_read(&j->dev, le64_to_cpu(j->sb.s_journal_start) << j->sb.s_block_bits,
			     &j->js, sizeof(j->js));
	if (err)
		return err;
	size = be32_to_cpu(j->js.s_blocksize);
	blocks = be32_to_cpu(j->js.s_maxlen);
	if (be32_to_cpu(j->js.h_magic) != JBD2_MAGIC_NUMBER || size != 1u << j->sb.s_block_bits ||
	    blocks < LNKFS_MIN_JOURNAL_BLOCKS || blocks > le32_to_cpu(j->sb.s_journal_blocks) ||
	    be32_to_cpu(j->js.s_first) != 1) {
		*why = "the log's superblock is damaged";
		return -EFSCORRUPTED;
	}
	return 0;
}

/**
 * lnkfs_journal_dev_open() - open a journal device
 * @j: filled in
 * @path: device or image
 * @flags: LNKFS_DEV_*
 * @why: set to a phrase when it is not a good one; NULL when @path could not be
 *	opened or read
 *
 * Return: 0, or an error; then nothing is left open.
 */
int lnkfs_journal_dev_open(struct lnkfs_journal_dev *j, const char *path, unsigned int flags,
			   const char **why)
{
	int err;

	*why = NULL;
	err = lnkfs_dev_open(&j->dev, path, flags);
	if (err)
		return err;
	err = read_journal_dev(j, why);
	if (err)
		lnkfs_dev_close(&j->dev);
	return err;
}

/**
 * lnkfs_journal_dev_used() - is a journal used by a volume, and by no other?
 * @j: journal device
 * @user: metadata UUID of the volume, NULL: is it used by nobody?
 */
bool lnkfs_journal_dev_used(const struct lnkfs_journal_dev *j, const u8 user[16])
{
	u32 users = be32_to_cpu(j->js.s_nr_users);

	return user ? users == 1 && !memcmp(j->js.s_users, user, 16) : !users;
}

/**
 * lnkfs_journal_dev_claim() - make the log anew, for one volume
 * @j: journal device, open for writing
 * @user: metadata UUID of the volume
 *
 * Return: 0 or what writing says.
 */
int lnkfs_journal_dev_claim(struct lnkfs_journal_dev *j, const u8 user[16])
{
	return make_dev_log(&j->dev, &j->sb, user);
}

/**
 * lnkfs_journal_dev_number() - the device's number as s_journal_dev has it
 * @j: journal device
 *
 * Return: as new_encode_dev() of the kernel; 0 for an image.
 */
u32 lnkfs_journal_dev_number(const struct lnkfs_journal_dev *j)
{
	struct stat st;

	if (fstat(j->dev.fd, &st) || !S_ISBLK(st.st_mode))
		return 0;
	return (minor(st.st_rdev) & 0xff) | major(st.st_rdev) << 8 |
	       (minor(st.st_rdev) & ~0xffu) << 12;
}

static bool directory_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = true;

	while (d && empty && (e = readdir(d)))
		empty = e->d_name[0] == '.';
	if (d)
		closedir(d);
	return empty;
}

/*
 * Is a device, or the one that it is a partition of, a part of another: one of the paths of
 * a multipath device, of a RAID, of a logical volume?
 */
static bool has_holders(char *name)
{
	char path[200];
	char *c;

	for (c = name; *c; c++)
		if (*c == '/')
			*c = '!';
	snprintf(path, sizeof(path), "/sys/class/block/%s/holders", name);
	if (!directory_empty(path))
		return true;
	snprintf(path, sizeof(path), "/sys/class/block/%s/partition", name);
	if (access(path, F_OK))
		return false;
	snprintf(path, sizeof(path), "/sys/class/block/%s/../holders", name);
	return !directory_empty(path);
}

static bool has_uuid(const char *path, const u8 uuid[16])
{
	struct lnkfs_journal_dev j;
	const char *why;
	bool same;

	if (lnkfs_journal_dev_open(&j, path, 0, &why))
		return false;
	same = !memcmp(j.sb.s_uuid, uuid, sizeof(j.sb.s_uuid));
	lnkfs_dev_close(&j.dev);
	return same;
}

/**
 * lnkfs_journal_dev_find() - look for a journal among this machine's block devices
 * @uuid: its UUID
 * @path: set to its name
 * @len: room in @path
 * @why: set to a reason, if not
 *
 * Devices that are parts of others are passed over. Of two that are the same, such as a
 * snapshot and what it was made of, somebody has to say which it is: the log of the wrong
 * one would take the volume back to what it was.
 *
 * Return: 0, -ENODEV or -ENOTUNIQ.
 */
int lnkfs_journal_dev_find(const u8 uuid[16], char *path, size_t len, const char **why)
{
	FILE *f = fopen("/proc/partitions", "re");
	char line[256], name[128], candidate[140];
	u32 found = 0;

	while (f && found < 2 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u %*u %*u %127s", name) != 1)
			continue;
		snprintf(candidate, sizeof(candidate), "/dev/%s", name);
		if (has_holders(name) || !has_uuid(candidate, uuid))
			continue;
		snprintf(path, len, "%s", candidate);
		found++;
	}
	if (f)
		fclose(f);
	*why = found ? "several devices have its UUID" : "its device was not found";
	return found == 1 ? 0 : found ? -ENOTUNIQ : -ENODEV;
}

static int open_ext_journal(struct lnkfs_volume *v, const char *path, unsigned int flags,
			    struct lnkfs_journal_dev *j, const char **why)
{
	char found[160];
	int err;

	if (!path) {
		err = lnkfs_journal_dev_find(v->sb.s_journal_uuid, found, sizeof(found), why);
		if (err)
			return err;
		path = found;
	}
	*why = "a volume, not a journal device";
	if (lnkfs_dev_is(&v->dev, path))
		return -EINVAL;
	err = lnkfs_journal_dev_open(j, path, flags, why);
	if (err)
		return err;
	if (!memcmp(j->sb.s_uuid, v->sb.s_journal_uuid, sizeof(j->sb.s_uuid)) &&
	    j->sb.s_block_bits == v->sb.s_block_bits &&
	    lnkfs_journal_dev_used(j, v->sb.s_meta_uuid))
		return 0;
	lnkfs_dev_close(&j->dev);
	*why = "not the journal of this volume";
	return -EINVAL;
}

/* The newest intact superblock in a log, and whether there is any. */
struct newest {
	u64 block;
	struct lnkfs_log_entry e;
	bool found;
};

static int note_super(void *ctx, const struct lnkfs_log_entry *e)
{
	struct newest *n = ctx;

	if (e->block == n->block && !e->bad) {
		n->e = *e;
		n->found = true;
	}
	return 0;
}

/* Is this the superblock of the same volume, of another size? */
static bool same_volume(const struct lnkfs_super_block *a, const struct lnkfs_super_block *b)
{
	return !memcmp(a->s_meta_uuid, b->s_meta_uuid, sizeof(a->s_meta_uuid)) &&
	       a->s_block_bits == b->s_block_bits && a->s_journal_start == b->s_journal_start &&
	       a->s_journal_blocks == b->s_journal_blocks && a->s_fc_blocks == b->s_fc_blocks &&
	       a->s_feature_incompat == b->s_feature_incompat;
}

/*
 * A volume that was changing its size when the system went down has its new
 * superblock in the log: it is the volume's from here on.
 */
static int adopt_super(struct lnkfs_volume *v, struct lnkfs_log *log, const char **why)
{
	static const struct lnkfs_log_ops ops = { .entry = note_super };
	struct newest n = { .block = (u64)LNKFS_SUPER_OFFSET >> v->fs.block_bits };
	u32 at = LNKFS_SUPER_OFFSET & (v->fs.block_size - 1);
	struct lnkfs_super_block *sb;
	u8 *data;
	int err;

	err = lnkfs_log_scan(log);
	if (!err)
		err = lnkfs_log_walk(log, &ops, &n);
	if (err || !n.found)
		return err;
	data = malloc(v->fs.block_size);
	if (!data)
		return -ENOMEM;
	err = lnkfs_log_read(log, &n.e, data);
	sb = (void *)(data + at);
	if (!err)
		err = lnkfs_super_check(sb, 0, v->dev.bytes, why);
	/* The groups of another size have been loaded: too late. */
	if (!err && (!same_volume(sb, &v->sb) || v->fs.group)) {
		*why = "a superblock in the log does not fit the volume";
		err = -EFSCORRUPTED;
	}
	if (!err) {
		v->sb = *sb;
		lnkfs_super_load(&v->fs, sb);
		log->super = true;
	}
	free(data);
	return err;
}

static int open_log(struct lnkfs_volume *v, struct lnkfs_dev *dev, u64 offset, u32 blocks,
		    struct lnkfs_log *log, const char **why)
{
	int err = lnkfs_log_open(log, dev, offset, blocks - v->fs.fast_blocks, v->fs.block_size,
				 why);

	if (!err && log->start)
		err = adopt_super(v, log, why);
	return err ? err : lnkfs_log_fast_scan(log, &v->fs, why);
}

/**
 * lnkfs_volume_log_open() - open a volume's log, wherever it is
 * @v: volume; keeps the device of an external journal open. A superblock in the
 *	log, which has another size, takes the place of its own
 * @journal: device of the external journal; NULL: look for it
 * @flags: LNKFS_DEV_*, for that device
 * @log: filled in, and scanned, also after an error: lnkfs_log_free() takes it
 * @why: a phrase, when there is something to say about an error, else NULL
 *
 * Return: 0; -EFSCORRUPTED, -EFSBADCRC; for an external journal -ENODEV when it was
 * not found, -EINVAL when @journal is not this volume's, or what opening it says;
 * what reading says.
 */
int lnkfs_volume_log_open(struct lnkfs_volume *v, const char *journal, unsigned int flags,
			  struct lnkfs_log *log, const char **why)
{
	struct lnkfs_journal_dev j;
	int err;

	if (!lnkfs_ext_journal(v))
		return open_log(v, &v->dev, v->fs.journal_start << v->fs.block_bits,
				v->fs.journal_blocks, log, why);
	memset(log, 0, sizeof(*log));
	err = open_ext_journal(v, journal, flags, &j, why);
	if (err)
		return err;
	v->journal = malloc(sizeof(*v->journal));
	if (!v->journal) {
		lnkfs_dev_close(&j.dev);
		return -ENOMEM;
	}
	*v->journal = j.dev;
	return open_log(v, v->journal, le64_to_cpu(j.sb.s_journal_start) << j.sb.s_block_bits,
			le32_to_cpu(j.sb.s_journal_blocks), log, why);
}

/**
 * lnkfs_volume_log_empty() - is there nothing to be replayed, and no error recorded?
 * @v: volume
 * @journal: device of an external journal; NULL: look for it
 *
 * Return: false also when an internal journal is none. An external one that cannot be
 * looked at is taken for empty: that is for volumes that say they are clean.
 */
bool lnkfs_volume_log_empty(struct lnkfs_volume *v, const char *journal)
{
	struct lnkfs_journal_dev j;
	struct lnkfs_log log;
	const char *why;
	bool empty;

	if (!lnkfs_ext_journal(v)) {
		empty = !lnkfs_log_open(&log, &v->dev, v->fs.journal_start << v->fs.block_bits,
					v->fs.journal_blocks - v->fs.fast_blocks,
					v->fs.block_size, &why) &&
			!log.start && !log.err && !lnkfs_log_fast_scan(&log, &v->fs, &why) &&
			!lnkfs_log_pending(&log);
		lnkfs_log_free(&log);
		return empty;
	}
	if (open_ext_journal(v, journal, 0, &j, &why))
		return true;
	empty = !j.js.s_start && !j.js.s_errno;
	lnkfs_dev_close(&j.dev);
	return empty;
}
