// SPDX-License-Identifier: GPL-2.0
/*
 * Where everything is: every structure of a sound volume, found by following the
 * pointers, so that each of its fields can be damaged.
 */
#include "fscktest.h"
#include "kinds.h"
#include "xattr.h"

#define HEAD_AREA	(LNKFS_SLOT_SIZE - (u32)sizeof(struct lnkfs_inode))
#define CONT_AREA	(LNKFS_SLOT_SIZE - (u32)sizeof(struct lnkfs_slot))

static struct lnkfs_fs *fs_of(struct catalog *cat)
{
	return &cat->vol.v.fs;
}

static u8 *block_at(struct catalog *cat, u64 block)
{
	return cat->img->mem + (block << fs_of(cat)->block_bits);
}

static struct object *add(struct catalog *cat, enum kind_nr kind, u64 at, u32 len)
{
	struct object *o;

	if (cat->nr == cat->max) {
		cat->max = cat->max ? 2 * cat->max : 4096;
		cat->obj = realloc(cat->obj, cat->max * sizeof(*o));
		if (!cat->obj)
			die("no memory");
	}
	o = &cat->obj[cat->nr++];
	memset(o, 0, sizeof(*o));
	o->kind = &kinds[kind];
	o->at = at;
	o->len = len;
	o->btype = LNKFS_B_RAW;
	return o;
}

/* A structure in a block that has a checksum. */
static struct object *add_in(struct catalog *cat, enum kind_nr kind, u64 block, u32 off, u32 len,
			     enum lnkfs_btype btype)
{
	struct object *o = add(cat, kind, (block << fs_of(cat)->block_bits) + off, len);

	o->seal = btype == LNKFS_B_RAW ? SEAL_NONE : SEAL_BLOCK;
	o->btype = btype;
	return o;
}

/**
 * struct owner - the inode whose structures are listed
 * @ci: it
 * @record: byte at which its record begins
 */
struct owner {
	struct lnkfs_cinode ci;
	u64 record;
};

/* A structure in the inline area. */
static struct object *add_area(struct catalog *cat, enum kind_nr kind, const struct owner *ow,
			       u32 off, u32 len)
{
	struct object *o = add(cat, kind, ow->record, len);

	o->area = true;
	o->area_at = off;
	o->ino = ow->ci.ino;
	o->seal = SEAL_BLOCK;
	o->btype = LNKFS_B_INODE;
	return o;
}

/**
 * object_byte() - where a byte of a structure is
 * @o: structure
 * @at: byte of it
 */
u64 object_byte(const struct object *o, u32 at)
{
	if (!o->area)
		return o->at + at;
	at += o->area_at;
	if (at < HEAD_AREA)
		return o->at + sizeof(struct lnkfs_inode) + at;
	at -= HEAD_AREA;
	return o->at + (1 + at / CONT_AREA) * LNKFS_SLOT_SIZE + sizeof(struct lnkfs_slot) +
	       at % CONT_AREA;
}

/**
 * object_block() - the block that a structure is in
 * @cat: catalog
 * @o: structure
 */
u64 object_block(const struct catalog *cat, const struct object *o)
{
	return object_byte(o, 0) >> cat->vol.v.fs.block_bits;
}

/**
 * field_get() - value of a field
 * @cat: catalog
 * @o: structure
 * @f: field of at most 8 bytes
 */
u64 field_get(const struct catalog *cat, const struct object *o, const struct field *f)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < f->size; i++) {
		u8 byte = cat->img->mem[object_byte(o, f->at + i)];

		if (f->flags & FIELD_BE)
			value = value << 8 | byte;
		else
			value |= (u64)byte << 8 * i;
	}
	return value;
}

static char *copy_name(const void *name, u32 len)
{
	char *s = malloc(len + 1);

	if (!s)
		die("no memory");
	memcpy(s, name, len);
	s[len] = '\0';
	return s;
}

/* ---- what belongs to the volume ---- */

