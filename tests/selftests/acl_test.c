// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX ACLs: what they say, whom they let in, how they are inherited, and how
 * they go together with modes. Everything here is as on ext4 and XFS.
 */
#include <linux/fs.h>
#include <linux/mount.h>

#include "attr_util.h"
#include "acl_util.h"
#include "volume.h"

TDIR_FIXTURE(acl)

static const char some_acl[] = "u::rw-,u:1000:r--,u:1001:rwx,g::r--,g:1002:-w-,m::rwx,o::---";

static bool in_list(const char *path, const char *name)
{
	char list[1024];
	ssize_t len = llistxattr(path, list, sizeof(list));

	for (char *p = list; p < list + len; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

TEST_F(acl, set_get_list_remove)
{
	char small[8];

	ASSERT_OK(create_file("f", 0640));
	EXPECT_ACL("none", "f", ACCESS);
	EXPECT_ERR(ENODATA, getxattr("f", ACCESS, NULL, 0));
	EXPECT_FALSE(in_list("f", ACCESS));
	EXPECT_OK(acl_set("f", ACCESS, some_acl));
	EXPECT_ACL(some_acl, "f", ACCESS);
	EXPECT_MODE(0670, "f");
	EXPECT_TRUE(in_list("f", ACCESS));
	EXPECT_FALSE(in_list("f", DEFAULT));
	EXPECT_ERR(ERANGE, getxattr("f", ACCESS, small, sizeof(small)));
	EXPECT_OK(acl_set("f", ACCESS, "u::r--,u:7:rwx,g::---,m::-w-,o::r-x"));
	EXPECT_ACL("u::r--,u:7:rwx,g::---,m::-w-,o::r-x", "f", ACCESS);
	EXPECT_MODE(0425, "f");
	EXPECT_OK(removexattr("f", ACCESS));
	EXPECT_ACL("none", "f", ACCESS);
	EXPECT_FALSE(in_list("f", ACCESS));
	/* the bits that showed the mask stay */
	EXPECT_MODE(0425, "f");
	EXPECT_OK(removexattr("f", ACCESS));
}

/* An ACL that says no more than a mode is kept as one. */
TEST_F(acl, that_is_a_mode)
{
	ASSERT_OK(create_file("f", 0777));
	EXPECT_OK(acl_set("f", ACCESS, "u::r-x,g::-w-,o::--x"));
	EXPECT_ACL("none", "f", ACCESS);
	EXPECT_FALSE(in_list("f", ACCESS));
	EXPECT_MODE(0521, "f");
	/* with a mask it says more */
	EXPECT_OK(acl_set("f", ACCESS, "u::r-x,g::-w-,m::rwx,o::--x"));
	EXPECT_ACL("u::r-x,g::-w-,m::rwx,o::--x", "f", ACCESS);
	EXPECT_MODE(0571, "f");
	EXPECT_OK(acl_set("f", ACCESS, "u::rwx,g::---,o::---"));
	EXPECT_ACL("none", "f", ACCESS);
	EXPECT_MODE(0700, "f");
}

TEST_F(acl, chmod_is_the_mask)
{
	ASSERT_OK(create_file("f", 0640));
	ASSERT_OK(acl_set("f", ACCESS, "u::rw-,u:1000:rwx,g::r-x,m::rwx,o::---"));
	EXPECT_OK(chmod("f", 0541));
	EXPECT_ACL("u::r-x,u:1000:rwx,g::r-x,m::r--,o::--x", "f", ACCESS);
	EXPECT_MODE(0541, "f");
	EXPECT_OK(chmod("f", 04777));
	EXPECT_ACL("u::rwx,u:1000:rwx,g::r-x,m::rwx,o::rwx", "f", ACCESS);
	EXPECT_MODE(04777, "f");
	EXPECT_OK(chmod("f", 0));
	EXPECT_ACL("u::---,u:1000:rwx,g::r-x,m::---,o::---", "f", ACCESS);
	/* chown leaves it as it is, but for the bits that it takes away */
	EXPECT_OK(chmod("f", 04750));
	EXPECT_OK(chown("f", TEST_UID, TEST_GID));
	EXPECT_ACL("u::rwx,u:1000:rwx,g::r-x,m::r-x,o::---", "f", ACCESS);
	EXPECT_MODE(0750, "f");
	remount(_metadata, &self->dir);
	EXPECT_ACL("u::rwx,u:1000:rwx,g::r-x,m::r-x,o::---", "f", ACCESS);
	EXPECT_MODE(0750, "f");
}

TEST_F(acl, where_it_can_be)
{
	static const char named[] = "u::rw-,u:1000:rwx,g::r--,m::rw-,o::---";
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		if (is_link(t)) {
			struct acl *a = acl_of(named);

			EXPECT_ERR(EOPNOTSUPP, lsetxattr("o", ACCESS, a, acl_size(a), 0));
			EXPECT_ERR(EOPNOTSUPP, lsetxattr("o", DEFAULT, a, acl_size(a), 0));
			EXPECT_ERR(EOPNOTSUPP, lgetxattr("o", ACCESS, NULL, 0));
			EXPECT_ERR(EOPNOTSUPP, lgetxattr("o", DEFAULT, NULL, 0));
			EXPECT_ERR(EOPNOTSUPP, lremovexattr("o", ACCESS));
			EXPECT_EQ(0, llistxattr("o", NULL, 0));
		} else {
			EXPECT_OK(acl_set("o", ACCESS, named));
			EXPECT_ACL(named, "o", ACCESS);
			EXPECT_MODE(0660, "o");
			if (t == T_DIR) {
				EXPECT_OK(acl_set("o", DEFAULT, named));
				EXPECT_ACL(named, "o", DEFAULT);
				EXPECT_TRUE(in_list("o", DEFAULT));
				EXPECT_OK(removexattr("o", DEFAULT));
				EXPECT_FALSE(in_list("o", DEFAULT));
			} else {
				EXPECT_ERR(EACCES, acl_set("o", DEFAULT, named));
				EXPECT_OK(removexattr("o", DEFAULT));
			}
			EXPECT_ACL("none", "o", DEFAULT);
			EXPECT_ACL(named, "o", ACCESS);
		}
		ASSERT_OK(remove("o"));
	}
	/* through a link it is that of the target */
	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(symlink("f", "l"));
	EXPECT_OK(acl_set("l", ACCESS, named));
	EXPECT_ACL(named, "f", ACCESS);
}

TEST_F(acl, that_are_refused)
{
	static const char *const bad[] = {
		"", "u::rwx", "u::rwx,g::rwx", "g::rwx,o::rwx", "u::rwx,o::rwx",
		"u::rwx,m::rwx,o::rwx",
		/* a mask is needed with names */
		"u::rwx,u:1:rwx,g::rwx,o::rwx", "u::rwx,g::rwx,g:1:rwx,o::rwx",
		/* order, and twice the same */
		"g::rwx,u::rwx,o::rwx", "u::rwx,g::rwx,o::rwx,m::rwx",
		"u::rwx,u::rwx,g::rwx,o::rwx", "u::rwx,g::rwx,o::rwx,o::rwx",
		"u::rwx,g::rwx,m::rwx,m::rwx,o::rwx",
		"u::rwx,g::rwx,u:1:rwx,m::rwx,o::rwx",
	};
	struct acl *a;
	unsigned int i;

	ASSERT_OK(mkdir("d", 0750));
	for (i = 1; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, acl_set("d", ACCESS, bad[i])) TH_LOG("%s", bad[i]);
		EXPECT_EQ(EINVAL, errno);
		EXPECT_ERR(EINVAL, acl_set("d", DEFAULT, bad[i]));
	}
	a = acl_of("u::rwx,u:1:rwx,g::rwx,m::rwx,o::rwx");
	a->h.a_version = htole32(3);
	EXPECT_ERR(EOPNOTSUPP, setxattr("d", ACCESS, a, acl_size(a), 0));
	a = acl_of("u::rwx,u:1:rwx,g::rwx,m::rwx,o::rwx");
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, acl_size(a) - 1, 0));
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, acl_size(a) + 1, 0));
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, 3, 0));
	a->e[1].e_perm = htole16(8);
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, acl_size(a), 0));
	a = acl_of("u::rwx,u:1:rwx,g::rwx,m::rwx,o::rwx");
	a->e[1].e_id = htole32(-1);
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, acl_size(a), 0));
	a->e[1].e_tag = htole16(0x40);
	EXPECT_ERR(EINVAL, setxattr("d", ACCESS, a, acl_size(a), 0));
	EXPECT_ACL("none", "d", ACCESS);
	EXPECT_ACL("none", "d", DEFAULT);
	EXPECT_MODE(0750, "d");
}

