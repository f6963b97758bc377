// SPDX-License-Identifier: GPL-2.0
/*
 * The phases of the benchmark, in the guest, on a volume made by mkfs just before.
 *
 * usage: phases PEER TYPE DEVICE MOUNTPOINT GROUP [NAME=VALUE...] [-- COMMAND...]
 *
 * Lines on standard output, with tabs between the fields:
 *	R peer set phase operations wall busy reads read-bytes writes written-bytes flushes
 *	V peer set phase name value
 *	N peer set phase note
 * The phase "x.sync" is the syncfs(2) after x, "x.total" everything from before the
 * mount to after the unmount.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "measure.h"

static int len = 40;		/* bytes of a link's target */
static int count = 1000;
static bool other;		/* targets in another directory than the links */
static int fsyncs = 200;
static int size = 4096;		/* bytes of a small file */
static const char *label;	/* of a command */
static bool cold;		/* drop the caches before the command */
static char **command;

#define NAME_LEN 8
#define PATH_LEN 256

static char here[PATH_LEN - 32];	/* the directory that the phase works in */

/* Whole paths, made with printf: what programs do. */
static char *path_of(char *buf, char kind, unsigned int i)
{
	snprintf(buf, PATH_LEN, "%s/%c%07u", here, kind, i);
	return buf;
}

static int targets(void)
{
	return count / 8 + 1;
}

/* The target of link @i: of exactly @len bytes, and it exists. Neighbours share it. */
static void target_of(char *buf, int i)
{
	const char *dir = other ? "../t/" : "";
	int pad = len - NAME_LEN - (int)strlen(dir), k = 0;

	strcpy(buf, dir);
	buf += strlen(dir);
	while (k + 1 < pad) {
		buf[k++] = '.';
		buf[k++] = '/';
	}
	if (k < pad)
		buf[k++] = '/';
	sprintf(buf + k, "t%07d", i / 8);
}

static void enter(const char *sub)
{
	snprintf(here, sizeof(here), "%s/%s", vol.mnt, sub);
	if (chdir(here))
		die("chdir", here);
}

static void leave(void)
{
	if (chdir("/"))
		die("chdir", "/");
}

static void mount_again(void)
{
	if (!vol.mem)
		vol_mount();
}

static void umount_now(void)
{
	leave();
	if (!vol.mem)
		vol_umount();
}

/* A phase with all that belongs to it, from mount to unmount. */
static void life(const char *sub, const char *phase, unsigned long (*work)(void))
{
	struct counters all, c;
	unsigned long ops;
	char name[64];

	begin(&all);
	mount_again();
	enter(sub);
	begin(&c);
	ops = work();
	end(&c, phase, ops);
	begin(&c);
	vol_sync();
	snprintf(name, sizeof(name), "%s.sync", phase);
	end(&c, name, ops);
	umount_now();
	snprintf(name, sizeof(name), "%s.total", phase);
	end(&all, name, ops);
}

static void simple(const char *phase, unsigned long (*work)(void))
{
	struct counters c;
	unsigned long ops;

	begin(&c);
	ops = work();
	end(&c, phase, ops);
}

static void make_dir(const char *name)
{
	char path[PATH_LEN + 64];

	snprintf(path, sizeof(path), "%s/%s", vol.mnt, name);
	if (mkdir(path, 0755))
		die("mkdir", path);
}

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		die("create", name);
	close(fd);
}

/* What the phases find: d for links, h for hard links, f for files, and the targets. */
static void prepare(void)
{
	char name[PATH_LEN];
	int i;

	vol_mount();
	make_dir("d");
	make_dir("t");
	make_dir("h");
	make_dir("f");
	enter(other ? "t" : "d");
	for (i = 0; i < targets(); i++)
		make_file(path_of(name, 't', i));
	umount_now();
}

/* One operation for each name */

static unsigned long do_symlinks(void)
{
	char name[PATH_LEN], target[4200];
	int i;

	for (i = 0; i < count; i++) {
		target_of(target, i);
		if (symlink(target, path_of(name, 'l', i)))
			die("symlink", name);
	}
	return count;
}

static unsigned long do_readlink(void)
{
	char name[PATH_LEN], target[4200];
	int i;

	for (i = 0; i < count; i++)
		if (readlink(path_of(name, 'l', i), target, sizeof(target)) != len)
			die("readlink", name);
	return count;
}

static unsigned long do_stat(void)
{
	char name[PATH_LEN];
	struct stat st;
	int i;

	for (i = 0; i < count; i++)
		if (stat(path_of(name, 'l', i), &st))
			die("stat", name);
	return count;
}

