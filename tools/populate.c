// SPDX-License-Identifier: GPL-2.0
/*
 * Filling a new volume from a directory or an archive.
 *
 * A directory is read in the order of its names, so that the same tree gives
 * the same volume. Archives are libarchive's to read, whatever their format.
 */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "liblnkfs.h"
#include "populate.h"

#define CHUNK		(256u << 10)
#define NSEC_PER_SEC	1000000000LL

/* Entries of struct posix_acl_xattr (linux/posix_acl_xattr.h), little-endian. */
#define ACL_VERSION	2
#define ACL_USER_OBJ	0x01
#define ACL_USER	0x02
#define ACL_GROUP_OBJ	0x04
#define ACL_GROUP	0x08
#define ACL_MASK	0x10
#define ACL_OTHER	0x20

struct acl_entry {
	__le16 e_tag;
	__le16 e_perm;
	__le32 e_id;
};

/**
 * struct attribute - an extended attribute that is to be set
 * @name: with its prefix
 * @value: its value
 * @len: bytes of it
 */
struct attribute {
	char *name;
	void *value;
	size_t len;
};

/**
 * struct item - what is to be added next
 * @attr: the inode
 * @list: its attributes
 * @count: how many
 */
struct item {
	struct lnkfs_build_attr attr;
	struct attribute *list;
	size_t count;
};

static int problem(struct populate *p, const char *what, int err)
{
	if (err && !*p->problem)
		snprintf(p->problem, sizeof(p->problem), "%s", what);
	return err;
}

static u64 to_stamp(const struct populate *p, s64 sec, long nsec)
{
	u64 stamp;

	if (sec < LNKFS_EPOCH)
		return 0;
	if (sec > (s64)(U64_MAX / NSEC_PER_SEC) + LNKFS_EPOCH - 1)
		sec = (s64)(U64_MAX / NSEC_PER_SEC) + LNKFS_EPOCH - 1;
	stamp = (u64)(sec - LNKFS_EPOCH) * NSEC_PER_SEC + (u64)nsec;
	return p->clamp && stamp > p->now ? p->now : stamp;
}

/* ---- attributes ---- */

static const struct {
	const char *prefix;
	u8 space;
	bool whole;
} spaces[] = {
	{ "user.", LNKFS_XATTR_USER, false },
	{ "trusted.", LNKFS_XATTR_TRUSTED, false },
	{ "security.", LNKFS_XATTR_SECURITY, false },
	{ "system.posix_acl_access", LNKFS_XATTR_ACL_ACCESS, true },
	{ "system.posix_acl_default", LNKFS_XATTR_ACL_DEFAULT, true },
};

/* The key of a full name; false: a namespace that lnkfs does not keep. */
static bool to_key(const char *name, struct lnkfs_xattr_key *key)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(spaces); i++) {
		len = strlen(spaces[i].prefix);
		if (strncmp(name, spaces[i].prefix, len))
			continue;
		if (strlen(name + len) > LNKFS_NAME_LEN || spaces[i].whole != !name[len])
			return false;
		key->space = spaces[i].space;
		key->name = name + len;
		key->name_len = (u8)strlen(name + len);
		return true;
	}
	return false;
}

/* @item says what the inode is. */
static int add_attribute(struct item *item, const char *name, const void *value, size_t len)
{
	struct attribute *more, *x;
	struct lnkfs_xattr_key key;

	if (!to_key(name, &key) || !lnkfs_xattr_allowed(item->attr.mode, key.space))
		return 0;
	if (len > LNKFS_XATTR_VALUE_MAX)
		return -E2BIG;
	if ((key.space == LNKFS_XATTR_ACL_ACCESS || key.space == LNKFS_XATTR_ACL_DEFAULT) &&
	    !lnkfs_acl_sound(value, (u32)len))
		return -EINVAL;
	more = reallocarray(item->list, item->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	item->list = more;
	x = &more[item->count];
	x->name = strdup(name);
	x->value = malloc(len ? len : 1);
	x->len = len;
	if (!x->name || !x->value) {
		free(x->name);
		free(x->value);
		return -ENOMEM;
	}
	memcpy(x->value, value, len);
	item->count++;
	item->attr.xattr_bytes += lnkfs_xattr_size(key.name_len, (u32)len);
	return 0;
}

static void free_item(struct item *item)
{
	while (item->count) {
		item->count--;
		free(item->list[item->count].name);
		free(item->list[item->count].value);
	}
	free(item->list);
	item->list = NULL;
}

/* The same attributes in whatever order they came give the same volume. */
static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct attribute *)a)->name, ((const struct attribute *)b)->name);
}

