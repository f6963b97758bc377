// SPDX-License-Identifier: GPL-2.0
/*
 * The checker's frame: superblocks, descriptors, bitmaps, and the order of the
 * passes. Inodes are in check_inode.c, trees in check_tree.c, names and link
 * counts in check_names.c.
 *
 * Everything a volume owns is claimed in a bitmap of the checker's own while
 * the inodes are walked; at the end that bitmap and the volume's must agree.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_priv.h"

static void problem(struct lnkfs_fsck *c, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	c->res.problems++;
	if (c->ops && c->ops->say)
		c->ops->say(c->ctx, text);
}

/**
 * lnkfs_problem() - report a problem
 * @c: check
 * @fmt: what is wrong, without a line end
 */
void lnkfs_problem(struct lnkfs_fsck *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(c, fmt, ap);
	va_end(ap);
}

/**
 * lnkfs_problem_safe() - report a problem that is mended without a loss
 * @c: check
 * @fmt: what is wrong, without a line end
 */
void lnkfs_problem_safe(struct lnkfs_fsck *c, const char *fmt, ...)
{
	va_list ap;

	c->res.safe++;
	va_start(ap, fmt);
	problem(c, fmt, ap);
	va_end(ap);
}

/**
 * lnkfs_problem_backref() - report a problem with back references
 * @c: check
 * @fmt: what is wrong, without a line end
 *
 * They are made anew from the directories, without a loss.
 */
void lnkfs_problem_backref(struct lnkfs_fsck *c, const char *fmt, ...)
{
	va_list ap;

	c->res.safe++;
	c->res.backrefs++;
	va_start(ap, fmt);
	problem(c, fmt, ap);
	va_end(ap);
}

/**
 * lnkfs_progress() - tell how far a pass is
 * @c: check
 * @pass: which
 * @done: steps done
 * @total: of how many
 */
void lnkfs_progress(struct lnkfs_fsck *c, enum lnkfs_fsck_pass pass, u64 done, u64 total)
{
	if (c->ops && c->ops->progress)
		c->ops->progress(c->ctx, pass, done, total);
}

/* What the core itself finds wrong comes here. */
static void core_report(void *ctx, int err, u64 ino, u64 block, const char *text)
{
	struct lnkfs_fsck *c = ctx;

	lnkfs_problem(c, "inode %" PRIu64 ", block %" PRIu64 ": %s (%s)", ino, block, text,
		      strerror(-err));
}

static int note_claim(struct lnkfs_claims *claims, u64 block, u64 len, bool data)
{
	if (claims->nr == claims->max) {
		u64 max = claims->max ? claims->max * 2 : 64;
		struct lnkfs_claim *list = realloc(claims->list, max * sizeof(*list));

		if (!list)
			return -ENOMEM;
		claims->list = list;
		claims->max = max;
	}
	claims->list[claims->nr++] = (struct lnkfs_claim){ block, len, data };
	return 0;
}

