// SPDX-License-Identifier: GPL-2.0
/*
 * Files in volumes that are not mounted, named IMAGE:PATH.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lnkctl.h"
#include "unmounted.h"

/* The volume in use: arguments tend to name the same one. */
static struct lnkfs_image image;
static char *image_name;
static unsigned int images_opened;

/*
 * The colon that ends the name of the image: the first one behind the name of
 * something that exists, so that an image may have a colon in its name.
 */
static const char *find_colon(const char *name)
{
	const char *colon = strchr(name, ':');
	struct stat st;
	char *prefix;
	bool there;

	for (; colon; colon = strchr(colon + 1, ':')) {
		prefix = strndup(name, (size_t)(colon - name));
		there = prefix && !stat(prefix, &st) && !S_ISDIR(st.st_mode);
		free(prefix);
		if (there)
			return colon;
	}
	return strchr(name, ':');
}

/**
 * image_failed() - say that something in an image could not be done
 * @name: the argument, or a path
 * @err: negative error number
 */
void image_failed(const char *name, int err)
{
	lnkctl_failed(name, -err);
}

static bool open_image(const char *name, size_t len)
{
	const char *why = NULL;
	int err;

	if (image_name && strlen(image_name) == len && !memcmp(image_name, name, len))
		return true;
	image_close();
	image_name = strndup(name, len);
	if (!image_name) {
		image_failed(NULL, -ENOMEM);
		return false;
	}
	images_opened++;
	err = lnkfs_image_open(&image, image_name, &why);
	if (!err && image.log.damaged)
		lnkctl_complain(image_name, "the journal is damaged: its last transactions are not seen");
	if (!err)
		return true;
	if (why)
		lnkctl_complain(image_name, why);
	else
		image_failed(image_name, err);
	free(image_name);
	image_name = NULL;
	return false;
}

/**
 * image_arguments() - are all of them of the form IMAGE:PATH?
 * @arguments: they
 * @count: how many
 *
 * If not, the program ends, before it has done anything.
 */
void image_arguments(char **arguments, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!find_colon(arguments[i]))
			lnkctl_usage("%s: not of the form IMAGE:PATH", arguments[i]);
}

/**
 * image_open() - find what an argument names
 * @file: filled in
 * @name: the argument, for which image_arguments() has been asked
 * @follow: follow a symlink that it ends in
 *
 * Return: true, or false after a message.
 */
bool image_open(struct image_file *file, const char *name, bool follow)
{
	const char *colon = find_colon(name);
	int err;

	if (!open_image(name, (size_t)(colon - name)))
		return false;
	file->name = name;
	file->path = colon + 1;
	file->img = &image;
	file->opened = images_opened;
	err = lnkfs_image_find(&image, file->path, follow, &file->node);
	if (err)
		image_failed(name, err);
	return !err;
}

/**
 * image_close() - close the volume that was opened last, if any
 */
void image_close(void)
{
	if (image_name)
		lnkfs_image_close(&image);
	free(image_name);
	image_name = NULL;
}

/**
 * struct listing - a directory that is being read
 * @entry: what to call
 * @arg: its argument
 * @err: what it returned
 */
struct listing {
	image_entry entry;
	void *arg;
	int err;
};

static int list_one(void *ctx, const struct lnkfs_name *name)
{
	struct listing *l = ctx;
	char copy[LNKFS_NAME_LEN + 1];

	memcpy(copy, name->name, name->len);
	copy[name->len] = '\0';
	l->err = l->entry(l->arg, copy, name->ino, name->type);
	return l->err;
}

/**
 * image_list() - read a directory
 * @img: volume
 * @dir: directory
 * @entry: called for each name in it; "." and ".." are none
 * @arg: its argument
 *
 * Return: 0, -ENOTDIR, what reading says, or what @entry returned.
 */
int image_list(struct lnkfs_image *img, struct lnkfs_node *dir, image_entry entry, void *arg)
{
	struct listing l = { .entry = entry, .arg = arg };
	u64 pos = 0;
	int err;

	if (!S_ISDIR(dir->ci.mode))
		return -ENOTDIR;
	err = lnkfs_dir_iterate(&img->v.fs, &dir->ci, &pos, lnkfs_dir_end(&img->v.fs, &dir->ci),
				list_one, &l);
	return l.err ? l.err : err < 0 ? err : 0;
}

static int by_number(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/**
 * image_enter() - note that a walk comes to a directory
 * @entered: those that it has been in; NULL before the first one
 * @ino: number of the directory
 *
 * A directory has one name. Where a volume is damaged or crafted it may have more, also in
 * itself, and a walk that went by all of them would have no end in a man's life.
 *
 * Return: 0, -ELOOP: it has been there, -ENOMEM.
 */
int image_enter(void **entered, u64 ino)
{
	u64 *key = malloc(sizeof(*key)), **found;

	if (!key)
		return -ENOMEM;
	*key = ino;
	found = tsearch(key, entered, by_number);
	if (found && *found == key)
		return 0;
	free(key);
	return found ? -ELOOP : -ENOMEM;
}

/**
 * image_leave() - a walk is over
 * @entered: as for image_enter()
 */
void image_leave(void **entered)
{
	tdestroy(*entered, free);
	*entered = NULL;
}
