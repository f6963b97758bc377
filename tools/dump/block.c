// SPDX-License-Identifier: GPL-2.0
/*
 * Single blocks with what they say of themselves, and the journal's log.
 */
#include <ctype.h>
#include <stdlib.h>

#include "btree.h"
#include "dump.h"
#include "xattr.h"

#define LINE	16	/* bytes of a block in a line */

static void show_bytes(struct dump *d, const u8 *data)
{
	char hex[3 * LINE + 1], plain[LINE + 1];
	struct out *o = &d->o;
	u32 pos, i;

	out_list(o, "bytes");
	for (pos = 0; pos < d->v->fs.block_size; pos += LINE) {
		if (!memchr_inv(data + pos, 0, LINE))
			continue;
		for (i = 0; i < LINE; i++) {
			snprintf(hex + 3 * i, 4, "%02x ", data[pos + i]);
			plain[i] = isprint(data[pos + i]) ? (char)data[pos + i] : '.';
		}
		hex[3 * LINE - 1] = '\0';
		plain[LINE] = '\0';
		out_row(o);
		out_hex(o, "at", pos);
		out_text(o, "hex", hex);
		out_text(o, "text", plain);
		out_end(o);
	}
	out_end(o);
}

/* What a block says it is; LNKFS_B_TYPES: nothing. */
static enum lnkfs_btype guess_type(const u8 *data)
{
	const struct lnkfs_block_header *h = (const void *)data;
	const struct lnkfs_slot *sl = (const void *)data;
	int type;

	if (le16_to_cpu(sl->sl_magic) == LNKFS_SLOT_MAGIC &&
	    (sl->sl_type == LNKFS_SLOT_HEAD || sl->sl_type == LNKFS_SLOT_FREE))
		return LNKFS_B_INODE;
	for (type = 0; type < LNKFS_B_TYPES; type++) {
		u32 magic = lnkfs_magic_of((enum lnkfs_btype)type);

		if (magic && le32_to_cpu(h->h_magic) == magic)
			break;
	}
	return (enum lnkfs_btype)type;
}

static void show_header(struct dump *d, const u8 *data, u64 block, enum lnkfs_btype type)
{
	const struct lnkfs_block_header *h = (const void *)data;
	struct out *o = &d->o;
	int err = lnkfs_verify_block(&d->v->fs, data, type, block, LNKFS_ANY_OWNER, 0);

	if (err)
		out_text(o, "problem", strerror(-err));
	if (type == LNKFS_B_INODE)
		return;
	out_u64(o, "says_block", le64_to_cpu(h->h_blocknr));
	out_u64(o, "owner", le64_to_cpu(h->h_owner));
	out_hex(o, "generation", le32_to_cpu(h->h_gen));
	out_hex(o, "checksum", le32_to_cpu(h->h_checksum));
	out_bool(o, "of_this_volume", le64_to_cpu(h->h_fsid) == d->v->fs.fsid);
}

static void show_slots(struct dump *d, const u8 *data, u64 block)
{
	u32 slots = 1u << d->v->fs.slot_bits, slot, used = 0;

	out_list(&d->o, "records");
	for (slot = 0; slot < slots; slot++) {
		const struct lnkfs_slot *sl = (const void *)(data + slot * LNKFS_SLOT_SIZE);

		if (le16_to_cpu(sl->sl_magic) != LNKFS_SLOT_MAGIC ||
		    sl->sl_type != LNKFS_SLOT_HEAD)
			continue;
		dump_record(d, data, block, slot);
		used++;
	}
	out_end(&d->o);
	out_u64(&d->o, "inodes", used);
}

/* The records of a node, or of a root in a block of its own, from @rec on. */
static void show_records(struct dump *d, const u8 *data, const struct lnkfs_btree_root *head,
			 const u8 *rec)
{
	const struct lnkfs_block_header *h = (const void *)data;
	const u8 *end = data + d->v->fs.block_size;
	u32 count = le16_to_cpu(head->bt_count), level = le16_to_cpu(head->bt_level);
	u32 size = level ? 16 : 8u + head->bt_vsize;
	struct out *o = &d->o;

	out_u64(o, "level", level);
	out_u64(o, "tree", head->bt_tree);
	out_u64(o, "records", count);
	if (head->bt_tree == LNKFS_TREE_NAMES && !level) {
		dump_refs(d, rec, count, end, le64_to_cpu(h->h_owner));
		return;
	}
	out_list(o, "keys");
	for (; count && end - rec >= (ptrdiff_t)size; count--, rec += size) {
		out_row(o);
		out_hex(o, "key", get_unaligned_le64(rec));
		if (size >= 16)
			out_u64(o, "block", get_unaligned_le64(rec + 8));
		out_end(o);
	}
	out_end(o);
}

