// SPDX-License-Identifier: GPL-2.0
/*
 * The block cache: metadata blocks by number, verified when read, sealed and
 * written in order when the cache fills up or is flushed.
 */
#include <stdlib.h>

#include "volume.h"

#define MIN_BUFS	64
#define PREFETCH	(256u << 10)	/* bytes read at once, at most */

static lnkfs_buf **chain_of(const struct lnkfs_volume *v, u64 block)
{
	return &v->hash[(block * 0x9e3779b97f4a7c15ULL >> 32) & v->hash_mask];
}

static void lru_remove(struct lnkfs_volume *v, lnkfs_buf *b)
{
	if (b->newer)
		b->newer->older = b->older;
	else
		v->newest = b->older;
	if (b->older)
		b->older->newer = b->newer;
	else
		v->oldest = b->newer;
}

static void lru_add(struct lnkfs_volume *v, lnkfs_buf *b)
{
	b->newer = NULL;
	b->older = v->newest;
	if (v->newest)
		v->newest->newer = b;
	else
		v->oldest = b;
	v->newest = b;
}

static lnkfs_buf *find(struct lnkfs_volume *v, u64 block)
{
	lnkfs_buf *b;

	for (b = *chain_of(v, block); b; b = b->next)
		if (b->block == block)
			return b;
	return NULL;
}

static void drop(struct lnkfs_volume *v, lnkfs_buf *b)
{
	lnkfs_buf **p = chain_of(v, b->block);

	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
	lru_remove(v, b);
	if (b->dirty)
		v->dirty--;
	v->bufs--;
	free(b->data);
	free(b);
}

