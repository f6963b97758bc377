// SPDX-License-Identifier: GPL-2.0
/* mount -o symperm: reading and following a link need read permission on it. */
#include <linux/openat2.h>

#include "attr_util.h"
#include "volume.h"

LNKFS_ONLY

/* A third user: neither owner nor other of the links below, but of their group. */
#define GROUP_UID	1002
#define GROUP_GID	2000

FIXTURE(symperm) { struct volume v; };

FIXTURE_SETUP(symperm)
{
	ASSERT_EQ(0, vol_make(&self->v, 32));
	ASSERT_OK(vol_mount(&self->v, 0, "symperm"));
	ASSERT_OK(chdir(self->v.mnt));
	umask(022);
}

FIXTURE_TEARDOWN(symperm)
{
	begin_teardown(_metadata);
	EXPECT_EQ(0, vol_remove(&self->v));
}

/* The links "fast" and "slow" lead to the directory "d" with the file "f" in it. */
static int populate(void)
{
	char target[3001];
	unsigned int i;

	memset(target, '/', sizeof(target));
	target[0] = 'd';
	target[sizeof(target) - 1] = 0;
	for (i = 1; i + 2 < sizeof(target); i += 2)
		target[i + 1] = '.';
	return mkdir("d", 0755) || create_text("d/f", "text") || chmod("d/f", 0666) ||
	       symlink("d", "fast") || symlink(target, "slow") ||
	       lchown("fast", TEST_UID, GROUP_GID) || lchown("slow", TEST_UID, GROUP_GID);
}

/* As this user with this group; 0 or the errno. */
#define AS_ID(uid, gid, call) ({					\
	pid_t pid_ = fork();						\
	int st_ = 0;							\
									\
	if (!pid_) {							\
		become(uid, gid);					\
		_exit((long)(call) == -1 ? errno : 0);			\
	}								\
	waitpid(pid_, &st_, 0);						\
	WIFEXITED(st_) ? WEXITSTATUS(st_) : -1;				\
})

static long read_link(const char *name)
{
	char buf[4096];

	return readlink(name, buf, sizeof(buf));
}

static long follow(const char *name)
{
	struct stat st;

	return stat(name, &st);
}

static long follow_inside(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/f", name);
	fd = open(path, O_RDWR);
	return fd < 0 ? -1 : close(fd);
}

/* Only what is in memory: the walk that takes no locks and sleeps never. */
static long follow_cached(const char *name)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_CACHED };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/f", name);
	fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	return fd < 0 ? -1 : close(fd);
}

static long read_by_descriptor(const char *name)
{
	char buf[4096];
	int fd = open_path(name);
	long ret = readlinkat(fd, "", buf, sizeof(buf));
	int err = errno;

	close(fd);
	errno = err;
	return ret;
}

static long (*const uses[])(const char *) = {
	read_link, follow, follow_inside, read_by_descriptor,
};

/* Mode bits of the link, the user, and what becomes of him. */
static const struct {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int err;
} rules[] = {
	{ 0777, OTHER_UID, OTHER_GID, 0 },
	{ 0000, OTHER_UID, OTHER_GID, EACCES },
	{ 0333, OTHER_UID, OTHER_GID, EACCES },
	{ 0004, OTHER_UID, OTHER_GID, 0 },
	{ 0440, OTHER_UID, OTHER_GID, EACCES },
	{ 0400, TEST_UID, TEST_GID, 0 },
	{ 0044, TEST_UID, TEST_GID, EACCES },
	{ 0000, TEST_UID, TEST_GID, EACCES },
	{ 0040, GROUP_UID, GROUP_GID, 0 },
	{ 0404, GROUP_UID, GROUP_GID, EACCES },
	{ 0000, 0, 0, 0 },
	{ 0111, 0, 0, 0 },
};

static void apply_rules(struct __test_metadata *_metadata, const char *link,
			const char *when)
{
	unsigned int i, u;
	int err;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		ASSERT_OK(lchmod_(link, rules[i].mode));
		for (u = 0; u < ARRAY_SIZE(uses); u++) {
			err = AS_ID(rules[i].uid, rules[i].gid, uses[u](link));
			EXPECT_EQ(rules[i].err, err)
				TH_LOG("%s, %s, mode %o, user %d, use %u: %s", when, link,
				       rules[i].mode, rules[i].uid, u,
				       strerrorname_np(err));
		}
		/* from memory: as above, or not at all */
		err = AS_ID(rules[i].uid, rules[i].gid, follow_cached(link));
		EXPECT_TRUE(err == rules[i].err || err == EAGAIN)
			TH_LOG("%s, %s, mode %o, user %d, cached: %s", when, link,
			       rules[i].mode, rules[i].uid, strerrorname_np(err));
	}
}

TEST_F(symperm, read_permission_decides)
{
	static const char *const links[] = { "fast", "slow" };

	ASSERT_EQ(0, populate());
	for (unsigned int i = 0; i < ARRAY_SIZE(links); i++) {
		apply_rules(_metadata, links[i], "fresh");
		EXPECT_OK(follow_inside(links[i]));
		apply_rules(_metadata, links[i], "used by root");
	}
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, "symperm"));
	ASSERT_OK(chdir(self->v.mnt));
	for (unsigned int i = 0; i < ARRAY_SIZE(links); i++)
		apply_rules(_metadata, links[i], "mounted again");
}