/* Other threads do the same: 1 when it had an owner. */
static int own_block(struct lnkfs_fsck *c, u32 group, u32 off)
{
	u8 *map = __atomic_load_n(&c->owned[group], __ATOMIC_ACQUIRE), *new;
	u8 bit = (u8)(1u << (off & 7));

	if (!map) {
		new = calloc(1, c->fs->block_size);
		if (!new)
			return -ENOMEM;
		if (__atomic_compare_exchange_n(&c->owned[group], &map, new, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			map = new;
		else
			free(new);
	}
	return !!(__atomic_fetch_or(&map[off >> 3], bit, __ATOMIC_RELAXED) & bit);
}

static void two_owners(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino)
{
	char who[32] = "the volume itself";

	if (ino)
		snprintf(who, sizeof(who), "inode %" PRIu64, ino);
	if (len == 1)
		lnkfs_problem(c, "block %" PRIu64 " has two owners, one of them %s", block, who);
	else
		lnkfs_problem(c, "blocks %" PRIu64 " to %" PRIu64
			      " have two owners, one of them %s", block, block + len - 1, who);
}

static int claim(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino, bool data)
{
	struct lnkfs_fs *fs = c->fs;
	u64 run = 0;
	int ret = 0;

	if (block >= fs->blocks || len > fs->blocks - block ||
	    (ino && !lnkfs_block_valid(fs, block, len))) {
		lnkfs_problem(c, "inode %" PRIu64 " owns impossible blocks %" PRIu64 "+%" PRIu64,
			      ino, block, len);
		return 1;
	}
	if (c->claims)
		return note_claim(c->claims, block, len, data);
	for (; len; block++, len--) {
		u32 group = lnkfs_group_of(fs, block);
		int had = own_block(c, group, (u32)(block - lnkfs_group_first(fs, group)));

		if (had < 0)
			return had;
		if (had) {
			run++;
			ret = 1;
		}
		if (run && (!had || len == 1)) {
			two_owners(c, block - run + !!had, run, ino);
			run = 0;
		}
	}
	return ret;
}

/**
 * lnkfs_claim() - note that blocks have an owner
 * @c: check
 * @block: first block
 * @len: how many
 * @ino: owner, 0: the volume itself
 *
 * Return: 0; 1 when they are impossible or somebody else's, which has been
 * reported; -ENOMEM.
 */
int lnkfs_claim(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino)
{
	return claim(c, block, len, ino, false);
}

/**
 * lnkfs_claim_data() - the same of blocks with a file's data
 * @c: check
 * @block: first block
 * @len: how many
 * @ino: owner
 */
int lnkfs_claim_data(struct lnkfs_fsck *c, u64 block, u64 len, u64 ino)
{
	return claim(c, block, len, ino, true);
}

/* ---- superblock ---- */

static void check_super_copy(struct lnkfs_fsck *c, u64 byte, u64 blocknr)
{
	const struct lnkfs_super_block *main = &c->v->sb;
	struct lnkfs_super_block sb;
	const char *why;
	int err;

	err = lnkfs_dev_read(&c->v->dev, byte, &sb, sizeof(sb));
	if (err) {
		lnkfs_problem(c, "superblock at byte %" PRIu64 ": %s", byte, strerror(-err));
		return;
	}
	err = lnkfs_super_check(&sb, blocknr, 0, &why);
	if (err) {
		lnkfs_problem_safe(c, "superblock at byte %" PRIu64 ": %s", byte, why);
		return;
	}
	if (!lnkfs_super_same(&sb, main))
		lnkfs_problem_safe(c, "superblock at byte %" PRIu64 " is not this volume's", byte);
	if (sb.s_journal_blocks && memchr_inv(sb.s_journal_uuid, 0, sizeof(sb.s_journal_uuid)))
		lnkfs_problem_safe(c, "superblock at byte %" PRIu64
				   ": fields of a journal that it has not", byte);
	if (sb.s_pad1 || memchr_inv(sb.s_reserved, 0, sizeof(sb.s_reserved)))
		lnkfs_problem_safe(c, "superblock at byte %" PRIu64 ": reserved bytes in use", byte);
}

static void check_supers(struct lnkfs_fsck *c)
{
	struct lnkfs_fs *fs = c->fs;
	u32 group;

	check_super_copy(c, LNKFS_SUPER_OFFSET, LNKFS_SUPER_OFFSET >> fs->block_bits);
	for (group = 1; group < fs->groups; group++) {
		u64 block = lnkfs_group_first(fs, group);

		if (lnkfs_group_has_super(group))
			check_super_copy(c, block << fs->block_bits, block);
	}
}

/* ---- descriptors ---- */

/* A copy may be older than the trees of back references, and than the feature. */
static void check_desc_names(struct lnkfs_fsck *c, u32 group, const struct lnkfs_group_desc *d)
{
	u64 block = le64_to_cpu(d->bg_names);

	if (block && (!c->fs->backref || !lnkfs_block_valid(c->fs, block, 1)))
		lnkfs_problem_safe(c, "descriptor of group %u: back references cannot be in block %"
				   PRIu64, group, block);
}

static void check_desc_fields(struct lnkfs_fsck *c, u32 first, const void *data, bool copy)
{
	const struct lnkfs_gdesc_block *gb = data;
	u32 i;

	if (gb->d_header.h_pad || memchr_inv(gb->d_pad, 0, sizeof(gb->d_pad)))
		lnkfs_problem_safe(c, "descriptors of group %u on: padding in use", first);
	for (i = 0; i < c->fs->desc_per_block; i++) {
		const struct lnkfs_group_desc *d = &gb->d_desc[i];
		u64 before = c->res.problems;

		if (first + i >= c->fs->groups) {
			if (memchr_inv(d, 0, sizeof(*d)))
				lnkfs_problem_safe(c, "descriptor of group %u, which does not exist",
					      first + i);
			continue;
		}
		if (memchr_inv(d->bg_reserved, 0, sizeof(d->bg_reserved)))
			lnkfs_problem_safe(c, "descriptor of group %u: reserved bytes in use",
				      first + i);
		if (le16_to_cpu(d->bg_flags) & ~(LNKFS_BG_BLOCK_UNINIT | LNKFS_BG_INODE_UNINIT |
						 LNKFS_BG_ORPHANS))
			lnkfs_problem_safe(c, "descriptor of group %u: unknown flags", first + i);
		if (copy)
			continue;
		check_desc_names(c, first + i, d);
		/* Then what it says has not been taken over, and is not looked at again. */
		if (c->res.problems == before && !lnkfs_gdesc_sane(c->fs, first + i, d))
			lnkfs_problem_safe(c, "descriptor of group %u: impossible figures",
					   first + i);
	}
}

/* Read a block of the volume's own, without the core's words on a bad one. */
static int read_own(struct lnkfs_fsck *c, enum lnkfs_btype type, u64 block, u32 owner, void *data)
{
	int err = lnkfs_dev_read(&c->v->dev, block << c->fs->block_bits, data, c->fs->block_size);

	return err ? err : lnkfs_verify_block(c->fs, data, type, block, owner, 0);
}

static int check_descs(struct lnkfs_fsck *c)
{
	struct lnkfs_fs *fs = c->fs;
	void *data = malloc(fs->block_size);
	u32 group, first;
	u64 block;
	int err;

	if (!data)
		return -ENOMEM;
	for (group = 0; group < fs->groups; group++) {
		if (!lnkfs_group_has_desc(fs, group))
			continue;
		first = group - group % fs->desc_per_block;
		block = lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP) - 1;
		err = read_own(c, LNKFS_B_GDESC, block, first, data);
		if (err)
			lnkfs_problem_safe(c, "%s of group %u on, in block %" PRIu64 ": %s",
					   group == first ? "descriptors" : "copy of descriptors",
					   first, block, strerror(-err));
		else
			check_desc_fields(c, first, data, group != first);
	}
	free(data);
	return 0;
}

/* ---- block bitmaps ---- */

static void wrong_bits(struct lnkfs_fsck *c, u64 block, u32 len, bool used)
{
	char text[64];

	c->res.leaks += used;
	c->res.leaked += used ? len : 0;
	if (len == 1)
		snprintf(text, sizeof(text), "block %" PRIu64 " is", block);
	else
		snprintf(text, sizeof(text), "blocks %" PRIu64 " to %" PRIu64 " are", block,
			 block + len - 1);
	if (used)
		lnkfs_problem_safe(c, "%s marked used, but nobody owns %s", text,
				   len == 1 ? "it" : "them");
	else
		lnkfs_problem_safe(c, "%s in use, but marked free", text);
}

static void compare_bitmaps(struct lnkfs_fsck *c, u32 group, const u8 *disk)
{
	static const u8 none[1u << LNKFS_MAX_BLOCK_BITS];
	struct lnkfs_fs *fs = c->fs;
	const u8 *owned = c->owned[group] ? c->owned[group] : none;
	u32 size = lnkfs_group_size(fs, group);
	u32 off, len, used = 0;

	for (off = 0; off < fs->group_blocks; off += len) {
		int have = lnkfs_test_bit(off, disk);
		int want = off >= size || lnkfs_test_bit(off, owned);

		for (len = 1; off + len < fs->group_blocks; len++)
			if (lnkfs_test_bit(off + len, disk) != have ||
			    (off + len >= size || lnkfs_test_bit(off + len, owned)) != want)
				break;
		if (have && off < size)
			used += min(len, size - off);
		if (have != want)
			wrong_bits(c, lnkfs_group_first(fs, group) + off, len, have);
	}
	c->res.used_blocks += used;
	c->res.free_blocks += size - used;
	if (fs->group[group].free_blocks != size - used)
		lnkfs_problem_safe(c, "group %u: descriptor says %u free blocks, its bitmap %u", group,
			      fs->group[group].free_blocks, size - used);
}

/* The bitmap of a group that has none on the disk yet. */
static void fresh_bitmap(struct lnkfs_fsck *c, u32 group, u8 *bits)
{
	u32 off;

	memset(bits, 0, c->fs->group_blocks / 8);
	for (off = 0; off < lnkfs_group_overhead(c->fs, group); off++)
		lnkfs_set_bit(off, bits);
	for (off = lnkfs_group_size(c->fs, group); off < c->fs->group_blocks; off++)
		lnkfs_set_bit(off, bits);
}

static int check_bitmap(struct lnkfs_fsck *c, u64 piece)
{
	u32 group = (u32)piece;
	struct lnkfs_fs *fs = c->fs;
	struct lnkfs_map_block *map = malloc(fs->block_size);
	int err = 0;

	if (!map)
		return -ENOMEM;
	if (fs->group[group].flags & LNKFS_BG_BLOCK_UNINIT) {
		fresh_bitmap(c, group, map->m_bits);
	} else {
		err = read_own(c, LNKFS_B_BITMAP,
			       lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP), group, map);
		if (!err && (map->m_header.h_pad || memchr_inv(map->m_pad, 0, sizeof(map->m_pad))))
			lnkfs_problem_safe(c, "block bitmap of group %u: padding in use", group);
	}
	if (err)
		lnkfs_problem_safe(c, "block bitmap of group %u: %s", group, strerror(-err));
	else
		compare_bitmaps(c, group, map->m_bits);
	free(map);
	return 0;
}