static void list_supers(struct catalog *cat)
{
	struct lnkfs_fs *fs = fs_of(cat);
	u32 group;

	for (group = 0; group < fs->groups; group++) {
		u64 at = group ? lnkfs_group_first(fs, group) << fs->block_bits :
				 LNKFS_SUPER_OFFSET;
		struct object *o;

		if (!lnkfs_group_has_super(group))
			continue;
		o = add(cat, K_SUPER, at, sizeof(struct lnkfs_super_block));
		o->copy = group;
		o->seal = SEAL_SUPER;
	}
	if (fs->journal_blocks)
		add(cat, K_JOURNAL, fs->journal_start << fs->block_bits, 1024)->seal = SEAL_JOURNAL;
}

static void list_descs(struct catalog *cat)
{
	struct lnkfs_fs *fs = fs_of(cat);
	u32 group, i;

	for (group = 0; group < fs->groups; group++) {
		u64 block = lnkfs_group_map_block(fs, group, LNKFS_B_BITMAP) - 1;
		u32 first = group - group % fs->desc_per_block;
		struct object *o;

		if (!lnkfs_group_has_desc(fs, group))
			continue;
		o = add_in(cat, K_GDESCBLK, block, 0, sizeof(struct lnkfs_gdesc_block),
			   LNKFS_B_GDESC);
		o->num = first;
		o->copy = group;
		for (i = 0; i < fs->desc_per_block && first + i < fs->groups; i++) {
			o = add_in(cat, K_GDESC, block,
				   sizeof(struct lnkfs_gdesc_block) +
				   i * sizeof(struct lnkfs_group_desc),
				   sizeof(struct lnkfs_group_desc), LNKFS_B_GDESC);
			o->num = first + i;
			o->copy = group;
		}
	}
}

static void list_maps(struct catalog *cat)
{
	static const enum kind_nr kind[] = { K_BITMAP, K_IMAP, K_FULLMAP, K_ORPHMAP };
	struct lnkfs_fs *fs = fs_of(cat);
	u32 group, i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		for (group = 0; group < fs->groups; group++) {
			enum lnkfs_btype type = LNKFS_B_BITMAP + i;
			u64 block = lnkfs_group_map_block(fs, group, type);

			/* One that was never written is all zeroes. */
			if (lnkfs_verify_block(fs, block_at(cat, block), type, block, group, 0))
				continue;
			add_in(cat, kind[i], block, 0, fs->block_size, type)->num = group;
		}
	}
}

/* ---- trees ---- */

/**
 * struct tree - a B+tree being listed
 * @cat: catalog
 * @ow: its inode
 * @vsize: bytes of a leaf's value
 * @root: kinds of its parts
 * @node: likewise
 * @rec: records of leaves
 * @idx: records of other nodes
 * @nodes: nodes so far
 * @recs: records of leaves so far
 * @idxs: others
 * @leaf: called for each record of a leaf, may be NULL
 */
struct tree {
	struct catalog *cat;
	const struct owner *ow;
	u32 vsize;
	enum kind_nr node;
	enum kind_nr rec;
	enum kind_nr idx;
	u64 nodes;
	u64 recs;
	u64 idxs;
	void (*leaf)(struct tree *t, u64 key, u64 block, u32 len, u32 flags);
};

static void list_node(struct tree *t, u64 block);

/* The records of a node or a root: @o is where they begin. */
static void list_records(struct tree *t, const struct object *base, u32 at, u32 level, u32 count)
{
	const struct field key = { .at = 0, .size = 8 }, child = { .at = 8, .size = 8 };
	const struct field len = { .at = 16, .size = 4 }, flags = { .at = 20, .size = 4 };
	u32 size = level ? 16 : 8 + t->vsize, i;

	for (i = 0; i < count; i++) {
		struct object rec = *base, *o;
		u64 block = 0;

		rec.kind = &kinds[level ? t->idx : t->rec];
		rec.num = level ? t->idxs++ : t->recs++;
		rec.len = size;
		if (rec.area)
			rec.area_at += at + i * size;
		else
			rec.at += at + i * size;
		o = add(t->cat, 0, 0, 0);
		*o = rec;
		if (level || t->vsize)
			block = field_get(t->cat, &rec, &child);
		if (level)
			list_node(t, block);
		else if (t->leaf)
			t->leaf(t, field_get(t->cat, &rec, &key), block,
				t->vsize == 16 ? (u32)field_get(t->cat, &rec, &len) : 1,
				t->vsize == 16 ? (u32)field_get(t->cat, &rec, &flags) : 0);
	}
}

