// SPDX-License-Identifier: GPL-2.0
/*
 * What the calls for extended attributes answer: every namespace on every type
 * of object, names, values and lists of every size, and who may do what. How
 * attributes are stored is the subject of xattr_store_test.c.
 */
#include <linux/capability.h>
#include <linux/fs.h>

#include "attr_util.h"
#include "volume.h"
#include "xattr_util.h"

FLAGS_FIXTURE(xattr)

static const char *const spaces[] = { "user.", "trusted.", "security." };

/* The VFS lets only regular files and directories have attributes of users. */
static bool takes(enum type t, const char *name)
{
	return strncmp(name, "user.", 5) || t == T_REG || t == T_DIR;
}

static void life_of(struct __test_metadata *_metadata, const char *path, const char *name)
{
	char buf[16];

	EXPECT_ERR(ENODATA, lgetxattr(path, name, buf, sizeof(buf)));
	EXPECT_ERR(ENODATA, lremovexattr(path, name));
	EXPECT_ERR(ENODATA, lsetxattr(path, name, "x", 1, XATTR_REPLACE));
	EXPECT_EQ(0, listed(path, name));
	EXPECT_OK(lsetxattr(path, name, "first", 5, XATTR_CREATE));
	EXPECT_TRUE(text_is(path, name, "first"));
	EXPECT_ERR(EEXIST, lsetxattr(path, name, "second", 6, XATTR_CREATE));
	EXPECT_TRUE(text_is(path, name, "first"));
	EXPECT_OK(lsetxattr(path, name, "the third", 9, XATTR_REPLACE));
	EXPECT_TRUE(text_is(path, name, "the third"));
	EXPECT_OK(lsetxattr(path, name, "4", 1, 0));
	EXPECT_TRUE(text_is(path, name, "4"));
	EXPECT_EQ(1, listed(path, name));
	EXPECT_OK(lremovexattr(path, name));
	EXPECT_EQ(0, listed(path, name));
	EXPECT_TRUE(gone(path, name));
	EXPECT_OK(text_set(path, name, name));
}

