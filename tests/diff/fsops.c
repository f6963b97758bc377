// SPDX-License-Identifier: GPL-2.0
/*
 * A long random script of file operations on a few names, so that they meet
 * each other often. Which operations come depends on the seed alone, never on
 * what they return; what they return goes to standard output, free of all that
 * may differ between two correct filesystems (inode numbers, block counts,
 * sizes of directories, order of listings). Two filesystems that behave alike
 * print the same text. At the end the whole tree is printed.
 *
 * usage: fsops DIR SEED COUNT
 *
 * With FSOPS_DEV and FSTYPE set, DIR is a mount point: the volume is mounted
 * there (FSOPS_OPTIONS), mounted anew four times on the way, and unmounted.
 *
 * What two correct filesystems differ in is not in the script, or is switched by
 * the environment, on both sides alike:
 *
 * FSOPS_XFS		no symlink target of more than 1000 bytes and no major
 *			number above 511: XFS takes no larger ones
 * FSOPS_CLASSES	classes of operations that come besides those that every
 *			filesystem has: falloc, seek, xattr, acl, rename. With
 *			"seek" nothing is written through mappings: where folios
 *			are large, a fault fills more than the page that it is for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fsops.h"

static uint64_t state;
static unsigned int linkmax = 4095, majors = 600, classes;

int fds[FDS];
unsigned char data[1 << 17];

uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

uint64_t hash(uint64_t h, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* One of a few directories and one of a few names, some of them long. */
const char *pick(char *path)
{
	static const char *const dirs[] = {
		"", "", "", "", "d0/", "d0/", "d0/", "d1/", "d1/", "d1/", "d2/",
		"d2/", "d0/d1/", "d1/d0/", "d2/d2/", "l0/", "d0/l1/", "n0/",
	};
	const char *dir = dirs[rnd(sizeof(dirs) / sizeof(dirs[0]))];
	unsigned int kind = rnd(20), num = rnd(9);
	int n;

	if (kind < 11)
		sprintf(path, "%sn%u", dir, num);
	else if (kind < 13)
		sprintf(path, "%sd%u", dir, num % 3);
	else if (kind < 16)
		sprintf(path, "%sl%u", dir, num % 4);
	else if (kind < 19) {
		n = sprintf(path, "%s", dir);
		memset(path + n, 'a' + num, 20 + num * 28);
		sprintf(path + n + 20 + num * 28, "%u", num);
	} else if (num < 7) {
		sprintf(path, "%sn%u/", dir, num);
	} else {
		sprintf(path, "%s%s", dir, num == 7 ? "." : "..");
		/* Never climb out: ".." of the top is another filesystem's. */
		if (num == 8 && !*dir)
			strcpy(path, "d0/..");
	}
	return path;
}

/* A path for the log: long names cut to what tells them apart. */
const char *show(const char *path)
{
	static char out[2][128];
	static int which;
	size_t len = strlen(path);

	which = !which;
	if (len < 60)
		return path;
	sprintf(out[which], "%.40s~%zu", path, len);
	return out[which];
}

const char *result(long ret)
{
	static char buf[32];

	if (ret < 0)
		return strerrorname_np(errno);
	sprintf(buf, "%ld", ret);
	return buf;
}

static uint64_t hash_range(int fd, uint64_t h, off_t from, size_t len)
{
	static unsigned char buf[65536];
	ssize_t n;

	while (len) {
		n = pread(fd, buf, len < sizeof(buf) ? len : sizeof(buf), from);
		if (n <= 0)
			return n ? hash(h, "error", 5) : h;
		h = hash(h, buf, n);
		from += n;
		len -= n;
	}
	return h;
}

/* Of a large file the parts that operations can have touched. */
uint64_t hash_file(int fd, off_t size)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	h = hash_range(fd, h, 0, 1 << 19);
	if (size > 1 << 19) {
		h = hash_range(fd, h, (5LL << 30) - 4096, 1 << 18);
		h = hash_range(fd, h, size > 70000 ? size - 70000 : 0, 70000);
	}
	return h;
}

