/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the race test share. Operations (names.c, track.c, data.c, attrs.c,
 * volume.c) are run by several processes at once on the few names that
 * pick_path() gives, in the current directory; verify.c judges what they leave.
 */
#ifndef RACES_H
#define RACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DIRS		2	/* "a" and "b" */
#define STABLE		24	/* names in each that nobody touches */
#define UNIT		512	/* data are written in such units */
#define DATA_LIMIT	(192 * 1024)
#define HANDLES		64
#define MAX_ERRNO	140
#define TARGET_MAX	4096
#define KNOWN		4	/* tracked links of which is known where they lead */
#define NAMES_ROOM	8192	/* bytes for names of an inode */

/* struct op.traits */
#define OP_MMAP		0x1	/* stores through a mapping */
#define OP_DIRECT	0x2	/* writes past the page cache */
#define OP_CRASH	0x4	/* may shut the volume down */
#define OP_QUOTA	0x8	/* wants a volume with quota */
#define OP_FREEZE	0x10	/* may leave the volume frozen */
#define OP_TRACK	0x20	/* makes tracked links */

struct worker;

/**
 * struct op - a kind of operation
 * @name: what it is called
 * @run: does it once
 * @traits: OP_*
 * @errs: errno that it may give, ended by 0
 * @side: errno that it may bring upon others, ended by 0
 */
struct op {
	const char *name;
	void (*run)(struct worker *w);
	unsigned int traits;
	const int *errs;
	const int *side;
};

/* A file handle that somebody made, and which file it was made of. */
struct noted {
	int lock;
	bool used;
	uint64_t ino;
	int64_t btime;
	int type;
	uint32_t bytes;
	unsigned char fh[64];
};

/* In memory that all processes share. */
struct shared {
	int stop;
	int failures;
	int shut;
	unsigned long calls[8];
	unsigned long refused[8];
	unsigned long stale;
	uint64_t tracked[KNOWN];	/* inodes that the known links track */
	uint64_t texts[KNOWN][DIRS];	/* those that their text names */
	struct noted handles[HANDLES];
};

struct worker {
	const struct op *op;
	unsigned int traits;		/* of all operations of the mix */
	uint64_t random;
	int number;
	int root;			/* the volume's root directory */
	bool allowed[MAX_ERRNO];
	unsigned long refused;
	const char *device;
	const char *mount;
};

extern struct shared *shared;
extern const struct op ops[];
extern const unsigned int nr_ops;

/* races.c */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint32_t below(struct worker *w, uint32_t n);
long may(struct worker *w, const char *what, long ret);
void nap(unsigned int us);

/* names.c */
void pick_path(struct worker *w, char *path);
int open_any(struct worker *w, int flags, char *path);
void make_target(char *target, unsigned int nr, bool slow);
const char *bad_target(const char *target, size_t len);
void stable_name(char *name, const char *dir, unsigned int nr);
void stable_text(char *text, unsigned int nr);
void op_create(struct worker *w);
void op_tmpfile(struct worker *w);
void op_link(struct worker *w);
void op_symlink_fast(struct worker *w);
void op_symlink_slow(struct worker *w);
void op_readlink(struct worker *w);
void op_follow(struct worker *w);
void op_unlink(struct worker *w);
void op_orphan(struct worker *w);
void op_mkdir(struct worker *w);
void op_rmdir(struct worker *w);
void op_rename(struct worker *w);
void op_exchange(struct worker *w);
void op_replace(struct worker *w);
void op_list(struct worker *w);
void op_lookup(struct worker *w);
void op_handle(struct worker *w);

/* track.c */
struct lnkfs_link;
struct lnkfs_name_record;

void populate_tracked(const char *dir);
void note_texts(const char *root);
const char *bad_lead(const char *target, size_t len);
const char *bad_link(const struct lnkfs_link *l, const char *text);
long get_link(int carrier, const char *path, struct lnkfs_link *l, char *text);
long get_names(int carrier, int fd, uint64_t ino, uint32_t gen, uint32_t room,
	       void (*each)(void *ctx, const struct lnkfs_name_record *r), void *ctx);
void op_track(struct worker *w);
void op_new_track(struct worker *w);
void op_untrack(struct worker *w);
void op_follow_track(struct worker *w);
void op_getlink(struct worker *w);
void op_getnames(struct worker *w);
void op_move(struct worker *w);

/* data.c */
uint64_t file_id(int fd);
size_t bad_byte(const unsigned char *data, size_t len, uint64_t id);
void fill_units(struct worker *w, void *data, size_t len, uint64_t id);
void op_write(struct worker *w);
void op_direct(struct worker *w);
void op_mmap(struct worker *w);
void op_read(struct worker *w);
void op_truncate(struct worker *w);
void op_fallocate(struct worker *w);
void op_copy(struct worker *w);
void op_fsync(struct worker *w);
void op_map(struct worker *w);
void data_init(void);

/* attrs.c */
const char *bad_xattr(const char *name, const unsigned char *value, size_t len);
void op_chmod(struct worker *w);
void op_chown(struct worker *w);
void op_flags(struct worker *w);
void op_setxattr(struct worker *w);
void op_getxattr(struct worker *w);
void op_acl(struct worker *w);
void op_project(struct worker *w);
void op_quota(struct worker *w);

/* volume.c */
void op_trim(struct worker *w);
void op_fsmap(struct worker *w);
void op_grow(struct worker *w);
void op_freeze(struct worker *w);
void op_remount(struct worker *w);
void op_statfs(struct worker *w);
void op_sync(struct worker *w);
void op_drop(struct worker *w);
void op_shutdown(struct worker *w);
void drop_caches(void);

/* verify.c */
struct snapshot;

struct snapshot *snapshot_take(const char *root, unsigned int traits);
void snapshot_compare(const struct snapshot *a, const struct snapshot *b, const char *what);
void snapshot_free(struct snapshot *s);

#endif /* RACES_H */
