// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: what dangling links may mean: something of the same name, if there is
 * just one in the tree.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "lnkctl.h"
#include "paths.h"

/**
 * struct wanted - a name that dangling links end in
 * @name: the name
 * @path: absolute path of what was found
 * @st: that
 * @many: there is more than one
 */
struct wanted {
	char *name;
	char *path;
	struct stat st;
	bool many;
};

/**
 * struct waiting - a link that waits for the end of the search
 * @dev: its device
 * @ino: its inode
 */
struct waiting {
	dev_t dev;
	uint64_t ino;
};

static void *names, *links;

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct wanted *)a)->name, ((const struct wanted *)b)->name);
}

static int compare_links(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* Put something into a set, or free it. */
static void insert(void **set, void *key, int (*compare)(const void *, const void *),
		   void (*release)(void *))
{
	void **node = tsearch(key, set, compare);

	if (!node) {
		lnkctl_failed(NULL, ENOMEM);
		exit(LNKCTL_FAILED);
	}
	if (*node != key)
		release(key);
}

static void free_wanted(void *p)
{
	struct wanted *w = p;

	free(w->name);
	free(w->path);
	free(w);
}

/* The last name in a text; NULL: it has none that could be looked for. */
static char *name_in(const char *text)
{
	char *name = path_last(text);

	if (*name && strcmp(name, ".") && strcmp(name, ".."))
		return name;
	free(name);
	return NULL;
}

static struct waiting key_of(const struct links_finding *f)
{
	struct waiting key;
	struct stat st;

	memset(&key, 0, sizeof(key));
	if (!fstat(f->object->fd, &st)) {
		key.dev = st.st_dev;
		key.ino = st.st_ino;
	}
	return key;
}

/**
 * links_want() - look for what a dangling link may mean, and let it wait
 * @f: the link
 */
void links_want(const struct links_finding *f)
{
	struct waiting *waiting = lnkctl_realloc(NULL, sizeof(*waiting));
	char *name = name_in(f->text);
	struct wanted *w;

	*waiting = key_of(f);
	insert(&links, waiting, compare_links, free);
	if (!name)
		return;
	w = lnkctl_realloc(NULL, sizeof(*w));
	*w = (struct wanted){ .name = name };
	insert(&names, w, compare_names, free_wanted);
}

/**
 * links_is_wanted() - does a link wait?
 * @f: the link
 */
bool links_is_wanted(const struct links_finding *f)
{
	struct waiting key = key_of(f);

	return tfind(&key, &links, compare_links);
}

/**
 * links_any_wanted() - is there anything to look for?
 */
bool links_any_wanted(void)
{
	return links;
}

/**
 * links_offer() - something that may be what is looked for
 * @object: it, no symlink
 */
void links_offer(const struct walk_object *object)
{
	char *slash = strrchr(object->path, '/');
	struct wanted key = { .name = slash ? slash + 1 : (char *)object->path }, *w;
	struct wanted **node = tfind(&key, &names, compare_names);
	struct stat st;

	if (!node || fstat(object->fd, &st))
		return;
	w = *node;
	if (!w->path) {
		w->path = path_of(object->fd);
		w->st = st;
	} else if (st.st_dev != w->st.st_dev || st.st_ino != w->st.st_ino) {
		w->many = true;
	}
}

/**
 * links_found() - what a dangling link may mean
 * @f: the link
 * @st: gets what that is
 *
 * Return: an absolute path, to be freed; NULL: nothing was found, or too much.
 */
char *links_found(const struct links_finding *f, struct stat *st)
{
	struct wanted key = { .name = name_in(f->text) }, **node;
	char *path = NULL;

	if (!key.name)
		return NULL;
	node = tfind(&key, &names, compare_names);
	if (node && (*node)->path && !(*node)->many) {
		path = lnkctl_strdup((*node)->path);
		*st = (*node)->st;
	}
	free(key.name);
	return path;
}

/**
 * links_search_end() - forget all that was looked for
 */
void links_search_end(void)
{
	tdestroy(names, free_wanted);
	tdestroy(links, free);
	names = NULL;
	links = NULL;
}
