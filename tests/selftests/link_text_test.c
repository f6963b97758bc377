// SPDX-License-Identifier: GPL-2.0
/*
 * What a symlink is by itself: its text, its attributes, and what acts on the
 * link and not on its target. One statement a test; for short and long targets,
 * fresh, after a crash, uncached and remounted (link_stages.h).
 */
#include "link_stages.h"

STAGES_FIXTURE(text)

/* A text of st->len bytes in which every byte but NUL comes, if it is long. */
static char *all_bytes(const struct stage *st)
{
	char *text = malloc(st->len + 1);
	unsigned int i;

	for (i = 0; i < st->len; i++)
		text[i] = i % 255 + 1;
	text[i] = 0;
	return text;
}

TEST_F(text, any_byte_but_nul)
{
	char *text = all_bytes(&self->st);

	if (self->st.fresh)
		ASSERT_OK(symlink(text, "l"));
	EXPECT_TRUE(holds("l", text));
	free(text);
}

TEST_F(text, repeated_texts_are_kept)
{
	static const char *const kinds[] = {
		"\\\\server\\share\\path\\",
		"https://example.org/a b?q=%20&r=/../#x",
		"\xff\xfe\x80\xc0\xaf\xed\xa0\x80",		/* no UTF-8 */
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x97",		/* UTF-8 */
		"a\xcc\x88",					/* not normalized */
		"\n\t \x7f\x1b[31m",
		"/", ".", "../", "//.//", " ", "C:\\",
	};
	char name[16], *text;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		text = repeated(&self->st, kinds[i]);
		sprintf(name, "l%u", i);
		if (self->st.fresh)
			ASSERT_OK(symlink(text, name));
		EXPECT_TRUE(holds(name, text)) TH_LOG("text %u", i);
		free(text);
	}
}

TEST_F(text, a_backslash_is_an_ordinary_byte)
{
	static const char *const name = "\\\\srv\\share\\p";

	if (self->st.fresh) {
		ASSERT_OK(put(name, "one component"));
		ASSERT_OK(make_link(&self->st, name, "l"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", name));
	EXPECT_STREQ("one component", read_text("l"));
}

TEST_F(text, bytes_that_are_no_utf8_lead_to_their_target)
{
	static const char *const name = "\xff\xfe\x80\n\x01";

	if (self->st.fresh) {
		ASSERT_OK(put(name, "found"));
		ASSERT_OK(make_link(&self->st, name, "l"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", name));
	EXPECT_STREQ("found", read_text("l"));
}

TEST_F(text, a_url_is_a_path_like_any_other)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("http:", 0755));
		ASSERT_OK(mkdir("http:/x.org", 0755));
		ASSERT_OK(put("http:/x.org/?q", "found"));
		ASSERT_OK(make_link(&self->st, "http://x.org/?q", "l"));
	}
	EXPECT_TRUE(links_to(&self->st, "l", "http://x.org/?q"));
	EXPECT_STREQ("found", read_text("l"));
}

TEST_F(text, a_trailing_slash_stays)
{
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("f", "file"));
		ASSERT_OK(make_link(&self->st, "d//", "to_dir"));
		ASSERT_OK(make_link(&self->st, "f/", "to_file"));
	}
	EXPECT_TRUE(links_to(&self->st, "to_dir", "d//"));
	EXPECT_TRUE(links_to(&self->st, "to_file", "f/"));
	EXPECT_OK(stat("to_dir", &st));
	EXPECT_ERR(ENOTDIR, stat("to_file", &st));
}

TEST_F(text, length_is_size_and_blocks_are_what_it_takes)
{
	unsigned int bs = fs_block_size(), blocks;
	char *text = repeated(&self->st, "size");
	struct stat st;

	if (self->st.fresh)
		ASSERT_OK(symlink(text, "l"));
	free(text);
	blocks = self->st.fast ? 0 : (self->st.len + bs - 1) / bs;
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(self->st.len, st.st_size);
	EXPECT_EQ(blocks * bs / 512, st.st_blocks);
}

TEST_F(text, type_and_mode)
{
	struct statx sx;
	struct stat st;

	if (self->st.fresh) {
		umask(0777);
		ASSERT_OK(make_link(&self->st, "t", "l"));
		umask(022);
	}
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(S_IFLNK | 0777, st.st_mode);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(0, st.st_uid);
	ASSERT_OK(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_ALL, &sx));
	EXPECT_EQ(S_IFLNK | 0777, sx.stx_mode);
	EXPECT_EQ(self->st.len, sx.stx_size);
	EXPECT_TRUE(sx.stx_mask & STATX_BTIME);
	ASSERT_OK(fstatat(AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
}

TEST_F(text, readlink_cuts_and_does_not_terminate)
{
	char got[TEXT_SIZE], *text = repeated(&self->st, "readlink");
	size_t len = self->st.len;

	if (self->st.fresh) {
		ASSERT_OK(symlink(text, "l"));
		ASSERT_OK(put("f", ""));
	}
	memset(got, 'X', sizeof(got));
	EXPECT_EQ(1, readlink("l", got, 1));
	EXPECT_EQ('X', got[1]);
	EXPECT_EQ(len - 1, readlink("l", got, len - 1));
	EXPECT_EQ(0, memcmp(got, text, len - 1));
	EXPECT_EQ('X', got[len - 1]);
	EXPECT_EQ(len, readlink("l", got, sizeof(got)));
	EXPECT_EQ('X', got[len]);
	EXPECT_ERR(EINVAL, readlink("l", got, 0));
	EXPECT_ERR(EFAULT, readlink("l", (char *)8, len));
	EXPECT_ERR(EINVAL, readlink("f", got, sizeof(got)));
	EXPECT_ERR(EINVAL, readlink(".", got, sizeof(got)));
	free(text);
}

TEST_F(text, unlink_acts_on_the_link)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("d/f", "stays"));
		ASSERT_OK(make_link(&self->st, "d/f", "l"));
		ASSERT_OK(make_link(&self->st, "d", "ld"));
		ASSERT_OK(unlink("l"));
		EXPECT_ERR(ENOTDIR, rmdir("ld"));
		ASSERT_OK(unlink("ld"));
	}
	EXPECT_FALSE(exists("l"));
	EXPECT_FALSE(exists("ld"));
	EXPECT_STREQ("stays", read_text("d/f"));
}