static int add_item(struct lnkfs_builder *b, const char *path, struct item *item)
{
	struct lnkfs_xattr_key key;
	struct lnkfs_node *node;
	size_t i;
	int err;

	/* The room that is planned for many or large ones would be the whole record. */
	if (item->attr.xattr_bytes > 1024)
		item->attr.xattr_bytes = 0;
	if (item->count)
		qsort(item->list, item->count, sizeof(*item->list), by_name);
	err = lnkfs_build_add(b, path, &item->attr, &node);
	for (i = 0; !err && i < item->count; i++)
		if (to_key(item->list[i].name, &key))
			err = lnkfs_build_xattr(b, node, &key, item->list[i].value,
						(u32)item->list[i].len);
	return err;
}

/* ---- a directory ---- */

/**
 * struct seen - a file with several names
 * @dev: its device
 * @ino: its number there
 * @here: its number on the volume
 */
struct seen {
	dev_t dev;
	ino_t ino;
	u64 here;
};

static int cmp_seen(const void *pa, const void *pb)
{
	const struct seen *a = pa, *b = pb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino != b->ino;
}

/* Read all attributes of a file by its path. */
static int read_attributes(struct item *item, const char *path)
{
	ssize_t size = llistxattr(path, NULL, 0), len;
	char *names, *name;
	void *value;
	int err = 0;

	if (size <= 0)
		return size && errno != EOPNOTSUPP && errno != ENOSYS ? -errno : 0;
	names = malloc((size_t)size);
	value = malloc(LNKFS_XATTR_VALUE_MAX);
	size = names && value ? llistxattr(path, names, (size_t)size) : -1;
	if (size < 0)
		err = names && value ? -errno : -ENOMEM;
	for (name = names; !err && name < names + size; name += strlen(name) + 1) {
		len = lgetxattr(path, name, value, LNKFS_XATTR_VALUE_MAX);
		if (len >= 0)
			err = add_attribute(item, name, value, (size_t)len);
		else if (errno != ENODATA)
			err = -errno;
	}
	free(names);
	free(value);
	return err;
}

static void from_stat(const struct populate *p, struct item *item, const struct stat *st)
{
	item->attr = (struct lnkfs_build_attr) {
		.mode = (u16)st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.atime = to_stamp(p, st->st_mtim.tv_sec, st->st_mtim.tv_nsec),
		.mtime = to_stamp(p, st->st_mtim.tv_sec, st->st_mtim.tv_nsec),
		.ctime = p->now,
		.btime = p->now,
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
	};
}

/* What of a file's flags the other filesystem can tell. */
static void read_flags(struct item *item, const char *path)
{
	u32 flags;

	if (!lnkfs_lgetflags(path, &flags))
		item->attr.flags = flags & LNKFS_FLAGS_ALL;
}

static int copy_range(struct lnkfs_builder *b, int fd, off_t from, off_t to, u8 *buf)
{
	int err = lnkfs_build_segment(b, (u64)from, (u64)(to - from));
	ssize_t n;

	while (!err && from < to) {
		size_t want = (size_t)min_t(off_t, to - from, CHUNK), have = 0;

		while (have < want) {
			n = pread(fd, buf + have, want - have, from + (off_t)have);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			if (!n)
				return -ESTALE;	/* it shrinks under our hands */
			have += (size_t)n;
		}
		err = lnkfs_build_data(b, (u64)from, buf, want);
		from += (off_t)want;
	}
	return err;
}

