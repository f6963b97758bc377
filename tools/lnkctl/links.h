/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lnkctl links: what is found about a link.
 */
#ifndef LNKCTL_LINKS_H
#define LNKCTL_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lnkfs.h"
#include "walk.h"

/* In the order in which they are shown; repairs are looked for in this order, too. */
enum links_class {
	LINKS_HARD,		/* could be a hard link */
	LINKS_DANGLING,		/* leads to nothing */
	LINKS_LOOP,		/* leads to itself, or through too many links */
	LINKS_DENIED,		/* could not be followed */
	LINKS_UNMAPPED,		/* to another computer, and not in the volume's map */
	LINKS_LOST,		/* what it tracks is gone */
	LINKS_STALE,		/* its text is not where what it tracks is */
	LINKS_MISMATCH,		/* a kind that Windows could not follow */
	LINKS_ABSOLUTE,		/* its text begins with a slash */
	LINKS_CROSS,		/* leads to another volume */
	LINKS_SLOW,		/* in blocks of its own */
	LINKS_TRACKED,		/* follows its target */
	LINKS_JUNCTION,		/* a junction */
	LINKS_REMOTE,		/* to another computer */
	LINKS_CLASSES
};

#define LINKS_BIT(class)	(1u << (class))
/* Classes that have a repair. */
#define LINKS_REPAIRABLE	(LINKS_BIT(LINKS_HARD) | LINKS_BIT(LINKS_DANGLING) | \
				 LINKS_BIT(LINKS_LOST) | LINKS_BIT(LINKS_STALE) | \
				 LINKS_BIT(LINKS_MISMATCH) | LINKS_BIT(LINKS_ABSOLUTE))

extern const char *const links_class_names[LINKS_CLASSES];

/**
 * struct links_repair - what could be put in the place of a link
 * @class: what it is for; LINKS_CLASSES: there is none
 * @text: what the link would say; NULL: a hard link
 * @kind: its kind
 * @flags: LNKFS_LINK_TRACKED, _PATH_FIRST
 * @target: what is tracked or linked to; -1: nothing
 * @refused: why it does not become a hard link; NULL: it may, or that was not asked
 * @done: it was done
 */
struct links_repair {
	enum links_class class;
	char *text;
	uint32_t kind;
	uint32_t flags;
	int target;
	const char *refused;
	bool done;
};

/**
 * struct links_finding - a link, and what was found about it
 * @object: where it is
 * @top: absolute path of the tree that it was found in, NULL: not known
 * @dirfd: its directory
 * @name: its name there
 * @text: what it says
 * @target: what readlink(2) says
 * @has_link: it is on lnkfs, and @link is known
 * @link: what it is besides its text
 * @classes: bits of classes
 * @fd: what it leads to; -1: nothing
 * @to: that, if @fd is not -1
 * @error: why it leads to nothing, an errno
 * @missing: what is missing on the way, or NULL
 * @members: links of a loop, each on the way to the next; none: too many links
 * @members_count: how many
 * @repair: what could be done
 */
struct links_finding {
	const struct walk_object *object;
	const char *top;
	int dirfd;
	const char *name;
	char *text;
	char *target;
	bool has_link;
	struct lnkfs_link link;
	unsigned int classes;
	int fd;
	struct stat to;
	int error;
	char *missing;
	char **members;
	size_t members_count;
	struct links_repair repair;
};

/* links_look.c */
bool links_look(struct links_finding *f, const struct walk_object *object);
void links_forget(struct links_finding *f);

/* links_trail.c */
void links_trail(struct links_finding *f);

/* links_search.c */
void links_want(const struct links_finding *f);
bool links_is_wanted(const struct links_finding *f);
bool links_any_wanted(void);
void links_offer(const struct walk_object *object);
char *links_found(const struct links_finding *f, struct stat *st);
void links_search_end(void);

/* links_repair.c */
void links_suggest(struct links_finding *f, unsigned int classes);
int links_apply(struct links_finding *f);

/* links_show.c */
void links_show(const struct links_finding *f, bool json, bool first);

#endif /* LNKCTL_LINKS_H */
