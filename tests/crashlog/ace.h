/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounded black-box search, in the way of CrashMonkey's ACE: short sequences of
 * operations on a few names, each of which runs in a directory of its own that always
 * begins in the same state. A sequence is a line of text, "rename A B; fsync D": it is
 * enumerated here, run in a guest, noted in the ledger, and judged on the host.
 *
 *	creat P			mkdir P			symlink P LENGTH
 *	tmpfile			linkfd P		hold P
 *	link P Q		unlink P		rmdir P
 *	rename P Q		noreplace P Q		exchange P Q
 *	write P OFF LEN		mwrite P OFF LEN	dwrite P OFF LEN
 *	truncate P SIZE		falloc P OFF LEN	keep P OFF LEN
 *	punch P OFF LEN		zero P OFF LEN
 *	setx P NAME LEN		rmx P NAME
 *	chmod P MODE		lset P MODE FLAGS
 *	fsync P			fdatasync P		sync
 *	msync P			swrite P OFF LEN	dswrite P OFF LEN
 *	drop
 *
 * "@" is the file that tmpfile made or hold opened. mwrite is through a mapping, dwrite
 * direct, swrite with O_SYNC, dswrite with O_DSYNC; lset is LNKFS_IOC_SETATTR, drop
 * empties the kernel's caches. Numbers are decimal, modes octal, flags hexadecimal.
 */
#ifndef LNKFS_CRASHLOG_ACE_H
#define LNKFS_CRASHLOG_ACE_H

#include "host_user_types.h"

#define ACE_STEPS	30	/* of a sequence, with those that make its first state */
#define ACE_OBJECTS	24
#define ACE_NAMES	32
#define ACE_ATTRS	4	/* of an object */
#define ACE_NAME	16
#define ACE_TEXT	640	/* bytes of a sequence */
#define ACE_SIZE	32768	/* no file is larger */

enum ace_code {
	ACE_CREAT, ACE_MKDIR, ACE_SYMLINK, ACE_TMPFILE, ACE_LINKFD, ACE_HOLD,
	ACE_LINK, ACE_UNLINK, ACE_RMDIR, ACE_RENAME, ACE_NOREPLACE, ACE_EXCHANGE,
	ACE_WRITE, ACE_MWRITE, ACE_DWRITE, ACE_SWRITE, ACE_DSWRITE, ACE_TRUNCATE,
	ACE_FALLOC, ACE_KEEP, ACE_PUNCH, ACE_ZERO,
	ACE_SETX, ACE_RMX, ACE_CHMOD, ACE_LSET,
	ACE_FSYNC, ACE_FDATASYNC, ACE_MSYNC, ACE_SYNC, ACE_DROP, ACE_CODES
};

/**
 * struct ace_step - one operation, or one persistence point
 * @code: what it does
 * @a: first path
 * @b: second path, or name of an attribute
 * @off: offset, size, length of a target or of a value, mode
 * @len: length, flags
 * @obj: object that it is about (ace_apply())
 * @over: rename: it replaces another object
 */
struct ace_step {
	enum ace_code code;
	char a[ACE_NAME];
	char b[ACE_NAME];
	u64 off;
	u64 len;
	u32 obj;
	bool over;
};

/**
 * struct ace_seq - a sequence
 * @step: its steps; the first ace_base_steps() make its first state
 * @nr: how many
 */
struct ace_seq {
	struct ace_step step[ACE_STEPS];
	u32 nr;
};

/**
 * struct ace_attr - an attribute
 * @name: its name, empty: none
 * @step: the step that set it, from which its bytes follow
 * @len: bytes
 */
struct ace_attr {
	char name[ACE_NAME];
	u32 step;
	u32 len;
};

/**
 * struct ace_object - an inode
 * @type: S_IFREG, S_IFDIR or S_IFLNK
 * @mode: permissions
 * @flags: the flag word
 * @nlink: links
 * @made: step that made it
 * @len: of a symlink's target
 * @size: of a regular file
 * @changed: steps up to the last one that changed its record
 * @attr: attributes
 */
struct ace_object {
	u32 type;
	u32 mode;
	u32 flags;
	u32 nlink;
	u32 made;
	u32 len;
	u64 size;
	u32 changed;
	struct ace_attr attr[ACE_ATTRS];
};

struct ace_name {
	u32 dir;
	char name[ACE_NAME];
	u32 obj;
};

/**
 * struct ace_model - what a sequence has made so far; object 0 is its directory
 */
struct ace_model {
	struct ace_object obj[ACE_OBJECTS];
	u32 nr_obj;
	struct ace_name name[ACE_NAMES];
	u32 nr_name;
	u32 held;
};

extern const char ace_base[];

bool ace_parse_step(struct ace_step *s, const char *text);
bool ace_parse(struct ace_seq *seq, const char *text);
u32 ace_base_steps(void);
void ace_print(const struct ace_step *s, char *buf, size_t len);
void ace_model_init(struct ace_model *m);
bool ace_apply(struct ace_model *m, struct ace_step *s, u32 index);
struct ace_name *ace_find(struct ace_model *m, const char *path);
u32 ace_resolve(struct ace_model *m, const char *path);
bool ace_is_write(enum ace_code code);

/* Bytes of step @step of sequence @seq: never 0. */
void ace_fill(u8 *buf, u32 seq, u32 step, u64 off, size_t len);
void ace_target(char *buf, u32 seq, u32 step, u32 len);

#define ACE_NONE	~0u

#endif /* LNKFS_CRASHLOG_ACE_H */
