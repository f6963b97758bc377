/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The core and the tools on hostile images, in userspace.
 */
#ifndef LNKFS_FUZZ_FUZZER_H
#define LNKFS_FUZZ_FUZZER_H

#include "hostile.h"

/* core.c, as libFuzzer calls it */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* change.c */
void change_volume(const char *path, const struct volume *sound);

/* the tools' main programs */
int fsck_main(int argc, char **argv);
int dump_main(int argc, char **argv);

#endif /* LNKFS_FUZZ_FUZZER_H */
