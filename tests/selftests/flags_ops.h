/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of the flags table, one row each: what is done to the object
 * "o", on which types, and which checks stand before it, in the order in
 * which they are made. Every expectation of the table follows from the rows
 * and from the meaning of the letters:
 *
 *   i   the object is immutable           EPERM
 *   a   it is append-only                 EPERM
 *   n   it may not be unlinked            EPERM
 *   w   the user may not write to it      EACCES
 *   o   the user is not the owner         EPERM
 *   p   the user is not root              EPERM
 *   E   always                            EPERM
 *   f   append-only; ext4 does not look   EPERM
 *   m   immutable, found by a page fault  EFAULT
 *   M   append-only, found by mmap(2)     EACCES
 */
#ifndef LNKFS_FLAGS_OPS_H
#define LNKFS_FLAGS_OPS_H

#include <sys/mman.h>
#include <sys/xattr.h>
#include <linux/falloc.h>

#include "attr_util.h"

/* What a row works with beyond the object; "x" is a bystander, "p" a directory. */
struct job {
	int op, prepare;
	enum type type;
	uint32_t word;		/* of the rows that set flags */
};

#define B(t)	(1u << (t))
#define REG	B(T_REG)
#define DIRS	B(T_DIR)
#define LINKS	(B(T_FAST) | B(T_SLOW))
#define SPECIAL	(B(T_FIFO) | B(T_SOCK) | B(T_CHR) | B(T_BLK))
#define OPENS	(REG | B(T_FIFO) | B(T_CHR) | B(T_BLK))
#define NONDIR	(REG | LINKS | SPECIAL)
#define ALL	(NONDIR | DIRS)

/* What a row does to the scene, and wants of it. */
#define KEEPS	1u		/* success leaves all fit for the next cell */
#define FILLED	2u		/* the directory has entries */

struct op {
	const char *name;
	long (*run)(const struct job *j);
	long (*prepare)(const struct job *j);	/* before the flag; anyone may write */
	unsigned int types;
	const char *checks;
	unsigned int how;
	long (*undo)(const struct job *j);	/* by root, flags cleared; else all is made anew */
	unsigned int except;	/* users whom the row has nothing to say about */
	unsigned int probe;	/* PROBE_*: what success may turn into */
};

enum { PROBE_NONE, PROBE_XATTR, PROBE_TRUSTED, PROBE_FALLOC, PROBE_PUNCH, NPROBES };

/* What the preparation of a row leaves to the row. */
static int old_fd = -1, old_append = -1, source_fd = -1;
static char *old_map;

static long close_it(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

static long open_close(const char *name, int flags)
{
	return close_it(open(name, flags | O_NONBLOCK, 0644));
}

static long write_close(int flags)
{
	int fd = open("o", flags | O_NONBLOCK), err;
	long ret;

	if (fd < 0)
		return -1;
	ret = write(fd, "more", 4);
	err = errno;
	close(fd);
	errno = err;
	return ret == 4 ? 0 : -1;
}

static long op_read(const struct job *j)
{
	return open_close("o", O_RDONLY);
}

static long op_readlink(const struct job *j)
{
	char buf[4096];

	return readlink("o", buf, sizeof(buf)) > 0 ? 0 : -1;
}

static long op_open_write(const struct job *j)
{
	return open_close("o", j->type == T_FIFO ? O_RDWR : O_WRONLY);
}

static long op_open_creat(const struct job *j)
{
	return open_close("o", O_CREAT | (j->type == T_FIFO ? O_RDWR : O_WRONLY));
}

static long op_append(const struct job *j)
{
	if (j->type == T_BLK)
		return open_close("o", O_WRONLY | O_APPEND);
	return write_close((j->type == T_FIFO ? O_RDWR : O_WRONLY) | O_APPEND);
}

static long op_trunc(const struct job *j)
{
	return open_close("o", O_WRONLY | O_TRUNC);
}

static long op_trunc_append(const struct job *j)
{
	return open_close("o", O_WRONLY | O_APPEND | O_TRUNC);
}

static long op_trunc_rdonly(const struct job *j)
{
	return open_close("o", O_RDONLY | O_TRUNC);
}

static long op_truncate(const struct job *j)
{
	return truncate("o", 3);
}

static long op_extend(const struct job *j)
{
	return truncate("o", 10000);
}

static long prep_open(const struct job *j)
{
	old_fd = open("o", O_RDWR);
	old_append = open("o", O_RDWR | O_APPEND);
	if (old_fd < 0 || old_append < 0)
		return -1;
	/* some rows leave it empty */
	return lseek(old_fd, 0, SEEK_END) ? 0 : ftruncate(old_fd, 10);
}

static long prep_map(const struct job *j)
{
	if (prep_open(j))
		return -1;
	source_fd = open("x", O_RDONLY);
	old_map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, old_fd, 0);
	if (old_map == MAP_FAILED) {
		old_map = NULL;
		return -1;
	}
	return source_fd < 0 ? -1 : 0;
}