/* ---- the whole ---- */

/* What belongs to no inode: the groups' own blocks and the journal. */
static int claim_fixed(struct lnkfs_fsck *c)
{
	struct lnkfs_fs *fs = c->fs;
	u32 group;
	int err;

	for (group = 0; group < fs->groups; group++) {
		err = lnkfs_claim(c, lnkfs_group_first(fs, group), lnkfs_group_overhead(fs, group), 0);
		if (err < 0)
			return err;
	}
	err = lnkfs_claim(c, fs->journal_start, fs->journal_blocks, 0);
	return err < 0 ? err : 0;
}

static int run_passes(struct lnkfs_fsck *c)
{
	int err;

	check_supers(c);
	err = check_descs(c);
	if (!err)
		err = claim_fixed(c);
	if (!err)
		err = lnkfs_fsck_inodes(c);
	if (!err)
		err = lnkfs_fsck_quota(c);
	if (!err)
		err = lnkfs_fsck_names(c);
	if (!err)
		err = lnkfs_fsck_pieces(c, LNKFS_PASS_MAPS, c->fs->groups, c->fs->groups,
					check_bitmap);
	return err;
}

/**
 * lnkfs_fsck_volume() - check everything
 * @v: volume, its groups loaded and its journal empty; what the cache holds
 *	dirty has been flushed
 * @ops: where problems and progress go; may be NULL
 * @ctx: their argument
 * @res: filled in
 *
 * Memory grows with the number of inodes and with the number of groups in use.
 *
 * Return: 0 when the check was completed, whatever it found; -ENOMEM.
 */
