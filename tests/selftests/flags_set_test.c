// SPDX-License-Identifier: GPL-2.0
/* Setting flags: what is kept, who may, what is refused, what is told. */
#include <linux/capability.h>
#include <sys/inotify.h>

#include "attr_util.h"
#include "volume.h"

LNKFS_ONLY
FLAGS_FIXTURE(flags)

#define ALL_FLAGS (UF_FLAGS | SF_FLAGS)

static void name_of(char *name, enum type t, unsigned int nr)
{
	sprintf(name, "t%u.%u", t, nr);
}

/* Words that are set one after the other: single flags, then mixtures. */
static uint32_t word_nr(unsigned int nr)
{
	static const uint32_t mixed[] = {
		UF_FLAGS, SF_FLAGS, ALL_FLAGS, 0,
		LNKFS_UF_HIDDEN | LNKFS_SF_ARCHIVED,
		LNKFS_UF_IMMUTABLE | LNKFS_SF_APPEND | LNKFS_UF_NOUNLINK,
	};
	uint32_t bit;

	for (bit = 1; bit; bit <<= 1) {
		if (!(ALL_FLAGS & bit))
			continue;
		if (!nr--)
			return bit;
	}
	return nr < ARRAY_SIZE(mixed) ? mixed[nr] : ~0u;
}

TEST_F(flags, the_whole_word_is_replaced)
{
	unsigned int nr;
	enum type t;
	uint32_t w;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		EXPECT_EQ(0, flags_of("o")) TH_LOG("new %s", type_names[t]);
		for (nr = 0; (w = word_nr(nr)) != ~0u; nr++) {
			EXPECT_OK(lchflags("o", w));
			EXPECT_EQ(w, flags_of("o")) TH_LOG("on %s", type_names[t]);
		}
		ASSERT_OK(lchflags("o", 0));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(flags, supported_says_which)
{
	struct lnkfs_attr a;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		ASSERT_OK(lgetattr("o", &a));
		EXPECT_EQ(ALL_FLAGS, a.a_supported & ~LNKFS_SF_SNAPSHOT);
		ASSERT_OK(remove("o"));
	}
}

TEST_F(flags, unknown_bits)
{
	uint32_t bit;

	ASSERT_EQ(0, make_object("o", T_REG));
	ASSERT_EQ(0, make_object("l", T_FAST));
	for (bit = 1; bit; bit <<= 1) {
		if ((ALL_FLAGS | LNKFS_SF_SNAPSHOT) & bit)
			continue;
		EXPECT_ERR(EOPNOTSUPP, lchflags("o", bit));
		EXPECT_ERR(EOPNOTSUPP, lchflags("l", bit));
		EXPECT_ERR(EOPNOTSUPP, lchflags("l", bit | LNKFS_UF_HIDDEN));
	}
	EXPECT_EQ(EOPNOTSUPP, AS(U_OWNER, lchflags("o", 0x20)));
	EXPECT_EQ(0, flags_of("o"));
	EXPECT_EQ(0, flags_of("l"));
}

TEST_F(flags, nobody_sets_snapshot)
{
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		for (enum user u = 0; u < NUSERS; u++) {
			EXPECT_EQ(EPERM, AS(u, lchflags("o", LNKFS_SF_SNAPSHOT)))
				TH_LOG("%s by %s", type_names[t], user_names[u]);
		}
		EXPECT_ERR(EPERM, lchflags("o", LNKFS_SF_SNAPSHOT | LNKFS_UF_HIDDEN));
		EXPECT_EQ(0, flags_of("o"));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(flags, owner_sets_and_clears_his_own)
{
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		EXPECT_EQ(0, AS(U_OWNER, lchflags("o", UF_FLAGS)));
		EXPECT_EQ(UF_FLAGS, flags_of("o"));
		EXPECT_EQ(EPERM, AS(U_OTHER, lchflags("o", 0)));
		EXPECT_EQ(0, AS(U_OWNER, lchflags("o", LNKFS_UF_IMMUTABLE)));
		EXPECT_EQ(0, AS(U_OWNER, lchflags("o", 0)));
		/* what is not his to change may stay, if it is no lock */
		ASSERT_OK(lchflags("o", LNKFS_SF_ARCHIVED));
		EXPECT_EQ(0, AS(U_OWNER, lchflags("o", LNKFS_SF_ARCHIVED |
						   LNKFS_UF_NODUMP)));
		EXPECT_EQ(EPERM, AS(U_OWNER, lchflags("o", LNKFS_UF_NODUMP)));
		EXPECT_EQ(LNKFS_SF_ARCHIVED | LNKFS_UF_NODUMP, flags_of("o"));
		ASSERT_OK(remove("o"));
	}
}