static void list_node(struct tree *t, u64 block)
{
	const struct lnkfs_btree_node *n = (void *)block_at(t->cat, block);
	struct object base, *o;

	o = add_in(t->cat, t->node, block, 0, sizeof(*n), LNKFS_B_BTREE);
	o->ino = t->ow->ci.ino;
	o->num = t->nodes++;
	base = *o;
	list_records(t, &base, sizeof(*n), le16_to_cpu(n->n_level), le16_to_cpu(n->n_count));
}

static void list_root(struct tree *t, enum kind_nr kind, u32 off, u32 size)
{
	const struct lnkfs_btree_root *r = (const void *)(t->ow->ci.area + off);
	struct object base = *add_area(t->cat, kind, t->ow, off, size);

	list_records(t, &base, sizeof(*r), le16_to_cpu(r->bt_level), le16_to_cpu(r->bt_count));
}

static void list_extents(struct catalog *cat, const struct owner *ow, u32 off, u32 size,
			 void (*leaf)(struct tree *, u64, u64, u32, u32))
{
	struct tree t = { .cat = cat, .ow = ow, .vsize = 16, .node = K_EXTNODE, .rec = K_EXTREC,
			  .idx = K_EXTIDX, .leaf = leaf };

	list_root(&t, K_EXTROOT, off, size);
}

/* ---- directories ---- */

/* Entries: of block @block from @off on, or of the inline area. */
static void list_run(struct catalog *cat, const struct owner *ow, u64 block, u32 off, u32 len)
{
	const u8 *data = block ? block_at(cat, block) : ow->ci.area;
	const struct lnkfs_dirent *de;
	struct object *o;
	u32 at;

	for (at = off; at < off + len; at += le16_to_cpu(de->d_rec_len)) {
		enum kind_nr kind;

		de = (const void *)(data + at);
		kind = de->d_name_len ? K_DIRENT : K_HOLE;
		if (block)
			o = add_in(cat, kind, block, at, le16_to_cpu(de->d_rec_len), LNKFS_B_DIR);
		else
			o = add_area(cat, kind, ow, at, le16_to_cpu(de->d_rec_len));
		o->ino = ow->ci.ino;
		o->num = block * 4096 + at;
		if (de->d_name_len)
			o->name = copy_name(de->d_name, de->d_name_len);
	}
}

static void list_dir_extent(struct tree *t, u64 key, u64 block, u32 len, u32 flags)
{
	struct lnkfs_fs *fs = fs_of(t->cat);
	struct object *o;
	u32 i;

	(void)flags;
	for (i = 0; i < len; i++) {
		o = add_in(t->cat, K_DIRBLK, block + i, 0, sizeof(struct lnkfs_dir_block),
			   LNKFS_B_DIR);
		o->ino = t->ow->ci.ino;
		o->num = key + i;
		list_run(t->cat, t->ow, block + i, sizeof(struct lnkfs_dir_block),
			 fs->block_size - sizeof(struct lnkfs_dir_block));
	}
}

static void list_dir(struct catalog *cat, const struct owner *ow)
{
	const struct lnkfs_dir_fork *df = (const void *)ow->ci.area;
	u32 ext = le16_to_cpu(df->f_ext_len);
	struct tree t = { .cat = cat, .ow = ow, .node = K_IDXNODE, .rec = K_IDXREC,
			  .idx = K_IDXIDX };

	if (ow->ci.fork == LNKFS_FORK_DIR_INLINE) {
		list_run(cat, ow, 0, 0, ow->ci.fork_len);
		return;
	}
	add_area(cat, K_DIRFORK, ow, 0, sizeof(*df));
	list_extents(cat, ow, sizeof(*df), ext, list_dir_extent);
	list_root(&t, K_IDXROOT, sizeof(*df) + ext, le16_to_cpu(df->f_idx_len));
}

