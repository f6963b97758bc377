/* SPDX-License-Identifier: GPL-2.0 */
/*
 * liblnkfs: mode and flags of files of any type, symlinks themselves
 * included. Installed as <liblnkfs.h>; liblnkfs(3) is its manual page.
 *
 * Functions return 0, or -1 with errno set, unless they say otherwise. They
 * may be called from any thread at any time. Paths are resolved by the kernel,
 * so EFAULT, ENAMETOOLONG, ELOOP, ENOENT, ENOTDIR and EACCES are its own;
 * objects are never opened for more than O_PATH, but for regular files and
 * directories that serve as carriers of the call. EACCES also says that there
 * is no carrier: nothing on the volume that the process may read is known,
 * neither the object nor a directory above it.
 *
 * Where the object is on another filesystem, flags and modes that Linux can
 * set there are set by its own calls (fchmodat(2), FS_IOC_SETFLAGS,
 * file_setattr(2)); what it cannot do fails with EOPNOTSUPP. Reading flags
 * succeeds there for every object whose flags statx(2) knows.
 */
#ifndef LIBLNKFS_H
#define LIBLNKFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <lnkfs.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Mode. AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW are the flags of *at calls; any
 * other is EINVAL. Of @mode, the bits of 07777 count, as with chmod(2).
 */
int lnkfs_lchmod(const char *path, mode_t mode);
int lnkfs_lchmodat(int dirfd, const char *path, mode_t mode);
int lnkfs_fchmodat(int dirfd, const char *path, mode_t mode, int atflags);

/* Flags: the whole word is replaced, as by FreeBSD's calls of these names. */
int lnkfs_chflags(const char *path, uint32_t flags);
int lnkfs_lchflags(const char *path, uint32_t flags);
int lnkfs_fchflags(int fd, uint32_t flags);
int lnkfs_chflagsat(int dirfd, const char *path, uint32_t flags, int atflags);

/* The present flags. */
int lnkfs_getflags(const char *path, uint32_t *flags);
int lnkfs_lgetflags(const char *path, uint32_t *flags);
int lnkfs_fgetflags(int fd, uint32_t *flags);
int lnkfs_getflagsat(int dirfd, const char *path, uint32_t *flags, int atflags);

/*
 * All attributes in one call; @attr as in <lnkfs.h>, a_size, a_fd, a_supported
 * and a_reserved are the library's to fill, as are values that a_mask does not
 * ask to set; the type in a_mode does not count. After reading, a_fd is -1.
 * Lnkfs only: EOPNOTSUPP elsewhere.
 */
int lnkfs_getattrat(int dirfd, const char *path, struct lnkfs_attr *attr, int atflags);
int lnkfs_setattrat(int dirfd, const char *path, const struct lnkfs_attr *attr,
		    int atflags);

/*
 * What a symlink is besides its text: its kind, and what it tracks. @path is always the
 * link itself; @atflags is 0 or AT_EMPTY_PATH (AT_SYMLINK_NOFOLLOW changes nothing).
 *
 * After reading, @link has l_kind, l_flags, l_ino, l_gen, and in l_len the length of the
 * stored text, which is in @buf with a NUL, unless @size is 0. ERANGE: @size is too
 * small; l_len is the length then. The text that readlink(2) gives may be another:
 * that of a tracked link is the present path.
 *
 * Setting heeds l_kind, l_flags and, with LNKFS_LINK_TRACKED, l_target, a descriptor of
 * the target. Lnkfs only: EOPNOTSUPP elsewhere.
 */
int lnkfs_getlink(const char *path, struct lnkfs_link *link, char *buf, size_t size);
int lnkfs_getlinkat(int dirfd, const char *path, struct lnkfs_link *link, char *buf,
		    size_t size, int atflags);
int lnkfs_setlink(const char *path, const struct lnkfs_link *link);
int lnkfs_setlinkat(int dirfd, const char *path, const struct lnkfs_link *link, int atflags);

/*
 * Names of flags, as chflags(1) and ls -lo of FreeBSD know them:
 * "uchg,hidden,nosunlnk", separated by commas, spaces or tabs. The parser
 * understands every alias ("schange", "simmutable"), a leading "no" (dump and
 * nodump the other way round), and bits as a hex number ("0x2"); "0", "none"
 * and "-", each only alone, clear all there are. It fails with EINVAL, *@end
 * (unless @end is NULL) at the word, @set and @clear as they were. @set gets the
 * flags to set, @clear those to clear; who names a flag in both ways finds it in
 * both.
 *
 * lnkfs_flags_to_text() writes "-" for no flags, and unknown bits as a hex
 * number. It returns the length of the text, which has been cut short if that
 * is @size or more, as snprintf(3) does.
 */
int lnkfs_flags_from_text(const char *text, uint32_t *set, uint32_t *clear,
			  const char **end);
int lnkfs_flags_to_text(uint32_t flags, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* LIBLNKFS_H */