TEST_F(xattr, every_namespace_on_every_type)
{
	char name[64];
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		EXPECT_EQ(0, llistxattr("o", NULL, 0)) TH_LOG("%s", type_names[t]);
		for (int i = 0; i < 3; i++) {
			sprintf(name, "%sone", spaces[i]);
			if (takes(t, name)) {
				life_of(_metadata, "o", name);
				continue;
			}
			EXPECT_ERR(EPERM, lsetxattr("o", name, "x", 1, 0));
			EXPECT_ERR(ENODATA, lgetxattr("o", name, NULL, 0));
			EXPECT_ERR(EPERM, lremovexattr("o", name));
		}
		/* what was left is there, and nothing else is */
		EXPECT_EQ(takes(t, "user.one") ? 3 : 2, count_listed("o"))
			TH_LOG("%s", type_names[t]);
		EXPECT_TRUE(text_is("o", "trusted.one", "trusted.one"));
		EXPECT_TRUE(text_is("o", "security.one", "security.one"));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(xattr, flags_of_a_call)
{
	const int both = XATTR_CREATE | XATTR_REPLACE;

	ASSERT_EQ(0, make_object("o", T_REG));
	EXPECT_ERR(EINVAL, setxattr("o", "user.a", "x", 1, 4));
	EXPECT_ERR(EINVAL, setxattr("o", "user.a", "x", 1, ~both));
	/* both ask for what cannot be; XFS lets the first win */
	if (!on_fs("xfs"))
		EXPECT_ERR(ENODATA, setxattr("o", "user.a", "x", 1, both));
	EXPECT_EQ(0, count_listed("o"));
	EXPECT_OK(setxattr("o", "user.a", "x", 1, 0));
	EXPECT_ERR(EEXIST, setxattr("o", "user.a", "y", 1, both));
	EXPECT_TRUE(text_is("o", "user.a", "x"));
}

TEST_F(xattr, names_of_every_length)
{
	char name[260];
	int len;

	ASSERT_EQ(0, make_object("o", T_REG));
	for (len = 6; len <= XATTR_NAME_MAX_; len++) {
		memset(name, 'a' + len % 26, sizeof(name));
		memcpy(name, "user.", 5);
		name[len] = 0;
		EXPECT_OK(value_set("o", name, len % 7, len, XATTR_CREATE));
		EXPECT_TRUE(value_is("o", name, len % 7, len)) TH_LOG("%d bytes", len);
		EXPECT_EQ(1, listed("o", name));
		EXPECT_OK(removexattr("o", name));
	}
	memset(name, 'a', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = 0;
	EXPECT_ERR(ERANGE, setxattr("o", name, "x", 1, 0));
	EXPECT_ERR(ERANGE, getxattr("o", name, NULL, 0));
	EXPECT_ERR(ERANGE, removexattr("o", name));
	EXPECT_ERR(ERANGE, setxattr("o", "", "x", 1, 0));
	EXPECT_ERR(ERANGE, getxattr("o", "", NULL, 0));
	EXPECT_EQ(0, count_listed("o"));
}

TEST_F(xattr, names_that_are_refused)
{
	static const char *const unknown[] = {
		"user", "a", ".", "system.", "system.other", "system.posix_acl_x",
		"btrfs.compression", "trusted", "security", "USER.a", " user.a",
	};

	ASSERT_EQ(0, make_object("o", T_REG));
	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_ERR(EOPNOTSUPP, setxattr("o", unknown[i], "x", 1, 0));
		EXPECT_ERR(EOPNOTSUPP, getxattr("o", unknown[i], NULL, 0));
		EXPECT_ERR(EOPNOTSUPP, removexattr("o", unknown[i]));
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_ERR(EINVAL, setxattr("o", spaces[i], "x", 1, 0));
		EXPECT_ERR(EINVAL, getxattr("o", spaces[i], NULL, 0));
		EXPECT_ERR(EINVAL, removexattr("o", spaces[i]));
	}
	EXPECT_EQ(0, count_listed("o"));
}

/* Bytes mean nothing, and nothing is equal that differs. */
TEST_F(xattr, names_that_are_alike)
{
	static const char *const names[] = {
		"user.a", "user.A", "user.aa", "user.a.", "user.a.a", "user..a",
		"user.user.a", "user. a", "user.a/b", "user.\xff\xfe", "user.\x01\n",
		"user.\xc3\xa4", "user.a\xcc\x88", "trusted.a", "security.a",
		"trusted.user.a", "security.user.a", "user.trusted.a",
	};
	const unsigned int n = ARRAY_SIZE(names);
	unsigned int i, k;

	ASSERT_EQ(0, make_object("o", T_DIR));
	for (i = 0; i < n; i++)
		EXPECT_OK(value_set("o", names[i], i + 1, i, XATTR_CREATE));
	EXPECT_EQ(n, count_listed("o"));
	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			EXPECT_EQ(k >= i, value_is("o", names[k], k + 1, k))
				TH_LOG("%s", names[k]);
			EXPECT_EQ(k >= i, listed("o", names[k]));
		}
		EXPECT_OK(removexattr("o", names[i]));
	}
	EXPECT_EQ(0, count_listed("o"));
}

/* Around every size at which something about storage may change. */
TEST_F(xattr, values_of_every_size)
{
	static const unsigned int mid[] = {
		0, 128, 256, 512, 768, 1024, 1800, 2048, 3072, 4096, 8192, 16384,
		32768, 49152, 65504, 65536,
	};
	static unsigned char buf[XATTR_MAX + 2];
	unsigned int i, size, step;

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.other", "stays"));
	for (i = 0; i < ARRAY_SIZE(mid); i++) {
		step = i ? 9 : 1;
		for (size = mid[i] < 36 ? 0 : mid[i] - 36; size <= mid[i] + 72; size += step) {
			if (size > value_max())
				break;
			EXPECT_OK(value_set("o", "user.v", size, i, 0));
			EXPECT_TRUE(value_is("o", "user.v", size, i)) TH_LOG("%u", size);
			if (size > 1)
				EXPECT_ERR(ERANGE, getxattr("o", "user.v", buf, size - 1));
			/* 0 asks for the size */
			EXPECT_EQ(size, getxattr("o", "user.v", buf, 0));
			EXPECT_EQ(size, getxattr("o", "user.v", buf, sizeof(buf)));
		}
	}
	EXPECT_TRUE(text_is("o", "user.other", "stays"));
}

