// SPDX-License-Identifier: GPL-2.0
/*
 * What is on a volume when nobody works on it: link counts equal the names found,
 * inodes know these, tracked links lead to what they track, each target, attribute and
 * byte is one that was written, and all of it is the same when it is read from the disk.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../fs/lnkfs.h"
#include "races.h"

/**
 * struct found - one name
 * @path: with its directory
 * @facts: all there is to say about it
 * @ino: its inode
 * @links: what the inode says
 * @is_dir: it is a directory
 */
struct found {
	char *path;
	char *facts;
	uint64_t ino;
	unsigned int links;
	bool is_dir;
};

struct snapshot {
	struct found *names;
	size_t nr;
	unsigned int traits;
	int carrier;
};

static uint64_t hash(const void *data, size_t len, uint64_t h)
{
	const unsigned char *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* Was each unit written by one, as it must be unless they were mapped? */
static bool whole_unit(const unsigned char *unit)
{
	return !memcmp(unit, unit + 8, UNIT - 8);
}

/* The data of a file: judged, and in a number. */
static uint64_t judge_data(struct snapshot *s, const char *path, int fd)
{
	static unsigned char buf[128 * UNIT];
	const char *name = strrchr(path, '/') + 1;
	bool fixed = !strncmp(name, "stable-", 7);
	bool whole = !fixed && !(s->traits & (OP_MMAP | OP_CRASH));
	uint64_t id = file_id(fd), h = 1;
	char good[100];
	size_t bad, i;
	off_t at = 0;
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		h = hash(buf, len, h);
		stable_text(good, atoi(name + (fixed ? 7 : 0)));
		if (fixed && (len != (ssize_t)strlen(good) || memcmp(buf, good, len)))
			fail("%s: its text has changed", path);
		bad = fixed ? (size_t)len : bad_byte(buf, len, id);
		if (bad < (size_t)len)
			fail("%s: byte %ld is 0x%02x, which is not of this file", path,
			     (long)(at + bad), buf[bad]);
		for (i = 0; whole && i + UNIT <= (size_t)len; i += UNIT) {
			if (!whole_unit(buf + i))
				fail("%s: the unit at %ld is torn", path, (long)(at + i));
		}
		at += len;
	}
	if (len < 0)
		fail("%s: %m", path);
	return h;
}

/* A tracked link leads to its inode as long as there is one, and nobody moves it. */
static void judge_tracked(const char *path, const struct lnkfs_link *l, const char *text,
			  const char *target)
{
	int dir = (int)(strrchr(path, '/') - path);
	char *lead = NULL, *first = NULL;
	struct stat st;

	if (asprintf(&lead, "%.*s/%s", dir, path, target) < 0 ||
	    asprintf(&first, "%.*s/%s", dir, path, text) < 0)
		abort();
	if (l->l_flags & LNKFS_LINK_LOST) {
		if (strcmp(text, target))
			fail("%s: what it tracks is gone, and it leads to %s", path, target);
	} else if ((l->l_flags & LNKFS_LINK_PATH_FIRST) && !lstat(first, &st)) {
		if (strcmp(text, target))
			fail("%s: its text leads to something, and it leads to %s", path, target);
	} else if (lstat(lead, &st) || st.st_ino != l->l_ino) {
		fail("%s leads to %s, and tracks inode %lu: %m", path, target,
		     (unsigned long)l->l_ino);
	}
	free(lead);
	free(first);
}

static void judge_links(struct snapshot *s, const char *path, char *facts, const struct stat *st)
{
	char target[TARGET_MAX + 1], text[TARGET_MAX];
	ssize_t len = readlink(path, target, TARGET_MAX);
	struct lnkfs_link l;
	const char *why;

	if (len < 0 || get_link(s->carrier, path, &l, text)) {
		fail("%s: readlink or GETLINK: %m", path);
		return;
	}
	target[len] = 0;
	why = bad_link(&l, text);
	if (!why && l.l_len != st->st_size)
		why = "not as long as its inode says";
	if (!why && !l.l_flags && strcmp(text, target))
		why = "not the text";
	if (why)
		fail("%s: a target of %zd bytes: %s", path, len, why);
	if (l.l_flags)
		judge_tracked(path, &l, text, target);
	sprintf(facts, " target %lx kind %u flags %#x %lu:%u",
		(unsigned long)hash(text, l.l_len, 1), l.l_kind, l.l_flags,
		(unsigned long)l.l_ino, l.l_gen);
}

