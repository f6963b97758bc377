/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * lnkfs: what programs need to know, installed as <lnkfs.h>.
 */
#ifndef _LNKFS_H
#define _LNKFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* f_type of statfs(2) */
#ifndef LNKFS_SUPER_MAGIC
#define LNKFS_SUPER_MAGIC	0x464b4e4c
#endif

/*
 * The flag word of an inode has the names, values and meanings of FreeBSD's
 * st_flags (chflags(2), sys/stat.h). UF_ flags belong to the owner, SF_ flags
 * to whoever has CAP_LINUX_IMMUTABLE.
 */
#define LNKFS_UF_SETTABLE	0x0000ffffu
#define LNKFS_UF_NODUMP		0x00000001u	/* not to be dumped */
#define LNKFS_UF_IMMUTABLE	0x00000002u	/* may not be changed */
#define LNKFS_UF_APPEND		0x00000004u	/* may only be appended to */
#define LNKFS_UF_OPAQUE		0x00000008u	/* directory is opaque in a union */
#define LNKFS_UF_NOUNLINK	0x00000010u	/* may not be removed or renamed */
#define LNKFS_UF_SYSTEM		0x00000080u	/* Windows system file */
#define LNKFS_UF_SPARSE		0x00000100u	/* sparse file */
#define LNKFS_UF_OFFLINE	0x00000200u	/* file is offline */
#define LNKFS_UF_REPARSE	0x00000400u	/* Windows reparse point */
#define LNKFS_UF_ARCHIVE	0x00000800u	/* needs to be archived */
#define LNKFS_UF_READONLY	0x00001000u	/* Windows read-only file */
#define LNKFS_UF_HIDDEN		0x00008000u	/* hidden */
#define LNKFS_SF_SETTABLE	0xffff0000u
#define LNKFS_SF_ARCHIVED	0x00010000u	/* archived */
#define LNKFS_SF_IMMUTABLE	0x00020000u	/* may not be changed */
#define LNKFS_SF_APPEND		0x00040000u	/* may only be appended to */
#define LNKFS_SF_NOUNLINK	0x00100000u	/* may not be removed or renamed */
#define LNKFS_SF_SNAPSHOT	0x00200000u	/* snapshot inode: nobody sets it */

/* Flags that a volume keeps. */
#define LNKFS_FLAGS_ALL		(LNKFS_UF_NODUMP | LNKFS_UF_IMMUTABLE | LNKFS_UF_APPEND | \
				 LNKFS_UF_OPAQUE | LNKFS_UF_NOUNLINK | LNKFS_UF_SYSTEM | \
				 LNKFS_UF_SPARSE | LNKFS_UF_OFFLINE | LNKFS_UF_REPARSE | \
				 LNKFS_UF_ARCHIVE | LNKFS_UF_READONLY | LNKFS_UF_HIDDEN | \
				 LNKFS_SF_ARCHIVED | LNKFS_SF_IMMUTABLE | \
				 LNKFS_SF_APPEND | LNKFS_SF_NOUNLINK)

/*
 * Attributes of an object of any type, symlinks themselves included.
 *
 * The ioctls are made on any open file or directory of the volume (the
 * carrier); a_fd names the object: a descriptor of the same volume, also one
 * opened with O_PATH | O_NOFOLLOW. Permissions are asked of the object and of
 * the mount that a_fd was opened through, never of the carrier.
 *
 * LNKFS_IOC_GETATTR wants a_size and a_fd and all else 0, and fills a_mask
 * (what was filled), a_mode (type and permissions), a_flags and a_supported.
 *
 * LNKFS_IOC_SETATTR wants a_size, a_fd and a_mask. LNKFS_ATTR_FLAGS replaces
 * the whole flag word by a_flags. LNKFS_ATTR_MODE sets the permissions of a
 * symlink to a_mode (07777 at most); other types have chmod(2). All that is
 * asked for is done, or nothing.
 *
 * Errors: EFAULT; EINVAL: a_size, a_mask, a_mode or a_reserved is not as said
 * here; EBADF: a_fd is not open; EXDEV: a_fd is not of this volume; EROFS: the
 * mount of a_fd, or the volume, is read-only; EPERM: not the owner, an SF_
 * flag without CAP_LINUX_IMMUTABLE, SF_SNAPSHOT, a mode of an immutable or
 * append-only object; EOPNOTSUPP: a flag that is not in a_supported, or the
 * mode of an object that is no symlink; EIO, ENOMEM, EUCLEAN, EBADMSG.
 */
