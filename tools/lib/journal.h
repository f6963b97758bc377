/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The head of a jbd2 journal. The format is jbd2's, not ours: big-endian, see
 * include/linux/jbd2.h of the kernel.
 */
#ifndef LNKFS_JOURNAL_H
#define LNKFS_JOURNAL_H

#include "volume.h"

#define JBD2_MAGIC_NUMBER	0xc03b3998u
#define JBD2_SUPERBLOCK_V2	4

/**
 * struct jbd2_super - journal superblock, in the journal's first block
 */
struct jbd2_super {
	/* 00 */ __be32	h_magic;
	/* 04 */ __be32	h_blocktype;
	/* 08 */ __be32	h_sequence;
	/* 0c */ __be32	s_blocksize;
	/* 10 */ __be32	s_maxlen;	/* blocks of the journal */
	/* 14 */ __be32	s_first;	/* first block of the log */
	/* 18 */ __be32	s_sequence;	/* first commit to expect */
	/* 1c */ __be32	s_start;	/* where the log starts; 0: it is empty */
	/* 20 */ __be32	s_errno;
	/* 24 */ __be32	s_feature_compat;
	/* 28 */ __be32	s_feature_incompat;
	/* 2c */ __be32	s_feature_ro_compat;
	/* 30 */ __u8	s_uuid[16];
	/* 40 */ __be32	s_nr_users;
	/* 44 */ __be32	s_rest[239];
};
_Static_assert(sizeof(struct jbd2_super) == 1024, "jbd2 superblock is not 1024 bytes");

int lnkfs_journal_format(struct lnkfs_volume *v);

#endif /* LNKFS_JOURNAL_H */
