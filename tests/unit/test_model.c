// SPDX-License-Identifier: GPL-2.0
/*
 * The whole core against a trivial model: random operations on a volume in
 * memory, done the way the module does them, with failures injected into the
 * calls. After each failure the volume must be what it was before the call.
 * Every so often every structure is walked and everything compared.
 *
 *   test_model [STEPS [SEED]]
 */
#include <dirent.h>

#include "fixture.h"

#define MAX_NODES	700
#define MAX_NAMES	2500
#define MAX_LBLK	1024		/* logical blocks of a file that are used */

enum { HOLE, UNWRITTEN, WRITTEN };

/**
 * struct node - an inode of the model
 * @type: DT_*, 0: not in use
 * @ino: its number
 * @nlink: links
 * @parent: of a directory: its parent
 * @truncating: a truncation is under way, from @size on
 * @size: of a file, blocks
 * @map: of a file: state of each block
 * @target: of a symlink
 * @len: its length
 */
struct node {
	u8 type;
	u64 ino;
	u32 nlink;
	struct node *parent;
	bool truncating;
	u32 size;
	u8 map[MAX_LBLK];
	char *target;
	u32 len;
};

/**
 * struct name - a directory entry of the model
 * @dir: directory, NULL: not in use
 * @node: what it names
 * @pos: where it stands, as last looked up
 * @len: of the name
 * @text: the name
 */
struct name {
	struct node *dir;
	struct node *node;
	u64 pos;
	u32 len;
	char text[LNKFS_NAME_LEN + 1];
};

/**
 * struct obj - an inode loaded for an operation
 * @ci: the inode
 * @area: its area
 */
struct obj {
	struct lnkfs_cinode ci;
	u8 area[LNKFS_AREA_LEN(LNKFS_MAX_SLOTS)] __attribute__((aligned(8)));
};

static struct lnkfs_volume v;
static struct lnkfs_fs *const fs = &v.fs;
static struct node nodes[MAX_NODES];
static struct name names[MAX_NAMES];
static struct node *root;
static u64 rnd_state, steps_wanted = 40000, seed = 1, failures, nospace;
static bool growing, hungry;

static u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)(rnd_state >> 20) % below;
}

/* ---- failures ---- */

#define F_READ		0x1
#define F_NEW		0x2
#define F_SPACE		0x4
#define F_FREED		0x8
#define F_ORPHAN	0x10

static u32 fired_before, fault_kind;

/*
 * A directory does without the blocks of its own that could not be freed: they
 * are lost until a repair. Each failure may lose one.
 */
static u64 leaks_allowed;

/* Perhaps let one of the next calls of the host fail. */
static void arm(u32 kinds)
{
	u32 kind, n = 1 + rnd(rnd(2) ? 3 : 12);

	fired_before = v.fault.fired;
	fault_kind = 0;
	if (rnd(4))
		return;
	do
		kind = 1u << rnd(5);
	while (!(kinds & kind));
	fault_kind = kind;
	switch (kind) {
	case F_READ:
		v.fault.bread = n;
		break;
	case F_NEW:
		v.fault.bnew = n;
		break;
	case F_SPACE:
		v.fault.space = n;
		break;
	case F_FREED:
		v.fault.freed = n;
		break;
	case F_ORPHAN:
		v.fault.orphan = n;
		break;
	}
}

/* To be called before failed(). */
static void allow_leak(void)
{
	if (v.fault.fired != fired_before && (fault_kind & (F_READ | F_FREED)))
		leaks_allowed++;
}

/* The call is over: did it fail, and did it have a reason to? */
static bool failed(const char *what, int err)
{
	bool fired = v.fault.fired != fired_before;

	memset(&v.fault, 0, offsetof(struct lnkfs_fault, fired));
	if (err >= 0)
		return false;
	failures += fired;
	if (!fired) {
		if (err != -ENOSPC || v.free_blocks > (s64)(fs->blocks / 8)) {
			printf("# %s: %s\n", what, strerror(-err));
			REQUIRE(false);
		}
		nospace++;
		growing = false;
	}
	return true;
}

/* ---- the model ---- */

static struct node *node_new(u8 type)
{
	u32 i;

	for (i = 0; i < MAX_NODES; i++) {
		if (!nodes[i].type) {
			memset(&nodes[i], 0, sizeof(nodes[i]));
			nodes[i].type = type;
			return &nodes[i];
		}
	}
	return NULL;
}

static void node_free(struct node *n)
{
	free(n->target);
	memset(n, 0, sizeof(*n));
}

static struct name *name_new(void)
{
	u32 i;

	for (i = 0; i < MAX_NAMES; i++)
		if (!names[i].dir)
			return &names[i];
	return NULL;
}

static struct name *name_find(const struct node *dir, const char *text, u32 len)
{
	u32 i;

	for (i = 0; i < MAX_NAMES; i++)
		if (names[i].dir == dir && names[i].len == len &&
		    !memcmp(names[i].text, text, len))
			return &names[i];
	return NULL;
}

static struct name *name_random(void)
{
	u32 i, from = rnd(MAX_NAMES);

	for (i = 0; i < MAX_NAMES; i++) {
		struct name *n = &names[(from + i) % MAX_NAMES];

		if (n->dir)
			return n;
	}
	return NULL;
}

/* A node of a kind (0: of any), alive unless an orphan is asked for. */
static struct node *node_random(u8 type, bool orphan)
{
	u32 i, from = rnd(MAX_NODES);

	for (i = 0; i < MAX_NODES; i++) {
		struct node *n = &nodes[(from + i) % MAX_NODES];

		if (n->type && (!type || n->type == type) && !n->nlink == orphan)
			return n;
	}
	return NULL;
}

/* A few directories get most of the names, so that they grow large. */
static struct node *dir_random(void)
{
	struct node *dir;

	if (rnd(3) == 0)
		return root;
	dir = node_random(DT_DIR, false);
	return dir ? dir : root;
}

