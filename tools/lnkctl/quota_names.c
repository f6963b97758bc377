// SPDX-License-Identifier: GPL-2.0
/*
 * Names of users, groups and projects (/etc/projid, as for XFS's tools).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <linux/quota.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota_names.h"

#define PROJID	"/etc/projid"

/* Find the line of a project, by name or, without one, by ID. */
static int find_project(const char *want, uint32_t *id, char *name, size_t size)
{
	FILE *f = fopen(PROJID, "re");
	char line[512], *colon, *end;
	unsigned long long n;
	int ret = -1;

	while (ret && f && fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (*line == '#' || !colon || !isdigit((unsigned char)colon[1]))
			continue;
		*colon = 0;
		errno = 0;
		n = strtoull(colon + 1, &end, 10);
		if (errno || n >= UINT32_MAX || (*end && *end != '\n' && *end != ':'))
			continue;
		if (want ? strcmp(want, line) != 0 : n != *id)
			continue;
		*id = (uint32_t)n;
		if (name)
			snprintf(name, size, "%s", line);
		ret = 0;
	}
	if (f)
		fclose(f);
	return ret;
}

/**
 * quota_name() - the name of an owner
 * @type: USRQUOTA, GRPQUOTA, PRJQUOTA
 * @id: the owner
 * @name: gets the name
 * @size: room for it
 *
 * Return: 0, -1: there is none.
 */
int quota_name(int type, uint32_t id, char *name, size_t size)
{
	const struct passwd *pw;
	const struct group *gr;

	switch (type) {
	case USRQUOTA:
		pw = getpwuid(id);
		if (!pw)
			return -1;
		snprintf(name, size, "%s", pw->pw_name);
		return 0;
	case GRPQUOTA:
		gr = getgrgid(id);
		if (!gr)
			return -1;
		snprintf(name, size, "%s", gr->gr_name);
		return 0;
	default:
		return find_project(NULL, &id, name, size);
	}
}

/**
 * quota_id() - the owner of a name
 * @type: USRQUOTA, GRPQUOTA, PRJQUOTA
 * @name: the name
 * @id: gets the owner
 *
 * Return: 0, -1: there is none.
 */
int quota_id(int type, const char *name, uint32_t *id)
{
	const struct passwd *pw;
	const struct group *gr;

	switch (type) {
	case USRQUOTA:
		pw = getpwnam(name);
		if (pw)
			*id = pw->pw_uid;
		return pw ? 0 : -1;
	case GRPQUOTA:
		gr = getgrnam(name);
		if (gr)
			*id = gr->gr_gid;
		return gr ? 0 : -1;
	default:
		return find_project(name, id, NULL, 0);
	}
}
