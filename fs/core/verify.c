// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums and verifiers of metadata blocks.
 *
 * A block is judged by its content alone: nothing here sleeps, allocates or
 * reads another block, and nothing outside the block is touched whatever it
 * holds. lnkfs_seal_block() is called from a journal trigger under a spinlock.
 */
#include "core.h"

/**
 * lnkfs_magic_of() - magic number of a kind of block
 * @type: kind
 *
 * Return: LNKFS_MAGIC_*, or 0 for kinds that have no block header.
 */
u32 lnkfs_magic_of(enum lnkfs_btype type)
{
	switch (type) {
	case LNKFS_B_GDESC:
		return LNKFS_MAGIC_GDESC;
	case LNKFS_B_BITMAP:
		return LNKFS_MAGIC_BITMAP;
	case LNKFS_B_IMAP:
		return LNKFS_MAGIC_IMAP;
	case LNKFS_B_FULLMAP:
		return LNKFS_MAGIC_FULLMAP;
	case LNKFS_B_ORPHMAP:
		return LNKFS_MAGIC_ORPHMAP;
	case LNKFS_B_BTREE:
		return LNKFS_MAGIC_BTREE;
	case LNKFS_B_DIR:
		return LNKFS_MAGIC_DIR;
	case LNKFS_B_XATTR:
		return LNKFS_MAGIC_XATTR;
	case LNKFS_B_QUOTA:
		return LNKFS_MAGIC_QUOTA;
	case LNKFS_B_NAMES:
		return LNKFS_MAGIC_NAMES;
	default:
		return 0;
	}
}

/**
 * lnkfs_type_of_magic() - the kind of block that has a magic number
 * @magic: the number
 *
 * Return: the kind, LNKFS_B_TYPES when there is none.
 */
enum lnkfs_btype lnkfs_type_of_magic(u32 magic)
{
	enum lnkfs_btype type;

	for (type = 0; type < LNKFS_B_TYPES; type++)
		if (lnkfs_magic_of(type) && lnkfs_magic_of(type) == magic)
			break;
	return type;
}

/**
 * lnkfs_header_init() - write the header of a new metadata block
 * @fs: volume
 * @data: the block
 * @type: its kind, one that has a header
 * @block: its number
 * @owner: inode number; for a group's block the group
 * @gen: generation of the inode; 0 for a group's block
 *
 * The checksum is left to lnkfs_seal_block(). @data belongs to a buffer with
 * write access in a transaction.
 */
void lnkfs_header_init(const struct lnkfs_fs *fs, void *data, enum lnkfs_btype type,
		       u64 block, u64 owner, u32 gen)
{
	struct lnkfs_block_header *h = data;

	h->h_magic = cpu_to_le32(lnkfs_magic_of(type));
	h->h_checksum = 0;
	h->h_blocknr = cpu_to_le64(block);
	h->h_owner = cpu_to_le64(owner);
	h->h_fsid = cpu_to_le64(fs->fsid);
	h->h_gen = cpu_to_le32(gen);
	h->h_pad = 0;
}

/**
 * lnkfs_crc_around() - checksum of something that contains it
 * @seed: to begin with
 * @data: what
 * @at: where the checksum is; its four bytes count as zeroes
 * @len: bytes of @data
 */
u32 lnkfs_crc_around(u32 seed, const void *data, u32 at, u32 len)
{
	__le32 head[2] = { 0, 0 };
	u32 crc;

	if (at == sizeof(head[0])) {
		/* most of what is on disk begins so: a call saved */
		memcpy(head, data, at);
		crc = lnkfs_crc32c(seed, head, sizeof(head));
	} else {
		crc = lnkfs_crc32c(seed, data, at);
		crc = lnkfs_crc32c(crc, head, sizeof(head[0]));
	}
	at += sizeof(head[0]);
	return lnkfs_crc32c(crc, (const u8 *)data + at, len - at);
}

static u32 header_crc(const struct lnkfs_fs *fs, const void *data)
{
	return lnkfs_crc_around(fs->csum_seed, data,
				offsetof(struct lnkfs_block_header, h_checksum), fs->block_size);
}

static const struct lnkfs_slot *slot_at(const void *data, u32 slot)
{
	return (const void *)((const u8 *)data + slot * LNKFS_SLOT_SIZE);
}

