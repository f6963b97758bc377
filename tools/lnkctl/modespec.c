// SPDX-License-Identifier: GPL-2.0
/*
 * The MODE argument of chmod(1).
 *
 *	mode	= octal | clause {"," clause}
 *	clause	= {"u" | "g" | "o" | "a"} action {action}
 *	action	= ("+" | "-" | "=") [octal | "u" | "g" | "o" | perm {perm}]
 *	perm	= "r" | "w" | "x" | "X" | "s" | "t"
 *
 * An octal number in an action is allowed only where nobody is named. Setuid
 * and setgid of a directory stay as they are unless the mode speaks of them:
 * by "s" with "u" or "g", or in five or more digits. Where nobody is named,
 * bits that the umask has are left alone.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "modespec.h"

#define SPECIAL_BITS	(S_ISUID | S_ISGID)
#define ALL_READ	(S_IRUSR | S_IRGRP | S_IROTH)
#define ALL_WRITE	(S_IWUSR | S_IWGRP | S_IWOTH)
#define ALL_EXEC	(S_IXUSR | S_IXGRP | S_IXOTH)

/**
 * struct modespec_action - one action
 * @op: '+', '-' or '='
 * @who: the bits of those named, 0: nobody is named
 * @bits: the bits given
 * @copy: where to copy permissions from: S_IRWXU, S_IRWXG or S_IRWXO, or 0
 * @spoken: which of setuid and setgid a directory has changed by this
 * @exec_if_any: "X"
 */
struct modespec_action {
	char op;
	mode_t who;
	mode_t bits;
	mode_t copy;
	mode_t spoken;
	bool exec_if_any;
};

struct modespec {
	size_t count;
	struct modespec_action actions[];
};

/* Digits up to the end of @text or, if @in_clause, to a comma. NULL: none, or too large. */
static const char *parse_octal(const char *text, bool in_clause, mode_t *bits)
{
	mode_t n = 0;

	for (; *text >= '0' && *text <= '7'; text++) {
		n = n * 8 + (mode_t)(*text - '0');
		if (n > MODESPEC_BITS)
			return NULL;
	}
	if (*text && !(in_clause && *text == ','))
		return NULL;
	*bits = n;
	return text;
}

static const char *parse_who(const char *text, mode_t *who)
{
	for (*who = 0;; text++) {
		switch (*text) {
		case 'u':
			*who |= S_ISUID | S_IRWXU;
			break;
		case 'g':
			*who |= S_ISGID | S_IRWXG;
			break;
		case 'o':
			*who |= S_ISVTX | S_IRWXO;
			break;
		case 'a':
			*who |= MODESPEC_BITS;
			break;
		default:
			return text;
		}
	}
}

static const char *parse_perms(const char *text, struct modespec_action *action)
{
	switch (*text) {
	case 'u':
		action->copy = S_IRWXU;
		return text + 1;
	case 'g':
		action->copy = S_IRWXG;
		return text + 1;
	case 'o':
		action->copy = S_IRWXO;
		return text + 1;
	}
	for (;; text++) {
		switch (*text) {
		case 'r':
			action->bits |= ALL_READ;
			break;
		case 'w':
			action->bits |= ALL_WRITE;
			break;
		case 'x':
			action->bits |= ALL_EXEC;
			break;
		case 'X':
			action->exec_if_any = true;
			break;
		case 's':
			action->bits |= SPECIAL_BITS;
			break;
		case 't':
			action->bits |= S_ISVTX;
			break;
		default:
			return text;
		}
	}
}

/* One action at @text, for @who. Returns where it ends, NULL where it is none. */
static const char *parse_action(const char *text, mode_t who, struct modespec_action *action)
{
	*action = (struct modespec_action){ .op = *text, .who = who };
	if (!*text || !strchr("+-=", *text))
		return NULL;
	text++;
	if (*text >= '0' && *text <= '7') {
		if (who)
			return NULL;
		action->who = MODESPEC_BITS;
		action->spoken = SPECIAL_BITS;
		return parse_octal(text, true, &action->bits);
	}
	text = parse_perms(text, action);
	action->spoken = action->bits & SPECIAL_BITS & (who ? who : SPECIAL_BITS);
	return text;
}