TEST_F(xattr, values_that_are_refused)
{
	static unsigned char buf[XATTR_MAX + 1];

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.v", "old"));
	for (int i = 0; i < 3; i++) {
		char name[64];

		sprintf(name, "%sv", spaces[i]);
		EXPECT_ERR(E2BIG, setxattr("o", name, buf, XATTR_MAX + 1, 0));
	}
	/* past the compiler, which sees that these are wrong */
	EXPECT_ERR(E2BIG, syscall(SYS_setxattr, "o", "user.v", buf, SIZE_MAX, 0));
	EXPECT_ERR(EFAULT, syscall(SYS_setxattr, "o", "user.v", 1, 10, 0));
	EXPECT_ERR(EFAULT, syscall(SYS_setxattr, "o", 1, "x", 1, 0));
	EXPECT_ERR(EFAULT, syscall(SYS_getxattr, "o", "user.v", 1, 10));
	EXPECT_ERR(EFAULT, syscall(SYS_listxattr, "o", 1, 100));
	EXPECT_TRUE(text_is("o", "user.v", "old"));
	EXPECT_EQ(1, count_listed("o"));
}

/* No bytes are a value, and not the absence of one. */
TEST_F(xattr, empty_value)
{
	char c = 'c';

	ASSERT_EQ(0, make_object("o", T_REG));
	EXPECT_OK(setxattr("o", "user.e", "", 0, XATTR_CREATE));
	EXPECT_OK(setxattr("o", "user.n", NULL, 0, 0));
	EXPECT_EQ(0, getxattr("o", "user.e", &c, 1));
	EXPECT_EQ('c', c);
	EXPECT_EQ(1, listed("o", "user.e"));
	EXPECT_EQ(1, listed("o", "user.n"));
	EXPECT_ERR(EEXIST, setxattr("o", "user.e", "", 0, XATTR_CREATE));
	EXPECT_OK(setxattr("o", "user.e", "now", 3, XATTR_REPLACE));
	EXPECT_TRUE(text_is("o", "user.e", "now"));
	EXPECT_OK(setxattr("o", "user.e", "", 0, XATTR_REPLACE));
	EXPECT_EQ(0, getxattr("o", "user.e", NULL, 0));
	EXPECT_OK(removexattr("o", "user.n"));
	EXPECT_TRUE(gone("o", "user.n"));
	remount(_metadata, &self->dir);
	EXPECT_EQ(0, getxattr("o", "user.e", &c, 1));
	EXPECT_EQ(1, count_listed("o"));
}

TEST_F(xattr, list_sizes)
{
	char list[512], name[32];
	int want = 0, i;

	ASSERT_EQ(0, make_object("o", T_REG));
	EXPECT_EQ(0, listxattr("o", NULL, 0));
	EXPECT_EQ(0, listxattr("o", list, 1));
	for (i = 0; i < 20; i++) {
		sprintf(name, "%s%.*s", spaces[i % 3], i + 1, "abcdefghijklmnopqrstuv");
		want += strlen(name) + 1;
		EXPECT_OK(value_set("o", name, i, i, 0));
		EXPECT_EQ(want, listxattr("o", NULL, 0));
		memset(list, 0x5a, sizeof(list));
		EXPECT_EQ(want, listxattr("o", list, want));
		EXPECT_EQ(0x5a, list[want]);
		EXPECT_EQ(1, listed_in(list, want, name));
		EXPECT_ERR(ERANGE, listxattr("o", list, want - 1));
		EXPECT_ERR(ERANGE, listxattr("o", list, 1));
	}
}

/* More names than the call can return: it says so, and each is there. */
TEST_F(xattr, list_that_is_too_long)
{
	static char big[200000];
	const int n = 300;
	char name[256];
	int i;

	if (few_and_small())
		SKIP(return, "it has room for few attributes");
	ASSERT_EQ(0, make_object("o", T_REG));
	memset(name, 'n', sizeof(name));
	for (i = 0; i < n; i++) {
		sprintf(name, "user.%0240d", i);
		ASSERT_OK(value_set("o", name, 1, i, XATTR_CREATE));
	}
	EXPECT_EQ(n * 246, listxattr("o", NULL, 0));
	EXPECT_ERR(E2BIG, listxattr("o", big, sizeof(big)));
	EXPECT_ERR(ERANGE, listxattr("o", big, 1000));
	for (i = 0; i < n; i++) {
		sprintf(name, "user.%0240d", i);
		EXPECT_TRUE(value_is("o", name, 1, i));
		EXPECT_OK(removexattr("o", name));
	}
	EXPECT_EQ(0, listxattr("o", NULL, 0));
}

