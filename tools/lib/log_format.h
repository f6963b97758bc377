/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a jbd2 log consists of. The format is jbd2's (include/linux/jbd2.h of the
 * kernel): all numbers big-endian, checksums of version 3, block numbers of 64 bits.
 */
#ifndef LNKFS_LOG_FORMAT_H
#define LNKFS_LOG_FORMAT_H

#include "journal.h"
#include "log.h"

#define JBD2_DESCRIPTOR_BLOCK	1
#define JBD2_COMMIT_BLOCK	2
#define JBD2_REVOKE_BLOCK	5

#define JBD2_INCOMPAT_REVOKE		0x01
#define JBD2_INCOMPAT_64BIT		0x02
#define JBD2_INCOMPAT_CSUM_V3		0x10
#define LOG_FEATURES	(JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_CSUM_V3)

#define JBD2_FLAG_ESCAPE	1
#define JBD2_FLAG_SAME_UUID	2
#define JBD2_FLAG_LAST_TAG	8

/* In the superblock. */
#define JBD2_CHECKSUM_TYPE_AT	0x50	/* a byte */
#define JBD2_CHECKSUM_CRC32C	4
#define JBD2_HEAD_AT		0x58	/* where the log ended */
#define JBD2_CHECKSUM_AT	0xfc

struct log_header {
	/* 0 */ __be32	h_magic;
	/* 4 */ __be32	h_blocktype;
	/* 8 */ __be32	h_sequence;
};
_Static_assert(sizeof(struct log_header) == 12, "jbd2 block header");

struct log_tag {
	/* 0 */ __be32	t_blocknr;
	/* 4 */ __be32	t_flags;
	/* 8 */ __be32	t_blocknr_high;
	/* c */ __be32	t_checksum;
};
_Static_assert(sizeof(struct log_tag) == 16, "jbd2 block tag");

struct log_revoke_head {
	/* 0 */ struct log_header r_header;
	/* c */ __be32	r_count;	/* bytes in use, this head included */
};
_Static_assert(sizeof(struct log_revoke_head) == 16, "jbd2 revoke head");

#define JBD2_COMMIT_HEAD_BYTES	64	/* struct log_commit, and what pads it to 8 bytes */

struct log_commit {
	/* 00 */ struct log_header c_header;
	/* 0c */ __u8	c_chksum_type;
	/* 0d */ __u8	c_chksum_size;
	/* 0e */ __u8	c_pad[2];
	/* 10 */ __be32	c_chksum[8];
	/* 30 */ __be32	c_sec[2];
	/* 38 */ __be32	c_nsec;
};
_Static_assert(sizeof(struct log_commit) == 60, "jbd2 commit block");

u32 lnkfs_log_super_checksum(const void *data);
int lnkfs_log_write_head(struct lnkfs_log *log, void *data, u64 offset);

#endif /* LNKFS_LOG_FORMAT_H */