/* The attributes, whatever their order; their names are part of the sum. */
static void judge_xattrs(const char *path, char *facts)
{
	unsigned char value[65536];
	char names[4096], *name;
	ssize_t all = llistxattr(path, names, sizeof(names)), len;
	const char *why;
	uint64_t sum = 0;

	if (all < 0)
		fail("%s: llistxattr: %m", path);
	for (name = names; name < names + all; name += strlen(name) + 1) {
		len = lgetxattr(path, name, value, sizeof(value));
		why = len < 0 ? strerror(errno) : bad_xattr(name, value, len);
		if (why)
			fail("%s: %s: %s", path, name, why);
		else
			sum += hash(value, len, hash(name, strlen(name), 1));
	}
	sprintf(facts, " xattrs %lx", (unsigned long)sum);
}

static void judge_attrs(struct snapshot *s, const char *path, char *facts)
{
	struct lnkfs_attr a = { .a_size = sizeof(a) };

	a.a_fd = open(path, O_PATH | O_NOFOLLOW);
	if (ioctl(s->carrier, LNKFS_IOC_GETATTR, &a))
		fail("%s: getattr: %m", path);
	close(a.a_fd);
	sprintf(facts, " flags %x", a.a_flags);
}

static void judge_file(struct snapshot *s, const char *path, char *facts)
{
	struct fsxattr fx = {};
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NOATIME);

	if (fd < 0) {
		fail("%s: %m", path);
		return;
	}
	if (ioctl(fd, FS_IOC_FSGETXATTR, &fx))
		fail("%s: fsgetxattr: %m", path);
	sprintf(facts, " project %u xflags %x", fx.fsx_projid, fx.fsx_xflags);
	/* What a mapping and a direct write did to one page is nobody's guess. */
	uint64_t sum = judge_data(s, path, fd);

	if ((s->traits & (OP_MMAP | OP_DIRECT)) != (OP_MMAP | OP_DIRECT))
		sprintf(facts + strlen(facts), " data %lx", (unsigned long)sum);
	close(fd);
}

static void note(struct snapshot *s, const char *path, const struct stat *st)
{
	char facts[1024];
	struct found *f;
	size_t len;

	len = sprintf(facts, "ino %lu mode %o links %u owner %u:%u size %ld blocks %ld "
		      "mtime %ld.%09ld ctime %ld.%09ld", (unsigned long)st->st_ino, st->st_mode,
		      (unsigned int)st->st_nlink, st->st_uid, st->st_gid, (long)st->st_size,
		      (long)st->st_blocks, st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		      st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	judge_xattrs(path, facts + len);
	judge_attrs(s, path, facts + strlen(facts));
	if (S_ISLNK(st->st_mode))
		judge_links(s, path, facts + strlen(facts), st);
	else if (S_ISREG(st->st_mode))
		judge_file(s, path, facts + strlen(facts));
	s->names = realloc(s->names, (s->nr + 1) * sizeof(*s->names));
	f = &s->names[s->nr++];
	f->path = strdup(path);
	f->facts = strdup(facts);
	f->ino = st->st_ino;
	f->links = st->st_nlink;
	f->is_dir = S_ISDIR(st->st_mode);
}

/* All names of a directory, and what is in it; its link count. */
static void walk(struct snapshot *s, const char *dir, unsigned int links)
{
	unsigned int subdirs = 0;
	struct dirent *d;
	char *path;
	struct stat st;
	DIR *list = opendir(dir);

	if (!list) {
		fail("%s: %m", dir);
		return;
	}
	while ((d = readdir(list))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    !strcmp(d->d_name, "lost+found"))
			continue;
		if (asprintf(&path, "%s/%s", dir, d->d_name) < 0)
			abort();
		if (lstat(path, &st)) {
			fail("%s: is listed, but: %m", path);
		} else {
			note(s, path, &st);
			if (S_ISDIR(st.st_mode)) {
				subdirs++;
				walk(s, path, st.st_nlink);
			}
		}
		free(path);
	}
	closedir(list);
	if (links && links != subdirs + 2)
		fail("%s: %u links, %u directories in it", dir, links, subdirs);
}

