// SPDX-License-Identifier: GPL-2.0
/*
 * The volume as a whole: superblock, groups, free space.
 */
#include <stdlib.h>

#include "defopts.h"
#include "dump.h"
#include "featnames.h"

static const char *const state_bits[] = { "clean", "error" };
static const char *const bg_bits[] = { "block-uninit", "inode-uninit", "orphans" };
static const char *const errors_names[] = { NULL, "continue", "remount-ro", "panic" };

/**
 * dump_type_name() - the name of a kind of metadata block
 * @type: kind
 */
const char *dump_type_name(enum lnkfs_btype type)
{
	switch (type) {
	case LNKFS_B_GDESC:
		return "group-descriptors";
	case LNKFS_B_BITMAP:
		return "block-bitmap";
	case LNKFS_B_IMAP:
		return "inode-block-map";
	case LNKFS_B_FULLMAP:
		return "full-map";
	case LNKFS_B_ORPHMAP:
		return "orphan-map";
	case LNKFS_B_INODE:
		return "inodes";
	case LNKFS_B_BTREE:
		return "tree-node";
	case LNKFS_B_DIR:
		return "directory";
	case LNKFS_B_XATTR:
		return "attributes";
	case LNKFS_B_QUOTA:
		return "quota";
	case LNKFS_B_NAMES:
		return "back-references";
	default:
		return "unknown";
	}
}

static void show_error(struct out *o, const char *key, const struct lnkfs_error_record *e)
{
	out_object(o, key);
	out_time(o, "time", le64_to_cpu(e->e_time));
	out_u64(o, "inode", le64_to_cpu(e->e_ino));
	out_u64(o, "block", le64_to_cpu(e->e_block));
	out_u64(o, "errno", le32_to_cpu(e->e_errno));
	out_bytes(o, "function", e->e_func, strnlen((const char *)e->e_func, sizeof(e->e_func)));
	out_u64(o, "line", le32_to_cpu(e->e_line));
	out_end(o);
}

static void show_geometry(struct dump *d)
{
	const struct lnkfs_super_block *sb = &d->v->sb;
	const struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;

	out_u64(o, "block_size", 1ULL << sb->s_block_bits);
	out_u64(o, "blocks", le64_to_cpu(sb->s_blocks));
	out_u64(o, "reserved_blocks", le64_to_cpu(sb->s_reserved_blocks));
	out_u64(o, "free_blocks", le64_to_cpu(sb->s_free_blocks));
	out_u64(o, "used_inodes", le64_to_cpu(sb->s_used_inodes));
	if (fs->groups) {
		out_u64(o, "groups", fs->groups);
		out_u64(o, "group_blocks", fs->group_blocks);
		out_u64(o, "descriptors_per_block", fs->desc_per_block);
	}
	out_u64(o, "journal_start", le64_to_cpu(sb->s_journal_start));
	out_u64(o, "journal_blocks", le32_to_cpu(sb->s_journal_blocks));
	if (sb->s_fc_blocks)
		out_u64(o, "fast_commit_blocks", le32_to_cpu(sb->s_fc_blocks));
	if (memchr_inv(sb->s_journal_uuid, 0, sizeof(sb->s_journal_uuid)))
		out_uuid(o, "journal_uuid", sb->s_journal_uuid);
	if (sb->s_journal_dev)
		out_hex(o, "journal_device", le32_to_cpu(sb->s_journal_dev));
	out_u64(o, "root_inode", le64_to_cpu(sb->s_root_ino));
	out_u64(o, "lost_found_inode", le64_to_cpu(sb->s_lpf_ino));
	out_u64(o, "max_links", le32_to_cpu(sb->s_max_links));
	out_u64(o, "fast_symlink_max", le32_to_cpu(sb->s_fast_symlink_max));
}

/**
 * dump_super() - show the superblock
 * @d: run
 */
int dump_super(struct dump *d)
{
	const struct lnkfs_super_block *sb = &d->v->sb;
	struct out *o = &d->o;

	out_object(o, "superblock");
	if (d->why)
		out_text(o, "problem", d->why);
	out_u64(o, "read_from_block", d->v->sb_block);
	out_bytes(o, "label", sb->s_label, strnlen((const char *)sb->s_label,
						   sizeof(sb->s_label)));
	out_uuid(o, "uuid", sb->s_uuid);
	out_uuid(o, "metadata_uuid", sb->s_meta_uuid);
	out_hex(o, "feature_compat", le32_to_cpu(sb->s_feature_compat));
	out_hex(o, "feature_incompat", le32_to_cpu(sb->s_feature_incompat));
	out_hex(o, "feature_ro_compat", le32_to_cpu(sb->s_feature_ro_compat));
	out_bits(o, "features", lnkfs_feature_bits(sb), lnkfs_feature_names, LNKFS_FEATURES);
	out_bits(o, "state", le16_to_cpu(sb->s_state), state_bits, ARRAY_SIZE(state_bits));
	if (sb->s_errors < ARRAY_SIZE(errors_names) && errors_names[sb->s_errors])
		out_text(o, "errors", errors_names[sb->s_errors]);
	else
		out_u64(o, "errors", sb->s_errors);
	out_bits(o, "default_options", le32_to_cpu(sb->s_default_opts), lnkfs_defopt_names,
		 LNKFS_DEFOPTS);
	show_geometry(d);
	if (le32_to_cpu(sb->s_feature_ro_compat) & LNKFS_RO_COMPAT_QUOTA) {
		out_u64(o, "quota_user", le64_to_cpu(sb->s_quota_ino[LNKFS_QUOTA_USER]));
		out_u64(o, "quota_group", le64_to_cpu(sb->s_quota_ino[LNKFS_QUOTA_GROUP]));
		out_u64(o, "quota_project", le64_to_cpu(sb->s_quota_ino[LNKFS_QUOTA_PROJECT]));
	}
	out_time(o, "made", le64_to_cpu(sb->s_mkfs_time));
	out_time(o, "mounted", le64_to_cpu(sb->s_mount_time));
	out_time(o, "written", le64_to_cpu(sb->s_write_time));
	out_time(o, "checked", le64_to_cpu(sb->s_check_time));
	out_u64(o, "mounts", le32_to_cpu(sb->s_mount_count));
	out_u64(o, "lifetime_kib", le64_to_cpu(sb->s_lifetime_kib));
	out_u64(o, "error_count", le32_to_cpu(sb->s_error_count));
	if (sb->s_error_count) {
		show_error(o, "first_error", &sb->s_first_error);
		show_error(o, "last_error", &sb->s_last_error);
	}
	out_end(o);
	return 0;
}