/* ---- attributes ---- */

static void list_value(struct catalog *cat, const struct owner *ow, const struct object *ent,
		       const struct lnkfs_xattr_entry *e)
{
	const __le64 *x = lnkfs_xattr_extents(e);
	u32 i, k, n = 0;

	for (i = 0; i < e->e_extents; i++) {
		struct object *o = add(cat, 0, 0, 0);

		*o = *ent;
		o->kind = &kinds[K_XEXT];
		o->num = i;
		o->name = copy_name(e->e_name, e->e_name_len);
		o->len = 8;
		if (o->area)
			o->area_at += lnkfs_xattr_extents_at(e->e_name_len) + 8 * i;
		else
			o->at += lnkfs_xattr_extents_at(e->e_name_len) + 8 * i;
		for (k = 0; k < lnkfs_xattr_extent_len(x[i]); k++) {
			o = add_in(cat, K_XVALUE, lnkfs_xattr_extent_block(x[i]) + k, 0,
				   fs_of(cat)->block_size, LNKFS_B_XATTR);
			o->ino = ow->ci.ino;
			o->num = n++;
			o->name = copy_name(e->e_name, e->e_name_len);
		}
	}
}

/* The value of the attribute of a symlink. */
static void list_link_attr(struct catalog *cat, const struct object *ent)
{
	struct object *o = add(cat, 0, 0, 0);

	*o = *ent;
	o->kind = &kinds[K_LINKATTR];
	o->name = NULL;
	o->len = sizeof(struct lnkfs_link_attr);
	if (o->area)
		o->area_at += sizeof(struct lnkfs_xattr_entry);
	else
		o->at += sizeof(struct lnkfs_xattr_entry);
}

static void list_xattrs(struct catalog *cat, const struct owner *ow, u64 block, u32 off, u32 len)
{
	u8 *data = block ? block_at(cat, block) : ow->ci.area;
	u32 at, size;

	for (at = 0; at < len; at += size) {
		struct lnkfs_xattr_entry *e = lnkfs_xattr_entry(data + off, len, at, &size);
		struct object *o, ent;

		if (!e)
			die("inode %llu: broken attributes", (unsigned long long)ow->ci.ino);
		if (block)
			o = add_in(cat, K_XATTR, block, off + at, size, LNKFS_B_XATTR);
		else
			o = add_area(cat, K_XATTR, ow, off + at, size);
		o->ino = ow->ci.ino;
		o->name = e->e_space == LNKFS_XATTR_ACL_ACCESS ? copy_name("acl", 3) :
			  e->e_space == LNKFS_XATTR_ACL_DEFAULT ? copy_name("dacl", 4) :
			  e->e_space == LNKFS_XATTR_LINK ? copy_name("link", 4) :
			  copy_name(e->e_name, e->e_name_len);
		ent = *o;
		if (e->e_extents)
			list_value(cat, ow, &ent, e);
		else if (e->e_space == LNKFS_XATTR_LINK)
			list_link_attr(cat, &ent);
	}
}

static void list_leaf(struct catalog *cat, const struct owner *ow, u64 block, u64 num)
{
	const struct lnkfs_xattr_block *xb = (void *)block_at(cat, block);
	struct object *o;

	o = add_in(cat, K_XLEAF, block, 0, sizeof(*xb), LNKFS_B_XATTR);
	o->ino = ow->ci.ino;
	o->num = num;
	list_xattrs(cat, ow, block, sizeof(*xb), le16_to_cpu(xb->x_used));
}

