/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the files of a new volume come from: a directory or an archive.
 */
#ifndef POPULATE_H
#define POPULATE_H

#include "build.h"

/**
 * struct populate - a source of files
 * @source: a directory, an archive in a file, or "-": an archive on standard input
 * @now: birth and change time of what is made, in the on-disk unit
 * @clamp: no time stamp is later than @now
 * @problem: what failed, for people: a path, or a part of the source
 */
struct populate {
	const char *source;
	u64 now;
	bool clamp;
	char problem[512];
};

int populate(struct populate *p, struct lnkfs_builder *b);

#endif /* POPULATE_H */