static bool dir_has_names(const struct node *dir)
{
	u32 i;

	for (i = 0; i < MAX_NAMES; i++)
		if (names[i].dir == dir)
			return true;
	return false;
}

static bool below(const struct node *n, const struct node *dir)
{
	for (; n != root; n = n->parent)
		if (n == dir)
			return true;
	return n == dir;
}

/* Short ones that collide with earlier ones, long ones, and any bytes. */
static u32 name_make(char *text)
{
	u32 i, len;

	if (rnd(4))
		return (u32)sprintf(text, "n%u", rnd(3000));
	len = 1 + rnd(rnd(3) ? 40 : LNKFS_NAME_LEN);
	for (i = 0; i < len; i++) {
		do
			text[i] = (char)(1 + rnd(255));
		while (text[i] == '/' || text[i] == '.');
	}
	return len;
}

/* ---- inodes ---- */

static void load(const struct node *n, struct obj *o)
{
	memset(&o->ci, 0, sizeof(o->ci));
	o->ci.area = o->area;
	REQUIRE(!lnkfs_inode_load(fs, n->ino, LNKFS_IL_ORPHAN, &o->ci));
	REQUIRE((o->ci.mode & S_IFMT) >> 12 == n->type);
	REQUIRE(o->ci.nlink == n->nlink);
}

static void store(lnkfs_tx *tx, struct obj *o)
{
	o->ci.version++;
	REQUIRE(!lnkfs_inode_store(tx, fs, &o->ci));
}

static void begin(lnkfs_tx *tx, u32 credits)
{
	lnkfs_tx_begin(tx, &v, credits);
}

static void end(lnkfs_tx *tx)
{
	lnkfs_tx_end(tx);
	if (!rnd(50))
		lnkfs_volume_commit(&v);
}

static void obj_new(struct obj *o, u64 ino, u8 type, u32 slots)
{
	memset(o, 0, sizeof(*o));
	o->ci.ino = ino;
	o->ci.gen = 1 + rnd(1u << 30);
	o->ci.mode = (u16)(type << 12 | 0644);
	o->ci.slots = (u8)slots;
	o->ci.nlink = type == DT_DIR ? 2 : 1;
	o->ci.area_len = LNKFS_AREA_LEN(slots);
	o->ci.area = o->area;
	o->ci.mtime = rnd(1u << 30);
}

/* ---- creating ---- */

static u8 type_random(void)
{
	static const u8 types[] = {
		DT_REG, DT_REG, DT_REG, DT_DIR, DT_DIR, DT_LNK, DT_LNK, DT_FIFO, DT_SOCK,
		DT_CHR, DT_BLK,
	};

	return types[rnd(ARRAY_SIZE(types))];
}

static u32 slots_for(const struct node *n)
{
	u32 slots, most = fs->slot_bits == 2 ? 4 : LNKFS_MAX_SLOTS;

	if (n->type == DT_LNK) {
		slots = lnkfs_symlink_slots(fs, n->len);
		return slots ? slots : 1;
	}
	if (n->type == DT_DIR)
		return 1 + rnd(most);
	return 1 + rnd(2);
}

static int fork_init(lnkfs_tx *tx, struct node *n, struct obj *o)
{
	struct lnkfs_device *dev = (void *)o->area;
	int err = 0;

	switch (n->type) {
	case DT_REG:
		lnkfs_ext_init(&o->ci);
		break;
	case DT_DIR:
		lnkfs_dir_init(&o->ci);
		o->ci.parent = n->parent->ino;
		break;
	case DT_LNK:
		if (lnkfs_symlink_slots(fs, n->len)) {
			lnkfs_symlink_set_fast(&o->ci, n->target, n->len);
			break;
		}
		arm(F_READ | F_NEW | F_SPACE);
		err = lnkfs_symlink_set_slow(tx, fs, &o->ci, n->target, n->len);
		break;
	case DT_CHR:
	case DT_BLK:
		dev->v_major = cpu_to_le32(rnd(4096));
		dev->v_minor = cpu_to_le32(rnd(1 << 20));
		o->ci.fork = LNKFS_FORK_DEVICE;
		o->ci.fork_len = sizeof(*dev);
		break;
	}
	return err;
}

static void target_make(struct node *n)
{
	u32 i;

	n->len = 1 + rnd(rnd(4) ? 60 : LNKFS_SYMLINK_MAX);
	n->target = malloc(n->len + 1);
	REQUIRE(n->target);
	for (i = 0; i < n->len; i++)
		n->target[i] = (char)(1 + rnd(255));
	n->target[n->len] = 0;
}

static int create_steps(lnkfs_tx *tx, struct node *n, struct obj *dir, const char *text, u32 len)
{
	struct lnkfs_ref ref = { .dir = dir->ci.ino };
	u32 slots = slots_for(n), group;
	static struct obj o;
	int err;

	group = lnkfs_group_of(fs, lnkfs_ino_block(fs, dir->ci.ino));
	if (n->type == DT_DIR)
		group = lnkfs_ialloc_dir_group(fs, group);
	arm(F_READ | F_NEW | F_SPACE);
	err = lnkfs_ialloc(tx, fs, group, slots, n->type == DT_DIR, &n->ino);
	if (failed("ialloc", err))
		return err;
	obj_new(&o, n->ino, n->type, slots);
	err = fork_init(tx, n, &o);
	if (!failed("set_slow", err)) {
		arm(F_READ | F_NEW | F_SPACE);
		err = lnkfs_dir_add(tx, fs, &dir->ci, text, len, n->ino, n->type, &ref.pos);
		if (!failed("dir_add", err)) {
			/* The first name takes nothing but the record. */
			REQUIRE(!lnkfs_names_add(tx, fs, &o.ci, &ref));
			dir->ci.nlink += n->type == DT_DIR;
			store(tx, dir);
			store(tx, &o);
			n->nlink = o.ci.nlink;
			return 0;
		}
		store(tx, dir);
		if (o.ci.fork == LNKFS_FORK_SLOW_LINK)
			REQUIRE(!lnkfs_symlink_free_slow(tx, fs, &o.ci));
	}
	REQUIRE(!lnkfs_ifree(tx, fs, n->ino, slots, n->type == DT_DIR));
	return err;
}