/* Of an open file, of a link, and of what a link leads to. */
TEST_F(xattr, by_descriptor_and_through_links)
{
	char buf[16];
	int fd;

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(symlink("o", "l"));
	ASSERT_OK(symlink("missing", "broken"));
	fd = open("o", O_RDONLY);
	EXPECT_OK(fsetxattr(fd, "user.a", "abc", 3, 0));
	EXPECT_EQ(3, fgetxattr(fd, "user.a", buf, sizeof(buf)));
	EXPECT_EQ(7, flistxattr(fd, buf, sizeof(buf)));
	EXPECT_OK(setxattr("l", "trusted.b", "file", 4, 0));
	EXPECT_OK(lsetxattr("l", "trusted.b", "link", 4, XATTR_CREATE));
	EXPECT_TRUE(text_is("o", "trusted.b", "file"));
	EXPECT_TRUE(text_is("l", "trusted.b", "link"));
	EXPECT_EQ(4, getxattr("l", "trusted.b", buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "file", 4));
	EXPECT_OK(removexattr("l", "trusted.b"));
	EXPECT_TRUE(gone("o", "trusted.b"));
	EXPECT_TRUE(text_is("l", "trusted.b", "link"));
	EXPECT_OK(fremovexattr(fd, "user.a"));
	EXPECT_ERR(ENODATA, fremovexattr(fd, "user.a"));
	close(fd);
	EXPECT_ERR(ENOENT, setxattr("broken", "trusted.b", "x", 1, 0));
	EXPECT_ERR(ENOENT, setxattr("missing", "user.b", "x", 1, 0));
	EXPECT_OK(lsetxattr("broken", "trusted.b", "x", 1, 0));
	fd = open("o", O_PATH);
	EXPECT_ERR(EBADF, fsetxattr(fd, "user.a", "x", 1, 0));
	EXPECT_ERR(EBADF, fgetxattr(fd, "user.a", buf, 1));
	EXPECT_ERR(EBADF, flistxattr(fd, buf, 1));
	EXPECT_ERR(EBADF, fremovexattr(fd, "user.a"));
	close(fd);
}

TEST_F(xattr, one_inode_of_many_names)
{
	ASSERT_EQ(0, make_object("a", T_REG));
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(link("a", "d/b"));
	ASSERT_OK(text_set("a", "user.x", "one"));
	EXPECT_TRUE(text_is("d/b", "user.x", "one"));
	ASSERT_OK(text_set("d/b", "user.x", "two"));
	ASSERT_OK(text_set("d/b", "trusted.y", "y"));
	ASSERT_OK(unlink("a"));
	ASSERT_OK(rename("d/b", "c"));
	remount(_metadata, &self->dir);
	EXPECT_TRUE(text_is("c", "user.x", "two"));
	EXPECT_TRUE(text_is("c", "trusted.y", "y"));
	/* the name that is left to another object takes nothing along */
	ASSERT_EQ(0, make_object("a", T_REG));
	EXPECT_EQ(0, count_listed("a"));
	ASSERT_OK(rename("a", "c"));
	EXPECT_EQ(0, count_listed("c"));
}

