// SPDX-License-Identifier: GPL-2.0
/*
 * Every flag with every operation, type of object and user: each cell of the
 * table must give exactly the errno that the row's checks lead to, and what
 * fails must leave no trace. Where chattr has the flag too, ext4 is held
 * against the same table.
 */
#include <linux/fs.h>
#include <sys/socket.h>

#include "flags_ops.h"
#include "volume.h"

LNKFS_ONLY

#define MAX_REPORTS	60	/* of failed cells in full */

struct flag {
	const char *name;
	uint32_t word;
	uint32_t chattr;	/* what ext4 calls it */
};

static const struct flag flags[] = {
	{ "none", 0, 0 },
	{ "UF_IMMUTABLE", LNKFS_UF_IMMUTABLE, 0 },
	{ "SF_IMMUTABLE", LNKFS_SF_IMMUTABLE, FS_IMMUTABLE_FL },
	{ "UF_APPEND", LNKFS_UF_APPEND, 0 },
	{ "SF_APPEND", LNKFS_SF_APPEND, FS_APPEND_FL },
	{ "UF_NOUNLINK", LNKFS_UF_NOUNLINK, 0 },
	{ "SF_NOUNLINK", LNKFS_SF_NOUNLINK, 0 },
	{ "UF_HIDDEN", LNKFS_UF_HIDDEN, 0 },
};

struct message {
	struct job job;
	enum { DO_PREPARE, DO_RUN, DO_CLEAN } what;
};

struct worker {
	pid_t pid;
	int fd;
};

/* Where the objects of a cell are; NULL ends. */
static const char *const watched[] = { ".", "o", "x", "p", "p/e", "o/e", "o/s", NULL };
#define NWATCHED	7

struct state {
	struct statx sx[NWATCHED];
	int err[NWATCHED];
	uint32_t word;
	int len;
	char content[4096];
};

static struct table {
	bool ext4;
	struct worker nsroot;
	int dir;		/* the working directory, open */
	int probes[NPROBES];
	/* the scene as it stands, if it stands */
	bool ready;
	enum type type;
	bool fill;
	mode_t mode;
	struct timespec built;
	unsigned int cells, failed;
} tab;

static int perform(struct message *m)
{
	const struct op *op = &ops[m->job.op];
	long ret = 0;

	errno = 0;
	if (m->what == DO_PREPARE)
		ret = op->prepare(&m->job);
	else if (m->what == DO_RUN)
		ret = op->run(&m->job);
	else
		op_done();
	return ret == -1 ? errno : 0;
}

static void work(int fd)
{
	struct message m;
	int err;

	while (read(fd, &m, sizeof(m)) == sizeof(m)) {
		err = perform(&m);
		if (write(fd, &err, sizeof(err)) != sizeof(err))
			break;
	}
	_exit(0);
}

static long set_ids(uid_t uid, gid_t gid)
{
	if (!uid)
		return syscall(SYS_setresuid, 0, 0, 0) ?: syscall(SYS_setresgid, 0, 0, 0);
	return syscall(SYS_setresgid, gid, gid, 0) ?: syscall(SYS_setresuid, uid, uid, 0);
}

/*
 * Have @u do it; its errno. The saved uid of 0 is the way back and counts for
 * nothing else. Who is in a namespace does not come back: that is a process of
 * its own.
 */
static int ask(enum user u, struct message *m)
{
	int err;

	if (u == U_NSROOT) {
		if (write(tab.nsroot.fd, m, sizeof(*m)) != sizeof(*m) ||
		    read(tab.nsroot.fd, &err, sizeof(err)) != sizeof(err))
			return -1;
		return err;
	}
	if (u == U_OWNER && set_ids(TEST_UID, TEST_GID))
		return -1;
	if (u == U_OTHER && set_ids(OTHER_UID, OTHER_GID))
		return -1;
	err = perform(m);
	return u != U_ROOT && set_ids(0, 0) ? -1 : err;
}