/* What XFS makes takes neither the group nor the ACL that a directory passes on. */
static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && !st->st_rdev;
}

static void show_stat(const struct stat *st)
{
	printf(" %o nlink %lu uid %u gid %u", st->st_mode,
	       (unsigned long)st->st_nlink, st->st_uid, is_whiteout(st) ? 0 : st->st_gid);
	if (!S_ISDIR(st->st_mode))
		printf(" size %lld", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		printf(" dev %u:%u", major(st->st_rdev), minor(st->st_rdev));
}

int open_at(const char *path, int flags, mode_t mode)
{
	return open(path, flags | O_NONBLOCK | O_NOCTTY, mode);
}

bool regular(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

off_t some_offset(void)
{
	unsigned int kind = rnd(20);
	off_t off = rnd(kind < 10 ? 20000 : 200000);

	if (kind == 19)
		off = (5LL << 30) - 4096 + off / 2;
	if (kind % 3 == 0)
		off &= ~4095;
	return off;
}

static void op_open(const char *p)
{
	static const int flags[] = {
		O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
		O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_TRUNC,
		O_WRONLY | O_APPEND, O_RDONLY | O_DIRECTORY,
		O_RDONLY | O_NOFOLLOW, O_PATH | O_NOFOLLOW,
	};
	int slot = rnd(FDS), flag = flags[rnd(10)];
	mode_t mode = rnd(4) ? 0644 : rnd(010000);

	if (fds[slot] >= 0)
		close(fds[slot]);
	fds[slot] = open_at(p, flag, mode);
	printf("open %s %x %o slot %d: %s", show(p), flag, mode, slot,
	       fds[slot] < 0 ? strerrorname_np(errno) : "ok");
}

static void op_create(const char *p)
{
	int fd = open_at(p, O_CREAT | O_EXCL | O_WRONLY, 0644);
	ssize_t n = 0;
	uint32_t len = rnd(3) ? rnd(9000) : 0;

	printf("create %s %u: %s", show(p), len,
	       fd < 0 ? strerrorname_np(errno) : "ok");
	if (fd < 0)
		return;
	n = write(fd, data + rnd(1000), len);
	printf(" wrote %s", result(n));
	close(fd);
}

static void op_write(const char *p)
{
	uint32_t len = 1 + rnd(rnd(4) ? 5000 : 70000), from = rnd(30000);
	off_t off = some_offset();
	bool by_slot = rnd(2);
	int slot = rnd(FDS), fd = by_slot ? fds[slot] : open_at(p, O_RDWR, 0);

	printf("write %s at %lld len %u: ", by_slot ? "slot" : show(p),
	       (long long)off, len);
	if (fd < 0 || !regular(fd)) {
		printf("%s", by_slot || fd >= 0 ? "none" : strerrorname_np(errno));
	} else {
		printf("%s", result(pwrite(fd, data + from, len, off)));
	}
	if (!by_slot && fd >= 0)
		close(fd);
}

static void op_map(const char *p)
{
	off_t off = rnd(100000);
	uint32_t len = 1 + rnd(9000), from = rnd(30000);
	bool sync = rnd(2);
	struct stat st;
	char *map;
	int fd = open_at(p, O_RDWR, 0);

	printf("map %s at %lld len %u: ", show(p), (long long)off, len);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size <= off) {
		printf("%s", fd < 0 ? strerrorname_np(errno) : "none");
		if (fd >= 0)
			close(fd);
		return;
	}
	if (off + len > st.st_size)
		len = st.st_size - off;
	map = mmap(NULL, off + len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		printf("%s", strerrorname_np(errno));
	} else {
		memcpy(map + off, data + from, len);
		printf("%s", result(sync ? msync(map, off + len, MS_SYNC) : 0));
		munmap(map, off + len);
	}
	close(fd);
}

static void op_read(const char *p)
{
	bool by_slot = rnd(2);
	int slot = rnd(FDS), fd = by_slot ? fds[slot] : open_at(p, O_RDONLY, 0);
	struct stat st;

	printf("read %s: ", by_slot ? "slot" : show(p));
	if (fd < 0 || fstat(fd, &st))
		printf("%s", by_slot ? "none" : strerrorname_np(errno));
	else if (S_ISREG(st.st_mode) && !(fcntl(fd, F_GETFL) & O_PATH))
		printf("size %lld nlink %lu hash %016llx", (long long)st.st_size,
		       (unsigned long)st.st_nlink,
		       (unsigned long long)hash_file(fd, st.st_size));
	else
		show_stat(&st);
	if (!by_slot && fd >= 0)
		close(fd);
}

static void op_truncate(const char *p)
{
	off_t size = some_offset();
	int slot = rnd(FDS);

	if (rnd(2))
		printf("truncate %s %lld: %s", show(p), (long long)size,
		       result(truncate(p, size)));
	else
		printf("ftruncate slot %d %lld: %s", slot, (long long)size,
		       fds[slot] < 0 ? "none" :
		       result(ftruncate(fds[slot], size)));
}

static void op_symlink(const char *p)
{
	char target[4097], name[PATHLEN];
	unsigned int kind = rnd(8), len = 1 + rnd(kind < 4 ? 120 : linkmax);

	if (kind < 4) {
		pick(name);
		if (rnd(2))
			snprintf(target, sizeof(target), "%s%s",
				 rnd(2) ? "./" : "", name);
		else
			strcpy(target, "n1");
		len = strlen(target);
	} else {
		memset(target, 'a' + len % 26, len);
		target[len] = 0;
	}
	printf("symlink %s len %u: %s", show(p), len, result(symlink(target, p)));
}

static void op_readlink(const char *p)
{
	char buf[4200];
	unsigned int size = rnd(4) ? sizeof(buf) : 1 + rnd(200);
	ssize_t n = readlink(p, buf, size);

	printf("readlink %s: %s", show(p), result(n));
	if (n > 0)
		printf(" %016llx", (unsigned long long)hash(1, buf, n));
}

/* Over a directory that is not empty POSIX allows two answers; XFS has the other. */
static const char *rename_result(const char *from, const char *to, unsigned int flag)
{
	int ret = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flag);

	if (ret && errno == EEXIST && !(flag & RENAME_NOREPLACE))
		errno = ENOTEMPTY;
	return result(ret);
}

