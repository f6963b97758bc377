/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LNKFS_FSCKTEST_CASES_H
#define LNKFS_FSCKTEST_CASES_H

#include "fscktest.h"

int cases_main(int argc, char **argv);
int campaign_main(int argc, char **argv);

#endif /* LNKFS_FSCKTEST_CASES_H */
