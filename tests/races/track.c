// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on tracked links, and on the names of an inode.
 *
 * There are two kinds of tracked links. Those with the names that all fight for may
 * be made of any link, and lead to anything, to each other as well. The links "k0" to
 * "k3" and the files "t0" and "t1" are always there, in one directory or another, and
 * what they lead to is known: whoever follows such a link gets that and nothing else.
 * The names of t0 and t1 end in "t0" and "t1" wherever they are, so that a path that
 * was right a moment ago leads nowhere, but never to another file.
 *
 * Errors that the rest of a mix must reckon with when there are tracked links: ELOOP,
 * as these may lead to each other, and ESTALE, which path walk says when a link
 * was moved to another directory each time that it found it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../fs/lnkfs.h"
#include "races.h"

#define MAX_CALLS	200	/* of LNKFS_IOC_GETNAMES for one inode */

/**
 * struct known - a link that is always there
 * @target: what it tracks
 * @flags: LNKFS_LINK_*
 * @text: number of the stable file that its text names, or -1: @target itself
 * @leads: it always leads to what it tracks
 */
struct known {
	const char *target;
	unsigned int flags;
	int text;
	bool leads;
};

static const struct known known[KNOWN] = {
	{ "stable-03", LNKFS_LINK_TRACKED, 7, true },
	/* Its target may be on its way each time that it is looked for. */
	{ "t0", LNKFS_LINK_TRACKED, 7, false },
	/* The text always leads to something. */
	{ "t1", LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST, 5, false },
	/* By its text or not, it is the same file. */
	{ "t1", LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST, -1, true },
};

static long set_link(int carrier, int link, unsigned int kind, unsigned int flags, int target)
{
	struct lnkfs_link l = {
		.l_size = sizeof(l),
		.l_fd = link,
		.l_kind = kind,
		.l_flags = flags,
		.l_target = target,
	};

	return ioctl(carrier, LNKFS_IOC_SETLINK, &l);
}

/* Make the links and files that are always there, in directory @dir of a new volume. */
void populate_tracked(const char *dir)
{
	char path[256], text[TARGET_MAX];
	int root = open(dir, O_RDONLY | O_DIRECTORY), i, fd, target;
	struct stat st;

	for (i = 0; i < 2; i++) {
		sprintf(path, "t%d", i);
		fd = openat(root, path, O_CREAT | O_WRONLY, 0644);
		if (fd < 0)
			fail("%s: %m", path);
		close(fd);
	}
	for (i = 0; i < KNOWN; i++) {
		if (known[i].text < 0)
			strcpy(text, known[i].target);
		else
			make_target(text, known[i].text, i & 1);
		sprintf(path, "k%d", i);
		target = openat(root, known[i].target, O_PATH);
		if (symlinkat(text, root, path) || fstat(target, &st))
			fail("%s: %m", path);
		fd = openat(root, path, O_PATH | O_NOFOLLOW);
		if (set_link(root, fd, LNKFS_LINK_PLAIN, known[i].flags, target))
			fail("%s: SETLINK: %m", path);
		shared->tracked[i] = st.st_ino;
		close(fd);
		close(target);
	}
	close(root);
}

/* The stable files that a known link's text may lead to. */
void note_texts(const char *root)
{
	char path[256], name[64];
	struct stat st;
	int i, dir;

	for (i = 0; i < KNOWN; i++) {
		for (dir = 0; dir < DIRS; dir++) {
			stable_name(name, "", known[i].text < 0 ? 0 : known[i].text);
			sprintf(path, "%s/%c/%s", root, 'a' + dir, name);
			if (stat(path, &st))
				fail("%s: %m", path);
			shared->texts[i][dir] = st.st_ino;
		}
	}
}

static bool digits(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		;
	return len && i == len;
}

/* Is it one of the names that there can be? */
static bool is_name(const char *s, size_t len)
{
	static const char *const prefixes[] = { "n", "x", "t", "k", "tmp-", "stable-" };
	unsigned int i;

	if (len == 1)
		return *s == 'a' || *s == 'b' || *s == 'z';
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);

		if (len > n && !memcmp(s, prefixes[i], n) && digits(s + n, len - n))
			return true;
	}
	return false;
}

