// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile images, made of a seed or of a line of text.
 */
#include <ctype.h>
#include <inttypes.h>
#include <unistd.h>

#include "hostile.h"
#include "logwrite.h"

#define LOG_ONE_IN	6	/* of so many images one has a log that brings the damage */

static struct volume *volumes;
static FILE *pack;

static void get(void *data, size_t len)
{
	if (fread(data, 1, len, pack) != len)
		die("the file of volumes is too short");
}

static void put(const void *data, size_t len)
{
	if (fwrite(data, 1, len, pack) != len)
		die("cannot write the file of volumes");
}

/* The n-th volume of the file: size, number of extents, extents with their bytes. */
static void unpack(u32 n)
{
	u64 head[2];
	u32 i, k;

	rewind(pack);
	for (i = 0; i <= n; i++) {
		get(head, sizeof(head));
		if (i == n)
			img_new(&volumes[n].img, recipes[n].name, head[0]);
		for (k = 0; k < head[1]; k++) {
			struct extent e;

			get(&e, sizeof(e));
			if (i == n)
				get(volumes[n].img.mem + e.at, e.len);
			else
				fseek(pack, (long)e.len, SEEK_CUR);
		}
	}
	img_extents(&volumes[n].img);
	volume_list(&volumes[n], &recipes[n]);
}

/**
 * case_pack() - write the sound volumes to a file
 * @path: its name
 */
void case_pack(const char *path)
{
	FILE *f = fopen(path, "w");
	u32 n, k;

	if (!f)
		die("%s: %s", path, strerror(errno));
	for (n = 0; n < nr_recipes; n++) {
		const struct img *img = &case_volume_nr(n)->img;
		u64 head[2] = { img->bytes, img->nr_ext };

		pack = f;
		put(head, sizeof(head));
		for (k = 0; k < img->nr_ext; k++) {
			put(&img->ext[k], sizeof(img->ext[k]));
			put(img->mem + img->ext[k].at, img->ext[k].len);
		}
		pack = NULL;
	}
	fclose(f);
}

/**
 * case_use_pack() - take the sound volumes from a file
 * @path: its name
 */
void case_use_pack(const char *path)
{
	pack = fopen(path, "r");
	if (!pack)
		die("%s: %s", path, strerror(errno));
}

/* Making all of them takes a while: each is made when it is first needed. */
static struct volume *volume_of(u32 n)
{
	if (!volumes)
		volumes = calloc(nr_recipes, sizeof(*volumes));
	if (!volumes)
		die("no memory");
	if (volumes[n].r)
		return &volumes[n];
	volumes[n].hostile = true;
	if (pack)
		unpack(n);
	else
		volume_make(&volumes[n], &recipes[n]);
	return &volumes[n];
}

/**
 * case_volume_nr() - a sound volume
 * @nr: of the recipe, counted round
 */
struct volume *case_volume_nr(u32 nr)
{
	return volume_of(nr % nr_recipes);
}

/**
 * case_volume() - a sound volume
 * @name: of the recipe
 * @len: bytes of the name
 *
 * Return: the volume, or NULL: no recipe is called so.
 */
struct volume *case_volume(const char *name, size_t len)
{
	u32 n;

	for (n = 0; n < nr_recipes; n++)
		if (strlen(recipes[n].name) == len && !memcmp(recipes[n].name, name, len))
			return volume_of(n);
	return NULL;
}

/**
 * case_random() - make up a case, of chance()
 * @c: filled in
 */
void case_random(struct hcase *c)
{
	u32 attacks, i;
	size_t len;
	FILE *f;

	memset(c, 0, sizeof(*c));
	c->v = case_volume_nr(chance(nr_recipes));
	f = open_memstream(&c->text, &len);
	if (!f)
		die("no memory");
	attacks = chance(4);
	for (i = 0; i < attacks; i++)
		attack_put(f, c->v);
	if (!attacks || chance(2)) {
		char *text = damage_text(c->v);

		fputs(text, f);
		free(text);
	}
	fclose(f);
	if (!chance(c->v->r->fast ? 2 : LOG_ONE_IN))
		c->log = 1 + chance(1000000);
	c->run = chance(1u << 31);
}

static const char *skip(const char *s)
{
	while (*s == '|' || isspace((unsigned char)*s))
		s++;
	return s;
}

/**
 * case_parse() - read a case
 * @c: filled in
 * @line: see hostile.h
 *
 * Return: is it one? Others are empty or a comment.
 */
bool case_parse(struct hcase *c, const char *line)
{
	size_t len;
	char *end;

	memset(c, 0, sizeof(*c));
	line = skip(line);
	if (!*line || *line == '#')
		return false;
	len = strcspn(line, " |\n");
	c->v = case_volume(line, len);
	if (!c->v)
		die("no recipe is called %.*s", (int)len, line);
	line = skip(line + len);
	len = strcspn(line, "|\n");
	c->text = strndup(line, len);
	c->log = strtoull(skip(line + len), &end, 0);
	c->run = strtoull(skip(end), &end, 0);
	if (!c->text || *skip(end))
		die("what is %s?", end);
	return true;
}

/**
 * case_print() - write a case as a line, without its end
 * @c: case
 * @f: where to
 */
void case_print(const struct hcase *c, FILE *f)
{
	fprintf(f, "%s | %s | %" PRIu64 " | %" PRIu64, c->v->r->name, c->text, c->log, c->run);
}

/**
 * case_make() - make the image of a case
 * @c: case
 * @img: gets it: an image at least as large as the volume, mapped
 */
void case_make(const struct hcase *c, struct img *img)
{
	struct damage d;

	img_copy(img, &c->v->img);
	damage_begin(&d, &c->v->cat);
	damage_parse(&d, c->text);
	if (c->log) {
		struct img next;

		img_new(&next, "next", c->v->img.bytes);
		img_copy(&next, &c->v->img);
		damage_apply(&d, &next);
		if (c->v->cat.vol.v.fs.fast_blocks && c->log % 2) {
			hostfast_make(c->v, img, &next, c->log);
		} else {
			img_extents(&next);
			log_write(img->path, &next);
			hostlog_make(c->v, img, c->log);
		}
		img_close(&next);
	} else {
		damage_apply(&d, img);
	}
	damage_end(&d);
	if (img->bytes > c->v->img.bytes && ftruncate(img->fd, (off_t)img->bytes) < 0)
		die("cannot truncate: %s", strerror(errno));
}

/**
 * case_free() - give its memory back
 * @c: case
 */
void case_free(struct hcase *c)
{
	free(c->text);
	c->text = NULL;
}
