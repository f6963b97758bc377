// SPDX-License-Identifier: GPL-2.0
/*
 * What is on a volume: every inode that has a name, with all that a user can see
 * of it. Files are read block by block through their extents, nothing is mounted.
 */
#include <inttypes.h>

#include "manifest.h"

#define MAX_DEPTH	64

static void *more(void *list, u32 nr, size_t size)
{
	if (nr & (nr - 1) && nr)
		return list;
	list = realloc(list, (nr ? 2 * nr : 1) * size);
	if (!list)
		die("no memory");
	return list;
}

static u32 hash_of(const void *data, size_t len)
{
	return lnkfs_crc32c(~0u, data, len);
}

/* ---- contents ---- */

static void read_file(struct lnkfs_image *img, struct lnkfs_node *node, struct mnode *n)
{
	struct lnkfs_fs *fs = &img->v.fs;
	u64 size = node->ci.size, pos = 0, len, at;
	u8 data[4096];

	while (pos < size) {
		n->error = lnkfs_node_extent(img, node, pos, &len, &at);
		if (n->error)
			return;
		if (!at) {
			pos += len;
			continue;
		}
		len = min_t(u64, fs->block_size, size - pos);
		memset(data, 0, sizeof(data));
		n->error = lnkfs_node_read(img, node, pos, data, len);
		if (n->error)
			return;
		if (memchr_inv(data, 0, len)) {
			n->block = more(n->block, n->nr_block, sizeof(*n->block));
			n->block[n->nr_block].lblk = pos >> fs->block_bits;
			/* As if it ended with its block: the size is compared apart. */
			n->block[n->nr_block++].hash = hash_of(data, fs->block_size);
		}
		pos += len;
	}
}

/**
 * struct reading - an inode being read
 * @img: the volume
 * @node: it
 * @n: what is noted
 */
struct reading {
	struct lnkfs_image *img;
	struct lnkfs_node *node;
	struct mnode *n;
};

static int note_attr(void *ctx, const struct lnkfs_xattr_key *key, u32 len)
{
	static const char *const space[] = { "", "user.", "trusted.", "security.",
					     "system.posix_acl_access",
					     "system.posix_acl_default", "link" };
	struct reading *r = ctx;
	u8 *value = malloc(len + 1);
	struct mattr *a;
	int got;

	r->n->attr = more(r->n->attr, r->n->nr_attr, sizeof(*a));
	a = &r->n->attr[r->n->nr_attr++];
	memset(a, 0, sizeof(*a));
	if (!value || asprintf(&a->name, "%s%.*s", key->space < ARRAY_SIZE(space) ?
			       space[key->space] : "?", key->name_len, key->name) < 0)
		die("no memory");
	a->len = len;
	got = lnkfs_xattr_get(&r->img->v.fs, &r->node->ci, key, value, len);
	if (got < 0)
		a->err = got;
	else
		a->hash = hash_of(value, (u32)got);
	free(value);
	return 0;
}

static int note_name(void *ctx, const struct lnkfs_name *name)
{
	struct reading *r = ctx;
	struct mname *e;

	r->n->name = more(r->n->name, r->n->nr_name, sizeof(*e));
	e = &r->n->name[r->n->nr_name++];
	e->name = strndup(name->name, name->len);
	if (!e->name)
		die("no memory");
	e->ino = name->ino;
	e->type = name->type;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mname *)a)->name, ((const struct mname *)b)->name);
}

static int by_attr(const void *a, const void *b)
{
	return strcmp(((const struct mattr *)a)->name, ((const struct mattr *)b)->name);
}

static void read_contents(struct reading *r)
{
	struct lnkfs_cinode *ci = &r->node->ci;
	struct lnkfs_fs *fs = &r->img->v.fs;
	char target[LNKFS_SYMLINK_MAX + 1];
	u64 pos = 0;
	int err;

	if (S_ISREG(ci->mode)) {
		read_file(r->img, r->node, r->n);
	} else if (S_ISLNK(ci->mode)) {
		r->n->error = lnkfs_node_target(r->img, r->node, target);
		r->n->target = strdup(r->n->error ? "" : target);
	} else if (S_ISDIR(ci->mode)) {
		r->n->error = lnkfs_dir_iterate(fs, ci, &pos, lnkfs_dir_end(fs, ci), note_name, r);
		if (r->n->nr_name)
			qsort(r->n->name, r->n->nr_name, sizeof(*r->n->name), by_name);
	} else if (ci->fork == LNKFS_FORK_DEVICE) {
		const struct lnkfs_device *dev = (const void *)r->node->area;

		r->n->major = le32_to_cpu(dev->v_major);
		r->n->minor = le32_to_cpu(dev->v_minor);
	}
	err = lnkfs_xattr_iterate(fs, ci, note_attr, r);
	if (err && !r->n->error)
		r->n->error = err;
	if (r->n->nr_attr)
		qsort(r->n->attr, r->n->nr_attr, sizeof(*r->n->attr), by_attr);
}