struct lnkfs_attr {
	/* 00 */ __u32	a_size;		/* of this structure */
	/* 04 */ __s32	a_fd;		/* the object */
	/* 08 */ __u32	a_mask;		/* LNKFS_ATTR_* */
	/* 0c */ __u32	a_mode;		/* as st_mode */
	/* 10 */ __u32	a_flags;	/* LNKFS_UF_*, LNKFS_SF_* */
	/* 14 */ __u32	a_supported;	/* flags that the volume keeps (GETATTR) */
	/* 18 */ __u64	a_reserved[5];	/* 0 */
	/* 40 */
};

#define LNKFS_ATTR_MODE		0x1u
#define LNKFS_ATTR_FLAGS	0x2u

#define LNKFS_IOC_GETATTR	_IOWR(0xAC, 1, struct lnkfs_attr)
#define LNKFS_IOC_SETATTR	_IOW(0xAC, 2, struct lnkfs_attr)

/*
 * The names of an inode, as paths, without a search. The carrier is a directory:
 * paths are relative to it, and names that are not below it are left out. Who asks
 * learns what a search by him (find -samefile) would find and no more: a name is
 * left out, too, unless he has read and search permission for the carrier and for
 * each directory from there to the name. So is one with 4,096 directories or more
 * between the carrier and it. What other filesystems are mounted over is not looked at.
 *
 * The inode is the one that n_fd names (of the same volume, also opened with O_PATH),
 * with n_ino and n_gen 0; or n_fd is -1 and n_ino its number, and n_gen its generation
 * (FS_IOC_GETVERSION), 0 for any. n_ino says afterwards which one it is, and n_gen, too,
 * to whoever has CAP_DAC_READ_SEARCH; nobody else may ask for one. A directory has one
 * name, the root none.
 *
 * n_buf and n_len are a buffer. n_count records of struct lnkfs_name_record are in
 * it afterwards, one behind the other; n_flags has LNKFS_NAMES_END when that was all, and
 * n_cookie is 0; else n_cookie (0 to begin with) says where the next call goes on. There
 * may be no record, also before the end. Names that are there throughout are given once;
 * one that changes meanwhile may be given or not. Each component of a path was right when
 * it was read, and no directory got another parent meanwhile.
 *
 * Errors: EFAULT; EINVAL: n_size, n_flags, n_count, n_reserved, n_fd, or n_ino with
 * n_fd, is not as said here; ENOTDIR: the carrier is no directory; EOPNOTSUPP: the
 * volume has no back references (mkfs.lnkfs -O ^backref); EBADF: n_fd is not open;
 * EXDEV: it is not of this volume; EPERM: n_gen without CAP_DAC_READ_SEARCH; ESTALE:
 * there is no such inode (without that capability: it has no names); ERANGE: the buffer
 * is too small for one record; EINTR: killed; EIO, ENOMEM, EUCLEAN, EBADMSG.
 */
struct lnkfs_names {
	/* 00 */ __u32	n_size;		/* of this structure */
	/* 04 */ __s32	n_fd;		/* the object, or -1 */
	/* 08 */ __u64	n_ino;		/* its number */
	/* 10 */ __u32	n_gen;		/* its generation */
	/* 14 */ __u32	n_flags;	/* out: LNKFS_NAMES_*; in: 0 */
	/* 18 */ __u64	n_cookie;	/* where to go on, in and out */
	/* 20 */ __u64	n_buf;		/* address of the buffer */
	/* 28 */ __u32	n_len;		/* its bytes */
	/* 2c */ __u32	n_count;	/* out: records in it; in: 0 */
	/* 30 */ __u64	n_reserved[2];	/* 0 */
	/* 40 */
};

#define LNKFS_NAMES_END		0x1u	/* there are no more names */