/* Open what @st is about: another thing may have its name by now, a FIFO, too. */
static int open_same(const char *path, const struct stat *st, int flags)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	struct stat now;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &now))
		err = -errno;
	else if (now.st_dev != st->st_dev || now.st_ino != st->st_ino ||
		 (now.st_mode ^ st->st_mode) & S_IFMT)
		err = -ESTALE;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Has a file become shorter than it was? What is missing would look like a hole. */
static int check_size(int fd, u64 size)
{
	struct stat now;

	if (fstat(fd, &now))
		return -errno;
	return (u64)now.st_size < size ? -ESTALE : 0;
}

/* The data of a file; whole blocks of holes stay holes. */
static int copy_file(struct lnkfs_builder *b, const char *path, const struct stat *st)
{
	const off_t bs = b->v->fs.block_size;
	const u64 size = (u64)st->st_size;
	off_t data, hole = 0;
	u8 *buf;
	int fd, err = 0;

	fd = open_same(path, st, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	buf = malloc(CHUNK);
	if (!buf)
		err = -ENOMEM;
	while (!err && (u64)hole < size) {
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0) {
			/* Nothing but a hole follows; else it is not known what does. */
			err = errno == ENXIO ? check_size(fd, size) : -errno;
			break;
		}
		hole = lseek(fd, data, SEEK_HOLE);
		data -= data % bs;
		if (hole < 0)
			err = -errno;
		if ((u64)hole < size)
			hole += (bs - hole % bs) % bs;
		if ((u64)hole > size)
			hole = (off_t)size;
		if (!err && data < hole)
			err = copy_range(b, fd, data, hole, buf);
	}
	free(buf);
	close(fd);
	return err;
}

/**
 * struct level - a directory that the walk is in
 * @up: the one above it; NULL: it is the source itself
 * @dev: its device
 * @ino: its number there
 */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
};

/**
 * struct tree - a walk through a directory
 * @p: what for
 * @b: builder
 * @volume: what is written, which may be a file in the tree
 * @seen: files with several names
 * @path: of what is at hand, for people and for the builder, from @skip on
 * @len: of that
 * @room: there
 * @skip: length of the name of the source
 */
struct tree {
	struct populate *p;
	struct lnkfs_builder *b;
	struct stat volume;
	void *seen;
	char *path;
	size_t len;
	size_t room;
	size_t skip;
};

/* A name of a file that has been met before: 1 when that is done. */
static int link_seen(struct tree *t, const struct stat *st, struct seen **mine)
{
	struct seen *s, **found;

	*mine = NULL;
	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return 0;
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	found = tsearch(s, &t->seen, cmp_seen);
	if (!found) {
		free(s);
		return -ENOMEM;
	}
	if (*found != s) {
		int err = lnkfs_build_link(t->b, t->path + t->skip, (*found)->here);

		free(s);
		return err ? err : 1;
	}
	*mine = s;
	return 0;
}

/* Add what is at hand: @name in the working directory, or that itself. */
static int add_found(struct tree *t, const char *name, const struct stat *st)
{
	char target[LNKFS_SYMLINK_MAX + 1];
	struct lnkfs_builder *b = t->b;
	struct item item = { .count = 0 };
	struct seen *seen;
	ssize_t len;
	int err;

	if (S_ISREG(st->st_mode) && lnkfs_same_file(&t->volume, st))
		return -EBUSY;
	err = link_seen(t, st, &seen);
	if (err)
		return err < 0 ? err : 0;
	from_stat(t->p, &item, st);
	read_flags(&item, name);
	err = read_attributes(&item, name);
	if (!err && S_ISLNK(item.attr.mode)) {
		len = readlink(name, target, sizeof(target));
		if (len < 0)
			err = -errno;
		else if (!len || len > LNKFS_SYMLINK_MAX)
			err = -ENAMETOOLONG;
		else
			target[len] = '\0';
		item.attr.target = target;
	}
	if (!err)
		err = add_item(b, t->path + t->skip, &item);
	if (!err && seen)
		seen->here = b->file.ci.ino;
	if (!err && S_ISREG(item.attr.mode))
		err = copy_file(b, name, st);
	if (!err && !S_ISDIR(item.attr.mode))
		err = lnkfs_build_done(b, (u64)st->st_size);
	free_item(&item);
	return err;
}

