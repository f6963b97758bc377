// SPDX-License-Identifier: GPL-2.0
/*
 * The names of inodes: of those that are there, and of numbers that nobody has.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lnkfs.h"
#include "ops.h"

#define MAX_CALLS	300	/* for one inode */

/* Its number, or any; its generation, or any. */
static void any_number(struct ops *o, struct lnkfs_names *n)
{
	const struct found *f = &o->found[chance(o->nr)];

	n->n_fd = -1;
	n->n_ino = chance(2) ? f->ino : chance(2) ? chance(1u << 17) : chance64() >> chance(64);
	n->n_gen = chance(2) ? 0 : chance(2) ? chance(4) : (u32)chance64();
}

/* All of them, call by call; each call must get further. */
static void all_names(struct ops *o, int carrier, struct lnkfs_names *n)
{
	static _Alignas(8) char buf[8192];
	u32 room = chance(2) ? sizeof(buf) : 24 + chance(300), calls;
	const int fd = n->n_fd;

	for (calls = 0; calls < MAX_CALLS && !time_is_up(o); calls++) {
		u64 before = n->n_cookie;
		long ret;

		n->n_buf = (u64)(unsigned long)buf;
		n->n_len = room;
		ret = ioctl(carrier, LNKFS_IOC_GETNAMES, n);
		note(ret);
		if (ret || (n->n_flags & LNKFS_NAMES_END))
			return;
		if (n->n_cookie == before) {
			complain("GETNAMES of inode %llu does not get on from %llu",
				 (unsigned long long)n->n_ino, (unsigned long long)before);
			return;
		}
		n->n_count = 0;
		if (fd >= 0) {
			n->n_ino = 0;
			n->n_gen = 0;
		}
	}
}

/**
 * ask_names() - the names of an object, or of a number
 * @o: image
 * @f: object
 */
void ask_names(struct ops *o, const struct found *f)
{
	struct lnkfs_names n = { .n_size = sizeof(n) };
	const struct found *from = &o->found[chance(o->nr)];
	int carrier = o->root;

	step("GETNAMES");
	if (!chance(3) && S_ISDIR(from->mode)) {
		carrier = openat(o->root, *from->path ? from->path : ".",
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		note(carrier);
		if (carrier < 0)
			return;
	}
	if (chance(3)) {
		n.n_fd = openat(o->root, *f->path ? f->path : ".", O_PATH | O_NOFOLLOW);
		note(n.n_fd);
	} else {
		any_number(o, &n);
	}
	if (!chance(8))
		n.n_cookie = chance(2) ? chance(100) : chance64() >> chance(64);
	all_names(o, carrier, &n);
	if (n.n_fd >= 0)
		close(n.n_fd);
	if (carrier != o->root)
		close(carrier);
}