static int by_block(const void *a, const void *b)
{
	const lnkfs_buf *x = *(lnkfs_buf *const *)a, *y = *(lnkfs_buf *const *)b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/* Write a run of blocks that follow each other. */
static int write_run(struct lnkfs_volume *v, lnkfs_buf **run, u32 n)
{
	u32 size = v->fs.block_size;
	const u8 *data = run[0]->data;
	u32 i;
	int err;

	if (lnkfs_fault_hit(v, v->fault.write)) {
		if (!v->dev.error)
			v->dev.error = -EIO;
		return -EIO;
	}
	if (n > 1) {
		for (i = 0; i < n; i++)
			memcpy(v->dev.bounce + i * size, run[i]->data, size);
		data = v->dev.bounce;
	}
	err = lnkfs_dev_write(&v->dev, run[0]->block << v->fs.block_bits, data, (size_t)n * size);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		run[i]->dirty = false;
	v->dirty -= n;
	return 0;
}

/*
 * Dirty blocks in order, sealed: all, those that nobody holds, or those of one type
 * (else LNKFS_B_TYPES). NULL: no memory.
 */
static lnkfs_buf **dirty_blocks(struct lnkfs_volume *v, bool all, enum lnkfs_btype type, u32 *n)
{
	lnkfs_buf **list = malloc((v->dirty + 1) * sizeof(lnkfs_buf *)), *b;
	u32 i;

	*n = 0;
	if (!list)
		return NULL;
	for (b = v->oldest; b; b = b->newer)
		if (b->dirty && (all || !b->refs) && (type == LNKFS_B_TYPES || type == b->type))
			list[(*n)++] = b;
	qsort(list, *n, sizeof(lnkfs_buf *), by_block);
	for (i = 0; i < *n; i++)
		lnkfs_seal_block(&v->fs, list[i]->data, list[i]->type, list[i]->block);
	return list;
}

/**
 * lnkfs_cache_dirty() - what is to be written
 * @v: volume
 * @n: set to the number of blocks
 *
 * Return: the dirty blocks in order, sealed, to be freed; NULL: no memory.
 */
lnkfs_buf **lnkfs_cache_dirty(struct lnkfs_volume *v, u32 *n)
{
	return dirty_blocks(v, true, LNKFS_B_TYPES, n);
}

/* Write dirty blocks: all (of one type, or of LNKFS_B_TYPES), or those that nobody holds. */
static int write_out(struct lnkfs_volume *v, bool all, enum lnkfs_btype type)
{
	u32 max_run = v->dev.bounce ? LNKFS_BOUNCE / v->fs.block_size : 1;
	lnkfs_buf **list;
	u32 n, i, len;
	int err = 0, first = 0;

	if (!v->dirty)
		return 0;
	list = dirty_blocks(v, all, type, &n);
	if (!list)
		return -ENOMEM;
	for (i = 0; i < n; i += len) {
		len = 1;
		while (i + len < n && len < max_run &&
		       list[i + len]->block == list[i]->block + len)
			len++;
		err = write_run(v, list + i, len);
		if (!first)
			first = err;
	}
	free(list);
	return first;
}

/* Is there no room for one more block? Those that are dirty and have to stay do not count. */
static bool full(const struct lnkfs_volume *v)
{
	return v->bufs - (v->hold ? v->dirty : 0) >= v->max_bufs;
}

/* Make room for one more block; more than the bound only if all are in use. */
static void make_room(struct lnkfs_volume *v)
{
	lnkfs_buf *b, *newer;

	if (!full(v))
		return;
	/* A failure is kept in dev.error, and the blocks stay dirty. */
	if (v->dirty > v->max_bufs / 2 && !v->hold && !v->dev.error)
		write_out(v, false, LNKFS_B_TYPES);
	for (b = v->oldest; b && full(v); b = newer) {
		newer = b->newer;
		if (!b->refs && !b->dirty)
			drop(v, b);
	}
}

/* The block's buffer with a reference, perhaps not valid yet; NULL: no memory. */
static lnkfs_buf *get(struct lnkfs_volume *v, u64 block)
{
	lnkfs_buf *b = find(v, block);

	if (b) {
		lru_remove(v, b);
		lru_add(v, b);
		b->refs++;
		return b;
	}
	make_room(v);
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->data = malloc(v->fs.block_size);
	if (!b->data) {
		free(b);
		return NULL;
	}
	b->block = block;
	b->refs = 1;
	b->next = *chain_of(v, block);
	*chain_of(v, block) = b;
	lru_add(v, b);
	v->bufs++;
	return b;
}

/* Put a buffer that must not stay in the cache as it is. */
static void put_invalid(struct lnkfs_volume *v, lnkfs_buf *b)
{
	b->checked = false;
	if (!--b->refs && !b->dirty)
		drop(v, b);
}

static int check(struct lnkfs_volume *v, lnkfs_buf *b, enum lnkfs_btype type, u64 owner, u32 gen)
{
	const struct lnkfs_block_header *h = (const void *)b->data;
	int err;

	if (!b->checked || b->type != type) {
		/* The checksums of a modified block are not up to date. */
		if (b->dirty)
			return -EFSCORRUPTED;
		err = lnkfs_verify_block(&v->fs, b->data, type, b->block, owner, gen);
		b->bad = err && type == LNKFS_B_INODE;
		if (err && !b->bad)
			return err;
		b->checked = true;
		b->type = type;
		return 0;
	}
	if (type == LNKFS_B_INODE || type == LNKFS_B_RAW || owner == LNKFS_ANY_OWNER)
		return 0;
	if (le64_to_cpu(h->h_owner) != owner || le32_to_cpu(h->h_gen) != gen)
		return -EFSCORRUPTED;
	return 0;
}

/**
 * lnkfs_bread() - read a metadata block; see fs/core/host.h
 * @fs: volume
 * @block: number
 * @type: what it should be
 * @owner: whose
 * @gen: of which generation
 * @out: the buffer, with a reference; NULL after an error
 */
int lnkfs_bread(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner, u32 gen,
		lnkfs_buf **out)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);
	lnkfs_buf *b;
	int err;

	*out = NULL;
	if (lnkfs_fault_hit(v, v->fault.bread))
		return -EIO;
	if (block >= fs->blocks)
		return lnkfs_report(fs, -EFSCORRUPTED, 0, block, "block outside the volume");
	b = get(v, block);
	if (!b)
		return -ENOMEM;
	if (!b->valid) {
		err = lnkfs_dev_read(&v->dev, block << fs->block_bits, b->data, fs->block_size);
		if (err) {
			put_invalid(v, b);
			return lnkfs_report(fs, -EIO, 0, block, "read failed: %s", strerror(-err));
		}
		b->valid = true;
	}
	err = check(v, b, type, owner, gen);
	if (err) {
		put_invalid(v, b);
		return lnkfs_report(fs, err, type >= LNKFS_B_BTREE ? owner : 0, block,
				    err == -EFSBADCRC ? "bad checksum" : "bad metadata block");
	}
	*out = b;
	return 0;
}

/**
 * lnkfs_bsame() - is a block still what lnkfs_bread() found?
 * @fs: volume
 * @buf: the block
 * @type: what it was
 * @owner: whose it was
 * @gen: of which generation
 */
bool lnkfs_bsame(const struct lnkfs_fs *fs, const lnkfs_buf *buf, enum lnkfs_btype type,
		 u64 owner, u32 gen)
{
	const struct lnkfs_block_header *h = (const void *)buf->data;

	(void)fs;
	return buf->valid && buf->checked && buf->type == type &&
	       le64_to_cpu(h->h_owner) == owner && le32_to_cpu(h->h_gen) == gen;
}

