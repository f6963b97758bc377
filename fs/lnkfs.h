/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * lnkfs: what programs need to know, installed as <lnkfs.h>.
 */
#ifndef _LNKFS_H
#define _LNKFS_H

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

#endif /* _LNKFS_H */
