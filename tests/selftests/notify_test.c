// SPDX-License-Identifier: GPL-2.0
/*
 * inotify and fanotify: that each operation tells its events, and that objects
 * are named by file handles that can be opened.
 */
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "lnkfs_test.h"

TDIR_FIXTURE(inotify)

struct events {
	char buf[65536];
	ssize_t len;
};

/* All events that wait in @fd. */
static void get_events(int fd, struct events *e)
{
	struct pollfd p = { fd, POLLIN, 0 };

	e->len = 0;
	while (poll(&p, 1, 0) == 1) {
		ssize_t n = read(fd, e->buf + e->len, sizeof(e->buf) - e->len);

		if (n <= 0)
			break;
		e->len += n;
	}
}

/* Was there an event with all of @mask and this name? */
static bool seen(const struct events *e, uint32_t mask, const char *name)
{
	const struct inotify_event *ev;
	ssize_t at;

	for (at = 0; at < e->len; at += sizeof(*ev) + ev->len) {
		ev = (const void *)(e->buf + at);
		if ((ev->mask & mask) == mask && !strcmp(ev->len ? ev->name : "", name))
			return true;
	}
	return false;
}

TEST_F(inotify, names_and_attributes)
{
	int in = inotify_init1(IN_NONBLOCK);
	struct events e;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(inotify_add_watch(in, "d", IN_ALL_EVENTS));
	ASSERT_OK(create_text("d/f", "text"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_CREATE, "f"));
	EXPECT_TRUE(seen(&e, IN_MODIFY, "f"));
	EXPECT_TRUE(seen(&e, IN_CLOSE_WRITE, "f"));
	ASSERT_OK(symlink("x", "d/l"));
	ASSERT_OK(mkdir("d/sub", 0755));
	ASSERT_OK(link("d/f", "d/f2"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_CREATE, "l"));
	EXPECT_TRUE(seen(&e, IN_CREATE | IN_ISDIR, "sub"));
	EXPECT_TRUE(seen(&e, IN_CREATE, "f2"));
	ASSERT_OK(chmod("d/f", 0600));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_ATTRIB, "f"));
	ASSERT_OK(truncate("d/f", 1));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_MODIFY, "f"));
	ASSERT_OK(rename("d/f", "d/g"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_MOVED_FROM, "f"));
	EXPECT_TRUE(seen(&e, IN_MOVED_TO, "g"));
	ASSERT_OK(unlink("d/g"));
	ASSERT_OK(rmdir("d/sub"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_DELETE, "g"));
	EXPECT_TRUE(seen(&e, IN_DELETE | IN_ISDIR, "sub"));
	close(in);
}

TEST_F(inotify, the_object_goes)
{
	int in = inotify_init1(IN_NONBLOCK);
	struct events e;

	ASSERT_OK(create_file("f", 0644));
	ASSERT_OK(create_file("g", 0644));
	ASSERT_OK(inotify_add_watch(in, "f", IN_ALL_EVENTS));
	ASSERT_OK(rename("g", "f"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_ATTRIB, ""));
	EXPECT_TRUE(seen(&e, IN_DELETE_SELF, ""));
	EXPECT_TRUE(seen(&e, IN_IGNORED, ""));
	ASSERT_OK(symlink("nowhere", "l"));
	ASSERT_OK(inotify_add_watch(in, "l", IN_ALL_EVENTS | IN_DONT_FOLLOW));
	ASSERT_OK(unlink("l"));
	get_events(in, &e);
	EXPECT_TRUE(seen(&e, IN_DELETE_SELF, ""));
	close(in);
}

FIXTURE(fanotify) { struct tdir dir; int fan; };

#define FAN_EVENTS	(FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ATTRIB | \
			 FAN_MODIFY | FAN_ONDIR | FAN_DELETE_SELF)

FIXTURE_SETUP(fanotify)
{
	tdir_enter(_metadata, &self->dir);
	self->fan = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_REPORT_DIR_FID |
				  FAN_REPORT_NAME | FAN_NONBLOCK, O_RDONLY);
	ASSERT_OK(self->fan);
	ASSERT_OK(fanotify_mark(self->fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_EVENTS,
				AT_FDCWD, getenv("LNKFS_MNT")));
}

