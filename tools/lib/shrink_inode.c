// SPDX-License-Identifier: GPL-2.0
/*
 * Making a volume smaller: inodes past the new end get other numbers, since a
 * number is a place. What names an inode (entries of directories, the parent
 * that directories record, headers of its blocks, the superblock, tracked links)
 * changes with it, in one transaction.
 */
#include <stdlib.h>

#include "shrink.h"

/* Blocks that change with a number, beside those that are counted. */
#define FIXED_BLOCKS	64

static bool beyond(const struct lnkfs_shrink *s, u64 ino)
{
	return lnkfs_ino_block(s->fs, ino) >= s->end;
}

/* ---- names ---- */

struct listing {
	struct lnkfs_shrink *s;
	u64 dir;
	int err;
};

/* Callback of lnkfs_dir_iterate(). */
static int note_name(void *ctx, const struct lnkfs_name *name)
{
	struct listing *l = ctx;
	struct lnkfs_shrink *s = l->s;
	struct lnkfs_shrink_name *names;
	char *text;

	if (!beyond(s, name->ino))
		return 0;
	names = lnkfs_shrink_room(s->names, s->nr_names, &s->max_names, sizeof(*names));
	if (names)
		s->names = names;
	text = lnkfs_shrink_room(s->text, s->text_len + LNKFS_NAME_LEN, &s->max_text, 1);
	if (text)
		s->text = text;
	if (!names || !text) {
		l->err = -ENOMEM;
		return 1;
	}
	s->names[s->nr_names++] = (struct lnkfs_shrink_name){
		.ino = name->ino, .dir = l->dir, .text = s->text_len, .len = name->len,
		.type = name->type,
	};
	memcpy(s->text + s->text_len, name->name, name->len);
	s->text_len += name->len;
	return 0;
}

/* Can the tree nodes and attributes of an inode be moved in one transaction? */
static int check_tail(struct lnkfs_shrink *s, struct lnkfs_cinode *ci)
{
	int err;

	s->mode = LNKFS_SHRINK_TAIL;
	s->count = FIXED_BLOCKS;
	err = lnkfs_shrink_visit(s, ci);
	if (err || s->count <= lnkfs_log_room(&s->r->log) / 2)
		return err;
	s->r->why = "the journal is too small to move the tree of a large file or directory";
	return -E2BIG;
}

static int note_names(void *ctx, u64 ino)
{
	struct lnkfs_shrink *s = ctx;
	struct listing l = { .s = s, .dir = ino };
	struct lnkfs_node n;
	u64 pos = 0;
	int err;

	err = lnkfs_shrink_load(s, ino, &n);
	if (!err)
		err = check_tail(s, &n.ci);
	if (!err && S_ISLNK(n.ci.mode))
		err = lnkfs_shrink_note_link(s, &n.ci);
	if (err || !S_ISDIR(n.ci.mode))
		return err;
	err = lnkfs_dir_iterate(s->fs, &n.ci, &pos, lnkfs_dir_end(s->fs, &n.ci), note_name, &l);
	return err ? err : l.err;
}

/* The first name of an inode. */
static size_t find_name(const struct lnkfs_shrink *s, u64 ino)
{
	return lnkfs_shrink_find(s->names, s->nr_names, sizeof(*s->names), ino);
}

static u64 count_names(const struct lnkfs_shrink *s, u64 ino)
{
	size_t i, first = find_name(s, ino);

	for (i = first; i < s->nr_names && s->names[i].ino == ino; i++)
		;
	return i - first;
}

/* How many blocks may change when an inode gets another number. */
static int count_blocks(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, u64 *blocks)
{
	int err;

	s->mode = LNKFS_SHRINK_COUNT;
	s->count = 0;
	err = lnkfs_shrink_visit(s, ci);
	*blocks = s->count + 2 * count_names(s, ci->ino) + FIXED_BLOCKS +
		  lnkfs_shrink_link_blocks(s, ci->ino);
	/* The directories in it record their parent. */
	if (S_ISDIR(ci->mode))
		*blocks += ci->nlink;
	return err;
}

