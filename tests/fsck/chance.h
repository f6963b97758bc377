/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random damage, written down as text.
 */
#ifndef LNKFS_FSCKTEST_CHANCE_H
#define LNKFS_FSCKTEST_CHANCE_H

#include "kinds.h"

/**
 * struct volume - a recipe's volume
 * @r: recipe
 * @img: the sound volume
 * @replayed: with what is in its log carried out, of a logged recipe
 * @cat: its structures
 * @was: its files
 * @first: first structure of each kind there is
 * @nr_kinds: how many kinds
 * @supers: copies of the superblock
 * @hostile: whoever damages it does not care if it can be repaired
 */
struct volume {
	const struct recipe *r;
	struct img img;
	struct img replayed;
	struct catalog cat;
	struct manifest *was;
	u32 first[K_KINDS + 1];
	u32 nr_kinds;
	u32 supers;
	bool hostile;
};

void volume_make(struct volume *v, const struct recipe *r);
void volume_list(struct volume *v, const struct recipe *r);

void chance_seed(u64 seed);
void chance_bytes(const u8 *data, size_t len);
u64 chance64(void);
u32 chance(u32 below);

const struct object *pick(const struct volume *v);
const struct object *pick_kind(const struct volume *v, enum kind_nr kind);
bool has_blank(const struct object *o);
void put_name(FILE *f, const struct object *o);
char *damage_text(const struct volume *v);

#endif /* LNKFS_FSCKTEST_CHANCE_H */
