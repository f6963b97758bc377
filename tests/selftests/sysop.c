// SPDX-License-Identifier: GPL-2.0
/*
 * System calls for the shell tests, answered with the bare name of the errno
 * (or 0), which mount(8) and its like hide in prose.
 *
 *   sysop mount DEV DIR TYPE [ro|rw [OPTIONS]]    sysop umount DIR
 *   sysop loop FILE                               sysop unloop DEV
 *   sysop get DEV FIELD                           sysop set DEV FIELD VALUE
 *   sysop breaksum DEV                            sysop sum DEV
 *   sysop shutdown DIR HOW                        sysop devnum DEV
 *   sysop fsync FILE                              sysop wait FILE
 *   sysop logitself DEV JOURNAL BLOCKSIZE
 *
 * get and set know the superblock's members; set leaves a good checksum. wait
 * has a file's data written, and nothing else.
 */
#include <stdint.h>

#include <sys/sysmacros.h>

#include "lnkfs.h"
#include "lnkfs_format.h"
#include "volume.h"

static struct {
	const char *name;
	unsigned int offset, size;
} fields[] = {
#define FIELD(m) { #m, __builtin_offsetof(struct lnkfs_super_block, m), \
		   sizeof(((struct lnkfs_super_block *)0)->m) }
	FIELD(s_magic), FIELD(s_checksum), FIELD(s_blocknr),
	FIELD(s_feature_compat), FIELD(s_feature_incompat),
	FIELD(s_feature_ro_compat), FIELD(s_block_bits), FIELD(s_errors),
	FIELD(s_state), FIELD(s_blocks), FIELD(s_reserved_blocks),
	FIELD(s_root_ino), FIELD(s_lpf_ino), FIELD(s_journal_start),
	FIELD(s_journal_blocks), FIELD(s_fc_blocks), FIELD(s_max_links),
	FIELD(s_fast_symlink_max), FIELD(s_error_count), FIELD(s_journal_dev),
	FIELD(s_default_opts),
#undef FIELD
};

static uint32_t crc32c(uint32_t crc, const unsigned char *p, size_t len)
{
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static int answer(int failed)
{
	puts(failed ? strerrorname_np(errno) : "0");
	return 0;
}

static int super_io(const char *dev, unsigned char *sb, int write)
{
	int fd = open(dev, write ? O_WRONLY | O_SYNC : O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write ? pwrite(fd, sb, LNKFS_SUPER_SIZE, LNKFS_SUPER_OFFSET) :
		    pread(fd, sb, LNKFS_SUPER_SIZE, LNKFS_SUPER_OFFSET);
	close(fd);
	return n == LNKFS_SUPER_SIZE ? 0 : -1;
}

static void super_sum(unsigned char *sb)
{
	uint32_t crc;

	memset(sb + 4, 0, 4);
	crc = crc32c(~0U, sb, LNKFS_SUPER_SIZE);
	memcpy(sb + 4, &crc, 4);
}

static int super_field(const char *dev, const char *name, const char *value)
{
	unsigned char sb[LNKFS_SUPER_SIZE];
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].name, name))
			break;
	if (i == sizeof(fields) / sizeof(fields[0])) {
		fprintf(stderr, "sysop: no member %s\n", name);
		return 2;
	}
	if (super_io(dev, sb, 0))
		return answer(1);
	if (!value) {
		memcpy(&v, sb + fields[i].offset, fields[i].size);
		printf("%llu\n", (unsigned long long)v);
		return 0;
	}
	v = strtoull(value, NULL, 0);
	memcpy(sb + fields[i].offset, &v, fields[i].size);
	if (strcmp(name, "s_checksum"))
		super_sum(sb);
	return answer(super_io(dev, sb, 1));
}

static int super_break(const char *dev)
{
	unsigned char sb[LNKFS_SUPER_SIZE];

	if (super_io(dev, sb, 0))
		return answer(1);
	sb[4] ^= 0x10;
	return answer(super_io(dev, sb, 1));
}

static int super_check(const char *dev)
{
	unsigned char sb[LNKFS_SUPER_SIZE];
	uint32_t is;

	if (super_io(dev, sb, 0))
		return answer(1);
	memcpy(&is, sb + 4, 4);
	super_sum(sb);
	puts(memcmp(&is, sb + 4, 4) ? "bad" : "good");
	return 0;
}