static void op_rename(const char *p)
{
	static const unsigned int flags[] = {
		0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT,
		RENAME_WHITEOUT | RENAME_NOREPLACE,
	};
	unsigned int flag = flags[rnd(7)];
	char to[PATHLEN];

	pick(to);
	printf("rename %s %s %u: %s", show(p), show(to), flag, rename_result(p, to, flag));
}

/* Flags and places that cannot be, and those that can. */
static void op_rename_odd(const char *p)
{
	static const unsigned int flags[] = {
		RENAME_EXCHANGE | RENAME_NOREPLACE, RENAME_EXCHANGE | RENAME_WHITEOUT,
		8, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT,
	};
	unsigned int flag = flags[rnd(7)], kind = rnd(4);
	char to[PATHLEN + 8];

	pick(to);
	if (kind == 0)
		strcpy(to, p);
	else if (kind == 1 && strlen(p) < 200)
		sprintf(to, "%s/in", p);
	else if (kind == 2 && strlen(to) < 200)
		strcat(to, "/");
	printf("rename odd %s %s %u: %s", show(p), show(to), flag, rename_result(p, to, flag));
}

static void op_link(const char *p)
{
	char to[PATHLEN], path[32];
	int slot = rnd(FDS);

	pick(to);
	switch (rnd(3)) {
	case 0:
		sprintf(path, "/proc/self/fd/%d", fds[slot]);
		printf("link slot %d %s: %s", slot, show(to), fds[slot] < 0 ?
		       "none" : result(linkat(AT_FDCWD, path, AT_FDCWD, to,
					      AT_SYMLINK_FOLLOW)));
		break;
	case 1:
		printf("link -L %s %s: %s", show(p), show(to),
		       result(linkat(AT_FDCWD, p, AT_FDCWD, to,
				     AT_SYMLINK_FOLLOW)));
		break;
	default:
		printf("link %s %s: %s", show(p), show(to), result(link(p, to)));
	}
}

