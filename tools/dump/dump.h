/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of dump.lnkfs. Each shows one subject, prints problems as part of
 * the output, and returns 0 or a negative error number.
 */
#ifndef DUMP_DUMP_H
#define DUMP_DUMP_H

#include "log.h"
#include "out.h"
#include "volume.h"

/**
 * struct dump - a run
 * @v: volume; groups whose descriptor is damaged have no figures
 * @o: output
 * @why: what is wrong with the primary superblock, or NULL
 * @log: its journal
 * @log_why: what is wrong with that, or NULL
 * @log_err: error of opening it
 */
struct dump {
	struct lnkfs_volume *v;
	struct out o;
	const char *why;
	struct lnkfs_log log;
	const char *log_why;
	int log_err;
};

/* volume.c */
int dump_super(struct dump *d);
int dump_groups(struct dump *d);
int dump_free(struct dump *d);
const char *dump_type_name(enum lnkfs_btype type);

/* inode.c */
int dump_find(struct dump *d, const char *what, u64 *ino);
int dump_inode(struct dump *d, u64 ino);
int dump_dir(struct dump *d, u64 ino);
int dump_extents(struct dump *d, u64 ino);
void dump_record(struct dump *d, const void *data, u64 block, u32 slot);

/* names.c */
void dump_refs(struct dump *d, const u8 *rec, u32 count, const u8 *end, u64 owner);
int dump_names(struct dump *d, u64 ino);

/* block.c */
int dump_block(struct dump *d, u64 block);
int dump_journal(struct dump *d);

/* picture.c */
int dump_picture(struct dump *d, const char *path);

/* A walk over the free space of the volume: extents of free blocks, ascending. */
typedef void (*dump_free_fn)(void *ctx, u64 start, u64 len);
int dump_walk_free(struct dump *d, dump_free_fn fn, void *ctx);

#endif /* DUMP_DUMP_H */
