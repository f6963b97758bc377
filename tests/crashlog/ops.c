// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "ops.h"

void die(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));

const char *const op_names[OP_CODES] = {
	"mkdir", "create", "tmpfile", "symlink", "fifo",
	"link", "linkfd", "unlink", "rmdir", "rename", "exchange", "setlink",
	"setx", "rmx", "chmod", "chown",
	"write", "dwrite", "trunc", "punch", "zero", "alloc", "collapse", "insert",
	"fsync", "fdatasync", "sync", "drop", "end"
};

/**
 * op_print() - an operation as a line of the ledger
 * @op: operation
 * @buf: where to
 * @len: its room
 *
 * Return: bytes.
 */
int op_print(const struct op *op, char *buf, size_t len)
{
	return snprintf(buf, len, "%u %u %s %d %u %llu %s %s %llu %llu\n", op->mark, op->proc,
			op_names[op->code], op->ret, op->id, (unsigned long long)op->ino,
			*op->a ? op->a : "-", *op->b ? op->b : "-",
			(unsigned long long)op->off, (unsigned long long)op->len);
}

/**
 * op_parse() - read a line of the ledger
 * @op: filled in
 * @line: the line
 *
 * Return: whether it makes sense.
 */
bool op_parse(struct op *op, const char *line)
{
	unsigned long long ino, off, len;
	char code[16];
	u32 i;

	memset(op, 0, sizeof(*op));
	if (sscanf(line, "%u %u %15s %d %u %llu %159s %159s %llu %llu", &op->mark, &op->proc, code,
		   &op->ret, &op->id, &ino, op->a, op->b, &off, &len) != 10)
		return false;
	op->ino = ino;
	op->off = off;
	op->len = len;
	for (i = 0; i < OP_CODES; i++) {
		if (strcmp(op_names[i], code))
			continue;
		op->code = (enum opcode)i;
		return op->proc < PROCS;
	}
	return false;
}

/* ---- contents and sums ---- */

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static u64 content_word(u32 id, u32 mark, u64 n)
{
	return mix(((u64)id << 32 | mark) + n * 0x9e3779b97f4a7c15ULL);
}

/**
 * content_fill() - bytes of a file or an attribute, none of them 0
 * @buf: where to
 * @id: inode
 * @mark: operation that wrote them
 * @off: where they were written
 * @len: how many
 */
void content_fill(u8 *buf, u32 id, u32 mark, u64 off, size_t len)
{
	u64 word = content_word(id, mark, off >> 3);
	size_t i;

	for (i = 0; i < len; i++, off++) {
		if (!(off & 7))
			word = content_word(id, mark, off >> 3);
		buf[i] = (u8)(word >> ((off & 7) * 8));
		if (!buf[i])
			buf[i] = 1;
	}
}

/**
 * content_target() - the target of a symlink
 * @buf: gets it, and a NUL
 * @id: inode
 * @len: its length
 */
void content_target(char *buf, u32 id, u32 len)
{
	u32 i;

	content_fill((u8 *)buf, id, 0, 0, len);
	for (i = 0; i < len; i++)
		buf[i] = (char)('a' + (u8)buf[i] % 26);
	buf[len] = '\0';
}