static void op_tmpfile(const char *p)
{
	int slot = rnd(FDS), len = rnd(20000);
	int flags = O_TMPFILE | O_RDWR | (rnd(3) ? 0 : O_EXCL);
	char dir[PATHLEN];

	sprintf(dir, "d%u", rnd(3));
	if (fds[slot] >= 0)
		close(fds[slot]);
	fds[slot] = open(dir, flags, 0640);
	printf("tmpfile %s slot %d: %s", dir, slot,
	       fds[slot] < 0 ? strerrorname_np(errno) : "ok");
	if (fds[slot] >= 0)
		printf(" wrote %s", result(write(fds[slot], data, len)));
}

static void op_mknod(const char *p)
{
	static const mode_t kinds[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	mode_t mode = kinds[rnd(4)] | rnd(01000);
	dev_t dev = makedev(240 + rnd(majors), rnd(100000));

	printf("mknod %s %o %u:%u: %s", show(p), mode, major(dev), minor(dev),
	       result(mknod(p, mode, dev)));
}

static void op_times(const char *p)
{
	struct timespec ts[2] = {
		{ (long long)rnd(1u << 31) * 7 - 2000000000, rnd(1000000000) },
		{ (long long)rnd(1u << 31) * 7 - 2000000000, rnd(1000000000) },
	};
	int flag = rnd(2) ? AT_SYMLINK_NOFOLLOW : 0;
	int ret = utimensat(AT_FDCWD, p, ts, flag);
	struct stat st;

	printf("utimes %s %x: %s", show(p), flag, result(ret));
	if (!ret && !fstatat(AT_FDCWD, p, &st, flag))
		printf(" %lld.%09ld %lld.%09ld", (long long)st.st_atim.tv_sec,
		       st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec,
		       st.st_mtim.tv_nsec);
}

static void op_attr(const char *p)
{
	mode_t mode = rnd(010000);
	uid_t uid = rnd(3) ? rnd(5) * 500 : (uid_t)-1;
	gid_t gid = rnd(3) ? rnd(5) * 500 : (gid_t)-1;

	switch (rnd(3)) {
	case 0:
		printf("chmod %s %o: %s", show(p), mode, result(chmod(p, mode)));
		break;
	case 1:
		printf("chown %s %d %d: %s", show(p), uid, gid,
		       result(chown(p, uid, gid)));
		break;
	default:
		printf("lchown %s %d %d: %s", show(p), uid, gid,
		       result(lchown(p, uid, gid)));
	}
}

static void op_stat(const char *p)
{
	struct stat st;
	int ret = rnd(2) ? stat(p, &st) : lstat(p, &st);

	printf("stat %s: %s", show(p), result(ret));
	if (!ret)
		show_stat(&st);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct dirent **)a)->d_name, (*(struct dirent **)b)->d_name);
}

/* The entries of a directory, sorted; their number, or -1. */
static int list(int dfd, struct dirent ***out)
{
	struct dirent *de, **v = NULL;
	int n = 0;
	DIR *dir;
	int fd = openat(dfd, ".", O_RDONLY | O_DIRECTORY);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		v = realloc(v, (n + 1) * sizeof(*v));
		v[n] = malloc(sizeof(*de));
		memcpy(v[n++], de, de->d_reclen);
	}
	closedir(dir);
	qsort(v, n, sizeof(*v), by_name);
	*out = v;
	return n;
}