TEST_F(text, rename_acts_on_the_link)
{
	if (self->st.fresh) {
		ASSERT_OK(mkdir("d", 0755));
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(put("f", "a file"));
		ASSERT_OK(make_link(&self->st, "t", "a"));
		ASSERT_OK(make_link(&self->st, "t", "b"));
		ASSERT_OK(make_link(&self->st, "d", "ld"));
		ASSERT_OK(rename("a", "moved"));
		ASSERT_OK(rename("f", "b"));
		/* Not into the directory that it leads to. */
		ASSERT_OK(rename("moved", "ld"));
	}
	EXPECT_FALSE(exists("a") || exists("f") || exists("moved"));
	EXPECT_TRUE(links_to(&self->st, "ld", "t"));
	EXPECT_STREQ("a file", read_text("b"));
	EXPECT_STREQ("the target", read_text("t"));
	EXPECT_STREQ("the target", read_text("ld"));
	EXPECT_FALSE(exists("d/moved"));
}

TEST_F(text, lchown_acts_on_the_link)
{
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(lchown("l", 77, 88));
	}
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(77, st.st_uid);
	EXPECT_EQ(88, st.st_gid);
	EXPECT_EQ(S_IFLNK | 0777, st.st_mode);
	ASSERT_OK(stat("l", &st));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
	EXPECT_EQ(EPERM, AS_USER(lchown("l", TEST_UID, TEST_GID)));
}

TEST_F(text, utimensat_acts_on_the_link)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 123456789 } };
	struct stat st;

	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
		ASSERT_OK(lstat("l", &st));
		EXPECT_EQ(1000, st.st_atim.tv_sec);
		EXPECT_EQ(5, st.st_atim.tv_nsec);
	}
	ASSERT_OK(lstat("l", &st));
	EXPECT_EQ(2000, st.st_mtim.tv_sec);
	EXPECT_EQ(123456789, st.st_mtim.tv_nsec);
	ASSERT_OK(stat("l", &st));
	EXPECT_NE(2000, st.st_mtim.tv_sec);
}

TEST_F(text, link_acts_on_the_link)
{
	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(link("l", "l2"));
		ASSERT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "l3", 0));
		ASSERT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "t2", AT_SYMLINK_FOLLOW));
		ASSERT_OK(make_link(&self->st, "gone", "dangling"));
		ASSERT_OK(link("dangling", "dangling2"));
		EXPECT_ERR(ENOENT, linkat(AT_FDCWD, "dangling", AT_FDCWD, "x",
					  AT_SYMLINK_FOLLOW));
		ASSERT_OK(unlink("l3"));
	}
	EXPECT_EQ(ino_of("l"), ino_of("l2"));
	EXPECT_EQ(2, nlink_of("l2"));
	EXPECT_TRUE(links_to(&self->st, "l2", "t"));
	EXPECT_EQ(ino_of("t"), ino_of("t2"));
	EXPECT_EQ(2, nlink_of("t"));
	EXPECT_EQ(ino_of("dangling"), ino_of("dangling2"));
	EXPECT_FALSE(exists("x"));
}

TEST_F(text, another_name_outlives_the_first)
{
	if (self->st.fresh) {
		ASSERT_OK(put("t", "the target"));
		ASSERT_OK(make_link(&self->st, "t", "l"));
		ASSERT_OK(link("l", "l2"));
		ASSERT_OK(unlink("l"));
	}
	EXPECT_EQ(1, nlink_of("l2"));
	EXPECT_TRUE(links_to(&self->st, "l2", "t"));
	EXPECT_STREQ("the target", read_text("l2"));
}

TEST_HARNESS_MAIN