TEST_F(xattr, without_a_name)
{
	const size_t size = value_max() / 2;
	char path[64], buf[8];
	int fd;

	fd = open(".", O_TMPFILE | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	sprintf(path, "/proc/self/fd/%d", fd);
	EXPECT_OK(fsetxattr(fd, "user.x", "tmp", 3, 0));
	ASSERT_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	close(fd);
	EXPECT_TRUE(text_is("named", "user.x", "tmp"));
	fd = open("named", O_RDWR);
	EXPECT_OK(value_set("named", "user.big", size, 1, 0));
	ASSERT_OK(unlink("named"));
	EXPECT_EQ(size, fgetxattr(fd, "user.big", NULL, 0));
	EXPECT_EQ(3, fgetxattr(fd, "user.x", buf, sizeof(buf)));
	EXPECT_OK(fsetxattr(fd, "user.y", "late", 4, 0));
	EXPECT_OK(fremovexattr(fd, "user.x"));
	EXPECT_ERR(ENODATA, fgetxattr(fd, "user.x", buf, sizeof(buf)));
	close(fd);
}

/* Set, get, list and remove of attribute @name of "o" by each user. */
struct rights {
	const char *name;
	mode_t mode;
	int set[NUSERS], get[NUSERS], del[NUSERS];
};

static void expect_rights(struct __test_metadata *_metadata, const struct rights *r)
{
	ASSERT_OK(chmod("o", r->mode));
	for (enum user u = 0; u < NUSERS; u++) {
		lremovexattr("o", r->name);
		EXPECT_EQ(r->set[u], AS(u, setxattr("o", r->name, "new", 3, 0)))
			TH_LOG("set %s %o %s", r->name, r->mode, user_names[u]);
		EXPECT_EQ(r->set[u] != 0, gone("o", r->name));
		ASSERT_OK(text_set("o", r->name, "old"));
		EXPECT_EQ(r->set[u], AS(u, setxattr("o", r->name, "new", 3, 0)))
			TH_LOG("replace %s %o %s", r->name, r->mode, user_names[u]);
		EXPECT_TRUE(text_is("o", r->name, r->set[u] ? "old" : "new"));
		EXPECT_EQ(r->get[u], AS(u, getxattr("o", r->name, NULL, 0)))
			TH_LOG("get %s %o %s", r->name, r->mode, user_names[u]);
		EXPECT_EQ(0, AS(u, listxattr("o", NULL, 0)));
		EXPECT_EQ(r->del[u], AS(u, removexattr("o", r->name)))
			TH_LOG("remove %s %o %s", r->name, r->mode, user_names[u]);
		EXPECT_EQ(!r->del[u], gone("o", r->name));
	}
}

TEST_F(xattr, who_may)
{
	/* root, owner, other, root of a namespace (the owner outside); security. last */
	static const struct rights all[] = {
		{ "user.a", 0644, { 0, 0, EACCES, 0 }, { 0, 0, 0, 0 },
		  { 0, 0, EACCES, 0 } },
		{ "user.a", 0666, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } },
		{ "user.a", 0600, { 0, 0, EACCES, 0 }, { 0, 0, EACCES, 0 },
		  { 0, 0, EACCES, 0 } },
		{ "user.a", 0444, { 0, EACCES, EACCES, 0 }, { 0, 0, 0, 0 },
		  { 0, EACCES, EACCES, 0 } },
		{ "trusted.a", 0666, { 0, EPERM, EPERM, EPERM },
		  { 0, ENODATA, ENODATA, ENODATA }, { 0, EPERM, EPERM, EPERM } },
		{ "security.a", 0666, { 0, EPERM, EPERM, EPERM }, { 0, 0, 0, 0 },
		  { 0, EPERM, EPERM, EPERM } },
	};
	static const enum type types[] = { T_REG, T_DIR };
	const bool lax = owners_set_security();

	for (int k = 0; k < 2; k++) {
		ASSERT_EQ(0, make_object("o", types[k]));
		for (unsigned int i = 0; i < ARRAY_SIZE(all) - lax; i++)
			expect_rights(_metadata, &all[i]);
		ASSERT_OK(remove("o"));
	}
}

/* What only the administrator may see is not listed for others. */
TEST_F(xattr, who_sees_what_in_a_list)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.a", "x"));
	ASSERT_OK(text_set("o", "trusted.a", "x"));
	ASSERT_OK(text_set("o", "security.a", "x"));
	EXPECT_EQ(3, count_listed("o"));
	for (enum user u = U_OWNER; u < NUSERS; u++) {
		EXPECT_EQ(0, AS(u, listed("o", "trusted.a") ? -1 : 0));
		EXPECT_EQ(0, AS(u, listed("o", "user.a") == 1 ? 0 : -1));
		EXPECT_EQ(0, AS(u, listed("o", "security.a") == 1 ? 0 : -1));
		EXPECT_EQ(0, AS(u, listxattr("o", NULL, 0) == 7 + 11 ? 0 : -1));
	}
}