/* What the largest value of an attribute holds, if the filesystem takes it. */
TEST_F(acl, of_many_entries)
{
	static struct acl a, got;
	const unsigned int most = on_lnkfs() ? 500 : fs_block_size() / 32;
	unsigned int n;

	ASSERT_OK(mkdir("d", 0700));
	for (n = 10; n <= most; n += n < 60 ? 10 : n) {
		a.n = 0;
		acl_add(&a, ACL_TAG_USER_OBJ, -1, 7);
		for (unsigned int i = 0; i < n; i++)
			acl_add(&a, ACL_TAG_USER, 5000 + i, i % 8);
		acl_add(&a, ACL_TAG_GROUP_OBJ, -1, 5);
		acl_add(&a, ACL_TAG_MASK, -1, 7);
		acl_add(&a, ACL_TAG_OTHER, -1, 0);
		EXPECT_OK(setxattr("d", ACCESS, &a, acl_size(&a), 0));
		EXPECT_OK(setxattr("d", DEFAULT, &a, acl_size(&a), 0));
		EXPECT_EQ(acl_size(&a), getxattr("d", ACCESS, &got, sizeof(got)));
		EXPECT_EQ(0, memcmp(&a, &got, acl_size(&a)));
		/* an heir of all */
		EXPECT_OK(mkdir("d/e", 0777));
		EXPECT_EQ(acl_size(&a), getxattr("d/e", DEFAULT, &got, sizeof(got)));
		EXPECT_EQ(0, memcmp(&a, &got, acl_size(&a)));
		EXPECT_EQ(acl_size(&a), getxattr("d/e", ACCESS, &got, sizeof(got)));
		EXPECT_OK(rmdir("d/e"));
	}
	remount(_metadata, &self->dir);
	EXPECT_EQ(acl_size(&a), getxattr("d", DEFAULT, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&a, &got, acl_size(&a)));
}