/* The path of an entry of what is at hand, or of the source if nothing is. */
static int append(struct tree *t, const char *name)
{
	size_t len = strlen(name), room = t->len + len + 2;
	char *more;

	if (room > t->room) {
		more = realloc(t->path, 2 * room);
		if (!more)
			return -ENOMEM;
		t->path = more;
		t->room = 2 * room;
	}
	if (t->len && t->path[t->len - 1] != '/')
		t->path[t->len++] = '/';
	memcpy(t->path + t->len, name, len + 1);
	t->len += len;
	return 0;
}

/**
 * struct names - what is in a directory
 * @list: entries: name, and type as in struct dirent
 * @count: how many
 * @room: for how many there is room
 */
struct names {
	struct below {
		char *name;
		unsigned char type;
	} *list;
	size_t count;
	size_t room;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(((const struct below *)a)->name, ((const struct below *)b)->name);
}

static int add_name(struct names *names, const struct dirent *entry)
{
	struct below *more;

	if (names->count == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		more = reallocarray(names->list, names->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		names->list = more;
	}
	more = &names->list[names->count];
	more->type = entry->d_type;
	more->name = strdup(entry->d_name);
	if (!more->name)
		return -ENOMEM;
	names->count++;
	return 0;
}

/* All names in a directory, in order. Half of them would be half of a volume. */
static int read_names(int fd, struct names *names)
{
	const struct dirent *entry;
	DIR *dir = fdopendir(fd);
	int err = 0;

	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			err = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = add_name(names, entry);
	}
	closedir(dir);
	if (names->count)
		qsort(names->list, names->count, sizeof(*names->list), by_bytes);
	return err;
}

static void free_names(struct names *names)
{
	while (names->count)
		free(names->list[--names->count].name);
	free(names->list);
}

/* Back to the directory above, if that is where we have come from. */
static int go_up(const struct level *up)
{
	int fd = open("..", O_PATH | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (st.st_dev != up->dev || st.st_ino != up->ino)
		err = -ESTALE;
	else if (fchdir(fd))
		err = -errno;
	close(fd);
	return err;
}

/* Enter a directory, and add it. */
static int enter(struct tree *t, const struct level *here, const char *name,
		 const struct stat *st, struct names *names)
{
	const struct level *l;
	int fd, err;

	/* Mounts can do that. */
	for (l = here->up; l; l = l->up)
		if (l->dev == here->dev && l->ino == here->ino)
			return -ELOOP;
	fd = open_same(name, st, O_DIRECTORY | (here->up ? O_NOFOLLOW : 0));
	if (fd < 0)
		return fd;
	err = fchdir(fd) ? -errno : add_found(t, ".", st);
	if (!err)
		return read_names(fd, names);
	close(fd);
	return err;
}

static int add_below(struct tree *t, const struct level *here, const struct below *entry);

/* A directory with all that is in it. */
static int add_dir(struct tree *t, const struct level *up, const char *name,
		   const struct stat *st)
{
	const struct level here = { .up = up, .dev = st->st_dev, .ino = st->st_ino };
	struct names names = { .count = 0 };
	int err = enter(t, &here, name, st, &names);
	size_t i;

	for (i = 0; !err && i < names.count; i++)
		err = add_below(t, &here, &names.list[i]);
	if (!err && up)
		err = go_up(up);
	free_names(&names);
	return err;
}

/* A directory that is none any more has been taken away, whatever is there now. */
static int add_below(struct tree *t, const struct level *here, const struct below *entry)
{
	const char *name = entry->name;
	size_t len = t->len;
	struct stat st;
	int err = append(t, name);

	if (!err && lstat(name, &st))
		err = -errno;
	if (!err && entry->type == DT_DIR && !S_ISDIR(st.st_mode))
		err = -ESTALE;
	if (!err)
		err = S_ISDIR(st.st_mode) ? add_dir(t, here, name, &st) : add_found(t, name, &st);
	problem(t->p, t->path, err);
	t->len = len;
	t->path[len] = '\0';
	return err;
}

/*
 * Somebody may change the tree meanwhile: the walk goes from directory to directory, and
 * looks whether it has come to the one that it has seen. So what is read lies in the
 * tree, wherever a symlink that a directory has become leads to. (fts(3) does that, too,
 * but takes a directory that cannot be read to its end for one that ends there.)
 */
static int from_directory(struct populate *p, struct lnkfs_builder *b, const struct stat *st)
{
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), err;
	struct tree t = { .p = p, .b = b, .skip = strlen(p->source) };

	if (cwd < 0)
		return problem(p, ".", -errno);
	err = b->v->dev.fd >= 0 && fstat(b->v->dev.fd, &t.volume) ? -errno : 0;
	if (!err)
		err = append(&t, p->source);
	if (!err)
		err = add_dir(&t, NULL, p->source, st);
	problem(p, p->source, err);
	if (fchdir(cwd) && !err)
		err = problem(p, ".", -errno);
	close(cwd);
	tdestroy(t.seen, free);
	free(t.path);
	return err;
}