/**
 * lnkfs_prefetch() - read blocks that will be wanted, in one go
 * @v: volume
 * @block: first block
 * @len: how many
 *
 * Those in the cache stay as they are. Nothing is verified or reported: that is
 * left to lnkfs_bread(), and so is a block that cannot be read.
 */
void lnkfs_prefetch(struct lnkfs_volume *v, u64 block, u64 len)
{
	u32 size = v->fs.block_size, bits = v->fs.block_bits;
	u64 i, n = min_t(u64, len, PREFETCH >> bits);
	lnkfs_buf *b;
	u8 *data;

	/* In memory there is nothing to be won. */
	if (v->dev.mem || n < 2 || block >= v->fs.blocks)
		return;
	n = min_t(u64, n, v->fs.blocks - block);
	data = malloc(n << bits);
	if (!data)
		return;
	if (!lnkfs_dev_read(&v->dev, block << bits, data, n << bits)) {
		for (i = 0; i < n; i++) {
			b = get(v, block + i);
			if (!b)
				break;
			if (!b->valid)
				memcpy(b->data, data + (i << bits), size);
			b->valid = true;
			b->refs--;
		}
	}
	free(data);
}

/**
 * lnkfs_bread_cached() - get a metadata block that is in the cache
 * @fs: volume
 * @block: number
 * @type: what it has to be
 * @owner: as lnkfs_bread()
 * @gen: as lnkfs_bread()
 * @out: set to the block
 *
 * Return: as lnkfs_bread(); -EAGAIN when the block would have to be read.
 */
int lnkfs_bread_cached(struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type, u64 owner,
		       u32 gen, lnkfs_buf **out)
{
	const lnkfs_buf *b = find(lnkfs_volume_of(fs), block);

	*out = NULL;
	if (!b || !b->valid || !b->checked)
		return -EAGAIN;
	return lnkfs_bread(fs, block, type, owner, gen, out);
}

/**
 * lnkfs_bnew() - buffer for a block just allocated; see fs/core/host.h
 * @tx: transaction
 * @fs: volume
 * @block: number
 * @type: what it will be
 * @out: the buffer, zeroed, with a reference; NULL after an error
 */
int lnkfs_bnew(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block, enum lnkfs_btype type,
	       lnkfs_buf **out)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);
	lnkfs_buf *b;
	int err;

	*out = NULL;
	if (lnkfs_fault_hit(v, v->fault.bnew))
		return -ENOMEM;
	if (block >= fs->blocks)
		return lnkfs_report(fs, -EFSCORRUPTED, 0, block, "block outside the volume");
	b = get(v, block);
	if (!b)
		return -ENOMEM;
	b->bad = false;
	b->type = type;
	err = lnkfs_baccess(tx, fs, b, type);
	if (err) {
		b->valid = false;
		put_invalid(v, b);
		return err;
	}
	memset(b->data, 0, fs->block_size);
	b->valid = true;
	b->checked = true;
	*out = b;
	return 0;
}

/* Note that a transaction touches a block; true if it had before. */
static bool tx_touch(lnkfs_tx *tx, u64 block, bool add)
{
	u32 i, j, room;
	u64 *set;

	for (i = (u32)(block * 0x9e3779b1u); tx->room; i++) {
		u64 have = tx->set[i & (tx->room - 1)];

		if (have == block + 1)
			return true;
		if (!have)
			break;
	}
	if (!add)
		return false;
	if (tx->used * 2 >= tx->room) {
		room = tx->room ? tx->room * 2 : 64;
		set = calloc(room, sizeof(u64));
		if (!set)
			abort();
		for (i = 0; i < tx->room; i++) {
			if (!tx->set[i])
				continue;
			j = (u32)((tx->set[i] - 1) * 0x9e3779b1u);
			while (set[j & (room - 1)])
				j++;
			set[j & (room - 1)] = tx->set[i];
		}
		free(tx->set);
		tx->set = set;
		tx->room = room;
	}
	i = (u32)(block * 0x9e3779b1u);
	while (tx->set[i & (tx->room - 1)])
		i++;
	tx->set[i & (tx->room - 1)] = block + 1;
	tx->used++;
	return false;
}

/**
 * lnkfs_baccess() - about to modify a block; see fs/core/host.h
 * @tx: transaction
 * @fs: volume
 * @buf: the block
 * @type: what it is
 */
int lnkfs_baccess(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf, enum lnkfs_btype type)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);

	if (lnkfs_fault_hit(v, v->fault.baccess))
		return -EROFS;
	if (type == LNKFS_B_INODE && buf->bad)
		return -EFSBADCRC;
	if (buf->type != type)
		lnkfs_misuse(v, "write access with another type", buf->block);
	if (!tx_touch(tx, buf->block, true) && tx->credits && tx->used > tx->credits)
		lnkfs_misuse(v, "transaction out of credits", buf->block);
	if (!buf->accessed)
		tx->open++;
	buf->accessed = true;
	return 0;
}