TEST_F(acl, of_too_many_entries)
{
	static char buf[65536 + 12];

	((struct posix_acl_xattr_header *)buf)->a_version = htole32(POSIX_ACL_XATTR_VERSION);
	ASSERT_OK(create_file("f", 0600));
	EXPECT_ERR(E2BIG, setxattr("f", ACCESS, buf, 65536 + 4, 0));
	EXPECT_ACL("none", "f", ACCESS);
}

/* What the objects made in "d" have, with this umask and mode. */
static void expect_heirs(struct __test_metadata *_metadata, mode_t mask, mode_t mode,
			 mode_t file_mode, const char *file_acl,
			 mode_t dir_mode, const char *dir_acl)
{
	char path[64], dflt[1000];
	int fd;

	strcpy(dflt, acl_text("d", DEFAULT));
	umask(mask);
	fd = open("d/f", O_CREAT | O_EXCL | O_RDWR, mode);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_OK(mkdir("d/d", mode));
	EXPECT_OK(mknod("d/p", S_IFIFO | mode, 0));
	EXPECT_OK(mknod("d/c", S_IFCHR | mode, makedev(1, 3)));
	EXPECT_OK(symlink("f", "d/l"));
	fd = open("d", O_TMPFILE | O_RDWR, mode);
	sprintf(path, "/proc/self/fd/%d", fd);
	EXPECT_OK(linkat(AT_FDCWD, path, AT_FDCWD, "d/t", AT_SYMLINK_FOLLOW));
	close(fd);
	umask(022);
	EXPECT_MODE(file_mode, "d/f");
	EXPECT_ACL(file_acl, "d/f", ACCESS);
	EXPECT_ACL("none", "d/f", DEFAULT);
	EXPECT_MODE(file_mode, "d/p");
	EXPECT_ACL(file_acl, "d/p", ACCESS);
	EXPECT_MODE(file_mode, "d/c");
	EXPECT_ACL(file_acl, "d/c", ACCESS);
	EXPECT_MODE(file_mode, "d/t");
	EXPECT_ACL(file_acl, "d/t", ACCESS);
	EXPECT_MODE(dir_mode, "d/d");
	EXPECT_ACL(dir_acl, "d/d", ACCESS);
	EXPECT_ACL(dflt, "d/d", DEFAULT);
	EXPECT_MODE(0777, "d/l");
	EXPECT_EQ(0, llistxattr("d/l", NULL, 0));
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(unlink("d/p"));
	EXPECT_OK(unlink("d/c"));
	EXPECT_OK(unlink("d/l"));
	EXPECT_OK(unlink("d/t"));
	EXPECT_OK(rmdir("d/d"));
}