/* ---- an archive ---- */

static u16 acl_tag(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return ACL_USER_OBJ;
	case ARCHIVE_ENTRY_ACL_USER:
		return ACL_USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return ACL_GROUP_OBJ;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return ACL_GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return ACL_MASK;
	default:
		return ACL_OTHER;
	}
}

static int by_tag(const void *pa, const void *pb)
{
	const struct acl_entry *a = pa, *b = pb;

	if (a->e_tag != b->e_tag)
		return le16_to_cpu(a->e_tag) < le16_to_cpu(b->e_tag) ? -1 : 1;
	return le32_to_cpu(a->e_id) < le32_to_cpu(b->e_id) ? -1 : 1;
}

/* Whom an entry is about: archives have names, numbers, or both. */
static int acl_id(int tag, int id, const char *who, u32 *out)
{
	const struct passwd *user;
	const struct group *group;
	char *end;

	*out = ~0u;
	if (tag != ARCHIVE_ENTRY_ACL_USER && tag != ARCHIVE_ENTRY_ACL_GROUP)
		return 0;
	if (id >= 0) {
		*out = (u32)id;
		return 0;
	}
	if (!who || !*who)
		return -EINVAL;
	errno = 0;
	*out = (u32)strtoul(who, &end, 10);
	if (!*end && !errno)
		return 0;
	if (tag == ARCHIVE_ENTRY_ACL_USER) {
		user = getpwnam(who);
		*out = user ? user->pw_uid : ~0u;
	} else {
		group = getgrnam(who);
		*out = group ? group->gr_gid : ~0u;
	}
	return *out == ~0u ? -EINVAL : 0;
}

/* An ACL of an entry, in the form that the kernel has for it as an attribute. */
static int read_acl(struct item *item, struct archive_entry *e, int type, const char *name)
{
	int count = archive_entry_acl_reset(e, type), t, perm, tag, id;
	struct acl_entry *list;
	const char *who;
	u8 *value;
	size_t n = 0;
	int err = 0;
	u32 whose;

	if (count <= 0)
		return 0;
	value = malloc(sizeof(__le32) + (size_t)(count + 4) * sizeof(*list));
	if (!value)
		return -ENOMEM;
	list = (void *)(value + sizeof(__le32));
	while (!err && n < (size_t)count + 4 &&
	       archive_entry_acl_next(e, type, &t, &perm, &tag, &id, &who) == ARCHIVE_OK) {
		err = acl_id(tag, id, who, &whose);
		list[n].e_tag = cpu_to_le16(acl_tag(tag));
		list[n].e_perm = cpu_to_le16((u16)(perm & 7));
		list[n].e_id = cpu_to_le32(whose);
		n++;
	}
	qsort(list, n, sizeof(*list), by_tag);
	memset(value, 0, sizeof(__le32));
	value[0] = ACL_VERSION;
	if (!err && n)
		err = add_attribute(item, name, value, sizeof(__le32) + n * sizeof(*list));
	free(value);
	return err;
}

