// SPDX-License-Identifier: GPL-2.0
/*
 * Filling a new volume with files, in a tool, by the core.
 *
 * Nothing here has to survive a crash: the superblock of a new volume is written
 * when all is done. Directories stay in memory while paths lead into them, and
 * are stored when the next path leads elsewhere.
 */
#include <stdlib.h>

#include "build.h"

#define PENDING		(1u << 20)	/* data written at once */
#define DIR_SLOTS	2		/* a directory starts with room for names */
#define FILE_FORK	56		/* an extent root of two extents */
#define DIR_FORK	248		/* several names */

static struct lnkfs_node *top(struct lnkfs_builder *b)
{
	return &b->stack[b->depth - 1]->node;
}

static int store(struct lnkfs_builder *b, struct lnkfs_node *node)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, b->v, 0);
	err = lnkfs_inode_store(&tx, &b->v->fs, &node->ci);
	lnkfs_tx_end(&tx);
	return err;
}

static int load(struct lnkfs_builder *b, u64 ino, struct lnkfs_node *node)
{
	memset(&node->ci, 0, sizeof(node->ci));
	node->ci.area = node->area;
	return lnkfs_inode_load(&b->v->fs, ino, LNKFS_IL_ORPHAN, &node->ci);
}

static int push(struct lnkfs_builder *b, const char *name, size_t len)
{
	struct lnkfs_build_dir *dir;

	if (b->depth == LNKFS_BUILD_DEPTH)
		return -ENAMETOOLONG;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	memcpy(dir->name, name, len);
	b->stack[b->depth++] = dir;
	return 0;
}

static int pop(struct lnkfs_builder *b)
{
	int err = store(b, top(b));

	free(b->stack[--b->depth]);
	return err;
}

/**
 * lnkfs_build_begin() - fill a volume
 * @b: filled in
 * @v: new volume with its root directory
 */
int lnkfs_build_begin(struct lnkfs_builder *b, struct lnkfs_volume *v)
{
	int err;

	memset(b, 0, sizeof(*b));
	b->v = v;
	b->goal = v->fs.journal_start + v->fs.journal_blocks;
	b->pending = malloc(PENDING);
	if (!b->pending)
		return -ENOMEM;
	err = push(b, "", 0);
	return err ? err : load(b, v->fs.root_ino, top(b));
}

static int flush_pending(struct lnkfs_builder *b)
{
	size_t len = b->pending_len;

	b->pending_len = 0;
	return len && !b->dry ? lnkfs_dev_write(&b->v->dev, b->pending_at, b->pending, len) : 0;
}

/**
 * lnkfs_build_end() - all that is to be on the volume is
 * @b: builder; its memory is freed in any case
 *
 * Writes everything but the superblock, whose figures are brought up to date.
 *
 * Return: 0 or the first error.
 */
int lnkfs_build_end(struct lnkfs_builder *b)
{
	struct lnkfs_volume *v = b->v;
	int err = flush_pending(b), err2;

	while (b->depth) {
		err2 = pop(b);
		if (!err)
			err = err2;
	}
	free(b->pending);
	b->pending = NULL;
	if (!err)
		err = lnkfs_cache_flush(v);
	v->sb.s_free_blocks = cpu_to_le64((u64)v->free_blocks);
	v->sb.s_used_inodes = cpu_to_le64((u64)v->inodes);
	return err;
}

/* How many slots the record of a new inode has, by what is to be in it. */
static u32 record_slots(struct lnkfs_builder *b, const struct lnkfs_build_attr *attr)
{
	struct lnkfs_fs *fs = &b->v->fs;
	u32 least = 1, fork = sizeof(struct lnkfs_device), len;

	if (S_ISREG(attr->mode)) {
		fork = FILE_FORK;
	} else if (S_ISDIR(attr->mode)) {
		fork = DIR_FORK;
		least = DIR_SLOTS;
	} else if (S_ISLNK(attr->mode)) {
		len = (u32)strlen(attr->target);
		least = lnkfs_symlink_slots(fs, len);
		fork = least ? len + 1 : sizeof(struct lnkfs_slow_link);
		least = least ? least : 1;
	}
	return max(least, lnkfs_xattr_slots(fs, fork, attr->xattr_bytes));
}