static void do_create(void)
{
	char text[LNKFS_NAME_LEN + 1];
	u32 len = name_make(text);
	struct node *dir = dir_random();
	struct name *name = name_new();
	struct node *n;
	static struct obj d;
	lnkfs_tx tx;

	if (!name || name_find(dir, text, len))
		return;
	n = node_new(type_random());
	if (!n)
		return;
	n->parent = dir;
	if (n->type == DT_LNK)
		target_make(n);
	load(dir, &d);
	begin(&tx, LNKFS_CREDITS_IALLOC + 2 * LNKFS_CREDITS_STORE + LNKFS_CREDITS_SLOW_LINK +
	      lnkfs_dir_add_credits(fs, &d.ci));
	if (create_steps(&tx, n, &d, text, len)) {
		node_free(n);
	} else {
		dir->nlink += n->type == DT_DIR;
		name->dir = dir;
		name->node = n;
		name->len = len;
		memcpy(name->text, text, len);
	}
	end(&tx);
}

static int link_steps(lnkfs_tx *tx, struct obj *o, struct obj *dir, const char *text, u32 len)
{
	struct lnkfs_ref ref = { .dir = dir->ci.ino };
	u8 type = (o->ci.mode & S_IFMT) >> 12;
	int err;

	arm(F_READ | F_NEW | F_SPACE);
	err = lnkfs_dir_add(tx, fs, &dir->ci, text, len, o->ci.ino, type, &ref.pos);
	if (failed("dir_add", err))
		return err;
	arm(F_READ | F_NEW | F_SPACE);
	err = lnkfs_names_add(tx, fs, &o->ci, &ref);
	if (failed("names_add", err))
		REQUIRE(!lnkfs_dir_remove(tx, fs, &dir->ci, text, len));
	return err;
}

static void do_link(void)
{
	char text[LNKFS_NAME_LEN + 1];
	u32 len = name_make(text);
	struct node *dir = dir_random(), *n = node_random(0, false);
	struct name *name = name_new();
	static struct obj d, o;
	lnkfs_tx tx;

	if (!name || !n || n->type == DT_DIR || name_find(dir, text, len))
		return;
	load(dir, &d);
	load(n, &o);
	begin(&tx, 2 * LNKFS_CREDITS_STORE + lnkfs_dir_add_credits(fs, &d.ci) +
	      lnkfs_names_add_credits(fs, &o.ci));
	if (!link_steps(&tx, &o, &d, text, len)) {
		o.ci.nlink = ++n->nlink;
		store(&tx, &o);
		name->dir = dir;
		name->node = n;
		name->len = len;
		memcpy(name->text, text, len);
	}
	store(&tx, &d);
	end(&tx);
}

/* ---- removing ---- */

/* Where a name stands; the caller puts the buffer. */
static int find_spot(struct obj *dir, const char *text, u32 len, struct lnkfs_dir_spot *spot,
		     struct lnkfs_ref *ref)
{
	int err = lnkfs_dir_find(fs, &dir->ci, text, len, spot);

	ref->dir = dir->ci.ino;
	ref->pos = err ? 0 : lnkfs_dir_spot_pos(fs, spot);
	return err;
}

static int remove_steps(lnkfs_tx *tx, struct obj *o, struct obj *dir, const struct name *name)
{
	struct lnkfs_dir_spot spot;
	struct lnkfs_ref ref;
	int err;

	arm(F_READ);
	err = find_spot(dir, name->text, name->len, &spot, &ref);
	if (failed("dir_find", err))
		return err;
	arm(F_READ | F_NEW | F_SPACE | F_FREED);
	err = lnkfs_names_del(tx, fs, &o->ci, &ref);
	allow_leak();
	if (failed("names_del", err)) {
		lnkfs_bput(spot.buf);
		return err;
	}
	arm(F_READ | F_NEW | F_SPACE | F_FREED);
	err = lnkfs_dir_remove_at(tx, fs, &dir->ci, &spot);
	allow_leak();
	if (failed("dir_remove", err))
		REQUIRE(!lnkfs_names_add(tx, fs, &o->ci, &ref));
	return err;
}

/* The victim has lost a name: what becomes of it. */
static void drop_link(lnkfs_tx *tx, struct node *n, struct obj *o)
{
	n->nlink = n->type == DT_DIR ? 0 : n->nlink - 1;
	o->ci.nlink = n->nlink;
	store(tx, o);
}

static bool will_be_orphan(const struct node *n)
{
	return n->type == DT_DIR || n->nlink == 1;
}

static void do_remove(void)
{
	struct name *name = name_random();
	struct node *n, *dir;
	static struct obj d, o;
	lnkfs_tx tx;

	if (!name)
		return;
	n = name->node;
	dir = name->dir;
	if (n->truncating)
		return;
	load(dir, &d);
	load(n, &o);
	if (n->type == DT_DIR) {
		REQUIRE(lnkfs_dir_is_empty(fs, &o.ci) == !dir_has_names(n));
		if (dir_has_names(n))
			return;
	}
	begin(&tx, 2 * LNKFS_CREDITS_STORE + LNKFS_CREDITS_ORPHAN +
	      lnkfs_dir_remove_credits(fs, &d.ci) + lnkfs_names_del_credits(fs, &o.ci));
	if (will_be_orphan(n)) {
		arm(F_READ | F_ORPHAN);
		if (failed("orphan_add", lnkfs_orphan_add(&tx, fs, n->ino)))
			goto out;
	}
	if (!remove_steps(&tx, &o, &d, name)) {
		if (n->type == DT_DIR)
			d.ci.nlink = --dir->nlink;
		drop_link(&tx, n, &o);
		name->dir = NULL;
	} else {
		if (will_be_orphan(n))
			REQUIRE(!lnkfs_orphan_del(fs, n->ino));
		store(&tx, &o);
	}
	store(&tx, &d);
out:
	end(&tx);
}

