// SPDX-License-Identifier: GPL-2.0
/*
 * resize.lnkfs: change the size of an lnkfs filesystem. See resize.lnkfs(8).
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "check.h"
#include "lnkfs.h"
#include "resize.h"
#include "version.h"

static const char usage_text[] =
	"usage: resize.lnkfs [-fpqMPV] [-j JOURNAL] DEVICE [SIZE]\n"
	"\n"
	"Makes the lnkfs filesystem on DEVICE as large as SIZE says: blocks, or with a\n"
	"suffix s sectors (512 bytes), K, M, G, T. Without SIZE: as large as DEVICE is.\n"
	"DEVICE may be mounted, or be the mount point, if it is to become larger.\n"
	"\n"
	"  -M           as small as can be\n"
	"  -P           print how many blocks that is, and change nothing\n"
	"  -f           do not check the filesystem before it becomes smaller\n"
	"  -p           show the progress\n"
	"  -q           say nothing unless something is wrong\n"
	"  -j JOURNAL   device of an external journal\n"
	"  -V, --version\n"
	"               print the version\n";

/**
 * struct options - the command line
 * @device: device, image, or mount point
 * @journal: device of the external journal; NULL: look for it
 * @size: the new size as it was given, or NULL
 * @minimum: as small as can be
 * @print: only say how small that is
 * @force: do not check
 * @progress: show it
 * @quiet: say nothing
 */
struct options {
	const char *device;
	const char *journal;
	const char *size;
	bool minimum;
	bool print;
	bool force;
	bool progress;
	bool quiet;
};