static void set_attr(struct lnkfs_cinode *ci, const struct lnkfs_build_attr *attr)
{
	ci->mode = attr->mode;
	ci->uid = attr->uid;
	ci->gid = attr->gid;
	ci->atime = attr->atime;
	ci->mtime = attr->mtime;
	ci->ctime = attr->ctime;
	ci->btime = attr->btime;
	ci->flags = attr->flags;
}

static int set_fork(lnkfs_tx *tx, struct lnkfs_builder *b, struct lnkfs_node *node,
		    const struct lnkfs_build_attr *attr)
{
	struct lnkfs_cinode *ci = &node->ci;
	struct lnkfs_fs *fs = &b->v->fs;
	struct lnkfs_device *dev = (void *)ci->area;
	u32 len;

	switch (attr->mode & S_IFMT) {
	case S_IFREG:
		lnkfs_ext_init(ci);
		return 0;
	case S_IFDIR:
		ci->parent = top(b)->ci.ino;
		lnkfs_dir_init(ci);
		return 0;
	case S_IFLNK:
		len = (u32)strlen(attr->target);
		if (!lnkfs_symlink_slots(fs, len))
			return lnkfs_symlink_set_slow(tx, fs, ci, attr->target, len);
		lnkfs_symlink_set_fast(ci, attr->target, len);
		return 0;
	case S_IFBLK:
	case S_IFCHR:
		dev->v_major = cpu_to_le32(attr->major);
		dev->v_minor = cpu_to_le32(attr->minor);
		ci->fork = LNKFS_FORK_DEVICE;
		ci->fork_len = sizeof(*dev);
		return 0;
	default:
		return 0;
	}
}

/* Give an inode, which is not stored, a name in the directory at hand. */
static int add_name(lnkfs_tx *tx, struct lnkfs_builder *b, const char *name, size_t len,
		    struct lnkfs_cinode *ci)
{
	struct lnkfs_cinode *dir = &top(b)->ci;
	struct lnkfs_ref ref = { .dir = dir->ino };
	int err;

	err = lnkfs_dir_add(tx, &b->v->fs, dir, name, (u32)len, ci->ino,
			    (u8)(ci->mode >> 12 & 15), &ref.pos);
	return err ? err : lnkfs_names_add(tx, &b->v->fs, ci, &ref);
}

/* Can an inode be that? What lnkfs_inode_check() refuses must not come on a volume. */
static int check_attr(const struct lnkfs_build_attr *attr)
{
	switch (attr->mode & S_IFMT) {
	case S_IFBLK:
	case S_IFCHR:
		if (attr->major > LNKFS_MAX_MAJOR || attr->minor > LNKFS_MAX_MINOR)
			return -EOVERFLOW;
		break;
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return -EINVAL;
	}
	return attr->uid == ~0u || attr->gid == ~0u ? -EOVERFLOW : 0;
}

/* A new inode in the directory at hand; not stored. */
static int create(struct lnkfs_builder *b, const char *name, size_t len,
		  const struct lnkfs_build_attr *attr, struct lnkfs_node *node)
{
	struct lnkfs_fs *fs = &b->v->fs;
	struct lnkfs_cinode *ci = &node->ci, *dir = &top(b)->ci;
	bool is_dir = S_ISDIR(attr->mode);
	u32 group = lnkfs_group_of(fs, lnkfs_ino_block(fs, dir->ino));
	lnkfs_tx tx;
	int err;

	if (is_dir && dir->nlink >= fs->max_links)
		return -EMLINK;
	memset(node, 0, sizeof(*node));
	ci->area = node->area;
	ci->slots = (u8)record_slots(b, attr);
	ci->area_len = LNKFS_AREA_LEN(ci->slots);
	ci->nlink = is_dir ? 2 : 1;
	if (is_dir)
		group = lnkfs_ialloc_dir_group(fs, group);
	do {
		ci->gen = lnkfs_random32();
	} while (!ci->gen);
	set_attr(ci, attr);
	lnkfs_tx_begin(&tx, b->v, 0);
	err = lnkfs_ialloc(&tx, fs, group, ci->slots, is_dir, &ci->ino);
	if (!err)
		err = set_fork(&tx, b, node, attr);
	if (!err)
		err = add_name(&tx, b, name, len, ci);
	lnkfs_tx_end(&tx);
	if (err)
		return err;
	if (is_dir)
		dir->nlink++;
	return 0;
}

