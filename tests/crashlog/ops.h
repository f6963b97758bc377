/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations of the workload: what they are called in the ledger, and what they do to
 * names and inodes. The guest chooses them by this model; the host computes from it what
 * must be there after a crash.
 */
#ifndef LNKFS_CRASHLOG_OPS_H
#define LNKFS_CRASHLOG_OPS_H

#include "host_user_types.h"
#include "lnkfs_format.h"

#define PROCS		3	/* processes, each in a directory of its own */
#define PATH_ROOM	160
#define ATTR_NAMES	6	/* user.0 and so on */
#define MAX_SIZE	49152	/* bytes of a file */
#define SUM_TARGET	100	/* what sum_bytes() is about; attributes have their number */
#define SUM_LINK	101	/* what a symlink is besides its target */

enum opcode {
	OP_MKDIR, OP_CREATE, OP_TMPFILE, OP_SYMLINK, OP_FIFO,	/* new inodes */
	OP_LINK, OP_LINKFD, OP_UNLINK, OP_RMDIR, OP_RENAME, OP_EXCHANGE,
	OP_SETLINK,
	OP_SETX, OP_RMX, OP_CHMOD, OP_CHOWN,
	OP_WRITE, OP_DWRITE, OP_TRUNC, OP_PUNCH, OP_ZERO, OP_ALLOC, OP_COLLAPSE, OP_INSERT,
	OP_FSYNC, OP_FDATASYNC, OP_SYNC, OP_DROP, OP_END, OP_CODES
};

extern const char *const op_names[OP_CODES];

/**
 * struct op - an operation
 * @mark: mark that was sent before it; the number of an inode it makes, too
 * @proc: who did it
 * @code: what it is
 * @ret: 0, or the negative error number: then it has done nothing
 * @id: inode that it is about, or 0
 * @ino: number that a new inode got, or that a link tracks
 * @a: path
 * @b: second path
 * @off: offset, new size, mode, owner, number of an attribute, kind and flags of a link
 * @len: length, generation of what a link tracks
 */
struct op {
	u32 mark;
	u32 proc;
	enum opcode code;
	int ret;
	u32 id;
	u64 ino;
	char a[PATH_ROOM];
	char b[PATH_ROOM];
	u64 off;
	u64 len;
};

int op_print(const struct op *op, char *buf, size_t len);
bool op_parse(struct op *op, const char *line);

/**
 * struct mval - an attribute of a model's inode
 * @mark: of the operation that set it; 0: there is none
 * @len: its length
 */
struct mval {
	u32 mark;
	u32 len;
};

/**
 * struct mlink - what a symlink of the model is besides its target
 * @ino: number of what it tracks
 * @gen: its generation
 * @what: kind, and flags << 8
 */
struct mlink {
	u64 ino;
	u32 gen;
	u32 what;
};

/**
 * struct mfile - an inode of the model
 * @id: mark of the operation that made it
 * @ino: its number on the volume
 * @mode: type and permissions
 * @uid: owner
 * @nlink: links
 * @len: of a symlink's target
 * @link: what a symlink is besides
 * @attr: its attributes
 * @size: of a regular file
 * @touched: last operation that changed the inode's record or a name of it
 * @named: the same without modes and owners, for which fdatasync() need not care
 */
struct mfile {
	u32 id;
	u64 ino;
	u32 mode;
	u32 uid;
	u32 nlink;
	u32 len;
	struct mlink link;
	struct mval attr[ATTR_NAMES];
	u64 size;
	u32 touched;
	u32 named;
};

/**
 * struct mname - a name of the model
 * @dir: inode of the directory, 0: the root
 * @name: the name
 * @id: what it names
 */
struct mname {
	u32 dir;
	char name[64];
	u32 id;
};

/**
 * struct model - what one process has made
 * @file: inodes, also those without a name, in the order of their making
 * @nr_file: how many
 * @name: names, in no order
 * @nr_name: how many
 * @sum: over all names and all inodes that have one
 */
struct model {
	struct mfile *file;
	u32 nr_file;
	struct mname *name;
	u32 nr_name;
	u64 sum;
};

void model_apply(struct model *m, const struct op *op, u32 index);
struct mfile *model_file(struct model *m, u32 id);
struct mname *model_find(struct model *m, const char *path);
bool model_path(struct model *m, const struct mname *n, char *path);
struct model model_copy(const struct model *m);
void model_free(struct model *m);

/* The sum of one thing, to compare a volume with a model. */
u64 sum_name(u64 dir, const char *name, u64 ino);
u64 sum_inode(u64 ino, u32 mode, u32 uid, u32 nlink);
u64 sum_bytes(u64 ino, u32 what, const u8 *data, size_t len);

struct lnkfs_link_attr link_attr(const struct mlink *l);

/* What stands in files, targets and attributes: @mark is that of the operation. */
void content_fill(u8 *buf, u32 id, u32 mark, u64 off, size_t len);
void content_target(char *buf, u32 id, u32 len);

#endif /* LNKFS_CRASHLOG_OPS_H */