/* Free what an orphan owns, then the orphan; false when it has to be tried again. */
static bool evict(struct node *n)
{
	static struct obj o;
	lnkfs_tx tx;
	int more = 1, err;
	bool bad;

	load(n, &o);
	while (n->type == DT_REG && more) {
		u32 budget = 1 + rnd(8);

		begin(&tx, LNKFS_CREDITS_STORE + lnkfs_ext_remove_credits(fs, &o.ci, budget));
		more = lnkfs_ext_remove(&tx, fs, &o.ci, 0, LNKFS_MAX_LBLK, budget);
		REQUIRE(more >= 0);
		store(&tx, &o);
		end(&tx);
	}
	memset(n->map, HOLE, sizeof(n->map));
	while (o.ci.fork == LNKFS_FORK_DIR_BLOCKS) {
		begin(&tx, LNKFS_CREDITS_STORE + lnkfs_dir_remove_credits(fs, &o.ci));
		arm(F_READ | F_NEW | F_SPACE | F_FREED);
		err = lnkfs_dir_trim(&tx, fs, &o.ci);
		allow_leak();
		bad = failed("dir_trim", err);
		store(&tx, &o);
		end(&tx);
		if (bad)
			return false;
	}
	begin(&tx, LNKFS_CREDITS_FREE + LNKFS_CREDITS_STORE + LNKFS_CREDITS_IFREE);
	if (o.ci.fork == LNKFS_FORK_SLOW_LINK) {
		arm(F_READ | F_FREED);
		if (failed("free_slow", lnkfs_symlink_free_slow(&tx, fs, &o.ci))) {
			end(&tx);
			return false;
		}
		store(&tx, &o);
	}
	arm(F_READ | F_FREED);
	if (failed("ifree", lnkfs_ifree(&tx, fs, n->ino, o.ci.slots, n->type == DT_DIR))) {
		end(&tx);
		return false;
	}
	REQUIRE(!lnkfs_orphan_del(fs, n->ino));
	end(&tx);
	node_free(n);
	return true;
}

static void do_evict(void)
{
	struct node *n = node_random(0, true);

	if (n)
		evict(n);
}

static void do_clean(void)
{
	u32 group = rnd(fs->groups), from = rnd(2) ? 0 : rnd(fs->group_blocks);
	lnkfs_tx tx;

	begin(&tx, LNKFS_CREDITS_ORPHAN);
	arm(F_READ);
	failed("orphan_clean", lnkfs_orphan_clean(&tx, fs, group, &from, 1 + rnd(20)));
	end(&tx);
}

/* ---- renaming ---- */

/**
 * struct rename - a rename under way
 * @src: name that moves
 * @dst: name that goes, or NULL
 * @dir: directory it moves to
 * @text: name it gets
 * @len: its length
 * @from: source directory
 * @to: target directory; the same object when they are the same
 * @moved: inode that moves
 * @victim: inode that loses a name, with @dst
 */
struct rename {
	struct name *src;
	struct name *dst;
	struct node *dir;
	char text[LNKFS_NAME_LEN + 1];
	u32 len;
	struct obj *from;
	struct obj *to;
	struct obj *moved;
	struct obj *victim;
};

static bool rename_allowed(const struct rename *r)
{
	const struct node *n = r->src->node;

	if (n->type == DT_DIR && below(r->dir, n))
		return false;
	if (!r->dst)
		return true;
	if (r->dst->node == n || r->dst->node->truncating)
		return false;
	if (n->type == DT_DIR)
		return r->dst->node->type == DT_DIR && !dir_has_names(r->dst->node);
	return r->dst->node->type != DT_DIR;
}

/* The new name, or the old one of the victim gets another meaning. */
static int rename_to(lnkfs_tx *tx, struct rename *r, struct lnkfs_ref *ref)
{
	struct node *n = r->src->node;
	struct lnkfs_dir_spot spot;
	int err;

	if (!r->dst) {
		ref->dir = r->to->ci.ino;
		return lnkfs_dir_add(tx, fs, &r->to->ci, r->text, r->len, n->ino, n->type,
				     &ref->pos);
	}
	err = find_spot(r->to, r->text, r->len, &spot, ref);
	if (!err)
		err = lnkfs_dir_replace_at(tx, fs, &spot, n->ino, n->type);
	if (spot.buf)
		lnkfs_bput(spot.buf);
	return err;
}

/* What the inodes record of it. */
static int rename_refs(lnkfs_tx *tx, struct rename *r, const struct lnkfs_ref *from,
		       const struct lnkfs_ref *to)
{
	int err;

	arm(F_READ | F_NEW | F_SPACE | F_FREED);
	err = lnkfs_names_move(tx, fs, &r->moved->ci, from, to);
	allow_leak();
	if (failed("names_move", err) || !r->dst)
		return err;
	arm(F_READ | F_NEW | F_SPACE | F_FREED);
	err = lnkfs_names_del(tx, fs, &r->victim->ci, to);
	allow_leak();
	if (failed("names_del", err))
		REQUIRE(!lnkfs_names_move(tx, fs, &r->moved->ci, to, from));
	return err;
}

/* The old name goes, once it has been found. */
static int rename_from(lnkfs_tx *tx, struct rename *r, struct lnkfs_dir_spot *spot,
		       const struct lnkfs_ref *from, const struct lnkfs_ref *to)
{
	int err;

	err = rename_refs(tx, r, from, to);
	if (err) {
		lnkfs_bput(spot->buf);
		return err;
	}
	arm(F_READ | F_NEW | F_SPACE | F_FREED);
	err = lnkfs_dir_remove_at(tx, fs, &r->from->ci, spot);
	allow_leak();
	if (!failed("rename, old name", err))
		return 0;
	REQUIRE(!lnkfs_names_move(tx, fs, &r->moved->ci, to, from));
	if (r->dst)
		REQUIRE(!lnkfs_names_add(tx, fs, &r->victim->ci, to));
	return err;
}