static int note_inode(void *ctx, u64 ino)
{
	struct lnkfs_shrink *s = ctx;
	struct lnkfs_shrink_ino *inos;
	struct lnkfs_node n;
	u64 blocks;
	int err;

	inos = lnkfs_shrink_room(s->inos, s->nr_inos, &s->max_inos, sizeof(*inos));
	if (!inos)
		return -ENOMEM;
	s->inos = inos;
	s->inos[s->nr_inos++] = (struct lnkfs_shrink_ino){ .old = ino };
	err = lnkfs_shrink_load(s, ino, &n);
	if (!err)
		err = count_blocks(s, &n.ci, &blocks);
	if (err || blocks <= lnkfs_log_room(&s->r->log))
		return err;
	s->r->why = S_ISDIR(n.ci.mode) ?
		"the journal is too small to give a large directory another number" :
		"the journal is too small to move a file with very many names or tracked links";
	return -E2BIG;
}

/**
 * lnkfs_shrink_names() - find the inodes past the new end, and their names
 * @s: change of size; nothing has been changed yet
 *
 * Return: 0; -E2BIG when an inode cannot be moved in one transaction; -ENOMEM,
 * what reading says.
 */
int lnkfs_shrink_names(struct lnkfs_shrink *s)
{
	int err = lnkfs_volume_inodes(s->v, 0, note_names, s);

	if (err)
		return err;
	lnkfs_shrink_sort(s->names, s->nr_names, sizeof(*s->names));
	lnkfs_shrink_sort(s->tracked, s->nr_tracked, sizeof(*s->tracked));
	return lnkfs_volume_inodes(s->v, s->end, note_inode, s);
}

/* ---- numbers ---- */

/**
 * lnkfs_shrink_number() - the number that an inode has by now
 * @s: change of size
 * @ino: the number that it had
 */
u64 lnkfs_shrink_number(const struct lnkfs_shrink *s, u64 ino)
{
	size_t i;

	if (!beyond(s, ino))
		return ino;
	i = lnkfs_shrink_find(s->inos, s->nr_inos, sizeof(*s->inos), ino);
	return i < s->nr_inos && s->inos[i].old == ino && s->inos[i].new ? s->inos[i].new : ino;
}

static int rename_entry(struct lnkfs_shrink *s, const struct lnkfs_shrink_name *name, u64 to)
{
	struct lnkfs_node dir;
	int err;

	err = lnkfs_shrink_load(s, lnkfs_shrink_number(s, name->dir), &dir);
	if (!err)
		err = lnkfs_dir_replace(&s->tx, s->fs, &dir.ci, s->text + name->text, name->len, to,
					name->type);
	/* Entries may stand in the inode itself. */
	return err ? err : lnkfs_inode_store(&s->tx, s->fs, &dir.ci);
}

struct children {
	u64 *ino;
	size_t nr;
	size_t max;
	int err;
};

/* Callback of lnkfs_dir_iterate(). */
static int note_child(void *ctx, const struct lnkfs_name *name)
{
	struct children *c = ctx;
	u64 *more;

	if (name->type != DT_DIR)
		return 0;
	more = lnkfs_shrink_room(c->ino, c->nr, &c->max, sizeof(*more));
	if (!more) {
		c->err = -ENOMEM;
		return 1;
	}
	c->ino = more;
	c->ino[c->nr++] = name->ino;
	return 0;
}

/* The directories in a directory record its number. */
static int change_parent(struct lnkfs_shrink *s, struct lnkfs_cinode *dir)
{
	struct lnkfs_node n;
	struct children c = {};
	u64 pos = 0;
	size_t i;
	int err;

	err = lnkfs_dir_iterate(s->fs, dir, &pos, lnkfs_dir_end(s->fs, dir), note_child, &c);
	if (!err)
		err = c.err;
	for (i = 0; i < c.nr && !err; i++) {
		err = lnkfs_shrink_load(s, c.ino[i], &n);
		n.ci.parent = dir->ino;
		if (!err)
			err = lnkfs_inode_store(&s->tx, s->fs, &n.ci);
	}
	free(c.ino);
	return err;
}