struct lnkfs_name_record {
	/* 00 */ __u16	r_len;		/* bytes to the next record, a multiple of 8 */
	/* 02 */ __u16	r_path_len;	/* bytes of the path, without its NUL */
	/* 04 */ __u32	r_flags;	/* LNKFS_NAME_* */
	/* 08 */ __u64	r_dir;		/* number of the directory */
	/* 10 */ __u64	r_pos;		/* position in it */
	/* 18 */ char	r_path[];	/* NUL-terminated; the next record is aligned to 8 */
};

#define LNKFS_NAME_CUT		0x1u	/* longer than PATH_MAX: this is the end of it */

#define LNKFS_IOC_GETNAMES	_IOWR(0xAC, 3, struct lnkfs_names)

/*
 * What a symlink is besides the text of its target.
 *
 * l_kind is what it is on other systems, and changes nothing here, but for the last:
 * the kinds of Windows' links (file, directory, junction: an absolute text), and a
 * link to another computer. The text of that is a UNC path or an smb: URL; when it is
 * followed, the volume's map (LNKFS_MAP_XATTR) says where that is mounted, if it does.
 *
 * A tracked link leads to an inode, wherever on the volume it has been moved, and by
 * any of its names: readlink(2) and whoever follows it get the present path from the
 * link's directory. They get the stored text when the inode is gone, when it is not
 * to be reached, or when the caller has not read and search permission for each
 * directory that the path would name. With LNKFS_LINK_PATH_FIRST they get the stored
 * text as long as it leads to anything (a relative text that passes no other symlink
 * and does not leave the volume; the last component may be anything).
 *
 * The carrier is any open file or directory of the volume, l_fd the symlink (opened
 * with O_PATH | O_NOFOLLOW).
 *
 * LNKFS_IOC_GETLINK wants l_size, l_fd, l_buf, l_len and all else 0, and fills l_kind,
 * l_flags and l_len, the length of the stored text. The text is in l_buf then, with a
 * NUL, unless l_len was 0. The owner of the link gets LNKFS_LINK_LOST and l_ino, too, and
 * l_gen when he has CAP_DAC_READ_SEARCH.
 *
 * LNKFS_IOC_SETLINK replaces l_kind and l_flags: wants l_target, with
 * LNKFS_LINK_TRACKED a descriptor of the target, also an O_PATH one, else -1; l_ino,
 * l_gen, l_buf and l_len are 0. It is for the owner of the link. The text stays.
 *
 * Errors: EFAULT; EINVAL: a field is not as said here, l_fd is no symlink, or the text
 * is not one of that kind (junction: begins with a slash; remote: with two
 * backslashes or smb://, and a server and a share follow; PATH_FIRST: with no slash);
 * EBADF; EXDEV: l_fd or l_target is not of this volume; ELOOP: l_target is the link;
 * ENOENT: l_target has no name; EOPNOTSUPP: tracked, and the volume has no back
 * references (mkfs.lnkfs -O ^backref); ERANGE: l_len is too small, and says
 * afterwards what it has to be; EPERM: not the owner, or the link is immutable or
 * append-only; EACCES: symperm, and no read permission (GETLINK); EROFS, ENOSPC,
 * EDQUOT, EIO, ENOMEM, EUCLEAN, EBADMSG.
 */
struct lnkfs_link {
	/* 00 */ __u32	l_size;		/* of this structure */
	/* 04 */ __s32	l_fd;		/* the symlink */
	/* 08 */ __u32	l_kind;		/* LNKFS_LINK_PLAIN to _REMOTE */
	/* 0c */ __u32	l_flags;	/* LNKFS_LINK_TRACKED... */
	/* 10 */ __s32	l_target;	/* SETLINK: the target or -1; GETLINK: 0 */
	/* 14 */ __u32	l_gen;		/* its generation */
	/* 18 */ __u64	l_ino;		/* its number */
	/* 20 */ __u64	l_buf;		/* address of a buffer for the text */
	/* 28 */ __u32	l_len;		/* its bytes; out: length of the text, without a NUL */
	/* 2c */ __u32	l_reserved0;	/* 0 */
	/* 30 */ __u64	l_reserved[2];	/* 0 */
	/* 40 */
};

