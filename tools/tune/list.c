// SPDX-License-Identifier: GPL-2.0
/*
 * tune.lnkfs -l: the superblock, for people.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <uuid/uuid.h>

#include "../lnkctl/text.h"
#include "defopts.h"
#include "featnames.h"
#include "tune.h"

static void line(const char *key, const char *value)
{
	printf("%-26s%s\n", key, value);
}

static void number(const char *key, u64 value)
{
	printf("%-26s%" PRIu64 "\n", key, value);
}

static void uuid_line(const char *key, const u8 uuid[16])
{
	char text[37];

	uuid_unparse(uuid, text);
	line(key, text);
}

static void time_line(const char *key, u64 stamp)
{
	time_t t = (time_t)((s64)(stamp / 1000000000) + LNKFS_EPOCH);
	char text[64] = "never";
	struct tm tm;

	if (stamp && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	line(key, text);
}

/* Texts of the volume go to a terminal: nothing in them may be a command to that. */
static void print_text(const u8 *text, size_t len)
{
	char copy[sizeof(((struct lnkfs_super_block *)NULL)->s_last_mounted) + 1];

	snprintf(copy, sizeof(copy), "%.*s", (int)len, (const char *)text);
	text_message(stdout, copy);
}

static void text_line(const char *key, const u8 *text, size_t len)
{
	printf("%-26s", key);
	print_text(text, len);
	puts(*text ? "" : "<none>");
}

/* @names of the bits set, and what is left of them in hexadecimal. */
static void bits_line(const char *key, u32 bits, const char *const *names, u32 count)
{
	u32 i;

	printf("%-26s%s", key, bits ? "" : "(none)");
	for (i = 0; i < count; i++) {
		if (!(bits >> i & 1) || !names[i])
			continue;
		bits &= ~(1u << i);
		printf("%s%s", names[i], bits ? " " : "");
	}
	if (bits)
		printf("%#x", bits);
	putchar('\n');
}

/* The three feature words as one, by the names of -O. */
static void list_features(const struct lnkfs_super_block *sb)
{
	u32 incompat = le32_to_cpu(sb->s_feature_incompat);
	u32 ro_compat = le32_to_cpu(sb->s_feature_ro_compat);
	u32 compat = le32_to_cpu(sb->s_feature_compat);

	bits_line("Features:", lnkfs_feature_bits(sb), lnkfs_feature_names, LNKFS_FEATURES);
	if (incompat & ~7u || ro_compat & ~3u || compat)
		printf("%-26s%#x incompat, %#x ro_compat, %#x compat\n", "Unknown features:",
		       incompat & ~7u, ro_compat & ~3u, compat);
}

static const char *state_name(const struct lnkfs_super_block *sb)
{
	u16 state = le16_to_cpu(sb->s_state);

	if (state & LNKFS_STATE_ERROR)
		return state & LNKFS_STATE_CLEAN ? "clean with errors" : "not clean with errors";
	return state & LNKFS_STATE_CLEAN ? "clean" : "not clean";
}

static void list_journal(const struct lnkfs_super_block *sb)
{
	if (memchr_inv(sb->s_journal_uuid, 0, sizeof(sb->s_journal_uuid))) {
		uuid_line("Journal UUID:", sb->s_journal_uuid);
		if (sb->s_journal_dev)
			printf("%-26s%#x\n", "Journal device:", le32_to_cpu(sb->s_journal_dev));
		return;
	}
	number("Journal blocks:", le32_to_cpu(sb->s_journal_blocks));
	number("Journal start:", le64_to_cpu(sb->s_journal_start));
}

static void list_error(const char *key, const struct lnkfs_error_record *e)
{
	printf("%-26s", key);
	print_text(e->e_func, sizeof(e->e_func));
	printf(":%u, error %u, inode %" PRIu64 ", block %" PRIu64 "\n",
	       le32_to_cpu(e->e_line), le32_to_cpu(e->e_errno),
	       le64_to_cpu(e->e_ino), le64_to_cpu(e->e_block));
	time_line("  at:", le64_to_cpu(e->e_time));
}

static void list_quota(const struct lnkfs_super_block *sb)
{
	static const char *const keys[LNKFS_QUOTA_TYPES] = {
		"User quota inode:", "Group quota inode:", "Project quota inode:",
	};
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (sb->s_quota_ino[type])
			number(keys[type], le64_to_cpu(sb->s_quota_ino[type]));
}

/**
 * tune_list() - show a superblock
 * @sb: its magic number and checksum are right
 */
void tune_list(const struct lnkfs_super_block *sb)
{
	static const char *const errors[] = { NULL, "continue", "remount-ro", "panic" };

	text_line("Label:", sb->s_label, sizeof(sb->s_label));
	uuid_line("UUID:", sb->s_uuid);
	uuid_line("Metadata UUID:", sb->s_meta_uuid);
	list_features(sb);
	if (le32_to_cpu(sb->s_feature_incompat) & ~(u32)(LNKFS_INCOMPAT_SUPP |
							 LNKFS_INCOMPAT_JOURNAL_DEV))
		return;
	number("Block size:", 1u << sb->s_block_bits);
	number("Block count:", le64_to_cpu(sb->s_blocks));
	list_journal(sb);
	time_line("Created:", le64_to_cpu(sb->s_mkfs_time));
	time_line("Last written:", le64_to_cpu(sb->s_write_time));
	if (le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_JOURNAL_DEV)
		return;
	line("State:", state_name(sb));
	line("Errors behavior:", errors[sb->s_errors]);
	bits_line("Default mount options:", le32_to_cpu(sb->s_default_opts), lnkfs_defopt_names,
		  LNKFS_DEFOPTS);
	number("Reserved block count:", le64_to_cpu(sb->s_reserved_blocks));
	number("Free blocks:", le64_to_cpu(sb->s_free_blocks));
	number("Inode count:", le64_to_cpu(sb->s_used_inodes));
	list_quota(sb);
	number("Longest fast symlink:", le32_to_cpu(sb->s_fast_symlink_max));
	number("Maximum link count:", le32_to_cpu(sb->s_max_links));
	text_line("Last mounted on:", sb->s_last_mounted, sizeof(sb->s_last_mounted));
	time_line("Last mount time:", le64_to_cpu(sb->s_mount_time));
	number("Mount count:", le32_to_cpu(sb->s_mount_count));
	time_line("Last checked:", le64_to_cpu(sb->s_check_time));
	printf("%-26s%" PRIu64 " KiB\n", "Lifetime writes:", le64_to_cpu(sb->s_lifetime_kib));
	if (!sb->s_error_count)
		return;
	number("Error count:", le32_to_cpu(sb->s_error_count));
	list_error("First error:", &sb->s_first_error);
	list_error("Last error:", &sb->s_last_error);
}