TEST_F(xattr, sticky_directory)
{
	static const int sticky[NUSERS] = { 0, 0, EPERM, 0 };

	ASSERT_EQ(0, make_object("o", T_DIR));
	for (enum user u = 0; u < NUSERS; u++) {
		ASSERT_OK(chmod("o", 0777));
		EXPECT_EQ(0, AS(u, setxattr("o", "user.a", "x", 1, 0)));
		ASSERT_OK(chmod("o", 01777));
		EXPECT_EQ(sticky[u], AS(u, setxattr("o", "user.b", "x", 1, 0)));
		EXPECT_EQ(0, AS(u, getxattr("o", "user.a", NULL, 0)));
		EXPECT_EQ(sticky[u], AS(u, removexattr("o", "user.a")));
	}
}

/* Of the flags that stop changes, have those in @fl; ext4 has others to keep. */
static int chattr_set(const char *name, unsigned int fl)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK), ret;
	unsigned int is;

	ret = fd < 0 ? -1 : ioctl(fd, FS_IOC_GETFLAGS, &is);
	is = (is & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | fl;
	ret = ret ? ret : ioctl(fd, FS_IOC_SETFLAGS, &is);
	close(fd);
	return ret;
}

static void expect_frozen(struct __test_metadata *_metadata, const char *what)
{
	EXPECT_ERR(EPERM, lsetxattr("o", "trusted.a", "new", 3, 0));
	EXPECT_ERR(EPERM, lsetxattr("o", "security.b", "new", 3, 0));
	EXPECT_ERR(EPERM, lremovexattr("o", "trusted.a"));
	EXPECT_TRUE(text_is("o", "trusted.a", "old"));
	EXPECT_EQ(1, count_listed("o")) TH_LOG("%s", what);
}

TEST_F(xattr, immutable_and_append_only)
{
	static const unsigned int fl[] = { FS_IMMUTABLE_FL, FS_APPEND_FL };
	static const enum type types[] = { T_REG, T_DIR };

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, make_object("o", types[i % 2]));
		ASSERT_OK(text_set("o", "trusted.a", "old"));
		ASSERT_OK(chattr_set("o", fl[i / 2]));
		expect_frozen(_metadata, type_names[types[i % 2]]);
		EXPECT_ERR(EPERM, setxattr("o", "user.a", "x", 1, 0));
		EXPECT_ERR(EPERM, removexattr("o", "user.a"));
		ASSERT_OK(chattr_set("o", 0));
		EXPECT_OK(text_set("o", "trusted.a", "new"));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(xattr, flags_on_every_type)
{
	static const uint32_t flags[] = {
		LNKFS_UF_IMMUTABLE, LNKFS_SF_IMMUTABLE, LNKFS_UF_APPEND, LNKFS_SF_APPEND,
	};
	enum type t;

	if (!on_lnkfs())
		SKIP(return, "only lnkfs has flags on every type");
	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		ASSERT_OK(text_set("o", "trusted.a", "old"));
		for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
			ASSERT_OK(lchflags("o", flags[i]));
			expect_frozen(_metadata, type_names[t]);
		}
		/* the others let attributes be */
		ASSERT_OK(lchflags("o", LNKFS_UF_NOUNLINK | LNKFS_UF_NODUMP));
		EXPECT_OK(text_set("o", "trusted.a", "new"));
		EXPECT_OK(lremovexattr("o", "trusted.a"));
		ASSERT_OK(lchflags("o", 0));
		ASSERT_OK(remove("o"));
	}
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Has ctime of "o" moved, and nothing else, since @st? Then @st follows. */
static bool touched(struct stat *st)
{
	struct stat now;
	bool moved;

	lstat("o", &now);
	moved = !same_time(st->st_ctim, now.st_ctim) &&
		same_time(st->st_mtim, now.st_mtim) && st->st_size == now.st_size;
	*st = now;
	tick();
	return moved;
}

static bool untouched(const struct stat *st)
{
	struct stat now;

	return !lstat("o", &now) && same_time(st->st_ctim, now.st_ctim) &&
	       same_time(st->st_mtim, now.st_mtim) && st->st_size == now.st_size;
}