static int lookup(struct lnkfs_builder *b, const char *name, size_t len, struct lnkfs_name *found)
{
	return lnkfs_dir_lookup(&b->v->fs, &top(b)->ci, name, (u32)len, found);
}

/* Go down into a directory, which is made if it is missing. */
static int enter_one(struct lnkfs_builder *b, const char *name, size_t len)
{
	const struct lnkfs_cinode *up = &top(b)->ci;
	const struct lnkfs_build_attr attr = {
		.mode = S_IFDIR | 0755, .uid = up->uid, .gid = up->gid, .atime = up->atime,
		.mtime = up->mtime, .ctime = up->ctime, .btime = up->btime,
	};
	struct lnkfs_name found;
	struct lnkfs_node *node;
	int err;

	err = lookup(b, name, len, &found);
	if (!err && found.type != DT_DIR)
		return -ENOTDIR;
	if (err && err != -ENOENT)
		return err;
	if (!err) {
		err = push(b, name, len);
		return err ? err : load(b, found.ino, top(b));
	}
	node = malloc(sizeof(*node));
	if (!node)
		return -ENOMEM;
	err = create(b, name, len, &attr, node);
	if (!err)
		err = push(b, name, len);
	if (!err) {
		*top(b) = *node;
		top(b)->ci.area = top(b)->area;
	}
	free(node);
	return err;
}

/* The next component of a path, "." left out; its length, 0: there is none. */
static size_t component(const char **path)
{
	size_t len;

	do {
		*path += strspn(*path, "/");
		len = strcspn(*path, "/");
	} while (len == 1 && **path == '.' && (*path += 1));
	return len;
}

/*
 * Make the directory that @path leads to the one at hand, but for the last
 * component: @name and @len, which is 0 for the root itself.
 */
static int enter(struct lnkfs_builder *b, const char *path, const char **name, size_t *len)
{
	const char *next;
	u32 depth = 1;
	size_t more;
	int err = 0;

	for (*name = path, *len = component(name); *len; *name = next, *len = more) {
		if (*len > LNKFS_NAME_LEN)
			return -ENAMETOOLONG;
		if (*len == 2 && !memcmp(*name, "..", 2))
			return -EINVAL;
		next = *name + *len;
		more = component(&next);
		if (!more)
			break;
		if (depth < b->depth && strlen(b->stack[depth]->name) == *len &&
		    !memcmp(b->stack[depth]->name, *name, *len)) {
			depth++;
			continue;
		}
		while (b->depth > depth && !err)
			err = pop(b);
		if (!err)
			err = enter_one(b, *name, *len);
		if (err)
			return err;
		depth++;
	}
	while (b->depth > depth && !err)
		err = pop(b);
	return err;
}

/* The root, or a directory that is there already: it gets its attributes. */
static int add_dir(struct lnkfs_builder *b, const char *name, size_t len,
		   const struct lnkfs_build_attr *attr, struct lnkfs_node **node)
{
	int err = len ? enter_one(b, name, len) : 0;

	if (err)
		return err;
	set_attr(&top(b)->ci, attr);
	*node = top(b);
	return 0;
}

/**
 * lnkfs_build_add() - add an inode under a name
 * @b: builder
 * @path: from the root on; directories on the way are made if need be
 * @attr: what it is to be
 * @node: set to it, for lnkfs_build_xattr(); for regular files as well for
 *	lnkfs_build_data(), and lnkfs_build_done() has to follow
 *
 * A directory may exist already: then it gets the attributes.
 *
 * Return: 0; -EEXIST, -ENOTDIR, -EINVAL for a path with ".." and for a type that there
 * is not, -EOVERFLOW for an owner or a device that cannot be, -ENAMETOOLONG, -EMLINK,
 * -ENOSPC, -ENOMEM, -EIO.
 */