static int rename_steps(lnkfs_tx *tx, struct rename *r)
{
	struct lnkfs_dir_spot spot;
	struct lnkfs_ref from, to;
	int err;

	arm(F_READ | F_NEW | F_SPACE);
	err = rename_to(tx, r, &to);
	if (failed("rename, new name", err))
		return err;
	arm(F_READ);
	err = find_spot(r->from, r->src->text, r->src->len, &spot, &from);
	if (!failed("rename, finding the old name", err))
		err = rename_from(tx, r, &spot, &from, &to);
	if (!err)
		return 0;
	if (r->dst)
		REQUIRE(!lnkfs_dir_replace(tx, fs, &r->to->ci, r->text, r->len,
					   r->dst->node->ino, r->dst->node->type));
	else
		REQUIRE(!lnkfs_dir_remove(tx, fs, &r->to->ci, r->text, r->len));
	return err;
}

/* Both names are right; link counts, parents and the model follow. */
static void rename_finish(lnkfs_tx *tx, struct rename *r)
{
	struct node *n = r->src->node;

	if (r->dst) {
		if (n->type == DT_DIR) {
			r->dir->nlink--;
			r->to->ci.nlink--;
		}
		drop_link(tx, r->dst->node, r->victim);
		r->dst->dir = NULL;
	}
	if (n->type == DT_DIR) {
		r->src->dir->nlink--;
		r->from->ci.nlink--;
		r->dir->nlink++;
		r->to->ci.nlink++;
		n->parent = r->dir;
	}
	r->src->dir = r->dir;
	r->src->len = r->len;
	memcpy(r->src->text, r->text, r->len);
}

static void do_rename(void)
{
	static struct obj from, to, moved, victim;
	struct rename r = { .src = name_random(), .moved = &moved, .victim = &victim };
	bool orphan;
	lnkfs_tx tx;

	if (!r.src)
		return;
	if (rnd(3)) {
		r.dir = dir_random();
		r.len = name_make(r.text);
	} else {
		struct name *other = name_random();

		r.dir = other->dir;
		r.len = other->len;
		memcpy(r.text, other->text, other->len);
	}
	r.dst = name_find(r.dir, r.text, r.len);
	if (!rename_allowed(&r))
		return;
	load(r.src->dir, &from);
	r.from = &from;
	r.to = r.src->dir == r.dir ? &from : &to;
	if (r.to == &to)
		load(r.dir, &to);
	load(r.src->node, &moved);
	orphan = r.dst && will_be_orphan(r.dst->node);
	if (r.dst)
		load(r.dst->node, &victim);
	begin(&tx, lnkfs_names_add_credits(fs, &moved.ci) +
	      lnkfs_names_del_credits(fs, &moved.ci) +
	      (r.dst ? lnkfs_names_del_credits(fs, &victim.ci) : 0) + lnkfs_dir_add_credits(fs, &r.to->ci) +
	      lnkfs_dir_remove_credits(fs, &r.from->ci) +
	      (r.from == r.to ? 0 : lnkfs_dir_remove_credits(fs, &r.to->ci)) +
	      LNKFS_CREDITS_ORPHAN + 4 * LNKFS_CREDITS_STORE);
	if (orphan) {
		arm(F_READ | F_ORPHAN);
		if (failed("orphan_add", lnkfs_orphan_add(&tx, fs, r.dst->node->ino)))
			goto out;
	}
	if (!rename_steps(&tx, &r)) {
		rename_finish(&tx, &r);
	} else {
		if (orphan)
			REQUIRE(!lnkfs_orphan_del(fs, r.dst->node->ino));
		if (r.dst)
			store(&tx, &victim);
	}
	store(&tx, &moved);
	store(&tx, r.from);
	if (r.to != r.from)
		store(&tx, r.to);
out:
	end(&tx);
}

/* ---- files ---- */

/* What the map says of a block; the whole extent must agree with the model. */
static u8 state_at(struct node *n, struct obj *o, u32 lblk, struct lnkfs_ext *ext)
{
	u8 state;
	u64 i;

	REQUIRE(!lnkfs_ext_lookup(fs, &o->ci, lblk, ext));
	REQUIRE(ext->lblk <= lblk && lblk < ext->lblk + ext->len);
	state = ext->flags & LNKFS_EXT_HOLE ? HOLE :
		ext->flags & LNKFS_EXT_UNWRITTEN ? UNWRITTEN : WRITTEN;
	for (i = ext->lblk; i < ext->lblk + ext->len && i < MAX_LBLK; i++)
		REQUIRE(n->map[i] == state);
	return state;
}

/* Map a hole, unwritten, with as many blocks as there are side by side. */
static void do_map(void)
{
	struct node *n = node_random(DT_REG, false);
	u32 lblk = rnd(rnd(2) ? MAX_LBLK : 40), want, got, i;
	struct lnkfs_ext ext;
	static struct obj o;
	u64 block;
	lnkfs_tx tx;
	int err;

	if (!n || n->truncating)
		return;
	load(n, &o);
	if (state_at(n, &o, lblk, &ext) != HOLE)
		return;
	want = 1 + rnd(rnd(4) ? 3 : hungry ? 300 : 60);
	if (want > MAX_LBLK - lblk)
		want = MAX_LBLK - lblk;
	if (want > ext.lblk + ext.len - lblk)
		want = (u32)(ext.lblk + ext.len - lblk);
	begin(&tx, LNKFS_CREDITS_ALLOC + LNKFS_CREDITS_STORE + LNKFS_CREDITS_FREE +
	      lnkfs_ext_insert_credits(fs, &o.ci));
	arm(F_READ | F_NEW | F_SPACE);
	err = lnkfs_balloc(&tx, fs, lnkfs_ino_block(fs, n->ino) + rnd(100), 1, want, 0, &block,
			   &got);
	if (failed("balloc", err))
		goto out;
	REQUIRE(got >= 1 && got <= want);
	ext.lblk = lblk;
	ext.block = block;
	ext.len = got;
	ext.flags = LNKFS_EXT_UNWRITTEN;
	arm(F_READ | F_NEW | F_SPACE);
	err = lnkfs_ext_insert(&tx, fs, &o.ci, &ext);
	if (failed("ext_insert", err))
		REQUIRE(!lnkfs_bfree(&tx, fs, block, got));
	else
		for (i = 0; i < got; i++)
			n->map[lblk + i] = UNWRITTEN;
	store(&tx, &o);
out:
	end(&tx);
}