/* l_kind */
#define LNKFS_LINK_PLAIN	0u	/* a symlink as any */
#define LNKFS_LINK_FILE		1u	/* Windows: to a file */
#define LNKFS_LINK_DIR		2u	/* Windows: to a directory */
#define LNKFS_LINK_JUNCTION	3u	/* Windows: to a directory of a local volume */
#define LNKFS_LINK_REMOTE	4u	/* to another computer */
#define LNKFS_LINK_KINDS	5u

/* l_flags */
#define LNKFS_LINK_TRACKED	0x1u	/* follows its target */
#define LNKFS_LINK_PATH_FIRST	0x2u	/* tracked, but the text comes first */
#define LNKFS_LINK_LOST		0x100u	/* GETLINK: the tracked inode is gone */

#define LNKFS_IOC_GETLINK	_IOWR(0xAC, 4, struct lnkfs_link)
#define LNKFS_IOC_SETLINK	_IOW(0xAC, 5, struct lnkfs_link)

/*
 * Where shares of other computers are mounted: an extended attribute of the volume's
 * root directory, for CAP_SYS_ADMIN. Lines of the form \\server\share=/path, each with
 * a newline, 65536 bytes at most; without it no link is mapped. Server and share are
 * compared without regard to the case of ASCII letters. What cannot be understood of
 * it is as if it were not there.
 */
#define LNKFS_MAP_XATTR		"trusted.lnkfs.map"

/*
 * Stop the volume at once, as XFS's ioctl of this number does: everything
 * answers EIO until it is unmounted. For tests of what a crash leaves, and for
 * whoever has to cut a failing device off. Needs CAP_SYS_ADMIN.
 */
#define LNKFS_IOC_SHUTDOWN	_IOR('X', 125, __u32)
#define LNKFS_SHUTDOWN_SYNC	0u	/* write everything first */
#define LNKFS_SHUTDOWN_LOG	1u	/* commit the journal first */
#define LNKFS_SHUTDOWN_NOW	2u	/* neither: like a power failure */

/*
 * Make the volume larger, up to the size of its device: to g_blocks blocks (of
 * f_bsize bytes, see statfs(2)), or with 0 as large as it can be. g_blocks says
 * afterwards what the size is: a last group that would have less than about 40
 * blocks is left out. The new size is on the disk when the ioctl returns, and a
 * crash before that leaves the old size or the new one. A size that it has
 * already is no error. Needs CAP_SYS_RESOURCE.
 *
 * Errors: EPERM; EFAULT; EINVAL: g_size, g_flags, g_old or g_reserved is not as said
 * here, or g_blocks is smaller than the volume, or larger than any can be;
 * ENOSPC: the device is too small; EROFS: the mount or the volume is read-only;
 * EINTR: killed; EIO, ENOMEM, EUCLEAN, EBADMSG.
 */
struct lnkfs_grow {
	/* 00 */ __u32	g_size;		/* of this structure */
	/* 04 */ __u32	g_flags;	/* LNKFS_GROW_* */
	/* 08 */ __u64	g_blocks;	/* size of the volume, in and out */
	/* 10 */ __u64	g_old;		/* out: the size before; in: 0 */
	/* 18 */ __u64	g_reserved;	/* 0 */
	/* 20 */
};

#define LNKFS_GROW_DRY		0x1u	/* only say what would come of it */

#define LNKFS_IOC_GROW		_IOWR(0xAC, 16, struct lnkfs_grow)

/*
 * Owners in the answer of FS_IOC_GETFSMAP, besides FMR_OWN_FREE and
 * FMR_OWN_UNKNOWN (blocks of files). ext4 gives the same ones.
 */
#define LNKFS_FMR_OWN_SUPER	(((__u64)'X' << 32) | 1)	/* with backups; kept clear */
#define LNKFS_FMR_OWN_JOURNAL	(((__u64)'X' << 32) | 2)
#define LNKFS_FMR_OWN_INODES	(((__u64)'X' << 32) | 5)	/* inode blocks */
#define LNKFS_FMR_OWN_DESC	(((__u64)'f' << 32) | 1)	/* group descriptors */
#define LNKFS_FMR_OWN_BITMAP	(((__u64)'f' << 32) | 3)	/* block bitmaps */
#define LNKFS_FMR_OWN_INODE_MAP	(((__u64)'f' << 32) | 4)	/* the other maps */

#endif /* _LNKFS_H */