TEST_F(xattr, times)
{
	static const enum type types[] = { T_REG, T_DIR, T_FAST, T_SLOW, T_FIFO };
	struct stat st;
	char buf[16];

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, make_object("o", types[i]));
		ASSERT_OK(lstat("o", &st));
		tick();
		EXPECT_OK(text_set("o", "trusted.a", "one"));
		EXPECT_TRUE(touched(&st)) TH_LOG("set, %s", type_names[types[i]]);
		EXPECT_OK(text_set("o", "trusted.a", "two"));
		EXPECT_TRUE(touched(&st)) TH_LOG("replace");
		EXPECT_OK(value_set("o", "trusted.a", value_max() / 2, 1, 0));
		EXPECT_TRUE(touched(&st)) TH_LOG("grow");
		EXPECT_OK(lgetxattr("o", "trusted.a", NULL, 0));
		EXPECT_OK(llistxattr("o", NULL, 0));
		EXPECT_ERR(ENODATA, lgetxattr("o", "trusted.b", buf, sizeof(buf)));
		EXPECT_ERR(ENODATA, lremovexattr("o", "trusted.b"));
		EXPECT_ERR(EEXIST, lsetxattr("o", "trusted.a", "x", 1, XATTR_CREATE));
		EXPECT_ERR(ENODATA, lsetxattr("o", "trusted.b", "x", 1, XATTR_REPLACE));
		EXPECT_TRUE(untouched(&st)) TH_LOG("get, list and what failed");
		EXPECT_OK(lremovexattr("o", "trusted.a"));
		EXPECT_TRUE(touched(&st)) TH_LOG("remove");
		ASSERT_OK(remove("o"));
	}
}

/* Capabilities of a program, as setcap(8) writes them: cap_net_raw. */
static const struct vfs_cap_data cap = {
	.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
	.data = { { 1u << CAP_NET_RAW, 0 } },
};

#define CAPS	"security.capability"

static bool has_caps(const char *path)
{
	struct vfs_cap_data is;

	return getxattr(path, CAPS, &is, sizeof(is)) == XATTR_CAPS_SZ_2 &&
	       !memcmp(&is, &cap, XATTR_CAPS_SZ_2);
}

static int set_caps(const char *path)
{
	return setxattr(path, CAPS, &cap, XATTR_CAPS_SZ_2, 0);
}

static int write_at(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | flags);
	int ret = write(fd, "x", 1) == 1 ? 0 : -1;

	close(fd);
	return ret;
}

static int read_and_open(const char *path)
{
	int fd = open(path, O_RDWR);
	char c;
	int ret = read(fd, &c, 1) == 1 ? 0 : -1;

	close(fd);
	return ret;
}

TEST_F(xattr, capabilities_are_dropped_by_a_change)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.a", "stays"));
	ASSERT_OK(text_set("o", "security.a", "stays"));
	ASSERT_OK(chmod("o", 0777));
#define KEEPS(call) do {						\
	ASSERT_OK(set_caps("o"));					\
	EXPECT_OK(call);						\
	EXPECT_TRUE(has_caps("o")) TH_LOG("lost by %s", #call);		\
} while (0)
#define DROPS(call) do {						\
	ASSERT_OK(set_caps("o"));					\
	EXPECT_OK(call);						\
	EXPECT_TRUE(gone("o", CAPS)) TH_LOG("kept by %s", #call);	\
} while (0)
	KEEPS(read_and_open("o"));
	KEEPS(chmod("o", 0700));
	KEEPS(chmod("o", 0777));
	KEEPS(utimensat(AT_FDCWD, "o", NULL, 0));
	KEEPS(rename("o", "p") ? -1 : rename("p", "o"));
	KEEPS(text_set("o", "user.b", "b"));
	DROPS(write_at("o", 0));
	DROPS(write_at("o", O_APPEND));
	DROPS(truncate("o", 3));
	DROPS(truncate("o", 30));
	DROPS(write_at("o", O_TRUNC));
	DROPS(chown("o", TEST_UID, TEST_GID));
	DROPS(chown("o", OTHER_UID, -1));
	DROPS(chown("o", -1, OTHER_GID));
	EXPECT_EQ(0, AS(U_OTHER, write_at("o", 0)));
	DROPS(AS(U_OWNER, write_at("o", 0)) ? -1 : 0);
	EXPECT_TRUE(text_is("o", "user.a", "stays"));
	EXPECT_TRUE(text_is("o", "security.a", "stays"));
	ASSERT_OK(set_caps("o"));
	remount(_metadata, &self->dir);
	EXPECT_TRUE(has_caps("o"));
}