static int start_worker(void)
{
	cpu_set_t one;
	int pair[2];

	/* They take turns: one processor has no need to wake another. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (setgroups(0, NULL) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	tab.nsroot.fd = pair[0];
	tab.nsroot.pid = fork_as(U_NSROOT);
	if (!tab.nsroot.pid) {
		close(pair[0]);
		work(pair[1]);
	}
	close(pair[1]);
	return 0;
}

static void stop_worker(void)
{
	close(tab.nsroot.fd);
	waitpid(tab.nsroot.pid, NULL, 0);
}

/* The object's flags, by whatever the filesystem has for it. */
static int set_word(const char *name, uint32_t word)
{
	unsigned int fl;
	int fd, ret;

	if (!tab.ext4) {
		fd = open_path(name);
		ret = attr_set(tab.dir, fd, LNKFS_ATTR_FLAGS, 0, word);
		close(fd);
		return ret;
	}
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_GETFLAGS, &fl);
	fl &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].word == word)
			fl |= flags[i].chattr;
	if (!ret)
		ret = ioctl(fd, FS_IOC_SETFLAGS, &fl);
	close(fd);
	return ret;
}

static uint32_t get_word(const char *name)
{
	struct lnkfs_attr a;
	uint32_t word = ~0u;
	unsigned int fl;
	int fd;

	if (!tab.ext4) {
		fd = open_path(name);
		word = attr_get(tab.dir, fd, &a) ? ~0u : a.a_flags;
		close(fd);
		return word;
	}
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && !ioctl(fd, FS_IOC_GETFLAGS, &fl))
		word = fl & (FS_IMMUTABLE_FL | FS_APPEND_FL);
	close(fd);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		if (word != ~0u && flags[i].chattr == word)
			return flags[i].word;
	return word;
}

static void tear_down(void)
{
	static const char *const names[] = {
		"o/e", "o/s", "o/n", "o", "p/e", "p/o", "p/n", "p", "x", "n", NULL
	};

	if (get_word("o"))
		set_word("o", 0);
	for (const char *const *n = names; *n; n++)
		if (remove(*n) && errno != ENOENT && errno != ENOTDIR) {
			set_word(*n, 0);
			remove(*n);
		}
	tab.ready = false;
}

/* Objects of an earlier cell stay, if nothing has happened to them. */
static int build(enum type type, bool fill, mode_t mode)
{
	struct timespec old[2] = { { 1000, 1 }, { 2000, 2 } };

	if (tab.ready && tab.type == type && tab.fill == fill && tab.mode == mode)
		return 0;
	tear_down();
	if (make_object("o", type) || (mode && chmod("o", mode)) ||
	    mkdir("p", 0777) || chmod("p", 0777) ||
	    make_entry("p/e") ||
	    (type == T_DIR ? mkdir("x", 0777) : create_text("x", "bystander")))
		return -1;
	if (fill && (make_entry("o/e") || mkdir("o/s", 0755)))
		return -1;
	if (utimensat(AT_FDCWD, "o", old, AT_SYMLINK_NOFOLLOW))
		return -1;
	tab.ready = true;
	tab.type = type;
	tab.fill = fill;
	tab.mode = mode;
	clock_gettime(CLOCK_REALTIME_COARSE, &tab.built);
	return 0;
}

/* Give it the flags, so that a later change of ctime will show. */
static int flag_object(uint32_t word)
{
	if (get_word("o") == word)
		return 0;
	clock_gettime(CLOCK_REALTIME_COARSE, &tab.built);
	return set_word("o", word);
}

static void let_ctime_show(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec == tab.built.tv_sec && now.tv_nsec == tab.built.tv_nsec)
		tick();
}

static void look(struct state *s)
{
	int fd;

	memset(s, 0, sizeof(*s));
	for (int i = 0; watched[i]; i++) {
		if (!tab.fill && !strncmp(watched[i], "o/", 2))
			continue;
		if (statx(AT_FDCWD, watched[i], AT_SYMLINK_NOFOLLOW,
			  STATX_BASIC_STATS | STATX_BTIME, &s->sx[i]))
			s->err[i] = errno;
		s->sx[i].stx_blocks = 0;	/* come when data is written back */
	}
	s->word = get_word("o");
	if (is_link(tab.type)) {
		s->len = readlink("o", s->content, sizeof(s->content));
	} else if (tab.type == T_REG) {
		fd = open("o", O_RDONLY);
		s->len = read(fd, s->content, sizeof(s->content));
		close(fd);
	}
}

