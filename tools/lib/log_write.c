// SPDX-License-Identifier: GPL-2.0
/*
 * Writing a transaction to an empty jbd2 log, so that what a tool changes on a
 * volume is there as a whole or not at all, whenever the tool stops.
 */
#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "log_format.h"

/**
 * struct log_writer - a transaction being written
 * @log: the log
 * @data: room for a block
 * @at: the next block of the log
 */
struct log_writer {
	struct lnkfs_log *log;
	u8 *data;
	u32 at;
};

static int put_block(struct log_writer *w)
{
	struct lnkfs_log *log = w->log;

	return lnkfs_dev_write(log->dev, log->offset + (u64)w->at++ * log->block_size, w->data,
			       log->block_size);
}

static void begin_block(struct log_writer *w, u32 type)
{
	struct log_header *h = (void *)w->data;

	memset(w->data, 0, w->log->block_size);
	h->h_magic = cpu_to_be32(JBD2_MAGIC_NUMBER);
	h->h_blocktype = cpu_to_be32(type);
	h->h_sequence = cpu_to_be32(w->log->sequence);
}

/* A block that begins like one of the log's own is changed there. */
static bool escaped(const lnkfs_buf *b)
{
	const __be32 magic = cpu_to_be32(JBD2_MAGIC_NUMBER);

	return !memcmp(b->data, &magic, sizeof(magic));
}

static void copy_block(struct log_writer *w, const lnkfs_buf *b)
{
	memcpy(w->data, b->data, w->log->block_size);
	if (escaped(b))
		memset(w->data, 0, sizeof(__be32));
}

/* Blocks that a descriptor can name: the first one takes a UUID along. */
static u32 blocks_per_descriptor(const struct lnkfs_log *log)
{
	return (log->block_size - sizeof(struct log_header) - 16 - sizeof(__be32)) /
	       sizeof(struct log_tag);
}

static int put_descriptor(struct log_writer *w, lnkfs_buf **list, u32 n)
{
	const __be32 sequence = cpu_to_be32(w->log->sequence);
	u32 start = lnkfs_crc32c(w->log->seed, &sequence, sizeof(sequence));
	struct log_tag *tags = calloc(n, sizeof(*tags));
	u32 pos = sizeof(struct log_header), i, flags;
	__be32 sum;

	if (!tags)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		copy_block(w, list[i]);
		flags = (i ? JBD2_FLAG_SAME_UUID : 0) |
			(i == n - 1 ? JBD2_FLAG_LAST_TAG : 0) |
			(escaped(list[i]) ? JBD2_FLAG_ESCAPE : 0);
		tags[i].t_blocknr = cpu_to_be32((u32)list[i]->block);
		tags[i].t_blocknr_high = cpu_to_be32((u32)(list[i]->block >> 32));
		tags[i].t_flags = cpu_to_be32(flags);
		tags[i].t_checksum = cpu_to_be32(lnkfs_crc32c(start, w->data,
							      w->log->block_size));
	}
	begin_block(w, JBD2_DESCRIPTOR_BLOCK);
	for (i = 0; i < n; i++) {
		memcpy(w->data + pos, &tags[i], sizeof(tags[i]));
		pos += sizeof(tags[i]) + (i ? 0 : 16);
	}
	free(tags);
	sum = cpu_to_be32(lnkfs_crc32c(w->log->seed, w->data, w->log->block_size));
	memcpy(w->data + w->log->block_size - sizeof(sum), &sum, sizeof(sum));
	return put_block(w);
}

static int put_commit(struct log_writer *w)
{
	struct log_commit *c = (void *)w->data;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	begin_block(w, JBD2_COMMIT_BLOCK);
	c->c_sec[0] = cpu_to_be32((u32)((u64)ts.tv_sec >> 32));
	c->c_sec[1] = cpu_to_be32((u32)ts.tv_sec);
	c->c_nsec = cpu_to_be32((u32)ts.tv_nsec);
	c->c_chksum[0] = cpu_to_be32(lnkfs_crc32c(w->log->seed, w->data, w->log->block_size));
	return put_block(w);
}

