// SPDX-License-Identifier: GPL-2.0
/*
 * Writing a jbd2 log: a tool's changes become durable as a whole or not at all.
 * A transaction stands in the log only until its blocks are in their places. If
 * the tool is stopped before that, the next mount, or fsck.lnkfs, replays it.
 */
#include <stdlib.h>
#include <time.h>

#include "log_format.h"

/* Tags of a descriptor block; the first one has the journal's UUID behind it. */
static u32 tags_per_block(const struct lnkfs_log *log)
{
	return (log->block_size - sizeof(struct log_header) - 16 - sizeof(__be32)) /
	       sizeof(struct log_tag);
}

/**
 * lnkfs_log_room() - blocks that one transaction can change
 * @log: an open log
 */
u32 lnkfs_log_room(const struct lnkfs_log *log)
{
	u32 blocks = log->maxlen - log->first - 1, tags = tags_per_block(log);

	return blocks / (tags + 1) * tags + max(blocks % (tags + 1), 1u) - 1;
}

/* Say where the log starts; durable on return. */
static int write_super(struct lnkfs_log *log, u32 start)
{
	u8 *data = malloc(log->block_size);
	struct jbd2_super *js = (void *)data;
	int err;

	if (!data)
		return -ENOMEM;
	err = lnkfs_dev_read(log->dev, log->offset, data, log->block_size);
	if (!err) {
		js->s_start = cpu_to_be32(start);
		js->s_sequence = cpu_to_be32(log->sequence);
		js->s_feature_incompat |= cpu_to_be32(LOG_FEATURES);
		data[JBD2_CHECKSUM_TYPE_AT] = JBD2_CHECKSUM_CRC32C;
		err = lnkfs_log_write_head(log, data, log->offset);
	}
	free(data);
	return err;
}

static void head(const struct lnkfs_log *log, u8 *data, u32 type)
{
	struct log_header *h = (void *)data;

	h->h_magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	h->h_blocktype = cpu_to_be32(type);
	h->h_sequence = cpu_to_be32(log->sequence);
}

static void seal(const struct lnkfs_log *log, u8 *data, u32 at)
{
	__be32 sum = cpu_to_be32(lnkfs_crc32c(log->seed, data, log->block_size));

	memcpy(data + at, &sum, sizeof(sum));
}

/**
 * struct image - a transaction as it is going to stand in the log
 * @log: log
 * @data: all its blocks
 * @desc: descriptor at hand
 * @next: where the next block goes
 * @tags: tags in the descriptor
 */
struct image {
	struct lnkfs_log *log;
	u8 *data;
	u8 *desc;
	u8 *next;
	u32 tags;
};

static u32 tag_at(u32 n)
{
	return sizeof(struct log_header) + n * sizeof(struct log_tag) + (n ? 16 : 0);
}

static void end_descriptor(struct image *im)
{
	struct log_tag tag;
	u32 at;

	if (!im->tags)
		return;
	at = tag_at(im->tags - 1);
	memcpy(&tag, im->desc + at, sizeof(tag));
	tag.t_flags |= cpu_to_be32(JBD2_FLAG_LAST_TAG);
	memcpy(im->desc + at, &tag, sizeof(tag));
	seal(im->log, im->desc, im->log->block_size - sizeof(__be32));
	im->tags = 0;
}

static void add_block(struct image *im, u64 block, const void *data)
{
	const __be32 magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	struct lnkfs_log *log = im->log;
	__be32 seq = cpu_to_be32(log->sequence);
	u32 flags = im->tags ? JBD2_FLAG_SAME_UUID : 0;
	struct log_tag tag;
	u32 crc;

	if (!im->tags) {
		im->desc = im->next;
		im->next += log->block_size;
		head(log, im->desc, JBD2_DESCRIPTOR_BLOCK);
	}
	memcpy(im->next, data, log->block_size);
	if (!memcmp(data, &magic, sizeof(magic))) {
		memset(im->next, 0, sizeof(magic));
		flags |= JBD2_FLAG_ESCAPE;
	}
	crc = lnkfs_crc32c(log->seed, &seq, sizeof(seq));
	crc = lnkfs_crc32c(crc, im->next, log->block_size);
	tag.t_blocknr = cpu_to_be32((u32)block);
	tag.t_blocknr_high = cpu_to_be32((u32)(block >> 32));
	tag.t_flags = cpu_to_be32(flags);
	tag.t_checksum = cpu_to_be32(crc);
	memcpy(im->desc + tag_at(im->tags), &tag, sizeof(tag));
	im->next += log->block_size;
	if (++im->tags == tags_per_block(log))
		end_descriptor(im);
}

