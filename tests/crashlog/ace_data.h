/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the data of a file may be after a crash.
 */
#ifndef LNKFS_CRASHLOG_ACE_DATA_H
#define LNKFS_CRASHLOG_ACE_DATA_H

#include "ace.h"

#define ACE_SIZES	16

/**
 * struct ace_data - the bytes and sizes that a file may have
 * @seq: number of the sequence
 * @unit: bytes of a block
 * @now: size that it had in memory
 * @size: sizes that it may have
 * @nr_size: how many
 * @low: it may also have grown block by block, from here
 * @high: up to here
 * @from: for each byte the steps that it may be from, a bit each, and ACE_ZERO_BIT
 */
struct ace_data {
	u32 seq;
	u32 unit;
	u64 now;
	u64 size[ACE_SIZES];
	u32 nr_size;
	u64 low;
	u64 high;
	u32 from[ACE_SIZE];
};

#define ACE_ZERO_BIT	(1u << 31)

enum ace_when {
	ACE_DURABLE,	/* all of the step is on the disk */
	ACE_DONE,	/* what it did to the file's record is; what it wrote may be */
	ACE_LATER	/* its record is not, what it wrote in place may be */
};

void ace_data_init(struct ace_data *d, u32 seq, u32 unit);
void ace_data_step(struct ace_data *d, const struct ace_step *s, u32 index, enum ace_when when);
bool ace_data_size_ok(const struct ace_data *d, u64 size);
u64 ace_data_check(const struct ace_data *d, const u8 *data, u64 size);

#endif /* LNKFS_CRASHLOG_ACE_DATA_H */
