// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that concern the volume: file handles, quota, free space, its label and size,
 * freezing, remounting, shutting down.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/fsmap.h>

#include "lnkfs.h"
#include "ops.h"

/* Handles are numbers and generations (fs/export.c). */
struct handle {
	struct file_handle fh;
	u8 bytes[64];
};

static void open_handle(struct ops *o, struct handle *h)
{
	char buf[256];
	int fd;

	step("open_by_handle_at");
	fd = open_by_handle_at(o->root, &h->fh, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	note(fd);
	if (fd < 0)
		return;
	note(read(fd, buf, sizeof(buf)));
	note(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
}

/**
 * use_handles() - open by handles, of what is there and of what is not
 * @o: image
 */
void use_handles(struct ops *o)
{
	const struct found *f = &o->found[chance(o->nr)];
	struct handle h = { .fh.handle_bytes = sizeof(h.bytes) };
	u32 n = 1 + chance(12), n_bytes;
	int id;
	u64 ino;

	step("name_to_handle_at");
	if (name_to_handle_at(o->root, *f->path ? f->path : ".", &h.fh, &id, 0)) {
		note(-1);
		h.fh.handle_type = 0x81;
		h.fh.handle_bytes = 12;
	} else {
		open_handle(o, &h);
	}
	while (n--) {
		switch (chance(4)) {
		case 0:
			n_bytes = min(h.fh.handle_bytes, (u32)sizeof(h.bytes));
			h.bytes[chance(n_bytes)] = (u8)chance(256);
			break;
		case 1:
			h.fh.handle_type = (int)chance(256);
			break;
		default:
			ino = chance(2) ? chance(1u << 17) : chance64() >> chance(64);
			memcpy(h.bytes, &ino, sizeof(ino));
		}
		open_handle(o, &h);
	}
}

/**
 * use_quota() - quotactl(2)
 * @o: image
 */
void use_quota(struct ops *o)
{
	static const int gets[] = { Q_GETQUOTA, Q_GETNEXTQUOTA, Q_GETINFO, Q_GETFMT, Q_SYNC };
	u32 n = 1 + chance(6);
	struct dqblk dq;
	u8 info[256];

	step("quotactl");
	while (n--) {
		int type = (int)chance(3), cmd = gets[chance(ARRAY_SIZE(gets))];
		int id = chance(2) ? (int)chance(4000) : (int)chance64();

		note(quotactl(QCMD(cmd, type), o->dev, id,
			      cmd == Q_GETQUOTA || cmd == Q_GETNEXTQUOTA ? (caddr_t)&dq :
			      (caddr_t)info));
		if (!o->writable || chance(3))
			continue;
		memset(&dq, 0, sizeof(dq));
		dq.dqb_bhardlimit = chance(2) ? 0 : chance(100000);
		dq.dqb_ihardlimit = chance(2) ? 0 : chance(1000);
		dq.dqb_valid = QIF_LIMITS;
		note(quotactl(QCMD(Q_SETQUOTA, type), o->dev, id, (caddr_t)&dq));
	}
}

static void get_fsmap(struct ops *o)
{
	struct {
		struct fsmap_head head;
		struct fsmap rec[40];
	} m;

	step("GETFSMAP");
	memset(&m, 0, sizeof(m));
	m.head.fmh_count = chance(4) ? 40 : 0;
	m.head.fmh_keys[0].fmr_physical = chance(2) ? 0 : chance64() >> chance(64);
	m.head.fmh_keys[1].fmr_physical = ~0ULL;
	m.head.fmh_keys[1].fmr_device = ~0u;
	m.head.fmh_keys[1].fmr_owner = ~0ULL;
	m.head.fmh_keys[1].fmr_offset = ~0ULL;
	m.head.fmh_keys[1].fmr_flags = ~0u;
	note(ioctl(o->root, FS_IOC_GETFSMAP, &m));
}

static void read_sysfs(struct ops *o)
{
	static const char *const dirs[] = { "label", "free_blocks", "orphans", "journal_sequence",
					    "lifetime_write_kbytes", "first_error_time",
					    "last_error_func", "pool_blocks" };
	char path[160], buf[4096];
	u32 i;
	int fd;

	step("sysfs");
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "/sys/fs/lnkfs/%s/%s", o->dev + 5, dirs[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		note(read(fd, buf, sizeof(buf)));
		close(fd);
	}
}

/**
 * ask_volume() - what a volume says of itself
 * @o: image
 */
void ask_volume(struct ops *o)
{
	char label[256] = "";
	struct statfs st;

	switch (chance(5)) {
	case 0:
		step("statfs");
		note(fstatfs(o->root, &st));
		break;
	case 1:
		get_fsmap(o);
		break;
	case 2:
		step("GETFSLABEL");
		note(ioctl(o->root, FS_IOC_GETFSLABEL, label));
		break;
	case 3:
		read_sysfs(o);
		break;
	default:
		step("sync");
		note(syncfs(o->root));
	}
}

static void trim(struct ops *o)
{
	struct fstrim_range range = { .len = ~0ULL };

	step("FITRIM");
	if (chance(2))
		range.start = chance64() >> chance(64);
	if (chance(2))
		range.minlen = chance64() >> chance(64);
	note(ioctl(o->root, FITRIM, &range));
}

static void freeze(struct ops *o)
{
	step("freeze");
	note(ioctl(o->root, FIFREEZE, 0));
	note(ioctl(o->root, FITHAW, 0));
}

static void grow(struct ops *o)
{
	struct lnkfs_grow g = { .g_size = sizeof(g) };

	step("GROW");
	if (chance(2))
		g.g_blocks = chance(3) ? chance(200000) : chance64();
	g.g_flags = chance(3) ? 0 : LNKFS_GROW_DRY;
	note(ioctl(o->root, LNKFS_IOC_GROW, &g));
}

static void remount(struct ops *o)
{
	static const char *const options[] = { "", "errors=continue", "errors=remount-ro",
					       "discard", "nodiscard", "commit=1", "usrquota",
					       "noquota", "barrier=0" };

	step("remount");
	note(mount("none", o->dir, NULL, MS_REMOUNT | MS_RDONLY,
		   options[chance(ARRAY_SIZE(options))]));
	if (chance(4))
		note(mount("none", o->dir, NULL, MS_REMOUNT,
			   options[chance(ARRAY_SIZE(options))]));
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	step("drop_caches");
	if (fd < 0)
		return;
	note(write(fd, chance(2) ? "2" : "3", 1));
	close(fd);
}

/**
 * change_volume() - change something about the volume
 * @o: image
 */
void change_volume(struct ops *o)
{
	u32 how = chance(3);

	switch (chance(9)) {
	case 0:
		trim(o);
		break;
	case 1:
		freeze(o);
		break;
	case 2:
		grow(o);
		break;
	case 3:
		remount(o);
		break;
	case 4:
		step("SETFSLABEL");
		note(ioctl(o->root, FS_IOC_SETFSLABEL, "a new label"));
		break;
	case 5:
		if (chance(6))
			break;
		step("shutdown");
		note(ioctl(o->root, LNKFS_IOC_SHUTDOWN, &how));
		break;
	case 6:
		drop_caches();
		break;
	default:
		step("sync");
		note(syncfs(o->root));
	}
}