static void say_changes(const struct state *a, const struct state *b)
{
	for (int i = 0; watched[i]; i++) {
		const struct statx *x = &a->sx[i], *y = &b->sx[i];

		if (a->err[i] != b->err[i])
			printf("#      %s: lstat %s, then %s\n", watched[i],
			       strerrorname_np(a->err[i]), strerrorname_np(b->err[i]));
		else if (memcmp(x, y, sizeof(*x)))
			printf("#      %s: changed:%s%s%s%s%s%s%s%s%s%s\n", watched[i],
			       x->stx_ino != y->stx_ino ? " ino" : "",
			       x->stx_mode != y->stx_mode ? " mode" : "",
			       x->stx_uid != y->stx_uid ? " uid" : "",
			       x->stx_gid != y->stx_gid ? " gid" : "",
			       x->stx_nlink != y->stx_nlink ? " nlink" : "",
			       x->stx_size != y->stx_size ? " size" : "",
			       x->stx_attributes != y->stx_attributes ? " attributes" : "",
			       memcmp(&x->stx_atime, &y->stx_atime, 16) ? " atime" : "",
			       memcmp(&x->stx_mtime, &y->stx_mtime, 16) ? " mtime" : "",
			       memcmp(&x->stx_ctime, &y->stx_ctime, 16) ? " ctime" : "");
	}
	if (a->word != b->word)
		printf("#      flags 0x%x, then 0x%x\n", a->word, b->word);
	if (a->len != b->len || memcmp(a->content, b->content, sizeof(a->content)))
		printf("#      content: %d bytes, then %d\n", a->len, b->len);
}

/* What the row's letters say for this user, type and flag. */
static int judge(const struct op *op, enum type type, uint32_t word, enum user u)
{
	bool writes = u != U_OTHER || is_link(type) || op->prepare;

	for (const char *c = op->checks; *c; c++) {
		if (*c == 'i' && word & ANY_IMMUTABLE)
			return EPERM;
		if (*c == 'a' && word & ANY_APPEND)
			return EPERM;
		if (*c == 'n' && word & ANY_NOUNLINK)
			return EPERM;
		if (*c == 'w' && !writes)
			return EACCES;
		if (*c == 'o' && !is_owner(u))
			return EPERM;
		if (*c == 'p' && u != U_ROOT)
			return EPERM;
		if (*c == 'E')
			return EPERM;
		if (*c == 'f' && word & ANY_APPEND && !tab.ext4)
			return EPERM;
		if (*c == 'm' && word & ANY_IMMUTABLE)
			return EFAULT;
		if (*c == 'M' && word & ANY_APPEND)
			return EACCES;
	}
	if (type == T_SOCK && op->run == op_open_write)
		return ENXIO;
	return tab.probes[op->probe];
}

/* Setting @new over @old; the capability is that of the first namespace. */
static int judge_set(uint32_t old, uint32_t new, enum user u)
{
	if (!is_owner(u))
		return EPERM;
	if (u != U_ROOT && (old & SF_LOCKS || (old ^ new) & SF_FLAGS))
		return EPERM;
	return 0;
}

static const char *err_name(int err)
{
	return err < 0 ? "no answer" : err ? strerrorname_np(err) : "success";
}

static void cell_failed(const char *what, enum type type, const struct flag *flag,
			enum user u, int want, int got)
{
	if (tab.failed++ < MAX_REPORTS)
		printf("#   %s: %s with %s, %s by %s: %s, expected %s\n",
		       tab.ext4 ? "ext4" : "lnkfs", type_names[type], flag->name, what,
		       user_names[u], err_name(got), err_name(want));
}

static long undo(const struct op *op, const struct job *j, uint32_t word)
{
	/* what is in an append-only directory, and further names, would stay */
	if (((op->how & FILLED && word & ANY_APPEND) || word & ANY_NOUNLINK) &&
	    set_word("o", 0))
		return -1;
	clock_gettime(CLOCK_REALTIME_COARSE, &tab.built);
	return op->undo(j);
}