static u32 slot_crc(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot, u32 count)
{
	struct {
		__le64 number;
		struct lnkfs_slot slot;
	} head = { cpu_to_le64((block << fs->slot_bits) + slot), *slot_at(data, slot) };
	u32 crc;

	head.slot.sl_checksum = 0;
	crc = lnkfs_crc32c(fs->csum_seed, &head, sizeof(head));
	return lnkfs_crc32c(crc, (const u8 *)data + slot * LNKFS_SLOT_SIZE + sizeof(head.slot),
			    count * LNKFS_SLOT_SIZE - (u32)sizeof(head.slot));
}

/*
 * Slots of the free slot or record that starts at @slot, or 0 when the headers
 * make no sense.
 */
static u32 slot_run(const struct lnkfs_fs *fs, const void *data, u32 slot)
{
	const struct lnkfs_slot *sl = slot_at(data, slot);
	u32 left = (1u << fs->slot_bits) - slot;
	u32 i;

	if (sl->sl_magic != cpu_to_le16(LNKFS_SLOT_MAGIC))
		return 0;
	if (sl->sl_type == LNKFS_SLOT_FREE)
		return sl->sl_count == 1;
	if (sl->sl_type != LNKFS_SLOT_HEAD)
		return 0;
	if (!sl->sl_count || sl->sl_count > LNKFS_MAX_SLOTS || sl->sl_count > left)
		return 0;
	for (i = 1; i < sl->sl_count; i++) {
		const struct lnkfs_slot *cont = slot_at(data, slot + i);

		if (cont->sl_magic != cpu_to_le16(LNKFS_SLOT_MAGIC) ||
		    cont->sl_type != LNKFS_SLOT_CONT || cont->sl_count != i ||
		    cont->sl_checksum)
			return 0;
	}
	return sl->sl_count;
}

static int verify_inode_block(const struct lnkfs_fs *fs, const void *data, u64 block)
{
	u32 slots = 1u << fs->slot_bits;
	u32 slot, run;

	for (slot = 0; slot < slots; slot += run) {
		run = slot_run(fs, data, slot);
		if (!run)
			return -EFSCORRUPTED;
		if (le32_to_cpu(slot_at(data, slot)->sl_checksum) !=
		    slot_crc(fs, data, block, slot, run))
			return -EFSBADCRC;
	}
	return 0;
}

/**
 * lnkfs_verify_record() - is one inode record intact?
 * @fs: volume
 * @data: inode block
 * @block: its number
 * @slot: where the record's head should be
 *
 * For readers of a block in which some other record may be bad. A record that
 * was modified since the block was last sealed has a stale checksum: ask only
 * of blocks for which lnkfs_bbad() says so, they are never modified.
 *
 * Return: 0, -EFSCORRUPTED when no well-formed record starts there, -EFSBADCRC.
 */
int lnkfs_verify_record(const struct lnkfs_fs *fs, const void *data, u64 block, u32 slot)
{
	u32 run;

	if (slot >> fs->slot_bits)
		return -EFSCORRUPTED;
	run = slot_run(fs, data, slot);
	if (!run || slot_at(data, slot)->sl_type != LNKFS_SLOT_HEAD)
		return -EFSCORRUPTED;
	if (le32_to_cpu(slot_at(data, slot)->sl_checksum) != slot_crc(fs, data, block, slot, run))
		return -EFSBADCRC;
	return 0;
}

/* The map belongs to this group and no bit beyond the group's end lies. */
static int verify_map(const struct lnkfs_fs *fs, const void *data, enum lnkfs_btype type,
		      u64 block, u64 owner)
{
	const struct lnkfs_map_block *map = data;
	u32 size;

	if (owner >= lnkfs_groups(fs) || lnkfs_group_map_block(fs, (u32)owner, type) != block)
		return -EFSCORRUPTED;
	size = lnkfs_group_size(fs, (u32)owner);
	if (type == LNKFS_B_BITMAP) {
		u32 head = lnkfs_group_overhead(fs, (u32)owner);

		if (lnkfs_find_next_zero_bit(map->m_bits, head, 0) < head ||
		    lnkfs_find_next_zero_bit(map->m_bits, fs->group_blocks, size) <
		    fs->group_blocks)
			return -EFSCORRUPTED;
	} else if (lnkfs_find_next_bit(map->m_bits, fs->group_blocks, size) < fs->group_blocks) {
		return -EFSCORRUPTED;
	}
	return 0;
}

