/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The head of a jbd2 journal. The format is jbd2's, not ours: big-endian, see
 * include/linux/jbd2.h of the kernel.
 */
#ifndef LNKFS_JOURNAL_H
#define LNKFS_JOURNAL_H

#include "format.h"
#include "log.h"
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
	/* 44 */ __be32	s_rest[47];
	/* 100 */ __u8	s_users[16 * 48];	/* UUIDs */
};
_Static_assert(sizeof(struct jbd2_super) == 1024, "jbd2 superblock is not 1024 bytes");

/**
 * struct lnkfs_journal_dev - the device of an external journal in a tool's hands
 * @dev: the device
 * @sb: its superblock
 * @js: jbd2's, at the start of the log
 */
struct lnkfs_journal_dev {
	struct lnkfs_dev dev;
	struct lnkfs_super_block sb;
	struct jbd2_super js;
};

/**
 * lnkfs_ext_journal() - is a volume's journal on another device?
 * @v: volume
 */
static inline bool lnkfs_ext_journal(const struct lnkfs_volume *v)
{
	return le32_to_cpu(v->sb.s_feature_incompat) & LNKFS_INCOMPAT_EXT_JOURNAL;
}

bool lnkfs_volume_log_empty(struct lnkfs_volume *v, const char *journal);
int lnkfs_volume_log_open(struct lnkfs_volume *v, const char *journal, unsigned int flags,
			  struct lnkfs_log *log, const char **why);
int lnkfs_journal_format(struct lnkfs_volume *v);
int lnkfs_journal_dev_plan(const struct lnkfs_format *f, u64 device_bytes,
			   struct lnkfs_super_block *sb, const char **why);
int lnkfs_journal_dev_make(struct lnkfs_dev *dev, const struct lnkfs_super_block *sb);
int lnkfs_journal_dev_open(struct lnkfs_journal_dev *j, const char *path, unsigned int flags,
			   const char **why);
int lnkfs_journal_dev_claim(struct lnkfs_journal_dev *j, const u8 user[16]);
bool lnkfs_journal_dev_used(const struct lnkfs_journal_dev *j, const u8 user[16]);
u32 lnkfs_journal_dev_number(const struct lnkfs_journal_dev *j);
int lnkfs_journal_dev_find(const u8 uuid[16], char *path, size_t len, const char **why);

#endif /* LNKFS_JOURNAL_H */