static int by_inode(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/**
 * struct told - the names that LNKFS_IOC_GETNAMES has told of an inode
 * @names: those that the walk found
 * @nr: how many
 * @skip: bytes of their paths before the volume's root
 * @told: names told
 */
struct told {
	const struct found *names;
	size_t nr;
	size_t skip;
	size_t told;
};

static void one_told(void *ctx, const struct lnkfs_name_record *r)
{
	struct told *t = ctx;
	size_t i;

	for (i = 0; i < t->nr && strcmp(t->names[i].path + t->skip, r->r_path); i++)
		;
	if (i == t->nr)
		fail("%s is called a name of inode %lu", r->r_path, (unsigned long)t->names->ino);
	t->told++;
}

/* An inode tells the names that were found, each once. */
static void judge_told(struct snapshot *s, const char *root, size_t from, size_t end)
{
	struct told t = { s->names + from, end - from, strlen(root) + 1, 0 };

	if (get_names(s->carrier, -1, t.names->ino, 0, NAMES_ROOM, one_told, &t))
		fail("%s: GETNAMES: %m", t.names->path);
	else if (t.told != t.nr)
		fail("%s: %zu names are told, %zu are there", t.names->path, t.told, t.nr);
}

static void judge_counts(struct snapshot *s, const char *root)
{
	size_t i, end;

	qsort(s->names, s->nr, sizeof(*s->names), by_inode);
	for (i = 0; i < s->nr; i = end) {
		for (end = i + 1; end < s->nr && s->names[end].ino == s->names[i].ino; end++)
			;
		if (s->names[i].is_dir ? end - i != 1 : s->names[i].links != end - i)
			fail("%s: %u links, %zu names", s->names[i].path, s->names[i].links,
			     end - i);
		judge_told(s, root, i, end);
	}
}

/* Names that are always there: once each. */
static void judge_names(const struct snapshot *s, const char *root)
{
	char path[256], name[64];
	struct found key = { .path = path };
	unsigned int nr;
	int dir;

	for (dir = 0; dir < DIRS; dir++) {
		for (nr = 0; nr < STABLE + 2; nr++) {
			stable_name(name, "", nr);
			if (nr >= STABLE)
				strcpy(name, nr == STABLE ? "x0" : "z");
			sprintf(path, "%s/%c/%s", root, 'a' + dir, name);
			if (!bsearch(&key, s->names, s->nr, sizeof(key), by_path))
				fail("%s is lost", path);
		}
	}
}

/* Judge all that is below @root; @traits: of the operations that made it. */
struct snapshot *snapshot_take(const char *root, unsigned int traits)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->traits = traits;
	s->carrier = open(root, O_RDONLY | O_DIRECTORY);
	walk(s, root, 0);
	judge_counts(s, root);
	qsort(s->names, s->nr, sizeof(*s->names), by_path);
	judge_names(s, root);
	close(s->carrier);
	return s;
}

void snapshot_compare(const struct snapshot *a, const struct snapshot *b, const char *what)
{
	size_t i;

	if (a->nr != b->nr)
		fail("%s: %zu names, then %zu", what, a->nr, b->nr);
	for (i = 0; i < a->nr && i < b->nr; i++) {
		if (strcmp(a->names[i].path, b->names[i].path)) {
			fail("%s: %s, then %s", what, a->names[i].path, b->names[i].path);
			return;
		}
		if (strcmp(a->names[i].facts, b->names[i].facts))
			fail("%s: %s: %s, then %s", what, a->names[i].path, a->names[i].facts,
			     b->names[i].facts);
	}
}

void snapshot_free(struct snapshot *s)
{
	size_t i;

	for (i = 0; i < s->nr; i++) {
		free(s->names[i].path);
		free(s->names[i].facts);
	}
	free(s->names);
	free(s);
}