/* One cell. The scene has been built, but for what comes before the flag. */
static void cell(int nr, enum type type, const struct flag *flag, enum user u)
{
	static struct state before, after;
	const struct op *op = &ops[nr];
	struct message m = { .job = { .op = nr, .type = type } };
	int want = judge(op, type, flag->word, u), got;

	tab.cells++;
	if (build(type, op->how & FILLED, op->prepare ? 0666 : 0))
		return cell_failed("building", type, flag, u, 0, errno);
	if (op->prepare) {
		m.what = DO_PREPARE;
		if (flag_object(0) || ask(u, &m))
			return cell_failed("preparing", type, flag, u, 0, errno);
	}
	if (flag_object(flag->word))
		return cell_failed("setting the flag", type, flag, u, 0, errno);
	m.what = DO_RUN;
	if (want) {
		let_ctime_show();
		look(&before);
	}
	got = ask(u, &m);
	if (want)
		look(&after);
	if (op->prepare) {
		m.what = DO_CLEAN;
		ask(u, &m);
	}
	if (got != want) {
		cell_failed(op->name, type, flag, u, want, got);
		tab.ready = false;
	} else if (want && memcmp(&before, &after, sizeof(before))) {
		cell_failed("no trace of a failed", type, flag, u, 0, want);
		if (tab.failed <= MAX_REPORTS) {
			printf("#      %s\n", op->name);
			say_changes(&before, &after);
		}
		tab.ready = false;
	} else if (!want) {
		/* what still has that name keeps its flags */
		if (op->run != op_victim && op->run != op_exchange &&
		    op->run != op_exchanged && !access("o", F_OK) &&
		    get_word("o") != flag->word)
			cell_failed("keeping the flags after success", type, flag, u, 0, 0);
		if (!(op->how & KEEPS))
			tab.ready = op->undo && !undo(op, &m.job, flag->word);
	}
}

/* Set or clear one flag over another. */
static void set_cell(enum type type, const struct flag *old, uint32_t new, enum user u)
{
	static struct state before, after;
	struct message m = { .job = { .type = type, .word = new }, .what = DO_RUN };
	int want = judge_set(old->word, new, u), got;
	char what[64];

	tab.cells++;
	snprintf(what, sizeof(what), "setting flags 0x%x", new);
	if (build(type, false, 0) || flag_object(old->word))
		return cell_failed("building", type, old, u, 0, errno);
	if (want) {
		let_ctime_show();
		look(&before);
	}
	got = ask(u, &m);
	if (got != want)
		cell_failed(what, type, old, u, want, got);
	if (!want) {
		if (!got && get_word("o") != new)
			cell_failed("having set the flags", type, old, u, 0, 0);
		return;
	}
	look(&after);
	if (memcmp(&before, &after, sizeof(before))) {
		cell_failed("no trace of a failed flag change", type, old, u, 0, want);
		if (tab.failed <= MAX_REPORTS)
			say_changes(&before, &after);
		tab.ready = false;
	}
}

/* What an operation that nothing forbids gives on this filesystem. */
static int probe(void)
{
	int fd;

	if (create_text("probe", "text") || (fd = open("probe", O_RDWR)) < 0)
		return -1;
	tab.probes[PROBE_XATTR] = setxattr("probe", "user.t", "v", 1, 0) ? errno : 0;
	tab.probes[PROBE_TRUSTED] = setxattr("probe", "trusted.t", "v", 1, 0) ? errno : 0;
	tab.probes[PROBE_FALLOC] = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192) ? errno : 0;
	tab.probes[PROBE_PUNCH] = fallocate(fd, FALLOC_FL_KEEP_SIZE |
					    FALLOC_FL_PUNCH_HOLE, 0, 4) ? errno : 0;
	close(fd);
	for (int i = 0; i < NPROBES; i++)
		if (tab.probes[i] && tab.probes[i] != EOPNOTSUPP)
			return -1;
	return unlink("probe");
}

/* A sysctl, so that the table does not depend on how the machine is set up. */
static void write_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

static void run_rows(enum type type, const struct flag *flag)
{
	for (unsigned int nr = 1; nr < ARRAY_SIZE(ops); nr++)
		for (enum user u = 0; u < NUSERS; u++)
			if (ops[nr].types & B(type) && !(ops[nr].except & B(u)))
				cell(nr, type, flag, u);
}