static void do_convert(void)
{
	struct node *n = node_random(DT_REG, false);
	u32 lblk = rnd(rnd(2) ? MAX_LBLK : 40), len = 1 + rnd(20), i;
	static struct obj o;
	u64 done;
	lnkfs_tx tx;
	bool bad;
	int err;

	if (!n || n->truncating)
		return;
	if (len > MAX_LBLK - lblk)
		len = MAX_LBLK - lblk;
	load(n, &o);
	if (n->size < lblk + len) {
		n->size = lblk + len;
		o.ci.size = (u64)n->size << fs->block_bits;
	}
	while (len) {
		begin(&tx, LNKFS_CREDITS_STORE + lnkfs_ext_convert_credits(fs, &o.ci));
		arm(F_READ | F_NEW | F_SPACE);
		err = lnkfs_ext_convert(&tx, fs, &o.ci, lblk, len, &done);
		bad = failed("ext_convert", err);
		store(&tx, &o);
		end(&tx);
		if (bad)
			return;
		REQUIRE(done && done <= len);
		for (i = 0; i < done; i++)
			if (n->map[lblk + i] == UNWRITTEN)
				n->map[lblk + i] = WRITTEN;
		lblk += (u32)done;
		len -= (u32)done;
	}
}

/* Go on with a truncation; in one go or not. */
static void truncate_some(struct node *n, bool all)
{
	static struct obj o;
	u32 budget = 1 + rnd(4);
	lnkfs_tx tx;
	int more;

	load(n, &o);
	do {
		begin(&tx, LNKFS_CREDITS_STORE + lnkfs_ext_remove_credits(fs, &o.ci, budget));
		more = lnkfs_ext_remove(&tx, fs, &o.ci, n->size, LNKFS_MAX_LBLK, budget);
		REQUIRE(more >= 0);
		if (!more)
			o.ci.lflags &= ~(u32)LNKFS_LF_TRUNCATING;
		store(&tx, &o);
		if (!more)
			REQUIRE(!lnkfs_orphan_del(fs, n->ino));
		end(&tx);
	} while (more && all);
	if (more)
		return;
	n->truncating = false;
	memset(n->map + n->size, HOLE, MAX_LBLK - n->size);
}

static void do_truncate(void)
{
	struct node *n = node_random(DT_REG, false);
	static struct obj o;
	lnkfs_tx tx;

	if (!n)
		return;
	if (!n->truncating) {
		load(n, &o);
		begin(&tx, LNKFS_CREDITS_STORE + LNKFS_CREDITS_ORPHAN);
		arm(F_READ | F_ORPHAN);
		if (failed("orphan_add", lnkfs_orphan_add(&tx, fs, n->ino))) {
			end(&tx);
			return;
		}
		n->truncating = true;
		n->size = rnd(n->size + 1);
		o.ci.size = (u64)n->size << fs->block_bits;
		o.ci.lflags |= LNKFS_LF_TRUNCATING;
		store(&tx, &o);
		end(&tx);
	}
	truncate_some(n, rnd(2));
}

static void do_punch(void)
{
	struct node *n = node_random(DT_REG, false);
	u32 lblk = rnd(MAX_LBLK), len = 1 + rnd(30), budget = 1 + rnd(4), i;
	static struct obj o;
	lnkfs_tx tx;
	int more = 1;

	if (!n || n->truncating)
		return;
	if (len > MAX_LBLK - lblk)
		len = MAX_LBLK - lblk;
	load(n, &o);
	while (more > 0) {
		begin(&tx, LNKFS_CREDITS_STORE + lnkfs_ext_remove_credits(fs, &o.ci, budget));
		arm(F_NEW | F_SPACE);
		more = lnkfs_ext_remove(&tx, fs, &o.ci, lblk, lblk + len, budget);
		failed("punch", more);
		store(&tx, &o);
		end(&tx);
	}
	/* A hole that there was no space for: what is left is the range's front. */
	for (i = 0; i < len; i++) {
		struct lnkfs_ext ext;

		REQUIRE(!lnkfs_ext_lookup(fs, &o.ci, lblk + i, &ext));
		if (ext.flags & LNKFS_EXT_HOLE)
			n->map[lblk + i] = HOLE;
		else
			REQUIRE(more < 0 && n->map[lblk + i] != HOLE);
	}
}

/* ---- looking ---- */

static void look_up(const struct node *dir, const char *text, u32 len)
{
	struct name *want = name_find(dir, text, len);
	struct lnkfs_name found;
	static struct obj d;
	int err;

	load(dir, &d);
	err = lnkfs_dir_lookup(fs, &d.ci, text, len, &found);
	REQUIRE(err == (want ? 0 : -ENOENT));
	if (!want)
		return;
	REQUIRE(found.ino == want->node->ino && found.type == want->node->type);
	want->pos = found.pos;
}

static void do_lookup(void)
{
	char text[LNKFS_NAME_LEN + 1];
	u32 len = name_make(text);
	struct name *name = name_random();

	if (rnd(2) || !name)
		look_up(dir_random(), text, len);
	else
		look_up(name->dir, name->text, name->len);
}

/**
 * struct listing - a directory being listed
 * @dir: the directory
 * @count: names seen
 */
struct listing {
	const struct node *dir;
	u32 count;
};

static int listed(void *ctx, const struct lnkfs_name *name)
{
	struct listing *l = ctx;
	const struct name *want = name_find(l->dir, name->name, name->len);

	REQUIRE(want && want->node->ino == name->ino && want->node->type == name->type);
	l->count++;
	return 0;
}