static void show_node(struct dump *d, const u8 *data)
{
	struct lnkfs_btree_node *n = (void *)data;
	struct bt_view v = bt_node_view(&d->v->fs, n);

	show_records(d, data, v.head, v.records);
}

static void show_names(struct dump *d, const u8 *data)
{
	const struct lnkfs_names_block *nb = (const void *)data;
	const struct lnkfs_btree_root *root = (const void *)nb->nb_root;

	show_records(d, data, root, (const u8 *)(root + 1));
}

static void show_dirents(struct dump *d, const u8 *data)
{
	const struct lnkfs_dir_block *b = (const void *)data;
	struct out *o = &d->o;
	u32 pos, len;

	out_u64(o, "logical", le32_to_cpu(b->b_index));
	out_u64(o, "names", le16_to_cpu(b->b_count));
	out_u64(o, "largest_hole", le16_to_cpu(b->b_hole));
	out_u64(o, "room_class", b->b_room);
	out_list(o, "entries");
	for (pos = sizeof(*b); pos + sizeof(struct lnkfs_dirent) <= d->v->fs.block_size; pos += len) {
		const struct lnkfs_dirent *e = (const void *)(data + pos);

		len = le16_to_cpu(e->d_rec_len);
		if (len < 8 || len % 8 || len > d->v->fs.block_size - pos)
			break;
		if (!e->d_name_len || sizeof(*e) + e->d_name_len > len)
			continue;
		out_row(o);
		out_hex(o, "at", pos);
		out_u64(o, "inode", le64_to_cpu(e->d_ino));
		out_u64(o, "type", e->d_type);
		out_hex(o, "hash", le32_to_cpu(e->d_hash));
		out_bytes(o, "name", e->d_name, e->d_name_len);
		out_end(o);
	}
	out_end(o);
}

/* The attributes of a run of entries, 8-byte aligned. */
static void show_xattr_run(struct dump *d, u8 *run, u32 len)
{
	const struct lnkfs_xattr_entry *e;
	struct out *o = &d->o;
	u32 off, size;

	out_list(o, "attributes");
	for (off = 0; off < len; off += size) {
		e = lnkfs_xattr_entry(run, len, off, &size);
		if (!e)
			break;
		out_row(o);
		out_u64(o, "space", e->e_space);
		out_bytes(o, "name", e->e_name, e->e_name_len);
		out_u64(o, "bytes", le32_to_cpu(e->e_value_len));
		if (e->e_extents)
			out_u64(o, "value_block",
				lnkfs_xattr_extent_block(*lnkfs_xattr_extents(e)));
		out_end(o);
	}
	out_end(o);
}

static void show_xattrs(struct dump *d, u8 *data)
{
	struct lnkfs_xattr_block *xb = (void *)data;
	u32 used = le16_to_cpu(xb->x_used);
	struct lnkfs_btree bt;
	struct out *o = &d->o;

	switch (xb->x_kind) {
	case LNKFS_XBLOCK_LEAF:
		out_text(o, "kind", "leaf");
		if (used <= lnkfs_xattr_room(&d->v->fs))
			show_xattr_run(d, xb->x_data, used);
		break;
	case LNKFS_XBLOCK_HEAD:
		out_text(o, "kind", "head");
		lnkfs_xattr_tree(&d->v->fs, NULL, data, &bt);
		out_u64(o, "level", lnkfs_btree_level(&bt));
		break;
	case LNKFS_XBLOCK_VALUE:
		out_text(o, "kind", "value");
		out_u64(o, "index", le16_to_cpu(xb->x_index));
		out_u64(o, "bytes", used);
		break;
	}
}

static void show_map(struct dump *d, const u8 *data)
{
	const struct lnkfs_map_block *m = (const void *)data;
	u32 bits = d->v->fs.group_blocks, from, to = 0;
	struct out *o = &d->o;
	u64 set = 0;

	out_list(o, "set");
	while ((from = (u32)lnkfs_find_next_bit(m->m_bits, bits, to)) < bits) {
		to = (u32)lnkfs_find_next_zero_bit(m->m_bits, bits, from);
		set += to - from;
		out_row(o);
		out_u64(o, "from", from);
		out_u64(o, "count", to - from);
		out_end(o);
	}
	out_end(o);
	out_u64(o, "bits_set", set);
}

/**
 * dump_block() - show a block, decoded by what it says it is, and its bytes
 * @d: run
 * @block: its number
 *
 * Return: 0, -ENOENT past the end, or what reading says.
 */
