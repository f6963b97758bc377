/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of structures and their fields.
 */
#ifndef LNKFS_KINDS_H
#define LNKFS_KINDS_H

#include "fscktest.h"

enum kind_nr {
	K_SUPER, K_JOURNAL, K_GDESCBLK, K_GDESC, K_BITMAP, K_IMAP, K_FULLMAP, K_ORPHMAP,
	K_INOBLK, K_FREESLOT, K_INODE, K_SLOT, K_AREA, K_TEXT, K_SLOWLINK, K_BODY, K_DEVICE,
	K_EXTROOT, K_EXTNODE, K_EXTREC, K_EXTIDX,
	K_DIRFORK, K_DIRBLK, K_DIRENT, K_HOLE, K_IDXROOT, K_IDXNODE, K_IDXREC, K_IDXIDX,
	K_XATTR, K_XEXT, K_XVALUE, K_XLEAF, K_XHEAD, K_XROOT, K_XNODE, K_XREC, K_XIDX,
	K_LINKATTR,
	K_NAMES, K_NAMENODE, K_NAMEREC, K_NAMEIDX,
	K_QBLK, K_QHEAD, K_QREF, K_QLEAF, K_QENT,
	/* What chance does not damage: for what an attacker adds. */
	K_SPARE,	/* a free block */
	K_LOGBLK,	/* a block of the journal */
	K_KINDS
};

#define SPARES		16	/* free blocks, and blocks of the journal, that are listed */

extern const struct kind kinds[K_KINDS];

#endif /* LNKFS_KINDS_H */
