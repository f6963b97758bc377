// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds of links: what can be a link of which kind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core.h"
#include "liblnkfs.h"
#include "linkkind.h"

/* f_type of filesystems that are on another computer, or may be anywhere. */
static const uint32_t remote_magics[] = {
	0x00006969,	/* nfs */
	0xff534d42,	/* cifs */
	0xfe534d42,	/* smb2 and later */
	0x0000517b,	/* smbfs */
	0x01021997,	/* 9p */
	0x5346414f,	/* afs */
	0x6b414653,	/* kafs */
	0x00c36400,	/* ceph */
	0x73757245,	/* coda */
	0x0000564c,	/* ncp */
	0x0bd00bd0,	/* lustre */
	0x47504653,	/* gpfs */
	0x20030528,	/* orangefs */
	0x786f4256,	/* vboxsf */
	0xbacbacbc,	/* vmhgfs */
};

#define FUSE_MAGIC	0x65735546u

/**
 * linkkind_parse_how() - how a link is to be tracked
 * @word: identity-first, path-first
 * @flags: gets LNKFS_LINK_TRACKED, and LNKFS_LINK_PATH_FIRST or not
 */
bool linkkind_parse_how(const char *word, uint32_t *flags)
{
	if (!strcmp(word, "identity-first"))
		*flags = LNKFS_LINK_TRACKED;
	else if (!strcmp(word, "path-first"))
		*flags = LNKFS_LINK_TRACKED | LNKFS_LINK_PATH_FIRST;
	else
		return false;
	return true;
}

/**
 * linkkind_on_lnkfs() - is something on lnkfs?
 * @fd: it
 */
bool linkkind_on_lnkfs(int fd)
{
	struct statfs sfs;

	return !fstatfs(fd, &sfs) && (uint32_t)sfs.f_type == LNKFS_SUPER_MAGIC;
}

/*
 * Is a directory on another computer? Of a FUSE filesystem nobody knows, unless it is
 * on a block device.
 */
static bool is_remote(int fd, const struct stat *st)
{
	struct statfs sfs;
	size_t i;

	if (fstatfs(fd, &sfs))
		return true;
	if ((uint32_t)sfs.f_type == FUSE_MAGIC)
		return !major(st->st_dev);
	for (i = 0; i < sizeof(remote_magics) / sizeof(remote_magics[0]); i++)
		if ((uint32_t)sfs.f_type == remote_magics[i])
			return true;
	return false;
}

/**
 * linkkind_suits() - can links of a kind lead to this, on Windows?
 * @kind: LNKFS_LINK_*
 * @mode: type of what they lead to
 */
bool linkkind_suits(uint32_t kind, mode_t mode)
{
	if (kind == LNKFS_LINK_PLAIN || kind == LNKFS_LINK_REMOTE)
		return true;
	return S_ISDIR(mode) == (kind != LNKFS_LINK_FILE);
}

/* What is wrong with the text itself? */
static const char *wrong_text(uint32_t kind, uint32_t flags, const char *text)
{
	if (kind == LNKFS_LINK_REMOTE && flags)
		return "what is on another computer cannot be tracked";
	if (kind == LNKFS_LINK_REMOTE && !lnkfs_remote_sound(text, (u32)strlen(text)))
		return "not of the form \\\\server\\share or smb://server/share";
	if (kind == LNKFS_LINK_JUNCTION && lnkfs_remote_sound(text, (u32)strlen(text)))
		return "a junction cannot lead to another computer";
	if (kind == LNKFS_LINK_JUNCTION && *text != '/')
		return "a junction needs an absolute target";
	if (kind == LNKFS_LINK_JUNCTION && text[1] == '/')
		return "a junction cannot lead to another computer";
	if (flags & LNKFS_LINK_PATH_FIRST && *text == '/')
		return "path-first needs a relative target";
	return NULL;
}

static const char *wrong_object(uint32_t kind, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	if (kind == LNKFS_LINK_FILE && S_ISDIR(st.st_mode))
		return "is a directory: Windows could not follow a file link to it";
	if (kind == LNKFS_LINK_DIR && !S_ISDIR(st.st_mode))
		return "is no directory: Windows could not follow a directory link to it";
	if (kind == LNKFS_LINK_JUNCTION && !S_ISDIR(st.st_mode))
		return "is no directory, as a junction needs it";
	if (kind == LNKFS_LINK_JUNCTION && is_remote(fd, &st))
		return "is not on a local volume, as a junction needs it";
	return NULL;
}

/**
 * linkkind_wrong() - why cannot this be the text of a link of that kind?
 * @kind: LNKFS_LINK_*
 * @flags: LNKFS_LINK_TRACKED, _PATH_FIRST
 * @dirfd: directory of the link
 * @text: text of the link
 *
 * Return: a phrase, NULL: it can. Directory and file links may dangle.
 */
const char *linkkind_wrong(uint32_t kind, uint32_t flags, int dirfd, const char *text)
{
	const char *why = wrong_text(kind, flags, text);
	int fd;

	if (why || kind == LNKFS_LINK_PLAIN || kind == LNKFS_LINK_REMOTE)
		return why;
	fd = openat(dirfd, text, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return kind == LNKFS_LINK_JUNCTION ? "is not there, as a junction needs it" : NULL;
	why = wrong_object(kind, fd);
	close(fd);
	return why;
}

/**
 * linkkind_unable() - why could a link not be made what it was to be?
 * @dirfd: directory of the link
 * @flags: LNKFS_LINK_* that it was to have
 *
 * Return: a phrase, for EOPNOTSUPP of lnkfs_setlinkat().
 */
const char *linkkind_unable(int dirfd, uint32_t flags)
{
	struct lnkfs_link link;

	if (!linkkind_on_lnkfs(dirfd))
		return "only lnkfs has links of this kind";
	/* a module that knows links says of a directory that it is none */
	if (flags && lnkfs_getlinkat(dirfd, ".", &link, NULL, 0, 0) && errno == EINVAL)
		return "the volume has no back references (tune.lnkfs -O backref)";
	return "this kernel's module does not know links of this kind";
}

/**
 * linkkind_print() - print what a link tracks, for people
 * @out: where to
 * @link: the link, which is tracked; only its owner is told the inode
 */
void linkkind_print(FILE *out, const struct lnkfs_link *link)
{
	if (link->l_ino)
		fprintf(out, "inode %llu", (unsigned long long)link->l_ino);
	else
		fputs("an inode", out);
	if (link->l_gen)
		fprintf(out, ", generation %u", link->l_gen);
	fprintf(out, ", %s first%s", link->l_flags & LNKFS_LINK_PATH_FIRST ? "path" : "identity",
		link->l_flags & LNKFS_LINK_LOST ? ", lost" : "");
}

/**
 * linkkind_json() - print what a link tracks, as JSON
 * @out: where to
 * @link: the link, which is tracked
 */
void linkkind_json(FILE *out, const struct lnkfs_link *link)
{
	fputc('{', out);
	if (link->l_ino)
		fprintf(out, "\"inode\": %llu, \"lost\": %s, ", (unsigned long long)link->l_ino,
			link->l_flags & LNKFS_LINK_LOST ? "true" : "false");
	if (link->l_gen)
		fprintf(out, "\"generation\": %u, ", link->l_gen);
	fprintf(out, "\"path_first\": %s}",
		link->l_flags & LNKFS_LINK_PATH_FIRST ? "true" : "false");
}
