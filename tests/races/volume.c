// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the volume as a whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "../../fs/lnkfs.h"
#include "races.h"

void op_trim(struct worker *w)
{
	struct fstrim_range range = { .len = UINT64_MAX, .minlen = below(w, 2) * 65536 };

	may(w, "fitrim", ioctl(w->root, FITRIM, &range));
	nap(500);
}

/* Every block once, in order. */
void op_fsmap(struct worker *w)
{
	struct fsmap_head *head = calloc(1, fsmap_sizeof(256));
	uint64_t end = 0;
	unsigned int i;

	head->fmh_count = 256;
	memset(&head->fmh_keys[1], 0xff, sizeof(head->fmh_keys[1]));
	memset(head->fmh_keys[1].fmr_reserved, 0, sizeof(head->fmh_keys[1].fmr_reserved));
	if (!may(w, "getfsmap", ioctl(w->root, FS_IOC_GETFSMAP, head))) {
		for (i = 0; i < head->fmh_entries; i++) {
			if (head->fmh_recs[i].fmr_physical != end)
				fail("getfsmap: %llu after %llu",
				     (unsigned long long)head->fmh_recs[i].fmr_physical,
				     (unsigned long long)end);
			end = head->fmh_recs[i].fmr_physical + head->fmh_recs[i].fmr_length;
		}
	}
	free(head);
}

/* A megabyte more, until the device is full. */
void op_grow(struct worker *w)
{
	struct lnkfs_grow g = { .g_size = sizeof(g), .g_flags = LNKFS_GROW_DRY };
	struct statfs sf;

	if (may(w, "grow -n", ioctl(w->root, LNKFS_IOC_GROW, &g)) ||
	    may(w, "fstatfs", fstatfs(w->root, &sf)))
		return;
	g.g_blocks = g.g_old + (1 << 20) / sf.f_bsize;
	g.g_old = 0;
	g.g_flags = 0;
	may(w, "grow", ioctl(w->root, LNKFS_IOC_GROW, &g));
	nap(500);
}

/* Nothing but time passes while the volume is frozen, so that somebody thaws it. */
void op_freeze(struct worker *w)
{
	if (!may(w, "freeze", ioctl(w->root, FIFREEZE, 0))) {
		nap(below(w, 3000));
		may(w, "thaw", ioctl(w->root, FITHAW, 0));
	}
	nap(1000);
}

void op_remount(struct worker *w)
{
	static const char *const options[] = {
		"", "discard", "nodiscard", "commit=1", "nobarrier", "barrier", "errors=continue",
		"errors=remount-ro", "usrquota", "noquota",
	};
	const char *how = options[below(w, w->traits & OP_QUOTA ? 10 : 8)];

	if (below(w, 2) &&
	    !may(w, "remount ro", mount(NULL, w->mount, NULL, MS_REMOUNT | MS_RDONLY, how)))
		nap(below(w, 1000));
	may(w, "remount rw", mount(NULL, w->mount, NULL, MS_REMOUNT, how));
	nap(below(w, 1000));
}

void op_statfs(struct worker *w)
{
	struct statfs sf;

	if (!may(w, "statfs", statfs(below(w, 2) ? "a" : ".", &sf)) &&
	    (sf.f_bfree > sf.f_blocks || sf.f_bavail > sf.f_bfree || sf.f_ffree > sf.f_files))
		fail("statfs: %lu blocks, %lu free, %lu available, %lu files, %lu free",
		     (unsigned long)sf.f_blocks, (unsigned long)sf.f_bfree,
		     (unsigned long)sf.f_bavail, (unsigned long)sf.f_files,
		     (unsigned long)sf.f_ffree);
}

void op_sync(struct worker *w)
{
	if (below(w, 4))
		may(w, "syncfs", syncfs(w->root));
	else
		sync();
}

void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "3", 1) != 1)
		fail("drop_caches: %m");
	close(fd);
}

void op_drop(struct worker *w)
{
	(void)w;
	drop_caches();
	nap(1000);
}

/* Once in a mix, at any time. */
void op_shutdown(struct worker *w)
{
	uint32_t how = below(w, 3);

	nap(20000 + below(w, 300000));
	if (__atomic_exchange_n(&shared->shut, 1, __ATOMIC_SEQ_CST))
		return;
	may(w, "shutdown", ioctl(w->root, LNKFS_IOC_SHUTDOWN, &how));
}