static void be32_put(unsigned char *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static void log_seal(unsigned char *block, size_t len, size_t at, uint32_t seed)
{
	be32_put(block + at, 0);
	be32_put(block + at, crc32c(seed, block, len));
}

/*
 * A log that jbd2 believes, and that turns its own commit block into one that does not end the
 * transaction when it is replayed.
 */
static int log_itself(const char *dev, off_t at, size_t bs)
{
	unsigned char b[4][4096] = {}, seq[4];
	int fd = open(dev, O_RDWR | O_SYNC), i;
	uint32_t seed, kinds[] = { 4, 1, 5, 2 };

	if (fd < 0 || bs > sizeof(b[0]) || pread(fd, b[0], bs, at) != (ssize_t)bs)
		return answer(1);
	seed = crc32c(~0U, b[0] + 0x30, 16);
	for (i = 1; i < 4; i++) {
		be32_put(b[i], 0xc03b3998);
		be32_put(b[i] + 4, kinds[i]);
		be32_put(b[i] + 8, 1);
	}
	/* the tag: the block of the commit, no UUID, the last one */
	be32_put(b[1] + 12, at / bs + 3);
	be32_put(b[1] + 16, 2 | 8);
	be32_put(seq, 1);
	be32_put(b[1] + 24, crc32c(crc32c(seed, seq, 4), b[2], bs));
	log_seal(b[1], bs, bs - 4, seed);
	log_seal(b[3], bs, 16, seed);
	/* s_checksum_type, s_checksum */
	b[0][0x50] = 4;
	log_seal(b[0], 1024, 0xfc, ~0U);
	for (i = 0; i < 4; i++)
		if (pwrite(fd, b[i], bs, at + i * bs) != (ssize_t)bs)
			return answer(1);
	return answer(close(fd));
}

static int do_shutdown(const char *dir, uint32_t how)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	return answer(fd < 0 || ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
}

static int sync_file(const char *name, int all)
{
	int fd = open(name, O_RDWR);

	if (fd < 0)
		return answer(1);
	return answer(all ? fsync(fd) :
		      sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER));
}

/* As the mount option journal_dev takes it. */
static int devnum(const char *dev)
{
	struct stat st;

	if (stat(dev, &st))
		return answer(1);
	printf("%#x\n", (minor(st.st_rdev) & 0xff) | major(st.st_rdev) << 8 |
	       (minor(st.st_rdev) & ~0xffU) << 12);
	return 0;
}

int main(int argc, char **argv)
{
	const char *op = argc > 1 ? argv[1] : "";
	char dev[64];

	if (!strcmp(op, "mount") && argc >= 5)
		return answer(mount(argv[2], argv[3], argv[4],
				    argc > 5 && !strcmp(argv[5], "ro") ?
				    MS_RDONLY : 0, argc > 6 ? argv[6] : NULL));
	if (!strcmp(op, "umount") && argc == 3)
		return answer(umount2(argv[2], 0));
	if (!strcmp(op, "loop") && argc == 3) {
		if (loop_attach(argv[2], O_RDWR, dev))
			return perror(argv[2]), 1;
		puts(dev);
		return 0;
	}
	if (!strcmp(op, "unloop") && argc == 3)
		return answer(loop_detach(argv[2]));
	if (!strcmp(op, "get") && argc == 4)
		return super_field(argv[2], argv[3], NULL);
	if (!strcmp(op, "set") && argc == 5)
		return super_field(argv[2], argv[3], argv[4]);
	if (!strcmp(op, "breaksum") && argc == 3)
		return super_break(argv[2]);
	if (!strcmp(op, "sum") && argc == 3)
		return super_check(argv[2]);
	if (!strcmp(op, "shutdown") && argc == 4)
		return do_shutdown(argv[2], strtoul(argv[3], NULL, 0));
	if (!strcmp(op, "logitself") && argc == 5)
		return log_itself(argv[2], atoll(argv[3]), strtoul(argv[4], NULL, 0));
	if (!strcmp(op, "devnum") && argc == 3)
		return devnum(argv[2]);
	if ((!strcmp(op, "fsync") || !strcmp(op, "wait")) && argc == 3)
		return sync_file(argv[2], !strcmp(op, "fsync"));
	fprintf(stderr, "sysop: bad arguments\n");
	return 2;
}