static int __attribute__((format(printf, 2, 3)))
complain(const char *what, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "resize.lnkfs: %s: ", what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

/* A size in blocks of 1 << @bits bytes; 0: it is none. */
static u64 parse_size(const char *text, u32 bits)
{
	static const char suffixes[] = "KMGT";
	const char *s;
	char *end;
	u32 shift;
	u64 n;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return 0;
	if (!*end)
		return n;
	if (end[1])
		return 0;
	s = strchr(suffixes, *end >= 'a' && *end <= 'z' && *end != 's' ? *end - 32 : *end);
	if (*end == 's')
		shift = 9;
	else if (s && *s)
		shift = 10 * (u32)(s - suffixes + 1);
	else
		return 0;
	return n > U64_MAX >> shift ? 0 : n << shift >> bits;
}

static void show_progress(u64 done, u64 total)
{
	static int last = -1;
	int now = total ? (int)(done * 100 / total) : 100;

	if (now != last)
		fprintf(stderr, "\r%3d%%%s", now, now >= 100 ? "\n" : "");
	last = now;
}

static void report_size(const struct options *o, u64 old, u64 new, u32 bits)
{
	if (o->quiet)
		return;
	if (old == new)
		printf("%s: %" PRIu64 " blocks of %u bytes: nothing to do\n", o->device, new,
		       1u << bits);
	else
		printf("%s: now %" PRIu64 " blocks of %u bytes, before %" PRIu64 "\n", o->device,
		       new, 1u << bits, old);
}

/* ---- mounted ---- */

/* The volume that @device is, or is on, if it is mounted; else below 0. */
static int find_mounted(const char *device)
{
	struct statfs sf;
	struct stat st;
	int fd;

	if (stat(device, &st) < 0)
		return -1;
	if (S_ISBLK(st.st_mode))
		return lnkfs_open_mounted(st.st_rdev, 0, NULL, 0);
	if (!S_ISDIR(st.st_mode))
		return -1;
	fd = open(device, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && (fstatfs(fd, &sf) < 0 || sf.f_type != LNKFS_SUPER_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static const char *grow_error(int err)
{
	switch (err) {
	case EPERM:
		return "only root may do that (CAP_SYS_RESOURCE)";
	case EROFS:
		return "mounted read-only";
	case EINVAL:
		return "mounted, it can only become larger";
	case ENOSPC:
		return "the device is too small";
	default:
		return strerror(err);
	}
}

static int grow_mounted(const struct options *o, int fd)
{
	struct lnkfs_grow g = { .g_size = sizeof(g) };
	struct statfs sf;
	u32 bits;

	if (o->minimum || o->print)
		return complain(o->device, "mounted: unmount it first");
	if (fstatfs(fd, &sf) < 0)
		return complain(o->device, "%s", strerror(errno));
	bits = ilog2((u64)sf.f_bsize);
	if (o->size) {
		g.g_blocks = parse_size(o->size, bits);
		if (!g.g_blocks)
			return complain(o->size, "not a size");
	}
	if (ioctl(fd, LNKFS_IOC_GROW, &g) < 0)
		return complain(o->device, "%s", grow_error(errno));
	report_size(o, g.g_old, g.g_blocks, bits);
	return 0;
}

/* ---- not mounted ---- */

/* Can a volume have so many blocks? */
static bool possible(const struct lnkfs_fs *fs, u64 blocks)
{
	/* Group numbers have 32 bits. */
	return blocks <= LNKFS_MAX_BLOCKS && blocks <= (u64)fs->group_blocks * (U32_MAX - 1);
}

/* Blocks that the device has; a regular file is made larger as needed. */
static u64 room_for(struct lnkfs_volume *v, u64 blocks)
{
	u64 have = v->dev.bytes >> v->fs.block_bits;

	if (blocks > have && !v->dev.is_blk &&
	    !lnkfs_dev_resize(&v->dev, blocks << v->fs.block_bits))
		have = blocks;
	return have;
}

static int grow(const struct options *o, struct lnkfs_resize *r, u64 blocks)
{
	struct lnkfs_volume *v = r->v;
	u64 old = v->fs.blocks, bytes = v->dev.bytes;
	int err;

	if (!possible(&v->fs, blocks))
		return complain(o->device, "no volume can have so many blocks");
	if (room_for(v, blocks) < blocks)
		return complain(o->device, "has only %" PRIu64 " blocks of %u bytes",
				v->dev.bytes >> v->fs.block_bits, v->fs.block_size);
	err = lnkfs_resize_grow(r, blocks);
	if (err && v->dev.bytes != bytes && le64_to_cpu(v->sb.s_blocks) == old)
		lnkfs_dev_resize(&v->dev, bytes);
	if (err)
		return complain(o->device, "%s", strerror(-err));
	report_size(o, old, blocks, v->fs.block_bits);
	return 0;
}

/* Is all in order? What is moved has to be understood. */
static int check(const struct options *o, struct lnkfs_volume *v)
{
	struct lnkfs_fsck_result res;
	int err;

	if (o->force)
		return 0;
	err = lnkfs_fsck_volume(v, NULL, NULL, &res);
	if (err)
		return complain(o->device, "%s", strerror(-err));
	if (res.problems)
		return complain(o->device, "%" PRIu64 " problems: run \"fsck.lnkfs -f %s\" first",
				res.problems, o->device);
	return 0;
}

static int shrink(const struct options *o, struct lnkfs_resize *r, u64 blocks)
{
	u64 old = r->v->fs.blocks, least;
	int err;

	if (check(o, r->v))
		return 1;
	err = lnkfs_resize_shrink(r, blocks);
	if (err == -ENOSPC && !r->done && !lnkfs_resize_minimum(r, &least))
		return complain(o->device, "%s: the least is %" PRIu64 " blocks of %u bytes",
				r->why, least, r->v->fs.block_size);
	if (err)
		complain(o->device, "%s", r->why ? r->why : strerror(-err));
	else
		report_size(o, old, blocks, r->v->fs.block_bits);
	if (r->no_backref)
		complain(o->device, "back references are switched off now: \"tune.lnkfs -O backref %s\" makes them",
			 o->device);
	return err != 0;
}

/* The size that is asked for; 0: complained. */
static u64 wanted_size(const struct options *o, const struct lnkfs_volume *v)
{
	u64 blocks = v->dev.bytes >> v->fs.block_bits;

	if (o->size) {
		blocks = parse_size(o->size, v->fs.block_bits);
		if (!blocks)
			complain(o->size, "not a size");
	}
	/* What no volume can have is refused as it stands. */
	return possible(&v->fs, blocks) ? lnkfs_usable_blocks(&v->fs, blocks) : blocks;
}

static int resize(const struct options *o, struct lnkfs_resize *r)
{
	struct lnkfs_volume *v = r->v;
	u64 blocks;
	int err;

	if (o->minimum || o->print) {
		err = lnkfs_resize_minimum(r, &blocks);
		if (err)
			return complain(o->device, "%s", r->why ? r->why : strerror(-err));
	} else {
		blocks = wanted_size(o, v);
	}
	if (!blocks)
		return 1;
	if (o->print) {
		printf("%" PRIu64 "\n", blocks);
		return 0;
	}
	if (blocks == v->fs.blocks) {
		report_size(o, blocks, blocks, v->fs.block_bits);
		return 0;
	}
	if (o->progress)
		r->progress = show_progress;
	return blocks > v->fs.blocks ? grow(o, r, blocks) : shrink(o, r, blocks);
}

/* By whom, if that is known. */
static int refuse_in_use(const struct options *o)
{
	char text[PATH_MAX];

	return complain(o->device, "%s",
			lnkfs_in_use(o->device, text, sizeof(text)) ? text : "in use");
}

static int resize_unmounted(const struct options *o)
{
	struct lnkfs_volume v = {};
	struct lnkfs_resize r = {};
	const char *why;
	int err, ret;

	err = lnkfs_volume_open(&v, o->device, (o->print ? 0 : LNKFS_DEV_WRITE | LNKFS_DEV_EXCL) |
				LNKFS_VOL_NO_GROUPS, &why);
	if (err == -EBUSY && !why)
		return refuse_in_use(o);
	if (err)
		return complain(o->device, "%s", why ? why : strerror(-err));
	if (why) {
		ret = complain(o->device, "%s: run \"fsck.lnkfs -f %s\" first", why, o->device);
		goto out;
	}
	err = lnkfs_resize_open(&r, &v, o->journal);
	if (err == -EBUSY && !r.why)
		ret = complain(o->device, "its journal is in use");
	else if (err == -EBUSY)
		ret = complain(o->device, "%s: run \"fsck.lnkfs -f %s\" first", r.why, o->device);
	else if (err)
		ret = complain(o->device, "%s", r.why ? r.why : strerror(-err));
	else
		ret = resize(o, &r);
	lnkfs_resize_close(&r);
out:
	err = lnkfs_volume_close(&v);
	if (err && !ret)
		ret = complain(o->device, "%s", strerror(-err));
	return ret;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int c;

	while ((c = getopt_long(argc, argv, "fpqMPVj:", longopts, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->force = true;
			break;
		case 'p':
			o->progress = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'M':
			o->minimum = true;
			break;
		case 'P':
			o->print = true;
			break;
		case 'j':
			o->journal = optarg;
			break;
		case 'V':
			printf("resize.lnkfs %s\n", LNKFS_VERSION);
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			goto usage;
		}
	}
	if (argc <= optind || argc > optind + 2 || (argc == optind + 2 && (o->minimum || o->print)))
		goto usage;
	o->device = argv[optind];
	o->size = argv[optind + 1];
	return 0;
usage:
	fputs(usage_text, stderr);
	return 1;
}

int main(int argc, char **argv)
{
	struct options o = {};
	int fd, ret;

	ret = parse_options(&o, argc, argv);
	if (ret)
		return ret;
	fd = find_mounted(o.device);
	if (fd >= 0) {
		ret = grow_mounted(&o, fd);
		close(fd);
	} else {
		ret = resize_unmounted(&o);
	}
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", "%s", strerror(errno));
	return ret;
}
