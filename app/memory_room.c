/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See memory_room.h. */
#include "app/memory_room.h"

#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/base/util.h"

#define PATH_BYTES 4096
#define FILE_BYTES 65536

static const struct version {
	const char *controller; /* in /proc/self/cgroup */
	const char *mount, *max, *used, *unused;
} versions[] = {
	{"", "", "memory.max", "memory.current", "inactive_file"},
	{"", "/unified", "memory.max", "memory.current", "inactive_file"},
	{"memory", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	 "total_inactive_file"},
};

/* false: it is not there, or cannot be read. */
static bool load(const char *path, struct buf *ret)
{
	cleanup_close_ int fd = file_open(path);

	return fd >= 0 && !file_load(fd, FILE_BYTES, ret) && ret->data;
}

static bool load_of(const char *folder, const char *name, struct buf *ret)
{
	char path[PATH_BYTES + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return load(path, ret);
}

/* A file of one number. UINT64_MAX: there is none ("max"). */
static uint64_t read_number(const char *folder, const char *name)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t ret;

	if (!load_of(folder, name, &text))
		return UINT64_MAX;
	text.data[strcspn(text.data, "\n")] = '\0';
	return parse_u64(text.data, &ret) ? UINT64_MAX : ret;
}

/* A line of memory.stat; 0: there is none. */
static uint64_t read_stat(const char *folder, const char *name)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	size_t len = strlen(name);
	char *save = NULL;
	uint64_t ret;

	if (!load_of(folder, "memory.stat", &text))
		return 0;
	for (char *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, name, len) && line[len] == ' ' &&
		    !parse_u64(line + len + 1, &ret))
			return ret;
	}
	return 0;
}

static uint64_t room_of(const char *folder, const struct version *v)
{
	uint64_t max = read_number(folder, v->max), used;

	if (max >= INT64_MAX / 2) /* the first version's way to say that there is none */
		return UINT64_MAX;
	used = read_number(folder, v->used);
	if (used == UINT64_MAX)
		return max;
	return sub_u64(max, sub_u64(used, read_stat(folder, v->unused)));
}

/* Of a group and all that it is in. In a container its path may be one of the host's, of which only
 * the mount's own folder is there: the container's. */
static uint64_t room_along(const char *mounts, const struct version *v, const char *group)
{
	char folder[PATH_BYTES];
	uint64_t room = UINT64_MAX;
	size_t base = strlen(mounts) + strlen(v->mount);
	int len = snprintf(folder, sizeof(folder), "%s%s%s", mounts, v->mount, group);

	if (len < 0 || (size_t)len >= sizeof(folder))
		return room;
	for (;;) {
		room = MIN(room, room_of(folder, v));
		if (strlen(folder) <= base)
			return room;
		*strrchr(folder, '/') = '\0'; /* a group begins with one */
	}
}

uint64_t memory_room(const char *cgroup, const char *mounts)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t room = UINT64_MAX;
	char *save = NULL;

	if (!load(cgroup, &text))
		return room;
	/* number:controllers:path */
	for (char *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group || group[1] != '/')
			continue;
		*group++ = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
			if (!strcmp(controllers + 1, versions[i].controller))
				room = MIN(room, room_along(mounts, &versions[i], group));
	}
	return room;
}
