// SPDX-License-Identifier: GPL-2.0
/*
 * liblnkfs: the text of flags, and what it does with objects where there is no
 * lnkfs: errors, this machine's own filesystem, descriptors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <liblnkfs.h>
#include "tap.h"

#define FAILS(err, call)						\
	do {								\
		errno = 0;						\
		CHECK_EQ((call), -1);					\
		CHECK_EQ(errno, err);					\
	} while (0)

static char *text_of(uint32_t flags)
{
	static char buf[400];
	int len = lnkfs_flags_to_text(flags, buf, sizeof(buf));

	CHECK_EQ(len, strlen(buf));
	return buf;
}

static int parses(const char *text, uint32_t set, uint32_t clear)
{
	uint32_t s = 1, c = 1;
	const char *end = NULL;

	return lnkfs_flags_from_text(text, &s, &c, &end) == 0 && s == set && c == clear &&
	       end == text + strlen(text);
}

/* Fails at the word that begins there, and leaves the rest alone. */
static int refuses(const char *text, size_t at)
{
	uint32_t s = 0x1234, c = 0x5678;
	const char *end = NULL;

	errno = 0;
	return lnkfs_flags_from_text(text, &s, &c, &end) == -1 && errno == EINVAL &&
	       end == text + at && s == 0x1234 && c == 0x5678 &&
	       lnkfs_flags_from_text(text, &s, &c, NULL) == -1;
}

/* FreeBSD's lib/libc/gen/strtofflags.3: names and aliases, the written one first. */
static const struct {
	const char *words;
	uint32_t flag;
} freebsd[] = {
	{ "sappnd sappend", 0x00040000 },
	{ "arch archived", 0x00010000 },
	{ "schg schange simmutable", 0x00020000 },
	{ "sunlnk sunlink", 0x00100000 },
	{ "snapshot", 0x00200000 },
	{ "uappnd uappend", 0x00000004 },
	{ "uarch uarchive", 0x00000800 },
	{ "hidden uhidden", 0x00008000 },
	{ "uchg uchange uimmutable", 0x00000002 },
	{ "uunlnk uunlink", 0x00000010 },
	{ "offline uoffline", 0x00000200 },
	{ "opaque", 0x00000008 },
	{ "rdonly urdonly readonly", 0x00001000 },
	{ "reparse ureparse", 0x00000400 },
	{ "sparse usparse", 0x00000100 },
	{ "system usystem", 0x00000080 },
};

static void every_name(void)
{
	char words[64], no[64], *word, *rest;
	size_t i;

	for (i = 0; i < sizeof(freebsd) / sizeof(freebsd[0]); i++) {
		strcpy(words, freebsd[i].words);
		word = strtok_r(words, " ", &rest);
		CHECK(!strcmp(text_of(freebsd[i].flag), word));
		for (; word; word = strtok_r(NULL, " ", &rest)) {
			CHECK(parses(word, freebsd[i].flag, 0));
			snprintf(no, sizeof(no), "no%s", word);
			CHECK(parses(no, 0, freebsd[i].flag));
			snprintf(no, sizeof(no), "nono%s", word);
			CHECK(refuses(no, 0));
		}
	}
	/* the one that is called by what it forbids */
	CHECK(parses("nodump", LNKFS_UF_NODUMP, 0));
	CHECK(parses("dump", 0, LNKFS_UF_NODUMP));
	CHECK(refuses("nonodump", 0));
	CHECK(!strcmp(text_of(LNKFS_UF_NODUMP), "nodump"));
}

static void lists(void)
{
	CHECK(parses("uchg,hidden,nosunlnk",
		     LNKFS_UF_IMMUTABLE | LNKFS_UF_HIDDEN, LNKFS_SF_NOUNLINK));
	CHECK(parses("uchg hidden\tnosunlnk",
		     LNKFS_UF_IMMUTABLE | LNKFS_UF_HIDDEN, LNKFS_SF_NOUNLINK));
	CHECK(parses(",, uchg,,\t", LNKFS_UF_IMMUTABLE, 0));
	CHECK(parses("uchg,nouchg", LNKFS_UF_IMMUTABLE, LNKFS_UF_IMMUTABLE));
	CHECK(parses("", 0, 0));
	CHECK(parses("0", 0, ~0u));
	CHECK(parses("none", 0, ~0u));
	CHECK(parses("-", 0, ~0u));
	CHECK(parses("0x2", LNKFS_UF_IMMUTABLE, 0));
	CHECK(parses("hidden,0xffffffff", ~0u, 0));
}

