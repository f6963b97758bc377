/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a crash must have left: the interface between the engine that makes crash
 * states out of a log of dm-log-writes (replay.c) and those who know what the
 * workload had done by then.
 *
 * Marks
 *
 * The workload sends "dmsetup message DEV 0 mark N" with N = 1, 2, 3... in decimal,
 * always ascending, and notes in a ledger of its own format what N stands for, say
 * "before operation N" or "operation N has returned". dm-log-writes puts a mark in
 * the log at once, when it is sent. It puts writes there when they are *durable*: one
 * with FUA when it has completed, any other when a flush completes that was submitted
 * after the write had completed. Hence, in the log:
 *
 *  - before mark N is every write that was durable when N was sent;
 *  - a write which had completed then but was still in the cache of the disk, or which
 *    was on its way, comes after mark N;
 *  - nothing that was submitted after mark N is before it.
 *
 * So in a crash state whose last mark is M (crash_state.mark):
 *
 *  - what was durable before M was sent is there. If fsync() returned before M was sent,
 *    all it promises must hold;
 *  - what began before M was sent may be there, wholly or, if the filesystem promises
 *    nothing, in part;
 *  - what began after mark M + 1 was sent cannot be there: there is no M + 1 yet.
 *
 * The work between the sending of M and of M + 1 is therefore "in flight".
 *
 * States
 *
 * The image of a state is all of the log up to a point, or that and a part of the writes
 * which stood in the disk's cache at the moment (replay.c says how they are chosen).
 * For each of them the engine runs fsck.lnkfs, which replays the journal and must
 * find nothing to repair. Then it opens the volume and asks the oracle, once
 * for each mark that stands in the log right behind the point, which all see the same
 * image. Each state is checked in a child process: check() may crash, and what it does to
 * *priv is lost.
 */
#ifndef LNKFS_CRASHLOG_ORACLE_H
#define LNKFS_CRASHLOG_ORACLE_H

#include "image.h"

/**
 * struct crash_state - a volume after a crash and its recovery
 * @mark: last mark before the crash, 0: none
 * @name: the state's name, by which it can be made again
 * @img: the volume, its journal replayed, open for reading through tools/lib
 * @failures: complaints so far (crash_fail())
 * @quiet: they are counted, but not shown
 */
struct crash_state {
	u32 mark;
	const char *name;
	struct lnkfs_image *img;
	u32 failures;
	bool quiet;
};

/**
 * struct oracle - somebody who knows what must be there
 * @name: for the command line
 * @load: reads the ledger, once, before the first state; ends the program (die()) if
 *	it makes no sense. What it returns is given to the others
 * @wants: may be NULL; false: states whose last mark is @mark are of no interest.
 *	Called with every mark that a state could have
 * @check: complains (crash_fail()) about what is wrong in a state
 */
struct oracle {
	const char *name;
	void *(*load)(const char *ledger_path);
	bool (*wants)(void *priv, u32 mark);
	void (*check)(void *priv, struct crash_state *st);
};

/* Add yours to the list in replay.c. */
extern const struct oracle model_oracle;
extern const struct oracle ace_oracle;
extern const struct oracle ace_sync_oracle;
extern const struct oracle same_oracle;

/* Ends the program: the test itself has failed. */
void die(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));

void crash_fail(struct crash_state *st, const char *fmt, ...) __printf(2, 3);

/**
 * struct crash_stat - what stat(2) would say
 */
struct crash_stat {
	u64 ino;
	u32 mode;
	u32 nlink;
	u32 uid;
	u32 gid;
	u64 size;
	u64 blocks;		/* of the volume's block size */
	u64 mtime;		/* nanoseconds since 1901-12-13 20:45:52 UTC */
};

/*
 * Paths are from the volume's root on; a symlink at the end is not followed. All return
 * 0 (or what is said) or a negative error number, -ENOENT if there is no such name.
 * Errors that mean damage (-EUCLEAN, -EBADMSG, -EIO) have been complained about.
 */
int crash_stat(struct crash_state *st, const char *path, struct crash_stat *out);
/* The whole of a regular file, to be freed by the caller; never NULL on success. */
int crash_read(struct crash_state *st, const char *path, u8 **data, u64 *size);
/* Terminated by NUL; returns the length. */
int crash_readlink(struct crash_state *st, const char *path, char target[LNKFS_SYMLINK_MAX + 1]);
/* @name with its namespace, "user.x"; value to be freed; -ENODATA: none. */
int crash_getxattr(struct crash_state *st, const char *path, const char *name, u8 **value,
		   u32 *len);
/* @each gets every entry but "." and ".."; what it returns unless 0 ends the list. */
int crash_list(struct crash_state *st, const char *path,
	       int (*each)(void *ctx, const char *name, u64 ino, u8 type), void *ctx);

/* The same by inode number, for those who walk the tree (crash_list_ino()). */
int crash_stat_ino(struct crash_state *st, u64 ino, struct crash_stat *out);
int crash_read_ino(struct crash_state *st, u64 ino, u8 **data, u64 *size);
int crash_readlink_ino(struct crash_state *st, u64 ino, char target[LNKFS_SYMLINK_MAX + 1]);
int crash_list_ino(struct crash_state *st, u64 ino,
		   int (*each)(void *ctx, const char *name, u64 ino, u8 type), void *ctx);
/*
 * @each gets every attribute with its namespace and its value; CRASH_LINK is what a
 * symlink is besides its target (struct lnkfs_link_attr).
 */
#define CRASH_LINK	"link"
int crash_xattrs_ino(struct crash_state *st, u64 ino,
		     int (*each)(void *ctx, const char *name, const u8 *value, u32 len),
		     void *ctx);

#endif /* LNKFS_CRASHLOG_ORACLE_H */
