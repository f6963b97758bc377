// SPDX-License-Identifier: GPL-2.0
/*
 * lnkctl links: findings, for people and as JSON.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "linkkind.h"
#include "links.h"
#include "paths.h"
#include "text.h"

static bool has(const struct links_finding *f, enum links_class class)
{
	return f->classes & LINKS_BIT(class);
}

/* ---- for people ---- */

static void show_classes(const struct links_finding *f)
{
	const char *separator = "";
	int c;

	for (c = 0; c < LINKS_CLASSES; c++) {
		if (has(f, (enum links_class)c)) {
			printf("%s%s", separator, links_class_names[c]);
			separator = ",";
		}
	}
	fputs(*separator ? "  " : "-  ", stdout);
}

/* Say that something is missing, or why the way ends. */
static void show_end(const struct links_finding *f)
{
	size_t i;

	if (has(f, LINKS_LOOP) && !f->members_count)
		puts("    leads through more than 40 links");
	if (f->members_count) {
		fputs("    ", stdout);
		for (i = 0; i < f->members_count; i++) {
			fputs(i ? " -> " : "", stdout);
			text_word(stdout, f->members[i]);
		}
		fputs(" -> ", stdout);
		text_word(stdout, f->members[0]);
		putchar('\n');
	} else if (f->missing) {
		fputs("    ", stdout);
		text_word(stdout, f->missing);
		printf(": %s\n", strerror(f->error));
	} else if (f->error && !has(f, LINKS_LOOP) && !has(f, LINKS_UNMAPPED)) {
		printf("    %s\n", strerror(f->error));
	}
}

static void show_tracked(const struct links_finding *f)
{
	if (!has(f, LINKS_TRACKED))
		return;
	fputs("    tracks ", stdout);
	linkkind_print(stdout, &f->link);
	putchar('\n');
	if (strcmp(f->text, f->target)) {
		fputs("    its text: ", stdout);
		text_word(stdout, f->text);
		putchar('\n');
	}
}

static void show_repair(const struct links_finding *f)
{
	const struct links_repair *r = &f->repair;

	if (r->refused)
		printf("    no hard link: %s\n", r->refused);
	if (r->class == LINKS_CLASSES)
		return;
	printf("    %s ", r->done ? "now" : "could be");
	if (!r->text)
		fputs("a hard link", stdout);
	else if (r->class == LINKS_MISMATCH)
		printf("of kind %s", linkkind_name(r->kind));
	else if (r->class == LINKS_LOST)
		fputs("one that tracks what has this path now", stdout);
	else
		text_word(stdout, r->text);
	if (r->done)
		putchar('\n');
	else
		printf(" (--fix=%s)\n", links_class_names[r->class]);
}

static void show_text(const struct links_finding *f)
{
	char *path;

	show_classes(f);
	text_word(stdout, f->object->path);
	fputs(" -> ", stdout);
	text_word(stdout, f->target);
	putchar('\n');
	show_end(f);
	show_tracked(f);
	path = has(f, LINKS_CROSS) ? path_of(f->fd) : NULL;
	if (path) {
		fputs("    leads to ", stdout);
		text_word(stdout, path);
		putchar('\n');
	}
	free(path);
	if (has(f, LINKS_UNMAPPED))
		puts("    no entry of the volume's map is for it (lnkctl map)");
	show_repair(f);
}

/* ---- JSON ---- */

static void member(const char *name, const char *text)
{
	printf(",\n      \"%s\": ", name);
	text_json(stdout, text, strlen(text));
}

static void json_link(const struct links_finding *f)
{
	if (!f->has_link)
		return;
	member("kind", linkkind_name(f->link.l_kind));
	if (f->link.l_flags & LNKFS_LINK_TRACKED) {
		fputs(",\n      \"tracked\": ", stdout);
		linkkind_json(stdout, &f->link);
	}
}

static void json_array(const char *name, char *const *word, size_t count)
{
	size_t i;

	printf(",\n      \"%s\": [", name);
	for (i = 0; i < count; i++) {
		fputs(i ? ", " : "", stdout);
		text_json(stdout, word[i], strlen(word[i]));
	}
	putchar(']');
}

static void json_classes(const struct links_finding *f)
{
	char *names[LINKS_CLASSES];
	size_t n = 0;
	int c;

	for (c = 0; c < LINKS_CLASSES; c++)
		if (has(f, (enum links_class)c))
			names[n++] = (char *)links_class_names[c];
	json_array("classes", names, n);
}

static void json_repair(const struct links_repair *r)
{
	if (r->class == LINKS_CLASSES)
		return;
	printf(",\n      \"repair\": {\"class\": \"%s\", ", links_class_names[r->class]);
	if (r->text) {
		fputs("\"text\": ", stdout);
		text_json(stdout, r->text, strlen(r->text));
		printf(", \"kind\": \"%s\", ", linkkind_name(r->kind));
	}
	printf("\"done\": %s}", r->done ? "true" : "false");
}

static void show_json(const struct links_finding *f)
{
	fputs("    {\n      \"name\": ", stdout);
	text_json(stdout, f->object->path, strlen(f->object->path));
	member("target", f->target);
	member("text", f->text);
	json_link(f);
	json_classes(f);
	if (f->fd >= 0)
		printf(",\n      \"leads_to\": {\"inode\": %llu, \"major\": %u, \"minor\": %u}",
		       (unsigned long long)f->to.st_ino, major(f->to.st_dev), minor(f->to.st_dev));
	else
		member("error", strerror(f->error));
	if (f->missing)
		member("missing", f->missing);
	if (f->members_count)
		json_array("loop", f->members, f->members_count);
	if (f->repair.refused)
		member("refused", f->repair.refused);
	json_repair(&f->repair);
	fputs("\n    }", stdout);
}

/**
 * links_show() - show a finding
 * @f: the link
 * @json: as a member of a JSON array
 * @first: it is the first
 */
void links_show(const struct links_finding *f, bool json, bool first)
{
	if (!json) {
		show_text(f);
		return;
	}
	fputs(first ? "\n" : ",\n", stdout);
	show_json(f);
}
