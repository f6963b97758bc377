/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LNKFS_TOOLS_VERSION_H
#define LNKFS_TOOLS_VERSION_H

#define LNKFS_VERSION	"0.1"

#endif /* LNKFS_TOOLS_VERSION_H */
