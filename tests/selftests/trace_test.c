// SPDX-License-Identifier: GPL-2.0
/* Every tracepoint of lnkfs fires, and says what has happened. */
#include "services.h"

#define TRACING	"/sys/kernel/tracing"
#define EVENTS	TRACING "/events/lnkfs"

SERVICE_FIXTURE(trace, 64, NULL)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* Is there a line with the event, and with the text after it? */
static bool fired(const char *event, const char *text)
{
	char line[4096], name[64], *at;
	bool found = false;
	FILE *f = fopen(TRACING "/trace", "r");

	snprintf(name, sizeof(name), " %s: ", event);
	while (f && !found && fgets(line, sizeof(line), f)) {
		at = strstr(line, name);
		found = at && strstr(at, text);
	}
	if (f)
		fclose(f);
	return found;
}

TEST_F(trace, each_event)
{
	static const struct { const char *event, *text; } want[] = {
		{ "lnkfs_create", "name file " },
		{ "lnkfs_create", "name dir " },
		{ "lnkfs_symlink", "name sym " },
		{ "lnkfs_link", "name hard " },
		{ "lnkfs_unlink", "name hard " },
		{ "lnkfs_rename", "name file to dir" },
		{ "lnkfs_rename", "name sym to dir" },
		{ "lnkfs_alloc_inode", "mode 0100644" },
		{ "lnkfs_alloc_blocks", "len" },
		{ "lnkfs_da_reserve", "lblk 0 " },
		{ "lnkfs_map_blocks", "unwritten" },
		{ "lnkfs_fsync_enter", "datasync 0" },
		{ "lnkfs_fsync_enter", "datasync 1" },
		{ "lnkfs_fsync_exit", "err 0" },
		{ "lnkfs_truncate", "size 100 to 5" },
		{ "lnkfs_orphan_add", "ino" },
		{ "lnkfs_free_inode", "ino" },
		{ "lnkfs_orphan_del", "ino" },
		{ "lnkfs_free_blocks", "len" },
		{ "lnkfs_discard", "len" },
		{ "lnkfs_trim", "err 0" },
		{ "lnkfs_error", "lnkfs_" },
		{ "lnkfs_shutdown", "now" },
	};
	char text[128] = { 0 };
	struct fstrim_range range = { .len = UINT64_MAX };
	struct dirent *de;
	unsigned int i;
	DIR *d;
	int fd;

	if (!on_lnkfs())
		SKIP(return, "lnkfs's own tracepoints");
	if (!exists(TRACING "/trace"))
		ASSERT_OK(mount("tracefs", TRACING, "tracefs", 0, NULL));
	ASSERT_EQ(0, vol_spoil(&self->v));
	ASSERT_OK(vol_mount(&self->v, 0, "errors=continue,discard"));
	ASSERT_OK(chdir(self->v.mnt));
	ASSERT_OK(put(TRACING "/trace", ""));
	ASSERT_OK(put(EVENTS "/enable", "1"));
	ASSERT_OK(mkdir("dir", 0755));
	fd = open("file", O_CREAT | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	EXPECT_EQ(100, write(fd, text, 100));
	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
	EXPECT_OK(ftruncate(fd, 5));
	EXPECT_OK(symlink("file", "sym"));
	EXPECT_OK(link("file", "hard"));
	EXPECT_OK(unlink("hard"));
	EXPECT_OK(rename("file", "dir/file"));
	EXPECT_OK(renameat2(AT_FDCWD, "sym", AT_FDCWD, "dir", RENAME_EXCHANGE));
	EXPECT_OK(unlink("sym/file"));
	close(fd);
	EXPECT_ERR(EBADMSG, readlink("bad", text, sizeof(text)));
	EXPECT_OK(unlink("bad"));
	EXPECT_OK(fs_sync("."));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	EXPECT_OK(ioctl(fd, FITRIM, &range));
	close(fd);
	for (i = 0; i < 40 && !fired("lnkfs_orphan_del", "ino"); i++)
		usleep(50000);
	EXPECT_OK(crash_volume(".", LNKFS_SHUTDOWN_NOW));
	EXPECT_OK(put(EVENTS "/enable", "0"));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		EXPECT_TRUE(fired(want[i].event, want[i].text))
			TH_LOG("%s: no %s", want[i].event, want[i].text);
	}
	/* There is none that this test does not know. */
	d = opendir(EVENTS);
	ASSERT_NE(NULL, d);
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.' || de->d_type != DT_DIR)
			continue;
		for (i = 0; i < ARRAY_SIZE(want) && strcmp(want[i].event, de->d_name); i++)
			;
		EXPECT_LT(i, ARRAY_SIZE(want)) TH_LOG("%s is not tested", de->d_name);
	}
	closedir(d);
	/* And off is off. */
	ASSERT_OK(put(TRACING "/trace", ""));
	ASSERT_OK(vol_again(&self->v, 0, NULL));
	ASSERT_OK(create_file("quiet", 0644));
	EXPECT_FALSE(fired("lnkfs_create", ""));
}

TEST_HARNESS_MAIN