int lnkfs_build_add(struct lnkfs_builder *b, const char *path,
		    const struct lnkfs_build_attr *attr, struct lnkfs_node **node)
{
	struct lnkfs_name found;
	const char *name;
	size_t len;
	int err;

	err = check_attr(attr);
	if (!err)
		err = enter(b, path, &name, &len);
	if (err)
		return err;
	if (S_ISDIR(attr->mode) || !len)
		return S_ISDIR(attr->mode) ? add_dir(b, name, len, attr, node) : -EEXIST;
	err = lookup(b, name, len, &found);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	err = create(b, name, len, attr, &b->file);
	b->run_len = 0;
	*node = &b->file;
	return err;
}

/**
 * lnkfs_build_find() - find what has been added
 * @b: builder
 * @path: from the root on
 * @ino: its number
 *
 * Return: 0, -ENOENT, and as lnkfs_build_add().
 */
int lnkfs_build_find(struct lnkfs_builder *b, const char *path, u64 *ino)
{
	struct lnkfs_name found;
	const char *name;
	size_t len;
	int err;

	err = enter(b, path, &name, &len);
	if (!err && !len)
		err = -EINVAL;
	if (!err)
		err = lookup(b, name, len, &found);
	if (!err)
		*ino = found.ino;
	return err;
}

/**
 * lnkfs_build_link() - add another name of an inode
 * @b: builder
 * @path: the name
 * @ino: the inode, no directory
 *
 * Return: 0; -EPERM for a directory, -EMLINK, and as lnkfs_build_add().
 */
int lnkfs_build_link(struct lnkfs_builder *b, const char *path, u64 ino)
{
	struct lnkfs_name found;
	struct lnkfs_node *node;
	const char *name;
	lnkfs_tx tx;
	size_t len;
	int err;

	err = enter(b, path, &name, &len);
	if (!err)
		err = len ? lookup(b, name, len, &found) : 0;
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	node = malloc(sizeof(*node));
	if (!node)
		return -ENOMEM;
	err = load(b, ino, node);
	if (!err && S_ISDIR(node->ci.mode))
		err = -EPERM;
	if (!err && node->ci.nlink >= b->v->fs.max_links)
		err = -EMLINK;
	if (!err) {
		lnkfs_tx_begin(&tx, b->v, 0);
		err = add_name(&tx, b, name, len, &node->ci);
		lnkfs_tx_end(&tx);
	}
	if (!err) {
		node->ci.nlink++;
		err = store(b, node);
	}
	free(node);
	return err;
}

/**
 * lnkfs_build_open() - make what has been added the inode at hand again
 * @b: builder
 * @ino: its number, no directory
 *
 * A regular file that has no data yet may get them then, as after lnkfs_build_add().
 */
int lnkfs_build_open(struct lnkfs_builder *b, u64 ino)
{
	b->run_len = 0;
	return load(b, ino, &b->file);
}

/**
 * lnkfs_build_xattr() - set an extended attribute
 * @b: builder
 * @node: from lnkfs_build_add(), and nothing has been added since
 * @key: which
 * @value: its value
 * @len: bytes of it
 */
int lnkfs_build_xattr(struct lnkfs_builder *b, struct lnkfs_node *node,
		      const struct lnkfs_xattr_key *key, const void *value, u32 len)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, b->v, 0);
	err = lnkfs_xattr_set(&tx, &b->v->fs, &node->ci, key, value, len, 0);
	lnkfs_tx_end(&tx);
	return err;
}

/**
 * lnkfs_build_link_attr() - say what a symlink is besides its target
 * @b: builder
 * @node: the symlink, from lnkfs_build_add(), and nothing has been added since
 * @la: what it is, and sound
 */