static void list_leaf_ref(struct tree *t, u64 key, u64 block, u32 len, u32 flags)
{
	(void)key;
	(void)len;
	(void)flags;
	list_leaf(t->cat, t->ow, block, t->recs - 1);
}

static void list_external(struct catalog *cat, const struct owner *ow)
{
	u64 block = ow->ci.xattr_block;
	const struct lnkfs_xattr_block *xb = (void *)block_at(cat, block);
	const struct lnkfs_btree_root *r = (const void *)xb->x_data;
	struct tree t = { .cat = cat, .ow = ow, .vsize = 8, .node = K_XNODE, .rec = K_XREC,
			  .idx = K_XIDX, .leaf = list_leaf_ref };
	struct object *o, base;

	if (xb->x_kind != LNKFS_XBLOCK_HEAD) {
		list_leaf(cat, ow, block, 0);
		return;
	}
	o = add_in(cat, K_XHEAD, block, 0, sizeof(*xb), LNKFS_B_XATTR);
	o->ino = ow->ci.ino;
	o = add_in(cat, K_XROOT, block, sizeof(*xb), sizeof(*r), LNKFS_B_XATTR);
	o->ino = ow->ci.ino;
	base = *o;
	list_records(&t, &base, sizeof(*r), le16_to_cpu(r->bt_level), le16_to_cpu(r->bt_count));
}

/* ---- quota files ---- */

/* A structure in the bytes of a quota file, if it lies in one block. */
static struct object *add_quota(struct catalog *cat, struct owner *ow, enum kind_nr kind, u64 pos,
				u32 len)
{
	struct lnkfs_fs *fs = fs_of(cat);
	u32 pay = lnkfs_quota_payload(fs), off = (u32)(pos % pay);
	struct lnkfs_ext ext;
	struct object *o;

	if (off + len > pay || lnkfs_ext_lookup(fs, &ow->ci, pos / pay, &ext) || ext.flags)
		return NULL;
	o = add_in(cat, kind, ext.block + pos / pay - ext.lblk,
		   sizeof(struct lnkfs_quota_block) + off,
		   len, LNKFS_B_QUOTA);
	o->ino = ow->ci.ino;
	return o;
}

static void list_quota_leaf(struct catalog *cat, struct owner *ow, u32 n)
{
	struct object *o = add_quota(cat, ow, K_QLEAF, (u64)n * LNKFS_QUOTA_BLOCK,
				     sizeof(struct lnkfs_quota_leaf));
	u32 i;

	if (o)
		o->num = n;
	for (i = 0; i < LNKFS_QUOTA_ENTRIES; i++) {
		struct lnkfs_quota_entry e;
		u64 pos = (u64)n * LNKFS_QUOTA_BLOCK + sizeof(struct lnkfs_quota_leaf) +
			  i * sizeof(e);

		if (lnkfs_quota_read(fs_of(cat), &ow->ci, pos, &e, sizeof(e)) != sizeof(e) ||
		    !memchr_inv(&e, 0, sizeof(e)))
			continue;
		o = add_quota(cat, ow, K_QENT, pos, sizeof(e));
		if (o)
			o->num = le32_to_cpu(e.q_id);
	}
}

static void list_quota_tree(struct catalog *cat, struct owner *ow, u32 n, u32 level, u8 *seen)
{
	u32 i;

	for (i = 0; i < LNKFS_QUOTA_REFS; i++) {
		u64 pos = (u64)n * LNKFS_QUOTA_BLOCK + 4 * i;
		struct object *o;
		__le32 ref;

		if (lnkfs_quota_read(fs_of(cat), &ow->ci, pos, &ref, 4) != 4 || !ref)
			continue;
		o = add_quota(cat, ow, K_QREF, pos, 4);
		if (o)
			o->num = n * LNKFS_QUOTA_REFS + i;
		if (level + 1 < LNKFS_QUOTA_LEVELS)
			list_quota_tree(cat, ow, le32_to_cpu(ref), level + 1, seen);
		else if (!seen[le32_to_cpu(ref) % 256]++)
			list_quota_leaf(cat, ow, le32_to_cpu(ref));
	}
}