static u64 hash(u64 h, const void *data, size_t len)
{
	const u8 *p = data;

	for (; len; len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/**
 * sum_name() - what a name adds to the sum of a model
 * @dir: number of the directory, 0: the root
 * @name: the name
 * @ino: number of what it names
 */
u64 sum_name(u64 dir, const char *name, u64 ino)
{
	return mix(hash(mix(dir) ^ mix(ino * 3 + 1), name, strlen(name)));
}

/**
 * sum_inode() - what an inode adds
 * @ino: its number
 * @mode: type and permissions
 * @uid: owner
 * @nlink: links
 */
u64 sum_inode(u64 ino, u32 mode, u32 uid, u32 nlink)
{
	return mix(mix(ino) ^ mix((u64)mode << 32 | nlink) ^ uid * 0x9e3779b97f4a7c15ULL);
}

/**
 * sum_bytes() - what a target, an attribute, or what a link is besides adds
 * @ino: number of the inode
 * @what: SUM_TARGET, SUM_LINK, or the number of the attribute
 * @data: its bytes
 * @len: how many
 */
u64 sum_bytes(u64 ino, u32 what, const u8 *data, size_t len)
{
	return mix(hash(mix(ino) + what, data, len) + len);
}

/* ---- the model ---- */

/**
 * link_attr() - what a symlink is besides its target, as it is on the volume
 * @l: the same in the model
 */
struct lnkfs_link_attr link_attr(const struct mlink *l)
{
	return (struct lnkfs_link_attr){
		.la_kind = (u8)l->what,
		.la_flags = (u8)(l->what >> 8),
		.la_gen = cpu_to_le32(l->gen),
		.la_ino = cpu_to_le64(l->ino),
	};
}

static u64 attr_sum(const struct mfile *f, u32 k)
{
	u8 *value;
	u64 sum;

	if (!f->attr[k].mark)
		return 0;
	value = malloc(f->attr[k].len + 1);
	if (!value)
		die("no memory");
	content_fill(value, f->id, f->attr[k].mark, 0, f->attr[k].len);
	sum = sum_bytes(f->ino, k, value, f->attr[k].len);
	free(value);
	return sum;
}

static u64 link_sum(const struct mfile *f)
{
	struct lnkfs_link_attr la = link_attr(&f->link);

	return f->link.what ? sum_bytes(f->ino, SUM_LINK, (u8 *)&la, sizeof(la)) : 0;
}

static u64 file_sum(const struct mfile *f)
{
	char target[4096];
	u64 sum;
	u32 k;

	if (!f->nlink)
		return 0;
	sum = sum_inode(f->ino, f->mode, f->uid, f->nlink);
	if (S_ISLNK(f->mode)) {
		content_target(target, f->id, f->len);
		sum += sum_bytes(f->ino, SUM_TARGET, (u8 *)target, f->len);
		sum += link_sum(f);
	}
	for (k = 0; k < ATTR_NAMES; k++)
		sum += attr_sum(f, k);
	return sum;
}

/**
 * model_file() - look an inode up
 * @m: model
 * @id: its number in the model
 *
 * Return: the inode, or NULL; it moves with the next one that is made.
 */
struct mfile *model_file(struct model *m, u32 id)
{
	u32 low = 0, high = m->nr_file;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (m->file[mid].id == id)
			return &m->file[mid];
		if (m->file[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct mname *lookup(struct model *m, u32 dir, const char *name, size_t len)
{
	u32 i;

	for (i = 0; i < m->nr_name; i++)
		if (m->name[i].dir == dir && !strncmp(m->name[i].name, name, len) &&
		    !m->name[i].name[len])
			return &m->name[i];
	return NULL;
}

/* Where a path leads: its directory, and its last component. */
static u32 parent(struct model *m, const char *path, const char **last)
{
	const char *slash;
	u32 dir = 0;

	while ((slash = strchr(path, '/'))) {
		struct mname *n = lookup(m, dir, path, (size_t)(slash - path));

		if (!n)
			die("the model has no %s", path);
		dir = n->id;
		path = slash + 1;
	}
	*last = path;
	return dir;
}

/**
 * model_find() - look a path up
 * @m: model
 * @path: from the root on, without a slash before it
 */
struct mname *model_find(struct model *m, const char *path)
{
	const char *last;
	u32 dir = parent(m, path, &last);

	return lookup(m, dir, last, strlen(last));
}

/**
 * model_path() - the path of a name
 * @m: model
 * @n: name
 * @path: gets it, PATH_ROOM bytes
 *
 * Return: false if it is too long.
 */
bool model_path(struct model *m, const struct mname *n, char *path)
{
	char below[PATH_ROOM];
	u32 i;

	if (snprintf(path, PATH_ROOM, "%s", n->name) >= PATH_ROOM - 64)
		return false;
	while (n->dir) {
		for (i = 0; i < m->nr_name && m->name[i].id != n->dir; i++)
			;
		n = &m->name[i];
		strcpy(below, path);
		if (strlen(n->name) + 1 + strlen(below) >= PATH_ROOM - 64)
			return false;
		sprintf(path, "%.63s/%.94s", n->name, below);
	}
	return true;
}

static u64 ino_of(struct model *m, u32 id)
{
	return id ? model_file(m, id)->ino : 0;
}

static u64 name_sum(struct model *m, const struct mname *n)
{
	return sum_name(ino_of(m, n->dir), n->name, ino_of(m, n->id));
}

/* A change of an inode, by as many links, noted as operation @index. */
static void change(struct model *m, u32 id, int links, u32 index)
{
	struct mfile *f = id ? model_file(m, id) : NULL;

	if (!f)
		return;
	m->sum -= file_sum(f);
	f->nlink += (u32)links;
	m->sum += file_sum(f);
	f->touched = index;
	f->named = index;
}

static void add_name(struct model *m, const char *path, u32 id)
{
	const char *last;
	struct mname n = { .dir = parent(m, path, &last), .id = id };

	snprintf(n.name, sizeof(n.name), "%s", last);
	if (!(m->nr_name & (m->nr_name - 1))) {
		m->name = realloc(m->name, (m->nr_name ? 2 * m->nr_name : 1) * sizeof(n));
		if (!m->name)
			die("no memory");
	}
	m->name[m->nr_name++] = n;
	m->sum += name_sum(m, &n);
}

static void del_name(struct model *m, struct mname *n)
{
	m->sum -= name_sum(m, n);
	*n = m->name[--m->nr_name];
}

static void make(struct model *m, const struct op *op, u32 index)
{
	static const u32 types[] = { S_IFDIR, S_IFREG, S_IFREG, S_IFLNK, S_IFIFO };
	struct mfile f = {
		.id = op->mark,
		.ino = op->ino,
		.mode = types[op->code] | (u32)op->off,
		.len = (u32)op->len,
		.touched = index,
		.named = index,
	};
	const char *last;

	if (!(m->nr_file & (m->nr_file - 1))) {
		m->file = realloc(m->file, (m->nr_file ? 2 * m->nr_file : 1) * sizeof(f));
		if (!m->file)
			die("no memory");
	}
	m->file[m->nr_file++] = f;
	if (op->code == OP_TMPFILE)
		return;
	add_name(m, op->a, f.id);
	change(m, f.id, S_ISDIR(f.mode) ? 2 : 1, index);
	change(m, parent(m, op->a, &last), S_ISDIR(f.mode) ? 1 : 0, index);
}

/* A name goes: the inode loses a link, or all of them if it is a directory. */
static void remove_name(struct model *m, const char *path, u32 index)
{
	struct mname *n = model_find(m, path);
	u32 id, dir;
	bool is_dir;

	if (!n)
		die("the model has no %s", path);
	id = n->id;
	dir = n->dir;
	is_dir = S_ISDIR(model_file(m, id)->mode);
	del_name(m, n);
	change(m, id, is_dir ? -2 : -1, index);
	change(m, dir, is_dir ? -1 : 0, index);
}

static void rename_to(struct model *m, const struct op *op, u32 index)
{
	struct mname *n = model_find(m, op->a), *over = model_find(m, op->b);
	u32 id, from, to;
	bool is_dir;
	const char *last;

	if (!n)
		die("the model has no %s", op->a);
	id = n->id;
	from = n->dir;
	/* Two names of one file: nothing happens. */
	if (over && over->id == id)
		return;
	is_dir = S_ISDIR(model_file(m, id)->mode);
	if (over)
		remove_name(m, op->b, index);
	del_name(m, model_find(m, op->a));
	add_name(m, op->b, id);
	to = parent(m, op->b, &last);
	change(m, id, 0, index);
	change(m, from, is_dir ? -1 : 0, index);
	change(m, to, is_dir ? 1 : 0, index);
}

static void exchange(struct model *m, const struct op *op, u32 index)
{
	struct mname *a = model_find(m, op->a), *b = model_find(m, op->b);
	u32 id = a->id;

	m->sum -= name_sum(m, a) + name_sum(m, b);
	a->id = b->id;
	b->id = id;
	m->sum += name_sum(m, a) + name_sum(m, b);
	change(m, a->id, 0, index);
	change(m, b->id, 0, index);
	change(m, a->dir, 0, index);
	change(m, b->dir, 0, index);
}

/* What changes a record, but no name. */
static void set(struct model *m, const struct op *op, u32 index)
{
	struct mfile *f = model_file(m, op->id);

	m->sum -= file_sum(f);
	switch (op->code) {
	case OP_SETX:
		f->attr[op->off] = (struct mval){ op->mark, (u32)op->len };
		f->named = index;
		break;
	case OP_RMX:
		f->attr[op->off].mark = 0;
		f->named = index;
		break;
	case OP_SETLINK:
		f->link = (struct mlink){ op->ino, (u32)op->len, (u32)op->off };
		break;
	case OP_CHMOD:
		f->mode = (f->mode & S_IFMT) | (u32)op->off;
		break;
	default:
		f->uid = (u32)op->off;
	}
	m->sum += file_sum(f);
	f->touched = index;
}

static void resize(struct model *m, const struct op *op)
{
	struct mfile *f = model_file(m, op->id);

	switch (op->code) {
	case OP_WRITE:
	case OP_DWRITE:
		f->size = max(f->size, op->off + op->len);
		break;
	case OP_TRUNC:
		f->size = op->off;
		break;
	case OP_COLLAPSE:
		f->size -= op->len;
		break;
	case OP_INSERT:
		f->size += op->len;
		break;
	default:
		break;
	}
}

/**
 * model_apply() - do what an operation did
 * @m: model
 * @op: operation
 * @index: its place in the order of the process's operations
 */
void model_apply(struct model *m, const struct op *op, u32 index)
{
	if (op->ret)
		return;
	switch (op->code) {
	case OP_MKDIR:
	case OP_CREATE:
	case OP_TMPFILE:
	case OP_SYMLINK:
	case OP_FIFO:
		make(m, op, index);
		break;
	case OP_LINK:
	case OP_LINKFD:
		add_name(m, op->b, op->id);
		change(m, op->id, 1, index);
		change(m, m->name[m->nr_name - 1].dir, 0, index);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		remove_name(m, op->a, index);
		break;
	case OP_RENAME:
		rename_to(m, op, index);
		break;
	case OP_EXCHANGE:
		exchange(m, op, index);
		break;
	case OP_SETLINK:
	case OP_SETX:
	case OP_RMX:
	case OP_CHMOD:
	case OP_CHOWN:
		set(m, op, index);
		break;
	default:
		if (op->id && model_file(m, op->id) && op->code < OP_FSYNC)
			resize(m, op);
	}
}

static void *copy(const void *list, u32 nr, size_t size)
{
	u32 room = 1;
	void *new;

	/* As much room as there is in one that has grown: a power of two. */
	while (room < nr)
		room *= 2;
	new = malloc(room * size);
	if (!new)
		die("no memory");
	if (nr)
		memcpy(new, list, nr * size);
	return new;
}

/**
 * model_copy() - copy a model
 * @m: it
 */
struct model model_copy(const struct model *m)
{
	struct model new = *m;

	new.file = copy(m->file, m->nr_file, sizeof(*m->file));
	new.name = copy(m->name, m->nr_name, sizeof(*m->name));
	return new;
}

/**
 * model_free() - give its memory back
 * @m: a model
 */
void model_free(struct model *m)
{
	free(m->file);
	free(m->name);
}