/* ---- the tree ---- */

/**
 * manifest_find() - look an inode up
 * @m: volume
 * @ino: its number
 *
 * Return: the inode, or NULL when none of that number has a name.
 */
struct mnode *manifest_find(const struct manifest *m, u64 ino)
{
	u32 low = 0, high = m->nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (m->node[mid].ci.ino == ino)
			return &m->node[mid];
		if (m->node[mid].ci.ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct mname *mnode_name(const struct mnode *dir, const char *name)
{
	u32 i;

	for (i = 0; i < dir->nr_name; i++)
		if (!strcmp(dir->name[i].name, name))
			return &dir->name[i];
	return NULL;
}

const struct mattr *mnode_attr(const struct mnode *n, const char *name)
{
	u32 i;

	for (i = 0; i < n->nr_attr; i++)
		if (!strcmp(n->attr[i].name, name))
			return &n->attr[i];
	return NULL;
}

/**
 * manifest_path() - look a name up
 * @m: volume
 * @path: from the root on
 *
 * Return: the inode, or NULL.
 */
struct mnode *manifest_path(const struct manifest *m, const char *path)
{
	struct mnode *n = manifest_find(m, le64_to_cpu(m->sb.s_root_ino));
	char name[LNKFS_NAME_LEN + 1];

	while (n && *(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");
		const struct mname *e;

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		e = mnode_name(n, name);
		n = e ? manifest_find(m, e->ino) : NULL;
		path += len;
	}
	return n;
}

/* Room for an inode in its place, or NULL: it is there already. */
static struct mnode *insert(struct manifest *m, u64 ino)
{
	u32 low = 0, high = m->nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (m->node[mid].ci.ino == ino)
			return NULL;
		if (m->node[mid].ci.ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	m->node = more(m->node, m->nr, sizeof(*m->node));
	memmove(&m->node[low + 1], &m->node[low], (m->nr - low) * sizeof(*m->node));
	m->nr++;
	memset(&m->node[low], 0, sizeof(*m->node));
	m->node[low].ci.ino = ino;
	return &m->node[low];
}

static void walk(struct manifest *m, struct lnkfs_image *img, u64 ino, const char *path, u32 depth)
{
	struct lnkfs_node *node = malloc(sizeof(*node));
	struct mnode *n = insert(m, ino), at;
	struct reading r = { img, node, n };
	char *below;
	u32 i;

	if (!node)
		die("no memory");
	if (!n || depth > MAX_DEPTH) {
		free(node);
		return;
	}
	n->path = strdup(path);
	n->error = lnkfs_node_load(img, ino, node);
	if (!n->error) {
		n->ci = node->ci;
		n->ci.area = NULL;
		read_contents(&r);
	}
	free(node);
	at = *n;
	for (i = 0; S_ISDIR(at.ci.mode) && i < at.nr_name; i++) {
		if (asprintf(&below, "%s/%s", depth ? path : "", at.name[i].name) < 0)
			die("no memory");
		walk(m, img, at.name[i].ino, below, depth + 1);
		free(below);
	}
}

/* ---- quota ---- */

static void read_leaf(struct manifest *m, struct lnkfs_image *img, struct lnkfs_node *node,
		      u32 type, u32 block)
{
	u8 data[LNKFS_QUOTA_BLOCK];
	u32 i;

	if (lnkfs_quota_read(&img->v.fs, &node->ci, (u64)block * sizeof(data), data,
			     sizeof(data)) != sizeof(data))
		return;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++) {
		struct lnkfs_quota_entry e;

		memcpy(&e, data + sizeof(struct lnkfs_quota_leaf) + i * sizeof(e), sizeof(e));
		if (!memchr_inv(&e, 0, sizeof(e)))
			continue;
		m->quota = more(m->quota, m->nr_quota, sizeof(*m->quota));
		m->quota[m->nr_quota].type = type;
		m->quota[m->nr_quota++].entry = e;
	}
}

static void read_refs(struct manifest *m, struct lnkfs_image *img, struct lnkfs_node *node,
		      u32 type, u32 block, u32 level, u32 *last)
{
	__le32 ref[LNKFS_QUOTA_REFS];
	u32 i;

	if (lnkfs_quota_read(&img->v.fs, &node->ci, (u64)block * sizeof(ref), ref,
			     sizeof(ref)) != sizeof(ref))
		return;
	for (i = 0; i < LNKFS_QUOTA_REFS; i++) {
		u32 next = le32_to_cpu(ref[i]), k;

		if (!next)
			continue;
		if (level + 1 < LNKFS_QUOTA_LEVELS) {
			read_refs(m, img, node, type, next, level + 1, last);
			continue;
		}
		for (k = 1; k <= last[0] && last[k] != next; k++)
			;
		if (k <= last[0] || last[0] == 63)
			continue;
		last[++last[0]] = next;
		read_leaf(m, img, node, type, next);
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct mquota *x = a, *y = b;
	u32 i = le32_to_cpu(x->entry.q_id), k = le32_to_cpu(y->entry.q_id);

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return i < k ? -1 : i > k;
}

static void read_quota(struct manifest *m, struct lnkfs_image *img)
{
	struct lnkfs_node node;
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++) {
		u64 ino = le64_to_cpu(m->sb.s_quota_ino[type]);
		u32 last[64] = { 0 };

		if (ino && !lnkfs_node_load(img, ino, &node))
			read_refs(m, img, &node, type, 1, 0, last);
	}
	if (m->nr_quota)
		qsort(m->quota, m->nr_quota, sizeof(*m->quota), by_owner);
}

/**
 * manifest_read() - read a volume
 * @path: its image
 *
 * Return: what is there, or with @error set.
 */
struct manifest *manifest_read(const char *path)
{
	struct lnkfs_image *img = malloc(sizeof(*img));
	struct manifest *m = calloc(1, sizeof(*m));
	const char *why;

	if (!img || !m)
		die("no memory");
	m->error = lnkfs_image_open(img, path, &why);
	if (!m->error) {
		m->sb = img->v.sb;
		m->block_size = img->v.fs.block_size;
		walk(m, img, img->v.fs.root_ino, "/", 0);
		read_quota(m, img);
		lnkfs_image_close(img);
	}
	free(img);
	return m;
}

static void node_free(struct mnode *n)
{
	u32 i;

	for (i = 0; i < n->nr_attr; i++)
		free(n->attr[i].name);
	for (i = 0; i < n->nr_name; i++)
		free(n->name[i].name);
	free(n->attr);
	free(n->name);
	free(n->block);
	free(n->target);
	free(n->path);
}

/**
 * manifest_free() - give its memory back
 * @m: see manifest_read()
 */
void manifest_free(struct manifest *m)
{
	u32 i;

	for (i = 0; i < m->nr; i++)
		node_free(&m->node[i]);
	free(m->node);
	free(m->quota);
	free(m);
}

/* ---- as text ---- */

static void print_node(const struct mnode *n, FILE *out)
{
	u32 i, hash = 0;

	if (n->error)
		fprintf(out, "%s: inode %" PRIu64 ": %s\n", n->path, n->ci.ino,
			strerror(-n->error));
	fprintf(out, "%s: inode %" PRIu64 " mode %o uid %u gid %u nlink %u size %" PRIu64
		" mtime %" PRIu64 " ctime %" PRIu64 " flags %x,%x blocks %" PRIu64, n->path,
		n->ci.ino, n->ci.mode, n->ci.uid, n->ci.gid, n->ci.nlink, n->ci.size, n->ci.mtime,
		n->ci.ctime, n->ci.flags, n->ci.lflags, n->ci.blocks);
	for (i = 0; i < n->nr_block; i++)
		hash = lnkfs_crc32c(hash, &n->block[i].hash, sizeof(u32)) ^ (u32)n->block[i].lblk;
	if (n->nr_block)
		fprintf(out, " data %u:%08x", n->nr_block, hash);
	if (n->target)
		fprintf(out, " target %s", n->target);
	if (n->major || n->minor)
		fprintf(out, " device %u,%u", n->major, n->minor);
	fputc('\n', out);
	for (i = 0; i < n->nr_attr; i++)
		fprintf(out, "%s: %s %u:%08x%s\n", n->path, n->attr[i].name, n->attr[i].len,
			n->attr[i].hash, n->attr[i].err ? " cannot be read" : "");
	for (i = 0; i < n->nr_name; i++)
		fprintf(out, "%s: names %s inode %" PRIu64 " type %u\n", n->path, n->name[i].name,
			n->name[i].ino, n->name[i].type);
}

/**
 * manifest_print() - show what is on a volume
 * @m: volume
 * @out: where
 */
void manifest_print(const struct manifest *m, FILE *out)
{
	u32 i;

	if (m->error)
		fprintf(out, "the volume cannot be read: %s\n", strerror(-m->error));
	for (i = 0; i < m->nr; i++)
		print_node(&m->node[i], out);
	for (i = 0; i < m->nr_quota; i++)
		fprintf(out, "quota %u ID %u: hard %" PRIu64 " soft %" PRIu64 " used %" PRIu64 "\n",
			m->quota[i].type, le32_to_cpu(m->quota[i].entry.q_id),
			le64_to_cpu(m->quota[i].entry.q_bhard),
			le64_to_cpu(m->quota[i].entry.q_bsoft),
			le64_to_cpu(m->quota[i].entry.q_space));
}
