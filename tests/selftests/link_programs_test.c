// SPDX-License-Identifier: GPL-2.0
/*
 * What everyday programs do with symlinks: fresh, after a crash, uncached and
 * remounted (link_stages.h). As starting programs takes long in a guest, each
 * test has targets of all kinds of length at once.
 */
#include <sys/wait.h>

#include "link_stages.h"

STAGES_ONLY_FIXTURE(programs)

#define KINDS	(TEXT_LONGEST + 1)

/* Room for what a program prints of all of them. */
#define OUT_SIZE	(KINDS * (TEXT_SIZE + 100))

/*
 * What bash prints that is given this line; its exit status goes to @status.
 * (Not sh: in the guest that is busybox, with programs of its own.)
 */
static const char *output_of(const char *line, int *status)
{
	static char buf[OUT_SIZE];
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	*status = -1;
	if (pipe(fds))
		return "";
	pid = fork();
	if (!pid) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execlp("bash", "bash", "-c", line, NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], buf + len, sizeof(buf) - 1 - len)) > 0)
		len += n;
	buf[len] = 0;
	close(fds[0]);
	waitpid(pid, status, 0);
	return buf;
}

/* The line succeeds and prints exactly this. */
#define EXPECT_OUTPUT(want, line) do {					\
	const char *out_ = output_of(line, &status);			\
									\
	EXPECT_EQ(0, status) TH_LOG("%s", line);			\
	EXPECT_EQ(0, strcmp(want, out_))				\
		TH_LOG("%s printed %.200s", line, out_);		\
} while (0)

/* The stage with the length of another kind. */
static struct stage of_kind(const struct stage *st, int kind)
{
	struct stage k = *st;

	k.len = stage_text_len(kind);
	return k;
}

/* Links to "d" (ld0, ld1...), to "d/f" (lf0...) and to nothing (no0...). */
static void make_tree(struct __test_metadata *_metadata, struct stage *st)
{
	char name[16];
	int i;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(put("d/f", "in d"));
	for (i = 0; i < KINDS; i++) {
		struct stage k = of_kind(st, i);

		sprintf(name, "ld%d", i);
		ASSERT_OK(make_link(&k, "d", name));
		sprintf(name, "lf%d", i);
		ASSERT_OK(make_link(&k, "d/f", name));
		sprintf(name, "no%d", i);
		ASSERT_OK(make_link(&k, "gone", name));
	}
}

/* Has the directory @where links like those, "lf" ones only, or all? */
static void expect_links(struct __test_metadata *_metadata, struct stage *st,
			 const char *where, bool all)
{
	char name[64];
	int i;

	for (i = 0; i < KINDS; i++) {
		struct stage k = of_kind(st, i);

		sprintf(name, "%s/lf%d", where, i);
		EXPECT_TRUE(links_to(&k, name, "d/f")) TH_LOG("%s", name);
		if (!all)
			continue;
		sprintf(name, "%s/ld%d", where, i);
		EXPECT_TRUE(links_to(&k, name, "d")) TH_LOG("%s", name);
		sprintf(name, "%s/no%d", where, i);
		EXPECT_TRUE(links_to(&k, name, "gone")) TH_LOG("%s", name);
	}
}

/* Append to a text that a program should print. */
static void want(char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, OUT_SIZE - len, fmt, args);
	va_end(args);
}

TEST_F(programs, ls_shows_the_link)
{
	static char out[OUT_SIZE];
	int status, i;

	if (self->st.fresh)
		make_tree(_metadata, &self->st);
	/* Of links to a directory too: the link and not what is in there. */
	for (i = 0; i < KINDS; i++) {
		struct stage k = of_kind(&self->st, i);
		char *text = padded(&k, "d");

		want(out, "lrwxrwxrwx 1 %4u  ld%d -> %s\n", k.len, i, text);
		free(text);
	}
	want(out, "ld0\nld1\nld2\nld3\nld0@\nld1@\nld2@\nld3@\nf\n");
	EXPECT_OUTPUT(out, "ls -lgo --time-style=+ ld*; ls -d ld*; ls -dF ld*; ls -L ld3");
}

TEST_F(programs, cp_copies_the_target_and_cp_P_the_link)
{
	char name[16], got[16];
	int status, i;

	if (self->st.fresh)
		make_tree(_metadata, &self->st);
	EXPECT_OUTPUT("", "rm -rf c && mkdir c && cp lf* c && mkdir c/P && cp -P l* no* c/P");
	for (i = 0; i < KINDS; i++) {
		sprintf(name, "c/lf%d", i);
		EXPECT_EQ(1, nlink_of(name));
		EXPECT_NE(ino_of("d/f"), ino_of(name));
		EXPECT_STREQ("in d", read_text(name));
		EXPECT_ERR(EINVAL, readlink(name, got, sizeof(got)));
	}
	expect_links(_metadata, &self->st, "c/P", true);
}

TEST_F(programs, rm_and_mv_act_on_the_link)
{
	int status;

	if (self->st.fresh) {
		make_tree(_metadata, &self->st);
		ASSERT_OK(mkdir("e", 0755));
		EXPECT_OUTPUT("", "rm -r ld* no* && mv lf* e");
	}
	EXPECT_FALSE(exists("ld0") || exists("no3") || exists("lf0"));
	EXPECT_STREQ("in d", read_text("d/f"));
	expect_links(_metadata, &self->st, "e", false);
}

TEST_F(programs, find_keeps_links)
{
	static char out[OUT_SIZE];
	int status, i;

	if (self->st.fresh)
		make_tree(_metadata, &self->st);
	want(out, "ld0\nld1\nld2\nld3\nlf0\nlf1\nlf2\nlf3\nno0\nno1\nno2\nno3\nd/f\n");
	for (i = 0; i < KINDS; i++) {
		struct stage k = of_kind(&self->st, i);
		char *text = padded(&k, "d");

		want(out, "%s\n", text);
		free(text);
	}
	want(out, "ld0/f\nld1/f\nld2/f\nld3/f\nno0\nno1\nno2\nno3\n");
	EXPECT_OUTPUT(out, "find * -type l; find * -type f; find ld* -printf '%l\n'; "
		      "find -L ld* -type f; find -L * -type l");
}

TEST_F(programs, tar_keeps_links)
{
	int status;

	if (self->st.fresh)
		make_tree(_metadata, &self->st);
	EXPECT_OUTPUT("", "rm -rf c && mkdir c && tar cf - d l* no* | tar xf - -C c");
	expect_links(_metadata, &self->st, "c", true);
	EXPECT_STREQ("in d", read_text("c/lf3"));
}

TEST_F(programs, rsync_keeps_links)
{
	int status;

	if (self->st.fresh)
		make_tree(_metadata, &self->st);
	EXPECT_OUTPUT("", "rm -rf c && rsync -a d l* no* c");
	expect_links(_metadata, &self->st, "c", true);
	EXPECT_STREQ("in d", read_text("c/lf3"));
	/* And finds nothing to do the second time. */
	if (self->st.at == STAGE_REMOUNTED)
		EXPECT_OUTPUT("", "rsync -ai d l* no* c");
}

TEST_HARNESS_MAIN
