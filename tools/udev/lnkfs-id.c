// SPDX-License-Identifier: GPL-2.0
/*
 * lnkfs-id: tell udev what an lnkfs volume or journal device is called.
 *
 * Prints properties, as udev's own probe does for filesystems that libblkid
 * knows, and nothing for anything but a superblock in which all is right. It
 * reads no more than that: 64-lnkfs.rules asks only when libblkid found nothing.
 */
#include <blkid/blkid.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "volume.h"

/* A byte of a label takes up to four when it is encoded, and libblkid wants room for one more. */
#define TEXT_LEN	(4 * (LNKFS_LABEL_LEN + 1))

static bool known_features(const struct lnkfs_super_block *sb)
{
	return !(le32_to_cpu(sb->s_feature_incompat) &
		 ~(LNKFS_INCOMPAT_SUPP | LNKFS_INCOMPAT_JOURNAL_DEV));
}

static bool is_journal(const struct lnkfs_super_block *sb)
{
	return le32_to_cpu(sb->s_feature_incompat) & LNKFS_INCOMPAT_JOURNAL_DEV;
}

/* Is there a superblock to be believed? */
static bool read_super(const char *path, struct lnkfs_super_block *sb)
{
	struct lnkfs_dev dev;
	const char *why;
	int err;

	if (lnkfs_dev_open(&dev, path, 0))
		return false;
	err = lnkfs_dev_read(&dev, LNKFS_SUPER_OFFSET, sb, sizeof(*sb));
	if (!err && is_journal(sb))
		err = lnkfs_journal_dev_check(sb, dev.bytes, &why);
	else if (!err)
		err = lnkfs_super_check(sb, 0, dev.bytes, &why);
	lnkfs_dev_close(&dev);
	return !err;
}

/*
 * As udev's probe: once to be read, once to be the name of a link. What begins with
 * a quote udev takes for quoted; libblkid leaves control characters as they are.
 */
static void print_text(const char *key, const char *value)
{
	char text[TEXT_LEN], *p;

	if (!blkid_safe_string(value, text, sizeof(text)) && text[0]) {
		const char *quote = strchr("\"'", text[0]) ? "\"" : "";

		for (p = text; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '_';
		printf("%s=%s%s%s\n", key, quote, text, quote);
	}
	if (value[0] && !blkid_encode_string(value, text, sizeof(text)))
		printf("%s_ENC=%s\n", key, text);
}

static void print_names(const struct lnkfs_super_block *sb)
{
	char label[LNKFS_LABEL_LEN + 1] = "", uuid[37];
	size_t len;

	memcpy(label, sb->s_label, LNKFS_LABEL_LEN);
	/* libblkid has no blanks at the end of any label. */
	for (len = strlen(label); len && isspace((unsigned char)label[len - 1]); len--)
		label[len - 1] = 0;
	print_text("ID_FS_LABEL", label);
	if (!uuid_is_null(sb->s_uuid)) {
		uuid_unparse_lower(sb->s_uuid, uuid);
		print_text("ID_FS_UUID", uuid);
	}
}

int main(int argc, char **argv)
{
	struct lnkfs_super_block sb;

	if (argc != 2 || argv[1][0] == '-') {
		fputs("usage: lnkfs-id DEVICE\n", stderr);
		return 2;
	}
	if (!read_super(argv[1], &sb))
		return 1;
	puts(is_journal(&sb) ? "ID_FS_TYPE=lnkfs_external_journal\nID_FS_USAGE=other" :
			       "ID_FS_TYPE=lnkfs\nID_FS_USAGE=filesystem");
	print_names(&sb);
	if (known_features(&sb)) {
		printf("ID_FS_BLOCKSIZE=%u\n", 1u << sb.s_block_bits);
		printf("ID_FS_LASTBLOCK=%" PRIu64 "\n", le64_to_cpu(sb.s_blocks));
	}
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