int lnkfs_build_link_attr(struct lnkfs_builder *b, struct lnkfs_node *node,
			  const struct lnkfs_link_attr *la)
{
	lnkfs_tx tx;
	int err;

	lnkfs_tx_begin(&tx, b->v, 0);
	err = lnkfs_link_attr_set(&tx, &b->v->fs, &node->ci, la);
	lnkfs_tx_end(&tx);
	return err;
}

/* Get blocks for the file at hand from logical block @lblk on. */
static int new_run(struct lnkfs_builder *b, u64 lblk, u64 want)
{
	struct lnkfs_ext ext = { .lblk = lblk };
	struct lnkfs_fs *fs = &b->v->fs;
	lnkfs_tx tx;
	u32 got;
	int err;

	if (b->goal >= fs->blocks)
		b->goal = 0;
	lnkfs_tx_begin(&tx, b->v, 0);
	err = lnkfs_balloc(&tx, fs, b->goal, 1, (u32)min_t(u64, want, fs->group_blocks), 0,
			   &ext.block, &got);
	ext.len = got;
	if (!err)
		err = lnkfs_ext_insert(&tx, fs, &b->file.ci, &ext);
	lnkfs_tx_end(&tx);
	if (err)
		return err;
	b->run_block = ext.block;
	b->run_lblk = lblk;
	b->run_len = got;
	b->goal = ext.block + got;
	return 0;
}

/* Queue whole blocks for their place on the volume. */
static int put_blocks(struct lnkfs_builder *b, u64 at, const u8 *data, size_t len, size_t pad)
{
	int err = 0;

	if (b->pending_len && (at != b->pending_at + b->pending_len ||
			       b->pending_len + len + pad > PENDING))
		err = flush_pending(b);
	if (!b->pending_len)
		b->pending_at = at;
	if (!b->dry) {
		memcpy(b->pending + b->pending_len, data, len);
		memset(b->pending + b->pending_len + len, 0, pad);
	}
	b->pending_len += len + pad;
	return err;
}

/**
 * lnkfs_build_data() - write to the file at hand
 * @b: builder
 * @pos: where, a multiple of the block size, and after all that was written
 * @data: what
 * @len: bytes, a multiple of the block size but at the end of the file; less
 *	than 1 MiB
 *
 * What is never written is a hole.
 */
int lnkfs_build_data(struct lnkfs_builder *b, u64 pos, const void *data, size_t len)
{
	struct lnkfs_fs *fs = &b->v->fs;
	const u32 bs = fs->block_size;
	const u8 *p = data;
	int err = 0;

	while (len && !err) {
		u64 lblk = pos >> fs->block_bits, skip = lblk - b->run_lblk;
		size_t n, pad;

		if (!b->run_len || lblk < b->run_lblk || skip >= b->run_len) {
			err = new_run(b, lblk, (len + bs - 1) / bs);
			if (err)
				break;
			skip = 0;
		}
		n = min_t(u64, len, (b->run_len - skip) << fs->block_bits);
		pad = (bs - n % bs) % bs;
		err = put_blocks(b, (b->run_block + skip) << fs->block_bits, p, n, pad);
		pos += n;
		p += n;
		len -= n;
	}
	return err;
}

/**
 * lnkfs_build_segment() - data for a range of the file at hand will follow
 * @b: builder
 * @pos: first byte, a multiple of the block size
 * @len: bytes
 *
 * So that they get adjacent blocks. All of the range has to be written, in order.
 */
int lnkfs_build_segment(struct lnkfs_builder *b, u64 pos, u64 len)
{
	struct lnkfs_fs *fs = &b->v->fs;

	return new_run(b, pos >> fs->block_bits, (len + fs->block_size - 1) >> fs->block_bits);
}

/**
 * lnkfs_build_done() - the inode at hand, no directory, is complete
 * @b: builder
 * @size: of a regular file
 *
 * Return: 0, -EFBIG, or what lnkfs_inode_store() says.
 */
int lnkfs_build_done(struct lnkfs_builder *b, u64 size)
{
	if (S_ISREG(b->file.ci.mode)) {
		if (size > LNKFS_MAX_FILE_SIZE)
			return -EFBIG;
		b->file.ci.size = size;
	}
	return store(b, &b->file);
}