static void add_commit(struct image *im)
{
	struct log_commit *c = (void *)im->next;
	u64 now = (u64)time(NULL);

	end_descriptor(im);
	head(im->log, im->next, JBD2_COMMIT_BLOCK);
	c->c_sec[0] = cpu_to_be32((u32)(now >> 32));
	c->c_sec[1] = cpu_to_be32((u32)now);
	seal(im->log, im->next, offsetof(struct log_commit, c_chksum));
	im->next += im->log->block_size;
}

/* Block 0 or 1 as it will be, with what else is in it. */
static int super_image(struct lnkfs_volume *v, u64 block, u8 *data)
{
	u32 at = LNKFS_SUPER_OFFSET & (v->fs.block_size - 1);
	int err = lnkfs_dev_read(&v->dev, block << v->fs.block_bits, data, v->fs.block_size);

	v->sb.s_blocknr = cpu_to_le64(block);
	lnkfs_super_seal(&v->sb);
	memcpy(data + at, &v->sb, sizeof(v->sb));
	return err;
}

/* The log, up to and with the commit block; not yet to be found. */
static int write_log(struct lnkfs_log *log, lnkfs_buf **list, u32 n, u64 super, const u8 *data)
{
	u32 total = n + 1, i;
	struct image im = { .log = log };
	int err;

	total += DIV_ROUND_UP(total, tags_per_block(log)) + 1;
	im.data = calloc(total, log->block_size);
	if (!im.data)
		return -ENOMEM;
	im.next = im.data;
	for (i = 0; i < n; i++)
		add_block(&im, list[i]->block, list[i]->data);
	if (data)
		add_block(&im, super, data);
	add_commit(&im);
	err = lnkfs_dev_write(log->dev, log->offset + (u64)log->first * log->block_size, im.data,
			      (size_t)(im.next - im.data));
	free(im.data);
	return err ? err : lnkfs_dev_sync(log->dev);
}

/**
 * lnkfs_log_commit() - write what has changed, as a whole or not at all
 * @log: the volume's log, empty before and after
 * @v: volume; what else has been written to it (copies of data) is made durable
 *	first
 * @super: the superblock has changed, too
 *
 * Blocks that were freed can be used again (lnkfs_volume_commit()).
 *
 * Return: 0; -E2BIG when more than lnkfs_log_room() blocks are dirty; -ENOMEM; what
 * writing says: then all has changed or nothing, which replaying the log decides.
 */
int lnkfs_log_commit(struct lnkfs_log *log, struct lnkfs_volume *v, bool super)
{
	u64 block = (u64)LNKFS_SUPER_OFFSET >> v->fs.block_bits;
	lnkfs_buf **list;
	u8 *data = NULL;
	int err = 0;
	u32 n;

	if (!v->dirty && !super)
		return lnkfs_dev_sync(&v->dev);
	list = lnkfs_cache_dirty(v, &n);
	if (super)
		data = malloc(v->fs.block_size);
	if (!list || (super && !data))
		err = -ENOMEM;
	else if (n + super > lnkfs_log_room(log))
		err = -E2BIG;
	if (!err && super)
		err = super_image(v, block, data);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	if (!err)
		err = write_log(log, list, n, block, data);
	if (!err)
		err = write_super(log, log->first);
	/* Here it has happened. */
	if (!err)
		err = lnkfs_cache_flush(v);
	if (!err && super)
		err = lnkfs_dev_write(&v->dev, block << v->fs.block_bits, data, v->fs.block_size);
	if (!err)
		err = lnkfs_dev_sync(&v->dev);
	log->sequence++;
	if (!err)
		err = write_super(log, 0);
	if (!err)
		lnkfs_volume_commit(v);
	free(list);
	free(data);
	return err;
}
