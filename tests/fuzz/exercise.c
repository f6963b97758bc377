// SPDX-License-Identifier: GPL-2.0
/*
 * A mounted hostile image is walked, and then everything is done with what was found,
 * in an order that the seed decides, until its time is up.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ops.h"

#define MAX_NAMES	40	/* of a directory that are followed */
#define MAX_DIRS	400	/* calls of getdents64 for a directory */

struct dirent64_raw {
	u64 d_ino;
	u64 d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};

static struct found *add(struct ops *o, const char *dir, const char *name)
{
	struct found *f = &o->found[o->nr];
	struct stat st;
	long ret;

	if (o->nr == MAX_FOUND || snprintf(f->path, sizeof(f->path), "%s%s%s", dir,
					   *dir ? "/" : "", name) >= (int)sizeof(f->path))
		return NULL;
	memset(&st, 0, sizeof(st));
	ret = fstatat(o->root, *f->path ? f->path : ".", &st, AT_SYMLINK_NOFOLLOW);
	note(ret);
	f->mode = st.st_mode;
	f->size = st.st_size;
	f->ino = st.st_ino;
	o->nr++;
	return f;
}

/* Names of a directory, to be looked at in their turn. */
static void list(struct ops *o, u32 nr)
{
	char dir[PATH_LEN], buf[8192];
	u32 names = 0, calls;
	long len, at;
	int fd;

	strcpy(dir, o->found[nr].path);
	fd = openat(o->root, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	note(fd);
	if (fd < 0)
		return;
	for (calls = 0; calls < MAX_DIRS && !time_is_up(o); calls++) {
		len = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		note(len);
		if (len <= 0)
			break;
		for (at = 0; at < len;) {
			const struct dirent64_raw *de = (void *)(buf + at);

			at += de->d_reclen;
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
				continue;
			/* Of a large one the first few, and some others. */
			if (names++ < MAX_NAMES / 2 || !chance(40))
				add(o, dir, de->d_name);
		}
	}
	if (calls == MAX_DIRS)
		complain("%s: listing it does not end", dir);
	close(fd);
}

static void walk(struct ops *o)
{
	u32 i;

	step("walk");
	add(o, "", "");
	for (i = 0; i < o->nr && !time_is_up(o); i++)
		if (S_ISDIR(o->found[i].mode))
			list(o, i);
}

static void one(struct ops *o, u32 what)
{
	const struct found *f = &o->found[chance(o->nr)];

	/* Files and directories have more to offer than others. */
	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode))
		f = &o->found[chance(o->nr)];
	switch (what) {
	case 0:
		look(o, f);
		break;
	case 1:
		ask_names(o, f);
		break;
	case 2:
		list_oddly(o, f);
		break;
	case 3:
	case 4:
		read_data(o, f);
		break;
	case 5:
		use_handles(o);
		break;
	case 6:
		ask_volume(o);
		break;
	case 7:
		use_quota(o);
		break;
	case 8:
	case 9:
	case 10:
		write_data(o, f);
		break;
	case 11:
	case 12:
		change_dir(o, f);
		break;
	case 13:
		change_attrs(o, f);
		break;
	case 14:
		change_names(o, f);
		break;
	default:
		change_volume(o);
	}
}

/**
 * exercise() - use a mounted image
 * @root: its root directory, open
 * @dir: where it is mounted
 * @dev: its block device
 * @writable: it is mounted so
 * @budget_ms: how long
 */
void exercise(int root, const char *dir, const char *dev, bool writable, u64 budget_ms)
{
	static struct ops o;
	u32 i, n = 24 + chance(40);

	memset(&o, 0, sizeof(o));
	o.root = root;
	o.dir = dir;
	o.dev = dev;
	o.writable = writable;
	o.end = now_ms() + budget_ms;
	walk(&o);
	for (i = 0; i < o.nr && !time_is_up(&o) && i < 24; i++) {
		look(&o, &o.found[i]);
		ask_names(&o, &o.found[i]);
	}
	for (i = 0; i < n && !time_is_up(&o); i++)
		one(&o, chance(writable || !chance(8) ? 16 : 8));
}