int lnkfs_fsck_volume(struct lnkfs_volume *v, const struct lnkfs_fsck_ops *ops, void *ctx,
		      struct lnkfs_fsck_result *res)
{
	void (*old_report)(void *, int, u64, u64, const char *) = v->report;
	void *old_ctx = v->report_ctx;
	bool old_quiet = v->quiet;
	struct lnkfs_fsck *c;
	u32 group;
	int err = -ENOMEM;

	memset(res, 0, sizeof(*res));
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->v = v;
	c->fs = &v->fs;
	c->ops = ops;
	c->ctx = ctx;
	c->owned = calloc(v->fs.groups, sizeof(*c->owned));
	if (v->fs.backref)
		c->backrefs = calloc(v->fs.groups, sizeof(*c->backrefs));
	if (c->owned && (c->backrefs || !v->fs.backref)) {
		v->report = core_report;
		v->report_ctx = c;
		v->quiet = false;
		err = run_passes(c);
		v->report = old_report;
		v->report_ctx = old_ctx;
		v->quiet = old_quiet;
		for (group = 0; group < v->fs.groups; group++)
			free(c->owned[group]);
	}
	*res = c->res;
	lnkfs_fsck_quota_free(c);
	free(c->owned);
	free(c->backrefs);
	free(c->inodes);
	free(c);
	return err;
}