TEST_F(acl, inheritance)
{
	static const char dflt[] = "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x";

	ASSERT_OK(mkdir("d", 0755));
	/* without a default the umask counts */
	expect_heirs(_metadata, 027, 0777, 0750, "none", 0750, "none");
	/* an access ACL is of no consequence for them */
	ASSERT_OK(acl_set("d", ACCESS, "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x"));
	expect_heirs(_metadata, 027, 0777, 0750, "none", 0750, "none");
	/* with one it does not, but the mode asked for does */
	ASSERT_OK(acl_set("d", DEFAULT, dflt));
	expect_heirs(_metadata, 027, 0777, 0775, dflt, 0775, dflt);
	expect_heirs(_metadata, 077, 0640,
		     0640, "u::rw-,u:1000:rwx,g::r-x,m::r--,o::---",
		     0640, "u::rw-,u:1000:rwx,g::r-x,m::r--,o::---");
	expect_heirs(_metadata, 0, 0,
		     0, "u::---,u:1000:rwx,g::r-x,m::---,o::---",
		     0, "u::---,u:1000:rwx,g::r-x,m::---,o::---");
	/* one that is a mode gives a mode */
	ASSERT_OK(acl_set("d", DEFAULT, "u::rwx,g::r-x,o::--x"));
	expect_heirs(_metadata, 077, 0777, 0751, "none", 0751, "none");
	expect_heirs(_metadata, 077, 0666, 0640, "none", 0640, "none");
	ASSERT_OK(removexattr("d", DEFAULT));
	expect_heirs(_metadata, 077, 0777, 0700, "none", 0700, "none");
	EXPECT_ACL("u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x", "d", ACCESS);
}

TEST_F(acl, inheritance_goes_down)
{
	static const char dflt[] = "u::rwx,u:1000:r-x,g::r-x,m::r-x,o::---";
	char path[256] = "d";

	ASSERT_OK(mkdir("d", 02755));
	ASSERT_OK(chown("d", 0, 1002));
	ASSERT_OK(chmod("d", 02755));
	ASSERT_OK(acl_set("d", DEFAULT, dflt));
	for (int i = 0; i < 20; i++) {
		strcat(path, "/d");
		ASSERT_OK(mkdir(path, 0777));
		EXPECT_ACL(dflt, path, DEFAULT);
		EXPECT_ACL(dflt, path, ACCESS);
		EXPECT_MODE(02750, path);
	}
	remount(_metadata, &self->dir);
	EXPECT_ACL(dflt, path, DEFAULT);
	strcat(path, "/f");
	ASSERT_OK(create_file(path, 0666));
	EXPECT_ACL("u::rw-,u:1000:r-x,g::r-x,m::r--,o::---", path, ACCESS);
	EXPECT_MODE(0640, path);
}

/* The rule of POSIX.1e, said once more: which of rwx does this process get? */
static unsigned int rights_by(const struct acl *a, uid_t owner, gid_t group, uid_t uid,
			      const gid_t *groups, int ngroups)
{
	unsigned int mask = 7, in_groups = 0, other = 0, i;
	bool member = false;

	for (i = 0; i < a->n; i++)
		if (le16toh(a->e[i].e_tag) == ACL_TAG_MASK)
			mask = le16toh(a->e[i].e_perm);
	for (i = 0; i < a->n; i++) {
		unsigned int tag = le16toh(a->e[i].e_tag), perm = le16toh(a->e[i].e_perm);
		uint32_t id = le32toh(a->e[i].e_id);

		if (tag == ACL_TAG_USER_OBJ && uid == owner)
			return perm;
		if (tag == ACL_TAG_USER && uid == id)
			return perm & mask;
		if (tag == ACL_TAG_OTHER)
			other = perm;
		for (int k = 0; k < ngroups; k++) {
			if ((tag == ACL_TAG_GROUP_OBJ && groups[k] == group) ||
			    (tag == ACL_TAG_GROUP && groups[k] == id)) {
				member = true;
				/* each single right must come from one entry */
				in_groups |= 1u << (perm & mask);
			}
		}
	}
	return member ? in_groups << 8 : other;
}

/* May a process ask for all of @want at once? */
static bool may(unsigned int rights, unsigned int want)
{
	if (!(rights >> 8))
		return (rights & want) == want;
	for (unsigned int p = 0; p < 8; p++)
		if ((rights >> 8 & 1u << p) && (p & want) == want)
			return true;
	return false;
}

struct person {
	uid_t uid;
	int n;
	gid_t groups[3];
};