/**
 * dump_groups() - show the group descriptors
 * @d: run
 */
int dump_groups(struct dump *d)
{
	const struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;
	u32 i;

	out_list(o, "groups");
	for (i = 0; i < fs->groups; i++) {
		const struct lnkfs_group *g = &fs->group[i];

		out_row(o);
		out_u64(o, "group", i);
		out_u64(o, "first", lnkfs_group_first(fs, i));
		out_u64(o, "blocks", lnkfs_group_size(fs, i));
		out_u64(o, "overhead", lnkfs_group_overhead(fs, i));
		out_u64(o, "free", g->free_blocks);
		out_u64(o, "inode_blocks", g->inode_blocks);
		out_u64(o, "inodes", g->used_inodes);
		out_u64(o, "dirs", g->used_dirs);
		out_u64(o, "free_slots", g->free_slots);
		out_bits(o, "flags", g->flags, bg_bits, ARRAY_SIZE(bg_bits));
		if (fs->backref)
			out_u64(o, "names", g->names);
		out_end(o);
	}
	out_end(o);
	return 0;
}

static void walk_map(const struct lnkfs_fs *fs, u32 group, const void *bits, dump_free_fn fn,
		     void *ctx)
{
	u32 size = lnkfs_group_size(fs, group);
	u32 from, to = 0;

	for (;;) {
		from = (u32)lnkfs_find_next_zero_bit(bits, size, to);
		if (from >= size)
			break;
		to = (u32)lnkfs_find_next_bit(bits, size, from);
		if (to > size)
			to = size;
		fn(ctx, lnkfs_group_first(fs, group) + from, to - from);
	}
}

/**
 * dump_walk_free() - visit every extent of free blocks
 * @d: run
 * @fn: what to call; extents end with their group
 * @ctx: its argument
 *
 * Groups whose bitmap cannot be used are passed over.
 *
 * Return: 0, or the error of the last such group.
 */
int dump_walk_free(struct dump *d, dump_free_fn fn, void *ctx)
{
	struct lnkfs_fs *fs = &d->v->fs;
	lnkfs_buf *buf;
	u32 g, head;
	int err, ret = 0;

	for (g = 0; g < fs->groups; g++) {
		head = lnkfs_group_overhead(fs, g);
		if (fs->group[g].flags & LNKFS_BG_BLOCK_UNINIT) {
			if (head < lnkfs_group_size(fs, g))
				fn(ctx, lnkfs_group_first(fs, g) + head,
				   lnkfs_group_size(fs, g) - head);
			continue;
		}
		err = lnkfs_bread(fs, lnkfs_group_map_block(fs, g, LNKFS_B_BITMAP),
				  LNKFS_B_BITMAP, g, 0, &buf);
		if (err) {
			ret = err;
			continue;
		}
		walk_map(fs, g, (u8 *)lnkfs_bdata(buf) + LNKFS_MAP_HEADER, fn, ctx);
		lnkfs_bput(buf);
	}
	return ret;
}

#define CLASSES	40

struct histogram {
	u64 extents[CLASSES];
	u64 blocks[CLASSES];
	u64 largest;
	u64 total;
	u64 number;
};

static void count_free(void *ctx, u64 start, u64 len)
{
	struct histogram *h = ctx;
	u32 class = 63 - (u32)__builtin_clzll(len);

	(void)start;
	if (class >= CLASSES)
		class = CLASSES - 1;
	h->extents[class]++;
	h->blocks[class] += len;
	h->total += len;
	h->number++;
	if (len > h->largest)
		h->largest = len;
}

/**
 * dump_free() - show how the free space is divided
 * @d: run
 */
int dump_free(struct dump *d)
{
	struct histogram h = { .total = 0 };
	struct out *o = &d->o;
	int err = dump_walk_free(d, count_free, &h);
	u32 i;

	out_object(o, "free_space");
	if (err)
		out_text(o, "problem", strerror(-err));
	out_u64(o, "blocks", h.total);
	out_u64(o, "extents", h.number);
	out_u64(o, "largest", h.largest);
	out_list(o, "histogram");
	for (i = 0; i < CLASSES; i++) {
		if (!h.extents[i])
			continue;
		out_row(o);
		out_u64(o, "from", 1ULL << i);
		out_u64(o, "to", (2ULL << i) - 1);
		out_u64(o, "extents", h.extents[i]);
		out_u64(o, "blocks", h.blocks[i]);
		out_u64(o, "percent", h.blocks[i] * 100 / h.total);
		out_end(o);
	}
	out_end(o);
	out_end(o);
	return err;
}