int dump_block(struct dump *d, u64 block)
{
	struct lnkfs_fs *fs = &d->v->fs;
	struct out *o = &d->o;
	enum lnkfs_btype type;
	u8 *data;
	int err;

	if (block >= fs->blocks)
		return -ENOENT;
	data = malloc(fs->block_size);
	if (!data)
		return -ENOMEM;
	err = lnkfs_dev_read(&d->v->dev, block << fs->block_bits, data, fs->block_size);
	if (err)
		goto out;
	type = guess_type(data);
	out_object(o, "block");
	out_u64(o, "number", block);
	out_u64(o, "group", lnkfs_group_of(fs, block));
	out_text(o, "type", dump_type_name(type));
	if (type != LNKFS_B_TYPES)
		show_header(d, data, block, type);
	switch (type) {
	case LNKFS_B_INODE:
		show_slots(d, data, block);
		break;
	case LNKFS_B_BTREE:
		show_node(d, data);
		break;
	case LNKFS_B_DIR:
		show_dirents(d, data);
		break;
	case LNKFS_B_XATTR:
		show_xattrs(d, data);
		break;
	case LNKFS_B_NAMES:
		show_names(d, data);
		break;
	case LNKFS_B_BITMAP:
	case LNKFS_B_IMAP:
	case LNKFS_B_FULLMAP:
	case LNKFS_B_ORPHMAP:
		show_map(d, data);
		break;
	default:
		break;
	}
	show_bytes(d, data);
	out_end(o);
out:
	free(data);
	return err;
}

static int log_descriptor(void *ctx, u32 sequence, u32 at)
{
	struct dump *d = ctx;

	out_row(&d->o);
	out_text(&d->o, "what", "descriptor");
	out_u64(&d->o, "transaction", sequence);
	out_u64(&d->o, "at", at);
	out_end(&d->o);
	return 0;
}

static int log_entry(void *ctx, const struct lnkfs_log_entry *e)
{
	struct dump *d = ctx;
	enum lnkfs_btype type = LNKFS_B_TYPES;
	u8 *data = malloc(d->v->fs.block_size);

	if (!data)
		return -ENOMEM;
	if (!lnkfs_log_read(&d->log, e, data))
		type = guess_type(data);
	free(data);
	out_row(&d->o);
	out_text(&d->o, "what", "block");
	out_u64(&d->o, "transaction", e->sequence);
	out_u64(&d->o, "at", e->at);
	out_u64(&d->o, "block", e->block);
	out_text(&d->o, "type", dump_type_name(type));
	if (e->bad)
		out_text(&d->o, "problem", "wrong checksum");
	out_end(&d->o);
	return 0;
}

static int log_revoke(void *ctx, u32 at, const struct lnkfs_log_revoke *r)
{
	struct dump *d = ctx;

	out_row(&d->o);
	out_text(&d->o, "what", "revoke");
	out_u64(&d->o, "transaction", r->sequence);
	out_u64(&d->o, "at", at);
	out_u64(&d->o, "block", r->block);
	out_end(&d->o);
	return 0;
}

static int log_commit(void *ctx, u32 sequence, u32 at, u64 sec, u32 nsec)
{
	struct dump *d = ctx;

	out_row(&d->o);
	out_text(&d->o, "what", "commit");
	out_u64(&d->o, "transaction", sequence);
	out_u64(&d->o, "at", at);
	out_time(&d->o, "time", (sec - (u64)LNKFS_EPOCH) * 1000000000 + nsec);
	out_end(&d->o);
	return 0;
}

/**
 * dump_journal() - show the journal: its superblock and what is to be replayed
 * @d: run
 */
int dump_journal(struct dump *d)
{
	static const struct lnkfs_log_ops ops = {
		log_descriptor, log_entry, log_revoke, log_commit,
	};
	struct lnkfs_log *log = &d->log;
	struct out *o = &d->o;
	int err = d->log_err;

	out_object(o, "journal");
	if (err) {
		out_text(o, "problem", d->log_why ? d->log_why : strerror(-err));
		out_end(o);
		return err;
	}
	out_u64(o, "blocks", log->maxlen);
	out_u64(o, "first", log->first);
	out_u64(o, "start", log->start);
	out_u64(o, "sequence", log->sequence);
	out_s64(o, "errno", log->err);
	out_hex(o, "feature_incompat", log->incompat);
	out_u64(o, "transactions", log->commits);
	if (log->fast_blocks)
		out_u64(o, "fast_commits", log->fast);
	if (log->damaged)
		out_u64(o, "damaged", log->sequence + log->commits);
	out_list(o, "log");
	err = lnkfs_log_walk(log, &ops, d);
	out_end(o);
	if (err)
		out_text(o, "problem", strerror(-err));
	out_end(o);
	return err;
}