/* The superblock names some inodes. */
static void change_super(struct lnkfs_shrink *s, u64 old, u64 new)
{
	struct lnkfs_super_block *sb = &s->v->sb;
	__le64 *fields[] = {
		&sb->s_root_ino, &sb->s_lpf_ino, &sb->s_quota_ino[0], &sb->s_quota_ino[1],
		&sb->s_quota_ino[2],
	};
	u32 i;

	/* That the number could be had says that lost+found is gone. */
	if (le64_to_cpu(sb->s_lpf_ino) == new) {
		sb->s_lpf_ino = 0;
		s->super = true;
	}
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (*fields[i] && le64_to_cpu(*fields[i]) == old) {
			*fields[i] = cpu_to_le64(new);
			s->super = true;
		}
	}
	s->fs->root_ino = le64_to_cpu(sb->s_root_ino);
}

/* What an inode's blocks and its record say about itself. */
static int change_self(struct lnkfs_shrink *s, struct lnkfs_cinode *ci, u64 new)
{
	struct lnkfs_slow_link *sl = (void *)ci->area;
	char target[LNKFS_SYMLINK_MAX + 1];
	u64 old = ci->ino;
	int err = 0;

	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		err = lnkfs_symlink_read_slow(s->fs, ci, target);
	s->mode = LNKFS_SHRINK_OWN;
	s->owner = new;
	if (!err)
		err = lnkfs_shrink_visit(s, ci);
	if (err)
		return err;
	ci->ino = new;
	if (ci->parent == old)
		ci->parent = new;
	if (ci->fork == LNKFS_FORK_SLOW_LINK)
		sl->l_checksum = cpu_to_le32(lnkfs_symlink_checksum(s->fs, ci, target,
								    (u32)ci->size));
	return lnkfs_inode_store(&s->tx, s->fs, ci);
}

static int renumber(struct lnkfs_shrink *s, struct lnkfs_shrink_ino *in,
		    struct lnkfs_node *n)
{
	struct lnkfs_cinode *ci = &n->ci;
	bool dir = S_ISDIR(ci->mode);
	u64 old = ci->ino, new;
	size_t i;
	int err;

	err = lnkfs_ialloc(&s->tx, s->fs, lnkfs_group_of(s->fs, s->goal), ci->slots, dir, &new);
	if (err)
		return err;
	err = change_self(s, ci, new);
	if (!err)
		err = lnkfs_ifree(&s->tx, s->fs, old, ci->slots, dir);
	if (err)
		return -EIO;
	in->new = new;
	for (i = find_name(s, old); !err && i < s->nr_names && s->names[i].ino == old; i++)
		err = rename_entry(s, &s->names[i], new);
	if (!err && dir)
		err = change_parent(s, ci);
	if (!err)
		err = lnkfs_shrink_change_links(s, old, ci);
	change_super(s, old, new);
	/* Half done is not done: nothing of this is to be written. */
	return err ? -EIO : 0;
}

static int make_room(struct lnkfs_shrink *s, struct lnkfs_node *n)
{
	u64 blocks;
	int err = count_blocks(s, &n->ci, &blocks);

	if (!err && s->v->dirty + blocks > lnkfs_log_room(&s->r->log))
		err = lnkfs_shrink_commit(s);
	return err;
}

static int renumber_one(struct lnkfs_shrink *s, struct lnkfs_shrink_ino *in)
{
	struct lnkfs_node n;
	int err, tries;

	for (tries = 0;; tries++) {
		err = lnkfs_shrink_load(s, in->old, &n);
		if (!err)
			err = make_room(s, &n);
		if (err)
			return err;
		lnkfs_tx_begin(&s->tx, s->v, 0);
		err = renumber(s, in, &n);
		lnkfs_tx_end(&s->tx);
		if (err != -ENOSPC || tries || !s->v->nr_freed)
			break;
		err = lnkfs_shrink_commit(s);
		if (err)
			return err;
	}
	lnkfs_shrink_moved(s, 0);
	return err ? err : lnkfs_shrink_step(s);
}

/**
 * lnkfs_shrink_renumber() - give all inodes past the new end other numbers
 * @s: change of size; lnkfs_shrink_names() has found them, and blocks other than
 *	theirs have been moved
 *
 * Return: 0, -ENOSPC and others.
 */
int lnkfs_shrink_renumber(struct lnkfs_shrink *s)
{
	size_t i;
	int err = 0;

	for (i = 0; i < s->nr_inos && !err; i++)
		err = renumber_one(s, &s->inos[i]);
	return err;
}