static long prep_map_dirty(const struct job *j)
{
	if (prep_map(j))
		return -1;
	*(volatile char *)old_map = 'T';
	return 0;
}

/* Give back what a preparation took. */
static void op_done(void)
{
	if (old_map)
		munmap(old_map, 4096);
	old_map = NULL;
	close(old_fd);
	close(old_append);
	close(source_fd);
	old_fd = old_append = source_fd = -1;
}

static long op_ftruncate(const struct job *j)
{
	return ftruncate(old_fd, 3);
}

static long op_old_write(const struct job *j)
{
	return pwrite(old_fd, "over", 4, 0) == 4 ? 0 : -1;
}

static long op_old_extend(const struct job *j)
{
	return pwrite(old_fd, "more", 4, lseek(old_fd, 0, SEEK_END)) == 4 ? 0 : -1;
}

static long op_old_append(const struct job *j)
{
	return write(old_append, "more", 4) == 4 ? 0 : -1;
}

static long op_old_map_write(const struct job *j)
{
	/* The kernel meets the fault and says so, instead of a signal. */
	return pread(source_fd, old_map, 4, 0) == 4 ? 0 : -1;
}

static long op_old_mmap(const struct job *j)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, old_fd, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long op_old_fchmod(const struct job *j)
{
	return fchmod(old_fd, 0600);
}

static long op_fallocate(const struct job *j)
{
	return fallocate(old_fd, FALLOC_FL_KEEP_SIZE, 0, 8192);
}

static long op_punch(const struct job *j)
{
	return fallocate(old_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4);
}

static long op_drop_append(const struct job *j)
{
	return fcntl(old_append, F_SETFL, 0);
}

static long op_unlink(const struct job *j)
{
	return unlink("o");
}

static long op_rmdir(const struct job *j)
{
	return rmdir("o");
}

static long op_rename(const struct job *j)
{
	return rename("o", "n");
}

static long op_rename_away(const struct job *j)
{
	return rename("o", "p/o");
}

static long op_victim(const struct job *j)
{
	return rename("x", "o");
}

static long op_exchange(const struct job *j)
{
	return renameat2(AT_FDCWD, "o", AT_FDCWD, "x", RENAME_EXCHANGE);
}

static long op_exchanged(const struct job *j)
{
	return renameat2(AT_FDCWD, "x", AT_FDCWD, "o", RENAME_EXCHANGE);
}

static long op_link(const struct job *j)
{
	return link("o", "n");
}

static long op_chmod(const struct job *j)
{
	return chmod("o", 0600);
}

static long op_lchmod(const struct job *j)
{
	return lchmod_("o", 0500);
}

static long op_chgrp(const struct job *j)
{
	return lchown("o", -1, getegid());
}

static long op_chown(const struct job *j)
{
	return lchown("o", OTHER_UID, -1);
}

static long op_chown_nothing(const struct job *j)
{
	return lchown("o", -1, -1);
}

static long op_utimes(const struct job *j)
{
	struct timespec ts[2] = { { 100, 0 }, { 200, 0 } };

	return utimensat(AT_FDCWD, "o", ts, AT_SYMLINK_NOFOLLOW);
}

static long op_utimes_mtime(const struct job *j)
{
	struct timespec ts[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };

	return utimensat(AT_FDCWD, "o", ts, AT_SYMLINK_NOFOLLOW);
}

static long op_touch(const struct job *j)
{
	return utimensat(AT_FDCWD, "o", NULL, AT_SYMLINK_NOFOLLOW);
}

static long op_setxattr(const struct job *j)
{
	return lsetxattr("o", "user.test", "value", 5, 0);
}

static long op_settrusted(const struct job *j)
{
	return lsetxattr("o", "trusted.test", "value", 5, 0);
}

static long op_create_in(const struct job *j)
{
	return open_close("o/n", O_CREAT | O_EXCL | O_WRONLY);
}

static long op_tmpfile_in(const struct job *j)
{
	return open_close("o", O_TMPFILE | O_WRONLY);
}

static long op_mkdir_in(const struct job *j)
{
	return mkdir("o/n", 0755);
}

static long op_mkfifo_in(const struct job *j)
{
	return mknod("o/n", S_IFIFO | 0644, 0);
}