static void op_list(const char *p)
{
	int fd = open_at(p, O_RDONLY | O_DIRECTORY, 0), n, i;
	uint64_t h = 1;
	struct dirent **v;

	if (fd < 0) {
		printf("list %s: %s", show(p), strerrorname_np(errno));
		return;
	}
	n = list(fd, &v);
	close(fd);
	printf("list %s: %s", show(p), result(n));
	for (i = 0; i < n; i++) {
		h = hash(h, v[i]->d_name, strlen(v[i]->d_name) + 1);
		h = hash(h, &v[i]->d_type, 1);
		free(v[i]);
	}
	if (n >= 0) {
		printf(" %016llx", (unsigned long long)h);
		free(v);
	}
}

static void op_sync(const char *p)
{
	int slot = rnd(FDS), kind = rnd(4);

	if (kind == 3)
		sync();
	printf("sync %d: %s", kind, fds[slot] < 0 || kind == 3 ? "none" :
	       kind == 0 ? result(fsync(fds[slot])) :
	       kind == 1 ? result(fdatasync(fds[slot])) :
	       result(syncfs(fds[slot])));
}

static void op_mkdir(const char *p)
{
	mode_t mode = rnd(4) ? 0777 : rnd(010000);

	printf("mkdir %s %o: %s", show(p), mode, result(mkdir(p, mode)));
}

/* Directories lose their names to files all the time: give one back. */
static void op_rebuild(const char *p)
{
	static const char *const dirs[] = {
		"d0", "d1", "d2", "d0/d1", "d1/d0", "d2/d2",
	};
	const char *dir = dirs[rnd(6)];

	printf("rebuild %s: %s", dir, result(unlink(dir)));
	printf(" %s", result(mkdir(dir, 0777)));
	printf(" %s", result(chmod(dir, 0777)));
}

static void op_remove(const char *p)
{
	if (rnd(3))
		printf("unlink %s: %s", show(p), result(unlink(p)));
	else
		printf("rmdir %s: %s", show(p), result(rmdir(p)));
}

static const struct {
	void (*fn)(const char *path);
	unsigned int weight;
	unsigned int with, without;	/* classes */
} ops[] = {
	{ op_create, 9 }, { op_open, 8 }, { op_write, 10 }, { op_read, 8 },
	{ op_map, 3, 0, CLASS_SEEK }, { op_truncate, 5 }, { op_mkdir, 8 }, { op_remove, 13 },
	{ op_symlink, 8 }, { op_readlink, 4 }, { op_rename, 14 }, { op_link, 6 },
	{ op_tmpfile, 2 }, { op_mknod, 2 }, { op_times, 2 }, { op_attr, 5 },
	{ op_stat, 6 }, { op_list, 4 }, { op_sync, 1 },
	{ op_rebuild, 5 },
	{ op_falloc, 14, CLASS_FALLOC }, { op_seek, 5, CLASS_SEEK },
	{ op_xattr, 14, CLASS_XATTR }, { op_acl, 7, CLASS_ACL },
	{ op_rename_odd, 3, CLASS_RENAME },
};

static unsigned int weight_of(unsigned int k)
{
	if ((ops[k].with & classes) != ops[k].with || ops[k].without & classes)
		return 0;
	return ops[k].weight;
}