static void do_list(void)
{
	struct listing l = { .dir = dir_random() };
	u64 pos = 0;
	static struct obj d;
	u32 i, want = 0;

	load(l.dir, &d);
	REQUIRE(!lnkfs_dir_iterate(fs, &d.ci, &pos, lnkfs_dir_end(fs, &d.ci), listed, &l));
	for (i = 0; i < MAX_NAMES; i++)
		want += names[i].dir == l.dir;
	REQUIRE(l.count == want);
}

static void read_link(struct node *n)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	static struct obj o;

	load(n, &o);
	if (!n->nlink && o.ci.fork == LNKFS_FORK_NONE)
		return;
	REQUIRE(o.ci.size == n->len);
	if (o.ci.fork == LNKFS_FORK_SLOW_LINK)
		REQUIRE(!lnkfs_symlink_read_slow(fs, &o.ci, target));
	else
		memcpy(target, o.ci.area, n->len);
	REQUIRE(!memcmp(target, n->target, n->len));
}

static void do_readlink(void)
{
	struct node *n = node_random(DT_LNK, false);

	if (n)
		read_link(n);
}

/* ---- mounting again ---- */

static struct node *node_of(u64 ino)
{
	u32 i;

	for (i = 0; i < MAX_NODES; i++)
		if (nodes[i].type && nodes[i].ino == ino)
			return &nodes[i];
	return NULL;
}

/* One inode block in which recovery may find orphans. */
static void recover_block(u64 block)
{
	u32 slot;

	for (slot = 0; slot < 1u << fs->slot_bits; slot++) {
		u64 ino = (block << fs->slot_bits) + slot;
		struct lnkfs_cinode ci = {};
		struct node *n;
		lnkfs_tx tx;
		int err;

		err = lnkfs_inode_load(fs, ino, LNKFS_IL_ORPHAN, &ci);
		if (err == -ESTALE)
			continue;
		REQUIRE(!err);
		lnkfs_free(ci.area);
		n = node_of(ino);
		REQUIRE(n);
		REQUIRE(n->truncating == !!(ci.lflags & LNKFS_LF_TRUNCATING));
		if (ci.nlink && !n->truncating)
			continue;
		begin(&tx, LNKFS_CREDITS_ORPHAN);
		REQUIRE(!lnkfs_orphan_add(&tx, fs, ino));
		end(&tx);
		if (n->truncating)
			truncate_some(n, true);
		if (!ci.nlink)
			while (!evict(n))
				;
	}
}

/* Forget all that is not on disk, load the groups again, recover orphans. */
static void do_remount(void)
{
	u32 group, from, i;
	u64 block;
	lnkfs_tx tx;
	int err;

	lnkfs_volume_commit(&v);
	REQUIRE(!lnkfs_cache_drop(&v));
	lnkfs_orphans_free(&v);
	free(fs->group);
	fs->group = NULL;
	REQUIRE(!lnkfs_volume_load_groups(&v));
	for (group = 0; group < fs->groups; group++) {
		from = 0;
		while (!(err = lnkfs_orphan_next(fs, group, &from, &block)))
			recover_block(block);
		REQUIRE(err == -ENOENT);
		from = 0;
		do {
			begin(&tx, LNKFS_CREDITS_ORPHAN);
			err = lnkfs_orphan_clean(&tx, fs, group, &from, 10);
			end(&tx);
		} while (err == 1);
		REQUIRE(!err);
		CHECK(!(fs->group[group].flags & LNKFS_BG_ORPHANS));
	}
	for (i = 0; i < MAX_NODES; i++)
		REQUIRE(!nodes[i].type || (nodes[i].nlink && !nodes[i].truncating));
}

/* ---- comparing ---- */

static void compare_file(struct node *n)
{
	struct lnkfs_ext ext;
	static struct obj o;
	u32 lblk = 0;

	load(n, &o);
	REQUIRE(o.ci.size == (u64)n->size << fs->block_bits);
	if (n->truncating)
		return;
	while (lblk < MAX_LBLK) {
		REQUIRE(state_at(n, &o, lblk, &ext) == n->map[lblk]);
		if (ext.lblk + ext.len >= MAX_LBLK)
			break;
		lblk = (u32)(ext.lblk + ext.len);
	}
}

static void say(void *ctx, const char *text)
{
	if (!strstr(text, "nobody owns it"))
		volume_say(ctx, text);
}

/* What an inode records of its names, against those that there are. */
static void compare_names(struct node *n)
{
	static struct obj o, dir;
	char text[LNKFS_NAME_LEN];
	u32 count = 0, want = 0, len, i;
	struct lnkfs_ref ref;
	u64 cookie = 0;
	int err;

	load(n, &o);
	for (i = 0; i < MAX_NAMES; i++)
		want += names[i].dir && names[i].node == n;
	while (!(err = lnkfs_names_next(fs, &o.ci, &cookie, &ref))) {
		for (i = 0; i < MAX_NAMES; i++)
			if (names[i].node == n && names[i].dir && names[i].pos == ref.pos &&
			    names[i].dir->ino == ref.dir)
				break;
		REQUIRE(i < MAX_NAMES);
		load(names[i].dir, &dir);
		REQUIRE(!lnkfs_dir_name_at(fs, &dir.ci, ref.pos, n->ino, text, &len));
		REQUIRE(len == names[i].len && !memcmp(text, names[i].text, len));
		count++;
	}
	REQUIRE(err == -ENOENT);
	REQUIRE(count == want);
	REQUIRE(n->type != DT_DIR || !want || o.ci.parent_pos);
}

/* Roots of back references stay where they are. */
static u32 names_roots(void)
{
	u32 group, n = 0;

	for (group = 0; group < fs->groups; group++)
		n += fs->group[group].names != 0;
	return n;
}

