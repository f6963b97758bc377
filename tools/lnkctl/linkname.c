// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds of links: their names.
 */
#include <string.h>

#include "linkkind.h"

static const char *const kinds[LNKFS_LINK_KINDS] = {
	"plain", "file", "directory", "junction", "remote",
};

/**
 * linkkind_name() - the name of a kind
 * @kind: LNKFS_LINK_*
 */
const char *linkkind_name(uint32_t kind)
{
	return kind < LNKFS_LINK_KINDS ? kinds[kind] : "unknown";
}

/**
 * linkkind_parse() - the kind that a word names
 * @word: the word; dir stands for directory
 * @kind: gets it
 */
bool linkkind_parse(const char *word, uint32_t *kind)
{
	if (!strcmp(word, "dir"))
		word = "directory";
	for (*kind = 0; *kind < LNKFS_LINK_KINDS; ++*kind)
		if (!strcmp(word, kinds[*kind]))
			return true;
	return false;
}