/* Archives have numbers of 64 bits, of which a part may be somebody else. */
static bool is_id(la_int64_t id)
{
	return id >= 0 && id < (la_int64_t)U32_MAX;
}

static int read_entry(struct populate *p, struct item *item, struct archive_entry *e)
{
	u32 set = 0, clear = 0;
	const char *name, *text;
	const void *value;
	size_t len;
	int err = 0;

	item->attr = (struct lnkfs_build_attr) {
		.mode = (u16)archive_entry_mode(e),
		.uid = (u32)archive_entry_uid(e),
		.gid = (u32)archive_entry_gid(e),
		.mtime = to_stamp(p, archive_entry_mtime(e), archive_entry_mtime_nsec(e)),
		.ctime = p->now,
		.btime = p->now,
		.major = (u32)archive_entry_rdevmajor(e),
		.minor = (u32)archive_entry_rdevminor(e),
		.target = archive_entry_symlink(e),
	};
	if (!is_id(archive_entry_uid(e)) || !is_id(archive_entry_gid(e)))
		return -EOVERFLOW;
	item->attr.atime = item->attr.mtime;
	text = archive_entry_fflags_text(e);
	if (text && !lnkfs_flags_from_text(text, &set, &clear, NULL))
		item->attr.flags = set & LNKFS_FLAGS_ALL;
	archive_entry_xattr_reset(e);
	while (!err && archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK)
		err = add_attribute(item, name, value, len);
	if (!err)
		err = read_acl(item, e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access");
	if (!err)
		err = read_acl(item, e, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT,
			       "system.posix_acl_default");
	if (!err && S_ISLNK(item->attr.mode) &&
	    (!item->attr.target || !*item->attr.target ||
	     strlen(item->attr.target) > LNKFS_SYMLINK_MAX))
		err = -ENAMETOOLONG;
	return err;
}

/**
 * struct blocks - data of an archive's file on their way into whole blocks
 * @b: builder
 * @buf: CHUNK bytes, of which @len are in use
 * @pos: where in the file they begin
 * @len: see @buf
 */
struct blocks {
	struct lnkfs_builder *b;
	u8 *buf;
	u64 pos;
	size_t len;
};

static int blocks_flush(struct blocks *k, bool end)
{
	size_t bs = k->b->v->fs.block_size, part = end ? 0 : k->len % bs;
	size_t n = k->len - part;
	int err = n ? lnkfs_build_data(k->b, k->pos, k->buf, n) : 0;

	memmove(k->buf, k->buf + n, part);
	k->pos += n;
	k->len = part;
	return err;
}

/* Go to a position; what lies between is zeroes, in whole blocks a hole. */
static int blocks_seek(struct blocks *k, u64 pos)
{
	size_t bs = k->b->v->fs.block_size, fill;
	int err;

	if (pos < k->pos + k->len)
		return -EINVAL;
	if (pos - k->pos - k->len < bs) {
		fill = (size_t)(pos - k->pos - k->len);
	} else {
		fill = (bs - k->len % bs) % bs;
	}
	memset(k->buf + k->len, 0, fill);
	k->len += fill;
	err = blocks_flush(k, false);
	if (err || k->pos + k->len == pos)
		return err;
	/* A block boundary, and nothing is left in the buffer. */
	k->pos = pos - pos % bs;
	k->len = (size_t)(pos % bs);
	memset(k->buf, 0, k->len);
	return 0;
}

static int copy_entry_data(struct populate *p, struct lnkfs_builder *b, struct archive *a,
			   u64 *size)
{
	struct blocks k = { .b = b, .buf = malloc(CHUNK + (2u << LNKFS_MAX_BLOCK_BITS)) };
	const u8 *data;
	la_int64_t off;
	size_t len, n;
	int ret, err = k.buf ? 0 : -ENOMEM;

	while (!err) {
		ret = archive_read_data_block(a, (const void **)&data, &len, &off);
		if (ret == ARCHIVE_EOF)
			break;
		if (ret < ARCHIVE_WARN) {
			problem(p, archive_error_string(a), -EIO);
			err = -EIO;
			break;
		}
		err = blocks_seek(&k, (u64)off);
		for (; !err && len; data += n, len -= n) {
			n = min_t(size_t, len, CHUNK - k.len);
			memcpy(k.buf + k.len, data, n);
			k.len += n;
			err = blocks_flush(&k, false);
		}
	}
	*size = max(*size, k.pos + k.len);
	if (!err)
		err = blocks_flush(&k, true);
	free(k.buf);
	return err;
}

/*
 * Another name of a file. cpio's newer format has the data of a file with the last of
 * its names, its older ones have them with each.
 */
static int add_link(struct populate *p, struct lnkfs_builder *b, struct archive *a,
		    struct archive_entry *e, u64 size)
{
	u64 ino;
	int err;

	err = lnkfs_build_find(b, archive_entry_hardlink(e), &ino);
	if (!err)
		err = lnkfs_build_link(b, archive_entry_pathname(e), ino);
	if (err || !size)
		return err;
	err = lnkfs_build_open(b, ino);
	if (err || !S_ISREG(b->file.ci.mode) || b->file.ci.size)
		return err;
	err = copy_entry_data(p, b, a, &size);
	return err ? err : lnkfs_build_done(b, size);
}

static int add_entry(struct populate *p, struct lnkfs_builder *b, struct archive *a,
		     struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e);
	struct item item = { .count = 0 };
	u64 size = archive_entry_size_is_set(e) ? (u64)archive_entry_size(e) : 0;
	int err;

	if (!path)
		return -EINVAL;
	if (archive_entry_hardlink(e))
		return add_link(p, b, a, e, size);
	err = read_entry(p, &item, e);
	if (!err)
		err = add_item(b, path, &item);
	if (!err && S_ISREG(item.attr.mode))
		err = copy_entry_data(p, b, a, &size);
	if (!err && !S_ISDIR(item.attr.mode))
		err = lnkfs_build_done(b, size);
	free_item(&item);
	return err;
}