/**
 * lnkfs_bdirty() - a block was modified; see fs/core/host.h
 * @tx: transaction
 * @fs: volume
 * @buf: the block
 */
void lnkfs_bdirty(lnkfs_tx *tx, struct lnkfs_fs *fs, lnkfs_buf *buf)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);

	if (!tx_touch(tx, buf->block, false))
		lnkfs_misuse(v, "dirtied without write access", buf->block);
	if (buf->accessed)
		tx->open--;
	buf->accessed = false;
	if (!buf->dirty)
		v->dirty++;
	buf->dirty = true;
}

/**
 * lnkfs_bforget() - a metadata block is being freed; see fs/core/host.h
 * @tx: transaction
 * @fs: volume
 * @block: number
 */
int lnkfs_bforget(lnkfs_tx *tx, struct lnkfs_fs *fs, u64 block)
{
	struct lnkfs_volume *v = lnkfs_volume_of(fs);
	lnkfs_buf *b;

	if (lnkfs_fault_hit(v, v->fault.bforget))
		return -EIO;
	tx->revokes++;
	b = find(v, block);
	if (!b)
		return 0;
	if (b->refs)
		lnkfs_misuse(v, "block freed while it is held", block);
	if (b->accessed)
		tx->open--;
	b->accessed = false;
	if (!b->refs)
		drop(v, b);
	return 0;
}

/**
 * lnkfs_bput() - give a reference back
 * @buf: the block, or NULL
 */
void lnkfs_bput(lnkfs_buf *buf)
{
	if (buf)
		buf->refs--;
}

/**
 * lnkfs_tx_begin() - start a transaction
 * @tx: on the caller's stack
 * @v: volume
 * @credits: blocks it may modify; 0: any number
 */
void lnkfs_tx_begin(lnkfs_tx *tx, struct lnkfs_volume *v, u32 credits)
{
	memset(tx, 0, sizeof(*tx));
	tx->volume = v;
	tx->credits = credits;
}

/**
 * lnkfs_tx_end() - end a transaction; what it did is in the cache
 * @tx: transaction
 *
 * Return: number of distinct blocks it touched.
 */
u32 lnkfs_tx_end(lnkfs_tx *tx)
{
	if (tx->open)
		lnkfs_misuse(tx->volume, "write access never followed by lnkfs_bdirty", 0);
	free(tx->set);
	tx->set = NULL;
	tx->room = 0;
	return tx->used;
}

/**
 * lnkfs_cache_init() - set the cache up
 * @v: volume with its geometry loaded
 * @mib: bound of the cache
 */
int lnkfs_cache_init(struct lnkfs_volume *v, u32 mib)
{
	u32 size = 1024;

	v->max_bufs = max_t(u32, MIN_BUFS, (u32)(((u64)mib << 20) >> v->fs.block_bits));
	while (size < v->max_bufs)
		size *= 2;
	v->hash = calloc(size, sizeof(lnkfs_buf *));
	v->hash_mask = size - 1;
	return v->hash ? 0 : -ENOMEM;
}

/**
 * lnkfs_cache_flush() - seal and write all dirty blocks
 * @v: volume
 *
 * Return: 0 or the first error; what could not be written stays dirty.
 */
int lnkfs_cache_flush(struct lnkfs_volume *v)
{
	return v->hash ? write_out(v, true, LNKFS_B_TYPES) : 0;
}

/**
 * lnkfs_cache_flush_type() - seal and write the dirty blocks of one type
 * @v: volume
 * @type: the type
 */
int lnkfs_cache_flush_type(struct lnkfs_volume *v, enum lnkfs_btype type)
{
	return v->hash ? write_out(v, true, type) : 0;
}

/**
 * lnkfs_cache_drop() - write all dirty blocks and forget everything that is
 *	not referenced, so that it is read and verified again
 * @v: volume
 */
int lnkfs_cache_drop(struct lnkfs_volume *v)
{
	int err = lnkfs_cache_flush(v);
	lnkfs_buf *b, *newer;

	lnkfs_names_forget(&v->fs);
	for (b = v->oldest; b; b = newer) {
		newer = b->newer;
		if (!b->refs && !b->dirty)
			drop(v, b);
	}
	return err;
}

/**
 * lnkfs_cache_free() - give the cache's memory back; dirty blocks are lost
 * @v: volume
 */
void lnkfs_cache_free(struct lnkfs_volume *v)
{
	lnkfs_names_forget(&v->fs);
	while (v->oldest) {
		if (v->oldest->refs)
			lnkfs_misuse(v, "block still held", v->oldest->block);
		drop(v, v->oldest);
	}
	free(v->hash);
	v->hash = NULL;
}