static unsigned long do_replace(void)
{
	char name[PATH_LEN], temp[PATH_LEN], target[4200];
	int i;

	path_of(temp, 'x', 0);
	for (i = 0; i < count; i++) {
		target_of(target, count - 1 - i);
		if (symlink(target, temp) || rename(temp, path_of(name, 'l', i)))
			die("replace", name);
	}
	return count;
}

static unsigned long do_fsync(void)
{
	char name[PATH_LEN], target[4200];
	int fd = open(".", O_RDONLY | O_DIRECTORY), i;

	for (i = 0; i < fsyncs; i++) {
		target_of(target, i);
		if (symlink(target, path_of(name, 's', i)) || fsync(fd))
			die("symlink and fsync", name);
	}
	close(fd);
	return fsyncs;
}

static unsigned long do_hardlinks(void)
{
	char name[PATH_LEN], to[PATH_LEN];
	int i;

	for (i = 0; i < count; i++) {
		snprintf(to, sizeof(to), "%s/d/t%07d", vol.mnt, i / 8);
		if (link(to, path_of(name, 'h', i)))
			die("link", name);
	}
	return count;
}

static unsigned long do_unlink(void)
{
	char name[PATH_LEN];
	int i;

	for (i = 0; i < count; i++)
		if (unlink(path_of(name, 'h', i)))
			die("unlink", name);
	return count;
}

/* In the order that readdir gives */

enum visit { VISIT_READLINK, VISIT_LSTAT, VISIT_STAT, VISIT_UNLINK, VISIT_READ };