/* Leave this process these capabilities alone, with the ids it has. */
static int only_caps(uint64_t caps)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ caps, caps, 0 }, { caps >> 32, caps >> 32, 0 },
	};

	return syscall(SYS_capset, &h, d);
}

static int chflags_with(uid_t uid, uint64_t caps, const char *name, uint32_t word)
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) ||
		    setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
		    only_caps(caps))
			_exit(255);
		_exit(lchflags(name, word) ? errno : 0);
	}
	waitpid(pid, &st, 0);
	return WEXITSTATUS(st);
}

TEST_F(flags, two_capabilities)
{
	const uint64_t imm = 1ULL << CAP_LINUX_IMMUTABLE, fowner = 1ULL << CAP_FOWNER;
	const uint32_t sf = LNKFS_SF_IMMUTABLE, uf = LNKFS_UF_HIDDEN;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		/* root that lacks them */
		EXPECT_EQ(EPERM, chflags_with(0, 0, "o", uf));
		EXPECT_EQ(EPERM, chflags_with(0, imm, "o", sf));
		EXPECT_EQ(EPERM, chflags_with(0, fowner, "o", sf));
		EXPECT_EQ(0, chflags_with(0, fowner, "o", uf));
		EXPECT_EQ(0, chflags_with(0, fowner | imm, "o", sf));
		EXPECT_EQ(EPERM, chflags_with(0, fowner, "o", sf | uf));
		EXPECT_EQ(EPERM, chflags_with(0, fowner, "o", 0));
		/* others that have them */
		EXPECT_EQ(EPERM, chflags_with(OTHER_UID, imm, "o", 0));
		EXPECT_EQ(0, chflags_with(OTHER_UID, imm | fowner, "o", uf));
		EXPECT_EQ(0, chflags_with(TEST_UID, imm, "o", sf));
		EXPECT_EQ(EPERM, chflags_with(TEST_UID, 0, "o", 0));
		EXPECT_EQ(sf, flags_of("o"));
		EXPECT_EQ(0, chflags_with(TEST_UID, imm, "o", 0));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(flags, locks_of_the_super_user)
{
	static const uint32_t locks[] = {
		LNKFS_SF_IMMUTABLE, LNKFS_SF_APPEND, LNKFS_SF_NOUNLINK,
	};
	unsigned int i;

	ASSERT_EQ(0, make_object("o", T_FAST));
	for (i = 0; i < ARRAY_SIZE(locks); i++) {
		ASSERT_OK(lchflags("o", locks[i]));
		for (enum user u = U_OWNER; u < NUSERS; u++) {
			EXPECT_EQ(EPERM, AS(u, lchflags("o", 0)));
			EXPECT_EQ(EPERM, AS(u, lchflags("o", locks[i] | LNKFS_UF_NODUMP)));
			/* even to what they are */
			EXPECT_EQ(EPERM, AS(u, lchflags("o", locks[i])));
		}
		EXPECT_EQ(locks[i], flags_of("o"));
		EXPECT_OK(lchflags("o", locks[i]));
		EXPECT_OK(lchflags("o", 0));
	}
}

TEST_F(flags, success_moves_ctime_alone)
{
	struct stat a, b;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		uint32_t words[] = { LNKFS_UF_HIDDEN, LNKFS_UF_HIDDEN,
				     LNKFS_SF_IMMUTABLE, 0 };

		ASSERT_EQ(0, make_object("o", t));
		for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
			ASSERT_OK(lstat("o", &a));
			tick();
			EXPECT_OK(lchflags("o", words[i]));
			ASSERT_OK(lstat("o", &b));
			EXPECT_TRUE(b.st_ctim.tv_sec > a.st_ctim.tv_sec ||
				    (b.st_ctim.tv_sec == a.st_ctim.tv_sec &&
				     b.st_ctim.tv_nsec > a.st_ctim.tv_nsec))
				TH_LOG("%s: ctime stays at 0x%x", type_names[t], words[i]);
			b.st_ctim = a.st_ctim;
			EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
		}
		ASSERT_OK(remove("o"));
	}
}

/* What has been told since; 0 for nothing. */
static uint32_t events(int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	uint32_t mask = 0;
	ssize_t n, at;

	n = read(fd, buf, sizeof(buf));
	for (at = 0; at < n;) {
		struct inotify_event *e = (void *)(buf + at);

		mask |= e->mask & IN_ALL_EVENTS;
		at += sizeof(*e) + e->len;
	}
	return mask;
}