static void refused(void)
{
	char word[5000];

	CHECK(refuses("uch", 0));
	CHECK(refuses("uchgg", 0));
	CHECK(refuses("UCHG", 0));
	CHECK(refuses("no", 0));
	CHECK(refuses("uchg,none", 5));
	CHECK(refuses("none,uchg", 0));
	CHECK(refuses("uchg 0", 5));
	CHECK(refuses("uchg,-", 5));
	CHECK(refuses("hidden, nouchgx,uappnd", 8));
	CHECK(refuses("0x", 0));
	CHECK(refuses("0xg", 0));
	CHECK(refuses("0x100000000", 0));
	CHECK(refuses("no0x2", 0));
	CHECK(refuses("02", 0));
	CHECK(refuses("uchg\n", 0));
	memset(word, 'u', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	CHECK(refuses(word, 0));
}

static void written(void)
{
	char buf[16], small[1] = { 'x' };

	CHECK(!strcmp(text_of(0), "-"));
	CHECK(!strcmp(text_of(LNKFS_UF_HIDDEN | LNKFS_UF_IMMUTABLE | LNKFS_SF_APPEND),
		      "sappnd,hidden,uchg"));
	CHECK(!strcmp(text_of(0x40000000), "0x40000000"));
	CHECK(!strcmp(text_of(0x40000000 | LNKFS_UF_NODUMP | 0x20), "nodump,0x40000020"));
	/* cut short, as snprintf(3) does */
	CHECK_EQ(lnkfs_flags_to_text(LNKFS_UF_HIDDEN | LNKFS_SF_APPEND, NULL, 0), 13);
	CHECK_EQ(lnkfs_flags_to_text(LNKFS_UF_HIDDEN, small, 1), 6);
	CHECK_EQ(small[0], 0);
	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(lnkfs_flags_to_text(LNKFS_UF_HIDDEN | LNKFS_SF_APPEND, buf, 9), 13);
	CHECK(!strcmp(buf, "sappnd,h") && buf[9] == 'x');
	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(lnkfs_flags_to_text(LNKFS_UF_HIDDEN | LNKFS_SF_APPEND, buf, 7), 13);
	CHECK(!strcmp(buf, "sappnd") && buf[7] == 'x');
	CHECK_EQ(lnkfs_flags_to_text(0, buf, 2), 1);
	CHECK(!strcmp(buf, "-"));
}

/* What is written is read back, for every bit and for many words. */
static void there_and_back(void)
{
	uint32_t flags = 1, i;

	for (i = 0; i < 32; i++)
		CHECK(parses(text_of(1u << i), 1u << i, 0));
	for (i = 0; i < 20000; i++) {
		flags = flags * 1664525 + 1013904223;
		if (!CHECK(parses(text_of(flags), flags, 0)))
			return;
	}
	CHECK(parses(text_of(~0u), ~0u, 0));
}

static int open_files(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void errors(void)
{
	const char *bad = (const char *)1;
	struct lnkfs_attr attr = { 0 };
	char name[300];
	uint32_t flags;
	int before = open_files();

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	FAILS(ENOENT, lnkfs_lchmod("nix", 0));
	FAILS(ENOENT, lnkfs_chflags("", 0));
	FAILS(ENOENT, lnkfs_getflagsat(AT_FDCWD, "nix", &flags, AT_EMPTY_PATH));
	FAILS(EFAULT, lnkfs_lchmod(bad, 0));
	FAILS(EFAULT, lnkfs_fchmodat(AT_FDCWD, bad, 0, 0));
	FAILS(EFAULT, lnkfs_lchflags(bad, 0));
	FAILS(EFAULT, lnkfs_chflagsat(AT_FDCWD, bad, 0, AT_EMPTY_PATH));
	FAILS(ENAMETOOLONG, lnkfs_lgetflags(name, &flags));
	FAILS(ENOTDIR, lnkfs_lchflags("/etc/passwd/", 0));
	FAILS(EBADF, lnkfs_fchflags(-1, 0));
	FAILS(EBADF, lnkfs_fgetflags(255, &flags));
	FAILS(EBADF, lnkfs_lchmodat(255, "x", 0));
	FAILS(EBADF, lnkfs_chflagsat(255, "", 0, AT_EMPTY_PATH));
	FAILS(EINVAL, lnkfs_fchmodat(AT_FDCWD, "/", 0, 1));
	FAILS(EINVAL, lnkfs_chflagsat(AT_FDCWD, "/", 0, AT_SYMLINK_FOLLOW));
	FAILS(EINVAL, lnkfs_getattrat(AT_FDCWD, "/", &attr, AT_REMOVEDIR));
	FAILS(EINVAL, lnkfs_setattrat(AT_FDCWD, "/", &attr, AT_REMOVEDIR));
	FAILS(EOPNOTSUPP, lnkfs_getattrat(AT_FDCWD, "/", &attr, 0));
	FAILS(EOPNOTSUPP, lnkfs_setattrat(AT_FDCWD, "/", &attr, 0));
	CHECK_EQ(open_files(), before);
}

/* This machine's filesystem: no modes of links, no flags of FreeBSD's alone. */
static void elsewhere(void)
{
	static const uint32_t never[] = {
		LNKFS_UF_IMMUTABLE, LNKFS_UF_HIDDEN, LNKFS_SF_NOUNLINK, LNKFS_SF_SNAPSHOT,
		LNKFS_UF_NODUMP | LNKFS_UF_OPAQUE, 1u << 31,
	};
	static const char *const names[] = { "file", "link", "fifo", "dir" };
	char dir[] = "/tmp/lnkfs-unit-XXXXXX";
	int before = open_files(), top, fd;
	struct stat st;
	size_t i, n;

	REQUIRE(mkdtemp(dir));
	top = open(dir, O_PATH);
	REQUIRE(top >= 0 && !mkdirat(top, "dir", 0755) && !symlinkat("file", top, "link") &&
		!mkfifoat(top, "fifo", 0600));
	fd = openat(top, "file", O_CREAT | O_WRONLY, 0644);
	REQUIRE(fd >= 0);
	for (n = 0; n < 4; n++) {
		for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			FAILS(EOPNOTSUPP, lnkfs_chflagsat(top, names[n], never[i],
							  AT_SYMLINK_NOFOLLOW));
		if (!strcmp(names[n], "link")) {
			FAILS(EOPNOTSUPP, lnkfs_lchmodat(top, names[n], 0500));
			continue;
		}
		CHECK_EQ(lnkfs_lchmodat(top, names[n], 0700), 0);
		CHECK(!fstatat(top, names[n], &st, AT_SYMLINK_NOFOLLOW) &&
		      (st.st_mode & 07777) == 0700);
	}
	CHECK_EQ(lnkfs_fchmodat(top, "link", 0421, 0), 0);
	CHECK_EQ(lnkfs_fchmodat(fd, "", 0422, AT_EMPTY_PATH), 0);
	CHECK(!fstat(fd, &st) && (st.st_mode & 07777) == 0422);
	close(fd);
	for (n = 0; n < 4; n++)
		CHECK(!unlinkat(top, names[n], n == 3 ? AT_REMOVEDIR : 0));
	close(top);
	rmdir(dir);
	CHECK_EQ(open_files(), before);
}

/* In a child that is no longer root: 0, or which of the steps failed. */
static int as_owner(int top)
{
	uint32_t flags = 0;

	if (setgid(65534) || setuid(65534))
		return 1;
	errno = 0;
	if (!lnkfs_chflagsat(top, "file", LNKFS_UF_NODUMP, 0))
		return lnkfs_getflagsat(top, "file", &flags, 0) || flags != LNKFS_UF_NODUMP ? 2 : 0;
	return errno == EACCES || errno == EOPNOTSUPP ? 0 : 3;
}

/*
 * A file that its owner may not read: its flags can be set by file_setattr(2),
 * which new kernels have, or not at all.
 */
static void unreadable(void)
{
	char dir[] = "/tmp/lnkfs-unit-XXXXXX";
	int top, fd, status = -1;
	pid_t pid;

	if (getuid())
		return;
	REQUIRE(mkdtemp(dir) && !chmod(dir, 0755));
	top = open(dir, O_PATH);
	fd = openat(top, "file", O_CREAT | O_WRONLY, 0);
	REQUIRE(top >= 0 && fd >= 0 && !fchown(fd, 65534, 65534) && !close(fd));
	pid = fork();
	if (!pid)
		_exit(as_owner(top));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK(!unlinkat(top, "file", 0));
	close(top);
	rmdir(dir);
}

/* The flags that there are: as FS_IOC_GETFLAGS has them, if it has. */
static void same_as_the_ioctl(void)
{
	int fd = open("/", O_RDONLY);
	unsigned long room = 0;
	uint32_t flags;

	REQUIRE(fd >= 0);
	if (!ioctl(fd, FS_IOC_GETFLAGS, &room)) {
		CHECK_EQ(lnkfs_fgetflags(fd, &flags), 0);
		CHECK_EQ(!!(flags & LNKFS_SF_IMMUTABLE), !!((uint32_t)room & FS_IMMUTABLE_FL));
		CHECK_EQ(!!(flags & LNKFS_SF_APPEND), !!((uint32_t)room & FS_APPEND_FL));
		CHECK_EQ(!!(flags & LNKFS_UF_NODUMP), !!((uint32_t)room & FS_NODUMP_FL));
	}
	close(fd);
	fd = open("/proc/self/stat", O_RDONLY);
	if (fd >= 0) {
		FAILS(EOPNOTSUPP, lnkfs_fgetflags(fd, &flags));
		FAILS(EOPNOTSUPP, lnkfs_fchflags(fd, LNKFS_UF_NODUMP));
		close(fd);
	}
}

static const struct tap_test tests[] = {
	{ "every name of FreeBSD's, its aliases and opposites", every_name },
	{ "lists of flags", lists },
	{ "text that is refused", refused },
	{ "flags as text, cut short too", written },
	{ "text and back", there_and_back },
	{ "errors of paths, descriptors and arguments", errors },
	{ "another filesystem: what it cannot do", elsewhere },
	{ "another filesystem: the flags that it has", same_as_the_ioctl },
	{ "another filesystem: a file that its owner may not read", unreadable },
};

TAP_MAIN(tests)