static long op_symlink_in(const struct job *j)
{
	return symlink("target", "o/n");
}

static long op_link_in(const struct job *j)
{
	return link("p/e", "o/n");
}

static long op_unlink_in(const struct job *j)
{
	return unlink("o/e");
}

static long op_rmdir_in(const struct job *j)
{
	return rmdir("o/s");
}

static long op_rename_in(const struct job *j)
{
	return rename("p/e", "o/n");
}

static long op_rename_over(const struct job *j)
{
	return rename("p/e", "o/e");
}

static long op_rename_out(const struct job *j)
{
	return rename("o/e", "p/n");
}

static long op_rename_inside(const struct job *j)
{
	return rename("o/e", "o/n");
}

static long op_exchange_in(const struct job *j)
{
	return renameat2(AT_FDCWD, "p/e", AT_FDCWD, "o/e", RENAME_EXCHANGE);
}

static long op_write_inside(const struct job *j)
{
	return open_close("o/e", O_WRONLY | O_TRUNC);
}

static long op_chmod_inside(const struct job *j)
{
	return chmod("o/e", 0600);
}

static long op_set_flags(const struct job *j)
{
	return lchflags("o", j->word);
}

/* What follows puts the scene back as it was after a success. */
static long undo_attrs(const struct job *j)
{
	if (lchown("o", TEST_UID, TEST_GID))
		return -1;
	if (is_link(j->type))
		return lchmod_("o", 0777);
	return chmod("o", j->type == T_DIR ? 0755 : 0644);
}

static long undo_rename(const struct job *j)
{
	return rename("n", "o");
}

static long undo_rename_away(const struct job *j)
{
	return rename("p/o", "o");
}

static long undo_link(const struct job *j)
{
	return unlink("n");
}

static long undo_unlink(const struct job *j)
{
	return make_object("o", j->type);
}

static long undo_create_in(const struct job *j)
{
	return remove("o/n");
}

static long make_entry(const char *name)
{
	return create_text(name, "an entry") ?: chmod(name, 0666) ?:
	       lchown(name, TEST_UID, TEST_GID);
}

static long undo_unlink_in(const struct job *j)
{
	return make_entry("o/e");
}

static long undo_rmdir_in(const struct job *j)
{
	return mkdir("o/s", 0755);
}

static long undo_rename_in(const struct job *j)
{
	return rename("o/n", "p/e");
}

static long undo_rename_over(const struct job *j)
{
	return make_entry("p/e");
}

static long undo_rename_out(const struct job *j)
{
	return rename("p/n", "o/e");
}

static long undo_rename_inside(const struct job *j)
{
	return rename("o/n", "o/e");
}

static long undo_chmod_inside(const struct job *j)
{
	return chmod("o/e", 0666);
}