struct dirent64_raw {
	uint64_t ino, off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static void visit(int dir, const char *name, enum visit how)
{
	static char buf[65536];
	struct stat st;
	int fd;

	switch (how) {
	case VISIT_READLINK:
		if (readlinkat(dir, name, buf, sizeof(buf)) < 0)
			die("readlink", name);
		break;
	case VISIT_LSTAT:
	case VISIT_STAT:
		if (fstatat(dir, name, &st, how == VISIT_STAT ? 0 : AT_SYMLINK_NOFOLLOW))
			die("stat", name);
		break;
	case VISIT_UNLINK:
		if (unlinkat(dir, name, 0))
			die("unlink", name);
		break;
	case VISIT_READ:
		fd = openat(dir, name, O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
			die("read", name);
		close(fd);
	}
}

/* All entries but "." and "..", and, but for unlinking, all that are no targets. */
static unsigned long traverse(enum visit how)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	static char buf[32768];
	unsigned long ops = 0;
	long got, at;

	while ((got = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (at = 0; at < got;) {
			struct dirent64_raw *d = (void *)(buf + at);

			at += d->reclen;
			if (d->name[0] == '.' || (d->name[0] == 't' && how != VISIT_UNLINK))
				continue;
			visit(dir, d->name, how);
			ops++;
		}
	}
	if (got < 0)
		die("getdents", ".");
	close(dir);
	return ops;
}

static unsigned long do_traverse_readlink(void)
{
	return traverse(VISIT_READLINK);
}

static unsigned long do_traverse_lstat(void)
{
	return traverse(VISIT_LSTAT);
}

static unsigned long do_traverse_stat(void)
{
	return traverse(VISIT_STAT);
}

static unsigned long do_remove(void)
{
	return traverse(VISIT_UNLINK);
}

static unsigned long do_traverse_read(void)
{
	return traverse(VISIT_READ);
}

static void simple_cold(const char *sub, const char *phase, unsigned long (*work)(void))
{
	mount_again();
	drop_caches();
	enter(sub);
	simple(phase, work);
	umount_now();
}

/* Create, with the space that it took. */
static void create_links(void)
{
	uint64_t used, slab;

	if (vol.mem) {
		slab = slab_bytes();
		life("d", "symlink", do_symlinks);
		value("cached", "slab", (double)(slab_bytes() - slab) / count);
		return;
	}
	vol_mount();
	used = vol_used();
	vol_umount();
	life("d", "symlink", do_symlinks);
	vol_mount();
	vol_sync();
	value("space", "bytes", (double)(int64_t)(vol_used() - used) / count);
	vol_umount();
}

/* Cold lstat of all, with the memory that the inodes take then. */
static void cached_links(void)
{
	uint64_t slab, page, free_bytes;

	vol_mount();
	drop_caches();
	drop_caches();
	slab = slab_bytes();
	page = page_bytes();
	free_bytes = memory_free();
	enter("d");
	simple("cold lstat", do_traverse_lstat);
	value("cached", "slab", (double)(int64_t)(slab_bytes() - slab) / count);
	value("cached", "pages", (double)(int64_t)(page_bytes() - page) / count);
	value("cached", "memory", (double)(int64_t)(free_bytes - memory_free()) / count);
	simple("warm readdir readlink", do_traverse_readlink);
	value("cached", "slab and targets", (double)(int64_t)(slab_bytes() - slab) / count);
	umount_now();
}

static bool too_long(void)
{
	char target[4200];

	mount_again();
	enter("t");
	target_of(target, 0);
	if (!symlink(target, "x")) {
		unlink("x");
		umount_now();
		return false;
	}
	if (errno != ENAMETOOLONG)
		die("symlink", "x");
	umount_now();
	note("symlink", "targets of this length are not possible");
	return true;
}

static void group_links(void)
{
	prepare();
	if (too_long())
		return;
	create_links();
	if (!vol.mem) {
		simple_cold("d", "cold readlink", do_traverse_readlink);
		cached_links();
		simple_cold("d", "cold stat", do_traverse_stat);
	}
	mount_again();
	enter("d");
	do_stat();
	do_readlink();
	simple("warm readlink", do_readlink);
	simple("warm stat", do_stat);
	umount_now();
	life("d", "replace", do_replace);
	mount_again();
	enter("d");
	if (!vol.mem)
		vol_sync();
	simple("symlink fsync", do_fsync);
	umount_now();
	life("d", "rm", do_remove);
}

/* Many links: only what I/O and space can be told from. */
static void group_io(void)
{
	prepare();
	if (too_long())
		return;
	create_links();
	simple_cold("d", "cold readlink", do_traverse_readlink);
	cached_links();
	simple_cold("d", "cold stat", do_traverse_stat);
	life("d", "rm", do_remove);
}

static void group_hard(void)
{
	prepare();
	life("h", "link", do_hardlinks);
	if (!vol.mem)
		simple_cold("h", "cold lstat of hard links", do_traverse_lstat);
	life("h", "unlink", do_unlink);
}

/* Growth of a directory */

static int grow_from;
static unsigned long sample;

static unsigned long do_grow(void)
{
	char name[PATH_LEN], target[4200];
	int i;

	for (i = grow_from; i < count; i++) {
		target_of(target, i % 64);
		if (symlink(target, path_of(name, 'l', i)))
			die("symlink", name);
	}
	return count - grow_from;
}

/* The k-th of the names that are taken at random. */
static unsigned int pick(unsigned long k)
{
	return (k * 7919 + 13) % count;
}

static unsigned long do_missing(void)
{
	char name[PATH_LEN];
	struct stat st;
	unsigned long k;

	for (k = 0; k < sample; k++)
		if (!lstat(path_of(name, 'm', pick(k)), &st) || errno != ENOENT)
			die("lstat", name);
	return sample;
}

static unsigned long do_unlink_some(void)
{
	char name[PATH_LEN];
	unsigned long k;

	for (k = 0; k < sample; k++)
		if (unlink(path_of(name, 'l', pick(k))))
			die("unlink", name);
	return sample;
}

static unsigned long do_create_some(void)
{
	char name[PATH_LEN], target[4200];
	unsigned long k;

	for (k = 0; k < sample; k++) {
		target_of(target, k % 64);
		if (symlink(target, path_of(name, 'l', pick(k))))
			die("symlink", name);
	}
	return sample;
}

static void group_growth(void)
{
	int most = count, step;
	char base[sizeof(vol.set)];

	snprintf(base, sizeof(base), "%s", vol.set);
	count = 1000;	/* that many targets */
	prepare();
	mount_again();
	for (step = 1000; step <= most; step *= 10) {
		count = step;
		sample = 500;
		snprintf(vol.set, sizeof(vol.set), "%.90s entries=%d", base, step);
		enter("d");
		simple("symlink", do_grow);
		grow_from = step;
		leave();
		vol_sync();
		enter("d");
		simple("missing name", do_missing);
		simple("unlink at random", do_unlink_some);
		simple("symlink at random", do_create_some);
		leave();
		vol_sync();
		if (!vol.mem) {
			value("space", "bytes", vol_used());
			vol_umount();
			vol_mount();
			enter("d");
			simple("cold readlink", do_traverse_readlink);
			leave();
		}
	}
	enter("d");
	simple("rm", do_remove);
	umount_now();
}

/* Regular files */

static unsigned long do_small_files(void)
{
	char name[PATH_LEN], *buf = calloc(1, size);
	int i, fd;

	memset(buf, 'x', size);
	for (i = 0; i < count; i++) {
		fd = open(path_of(name, 'f', i), O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || write(fd, buf, size) != size || close(fd))
			die("write", name);
	}
	free(buf);
	return count;
}

static unsigned long do_append(void)
{
	char buf[4096];
	int fd = open("appended", O_CREAT | O_APPEND | O_WRONLY, 0644), i;

	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < fsyncs; i++)
		if (write(fd, buf, sizeof(buf)) != sizeof(buf) || fsync(fd))
			die("append and fsync", "appended");
	close(fd);
	return fsyncs;
}

static void group_files(void)
{
	prepare();
	life("f", "create and write", do_small_files);
	if (!vol.mem)
		simple_cold("f", "cold read", do_traverse_read);
	mount_again();
	enter("f");
	do_traverse_read();
	simple("warm read", do_traverse_read);
	umount_now();
	life("f", "rm files", do_remove);
	mount_again();
	enter("f");
	if (!vol.mem)
		vol_sync();
	simple("append fsync", do_append);
	umount_now();
}

/* Data of one file */

static int big = 64 << 20;		/* bytes moved by 1 MiB */
static int small = 16 << 20;		/* and by 4 KiB */
static struct {
	int block, blocks;
	bool write, random, direct;
} data;

static unsigned long do_data(void)
{
	char path[PATH_LEN + 8];
	int fd, i, at;
	long done;
	void *buf = NULL;

	snprintf(path, sizeof(path), "%s/data", here);
	fd = open(path, O_CREAT | O_RDWR | (data.direct ? O_DIRECT : 0), 0644);
	if (fd < 0 || posix_memalign(&buf, 4096, data.block))
		die("open", path);
	memset(buf, 'x', data.block);
	for (i = 0; i < data.blocks; i++) {
		/* the number of blocks is a power of two */
		at = data.random ? (i * 7919 + 13) & (data.blocks - 1) : i;
		done = data.write ? pwrite(fd, buf, data.block, (off_t)at * data.block) :
				    pread(fd, buf, data.block, (off_t)at * data.block);
		if (done != data.block)
			die(data.write ? "write" : "read", path);
	}
	free(buf);
	close(fd);
	return data.blocks;
}

static void group_data(void)
{
	char name[64];
	int k;

	prepare();
	/* tmpfs has direct I/O since 6.6 only, and it is none */
	for (k = 0; k < (vol.mem ? 8 : 16); k++) {
		data.write = !(k & 1);
		data.random = k & 2;
		data.block = k & 4 ? 4096 : 1 << 20;
		data.blocks = (k & 4 ? small : big) / data.block;
		data.direct = k & 8;
		snprintf(name, sizeof(name), "%s %s%s %s", k & 4 ? "4K" : "1M",
			 data.random ? "random " : "", data.write ? "write" : "read",
			 data.direct ? "direct" : "buffered");
		drop_caches();
		life("f", name, do_data);
	}
}

/* Processes side by side: how much more they do than one. Real time, in a guest with four processors. */

#define MOST_PROCESSES 4

static void links_of_one(unsigned int k, bool shared)
{
	static const char target[] = "../a/target/of/some/forty/characters/it/is";
	char name[64], to[64], got[64];
	unsigned int dir = shared ? 0 : k;
	int i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%u/l%u.%07d", dir, k, i);
		snprintf(to, sizeof(to), "%u/h%u.%07d", dir, k, i);
		if (symlink(target, name) || link(name, to) ||
		    readlink(to, got, sizeof(got)) != sizeof(target) - 1 || unlink(name))
			die("links", name);
	}
}