/* Now there is a transaction to be replayed. */
static int put_head(struct log_writer *w)
{
	struct jbd2_super *js = (void *)w->data;
	struct lnkfs_log *log = w->log;
	__be32 sum;
	int err;

	err = lnkfs_dev_read(log->dev, log->offset, w->data, log->block_size);
	if (err)
		return err;
	js->s_start = cpu_to_be32(log->first);
	js->s_sequence = cpu_to_be32(log->sequence);
	js->s_feature_incompat |= cpu_to_be32(LOG_FEATURES);
	w->data[JBD2_CHECKSUM_TYPE_AT] = JBD2_CHECKSUM_CRC32C;
	sum = cpu_to_be32(lnkfs_log_super_checksum(w->data));
	memcpy(w->data + JBD2_CHECKSUM_AT, &sum, sizeof(sum));
	w->at = 0;
	return put_block(w);
}

static int by_block(const void *pa, const void *pb)
{
	const lnkfs_buf *a = *(lnkfs_buf *const *)pa, *b = *(lnkfs_buf *const *)pb;

	return a->block < b->block ? -1 : a->block > b->block;
}

/* The dirty blocks of the cache, sealed, in order; NULL: no memory. */
static lnkfs_buf **dirty_blocks(struct lnkfs_volume *v)
{
	lnkfs_buf **list = malloc(v->dirty * sizeof(lnkfs_buf *)), *b;
	u32 n = 0;

	for (b = v->oldest; list && b; b = b->newer) {
		if (!b->dirty)
			continue;
		lnkfs_seal_block(&v->fs, b->data, b->type, b->block);
		list[n++] = b;
	}
	if (list)
		qsort(list, n, sizeof(lnkfs_buf *), by_block);
	return list;
}

static int put_transaction(struct log_writer *w, lnkfs_buf **list, u32 n)
{
	u32 per = blocks_per_descriptor(w->log), i, k, some;
	int err = 0;

	for (i = 0; i < n && !err; i += some) {
		some = min(n - i, per);
		err = put_descriptor(w, list + i, some);
		for (k = 0; k < some && !err; k++) {
			copy_block(w, list[i + k]);
			err = put_block(w);
		}
	}
	if (!err)
		err = put_commit(w);
	if (!err)
		err = lnkfs_dev_sync(w->log->dev);
	if (!err)
		err = put_head(w);
	return err ? err : lnkfs_dev_sync(w->log->dev);
}

/**
 * lnkfs_log_commit() - write what is dirty in the cache, as a whole or not at all
 * @log: the volume's log, empty, its device open for writing; to be opened anew
 *	afterwards
 * @v: volume
 *
 * All of it is in its place, durable, and the log is empty, when this succeeds.
 *
 * Return: 0; -ENOSPC when the log is too small for it, with nothing written;
 * -ENOMEM, or what reading and writing say.
 */
int lnkfs_log_commit(struct lnkfs_log *log, struct lnkfs_volume *v)
{
	struct log_writer w = { .log = log, .at = log->first };
	u32 n = v->dirty, per = blocks_per_descriptor(log);
	lnkfs_buf **list;
	int err = -ENOMEM;

	if (!n)
		return lnkfs_dev_sync(&v->dev);
	if ((u64)n + (n + per - 1) / per + 1 > log->maxlen - log->first)
		return -ENOSPC;
	list = dirty_blocks(v);
	w.data = malloc(log->block_size);
	if (list && w.data)
		err = put_transaction(&w, list, n);
	free(w.data);
	free(list);
	if (err)
		return err;
	log->commits = 1;
	err = lnkfs_volume_flush(v);
	return err ? err : lnkfs_log_reset(log);
}