/* Everything, from the disk. */
static void compare_all(void)
{
	u64 files = 0, dirs = 0, links = 0, specials = 0, orphans = 0, count = 0;
	struct lnkfs_fsck_result res;
	u32 i;

	volume_walk(&v, say, &res);
	REQUIRE(res.problems == res.leaks);
	REQUIRE(res.leaked <= leaks_allowed);
	for (i = 0; i < MAX_NODES; i++) {
		struct node *n = &nodes[i];

		if (!n->type)
			continue;
		orphans += !n->nlink || n->truncating;
		if (n->type == DT_REG) {
			files++;
			compare_file(n);
		} else if (n->type == DT_DIR) {
			dirs++;
		} else if (n->type == DT_LNK) {
			links++;
			read_link(n);
		} else {
			specials++;
		}
	}
	for (i = 0; i < MAX_NAMES; i++) {
		if (!names[i].dir)
			continue;
		count++;
		look_up(names[i].dir, names[i].text, names[i].len);
	}
	for (i = 0; i < MAX_NODES; i++)
		if (nodes[i].type)
			compare_names(&nodes[i]);
	REQUIRE(res.files == files);
	REQUIRE(res.dirs == dirs);
	REQUIRE(res.symlinks == links);
	REQUIRE(res.specials == specials);
	REQUIRE(res.orphans == orphans);
	REQUIRE(res.names == count);
	REQUIRE(v.inodes == (s64)(files + dirs + links + specials));
}

/* ---- the run ---- */

static void step(void)
{
	u32 dice = rnd(1000);

	if (dice < (growing ? 300 : 120))
		do_create();
	else if (dice < (growing ? 380 : 160))
		do_link();
	else if (dice < (growing ? 420 : 320))
		do_remove();
	else if (dice < 500)
		do_rename();
	else if (dice < (growing ? 640 : 560))
		do_map();
	else if (dice < 700)
		do_convert();
	else if (dice < 760 && hungry && growing)
		do_map();
	else if (dice < 760)
		do_truncate();
	else if (dice < 800)
		do_punch();
	else if (dice < 880)
		do_evict();
	else if (dice < 890)
		do_clean();
	else if (dice < 950)
		do_lookup();
	else if (dice < 970)
		do_list();
	else if (dice < 999)
		do_readlink();
	else
		do_remount();
}

static void model_start(void)
{
	struct lnkfs_name found;
	static struct obj o;
	struct name *name;
	struct node *lpf;
	u32 i;

	for (i = 0; i < MAX_NODES; i++)
		free(nodes[i].target);
	memset(nodes, 0, sizeof(nodes));
	memset(names, 0, sizeof(names));
	root = node_new(DT_DIR);
	root->ino = fs->root_ino;
	root->nlink = 3;
	root->parent = root;
	load(root, &o);
	REQUIRE(!lnkfs_dir_lookup(fs, &o.ci, "lost+found", 10, &found));
	lpf = node_new(DT_DIR);
	lpf->ino = found.ino;
	lpf->nlink = 2;
	lpf->parent = root;
	name = name_new();
	name->dir = root;
	name->node = lpf;
	name->len = 10;
	memcpy(name->text, "lost+found", 10);
}

/* All names go, then all orphans: all space is back but for a cluster a group. */
static void empty_volume(void)
{
	struct lnkfs_fsck_result res;
	u32 i, group, keep = (u32)LNKFS_CLUSTER_BYTES >> fs->block_bits;
	static struct obj o;

	for (i = 0; i < MAX_NODES; i++)
		if (nodes[i].truncating)
			truncate_some(&nodes[i], true);
	while (name_random())
		do_remove();
	do_remount();
	compare_all();
	volume_walk(&v, say, &res);
	CHECK_EQ(res.dirs, 1);
	CHECK_EQ(res.names, 0);
	for (group = 0; group < fs->groups; group++)
		CHECK(fs->group[group].inode_blocks <= keep);
	/* The root may keep blocks that could not be freed. */
	load(root, &o);
	CHECK(o.ci.blocks <= leaks_allowed);
	CHECK_EQ(res.free_blocks + res.leaked + res.inode_blocks + o.ci.blocks + fs->journal_blocks +
		 names_roots() + lnkfs_group_overhead_total(fs), fs->blocks);
}

static void run(u32 bits, u64 bytes, u32 fast_max)
{
	u64 i;

	volume_make(&v, bytes, bits);
	v.busy = true;
	if (fast_max)
		fs->fast_max = fast_max - 1;
	hungry = bytes < 32 * MIB;
	rnd_state = seed * 0x9e3779b97f4a7c15ULL + bits + bytes;
	failures = 0;
	nospace = 0;
	leaks_allowed = 0;
	model_start();
	for (i = 0; i < steps_wanted; i++) {
		growing = (i / 3000) % 3 != 2 ? growing || i % 3000 == 0 : false;
		step();
		if (i % 2000 == 1999)
			compare_all();
	}
	compare_all();
	printf("# %llu steps, %llu calls failed by injection, %llu for want of space\n",
	       (unsigned long long)steps_wanted, (unsigned long long)failures,
	       (unsigned long long)nospace);
	CHECK(failures > steps_wanted / 1000);
	empty_volume();
	volume_done(&v);
}

static void test_1k(void)
{
	run(10, 64 * MIB, 0);
}

static void test_2k(void)
{
	run(11, 64 * MIB, 0);
}

static void test_4k(void)
{
	run(12, 300 * MIB, 0);
}

/* So small that space runs out again and again; all symlinks slow. */
static void test_small_1k(void)
{
	run(10, 8 * MIB, 1);
	CHECK(nospace);
}

static void test_small_4k(void)
{
	run(12, 16 * MIB, 100);
	CHECK(nospace);
}

static const struct tap_test tests[] = {
	{ "1 KiB blocks", test_1k },
	{ "2 KiB blocks", test_2k },
	{ "4 KiB blocks", test_4k },
	{ "1 KiB blocks, little space, slow symlinks", test_small_1k },
	{ "4 KiB blocks, little space", test_small_4k },
};

int main(int argc, char **argv)
{
	if (argc > 1)
		steps_wanted = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return tap_main(tests, ARRAY_SIZE(tests));
}