static void list_quota(struct catalog *cat, struct owner *ow)
{
	struct lnkfs_fs *fs = fs_of(cat);
	struct lnkfs_ext ext;
	u8 seen[256] = { 0 };
	u64 lblk;

	for (lblk = 0; lblk < ow->ci.size >> fs->block_bits; lblk++) {
		struct object *o;

		if (lnkfs_ext_lookup(fs, &ow->ci, lblk, &ext) || ext.flags)
			continue;
		o = add_in(cat, K_QBLK, ext.block + lblk - ext.lblk, 0,
			   sizeof(struct lnkfs_quota_block), LNKFS_B_QUOTA);
		o->ino = ow->ci.ino;
		o->num = lblk;
	}
	add_quota(cat, ow, K_QHEAD, 0, sizeof(struct lnkfs_quota_head));
	list_quota_tree(cat, ow, 1, 0, seen);
}

/* ---- inodes ---- */

static void list_link(struct catalog *cat, const struct owner *ow)
{
	const struct lnkfs_slow_link *sl = (const void *)ow->ci.area;
	u32 i;

	if (ow->ci.fork == LNKFS_FORK_FAST_LINK)
		add_area(cat, K_TEXT, ow, 0, ow->ci.fork_len + 1);
	if (ow->ci.fork != LNKFS_FORK_SLOW_LINK)
		return;
	add_area(cat, K_SLOWLINK, ow, 0, sizeof(*sl));
	for (i = 0; i < le32_to_cpu(sl->l_blocks); i++) {
		struct object *o = add_in(cat, K_BODY, le64_to_cpu(sl->l_block) + i, 0,
					  fs_of(cat)->block_size, LNKFS_B_RAW);

		o->ino = ow->ci.ino;
		o->num = i;
	}
}

static bool is_quota(struct catalog *cat, u64 ino)
{
	u32 type;

	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (le64_to_cpu(cat->vol.v.sb.s_quota_ino[type]) == ino)
			return true;
	return false;
}

static void list_inode(struct catalog *cat, u64 block, u32 slot)
{
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
	struct owner ow = { .ci.area = area };
	struct lnkfs_fs *fs = fs_of(cat);
	struct object *o;
	u32 i;

	if (lnkfs_inode_decode(fs, block_at(cat, block), block, slot, &ow.ci))
		die("block %llu: bad record", (unsigned long long)block);
	ow.record = (block << fs->block_bits) + slot * LNKFS_SLOT_SIZE;
	o = add_in(cat, K_INODE, block, slot * LNKFS_SLOT_SIZE, ow.ci.slots * LNKFS_SLOT_SIZE,
		   LNKFS_B_INODE);
	o->ino = ow.ci.ino;
	add_area(cat, K_AREA, &ow, 0, ow.ci.area_len);
	for (i = 1; i < ow.ci.slots; i++) {
		o = add_in(cat, K_SLOT, block, (slot + i) * LNKFS_SLOT_SIZE,
			   sizeof(struct lnkfs_slot), LNKFS_B_INODE);
		o->ino = ow.ci.ino;
		o->num = i;
	}
	if (ow.ci.fork == LNKFS_FORK_DEVICE)
		add_area(cat, K_DEVICE, &ow, 0, sizeof(struct lnkfs_device));
	else if (S_ISLNK(ow.ci.mode))
		list_link(cat, &ow);
	else if (S_ISDIR(ow.ci.mode))
		list_dir(cat, &ow);
	else if (S_ISREG(ow.ci.mode))
		list_extents(cat, &ow, 0, ow.ci.fork_len, NULL);
	if (is_quota(cat, ow.ci.ino))
		list_quota(cat, &ow);
	list_xattrs(cat, &ow, 0, ow.ci.area_len - ow.ci.xattr_len, ow.ci.xattr_len);
	if (ow.ci.xattr_block)
		list_external(cat, &ow);
}