/* A bit for each of the 8 combinations of rwx. */
static int rights_of(const char *path, const struct person *p)
{
	int st, got = 0;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(p->n, p->groups) ||
		    setresgid(p->groups[0], p->groups[0], p->groups[0]) ||
		    setresuid(p->uid, p->uid, p->uid))
			_exit(255);
		for (int i = 1; i < 8; i++)
			got |= !access(path, i) << (i - 1);
		_exit(got);
	}
	waitpid(pid, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

TEST_F(acl, whom_it_lets_in)
{
	static const struct person people[] = {
		{ 1000, 1, { 1000 } }, { 1000, 2, { 1000, 1002 } }, { 1001, 1, { 1001 } },
		{ 1001, 3, { 1001, 1002, 1003 } }, { 1234, 1, { 1002 } }, { 1234, 1, { 1234 } },
	};
	static struct acl a;
	struct rng r = { .s = 4711 };

	ASSERT_OK(create_file("f", 0600));
	ASSERT_OK(chown("f", 1000, 1000));
	for (int i = 0; i < 40; i++) {
		a.n = 0;
		acl_add(&a, ACL_TAG_USER_OBJ, -1, rng_below(&r, 8));
		if (rng_below(&r, 2))
			acl_add(&a, ACL_TAG_USER, 1001, rng_below(&r, 8));
		if (rng_below(&r, 4) == 0)
			acl_add(&a, ACL_TAG_USER, 1234, rng_below(&r, 8));
		acl_add(&a, ACL_TAG_GROUP_OBJ, -1, rng_below(&r, 8));
		if (rng_below(&r, 2))
			acl_add(&a, ACL_TAG_GROUP, 1002, rng_below(&r, 8));
		if (rng_below(&r, 2))
			acl_add(&a, ACL_TAG_GROUP, 1003, rng_below(&r, 8));
		acl_add(&a, ACL_TAG_MASK, -1, rng_below(&r, 4) ? 7 : rng_below(&r, 8));
		acl_add(&a, ACL_TAG_OTHER, -1, rng_below(&r, 8));
		ASSERT_OK(setxattr("f", ACCESS, &a, acl_size(&a), 0));
		for (unsigned int k = 0; k < ARRAY_SIZE(people); k++) {
			const struct person *p = &people[k];
			unsigned int by = rights_by(&a, 1000, 1000, p->uid, p->groups, p->n);
			int want = 0;

			for (int w = 1; w < 8; w++)
				want |= may(by, w) << (w - 1);
			EXPECT_EQ(want, rights_of("f", p))
				TH_LOG("person %u, %s", k, acl_text("f", ACCESS));
		}
	}
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* The same by what is done, on a directory and its entries. */
TEST_F(acl, what_it_lets_do)
{
	ASSERT_OK(mkdir("d", 0700));
	ASSERT_OK(create_text("d/f", "text"));
	ASSERT_OK(chmod("d/f", 0600));
	EXPECT_EQ(EACCES, AS(U_OWNER, try_open("d/f", O_RDONLY)));
	ASSERT_OK(acl_set("d", ACCESS, "u::rwx,u:1000:--x,g::---,m::--x,o::---"));
	EXPECT_EQ(EACCES, AS(U_OWNER, try_open("d/f", O_RDONLY)));
	ASSERT_OK(acl_set("d/f", ACCESS, "u::rw-,u:1000:r--,g::---,m::r--,o::---"));
	EXPECT_EQ(0, AS(U_OWNER, try_open("d/f", O_RDONLY)));
	EXPECT_EQ(EACCES, AS(U_OWNER, try_open("d/f", O_RDWR)));
	EXPECT_EQ(EACCES, AS(U_OTHER, try_open("d/f", O_RDONLY)));
	EXPECT_EQ(EACCES, AS(U_OWNER, create_file("d/new", 0644)));
	EXPECT_EQ(EACCES, AS(U_OWNER, unlink("d/f")));
	EXPECT_EQ(EACCES, AS(U_OWNER, try_open("d", O_RDONLY | O_DIRECTORY)));
	ASSERT_OK(acl_set("d", ACCESS, "u::rwx,u:1000:rwx,g::---,m::rwx,o::---"));
	EXPECT_EQ(0, AS(U_OWNER, create_file("d/new", 0644)));
	EXPECT_EQ(0, AS(U_OWNER, rename("d/new", "d/newer")));
	EXPECT_EQ(0, AS(U_OWNER, unlink("d/newer")));
	/* the mask takes back what the entry gives, chmod sets the mask */
	ASSERT_OK(chmod("d", 0750));
	EXPECT_EQ(EACCES, AS(U_OWNER, create_file("d/new", 0644)));
	EXPECT_EQ(0, AS(U_OWNER, try_open("d", O_RDONLY | O_DIRECTORY)));
	/* of two capable of all, one needs no ACL */
	EXPECT_EQ(0, AS(U_ROOT, create_file("d/new", 0644)));
}

static int acl_drop(const char *path)
{
	return removexattr(path, ACCESS);
}

TEST_F(acl, who_may_change_it)
{
	static const int want[NUSERS] = { 0, 0, EPERM, 0 };
	/* in a namespace only the owner has a number */
	static const char *const text[NUSERS] = {
		[0 ... U_OTHER] = "u::rwx,u:1000:rwx,g::rwx,m::rwx,o::rwx",
		[U_NSROOT] = "u::rwx,u:0:rwx,g::rwx,m::rwx,o::rwx",
	};

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(chmod("o", 0666));
	for (enum user u = 0; u < NUSERS; u++) {
		removexattr("o", ACCESS);
		EXPECT_EQ(want[u], AS(u, acl_set("o", ACCESS, text[u])))
			TH_LOG("%s", user_names[u]);
		EXPECT_ACL(want[u] ? "none" : text[U_ROOT], "o", ACCESS);
		ASSERT_OK(acl_set("o", ACCESS, text[U_ROOT]));
		EXPECT_EQ(0, AS(u, strcmp(acl_text("o", ACCESS), text[u]) ? -1 : 0))
			TH_LOG("%s", user_names[u]);
		EXPECT_EQ(want[u], AS(u, acl_drop("o")));
	}
	/* numbers that the namespace does not have */
	EXPECT_EQ(EINVAL, AS(U_NSROOT, acl_set("o", ACCESS,
					       "u::rwx,u:5:rwx,g::rwx,m::rwx,o::rwx")));
}

/* One who is not of the group loses its set-group-ID bit, as by chmod. */
TEST_F(acl, set_group_id)
{
	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_OK(chown("o", TEST_UID, 1002));
	ASSERT_OK(chmod("o", 02775));
	EXPECT_EQ(0, AS(U_OWNER, acl_set("o", ACCESS, "u::rwx,u:7:r-x,g::r-x,m::r-x,o::r-x")));
	EXPECT_MODE(0755, "o");
	ASSERT_OK(chmod("o", 02775));
	EXPECT_OK(acl_set("o", ACCESS, "u::rwx,u:7:r-x,g::r-x,m::r-x,o::r-x"));
	EXPECT_MODE(02755, "o");
}

TEST_F(acl, times_and_flags)
{
	struct stat a, b;
	int fd, fl;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(stat("d", &a));
	tick();
	EXPECT_OK(acl_set("d", DEFAULT, some_acl));
	ASSERT_OK(stat("d", &b));
	EXPECT_NE(0, memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	EXPECT_EQ(0, memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
	tick();
	EXPECT_OK(acl_set("d", ACCESS, "u::rwx,g::r--,o::r--"));
	ASSERT_OK(stat("d", &a));
	EXPECT_NE(0, memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	fd = open("d", O_RDONLY);
	ASSERT_OK(ioctl(fd, FS_IOC_GETFLAGS, &fl));
	fl |= FS_IMMUTABLE_FL;
	ASSERT_OK(ioctl(fd, FS_IOC_SETFLAGS, &fl));
	EXPECT_ERR(EPERM, acl_set("d", ACCESS, some_acl));
	EXPECT_ERR(EPERM, acl_set("d", DEFAULT, some_acl));
	EXPECT_ERR(EPERM, removexattr("d", DEFAULT));
	fl &= ~FS_IMMUTABLE_FL;
	ASSERT_OK(ioctl(fd, FS_IOC_SETFLAGS, &fl));
	close(fd);
	EXPECT_ACL(some_acl, "d", DEFAULT);
	EXPECT_ACL("none", "d", ACCESS);
}

/* What is in memory is what is on disk, and what another process sees. */
TEST_F(acl, kept_and_cached)
{
	char text[200];

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_file("d/f", 0600));
	for (int i = 0; i < 6; i++) {
		sprintf(text, "u::rwx,u:%d:r-x,g::r-x,m::r-x,o::---", 2000 + i);
		EXPECT_OK(acl_set("d", DEFAULT, text));
		EXPECT_OK(acl_set("d/f", ACCESS, text));
		EXPECT_EQ(0, AS(U_ROOT, strcmp(text, acl_text("d", DEFAULT)) ? -1 : 0));
		if (i == 2)
			drop_caches();
		if (i == 4)
			remount(_metadata, &self->dir);
		EXPECT_ACL(text, "d", DEFAULT);
		EXPECT_ACL(text, "d/f", ACCESS);
		ASSERT_OK(link("d/f", "d/g"));
		EXPECT_ACL(text, "d/g", ACCESS);
		ASSERT_OK(rename("d/g", "g"));
		EXPECT_ACL(text, "g", ACCESS);
		ASSERT_OK(unlink("g"));
	}
}

/* The programs of everyday, on a tree in which everything has an ACL. */
static const char tools_script[] =
	"set -e\n"
	"mkdir -p t/d/e; echo text >t/f; ln -s f t/l; mkfifo t/d/p\n"
	"setfacl -m u:alice:rwx,g:shared:r-x t/f t/d/p\n"
	"setfacl -m u:bob:r-x -m d:u:alice:rwx,d:g:shared:rx t/d\n"
	"echo more >t/d/e/new; mkdir t/d/sub; echo sub >t/d/sub/f\n"
	"setfattr -n user.note -v 'a note' t/f t/d\n"
	"show() { (cd \"$1\"; find . | sort | getfacl -pn -; getfattr -d f d); }\n"
	"show t >/tmp/acl.want\n"
	"grep -q 'user:1000:rwx' /tmp/acl.want; grep -q 'default:group:1002:r-x' /tmp/acl.want\n"
	"same() { show \"$1\" >/tmp/acl.got; cmp /tmp/acl.want /tmp/acl.got; rm -r \"$1\"; }\n"
	"cp -a t c; same c\n"
	"rsync -aAX t/ r; same r\n"
	"tar --acls --xattrs -C t -cf x.tar .; mkdir x; tar --acls --xattrs -C x -xf x.tar; same x\n"
	"rm x.tar; cp -a t b; (cd t; getfacl -nR .) >/tmp/acl.dump; setfacl -Rbk b\n"
	"! getfacl -nR b | grep -qE '^(user|group|default.*):[0-9]|mask'\n"
	"(cd b; setfacl --restore=/tmp/acl.dump); same b\n"
	"setfacl -x u:alice t/f; ! getfacl -n t/f | grep -q 1000\n"
	"rm -r t /tmp/acl.want /tmp/acl.got /tmp/acl.dump\n";

TEST_F(acl, programs)
{
	int st;
	pid_t pid = fork();

	if (!pid) {
		dup2(1, 2);
		execlp("bash", "bash", "-xc", tools_script, NULL);
		_exit(127);
	}
	waitpid(pid, &st, 0);
	EXPECT_EQ(0, st);
}

TEST_F(acl, on_an_idmapped_mount)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(mkdir("m", 0755));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(chown("d/f", 1000, 1000));
	ASSERT_OK(acl_set("d/f", ACCESS, "u::rw-,u:1001:rwx,g::r--,g:1002:r--,m::rwx,o::---"));
	ASSERT_OK(acl_set("d", DEFAULT, "u::rwx,u:1000:rwx,g::r--,m::rwx,o::---"));
	/* on disk 1000 and 1001, there 2000 and 2001 */
	ASSERT_OK(mount_idmapped("d", "m", "1000 2000 3"));
	EXPECT_ACL("u::rw-,u:2001:rwx,g::r--,g:2002:r--,m::rwx,o::---", "m/f", ACCESS);
	EXPECT_ACL("u::rwx,u:2000:rwx,g::r--,m::rwx,o::---", "m", DEFAULT);
	EXPECT_OK(acl_set("m/f", ACCESS, "u::rw-,u:2000:r--,g::r--,g:2001:-w-,m::rwx,o::---"));
	EXPECT_ACL("u::rw-,u:1000:r--,g::r--,g:1001:-w-,m::rwx,o::---", "d/f", ACCESS);
	/* an owner there is not the owner here */
	EXPECT_EQ(EPERM, AS(U_OWNER, acl_drop("m/f")));
	EXPECT_OK(umount2("m", 0));
}

/* XFS does not make smaller ones. */
#define MIB	(on_fs_xfs() ? 64 : 12)

static bool on_fs_xfs(void)
{
	return !strcmp(env_or("FSTYPE", "lnkfs"), "xfs");
}

VOLUME_FIXTURE(volume, MIB)

/* An object and what it inherits come and go together. */
TEST_F(volume, crash)
{
	static const char dflt[] = "u::rwx,u:1000:r-x,g::r-x,m::r-x,o::---";
	char name[32];
	int i, round;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(acl_set("d", DEFAULT, dflt));
	ASSERT_OK(acl_set("d", ACCESS, some_acl));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 100; i++) {
			sprintf(name, "d/%d.%d", round, i);
			ASSERT_OK(mkdir(name, 0777));
			if (i == 50)
				sync();
		}
		ASSERT_OK(chdir("/"));
		ASSERT_OK(crash_volume(self->v.mnt, round ? LNKFS_SHUTDOWN_NOW :
				       LNKFS_SHUTDOWN_LOG));
		ASSERT_OK(vol_again(&self->v, 0, NULL));
		EXPECT_ACL(dflt, "d", DEFAULT);
		EXPECT_ACL(some_acl, "d", ACCESS);
		for (i = 0; i < 100; i++) {
			sprintf(name, "d/%d.%d", round, i);
			if (!exists(name)) {
				EXPECT_LT(50, i);
				EXPECT_EQ(1, round);
				continue;
			}
			EXPECT_ACL(dflt, name, DEFAULT);
			EXPECT_ACL(dflt, name, ACCESS);
			EXPECT_MODE(0750, name);
		}
	}
}

/* On a full volume an object is made with all that it inherits, or not at all. */
TEST_F(volume, full)
{
	static char buf[1 << 16];
	static struct acl a, got;
	const unsigned int n = fs_block_size() / 32;
	int fd = open("filler", O_CREAT | O_WRONLY, 0644), i, made, err = 0;
	char name[32];

	acl_add(&a, ACL_TAG_USER_OBJ, -1, 7);
	for (unsigned int k = 0; k < n; k++)
		acl_add(&a, ACL_TAG_USER, 5000 + k, k % 8);
	acl_add(&a, ACL_TAG_GROUP_OBJ, -1, 5);
	acl_add(&a, ACL_TAG_MASK, -1, 5);
	acl_add(&a, ACL_TAG_OTHER, -1, 0);
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(setxattr("d", DEFAULT, &a, acl_size(&a), 0));
	while (write(fd, buf, sizeof(buf)) > 0)
		continue;
	ASSERT_EQ(ENOSPC, errno);
	close(fd);
	sync();
	for (i = 0; i < 20000 && !err; i++) {
		sprintf(name, "d/%d", i);
		err = mkdir(name, 0777) ? errno : 0;
	}
	EXPECT_EQ(ENOSPC, err);
	made = i - 1;
	EXPECT_FALSE(exists(name)) TH_LOG("%s failed and is there", name);
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	EXPECT_FALSE(exists(name));
	for (i = 0; i < made; i++) {
		sprintf(name, "d/%d", i);
		EXPECT_EQ(acl_size(&a), getxattr(name, DEFAULT, &got, sizeof(got)));
		EXPECT_EQ(0, memcmp(&a, &got, acl_size(&a)));
		EXPECT_EQ(acl_size(&a), getxattr(name, ACCESS, &got, sizeof(got)));
	}
}

TEST_F(volume, read_only)
{
	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(acl_set("d", ACCESS, some_acl));
	ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(EROFS, acl_set("d", DEFAULT, some_acl));
	EXPECT_ERR(EROFS, removexattr("d", ACCESS));
	EXPECT_ACL(some_acl, "d", ACCESS);
}

/* A volume whose journal is as small as any. */
VOLUME_FIXTURE_WITH(small, 24, "-b 1024")

/*
 * What is inherited may be more than a transaction can have: an answer, and no wait for a larger
 * one. (Kernels before 6.11 have a handle wait that is a few blocks too large.)
 */
TEST_F(small, inherits_very_much)
{
	static struct {
		struct posix_acl_xattr_header h;
		struct posix_acl_xattr_entry e[8000];
	} a;
	unsigned int count, i, made = 0;
	int status, tries;
	pid_t pid;

	if (!on_lnkfs())
		SKIP(return, "ext4 has no such ACLs");
	a.h.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	ASSERT_OK(mkdir("d", 0755));
	for (count = 2800; count <= 8000; count += count < 4800 ? 60 : 400) {
		for (i = 0; i < count; i++)
			a.e[i] = (struct posix_acl_xattr_entry) {
				.e_tag = htole16(i == 0 ? ACL_TAG_USER_OBJ :
						 i == count - 1 ? ACL_TAG_OTHER :
						 i == count - 2 ? ACL_TAG_MASK :
						 i == count - 3 ? ACL_TAG_GROUP_OBJ : ACL_TAG_USER),
				.e_perm = htole16(7),
				.e_id = htole32(i && i < count - 3 ? i : ~0u),
			};
		if (setxattr("d", DEFAULT, &a, sizeof(a.h) + count * sizeof(a.e[0]), 0)) {
			ASSERT_EQ(ENOSPC, errno) TH_LOG("%u entries", count);
			continue;
		}
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(mkdir("d/x", 0755) ? errno : 0);
		for (tries = 0; !waitpid(pid, &status, WNOHANG); tries++) {
			ASSERT_GT(12000, tries) TH_LOG("%u entries: still waiting", count);
			usleep(5000);
		}
		status = WEXITSTATUS(status);
		EXPECT_TRUE(!status || status == ENOSPC) TH_LOG("%u entries: %d", count, status);
		made += !status;
		if (!status)
			ASSERT_OK(rmdir("d/x"));
	}
	EXPECT_LT(0, made);
}

TEST_HARNESS_MAIN