TEST_F(flags, watchers_are_told)
{
	const uint32_t what = IN_ATTRIB | IN_MODIFY;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		int own = inotify_init1(IN_NONBLOCK), parent = inotify_init1(IN_NONBLOCK);

		ASSERT_EQ(0, make_object("o", t));
		ASSERT_OK(inotify_add_watch(own, "o", what | IN_DONT_FOLLOW));
		ASSERT_OK(inotify_add_watch(parent, ".", what));
		EXPECT_OK(lchflags("o", LNKFS_UF_IMMUTABLE));
		EXPECT_EQ(IN_ATTRIB, events(own)) TH_LOG("%s itself", type_names[t]);
		EXPECT_EQ(IN_ATTRIB, events(parent)) TH_LOG("parent of %s", type_names[t]);
		EXPECT_EQ(EPERM, AS(U_OTHER, lchflags("o", 0)));
		EXPECT_ERR(EPERM, lchflags("o", LNKFS_SF_SNAPSHOT));
		EXPECT_EQ(0, events(own) | events(parent))
			TH_LOG("failure on %s is told", type_names[t]);
		EXPECT_OK(lchflags("o", 0));
		if (is_link(t)) {
			events(own);
			events(parent);
			EXPECT_OK(lchmod_("o", 0500));
			EXPECT_EQ(IN_ATTRIB, events(own));
			EXPECT_EQ(IN_ATTRIB, events(parent));
		}
		ASSERT_OK(remove("o"));
		close(own);
		close(parent);
	}
}

TEST_F(flags, statx_shows_them)
{
	const uint64_t all = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	static const struct { uint32_t word; uint64_t attr; } map[] = {
		{ 0, 0 },
		{ LNKFS_UF_IMMUTABLE, STATX_ATTR_IMMUTABLE },
		{ LNKFS_SF_IMMUTABLE, STATX_ATTR_IMMUTABLE },
		{ LNKFS_UF_APPEND, STATX_ATTR_APPEND },
		{ LNKFS_SF_APPEND, STATX_ATTR_APPEND },
		{ LNKFS_UF_NODUMP, STATX_ATTR_NODUMP },
		{ LNKFS_UF_NOUNLINK | LNKFS_UF_HIDDEN, 0 },
	};
	struct statx sx;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		for (unsigned int i = 0; i < ARRAY_SIZE(map); i++) {
			ASSERT_OK(lchflags("o", map[i].word));
			ASSERT_OK(statx(AT_FDCWD, "o", AT_SYMLINK_NOFOLLOW,
					STATX_BASIC_STATS, &sx));
			EXPECT_EQ(all, sx.stx_attributes_mask & all);
			EXPECT_EQ(map[i].attr, sx.stx_attributes & all)
				TH_LOG("0x%x on %s", map[i].word, type_names[t]);
		}
		ASSERT_OK(lchflags("o", 0));
		ASSERT_OK(remove("o"));
	}
}

TEST_F(flags, of_the_link_and_of_its_target)
{
	int dir = open(".", O_RDONLY), fd;

	ASSERT_OK(create_text("f", "text"));
	ASSERT_OK(symlink("f", "l"));
	ASSERT_OK(link("l", "l2"));
	EXPECT_OK(lchflags("l", LNKFS_UF_IMMUTABLE));
	EXPECT_EQ(LNKFS_UF_IMMUTABLE, flags_of("l2"));
	EXPECT_EQ(0, flags_of("f"));
	EXPECT_OK(truncate("l", 1));
	fd = open("l", O_PATH);
	EXPECT_OK(attr_set(dir, fd, LNKFS_ATTR_FLAGS, 0, LNKFS_UF_APPEND));
	close(fd);
	EXPECT_EQ(LNKFS_UF_APPEND, flags_of("f"));
	EXPECT_EQ(LNKFS_UF_IMMUTABLE, flags_of("l"));
	/* the way of ln -sfn: nothing comes in the place of the link */
	ASSERT_OK(symlink("g", "new"));
	EXPECT_ERR(EPERM, rename("new", "l"));
	EXPECT_STREQ("t", read_text("l"));
	close(dir);
}

TEST_F(flags, a_new_object_has_none)
{
	ASSERT_OK(mkdir("d", 0777));
	ASSERT_OK(lchflags("d", ALL_FLAGS & ~(ANY_IMMUTABLE | ANY_APPEND | LNKFS_UF_NODUMP)));
	ASSERT_OK(create_file("d/f", 0644));
	ASSERT_OK(symlink("t", "d/l"));
	ASSERT_OK(mkdir("d/s", 0755));
	EXPECT_EQ(0, flags_of("d/f"));
	EXPECT_EQ(0, flags_of("d/l"));
	EXPECT_EQ(0, flags_of("d/s"));
}