static void list_slots(struct catalog *cat, u64 block)
{
	struct lnkfs_fs *fs = fs_of(cat);
	u32 slot = 0;

	add_in(cat, K_INOBLK, block, 0, fs->block_size, LNKFS_B_INODE)->num = block;
	while (slot < 1u << fs->slot_bits) {
		const struct lnkfs_slot *sl = (void *)(block_at(cat, block) +
						       slot * LNKFS_SLOT_SIZE);
		u32 count = sl->sl_count;

		if (sl->sl_type == LNKFS_SLOT_HEAD) {
			list_inode(cat, block, slot);
		} else {
			add_in(cat, K_FREESLOT, block, slot * LNKFS_SLOT_SIZE, LNKFS_SLOT_SIZE,
			       LNKFS_B_INODE)->num = (block << fs->slot_bits) + slot;
		}
		slot += count;
	}
}

static void list_inodes(struct catalog *cat)
{
	struct lnkfs_fs *fs = fs_of(cat);
	u32 group, off;

	for (group = 0; group < fs->groups; group++) {
		const struct lnkfs_map_block *map;
		u64 block = lnkfs_group_map_block(fs, group, LNKFS_B_IMAP);

		map = (void *)block_at(cat, block);
		if (fs->group[group].flags & LNKFS_BG_INODE_UNINIT)
			continue;
		for (off = 0; off < lnkfs_group_size(fs, group); off++)
			if (lnkfs_test_bit(off, map->m_bits))
				list_slots(cat, lnkfs_group_first(fs, group) + off);
	}
}

/* Trees of back references; their nodes and records are counted through. */
static void list_names(struct catalog *cat)
{
	struct owner none = {};
	struct tree t = { .cat = cat, .ow = &none, .vsize = 8, .node = K_NAMENODE,
			  .rec = K_NAMEREC, .idx = K_NAMEIDX };
	struct lnkfs_fs *fs = fs_of(cat);
	const struct lnkfs_btree_root *r;
	struct object base;
	u32 group;

	for (group = 0; group < fs->groups; group++) {
		u64 block = fs->group[group].names;

		if (!block)
			continue;
		r = (const void *)((struct lnkfs_names_block *)block_at(cat, block))->nb_root;
		base = *add_in(cat, K_NAMES, block, 0, sizeof(struct lnkfs_names_block) +
			       sizeof(*r), LNKFS_B_NAMES);
		cat->obj[cat->nr - 1].num = group;
		list_records(&t, &base, sizeof(struct lnkfs_names_block) + sizeof(*r),
			     le16_to_cpu(r->bt_level), le16_to_cpu(r->bt_count));
	}
}

/* Some free blocks, as they would be with a node of a tree in them. */
static void list_spares(struct catalog *cat)
{
	struct lnkfs_fs *fs = fs_of(cat);
	const struct lnkfs_map_block *map;
	u32 off = lnkfs_group_size(fs, 0), n = 0;

	map = (void *)block_at(cat, lnkfs_group_map_block(fs, 0, LNKFS_B_BITMAP));
	while (off-- && n < SPARES)
		if (!lnkfs_test_bit(off, map->m_bits))
			add_in(cat, K_SPARE, off, 0, fs->block_size, LNKFS_B_BTREE)->num = n++;
}

/* The last blocks of the journal. */
static void list_log(struct catalog *cat)
{
	const struct lnkfs_fs *fs = fs_of(cat);
	u32 n;

	for (n = 0; n < SPARES && n < fs->journal_blocks; n++)
		add_in(cat, K_LOGBLK, fs->journal_start + fs->journal_blocks - 1 - n, 0,
		       fs->block_size, LNKFS_B_INODE)->num = n;
}

static int by_kind(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->num != y->num)
		return x->num < y->num ? -1 : 1;
	if (x->copy != y->copy)
		return x->copy < y->copy ? -1 : 1;
	return x->at + x->area_at < y->at + y->area_at ? -1 : 1;
}