/* Nobody may profit from what another one has read, nor from nobody having. */
TEST_F(symperm, cached_or_not)
{
	static const char *const links[] = { "fast", "slow" };

	ASSERT_EQ(0, populate());
	for (unsigned int i = 0; i < ARRAY_SIZE(links); i++) {
		const char *l = links[i];

		ASSERT_OK(lchmod_(l, 0400));
		drop_caches();
		EXPECT_EQ(EACCES, AS_ID(OTHER_UID, OTHER_GID, follow_inside(l)));
		drop_caches();
		EXPECT_EQ(EACCES, AS_ID(OTHER_UID, OTHER_GID, read_link(l)));
		EXPECT_EQ(0, AS_ID(TEST_UID, TEST_GID, follow_inside(l)));
		EXPECT_EQ(EACCES, AS_ID(OTHER_UID, OTHER_GID, follow_inside(l)));
		EXPECT_EQ(EACCES, AS_ID(OTHER_UID, OTHER_GID, read_link(l)));
		drop_caches();
		EXPECT_EQ(0, AS_ID(TEST_UID, TEST_GID, read_link(l)));
		EXPECT_EQ(EACCES, AS_ID(OTHER_UID, OTHER_GID, read_link(l)));
		/* the root of a namespace is the owner with capabilities over it */
		ASSERT_OK(lchmod_(l, 0));
		ASSERT_OK(lchown(l, TEST_UID, TEST_GID));
		EXPECT_EQ(0, AS(U_NSROOT, read_link(l)));
		ASSERT_OK(lchown(l, OTHER_UID, OTHER_GID));
		EXPECT_EQ(EACCES, AS(U_NSROOT, read_link(l)));
	}
}

/* What does not read the target needs no permission. */
TEST_F(symperm, the_link_itself)
{
	struct timespec ts[2] = { { 1, 1 }, { 1, 1 } };
	struct stat st;

	ASSERT_EQ(0, populate());
	ASSERT_OK(mkdir("w", 0777));
	ASSERT_OK(chmod("w", 0777));
	ASSERT_OK(rename("fast", "w/fast"));
	ASSERT_OK(lchmod_("w/fast", 0));
	EXPECT_EQ(0, AS(U_OTHER, lstat("w/fast", &st)));
	EXPECT_EQ(0, AS(U_OTHER, open_path("w/fast")));
	EXPECT_EQ(0, AS(U_OWNER, utimensat(AT_FDCWD, "w/fast", ts, AT_SYMLINK_NOFOLLOW)));
	EXPECT_EQ(0, AS(U_OWNER, lchmod_("w/fast", 0111)));
	EXPECT_EQ(0, AS(U_OTHER, rename("w/fast", "w/l")));
	EXPECT_EQ(0, AS(U_OTHER, unlink("w/l")));
	EXPECT_EQ(0, AS(U_OTHER, symlink("t", "w/new")));
	EXPECT_EQ(0777, mode_of("w/new"));
}

static bool shows_symperm(const char *mnt)
{
	char line[1024], want[300];
	bool found = false;
	FILE *f = fopen("/proc/mounts", "r");

	snprintf(want, sizeof(want), " %s ", mnt);
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, want))
			found = strstr(line, ",symperm");
	if (f)
		fclose(f);
	return found;
}

TEST_F(symperm, is_a_matter_of_mounting)
{
	const char *mnt = self->v.mnt;

	ASSERT_EQ(0, populate());
	ASSERT_OK(lchmod_("fast", 0));
	EXPECT_TRUE(shows_symperm(mnt));
	/* neither way by a remount, and what fails changes nothing */
	EXPECT_ERR(EINVAL, mount(NULL, mnt, NULL, MS_REMOUNT, "nosymperm"));
	EXPECT_TRUE(shows_symperm(mnt));
	EXPECT_EQ(EACCES, AS(U_OTHER, read_link("fast")));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
	EXPECT_TRUE(shows_symperm(mnt));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, "symperm"));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_EQ(EACCES, AS(U_OTHER, read_link("fast")));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, NULL));
	EXPECT_EQ(EACCES, AS(U_OTHER, follow("fast")));

	/* off unless asked for */
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(mnt));
	EXPECT_FALSE(shows_symperm(mnt));
	EXPECT_EQ(0, AS(U_OTHER, read_link("fast")));
	EXPECT_EQ(0, AS(U_OTHER, follow_inside("fast")));
	EXPECT_EQ(0, AS(U_OTHER, follow_cached("fast")));
	EXPECT_ERR(EINVAL, mount(NULL, mnt, NULL, MS_REMOUNT, "symperm"));
	EXPECT_FALSE(shows_symperm(mnt));
	EXPECT_EQ(0, AS(U_OTHER, follow("fast")));
	EXPECT_OK(mount(NULL, mnt, NULL, MS_REMOUNT, "nosymperm"));
}

TEST_HARNESS_MAIN