static int from_archive(struct populate *p, struct lnkfs_builder *b)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	int ret, err = 0;

	if (!a)
		return -ENOMEM;
	archive_read_support_filter_all(a);
	archive_read_support_format_all(a);
	ret = archive_read_open_filename(a, strcmp(p->source, "-") ? p->source : NULL, 1 << 18);
	while (ret >= ARCHIVE_WARN && !err) {
		ret = archive_read_next_header(a, &e);
		if (ret == ARCHIVE_EOF)
			break;
		if (ret >= ARCHIVE_WARN) {
			err = add_entry(p, b, a, e);
			problem(p, archive_entry_pathname(e) ? archive_entry_pathname(e) :
				p->source, err);
		}
	}
	if (ret < ARCHIVE_WARN && !err)
		err = problem(p, archive_error_string(a) ? archive_error_string(a) : p->source,
			      -EINVAL);
	archive_read_free(a);
	return err;
}

/**
 * populate() - add all files of a source to a volume
 * @p: the source
 * @b: a builder that has begun
 *
 * Owners, modes, modification times, hard links, extended attributes, ACLs and
 * flags are kept. Access times become those of modification.
 *
 * Return: 0, or a negative error number with @p->problem.
 */
int populate(struct populate *p, struct lnkfs_builder *b)
{
	struct stat st;

	*p->problem = '\0';
	if (strcmp(p->source, "-")) {
		if (stat(p->source, &st))
			return problem(p, p->source, -errno);
		if (S_ISDIR(st.st_mode))
			return from_directory(p, b, &st);
	}
	return from_archive(p, b);
}