/* Is it a path of names that there can be, from a directory down? */
static bool is_path(const char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n) {
		const char *slash = memchr(s, '/', len);

		n = slash ? (size_t)(slash - s) : len;
		if (!is_name(s, n))
			return false;
		if (slash && ++n == len)
			return false;
	}
	return true;
}

/* What is wrong with what readlink says of a link that may be tracked, or NULL. */
const char *bad_lead(const char *target, size_t len)
{
	size_t at = 0;

	if (!bad_target(target, len) || (len == 1 && *target == '.'))
		return NULL;
	while (len - at >= 2 && !memcmp(target + at, "..", 2)) {
		at += 2;
		if (at < len && target[at++] != '/')
			return "a way up that is none";
	}
	return len && is_path(target + at, len - at) ? NULL : "a path of names that nobody gave";
}

static int open_link(struct worker *w, char *path)
{
	pick_path(w, path);
	return may(w, "open", open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/* Any name is said to be a link to any other; -1 unless it has become one. */
static long track_any(struct worker *w, int link)
{
	static const unsigned int kinds[] = {
		LNKFS_LINK_PLAIN, LNKFS_LINK_PLAIN, LNKFS_LINK_FILE, LNKFS_LINK_DIR,
	};
	char path[64];
	int target = open_link(w, path);
	long ret = -1;

	if (target >= 0) {
		ret = may(w, "SETLINK", set_link(w->root, link, kinds[below(w, 4)],
						 below(w, 4) ? LNKFS_LINK_TRACKED :
						 LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST,
						 target));
		close(target);
	}
	return ret;
}

void op_track(struct worker *w)
{
	char path[64];
	int fd = open_link(w, path);

	if (fd < 0)
		return;
	if (below(w, 8))
		track_any(w, fd);
	else if (!set_link(w->root, fd, below(w, 2) ? LNKFS_LINK_JUNCTION : LNKFS_LINK_REMOTE, 0,
			   -1))
		fail("%s: no text here is one of a junction, or remote", path);
	else
		may(w, "SETLINK", -1);
	close(fd);
}

/* A new link that is tracked from the moment on at which it has its name. */
void op_new_track(struct worker *w)
{
	char name[64], path[64], target[TARGET_MAX];
	int fd;

	sprintf(name, "%c/tmp-%d", below(w, 2) ? 'a' : 'b', w->number);
	unlink(name);
	make_target(target, below(w, STABLE), below(w, 2));
	if (may(w, "symlink", symlink(target, name)))
		return;
	fd = may(w, "open", open(name, O_PATH | O_NOFOLLOW));
	if (fd >= 0 && !track_any(w, fd)) {
		pick_path(w, path);
		if (may(w, "rename", syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, path,
					     below(w, 2))))
			may(w, "unlink", unlink(name));
	}
	close(fd);
}

void op_untrack(struct worker *w)
{
	char path[64];
	int fd = open_link(w, path);

	if (fd < 0)
		return;
	may(w, "SETLINK", set_link(w->root, fd, below(w, 3), 0, -1));
	close(fd);
}

/* The known links lead to where they must; the others somewhere, or nowhere. */
void op_follow_track(struct worker *w)
{
	unsigned int nr = below(w, KNOWN + 1);
	char path[64];
	struct stat st;
	int fd;

	if (nr == KNOWN)
		pick_path(w, path);
	else
		sprintf(path, "%c/k%u", below(w, 2) ? 'a' : 'b', nr);
	fd = may(w, "follow", open(path, O_PATH | O_CLOEXEC));
	if (fd < 0) {
		__atomic_fetch_add(&shared->stale, errno == ESTALE, __ATOMIC_RELAXED);
		return;
	}
	if (nr < KNOWN && !fstat(fd, &st) && st.st_ino != shared->tracked[nr] &&
	    (known[nr].leads || (st.st_ino != shared->texts[nr][0] &&
				 st.st_ino != shared->texts[nr][1])))
		fail("%s leads to inode %lu, and tracks %lu", path, (unsigned long)st.st_ino,
		     (unsigned long)shared->tracked[nr]);
	close(fd);
}

/* What is wrong with what LNKFS_IOC_GETLINK says, or NULL. */
const char *bad_link(const struct lnkfs_link *l, const char *text)
{
	const unsigned int flags = l->l_flags & ~LNKFS_LINK_LOST;

	if (l->l_kind > LNKFS_LINK_DIR)
		return "a kind that nobody gave";
	if (flags & ~(LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST) ||
	    (l->l_flags && !(flags & LNKFS_LINK_TRACKED)))
		return "flags that nobody gave";
	if (!flags != !l->l_ino || !flags != !l->l_gen)
		return "half of a target";
	if (l->l_len != strlen(text))
		return "another length than its text";
	return strcmp(text, known[KNOWN - 1].target) ? bad_target(text, l->l_len) : NULL;
}

/* LNKFS_IOC_GETLINK of a path; @text has room for TARGET_MAX. */
long get_link(int carrier, const char *path, struct lnkfs_link *l, char *text)
{
	long ret;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	memset(l, 0, sizeof(*l));
	l->l_size = sizeof(*l);
	l->l_fd = fd;
	l->l_buf = (uintptr_t)text;
	l->l_len = TARGET_MAX;
	ret = ioctl(carrier, LNKFS_IOC_GETLINK, l);
	close(fd);
	return ret;
}

void op_getlink(struct worker *w)
{
	char path[64], text[TARGET_MAX];
	struct lnkfs_link l;
	const char *why;

	if (below(w, 4))
		pick_path(w, path);
	else
		sprintf(path, "%c/k%u", below(w, 2) ? 'a' : 'b', below(w, KNOWN));
	if (may(w, "GETLINK", get_link(w->root, path, &l, text)))
		return;
	why = bad_link(&l, text);
	if (!why && path[2] == 'k' && (l.l_ino != shared->tracked[path[3] - '0'] ||
				       (l.l_flags & LNKFS_LINK_LOST)))
		why = "another target";
	if (why)
		fail("%s: kind %u flags %#x inode %lu:%u: %s", path, l.l_kind, l.l_flags,
		     (unsigned long)l.l_ino, l.l_gen, why);
}

/* ---- names ---- */

/* One answer: each record gets to @each. False: something is wrong with it. */
static bool take_records(const struct lnkfs_names *n, const char *buf,
			 void (*each)(void *ctx, const struct lnkfs_name_record *r), void *ctx)
{
	uint32_t i, at = 0;

	for (i = 0; i < n->n_count; i++) {
		const struct lnkfs_name_record *r = (const void *)(buf + at);

		if (at + sizeof(*r) >= n->n_len || r->r_len % 8 || at + r->r_len > n->n_len ||
		    sizeof(*r) + r->r_path_len >= r->r_len || r->r_path[r->r_path_len] ||
		    strlen(r->r_path) != r->r_path_len || r->r_flags || !r->r_dir ||
		    !is_path(r->r_path, r->r_path_len)) {
			fail("record %u of %u: length %u, path of %u, flags %#x, '%.60s'", i,
			     n->n_count, r->r_len, r->r_path_len, r->r_flags, r->r_path);
			return false;
		}
		each(ctx, r);
		at += r->r_len;
	}
	return true;
}

/**
 * get_names() - all names of an inode
 * @carrier: directory
 * @fd: the object, or -1
 * @ino: or its number
 * @gen: and its generation
 * @room: bytes for an answer
 * @each: gets the records
 * @ctx: its argument
 *
 * Return: 0, or -1 and errno.
 */
long get_names(int carrier, int fd, uint64_t ino, uint32_t gen, uint32_t room,
	       void (*each)(void *ctx, const struct lnkfs_name_record *r), void *ctx)
{
	static _Alignas(8) char buf[NAMES_ROOM];
	struct lnkfs_names n = { .n_size = sizeof(n) };
	unsigned int calls;

	for (calls = 0; calls < MAX_CALLS; calls++) {
		n.n_fd = fd;
		n.n_ino = fd < 0 ? ino : 0;
		n.n_gen = fd < 0 ? gen : 0;
		n.n_flags = 0;
		n.n_count = 0;
		n.n_buf = (uintptr_t)buf;
		n.n_len = room;
		if (ioctl(carrier, LNKFS_IOC_GETNAMES, &n))
			return -1;
		if (!take_records(&n, buf, each, ctx) || (n.n_flags & LNKFS_NAMES_END))
			return 0;
	}
	fail("the names of inode %lu do not end", (unsigned long)n.n_ino);
	return 0;
}

/**
 * struct counted - names that have been seen
 * @nr: how many
 * @path: the last one
 */
struct counted {
	unsigned int nr;
	char path[TARGET_MAX];
};

static void count_name(void *ctx, const struct lnkfs_name_record *r)
{
	struct counted *c = ctx;

	c->nr++;
	strcpy(c->path, r->r_path);
}

/* A file that nobody renames has its one name, from every directory above it. */
static void names_of_stable(struct worker *w)
{
	static struct counted c;
	char name[64], path[64];
	unsigned int from = below(w, 3);
	int fd, carrier;

	stable_name(name, "a", below(w, STABLE));
	strcpy(path, from == 0 ? name : from == 1 ? name + 2 : "");
	fd = may(w, "open", open(name, O_PATH));
	carrier = may(w, "open", open(from == 0 ? "." : from == 1 ? "a" : "b", O_RDONLY));
	c.nr = 0;
	c.path[0] = 0;
	if (fd >= 0 && carrier >= 0 &&
	    !may(w, "GETNAMES", get_names(carrier, fd, 0, 0, NAMES_ROOM, count_name, &c)) &&
	    (c.nr != (from < 2) || strcmp(c.path, path)))
		fail("%s has %u names from '%s', '%s' among them", name, c.nr,
		     from == 0 ? "." : from == 1 ? "a" : "b", c.path);
	if (fd >= 0)
		close(fd);
	if (carrier >= 0)
		close(carrier);
}

void op_getnames(struct worker *w)
{
	static struct counted c;
	uint32_t room = below(w, 2) ? NAMES_ROOM : 40 + below(w, 400);
	char path[64];
	struct stat st;
	int fd;

	switch (below(w, 4)) {
	case 0:
		names_of_stable(w);
		break;
	case 1:
		/* A number that may be another file's by now, or nobody's. */
		st.st_ino = below(w, 20000);
		pick_path(w, path);
		if (below(w, 4))
			may(w, "lstat", lstat(path, &st));
		may(w, "GETNAMES", get_names(w->root, -1, st.st_ino, below(w, 4) ? 0 : below(w, 3),
					     room, count_name, &c));
		break;
	default:
		fd = open_link(w, path);
		if (fd < 0)
			return;
		may(w, "GETNAMES", get_names(w->root, fd, 0, 0, room, count_name, &c));
		close(fd);
	}
}

/* By two names for a moment, or at once. There is always one. */
static void move(struct worker *w, const char *from, const char *to)
{
	if (below(w, 3))
		may(w, "rename", rename(from, to));
	else if (!may(w, "link", link(from, to)))
		may(w, "unlink", unlink(from));
}

/* Move a link or a file that is always there. */
void op_move(struct worker *w)
{
	static struct counted c;
	unsigned int nr = below(w, KNOWN), from = below(w, 2);
	char path[80], to[80];

	if (below(w, 2)) {
		sprintf(path, "%c/k%u", 'a' + from, nr);
		sprintf(to, "%c/k%u", 'b' - from, nr);
		move(w, path, to);
		return;
	}
	nr &= 1;
	if (below(w, 2))
		sprintf(to, "%c/", 'a' + from);
	else
		pick_path(w, to);
	sprintf(to + strlen(to), "/t%u", nr);
	c.path[0] = 0;
	/* Where is it now? */
	if (may(w, "GETNAMES", get_names(w->root, -1, shared->tracked[nr + 1], 0, NAMES_ROOM,
					 count_name, &c)) || !c.path[0])
		return;
	move(w, c.path, to);
}