static void run_sets(enum type type, const struct flag *flag)
{
	for (enum user u = 0; u < NUSERS; u++)
		for (unsigned int i = 1; i < ARRAY_SIZE(flags); i++) {
			set_cell(type, flag, flag->word | flags[i].word, u);
			set_cell(type, flag, flag->word & ~flags[i].word, u);
		}
}

/* The others are no more than an inode: once is enough. */
static bool depends_on_blocks(enum type type)
{
	return type == T_REG || type == T_DIR || type == T_SLOW;
}

/* Run the table for one type in the working directory. */
static void run_table(struct __test_metadata *_metadata, enum type type)
{
	double start = seconds();
	char old[16] = "0";
	int fd = open("/proc/sys/fs/protected_hardlinks", O_RDONLY);

	if (fd >= 0 && read(fd, old, sizeof(old) - 1) < 1)
		perror("protected_hardlinks");
	close(fd);
	write_sysctl("protected_hardlinks", "0");
	ASSERT_OK(chmod(".", 0777));
	tab.dir = open(".", O_RDONLY | O_DIRECTORY);
	ASSERT_OK(tab.dir);
	ASSERT_EQ(0, probe());
	ASSERT_EQ(0, start_worker());
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		if (tab.ext4 && flags[i].word && !flags[i].chattr)
			continue;
		run_rows(type, &flags[i]);
		if (!tab.ext4)
			run_sets(type, &flags[i]);
		if (tab.ready && set_word("o", 0))
			tab.failed++;
	}
	stop_worker();
	tear_down();
	close(tab.dir);
	write_sysctl("protected_hardlinks", old);
	EXPECT_EQ(0, tab.failed);
	printf("# %s: %u cells of %s, %u failed, %.1f s\n", tab.ext4 ? "ext4" : "lnkfs",
	       tab.cells, type_names[type], tab.failed, seconds() - start);
}

/* Reading must not move atime, which belongs to the comparison. */
FIXTURE(table) { struct tdir dir; };

FIXTURE_SETUP(table)
{
	tdir_enter(_metadata, &self->dir);
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_OK(mount(self->dir.path, self->dir.path, NULL, MS_BIND, NULL));
	ASSERT_OK(mount(NULL, self->dir.path, NULL,
			MS_REMOUNT | MS_BIND | MS_NOATIME, NULL));
	ASSERT_OK(chdir(self->dir.path));
}

FIXTURE_TEARDOWN(table)
{
	EXPECT_OK(chdir("/"));
	EXPECT_OK(umount2(self->dir.path, 0));
	if (!chdir(self->dir.path))
		clear_flags(".");
	tdir_leave(_metadata, &self->dir);
}

#define TABLE(name, type)						\
	TEST_F_TIMEOUT(table, name, 120)				\
	{								\
		if (!depends_on_blocks(type) && fs_block_size() < 4096)	\
			SKIP(return, "done with larger blocks");	\
		run_table(_metadata, type);				\
	}

TABLE(file, T_REG)
TABLE(directory, T_DIR)
TABLE(fast_symlink, T_FAST)
TABLE(slow_symlink, T_SLOW)
TABLE(fifo, T_FIFO)
TABLE(socket, T_SOCK)
TABLE(char_device, T_CHR)
TABLE(block_device, T_BLK)

/* The same cells on ext4, as far as it has the flags. */
FIXTURE(oracle) { struct volume v; };

FIXTURE_SETUP(oracle)
{
	setenv("FSTYPE", "ext4", 1);
	setenv("LNKFS_FSCK", "e2fsck -fn", 1);
	ASSERT_EQ(0, vol_make(&self->v, 16));
	ASSERT_EQ(0, vol_mkfs(self->v.dev, "-O ^has_journal"));
	ASSERT_OK(vol_mount(&self->v, MS_NOATIME, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	tab.ext4 = true;
}

FIXTURE_TEARDOWN(oracle)
{
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

TEST_F_TIMEOUT(oracle, file, 120)
{
	if (fs_block_size() < 4096)
		SKIP(return, "done with larger blocks");
	run_table(_metadata, T_REG);
}

TEST_F_TIMEOUT(oracle, directory, 120)
{
	if (fs_block_size() < 4096)
		SKIP(return, "done with larger blocks");
	run_table(_metadata, T_DIR);
}

TEST_HARNESS_MAIN
