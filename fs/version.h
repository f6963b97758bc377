/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The version of everything: module, tools, libraries, packages. It has nothing to
 * do with that of the format on disk.
 */
#ifndef LNKFS_VERSION_H
#define LNKFS_VERSION_H

#define LNKFS_VERSION	"0.1"

#endif /* LNKFS_VERSION_H */
