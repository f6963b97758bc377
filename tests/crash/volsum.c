// SPDX-License-Identifier: GPL-2.0
/*
 * A sum over a volume without its superblock and its journal: what replaying
 * the journal must make equal, whoever does it.
 *
 * usage: volsum DEVICE
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lnkfs_format.h"

#define CHUNK	65536

static uint64_t data[CHUNK / sizeof(uint64_t)];

int main(int argc, char **argv)
{
	uint64_t sum = 0xcbf29ce484222325, from, to, pos = 0;
	struct lnkfs_super_block sb;
	unsigned int bits;
	ssize_t len, i;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || pread(fd, &sb, sizeof(sb), LNKFS_SUPER_OFFSET) != sizeof(sb) ||
	    sb.s_magic != LNKFS_SUPER_MAGIC) {
		fprintf(stderr, "volsum: %s: no volume\n", argv[1]);
		return 1;
	}
	bits = sb.s_block_bits;
	from = sb.s_journal_start << bits;
	to = from + ((uint64_t)sb.s_journal_blocks << bits);
	while ((len = read(fd, data, sizeof(data))) > 0) {
		if (!pos)
			memset((char *)data + LNKFS_SUPER_OFFSET, 0, LNKFS_SUPER_SIZE);
		for (i = 0; i < len / 8; i++, pos += 8) {
			if (pos >= from && pos < to)
				continue;
			sum = (sum ^ data[i]) * 0x100000001b3;
		}
	}
	if (len < 0)
		return 1;
	printf("%016" PRIx64 "\n", sum);
	return 0;
}