/* Operations a second of @procs processes, on a volume with nothing to write back. */
static double rate_of(unsigned int procs, bool shared, const char *sub)
{
	static const char *const dirs[MOST_PROCESSES] = { "0", "1", "2", "3" };
	int go[2], status;
	unsigned int k;
	uint64_t begun;
	char c;

	make_dir(sub);
	enter(sub);
	for (k = 0; k < MOST_PROCESSES; k++)
		if (mkdir(dirs[k], 0755))
			die("mkdir", dirs[k]);
	vol_sync();
	if (pipe(go))
		die("pipe", sub);
	for (k = 0; k < procs; k++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork", sub);
		if (!pid) {
			close(go[1]);
			if (read(go[0], &c, 1))
				die("read", "pipe");
			links_of_one(k, shared);
			_exit(0);
		}
	}
	close(go[0]);
	begun = now();
	close(go[1]);
	for (k = 0; k < procs; k++)
		if (wait(&status) < 0 || status)
			die("wait", sub);
	leave();
	return 4.0 * procs * count * 1e9 / (now() - begun);
}

static void group_parallel(void)
{
	static const unsigned int procs[] = { 1, 2, 4 };
	char name[64], sub[64];
	double best[3];
	unsigned int p;
	int shared, r;

	vol_mount();
	for (shared = 0; shared < 2; shared++) {
		memset(best, 0, sizeof(best));
		/* Other things that the machine does make it slower, never faster. */
		for (r = 0; r < 3; r++) {
			for (p = 0; p < 3; p++) {
				double rate;

				snprintf(sub, sizeof(sub), "%d.%d.%u", shared, r, procs[p]);
				rate = rate_of(procs[p], shared, sub);
				if (rate > best[p])
					best[p] = rate;
			}
		}
		for (p = 1; p < 3; p++) {
			snprintf(name, sizeof(name), "%u processes, %s", procs[p],
				 shared ? "one directory" : "a directory each");
			value(name, "speedup", best[p] / best[0]);
		}
	}
	if (!vol.mem)
		vol_umount();
}