static void dump(int dfd, const char *path)
{
	struct dirent **v;
	int n = list(dfd, &v), i, fd;
	char sub[8192], target[4200], proc[320];
	struct stat st;
	ssize_t len;

	for (i = 0; i < n; i++) {
		const char *name = v[i]->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, name);
		if (fstatat(dfd, name, &st, AT_SYMLINK_NOFOLLOW)) {
			printf("tree %s: %s\n", sub, strerrorname_np(errno));
			continue;
		}
		printf("tree %s:", sub);
		show_stat(&st);
		if (S_ISLNK(st.st_mode)) {
			len = readlinkat(dfd, name, target, sizeof(target));
			printf(" -> %.*s", (int)(len < 0 ? 0 : len), target);
		} else if (S_ISREG(st.st_mode)) {
			fd = openat(dfd, name, O_RDONLY);
			printf(" hash %016llx",
			       (unsigned long long)hash_file(fd, st.st_size));
			close(fd);
		}
		if ((classes & (CLASS_XATTR | CLASS_ACL)) && !is_whiteout(&st)) {
			/* links in /proc do not follow the last one */
			snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", dfd, name);
			dump_xattrs(dfd == AT_FDCWD ? name : proc);
		}
		putchar('\n');
		if (S_ISDIR(st.st_mode)) {
			fd = openat(dfd, name, O_RDONLY | O_DIRECTORY);
			dump(fd, sub);
			close(fd);
		}
	}
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void close_all(void)
{
	int i;

	for (i = 0; i < FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/*
 * Writing into a preallocated range, ext4 fills up to 32 KiB around with zeros
 * rather than remember what is written; then there are no holes to compare.
 */
static void no_zeroout(const char *dev)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/extent_max_zeroout_kb",
		 strrchr(dev, '/') + 1);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void unmount(const char *dir)
{
	close_all();
	if (getenv("FSOPS_DEV") && (chdir("/") || umount2(dir, 0)))
		die("umount");
}

static void mount_it(const char *dir)
{
	const char *dev = getenv("FSOPS_DEV"), *type = getenv("FSTYPE");

	if (dev && mount(dev, dir, type, 0, getenv("FSOPS_OPTIONS")))
		die("mount");
	if (dev && !strcmp(type, "ext4"))
		no_zeroout(dev);
	if (chdir(dir))
		die(dir);
}

static void one_op(unsigned int i)
{
	static unsigned int total;
	unsigned int k, w;
	char path[PATHLEN];
	bool user = rnd(12) == 0;

	if (!total)
		for (k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
			total += weight_of(k);
	w = rnd(total);
	for (k = 0; w >= weight_of(k); k++)
		w -= weight_of(k);
	pick(path);
	printf("%u %s", i, user ? "user " : "");
	if (user && (setegid(1000) || seteuid(1000)))
		die("seteuid");
	ops[k].fn(path);
	if (user && (seteuid(0) || setegid(0)))
		die("seteuid");
	putchar('\n');
}

static unsigned int class_mask(const char *names)
{
	static const char *const known[] = { "falloc", "seek", "xattr", "acl", "rename" };
	unsigned int mask = 0;

	for (unsigned int i = 0; names && i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(names, known[i]))
			mask |= 1u << i;
	return mask;
}

int main(int argc, char **argv)
{
	unsigned int count, i;
	static char out[1 << 16];

	if (argc != 4) {
		fprintf(stderr, "usage: fsops DIR SEED COUNT\n");
		return 2;
	}
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	count = strtoul(argv[3], NULL, 0);
	if (getenv("FSOPS_XFS")) {
		linkmax = 1000;
		majors = 256;
	}
	classes = class_mask(getenv("FSOPS_CLASSES"));
	for (i = 0; i < sizeof(data); i++)
		data[i] = rnd(255) + 1;
	for (i = 0; i < FDS; i++)
		fds[i] = -1;
	umask(022);
	if (setgroups(0, NULL))
		die("setgroups");
	mount_it(argv[1]);
	/* which ext4 makes, and counts as a link of the top */
	rmdir("lost+found");
	if (chmod(".", 0777))
		die(argv[1]);
	for (i = 0; i < count; i++) {
		if (i && i % (count / 5 + 1) == 0) {
			unmount(argv[1]);
			mount_it(argv[1]);
		}
		one_op(i);
	}
	unmount(argv[1]);
	mount_it(argv[1]);
	dump(AT_FDCWD, "");
	unmount(argv[1]);
	return fflush(stdout) ? 2 : 0;
}