static int verify_gdesc(const struct lnkfs_fs *fs, u64 block, u64 owner)
{
	if (owner >= lnkfs_groups(fs) || (u32)owner % fs->desc_per_block)
		return -EFSCORRUPTED;
	/* A backup is verified as what it is: it says its own place. */
	if (lnkfs_group_of(fs, block) / fs->desc_per_block != (u32)owner / fs->desc_per_block)
		return -EFSCORRUPTED;
	return 0;
}

/**
 * lnkfs_verify_block() - is a block just read what it should be?
 * @fs: volume
 * @data: the block
 * @type: what it should be
 * @block: its number
 * @owner: inode or group it should belong to; LNKFS_ANY_OWNER (tools only)
 *	checks neither owner nor generation
 * @gen: generation it should carry
 *
 * Any context; does not report.
 *
 * Return: 0; -EFSBADCRC when the magic number is right and the checksum is not;
 * -EFSCORRUPTED for everything else, a misplaced or foreign block included.
 * Inode blocks: the first bad record decides.
 */
int lnkfs_verify_block(const struct lnkfs_fs *fs, const void *data, enum lnkfs_btype type,
		       u64 block, u64 owner, u32 gen)
{
	const struct lnkfs_block_header *h = data;

	if (type == LNKFS_B_RAW)
		return 0;
	if (type == LNKFS_B_INODE)
		return verify_inode_block(fs, data, block);

	if (le32_to_cpu(h->h_magic) != lnkfs_magic_of(type))
		return -EFSCORRUPTED;
	if (le32_to_cpu(h->h_checksum) != header_crc(fs, data))
		return -EFSBADCRC;
	if (le64_to_cpu(h->h_blocknr) != block || le64_to_cpu(h->h_fsid) != fs->fsid)
		return -EFSCORRUPTED;
	if (owner != LNKFS_ANY_OWNER &&
	    (le64_to_cpu(h->h_owner) != owner || le32_to_cpu(h->h_gen) != gen))
		return -EFSCORRUPTED;

	switch (type) {
	case LNKFS_B_GDESC:
		return verify_gdesc(fs, block, le64_to_cpu(h->h_owner));
	case LNKFS_B_BITMAP:
	case LNKFS_B_IMAP:
	case LNKFS_B_FULLMAP:
	case LNKFS_B_ORPHMAP:
		return verify_map(fs, data, type, block, le64_to_cpu(h->h_owner));
	case LNKFS_B_BTREE:
		return lnkfs_btree_check_node(fs, data);
	case LNKFS_B_DIR:
		return lnkfs_dir_check_block(fs, data);
	case LNKFS_B_XATTR:
		return lnkfs_xattr_check_block(fs, data);
	case LNKFS_B_QUOTA:
		return 0;
	case LNKFS_B_NAMES:
		return lnkfs_names_check_block(fs, data);
	default:
		return -EFSCORRUPTED;
	}
}

/**
 * lnkfs_seal_block() - make the checksums of a block right
 * @fs: volume
 * @data: the block, with write access
 * @type: its kind
 * @block: its number
 *
 * Bounded, idempotent, does not sleep, never reads or writes outside the
 * block. Slots of an inode block that are not part of a well-formed record are
 * left as they are. LNKFS_B_RAW: nothing to do.
 */
void lnkfs_seal_block(const struct lnkfs_fs *fs, void *data, enum lnkfs_btype type, u64 block)
{
	struct lnkfs_block_header *h = data;
	u32 slots = 1u << fs->slot_bits;
	u32 slot, run;

	if (type == LNKFS_B_RAW)
		return;
	if (type != LNKFS_B_INODE) {
		h->h_checksum = cpu_to_le32(header_crc(fs, data));
		return;
	}
	for (slot = 0; slot < slots; slot += max(run, 1u)) {
		struct lnkfs_slot *sl = data + slot * LNKFS_SLOT_SIZE;

		run = slot_run(fs, data, slot);
		if (run)
			sl->sl_checksum = cpu_to_le32(slot_crc(fs, data, block, slot, run));
	}
}
