// SPDX-License-Identifier: GPL-2.0
/*
 * The judge of a log that was recorded while a volume was mounted after a crash: however far
 * that has come, what is there must be what was there before. The ledger is the tree that
 * replay -m has written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

static void *load(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (!f)
		die("%s: %s", path, strerror(errno));
	/* All of it: there is no zero byte in it. */
	if (getdelim(&text, &room, 0, f) < 0)
		die("%s is empty", path);
	fclose(f);
	return text;
}

static void check(void *priv, struct crash_state *st)
{
	const char *want = priv, *line;
	size_t len, at = 0;
	char *text;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		die("no memory");
	tree_print(st, f);
	fclose(f);
	if (strcmp(text, want)) {
		while (text[at] && text[at] == want[at])
			at++;
		while (at && text[at - 1] != '\n')
			at--;
		line = want + at;
		crash_fail(st, "not what was there before: %.*s, but %.*s",
			   (int)strcspn(line, "\n"), line, (int)strcspn(text + at, "\n"), text + at);
	}
	free(text);
}

const struct oracle same_oracle = {
	.name = "same",
	.load = load,
	.check = check,
};