/* The rows with entries in the directory come last, that of flags is first. */
static const struct op ops[] = {
	{ "set flags", op_set_flags, NULL, ALL, "", 0 },

	{ "open for reading", op_read, NULL, OPENS | DIRS, "", KEEPS },
	{ "readlink", op_readlink, NULL, LINKS, "", KEEPS },
	{ "open for writing", op_open_write, NULL, OPENS | B(T_SOCK), "iwa", KEEPS },
	{ "open O_CREAT", op_open_creat, NULL, OPENS, "iwa", KEEPS },
	{ "open O_APPEND, write", op_append, NULL, OPENS, "iw", KEEPS },
	{ "open O_TRUNC", op_trunc, NULL, REG, "iwa", KEEPS },
	{ "open O_APPEND|O_TRUNC", op_trunc_append, NULL, REG, "iwa", KEEPS },
	{ "open O_RDONLY|O_TRUNC", op_trunc_rdonly, NULL, REG, "iwa", KEEPS },
	{ "truncate", op_truncate, NULL, REG, "iwa", KEEPS },
	{ "extend by truncate", op_extend, NULL, REG, "iwa", KEEPS },
	{ "unlink", op_unlink, NULL, NONDIR, "ian", 0, undo_unlink },
	{ "rmdir", op_rmdir, NULL, DIRS, "ian", 0, undo_unlink },
	{ "rename", op_rename, NULL, ALL, "ian", 0, undo_rename },
	/* another parent: ".." of a directory is written */
	{ "rename to another directory", op_rename_away, NULL, NONDIR, "ian", 0,
	  undo_rename_away },
	{ "rename to another directory", op_rename_away, NULL, DIRS, "iawn", 0,
	  undo_rename_away },
	{ "rename onto it", op_victim, NULL, ALL, "ian", 0 },
	{ "RENAME_EXCHANGE, first", op_exchange, NULL, ALL, "ian", 0, op_exchange },
	{ "RENAME_EXCHANGE, second", op_exchanged, NULL, ALL, "ian", 0, op_exchange },
	{ "link", op_link, NULL, NONDIR, "ia", 0, undo_link },
	{ "link", op_link, NULL, DIRS, "E", 0, undo_link },
	{ "chmod", op_chmod, NULL, ALL & ~LINKS, "iao", 0, undo_attrs },
	{ "lchmod", op_lchmod, NULL, LINKS, "iao", 0, undo_attrs },
	{ "chgrp", op_chgrp, NULL, ALL, "iao", 0, undo_attrs },
	/* that user has no number in the namespace */
	{ "chown", op_chown, NULL, ALL, "iap", 0, undo_attrs, B(U_NSROOT) },
	{ "chown -1 -1", op_chown_nothing, NULL, ALL, "i", KEEPS },
	{ "utimes", op_utimes, NULL, ALL, "iao", KEEPS },
	{ "utimes of mtime alone", op_utimes_mtime, NULL, ALL, "iao", KEEPS },
	{ "utimes NULL", op_touch, NULL, ALL, "iw", KEEPS },
	{ "setxattr user", op_setxattr, NULL, REG | DIRS, "iaw", KEEPS, .probe = PROBE_XATTR },
	{ "setxattr user", op_setxattr, NULL, LINKS | SPECIAL, "E", KEEPS },
	{ "setxattr trusted", op_settrusted, NULL, ALL, "iap", KEEPS, NULL, B(U_NSROOT),
	  .probe = PROBE_TRUSTED },

	/* through descriptors from before */
	{ "ftruncate", op_ftruncate, prep_open, REG, "ia", KEEPS },
	{ "overwrite", op_old_write, prep_open, REG, "if", KEEPS },
	{ "write at the end", op_old_extend, prep_open, REG, "i", KEEPS },
	{ "append by an old descriptor", op_old_append, prep_open, REG, "i", KEEPS },
	{ "write to an old mapping", op_old_map_write, prep_map, REG, "m", KEEPS },
	{ "write to an old dirty mapping", op_old_map_write, prep_map_dirty, REG, "m", KEEPS },
	{ "mmap an old descriptor", op_old_mmap, prep_open, REG, "M", KEEPS },
	{ "fchmod", op_old_fchmod, prep_open, REG, "iao", 0 },
	{ "fallocate", op_fallocate, prep_open, REG, "i", KEEPS, .probe = PROBE_FALLOC },
	{ "punch a hole", op_punch, prep_open, REG, "ai", KEEPS, .probe = PROBE_PUNCH },
	{ "drop O_APPEND", op_drop_append, prep_open, REG, "a", KEEPS },

	/* entries of a directory */
	{ "create in", op_create_in, NULL, DIRS, "iw", FILLED, undo_create_in },
	{ "O_TMPFILE in", op_tmpfile_in, NULL, DIRS, "iw", KEEPS | FILLED },
	{ "mkdir in", op_mkdir_in, NULL, DIRS, "iw", FILLED, undo_create_in },
	{ "mkfifo in", op_mkfifo_in, NULL, DIRS, "iw", FILLED, undo_create_in },
	{ "symlink in", op_symlink_in, NULL, DIRS, "iw", FILLED, undo_create_in },
	{ "link into", op_link_in, NULL, DIRS, "iw", FILLED, undo_create_in },
	{ "unlink in", op_unlink_in, NULL, DIRS, "iwa", FILLED, undo_unlink_in },
	{ "rmdir in", op_rmdir_in, NULL, DIRS, "iwa", FILLED, undo_rmdir_in },
	{ "rename into", op_rename_in, NULL, DIRS, "iw", FILLED, undo_rename_in },
	{ "rename over an entry", op_rename_over, NULL, DIRS, "iwa", FILLED, undo_rename_over },
	{ "rename out of", op_rename_out, NULL, DIRS, "iwa", FILLED, undo_rename_out },
	{ "rename inside", op_rename_inside, NULL, DIRS, "iwa", FILLED, undo_rename_inside },
	{ "RENAME_EXCHANGE with an entry", op_exchange_in, NULL, DIRS, "iwa", FILLED,
	  op_exchange_in },
	{ "write to a file inside", op_write_inside, NULL, DIRS, "", KEEPS | FILLED },
	{ "chmod of a file inside", op_chmod_inside, NULL, DIRS, "o", FILLED, undo_chmod_inside },
};

#endif /* LNKFS_FLAGS_OPS_H */