FIXTURE_TEARDOWN(fanotify)
{
	close(self->fan);
	tdir_leave(_metadata, &self->dir);
}

/*
 * The event with all of @mask and @name in directory @dir: its directory must be
 * opened by the handle that the event names it by.
 */
static bool reported(const struct events *e, uint64_t mask, const char *dir, const char *name)
{
	int mnt = open(getenv("LNKFS_MNT"), O_RDONLY | O_DIRECTORY);
	const struct fanotify_event_metadata *m = (const void *)e->buf;
	ssize_t len = e->len;
	struct statfs sf;
	bool found = false;

	fstatfs(mnt, &sf);
	for (; !found && FAN_EVENT_OK(m, len); m = FAN_EVENT_NEXT(m, len)) {
		const struct fanotify_event_info_fid *fid = (const void *)(m + 1);
		struct file_handle *h = (void *)fid->handle;
		struct stat st;
		int fd;

		if ((m->mask & mask) != mask ||
		    fid->hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME ||
		    strcmp((char *)h->f_handle + h->handle_bytes, name) ||
		    memcmp(&fid->fsid, &sf.f_fsid, sizeof(sf.f_fsid)))
			continue;
		fd = open_by_handle_at(mnt, h, O_PATH);
		found = fd >= 0 && !fstat(fd, &st) && st.st_ino == ino_of(dir);
		close(fd);
	}
	close(mnt);
	return found;
}

TEST_F(fanotify, names_by_handle)
{
	struct events e;

	ASSERT_OK(mkdir("d", 0755));
	ASSERT_OK(create_text("d/f", "text"));
	ASSERT_OK(symlink("x", "d/l"));
	get_events(self->fan, &e);
	EXPECT_TRUE(reported(&e, FAN_CREATE | FAN_ONDIR, ".", "d"));
	EXPECT_TRUE(reported(&e, FAN_CREATE, "d", "f"));
	EXPECT_TRUE(reported(&e, FAN_MODIFY, "d", "f"));
	EXPECT_TRUE(reported(&e, FAN_CREATE, "d", "l"));
	ASSERT_OK(chmod("d/f", 0600));
	get_events(self->fan, &e);
	EXPECT_TRUE(reported(&e, FAN_ATTRIB, "d", "f"));
	ASSERT_OK(rename("d/f", "g"));
	get_events(self->fan, &e);
	EXPECT_TRUE(reported(&e, FAN_MOVED_FROM, "d", "f"));
	EXPECT_TRUE(reported(&e, FAN_MOVED_TO, ".", "g"));
	ASSERT_OK(unlink("g"));
	ASSERT_OK(unlink("d/l"));
	get_events(self->fan, &e);
	EXPECT_TRUE(reported(&e, FAN_DELETE, ".", "g"));
	EXPECT_TRUE(reported(&e, FAN_DELETE, "d", "l"));
}

/* After FAN_DELETE_SELF the handle in the event leads nowhere. */
TEST_F(fanotify, deleted_objects)
{
	int mnt = open(getenv("LNKFS_MNT"), O_RDONLY | O_DIRECTORY), gone = 0;
	const struct fanotify_event_metadata *m;
	struct events e;
	ssize_t len;

	ASSERT_OK(create_file("f", 0644));
	get_events(self->fan, &e);
	ASSERT_OK(unlink("f"));
	get_events(self->fan, &e);
	m = (const void *)e.buf;
	for (len = e.len; FAN_EVENT_OK(m, len); m = FAN_EVENT_NEXT(m, len)) {
		const struct fanotify_event_info_fid *fid = (const void *)(m + 1);

		if (!(m->mask & FAN_DELETE_SELF))
			continue;
		EXPECT_ERR(ESTALE, open_by_handle_at(mnt, (void *)fid->handle, O_PATH));
		gone++;
	}
	EXPECT_LT(0, gone);
	close(mnt);
}

TEST_HARNESS_MAIN