static bool parse_clauses(struct modespec *spec, const char *text)
{
	mode_t who;

	for (;;) {
		text = parse_who(text, &who);
		do {
			text = parse_action(text, who, &spec->actions[spec->count++]);
			if (!text)
				return false;
		} while (*text && *text != ',');
		if (!*text)
			return true;
		text++;
	}
}

/**
 * modespec_parse() - parse a MODE argument
 * @text: the argument
 *
 * Return: what modespec_apply() wants, to be freed by modespec_free(); NULL
 * where @text is no mode or there is no memory.
 */
struct modespec *modespec_parse(const char *text)
{
	struct modespec *spec;
	mode_t bits;

	/* every action has at least one character */
	spec = calloc(1, sizeof(*spec) + (strlen(text) + 1) * sizeof(spec->actions[0]));
	if (!spec)
		return NULL;
	if (*text >= '0' && *text <= '7') {
		if (!parse_octal(text, false, &bits))
			goto bad;
		spec->count = 1;
		spec->actions[0] = (struct modespec_action){
			.op = '=',
			.who = MODESPEC_BITS,
			.bits = bits,
			.spoken = strlen(text) > 4 ? SPECIAL_BITS : bits & SPECIAL_BITS,
		};
		return spec;
	}
	if (parse_clauses(spec, text))
		return spec;
bad:
	free(spec);
	return NULL;
}

/**
 * modespec_exactly() - what gives every object the same mode
 * @mode: the mode
 *
 * Return: as modespec_parse().
 */
struct modespec *modespec_exactly(mode_t mode)
{
	struct modespec *spec = calloc(1, sizeof(*spec) + sizeof(spec->actions[0]));

	if (!spec)
		return NULL;
	spec->count = 1;
	spec->actions[0] = (struct modespec_action){
		.op = '=',
		.who = MODESPEC_BITS,
		.bits = mode & MODESPEC_BITS,
		.spoken = SPECIAL_BITS,
	};
	return spec;
}

/* The permissions of the one class @copy of @mode, given to all classes. */
static mode_t spread(mode_t mode, mode_t copy)
{
	mode &= copy;
	return (mode & ALL_READ ? ALL_READ : 0) | (mode & ALL_WRITE ? ALL_WRITE : 0) |
	       (mode & ALL_EXEC ? ALL_EXEC : 0);
}

/**
 * modespec_apply() - the new mode of an object
 * @spec: what was asked for
 * @mode: its present mode; a type is ignored
 * @is_dir: it is a directory
 * @umask_bits: the umask
 *
 * Return: its new permissions, without a type.
 */
mode_t modespec_apply(const struct modespec *spec, mode_t mode, bool is_dir, mode_t umask_bits)
{
	const struct modespec_action *a;
	mode_t bits, kept, immune;

	mode &= MODESPEC_BITS;
	for (a = spec->actions; a < spec->actions + spec->count; a++) {
		bits = a->copy ? spread(mode, a->copy) : a->bits;
		if (a->exec_if_any && (is_dir || (mode & ALL_EXEC)))
			bits |= ALL_EXEC;
		immune = is_dir ? SPECIAL_BITS & ~a->spoken : 0;
		bits &= (a->who ? a->who : ~umask_bits) & ~immune;
		switch (a->op) {
		case '+':
			mode |= bits;
			break;
		case '-':
			mode &= ~bits;
			break;
		case '=':
			kept = (a->who ? MODESPEC_BITS & ~a->who : 0) | immune;
			mode = (mode & kept) | bits;
			break;
		}
	}
	return mode;
}

/**
 * modespec_free() - free what modespec_parse() returned
 * @spec: that, or NULL
 */
void modespec_free(struct modespec *spec)
{
	free(spec);
}