static int direct_write(const char *path)
{
	static char __attribute__((aligned(4096))) buf[4096];
	int fd = open(path, O_WRONLY | O_DIRECT);
	int ret = pwrite(fd, buf, sizeof(buf), 0) == sizeof(buf) ? 0 : -1;

	close(fd);
	return ret;
}

TEST_F(xattr, capabilities_are_dropped_by_direct_io)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(truncate("o", 8192));
	DROPS(direct_write("o"));
}

TEST_F(xattr, capabilities_that_are_refused)
{
	static const enum type types[] = { T_DIR, T_FIFO };

	ASSERT_EQ(0, make_object("o", T_REG));
	EXPECT_ERR(EINVAL, setxattr("o", CAPS, "x", 1, 0));
	EXPECT_EQ(EPERM, AS(U_OWNER, set_caps("o")));
	EXPECT_EQ(EPERM, AS(U_OTHER, set_caps("o")));
	EXPECT_TRUE(gone("o", CAPS));
	ASSERT_OK(set_caps("o"));
	if (!owners_set_security()) {
		EXPECT_EQ(EPERM, AS(U_OWNER, removexattr("o", CAPS)));
		EXPECT_TRUE(has_caps("o"));
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(remove("o"));
		ASSERT_EQ(0, make_object("o", types[i]));
		EXPECT_OK(set_caps("o"));
		EXPECT_TRUE(has_caps("o"));
	}
}

/* The labels of SELinux and the like, as a tool writes them that restores them. */
TEST_F(xattr, security_labels)
{
	static const char label[] = "system_u:object_r:admin_home_t:s0";
	const int refused = owners_set_security() ? 0 : EPERM;
	enum type t;
	char name[16], got[64];

	for (t = 0; t < NTYPES; t++) {
		sprintf(name, "o%u", t);
		ASSERT_EQ(0, make_object(name, t));
		EXPECT_OK(lsetxattr(name, "security.selinux", label, sizeof(label), 0));
		EXPECT_EQ(refused, AS(U_OWNER, lsetxattr(name, "security.selinux", label,
						       sizeof(label), 0)));
		EXPECT_EQ(0, AS(U_OTHER, lgetxattr(name, "security.selinux", NULL, 0)));
	}
	remount(_metadata, &self->dir);
	for (t = 0; t < NTYPES; t++) {
		sprintf(name, "o%u", t);
		EXPECT_EQ(sizeof(label), lgetxattr(name, "security.selinux", got, sizeof(got)))
			TH_LOG("%s", type_names[t]);
		EXPECT_EQ(0, memcmp(label, got, sizeof(label)));
	}
}

VOLUME_FIXTURE(volume, 32)

TEST_F(volume, read_only)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.a", "old"));
	ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, setxattr("o", "user.a", "new", 3, 0));
	EXPECT_ERR(EROFS, setxattr("o", "trusted.b", "new", 3, 0));
	EXPECT_ERR(EROFS, removexattr("o", "user.a"));
	EXPECT_ERR(EROFS, removexattr("o", "user.none"));
	EXPECT_TRUE(text_is("o", "user.a", "old"));
	EXPECT_EQ(1, count_listed("o"));
}

/* After the end of the volume nothing is accepted. */
TEST_F(volume, shut_down)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(text_set("o", "user.a", "old"));
	ASSERT_OK(crash_volume(self->v.mnt, LNKFS_SHUTDOWN_LOG));
	EXPECT_ERR(EIO, setxattr("o", "user.a", "new", 3, 0));
	EXPECT_ERR(EIO, removexattr("o", "user.a"));
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	EXPECT_TRUE(text_is("o", "user.a", "old"));
}

/* Accepted as other filesystems accept them, and without an effect. */
TEST_F(volume, mount_options)
{
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	if (!on_fs("xfs"))
		ASSERT_OK(vol_mount(&self->v, 0, "user_xattr,acl"));
	else
		ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	ASSERT_EQ(0, make_object("o", T_REG));
	EXPECT_OK(text_set("o", "user.a", "x"));
}

TEST_HARNESS_MAIN