/**
 * catalog_make() - list everything on a sound volume
 * @cat: filled in
 * @img: the volume; it must not change
 */
void catalog_make(struct catalog *cat, struct img *img)
{
	const char *why;

	memset(cat, 0, sizeof(*cat));
	cat->img = img;
	if (lnkfs_image_open(&cat->vol, img->path, &why))
		die("%s: not a sound volume: %s", img->path, why ? why : "groups or journal");
	/* What is on the device counts, not what the log says. */
	cat->vol.v.dev.overlay = NULL;
	list_supers(cat);
	list_descs(cat);
	list_maps(cat);
	list_inodes(cat);
	list_names(cat);
	list_spares(cat);
	list_log(cat);
	qsort(cat->obj, cat->nr, sizeof(*cat->obj), by_kind);
}

/**
 * catalog_free() - give its memory back
 * @cat: see catalog_make()
 */
void catalog_free(struct catalog *cat)
{
	u32 i;

	for (i = 0; i < cat->nr; i++)
		free(cat->obj[i].name);
	free(cat->obj);
	lnkfs_image_close(&cat->vol);
}

/**
 * catalog_path() - inode number of a path
 * @cat: catalog
 * @path: from the root on, or a number, or the type of a quota file
 */
u64 catalog_path(struct catalog *cat, const char *path)
{
	static const char *const quota[LNKFS_QUOTA_TYPES] = { "user", "group", "project" };
	struct lnkfs_node node;
	char *end;
	u64 ino = strtoull(path, &end, 0);
	u32 type;
	int err;

	if (!*end && end != path)
		return ino;
	for (type = 0; type < LNKFS_QUOTA_TYPES; type++)
		if (!strcmp(path, quota[type]))
			return le64_to_cpu(cat->vol.v.sb.s_quota_ino[type]);
	err = lnkfs_image_find(&cat->vol, path, false, &node);
	if (err)
		die("%s: %s", path, strerror(-err));
	return node.ci.ino;
}

/* A part of a structure's name up to a colon; false: there is none. */
static bool part(const char **text, const char *end, char *buf, size_t size)
{
	size_t len = 0;

	if (*text >= end)
		return false;
	while (*text + len < end && (*text)[len] != ':')
		len++;
	if (len >= size)
		die("%.*s: too long", (int)len, *text);
	memcpy(buf, *text, len);
	buf[len] = '\0';
	*text += len + 1;
	return true;
}

static const struct kind *kind_find(const char *name)
{
	u32 i;

	for (i = 0; i < K_KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	die("no structure is called %s", name);
}

/**
 * catalog_find() - find a structure
 * @cat: catalog
 * @text: KIND[:NUMBER][@GROUP], for what belongs to an inode
 *	KIND:PATH[:NAME][:NUMBER]
 * @len: bytes of it
 */
const struct object *catalog_find(struct catalog *cat, const char *text, size_t len)
{
	char word[300], name[300] = "";
	const char *end = text + len, *at = text, *copy = memchr(text, '@', len);
	const struct kind *kind;
	u64 ino = 0, num = 0;
	bool any = true;
	u32 group = 0, i;

	if (copy) {
		group = (u32)strtoul(copy + 1, NULL, 0);
		end = copy;
	}
	if (!part(&at, end, word, sizeof(word)))
		die("a structure has no name");
	kind = kind_find(word);
	if (kind->owned && part(&at, end, word, sizeof(word)))
		ino = catalog_path(cat, word);
	if (kind->named)
		part(&at, end, name, sizeof(name));
	if (part(&at, end, word, sizeof(word))) {
		num = strtoull(word, NULL, 0);
		any = false;
	}
	for (i = 0; i < cat->nr; i++) {
		const struct object *o = &cat->obj[i];

		if (o->kind == kind && o->ino == ino && (any || o->num == num) &&
		    (!copy || o->copy == group) && (!kind->named || !strcmp(o->name, name)))
			return o;
	}
	die("%.*s: there is none", (int)len, text);
}
