/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of fsck.lnkfs: volumes made by recipes, damaged on purpose, repaired, and
 * compared file by file with what they were.
 */
#ifndef LNKFS_FSCKTEST_H
#define LNKFS_FSCKTEST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"

extern bool die_aborts;

/* Something that should never happen in the test itself. */
void die(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));

/* ---- random.c ---- */

u64 power_random(u64 *at);

/* ---- image.c: images in memory ---- */

/**
 * struct extent - a range of an image that is not a hole
 * @at: first byte
 * @len: bytes
 */
struct extent {
	u64 at;
	u64 len;
};

/**
 * struct img - an image, in memory or a file
 * @fd: open file
 * @path: name under which it can be opened
 * @bytes: size
 * @mem: all of it, mapped
 * @ext: what is not a hole, when img_extents() was called
 * @nr_ext: how many
 */
struct img {
	int fd;
	char path[256];
	u64 bytes;
	u8 *mem;
	struct extent *ext;
	u32 nr_ext;
};

void img_new(struct img *img, const char *name, u64 bytes);
void img_open(struct img *img, const char *path, bool write);
void img_close(struct img *img);
void img_extents(struct img *img);
void img_copy(struct img *to, const struct img *from);
void img_save(const struct img *img, const char *path);
bool img_same(struct img *a, const struct img *b);

/* ---- recipe.c: sound volumes ---- */

/**
 * struct recipe - how to make a sound volume
 * @name: its name, the block size in KiB at the end
 * @bits: log2 of the block size
 * @bytes: size of the volume
 * @build: puts the files there
 * @quota: it has quota files
 * @logged: the last changes are in the journal only
 * @fast: it has an area for fast commits
 * @fast_max: s_fast_symlink_max, ~0: default
 */
struct recipe {
	const char *name;
	u32 bits;
	u64 bytes;
	void (*build)(struct lnkfs_volume *v);
	bool quota;
	bool logged;
	bool fast;
	u32 fast_max;
};

extern const struct recipe recipes[];
extern const u32 nr_recipes;

const struct recipe *recipe_find(const char *name);
void recipe_make(const struct recipe *r, struct img *img);

/* ---- catalog.c: where everything of a sound volume is ---- */

/* How to make a checksum right again. */
enum seal { SEAL_NONE, SEAL_BLOCK, SEAL_SUPER, SEAL_JOURNAL };

/* flags of struct field */
#define FIELD_BE	0x1	/* big-endian */
#define FIELD_SUM	0x2	/* a checksum: not to be made right after it was changed */
#define FIELD_FIXED	0x4	/* superblock: never changes in the life of a volume */

/**
 * struct field - a member of a structure
 * @name: its name
 * @at: offset
 * @size: bytes
 * @flags: FIELD_*
 */
struct field {
	const char *name;
	u16 at;
	u16 size;
	u16 flags;
};

/**
 * struct kind - a kind of structure
 * @name: as it is written in a damage
 * @owned: belongs to an inode, which comes first in what names one
 * @named: has a name beside its number
 * @fields: its members
 */
struct kind {
	const char *name;
	bool owned;
	bool named;
	const struct field *fields;
};

/**
 * struct object - a structure on a volume
 * @kind: what it is
 * @ino: inode that it belongs to; 0: to the volume
 * @num: which one
 * @copy: group that holds it, for what exists several times
 * @name: of an entry or an attribute, or NULL
 * @at: byte of the image at which it begins; of the record if @area
 * @len: its bytes
 * @area: it lies in the inline area of a record, at @area_at
 * @area_at: see @area
 * @seal: how its checksum is made right
 * @btype: kind of its block
 */
struct object {
	const struct kind *kind;
	u64 ino;
	u64 num;
	u32 copy;
	char *name;
	u64 at;
	u32 len;
	bool area;
	u32 area_at;
	enum seal seal;
	enum lnkfs_btype btype;
};

/**
 * struct catalog - all structures of a sound volume
 * @img: its image
 * @vol: the volume, opened for reading
 * @obj: the structures, those of one kind side by side
 * @nr: how many
 * @max: room
 */
struct catalog {
	struct img *img;
	struct lnkfs_image vol;
	struct object *obj;
	u32 nr;
	u32 max;
};

void catalog_make(struct catalog *cat, struct img *img);
void catalog_free(struct catalog *cat);
u64 catalog_path(struct catalog *cat, const char *path);
u64 object_byte(const struct object *o, u32 at);
u64 object_block(const struct catalog *cat, const struct object *o);
u64 field_get(const struct catalog *cat, const struct object *o, const struct field *f);
const struct object *catalog_find(struct catalog *cat, const char *text, size_t len);
u32 catalog_kinds(const struct catalog *cat, u32 *first, u32 max);

/* ---- apply.c: damages ---- */

/**
 * struct change - bytes to be changed
 * @at: byte of the image
 * @value: new value
 */
struct change {
	u64 at;
	u8 value;
};

/**
 * struct damage - what is to be done to a volume
 * @cat: the sound volume
 * @byte: bytes to be changed
 * @nr: how many
 * @max: room
 * @seal: structures whose checksums are to be made right
 * @nr_seal: how many
 * @owner: inodes that are concerned
 * @nr_owner: how many
 */
struct damage {
	struct catalog *cat;
	struct change *byte;
	u32 nr;
	u32 max;
	struct object seal[64];
	u32 nr_seal;
	u64 owner[256];
	u32 nr_owner;
};

void damage_begin(struct damage *d, struct catalog *cat);
void damage_end(struct damage *d);
void damage_bytes(struct damage *d, const struct object *o, u32 at, const u8 *data, u32 len,
		  bool seal);
void damage_set(struct damage *d, const struct object *o, const struct field *f, u64 value,
		bool seal);
void damage_block(struct damage *d, const struct object *o, const u8 *data, bool seal);
void damage_parse(struct damage *d, const char *text);
void damage_apply(const struct damage *d, struct img *img);

/* ---- manifest.c: what is on a volume ---- */

struct manifest;

struct manifest *manifest_read(const char *path);
void manifest_free(struct manifest *m);
void manifest_print(const struct manifest *m, FILE *out);

#endif /* LNKFS_FSCKTEST_H */