TEST_F(flags, of_an_object_without_a_name)
{
	struct lnkfs_attr a;
	int dir = open(".", O_RDONLY), fd;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		ASSERT_EQ(0, make_object("o", t));
		fd = open_path("o");
		ASSERT_OK(remove("o"));
		EXPECT_OK(attr_set(dir, fd, LNKFS_ATTR_FLAGS, 0, LNKFS_UF_IMMUTABLE));
		EXPECT_OK(attr_get(dir, fd, &a));
		EXPECT_EQ(LNKFS_UF_IMMUTABLE, a.a_flags);
		close(fd);
	}
	fd = open(".", O_TMPFILE | O_RDWR, 0644);
	ASSERT_OK(fd);
	EXPECT_OK(attr_set(fd, fd, LNKFS_ATTR_FLAGS, 0, LNKFS_UF_NOUNLINK));
	close(fd);
	close(dir);
}

VOLUME_FIXTURE(volume, 32)

/* One object of each type for each word, a link with each mode. */
static int populate(void)
{
	char name[32];
	unsigned int nr;
	uint32_t w;

	for (enum type t = 0; t < NTYPES; t++)
		for (nr = 0; (w = word_nr(nr)) != ~0u; nr++) {
			name_of(name, t, nr);
			if (make_object(name, t) ||
			    (is_link(t) && lchmod_(name, nr * 01111 & 07777)) ||
			    lchflags(name, w))
				return -1;
		}
	return 0;
}

static void verify(struct __test_metadata *_metadata, const char *when)
{
	char name[32];
	unsigned int nr;
	struct stat st;
	uint32_t w;

	for (enum type t = 0; t < NTYPES; t++)
		for (nr = 0; (w = word_nr(nr)) != ~0u; nr++) {
			name_of(name, t, nr);
			EXPECT_EQ(w, flags_of(name))
				TH_LOG("%s: flags of %s", when, type_names[t]);
			ASSERT_OK(lstat(name, &st));
			if (is_link(t)) {
				EXPECT_EQ(nr * 01111 & 07777, st.st_mode & 07777)
					TH_LOG("%s: mode of %s", when, name);
			}
			/* and they are in force */
			if (w & (ANY_IMMUTABLE | ANY_APPEND | ANY_NOUNLINK)) {
				EXPECT_ERR(EPERM, remove(name));
			}
		}
}

TEST_F(volume, flags_stay)
{
	uint32_t how = LNKFS_SHUTDOWN_LOG;
	int fd;

	ASSERT_EQ(0, populate()) TH_LOG("%m");
	verify(_metadata, "at once");
	drop_caches();
	verify(_metadata, "after dropping caches");
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	verify(_metadata, "after remount");
	/* change them once more, then crash */
	for (enum type t = 0; t < NTYPES; t++) {
		char name[32];

		name_of(name, t, 0);
		ASSERT_OK(lchflags(name, LNKFS_SF_NOUNLINK));
		ASSERT_OK(lchflags(name, word_nr(0)));
	}
	fd = open(".", O_RDONLY);
	ASSERT_OK(ioctl(fd, LNKFS_IOC_SHUTDOWN, &how));
	EXPECT_ERR(EIO, lchflags("t0.0", 0));
	close(fd);
	ASSERT_OK(chdir("/"));
	ASSERT_OK(umount2(self->v.mnt, 0));
	ASSERT_OK(vol_mount(&self->v, 0, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	verify(_metadata, "after a crash");
}

TEST_F(volume, read_only)
{
	struct lnkfs_attr a;
	enum type t;

	for (t = 0; t < NTYPES; t++) {
		char name[32];

		name_of(name, t, 0);
		ASSERT_EQ(0, make_object(name, t));
		ASSERT_OK(lchflags(name, LNKFS_UF_HIDDEN));
	}
	ASSERT_OK(chdir("/"));
	ASSERT_OK(mount(NULL, self->v.mnt, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	ASSERT_OK(chdir(self->v.mnt));
	for (t = 0; t < NTYPES; t++) {
		char name[32];

		name_of(name, t, 0);
		for (enum user u = 0; u < NUSERS; u++) {
			EXPECT_EQ(EROFS, AS(u, lchflags(name, 0)))
				TH_LOG("%s by %s", type_names[t], user_names[u]);
		}
		if (is_link(t)) {
			EXPECT_ERR(EROFS, lchmod_(name, 0));
		}
		EXPECT_OK(lgetattr(name, &a));
		EXPECT_EQ(LNKFS_UF_HIDDEN, a.a_flags);
	}
}

TEST_HARNESS_MAIN
