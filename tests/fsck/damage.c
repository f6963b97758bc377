// SPDX-License-Identifier: GPL-2.0
/*
 * Damaging volumes on purpose; see usage_text.
 */
#include <inttypes.h>

#include "cases.h"
#include "manifest.h"

static const char usage_text[] =
	"usage: damage recipe NAME IMAGE	make a sound volume\n"
	"       damage recipes			list their names\n"
	"       damage damage IMAGE DAMAGE	damage a sound volume (apply.c)\n"
	"       damage list IMAGE [KIND]	its structures\n"
	"       damage manifest IMAGE		its files\n"
	"       damage cases [-dv] [-c ONE-IN] [-k IMAGE] [-o PART] TABLE...\n"
	"       damage campaign [-v] [-c COUNT] [-j JOBS] [-k IMAGE] [-r RECIPE] [-s SEED] [-t SECONDS]\n";

static int recipe(const char *name, const char *path)
{
	const struct recipe *r = recipe_find(name);
	struct img img;

	if (!r)
		die("no recipe is called %s", name);
	recipe_make(r, &img);
	img_save(&img, path);
	img_close(&img);
	return 0;
}

static int damage(const char *path, const char *text)
{
	struct catalog cat;
	struct damage d;
	struct img img;

	img_open(&img, path, true);
	catalog_make(&cat, &img);
	damage_begin(&d, &cat);
	damage_parse(&d, text);
	damage_apply(&d, &img);
	damage_end(&d);
	catalog_free(&cat);
	img_close(&img);
	return 0;
}

static int list(const char *path, const char *kind)
{
	struct catalog cat;
	struct img img;
	u32 i;

	img_open(&img, path, false);
	catalog_make(&cat, &img);
	for (i = 0; i < cat.nr; i++) {
		const struct object *o = &cat.obj[i];

		if (kind && strcmp(o->kind->name, kind))
			continue;
		printf("%s ino %" PRIu64 " num %" PRIu64 " copy %u %s at %" PRIu64 " len %u\n",
		       o->kind->name, o->ino, o->num, o->copy, o->name ? o->name : "-",
		       object_byte(o, 0), o->len);
	}
	catalog_free(&cat);
	img_close(&img);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	u32 i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(verb, "cases"))
		return cases_main(argc - 1, argv + 1);
	if (!strcmp(verb, "campaign"))
		return campaign_main(argc - 1, argv + 1);
	if (!strcmp(verb, "recipe") && argc == 4)
		return recipe(argv[2], argv[3]);
	if (!strcmp(verb, "damage") && argc == 4)
		return damage(argv[2], argv[3]);
	if (!strcmp(verb, "list") && (argc == 3 || argc == 4))
		return list(argv[2], argc == 4 ? argv[3] : NULL);
	if (!strcmp(verb, "manifest") && argc == 3) {
		manifest_print(manifest_read(argv[2]), stdout);
		return 0;
	}
	if (!strcmp(verb, "recipes")) {
		for (i = 0; i < nr_recipes; i++)
			puts(recipes[i].name);
		return 0;
	}
	fputs(usage_text, stderr);
	return 2;
}