/* A command, from mount to unmount */

static unsigned long do_command(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork", command[0]);
	if (!pid) {
		execvp(command[0], command);
		die("exec", command[0]);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "phases: %s: %s: status %#x\n", vol.peer, label, status);
		exit(1);
	}
	return count;
}

/* tmpfs is mounted by who runs the commands, for it must outlive this program. */
static void group_command(void)
{
	if (cold)
		drop_caches();
	life(".", label, do_command);
}

/* What is known without doing anything */
static void group_sizes(void)
{
	static const char *const caches[] = {
		"lnkfs_inode", "ext4_inode_cache", "xfs_inode", "xfs_ili", "btrfs_inode",
		"f2fs_inode_cache",
		"shmem_inode_cache", "dentry",
	};
	unsigned int i;

	for (i = 0; i < sizeof(caches) / sizeof(caches[0]); i++)
		slab_object("inode", caches[i]);
}

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "links", group_links },
	{ "io", group_io },
	{ "hard", group_hard },
	{ "growth", group_growth },
	{ "files", group_files },
	{ "data", group_data },
	{ "parallel", group_parallel },
	{ "command", group_command },
	{ "sizes", group_sizes },
};

static void setting(char *arg)
{
	char *v = strchr(arg, '=');

	if (!v) {
		fprintf(stderr, "phases: what is '%s'?\n", arg);
		exit(2);
	}
	*v++ = 0;
	if (!strcmp(arg, "label")) {
		label = v;
		return;
	}
	if (!strcmp(arg, "cold")) {
		cold = true;
		return;
	}
	if (!strcmp(arg, "len"))
		len = atoi(v);
	else if (!strcmp(arg, "n"))
		count = atoi(v);
	else if (!strcmp(arg, "fsyncs"))
		fsyncs = atoi(v);
	else if (!strcmp(arg, "big"))
		big = atoi(v);
	else if (!strcmp(arg, "small"))
		small = atoi(v);
	else if (!strcmp(arg, "size"))
		size = atoi(v);
	else if (!strcmp(arg, "dir"))
		other = !strcmp(v, "other");
	if (strcmp(arg, "fsyncs")) {
		size_t used = strlen(vol.set);

		snprintf(vol.set + used, sizeof(vol.set) - used, " %s=%s", arg, v);
	}
}

int main(int argc, char **argv)
{
	unsigned int g;
	int i;

	if (argc < 6) {
		fputs("usage: phases PEER TYPE DEVICE MOUNTPOINT GROUP [NAME=VALUE...] [-- COMMAND...]\n",
		      stderr);
		return 2;
	}
	vol.peer = argv[1];
	vol.type = argv[2];
	vol.dev = argv[3];
	vol.mnt = argv[4];
	vol.mem = !strcmp(vol.type, "tmpfs");
	snprintf(vol.set, sizeof(vol.set), "%s", argv[5]);
	for (i = 6; i < argc && strcmp(argv[i], "--"); i++)
		setting(argv[i]);
	if (i < argc)
		command = argv + i + 1;
	for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		if (!strcmp(groups[g].name, argv[5]))
			break;
	if (g == sizeof(groups) / sizeof(groups[0])) {
		fprintf(stderr, "phases: no group '%s'\n", argv[5]);
		return 2;
	}
	groups[g].run();
	if (vol.mem && groups[g].run != group_command && groups[g].run != group_sizes)
		vol_umount();
	return 0;
}
