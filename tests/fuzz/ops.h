/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done with a mounted hostile image.
 */
#ifndef LNKFS_FUZZ_OPS_H
#define LNKFS_FUZZ_OPS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "hostile.h"

#define MAX_FOUND	72	/* objects that are looked at */
#define PATH_LEN	512

/**
 * struct found - an object of the volume
 * @path: from the root of the volume on
 * @mode: its type and permissions; 0: stat failed
 * @size: its size
 * @ino: its number
 */
struct found {
	char path[PATH_LEN];
	mode_t mode;
	off_t size;
	u64 ino;
};

/**
 * struct ops - an image in use
 * @root: its root directory, open
 * @dir: where it is mounted
 * @dev: its block device
 * @writable: it is mounted so
 * @end: when to stop, see now_ms()
 * @found: what the walk found
 * @nr: how many
 */
struct ops {
	int root;
	const char *dir;
	const char *dev;
	bool writable;
	u64 end;
	struct found found[MAX_FOUND];
	u32 nr;
};

static inline bool time_is_up(const struct ops *o)
{
	return now_ms() >= o->end;
}

/* ---- data.c: contents of files ---- */
void read_data(struct ops *o, const struct found *f);
void write_data(struct ops *o, const struct found *f);
bool safely(void (*touch)(volatile u8 *p), volatile u8 *p);

/* ---- names.c: names, directories, attributes ---- */
void look(struct ops *o, const struct found *f);
void list_oddly(struct ops *o, const struct found *f);
void change_dir(struct ops *o, const struct found *f);
void change_attrs(struct ops *o, const struct found *f);
void change_names(struct ops *o, const struct found *f);

/* ---- backref.c: names of inodes ---- */
void ask_names(struct ops *o, const struct found *f);

/* ---- volume.c: calls that concern the volume ---- */
void use_handles(struct ops *o);
void use_quota(struct ops *o);
void ask_volume(struct ops *o);
void change_volume(struct ops *o);

#endif /* LNKFS_FUZZ_OPS_H */
