/* SPDX-License-Identifier: GPL-2.0 */
/*
 * FreeBSD's file flags for programs written for them: compile with
 * "-include lnkfs-bsd.h" or include this, link with -llnkfs-bsd.
 * liblnkfs-bsd(7) is the manual page.
 *
 * With LNKFS_BSD_ST_FLAGS defined, struct stat has a member st_flags, and
 * stat(), lstat(), fstat() and fstatat() fill it (only these, called in code
 * that sees this header; not what fts(3) and nftw(3) return).
 */
#ifndef LNKFS_BSD_H
#define LNKFS_BSD_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t fflags_t;

/* The owner's flags */
#define UF_SETTABLE	0x0000ffff	/* mask of these */
#define UF_NODUMP	0x00000001	/* do not dump */
#define UF_IMMUTABLE	0x00000002	/* may not be changed */
#define UF_APPEND	0x00000004	/* may only be appended to */
#define UF_OPAQUE	0x00000008	/* directory is opaque in a union */
#define UF_NOUNLINK	0x00000010	/* may not be removed or renamed */
#define UF_SYSTEM	0x00000080	/* Windows system file */
#define UF_SPARSE	0x00000100	/* sparse file */
#define UF_OFFLINE	0x00000200	/* file is offline */
#define UF_REPARSE	0x00000400	/* Windows reparse point */
#define UF_ARCHIVE	0x00000800	/* needs to be archived */
#define UF_READONLY	0x00001000	/* Windows read-only file */
#define UF_HIDDEN	0x00008000	/* hidden */

/* The superuser's flags */
#define SF_SETTABLE	0xffff0000	/* mask of these */
#define SF_ARCHIVED	0x00010000	/* archived */
#define SF_IMMUTABLE	0x00020000	/* may not be changed */
#define SF_APPEND	0x00040000	/* may only be appended to */
#define SF_NOUNLINK	0x00100000	/* may not be removed or renamed */
#define SF_SNAPSHOT	0x00200000	/* snapshot inode */

/* chflags(2), with FreeBSD's signatures; AT_ flags have Linux's values. */
int chflags(const char *path, unsigned long flags);
int lchflags(const char *path, unsigned long flags);
int fchflags(int fd, unsigned long flags);
int chflagsat(int fd, const char *path, unsigned long flags, int atflag);

/* lchmod(2): <sys/stat.h> has it only with the right feature macros. */
int lchmod(const char *path, mode_t mode);

/*
 * What st_flags would be. Return 0, or -1 with errno set: EOPNOTSUPP where
 * objects of this type have no flags.
 */
int lnkfs_bsd_stat_flags(const char *path, fflags_t *flags);
int lnkfs_bsd_lstat_flags(const char *path, fflags_t *flags);
int lnkfs_bsd_fstat_flags(int fd, fflags_t *flags);
int lnkfs_bsd_fstatat_flags(int fd, const char *path, fflags_t *flags, int atflag);

#ifdef LNKFS_BSD_ST_FLAGS
#ifndef __GLIBC__
#error "st_flags lives in room that glibc keeps in struct stat"
#endif
#define st_flags __glibc_reserved[0]

static inline int lnkfs_bsd_fstatat(int fd, const char *path, struct stat *sb, int atflag)
{
	fflags_t flags = 0;

	if (fstatat(fd, path, sb, atflag))
		return -1;
	/*
	 * Where there are no flags, none is set, as on FreeBSD. 0x1000 is
	 * AT_EMPTY_PATH, whose name needs _GNU_SOURCE.
	 */
	if (lnkfs_bsd_fstatat_flags(fd, path, &flags, atflag & (AT_SYMLINK_NOFOLLOW | 0x1000)))
		flags = 0;
	sb->st_flags = flags;
	return 0;
}

static inline int lnkfs_bsd_stat(const char *path, struct stat *sb)
{
	return lnkfs_bsd_fstatat(AT_FDCWD, path, sb, 0);
}

static inline int lnkfs_bsd_lstat(const char *path, struct stat *sb)
{
	return lnkfs_bsd_fstatat(AT_FDCWD, path, sb, AT_SYMLINK_NOFOLLOW);
}

static inline int lnkfs_bsd_fstat(int fd, struct stat *sb)
{
	fflags_t flags = 0;

	if (fstat(fd, sb))
		return -1;
	if (lnkfs_bsd_fstat_flags(fd, &flags))
		flags = 0;
	sb->st_flags = flags;
	return 0;
}

#define stat(path, sb)			lnkfs_bsd_stat(path, sb)
#define lstat(path, sb)			lnkfs_bsd_lstat(path, sb)
#define fstat(fd, sb)			lnkfs_bsd_fstat(fd, sb)
#define fstatat(fd, path, sb, atflag)	lnkfs_bsd_fstatat(fd, path, sb, atflag)
#endif /* LNKFS_BSD_ST_FLAGS */

#ifdef __cplusplus
}
#endif

#endif /* LNKFS_BSD_H */
