/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * May we mount here, and if not, what is missing? CAP_SYS_ADMIN mounts by itself; everybody else
 * needs the helper fusermount3, which is setuid root, opens /dev/fuse as the user and mounts on
 * folders that are the user's.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/privilege.h"

#define HELPER "fusermount3"

/* Where libfuse looks for it: where Debian puts it, then in PATH. */
static bool find_helper(char *ret, size_t size)
{
	const char *dirs = getenv("PATH");
	char copy[4096], *save = NULL;

	snprintf(copy, sizeof(copy), "/usr/bin:/bin:%s", dirs ? dirs : "");
	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		if (snprintf(ret, size, "%s/" HELPER, dir) < (int)size && !access(ret, X_OK))
			return true;
	}
	return false;
}

int fs_may_mount(char *why, size_t size)
{
	bool can_ourselves = privilege_have(CAP_SYS_ADMIN);
	char helper[4096];
	struct stat st;

	if (access("/dev/fuse", F_OK)) {
		snprintf(why, size,
			 "/dev/fuse: %s; is the fuse module loaded (modprobe fuse), or the device "
			 "given to this container (--device /dev/fuse)?",
			 strerror(errno));
		return -ENODEV;
	}
	if (eaccess("/dev/fuse", R_OK | W_OK)) {
		snprintf(why, size, "/dev/fuse: %s; its usual mode is 0666", strerror(errno));
		return -EACCES;
	}
	if (can_ourselves)
		return 0;
	if (!find_helper(helper, sizeof(helper))) {
		snprintf(why, size,
			 HELPER " is not installed (package fuse3), without which only "
				"CAP_SYS_ADMIN mounts");
		return -EPERM;
	}
	/* To uid 0 its setuid bit adds nothing that an exec would not give back anyway. */
	if (geteuid() && (stat(helper, &st) || st.st_uid || !(st.st_mode & S_ISUID))) {
		snprintf(why, size,
			 "%s is not setuid root, without which only CAP_SYS_ADMIN mounts", helper);
		return -EPERM;
	}
	return 0;
}

int mount_check_ours(const char *path)
{
	struct stat st;
	int err = 0;

	if (!geteuid() || privilege_have(CAP_SYS_ADMIN))
		return 0;
	if (stat(path, &st) < 0)
		err = -errno;
	else if (st.st_uid == geteuid())
		return 0;
	else if (st.st_mode & S_ISVTX)
		err = -EPERM;
	else if (access(path, W_OK))
		err = -errno;
	return err;
}
